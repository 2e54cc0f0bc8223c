//! Records of TLS that a script asks for (RFC 5246, section 6.2; RFC 8446, section 5.1).
//!
//! What is encrypted is filled with a pattern: nobody has a key.

use super::error::Error;
use super::options::Options;
use super::word::Word;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// Content and tag of a Finished.
const FINISHED_BYTES: usize = 53;

/// A record, or several that go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    ClientHello,
    ServerHello,
    /// The server's certificate, of TLS 1.2.
    Certificate,
    /// ChangeCipherSpec and an encrypted Finished of TLS 1.2.
    Finished,
    /// An encrypted record of any size.
    Data,
    /// An alert that ends the connection, or warns.
    Alert,
}

pub(super) const RECORDS: [(&str, Record); 6] = [
    ("client-hello", Record::ClientHello),
    ("server-hello", Record::ServerHello),
    ("certificate", Record::Certificate),
    ("finished", Record::Finished),
    ("data", Record::Data),
    ("alert", Record::Alert),
];

impl Record {
    /// The bytes, with what the options of the line say.
    pub(super) fn bytes(self, options: &Options<'_>) -> Result<Vec<u8>, Error> {
        let size = options.size("size");
        Ok(match self {
            Self::ClientHello => record(HANDSHAKE, &client_hello(options)?),
            Self::ServerHello => record(HANDSHAKE, &server_hello(options)?),
            Self::Certificate => record(HANDSHAKE, &message(11, &filler(size.unwrap_or(800)))),
            Self::Finished => {
                let finished = filler(size.unwrap_or(FINISHED_BYTES));
                [record(CHANGE_CIPHER_SPEC, &[1]), record(HANDSHAKE, &finished)].concat()
            }
            Self::Data => record(APPLICATION_DATA, &filler(size.unwrap_or(FINISHED_BYTES))),
            Self::Alert => {
                let level = if options.has("warning") { 1 } else { 2 };
                let description = options.size("description").unwrap_or(40);
                record(ALERT, &[level, u8::try_from(description).unwrap_or(40)])
            }
        })
    }
}

fn client_hello(options: &Options<'_>) -> Result<Vec<u8>, Error> {
    let version = version(options)?;
    let mut extensions = Vec::new();
    if let Some(name) = options.text("name") {
        let name = [&[0], &*long(name.as_bytes())].concat();
        extensions.extend(extension(0, &long(&name)));
    }
    if let Some(protocol) = options.text("alpn") {
        extensions.extend(extension(16, &long(&short(protocol.as_bytes()))));
    }
    if version > 0x0303 {
        let versions = [version.to_be_bytes(), [3, 3]].concat();
        extensions.extend(extension(43, &short(&versions)));
    }
    let suites = [0x13, 0x01, 0xc0, 0x2f];
    let body = [
        &version.min(0x0303).to_be_bytes()[..],
        &filler(32),
        &short(&[]),
        &long(&suites),
        &short(&[0]),
        &long(&extensions),
    ];
    Ok(message(1, &body.concat()))
}

fn server_hello(options: &Options<'_>) -> Result<Vec<u8>, Error> {
    let version = version(options)?;
    let mut extensions = Vec::new();
    let suite = if version > 0x0303 { [0x13, 0x01] } else { [0xc0, 0x2f] };
    if version > 0x0303 {
        extensions.extend(extension(43, &version.to_be_bytes()));
    }
    if let Some(protocol) = options.text("alpn") {
        extensions.extend(extension(16, &long(&short(protocol.as_bytes()))));
    }
    let body = [
        &version.min(0x0303).to_be_bytes()[..],
        &filler(32),
        &short(&[]),
        &suite,
        &[0],
        &long(&extensions),
    ];
    Ok(message(2, &body.concat()))
}

/// The number of the version on the line; 1.3 without one.
fn version(options: &Options<'_>) -> Result<u16, Error> {
    let Some(word) = options.word("version") else { return Ok(0x0304) };
    match options.text("version") {
        Some("1.0") => Ok(0x0301),
        Some("1.1") => Ok(0x0302),
        Some("1.2") => Ok(0x0303),
        Some("1.3") => Ok(0x0304),
        _ => Err(value_of(word).is_no("version of TLS", "expected 1.0, 1.1, 1.2 or 1.3")),
    }
}

fn value_of(word: Word<'_>) -> Word<'_> {
    word.split('=').map_or(word, |(_, value)| value)
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3], &*long(body)].concat()
}

/// A message of the handshake: type, length in three bytes, body.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0], &*long(body)].concat()
}

fn extension(kind: u16, value: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &long(value)].concat()
}

/// The bytes behind their length in two bytes.
fn long(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}

/// The bytes behind their length in one byte.
fn short(bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    [&[length], bytes].concat()
}

fn filler(length: usize) -> Vec<u8> {
    (0x40..=0x7e).cycle().take(length).collect()
}
