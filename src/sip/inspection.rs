//! What is wrong with the values of a message.

use memchr::memchr;

use super::address::Address;
use super::anomaly::{Anomalies, Anomaly};
use super::cseq;
use super::header_name::HeaderName;
use super::lws::number;
use super::message::{Message, NotANumber};
use super::method::Method;
use super::quoted::{Split, first_and_parameters};
use super::reason::Warning;
use super::seconds::{RetryAfter, SessionExpires};
use super::start::Start;
use super::status::Status;
use super::via::{COOKIE, Via};

/// Everything but what the lexer has noted.
pub(super) fn anomalies(message: &Message<'_>) -> Anomalies {
    let mut anomalies = Anomalies::NONE;
    let section = message.header_section();
    anomalies.insert_if(memchr(0, section).is_some(), Anomaly::NulByte);
    anomalies.insert_if(str::from_utf8(section).is_err(), Anomaly::InvalidUtf8);
    anomalies.insert_if(has_duplicate(message), Anomaly::DuplicateSingleton);
    request_uri(message, &mut anomalies);
    for header in message.headers() {
        value(header.name, header.value, &mut anomalies);
    }
    presence(message, &mut anomalies);
    addresses(message, &mut anomalies);
    tags(message, &mut anomalies);
    cseq_number(message, &mut anomalies);
    vias(message, &mut anomalies);
    body(message, &mut anomalies);
    anomalies
}

fn has_duplicate(message: &Message<'_>) -> bool {
    let mut seen = [false; HeaderName::ALL.len()];
    message.headers().iter().filter(|header| header.name.is_singleton()).any(|header| {
        seen.get_mut(header.name as usize).is_some_and(|seen| std::mem::replace(seen, true))
    })
}

fn request_uri(message: &Message<'_>, anomalies: &mut Anomalies) {
    let Some(uri) = message.request_uri() else { return };
    anomalies.insert_if(!uri.is_valid(), Anomaly::RequestUriInvalid);
    anomalies.insert_if(!uri.headers().is_empty(), Anomaly::RequestUriWithHeaders);
}

/// What can be told from one header alone.
fn value(name: HeaderName, value: &[u8], anomalies: &mut Anomalies) {
    use HeaderName as H;
    let is_wrong = match name {
        H::MaxForwards => {
            let is_wrong = number(value).is_none_or(|hops| hops > 255);
            return anomalies.insert_if(is_wrong, Anomaly::MaxForwardsInvalid);
        }
        H::Date => {
            let zone = value.get(value.len().saturating_sub(4)..);
            return anomalies.insert_if(zone != Some(b" GMT"), Anomaly::DateInvalid);
        }
        H::Expires | H::MinExpires => number(value).is_none(),
        H::SessionExpires | H::MinSe => SessionExpires::parse(value).is_none(),
        H::RetryAfter => RetryAfter::parse(value).is_none(),
        _ => false,
    };
    anomalies.insert_if(is_wrong, Anomaly::SecondsInvalid);
}

fn presence(message: &Message<'_>, anomalies: &mut Anomalies) {
    let always = [
        (HeaderName::Via, Anomaly::MissingVia),
        (HeaderName::From, Anomaly::MissingFrom),
        (HeaderName::To, Anomaly::MissingTo),
        (HeaderName::CSeq, Anomaly::MissingCSeq),
    ];
    for (name, anomaly) in always {
        anomalies.insert_if(!message.has(name), anomaly);
    }
    anomalies.insert_if(message.call_id().is_none(), Anomaly::MissingCallId);
    let lacks_hops = message.is_request() && !message.has(HeaderName::MaxForwards);
    anomalies.insert_if(lacks_hops, Anomaly::MissingMaxForwards);
    let lacks_contact = needs_contact(message) && !message.has(HeaderName::Contact);
    anomalies.insert_if(lacks_contact, Anomaly::MissingContact);
}

/// RFC 3261, section 8.1.1.8 and table 2; RFC 6665, section 4; RFC 3515, section 2.2.
fn needs_contact(message: &Message<'_>) -> bool {
    match message.start() {
        Start::Request { method, .. } => {
            matches!(method, Method::Invite | Method::Subscribe | Method::Notify | Method::Refer)
        }
        Start::Response { status, .. } => {
            status.is_some_and(Status::is_success) && message.method() == Method::Invite
        }
        Start::Invalid(_) => false,
    }
}

