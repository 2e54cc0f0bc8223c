//! Names of header fields.
//!
//! The names in the IANA registry of SIP header fields, and a few unregistered ones that everybody
//! meets. Knows nothing of values.

use std::fmt;

use crate::bytes;

macro_rules! header_names {
    ($($variant:ident $name:literal $($compact:literal)?;)*) => {
        /// A header field name; compact and long form are the same name (RFC 3261, section 7.3.3).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum HeaderName {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
            /// A name that is not among these; the header has it as it was spelled.
            Other,
        }

        /// The long forms, in the order of [`HeaderName::ALL`].
        static NAMES: &[&[u8]] = &[$($name.as_bytes(),)*];

        impl HeaderName {
            /// Every name but [`HeaderName::Other`].
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The long form as the registry spells it; empty for [`HeaderName::Other`].
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other => "",
                }
            }

            const fn of_letter(letter: u8) -> Self {
                match letter.to_ascii_lowercase() {
                    $($($compact => Self::$variant,)?)*
                    _ => Self::Other,
                }
            }

            /// The letter that is the compact form; 0 if there is none.
            const fn letter(self) -> u8 {
                match self {
                    $($(Self::$variant => $compact,)?)*
                    _ => 0,
                }
            }
        }
    };
}

header_names! {
    Accept "Accept";
    AcceptContact "Accept-Contact" b'a';
    AcceptEncoding "Accept-Encoding";
    AcceptLanguage "Accept-Language";
    AcceptResourcePriority "Accept-Resource-Priority";
    AdditionalIdentity "Additional-Identity";
    AlertInfo "Alert-Info";
    Allow "Allow";
    AllowEvents "Allow-Events" b'u';
    AnswerMode "Answer-Mode";
    AuthenticationInfo "Authentication-Info";
    AttestationInfo "Attestation-Info";
    Authorization "Authorization";
    CallId "Call-ID" b'i';
    CallInfo "Call-Info";
    CellularNetworkInfo "Cellular-Network-Info";
    Contact "Contact" b'm';
    ContentDisposition "Content-Disposition";
    ContentEncoding "Content-Encoding" b'e';
    ContentId "Content-ID";
    ContentLanguage "Content-Language";
    ContentLength "Content-Length" b'l';
    ContentTransferEncoding "Content-Transfer-Encoding";
    ContentType "Content-Type" b'c';
    CSeq "CSeq";
    Date "Date";
    DcInfo "DC-Info";
    Diversion "Diversion";
    Encryption "Encryption";
    ErrorInfo "Error-Info";
    Event "Event" b'o';
    Expires "Expires";
    FeatureCaps "Feature-Caps";
    FlowTimer "Flow-Timer";
    From "From" b'f';
    Geolocation "Geolocation";
    GeolocationError "Geolocation-Error";
    GeolocationRouting "Geolocation-Routing";
    Hide "Hide";
    HistoryInfo "History-Info";
    Identity "Identity" b'y';
    IdentityInfo "Identity-Info" b'n';
    InReplyTo "In-Reply-To";
    InfoPackage "Info-Package";
    Join "Join";
    MaxBreadth "Max-Breadth";
    MaxForwards "Max-Forwards";
    MimeVersion "MIME-Version";
    MinExpires "Min-Expires";
    MinSe "Min-SE";
    Organization "Organization";
    OriginationId "Origination-Id";
    PAccessNetworkInfo "P-Access-Network-Info";
    PAnswerState "P-Answer-State";
    PAssertedIdentity "P-Asserted-Identity";
    PAssertedService "P-Asserted-Service";
    PAssociatedUri "P-Associated-URI";
    PCalledPartyId "P-Called-Party-ID";
    PChargeInfo "P-Charge-Info";
    PChargingFunctionAddresses "P-Charging-Function-Addresses";
    PChargingVector "P-Charging-Vector";
    PDcsBillingInfo "P-DCS-Billing-Info";
    PDcsLaes "P-DCS-LAES";
    PDcsOsps "P-DCS-OSPS";
    PDcsRedirect "P-DCS-Redirect";
    PDcsTracePartyId "P-DCS-Trace-Party-ID";
    PEarlyMedia "P-Early-Media";
    PMediaAuthorization "P-Media-Authorization";
    PPreferredIdentity "P-Preferred-Identity";
    PPreferredService "P-Preferred-Service";
    PPrivateNetworkIndication "P-Private-Network-Indication";
    PProfileKey "P-Profile-Key";
    PRefusedUriList "P-Refused-URI-List";
    PServedUser "P-Served-User";
    PUserDatabase "P-User-Database";
    PVisitedNetworkId "P-Visited-Network-ID";
    Path "Path";
    PermissionMissing "Permission-Missing";
    PolicyContact "Policy-Contact";
    PolicyId "Policy-ID";
    Priority "Priority";
    PriorityShare "Priority-Share";
    PriorityVerstat "Priority-Verstat";
    PrivAnswerMode "Priv-Answer-Mode";
    Privacy "Privacy";
    ProxyAuthenticate "Proxy-Authenticate";
    ProxyAuthenticationInfo "Proxy-Authentication-Info";
    ProxyAuthorization "Proxy-Authorization";
    ProxyRequire "Proxy-Require";
    RAck "RAck";
    Reason "Reason";
    ReasonPhrase "Reason-Phrase";
    RecordRoute "Record-Route";
    RecvInfo "Recv-Info";
    ReferEventsAt "Refer-Events-At";
    ReferSub "Refer-Sub";
    ReferTo "Refer-To" b'r';
    ReferredBy "Referred-By" b'b';
    RejectContact "Reject-Contact" b'j';
    RelayedCharge "Relayed-Charge";
    RemotePartyId "Remote-Party-ID";
    Replaces "Replaces";
    ReplyTo "Reply-To";
    RequestDisposition "Request-Disposition" b'd';
    Require "Require";
    ResourcePriority "Resource-Priority";
    ResourceShare "Resource-Share";
    ResponseKey "Response-Key";
    ResponseSource "Response-Source";
    RestorationInfo "Restoration-Info";
    RetryAfter "Retry-After";
    Route "Route";
    RSeq "RSeq";
    SecurityClient "Security-Client";
    SecurityServer "Security-Server";
    SecurityVerify "Security-Verify";
    Server "Server";
    ServiceInteractInfo "Service-Interact-Info";
    ServiceRoute "Service-Route";
    SessionExpires "Session-Expires" b'x';
    SessionId "Session-ID";
    SipETag "SIP-ETag";
    SipIfMatch "SIP-If-Match";
    Subject "Subject" b's';
    SubscriptionState "Subscription-State";
    Supported "Supported" b'k';
    SuppressIfMatch "Suppress-If-Match";
    TargetDialog "Target-Dialog";
    Timestamp "Timestamp";
    To "To" b't';
    TriggerConsent "Trigger-Consent";
    Unsupported "Unsupported";
    UserAgent "User-Agent";
    UserToUser "User-to-User";
    Via "Via" b'v';
    Warning "Warning";
    WwwAuthenticate "WWW-Authenticate";
}

