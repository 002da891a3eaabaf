//! `Verify` and `BatchVerify`: judge access tokens from memory; and cookies,
//! for gateways.
//!
//! The signature is checked first; only for a token that is truly ours is
//! the exact reason told. State (keys, revocations) is judged on every call.

use std::{fmt, time::Duration};

use crate::{
    crypto::port::KeyPurpose,
    domain::{
        claims::{AccessClaims, UserClaims},
        clock::Timestamp,
        error::{AuthError, Denial, FieldViolation, Refusal},
        policy::Audience,
        revocation::Killed,
        token::{CompactToken, TokenType},
    },
};

use super::{
    Auth,
    index::{Knowledge, Needs},
};

/// The most tokens in one batch.
pub const BATCH_MAX: usize = 100;
/// The most scopes, and the most roles, that one question can require.
pub const REQUIRED_MAX: usize = 64;
const REQUIRED_MAX_LEN: usize = 255;
/// How far ahead of our clock an `iat` may be.
const ISSUED_AHEAD_MAX: Duration = Duration::from_mins(1);

/// A token, and what it must be good for.
#[derive(Clone, Default)]
pub struct Question {
    /// The token.
    pub token: String,
    /// The audience that it must be for; empty for any.
    pub required_audience: String,
    /// Scopes that it must carry, every one.
    pub required_scopes: Vec<String>,
    /// Roles that it must carry, every one.
    pub required_roles: Vec<String>,
    /// How fresh our knowledge must be.
    pub needs: Needs,
}

/// Without the token.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token: _, required_audience, required_scopes, required_roles, needs } = self;
        f.debug_struct("Question")
            .field("required_audience", required_audience)
            .field("required_scopes", required_scopes)
            .field("required_roles", required_roles)
            .field("needs", needs)
            .finish_non_exhaustive()
    }
}

/// The answer to a [`Question`].
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
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Access,
    Cookie,
}

impl Auth {
    /// Judges one access token.
    pub async fn verify(&self, question: &Question) -> Result<Verdict, AuthError> {
        self.verify_kind(question, Kind::Access).await
    }

    /// Judges the cookie of a browser session, which is a credential nowhere
    /// else.
    pub async fn verify_cookie(&self, question: &Question) -> Result<Verdict, AuthError> {
        self.verify_kind(question, Kind::Cookie).await
    }

    async fn verify_kind(&self, question: &Question, kind: Kind) -> Result<Verdict, AuthError> {
        if question.token.is_empty() {
            return Err(AuthError::invalid("token", "must not be empty"));
        }
        check_form(question)?;
        self.index.ready_for(question.needs).await?;
        self.judge(question, kind, self.now())
    }

    /// Judges up to [`BATCH_MAX`] tokens at one moment; the strictest demand
    /// for freshness counts for all.
    pub async fn batch_verify(&self, questions: &[Question]) -> Result<Vec<Verdict>, AuthError> {
        if !(1..=BATCH_MAX).contains(&questions.len()) {
            let rule = format!("must have 1 to {BATCH_MAX} entries");
            return Err(AuthError::invalid("requests", rule));
        }
        questions.iter().try_for_each(check_form)?;
        let needs = questions.iter().fold(Needs::default(), |all, q| all.and(q.needs));
        self.index.ready_for(needs).await?;
        let now = self.now();
        questions.iter().map(|question| self.judge(question, Kind::Access, now)).collect()
    }

    /// The claims of the caller's own access token, a user's or a client's, if
    /// it is active.
    pub async fn authenticate(&self, bearer: Option<&str>) -> Result<AccessClaims, AuthError> {
        let token = bearer.ok_or(AuthError::Unauthenticated(Refusal::MissingToken))?;
        let question = Question { token: token.to_owned(), ..Question::default() };
        let verdict = self.verify(&question).await?;
        let refusal = match (verdict.reason, verdict.claims) {
            (None, Some(claims)) => return Ok(claims.claims),
            (Some(InactiveReason::Expired), _) => Refusal::Expired,
            (Some(InactiveReason::Revoked(_)), _) => Refusal::Revoked,
            (Some(InactiveReason::KeyRevoked), _) => Refusal::KeyRevoked,
            (Some(InactiveReason::WrongType), _) => Refusal::WrongType,
            _ => Refusal::InvalidToken,
        };
        Err(AuthError::Unauthenticated(refusal))
    }

