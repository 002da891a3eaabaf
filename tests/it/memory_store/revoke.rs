//! Revoking: the change itself and its log entry.

use tokenward::{
    domain::{
        id::SessionId,
        revocation::{Draft, Reason, Revocation},
    },
    store::port::{Revoke, RevokeTarget, StoreError},
};

use super::{Bug, state::State};

impl State {
    pub(super) fn revoke(&mut self, request: &Revoke) -> Result<Option<Revocation>, StoreError> {
        self.head()?;
        let raised = match &request.target {
            RevokeTarget::Session(id) => return self.revoke_session(request, *id),
            RevokeTarget::OwnSession { id, owner } => {
                let owned = self.sessions.get(id).is_some_and(|row| row.session.user_id == *owner);
                return if owned { self.revoke_session(request, *id) } else { Ok(None) };
            }
            RevokeTarget::OwnSessions { user, version } => {
                match self.users.get(user).map(|user| user.account.version) {
                    Some(current) if current != *version => {
                        return self.in_force(request.draft(current)).map(Some);
                    }
                    _ => self.bump_user(*user),
                }
            }
            RevokeTarget::User(id) => self.bump_user(*id),
            RevokeTarget::Client(id) => self.clients.get_mut(id).map(|client| {
                client.version += 1;
                client.version
            }),
            RevokeTarget::All => Some(self.raise_floor()),
        };
        let Some(version) = raised else { return Ok(None) };
        let entry = self.append(request.draft(version))?;
        self.tell(&request.event(&entry));
        Ok(Some(entry))
    }

    /// Revokes a session that the caller has found alive.
    pub(super) fn end_session(
        &mut self,
        id: SessionId,
        draft: Draft,
    ) -> Result<Revocation, StoreError> {
        self.mark_revoked(id, &draft);
        if self.has(Bug::RevocationWithoutEntry) {
            return self.in_force(draft);
        }
        self.append(draft)
    }

    /// What was dead already needs no second entry.
    fn revoke_session(
        &mut self,
        request: &Revoke,
        id: SessionId,
    ) -> Result<Option<Revocation>, StoreError> {
        let Some(row) = self.sessions.get(&id) else { return Ok(None) };
        let (draft, session) = (request.draft(0), &row.session);
        if let Some(at) = session.revoked_at {
            let reason = session.revoke_reason.clone();
            let reason = reason.unwrap_or(Reason::Other(String::new()));
            return self.in_force(Draft { at, reason, actor: "system", ..draft }).map(Some);
        }
        let entry = self.end_session(id, draft)?;
        self.tell(&request.event(&entry));
        Ok(Some(entry))
    }

    /// Above every version that there is.
    fn raise_floor(&mut self) -> i64 {
        let versions = self.users.values().map(|user| user.account.version);
        self.version_floor = versions.fold(self.version_floor, i64::max) + 1;
        self.version_floor
    }
}
