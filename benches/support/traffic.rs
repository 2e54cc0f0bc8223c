//! Calls with their media, made from nothing: the same bytes on every run.

/// When the first frame is captured, in microseconds since the epoch.
const START: u64 = 1_700_000_000_000_000;

/// What carries the signalling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    Udp,
    /// One connection for all calls, in segments that heed no message.
    Tcp,
}

/// A capture in the making.
#[derive(Debug)]
pub(crate) struct Traffic {
    carrier: Carrier,
    /// When each frame is captured, and its bytes.
    frames: Vec<(u64, Vec<u8>)>,
    /// The next sequence number of each direction.
    sequences: [u32; 2],
    /// The messages of each call.
    pub(crate) calls: Vec<Vec<Vec<u8>>>,
    /// The session descriptions in them.
    pub(crate) descriptions: Vec<Vec<u8>>,
}

/// Bytes of a TCP segment.
const SEGMENT: usize = 1000;

/// So many calls of a caller and a callee, with so many packets of G.711 each way.
pub(crate) fn traffic(calls: u32, packets: u32, carrier: Carrier) -> Traffic {
    let mut traffic = Traffic {
        carrier,
        frames: Vec::new(),
        sequences: [1, 1],
        calls: Vec::new(),
        descriptions: Vec::new(),
    };
    let mut steps: Vec<_> = (0..calls).flat_map(|call| traffic.call(call, packets)).collect();
    // What one connection carries is in order of time.
    steps.sort_by_key(|(micros, _, _)| *micros);
    for (micros, from, message) in steps {
        traffic.send(micros, from, &message);
    }
    traffic.frames.sort_by_key(|(micros, _)| *micros);
    traffic
}

impl Traffic {
    /// The frames as a pcap file.
    pub(crate) fn pcap(&self) -> Vec<u8> {
        let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        file.extend([65_535_u32, 1].map(u32::to_le_bytes).as_flattened());
        for (micros, data) in &self.frames {
            let length = data.len() as u32;
            let times = [(micros / 1_000_000) as u32, (micros % 1_000_000) as u32];
            file.extend([times[0], times[1], length, length].map(u32::to_le_bytes).as_flattened());
            file.extend(data);
        }
        file
    }

    /// A call that is answered after three seconds and ended by the caller: when each message is
    /// sent, by which side, and the message.
    fn call(&mut self, call: u32, packets: u32) -> Vec<(u64, usize, Vec<u8>)> {
        let begin = START + u64::from(call) * 2_000;
        let ports = [10_000 + (call % 20_000) as u16 * 2, 50_000 - (call % 20_000) as u16 * 2];
        let [offer, answer] = [description(1, ports[0]), description(2, ports[1])];
        let answered = begin + 3_000_000;
        let ended = answered + u64::from(packets) * 20_000 + 100_000;
        let steps = [
            (begin, 0, "INVITE", None, offer.as_str()),
            (begin + 1_000, 1, "INVITE", Some("100 Trying"), ""),
            (begin + 90_000, 1, "INVITE", Some("180 Ringing"), ""),
            (answered, 1, "INVITE", Some("200 OK"), answer.as_str()),
            (answered + 20_000, 0, "ACK", None, ""),
            (ended, 0, "BYE", None, ""),
            (ended + 20_000, 1, "BYE", Some("200 OK"), ""),
        ];
        let steps: Vec<_> = steps
            .into_iter()
            .map(|(micros, from, method, status, body)| {
                (micros, from, message(call, method, status, body))
            })
            .collect();
        self.calls.push(steps.iter().map(|(_, _, message)| message.clone()).collect());
        self.descriptions.extend([offer, answer].map(String::into_bytes));
        for number in 0..packets {
            for side in [0, 1] {
                let micros = answered + u64::from(number) * 20_000 + u64::from(call % 97) * 11;
                let ways = [ports[side], ports[1 - side]];
                let packet = rtp(call * 2 + side as u32, number);
                self.frames.push((micros, frame(side, 17, &udp(ways, &packet))));
            }
        }
        steps
    }

    /// Sends a message from one side to the other.
    fn send(&mut self, micros: u64, from: usize, message: &[u8]) {
        if self.carrier == Carrier::Udp {
            self.frames.push((micros, frame(from, 17, &udp([5060, 5060], message))));
            return;
        }
        for piece in message.chunks(SEGMENT) {
            let ports = [5060_u16; 2].map(u16::to_be_bytes);
            let numbers = [self.sequences[from], self.sequences[1 - from]].map(u32::to_be_bytes);
            let rest = [0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0];
            let segment = [ports.as_flattened(), numbers.as_flattened(), &rest, piece].concat();
            self.frames.push((micros, frame(from, 6, &segment)));
            self.sequences[from] = self.sequences[from].wrapping_add(piece.len() as u32);
        }
    }
}

fn description(host: u8, port: u16) -> String {
    format!(
        "v=0\r\no=- {port} 1 IN IP4 192.0.2.{host}\r\ns=-\r\nc=IN IP4 192.0.2.{host}\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
    )
}

/// A message of a call; a response where there is a status.
fn message(call: u32, method: &str, status: Option<&str>, body: &str) -> Vec<u8> {
    let start = match status {
        Some(status) => format!("SIP/2.0 {status}"),
        None => format!("{method} sip:callee{call}@192.0.2.2 SIP/2.0"),
    };
    let is_first = method == "INVITE" && matches!(status, None | Some("100 Trying"));
    let tag = if is_first { String::new() } else { format!(";tag=b{call:x}") };
    let number = if method == "BYE" { 2 } else { 1 };
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK{call:x}{method}\r\n\
         Max-Forwards: 70\r\nFrom: \"Caller {call}\" <sip:caller{call}@192.0.2.1>;tag=a{call:x}\r\n\
         To: <sip:callee{call}@192.0.2.2>{tag}\r\nCall-ID: {call:08x}-bench@192.0.2.1\r\n\
         CSeq: {number} {method}\r\nContact: <sip:caller{call}@192.0.2.1:5060>\r\n\
         Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE\r\nSupported: replaces, timer\r\n\
         User-Agent: bench/1.0\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A packet of G.711 of 20 ms.
fn rtp(source: u32, number: u32) -> Vec<u8> {
    let marker = if number == 0 { 0x88 } else { 0x08 };
    let mut packet = vec![0x80, marker];
    packet.extend((number as u16).to_be_bytes());
    packet.extend((number * 160).to_be_bytes());
    packet.extend(source.wrapping_mul(0x9e37_79b9).to_be_bytes());
    packet.extend([0x55; 160]);
    packet
}

fn udp(ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let fields = [ports[0], ports[1], payload.len() as u16 + 8, 0].map(u16::to_be_bytes);
    [fields.as_flattened(), payload].concat()
}

/// An Ethernet frame from 192.0.2.1 to 192.0.2.2, or back.
fn frame(from: usize, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0];
    frame.extend((payload.len() as u16 + 20).to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    let hosts = [[192, 0, 2, 1], [192, 0, 2, 2]];
    frame.extend(hosts[from]);
    frame.extend(hosts[1 - from]);
    frame.extend(payload);
    frame
}
