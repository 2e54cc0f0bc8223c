//! One call over every transport that carries whole messages inside something: the result is that
//! of the call over UDP.

use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use rustls::crypto::ring;
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use serde_json::Value;
use siptrace::pipeline::{self, Content, Group, Wanted};
use siptrace::transport::{KeyLog, Transport};

use crate::build::container::pcap;
use crate::build::{Capture, Record, ip, tunnel};
use crate::outcome::{options, result, result_of, rules_of, source};

const CALL: &str = "\
host alice 192.0.2.10
host proxy 198.51.100.1
0      alice > proxy INVITE sip:bob@example.com
       sdp
+0.125 proxy > alice 100
6.125  proxy > alice 500
+0.125 alice > proxy ACK
8      alice > proxy OPTIONS call=second
+0.125 proxy > alice 200
end 70
";

/// What must be the same whatever carried the messages.
fn essence(result: &Value) -> Vec<Value> {
    let finding = &result["findings"][0];
    vec![
        result["totals"]["sip_messages"].clone(),
        result["totals"]["call_ids"].clone(),
        result["totals"]["transactions"].clone(),
        finding["rule"].clone(),
        finding["client"].clone(),
        finding["server"].clone(),
        finding["evidence"]["wait_ms"].clone(),
        result["statistics"]["methods"].clone(),
        result["statistics"]["statuses"].clone(),
    ]
}

/// The packets of a call with something else above IP, in order; `change` sees the number of the
/// packet, whether it comes from alice, its ports and what the datagram carried.
fn carried(
    protocol: u8,
    mut change: impl FnMut(usize, bool, [[u8; 2]; 2], &[u8]) -> Vec<u8>,
) -> Capture {
    let plain = Capture::of_script(CALL);
    let records = plain.records.iter().enumerate().map(|(number, record)| {
        let is_alice = ip::addresses(&record.data)[0] == [192, 0, 2, 10];
        // The last packet only tells how long the capture went on.
        let is_message = ip::datagram(&record.data).len() > 4;
        let data = if is_message {
            let token = if protocol == 6 { "TCP" } else { "SCTP" };
            let message = with_via(ip::datagram(&record.data), token);
            let above = change(number, is_alice, ip::ports(&record.data), &message);
            ip::with_payload(&record.data, protocol, &above)
        } else {
            record.data.clone()
        };
        Record { nanos: record.nanos, length: data.len() as u32, data }
    });
    Capture { link: plain.link, records: records.collect() }
}

/// The message with the transport that carries it in Via.
fn with_via(message: &[u8], token: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(message);
    text.replace("SIP/2.0/UDP", &format!("SIP/2.0/{token}")).into_bytes()
}

/// TCP segments that follow one another on both ways.
struct Segments {
    next: [u32; 2],
}

impl Segments {
    fn new() -> Self {
        Self { next: [1000, 900_000] }
    }

    fn segment(&mut self, is_alice: bool, ports: [[u8; 2]; 2], bytes: &[u8]) -> Vec<u8> {
        let next = &mut self.next[usize::from(is_alice)];
        let sequence = next.to_be_bytes();
        *next = next.wrapping_add(bytes.len() as u32);
        let rest = [0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0];
        [ports.as_flattened(), &sequence, &rest, bytes].concat()
    }
}

/// A WebSocket message, masked as a client must (RFC 6455, section 5.2).
fn web_socket(is_client: bool, fragments: usize, message: &[u8]) -> Vec<u8> {
    let size = message.len().div_ceil(fragments);
    let mask = [0x5a, 0x17, 0xc3, 0x08];
    let pieces: Vec<&[u8]> = message.chunks(size).collect();
    let mut bytes = Vec::new();
    for (number, piece) in pieces.iter().enumerate() {
        let end = if number + 1 == pieces.len() { 0x80 } else { 0 };
        bytes.push(end | u8::from(number == 0));
        bytes.push(if is_client { 0xfe } else { 126 });
        bytes.extend((piece.len() as u16).to_be_bytes());
        if is_client {
            bytes.extend(mask);
        }
        let masked = piece.iter().zip(mask.iter().cycle());
        bytes.extend(masked.map(|(byte, key)| if is_client { byte ^ key } else { *byte }));
    }
    bytes
}

