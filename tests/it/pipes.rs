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
