//! The store over any engine: each method of the port as one unit of work.

use async_trait::async_trait;
use sqlx::Pool;

use super::{
    accounts, audit, clients,
    engine::Engine,
    error::is_conflict,
    instance, log, one_time, passwords,
    port::{
        Attempt, AuditPage, ChangeClient, ChangePassword, Claim, ClientChanged, ClientStanding,
        Context, CreateClient, CreateUser, Credentials, EndAttempt, EndUser, Instance,
        IssueOneTimeToken, LiveToken, Look, NewClient, NewOneTimeToken, NewSession, NewUser,
        OpenSession, PasswordChanged, PresentedToken, ResetPassword, Revoke, Rotate, Rotated,
        SetPassword, Store, StoreError, Sweep, Swept, UpdateUser, UseAssertion, UserEnded,
        UserQuery, UserUpdated, VerifyIdentifier,
    },
    revoke, rotation, sessions,
    step::{Bounds, Step, acquire, in_own_task, look, transact},
    throttle, users,
};
use crate::domain::{
    account::{Account, NewAccount},
    audit::{Entry, Event},
    client::Client,
    clock::Timestamp,
    id::{ClientId, SessionId, UserId},
    identifier::Identifier,
    password::PasswordHash,
    revocation::Revocation,
    session::Session,
    throttle::Admission,
};

/// How often a step is tried that other transactions are in the way of.
const ATTEMPTS: usize = 3;

/// The store over one engine.
pub(super) struct SqlStore<DB: Engine> {
    /// Connections for steps that write.
    pub(super) writer: Pool<DB>,
    /// Connections for steps that only read.
    pub(super) reader: Pool<DB>,
    /// Connections for following the log: whatever else is going on, what was
    /// revoked must be seen in time.
    pub(super) watcher: Pool<DB>,
    /// What every step is given.
    pub(super) bounds: Bounds,
}

impl<DB: Engine> SqlStore<DB> {
    /// Runs a step that reads, for a caller who waits for the answer.
    async fn read<I, T>(&self, input: I, step: Step<DB, I, T>) -> Result<T, StoreError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.read_on(&self.reader, input, step).await
    }

    /// Runs a step that reads, for the follower of the log.
    async fn watch<I, T>(&self, input: I, step: Step<DB, I, T>) -> Result<T, StoreError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        self.read_on(&self.watcher, input, step).await
    }

    async fn read_on<I, T>(
        &self,
        pool: &Pool<DB>,
        input: I,
        step: Step<DB, I, T>,
    ) -> Result<T, StoreError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        let bounds = self.bounds;
        let work = move |connection| async move { look(connection, bounds, &input, step).await };
        in_own_task(pool, work).await
    }

    /// Runs a step that writes, in a transaction.
    pub(super) async fn write<I, T>(&self, input: I, step: Step<DB, I, T>) -> Result<T, StoreError>
    where
        I: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (pool, bounds) = (self.writer.clone(), self.bounds);
        let work = move |connection| async move {
            let mut outcome = transact(connection, bounds, &input, step).await;
            for _ in 1..ATTEMPTS {
                match &outcome {
                    Err(error) if is_conflict::<DB>(error) => {
                        let connection = acquire(&pool).await?;
                        outcome = transact(connection, bounds, &input, step).await;
                    }
                    _ => break,
                }
            }
            outcome
        };
        in_own_task(&self.writer, work).await
    }
}

#[async_trait]
impl<DB: Engine> Store for SqlStore<DB> {
    async fn claim(&self, instance: Instance) -> Result<Claim, StoreError> {
        self.write(instance, |unit, instance| Box::pin(instance::claim(unit, instance))).await
    }

    async fn issuer(&self) -> Result<Option<String>, StoreError> {
        self.read((), |unit, ()| Box::pin(instance::issuer(unit))).await
    }

    async fn database_time(&self) -> Result<Option<Timestamp>, StoreError> {
        if DB::DATABASE_TIME.is_none() {
            return Ok(None);
        }
        self.watch((), |unit, ()| Box::pin(instance::database_time(unit))).await
    }

    async fn create_user(&self, new: NewUser) -> Result<CreateUser, StoreError> {
        self.write(new, |unit, new| Box::pin(accounts::create(unit, new))).await
    }

    async fn create_users(
        &self,
        accounts: Vec<NewAccount>,
        context: Context,
    ) -> Result<Vec<CreateUser>, StoreError> {
        let new = (accounts, context);
        self.write(new, |unit, new| Box::pin(accounts::create_many(unit, new))).await
    }

    async fn credentials(&self, identifier: Identifier) -> Result<Option<Credentials>, StoreError> {
        self.read(identifier, |unit, id| Box::pin(accounts::credentials(unit, id))).await
    }

    async fn credentials_of(&self, user: UserId) -> Result<Option<Credentials>, StoreError> {
        self.read(user, |unit, id| Box::pin(accounts::credentials_of(unit, id))).await
    }

    async fn user(&self, id: UserId) -> Result<Option<Account>, StoreError> {
        self.read(id, |unit, id| Box::pin(accounts::by_id(unit, id))).await
    }

    async fn user_by_identifier(
        &self,
        identifier: Identifier,
    ) -> Result<Option<Account>, StoreError> {
        Ok(self.credentials(identifier).await?.map(|credentials| credentials.account))
    }

    async fn users(&self, query: UserQuery) -> Result<Vec<Account>, StoreError> {
        self.read(query, |unit, query| Box::pin(accounts::list(unit, query))).await
    }

    async fn update_user(&self, update: UpdateUser) -> Result<UserUpdated, StoreError> {
        self.write(update, |unit, update| Box::pin(users::update(unit, update))).await
    }

