//! What the messages of a call have said lately. Nearly all that one says is what another one said
//! before: a response repeats the headers of its request, and a request goes from hop to hop.

use std::rc::Rc;

use crate::sdp::{Anomalies, Session};
use crate::signaling::message::Described;
use crate::sip::{self, CSeq, HeaderName, Method, plain_branch};

/// Descriptions of a call that are kept as they were read.
const DESCRIPTIONS_MAX: usize = 256;

/// Media of a description that is kept as it was read.
const MEDIA_MAX: usize = 16;

/// Reads what the messages of one call say, each in its turn, and the same thing mostly once.
#[derive(Debug)]
pub(super) struct Lately<'c> {
    from_tags: Memory<'c, Option<&'c [u8]>, 2>,
    /// In `To`, with a tag and without.
    to_tags: Memory<'c, Option<&'c [u8]>, 3>,
    branches: Memory<'c, Option<&'c [u8]>, 2>,
    cseqs: Memory<'c, (Option<Method<'c>>, Option<CSeq<'c>>), 2>,
    /// The last descriptions that were different: of an offer, and of an answer.
    sessions: [Option<(Rc<Session<'c>>, Anomalies)>; 2],
    oldest_session: usize,
    /// Descriptions that were kept.
    kept: usize,
}

impl Default for Lately<'_> {
    fn default() -> Self {
        Self {
            from_tags: Memory::of(None),
            to_tags: Memory::of(None),
            branches: Memory::of(None),
            cseqs: Memory::of((None, None)),
            sessions: [None, None],
            oldest_session: 0,
            kept: 0,
        }
    }
}

