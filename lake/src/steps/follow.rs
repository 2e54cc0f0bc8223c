//! Follows flows and streams, a table after another.

use serde::{Deserialize, Serialize};
use siptrace::pipeline::parts::{Flows, MediaTable, Piece, PieceKind, Rows};
use tokio::runtime::Handle;

use crate::fault::Fault;
use crate::manifest::Object;
use crate::rows;
use crate::steps::scan::Out;
use crate::steps::{Feed, line, odd, slot};
use crate::store::{Place, random_name};

/// Messages that wait to be written.
const WAITING: usize = 4096;

/// A table that was followed, or the messages of several.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Followed {
    /// A table of flows.
    Flows {
        /// Which one.
        table: u8,
        /// The object with what was found besides messages.
        found: String,
    },
    /// A table of streams.
    Media {
        /// Which one.
        table: u8,
        /// The object with what was found.
        found: String,
    },
    /// Messages of flows.
    Messages(Vec<Object>),
}

/// The table at work.
enum Table {
    Flows(u8, Box<Flows>),
    Media(u8, Box<MediaTable>),
}

impl Table {
    fn begin(piece: &Piece, keys: &[u8], is_several: bool) -> Result<Self, Fault> {
        match piece.kind {
            PieceKind::Flow => Ok(Self::Flows(piece.table, Box::new(Flows::new(keys)?))),
            PieceKind::Media => Ok(Self::Media(piece.table, Box::new(MediaTable::new(is_several)))),
            PieceKind::Fragment => Err(Fault::Job("a fragment went astray".to_owned())),
        }
    }

    fn is_of(&self, piece: &Piece) -> bool {
        match self {
            Self::Flows(table, _) => (piece.kind, piece.table) == (PieceKind::Flow, *table),
            Self::Media(table, _) => (piece.kind, piece.table) == (PieceKind::Media, *table),
        }
    }

    fn push(&mut self, piece: &Piece, rows: &mut Rows) -> Result<(), Fault> {
        match self {
            Self::Flows(_, flows) => flows.push(piece, rows)?,
            Self::Media(_, media) => media.push(piece)?,
        }
        Ok(())
    }
}

struct Work<'w> {
    place: &'w Place,
    handle: &'w Handle,
    out: Out,
    rows: Rows,
    made: Vec<String>,
}

/// Follows the pieces of the feed.
///
/// # Errors
///
/// When they cannot be read, or the store fails.
pub(crate) fn run(
    place: &Place,
    keys: &str,
    is_several: bool,
    handle: &Handle,
    feed: &mut Feed,
) -> Result<Vec<String>, Fault> {
    let keys = handle.block_on(place.read(keys))?;
    let out = Out::new(place, "flows-");
    let mut work = Work { place, handle, out, rows: Rows::default(), made: Vec::new() };
    let mut table: Option<Table> = None;
    while let Some(batch) = feed.next()? {
        let _slot = slot();
        for piece in rows::read_pieces(&batch).map_err(|error| odd(&error))? {
            let mut own = match table.take() {
                Some(own) if own.is_of(&piece) => own,
                before => {
                    before.map_or(Ok(()), |own| work.end(own))?;
                    Table::begin(&piece, &keys, is_several)?
                }
            };
            own.push(&piece, &mut work.rows)?;
            table = Some(own);
            work.write(WAITING)?;
        }
    }
    table.map_or(Ok(()), |own| work.end(own))?;
    work.finish()
}

impl Work<'_> {
    /// The rows of the table are over.
    fn end(&mut self, table: Table) -> Result<(), Fault> {
        let name = |kind: &str, table: u8| format!("work/{kind}-{table:02}-{}.bin", random_name());
        let (made, name, found) = match table {
            Table::Flows(table, flows) => {
                let name = name("flows", table);
                let found = flows.finish(&mut self.rows);
                (Followed::Flows { table, found: name.clone() }, name, found)
            }
            Table::Media(table, media) => {
                let name = name("media", table);
                (Followed::Media { table, found: name.clone() }, name, media.finish())
            }
        };
        self.handle.block_on(self.place.write(&name, found))?;
        self.made.push(line(&made)?);
        self.write(0)
    }

    /// Writes the rows if there are more than so many.
    fn write(&mut self, more_than: usize) -> Result<(), Fault> {
        match self.rows.messages.len() > more_than {
            true => self.handle.block_on(self.out.write(std::mem::take(&mut self.rows))),
            false => Ok(()),
        }
    }

    fn finish(mut self) -> Result<Vec<String>, Fault> {
        let (messages, ..) = self.handle.block_on(self.out.finish())?;
        if !messages.is_empty() {
            self.made.push(line(&Followed::Messages(messages))?);
        }
        Ok(self.made)
    }
}
