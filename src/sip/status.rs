//! Status codes of responses.

use std::fmt;

/// A status code from 100 to 699.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize))]
pub struct Status(u16);

#[cfg(feature = "parts")]
impl borsh::BorshDeserialize for Status {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let code = u16::deserialize_reader(reader)?;
        Self::new(code).ok_or_else(crate::bytes::parts::damaged)
    }
}

/// The first digit of a status code (RFC 3261, section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// 1xx: the request was received and is worked on.
    Provisional,
    /// 2xx: the request was received, understood and accepted.
    Success,
    /// 3xx: further action is needed.
    Redirection,
    /// 4xx: this server cannot fulfil the request as it is.
    ClientError,
    /// 5xx: the server failed with a request that looks valid.
    ServerError,
    /// 6xx: no server can fulfil the request.
    GlobalFailure,
}

/// The registry of response codes of IANA, in order.
const REGISTERED: [u16; 75] = [
    100, 180, 181, 182, 183, 199, 200, 202, 204, 300, 301, 302, 305, 380, 400, 401, 402, 403, 404,
    405, 406, 407, 408, 410, 412, 413, 414, 415, 416, 417, 420, 421, 422, 423, 424, 425, 428, 429,
    430, 433, 436, 437, 438, 439, 440, 469, 470, 480, 481, 482, 483, 484, 485, 486, 487, 488, 489,
    491, 493, 494, 500, 501, 502, 503, 504, 505, 513, 555, 580, 600, 603, 604, 606, 607, 608,
];

impl Status {
    /// 100 Trying.
    pub const TRYING: Self = Self(100);
    /// 180 Ringing.
    pub const RINGING: Self = Self(180);
    /// 199 Early Dialog Terminated.
    pub const EARLY_DIALOG_TERMINATED: Self = Self(199);
    /// 183 Session Progress.
    pub const SESSION_PROGRESS: Self = Self(183);
    /// 200 OK.
    pub const OK: Self = Self(200);
    /// 401 Unauthorized.
    pub const UNAUTHORIZED: Self = Self(401);
    /// 407 Proxy Authentication Required.
    pub const PROXY_AUTHENTICATION_REQUIRED: Self = Self(407);
    /// 405 Method Not Allowed.
    pub const METHOD_NOT_ALLOWED: Self = Self(405);
    /// 408 Request Timeout.
    pub const REQUEST_TIMEOUT: Self = Self(408);
    /// 481 Call/Transaction Does Not Exist.
    pub const CALL_DOES_NOT_EXIST: Self = Self(481);
    /// 482 Loop Detected.
    pub const LOOP_DETECTED: Self = Self(482);
    /// 483 Too Many Hops.
    pub const TOO_MANY_HOPS: Self = Self(483);
    /// 501 Not Implemented.
    pub const NOT_IMPLEMENTED: Self = Self(501);
    /// 502 Bad Gateway.
    pub const BAD_GATEWAY: Self = Self(502);
    /// 487 Request Terminated.
    pub const REQUEST_TERMINATED: Self = Self(487);

    /// The status with this code, if it is one.
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 100 && code <= 699 { Some(Self(code)) } else { None }
    }

    /// The status that exactly three digits stand for.
    pub(crate) fn of(digits: &[u8]) -> Option<Self> {
        let [hundreds, tens, ones] = digits else { return None };
        let digit = |byte: &u8| char::from(*byte).to_digit(10);
        let code = digit(hundreds)? * 100 + digit(tens)? * 10 + digit(ones)?;
        Self::new(u16::try_from(code).ok()?)
    }

    /// The code as a number.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// The class of the code.
    pub const fn class(self) -> Class {
        match self.0 {
            ..200 => Class::Provisional,
            200..300 => Class::Success,
            300..400 => Class::Redirection,
            400..500 => Class::ClientError,
            500..600 => Class::ServerError,
            600.. => Class::GlobalFailure,
        }
    }

    /// Whether the code is in the registry of IANA.
    pub fn is_registered(self) -> bool {
        REGISTERED.binary_search(&self.0).is_ok()
    }

    /// Whether 1xx.
    pub const fn is_provisional(self) -> bool {
        matches!(self.class(), Class::Provisional)
    }

    /// Whether not 1xx: the answer that ends a transaction.
    pub const fn is_final(self) -> bool {
        !self.is_provisional()
    }

    /// Whether 2xx.
    pub const fn is_success(self) -> bool {
        matches!(self.class(), Class::Success)
    }

    /// Whether 3xx to 6xx.
    pub const fn is_failure(self) -> bool {
        self.is_final() && !self.is_success()
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_from_100_to_699() {
        assert_eq!(Status::of(b"180"), Some(Status::RINGING));
        for digits in [&b"099"[..], b"700", b"20", b"2000", b"2x0", b"4294967301", b""] {
            assert_eq!(Status::of(digits), None);
        }
    }

    #[test]
    fn registered_codes_are_in_order() {
        assert!(REGISTERED.is_sorted());
        let is_registered = |code| Status::new(code).is_some_and(Status::is_registered);
        assert!(is_registered(100) && is_registered(608));
        assert!(!is_registered(499) && !is_registered(666));
    }

    #[test]
    fn classes() {
        let classes: Vec<_> =
            [100, 299, 302, 404, 503, 603].into_iter().filter_map(Status::new).collect();
        assert_eq!(
            classes.iter().map(|status| status.class()).collect::<Vec<_>>(),
            [
                Class::Provisional,
                Class::Success,
                Class::Redirection,
                Class::ClientError,
                Class::ServerError,
                Class::GlobalFailure,
            ]
        );
        assert!(Status::OK.is_final() && Status::OK.is_success() && !Status::OK.is_failure());
        assert!(Status::RINGING.is_provisional() && !Status::RINGING.is_final());
    }
}
