//! Every setting, with its default and its bounds.
//!
//! Sources, strongest first: command line, environment (`TOKENWARD_…`, and
//! `…_FILE` for secrets), configuration file, defaults. A name that nobody
//! knows, or a value out of bounds, stops the start with one line for each.
//! See [`load`] for the layers, [`check`] for the bounds, [`apply`] for what
//! the other parts of the program are given.
#![expect(
    clippy::doc_markdown,
    reason = "the descriptions are also the comments of the example configuration file"
)]

pub mod apply;
pub mod check;
pub mod load;
pub mod values;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use confique::Config;
use serde::{Deserialize, Serialize};

pub use values::{
    AccessType, DatabaseUrl, LogFormat, Networks, OnStale, Rotation, SameSite, Span, VerifyCallers,
    Words,
};

/// The whole configuration.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct Settings {
    /// Who issues the tokens: the `iss` claim, and the URL under which gateways
    /// find /.well-known/jwks.json. https, no query, no fragment, no slash at
    /// the end; http is accepted for loopback addresses only.
    #[config(env = "TOKENWARD_ISSUER", default = "http://127.0.0.1:8080")]
    pub issuer: String,

    /// Folder for keys and the embedded database, unless those are set apart
    /// by keys.dir and database.url.
    #[config(env = "TOKENWARD_DATA_DIR", default = "tokenward-data")]
    pub data_dir: PathBuf,

    /// The client of callers that name none. Must be the id of a client.
    #[config(env = "TOKENWARD_DEFAULT_CLIENT", default = "default")]
    pub default_client: String,

    /// Where users, sessions and revocations are kept.
    #[config(nested)]
    pub database: DatabaseSettings,

    /// The RSA keys.
    #[config(nested)]
    pub keys: KeySettings,

    /// The gRPC listener.
    #[config(nested)]
    pub grpc: GrpcSettings,

    /// The HTTP listener: JWKS, metadata, health, metrics, and calls as JSON
    /// and gRPC-Web.
    #[config(nested)]
    pub http: HttpSettings,

    /// What gateways ask: forward-auth at /auth/verify, and Envoy's ext_authz.
    #[config(nested)]
    pub gateway: GatewaySettings,

    /// Browser sessions: /session, and a cookie that /auth/verify judges.
    #[config(nested)]
    pub browser: BrowserSettings,

    /// TLS on all listeners.
    #[config(nested)]
    pub tls: TlsSettings,

    /// Limits of every connection, on all listeners.
    #[config(nested)]
    pub connections: ConnectionSettings,

    /// Tokens and sessions of clients that set nothing else.
    #[config(nested)]
    pub tokens: TokenSettings,

    /// Self-service registration.
    #[config(nested)]
    pub registration: RegistrationSettings,

    /// Passwords and their hashing.
    #[config(nested)]
    pub password: PasswordSettings,

    /// Tokens for a new password, and for verifying an identifier.
    #[config(nested)]
    pub one_time_tokens: OneTimeTokenSettings,

    /// Slowing down logins that fail.
    #[config(nested)]
    pub throttle: ThrottleSettings,

    /// The threads that sign and hash, apart from those that serve.
    #[config(nested)]
    pub workers: WorkerSettings,

    /// Who may ask for verdicts on tokens.
    #[config(nested)]
    pub verify: VerifySettings,

    /// Following the revocation log.
    #[config(nested)]
    pub revocation: RevocationSettings,

    /// Removal of rows whose time is over.
    #[config(nested)]
    pub sweep: SweepSettings,

    /// Administration over gRPC: tokenward.admin.v1.
    #[config(nested)]
    pub admin: AdminSettings,

    /// The log of who did what.
    #[config(nested)]
    pub audit: AuditSettings,

    /// Start and stop.
    #[config(nested)]
    pub shutdown: ShutdownSettings,

    /// Logs.
    #[config(nested)]
    pub log: LogSettings,

    /// The applications that log users in, by client id. None configured: one
    /// named "default" for the audience "api".
    #[config(default = {})]
    pub clients: BTreeMap<String, ClientSettings>,

    /// Scopes that are for some roles only, by name. Those that are not here
    /// go to every user whose client may ask for them.
    #[config(default = {})]
    pub scopes: BTreeMap<String, ScopeSettings>,

    /// What is added to the access tokens of an audience, by audience and name
    /// of the claim: texts, with placeholders like {user.id}, integers,
    /// booleans, lists of texts, and tables of these.
    #[config(default = {})]
    pub claims: BTreeMap<String, toml::Table>,
}

