//! `Verify` and `BatchVerify`: judge access tokens from memory; and cookies,
//! for gateways.
//!
//! The rules are [`crate::domain::verdict`]'s. State (keys, revocations) is
//! judged on every call.

use std::fmt;

pub use crate::domain::verdict::{InactiveReason, TokenClaims, Verdict};
use crate::domain::{
    claims::{AccessClaims, UserClaims},
    clock::Timestamp,
    error::{AuthError, Denial, FieldViolation, Refusal},
    verdict::{Kind, Known, Requirements},
};

use super::{Auth, index::Needs};

/// The most tokens in one batch.
pub const BATCH_MAX: usize = 100;

/// A token, and what it must be good for.
#[derive(Clone, Default)]
pub struct Question {
    /// The token.
    pub token: String,
    /// What it must be good for.
    pub requirements: Requirements,
    /// How fresh our knowledge must be.
    pub needs: Needs,
}

/// Without the token.
impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token: _, requirements, needs } = self;
        f.debug_struct("Question")
            .field("requirements", requirements)
            .field("needs", needs)
            .finish_non_exhaustive()
    }
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
        let rules = self.policy.token_rules();
        let found = rules.genuine(&question.token, kind, now, |token| self.keys.check(token, now));
        self.index.read(|known| {
            let known = Known {
                index: known.index(),
                seq: known.seq(),
                age: self.index.age_of(known),
                max_access_lifetime: known.max_access_lifetime(),
            };
            rules.judge(found, &question.requirements, known, now)
        })
    }
}

/// The user in whose name a call is made that only users can make.
pub(super) fn acting_user(caller: &AccessClaims) -> Result<&UserClaims, AuthError> {
    caller.user().ok_or(AuthError::PermissionDenied(Denial::NotAUser))
}

/// A token of any shape is a fair question (in a batch, even none: one gap
/// must not cost the other answers). Requirements out of bounds are mistakes
/// of the caller.
fn check_form(question: &Question) -> Result<(), AuthError> {
    let mut violations = question.requirements.violations();
    if question.needs.min_revocation_seq < 0 {
        violations.push(FieldViolation::new("min_revocation_seq", "must not be negative"));
    }
    if violations.is_empty() { Ok(()) } else { Err(AuthError::InvalidArgument(violations)) }
}
