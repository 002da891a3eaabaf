//! Claims that the operator adds to access tokens, for each audience: fixed
//! values, and texts with placeholders (`{user.id}`).
//!
//! All is parsed and bounded when the configuration is read. Rendering takes
//! nothing but the account and the token's own claims, and gives the claims in
//! the order of their names: the same bytes on every replica of the same
//! settings.

mod template;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    account::Account,
    claims::{AccessClaims, is_reserved},
};

use template::{Facts, Template};

/// The most claims that one audience can have.
pub const MAX_COUNT: usize = 32;
/// The longest name, in bytes. A URL fits (RFC 7519 section 4.2).
pub const NAME_MAX_LEN: usize = 128;
/// The most bytes of JSON that the claims of one audience, and those of all
/// audiences of one client together, may have as configured. With a key of
/// 4096 bits that leaves a quarter of a token for everything else.
pub const MAX_LEN: usize = 4096;

/// The custom claims of one audience.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomClaims {
    claims: BTreeMap<String, Template>,
    /// Bytes of JSON, as configured.
    len: usize,
}

/// Custom claims that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClaims {
    /// One of them breaks a rule.
    #[error("{name:?} {rule}")]
    Claim {
        /// Its name.
        name: String,
        /// The rule, as the end of a sentence.
        rule: String,
    },
    /// There are too many for one audience.
    #[error("there are more than {MAX_COUNT} custom claims")]
    TooMany,
    /// They are too long, alone or together.
    #[error("the custom claims have {0} bytes of JSON, more than {MAX_LEN}")]
    TooLong(usize),
    /// One token cannot say both.
    #[error("the custom claim {0:?} is defined differently for two audiences of one token")]
    Contradiction(String),
}

impl CustomClaims {
    /// Parses the claims of an audience. Every broken rule is told.
    pub fn parse(raw: &Map<String, Value>) -> Result<Self, Vec<InvalidClaims>> {
        let (mut claims, mut invalid) = (BTreeMap::new(), Vec::new());
        for (name, value) in raw {
            match parse_claim(name, value) {
                Ok(template) => drop(claims.insert(name.clone(), template)),
                Err(rule) => invalid.push(InvalidClaims::Claim { name: name.clone(), rule }),
            }
        }
        if raw.len() > MAX_COUNT {
            invalid.push(InvalidClaims::TooMany);
        }
        let len = json!(raw).to_string().len();
        invalid.extend(check_len(len).err());
        if invalid.is_empty() { Ok(Self { claims, len }) } else { Err(invalid) }
    }
}

/// Could one token be for all of these audiences?
pub fn check_together(audiences: &[&CustomClaims]) -> Result<(), InvalidClaims> {
    check_len(audiences.iter().map(|audience| audience.len).sum())?;
    join(audiences).map(|_| ())
}

/// The custom claims of a token for these audiences, beside its own `claims`.
/// What the account does not have is left out: the claim, or the entry of the
/// table or list that it would stand in. So is all of users and sessions in the
/// token of a client, which has no account.
pub fn render(
    audiences: &[&CustomClaims],
    account: Option<&Account>,
    claims: &AccessClaims,
) -> Result<Map<String, Value>, InvalidClaims> {
    let facts = Facts { account, claims };
    Ok(facts.table(join(audiences)?))
}

/// The claims of all, each name once.
fn join<'a>(
    audiences: &[&'a CustomClaims],
) -> Result<BTreeMap<&'a String, &'a Template>, InvalidClaims> {
    let mut joined = BTreeMap::new();
    for (name, template) in audiences.iter().flat_map(|audience| &audience.claims) {
        let other = joined.insert(name, template);
        if other.is_some_and(|other| other != template) {
            return Err(InvalidClaims::Contradiction(name.clone()));
        }
    }
    Ok(joined)
}

fn parse_claim(name: &str, value: &Value) -> Result<Template, String> {
    check_name(name)?;
    if is_reserved(name) {
        return Err("is reserved, in any case of letters".to_owned());
    }
    Template::parse(value)
}

/// Only ASCII is accepted, so that no Unicode folding can make a reserved
/// name of another.
fn check_name(name: &str) -> Result<(), String> {
    let fits = (1..=NAME_MAX_LEN).contains(&name.len());
    if fits && name.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(format!("must be a name of 1 to {NAME_MAX_LEN} printable ASCII characters"))
    }
}

fn check_len(len: usize) -> Result<(), InvalidClaims> {
    if len > MAX_LEN { Err(InvalidClaims::TooLong(len)) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
