//! What administrators change of users.

use tokenward::{
    domain::{
        account::{Account, Role},
        one_time::Purpose,
        revocation::{Draft, Revocation},
    },
    store::port::{EndUser, StoreError, UpdateUser, UserEnded, UserEnding, UserUpdated},
};

use super::{
    Bug,
    state::{State, key_of, place_of, verified_of},
};

impl State {
    pub(super) fn update_user(&mut self, update: &UpdateUser) -> Result<UserUpdated, StoreError> {
        let Some(before) = self.account(update.id) else { return Ok(UserUpdated::NotFound) };
        if update.revision.is_some_and(|revision| revision != before.revision) {
            return Ok(UserUpdated::Conflict);
        }
        let mut given = update.identifiers.iter().filter_map(|(_, identifier)| identifier.as_ref());
        if let Some(taken) = given.find(|identifier| self.is_taken(identifier, update.id)) {
            return Ok(UserUpdated::Taken(taken.kind()));
        }
        let mut after = before.clone();
        apply(&mut after, update);
        if self.is_last(update.kept_role.as_ref(), &before, Some(&after)) {
            return Ok(UserUpdated::LastOfRole);
        }
        if after.identifiers().next().is_none() {
            return Ok(UserUpdated::NoIdentifier);
        }
        self.replace_identifiers(update, &before);
        if let Some(user) = self.users.get_mut(&update.id) {
            user.account = after.clone();
        }
        let narrowed = before.roles.iter().any(|role| !after.roles.contains(role));
        let revocation = if narrowed { Some(self.narrow(update, before.version)?) } else { None };
        self.tell(&update.event());
        Ok(UserUpdated::Updated { account: self.account(update.id).unwrap_or(after), revocation })
    }

    pub(super) fn end_user(&mut self, end: &EndUser) -> Result<UserEnded, StoreError> {
        let Some(before) = self.account(end.id) else { return Ok(UserEnded::NotFound) };
        if let (UserEnding::Disable, Some(at)) = (end.ending, before.disabled_at) {
            let known = Draft { at, ..end.draft(before.version) };
            return self.in_force(known).map(UserEnded::Ended);
        }
        if self.is_last(end.kept_role.as_ref(), &before, None) {
            return Ok(UserEnded::LastOfRole);
        }
        let version = match end.ending {
            UserEnding::Disable => self.disable(end, before.version),
            UserEnding::Delete => self.delete(&before),
        };
        let entry = self.append(end.draft(version))?;
        self.tell(&end.event());
        Ok(UserEnded::Ended(entry))
    }

    /// A token to set a new password may have been sent to what the user had
    /// before, and goes.
    fn replace_identifiers(&mut self, update: &UpdateUser, before: &Account) {
        if !update.identifiers.is_empty() {
            self.forget_one_time_token(update.id, Purpose::PasswordReset);
        }
        let mut before = before.clone();
        for (kind, identifier) in &update.identifiers {
            if let Some(old) = place_of(&mut before, kind).take() {
                self.identifiers.remove(&(*kind, old));
            }
            self.identifiers.extend(identifier.iter().map(|new| (key_of(new), update.id)));
        }
    }

    /// Kills the user's access tokens, but not their sessions.
    fn narrow(&mut self, update: &UpdateUser, old: i64) -> Result<Revocation, StoreError> {
        let new = self.bump_user(update.id).unwrap_or(old);
        let floor = self.version_floor;
        let sessions = self.sessions.values_mut().map(|row| &mut row.session);
        for session in sessions.filter(|session| session.user_id == update.id) {
            let lives = session.revoked_at.is_none() && old >= floor;
            if lives && session.user_version == old {
                session.user_version = new;
            }
        }
        self.append(update.draft(new))
    }

    fn disable(&mut self, end: &EndUser, version: i64) -> i64 {
        let raised = if self.has(Bug::DisablingKeepsVersion) {
            Some(version)
        } else {
            self.bump_user(end.id)
        };
        if let Some(user) = self.users.get_mut(&end.id) {
            user.account.disabled_at = Some(end.now);
        }
        raised.unwrap_or(version)
    }

    /// A version that no token of theirs reaches.
    fn delete(&mut self, account: &Account) -> i64 {
        let id = account.id;
        self.users.remove(&id);
        self.identifiers.retain(|_, owner| *owner != id);
        self.one_time_tokens.retain(|(owner, ..), _| *owner != id);
        self.sessions.retain(|_, row| row.session.user_id != id);
        i64::MAX
    }

    /// Is this the last enabled user with the role, who is to lose it or to
    /// end?
    fn is_last(&self, role: Option<&Role>, before: &Account, after: Option<&Account>) -> bool {
        let has = |account: &Account, role: &Role| {
            account.disabled_at.is_none() && account.roles.contains(role)
        };
        let Some(role) = role.filter(|role| has(before, role)) else { return false };
        let others = self.users.values().map(|user| &user.account);
        let others = others.filter(|account| account.id != before.id);
        !others.chain(after).any(|account| has(account, role))
    }
}

/// What of the account is given another value.
fn apply(account: &mut Account, update: &UpdateUser) {
    account.revision += 1;
    if let Some(name) = &update.display_name {
        account.display_name.clone_from(name);
    }
    if let Some(roles) = &update.roles {
        account.roles.clone_from(roles);
    }
    for (kind, identifier) in &update.identifiers {
        let text = identifier.as_ref().map(|identifier| identifier.as_str().to_owned());
        *place_of(account, kind) = text;
        if let Some(verified_at) = verified_of(account, kind) {
            *verified_at = None;
        }
    }
}
