//! What an operator sees of a key.

use super::port::KeyPurpose;
use crate::domain::{clock::Timestamp, id::KeyId};

/// What a key does at some instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// It signs.
    Signing,
    /// It is trusted and does not sign yet.
    Standby,
    /// It is trusted and signs no more.
    Retired,
    /// It is not trusted any more; its file may go.
    Expired,
    /// It was revoked; its file may go.
    Revoked,
}

impl KeyState {
    /// The state in one word, for listings and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Standby => "standby",
            Self::Retired => "retired",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// One key, for a listing. Nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Which set it is in.
    pub purpose: KeyPurpose,
    /// The name of its file.
    pub file: String,
    /// Its key id.
    pub kid: KeyId,
    /// The length of its modulus in bits.
    pub bits: usize,
    /// What it does at the instant asked about.
    pub state: KeyState,
    /// From when it signs; `None` for a file whose name is no instant.
    pub signs_from: Option<Timestamp>,
    /// Until when its tokens are trusted; `None` while no later key is
    /// scheduled.
    pub trusted_until: Option<Timestamp>,
}
