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
