//! Digest authentication: challenges and credentials (RFC 3261, section 22; RFC 8760).
//!
//! The values are read by the quote-aware splitter of this crate, which accepts what phones send;
//! `rsip` computes the answer that a password gives.

use std::borrow::Cow;

use rsip::headers::auth::{Algorithm, AuthQop};
use rsip::services::DigestGenerator;

use super::lws::word;
use super::quoted::{Split, name_and_value, unquoted, unquoted_text};

/// `name=value` pairs after the scheme of a challenge or of credentials.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Name and value of each; the value keeps its quotation marks.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        Split::commas(self.0).filter(|item| !item.is_empty()).map(name_and_value)
    }

    /// The value of the first field with this name, in any case, as it was sent.
    pub fn raw(self, name: &str) -> Option<&'a [u8]> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The same, quotation marks and escapes removed.
    pub fn get(self, name: &str) -> Option<Cow<'a, [u8]>> {
        self.raw(name).map(unquoted)
    }

    /// The same as text; invalid UTF-8 replaced.
    pub fn text(self, name: &str) -> Option<Cow<'a, str>> {
        self.raw(name).map(unquoted_text)
    }

    fn is(self, name: &str, value: &str) -> bool {
        self.get(name).is_some_and(|found| found.eq_ignore_ascii_case(value.as_bytes()))
    }
}

/// `WWW-Authenticate` or `Proxy-Authenticate`.
#[derive(Clone, Copy, Debug)]
pub struct Challenge<'a> {
    /// The scheme, for example `Digest`; compared in any case.
    pub scheme: &'a [u8],
    /// The rest.
    pub fields: Fields<'a>,
}

/// `Authorization` or `Proxy-Authorization`.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// The scheme, for example `Digest`; compared in any case.
    pub scheme: &'a [u8],
    /// The rest.
    pub fields: Fields<'a>,
}

impl<'a> Challenge<'a> {
    /// The challenge that `value` is.
    pub fn parse(value: &'a [u8]) -> Self {
        let (scheme, rest) = word(value);
        Self { scheme, fields: Fields(rest) }
    }

    /// Whether the scheme is `Digest`.
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"Digest")
    }

    /// For whom the password is.
    pub fn realm(&self) -> Option<Cow<'a, [u8]>> {
        self.fields.get("realm")
    }

    /// What the answer must be computed with.
    pub fn nonce(&self) -> Option<Cow<'a, [u8]>> {
        self.fields.get("nonce")
    }

    /// The algorithm as it was sent; without one it is MD5.
    pub fn algorithm(&self) -> Option<Cow<'a, [u8]>> {
        self.fields.get("algorithm")
    }

    /// Whether the password was right and only the nonce too old (RFC 7616, section 3.3).
    pub fn is_stale(&self) -> bool {
        self.fields.is("stale", "true")
    }

    /// The qualities of protection that are offered, for example `auth`.
    pub fn qop(&self) -> Option<Cow<'a, [u8]>> {
        self.fields.get("qop")
    }
}

impl<'a> Credentials<'a> {
    /// The credentials that `value` is.
    pub fn parse(value: &'a [u8]) -> Self {
        let (scheme, rest) = word(value);
        Self { scheme, fields: Fields(rest) }
    }

