//! `siptrace-lake ingest`: captures become tables.
//!
//! Each job is a plan whose rows say what it made; the rows of the tables go from its tasks to
//! objects. Captures that are known are not read again. The jobs after the scan work over all
//! captures, so that a call is whole wherever its messages lie. The manifest is written last: until
//! then the lake is what it was.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use datafusion::arrow::array::RecordBatch;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use serde::de::DeserializeOwned;
use siptrace::analysis::{Analysis, Keep};
use siptrace::limits::{CALLS_MAX, CAPTURES_MAX, FINDINGS_MAX};
use siptrace::pipeline::Options;
use siptrace::pipeline::parts::{self, Conclusion, Grounds, Mend, Rows, Survey};
use siptrace::rules::{self, Profile};
use siptrace::{KeyLog, Settings};

use crate::engine::Engine;
use crate::fault::Fault;
use crate::manifest::{Capture, Manifest, Object};
use crate::plans;
use crate::progress::Progress;
use crate::rows;
use crate::step::{Job, Spec};
use crate::steps::follow::Followed;
use crate::steps::judge::{self, Judgement};
use crate::steps::scan::{self, Out, Scanned, Task};
use crate::steps::{odd, read_line};
use crate::store::{Place, random_name};
use crate::tables::{FINDINGS, MESSAGES, PIECES, STREAMS};
use crate::writer::Writer;

/// Tasks of a scan on a cluster, at most; of more captures, a task has several.
const TASKS_MAX: usize = 4096;

/// How often captures are scanned again because one clock moved another.
const CLOCKS_TRIES: usize = 3;

/// After how long an object that nobody names is taken away: no run takes that long.
const ORPHAN_AGE: Duration = Duration::from_secs(24 * 3600);

/// Batches of rows of findings and streams that are written at once.
const ROWS: usize = 4096;

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Captures that were scanned.
    pub(crate) scanned: usize,
    /// Captures that were known.
    pub(crate) known: usize,
    /// The lake as it is.
    pub(crate) manifest: Manifest,
}

/// What calls are judged by where the user says nothing.
pub(crate) fn options() -> Options {
    let keep = Keep {
        calls: CALLS_MAX,
        findings: FINDINGS_MAX,
        ladders: Keep::LADDERS,
        ..Keep::default()
    };
    Options {
        profile: Profile { rules: rules::ALL.to_vec(), settings: Settings::default() },
        keep,
        media: true,
        keys: KeyLog::default(),
        threads: None,
    }
}

/// Takes captures into the lake.
///
/// # Errors
///
/// When a capture cannot be read, a job fails, or the lake cannot be written.
pub(crate) async fn ingest(
    engine: &Engine,
    place: &Place,
    captures: Vec<Capture>,
    progress: &Progress,
) -> Result<Outcome, Fault> {
    let mut manifest = Manifest::load_or_new(place).await?;
    let named = captures.len();
    let fresh = enlist(&mut manifest, captures)?;
    let (scanned, known) = (fresh.len(), named - fresh.len());
    if fresh.is_empty() && manifest.generation > 0 {
        return Ok(Outcome { scanned, known, manifest });
    }
    let options = options();
    let mut run = Run { engine, place, manifest, progress, options, work: Vec::new() };
    let result = run.all(fresh).await;
    // Taken away in any case: nobody asks for what lies between the jobs.
    for name in std::mem::take(&mut run.work) {
        let _ = place.store().delete(&place.path(&name)).await;
    }
    result?;
    let manifest = run.manifest.commit(place).await?;
    tidy(place, &manifest).await;
    Ok(Outcome { scanned, known, manifest })
}

