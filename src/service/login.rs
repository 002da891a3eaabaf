//! `Login`: from a password to a session and its first tokens.
//!
//! 1. Check what is asked for against what the client may have.
//! 2. Read the credentials, and check the password on the worker threads, as
//!    a counted attempt (`throttle`). An unknown user costs the same work, on
//!    a dummy hash, and is counted alike. Only then are scopes refused that
//!    the user's roles do not allow.
//! 3. Open the session in one transaction, provided that the user is still
//!    what it was in step 2.
//! 4. Sign, and answer.
//!
//! A process that dies after step 3 leaves a session without tokens, which
//! expires; one that dies before leaves nothing.

use std::time::Duration;

use crate::{
    domain::{
        account::Account,
        audit::{Action, Actor, Event, Origin},
        clock::Timestamp,
        entropy::sortable_uuid,
        error::{AuthError, FieldViolation, Refusal, chain},
        id::{ClientId, SessionId, UserId},
        identifier::{self, IDENTIFIER_MAX_LEN, Identifier},
        issuance,
        password::{InvalidPassword, Password, PasswordHash},
        policy::{Grant, Lifetimes},
        session::Session,
    },
    store::port::{Credentials, NewSession, OpenSession},
};

use super::{
    Auth, Caller,
    throttle::{Guess, Subjects, user_counted},
    tokens::TokenPair,
};

/// The longest label of a session, in bytes.
pub const LABEL_MAX_LEN: usize = 128;
const USER_AGENT_MAX_LEN: usize = 256;

/// What a login asks for; nothing of it is checked yet.
#[derive(Debug)]
pub struct LoginRequest {
    /// Username, e-mail address or phone number.
    pub identifier: String,
    /// The password; `Err` names the rule it breaks.
    pub password: Result<Password, InvalidPassword>,
    /// Client; empty for the default one.
    pub client_id: String,
    /// Audiences; empty for the client's default.
    pub audience: Vec<String>,
    /// Scopes, space separated; empty for the client's default.
    pub scope: String,
    /// What the client calls the session.
    pub label: String,
    /// Only an access token is wanted.
    pub no_refresh_token: bool,
}

/// A session that was opened.
#[derive(Clone, Debug)]
pub struct LoggedIn {
    /// Its tokens.
    pub tokens: TokenPair,
    /// The session.
    pub session_id: SessionId,
    /// The user.
    pub user_id: UserId,
}

/// How long a session lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lasting {
    /// As long as it is refreshed.
    Refreshed,
    /// As long as its one access token.
    OneToken,
    /// As long as its cookie, which lives so long, is renewed.
    Browser(Duration),
}

/// A session without tokens yet.
pub(super) struct Opened {
    pub(super) session: Session,
    pub(super) account: Account,
    /// Those of its tokens.
    pub(super) lifetimes: Lifetimes,
}

impl Auth {
    /// Logs a user in. A refused login is answered on a time grid.
    pub async fn login(
        &self,
        request: LoginRequest,
        caller: &Caller,
    ) -> Result<LoggedIn, AuthError> {
        let lasting = if request.no_refresh_token { Lasting::OneToken } else { Lasting::Refreshed };
        let Opened { session, account, lifetimes } =
            self.open_session(request, lasting, caller).await?;
        let with_refresh_token = lasting == Lasting::Refreshed;
        let tokens =
            self.mint_generation(&lifetimes, &session, &account, with_refresh_token).await?;
        Ok(LoggedIn { tokens, session_id: session.id, user_id: account.id })
    }

    /// All of a login but the tokens. A refused one is answered on the grid.
    pub(super) async fn open_session(
        &self,
        request: LoginRequest,
        lasting: Lasting,
        caller: &Caller,
    ) -> Result<Opened, AuthError> {
        let began = self.clock.monotonic();
        let result = self.try_open(request, lasting, caller).await;
        if let Err(AuthError::Unauthenticated(_)) = result {
            self.wait_for_grid(began).await;
        }
        result
    }

