//! What administrators ask for a client to be, and the rules for it.

use std::time::Duration;

use crate::{
    crypto::port::ClientProofs,
    domain::{
        client::ClientProfile,
        client_keys::ClientKeys,
        custom_claims::check_together,
        error::FieldViolation,
        policy::{Audience, ClientPolicy, Lifetimes, Policy, Rotation, Scopes},
    },
};

use super::profile::check_display_name;

/// The most audiences that a client may have to choose from.
const AUDIENCES_MAX: usize = 64;
/// The most sessions of one user, as in the configuration.
const SESSIONS_MAX: u32 = 1_000;
/// The shortest lifetime, as in the configuration.
const LIFETIME_MIN: Duration = Duration::from_secs(10);

/// What a client is to be; nothing of it is checked yet. Empty means absent.
#[derive(Clone, Debug)]
pub struct ClientProfileRequest {
    /// What people call it.
    pub display_name: String,
    /// Audiences it may ask for; the first is the default.
    pub audiences: Vec<String>,
    /// Scopes it may ask for.
    pub scopes: Vec<String>,
    /// Scopes it gets when it asks for none.
    pub default_scopes: Vec<String>,
    /// `None`: that of the default client.
    pub access_lifetime: Option<Duration>,
    /// `None`: that of the default client.
    pub session_lifetime: Option<Duration>,
    /// `None`: no such limit.
    pub idle_lifetime: Option<Duration>,
    /// Whether refresh tokens of users rotate.
    pub rotation: Rotation,
    /// 0: that of the default client.
    pub max_sessions_per_user: u32,
    /// May users log in on it?
    pub allow_login: bool,
    /// Its public keys, as a JWK Set.
    pub jwks_json: String,
}

impl Default for ClientProfileRequest {
    fn default() -> Self {
        Self {
            display_name: String::new(),
            audiences: Vec::new(),
            scopes: Vec::new(),
            default_scopes: Vec::new(),
            access_lifetime: None,
            session_lifetime: None,
            idle_lifetime: None,
            rotation: Rotation::On,
            max_sessions_per_user: 0,
            allow_login: false,
            jwks_json: String::new(),
        }
    }
}

macro_rules! fields {
    ($($variant:ident = $field:ident;)*) => {
        /// One field of a client that can be changed alone.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "they are the fields of ClientProfileRequest")]
        pub enum ClientField {
            $($variant,)*
        }

        impl ClientField {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name, as in messages.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($field),)*
                }
            }
        }

        impl ClientProfileRequest {
            /// Takes one field over from `other`.
            pub(super) fn take(&mut self, field: ClientField, other: &Self) {
                match field {
                    $(ClientField::$variant => self.$field = other.$field.clone(),)*
                }
            }
        }
    };
}

fields! {
    DisplayName = display_name;
    Audiences = audiences;
    Scopes = scopes;
    DefaultScopes = default_scopes;
    AccessLifetime = access_lifetime;
    SessionLifetime = session_lifetime;
    IdleLifetime = idle_lifetime;
    Rotation = rotation;
    MaxSessionsPerUser = max_sessions_per_user;
    AllowLogin = allow_login;
    JwksJson = jwks_json;
}

/// What one would have to ask for to get what is there.
impl From<&ClientProfile> for ClientProfileRequest {
    fn from(profile: &ClientProfile) -> Self {
        let ClientProfile { display_name, policy, allow_login, keys } = profile;
        let texts = |scopes: &Scopes| scopes.iter().map(str::to_owned).collect();
        Self {
            display_name: display_name.clone(),
            audiences: policy.audiences.iter().map(|a| a.as_str().to_owned()).collect(),
            scopes: texts(&policy.scopes),
            default_scopes: texts(&policy.default_scopes),
            access_lifetime: Some(policy.lifetimes.access),
            session_lifetime: Some(policy.lifetimes.session),
            idle_lifetime: policy.lifetimes.idle,
            rotation: policy.rotation,
            max_sessions_per_user: policy.max_sessions_per_user,
            allow_login: *allow_login,
            jwks_json: keys.to_text(),
        }
    }
}

/// Broken rules, all at once.
struct Check<'a> {
    policy: &'a Policy,
    violations: Vec<FieldViolation>,
}

