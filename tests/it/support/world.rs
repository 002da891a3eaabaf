//! A whole Tokenward in the test process: real keys, a real database, a
//! clock that is moved by hand. [`super::served`] puts it behind sockets.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use tokenward::{
    app::{Access, Core, Environment},
    config::{DatabaseUrl, Settings, Span},
    crypto::generate::{self, KeyBits},
    domain::{
        clock::{Clock as _, Timestamp},
        error::AuthError,
        id::UserId,
        identifier::Identifier,
        password::Password,
    },
    service::{
        Administrator, Auth, Caller,
        login::{LoggedIn, LoginRequest},
        profile::ProfileRequest,
        refresh::Refreshed,
        users::CreateUserRequest,
        verify::{Question, Verdict},
    },
};

use super::{
    determinism::{ManualClock, SeededEntropy},
    postgres,
};

pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// An imported hash of it, which takes no time to check.
pub(crate) const BCRYPT: &str = "$2b$04$wre7BctikGkpldvi8MGvwufW.Hwcu084PUSep6h0vr1WEev3MOL5C";

/// Which database a world stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// The same test on both engines: `on_both_engines!(name)` makes
/// `name::sqlite` and `name::postgres` from `async fn name(Engine)`-like
/// functions of the module.
#[macro_export]
macro_rules! on_both_engines {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name($crate::support::world::Engine::Sqlite).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name($crate::support::world::Engine::Postgres).await;
            })*
        }
    };
}

/// Where the service and its clock are; dropped, everything is gone.
pub(crate) struct World {
    pub(crate) core: Core,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) settings: Settings,
    pub(super) dir: TempDir,
}

/// Settings for tests: cheap hashes, sockets on any free port.
pub(crate) fn settings(dir: &Path) -> Settings {
    let mut settings = <Settings as confique::Config>::builder().load().expect("defaults");
    dir.clone_into(&mut settings.data_dir);
    settings.keys.dir = Some(shared_keys().to_owned());
    settings.password.memory_kib = 7_168;
    settings.password.iterations = 1;
    settings.password.failure_grid = Span(Duration::ZERO);
    settings.grpc.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    settings.admin.listen = settings.grpc.listen;
    settings.shutdown.grace = Span(Duration::ZERO);
    settings.http.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    settings
}

impl World {
    /// A world with the default settings. `None`, said loudly, where the
    /// engine is not to be had.
    pub(crate) async fn new(engine: Engine) -> Option<Self> {
        Self::with(engine, |_| {}).await
    }

    /// A world whose settings were changed first.
    pub(crate) async fn with(engine: Engine, change: impl FnOnce(&mut Settings)) -> Option<Self> {
        let world = Self::before_its_first_look(engine, change).await?;
        world.look().await;
        Some(world)
    }

    /// The same, before it knows anything of the revocation log.
    pub(crate) async fn before_its_first_look(
        engine: Engine,
        change: impl FnOnce(&mut Settings),
    ) -> Option<Self> {
        let dir = tempfile::tempdir().expect("a folder");
        let mut settings = settings(dir.path());
        if engine == Engine::Postgres {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            let url = postgres::fresh_database(&test).await?;
            settings.database.url = Some(DatabaseUrl::from(url));
        }
        change(&mut settings);
        let clock = Arc::new(ManualClock::new());
        Some(Self::open(dir, settings, clock).await)
    }

    async fn open(dir: TempDir, settings: Settings, clock: Arc<ManualClock>) -> Self {
        let entropy = Arc::new(SeededEntropy::new(7));
        let environment = Environment { clock: clock.clone(), entropy };
        let core = Core::open(&settings, environment, Access::Serve).await.expect("a core");
        Self { core, clock, settings, dir }
    }

    pub(crate) fn auth(&self) -> &Arc<Auth> {
        &self.core.auth
    }

    /// The time in this world.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// One look at the revocation log; the clock stands, so nothing else
    /// would cause one.
    pub(crate) async fn look(&self) {
        self.core.follower(Duration::from_millis(100)).look().await.expect("the log can be read");
    }