/// Where users, sessions and revocations are kept.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct DatabaseSettings {
    /// sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME. Unset: SQLite in
    /// tokenward.db in data_dir.
    #[config(env = "TOKENWARD_DATABASE_URL")]
    pub url: Option<DatabaseUrl>,

    /// Connections kept open at most, for each replica, besides two that
    /// follow the revocation log. SQLite: for reading; it always has one for
    /// writing.
    /// Range: 1 to 200.
    #[config(env = "TOKENWARD_DATABASE_MAX_CONNECTIONS", default = 16)]
    pub max_connections: u32,

    /// How long a call waits for a free connection before it is UNAVAILABLE.
    /// Range: 10ms to 1m.
    #[config(env = "TOKENWARD_DATABASE_ACQUIRE_TIMEOUT", default = "3s")]
    pub acquire_timeout: Span,

    /// How long one statement may take.
    /// Range: 10ms to 1m.
    #[config(env = "TOKENWARD_DATABASE_STATEMENT_TIMEOUT", default = "5s")]
    pub statement_timeout: Span,

    /// How long a statement waits for another transaction.
    /// Range: 10ms to 1m.
    #[config(env = "TOKENWARD_DATABASE_LOCK_TIMEOUT", default = "3s")]
    pub lock_timeout: Span,

    /// When PostgreSQL ends a transaction that nobody works on.
    /// Range: 1s to 10m.
    #[config(env = "TOKENWARD_DATABASE_IDLE_IN_TRANSACTION_TIMEOUT", default = "10s")]
    pub idle_in_transaction_timeout: Span,
}

/// The RSA keys.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct KeySettings {
    /// Folder with the folders access/ and refresh/, which hold PEM files.
    /// Unset: keys in data_dir.
    #[config(env = "TOKENWARD_KEYS_DIR")]
    pub dir: Option<PathBuf>,

    /// Time between two looks at the contents of these folders. SIGHUP causes
    /// one at once.
    /// Range: 100ms to 1m.
    #[config(env = "TOKENWARD_KEYS_POLL_INTERVAL", default = "1s")]
    pub poll_interval: Span,

    /// Servers make keys: the first ones of a new database, and the next ones.
    /// false: somebody else puts them there. In a folder with files that have
    /// no date in their name, and in one that is read-only, none are made.
    #[config(env = "TOKENWARD_KEYS_ROTATION", default = true)]
    pub rotation: bool,

    /// How long a key signs.
    /// Range: 1m to 3650days.
    #[config(env = "TOKENWARD_KEYS_ROTATION_PERIOD", default = "30days")]
    pub rotation_period: Span,

    /// A key is made and published at least this long before it signs: longer
    /// than gateways keep a JWKS. At most keys.rotation_period.
    /// Range: 1s to 90days.
    #[config(env = "TOKENWARD_KEYS_PUBLISH_LEAD", default = "1day")]
    pub publish_lead: Span,
}

/// The gRPC listener.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct GrpcSettings {
    /// Address and port.
    #[config(env = "TOKENWARD_GRPC_LISTEN", default = "127.0.0.1:50051")]
    pub listen: SocketAddr,

    /// Lets grpcurl and its like list and describe the services.
    #[config(env = "TOKENWARD_GRPC_REFLECTION", default = true)]
    pub reflection: bool,

    /// Networks (CIDR) of proxies and applications that append the address of
    /// their caller to x-forwarded-for. Of anybody else the header is ignored.
    /// Outside of the file: one text, with commas.
    #[config(env = "TOKENWARD_GRPC_TRUSTED_PROXIES", default = [])]
    pub trusted_proxies: Networks,

    /// The longest that a call may take, whatever deadline it came with, and
    /// that its answer may then stay unread.
    /// Range: 100ms to 5m.
    #[config(env = "TOKENWARD_GRPC_REQUEST_TIMEOUT", default = "10s")]
    pub request_timeout: Span,

    /// The largest request, in bytes. A full batch of the longest tokens has
    /// about 850,000.
    /// Range: 65536 to 16777216.
    #[config(env = "TOKENWARD_GRPC_MAX_MESSAGE_BYTES", default = 1_048_576)]
    pub max_message_bytes: u32,
}