/// Places in the table; a power of two, and sparse, so that nearly every look-up compares once.
const SLOTS: usize = 1024;
const EMPTY: u8 = u8::MAX;

/// The bit in which a capital and a small letter differ.
const CASE: u8 = 0x20;

static TABLE: [u8; SLOTS] = table();

const fn table() -> [u8; SLOTS] {
    let mut table = [EMPTY; SLOTS];
    let mut index = 0;
    while index < HeaderName::ALL.len() {
        let mut slot = slot_of(HeaderName::ALL[index].as_str().as_bytes());
        while table[slot] != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        table[slot] = index as u8;
        index += 1;
    }
    table
}

/// Bytes of a line that are looked at for a name and its colon.
pub(crate) const NAME_WINDOW: usize = 16;

/// A name of fewer bytes than the window in lower case, its first eight bytes and the others.
type Key = (u64, u64);

/// Names that fit into the window with a colon, and compact forms, by [`place_of`].
static WINDOW_TABLE: [u8; SLOTS] = window_tables().0;

/// What is in the places that [`WINDOW_TABLE`] tells.
static WINDOW_NAMES: [(Key, HeaderName); EMPTY as usize] = window_tables().1;

const fn window_tables() -> ([u8; SLOTS], [(Key, HeaderName); EMPTY as usize]) {
    let mut table = [EMPTY; SLOTS];
    let mut names = [((0, 0), HeaderName::Other); EMPTY as usize];
    let mut count = 0;
    let mut index = 0;
    while index < HeaderName::ALL.len() {
        let name = HeaderName::ALL[index];
        let forms = [name.as_str().as_bytes(), &[name.letter()]];
        let mut form = 0;
        while form < forms.len() {
            if forms[form].len() < NAME_WINDOW && forms[form][0] != 0 {
                let key = key_of(forms[form]);
                let mut place = place_of(key);
                while table[place] != EMPTY {
                    place = (place + 1) % SLOTS;
                }
                table[place] = count as u8;
                names[count] = (key, name);
                count += 1;
            }
            form += 1;
        }
        index += 1;
    }
    (table, names)
}

