//! What the service layer needs of the store, as a trait.
//!
//! Each method is one whole step, committed or not at all, with every outcome
//! in its type. Absent is `Ok(None)`; `Err` is an outage or a defect, never
//! "not found". A caller that goes away does not stop a step half way.
//! Times are parameters; the store reads no clock.

mod client;
mod one_time;
mod password;
mod told;
mod user;

use std::time::Duration;

use async_trait::async_trait;
pub use client::{
    ChangeClient, ClientChange, ClientChanged, ClientStanding, CreateClient, NewClient, NewSecret,
    UseAssertion,
};
pub use one_time::{
    IssueOneTimeToken, LiveToken, NewOneTimeToken, PresentedToken, ResetPassword, VerifyIdentifier,
};
pub use password::{ChangePassword, PasswordChanged, SetPassword};
pub use user::{EndUser, UpdateUser, UserEnded, UserEnding, UserQuery, UserUpdated};
use uuid::Uuid;

use crate::domain::{
    account::{Account, NewAccount},
    audit::{Entry, Event, Filter, Origin},
    client::Client,
    clock::Timestamp,
    error::{AuthError, Fault, Outage, Refusal},
    id::{ClientId, KeyId, SessionId, UserId},
    identifier::Identifier,
    password::PasswordHash,
    policy::Rotation,
    revocation::{LogHead, Reason, Revocation, Target},
    session::{Presented, Session},
    throttle::{Admission, Ending, Fingerprint, Kind, ThrottleRules},
};

/// The most dead sessions that one login clears away; the sweeper takes
/// what is left.
pub const CLEARED_PER_LOGIN: u32 = 100;

