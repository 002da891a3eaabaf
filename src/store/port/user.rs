//! What administrators do with users.

use uuid::Uuid;

use crate::domain::{
    account::{Account, Role},
    audit::Origin,
    clock::Timestamp,
    id::UserId,
    identifier::Identifier,
    revocation::Revocation,
};

/// Which users.
#[derive(Clone, Debug)]
pub struct UserQuery {
    /// Only those after this one.
    pub after: Option<UserId>,
    /// Only those with this role.
    pub role: Option<Role>,
    /// Only those who are disabled, or who are not.
    pub disabled: Option<bool>,
    /// At most so many.
    pub limit: u32,
}

impl UserQuery {
    /// All users after one, at most `limit`.
    pub fn all(after: Option<UserId>, limit: u32) -> Self {
        Self { after, role: None, disabled: None, limit }
    }
}

/// A change of a user. `None`: it stays.
#[derive(Clone, Debug)]
pub struct UpdateUser {
    /// Who.
    pub id: UserId,
    /// The revision that the user must be at, if that was asked for.
    pub revision: Option<i64>,
    /// Identifiers by their kinds; `None` for none of that kind.
    pub identifiers: Vec<(&'static str, Option<Identifier>)>,
    /// The display name; `Some(None)` for none.
    pub display_name: Option<Option<String>>,
    /// All roles.
    pub roles: Option<Vec<Role>>,
    /// A role that some enabled user must keep.
    pub kept_role: Option<Role>,
    /// What the audit log says of what is changed.
    pub detail: String,
    /// Who wants it, and from where.
    pub origin: Origin,
    /// Random; the id of a log entry, should one be written.
    pub entry_id: Uuid,
    /// When.
    pub now: Timestamp,
}

/// How a change of a user ended.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "it is returned once per change and never stored")]
pub enum UserUpdated {
    /// The user is changed.
    Updated {
        /// As it stands now.
        account: Account,
        /// The log entry that killed the access tokens, if roles went.
        revocation: Option<Revocation>,
    },
    /// There is no such user.
    NotFound,
    /// The user is at another revision.
    Conflict,
    /// Another user has this identifier; its kind is given.
    Taken(&'static str),
    /// Nothing would be left to log in by.
    NoIdentifier,
    /// Nobody enabled would have the role that must be kept.
    LastOfRole,
}

/// What becomes of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserEnding {
    /// May not log in any more.
    Disable,
    /// Is removed, and everything about it but the audit log.
    Delete,
}

/// A user to disable or delete.
#[derive(Clone, Debug)]
pub struct EndUser {
    /// Who.
    pub id: UserId,
    /// Which of the two.
    pub ending: UserEnding,
    /// A role that some enabled user must keep.
    pub kept_role: Option<Role>,
    /// Who wants it, and from where.
    pub origin: Origin,
    /// Random; the id of the log entry.
    pub entry_id: Uuid,
    /// When.
    pub now: Timestamp,
}

/// How that ended.
#[derive(Clone, Debug)]
pub enum UserEnded {
    /// Every session is dead by this entry.
    Ended(Revocation),
    /// There is no such user.
    NotFound,
    /// Nobody enabled would have the role that must be kept.
    LastOfRole,
}
