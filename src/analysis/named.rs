//! Calls as a user names them: by number, by Call-ID or by a part of it.

use crate::analysis::{Analysis, CallSummary};

/// Calls that are told apart for a user who has named several.
const LISTED_MAX: usize = 5;

/// Why no call was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNamed {
    /// There is none.
    #[error("found no call {name:?}")]
    None {
        /// What the user wrote.
        name: String,
    },
    /// The number is too large.
    #[error("found no call number {number}: there are {calls}")]
    Beyond {
        /// What the user wrote.
        number: usize,
        /// How many calls there are.
        calls: usize,
    },
    /// There are several.
    #[error("{count} calls have {name:?} in their Call-ID: {}", listed(.call_ids))]
    Several {
        /// What the user wrote.
        name: String,
        /// How many have it.
        count: usize,
        /// The first ones.
        call_ids: Vec<String>,
    },
}

fn listed(call_ids: &[String]) -> String {
    call_ids.join(", ")
}

impl Analysis {
    /// The place of the call that the user means: a Call-ID, the number of a call in the list
    /// (from 1, `#` before it or not), the beginning of one Call-ID only, or else a part of one
    /// only. The analysis must list all calls.
    ///
    /// # Errors
    ///
    /// When none or several are meant.
    pub fn named(&self, name: &str) -> Result<usize, NotNamed> {
        let is_it = |call: &CallSummary| call.call_id == name;
        if let Some(place) = self.calls.iter().position(is_it) {
            return Ok(place);
        }
        let digits = name.strip_prefix('#').unwrap_or(name);
        if let Ok(number) = digits.parse::<usize>() {
            let place = number.checked_sub(1).filter(|place| *place < self.calls.len());
            // A long number is a part of a Call-ID rather than the number of a call.
            if place.is_some() || name.starts_with('#') || digits.len() < 7 {
                let calls = self.calls.len();
                return place.ok_or(NotNamed::Beyond { number, calls });
            }
        }
        let has_it = |(_, call): &(usize, &CallSummary)| call.call_id.contains(name);
        let begins = |(_, call): &(usize, &CallSummary)| call.call_id.starts_with(name);
        let mut found: Vec<_> = self.calls.iter().enumerate().filter(has_it).collect();
        if found.iter().filter(|one| begins(one)).count() == 1 {
            found.retain(begins);
        }
        match found.as_slice() {
            [] => Err(NotNamed::None { name: name.to_owned() }),
            [(place, _)] => Ok(*place),
            several => {
                let listed = several.iter().take(LISTED_MAX);
                let mut call_ids: Vec<_> = listed.map(|(_, call)| call.call_id.clone()).collect();
                if several.len() > LISTED_MAX {
                    call_ids.push("…".to_owned());
                }
                let (name, count) = (name.to_owned(), several.len());
                Err(NotNamed::Several { name, count, call_ids })
            }
        }
    }
}
