//! Registrations (RFC 3261, section 10; RFC 5626): which contact was bound for how long.

use std::net::IpAddr;

use crate::signaling::call::Call;
use crate::signaling::message::Message;
use crate::signaling::transaction::Transaction;
use crate::sip::{Address, Host, Method};
use crate::time::{Span, Time};

/// One contact of an address of record, as one REGISTER and its 2xx show it.
#[derive(Debug)]
pub struct Binding<'c> {
    /// The transaction that bound it.
    pub transaction: usize,
    /// The address of record: the URI of `To`, without parameters.
    pub aor: AddressOfRecord<'c>,
    /// The contact, as the REGISTER names it.
    pub contact: Address<'c>,
    /// `+sip.instance`, which names the device (RFC 5626, section 4.1).
    pub instance: Option<&'c [u8]>,
    /// `reg-id`, which tells the flows of one device apart.
    pub reg_id: Option<&'c [u8]>,
    /// The host that the REGISTER came from.
    pub source: IpAddr,
    /// When the 2xx came.
    pub at: Time,
    /// How long it holds from then on; none where it was removed.
    pub granted: Span,
    /// The 2xx.
    pub answer: &'c Message<'c>,
}

/// Whom a registration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressOfRecord<'c> {
    /// The user part, as it was sent.
    pub user: &'c [u8],
    /// The host, as it was sent.
    pub host: &'c [u8],
}

/// REGISTERs of one host for one user that failed one after another, and what came after them.
#[derive(Debug)]
pub struct FailedRegisters<'a, 'c> {
    /// Those that failed, in order, as their sender saw it; at least one.
    pub failed: Vec<&'a Transaction<'c>>,
    /// The next one, which succeeded.
    pub success: Option<&'a Transaction<'c>>,
}

impl<'c> Call<'c> {
    /// The REGISTERs that ended as `is_failed` says, each row up to the next success of the same
    /// user.
    pub fn failed_registers(
        &self,
        is_failed: impl Fn(&Transaction<'c>) -> bool,
    ) -> Vec<FailedRegisters<'_, 'c>> {
        let mut rows: Vec<(Sender<'c>, FailedRegisters<'_, 'c>)> = Vec::new();
        for hop in &self.transactions {
            let is_first = hop.method == Method::Register && hop.upstream.is_none();
            let Some(sender) = sender_of(hop).filter(|_| is_first) else { continue };
            let open = |(own, row): &&mut (_, FailedRegisters<'_, 'c>)| {
                *own == sender && row.success.is_none()
            };
            let own = rows.iter_mut().find(open).map(|(_, row)| row);
            match own {
                Some(row) if hop.first_success().is_some() => row.success = Some(hop),
                Some(row) if is_failed(hop) => row.failed.push(hop),
                None if is_failed(hop) => {
                    rows.push((sender, FailedRegisters { failed: vec![hop], success: None }));
                }
                _ => {}
            }
        }
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// What the REGISTERs of the first sender bound and removed, in order. A REGISTER that asks
    /// only (without a Contact) binds nothing.
    pub fn bindings(&self) -> Vec<Binding<'c>> {
        let mut bindings = Vec::new();
        for transaction in &self.transactions {
            if transaction.method == Method::Register && transaction.upstream.is_none() {
                add_bindings(transaction, &mut bindings);
            }
        }
        bindings
    }
}

impl<'c> Binding<'c> {
    /// When it ends without another REGISTER.
    pub fn expires_at(&self) -> Time {
        self.at + self.granted
    }

    /// The REGISTER took it away (Expires 0).
    pub fn is_removed(&self) -> bool {
        self.granted == Span::ZERO
    }

    /// Two bindings of one device: the same instance and flow, or, where neither names one, the
    /// same contact.
    pub fn is_same_device(&self, other: &Self) -> bool {
        match (self.instance, other.instance) {
            (Some(own), Some(others)) => own == others && self.reg_id == other.reg_id,
            (None, None) => self.contact.uri.is_equivalent(&other.contact.uri),
            _ => false,
        }
    }
}

/// A host, and the user whom it registers.
type Sender<'c> = (IpAddr, Option<&'c [u8]>);

fn sender_of<'c>(hop: &Transaction<'c>) -> Option<Sender<'c>> {
    Some((hop.client.address, hop.request?.to().and_then(|to| to.uri.user())))
}