const fn key_of(name: &[u8]) -> Key {
    let mut key = [0_u64; 2];
    let mut at = 0;
    while at < name.len() {
        assert!(name[at].is_ascii_alphabetic() || name[at] == b'-');
        key[at / 8] |= ((name[at] | CASE) as u64) << (8 * (at % 8));
        at += 1;
    }
    (key[0], key[1])
}

#[inline]
const fn place_of(key: Key) -> usize {
    let mixed =
        (key.0 ^ key.1.wrapping_mul(0xff51_afd7_ed55_8ccd)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 48) as usize % SLOTS
}

/// Where a name of two bytes or more is looked for first: by length, first, middle and last letter.
#[inline]
const fn slot_of(name: &[u8]) -> usize {
    let (Some(first), Some(last)) = (name.first(), name.last()) else { return 0 };
    let Some((_, [middle, ..])) = name.split_at_checked(name.len() / 2) else { return 0 };
    let mixed = (name.len() as u32).wrapping_mul(0x9e37_79b1)
        ^ (((*first | 0x20) as u32) << 16).wrapping_mul(0x85eb_ca6b)
        ^ (((*last | 0x20) as u32) << 8).wrapping_mul(0xc2b2_ae35)
        ^ ((*middle | 0x20) as u32).wrapping_mul(0x27d4_eb2f);
    ((mixed ^ (mixed >> 15)) as usize) % SLOTS
}

/// Whether both are equal in any case.
///
/// All bytes are compared at once but for the bit of case, because this runs for every header. In a
/// `token` no two bytes differ in that bit alone, other than letters.
#[inline]
fn is_same(name: &[u8], spelled: &[u8]) -> bool {
    let differences = || name.iter().zip(spelled).fold(0, |sum, (a, b)| sum | (a ^ b));
    name.len() == spelled.len() && differences() & !CASE == 0
}

impl HeaderName {
    /// The name that `line` begins with, if it is a known one with a colon right behind it, and how
    /// many bytes it has; sooner than [`HeaderName::of`], and only for names that are not long.
    #[inline]
    pub(crate) fn before_colon(line: &[u8; NAME_WINDOW]) -> Option<(Self, usize)> {
        // Only bytes that have the bit above that of case can be letters.
        const LETTERS: u64 = u64::MAX / 0xff * 2 * CASE as u64;
        let (first, second) = bytes::words(line);
        let folded = |word: u64| word | ((word & LETTERS) >> 1);
        let before = |length: usize| !(u64::MAX << (8 * length));
        let (key, length) = match bytes::find_in_word(b':', first) {
            Some(length) => ((folded(first) & before(length), 0), length),
            None => {
                let length = bytes::find_in_word(b':', second)?;
                ((folded(first), folded(second) & before(length)), 8 + length)
            }
        };
        let mut place = place_of(key);
        loop {
            let index = usize::from(*WINDOW_TABLE.get(place)?);
            let (known, name) = WINDOW_NAMES.get(index)?;
            if *known == key {
                return Some((*name, length));
            }
            place = (place + 1) % SLOTS;
        }
    }

    /// The name that the token `spelled` stands for, in any case, long or compact.
    #[inline]
    pub fn of(spelled: &[u8]) -> Self {
        if let [letter] = spelled {
            return Self::of_letter(*letter);
        }
        let mut slot = slot_of(spelled);
        loop {
            let Some(&index) = TABLE.get(slot) else { return Self::Other };
            let Some(&name) = Self::ALL.get(usize::from(index)) else { return Self::Other };
            let known = NAMES.get(usize::from(index)).copied().unwrap_or_default();
            if known == spelled || is_same(known, spelled) {
                return name;
            }
            slot = (slot + 1) % SLOTS;
        }
    }

    /// Whether the value is a comma-separated list, so that several headers and one with commas say
    /// the same (RFC 3261, section 7.3.1).
    #[inline]
    pub const fn is_list(self) -> bool {
        use HeaderName as H;
        matches!(
            self,
            H::Accept
                | H::AcceptContact
                | H::AcceptEncoding
                | H::AcceptLanguage
                | H::AcceptResourcePriority
                | H::AlertInfo
                | H::Allow
                | H::AllowEvents
                | H::CallInfo
                | H::CellularNetworkInfo
                | H::Contact
                | H::ContentEncoding
                | H::ContentLanguage
                | H::Diversion
                | H::ErrorInfo
                | H::FeatureCaps
                | H::Geolocation
                | H::HistoryInfo
                | H::Identity
                | H::InReplyTo
                | H::PAccessNetworkInfo
                | H::PAssertedIdentity
                | H::PAssertedService
                | H::PAssociatedUri
                | H::PEarlyMedia
                | H::PMediaAuthorization
                | H::PPreferredIdentity
                | H::PRefusedUriList
                | H::PVisitedNetworkId
                | H::Path
                | H::PermissionMissing
                | H::PolicyContact
                | H::ProxyRequire
                | H::Reason
                | H::RecordRoute
                | H::RecvInfo
                | H::RejectContact
                | H::RemotePartyId
                | H::RequestDisposition
                | H::Require
                | H::ResourcePriority
                | H::Route
                | H::SecurityClient
                | H::SecurityServer
                | H::SecurityVerify
                | H::ServiceRoute
                | H::Supported
                | H::TriggerConsent
                | H::Unsupported
                | H::UserToUser
                | H::Via
                | H::Warning
        )
    }

