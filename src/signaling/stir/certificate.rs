//! Certificates that sign caller identities (RFC 8226), as the user gives them.
//!
//! A signature is checked with the key, and nothing more: whether the chain ends in a trusted
//! authority, and whether the holder may sign for a number, the capture cannot tell.

use std::fmt;

use crate::signaling::stir::der::{Value, Values, tag};
use crate::sip::base64;
use crate::time::Time;

/// `id-ecPublicKey` with `prime256v1`, the key of ES256.
const KEY_OIDS: [&[u8]; 2] = [
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
];

/// `commonName` and `organizationName`.
const NAME_OIDS: [&[u8]; 2] = [&[0x55, 0x04, 0x03], &[0x55, 0x04, 0x0a]];

/// `id-pe-TNAuthList` (RFC 8226, section 9).
const TN_AUTH_LIST: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x1a];

/// Entries of a list of numbers that are shown.
const ENTRIES_SHOWN: usize = 8;

/// The certificates of the user.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Certificates {
    known: Vec<Certificate>,
}

/// One certificate, as far as it is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Certificate {
    /// The name of its file.
    file: String,
    /// Its subject: the common name, else the organization.
    pub subject: String,
    /// From when on it may be used.
    pub not_before: Option<Time>,
    /// Until when it may be used.
    pub not_after: Option<Time>,
    /// For whom it may sign: `SPC 1234`, numbers, ranges of numbers.
    pub authority: Vec<String>,
    /// The point on the curve.
    key: Vec<u8>,
}

/// What the certificates say of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict<'s> {
    /// The key of this one made it.
    Fits(&'s Certificate),
    /// This one has the name by which the signer calls its certificate, and did not make it.
    Fails(&'s Certificate),
    /// None of them is that of the signer.
    NotChecked,
}

/// A file that has no certificate with a key for ES256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACertificate;

impl fmt::Display for NotACertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no certificate with a P-256 key")
    }
}

impl Certificates {
    /// Takes the first certificate of a file, which is that of the signer where a chain follows.
    ///
    /// # Errors
    ///
    /// When there is none with a key for ES256.
    pub fn add(&mut self, file: &str, bytes: &[u8]) -> Result<(), NotACertificate> {
        let der = pem(bytes).or_else(|| bytes.starts_with(&[tag::SEQUENCE]).then(|| bytes.into()));
        let certificate = der.and_then(|der| Certificate::parse(file, &der));
        self.known.push(certificate.ok_or(NotACertificate)?);
        Ok(())
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// What they say of a signature of one of these texts; `info` is where the signer says that its
    /// certificate is. Only one whose file has the same name there can refute the signature.
    pub fn check(&self, info: &[u8], signed: &[&[u8]], signature: &[u8]) -> Verdict<'_> {
        if cfg!(not(feature = "stir")) {
            return Verdict::NotChecked;
        }
        let made =
            |own: &&Certificate| signed.iter().any(|signed| is_signed(&own.key, signed, signature));
        if let Some(own) = self.known.iter().find(made) {
            return Verdict::Fits(own);
        }
        let name = info.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let is_named = |own: &&Certificate| !name.is_empty() && own.file.as_bytes() == name;
        match self.known.iter().find(is_named) {
            Some(own) if !signed.is_empty() => Verdict::Fails(own),
            _ => Verdict::NotChecked,
        }
    }
}

impl Certificate {
    fn parse(file: &str, der: &[u8]) -> Option<Self> {
        let whole = Values(der).next().filter(|value| value.tag == tag::SEQUENCE)?;
        let content = whole.inner(tag::SEQUENCE)?;
        let version = tag::explicit(0);
        let mut fields = content.values().skip_while(|value| value.tag == version);
        let (_serial, _algorithm, _issuer) = (fields.next()?, fields.next()?, fields.next()?);
        let (validity, subject, key) = (fields.next()?, fields.next()?, fields.next()?);
        let extensions = fields.find(|value| value.tag == tag::explicit(3));
        let mut times = validity.values();
        Some(Self {
            file: file.to_owned(),
            subject: name(subject).unwrap_or_default(),
            not_before: times.next().and_then(time),
            not_after: times.next().and_then(time),
            authority: extensions.map(authority).unwrap_or_default(),
            key: point(key)?,
        })
    }

