//! The one error that service calls return, free of any transport.
//!
//! What the caller may read and what the operator needs are different fields
//! and cannot be mixed up: variants carry reasons for the caller, and a
//! [`Fault`] for the operator. `grpc/status.rs` holds the only mapping to
//! gRPC codes, and [`AuthError::reason`] the names that every transport shares.

use std::{error::Error as StdError, fmt, time::Duration};

use tracing::Level;

/// When to try again after an outage: one look at the log, one failover step.
pub const RETRY_AFTER_OUTAGE: Duration = Duration::from_secs(1);

/// A delay in whole seconds (RFC 9110 section 10.2.3): not a moment too early,
/// and never none.
pub fn delay_seconds(delay: Duration) -> u64 {
    let seconds = delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0));
    seconds.max(1)
}

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The request breaks the contract; every broken rule is listed.
    #[error("invalid argument: {}", DisplayViolations(.0))]
    InvalidArgument(Vec<FieldViolation>),

    /// The caller's own credentials were refused.
    #[error("unauthenticated: {0}")]
    Unauthenticated(Refusal),

    /// The caller is known, or need not be, and may not do this.
    #[error("permission denied: {0}")]
    PermissionDenied(Denial),

    /// Something with this value is there already.
    #[error("{0} is taken")]
    AlreadyExists(&'static str),

    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),

    /// It was changed by somebody else since the caller looked at it.
    #[error("the {0} was changed meanwhile: look at it again")]
    Conflict(&'static str),

    /// It cannot be done as things stand.
    #[error("failed precondition: {0}")]
    FailedPrecondition(Obstacle),

    /// Too much work waits already. Nothing was done; try again later.
    #[error("overloaded: {work}")]
    Overloaded {
        /// Which work has no room.
        work: &'static str,
        /// When trying again makes sense.
        retry_after: Duration,
    },

    /// Too many logins of this account, or from this source, have failed
    /// lately. The password was not looked at.
    #[error("too many logins have failed: try again later")]
    Throttled {
        /// When trying again makes sense.
        retry_after: Duration,
    },

    /// A watcher did not read what it was told, and was cut off.
    #[error("what was told was not read in time: watch again from the last number")]
    SlowWatcher {
        /// When trying again makes sense.
        retry_after: Duration,
    },

    /// A one-time token for the same was issued a moment ago, and still counts.
    #[error("a token was issued a moment ago: use it, or try again later")]
    IssuedRecently {
        /// When trying again makes sense.
        retry_after: Duration,
    },

    /// Something that we depend on is out of reach. The fault is ours; the
    /// caller's token or password was not judged.
    #[error("unavailable: {outage}")]
    Unavailable {
        /// What is out of reach.
        outage: Outage,
        /// For the operator.
        #[source]
        fault: Fault,
    },

    /// The call's deadline passed.
    #[error("deadline exceeded")]
    DeadlineExceeded,

    /// A defect or a corrupt record of ours.
    #[error("internal error")]
    Internal(#[source] Fault),
}

impl AuthError {
    /// One broken rule.
    pub fn invalid(field: &'static str, rule: impl Into<String>) -> Self {
        Self::InvalidArgument(vec![FieldViolation::new(field, rule)])
    }

    /// A defect of ours, described for the operator.
    pub fn internal(fault: impl Into<Fault>) -> Self {
        Self::Internal(fault.into())
    }

    /// What programs tell failures apart by, whatever the transport.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidArgument(_) => "INVALID_ARGUMENT",
            Self::Unauthenticated(refusal) => refusal.reason(),
            Self::PermissionDenied(denial) => denial.reason(),
            Self::AlreadyExists(_) => "ALREADY_EXISTS",
            Self::NotFound(_) => "NOT_FOUND",
            Self::Conflict(_) => "CONFLICT",
            Self::FailedPrecondition(obstacle) => obstacle.reason(),
            Self::Overloaded { .. } => "OVERLOADED",
            Self::Throttled { .. } => "LOGIN_THROTTLED",
            Self::IssuedRecently { .. } => "ISSUED_RECENTLY",
            Self::SlowWatcher { .. } => "SLOW_WATCHER",
            Self::Unavailable { outage, .. } => outage.reason(),
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// How loud it is in the log: what we must repair is an error, what load or
    /// a slow peer does a warning, and what callers do wrong is for information.
    pub fn level(&self) -> Level {
        match self {
            Self::Internal(_) | Self::Unavailable { .. } => Level::ERROR,
            Self::DeadlineExceeded
            | Self::Overloaded { .. }
            | Self::Throttled { .. }
            | Self::SlowWatcher { .. }
            | Self::IssuedRecently { .. } => Level::WARN,
            _ => Level::INFO,
        }
    }

    /// When trying again makes sense, if that is all that can be done.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Overloaded { retry_after, .. }
            | Self::Throttled { retry_after }
            | Self::SlowWatcher { retry_after }
            | Self::IssuedRecently { retry_after } => Some(*retry_after),
            Self::Unavailable { .. } => Some(RETRY_AFTER_OUTAGE),
            _ => None,
        }
    }
}

