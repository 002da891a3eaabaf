//! Sessions: one row each, and a generation counter in place of token rows.

use std::time::Duration;

use super::{
    account::Account,
    clock::Timestamp,
    error::Refusal,
    id::{ClientId, SessionId, UserId},
    policy::{Audience, Scopes},
    revocation::Reason,
};

/// One login of a user on one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The `sid` claim.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// The user's version at login, or at the change of the password that this
    /// session was used for. Its tokens carry this one, never the current one,
    /// so that refreshing cannot outlive a user-wide revocation.
    pub user_version: i64,
    /// The lowest user version whose refresh tokens it takes. Only a change of
    /// the password raises it.
    pub min_refresh_version: i64,
    /// The client it belongs to.
    pub client_id: ClientId,
    /// The client's version at login.
    pub client_version: i64,
    /// The generation of the newest refresh token; the first has 1.
    pub generation: i64,
    /// When the newest generation was made.
    pub rotated_at: Timestamp,
    /// When the user logged in.
    pub created_at: Timestamp,
    /// When it ends, however often it is refreshed. Whole seconds.
    pub expires_at: Timestamp,
    /// When it ends unless it is refreshed before; `None` for no such limit.
    pub idle_expires_at: Option<Timestamp>,
    /// When the user last proved who they are, by a login or for a change of
    /// the password.
    pub auth_time: Timestamp,
    /// How (RFC 8176).
    pub amr: Vec<String>,
    /// What was granted.
    pub scopes: Scopes,
    /// For whom its access tokens are. Never empty.
    pub audience: Vec<Audience>,
    /// What the client called it; may be empty.
    pub label: String,
    /// The address it was opened from; may be empty.
    pub ip: String,
    /// The client software at login; may be empty.
    pub user_agent: String,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Why it was revoked.
    pub revoke_reason: Option<Reason>,
}

impl Session {
    /// What every session begins with. That of a browser has no other.
    pub const FIRST_GENERATION: i64 = 1;

    /// Is its time over?
    pub fn has_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at || self.idle_expires_at.is_some_and(|end| now >= end)
    }
}

/// What a refresh token was presented with.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The generation that the token carries.
    pub generation: i64,
    /// The user version that the token carries.
    pub user_version: i64,
    /// The client that presents it.
    pub client_id: ClientId,
    /// When.
    pub now: Timestamp,
    /// How long a used token still gets its successor again.
    pub replay_window: Duration,
}

/// A session and what it depends on, as they stand in the store.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The session.
    pub session: Session,
    /// Its user.
    pub account: Account,
    /// The client's version now.
    pub client_version: i64,
    /// Is the client enabled?
    pub client_enabled: bool,
    /// Versions below this are dead whoever's they are (`kind = all`).
    pub version_floor: i64,
}

/// What to do with a refresh token that the guarded rotation did not take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It may rotate: what stood in the way is gone. Only a caller that has
    /// not tried the guarded write yet can meet this.
    Rotate,
    /// An honest repetition: the successor is given again.
    Replay,
    /// No, and no harm is suspected.
    Refuse(Refusal),
    /// It is ahead of the store: the database was rolled back. Revoke, alarm.
    RolledBack,
    /// It was used before: a thief has it, or had it. Revoke.
    Reused,
}

/// Decides on a presented refresh token whose signature is good. The order
/// of the questions is part of the contract: what is over anyway raises no
/// alarm.
pub fn judge(standing: Option<&Standing>, presented: &Presented) -> Judgement {
    let Some(standing) = standing else {
        return Judgement::Refuse(Refusal::SessionExpired);
    };
    if let Some(refusal) = standing.refusal(presented) {
        return Judgement::Refuse(refusal);
    }
    let session = &standing.session;
    if presented.user_version > session.user_version {
        return Judgement::RolledBack;
    }
    // A negative age (clocks of replicas differ) counts as inside the window.
    let age = presented.now.since(session.rotated_at);
    match session.generation.checked_sub(presented.generation) {
        Some(0) => Judgement::Rotate,
        Some(1) if age <= presented.replay_window => Judgement::Replay,
        Some(behind) if behind > 0 => Judgement::Reused,
        _ => Judgement::RolledBack,
    }
}

