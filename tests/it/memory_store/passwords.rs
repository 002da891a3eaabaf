//! Changes of passwords.

use tokenward::{
    domain::{
        audit::Action,
        error::Refusal,
        id::UserId,
        one_time::Purpose,
        password::PasswordHash,
        revocation::{Reason, Revocation},
        session::{Judgement, Standing, judge},
        throttle::Kind,
    },
    store::port::{ChangePassword, PasswordChanged, ResetPassword, SetPassword, StoreError},
};

use super::{Bug, one_time::Used, state::State};

impl State {
    pub(super) fn change_password(
        &mut self,
        request: &ChangePassword,
    ) -> Result<PasswordChanged, StoreError> {
        let Some(standing) = self.standing(request.session_id) else {
            return Ok(PasswordChanged::Refused(Refusal::SessionExpired));
        };
        if standing.session.user_id != request.user_id {
            return Ok(PasswordChanged::Refused(Refusal::InvalidToken));
        }
        let checked = self.users.get(&request.user_id).filter(|user| {
            user.account.disabled_at.is_none()
                && user.account.version == request.user_version
                && user.has_hash(&request.checked)
        });
        match judge(Some(&standing), &request.presented(&standing.session)) {
            Judgement::Refuse(refusal) => Ok(PasswordChanged::Refused(refusal)),
            Judgement::Reused => self.misused_for_password(request, Refusal::Reused),
            Judgement::RolledBack => self.misused_for_password(request, Refusal::RolledBack),
            Judgement::Rotate | Judgement::Replay if checked.is_some() => {
                self.write_password(request, standing)
            }
            Judgement::Rotate | Judgement::Replay => Ok(PasswordChanged::Rehashed),
        }
    }

    pub(super) fn set_password(
        &mut self,
        request: &SetPassword,
    ) -> Result<Option<Revocation>, StoreError> {
        self.new_password(request, Action::SetPassword)
    }

    pub(super) fn reset_password(
        &mut self,
        ResetPassword { digest, user_version, change }: &ResetPassword,
    ) -> Result<Option<Revocation>, StoreError> {
        let (user_id, user_version) = (change.user_id, *user_version);
        let Some(account) = self.account(user_id) else { return Ok(None) };
        if account.disabled_at.is_some() || self.lifted(&account) != user_version {
            return Ok(None);
        }
        let purpose = Purpose::PasswordReset;
        let used = Used { digest, purpose, user_id, user_version, now: change.now };
        if self.use_up(&used).is_none() {
            return Ok(None);
        }
        self.new_password(change, Action::ResetPassword)
    }

    /// A new password that no session survives. `None`: there is no such user.
    fn new_password(
        &mut self,
        request: &SetPassword,
        action: Action,
    ) -> Result<Option<Revocation>, StoreError> {
        self.head()?;
        let Some(version) = self.replace(request.user_id, &request.new) else { return Ok(None) };
        self.tallies.remove(&(Kind::Account.as_str(), request.counted_by.to_string()));
        let revocation = self.append(request.draft(version))?;
        self.tell(&request.event(action));
        Ok(Some(revocation))
    }

    fn misused_for_password(
        &mut self,
        request: &ChangePassword,
        refusal: Refusal,
    ) -> Result<PasswordChanged, StoreError> {
        let reason = Reason::of_misuse(refusal);
        let revocation = self.end_session(request.session_id, request.misuse(reason.clone()))?;
        self.tell(&request.event().refused(reason.as_str().to_owned()));
        Ok(PasswordChanged::Ended { refusal, revocation })
    }

    fn write_password(
        &mut self,
        request: &ChangePassword,
        Standing { mut session, mut account, .. }: Standing,
    ) -> Result<PasswordChanged, StoreError> {
        self.head()?;
        let version = self.replace(request.user_id, &request.new).unwrap_or(account.version);
        account.version = version;
        session.user_version = version;
        session.min_refresh_version = version;
        session.generation += 1;
        session.rotated_at = request.now;
        session.auth_time = request.now;
        session.idle_expires_at = request.idle.map(|idle| request.now.plus(idle));
        session.expires_at =
            request.session_end.unwrap_or(session.expires_at).min(session.expires_at);
        if let Some(row) = self.sessions.get_mut(&session.id) {
            row.session = session.clone();
        }
        let draft = request.draft(version);
        let revocation = if self.has(Bug::PasswordChangeWithoutEntry) {
            self.in_force(draft)?
        } else {
            self.append(draft)?
        };
        self.tell(&request.event());
        Ok(PasswordChanged::Changed { session, account, revocation })
    }

    /// Sets the hash and gives the raised version. A token to set another one
    /// is of before, and goes.
    fn replace(&mut self, id: UserId, new: &PasswordHash) -> Option<i64> {
        let version = self.bump_user(id)?;
        if let Some(user) = self.users.get_mut(&id) {
            user.password_hash = Some(new.clone());
        }
        self.forget_one_time_token(id, Purpose::PasswordReset);
        Some(version)
    }
}
