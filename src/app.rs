//! The composition root: the only place that names concrete adapters. Opens
//! the store, loads the keys, binds the sockets, serves, drains. What each
//! adapter is given stands in `options`.

mod keys;
mod options;
mod recovery;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Settings,
    crypto::{
        client_proofs::AwsLcProofs,
        cost::HashingParams,
        digest::sha256,
        entropy::SystemEntropy,
        key_directory::KeyringError,
        key_rotation::RotationError,
        key_watch,
        keyring::{Keyring, TokenLives},
        live_keys::LiveKeys,
        password::Argon2Passwords,
        port::TokenKeys,
        provider,
        workers::Workers,
    },
    domain::{
        clock::{Clock, SystemClock, Timestamp},
        entropy::{Entropy, EntropyError, random_uuid},
        error::chain,
        policy::Policy,
        revocation::LogHead,
    },
    grpc::{self, Surface},
    http,
    listener::{
        self,
        tls::{self, LiveTls},
    },
    pace::Pace,
    service::{
        Auth, Parts,
        follow::Follower,
        index::LiveIndex,
        readiness::{self, CLOCK_DIFFERENCE_MAX, Readiness},
        sweep,
    },
    store::{
        self, ConnectError,
        port::{Claim, Instance, Store, StoreError},
    },
    telemetry::metrics::{Metrics, RevocationKnowledge, TlsKnowledge},
};

pub use options::connection_limits;
pub use recovery::{database_file, inspect, renew, snapshot};

use options::{
    database_url, freshness, grpc_options, http_options, store_options, tls_files, watch_rules,
    web_options, worker_settings,
};

/// Time and randomness. Tests bring their own.
#[derive(Clone)]
pub struct Environment {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Environment {
    /// The machine's own.
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock::new()), entropy: Arc::new(SystemEntropy::new()) }
    }
}

