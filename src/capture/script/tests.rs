//! Scripts, and the packets that come of them as another decoder reads them.

mod errors;

use std::net::{IpAddr, SocketAddr};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};

use super::{ScriptFrame, expectations, frames, title};

const HOSTS: &str = "host alice 192.0.2.10\nhost proxy 198.51.100.1\nhost bob 203.0.113.20\n";

/// A UDP payload or TCP segment, and where it went.
struct Carried {
    source: SocketAddr,
    destination: SocketAddr,
    sequence: Option<u32>,
    flags: u8,
    payload: Vec<u8>,
}

impl Carried {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

fn play(script: &str) -> Vec<ScriptFrame> {
    frames(script).unwrap_or_else(|error| panic!("{error}\n{script}"))
}

/// Decodes a frame and checks every length and checksum in it.
fn carried(frame: &ScriptFrame) -> Carried {
    let packet = SlicedPacket::from_ip(&frame.data).expect("an IP packet");
    let (source, destination): (IpAddr, IpAddr) = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => {
            let header = ip.header();
            assert_eq!(header.header_checksum(), header.to_header().calc_header_checksum());
            assert_eq!(usize::from(header.total_len()), frame.data.len());
            (header.source_addr().into(), header.destination_addr().into())
        }
        Some(NetSlice::Ipv6(ip)) => {
            assert_eq!(usize::from(ip.header().payload_length()) + 40, frame.data.len());
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        _ => panic!("no IP header"),
    };
    let bytes = frame.data.get(if source.is_ipv4() { 20.. } else { 40.. }).expect("a payload");
    match packet.transport {
        Some(TransportSlice::Udp(udp)) => {
            assert_eq!(sum(source, destination, 17, bytes), 0xffff);
            assert_eq!(usize::from(udp.length()), bytes.len());
            Carried {
                source: SocketAddr::new(source, udp.source_port()),
                destination: SocketAddr::new(destination, udp.destination_port()),
                sequence: None,
                flags: 0,
                payload: udp.payload().to_vec(),
            }
        }
        Some(TransportSlice::Tcp(tcp)) => {
            assert_eq!(sum(source, destination, 6, bytes), 0xffff);
            Carried {
                source: SocketAddr::new(source, tcp.source_port()),
                destination: SocketAddr::new(destination, tcp.destination_port()),
                sequence: Some(tcp.sequence_number()),
                flags: bytes.get(13).copied().unwrap_or(0),
                payload: tcp.payload().to_vec(),
            }
        }
        _ => panic!("no transport"),
    }
}

/// The Internet checksum with its pseudo header: all ones where it is right.
fn sum(source: IpAddr, destination: IpAddr, protocol: u8, bytes: &[u8]) -> u16 {
    let mut all = Vec::new();
    for address in [source, destination] {
        match address {
            IpAddr::V4(address) => all.extend(address.octets()),
            IpAddr::V6(address) => all.extend(address.octets()),
        }
    }
    all.extend((bytes.len() as u32).to_be_bytes());
    all.extend([0, 0, 0, protocol]);
    all.extend_from_slice(bytes);
    all.resize(all.len().next_multiple_of(2), 0);
    let words = all.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// The text of every UDP message.
fn messages(script: &str) -> Vec<String> {
    play(script).iter().map(|frame| carried(frame).text()).collect()
}

/// The messages of a script below the usual three hosts.
fn told(events: &str) -> Vec<String> {
    messages(&format!("{HOSTS}{events}"))
}

fn field<'a>(message: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    message.lines().find_map(|line| line.strip_prefix(prefix.as_str())).unwrap_or("")
}

fn first_lines(messages: &[String]) -> Vec<&str> {
    messages.iter().filter_map(|message| message.lines().next()).collect()
}

/// The `sip` blocks of the documentation.
fn documented() -> Vec<&'static str> {
    let page = include_str!("../../../docs/sip-script.md");
    page.split("```sip\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

const TWO_PARTIES: &str = "\
0     alice > bob INVITE sdp
+10ms bob > alice 100
+10ms bob > alice 180
1     bob > alice 200 sdp
+10ms alice > bob ACK
2     bob > alice BYE
+10ms alice > bob 200
";

#[test]
fn a_host_says_what_its_options_say() {
    let script = "host alice 192.0.2.10 rport agent=\"Phone 1.0\" allow=-\nhost bob 203.0.113.20 \
                  server=- allow=INVITE\ncall one id=7f3a\n0 alice > bob INVITE\n\
                  1 bob > alice 200\n+5ms alice > bob ACK\ncall other\n2 alice > bob OPTIONS\n";
    let texts: Vec<String> = play(script).iter().map(|frame| carried(frame).text()).collect();
    let [invite, ok, ack, options] = texts.as_slice() else { panic!("{texts:?}") };
    assert!(invite.contains(";branch=z9hG4bK-alice-1;rport\r\n"), "{invite}");
    assert!(invite.contains("\r\nUser-Agent: Phone 1.0\r\n") && !invite.contains("Allow"));
    assert!(invite.contains("\r\nCall-ID: 7f3a\r\n") && ack.contains("\r\nCall-ID: 7f3a\r\n"));
    assert!(ok.contains(";rport=5060;received=192.0.2.10\r\n"), "{ok}");
    assert!(ok.contains("\r\nAllow: INVITE\r\n") && !ok.contains("Server"), "{ok}");
    assert!(options.contains("\r\nCall-ID: other@script.invalid\r\n"), "{options}");
}

#[test]
fn a_dialog_keeps_the_names_of_its_ends() {
    let script = format!(
        "{HOSTS}0 alice > bob INVITE\n  From: \"Alice\" <sip:a@example.com>;tag=1\n\
         1 bob > alice 200\n+5ms alice > bob ACK\n2 bob > alice BYE\n"
    );
    let texts: Vec<String> = play(&script).iter().map(|frame| carried(frame).text()).collect();
    let [_, _, ack, bye] = texts.as_slice() else { panic!("{texts:?}") };
    assert!(ack.contains("\r\nFrom: \"Alice\" <sip:a@example.com>;tag=1\r\n"), "{ack}");
    assert!(bye.contains("\r\nTo: \"Alice\" <sip:a@example.com>;tag=1\r\n"), "{bye}");
}

#[test]
fn examples_of_the_documentation_play() {
    let scripts = documented();
    assert!(scripts.len() >= 7);
    for script in scripts {
        assert!(!play(script).is_empty());
        let expected = expectations(script).unwrap_or_else(|error| panic!("{error}\n{script}"));
        assert!(!expected.is_empty());
        assert!(!title(script).is_empty());
    }
}

#[test]
fn a_call_of_two_parties_is_complete() {
    let told = told(TWO_PARTIES);
    assert_eq!(
        first_lines(&told),
        [
            "INVITE sip:bob@example.com SIP/2.0",
            "SIP/2.0 100 Trying",
            "SIP/2.0 180 Ringing",
            "SIP/2.0 200 OK",
            "ACK sip:bob@203.0.113.20:5060 SIP/2.0",
            "BYE sip:alice@192.0.2.10:5060 SIP/2.0",
            "SIP/2.0 200 OK",
        ]
    );
    let fields = |name| told.iter().map(|message| field(message, name)).collect::<Vec<_>>();
    let (alice, bob) = ("<sip:alice@example.com>;tag=alice-1", "<sip:bob@example.com>;tag=bob-2");
    let untagged = "<sip:bob@example.com>";
    assert_eq!(fields("From"), [alice, alice, alice, alice, alice, bob, bob]);
    assert_eq!(fields("To"), [untagged, untagged, bob, bob, bob, alice, alice]);
    let cseq = ["1 INVITE", "1 INVITE", "1 INVITE", "1 INVITE", "1 ACK", "1 BYE", "1 BYE"];
    assert_eq!(fields("CSeq"), cseq);
    assert!(fields("Call-ID").iter().all(|id| *id == "first@script.invalid"));
    let branch = |at: usize| field(&told[at], "Via").rsplit('=').next().expect("a branch");
    assert!(branch(0) == branch(3) && branch(0) != branch(4) && branch(4) != branch(5));
    for message in &told {
        let (_, body) = message.split_once("\r\n\r\n").expect("a body");
        assert_eq!(field(message, "Content-Length"), body.len().to_string());
    }
    assert!(
        told[0].contains("c=IN IP4 192.0.2.10\r\n")
            && told[3].contains("m=audio 40004 RTP/AVP 0 8 101\r\n")
    );
}

#[test]
fn a_proxy_forwards_both_ways() {
    let told = told(
        "0 alice > proxy INVITE\n+.01 proxy > alice 100\n+.01 proxy > bob forward\n\
         +.01 bob > proxy 100\n+.01 bob > proxy 180\n+.01 proxy > alice forward\n\
         1 bob > proxy 200\n+.01 proxy > alice forward\n+.01 alice > proxy ACK\n\
         +.01 proxy > bob forward\n2 bob > proxy BYE\n+.01 proxy > alice forward\n\
         +.01 alice > proxy 200\n+.01 proxy > bob forward\n",
    );
    let invite = &told[2];
    let vias: Vec<&str> = invite.lines().filter(|line| line.starts_with("Via:")).collect();
    assert_eq!(vias.len(), 2);
    assert!(vias[0].contains("198.51.100.1:5060;branch=z9hG4bK-proxy"));
    assert!(told[0].contains(vias[1]));
    assert_eq!(field(invite, "Max-Forwards"), "69");
    assert_eq!(field(invite, "Record-Route"), "<sip:198.51.100.1:5060;lr>");
    assert_eq!(field(&told[5], "Via"), field(&told[0], "Via"));
    assert_eq!(field(&told[5], "To"), field(&told[4], "To"));
    assert_eq!(field(&told[8], "Route"), "<sip:198.51.100.1:5060;lr>");
    assert_eq!(field(&told[9], "Route"), "");
    assert_eq!(field(&told[10], "Route"), "<sip:198.51.100.1:5060;lr>");
    assert_eq!(told[13].lines().filter(|line| line.starts_with("Via:")).count(), 1);
}

#[test]
fn a_retransmission_is_the_same_datagram() {
    let script = format!(
        "{HOSTS}0 alice > bob INVITE\n.5 alice > bob again\n1 alice > bob BYE call=2\n\
         1.5 alice > bob again INVITE\n"
    );
    let told = messages(&script);
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[3]);
    let ids: Vec<u8> = play(&script).iter().map(|frame| frame.data[5]).collect();
    assert_eq!(ids, [1, 2, 3, 4]);
}

#[test]
fn cancel_and_ack_of_a_failure_belong_to_the_invite() {
    let told = told(
        "0 alice > proxy INVITE\n+.01 proxy > bob forward\n+.01 bob > proxy 180\n\
         +.01 proxy > alice forward\n1 alice > proxy CANCEL\n+.01 proxy > alice 200\n\
         +.01 proxy > bob forward\n+.01 bob > proxy 200\n+.01 bob > proxy 487\n\
         +.01 proxy > bob ACK\n+.01 proxy > alice forward\n+.01 alice > proxy ACK\n",
    );
    for (at, invite, cseq) in
        [(4, 0, "1 CANCEL"), (6, 1, "1 CANCEL"), (9, 1, "1 ACK"), (11, 0, "1 ACK")]
    {
        assert_eq!(field(&told[at], "Via"), field(&told[invite], "Via"), "{at}");
        assert_eq!(told[at].matches("Via:").count(), 1);
        assert_eq!(field(&told[at], "CSeq"), cseq);
    }
    assert_eq!(field(&told[7], "CSeq"), "1 CANCEL");
    assert_eq!(field(&told[8], "CSeq"), "1 INVITE");
    assert_eq!(field(&told[7], "To"), field(&told[8], "To"));
    assert_eq!(field(&told[11], "To"), field(&told[8], "To"));
    assert_eq!(field(&told[1], "Record-Route"), "");
}

#[test]
fn a_challenge_is_answered_once() {
    let told = told(
        "call registration\n0 alice > proxy REGISTER\n+.01 proxy > alice 401\n\
         +.01 alice > proxy REGISTER\n+.01 proxy > alice 200\n1 alice > proxy REGISTER\n",
    );
    assert!(told[0].starts_with("REGISTER sip:example.com SIP/2.0\r\n"));
    assert_eq!(field(&told[0], "To"), "<sip:alice@example.com>");
    let credentials = field(&told[2], "Authorization");
    assert!(
        credentials.contains("realm=\"example.com\", nonce=\"nonce-1\", uri=\"sip:example.com\"")
    );
    assert_eq!((field(&told[2], "CSeq"), field(&told[4], "CSeq")), ("2 REGISTER", "3 REGISTER"));
    assert_eq!(field(&told[4], "Authorization"), "");
    assert_eq!(field(&told[0], "From"), field(&told[2], "From"));
    assert_eq!(field(&told[3], "Contact"), "<sip:alice@192.0.2.10:5060>;expires=3600");
}

#[test]
fn a_transfer_reports_in_the_dialog() {
    let told = told(&format!(
        "{}3 alice > bob REFER\n+.01 bob > alice 202\n+.01 bob > alice NOTIFY sipfrag=100\n\
         +.01 alice > bob 200\n+.01 bob > alice NOTIFY sipfrag=503\n",
        TWO_PARTIES.split_inclusive('\n').take(5).collect::<String>()
    ));
    assert_eq!(field(&told[5], "Refer-To"), "<sip:carol@example.com>");
    assert_eq!(field(&told[5], "CSeq"), "2 REFER");
    assert!(told[7].ends_with("\r\n\r\nSIP/2.0 100 Trying\r\n"));
    assert_eq!(field(&told[7], "Subscription-State"), "active;expires=60");
    assert!(told[9].ends_with("\r\n\r\nSIP/2.0 503 Service Unavailable\r\n"));
    assert_eq!(field(&told[9], "Subscription-State"), "terminated;reason=noresource");
    assert_eq!((field(&told[9], "Event"), field(&told[9], "CSeq")), ("refer", "2 NOTIFY"));
    assert_eq!(field(&told[9], "To"), field(&told[5], "From"));
}

#[test]
fn forks_are_dialogs_of_their_own() {
    let told = told(
        "0 alice > bob INVITE\n1 bob > alice 200 tag=a\n+.01 bob > alice 200 tag=b\n\
         +.01 alice > bob ACK tag=a\n+.01 alice > bob ACK tag=b\n+.01 alice > bob BYE tag=b\n\
         +.01 bob > alice BYE tag=alice-1\n",
    );
    let tags: Vec<&str> =
        told.iter().map(|told| field(told, "To").rsplit('=').next().unwrap_or("")).collect();
    assert_eq!(tags[1..6], ["a", "b", "a", "b", "b"]);
}

#[test]
fn a_reliable_answer_is_acknowledged() {
    let told = told(
        "0 alice > bob INVITE\n1 bob > alice 183 reliable\n+.01 alice > bob PRACK\n\
         +.01 bob > alice 200\n+.01 bob > alice 200\n",
    );
    assert_eq!((field(&told[1], "Require"), field(&told[1], "RSeq")), ("100rel", "1"));
    assert_eq!(field(&told[2], "RAck"), "1 1 INVITE");
    assert_eq!((field(&told[3], "CSeq"), field(&told[4], "CSeq")), ("2 PRACK", "1 INVITE"));
}

#[test]
fn a_capture_can_begin_in_the_middle() {
    let told = told(
        "0 alice > bob BYE\n1 bob > alice 200\n2 bob > alice INFO\n\
         call second\n3 alice > bob INVITE unseen\n4 bob > alice 180\n",
    );
    assert_eq!(field(&told[0], "To"), "<sip:bob@example.com>;tag=bob-2");
    assert_eq!(field(&told[2], "From"), "<sip:bob@example.com>;tag=bob-2");
    assert_eq!(field(&told[2], "To"), "<sip:alice@example.com>;tag=alice-1");
    assert_eq!(first_lines(&told)[3], "SIP/2.0 180 Ringing");
    assert_eq!(told.len(), 4);
}

#[test]
fn a_second_call_under_the_same_id_has_new_tags() {
    let told = told(&format!("{TWO_PARTIES}9 alice > bob INVITE\n10 alice > bob OPTIONS new\n"));
    assert_eq!(field(&told[7], "From"), "<sip:alice@example.com>;tag=alice-3");
    assert_eq!(field(&told[7], "CSeq"), "1 INVITE");
    assert_eq!(field(&told[8], "From"), "<sip:alice@example.com>;tag=alice-4");
}

#[test]
fn header_lines_replace_add_and_remove() {
    let told = told(
        "0 alice > bob INVITE\n  Contact: <sip:alice@10.0.0.5> # private\n  +Via: SIP/2.0/UDP x\n\
         \t-user-agent\n  Warning: 399 a \"x # y\"\n  Warning: 399 b \"z\"\n  Subject:\n\
         1 bob > alice 200\n2 alice > bob ACK\n3 bob > alice BYE\n",
    );
    assert_eq!(field(&told[0], "Contact"), "<sip:alice@10.0.0.5>");
    assert_eq!(told[0].matches("\r\nVia: ").count(), 2);
    assert_eq!(field(&told[0], "User-Agent"), "");
    assert_eq!(told[0].matches("\r\nWarning: ").count(), 2);
    assert!(told[0].contains("\"x # y\"\r\n") && told[0].contains("\r\nSubject:\r\n"));
    assert!(told[3].starts_with("BYE sip:alice@10.0.0.5 SIP/2.0"));
}

#[test]
fn bodies_are_as_written() {
    let told = told(
        "0 alice > bob MESSAGE\n  body text/plain\n  | a\\x00\\tb\n  |  c\\\\\\\n\
         1 alice > bob INVITE call=2\n\
         \x20 sdp sendonly port=0 codecs=PCMA,telephone-event/96 address=10.0.0.1\n\
         2 alice > bob raw\n| \n|\n",
    );
    assert!(
        told[0].ends_with("Content-Type: text/plain\r\nContent-Length: 9\r\n\r\na\0\tb\r\n c\\")
    );
    assert!(told[1].contains("m=audio 0 RTP/AVP 8 96\r\n"));
    assert!(told[1].contains("a=rtpmap:96 telephone-event/8000\r\n"));
    assert!(told[1].contains("c=IN IP4 10.0.0.1\r\n") && told[1].ends_with("a=sendonly\r\n"));
    assert_eq!(told[2], "\r\n\r\n");
}

#[test]
fn the_version_of_a_description_grows_when_it_changes() {
    let told = told(
        "0 alice > bob INVITE\n  sdp\n1 alice > bob UPDATE\n  sdp\n\
         2 alice > bob UPDATE\n  sdp inactive\n",
    );
    let versions: Vec<bool> = told.iter().map(|told| told.contains("o=alice 1 2 IN")).collect();
    assert_eq!(versions, [false, false, true]);
}

#[test]
fn tcp_carries_every_byte_in_order() {
    let script = "host a [2001:db8::1]\nhost b 2001:db8::2\ntransport tcp\n\
        0 a > b INVITE split=3 @invite\n.1 b > a 100 join @hundred\n.2 b > a 180 @ringing\n\
        .3 b > a 200 split=2 reorder duplicate @ok\n.4 a > b ACK\n.5 a > b tcp fin\n\
        .6 b > a tcp rst\n.7 a > b OPTIONS call=2\n\
        ^ none\n";
    let all: Vec<Carried> = play(script).iter().map(carried).collect();
    let flags: Vec<u8> = all.iter().map(|carried| carried.flags).collect();
    assert_eq!(flags, [2, 18, 16, 16, 16, 24, 24, 24, 16, 24, 24, 17, 20, 2, 18, 16, 24]);
    assert_eq!(all[0].source.to_string(), "[2001:db8::1]:49152");
    assert_eq!(all[13].source.port(), 49153);
    let stream = |source: SocketAddr| {
        let mut parts: Vec<_> = all.iter().filter(|part| part.source == source).collect();
        parts.retain(|part| part.destination == all[0].source || part.source == all[0].source);
        parts.sort_by_key(|part| part.sequence);
        parts.dedup_by_key(|part| (part.sequence, part.payload.len()));
        let next = parts.first().and_then(|part| part.sequence).map(|first| first + 1);
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.payload.clone()).collect();
        let last = parts.iter().rfind(|part| !part.payload.is_empty()).expect("data");
        let end = last.sequence.map(|sequence| sequence + last.payload.len() as u32);
        assert_eq!(end, next.map(|next| next + bytes.len() as u32));
        String::from_utf8(bytes).expect("text")
    };
    let (client, server) = (stream(all[0].source), stream(all[0].destination));
    assert!(
        client.starts_with("INVITE ") && client.contains("\r\n\r\nACK sip:b@[2001:db8::2]:5060;")
    );
    let heads =
        ["SIP/2.0 100", "SIP/2.0 180", "SIP/2.0 200"].map(|head| server.matches(head).count());
    assert_eq!(heads, [1, 1, 1]);
    assert!(client.contains("Via: SIP/2.0/TCP [2001:db8::1]:5060;"));
}

