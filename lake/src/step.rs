//! The operator that runs a step of the core inside a plan, and how it goes to other machines.
//!
//! It takes the rows of a partition in order and gives one row for each thing it made: which
//! objects hold what came out. Rows themselves go from the step to objects, so that a result is
//! small, and a task that is tried again leaves nothing that counts.

use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::compute::SortOptions;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{
    Distribution, EquivalenceProperties, LexOrdering, OrderingRequirements, Partitioning,
    PhysicalExpr, PhysicalSortExpr,
};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, InputDistributionRequirements, PlanProperties,
    SendableRecordBatchStream,
};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::steps;

/// Batches that wait for a step.
const WAITING: usize = 2;

/// What marks our nodes among those of Ballista.
const MARK: &[u8] = b"siptrace-step:";

/// A step, as other machines are told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// The URL of the lake.
    pub(crate) lake: String,
    /// What is done.
    pub(crate) job: Job,
}

/// What is done with the rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Job {
    /// Each row is a capture to be scanned.
    Scan {
        /// The object with the options.
        options: String,
        /// Threads for each capture.
        threads: usize,
    },
    /// The rows are pieces, those of a kind and table one after another.
    Follow {
        /// The object with the keys of encrypted flows.
        keys: String,
        /// There are several captures.
        is_several: bool,
    },
    /// The rows are messages, those of a Call-ID one after another.
    Judge {
        /// The object with what calls are judged by.
        grounds: String,
        /// There are several captures.
        is_several: bool,
    },
}

impl Job {
    /// The columns whose rows belong together.
    pub(crate) const fn keys(&self) -> &'static [&'static str] {
        match self {
            Self::Scan { .. } => &[],
            Self::Follow { .. } => &["kind", "table"],
            Self::Judge { .. } => &["call_id"],
        }
    }

    /// Its rows are sorted before it gets the first one.
    const fn is_sorted(&self) -> bool {
        !matches!(self, Self::Scan { .. })
    }

    /// The columns by which rows are in order.
    pub(crate) fn order(&self) -> Vec<&'static str> {
        let is_several = match self {
            Self::Scan { .. } => return Vec::new(),
            Self::Follow { is_several, .. } | Self::Judge { is_several, .. } => *is_several,
        };
        // Within one capture packets are in order as they were captured, whatever their clock says.
        let place: &[&str] = match is_several {
            true => &["order_time", "capture", "frame"],
            false => &["capture", "frame"],
        };
        self.keys().iter().chain(place).copied().collect()
    }

    /// The ordering that rows must have, if any.
    ///
    /// # Errors
    ///
    /// When the rows have no such columns.
    pub(crate) fn ordering(&self, schema: &Schema) -> Result<Option<LexOrdering>> {
        let options = SortOptions { descending: false, nulls_first: true };
        let sort = |name: &str| Ok(PhysicalSortExpr::new(col(name, schema)?, options));
        let exprs: Vec<_> = self.order().into_iter().map(sort).collect::<Result<_>>()?;
        Ok(LexOrdering::new(exprs))
    }

    /// The expressions by which rows are spread over partitions.
    ///
    /// # Errors
    ///
    /// When the rows have no such columns.
    pub(crate) fn hash(&self, schema: &Schema) -> Result<Vec<Arc<dyn PhysicalExpr>>> {
        self.keys().iter().map(|name| col(name, schema)).collect()
    }
}

/// The rows that every step gives.
pub(crate) fn made() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("made", DataType::Utf8, false)]))
}

/// Runs a step on each partition of its input.
#[derive(Debug)]
pub(crate) struct StepExec {
    spec: Spec,
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl StepExec {
    /// Runs the step on the rows of `input`.
    pub(crate) fn new(spec: Spec, input: Arc<dyn ExecutionPlan>) -> Self {
        let partitions = input.properties().output_partitioning().partition_count();
        let properties = Arc::new(PlanProperties::new(
            EquivalenceProperties::new(made()),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Final,
            Boundedness::Bounded,
        ));
        Self { spec, input, properties }
    }
}

impl DisplayAs for StepExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.spec.job {
            Job::Scan { .. } => "scan",
            Job::Follow { .. } => "follow",
            Job::Judge { .. } => "judge",
        };
        write!(f, "StepExec: {name}")
    }
}

impl ExecutionPlan for StepExec {
    fn name(&self) -> &str {
        "StepExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn input_distribution_requirements(&self) -> InputDistributionRequirements {
        let hash = self.spec.job.hash(&self.input.schema()).unwrap_or_default();
        InputDistributionRequirements::new(vec![match hash.is_empty() {
            true => Distribution::UnspecifiedDistribution,
            false => Distribution::KeyPartitioned(hash),
        }])
    }

    fn required_input_ordering(&self) -> Vec<Option<OrderingRequirements>> {
        let ordering = self.spec.job.ordering(&self.input.schema()).ok().flatten();
        vec![ordering.map(OrderingRequirements::from)]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn apply_expressions(
        &self,
        _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(self.spec.clone(), only(children)?)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let rows = futures::stream::once(run(self.spec.clone(), input));
        Ok(Box::pin(RecordBatchStreamAdapter::new(made(), rows)))
    }
}

/// Runs the step on a thread of its own, which may block, and feeds it.
async fn run(spec: Spec, mut input: SendableRecordBatchStream) -> Result<RecordBatch> {
    // What a step over sorted rows gathers stays until its end. It begins on a thread that another
    // one has left, whose memory it takes over.
    let (first, _turn) = match spec.job.is_sorted() {
        true => (input.next().await.transpose()?, Some(steps::turn().await)),
        false => (None, None),
    };
    let (give, take) = mpsc::channel(WAITING);
    let handle = Handle::current();
    let step = tokio::task::spawn_blocking(move || steps::run(&spec, &handle, take));
    if let Some(batch) = first {
        let _ = give.send(Some(batch)).await;
    }
    while let Some(batch) = input.next().await {
        // A step that ended before its rows did has failed, and tells why.
        if give.send(Some(batch?)).await.is_err() {
            break;
        }
    }
    let _ = give.send(None).await;
    let made = step.await.map_err(|_| {
        DataFusionError::Execution("a step panicked, which is a fault of siptrace".to_owned())
    })??;
    drop(give);
    Ok(RecordBatch::try_new(self::made(), vec![Arc::new(StringArray::from(made))])?)
}

fn only(children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
    let [child] = <[_; 1]>::try_from(children)
        .map_err(|_| DataFusionError::Internal("a step has one input".to_owned()))?;
    Ok(child)
}

/// Our operator in bytes; everything else as Ballista does it.
#[derive(Debug, Default)]
pub(crate) struct Codec {
    others: ballista_core::serde::BallistaPhysicalExtensionCodec,
}

impl PhysicalExtensionCodec for Codec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(spec) = bytes.strip_prefix(MARK) else {
            return self.others.try_decode(bytes, inputs, context, converter);
        };
        let spec = serde_json::from_slice(spec).map_err(|error| {
            let text = format!("the plan comes from another version of siptrace-lake: {error}");
            DataFusionError::Execution(text)
        })?;
        Ok(Arc::new(StepExec::new(spec, only(inputs.to_vec())?)))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        let Some(step) = node.downcast_ref::<StepExec>() else {
            return self.others.try_encode(node, bytes, converter);
        };
        bytes.extend_from_slice(MARK);
        serde_json::to_writer(bytes, &step.spec)
            .map_err(|error| DataFusionError::Execution(error.to_string()))
    }
}
