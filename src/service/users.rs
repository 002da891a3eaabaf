//! Users, as operators manage them.

use crate::{
    domain::{
        account::Account,
        audit::{Action, Event, Origin},
        entropy::random_uuid,
        error::{AuthError, FieldViolation, Obstacle},
        id::UserId,
        identifier::Identifier,
        password::{InvalidPassword, Password},
    },
    store::port::{CreateUser, EndUser, NewUser, SetPassword, UserEnded, UserEnding},
};

pub use crate::store::port::UserQuery;

use super::{
    Administrator, Auth, Caller,
    profile::{Profile, ProfileRequest},
};

/// A user to create; nothing of it is checked yet.
#[derive(Debug)]
pub struct CreateUserRequest {
    /// What it is, besides a password.
    pub profile: ProfileRequest,
    /// The password; `Err` names the rule it breaks. `None`: the user has none,
    /// and cannot log in until one is set.
    pub password: Option<Result<Password, InvalidPassword>>,
}

impl Auth {
    /// Creates a user. At least one identifier is needed.
    pub async fn create_user(
        &self,
        request: CreateUserRequest,
        admin: &Administrator,
    ) -> Result<UserId, AuthError> {
        self.new_user(request, admin.caller(), Action::CreateUser, &admin.origin()).await
    }

    pub(super) async fn new_user(
        &self,
        request: CreateUserRequest,
        caller: &Caller,
        action: Action,
        origin: &Origin,
    ) -> Result<UserId, AuthError> {
        let now = self.now();
        let checked = self.check_new_user(request)?;
        let id = UserId::new(random_uuid(self.entropy.as_ref())?);
        let hash = match checked.password {
            Some(password) => Some(self.hash(password, caller).await?),
            None => None,
        };
        let account = checked.profile.into_account(id, hash);
        let new = NewUser { account, event: Event::new(action, origin, now) };
        match self.store.create_user(new).await? {
            CreateUser::Created => Ok(id),
            CreateUser::Taken(field) => Err(AuthError::AlreadyExists(field)),
        }
    }

    /// Users in the order of their ids.
    pub async fn users(&self, query: UserQuery) -> Result<Vec<Account>, AuthError> {
        Ok(self.store.users(query).await?)
    }

    /// The user of an id, a username, an e-mail address or a phone number.
    pub async fn find_user(&self, name: &str) -> Result<Account, AuthError> {
        let found = if let Ok(id) = UserId::parse(name) {
            self.store.user(id).await?
        } else if let Ok(identifier) = Identifier::parse(name) {
            self.store.user_by_identifier(identifier).await?
        } else {
            None
        };
        found.ok_or(AuthError::NotFound("user"))
    }

    /// Ends every session of a user, who cannot log in any more. Gives the
    /// revocation's sequence number.
    pub async fn disable_user(&self, id: UserId, admin: &Administrator) -> Result<i64, AuthError> {
        self.end_user(id, UserEnding::Disable, admin).await
    }

    /// Removes a user and everything about it but the audit log. Gives the
    /// revocation's sequence number.
    pub async fn delete_user(&self, id: UserId, admin: &Administrator) -> Result<i64, AuthError> {
        self.end_user(id, UserEnding::Delete, admin).await
    }

    async fn end_user(
        &self,
        id: UserId,
        ending: UserEnding,
        admin: &Administrator,
    ) -> Result<i64, AuthError> {
        let kept_role = self.kept_role(admin);
        let (origin, entry_id, now) = (admin.origin(), self.random_uuid()?, self.now());
        let end = EndUser { id, ending, kept_role, origin, entry_id, now };
        match self.store.end_user(end).await? {
            UserEnded::Ended(entry) => {
                self.index.apply([&entry]);
                Ok(entry.seq)
            }
            UserEnded::NotFound => Err(AuthError::NotFound("user")),
            UserEnded::LastOfRole => {
                Err(AuthError::FailedPrecondition(Obstacle::LastAdministrator))
            }
        }
    }

    /// Lets a disabled user log in again. Sessions of before stay dead.
    pub async fn enable_user(&self, id: UserId, admin: &Administrator) -> Result<(), AuthError> {
        let enabled = self.store.enable_user(id, self.context(admin)).await?;
        if enabled { Ok(()) } else { Err(AuthError::NotFound("user")) }
    }

    /// Gives a user another password, ends every session, and forgets failed
    /// logins: what was guessed at is gone. Gives the revocation's sequence
    /// number.
    pub async fn set_password(
        &self,
        user: &Account,
        password: Result<Password, InvalidPassword>,
        admin: &Administrator,
    ) -> Result<i64, AuthError> {
        let password = password
            .and_then(|password| self.accept_new(password))
            .and_then(|password| password.accept_without(user.identifiers()))
            .map_err(|error| AuthError::invalid("password", error.to_string()))?;
        let new = self.hash(password, admin.caller()).await?;
        let (entry_id, now) = (self.random_uuid()?, self.now());
        let counted_by = self.attempts.counted_by(user.id);
        let origin = admin.origin();
        let change = SetPassword { user_id: user.id, new, counted_by, origin, entry_id, now };
        let entry = self.store.set_password(change).await?.ok_or(AuthError::NotFound("user"))?;
        self.index.apply([&entry]);
        Ok(entry.seq)
    }

    fn check_new_user(&self, request: CreateUserRequest) -> Result<CheckedUser, AuthError> {
        let (profile, mut violations) = Profile::check(&request.profile);
        let identifiers = || profile.identifiers().iter().map(Identifier::as_str);
        let accept = |password: Result<Password, InvalidPassword>| {
            password
                .and_then(|password| self.accept_new(password))
                .and_then(|password| password.accept_without(identifiers()))
        };
        match request.password.map(accept).transpose() {
            Ok(password) if violations.is_empty() => return Ok(CheckedUser { profile, password }),
            Ok(_) => {}
            Err(error) => violations.push(FieldViolation::new("password", error.to_string())),
        }
        Err(AuthError::InvalidArgument(violations))
    }
}

struct CheckedUser {
    profile: Profile,
    password: Option<Password>,
}