#[test]
fn labels_name_the_frame_of_the_last_byte() {
    let script = format!(
        "{HOSTS}transport tcp\n0 alice > bob INVITE split=3 @invite\n\
         .1 bob > alice 100 join @trying\n\
         .2 bob > alice 180 @ringing\n0.001 proxy > bob OPTIONS udp call=x fragment=100 @options\n\
         ^ a warn frames=@invite,@trying,@ringing,@options,2-at=@invite\n"
    );
    assert!(expectations(&script).is_err());
    let script = script.replace(",2-at=@invite", " at=@options text=\"a b\"");
    let expected = expectations(&script).expect("right");
    let count = play(&script).len() as u64;
    assert_eq!(expected[0].frames, Some(vec![6, count, count, count - 1]));
    let values = [("at", (count - 1).to_string()), ("text", "a b".to_owned())];
    assert_eq!(expected[0].values, values.map(|(key, value)| (key.to_owned(), value)));
    assert_eq!((expected[0].rule.as_str(), expected[0].line), ("a", 9));
}

#[test]
fn fragments_make_up_the_datagram() {
    for (a, b, head) in [("192.0.2.1", "192.0.2.2", 20), ("2001:db8::1", "2001:db8::2", 48)] {
        let hosts = format!("host a {a}\nhost b {b}\n");
        let whole = play(&format!("{hosts}0 a > b INVITE sdp\n"));
        let pieces = play(&format!("{hosts}0 a > b INVITE sdp fragment=203\n"));
        let bytes: Vec<u8> = pieces.iter().flat_map(|piece| piece.data[head..].to_vec()).collect();
        let whole_head = if head == 20 { 20 } else { 40 };
        assert_eq!(bytes, whole[0].data[whole_head..]);
        assert!(pieces.len() > 2 && pieces[0].data.len() == head + 200);
        let less = play(&format!("{hosts}0 a > b INVITE sdp fragment=203 lose-fragment=2\n"));
        assert_eq!(less.len(), pieces.len() - 1);
    }
}

