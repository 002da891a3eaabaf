//! `ChangePassword`: a new password, and nothing of before lives but the
//! session that it was changed in, with new tokens.
//!
//! 1. Check the form, and the refresh token if there is one: it must be of
//!    the session of the caller's access token.
//! 2. Read the credentials, check the current password and hash the new one
//!    on the worker threads.
//! 3. One step in the store: hash, user version, session and log entry,
//!    provided that all is still what it was in step 2.
//! 4. The entry is applied to this process's index. Sign, and answer.
//!
//! A process that dies after step 3 leaves a session whose tokens nobody has;
//! one that dies before leaves nothing. A caller without an answer does not
//! know which: one of the two passwords opens a new session.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    domain::{
        account::Account,
        audit::{Action, Actor, Event, Origin},
        claims::{AccessClaims, RefreshClaims, UserClaims},
        error::{AuthError, Fault, FieldViolation, Refusal},
        id::SessionId,
        password::{InvalidPassword, Password, PasswordHash},
        policy::ClientPolicy,
        session::Session,
    },
    store::port::{ChangePassword, PasswordChanged},
};

use super::{
    Auth, Caller,
    new_password::accept_for,
    throttle::{Guess, Subjects, user_counted},
    tokens::TokenPair,
    verify::acting_user,
};

/// How often the current password is checked, should its hash be made anew
/// beside it. After once it has the configured parameters.
const ATTEMPTS: usize = 3;

/// A change that a user asks for; nothing of it is checked yet.
#[derive(Debug)]
pub struct ChangePasswordRequest {
    /// The password in use; `Err` names the rule it breaks.
    pub current: Result<Password, InvalidPassword>,
    /// The one to come; `Err` names the rule it breaks.
    pub new: Result<Password, InvalidPassword>,
    /// The session's refresh token, if it is to have one afterwards.
    pub refresh_token: Option<SecretString>,
}

/// What is left after a change.
#[derive(Clone, Debug)]
pub struct ChangedPassword {
    /// The session's new tokens.
    pub tokens: TokenPair,
    /// The session.
    pub session_id: SessionId,
    /// The revocation that ended all others.
    pub revocation_seq: i64,
}

/// Whose password is changed, in which session, and who asks.
struct Change<'a> {
    claims: &'a AccessClaims,
    user: &'a UserClaims,
    refresh: Option<&'a RefreshClaims>,
    client: &'a ClientPolicy,
    caller: &'a Caller,
    origin: Origin,
}

impl Auth {
    /// Changes the password of the user whose access token the caller has. A
    /// wrong password is answered on the time grid of refused logins.
    pub async fn change_password(
        &self,
        claims: &AccessClaims,
        request: ChangePasswordRequest,
        caller: &Caller,
    ) -> Result<ChangedPassword, AuthError> {
        let began = self.clock.monotonic();
        let result = self.try_change_password(claims, request, caller).await;
        if let Err(AuthError::Unauthenticated(Refusal::InvalidCredentials)) = result {
            self.wait_for_grid(began).await;
        }
        result
    }

    async fn try_change_password(
        &self,
        claims: &AccessClaims,
        request: ChangePasswordRequest,
        caller: &Caller,
    ) -> Result<ChangedPassword, AuthError> {
        let user = acting_user(claims)?;
        let (current, new) = self.check_passwords(request.current, request.new)?;
        let refresh = match &request.refresh_token {
            Some(token) => Some(self.check_own_refresh_token(token, claims, user)?),
            None => None,
        };
        // A client that is no more is none to go on with.
        let client = self.login_client(claims.client_id.as_str()).await;
        let (_, client) = client.map_err(|error| match error {
            AuthError::InvalidArgument(_) => AuthError::Unauthenticated(Refusal::Revoked),
            other => other,
        })?;
        let change = Change {
            claims,
            user,
            refresh: refresh.as_ref(),
            client: &client,
            caller,
            origin: caller.acting_as(Actor::User(user.id)),
        };
        let (session, account, revocation_seq) = self.settle(&change, &current, new).await?;
        let tokens =
            self.mint_generation(&client.lifetimes, &session, &account, refresh.is_some()).await?;
        Ok(ChangedPassword { tokens, session_id: session.id, revocation_seq })
    }

    /// Checks the current password and changes it, once more if its hash was
    /// made anew in between.
    async fn settle(
        &self,
        change: &Change<'_>,
        current: &Password,
        new: Password,
    ) -> Result<(Session, Account, i64), AuthError> {
        for _ in 0..ATTEMPTS {
            let (checked, account) = self.check_current(change, current).await?;
            let new = self.hash(accept_for(new.clone(), &account)?, change.caller).await?;
            let request = self.change(change, checked, new)?;
            match self.change_in_store(request).await? {
                PasswordChanged::Changed { session, account, revocation } => {
                    return Ok((session, account, revocation.seq));
                }
                PasswordChanged::Rehashed => {}
                PasswordChanged::Refused(refusal) | PasswordChanged::Ended { refusal, .. } => {
                    return Err(AuthError::Unauthenticated(refusal));
                }
            }
        }
        Err(AuthError::internal("a password was hashed anew too often to change it"))
    }

