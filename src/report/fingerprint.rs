//! Names for findings that stay the same when a test is recorded again.
//!
//! Frames, times, Call-IDs, tags and ports change with every recording. What stays is the rule, the
//! file, who called whom and with which answer; findings that agree in all of it are numbered.

use rustc_hash::FxHashMap;

use crate::analysis::CallSummary;
use crate::finding::Finding;
use crate::report::index::{Index, portable};
use crate::report::outcome::Missed;
use crate::sip::Status;

/// Gives out fingerprints, no two the same, in the order of the findings.
#[derive(Debug, Default)]
pub(crate) struct Fingerprints {
    given: FxHashMap<u128, u32>,
}

impl Fingerprints {
    /// The fingerprint of a finding: 32 hexadecimal digits.
    pub(crate) fn of(&mut self, finding: &Finding, index: &Index<'_>) -> String {
        let call = index.call(finding);
        let statuses: Vec<String> =
            finding.statuses.iter().map(|status| Status::code(*status).to_string()).collect();
        self.number(&[
            "finding",
            finding.rule.code,
            &portable(&index.path(index.capture(finding))),
            call.map_or("", |call| call.kind.name()),
            &party(call, |call| call.from_uri.as_deref()),
            &party(call, |call| call.to_uri.as_deref()),
            &statuses.join(" "),
        ])
    }

    /// The fingerprint of an expectation.
    pub(crate) fn of_expectation(&mut self, missed: &Missed) -> String {
        self.number(&["expectation", &missed.suite, &missed.case])
    }

    fn number(&mut self, parts: &[&str]) -> String {
        let key = hash(parts);
        let count = self.given.entry(key).or_default();
        *count += 1;
        match *count {
            1 => format!("{key:032x}"),
            more => format!("{:032x}", hash(&[&format!("{key:032x}"), &more.to_string()])),
        }
    }
}

/// A URI without its parameters, which name ports and transports of the day.
fn party(call: Option<&CallSummary>, uri: fn(&CallSummary) -> Option<&str>) -> String {
    let uri = call.and_then(uri).unwrap_or_default();
    uri.split([';', '?']).next().unwrap_or_default().to_owned()
}

/// FNV-1a with 128 bits over the parts, which cannot run into each other.
fn hash(parts: &[&str]) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_its_authors() {
        // The test vector of an empty text, and parts that must not run together.
        assert_eq!(hash(&[]), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
    }

    #[test]
    fn the_same_again_gets_another_one() {
        let mut given = Fingerprints::default();
        let first = given.number(&["a"]);
        let second = given.number(&["a"]);
        let other = given.number(&["b"]);
        assert!(first != second && second != other && first.len() == 32);
        let mut again = Fingerprints::default();
        assert_eq!([again.number(&["a"]), again.number(&["a"])], [first, second]);
    }
}
