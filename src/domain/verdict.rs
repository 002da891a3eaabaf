//! What stands against an access token: one body of rules for the server and
//! for services that verify by themselves.
//!
//! The signature is checked first; only for a token that is truly ours is
//! the exact reason told. What is known of keys and revocations is handed in.

use std::time::Duration;

use super::{
    claims::AccessClaims,
    clock::Timestamp,
    error::FieldViolation,
    id::KeyId,
    keys::KeyPurpose,
    policy::Audience,
    revocation::{Killed, RevocationIndex},
    token::{AccessTokenType, CompactToken, TokenType},
};

/// The most scopes, and the most roles, that can be required at a time.
pub const REQUIRED_MAX: usize = 64;
const REQUIRED_MAX_LEN: usize = 255;
/// How far ahead of our clock an `iat` may be.
const ISSUED_AHEAD_MAX: Duration = Duration::from_mins(1);

/// What a token must be good for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// The audience that it must be for; empty for any.
    pub audience: String,
    /// Scopes that it must carry, every one.
    pub scopes: Vec<String>,
    /// Roles that it must carry, every one.
    pub roles: Vec<String>,
}

/// What was found out about a token.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// `None`: the token is active.
    pub reason: Option<InactiveReason>,
    /// What the token says, if it is ours and of a kind that may be told.
    pub claims: Option<TokenClaims>,
    /// The newest revocation that was taken into account.
    pub revocation_seq: i64,
    /// How old that knowledge is.
    pub staleness: Duration,
}

/// Claims whose signature was checked.
#[derive(Clone, Debug)]
pub struct TokenClaims {
    /// As read.
    pub claims: AccessClaims,
    /// As signed.
    pub json: String,
}

/// Why a token is not active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InactiveReason {
    /// Not a token of ours.
    Invalid,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked(Killed),
    /// It is for others.
    WrongAudience,
    /// A required scope is missing.
    MissingScope,
    /// A required role is missing.
    MissingRole,
    /// It is of another kind.
    WrongType,
    /// Its key was revoked.
    KeyRevoked,
}

/// Which kind of token is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// For resource servers.
    Access,
    /// A browser session's, which is a credential nowhere else.
    Cookie,
}

/// What the issuer's configuration says of every token.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Its URL, the `iss` claim.
    pub issuer: &'a str,
    /// The `typ` header of access tokens.
    pub access_token_type: AccessTokenType,
    /// How far past its expiry a token is still accepted.
    pub leeway: Duration,
}

/// What is known of revocations when a token is judged.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The entries.
    pub index: &'a RevocationIndex,
    /// The newest entry that is known with all before it.
    pub seq: i64,
    /// How old that is.
    pub age: Duration,
    /// The longest that an access token may live.
    pub max_access_lifetime: Duration,
}

/// A token that we made. Whether it is active is another question.
#[derive(Clone, Debug)]
pub struct Genuine {
    kid: KeyId,
    claims: TokenClaims,
}