/// Why nothing was started. One line that names what to change.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings that contradict each other.
    #[error("configuration: {0}")]
    Config(String),
    /// The database cannot be opened.
    #[error("database")]
    Connect(#[from] ConnectError),
    /// The database cannot be used.
    #[error("database")]
    Store(#[from] StoreError),
    /// The database serves another issuer.
    #[error(
        "the database was made for the issuer {found}, not for {configured}: set issuer to that \
         value, or use another database"
    )]
    OtherIssuer {
        /// The database's issuer.
        found: String,
        /// The configured one.
        configured: String,
    },
    /// This machine's clock, or the database's, is wrong.
    #[error("this machine's clock and the database's differ by {0:?}: set them right (NTP)")]
    Clocks(Duration),
    /// The keys cannot be used.
    #[error("keys")]
    Keys(#[from] KeyringError),
    /// A server has used this database, and its keys are not there. With new
    /// ones its sessions and tokens would be worthless, and nobody would know.
    #[error(
        "{} has no key, but servers have used the database: put its keys back, from a backup or \
         from another replica; or make new ones with `tokenward keys generate`, which ends every \
         session", .0.display()
    )]
    KeysGone(PathBuf),
    /// The first keys cannot be made.
    #[error("the first keys cannot be made")]
    FirstKeys(#[from] RotationError),
    /// The worker threads cannot work.
    #[error("worker threads: {0}")]
    Workers(String),
    /// A socket cannot be bound.
    #[error("{setting}: cannot listen on {address}: {error}")]
    Bind {
        /// The setting that names the address.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
    /// The certificate or its key cannot be used.
    #[error("tls: {0}")]
    Tls(String),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// The service with its adapters, before any socket.
pub struct Core {
    /// Every call.
    pub auth: Arc<Auth>,
    /// Users, sessions, the log.
    pub store: Arc<dyn Store>,
    /// What is counted and measured.
    pub metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    index: Arc<LiveIndex>,
    /// `None`: nothing is signed.
    keys: Option<Arc<LiveKeys>>,
    environment: Environment,
}

/// What a process wants of the database and the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Tokens will be issued: the key folders must be in order, and the
    /// database becomes, or is, that of the configured issuer.
    Serve,
    /// Keys are managed, in a database that is there.
    ManageKeys,
    /// Users and sessions are managed, nothing is signed. A new database may
    /// be made; whose it is, its first server decides.
    ManageOrCreate,
    /// The same, in a database that is there.
    Manage,
}

impl Core {
    /// Opens the database (migrating it), makes sure that it is ours, loads
    /// the keys and starts the worker threads.
    pub async fn open(
        settings: &Settings,
        environment: Environment,
        access: Access,
    ) -> Result<Self, StartError> {
        tls::install_crypto_provider();
        provider::install().map_err(|error| StartError::Workers(error.to_string()))?;
        let policy = Arc::new(settings.policy().map_err(StartError::Config)?);
        let store =
            store::connect(&database_url(settings), store_options(settings, access), sha256)
                .await?;
        if access == Access::Serve {
            keys::provide_first(settings, store.as_ref()).await?;
        }
        let (head, session_life) = claim(store.as_ref(), &policy, &environment, access).await?;
        let metrics = Arc::new(Metrics::new());
        let workers = start_workers(settings, &metrics)?;
        let lives = TokenLives { access: head.max_access_lifetime(), refresh: session_life };
        let clock = Arc::clone(&environment.clock);
        let index = Arc::new(LiveIndex::new(Arc::clone(&clock), freshness(settings)));
        let live_keys = match access {
            Access::Serve | Access::ManageKeys => {
                let (revoked, now) = (index.revoked_keys(), clock.now());
                Some(keys::load(settings, lives, revoked, Arc::clone(&workers), now).await?)
            }
            Access::ManageOrCreate | Access::Manage => None,
        };
        let keys: Arc<dyn TokenKeys> = match &live_keys {
            Some(live) => Arc::<LiveKeys>::clone(live),
            None => Arc::new(Keyring::empty(lives, Arc::clone(&workers))),
        };
        let passwords = passwords(settings, workers, &environment)?;
        let read = Arc::clone(&index);
        metrics.revocations(move || knowledge(&read));
        if let Some(keys) = &live_keys {
            let (keys, clock) = (Arc::clone(keys), Arc::clone(&clock));
            metrics.keys(move || keys::knowledge(&keys, clock.now()));
        }
        let readiness = Arc::new(Readiness::new(Arc::clone(&index), keys.clone(), clock));
        let auth = Arc::new(Auth::new(Parts {
            policy,
            store: Arc::clone(&store),
            keys,
            passwords: Arc::new(passwords),
            proofs: Arc::new(AwsLcProofs),
            index: Arc::clone(&index),
            clock: Arc::clone(&environment.clock),
            entropy: Arc::clone(&environment.entropy),
        }));
        Ok(Self { auth, store, metrics, readiness, index, keys: live_keys, environment })
    }

    /// What keeps this process's knowledge of revocations fresh.
    pub fn follower(&self, interval: Duration) -> Follower {
        Follower::new(Arc::clone(&self.store), Arc::clone(&self.index), interval)
    }
}

/// Brings the database to this version's schema, and gives the names of the
/// migrations that were new.
pub async fn migrate(settings: &Settings) -> Result<Vec<&'static str>, StartError> {
    Ok(store::migrate(&database_url(settings), store_options(settings, Access::Serve)).await?)
}

/// Can the configured certificate and its key be used?
pub fn check_tls(settings: &Settings) -> Result<(), StartError> {
    live_tls(settings).map(|_| ())
}

/// A server whose sockets are bound and that does not answer yet.
pub struct Server {
    core: Core,
    settings: Settings,
    grpc: TcpListener,
    /// `None`: administration shares the listener of gRPC.
    admin: Option<TcpListener>,
    http: TcpListener,
    tls: Option<Arc<LiveTls>>,
}

impl Server {
    /// Binds the sockets.
    pub async fn bind(settings: Settings, core: Core) -> Result<Self, StartError> {
        let tls = live_tls(&settings)?;
        let grpc = bind("grpc.listen", settings.grpc.listen).await?;
        let admin = match settings.admin.listen {
            address if address == settings.grpc.listen => None,
            address => Some(bind("admin.listen", address).await?),
        };
        let http = bind("http.listen", settings.http.listen).await?;
        Ok(Self { core, settings, grpc, admin, http, tls })
    }

