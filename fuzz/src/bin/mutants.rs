//! Many damaged captures through the whole analysis and the reports, from everything below some
//! folders.
//!
//! A panic, a rule that failed, an input that takes longer than five seconds, memory above
//! 512 MiB, a report with control characters, and a report that is another one with more threads
//! are failures, told with the number that makes the same input again.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use siptrace::Analysis;
use siptrace_fuzz::mutate::{self, Capture, Mutant, Random};
use siptrace_fuzz::whole::{files_below, whole};

/// An input that takes longer is a failure.
const PATIENCE: Duration = Duration::from_secs(5);

/// An input that takes longer ends the run.
const END_OF_PATIENCE: Duration = Duration::from_secs(60);

/// Memory that one input may take, in KiB.
const MEMORY_KIB_MAX: u64 = 512 << 10;

/// Memory that is worth a word, in KiB.
const STEP_KIB: u64 = 16 << 10;

/// Inputs of which the time is told.
const SLOWEST: usize = 10;

/// Failures alike that are told; the others are counted.
const ALIKE_MAX: u64 = 3;

/// Mutants that a file gets in a million at least.
const SHARE_MIN: f64 = 300.0;

const USAGE: &str = "usage: mutants [--count N] [--seed S] [--first N] [--only NUMBER] [--jobs J] \
                     [--bytes N] [--save FOLDER] FOLDER...";

