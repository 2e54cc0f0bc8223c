//! Inputs that are no captures, cannot be read, or change while they are read; signals, and
//! surroundings that make no sense.

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use siptrace::analysis::Analysis;
use siptrace::capture::{Note, Source};
use siptrace::pipeline;

use crate::build::container::pcap_of;
use crate::build::container::{Order, pcap};
use crate::build::{Capture, Record};
use crate::outcome::options;
use crate::writing::{Scratch, complaint, ended, is_ignored, program, shell, signal, siptrace};

const CALL: &str = "fixtures/captures/basic-call-udp.pcap";

/// Frames of one size that hold nothing, more than a few blocks of them.
fn frames(count: u32) -> Vec<u8> {
    let record = |number: u32| Record {
        nanos: i64::from(number) * 1_000_000,
        data: vec![0x60; FRAME_BYTES],
        length: FRAME_BYTES as u32,
    };
    pcap_of(Order::Little, 0xa1b2_c3d4, 1, &(0..count).map(record).collect::<Vec<_>>())
}

const FRAME_BYTES: usize = 1000;

/// So many that they are not all read before a part of them is looked at.
const FRAMES: u32 = 40_000;

/// The file header, and the header of a record.
const HEADERS: (usize, usize) = (24, 16);

/// Analyses a file that is changed as soon as it is read.
fn changed(scratch: &Scratch, bytes: &[u8], change: impl Fn(&fs::File) + Sync) -> Analysis {
    let path = scratch.write("in.pcap", bytes);
    let source = Source::open(path.as_ref(), 0).expect("a capture");
    let file = Mutex::new(fs::OpenOptions::new().append(true).open(&path).ok());
    let reached = |_| {
        if let Some(file) = file.lock().expect("no panic").take() {
            change(&file);
        }
    };
    let analysis = pipeline::run(vec![source], &options(), &reached).expect("no error");
    assert!(file.lock().expect("no panic").is_none(), "it was read at once");
    analysis
}

#[test]
fn a_file_that_shrinks_gives_what_was_read() {
    let scratch = Scratch::new("shrinks");
    let bytes = frames(FRAMES);
    for cut in [10, 0] {
        let left = HEADERS.0 + 30_000 * (HEADERS.1 + FRAME_BYTES) - cut;
        let analysis = changed(&scratch, &bytes, |file| {
            file.set_len(left as u64).expect("cut");
        });
        let capture = &analysis.captures[0];
        assert!((29_999..FRAMES.into()).contains(&capture.frames), "{}", capture.frames);
        let notes = &capture.notes;
        let is_told = |note: &Note| matches!(note, Note::Shrank { bytes } if *bytes > 9_000_000);
        assert!(notes.iter().any(is_told), "{notes:?}");
        let is_inside = |note: &Note| matches!(note, Note::EndsInsideRecord { .. });
        assert_eq!(notes.iter().any(is_inside), cut > 0, "{notes:?}");
    }
    let analysis = changed(&scratch, &bytes, |file| file.set_len(0).expect("cut"));
    assert!(analysis.captures[0].frames < FRAMES.into());
}

#[test]
fn a_file_that_grows_gives_at_least_what_it_had() {
    let scratch = Scratch::new("grows");
    let bytes = frames(5_000);
    let more = frames(50).split_off(HEADERS.0);
    let analysis = changed(&scratch, &bytes, |mut file| file.write_all(&more).expect("written"));
    assert!((5_000..=5_050).contains(&analysis.captures[0].frames));
    assert!(analysis.captures[0].notes.iter().all(|note| !format!("{note:?}").contains("Damaged")));
}

#[test]
fn a_file_that_is_replaced_is_read_as_it_was() {
    let scratch = Scratch::new("replaced");
    let bytes = frames(5_000);
    let (old, new) = (scratch.path("in.pcap"), scratch.write("new.pcap", &frames(3)));
    let analysis = changed(&scratch, &bytes, |_| fs::rename(&new, &old).expect("replaced"));
    assert_eq!(analysis.captures[0].frames, 5_000);
}

