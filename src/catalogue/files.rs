//! The list of every Markdown file of the catalogue.
//!
//! A new file gets one line here; a test names files that lack theirs. What a language lacks is
//! looked up in English.

use crate::catalogue::Lang;
use crate::catalogue::entries;

macro_rules! files {
    ($($lang:ident $dir:literal [$($name:literal,)*])*) => {
        const FILES: &[(Lang, &str, &str)] = &[
            $($((Lang::$lang, $name, include_str!(concat!($dir, "/", $name))),)*)*
        ];
    };
}

files! {
    En "en" [
        "browse.md",
        "calls.md",
        "compare.md",
        "extract.md",
        "labels.md",
        "methods.md",
        "page.md",
        "pairs.md",
        "q850.md",
        "reason.md",
        "redact.md",
        "show.md",
        "status/1xx.md",
        "status/2xx.md",
        "status/3xx.md",
        "status/4xx.md",
        "status/5xx.md",
        "status/6xx.md",
        "status/class.md",
        "warning.md",
    ]
    Fr "fr" [
        "browse.md",
        "calls.md",
        "compare.md",
        "extract.md",
        "labels.md",
        "methods.md",
        "page.md",
        "pairs.md",
        "q850.md",
        "reason.md",
        "redact.md",
        "rules/ack-2xx-late-recovered.md",
        "rules/ack-mismatch.md",
        "rules/ack-non2xx-missing.md",
        "rules/ack-sent-to-wrong-place.md",
        "rules/auth-challenge-unanswered.md",
        "rules/auth-credentials-rejected.md",
        "rules/auth-loop.md",
        "rules/auth-parameter-mismatch.md",
        "rules/auth-stale-nonce-loop.md",
        "rules/bad-request-explained.md",
        "rules/cancel-crosses-answer.md",
        "rules/cancel-unmatched-481.md",
        "rules/cancel-without-487.md",
        "rules/call-blocked.md",
        "rules/call-id-reused.md",
        "rules/bye-no-response.md",
        "rules/bye-rejected.md",
        "rules/capture-duplicate-packets.md",
        "rules/capture-one-sided.md",
        "rules/capture-packet-loss.md",
        "rules/capture-partial-dialogs.md",
        "rules/capture-time-disorder.md",
        "rules/capture-truncated-messages.md",
        "rules/content-length-mismatch.md",
        "rules/credential-brute-force.md",
        "rules/cseq-invalid.md",
        "rules/duplicate-singleton-header.md",
        "rules/early-media-announcement-then-failure.md",
        "rules/cseq-out-of-order.md",
        "rules/fixed-interval-drop.md",
        "rules/no-rtp.md",
        "rules/one-way-rtp.md",
        "rules/ice-or-rtcp-mux-mismatch.md",
        "rules/ptime-mismatch.md",
        "rules/dtmf-not-delivered.md",
        "rules/unexpected-payload-type.md",
        "rules/media-gap.md",
        "rules/rtp-quality.md",
        "rules/rtp-to-unexpected-port.md",
        "rules/short-call.md",
        "rules/emergency-call-failed.md",
        "rules/encrypted-signalling.md",
        "rules/failover-exhausted.md",
        "rules/failure-after-progress.md",
        "rules/extension-required-missing.md",
        "rules/final-response.md",
        "rules/forked-2xx-unhandled.md",
        "rules/identity-content-mismatch.md",
        "rules/identity-invalid.md",
        "rules/identity-required.md",
        "rules/in-dialog-481.md",
        "rules/icmp-unreachable.md",
        "rules/invite-no-response.md",
        "rules/loop-detected.md",
        "rules/max-forwards-trouble.md",
        "rules/message-sanity.md",
        "rules/message-too-large.md",
        "rules/method-not-supported.md",
        "rules/long-ringing-no-answer.md",
        "rules/late-final-after-timeout.md",
        "rules/missing-ack-2xx.md",
        "rules/options-unanswered.md",
        "rules/no-100-trying.md",
        "rules/overload-storm.md",
        "rules/prack-failure.md",
        "rules/missing-mandatory-header.md",
        "rules/private-contact-from-public.md",
        "rules/answer-codec-not-offered.md",
        "rules/answer-mline-mismatch.md",
        "rules/direction-conflict.md",
        "rules/media-rejected.md",
        "rules/no-common-codec.md",
        "rules/offer-unanswered.md",
        "rules/private-sdp-from-public.md",
        "rules/srtp-profile-mismatch.md",
        "rules/telephone-event-mismatch.md",
        "rules/progress-then-bad-gateway.md",
        "rules/progress-without-early-media.md",
        "rules/record-route-unreachable.md",
        "rules/redirect-not-followed.md",
        "rules/registration-lapsed.md",
        "rules/refer-accepted-no-notify.md",
        "rules/refer-notify-rejected.md",
        "rules/refer-outcome-unknown.md",
        "rules/replaces-failed.md",
        "rules/register-rejected.md",
        "rules/reinvite-glare.md",
        "rules/reinvite-rejected.md",
        "rules/request-no-response.md",
        "rules/response-path-mismatch.md",
        "rules/route-set-ignored.md",
        "rules/sip-alg-rewrite.md",
        "rules/status-q850-conflict.md",
        "rules/request-retransmitted.md",
        "rules/slow-post-dial-delay.md",
        "rules/timer-c-expiry.md",
        "rules/scanner.md",
        "rules/session-interval-too-small.md",
        "rules/session-refresh-missing.md",
        "rules/session-refresh-rejected.md",
        "rules/subscription-broken.md",
        "rules/stream-closed-mid-transaction.md",
        "rules/tcp-connect-failed.md",
        "rules/tls-handshake-failed.md",
        "rules/toll-fraud-suspect.md",
        "rules/transfer-failed.md",
        "rules/trying-then-server-failure.md",
        "rules/trying-then-silence.md",
        "rules/udp-fragment-lost.md",
        "rules/unparsed-sip-like-payload.md",
        "rules/unregistered-status-code.md",
        "rules/via-branch-invalid.md",
        "show.md",
        "status/1xx.md",
        "status/2xx.md",
        "status/3xx.md",
        "status/4xx.md",
        "status/5xx.md",
        "status/6xx.md",
        "status/class.md",
        "warning.md",
    ]
    Ja "ja" [
        "browse.md",
        "calls.md",
        "compare.md",
        "extract.md",
        "labels.md",
        "methods.md",
        "page.md",
        "pairs.md",
        "q850.md",
        "reason.md",
        "redact.md",
        "rules/ack-2xx-late-recovered.md",
        "rules/ack-mismatch.md",
        "rules/ack-non2xx-missing.md",
        "rules/ack-sent-to-wrong-place.md",
        "rules/auth-challenge-unanswered.md",
        "rules/auth-credentials-rejected.md",
        "rules/auth-loop.md",
        "rules/auth-parameter-mismatch.md",
        "rules/auth-stale-nonce-loop.md",
        "rules/bad-request-explained.md",
        "rules/cancel-crosses-answer.md",
        "rules/cancel-unmatched-481.md",
        "rules/cancel-without-487.md",
        "rules/call-blocked.md",
        "rules/call-id-reused.md",
        "rules/bye-no-response.md",
        "rules/bye-rejected.md",
        "rules/capture-duplicate-packets.md",
        "rules/capture-one-sided.md",
        "rules/capture-packet-loss.md",
        "rules/capture-partial-dialogs.md",
        "rules/capture-time-disorder.md",
        "rules/capture-truncated-messages.md",
        "rules/content-length-mismatch.md",
        "rules/credential-brute-force.md",
        "rules/cseq-invalid.md",
        "rules/duplicate-singleton-header.md",
        "rules/early-media-announcement-then-failure.md",
        "rules/cseq-out-of-order.md",
        "rules/fixed-interval-drop.md",
        "rules/no-rtp.md",
        "rules/one-way-rtp.md",
        "rules/ice-or-rtcp-mux-mismatch.md",
        "rules/ptime-mismatch.md",
        "rules/dtmf-not-delivered.md",
        "rules/unexpected-payload-type.md",
        "rules/media-gap.md",
        "rules/rtp-quality.md",
        "rules/rtp-to-unexpected-port.md",
        "rules/short-call.md",
        "rules/emergency-call-failed.md",
        "rules/encrypted-signalling.md",
        "rules/failover-exhausted.md",
        "rules/failure-after-progress.md",
        "rules/extension-required-missing.md",
        "rules/final-response.md",
        "rules/forked-2xx-unhandled.md",
        "rules/identity-content-mismatch.md",
        "rules/identity-invalid.md",
        "rules/identity-required.md",
        "rules/in-dialog-481.md",
        "rules/icmp-unreachable.md",
        "rules/invite-no-response.md",
        "rules/loop-detected.md",
        "rules/max-forwards-trouble.md",
        "rules/message-sanity.md",
        "rules/message-too-large.md",
        "rules/method-not-supported.md",
        "rules/long-ringing-no-answer.md",
        "rules/late-final-after-timeout.md",
        "rules/missing-ack-2xx.md",
        "rules/options-unanswered.md",
        "rules/no-100-trying.md",
        "rules/overload-storm.md",
        "rules/prack-failure.md",
        "rules/missing-mandatory-header.md",
        "rules/private-contact-from-public.md",
        "rules/answer-codec-not-offered.md",
        "rules/answer-mline-mismatch.md",
        "rules/direction-conflict.md",
        "rules/media-rejected.md",
        "rules/no-common-codec.md",
        "rules/offer-unanswered.md",
        "rules/private-sdp-from-public.md",
        "rules/srtp-profile-mismatch.md",
        "rules/telephone-event-mismatch.md",
        "rules/progress-then-bad-gateway.md",
        "rules/progress-without-early-media.md",
        "rules/record-route-unreachable.md",
        "rules/redirect-not-followed.md",
        "rules/registration-lapsed.md",
        "rules/refer-accepted-no-notify.md",
        "rules/refer-notify-rejected.md",
        "rules/refer-outcome-unknown.md",
        "rules/replaces-failed.md",
        "rules/register-rejected.md",
        "rules/reinvite-glare.md",
        "rules/reinvite-rejected.md",
        "rules/request-no-response.md",
        "rules/response-path-mismatch.md",
        "rules/route-set-ignored.md",
        "rules/sip-alg-rewrite.md",
        "rules/status-q850-conflict.md",
        "rules/request-retransmitted.md",
        "rules/slow-post-dial-delay.md",
        "rules/timer-c-expiry.md",
        "rules/scanner.md",
        "rules/session-interval-too-small.md",
        "rules/session-refresh-missing.md",
        "rules/session-refresh-rejected.md",
        "rules/subscription-broken.md",
        "rules/stream-closed-mid-transaction.md",
        "rules/tcp-connect-failed.md",
        "rules/tls-handshake-failed.md",
        "rules/toll-fraud-suspect.md",
        "rules/transfer-failed.md",
        "rules/trying-then-server-failure.md",
        "rules/trying-then-silence.md",
        "rules/udp-fragment-lost.md",
        "rules/unparsed-sip-like-payload.md",
        "rules/unregistered-status-code.md",
        "rules/via-branch-invalid.md",
        "show.md",
        "status/1xx.md",
        "status/2xx.md",
        "status/3xx.md",
        "status/4xx.md",
        "status/5xx.md",
        "status/6xx.md",
        "status/class.md",
        "warning.md",
    ]
    Pt "pt" [
        "browse.md",
        "calls.md",
        "compare.md",
        "extract.md",
        "labels.md",
        "methods.md",
        "page.md",
        "pairs.md",
        "q850.md",
        "reason.md",
        "redact.md",
        "rules/ack-2xx-late-recovered.md",
        "rules/ack-mismatch.md",
        "rules/ack-non2xx-missing.md",
        "rules/ack-sent-to-wrong-place.md",
        "rules/auth-challenge-unanswered.md",
        "rules/auth-credentials-rejected.md",
        "rules/auth-loop.md",
        "rules/auth-parameter-mismatch.md",
        "rules/auth-stale-nonce-loop.md",
        "rules/bad-request-explained.md",
        "rules/cancel-crosses-answer.md",
        "rules/cancel-unmatched-481.md",
        "rules/cancel-without-487.md",
        "rules/call-blocked.md",
        "rules/call-id-reused.md",
        "rules/bye-no-response.md",
        "rules/bye-rejected.md",
        "rules/capture-duplicate-packets.md",
        "rules/capture-one-sided.md",
        "rules/capture-packet-loss.md",
        "rules/capture-partial-dialogs.md",
        "rules/capture-time-disorder.md",
        "rules/capture-truncated-messages.md",
        "rules/content-length-mismatch.md",
        "rules/credential-brute-force.md",
        "rules/cseq-invalid.md",
        "rules/duplicate-singleton-header.md",
        "rules/early-media-announcement-then-failure.md",
        "rules/cseq-out-of-order.md",
        "rules/fixed-interval-drop.md",
        "rules/no-rtp.md",
        "rules/one-way-rtp.md",
        "rules/ice-or-rtcp-mux-mismatch.md",
        "rules/ptime-mismatch.md",
        "rules/dtmf-not-delivered.md",
        "rules/unexpected-payload-type.md",
        "rules/media-gap.md",
        "rules/rtp-quality.md",
        "rules/rtp-to-unexpected-port.md",
        "rules/short-call.md",
        "rules/emergency-call-failed.md",
        "rules/encrypted-signalling.md",
        "rules/failover-exhausted.md",
        "rules/failure-after-progress.md",
        "rules/extension-required-missing.md",
        "rules/final-response.md",
        "rules/forked-2xx-unhandled.md",
        "rules/identity-content-mismatch.md",
        "rules/identity-invalid.md",
        "rules/identity-required.md",
        "rules/in-dialog-481.md",
        "rules/icmp-unreachable.md",
        "rules/invite-no-response.md",
        "rules/loop-detected.md",
        "rules/max-forwards-trouble.md",
        "rules/message-sanity.md",
        "rules/message-too-large.md",
        "rules/method-not-supported.md",
        "rules/long-ringing-no-answer.md",
        "rules/late-final-after-timeout.md",
        "rules/missing-ack-2xx.md",
        "rules/options-unanswered.md",
        "rules/no-100-trying.md",
        "rules/overload-storm.md",
        "rules/prack-failure.md",
        "rules/missing-mandatory-header.md",
        "rules/private-contact-from-public.md",
        "rules/answer-codec-not-offered.md",
        "rules/answer-mline-mismatch.md",
        "rules/direction-conflict.md",
        "rules/media-rejected.md",
        "rules/no-common-codec.md",
        "rules/offer-unanswered.md",
        "rules/private-sdp-from-public.md",
        "rules/srtp-profile-mismatch.md",
        "rules/telephone-event-mismatch.md",
        "rules/progress-then-bad-gateway.md",
        "rules/progress-without-early-media.md",
        "rules/record-route-unreachable.md",
        "rules/redirect-not-followed.md",
        "rules/registration-lapsed.md",
        "rules/refer-accepted-no-notify.md",
        "rules/refer-notify-rejected.md",
        "rules/refer-outcome-unknown.md",
        "rules/replaces-failed.md",
        "rules/register-rejected.md",
        "rules/reinvite-glare.md",
        "rules/reinvite-rejected.md",
        "rules/request-no-response.md",
        "rules/response-path-mismatch.md",
        "rules/route-set-ignored.md",
        "rules/sip-alg-rewrite.md",
        "rules/status-q850-conflict.md",
        "rules/request-retransmitted.md",
        "rules/slow-post-dial-delay.md",
        "rules/timer-c-expiry.md",
        "rules/scanner.md",
        "rules/session-interval-too-small.md",
        "rules/session-refresh-missing.md",
        "rules/session-refresh-rejected.md",
        "rules/subscription-broken.md",
        "rules/stream-closed-mid-transaction.md",
        "rules/tcp-connect-failed.md",
        "rules/tls-handshake-failed.md",
        "rules/toll-fraud-suspect.md",
        "rules/transfer-failed.md",
        "rules/trying-then-server-failure.md",
        "rules/trying-then-silence.md",
        "rules/udp-fragment-lost.md",
        "rules/unparsed-sip-like-payload.md",
        "rules/unregistered-status-code.md",
        "rules/via-branch-invalid.md",
        "show.md",
        "status/1xx.md",
        "status/2xx.md",
        "status/3xx.md",
        "status/4xx.md",
        "status/5xx.md",
        "status/6xx.md",
        "status/class.md",
        "warning.md",
    ]
}

