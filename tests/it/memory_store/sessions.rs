//! Opening sessions, and listing them.

use tokenward::{
    domain::{
        clock::Timestamp,
        id::{SessionId, UserId},
        revocation::{Draft, ENTRY_MARGIN, LEEWAY_MAX},
        session::{Session, Standing},
    },
    store::port::{CLEARED_PER_LOGIN, NewSession, OpenSession, StoreError},
};

use super::{
    Bug,
    state::{SessionRow, State, corrupt},
};

impl State {
    pub(super) fn open_session(&mut self, new: &NewSession) -> Result<OpenSession, StoreError> {
        if self.sessions.contains_key(&new.session.id) {
            return Err(corrupt("the id of a session is there"));
        }
        let Some(session) = self.admitted(new) else {
            self.tell(&new.event().refused("CHANGED_MEANWHILE"));
            return Ok(OpenSession::Refused);
        };
        self.head()?;
        if let Some(user) = self.users.get_mut(&session.user_id) {
            user.account.version = session.user_version;
            user.account.last_login_at = Some(session.created_at);
        }
        self.delete_dead_of(session.user_id, session.created_at);
        let over = self.over_limit(&session, new.max_sessions);
        for id in &over {
            self.mark_revoked(*id, &new.over_limit(*id));
        }
        let row = SessionRow { session: session.clone(), replayed_generation: 0 };
        self.sessions.insert(session.id, row);
        let ended = over.iter().map(|id| self.append(new.over_limit(*id)));
        let ended = ended.collect::<Result<Vec<_>, _>>()?;
        self.tell(&new.event());
        for event in ended.iter().filter_map(|entry| new.over_limit_event(entry)) {
            self.tell(&event);
        }
        let account = self.account(session.user_id);
        let account = account.ok_or_else(|| corrupt("a user has disappeared"))?;
        Ok(OpenSession::Opened { session, account, ended })
    }

    /// True when this call is the one that revoked it.
    pub(super) fn mark_revoked(&mut self, id: SessionId, draft: &Draft) -> bool {
        let row = self.sessions.get_mut(&id).filter(|row| row.session.revoked_at.is_none());
        let Some(row) = row else { return false };
        row.session.revoked_at = Some(draft.at);
        row.session.revoke_reason = Some(draft.reason.clone());
        true
    }

    /// The session and all that it depends on.
    pub(super) fn standing(&self, id: SessionId) -> Option<Standing> {
        let session = self.sessions.get(&id)?.session.clone();
        let client = self.clients.get(&session.client_id)?;
        Some(Standing {
            account: self.account(session.user_id)?,
            client_version: client.version,
            client_enabled: client.disabled_at.is_none(),
            version_floor: self.version_floor,
            session,
        })
    }

    pub(super) fn live_sessions(
        &self,
        user: UserId,
        before: Option<SessionId>,
        limit: u32,
        now: Timestamp,
    ) -> Vec<Session> {
        let asked = |session: &&Session| before.is_none_or(|before| session.id < before);
        let live = |session: &&Session| self.is_live(session, now);
        let newest_first = self.sessions_of(user).rev();
        newest_first.filter(asked).filter(live).take(limit as usize).cloned().collect()
    }

    fn is_live(&self, session: &Session, now: Timestamp) -> bool {
        let user = self.users.get(&session.user_id).map(|user| &user.account);
        let client = self.clients.get(&session.client_id);
        session.revoked_at.is_none()
            && !session.has_expired(now)
            && session.user_version >= self.version_floor
            && user.is_some_and(|user| {
                user.disabled_at.is_none() && user.version == session.user_version
            })
            && client.is_some_and(|client| {
                client.disabled_at.is_none() && client.version == session.client_version
            })
    }

    /// The session at the versions of now, if user and client still allow it.
    fn admitted(&self, new: &NewSession) -> Option<Session> {
        let session = &new.session;
        let client = self.clients.get(&session.client_id)?;
        let user = self.users.get(&session.user_id)?;
        let version = user.account.version;
        let unchanged = version == new.checked_version;
        // Another login may have lifted it meanwhile to exactly the floor.
        let lifted = new.checked_version < version
            && user.has_hash(&new.checked_hash)
            && version == self.version_floor;
        let enabled = client.disabled_at.is_none() && user.account.disabled_at.is_none();
        if !enabled || !(unchanged || lifted || self.has(Bug::LoginIgnoresChanges)) {
            return None;
        }
        let user_version = self.lifted(&user.account);
        Some(Session {
            user_version,
            min_refresh_version: user_version,
            client_version: client.version,
            revoked_at: None,
            revoke_reason: None,
            ..session.clone()
        })
    }

    fn delete_dead_of(&mut self, user: UserId, now: Timestamp) {
        let expired = now.minus(LEEWAY_MAX);
        let tokens_died = now.minus(ENTRY_MARGIN).minus(self.max_access_lifetime());
        let is_dead = |session: &&Session| match session.revoked_at {
            None => session.expires_at <= expired,
            Some(at) => at <= tokens_died,
        };
        let dead = self.sessions_of(user).filter(is_dead).map(|session| session.id);
        let dead: Vec<_> = dead.take(CLEARED_PER_LOGIN as usize).collect();
        for id in &dead {
            self.sessions.remove(id);
        }
    }

    /// The oldest live sessions beside which the new one has no place, by
    /// their ids.
    fn over_limit(&self, new: &Session, max_sessions: u32) -> Vec<SessionId> {
        if self.has(Bug::NoSessionLimit) {
            return Vec::new();
        }
        let alike = |session: &&Session| {
            session.user_version == new.user_version
                && session.client_id == new.client_id
                && session.client_version == new.client_version
                && session.revoked_at.is_none()
                && !session.has_expired(new.created_at)
        };
        let live = self.sessions_of(new.user_id).filter(alike);
        let mut live: Vec<_> = live.map(|session| (session.created_at, session.id)).collect();
        live.sort_unstable();
        let kept = max_sessions.saturating_sub(1) as usize;
        live.truncate(live.len().saturating_sub(kept));
        let mut over: Vec<_> = live.into_iter().map(|(_, id)| id).collect();
        over.sort_unstable();
        over
    }
}
