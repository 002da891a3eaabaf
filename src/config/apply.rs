//! From settings to what the other parts of the program are given.

use std::{collections::BTreeMap, fmt::Display, path::PathBuf};

use serde_json::{Map, Value};
use toml::Table;

use super::{
    AccessType, AdminSettings, ClientSettings, DatabaseUrl, Rotation, ScopeSettings, Settings,
    Span, ThrottleSettings, TokenSettings, VerifyCallers,
};
use crate::domain::{
    account::Role,
    custom_claims::{CustomClaims, InvalidClaims},
    id::ClientId,
    policy::{
        self, AdminPolicy, Audience, BrowserPolicy, ClientPolicy, KeyPolicy, Lifetimes, Policy,
        Scopes,
    },
    throttle::{Allowance, ThrottleRules},
    token::AccessTokenType,
};

impl Settings {
    /// The database to use.
    pub fn database_url(&self) -> DatabaseUrl {
        self.database.url.clone().unwrap_or_else(|| {
            let path = self.data_dir.join("tokenward.db");
            DatabaseUrl::from(format!("sqlite:{}", path.display()))
        })
    }

    /// The folder of the keys that sign access tokens.
    pub fn access_keys_dir(&self) -> PathBuf {
        self.keys_dir().join("access")
    }

    /// The folder of the keys that sign refresh tokens.
    pub fn refresh_keys_dir(&self) -> PathBuf {
        self.keys_dir().join("refresh")
    }

    /// The folder of both.
    pub fn keys_dir(&self) -> PathBuf {
        self.keys.dir.clone().unwrap_or_else(|| self.data_dir.join("keys"))
    }

    /// The configured clients, or the one that there is without any.
    pub(super) fn clients_or_default(&self) -> BTreeMap<String, ClientSettings> {
        if self.clients.is_empty() {
            let only = ClientSettings { audiences: vec!["api".to_owned()], ..Default::default() };
            BTreeMap::from([("default".to_owned(), only)])
        } else {
            self.clients.clone()
        }
    }

    /// What token issuing and judging need to know. Settings that were
    /// checked always give one; the error names the value otherwise.
    pub fn policy(&self) -> Result<Policy, String> {
        let clients = self.clients_or_default();
        let client = |(id, c): (String, _)| Ok((client_id(&id)?, client(&c, &self.tokens)?));
        Ok(Policy {
            issuer: self.issuer.clone(),
            access_token_type: match self.tokens.access_type {
                AccessType::AtJwt => AccessTokenType::AtJwt,
                AccessType::Jwt => AccessTokenType::Jwt,
            },
            leeway: self.tokens.leeway.0,
            issued_at_backdate: self.tokens.issued_at_backdate.0,
            replay_window: self.tokens.replay_window.0,
            default_client: client_id(&self.default_client)?,
            clients: clients.into_iter().map(client).collect::<Result<_, String>>()?,
            browser: self.browser.enabled.then(|| browser(self)).transpose()?,
            scope_roles: self.scopes.iter().map(scope_roles).collect::<Result<_, _>>()?,
            custom_claims: self.claims.iter().map(custom).collect::<Result<_, _>>()?,
            password_min_chars: usize::try_from(self.password.min_chars).unwrap_or(usize::MAX),
            login_failure_grid: self.password.failure_grid.0,
            throttle: self.throttle.enabled.then(|| throttle(&self.throttle)),
            reset_lifetime: self.one_time_tokens.reset_lifetime.0,
            verification_lifetime: self.one_time_tokens.verification_lifetime.0,
            registration: self.registration.enabled,
            keys: KeyPolicy {
                publish_lead: self.keys.publish_lead.0,
                // One look may have begun a moment ago.
                reload_time: self.keys.poll_interval.0.saturating_mul(2),
            },
            admin: admin(&self.admin)?,
            known_verifiers: match self.verify.callers {
                VerifyCallers::Anyone => None,
                VerifyCallers::Known => Some(self.verify.certificates.clone()),
            },
            audit_failed_identifiers: self.audit.failed_identifiers,
        })
    }
}

