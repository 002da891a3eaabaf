//! Password hashes that other programs have made, one file per family. They
//! are only ever checked; the first login with the right password replaces
//! them by ours.

pub(super) mod bcrypt;
pub(super) mod pbkdf2;
pub(super) mod scrypt;
#[cfg(test)]
mod tests;
pub(super) mod werkzeug;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use zeroize::Zeroizing;

use super::phc::OUTPUT_MIN_LEN;
use crate::domain::password::InvalidPasswordHash::{self, Malformed};

/// The longest output, in bytes: what scrypt has in Werkzeug's spelling, and
/// SHA-512 gives.
const OUTPUT_MAX_LEN: usize = 64;

/// The longest salt, in bytes. Real ones have 8 to 32.
const SALT_MAX_LEN: usize = 128;

/// What a key derivation took and what it gave.
pub(super) struct DerivedKey {
    pub(super) salt: Vec<u8>,
    pub(super) output: Zeroizing<Vec<u8>>,
}

impl DerivedKey {
    fn new(salt: Vec<u8>, output: Vec<u8>) -> Result<Self, InvalidPasswordHash> {
        let output = Zeroizing::new(output);
        if !(1..=SALT_MAX_LEN).contains(&salt.len()) {
            return Err(Malformed("its salt must have 1 to 128 bytes"));
        }
        if !(OUTPUT_MIN_LEN..=OUTPUT_MAX_LEN).contains(&output.len()) {
            return Err(Malformed("its output must have 16 to 64 bytes"));
        }
        Ok(Self { salt, output })
    }

    /// Takes both from base64 without padding; passlib writes `.` for `+`.
    fn from_base64(salt: &str, output: &str) -> Result<Self, InvalidPasswordHash> {
        let decoded = |text: &str| {
            let text = Zeroizing::new(text.replace('.', "+"));
            STANDARD_NO_PAD.decode(&*text).map_err(|_| Malformed("its salt or output is no base64"))
        };
        Self::new(decoded(salt)?, decoded(output)?)
    }
}

/// The fields of `$name$parameters$salt$output`, without the name.
fn modular_fields(text: &str) -> Result<[&str; 3], InvalidPasswordHash> {
    let fields: Vec<_> = text.split('$').collect();
    match *fields.as_slice() {
        ["", _, parameters, salt, output] => Ok([parameters, salt, output]),
        _ => Err(Malformed("it must have a name, parameters, a salt and an output")),
    }
}

/// A number as it is written: digits, without a sign or leading zeros.
fn decimal(text: &str) -> Option<u32> {
    let is_plain =
        text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

/// The number of a parameter `name=number`.
fn parameter(text: &str, name: &str) -> Option<u32> {
    decimal(text.strip_prefix(name)?.strip_prefix('=')?)
}
