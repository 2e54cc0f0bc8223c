//! `Event` and `Subscription-State`: what a subscription is about, and what has become of it.

use super::quoted::{Parameters, first_and_parameters};

/// `Event` (RFC 6665, section 8.2.1).
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The package, for example `refer`; compared byte by byte.
    pub package: &'a [u8],
    /// All parameters.
    pub parameters: Parameters<'a>,
}

impl<'a> Event<'a> {
    /// The event that `value` names.
    pub fn parse(value: &'a [u8]) -> Self {
        let (package, parameters) = first_and_parameters(value);
        Self { package, parameters }
    }

    /// Tells subscriptions of one dialog apart.
    pub fn id(&self) -> Option<&'a [u8]> {
        self.parameters.value("id")
    }
}

/// The first word of `Subscription-State` (RFC 6665, section 4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionStage<'a> {
    /// The notifier has not decided yet.
    Pending,
    /// The subscription is accepted.
    Active,
    /// The subscription has ended.
    Terminated,
    /// Any other, as it was sent.
    Other(&'a [u8]),
}

/// `Subscription-State` (RFC 6665, section 8.2.3).
#[derive(Clone, Copy, Debug)]
pub struct SubscriptionState<'a> {
    /// What has become of the subscription.
    pub stage: SubscriptionStage<'a>,
    /// All parameters.
    pub parameters: Parameters<'a>,
}

impl<'a> SubscriptionState<'a> {
    /// The state that `value` names.
    pub fn parse(value: &'a [u8]) -> Self {
        let (word, parameters) = first_and_parameters(value);
        let stage = match word {
            word if word.eq_ignore_ascii_case(b"pending") => SubscriptionStage::Pending,
            word if word.eq_ignore_ascii_case(b"active") => SubscriptionStage::Active,
            word if word.eq_ignore_ascii_case(b"terminated") => SubscriptionStage::Terminated,
            word => SubscriptionStage::Other(word),
        };
        Self { stage, parameters }
    }

    /// Why it ended, for example `noresource` (RFC 6665, section 4.1.3).
    pub fn reason(&self) -> Option<&'a [u8]> {
        self.parameters.value("reason")
    }

    /// Seconds it still lasts.
    pub fn expires(&self) -> Option<u32> {
        self.parameters.number("expires")
    }

    /// Seconds to wait before the next try.
    pub fn retry_after(&self) -> Option<u32> {
        self.parameters.number("retry-after")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_a_subscription() {
        let state = SubscriptionState::parse(b"Terminated;reason=noresource;retry-after=5");
        assert_eq!(state.stage, SubscriptionStage::Terminated);
        assert_eq!(state.reason(), Some(&b"noresource"[..]));
        assert_eq!((state.expires(), state.retry_after()), (None, Some(5)));
        let event = Event::parse(b"refer ; id=93809824");
        assert_eq!((event.package, event.id()), (&b"refer"[..], Some(&b"93809824"[..])));
    }
}
