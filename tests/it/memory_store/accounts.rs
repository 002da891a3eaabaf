//! Users and their identifiers.

use tokenward::{
    domain::{
        account::{Account, NewAccount},
        audit::Action,
        clock::Timestamp,
        id::UserId,
        identifier::Identifier,
        password::PasswordHash,
    },
    store::port::{Context, CreateUser, Credentials, NewUser, StoreError, UserQuery},
};

use super::state::{State, User, corrupt, key_of, place_of};

impl State {
    pub(super) fn create_user(&mut self, new: NewUser) -> Result<CreateUser, StoreError> {
        let (id, event) = (new.account.id, new.event);
        let outcome = self.insert(new.account, event.at)?;
        if outcome == CreateUser::Created {
            self.tell(&event.user(id));
        }
        Ok(outcome)
    }

    pub(super) fn create_users(
        &mut self,
        accounts: Vec<NewAccount>,
        context: &Context,
    ) -> Result<Vec<CreateUser>, StoreError> {
        if accounts.iter().any(|account| self.users.contains_key(&account.id)) {
            return Err(corrupt("the id of a user is there"));
        }
        let create = |account: NewAccount| {
            let id = account.id;
            let outcome = self.insert(account, context.now)?;
            if outcome == CreateUser::Created {
                self.tell(&context.event(Action::ImportUser).user(id));
            }
            Ok(outcome)
        };
        accounts.into_iter().map(create).collect()
    }

    pub(super) fn credentials(&self, identifier: &Identifier) -> Option<Credentials> {
        self.credentials_of(*self.identifiers.get(&key_of(identifier))?)
    }

    pub(super) fn credentials_of(&self, user: UserId) -> Option<Credentials> {
        let User { account, password_hash } = self.users.get(&user)?.clone();
        Some(Credentials { account, password_hash })
    }

    pub(super) fn list_users(&self, query: &UserQuery) -> Vec<Account> {
        let after = |account: &&Account| query.after.is_none_or(|after| account.id > after);
        let has_role = |account: &&Account| {
            query.role.as_ref().is_none_or(|role| account.roles.contains(role))
        };
        let in_state = |account: &&Account| {
            query.disabled.is_none_or(|disabled| account.disabled_at.is_some() == disabled)
        };
        let accounts = self.users.values().map(|user| &user.account);
        let asked = accounts.filter(after).filter(has_role).filter(in_state);
        asked.take(query.limit as usize).cloned().collect()
    }

    pub(super) fn replace_password_hash(
        &mut self,
        user: UserId,
        old: &PasswordHash,
        new: PasswordHash,
    ) -> bool {
        let Some(user) = self.users.get_mut(&user).filter(|user| user.has_hash(old)) else {
            return false;
        };
        user.password_hash = Some(new);
        true
    }

    pub(super) fn enable_user(&mut self, id: UserId, context: &Context) -> bool {
        let Some(user) = self.users.get_mut(&id) else { return false };
        if user.account.disabled_at.take().is_some() {
            self.tell(&context.event(Action::EnableUser).user(id));
        }
        true
    }

    /// Who else than `user` has this identifier?
    pub(super) fn is_taken(&self, identifier: &Identifier, user: UserId) -> bool {
        self.identifiers.get(&key_of(identifier)).is_some_and(|owner| *owner != user)
    }

    fn insert(&mut self, new: NewAccount, now: Timestamp) -> Result<CreateUser, StoreError> {
        if self.users.contains_key(&new.id) {
            return Err(corrupt("the id of a user is there"));
        }
        if let Some(taken) = new.identifiers.iter().find(|name| self.is_taken(name, new.id)) {
            return Ok(CreateUser::Taken(taken.kind()));
        }
        let mut account = Account {
            id: new.id,
            version: self.version_floor.max(1),
            revision: 1,
            username: None,
            email: None,
            phone: None,
            email_verified_at: None,
            phone_verified_at: None,
            display_name: new.display_name,
            roles: new.roles,
            created_at: now,
            disabled_at: None,
            last_login_at: None,
        };
        for identifier in &new.identifiers {
            *place_of(&mut account, identifier.kind()) = Some(identifier.as_str().to_owned());
            self.identifiers.insert(key_of(identifier), new.id);
        }
        self.users.insert(new.id, User { account, password_hash: new.password_hash });
        Ok(CreateUser::Created)
    }
}
