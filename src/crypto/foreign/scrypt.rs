//! scrypt (RFC 7914): `$scrypt$ln=16,r=8,p=1$salt$output`, as the PHC format
//! and passlib have it.

use zeroize::Zeroizing;

use super::{DerivedKey, modular_fields, parameter};
use crate::{
    crypto::cost::ScryptCost,
    domain::{
        error::Fault,
        password::{
            InvalidPasswordHash::{self, Malformed},
            Password,
        },
    },
};

/// An scrypt hash.
pub(in crate::crypto) struct ScryptHash {
    pub(in crate::crypto) cost: ScryptCost,
    pub(in crate::crypto) key: DerivedKey,
}

impl ScryptHash {
    /// Reads the PHC string.
    pub(in crate::crypto) fn parse(text: &str) -> Result<Self, InvalidPasswordHash> {
        let [parameters, salt, output] = modular_fields(text)?;
        let parameters: Vec<_> = parameters.split(',').collect();
        let numbers = match *parameters.as_slice() {
            [ln, r, p] => (parameter(ln, "ln"), parameter(r, "r"), parameter(p, "p")),
            _ => (None, None, None),
        };
        let (Some(log_n), Some(r), Some(p)) = numbers else {
            return Err(Malformed("scrypt has the parameters ln, r and p"));
        };
        let cost = ScryptCost::new(log_n, r, p)?;
        Ok(Self { cost, key: DerivedKey::from_base64(salt, output)? })
    }

    /// What this password gives with the same salt and cost.
    pub(in crate::crypto) fn compute(
        &self,
        password: &Password,
    ) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let fault = |error: &dyn std::fmt::Display| Fault::from(format!("scrypt failed: {error}"));
        let ScryptCost { log_n, r, p } = self.cost;
        let params = ::scrypt::Params::new(log_n, r, p).map_err(|error| fault(&error))?;
        let mut output = Zeroizing::new(vec![0; self.key.output.len()]);
        ::scrypt::scrypt(password.expose(), &self.key.salt, &params, &mut output)
            .map_err(|error| fault(&error))?;
        Ok(output)
    }
}
