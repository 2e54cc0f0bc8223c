//! Passwords that the user knows, to tell whether digest credentials were made with them.
//!
//! They are compared and never shown: neither the debug output nor an error has one.

use std::collections::HashMap;
use std::fmt;

use crate::sip::Credentials;

/// The accounts of a file with lines `user:realm:password`.
#[derive(Clone, Default)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
pub struct Accounts {
    by_user: HashMap<String, Vec<Account>>,
}

#[derive(Clone)]
#[cfg_attr(feature = "parts", derive(borsh::BorshSerialize, borsh::BorshDeserialize))]
struct Account {
    /// Empty for any.
    realm: String,
    password: String,
}

/// A line that is no account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnAccount {
    /// The line, from 1.
    pub line: usize,
}

impl Accounts {
    /// The accounts of a text. Blank lines and those that begin with `#` say nothing; a password
    /// may hold colons and blanks.
    ///
    /// # Errors
    ///
    /// When a line is no account.
    pub fn parse(text: &[u8]) -> Result<Self, NotAnAccount> {
        let mut accounts = Self::default();
        for (line, number) in text.split(|byte| *byte == b'\n').zip(1..) {
            let wrong = NotAnAccount { line: number };
            let line = str::from_utf8(line).map_err(|_| wrong)?;
            let line = line.strip_suffix('\r').unwrap_or(line);
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            let mut parts = line.splitn(3, ':');
            let (Some(user), Some(realm), Some(password)) =
                (parts.next(), parts.next(), parts.next())
            else {
                return Err(wrong);
            };
            if user.trim().is_empty() {
                return Err(wrong);
            }
            let account = Account { realm: realm.trim().to_owned(), password: password.to_owned() };
            accounts.by_user.entry(user.trim().to_owned()).or_default().push(account);
        }
        Ok(accounts)
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.by_user.is_empty()
    }

    /// Whether a password of the user for that realm gives these credentials in a request with
    /// `method`; none where no password is known or it cannot be told.
    pub fn fit(&self, credentials: &Credentials<'_>, method: &str) -> Option<bool> {
        if self.is_empty() {
            return None;
        }
        let user = credentials.username()?;
        let realm = credentials.realm()?;
        let known = self.by_user.get(str::from_utf8(&user).ok()?)?;
        let is_for = |account: &&Account| {
            account.realm.is_empty() || account.realm.as_bytes() == realm.as_ref()
        };
        known
            .iter()
            .filter(is_for)
            .filter_map(|account| credentials.is_answer_of(&account.password, method))
            .reduce(|one, other| one || other)
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("users", &self.by_user.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer that the password "secret" gives to a REGISTER.
    const ANSWER: &[u8] = b"Digest username=\"alice\", realm=\"example.com\", nonce=\"n\", \
        uri=\"sip:example.com\", response=\"04782234298e2f0ad40d5565bbef7fd4\"";

    #[test]
    fn passwords_are_tried_by_user_and_realm() {
        let credentials = Credentials::parse(ANSWER);
        let fit = |text: &str| {
            let accounts = Accounts::parse(text.as_bytes()).expect("accounts");
            accounts.fit(&credentials, "REGISTER")
        };
        assert_eq!(fit("# alice\r\n\nalice:example.com:secret\r\n"), Some(true));
        assert_eq!(fit("alice::secret\n"), Some(true));
        assert_eq!(fit("alice::wrong\nalice:example.com:secret"), Some(true));
        assert_eq!(fit("alice::se:cret"), Some(false));
        assert_eq!(fit("alice:example.org:secret"), None);
        assert_eq!(fit("bob::secret"), None);
        assert_eq!(fit(""), None);
    }

    #[test]
    fn what_is_no_account_is_told_by_its_line() {
        let line = |text: &[u8]| Accounts::parse(text).err().map(|wrong| wrong.line);
        assert_eq!(line(b"alice:example.com:a\n\nbob secret\n"), Some(3));
        assert_eq!(line(b"alice:secret"), Some(1));
        assert_eq!(line(b":example.com:secret"), Some(1));
        assert_eq!(line(b"# \n\xff:b:c"), Some(2));
    }

    #[test]
    fn passwords_are_not_shown() {
        let accounts = Accounts::parse(b"alice:example.com:secret").expect("accounts");
        let shown = format!("{accounts:?}");
        assert!(!shown.contains("secret") && shown.contains("users: 1"), "{shown}");
    }
}
