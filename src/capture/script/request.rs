//! Requests that a host makes: initial, inside a dialog, and those that belong to an INVITE.

use super::LOOK_MAX;
use super::dialog::Dialog;
use super::error::Error;
use super::memory::{Memory, Origin, Stage};
use super::message::{Message, Start};
use super::reason::phrase;
use super::syntax::{Action, Host, Saying, Transport};

/// What hosts say that they support.
const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REFER, NOTIFY, SUBSCRIBE, MESSAGE";

/// Where REFER points if the line does not say.
const REFER_TO_DEFAULT: &str = "<sip:carol@example.com>";

/// Requests that exist inside a dialog only; without one, the capture began in the middle of it.
const DIALOG_ONLY: [&str; 5] = ["BYE", "ACK", "PRACK", "UPDATE", "INFO"];

impl Memory {
    /// The request of a line, without body and without the changes that the line asks for.
    pub(super) fn request(
        &mut self,
        stage: &Stage<'_, '_>,
        method: &str,
        uri: Option<&str>,
    ) -> Result<(Message, Origin), Error> {
        let call = self.call(stage.event.call);
        match method {
            "CANCEL" => self.cancel(stage, call),
            "ACK" => Ok(self.ack(stage, call, uri)),
            _ => Ok(self.plain(stage, call, method, uri, None)),
        }
    }

    /// Request URI, topmost Via, From, To and CSeq number of the INVITE (RFC 3261, section 9.1).
    fn cancel(&mut self, stage: &Stage<'_, '_>, call: usize) -> Result<(Message, Origin), Error> {
        let (open, any) = (self.invite(stage, call, true), self.invite(stage, call, false));
        let Some(place) = open.or(any) else {
            let name = |host: usize| stage.script.hosts.get(host).map_or("", |host| host.name);
            let (source, destination) = (stage.event.source.host, stage.event.destination.host);
            let found =
                format!("no INVITE from {} to {} to cancel", name(source), name(destination));
            let expected = "CANCEL goes where the INVITE went";
            return Err(stage.event.word.error(found, expected));
        };
        let mut message = self.of_invite(place, "CANCEL");
        self.finish_request(stage, &mut message);
        Ok((message, Origin::Own(None)))
    }

    /// Part of the INVITE transaction after a failure (section 17.1.1.3), a request of its own
    /// after a 2xx (13.2.2.4).
    fn ack(&mut self, stage: &Stage<'_, '_>, call: usize, uri: Option<&str>) -> (Message, Origin) {
        let Some(place) = self.invite(stage, call, false) else {
            return self.plain(stage, call, "ACK", uri, None);
        };
        let answer = self.answer(place, stage.event.options.text("tag"));
        let status = answer.as_ref().and_then(Message::status);
        let number = self.sent(place).map_or(1, |invite| invite.cseq().0);
        let tag = answer.as_ref().and_then(|answer| answer.tag("To")).map(str::to_owned);
        let is_in_dialog = match status {
            Some(status) => status < 300,
            None => self.in_dialog(stage, call, tag.as_deref()).is_some(),
        };
        if is_in_dialog {
            return self.plain(stage, call, "ACK", uri, Some((number, tag)));
        }
        let mut message = self.of_invite(place, "ACK");
        if let Some(to) = answer.as_ref().and_then(|answer| answer.field("To")) {
            message.set("To", to);
        }
        self.finish_request(stage, &mut message);
        (message, Origin::Own(None))
    }

    /// The message at a place of the log.
    fn sent(&self, place: usize) -> Option<&Message> {
        self.log.get(place)?.message.as_ref()
    }