/// An SCTP packet with the message in chunks of DATA (RFC 9260, section 3.3.1).
fn sctp(ports: [[u8; 2]; 2], number: usize, chunks: usize, message: &[u8]) -> Vec<u8> {
    let size = message.len().div_ceil(chunks);
    let mut packet = [ports.as_flattened(), &[0, 0, 0, 1, 0, 0, 0, 0]].concat();
    let pieces: Vec<&[u8]> = message.chunks(size).collect();
    for (piece_number, piece) in pieces.iter().enumerate() {
        let first = u8::from(piece_number == 0) << 1;
        let last = u8::from(piece_number + 1 == pieces.len());
        packet.extend([0, first | last]);
        packet.extend((piece.len() as u16 + 16).to_be_bytes());
        packet.extend(((number * 16 + piece_number) as u32).to_be_bytes());
        packet.extend([0, 0]);
        packet.extend((number as u16).to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(*piece);
        packet.resize(packet.len().next_multiple_of(4), 0);
    }
    packet
}

#[test]
fn every_transport_gives_the_call() {
    let expected = result_of(&pcap(&Capture::of_script(CALL)));
    assert_eq!(rules_of(&expected), ["trying-then-server-failure"]);
    let expected = essence(&expected);
    let mut cases: Vec<(String, Capture)> = Vec::new();
    for fragments in [1, 3] {
        let mut flow = Segments::new();
        let over_web_socket = carried(6, |_, is_alice, ports, message| {
            flow.segment(is_alice, ports, &web_socket(is_alice, fragments, message))
        });
        cases.push((format!("WebSocket, {fragments} fragments"), over_web_socket));
        let over_sctp =
            carried(132, |number, _, ports, message| sctp(ports, number, fragments, message));
        cases.push((format!("SCTP, {fragments} chunks"), over_sctp));
    }
    for (name, capture) in cases {
        let found = result_of(&pcap(&capture));
        assert_eq!(essence(&found), expected, "{name}");
    }
}

#[test]
fn hep_in_a_stream_gives_the_call_with_the_addresses_inside() {
    let plain = Capture::of_script(CALL);
    let expected = essence(&result_of(&pcap(&plain)));
    let mut sequence = 77_u32;
    let records = plain.records.iter().map(|record| {
        let hep = tunnel::hep3(&record.data);
        let fields = [40_000_u16, 9060].map(u16::to_be_bytes);
        let rest = [0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0];
        let segment = [fields.as_flattened(), &sequence.to_be_bytes(), &rest, &hep].concat();
        sequence = sequence.wrapping_add(hep.len() as u32);
        let data = ip::outer(6, &segment);
        Record { nanos: record.nanos, length: data.len() as u32, data }
    });
    let capture = Capture { link: plain.link, records: records.collect() };
    assert_eq!(essence(&result_of(&pcap(&capture))), expected);
}

/// What rustls logs, as a key log has it.
#[derive(Debug, Default)]
struct Log(Mutex<String>);

impl rustls::KeyLog for Log {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        self.0.lock().expect("no panic").push_str(&line);
    }
}

