//! PASSporT: the token that `Identity` carries (RFC 8225).
//!
//! A token is three parts of Base64 with dots between them: a header and a payload, both JSON, and
//! the signature of the two. In the compact form header and payload are left out, since the
//! verifier can tell them from the request (RFC 8225, section 7).

use serde_json::{Map, Value};

use super::anomaly::{Set, anomalies};
use super::base64;
use super::number::Number;
use super::uri::Uri;

/// What is wrong with a token or the header field that carries it.
pub type PassportAnomalies = Set<PassportAnomaly>;

anomalies! {
    /// One thing that is wrong with a PASSporT or with its `Identity` header.
    PassportAnomaly {
        /// It is a signature after RFC 4474.
        Obsolete,
        /// The token is not three parts with dots between them.
        NotThreeParts,
        /// The header is not JSON in Base64.
        HeaderUnreadable,
        /// The payload is not JSON in Base64.
        PayloadUnreadable,
        /// The signature is not Base64.
        SignatureUnreadable,
        /// The signature is not the two numbers of 32 bytes each that ES256 makes; in DER it is
        /// longer (RFC 7518, section 3.4).
        SignatureLength,
        /// `typ` is not `passport` (RFC 8225, section 4.1).
        TypeForeign,
        /// The token names no algorithm.
        AlgorithmMissing,
        /// The algorithm is not ES256 (RFC 8225, section 8.1).
        AlgorithmForeign,
        /// The header field names another algorithm than the token.
        AlgorithmUnlike,
        /// The header field names another kind of PASSporT than the token.
        ExtensionUnlike,
        /// The header field has no `info`.
        InfoMissing,
        /// `info` is not an `https:` URI.
        InfoNotHttps,
        /// `info` is not the URI that `x5u` in the token is.
        InfoUnlikeX5u,
        /// The token does not name its certificate (RFC 8225, section 4.3).
        X5uMissing,
        /// No readable `orig` (RFC 8225, section 5.2.1).
        OrigMissing,
        /// No readable `dest`.
        DestMissing,
        /// No `iat` (RFC 8225, section 5.1.1).
        IatMissing,
        /// `iat` is not a number.
        IatNoNumber,
        /// A number in `orig` or `dest` is not only digits, `*` and `#` (RFC 8225, section 5.2.1).
        NumberNotCanonical,
        /// `shaken` without an attestation of A, B or C (RFC 8588, section 4).
        AttestMissing,
        /// `shaken` without `origid` (RFC 8588, section 5).
        OrigidMissing,
        /// `div` without its claim (RFC 8946, section 3).
        DivMissing,
    }
}

/// Who is meant by `orig`, `dest` or `div`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// A telephone number, as it was written.
    Number(String),
    /// A URI.
    Uri(String),
}

/// A token, read as far as it goes.
#[derive(Clone, Debug, Default)]
pub struct Passport {
    header: Map<String, Value>,
    payload: Map<String, Value>,
    /// What was signed, in the bytes of the token; empty in the compact form.
    signed: Vec<u8>,
    signature: Vec<u8>,
    is_compact: bool,
}

impl Passport {
    /// The token that `bytes` are, and what is wrong with it.
    pub fn parse(bytes: &[u8]) -> (Self, PassportAnomalies) {
        use PassportAnomaly as A;
        let mut wrong = PassportAnomalies::NONE;
        let bytes: Vec<u8> =
            bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let parts: Vec<&[u8]> = bytes.splitn(4, |byte| *byte == b'.').collect();
        let [header, payload, signature] = *parts.as_slice() else {
            return (Self::default(), [A::NotThreeParts].into_iter().collect());
        };
        let mut passport = Self { is_compact: header.is_empty(), ..Self::default() };
        match base64::decoded(signature) {
            Some(signature) if !signature.is_empty() => passport.signature = signature,
            _ => wrong.insert(A::SignatureUnreadable),
        }
        if !(header.is_empty() && payload.is_empty()) {
            passport.signed = [header, b".", payload].concat();
            match object(header) {
                Some(object) => passport.header = object,
                None => wrong.insert(A::HeaderUnreadable),
            }
            match object(payload) {
                Some(object) => passport.payload = object,
                None => wrong.insert(A::PayloadUnreadable),
            }
            passport.inspect(&mut wrong);
        }
        let has_other_length = !passport.signature.is_empty() && passport.signature.len() != 64;
        let is_es256 = passport.algorithm().is_none_or(|own| own.eq_ignore_ascii_case("ES256"));
        wrong.insert_if(has_other_length && is_es256, A::SignatureLength);
        (passport, wrong)
    }

