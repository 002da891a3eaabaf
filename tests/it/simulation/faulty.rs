//! A store behind a network: steps that take their time, fail before their
//! commit or after it, or never come back.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokenward::{
    domain::{
        account::{Account, NewAccount},
        audit::{Entry, Event},
        client::Client,
        clock::Timestamp,
        error::Fault as Cause,
        id::{ClientId, SessionId, UserId},
        identifier::Identifier,
        password::PasswordHash,
        revocation::{Revocation, Target},
        session::Session,
        throttle::Admission,
    },
    store::port::{
        Attempt, AuditPage, ChangeClient, ChangePassword, Claim, ClientChanged, ClientStanding,
        Context, CreateClient, CreateUser, Credentials, EndAttempt, EndUser, Instance,
        IssueOneTimeToken, LiveToken, Look, NewClient, NewOneTimeToken, NewSession, NewUser,
        OpenSession, PasswordChanged, PresentedToken, ResetPassword, Revoke, RevokeTarget, Rotate,
        Rotated, SetPassword, Store, StoreError, Sweep, Swept, UpdateUser, UseAssertion, UserEnded,
        UserQuery, UserUpdated, VerifyIdentifier,
    },
};
use uuid::Uuid;

use super::{
    bug::Bug,
    ledger::{EVERYBODY, Ledger},
    life::Life,
    pace::{Course, Fault, Pace, pause},
    time::Time,
};

/// How long a call waits for a database that does not answer, at most.
const GIVES_UP_MS: u64 = 1_000;

/// The store, as one process sees it.
pub(super) struct Faulty {
    pub(super) inner: Arc<dyn Store>,
    pub(super) replica: usize,
    pub(super) life: Arc<Life>,
    pub(super) pace: Arc<Pace>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) time: Arc<Time>,
    /// Nothing comes through.
    pub(super) is_cut: Arc<AtomicBool>,
    pub(super) bug: Option<Bug>,
    /// For a planted bug: a look, and when it was made.
    pub(super) last_look: Mutex<Option<(Duration, i64, Look)>>,
}

type Answer<T> = Result<T, StoreError>;

fn out_of_reach(why: &'static str) -> StoreError {
    StoreError::Unavailable(Cause::from(why))
}

impl Faulty {
    /// Runs a step as the real store does: once it has its connection, it is a
    /// task of its own, which no caller that goes away can stop.
    async fn step<T: Send + 'static>(
        &self,
        name: &'static str,
        subject: Option<Uuid>,
        work: impl Future<Output = Answer<T>> + Send + 'static,
    ) -> Answer<T> {
        let flight = subject.map(|subject| self.ledger.take_off(subject));
        if !self.life.runs().await {
            return Err(out_of_reach("the process is dead"));
        }
        let course = self.pace.course();
        if self.is_cut.load(Ordering::Relaxed) {
            pause(Duration::from_millis(self.pace.roll() % GIVES_UP_MS)).await;
            return Err(out_of_reach("the network is cut"));
        }
        pause(course.connecting).await;
        let (ledger, replica, life) = (Arc::clone(&self.ledger), self.replica, self.life.clone());
        let commit = async move {
            let answer = work.await;
            if name == "look" {
                ledger.look(replica);
            } else {
                ledger.note(name, replica as u64, || "committed".to_owned());
            }
            drop(flight);
            answer
        };
        let answer = if course.is_plain() {
            commit.await
        } else {
            let step = tokio::spawn(run(life, course, commit));
            step.await.map_err(|error| StoreError::Corrupt(Cause::caused_by("a step", error)))?
        };
        self.life.runs().await;
        answer
    }

    /// One look at the log. A planted bug answers from memory.
    async fn look_at_log(&self, known_seq: i64) -> Answer<Look> {
        if self.bug == Some(Bug::CachedLook) && known_seq > 0 {
            let last = self.last_look.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some((at, seq, look)) = last
                && seq == known_seq
                && self.time.elapsed() < at + Duration::from_secs(1)
            {
                return Ok(look);
            }
        }
        let inner = Arc::clone(&self.inner);
        let look = self.step("look", None, async move { inner.look(known_seq).await }).await?;
        let last = Some((self.time.elapsed(), known_seq, look.clone()));
        *self.last_look.lock().unwrap_or_else(PoisonError::into_inner) = last;
        Ok(look)
    }

    async fn log_from(&self, seq: i64, limit: u32) -> Answer<Vec<Revocation>> {
        let inner = Arc::clone(&self.inner);
        let work = async move { inner.log_after(seq, limit).await };
        let mut page = self.step("log_after", None, work).await?;
        if self.bug == Some(Bug::LogPageLosesFirst) && page.len() > 1 {
            page.remove(0);
        }
        Ok(page)
    }

    async fn revoke_there(&self, request: Revoke) -> Answer<Option<Revocation>> {
        let (inner, subject) = (Arc::clone(&self.inner), subject_of(&request.target));
        let work = async move { inner.revoke(request).await };
        let entry = self.step("revoke", Some(subject), work).await?;
        if self.bug == Some(Bug::OwnIndexNotTold) {
            // What the process puts into its index kills nobody.
            let nobody = Target::Session(SessionId::new(Uuid::max()));
            return Ok(entry.map(|entry| Revocation { target: nobody, ..entry }));
        }
        Ok(entry)
    }
}

