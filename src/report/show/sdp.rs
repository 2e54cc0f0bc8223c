//! What the session descriptions of a ladder say, and what each changes of the one before.
//!
//! A description is compared with the last one that the same party sent the same way, as a person
//! would who reads down the ladder.

use std::collections::BTreeMap;

use crate::analysis::Step;
use crate::analysis::flow::{Content, Flow};
use crate::bytes::printable;
use crate::capture::FrameId;
use crate::sdp::{Direction, Media, Session};

/// What a description says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::report) struct Described {
    /// The media one after another, safe to show.
    pub(in crate::report) text: String,
    /// What is not as the same party said before on the same way.
    pub(in crate::report) changes: Vec<SdpChange>,
    /// The frame of an earlier row that says the same in full, where nothing is changed.
    pub(in crate::report) same_as: Option<FrameId>,
}

/// What a description changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum SdpChange {
    /// The sender goes on sending and wants nothing back.
    Hold,
    /// The sender takes note of being on hold.
    Held,
    /// Media flow in neither direction.
    Inactive,
    /// Media flow both ways again.
    Resumed,
    /// Other codecs, or in another order.
    Codecs,
    /// Another kind of media, such as fax in place of sound.
    Media,
    /// Another address or port.
    Address,
    /// A stream was added.
    Added,
    /// A stream was taken away.
    Removed,
}

impl SdpChange {
    /// Its name in data.
    pub(in crate::report) const fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Held => "held",
            Self::Inactive => "inactive",
            Self::Resumed => "resumed",
            Self::Codecs => "codecs",
            Self::Media => "media",
            Self::Address => "address",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

/// What the descriptions say, for each row.
pub(super) fn described(flow: &Flow<'_>) -> Vec<Option<Described>> {
    let mut last_on_way: BTreeMap<(usize, usize, usize), &Step> = BTreeMap::new();
    let mut in_full: BTreeMap<(usize, &str), FrameId> = BTreeMap::new();
    let mut all = Vec::with_capacity(flow.rows.len());
    for row in &flow.rows {
        let Content::Message(sent) = &row.content else {
            all.push(None);
            continue;
        };
        all.push(sent.sdp.as_ref().map(|text| {
            let before = last_on_way.insert((sent.call, row.from, row.to), sent.step);
            let changes = before.map(|before| changes(before, sent.step)).unwrap_or_default();
            let told = in_full.get(&(sent.call, text.as_str())).copied();
            let same_as = told.filter(|_| changes.is_empty());
            if same_as.is_none() {
                in_full.insert((sent.call, text), row.frame);
            }
            Described { text: text.clone(), changes, same_as }
        }));
    }
    all
}

fn changes(before: &Step, after: &Step) -> Vec<SdpChange> {
    let (before, after) = (before.message(), after.message());
    let (Some(before), Some(after)) = (before.sdp(), after.sdp()) else { return Vec::new() };
    let (before, after) = (Session::parse(before).0, Session::parse(after).0);
    let mut found = Vec::new();
    let mut add = |change: SdpChange| {
        if !found.contains(&change) {
            found.push(change);
        }
    };
    for (at, media) in after.media.iter().enumerate() {
        match before.media.get(at).filter(|own| !own.is_rejected()) {
            None if !media.is_rejected() => add(SdpChange::Added),
            None => {}
            Some(_) if media.is_rejected() => add(SdpChange::Removed),
            Some(own) => between(own, media).into_iter().for_each(&mut add),
        }
    }
    found
}

fn between(before: &Media<'_>, after: &Media<'_>) -> Vec<SdpChange> {
    if !before.kind.eq_ignore_ascii_case(after.kind) {
        return vec![SdpChange::Media];
    }
    let mut found = Vec::new();
    let (was, is) = (direction(before), direction(after));
    if was != is {
        found.push(match is {
            Direction::SendOnly => SdpChange::Hold,
            Direction::RecvOnly => SdpChange::Held,
            Direction::Inactive => SdpChange::Inactive,
            Direction::SendRecv => SdpChange::Resumed,
        });
    }
    if codecs(before) != codecs(after) {
        found.push(SdpChange::Codecs);
    }
    // Hold in the manner of RFC 2543 is no move.
    let is_nowhere = |media: &Media<'_>| media.connection.is_some_and(|own| own.is_unspecified());
    let has_moved =
        before.address() != after.address() && !is_nowhere(before) && !is_nowhere(after);
    if has_moved || before.port != after.port {
        found.push(SdpChange::Address);
    }
    found
}

/// The direction; an unspecified address stands for hold.
fn direction(media: &Media<'_>) -> Direction {
    let is_nowhere = media.connection.is_some_and(|connection| connection.is_unspecified());
    match (media.direction(), is_nowhere) {
        (Direction::SendRecv, true) => Direction::SendOnly,
        (direction, _) => direction,
    }
}

fn codecs(media: &Media<'_>) -> Vec<String> {
    let named: Vec<_> =
        media.codecs().map(|codec| printable(codec.encoding).to_ascii_lowercase()).collect();
    match named.is_empty() {
        true => media.formats().map(|format| printable(format).into_owned()).collect(),
        false => named,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(before: &str, after: &str) -> Vec<&'static str> {
        let text = |sdp: &str| format!("v=0\r\nc=IN IP4 192.0.2.1\r\n{sdp}");
        let (before, after) = (text(before), text(after));
        let (before, after) =
            (Session::parse(before.as_bytes()).0, Session::parse(after.as_bytes()).0);
        let pairs = before.media.iter().zip(&after.media);
        pairs.flat_map(|(a, b)| between(a, b)).map(SdpChange::name).collect()
    }

    #[test]
    fn hold_and_resume_are_told_apart() {
        let talk = "m=audio 4000 RTP/AVP 0\r\n";
        let with = |line: &str| format!("{talk}{line}\r\n");
        assert_eq!(names(talk, talk), Vec::<&str>::new());
        assert_eq!(names(talk, &with("a=sendonly")), ["hold"]);
        assert_eq!(names(talk, &with("a=recvonly")), ["held"]);
        assert_eq!(names(talk, &with("a=inactive")), ["inactive"]);
        assert_eq!(names(&with("a=sendonly"), talk), ["resumed"]);
        assert_eq!(names(talk, &with("c=IN IP4 0.0.0.0")), ["hold"]);
        assert_eq!(names(&with("c=IN IP4 0.0.0.0"), talk), ["resumed"]);
    }

    #[test]
    fn another_place_and_other_codecs_are_told() {
        let talk = "m=audio 4000 RTP/AVP 0 8\r\n";
        assert_eq!(names(talk, "m=audio 4002 RTP/AVP 0 8\r\n"), ["address"]);
        assert_eq!(names(talk, "m=audio 4000 RTP/AVP 8\r\n"), ["codecs"]);
        let moved = "m=audio 4000 RTP/AVP 18\r\nc=IN IP4 192.0.2.9\r\na=sendonly\r\n";
        assert_eq!(names(talk, moved), ["hold", "codecs", "address"]);
        assert_eq!(names(talk, "m=image 4000 udptl t38\r\n"), ["media"]);
    }
}
