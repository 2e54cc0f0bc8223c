//! Rows of the tables from what the core gives, and back.
//!
//! Knows nothing of files.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Int64Array, ListBuilder,
    PrimitiveArray, RecordBatch, StringArray, StringBuilder, TimestampNanosecondArray, UInt8Array,
    UInt16Array, UInt32Array, UInt64Array, UInt64Builder,
};
use datafusion::arrow::datatypes::{
    ArrowPrimitiveType, DataType, Field, Int64Type, TimestampNanosecondType, UInt8Type, UInt16Type,
    UInt64Type,
};
use datafusion::arrow::error::ArrowError;
use siptrace::CallSummary;
use siptrace::analysis::{StreamSummary, TransactionSummary};
use siptrace::capture::FrameId;
use siptrace::catalogue::{self, Lang};
use siptrace::finding::Finding;
use siptrace::packet::Endpoint;
use siptrace::pipeline::parts::{MessageRow, Piece, PieceKind};
use siptrace::signaling::Side;
use siptrace::sip::Status;
use siptrace::time::{Span, Time};
use siptrace::transport::{Delivery, Transport};

use crate::tables::{CALLS, FINDINGS, MESSAGES, PIECES, STREAMS, TRANSACTIONS, Table, UTC};

/// A batch of rows, put together column by column, in the order of the table.
struct Batch {
    table: &'static Table,
    columns: Vec<ArrayRef>,
}

impl Batch {
    fn of(table: &'static Table) -> Self {
        Self { table, columns: Vec::with_capacity(table.columns.len()) }
    }

    fn add(mut self, column: impl Array + 'static) -> Self {
        self.columns.push(Arc::new(column));
        self
    }

    fn times(self, times: impl Iterator<Item = Option<Time>>) -> Self {
        let times: TimestampNanosecondArray = times.map(|own| own.map(Time::nanos)).collect();
        self.add(times.with_timezone(UTC))
    }

    fn text<'t>(self, texts: impl Iterator<Item = &'t str>) -> Self {
        self.add(StringArray::from_iter_values(texts))
    }

    fn texts<T: AsRef<str>>(self, texts: impl Iterator<Item = Option<T>>) -> Self {
        self.add(texts.collect::<StringArray>())
    }

    fn u8s(self, numbers: impl Iterator<Item = Option<u8>>) -> Self {
        self.add(numbers.collect::<UInt8Array>())
    }

    fn u16s(self, numbers: impl Iterator<Item = Option<u16>>) -> Self {
        self.add(numbers.collect::<UInt16Array>())
    }

    fn u32s(self, numbers: impl Iterator<Item = Option<u32>>) -> Self {
        self.add(numbers.collect::<UInt32Array>())
    }

    fn u64s(self, numbers: impl Iterator<Item = Option<u64>>) -> Self {
        self.add(numbers.collect::<UInt64Array>())
    }

    fn count(self, numbers: impl Iterator<Item = u64>) -> Self {
        self.add(UInt64Array::from_iter_values(numbers))
    }

    fn f64s(self, numbers: impl Iterator<Item = Option<f64>>) -> Self {
        self.add(numbers.collect::<Float64Array>())
    }

    fn millis(self, spans: impl Iterator<Item = Option<Span>>) -> Self {
        self.f64s(spans.map(|span| span.map(Span::millis)))
    }

    fn flags(self, flags: impl Iterator<Item = bool>) -> Self {
        self.add(flags.map(Some).collect::<BooleanArray>())
    }

    fn bytes<'b>(self, bytes: impl Iterator<Item = &'b [u8]>) -> Self {
        self.add(BinaryArray::from_iter_values(bytes))
    }

    /// Address and port of one side.
    fn endpoints(self, sides: impl Iterator<Item = Endpoint> + Clone) -> Self {
        let addresses = sides.clone().map(|own| Some(own.address.to_string()));
        self.texts(addresses).u16s(sides.map(|own| Some(own.port)))
    }

    /// Capture and number of a frame.
    fn frames(self, frames: impl Iterator<Item = Option<FrameId>> + Clone) -> Self {
        let captures = frames.clone().map(|own| own.map(|frame| frame.capture));
        self.u16s(captures).u64s(frames.map(|own| own.map(|frame| frame.number)))
    }

    fn lists_of_numbers(self, lists: impl Iterator<Item = Vec<u64>>) -> Self {
        let field = Field::new_list_field(DataType::UInt64, false);
        let mut builder = ListBuilder::new(UInt64Builder::new()).with_field(field);
        for list in lists {
            builder.values().append_slice(&list);
            builder.append(true);
        }
        self.add(builder.finish())
    }

    fn lists_of_texts<'t, L: Iterator<Item = &'t str>>(
        self,
        lists: impl Iterator<Item = L>,
    ) -> Self {
        let field = Field::new_list_field(DataType::Utf8, false);
        let mut builder = ListBuilder::new(StringBuilder::new()).with_field(field);
        for list in lists {
            list.for_each(|text| builder.values().append_value(text));
            builder.append(true);
        }
        self.add(builder.finish())
    }

    fn finish(self) -> Result<RecordBatch, ArrowError> {
        RecordBatch::try_new(self.table.schema(), self.columns)
    }
}

