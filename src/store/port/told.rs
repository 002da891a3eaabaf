//! What the two logs say of each step: the entry of the revocation log, which
//! kills, and that of the audit log, which tells.

use uuid::Uuid;

use super::{
    ChangeClient, ChangePassword, ClientChange, Context, EndUser, NewClient, NewOneTimeToken,
    NewSession, Revoke, RevokeTarget, Rotate, SetPassword, UpdateUser, UserEnding,
    VerifyIdentifier,
};
use crate::domain::{
    audit::{Action, Event},
    id::SessionId,
    one_time::Usage,
    revocation::{Draft, Reason, Revocation, Target},
    session::Session,
};

impl Context {
    /// Something that is done in this name.
    pub fn event(&self, action: Action) -> Event {
        Event::new(action, &self.origin, self.now)
    }
}

impl Rotate {
    /// The use of the token.
    pub fn event(&self, session: &Session) -> Event {
        Event::new(Action::Refresh, &self.origin, self.presented.now)
            .user(session.user_id)
            .session(session.id)
            .client(session.client_id.clone())
    }

    /// What ends the session of a token that was misused.
    pub fn misuse(&self, reason: Reason) -> Draft {
        Draft::by_system(self.entry_id, self.session_id, self.presented.now, reason)
    }
}

impl NewSession {
    /// The login.
    pub fn event(&self) -> Event {
        let session = &self.session;
        Event::new(Action::Login, &self.origin, session.created_at)
            .user(session.user_id)
            .session(session.id)
            .client(session.client_id.clone())
    }

    /// What ends a session that has to go for this one. The entry's id is as
    /// random as the id of the session that made it needed.
    pub fn over_limit(&self, ended: SessionId) -> Draft {
        let id = Uuid::new_v5(&self.session.id.uuid(), ended.uuid().as_bytes());
        Draft::by_system(id, ended, self.session.created_at, Reason::SessionLimit)
    }

    /// What is said of it.
    pub fn over_limit_event(&self, entry: &Revocation) -> Option<Event> {
        let Target::Session(ended) = entry.target else { return None };
        let origin = self.origin.by_system();
        let event = Event { action: Action::RevokeSession, origin, ..self.event() };
        Some(event.session(ended).because(entry.reason.as_str().to_owned()))
    }
}

impl Revoke {
    /// The entry that is asked for.
    pub fn draft(&self, min_version: i64) -> Draft {
        Draft {
            id: self.entry_id,
            target: self.target.logged(min_version),
            at: self.now,
            reason: self.reason.clone(),
            actor: self.origin.actor.kind(),
        }
    }

    /// The revocation, by its entry.
    pub fn event(&self, entry: &Revocation) -> Event {
        let action = match &self.target {
            RevokeTarget::Session(_) | RevokeTarget::OwnSession { .. } => Action::RevokeSession,
            RevokeTarget::OwnSessions { .. } | RevokeTarget::User(_) => Action::RevokeUser,
            RevokeTarget::Client(_) => Action::RevokeClient,
            RevokeTarget::Key(_) => Action::RevokeKey,
            RevokeTarget::All => Action::RevokeAll,
        };
        let event = Event::new(action, &self.origin, self.now);
        let event = event.because(self.reason.as_str().to_owned());
        match &entry.target {
            Target::Session(id) => event.session(*id),
            Target::User { id, .. } => event.user(*id),
            Target::Client { id, .. } => event.client(id.clone()),
            Target::Key(kid) => event.detail(kid.to_string()),
            Target::All { .. } => event,
        }
    }
}

impl ChangePassword {
    /// What ends every other session, once the user is at `min_version`.
    pub fn draft(&self, min_version: i64) -> Draft {
        Draft {
            id: self.entry_id,
            target: Target::User { id: self.user_id, min_version },
            at: self.now,
            reason: Reason::PasswordChanged,
            actor: self.origin.actor.kind(),
        }
    }

    /// What ends the session of a refresh token that was misused.
    pub fn misuse(&self, reason: Reason) -> Draft {
        Draft::by_system(self.entry_id, self.session_id, self.now, reason)
    }

