//! The roles of a cluster: Ballista's scheduler and executor, which know our operator.
//!
//! The ports have no authentication of their own: they belong on a network that is trusted, and are
//! bound to this machine unless the user says otherwise.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use ballista_core::{ConfigProducer, RuntimeProducer};
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::start_server;
use clap::Args;
use datafusion::prelude::SessionConfig;

use crate::cluster::{MESSAGE_BYTES, PORT};
use crate::engine::{self, Work};
use crate::fault::{Fault, chain};
use crate::size::Size;
use crate::steps;

/// How often executors say that they are alive, in seconds.
const HEARTBEAT: u64 = 2;

/// After how long without a word an executor counts as lost, in seconds.
const LOST: u64 = 10;

/// How long jobs wait for another executor when the last one is lost, in seconds.
const GRACE: u64 = 15;

/// How long results and what was shuffled are kept, in seconds.
const KEPT: u64 = 600;

/// Run the scheduler of a cluster
#[derive(Debug, Args)]
#[command(after_help = "\
The port has no passwords: bind it to a network that is trusted.

Examples:
  siptrace-lake scheduler
  siptrace-lake scheduler --bind 10.0.0.5 --port 50050")]
pub(crate) struct SchedulerArgs {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    bind: IpAddr,
    /// Port to listen on
    #[arg(long, value_name = "PORT", default_value_t = PORT)]
    port: u16,
}

/// Run an executor of a cluster
#[derive(Debug, Args)]
#[command(after_help = "\
Captures and the lake must have the same path or URL on every machine; keys of object stores come
from the environment of each. The ports have no passwords: bind them to a network that is trusted.

Examples:
  siptrace-lake executor --scheduler 10.0.0.5:50050 --bind 10.0.0.6 --memory 8GiB --work /var/tmp
  siptrace-lake executor --port 50061 --grpc-port 50062 --cores 1")]
pub(crate) struct ExecutorArgs {
    /// Address and port of the scheduler
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:50050")]
    scheduler: String,
    /// Address to listen on, by which the others reach it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    bind: IpAddr,
    /// Port for rows
    #[arg(long, value_name = "PORT", default_value_t = 50051)]
    port: u16,
    /// Port for tasks
    #[arg(long, value_name = "PORT", default_value_t = 50052)]
    grpc_port: u16,
    /// Tasks at a time [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    cores: Option<u16>,
    /// Memory for rows that are sorted or joined, all tasks together; what does not fit is spilled
    #[arg(long, value_name = "SIZE", default_value = "2GiB")]
    memory: Size,
    /// Folder for rows between jobs, and for what is spilled [default: one of its own, for a while]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

fn config() -> ConfigProducer {
    Arc::new(|| engine::config(None))
}

/// Says in whose logs this is.
fn begins(role: &str) {
    let _ = writeln!(std::io::stderr(), "siptrace-lake: {role}");
}

/// Runs a scheduler until it is stopped.
///
/// # Errors
///
/// When it cannot listen.
pub(crate) async fn scheduler(args: &SchedulerArgs) -> Result<(), Fault> {
    let session = |config: SessionConfig| {
        let runtime = engine::runtime(None, None)
            .map_err(|fault| datafusion::error::DataFusionError::Execution(chain(&fault)))?;
        Ok(engine::state(config, runtime))
    };
    let config = SchedulerConfig {
        bind_host: args.bind.to_string(),
        external_host: args.bind.to_string(),
        bind_port: args.port,
        executor_timeout_seconds: LOST,
        expire_dead_executor_interval_seconds: HEARTBEAT,
        no_executors_grace_period_seconds: GRACE,
        finished_job_data_clean_up_interval_seconds: KEPT,
        finished_job_state_clean_up_interval_seconds: KEPT,
        grpc_server_max_decoding_message_size: MESSAGE_BYTES as u32,
        grpc_server_max_encoding_message_size: MESSAGE_BYTES as u32,
        grpc_client_max_message_size: MESSAGE_BYTES as u32,
        // Who reaches the scheduler gets results, wherever the executors are.
        enable_embedded_flight_proxy: true,
        override_config_producer: Some(config()),
        override_session_builder: Some(Arc::new(session)),
        override_physical_codec: Some(Arc::new(crate::step::Codec::default())),
        ..SchedulerConfig::default()
    };
    let failed = |error: ballista_core::error::BallistaError| {
        let problem = format!("could not run the scheduler on {}:{}", args.bind, args.port);
        let hint = "another program may listen there; `--port` takes another one";
        Fault::usage(format!("{problem}: {}", chain(&error)), hint)
    };
    begins(&format!("scheduler of df://{}", SocketAddr::new(args.bind, args.port)));
    let cluster = BallistaCluster::new_from_config(&config).await.map_err(failed)?;
    let server = start_server(cluster, SocketAddr::new(args.bind, args.port), Arc::new(config));
    tokio::select! {
        result = server => result.map_err(failed),
        () = crate::signals::stopped() => Ok(()),
    }
}

/// Runs an executor until it is stopped.
///
/// # Errors
///
/// When it cannot listen, or the scheduler does not want it.
pub(crate) async fn executor(args: &ExecutorArgs) -> Result<(), Fault> {
    let cores = args.cores.map_or_else(crate::cli::cores, usize::from);
    steps::bound(cores);
    let wrong = || {
        let hint = format!("name it as in `--scheduler 10.0.0.5:{PORT}`");
        Fault::usage(format!("could not use {:?} as a scheduler", args.scheduler), hint)
    };
    let (host, port) = args.scheduler.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().map_err(|_| wrong())?;
    let work = Work::within(args.work.as_deref())?;
    let folder = work.path().to_owned();
    let runtime: RuntimeProducer = Arc::new(move |_| {
        // Ballista gives each task its share of memory.
        engine::runtime(None, Some(&folder))
            .map_err(|fault| datafusion::error::DataFusionError::Execution(chain(&fault)))
    });
    let process = ExecutorProcessConfig {
        bind_host: args.bind.to_string(),
        external_host: Some(args.bind.to_string()),
        port: args.port,
        grpc_port: args.grpc_port,
        scheduler_host: host.trim_matches(['[', ']']).to_owned(),
        scheduler_port: port,
        scheduler_connect_timeout_seconds: 30,
        vcores: cores,
        work_dir: Some(work.path().to_string_lossy().into_owned()),
        job_data_ttl_seconds: KEPT,
        job_data_clean_up_interval_seconds: 60,
        executor_heartbeat_interval_seconds: HEARTBEAT,
        memory_pool_size: Some(args.memory.bytes() as u64),
        grpc_max_decoding_message_size: MESSAGE_BYTES as u32,
        grpc_max_encoding_message_size: MESSAGE_BYTES as u32,
        override_runtime_producer: Some(runtime),
        override_config_producer: Some(config()),
        override_physical_codec: Some(Arc::new(crate::step::Codec::default())),
        ..ExecutorProcessConfig::default()
    };
    begins(&format!("executor of df://{} with {cores} cores", args.scheduler));
    let result = start_executor_process(Arc::new(process)).await;
    result.map_err(|error| {
        let problem = format!("could not run the executor for {}", args.scheduler);
        let hint = "the scheduler has to run, and the ports of the executor must be free";
        Fault::usage(format!("{problem}: {}", chain(&error)), hint)
    })
}
