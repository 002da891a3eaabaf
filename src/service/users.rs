//! Users, as operators manage them.

use crate::{
    domain::{
        account::{Account, NewAccount, Role},
        audit::{Action, Event, Origin},
        entropy::random_uuid,
        error::{AuthError, FieldViolation},
        id::UserId,
        identifier::{Identifier, InvalidIdentifier},
        password::{InvalidPassword, Password, PasswordHash},
        revocation::Reason,
    },
    store::port::{CreateUser, NewUser, RevokeTarget, SetPassword},
};

use super::{Administrator, Auth};

/// The most roles that a user can have. They all go into its tokens.
pub const ROLES_MAX: usize = 64;
/// The longest display name, in bytes.
pub const DISPLAY_NAME_MAX_LEN: usize = 128;

/// A user to create; nothing of it is checked yet.
#[derive(Debug)]
pub struct CreateUserRequest {
    /// What it is, besides a password.
    pub profile: ProfileRequest,
    /// The password; `Err` names the rule it breaks.
    pub password: Result<Password, InvalidPassword>,
}

/// What a new user is to be; nothing of it is checked yet. Empty means absent.
#[derive(Debug, Default)]
pub struct ProfileRequest {
    /// The login name.
    pub username: String,
    /// The e-mail address.
    pub email: String,
    /// The phone number.
    pub phone: String,
    /// The `name` claim.
    pub display_name: String,
    /// The `roles` claim.
    pub roles: Vec<String>,
}

impl Auth {
    /// Creates a user. At least one identifier is needed.
    pub async fn create_user(
        &self,
        request: CreateUserRequest,
        admin: &Administrator,
    ) -> Result<UserId, AuthError> {
        self.new_user(request, Action::CreateUser, &admin.origin()).await
    }

    pub(super) async fn new_user(
        &self,
        request: CreateUserRequest,
        action: Action,
        origin: &Origin,
    ) -> Result<UserId, AuthError> {
        let now = self.now();
        let checked = self.check_new_user(request)?;
        let id = UserId::new(random_uuid(self.entropy.as_ref())?);
        let hash = self.passwords.hash(checked.password).await?;
        let account = checked.profile.into_account(id, hash);
        let new = NewUser { account, event: Event::new(action, origin, now) };
        match self.store.create_user(new).await? {
            CreateUser::Created => Ok(id),
            CreateUser::Taken(field) => Err(AuthError::AlreadyExists(field)),
        }
    }

    /// Users in the order of their ids, after `after`.
    pub async fn users(
        &self,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<Account>, AuthError> {
        Ok(self.store.users(after, limit).await?)
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
        let target = RevokeTarget::DisableUser(id);
        let seq = self.revoke_for(target, Reason::UserDisabled, admin.origin()).await?;
        seq.ok_or(AuthError::NotFound("user"))
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
            .and_then(|password| password.accept_new(self.policy.password_min_chars))
            .and_then(|password| password.accept_without(user.identifiers()))
            .map_err(|error| AuthError::invalid("password", error.to_string()))?;
        let new = self.passwords.hash(password).await?;
        let (entry_id, now) = (self.random_uuid()?, self.now());
        let counted_by = self.attempts.counted_by(user.id);
        let origin = admin.origin();
        let change = SetPassword { user_id: user.id, new, counted_by, origin, entry_id, now };
        let entry = self.store.set_password(change).await?.ok_or(AuthError::NotFound("user"))?;
        self.index.apply([&entry]);
        Ok(entry.seq)
    }

    fn check_new_user(&self, request: CreateUserRequest) -> Result<CheckedUser, AuthError> {
        let (profile, mut violations) = Profile::check(request.profile);
        let min_chars = self.policy.password_min_chars;
        let identifiers = profile.identifiers.iter().map(Identifier::as_str);
        let password = request
            .password
            .and_then(|password| password.accept_new(min_chars))
            .and_then(|password| password.accept_without(identifiers));
        match password {
            Ok(password) if violations.is_empty() => return Ok(CheckedUser { profile, password }),
            Ok(_) => {}
            Err(error) => violations.push(FieldViolation::new("password", error.to_string())),
        }
        Err(AuthError::InvalidArgument(violations))
    }
}

struct CheckedUser {
    profile: Profile,
    password: Password,
}

/// What a user is, besides a password.
pub(super) struct Profile {
    identifiers: Vec<Identifier>,
    display_name: Option<String>,
    roles: Vec<Role>,
}

impl Profile {
    /// Checks every rule. The profile counts only if none is broken.
    pub(super) fn check(request: ProfileRequest) -> (Self, Vec<FieldViolation>) {
        let (identifiers, mut violations) = check_identifiers(&request);
        let ProfileRequest { display_name, roles, .. } = request;
        if display_name.len() > DISPLAY_NAME_MAX_LEN || display_name.chars().any(char::is_control) {
            let rule =
                format!("must be at most {DISPLAY_NAME_MAX_LEN} bytes without control characters");
            violations.push(FieldViolation::new("display_name", rule));
        }
        let roles: Result<Vec<_>, _> = roles.iter().map(|role| Role::parse(role)).collect();
        let roles = roles.unwrap_or_else(|error| {
            violations.push(FieldViolation::new("roles", error.to_string()));
            Vec::new()
        });
        if roles.len() > ROLES_MAX {
            violations.push(FieldViolation::new("roles", format!("must be at most {ROLES_MAX}")));
        }
        let display_name = Some(display_name).filter(|name| !name.is_empty());
        (Self { identifiers, display_name, roles }, violations)
    }

    /// The identifiers to log in with.
    pub(super) fn identifiers(&self) -> &[Identifier] {
        &self.identifiers
    }

    /// The user to create.
    pub(super) fn into_account(self, id: UserId, password_hash: PasswordHash) -> NewAccount {
        let Self { identifiers, display_name, roles } = self;
        NewAccount { id, identifiers, display_name, roles, password_hash }
    }
}

/// The new user's identifiers, and the rules that they break.
fn check_identifiers(request: &ProfileRequest) -> (Vec<Identifier>, Vec<FieldViolation>) {
    type Parse = fn(&str) -> Result<Identifier, InvalidIdentifier>;
    let given: [(_, _, Parse); 3] = [
        ("username", &request.username, Identifier::username),
        ("email", &request.email, Identifier::email),
        ("phone", &request.phone, Identifier::phone),
    ];
    let (mut identifiers, mut violations) = (Vec::new(), Vec::new());
    for (field, text, parse) in given.into_iter().filter(|(_, text, _)| !text.is_empty()) {
        match parse(text).and_then(Identifier::accept_new) {
            Ok(identifier) => identifiers.push(identifier),
            Err(error) => violations.push(FieldViolation::new(field, error.to_string())),
        }
    }
    if identifiers.is_empty() && violations.is_empty() {
        violations
            .push(FieldViolation::new("username", "must be given, or else an email or phone"));
    }
    (identifiers, violations)
}