fn add_bindings<'c>(transaction: &Transaction<'c>, bindings: &mut Vec<Binding<'c>>) {
    let (Some(request), Some(answer)) = (transaction.request, transaction.first_success()) else {
        return;
    };
    let Some(to) = request.to() else { return };
    let aor = AddressOfRecord {
        user: to.uri.user().unwrap_or_default(),
        host: to.uri.host().map(Host::as_bytes).unwrap_or_default(),
    };
    for contact in request.contacts() {
        if contact.is_star() {
            let removed = |known: &Binding<'c>| Binding {
                transaction: transaction.index,
                at: answer.time,
                granted: Span::ZERO,
                answer,
                ..*known
            };
            let open: Vec<_> = bindings.iter().filter(|b| !b.is_removed()).map(removed).collect();
            bindings.extend(open);
            continue;
        }
        // The registrar decides; where its list does not show the contact, what was asked for.
        let listed = answer.contacts().find(|own| own.uri.is_equivalent(&contact.uri));
        let granted = listed
            .and_then(|own| own.expires())
            .or_else(|| answer.expires())
            .or_else(|| request.expires_of(&contact));
        bindings.push(Binding {
            transaction: transaction.index,
            aor,
            instance: contact.parameters.value("+sip.instance"),
            reg_id: contact.parameters.value("reg-id"),
            contact,
            source: request.source.address,
            at: answer.time,
            // RFC 3261, section 10.2.1.1: an hour, where nobody says anything.
            granted: Span::from_secs(i64::from(granted.unwrap_or(3600))),
            answer,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling::samples::with_call;

    fn register(cseq: u32, contact: &str) -> String {
        format!(
            "REGISTER sip:example.com SIP/2.0\n\
             Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-{cseq}\n\
             From: <sip:1001@example.com>;tag=a\nTo: <sip:1001@example.com>\n\
             Call-ID: r\nCSeq: {cseq} REGISTER\n{contact}Content-Length: 0\n\n"
        )
    }

    fn ok(cseq: u32, contact: &str) -> String {
        register(cseq, contact)
            .replace("REGISTER sip:example.com SIP/2.0", "SIP/2.0 200 OK")
            .replace("To: <sip:1001@example.com>", "To: <sip:1001@example.com>;tag=b")
    }

    #[test]
    fn failures_end_with_the_next_success() {
        let refused = |cseq| ok(cseq, "").replace("200 OK", "503 Unavailable");
        let texts = [
            (0, 1, 2, register(1, "")),
            (9, 2, 1, refused(1)),
            (10, 1, 2, register(2, "")),
            (19, 2, 1, refused(2)),
            (20, 1, 2, register(3, "")),
            (29, 2, 1, ok(3, "")),
            (30, 1, 2, register(4, "")),
            (39, 2, 1, refused(4)),
        ];
        let samples: Vec<_> =
            texts.iter().map(|(time, from, to, text)| (*time, *from, *to, text.as_str())).collect();
        with_call(&samples, |call| {
            let rows = call.failed_registers(|hop| hop.first_success().is_none());
            let found: Vec<_> = rows
                .iter()
                .map(|row| (row.failed.len(), row.success.map(|hop| hop.cseq)))
                .collect();
            assert_eq!(found, [(2, Some(3)), (1, None)]);
        });
    }

    #[test]
    fn contacts_are_bound_and_removed() {
        let own = "<sip:1001@192.0.2.1>";
        let texts = [
            (0, 1, 2, register(1, &format!("Contact: {own};+sip.instance=\"<u>\";expires=600\n"))),
            (
                9,
                2,
                1,
                ok(1, &format!("Contact: {own};expires=120\nContact: <sip:x@y>;expires=9\n")),
            ),
            (100, 1, 2, register(2, "")),
            (109, 2, 1, ok(2, &format!("Contact: {own};expires=100\n"))),
            (200, 1, 2, register(3, &format!("Contact: {own}\nExpires: 300\n"))),
            (209, 2, 1, ok(3, "Expires: 60\n")),
            (300, 1, 2, register(4, "Contact: *\nExpires: 0\n")),
            (309, 2, 1, ok(4, "")),
        ];
        let samples: Vec<_> =
            texts.iter().map(|(time, from, to, text)| (*time, *from, *to, text.as_str())).collect();
        with_call(&samples, |call| {
            let bindings = call.bindings();
            let granted: Vec<_> = bindings.iter().map(|b| b.granted.secs()).collect();
            assert_eq!(granted, [120.0, 60.0, 0.0, 0.0]);
            let first = &bindings[0];
            assert_eq!(first.aor, AddressOfRecord { user: b"1001", host: b"example.com" });
            assert_eq!(first.expires_at(), Time::default() + Span::from_millis(120_009));
            assert!(first.instance.is_some() && bindings[1].instance.is_none());
            assert!(bindings[2].is_removed() && !first.is_removed());
            assert!(first.is_same_device(&bindings[2]) && !first.is_same_device(&bindings[1]));
        });
    }
}
