//! Calls for help: by a service URN, or by a number that the user names.
//!
//! No number is one by default: 110 is the police in one country and an extension in many PBXs.

use std::str::FromStr;

use crate::signaling::message::Message;
use crate::signaling::settings::Settings;
use crate::sip::{HeaderName, Number, Start, Uri};

/// A call for help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emergency {
    /// `urn:service:sos` (RFC 5031, section 4.2), or a number of the user's.
    Call,
    /// `urn:service:test.sos`, which tries the route (RFC 6881, section 15).
    Test,
}

/// A number that calls for help: 112.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct EmergencyNumber(Number);

/// A text that is no such number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a number as it is dialled, such as 112")]
pub struct NotAnEmergencyNumber;

impl FromStr for EmergencyNumber {
    type Err = NotAnEmergencyNumber;

    fn from_str(text: &str) -> Result<Self, NotAnEmergencyNumber> {
        let number = Number::parse(text.as_bytes()).filter(|number| !number.is_global());
        number.map(Self).ok_or(NotAnEmergencyNumber)
    }
}

impl Message<'_> {
    /// Whether the request calls for help: by its request URI, or, where that names who takes such
    /// calls, by its To.
    pub fn emergency(&self, settings: &Settings) -> Option<Emergency> {
        // Where no number is one, few requests are worth the parsing.
        let names_urn = || {
            let uri = match self.start() {
                Start::Request { uri, .. } => uri,
                Start::Response { .. } | Start::Invalid(_) => &[],
            };
            holds_urn(uri) || self.header(HeaderName::To).is_some_and(holds_urn)
        };
        if settings.emergency.is_empty() && !names_urn() {
            return None;
        }
        let of = |uri: Uri<'_>| emergency(&uri, settings);
        self.request_uri().and_then(of).or_else(|| of(self.to()?.uri))
    }
}

/// A URN may be in it.
fn holds_urn(value: &[u8]) -> bool {
    let is_end = |end: usize| {
        let scheme = end.checked_sub(3).and_then(|start| value.get(start..end));
        scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"urn"))
    };
    memchr::memchr_iter(b':', value).any(is_end)
}

fn emergency(uri: &Uri<'_>, settings: &Settings) -> Option<Emergency> {
    let text = uri.as_bytes().to_ascii_lowercase();
    let is_below = |label: &[u8], service: &[u8]| {
        let rest = service.strip_prefix(label);
        rest.is_some_and(|rest| rest.is_empty() || matches!(rest.first(), Some(b'.' | b';')))
    };
    if let Some(service) = text.strip_prefix(b"urn:service:") {
        return match service {
            service if is_below(b"sos", service) => Some(Emergency::Call),
            service if is_below(b"test.sos", service) => Some(Emergency::Test),
            _ => None,
        };
    }
    let number = Number::of(uri)?;
    let is_own = settings.emergency.iter().any(|own| own.0 == number);
    is_own.then_some(Emergency::Call)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urns_and_numbers() {
        let numbers = ["112", "9-1-1"].map(|number| number.parse().expect("a number"));
        let mut settings = Settings::default();
        settings.emergency = numbers.to_vec();
        let of = |uri: &str, settings| emergency(&Uri::parse(uri.as_bytes()), settings);
        for (uri, expected) in [
            ("urn:service:sos", Some(Emergency::Call)),
            ("URN:Service:SOS.police", Some(Emergency::Call)),
            ("urn:service:test.sos.fire", Some(Emergency::Test)),
            ("urn:service:sosumi", None),
            ("urn:service:counseling", None),
            ("sip:112@example.com", Some(Emergency::Call)),
            ("tel:911;phone-context=+1", Some(Emergency::Call)),
            ("sip:+112@example.com", None),
            ("sip:1120@example.com", None),
        ] {
            assert_eq!(of(uri, &settings), expected, "{uri}");
        }
        assert_eq!(of("sip:112@example.com", &Settings::default()), None);
        assert!("+49112".parse::<EmergencyNumber>().is_err());
        assert!("help".parse::<EmergencyNumber>().is_err());
    }
}
