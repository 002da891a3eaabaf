//! One-time tokens: administrators ask for them, applications deliver them,
//! and whoever has one uses it.
//!
//! A password is reset in three steps:
//!
//! 1. Look for the token, as a counted attempt of its source (`throttle`): one
//!    read, and nothing is hashed for a token that is none.
//! 2. Hash the new password on the worker threads.
//! 3. One step in the store: the token is used up, the password set, the user's
//!    version raised, the log entry written. The entry is applied to this
//!    process's index before the answer.
//!
//! A process that dies before step 3 leaves the token as good as it was; after
//! it, the new password counts, whether anybody had the answer or not.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    audit_lines,
    domain::{
        account::Account,
        audit::{Action, Actor, Event},
        clock::Timestamp,
        error::{AuthError, Fault, FieldViolation, Obstacle, Refusal},
        id::UserId,
        one_time::{Contact, ISSUE_INTERVAL, OneTimeToken, Purpose, Usage},
        password::{InvalidPassword, Password},
        revocation::Revocation,
        throttle::Fingerprint,
    },
    store::port::{
        IssueOneTimeToken, LiveToken, NewOneTimeToken, PresentedToken, ResetPassword, SetPassword,
        VerifyIdentifier,
    },
};

use super::{Administrator, Auth, Caller, new_password::accept_for};

/// A token that was issued. It is shown this once, and stored nowhere.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The token.
    pub token: OneTimeToken,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// A token that could be used when it was looked for.
struct Found {
    digest: Fingerprint,
    account: Account,
    user_version: i64,
    failure: Event,
}

impl Auth {
    /// Issues a token with which the user sets a new password. It is dead when
    /// the password or an identifier changes in any other way, or the sessions
    /// of the user are ended.
    pub async fn create_password_reset_token(
        &self,
        user: UserId,
        admin: &Administrator,
    ) -> Result<Issued, AuthError> {
        self.issue(user, Usage::PasswordReset, admin).await
    }

    /// Issues a token with which the user shows that they read what is sent to
    /// an identifier.
    pub async fn create_verification_token(
        &self,
        user: UserId,
        contact: Contact,
        admin: &Administrator,
    ) -> Result<Issued, AuthError> {
        self.issue(user, Usage::Verification(contact), admin).await
    }

    /// Sets a new password with a token, ends every session, and forgets
    /// failed logins. Gives the revocation's sequence number.
    pub async fn reset_password(
        &self,
        token: &SecretString,
        new: Result<Password, InvalidPassword>,
        caller: &Caller,
    ) -> Result<i64, AuthError> {
        let new = self.check_reset(token, new)?;
        let found = self.present(Purpose::PasswordReset, token, caller).await?;
        let new = self.hash(accept_for(new, &found.account)?, caller).await?;
        let user_id = found.account.id;
        let change = SetPassword {
            user_id,
            new,
            counted_by: self.attempts.counted_by(user_id),
            origin: caller.acting_as(Actor::Bearer),
            entry_id: self.random_uuid()?,
            // Read only now: the hash may have waited.
            now: self.now(),
        };
        let Found { digest, user_version, failure, .. } = found;
        let entry = self.reset_in_store(ResetPassword { digest, user_version, change }).await?;
        entry.map(|entry| entry.seq).ok_or_else(|| refused(&failure))
    }

    /// Notes, with a token, that an identifier is its user's.
    pub async fn verify_identifier(
        &self,
        token: &SecretString,
        caller: &Caller,
    ) -> Result<(), AuthError> {
        if token.expose_secret().is_empty() {
            return Err(AuthError::invalid("token", "must not be empty"));
        }
        let Found { digest, account, failure, .. } =
            self.present(Purpose::Verification, token, caller).await?;
        let origin = caller.acting_as(Actor::Bearer);
        let request = VerifyIdentifier { digest, user_id: account.id, origin, now: self.now() };
        let verified = self.store.verify_identifier(request).await?;
        if verified { Ok(()) } else { Err(refused(&failure)) }
    }

