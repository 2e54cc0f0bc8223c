//! How far the handshake of a connection has come, and what ended it.

use crate::capture::FrameId;
use crate::time::{Span, Time};
use crate::transport::tls::record::APPLICATION_DATA;

/// An encrypted alert of TLS 1.3: level, description, inner type and tag (RFC 8446, section 5.2).
pub(super) const SEALED_ALERT_BYTES: usize = 2 + 1 + 16;

/// The least that an encrypted Finished takes: header, hash, inner type and the shortest tag.
const FINISHED_BYTES_MIN: u64 = 4 + 32 + 1 + 8;

/// A server that refuses what the client has sent says so within this time.
const REFUSED_WITHIN: Span = Span::from_secs(2);

/// The level of an alert that ends the connection (RFC 5246, section 7.2).
const FATAL: u8 = 2;

/// Where something was seen.
pub(in crate::transport) type Place = (FrameId, Time);

/// What one side says is wrong (RFC 5246, section 7.2; RFC 8446, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Alert {
    /// It ends the connection.
    pub is_fatal: bool,
    /// What is wrong, as a number.
    pub description: u8,
}

impl Alert {
    /// The alert in the body of a record.
    pub(in crate::transport) fn read(body: &[u8]) -> Option<Self> {
        let [level @ 1..=FATAL, description] = *body else { return None };
        Some(Self { is_fatal: level == FATAL, description })
    }

    /// Its name in the standards (RFC 8446, section 6; RFC 5246, section 7.2; IANA, TLS Alerts).
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.description {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            21 => "decryption_failed",
            22 => "record_overflow",
            30 => "decompression_failure",
            40 => "handshake_failure",
            41 => "no_certificate",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            60 => "export_restriction",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            100 => "no_renegotiation",
            109 => "missing_extension",
            110 => "unsupported_extension",
            111 => "certificate_unobtainable",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            114 => "bad_certificate_hash_value",
            115 => "unknown_psk_identity",
            116 => "certificate_required",
            120 => "no_application_protocol",
            _ => return None,
        })
    }
}

/// What has been seen of a handshake.
#[derive(Debug, Default)]
pub(super) struct Course {
    sides: [Progress; 2],
    /// The first alert that could be read: who sent it, and where.
    pub(super) alert: Option<(usize, Alert, Place)>,
    /// The side that was heard last.
    last: Option<usize>,
    /// Bytes are missing from the capture.
    pub(super) has_gaps: bool,
    /// This side answered with something else than TLS.
    pub(super) plain: Option<(usize, Place)>,
    /// Somebody has read what the other side sent after its handshake.
    pub(super) is_proven: bool,
}

/// One side of it.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    records: u64,
    /// Encrypted bytes of TLS 1.3.
    sealed_bytes: u64,
    /// The last encrypted record, and when it was seen.
    sealed_last: Option<(usize, Place)>,
    /// Records since the other side said something.
    in_a_row: u64,
    /// Records behind ChangeCipherSpec.
    changed: u64,
}

/// An alert of TLS 1.3 that cannot be read, as far as its length and place tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::transport) enum Sealed {
    /// In the place of the client's Finished.
    ByClient(Place),
    /// In answer to the client's Finished.
    ByServer(Place),
}

impl Course {
    /// Takes down a record that has been dealt with.
    pub(super) fn record(
        &mut self,
        side: usize,
        (kind, length): (u8, usize),
        changed: u64,
        at: Place,
    ) {
        let is_turn = self.last.replace(side) != Some(side);
        let Some(own) = self.sides.get_mut(side) else { return };
        own.records += 1;
        own.changed = changed;
        own.in_a_row = if is_turn { 1 } else { own.in_a_row + 1 };
        if kind == APPLICATION_DATA {
            own.sealed_bytes = own.sealed_bytes.saturating_add(length as u64);
            own.sealed_last = Some((length, at));
        }
    }

    /// Takes down an alert that could be read.
    pub(super) fn take_alert(&mut self, side: usize, alert: Alert, at: Place) {
        if self.alert.is_none_or(|(_, known, _)| !known.is_fatal && alert.is_fatal) {
            self.alert = Some((side, alert, at));
        }
    }

    /// The handshake has come to its end, as far as the lengths of records tell.
    pub(super) fn is_complete(&self, client: usize, is_1_3: bool) -> bool {
        let finished = |side: &Progress| side.changed > 0;
        let sealed =
            || self.sides.get(client).is_some_and(|own| own.sealed_bytes >= FINISHED_BYTES_MIN);
        self.is_proven || if is_1_3 { sealed() } else { self.sides.iter().all(finished) }
    }

    /// The side has sent no record, and none of its bytes are missing.
    pub(super) fn is_silent(&self, side: usize) -> bool {
        !self.has_gaps && self.sides.get(side).is_some_and(|own| own.records == 0)
    }

    /// An encrypted alert of TLS 1.3 in the place of what would have to come.
    pub(super) fn sealed_alert(&self, client: usize) -> Option<Sealed> {
        let (own, other) = (self.sides.get(client)?, self.sides.get(client ^ 1)?);
        let (length, place) = own.sealed_last?;
        if self.is_proven {
            return None;
        }
        if length == SEALED_ALERT_BYTES && own.sealed_bytes == SEALED_ALERT_BYTES as u64 {
            return Some(Sealed::ByClient(place));
        }
        let (answer, answered) = other.sealed_last?;
        let is_refusal = own.sealed_bytes >= FINISHED_BYTES_MIN
            && self.last == Some(client ^ 1)
            && other.in_a_row == 1
            && answer == SEALED_ALERT_BYTES
            && answered.1.since(place.1) <= REFUSED_WITHIN;
        is_refusal.then_some(Sealed::ByServer(answered))
    }
}