    /// Notes what is missing in what could be read.
    fn inspect(&self, wrong: &mut PassportAnomalies) {
        use PassportAnomaly as A;
        if !self.header.is_empty() {
            let is_foreign = self.text("typ").is_some_and(|t| !t.eq_ignore_ascii_case("passport"));
            wrong.insert_if(is_foreign, A::TypeForeign);
            wrong.insert_if(self.algorithm().is_none(), A::AlgorithmMissing);
            let is_foreign = self.algorithm().is_some_and(|own| !own.eq_ignore_ascii_case("ES256"));
            wrong.insert_if(is_foreign, A::AlgorithmForeign);
            wrong.insert_if(self.x5u().is_none(), A::X5uMissing);
        }
        if self.payload.is_empty() {
            return;
        }
        let (origin, destinations) = (self.origin(), self.destinations());
        wrong.insert_if(origin.is_none(), A::OrigMissing);
        wrong.insert_if(destinations.is_empty(), A::DestMissing);
        let is_canonical = |party: &Party| match party {
            Party::Number(number) => {
                number.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'*' | b'#'))
            }
            Party::Uri(_) => true,
        };
        let is_other = !origin.iter().chain(&destinations).all(is_canonical);
        wrong.insert_if(is_other, A::NumberNotCanonical);
        wrong.insert_if(self.claim("iat").is_none(), A::IatMissing);
        let is_number = self.claim("iat").is_none_or(Value::is_number);
        wrong.insert_if(!is_number, A::IatNoNumber);
        match self.extension() {
            Some("shaken") => {
                let attest = self.attestation();
                let is_known = attest.is_some_and(|level| matches!(level, "A" | "B" | "C"));
                wrong.insert_if(!is_known, A::AttestMissing);
                wrong.insert_if(self.claim("origid").is_none(), A::OrigidMissing);
            }
            Some("div") => wrong.insert_if(self.diverted_from().is_none(), A::DivMissing),
            _ => {}
        }
    }

    /// Header and payload are left out.
    pub const fn is_compact(&self) -> bool {
        self.is_compact
    }

    /// The bytes that are signed, as they are in the token; none in the compact form.
    pub fn signed(&self) -> Option<&[u8]> {
        Some(self.signed.as_slice()).filter(|signed| !signed.is_empty())
    }

    /// The signature.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The algorithm that the token names.
    pub fn algorithm(&self) -> Option<&str> {
        self.text("alg")
    }

    /// The kind of PASSporT: `shaken`, `div`, `rph` and so on; none for a plain one.
    pub fn extension(&self) -> Option<&str> {
        self.text("ppt")
    }

    /// Where the certificate is to be found.
    pub fn x5u(&self) -> Option<&str> {
        self.text("x5u")
    }

    /// The claim with this name, as it is in the payload.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.payload.get(name)
    }

    /// Who calls.
    pub fn origin(&self) -> Option<Party> {
        parties(self.claim("orig")?).into_iter().next()
    }

    /// Who is called.
    pub fn destinations(&self) -> Vec<Party> {
        self.claim("dest").map(parties).unwrap_or_default()
    }

    /// Whom the call was for before it was diverted (RFC 8946).
    pub fn diverted_from(&self) -> Option<Party> {
        parties(self.claim("div")?).into_iter().next()
    }

    /// When it was signed, in seconds since 1970.
    pub fn issued_at(&self) -> Option<i64> {
        let claim = self.claim("iat")?;
        let text = || claim.as_str()?.parse().ok();
        claim.as_i64().or_else(|| claim.as_f64().map(|seconds| seconds as i64)).or_else(text)
    }

    /// How well the signer knows the caller: `A`, `B` or `C` (RFC 8588).
    pub fn attestation(&self) -> Option<&str> {
        self.claim("attest")?.as_str()
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }
}

impl Party {
    /// The telephone number.
    pub fn number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Number::parse(number.as_bytes()),
            Self::Uri(uri) => Number::of(&Uri::parse(uri.as_bytes())),
        }
    }

    /// The name that JSON has for it.
    const fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "tn",
            Self::Uri(_) => "uri",
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Number(text) | Self::Uri(text) => text,
        }
    }
}

