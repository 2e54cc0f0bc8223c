//! What is said in a capture of chosen calls: where it comes from, what was found on its frames,
//! and messages that have no frame of their own.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};
use std::net::IpAddr;

use crate::analysis::Analysis;
use crate::bytes::printable_str;
use crate::capture::{FrameId, Interface, LinkType};
use crate::catalogue::{Labels, Lang, labels};
use crate::packet::Endpoint;
use crate::report::index::{Index, name_of};
use crate::report::pcapng::{Pcapng, Record};
use crate::time::Time;
use crate::transport::Transport;

/// Captures and Call-IDs that a comment names.
const NAMED_MAX: usize = 100;

/// PDUs that Wireshark exports.
const EXPORTED: LinkType = LinkType(252);

/// The capture that interfaces of our own count as.
const NO_CAPTURE: u16 = u16::MAX;

/// A capture of chosen calls that is being written.
pub(crate) struct Excerpt<'a, W: Write> {
    out: Pcapng<W>,
    analysis: &'a Analysis,
    words: Labels,
    notes: &'a Notes,
    /// What was written.
    pub(crate) frames: u64,
}

/// What was found on the frames of calls, a comment for each finding.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    by_frame: HashMap<FrameId, Vec<String>>,
}

impl Notes {
    /// The findings on these calls.
    pub(crate) fn new(analysis: &Analysis, calls: &BTreeSet<&str>, lang: Lang) -> Self {
        let index = Index::new(analysis, lang);
        let mut by_frame: HashMap<FrameId, Vec<String>> = HashMap::new();
        for finding in &analysis.findings {
            if !finding.call_id.as_deref().is_some_and(|call| calls.contains(call)) {
                continue;
            }
            let text = format!("{}: {}", index.title(finding), index.message(finding));
            for frame in &finding.frames {
                by_frame.entry(*frame).or_default().push(text.clone());
            }
        }
        Self { by_frame }
    }
}

/// A message that has no frame of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alone<'m> {
    /// The sender.
    pub(crate) source: Endpoint,
    /// The receiver.
    pub(crate) destination: Endpoint,
    /// What carried it.
    pub(crate) transport: Transport,
    /// Its bytes.
    pub(crate) bytes: &'m [u8],
}

impl<'a, W: Write> Excerpt<'a, W> {
    /// Begins a capture of these calls.
    ///
    /// # Errors
    ///
    /// When `out` cannot be written to.
    pub(crate) fn new(
        out: W,
        analysis: &'a Analysis,
        calls: &[&str],
        notes: &'a Notes,
        lang: Lang,
    ) -> io::Result<Self> {
        let words = labels(lang);
        let files = analysis.captures.iter().map(|capture| {
            // The folder is nobody's business.
            let name = capture.path.file_name().unwrap_or(capture.path.as_os_str());
            printable_str(&name.to_string_lossy()).into_owned()
        });
        let version = env!("CARGO_PKG_VERSION");
        let files = some(files.collect(), words);
        let calls = some(calls.iter().map(|call| (*call).to_owned()).collect(), words);
        let comment = [
            words.fill("extract-from", &[("version", version), ("files", &files)]),
            words.fill("extract-calls", &[("calls", &calls)]),
        ];
        let out = Pcapng::new(out, &comment.join("\n"))?;
        Ok(Self { out, analysis, words, notes, frames: 0 })
    }

    /// Adds a frame; others may have been in it.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn frame(
        &mut self,
        (id, time): (FrameId, Time),
        (interface, link): (u16, LinkType),
        (data, original_length): (&[u8], u32),
        is_cut: bool,
    ) -> io::Result<()> {
        let mut comments = Cow::Borrowed(self.notes.by_frame.get(&id).map_or(&[][..], |own| own));
        if is_cut {
            comments.to_mut().push(self.words.get("extract-cut").to_owned());
        }
        let capture = self.analysis.captures.get(usize::from(id.capture));
        let about = capture.and_then(|own| own.interfaces.get(usize::from(interface)));
        let interface = self.out.interface((id.capture, interface), link, about)?;
        let comments = &comments;
        self.frames += 1;
        self.out.write(&Record { interface, time, data, original_length, comments })
    }

    /// Adds a message that has no frame of its own.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(crate) fn message(
        &mut self,
        (id, time): (FrameId, Time),
        message: Alone<'_>,
    ) -> io::Result<()> {
        let frame = name_of(id, self.analysis);
        let transport = message.transport.name();
        let values = [("frame", frame.as_str()), ("transport", transport)];
        let mut comments = self.notes.by_frame.get(&id).cloned().unwrap_or_default();
        comments.push(self.words.fill("extract-alone", &values));
        let description = Some(self.words.get("extract-interface").to_owned());
        let about = Interface { name: Some("siptrace".to_owned()), description };
        let interface = self.out.interface((NO_CAPTURE, 0), EXPORTED, Some(&about))?;
        let data = exported(message, id.number);
        let (data, original_length) = (data.as_slice(), data.len() as u32);
        let comments = &comments;
        self.frames += 1;
        self.out.write(&Record { interface, time, data, original_length, comments })
    }

    /// Ends the capture and gives it back.
    ///
    /// # Errors
    ///
    /// When it cannot be written to.
    pub(crate) fn finish(self) -> io::Result<W> {
        self.out.finish()
    }
}

