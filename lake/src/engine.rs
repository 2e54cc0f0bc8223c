//! Where plans run: in this process, or on a cluster. The plans are the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ballista_core::extension::SessionConfigExt as _;
use datafusion::arrow::array::RecordBatch;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryPool, TrackConsumersPool, UnboundedMemoryPool,
};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::physical_plan::{ExecutionPlan, SendableRecordBatchStream, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::TryStreamExt as _;

use crate::cluster::Cluster;
use crate::fault::Fault;
use crate::plans::PARTITIONS;
use crate::steps;
use crate::store::{Stores, random_name};

/// Rows of a batch at most: messages with their payloads are large.
const BATCH_ROWS: usize = 4096;

/// Runs of sorted rows that a sort merges at a time. Each takes four batches of memory that cannot
/// be spilled, in every partition, so it must not depend on how many there are.
const MERGED: usize = 4;

/// Bytes of memory for each row of a batch: what is merged takes half of it where rows have 2 KiB.
const MEMORY_OF_ROW: usize = 2 * PARTITIONS * MERGED * 4 * (2 << 10);

/// Bytes that each sort keeps to merge what it has spilled, at most.
const MERGE_BYTES: usize = 8 << 20;

/// Sorts that may run at a time in one process.
const SORTS: usize = 4 * PARTITIONS;

/// The stack that deep plans and deep messages need.
pub(crate) const STACK_BYTES: usize = 16 << 20;

/// Consumers of memory that an error names.
const CONSUMERS: usize = 3;

/// What a process may take.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    /// Bytes for rows that are sorted or joined; beyond, they are spilled.
    pub(crate) memory: Option<usize>,
    /// Threads that compute.
    pub(crate) threads: usize,
    /// Where rows are spilled to.
    pub(crate) work: Option<PathBuf>,
}

/// Runs plans.
pub(crate) struct Engine {
    session: SessionContext,
    cluster: Option<Cluster>,
    threads: usize,
    /// Goes with everything that was spilled.
    _work: Work,
}

impl Engine {
    /// Runs plans in this process, or on the cluster.
    ///
    /// # Errors
    ///
    /// When the folder for what is spilled cannot be used.
    pub(crate) fn new(limits: &Limits, cluster: Option<Cluster>) -> Result<Self, Fault> {
        steps::bound(limits.threads);
        let partitions = match cluster {
            Some(_) => PARTITIONS,
            None => limits.threads,
        };
        let config = config(limits.memory).with_target_partitions(partitions);
        let work = Work::within(limits.work.as_deref())?;
        let state = state(config, runtime(limits.memory, Some(work.path()))?);
        let session = SessionContext::new_with_state(state);
        Ok(Self { session, cluster, threads: limits.threads, _work: work })
    }

    /// For plans that are made of SQL.
    pub(crate) fn session(&self) -> &SessionContext {
        &self.session
    }

    /// Tasks that run at a time at best, as far as that is known.
    pub(crate) fn tasks(&self) -> usize {
        match self.cluster {
            Some(_) => PARTITIONS,
            None => self.threads,
        }
    }

    /// Threads of this machine, where plans run here.
    pub(crate) fn threads(&self) -> Option<usize> {
        self.cluster.is_none().then_some(self.threads)
    }

    /// Runs the plan to its end.
    ///
    /// # Errors
    ///
    /// When it fails, or the cluster is gone.
    pub(crate) async fn run(
        &self,
        plan: Arc<dyn ExecutionPlan>,
    ) -> Result<Vec<RecordBatch>, Fault> {
        match &self.cluster {
            Some(cluster) => cluster.run(plan, self.session.copied_config()).await,
            None => Ok(self.here(plan)?.try_collect().await?),
        }
    }