    fn judge(&self, question: &Question, kind: Kind, now: Timestamp) -> Result<Verdict, AuthError> {
        let genuine = self.genuine(&question.token, kind, now);
        self.index.read(|known| {
            let (reason, claims) = match genuine {
                Err(reason) => (Some(reason), None),
                Ok((token, claims)) => {
                    (self.find_fault(question, &token, &claims.claims, known, now), Some(claims))
                }
            };
            Verdict {
                // Without the lifetime in bounds a token could outlive the
                // log entries that kill it: it says nothing that we stand by.
                claims: claims.filter(|_| reason != Some(InactiveReason::Invalid)),
                reason,
                revocation_seq: known.seq(),
                staleness: self.index.age_of(known),
            }
        })
    }

    /// Form, key, signature, kind and claims: is this a token of the wanted
    /// kind that we made?
    fn genuine<'a>(
        &self,
        text: &'a str,
        wanted: Kind,
        now: Timestamp,
    ) -> Result<(CompactToken<'a>, TokenClaims), InactiveReason> {
        let token = CompactToken::parse(text).map_err(|_| InactiveReason::Invalid)?;
        let kind = match (self.keys.check(&token, now), token.token_type) {
            (Some(KeyPurpose::Access), TokenType::Access(t))
                if t == self.policy.access_token_type =>
            {
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
        if claims.issuer != self.policy.issuer || claims.issued_at > now.plus(ISSUED_AHEAD_MAX) {
            return Err(InactiveReason::Invalid);
        }
        let json = String::from_utf8_lossy(token.payload()).into_owned();
        Ok((token, TokenClaims { claims, json }))
    }

    /// What stands against a genuine token now.
    fn find_fault(
        &self,
        question: &Question,
        token: &CompactToken<'_>,
        claims: &AccessClaims,
        known: &Knowledge,
        now: Timestamp,
    ) -> Option<InactiveReason> {
        let lifetime = claims.expires_at.since(claims.issued_at);
        if lifetime > known.max_access_lifetime() {
            return Some(InactiveReason::Invalid);
        }
        if now >= claims.expires_at.plus(self.policy.leeway) {
            return Some(InactiveReason::Expired);
        }
        if let Some(killed) = known.index().kills(claims, &token.kid) {
            let by_key = killed.by_key;
            return Some(if by_key {
                InactiveReason::KeyRevoked
            } else {
                InactiveReason::Revoked(killed)
            });
        }
        missing_requirement(question, claims)
    }
}

/// The user in whose name a call is made that only users can make.
pub(super) fn acting_user(caller: &AccessClaims) -> Result<&UserClaims, AuthError> {
    caller.user().ok_or(AuthError::PermissionDenied(Denial::NotAUser))
}

fn missing_requirement(question: &Question, claims: &AccessClaims) -> Option<InactiveReason> {
    let audience = question.required_audience.as_str();
    let mut scopes = question.required_scopes.iter();
    let mut roles = question.required_roles.iter();
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

/// A token of any shape is a fair question (in a batch, even none: one gap
/// must not cost the other answers). Requirements out of bounds are mistakes
/// of the caller.
fn check_form(question: &Question) -> Result<(), AuthError> {
    let mut violations = Vec::new();
    if question.required_audience.len() > Audience::MAX_LEN {
        let rule = format!("must be at most {} bytes", Audience::MAX_LEN);
        violations.push(FieldViolation::new("required_audience", rule));
    }
    let lists = [
        ("required_scopes", &question.required_scopes),
        ("required_roles", &question.required_roles),
    ];
    for (field, list) in lists {
        let fits = |text: &String| (1..=REQUIRED_MAX_LEN).contains(&text.len());
        if list.len() > REQUIRED_MAX || !list.iter().all(fits) {
            let rule = format!(
                "must have at most {REQUIRED_MAX} entries of 1 to {REQUIRED_MAX_LEN} bytes"
            );
            violations.push(FieldViolation::new(field, rule));
        }
    }
    if question.needs.min_revocation_seq < 0 {
        violations.push(FieldViolation::new("min_revocation_seq", "must not be negative"));
    }
    if violations.is_empty() { Ok(()) } else { Err(AuthError::InvalidArgument(violations)) }
}
