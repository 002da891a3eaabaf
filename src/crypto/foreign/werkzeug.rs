//! The two formats of Werkzeug (`generate_password_hash`, and with it Flask):
//! `scrypt:N:r:p$salt$hex` and `pbkdf2:digest:iterations$salt$hex`.
//!
//! The salt is the text itself. Older hashes leave the numbers out, and mean
//! what their version of Werkzeug had as a default; those are not taken.

use super::{
    DerivedKey, decimal,
    pbkdf2::{Digest, Pbkdf2Hash},
    scrypt::ScryptHash,
};
use crate::{
    crypto::{cost::ScryptCost, stored_hash::StoredHash},
    domain::password::InvalidPasswordHash::{self, Malformed, OutOfBounds, Unsupported},
};

/// Reads either format.
pub(in crate::crypto) fn parse(text: &str) -> Result<StoredHash, InvalidPasswordHash> {
    let method = text.split('$').next().unwrap_or_default();
    let method: Vec<_> = method.split(':').collect();
    match *method.as_slice() {
        ["scrypt", n, r, p] => {
            let cost = scrypt_cost(n, r, p)?;
            Ok(StoredHash::Scrypt(ScryptHash { cost, key: key(text)? }))
        }
        ["pbkdf2", digest, iterations] => {
            let digest = match digest {
                "sha1" => Digest::Sha1,
                "sha256" => Digest::Sha256,
                "sha512" => Digest::Sha512,
                _ => return Err(Unsupported),
            };
            let iterations = decimal(iterations);
            let iterations = iterations.ok_or(Malformed("its iterations are not a number"))?;
            Pbkdf2Hash::new(digest, iterations, key(text)?).map(StoredHash::Pbkdf2)
        }
        ["scrypt"] | ["pbkdf2", ..] => Err(Malformed("its method must name its cost")),
        _ => Err(Unsupported),
    }
}

fn scrypt_cost(n: &str, r: &str, p: &str) -> Result<ScryptCost, InvalidPasswordHash> {
    let (Some(n), Some(r), Some(p)) = (decimal(n), decimal(r), decimal(p)) else {
        return Err(Malformed("scrypt's N, r and p must be numbers"));
    };
    if !n.is_power_of_two() {
        return Err(OutOfBounds("scrypt's N must be a power of two".to_owned()));
    }
    ScryptCost::new(n.trailing_zeros(), r, p)
}

fn key(text: &str) -> Result<DerivedKey, InvalidPasswordHash> {
    let fields: Vec<_> = text.split('$').collect();
    let [_, salt, output] = *fields.as_slice() else {
        return Err(Malformed("it must have a method, a salt and an output"));
    };
    let output = from_hex(output).ok_or(Malformed("its output must be hexadecimal"))?;
    DerivedKey::new(salt.as_bytes().to_vec(), output)
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    let byte = |pair: &[u8]| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect()
}
