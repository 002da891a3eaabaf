//! A store in memory, which passes the suite of the store's contract
//! (`tests/it/store`) beside SQLite and PostgreSQL.
//!
//! It is for proofs that need a store a million times over: it does the same
//! for the same calls, without clock, randomness, threads or waiting. Every
//! step is done at once, under one lock, and checks before it writes, so that
//! one that fails leaves nothing behind. Whatever the product computes in Rust
//! is called here, not written again; what is written again is its SQL.
//!
//! It tells no audit lines, and a value that it took is never a corrupt one.

mod accounts;
mod audit;
mod bug;
mod clients;
mod instance;
mod log;
mod one_time;
mod passwords;
mod revoke;
mod rotation;
mod sessions;
mod state;
mod throttle;
mod users;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
pub(crate) use bug::Bug;
pub(crate) use state::State;
use tokenward::{
    domain::{
        account::{Account, NewAccount},
        audit::{Entry, Event},
        client::Client,
        clock::Timestamp,
        error::Fault,
        id::{ClientId, SessionId, UserId},
        identifier::Identifier,
        password::PasswordHash,
        revocation::Revocation,
        session::Session,
        throttle::Admission,
    },
    store::port::{
        Attempt, AuditPage, ChangeClient, ChangePassword, Claim, ClientChanged, ClientStanding,
        Context, CreateClient, CreateUser, Credentials, EndAttempt, EndUser, Instance,
        IssueOneTimeToken, LiveToken, Look, NewClient, NewOneTimeToken, NewSession, NewUser,
        OpenSession, PasswordChanged, PresentedToken, ResetPassword, Revoke, Rotate, Rotated,
        SetPassword, Store, StoreError, Sweep, Swept, UpdateUser, UseAssertion, UserEnded,
        UserQuery, UserUpdated, VerifyIdentifier,
    },
};

/// One process's access to a database in memory.
pub(crate) struct MemoryStore {
    shared: Arc<Mutex<State>>,
    closed: AtomicBool,
}

impl MemoryStore {
    /// A new database.
    pub(crate) fn new() -> Arc<Self> {
        Self::on(Arc::new(Mutex::new(State::default())))
    }

    /// A new database with a mistake in it.
    pub(crate) fn with_bug(bug: Bug) -> Arc<Self> {
        Self::on(Arc::new(Mutex::new(State { bug: Some(bug), ..State::default() })))
    }

    /// One more process on the same database.
    pub(crate) fn another(&self) -> Arc<Self> {
        Self::on(Arc::clone(&self.shared))
    }

    /// The database as it is.
    pub(crate) fn snapshot(&self) -> State {
        self.state().clone()
    }

    /// Brings the database back to what it was. Its clock goes on.
    pub(crate) fn restore(&self, backup: State) {
        let mut state = self.state();
        *state = State { database_time: state.database_time, ..backup };
    }

    /// Gives the database a clock, which does not go by itself. It has none at
    /// first, as SQLite.
    pub(crate) fn set_database_time(&self, now: Timestamp) {
        self.state().database_time = Some(now);
    }

