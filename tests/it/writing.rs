//! Files that the program writes: whole or not at all, and never in the place of another unasked.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::build::Capture;
use crate::build::container::pcap;

/// Patience with a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A call with media that can be heard.
const CAPTURE: &str = "fixtures/captures/dtmf-rfc4733.pcap";

/// Two calls.
const TWO_CALLS: &str = "\
host alice 192.0.2.10
host bob 192.0.2.20
call first
0      alice > bob INVITE
+0.01  bob > alice 486
+0.01  alice > bob ACK
call second
10     alice > bob INVITE
+0.01  bob > alice 486
+0.01  alice > bob ACK
end 20
";

/// A folder that is gone afterwards.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let folder = format!("siptrace-it-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(folder);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("text").to_owned()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.0.join(name), bytes).expect("written");
        self.path(name)
    }

    /// What is in it, by name.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("a folder").flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siptrace"));
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("LC_ALL")
        .env_remove("LC_MESSAGES")
        .env("LANG", "C")
        .stdin(Stdio::null());
    command
}

pub(crate) fn siptrace(arguments: &[&str]) -> Output {
    program(arguments).output().expect("the program runs")
}

/// The error lines of a run that did nothing: one, and one for the advice.
pub(crate) fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.starts_with("siptrace: ") && text.lines().count() <= 2, "{text}");
    assert!(text.lines().skip(1).all(|line| line.starts_with("hint: ")), "{text}");
    text
}

