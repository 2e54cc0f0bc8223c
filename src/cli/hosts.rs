//! Names of hosts that a user gives: `[hosts]` of `siptrace.toml`, and files like `/etc/hosts`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use crate::bytes::printable_str;
use crate::cli::toml_file::{Fault, FileError};

/// Characters of a name; more are no name.
const NAME_CHARS_MAX: usize = 64;

/// Names by address.
pub(super) type Hosts = BTreeMap<IpAddr, String>;

/// The names in a file like `/etc/hosts`: an address and a name in a line; `#` begins a comment,
/// and further names are not used.
///
/// # Errors
///
/// When the file cannot be read, or a line of it is wrong.
pub(super) fn read(path: &Path) -> Result<Hosts, FileError> {
    let text = std::fs::read_to_string(path).map_err(|source| FileError::Unreadable {
        path: path.to_owned(),
        source,
        hint: Some("a line of the file is an address and a name".to_owned()),
    })?;
    parse(&text).map_err(|fault| fault.in_file(&text, path))
}

pub(super) fn parse(text: &str) -> Result<Hosts, Fault> {
    let mut hosts = Hosts::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let plain = line.split('#').next().unwrap_or_default();
        let mut words = plain.split_whitespace();
        if let Some(given) = words.next() {
            let at = start + (plain.len() - plain.trim_start().len());
            let missing = || Fault::new(at, format!("no name follows \"{given}\""));
            let name = words.next().ok_or_else(missing)?;
            add(&mut hosts, (at, given), (at, name))?;
        }
        start += line.len();
    }
    Ok(hosts)
}

/// Adds a name to an address, each with its place in the text. The first name of an address stays.
pub(super) fn add(
    hosts: &mut Hosts,
    (address_at, address): (usize, &str),
    (name_at, name): (usize, &str),
) -> Result<(), Fault> {
    let known: IpAddr = address.parse().map_err(|_| {
        Fault::new(address_at, format!("expected an address such as 192.0.2.10, not \"{address}\""))
            .hint("the address comes first, then the name")
    })?;
    let name = name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX {
        let problem = format!("expected a name of 1 to {NAME_CHARS_MAX} characters");
        return Err(Fault::new(name_at, problem));
    }
    hosts.entry(known.to_canonical()).or_insert_with(|| printable_str(name).into_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_addresses_with_names() {
        let text = "# the lab\n192.0.2.10\tpbx pbx.example.com # here\n\n2001:db8::1 gateway\n\
            ::ffff:192.0.2.10 other\n";
        let hosts = parse(text).expect("right");
        assert_eq!(hosts.len(), 2);
        let name = |address: &str| hosts[&address.parse::<IpAddr>().expect("an address")].as_str();
        assert_eq!((name("192.0.2.10"), name("2001:db8::1")), ("pbx", "gateway"));
    }

    #[test]
    fn a_wrong_line_has_its_place() {
        let fault = |text: &str| {
            let error = parse(text).expect_err(text).in_file(text, Path::new("hosts"));
            error.to_string()
        };
        let start = "could not use \"hosts\": ";
        let swapped = fault("192.0.2.1 a\n  pbx 192.0.2.10\n");
        assert!(swapped.starts_with(&format!("{start}line 2, column 3: expected an address")));
        assert!(fault("192.0.2.1\n").contains("line 1, column 1: no name follows \"192.0.2.1\""));
        let long = format!("192.0.2.1 {}", "x".repeat(65));
        assert!(fault(&long).contains("expected a name of 1 to 64"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_has_a_place(text in "(192.0.2.[0-9] |::1 |#|\\PC|\n){0,12}") {
            if let Err(fault) = parse(&text) {
                let error = fault.in_file(&text, Path::new("hosts")).to_string();
                prop_assert!(error.contains("line "), "{error}");
            }
        }
    }
}