#[test]
fn a_capture_can_have_copies_and_cut_frames_and_a_wrong_clock() {
    let script = format!(
        "{HOSTS}0 alice > bob INVITE copy\n1 bob > alice 200 cut=100\n\
         2 alice > bob ACK clock=-1.5\nend 70\n"
    );
    let all = play(&script);
    assert_eq!(all[0].data, all[1].data);
    assert_eq!(all[1].time.since(all[0].time).nanos(), 50_000);
    assert!(all[2].data.len() == 100 && all[2].original_length > 200);
    assert_eq!(all[3].time.since(all[0].time).millis(), 500.0);
    assert_eq!(all[4].time.since(all[0].time).millis(), 70_000.0);
    assert_eq!(carried(&all[4]).payload, b"\r\n\r\n");
}

#[test]
fn media_goes_between_the_ports_of_the_descriptions() {
    let script = format!(
        "{HOSTS}0 alice > bob INVITE sdp\n1 bob > alice 200\n  sdp codecs=PCMA\n  \n\
         2 alice > bob rtp for=0.1\n2.01 bob > alice rtp for=0.1 loss=40 ssrc=0xabc\n\
         3 alice > bob rtp\n4 alice > bob rtcp\n5 bob > alice icmp port-unreachable\n"
    );
    let all = play(&script);
    assert_eq!(all.len(), 2 + 5 + 3 + 1 + 1 + 1);
    let first = carried(&all[2]);
    assert_eq!((first.source.port(), first.destination.port()), (40_000, 40_004));
    assert_eq!((first.payload.len(), &first.payload[..4]), (172, &[0x80, 0x88, 0, 1][..]));
    let later = carried(&all[10]);
    assert_eq!(later.payload[2..8], [0, 6, 0, 0, 0x1f, 0x40]);
    let report = carried(&all[11]);
    assert_eq!((report.source.port(), report.payload[23]), (40_001, 6));
    assert_eq!(all[12].data[28..], all[11].data[..]);
    assert_eq!(all[12].data[20..22], [3, 3]);
}