/// Enters captures that are not known, or have changed; gives their numbers.
fn enlist(manifest: &mut Manifest, captures: Vec<Capture>) -> Result<Vec<usize>, Fault> {
    let mut fresh = Vec::new();
    let places = manifest.captures.iter().enumerate().map(|(at, own)| (own.url.clone(), at));
    let places: std::collections::HashMap<String, usize> = places.collect();
    for capture in captures {
        match places.get(&capture.url).and_then(|at| Some((*at, manifest.captures.get_mut(*at)?))) {
            Some((_, known)) if known.is_same(&capture) => {}
            Some((at, known)) => {
                *known = capture;
                fresh.push(at);
            }
            None => {
                fresh.push(manifest.captures.len());
                manifest.captures.push(capture);
            }
        }
    }
    match manifest.captures.len() > CAPTURES_MAX {
        true => Err(Fault::usage(
            format!("a lake has at most {CAPTURES_MAX} captures"),
            "begin another lake, or merge captures, as with `mergecap`",
        )),
        false => Ok(fresh),
    }
}

/// A run under way.
struct Run<'r> {
    engine: &'r Engine,
    place: &'r Place,
    manifest: Manifest,
    progress: &'r Progress,
    options: Options,
    /// Objects that are of no use after it.
    work: Vec<String>,
}