fn browser(settings: &Settings) -> Result<BrowserPolicy, String> {
    let client = settings.browser.client.as_ref().unwrap_or(&settings.default_client);
    Ok(BrowserPolicy {
        client: client_id(client)?,
        cookie_lifetime: settings.browser.cookie_lifetime.0,
        renewal_wait: settings.browser.renewal_wait.0,
    })
}

fn admin(settings: &AdminSettings) -> Result<AdminPolicy, String> {
    let role = Role::parse(&settings.role).map_err(|error| format!("admin.role {error}"))?;
    let audience = settings.audience.as_deref().map(Audience::parse).transpose();
    let audience = audience.map_err(|error| format!("admin.audience {error}"))?;
    Ok(AdminPolicy { role, audience, certificates: settings.certificates.clone() })
}

fn throttle(settings: &ThrottleSettings) -> ThrottleRules {
    let allowance = |failures, max_wait: Span| Allowance { failures, max_wait: max_wait.0 };
    let source = allowance(settings.source_failures, settings.source_max_wait);
    ThrottleRules {
        account: allowance(settings.account_failures, settings.account_max_wait),
        source: Some(source).filter(|source| source.failures > 0),
        global_failures: Some(settings.global_failures).filter(|failures| *failures > 0),
        forget_after: settings.forget_after.0,
    }
}

fn client_id(text: &str) -> Result<ClientId, String> {
    ClientId::parse(text).map_err(|error| format!("client id \"{text}\" {error}"))
}

fn scope_roles((name, scope): (&String, &ScopeSettings)) -> Result<(String, Vec<Role>), String> {
    let roles: Result<_, _> = scope.roles.iter().map(|role| Role::parse(role)).collect();
    Ok((name.clone(), roles.map_err(|error| format!("scopes.{name}.roles {error}"))?))
}

fn custom((audience, claims): (&String, &Table)) -> Result<(Audience, CustomClaims), String> {
    let told = |error: &dyn Display| format!("claims.{audience:?}: {error}");
    let parsed = custom_claims(claims);
    let claims = parsed.map_err(|all| all.first().map(|e| told(e)).unwrap_or_default())?;
    Ok((Audience::parse(audience).map_err(|error| told(&error))?, claims))
}

/// The custom claims of one audience.
pub(super) fn custom_claims(settings: &Table) -> Result<CustomClaims, Vec<InvalidClaims>> {
    CustomClaims::parse(&json_table(settings))
}

fn json_table(table: &Table) -> Map<String, Value> {
    table.iter().map(|(name, value)| (name.clone(), json_value(value))).collect()
}

/// Fractions and dates are `null`, which no custom claim can be.
fn json_value(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(integer) => Value::from(*integer),
        toml::Value::Boolean(boolean) => Value::from(*boolean),
        toml::Value::Array(items) => items.iter().map(json_value).collect(),
        toml::Value::Table(table) => Value::Object(json_table(table)),
        toml::Value::Float(_) | toml::Value::Datetime(_) => Value::Null,
    }
}

fn client(settings: &ClientSettings, defaults: &TokenSettings) -> Result<ClientPolicy, String> {
    let audiences: Result<_, _> = settings.audiences.iter().map(|a| Audience::parse(a)).collect();
    let scopes =
        |list: &[String]| Scopes::parse(&list.join(" ")).map_err(|error| error.to_string());
    let idle = settings.idle_lifetime.or(defaults.idle_lifetime);
    Ok(ClientPolicy {
        audiences: audiences.map_err(|error| format!("audiences {error}"))?,
        scopes: scopes(&settings.scopes)?,
        default_scopes: scopes(&settings.default_scopes)?,
        lifetimes: Lifetimes {
            access: settings.access_lifetime.unwrap_or(defaults.access_lifetime).0,
            session: settings.session_lifetime.unwrap_or(defaults.session_lifetime).0,
            idle: idle.map(|span| span.0),
        },
        rotation: match settings.rotation {
            Rotation::On => policy::Rotation::On,
            Rotation::Off => policy::Rotation::Off,
        },
        max_sessions_per_user: settings
            .max_sessions_per_user
            .unwrap_or(defaults.max_sessions_per_user),
    })
}
