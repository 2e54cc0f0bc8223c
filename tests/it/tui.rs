//! The browser in the terminal: pictures of its screens, what keys do, and the real program in
//! tmux.
//!
//! `SIPTRACE_BLESS=1` takes new pictures.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use proptest::prelude::*;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use siptrace::analysis::{Analysis, Batch};
use siptrace::catalogue::Lang;
use siptrace::tui::{self, App, News, Setup, Theme};
use unicode_width::UnicodeWidthStr;

use crate::run;

const FOLDER: &str = "tests/it/tui";

fn setup(name: &str) -> Setup {
    Setup {
        lang: Lang::En,
        theme: Theme { color: true, unicode: true },
        name: name.to_owned(),
        is_several: false,
        bytes: None,
        hosts: BTreeMap::new(),
        filter: String::new(),
    }
}

fn analysis(path: &str) -> Analysis {
    run::analyze_all_with(&[Path::new(path)], |keep| keep.transcripts = 1 << 20)
}

fn fixture(name: &str) -> Analysis {
    analysis(&format!("fixtures/captures/{name}"))
}

/// A browser of everything that was read.
fn browser(name: &str, analysis: Analysis) -> App {
    browser_with(setup(name), analysis)
}

fn browser_with(setup: Setup, analysis: Analysis) -> App {
    let mut app = App::new(setup);
    app.news(News::Done(Box::new(analysis)));
    settle(&mut app);
    app
}

fn settle(app: &mut App) {
    while app.is_busy() {
        app.tick();
    }
}

/// `Down Enter x`: names of keys, everything else letter by letter.
fn press(app: &mut App, keys: &str) -> tui::Command {
    let mut last = tui::Command::None;
    for name in keys.split(' ').filter(|name| !name.is_empty()) {
        let code = match name {
            "Up" => KeyCode::Up,
            "Down" => KeyCode::Down,
            "Left" => KeyCode::Left,
            "Right" => KeyCode::Right,
            "Enter" => KeyCode::Enter,
            "Esc" => KeyCode::Esc,
            "Tab" => KeyCode::Tab,
            "Space" => KeyCode::Char(' '),
            "End" => KeyCode::End,
            "Home" => KeyCode::Home,
            "PgDn" => KeyCode::PageDown,
            "Backspace" => KeyCode::Backspace,
            "F1" => KeyCode::F(1),
            "F2" => KeyCode::F(2),
            "F3" => KeyCode::F(3),
            "F4" => KeyCode::F(4),
            "F5" => KeyCode::F(5),
            "F8" => KeyCode::F(8),
            text => {
                for c in text.chars() {
                    last = app.key(KeyCode::Char(c).into());
                    settle(app);
                }
                continue;
            }
        };
        last = app.key(code.into());
        settle(app);
    }
    last
}