    /// The last INVITE from here to there, else from here to anywhere; only such that wait for an
    /// answer, if asked.
    fn invite(&self, stage: &Stage<'_, '_>, call: usize, is_open: bool) -> Option<usize> {
        let event = stage.event;
        let number = event.options.number("cseq");
        let mut elsewhere = None;
        for (place, sent) in self.recent(call) {
            let Some(message) = &sent.message else { continue };
            let is_invite = message.method() == Some("INVITE")
                && sent.hop.source == event.source.host
                && number.is_none_or(|number| u64::from(message.cseq().0) == number)
                && !(is_open && sent.is_answered);
            if is_invite && sent.hop.destination == event.destination.host {
                return Some(place);
            }
            if is_invite && elsewhere.is_none() {
                elsewhere = Some(place);
            }
        }
        elsewhere
    }

    /// The final response to a request, the one with that To-tag if one is named.
    fn answer(&self, request: usize, tag: Option<&str>) -> Option<Message> {
        let responses = self.log.get(request)?.responses.iter().rev();
        let mut messages = responses.filter_map(|&place| self.sent(place));
        let fits = |message: &&Message| {
            message.status() >= Some(200) && tag.is_none_or(|tag| message.tag("To") == Some(tag))
        };
        messages.find(fits).cloned()
    }

    /// A request of the same transaction as the INVITE.
    fn of_invite(&self, place: usize, method: &str) -> Message {
        let uri = self.sent(place).map_or("", Message::uri).to_owned();
        let mut message = Message::new(Start::Request { method: method.to_owned(), uri });
        let Some(invite) = self.sent(place) else { return message };
        message.add("Via", invite.field("Via").unwrap_or(""));
        for route in invite.all("Route") {
            message.add("Route", route);
        }
        message.add("Max-Forwards", "70");
        for name in ["From", "To", "Call-ID"] {
            message.add(name, invite.field(name).unwrap_or(""));
        }
        message.add("CSeq", format!("{} {method}", invite.cseq().0));
        message
    }

    /// A request with its own transaction; `answer` is the CSeq number and To-tag that an ACK
    /// confirms.
    fn plain(
        &mut self,
        stage: &Stage<'_, '_>,
        call: usize,
        method: &str,
        uri: Option<&str>,
        answer: Option<(u32, Option<String>)>,
    ) -> (Message, Origin) {
        let event = stage.event;
        let tag = answer.as_ref().and_then(|(_, tag)| tag.clone());
        let tag = event.options.text("tag").map(str::to_owned).or(tag);
        let is_outside = event.options.has("new") || matches!(method, "REGISTER" | "PUBLISH");
        let known = if is_outside { None } else { self.in_dialog(stage, call, tag.as_deref()) };
        let known = known.filter(|&place| {
            let is_ended = self.dialog(call, place).is_some_and(|dialog| dialog.is_ended);
            !(is_ended && matches!(method, "INVITE" | "SUBSCRIBE"))
        });
        let place = known.unwrap_or_else(|| self.outside_dialog(stage, call, method, uri));
        let Some(dialog) = self.dialog(call, place).cloned() else {
            return (
                Message::new(Start::Request { method: method.to_owned(), uri: String::new() }),
                Origin::Own(None),
            );
        };
        let next = answer.map_or(dialog.cseq.saturating_add(1), |(number, _)| number);
        let number = event.options.number("cseq").unwrap_or(u64::from(next));
        let uri = uri.map_or_else(|| request_uri(stage, &dialog, method), str::to_owned);
        let mut message = Message::new(Start::Request { method: method.to_owned(), uri });
        message.add("Via", self.via(stage));
        for route in &dialog.routes {
            message.add("Route", route.clone());
        }
        message.add("Max-Forwards", "70");
        message.add("From", address(&dialog.local, Some(&dialog.local_tag)));
        message.add("To", address(&dialog.remote, dialog.remote_tag.as_deref()));
        message.add("Call-ID", self.calls.get(call).map_or("", |call| &call.id).to_owned());
        message.add("CSeq", format!("{number} {method}"));
        if method != "ACK" {
            self.add_credentials(stage, call, place, &mut message);
        }
        self.add_usual(stage, call, method, &mut message);
        self.finish_request(stage, &mut message);
        (message, Origin::Own(Some(place)))
    }

