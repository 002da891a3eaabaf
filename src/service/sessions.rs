//! `ListSessions`: the caller's own.

use crate::domain::{
    claims::AccessClaims,
    error::AuthError,
    id::{SessionId, UserId},
    session::Session,
};

use super::{Administrator, Auth, verify::acting_user};

/// The most sessions on a page, and how many there are when none are asked for.
pub const PAGE_MAX: u32 = 100;
const PAGE_DEFAULT: u32 = 50;

/// A page of sessions, newest first.
#[derive(Clone, Debug)]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<Session>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<SessionId>,
    /// The one that the caller is in.
    pub current: SessionId,
}

impl Auth {
    /// The live sessions of a user, newest first, created before `before`.
    pub async fn sessions_of(
        &self,
        user: UserId,
        before: Option<SessionId>,
        limit: u32,
        _: &Administrator,
    ) -> Result<Vec<Session>, AuthError> {
        Ok(self.store.sessions(user, before, limit, self.now()).await?)
    }

    /// The live sessions of the user whose access token the caller has.
    pub async fn list_sessions(
        &self,
        caller: &AccessClaims,
        page_size: i32,
        page_token: &str,
    ) -> Result<SessionPage, AuthError> {
        let user = acting_user(caller)?;
        let size = match u32::try_from(page_size) {
            Ok(0) => PAGE_DEFAULT,
            Ok(size) => size.min(PAGE_MAX),
            Err(_) => return Err(AuthError::invalid("page_size", "must not be negative")),
        };
        let before = match page_token {
            "" => None,
            token => Some(SessionId::parse(token).map_err(|_| {
                AuthError::invalid("page_token", "must be a next_page_token of an earlier answer")
            })?),
        };
        let now = self.now();
        // One more than asked for shows whether there is a next page.
        let mut sessions = self.store.sessions(user.id, before, size + 1, now).await?;
        let full = usize::try_from(size).unwrap_or(usize::MAX);
        let more = sessions.len() > full;
        sessions.truncate(full);
        let next = sessions.last().filter(|_| more).map(|session| session.id);
        Ok(SessionPage { sessions, next, current: user.session_id })
    }
}
