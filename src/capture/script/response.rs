//! Responses that a host makes to a request that it got.

use super::error::{Error, list, quoted};
use super::memory::{Memory, Stage};
use super::message::{Message, Start};
use super::reason::phrase;
use super::request::{add_allow, completed, contact_uri};
use super::syntax::Transport;

impl Memory {
    /// The response of a line to the request that waits for one.
    pub(super) fn response(
        &mut self,
        stage: &Stage<'_, '_>,
        status: u16,
        reason: Option<&str>,
    ) -> Result<(Message, usize), Error> {
        let place = self.question(stage)?;
        let asked = self.log.get(place).and_then(|sent| sent.message.clone());
        let Some(request) = asked else {
            return Err(stage.event.word.error("nothing to answer", "the request is no SIP"));
        };
        let reason = reason.unwrap_or(phrase(status)).to_owned();
        let mut message = Message::new(Start::Response { status, reason });
        let sender = self.log.get(place).map(|sent| sent.hop);
        for (via, index) in request.all("Via").zip(0..) {
            match sender.filter(|_| index == 0) {
                Some(hop) => {
                    let via = completed(via, stage.host(hop.source), hop.source_socket);
                    message.add("Via", via);
                }
                None => message.add("Via", via),
            }
        }
        if matches!(status, 101..300) {
            for route in request.all("Record-Route") {
                message.add("Record-Route", route);
            }
        }
        message.add("From", request.field("From").unwrap_or(""));
        message.add("To", self.answered_to(stage, place, &request, status));
        message.add("Call-ID", request.field("Call-ID").unwrap_or(""));
        message.add("CSeq", request.field("CSeq").unwrap_or(""));
        let transport =
            self.log.get(place).map_or(stage.event.transport, |sent| sent.hop.transport);
        self.add_by_status(stage, &request, status, transport, &mut message);
        if let Some(host) = stage.host(stage.event.source.host)
            && let Some(server) = host.server.or_name(host.name)
        {
            message.add("Server", server);
        }
        Ok((message, place))
    }

    /// The last request of the other direction that has no final answer, else the last one.
    fn question(&self, stage: &Stage<'_, '_>) -> Result<usize, Error> {
        let event = stage.event;
        let (method, number) = (event.options.text("to"), event.options.number("cseq"));
        let is_here = |place: usize| {
            let sent = self.log.get(place)?;
            let message = sent.message.as_ref()?;
            let is_hop = sent.hop.source == event.destination.host
                && sent.hop.destination == event.source.host;
            let asks = message.method().is_some_and(|method| method != "ACK");
            (is_hop && asks).then_some((sent, message))
        };
        let fits = |place: usize| {
            let (sent, message) = is_here(place)?;
            let is_method = method.is_none_or(|method| {
                message.method().is_some_and(|asked| asked.eq_ignore_ascii_case(method))
            });
            let is_number = number.is_none_or(|number| u64::from(message.cseq().0) == number);
            (is_method && is_number).then_some((place, sent.is_answered))
        };
        let call = self.known_call(event.call);
        let in_call =
            || call.into_iter().flat_map(|call| self.recent(call)).map(|(place, _)| place);
        let anywhere = || self.recent_of_all().map(|(place, _)| place);
        let open = |(place, is_answered): (usize, bool)| (!is_answered).then_some(place);
        let found = in_call().filter_map(fits).find_map(open);
        let found = match event.options.has("call") {
            true => found,
            false => found.or_else(|| anywhere().filter_map(fits).find_map(open)),
        };
        if let Some(place) = found.or_else(|| in_call().find_map(fits).map(|(place, _)| place)) {
            return Ok(place);
        }
        let mut asked: Vec<String> = Vec::new();
        for (_, message) in in_call().filter_map(is_here) {
            asked.push(format!("{} {}", message.cseq().1, message.cseq().0));
        }
        Err(no_question(stage, &asked))
    }

    /// The To of the request, with the tag of the host that answers.
    fn answered_to(
        &mut self,
        stage: &Stage<'_, '_>,
        place: usize,
        request: &Message,
        status: u16,
    ) -> String {
        let to = request.field("To").unwrap_or("").to_owned();
        let given = stage.event.options.text("tag");
        if request.tag("To").is_some() || (status == 100 && given.is_none()) {
            return to;
        }
        let known = self.log.get(place).and_then(|sent| sent.answer_tag.clone());
        let known = known.or_else(|| self.invite_tag(place, request));
        let name = stage.host(stage.event.source.host).map_or("", |host| host.name);
        let tag = match given {
            Some(tag) => tag.to_owned(),
            None => known.unwrap_or_else(|| self.fresh_tag(name)),
        };
        if request.cseq().1 == "CANCEL"
            && let Some(invite) = self.invite_of_cancel(place, request)
            && let Some(sent) = self.log.get_mut(invite)
        {
            sent.answer_tag.get_or_insert_with(|| tag.clone());
        }
        format!("{to};tag={tag}")
    }

