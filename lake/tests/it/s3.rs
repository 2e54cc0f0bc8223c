//! Captures and lakes in a store that speaks S3, as far as it is needed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::make;
use crate::run::{Folder, command, done, text};

/// Objects by bucket and key.
type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A store on this machine; what it says of itself.
fn store() -> (Objects, [(&'static str, String); 4]) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let objects = Objects::default();
    let shared = Arc::clone(&objects);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let objects = Arc::clone(&shared);
            std::thread::spawn(move || while answer(&stream, &objects).is_some() {});
        }
    });
    let environment = [
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
        ("AWS_ACCESS_KEY_ID", "key".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
    ];
    (objects, environment)
}

/// Reads one request and answers it; none at the end.
fn answer(stream: &TcpStream, objects: &Objects) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    (reader.read_line(&mut line).ok()? > 0).then_some(())?;
    let (method, target) = line.split_once(' ')?;
    let (target, _) = target.split_once(' ')?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (mut length, mut range) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "range" => range = value.trim().strip_prefix("bytes=").map(ToOwned::to_owned),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let key = decoded(path.strip_prefix('/')?);
    let mut objects = objects.lock().ok()?;
    let (status, head, body) = match method {
        "PUT" => {
            objects.insert(key, body);
            (200, String::new(), Vec::new())
        }
        "GET" if query.contains("list-type=2") => (200, String::new(), list(&objects, &key, query)),
        "POST" => {
            let own = String::from_utf8_lossy(&body).into_owned();
            objects.retain(|name, _| {
                let name = name.strip_prefix(key.as_str()).unwrap_or(name).trim_start_matches('/');
                !own.contains(&format!("<Key>{name}</Key>"))
            });
            (200, String::new(), b"<DeleteResult></DeleteResult>".to_vec())
        }
        _ => match objects.get(&key) {
            None => (404, String::new(), Vec::new()),
            Some(object) => part(object, range.as_deref()),
        },
    };
    let mut head = format!(
        "HTTP/1.1 {status} OK\r\nETag: \"tag\"\r\nLast-Modified: Sun, 22 Nov 2026 00:00:00 GMT\r\n\
         Content-Length: {}\r\n{head}\r\n",
        body.len()
    )
    .into_bytes();
    if method != "HEAD" {
        head.extend(body);
    }
    let mut stream = stream;
    stream.write_all(&head).ok()
}

fn part(object: &[u8], range: Option<&str>) -> (u16, String, Vec<u8>) {
    let Some((from, to)) = range.and_then(|range| range.split_once('-')) else {
        return (200, String::new(), object.to_vec());
    };
    let last = object.len() - 1;
    let (from, to) = match (from.parse::<usize>(), to.parse::<usize>()) {
        (Ok(from), Ok(to)) => (from, to.min(last)),
        (Ok(from), Err(_)) => (from, last),
        (Err(_), Ok(count)) => (object.len() - count, last),
        (Err(_), Err(_)) => (0, last),
    };
    let head = format!("Content-Range: bytes {from}-{to}/{}\r\n", object.len());
    (206, head, object[from..=to].to_vec())
}

fn list(objects: &BTreeMap<String, Vec<u8>>, bucket: &str, query: &str) -> Vec<u8> {
    let bucket = bucket.trim_end_matches('/');
    let prefix = query.split('&').find_map(|own| own.strip_prefix("prefix=")).unwrap_or_default();
    let prefix = decoded(prefix);
    let mut xml = "<ListBucketResult><IsTruncated>false</IsTruncated>".to_owned();
    for (name, object) in objects {
        let Some(key) = name.strip_prefix(&format!("{bucket}/")) else { continue };
        if key.starts_with(&prefix) {
            let _ = write!(
                xml,
                "<Contents><Key>{key}</Key><Size>{}</Size><ETag>\"tag\"</ETag>\
                 <LastModified>2026-11-22T00:00:00.000Z</LastModified></Contents>",
                object.len()
            );
        }
    }
    xml.push_str("</ListBucketResult>");
    xml.into_bytes()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn captures_and_lakes_may_lie_in_a_store() {
    let folder = Folder::new();
    let (objects, environment) = store();
    let files = make::ring(&folder.join("ring"), &make::calls(48));
    for path in &files {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let bytes = fs::read(path).expect("a capture");
        objects.lock().expect("whole").insert(format!("traces/2026/11/{name}"), bytes);
    }
    objects.lock().expect("whole").insert("traces/2026/11/notes.txt".to_owned(), b"-".to_vec());
    let run = |args: &[&str]| {
        let output = command(args).envs(environment.clone()).output().expect("the program runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let told = run(&["ingest", "s3://traces/2026/11/", "-o", "s3://lakes/one"]);
    assert!(told.starts_with("5 captures scanned, 0 known"), "{told}");
    let told = run(&["ingest", "s3://traces/2026/*/ring-*.pcap", "-o", "s3://lakes/one"]);
    assert!(told.starts_with("0 captures scanned, 5 known"), "{told}");

    // In the store they are in order of their names.
    let mut files = files;
    files.sort();
    let lake = folder.join("lake");
    done(["ingest", "-o", text(&lake)].into_iter().chain(files.iter().map(|path| text(path))));
    let sql = "SELECT code, call_id, frames, frame_captures FROM findings ORDER BY code, call_id";
    let there = run(&["query", "s3://lakes/one", sql, "--format", "csv"]);
    assert_eq!(there, done(["query", text(&lake), sql, "--format", "csv"]));
    assert!(there.lines().count() > 10, "{there}");
    let manifest = objects.lock().expect("whole").contains_key("lakes/one/manifest.json");
    assert!(manifest);
}

#[test]
fn a_store_that_is_not_there_is_told_in_a_line() {
    let environment = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
    ];
    let args = ["tables", "s3://lakes/one"];
    let output = command(args).envs(environment).output().expect("the program runs");
    let told = crate::run::fault(&output);
    assert!(told.starts_with("siptrace-lake: could not read \"manifest.json\""), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}
