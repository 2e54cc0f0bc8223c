//! Where the columns of a ladder stand.

use crate::analysis::flow::{Content, Flow, Party, Row};
use crate::report::index::{Index, name_of};
use crate::report::layout;
use crate::report::page::ladder::kept::Kept;
use crate::report::text::clock::relative;
use crate::time::Time;

/// The width of a narrow character of a label, and of the names in the head.
pub(super) const COLUMN: f64 = 7.3;

/// Between frame, time and ladder.
const GAP: f64 = 14.0;

/// What a label leaves free at both ends of its arrow together.
pub(super) const ROOM_BESIDE: f64 = 18.0;

/// Room right of the last party, for the marks of findings.
const RIGHT: f64 = 34.0;

/// What the ladder takes where it need not be wider.
const WIDTH: f64 = 900.0;

/// Between two parties; what the eye follows at most.
const SPACING_MIN: f64 = 150.0;
const SPACING_MAX: f64 = 560.0;

/// Columns of a label that it should have room for: `503 Service Unavailable`, and of a request the
/// method and the beginning of its URI.
const LABEL_MAX: usize = 26;

/// Columns of a name in the head: more than half of the longest IPv6 address, which takes two
/// lines.
const NAME_COLUMNS: usize = 24;

/// What stands left of a row.
pub(super) struct Margin<'m, 'a> {
    pub(super) index: &'m Index<'a>,
    pub(super) start: Time,
}

impl Margin<'_, '_> {
    /// The frame and the time since the beginning.
    pub(super) fn of(&self, row: &Row<'_>) -> (String, String) {
        (name_of(row.frame, self.index.analysis), relative(row.time.since(self.start)))
    }
}

/// The columns of the parties.
pub(super) struct Plan {
    pub(super) width: f64,
    /// Where the numbers of the frames end, and the times.
    pub(super) frame_end: f64,
    pub(super) time_end: f64,
    first: f64,
    spacing: f64,
    name: f64,
}

impl Plan {
    pub(super) fn new(flow: &Flow<'_>, kept: &Kept, margin: &Margin<'_, '_>) -> Self {
        let width = |text: &str| layout::width(text) as f64 * COLUMN;
        let own = kept.rows(flow).map(|(_, row)| margin.of(row));
        let (frame, time) = own.fold((0.0f64, 0.0f64), |(frame, time), own| {
            (frame.max(width(&own.0)), time.max(width(&own.1)))
        });
        let frame_end = 10.0 + frame;
        let time_end = frame_end + GAP + time;
        let margin = time_end + GAP;
        let gaps = Kept::parties(flow).len().saturating_sub(1).max(1) as f64;
        let widest = Kept::parties(flow).iter().map(name_width).fold(0.0, f64::max);
        let labels = kept.rows(flow).map(|(_, row)| needed(row)).fold(0.0, f64::max);
        let side = (widest / 2.0).max(24.0);
        let natural = (WIDTH - margin - RIGHT - 2.0 * side) / gaps;
        let least = SPACING_MIN.max(widest + 16.0).max(labels);
        let spacing = natural.clamp(least, SPACING_MAX.max(least));
        let width = margin + 2.0 * side + spacing * gaps + RIGHT;
        Self { width, frame_end, time_end, first: margin + side, spacing, name: widest.max(48.0) }
    }

    /// Where the line of a party stands.
    pub(super) fn x(&self, party: usize) -> f64 {
        self.first + self.spacing * party as f64
    }

    /// What the name of a party takes.
    pub(super) fn name_room(&self) -> f64 {
        self.name
    }

    /// Where marks of findings stand.
    pub(super) fn mark(&self) -> f64 {
        self.width - RIGHT / 2.0
    }
}

/// The head of a party: its name and its address, or a long name in two lines.
pub(super) fn head(party: &Party) -> [String; 2] {
    let label = party.label();
    let all = party.addresses();
    match (&party.name, all.first()) {
        (Some(_), Some((first, _))) => {
            let more = if all.len() > 1 { format!(" +{}", all.len() - 1) } else { String::new() };
            let room = NAME_COLUMNS - more.len().min(NAME_COLUMNS);
            [middle(&label, NAME_COLUMNS), middle(&first.to_string(), room) + &more]
        }
        _ => match broken(&label) {
            (first, "") => [first.to_owned(), String::new()],
            (first, rest) => [middle(first, NAME_COLUMNS), middle(rest, NAME_COLUMNS)],
        },
    }
}

/// A long name in two parts, the first ending with a mark if there is one.
fn broken(name: &str) -> (&str, &str) {
    if layout::width(name) <= NAME_COLUMNS {
        return (name, "");
    }
    let marks =
        name.char_indices().take(NAME_COLUMNS).filter(|(_, c)| matches!(c, ':' | '.' | '-'));
    let end = marks.last().map_or(0, |(at, c)| at + c.len_utf8());
    name.split_at_checked(end).filter(|(first, _)| !first.is_empty()).unwrap_or((name, ""))
}

/// The text without its middle if it is too long: what tells hosts apart stands at the ends.
fn middle(text: &str, columns: usize) -> String {
    if layout::width(text) <= columns {
        return text.to_owned();
    }
    let mut tail = String::new();
    for c in text.chars().rev() {
        if layout::width(&tail) + 2 > columns / 2 {
            break;
        }
        tail.insert(0, c);
    }
    layout::cut(text, columns.saturating_sub(layout::width(&tail))) + &tail
}

/// The width of the head.
fn name_width(party: &Party) -> f64 {
    let widest = head(party).iter().map(|text| layout::width(text)).max().unwrap_or_default();
    widest as f64 * COLUMN + 16.0
}

/// How far apart parties must stand for the label of a message to fit between them.
fn needed(row: &Row<'_>) -> f64 {
    match &row.content {
        Content::Message(sent) => {
            let columns = layout::width(&sent.label).min(LABEL_MAX) as f64;
            (columns * COLUMN + ROOM_BESIDE) / row.from.abs_diff(row.to).max(1) as f64
        }
        Content::Stream(_) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Endpoint;

    fn party(name: Option<&str>, addresses: &[&str]) -> Party {
        let end = |text: &&str| Endpoint { address: text.parse().expect("an address"), port: 5060 };
        let ends = addresses.iter().map(end).collect();
        Party { ends, name: name.map(str::to_owned), is_endpoint: false }
    }

    #[test]
    fn heads_tell_hosts_apart() {
        let long = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1234";
        assert_eq!(head(&party(None, &["192.0.2.1"])), ["192.0.2.1", ""]);
        assert_eq!(head(&party(None, &[long])), ["2001:db8:aaaa:bbbb:cccc:", "dddd:eeee:1234"]);
        let named = head(&party(Some("proxy"), &[long, "192.0.2.1"]));
        assert_eq!(named, ["proxy", "2001:db8:aa…eeee:1234 +1"]);
        let name = "x".repeat(80);
        assert_eq!(
            head(&party(Some(&name), &[long]))[0],
            format!("{}…{}", "x".repeat(12), "x".repeat(11))
        );
        for text in head(&party(Some("日本語の長い名前のプロキシサーバ一号機"), &[long]))
        {
            assert!(layout::width(&text) <= NAME_COLUMNS, "{text}");
        }
    }
}