/// The text of a file in just that language.
pub(crate) fn file(lang: Lang, name: &str) -> Option<&'static str> {
    FILES.iter().find(|file| file.0 == lang && file.1 == name).map(|file| file.2)
}

/// An entry, in the language asked for or else in English.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    file: &'static str,
    /// The language that has it.
    pub(crate) lang: Lang,
    /// Its heading with the key in front.
    pub(crate) heading: &'static str,
    body: &'static str,
}

impl Entry {
    /// The entry of `key` in a file; an empty one if no language has it.
    pub(crate) fn of(lang: Lang, file: &'static str, key: &str) -> Self {
        [lang, Lang::En]
            .into_iter()
            .find_map(|lang| {
                let (heading, body) = entries::section(self::file(lang, file)?, key)?;
                Some(Self { file, lang, heading, body })
            })
            .unwrap_or(Self { file, lang, heading: "", body: "" })
    }

    /// What follows the key in the heading.
    pub(crate) fn name(&self) -> &'static str {
        self.heading.split_once(' ').map_or("", |(_, name)| name.trim())
    }

    /// A field of the entry, from English if the translation lacks it.
    pub(crate) fn field(&self, name: &str) -> String {
        entries::field(self.body, name)
            .or_else(|| {
                let key = entries::first_word(self.heading);
                let (_, english) = entries::section(file(Lang::En, self.file)?, key)?;
                entries::field(english, name)
            })
            .unwrap_or_default()
    }
}

/// The file that holds the translated entry of a rule.
pub(crate) fn rule_file(name: &str) -> String {
    format!("rules/{name}.md")
}

#[cfg(test)]
pub(crate) fn all() -> &'static [(Lang, &'static str, &'static str)] {
    FILES
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn markdown_below(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                markdown_below(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_markdown_file_is_listed() {
        for lang in Lang::ALL {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalogue").join(lang.code());
            let mut paths = Vec::new();
            markdown_below(&dir, &mut paths);
            let on_disk: BTreeSet<String> = paths
                .iter()
                .filter_map(|path| path.strip_prefix(&dir).ok())
                .map(|path| path.to_string_lossy().replace('\\', "/"))
                .collect();
            let listed: BTreeSet<String> =
                all().iter().filter(|file| file.0 == lang).map(|file| file.1.to_owned()).collect();
            let missing: Vec<String> =
                on_disk.difference(&listed).map(|name| format!("        \"{name}\",\n")).collect();
            let lines = missing.concat();
            assert!(missing.is_empty(), "add to src/catalogue/files.rs, {lang}:\n{lines}");
        }
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = all().iter().map(|file| (file.0, file.1)).collect();
        assert_eq!(names.len(), all().len());
    }
}
