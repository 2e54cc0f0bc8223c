//! The two messages of a TLS handshake that are never encrypted: ClientHello and ServerHello (RFC
//! 5246, section 7.4.1; RFC 8446, section 4.1).

use crate::bytes::{array, be16};

/// The random number of a ServerHello that asks for another ClientHello (RFC 8446, section 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const ENCRYPT_THEN_MAC: u16 = 22;
const SUPPORTED_VERSIONS: u16 = 43;

const SSL_3_0: u16 = 0x0300;

/// Bytes of the longest name of a host (RFC 1035, section 2.3.4); a longer one is none.
const HOST_BYTES_MAX: usize = 255;

/// The version number of TLS 1.3.
pub(super) const TLS_1_3: u16 = 0x0304;

/// What a client offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientHello {
    pub(super) random: [u8; 32],
    pub(super) server_name: Option<Vec<u8>>,
    /// The highest version that is offered.
    pub(super) version: u16,
    /// The protocols include SIP (RFC 7301; registered as `sip/2`).
    pub(super) offers_sip: bool,
}

/// What a server chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerHello {
    pub(super) random: [u8; 32],
    pub(super) suite: u16,
    pub(super) version: u16,
    /// The MAC is over the encrypted bytes (RFC 7366).
    pub(super) macs_encrypted: bool,
    pub(super) chose_sip: bool,
}

/// The first handshake message of a side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hello {
    Client(ClientHello),
    Server(ServerHello),
    /// The server wants another ClientHello.
    Retry,
    /// More bytes are needed.
    Incomplete,
    /// Something else.
    Other,
}

/// Reads the first handshake message of a side.
pub(super) fn read(bytes: &[u8]) -> Hello {
    let Some([kind, high, middle, low]) = array::<4>(bytes, 0) else { return Hello::Incomplete };
    let length = u32::from_be_bytes([0, high, middle, low]) as usize;
    if !matches!(kind, 1 | 2) || length > super::HELLO_BYTES_MAX {
        return Hello::Other;
    }
    let Some(body) = bytes.get(4..4 + length) else { return Hello::Incomplete };
    let hello = match kind {
        1 => client(body).map(Hello::Client),
        _ => server(body).map(|hello| match hello.random == RETRY {
            true => Hello::Retry,
            false => Hello::Server(hello),
        }),
    };
    hello.unwrap_or(Hello::Other)
}

fn client(body: &[u8]) -> Option<ClientHello> {
    let (mut version, random) = (be16(body, 0)?, array(body, 2)?);
    let session = usize::from(*body.get(34)?);
    let suites = 35 + session;
    let methods = suites + 2 + usize::from(be16(body, suites)?);
    let at = methods + 1 + usize::from(*body.get(methods)?);
    let (mut name, mut offers_sip) = (None, false);
    for (kind, value) in extensions(body, at) {
        match kind {
            SERVER_NAME => name = server_name(value),
            ALPN => offers_sip = names_sip(value),
            SUPPORTED_VERSIONS => version = highest_version(value).unwrap_or(version),
            _ => {}
        }
    }
    Some(ClientHello { random, server_name: name, version, offers_sip })
}

fn server(body: &[u8]) -> Option<ServerHello> {
    let (mut version, random) = (be16(body, 0)?, array(body, 2)?);
    let session = usize::from(*body.get(34)?);
    let suite = be16(body, 35 + session)?;
    let (mut macs_encrypted, mut chose_sip) = (false, false);
    for (kind, value) in extensions(body, 38 + session) {
        match kind {
            SUPPORTED_VERSIONS => version = be16(value, 0).unwrap_or(version),
            ENCRYPT_THEN_MAC => macs_encrypted = true,
            ALPN => chose_sip = names_sip(value),
            _ => {}
        }
    }
    Some(ServerHello { random, suite, version, macs_encrypted, chose_sip })
}

