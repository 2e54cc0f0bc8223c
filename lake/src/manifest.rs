//! What a lake consists of: the one object that names all others, written last.
//!
//! An object that no manifest names does not count: a task that was tried twice leaves some, and so
//! does a run that was stopped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::store::Place;

/// The name of the manifest.
pub(crate) const NAME: &str = "manifest.json";

/// The shape of lakes that this program reads and writes.
const VERSION: u32 = 1;

/// What a lake consists of.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The shape of the lake.
    version: u32,
    /// How often it was written.
    pub(crate) generation: u64,
    /// The captures, in order of their numbers.
    pub(crate) captures: Vec<Capture>,
    /// What fragments that were put together and flows gave.
    pub(crate) derived: Vec<Object>,
    /// The objects of the tables, without messages of single captures.
    pub(crate) tables: BTreeMap<String, Vec<Object>>,
    /// What calls are judged by.
    pub(crate) grounds: Option<String>,
    /// What judges found besides rows.
    pub(crate) judged: Vec<String>,
}

/// A capture of the lake.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Capture {
    /// Where it lies.
    pub(crate) url: String,
    /// Its bytes.
    pub(crate) size: u64,
    /// What tells that it has changed: the tag of the store, else the time of the last change.
    pub(crate) tag: String,
    /// What its clock was taken to be ahead of the others, in nanoseconds.
    pub(crate) ahead: i64,
    /// The object with what its scan found.
    pub(crate) scan: String,
    /// Its messages.
    pub(crate) messages: Vec<Object>,
    /// Its fragments.
    pub(crate) fragments: Vec<Object>,
    /// Its other pieces.
    pub(crate) pieces: Vec<Object>,
}

impl Capture {
    /// The same file with the same contents.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        (&self.url, self.size, &self.tag) == (&other.url, other.size, &other.tag)
    }
}

/// A Parquet object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Object {
    /// Its name in the lake.
    pub(crate) name: String,
    /// Its rows.
    pub(crate) rows: u64,
    /// Its bytes.
    pub(crate) bytes: u64,
    /// The first and the last time in it, where its table has times.
    pub(crate) times: Option<(i64, i64)>,
    /// The day and hour of all its rows.
    pub(crate) hour: Option<(String, u8)>,
}

impl Manifest {
    /// The manifest of the lake; an empty one where there is no lake yet.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub(crate) async fn load_or_new(place: &Place) -> Result<Self, Fault> {
        let Some(bytes) = place.find(NAME).await? else {
            return Ok(Self { version: VERSION, ..Self::default() });
        };
        let wrong = |problem: String| Fault::Lake { lake: place.url().to_owned(), problem };
        let manifest: Self = serde_json::from_slice(&bytes)
            .map_err(|error| wrong(format!("its {NAME} cannot be read: {error}")))?;
        match manifest.version {
            VERSION => Ok(manifest),
            other => Err(wrong(format!("it has version {other}, this program reads {VERSION}"))),
        }
    }

    /// The manifest of a lake that must be there.
    ///
    /// # Errors
    ///
    /// When there is none, or it cannot be read.
    pub(crate) async fn load(place: &Place) -> Result<Self, Fault> {
        let manifest = Self::load_or_new(place).await?;
        match manifest.generation {
            0 => Err(Fault::Lake {
                lake: place.url().to_owned(),
                problem: format!("there is no {NAME} in it"),
            }),
            _ => Ok(manifest),
        }
    }

    /// Makes this what the lake consists of.
    ///
    /// # Errors
    ///
    /// When somebody else wrote the lake in the meantime, or the store fails.
    pub(crate) async fn commit(mut self, place: &Place) -> Result<Self, Fault> {
        let now = Self::load_or_new(place).await?.generation;
        if now != self.generation {
            return Err(Fault::Lake {
                lake: place.url().to_owned(),
                problem: "another run wrote to it in the meantime".to_owned(),
            });
        }
        self.generation += 1;
        let bytes = serde_json::to_vec_pretty(&self).map_err(|error| Fault::Lake {
            lake: place.url().to_owned(),
            problem: error.to_string(),
        })?;
        place.write(NAME, bytes).await?;
        Ok(self)
    }

    /// The objects of a table.
    pub(crate) fn objects(&self, table: &str) -> Vec<&Object> {
        let own = self.tables.get(table).into_iter().flatten();
        match table {
            "messages" => self.messages().chain(own).collect(),
            _ => own.collect(),
        }
    }

    /// The objects with messages.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &Object> {
        self.captures.iter().flat_map(|own| &own.messages).chain(&self.derived)
    }

    /// Every object that counts.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let captures = self.captures.iter();
        let objects = captures.flat_map(|own| [&own.messages, &own.fragments, &own.pieces]);
        let objects = objects.chain([&self.derived]).chain(self.tables.values()).flatten();
        let blobs = self.captures.iter().map(|own| own.scan.as_str());
        let blobs =
            blobs.chain(self.grounds.as_deref()).chain(self.judged.iter().map(String::as_str));
        objects.map(|own| own.name.as_str()).chain(blobs).chain([NAME])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lake_is_written_once_by_each_run() {
        let folder = std::env::temp_dir().join(format!("lake-{}", crate::store::random_name()));
        let place = Place::of(&folder.to_string_lossy()).expect("a place");
        assert!(matches!(Manifest::load(&place).await, Err(Fault::Lake { .. })));
        let first = Manifest::load_or_new(&place).await.expect("a new one");
        let second = first.clone();
        let written = first.commit(&place).await.expect("written");
        assert_eq!(written.generation, 1);
        assert!(second.commit(&place).await.is_err(), "somebody else was faster");
        assert_eq!(Manifest::load(&place).await.expect("there").generation, 1);
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