/// The first ones of a list, where there are many.
fn some(mut names: Vec<String>, words: Labels) -> String {
    let more = names.len().saturating_sub(NAMED_MAX);
    names.truncate(NAMED_MAX);
    let mut text = names.join(", ");
    if more > 0 {
        text.push(' ');
        text.push_str(&words.fill("and-more", &[("count", &words.count(more as u64))]));
    }
    text
}

/// A message as Wireshark exports it: what it is, from where to where, the number of its frame.
fn exported(message: Alone<'_>, frame: u64) -> Vec<u8> {
    const DISSECTOR: u16 = 12;
    const SOURCE: [u16; 2] = [20, 22];
    const DESTINATION: [u16; 2] = [21, 23];
    const PORT_TYPE: u16 = 24;
    const PORTS: [u16; 2] = [25, 26];
    const FRAME: u16 = 30;

    let mut data = Vec::new();
    let mut tag = |kind: u16, value: &[u8]| {
        data.extend(kind.to_be_bytes());
        data.extend((value.len() as u16).to_be_bytes());
        data.extend(value);
    };
    tag(DISSECTOR, b"sip\0");
    for (end, [v4, v6]) in [(message.source, SOURCE), (message.destination, DESTINATION)] {
        match end.address {
            IpAddr::V4(address) => tag(v4, &address.octets()),
            IpAddr::V6(address) => tag(v6, &address.octets()),
        }
    }
    let port_type: u32 = match message.transport {
        Transport::Sctp => 1,
        Transport::Tcp | Transport::Tls | Transport::Ws | Transport::Wss => 2,
        Transport::Udp => 3,
    };
    tag(PORT_TYPE, &port_type.to_be_bytes());
    for (end, kind) in [message.source, message.destination].into_iter().zip(PORTS) {
        tag(kind, &u32::from(end.port).to_be_bytes());
    }
    tag(FRAME, &u32::try_from(frame).unwrap_or(u32::MAX).to_be_bytes());
    tag(0, b"");
    data.extend(message.bytes);
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Frame;
    use crate::packet::{Packet, decode};

    #[test]
    fn a_message_alone_is_read_with_its_ends() {
        let end = |text: &str| Endpoint { address: text.parse().expect("an address"), port: 5061 };
        for (source, destination, transport, protocol) in [
            ("192.0.2.1", "192.0.2.2", Transport::Wss, 6),
            ("2001:db8::1", "2001:db8::2", Transport::Sctp, 132),
        ] {
            let (source, destination) = (end(source), end(destination));
            let bytes = b"BYE sip:a@b SIP/2.0\r\n\r\n";
            let data = exported(Alone { source, destination, transport, bytes }, 7);
            let frame = Frame {
                id: FrameId::default(),
                time: Time::default(),
                link: EXPORTED,
                data: &data,
                original_length: data.len() as u32,
            };
            let Packet::Message { path, protocol: own, payload, .. } = decode(&frame) else {
                panic!("{:?}", decode(&frame));
            };
            assert_eq!((path.source, path.destination), (source, destination));
            assert_eq!((own, payload), (protocol, &bytes[..]));
        }
    }

    #[test]
    fn long_lists_are_cut() {
        let names = |count: usize| (0..count).map(|number| number.to_string()).collect();
        assert_eq!(some(names(2), labels(Lang::En)), "0, 1");
        assert!(some(names(103), labels(Lang::En)).ends_with("98, 99 and 3 more"));
    }
}
