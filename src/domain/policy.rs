//! What the configuration allows: clients, audiences, scopes, lifetimes.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::{
    account::Role,
    custom_claims::CustomClaims,
    error::{AuthError, Denial, FieldViolation},
    id::ClientId,
    throttle::ThrottleRules,
    token::AccessTokenType,
    verdict::Rules,
};

/// A set of scopes (RFC 6749 section 3.3), kept in the order given, without
/// duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<String>);

impl Scopes {
    /// The most scopes a session can have.
    pub const MAX_COUNT: usize = 64;
    /// The longest space-separated form, in bytes.
    pub const MAX_LEN: usize = 2048;

    /// Parses the space-separated form. Each scope is printable ASCII without
    /// `"` and `\`; exactly one space stands between two.
    pub fn parse(text: &str) -> Result<Self, InvalidScopes> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        if text.len() > Self::MAX_LEN {
            return Err(InvalidScopes);
        }
        let mut scopes = Vec::new();
        for scope in text.split(' ') {
            if !is_scope_token(scope) {
                return Err(InvalidScopes);
            }
            if !scopes.iter().any(|known| known == scope) {
                scopes.push(scope.to_owned());
            }
        }
        if scopes.len() > Self::MAX_COUNT { Err(InvalidScopes) } else { Ok(Self(scopes)) }
    }

    /// Is this scope in the set?
    pub fn contains(&self, scope: &str) -> bool {
        self.0.iter().any(|known| known == scope)
    }

    /// Is nothing in the set?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that are wanted, in the same order.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(&str) -> bool) -> Self {
        Self(self.iter().filter(|scope| wanted(scope)).map(str::to_owned).collect())
    }

    /// The scopes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// The space-separated form.
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\')
}

/// Text that is not a list of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be at most 64 scopes in 2048 bytes, of printable ASCII, separated by single spaces")]
pub struct InvalidScopes;

/// Whom an access token is for (RFC 7519 section 4.1.3): 1 to 255 bytes of
/// printable ASCII.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Audience(String);

impl Audience {
    /// The most audiences a token can have.
    pub const MAX_COUNT: usize = 10;
    /// The longest audience, in bytes.
    pub const MAX_LEN: usize = 255;

    /// Checks the text against the rule of the type.
    pub fn parse(text: &str) -> Result<Self, InvalidAudience> {
        let fits = (1..=Self::MAX_LEN).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidAudience)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Text that is not an audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 bytes of printable ASCII without spaces")]
pub struct InvalidAudience;

/// What happens to a refresh token when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Each use gives a successor and retires the presented one (RFC 9700
    /// section 4.14.2).
    On,
    /// The same token is good until its session ends.
    Off,
}

/// How long things live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// Longest `exp - iat` of an access token.
    pub access: Duration,
    /// From login to the end of the session, however often it is refreshed.
    pub session: Duration,
    /// Longest time between two refreshes; `None` for no such limit.
    pub idle: Option<Duration>,
}

impl Lifetimes {
    /// The same for browsers: a cookie of this life takes the place of access
    /// tokens, and the session ends with a cookie that was not renewed.
    #[must_use]
    pub fn with_cookie(self, life: Duration) -> Self {
        let idle = self.idle.map_or(life, |idle| idle.min(life));
        Self { access: life, idle: Some(idle), ..self }
    }
}

/// What one client may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPolicy {
    /// Audiences it may ask for; the first is the default. Never empty.
    pub audiences: Vec<Audience>,
    /// Scopes it may ask for.
    pub scopes: Scopes,
    /// Scopes it gets when it asks for none.
    pub default_scopes: Scopes,
    /// Lifetimes of its tokens and sessions.
    pub lifetimes: Lifetimes,
    /// Whether its refresh tokens rotate.
    pub rotation: Rotation,
    /// Live sessions one user may have on it; a further login ends the
    /// oldest. At least 1.
    pub max_sessions_per_user: u32,
}

/// How browsers are logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrowserPolicy {
    /// The client that their sessions are of.
    pub client: ClientId,
    /// Longest `exp - iat` of a cookie, and so the longest time between two
    /// requests of a session.
    pub cookie_lifetime: Duration,
    /// How long a request waits for the renewal of its cookie.
    pub renewal_wait: Duration,
}

/// Who administers.
#[derive(Clone, Debug)]
pub struct AdminPolicy {
    /// The role that makes a user an administrator.
    pub role: Role,
    /// Whom an administrator's access token must be for; `None`: for anybody.
    pub audience: Option<Audience>,
    /// The names in client certificates whose holders are administrators.
    pub certificates: Vec<String>,
}

/// How long a change of the keys takes to be known.
#[derive(Clone, Copy, Debug)]
pub struct KeyPolicy {
    /// To gateways, which keep the JWKS for a while.
    pub publish_lead: Duration,
    /// To every replica.
    pub reload_time: Duration,
}