/// Two ends of a TLS connection, the client's first, and the keys that it logs.
fn tls(version: &'static rustls::SupportedProtocolVersion) -> (Ends, Arc<Log>) {
    let made = rcgen::generate_simple_self_signed(["proxy.example".to_owned()]).expect("a key");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let log = Arc::new(Log::default());
    let provider = Arc::new(ring::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.key_log = log.clone();
    let server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .expect("a key that fits");
    let name = ServerName::try_from("proxy.example").expect("a name");
    let client = ClientConnection::new(Arc::new(client), name).expect("a client");
    let server = ServerConnection::new(Arc::new(server)).expect("a server");
    (Ends { client, server }, log)
}

struct Ends {
    client: ClientConnection,
    server: ServerConnection,
}

impl Ends {
    /// Lets both ends say what they have to, and returns who said what.
    fn talk(&mut self) -> Vec<(bool, Vec<u8>)> {
        let mut said = Vec::new();
        while self.client.wants_write() || self.server.wants_write() {
            for is_client in [true, false] {
                let mut bytes = Vec::new();
                if is_client {
                    self.client.write_tls(&mut bytes).expect("room");
                    let mut rest = bytes.as_slice();
                    while !rest.is_empty() {
                        self.server.read_tls(&mut rest).expect("records");
                        let state = self.server.process_new_packets().expect("good records");
                        let mut read = vec![0; state.plaintext_bytes_to_read()];
                        self.server.reader().read_exact(&mut read).expect("plain bytes");
                    }
                } else {
                    self.server.write_tls(&mut bytes).expect("room");
                    let mut rest = bytes.as_slice();
                    while !rest.is_empty() {
                        self.client.read_tls(&mut rest).expect("records");
                        let state = self.client.process_new_packets().expect("good records");
                        let mut read = vec![0; state.plaintext_bytes_to_read()];
                        self.client.reader().read_exact(&mut read).expect("plain bytes");
                    }
                }
                if !bytes.is_empty() {
                    said.push((is_client, bytes));
                }
            }
        }
        said
    }

    fn say(&mut self, is_client: bool, message: &[u8]) -> Vec<(bool, Vec<u8>)> {
        match is_client {
            true => self.client.writer().write_all(message),
            false => self.server.writer().write_all(message),
        }
        .expect("room");
        self.talk()
    }
}

/// The call over TLS, and the keys to it.
fn over_tls(version: &'static rustls::SupportedProtocolVersion) -> (Capture, KeyLog) {
    let plain = Capture::of_script(CALL);
    let (mut ends, log) = tls(version);
    let mut flow = Segments::new();
    let models = [&plain.records[1], &plain.records[0]];
    let mut records = Vec::new();
    let mut send = |nanos: i64, said: Vec<(bool, Vec<u8>)>| {
        for (is_alice, bytes) in said {
            let model = &models[usize::from(is_alice)].data;
            let segment = flow.segment(is_alice, ip::ports(model), &bytes);
            let data = ip::with_payload(model, 6, &segment);
            records.push(Record { nanos, length: data.len() as u32, data });
        }
    };
    send(plain.records[0].nanos - 1_000_000_000, ends.talk());
    for record in &plain.records[..plain.records.len() - 1] {
        let is_alice = ip::addresses(&record.data)[0] == [192, 0, 2, 10];
        let message = with_via(ip::datagram(&record.data), "TLS");
        send(record.nanos, ends.say(is_alice, &message));
    }
    records.extend(plain.records.last().cloned());
    let mut keys = KeyLog::default();
    keys.add(log.0.lock().expect("no panic").as_bytes(), None);
    (Capture { link: plain.link, records }, keys)
}

#[test]
fn tls_gives_the_call_to_who_has_the_keys_and_a_fact_to_who_has_not() {
    let expected = essence(&result_of(&pcap(&Capture::of_script(CALL))));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let (capture, keys) = over_tls(version);
        let bytes = pcap(&capture);
        let options = pipeline::Options { keys, ..options() };
        let found = pipeline::run(vec![source(&bytes)], &options, &|_| ()).expect("a capture");
        assert_eq!(essence(&result(&found)), expected, "{version:?}");
        let closed = result_of(&bytes);
        assert_eq!(closed["totals"]["sip_messages"], 0);
        assert_eq!(rules_of(&closed), ["encrypted-signalling"], "{version:?}");
    }
}

#[test]
fn what_was_in_tls_stands_alone_in_an_excerpt() {
    let (capture, keys) = over_tls(&rustls::version::TLS13);
    let bytes = pcap(&capture);
    let calls = vec!["second@script.invalid".to_owned()];
    let wanted = Wanted { groups: vec![Group { calls, ..Group::default() }], media: true };
    let mut found = Vec::new();
    let mut take = |_, kept: pipeline::Kept<'_>| {
        let Content::Message { transport, bytes, .. } = kept.content else { panic!("{kept:?}") };
        found.push((transport, String::from_utf8_lossy(bytes).into_owned()));
        ControlFlow::Continue(())
    };
    let sources = || Ok(vec![source(&bytes)]);
    pipeline::excerpt(&sources, &wanted, &keys, &|_| (), &mut take).expect("a capture");
    let [(Transport::Tls, request), (Transport::Tls, response)] = &found[..] else {
        panic!("{found:?}")
    };
    assert!(request.starts_with("OPTIONS ") && response.starts_with("SIP/2.0 200"));
}
