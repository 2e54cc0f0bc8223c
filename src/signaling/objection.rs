//! What a callee objected to when it refused an offer (RFC 3261, sections 20.43 and 21.4.26).

use crate::packet::Endpoint;
use crate::sdp::{Media, Session};
use crate::signaling::call::Call;
use crate::signaling::exchange::Description;
use crate::signaling::message::Message;
use crate::signaling::transaction::Transaction;

/// Warning: the transport protocol of the media is not supported.
const TRANSPORT_PROTOCOL: u16 = 302;

/// Warning: the kind of media is not available.
const MEDIA_TYPE: u16 = 304;

/// Warning: no format of the media is available.
const MEDIA_FORMAT: u16 = 305;

/// Warnings that name no part of the description: anything.
const MISCELLANEOUS: u16 = 399;

/// Descriptions of one host that are looked through for its codecs.
const DESCRIPTIONS_MAX: usize = 16;

/// What the callee does not accept, as far as its refusal tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// The profile: plain RTP, or the way in which it is encrypted.
    Profile {
        /// A Warning says so; else only the offer, which has nothing but encrypted media.
        is_told: bool,
    },
    /// Kinds of media or codecs.
    Formats {
        /// A Warning says so; else it is what such a refusal mostly means.
        is_told: bool,
    },
}

impl Objection {
    /// The objection of the response that refused the request; none for other responses, requests
    /// without an offer, and where a Warning names something else.
    pub fn of(hop: &Transaction<'_>) -> Option<Self> {
        let answer = hop.final_response()?;
        let code = answer.status()?.code();
        if !matches!(code, 415 | 488 | 606) {
            return None;
        }
        let (offer, _) = hop.request?.session()?;
        // What offers nothing is not refused for its media.
        offer.media.iter().find(|media| !media.is_rejected())?;
        let warnings: Vec<_> = answer.warnings().map(|warning| warning.code).collect();
        let has = |code: u16| warnings.contains(&code);
        let is_secure = is_secure(&offer);
        if has(TRANSPORT_PROTOCOL) || (has(MEDIA_TYPE) && is_secure) {
            return Some(Self::Profile { is_told: true });
        }
        if has(MEDIA_FORMAT) || has(MEDIA_TYPE) {
            return Some(Self::Formats { is_told: true });
        }
        if warnings.iter().any(|code| *code != MISCELLANEOUS) {
            return None;
        }
        Some(match is_secure && code != 415 {
            true => Self::Profile { is_told: false },
            false => Self::Formats { is_told: false },
        })
    }
}

/// All audio of the offer is encrypted, and it leaves no choice.
fn is_secure(offer: &Session<'_>) -> bool {
    let mut audio = offer.media.iter().filter(|media| media.is("audio") && !media.is_rejected());
    let is_bound = |media: &Media<'_>| media.is_secure() && !media.has_capabilities();
    audio.clone().next().is_some() && audio.all(is_bound)
}

impl<'c> Call<'c> {
    /// What the host says elsewhere in the call of the audio that it has; what it only hands on
    /// does not count.
    pub fn description_by(&self, host: Endpoint, refusal: &Message<'c>) -> Option<Description<'c>> {
        let own = self.messages.iter().filter(|message| {
            message.source.address == host.address
                && message.frame != refusal.frame
                && message.sdp().is_some()
        });
        let is_audio = |media: &Media<'_>| media.is("audio") && !media.is_rejected();
        own.take(DESCRIPTIONS_MAX)
            .filter(|message| !self.is_handed_on(message))
            .filter_map(Description::of)
            .find(|description| description.session.media.iter().any(is_audio))
    }

    fn is_handed_on(&self, message: &Message<'c>) -> bool {
        self.transactions.iter().any(|hop| {
            hop.messages().any(|own| own.frame == message.frame)
                && match message.is_request() {
                    true => hop.upstream.is_some(),
                    false => !hop.downstream.is_empty(),
                }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::with_call;

    /// What the refusal of an offer with this line of media says.
    fn objection(media: &str, refusal: &str) -> Option<Objection> {
        let offer = format!(
            "INVITE sip:b@h SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\nFrom: <sip:a@h>;tag=a\n\
             To: <sip:b@h>\nCall-ID: 1\nCSeq: 1 INVITE\nContent-Type: application/sdp\n\n\
             v=0\nc=IN IP4 192.0.2.1\n{media}\n"
        );
        let refusal = format!(
            "SIP/2.0 {refusal}\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\nFrom: <sip:a@h>;tag=a\n\
             To: <sip:b@h>;tag=b\nCall-ID: 1\nCSeq: 1 INVITE\n\n"
        );
        with_call(&[(0, 1, 2, &offer), (9, 2, 1, &refusal)], |call| {
            Objection::of(call.transactions.first().expect("the INVITE"))
        })
    }

    #[test]
    fn a_warning_names_what_is_not_accepted() {
        let (plain, secure) = ("m=audio 4000 RTP/AVP 0", "m=audio 4000 RTP/SAVP 0");
        let profile = |is_told| Some(Objection::Profile { is_told });
        let formats = |is_told| Some(Objection::Formats { is_told });
        let warning = |code: u16| format!("488 Not Acceptable Here\nWarning: {code} h \"text\"");
        assert_eq!(objection(plain, &warning(302)), profile(true));
        assert_eq!(objection(plain, &warning(304)), formats(true));
        assert_eq!(objection(secure, &warning(304)), profile(true));
        assert_eq!(objection(secure, &warning(305)), formats(true));
        assert_eq!(objection(plain, &warning(399)), formats(false));
        assert_eq!(objection(plain, &warning(370)), None);
    }

    #[test]
    fn without_a_warning_the_offer_tells() {
        let refusal = "488 Not Acceptable Here";
        let both = "m=audio 4000 RTP/SAVP 0\nm=audio 4000 RTP/AVP 0";
        let profile = Some(Objection::Profile { is_told: false });
        let formats = Some(Objection::Formats { is_told: false });
        assert_eq!(objection("m=audio 4000 RTP/SAVP 0", refusal), profile);
        assert_eq!(objection(both, refusal), formats);
        assert_eq!(objection("m=audio 0 RTP/AVP 0", refusal), None);
        assert_eq!(objection(both, "486 Busy Here"), None);
    }
}
