//! The real program, as people run it: its commands, and its server as a
//! process that can be stopped, killed and started again on the same data.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{self, Child, ChildStderr, Command, Stdio},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU16, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    command::{self, Finished, PATIENCE},
    world::PASSWORD,
};

/// The program that is run; the one that was built with the tests, unless
/// another one is named before the first run.
pub(crate) static BINARY: OnceLock<PathBuf> = OnceLock::new();

/// How often something is looked at that a process will do soon.
const LOOK: Duration = Duration::from_millis(10);

/// Tokenward in a scratch folder of its own, where `tokenward-data` will be.
/// Its servers listen on free ports of 127.0.0.1 unless told otherwise. A clone
/// is in the same folder.
#[derive(Clone)]
pub(crate) struct Program {
    dir: Arc<TempDir>,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    wrapper: Vec<String>,
}

impl Program {
    /// Nothing but an empty folder.
    pub(crate) fn new() -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("a folder"));
        Self { dir, arguments: Vec::new(), variables: Vec::new(), wrapper: Vec::new() }
            .set("grpc.listen", "127.0.0.1:0")
            .set("admin.listen", "127.0.0.1:0")
            .set("http.listen", "127.0.0.1:0")
    }

    /// Every command gets `--set name=value`. The last one counts.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.arguments.extend(["--set".to_owned(), format!("{name}={value}")]);
        self
    }

    /// Passwords are hashed as cheaply as is allowed: for tests of other
    /// things.
    pub(crate) fn with_cheap_hashes(self) -> Self {
        self.set("password.memory_kib", "7168").set("password.iterations", "1")
    }

    /// Every command gets this environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Every command gets this configuration file.
    pub(crate) fn config(self, toml: &str) -> Self {
        let path = self.dir.path().join("tokenward.toml");
        fs::write(&path, toml).expect("a configuration file");
        let path = path.to_str().expect("UTF-8").to_owned();
        self.env("TOKENWARD_CONFIG", &path)
    }

    /// Every command is started by another program, which must become it.
    pub(crate) fn started_by(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// The folder with keys and database.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("tokenward-data")
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        self.run_with_input(arguments, "")
    }

    /// The same, with this standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], stdin: &str) -> Finished {
        command::run(&mut self.command(arguments), stdin)
    }

    /// `keys generate`.
    pub(crate) fn with_keys(self) -> Self {
        self.run(&["keys", "generate"]).success();
        self.set("keys.rotation", "false")
    }

    /// `user create`, with [`PASSWORD`]; gives the new user's id.
    pub(crate) fn create_user(&self, arguments: &[&str]) -> String {
        let arguments = [&["user", "create"], arguments].concat();
        self.run_with_input(&arguments, PASSWORD).success().trim_end().to_owned()
    }

    /// Starts a server and waits until it is ready.
    pub(crate) fn serve(&self) -> Running {
        let server = self.start();
        self.until_ready(&server);
        server
    }

    fn until_ready(&self, server: &Running) {
        let address = server.grpc.to_string();
        let tries = PATIENCE.as_millis() / LOOK.as_millis();
        for _ in 0..tries {
            let health = self.run(&["healthcheck", "--addr", &address]);
            if health.code == 0 {
                assert_eq!(health.stdout, "SERVING\n");
                return;
            }
            thread::sleep(LOOK);
        }
        panic!("the server did not become ready:\n{}", server.log());
    }

    /// Starts a server none of whose log lines can be written, and waits until
    /// it is ready.
    pub(crate) fn serve_with_log_on_a_full_disk(&self) -> Running {
        let (grpc, http) = (free_port(), free_port());
        let mut command = self.command(&["serve"]);
        for (name, port) in [("grpc.listen", grpc), ("admin.listen", grpc), ("http.listen", http)] {
            command.args(["--set", &format!("{name}=127.0.0.1:{port}")]);
        }
        let full = fs::File::options().write(true).open("/dev/full").expect("/dev/full");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(full);
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let server = Running {
            child: command.spawn().expect("the program starts"),
            log: Arc::default(),
            reader: None,
            grpc: address(grpc),
            http: address(http),
            _dir: Arc::clone(&self.dir),
        };
        self.until_ready(&server);
        server
    }

    /// Starts a server, and waits only until it has its sockets.
    pub(crate) fn start(&self) -> Running {
        let mut command = self.command(&["serve"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stderr = child.stderr.take().expect("piped");
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, started) = mpsc::channel();
        let reader = Some(read_log(stderr, Arc::clone(&log), sender));
        // From here on it is killed if anything fails.
        let (grpc, http, dir) = (unspecified(), unspecified(), Arc::clone(&self.dir));
        let mut server = Running { child, log, reader, grpc, http, _dir: dir };
        let Ok(addresses) = started.recv_timeout(PATIENCE) else {
            panic!("the server did not start:\n{}", server.log());
        };
        (server.grpc, server.http) = addresses;
        server
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let binary = BINARY.get_or_init(|| env!("CARGO_BIN_EXE_tokenward").into());
        let mut command = match self.wrapper.split_first() {
            None => Command::new(binary),
            Some((wrapper, words)) => {
                let mut command = Command::new(wrapper);
                command.args(words).arg(binary);
                command
            }
        };
        command.args(arguments).args(&self.arguments).current_dir(self.dir.path());
        // What whoever runs the tests has set is not meant for them.
        let foreign = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        for name in foreign.filter(|name| name.starts_with("TOKENWARD_")) {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A server process. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
    /// The gRPC listener.
    pub(crate) grpc: SocketAddr,
    /// The HTTP listener.
    pub(crate) http: SocketAddr,
    /// A server opens further connections to its database later: its folder
    /// must not go before it does.
    _dir: Arc<TempDir>,
}

impl Running {
    /// What it has logged so far: one JSON object a line.
    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("not poisoned").clone()
    }

    /// Waits until it has logged this.
    pub(crate) fn until_logged(&self, text: &str) {
        let tries = PATIENCE.as_millis() / LOOK.as_millis();
        for _ in 0..tries {
            if self.log().contains(text) {
                return;
            }
            thread::sleep(LOOK);
        }
        panic!("the server does not log \"{text}\":\n{}", self.log());
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the process is there");
    }

    /// SIGSTOP; from now on it does nothing, until SIGCONT.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
        let status = waitpid(Some(Pid::from_child(&self.child)), WaitOptions::UNTRACED);
        let (_, status) = status.expect("our child").expect("it was waited for");
        assert!(status.stopped(), "{}", self.log());
    }

    /// SIGTERM; the server must end well.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.exit_code(), Some(0), "{}", self.log());
    }

    /// The same; gives the whole log.
    pub(crate) fn stop_and_log(mut self) -> String {
        self.signal(Signal::TERM);
        assert_eq!(self.exit_code(), Some(0), "{}", self.log());
        // The process is gone; its last lines may still be in the pipe.
        let reader = self.reader.take().expect("not joined before");
        reader.join().expect("the log was read to its end");
        self.log()
    }

    /// `kill -9`: the process is gone, and had no moment to prepare for it.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Waits for the end. `None`: a signal ended it.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let tries = PATIENCE.as_millis() / LOOK.as_millis();
        for _ in 0..tries {
            if let Some(status) = self.child.try_wait().expect("our child") {
                return status.code();
            }
            thread::sleep(LOOK);
        }
        panic!("the server does not end:\n{}", self.log());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of 127.0.0.1 for a server whose address must be known before it
/// starts. It is below those that systems give out by themselves, so that
/// nobody else gets it by chance.
pub(crate) fn free_port() -> u16 {
    const PORTS: std::ops::Range<u16> = 20_000..30_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let range = u32::from(PORTS.end - PORTS.start);
    // Test processes at the same time begin at different places.
    let begin = process::id().wrapping_mul(97);
    let ports = std::iter::repeat_with(|| {
        let offset = begin.wrapping_add(u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % range;
        PORTS.start + u16::try_from(offset).expect("within the range")
    });
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.take(1_000).find(is_free).expect("a free port")
}

/// Collects the log, and tells the addresses that stand in its line "serving".
fn read_log(
    stderr: ChildStderr,
    log: Arc<Mutex<String>>,
    sender: mpsc::Sender<(SocketAddr, SocketAddr)>,
) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            let address = |name: &str| event[name].as_str().and_then(|text| text.parse().ok());
            log.lock().expect("not poisoned").extend([line.as_str(), "\n"]);
            if event["message"] == "serving"
                && let (Some(grpc), Some(http)) = (address("grpc"), address("http"))
            {
                // Nobody listens any more for a second one.
                let _ = sender.send((grpc, http));
            }
        }
    })
}

fn unspecified() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 0))
}