/// Messages as rows.
///
/// # Errors
///
/// Never, as long as this and the table agree.
pub(crate) fn messages(rows: &[MessageRow]) -> Result<RecordBatch, ArrowError> {
    let gists: Vec<_> = rows.iter().map(MessageRow::gist).collect();
    let gists = || gists.iter();
    let orders = rows.iter().map(|own| Some(own.order));
    let rows = || rows.iter().map(|own| &own.delivery);
    Batch::of(&MESSAGES)
        .times(rows().map(|own| Some(own.time)))
        .times(orders)
        .frames(rows().map(|own| Some(own.frame)))
        .endpoints(rows().map(|own| own.source))
        .endpoints(rows().map(|own| own.destination))
        .text(rows().map(|own| own.transport.name()))
        .text(gists().map(|own| own.call_id.as_str()))
        .texts(gists().map(|own| own.method.as_deref()))
        .u16s(gists().map(|own| own.status))
        .texts(gists().map(|own| own.reason.as_deref()))
        .texts(gists().map(|own| own.request_uri.as_deref()))
        .u32s(gists().map(|own| own.cseq))
        .texts(gists().map(|own| own.cseq_method.as_deref()))
        .texts(gists().map(|own| own.from_uri.as_deref()))
        .texts(gists().map(|own| own.to_uri.as_deref()))
        .texts(gists().map(|own| own.user_agent.as_deref()))
        .u16s(rows().map(|own| Some(own.ip_id)))
        .flags(rows().map(|own| own.is_cut))
        .flags(rows().map(|own| own.is_fragmented))
        .bytes(rows().map(|own| &*own.bytes))
        .finish()
}

/// The columns that [`read_messages`] needs.
pub(crate) const MESSAGE_COLUMNS: [&str; 14] = [
    "time",
    "order_time",
    "capture",
    "frame",
    "source",
    "source_port",
    "destination",
    "destination_port",
    "transport",
    "call_id",
    "ip_id",
    "is_cut",
    "is_fragmented",
    "payload",
];

/// The messages of a batch that has [`MESSAGE_COLUMNS`], whatever else it has.
///
/// # Errors
///
/// When a column is missing or has another type.
pub(crate) fn read_messages(batch: &RecordBatch) -> Result<Vec<MessageRow>, ArrowError> {
    let time = numbers::<TimestampNanosecondType>(batch, "time")?;
    let order = numbers::<TimestampNanosecondType>(batch, "order_time")?;
    let capture = numbers::<UInt16Type>(batch, "capture")?;
    let frame = numbers::<UInt64Type>(batch, "frame")?;
    let source = endpoints(batch, "source", "source_port")?;
    let destination = endpoints(batch, "destination", "destination_port")?;
    let transport = text(batch, "transport")?;
    let ip_id = numbers::<UInt16Type>(batch, "ip_id")?;
    let is_cut = flag(batch, "is_cut")?;
    let is_fragmented = flag(batch, "is_fragmented")?;
    let payload = bytes(batch, "payload")?;
    let row = |at: usize| -> Result<MessageRow, ArrowError> {
        let delivery = Delivery {
            frame: FrameId { capture: capture.value(at), number: frame.value(at) },
            time: Time::from_nanos(time.value(at)),
            source: source(at)?,
            destination: destination(at)?,
            transport: transport_of(transport.value(at))?,
            ip_id: ip_id.value(at),
            is_cut: is_cut.value(at),
            is_fragmented: is_fragmented.value(at),
            bytes: Cow::Owned(payload.value(at).to_vec()),
            place: None,
        };
        Ok(MessageRow { order: Time::from_nanos(order.value(at)), delivery })
    };
    (0..batch.num_rows()).map(row).collect()
}

