//! Connections of rustls, and recorded ones with CBC suites, read from the outside.

use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::kx_group::SECP384R1;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, DigitallySignedStruct, RootCertStore,
    ServerConfig, ServerConnection, SignatureScheme, SupportedCipherSuite,
    SupportedProtocolVersion,
};

use super::record::{APPLICATION_DATA, HEADER, header};
use crate::capture::FrameId;
use crate::transport::samples::{CLIENT, Line, Random, SERVER, invite, ok, ws_frame};
use crate::transport::{Alert, Encrypted, Failed, KeyLog, Transport};

const CBC: &str = include_str!("tests/cbc.txt");

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16);
    digits.chunks(2).map(|pair| byte(pair).expect("digits")).collect()
}

/// Writes what rustls logs like a key log.
#[derive(Debug, Default)]
struct Log(Mutex<String>);

impl rustls::KeyLog for Log {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let line = format!("{label} {} {}\n", hex(client_random), hex(secret));
        self.0.lock().expect("no panic").push_str(&line);
    }
}

/// Trusts every server.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A connection, and what went over the wire: who sent it, and the bytes.
struct Talk {
    client: ClientConnection,
    server: ServerConnection,
    wire: Vec<(bool, Vec<u8>)>,
    log: Arc<Log>,
}

impl Talk {
    /// A handshake with this suite.
    fn new(
        version: &'static SupportedProtocolVersion,
        suite: SupportedCipherSuite,
        alpn: &[u8],
    ) -> Self {
        Self::with_groups(version, suite, alpn, ring::ALL_KX_GROUPS)
    }

    /// The server has only these groups, the client all.
    fn with_groups(
        version: &'static SupportedProtocolVersion,
        suite: SupportedCipherSuite,
        alpn: &[u8],
        groups: &[&'static dyn SupportedKxGroup],
    ) -> Self {
        let provider = CryptoProvider { cipher_suites: vec![suite], ..ring::default_provider() };
        let of_server = CryptoProvider { kx_groups: groups.to_vec(), ..provider.clone() };
        let (provider, of_server) = (Arc::new(provider), Arc::new(of_server));
        let log = Arc::new(Log::default());
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[version])
            .expect("a version")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Trusting(provider.clone())))
            .with_no_client_auth();
        client.key_log = log.clone();
        client.alpn_protocols = vec![alpn.to_vec()];
        let made = rcgen::generate_simple_self_signed(["pbx.example".to_owned()]).expect("a key");
        let certificates = vec![made.cert.der().clone()];
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let mut server = ServerConfig::builder_with_provider(of_server)
            .with_protocol_versions(&[version])
            .expect("a version")
            .with_no_client_auth()
            .with_single_cert(certificates, key.into())
            .expect("a key");
        server.alpn_protocols = vec![alpn.to_vec()];
        let name = ServerName::try_from("pbx.example").expect("a name");
        let mut talk = Self {
            client: ClientConnection::new(Arc::new(client), name).expect("a client"),
            server: ServerConnection::new(Arc::new(server)).expect("a server"),
            wire: Vec::new(),
            log,
        };
        talk.pump();
        talk
    }

    fn pump(&mut self) {
        while self.client.wants_write() || self.server.wants_write() {
            let sent = carry(&mut self.client, &mut self.server);
            self.wire.extend(sent.map(|bytes| (CLIENT, bytes)));
            let sent = carry(&mut self.server, &mut self.client);
            self.wire.extend(sent.map(|bytes| (SERVER, bytes)));
        }
    }

    fn send(&mut self, from_client: bool, bytes: &[u8]) {
        use std::io::Write;

        match from_client {
            true => self.client.writer().write_all(bytes),
            false => self.server.writer().write_all(bytes),
        }
        .expect("room");
        self.pump();
    }

    fn keys(&self) -> KeyLog {
        let mut keys = KeyLog::default();
        keys.add(self.log.0.lock().expect("no panic").as_bytes(), None);
        keys
    }

    /// The line that has seen all of it.
    fn read(&self, keys: KeyLog) -> Line {
        read(&self.wire, keys)
    }
}

