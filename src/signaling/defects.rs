//! What a server may hold against a message, who put it there, and what came of it.
//!
//! The anomalies of the parser in the few words that a reader of a report needs. Looking through
//! all values of a message costs as much as parsing it, so that is for messages that were refused.

use crate::sdp;
use crate::signaling::call::Call;
use crate::signaling::message::Message;
use crate::signaling::transaction::Transaction;
use crate::sip::{self, Anomalies, Anomaly, Flag, Status};

/// A larger request goes over a reliable transport (RFC 3261, section 18.1.1).
const UDP_BYTES_MAX: usize = 1300;

/// What fits into a packet of 1280 bytes, which every link takes (RFC 8200, section 5), is cut into
/// fragments for other reasons than its size: a tunnel, a test.
const UDP_BYTES_SURE: usize = 1232;

/// Kinds of faulty messages that are told apart in one call.
const BATCHES_MAX: usize = 16;

/// A kind of fault in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Defect {
    /// The request or status line.
    StartLine,
    /// A SIP version other than 2.0, or none.
    Version,
    /// The Request-URI.
    RequestUri,
    /// CR or LF alone.
    LineEnds,
    /// A header that goes on in the next line.
    Folded,
    /// A line that is no header.
    HeaderLine,
    /// A NUL byte.
    Nul,
    /// Bytes that are no UTF-8.
    Utf8,
    /// A quotation mark without its partner.
    Quote,
    /// A header field that must be there.
    MissingHeader,
    /// A header field twice.
    Duplicate,
    /// `Content-Length`.
    ContentLength,
    /// A body without `Content-Type`.
    ContentType,
    /// `CSeq`.
    CSeq,
    /// `Max-Forwards`.
    MaxForwards,
    /// `Expires` and the like.
    Seconds,
    /// `Via`.
    Via,
    /// The branch is none of RFC 3261.
    Branch,
    /// No tag in `From`.
    FromTag,
    /// No tag in `To`.
    NoToTag,
    /// A tag in the `To` of a request that belongs to no dialog.
    ToTag,
    /// A URI in a header field.
    Uri,
    /// A display name without the quotation marks that it needs.
    DisplayName,
    /// Empty parameters.
    Parameter,
    /// The session description.
    Sdp,
}

/// Several kinds of faults.
pub type Defects = sip::AnomalySet<Defect>;

impl Flag for Defect {
    const ALL: &'static [Self] = &[
        Self::StartLine,
        Self::Version,
        Self::RequestUri,
        Self::LineEnds,
        Self::Folded,
        Self::HeaderLine,
        Self::Nul,
        Self::Utf8,
        Self::Quote,
        Self::MissingHeader,
        Self::Duplicate,
        Self::ContentLength,
        Self::ContentType,
        Self::CSeq,
        Self::MaxForwards,
        Self::Seconds,
        Self::Via,
        Self::Branch,
        Self::FromTag,
        Self::NoToTag,
        Self::ToTag,
        Self::Uri,
        Self::DisplayName,
        Self::Parameter,
        Self::Sdp,
    ];

    fn bit(self) -> u32 {
        self as u32
    }
}

