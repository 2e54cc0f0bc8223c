//! Calls written as SIPp scenarios: SIPp plays both sides of them against each other.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use siptrace::analysis::Analysis;
use siptrace::catalogue::Lang;
use siptrace::report::sipp::{Scenarios, SippError, scenarios};
use siptrace::{Options, analyze};

/// Recorded calls, each with the number of the call and of the hop that is played.
const PLAYED: &[(&str, usize, usize)] = &[
    ("basic-call-udp.pcap", 1, 1),
    ("basic-call-tcp.pcap", 1, 1),
    ("auth-call.pcap", 1, 1),
    ("auth-call.pcap", 1, 2),
    ("cancel-487.pcapng", 1, 1),
    ("busy-486.pcap", 1, 1),
    ("hold-resume.pcap", 1, 1),
    ("early-media-present.pcap", 1, 1),
    ("prack-call.pcap", 1, 1),
    ("transfer-blind-success.pcap", 1, 1),
    ("transfer-attended.pcap", 1, 1),
    ("subscribe-notify.pcap", 1, 1),
    ("publish-message.pcap", 1, 1),
    ("register-auth.pcap", 1, 1),
    ("options-ping.pcapng", 1, 1),
];

/// Longer than any of them takes with its pauses shortened.
const PATIENCE: Duration = Duration::from_secs(40);

fn capture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures").join(name)
}

fn analysis(path: &Path) -> Analysis {
    analyze([path], &Options::default().transcripts(true).threads(1)).expect("analysed")
}

/// The analysis of a script.
fn played(script: &str) -> Analysis {
    let name = format!("siptrace-sipp-{}-{}.sip", std::process::id(), script.len());
    let path = std::env::temp_dir().join(name);
    fs::write(&path, script).expect("written");
    let analysis = analysis(&path);
    fs::remove_file(&path).expect("removed");
    analysis
}

fn written(script: &str) -> Result<Scenarios, SippError> {
    let analysis = played(script);
    scenarios(analysis.calls.first().expect("a call"), 1, Lang::En)
}

/// Two ports of this machine that nobody uses, each with free ones for media above.
fn ports() -> [u16; 2] {
    let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a port"));
    sockets.map(|socket| socket.local_addr().expect("an address").port())
}

fn sipp(folder: &Path, scenario: &str, port: u16, rest: &[&str]) -> Child {
    let mut command = Command::new("sipp");
    command.args(["-sf", scenario, "-i", "127.0.0.1", "-p", &port.to_string(), "-m", "1"]);
    command.args(["-nostdin", "-ap", "secret", "-timeout", "30", "-timeout_error"]).args(rest);
    command.args(["-trace_err", "-error_file", &format!("{scenario}.err")]);
    command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("SIPp runs")
}

/// The exit code; none if it takes too long.
fn exit_code(mut child: Child) -> Option<i32> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().expect("a child") {
            return status.code();
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("a child");
    child.wait().expect("a child");
    None
}