fn carry<F, T>(from: &mut ConnectionCommon<F>, to: &mut ConnectionCommon<T>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).expect("memory takes all");
    }
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        to.read_tls(&mut rest).expect("memory gives all");
        to.process_new_packets().expect("sound records");
        // What was received is not of interest, but takes room.
        let mut received = vec![0; 1 << 16];
        while matches!(std::io::Read::read(&mut to.reader(), &mut received), Ok(1..)) {}
    }
    (!bytes.is_empty()).then_some(bytes)
}

fn read(wire: &[(bool, Vec<u8>)], keys: KeyLog) -> Line {
    let mut line = Line::opened();
    line.keys = keys;
    for (from_client, bytes) in wire {
        line.send(*from_client, bytes);
    }
    line
}

/// Every suite of rustls, and the version that it goes with.
fn suites() -> Vec<(&'static SupportedProtocolVersion, SupportedCipherSuite)> {
    let suites = ring::ALL_CIPHER_SUITES.iter().copied();
    // The key of the tests is not an RSA key.
    let suites = suites.filter(|suite| !format!("{:?}", suite.suite()).contains("ECDHE_RSA"));
    suites.map(|suite| (if suite.tls13().is_some() { &TLS13 } else { &TLS12 }, suite)).collect()
}

fn suite_of_1_3() -> SupportedCipherSuite {
    ring::cipher_suite::TLS13_AES_128_GCM_SHA256
}

#[test]
fn opens_every_suite() {
    let suites = suites();
    assert_eq!(suites.len(), 6);
    for (version, suite) in suites {
        let (invite, ok) = (invite(1, 30_000), ok(1));
        let mut talk = Talk::new(version, suite, b"sip/2");
        talk.send(CLIENT, &invite);
        talk.send(SERVER, &ok);
        talk.send(CLIENT, &invite);
        let mut line = talk.read(talk.keys());
        assert_eq!(line.messages(), [&invite, &ok, &invite], "{suite:?}");
        assert!(line.got.iter().all(|got| got.transport == Transport::Tls));
        line.finish();
        assert_eq!(line.streams.encrypted().count(), 0);

        let single = talk.wire.iter().flat_map(|(from_client, bytes)| {
            bytes.chunks(7).map(|some| (*from_client, some.to_vec()))
        });
        let single: Vec<_> = single.collect();
        assert_eq!(read(&single, talk.keys()).messages(), [&invite, &ok, &invite], "{suite:?}");
    }
}

#[test]
fn opens_cbc_suites() {
    for session in CBC.split("suite ").skip(1) {
        let mut keys = KeyLog::default();
        let mut wire = Vec::new();
        for line in session.lines().skip(1) {
            match line.split_once(' ').expect("two words") {
                ("key", line) => assert_eq!(keys.add(line.as_bytes(), None), 1),
                (side, hex) => wire.push((side == "C", bytes_of(hex))),
            }
        }
        let line = read(&wire, keys);
        let client = b"OPTIONS sip:pbx SIP/2.0\r\nCall-ID: 1\r\nl: 0\r\n\r\n".as_slice();
        let server = b"SIP/2.0 200 OK\r\nCall-ID: 1\r\nl: 0\r\n\r\n".as_slice();
        assert_eq!(line.messages(), [client, server, client], "{}", &session[..40]);
    }
}