/// The HTTP listener.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct HttpSettings {
    /// Address and port.
    #[config(env = "TOKENWARD_HTTP_LISTEN", default = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// As grpc.trusted_proxies, for this listener.
    #[config(env = "TOKENWARD_HTTP_TRUSTED_PROXIES", default = [])]
    pub trusted_proxies: Networks,

    /// The longest that a request may take, and that its answer may then stay
    /// unread.
    /// Range: 100ms to 5m.
    #[config(env = "TOKENWARD_HTTP_REQUEST_TIMEOUT", default = "10s")]
    pub request_timeout: Span,

    /// Serves the calls of tokenward.auth.v1 here too, as JSON and gRPC-Web.
    #[config(env = "TOKENWARD_HTTP_CALLS", default = true)]
    pub calls: bool,

    /// Origins whose pages may make calls here: scheme, host and, if it is not
    /// the usual one, port. Outside of the file: one text, with commas.
    #[config(env = "TOKENWARD_HTTP_CORS_ORIGINS", default = [])]
    pub cors_origins: Words,

    /// Serves GET /metrics. A gateway that publishes this listener should keep
    /// /metrics, /livez and /readyz inside.
    #[config(env = "TOKENWARD_HTTP_METRICS", default = true)]
    pub metrics: bool,
}

/// What gateways ask about the requests that they hold.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct GatewaySettings {
    /// Schemes of the Authorization header under which a token is looked for,
    /// in any case of letters; at most 8. Outside of the file: one text, with
    /// commas.
    #[config(env = "TOKENWARD_GATEWAY_SCHEMES", default = ["Bearer"])]
    pub schemes: Words,

    /// Names of further headers that carry a token and nothing else, such as
    /// "x-access-token"; at most 8. Outside of the file: one text, with commas.
    #[config(env = "TOKENWARD_GATEWAY_TOKEN_HEADERS", default = [])]
    pub token_headers: Words,

    /// Whether ext_authz lets the header with the token go on to the upstream.
    /// Other gateways decide that themselves.
    #[config(env = "TOKENWARD_GATEWAY_FORWARD_TOKEN", default = false)]
    pub forward_token: bool,
}

/// Browser sessions.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct BrowserSettings {
    /// Serves /session, and lets its cookie be a credential for gateways.
    #[config(env = "TOKENWARD_BROWSER_ENABLED", default = false)]
    pub enabled: bool,

    /// Name of the cookie. Must begin with "__Host-", so that no other host
    /// can set one of that name.
    #[config(env = "TOKENWARD_BROWSER_COOKIE_NAME", default = "__Host-tokenward")]
    pub cookie_name: String,

    /// The longest life of a cookie. A request in its second half renews it;
    /// a session without requests for so long is over. Never past the
    /// session_lifetime of the client.
    /// Range: 1m to 1day.
    #[config(env = "TOKENWARD_BROWSER_COOKIE_LIFETIME", default = "1h")]
    pub cookie_lifetime: Span,

    /// How long a request waits for the renewal of its cookie; then it passes
    /// with the old one. Less than the gateway waits: Envoy has 200 ms.
    /// Range: 10ms to 5s.
    #[config(env = "TOKENWARD_BROWSER_RENEWAL_WAIT", default = "100ms")]
    pub renewal_wait: Span,

    /// SameSite of the cookie: "lax" (it comes along when a link on another
    /// site is followed) or "strict" (it does not).
    #[config(env = "TOKENWARD_BROWSER_SAME_SITE", default = "lax")]
    pub same_site: SameSite,

    /// The client that browser sessions are of, a configured one. Unset:
    /// default_client.
    #[config(env = "TOKENWARD_BROWSER_CLIENT")]
    pub client: Option<String>,

    /// Origins (scheme, host, and port if it is not the scheme's own) whose
    /// pages may log in and out and make requests with the cookie. Unset: the
    /// issuer's own. Outside of the file: one text, with commas.
    #[config(env = "TOKENWARD_BROWSER_ORIGINS")]
    pub origins: Option<Words>,
}

