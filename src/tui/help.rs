//! The keys, screen by screen, and what the marks mean.

use crate::catalogue::Labels;
use crate::report::layout;
use crate::tui::canvas::{HEADING, Line, NAME, PLAIN, piece};
use crate::tui::pager::item;

/// A heading and what its keys do: keys and the words for them.
type Part = (&'static str, &'static [(&'static str, &'static str)]);

const PARTS: [Part; 6] = [
    (
        "browse-help-everywhere",
        &[
            ("1 2 3 4 Tab", "browse-help-pages"),
            ("↑ ↓ PgUp PgDn Home End j k g G", "browse-help-move"),
            ("Enter", "browse-help-enter"),
            ("Esc q", "browse-help-back"),
            ("F1 ?", "browse-help-help"),
            ("Ctrl-C Ctrl-L Ctrl-Z", "browse-help-control"),
        ],
    ),
    (
        "calls",
        &[
            ("/ F3 F7", "browse-help-filter"),
            ("i", "browse-help-invite"),
            ("e", "browse-help-errors"),
            ("Space *", "browse-help-mark"),
            ("F5 c", "browse-help-clear"),
            ("< > z", "browse-help-sort"),
            ("Enter", "browse-help-ladder"),
            ("F4 x", "browse-help-extended"),
            ("F6 r", "browse-help-raw"),
        ],
    ),
    (
        "ladder",
        &[
            ("Enter", "browse-help-message"),
            ("Space", "browse-help-compare"),
            ("F2 d", "browse-help-sdp"),
            ("F3 m", "browse-help-rtp"),
            ("F4 x", "browse-help-extended"),
            ("F5 s", "browse-help-parties"),
            ("F6 r", "browse-help-raw"),
            ("F8 T", "browse-help-times"),
            ("t", "browse-help-preview"),
            ("J K", "browse-help-scroll"),
            ("← → h H", "browse-help-hide"),
            ("f", "browse-help-finding"),
        ],
    ),
    (
        "message",
        &[
            ("/ F3", "browse-help-search"),
            ("n N", "browse-help-next-hit"),
            ("← → n p", "browse-help-next-message"),
        ],
    ),
    (
        "findings",
        &[
            ("Enter", "browse-help-finding-ladder"),
            ("Space", "browse-help-group"),
            ("→ d", "browse-help-full"),
            ("PgUp PgDn", "browse-help-scroll-diagnosis"),
        ],
    ),
    ("rtp-streams", &[("Enter", "browse-help-stream-ladder"), ("z", "browse-help-worst")]),
];

/// The lines of the help.
pub(crate) fn lines(words: Labels, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for (title, keys) in PARTS {
        lines.push(vec![piece(HEADING, words.get(title).to_owned())]);
        for (keys, told) in keys {
            let mark = layout::pad(keys, 16);
            let room = width.max(30);
            let mut told = item(PLAIN, "", words.get(told), room, 19).into_iter();
            if let Some(first) = told.next() {
                let text = first.into_iter().next_back();
                let wide = layout::width(&mark) > 16;
                if wide {
                    lines.push(vec![piece(NAME, format!("  {mark}"))]);
                    lines.push(vec![piece(PLAIN, " ".repeat(19))]);
                } else {
                    lines.push(vec![piece(NAME, format!("  {mark} "))]);
                }
                if let Some(line) = lines.last_mut() {
                    line.extend(text);
                }
            }
            lines.extend(told);
        }
        lines.push(Line::new());
    }
    lines.push(vec![piece(HEADING, words.get("browse-help-marks").to_owned())]);
    for (sign, told) in [
        ("!! !  i", "browse-help-severities"),
        ("*", "browse-help-star"),
        ("►", "browse-help-arrow"),
    ] {
        let mark = layout::pad(&format!("  {sign}"), 19);
        let mut told = item(PLAIN, "", words.get(told), width.max(30), 19).into_iter();
        if let Some(first) = told.next() {
            let mut line = vec![piece(NAME, mark)];
            line.extend(first.into_iter().next_back());
            lines.push(line);
        }
        lines.extend(told);
    }
    lines
}