#[test]
fn reads_websocket_inside() {
    let (invite, ok) = (invite(1, 500), ok(1));
    for (version, suite) in suites() {
        let mut talk = Talk::new(version, suite, b"http/1.1");
        talk.send(CLIENT, b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n");
        talk.send(SERVER, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
        talk.send(CLIENT, &ws_frame(0x81, Some([1, 2, 3, 4]), &invite));
        talk.send(SERVER, &ws_frame(0x81, None, &ok));
        let line = talk.read(talk.keys());
        assert_eq!(line.messages(), [&invite, &ok]);
        assert!(line.got.iter().all(|got| got.transport == Transport::Wss));
    }
}

#[test]
fn follows_a_second_client_hello() {
    let mut talk = Talk::with_groups(&TLS13, suite_of_1_3(), b"sip/2", &[SECP384R1]);
    talk.send(CLIENT, &invite(1, 10));
    talk.send(SERVER, &ok(1));
    assert_eq!(talk.read(talk.keys()).messages(), [invite(1, 10), ok(1)]);
    assert_eq!(failures(&talk.wire, KeyLog::default(), SERVER), []);
}

#[test]
fn follows_new_keys() {
    let message = invite(1, 10);
    let mut talk = Talk::new(&TLS13, suite_of_1_3(), b"sip");
    for _ in 0..3 {
        talk.send(CLIENT, &message);
        talk.client.refresh_traffic_keys().expect("an open connection");
        talk.server.refresh_traffic_keys().expect("an open connection");
        talk.pump();
        talk.send(SERVER, &ok(1));
    }
    talk.send(CLIENT, &message);
    let keys = talk.keys();
    let count = talk.read(keys.clone()).got.len();
    assert_eq!(count, 7);
    // The record that announces the keys is lost with others.
    let is_data = |(from_client, bytes): &(bool, Vec<u8>)| *from_client && bytes[0] == 23;
    let first = talk.wire.iter().position(is_data).expect("data");
    let lost: usize =
        talk.wire[first + 1..first + 3].iter().filter(|p| p.0).map(|p| p.1.len()).sum();
    let mut line = read(&talk.wire[..=first], keys);
    line.lose(CLIENT, lost);
    for (from_client, bytes) in talk.wire[first + 3..].iter().filter(|piece| piece.0) {
        line.send(*from_client, bytes);
    }
    line.finish();
    assert!(line.got.len() >= 2, "{}", line.got.len());
}

#[test]
fn goes_on_after_lost_records() {
    for (version, suite) in suites() {
        let mut talk = Talk::new(version, suite, b"sip");
        let before = talk.wire.len();
        for number in 0..20 {
            talk.send(CLIENT, &invite(number, number * 13));
        }
        for lost in before..talk.wire.len() {
            for kept in [0, 3, 60] {
                let mut line = Line::opened();
                line.keys = talk.keys();
                for (at, (from_client, bytes)) in talk.wire.iter().enumerate() {
                    if at == lost {
                        line.send(*from_client, &bytes[..kept]);
                        line.lose(*from_client, bytes.len() - kept);
                    } else {
                        line.send(*from_client, bytes);
                    }
                }
                line.finish();
                assert_eq!(line.got.len(), 19, "{suite:?}: {lost} {kept}");
            }
        }
        let mut line = Line::opened();
        line.keys = talk.keys();
        for (from_client, bytes) in &talk.wire[..before] {
            line.send(*from_client, bytes);
        }
        let length = talk.wire[before..before + 15].iter().map(|(_, bytes)| bytes.len()).sum();
        line.lose(CLIENT, length);
        for (from_client, bytes) in &talk.wire[before + 15..] {
            line.send(*from_client, bytes);
        }
        line.finish();
        assert_eq!(line.got.len(), 5, "{suite:?}");
    }
}

#[test]
fn keys_may_stand_behind_the_handshake() {
    for (version, suite) in suites() {
        let mut talk = Talk::new(version, suite, b"sip");
        let before = talk.wire.len();
        for number in 0..6 {
            talk.send(CLIENT, &invite(number, 0));
        }
        let mut keys = KeyLog::default();
        // Two frames open the flow.
        let from = FrameId { capture: 0, number: before as u64 + 2 + 3 };
        keys.add(talk.log.0.lock().expect("no panic").as_bytes(), Some(from));
        assert_eq!(talk.read(keys).got.len(), 4, "{suite:?}");
    }
}

/// A handshake that one side refuses, and the end of the connection by that side.
fn refused(version: &'static SupportedProtocolVersion, by_client: bool) -> (Wire, KeyLog) {
    let (suites, log) = (suites(), Arc::new(Log::default()));
    let suite = suites.iter().find(|(of, _)| *of == version).map(|(_, suite)| *suite);
    let suites = vec![suite.expect("a suite")];
    let provider = Arc::new(CryptoProvider { cipher_suites: suites, ..ring::default_provider() });
    let made = rcgen::generate_simple_self_signed(["pbx.example".to_owned()]).expect("a key");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a root");
    let roots = Arc::new(roots);
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[version])
        .expect("a version");
    let trusting = client.clone().dangerous();
    let mut client = match by_client {
        true => client.with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
        false => trusting
            .with_custom_certificate_verifier(Arc::new(Trusting(provider.clone())))
            .with_no_client_auth(),
    };
    client.key_log = log.clone();
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[version])
        .expect("a version");
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
    let server = match by_client {
        true => server.with_no_client_auth(),
        false => server.with_client_cert_verifier(verifier.build().expect("a verifier")),
    };
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let server = server.with_single_cert(vec![made.cert.der().clone()], key.into()).expect("a key");
    let name = ServerName::try_from("pbx.example").expect("a name");
    let mut client = ClientConnection::new(Arc::new(client), name).expect("a client");
    let mut server = ServerConnection::new(Arc::new(server)).expect("a server");
    let mut wire = Vec::new();
    while client.wants_write() || server.wants_write() {
        wire.extend(try_carry(&mut client, &mut server).map(|bytes| (CLIENT, bytes)));
        wire.extend(try_carry(&mut server, &mut client).map(|bytes| (SERVER, bytes)));
    }
    let mut keys = KeyLog::default();
    keys.add(log.0.lock().expect("no panic").as_bytes(), None);
    (wire, keys)
}