#[test]
fn digits_are_packets_with_one_timestamp_and_three_ends() {
    let script = format!(
        "{HOSTS}0 alice > bob INVITE sdp\n1 bob > alice 200 sdp\n\
         2 alice > bob rtp for=0.1 event=5\n3 alice > bob rtp event=11 endless rate=16000 pt=96\n"
    );
    let all: Vec<Carried> = play(&script).iter().skip(2).map(carried).collect();
    let media = |carried: &Carried| (carried.payload[1], carried.payload[12..].to_vec());
    assert_eq!(all.len(), 5 + 1);
    assert_eq!(media(&all[0]), (0x80 | 101, vec![5, 10, 0, 160]));
    assert_eq!(media(&all[1]), (101, vec![5, 10, 1, 64]));
    assert_eq!(media(&all[4]), (101, vec![5, 0x80 | 10, 3, 32]));
    assert!(all[..5].iter().all(|one| one.payload[4..8] == all[0].payload[4..8]));
    assert_eq!(media(&all[5]), (0x80 | 96, vec![11, 10, 1, 64]));
}

#[test]
fn ports_and_inside_addresses_are_used() {
    let script = "host a 203.0.113.5:31000 inside=10.0.0.5:5060 user=1001 domain=x.example\n\
        host b 203.0.113.6\n0 a > b:5080 INVITE sdp\n1 b > a 200\n2 a:31001 > b keepalive\n";
    let all: Vec<Carried> = play(script).iter().map(carried).collect();
    assert_eq!((all[0].source.port(), all[0].destination.port()), (31_000, 5080));
    let text = all[0].text();
    assert_eq!(field(&text, "Contact"), "<sip:1001@10.0.0.5:5060>");
    assert!(field(&text, "Via").starts_with("SIP/2.0/UDP 10.0.0.5:5060"));
    assert!(text.contains("c=IN IP4 10.0.0.5") && field(&text, "From").contains("1001@x.example"));
    assert_eq!((all[1].source.port(), all[1].destination.port()), (5080, 31_000));
    assert_eq!(all[2].source.port(), 31_001);
}