fn transport_of(name: &str) -> Result<Transport, ArrowError> {
    let mut all = Transport::ALL.into_iter();
    all.find(|own| own.name() == name).ok_or_else(|| wrong("transport"))
}

/// Pieces as rows.
///
/// # Errors
///
/// Never, as long as this and the table agree.
pub(crate) fn pieces(rows: &[Piece]) -> Result<RecordBatch, ArrowError> {
    Batch::of(&PIECES)
        .u8s(rows.iter().map(|own| Some(own.kind as u8)))
        .u8s(rows.iter().map(|own| Some(own.table)))
        .add(Int64Array::from_iter_values(rows.iter().map(|own| own.order.nanos())))
        .frames(rows.iter().map(|own| Some(own.frame)))
        .bytes(rows.iter().map(|own| own.bytes.as_slice()))
        .finish()
}

/// The pieces of a batch.
///
/// # Errors
///
/// When a column is missing or has another type.
pub(crate) fn read_pieces(batch: &RecordBatch) -> Result<Vec<Piece>, ArrowError> {
    let kind = numbers::<UInt8Type>(batch, "kind")?;
    let table = numbers::<UInt8Type>(batch, "table")?;
    let order = numbers::<Int64Type>(batch, "order_time")?;
    let capture = numbers::<UInt16Type>(batch, "capture")?;
    let frame = numbers::<UInt64Type>(batch, "frame")?;
    let bytes = bytes(batch, "bytes")?;
    let row = |at: usize| -> Result<Piece, ArrowError> {
        Ok(Piece {
            kind: kind_of(kind.value(at))?,
            table: table.value(at),
            order: Time::from_nanos(order.value(at)),
            frame: FrameId { capture: capture.value(at), number: frame.value(at) },
            bytes: bytes.value(at).to_vec(),
        })
    };
    (0..batch.num_rows()).map(row).collect()
}

/// The kind with that number.
pub(crate) fn kind_of(number: u8) -> Result<PieceKind, ArrowError> {
    let mut all = [PieceKind::Fragment, PieceKind::Flow, PieceKind::Media].into_iter();
    all.find(|own| *own as u8 == number).ok_or_else(|| wrong("kind"))
}

/// Calls as rows.
///
/// # Errors
///
/// Never, as long as this and the table agree.
pub(crate) fn calls(rows: &[&CallSummary]) -> Result<RecordBatch, ArrowError> {
    let rows = || rows.iter();
    Batch::of(&CALLS)
        .text(rows().map(|own| own.call_id.as_str()))
        .text(rows().map(|own| own.kind.name()))
        .text(rows().map(|own| own.fate()))
        .text(rows().map(|own| own.state.name()))
        .texts(rows().map(|own| own.from_uri.as_deref()))
        .texts(rows().map(|own| own.to_uri.as_deref()))
        .times(rows().map(|own| Some(own.start)))
        .times(rows().map(|own| Some(own.end)))
        .frames(rows().map(|own| Some(own.first_frame)))
        .frames(rows().map(|own| Some(own.last_frame)))
        .u16s(rows().map(|own| own.final_status.map(Status::code)))
        .millis(rows().map(|own| own.pdd))
        .millis(rows().map(|own| own.ring))
        .millis(rows().map(|own| own.talk))
        .count(rows().map(|own| own.messages))
        .count(rows().map(|own| own.dialogs))
        .count(rows().map(|own| own.transactions.len() as u64))
        .count(rows().map(|own| own.streams.len() as u64))
        .lists_of_texts(rows().map(|own| own.linked.iter().map(|link| link.call_id.as_str())))
        .finish()
}

