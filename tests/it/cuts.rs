//! Recorded captures that were cut anywhere: what was before the cut is found.

use std::fs;
use std::io::Cursor;
use std::path::PathBuf;

use rayon::prelude::*;
use siptrace::capture::Source;
use siptrace::pipeline;

use crate::outcome::options;

/// Captures up to so many bytes are cut at every byte, others at every seventh or less often.
const SHORT: usize = 1800;

/// A capture is cut at so many places: the work grows with the square of its size.
const CUTS: usize = 100;

fn fixtures() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/captures");
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files
        .retain(|path| path.extension().is_some_and(|e| e == "pcap" || e == "pcapng" || e == "gz"));
    files.sort();
    files
}

/// Messages with copies, and Call-IDs; nothing for a capture without a whole record.
fn messages(bytes: &[u8]) -> (u64, u64) {
    let one_thread = pipeline::Options { threads: Some(1), ..options() };
    Source::from_reader("-", Box::new(Cursor::new(bytes.to_vec())), 0)
        .map_err(pipeline::Error::Capture)
        .and_then(|source| pipeline::run(vec![source], &one_thread, &|_| ()))
        .map(|analysis| analysis.totals)
        .map(|totals| (totals.sip_messages + totals.copies, totals.call_ids))
        .unwrap_or_default()
}

#[test]
fn a_cut_loses_no_message_before_it() {
    fixtures().into_par_iter().for_each(|path| {
        let bytes = fs::read(&path).expect("the file is readable");
        let step = if bytes.len() <= SHORT { 1 } else { (bytes.len() / CUTS).max(7) | 1 };
        let mut before = (0, 0);
        for cut in (0..bytes.len()).step_by(step).chain([bytes.len() - 1]) {
            let found = messages(&bytes[..cut]);
            assert!(found.0 >= before.0 && found.1 >= before.1, "{} at {cut}", path.display());
            before = found;
        }
        let whole = messages(&bytes);
        // In one recording no message was ever sent: the handshake before it failed.
        let has_none = path.ends_with("tls-unknown-ca.pcapng");
        assert_eq!(whole.0 == 0, has_none, "{}", path.display());
        assert!(before.0 + 1 >= whole.0, "{}: {before:?}", path.display());
    });
}
