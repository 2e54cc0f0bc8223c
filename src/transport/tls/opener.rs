//! Opens encrypted records with the keys of a connection.
//!
//! A record that does not open is tried with later sequence numbers when records before it may have
//! been lost. TLS 1.2 with AEAD or CBC suites (RFC 5246, 5288, 7366, 7905) and TLS 1.3 (RFC 8446).

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use cbc::cipher::{BlockModeDecrypt, InnerIvInit};
use chacha20poly1305::ChaCha20Poly1305;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384};

use crate::transport::tls::record::{HANDSHAKE, Record};
use crate::transport::tls::suite::{Cipher, Hash, Suite};

/// Sequence numbers that are tried for one record.
const SLACK_MAX: u32 = 256;

/// Records in a row that do not open, after which the keys are taken for wrong.
const FAILURES_MAX: u32 = 64;

/// A shorter record cannot be: header, tag and a byte.
const RECORD_BYTES_MIN: u32 = 22;

/// The handshake message that changes the keys (RFC 8446, section 4.6.3).
const KEY_UPDATE: u8 = 24;

/// The content of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) kind: u8,
    pub(super) bytes: Vec<u8>,
}

/// Opens the records of one direction.
pub(super) struct Opener {
    suite: Suite,
    keys: Keys,
    /// The sequence number that comes next.
    sequence: u64,
    /// How many sequence numbers may have been missed.
    slack: u32,
    failures: u32,
    /// The traffic secret of TLS 1.3.
    secret: Vec<u8>,
    macs_encrypted: bool,
}

/// What one direction encrypts with.
struct Keys {
    key: Key,
    iv: Vec<u8>,
    mac: Vec<u8>,
}

enum Key {
    Aes128Gcm(Box<Aes128Gcm>),
    Aes256Gcm(Box<Aes256Gcm>),
    ChaCha(Box<ChaCha20Poly1305>),
    Aes128(Box<aes::Aes128>),
    Aes256(Box<aes::Aes256>),
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opener").field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl Opener {
    /// Those of TLS 1.2, client first, from the master secret and both random numbers (RFC 5246,
    /// section 6.3).
    pub(super) fn pair(
        suite: Suite,
        master: &[u8],
        client_random: &[u8; 32],
        server_random: &[u8; 32],
        macs_encrypted: bool,
    ) -> Option<[Self; 2]> {
        let (mac, key, iv) = (suite.mac_bytes(), suite.cipher.key_bytes(), suite.iv_bytes());
        let mut block = vec![0; 2 * (mac + key + iv)];
        let seed = [b"key expansion", &server_random[..], &client_random[..]].concat();
        expand(suite.hash, master, &seed, &mut block);
        let mut rest = block.as_slice();
        let mut take = |length: usize| {
            let (part, more) = rest.split_at_checked(length)?;
            rest = more;
            Some(part.to_vec())
        };
        let macs = [take(mac)?, take(mac)?];
        let keys = [take(key)?, take(key)?];
        let ivs = [take(iv)?, take(iv)?];
        let [client_mac, server_mac] = macs;
        let [client_key, server_key] = keys;
        let [client_iv, server_iv] = ivs;
        let opener = |mac, key: &[u8], iv| {
            let keys = Keys { key: Key::new(suite.cipher, key)?, iv, mac };
            Some(Self::with(suite, keys, Vec::new(), macs_encrypted))
        };
        Some([
            opener(client_mac, &client_key, client_iv)?,
            opener(server_mac, &server_key, server_iv)?,
        ])
    }

    /// The one of a direction of TLS 1.3, from its traffic secret.
    pub(super) fn of_secret(suite: Suite, secret: &[u8]) -> Option<Self> {
        let keys = Keys::of_secret(suite, secret)?;
        Some(Self::with(suite, keys, secret.to_vec(), false))
    }

    fn with(suite: Suite, keys: Keys, secret: Vec<u8>, macs_encrypted: bool) -> Self {
        Self { suite, keys, sequence: 0, slack: 0, failures: 0, secret, macs_encrypted }
    }

    /// Records went by before there were keys: `protected` in all, of which all had a number in TLS
    /// 1.2, and some in TLS 1.3.
    pub(super) fn skip_records(&mut self, protected: u64) {
        match self.secret.is_empty() {
            true => self.sequence = protected,
            false => self.slack = u32::try_from(protected).unwrap_or(SLACK_MAX).min(SLACK_MAX),
        }
    }

    /// So many bytes were lost.
    pub(super) fn lose(&mut self, bytes: u32) {
        self.slack = self.slack.saturating_add(bytes / RECORD_BYTES_MIN + 1).min(SLACK_MAX);
    }

    /// The keys are wrong.
    pub(super) fn has_failed(&self) -> bool {
        self.failures >= FAILURES_MAX
    }

