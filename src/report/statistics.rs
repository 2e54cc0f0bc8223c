//! The statistics of an analysis, as JSON has them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::analysis::{Analysis, Delays, Host, Interval, Kpi, Peer, Statistics, Timeline};
use crate::time::{Span, Time};
use crate::transport::Transport;

/// The `statistics` object; the names of the fields are a contract.
#[derive(Serialize, JsonSchema)]
pub(crate) struct StatisticsJson<'a> {
    /// Requests by method.
    methods: &'a BTreeMap<String, u64>,
    /// Responses by status code.
    statuses: &'a BTreeMap<u16, u64>,
    /// Indicators of all calls and registrations.
    kpi: KpiJson,
    /// Messages sent again of all messages, in percent.
    retransmission_percent: Option<f64>,
    /// Hosts that were asked.
    peers: Vec<PeerJson>,
    /// Counts by time.
    timeline: TimelineJson<'a>,
    /// Messages by transport.
    transports: BTreeMap<&'static str, u64>,
    /// Requests by the port that they went to.
    ports: &'a BTreeMap<u16, u64>,
    /// The calls that the figures are made of; only where some were chosen. What is counted by
    /// messages is counted by their transactions then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chosen: Option<ChosenJson<'a>>,
}

/// Calls that were chosen by a filter.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ChosenJson<'a> {
    /// The filter.
    pub(crate) filter: &'a str,
    /// How many Call-IDs fit.
    pub(crate) call_ids: u64,
    /// How many there are.
    pub(crate) of: u64,
}

/// Indicators of RFC 6076 and ITU-T E.411 and E.425.
#[derive(Serialize, JsonSchema)]
struct KpiJson {
    /// Calls that were attempted.
    attempts: u64,
    /// Calls that were answered.
    established: u64,
    /// Session establishment ratio (RFC 6076, section 4.6), in percent.
    ser_percent: Option<f64>,
    /// Session establishment effectiveness ratio (RFC 6076, section 4.7), in percent.
    seer_percent: Option<f64>,
    /// Ineffective session attempts (RFC 6076, section 4.8), in percent.
    isa_percent: Option<f64>,
    /// Session completion ratio (RFC 6076, section 4.9), in percent.
    scr_percent: Option<f64>,
    /// Answer-seizure ratio (ITU-T E.411), in percent.
    asr_percent: Option<f64>,
    /// Network effectiveness ratio (ITU-T E.425), in percent.
    ner_percent: Option<f64>,
    /// Session request delay (RFC 6076, section 4.3), the mean in milliseconds.
    srd_ms: Option<f64>,
    /// Session disconnect delay (RFC 6076, section 4.4), the mean in milliseconds.
    sdd_ms: Option<f64>,
    /// Session duration time (RFC 6076, section 4.5), the mean in milliseconds.
    sdt_ms: Option<f64>,
    /// Registration request delay (RFC 6076, section 4.1), the mean in milliseconds.
    rrd_ms: Option<f64>,
    /// The same and more, with their spread.
    delays: DelaysByKindJson,
}

#[derive(Serialize, JsonSchema)]
struct DelaysByKindJson {
    /// Session request delay of calls that were set up.
    session_request: Option<DelaysJson>,
    /// Session request delay of calls that failed.
    session_request_failed: Option<DelaysJson>,
    /// Session disconnect delay.
    session_disconnect: Option<DelaysJson>,
    /// Session duration time.
    session_duration: Option<DelaysJson>,
    /// Registration request delay.
    registration_request: Option<DelaysJson>,
    /// Post-dial delay: from the INVITE to ringing.
    post_dial: Option<DelaysJson>,
    /// From ringing to the answer.
    ring: Option<DelaysJson>,
}

/// Times of one kind. A percentile is at most an eighth too high.
#[derive(Serialize, JsonSchema)]
struct DelaysJson {
    /// How many there are.
    count: u64,
    /// The mean, in milliseconds.
    mean_ms: f64,
    /// Half of them are not longer, in milliseconds.
    p50_ms: f64,
    /// 95 of a hundred are not longer, in milliseconds.
    p95_ms: f64,
    /// 99 of a hundred are not longer, in milliseconds.
    p99_ms: f64,
    /// The longest, in milliseconds.
    max_ms: f64,
}

#[derive(Serialize, JsonSchema)]
struct PeerJson {
    /// The address of the host.
    address: String,
    /// Requests sent to it, without retransmissions.
    requests: u64,
    /// Attempts to set up a call through it.
    calls: u64,
    /// Of these, those that it answered with success.
    answered: u64,
    /// Final responses of 400 or more other than challenges.
    failures: u64,
    /// Requests that it gave no final response.
    unanswered: u64,
    /// Requests to it and responses of it that were sent again.
    retransmissions: u64,
    /// From a request to its first response, the mean in milliseconds.
    response_ms: Option<f64>,
    /// The same with its spread.
    response_time: Option<DelaysJson>,
    /// Indicators of the calls that it was to set up; null without any.
    kpi: Option<KpiJson>,
}

/// Counts by interval; an interval without anything is left out.
#[derive(Serialize, JsonSchema)]
struct TimelineJson<'a> {
    /// The length of an interval, in milliseconds.
    interval_ms: f64,
    /// The intervals in which something happened, in order.
    intervals: Vec<IntervalJson<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct IntervalJson<'a> {
    /// When it begins, RFC 3339 in UTC.
    start: Time,
    /// Calls that were attempted.
    attempts: u64,
    /// Calls that were answered.
    answered: u64,
    /// Calls that failed.
    failed: u64,
    /// Calls that ended.
    ended: u64,
    /// Calls that were up at some moment of the interval.
    concurrent: u64,
    /// Final responses by status code.
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
        let totals = &analysis.totals;
        let share = totals.retransmissions as f64 * 100.0 / totals.sip_messages as f64;
        Self::new(&analysis.statistics, (totals.sip_messages > 0).then_some(share))
    }

    /// The figures, with the share of the messages that were sent again.
    pub(crate) fn new(statistics: &'a Statistics, retransmission_percent: Option<f64>) -> Self {
        let transport = |(transport, count): (&Transport, &u64)| (transport.name(), *count);
        Self {
            methods: &statistics.methods,
            statuses: &statistics.statuses,
            kpi: KpiJson::of(&statistics.kpi),
            retransmission_percent,
            peers: statistics.peers.iter().map(PeerJson::of).collect(),
            timeline: TimelineJson::of(&statistics.timeline),
            transports: statistics.transports.iter().map(transport).collect(),
            ports: &statistics.ports,
            chosen: None,
        }
    }
}