type Wire = Vec<(bool, Vec<u8>)>;

/// As `carry`, but the receiver may refuse what it gets.
fn try_carry<F, T>(
    from: &mut ConnectionCommon<F>,
    to: &mut ConnectionCommon<T>,
) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).expect("memory takes all");
    }
    let mut rest = bytes.as_slice();
    while !rest.is_empty() && to.read_tls(&mut rest).is_ok() {
        if to.process_new_packets().is_err() {
            break;
        }
    }
    (!bytes.is_empty()).then_some(bytes)
}

/// What the handshakes of a line that has come to its end were.
fn failures(wire: &Wire, keys: KeyLog, ended_by: bool) -> Vec<(Failed, bool)> {
    let mut line = read(wire, keys);
    let next = line.next[usize::from(!ended_by)];
    line.segment(ended_by, next, 0x11, b"", 0);
    line.finish();
    let own = line.streams.handshakes().flat_map(|(_, _, own)| own.failures.clone());
    own.map(|failure| (failure.how, failure.by_client)).collect()
}

#[test]
fn tells_who_refuses_a_handshake() {
    let fatal = |description| Failed::Alert(Alert { is_fatal: true, description });
    for version in [&TLS12, &TLS13] {
        let is_1_3 = version == &TLS13;
        let (wire, keys) = refused(version, true);
        assert_eq!(failures(&wire, keys, CLIENT), [(fatal(48), true)]);
        let unread = failures(&wire, KeyLog::default(), CLIENT);
        assert_eq!(unread, [(if is_1_3 { Failed::SealedAlert } else { fatal(48) }, true)]);

        let (wire, keys) = refused(version, false);
        assert_eq!(failures(&wire, keys, SERVER), [(fatal(116), false)], "{version:?}");
        let unread = failures(&wire, KeyLog::default(), SERVER);
        assert_eq!(unread, [(if is_1_3 { Failed::SealedRefusal } else { fatal(116) }, false)]);
    }
}