    /// It may be used at that moment.
    pub fn is_valid_at(&self, moment: Time) -> bool {
        self.not_before.is_none_or(|start| start <= moment)
            && self.not_after.is_none_or(|end| moment <= end)
    }
}

/// The bytes of the first certificate in a PEM file (RFC 7468).
fn pem(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes);
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    base64::decoded(body.as_bytes())
}

/// The public key, if it is one for ES256.
fn point(key: Value<'_>) -> Option<Vec<u8>> {
    let objects = key.inner(tag::SEQUENCE)?.values().map(|value| value.content);
    let bits = key.inner(tag::BIT_STRING)?.content;
    objects.eq(KEY_OIDS).then(|| bits.strip_prefix(&[0]).map(<[u8]>::to_vec))?
}

fn name(subject: Value<'_>) -> Option<String> {
    let pairs = || subject.values().flat_map(Value::values).map(Value::values);
    NAME_OIDS.into_iter().find_map(|wanted| {
        pairs().find_map(|mut pair| {
            let (object, text) = (pair.next()?, pair.next()?);
            let text = String::from_utf8_lossy(text.content).into_owned();
            (object.content == wanted).then_some(text)
        })
    })
}

/// The entries of the list of numbers and service providers (RFC 8226, section 9).
fn authority(extensions: Value<'_>) -> Vec<String> {
    let list = extensions.values().flat_map(Value::values).find_map(|extension| {
        let object = extension.inner(tag::OBJECT)?;
        let content = extension.inner(tag::OCTET_STRING)?;
        (object.content == TN_AUTH_LIST).then_some(content)
    });
    let entries = list.into_iter().flat_map(Value::values).flat_map(Value::values);
    entries.take(ENTRIES_SHOWN).filter_map(entry).collect()
}