/// What happens once a step has its connection.
async fn run<T>(
    life: Arc<Life>,
    course: Course,
    commit: impl Future<Output = Answer<T>>,
) -> Answer<T> {
    pause(course.before).await;
    if course.fault == Some(Fault::Before) || (life.is_dead() && !course.outlives) {
        return Err(out_of_reach("an error, and nothing has happened"));
    }
    let answer = commit.await;
    pause(course.after).await;
    match course.fault {
        Some(Fault::After) => Err(out_of_reach("an error after the commit")),
        _ => answer,
    }
}

fn subject_of(target: &RevokeTarget) -> Uuid {
    match target {
        RevokeTarget::Session(id) | RevokeTarget::OwnSession { id, .. } => id.uuid(),
        RevokeTarget::User(user) | RevokeTarget::OwnSessions { user, .. } => user.uuid(),
        RevokeTarget::Client(_) | RevokeTarget::Key(_) | RevokeTarget::All => EVERYBODY,
    }
}

macro_rules! faulty_store {
    ($($name:ident($($arg:ident: $type:ty),*) -> $answer:ty $(, about $subject:expr)?;)*) => {
        #[async_trait]
        impl Store for Faulty {
            $(async fn $name(&self, $($arg: $type),*) -> Answer<$answer> {
                let inner = Arc::clone(&self.inner);
                let subject: Option<Uuid> = None $(.or(Some($subject.uuid())))?;
                let work = async move { inner.$name($($arg),*).await };
                self.step(stringify!($name), subject, work).await
            })*

            /// The database's machine has the right time.
            async fn database_time(&self) -> Answer<Option<Timestamp>> {
                let time = Arc::clone(&self.time);
                self.step("database_time", None, async move { Ok(Some(time.now())) }).await
            }

            async fn look(&self, known_seq: i64) -> Answer<Look> {
                self.look_at_log(known_seq).await
            }

            async fn log_after(&self, seq: i64, limit: u32) -> Answer<Vec<Revocation>> {
                self.log_from(seq, limit).await
            }

            async fn revoke(&self, request: Revoke) -> Answer<Option<Revocation>> {
                self.revoke_there(request).await
            }

            async fn close(&self) {}
        }
    };
}

faulty_store! {
    claim(instance: Instance) -> Claim;
    issuer() -> Option<String>;
    create_user(new: NewUser) -> CreateUser;
    create_users(accounts: Vec<NewAccount>, context: Context) -> Vec<CreateUser>;
    credentials(identifier: Identifier) -> Option<Credentials>;
    credentials_of(user: UserId) -> Option<Credentials>;
    user(id: UserId) -> Option<Account>;
    user_by_identifier(identifier: Identifier) -> Option<Account>;
    users(query: UserQuery) -> Vec<Account>;
    update_user(update: UpdateUser) -> UserUpdated, about update.id;
    end_user(end: EndUser) -> UserEnded, about end.id;
    replace_password_hash(user: UserId, old: PasswordHash, new: PasswordHash) -> bool;
    change_password(change: ChangePassword) -> PasswordChanged, about change.user_id;
    set_password(change: SetPassword) -> Option<Revocation>, about change.user_id;
    issue_one_time_token(new: NewOneTimeToken) -> IssueOneTimeToken;
    one_time_token(token: PresentedToken) -> Option<LiveToken>;
    reset_password(reset: ResetPassword) -> Option<Revocation>, about reset.change.user_id;
    verify_identifier(request: VerifyIdentifier) -> bool;
    enable_user(user: UserId, context: Context) -> bool, about user;
    create_client(new: NewClient) -> CreateClient;
    client(id: ClientId) -> Option<ClientStanding>;
    clients(after: Option<ClientId>, limit: u32) -> Vec<Client>;
    change_client(change: ChangeClient) -> ClientChanged;
    use_assertion(assertion: UseAssertion) -> bool;
    begin_attempt(attempt: Attempt) -> Admission;
    end_attempt(end: EndAttempt) -> bool;
    open_session(session: NewSession) -> OpenSession;
    rotate(request: Rotate) -> Rotated, about request.session_id;
    sessions(user: UserId, before: Option<SessionId>, limit: u32, now: Timestamp) -> Vec<Session>;
    record(event: Event) -> ();
    audit_page(page: AuditPage) -> Vec<Entry>;
    audit_after(seq: i64, limit: u32) -> Vec<Entry>;
    audit_head() -> (i64, String);
    log_page(seq: i64, limit: u32) -> Vec<Revocation>;
    sweep(sweep: Sweep) -> Swept;
}
