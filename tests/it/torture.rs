//! The messages of RFC 4475: each is read, with the right values or the right anomaly.
//!
//! The expectations are those of `torture.tsv`, as far as a parser can meet them: that a registrar
//! does not know a scheme, or that a proxy must not forward, is for others to tell.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;

use siptrace::sdp::{Media, Session};
use siptrace::sip::Anomaly::{self, *};
use siptrace::sip::{Address, HeaderName, Host, Message, Method, Scheme, head, is_start};

use crate::shared;

/// File, what is wrong with the message, and values it has.
type Case = (&'static str, &'static [Anomaly], &'static [(&'static str, &'static str)]);

/// Anomalies that a message may have which the RFC calls valid.
const HARMLESS: [Anomaly; 9] = [
    FoldedHeader,
    SpaceBeforeColon,
    BranchWithoutCookie,
    NulByte,
    ContentLengthTooSmall,
    ContentLengthMissing,
    MissingFromTag,
    MissingMaxForwards,
    MissingContact,
];

#[rustfmt::skip]
const CASES: &[Case] = &[
    // 3.1.1: valid messages.
    ("wsinv", &[FoldedHeader, SpaceBeforeColon, BranchWithoutCookie], &[
        ("method", "INVITE"), ("uri", "sip:vivekg@chair-dnrc.example.com;unknownparam"),
        ("cseq", "9"), ("max-forwards", "68"), ("vias", "3"), ("transports", "UDP TCP UDP"),
        ("branches", "390skdjuw z9hG4bK9ikj8 z9hG4bK30239"),
        ("hosts", "192.0.2.2 spindle.example.com 192.168.255.111"),
        ("call-id", "wsinv.ndaksdj@192.0.2.1"), ("to-tag", "1918181833n"), ("from-tag", "98asjd8"),
        ("from-display", r#"J Rosenberg \""#), ("contact-display", r#"Quoted string """#),
        ("contact-q", "0.33"),
        ("subject", ""),
        ("route", "sip:services.example.com;lr;unknownwith=value;unknown-no-value"),
        ("new", "newfangled value continued newfangled value"), ("body", "150"), ("media", "2"),
    ]),
    ("intmeth", &[NulByte], &[
        ("method", "!interesting-Method0123456789_*+`.%indeed'~"), ("cseq", "139122385"),
        ("to-display", "BEL:\u{7} NUL:\0 DEL:\u{7f}"), ("max-forwards", "255"),
        ("uri-user", "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"),
        ("to-user", "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"),
        ("from-tag", "_token~1'+`*%!-."), ("from-display", "token1~` token2'+_ token3*%!.-"),
        ("call-id", r#"intmeth.word%ZK-!.*_+'@word`~)(><:\/"][?}{"#),
        ("branches", "z9hG4bK-.!%66*_+`'~"),
    ]),
    ("esc01", &[FoldedHeader], &[
        ("uri-user", "sips:user@example.com"), ("uri-host", "example.net"),
        ("to-user", "user"), ("from-user", "I have spaces"), ("contact-user", "caller"),
        ("to-is", "sip:user@example.com"), ("media", "2"),
    ]),
    ("escnull", &[], &[
        ("to-user", "null-\0-null"), ("contact-users", "\0 \0\0"), ("from-tag", "839923423"),
    ]),
    ("esc02", &[], &[
        ("method", "RE%47IST%45R"), ("known", "no"), ("to-display", "%Z%45"), ("contacts", "2"),
        ("branches", "z9hG4bK209%fzsnel234"),
    ]),
    ("lwsdisp", &[], &[("from-display", "caller"), ("from", "sip:caller@example.com")]),
    ("longreq", &[SpaceBeforeColon, BranchWithoutCookie], &[
        ("vias", "34"), ("cseq", "3882340"), ("max-forwards", "70"), ("body", "150"),
    ]),
    ("dblreq", &[ContentLengthTooSmall], &[
        ("method", "REGISTER"), ("body", "0"), ("cseq", "8"), ("vias", "1"),
        ("call-id", "dblreq.0ha0isndaksdj99sdfafnl3lk233412"),
    ]),
    ("semiuri", &[FoldedHeader], &[
        ("uri-user", "user;par=u@example.net"), ("uri-host", "example.com"), ("accepts", "6"),
    ]),
    ("transports", &[], &[("transports", "UDP SCTP TLS UNKNOWN TCP"), ("vias", "5")]),
    ("mpart01", &[], &[("method", "MESSAGE"), ("parts", "text/plain application/octet-stream")]),
    ("unreason", &[], &[
        ("status", "200"),
        ("phrase", "= 2**3 * 5**2 но сто девяносто девять - простое"),
    ]),
    ("noreason", &[], &[("status", "100"), ("phrase", "")]),
    // 3.1.2: invalid messages.
    ("badinv01", &[ViaInvalid, BranchWithoutCookie, EmptyParameter], &[
        ("hosts", "192.0.2.15"),
        ("vias", "1"),
        ("media", "2"),
    ]),
    ("clerr", &[ContentLengthTooLarge], &[("body", "154"), ("media", "2")]),
    ("ncl", &[ContentLengthInvalid], &[("cseq", "0"), ("max-forwards", "254"), ("media", "2")]),
    ("scalar02", &[FoldedHeader, CSeqOutOfRange, MaxForwardsInvalid, SecondsInvalid], &[
        ("cseq", "none"),
        ("max-forwards", "none"),
        ("expires", "none"),
        ("cseq-method", "REGISTER"),
    ]),
    ("scalarlg", &[MissingToTag, CSeqOutOfRange, SecondsInvalid, WarningInvalid], &[
        ("cseq", "none"), ("cseq-method", "OPTIONS"), ("retry-after", "none"), ("status", "503"),
    ]),
    ("quotbal", &[UnterminatedQuote], &[
        ("to-display", "Mr. J. User"),
        ("to", "sip:j.user@example.com"),
    ]),
    ("ltgtruri", &[RequestUriInvalid, BranchWithoutCookie], &[("uri", "<sip:user@example.com>")]),
    ("lwsruri", &[RequestUriInvalid], &[
        ("uri", "sip:user@example.com; lr"),
        ("cseq", "2130706432"),
    ]),
    ("lwsstart", &[StartLineSpacing], &[("method", "INVITE"), ("uri", "sip:user@example.com")]),
    ("trws", &[StartLineSpacing], &[
        ("method", "OPTIONS"),
        ("uri", "sip:remote-target@example.com"),
    ]),
    ("escruri", &[RequestUriWithHeaders], &[
        ("uri-host", "example.com"),
        ("uri-route", "<sip:example.com>"),
    ]),
    ("baddate", &[DateInvalid], &[("media", "2")]),
    ("regbadct", &[UriNeedsBrackets], &[
        ("contacts", "1"),
        ("contact-route", "<sip:sip.example.com>"),
    ]),
    ("badaspec", &[InvalidUri], &[
        ("to", "sip:t.watson@example.org"),
        ("to-display", "Watson, Thomas"),
    ]),
    ("baddn", &[HeadersUnfinished, DisplayNameUnquoted], &[
        ("to-display", "Watson, Thomas"),
        ("from-tag", "43"),
    ]),
    ("baddn_php-sip-variant", &[DisplayNameUnquoted], &[
        ("to-display", "Watson, Thomas"), ("to", "sip:t.watson@example.org"), ("from-tag", "43"),
    ]),
    ("badvers", &[UnsupportedVersion], &[("method", "OPTIONS")]),
    ("mismatch01", &[CSeqMethodMismatch], &[("method", "OPTIONS"), ("cseq-method", "INVITE")]),
    ("mismatch02", &[CSeqMethodMismatch], &[("method", "NEWMETHOD"), ("cseq-method", "INVITE")]),
    ("bigcode", &[StatusOutOfRange], &[
        ("status", "none"),
        ("phrase", "better not break the receiver"),
    ]),
    // 3.2 to 3.4: transactions, applications, backward compatibility.
    ("badbranch", &[BranchEmpty], &[("branches", "z9hG4bK")]),
    ("insuf", &[MissingFrom, MissingTo, MissingCallId, MissingMaxForwards, MissingContact], &[
        ("call-id", "none"), ("cseq", "193942"), ("media", "2"),
    ]),
    ("unkscm", &[], &[("scheme", "nobodyKnowsThisScheme")]),
    ("novelsc", &[], &[("scheme", "soap.beep")]),
    ("unksm2", &[], &[
        ("to", "isbn:2983792873"),
        ("from", "http://www.example.com"),
        ("from-tag", "3234233"),
    ]),
    ("bext01", &[], &[
        ("require", "nothingSupportsThis nothingSupportsThisEither"),
        ("proxy-require", "noProxiesSupportThis norDoAnyProxiesSupportThis"),
    ]),
    ("invut", &[], &[("parts", "application/unknownformat"), ("body", "40")]),
    ("regaut01", &[], &[("credentials", "NoOneKnowsThisScheme"), ("digest", "no")]),
    ("multi01", &[DuplicateSingleton], &[
        ("duplicates", "CSeq Call-ID From Max-Forwards To"), ("cseq", "5"),
        ("call-id", "multi01.98asdh@192.0.2.1"), ("from-tag", "3413415"),
    ]),
    ("mcl01", &[DuplicateSingleton, ContentLengthTooSmall], &[
        ("duplicates", "Content-Length"),
        ("body", "13"),
    ]),
    ("bcast", &[], &[("hosts", "192.0.2.198 255.255.255.255"), ("vias", "2")]),
    ("zeromf", &[], &[("max-forwards", "0")]),
    ("cparam01", &[], &[
        ("contact", "sip:+19725552222@gw1.example.net"),
        ("contact-parameters", "unknownparam"),
    ]),
    ("cparam02", &[], &[
        ("contact", "sip:+19725552222@gw1.example.net;unknownparam"), ("contact-parameters", ""),
    ]),
    ("regescrt", &[], &[("contact-route", "<sip:sip.example.com>")]),
    ("sdp01", &[], &[("accepts", "1"), ("media", "2")]),
    ("inv2543", &[
        MissingMaxForwards, MissingContact, MissingFromTag, ContentLengthMissing,
        BranchWithoutCookie,
    ], &[
        ("branches", ""), ("from", "sip:+13035551111@ift.client.example.net;user=phone"),
        ("to", "sip:+16505552222@ss1.example.net"), ("body", "105"), ("media", "1"),
    ]),
    // In the archive of the RFC, but in none of its sections.
    ("test", &[
        MissingVersion, LineWithoutColon, SpaceBeforeColon, MissingVia, MissingCSeq, MissingContact,
        MissingFromTag, InvalidUri,
    ], &[("method", "INVITE"), ("max-forwards", "68"), ("body", "18")]),
];

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn joined<T: AsRef<str>>(words: impl Iterator<Item = T>) -> String {
    words.map(|word| word.as_ref().to_owned()).collect::<Vec<_>>().join(" ")
}

fn or_none(value: Option<impl ToString>) -> String {
    value.map_or("none".to_owned(), |value| value.to_string())
}

fn yes(is_so: bool) -> String {
    if is_so { "yes" } else { "no" }.to_owned()
}

fn user(address: &Address<'_>) -> String {
    or_none(address.uri.user_text())
}

fn value(message: &Message<'_>, name: &str) -> String {
    match name {
        "method" => message.method().to_string(),
        "known" => yes(message.method().is_known()),
        "status" => or_none(message.status()),
        "phrase" => or_none(message.reason_phrase()),
        "call-id" => or_none(message.call_id().map(text)),
        "cseq" => or_none(message.cseq().map(|cseq| cseq.number)),
        "cseq-method" => or_none(message.cseq_method()),
        "max-forwards" => or_none(message.max_forwards()),
        "expires" => or_none(message.expires()),
        "retry-after" => or_none(message.retry_after().map(|retry| retry.seconds)),
        "body" => message.body().len().to_string(),
        "subject" => or_none(message.text(HeaderName::Subject)),
        "new" => joined(message.named("NewFangledHeader").map(|v| text(v).replace("\r\n", ""))),
        "require" => joined(message.values(HeaderName::Require).map(text)),
        "proxy-require" => joined(message.values(HeaderName::ProxyRequire).map(text)),
        "accepts" => message.values(HeaderName::Accept).count().to_string(),
        "credentials" => joined(message.credentials().map(|c| text(c.scheme))),
        "digest" => yes(message.credentials().any(|c| c.is_digest())),
        "duplicates" => joined(
            message.duplicates().map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>().iter(),
        ),
        "media" => message.sdp().map_or(0, |sdp| Session::parse(sdp).0.media.len()).to_string(),
        "parts" => joined(
            message
                .parts()
                .filter_map(|part| part.content_type)
                .map(|found| format!("{}/{}", text(found.kind), text(found.subtype))),
        ),
        _ if name.starts_with("uri") || name == "scheme" => value_of_uri(message, name),
        _ => value_of_address(message, name),
    }
}

fn value_of_uri(message: &Message<'_>, name: &str) -> String {
    let Some(uri) = message.request_uri() else { return "none".to_owned() };
    match name {
        "uri" => uri.to_string(),
        "uri-user" => or_none(uri.user_text()),
        "uri-host" => or_none(uri.host()),
        "uri-route" => or_none(uri.header("Route").map(|route| text(&route))),
        "scheme" => match uri.scheme() {
            Scheme::Other(scheme) => text(scheme),
            other => format!("{other:?}"),
        },
        _ => panic!("no value is named {name}"),
    }
}

fn value_of_address(message: &Message<'_>, name: &str) -> String {
    let (from, to, contact) = (message.from(), message.to(), message.contact());
    let display = |address: Option<Address<'_>>| {
        or_none(address.and_then(|address| address.display_text().map(String::from)))
    };
    match name {
        "from" => or_none(from.map(|from| from.uri)),
        "from-display" => display(from),
        "from-user" => or_none(from.map(|from| user(&from))),
        "from-tag" => or_none(message.from_tag().map(text)),
        "to" => or_none(to.map(|to| to.uri)),
        "to-display" => display(to),
        "to-user" => or_none(to.map(|to| user(&to))),
        "to-tag" => or_none(message.to_tag().map(text)),
        "to-is" => {
            let other = siptrace::sip::Uri::parse(b"sip:user@example.com");
            assert!(to.is_some_and(|to| to.uri.is_equivalent(&other)));
            "sip:user@example.com".to_owned()
        }
        "contact" => or_none(contact.map(|contact| contact.uri)),
        "contact-display" => display(contact),
        "contact-user" => or_none(contact.map(|contact| user(&contact))),
        "contact-users" => joined(message.contacts().map(|contact| user(&contact))),
        "contact-q" => or_none(contact.and_then(|c| c.parameters.get("q").map(text))),
        "contact-parameters" => or_none(contact.map(|c| text(c.parameters.as_bytes()))),
        "contact-route" => or_none(contact.and_then(|c| c.uri.header("Route").map(|r| text(&r)))),
        "contacts" => message.contacts().count().to_string(),
        "route" => or_none(message.address(HeaderName::Route).map(|route| route.uri)),
        "vias" => message.vias().count().to_string(),
        "hosts" => joined(message.vias().map(|via| via.host.to_string())),
        "transports" => joined(message.vias().map(|via| text(via.transport))),
        "branches" => joined(message.vias().filter_map(|via| via.branch().map(text))),
        _ => panic!("no value is named {name}"),
    }
}

/// `torture.tsv`: file without folder and ending, and verdict.
fn verdicts() -> Option<Vec<(String, String)>> {
    let table = fs::read_to_string(shared::path("captures/torture/torture.tsv")?).ok()?;
    let rows = table.lines().skip(1).filter_map(|row| {
        let mut columns = row.split('\t');
        let file = columns.next()?.strip_prefix("rfc4475/")?.strip_suffix(".dat")?;
        Some((file.to_owned(), columns.nth(3)?.to_owned()))
    });
    Some(rows.collect())
}

#[test]
fn every_message_has_its_verdict() {
    let Some(verdicts) = verdicts() else { return };
    let Some(folder) = shared::path("captures/torture/rfc4475") else { return };
    assert!(verdicts.len() >= 50);
    for (file, verdict) in verdicts {
        let Some((_, wrong, values)) = CASES.iter().find(|(name, ..)| *name == file) else {
            panic!("no expectation for {file}")
        };
        let bytes = fs::read(folder.join(format!("{file}.dat"))).expect("a readable file");
        let (message, anomalies) = Message::parse(&bytes);
        assert_eq!(anomalies, wrong.iter().copied().collect(), "{file}");
        for (name, expected) in *values {
            assert_eq!(value(&message, name), *expected, "{name} of {file}");
        }

        let is_harmless = wrong.iter().all(|anomaly| HARMLESS.contains(anomaly));
        match verdict.as_str() {
            "valid" => assert!(is_harmless, "{file}"),
            "invalid" => assert!(!is_harmless, "{file}"),
            _ => assert!(verdict.starts_with("valid-syntax"), "{file}"),
        }
        assert!(is_start(&bytes), "{file}");
        let head = head(&bytes).expect("a start line");
        assert_eq!(head.call_id, message.call_id(), "{file}");

        assert_eq!(head.method().unwrap_or(Method::Other(b"")), message.method(), "{file}");
    }
}

/// Kinds of messages that RFC 5118 shows: an address of version 6 wherever one may stand.
#[test]
fn ipv6_addresses_are_read() {
    let uris: [(&str, Option<&str>, Option<u16>, bool); 6] = [
        ("sip:[2001:db8::10]", Some("2001:db8::10"), None, true),
        ("sip:2001:db8::10", Some("2001:db8::10"), None, false),
        ("sip:[2001:db8::10:5070]", Some("2001:db8::10:5070"), None, true),
        ("sip:[2001:db8::10]:5070", Some("2001:db8::10"), Some(5070), true),
        ("sip:ann@[::ffff:192.0.2.10];lr", Some("::ffff:192.0.2.10"), None, true),
        ("sip:[2001:db8:::192.0.2.1]", Some("2001:db8::192.0.2.1"), None, true),
    ];
    for (uri, host, port, is_valid) in uris {
        let bytes =
            format!("REGISTER {uri} SIP/2.0\r\nContact: <{uri}>\r\nCSeq: 1 REGISTER\r\n\r\n");
        let (message, anomalies) = Message::parse(bytes.as_bytes());
        let contact = message.contact().expect("a contact");
        for uri in [message.request_uri().expect("a URI"), contact.uri] {
            let address = uri.host().and_then(Host::address);
            assert_eq!((address, uri.port()), (host.and_then(|host| host.parse().ok()), port));
        }
        assert_eq!(anomalies.contains(RequestUriInvalid), !is_valid, "{uri}");
        assert_eq!(anomalies.contains(InvalidUri), !is_valid, "{uri}");
        assert!(is_start(bytes.as_bytes()));
    }

    for received in ["[2001:db8::9:255]", "2001:db8::9:255"] {
        let bytes = format!(
            "BYE sip:[2001:db8::10] SIP/2.0\r\n\
             Via: SIP/2.0/UDP [2001:db8::9:1]:6050;received={received};branch=z9hG4bKas3-111\r\n\
             v: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKb, SIP/2.0/TCP [2001:db8::9:2]\r\n\r\n"
        );
        let (message, anomalies) = Message::parse(bytes.as_bytes());
        assert!(!anomalies.contains(ViaInvalid));
        let hops: Vec<_> = message.vias().map(|via| (via.host.address(), via.port)).collect();
        let address = |text: &str| text.parse::<IpAddr>().ok();
        assert_eq!(
            hops,
            [
                (address("2001:db8::9:1"), Some(6050)),
                (address("192.0.2.1"), None),
                (address("2001:db8::9:2"), None),
            ]
        );
        let top = message.top_via().expect("a hop");
        assert_eq!(top.received(), address("2001:db8::9:255"));
        assert_eq!(top.branch(), Some(&b"z9hG4bKas3-111"[..]));
    }

    let sdp = "v=0\r\no=ann 1 1 IN IP6 2001:db8::20\r\ns=-\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n\
               c=IN IP4 192.0.2.1\r\nm=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\n";
    let (session, anomalies) = Session::parse(sdp.as_bytes());
    assert!(anomalies.is_empty());
    let endpoints: Vec<_> =
        session.media.iter().filter_map(Media::rtp_endpoint).map(|e| e.to_string()).collect();
    assert_eq!(endpoints, ["192.0.2.1:6000", "[2001:db8::1]:6024"]);
}
