//! The program at the end of a pipe: it tells at once what it knows, and a fast pipe is no slower
//! than a file.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::build::Capture;
use crate::build::container::{gzip, pcap};
use crate::outcome::{file, result, without};
use crate::writing::{Scratch, complaint, program, shell, siptrace};

/// Patience with a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// A call that fails, another one much later, and one more that stays open.
const CALLS: &str = "\
host alice 192.0.2.10
host proxy 198.51.100.1
call failed
0      alice > proxy INVITE
+0.01  proxy > alice 100
6.02   proxy > alice 500
+0.01  alice > proxy ACK
call later
600    alice > proxy INVITE
+0.01  proxy > alice 100
606.02 proxy > alice 500
+0.01  alice > proxy ACK
call register
1300   alice > proxy REGISTER
+0.01  proxy > alice 200
end 1400
";

/// The program, reading what we write.
struct Running {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Value>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_siptrace"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect("a line of JSON");
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take();
        Self { child, input, lines }
    }

    fn feed(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("an open pipe");
        input.write_all(bytes).and_then(|()| input.flush()).expect("the program reads");
    }

    /// The next line, while the input is open or not.
    fn line(&self) -> Value {
        self.lines.recv_timeout(PATIENCE).expect("a line")
    }

    /// Closes the input; gives the lines that are left and the exit code.
    fn finish(mut self) -> (Vec<Value>, Option<i32>) {
        self.input = None;
        let lines = self.lines.iter().collect();
        (lines, self.child.wait().expect("the program ends").code())
    }
}

fn kinds(lines: &[Value]) -> Vec<String> {
    let kind = |line: &Value| {
        let about = line["call_id"].as_str().unwrap_or_default();
        let about = about.split('@').next().unwrap_or_default();
        format!("{} {about}", line["type"].as_str().unwrap_or("?")).trim_end().to_owned()
    };
    lines.iter().map(kind).collect()
}

#[test]
fn a_finished_call_is_told_while_the_input_is_open() {
    let bytes = pcap(&Capture::of_script(CALLS));
    let mut running = Running::start(&["analyze", "-", "--format", "jsonl", "--fail-on", "error"]);
    // Until the first message of the second call, byte by byte at first.
    let later = memchr::memmem::find(&bytes, b"Call-ID: later").expect("the second call");
    for part in bytes[..300].chunks(7) {
        running.feed(part);
    }
    running.feed(&bytes[300..later]);
    assert_eq!(running.line()["type"], "capture");
    // The call was over long before, but only the next frame says so.
    running.feed(&bytes[later..later + 800]);
    let told = [running.line(), running.line()];
    assert_eq!(kinds(&told), ["call failed", "finding failed"]);
    assert_eq!(told[1]["rule"], "trying-then-server-failure");
    assert_eq!(told[1]["frames"], serde_json::json!([1, 2, 3]));
    running.feed(&bytes[later + 800..]);
    let (rest, code) = running.finish();
    let expected = ["call later", "finding later", "call register", "summary"];
    assert_eq!(kinds(&rest), expected);
    let summary = rest.last().expect("a summary");
    assert_eq!(summary["totals"]["findings"]["error"], 2);
    assert_eq!(summary["totals"]["sip_messages"], 10);
    assert_eq!(summary["incidents"][0]["count"], 2);
    assert_eq!(code, Some(1));
}