impl ClientProfileRequest {
    /// Applies every rule; `Err` has each one that is broken.
    pub(super) fn check(
        self,
        policy: &Policy,
        proofs: &dyn ClientProofs,
    ) -> Result<ClientProfile, Vec<FieldViolation>> {
        let mut check = Check { policy, violations: Vec::new() };
        check.violations.extend(check_display_name(&self.display_name).err());
        let scopes = check.scopes("scopes", &self.scopes);
        let default_scopes = check.scopes("default_scopes", &self.default_scopes);
        if !default_scopes.iter().all(|scope| scopes.contains(scope)) {
            check.refuse("default_scopes", "must be among the client's scopes");
        }
        let policy = ClientPolicy {
            audiences: check.audiences(&self.audiences),
            scopes,
            default_scopes,
            lifetimes: check.lifetimes(&self),
            rotation: self.rotation,
            max_sessions_per_user: check.max_sessions(self.max_sessions_per_user),
        };
        let profile = ClientProfile {
            policy,
            allow_login: self.allow_login,
            keys: check.keys(&self.jwks_json, proofs),
            display_name: self.display_name,
        };
        if check.violations.is_empty() { Ok(profile) } else { Err(check.violations) }
    }
}

impl Check<'_> {
    fn refuse(&mut self, field: &'static str, rule: impl Into<String>) {
        self.violations.push(FieldViolation::new(field, rule));
    }

    fn audiences(&mut self, texts: &[String]) -> Vec<Audience> {
        let parsed = texts.iter().map(|text| Audience::parse(text)).collect::<Result<Vec<_>, _>>();
        let Ok(audiences) = parsed else {
            self.refuse(
                "audiences",
                "must each be 1 to 255 bytes of printable ASCII without spaces",
            );
            return Vec::new();
        };
        if !(1..=AUDIENCES_MAX).contains(&audiences.len()) {
            self.refuse("audiences", format!("must have 1 to {AUDIENCES_MAX} entries"));
        }
        // One token could be for all of them.
        if let Err(error) = check_together(&self.policy.custom_claims(&audiences)) {
            self.refuse("audiences", format!("cannot be those of one token: {error}"));
        }
        audiences
    }

    fn scopes(&mut self, field: &'static str, list: &[String]) -> Scopes {
        match Scopes::parse(&list.join(" ")) {
            Ok(parsed) if parsed.iter().count() == list.len() => parsed,
            _ => {
                self.refuse(field, "must be distinct scopes of printable ASCII, at most 64");
                Scopes::default()
            }
        }
    }

    /// Keys and log entries are kept for as long as the configuration's largest
    /// lifetimes need them, so no client can have longer ones.
    fn lifetimes(&mut self, request: &ClientProfileRequest) -> Lifetimes {
        let policy = self.policy;
        let default = policy.clients.get(&policy.default_client).map(|client| client.lifetimes);
        let (access_max, session_max) =
            (policy.max_access_lifetime(), policy.max_session_lifetime());
        let access = request.access_lifetime.or(default.map(|life| life.access));
        let session = request.session_lifetime.or(default.map(|life| life.session));
        let (access, session) = (access.unwrap_or(access_max), session.unwrap_or(session_max));
        self.lifetime("access_lifetime", access, access_max);
        self.lifetime("session_lifetime", session, session_max);
        if let Some(idle) = request.idle_lifetime {
            self.lifetime("idle_lifetime", idle, session_max);
        }
        if access > session {
            self.refuse("access_lifetime", "must be at most session_lifetime");
        }
        // A backdate as long as the life would issue tokens that have expired.
        if policy.issued_at_backdate * 2 > access {
            let rule = "must be at least twice the configured tokens.issued_at_backdate";
            self.refuse("access_lifetime", rule);
        }
        Lifetimes { access, session, idle: request.idle_lifetime }
    }

    fn lifetime(&mut self, field: &'static str, life: Duration, most: Duration) {
        if life.subsec_nanos() > 0 || !(LIFETIME_MIN..=most).contains(&life) {
            let (least, most) = (LIFETIME_MIN.as_secs(), most.as_secs());
            self.refuse(
                field,
                format!(
                    "must be whole seconds from {least} to {most}, the largest of any client in the \
                     configuration: keys and revocations are kept for no longer than that needs"
                ),
            );
        }
    }

    fn max_sessions(&mut self, asked: u32) -> u32 {
        let default = self.policy.clients.get(&self.policy.default_client);
        match asked {
            0 => default.map_or(SESSIONS_MAX, |client| client.max_sessions_per_user),
            1..=SESSIONS_MAX => asked,
            _ => {
                self.refuse("max_sessions_per_user", format!("must be at most {SESSIONS_MAX}"));
                asked
            }
        }
    }

    fn keys(&mut self, text: &str, proofs: &dyn ClientProofs) -> ClientKeys {
        if text.is_empty() {
            return ClientKeys::default();
        }
        match ClientKeys::parse(text) {
            Ok(keys) if keys.iter().all(|key| proofs.is_key(key)) => keys,
            Ok(_) => {
                self.refuse("jwks_json", "must have keys whose numbers are those of a key");
                ClientKeys::default()
            }
            Err(error) => {
                self.refuse("jwks_json", error.to_string());
                ClientKeys::default()
            }
        }
    }
}
