//! bcrypt: `$2b$12$` and 53 characters.
//!
//! `$2a$` and `$2y$` are the same algorithm: the letters tell apart defects of
//! old libraries, which right hashes do not have. `$2x$` marks a hash that has
//! one, and is not taken.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use crate::{
    crypto::cost::BcryptCost,
    domain::password::{
        InvalidPasswordHash::{self, Malformed},
        Password,
    },
};

/// What bcrypt sees of a password and the NUL after it; the rest of a longer
/// one never counted.
const PASSWORD_LEN: usize = 72;

/// Bytes of output that are written down: one of the 24 is left out.
const OUTPUT_LEN: usize = 23;

/// Some libraries leave garbage in the bits that are too many.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::BCRYPT,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

/// A bcrypt hash.
pub(in crate::crypto) struct BcryptHash {
    cost: BcryptCost,
    salt: [u8; 16],
    pub(in crate::crypto) output: Zeroizing<Vec<u8>>,
}

impl BcryptHash {
    /// Reads `$2?$NN$`, 22 characters of salt and 31 of output.
    pub(in crate::crypto) fn parse(text: &str) -> Result<Self, InvalidPasswordHash> {
        let fields: Vec<_> = text.split('$').collect();
        let ["", _, cost, rest] = *fields.as_slice() else {
            return Err(Malformed("bcrypt has a version, a cost, and salt and output in one"));
        };
        let is_cost = cost.len() == 2 && cost.bytes().all(|b| b.is_ascii_digit());
        let cost = cost.parse().ok().filter(|_| is_cost);
        let cost = BcryptCost::new(cost.ok_or(Malformed("bcrypt's cost has two digits"))?)?;
        let (salt, output) =
            rest.split_at_checked(22).ok_or(Malformed("bcrypt's salt has 22 characters"))?;
        let decoded =
            |text| BASE64.decode(text).map_err(|_| Malformed("it is no base64 of bcrypt"));
        let output = Zeroizing::new(decoded(output)?);
        if output.len() != OUTPUT_LEN {
            return Err(Malformed("bcrypt's output has 31 characters"));
        }
        let salt = decoded(salt)?.try_into();
        Ok(Self { cost, salt: salt.map_err(|_| Malformed("bcrypt's salt has 16 bytes"))?, output })
    }

    /// What this password gives with the same salt and cost, as bcrypt always
    /// did it: of the first 72 bytes.
    pub(in crate::crypto) fn compute(&self, password: &Password) -> Zeroizing<Vec<u8>> {
        let seen = password.expose().iter().copied().chain([0]).take(PASSWORD_LEN);
        let seen: Zeroizing<Vec<u8>> = Zeroizing::new(seen.collect());
        let output = Zeroizing::new(::bcrypt::bcrypt(self.cost.get(), self.salt, &seen));
        Zeroizing::new(output.iter().copied().take(OUTPUT_LEN).collect())
    }
}
