//! A PostgreSQL for tests: the one of `TEST_DATABASE_URL`, or one that is
//! started from local binaries, shared by all tests of the process, and gone
//! with it, however it ends. Or one apart ([`PostgresServer`]), for whoever
//! breaks it.

use std::{
    env, fs,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, postgres::PgPoolOptions};

use super::skip::skip;

/// The URL of a fresh, empty database. `None`, said loudly, when there is no
/// PostgreSQL; a failure then with `REQUIRE_POSTGRES=1`.
pub(crate) async fn fresh_database(test: &str) -> Option<String> {
    let Some(server) = server() else {
        let advice = "no PostgreSQL (set TEST_DATABASE_URL or install its server binaries)";
        skip(test, advice, "REQUIRE_POSTGRES");
        return None;
    };
    Some(fresh_database_on(server).await)
}

/// The URL of a fresh, empty database of this server.
pub(crate) async fn fresh_database_on(server: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("tokenward_test_{}_{number}", process::id());
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'");
    // A pool, because it waits for a server that is still starting.
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(30));
    let pool = pool.connect(server).await.expect("the test server answers");
    pool.execute(AssertSqlSafe(create)).await.expect("a fresh database");
    pool.close().await;
    with_database(server, &name)
}

/// Drops a database of [`fresh_database`], with whoever still uses it.
pub(crate) async fn drop_database(url: &str) {
    if let Some(server) = server() {
        drop_database_on(server, url).await;
    }
}

/// The same on this server.
pub(crate) async fn drop_database_on(server: &str, url: &str) {
    let Some(name) = database_of(url) else { return };
    let mut connection = PgConnection::connect(server).await.expect("the test server answers");
    let drop = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    connection.execute(drop).await.expect("dropped");
}

/// The name in a URL.
pub(crate) fn database_of(url: &str) -> Option<&str> {
    url.split('?').next()?.rsplit('/').next()
}

fn with_database(server: &str, name: &str) -> String {
    let (address, parameters) = server.split_once('?').unwrap_or((server, ""));
    let (address, _) = address.rsplit_once('/').expect("a URL with a database");
    format!("{address}/{name}?{parameters}")
}

/// The URL of the server's own database.
fn server() -> Option<&'static str> {
    /// What tests need no protection against: a machine that loses its power.
    const CARELESS: &[&str] = &["fsync=off", "full_page_writes=off"];
    static OWN: OnceLock<Option<PostgresServer>> = OnceLock::new();
    static SERVER: OnceLock<Option<String>> = OnceLock::new();
    let own = || OWN.get_or_init(|| PostgresServer::start(CARELESS)).as_ref();
    let start = || env::var("TEST_DATABASE_URL").ok().or_else(|| own().map(PostgresServer::url));
    SERVER.get_or_init(start).as_deref()
}

/// A PostgreSQL from local binaries, that nobody else uses. Dropped, it is
/// stopped and its folder removed; the same when the process ends otherwise.
pub(crate) struct PostgresServer {
    folder: PathBuf,
    /// Told a line, it kills the server as a crash would, and starts it again.
    pub(crate) watchdog: Child,
}

impl PostgresServer {
    /// Starts one with these settings. `None` when there are no binaries.
    pub(crate) fn start(settings: &[&str]) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let binaries = binaries()?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("tokenward-postgres-{}-{number}", process::id());
        let folder = env::temp_dir().join(name);
        let user = unprivileged_user();
        init(&binaries, &folder, user);
        let watchdog = watchdog(user, &binaries, &folder, settings).spawn().expect("sh runs");
        let server = Self { folder, watchdog };
        server.until_it_listens();
        Some(server)
    }

    /// The URL of the server's own database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@localhost/postgres?host={}", self.folder.display())
    }

    fn until_it_listens(&self) {
        let socket = self.folder.join(".s.PGSQL.5432");
        for _ in 0..1_000 {
            if socket.exists() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("PostgreSQL has not started: see {}", self.folder.join("log").display());
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}

/// The folder with `initdb` and `postgres`.
fn binaries() -> Option<PathBuf> {
    let has_both =
        |folder: &PathBuf| ["initdb", "postgres"].iter().all(|b| folder.join(b).exists());
    let path = env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<_> = debian.map(|version| version.path().join("bin")).collect();
    debian.sort();
    env::split_paths(&path).chain(debian.into_iter().rev()).find(has_both)
}

/// Stops the server and removes its folder once the test process is gone:
/// then nobody holds the other end of its standard input any more. A line from
/// there ends the server as `pg_ctl stop -m immediate` does, and starts it anew.
const WATCHDOG: &str = r#"
PATH="$PATH:/usr/bin:/bin"
binaries=$1 folder=$2
shift 2
start() {
    "$binaries"/postgres -D "$folder"/data -k "$folder" -c listen_addresses= \
        -c max_connections=300 "$@" >>"$folder"/log 2>&1 </dev/null &
}
start "$@"
while read -r _; do
    kill -QUIT $!
    wait $!
    start "$@"
done
kill -INT $!
wait $!
rm -rf "$folder"
"#;

fn init(binaries: &Path, folder: &Path, user: Option<(u32, u32)>) {
    fs::create_dir(folder).expect("a folder for the server");
    if let Some((uid, gid)) = user {
        chown(folder, Some(uid), Some(gid)).expect("chown as root");
    }
    let mut initdb = as_user(user, Command::new(binaries.join("initdb")));
    let initdb = initdb.current_dir(folder).arg("-D").arg(folder.join("data"));
    let made = initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]);
    let made = made.output().expect("initdb runs");
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
}

fn watchdog(
    user: Option<(u32, u32)>,
    binaries: &Path,
    folder: &Path,
    settings: &[&str],
) -> Command {
    let mut watchdog = as_user(user, Command::new("/bin/sh"));
    watchdog.args(["-c", WATCHDOG, "sh"]).arg(binaries).arg(folder).current_dir(folder);
    watchdog.args(settings.iter().flat_map(|setting| ["-c", setting]));
    // Out of the terminal's process group: Ctrl-C must not stop the cleaning.
    watchdog.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    watchdog
}

/// PostgreSQL refuses to run as root: the user and group that it runs as then.
pub(crate) fn unprivileged_user() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").expect("procfs").uid() != 0 {
        return None;
    }
    let passwd = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let ids = |name: &str| {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    Some(ids("postgres").or_else(|| ids("nobody")).expect("a user who is not root"))
}

fn as_user(user: Option<(u32, u32)>, mut command: Command) -> Command {
    if let Some((uid, gid)) = user {
        command.gid(gid).uid(uid);
    }
    command
}