/// A rule of the contract that a request field breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// The field's name in the protobuf message.
    pub field: &'static str,
    /// The rule, as the end of a sentence: "must be ...". Never the value.
    pub rule: String,
}

impl FieldViolation {
    /// `field` breaks `rule`.
    pub fn new(field: &'static str, rule: impl Into<String>) -> Self {
        Self { field, rule: rule.into() }
    }
}

struct DisplayViolations<'a>(&'a [FieldViolation]);

impl fmt::Display for DisplayViolations<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{} {}", violation.field, violation.rule)?;
        }
        Ok(())
    }
}

/// Why a credential was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Login: unknown identifier, wrong password or disabled user; nobody
    /// outside learns which.
    #[error("identifier or password is wrong")]
    InvalidCredentials,
    /// The call needs a token and got none.
    #[error("a token is required")]
    MissingToken,
    /// Not a token of ours.
    #[error("the token is not valid")]
    InvalidToken,
    /// A token of ours, of another kind.
    #[error("the token is of the wrong kind for this call")]
    WrongType,
    /// The token's time is over.
    #[error("the token has expired")]
    Expired,
    /// The session has lived its whole life, or was not refreshed in time.
    #[error("the session has expired")]
    SessionExpired,
    /// The session, its user or its client was revoked.
    #[error("the session was revoked")]
    Revoked,
    /// The refresh token was used before, and its replay window is over.
    /// The session is revoked now.
    #[error("the refresh token was already used; the session is revoked")]
    Reused,
    /// The refresh token is ahead of the database: the database was rolled
    /// back. The session is revoked now.
    #[error("the refresh token is newer than this database; the session is revoked")]
    RolledBack,
    /// The token belongs to another client.
    #[error("the token belongs to another client")]
    ClientMismatch,
    /// The key that signed the token was revoked.
    #[error("the key that signed the token was revoked")]
    KeyRevoked,
    /// The one-time token is none of ours, for something else, used, replaced
    /// or expired; nobody outside learns which.
    #[error("the one-time token is not valid")]
    InvalidOneTimeToken,
    /// A client's own call: unknown or disabled client, wrong secret or
    /// assertion; nobody outside learns which.
    #[error("the client or its credentials are wrong")]
    InvalidClient,
}

impl Refusal {
    fn reason(self) -> &'static str {
        match self {
            Self::InvalidCredentials => "INVALID_CREDENTIALS",
            Self::MissingToken => "MISSING_TOKEN",
            Self::InvalidToken => "INVALID_TOKEN",
            Self::WrongType => "WRONG_TYPE",
            Self::Expired => "TOKEN_EXPIRED",
            Self::SessionExpired => "SESSION_EXPIRED",
            Self::Revoked => "SESSION_REVOKED",
            Self::Reused => "REFRESH_REUSE",
            Self::RolledBack => "DATABASE_ROLLED_BACK",
            Self::ClientMismatch => "CLIENT_MISMATCH",
            Self::KeyRevoked => "KEY_REVOKED",
            Self::InvalidOneTimeToken => "INVALID_ONE_TIME_TOKEN",
            Self::InvalidClient => "INVALID_CLIENT",
        }
    }
}

