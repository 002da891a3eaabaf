//! A claimed, empty store on either engine, and short ways to use it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
use tokenward::{
    crypto::digest::sha256,
    domain::{
        account::{NewAccount, Role},
        audit::{Action, Actor, Event, Origin},
        clock::Timestamp,
        id::{ClientId, SessionId, UserId},
        identifier::Identifier,
        password::PasswordHash,
        policy::{Audience, Rotation, Scopes},
        revocation::{Reason, Revocation},
        session::{Presented, Session},
        throttle::Ending,
    },
    store::{
        StoreOptions, connect,
        port::{
            Attempt, Claim, Context, CreateUser, EndAttempt, EndUser, Instance, NewSession,
            NewUser, OpenSession, Revoke, RevokeTarget, Rotate, Rotated, Store, Sweep, UserEnded,
            UserEnding,
        },
    },
};
use uuid::Uuid;

use crate::{
    memory_store::MemoryStore,
    support::{beside, postgres},
};

/// The beginning of every test, 2100-01-01T00:00:00Z: later than the clock of
/// any database, whose time can count as well.
pub(super) const START: Timestamp = Timestamp::from_seconds(4_102_444_800);

pub(super) const ISSUER: &str = "https://auth.example.org";
pub(super) const ACCESS_S: u64 = 900;
/// How long an entry outlives the longest token: leeway, and wrong clocks.
pub(super) const MARGIN_S: u64 = 60 + 300;
pub(super) const SESSION_S: u64 = 14 * 24 * 3600;
pub(super) const WINDOW_S: u64 = 30;

/// `seconds` after the beginning of every test.
pub(super) fn at(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

/// A UUID that no other call gives; they sort in the order of the calls.
pub(super) fn unique() -> Uuid {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u128(COUNT.fetch_add(1, Ordering::Relaxed).into())
}

pub(super) fn client(name: &str) -> ClientId {
    ClientId::parse(name).unwrap()
}

pub(super) fn instance(issuer: &str) -> Instance {
    Instance {
        issuer: Some(issuer.to_owned()),
        max_access_lifetime: Duration::from_secs(ACCESS_S),
        max_session_lifetime: Duration::from_secs(SESSION_S),
        clients: vec![client("web"), client("app")],
        epoch: unique(),
        now: START,
    }
}

pub(super) struct Fixture {
    pub(super) store: Arc<dyn Store>,
    pub(super) url: SecretString,
    folder: Option<TempDir>,
    /// The database in memory, if it is there. Then there is no URL.
    pub(super) memory: Option<Arc<MemoryStore>>,
}

impl Fixture {
    pub(super) async fn memory() -> Self {
        Self::on(MemoryStore::new()).await
    }

    /// On a database in memory.
    pub(super) async fn on(memory: Arc<MemoryStore>) -> Self {
        let store: Arc<dyn Store> = memory.clone();
        let url = SecretString::default();
        Self { store, url, folder: None, memory: Some(memory) }.claimed().await
    }

    pub(super) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("tokenward.db").display());
        Self::unclaimed(url, Some(folder)).await.claimed().await
    }

    pub(super) async fn postgres(test: &str) -> Option<Self> {
        let url = postgres::fresh_database(test).await?;
        Some(Self::unclaimed(url, None).await.claimed().await)
    }

    async fn claimed(self) -> Self {
        let claim = self.store.claim(instance(ISSUER)).await.unwrap();
        assert!(matches!(claim, Claim::Ours { .. }));
        self
    }

    async fn unclaimed(url: String, folder: Option<TempDir>) -> Self {
        let url = SecretString::from(url);
        let store = connect(&url, StoreOptions::default(), sha256).await.expect("the store opens");
        Self { store, url, folder, memory: None }
    }

    /// One more process on the same database.
    pub(super) async fn another_store(&self) -> Arc<dyn Store> {
        if let Some(memory) = &self.memory {
            return memory.another();
        }
        connect(&self.url, StoreOptions::default(), sha256).await.unwrap()
    }

    pub(super) async fn finish(self) {
        self.store.close().await;
        if self.folder.is_none() && self.memory.is_none() {
            postgres::drop_database(self.url.expose_secret()).await;
        }
    }

    /// As if these entries of the log had been swept away.
    pub(super) async fn lose_entries_before(&self, seq: i64) {
        match &self.memory {
            Some(memory) => memory.inspect(|state| state.log.retain(|place, _| *place >= seq)),
            None => self.raw(&format!("DELETE FROM revocations WHERE seq < {seq}")).await,
        }
    }

    /// Runs SQL on a connection of its own, beside the store.
    pub(super) async fn raw(&self, sql: &str) {
        beside::run(self.url.expose_secret(), sql).await;
    }

    /// The one number that SQL gives, on a connection of its own.
    pub(super) async fn number(&self, sql: &str) -> i64 {
        beside::number(self.url.expose_secret(), sql).await
    }

    /// Changes a setting for later connections to this PostgreSQL database.
    pub(super) async fn alter_database(&self, change: &str) {
        let alter = format!("format('ALTER DATABASE %I {change}', current_database())");
        self.raw(&format!("DO $$ BEGIN EXECUTE {alter}; END $$")).await;
    }

    pub(super) async fn user(&self, name: &str) -> UserId {
        let new = new_user(new_account(name), START);
        let id = new.account.id;
        assert_eq!(self.store.create_user(new).await.unwrap(), CreateUser::Created);
        id
    }

    pub(super) async fn open(&self, user: UserId) -> Session {
        self.open_as(new_session(user, 1)).await
    }

    pub(super) async fn open_as(&self, new: NewSession) -> Session {
        match self.store.open_session(new).await.unwrap() {
            OpenSession::Opened { session, .. } => session,
            OpenSession::Refused => panic!("refused"),
        }
    }

    pub(super) async fn rotate(
        &self,
        session: &Session,
        generation: i64,
        now: Timestamp,
    ) -> Rotated {
        self.store.rotate(rotate(session, generation, now)).await.unwrap()
    }

    pub(super) async fn revoke(&self, target: RevokeTarget, now: Timestamp) -> Option<Revocation> {
        self.store.revoke(revoke(target, now)).await.unwrap()
    }

    pub(super) async fn disable(&self, user: UserId, now: Timestamp) -> Option<Revocation> {
        match self.store.end_user(end_user(user, UserEnding::Disable, now)).await.unwrap() {
            UserEnded::Ended(entry) => Some(entry),
            UserEnded::NotFound => None,
            UserEnded::LastOfRole => panic!("nobody asked for that"),
        }
    }

    pub(super) async fn log(&self) -> Vec<Revocation> {
        self.store.log_after(0, 1_000).await.unwrap()
    }
}

