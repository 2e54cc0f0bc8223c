//! A message says the same however it is spelled: compact forms, any case, folds, line ends.

use proptest::prelude::*;
use proptest::test_runner::Config;
use siptrace::sdp::Session;
use siptrace::sip::{HeaderName, Message};

/// Long name, compact name, and the value in pieces between which white space is free.
const HEADERS: [(&str, &str, &[&str]); 8] = [
    (
        "Via",
        "v",
        &["SIP/2.0/UDP a.example", ";branch=z9hG4bK1", ";rport", ",SIP/2.0/TCP", " b:5070"],
    ),
    ("From", "f", &["\"Ann; <A>\" ", "<sip:ann@a.example;x=1>", ";tag=", "1"]),
    ("To", "t", &["Bob ", "<sip:bob@b.example>", ";a", ";tag", "=2"]),
    ("Call-ID", "i", &["1@a.example"]),
    ("CSeq", "CSEQ", &["4711", " INVITE"]),
    ("Contact", "m", &["<sip:ann@a.example>", ";expires=60", ",", "<sip:c@d>"]),
    ("Content-Type", "c", &["application/sdp"]),
    ("Session-Expires", "x", &["1800", ";refresher=uac"]),
];

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

fn spelled(choices: &[u8], line_end: &str) -> String {
    let mut choices = choices.iter().copied().cycle();
    let mut choose = move |count: u8| choices.next().unwrap_or(0) % count;
    let mut text = format!("INVITE sip:bob@b.example SIP/2.0{line_end}");
    for (long, compact, pieces) in HEADERS {
        let name = if choose(2) == 0 { long } else { compact };
        text += &if choose(2) == 0 { name.to_owned() } else { name.to_ascii_uppercase() };
        text += ["", " ", "\t"][usize::from(choose(3))];
        text += ":";
        for piece in pieces {
            match choose(4) {
                0 => text += " ",
                1 => text = text + line_end + " ",
                2 => text = text + " \t" + line_end + "\t",
                _ => {}
            }
            text += piece;
        }
        text += line_end;
    }
    text + line_end + SDP
}

proptest! {
    #![proptest_config(Config { cases: 500, failure_persistence: None, ..Config::default() })]

    #[test]
    fn spelling_changes_nothing(
        choices in prop::collection::vec(any::<u8>(), 64),
        line_end in prop::sample::select(&["\r\n", "\n", "\r"][..]),
    ) {
        let text = spelled(&choices, line_end);
        let (message, _) = Message::parse(text.as_bytes());

        prop_assert_eq!(message.headers().len(), HEADERS.len());
        let hops: Vec<_> = message.vias().map(|v| (v.host.to_string(), v.port)).collect();
        prop_assert_eq!(hops, [("a.example".to_owned(), None), ("b".to_owned(), Some(5070))]);
        prop_assert_eq!(message.branch(), Some(&b"z9hG4bK1"[..]));
        prop_assert_eq!(message.from_tag(), Some(&b"1"[..]));
        prop_assert_eq!(message.to_tag(), Some(&b"2"[..]));
        let from = message.from().expect("an address");
        prop_assert_eq!(from.display_text().expect("a name"), "Ann; <A>");
        prop_assert_eq!(from.uri.as_str(), "sip:ann@a.example;x=1");
        prop_assert_eq!(message.call_id(), Some(&b"1@a.example"[..]));
        prop_assert_eq!(message.cseq().map(|cseq| cseq.number), Some(4711));
        let expiries: Vec<_> = message.contacts().map(|contact| contact.expires()).collect();
        prop_assert_eq!(expiries, [Some(60), None]);
        prop_assert_eq!(message.session_expires().map(|session| session.seconds), Some(1800));
        prop_assert!(message.text(HeaderName::Via).is_some_and(|via| !via.contains(['\r', '\n'])));
        let session = Session::parse(message.sdp().expect("a description")).0;
        prop_assert_eq!(session.media.len(), 1);
    }
}
