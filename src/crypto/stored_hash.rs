//! A stored hash of any kind that is understood, told apart by its name.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::{
    cost::TEXT_MAX_LEN,
    foreign::{bcrypt::BcryptHash, pbkdf2::Pbkdf2Hash, scrypt::ScryptHash, werkzeug},
    hash_memory::HashMemory,
    phc::Argon2Hash,
};
use crate::domain::{
    error::Fault,
    password::{
        InvalidPasswordHash::{self, Malformed, Unsupported},
        Password,
    },
};

/// A hash whose cost is within bounds.
pub(super) enum StoredHash {
    Argon2(Argon2Hash),
    Bcrypt(BcryptHash),
    Scrypt(ScryptHash),
    Pbkdf2(Pbkdf2Hash),
}

impl StoredHash {
    /// Reads a stored hash, and computes nothing. What is refused is described
    /// without showing the hash.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidPasswordHash> {
        if text.len() > TEXT_MAX_LEN {
            return Err(Malformed("it has more than 512 bytes"));
        }
        let Some(modular) = text.strip_prefix('$') else { return werkzeug::parse(text) };
        match modular.split('$').next() {
            Some("argon2id" | "argon2i") => Argon2Hash::parse(text).map(Self::Argon2),
            Some("2a" | "2b" | "2y") => BcryptHash::parse(text).map(Self::Bcrypt),
            Some("scrypt") => ScryptHash::parse(text).map(Self::Scrypt),
            Some("pbkdf2-sha256" | "pbkdf2-sha512") => Pbkdf2Hash::parse(text).map(Self::Pbkdf2),
            _ => Err(Unsupported),
        }
    }

    /// The memory that checking it takes, in bytes. What bcrypt and PBKDF2
    /// need is not worth counting.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Argon2(hash) => hash.params.memory(),
            Self::Scrypt(hash) => hash.cost.memory(),
            Self::Bcrypt(_) | Self::Pbkdf2(_) => 0,
        }
    }

    /// Is it the hash of this password? Takes as long for a wrong one.
    pub(super) fn matches(
        &self,
        password: &Password,
        memory: &mut HashMemory,
    ) -> Result<bool, Fault> {
        let (computed, stored) = match self {
            Self::Argon2(hash) => (hash.compute(password, memory)?, &hash.output),
            Self::Bcrypt(hash) => (hash.compute(password), &hash.output),
            Self::Scrypt(hash) => (hash.compute(password)?, &hash.key.output),
            Self::Pbkdf2(hash) => (hash.compute(password), &hash.key.output),
        };
        let is_equal = verify_slices_are_equal(&computed, stored).is_ok();
        Ok(is_equal && !self.is_blind_to(password))
    }

    /// Would the algorithm take other passwords for this one?
    fn is_blind_to(&self, password: &Password) -> bool {
        // bcrypt repeats the password with a NUL after it until 72 bytes are
        // full, so "a" and "a\0a" have one hash; C libraries stop at the NUL.
        matches!(self, Self::Bcrypt(_)) && password.expose().contains(&0)
    }
}