impl Run<'_> {
    async fn all(&mut self, fresh: Vec<usize>) -> Result<(), Fault> {
        let survey = self.scans(fresh).await?;
        let (mended, pieces) = self.mend().await?;
        let (flows, media) = self.follow(&survey, pieces).await?;
        let options = self.options.clone();
        let grounds = Grounds::new(survey, &mended, &flows, &media, options)?;
        drop((mended, flows, media));
        let name = format!("grounds/{}.bin", random_name());
        self.place.write(&name, grounds.to_bytes()).await?;
        self.manifest.grounds = Some(name.clone());
        self.judge(&name).await?;
        judge::forget();
        self.progress.at("folding what was found");
        let analysis = conclusion(self.place, &self.manifest, grounds).await?.finish();
        self.conclude(&analysis).await
    }

    fn is_several(&self) -> bool {
        self.manifest.captures.len() > 1
    }

    async fn blob(&mut self, kind: &str, bytes: Vec<u8>) -> Result<String, Fault> {
        let name = format!("work/{kind}-{}.bin", random_name());
        self.place.write(&name, bytes).await?;
        self.work.push(name.clone());
        Ok(name)
    }

    fn spec(&self, job: Job) -> Spec {
        Spec { lake: self.place.url().to_owned(), job }
    }

    /// Runs a job; what its tasks made.
    async fn made<T: DeserializeOwned>(
        &self,
        plan: Arc<dyn ExecutionPlan>,
    ) -> Result<Vec<T>, Fault> {
        let batches = self.engine.run(plan).await?;
        let lines = |batch: &RecordBatch| -> Result<Vec<T>, Fault> {
            let lines = rows::text(batch, "made").map_err(|error| odd(&error))?;
            lines.iter().flatten().map(read_line).collect()
        };
        let lists = batches.iter().map(lines).collect::<Result<Vec<_>, _>>()?;
        Ok(lists.into_iter().flatten().collect())
    }

    /// Scans captures, and once more those whose clocks turn out to be ahead.
    async fn scans(&mut self, mut fresh: Vec<usize>) -> Result<Survey, Fault> {
        let options = self.blob("options", parts::options_to_bytes(&self.options)).await?;
        for _ in 0..CLOCKS_TRIES {
            if !fresh.is_empty() {
                self.scan(&options, &fresh).await?;
            }
            self.progress.at("comparing clocks");
            let survey = self.survey().await?;
            let ahead = survey.ahead();
            fresh.clear();
            for (capture, index) in self.manifest.captures.iter_mut().zip(0_u16..) {
                let ahead = ahead.get(&index).map_or(0, |ahead| ahead.nanos());
                if capture.ahead != ahead {
                    capture.ahead = ahead;
                    fresh.push(usize::from(index));
                }
            }
            if fresh.is_empty() {
                return Ok(survey);
            }
        }
        Err(Fault::Job("the clocks of the captures cannot be compared".to_owned()))
    }

    async fn scan(&mut self, options: &str, which: &[usize]) -> Result<(), Fault> {
        let task = |at: &usize| {
            let capture = self.manifest.captures.get(*at)?;
            let Capture { url, size, ahead, .. } = capture.clone();
            Some(Task { index: u16::try_from(*at).ok()?, url, size, ahead })
        };
        let tasks: Vec<Task> = which.iter().filter_map(task).collect();
        let bytes = tasks.iter().map(|task| task.size).sum();
        let groups = self.engine.tasks().min(tasks.len()).max(1);
        let threads = self.engine.threads().map_or(1, |threads| (threads / groups).max(1));
        scan::READ.store(0, Ordering::Relaxed);
        self.progress.scanning(tasks.len(), bytes, self.engine.threads().is_some());
        let spec = self.spec(Job::Scan { options: options.to_owned(), threads });
        // On a cluster more tasks than cores: what an executor takes with it is less.
        let groups = self.engine.threads().map_or(tasks.len().min(TASKS_MAX), |_| groups);
        let plan = plans::scan(spec, &tasks, groups)?;
        for scanned in self.made::<Scanned>(plan).await? {
            let Scanned { index, scan, messages, fragments, pieces } = scanned;
            if let Some(own) = self.manifest.captures.get_mut(usize::from(index)) {
                own.scan = scan;
                own.messages = messages;
                own.fragments = fragments;
                own.pieces = pieces;
            }
        }
        match self.manifest.captures.iter().find(|own| own.scan.is_empty()) {
            Some(own) => Err(Fault::Job(format!("nobody has scanned {:?}", own.url))),
            None => Ok(()),
        }
    }

    async fn survey(&self) -> Result<Survey, Fault> {
        let mut survey = Survey::default();
        let names = self.manifest.captures.iter().map(|own| own.scan.clone());
        let mut blobs = futures::stream::iter(names)
            .map(|name| async move { self.place.read(&name).await })
            .buffered(8);
        while let Some(blob) = blobs.try_next().await? {
            survey.add(&blob)?;
        }
        Ok(survey)
    }

    /// Puts fragments together, here: they are few.
    async fn mend(&mut self) -> Result<(Vec<u8>, Vec<Object>), Fault> {
        self.progress.at("putting fragments together");
        let objects: Vec<&Object> =
            self.manifest.captures.iter().flat_map(|own| &own.fragments).collect();
        let mut mend = Mend::new(&self.options);
        let mut out = Out::new(self.place, "mended-");
        if !objects.is_empty() {
            let rows = plans::read(self.place, &PIECES, &objects, &[], 1)?;
            // In the order of pieces, as those of one table.
            let job = Job::Follow { keys: String::new(), is_several: self.is_several() };
            let rows: Arc<dyn ExecutionPlan> = match job.ordering(&rows.schema())? {
                Some(ordering) => Arc::new(SortExec::new(ordering, rows)),
                None => rows,
            };
            let mut batches = self.engine.here(rows)?;
            while let Some(batch) = batches.try_next().await? {
                let mut made = Rows::default();
                for piece in rows::read_pieces(&batch).map_err(|error| odd(&error))? {
                    mend.push(&piece, &mut made)?;
                }
                out.write(made).await?;
            }
        }
        let (messages, _, pieces) = out.finish().await?;
        self.manifest.derived = messages;
        self.work.extend(pieces.iter().map(|own| own.name.clone()));
        Ok((mend.finish(), pieces))
    }

    /// Follows flows and streams; what each table found.
    async fn follow(
        &mut self,
        survey: &Survey,
        mended: Vec<Object>,
    ) -> Result<(Vec<Vec<u8>>, Vec<(u8, Vec<u8>)>), Fault> {
        self.progress.at("following connections and RTP streams");
        let keys = self.blob("keys", survey.keys(&self.options)).await?;
        let captures = self.manifest.captures.iter().flat_map(|own| &own.pieces);
        let objects: Vec<&Object> = captures.chain(&mended).collect();
        if objects.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let rows = plans::read(self.place, &PIECES, &objects, &[], self.engine.tasks())?;
        let job = Job::Follow { keys, is_several: self.is_several() };
        let plan = plans::step(self.spec(job), rows)?;
        let (mut flows, mut media) = (Vec::new(), Vec::new());
        for followed in self.made(plan).await? {
            match followed {
                Followed::Flows { table, found } => flows.push((table, found)),
                Followed::Media { table, found } => media.push((table, found)),
                Followed::Messages(objects) => self.manifest.derived.extend(objects),
            }
        }
        flows.sort();
        media.sort();
        self.work.extend(flows.iter().chain(&media).map(|(_, name)| name.clone()));
        let (mut of_flows, mut of_media) = (Vec::new(), Vec::new());
        for (_, name) in &flows {
            of_flows.push(self.place.read(name).await?.to_vec());
        }
        for (table, name) in &media {
            of_media.push((*table, self.place.read(name).await?.to_vec()));
        }
        Ok((of_flows, of_media))
    }

    async fn judge(&mut self, grounds: &str) -> Result<(), Fault> {
        self.progress.at("judging calls");
        self.manifest.tables.clear();
        self.manifest.judged.clear();
        let objects: Vec<&Object> = self.manifest.messages().collect();
        if objects.is_empty() {
            return Ok(());
        }
        let columns = &rows::MESSAGE_COLUMNS;
        let rows = plans::read(self.place, &MESSAGES, &objects, columns, self.engine.tasks())?;
        let is_several = self.is_several();
        let job = Job::Judge { grounds: grounds.to_owned(), is_several };
        let plan = plans::step(self.spec(job), rows)?;
        let mut made: Vec<Judgement> = self.made(plan).await?;
        // Whoever was done first: the lake is the same.
        made.sort_by_key(|own| own.calls.iter().filter_map(|own| own.times).min());
        for Judgement { found, calls, transactions, streams } in made {
            self.manifest.judged.push(found);
            self.table("calls").extend(calls);
            self.table("transactions").extend(transactions);
            self.table("streams").extend(streams);
        }
        Ok(())
    }

    fn table(&mut self, name: &str) -> &mut Vec<Object> {
        self.manifest.tables.entry(name.to_owned()).or_default()
    }

    /// Writes what only all calls together show.
    async fn conclude(&mut self, analysis: &Analysis) -> Result<(), Fault> {
        let mut findings = Writer::new(self.place.clone(), &FINDINGS, "");
        for chunk in analysis.findings.chunks(ROWS) {
            findings.write(chunk, |own| own.time, rows::findings).await?;
        }
        let findings = findings.finish().await?;
        self.table("findings").extend(findings);
        let mut streams = Writer::new(self.place.clone(), &STREAMS, "alone-");
        for chunk in analysis.streams.chunks(ROWS) {
            let chunk = chunk.iter().map(|own| (None, own));
            streams.write(chunk, |(_, own)| Some(own.first.time), rows::streams).await?;
        }
        let streams = streams.finish().await?;
        self.table("streams").extend(streams);
        Ok(())
    }
}