#[test]
fn handshakes_that_came_to_their_end_did_not_fail() {
    for (version, suite) in suites() {
        let mut talk = Talk::new(version, suite, b"sip/2");
        for keys in [KeyLog::default(), talk.keys()] {
            assert_eq!(failures(&talk.wire, keys, SERVER), []);
        }
        talk.send(CLIENT, &invite(1, 10));
        talk.client.send_close_notify();
        talk.pump();
        for keys in [KeyLog::default(), talk.keys()] {
            assert_eq!(failures(&talk.wire, keys, CLIENT), []);
        }
    }
}

fn encrypted(mut line: Line) -> Vec<Encrypted> {
    assert!(line.got.is_empty());
    line.finish();
    line.streams.encrypted().cloned().collect()
}

#[test]
fn counts_what_it_cannot_open() {
    for (version, suite) in suites() {
        let mut talk = Talk::new(version, suite, b"sip/2");
        talk.send(CLIENT, &invite(1, 40_000));
        talk.send(SERVER, &ok(1));
        let bytes: usize = talk.wire.iter().map(|(_, bytes)| bytes.len()).sum();
        let records: usize = talk.wire.iter().map(|(_, bytes)| count_records(bytes)).sum();
        let other = Talk::new(version, suite, b"sip/2");
        let mut wrong = KeyLog::default();
        let log = talk.log.0.lock().expect("no panic").replace(" 0", " 1").replace('a', "b");
        wrong.add(log.as_bytes(), None);
        for keys in [KeyLog::default(), other.keys(), wrong] {
            let found = encrypted(talk.read(keys));
            let [found] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!(found.server.port, 5060);
            assert_eq!((found.flows, found.bytes), (1, bytes as u64));
            assert_eq!(found.records, records as u64);
            assert!(found.names_sip);
            assert_eq!(found.server_name.as_deref(), Some(&b"pbx.example"[..]));
            assert_eq!(found.first.0.number, 3);
        }
        // From the middle, and with losses.
        let mut line = Line::new();
        for (from_client, bytes) in &talk.wire[2..] {
            for (at, piece) in bytes.chunks(1400).enumerate() {
                match at % 5 {
                    4 => line.lose(*from_client, piece.len()),
                    _ => line.send(*from_client, piece),
                }
            }
        }
        let found = encrypted(line);
        assert_eq!(found.len(), 1);
        assert!(found[0].records >= 3 && found[0].server.port == 5060);
    }
}

fn count_records(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let Some((.., length)) = header(bytes) {
        count += 1;
        bytes = bytes.get(HEADER + length..).unwrap_or_default();
    }
    count
}

#[test]
fn keeps_nothing_of_what_it_cannot_open() {
    let mut talk = Talk::new(&TLS13, suite_of_1_3(), b"h2");
    for _ in 0..10 {
        talk.send(SERVER, &vec![7; 60_000]);
    }
    let mut line = Line::opened();
    let mut held = 0;
    for (from_client, bytes) in &talk.wire {
        for piece in bytes.chunks(1448) {
            line.send(*from_client, piece);
        }
        held = line.streams.held();
    }
    assert_eq!(held, 0);
    assert!(talk.wire.iter().any(|(_, bytes)| bytes[0] == APPLICATION_DATA));
}

#[test]
fn survives_damaged_records() {
    let mut random = Random(0x5eed_0009);
    let suites = suites();
    let talks: Vec<_> = suites
        .iter()
        .map(|(version, suite)| {
            let mut talk = Talk::new(version, *suite, b"sip");
            talk.send(CLIENT, &invite(1, 50));
            talk.send(SERVER, &ok(1));
            talk
        })
        .collect();
    for _ in 0..1_500 {
        let talk = &talks[random.below(talks.len())];
        let mut line = Line::opened();
        line.keys = talk.keys();
        for (from_client, bytes) in &talk.wire {
            let mut bytes = bytes.clone();
            for _ in 0..random.below(3) {
                let at = random.below(bytes.len());
                bytes[at] = random.below(256) as u8;
            }
            match random.below(12) {
                0 => line.lose(*from_client, bytes.len()),
                _ => bytes
                    .chunks(1 + random.below(900))
                    .for_each(|some| line.send(*from_client, some)),
            }
        }
        line.finish();
    }
}