/// What a compact token for these two leaves out, as its signer must have written it: names in
/// order, no white space (RFC 8225, section 9).
pub fn rebuilt(info: &str, orig: &Party, dest: &Party, issued_at: i64) -> Vec<u8> {
    let quoted = |text: &str| Value::from(text).to_string();
    let header = format!(r#"{{"alg":"ES256","typ":"passport","x5u":{}}}"#, quoted(info));
    let (dest, orig) = ((dest.kind(), quoted(dest.as_str())), (orig.kind(), quoted(orig.as_str())));
    let payload = format!(
        r#"{{"dest":{{"{}":[{}]}},"iat":{issued_at},"orig":{{"{}":{}}}}}"#,
        dest.0, dest.1, orig.0, orig.1
    );
    format!("{}.{}", base64::encoded(header.as_bytes()), base64::encoded(payload.as_bytes()))
        .into_bytes()
}

/// The JSON object of one part; the depth of JSON is bounded by the parser.
fn object(part: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(&base64::decoded(part)?).ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// `{"tn": …}`, `{"uri": …}`, each with one text or several.
fn parties(claim: &Value) -> Vec<Party> {
    let texts = |name: &str| match claim.get(name) {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => {
            list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    };
    let numbers = texts("tn").into_iter().map(Party::Number);
    numbers.chain(texts("uri").into_iter().map(Party::Uri)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(header: &str, payload: &str) -> (Passport, Vec<PassportAnomaly>) {
        let signature = base64::encoded(&[7; 64]);
        let encoded = |text: &str| base64::encoded(text.as_bytes());
        let token = format!("{}.{}.{signature}", encoded(header), encoded(payload));
        let (passport, wrong) = Passport::parse(token.as_bytes());
        (passport, wrong.iter().collect())
    }

    const HEADER: &str = r#"{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"https://a/b"}"#;
    const PAYLOAD: &str = r#"{"attest":"A","dest":{"tn":["12155550113"]},"iat":1443208345,
        "orig":{"tn":"12155550112"},"origid":"123e4567-e89b-12d3-a456-426655440000"}"#;

    #[test]
    fn claims_of_a_shaken_token() {
        let (passport, wrong) = parse(HEADER, PAYLOAD);
        assert_eq!(wrong, []);
        assert_eq!(passport.origin(), Some(Party::Number("12155550112".to_owned())));
        assert_eq!(passport.destinations(), [Party::Number("12155550113".to_owned())]);
        assert_eq!(
            (passport.issued_at(), passport.attestation()),
            (Some(1_443_208_345), Some("A"))
        );
        assert!(!passport.is_compact() && passport.signed().is_some());
    }

    #[test]
    fn what_is_wrong() {
        use PassportAnomaly::*;
        let cases = [
            ("ES256", "ES384", "", "", &[AlgorithmForeign][..]),
            ("\"alg\":\"ES256\",", "", "", "", &[AlgorithmMissing]),
            ("passport", "JWT", "", "", &[TypeForeign]),
            ("x5u", "x5c", "", "", &[X5uMissing]),
            ("", "", "\"A\"", "\"D\"", &[AttestMissing]),
            ("", "", "origid", "id", &[OrigidMissing]),
            ("", "", "\"tn\":\"12155550112\"", "", &[OrigMissing]),
            ("", "", "[\"12155550113\"]", "[]", &[DestMissing]),
            ("", "", "iat", "exp", &[IatMissing]),
            ("", "", "1443208345", "\"1443208345\"", &[IatNoNumber]),
            ("", "", "\"12155550112\"", "\"+12155550112\"", &[NumberNotCanonical]),
            ("shaken", "div", "", "", &[DivMissing]),
            ("{", "[", "", "", &[HeaderUnreadable]),
            ("", "", "{", "", &[PayloadUnreadable]),
        ];
        for (old, new, old_claim, new_claim, expected) in cases {
            let header = HEADER.replacen(old, new, 1);
            let payload = PAYLOAD.replacen(old_claim, new_claim, 1);
            assert_eq!(parse(&header, &payload).1, expected, "{header} {payload}");
        }
    }

    #[test]
    fn tokens_that_are_none() {
        use PassportAnomaly::*;
        let wrong = |token: &str| Passport::parse(token.as_bytes()).1.iter().collect::<Vec<_>>();
        assert_eq!(wrong("a.b"), [NotThreeParts]);
        assert_eq!(wrong("e30.e30.AA.x"), [NotThreeParts]);
        assert_eq!(wrong("..!"), [SignatureUnreadable]);
        assert_eq!(wrong("..MEUCIQ"), [SignatureLength]);
        assert_eq!(wrong(&format!("..{}", base64::encoded(&[1; 64]))), []);
    }

    #[test]
    fn the_compact_form_leaves_out_what_the_example_of_the_rfc_has() {
        let orig = Party::Number("12155551212".to_owned());
        let dest = Party::Uri("sip:alice@example.com".to_owned());
        let info = "https://cert.example.org/passport.cer";
        let signed = rebuilt(info, &orig, &dest, 1_471_375_418);
        let expected = concat!(
            "eyJhbGciOiJFUzI1NiIsInR5cCI6InBhc3Nwb3J0IiwieDV1IjoiaHR0cHM6Ly9j",
            "ZXJ0LmV4YW1wbGUub3JnL3Bhc3Nwb3J0LmNlciJ9.",
            "eyJkZXN0Ijp7InVyaSI6WyJzaXA6YWxpY2VAZXhhbXBsZS5jb20iXX0sImlhdCI",
            "6MTQ3MTM3NTQxOCwib3JpZyI6eyJ0biI6IjEyMTU1NTUxMjEyIn19",
        );
        assert_eq!(String::from_utf8_lossy(&signed), expected);
    }
}
