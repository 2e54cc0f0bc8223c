//! What recorded captures leave is the same after it went from one machine to another.

use std::path::{Path, PathBuf};

use crate::analysis::{Analysis, Keep, Tally};
use crate::bytes::parts::{damages, from_bytes, to_bytes};
use crate::capture::{self, FrameId};
use crate::limits::{CALLS_MAX, FINDINGS_MAX};
use crate::media::{Media, Streams};
use crate::pipeline::calls::CallShard;
use crate::pipeline::clocks::Clocks;
use crate::pipeline::merge::Merge;
use crate::pipeline::{Options, Run};
use crate::rules::{self, Profile};
use crate::signaling::Settings;
use crate::transport::KeyLog;

/// What a run has before all is folded.
struct Left {
    parts: Vec<Tally>,
    media: Vec<Streams>,
    clocks: Clocks,
}

fn keep() -> Keep {
    Keep { calls: CALLS_MAX, findings: FINDINGS_MAX, ladders: 3, ..Keep::default() }
}

fn profile() -> Profile {
    Profile { rules: rules::ALL.to_vec(), settings: Settings::default() }
}

fn left_of(names: &[&str]) -> Left {
    let below = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
    let paths: Vec<PathBuf> = names.iter().map(|name| below.join(name)).collect();
    let sources = capture::open(&paths).expect("captures");
    let options = Options {
        profile: profile(),
        keep: keep(),
        media: true,
        keys: Default::default(),
        threads: Some(1),
    };
    let mut run = Run::new(sources.len(), &options);
    let mut merge = Merge::new(sources).expect("no pipe");
    while let Some(round) = merge.next().expect("it can be read") {
        run.work(&round, None);
        merge.recycle(round);
    }
    run.tally.facts.captures = merge.into_descriptions();
    run.finish_calls();
    let mut parts = vec![run.tally];
    parts.extend(run.shards.calls.into_iter().map(CallShard::into_tally));
    Left { parts, media: run.shards.rtp, clocks: run.clocks }
}

/// The analysis without what does not go along.
fn finish(parts: Vec<Tally>) -> Analysis {
    let analysis = Tally::finish(parts, &profile());
    Analysis { calls: Vec::new(), streams: Vec::new(), ..analysis }
}

const CAPTURES: [&[&str]; 10] = [
    &["busy-486.pcap"],
    &["lossy-audio.pcap"],
    &["dtmf-rfc4733.pcap"],
    &["jitter-audio.pcap"],
    &["hold-music.pcap"],
    &["dtls-ice-call.pcap"],
    &["proxy-downstream-icmp.pcap"],
    &["invite-no-response.pcap", "missing-ack-2xx.pcap"],
    &["options-ping.pcapng", "progress-then-502.pcap", "challenge-loop.pcap"],
    &["fragment-lost.pcap", "forked-call.pcap", "no-audio.pcap"],
];

#[test]
fn parts_of_a_run_give_the_same_analysis() {
    let mut found = 0;
    for names in CAPTURES {
        let there = left_of(names).parts;
        let bytes: Vec<_> = there.iter().map(Tally::to_bytes).collect();
        let back: Option<Vec<_>> = bytes.iter().map(|own| Tally::from_bytes(own, keep())).collect();
        let back = back.expect("parts");
        let again: Vec<_> = back.iter().map(Tally::to_bytes).collect();
        assert!(again == bytes, "{names:?}");
        let (there, back) = (finish(there), finish(back));
        found += back.findings.len();
        assert_eq!(format!("{back:#?}"), format!("{there:#?}"), "{names:?}");
    }
    assert!(found > 5, "{found}");
}

#[test]
fn streams_of_a_run_are_the_same() {
    let (mut count, mut has_contacts) = (0, false);
    for names in CAPTURES {
        let media = left_of(names).media;
        let bytes = to_bytes(&media);
        let back: Vec<Streams> = from_bytes(&bytes).expect("streams");
        assert!(to_bytes(&back) == bytes, "{names:?}");
        let text = |all: &[Streams]| {
            let own = Media::new(all);
            let streams: Vec<_> = own.streams().collect();
            let ends = streams.iter().flat_map(|stream| [stream.source, stream.destination]);
            let beside: Vec<_> = ends.flat_map(|end| own.contacts_at(end)).collect();
            format!("{streams:#?} {beside:#?} {:#?}", own.common_gaps())
        };
        assert_eq!(text(&back), text(&media), "{names:?}");
        let figures = |all: &[Streams]| {
            let figures = all.iter().map(|own| (own.count(), own.evicted(), own.dropped()));
            figures.collect::<Vec<_>>()
        };
        assert_eq!(figures(&back), figures(&media), "{names:?}");
        count += Media::new(&media).streams().count();
        has_contacts |= Media::new(&media).has_contacts();
    }
    assert!(count > 10 && has_contacts, "{count}");
}

#[test]
fn samples_of_clocks_are_the_same() {
    let own = left_of(&["busy-486.pcap", "basic-call-udp.pcap", "busy-486.pcap"]).clocks;
    let back: Clocks = from_bytes(&to_bytes(&own)).expect("samples");
    assert_eq!(format!("{back:?}"), format!("{own:?}"));
    assert_eq!(back.links(), own.links());
}

#[test]
fn damage_never_panics() {
    let left = left_of(&["proxy-downstream-icmp.pcap", "dtls-ice-call.pcap", "lossy-audio.pcap"]);
    for part in &left.parts {
        let bytes = borsh::to_vec(part).expect("it fits");
        // Without the digest, which would see all of it.
        for own in damages(&bytes, 100) {
            let read = borsh::from_slice::<Tally>(&own);
            assert!(own.len() == bytes.len() || read.is_err(), "a beginning");
        }
    }
    let bytes = borsh::to_vec(&left.media).expect("it fits");
    assert!(borsh::from_slice::<Vec<Streams>>(&bytes).is_ok());
    for own in damages(&bytes, 1000) {
        let read = borsh::from_slice::<Vec<Streams>>(&own);
        assert!(own.len() == bytes.len() || read.is_err(), "a beginning");
    }
}

#[test]
fn secrets_are_the_same() {
    let mut own = KeyLog::default();
    let line = format!("CLIENT_RANDOM {} {}\n", "5a".repeat(32), "c3".repeat(48));
    let from = FrameId { capture: 1, number: 7 };
    assert_eq!(own.add(line.as_bytes(), Some(from)), 1);
    let back: KeyLog = from_bytes(&to_bytes(&own)).expect("a key log");
    assert_eq!(format!("{back:?}"), format!("{own:?}"));
}