/// TLS on all listeners: certificate and key, both or neither.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct TlsSettings {
    /// PEM file: the server's certificate, then the chain.
    #[config(env = "TOKENWARD_TLS_CERTIFICATE")]
    pub certificate: Option<PathBuf>,

    /// PEM file: the certificate's private key.
    #[config(env = "TOKENWARD_TLS_KEY")]
    pub key: Option<PathBuf>,

    /// PEM file: authorities for certificates of clients. Who shows one that
    /// they do not vouch for is refused; who shows none is served all the
    /// same. Unset: clients are not asked for any.
    #[config(env = "TOKENWARD_TLS_CLIENT_CA")]
    pub client_ca: Option<PathBuf>,

    /// PEM file: their revocation lists, one of each authority, intermediate
    /// ones too. One that is out of date lets no certificate pass.
    #[config(env = "TOKENWARD_TLS_CLIENT_CRL")]
    pub client_crl: Option<PathBuf>,

    /// Time between two looks at the contents of these files. SIGHUP causes
    /// one at once.
    /// Range: 100ms to 1h.
    #[config(env = "TOKENWARD_TLS_POLL_INTERVAL", default = "10s")]
    pub poll_interval: Span,

    /// How long a handshake may take.
    /// Range: 100ms to 1m.
    #[config(env = "TOKENWARD_TLS_HANDSHAKE_TIMEOUT", default = "5s")]
    pub handshake_timeout: Span,
}

/// Limits of every connection.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct ConnectionSettings {
    /// Connections at a time, for each listener.
    /// Range: 8 to 1000000.
    #[config(env = "TOKENWARD_CONNECTIONS_MAX", default = 10_000)]
    pub max: u32,

    /// Connections at a time of one address (of one /64 in IPv6), for each
    /// listener; one more is closed at once. Where all callers come through
    /// one balancer, as many as connections.max.
    /// Range: 1 to 1000000.
    #[config(env = "TOKENWARD_CONNECTIONS_MAX_PER_PEER", default = 1_024)]
    pub max_per_peer: u32,

    /// Calls at a time on one HTTP/2 connection.
    /// Range: 1 to 10000.
    #[config(env = "TOKENWARD_CONNECTIONS_MAX_STREAMS", default = 250)]
    pub max_streams: u32,

    /// Calls that the peer may cancel on an HTTP/2 connection before they were
    /// looked at; one more ends it (CVE-2023-44487, rapid reset).
    /// Range: 1 to 10000.
    #[config(env = "TOKENWARD_CONNECTIONS_MAX_RESET_STREAMS", default = 20)]
    pub max_reset_streams: u32,

    /// Calls that the server has to end on an HTTP/2 connection because of the
    /// peer's mistakes; one more ends it (CVE-2025-8671, made to reset).
    /// Range: 1 to 10000.
    #[config(env = "TOKENWARD_CONNECTIONS_MAX_ERROR_STREAMS", default = 256)]
    pub max_error_streams: u32,

    /// Bytes of headers that one request may have.
    /// Range: 8192 to 262144.
    #[config(env = "TOKENWARD_CONNECTIONS_MAX_HEADER_BYTES", default = 32_768)]
    pub max_header_bytes: u32,

    /// How long an HTTP/1 client may take to send its headers.
    /// Range: 100ms to 5m.
    #[config(env = "TOKENWARD_CONNECTIONS_HEADER_TIMEOUT", default = "10s")]
    pub header_timeout: Span,

    /// How long an HTTP/2 connection may be silent before it is pinged.
    /// Range: 1s to 1h.
    #[config(env = "TOKENWARD_CONNECTIONS_KEEPALIVE_INTERVAL", default = "30s")]
    pub keepalive_interval: Span,

    /// How long the answer to such a ping may take.
    /// Range: 1s to 5m.
    #[config(env = "TOKENWARD_CONNECTIONS_KEEPALIVE_TIMEOUT", default = "10s")]
    pub keepalive_timeout: Span,

    /// Connections are asked to end at this age or up to a tenth earlier, so
    /// that balancers can spread them anew.
    /// Range: 1s to 7days.
    #[config(env = "TOKENWARD_CONNECTIONS_MAX_AGE", default = "30m")]
    pub max_age: Span,

    /// How long the calls on such a connection then have to finish.
    /// Range: 0s to 10m.
    #[config(env = "TOKENWARD_CONNECTIONS_MAX_AGE_GRACE", default = "30s")]
    pub max_age_grace: Span,
}

