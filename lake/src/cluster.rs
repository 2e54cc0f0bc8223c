//! The client of a cluster: submits plans, watches over them, and fetches what they give.
//!
//! A job on a cluster without executors, or one whose scheduler is gone, ends with an error within
//! a minute. Whoever stops waiting for a job cancels it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ballista_core::client::BallistaClient;
use ballista_core::extension::SessionConfigExt as _;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::serde::protobuf::{
    CancelJobParams, ExecuteQueryParams, GetJobStatusParams, GetJobStatusResult, KeyValuePair,
    PartitionLocation, execute_query_params::Query, execute_query_result,
    get_job_status_result::FlightProxy, job_status,
};
use ballista_core::utils::{GrpcClientConfig, create_grpc_client_endpoint};
use datafusion::arrow::array::RecordBatch;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionConfig;
use datafusion_proto::physical_plan::AsExecutionPlan as _;
use datafusion_proto::protobuf::PhysicalPlanNode;
use futures::TryStreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tonic::transport::Channel;
use url::Url;

use crate::fault::{Fault, chain};
use crate::step::Codec;
use crate::store::random_name;

/// Bytes of a message between client, scheduler and executors: plans name many objects.
pub(crate) const MESSAGE_BYTES: usize = 256 << 20;

/// The port of schedulers.
pub(crate) const PORT: u16 = 50050;

/// How often a job is asked after.
const ASK: Duration = Duration::from_millis(100);

/// How often the cluster is asked whether it has executors.
const LOOK: Duration = Duration::from_secs(2);

/// How long a cluster may be without executors, or a scheduler without an answer.
const PATIENCE: Duration = Duration::from_secs(25);

/// How long one question to the scheduler may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Times that a job is run whose result was lost with the executor that had it.
const TRIES: usize = 3;

type Scheduler = SchedulerGrpcClient<Channel>;

/// A cluster.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    host: String,
    port: u16,
}

/// Why a job has no result.
enum Lost {
    /// It must not be run again.
    For(Fault),
    /// An executor took its result away.
    Once(Fault),
}

impl From<Fault> for Lost {
    fn from(fault: Fault) -> Self {
        Self::For(fault)
    }
}

impl Cluster {
    /// The cluster that the user names, `df://host:50050`.
    ///
    /// # Errors
    ///
    /// When that is no cluster.
    pub(crate) fn of(name: &str) -> Result<Self, Fault> {
        let url = Url::parse(name).ok().filter(|url| url.scheme() == "df");
        let host = url.as_ref().and_then(Url::host_str).map(ToOwned::to_owned);
        let Some(host) = host else {
            let hint = format!("name its scheduler, as in `--cluster df://localhost:{PORT}`");
            return Err(Fault::usage(format!("could not use {name:?} as a cluster"), hint));
        };
        let port = url.and_then(|url| url.port()).unwrap_or(PORT);
        Ok(Self { host, port })
    }

    /// Runs the plan there to its end.
    ///
    /// # Errors
    ///
    /// When it fails there, or the cluster is gone.
    pub(crate) async fn run(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        config: SessionConfig,
    ) -> Result<Vec<RecordBatch>, Fault> {
        let mut left = TRIES;
        loop {
            left -= 1;
            match self.attempt(&plan, &config).await {
                Ok(batches) => return Ok(batches),
                Err(Lost::For(fault)) => return Err(fault),
                Err(Lost::Once(fault)) if left == 0 => return Err(fault),
                Err(Lost::Once(_)) => {}
            }
        }
    }

    async fn attempt(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        config: &SessionConfig,
    ) -> Result<Vec<RecordBatch>, Lost> {
        let query = query(plan, config)?;
        let mut scheduler = self.connect(config).await?;
        let job = self.submit(&mut scheduler, query).await?;
        let mut guard = Guard { scheduler: scheduler.clone(), job: Some(job.clone()) };
        let watch = self.watch();
        let done = self.done(scheduler, &job);
        let (places, proxy) = tokio::select! {
            done = done => {
                // Whatever became of it, there is nothing to cancel.
                guard.job = None;
                done?
            }
            fault = watch => return Err(fault.into()),
        };
        let mut batches = Vec::new();
        for place in places {
            batches.extend(self.fetch(place, proxy.as_ref()).await.map_err(Lost::Once)?);
        }
        Ok(batches)
    }

