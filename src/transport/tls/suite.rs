//! The cipher suites that can be opened.

/// A cipher suite, as far as records depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suite {
    pub(super) cipher: Cipher,
    /// What keys are derived with.
    pub(super) hash: Hash,
    is_1_3: bool,
}

/// How records are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    Aes128Gcm,
    Aes256Gcm,
    ChaCha,
    Aes128Cbc(Hash),
    Aes256Cbc(Hash),
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sha384,
}

impl Suite {
    /// The suite of this number (the TLS registry of IANA), whatever the key exchange. Suites with
    /// a pre-shared key are left out.
    pub(super) fn of(number: u16) -> Option<Self> {
        use Cipher::{Aes128Cbc, Aes128Gcm, Aes256Cbc, Aes256Gcm, ChaCha};
        use Hash::{Sha1, Sha256, Sha384};

        let (cipher, hash) = match number {
            0x1301 => (Aes128Gcm, Sha256),
            0x1302 => (Aes256Gcm, Sha384),
            0x1303 => (ChaCha, Sha256),
            0x009c | 0x009e | 0x00a0 | 0x00a2 | 0xc02b | 0xc02d | 0xc02f | 0xc031 => {
                (Aes128Gcm, Sha256)
            }
            0x009d | 0x009f | 0x00a1 | 0x00a3 | 0xc02c | 0xc02e | 0xc030 | 0xc032 => {
                (Aes256Gcm, Sha384)
            }
            0xcca8..=0xccaa => (ChaCha, Sha256),
            0x002f..=0x0033 | 0xc004 | 0xc009 | 0xc00e | 0xc013 => (Aes128Cbc(Sha1), Sha256),
            0x0035..=0x0039 | 0xc005 | 0xc00a | 0xc00f | 0xc014 => (Aes256Cbc(Sha1), Sha256),
            0x003c | 0x003e..=0x0040 | 0x0067 | 0xc023 | 0xc025 | 0xc027 | 0xc029 => {
                (Aes128Cbc(Sha256), Sha256)
            }
            0x003d | 0x0068..=0x006b => (Aes256Cbc(Sha256), Sha256),
            0xc024 | 0xc026 | 0xc028 | 0xc02a => (Aes256Cbc(Sha384), Sha384),
            _ => return None,
        };
        Some(Self { cipher, hash, is_1_3: number >> 8 == 0x13 })
    }

    /// Bytes of the key of the MAC.
    pub(super) fn mac_bytes(self) -> usize {
        match self.cipher {
            Cipher::Aes128Cbc(hash) | Cipher::Aes256Cbc(hash) => hash.bytes(),
            Cipher::Aes128Gcm | Cipher::Aes256Gcm | Cipher::ChaCha => 0,
        }
    }

    /// Bytes of the initialisation vector that comes out of the key derivation.
    pub(super) fn iv_bytes(self) -> usize {
        match self.cipher {
            Cipher::Aes128Gcm | Cipher::Aes256Gcm if self.is_1_3 => 12,
            Cipher::Aes128Gcm | Cipher::Aes256Gcm => 4,
            Cipher::ChaCha => 12,
            // Each record brings its own.
            Cipher::Aes128Cbc(_) | Cipher::Aes256Cbc(_) => 0,
        }
    }
}

impl Cipher {
    pub(super) fn key_bytes(self) -> usize {
        match self {
            Self::Aes128Gcm | Self::Aes128Cbc(_) => 16,
            Self::Aes256Gcm | Self::Aes256Cbc(_) | Self::ChaCha => 32,
        }
    }
}

impl Hash {
    fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }
}