#[test]
fn messages_written_out_are_remembered() {
    let told = told(
        "0 alice > bob raw\n| OPTIONS sip:bob SIP/2.0\n| v: SIP/2.0/UDP h;branch=z1\n\
         | f: <sip:a@b>;tag=1\n\
         | t: <sip:c@d>\n| i: x@y\n| CSeq: 9 OPTIONS\n|\n\
         1 bob > alice 400 Missing Max-Forwards\n2 alice > bob again\n",
    );
    assert!(
        told[1].starts_with("SIP/2.0 400 Missing Max-Forwards\r\nVia: SIP/2.0/UDP h;branch=z1\r\n")
    );
    assert_eq!((field(&told[1], "Call-ID"), field(&told[1], "CSeq")), ("x@y", "9 OPTIONS"));
    assert_eq!(told[0], told[2]);
}

#[test]
fn expectations_are_read_in_full() {
    let script = format!(
        "# One.\n#\n# Two.\n{HOSTS}0 alice > bob INVITE\n1 bob > alice 486\n\
         ^ final-response info certain frames=1,2 status=486\n^ x-y\n"
    );
    let all = expectations(&script).expect("right");
    assert_eq!(title(&script), "One. Two.");
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].severity.as_deref(), Some("info"));
    assert_eq!(all[0].confidence.as_deref(), Some("certain"));
    assert_eq!(all[0].frames, Some(vec![1, 2]));
    assert_eq!(all[0].values, [("status".to_owned(), "486".to_owned())]);
    assert!(all[1].frames.is_none() && !all[1].is_none());
    assert!(expectations("^ none").expect("right")[0].is_none());
}