/// Tokens and sessions.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct TokenSettings {
    /// The longest life of an access token.
    /// Range: 10s to 1day.
    #[config(env = "TOKENWARD_TOKENS_ACCESS_LIFETIME", default = "15m")]
    pub access_lifetime: Span,

    /// From login to the end of the session, however often it is refreshed.
    /// Range: 10s to 400days.
    #[config(env = "TOKENWARD_TOKENS_SESSION_LIFETIME", default = "14days")]
    pub session_lifetime: Span,

    /// The longest time between two refreshes. Unset: no such limit.
    /// Range: 10s to 400days.
    #[config(env = "TOKENWARD_TOKENS_IDLE_LIFETIME")]
    pub idle_lifetime: Option<Span>,

    /// The typ header of access tokens: "at+jwt" (RFC 9068), or "JWT" for
    /// verifiers that know nothing else. A change makes tokens that are out
    /// already invalid; their holders refresh.
    #[config(env = "TOKENWARD_TOKENS_ACCESS_TYPE", default = "at+jwt")]
    pub access_type: AccessType,

    /// How far past its expiry a token is still accepted.
    /// Range: 0s to 1m.
    #[config(env = "TOKENWARD_TOKENS_LEEWAY", default = "0s")]
    pub leeway: Span,

    /// How far the iat claim is set back, for verifiers whose clocks are late.
    /// Range: 0s to 1m.
    #[config(env = "TOKENWARD_TOKENS_ISSUED_AT_BACKDATE", default = "5s")]
    pub issued_at_backdate: Span,

    /// How long a used refresh token still gets its successor again, so that
    /// a lost answer logs nobody out. Later it counts as stolen.
    /// Range: 0s to 5m.
    #[config(env = "TOKENWARD_TOKENS_REPLAY_WINDOW", default = "30s")]
    pub replay_window: Span,

    /// Live sessions that a user may have on one client; a further login ends
    /// the oldest. 1: a new login ends the one before.
    /// Range: 1 to 1000.
    #[config(env = "TOKENWARD_TOKENS_MAX_SESSIONS_PER_USER", default = 100)]
    pub max_sessions_per_user: u32,
}

/// Self-service registration.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct RegistrationSettings {
    /// May strangers create users with the Register call?
    #[config(env = "TOKENWARD_REGISTRATION_ENABLED", default = false)]
    pub enabled: bool,
}

/// Passwords and their hashing (Argon2id, RFC 9106).
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct PasswordSettings {
    /// The fewest characters of a new password (NIST SP 800-63B-4: 15 where
    /// the password is the only factor).
    /// Range: 8 to 128.
    #[config(env = "TOKENWARD_PASSWORD_MIN_CHARS", default = 15)]
    pub min_chars: u32,

    /// Memory of one hash, in KiB.
    /// Range: 7168 to 262144.
    #[config(env = "TOKENWARD_PASSWORD_MEMORY_KIB", default = 19_456)]
    pub memory_kib: u32,

    /// Passes over that memory; memory times passes at most 1048576.
    /// Range: 1 to 64.
    #[config(env = "TOKENWARD_PASSWORD_ITERATIONS", default = 2)]
    pub iterations: u32,

    /// Lanes.
    /// Range: 1 to 16.
    #[config(env = "TOKENWARD_PASSWORD_PARALLELISM", default = 1)]
    pub parallelism: u32,

    /// Refused logins are answered at a whole multiple of this after they
    /// came, so that unequal hashing times do not show. Should be longer than
    /// the slowest hash that is stored takes, wait included. 0s: at once.
    /// Range: 0s to 5s.
    #[config(env = "TOKENWARD_PASSWORD_FAILURE_GRID", default = "250ms")]
    pub failure_grid: Span,
}

