//! What tests count in a database, and no caller of the store may ask.

use super::fixture::Fixture;
use crate::memory_store::State;

/// One number.
#[derive(Clone, Copy)]
pub(super) enum Count {
    Users,
    Clients,
    ClientSecrets,
    Assertions,
    OneTimeTokens,
    Sessions,
    RevokedSessions,
    /// Rows of failed or undecided logins.
    Tallies,
    /// Failed logins of a kind.
    Failures(&'static str),
    /// Undecided logins.
    Pending,
    VersionFloor,
}

impl Fixture {
    pub(super) async fn count(&self, count: Count) -> i64 {
        match &self.memory {
            Some(memory) => memory.inspect(|state| count.of(state)),
            None => self.number(&count.sql()).await,
        }
    }
}

impl Count {
    fn sql(self) -> String {
        let rows = |of: &str| format!("SELECT COUNT(*) FROM {of}");
        let sum =
            |of: &str| format!("SELECT CAST(COALESCE(SUM({of}), 0) AS BIGINT) FROM login_failures");
        match self {
            Self::Users => rows("users"),
            Self::Clients => rows("clients"),
            Self::ClientSecrets => rows("client_secrets"),
            Self::Assertions => rows("client_assertions"),
            Self::OneTimeTokens => rows("one_time_tokens"),
            Self::Sessions => rows("sessions"),
            Self::RevokedSessions => rows("sessions WHERE revoked_at IS NOT NULL"),
            Self::Tallies => rows("login_failures"),
            Self::Failures(kind) => sum("failures") + &format!(" WHERE kind = '{kind}'"),
            Self::Pending => sum("pending"),
            Self::VersionFloor => "SELECT version_floor FROM revocation_head".to_owned(),
        }
    }

    fn of(self, state: &State) -> i64 {
        let sessions = state.sessions.values().map(|row| &row.session);
        let secrets = state.client_settings.values().map(|settings| settings.secrets.len());
        let rows = match self {
            Self::Users => state.users.len(),
            Self::Clients => state.clients.len(),
            Self::ClientSecrets => secrets.sum(),
            Self::Assertions => state.assertions.len(),
            Self::OneTimeTokens => state.one_time_tokens.len(),
            Self::Sessions => state.sessions.len(),
            Self::RevokedSessions => sessions.filter(|s| s.revoked_at.is_some()).count(),
            Self::Tallies => state.tallies.len(),
            Self::Failures(kind) => {
                let tallies = state.tallies.iter().filter(|((of, _), _)| *of == kind);
                return tallies.map(|(_, tally)| tally.failures).sum();
            }
            Self::Pending => return state.tallies.values().map(|tally| tally.pending).sum(),
            Self::VersionFloor => return state.version_floor,
        };
        i64::try_from(rows).unwrap()
    }
}
