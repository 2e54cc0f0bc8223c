//! What is wrong with a message, as facts of the protocol.
//!
//! An anomaly is a name, not a judgement: how bad it is depends on things that a parser cannot see,
//! for example whether the capture cut the message. Anomalies are sets of bits, so that a message
//! without any costs nothing.

use std::fmt;
use std::marker::PhantomData;

/// An enumeration whose variants count from zero and fit into 64 bits.
pub trait Flag: Copy + fmt::Debug + 'static {
    /// Every variant, in the order of its number.
    const ALL: &'static [Self];

    /// The number of this variant.
    fn bit(self) -> u32;
}

/// A set of anomalies.
pub struct Set<A> {
    bits: u64,
    of: PhantomData<A>,
}

/// What is wrong with a SIP message.
pub type Anomalies = Set<Anomaly>;

impl<A: Flag> Set<A> {
    /// No anomaly.
    pub const NONE: Self = Self { bits: 0, of: PhantomData };

    /// Whether there is no anomaly.
    pub fn is_empty(&self) -> bool {
        self.bits == 0
    }

    /// How many different anomalies there are.
    pub fn len(&self) -> usize {
        self.bits.count_ones() as usize
    }

    /// Whether `anomaly` is among them.
    pub fn contains(&self, anomaly: A) -> bool {
        self.bits & mask(anomaly) != 0
    }

    /// The anomalies, in the order of their enumeration.
    pub fn iter(&self) -> impl Iterator<Item = A> + use<A> {
        let bits = self.bits;
        A::ALL.iter().copied().filter(move |anomaly| bits & mask(*anomaly) != 0)
    }

    /// Adds `anomaly`.
    pub fn insert(&mut self, anomaly: A) {
        self.bits |= mask(anomaly);
    }

    /// Adds `anomaly` if `is_so`.
    pub fn insert_if(&mut self, is_so: bool, anomaly: A) {
        if is_so {
            self.insert(anomaly);
        }
    }

    /// Adds all of `other`.
    pub fn extend(&mut self, other: Self) {
        self.bits |= other.bits;
    }
}

fn mask<A: Flag>(anomaly: A) -> u64 {
    1_u64.checked_shl(anomaly.bit()).unwrap_or(0)
}

impl<A> Clone for Set<A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A> Copy for Set<A> {}

impl<A> Default for Set<A> {
    fn default() -> Self {
        Self { bits: 0, of: PhantomData }
    }
}

impl<A> PartialEq for Set<A> {
    fn eq(&self, other: &Self) -> bool {
        self.bits == other.bits
    }
}

impl<A> Eq for Set<A> {}

impl<A: Flag> fmt::Debug for Set<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<A: Flag> FromIterator<A> for Set<A> {
    fn from_iter<I: IntoIterator<Item = A>>(anomalies: I) -> Self {
        let mut set = Self::default();
        anomalies.into_iter().for_each(|anomaly| set.insert(anomaly));
        set
    }
}

/// Declares an enumeration of anomalies with its [`Flag`] implementation.
macro_rules! anomalies {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident,)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$inner])* $variant,)*
        }

        impl $name {
            /// The name as it is written here; reports may show it, and it never changes.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)*
                }
            }
        }

        impl $crate::sip::anomaly::Flag for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn bit(self) -> u32 {
                self as u32
            }
        }
    };
}
pub(crate) use anomalies;

