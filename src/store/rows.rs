//! From rows to domain values. A value that cannot be one is named by table,
//! column and row id; the value itself is not repeated.

use std::time::Duration;

use uuid::Uuid;

use super::{engine::Engine, error::failed, port::StoreError};
use crate::domain::{
    account::{Account, Role},
    audit::Entry,
    client::{Client, ClientProfile, SecretDigest, StoredSecret},
    client_keys::ClientKeys,
    clock::Timestamp,
    error::Fault,
    id::{ClientId, KeyId, SessionId, UserId},
    policy::{Audience, ClientPolicy, Lifetimes, Rotation, Scopes},
    revocation::{LogHead, Reason, Revocation, Target},
    session::{Session, Standing},
};

/// One row of a table.
pub(super) struct Fields<'r, DB: Engine> {
    row: &'r DB::Row,
    table: &'static str,
    key: &'static str,
}

impl<'r, DB: Engine> Fields<'r, DB> {
    /// A row of `table`, which the column `key` tells apart.
    pub(super) fn new(row: &'r DB::Row, table: &'static str, key: &'static str) -> Self {
        Self { row, table, key }
    }

    pub(super) fn optional_int(&self, column: &str) -> Result<Option<i64>, StoreError> {
        DB::int(self.row, column).map_err(|error| self.unreadable(column, error))
    }