    async fn end_user(&self, end: EndUser) -> Result<UserEnded, StoreError> {
        self.write(end, |unit, end| Box::pin(users::end(unit, end))).await
    }

    async fn replace_password_hash(
        &self,
        user: UserId,
        old: PasswordHash,
        new: PasswordHash,
    ) -> Result<bool, StoreError> {
        let change = (user, old, new);
        self.write(change, |unit, change| Box::pin(accounts::replace_password_hash(unit, change)))
            .await
    }

    async fn change_password(&self, change: ChangePassword) -> Result<PasswordChanged, StoreError> {
        self.write(change, |unit, change| Box::pin(passwords::change(unit, change))).await
    }

    async fn set_password(&self, change: SetPassword) -> Result<Option<Revocation>, StoreError> {
        self.write(change, |unit, change| Box::pin(passwords::set(unit, change))).await
    }

    async fn issue_one_time_token(
        &self,
        new: NewOneTimeToken,
    ) -> Result<IssueOneTimeToken, StoreError> {
        self.write(new, |unit, new| Box::pin(one_time::issue(unit, new))).await
    }

    async fn one_time_token(&self, token: PresentedToken) -> Result<Option<LiveToken>, StoreError> {
        self.read(token, |unit, token| Box::pin(one_time::live(unit, token))).await
    }

    async fn reset_password(&self, reset: ResetPassword) -> Result<Option<Revocation>, StoreError> {
        self.write(reset, |unit, reset| Box::pin(passwords::reset(unit, reset))).await
    }

    async fn verify_identifier(&self, request: VerifyIdentifier) -> Result<bool, StoreError> {
        self.write(request, |unit, request| Box::pin(one_time::verify(unit, request))).await
    }

    async fn enable_user(&self, user: UserId, context: Context) -> Result<bool, StoreError> {
        self.write((user, context), |unit, user| Box::pin(accounts::enable(unit, user))).await
    }

    async fn create_client(&self, new: NewClient) -> Result<CreateClient, StoreError> {
        self.write(new, |unit, new| Box::pin(clients::create(unit, new))).await
    }

    async fn client(&self, id: ClientId) -> Result<Option<ClientStanding>, StoreError> {
        self.read(id, |unit, id| Box::pin(clients::by_id(unit, id))).await
    }

    async fn clients(
        &self,
        after: Option<ClientId>,
        limit: u32,
    ) -> Result<Vec<Client>, StoreError> {
        self.read((after, limit), |unit, page| Box::pin(clients::list(unit, page))).await
    }

    async fn change_client(&self, change: ChangeClient) -> Result<ClientChanged, StoreError> {
        self.write(change, |unit, change| Box::pin(clients::change(unit, change))).await
    }

    async fn use_assertion(&self, assertion: UseAssertion) -> Result<bool, StoreError> {
        self.write(assertion, |unit, used| Box::pin(clients::use_assertion(unit, used))).await
    }

    async fn begin_attempt(&self, attempt: Attempt) -> Result<Admission, StoreError> {
        let looked = attempt.clone();
        let looked = self.read(looked, |unit, attempt| Box::pin(throttle::look(unit, attempt)));
        match looked.await? {
            Some(refusal) => Ok(refusal),
            None => self.write(attempt, |unit, new| Box::pin(throttle::begin(unit, new))).await,
        }
    }

    async fn end_attempt(&self, end: EndAttempt) -> Result<bool, StoreError> {
        self.write(end, |unit, end| Box::pin(throttle::end(unit, end))).await
    }

    async fn open_session(&self, session: NewSession) -> Result<OpenSession, StoreError> {
        self.write(session, |unit, new| Box::pin(sessions::open(unit, new))).await
    }

    async fn rotate(&self, request: Rotate) -> Result<Rotated, StoreError> {
        self.write(request, |unit, request| Box::pin(rotation::rotate(unit, request))).await
    }

    async fn sessions(
        &self,
        user: UserId,
        before: Option<SessionId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError> {
        let page = (user, before, now, limit);
        self.read(page, |unit, page| Box::pin(sessions::list_live(unit, page))).await
    }

    async fn revoke(&self, request: Revoke) -> Result<Option<Revocation>, StoreError> {
        self.write(request, |unit, request| Box::pin(revoke::revoke(unit, request))).await
    }

    async fn record(&self, event: Event) -> Result<(), StoreError> {
        self.write(event, |unit, event| Box::pin(audit::record(unit, event.clone()))).await
    }

    async fn audit_page(&self, page: AuditPage) -> Result<Vec<Entry>, StoreError> {
        self.read(page, |unit, page| Box::pin(audit::list(unit, page))).await
    }

    async fn audit_after(&self, seq: i64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        self.read((seq, limit), |unit, page| Box::pin(audit::after(unit, page))).await
    }

    async fn audit_head(&self) -> Result<(i64, String), StoreError> {
        self.read((), |unit, none| Box::pin(audit::head(unit, none))).await
    }

    async fn look(&self, known_seq: i64) -> Result<Look, StoreError> {
        self.watch(known_seq, |unit, seq| Box::pin(log::look(unit, seq))).await
    }

    async fn log_after(&self, seq: i64, limit: u32) -> Result<Vec<Revocation>, StoreError> {
        self.watch((seq, limit), |unit, page| Box::pin(log::after(unit, page))).await
    }

    async fn log_page(&self, seq: i64, limit: u32) -> Result<Vec<Revocation>, StoreError> {
        self.read((seq, limit), |unit, page| Box::pin(log::after(unit, page))).await
    }

    async fn sweep(&self, sweep: Sweep) -> Result<Swept, StoreError> {
        self.write(sweep, |unit, batch| Box::pin(log::sweep(unit, batch))).await
    }

    async fn close(&self) {
        self.watcher.close().await;
        self.reader.close().await;
        self.writer.close().await;
    }
}