/// Transactions as rows, each with its call.
///
/// # Errors
///
/// Never, as long as this and the table agree.
pub(crate) fn transactions(
    rows: &[(&CallSummary, &TransactionSummary)],
) -> Result<RecordBatch, ArrowError> {
    let own = || rows.iter().map(|(_, own)| *own);
    let last = || own().map(|own| own.final_response.as_ref());
    Batch::of(&TRANSACTIONS)
        .text(rows.iter().map(|(call, _)| call.call_id.as_str()))
        .times(rows.iter().map(|(call, own)| Some(own.request_time.unwrap_or(call.start))))
        .text(own().map(|own| own.method.as_str()))
        .u32s(own().map(|own| Some(own.cseq)))
        .text(own().map(|own| own.branch.as_str()))
        .endpoints(own().map(|own| own.client))
        .endpoints(own().map(|own| own.server))
        .text(own().map(|own| own.transport.name()))
        .frames(own().map(|own| own.request_frame))
        .count(own().map(|own| own.retransmissions))
        .count(own().map(|own| own.provisional.len() as u64))
        .u16s(last().map(|last| last.map(|last| last.status.code())))
        .texts(last().map(|last| last.map(|last| last.reason.as_str())))
        .millis(last().map(|last| last.and_then(|last| last.after)))
        .text(own().map(|own| own.outcome))
        .finish()
}

/// Streams as rows, each with the Call-ID of its call.
///
/// # Errors
///
/// Never, as long as this and the table agree.
pub(crate) fn streams(rows: &[(Option<&str>, &StreamSummary)]) -> Result<RecordBatch, ArrowError> {
    let own = || rows.iter().map(|(_, own)| *own);
    let sender = |side: Side| match side {
        Side::Caller => "caller",
        Side::Callee => "callee",
    };
    Batch::of(&STREAMS)
        .texts(rows.iter().map(|(call_id, _)| *call_id))
        .texts(own().map(|own| own.sender.map(sender)))
        .times(own().map(|own| Some(own.first.time)))
        .times(own().map(|own| Some(own.last.time)))
        .frames(own().map(|own| Some(own.first.frame)))
        .endpoints(own().map(|own| own.source))
        .endpoints(own().map(|own| own.destination))
        .u32s(own().map(|own| Some(own.ssrc)))
        .texts(own().map(|own| own.codec.as_deref()))
        .u8s(own().map(|own| own.payload_type))
        .flags(own().map(|own| own.is_encrypted))
        .u32s(own().map(|own| own.clock))
        .count(own().map(|own| own.packets))
        .count(own().map(|own| own.octets))
        .count(own().map(|own| own.expected))
        .count(own().map(|own| own.lost))
        .f64s(own().map(|own| Some(own.lost_percent)))
        .count(own().map(|own| own.duplicates))
        .count(own().map(|own| own.reordered))
        .count(own().map(|own| own.restarts))
        .millis(own().map(|own| own.jitter))
        .millis(own().map(|own| own.jitter_max))
        .millis(own().map(|own| own.gap_max))
        .millis(own().map(|own| own.packet_time))
        .f64s(own().map(|own| own.skew_ppm))
        .f64s(own().map(|own| own.estimate.map(|estimate| estimate.mos)))
        .finish()
}

/// Findings as rows.
///
/// # Errors
///
/// Never, as long as this and the table agree.
pub(crate) fn findings(rows: &[&Finding]) -> Result<RecordBatch, ArrowError> {
    let titles = rows.iter().map(|own| catalogue::rule(own.rule, Lang::En).entry.title);
    let titles: Vec<String> = titles.map(|title| title.to_string()).collect();
    let rows = || rows.iter();
    let evidence = |own: &&Finding| {
        let pairs = own.evidence.iter();
        let value = |value| serde_json::to_value(value).unwrap_or_default();
        let object: serde_json::Map<_, _> =
            pairs.map(|(name, own)| ((*name).to_owned(), value(own))).collect();
        Some(serde_json::Value::Object(object).to_string())
    };
    Batch::of(&FINDINGS)
        .text(rows().map(|own| own.rule.code))
        .text(rows().map(|own| own.rule.name))
        .text(rows().map(|own| own.severity.name()))
        .text(rows().map(|own| own.confidence.name()))
        .text(titles.iter().map(String::as_str))
        .texts(rows().map(|own| own.call_id.as_deref()))
        .texts(rows().map(|own| own.call_fate))
        .times(rows().map(|own| own.time))
        .u16s(rows().map(|own| own.frames.first().map(|frame| frame.capture)))
        .lists_of_numbers(rows().map(|own| own.frames.iter().map(|own| own.number).collect()))
        .lists_of_numbers(rows().map(|own| captures(&own.frames)))
        .texts(rows().map(|own| own.client.map(|own| own.to_string())))
        .texts(rows().map(|own| own.server.map(|own| own.to_string())))
        .texts(rows().map(evidence))
        .count(rows().map(|own| own.propagated.len() as u64))
        .count(rows().map(|own| own.related.len() as u64))
        .finish()
}