#[test]
fn lines_have_what_the_json_has() {
    let scratch = std::env::temp_dir().join(format!("siptrace-pipes-{}.pcap", std::process::id()));
    let bytes = pcap(&Capture::of_script(CALLS));
    std::fs::write(&scratch, &bytes).expect("room for a file");
    let whole = result(&crate::outcome::analyse(vec![file(&scratch, 0)]));
    let path = scratch.to_string_lossy().into_owned();
    for arguments in [
        [path.as_str(), "--threads", "1"],
        [path.as_str(), "--threads", "2"],
        ["-", "--threads", "2"],
    ] {
        let mut running = Running::start(
            &[&["analyze", "--format", "jsonl", "--lang", "en"], &arguments[..]].concat(),
        );
        if arguments[0] == "-" {
            running.feed(&gzip(&bytes));
        }
        let (lines, code) = running.finish();
        assert_eq!(code, Some(0));
        let of = |kind: &str| -> Vec<Value> {
            let own = lines.iter().filter(|line| line["type"] == kind).cloned();
            own.map(|mut line| {
                without(&mut line, &["type"]);
                line
            })
            .collect()
        };
        assert_eq!(Value::from(of("call")), whole["calls"]);
        assert_eq!(Value::from(of("finding")), whole["findings"]);
        let summary = &of("summary")[0];
        for field in ["totals", "incidents", "statistics"] {
            assert_eq!(summary[field], whole[field], "{field}");
        }
    }
    let _ = std::fs::remove_file(scratch);
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_siptrace"))
        .args(["analyze", "-", "--format", "jsonl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("a pipe");
    drop(child.stdout.take());
    let bytes = pcap(&Capture::of_script(CALLS));
    // It may stop before it has read everything.
    let _ = input.write_all(&bytes);
    drop(input);
    let mut complaint = String::new();
    let mut errors = child.stderr.take().expect("a pipe");
    errors.read_to_string(&mut complaint).expect("text");
    assert_eq!((child.wait().expect("an end").code(), complaint.as_str()), (Some(0), ""));
}

/// Every command that tells something on standard output, in every format.
const TELLING: &[&[&str]] = &[
    &["analyze", CALL],
    &["analyze", CALL, "--format", "json"],
    &["analyze", CALL, "--format", "jsonl"],
    &["analyze", CALL, "--format", "csv"],
    &["analyze", CALL, "--format", "markdown"],
    &["analyze", CALL, "--format", "html"],
    &["analyze", CALL, "--format", "junit"],
    &["analyze", CALL, "--format", "sarif"],
    &["analyze", FAILING, "--format", "github"],
    &["analyze", CALL, "--format", "gitlab"],
    &["analyze", CALL, "-o", "/dev/stdout"],
    &["analyze", CALL, "-o", "/dev/fd/1"],
    &["check", CALL],
    &["check", CALL, "--format", "json"],
    &["check", "--record", CALL],
    &["report", CALL, "--format", "html"],
    &["report", CALL, "--format", "markdown"],
    &["calls", CALL],
    &["calls", CALL, "--format", "csv"],
    &["show", "1", CALL],
    &["stats", CALL, "--format", "json"],
    &["diff", CALL, CALL],
    &["explain", "502"],
    &["compare", "100", "502"],
    &["rules"],
    &["catalogue"],
    &["schema"],
    &["completions", "bash"],
    &["man"],
    &["extract", CALL, "-o", "-"],
    &["extract", CALL, "--sip", "/dev/stdout"],
    &["redact", "-q", CALL, "-o", "-"],
    &["--help"],
    &["--version"],
];

const FAILING: &str = "fixtures/captures/proxy-downstream-dead.pcap";

const CALL: &str = "fixtures/captures/basic-call-udp.pcap";

#[test]
fn whoever_closes_the_pipe_hears_nothing_more() {
    for arguments in TELLING {
        let mut child = program(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("an end");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), told.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn output_that_takes_nothing_is_an_error() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    for arguments in TELLING.iter().filter(|own| !own[0].starts_with("--")) {
        let output = program(arguments).stdout(full()).output().expect("the program runs");
        let error = complaint(&output);
        assert!(error.contains("No space left on device"), "{arguments:?}: {error}");
        // What cannot be complained of is no reason to panic.
        let status = program(arguments).stdout(full()).stderr(full()).status();
        assert_eq!(status.expect("the program runs").code(), Some(2), "{arguments:?}");
    }
    let output = siptrace(&["analyze", CALL, "-o", "/dev/full"]);
    assert!(complaint(&output).contains("could not write \"/dev/full\""));
}

#[test]
#[cfg(unix)]
fn closed_handles_are_no_reason_to_panic() {
    let cases = [
        ("analyze \"$CALL\" >&-", 0, ""),
        ("analyze \"$CALL\" -q 2>&-", 0, ""),
        ("analyze no-such.pcap 2>&-", 2, ""),
        ("analyze - <&-", 2, "standard input"),
        ("analyze \"$CALL\" -q <&- >&- 2>&-", 0, ""),
    ];
    for (line, code, expected) in cases {
        let output = shell(&format!("CALL={CALL}; exec \"$0\" {line}"));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{line}: {error}");
        assert!(error.contains(expected) && !error.contains("panicked"), "{line}: {error}");
    }
}

#[test]
#[cfg(unix)]
fn a_handle_that_is_a_file_is_added_to() {
    let scratch = Scratch::new("handles");
    let path = scratch.write("log", b"before\n");
    for to in ["/dev/stdout", "/dev/fd/1", "-"] {
        let output = shell(&format!("exec \"$0\" analyze {CALL} -q -o {to} >> '{path}'"));
        assert!(output.status.success(), "{output:?}");
    }
    let text = std::fs::read_to_string(&path).expect("text");
    assert!(text.starts_with("before\n"), "{text}");
    assert_eq!(text.matches("SIP messages").count(), 3, "{text}");
    assert_eq!(scratch.names(), ["log"]);
}