fn addresses(message: &Message<'_>, anomalies: &mut Anomalies) {
    use HeaderName as H;
    for header in message.headers() {
        match header.name {
            H::From | H::To | H::ReferTo | H::ReferredBy => address(header.value, anomalies),
            H::Contact | H::Route | H::RecordRoute | H::Path | H::ServiceRoute => {
                Split::commas(header.value).for_each(|item| address(item, anomalies));
            }
            _ => {}
        }
    }
}

fn address(value: &[u8], anomalies: &mut Anomalies) {
    let (address, wrong) = Address::parse(value);
    if address.is_star() {
        return;
    }
    anomalies.extend(wrong);
    if let Some(expires) = address.parameters.get("expires") {
        anomalies.insert_if(number(expires).is_none(), Anomaly::SecondsInvalid);
    }
}

fn tags(message: &Message<'_>, anomalies: &mut Anomalies) {
    let has_from = message.has(HeaderName::From);
    let lacks_from_tag = has_from && message.from_tag().is_none();
    anomalies.insert_if(lacks_from_tag, Anomaly::MissingFromTag);
    let needs_to_tag = message.status().is_some_and(|status| status != Status::TRYING)
        && message.has(HeaderName::To);
    let lacks_to_tag = needs_to_tag && message.to_tag().is_none();
    anomalies.insert_if(lacks_to_tag, Anomaly::MissingToTag);
}

fn cseq_number(message: &Message<'_>, anomalies: &mut Anomalies) {
    let Some(value) = message.header(HeaderName::CSeq) else { return };
    let Some((digits, method)) = cseq::split(value) else {
        return anomalies.insert(Anomaly::CSeqInvalid);
    };
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    anomalies.insert_if(!is_number, Anomaly::CSeqInvalid);
    let is_large = is_number && number(digits).is_none_or(|number| number >= cseq::NUMBER_END);
    anomalies.insert_if(is_large, Anomaly::CSeqOutOfRange);
    if let Start::Request { method: requested, .. } = message.start() {
        anomalies.insert_if(method != requested, Anomaly::CSeqMethodMismatch);
    }
}

fn vias(message: &Message<'_>, anomalies: &mut Anomalies) {
    for (index, value) in message.items(HeaderName::Via).enumerate() {
        let (via, wrong) = Via::parse(value);
        anomalies.extend(wrong);
        let is_top = index == 0;
        let is_unique = via.has_unique_branch();
        let is_bare = via.branch() == Some(COOKIE);
        anomalies.insert_if(is_top && is_bare, Anomaly::BranchEmpty);
        anomalies.insert_if(is_top && !is_unique && !is_bare, Anomaly::BranchWithoutCookie);
    }
    for value in message.items(HeaderName::Warning) {
        let is_wrong = Warning::parse(value).is_none_or(|warning| warning.quoted.is_empty());
        anomalies.insert_if(is_wrong, Anomaly::WarningInvalid);
    }
    for value in message.lines(HeaderName::Event) {
        let (_, parameters) = first_and_parameters(value);
        anomalies.insert_if(parameters.has_empty(), Anomaly::EmptyParameter);
    }
}

fn body(message: &Message<'_>, anomalies: &mut Anomalies) {
    let present = message.bytes_after_headers();
    match message.content_length() {
        None => anomalies.insert(Anomaly::ContentLengthMissing),
        Some(Err(NotANumber)) => anomalies.insert(Anomaly::ContentLengthInvalid),
        Some(Ok(length)) => {
            let is_large = usize::try_from(length).is_ok_and(|length| length > present);
            anomalies.insert_if(is_large, Anomaly::ContentLengthTooLarge);
            let has_more = message.trailing().iter().any(|byte| !matches!(byte, b'\r' | b'\n'));
            anomalies.insert_if(has_more, Anomaly::ContentLengthTooSmall);
        }
    }
    let lacks_type = !message.body().is_empty() && !message.has(HeaderName::ContentType);
    anomalies.insert_if(lacks_type, Anomaly::MissingContentType);
}