    /// The rules that need no look at any account, all broken ones at once.
    fn check_passwords(
        &self,
        current: Result<Password, InvalidPassword>,
        new: Result<Password, InvalidPassword>,
    ) -> Result<(Password, Password), AuthError> {
        let mut violations = Vec::new();
        let new = new.and_then(|new| self.accept_new(new));
        let new = match &current {
            Ok(current) => new.and_then(|new| new.accept_instead_of(current)),
            Err(_) => new,
        };
        for (field, password) in [("current_password", &current), ("new_password", &new)] {
            if let Err(error) = password {
                violations.push(FieldViolation::new(field, error.to_string()));
            }
        }
        match (current, new) {
            (Ok(current), Ok(new)) => Ok((current, new)),
            _ => Err(AuthError::InvalidArgument(violations)),
        }
    }

    fn check_own_refresh_token(
        &self,
        token: &SecretString,
        claims: &AccessClaims,
        user: &UserClaims,
    ) -> Result<RefreshClaims, AuthError> {
        let refresh = self.check_refresh_token(token.expose_secret(), self.now())?;
        let its = (refresh.session_id, refresh.subject, &refresh.client_id);
        if its != (user.session_id, user.id, &claims.client_id) {
            let rule = "must be of the same session as the access token";
            return Err(AuthError::invalid("refresh_token", rule));
        }
        Ok(refresh)
    }

    /// The hash that the current password matches, and whose it is.
    async fn check_current(
        &self,
        change: &Change<'_>,
        current: &Password,
    ) -> Result<(PasswordHash, Account), AuthError> {
        let Change { claims, user, .. } = change;
        let place = self.place(change.caller)?;
        // What the store knows may be newer than what this process knows of
        // the log: a disabled user's token is none.
        let found = self.store.credentials_of(user.id).await?;
        let found = found.filter(|credentials| {
            let account = &credentials.account;
            account.disabled_at.is_none() && account.version == claims.user_version
        });
        let credentials = found.ok_or(AuthError::Unauthenticated(Refusal::Revoked))?;
        let stored = credentials.password_hash;
        // Whoever stole an access token guesses as slowly as at the login.
        let subjects = Subjects { account: &user_counted(user.id), source: None };
        let failure = Event::new(Action::ChangePassword, &change.origin, self.now())
            .refused("WRONG_PASSWORD")
            .user(user.id)
            .session(user.session_id)
            .client(claims.client_id.clone());
        let guess = Guess {
            password: current.clone(),
            stored: stored.clone(),
            enabled: true,
            place,
            failure,
        };
        let check = self.attempts.check(subjects, guess).await?;
        let wrong = AuthError::Unauthenticated(Refusal::InvalidCredentials);
        let checked = stored.filter(|_| check.matches).ok_or(wrong)?;
        Ok((checked, credentials.account))
    }

    fn change(
        &self,
        change: &Change<'_>,
        checked: PasswordHash,
        new: PasswordHash,
    ) -> Result<ChangePassword, AuthError> {
        let Change { claims, user, refresh, client, origin, .. } = change;
        // Read only now: the hashes may have waited.
        let now = self.now();
        let ends_with_access_token = refresh.is_none();
        let session_end = now.plus(client.lifetimes.access).floor_to_second();
        Ok(ChangePassword {
            user_id: user.id,
            checked,
            new,
            session_id: user.session_id,
            client_id: claims.client_id.clone(),
            // A refresh token of before the last change is none, beside
            // whatever access token.
            user_version: refresh.map_or(claims.user_version, |refresh| {
                refresh.user_version.min(claims.user_version)
            }),
            generation: refresh.map(|refresh| refresh.generation),
            replay_window: self.policy.replay_window,
            idle: client.lifetimes.idle.filter(|_| !ends_with_access_token),
            session_end: ends_with_access_token.then_some(session_end),
            origin: origin.clone(),
            entry_id: self.random_uuid()?,
            now,
        })
    }

    /// The step in the store, and what this process must know of it: both in
    /// a task of their own, since a caller that hangs up must not keep the
    /// others alive here, nor silence an alarm.
    async fn change_in_store(&self, change: ChangePassword) -> Result<PasswordChanged, AuthError> {
        let (store, index) = (Arc::clone(&self.store), Arc::clone(&self.index));
        let (session, user) = (change.session_id, change.user_id);
        let step = tokio::spawn(async move {
            let outcome = store.change_password(change).await?;
            match &outcome {
                PasswordChanged::Changed { revocation, .. } => index.apply([revocation]),
                PasswordChanged::Ended { refusal, revocation } => {
                    index.apply([revocation]);
                    tracing::warn!(%session, %user, %refusal, "refresh token misused; session revoked");
                }
                PasswordChanged::Rehashed | PasswordChanged::Refused(_) => {}
            }
            Ok(outcome)
        });
        let ended = |error| {
            AuthError::internal(Fault::caused_by("the change of a password ended early", error))
        };
        step.await.map_err(ended)?
    }
}
