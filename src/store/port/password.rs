//! Changes of passwords.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::{
    account::Account,
    audit::Origin,
    clock::Timestamp,
    error::Refusal,
    id::{ClientId, SessionId, UserId},
    password::PasswordHash,
    revocation::Revocation,
    session::{Presented, Session},
    throttle::Fingerprint,
};

/// A change by the user, in a session that is to survive it.
#[derive(Clone, Debug)]
pub struct ChangePassword {
    /// Whose password.
    pub user_id: UserId,
    /// The hash that the current password was checked against.
    pub checked: PasswordHash,
    /// The new password's hash.
    pub new: PasswordHash,
    /// The session.
    pub session_id: SessionId,
    /// The client of the session's access token.
    pub client_id: ClientId,
    /// The user version of the session's tokens.
    pub user_version: i64,
    /// The generation of the refresh token that was presented. `None`: none
    /// was, and the session gets no further one.
    pub generation: Option<i64>,
    /// How long after its use a refresh token still does.
    pub replay_window: Duration,
    /// The idle limit that starts again with this use.
    pub idle: Option<Duration>,
    /// The session does not live longer than this, if given.
    pub session_end: Option<Timestamp>,
    /// Who, and from where.
    pub origin: Origin,
    /// Random; the id of the log entry.
    pub entry_id: Uuid,
    /// When.
    pub now: Timestamp,
}

impl ChangePassword {
    /// The refresh token, as it is judged. Without one, the session alone is.
    pub fn presented(&self, session: &Session) -> Presented {
        Presented {
            generation: self.generation.unwrap_or(session.generation),
            user_version: self.user_version,
            client_id: self.client_id.clone(),
            now: self.now,
            replay_window: self.replay_window,
        }
    }
}

/// How a change by the user ended.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "it is returned once per change and never stored")]
pub enum PasswordChanged {
    /// The new password counts.
    Changed {
        /// The session that survived, at its new version and generation.
        session: Session,
        /// The user as it stands now.
        account: Account,
        /// The log entry that ended the others.
        revocation: Revocation,
    },
    /// The hash is another one than was checked, and nothing else has changed:
    /// a login has made it anew, from the same password.
    Rehashed,
    /// No, and no harm is suspected.
    Refused(Refusal),
    /// The refresh token counts as stolen, or the database as rolled back; as
    /// in [`super::Rotated::Ended`].
    Ended {
        /// Which of the two.
        refusal: Refusal,
        /// The log entry that ended the session.
        revocation: Revocation,
    },
}

/// A change by an operator.
#[derive(Clone, Debug)]
pub struct SetPassword {
    /// Whose password.
    pub user_id: UserId,
    /// The new password's hash.
    pub new: PasswordHash,
    /// What the user's failed logins are counted by; they are forgotten.
    pub counted_by: Fingerprint,
    /// Who, and from where.
    pub origin: Origin,
    /// Random; the id of the log entry.
    pub entry_id: Uuid,
    /// When.
    pub now: Timestamp,
}
