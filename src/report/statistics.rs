//! The statistics of an analysis, as JSON has them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analysis::{Analysis, Delays, Host, Interval, Kpi, Peer, Timeline};
use crate::time::{Span, Time};
use crate::transport::Transport;

/// The `statistics` object; the names of the fields are a contract.
#[derive(Serialize)]
pub(crate) struct StatisticsJson<'a> {
    methods: &'a BTreeMap<String, u64>,
    statuses: &'a BTreeMap<u16, u64>,
    kpi: KpiJson,
    /// Messages sent again of all messages.
    retransmission_percent: Option<f64>,
    peers: Vec<PeerJson>,
    timeline: TimelineJson<'a>,
    transports: BTreeMap<&'static str, u64>,
    ports: &'a BTreeMap<u16, u64>,
}

/// Indicators of RFC 6076 and ITU-T E.411 and E.425.
#[derive(Serialize)]
struct KpiJson {
    attempts: u64,
    established: u64,
    ser_percent: Option<f64>,
    seer_percent: Option<f64>,
    isa_percent: Option<f64>,
    scr_percent: Option<f64>,
    asr_percent: Option<f64>,
    ner_percent: Option<f64>,
    srd_ms: Option<f64>,
    sdd_ms: Option<f64>,
    sdt_ms: Option<f64>,
    rrd_ms: Option<f64>,
    /// The same and more, with their spread.
    delays: DelaysByKindJson,
}

#[derive(Serialize)]
struct DelaysByKindJson {
    session_request: Option<DelaysJson>,
    session_request_failed: Option<DelaysJson>,
    session_disconnect: Option<DelaysJson>,
    session_duration: Option<DelaysJson>,
    registration_request: Option<DelaysJson>,
    post_dial: Option<DelaysJson>,
    ring: Option<DelaysJson>,
}

/// Times of one kind. A percentile is at most an eighth too high.
#[derive(Serialize)]
struct DelaysJson {
    count: u64,
    mean_ms: f64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

#[derive(Serialize)]
struct PeerJson {
    address: String,
    requests: u64,
    calls: u64,
    answered: u64,
    failures: u64,
    unanswered: u64,
    retransmissions: u64,
    response_ms: Option<f64>,
    response_time: Option<DelaysJson>,
    kpi: Option<KpiJson>,
}

/// Counts by interval; an interval without anything is left out.
#[derive(Serialize)]
struct TimelineJson<'a> {
    interval_ms: f64,
    intervals: Vec<IntervalJson<'a>>,
}

#[derive(Serialize)]
struct IntervalJson<'a> {
    start: Time,
    attempts: u64,
    answered: u64,
    failed: u64,
    ended: u64,
    /// Calls that were up at some moment of the interval.
    concurrent: u64,
    statuses: &'a BTreeMap<u16, u64>,
}

impl DelaysJson {
    fn of(delays: &Delays) -> Option<Self> {
        let percentile = |percent| delays.percentile(percent).map(Span::millis);
        Some(Self {
            count: delays.count(),
            mean_ms: delays.mean()?.millis(),
            p50_ms: percentile(50)?,
            p95_ms: percentile(95)?,
            p99_ms: percentile(99)?,
            max_ms: delays.longest()?.millis(),
        })
    }
}

impl KpiJson {
    fn of(kpi: &Kpi) -> Self {
        let mean = |delays: &Delays| delays.mean().map(Span::millis);
        Self {
            attempts: kpi.attempts,
            established: kpi.established,
            ser_percent: kpi.ser(),
            seer_percent: kpi.seer(),
            isa_percent: kpi.isa(),
            scr_percent: kpi.scr(),
            asr_percent: kpi.asr(),
            ner_percent: kpi.ner(),
            srd_ms: mean(&kpi.request_delay),
            sdd_ms: mean(&kpi.disconnect_delay),
            sdt_ms: mean(&kpi.duration),
            rrd_ms: mean(&kpi.registration_delay),
            delays: DelaysByKindJson {
                session_request: DelaysJson::of(&kpi.request_delay),
                session_request_failed: DelaysJson::of(&kpi.failed_request_delay),
                session_disconnect: DelaysJson::of(&kpi.disconnect_delay),
                session_duration: DelaysJson::of(&kpi.duration),
                registration_request: DelaysJson::of(&kpi.registration_delay),
                post_dial: DelaysJson::of(&kpi.post_dial_delay),
                ring: DelaysJson::of(&kpi.ring_time),
            },
        }
    }
}

impl PeerJson {
    fn of((host, peer): (&Host, &Peer)) -> Self {
        Self {
            address: host.to_string(),
            requests: peer.requests,
            calls: peer.calls,
            answered: peer.answered,
            failures: peer.failures,
            unanswered: peer.unanswered,
            retransmissions: peer.retransmissions,
            response_ms: peer.response_time.mean().map(Span::millis),
            response_time: DelaysJson::of(&peer.response_time),
            kpi: (peer.kpi != Kpi::default()).then(|| KpiJson::of(&peer.kpi)),
        }
    }
}

impl<'a> TimelineJson<'a> {
    fn of(timeline: &'a Timeline) -> Self {
        let interval = |(start, interval, concurrent): (Time, &'a Interval, u64)| IntervalJson {
            start,
            attempts: interval.attempts,
            answered: interval.answered,
            failed: interval.failed,
            ended: interval.ended,
            concurrent,
            statuses: &interval.statuses,
        };
        Self {
            interval_ms: timeline.width().millis(),
            intervals: timeline.intervals().map(interval).collect(),
        }
    }
}

impl<'a> StatisticsJson<'a> {
    pub(crate) fn of(analysis: &'a Analysis) -> Self {
        let (statistics, totals) = (&analysis.statistics, &analysis.totals);
        let transport = |(transport, count): (&Transport, &u64)| (transport.name(), *count);
        let share = totals.retransmissions as f64 * 100.0 / totals.sip_messages as f64;
        Self {
            methods: &statistics.methods,
            statuses: &statistics.statuses,
            kpi: KpiJson::of(&statistics.kpi),
            retransmission_percent: (totals.sip_messages > 0).then_some(share),
            peers: statistics.peers.iter().map(PeerJson::of).collect(),
            timeline: TimelineJson::of(&statistics.timeline),
            transports: statistics.transports.iter().map(transport).collect(),
            ports: &statistics.ports,
        }
    }
}
