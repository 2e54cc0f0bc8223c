//! Findings on their way from one machine to another.
//!
//! They go as they wait, and those that have more than is written as that and what they have more.
//! Rules go by their codes.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use borsh::{BorshDeserialize, BorshSerialize};

use super::{FULL, Finding, Kept, Reader, WRITTEN, Words, Writer};
use crate::analysis::packed::Blocks;
use crate::bytes::parts::{damaged, words};
use crate::finding::{Linked, Visibility};
use crate::rules;
use crate::signaling::Spell;

/// What a finding has that is not written, and then what each fallback behind it has.
type More = Vec<(Vec<Linked>, Vec<Spell>)>;

impl BorshSerialize for Kept {
    fn serialize<W: Write>(&self, writer: &mut W) -> io::Result<()> {
        let Self { blocks, count, full, words, scratch: _ } = self;
        let mut words = words.clone();
        let full: Vec<_> = full.iter().map(|own| (written(own, &mut words), more(own))).collect();
        let codes: Vec<&str> = words.rules.iter().map(|rule| rule.code).collect();
        (codes, &words.texts, &words.visibilities).serialize(writer)?;
        (full, blocks, count).serialize(writer)
    }
}

impl BorshDeserialize for Kept {
    /// Every finding is read once, so that what is there can be read at the end.
    fn deserialize_reader<R: Read>(reader: &mut R) -> io::Result<Self> {
        let codes = Vec::<String>::deserialize_reader(reader)?;
        let rules = codes.iter().map(|code| rules::find(code).ok_or_else(damaged));
        let words = Words {
            rules: rules.collect::<io::Result<_>>()?,
            texts: words(reader)?,
            visibilities: Vec::<Visibility>::deserialize_reader(reader)?,
            // What comes behind has places of its own.
            places: Default::default(),
        };
        let full = Vec::<(Vec<u8>, More)>::deserialize_reader(reader)?;
        let full = full.into_iter().map(|(bytes, more)| whole(&bytes, more, &words));
        let full: VecDeque<Finding> = full.collect::<Option<_>>().ok_or_else(damaged)?;
        let blocks = Blocks::deserialize_reader(reader)?;
        let count = usize::deserialize_reader(reader)?;
        let mut left = full.len();
        let is_finding = |bytes: &mut &[u8]| is_finding(bytes, &words, &mut left);
        if !blocks.holds(count, is_finding) || left > 0 {
            return Err(damaged());
        }
        Ok(Self { blocks, count, full, words, scratch: Vec::new() })
    }
}

/// An entry can be read; `left` are the findings that have more and no entry yet.
fn is_finding(bytes: &mut &[u8], words: &Words, left: &mut usize) -> bool {
    let mut reader = Reader { bytes, words, depth: 0 };
    match reader.byte() {
        Some(WRITTEN) => reader.finding().is_some(),
        Some(FULL) => left.checked_sub(1).map(|rest| *left = rest).is_some(),
        _ => false,
    }
}

fn written(finding: &Finding, words: &mut Words) -> Vec<u8> {
    let mut bytes = Vec::new();
    Writer { bytes: &mut bytes, words }.finding(finding);
    bytes
}

fn more(finding: &Finding) -> More {
    let all = std::iter::successors(Some(finding), |own| own.fallback.as_deref());
    all.map(|own| (own.linked.clone(), own.owns.clone())).collect()
}

/// A finding with what it has more.
fn whole(mut bytes: &[u8], more: More, words: &Words) -> Option<Finding> {
    let mut finding = Reader { bytes: &mut bytes, words, depth: 0 }.finding()?;
    let mut own = Some(&mut finding);
    for (linked, owns) in more {
        let known = own?;
        (known.linked, known.owns) = (linked, owns);
        own = known.fallback.as_deref_mut();
    }
    bytes.is_empty().then_some(finding)
}
