//! Browser sessions: a login whose one credential is a cookie that the gateway
//! keeps to itself, judged from memory like an access token, and renewed while
//! it is used.
//!
//! A renewal is the guarded step of a refresh without rotation, so whatever
//! ended the session ends the renewals too, and requests in parallel do not
//! stand in each other's way. It is a service to the browser and never a
//! condition: a cookie that is good is good without the database.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use secrecy::SecretString;

use crate::{
    domain::{
        account::Account,
        audit::Actor,
        claims::AccessClaims,
        clock::Timestamp,
        error::{AuthError, Refusal, chain},
        id::{SessionId, TokenId, UserId},
        issuance,
        policy::{BrowserPolicy, Lifetimes, Rotation},
        session::{Presented, Session},
        token::TokenType,
    },
    store::port::{Rotate, Rotated},
};

use super::{
    Auth, Caller,
    login::{Lasting, LoginRequest, Opened},
    verify::acting_user,
};

/// How long nobody tries again after a renewal that did not come about, and
/// for a session in any case: whoever keeps an old cookie shall not make the
/// store write at each request.
const PAUSE: Duration = Duration::from_secs(1);
/// Sessions of which it is known when they tried. While there are more at a
/// time, cookies stay what they are.
const SESSIONS_MAX: usize = 16_384;

/// A cookie on its way to the browser.
#[derive(Clone, Debug)]
pub struct Cookie {
    /// Its value.
    pub token: SecretString,
    /// Its `exp`.
    pub expires_at: Timestamp,
    /// How long that is from now.
    pub max_age: Duration,
}

/// A browser session that was opened.
#[derive(Clone, Debug)]
pub struct BrowserSession {
    /// Its cookie.
    pub cookie: Cookie,
    /// The session.
    pub session_id: SessionId,
    /// The user.
    pub user_id: UserId,
}

/// What became of a cookie that was found good.
#[derive(Clone, Debug)]
pub enum Renewal {
    /// It stays.
    None,
    /// This one takes its place.
    Renewed(Cookie),
    /// The store knows better: the session is over.
    Refused(Refusal),
}

impl Auth {
    /// Logs a user in with a cookie, on the client for browsers.
    pub async fn open_browser_session(
        &self,
        request: LoginRequest,
        caller: &Caller,
    ) -> Result<BrowserSession, AuthError> {
        let BrowserPolicy { client, cookie_lifetime, .. } = self.browser_policy()?;
        let request = LoginRequest { client_id: client.to_string(), ..request };
        let lasting = Lasting::Browser(*cookie_lifetime);
        let Opened { session, account, lifetimes } =
            self.open_session(request, lasting, caller).await?;
        let cookie = self.mint_cookie(&lifetimes, &session, &account, session.rotated_at).await?;
        Ok(BrowserSession { cookie, session_id: session.id, user_id: account.id })
    }

    /// Renews a cookie that was found good, if half of its life is over. While
    /// the database is out of reach it stays what it is.
    pub async fn renew_cookie(&self, claims: &AccessClaims, caller: &Caller) -> Renewal {
        let (now, monotonic) = (self.now(), self.clock.monotonic());
        let Some(user) = claims.user().filter(|_| is_due(claims, now)) else {
            return Renewal::None;
        };
        if !self.renewals.take_turn(user.session_id, monotonic) {
            return Renewal::None;
        }
        match self.renew(claims, now, caller).await {
            Ok(renewal) => {
                self.renewals.succeeded();
                if let Renewal::None = renewal {
                    let left = claims.expires_at.since(now);
                    self.renewals.rest(user.session_id, monotonic.saturating_add(left));
                }
                renewal
            }
            // What is wrong with one session is no reason to make others wait.
            Err(error @ AuthError::Internal(_)) => {
                tracing::warn!(error = chain(&error), "a cookie could not be renewed");
                Renewal::None
            }
            Err(error) => {
                self.renewals.failed(&error, self.clock.monotonic());
                Renewal::None
            }
        }
    }

    async fn renew(
        &self,
        claims: &AccessClaims,
        now: Timestamp,
        caller: &Caller,
    ) -> Result<Renewal, AuthError> {
        let browser = self.browser_policy()?;
        let renewal = self.renew_with(browser.cookie_lifetime, claims, now, caller);
        // The step in the store goes on to its end if nobody waits for it.
        let renewal = tokio::time::timeout(browser.renewal_wait, renewal).await;
        renewal.map_err(|_| AuthError::DeadlineExceeded)?
    }