    /// Runs the plan in this process in any case, and gives its rows as they come.
    ///
    /// # Errors
    ///
    /// When it cannot begin.
    pub(crate) fn here(
        &self,
        plan: Arc<dyn ExecutionPlan>,
    ) -> Result<SendableRecordBatchStream, Fault> {
        Ok(execute_stream(plan, self.session.task_ctx())?)
    }
}

/// The settings of sessions, the same everywhere.
pub(crate) fn config(memory: Option<usize>) -> SessionConfig {
    let merge = memory.map_or(MERGE_BYTES, |memory| (memory / SORTS).clamp(1 << 18, MERGE_BYTES));
    let rows = memory.map_or(BATCH_ROWS, |memory| (memory / MEMORY_OF_ROW).clamp(64, BATCH_ROWS));
    // Strings have one type in both modes, and stages are those of the plan: what several
    // partitions hold is never put together because it is small.
    SessionConfig::new_with_ballista()
        .with_batch_size(rows)
        .with_sort_spill_reservation_bytes(merge)
        .set_bool("datafusion.execution.parquet.schema_force_view_types", false)
        .set_bool("datafusion.execution.parquet.pushdown_filters", true)
        .set_bool("datafusion.catalog.information_schema", true)
        .set_bool(ballista_core::config::BALLISTA_ADAPTIVE_PLANNER_ENABLED, false)
        .set_u64(ballista_core::config::BALLISTA_CLIENT_GRPC_HTTP2_KEEPALIVE_INTERVAL_SECONDS, 10)
        .set_u64(ballista_core::config::BALLISTA_CLIENT_GRPC_CONNECT_TIMEOUT_SECONDS, 10)
        .with_ballista_grpc_client_max_message_size(crate::cluster::MESSAGE_BYTES)
}

/// A session with these settings.
pub(crate) fn state(config: SessionConfig, runtime: Arc<RuntimeEnv>) -> SessionState {
    SessionStateBuilder::new()
        .with_default_features()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_optimizer_rules(ballista_core::optimizer::ballista_default_optimizer_rules())
        .build()
}

/// Memory, disk and stores of a process.
///
/// # Errors
///
/// Never for a folder that is there.
pub(crate) fn runtime(
    memory: Option<usize>,
    work: Option<&Path>,
) -> Result<Arc<RuntimeEnv>, Fault> {
    let pool: Arc<dyn MemoryPool> = match memory {
        Some(bytes) => {
            let named =
                std::num::NonZeroUsize::new(CONSUMERS).unwrap_or(std::num::NonZeroUsize::MIN);
            Arc::new(TrackConsumersPool::new(FairSpillPool::new(bytes), named))
        }
        None => Arc::new(UnboundedMemoryPool::default()),
    };
    let disk = match work {
        Some(folder) => DiskManagerMode::Directories(vec![folder.to_owned()]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    // What is spilled may take the disk that it is given; the system says when it is full.
    let disk = DiskManagerBuilder::default()
        .with_mode(disk)
        .with_max_temp_directory_size(u64::MAX)
        .with_max_spill_merge_fan_in(MERGED);
    let builder = RuntimeEnvBuilder::new()
        .with_object_store_registry(Arc::new(Stores))
        .with_disk_manager_builder(disk)
        .with_memory_pool(pool);
    Ok(builder.build_arc()?)
}

/// A folder of this process; it goes when this does, with what is in it.
#[derive(Debug)]
pub(crate) struct Work(PathBuf);

impl Work {
    /// A folder in the one that the user names, else in that of the system. Processes of one
    /// machine may be given the same one.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub(crate) fn within(named: Option<&Path>) -> Result<Self, Fault> {
        let above = named.map_or_else(std::env::temp_dir, Path::to_owned);
        let folder = above.join(format!("siptrace-lake-{}", random_name()));
        std::fs::create_dir_all(&folder).map_err(|error| {
            let hint = "name a folder that may be written to with `--work`";
            Fault::usage(format!("could not use the folder {above:?}: {error}"), hint)
        })?;
        Ok(Self(folder))
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What stopped us matters more.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
