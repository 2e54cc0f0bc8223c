//! The tables of a lake: their columns with types, units and meaning.
//!
//! One description, from which the files are written, `siptrace-lake tables` tells and
//! docs/scale.md has its lists. Knows nothing of where rows come from.

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// The zone of all times.
pub(crate) const UTC: &str = "UTC";

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A moment, in nanoseconds.
    Time,
    /// Yes or no.
    Flag,
    /// Whole numbers of that many bits.
    U8,
    U16,
    U32,
    U64,
    I64,
    /// A number with a fraction.
    F64,
    /// Text that is safe to show.
    Text,
    /// Bytes as captured.
    Bytes,
    /// Several frames.
    Frames,
    /// Several texts.
    Texts,
}

impl Kind {
    /// The type in the files.
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Time => DataType::Timestamp(TimeUnit::Nanosecond, Some(UTC.into())),
            Self::Flag => DataType::Boolean,
            Self::U8 => DataType::UInt8,
            Self::U16 => DataType::UInt16,
            Self::U32 => DataType::UInt32,
            Self::U64 => DataType::UInt64,
            Self::I64 => DataType::Int64,
            Self::F64 => DataType::Float64,
            Self::Text => DataType::Utf8,
            Self::Bytes => DataType::Binary,
            Self::Frames => DataType::new_list(DataType::UInt64, false),
            Self::Texts => DataType::new_list(DataType::Utf8, false),
        }
    }

    /// The type as users of SQL name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Time => "timestamp (UTC)",
            Self::Flag => "boolean",
            Self::U8 => "tinyint unsigned",
            Self::U16 => "smallint unsigned",
            Self::U32 => "int unsigned",
            Self::U64 => "bigint unsigned",
            Self::I64 => "bigint",
            Self::F64 => "double",
            Self::Text => "varchar",
            Self::Bytes => "binary",
            Self::Frames => "array of bigint unsigned",
            Self::Texts => "array of varchar",
        }
    }
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it holds.
    pub(crate) kind: Kind,
    /// What one of its numbers is; empty where there is no unit.
    pub(crate) unit: &'static str,
    /// It may be without a value.
    pub(crate) is_nullable: bool,
    /// What it says.
    pub(crate) meaning: &'static str,
}

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its name, and that of the folder with its objects.
    pub(crate) name: &'static str,
    /// What a row is.
    pub(crate) meaning: &'static str,
    /// The column by which rows are put into hours.
    pub(crate) time: &'static str,
    /// Its columns, in the order of the files.
    pub(crate) columns: &'static [Column],
    schema: LazyLock<SchemaRef>,
}