    fn name(&self) -> String {
        format!("df://{}:{}", self.host, self.port)
    }

    fn gone(&self, why: &str) -> Fault {
        Fault::Cluster(format!("the cluster {} {why}", self.name()))
    }

    async fn connect(&self, config: &SessionConfig) -> Result<Scheduler, Fault> {
        let grpc = GrpcClientConfig::from(&config.ballista_config());
        let address = format!("http://{}:{}", self.host, self.port);
        let endpoint = create_grpc_client_endpoint(address, Some(&grpc))
            .map_err(|error| self.gone(&format!("cannot be reached: {error}")))?;
        let connected = endpoint.connect().await;
        let channel = connected
            .map_err(|error| self.gone(&format!("cannot be reached: {}", chain(&error))))?;
        Ok(SchedulerGrpcClient::new(channel)
            .max_encoding_message_size(MESSAGE_BYTES)
            .max_decoding_message_size(MESSAGE_BYTES))
    }

    async fn submit(
        &self,
        scheduler: &mut Scheduler,
        query: ExecuteQueryParams,
    ) -> Result<String, Fault> {
        let mut request = tonic::Request::new(query);
        ballista_core::version::insert_version_header(request.metadata_mut());
        let answer = scheduler.execute_query(request).await;
        let answer = answer.map_err(|status| self.refused(&status))?.into_inner();
        match answer.result {
            Some(execute_query_result::Result::Success(success)) => Ok(success.job_id),
            Some(execute_query_result::Result::Failure(failure)) => {
                Err(Fault::told(&format!("the cluster refused the job: {failure:?}")))
            }
            None => Err(self.gone("gave no answer")),
        }
    }

    fn refused(&self, status: &tonic::Status) -> Fault {
        match status.code() {
            tonic::Code::Unavailable | tonic::Code::DeadlineExceeded | tonic::Code::Cancelled => {
                self.gone(&format!("is gone: {}", status.message()))
            }
            _ => Fault::told(status.message()),
        }
    }

    /// Waits for the end of the job.
    async fn done(
        &self,
        mut scheduler: Scheduler,
        job: &str,
    ) -> Result<(Vec<PartitionLocation>, Option<FlightProxy>), Fault> {
        let mut answered = Instant::now();
        loop {
            let question = scheduler.get_job_status(GetJobStatusParams { job_id: job.to_owned() });
            let answer = match tokio::time::timeout(ANSWER, question).await {
                Ok(Ok(answer)) => Ok(answer.into_inner()),
                Ok(Err(status)) => Err(self.refused(&status)),
                Err(_) => Err(self.gone("does not answer")),
            };
            match answer {
                Ok(GetJobStatusResult { status, flight_proxy }) => {
                    answered = Instant::now();
                    match status.and_then(|status| status.status) {
                        Some(job_status::Status::Failed(failed)) => {
                            return Err(Fault::told(&failed.error));
                        }
                        Some(job_status::Status::Successful(done)) => {
                            return Ok((done.partition_location, flight_proxy));
                        }
                        Some(job_status::Status::Queued(_) | job_status::Status::Running(_))
                        | None => {}
                    }
                }
                Err(fault) if answered.elapsed() > PATIENCE => return Err(fault),
                Err(_) => {}
            }
            tokio::time::sleep(ASK).await;
        }
    }

    /// Ends when the cluster has been without executors for too long.
    async fn watch(&self) -> Fault {
        let mut seen = Instant::now();
        loop {
            tokio::time::sleep(LOOK).await;
            match tokio::time::timeout(ANSWER, self.has_executors()).await {
                Ok(Ok(true)) => seen = Instant::now(),
                Ok(Ok(false)) if seen.elapsed() > PATIENCE => {
                    return self.gone("has no executor left");
                }
                Ok(Err(_)) | Err(_) if seen.elapsed() > PATIENCE => {
                    return self.gone("does not answer");
                }
                _ => {}
            }
        }
    }