impl<'c> Lately<'c> {
    /// The tag in `From`.
    #[inline]
    pub(super) fn tag_of_from(&mut self, message: &sip::Message<'c>) -> Option<&'c [u8]> {
        self.from_tags.get(message.value(HeaderName::From)?, sip::tag_of)
    }

    /// The tag in `To`.
    #[inline]
    pub(super) fn tag_of_to(&mut self, message: &sip::Message<'c>) -> Option<&'c [u8]> {
        self.to_tags.get(message.value(HeaderName::To)?, sip::tag_of)
    }

    /// The branch of the top Via.
    #[inline]
    pub(super) fn branch(&mut self, message: &sip::Message<'c>) -> Option<&'c [u8]> {
        let top = message.header(HeaderName::Via)?;
        self.branches.get(top, plain_branch).or_else(|| message.branch())
    }

    /// The method in `CSeq`, and the whole of it.
    #[inline]
    pub(super) fn cseq(
        &mut self,
        message: &sip::Message<'c>,
    ) -> (Option<Method<'c>>, Option<CSeq<'c>>) {
        let Some(value) = message.header(HeaderName::CSeq) else { return (None, None) };
        self.cseqs.get(value, |_| message.cseq_parts())
    }

    /// The session description.
    #[inline]
    pub(super) fn described(&mut self, message: &sip::Message<'c>) -> Described<'c> {
        // Most messages have no body.
        if message.bytes_after_headers() == 0 {
            return Described::No;
        }
        message.sdp().map_or(Described::No, |sdp| self.read(sdp))
    }

    fn read(&mut self, sdp: &'c [u8]) -> Described<'c> {
        let known = self.sessions.iter().flatten().find(|(known, _)| known.bytes() == sdp);
        if let Some((session, anomalies)) = known {
            return Described::Read(Rc::clone(session), *anomalies);
        }
        if self.kept >= DESCRIPTIONS_MAX {
            return Described::Unread;
        }
        let (session, anomalies) = Session::parse(sdp);
        if session.media.len() > MEDIA_MAX {
            return Described::Unread;
        }
        self.kept += 1;
        let session = Rc::new(session);
        if let Some(oldest) = self.sessions.get_mut(self.oldest_session) {
            *oldest = Some((Rc::clone(&session), anomalies));
        }
        self.oldest_session = (self.oldest_session + 1) % self.sessions.len();
        Described::Read(session, anomalies)
    }
}

/// What was found in values a short time ago, by the bytes of the values.
#[derive(Debug)]
struct Memory<'c, T, const N: usize> {
    known: [(&'c [u8], T); N],
    oldest: usize,
}

impl<'c, T: Copy, const N: usize> Memory<'c, T, N> {
    /// Knows that an empty value says `nothing`.
    const fn of(nothing: T) -> Self {
        Self { known: [(&[], nothing); N], oldest: 0 }
    }

    /// What `find` finds in `value`.
    #[inline]
    fn get(&mut self, value: &'c [u8], find: impl FnOnce(&'c [u8]) -> T) -> T {
        if let Some((_, found)) = self.known.iter().find(|(known, _)| *known == value) {
            return *found;
        }
        let found = find(value);
        if let Some(oldest) = self.known.get_mut(self.oldest) {
            *oldest = (value, found);
        }
        self.oldest = (self.oldest + 1) % N;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::log;

    /// The texts of messages that go on repeating one another, and never quite.
    fn texts(count: u16) -> Vec<String> {
        let text = |number: u16| {
            let (turn, pair) = (number % 5, number / 2);
            let tag = if turn > 1 { ";tag=b" } else { "" };
            let from =
                ["<sip:a@h>;tag=a", "\"A\" <sip:a@h>;tag=a", "<sip:b@h>;tag=b"][turn as usize % 3];
            let body =
                format!("v=0\r\no=- 1 {pair} IN IP4 192.0.2.1\r\nm=audio {pair} RTP/AVP 0\r\n");
            let media = "m=audio 9 RTP/AVP 0\r\n".repeat(if turn == 4 { MEDIA_MAX } else { 0 });
            let body = if turn == 3 { String::new() } else { body + &media };
            let via = ["", "SIP/2.0/UDP h;branch=\"x\"", "SIP/2.0/UDP h", ","][turn as usize % 4];
            format!(
                "INVITE sip:b@h SIP/2.0\r\nVia: {via}\r\n\
                 Via: SIP/2.0/UDP h;branch=z9hG4bK{pair}\r\nFrom: {from}\r\n\
                 To: <sip:b@h>{tag}\r\nCall-ID: 1\r\nCSeq: {turn} INVITE\r\nX: {number}\r\n\
                 Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        (0..count).map(text).collect()
    }

    #[test]
    fn what_was_said_before_is_read_as_it_is_by_itself() {
        let texts = texts(3 * DESCRIPTIONS_MAX as u16);
        let samples: Vec<_> =
            texts.iter().zip(0_i64..).map(|(text, at)| (at, 1, 2, &**text)).collect();
        let log = log(&samples);
        let messages = log.messages();
        assert_eq!(messages.len(), texts.len());
        let mut unread = 0;
        for message in &messages {
            let (alone, _) = sip::Message::lex(message.bytes());
            assert_eq!(message.from_tag(), alone.from_tag());
            assert_eq!(message.to_tag(), alone.to_tag());
            assert_eq!(message.branch(), alone.branch());
            assert_eq!(message.cseq(), alone.cseq());
            assert_eq!(message.sdp(), alone.sdp());
            let read = alone.sdp().map(Session::parse);
            let told = |(session, wrong): (Session<'_>, Anomalies)| {
                (session.media.len(), session.audio().map(|audio| audio.port), wrong)
            };
            let found = message.session().map(|(session, wrong)| ((*session).clone(), wrong));
            assert_eq!(found.map(told), read.map(told));
            unread += usize::from(matches!(message.described(), Described::Unread));
        }
        let many = messages.iter().filter(|message| {
            message.session().is_some_and(|(session, _)| session.media.len() > MEDIA_MAX)
        });
        assert!(unread > many.count(), "some are beyond the bound in number");
    }

    #[test]
    fn messages_with_one_description_share_it() {
        let texts = texts(2);
        let log = log(&[(0, 1, 2, &texts[0]), (1, 2, 3, &texts[1])]);
        let messages = log.messages();
        let sessions: Vec<_> = messages.iter().filter_map(|own| Some(own.session()?.0)).collect();
        assert!(Rc::ptr_eq(&sessions[0], &sessions[1]));
    }
}
