//! What a user sets for the judging of calls: thresholds of rules, networks of his own.

use std::net::IpAddr;

use crate::signaling::accounts::Accounts;
use crate::signaling::emergency::EmergencyNumber;
use crate::signaling::reach::{Net, Reach};
use crate::signaling::stir::Certificates;
use crate::sip::CountryCode;
use crate::time::Span;

/// A number of a rule that `siptrace.toml` can set.
///
/// A rule declares it as a `static`, lists it in its description and asks [`Settings`] for the
/// value.
#[derive(Debug, PartialEq, Eq)]
pub struct Threshold {
    /// The kebab-case name; never changes.
    pub name: &'static str,
    /// The value when nothing is set.
    pub default: Amount,
}

/// The value of a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub enum Amount {
    /// A duration.
    Span(Span),
    /// How many.
    Count(u64),
    /// A share of the whole in percent.
    Percent(u8),
}

impl Threshold {
    /// A duration.
    pub const fn span(name: &'static str, default: Span) -> Self {
        Self { name, default: Amount::Span(default) }
    }

    /// How many.
    pub const fn count(name: &'static str, default: u64) -> Self {
        Self { name, default: Amount::Count(default) }
    }

    /// A share of the whole in percent.
    pub const fn percent(name: &'static str, default: u8) -> Self {
        Self { name, default: Amount::Percent(default) }
    }
}

/// Whether requests need a signed identity (RFC 8224) for a server to take them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub enum Stir {
    /// They may have one.
    #[default]
    Optional,
    /// They need one.
    Required,
}

/// What is set; the defaults where nothing is.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Settings {
    /// Networks whose addresses the hosts of the capture can reach, although they are private.
    pub local_nets: Vec<Net>,
    /// Networks whose hosts are what they seem, whatever they ask for: monitoring, trunks.
    pub trusted: Vec<Net>,
    /// Passwords that the user knows.
    pub accounts: Accounts,
    /// The country from which calls are made, and in which numbers without a `+` are written.
    pub home_cc: Option<CountryCode>,
    /// Numbers that call for help.
    pub emergency: Vec<EmergencyNumber>,
    /// Whether callers must sign who they are.
    pub stir: Stir,
    /// The networks of the servers for which that holds; all servers if there is none.
    pub stir_servers: Vec<Net>,
    /// Certificates to check signatures of callers with.
    pub certificates: Certificates,
    /// The capture shows a load test, so that refusals under load are what was looked for.
    pub is_load_test: bool,
    /// What is set of the thresholds; only `rules` knows which there are.
    #[cfg_attr(feature = "parts", borsh(skip))]
    amounts: Vec<(&'static Threshold, Amount)>,
}

impl Settings {
    /// Sets a threshold; false where the value is of another kind than its default.
    pub fn set(&mut self, threshold: &'static Threshold, amount: Amount) -> bool {
        let is_same_kind =
            std::mem::discriminant(&threshold.default) == std::mem::discriminant(&amount);
        if is_same_kind {
            self.amounts.retain(|(known, _)| !std::ptr::eq(*known, threshold));
            self.amounts.push((threshold, amount));
        }
        is_same_kind
    }

    /// The thresholds that are set.
    #[cfg(feature = "parts")]
    pub(crate) fn amounts(&self) -> &[(&'static Threshold, Amount)] {
        &self.amounts
    }

    /// The value of a threshold that is a duration; no time for another one.
    pub fn span(&self, threshold: &'static Threshold) -> Span {
        match self.amount(threshold) {
            Amount::Span(span) => span,
            Amount::Count(_) | Amount::Percent(_) => Span::default(),
        }
    }

    /// The value of a threshold that is a number; 0 for another one.
    pub fn count(&self, threshold: &'static Threshold) -> u64 {
        match self.amount(threshold) {
            Amount::Count(count) => count,
            Amount::Span(_) | Amount::Percent(_) => 0,
        }
    }

    /// The value of a threshold that is a share, in percent; 0 for another one.
    pub fn percent(&self, threshold: &'static Threshold) -> u8 {
        match self.amount(threshold) {
            Amount::Percent(percent) => percent,
            Amount::Span(_) | Amount::Count(_) => 0,
        }
    }

    /// Who can reach the address, but for the networks that the user calls local: all can.
    pub fn reach(&self, address: IpAddr) -> Reach {
        match self.local_nets.iter().any(|net| net.holds(address)) {
            true => Reach::Public,
            false => Reach::of(address),
        }
    }

    /// The user says that this server takes only requests with a signed identity.
    pub fn requires_identity(&self, server: IpAddr) -> bool {
        let is_named = self.stir_servers.iter().any(|net| net.holds(server));
        self.stir == Stir::Required && (self.stir_servers.is_empty() || is_named)
    }

    /// Requests of the host are no attack.
    pub fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.holds(address))
    }

    fn amount(&self, threshold: &'static Threshold) -> Amount {
        let set = self.amounts.iter().find(|(known, _)| std::ptr::eq(*known, threshold));
        set.map_or(threshold.default, |(_, amount)| *amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static WAIT: Threshold = Threshold::span("wait", Span::from_secs(4));
    static TIMES: Threshold = Threshold::count("times", 3);

    #[test]
    fn what_is_set_goes_before_the_default() {
        let mut settings = Settings::default();
        assert_eq!(settings.span(&WAIT), Span::from_secs(4));
        assert!(settings.set(&WAIT, Amount::Span(Span::from_secs(6))));
        assert!(settings.set(&WAIT, Amount::Span(Span::from_secs(7))));
        assert_eq!(settings.span(&WAIT), Span::from_secs(7));
        assert_eq!(settings.count(&TIMES), 3);
        assert!(!settings.set(&TIMES, Amount::Percent(1)));
        assert_eq!(settings.count(&TIMES), 3);
    }
}