fn main() -> ExitCode {
    let Some(plan) = Plan::of(env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let seeds = seeds(&plan.folders);
    if seeds.is_empty() {
        eprintln!("mutants: no capture below {:?}", plan.folders);
        return ExitCode::from(2);
    }
    let run = Run::new(plan, seeds);
    panic::set_hook(Box::new(|about| {
        let place = about.location().map_or(String::new(), ToString::to_string);
        let what = about.payload_as_str().unwrap_or("something else than words");
        let what: String = what.chars().take(200).collect();
        lock(&LAST_PANIC).push(format!("{place}: {what}"));
    }));
    thread::scope(|scope| {
        let watch = scope.spawn(|| run.watch());
        let workers: Vec<_> = (0..run.plan.jobs)
            .map(|job| {
                let run = &run;
                scope.spawn(move || run.work(job))
            })
            .collect();
        for worker in workers {
            let _ = worker.join();
        }
        run.is_over.store(true, Ordering::Relaxed);
        let _ = watch.join();
    });
    run.tell()
}

/// What panicked where since somebody looked.
static LAST_PANIC: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What the arguments ask for.
struct Plan {
    seed: u64,
    first: u64,
    count: u64,
    jobs: usize,
    bytes: usize,
    save: Option<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Plan {
    fn of(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut plan = Self {
            seed: 1,
            first: 0,
            count: 10_000,
            jobs: 1,
            bytes: 24 << 10,
            save: None,
            folders: Vec::new(),
        };
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next()?.parse::<u64>().ok();
            match argument.as_str() {
                "--seed" => plan.seed = number()?,
                "--first" => plan.first = number()?,
                "--count" => plan.count = number()?,
                "--jobs" => plan.jobs = usize::try_from(number()?).ok()?.max(1),
                "--bytes" => plan.bytes = usize::try_from(number()?).ok()?.max(1),
                "--only" => (plan.first, plan.count) = (number()?, 1),
                "--save" => plan.save = Some(arguments.next()?.into()),
                _ if argument.starts_with('-') => return None,
                _ => plan.folders.push(argument.into()),
            }
        }
        (!plan.folders.is_empty()).then_some(plan)
    }
}

/// A capture and where it is from.
struct Seed {
    path: PathBuf,
    capture: Capture,
    /// The sum of the weights up to this one.
    until: f64,
}

/// Every capture below the folders, in order of the paths.
fn seeds(folders: &[PathBuf]) -> Vec<Seed> {
    let found = files_below(folders);
    let read = |path: PathBuf| {
        let file = fs::read(&path).ok()?;
        let capture = match path.extension().and_then(|extension| extension.to_str()) {
            Some("sip") => Capture::play(str::from_utf8(&file).ok()?)?,
            Some("dat") => Capture::datagrams([file.as_slice()]),
            Some("md" | "tsv" | "yaml" | "xml" | "py" | "sh" | "cfg" | "toml" | "pem") => None?,
            _ => Capture::read(file)?,
        };
        Some(Seed { path, capture, until: 0.0 })
    };
    let mut seeds: Vec<Seed> = found.into_iter().filter_map(read).collect();
    // A recorded capture is worth ten scripts, of which there are many alike.
    let weight = |seed: &Seed| match seed.path.extension().is_some_and(|e| e == "sip") {
        true => 1.0,
        false => 10.0,
    };
    let total: f64 = seeds.iter().map(weight).sum();
    let least = total * SHARE_MIN / 1_000_000.0;
    let mut until = 0.0;
    for seed in &mut seeds {
        until += weight(seed).max(least);
        seed.until = until;
    }
    seeds
}

/// What a worker is busy with.
#[derive(Clone, Copy)]
struct Busy {
    number: u64,
    since: Instant,
    is_told: bool,
}

#[derive(Default)]
struct Sums {
    inputs: u64,
    refused: u64,
    bytes: u64,
    messages: u64,
    calls: u64,
    findings: u64,
    seconds: f64,
    kinds: BTreeMap<&'static str, u64>,
    rules: BTreeMap<&'static str, u64>,
    slowest: Vec<(Duration, u64)>,
    /// How often something failed, by what it was.
    failures: BTreeMap<String, u64>,
    failed: u64,
    peak_kib: u64,
    /// The inputs with which the peak of the memory rose by a step, and that step.
    steps: Vec<(u64, u64)>,
}

struct Run {
    plan: Plan,
    seeds: Vec<Seed>,
    next: AtomicU64,
    is_over: AtomicBool,
    busy: Vec<Mutex<Option<Busy>>>,
    sums: Mutex<Sums>,
    start: Instant,
    /// Memory before the first input, in KiB.
    before_kib: u64,
}

impl Run {
    fn new(plan: Plan, seeds: Vec<Seed>) -> Self {
        Self {
            next: AtomicU64::new(plan.first),
            is_over: AtomicBool::new(false),
            busy: (0..plan.jobs).map(|_| Mutex::new(None)).collect(),
            sums: Mutex::new(Sums::default()),
            start: Instant::now(),
            before_kib: memory("VmRSS"),
            plan,
            seeds,
        }
    }

    fn pick(&self, random: &mut Random) -> &Seed {
        let total = self.seeds.last().map_or(0.0, |seed| seed.until);
        let at = random.below(1 << 30) as f64 / f64::from(1 << 30) * total;
        let place = self.seeds.partition_point(|seed| seed.until <= at);
        &self.seeds[place.min(self.seeds.len() - 1)]
    }

    /// The input of this number, and what it was made of.
    fn input(&self, number: u64) -> (Mutant, &Path, &Path) {
        let mut random = Random::of(self.plan.seed, number);
        let (seed, other) = (self.pick(&mut random), self.pick(&mut random));
        // Most are small, so that there can be many; some are as large as a real one.
        let bytes = match random.below(50) {
            0 => self.plan.bytes * 8,
            1..10 => self.plan.bytes,
            _ => self.plan.bytes / 4,
        };
        let mutant = mutate::mutant(&seed.capture, &other.capture, bytes, &mut random);
        (mutant, &seed.path, &other.path)
    }

    fn work(&self, job: usize) {
        let last = self.plan.first + self.plan.count;
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= last {
                return;
            }
            let (mutant, path, other) = self.input(number);
            let size = mutant.bytes.len() as u64;
            if let (Some(folder), 1) = (&self.plan.save, self.plan.count) {
                let _ = fs::write(folder.join(format!("{number}.bin")), &mutant.bytes);
            }
            // Lets the kernel forget what making the input took: the input is judged by itself.
            let _ = fs::write("/proc/self/clear_refs", "5");
            let since = Instant::now();
            *lock(&self.busy[job]) = Some(Busy { number, since, is_told: false });
            let whole = panic::catch_unwind(AssertUnwindSafe(|| whole(mutant.bytes, number)));
            let took = since.elapsed();
            *lock(&self.busy[job]) = None;
            let mut said: Vec<String> = lock(&LAST_PANIC).drain(..).collect();
            said.dedup();
            let failure = match &whole {
                Err(_) => Some(format!("panicked: {}", said.join("; "))),
                Ok(Err(problem)) => Some(format!("{problem}; {}", said.join("; "))),
                Ok(Ok(_)) => None,
            };
            let mut sums = lock(&self.sums);
            if let Some(failure) = failure {
                let of = format!("{} with {}", path.display(), other.display());
                let of = format!("{:?} {of}", mutant.kinds);
                sums.fail(self.plan.seed, number, &failure, &of);
            }
            sums.add(size, &mutant.kinds, whole.ok().and_then(Result::ok).flatten().as_ref());
            sums.time(took, number);
            self.weigh(&mut sums, number);
            if sums.inputs.is_multiple_of(10_000) {
                let rate = sums.inputs as f64 / self.start.elapsed().as_secs_f64();
                eprintln!("{} inputs, {} failures, {rate:.0}/s", sums.inputs, sums.failed);
            }
        }
    }

    /// Looks at the memory that was needed at most for an input.
    fn weigh(&self, sums: &mut Sums, number: u64) {
        let peak = memory("VmHWM");
        if sums.peak_kib > 0 && peak >= sums.peak_kib + STEP_KIB {
            sums.steps.push((number, peak - sums.peak_kib));
        }
        sums.peak_kib = sums.peak_kib.max(peak);
        let grown = peak.saturating_sub(self.before_kib);
        if grown > MEMORY_KIB_MAX {
            sums.fail(self.plan.seed, number, "memory", &format!("{grown} KiB"));
        }
    }

    /// Tells of inputs that take too long while they do.
    fn watch(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(100));
            for busy in &self.busy {
                let mut busy = lock(busy);
                let Some(busy) = busy.as_mut().filter(|busy| busy.since.elapsed() > PATIENCE)
                else {
                    continue;
                };
                if !busy.is_told {
                    busy.is_told = true;
                    lock(&self.sums).fail(self.plan.seed, busy.number, "longer than 5 s", "");
                }
                if busy.since.elapsed() > END_OF_PATIENCE {
                    eprintln!("number {} does not end", busy.number);
                    process::exit(1);
                }
            }
        }
    }

    fn tell(&self) -> ExitCode {
        let sums = lock(&self.sums);
        let seconds = self.start.elapsed().as_secs_f64();
        println!(
            "seed {}: {} inputs from {} captures in {seconds:.0} s ({:.0}/s), {:.2} ms each",
            self.plan.seed,
            sums.inputs,
            self.seeds.len(),
            sums.inputs as f64 / seconds,
            sums.seconds * 1000.0 / sums.inputs as f64,
        );
        println!(
            "{} bytes, {} refused, {} messages, {} calls, {} findings of {} rules",
            sums.bytes,
            sums.refused,
            sums.messages,
            sums.calls,
            sums.findings,
            sums.rules.len(),
        );
        println!("memory: {} KiB before, {} KiB at most", self.before_kib, sums.peak_kib);
        let steps = sums.steps.iter().map(|(number, step)| format!("{number} {step} KiB"));
        println!("steps: {}", steps.collect::<Vec<_>>().join(", "));
        let kinds: Vec<_> =
            sums.kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        println!("damage: {}", kinds.join(", "));
        let slowest = sums.slowest.iter().map(|(took, number)| format!("{number} {took:.1?}"));
        println!("slowest: {}", slowest.collect::<Vec<_>>().join(", "));
        println!("failures: {}", sums.failed);
        for (failure, count) in &sums.failures {
            println!("{count} times {failure}");
        }
        if sums.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

impl Sums {
    fn fail(&mut self, seed: u64, number: u64, what: &str, of: &str) {
        self.failed += 1;
        // Numbers differ from input to input, the place does not.
        let kind: String = what.chars().filter(|c| !c.is_ascii_digit()).take(120).collect();
        let count = self.failures.entry(kind).or_default();
        *count += 1;
        if *count <= ALIKE_MAX {
            eprintln!("--seed {seed} --only {number}: {what}\n  {of}");
        }
    }

    fn add(&mut self, bytes: u64, kinds: &[&'static str], analysis: Option<&Analysis>) {
        self.inputs += 1;
        self.bytes += bytes;
        for kind in kinds {
            *self.kinds.entry(kind).or_default() += 1;
        }
        let Some(analysis) = analysis else {
            self.refused += 1;
            return;
        };
        self.messages += analysis.totals.sip_messages;
        self.calls += analysis.totals.call_ids;
        self.findings += analysis.findings.len() as u64;
        for finding in &analysis.findings {
            *self.rules.entry(finding.rule.code).or_default() += 1;
        }
    }

    fn time(&mut self, took: Duration, number: u64) {
        self.seconds += took.as_secs_f64();
        if took > PATIENCE
            || self.slowest.last().is_none_or(|(least, _)| took > *least)
            || self.slowest.len() < SLOWEST
        {
            self.slowest.push((took, number));
            self.slowest.sort_by(|one, other| other.cmp(one));
            self.slowest.truncate(SLOWEST);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// A figure of this process, in KiB.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
