//! A PostgreSQL for tests: the one of `TEST_DATABASE_URL`, or one that is
//! started from local binaries, shared by all tests of the process, and gone
//! with it, however it ends.

use std::{
    env, fs,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
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
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let Some(server) = server() else {
        let advice = "no PostgreSQL (set TEST_DATABASE_URL or install its server binaries)";
        skip(test, advice, "REQUIRE_POSTGRES");
        return None;
    };
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("tokenward_test_{}_{number}", process::id());
    let create = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'");
    // A pool, because it waits for a server that is still starting.
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(30));
    let pool = pool.connect(server).await.expect("the test server answers");
    pool.execute(AssertSqlSafe(create)).await.expect("a fresh database");
    pool.close().await;
    Some(with_database(server, &name))
}

/// Drops a database of [`fresh_database`], with whoever still uses it.
pub(crate) async fn drop_database(url: &str) {
    let (Some(server), Some(name)) = (server(), database_of(url)) else { return };
    let mut connection = PgConnection::connect(server).await.expect("the test server answers");
    let drop = AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    connection.execute(drop).await.expect("dropped");
}

fn database_of(url: &str) -> Option<&str> {
    url.split('?').next()?.rsplit('/').next()
}

fn with_database(server: &str, name: &str) -> String {
    let (address, parameters) = server.split_once('?').unwrap_or((server, ""));
    let (address, _) = address.rsplit_once('/').expect("a URL with a database");
    format!("{address}/{name}?{parameters}")
}

/// The URL of the server's own database.
fn server() -> Option<&'static str> {
    static SERVER: OnceLock<Option<String>> = OnceLock::new();
    let start = || env::var("TEST_DATABASE_URL").ok().or_else(|| Some(start(&binaries()?)));
    SERVER.get_or_init(start).as_deref()
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
/// then nobody holds the other end of its standard input any more.
const WATCHDOG: &str = r#"
PATH="$PATH:/usr/bin:/bin"
"$1"/postgres -D "$2"/data -k "$2" -c listen_addresses= -c fsync=off -c full_page_writes=off \
    -c max_connections=300 >"$2"/log 2>&1 </dev/null &
cat >/dev/null
kill -INT $!
wait $!
rm -rf "$2"
"#;

fn start(binaries: &Path) -> String {
    let folder = env::temp_dir().join(format!("tokenward-postgres-{}", process::id()));
    fs::create_dir(&folder).expect("a folder for the server");
    let user = unprivileged_user();
    if let Some((uid, gid)) = user {
        chown(&folder, Some(uid), Some(gid)).expect("chown as root");
    }
    let mut initdb = as_user(user, Command::new(binaries.join("initdb")));
    let initdb = initdb.current_dir(&folder).arg("-D").arg(folder.join("data"));
    let made = initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]);
    let made = made.output().expect("initdb runs");
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    watch(user, binaries, &folder);
    format!("postgres://postgres@localhost/postgres?host={}", folder.display())
}

fn watch(user: Option<(u32, u32)>, binaries: &Path, folder: &Path) {
    let mut watchdog = as_user(user, Command::new("/bin/sh"));
    watchdog.args(["-c", WATCHDOG, "sh"]).arg(binaries).arg(folder).current_dir(folder);
    // Out of the terminal's process group: Ctrl-C must not stop the cleaning.
    watchdog.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = watchdog.spawn().expect("sh runs");
    // The pipe stays open until the process ends.
    std::mem::forget(child);
    let socket = folder.join(".s.PGSQL.5432");
    for _ in 0..1_000 {
        if socket.exists() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("PostgreSQL has not started: see {}", folder.join("log").display());
}

/// PostgreSQL refuses to run as root.
fn unprivileged_user() -> Option<(u32, u32)> {
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