    /// Asks the scheduler the way probes do.
    async fn has_executors(&self) -> std::io::Result<bool> {
        let mut stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let question = "GET /readyz HTTP/1.1\r\nHost: scheduler\r\nConnection: close\r\n\r\n";
        stream.write_all(question.as_bytes()).await?;
        let mut answer = [0; 64];
        let mut length = 0;
        while length < "HTTP/1.1 200".len() {
            match stream.read(answer.get_mut(length..).unwrap_or_default()).await? {
                0 => break,
                more => length += more,
            }
        }
        Ok(answer.starts_with(b"HTTP/1.1 200"))
    }

    async fn fetch(
        &self,
        place: PartitionLocation,
        proxy: Option<&FlightProxy>,
    ) -> Result<Vec<RecordBatch>, Fault> {
        let layout = place.layout();
        let (Some(executor), Some(partition)) = (place.executor_meta, place.partition_id) else {
            return Err(self.gone("does not tell where the result is"));
        };
        let own = (executor.host.clone(), executor.port as u16);
        let (host, port) = match proxy {
            Some(FlightProxy::Local(true)) => (self.host.clone(), self.port),
            Some(FlightProxy::External(address)) => match address.rsplit_once(':') {
                Some((host, port)) => (host.to_owned(), port.parse().unwrap_or(own.1)),
                None => own.clone(),
            },
            Some(FlightProxy::Local(false)) | None => own.clone(),
        };
        let failed = |error: ballista_core::error::BallistaError| {
            self.gone(&format!("has lost a result: {error}"))
        };
        let mut client = BallistaClient::try_new(
            &host,
            port,
            MESSAGE_BYTES,
            false,
            None,
            TRIES as u8,
            500,
            0,
            0,
        )
        .await
        .map_err(failed)?;
        let stream = client
            .fetch_partition_proxied(
                &executor.id,
                &partition.into(),
                place.file_id,
                layout,
                &own.0,
                own.1,
                true,
            )
            .await
            .map_err(failed)?;
        let batches = stream.try_collect().await;
        batches.map_err(|error| self.gone(&format!("has lost a result: {error}")))
    }
}

/// The plan with its settings, as schedulers take it.
fn query(
    plan: &Arc<dyn ExecutionPlan>,
    config: &SessionConfig,
) -> Result<ExecuteQueryParams, Fault> {
    let node = PhysicalPlanNode::try_from_physical_plan(Arc::clone(plan), &Codec::default())?;
    let mut bytes = Vec::new();
    node.try_encode(&mut bytes)?;
    let setting = |entry: datafusion::config::ConfigEntry| KeyValuePair {
        key: entry.key,
        value: entry.value,
    };
    Ok(ExecuteQueryParams {
        query: Some(Query::PhysicalPlan(bytes)),
        settings: config.options().entries().into_iter().map(setting).collect(),
        session_id: random_name(),
        operation_id: random_name(),
    })
}

/// Cancels the job when nobody waits for it any more.
struct Guard {
    scheduler: Scheduler,
    job: Option<String>,
}

/// Jobs that are being cancelled.
static CANCELS: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

impl Drop for Guard {
    fn drop(&mut self) {
        let (Some(job_id), Ok(handle)) = (self.job.take(), Handle::try_current()) else { return };
        let mut scheduler = self.scheduler.clone();
        let cancel = handle.spawn(async move {
            // A scheduler that is gone has nothing to cancel.
            let _ = scheduler.cancel_job(CancelJobParams { job_id }).await;
        });
        CANCELS.lock().unwrap_or_else(PoisonError::into_inner).push(cancel);
    }
}

/// Waits until jobs are cancelled whose end nobody waited for.
pub(crate) async fn cancelled() {
    let cancels = std::mem::take(&mut *CANCELS.lock().unwrap_or_else(PoisonError::into_inner));
    let all = futures::future::join_all(cancels);
    let _ = tokio::time::timeout(Duration::from_secs(3), all).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_named_by_their_scheduler() {
        let cluster = Cluster::of("df://lake.example:1234").expect("a cluster");
        assert_eq!((cluster.host.as_str(), cluster.port), ("lake.example", 1234));
        assert_eq!(Cluster::of("df://localhost").expect("a cluster").port, PORT);
        for wrong in ["localhost:50050", "http://localhost:50050", "df://"] {
            assert!(matches!(Cluster::of(wrong), Err(Fault::Usage(..))), "{wrong}");
        }
    }
}