impl Rules<'_> {
    /// Form, key, signature, kind and claims: is this a token of the wanted
    /// kind that we made? `check` says whose signature it has, if that is a
    /// good one of a key that is trusted.
    pub fn genuine(
        &self,
        text: &str,
        wanted: Kind,
        now: Timestamp,
        check: impl FnOnce(&CompactToken<'_>) -> Option<KeyPurpose>,
    ) -> Result<Genuine, InactiveReason> {
        let token = CompactToken::parse(text).map_err(|_| InactiveReason::Invalid)?;
        let kind = match (check(&token), token.token_type) {
            (Some(KeyPurpose::Access), TokenType::Access(t)) if t == self.access_token_type => {
                Kind::Access
            }
            (Some(KeyPurpose::Refresh), TokenType::Cookie) => Kind::Cookie,
            (Some(KeyPurpose::Refresh), TokenType::Refresh) => {
                return Err(InactiveReason::WrongType);
            }
            _ => return Err(InactiveReason::Invalid),
        };
        if kind != wanted {
            return Err(InactiveReason::WrongType);
        }
        let claims = match kind {
            Kind::Access => AccessClaims::parse(token.payload()),
            Kind::Cookie => AccessClaims::parse_cookie(token.payload()),
        };
        let claims = claims.map_err(|_| InactiveReason::Invalid)?;
        if claims.issuer != self.issuer || claims.issued_at > now.plus(ISSUED_AHEAD_MAX) {
            return Err(InactiveReason::Invalid);
        }
        let json = String::from_utf8_lossy(token.payload()).into_owned();
        Ok(Genuine { kid: token.kid, claims: TokenClaims { claims, json } })
    }

    /// The verdict on what [`Self::genuine`] has found.
    pub fn judge(
        &self,
        found: Result<Genuine, InactiveReason>,
        requirements: &Requirements,
        known: Known<'_>,
        now: Timestamp,
    ) -> Verdict {
        let (reason, claims) = match found {
            Err(reason) => (Some(reason), None),
            Ok(genuine) => {
                (self.find_fault(&genuine, requirements, known, now), Some(genuine.claims))
            }
        };
        Verdict {
            // Without the lifetime in bounds a token could outlive the
            // log entries that kill it: it says nothing that we stand by.
            claims: claims.filter(|_| reason != Some(InactiveReason::Invalid)),
            reason,
            revocation_seq: known.seq,
            staleness: known.age,
        }
    }

    /// What stands against a genuine token now.
    fn find_fault(
        &self,
        genuine: &Genuine,
        requirements: &Requirements,
        known: Known<'_>,
        now: Timestamp,
    ) -> Option<InactiveReason> {
        let claims = &genuine.claims.claims;
        let lifetime = claims.expires_at.since(claims.issued_at);
        if lifetime > known.max_access_lifetime {
            return Some(InactiveReason::Invalid);
        }
        if now >= claims.expires_at.plus(self.leeway) {
            return Some(InactiveReason::Expired);
        }
        if let Some(killed) = known.index.kills(claims, &genuine.kid) {
            let by_key = killed.by_key;
            return Some(if by_key {
                InactiveReason::KeyRevoked
            } else {
                InactiveReason::Revoked(killed)
            });
        }
        requirements.missing_in(claims)
    }
}

impl Requirements {
    /// Every bound that they break, as the fields of a `Verify` request.
    pub fn violations(&self) -> Vec<FieldViolation> {
        let mut violations = Vec::new();
        if self.audience.len() > Audience::MAX_LEN {
            let rule = format!("must be at most {} bytes", Audience::MAX_LEN);
            violations.push(FieldViolation::new("required_audience", rule));
        }
        let lists = [("required_scopes", &self.scopes), ("required_roles", &self.roles)];
        for (field, list) in lists {
            let fits = |text: &String| (1..=REQUIRED_MAX_LEN).contains(&text.len());
            if list.len() > REQUIRED_MAX || !list.iter().all(fits) {
                let rule = format!(
                    "must have at most {REQUIRED_MAX} entries of 1 to {REQUIRED_MAX_LEN} bytes"
                );
                violations.push(FieldViolation::new(field, rule));
            }
        }
        violations
    }

    fn missing_in(&self, claims: &AccessClaims) -> Option<InactiveReason> {
        let audience = self.audience.as_str();
        let mut scopes = self.scopes.iter();
        let mut roles = self.roles.iter();
        if !audience.is_empty() && !claims.audience.iter().any(|own| own.as_str() == audience) {
            Some(InactiveReason::WrongAudience)
        } else if !scopes.all(|scope| claims.scopes.contains(scope)) {
            Some(InactiveReason::MissingScope)
        } else if !roles.all(|role| claims.roles().iter().any(|own| own.as_str() == role)) {
            Some(InactiveReason::MissingRole)
        } else {
            None
        }
    }
}