    fn dialog(&self, call: usize, place: usize) -> Option<&Dialog> {
        self.calls.get(call)?.dialogs.get(place)
    }

    /// The dialog that the sender would use: the one with that remote tag, else confirmed, early,
    /// ended.
    fn in_dialog(&self, stage: &Stage<'_, '_>, call: usize, tag: Option<&str>) -> Option<usize> {
        let dialogs = &self.calls.get(call)?.dialogs;
        let host = stage.event.source.host;
        let mut mine = Vec::new();
        for (place, dialog) in dialogs.iter().enumerate().rev().take(LOOK_MAX) {
            if dialog.host == host && dialog.remote_tag.is_some() {
                mine.push((place, dialog));
            }
        }
        let named =
            mine.iter().find(|(_, dialog)| tag.is_some() && dialog.remote_tag.as_deref() == tag);
        let confirmed = || mine.iter().find(|(_, dialog)| dialog.is_confirmed && !dialog.is_ended);
        let early = || mine.iter().find(|(_, dialog)| !dialog.is_ended);
        named.or_else(confirmed).or_else(early).or(mine.first()).map(|&(place, _)| place)
    }

    /// The end that sends a request outside of any dialog; made when there is none.
    fn outside_dialog(
        &mut self,
        stage: &Stage<'_, '_>,
        call: usize,
        method: &str,
        uri: Option<&str>,
    ) -> usize {
        let options = &stage.event.options;
        let host = stage.event.source.host;
        let (from, to, tag) = (options.text("from"), options.text("to"), options.text("tag"));
        let is_alone = method == "REGISTER" || method == "PUBLISH";
        let (source, callee) = (stage.host(host), stage.callee());
        let dialogs = self.calls.get(call).map_or(&[][..], |call| &call.dialogs);
        let known = dialogs.iter().enumerate().rev().take(LOOK_MAX).find(|(_, dialog)| {
            let is_mine = dialog.host == host && !dialog.is_ended && dialog.remote_tag.is_none();
            is_mine && tag.is_none_or(|tag| tag == dialog.local_tag)
        });
        if let (Some((place, _)), None, None, false) = (known, from, to, options.has("new")) {
            return place;
        }
        let own = source.map_or(String::new(), Host::uri);
        let local = from.map_or_else(|| own.clone(), |text| stage.named_uri(text));
        let remote = match (to, uri) {
            (Some(to), _) => stage.named_uri(to),
            (None, _) if is_alone => local.clone(),
            (None, Some(uri)) => uri.to_owned(),
            (None, None) => callee.map_or(own, Host::uri),
        };
        let name = source.map_or("", |host| host.name);
        let local_tag = tag.map_or_else(|| self.fresh_tag(name), str::to_owned);
        let mut dialog = Dialog::new(host, local, local_tag, remote);
        if DIALOG_ONLY.contains(&method) {
            self.imagine(stage, call, &mut dialog);
        }
        let Some(call) = self.calls.get_mut(call) else { return 0 };
        call.dialogs.push(dialog);
        call.dialogs.len() - 1
    }

    /// Both ends of a dialog that was there before the capture.
    fn imagine(&mut self, stage: &Stage<'_, '_>, call: usize, dialog: &mut Dialog) {
        let Some((index, callee)) =
            stage.callee_index().and_then(|index| Some((index, stage.host(index)?)))
        else {
            return;
        };
        let tag = self.fresh_tag(callee.name);
        dialog.remote_tag = Some(tag.clone());
        dialog.target = Some(contact_uri(callee, None, stage.event.transport));
        dialog.is_confirmed = true;
        let mut other =
            Dialog::new(index, dialog.remote_uri.clone(), tag, dialog.local_uri.clone());
        other.remote_tag = Some(dialog.local_tag.clone());
        let source = stage.host(dialog.host);
        other.target =
            source.map(|host| contact_uri(host, stage.event.source.port, stage.event.transport));
        other.is_confirmed = true;
        if let Some(call) = self.calls.get_mut(call) {
            call.dialogs.push(other);
        }
    }