/// Tokens that an application delivers to a user, to be used once.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct OneTimeTokenSettings {
    /// How long a token for a new password can be used.
    /// Range: 1m to 1day.
    #[config(env = "TOKENWARD_ONE_TIME_TOKENS_RESET_LIFETIME", default = "30m")]
    pub reset_lifetime: Span,

    /// How long a token that verifies an e-mail address or a phone number can
    /// be used.
    /// Range: 10m to 30days.
    #[config(env = "TOKENWARD_ONE_TIME_TOKENS_VERIFICATION_LIFETIME", default = "1day")]
    pub verification_lifetime: Span,
}

/// Slowing down logins that fail. Refresh and Verify are never slowed down.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct ThrottleSettings {
    /// Are failing logins counted at all?
    #[config(env = "TOKENWARD_THROTTLE_ENABLED", default = true)]
    pub enabled: bool,

    /// Failed logins that an account has free. The next has to wait 1s, and
    /// twice as long after each further failure; too early, it is refused with
    /// RESOURCE_EXHAUSTED, and its password not looked at.
    /// Range: 1 to 1000.
    #[config(env = "TOKENWARD_THROTTLE_ACCOUNT_FAILURES", default = 5)]
    pub account_failures: u32,

    /// The longest wait of an account. At most forget_after.
    /// Range: 1s to 1day.
    #[config(env = "TOKENWARD_THROTTLE_ACCOUNT_MAX_WAIT", default = "1m")]
    pub account_max_wait: Span,

    /// Failed logins that a source has free: an IPv4 address, or a /64 of IPv6.
    /// Where all callers come through one proxy or application, let it pass
    /// their addresses on (grpc.trusted_proxies and http.trusted_proxies), or
    /// one attacker makes all of them wait. 0: sources are not counted.
    /// Range: 0 to 1000000.
    #[config(env = "TOKENWARD_THROTTLE_SOURCE_FAILURES", default = 1_000)]
    pub source_failures: u32,

    /// The longest wait of a source.
    /// Range: 1s to 1day.
    #[config(env = "TOKENWARD_THROTTLE_SOURCE_MAX_WAIT", default = "5m")]
    pub source_max_wait: Span,

    /// Failed logins of all together, within forget_after, from which on an
    /// account and a source have a fifth of theirs free. 0: no such number.
    /// Range: 0 to 100000000.
    #[config(env = "TOKENWARD_THROTTLE_GLOBAL_FAILURES", default = 10_000)]
    pub global_failures: u32,

    /// How long after its last failure an account's failures are forgotten,
    /// and how long after the first one those of a source, and of all.
    /// Range: 1m to 7days.
    #[config(env = "TOKENWARD_THROTTLE_FORGET_AFTER", default = "1h")]
    pub forget_after: Span,
}

/// The threads that sign and hash.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct WorkerSettings {
    /// How many, at low priority. 0: one for each core.
    /// Range: 0 to 256.
    #[config(env = "TOKENWARD_WORKERS_THREADS", default = 0)]
    pub threads: u32,

    /// Of these, how many may hash passwords at the same time. 0: all but one,
    /// so that in a storm of logins signatures do not wait for hashes, and a
    /// core is left for everything else; a machine with one core shares it.
    /// Range: 0 to 256.
    #[config(env = "TOKENWARD_WORKERS_HASHING_THREADS", default = 0)]
    pub hashing_threads: u32,

    /// Signatures that may wait. More are refused with RESOURCE_EXHAUSTED.
    /// Range: 16 to 100000.
    #[config(env = "TOKENWARD_WORKERS_SIGNING_QUEUE", default = 4_096)]
    pub signing_queue: u32,

    /// Password hashes that may wait. More are refused with RESOURCE_EXHAUSTED.
    /// Range: 1 to 100000.
    #[config(env = "TOKENWARD_WORKERS_HASHING_QUEUE", default = 256)]
    pub hashing_queue: u32,

    /// Neither waits longer than this, nor than grpc.request_timeout: what
    /// would have to is refused at once with RESOURCE_EXHAUSTED.
    /// Range: 100ms to 1m.
    #[config(env = "TOKENWARD_WORKERS_MAX_WAIT", default = "5s")]
    pub max_wait: Span,

    /// The most memory that all hashes together hold at any time, in MiB, what
    /// is kept for the next ones included. Hashes for which there is no room
    /// wait. Must have room for one of password.memory_kib; imported hashes
    /// that need more are refused.
    /// Range: 8 to 65536.
    #[config(env = "TOKENWARD_WORKERS_HASHING_MEMORY_MIB", default = 320)]
    pub hashing_memory_mib: u32,

    /// How long the memory of a hash is kept for the next one.
    /// Range: 0s to 1h.
    #[config(env = "TOKENWARD_WORKERS_KEEP_MEMORY", default = "10s")]
    pub keep_memory: Span,
}