/// All that token issuing and judging need to know of the configuration.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The `iss` claim: an absolute URL, byte for byte as configured.
    pub issuer: String,
    /// The `typ` header of access tokens.
    pub access_token_type: AccessTokenType,
    /// How far past its `exp` a token is still accepted; at most 60 s.
    pub leeway: Duration,
    /// How far `iat` is set back, for verifiers whose clocks are behind.
    pub issued_at_backdate: Duration,
    /// How long a used refresh token still gets its successor again.
    pub replay_window: Duration,
    /// The client of callers that name none.
    pub default_client: ClientId,
    /// Every client of the configuration. Others are in the store.
    pub clients: BTreeMap<ClientId, ClientPolicy>,
    /// Scopes that only users with one of these roles are given. What is not
    /// here goes to everybody whose client may ask for it.
    pub scope_roles: BTreeMap<String, Vec<Role>>,
    /// How browsers are logged in; `None`: not at all.
    pub browser: Option<BrowserPolicy>,
    /// What is added to the access tokens of an audience.
    pub custom_claims: BTreeMap<Audience, CustomClaims>,
    /// The fewest characters of a new password.
    pub password_min_chars: usize,
    /// Failed logins are answered at the next multiple of this after they
    /// began, so that hashes of unequal cost do not show; zero for at once.
    pub login_failure_grid: Duration,
    /// How failing logins are slowed down; `None` for not at all.
    pub throttle: Option<ThrottleRules>,
    /// How long a one-time token for a new password can be used.
    pub reset_lifetime: Duration,
    /// How long one for the verification of an identifier can be used.
    pub verification_lifetime: Duration,
    /// May strangers create users?
    pub registration: bool,
    /// How long a change of the keys takes to be known.
    pub keys: KeyPolicy,
    /// Who administers.
    pub admin: AdminPolicy,
    /// The names in client certificates whose holders may ask for verdicts on
    /// tokens, as service clients may; `None`: everybody may.
    pub known_verifiers: Option<Vec<String>>,
    /// Does the audit log say by which identifier a login has failed?
    pub audit_failed_identifiers: bool,
}

/// What a login was granted, which the session remembers, or a client for
/// itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The client.
    pub client_id: ClientId,
    /// Audiences of the access tokens. Never empty.
    pub audience: Vec<Audience>,
    /// Scopes of the access tokens.
    pub scopes: Scopes,
}

impl ClientPolicy {
    /// Checks what the client `id` asks for against what it may have.
    pub fn grant(
        &self,
        id: ClientId,
        audience: &[String],
        scope: &str,
    ) -> Result<Grant, AuthError> {
        let mut violations = Vec::new();
        let audience = granted_audience(self, audience).unwrap_or_else(|rule| {
            violations.push(FieldViolation::new("audience", rule));
            Vec::new()
        });
        let scopes = granted_scopes(self, scope).unwrap_or_else(|rule| {
            violations.push(FieldViolation::new("scope", rule));
            Scopes::default()
        });
        if violations.is_empty() {
            Ok(Grant { client_id: id, audience, scopes })
        } else {
            Err(AuthError::InvalidArgument(violations))
        }
    }
}

impl Policy {
    /// What every verifier of its tokens has to know.
    pub fn token_rules(&self) -> Rules<'_> {
        Rules {
            issuer: &self.issuer,
            access_token_type: self.access_token_type,
            leeway: self.leeway,
        }
    }

    /// Narrows what a client was granted to what a user with these roles may
    /// have. What was `asked` for is refused, what comes by default left out.
    pub fn narrow(&self, grant: Grant, asked: &str, roles: &[Role]) -> Result<Grant, AuthError> {
        let scopes = self.scopes_for(&grant.scopes, roles);
        if !asked.is_empty() && scopes != grant.scopes {
            return Err(AuthError::PermissionDenied(Denial::ScopeNotAllowed));
        }
        Ok(Grant { scopes, ..grant })
    }

    /// Those of the scopes that a user with these roles may have.
    pub fn scopes_for(&self, scopes: &Scopes, roles: &[Role]) -> Scopes {
        scopes.only(|scope| {
            let needed = self.scope_roles.get(scope);
            needed.is_none_or(|needed| needed.iter().any(|role| roles.contains(role)))
        })
    }

    /// What is added to access tokens for these audiences.
    pub fn custom_claims(&self, audiences: &[Audience]) -> Vec<&CustomClaims> {
        audiences.iter().filter_map(|audience| self.custom_claims.get(audience)).collect()
    }

    /// The largest lifetime of what is judged from memory: the access tokens of
    /// any client, and cookies.
    pub fn max_access_lifetime(&self) -> Duration {
        let cookies = self.browser.iter().map(|browser| browser.cookie_lifetime);
        let access = self.clients.values().map(|c| c.lifetimes.access);
        access.chain(cookies).max().unwrap_or_default()
    }

    /// The largest session lifetime of any client.
    pub fn max_session_lifetime(&self) -> Duration {
        self.clients.values().map(|c| c.lifetimes.session).max().unwrap_or_default()
    }
}

fn granted_audience(client: &ClientPolicy, asked: &[String]) -> Result<Vec<Audience>, String> {
    if asked.is_empty() {
        return Ok(client.audiences.first().cloned().into_iter().collect());
    }
    if asked.len() > Audience::MAX_COUNT {
        return Err(format!("must have at most {} entries", Audience::MAX_COUNT));
    }
    let mut granted: Vec<Audience> = Vec::new();
    for text in asked {
        let audience = Audience::parse(text).map_err(|error| error.to_string())?;
        if !client.audiences.contains(&audience) {
            return Err("must be among the client's allowed audiences".to_owned());
        }
        if !granted.contains(&audience) {
            granted.push(audience);
        }
    }
    Ok(granted)
}

fn granted_scopes(client: &ClientPolicy, asked: &str) -> Result<Scopes, String> {
    if asked.is_empty() {
        return Ok(client.default_scopes.clone());
    }
    let asked = Scopes::parse(asked).map_err(|error| error.to_string())?;
    if asked.iter().all(|scope| client.scopes.contains(scope)) {
        Ok(asked)
    } else {
        Err("must be among the client's allowed scopes".to_owned())
    }
}
