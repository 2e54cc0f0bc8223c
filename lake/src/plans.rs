//! Plans over the objects of a lake: the same ones on this machine and on a cluster.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Field, FieldRef, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::{
    FileGroup, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::Partitioning;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::repartition::RepartitionExec;
use datafusion::physical_plan::sorts::sort::SortExec;

use crate::fault::Fault;
use crate::manifest::Object;
use crate::step::{Spec, StepExec};
use crate::steps::scan::{self, Task};
use crate::store::Place;
use crate::tables::{PARTITION, Table, UTC};

/// Partitions that rows are spread over by their keys; fixed, so that what is made does not depend
/// on the number of cores.
pub(crate) const PARTITIONS: usize = 16;

/// A plan that scans captures, spread over so many tasks.
///
/// # Errors
///
/// Never, as long as the schema of tasks is theirs.
pub(crate) fn scan(
    spec: Spec,
    tasks: &[Task],
    groups: usize,
) -> std::result::Result<Arc<dyn ExecutionPlan>, Fault> {
    // The largest first, each to whom has least: no task is left alone at the end with a lot.
    let mut sorted: Vec<&Task> = tasks.iter().collect();
    sorted.sort_by_key(|task| (std::cmp::Reverse(task.size), task.index));
    let mut shares = vec![(0_u64, Vec::new()); groups.clamp(1, tasks.len().max(1))];
    for task in sorted {
        if let Some((bytes, share)) = shares.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            *bytes += task.size.max(1);
            share.push(task.clone());
        }
    }
    // A batch for each capture: whoever waits for rows is fed while the one before is scanned.
    let share = |(_, share): &(u64, Vec<Task>)| {
        share.iter().map(|task| scan::batch(std::slice::from_ref(task))).collect()
    };
    let batches = shares.iter().map(share).collect::<std::result::Result<Vec<Vec<_>>, Fault>>()?;
    let source = MemorySourceConfig::try_new(&batches, scan::schema(), None)?;
    Ok(Arc::new(StepExec::new(spec, DataSourceExec::from_data_source(source))))
}

/// A plan that runs a step on rows that belong together, in order.
///
/// # Errors
///
/// When the columns of the step are not among those of the rows.
pub(crate) fn step(spec: Spec, rows: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = rows.schema();
    let hash = Partitioning::Hash(spec.job.hash(&schema)?, PARTITIONS);
    let spread: Arc<dyn ExecutionPlan> = Arc::new(RepartitionExec::try_new(rows, hash)?);
    let sorted = match spec.job.ordering(&schema)? {
        Some(ordering) => {
            Arc::new(SortExec::new(ordering, spread).with_preserve_partitioning(true))
        }
        None => spread,
    };
    Ok(Arc::new(StepExec::new(spec, sorted)))
}

/// A plan that reads objects of a table, spread over so many tasks, with these columns only.
///
/// # Errors
///
/// When the table has no such column.
pub(crate) fn read(
    place: &Place,
    table: &'static Table,
    objects: &[&Object],
    columns: &[&str],
    groups: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = table.schema();
    let index = |name: &&str| Ok(schema.index_of(name)?);
    let columns: Vec<usize> = columns.iter().map(index).collect::<Result<_>>()?;
    let columns = Some(columns).filter(|columns| !columns.is_empty());
    let files = objects.iter().map(|object| file(place, table, object));
    let source = Arc::new(ParquetSource::new(TableSchema::from(schema)));
    files_plan(place, source, spread(files, groups), columns, None)
}

fn files_plan(
    place: &Place,
    source: Arc<dyn FileSource>,
    groups: Vec<FileGroup>,
    columns: Option<Vec<usize>>,
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let config = FileScanConfigBuilder::new(place.store_url()?, source)
        .with_file_groups(groups)
        .with_projection_indices(columns)?
        .with_limit(limit)
        .build();
    Ok(DataSourceExec::from_data_source(config))
}