    /// A Via of the sender with a new branch.
    pub(super) fn via(&mut self, stage: &Stage<'_, '_>) -> String {
        let Some(host) = stage.host(stage.event.source.host) else { return String::new() };
        let branch = self.fresh_branch(host.name);
        via_with(host, stage, &branch)
    }

    /// Credentials, if the same request was challenged before.
    fn add_credentials(
        &mut self,
        stage: &Stage<'_, '_>,
        call: usize,
        place: usize,
        message: &mut Message,
    ) {
        let dialog = self.calls.get_mut(call).and_then(|call| call.dialogs.get_mut(place));
        let Some(dialog) = dialog else { return };
        let method = message.method().unwrap_or("");
        if dialog.challenge.as_ref().is_some_and(|challenge| challenge.method == method)
            && let Some(challenge) = dialog.challenge.take()
        {
            let user = stage.host(stage.event.source.host).map_or("", |host| host.user);
            let value = challenge.answer(user, message.uri());
            message.add(challenge.answer, value);
        }
    }

    /// The header fields that a method needs or usually has.
    fn add_usual(&self, stage: &Stage<'_, '_>, call: usize, method: &str, message: &mut Message) {
        let event = stage.event;
        let Some(host) = stage.host(event.source.host) else { return };
        let call = self.calls.get(call);
        if matches!(method, "INVITE" | "SUBSCRIBE" | "REGISTER" | "UPDATE" | "REFER" | "NOTIFY") {
            let uri = contact_uri(host, event.source.port, event.transport);
            message.add("Contact", format!("<{uri}>"));
        }
        match method {
            "INVITE" => add_allow(host, message),
            "REGISTER" => message.add("Expires", "3600"),
            "SUBSCRIBE" | "PUBLISH" => {
                message.add("Event", "presence");
                message.add("Expires", "3600");
            }
            "REFER" => message.add("Refer-To", REFER_TO_DEFAULT),
            "NOTIFY" => {
                let package = call.and_then(|call| call.event.as_deref()).unwrap_or("refer");
                message.add("Event", package);
                let state = match event.options.number("sipfrag") {
                    Some(200..) => "terminated;reason=noresource",
                    _ => "active;expires=60",
                };
                message.add("Subscription-State", state);
            }
            "PRACK" => message.add("RAck", self.rack(stage)),
            _ => {}
        }
        if let Some(status) = event.options.number("sipfrag") {
            let status = u16::try_from(status).unwrap_or(500);
            message.body = format!("SIP/2.0 {status} {}\r\n", phrase(status)).into_bytes();
            message.add("Content-Type", "message/sipfrag;version=2.0");
        }
    }

    /// RSeq and CSeq of the last reliable provisional response that the sender got.
    fn rack(&self, stage: &Stage<'_, '_>) -> String {
        let call = self.recent_of_all().find_map(|(_, sent)| {
            let message = sent.message.as_ref()?;
            let rseq = message.field("RSeq")?;
            (sent.hop.destination == stage.event.source.host).then(|| {
                let (number, method) = message.cseq();
                format!("{rseq} {number} {method}")
            })
        });
        call.unwrap_or_else(|| "1 1 INVITE".to_owned())
    }

    fn finish_request(&self, stage: &Stage<'_, '_>, message: &mut Message) {
        if let Some(host) = stage.host(stage.event.source.host)
            && let Some(agent) = host.agent.or_name(host.name)
        {
            message.add("User-Agent", agent);
        }
    }
}

