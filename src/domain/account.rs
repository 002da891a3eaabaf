//! Users.

use super::{clock::Timestamp, id::UserId, identifier::Identifier, password::PasswordHash};

/// What a user is allowed in its applications: a label that the configuration
/// of resource servers gives a meaning to. 1 to 64 of `a-z 0-9 . _ : -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role(String);

impl Role {
    /// Checks the text against the rule of the type.
    pub fn parse(text: &str) -> Result<Self, InvalidRole> {
        let allowed = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b':' | b'-');
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRole)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text that is not a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 characters from a-z, 0-9, '.', '_', ':' and '-'")]
pub struct InvalidRole;

/// A user, without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The `sub` claim.
    pub id: UserId,
    /// Sessions opened at an older version than this are dead. Only grows.
    pub version: i64,
    /// Counts the changes that administrators made.
    pub revision: i64,
    /// The login name, if there is one.
    pub username: Option<String>,
    /// The e-mail address, if there is one.
    pub email: Option<String>,
    /// The phone number, if there is one.
    pub phone: Option<String>,
    /// When the user showed that they read what is sent to the address.
    pub email_verified_at: Option<Timestamp>,
    /// The same, of the phone number.
    pub phone_verified_at: Option<Timestamp>,
    /// The `name` claim, if there is one.
    pub display_name: Option<String>,
    /// The `roles` claim.
    pub roles: Vec<Role>,
    /// When the user was created.
    pub created_at: Timestamp,
    /// Since when the user may not log in; `None` while enabled.
    pub disabled_at: Option<Timestamp>,
    /// When the user last logged in.
    pub last_login_at: Option<Timestamp>,
}

impl Account {
    /// All that the user can log in by, in canonical form.
    pub fn identifiers(&self) -> impl Iterator<Item = &str> {
        [&self.username, &self.email, &self.phone].into_iter().flatten().map(String::as_str)
    }
}

/// A request to create a user; its parts are valid already.
#[derive(Clone, Debug)]
pub struct NewAccount {
    /// The new user's id.
    pub id: UserId,
    /// Identifiers, each unique among all users; at most one of a kind.
    pub identifiers: Vec<Identifier>,
    /// Display name, if any.
    pub display_name: Option<String>,
    /// Roles from the start.
    pub roles: Vec<Role>,
    /// The password's PHC string; `None` for a user who cannot log in until one
    /// is set.
    pub password_hash: Option<PasswordHash>,
}