/// Where users, sessions and revocations are kept.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Makes this database serve the given issuer (if one is given) and
    /// clients, or finds that it serves another issuer. Raises the largest lifetimes ever
    /// configured, and adds clients that are new. Idempotent.
    async fn claim(&self, instance: Instance) -> Result<Claim, StoreError>;

    /// The issuer whose database this is; `None` before its first server.
    async fn issuer(&self) -> Result<Option<String>, StoreError>;

    /// The database's clock, when it can differ from this machine's.
    async fn database_time(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Creates a user, or names the identifier that is taken.
    async fn create_user(&self, new: NewUser) -> Result<CreateUser, StoreError>;

    /// Creates many users at once, and tells of each how it ended, in their
    /// order. One that is taken does not keep the others from being created.
    async fn create_users(
        &self,
        accounts: Vec<NewAccount>,
        context: Context,
    ) -> Result<Vec<CreateUser>, StoreError>;

    /// What a login must be checked against.
    async fn credentials(&self, identifier: Identifier) -> Result<Option<Credentials>, StoreError>;

    /// What a change of the password must be checked against.
    async fn credentials_of(&self, user: UserId) -> Result<Option<Credentials>, StoreError>;

    /// The user of this id.
    async fn user(&self, id: UserId) -> Result<Option<Account>, StoreError>;

    /// The user of this identifier.
    async fn user_by_identifier(
        &self,
        identifier: Identifier,
    ) -> Result<Option<Account>, StoreError>;

    /// Users in the order of their ids.
    async fn users(&self, query: UserQuery) -> Result<Vec<Account>, StoreError>;

    /// Changes a user. What narrows their roles raises their version, takes
    /// their live sessions along to it, and writes the log entry that kills
    /// their access tokens.
    async fn update_user(&self, update: UpdateUser) -> Result<UserUpdated, StoreError>;

    /// Disables or deletes a user, and writes the log entry.
    async fn end_user(&self, end: EndUser) -> Result<UserEnded, StoreError>;

    /// Puts `new` in place of `old`, unless the hash was changed meanwhile.
    /// True when it was put there. The user's version stays.
    async fn replace_password_hash(
        &self,
        user: UserId,
        old: PasswordHash,
        new: PasswordHash,
    ) -> Result<bool, StoreError>;

    /// Changes a password by the hand of its user: locks the user and the
    /// session that this is done with, checks that both are what they were
    /// when the current password was checked, sets the hash, raises the user's
    /// version, takes the session along to it, and writes the log entry that
    /// kills everything else.
    async fn change_password(&self, change: ChangePassword) -> Result<PasswordChanged, StoreError>;

    /// Changes a password by the hand of an operator: sets the hash, raises
    /// the user's version, and writes the log entry. `None`: there is no such
    /// user.
    async fn set_password(&self, change: SetPassword) -> Result<Option<Revocation>, StoreError>;

    /// Issues a one-time token to an enabled user, unless it is too soon. The
    /// older one for the same does not count any more.
    async fn issue_one_time_token(
        &self,
        new: NewOneTimeToken,
    ) -> Result<IssueOneTimeToken, StoreError>;

    /// Whose a one-time token is. `None`: it cannot be used, for whatever
    /// reason.
    async fn one_time_token(&self, token: PresentedToken) -> Result<Option<LiveToken>, StoreError>;

    /// Changes a password by the hand of whoever has a token for it: uses the
    /// token up, and does what `set_password` does. `None`: the token cannot
    /// be used any more, and nothing was done.
    async fn reset_password(&self, reset: ResetPassword) -> Result<Option<Revocation>, StoreError>;

    /// Notes that an identifier is its user's, and uses the token up. False:
    /// the token cannot be used any more, and nothing was noted.
    async fn verify_identifier(&self, request: VerifyIdentifier) -> Result<bool, StoreError>;

    /// Lets a disabled user log in again; what died stays dead. False: there
    /// is no such user.
    async fn enable_user(&self, user: UserId, context: Context) -> Result<bool, StoreError>;

    /// Makes a client, unless there is one of its id. Whatever is left of an
    /// earlier client of this id is dead from then on.
    async fn create_client(&self, new: NewClient) -> Result<CreateClient, StoreError>;

    /// The client of this id that an administrator has made.
    async fn client(&self, id: ClientId) -> Result<Option<ClientStanding>, StoreError>;

    /// Such clients in the order of their ids, after `after`, at most `limit`.
    async fn clients(&self, after: Option<ClientId>, limit: u32)
    -> Result<Vec<Client>, StoreError>;

    /// Changes such a client: locks it, checks that it is the one expected,
    /// makes the change and writes the log entry that kills what has to die.
    async fn change_client(&self, change: ChangeClient) -> Result<ClientChanged, StoreError>;

    /// Uses an assertion up. False: it was used before.
    async fn use_assertion(&self, assertion: UseAssertion) -> Result<bool, StoreError>;

    /// Takes a place for an attempt to log in, before its password is looked
    /// at. Only what was admitted must be ended.
    async fn begin_attempt(&self, attempt: Attempt) -> Result<Admission, StoreError>;

    /// Says how an admitted attempt has ended. True for the one failure from
    /// which on the allowances are strict.
    async fn end_attempt(&self, end: EndAttempt) -> Result<bool, StoreError>;

    /// Opens a session: locks the user, checks that nothing changed since the
    /// credentials were read, removes the user's dead sessions (expired, or
    /// revoked so long ago that none of their tokens lives), revokes the
    /// oldest ones over the limit, and records the login.
    async fn open_session(&self, session: NewSession) -> Result<OpenSession, StoreError>;

    /// Uses a refresh token: one guarded write; when that takes nothing, one
    /// more look decides by [`crate::domain::session::judge`], and theft is
    /// acted upon in the same transaction.
    async fn rotate(&self, request: Rotate) -> Result<Rotated, StoreError>;

    /// The user's live sessions, newest first, created before `before` (an
    /// id; ids sort by time), at most `limit`.
    async fn sessions(
        &self,
        user: UserId,
        before: Option<SessionId>,
        limit: u32,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError>;

    /// Revokes, and writes the log entry in the same transaction. Revoking
    /// what is revoked already changes nothing and gives the entry that is in
    /// force. `None`: there is no such thing.
    async fn revoke(&self, request: Revoke) -> Result<Option<Revocation>, StoreError>;

    /// Writes an entry into the audit log that belongs to no other step.
    async fn record(&self, event: Event) -> Result<(), StoreError>;

    /// Entries of the audit log, newest first.
    async fn audit_page(&self, page: AuditPage) -> Result<Vec<Entry>, StoreError>;

    /// Entries of the audit log after `seq` in order, at most `limit`.
    async fn audit_after(&self, seq: i64, limit: u32) -> Result<Vec<Entry>, StoreError>;

    /// The newest place of the audit log, and its digest.
    async fn audit_head(&self) -> Result<(i64, String), StoreError>;

    /// The head of the log, and the `id` of the entry `known_seq` if it is
    /// still there: one short read.
    async fn look(&self, known_seq: i64) -> Result<Look, StoreError>;

    /// Entries after `seq` in order, at most `limit`.
    async fn log_after(&self, seq: i64, limit: u32) -> Result<Vec<Revocation>, StoreError>;

    /// The same for others than the follower of the log, who never has to wait
    /// for them.
    async fn log_page(&self, seq: i64, limit: u32) -> Result<Vec<Revocation>, StoreError>;

    /// Deletes up to `limit` expired sessions, as many that were revoked so
    /// long ago that none of their tokens lives, as many dead log entries
    /// (never the newest), one-time tokens, used assertions that are over,
    /// forgotten counts of failed logins, and audit entries that are older
    /// than they are kept.
    async fn sweep(&self, sweep: Sweep) -> Result<Swept, StoreError>;

    /// Gives connections back and stops. Later calls fail.
    async fn close(&self);
}

/// In whose name a step is done, and when.
#[derive(Clone, Debug)]
pub struct Context {
    /// In whose name, and from where.
    pub origin: Origin,
    /// When.
    pub now: Timestamp,
}

/// A user to create.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The user.
    pub account: NewAccount,
    /// What the audit log says of it.
    pub event: Event,
}