#[test]
fn frames_are_sorted_and_start_when_told() {
    let script = format!(
        "start 2026-02-01T00:00:00Z\n{HOSTS}2 alice > bob INVITE\n\
         1 bob > alice OPTIONS\n+1 bob > alice 100\n"
    );
    let all = play(&script);
    let times: Vec<String> = all.iter().map(|frame| frame.time.to_string()).collect();
    assert_eq!(times, ["2026-02-01T00:00:01Z", "2026-02-01T00:00:02Z", "2026-02-01T00:00:02Z"]);
    assert!(carried(&all[1]).text().starts_with("INVITE"));
}

/// Numbers that look random and are the same on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % count.max(1)
    }
}

/// Pieces that a mutation puts in.
const PIECES: [&str; 40] = [
    "alice",
    "> ",
    "\n",
    "0",
    "9",
    "-",
    "+",
    "=",
    "\"",
    "|",
    "#",
    "^ ",
    "@a",
    "\\",
    "\\x",
    ":",
    "<",
    ">",
    ";",
    "é",
    " tcp",
    " join",
    " split=2",
    " again",
    " forward",
    " 200",
    " CANCEL",
    " ACK",
    " unseen",
    " copy",
    " fragment=8",
    " rtp for=5",
    " call=x",
    " tag=y",
    " icmp port-unreachable",
    " raw\n| x",
    "\n  sdp",
    "\n  body a\n  | b",
    " tcp fin",
    "\nend 9",
];

