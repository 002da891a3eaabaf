//! A whole server in one process, with a clock that stands.

use std::{collections::BTreeMap, fs, net::SocketAddr, sync::Arc, time::Duration};

use confique::Config as _;
use secrecy::SecretString;
use tempfile::TempDir;
use tokenward::{
    app,
    config::Settings,
    crypto::{
        entropy::SystemEntropy,
        generate::{KeyBits, generate},
        keyring::{Keyring, TokenLives},
        password::{Argon2Passwords, HashingParams},
        workers::{WorkerSettings, Workers},
    },
    domain::{
        clock::Clock,
        id::ClientId,
        policy::{Audience, ClientPolicy, Lifetimes, Policy, Rotation, Scopes},
        token::AccessTokenType,
    },
    grpc::{self, GrpcOptions, pb::auth::auth_service_client::AuthServiceClient},
    http::{self, HttpOptions},
    listener,
    service::{
        Auth, Parts,
        follow::Follower,
        index::{Freshness, LiveIndex, OnStale},
        readiness::Readiness,
    },
    store::{
        StoreOptions, connect,
        port::{Claim, Instance, Store},
    },
};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::Channel;
use uuid::Uuid;

use crate::support::determinism::ManualClock;

pub(super) const PASSWORD: &str = "correct horse battery staple";

pub(super) struct House {
    pub(super) clock: Arc<ManualClock>,
    pub(super) store: Arc<dyn Store>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) grpc: SocketAddr,
    pub(super) http: SocketAddr,
    pub(super) shutdown: CancellationToken,
    follower: Option<Follower>,
    _stop: DropGuard,
    _folder: TempDir,
}

impl House {
    /// A server whose follower runs.
    pub(super) async fn open() -> Self {
        let mut house = Self::closed("https://auth.example.org").await;
        house.load().await;
        house
    }

    /// A server that gives calls very little time.
    pub(super) async fn hasty() -> Self {
        let request_timeout = Duration::from_millis(100);
        let options = GrpcOptions { request_timeout, ..options() };
        let mut house = Self::build("https://auth.example.org", options).await;
        house.load().await;
        house
    }

    /// A server that has not read the revocation log yet.
    pub(super) async fn closed(issuer: &str) -> Self {
        Self::build(issuer, options()).await
    }

    async fn build(issuer: &str, options: GrpcOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new());
        let policy = Arc::new(policy(issuer));
        let store = open_store(&folder, &policy, clock.now()).await;
        let workers = Workers::start(WorkerSettings::default(), clock.clone()).unwrap();
        let workers = Arc::new(workers);
        let keys = Arc::new(make_keys(&folder, &policy, Arc::clone(&workers)));
        let entropy = Arc::new(SystemEntropy::new());
        let cheap = HashingParams::new(64, 1, 1).unwrap();
        let passwords = Arc::new(Argon2Passwords::new(cheap, entropy.clone(), workers).unwrap());
        let index = Arc::new(LiveIndex::new(clock.clone(), freshness()));
        let readiness = Readiness::new(Arc::clone(&index), keys.clone(), clock.clone());
        let readiness = Arc::new(readiness);
        let follower =
            Follower::new(Arc::clone(&store), Arc::clone(&index), Duration::from_millis(20));
        let auth = Arc::new(Auth::new(Parts {
            policy,
            store: Arc::clone(&store),
            keys,
            passwords,
            index,
            clock: clock.clone(),
            entropy,
        }));
        let shutdown = options.shutdown.clone();
        let grpc = grpc::router(Arc::clone(&auth), Arc::clone(&readiness), options);
        let http = http::router(
            auth,
            Arc::clone(&readiness),
            HttpOptions { request_timeout: Duration::from_secs(5) },
        );
        Self {
            clock,
            store,
            readiness,
            grpc: serve(grpc, &shutdown).await,
            http: serve(http, &shutdown).await,
            _stop: shutdown.clone().drop_guard(),
            shutdown,
            follower: Some(follower),
            _folder: folder,
        }
    }

    /// Reads the log for the first time, and follows it from then on.
    pub(super) async fn load(&mut self) {
        let follower = self.follower.take().expect("not loaded yet");
        follower.look().await.unwrap();
        tokio::spawn(follower.run(self.shutdown.clone()));
    }

    pub(super) async fn channel(&self) -> Channel {
        let endpoint = Channel::from_shared(format!("http://{}", self.grpc)).unwrap();
        endpoint.connect().await.unwrap()
    }

    pub(super) async fn client(&self) -> AuthServiceClient<Channel> {
        AuthServiceClient::new(self.channel().await)
    }
}

fn options() -> GrpcOptions {
    GrpcOptions {
        request_timeout: Duration::from_secs(10),
        max_message_bytes: 1024 * 1024,
        reflection: true,
        shutdown: CancellationToken::new(),
    }
}

async fn serve(router: axum::Router, shutdown: &CancellationToken) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let settings = Settings::builder().load().unwrap();
    let limits = app::connection_limits(&settings, settings.grpc.request_timeout);
    tokio::spawn(listener::serve(listener, None, router, limits, shutdown.clone()));
    address
}

fn policy(issuer: &str) -> Policy {
    let web = ClientId::parse("web").unwrap();
    let client = ClientPolicy {
        audiences: vec![Audience::parse("api").unwrap()],
        scopes: Scopes::parse("read write").unwrap(),
        default_scopes: Scopes::parse("read").unwrap(),
        lifetimes: Lifetimes {
            access: Duration::from_mins(15),
            session: Duration::from_hours(14 * 24),
            idle: None,
        },
        rotation: Rotation::On,
        max_sessions_per_user: 100,
    };
    Policy {
        issuer: issuer.to_owned(),
        access_token_type: AccessTokenType::AtJwt,
        leeway: Duration::ZERO,
        issued_at_backdate: Duration::from_secs(5),
        replay_window: Duration::from_secs(30),
        default_client: web.clone(),
        clients: BTreeMap::from([(web, client)]),
        password_min_chars: 15,
        login_failure_grid: Duration::ZERO,
        registration: true,
    }
}

fn freshness() -> Freshness {
    Freshness {
        fresh_for: Duration::from_secs(1),
        catch_up: Duration::from_millis(50),
        staleness_budget: Duration::from_mins(1),
        on_stale: OnStale::FailClosed,
    }
}

async fn open_store(
    folder: &TempDir,
    policy: &Policy,
    now: tokenward::domain::clock::Timestamp,
) -> Arc<dyn Store> {
    let url = format!("sqlite:{}", folder.path().join("tokenward.db").display());
    let store = connect(&SecretString::from(url), StoreOptions::default()).await.unwrap();
    let instance = Instance {
        issuer: policy.issuer.clone(),
        max_access_lifetime: policy.max_access_lifetime(),
        max_session_lifetime: policy.max_session_lifetime(),
        clients: policy.clients.keys().cloned().collect(),
        epoch: Uuid::from_u128(1),
        now,
    };
    assert!(matches!(store.claim(instance).await.unwrap(), Claim::Ours { .. }));
    store
}

fn make_keys(folder: &TempDir, policy: &Policy, workers: Arc<Workers>) -> Keyring {
    let directory = |purpose: &str| {
        let directory = folder.path().join(purpose);
        fs::create_dir(&directory).unwrap();
        generate(&directory, "first.pem", KeyBits::Rsa2048).unwrap();
        directory
    };
    let lives =
        TokenLives { access: policy.max_access_lifetime(), refresh: policy.max_session_lifetime() };
    Keyring::load(&directory("access"), &directory("refresh"), lives, workers).unwrap()
}
