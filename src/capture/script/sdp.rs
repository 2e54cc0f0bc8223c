//! The session description that `sdp` asks for.

use std::net::IpAddr;

use super::error::Error;
use super::word::Word;

/// Codecs by name: payload type, clock and channels, format parameters (RFC 3551; RFC 4733; RFC
/// 7587).
const CODECS: [(&str, u8, &str, &str); 8] = [
    ("PCMU", 0, "PCMU/8000", ""),
    ("PCMA", 8, "PCMA/8000", ""),
    ("GSM", 3, "GSM/8000", ""),
    ("G722", 9, "G722/8000", ""),
    ("G729", 18, "G729/8000", "annexb=no"),
    ("opus", 111, "opus/48000/2", "useinbandfec=1"),
    ("iLBC", 97, "iLBC/8000", "mode=20"),
    ("telephone-event", 101, "telephone-event/8000", "0-16"),
];

/// A codec and the number it goes by.
type Codec = (usize, u8);

/// PCMU, PCMA and telephone-event.
const CODECS_DEFAULT: [Codec; 3] = [(0, 0), (1, 8), (7, 101)];

/// What the description shall say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Order<'a> {
    direction: Option<&'a str>,
    port: Option<u16>,
    codecs: Option<Vec<Codec>>,
    address: Option<&'a str>,
    ptime: Option<u64>,
}

impl<'a> Order<'a> {
    /// Reads the words behind `sdp`.
    pub(super) fn read(words: &[Word<'a>]) -> Result<Self, Error> {
        let mut order = Self::default();
        for word in words {
            match word.split('=') {
                Some((key, value)) if key.text == "port" => {
                    order.port = u16::try_from(value.number(0, 65_535)?).ok();
                }
                Some((key, value)) if key.text == "ptime" => {
                    order.ptime = Some(value.number(1, 1000)?);
                }
                Some((key, value)) if key.text == "address" => {
                    order.address = Some(value.unquoted());
                }
                Some((key, value)) if key.text == "codecs" => {
                    order.codecs = Some(codecs(value)?);
                }
                None if is_direction(word.text) => order.direction = Some(word.text),
                _ => {
                    let known = [
                        "sendrecv", "sendonly", "recvonly", "inactive", "port", "codecs", "address",
                    ];
                    let expected = "expected sendrecv, sendonly, recvonly, inactive, port=, \
                                    codecs=, address= or ptime=";
                    return Err(word.is_no("option of sdp", expected).meant(word.text, known));
                }
            }
        }
        Ok(order)
    }

    /// The description, from its session down; `name` is the user of the origin line.
    pub(super) fn write(&self, name: &str, address: IpAddr, port: u16, version: u32) -> String {
        let family = if address.is_ipv4() { "IP4" } else { "IP6" };
        let address = self.address.map_or_else(|| address.to_string(), str::to_owned);
        let family = match self.address {
            Some(text) if text.contains(':') => "IP6",
            Some(_) => "IP4",
            None => family,
        };
        let codecs = self.codecs.as_deref().unwrap_or(&CODECS_DEFAULT);
        let numbers: Vec<String> = codecs.iter().map(|(_, number)| number.to_string()).collect();
        let mut lines = vec![
            "v=0".to_owned(),
            format!("o={name} 1 {version} IN {family} {address}"),
            "s=-".to_owned(),
            format!("c=IN {family} {address}"),
            "t=0 0".to_owned(),
            format!("m=audio {} RTP/AVP {}", self.port.unwrap_or(port), numbers.join(" ")),
        ];
        for (index, number) in codecs {
            if let Some((_, _, map, format)) = CODECS.get(*index) {
                lines.push(format!("a=rtpmap:{number} {map}"));
                if !format.is_empty() {
                    lines.push(format!("a=fmtp:{number} {format}"));
                }
            }
        }
        if let Some(ptime) = self.ptime {
            lines.push(format!("a=ptime:{ptime}"));
        }
        lines.push(format!("a={}", self.direction.unwrap_or("sendrecv")));
        lines.push(String::new());
        lines.join("\r\n")
    }
}

fn is_direction(text: &str) -> bool {
    matches!(text, "sendrecv" | "sendonly" | "recvonly" | "inactive")
}

/// `PCMA,G729,telephone-event/96`.
fn codecs(list: Word<'_>) -> Result<Vec<Codec>, Error> {
    let mut codecs = Vec::new();
    let mut rest = Some(list);
    while let Some(word) = rest {
        let (word, more) = match word.split(',') {
            Some((word, more)) => (word, Some(more)),
            None => (word, None),
        };
        rest = more;
        let (name, number) = match word.split('/') {
            Some((name, number)) => (name, u8::try_from(number.number(0, 127)?).ok()),
            None => (word, None),
        };
        let same = |(known, ..): &(&str, u8, &str, &str)| known.eq_ignore_ascii_case(name.text);
        let Some(index) = CODECS.iter().position(same) else {
            let names: Vec<&str> = CODECS.iter().map(|&(name, ..)| name).collect();
            let expected = format!("codecs are {}", names.join(", "));
            return Err(name.is_no("codec known here", expected).meant(name.text, names));
        };
        let usual = CODECS.get(index).map_or(0, |&(_, usual, ..)| usual);
        codecs.push((index, number.unwrap_or(usual)));
    }
    Ok(codecs)
}

/// Port and payload types of the first audio line of a description.
pub(super) fn audio(body: &[u8]) -> Option<(u16, Vec<u8>)> {
    let text = String::from_utf8_lossy(body);
    let line = text.lines().find_map(|line| line.trim().strip_prefix("m=audio "))?;
    let mut words = line.split_whitespace();
    let port = words.next()?.split('/').next()?.parse().ok()?;
    Some((port, words.skip(1).take(127).filter_map(|word| word.parse().ok()).collect()))
}
