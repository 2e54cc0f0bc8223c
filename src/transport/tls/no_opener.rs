//! Stands for the opener of records in a build without the feature `tls`: there is none.

use crate::transport::tls::record::Record;
use crate::transport::tls::suite::Suite;

/// The content of a record.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) kind: u8,
    pub(super) bytes: Vec<u8>,
}

/// Cannot be made.
#[derive(Debug)]
pub(super) enum Opener {}

impl Opener {
    pub(super) fn pair(
        _: Suite,
        _: &[u8],
        _: &[u8; 32],
        _: &[u8; 32],
        _: bool,
    ) -> Option<[Self; 2]> {
        None
    }

    pub(super) fn of_secret(_: Suite, _: &[u8]) -> Option<Self> {
        None
    }

    pub(super) fn skip_records(&mut self, _: u64) {}

    pub(super) fn lose(&mut self, _: u32) {}

    pub(super) fn has_failed(&self) -> bool {
        true
    }

    pub(super) fn open(&mut self, _: &Record<'_>) -> Option<Opened> {
        match *self {}
    }
}
