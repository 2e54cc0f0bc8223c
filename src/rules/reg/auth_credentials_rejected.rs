#![doc = include_str!("auth_credentials_rejected.md")]

use crate::finding::{Check, Confidence, Findings, Gate, Rule, Severity, Value};
use crate::rules::reg::report_on;
use crate::signaling::{Call, Chain, Message, Refusal, Threshold, Traits};
use crate::sip::{HeaderName, Method};
use crate::time::Span;

pub(crate) static RULE: Rule = Rule {
    code: "REG102",
    name: "auth-credentials-rejected",
    severity: Severity::Error,
    since: "0.1.0",
    entry: include_str!("auth_credentials_rejected.md"),
    thresholds: &[&NONCE_LIFE],
    gate: Gate::all(&[Traits::OPEN_CHALLENGE]),
    check: Check::Call(check),
};

/// A nonce that is answered later may have grown too old, even where the server does not say so.
static NONCE_LIFE: Threshold = Threshold::span("nonce-life", Span::from_secs(32));

/// By these words a 403 tells that it means the credentials and not the call.
const ACCUSING: [&str; 4] = ["bad auth", "authentication", "password", "credential"];

fn check(call: &Call<'_>, findings: &mut Findings<'_>) {
    for chain in call.chains() {
        let Some(refusal) = chain.refusal(call).filter(|_| chain.is_refused(call)) else {
            continue;
        };
        let waited = refusal.request.time.since(refusal.round.at());
        let fits = fits(call, &refusal);
        let confidence = confidence(call, chain, &refusal, fits);
        if let Some(confidence) = confidence.filter(|_| waited <= nonce_life(call)) {
            report(call, chain, &refusal, (fits, confidence), findings);
        }
    }
}

fn nonce_life(call: &Call<'_>) -> Span {
    call.settings().span(&NONCE_LIFE)
}

/// Whether the user's file has the password that the client used, as far as it has one.
fn fits(call: &Call<'_>, refusal: &Refusal<'_, '_>) -> Option<bool> {
    let own = refusal.round.answer_in(refusal.request)?;
    let method = str::from_utf8(refusal.request.method().as_bytes()).ok()?;
    call.settings().accounts.fit(&own, method)
}

/// How sure it is that the credentials were refused, and not the request; nothing where a 403 is
/// more likely about the request.
fn confidence(
    call: &Call<'_>,
    chain: &Chain<'_>,
    refusal: &Refusal<'_, '_>,
    fits: Option<bool>,
) -> Option<Confidence> {
    match refusal.response.status()?.code() {
        401 | 407 => return Some(Confidence::Certain),
        403 if fits != Some(true) => {}
        _ => return None,
    }
    let challenger = call.origin_of(call.transactions.get(refusal.round.transaction)?);
    let is_same_server = chain.origin(call)?.server.address == challenger.server.address;
    let is_accused = is_accusing(refusal.response) || fits == Some(false);
    match (is_same_server, is_accused) {
        (false, _) => None,
        (true, true) => Some(Confidence::Likely),
        // A registrar has few other reasons; a proxy refuses calls for many.
        (true, false) if refusal.request.method() == Method::Register => Some(Confidence::Possible),
        (true, false) => None,
    }
}

fn is_accusing(response: &Message<'_>) -> bool {
    let phrase = response.reason_phrase().unwrap_or_default().to_lowercase();
    let warning = response.header(HeaderName::Warning).unwrap_or_default();
    let warning = String::from_utf8_lossy(warning).to_lowercase();
    ACCUSING.iter().any(|word| phrase.contains(word) || warning.contains(word))
}

fn report(
    call: &Call<'_>,
    chain: &Chain<'_>,
    refusal: &Refusal<'_, '_>,
    (fits, confidence): (Option<bool>, Confidence),
    findings: &mut Findings<'_>,
) {
    let Some(report) = report_on(call, chain) else { return };
    let own = refusal.round.answer_in(refusal.request);
    let algorithm = own.and_then(|own| own.algorithm());
    let password = fits.map(|fits| match fits {
        true => Value::Word("fits"),
        false => Value::Word("does-not-fit"),
    });
    findings.report(
        report
            .at([refusal.round.response, refusal.request, refusal.response])
            .confidence(confidence)
            .with("algorithm", Value::quoted(algorithm.as_deref().unwrap_or(b"MD5")))
            .with_some("password", password)
            .with_some("warning", refusal.response.header(HeaderName::Warning).map(Value::quoted)),
    );
}