/// How an attempt to log in has ended.
#[derive(Clone, Debug)]
pub struct EndAttempt {
    /// The attempt.
    pub attempt: Attempt,
    /// Its end.
    pub ending: Ending,
    /// What the audit log says of it, if it has failed.
    pub failure: Option<Event>,
}

/// A page of the audit log.
#[derive(Clone, Debug)]
pub struct AuditPage {
    /// What is asked for.
    pub filter: Filter,
    /// Only what came before this place.
    pub before: Option<i64>,
    /// The most entries.
    pub limit: u32,
}

/// What is to be swept away.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// When.
    pub now: Timestamp,
    /// Audit entries of before this.
    pub audit_before: Timestamp,
    /// The most rows of a kind.
    pub limit: u32,
}

/// What a process expects of its database.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The `iss` of every token. `None` for a process that issues none: it
    /// works on any issuer's database, and leaves a new one to the first
    /// server.
    pub issuer: Option<String>,
    /// The largest access-token lifetime configured now.
    pub max_access_lifetime: Duration,
    /// The largest session lifetime configured now.
    pub max_session_lifetime: Duration,
    /// The configured clients.
    pub clients: Vec<ClientId>,
    /// A random epoch, used when the database is new.
    pub epoch: Uuid,
    /// When.
    pub now: Timestamp,
}

impl Instance {
    /// In whole seconds, rounded up: it bounds how long things must be kept.
    pub fn max_access_lifetime_s(&self) -> i64 {
        whole_seconds(self.max_access_lifetime)
    }

    /// The same, of sessions.
    pub fn max_session_lifetime_s(&self) -> i64 {
        whole_seconds(self.max_session_lifetime)
    }
}

fn whole_seconds(span: Duration) -> i64 {
    let seconds = span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0));
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// Whose the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Ours, or nobody asked; the head of its log, and the largest session
    /// lifetime ever configured.
    Ours {
        /// The head of the log.
        head: LogHead,
        /// Bounds how long a retired refresh key must be kept.
        max_session_lifetime: Duration,
    },
    /// It was made for another issuer.
    OtherIssuer {
        /// That issuer.
        issuer: String,
    },
}

/// How creating a user ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CreateUser {
    /// The user is there.
    Created,
    /// Another user has this identifier; its kind is given.
    Taken(&'static str),
}

/// What a login is checked against.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The user.
    pub account: Account,
    /// The hash of the password, if the user has one.
    pub password_hash: Option<PasswordHash>,
}

/// An attempt to log in.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Stands for the user, or for an identifier that is nobody's. `None` for
    /// attempts at something else than an account's password.
    pub account: Option<Fingerprint>,
    /// Stands for where it comes from, if that is known.
    pub source: Option<Fingerprint>,
    /// How failures are counted.
    pub rules: ThrottleRules,
    /// When.
    pub now: Timestamp,
}

impl Attempt {
    /// What it is counted for, in the order in which rows are locked.
    pub fn subjects(&self) -> impl Iterator<Item = (Kind, &Fingerprint)> {
        let source = self.source.as_ref().filter(|_| self.rules.source.is_some());
        let source = source.map(|source| (Kind::Source, source));
        let account = self.account.as_ref().map(|account| (Kind::Account, account));
        [account, source].into_iter().flatten()
    }
}

