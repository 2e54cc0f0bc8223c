//! Runs the program.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lake-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).expect("made");
        Self(path)
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The captures that the plain program is tested with.
pub(crate) fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/captures")
}

/// All of them, as one set.
pub(crate) fn recorded_together() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(recorded()).expect("the captures are there");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder is readable").path())
        .filter(|path| path.to_string_lossy().contains(".pcap"))
        .collect();
    paths.sort();
    paths
}

pub(crate) fn command<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_siptrace-lake"));
    command.args(args).stdin(Stdio::null());
    command
}

pub(crate) fn output<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> Output {
    command(args).output().expect("the program runs")
}

/// What it writes, where it ends well.
pub(crate) fn done<S: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = S>) -> String {
    let output = output(args);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What it says, where it ends with exit code 2.
pub(crate) fn fault(output: &Output) -> String {
    let told = String::from_utf8(output.stderr.clone()).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{told}");
    told
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The rows of a query.
pub(crate) fn rows(lake: &Path, sql: &str) -> Vec<Value> {
    let json = done(["query", text(lake), sql, "--format", "json"]);
    serde_json::from_str(&json).expect("JSON")
}

/// A scheduler or an executor; killed when it is dropped.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut command = command(args);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts"))
    }

    /// As a machine that loses power.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// As a user who presses Ctrl-C.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        let status = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// How it ended, within that time.
    pub(crate) fn ended_within(&mut self, time: Duration) -> Option<i32> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            if let Some(status) = self.0.try_wait().expect("it can be waited for") {
                return Some(status.code().unwrap_or(-1));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Ports that nobody listens on.
pub(crate) fn ports<const N: usize>() -> [u16; N] {
    // Held together, so that they are different.
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    listeners.map(|own| own.local_addr().expect("an address").port())
}

/// A scheduler and two executors with a core each.
pub(crate) struct Cluster {
    pub(crate) url: String,
    pub(crate) scheduler: Process,
    pub(crate) executors: Vec<Process>,
}

impl Cluster {
    pub(crate) fn start(work: &Path) -> Self {
        let [port, a, b, c, d] = ports();
        let scheduler = Process::start(&["scheduler", "--port", &port.to_string()]);
        let address = format!("127.0.0.1:{port}");
        wait_until("the scheduler listens", || std::net::TcpStream::connect(&address).is_ok());
        let executor = |port: u16, grpc_port: u16| {
            let (port, grpc_port) = (port.to_string(), grpc_port.to_string());
            let ports = ["--port", &port, "--grpc-port", &grpc_port];
            let args = ["executor", "--scheduler", &address, "--cores", "1", "--memory", "512MiB"];
            let work = ["--work", text(work)];
            Process::start(&[&args[..], &ports[..], &work[..]].concat())
        };
        let executors = vec![executor(a, b), executor(c, d)];
        for port in [a, c] {
            let address = format!("127.0.0.1:{port}");
            wait_until("the executor listens", || std::net::TcpStream::connect(&address).is_ok());
        }
        Self { url: format!("df://{address}"), scheduler, executors }
    }
}

pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "waited for a minute: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