#[test]
fn what_is_no_capture_is_told_in_one_line() {
    let scratch = Scratch::new("none");
    let empty = scratch.write("empty.pcap", b"");
    let ones = scratch.write("ones.pcap", &[0xff; 100_000]);
    let folder = scratch.path("folder");
    fs::create_dir(&folder).expect("a folder");
    for (path, expected) in [
        (empty.as_str(), "it is empty"),
        (&ones, "no capture format begins with ff ff"),
        (&folder, "could not find a capture in"),
        (&scratch.path("missing.pcap"), "there is no such file"),
    ] {
        let error = complaint(&siptrace(&["analyze", path]));
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn links_sockets_and_devices_are_told_in_one_line() {
    let scratch = Scratch::new("odd");
    let path = |name: &str| scratch.path(name);
    std::os::unix::fs::symlink("nowhere", path("dangling")).expect("a link");
    std::os::unix::fs::symlink("loop", path("loop")).expect("a link");
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).expect("a socket");
    for (path, expected) in [
        (path("dangling").as_str(), "there is no such file"),
        (&path("loop"), "symbolic links"),
        (&path("socket"), "could not open"),
        ("/dev/null", "it is empty"),
        // Devices that never end.
        ("/dev/zero", "nothing but zero bytes"),
        ("/dev/urandom", "could not read"),
        ("/proc/self/mem", "could not read"),
    ] {
        let error = complaint(&siptrace(&["analyze", path]));
        assert!(error.contains(expected), "{path}: {error}");
    }
    // In a folder they are passed over, and nothing waits for what may never come.
    fs::copy(CALL, path("call.pcap")).expect("copied");
    assert!(shell(&format!("mkfifo '{}'", path("pipe.pcap"))).status.success());
    std::os::unix::fs::symlink(".", path("self")).expect("a link");
    let output = siptrace(&["analyze", &path("."), "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["captures"].as_array().map(Vec::len), Some(1));
}

#[test]
#[cfg(target_os = "linux")]
fn what_may_not_be_read_is_not_passed_over() {
    use std::os::unix::fs::PermissionsExt;

    let scratch = Scratch::new("secret");
    let open = |path: &str| fs::set_permissions(path, fs::Permissions::from_mode(0o755));
    open(&scratch.path(".")).expect("set");
    // Where tests run as root, somebody else has to try.
    let own = scratch.path("siptrace");
    fs::copy(env!("CARGO_BIN_EXE_siptrace"), &own).expect("copied");
    let folder = scratch.path("folder");
    fs::create_dir(&folder).expect("a folder");
    open(&folder).expect("set");
    for name in ["a.pcap", "b.pcap"] {
        fs::copy(CALL, scratch.path(&format!("folder/{name}"))).expect("copied");
    }
    let secret = scratch.path("folder/b.pcap");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).expect("set");
    let run = |arguments: &str| {
        let nobody = "setpriv --reuid=65534 --clear-groups";
        shell(&format!("[ $(id -u) != 0 ] || by='{nobody}'; $by '{own}' {arguments}"))
    };
    if !run("--version").status.success() {
        return;
    }
    for path in [secret.as_str(), &folder, &scratch.path("folder/*.pcap")] {
        let error = complaint(&run(&format!("check '{path}'")));
        assert!(error.contains("b.pcap\": Permission denied"), "{path}: {error}");
        assert!(error.contains("hint: ask its owner"), "{path}: {error}");
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o000)).expect("set");
    assert!(complaint(&run(&format!("check '{folder}'"))).contains("Permission denied"));
    open(&folder).expect("set");
}

#[test]
#[cfg(unix)]
fn a_pipe_that_ends_early_is_told_and_one_that_is_silent_can_be_left() {
    let scratch = Scratch::new("pipe");
    let pipe = scratch.path("pipe");
    assert!(shell(&format!("mkfifo '{pipe}'")).status.success());
    let bytes = fs::read(CALL).expect("a capture");
    let child = program(&["analyze", &pipe, "--format", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut writer = fs::OpenOptions::new().write(true).open(&pipe).expect("somebody reads");
    writer.write_all(&bytes[..bytes.len() - 20]).expect("read");
    drop(writer);
    let output = child.wait_with_output().expect("an end");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(json["captures"][0]["notes"][0]["kind"], "ends-inside-record");
    // Nobody writes to it at all.
    use std::os::unix::process::ExitStatusExt;
    let child = program(&["analyze", &pipe]).spawn().expect("the program starts");
    std::thread::sleep(Duration::from_millis(50));
    let (name, number) = if is_ignored(2) { ("TERM", 15) } else { ("INT", 2) };
    signal(&child, name);
    assert_eq!(ended(child).signal(), Some(number));
}

#[test]
fn surroundings_that_make_no_sense_change_no_figure() {
    let figures = |name: &str, value: &std::ffi::OsStr, lang: &str| {
        let mut command = program(&["analyze", CALL, "--lang", lang]);
        let output = command.env(name, value).output().expect("the program runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), told.as_str()), (Some(0), ""), "{name}={value:?}");
        let text = String::from_utf8(output.stdout).expect("text");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let plain = figures("UNUSED", "".as_ref(), "en");
    for (name, value) in [
        ("TZ", "no/such place"),
        ("LC_ALL", "C"),
        ("LC_ALL", "xx_YY.no-such"),
        ("LANG", "ja_JP.UTF-8"),
        ("TERM", ""),
        ("COLUMNS", "0"),
        ("COLUMNS", "-1"),
        ("COLUMNS", "99999999999999999999"),
        ("COLUMNS", "eighty"),
        ("NO_COLOR", "1"),
    ] {
        assert_eq!(figures(name, value.as_ref(), "en"), plain, "{name}={value}");
    }
    for columns in ["1", "65535"] {
        let text = figures("COLUMNS", columns.as_ref(), "en");
        assert!(text.contains("SIP messages"), "{columns}: {text}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let odd = std::ffi::OsStr::from_bytes(b"\xff\x1b[31m");
        for name in ["LC_ALL", "LANG", "TERM", "TZ", "COLUMNS"] {
            assert_eq!(figures(name, odd, "en"), plain, "{name}");
        }
    }
}

#[test]
fn time_that_goes_backwards_is_told() {
    let mut capture = Capture::of_script(BACKWARDS);
    let last = capture.records.len() - 1;
    capture.records[last].nanos -= 3_600_000_000_000;
    let scratch = Scratch::new("backwards");
    let path = scratch.write("in.pcap", &pcap(&capture));
    let output = siptrace(&["analyze", &path, "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(json["totals"]["sip_messages"], 3);
    let notes = json["captures"][0]["notes"].as_array().expect("notes");
    assert!(!notes.is_empty(), "{json}");
}

/// A call that is refused.
const BACKWARDS: &str = "\
host alice 192.0.2.10
host bob 192.0.2.20
0      alice > bob INVITE
+0.01  bob > alice 486
+0.01  alice > bob ACK
";

#[test]
#[cfg(unix)]
fn what_was_found_is_told_when_a_capture_is_stopped() {
    use std::io::{BufRead, BufReader, Read};

    if is_ignored(2) {
        return;
    }
    // As with `tcpdump -w - | siptrace analyze -`, where Ctrl-C ends both programs.
    let mut child = program(&["analyze", "-", "--format", "jsonl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(&fs::read(CALL).expect("a capture")).expect("read");
    let mut errors = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    out.read_line(&mut line).expect("text");
    assert!(line.contains("\"capture\""), "{line}");
    signal(&child, "INT");
    line.clear();
    errors.read_line(&mut line).expect("text");
    assert!(line.contains("the input is read to its end"), "{line}");
    drop(input);
    let mut text = String::new();
    out.read_to_string(&mut text).expect("text");
    assert!(ended(child).success());
    let last = text.lines().last().expect("a summary");
    let json: serde_json::Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(json["totals"]["calls"], 1);
}