/// Who may call Verify, BatchVerify and WatchRevocations.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct VerifySettings {
    /// "anyone" who reaches the listener, or "known": service clients with an
    /// access token of their own, and the holders of verify.certificates.
    #[config(env = "TOKENWARD_VERIFY_CALLERS", default = "anyone")]
    pub callers: VerifyCallers,

    /// DNS and URI names (SAN) in client certificates whose holders may, without
    /// any token. Needs tls.client_ca.
    #[config(default = [])]
    pub certificates: Vec<String>,
}

/// Following the revocation log.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct RevocationSettings {
    /// Time between two looks at the log.
    /// Range: 10ms to 10s.
    #[config(env = "TOKENWARD_REVOCATION_POLL_INTERVAL", default = "100ms")]
    pub poll_interval: Span,

    /// Older knowledge than this makes Verify wait for a fresh look first.
    /// Range: 100ms to 1m.
    #[config(env = "TOKENWARD_REVOCATION_FRESH_FOR", default = "1s")]
    pub fresh_for: Span,

    /// How long Verify waits for that look.
    /// Range: 1ms to 5s.
    #[config(env = "TOKENWARD_REVOCATION_CATCH_UP", default = "50ms")]
    pub catch_up: Span,

    /// How long Verify goes on while the log cannot be reached. Rides out a
    /// database failover.
    /// Range: 1s to 1h.
    #[config(env = "TOKENWARD_REVOCATION_STALENESS_BUDGET", default = "1m")]
    pub staleness_budget: Span,

    /// What happens then: "fail_closed" (UNAVAILABLE) or "fail_open" (go on,
    /// at the risk of accepting revoked tokens).
    #[config(env = "TOKENWARD_REVOCATION_ON_STALE", default = "fail_closed")]
    pub on_stale: OnStale,

    /// How long WatchRevocations keeps silent at most.
    /// Range: 100ms to 1m.
    #[config(env = "TOKENWARD_REVOCATION_WATCH_HEARTBEAT", default = "1s")]
    pub watch_heartbeat: Span,

    /// How long it lasts before the watcher has to come again.
    /// Range: 10s to 1day.
    #[config(env = "TOKENWARD_REVOCATION_WATCH_LIFETIME", default = "10m")]
    pub watch_lifetime: Span,

    /// A watcher that does not read for so long is cut off.
    /// Range: 100ms to 5m.
    #[config(env = "TOKENWARD_REVOCATION_WATCH_PATIENCE", default = "10s")]
    pub watch_patience: Span,

    /// Watchers at a time. One more is refused with RESOURCE_EXHAUSTED.
    /// Range: 1 to 100000.
    #[config(env = "TOKENWARD_REVOCATION_WATCHERS_MAX", default = 1_024)]
    pub watchers_max: u32,

    /// Of these, those of one address (of one /64 in IPv6).
    /// Range: 1 to 100000.
    #[config(env = "TOKENWARD_REVOCATION_WATCHERS_MAX_PER_PEER", default = 128)]
    pub watchers_max_per_peer: u32,
}

