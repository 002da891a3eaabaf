//! A server of its own for a report: the same program as a child process, with
//! its data in a folder that goes away with it.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    path::PathBuf,
    process::{Child, ChildStderr, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow, bail};
use confique::Config as _;
use serde_json::Value;
use tokio::sync::oneshot;
use tonic::transport::Channel;

use crate::{
    app::{Access, Core, Environment},
    cli::connection,
    config::{LogFormat, Settings},
    domain::{entropy::random_uuid, password::Password},
    grpc::pb::auth::auth_service_client::AuthServiceClient,
    service::{profile::ProfileRequest, users::CreateUserRequest},
};

/// The longest that a start, or any call, may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

pub(super) type Client = AuthServiceClient<Channel>;

/// A folder with keys, for a server that does not run yet. Dropped, it is
/// gone. Nothing of it depends on configuration files or the environment.
pub(super) struct Scratch {
    dir: PathBuf,
    settings: Settings,
}

impl Scratch {
    /// With the default settings but for a change, and listeners on free ports.
    pub(super) fn new(change: impl FnOnce(&mut Settings)) -> anyhow::Result<Self> {
        let name = random_uuid(Environment::system().entropy.as_ref())?;
        let dir = env::temp_dir().join(format!("tokenward-bench-{name}"));
        let made = fs::DirBuilder::new().mode(0o700).create(&dir);
        made.with_context(|| format!("{} cannot be made", dir.display()))?;
        let mut settings = Settings::builder().load()?;
        settings.data_dir.clone_from(&dir);
        settings.grpc.listen.set_port(0);
        settings.http.listen.set_port(0);
        settings.admin.listen.set_port(0);
        settings.log.format = LogFormat::Json;
        change(&mut settings);
        Ok(Self { dir, settings })
    }

    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The service on its data, with other settings than the server's, to
    /// prepare what the server will find.
    pub(super) async fn core(&self, change: impl FnOnce(&mut Settings)) -> anyhow::Result<Core> {
        let mut settings = self.settings.clone();
        change(&mut settings);
        Ok(Core::open(&settings, Environment::system(), Access::Serve).await?)
    }

    /// Starts the server, and waits until it is ready.
    pub(super) async fn serve(self) -> anyhow::Result<Running> {
        let file = self.dir.join("tokenward.toml");
        fs::write(&file, toml::to_string(&self.settings)?)?;
        let mut command = Command::new(env::current_exe()?);
        command.arg("--config").arg(&file).arg("serve").current_dir(&self.dir);
        let foreign = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        for name in foreign.filter(|name| name.starts_with("TOKENWARD_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let stderr = child.stderr.take();
        // From here on it ends with this value.
        let mut running = Running { child, grpc: unspecified(), http: unspecified(), _dir: self };
        let addresses = addresses(stderr.context("the server has no standard error")?);
        let addresses = tokio::time::timeout(PATIENCE, addresses).await;
        (running.grpc, running.http) = addresses.context("the server does not start")??;
        tokio::time::timeout(PATIENCE, running.until_ready())
            .await
            .context("the server does not become ready")?;
        Ok(running)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            eprintln!("{} is left: {error}", self.dir.display());
        }
    }
}

/// A server process. Dropped, it is killed.
pub(super) struct Running {
    child: Child,
    grpc: SocketAddr,
    http: SocketAddr,
    /// Goes after the process.
    _dir: Scratch,
}

impl Running {
    /// The process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it serves gRPC.
    pub(super) const fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    /// A client on a connection of its own.
    pub(super) async fn client(&self) -> anyhow::Result<Client> {
        let channel = connection::connect(&format!("http://{}", self.grpc), None, PATIENCE).await?;
        Ok(AuthServiceClient::new(channel))
    }

    async fn until_ready(&self) {
        let http = self.http.to_string();
        while !matches!(connection::get(&http, "/readyz").await, Ok((200, _))) {
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.kill().and_then(|()| self.child.wait()).is_err() {
            eprintln!("process {} could not be ended", self.child.id());
        }
    }
}

/// A user with nothing but a name.
pub(super) fn named(name: &str) -> ProfileRequest {
    ProfileRequest { username: name.to_owned(), ..ProfileRequest::default() }
}

/// The same, with a password.
pub(super) fn user(name: &str, password: &str) -> CreateUserRequest {
    let password = Some(Password::parse(password.to_owned()));
    CreateUserRequest { profile: named(name), password }
}

/// Reads the log to its end; the addresses stand in its line "serving".
async fn addresses(stderr: ChildStderr) -> anyhow::Result<(SocketAddr, SocketAddr)> {
    let (sender, receiver) = oneshot::channel();
    thread::spawn(move || {
        let (mut sender, mut log) = (Some(sender), String::new());
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let Some(waiting) = sender.take() else { continue };
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            let address = |name: &str| event.get(name)?.as_str()?.parse().ok();
            if let (Some(grpc), Some(http)) = (address("grpc"), address("http")) {
                drop(waiting.send(Ok((grpc, http))));
            } else {
                log.extend([line.as_str(), "\n"]);
                sender = Some(waiting);
            }
        }
        if let Some(waiting) = sender {
            drop(waiting.send(Err(anyhow!("the server has ended: {}", log.trim_end()))));
        }
    });
    match receiver.await {
        Ok(addresses) => addresses,
        Err(_) => bail!("the server's log cannot be read"),
    }
}

fn unspecified() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 0))
}
