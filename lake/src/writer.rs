//! Rows on their way to objects, each with the rows of one hour.
//!
//! Names are random, so that a task that is tried again never writes over what counts. Memory is
//! bounded by the number of objects that are open and by what each may hold before it writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::AsyncArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};
use datafusion::parquet::schema::types::ColumnPath;
use object_store::buffered::BufWriter;
use siptrace::time::Time;

use crate::fault::{Fault, chain};
use crate::manifest::Object;
use crate::store::{Place, random_name};
use crate::tables::{Kind, Table};

/// Objects that are open at a time; beyond, the one that was written to longest ago is closed.
const OPEN_MAX: usize = 12;

/// Hours that one task writes objects for; the rows of more share objects without an hour. A
/// capture whose times are made up must not become an object for each packet.
const HOURS_MAX: usize = 400;

/// Bytes of rows that an object holds before it writes them as a row group.
const GROUP_BYTES: usize = 8 << 20;

/// Bytes that go to the store at once.
const PART_BYTES: usize = 5 << 20;

/// Nanoseconds of an hour.
const HOUR: i64 = 3_600_000_000_000;

/// Writes the rows of one table.
pub(crate) struct Writer {
    place: Place,
    table: &'static Table,
    /// What stands before the random part of the names.
    stem: String,
    /// By hour; none for those without, or one too many.
    open: BTreeMap<Option<i64>, Open>,
    hours: usize,
    turn: u64,
    done: Vec<Object>,
}

struct Open {
    writer: AsyncArrowWriter<BufWriter>,
    object: Object,
    /// When it was written to last.
    turn: u64,
}

impl Writer {
    /// Writes objects of that table below the folder of its name.
    pub(crate) fn new(place: Place, table: &'static Table, stem: &str) -> Self {
        Self {
            place,
            table,
            stem: stem.to_owned(),
            open: BTreeMap::new(),
            hours: 0,
            turn: 0,
            done: Vec::new(),
        }
    }

