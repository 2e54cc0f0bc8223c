//! `Replaces`, `Join` and `Target-Dialog`: headers that name another dialog.

use super::quoted::{Parameters, first_and_parameters};

/// What names two tags and a Call-ID: `Replaces`, `Join` and `Target-Dialog`.
#[derive(Clone, Copy, Debug)]
pub struct DialogId<'a> {
    /// The Call-ID of the dialog that is meant.
    pub call_id: &'a [u8],
    /// All parameters.
    pub parameters: Parameters<'a>,
}

impl<'a> DialogId<'a> {
    /// None if there is no Call-ID.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (call_id, parameters) = first_and_parameters(value);
        if call_id.is_empty() { None } else { Some(Self { call_id, parameters }) }
    }

    /// The tag of the side that receives the header (RFC 3891, section 3).
    pub fn to_tag(&self) -> Option<&'a [u8]> {
        self.parameters.value("to-tag").or_else(|| self.parameters.value("local-tag"))
    }

    /// The tag of the other side (RFC 3891, section 3).
    pub fn from_tag(&self) -> Option<&'a [u8]> {
        self.parameters.value("from-tag").or_else(|| self.parameters.value("remote-tag"))
    }

    /// Whether only a dialog is meant that is not yet answered (RFC 3891, section 3).
    pub fn is_early_only(&self) -> bool {
        self.parameters.has("early-only")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialogs_that_are_meant() {
        let dialog = DialogId::parse(b"98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff");
        let tags = dialog.map(|d| (d.from_tag(), d.to_tag(), d.is_early_only()));
        assert_eq!(tags, Some((Some(&b"r33th4x0r"[..]), Some(&b"ff87ff"[..]), false)));
        assert!(DialogId::parse(b";x").is_none());
    }
}