anomalies! {
    /// One thing that is wrong with a SIP message.
    Anomaly {
        /// The first line is neither a request line nor a status line.
        StartLineInvalid,
        /// More than one space between the parts of the start line, or a space at its end
        /// (RFC 3261, section 7.1).
        StartLineSpacing,
        /// A request line without a SIP version.
        MissingVersion,
        /// A version other than `SIP/2.0`.
        UnsupportedVersion,
        /// A status code that is not three digits from 100 to 699.
        StatusOutOfRange,
        /// A Request-URI with white space, in angle brackets or otherwise invalid.
        RequestUriInvalid,
        /// A Request-URI with header fields (RFC 3261, section 19.1.1).
        RequestUriWithHeaders,
        /// Empty lines before the start line.
        LeadingLineEnds,
        /// A line that ends in LF without CR.
        BareLineFeed,
        /// A CR without LF.
        BareCarriageReturn,
        /// A header that goes on in the next line; allowed, but often not understood
        /// (RFC 3261, section 7.3.1).
        FoldedHeader,
        /// A line in the header section that is no header.
        LineWithoutColon,
        /// White space between the name of a header and the colon; allowed.
        SpaceBeforeColon,
        /// No empty line ends the header section.
        HeadersUnfinished,
        /// More headers than are looked at.
        TooManyHeaders,
        /// A NUL byte in the header section.
        NulByte,
        /// Header section that is not UTF-8.
        InvalidUtf8,
        /// A quotation mark without its partner.
        UnterminatedQuote,
        /// No `Via`.
        MissingVia,
        /// No `From`.
        MissingFrom,
        /// No `To`.
        MissingTo,
        /// No `Call-ID`.
        MissingCallId,
        /// No `CSeq`.
        MissingCSeq,
        /// A request without `Max-Forwards` (RFC 3261, section 8.1.1.6).
        MissingMaxForwards,
        /// An INVITE or the 2xx to it without `Contact`, or a SUBSCRIBE, NOTIFY or REFER without.
        MissingContact,
        /// A body without `Content-Type`.
        MissingContentType,
        /// No tag in `From`.
        MissingFromTag,
        /// No tag in the `To` of a response other than 100 (RFC 3261, section 8.2.6.2).
        MissingToTag,
        /// A header twice that may stand once only.
        DuplicateSingleton,
        /// `Content-Length` counts more than is there.
        ContentLengthTooLarge,
        /// `Content-Length` counts less than is there.
        ContentLengthTooSmall,
        /// `Content-Length` is not a number.
        ContentLengthInvalid,
        /// No `Content-Length`.
        ContentLengthMissing,
        /// `CSeq` is not a number and a method.
        CSeqInvalid,
        /// The number in `CSeq` is 2^31 or more (RFC 3261, section 8.1.1.5).
        CSeqOutOfRange,
        /// The method in `CSeq` is not that of the request.
        CSeqMethodMismatch,
        /// `Max-Forwards` is not a number from 0 to 255.
        MaxForwardsInvalid,
        /// `Expires`, `Min-Expires`, `Min-SE`, `Session-Expires` or `Retry-After` does not begin
        /// with a number below 2^32.
        SecondsInvalid,
        /// A `Date` that is not in GMT (RFC 3261, section 20.17).
        DateInvalid,
        /// A `Via` without protocol, transport or host, or with empty parameters or values.
        ViaInvalid,
        /// The top `Via` has no branch, or one that does not begin with `z9hG4bK`
        /// (RFC 3261, section 8.1.1.7).
        BranchWithoutCookie,
        /// The branch of the top `Via` is nothing but the cookie.
        BranchEmpty,
        /// A URI in `From`, `To`, `Contact`, `Route` or `Record-Route` that is invalid.
        InvalidUri,
        /// A display name that needs quotation marks and has none (RFC 3261, section 25.1).
        DisplayNameUnquoted,
        /// A URI with `?`, `,` or `;` headers that needs angle brackets and has none
        /// (RFC 3261, section 20.10).
        UriNeedsBrackets,
        /// Header parameters that are empty, as in `;;`.
        EmptyParameter,
        /// A `Warning` that is not three digits, an agent and a quoted text.
        WarningInvalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_inserted() {
        let mut set = Anomalies::default();
        assert!(set.is_empty());
        set.insert(Anomaly::NulByte);
        set.insert_if(false, Anomaly::InvalidUtf8);
        assert!(set.contains(Anomaly::NulByte) && !set.contains(Anomaly::InvalidUtf8));
        assert_eq!(set.iter().collect::<Vec<_>>(), [Anomaly::NulByte]);
    }

    #[test]
    fn fits_into_its_bits() {
        assert_eq!(Anomaly::NulByte.name(), "NulByte");
        assert!(Anomaly::ALL.len() <= 64);
    }
}