    async fn issue(
        &self,
        user_id: UserId,
        usage: Usage,
        admin: &Administrator,
    ) -> Result<Issued, AuthError> {
        let token = OneTimeToken::generate(usage.purpose(), self.entropy.as_ref())?;
        let context = self.context(admin);
        let lifetime = match usage {
            Usage::PasswordReset => self.policy.reset_lifetime,
            Usage::Verification(_) => self.policy.verification_lifetime,
        };
        let expires_at = context.now.plus(lifetime);
        let new = NewOneTimeToken {
            digest: self.digest(&token),
            user_id,
            usage,
            interval: ISSUE_INTERVAL,
            expires_at,
            context,
        };
        match self.store.issue_one_time_token(new).await? {
            IssueOneTimeToken::Issued => Ok(Issued { token, expires_at }),
            IssueOneTimeToken::NoUser => Err(AuthError::NotFound("user")),
            IssueOneTimeToken::Disabled => {
                Err(AuthError::FailedPrecondition(Obstacle::UserDisabled))
            }
            IssueOneTimeToken::NoIdentifier => Err(AuthError::NotFound("identifier")),
            IssueOneTimeToken::TooSoon(retry_after) => {
                Err(AuthError::IssuedRecently { retry_after })
            }
        }
    }

    /// The rules that need no look at any account, all broken ones at once.
    fn check_reset(
        &self,
        token: &SecretString,
        new: Result<Password, InvalidPassword>,
    ) -> Result<Password, AuthError> {
        let mut violations = Vec::new();
        if token.expose_secret().is_empty() {
            violations.push(FieldViolation::new("token", "must not be empty"));
        }
        match new.and_then(|new| self.accept_new(new)) {
            Ok(new) if violations.is_empty() => return Ok(new),
            Ok(_) => {}
            Err(error) => violations.push(FieldViolation::new("new_password", error.to_string())),
        }
        Err(AuthError::InvalidArgument(violations))
    }

    /// Looks for a token. Whatever is wrong with it, there is one answer.
    async fn present(
        &self,
        purpose: Purpose,
        token: &SecretString,
        caller: &Caller,
    ) -> Result<Found, AuthError> {
        let now = self.now();
        let action = match purpose {
            Purpose::PasswordReset => Action::ResetPassword,
            Purpose::Verification => Action::VerifyIdentifier,
        };
        let failure = Event::new(action, &caller.acting_as(Actor::Anonymous), now);
        let failure = failure.refused("INVALID_ONE_TIME_TOKEN");
        // What has not the form of a token is no guess at one.
        let token = OneTimeToken::parse(purpose, token.expose_secret());
        let digest = self.digest(&token.ok_or_else(|| refused(&failure))?);
        let (store, presented) =
            (Arc::clone(&self.store), PresentedToken { digest: digest.clone(), purpose, now });
        let look = async move { store.one_time_token(presented).await };
        let found = self.attempts.find(caller.ip, &failure, look).await?;
        let LiveToken { account, user_version } = found.ok_or_else(|| refused(&failure))?;
        Ok(Found { digest, account, user_version, failure })
    }

    fn digest(&self, token: &OneTimeToken) -> Fingerprint {
        self.passwords.fingerprint(token.expose())
    }

    /// The step in the store, and what this process must know of it: both in
    /// a task of their own, since a caller that hangs up must not keep the
    /// user's sessions alive here.
    async fn reset_in_store(&self, reset: ResetPassword) -> Result<Option<Revocation>, AuthError> {
        let (store, index) = (Arc::clone(&self.store), Arc::clone(&self.index));
        let step = tokio::spawn(async move {
            let entry = store.reset_password(reset).await?;
            index.apply(&entry);
            Ok(entry)
        });
        let ended = |error| AuthError::internal(Fault::caused_by("a reset ended early", error));
        step.await.map_err(ended)?
    }
}

/// The one answer. Failures are told in lines only: no flood of them shall make
/// the audit log grow.
fn refused(failure: &Event) -> AuthError {
    audit_lines::event(failure);
    AuthError::Unauthenticated(Refusal::InvalidOneTimeToken)
}