/// A session to open.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The session; its client version is filled in by the store.
    pub session: Session,
    /// The user version that the password was checked at. The session is not
    /// opened when it has moved on.
    pub checked_version: i64,
    /// The hash that the password was checked against: a user whose version
    /// another login has lifted meanwhile must still have it.
    pub checked_hash: PasswordHash,
    /// How many live sessions the user may have on the client, this one
    /// included.
    pub max_sessions: u32,
    /// Who logs in, and from where.
    pub origin: Origin,
}

/// How opening a session ended.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "it is returned once per login and never stored")]
pub enum OpenSession {
    /// It is open.
    Opened {
        /// As stored.
        session: Session,
        /// The user as it stands now.
        account: Account,
        /// Sessions that had to go, as log entries.
        ended: Vec<Revocation>,
    },
    /// The user was disabled or changed, or the client disabled, meanwhile.
    Refused,
}

/// A refresh token to use.
#[derive(Clone, Debug)]
pub struct Rotate {
    /// The session that the token names.
    pub session_id: SessionId,
    /// The token, its presenter and the time.
    pub presented: Presented,
    /// Whether the generation moves.
    pub rotation: Rotation,
    /// The idle limit that starts again with this use.
    pub idle: Option<Duration>,
    /// Random; the id of a log entry, should one be written.
    pub entry_id: Uuid,
    /// Who presents it, and from where.
    pub origin: Origin,
}

/// How using a refresh token ended.
#[derive(Clone, Debug)]
pub enum Rotated {
    /// The generation moved (or, without rotation, the token was taken).
    Advanced {
        /// As it stands now.
        session: Session,
        /// Its user.
        account: Account,
    },
    /// An honest repetition; nothing moved.
    Replayed {
        /// As it stands.
        session: Session,
        /// Its user.
        account: Account,
    },
    /// No, and no harm is suspected.
    Refused(Refusal),
    /// The token counts as stolen, or the database as rolled back
    /// ([`Refusal::Reused`], [`Refusal::RolledBack`]).
    Ended {
        /// Which of the two.
        refusal: Refusal,
        /// The log entry that ended the session.
        revocation: Revocation,
    },
}

/// What to revoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevokeTarget {
    /// One session.
    Session(SessionId),
    /// One session, if it is this user's. To others it does not exist.
    OwnSession {
        /// The session.
        id: SessionId,
        /// The user.
        owner: UserId,
    },
    /// Every session of a user that is still at this version; otherwise they
    /// are dead already.
    OwnSessions {
        /// The user.
        user: UserId,
        /// The version.
        version: i64,
    },
    /// Every session of a user, by raising its version.
    User(UserId),
    /// Every session on a client, by raising its version.
    Client(ClientId),
    /// Every token that a key signed.
    Key(KeyId),
    /// Every session there is, by raising the version floor.
    All,
}

/// A revocation to record.
#[derive(Clone, Debug)]
pub struct Revoke {
    /// What to revoke.
    pub target: RevokeTarget,
    /// Why.
    pub reason: Reason,
    /// Who, and from where.
    pub origin: Origin,
    /// Random; the id of the log entry.
    pub entry_id: Uuid,
    /// When.
    pub now: Timestamp,
}

/// What one sweep has removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swept {
    /// How many rows went, of all kinds.
    pub rows: u64,
    /// Whether there may be more: of some kind as many went as were allowed.
    pub more: bool,
}

/// One look at the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The head.
    pub head: LogHead,
    /// The `id` of the entry asked about; `None` when it is not there.
    pub known_id: Option<Uuid>,
}

/// Why a step gave no outcome.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, is too busy, or refused the write
    /// (read-only, full). Whether the step was committed may be unknown.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Fault),
    /// A row that this version cannot understand, or a statement that the
    /// database does not accept.
    #[error("the database holds or answers something unexpected")]
    Corrupt(#[source] Fault),
}

impl From<StoreError> for AuthError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(fault) => Self::Unavailable { outage: Outage::Store, fault },
            StoreError::Corrupt(fault) => Self::Internal(fault),
        }
    }
}

/// The target of a log entry, for targets that are revoked by version.
impl RevokeTarget {
    /// What the log says, once the version is known.
    pub fn logged(&self, min_version: i64) -> Target {
        match self {
            Self::Session(id) | Self::OwnSession { id, .. } => Target::Session(*id),
            Self::User(id) | Self::OwnSessions { user: id, .. } => {
                Target::User { id: *id, min_version }
            }
            Self::Client(id) => Target::Client { id: id.clone(), min_version },
            Self::Key(kid) => Target::Key(kid.clone()),
            Self::All => Target::All { min_version },
        }
    }
}
