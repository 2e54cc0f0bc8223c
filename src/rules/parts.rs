//! What is judged by, on its way from one machine to another.
//!
//! Rules go by their codes and thresholds by the rule that has them and their names: both machines
//! run the same version.

use std::io::{self, Read, Write};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::bytes::parts::damaged;
use crate::finding::Rule;
use crate::rules::{self, Profile};
use crate::signaling::{Amount, Settings, Threshold};

impl BorshSerialize for Profile {
    fn serialize<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        let Self { rules, settings } = self;
        let codes: Vec<&str> = rules.iter().map(|rule| rule.code).collect();
        let amounts = settings.amounts().iter().map(|(threshold, amount)| {
            let code = code_of(threshold).ok_or_else(damaged)?;
            Ok((code, threshold.name, *amount))
        });
        let amounts = amounts.collect::<io::Result<Vec<_>>>()?;
        (codes, settings, amounts).serialize(writer)
    }
}

impl BorshDeserialize for Profile {
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        let codes = Vec::<String>::deserialize_reader(reader)?;
        let rules = codes.iter().map(|code| rules::find(code).ok_or_else(damaged));
        let rules = rules.collect::<io::Result<_>>()?;
        let mut settings = Settings::deserialize_reader(reader)?;
        for (code, name, amount) in Vec::<(String, String, Amount)>::deserialize_reader(reader)? {
            let threshold = threshold(&code, &name).ok_or_else(damaged)?;
            if !settings.set(threshold, amount) {
                return Err(damaged());
            }
        }
        Ok(Self { rules, settings })
    }
}

/// The code of a rule that has the threshold.
fn code_of(threshold: &'static Threshold) -> Option<&'static str> {
    let has_it = |rule: &&&Rule| rule.thresholds.iter().any(|own| std::ptr::eq(*own, threshold));
    rules::ALL.iter().find(has_it).map(|rule| rule.code)
}

fn threshold(code: &str, name: &str) -> Option<&'static Threshold> {
    rules::find(code)?.thresholds.iter().copied().find(|own| own.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::parts::damages;
    use crate::signaling::Accounts;

    fn profile() -> Profile {
        let mut settings = Settings::default();
        settings.local_nets.push("10.1.0.0/16".parse().expect("a network"));
        settings.accounts = Accounts::parse(b"alice::secret").expect("an account");
        settings.home_cc = "49".parse().ok();
        settings.emergency.push("112".parse().expect("a number"));
        settings.is_load_test = true;
        for threshold in rules::ALL.iter().flat_map(|rule| rule.thresholds) {
            let amount = match threshold.default {
                Amount::Span(span) => Amount::Span(span.times(2)),
                Amount::Count(count) => Amount::Count(count + 1),
                Amount::Percent(percent) => Amount::Percent(percent / 2),
            };
            assert!(settings.set(threshold, amount));
        }
        Profile { rules: rules::ALL.iter().copied().step_by(2).collect(), settings }
    }

    #[test]
    fn what_is_judged_by_is_read_as_it_was_written() {
        let own = profile();
        let bytes = borsh::to_vec(&own).expect("it fits");
        let read: Profile = borsh::from_slice(&bytes).expect("a profile");
        let codes = |own: &Profile| own.rules.iter().map(|rule| rule.code).collect::<Vec<_>>();
        assert_eq!(codes(&read), codes(&own));
        assert_eq!(format!("{:?}", read.settings), format!("{:?}", own.settings));
        assert!(read.settings.amounts().len() > 20);
        for ((one, amount), (other, same)) in
            own.settings.amounts().iter().zip(read.settings.amounts())
        {
            assert!(std::ptr::eq(*one, *other) && amount == same, "{}", one.name);
        }
    }

    #[test]
    fn a_threshold_of_another_kind_is_not_read() {
        static OTHER: Threshold = Threshold::count("other", 3);
        let mut own = Profile::default();
        assert!(own.settings.set(&OTHER, Amount::Count(4)));
        assert!(borsh::to_vec(&own).is_err(), "no rule has it");
        let rule = rules::ALL.iter().find(|rule| !rule.thresholds.is_empty()).expect("a rule");
        let [threshold, ..] = rule.thresholds else { panic!("a threshold") };
        let amount = match threshold.default {
            Amount::Span(_) | Amount::Percent(_) => Amount::Count(1),
            Amount::Count(_) => Amount::Percent(1),
        };
        let amounts = vec![(rule.code, threshold.name, amount)];
        let bytes = borsh::to_vec(&(Vec::<String>::new(), Settings::default(), amounts));
        assert!(borsh::from_slice::<Profile>(&bytes.expect("it fits")).is_err());
    }

    #[test]
    fn damage_never_panics() {
        let bytes = borsh::to_vec(&profile()).expect("it fits");
        for own in damages(&bytes, 2000) {
            let read = borsh::from_slice::<Profile>(&own);
            assert!(own.len() == bytes.len() || read.is_err(), "a beginning");
        }
    }
}