    /// A CANCEL is answered with the tag of the INVITE (RFC 3261, section 9.2).
    fn invite_tag(&self, place: usize, request: &Message) -> Option<String> {
        self.log.get(self.invite_of_cancel(place, request)?)?.answer_tag.clone()
    }

    fn invite_of_cancel(&self, place: usize, request: &Message) -> Option<usize> {
        if request.method() != Some("CANCEL") {
            return None;
        }
        self.recent(self.log.get(place)?.call).find_map(|(place, sent)| {
            let message = sent.message.as_ref()?;
            let is_it = message.method() == Some("INVITE") && message.branch() == request.branch();
            is_it.then_some(place)
        })
    }

    /// The header fields that a status needs (RFC 3261, section 21).
    fn add_by_status(
        &mut self,
        stage: &Stage<'_, '_>,
        request: &Message,
        status: u16,
        transport: Transport,
        message: &mut Message,
    ) {
        let event = stage.event;
        let Some(host) = stage.host(event.source.host) else { return };
        let method = request.cseq().1;
        if event.options.has("reliable") {
            message.add("Require", "100rel");
            message.add("RSeq", self.next_rseq(stage).to_string());
        }
        let contact = format!("<{}>", contact_uri(host, event.source.port, transport));
        match (status, method) {
            (101..300, "INVITE") | (200..300, "SUBSCRIBE" | "REFER" | "UPDATE" | "NOTIFY") => {
                message.add("Contact", contact);
            }
            (200..300, "REGISTER") => {
                let expires = request.field("Expires").unwrap_or("3600");
                for binding in request.all("Contact").filter(|_| expires != "0") {
                    message.add("Contact", format!("{binding};expires={expires}"));
                }
            }
            (300..400, _) => message.add("Contact", "<sip:carol@example.com>"),
            _ => {}
        }
        match (status, method) {
            (200..300, "INVITE" | "OPTIONS") | (405, _) => add_allow(host, message),
            (200..300, "SUBSCRIBE" | "PUBLISH") => {
                message.add("Expires", request.field("Expires").unwrap_or("3600"));
            }
            (401, _) => message.add("WWW-Authenticate", self.challenge(host.domain)),
            (407, _) => message.add("Proxy-Authenticate", self.challenge(host.domain)),
            (420, _) => message.add("Unsupported", request.field("Require").unwrap_or("100rel")),
            (421, _) => message.add("Require", "100rel"),
            (422, _) => message.add("Min-SE", "1800"),
            (423, _) => message.add("Min-Expires", "3600"),
            (489, _) => message.add("Allow-Events", "presence"),
            _ => {}
        }
    }

    fn challenge(&mut self, realm: &str) -> String {
        let nonce = self.fresh_nonce();
        format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm=MD5, qop=\"auth\"")
    }

    /// One more than the last RSeq of this host.
    fn next_rseq(&self, stage: &Stage<'_, '_>) -> u32 {
        let last = self.recent_of_all().find_map(|(_, sent)| {
            let number = sent.message.as_ref()?.field("RSeq")?.parse::<u32>().ok()?;
            (sent.hop.source == stage.event.source.host).then_some(number)
        });
        last.unwrap_or(0).saturating_add(1)
    }
}

fn no_question(stage: &Stage<'_, '_>, asked: &[String]) -> Error {
    let name = |index| stage.host(index).map_or("", |host| host.name);
    let (source, destination) = (name(stage.event.source.host), name(stage.event.destination.host));
    let what = match (stage.event.options.text("to"), stage.event.options.number("cseq")) {
        (Some(method), _) => quoted(method),
        (None, Some(number)) => format!("request with CSeq {number}"),
        (None, None) => "request".to_owned(),
    };
    let found = format!("no {what} from {destination} that {source} could answer");
    let expected = match asked {
        [] => {
            format!("no request went from {destination} to {source} in call {}", stage.event.call)
        }
        asked => format!("requests on this hop are {}", list(asked)),
    };
    let error = stage.event.word.error(found, expected);
    error.hint("a message that the capture misses can be written with unseen")
}