/// Plays both sides; gives their exit codes and what they complain of.
fn play(name: &str, pair: &Scenarios) -> ([Option<i32>; 2], String) {
    let folder = std::env::temp_dir().join(format!("siptrace-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    for (file, text) in [("uac.xml", &pair.caller), ("uas.xml", &pair.callee)] {
        fs::write(folder.join(file), shortened(text)).expect("written");
    }
    let [callee, caller] = ports();
    let tcp: &[&str] = if pair.caller.contains(" -t t1 ") { &["-t", "t1"] } else { &[] };
    let uas = sipp(&folder, "uas.xml", callee, tcp);
    // SIPp says nothing when it is ready.
    thread::sleep(Duration::from_millis(500));
    let remote = format!("127.0.0.1:{callee}");
    let uac = sipp(&folder, "uac.xml", caller, &[tcp, &[remote.as_str()]].concat());
    let codes = [exit_code(uac), exit_code(uas)];
    let errors = ["uac.xml.err", "uas.xml.err"].map(|file| fs::read_to_string(folder.join(file)));
    let errors: Vec<String> = errors.into_iter().flatten().collect();
    fs::remove_dir_all(&folder).expect("removed");
    (codes, errors.join("\n"))
}

/// Pauses of the caller are those of a person; a test does not wait so long.
fn shortened(xml: &str) -> String {
    let lines = xml.lines().map(|line| match line.trim().starts_with("<pause ") {
        true => "  <pause milliseconds=\"30\"/>".to_owned(),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn has_sipp() -> bool {
    Command::new("sipp").arg("-v").output().is_ok()
}

#[test]
fn sipp_plays_recorded_calls() {
    if !has_sipp() {
        return;
    }
    let mut wrong = Vec::new();
    for (name, call, hop) in PLAYED {
        let analysis = analysis(&capture(name));
        let call = analysis.calls.get(call - 1).expect("a call");
        let pair = scenarios(call, *hop, Lang::En).expect("scenarios");
        let (codes, errors) = play(&format!("{name}-{hop}"), &pair);
        if codes != [Some(0), Some(0)] {
            wrong.push(format!("{name}, hop {hop}: {codes:?}\n{errors}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The callee hangs up and says a bracket; what it sends then needs the tag of the caller.
const CALLEE_HANGS_UP: &str = "\
host alice 192.0.2.10
host bob   203.0.113.20
0     alice > bob INVITE sdp
      Subject: [to_be] or \\x41
+10ms bob > alice 180
2     bob > alice 200 sdp
+10ms alice > bob ACK
3     bob > alice BYE
+10ms alice > bob 200
end 60
";

#[test]
fn the_callee_of_sipp_can_hang_up() {
    let pair = written(CALLEE_HANGS_UP).expect("scenarios");
    assert!(pair.callee.contains("To: [$from0]\n"), "{}", pair.callee);
    assert!(pair.caller.contains("Subject: \\x5Bto_be] or \\x5Cx41\n"), "{}", pair.caller);
    let addresses = pair.caller.matches("192.0.2.10").count();
    assert_eq!(addresses, 1, "only the comment names an address: {}", pair.caller);
    if has_sipp() {
        let (codes, errors) = play("callee-hangs-up", &pair);
        assert_eq!(codes, [Some(0), Some(0)], "{errors}");
    }
}

#[test]
fn what_sipp_cannot_send_is_refused() {
    let message = |body: &str| {
        format!(
            "host alice 192.0.2.10\nhost bob 203.0.113.20\n0 alice > bob MESSAGE\n\
             \x20 body text/plain\n  | {body}\n+10ms bob > alice 200\nend 60\n"
        )
    };
    for (body, problem) in [("a ]]> b", "]]>"), ("a\\x00b", "no text"), ("\\xff", "no text")] {
        let error = written(&message(body)).expect_err("refused").to_string();
        assert!(error.starts_with("the message in frame 1") && error.contains(problem), "{error}");
    }
    let analysis = played(&message("plain"));
    let call = analysis.calls.first().expect("a call");
    let error = scenarios(call, 2, Lang::En).expect_err("one hop");
    assert_eq!(error, SippError::NoHop { hop: 2, hops: 1 });
}

fn siptrace(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siptrace"));
    command.args(["extract", "--lang", "en"]).args(arguments).output().expect("runs")
}

#[test]
fn files_are_replaced_only_when_that_is_asked_for() {
    let folder = std::env::temp_dir().join(format!("siptrace-scripts-{}", std::process::id()));
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let capture = capture("busy-486.pcap").to_string_lossy().into_owned();
    let (out, script) = (path("replay"), path("replay/busy.sip"));
    let both = ["--sipp", &out, "--sip", &script, "--call", "1", &capture];
    let first = siptrace(&both);
    assert!(first.status.success(), "{first:?}");
    assert_eq!(String::from_utf8_lossy(&first.stdout).lines().count(), 3);
    let text = fs::read_to_string(&script).expect("written");
    assert!(text.contains("alice > bob INVITE"), "{text}");
    fs::write(&script, "mine").expect("written");
    let again = siptrace(&both);
    assert_eq!(again.status.code(), Some(2));
    let error = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(error.contains("it exists\nhint: `--force` replaces it"), "{error}");
    assert_eq!(fs::read_to_string(&script).expect("left alone"), "mine");
    let forced = siptrace(&[&both[..], &["--force"]].concat());
    assert!(forced.status.success(), "{forced:?}");
    assert_eq!(fs::read_to_string(&script).expect("written"), text);
    let caller = siptrace(&["--sipp", &path("a"), "--side", "a", "--call", "1", &capture]);
    assert!(caller.status.success(), "{caller:?}");
    assert!(Path::new(&path("a/uac.xml")).exists() && !Path::new(&path("a/uas.xml")).exists());
    fs::remove_dir_all(&folder).expect("removed");
    let shown = siptrace(&["--sip", "-", "--call", "1", &capture]);
    assert_eq!(String::from_utf8_lossy(&shown.stdout), text);
}

#[test]
fn wrong_wishes_are_told() {
    let capture = capture("busy-486.pcap").to_string_lossy().into_owned();
    let cases: &[(&[&str], &str)] = &[
        (&["--sipp", "x", "--filter", "status = 200"], "found no call to write"),
        (&[], "--sip"),
        (&["--sip", "-", "--call", "9"], "found no call number 9"),
        (&["--sipp", "x", "--call", "1", "--hop", "3"], "hint: --hop takes numbers from 1 to 1"),
        (&["--hop", "1", "--sip", "-", "--call", "1"], "--sipp"),
    ];
    for (arguments, expected) in cases {
        let output = siptrace(&[arguments, &[capture.as_str()][..]].concat());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
    assert!(!Path::new("x").exists());
}