    async fn try_open(
        &self,
        request: LoginRequest,
        lasting: Lasting,
        caller: &Caller,
    ) -> Result<Opened, AuthError> {
        let password = check_form(&request)?;
        let (client_id, client) = self.login_client(&request.client_id).await?;
        let grant = client.grant(client_id, &request.audience, &request.scope)?;
        let credentials =
            self.check_credentials(&request.identifier, password, &grant.client_id, caller).await?;
        // Read only now: the hash may have waited, and the tokens' lives and the
        // revocations of sessions that must go are counted from here.
        let now = self.now();
        let grant = self.policy.narrow(grant, &request.scope, &credentials.account.roles)?;
        let lifetimes = match lasting {
            Lasting::Browser(cookie) => client.lifetimes.with_cookie(cookie),
            Lasting::Refreshed | Lasting::OneToken => client.lifetimes,
        };
        let mut session = self.new_session(&credentials, grant, &lifetimes, now)?;
        session.label = request.label;
        session.ip = caller.ip.map(|ip| ip.to_canonical().to_string()).unwrap_or_default();
        session.user_agent = cut(&caller.user_agent, USER_AGENT_MAX_LEN);
        if lasting == Lasting::OneToken {
            let token_id = issuance::access_token_id(session.id, session.generation);
            session.expires_at =
                issuance::access_token_end(&self.policy, &lifetimes, &session, now, token_id);
            session.idle_expires_at = None;
        }
        let origin = caller.acting_as(Actor::User(credentials.account.id));
        let max_sessions = client.max_sessions_per_user;
        let (session, account) = self.open(session, credentials, max_sessions, origin).await?;
        Ok(Opened { session, account, lifetimes })
    }

    /// Reads the credentials and checks the password; makes the hash again
    /// when its parameters are not the configured ones.
    async fn check_credentials(
        &self,
        identifier: &str,
        password: Password,
        client: &ClientId,
        caller: &Caller,
    ) -> Result<Credentials, AuthError> {
        let wrong = AuthError::Unauthenticated(Refusal::InvalidCredentials);
        let place = self.place(caller)?;
        // What cannot be an identifier is nobody's, and costs what nobody costs.
        let parsed = Identifier::parse(identifier);
        let found = match parsed.clone() {
            Ok(identifier) => self.store.credentials(identifier).await?,
            Err(_) => None,
        };
        let stored = found.as_ref().and_then(|c| c.password_hash.clone());
        let enabled = found.as_ref().is_some_and(|c| c.account.disabled_at.is_none());
        let account = counted_as(found.as_ref(), parsed.ok().as_ref(), identifier);
        let failure = Event::new(Action::Login, &caller.acting_as(Actor::Anonymous), self.now());
        let failure = failure.client(client.clone());
        let failure = self.describe_failure(failure, found.as_ref(), identifier);
        let guess =
            Guess { password: password.clone(), stored: stored.clone(), enabled, place, failure };
        let subjects = Subjects { account: &account, source: caller.ip };
        let check = self.attempts.check(subjects, guess).await?;
        let credentials = found.filter(|c| check.matches && c.account.disabled_at.is_none());
        let credentials = credentials.ok_or(wrong)?;
        if let Some(old) = stored.filter(|_| check.outdated)
            && let Err(error) = self.rehash(credentials.account.id, old, password, caller).await
        {
            // It will be tried again at the next login; this one was correct.
            tracing::warn!(error = chain(&error), "a password hash could not be made anew");
        }
        Ok(credentials)
    }

    /// What the audit log says if the password is not right: for operators,
    /// why; and by which identifier only if the configuration says so.
    fn describe_failure(
        &self,
        event: Event,
        found: Option<&Credentials>,
        identifier: &str,
    ) -> Event {
        let event = match found {
            None => event.refused("UNKNOWN_IDENTIFIER"),
            Some(Credentials { account, .. }) if account.disabled_at.is_some() => {
                event.refused("USER_DISABLED").user(account.id)
            }
            Some(Credentials { account, password_hash: None }) => {
                event.refused("NO_PASSWORD").user(account.id)
            }
            Some(Credentials { account, .. }) => event.refused("WRONG_PASSWORD").user(account.id),
        };
        if self.policy.audit_failed_identifiers {
            event.detail(format!("identifier={}", cut(identifier, IDENTIFIER_MAX_LEN)))
        } else {
            event
        }
    }

    async fn rehash(
        &self,
        user: UserId,
        old: PasswordHash,
        password: Password,
        caller: &Caller,
    ) -> Result<(), AuthError> {
        let new = self.hash(password, caller).await?;
        self.store.replace_password_hash(user, old, new).await?;
        Ok(())
    }

