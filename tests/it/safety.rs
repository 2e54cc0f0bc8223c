//! Nothing that captured bytes, names of files or settings say is more than text, wherever it is
//! shown: every command and format over captures in which everything is hostile.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use siptrace::bytes::{printable, printable_str};

mod call;
mod oracle;

/// What somebody may call a file to harm who looks at it.
const NAME: &str = "a\u{1b}[2J\u{1b}]0;x\u{7}\u{202e}\n::error::x,y=z%0A|`<b>&\"'](http:x){0}";

/// A name in settings, hosts and expectations, as TOML writes it.
const WORD: &str = r#""\u001b[2J\u009b\u202e\r\n::error::x|`<b>&\"']({0}=1\u0301""#;

/// What looks at an output, whose name it is told first.
type Check = fn(&str, &str);

struct Folder(PathBuf);

/// A command by its arguments, without the names of files.
fn name(arguments: &[&str]) -> String {
    arguments.join(" ").replace(NAME, "NAME")
}

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("siptrace-safety-{}-{name}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).expect("a folder");
        folder
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.0.join(name), bytes).expect("written");
        name.to_owned()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).expect("text")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_siptrace"))
            .args(arguments)
            .current_dir(&self.0)
            .env_remove("CLICOLOR_FORCE")
            .env_remove("COLUMNS")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("the program runs")
    }

    /// What a command writes; what it says beside that is safe as well.
    fn output(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        oracle::text(&format!("said by {}", name(arguments)), &said);
        let is_done = output.status.code().is_some_and(|code| code < 2);
        assert!(is_done, "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
    }

    /// The same for a person, with colours and without.
    fn text(&self, arguments: &[&str]) -> String {
        let plain = self.output(&[arguments, &["--color", "never"]].concat());
        oracle::text(&name(arguments), &plain);
        let coloured = self.output(&[arguments, &["--color", "always"]].concat());
        oracle::coloured(&name(arguments), &coloured, &plain);
        plain
    }

    /// What a command that cannot work says: a line, perhaps with advice.
    fn refused(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        oracle::line(&name(arguments), &said);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Every format of a command that has them all.
fn every_format(folder: &Folder, command: &[&str]) {
    let formats: [(&str, Check); 9] = [
        ("json", |what, text| drop(oracle::json(what, text))),
        ("jsonl", |what, text| text.lines().for_each(|line| drop(oracle::json(what, line)))),
        ("csv", oracle::csv),
        ("markdown", oracle::markdown),
        ("html", oracle::html),
        ("junit", oracle::junit),
        ("sarif", oracle::sarif),
        ("github", oracle::github),
        ("gitlab", |what, text| drop(oracle::json(what, text))),
    ];
    let all: Vec<String> = formats.iter().map(|(name, _)| format!("{name}=out.{name}")).collect();
    let mut arguments = command.to_vec();
    all.iter().for_each(|format| arguments.extend(["--format", format]));
    arguments.push("--force");
    assert_eq!(folder.output(&arguments), "");
    for (format, check) in formats {
        check(&format!("{format} {}", name(command)), &folder.read(&format!("out.{format}")));
    }
    for table in ["calls", "messages", "streams"] {
        let table = folder.output(&[command, &["--format", "csv", "--table", table]].concat());
        oracle::csv(&name(command), &table);
    }
}

/// The settings, names and expectations of a hostile user.
fn settings(folder: &Folder) {
    let hosts = format!("[hosts]\n\"192.0.2.1\" = {WORD}\n\"192.0.2.2\" = {WORD}\n");
    let ignored =
        format!("[[ignore-finding]]\nrule = \"final-response\"\nstatus = 407\nreason = {WORD}\n");
    folder.write("siptrace.toml", [hosts, ignored].concat().as_bytes());
    let expected = format!(
        "[parties]\na = \"192.0.2.1\"\nb = \"192.0.2.2\"\n\n[[call]]\nname = {WORD}\n\
         from = {WORD}\n\n[[call]]\nname = \"met\"\nstatus = 503\n\
         steps = [\"a > b INVITE @i\", \"b > a 503 @r\", \"a > b BYE\"]\n\n\
         [call.at.i]\nheader = {{ Subject = {WORD} }}\n\n\
         [call.at.r]\nheader = {{ Server = \"x\" }}\n"
    );
    folder.write("hostile.toml", expected.as_bytes());
}

fn commands(folder: &Folder, capture: &str, langs: [&str; 2]) {
    for lang in langs {
        every_format(folder, &["analyze", capture, "--lang", lang]);
    }
    let lang = langs[0];
    every_format(folder, &["check", capture, "--expect", "hostile.toml", "--lang", lang]);
    let shown = folder.text(&["analyze", capture, "-v", "--lang", lang]);
    assert!(shown.contains("\\u{"), "nothing hostile came through: {shown}");
    folder.text(&["analyze", capture, "--width", "40"]);
    folder.text(&["check", capture, "--expect", "hostile.toml", "-v"]);
    folder.text(&["stats", capture, "--lang", lang]);
    for by in ["peer", "status", "method", "user-agent"] {
        folder.text(&["stats", capture, "--by", by]);
        let table = folder.output(&["stats", capture, "--by", by, "--format", "csv"]);
        oracle::csv(by, &table);
    }
    oracle::json("stats", &folder.output(&["stats", capture, "--format", "json"]));
    let page = ["report", capture, "--title", NAME, "--format"];
    oracle::html("report", &folder.output(&[&page[..], &["html"]].concat()));
    oracle::markdown("report", &folder.output(&[&page[..], &["markdown"]].concat()));
    folder.text(&["diff", capture, "other.pcapng", "--lang", lang]);
    let diff = folder.output(&["diff", capture, "other.pcapng", "--format", "json"]);
    oracle::json("diff", &diff);
    let recorded = folder.output(&["check", capture, "--record"]);
    oracle::text("record", &recorded);
    let recorded: toml::Table = toml::from_str(&recorded).expect("TOML");
    assert!(recorded.keys().all(|key| ["strict", "call"].contains(&key.as_str())), "{recorded:?}");
    folder.output(&["analyze", capture, "--write-baseline", "known.toml"]);
    oracle::text("baseline", &folder.read("known.toml"));
    folder.text(&["analyze", capture, "--baseline", "known.toml", "-v"]);
}

/// Calls by number and by what the list shows of their Call-ID.
fn each_call(folder: &Folder, capture: &str, every: usize) {
    folder.text(&["calls", capture]);
    oracle::csv("calls", &folder.output(&["calls", capture, "--format", "csv"]));
    let list = oracle::json("calls", &folder.output(&["calls", capture, "--format", "json"]));
    let calls = list["calls"].as_array().or(list.as_array()).expect("calls");
    assert!(calls.len() > every, "{}", calls.len());
    for (place, call) in calls.iter().enumerate().step_by(every) {
        let number = format!("#{}", place + 1);
        let shown = folder.text(&["show", &number, capture, "--raw"]);
        oracle::json("show", &folder.output(&["show", &number, capture, "--format", "json"]));
        let call_id = call["call_id"].as_str().expect("a Call-ID");
        if !call_id.starts_with('-') {
            assert_eq!(folder.output(&["show", call_id, capture, "--raw"]), shown, "{call_id}");
        }
    }
    for place in (0..calls.len()).step_by(every / 5) {
        let call = (place + 1).to_string();
        let said = folder.run(&["extract", capture, "--call", &call, "--sipp", "sipp", "--force"]);
        oracle::text("sipp", &String::from_utf8_lossy(&said.stderr));
        if said.status.success() {
            oracle::sipp(&folder.read("sipp/uac.xml"));
            oracle::sipp(&folder.read("sipp/uas.xml"));
        }
    }
    folder.output(&["extract", capture, "--call", "1", "--sip", "call.sip"]);
    oracle::text("extract", &folder.read("call.sip"));
    let listed = folder.output(&["extract", capture, "--split", "apart"]);
    oracle::text("extract", &listed);
    for file in fs::read_dir(folder.0.join("apart")).expect("files").flatten() {
        let name = file.file_name().into_string().expect("text");
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_@.".contains(c);
        assert!(name.chars().all(is_plain), "{name}");
    }
}

fn of(folder: &Folder, bytes: &[u8], other: &[u8]) -> String {
    settings(folder);
    folder.write("other.pcapng", other);
    folder.write(&format!("{NAME}.pcapng"), bytes)
}

#[cfg(unix)]
#[test]
fn a_call_that_is_hostile_in_every_field_harms_no_reader() {
    let capture = call::calls();
    let folder = Folder::new("calls");
    let mut other = capture.clone();
    other.records.drain(..2);
    let capture = of(&folder, &call::pcapng(&capture), &call::pcapng(&other));
    commands(&folder, &capture, ["en", "ja"]);
    each_call(&folder, &capture, 5);
    oracle::verdict();
}

#[cfg(unix)]
#[test]
fn the_evidence_of_every_rule_harms_no_reader() {
    let capture = call::rules();
    let folder = Folder::new("rules");
    let bytes = call::pcapng(&capture);
    let mut other = capture.clone();
    other.records.truncate(40);
    let capture = of(&folder, &bytes, &call::pcapng(&other));
    let found = folder.output(&["analyze", &capture, "--format", "json"]);
    let found: serde_json::Value = serde_json::from_str(&found).expect("JSON");
    let rules: std::collections::BTreeSet<_> = found["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|f| f["rule"].as_str())
        .collect();
    assert!(rules.len() > 60, "{} rules: {rules:?}", rules.len());
    every_format(&folder, &["analyze", &capture, "--lang", "fr"]);
    every_format(&folder, &["check", &capture, "--lang", "pt"]);
    folder.text(&["analyze", &capture, "-v"]);
    folder.text(&["diff", &capture, "other.pcapng"]);
    each_call(&folder, &capture, 100);
    oracle::verdict();
}

#[cfg(unix)]
#[test]
fn names_and_arguments_harm_no_terminal() {
    let folder = Folder::new("names");
    let missing = format!("{NAME}.pcap");
    let text = folder.write(&format!("{NAME}.txt"), b"\x1b[2J, this is no capture\n");
    let empty = folder.write(&format!("{NAME}.empty"), b"");
    let settings = folder.write(&format!("{NAME}.toml"), format!("{WORD} = 1\n").as_bytes());
    let broken = folder.write("broken.toml", b"a = \"\x1b[2J\x9b\n");
    let hosts = folder.write("hosts", "192.0.2.1\u{1b}[2J \u{202e}\n".as_bytes());
    let capture = folder.write("a.pcapng", &call::pcapng(&call::calls()));
    folder.write(&format!("{NAME}.sip"), b"# x\nhost \x1b[2J\n0 a > \x1b b INVITE\n");
    let script = format!("{NAME}.sip");
    for file in [&missing, &text, &empty, &script] {
        for command in ["analyze", "check", "calls", "report", "stats"] {
            folder.refused(&[command, file]);
        }
        folder.refused(&["show", "1", file]);
        folder.refused(&["extract", file, "-o", "x.pcapng"]);
        folder.refused(&["redact", file, "-o", "x.pcapng"]);
        folder.refused(&["diff", file, &capture]);
    }
    for arguments in [
        &["explain", NAME][..],
        &[NAME],
        &["compare", NAME, "1"],
        &["analyze", &capture, NAME],
        &["analyze", &capture, &format!("--{NAME}")],
        &["analyze", &capture, "--format", NAME],
        &["analyze", &capture, "--lang", NAME],
        &["analyze", &capture, "--select", NAME],
        &["analyze", &capture, "--config", &settings],
        &["analyze", &capture, "--config", &broken],
        &["analyze", &capture, "--config", NAME],
        &["analyze", &capture, "--hosts", NAME],
        &["analyze", &capture, "--hosts", &hosts],
        &["analyze", &capture, "--baseline", &settings],
        &["analyze", &capture, "--keylog", NAME],
        &["analyze", &capture, "--credentials", NAME],
        &["analyze", &capture, "-o", &format!("{NAME}/x")],
        &["check", &capture, "--expect", NAME],
        &["check", &capture, "--expect", &settings],
        &["calls", &capture, "--filter", NAME, "--columns", NAME],
        &["calls", &capture, "--filter", &format!("status = {NAME}")],
        &["show", NAME, &capture],
        &["show", "h", &capture],
        &["show", "1", &capture, "--hide", NAME],
        &["stats", &capture, "--every", NAME],
        &["report", &capture, "-o", NAME],
    ] {
        folder.refused(arguments);
    }
    oracle::verdict();
}

/// A request that no step can name, from a user whose name ends a line where it is not escaped.
const ODD: &str = "# An odd request.
host alice 192.0.2.1
host bob 192.0.2.2
0 alice > bob raw
| X`y sip:bob@192.0.2.2 SIP/2.0
| Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1
| From: <sip:a%22%0astrict=false%1b[2J%e2%80%ae@example.com>;tag=1
| To: <sip:bob@example.com>
| Call-ID: odd
| CSeq: 1 X`y
| Max-Forwards: 70
| Content-Length: 0
|
end 70
";

#[test]
fn what_is_recorded_can_be_expected_whatever_the_names_are() {
    let folder = Folder::new("recorded");
    let capture = folder.write("odd.sip", ODD.as_bytes());
    let recorded = folder.output(&["check", &capture, "--record"]);
    oracle::text("record", &recorded);
    assert!(recorded.contains("> callee  any"), "{recorded}");
    assert!(recorded.contains("\\u001b[2J\\u202e"), "{recorded}");
    folder.write("odd.toml", recorded.as_bytes());
    let checked = ["check", &capture, "--expect", "odd.toml", "--fail-on", "never"];
    let output = folder.run(&checked);
    assert!(output.status.success(), "{recorded}\n{output:?}");
    oracle::verdict();
}

/// The letters of a screen.
#[cfg(feature = "tui")]
fn drawn(app: &siptrace::tui::App) -> String {
    let mut buffer = ratatui::buffer::Buffer::empty(ratatui::layout::Rect::new(0, 0, 160, 50));
    app.draw(&mut buffer);
    buffer.content().iter().map(ratatui::buffer::Cell::symbol).collect()
}

#[cfg(feature = "tui")]
#[test]
fn no_screen_is_told_what_to_do() {
    use crossterm::event::KeyCode;
    use siptrace::analysis::Analysis;
    use siptrace::tui::{App, News, Setup, Theme};

    let folder = Folder::new("tui");
    folder.write("a.pcapng", &call::pcapng(&call::calls()));
    let path = folder.0.join("a.pcapng");
    let mut analysis: Analysis =
        crate::run::analyze_all_with(&[&path], |keep| keep.transcripts = 1 << 22);
    analysis.captures[0].path = Path::new(NAME).to_owned();
    let address = "192.0.2.1".parse().expect("an address");
    let setup = Setup {
        lang: siptrace::catalogue::Lang::En,
        theme: Theme { color: true, unicode: true },
        name: NAME.to_owned(),
        is_several: false,
        bytes: None,
        hosts: BTreeMap::from([(address, NAME.to_owned())]),
        filter: String::new(),
    };
    let mut app = App::new(setup);
    app.news(News::Done(Box::new(analysis)));
    let mut seen = String::new();
    let keys = "1 \n dt8 \n /x\n nnq2 jjj \n f 3 jjj 4 jj 1 jjjjjjj \n \n j jx jjj \n \n";
    for key in keys.chars() {
        let code = match key {
            '\n' => KeyCode::Enter,
            ' ' => KeyCode::Esc,
            key => KeyCode::Char(key),
        };
        app.key(code.into());
        for _ in 0..10_000 {
            if !app.is_busy() {
                break;
            }
            app.tick();
        }
        let screen = drawn(&app);
        oracle::text(&format!("after {key:?}"), &screen);
        seen.push_str(&screen);
    }
    assert!(seen.contains("\\u{1b}"), "nothing hostile came through");
    oracle::verdict();
}

#[test]
fn what_is_safe_stays_as_it_is() {
    for (one, other) in call::HOSTILE.iter().zip(call::HOSTILE.iter().rev().cycle().skip(3)) {
        let safe = printable(&[*one, *other].concat()).into_owned();
        oracle::text("printable", &safe);
        assert_eq!(printable_str(&safe), safe);
    }
    oracle::verdict();
}

#[test]
fn every_check_finds_what_it_looks_for() {
    let policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'\">";
    let page = |body: &str| format!("{policy}<p>{body}</p>");
    oracle::html("a page", &page("<bdi>a</bdi> <a href=\"#b\">b</a>"));
    oracle::markdown("a table", "| a |\n| --- |\n| `<b>` |\n");
    oracle::csv("a table", "a,b\r\n'=1,-1\r\n");
    oracle::github("a command", "::error file=a,title=b::c\n");
    oracle::verdict();
    let cases: [(Check, String); 13] = [
        (oracle::text, "a\u{1b}[2J".to_owned()),
        (oracle::text, "a\u{202e}".to_owned()),
        (|what, text| drop(oracle::json(what, text)), r#"{"a": "\u001b"}"#.to_owned()),
        (oracle::csv, "a,b\r\n1,=1+1\r\n".to_owned()),
        (oracle::csv, "a,b\r\n1,x;@y\r\n".to_owned()),
        (oracle::github, "::set-output file=a,title=b::c\n".to_owned()),
        (oracle::markdown, "a <b> c\n".to_owned()),
        (oracle::markdown, "a [b](http://c)\n".to_owned()),
        (oracle::markdown, "| a |\n| --- |\n| b | c |\n".to_owned()),
        (oracle::html, page("<img>")),
        (oracle::html, page("<a href=\"http://b\">b</a>")),
        (oracle::html, page("<b onclick=\"x\">b</b>")),
        (oracle::junit, "<testsuites><script/></testsuites>".to_owned()),
    ];
    for (check, bad) in cases {
        check("bad", &bad);
        assert!(oracle::has_found(), "{bad}");
    }
}