    /// The address of the gRPC listener, with its real port.
    pub fn grpc_address(&self) -> io::Result<SocketAddr> {
        self.grpc.local_addr()
    }

    /// The address under which administration is served, with its real port.
    pub fn admin_address(&self) -> io::Result<SocketAddr> {
        self.admin.as_ref().unwrap_or(&self.grpc).local_addr()
    }

    /// The address of the HTTP listener, with its real port.
    pub fn http_address(&self) -> io::Result<SocketAddr> {
        self.http.local_addr()
    }

    /// The service behind the sockets.
    pub fn auth(&self) -> Arc<Auth> {
        Arc::clone(&self.core.auth)
    }

    /// Serves until `stop`, then drains: says that it is not ready, waits for
    /// balancers to notice, closes the sockets, lets calls in flight finish.
    pub async fn run(self, stop: CancellationToken) {
        let Self { core, settings, grpc, admin, http, tls } = self;
        let (background, closing) = (CancellationToken::new(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        spawn_background(&mut tasks, &core, &settings, &background);
        if let Some(tls) = &tls {
            // From here on SIGHUP ends nothing.
            let pace = Pace::new(settings.tls.poll_interval.0);
            follow_tls(&mut tasks, &core, tls, pace, &background);
        }

        let grpc_app = |surface| {
            let readiness = Arc::clone(&core.readiness);
            grpc::router(surface, &core.auth, readiness, &grpc_options(&settings, closing.clone()))
        };
        let surface = if admin.is_some() { Surface::Public } else { Surface::Both };
        let http_app = http::router(
            Arc::clone(&core.auth),
            Arc::clone(&core.readiness),
            calls_over_http(&core, &settings),
            http_options(&settings, &core.metrics),
        );
        let limits = |request_timeout| connection_limits(&settings, request_timeout);
        let (for_grpc, for_http) =
            (limits(settings.grpc.request_timeout), limits(settings.http.request_timeout));
        let mut edges = JoinSet::new();
        let public = grpc_app(surface);
        edges.spawn(listener::serve(grpc, tls.clone(), public, for_grpc.clone(), closing.clone()));
        if let Some(admin) = admin {
            let app = grpc_app(Surface::Admin);
            edges.spawn(listener::serve(admin, tls.clone(), app, for_grpc, closing.clone()));
        }
        edges.spawn(listener::serve(http, tls, http_app, for_http, closing.clone()));

        stop.cancelled().await;
        tracing::info!("stopping");
        core.readiness.drain();
        tokio::time::sleep(settings.shutdown.grace.0).await;
        closing.cancel();
        edges.join_all().await;
        background.cancel();
        tasks.join_all().await;
        core.store.close().await;
        tracing::info!("stopped");
    }
}

/// What the HTTP listener serves of the gRPC edge.
fn calls_over_http(core: &Core, settings: &Settings) -> Router {
    if !settings.http.calls {
        return Router::new();
    }
    grpc::web::router(&core.auth, web_options(settings))
}

fn spawn_background(
    tasks: &mut JoinSet<()>,
    core: &Core,
    settings: &Settings,
    stop: &CancellationToken,
) {
    let store = || Arc::clone(&core.store);
    let follower = core.follower(settings.revocation.poll_interval.0);
    tasks.spawn(follower.run(stop.clone()));
    tasks.spawn(Arc::clone(&core.readiness).watch_clock(store(), stop.clone()));
    let clock = Arc::clone(&core.environment.clock);
    if let Some(keys) = &core.keys {
        let readiness = Arc::clone(&core.readiness);
        let (keys, clock) = (Arc::clone(keys), Arc::clone(&clock));
        let clock_is_right = move || readiness.clocks_agree();
        let rules = watch_rules(settings);
        tasks.spawn(key_watch::watch(keys, clock, clock_is_right, rules, stop.clone()));
    }
    let rules = sweep::Rules {
        interval: settings.sweep.interval.0,
        batch: settings.sweep.batch,
        audit_retention: settings.audit.retention.0,
    };
    let readiness = Arc::clone(&core.readiness);
    tasks.spawn(sweep::run(store(), clock, readiness, rules, stop.clone()));
}

fn follow_tls(
    tasks: &mut JoinSet<()>,
    core: &Core,
    tls: &Arc<LiveTls>,
    pace: Pace,
    stop: &CancellationToken,
) {
    let clock = || Arc::clone(&core.environment.clock);
    let (known, now) = (Arc::clone(tls), clock());
    core.metrics.tls(move || tls_knowledge(&known, now.now()));
    tasks.spawn(Arc::clone(tls).watch(clock(), pace, stop.clone()));
}

async fn claim(
    store: &dyn Store,
    policy: &Policy,
    environment: &Environment,
    access: Access,
) -> Result<(LogHead, Duration), StartError> {
    // Whose a new database is, a server decides, not a command beside it.
    let issuer = (access == Access::Serve).then(|| policy.issuer.clone());
    let instance = instance(policy, issuer, environment)?;
    if access != Access::Serve {
        compare_clocks(store, environment).await?;
    }
    match store.claim(instance).await? {
        Claim::Ours { head, max_session_lifetime } => Ok((head, max_session_lifetime)),
        Claim::OtherIssuer { issuer } => {
            Err(StartError::OtherIssuer { found: issuer, configured: policy.issuer.clone() })
        }
    }
}

fn instance(
    policy: &Policy,
    issuer: Option<String>,
    environment: &Environment,
) -> Result<Instance, EntropyError> {
    Ok(Instance {
        issuer,
        max_access_lifetime: policy.max_access_lifetime(),
        max_session_lifetime: policy.max_session_lifetime(),
        clients: policy.clients.keys().cloned().collect(),
        epoch: random_uuid(environment.entropy.as_ref())?,
        now: environment.clock.now(),
    })
}

/// A server whose clock is wrong is not ready until it is right; a command
/// must not write times that nobody else believes.
async fn compare_clocks(store: &dyn Store, environment: &Environment) -> Result<(), StartError> {
    let difference = readiness::clock_difference(environment.clock.as_ref(), store).await?;
    if difference <= CLOCK_DIFFERENCE_MAX { Ok(()) } else { Err(StartError::Clocks(difference)) }
}

/// How long work takes is measured, whatever time it is for the service.
fn start_workers(settings: &Settings, metrics: &Metrics) -> Result<Arc<Workers>, StartError> {
    let clock = Arc::new(SystemClock::new());
    let workers = Workers::start_measured(worker_settings(settings), clock, metrics.workers());
    Ok(Arc::new(workers.map_err(|error| StartError::Workers(error.to_string()))?))
}

fn knowledge(index: &LiveIndex) -> Option<RevocationKnowledge> {
    let read = index.read(|known| RevocationKnowledge {
        staleness: index.age_of(known),
        seq: known.seq(),
        entries: known.index().len(),
    });
    read.ok()
}

fn passwords(
    settings: &Settings,
    workers: Arc<Workers>,
    environment: &Environment,
) -> Result<Argon2Passwords, StartError> {
    let password = &settings.password;
    let params = HashingParams::new(password.memory_kib, password.iterations, password.parallelism)
        .map_err(|error| StartError::Config(format!("password: {error}")))?;
    Ok(Argon2Passwords::new(params, Arc::clone(&environment.entropy), workers)?)
}

fn live_tls(settings: &Settings) -> Result<Option<Arc<LiveTls>>, StartError> {
    let Some(files) = tls_files(settings) else { return Ok(None) };
    let tls = LiveTls::load(files).map_err(|error| StartError::Tls(chain(&error)))?;
    Ok(Some(Arc::new(tls)))
}

fn tls_knowledge(tls: &LiveTls, now: Timestamp) -> TlsKnowledge {
    TlsKnowledge { faulty: tls.is_faulty(), left: tls.not_after().map(|until| until.since(now)) }
}

async fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    let failed = |error| StartError::Bind { setting, address, error };
    TcpListener::bind(address).await.map_err(failed)
}
