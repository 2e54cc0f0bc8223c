//! The description of a rule.

use std::fmt;

use serde::Serialize;

use crate::finding::{Finding, Findings, Gate};
use crate::media::Media;
use crate::signaling::{Call, Facts, Settings, Threshold};

/// A failure pattern, how it is recognised, and its words.
#[derive(Debug)]
pub struct Rule {
    /// Family prefix and three digits; never changes.
    pub code: &'static str,
    /// The kebab-case name; never changes.
    pub name: &'static str,
    /// How bad it is when nothing speaks for less.
    pub severity: Severity,
    /// The version that brought it.
    pub since: &'static str,
    /// The English entry, Markdown.
    pub entry: &'static str,
    /// Its numbers that a user may set.
    pub thresholds: &'static [&'static Threshold],
    /// What a call must show for it to look.
    pub gate: Gate,
    /// The condition.
    pub check: Check,
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug)]
pub enum Check {
    /// One call with all its hops, transactions and dialogs.
    Call(fn(&Call<'_>, &mut Findings<'_>)),
    /// One call, and then all findings of the rule side by side, in order of their frames.
    Calls {
        /// What one call shows.
        each: fn(&Call<'_>, &mut Findings<'_>),
        /// What only several calls show.
        together: fn(&mut [&mut Finding], &Settings),
    },
    /// The same with the RTP in the capture.
    MediaCalls {
        /// What one call shows.
        each: fn(&Call<'_>, Media<'_>, &mut Findings<'_>),
        /// What only several calls show.
        together: fn(&mut [&mut Finding], &Settings),
    },
    /// One call, and the facts of all of them.
    Both {
        /// What one call shows.
        each: fn(&Call<'_>, Media<'_>, &mut Findings<'_>),
        /// What the sums over all calls show.
        capture: fn(&Facts, &mut Findings<'_>),
    },
    /// One call and the RTP in the capture.
    Media(fn(&Call<'_>, Media<'_>, &mut Findings<'_>)),
    /// The capture as a whole, when it has been read.
    Capture(fn(&Facts, &mut Findings<'_>)),
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth showing; never fails a run by default.
    Info,
    /// Works, but degraded or about to fail.
    Warn,
    /// A call, registration or transaction failed because of this.
    Error,
}

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// The trace fits, other readings fit as well.
    Possible,
    /// The trace fits, another reading would be odd.
    Likely,
    /// The trace alone proves it.
    Certain,
}

impl Severity {
    /// `error`, `warn`, `info`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
        }
    }
}

impl Confidence {
    /// `certain`, `likely`, `possible`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }

    /// One step less sure.
    #[must_use]
    pub const fn lowered(self) -> Self {
        match self {
            Self::Certain => Self::Likely,
            Self::Likely | Self::Possible => Self::Possible,
        }
    }
}

/// The group of faults that the first three letters of a code name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `CAP`, capture quality.
    Capture,
    /// `NET`, addresses, transport, size.
    Network,
    /// `MSG`, message syntax.
    Message,
    /// `TXN`, transactions and time-outs.
    Transaction,
    /// `CAL`, call outcome.
    Call,
    /// `DLG`, dialogs and what happens inside them.
    Dialog,
    /// `XFR`, transfer and subscriptions.
    Transfer,
    /// `REG`, registration, authentication, keep-alive.
    Registration,
    /// `SDP`, offer and answer.
    Sdp,
    /// `MED`, media.
    Media,
    /// `SEC`, security, overload, identity.
    Security,
    /// `INT`, siptrace itself.
    Internal,
}

impl Family {
    /// Every family, in the order of the documentation.
    pub const ALL: [Self; 12] = [
        Self::Capture,
        Self::Network,
        Self::Message,
        Self::Transaction,
        Self::Call,
        Self::Dialog,
        Self::Transfer,
        Self::Registration,
        Self::Sdp,
        Self::Media,
        Self::Security,
        Self::Internal,
    ];

    /// The prefix of its codes.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Capture => "CAP",
            Self::Network => "NET",
            Self::Message => "MSG",
            Self::Transaction => "TXN",
            Self::Call => "CAL",
            Self::Dialog => "DLG",
            Self::Transfer => "XFR",
            Self::Registration => "REG",
            Self::Sdp => "SDP",
            Self::Media => "MED",
            Self::Security => "SEC",
            Self::Internal => "INT",
        }
    }
}

impl Rule {
    /// The family of its code.
    pub fn family(&self) -> Family {
        Family::ALL
            .into_iter()
            .find(|family| self.code.starts_with(family.prefix()))
            .unwrap_or(Family::Internal)
    }

    /// The selector means it: its name, its code, or a prefix of its code, in any case.
    pub fn fits(&self, selector: &str) -> bool {
        let selector = selector.trim();
        let start = self.code.get(..selector.len());
        let is_prefix = start.is_some_and(|start| start.eq_ignore_ascii_case(selector));
        !selector.is_empty() && (is_prefix || self.name == selector)
    }

    /// What it looks at: `call`, `media` or `capture`.
    pub const fn scope(&self) -> &'static str {
        match self.check {
            Check::Call(_) | Check::Calls { .. } | Check::Both { .. } => "call",
            Check::Media(_) | Check::MediaCalls { .. } => "media",
            Check::Capture(_) => "capture",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
