//! What a proxy hands on, and messages that are sent again.

use super::LOOK_MAX;
use super::error::Error;
use super::memory::{Memory, Sent, Stage};
use super::message::{Message, Start, is_same_via};
use super::request::{completed, inside, via_with};
use super::syntax::{Action, Selector};

impl Memory {
    /// The last message that the proxy got and that can go to the destination, changed as a proxy
    /// does.
    pub(super) fn forwarded(
        &mut self,
        stage: &Stage<'_, '_>,
        pick: Option<&Selector>,
    ) -> Result<(Message, usize), Error> {
        let call = self.call(stage.event.call);
        let Some(place) = self.to_forward(stage, call, pick) else {
            let name = |index| stage.host(index).map_or("", |host| host.name);
            let source = name(stage.event.source.host);
            let destination = name(stage.event.destination.host);
            let found = format!("nothing that {source} could forward to {destination}");
            let expected = format!(
                "forward takes the last request that {source} got, or a response to {destination}"
            );
            return Err(stage.event.word.error(found, expected));
        };
        let sent = self.log.get_mut(place);
        let Some(sent) = sent else { return Err(stage.event.word.error("nothing", "")) };
        if sent.forwarded_to.len() < LOOK_MAX {
            sent.forwarded_to.push(stage.event.destination.host);
        }
        let (call, from) = (sent.call, sent.hop);
        let Some(mut message) = sent.message.clone() else {
            return Err(stage.event.word.error("this message is no SIP", "write it with raw"));
        };
        match message.status() {
            Some(_) => {
                message.take_first("Via");
            }
            None => {
                if let Some(via) = message.take_first("Via") {
                    let sender = stage.host(from.source);
                    message.add_on_top("Via", completed(&via, sender, from.source_socket));
                }
                self.pass_on(stage, call, &mut message);
            }
        }
        Ok((message, place))
    }

    /// Own Via on top, and alone where the message is for one hop; Max-Forwards one less, own Route
    /// gone (RFC 3261, section 16.6).
    fn pass_on(&mut self, stage: &Stage<'_, '_>, call: usize, message: &mut Message) {
        let Some(host) = stage.host(stage.event.source.host) else { return };
        let socket = inside(host, stage.event.source.port).to_string();
        if message.field("Route").is_some_and(|route| route.contains(&socket)) {
            message.take_first("Route");
        }
        let hops = message.field("Max-Forwards").and_then(|hops| hops.parse::<u32>().ok());
        if let Some(hops) = hops {
            message.set("Max-Forwards", hops.saturating_sub(1).to_string());
        }
        let is_initial = message.tag("To").is_none();
        let forms = matches!(message.method(), Some("INVITE" | "SUBSCRIBE" | "REFER"));
        if is_initial && forms && stage.stays_in_path() {
            message.add_on_top("Record-Route", format!("<sip:{socket};lr>"));
        }
        let via = match self.branch_of_invite(stage, call, message) {
            Some(branch) => {
                message.remove("Via");
                via_with(host, stage, &branch)
            }
            None => self.via(stage),
        };
        message.add_on_top("Via", via);
    }

    /// The branch under which the proxy sent the INVITE on that a CANCEL or the ACK of a failure
    /// belongs to.
    fn branch_of_invite(
        &self,
        stage: &Stage<'_, '_>,
        call: usize,
        message: &Message,
    ) -> Option<String> {
        let method = message.method().filter(|method| matches!(*method, "ACK" | "CANCEL"))?;
        self.recent(call).find_map(|(_, sent)| {
            let invite = sent.message.as_ref()?;
            let is_hop = sent.hop.source == stage.event.source.host
                && sent.hop.destination == stage.event.destination.host;
            let is_invite =
                invite.method() == Some("INVITE") && invite.cseq().0 == message.cseq().0;
            let is_success = |place: &usize| {
                let response = self.log.get(*place).and_then(|sent| sent.message.as_ref());
                matches!(response.and_then(Message::status), Some(200..300))
            };
            let is_own = method == "ACK" && sent.responses.iter().any(is_success);
            (is_hop && is_invite && !is_own).then(|| invite.branch().map(str::to_owned))?
        })
    }

    /// The newest message that fits and was not handed on yet, else the newest that fits; in the
    /// call, else anywhere.
    fn to_forward(
        &self,
        stage: &Stage<'_, '_>,
        call: usize,
        pick: Option<&Selector>,
    ) -> Option<usize> {
        let fits = |(place, sent): (usize, &Sent)| {
            let is_mine = sent.hop.destination == stage.event.source.host && sent.is_picked(pick);
            (is_mine && self.can_go(stage, sent))
                .then(|| (place, sent.forwarded_to.contains(&stage.event.destination.host)))
        };
        let fresh = |(place, is_done): (usize, bool)| (!is_done).then_some(place);
        let in_call = || self.recent(call).filter_map(fits);
        let anywhere = || self.recent_of_all().filter_map(fits);
        let found = in_call().find_map(fresh);
        if stage.event.options.has("call") {
            return found.or_else(|| in_call().next().map(|(place, _)| place));
        }
        let found = found.or_else(|| anywhere().find_map(fresh));
        found.or_else(|| in_call().next().map(|(place, _)| place))
    }

    /// Requests go to anybody but the sender; responses, except 100, to the one whose request
    /// they answer.
    fn can_go(&self, stage: &Stage<'_, '_>, sent: &Sent) -> bool {
        let (here, there) = (stage.event.source.host, stage.event.destination.host);
        let Some(message) = &sent.message else { return false };
        match message.start {
            Start::Request { .. } => sent.hop.source != there,
            Start::Response { status: 100, .. } => false,
            Start::Response { .. } => {
                let next = message.all("Via").nth(1);
                self.recent(sent.call).any(|(_, request)| {
                    let is_hop = request.hop.source == there && request.hop.destination == here;
                    let asked = request.message.as_ref();
                    let via = asked.and_then(|asked| asked.field("Via"));
                    is_hop && via.zip(next).is_some_and(|(via, next)| is_same_via(via, next))
                })
            }
        }
    }
}

impl Stage<'_, '_> {
    /// Later requests of the dialog are sent to this host: it must have asked for it with
    /// Record-Route.
    fn stays_in_path(&self) -> bool {
        let (mut is_answered, mut is_cancelled) = (false, false);
        for event in self.later.iter().take(LOOK_MAX) {
            if event.call != self.event.call {
                continue;
            }
            match &event.action {
                Action::Response { status: 200..300, .. } => is_answered |= !is_cancelled,
                Action::Request { method, .. } => {
                    let is_here = event.destination.host == self.event.source.host;
                    match method.as_str() {
                        "CANCEL" => is_cancelled = true,
                        "PRACK" | "UPDATE" | "INFO" | "BYE" if is_here => return true,
                        "REGISTER" => {}
                        _ if is_here && is_answered => return true,
                        _ => {}
                    }
                }
                _ => {}
            }
        }
        false
    }
}
