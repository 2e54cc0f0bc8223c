//! The RTP streams of a call with findings, a line each.

use std::io;

use crate::analysis::StreamSummary;
use crate::catalogue::Labels;
use crate::finding::Finding;
use crate::report::style::Role;
use crate::report::text::scene::Scene;
use crate::report::text::sheet::Sheet;

/// Streams of a call that are shown unless everything is asked for.
const STREAMS_MAX: usize = 8;

/// Writes the streams of the call that the finding is about, the first time that it comes up.
pub(super) fn write(
    scene: &mut Scene<'_>,
    finding: &Finding,
    sheet: &mut Sheet<'_>,
) -> io::Result<()> {
    let Some(call_id) = &finding.call_id else { return Ok(()) };
    let of_call = scene.analysis.calls.iter().filter(|call| call.call_id == *call_id);
    let streams: Vec<&StreamSummary> = of_call.flat_map(|call| &call.streams).collect();
    if streams.is_empty() || !scene.tell_streams(call_id) {
        return Ok(());
    }
    let words = scene.words;
    sheet.blank()?;
    sheet.heading(2, words.get("rtp-streams"))?;
    let shown = if scene.is_verbose() { streams.len() } else { STREAMS_MAX };
    for stream in streams.iter().take(shown) {
        sheet.text(Role::Plain, 4, &line(stream, words))?;
    }
    if let Some(more) = streams.len().checked_sub(shown).filter(|more| *more > 0) {
        let count = words.count(more as u64);
        sheet.text(Role::Faint, 4, &words.fill("and-more", &[("count", &count)]))?;
    }
    Ok(())
}

/// `192.0.2.1:4000 > 192.0.2.2:5000 · PCMA · 891 packets · 0.0 % lost · …`
pub(super) fn line(stream: &StreamSummary, words: Labels) -> String {
    let mut parts = vec![format!("{} > {}", stream.source, stream.destination)];
    parts.extend(stream.codec.clone());
    parts.extend(figures(stream, words));
    if let Some(estimate) = stream.estimate {
        let mos = words.decimal(estimate.mos, 1);
        parts.push(words.fill("stream-mos", &[("mos", &mos)]));
    }
    parts.join(" · ")
}

/// `891 packets`, `0 % lost`, `jitter 1 ms, at most 4 ms`, as far as they are known.
pub(super) fn figures(stream: &StreamSummary, words: Labels) -> Vec<String> {
    let mut parts = Vec::new();
    let packets = words.count(stream.packets);
    parts.push(words.fill("stream-packets", &[("count", &packets)]));
    let percent = words.decimal(stream.lost_percent, 1);
    parts.push(words.fill("stream-lost", &[("percent", &percent)]));
    if let (Some(mean), Some(max)) = (stream.jitter, stream.jitter_max) {
        let (mean, max) = (words.duration(mean), words.duration(max));
        parts.push(words.fill("stream-jitter", &[("mean", &mean), ("max", &max)]));
    }
    parts
}