    /// The change.
    pub fn event(&self) -> Event {
        Event::new(Action::ChangePassword, &self.origin, self.now)
            .user(self.user_id)
            .session(self.session_id)
            .client(self.client_id.clone())
    }
}

impl SetPassword {
    /// What ends every session, once the user is at `min_version`.
    pub fn draft(&self, min_version: i64) -> Draft {
        Draft {
            id: self.entry_id,
            target: Target::User { id: self.user_id, min_version },
            at: self.now,
            reason: Reason::PasswordChanged,
            actor: self.origin.actor.kind(),
        }
    }

    /// The change, by whichever `action`.
    pub fn event(&self, action: Action) -> Event {
        Event::new(action, &self.origin, self.now).user(self.user_id)
    }
}

impl UpdateUser {
    /// What ends the access tokens of a user who has lost a role and is at
    /// `min_version` now.
    pub fn draft(&self, min_version: i64) -> Draft {
        Draft {
            id: self.entry_id,
            target: Target::User { id: self.id, min_version },
            at: self.now,
            reason: Reason::RolesNarrowed,
            actor: self.origin.actor.kind(),
        }
    }

    /// The change.
    pub fn event(&self) -> Event {
        let event = Event::new(Action::UpdateUser, &self.origin, self.now);
        event.user(self.id).detail(self.detail.clone())
    }
}

impl EndUser {
    /// What ends every session of the user.
    pub fn draft(&self, min_version: i64) -> Draft {
        let reason = match self.ending {
            UserEnding::Disable => Reason::UserDisabled,
            UserEnding::Delete => Reason::UserDeleted,
        };
        Draft {
            id: self.entry_id,
            target: Target::User { id: self.id, min_version },
            at: self.now,
            reason,
            actor: self.origin.actor.kind(),
        }
    }

    /// The end.
    pub fn event(&self) -> Event {
        let action = match self.ending {
            UserEnding::Disable => Action::DisableUser,
            UserEnding::Delete => Action::DeleteUser,
        };
        Event::new(action, &self.origin, self.now).user(self.id)
    }
}

impl NewClient {
    /// What ends all that is left of an earlier client of this id.
    pub fn draft(&self, min_version: i64) -> Draft {
        Draft {
            id: self.entry_id,
            target: Target::Client { id: self.id.clone(), min_version },
            at: self.context.now,
            reason: Reason::ClientDeleted,
            actor: self.context.origin.actor.kind(),
        }
    }

    /// The making.
    pub fn event(&self) -> Event {
        self.context.event(Action::CreateClient).client(self.id.clone())
    }
}

impl ChangeClient {
    /// What ends the client's sessions and tokens.
    pub fn draft(&self, min_version: i64, reason: Reason) -> Draft {
        Draft {
            id: self.entry_id,
            target: Target::Client { id: self.id.clone(), min_version },
            at: self.context.now,
            reason,
            actor: self.context.origin.actor.kind(),
        }
    }

    /// The change.
    pub fn event(&self) -> Event {
        let (action, detail) = match &self.change {
            ClientChange::Update { detail, .. } => (Action::UpdateClient, detail.as_str()),
            ClientChange::Disable => (Action::DisableClient, ""),
            ClientChange::Enable => (Action::EnableClient, ""),
            ClientChange::Delete => (Action::DeleteClient, ""),
            ClientChange::Rotate { .. } => (Action::RotateClientSecret, ""),
        };
        self.context.event(action).client(self.id.clone()).detail(detail)
    }
}

impl NewOneTimeToken {
    /// The issuing.
    pub fn event(&self) -> Event {
        let (action, kind) = match self.usage {
            Usage::PasswordReset => (Action::CreatePasswordResetToken, None),
            Usage::Verification(contact) => (Action::CreateVerificationToken, Some(contact.kind())),
        };
        let event = self.context.event(action).user(self.user_id);
        event.detail(kind.map(|kind| format!("kind={kind}")).unwrap_or_default())
    }
}

impl VerifyIdentifier {
    /// The verification of the identifier of this kind.
    pub fn event(&self, kind: &str) -> Event {
        let event = Event::new(Action::VerifyIdentifier, &self.origin, self.now);
        event.user(self.user_id).detail(format!("kind={kind}"))
    }
}