    /// Moves the clock and looks at the log, as a running server would have.
    pub(crate) async fn advance(&self, span: Duration) {
        self.clock.advance(span);
        self.look().await;
    }

    /// A further process on the same database and keys, that knows the log.
    pub(crate) async fn replica(&self) -> Core {
        self.replica_with(|_| {}).await
    }

    /// The same, with other settings.
    pub(crate) async fn replica_with(&self, change: impl FnOnce(&mut Settings)) -> Core {
        let core = self.open_replica(change).await;
        core.follower(Duration::from_millis(100)).look().await.expect("the log can be read");
        core
    }

    /// A further process that has just started.
    pub(crate) async fn replica_without_look(&self) -> Core {
        self.open_replica(|_| {}).await
    }

    async fn open_replica(&self, change: impl FnOnce(&mut Settings)) -> Core {
        let mut settings = self.settings.clone();
        change(&mut settings);
        let entropy = Arc::new(SeededEntropy::new(8));
        let environment = Environment { clock: self.clock.clone(), entropy };
        Core::open(&settings, environment, Access::Serve).await.expect("a core")
    }

    /// The stored hash of a user's password.
    pub(crate) async fn password_hash(&self, username: &str) -> String {
        let identifier = Identifier::parse(username).expect("a name");
        let credentials = self.core.store.credentials(identifier).await.expect("the store answers");
        credentials.and_then(|c| c.password_hash).expect("a password").expose().to_owned()
    }

    pub(crate) async fn user(&self, username: &str) -> UserId {
        self.user_with_password(username, PASSWORD).await
    }

    pub(crate) async fn user_with_password(&self, username: &str, password: &str) -> UserId {
        let profile = ProfileRequest {
            username: username.to_owned(),
            roles: vec!["reader".to_owned()],
            ..ProfileRequest::default()
        };
        let password = Password::parse(password.to_owned());
        let request = CreateUserRequest { profile, password: Some(password) };
        self.auth().create_user(request, &Administrator::command_line()).await.expect("a new user")
    }

    pub(crate) async fn login(&self, username: &str) -> LoggedIn {
        self.try_login(username, PASSWORD).await.expect("logged in")
    }

    pub(crate) async fn try_login(
        &self,
        username: &str,
        password: &str,
    ) -> Result<LoggedIn, AuthError> {
        self.auth().login(login_request(username, password), &Caller::default()).await
    }

    pub(crate) async fn refresh(&self, token: &SecretString) -> Result<Refreshed, AuthError> {
        self.auth().refresh(token.clone(), "", &Caller::default()).await
    }

    pub(crate) async fn verify(&self, token: &SecretString) -> Verdict {
        let token = token.expose_secret().to_owned();
        let question = Question { token, ..Question::default() };
        self.auth().verify(&question).await.expect("a verdict")
    }
}

pub(crate) fn question(token: &str) -> Question {
    Question { token: token.to_owned(), ..Question::default() }
}

pub(crate) fn login_request(username: &str, password: &str) -> LoginRequest {
    LoginRequest {
        identifier: username.to_owned(),
        password: Password::parse(password.to_owned()),
        client_id: String::new(),
        audience: Vec::new(),
        scope: String::new(),
        label: String::new(),
        no_refresh_token: false,
    }
}

/// One pair of keys for all tests: making them is slow.
pub(crate) fn shared_keys() -> &'static Path {
    static KEYS: OnceLock<PathBuf> = OnceLock::new();
    KEYS.get_or_init(|| {
        let keys = Path::new(env!("CARGO_TARGET_TMPDIR")).join("keys");
        for purpose in ["access", "refresh"] {
            let dir = keys.join(purpose);
            std::fs::create_dir_all(&dir).expect("a folder");
            // Of two test processes, one makes it and the other finds it.
            match generate::generate(&dir, "test.pem", KeyBits::Rsa2048) {
                Ok(_) | Err(generate::GenerateError::Exists(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        keys
    })
}