fn mutate(script: &str, dice: &mut Dice) -> String {
    let mut lines: Vec<String> = script.lines().map(str::to_owned).collect();
    for _ in 0..=dice.below(4) {
        let (at, to) = (dice.below(lines.len()), dice.below(lines.len()));
        let line = lines[at].clone();
        let ends: Vec<usize> = line.char_indices().map(|(at, _)| at).chain([line.len()]).collect();
        let (cut, end) = (ends[dice.below(ends.len())], ends[dice.below(ends.len())]);
        let piece = PIECES[dice.below(PIECES.len())];
        match dice.below(6) {
            0 => lines.swap(at, to),
            1 => lines.insert(to, line),
            2 if lines.len() > 1 => drop(lines.remove(at)),
            3 => lines[at].replace_range(cut.min(end)..cut.max(end), ""),
            4 => lines[at].replace_range(cut.min(end)..cut.max(end), piece),
            _ => lines[at].insert_str(cut, piece),
        }
    }
    lines.join("\n")
}

#[test]
fn no_text_makes_it_panic() {
    let mut dice = Dice(1);
    let scripts = documented();
    let mut played = 0;
    for round in 0..6000 {
        let mut script = scripts[round % scripts.len()].to_owned();
        for _ in 0..=dice.below(2) {
            script = mutate(&script, &mut dice);
        }
        played += usize::from(frames(&script).is_ok());
        let _ = (expectations(&script), title(&script));
    }
    assert!(played > 500, "{played}");
}

#[test]
fn a_script_cannot_make_too_much() {
    let many = format!("{HOSTS}{}", "+1ms alice > bob rtp for=1000\n".repeat(3));
    assert!(frames(&many).expect_err("frames").found.contains("too many frames"));
    let large = format!("{HOSTS}0 alice > bob raw\n{}", "| x\n".repeat(30_000));
    assert!(frames(&large).expect_err("a datagram").found.contains("one UDP datagram"));
    let forward = "+1ms proxy > bob forward unseen\n+1ms bob > proxy forward unseen\n".repeat(5000);
    let loops = format!("{HOSTS}0 alice > proxy INVITE\n{forward}");
    assert!(frames(&loops).is_err());
    let long =
        format!("{HOSTS}{}", "+1ms alice > bob OPTIONS\n+1ms bob > alice 200\n".repeat(10_000));
    assert_eq!(play(&long).len(), 20_000);
}