/// What the judges of the lake found, folded one after another.
///
/// # Errors
///
/// When an object is missing or damaged.
pub(crate) async fn conclusion(
    place: &Place,
    manifest: &Manifest,
    grounds: Grounds,
) -> Result<Conclusion, Fault> {
    let mut conclusion = Conclusion::new(grounds);
    for name in &manifest.judged {
        conclusion.add_bytes(&place.read(name).await?)?;
    }
    Ok(conclusion)
}

/// Takes away old objects that nobody names. That it fails is nobody's concern: the next run tries
/// again.
async fn tidy(place: &Place, manifest: &Manifest) {
    let named: BTreeSet<_> = manifest.names().map(|name| place.path(name)).collect();
    let folders = ["scan", "pieces", "messages", "grounds", "judged", "work"];
    let folders = folders.into_iter().chain(["calls", "transactions", "findings", "streams"]);
    for folder in folders {
        let folder = place.path(folder);
        let mut objects = place.store().list(Some(&folder));
        while let Ok(Some(object)) = objects.try_next().await {
            let age = SystemTime::now().duration_since(object.last_modified.into());
            let is_old = age.is_ok_and(|age| age > ORPHAN_AGE);
            if is_old && !named.contains(&object.location) {
                let _ = place.store().delete(&object.location).await;
            }
        }
    }
}