    pub(super) fn int(&self, column: &str) -> Result<i64, StoreError> {
        self.optional_int(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(super) fn optional_text(&self, column: &str) -> Result<Option<String>, StoreError> {
        DB::text(self.row, column).map_err(|error| self.unreadable(column, error))
    }

    pub(super) fn text(&self, column: &str) -> Result<String, StoreError> {
        self.optional_text(column)?.ok_or_else(|| self.corrupt(column))
    }

    pub(super) fn time(&self, column: &str) -> Result<Timestamp, StoreError> {
        self.int(column).map(Timestamp::from_micros)
    }

    pub(super) fn optional_time(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.optional_int(column)?.map(Timestamp::from_micros))
    }

    /// Whole seconds.
    fn span(&self, column: &str) -> Result<Duration, StoreError> {
        self.optional_span(column)?.ok_or_else(|| self.corrupt(column))
    }

    fn optional_span(&self, column: &str) -> Result<Option<Duration>, StoreError> {
        let seconds = self.optional_int(column)?.map(u64::try_from).transpose();
        Ok(seconds.map_err(|_| self.corrupt(column))?.map(Duration::from_secs))
    }

    pub(super) fn uuid(&self, column: &str) -> Result<Uuid, StoreError> {
        self.parse(column, Uuid::try_parse)
    }

    /// A text that must be of a domain type.
    pub(super) fn parse<T, E>(
        &self,
        column: &str,
        parse: fn(&str) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        parse(&self.text(column)?).map_err(|_| self.corrupt(column))
    }

    /// A list, as kept in one text with spaces between.
    fn words<T, E>(
        &self,
        column: &str,
        parse: fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, StoreError> {
        let text = self.text(column)?;
        let words = text.split(' ').filter(|word| !word.is_empty()).map(parse);
        words.collect::<Result<_, _>>().map_err(|_| self.corrupt(column))
    }

    fn audience(&self) -> Result<Vec<Audience>, StoreError> {
        let audience = self.words("audience", Audience::parse)?;
        if audience.is_empty() { Err(self.corrupt("audience")) } else { Ok(audience) }
    }

    pub(super) fn corrupt(&self, column: &str) -> StoreError {
        let key = self.key_text();
        let message = format!("{}.{column} of row {key} holds no valid value", self.table);
        StoreError::Corrupt(Fault::from(message))
    }

    fn unreadable(&self, column: &str, error: sqlx::Error) -> StoreError {
        failed::<DB>(&format!("{}.{column} of row {}", self.table, self.key_text()), error)
    }

    fn key_text(&self) -> String {
        let text = DB::text(self.row, self.key).ok().flatten();
        let number = || DB::int(self.row, self.key).ok().flatten().map(|n| n.to_string());
        text.or_else(number).unwrap_or_else(|| "?".to_owned())
    }
}

/// A list as one text with spaces between.
pub(super) fn joined<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().collect::<Vec<_>>().join(" ")
}

pub(super) fn account<DB: Engine>(row: &DB::Row) -> Result<Account, StoreError> {
    let fields = Fields::<DB>::new(row, "users", "account_id");
    Ok(Account {
        id: fields.parse("account_id", UserId::parse)?,
        version: fields.int("account_version")?,
        revision: fields.int("revision")?,
        username: fields.optional_text("username")?,
        email: fields.optional_text("email")?,
        phone: fields.optional_text("phone")?,
        email_verified_at: fields.optional_time("email_verified_at")?,
        phone_verified_at: fields.optional_time("phone_verified_at")?,
        display_name: fields.optional_text("display_name")?,
        roles: fields.words("roles", Role::parse)?,
        created_at: fields.time("account_created_at")?,
        disabled_at: fields.optional_time("account_disabled_at")?,
        last_login_at: fields.optional_time("last_login_at")?,
    })
}

pub(super) fn session<DB: Engine>(row: &DB::Row) -> Result<Session, StoreError> {
    let fields = Fields::<DB>::new(row, "sessions", "id");
    Ok(Session {
        id: fields.parse("id", SessionId::parse)?,
        user_id: fields.parse("user_id", UserId::parse)?,
        user_version: fields.int("user_version")?,
        min_refresh_version: fields.int("min_refresh_version")?,
        client_id: fields.parse("client_id", ClientId::parse)?,
        client_version: fields.int("client_version")?,
        generation: fields.int("generation")?,
        rotated_at: fields.time("rotated_at")?,
        created_at: fields.time("created_at")?,
        expires_at: fields.time("expires_at")?,
        idle_expires_at: fields.optional_time("idle_expires_at")?,
        auth_time: fields.time("auth_time")?,
        amr: fields.words("amr", |word| Ok::<_, ()>(word.to_owned()))?,
        scopes: fields.parse("scope", Scopes::parse)?,
        audience: fields.audience()?,
        label: fields.text("label")?,
        ip: fields.text("ip")?,
        user_agent: fields.text("user_agent")?,
        revoked_at: fields.optional_time("revoked_at")?,
        revoke_reason: fields.optional_text("revoke_reason")?.as_deref().map(Reason::from_text),
    })
}

pub(super) fn standing<DB: Engine>(row: &DB::Row) -> Result<Standing, StoreError> {
    let fields = Fields::<DB>::new(row, "clients", "client_id");
    Ok(Standing {
        session: session::<DB>(row)?,
        account: account::<DB>(row)?,
        client_version: fields.int("current_client_version")?,
        client_enabled: fields.optional_int("client_disabled_at")?.is_none(),
        version_floor: fields.int("version_floor")?,
    })
}

/// A client, without its secrets.
pub(super) fn client<DB: Engine>(row: &DB::Row) -> Result<Client, StoreError> {
    let fields = Fields::<DB>::new(row, "client_settings", "client_id");
    Ok(Client {
        id: fields.parse("client_id", ClientId::parse)?,
        version: fields.int("version")?,
        etag: fields.uuid("etag")?,
        profile: client_profile(&fields)?,
        created_at: fields.time("created_at")?,
        updated_at: fields.time("updated_at")?,
        disabled_at: fields.optional_time("disabled_at")?,
        secrets: Vec::new(),
    })
}

fn client_profile<DB: Engine>(fields: &Fields<'_, DB>) -> Result<ClientProfile, StoreError> {
    let policy = ClientPolicy {
        audiences: fields.audience()?,
        scopes: fields.parse("scope", Scopes::parse)?,
        default_scopes: fields.parse("default_scope", Scopes::parse)?,
        lifetimes: Lifetimes {
            access: fields.span("access_lifetime_s")?,
            session: fields.span("session_lifetime_s")?,
            idle: fields.optional_span("idle_lifetime_s")?,
        },
        rotation: if fields.int("rotation")? == 1 { Rotation::On } else { Rotation::Off },
        max_sessions_per_user: u32::try_from(fields.int("max_sessions_per_user")?)
            .map_err(|_| fields.corrupt("max_sessions_per_user"))?,
    };
    let keys = fields.optional_text("jwks")?.map(|_| fields.parse("jwks", ClientKeys::parse));
    Ok(ClientProfile {
        display_name: fields.text("display_name")?,
        policy,
        allow_login: fields.int("allow_login")? == 1,
        keys: keys.transpose()?.unwrap_or_default(),
    })
}

/// The secret beside a client, if it has one.
pub(super) fn client_secret<DB: Engine>(row: &DB::Row) -> Result<Option<StoredSecret>, StoreError> {
    let fields = Fields::<DB>::new(row, "client_secrets", "secret_id");
    if fields.optional_text("secret_id")?.is_none() {
        return Ok(None);
    }
    Ok(Some(StoredSecret {
        id: fields.uuid("secret_id")?,
        digest: fields.parse("digest", SecretDigest::parse)?,
        created_at: fields.time("secret_created_at")?,
        expires_at: fields.optional_time("secret_expires_at")?,
    }))
}

pub(super) fn revocation<DB: Engine>(row: &DB::Row) -> Result<Revocation, StoreError> {
    let fields = Fields::<DB>::new(row, "revocations", "seq");
    Ok(Revocation {
        seq: fields.int("seq")?,
        id: fields.uuid("id")?,
        target: target(&fields)?,
        expires_at: fields.optional_time("expires_at")?,
        at: fields.time("at")?,
        reason: Reason::from_text(&fields.text("reason")?),
        actor: fields.text("actor")?,
    })
}

fn target<DB: Engine>(fields: &Fields<'_, DB>) -> Result<Target, StoreError> {
    let min_version = || fields.int("min_version");
    Ok(match fields.text("kind")?.as_str() {
        "session" => Target::Session(fields.parse("subject", SessionId::parse)?),
        "user" => Target::User {
            id: fields.parse("subject", UserId::parse)?,
            min_version: min_version()?,
        },
        "client" => Target::Client {
            id: fields.parse("subject", ClientId::parse)?,
            min_version: min_version()?,
        },
        "key" => Target::Key(fields.parse("subject", KeyId::parse)?),
        "all" => Target::All { min_version: min_version()? },
        _ => return Err(fields.corrupt("kind")),
    })
}

pub(super) fn audit_entry<DB: Engine>(row: &DB::Row) -> Result<Entry, StoreError> {
    let fields = Fields::<DB>::new(row, "audit_events", "seq");
    Ok(Entry {
        seq: fields.int("seq")?,
        at: fields.time("at")?,
        action: fields.text("action")?,
        outcome: fields.text("outcome")?,
        reason: fields.text("reason")?,
        actor: fields.text("actor")?,
        user: fields.text("user_id")?,
        session: fields.text("session_id")?,
        client: fields.text("client_id")?,
        source: fields.text("source")?,
        request_id: fields.text("request_id")?,
        detail: fields.text("detail")?,
        digest: fields.text("digest")?,
    })
}

pub(super) fn log_head<DB: Engine>(row: &DB::Row) -> Result<LogHead, StoreError> {
    let fields = Fields::<DB>::new(row, "revocation_head", "seq");
    Ok(LogHead {
        epoch: fields.uuid("epoch")?,
        seq: fields.int("seq")?,
        max_access_lifetime_s: fields.int("max_access_lifetime_s")?,
    })
}