/// Why something is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Denial {
    /// `registration.enabled` is false.
    #[error("registration is switched off")]
    RegistrationDisabled,
    /// The user has no administrator's role now.
    #[error("only administrators may do this")]
    NotAdministrator,
    /// The access token is for others (`admin.audience`).
    #[error("the access token is not for administration: its audience is another one")]
    NotForAdministration,
    /// The sessions of another user.
    #[error("only one's own sessions can be revoked")]
    NotOwnSessions,
    /// The user has none of the roles that a scope is for.
    #[error("the user's roles do not allow one of the scopes")]
    ScopeNotAllowed,
    /// The caller's token is that of a client.
    #[error("the call is for users, and the token is a client's own")]
    NotAUser,
    /// `verify.callers` is "known", and the caller is neither a service client
    /// nor one of `verify.certificates`.
    #[error("only service clients and named certificates may ask for verdicts")]
    NotAVerifier,
}

impl Denial {
    fn reason(self) -> &'static str {
        match self {
            Self::RegistrationDisabled => "REGISTRATION_DISABLED",
            Self::NotAdministrator => "NOT_ADMINISTRATOR",
            Self::NotForAdministration => "NOT_FOR_ADMINISTRATION",
            Self::NotOwnSessions => "NOT_OWN_SESSIONS",
            Self::ScopeNotAllowed => "SCOPE_NOT_ALLOWED",
            Self::NotAUser => "NOT_A_USER",
            Self::NotAVerifier => "NOT_A_VERIFIER",
        }
    }
}

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Obstacle {
    /// Nobody could administer any more.
    #[error("the last enabled administrator must stay one")]
    LastAdministrator,
    /// The user is disabled, and gets no one-time token.
    #[error("the user is disabled")]
    UserDisabled,
    /// The client is one of `[clients]`.
    #[error("the client stands in the configuration, and is changed there")]
    ClientConfigured,
    /// The revocation log that a watcher was following is not there any more.
    #[error("the revocation log is another one: start over from its beginning")]
    LogReplaced,
    /// The key folders cannot be changed from here, or are not in order.
    #[error("the keys cannot be changed by the server as things stand: its log says why")]
    KeysFixed,
}

impl Obstacle {
    /// What programs tell it by.
    pub fn reason(self) -> &'static str {
        match self {
            Self::LastAdministrator => "LAST_ADMINISTRATOR",
            Self::UserDisabled => "USER_DISABLED",
            Self::ClientConfigured => "CLIENT_CONFIGURED",
            Self::LogReplaced => "LOG_REPLACED",
            Self::KeysFixed => "KEYS_FIXED",
        }
    }
}

/// What is out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Outage {
    /// The database.
    #[error("the database cannot be reached")]
    Store,
    /// Knowledge of the revocation log is older than allowed.
    #[error("knowledge of revocations is too old")]
    StaleRevocations,
    /// Still starting, or on the way out.
    #[error("the server is not ready")]
    NotReady,
    /// No key may sign at this time.
    #[error("there is no signing key")]
    SigningKey,
}

impl Outage {
    fn reason(self) -> &'static str {
        match self {
            Self::Store => "DATABASE_UNAVAILABLE",
            Self::StaleRevocations => "REVOCATIONS_STALE",
            Self::NotReady => "NOT_READY",
            Self::SigningKey => "NO_SIGNING_KEY",
        }
    }
}

/// What went wrong, for the operator's eyes only: it reaches the log and
/// never an answer.
#[derive(Debug)]
pub struct Fault {
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Fault {
    /// A fault with the error that caused it.
    pub fn caused_by(
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Self { message: message.into(), source: Some(source.into()) }
    }
}

impl<T: Into<String>> From<T> for Fault {
    fn from(message: T) -> Self {
        Self { message: message.into(), source: None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Fault {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// An error and everything that caused it, on one line.
pub fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        next = cause.source();
    }
    line.replace(['\n', '\r'], " ")
}
