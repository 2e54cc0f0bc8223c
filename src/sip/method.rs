//! Request methods.

use std::borrow::Cow;
use std::fmt;

/// A request method; case matters, `invite` is another method (RFC 3261, section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Method<'a> {
    /// RFC 3261, section 13.
    Invite,
    /// RFC 3261, section 17.1.1.3.
    Ack,
    /// RFC 3261, section 15.
    Bye,
    /// RFC 3261, section 9.
    Cancel,
    /// RFC 3261, section 10.
    Register,
    /// RFC 3261, section 11.
    Options,
    /// RFC 6086.
    Info,
    /// RFC 3262.
    Prack,
    /// RFC 6665.
    Subscribe,
    /// RFC 6665.
    Notify,
    /// RFC 3311.
    Update,
    /// RFC 3515.
    Refer,
    /// RFC 3428.
    Message,
    /// RFC 3903.
    Publish,
    /// Any other, as it was spelled.
    Other(&'a [u8]),
}

impl<'a> Method<'a> {
    /// The method that is spelled so.
    #[inline]
    pub fn of(spelled: &'a [u8]) -> Self {
        match spelled {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"REGISTER" => Self::Register,
            b"OPTIONS" => Self::Options,
            b"INFO" => Self::Info,
            b"PRACK" => Self::Prack,
            b"SUBSCRIBE" => Self::Subscribe,
            b"NOTIFY" => Self::Notify,
            b"UPDATE" => Self::Update,
            b"REFER" => Self::Refer,
            b"MESSAGE" => Self::Message,
            b"PUBLISH" => Self::Publish,
            other => Self::Other(other),
        }
    }

    /// The method as it is spelled.
    pub const fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Invite => b"INVITE",
            Self::Ack => b"ACK",
            Self::Bye => b"BYE",
            Self::Cancel => b"CANCEL",
            Self::Register => b"REGISTER",
            Self::Options => b"OPTIONS",
            Self::Info => b"INFO",
            Self::Prack => b"PRACK",
            Self::Subscribe => b"SUBSCRIBE",
            Self::Notify => b"NOTIFY",
            Self::Update => b"UPDATE",
            Self::Refer => b"REFER",
            Self::Message => b"MESSAGE",
            Self::Publish => b"PUBLISH",
            Self::Other(spelled) => spelled,
        }
    }

    /// The method as text; invalid UTF-8 replaced.
    pub fn as_str(self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    /// Whether a registered method.
    pub const fn is_known(self) -> bool {
        !matches!(self, Self::Other(_))
    }

    /// Whether a request of this method may establish a dialog (RFC 3261, section 12;
    /// RFC 6665, section 4; RFC 3515).
    pub const fn creates_dialog(self) -> bool {
        matches!(self, Self::Invite | Self::Subscribe | Self::Refer | Self::Notify)
    }
}

impl fmt::Display for Method<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_goes_both_ways_and_case_matters() {
        for spelled in [&b"INVITE"[..], b"PRACK", b"PUBLISH", b"invite", b"RE%47IST%45R", b""] {
            assert_eq!(Method::of(spelled).as_bytes(), spelled);
        }
        assert_eq!(Method::of(b"ACK"), Method::Ack);
        assert!(!Method::of(b"invite").is_known());
    }
}