impl Standing {
    /// What ended the session, if anything did.
    fn refusal(&self, presented: &Presented) -> Option<Refusal> {
        let session = &self.session;
        let versions_stand = self.account.version == session.user_version
            && self.client_version == session.client_version
            && session.user_version >= self.version_floor
            // The session has survived a change of the password; this token,
            // perhaps the reason for it, has not. It gets no successor, and it
            // cannot end the session either: it would be the thief's last word.
            && presented.user_version >= session.min_refresh_version;
        if session.revoked_at.is_some() {
            Some(Refusal::Revoked)
        } else if session.has_expired(presented.now) {
            Some(Refusal::SessionExpired)
        } else if !versions_stand || self.account.disabled_at.is_some() || !self.client_enabled {
            Some(Refusal::Revoked)
        } else if session.client_id != presented.client_id {
            Some(Refusal::ClientMismatch)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const T: i64 = 1_800_000_000;

    fn client() -> ClientId {
        ClientId::parse("web").expect("valid")
    }

    fn standing() -> Standing {
        let start = Timestamp::from_seconds(T);
        let user_id = UserId::new(Uuid::from_u128(1));
        Standing {
            session: Session {
                id: SessionId::new(Uuid::from_u128(2)),
                user_id,
                user_version: 3,
                min_refresh_version: 3,
                client_id: client(),
                client_version: 1,
                generation: 7,
                rotated_at: start,
                created_at: start,
                expires_at: start.plus(Duration::from_secs(1000)),
                idle_expires_at: Some(start.plus(Duration::from_secs(500))),
                auth_time: start,
                amr: vec!["pwd".into()],
                scopes: Scopes::default(),
                audience: vec![Audience::parse("api").expect("valid")],
                label: String::new(),
                ip: String::new(),
                user_agent: String::new(),
                revoked_at: None,
                revoke_reason: None,
            },
            account: Account {
                id: user_id,
                version: 3,
                revision: 1,
                username: None,
                email: None,
                phone: None,
                email_verified_at: None,
                phone_verified_at: None,
                display_name: None,
                roles: Vec::new(),
                created_at: start,
                disabled_at: None,
                last_login_at: None,
            },
            client_version: 1,
            client_enabled: true,
            version_floor: 0,
        }
    }

    fn presented(generation: i64, after: Duration) -> Presented {
        Presented {
            generation,
            user_version: 3,
            client_id: client(),
            now: Timestamp::from_seconds(T).plus(after),
            replay_window: Duration::from_secs(30),
        }
    }

    /// RF-10: the replay window is exact.
    #[test]
    fn rf_10_replay_window_edges() {
        let at = |millis| judge(Some(&standing()), &presented(6, Duration::from_millis(millis)));
        assert_eq!(at(0), Judgement::Replay);
        assert_eq!(at(29_999), Judgement::Replay);
        assert_eq!(at(30_000), Judgement::Replay);
        assert_eq!(at(30_001), Judgement::Reused);
        let before =
            Presented { now: Timestamp::from_seconds(T - 5), ..presented(6, Duration::ZERO) };
        assert_eq!(judge(Some(&standing()), &before), Judgement::Replay);
    }

    /// RF-09: two generations back is theft at any time.
    #[test]
    fn rf_09_generations() {
        let of = |generation| judge(Some(&standing()), &presented(generation, Duration::ZERO));
        assert_eq!(of(5), Judgement::Reused);
        assert_eq!(of(i64::MIN), Judgement::RolledBack, "not a generation at all");
        assert_eq!(of(7), Judgement::Rotate);
        assert_eq!(of(8), Judgement::RolledBack);
        assert_eq!(of(i64::MAX), Judgement::RolledBack);
    }

    /// VT-07: whatever its generation, a token from before a change of the
    /// password is refused, and raises no alarm.
    #[test]
    fn vt_07_versions_go_before_generations() {
        let of = |user_version, generation, after| {
            let presented = Presented { user_version, ..presented(generation, after) };
            judge(Some(&standing()), &presented)
        };
        let late = Duration::from_secs(31);
        for generation in [1, 6, 7, 8] {
            for after in [Duration::ZERO, late] {
                assert_eq!(of(2, generation, after), Judgement::Refuse(Refusal::Revoked));
                assert_eq!(of(4, generation, after), Judgement::RolledBack);
            }
        }
        assert_eq!(of(3, 6, Duration::ZERO), Judgement::Replay);
        assert_eq!(of(3, 6, late), Judgement::Reused);
        assert_eq!(of(3, 7, late), Judgement::Rotate);
    }

    /// RF-13, RF-15: absolute and idle ends are exact.
    #[test]
    fn rf_13_rf_15_expiry_edges() {
        let over = Judgement::Refuse(Refusal::SessionExpired);
        let at = |secs| judge(Some(&standing()), &presented(7, Duration::from_secs(secs)));
        assert_eq!(at(499), Judgement::Rotate);
        assert_eq!(at(500), over);
        let mut no_idle = standing();
        no_idle.session.idle_expires_at = None;
        let at = |secs| judge(Some(&no_idle), &presented(7, Duration::from_secs(secs)));
        assert_eq!(at(999), Judgement::Rotate);
        assert_eq!(at(1000), over);
    }

    #[test]
    fn what_is_over_anyway_raises_no_alarm() {
        let refused = |change: fn(&mut Standing)| {
            let mut standing = standing();
            change(&mut standing);
            judge(Some(&standing), &presented(1, Duration::from_mins(1)))
        };
        let revoked = Judgement::Refuse(Refusal::Revoked);
        assert_eq!(refused(|s| s.session.revoked_at = Some(Timestamp::from_seconds(T))), revoked);
        assert_eq!(refused(|s| s.account.disabled_at = Some(Timestamp::from_seconds(T))), revoked);
        assert_eq!(refused(|s| s.account.version = 4), revoked);
        assert_eq!(refused(|s| s.client_version = 2), revoked);
        assert_eq!(refused(|s| s.client_enabled = false), revoked);
        assert_eq!(refused(|s| s.version_floor = 4), revoked);
        assert_eq!(
            refused(|s| s.session.client_id = ClientId::parse("other").expect("valid")),
            Judgement::Refuse(Refusal::ClientMismatch)
        );
        assert_eq!(refused(|_| ()), Judgement::Reused);
        assert_eq!(
            judge(None, &presented(1, Duration::ZERO)),
            Judgement::Refuse(Refusal::SessionExpired)
        );
    }
}