/// Types and values of the extensions.
fn extensions(body: &[u8], at: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = body.get(at + 2..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (kind, length) = (be16(rest, 0)?, usize::from(be16(rest, 2)?));
        let value = rest.get(4..4 + length)?;
        rest = rest.get(4 + length..)?;
        Some((kind, value))
    })
}

/// The highest version of a list, those left out that only keep servers open for new ones (RFC
/// 8701).
fn highest_version(value: &[u8]) -> Option<u16> {
    let (pairs, _) = value.get(1..)?.as_chunks::<2>();
    let versions = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
    versions.filter(|version| (SSL_3_0..=TLS_1_3).contains(version)).max()
}

/// The first name of a list: type, length, name (RFC 6066, section 3).
fn server_name(value: &[u8]) -> Option<Vec<u8>> {
    let length = usize::from(be16(value, 3)?);
    value.get(5..5 + length).filter(|name| name.len() <= HOST_BYTES_MAX).map(<[u8]>::to_vec)
}

fn names_sip(value: &[u8]) -> bool {
    let mut rest = value.get(2..).unwrap_or_default();
    while let Some((length, names)) = rest.split_first() {
        let length = usize::from(*length);
        let Some((name, more)) = names.split_at_checked(length) else { return false };
        if name.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"sip")) {
            return true;
        }
        rest = more;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind, 0, 0, body.len() as u8][..], body].concat()
    }

    #[test]
    fn reads_what_both_sides_say() {
        let random = [7; 32];
        let name = [0, 0, 0, 8, 0, 6, 0, 0, 3, b'p', b'b', b'x'];
        let alpn = [0, 16, 0, 8, 0, 6, 5, b's', b'i', b'p', b'/', b'2'];
        let versions = [0, 43, 0, 7, 6, 0x7a, 0x7a, 3, 4, 3, 3];
        let tail = [2, 9, 9, 0, 2, 0x13, 1, 1, 0, 0, 35];
        let body = [&[3, 3], &random[..], &tail, &name, &alpn, &versions].concat();
        let expected = ClientHello {
            random,
            server_name: Some(b"pbx".into()),
            version: TLS_1_3,
            offers_sip: true,
        };
        let client = hello(1, &body);
        assert_eq!(read(&client), Hello::Client(expected));
        for cut in 0..client.len() {
            assert_eq!(read(&client[..cut]), Hello::Incomplete, "{cut}");
        }

        let long = |length: u16| {
            let [parts, list, name] = [length + 5, length + 3, length].map(u16::to_be_bytes);
            let text = vec![b'a'; length.into()];
            let name = [&[0, 0], &parts[..], &list, &[0], &name, &text[..]].concat();
            let all = (name.len() as u16).to_be_bytes();
            let body = [&[3, 3], &random[..], &[0, 0, 2, 0x13, 1, 1, 0], &all, &name[..]].concat();
            let length = (body.len() as u16).to_be_bytes();
            match read(&[&[1, 0], &length[..], &body[..]].concat()) {
                Hello::Client(hello) => hello.server_name.map(|name| name.len()),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((long(255), long(256), long(60_000)), (Some(255), None, None));

        let tail = [0, 0xc0, 0x2f, 0, 0, 10, 0, 22, 0, 0, 0, 43, 0, 2, 3, 4];
        let body = [&[3, 3], &random[..], &tail].concat();
        let expected = ServerHello {
            random,
            suite: 0xc02f,
            version: TLS_1_3,
            macs_encrypted: true,
            chose_sip: false,
        };
        assert_eq!(read(&hello(2, &body)), Hello::Server(expected));
        let body = [&[3, 3], &RETRY[..], &tail].concat();
        assert_eq!(read(&hello(2, &body)), Hello::Retry);
        assert_eq!(read(&hello(11, &body)), Hello::Other);
        assert_eq!(read(&hello(1, &[3, 3])), Hello::Other);
    }
}
