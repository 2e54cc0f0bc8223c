//! What `rsip` reads right, this crate reads alike.
//!
//! The messages keep to the subset that `rsip` understands: long names, no folds, CR LF, users
//! without dots, one `Via` in a header, known methods.

use proptest::prelude::*;
use proptest::test_runner::Config;
use rsip::headers::typed::{self, Tokenize, TypedHeader};
use rsip::headers::{ToTypedHeader, UntypedHeader};
use rsip::message::HeadersExt;
use siptrace::sip::{ContentType, HeaderName, Message, Status, Warning};

const METHODS: [&str; 14] = [
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "REGISTER",
    "OPTIONS",
    "INFO",
    "PRACK",
    "SUBSCRIBE",
    "NOTIFY",
    "UPDATE",
    "REFER",
    "MESSAGE",
    "PUBLISH",
];

#[derive(Clone, Debug)]
struct Parts {
    method: &'static str,
    status: Option<u16>,
    user: String,
    host: String,
    port: Option<u16>,
    tag: String,
    branch: String,
    call_id: String,
    cseq: u32,
    body: String,
}

impl Parts {
    fn uri(&self) -> String {
        let port = self.port.map_or(String::new(), |port| format!(":{port}"));
        format!("sip:{}@{}{port}", self.user, self.host)
    }

    fn text(&self) -> String {
        let uri = self.uri();
        let start = match self.status {
            Some(status) => format!("SIP/2.0 {status} Phrase"),
            None => format!("{} {uri} SIP/2.0", self.method),
        };
        let Self { host, tag, branch, call_id, cseq, method, body, .. } = self;
        let length = body.len();
        format!(
            "{start}\r\nVia: SIP/2.0/UDP {host};branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
             From: <{uri}>;tag={tag}\r\nTo: <sip:bob@b.example>\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <{uri}>\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }
}

fn parts() -> impl Strategy<Value = Parts> {
    let start = (prop::sample::select(&METHODS[..]), prop::option::of(100_u16..700));
    let address = ("[a-z][a-z0-9]{0,8}", "[a-z]{1,8}\\.example", prop::option::of(1_u16..));
    let keys = ("[a-zA-Z0-9]{1,12}", "[a-zA-Z0-9]{1,12}", "[a-z0-9]{1,8}@[a-z]{1,8}");
    (start, address, keys, 0_u32..(1 << 31), "[ -~]{0,40}").prop_map(
        |((method, status), (user, host, port), (tag, branch, call_id), cseq, body)| Parts {
            method,
            status,
            user,
            host,
            port,
            tag,
            branch,
            call_id,
            cseq,
            body,
        },
    )
}

proptest! {
    #![proptest_config(Config { cases: 500, failure_persistence: None, ..Config::default() })]

    #[test]
    fn messages_are_read_alike(parts in parts()) {
        let text = parts.text();
        let (ours, _) = Message::parse(text.as_bytes());
        let theirs = rsip::SipMessage::try_from(text.as_bytes()).expect("in the subset of rsip");

        match &theirs {
            rsip::SipMessage::Request(request) => {
                prop_assert_eq!(request.method.to_string(), ours.method().to_string());
                let uri = ours.request_uri().map(|uri| uri.to_string());
                prop_assert_eq!(Some(request.uri.to_string()), uri);
            }
            rsip::SipMessage::Response(response) => {
                prop_assert_eq!(Some(response.status_code.code()), ours.status().map(Status::code));
            }
        }
        let bytes = |text: &str| Some(text.as_bytes().to_vec());
        let call_id = theirs.call_id_header().expect("a Call-ID");
        prop_assert_eq!(bytes(call_id.value()), ours.call_id().map(<[u8]>::to_vec));

        let cseq = theirs.cseq_header().expect("a CSeq").typed().expect("a number and a method");
        prop_assert_eq!(Some(cseq.seq), ours.cseq().map(|cseq| cseq.number));
        let method = ours.cseq_method().map(|method| method.to_string());
        prop_assert_eq!(Some(cseq.method.to_string()), method);

        let from = theirs.from_header().expect("a From").typed().expect("an address");
        let tag = from.tag().expect("a tag").to_string();
        prop_assert_eq!(bytes(&tag), ours.from_tag().map(<[u8]>::to_vec));
        let uri = ours.from().expect("an address").uri;
        prop_assert_eq!(from.uri.user().and_then(bytes), uri.user().map(<[u8]>::to_vec));
        prop_assert_eq!(from.uri.host().to_string(), uri.host().expect("a host").to_string());
        prop_assert_eq!(from.uri.port().map(|port| *port.value()), uri.port());

        let via = theirs.via_header().expect("a Via").typed().expect("a hop");
        let branch = via.branch().expect("a branch").to_string();
        prop_assert_eq!(bytes(&branch), ours.branch().map(<[u8]>::to_vec));
        prop_assert_eq!(theirs.body().as_slice(), ours.body());
    }

    #[test]
    fn digests_are_read_alike(realm in "[a-z ,]{1,20}", nonce in "[a-zA-Z0-9+/=]{1,30}") {
        let text = format!(
            "SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"{realm}\", \
             nonce=\"{nonce}\", algorithm=MD5\r\n\r\n"
        );
        let (message, _) = Message::parse(text.as_bytes());
        let ours = message.challenges().next().expect("a challenge");
        let value = message.text(HeaderName::WwwAuthenticate).expect("a header");
        prop_assert_eq!(ours.fields.text("realm"), Some(realm.as_str().into()));
        prop_assert_eq!(ours.fields.text("nonce"), Some(nonce.as_str().into()));
        // What rsip does not understand is no evidence.
        if let Ok(theirs) = read::<typed::WwwAuthenticate>(&value) && !realm.contains([',', ' ']) {
            prop_assert_eq!(theirs.realm.as_bytes(), realm.as_bytes());
            prop_assert_eq!(theirs.nonce.as_bytes(), nonce.as_bytes());
        }
    }
}

fn read<'a, T: TypedHeader<'a>>(value: &'a str) -> Result<T, rsip::Error> {
    T::try_from(<T::Tokenizer as Tokenize<'a>>::tokenize(value)?)
}

#[test]
fn warnings_and_content_types_are_read_alike() {
    let value = "307 isi.example \"Session parameter not understood\"";
    let theirs = read::<typed::Warning>(value).expect("in the subset of rsip");
    let ours = Warning::parse(value.as_bytes()).expect("three digits");
    assert_eq!(theirs.code, ours.code);
    assert_eq!(theirs.text.trim_matches('"'), ours.text());

    let value = "application/sdp;charset=utf-8";
    let theirs = read::<typed::ContentType>(value).expect("in the subset of rsip");
    let ours = ContentType::parse(value.as_bytes());
    assert!(theirs.to_string().starts_with("application/sdp"));
    assert!(ours.is("application", "sdp") && ours.parameters.has("charset"));
}