impl Defect {
    /// The word of the evidence.
    pub const fn word(self) -> &'static str {
        match self {
            Self::StartLine => "wrong-start-line",
            Self::Version => "wrong-version",
            Self::RequestUri => "wrong-request-uri",
            Self::LineEnds => "wrong-line-ends",
            Self::Folded => "folded-header",
            Self::HeaderLine => "line-without-colon",
            Self::Nul => "nul-byte",
            Self::Utf8 => "no-utf8",
            Self::Quote => "open-quote",
            Self::MissingHeader => "missing-header",
            Self::Duplicate => "duplicate-header",
            Self::ContentLength => "wrong-content-length",
            Self::ContentType => "no-content-type",
            Self::CSeq => "wrong-cseq",
            Self::MaxForwards => "wrong-max-forwards",
            Self::Seconds => "wrong-seconds",
            Self::Via => "wrong-via",
            Self::Branch => "branch-without-cookie",
            Self::FromTag => "no-from-tag",
            Self::NoToTag => "no-to-tag",
            Self::ToTag => "to-tag-too-early",
            Self::Uri => "wrong-uri",
            Self::DisplayName => "unquoted-name",
            Self::Parameter => "empty-parameter",
            Self::Sdp => "wrong-sdp",
        }
    }

    /// Most servers take a message all the same, or ought to.
    pub const fn is_tolerable(self) -> bool {
        matches!(
            self,
            Self::Folded | Self::Branch | Self::Parameter | Self::Utf8 | Self::DisplayName
        )
    }

    /// The kind that the anomaly belongs to; none for what is allowed or beside the point.
    const fn of(anomaly: Anomaly) -> Option<Self> {
        use Anomaly as A;
        Some(match anomaly {
            A::StartLineInvalid | A::StartLineSpacing | A::StatusOutOfRange => Self::StartLine,
            A::MissingVersion | A::UnsupportedVersion => Self::Version,
            A::RequestUriInvalid | A::RequestUriWithHeaders => Self::RequestUri,
            A::BareLineFeed | A::BareCarriageReturn => Self::LineEnds,
            A::FoldedHeader => Self::Folded,
            A::LineWithoutColon => Self::HeaderLine,
            A::NulByte => Self::Nul,
            A::InvalidUtf8 => Self::Utf8,
            A::UnterminatedQuote => Self::Quote,
            A::MissingVia
            | A::MissingFrom
            | A::MissingTo
            | A::MissingCallId
            | A::MissingCSeq
            | A::MissingMaxForwards
            | A::MissingContact => Self::MissingHeader,
            A::DuplicateSingleton => Self::Duplicate,
            A::ContentLengthTooLarge | A::ContentLengthTooSmall | A::ContentLengthInvalid => {
                Self::ContentLength
            }
            A::MissingContentType => Self::ContentType,
            A::CSeqInvalid | A::CSeqOutOfRange | A::CSeqMethodMismatch => Self::CSeq,
            A::MaxForwardsInvalid => Self::MaxForwards,
            A::SecondsInvalid => Self::Seconds,
            A::ViaInvalid => Self::Via,
            A::BranchWithoutCookie | A::BranchEmpty => Self::Branch,
            A::MissingFromTag => Self::FromTag,
            A::MissingToTag => Self::NoToTag,
            A::InvalidUri | A::UriNeedsBrackets => Self::Uri,
            A::DisplayNameUnquoted => Self::DisplayName,
            A::EmptyParameter => Self::Parameter,
            A::ContentLengthMissing
            | A::LeadingLineEnds
            | A::SpaceBeforeColon
            | A::HeadersUnfinished
            | A::TooManyHeaders
            | A::DateInvalid
            | A::WarningInvalid => return None,
        })
    }

    /// The kinds that the anomalies belong to.
    pub fn all_of(anomalies: Anomalies) -> Defects {
        anomalies.iter().filter_map(Self::of).collect()
    }
}

/// Messages of one call with the same fault: sent again, or passed on from hop to hop.
#[derive(Debug)]
pub struct Batch<'c, F> {
    /// What is wrong with them.
    pub fault: F,
    /// The messages, the first one that was seen first.
    pub messages: Vec<&'c Message<'c>>,
}

impl<'c, F: PartialEq> Batch<'c, F> {
    /// Who sent the fault first and what; the others passed it on (guard G9).
    pub fn first(&self) -> Option<&'c Message<'c>> {
        self.messages.first().copied()
    }

    /// How many the first sender sent.
    pub fn own(&self) -> usize {
        let first = self.first().map(|first| first.source.address);
        self.messages.iter().filter(|message| Some(message.source.address) == first).count()
    }

    fn holds(&self, message: &Message<'c>, fault: &F) -> bool {
        let key = |message: &Message<'c>| {
            (message.is_request(), message.method(), message.status(), message.cseq())
        };
        self.fault == *fault
            && self.first().is_some_and(|first| {
                let is_kind = (first.is_request(), first.method())
                    == (message.is_request(), message.method());
                is_kind && first.source.address == message.source.address
                    || key(first) == key(message) && first.from_tag() == message.from_tag()
            })
    }
}

impl<'c> Message<'c> {
    /// A request over UDP of more bytes than fit into one packet on most ways, or that came in
    /// several for want of room (RFC 3261, section 18.1.1).
    pub fn is_oversized(&self) -> bool {
        let bytes = self.bytes().len();
        let is_large = bytes > UDP_BYTES_MAX || self.is_fragmented && bytes > UDP_BYTES_SURE;
        is_large && self.is_request() && !self.transport.is_reliable()
    }

