//! One-time tokens, as their digests.

use std::time::Duration;

use crate::domain::{
    account::Account,
    audit::Origin,
    clock::Timestamp,
    id::UserId,
    one_time::{Purpose, Usage},
    throttle::Fingerprint,
};

use super::{Context, SetPassword};

/// A token to issue, in place of an older one of the same user and use.
#[derive(Clone, Debug)]
pub struct NewOneTimeToken {
    /// Stands for the token.
    pub digest: Fingerprint,
    /// Whose it is.
    pub user_id: UserId,
    /// What it is good for.
    pub usage: Usage,
    /// Not while one is there that is younger than this.
    pub interval: Duration,
    /// When it expires.
    pub expires_at: Timestamp,
    /// Who asks for it, and when.
    pub context: Context,
}

/// How issuing a token ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueOneTimeToken {
    /// It counts from now on, and the older one does not any more.
    Issued,
    /// There is no such user.
    NoUser,
    /// The user is disabled.
    Disabled,
    /// The user has no such identifier.
    NoIdentifier,
    /// One was issued a moment ago. It still counts; another can be had after
    /// this time.
    TooSoon(Duration),
}

/// A token that somebody has.
#[derive(Clone, Debug)]
pub struct PresentedToken {
    /// Stands for the token.
    pub digest: Fingerprint,
    /// What it is to be good for.
    pub purpose: Purpose,
    /// When.
    pub now: Timestamp,
}

/// A token that could be used.
#[derive(Clone, Debug)]
pub struct LiveToken {
    /// Whose it is.
    pub account: Account,
    /// The version that its user is at.
    pub user_version: i64,
}

/// A change of the password by whoever has a token for it.
#[derive(Clone, Debug)]
pub struct ResetPassword {
    /// Stands for the token.
    pub digest: Fingerprint,
    /// The version that the token was found good at.
    pub user_version: i64,
    /// The change.
    pub change: SetPassword,
}

/// A verification by whoever has a token for it.
#[derive(Clone, Debug)]
pub struct VerifyIdentifier {
    /// Stands for the token.
    pub digest: Fingerprint,
    /// Whose it is.
    pub user_id: UserId,
    /// Who, and from where.
    pub origin: Origin,
    /// When.
    pub now: Timestamp,
}