    /// Looks at the database, or changes it, behind the back of the store.
    pub(crate) fn inspect<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state())
    }

    fn on(shared: Arc<Mutex<State>>) -> Arc<Self> {
        Arc::new(Self { shared, closed: AtomicBool::new(false) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step.
    fn step<T>(
        &self,
        step: impl FnOnce(&mut State) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable(Fault::from("the store is closed")));
        }
        step(&mut self.state())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn claim(&self, instance: Instance) -> Result<Claim, StoreError> {
        self.step(|state| Ok(state.claim(&instance)))
    }

    async fn database_time(&self) -> Result<Option<Timestamp>, StoreError> {
        self.step(|state| Ok(state.database_time))
    }

    async fn create_user(&self, new: NewUser) -> Result<CreateUser, StoreError> {
        self.step(|state| state.create_user(new))
    }

    async fn create_users(
        &self,
        accounts: Vec<NewAccount>,
        context: Context,
    ) -> Result<Vec<CreateUser>, StoreError> {
        self.step(|state| state.create_users(accounts, &context))
    }

    async fn credentials(&self, identifier: Identifier) -> Result<Option<Credentials>, StoreError> {
        self.step(|state| Ok(state.credentials(&identifier)))
    }

    async fn credentials_of(&self, user: UserId) -> Result<Option<Credentials>, StoreError> {
        self.step(|state| Ok(state.credentials_of(user)))
    }

    async fn user(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        self.step(|state| Ok(state.account(id)))
    }

    async fn user_by_identifier(
        &self,
        identifier: Identifier,
    ) -> Result<Option<Account>, StoreError> {
        Ok(self.credentials(identifier).await?.map(|credentials| credentials.account))
    }

    async fn users(&self, query: UserQuery) -> Result<Vec<Account>, StoreError> {
        self.step(|state| Ok(state.list_users(&query)))
    }

    async fn update_user(&self, update: UpdateUser) -> Result<UserUpdated, StoreError> {
        self.step(|state| state.update_user(&update))
    }

    async fn end_user(&self, end: EndUser) -> Result<UserEnded, StoreError> {
        self.step(|state| state.end_user(&end))
    }

    async fn replace_password_hash(
        &self,
        user: UserId,
        old: PasswordHash,
        new: PasswordHash,
    ) -> Result<bool, StoreError> {
        self.step(|state| Ok(state.replace_password_hash(user, &old, new)))
    }

    async fn change_password(&self, change: ChangePassword) -> Result<PasswordChanged, StoreError> {
        self.step(|state| state.change_password(&change))
    }

    async fn set_password(&self, change: SetPassword) -> Result<Option<Revocation>, StoreError> {
        self.step(|state| state.set_password(&change))
    }

    async fn issue_one_time_token(
        &self,
        new: NewOneTimeToken,
    ) -> Result<IssueOneTimeToken, StoreError> {
        self.step(|state| Ok(state.issue_one_time_token(&new)))
    }

    async fn one_time_token(&self, token: PresentedToken) -> Result<Option<LiveToken>, StoreError> {
        self.step(|state| Ok(state.one_time_token(&token)))
    }

    async fn reset_password(&self, reset: ResetPassword) -> Result<Option<Revocation>, StoreError> {
        self.step(|state| state.reset_password(&reset))
    }

    async fn verify_identifier(&self, request: VerifyIdentifier) -> Result<bool, StoreError> {
        self.step(|state| Ok(state.verify_identifier(&request)))
    }

    async fn enable_user(&self, user: UserId, context: Context) -> Result<bool, StoreError> {
        self.step(|state| Ok(state.enable_user(user, &context)))
    }

    async fn create_client(&self, new: NewClient) -> Result<CreateClient, StoreError> {
        self.step(|state| state.create_client(&new))
    }

    async fn client(&self, id: ClientId) -> Result<Option<ClientStanding>, StoreError> {
        self.step(|state| Ok(state.client_standing(&id)))
    }

    async fn clients(
        &self,
        after: Option<ClientId>,
        limit: u32,
    ) -> Result<Vec<Client>, StoreError> {
        self.step(|state| Ok(state.list_clients(after.as_ref(), limit)))
    }

    async fn change_client(&self, change: ChangeClient) -> Result<ClientChanged, StoreError> {
        self.step(|state| state.change_client(&change))
    }

    async fn use_assertion(&self, assertion: UseAssertion) -> Result<bool, StoreError> {
        self.step(|state| Ok(state.use_assertion(assertion)))
    }

    async fn begin_attempt(&self, attempt: Attempt) -> Result<Admission, StoreError> {
        self.step(|state| Ok(state.begin_attempt(&attempt)))
    }

    async fn end_attempt(&self, end: EndAttempt) -> Result<bool, StoreError> {
        self.step(|state| Ok(state.end_attempt(&end)))
    }

    async fn open_session(&self, session: NewSession) -> Result<OpenSession, StoreError> {
        self.step(|state| state.open_session(&session))
    }

    async fn rotate(&self, request: Rotate) -> Result<Rotated, StoreError> {
        self.step(|state| state.rotate(&request))
    }

    async fn sessions(
        &self,
        user: UserId,
        before: Option<SessionId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError> {
        self.step(|state| Ok(state.live_sessions(user, before, limit, now)))
    }

    async fn revoke(&self, request: Revoke) -> Result<Option<Revocation>, StoreError> {
        self.step(|state| state.revoke(&request))
    }

    async fn record(&self, event: Event) -> Result<(), StoreError> {
        self.step(|state| {
            state.tell(&event);
            Ok(())
        })
    }

    async fn audit_page(&self, page: AuditPage) -> Result<Vec<Entry>, StoreError> {
        self.step(|state| Ok(state.audit_page(&page)))
    }

    async fn audit_after(&self, seq: i64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        self.step(|state| Ok(state.audit_after(seq, limit)))
    }

    async fn audit_head(&self) -> Result<(i64, String), StoreError> {
        self.step(|state| Ok(state.audit_head()))
    }

    async fn look(&self, known_seq: i64) -> Result<Look, StoreError> {
        self.step(|state| state.look(known_seq))
    }

    async fn log_after(&self, seq: i64, limit: u32) -> Result<Vec<Revocation>, StoreError> {
        self.step(|state| Ok(state.log_after(seq, limit)))
    }

    async fn log_page(&self, seq: i64, limit: u32) -> Result<Vec<Revocation>, StoreError> {
        self.log_after(seq, limit).await
    }

    async fn sweep(&self, sweep: Sweep) -> Result<Swept, StoreError> {
        self.step(|state| Ok(state.sweep(&sweep)))
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }
}