    /// Everything that is wrong with the message; nothing of one that the capture cut (guard G5).
    pub fn defects(&self) -> Defects {
        let is_partial = self.is_cut || self.anomalies.contains(Anomaly::HeadersUnfinished);
        if is_partial {
            return Defects::NONE;
        }
        let (parsed, anomalies) = sip::Message::parse(self.bytes());
        let mut defects = Defect::all_of(anomalies);
        let lacks_length =
            self.transport.is_reliable() && anomalies.contains(Anomaly::ContentLengthMissing);
        defects.insert_if(lacks_length, Defect::ContentLength);
        defects.insert_if(parsed.sdp().is_some_and(is_wrong_sdp), Defect::Sdp);
        defects
    }
}

/// The description lacks what every description has, or its media cannot be read.
fn is_wrong_sdp(sdp: &[u8]) -> bool {
    use sdp::Anomaly as A;
    sdp::Session::parse(sdp).1.iter().any(|anomaly| match anomaly {
        A::VersionInvalid
        | A::MissingOrigin
        | A::OriginInvalid
        | A::MissingName
        | A::MissingTiming
        | A::MissingConnection
        | A::ConnectionInvalid
        | A::MediaInvalid
        | A::LineInvalid => true,
        A::TooManyMedia | A::TooManyFormats | A::BareLineFeed | A::Unfinished => false,
    })
}

/// What became of a message with a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// It explains how the transaction ended: refused as a bad request, or never answered.
    Outcome,
    /// The other side took it, or answered for reasons of its own.
    None,
    /// The capture does not tell.
    Unknown,
}

impl<'c> Call<'c> {
    /// The messages with a fault, by what is wrong and who sent it first; a bounded number.
    pub fn batches<F: PartialEq>(
        &self,
        fault_in: impl Fn(&Message<'c>) -> Option<F>,
    ) -> Vec<Batch<'c, F>> {
        let mut batches: Vec<Batch<'c, F>> = Vec::new();
        for message in self.messages {
            let Some(fault) = fault_in(message) else { continue };
            let is_full = batches.len() >= BATCHES_MAX;
            match batches.iter_mut().find(|batch| batch.holds(message, &fault)) {
                Some(batch) => batch.messages.push(message),
                None if is_full => {}
                None => batches.push(Batch { fault, messages: vec![message] }),
            }
        }
        batches
    }

    /// The transaction that the message belongs to.
    pub fn hop_of(&self, message: &Message<'c>) -> Option<&Transaction<'c>> {
        let is_it = |other: &Message<'c>| std::ptr::eq(other, message);
        self.transactions.iter().find(|hop| hop.messages().any(is_it))
    }

    /// A failure on this hop was made good in a later try (guard G7).
    pub fn is_made_good(&self, hop: &Transaction<'c>) -> bool {
        let attempt = self.attempts.iter().find(|attempt| attempt.hops.contains(&hop.index));
        match attempt {
            Some(attempt) => attempt.is_answered() || attempt.is_resolved(self),
            None => self.got_through(hop),
        }
    }

    /// What became of the faulty message on this hop.
    pub fn harm_of(&self, hop: &Transaction<'c>, message: &Message<'c>) -> Harm {
        if self.is_made_good(hop) {
            return Harm::None;
        }
        if message.is_response() {
            return match hop.acks.is_empty() && hop.finals.is_empty() {
                true => Harm::Unknown,
                false => Harm::None,
            };
        }
        match hop.final_status().map(Status::code) {
            Some(400) => Harm::Outcome,
            Some(_) => Harm::None,
            None if hop.has_response() || self.implies_response(hop) => Harm::None,
            None => {
                let wait = self.patience_of(hop.client);
                match hop.started().is_some_and(|started| self.is_observed(started, wait)) {
                    true => Harm::Outcome,
                    false => Harm::Unknown,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_defect_has_a_word_and_a_bit_of_its_own() {
        let mut words: Vec<_> = Defect::ALL.iter().map(|defect| defect.word()).collect();
        assert!(Defect::ALL.iter().zip(0..).all(|(defect, bit)| defect.bit() == bit));
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Defect::ALL.len());
    }

    #[test]
    fn what_is_allowed_is_no_defect() {
        let allowed = [Anomaly::ContentLengthMissing, Anomaly::LeadingLineEnds];
        assert!(Defect::all_of(allowed.into_iter().collect()).is_empty());
        let wrong: Anomalies = [Anomaly::CSeqInvalid, Anomaly::MissingTo].into_iter().collect();
        let words: Vec<_> = Defect::all_of(wrong).iter().map(Defect::word).collect();
        assert_eq!(words, ["missing-header", "wrong-cseq"]);
    }
}