/// What is on a screen of that size.
fn screen(app: &App, (width, height): (u16, u16)) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    app.draw(&mut buffer);
    let mut text = String::new();
    for y in 0..height {
        let mut line = String::new();
        let mut covered = 0;
        for x in 0..width {
            let symbol = buffer.cell((x, y)).map(Cell::symbol).unwrap_or_default();
            // A wide character covers the cell after it.
            if covered > 0 {
                covered -= 1;
                continue;
            }
            covered = symbol.width().saturating_sub(1);
            line.push_str(symbol);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn assert_picture(name: &str, app: &App) {
    for size in [(80, 24), (200, 50)] {
        let actual = screen(app, size);
        let file = format!("{name}-{}x{}.txt", size.0, size.1);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER).join(&file);
        if std::env::var_os("SIPTRACE_BLESS").is_some() {
            fs::write(&path, &actual).expect("the folder is there");
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(actual, expected, "{file}");
    }
}

#[test]
fn the_list_of_calls() {
    let mut app = browser("proxy-downstream-dead.pcap", fixture("proxy-downstream-dead.pcap"));
    press(&mut app, "Down Space");
    assert_picture("calls", &app);
    press(&mut app, "F5 / invite");
    assert_picture("filter", &app);
    press(&mut app, "Enter F5 / status=");
    assert!(screen(&app, (80, 24)).contains("column"), "{}", screen(&app, (80, 24)));
    press(&mut app, "5xx");
    let fitting = screen(&app, (80, 24));
    assert!(fitting.contains("TXN101") && !fitting.contains("OPTIONS"), "{fitting}");
}

#[test]
fn a_ladder_with_findings() {
    let mut app = browser("proxy-downstream-dead.pcap", fixture("proxy-downstream-dead.pcap"));
    press(&mut app, "Down Enter Down Down");
    assert_picture("ladder", &app);
    press(&mut app, "F2 F8 t End");
    assert_picture("ladder-alone", &app);
}

#[test]
fn a_ladder_with_streams_and_sessions() {
    let mut app = browser("hold-resume-rtp.pcap", fixture("hold-resume-rtp.pcap"));
    press(&mut app, "Enter d End");
    assert_picture("ladder-rtp", &app);
}

#[test]
fn the_legs_of_a_conversation() {
    let mut app = browser("transfer-attended.pcap", fixture("transfer-attended.pcap"));
    press(&mut app, "x");
    assert_picture("legs", &app);
}

#[test]
fn a_message_and_the_difference_of_two() {
    let mut app = browser("proxy-downstream-dead.pcap", fixture("proxy-downstream-dead.pcap"));
    press(&mut app, "Down Enter Enter");
    assert_picture("message", &app);
    press(&mut app, "/ contact Enter");
    assert_picture("search", &app);
    press(&mut app, "Esc Space Down Down Space");
    assert_picture("difference", &app);
}

#[test]
fn findings_with_their_diagnosis() {
    let mut app = browser("proxy-downstream-dead.pcap", fixture("proxy-downstream-dead.pcap"));
    press(&mut app, "2");
    assert_picture("findings", &app);
    let mut app = browser("registration-storm.pcap", fixture("registration-storm.pcap"));
    press(&mut app, "2 Space");
    assert_picture("findings-group", &app);
}

#[test]
fn streams_and_statistics() {
    let mut app = browser("lossy-audio.pcap", fixture("lossy-audio.pcap"));
    press(&mut app, "3");
    assert_picture("streams", &app);
    let mut app = browser("proxy-downstream-dead.pcap", fixture("proxy-downstream-dead.pcap"));
    press(&mut app, "4");
    assert_picture("statistics", &app);
    press(&mut app, "F1");
    assert_picture("help", &app);
}

#[test]
fn columns_stand_in_japanese_and_without_unicode() {
    let name = "proxy-downstream-dead.pcap";
    let setup_ja = Setup { lang: Lang::Ja, ..setup(name) };
    let mut app = browser_with(setup_ja, fixture(name));
    assert_picture("calls-ja", &app);
    press(&mut app, "Down Enter");
    assert_picture("ladder-ja", &app);
    let theme = Theme { color: false, unicode: false };
    let mut app = browser_with(Setup { theme, ..setup(name) }, fixture(name));
    press(&mut app, "Down Enter");
    assert!(screen(&app, (80, 24)).is_ascii());
    assert_picture("ladder-ascii", &app);
}

#[test]
fn escape_goes_back_screen_by_screen() {
    let name = "proxy-downstream-dead.pcap";
    let mut app = browser(name, fixture(name));
    let list = screen(&app, (80, 24));
    press(&mut app, "Enter");
    let ladder = screen(&app, (80, 24));
    press(&mut app, "Enter F1 Esc Esc");
    assert_eq!(screen(&app, (80, 24)), ladder);
    press(&mut app, "Esc");
    assert_eq!(screen(&app, (80, 24)), list);
    assert_eq!(press(&mut app, "Esc"), tui::Command::Quit);
    press(&mut app, "4");
    assert_eq!(press(&mut app, "Esc"), tui::Command::None);
    assert_eq!(press(&mut app, "q"), tui::Command::Quit);
    let quit = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(app.key(quit), tui::Command::Quit);
}

#[test]
fn a_finding_leads_to_its_place_in_the_ladder_and_back() {
    let name = "proxy-downstream-dead.pcap";
    let mut app = browser(name, fixture(name));
    press(&mut app, "2 Enter");
    let ladder = screen(&app, (80, 24));
    assert!(ladder.contains("Call 2"), "{ladder}");
    assert!(ladder.contains("#5 06:03:03.224 203.0.113.5:5060"), "{ladder}");
    press(&mut app, "f");
    assert!(screen(&app, (80, 24)).contains("What happened"));
    press(&mut app, "Esc");
    assert_eq!(screen(&app, (80, 24)), ladder);
}

#[test]
fn calls_come_while_the_capture_is_read() {
    let name = "proxy-downstream-dead.pcap";
    let mut all = fixture(name);
    let mut app = App::new(Setup { bytes: Some(1000), ..setup(name) });
    app.progress(630);
    app.tick();
    let empty = screen(&app, (80, 24));
    assert!(empty.contains("63 %") && empty.contains("being read"), "{empty}");
    let calls: Vec<_> = all.calls.drain(1..).collect();
    app.news(News::Batch(Batch { calls, findings: std::mem::take(&mut all.findings) }));
    settle(&mut app);
    let some = screen(&app, (80, 24));
    assert!(some.contains("Calls 2") && some.contains("TXN101"), "{some}");
    app.news(News::Done(Box::new(all)));
    settle(&mut app);
    let whole = screen(&browser(name, fixture(name)), (80, 24));
    assert_eq!(screen(&app, (80, 24)), whole);
}

#[test]
fn messages_that_were_not_kept_are_asked_for() {
    let name = "proxy-downstream-dead.pcap";
    let whole = fixture(name);
    let mut bare = fixture(name);
    for call in &mut bare.calls {
        call.transcript.clear();
    }
    let mut app = browser(name, bare);
    let asked = press(&mut app, "Down Enter");
    let call = &whole.calls[1];
    let wanted = BTreeMap::from([(call.call_id.clone(), call.messages)]);
    assert_eq!(asked, tui::Command::Load(wanted));
    assert!(screen(&app, (80, 24)).contains("again"));
    app.news(News::Loaded(vec![call.clone()]));
    let shown = screen(&app, (80, 24));
    assert!(shown.contains("INVITE") && !shown.contains("again…"), "{shown}");
    press(&mut app, "Esc Up Enter");
    app.news(News::NotLoaded);
    assert!(screen(&app, (80, 24)).contains("cannot be read again"));
}

#[test]
fn hostile_text_stays_text() {
    let mut app = browser("rich.sip", analysis("tests/it/formats/rich.sip"));
    for keys in ["", "Enter", "Enter", "Esc", "r", "Esc Esc 2", "Right", "Esc 1 Down Enter d"] {
        press(&mut app, keys);
        for size in [(80, 24), (200, 50)] {
            let text = screen(&app, size);
            let harm =
                |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
            assert!(!text.contains(harm), "{text:?}");
        }
    }
}

fn keys() -> impl Strategy<Value = KeyEvent> {
    let letter = proptest::sample::select(
        "/?*<> 1234abcdefghijklmnprstuxyzGHJKNT".chars().collect::<Vec<_>>(),
    );
    let named = proptest::sample::select(vec![
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Enter,
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Backspace,
        KeyCode::F(2),
        KeyCode::F(3),
        KeyCode::F(8),
        KeyCode::Insert,
    ]);
    prop_oneof![letter.prop_map(KeyCode::Char), named].prop_map(KeyEvent::from)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn no_keys_and_no_size_make_it_panic(
        keys in proptest::collection::vec((keys(), 0u16..=130, 0u16..=40), 1..25),
        capture in proptest::sample::select(vec![
            "fixtures/captures/transfer-attended.pcap",
            "fixtures/captures/one-way-audio.pcap",
            "tests/it/formats/rich.sip",
        ]),
    ) {
        let mut app = browser("any", analysis(capture));
        for (key, width, height) in keys {
            app.key(key);
            settle(&mut app);
            screen(&app, (width, height));
        }
    }
}

#[test]
fn without_a_terminal_it_says_so() {
    let output = Command::new(env!("CARGO_BIN_EXE_siptrace"))
        .args(["tui", "fixtures/captures/busy-486.pcap"])
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(errors.starts_with("siptrace: could not browse: standard output is no"), "{errors}");
    assert_eq!(errors.lines().count(), 2, "{errors}");
    assert!(errors.contains("hint: "), "{errors}");
}

/// The program in a terminal of its own.
struct Tmux {
    socket: String,
}

impl Tmux {
    /// None where there is no tmux.
    fn start(name: &str, (width, height): (u16, u16), command: &str) -> Option<Self> {
        let own = Self { socket: format!("siptrace-{}-{name}-{width}", std::process::id()) };
        let (width, height) = (width.to_string(), height.to_string());
        let started = Command::new("tmux")
            .args(["-L", &own.socket, "-f", "/dev/null", "new-session", "-d", "-s", "it"])
            .args(["-x", &width, "-y", &height, command])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        started.is_ok_and(|status| status.success()).then_some(own)
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux").args(["-L", &self.socket]).args(arguments).output();
        let output = output.expect("tmux runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn press(&self, keys: &[&str]) {
        for key in keys {
            self.run(&["send-keys", "-t", "it", key]);
        }
    }

    /// Waits until the screen has the text.
    fn expect(&self, text: &str) -> String {
        let mut seen = String::new();
        for _ in 0..300 {
            seen = self.run(&["capture-pane", "-p", "-t", "it"]);
            if seen.contains(text) {
                return seen;
            }
            sleep(Duration::from_millis(100));
        }
        panic!("no {text:?} in:\n{seen}");
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

#[test]
fn the_real_program_in_a_terminal() {
    let program = env!("CARGO_BIN_EXE_siptrace");
    let capture = "fixtures/captures/proxy-downstream-dead.pcap";
    let command = format!(
        "sh -c 'LC_ALL=C.UTF-8 TERM=screen {program} tui --lang en {capture}; \
         echo left with $?; cat'"
    );
    for size in [(80, 24), (200, 50)] {
        let Some(tmux) = Tmux::start("walk", size, &command) else { return };
        tmux.expect("TXN101");
        tmux.press(&["Down", "Enter"]);
        tmux.expect("again: 10, until +31.4");
        tmux.press(&["Enter"]);
        tmux.expect("Max-Forwards: 70");
        tmux.press(&["Escape"]);
        tmux.expect("again: 10, until +31.4");
        tmux.press(&["f"]);
        tmux.expect("What happened");
        tmux.press(&["q"]);
        tmux.expect("again: 10, until +31.4");
        tmux.press(&["q", "2"]);
        tmux.expect("Why it matters");
        tmux.press(&["3"]);
        tmux.expect("No RTP stream in the capture");
        tmux.press(&["4"]);
        tmux.expect("Session attempts");
        tmux.press(&["F1"]);
        tmux.expect("Everywhere");
        tmux.press(&["q", "q"]);
        let left = tmux.expect("left with 0");
        assert!(!left.contains("Session attempts"), "the screen is as before: {left}");
    }
}

#[test]
fn a_pipe_is_browsed_with_the_keys_of_the_terminal() {
    let program = env!("CARGO_BIN_EXE_siptrace");
    let capture = "fixtures/captures/proxy-downstream-dead.pcap";
    let command = format!(
        "sh -c 'cat {capture} | LC_ALL=C TERM=linux {program} tui --lang en -; \
         echo left with $?; cat'"
    );
    let Some(tmux) = Tmux::start("pipe", (80, 24), &command) else { return };
    tmux.expect("TXN101");
    tmux.press(&["Down", "Enter"]);
    tmux.expect("INVITE (SDP)");
    tmux.press(&["C-c"]);
    tmux.expect("left with 0");
}
