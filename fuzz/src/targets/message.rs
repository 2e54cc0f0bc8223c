//! SIP messages and session descriptions: the short ways of reading find what the long ways find.

use siptrace::sdp::Session;
use siptrace::sip::{
    Address, Anomaly, Challenge, Credentials, HeaderName, Host, Message, Method, Uri, head,
    is_start,
};
use siptrace::transport::message_in_datagram;

/// One SIP message, as a datagram has it.
pub fn sip(bytes: &[u8]) {
    let (message, anomalies) = Message::parse(bytes);
    let body = message.body();
    assert!(message.header_section().len() + body.len() + message.trailing().len() <= bytes.len());
    assert_eq!(anomalies.contains(Anomaly::MissingCallId), message.call_id().is_none());
    if is_start(bytes) {
        assert!(message_in_datagram(bytes).is_some_and(|message| bytes.ends_with(message)));
        if let Some(head) = head(bytes) {
            assert_eq!(head.call_id, message.call_id());
            assert_eq!(head.method().unwrap_or(Method::Other(&[])), message.method());
            assert_eq!(head.status(), message.status());
        }
    }
    // The short ways find what the long ways find.
    assert_eq!(message.from_tag(), message.from().and_then(|from| from.tag()));
    assert_eq!(message.to_tag(), message.to().and_then(|to| to.tag()));
    assert_eq!(message.branch(), message.top_via().and_then(|via| via.branch()));
    for header in message.headers() {
        value(header.value);
        let _ = (message.text(header.name), message.values(header.name).count());
    }
    let _ = (message.method().as_str(), message.status(), message.reason_phrase());
    let _ = (message.cseq(), message.rack(), message.rseq(), message.retry_after());
    let _ = (message.session_expires(), message.min_se(), message.max_forwards());
    let _ = (message.event(), message.subscription_state(), message.replaces());
    let _ = (message.sdp(), message.sipfrag_status(), message.allow().count());
    let _ = (message.warnings().count(), message.reason().count(), message.duplicates().count());
    for via in message.vias() {
        let _ = (via.received(), via.rport(), via.maddr(), via.port_or_default());
    }
    for part in message.parts() {
        let _ = part.header(HeaderName::ContentId);
        sdp(part.body);
    }
}

fn value(value: &[u8]) {
    let address = Address::of(value);
    let _ = (address.display_text(), address.tag(), address.expires());
    let uri = Uri::parse(value);
    assert!(address.uri.is_equivalent(&address.uri) || address.uri.parameters().iter().count() > 1);
    let _ = (uri.user_text(), uri.header("a"), uri.is_equivalent(&address.uri));
    let _ = uri.host().map(Host::address);
    let challenge = Challenge::parse(value);
    let _ = (challenge.realm(), challenge.is_stale(), challenge.fields.text("nonce"));
    let _ = Credentials::parse(value).nonce_count();
}

/// One session description.
pub fn sdp(bytes: &[u8]) {
    let (session, _) = Session::parse(bytes);
    let _ = (session.direction(), session.bandwidth("AS"), session.attributes().count());
    for media in &session.media {
        let _ = (media.rtp_endpoint(), media.rtcp_endpoint(), media.direction(), media.setup());
        let _ =
            (media.codecs().count(), media.fmtps().count(), media.candidate_addresses().count());
        let _ = (media.preconditions().count(), media.crypto_suites().count(), media.ptime());
    }
}