    /// Whether a message may have this header once only, with one value (RFC 3261, section 7.3.1).
    pub const fn is_singleton(self) -> bool {
        use HeaderName as H;
        matches!(
            self,
            H::CallId
                | H::ContentDisposition
                | H::ContentLength
                | H::ContentType
                | H::CSeq
                | H::Date
                | H::Event
                | H::Expires
                | H::From
                | H::MaxForwards
                | H::MimeVersion
                | H::MinExpires
                | H::MinSe
                | H::RAck
                | H::ReferTo
                | H::ReferredBy
                | H::Replaces
                | H::RetryAfter
                | H::RSeq
                | H::SessionExpires
                | H::SipETag
                | H::SipIfMatch
                | H::SubscriptionState
                | H::Timestamp
                | H::To
        )
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_name_in_any_case() {
        for &name in HeaderName::ALL {
            let text = name.as_str();
            for spelled in [text.to_owned(), text.to_lowercase(), text.to_uppercase()] {
                assert_eq!(HeaderName::of(spelled.as_bytes()), name, "{spelled}");
            }
        }
    }

    #[test]
    fn the_short_way_to_a_name_finds_the_same() {
        let letters = (b'a'..=b'z').map(|letter| char::from(letter).to_string());
        let others = ["X-Custom", "Via ", "", "Tq", "Call-IDs"].map(str::to_owned);
        let names = HeaderName::ALL.iter().map(|name| name.as_str().to_owned());
        for name in names.chain(letters).chain(others) {
            for spelled in [name.clone(), name.to_lowercase(), name.to_uppercase()] {
                let line = format!("{spelled}: SIP/2.0/UDP a:5060");
                let Some(window) = line.as_bytes().first_chunk() else { panic!("{line}") };
                let name = HeaderName::of(spelled.as_bytes());
                let expected = Some((name, spelled.len()))
                    .filter(|(name, length)| *name != HeaderName::Other && *length < NAME_WINDOW);
                assert_eq!(HeaderName::before_colon(window), expected, "{line}");
            }
        }
        // A hyphen and the end of a line differ in the bit of case alone.
        assert_eq!(HeaderName::before_colon(b"Call\rID: 1234567"), None);
    }

    #[test]
    fn compact_forms_are_the_same_name() {
        let forms = [
            (b'a', "Accept-Contact"),
            (b'b', "Referred-By"),
            (b'c', "Content-Type"),
            (b'd', "Request-Disposition"),
            (b'e', "Content-Encoding"),
            (b'f', "From"),
            (b'i', "Call-ID"),
            (b'j', "Reject-Contact"),
            (b'k', "Supported"),
            (b'l', "Content-Length"),
            (b'm', "Contact"),
            (b'n', "Identity-Info"),
            (b'o', "Event"),
            (b'r', "Refer-To"),
            (b's', "Subject"),
            (b't', "To"),
            (b'u', "Allow-Events"),
            (b'v', "Via"),
            (b'x', "Session-Expires"),
            (b'y', "Identity"),
        ];
        for letter in b'a'..=b'z' {
            let expected = forms.iter().find(|(form, _)| *form == letter).map_or("", |(_, n)| n);
            assert_eq!(HeaderName::of(&[letter]).as_str(), expected);
            assert_eq!(HeaderName::of(&[letter.to_ascii_uppercase()]).as_str(), expected);
        }
    }

    #[test]
    fn unknown_names_are_other() {
        for spelled in [&b""[..], b"Foo", b"X-Custom", b"C%6Fntact", b"Call_ID", b"Call-IDs"] {
            assert_eq!(HeaderName::of(spelled), HeaderName::Other);
        }
    }

    #[test]
    fn no_name_is_list_and_singleton() {
        for &name in HeaderName::ALL {
            assert!(!(name.is_list() && name.is_singleton()), "{name}");
        }
    }
}
