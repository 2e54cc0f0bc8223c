//! Wireshark display filters that show the evidence of a finding.

use crate::finding::Finding;

/// Frames that a filter lists; more make it unreadable.
const FRAMES_MAX: usize = 24;

/// A filter for the frames of the finding; for the whole call where its frames are of several
/// captures, or too many.
pub(crate) fn display_filter(finding: &Finding) -> Option<String> {
    let captures: std::collections::BTreeSet<u16> =
        finding.frames.iter().map(|frame| frame.capture).collect();
    if captures.len() == 1 && finding.frames.len() <= FRAMES_MAX {
        let numbers: Vec<String> =
            finding.frames.iter().map(|frame| frame.number.to_string()).collect();
        return Some(match numbers.as_slice() {
            [number] => format!("frame.number == {number}"),
            numbers => format!("frame.number in {{{}}}", numbers.join(", ")),
        });
    }
    let call_id = finding.call_id.as_ref()?;
    Some(format!("sip.Call-ID == \"{}\"", call_id.replace('\\', "\\\\").replace('"', "\\\"")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::FrameId;
    use crate::finding::{Findings, Report};
    use crate::rules;
    use crate::signaling::Settings;
    use crate::time::Time;

    fn finding(frames: &[(u16, u64)]) -> Finding {
        let rule = rules::find("final-response").expect("a rule");
        let mut found = Vec::new();
        let frames = frames.iter().map(|(capture, number)| {
            (FrameId { capture: *capture, number: *number }, Time::default())
        });
        Findings::new(rule, &Settings::default(), &mut found)
            .report(Report::on_capture().frames(frames));
        let mut finding = found.pop().expect("a finding");
        finding.call_id = Some("a\"b@example.com".to_owned());
        finding
    }

    #[test]
    fn few_frames_are_listed() {
        let filter = |frames| display_filter(&finding(frames));
        assert_eq!(filter(&[(0, 7)]).as_deref(), Some("frame.number == 7"));
        assert_eq!(filter(&[(0, 7), (0, 9)]).as_deref(), Some("frame.number in {7, 9}"));
    }

    #[test]
    fn frames_of_several_captures_are_found_by_call_id() {
        let filter = display_filter(&finding(&[(0, 7), (1, 3)]));
        assert_eq!(filter.as_deref(), Some(r#"sip.Call-ID == "a\"b@example.com""#));
    }
}