/// The hash of every user here.
const HASH: &str = "$argon2id$1";

pub(super) fn new_account(name: &str) -> NewAccount {
    NewAccount {
        id: UserId::new(unique()),
        identifiers: vec![Identifier::parse(name).unwrap()],
        display_name: Some("O'Neil -- \"$$\" \\ % _".to_owned()),
        roles: vec![Role::parse("reader").unwrap(), Role::parse("writer").unwrap()],
        password_hash: Some(PasswordHash::new(HASH.to_owned())),
    }
}

/// Whoever holds a token, from nowhere.
pub(super) fn origin() -> Origin {
    Origin { actor: Actor::Bearer, source: String::new(), request_id: String::new() }
}

pub(super) fn context(now: Timestamp) -> Context {
    Context { origin: origin(), now }
}

/// A sweep that keeps the audit log of the last year.
pub(super) fn sweep(now: Timestamp, limit: u32) -> Sweep {
    Sweep { now, audit_before: now.minus(Duration::from_hours(365 * 24)), limit }
}

pub(super) fn end(attempt: Attempt, ending: Ending) -> EndAttempt {
    EndAttempt { attempt, ending, failure: None }
}

pub(super) fn end_user(id: UserId, ending: UserEnding, now: Timestamp) -> EndUser {
    EndUser { id, ending, kept_role: None, origin: origin(), entry_id: unique(), now }
}

pub(super) fn new_user(account: NewAccount, now: Timestamp) -> NewUser {
    NewUser { account, event: Event::new(Action::CreateUser, &origin(), now) }
}

/// A session that begins at START; `checked_version` is the user's.
pub(super) fn new_session(user: UserId, checked_version: i64) -> NewSession {
    let session = Session {
        id: SessionId::new(unique()),
        user_id: user,
        user_version: checked_version,
        min_refresh_version: checked_version,
        client_id: client("web"),
        client_version: 0,
        generation: 1,
        rotated_at: START,
        created_at: START,
        expires_at: at(SESSION_S),
        idle_expires_at: None,
        auth_time: START,
        amr: vec!["pwd".to_owned(), "otp".to_owned()],
        scopes: Scopes::parse("read write").unwrap(),
        audience: vec![Audience::parse("api").unwrap(), Audience::parse("https://b").unwrap()],
        label: "'; DROP TABLE users; --".to_owned(),
        ip: "127.0.0.1".to_owned(),
        user_agent: "agent/1.0 \u{2019}".to_owned(),
        revoked_at: None,
        revoke_reason: None,
    };
    let checked_hash = PasswordHash::new(HASH.to_owned());
    NewSession { session, checked_version, checked_hash, max_sessions: 100, origin: origin() }
}

/// A refresh by the session's own client, with rotation.
pub(super) fn rotate(session: &Session, generation: i64, now: Timestamp) -> Rotate {
    let presented = Presented {
        generation,
        user_version: session.user_version,
        client_id: session.client_id.clone(),
        now,
        replay_window: Duration::from_secs(WINDOW_S),
    };
    let rotation = Rotation::On;
    let (session_id, entry_id) = (session.id, unique());
    Rotate { session_id, presented, rotation, idle: None, entry_id, origin: origin() }
}

pub(super) fn revoke(target: RevokeTarget, now: Timestamp) -> Revoke {
    Revoke { target, reason: Reason::Logout, origin: origin(), entry_id: unique(), now }
}

/// Unpacks a successful rotation.
pub(super) fn advanced(rotated: Rotated) -> Session {
    match rotated {
        Rotated::Advanced { session, .. } => session,
        other => panic!("not advanced: {other:?}"),
    }
}