fn entry(entry: Value<'_>) -> Option<String> {
    let inner = entry.values().next()?;
    let text = |value: Value<'_>| String::from_utf8_lossy(value.content).into_owned();
    match entry.tag {
        code if code == tag::explicit(0) => Some(format!("SPC {}", text(inner))),
        range if range == tag::explicit(1) => {
            let first = inner.values().next()?;
            let digits = inner.inner(tag::INTEGER)?.content;
            let count = digits.iter().take(8).fold(0_u64, |n, digit| n << 8 | u64::from(*digit));
            Some(format!("{} ({count})", text(first)))
        }
        one if one == tag::explicit(2) => Some(text(inner)),
        _ => None,
    }
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ` (RFC 5280, section 4.1.2.5).
fn time(value: Value<'_>) -> Option<Time> {
    let text = str::from_utf8(value.content).ok()?.strip_suffix('Z')?;
    let (year, rest) = match value.tag {
        tag::UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        tag::GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let date =
        jiff::civil::DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0);
    let moment = date.ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
    Some(Time::from_parts(moment.as_second(), 0))
}

#[cfg(feature = "stir")]
fn is_signed(key: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    use p256::ecdsa::signature::Verifier;
    use p256::ecdsa::{Signature, VerifyingKey};

    let Ok(key) = VerifyingKey::from_sec1_bytes(key) else { return false };
    Signature::from_slice(signature).is_ok_and(|own| key.verify(signed, &own).is_ok())
}

#[cfg(not(feature = "stir"))]
const fn is_signed(_: &[u8], _: &[u8], _: &[u8]) -> bool {
    false
}

#[cfg(all(test, feature = "stir"))]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sip::{Identity, PassportAnomaly};

    const PEM: &str = include_str!("../../../fixtures/stir/shaken.pem");
    const NAME: &str = "shaken.pem";

    /// The token of the examples in RFC 8224, signed with the key of RFC 8225, appendix A.2. That
    /// of RFC 8225, appendix A, has a signature that this key has not made.
    const TOKEN: &str = concat!(
        "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9j",
        "ZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9.",
        "eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI",
        "6IjE0NDMyMDgzNDUiLCJvcmlnIjp7InRuIjoiMTIxNTU1NTEyMTIifX0.",
        "rq3pjT1hoRwakEGjHCnWSwUnshd0-zJ6F1VOgFWSjHBr8Qjpjlk-cpFYpFYsojN",
        "CpTzO3QfPOlckGaS6hEck7w",
    );

    /// That key.
    const KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8HNbQd/TmvCKwPKHkMF9fScavGeH\
        78YTU8qLS8I5HLHSSmlATLcslQMhNC/OhlWBYC626nIlo7XeebYS7Sb37g==";

    /// The ES256 example of RFC 7515, appendix A.3: what is signed, the signature, the two
    /// coordinates of the key.
    const JWS: [&str; 4] = [
        "eyJhbGciOiJFUzI1NiJ9.\
         eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0c\
         nVlfQ",
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    ];

    fn certificates(file: &str) -> Certificates {
        let mut certificates = Certificates::default();
        certificates.add(file, PEM.as_bytes()).expect("a certificate");
        certificates
    }

    #[test]
    fn what_a_certificate_says() {
        let certificates = certificates(NAME);
        let own = certificates.known.first().expect("one");
        assert_eq!(own.subject, "SHAKEN 709J");
        assert_eq!(own.authority, ["SPC 709J", "12155550100 (100)", "12155550300"]);
        assert_eq!(own.not_before.map(|t| t.to_string()).as_deref(), Some("2026-01-01T00:00:00Z"));
        assert_eq!(own.not_after.map(|t| t.to_string()).as_deref(), Some("2027-01-01T00:00:00Z"));
        assert!(own.is_valid_at(Time::from_parts(1_767_603_600, 0)));
        assert!(!own.is_valid_at(Time::from_parts(1_867_603_600, 0)));
    }

    #[test]
    fn the_examples_of_the_rfcs() {
        let read = |text: &str| base64::decoded(text.as_bytes()).expect("Base64");
        let [signed, signature, x, y] = JWS;
        let key = [vec![4], read(x), read(y)].concat();
        assert!(is_signed(&key, signed.as_bytes(), &read(signature)));
        assert!(!is_signed(&key, b"another text", &read(signature)));
        let key = read(KEY);
        let key = Values(&key).next().and_then(point).expect("a key for ES256");
        let (passport, wrong) = Identity::parse(TOKEN.as_bytes()).passport();
        let signed = passport.signed().expect("the full form");
        assert!(is_signed(&key, signed, passport.signature()));
        assert!(!is_signed(&key, b"another text", passport.signature()));
        // Before RFC 8225 the time was written as a text.
        assert!(wrong.contains(PassportAnomaly::IatNoNumber));
        assert_eq!(passport.issued_at(), Some(1_443_208_345));
    }

    #[test]
    fn only_the_certificate_that_is_named_refutes() {
        let (passport, _) = Identity::parse(TOKEN.as_bytes()).passport();
        let signed = passport.signed().expect("the full form");
        let other = certificates(NAME);
        let check = |info: &str| other.check(info.as_bytes(), &[signed], passport.signature());
        assert_eq!(check("https://cert.example.org/passport.cer"), Verdict::NotChecked);
        let named = check("https://cert.example.org/shaken.pem");
        assert!(matches!(named, Verdict::Fails(own) if own.file == NAME));
    }

    #[test]
    fn the_first_of_a_chain_counts_and_der_will_do() {
        let mut certificates = Certificates::default();
        assert_eq!(certificates.add(NAME, format!("text\n{PEM}{PEM}").as_bytes()), Ok(()));
        let der = pem(PEM.as_bytes()).expect("a certificate");
        assert_eq!(certificates.add(NAME, &der), Ok(()));
        for wrong in ["", "0", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"] {
            assert_eq!(certificates.add(NAME, wrong.as_bytes()), Err(NotACertificate), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn damaged_certificates_are_read(at in 0..600_usize, bits in 1..255_u8) {
            let mut der = pem(PEM.as_bytes()).expect("a certificate");
            if let Some(byte) = der.get_mut(at) {
                *byte ^= bits;
            }
            let mut certificates = Certificates::default();
            if certificates.add(NAME, &der).is_ok() {
                certificates.check(NAME.as_bytes(), &[b"x"], &[1; 64]);
            }
        }
    }
}