    /// Whether the scheme is `Digest`.
    pub fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"Digest")
    }

    /// Who wants in.
    pub fn username(&self) -> Option<Cow<'a, [u8]>> {
        self.fields.get("username")
    }

    /// For whom the password is.
    pub fn realm(&self) -> Option<Cow<'a, [u8]>> {
        self.fields.get("realm")
    }

    /// The nonce of the challenge that is answered.
    pub fn nonce(&self) -> Option<Cow<'a, [u8]>> {
        self.fields.get("nonce")
    }

    /// The URI that the answer was computed with.
    pub fn uri(&self) -> Option<Cow<'a, [u8]>> {
        self.fields.get("uri")
    }

    /// The answer.
    pub fn response(&self) -> Option<Cow<'a, [u8]>> {
        self.fields.get("response")
    }

    /// The algorithm as it was sent; without one it is MD5.
    pub fn algorithm(&self) -> Option<Cow<'a, [u8]>> {
        self.fields.get("algorithm")
    }

    /// The quality of protection that was chosen.
    pub fn qop(&self) -> Option<Cow<'a, [u8]>> {
        self.fields.get("qop")
    }

    /// How often the nonce was used, in hexadecimal digits.
    pub fn nonce_count(&self) -> Option<u32> {
        let digits = self.fields.get("nc")?;
        u32::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()
    }

    /// Whether `password` gives this answer to a request with `method`; none where that cannot be
    /// told, for example with an algorithm or a quality of protection that `rsip` gets wrong.
    pub fn is_answer_of(&self, password: &str, method: &str) -> Option<bool> {
        if !self.is_digest() {
            return None;
        }
        let text = |name| self.fields.text(name);
        let uri_text = text("uri")?;
        let uri = rsip::Uri::try_from(&*uri_text).ok().filter(|uri| uri.to_string() == uri_text)?;
        let method = method.parse().ok().filter(|m: &rsip::Method| m.to_string() == method)?;
        let qop = self.rsip_qop().ok()?;
        let generator = DigestGenerator {
            username: &text("username")?,
            password,
            nonce: &text("nonce")?,
            uri: &uri,
            realm: &text("realm")?,
            method: &method,
            qop: qop.as_ref(),
            algorithm: self.rsip_algorithm()?,
        };
        Some(generator.compute().eq_ignore_ascii_case(&text("response")?))
    }

    /// Those without `-sess`, whose secret `rsip` computes without the nonces.
    fn rsip_algorithm(&self) -> Option<Algorithm> {
        match self.algorithm() {
            None => Some(Algorithm::Md5),
            Some(name) if name.eq_ignore_ascii_case(b"MD5") => Some(Algorithm::Md5),
            Some(name) if name.eq_ignore_ascii_case(b"SHA-256") => Some(Algorithm::Sha256),
            Some(_) => None,
        }
    }

    /// Without the count, `auth-int` and counts that `rsip`, which writes them in decimal digits,
    /// would write otherwise than they were sent.
    fn rsip_qop(&self) -> Result<Option<AuthQop>, Unknown> {
        let Some(qop) = self.qop() else { return Ok(None) };
        if !qop.eq_ignore_ascii_case(b"auth") {
            return Err(Unknown);
        }
        let cnonce = self.fields.text("cnonce").ok_or(Unknown)?.into_owned();
        let digits = self.fields.text("nc").ok_or(Unknown)?;
        let nc: u8 = digits.parse().map_err(|_| Unknown)?;
        if format!("{nc:08}") != digits {
            return Err(Unknown);
        }
        Ok(Some(AuthQop::Auth { cnonce, nc }))
    }
}

/// It cannot be told.
struct Unknown;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges() {
        let challenge = Challenge::parse(
            br#"Digest realm="atlanta, \"HQ\"", qop="auth,auth-int", nonce="f84f",stale=TRUE"#,
        );
        assert!(challenge.is_digest() && challenge.is_stale());
        assert_eq!(challenge.realm().as_deref(), Some(&br#"atlanta, "HQ""#[..]));
        assert_eq!(challenge.qop().as_deref(), Some(&b"auth,auth-int"[..]));
        assert_eq!(challenge.nonce().as_deref(), Some(&b"f84f"[..]));
        assert_eq!(challenge.algorithm(), None);
    }

    #[test]
    fn credentials() {
        let credentials = Credentials::parse(
            b"digest username=\"bob\",\r\n realm=\"b\", uri=\"sip:b\", nc=0000000a",
        );
        assert!(credentials.is_digest());
        assert_eq!(credentials.username().as_deref(), Some(&b"bob"[..]));
        assert_eq!(credentials.nonce_count(), Some(10));
        assert_eq!(credentials.fields.text("uri").as_deref(), Some("sip:b"));
        assert_eq!(credentials.is_answer_of("secret", "REGISTER"), None);
        let other = Credentials::parse(b"NoOneKnowsThisScheme opaque-data=here");
        assert!(!other.is_digest() && other.uri().is_none());
    }
    #[test]
    fn passwords_are_checked_where_that_is_possible() {
        // The example of RFC 2617, section 3.5, as a SIP request would carry it.
        let value = r#"Digest username="Mufasa", realm="testrealm@host.com", uri="sip:b.example",
            nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", nc=00000001, cnonce="0a4f113b", qop=auth,
            response="RESPONSE""#;
        let answer = DigestGenerator {
            username: "Mufasa",
            password: "Circle Of Life",
            nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
            uri: &rsip::Uri::try_from("sip:b.example").unwrap_or_default(),
            realm: "testrealm@host.com",
            method: &rsip::Method::Register,
            qop: Some(&AuthQop::Auth { cnonce: "0a4f113b".into(), nc: 1 }),
            algorithm: Algorithm::Md5,
        };
        let value = value.replace("RESPONSE", &answer.compute());
        let check = |value: &str, password| {
            Credentials::parse(value.as_bytes()).is_answer_of(password, "REGISTER")
        };
        assert_eq!(check(&value, "Circle Of Life"), Some(true));
        assert_eq!(check(&value, "Hakuna Matata"), Some(false));
        for (from, to) in [("00000001", "0000000a"), ("qop=auth", "qop=auth-int")] {
            assert_eq!(check(&value.replace(from, to), "Circle Of Life"), None);
        }
        assert_eq!(check(&value.replace("qop", "algorithm=MD5-sess,qop"), "Circle Of Life"), None);
    }
}