    /// Writes rows, each in the object of its hour. `time` tells the time of a row, `batch` makes a
    /// batch of rows.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(crate) async fn write<T>(
        &mut self,
        rows: impl IntoIterator<Item = T>,
        time: impl Fn(&T) -> Option<Time>,
        batch: impl Fn(&[T]) -> Result<RecordBatch, ArrowError>,
    ) -> Result<(), Fault> {
        let mut hours: BTreeMap<Option<i64>, Vec<T>> = BTreeMap::new();
        for row in rows {
            let hour = time(&row).map(|time| time.nanos().div_euclid(HOUR));
            hours.entry(hour).or_default().push(row);
        }
        for (hour, rows) in hours {
            let times = rows.iter().filter_map(|row| Some(time(row)?.nanos()));
            let times = times.clone().min().zip(times.max());
            let batch = batch(&rows).map_err(|error| self.failed(&error))?;
            self.put(hour, &batch, times).await?;
        }
        Ok(())
    }

    async fn put(
        &mut self,
        hour: Option<i64>,
        batch: &RecordBatch,
        times: Option<(i64, i64)>,
    ) -> Result<(), Fault> {
        let hour = self.room(hour).await?;
        self.turn += 1;
        let turn = self.turn;
        let result = match self.open.get_mut(&hour) {
            None => return Ok(()),
            Some(open) => {
                open.turn = turn;
                open.object.rows += batch.num_rows() as u64;
                open.object.times = match (open.object.times, times) {
                    (Some(own), Some(more)) => Some((own.0.min(more.0), own.1.max(more.1))),
                    (own, more) => own.or(more),
                };
                let written = open.writer.write(batch).await;
                match open.writer.in_progress_size() > GROUP_BYTES {
                    true if written.is_ok() => open.writer.flush().await,
                    _ => written,
                }
            }
        };
        result.map_err(|error| self.failed(&error))
    }

    /// Sees to it that there is an object for the hour; gives the key under which it is open.
    async fn room(&mut self, hour: Option<i64>) -> Result<Option<i64>, Fault> {
        let is_open = self.open.contains_key(&hour);
        let hour = hour.filter(|_| is_open || self.hours < HOURS_MAX);
        if self.open.contains_key(&hour) {
            return Ok(hour);
        }
        if self.open.len() >= OPEN_MAX {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.turn).map(|(key, _)| *key);
            if let Some(open) = oldest.and_then(|key| self.open.remove(&key)) {
                self.close(open).await?;
            }
        }
        self.hours += usize::from(hour.is_some());
        let open = self.begin(hour)?;
        self.open.insert(hour, open);
        Ok(hour)
    }

    fn begin(&self, hour: Option<i64>) -> Result<Open, Fault> {
        let day = hour.map(|hour| day_and_hour(Time::from_nanos(hour.saturating_mul(HOUR))));
        let folder = match (&day, self.table.time) {
            (_, "") => String::new(),
            (Some((day, hour)), _) => format!("day={day}/hour={hour:02}/"),
            // What the readers of partitioned tables take for no value.
            (None, _) => "day=__HIVE_DEFAULT_PARTITION__/hour=__HIVE_DEFAULT_PARTITION__/".into(),
        };
        let (table, stem) = (self.table.name, &self.stem);
        let name = format!("{table}/{folder}{stem}{}.parquet", random_name());
        let store = Arc::clone(self.place.store());
        let out = BufWriter::with_capacity(store, self.place.path(&name), PART_BYTES);
        let writer = AsyncArrowWriter::try_new(out, self.table.schema(), Some(self.properties()))
            .map_err(|error| self.failed(&error))?;
        let object = Object { name, rows: 0, bytes: 0, times: None, hour: day };
        Ok(Open { writer, object, turn: 0 })
    }

    fn properties(&self) -> WriterProperties {
        let level = ZstdLevel::try_new(1).unwrap_or_default();
        let mut properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(1 << 17))
            .set_statistics_enabled(EnabledStatistics::Chunk);
        for column in self.table.columns.iter().filter(|own| own.kind == Kind::Bytes) {
            // No two are alike, and nobody asks for the smallest one.
            let path = ColumnPath::from(column.name);
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path, EnabledStatistics::None);
        }
        properties.build()
    }

    async fn close(&mut self, open: Open) -> Result<(), Fault> {
        let Open { mut writer, mut object, .. } = open;
        writer.finish().await.map_err(|error| self.failed(&error))?;
        object.bytes = writer.bytes_written() as u64;
        self.done.push(object);
        Ok(())
    }

    /// Writes what is left; gives the objects with rows.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(crate) async fn finish(mut self) -> Result<Vec<Object>, Fault> {
        while let Some((_, open)) = self.open.pop_first() {
            self.close(open).await?;
        }
        Ok(self.done)
    }

    fn failed(&self, error: &dyn std::error::Error) -> Fault {
        match Fault::told(&chain(error)) {
            Fault::Job(problem) => Fault::Store {
                what: format!("write {} to {:?}", self.table.name, self.place.url()),
                problem,
            },
            other => other,
        }
    }
}

/// The day and hour of a time in UTC.
fn day_and_hour(time: Time) -> (String, u8) {
    let text = time.to_string();
    let (day, rest) = text.split_once('T').unwrap_or((&text, ""));
    (day.to_owned(), rest.get(..2).and_then(|hour| hour.parse().ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use siptrace::capture::FrameId;
    use siptrace::pipeline::parts::{Piece, PieceKind};

    use super::*;
    use crate::rows;
    use crate::tables::PIECES;

    #[test]
    fn hours_begin_before_their_minutes_before_1970_too() {
        assert_eq!(day_and_hour(Time::from_nanos(0)), ("1970-01-01".to_owned(), 0));
        assert_eq!(day_and_hour(Time::from_nanos(-1)), ("1969-12-31".to_owned(), 23));
    }

    #[tokio::test]
    async fn made_up_times_do_not_make_an_object_each() {
        let folder = std::env::temp_dir().join(format!("lake-{}", random_name()));
        let place = Place::of(&folder.to_string_lossy()).expect("a place");
        let mut writer = Writer::new(place, &PIECES, "0-");
        let piece = |number: u64| Piece {
            kind: PieceKind::Flow,
            table: 0,
            order: Time::from_nanos(number as i64 * HOUR),
            frame: FrameId { capture: 0, number },
            bytes: vec![1],
        };
        let many = 2 * HOURS_MAX as u64;
        for number in 0..many {
            let rows = [piece(number)];
            writer.write(rows, |own| Some(own.order), rows::pieces).await.expect("written");
        }
        let objects = writer.finish().await.expect("finished");
        assert_eq!(objects.iter().map(|own| own.rows).sum::<u64>(), many);
        let without = objects.iter().filter(|own| own.hour.is_none()).count();
        assert!(without >= 1 && objects.len() <= HOURS_MAX + without, "{}", objects.len());
        assert!(without <= 2, "{without}");
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