    fn new_session(
        &self,
        credentials: &Credentials,
        grant: Grant,
        lifetimes: &Lifetimes,
        now: Timestamp,
    ) -> Result<Session, AuthError> {
        Ok(Session {
            id: SessionId::new(sortable_uuid(self.entropy.as_ref(), now)?),
            user_id: credentials.account.id,
            user_version: credentials.account.version,
            min_refresh_version: 0,
            client_id: grant.client_id,
            client_version: 0, // The store knows.
            generation: Session::FIRST_GENERATION,
            rotated_at: now,
            created_at: now,
            expires_at: now.plus(lifetimes.session).floor_to_second(),
            idle_expires_at: lifetimes.idle.map(|idle| now.plus(idle)),
            auth_time: now,
            amr: vec!["pwd".to_owned()],
            scopes: grant.scopes,
            audience: grant.audience,
            label: String::new(),
            ip: String::new(),
            user_agent: String::new(),
            revoked_at: None,
            revoke_reason: None,
        })
    }

    async fn open(
        &self,
        session: Session,
        credentials: Credentials,
        max_sessions: u32,
        origin: Origin,
    ) -> Result<(Session, Account), AuthError> {
        let wrong = || AuthError::Unauthenticated(Refusal::InvalidCredentials);
        let new = NewSession {
            session,
            checked_version: credentials.account.version,
            checked_hash: credentials.password_hash.ok_or_else(wrong)?,
            max_sessions,
            origin,
        };
        match self.store.open_session(new).await? {
            OpenSession::Opened { session, account, ended } => {
                self.index.apply(&ended);
                Ok((session, account))
            }
            OpenSession::Refused => Err(wrong()),
        }
    }

    /// Sleeps until the next whole multiple of the grid after `began`.
    pub(super) async fn wait_for_grid(&self, began: Duration) {
        let grid = self.policy.login_failure_grid;
        if grid.is_zero() {
            return;
        }
        let elapsed = self.clock.monotonic().saturating_sub(began);
        let past = elapsed.as_nanos() % grid.as_nanos();
        let left = grid.as_nanos().saturating_sub(past);
        tokio::time::sleep(Duration::from_nanos(u64::try_from(left).unwrap_or(0))).await;
    }
}

/// The one name under which attempts are counted: of a user, by whichever of
/// its identifiers; of nobody, by the canonical form of what was typed; what
/// is no identifier, by what is left of it when spellings are.
fn counted_as(found: Option<&Credentials>, identifier: Option<&Identifier>, typed: &str) -> String {
    match (found, identifier) {
        (Some(credentials), _) => user_counted(credentials.account.id),
        (None, Some(identifier)) => format!("{} {identifier}", identifier.kind()),
        (None, None) => format!("typed {}", identifier::folded(typed)),
    }
}

/// The rules that need no look at any account, all broken ones at once.
fn check_form(request: &LoginRequest) -> Result<Password, AuthError> {
    let mut violations = Vec::new();
    if request.identifier.is_empty() || request.identifier.len() > IDENTIFIER_MAX_LEN {
        let rule = format!("must be 1 to {IDENTIFIER_MAX_LEN} bytes");
        violations.push(FieldViolation::new("identifier", rule));
    }
    if request.label.len() > LABEL_MAX_LEN || request.label.chars().any(char::is_control) {
        let rule = format!("must be at most {LABEL_MAX_LEN} bytes without control characters");
        violations.push(FieldViolation::new("label", rule));
    }
    match &request.password {
        Ok(password) if violations.is_empty() => Ok(password.clone()),
        Ok(_) => Err(AuthError::InvalidArgument(violations)),
        Err(error) => {
            violations.push(FieldViolation::new("password", error.to_string()));
            Err(AuthError::InvalidArgument(violations))
        }
    }
}

/// At most `max` bytes of the text, whole characters, control characters
/// replaced.
fn cut(text: &str, max: usize) -> String {
    let mut kept = String::new();
    for character in text.chars() {
        let character = if character.is_control() { ' ' } else { character };
        if kept.len() + character.len_utf8() > max {
            break;
        }
        kept.push(character);
    }
    kept
}