fn captures(frames: &[FrameId]) -> Vec<u64> {
    frames.iter().map(|own| own.capture.into()).collect()
}

fn wrong(name: &str) -> ArrowError {
    ArrowError::SchemaError(format!("the column {name:?} is not as it was written"))
}

fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b ArrayRef, ArrowError> {
    batch.column_by_name(name).ok_or_else(|| wrong(name))
}

fn numbers<'b, T: ArrowPrimitiveType>(
    batch: &'b RecordBatch,
    name: &str,
) -> Result<&'b PrimitiveArray<T>, ArrowError> {
    column(batch, name)?.as_primitive_opt().ok_or_else(|| wrong(name))
}

pub(crate) fn text<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b StringArray, ArrowError> {
    column(batch, name)?.as_string_opt().ok_or_else(|| wrong(name))
}

fn flag<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b BooleanArray, ArrowError> {
    column(batch, name)?.as_boolean_opt().ok_or_else(|| wrong(name))
}

fn bytes<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b BinaryArray, ArrowError> {
    column(batch, name)?.as_binary_opt().ok_or_else(|| wrong(name))
}

fn endpoints<'b>(
    batch: &'b RecordBatch,
    address: &'static str,
    port: &'static str,
) -> Result<impl Fn(usize) -> Result<Endpoint, ArrowError> + use<'b>, ArrowError> {
    let (addresses, ports) = (text(batch, address)?, numbers::<UInt16Type>(batch, port)?);
    Ok(move |at| {
        let parsed: Result<IpAddr, _> = addresses.value(at).parse();
        let address = parsed.map_err(|_| wrong(address))?;
        Ok(Endpoint { address, port: ports.value(at) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(number: u64) -> Piece {
        Piece {
            kind: PieceKind::Media,
            table: 7,
            order: Time::from_nanos(-1),
            frame: FrameId { capture: u16::MAX, number },
            bytes: vec![0, 255, number as u8],
        }
    }

    #[test]
    fn pieces_come_back_as_they_were() {
        let rows = [piece(1), piece(u64::MAX)];
        let batch = pieces(&rows).expect("a batch");
        let read = read_pieces(&batch).expect("pieces");
        assert_eq!(format!("{read:?}"), format!("{rows:?}"));
        assert!(read_messages(&batch).is_err());
    }

    #[test]
    fn all_tables_agree_with_their_rows() {
        let none = [
            messages(&[]).expect("messages"),
            calls(&[]).expect("calls"),
            transactions(&[]).expect("transactions"),
            streams(&[]).expect("streams"),
            findings(&[]).expect("findings"),
        ];
        assert!(none.iter().all(|batch| batch.num_rows() == 0));
    }

    #[test]
    fn findings_have_their_frames_and_their_evidence() {
        let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/captures/busy-486.pcap");
        let analysis = siptrace::analyze([capture], &siptrace::Options::default()).expect("read");
        let rows: Vec<&Finding> = analysis.findings.iter().collect();
        let batch = findings(&rows).expect("a batch");
        assert_eq!(batch.num_rows(), analysis.findings.len());
        let codes = text(&batch, "code").expect("codes");
        assert!(rows.iter().zip(codes).all(|(row, code)| code == Some(row.rule.code)));
        let all: Vec<&CallSummary> = analysis.calls.iter().collect();
        assert_eq!(calls(&all).expect("calls").num_rows(), 1);
        let hops = analysis.calls[0].transactions.iter();
        let hops: Vec<_> = hops.map(|own| (&analysis.calls[0], own)).collect();
        assert_eq!(transactions(&hops).expect("transactions").num_rows(), hops.len());
    }
}
