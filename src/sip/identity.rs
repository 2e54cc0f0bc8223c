//! `Identity`: a signed statement of who calls whom (RFC 8224, section 4).

use std::borrow::Cow;

use super::lws::trim;
use super::passport::{Passport, PassportAnomalies, PassportAnomaly};
use super::quoted::{Parameters, unquoted};
use super::uri::Uri;
use crate::bytes;

/// One value of `Identity`.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The token as it was sent.
    pub token: &'a [u8],
    /// All parameters.
    pub parameters: Parameters<'a>,
}

impl<'a> Identity<'a> {
    /// The identity that `value` is.
    pub fn parse(value: &'a [u8]) -> Self {
        let end = bytes::find(b';', value).unwrap_or(value.len());
        let (token, parameters) = value.split_at_checked(end).unwrap_or((value, &[]));
        Self { token: trim(token), parameters: Parameters::of(parameters) }
    }

    /// Where the certificate is to be found.
    pub fn info(&self) -> Option<Uri<'a>> {
        let value = self.parameters.value("info")?;
        let inside = value.strip_prefix(b"<").unwrap_or(value);
        let end = bytes::find_any([b'>', b'"'], inside).unwrap_or(inside.len());
        Some(Uri::parse(inside.get(..end).unwrap_or(inside))).filter(|uri| !uri.is_empty())
    }

    /// The algorithm that the header names.
    pub fn algorithm(&self) -> Option<Cow<'a, [u8]>> {
        self.parameters.value("alg").map(unquoted)
    }

    /// The kind of PASSporT that the header names.
    pub fn extension(&self) -> Option<Cow<'a, [u8]>> {
        self.parameters.value("ppt").map(unquoted)
    }

    /// It is of the kind that RFC 8224 made obsolete: a quoted signature (RFC 4474).
    pub fn is_obsolete(&self) -> bool {
        self.token.starts_with(b"\"")
    }

    /// The token, and what is wrong with it and with the parameters.
    pub fn passport(&self) -> (Passport, PassportAnomalies) {
        let (passport, mut wrong) = Passport::parse(self.token);
        if self.is_obsolete() {
            return (passport, [PassportAnomaly::Obsolete].into_iter().collect());
        }
        let info = self.info();
        wrong.insert_if(info.is_none(), PassportAnomaly::InfoMissing);
        wrong.insert_if(info.is_some_and(|uri| !is_https(&uri)), PassportAnomaly::InfoNotHttps);
        if let (Some(info), Some(x5u)) = (info, passport.x5u()) {
            let is_other = info.as_bytes() != x5u.as_bytes();
            wrong.insert_if(is_other, PassportAnomaly::InfoUnlikeX5u);
        }
        let differs = |own: Option<Cow<'_, [u8]>>, inner: Option<&str>| match (own, inner) {
            (Some(own), Some(inner)) => !own.eq_ignore_ascii_case(inner.as_bytes()),
            _ => false,
        };
        let is_unlike = differs(self.algorithm(), passport.algorithm());
        wrong.insert_if(is_unlike, PassportAnomaly::AlgorithmUnlike);
        let is_unlike = differs(self.extension(), passport.extension());
        wrong.insert_if(is_unlike, PassportAnomaly::ExtensionUnlike);
        let is_foreign = self.algorithm().is_some_and(|own| !own.eq_ignore_ascii_case(b"ES256"));
        wrong.insert_if(is_foreign, PassportAnomaly::AlgorithmForeign);
        (passport, wrong)
    }
}

/// Certificates are fetched by HTTPS (RFC 8226, section 4; the profile of SHAKEN asks for it).
fn is_https(uri: &Uri<'_>) -> bool {
    uri.as_bytes().get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"https://"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of RFC 8225, appendix A.
    const TOKEN: &str = concat!(
        "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9j",
        "ZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9.",
        "eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI",
        "6MTQ3MTM3NTQxOCwib3JpZyI6eyJ0biI6IjEyMTU1NTUxMjEyIn19.",
        "VLBCIVDCaeK6M4hLJb6SHQvacAQVvoiiEOWQ_iUkqk79UD81fHQ0E1b3_GluIkb",
        "a7UWYRM47ZbNFdOJquE35cw",
    );

    fn wrong(value: &str) -> Vec<PassportAnomaly> {
        Identity::parse(value.as_bytes()).passport().1.iter().collect()
    }

    #[test]
    fn a_good_header() {
        let value = format!("{TOKEN};info=<https://cert.example.org/passport.cer>;alg=ES256");
        let identity = Identity::parse(value.as_bytes());
        let info = identity.info().map(|uri| uri.to_string());
        assert_eq!(info.as_deref(), Some("https://cert.example.org/passport.cer"));
        let (passport, wrong) = identity.passport();
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(passport.issued_at(), Some(1_471_375_418));
    }

    #[test]
    fn what_is_wrong_with_the_header() {
        use PassportAnomaly::*;
        let info = "info=<https://cert.example.org/passport.cer>";
        for (parameters, expected) in [
            (String::new(), &[InfoMissing][..]),
            ("info=<>".to_owned(), &[InfoMissing]),
            (info.replace("https", "http"), &[InfoNotHttps, InfoUnlikeX5u]),
            (info.replace("passport.cer", "other.cer"), &[InfoUnlikeX5u]),
            (format!("{info};alg=RS256"), &[AlgorithmForeign, AlgorithmUnlike]),
            (format!("{info};ppt=\"shaken\";alg=\"ES256\""), &[]),
        ] {
            assert_eq!(wrong(&format!("{TOKEN};{parameters}")), expected, "{parameters}");
        }
        assert_eq!(wrong("\"ZYNBbHC00VMZr2kZt6VmCvPonWJMGvQTBDqghoWe\""), [Obsolete]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            Identity::parse(&bytes).passport();
        }

        #[test]
        fn any_claims_are_read(header in "[ -~]{0,60}", payload in "[ -~]{0,90}") {
            let encoded = |text: &str| crate::sip::base64::encoded(text.as_bytes());
            let token = format!("{}.{}.AA;info=x", encoded(&header), encoded(&payload));
            let (passport, _) = Identity::parse(token.as_bytes()).passport();
            passport.destinations();
        }
    }
}