    /// Opens the next record. One that does not open is of the handshake, damaged, or not next.
    pub(super) fn open(&mut self, record: &Record<'_>) -> Option<Opened> {
        let last = self.sequence.saturating_add(self.slack.into());
        let found = (self.sequence..=last)
            .find_map(|sequence| Some((sequence, self.keys.open(self, sequence, record)?)));
        let Some((sequence, opened)) = found.or_else(|| self.open_after_update(record)) else {
            self.failures += 1;
            self.slack = (self.slack + 1).min(SLACK_MAX);
            return None;
        };
        (self.sequence, self.slack, self.failures) = (sequence.saturating_add(1), 0, 0);
        if !self.secret.is_empty() && opened.kind == HANDSHAKE && updates_keys(&opened.bytes) {
            self.update();
        }
        Some(opened)
    }

    /// Tries the next keys, where the record that announces them may have been lost.
    fn open_after_update(&mut self, record: &Record<'_>) -> Option<(u64, Opened)> {
        if self.secret.is_empty() || self.slack == 0 || self.failures > 0 {
            return None;
        }
        let secret = next_secret(self.suite, &self.secret)?;
        let keys = Keys::of_secret(self.suite, &secret)?;
        let found = (0..=u64::from(self.slack))
            .find_map(|sequence| Some((sequence, keys.open(self, sequence, record)?)))?;
        (self.keys, self.secret) = (keys, secret);
        Some(found)
    }

    fn update(&mut self) {
        let next = next_secret(self.suite, &self.secret);
        let keys = next.and_then(|secret| Some((Keys::of_secret(self.suite, &secret)?, secret)));
        if let Some((keys, secret)) = keys {
            (self.keys, self.secret, self.sequence) = (keys, secret, 0);
        }
    }
}

/// The last handshake message of a record is KeyUpdate: no other may follow it.
fn updates_keys(messages: &[u8]) -> bool {
    matches!(messages, [.., KEY_UPDATE, 0, 0, 1, 0 | 1])
}

impl Key {
    fn new(cipher: Cipher, key: &[u8]) -> Option<Self> {
        Some(match cipher {
            Cipher::Aes128Gcm => Self::Aes128Gcm(Box::new(KeyInit::new_from_slice(key).ok()?)),
            Cipher::Aes256Gcm => Self::Aes256Gcm(Box::new(KeyInit::new_from_slice(key).ok()?)),
            Cipher::ChaCha => Self::ChaCha(Box::new(KeyInit::new_from_slice(key).ok()?)),
            Cipher::Aes128Cbc(_) => Self::Aes128(Box::new(KeyInit::new_from_slice(key).ok()?)),
            Cipher::Aes256Cbc(_) => Self::Aes256(Box::new(KeyInit::new_from_slice(key).ok()?)),
        })
    }
}

impl Keys {
    fn of_secret(suite: Suite, secret: &[u8]) -> Option<Self> {
        let mut key = vec![0; suite.cipher.key_bytes()];
        let mut iv = vec![0; 12];
        expand_label(suite.hash, secret, b"key", &mut key)?;
        expand_label(suite.hash, secret, b"iv", &mut iv)?;
        Some(Self { key: Key::new(suite.cipher, &key)?, iv, mac: Vec::new() })
    }

    fn open(&self, opener: &Opener, sequence: u64, record: &Record<'_>) -> Option<Opened> {
        if matches!(self.key, Key::Aes128(_) | Key::Aes256(_)) {
            return self.open_cbc(opener, sequence, record);
        }
        let is_1_3 = !opener.secret.is_empty();
        let (explicit, sealed) = match self.iv.len() {
            4 => record.body.split_at_checked(8)?,
            _ => (&[][..], record.body),
        };
        let mut nonce = [0; 12];
        match explicit {
            [] => {
                let numbered = nonce.get_mut(4..)?;
                numbered.copy_from_slice(&sequence.to_be_bytes());
                nonce.iter_mut().zip(&self.iv).for_each(|(byte, iv)| *byte ^= iv);
            }
            _ => {
                let parts = self.iv.iter().chain(explicit);
                nonce.iter_mut().zip(parts).for_each(|(byte, part)| *byte = *part);
            }
        }
        let length = sealed.len().checked_sub(16)?;
        let (text, tag) = sealed.split_at_checked(length)?;
        let mut bytes = text.to_vec();
        let aad = match is_1_3 {
            true => record.header().to_vec(),
            false => authenticated(sequence, record, length),
        };
        self.open_aead(&nonce, &aad, &mut bytes, tag)?;
        if !is_1_3 {
            return Some(Opened { kind: record.kind, bytes });
        }
        // The type is the last byte that is not padding (RFC 8446, section 5.4).
        let end = bytes.iter().rposition(|byte| *byte != 0)?;
        let kind = *bytes.get(end)?;
        bytes.truncate(end);
        Some(Opened { kind, bytes })
    }

    fn open_aead(&self, nonce: &[u8; 12], aad: &[u8], bytes: &mut [u8], tag: &[u8]) -> Option<()> {
        let tag = tag.try_into().ok()?;
        let nonce = nonce.into();
        match &self.key {
            Key::Aes128Gcm(key) => key.decrypt_inout_detached(nonce, aad, bytes.into(), tag),
            Key::Aes256Gcm(key) => key.decrypt_inout_detached(nonce, aad, bytes.into(), tag),
            Key::ChaCha(key) => key.decrypt_inout_detached(nonce, aad, bytes.into(), tag),
            Key::Aes128(_) | Key::Aes256(_) => return None,
        }
        .ok()
    }

