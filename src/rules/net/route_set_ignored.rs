#![doc = include_str!("route_set_ignored.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Report, Rule, Severity, Value};
use crate::packet::Endpoint;
use crate::signaling::{Call, Dialog, Message, Route, Traits, Transaction, address_in, routes};
use crate::sip::{HeaderName, Method};

pub(crate) static RULE: Rule = Rule {
    code: "NET103",
    name: "route-set-ignored",
    severity: Severity::Warn,
    since: "0.1.0",
    entry: include_str!("route_set_ignored.md"),
    thresholds: &[],
    gate: Gate::all(&[Traits::RECORD_ROUTE, Traits::INSIDE]),
    check: Check::Call(check),
};

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    let opened = |hop: &&Transaction<'_>| {
        matches!(hop.method, Method::Invite | Method::Subscribe) && hop.is_initial()
    };
    let mut known: Vec<&[u8]> = Vec::new();
    for hop in call.transactions.iter().filter(opened) {
        let (Some(request), Some(answer)) = (hop.request, hop.first_success()) else { continue };
        let has_route = answer.header(HeaderName::RecordRoute).is_some();
        if !has_route && request.header(HeaderName::RecordRoute).is_none() {
            continue;
        }
        let Some(dialog) = call.dialog_of(answer) else { continue };
        for side in sides(call, hop, request, answer).into_iter().flatten() {
            let found = side.strays(call, dialog).next();
            let Some((stray, how)) = found.filter(|_| !known.contains(&side.tag)) else { continue };
            known.push(side.tag);
            report(stray, how, &side, findings);
        }
    }
}

/// One end of a dialog, and the way that its requests have to take.
struct Side<'c> {
    tag: &'c [u8],
    end: Endpoint,
    /// Where the dialog was made, which is what a client with an outbound proxy sends all to.
    neighbour: Endpoint,
    route: Route<'c>,
}

/// Those ends of the dialog that this hop shows themselves: between two proxies the route is that
/// of others, and an element in the middle may hide a part of it.
fn sides<'c>(
    call: &Call<'c>,
    hop: &Transaction<'c>,
    request: &Message<'c>,
    answer: &Message<'c>,
) -> [Option<Side<'c>>; 2] {
    let count = |message: &Message<'c>| message.values(HeaderName::RecordRoute).count();
    let is_of_caller = hop.upstream.is_none() && request.vias().nth(1).is_none();
    let is_of_callee = hop.downstream.is_empty() && count(request) == count(answer);
    let side = |tag: Option<&'c [u8]>, end, neighbour, route: Route<'c>| {
        // A strict router has another form, and nobody can follow a route to a private address.
        let can_follow = route.is_loose()
            && route.set.first().is_some_and(|first| {
                call.hidden_in(first).is_none() || !call.is_public_way(request)
            });
        Some(Side { tag: tag.filter(|_| can_follow)?, end, neighbour, route })
    };
    let caller = || side(request.from_tag(), hop.client, hop.server, Route::of_caller(answer));
    let callee = || side(answer.to_tag(), hop.server, hop.client, Route::of_callee(request));
    [is_of_caller.then(caller).flatten(), is_of_callee.then(callee).flatten()]
}

impl<'c> Side<'c> {
    /// The requests of this end that do not take the way, with what is wrong.
    fn strays<'a>(
        &'a self,
        call: &'a Call<'c>,
        dialog: &'a Dialog<'c>,
    ) -> impl Iterator<Item = (&'a Transaction<'c>, &'static str)> {
        let own = dialog.requests(call).filter(|hop| {
            hop.client.address == self.end.address
                && hop.request.is_some_and(|request| {
                    request.from_tag() == Some(self.tag) && request.vias().nth(1).is_none()
                })
        });
        own.filter_map(|hop| Some((hop, self.fault(hop.request?)?)))
    }

    fn fault(&self, request: &Message<'c>) -> Option<&'static str> {
        let first = self.route.set.first()?;
        let sent_to = request.destination.address;
        let next = address_in(first);
        let is_elsewhere =
            next.is_some_and(|next| sent_to != next) && sent_to != self.neighbour.address;
        if is_elsewhere {
            return Some("other-node");
        }
        routes(request).next().is_none().then_some("no-route")
    }
}

fn report(
    stray: &Transaction<'_>,
    how: &'static str,
    side: &Side<'_>,
    findings: &mut Findings<'_>,
) {
    let Some(request) = stray.request else { return };
    let first = side.route.set.first().map(|uri| Value::quoted(uri.as_bytes()));
    findings.report(
        Report::on(stray)
            .at([request])
            .confidence(Confidence::Likely)
            .with("method", Value::quoted(stray.method.as_bytes()))
            .with("fault", Value::Word(how))
            .with("sent_to", request.destination)
            .with_some("first_route", first)
            .with("routes_expected", side.route.set.len())
            .with("routes", routes(request).count()),
    );
}