impl<'s, 'a> Stage<'s, 'a> {
    pub(super) fn host(&self, index: usize) -> Option<&'s Host<'a>> {
        self.script.hosts.get(index)
    }

    /// Whom the request is for: the last host that later lines forward it to.
    fn callee_index(&self) -> Option<usize> {
        let mut seen = vec![self.event.source.host];
        let mut hop = self.event.destination.host;
        for event in self.later.iter().take(LOOK_MAX) {
            let is_next = matches!(event.action, Action::Forward(_))
                && event.call == self.event.call
                && event.source.host == hop
                && !seen.contains(&event.destination.host);
            if is_next {
                seen.push(hop);
                hop = event.destination.host;
            }
        }
        Some(hop)
    }

    fn callee(&self) -> Option<&'s Host<'a>> {
        self.host(self.callee_index()?)
    }

    /// The URI of a host or user, or the URI itself.
    fn named_uri(&self, text: &str) -> String {
        match self.script.hosts.iter().find(|host| host.name == text) {
            Some(host) => host.uri(),
            None if text.contains(':') => text.to_owned(),
            None if text.contains('@') => format!("sip:{text}"),
            None => format!("sip:{text}@example.com"),
        }
    }
}

/// Says which methods a host supports, unless it keeps that to itself.
pub(super) fn add_allow(host: &Host<'_>, message: &mut Message) {
    match host.allow {
        Saying::Usual => message.add("Allow", ALLOW),
        Saying::This(methods) => message.add("Allow", methods),
        Saying::Nothing => {}
    }
}

/// A Via of a host with that branch.
pub(super) fn via_with(host: &Host<'_>, stage: &Stage<'_, '_>, branch: &str) -> String {
    let transport = match stage.event.transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
    };
    let rport = if host.asks_for_port { ";rport" } else { "" };
    let sent_by = inside(host, stage.event.source.port);
    format!("SIP/2.0/{transport} {sent_by};branch={branch}{rport}")
}

/// A Via whose sender asks for the port that it came from, as the receiver completes it (RFC 3581,
/// section 4).
pub(super) fn completed(
    via: &str,
    sender: Option<&Host<'_>>,
    from: std::net::SocketAddr,
) -> String {
    let is_asked = sender.is_some_and(|sender| sender.asks_for_port);
    let parts: Vec<&str> = via.split(';').collect();
    if !is_asked || !parts.contains(&"rport") {
        return via.to_owned();
    }
    let (port, address) = (format!("rport={}", from.port()), format!("received={}", from.ip()));
    let whole = |part: &&str| if *part == "rport" { port.clone() } else { (*part).to_owned() };
    let parts: Vec<String> = parts.iter().map(whole).chain([address]).collect();
    parts.join(";")
}

/// Address and port as a host writes them into a message.
pub(super) fn inside(host: &Host<'_>, port: Option<u16>) -> std::net::SocketAddr {
    let own = std::net::SocketAddr::new(host.address, port.unwrap_or(host.port));
    host.inside.unwrap_or(own)
}

/// Where a host wants further requests of a dialog.
pub(super) fn contact_uri(host: &Host<'_>, port: Option<u16>, transport: Transport) -> String {
    let parameter = match transport {
        Transport::Udp => "",
        Transport::Tcp => ";transport=tcp",
    };
    format!("sip:{}@{}{parameter}", host.user, inside(host, port))
}

fn request_uri(stage: &Stage<'_, '_>, dialog: &Dialog, method: &str) -> String {
    match (&dialog.target, method) {
        (_, "REGISTER") => {
            let domain = stage.host(dialog.host).map_or("example.com", |host| host.domain);
            format!("sip:{domain}")
        }
        (Some(target), _) => target.clone(),
        (None, _) => dialog.remote_uri.clone(),
    }
}

fn address(address: &str, tag: Option<&str>) -> String {
    match tag {
        Some(tag) => format!("{address};tag={tag}"),
        None => address.to_owned(),
    }
}