    /// A record of a CBC suite (RFC 5246, section 6.2.3.2), or with the MAC outside (RFC 7366).
    fn open_cbc(&self, opener: &Opener, sequence: u64, record: &Record<'_>) -> Option<Opened> {
        let (Cipher::Aes128Cbc(hash) | Cipher::Aes256Cbc(hash)) = opener.suite.cipher else {
            return None;
        };
        let mut sealed = record.body;
        if opener.macs_encrypted {
            let (inner, mac) =
                sealed.split_at_checked(sealed.len().checked_sub(self.mac.len())?)?;
            let covered = authenticated(sequence, record, inner.len());
            if hmac(hash, &self.mac, &[&covered, inner]) != mac {
                return None;
            }
            sealed = inner;
        }
        let (iv, text) = sealed.split_at_checked(16)?;
        let mut bytes = text.to_vec();
        self.decrypt_blocks(iv, &mut bytes)?;
        let padding = usize::from(*bytes.last()?);
        let end = bytes.len().checked_sub(padding + 1)?;
        if bytes.get(end..)?.iter().any(|byte| usize::from(*byte) != padding) {
            return None;
        }
        bytes.truncate(end);
        if !opener.macs_encrypted {
            let end = bytes.len().checked_sub(self.mac.len())?;
            let (content, mac) = bytes.split_at_checked(end)?;
            let covered = authenticated(sequence, record, end);
            if hmac(hash, &self.mac, &[&covered, content]) != mac {
                return None;
            }
            bytes.truncate(end);
        }
        Some(Opened { kind: record.kind, bytes })
    }

    fn decrypt_blocks(&self, iv: &[u8], bytes: &mut [u8]) -> Option<()> {
        let (blocks, rest) = bytes.as_chunks_mut::<16>();
        if blocks.is_empty() || !rest.is_empty() {
            return None;
        }
        let iv = iv.try_into().ok()?;
        let blocks = blocks.iter_mut().map(Into::into);
        match &self.key {
            Key::Aes128(key) => {
                let mut mode = cbc::Decryptor::inner_iv_init(key.as_ref(), iv);
                blocks.for_each(|block| mode.decrypt_block(block));
            }
            Key::Aes256(key) => {
                let mut mode = cbc::Decryptor::inner_iv_init(key.as_ref(), iv);
                blocks.for_each(|block| mode.decrypt_block(block));
            }
            Key::Aes128Gcm(_) | Key::Aes256Gcm(_) | Key::ChaCha(_) => return None,
        }
        Some(())
    }
}

/// What the tag of a TLS 1.2 record covers besides its bytes: number, type, version, length.
fn authenticated(sequence: u64, record: &Record<'_>, length: usize) -> Vec<u8> {
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    let mut bytes = sequence.to_be_bytes().to_vec();
    bytes.push(record.kind);
    bytes.extend(record.version.to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes
}

fn hmac(hash: Hash, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    fn with<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        // Any length is a key.
        let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return Vec::new() };
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    }
    match hash {
        Hash::Sha1 => with::<Hmac<Sha1>>(key, parts),
        Hash::Sha256 => with::<Hmac<Sha256>>(key, parts),
        Hash::Sha384 => with::<Hmac<Sha384>>(key, parts),
    }
}

/// P_hash (RFC 5246, section 5).
fn expand(hash: Hash, secret: &[u8], seed: &[u8], out: &mut [u8]) {
    let mut chained = hmac(hash, secret, &[seed]);
    let mut out = out.iter_mut();
    while out.len() > 0 {
        let block = hmac(hash, secret, &[&chained, seed]);
        if block.is_empty() {
            return;
        }
        out.by_ref().zip(&block).for_each(|(byte, from)| *byte = *from);
        chained = hmac(hash, secret, &[&chained]);
    }
}

/// HKDF-Expand-Label without a context (RFC 8446, section 7.1).
fn expand_label(hash: Hash, secret: &[u8], label: &[u8], out: &mut [u8]) -> Option<()> {
    let length = u16::try_from(out.len()).ok()?.to_be_bytes();
    let name = [b"tls13 ", label].concat();
    let info = [&length[..], &[u8::try_from(name.len()).ok()?], &name, &[0]].concat();
    match hash {
        Hash::Sha256 => Hkdf::<Sha256>::from_prk(secret).ok()?.expand(&info, out).ok(),
        Hash::Sha384 => Hkdf::<Sha384>::from_prk(secret).ok()?.expand(&info, out).ok(),
        Hash::Sha1 => None,
    }
}

fn next_secret(suite: Suite, secret: &[u8]) -> Option<Vec<u8>> {
    let mut next = vec![0; secret.len()];
    expand_label(suite.hash, secret, b"traffic upd", &mut next)?;
    Some(next)
}
