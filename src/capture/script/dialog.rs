//! One end of a dialog, as its host remembers it.

use super::message::{Message, address_in, parameter, uri_in};

/// The view that one host has of one dialog, or of requests that have not made one yet.
#[derive(Clone, Debug)]
pub(super) struct Dialog {
    /// Index of the host.
    pub(super) host: usize,
    pub(super) local_uri: String,
    /// What stands before the parameters in its From: the URI, with a name where it has one.
    pub(super) local: String,
    pub(super) local_tag: String,
    pub(super) remote_uri: String,
    /// The same in its To.
    pub(super) remote: String,
    /// None until the other end has answered with a tag.
    pub(super) remote_tag: Option<String>,
    /// Contact of the other end.
    pub(super) target: Option<String>,
    /// Route values of requests, in order.
    pub(super) routes: Vec<String>,
    /// The last CSeq number that this end used.
    pub(super) cseq: u32,
    pub(super) is_confirmed: bool,
    pub(super) is_ended: bool,
    pub(super) challenge: Option<Challenge>,
}

/// What a 401 or 407 asked for.
#[derive(Clone, Debug)]
pub(super) struct Challenge {
    /// `Authorization` or `Proxy-Authorization`.
    pub(super) answer: &'static str,
    pub(super) method: String,
    pub(super) realm: String,
    pub(super) nonce: String,
    pub(super) algorithm: Option<String>,
    pub(super) opaque: Option<String>,
    pub(super) has_qop: bool,
}

impl Dialog {
    /// An end that has sent or will send the first request.
    pub(super) fn new(
        host: usize,
        local_uri: String,
        local_tag: String,
        remote_uri: String,
    ) -> Self {
        Self {
            host,
            local: format!("<{local_uri}>"),
            local_uri,
            local_tag,
            remote: format!("<{remote_uri}>"),
            remote_uri,
            remote_tag: None,
            target: None,
            routes: Vec::new(),
            cseq: 0,
            is_confirmed: false,
            is_ended: false,
            challenge: None,
        }
    }

    /// The end of the host that answered `request` with `response`.
    pub(super) fn of_callee(host: usize, request: &Message, response: &Message) -> Option<Self> {
        let uri = |name| uri_in(response.field(name)?).map(str::to_owned);
        let tag = response.tag("To")?.to_owned();
        let mut dialog = Self::new(host, uri("To")?, tag, uri("From")?);
        dialog.local = address_in(response.field("To")?).to_owned();
        dialog.remote = address_in(response.field("From")?).to_owned();
        dialog.remote_tag = response.tag("From").map(str::to_owned);
        dialog.target = request.contact().map(str::to_owned);
        dialog.routes = request.all("Record-Route").map(str::to_owned).collect();
        Some(dialog)
    }

    /// Takes in tag, Contact and Record-Route of a response that the first sender got.
    pub(super) fn learn(&mut self, response: &Message) {
        if self.remote_tag.is_none() {
            self.remote_tag = response.tag("To").map(str::to_owned);
            self.routes = response.all("Record-Route").rev().map(str::to_owned).collect();
        }
        if let Some(contact) = response.contact() {
            self.target = Some(contact.to_owned());
        }
        if matches!(response.status(), Some(200..300)) {
            self.is_confirmed = true;
        }
    }

    /// The end is the one that a message names by these tags.
    pub(super) fn has_tags(&self, local: Option<&str>, remote: Option<&str>) -> bool {
        local == Some(self.local_tag.as_str()) && remote == self.remote_tag.as_deref()
    }
}

impl Challenge {
    /// The challenge in a 401 or 407.
    pub(super) fn of(response: &Message) -> Option<Self> {
        let (name, answer) = match response.status()? {
            401 => ("WWW-Authenticate", "Authorization"),
            407 => ("Proxy-Authenticate", "Proxy-Authorization"),
            _ => return None,
        };
        let value = response.field(name)?.replace("Digest ", ";").replace(',', ";");
        let part = |name| Some(parameter(&value, name)?.trim_matches('"').to_owned());
        Some(Self {
            answer,
            method: response.cseq().1.to_owned(),
            realm: part("realm")?,
            nonce: part("nonce")?,
            algorithm: part("algorithm"),
            opaque: part("opaque"),
            has_qop: part("qop").is_some(),
        })
    }

    /// Credentials for a request. The response is made up: a script knows no password.
    pub(super) fn answer(&self, user: &str, uri: &str) -> String {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in self.nonce.bytes().chain(uri.bytes()).chain(user.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let Self { realm, nonce, .. } = self;
        let mut value = format!(
            "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{hash:016x}{:016x}\"",
            hash.rotate_left(29)
        );
        if let Some(algorithm) = &self.algorithm {
            value.push_str(&format!(", algorithm={algorithm}"));
        }
        if let Some(opaque) = &self.opaque {
            value.push_str(&format!(", opaque=\"{opaque}\""));
        }
        if self.has_qop {
            value.push_str(", qop=auth, nc=00000001, cnonce=\"c0ffee\"");
        }
        value
    }
}