/// Files in groups of about the same size.
fn spread(files: impl Iterator<Item = PartitionedFile>, groups: usize) -> Vec<FileGroup> {
    let mut files: Vec<PartitionedFile> = files.collect();
    files.sort_by_key(|file| std::cmp::Reverse(file.object_meta.size));
    let mut shares = vec![(0_u64, Vec::new()); groups.clamp(1, files.len().max(1))];
    for file in files {
        if let Some((bytes, share)) = shares.iter_mut().min_by_key(|(bytes, _)| *bytes) {
            *bytes += file.object_meta.size.max(1);
            share.push(file);
        }
    }
    shares.into_iter().map(|(_, share)| FileGroup::new(share)).collect()
}

fn file(place: &Place, table: &Table, object: &Object) -> PartitionedFile {
    let mut file = PartitionedFile::new(String::new(), object.bytes);
    // Not parsed from text: a name is taken as it is.
    file.object_meta.location = place.path(&object.name);
    let schema = table.schema();
    let mut statistics = Statistics::new_unknown(&schema);
    statistics.num_rows = Precision::Exact(usize::try_from(object.rows).unwrap_or(usize::MAX));
    let time = schema.index_of(table.time).ok();
    let column = time.and_then(|at| statistics.column_statistics.get_mut(at));
    if let (Some(column), Some((first, last))) = (column, object.times.filter(|_| is_by(table))) {
        let value = |nanos| ScalarValue::TimestampNanosecond(Some(nanos), Some(UTC.into()));
        column.min_value = Precision::Exact(value(first));
        column.max_value = Precision::Exact(value(last));
    }
    file.with_statistics(Arc::new(statistics))
}

/// The times of objects are those of the column by which rows are put into hours.
fn is_by(table: &Table) -> bool {
    // Transactions lie in the hour in which their call began.
    table.name != "transactions"
}

/// A table of a lake for SQL.
#[derive(Debug)]
pub(crate) struct LakeTable {
    place: Place,
    table: &'static Table,
    schema: TableSchema,
    objects: Vec<Object>,
    groups: usize,
}

impl LakeTable {
    /// The table with these objects, read by so many tasks.
    pub(crate) fn new(
        place: Place,
        table: &'static Table,
        objects: Vec<Object>,
        groups: usize,
    ) -> Self {
        let field = |own: &crate::tables::Column| -> FieldRef {
            Arc::new(Field::new(own.name, own.kind.data_type(), own.is_nullable))
        };
        let partition: Vec<FieldRef> = PARTITION.iter().map(field).collect();
        let schema = TableSchema::builder(table.schema());
        let schema = schema.with_table_partition_cols(partition).build();
        Self { place, table, schema, objects, groups }
    }

    fn file(&self, object: &Object) -> PartitionedFile {
        let (day, hour) = match &object.hour {
            Some((day, hour)) => (Some(day.clone()), Some(*hour)),
            None => (None, None),
        };
        let values = vec![ScalarValue::Utf8(day), ScalarValue::UInt8(hour)];
        let file = file(&self.place, self.table, object);
        let statistics = file.statistics.clone();
        let file = PartitionedFile { statistics: None, ..file }.with_partition_values(values);
        match statistics {
            Some(statistics) => file.with_statistics(statistics),
            None => file,
        }
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // They leave out files and parts of files; what is left is asked again.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut source = ParquetSource::new(self.schema.clone());
        if let Some(filter) = conjunction(filters.to_vec()) {
            let schema = datafusion::common::DFSchema::try_from(self.schema())?;
            source = source.with_predicate(state.create_physical_expr(filter, &schema)?);
        }
        let files = self.objects.iter().map(|object| self.file(object));
        let groups = spread(files, self.groups);
        // With a filter, more rows than asked for may have to be looked at.
        let limit = limit.filter(|_| filters.is_empty());
        files_plan(&self.place, Arc::new(source), groups, projection.cloned(), limit)
    }
}
