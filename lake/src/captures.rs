//! What captures the user names: files, folders, patterns, URLs.
//!
//! On this machine they are found as the plain program finds them. In a store, a prefix that ends
//! with a slash stands for the captures below it, told by their names, and `*` and `?` stand for
//! characters of one part of a key.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};
use std::time::UNIX_EPOCH;

use futures::TryStreamExt as _;
use object_store::ObjectMeta;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use siptrace::capture;
use url::Url;

use crate::fault::Fault;
use crate::manifest::Capture;
use crate::store;

/// Endings of captures in stores, of which the names are all that is looked at.
const ENDINGS: [&str; 4] = [".pcap", ".pcapng", ".cap", ".snoop"];

/// The captures that the names stand for, each once, in the order of the names; those of one folder
/// or pattern in order of their names.
///
/// # Errors
///
/// When one of the names stands for no capture.
pub(crate) async fn named(names: &[String]) -> Result<Vec<Capture>, Fault> {
    let mut found = Vec::new();
    let mut known = BTreeMap::new();
    for name in names {
        let captures = match name.contains("://") {
            true => of_url(&store::url_of(name)?).await?,
            false => of_paths(&[PathBuf::from(name)])?,
        };
        for capture in captures {
            if known.insert(capture.url.clone(), ()).is_none() {
                found.push(capture);
            }
        }
    }
    Ok(found)
}

fn of_paths(paths: &[PathBuf]) -> Result<Vec<Capture>, Fault> {
    let sources = capture::open(paths)?;
    sources.iter().map(|source| of_file(&source.describe().path)).collect()
}

fn of_file(path: &FilePath) -> Result<Capture, Fault> {
    let failed = |source| Fault::Capture(capture::Error::Open { path: path.to_owned(), source });
    let whole = std::fs::canonicalize(path).map_err(failed)?;
    let about = std::fs::metadata(&whole).map_err(failed)?;
    let changed = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let url = store::url_of(&whole.to_string_lossy())?;
    // The URL must lead to this very file, on other machines too.
    if store::file_of(&url).as_deref() != Some(&whole) {
        let hint = "rename it: names of captures in a lake are Unicode";
        return Err(Fault::usage(format!("could not use the path {whole:?}"), hint));
    }
    Ok(Capture {
        url: url.into(),
        size: about.len(),
        tag: changed.map(|time| time.as_nanos().to_string()).unwrap_or_default(),
        ..Capture::default()
    })
}

async fn of_url(url: &Url) -> Result<Vec<Capture>, Fault> {
    if let Some(file) = store::file_of(url) {
        return of_paths(&[file]);
    }
    let store = store::store(url)?;
    let failed = |error| Fault::store(format!("find {:?}", url.as_str()), &error);
    let path = store::path_of(url)?;
    let key = path.as_ref();
    let is_folder = url.path().ends_with('/') || url.path().is_empty();
    let is_pattern = key.contains(['*', '?']);
    if !is_folder && !is_pattern {
        let meta = store.head(&path).await.map_err(failed)?;
        return Ok(vec![of_object(url, meta)]);
    }
    let fixed = match key.find(['*', '?']) {
        Some(at) => key.get(..at).and_then(|start| start.rsplit_once('/')).map(|(own, _)| own),
        None => Some(key),
    };
    let prefix = fixed.filter(|own| !own.is_empty()).map(Path::from);
    let objects: Vec<ObjectMeta> =
        store.list(prefix.as_ref()).try_collect().await.map_err(failed)?;
    let is_meant = |meta: &ObjectMeta| match is_pattern {
        true => fits(key, meta.location.as_ref()),
        false => {
            let name = meta.location.filename().unwrap_or_default();
            ENDINGS.iter().any(|ending| name.contains(ending))
        }
    };
    let mut captures: Vec<Capture> = objects
        .into_iter()
        .filter(|meta| meta.size > 0 && is_meant(meta))
        .map(|meta| of_object(url, meta))
        .collect();
    captures.sort_by(|one, other| one.url.cmp(&other.url));
    match captures.is_empty() {
        true => Err(Fault::usage(
            format!("could not find a capture in {:?}", url.as_str()),
            "captures are told by their names there, as in `.pcap` or `.pcapng.gz`; name others \
             themselves",
        )),
        false => Ok(captures),
    }
}

fn of_object(url: &Url, meta: ObjectMeta) -> Capture {
    let mut own = url.clone();
    own.set_path(meta.location.as_ref());
    let tag = meta.e_tag.unwrap_or_else(|| meta.last_modified.to_rfc3339());
    Capture { url: own.into(), size: meta.size, tag, ..Capture::default() }
}

/// The key fits the pattern, part by part.
fn fits(pattern: &str, key: &str) -> bool {
    let (mut patterns, mut parts) = (pattern.split('/'), key.split('/'));
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if part_fits(pattern.as_bytes(), part.as_bytes()) => {}
            _ => return false,
        }
    }
}

/// One star at a time, from the last one back: no pattern makes this slow.
fn part_fits(pattern: &[u8], part: &[u8]) -> bool {
    let (mut at, mut to) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = part.get(to) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, to));
                at += 1;
            }
            Some(own) if *own == b'?' || own == byte => {
                at += 1;
                to += 1;
            }
            _ => match star {
                Some((place, taken)) => {
                    star = Some((place, taken + 1));
                    at = place + 1;
                    to = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|own| *own == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stand_for_characters_of_one_part() {
        assert!(fits("2026/*/ring-*.pcap?gz", "2026/11/ring-07.pcap.gz"));
        assert!(!fits("2026/*.pcap", "2026/11/a.pcap"));
        assert!(fits("*", "a.pcap") && fits("a*b*c", "aXbYbZc") && !fits("a*b", "abc"));
        let long = "a".repeat(10_000);
        assert!(!part_fits(b"*a*a*a*a*a*a*b", long.as_bytes()));
    }

    #[tokio::test]
    async fn a_capture_is_named_once() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/captures");
        let one = format!("{folder}/busy-486.pcap");
        let all = named(&[one.clone(), folder.to_owned(), one]).await.expect("captures");
        assert!(all[0].url.ends_with("/busy-486.pcap") && all[0].size > 0);
        assert_eq!(all.iter().filter(|own| own.url == all[0].url).count(), 1);
        assert!(all.len() > 10);
        assert!(named(&["no-such.pcap".to_owned()]).await.is_err());
    }
}
