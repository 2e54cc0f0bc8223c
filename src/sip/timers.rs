//! The timers of the protocol with their default values.
//!
//! All but `T1`, `T2` and `T4` follow from those three; a capture may show another `T1`, then
//! multiples are taken of that.

use crate::time::Span;

/// Round-trip estimate, base of all others (RFC 3261, section 17.1.1.1).
pub const T1: Span = Span::from_millis(500);

/// Cap of the interval between copies of a non-INVITE request or of a final response to INVITE
/// (RFC 3261, section 17.1.2.2).
pub const T2: Span = Span::from_secs(4);

/// How long a message may live in the network (RFC 3261, section 17.1.2.2).
pub const T4: Span = Span::from_secs(5);

/// First wait before an INVITE is sent again over UDP, doubled each time
/// (RFC 3261, section 17.1.1.2).
pub const A: Span = T1;

/// After which an INVITE client gives up (RFC 3261, section 17.1.1.2).
pub const B: Span = T1.times(64);

/// Least time that a proxy waits for a final answer to INVITE, begun again by each 101 to 199
/// (RFC 3261, sections 16.6 item 11 and 16.8).
pub const C: Span = Span::from_secs(180);

/// How long an INVITE client absorbs copies of a failure over UDP; no time at all over a reliable
/// transport (RFC 3261, section 17.1.1.2).
pub const D: Span = Span::from_secs(32);

/// First wait before a non-INVITE request is sent again over UDP, doubled up to [`T2`]
/// (RFC 3261, section 17.1.2.2).
pub const E: Span = T1;

/// After which a non-INVITE client gives up (RFC 3261, section 17.1.2.2).
pub const F: Span = T1.times(64);

/// First wait before a failure to INVITE is sent again over UDP, doubled up to [`T2`]
/// (RFC 3261, section 17.2.1).
pub const G: Span = T1;

/// After which an INVITE server gives up waiting for the ACK to a failure
/// (RFC 3261, section 17.2.1).
pub const H: Span = T1.times(64);

/// How long an INVITE server absorbs copies of the ACK over UDP (RFC 3261, section 17.2.1).
pub const I: Span = T4;

/// How long a non-INVITE server absorbs copies of the request over UDP
/// (RFC 3261, section 17.2.2).
pub const J: Span = T1.times(64);

/// How long a non-INVITE client absorbs copies of the response over UDP
/// (RFC 3261, section 17.1.2.2).
pub const K: Span = T4;

/// How long an INVITE server stays in *Accepted* after a 2xx (RFC 6026, section 8.11).
pub const L: Span = T1.times(64);

/// How long an INVITE client stays in *Accepted* for late 2xx of other branches
/// (RFC 6026, section 8.4).
pub const M: Span = T1.times(64);

/// How long a subscriber waits for the first NOTIFY (RFC 6665, section 4.1.2.4).
pub const N: Span = T1.times(64);

/// How long a caller waits for the final answer after CANCEL (RFC 3261, section 9.1).
pub const CANCEL_WAIT: Span = T1.times(64);

/// How long a callee repeats a 2xx without ACK, on any transport (RFC 3261, section 13.3.1.4).
pub const ACK_WAIT: Span = T1.times(64);

/// How long a callee repeats a reliable provisional response without PRACK (RFC 3262, section 3).
pub const PRACK_WAIT: Span = T1.times(64);

/// Time in which a server should send 100 if nothing else is ready (RFC 3261, section 17.2.1).
pub const TRYING_WAIT: Span = Span::from_millis(200);

/// Time between provisional responses that keep proxies from giving up
/// (RFC 3261, section 13.3.1.1).
pub const PROVISIONAL_REFRESH: Span = Span::from_secs(60);

/// The same between reliable ones (RFC 3262, section 3).
pub const RELIABLE_PROVISIONAL_REFRESH: Span = Span::from_secs(150);

/// Session interval that is recommended (RFC 4028, section 4).
pub const SESSION_EXPIRES_DEFAULT: Span = Span::from_secs(1800);

/// Smallest session interval unless a `Min-SE` says otherwise (RFC 4028, section 5).
pub const MIN_SE_DEFAULT: Span = Span::from_secs(90);

/// How old a signed identity may be (RFC 8224, section 4.1).
pub const IDENTITY_AGE_MAX: Span = Span::from_secs(60);

/// When the side that does not refresh hangs up: the interval less the smaller of 32 seconds and a
/// third of it (RFC 4028, section 10).
pub const fn session_expiry(interval: Span) -> Span {
    let third = interval.nanos() / 3;
    let limit = Span::from_secs(32).nanos();
    let early = if third < limit { third } else { limit };
    Span::from_nanos(interval.nanos().saturating_sub(early))
}

/// When the side that refreshes does so: half the interval (RFC 4028, section 10).
pub const fn session_refresh(interval: Span) -> Span {
    Span::from_nanos(interval.nanos() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn give_up_after_32_seconds() {
        for timer in [B, F, H, J, L, M, N] {
            assert_eq!(timer, Span::from_secs(32));
        }
    }

    #[test]
    fn sessions_end_before_their_interval() {
        assert_eq!(session_expiry(Span::from_secs(1800)), Span::from_secs(1768));
        assert_eq!(session_expiry(Span::from_secs(90)), Span::from_secs(60));
        assert_eq!(session_refresh(Span::from_secs(1800)), Span::from_secs(900));
    }
}