/// Removal of rows whose time is over.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct SweepSettings {
    /// Time between two rounds.
    /// Range: 1s to 1day.
    #[config(env = "TOKENWARD_SWEEP_INTERVAL", default = "1m")]
    pub interval: Span,

    /// Rows of a kind that one transaction removes at most; a round goes on
    /// while there is more.
    /// Range: 1 to 100000.
    #[config(env = "TOKENWARD_SWEEP_BATCH", default = 1_000)]
    pub batch: u32,
}

/// Administration over gRPC.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct AdminSettings {
    /// Address and port of the listener of tokenward.admin.v1. The same as
    /// grpc.listen: they share one.
    #[config(env = "TOKENWARD_ADMIN_LISTEN", default = "127.0.0.1:50052")]
    pub listen: SocketAddr,

    /// The role that makes a user an administrator.
    #[config(env = "TOKENWARD_ADMIN_ROLE", default = "admin")]
    pub role: String,

    /// The audience that an administrator's access token must have. Unset: any,
    /// so whoever is sent such a token could use it here.
    #[config(env = "TOKENWARD_ADMIN_AUDIENCE")]
    pub audience: Option<String>,

    /// DNS and URI names (SAN) in client certificates whose holders are
    /// administrators, without any token. Needs tls.client_ca.
    #[config(default = [])]
    pub certificates: Vec<String>,

    /// How long a stream of audit events lasts before the watcher has to come
    /// again.
    /// Range: 10s to 1day.
    #[config(env = "TOKENWARD_ADMIN_WATCH_LIFETIME", default = "10m")]
    pub watch_lifetime: Span,
}

/// The audit log: a table, and log lines of the target tokenward::audit.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct AuditSettings {
    /// How long entries are kept in the table.
    /// Range: 1day to 3650days.
    #[config(env = "TOKENWARD_AUDIT_RETENTION", default = "90days")]
    pub retention: Span,

    /// Whether failed logins are told with what was typed as identifier. It may
    /// be a password, typed into the wrong field.
    #[config(env = "TOKENWARD_AUDIT_FAILED_IDENTIFIERS", default = false)]
    pub failed_identifiers: bool,
}

/// Stopping.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct ShutdownSettings {
    /// How long the server still serves after SIGTERM while it already says
    /// that it is not ready, so that balancers notice.
    /// Range: 0s to 5m.
    #[config(env = "TOKENWARD_SHUTDOWN_GRACE", default = "2s")]
    pub grace: Span,

    /// How long calls in flight then have to finish.
    /// Range: 0s to 10m.
    #[config(env = "TOKENWARD_SHUTDOWN_DRAIN", default = "20s")]
    pub drain: Span,
}

/// Logs, on standard error.
#[derive(Clone, Debug, Config, Serialize)]
#[config(layer_attr(serde(deny_unknown_fields)))]
pub struct LogSettings {
    /// A level (error, warn, info, debug, trace), or a filter like
    /// "info,tokenward=debug".
    #[config(env = "TOKENWARD_LOG_LEVEL", default = "info")]
    pub level: String,

    /// "human", "json", or "auto": human on a terminal, else json.
    #[config(env = "TOKENWARD_LOG_FORMAT", default = "auto")]
    pub format: LogFormat,
}

/// One application that logs users in. What is not set is as under tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSettings {
    /// Audiences it may ask for; the first is the default.
    pub audiences: Vec<String>,
    /// Scopes it may ask for.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Scopes it gets when it asks for none.
    #[serde(default)]
    pub default_scopes: Vec<String>,
    /// As tokens.access_lifetime.
    pub access_lifetime: Option<Span>,
    /// As tokens.session_lifetime.
    pub session_lifetime: Option<Span>,
    /// As tokens.idle_lifetime.
    pub idle_lifetime: Option<Span>,
    /// "on" (default): each refresh gives a new refresh token. "off": the same
    /// one is good until the session ends.
    #[serde(default)]
    pub rotation: Rotation,
    /// As `tokens.max_sessions_per_user`.
    pub max_sessions_per_user: Option<u32>,
}

/// A scope that not everybody is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeSettings {
    /// It is for users who have at least one of these.
    pub roles: Vec<String>,
}