    async fn renew_with(
        &self,
        life: Duration,
        claims: &AccessClaims,
        now: Timestamp,
        caller: &Caller,
    ) -> Result<Renewal, AuthError> {
        let user = acting_user(claims)?;
        let (client_id, client) = match self.login_client(claims.client_id.as_str()).await {
            // It is no client for users any more.
            Err(AuthError::InvalidArgument(_)) => return Ok(Renewal::Refused(Refusal::Revoked)),
            found => found?,
        };
        let lifetimes = client.lifetimes.with_cookie(life);
        let request = Rotate {
            session_id: user.session_id,
            presented: Presented {
                generation: Session::FIRST_GENERATION,
                user_version: claims.user_version,
                client_id,
                now,
                replay_window: Duration::ZERO,
            },
            rotation: Rotation::Off,
            idle: lifetimes.idle,
            entry_id: self.random_uuid()?,
            origin: caller.acting_as(Actor::User(user.id)),
        };
        let (session, account) = match self.rotate(request, user.id).await? {
            Rotated::Advanced { session, account } => (session, account),
            Rotated::Refused(refusal) | Rotated::Ended { refusal, .. } => {
                return Ok(Renewal::Refused(refusal));
            }
            // A cookie's session has one generation, so there is none before.
            Rotated::Replayed { .. } => return Ok(Renewal::Refused(Refusal::Revoked)),
        };
        if session.user_id != user.id {
            return Ok(Renewal::Refused(Refusal::InvalidToken));
        }
        let cookie = self.mint_cookie(&lifetimes, &session, &account, now).await?;
        // At the end of the session nothing can be won any more.
        let is_longer = cookie.expires_at > claims.expires_at;
        Ok(if is_longer { Renewal::Renewed(cookie) } else { Renewal::None })
    }

    async fn mint_cookie(
        &self,
        lifetimes: &Lifetimes,
        session: &Session,
        account: &Account,
        at: Timestamp,
    ) -> Result<Cookie, AuthError> {
        let token_id = TokenId::new(self.random_uuid()?);
        let policy = &self.policy;
        let claims = issuance::session_claims(policy, lifetimes, session, account, at, token_id);
        let token = self.keys.sign(TokenType::Cookie, claims.to_cookie_json(), at).await?;
        let max_age = claims.expires_at.since(self.now());
        Ok(Cookie { token: SecretString::from(token), expires_at: claims.expires_at, max_age })
    }

    fn browser_policy(&self) -> Result<&BrowserPolicy, AuthError> {
        let off = || AuthError::internal("browser sessions are switched off");
        self.policy.browser.as_ref().ok_or_else(off)
    }
}

/// From the middle of its life on.
fn is_due(claims: &AccessClaims, now: Timestamp) -> bool {
    now >= claims.issued_at.plus(claims.expires_at.since(claims.issued_at) / 2)
}

/// Whether renewals come about at present. So an outage makes one line in the
/// log, and few requests wait in vain.
#[derive(Debug, Default)]
pub(super) struct Renewals {
    /// Until when nobody tries, in milliseconds of monotonic time; 0: the last
    /// one came about.
    paused_until_ms: AtomicU64,
    /// Until when a session does not try again.
    resting: Mutex<HashMap<SessionId, Duration>>,
}

impl Renewals {
    /// May this session try now? If so it has tried.
    fn take_turn(&self, session: SessionId, monotonic: Duration) -> bool {
        if self.are_paused(monotonic) {
            return false;
        }
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        if resting.get(&session).is_some_and(|until| monotonic < *until) {
            return false;
        }
        if resting.len() >= SESSIONS_MAX {
            resting.retain(|_, until| monotonic < *until);
        }
        let has_room = resting.len() < SESSIONS_MAX;
        if has_room {
            resting.insert(session, monotonic.saturating_add(PAUSE));
        }
        has_room
    }

    /// There is nothing to be won for this session before `until`.
    fn rest(&self, session: SessionId, until: Duration) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.insert(session, until);
    }

    fn are_paused(&self, monotonic: Duration) -> bool {
        millis(monotonic) < self.paused_until_ms.load(Ordering::Relaxed)
    }

    fn failed(&self, error: &AuthError, monotonic: Duration) {
        let until = millis(monotonic.saturating_add(PAUSE));
        if self.paused_until_ms.swap(until, Ordering::Relaxed) == 0 {
            tracing::warn!(error = chain(error), "cookies cannot be renewed; good ones stay good");
        }
    }

    fn succeeded(&self) {
        if self.paused_until_ms.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!("cookies are renewed again");
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_outage_pauses_renewals_until_one_comes_about() {
        let renewals = Renewals::default();
        let at = Duration::from_secs;
        assert!(!renewals.are_paused(at(0)));
        renewals.failed(&AuthError::DeadlineExceeded, at(10));
        assert!(renewals.are_paused(at(10)));
        assert!(!renewals.are_paused(at(11)), "one tries again");
        renewals.failed(&AuthError::DeadlineExceeded, at(11));
        assert!(renewals.are_paused(at(11)));
        renewals.succeeded();
        assert!(!renewals.are_paused(at(11)));
    }

    #[test]
    fn p7_a_session_tries_once_a_second_and_not_at_all_in_vain() {
        let renewals = Renewals::default();
        let (one, two) = (SessionId::new(Uuid::from_u128(1)), SessionId::new(Uuid::from_u128(2)));
        let at = Duration::from_millis;
        assert!(renewals.take_turn(one, at(0)) && !renewals.take_turn(one, at(999)));
        assert!(renewals.take_turn(two, at(999)), "others do not wait for it");
        assert!(renewals.take_turn(one, at(1_000)));
        renewals.rest(one, at(60_000));
        assert!(!renewals.take_turn(one, at(59_999)) && renewals.take_turn(one, at(60_000)));
        for n in 0..20_000 {
            renewals.take_turn(SessionId::new(Uuid::from_u128(n)), at(70_000));
        }
        assert!(renewals.resting.lock().expect("held by nobody").len() <= SESSIONS_MAX);
        assert!(renewals.take_turn(SessionId::new(Uuid::from_u128(99_999)), at(80_000)));
    }
}