/// Runs a line of the shell, in which `$0` is the program.
#[cfg(unix)]
pub(crate) fn shell(line: &str) -> Output {
    Command::new("sh")
        .args(["-c", line, env!("CARGO_BIN_EXE_siptrace")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("LANG", "C")
        .stdin(Stdio::null())
        .output()
        .expect("a shell")
}

/// Waits for the end, but not for ever.
pub(crate) fn ended(mut child: Child) -> std::process::ExitStatus {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("a child") {
            return status;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    panic!("the program does not end");
}

/// The signal is ignored here, as after `nohup` or in the background of a shell, and so it is by
/// every program that is started from here.
#[cfg(unix)]
pub(crate) fn is_ignored(number: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}

/// Sends a signal to the program.
#[cfg(unix)]
pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

/// Waits until there is such a file in the folder; false where the program ends before.
#[cfg(unix)]
fn appears(scratch: &Scratch, end: &str, child: &mut Child) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if scratch.names().iter().any(|name| name.ends_with(end)) {
            return true;
        }
        if child.try_wait().expect("a child").is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("nothing ends with {end}: {:?}", scratch.names());
}

/// Every way to name a file, which is `X` here.
const FILES: &[&[&str]] = &[
    &["analyze", CAPTURE, "-o", "X"],
    &["analyze", CAPTURE, "--format", "text", "--format", "json=X"],
    &["analyze", CAPTURE, "--format", "jsonl", "-o", "X"],
    &["analyze", CAPTURE, "-q", "--write-baseline", "X"],
    &["check", CAPTURE, "-o", "X"],
    &["check", CAPTURE, "--format", "junit=X"],
    &["check", CAPTURE, "--write-baseline", "X"],
    &["check", "--record", CAPTURE, "-o", "X"],
    &["report", CAPTURE, "--format", "html", "-o", "X"],
    &["calls", CAPTURE, "-o", "X"],
    &["show", "1", CAPTURE, "-o", "X"],
    &["stats", CAPTURE, "-o", "X"],
    &["diff", CAPTURE, CAPTURE, "-o", "X"],
    &["explain", "502", "-o", "X"],
    &["compare", "100", "502", "-o", "X"],
    &["rules", "-o", "X"],
    &["catalogue", "-o", "X"],
    &["schema", "-o", "X"],
    &["extract", CAPTURE, "-o", "X"],
    &["extract", CAPTURE, "--sip", "X"],
    &["redact", CAPTURE, "-q", "-o", "X"],
    &["redact", CAPTURE, "-q", "-o", "/dev/null", "--map", "X"],
];

#[test]
fn a_file_is_replaced_only_when_that_is_asked_for() {
    let scratch = Scratch::new("force");
    for (number, arguments) in FILES.iter().enumerate() {
        let path = scratch.write(&format!("file-{number}"), b"mine");
        let arguments: Vec<String> = arguments.iter().map(|own| own.replace('X', &path)).collect();
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = siptrace(&arguments);
        let error = complaint(&output);
        assert!(output.stdout.is_empty(), "{arguments:?} told something first");
        let expected =
            format!("could not write \"{path}\": it exists\nhint: `--force` replaces it\n");
        assert!(error.ends_with(&expected), "{arguments:?}: {error}");
        assert_eq!(fs::read(&path).expect("left alone"), b"mine", "{arguments:?}");
        arguments.push("--force");
        let output = siptrace(&arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert_ne!(fs::read(&path).expect("written"), b"mine", "{arguments:?}");
    }
    assert_eq!(scratch.names().len(), FILES.len(), "{:?}", scratch.names());
}

#[test]
fn a_folder_with_files_is_filled_only_when_that_is_asked_for() {
    let scratch = Scratch::new("folders");
    let cases: [(&[&str], &str); 4] = [
        (&["extract", CAPTURE, "--split", "X"], "notes.txt"),
        (&["extract", CAPTURE, "--audio", "X"], "notes.txt"),
        (&["extract", CAPTURE, "--call", "1", "--sipp", "X"], "uas.xml"),
        (&["man", "X"], "siptrace-show.1"),
    ];
    for (arguments, name) in cases {
        let own = scratch.path(arguments[arguments.len() - 2].trim_start_matches('-'));
        fs::create_dir(&own).expect("a folder");
        let file = Path::new(&own).join(name);
        fs::write(&file, "mine").expect("written");
        let arguments: Vec<String> = arguments.iter().map(|word| word.replace('X', &own)).collect();
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let error = complaint(&siptrace(&arguments));
        assert!(error.contains("exists") || error.contains("is not empty"), "{error}");
        assert!(error.contains("--force"), "{error}");
        assert_eq!(fs::read(&file).expect("left alone"), b"mine");
        assert_eq!(fs::read_dir(&own).expect("a folder").count(), 1, "all or none");
        arguments.push("--force");
        assert!(siptrace(&arguments).status.success(), "{arguments:?}");
        assert!(fs::read_dir(&own).expect("a folder").count() > 1);
        assert_eq!(fs::read(&file).is_ok_and(|text| text == b"mine"), name == "notes.txt");
    }
}

#[test]
fn what_cannot_be_written_is_told_before_the_captures_are_read() {
    let scratch = Scratch::new("early");
    let there = scratch.write("there", b"mine");
    let nowhere = scratch.path("no/such");
    let below_file = scratch.path("there/below");
    let long = scratch.path(&"n".repeat(256));
    for (path, expected) in [
        (there.as_str(), "it exists"),
        (&nowhere, "there is no such directory"),
        (&scratch.path("."), "it is a directory"),
        (&below_file, "Not a directory"),
        (&long, "too long"),
    ] {
        // The input never ends: whoever reads it first tells nothing.
        let mut child = program(&["analyze", "-", "-o", path])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let input = child.stdin.take();
        let mut errors = child.stderr.take().expect("a pipe");
        assert_eq!(ended(child).code(), Some(2), "{path}");
        drop(input);
        let mut text = String::new();
        errors.read_to_string(&mut text).expect("text");
        assert!(text.contains(expected), "{path}: {text}");
    }
    assert_eq!(scratch.names(), ["there"]);
}

#[test]
#[cfg(unix)]
fn an_input_is_never_an_output() {
    let scratch = Scratch::new("inputs");
    let bytes = pcap(&Capture::of_script(TWO_CALLS));
    let capture = scratch.write("a.pcap", &bytes);
    let (hard, soft) = (scratch.path("hard"), scratch.path("soft"));
    fs::hard_link(&capture, &hard).expect("a link");
    std::os::unix::fs::symlink(&capture, &soft).expect("a link");
    let folder = scratch.path(".");
    let hosts = scratch.write("hosts", b"192.0.2.10 alice\n");
    let key = scratch.write("key", b"the key of these tests");
    let pattern = scratch.path("*.pcap");
    let cases: [&[&str]; 10] = [
        &["analyze", &capture, "-o", &capture],
        &["analyze", &capture, "-o", &hard],
        &["analyze", &soft, "--format", "json", "-o", &hard],
        &["check", &folder, "--format", &format!("junit={soft}")],
        &["report", &pattern, "--format", "html", "-o", &hard],
        &["extract", &capture, "-o", &hard],
        &["redact", &capture, "-o", &soft],
        &["redact", &capture, "-o", "/dev/null", "--map", &soft],
        &["redact", &capture, "--key", &key, "-o", &key],
        &["analyze", &capture, "--hosts", &hosts, "-o", &hosts],
    ];
    for case in cases {
        for force in [&[][..], &["--force"]] {
            let error = complaint(&siptrace(&[case, force].concat()));
            assert!(error.contains("it is one of the "), "{case:?}: {error}");
        }
    }
    let line = format!("\"$0\" analyze - --force -o '{hard}' < '{capture}'");
    assert!(complaint(&shell(&line)).contains("it is one of the captures"));
    let line = format!("\"$0\" extract -o - '{capture}' >> '{capture}'");
    assert!(complaint(&shell(&line)).contains("to standard output: it is one of the captures"));
    assert_eq!(fs::read(&capture).expect("there"), bytes);
    // What lies beside captures and is none may be replaced.
    let notes = scratch.write("notes.json", b"{}");
    let output = siptrace(&["analyze", &folder, "--format", "json", "-o", &notes, "--force"]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_baseline_is_brought_up_to_date_without_force() {
    let scratch = Scratch::new("baseline");
    let known = scratch.path("known.toml");
    let write = ["check", CAPTURE, "--write-baseline", &known];
    assert!(siptrace(&write).status.success());
    let first = fs::read(&known).expect("written");
    fs::write(&known, "version = 1\n").expect("mended by hand");
    assert!(siptrace(&write).status.success());
    assert_eq!(fs::read(&known).expect("written again"), first);
    fs::write(&known, "not what a baseline is\n").expect("written");
    assert!(complaint(&siptrace(&write)).contains("it exists"));
}

#[test]
fn two_outputs_have_two_names() {
    let scratch = Scratch::new("twice");
    let (one, same) = (scratch.path("one"), scratch.path("./one"));
    let cases: [&[&str]; 4] = [
        &["analyze", CAPTURE, "-o", &one, "--write-baseline", &same],
        &["redact", CAPTURE, "-o", &one, "--map", &same],
        &["extract", CAPTURE, "-o", &one, "--sip", &same],
        &["analyze", CAPTURE, "-o", &one, "--format", "text", "--format", &format!("json={same}")],
    ];
    for case in cases {
        let error = complaint(&siptrace(&[case, &["--force"]].concat()));
        assert!(error.contains("twice\nhint: name another file"), "{case:?}: {error}");
    }
    assert_eq!(scratch.names(), [""; 0]);
}

/// Two calls, minute after minute: more than a pipe takes before somebody reads it.
#[cfg(unix)]
fn for_hours() -> Vec<u8> {
    let minutes = Capture::of_script(TWO_CALLS);
    let mut capture = minutes.clone();
    for minute in 1..1000 {
        capture.records.extend(minutes.records.iter().map(|record| {
            let nanos = record.nanos + minute * 60_000_000_000;
            crate::build::Record { nanos, ..record.clone() }
        }));
    }
    pcap(&capture)
}

#[test]
#[cfg(unix)]
fn a_signal_leaves_nothing_half_done() {
    use std::os::unix::process::ExitStatusExt;

    let bytes = for_hours();
    assert!(bytes.len() > 1 << 20);
    let signals = [("TERM", 15), ("INT", 2), ("HUP", 1)].into_iter();
    for (name, number) in signals.filter(|(_, number)| !is_ignored(*number)) {
        let scratch = Scratch::new(&format!("signal-{name}"));
        let path = scratch.path("lines");
        let mut child = program(&["analyze", "-", "--format", "jsonl", "-o", &path])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(&bytes).expect("the program reads");
        assert!(appears(&scratch, ".part", &mut child));
        signal(&child, name);
        if name == "INT" {
            // The first one leaves time for the end of the input.
            let mut line = String::new();
            let errors = child.stderr.as_mut().expect("a pipe");
            BufReader::new(errors).read_line(&mut line).expect("text");
            assert!(line.contains("Ctrl-C again stops at once"), "{line}");
            signal(&child, name);
        }
        // As any other program that was ended so, which a shell tells by 128 and more.
        assert_eq!(ended(child).signal(), Some(number));
        drop(input);
        assert_eq!(scratch.names(), [""; 0], "{name}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_signal_that_is_ignored_stays_ignored() {
    let scratch = Scratch::new("nohup");
    let path = scratch.path("lines");
    let mut child = Command::new("sh")
        .args(["-c", "trap '' HUP; exec \"$0\" analyze - --format jsonl -o \"$1\""])
        .args([env!("CARGO_BIN_EXE_siptrace"), &path])
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(&pcap(&Capture::of_script(TWO_CALLS))).expect("the program reads");
    assert!(appears(&scratch, ".part", &mut child));
    signal(&child, "HUP");
    drop(input);
    assert!(ended(child).success());
    assert_eq!(scratch.names(), ["lines"]);
}

#[test]
#[cfg(unix)]
fn a_signal_takes_folders_away_that_were_made() {
    let scratch = Scratch::new("signal-folder");
    let input = scratch.write("in.pcap", &for_hours());
    let mut child = program(&["extract", "--split", &scratch.path("calls"), &input])
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    assert!(appears(&scratch, "calls", &mut child));
    let _ = Command::new("kill").args(["-s", "TERM", &child.id().to_string()]).status();
    let is_done = ended(child).success();
    match fs::read_dir(scratch.path("calls")) {
        // The files may have their names before the signal comes; then all of them are there.
        Ok(files) => assert_eq!(files.count(), 2),
        Err(_) => assert!(!is_done && scratch.names() == ["in.pcap"], "{:?}", scratch.names()),
    }
}

#[test]
fn all_files_of_a_run_or_none() {
    let scratch = Scratch::new("all");
    let input = scratch.write("in.pcap", &pcap(&Capture::of_script(TWO_CALLS)));
    let folder = scratch.path("calls");
    let blocked = Path::new(&folder).join("2-second@script_invalid.pcapng");
    fs::create_dir_all(&blocked).expect("a folder in the way");
    let (script, sound) = (scratch.path("calls.sip"), scratch.path("sound"));
    let output = siptrace(&["extract", "--force", "--split", &folder, "--sip", &script, &input]);
    assert!(complaint(&output).contains("it is a directory"));
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1, "only what was in the way");
    // The last of the wishes fails: there is no sound.
    let whole = scratch.path("whole.pcapng");
    let output = siptrace(&["extract", "-o", &whole, "--audio", &sound, &input]);
    assert!(complaint(&output).contains("found no RTP stream"));
    assert!(output.stdout.is_empty(), "no file is told that is not there");
    assert_eq!(scratch.names(), ["calls", "in.pcap"]);
}

#[test]
#[cfg(unix)]
fn a_name_may_be_long_or_no_text() {
    use std::os::unix::ffi::OsStringExt;

    let scratch = Scratch::new("names");
    let long = "n".repeat(255);
    assert!(siptrace(&["rules", "-o", &scratch.path(&long)]).status.success());
    let odd = std::ffi::OsString::from_vec(b"odd\xff\x1b[31m".to_vec());
    let run = || {
        let path = scratch.0.join(&odd);
        program(&["rules", "-o"]).arg(path).output().expect("the program runs")
    };
    assert!(run().status.success());
    let error = complaint(&run());
    assert!(error.contains("it exists") && !error.contains('\u{1b}'), "{error}");
    assert_eq!(scratch.names().len(), 2);
}

#[test]
#[cfg(target_os = "linux")]
fn a_limit_on_files_is_an_error_and_not_the_end() {
    let scratch = Scratch::new("limit");
    for to in ["-o", ">"] {
        let path = scratch.path("page");
        let line = format!("ulimit -f 8; exec \"$0\" catalogue --format html {to} '{path}'");
        let error = complaint(&shell(&line));
        assert!(error.contains("could not write") && error.contains("ulimit -f"), "{error}");
        if to == "-o" {
            assert_eq!(scratch.names(), [""; 0]);
        }
    }
}

/// Runs a line of the shell where the folder `$1` may be mounted over; none where nobody may.
#[cfg(target_os = "linux")]
fn mounting(folder: &str, line: &str) -> Option<Output> {
    let run = |line: &str| {
        Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-ec", line])
            .args([env!("CARGO_BIN_EXE_siptrace"), folder])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("LANG", "C")
            .output()
    };
    let may = run("mount -t tmpfs none \"$1\"").is_ok_and(|output| output.status.success());
    may.then(|| run(line).expect("it has run before"))
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_keeps_what_it_has() {
    let scratch = Scratch::new("full");
    let line = "mount -t tmpfs -o size=64k none \"$1\"; echo mine > \"$1/page\"
        code=0; \"$0\" catalogue --format html --force -o \"$1/page\" || code=$?
        ls -A \"$1\"; cat \"$1/page\"; exit $code";
    let Some(output) = mounting(&scratch.path("."), line) else { return };
    let error = complaint(&output);
    assert!(error.contains("No space left on device") && error.contains("make room"), "{error}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "page\nmine\n");
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_nobody_may_write_to_is_told_at_once() {
    let scratch = Scratch::new("read-only");
    let line = "mount -t tmpfs none \"$1\"; mount -o remount,ro \"$1\"
        exec \"$0\" analyze no-such.pcap -o \"$1/page\"";
    let Some(output) = mounting(&scratch.path("."), line) else { return };
    assert!(complaint(&output).contains("Read-only file system"));
}