impl Table {
    /// The schema of the files.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

const fn required(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    meaning: &'static str,
) -> Column {
    Column { name, kind, unit, is_nullable: false, meaning }
}

const fn optional(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    meaning: &'static str,
) -> Column {
    Column { name, kind, unit, is_nullable: true, meaning }
}

fn schema(columns: &[Column]) -> SchemaRef {
    let field = |own: &Column| Field::new(own.name, own.kind.data_type(), own.is_nullable);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// The columns that tell in which folder a row lies; the readers of Spark and others know them by
/// the names of the folders.
pub(crate) const PARTITION: [Column; 2] = [
    optional(
        "day",
        Kind::Text,
        "",
        "the day of the row in UTC, `2026-11-22`; by it files are left out",
    ),
    optional(
        "hour",
        Kind::U8,
        "h",
        "the hour of the row in UTC, 0 to 23; by it files are left out",
    ),
];

/// SIP messages.
pub(crate) static MESSAGES: Table = Table {
    name: "messages",
    meaning: "a SIP message as it was captured: each hop, each repeat and each copy",
    time: "time",
    columns: MESSAGES_COLUMNS,
    schema: LazyLock::new(|| schema(MESSAGES_COLUMNS)),
};

const MESSAGES_COLUMNS: &[Column] = &[
    required("time", Kind::Time, "ns", "when the last packet of the message was captured"),
    required(
        "order_time",
        Kind::Time,
        "ns",
        "by which messages are in order, with capture and frame",
    ),
    required("capture", Kind::U16, "", "the number of the capture in the lake, from 0"),
    required(
        "frame",
        Kind::U64,
        "",
        "the number of the packet in the capture, from 1, as Wireshark has it",
    ),
    required("source", Kind::Text, "", "the address of the sender"),
    required("source_port", Kind::U16, "", "the port of the sender"),
    required("destination", Kind::Text, "", "the address of the receiver"),
    required("destination_port", Kind::U16, "", "the port of the receiver"),
    required("transport", Kind::Text, "", "UDP, TCP, TLS, WS, WSS or SCTP"),
    required("call_id", Kind::Text, "", "the Call-ID; empty where there is none"),
    optional("method", Kind::Text, "", "the method of a request"),
    optional("status", Kind::U16, "", "the status code of a response"),
    optional("reason", Kind::Text, "", "the reason phrase of a response"),
    optional("request_uri", Kind::Text, "", "the Request-URI of a request"),
    optional("cseq", Kind::U32, "", "the number in CSeq"),
    optional("cseq_method", Kind::Text, "", "the method in CSeq"),
    optional("from_uri", Kind::Text, "", "the URI in From"),
    optional("to_uri", Kind::Text, "", "the URI in To"),
    optional("user_agent", Kind::Text, "", "User-Agent, or Server of a response"),
    required("ip_id", Kind::U16, "", "the identification in the IP header; 0 where there is none"),
    required("is_cut", Kind::Flag, "", "the capture has not all bytes of it"),
    required("is_fragmented", Kind::Flag, "", "it came in several IP fragments"),
    required("payload", Kind::Bytes, "bytes", "the message as captured; not safe to show"),
];

/// Calls, registrations and whatever else has a Call-ID.
pub(crate) static CALLS: Table = Table {
    name: "calls",
    meaning: "what became of one Call-ID: a call, a registration, a subscription",
    time: "start",
    columns: CALLS_COLUMNS,
    schema: LazyLock::new(|| schema(CALLS_COLUMNS)),
};

const CALLS_COLUMNS: &[Column] = &[
    required("call_id", Kind::Text, "", "the Call-ID"),
    required(
        "kind",
        Kind::Text,
        "",
        "call, registration, subscription, publication, message, options, other",
    ),
    required(
        "fate",
        Kind::Text,
        "",
        "what became of it: completed, failed, busy, declined, cancelled, …",
    ),
    required("state", Kind::Text, "", "where it stands after its last message"),
    optional("from_uri", Kind::Text, "", "the URI in From of the first request"),
    optional("to_uri", Kind::Text, "", "the URI in To of the first request"),
    required("start", Kind::Time, "ns", "when its first message was captured"),
    required("end", Kind::Time, "ns", "when its last message was captured"),
    required("first_capture", Kind::U16, "", "the capture of its first message"),
    required("first_frame", Kind::U64, "", "the packet of its first message"),
    required("last_capture", Kind::U16, "", "the capture of its last message"),
    required("last_frame", Kind::U64, "", "the packet of its last message"),
    optional(
        "final_status",
        Kind::U16,
        "",
        "the answer to the last initial request, as its sender saw it",
    ),
    optional("pdd_ms", Kind::F64, "ms", "from the INVITE to ringing (post-dial delay)"),
    optional("ring_ms", Kind::F64, "ms", "from ringing to the answer"),
    optional("talk_ms", Kind::F64, "ms", "from the answer to the first BYE"),
    required("messages", Kind::U64, "", "its messages, copies not counted"),
    required("dialogs", Kind::U64, "", "dialogs confirmed or found in progress"),
    required("transactions", Kind::U64, "", "its transactions, each hop counted"),
    required("streams", Kind::U64, "", "its RTP streams"),
    required("linked", Kind::Texts, "", "other Call-IDs that its header fields name"),
];

/// Transactions of the calls.
pub(crate) static TRANSACTIONS: Table = Table {
    name: "transactions",
    meaning: "a request with its responses between one client and one server",
    time: "time",
    columns: TRANSACTIONS_COLUMNS,
    schema: LazyLock::new(|| schema(TRANSACTIONS_COLUMNS)),
};

const TRANSACTIONS_COLUMNS: &[Column] = &[
    required("call_id", Kind::Text, "", "the Call-ID"),
    required(
        "time",
        Kind::Time,
        "ns",
        "when the request was captured first; the start of the call without it",
    ),
    required("method", Kind::Text, "", "the method"),
    required("cseq", Kind::U32, "", "the sequence number"),
    required("branch", Kind::Text, "", "the branch of the topmost Via"),
    required("client", Kind::Text, "", "the address of who sent the request"),
    required("client_port", Kind::U16, "", "the port of who sent the request"),
    required("server", Kind::Text, "", "the address of who received it"),
    required("server_port", Kind::U16, "", "the port of who received it"),
    required("transport", Kind::Text, "", "UDP, TCP, TLS, WS, WSS or SCTP"),
    optional("capture", Kind::U16, "", "the capture of the request"),
    optional("frame", Kind::U64, "", "the packet of the request"),
    required("retransmissions", Kind::U64, "", "requests that were sent again"),
    required("provisional", Kind::U64, "", "responses 100 to 199"),
    optional("status", Kind::U16, "", "the status code of the first final response"),
    optional("reason", Kind::Text, "", "the reason phrase of the first final response"),
    optional("response_ms", Kind::F64, "ms", "from the request to the first final response"),
    required("outcome", Kind::Text, "", "how it ended"),
];

/// RTP streams.
pub(crate) static STREAMS: Table = Table {
    name: "streams",
    meaning: "an RTP stream: one SSRC on one way",
    time: "start",
    columns: STREAMS_COLUMNS,
    schema: LazyLock::new(|| schema(STREAMS_COLUMNS)),
};

const STREAMS_COLUMNS: &[Column] = &[
    optional("call_id", Kind::Text, "", "the call that it belongs to, if any"),
    optional("sender", Kind::Text, "", "caller or callee"),
    required("start", Kind::Time, "ns", "when its first packet was captured"),
    required("end", Kind::Time, "ns", "when its last packet was captured"),
    required("capture", Kind::U16, "", "the capture of its first packet"),
    required("frame", Kind::U64, "", "its first packet"),
    required("source", Kind::Text, "", "the address of the sender"),
    required("source_port", Kind::U16, "", "the port of the sender"),
    required("destination", Kind::Text, "", "the address of the receiver"),
    required("destination_port", Kind::U16, "", "the port of the receiver"),
    required("ssrc", Kind::U32, "", "the synchronization source"),
    optional("codec", Kind::Text, "", "the codec by the SDP, else by a static payload type"),
    optional("payload_type", Kind::U8, "", "the payload type of the codec"),
    required("is_encrypted", Kind::Flag, "", "it is SRTP"),
    optional("clock", Kind::U32, "Hz", "ticks of its timestamp in a second"),
    required("packets", Kind::U64, "", "packets captured"),
    required("octets", Kind::U64, "bytes", "bytes of media"),
    required("expected", Kind::U64, "", "packets that should have come"),
    required("lost", Kind::U64, "", "packets that did not come"),
    required("lost_percent", Kind::F64, "%", "the same of a hundred expected ones"),
    required("duplicates", Kind::U64, "", "packets that came again"),
    required("reordered", Kind::U64, "", "packets that came after a later one"),
    required("restarts", Kind::U64, "", "how often the numbers began anew"),
    optional("jitter_ms", Kind::F64, "ms", "the mean of the jitter"),
    optional("jitter_max_ms", Kind::F64, "ms", "the largest jitter"),
    optional(
        "gap_max_ms",
        Kind::F64,
        "ms",
        "the longest time between two packets of one spurt of talk",
    ),
    optional("packet_ms", Kind::F64, "ms", "media in most packets"),
    optional(
        "skew_ppm",
        Kind::F64,
        "ppm",
        "how much faster the clock of the sender runs than that of the capture",
    ),
    optional("mos", Kind::F64, "", "how it probably sounds, 1 to 4.5"),
];

/// What the rules found.
pub(crate) static FINDINGS: Table = Table {
    name: "findings",
    meaning: "what a rule found, with the evidence",
    time: "time",
    columns: FINDINGS_COLUMNS,
    schema: LazyLock::new(|| schema(FINDINGS_COLUMNS)),
};

const FINDINGS_COLUMNS: &[Column] = &[
    required("code", Kind::Text, "", "the code of the rule, `TXN106`"),
    required("rule", Kind::Text, "", "the name of the rule"),
    required("severity", Kind::Text, "", "error, warn or info"),
    required("confidence", Kind::Text, "", "certain, likely or possible"),
    required("title", Kind::Text, "", "the title of the rule in English"),
    optional("call_id", Kind::Text, "", "the Call-ID; none for a finding on the capture"),
    optional("call_fate", Kind::Text, "", "what became of the call"),
    optional("time", Kind::Time, "ns", "when the first of its frames was captured"),
    optional("capture", Kind::U16, "", "the capture of its first frame"),
    required("frames", Kind::Frames, "", "the frames that prove it, in order"),
    required("frame_captures", Kind::Frames, "", "the captures of these frames"),
    optional("client", Kind::Text, "", "address and port of who sent the request in question"),
    optional("server", Kind::Text, "", "address and port of who had to answer it"),
    required(
        "evidence",
        Kind::Text,
        "JSON",
        "names and values; names that end in _ms are milliseconds",
    ),
    required("propagated", Kind::U64, "", "the same fault on other hops and legs"),
    required("related", Kind::U64, "", "other findings that have to do with it"),
];

/// The tables that users see, in the order in which they are told.
pub(crate) static ALL: [&Table; 5] = [&MESSAGES, &TRANSACTIONS, &CALLS, &FINDINGS, &STREAMS];

/// Pieces of what is not whole; of use to the jobs only.
pub(crate) static PIECES: Table = Table {
    name: "pieces",
    meaning: "a fragment, segment or RTP packet on its way to the next job",
    time: "",
    columns: PIECES_COLUMNS,
    schema: LazyLock::new(|| schema(PIECES_COLUMNS)),
};

const PIECES_COLUMNS: &[Column] = &[
    required("kind", Kind::U8, "", "what it is a piece of"),
    required("table", Kind::U8, "", "the table of flows or streams that it belongs to"),
    required("order_time", Kind::I64, "ns", "by which pieces are in order, with capture and frame"),
    required("capture", Kind::U16, "", "the capture"),
    required("frame", Kind::U64, "", "the packet"),
    required("bytes", Kind::Bytes, "bytes", "what the core wrote"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn columns_have_one_name_each_and_a_meaning() {
        for table in ALL.into_iter().chain([&PIECES]) {
            let names: BTreeSet<&str> = table.columns.iter().map(|own| own.name).collect();
            assert_eq!(names.len(), table.columns.len(), "{}", table.name);
            for column in table.columns {
                assert!(!column.meaning.is_empty(), "{}.{}", table.name, column.name);
                let is_number = column.name.ends_with("_ms") || column.kind == Kind::Time;
                assert!(!is_number || !column.unit.is_empty(), "{}.{}", table.name, column.name);
            }
            assert!(table.time.is_empty() || names.contains(table.time), "{}", table.name);
        }
    }
}
