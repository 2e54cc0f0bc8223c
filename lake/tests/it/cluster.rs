//! Lakes on clusters: a scheduler and two executors as processes of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::embedded::{assert_same, everything, expected, findings};
use crate::make;
use crate::run::{
    Cluster, Folder, Process, done, fault, output, recorded, recorded_together, text, wait_until,
};

/// An `ingest` under way on the cluster.
fn ingest(files: &[PathBuf], lake: &Path, cluster: &Cluster) -> Process {
    let mut args = vec!["ingest", "--quiet", "--cluster", &cluster.url, "-o", text(lake)];
    args.extend(files.iter().map(|path| text(path)));
    Process::start(&args)
}

/// Captures that were scanned so far.
fn scanned(lake: &Path) -> usize {
    fs::read_dir(lake.join("scan")).map_or(0, Iterator::count)
}

/// Every row of both lakes.
fn is_the_same(there: &Path, here: &Path) {
    let (there, here) = (everything(there), everything(here));
    for (table, rows) in &there {
        assert_same(rows, &here[table], table);
    }
}

#[test]
fn a_cluster_makes_the_same_rows() {
    let folder = Folder::new();
    let cluster = Cluster::start(&folder.join("work"));
    let (here, there) = (folder.join("here"), folder.join("there"));
    let captures = recorded_together();
    let names = || captures.iter().map(|path| text(path));
    done(["ingest", "-o", text(&here)].into_iter().chain(names()));
    let args = ["ingest", "-o", text(&there), "--cluster", &cluster.url];
    done(args.into_iter().chain(names()));
    assert_same(&findings(&there), &expected(&captures), "findings");
    is_the_same(&there, &here);

    let sql = "SELECT f.code, c.fate, count(*) AS n FROM findings f JOIN calls c \
               ON f.call_id = c.call_id GROUP BY f.code, c.fate ORDER BY f.code, c.fate";
    let query = ["query", text(&there), sql, "--format", "csv"];
    let asked_there = done(query.into_iter().chain(["--cluster", &cluster.url]));
    assert_eq!(asked_there, done(query));
    assert!(asked_there.lines().count() > 10, "{asked_there}");
}

#[test]
fn an_executor_that_is_lost_changes_nothing() {
    let folder = Folder::new();
    let mut cluster = Cluster::start(&folder.join("work"));
    let files = make::ring(&folder.join("ring"), &make::calls(598));
    let (here, there) = (folder.join("here"), folder.join("there"));
    let mut client = ingest(&files, &there, &cluster);
    wait_until("some captures are scanned", || scanned(&there) >= 5);
    cluster.executors[0].kill();
    assert!(scanned(&there) < files.len(), "it was lost too late to matter");
    assert_eq!(client.ended_within(Duration::from_secs(180)), Some(0));
    let names = files.iter().map(|path| text(path));
    done(["ingest", "-o", text(&here)].into_iter().chain(names));
    is_the_same(&there, &here);
}

/// The lake and its cluster after an `ingest` during which a part of the cluster was lost.
fn ended_without(lost: impl Fn(&mut Cluster)) -> (Folder, Cluster) {
    let folder = Folder::new();
    let mut cluster = Cluster::start(&folder.join("work"));
    let files = make::ring(&folder.join("ring"), &make::calls(598));
    let lake = folder.join("lake");
    let mut client = ingest(&files, &lake, &cluster);
    wait_until("some captures are scanned", || scanned(&lake) >= 3);
    lost(&mut cluster);
    assert_eq!(client.ended_within(Duration::from_secs(60)), Some(2));
    assert!(!lake.join("manifest.json").exists());
    (folder, cluster)
}

#[test]
fn without_executors_the_client_ends() {
    ended_without(|cluster| cluster.executors.iter_mut().for_each(Process::kill));
}

#[test]
fn without_its_scheduler_the_client_ends() {
    let (folder, cluster) = ended_without(|cluster| cluster.scheduler.kill());
    let lake = folder.join("lake");
    let capture = recorded().join("busy-486.pcap");
    let args = ["ingest", text(&capture), "-o", text(&lake), "--cluster", &cluster.url];
    let told = fault(&output(args));
    assert!(told.contains("cannot be reached") && told.lines().count() == 2, "{told}");
}

#[cfg(unix)]
#[test]
fn a_run_that_is_interrupted_leaves_the_lake_and_the_cluster_as_they_were() {
    let folder = Folder::new();
    let cluster = Cluster::start(&folder.join("work"));
    let files = make::ring(&folder.join("ring"), &make::calls(598));
    let lake = folder.join("lake");
    let mut client = ingest(&files, &lake, &cluster);
    wait_until("some captures are scanned", || scanned(&lake) >= 3);
    client.interrupt();
    assert_eq!(client.ended_within(Duration::from_secs(10)), Some(2));
    assert!(!lake.join("manifest.json").exists());
    // The tasks that were left are cancelled: soon nothing is scanned any more.
    let so_far = || (scanned(&lake), std::thread::sleep(Duration::from_secs(2)), scanned(&lake));
    wait_until("the job is over", || {
        let (before, (), after) = so_far();
        before == after
    });
    assert!(scanned(&lake) < files.len(), "it went on");
    let capture = recorded().join("busy-486.pcap");
    done(["ingest", text(&capture), "-o", text(&lake), "--cluster", &cluster.url]);
    assert_eq!(findings(&lake).len(), 1);
}
