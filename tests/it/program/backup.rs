//! The drill: back up, lose everything, restore; and what is refused on the
//! way.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use serde_json::Value;
use tempfile::TempDir;
use tokenward::grpc::pb::auth::{InactiveReason, RefreshRequest, TokenPair, VerifyRequest};
use tokio::task::JoinHandle;
use tonic::Code;

use super::{Client, client, login, verify};
use crate::{
    on_both_engines,
    support::{
        beside,
        command::PATIENCE,
        postgres::fresh_database,
        program::{Program, Running},
        world::Engine,
    },
};

on_both_engines!(op_11_a_server_that_runs_notices_what_was_restored_under_it);

struct Drill {
    program: Program,
    folder: TempDir,
}

impl Drill {
    fn new() -> Self {
        let program = Program::new().with_cheap_hashes().with_keys();
        program.create_user(&["alice"]);
        Self { program, folder: tempfile::tempdir().expect("a folder") }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    fn back_up(&self, name: &str) -> String {
        let file = self.file(name);
        self.program.run(&["backup", "--out", &file]).success();
        file
    }

    fn lose_everything(&self) {
        fs::remove_dir_all(self.program.data_dir()).expect("removed");
    }

    /// A restore of this file fails with this in its one line, and changes
    /// nothing.
    fn refuses(&self, file: &str, why: &str) {
        let before = listing(&self.program.data_dir());
        let refused = self.program.run(&["restore", file]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains(why), "{why}: {}", refused.stderr);
        assert_eq!(listing(&self.program.data_dir()), before, "{why}");
    }
}

/// Every file below a folder.
fn listing(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<_> = entries
        .flat_map(|entry| match entry.path() {
            path if path.is_dir() => listing(&path),
            path => vec![path],
        })
        .collect();
    all.sort();
    all
}

async fn refresh(auth: &mut Client, tokens: &TokenPair) -> Result<TokenPair, tonic::Status> {
    let refresh_token = tokens.refresh_token.clone();
    let request = RefreshRequest { refresh_token, ..Default::default() };
    Ok(auth.refresh(request).await?.into_inner().tokens.expect("tokens"))
}

async fn pair(server: &Running) -> TokenPair {
    login(&mut client(server).await).await.tokens.expect("tokens")
}

async fn is_dead(auth: &mut Client, tokens: &TokenPair) -> bool {
    let verdict = verify(auth, &tokens.access_token).await;
    let refreshed = refresh(auth, tokens).await.map_err(|status| status.code());
    assert_eq!(verdict.active, refreshed.is_ok(), "either both live or none");
    !verdict.active
        && verdict.reason() == InactiveReason::Revoked
        && refreshed == Err(Code::Unauthenticated)
}

/// Somebody who refreshes all the time, until told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU32>,
    task: JoinHandle<()>,
}

impl Load {
    async fn begin(server: &Running) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (mut auth, mut tokens) = (client(server).await, pair(server).await);
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&done));
        let task = tokio::spawn(async move {
            while !stopped.load(Ordering::Relaxed) {
                tokens = refresh(&mut auth, &tokens).await.expect("refreshed while backing up");
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { stop, done, task }
    }

    async fn end(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("no refresh failed");
        self.done.load(Ordering::Relaxed)
    }
}

/// OP-11: nothing was lost, and nobody notices.
#[tokio::test(flavor = "multi_thread")]
async fn op_11_a_trusted_backup_brings_every_session_back() {
    let drill = Drill::new();
    let server = drill.program.serve();
    let tokens = pair(&server).await;
    let load = Load::begin(&server).await;
    let backup = drill.back_up("backup.tar");
    assert!(load.end().await > 0, "the server has served meanwhile");
    server.kill();
    drill.lose_everything();

    let restored = drill.program.run(&["restore", &backup, "--trust-backup", "--json"]).success();
    let restored: Value = serde_json::from_str(&restored).expect("JSON");
    assert_eq!(restored["revocation_seq"], Value::Null);
    let server = drill.program.serve();
    let mut auth = client(&server).await;
    assert!(verify(&mut auth, &tokens.access_token).await.active, "an old access token");
    refresh(&mut auth, &tokens).await.expect("an old session");
    pair(&server).await;
    server.stop();
    let audited = drill.program.run(&["audit", "list", "--action", "RESTORE"]).success();
    assert!(audited.contains("trusted=true"), "{audited}");
    drill.program.run(&["audit", "verify"]).success();
}

/// OP-11, RV-35: something may have been lost, so everything ends: what the backup
/// knows, what came after it, and what was revoked after it at versions that
/// the backup never saw.
#[tokio::test(flavor = "multi_thread")]
async fn op_11_rv_35_what_the_backup_has_forgotten_stays_dead() {
    let drill = Drill::new();
    let server = drill.program.serve();
    let before = pair(&server).await;
    let backup = drill.back_up("backup.tar");
    let after = pair(&server).await;
    let mut later = Vec::new();
    for _ in 0..3 {
        drill.program.run(&["revoke", "user", "alice"]).success();
        later.push(pair(&server).await);
    }
    drill.program.run(&["revoke", "all", "--yes"]).success();
    later.push(pair(&server).await);
    server.kill();
    drill.lose_everything();

    let restored = drill.program.run(&["restore", &backup, "--json"]).success();
    let restored: Value = serde_json::from_str(&restored).expect("JSON");
    assert!(restored["revocation_seq"].is_i64(), "{restored}");
    let server = drill.program.serve();
    let mut auth = client(&server).await;
    for tokens in [&before, &after].into_iter().chain(&later) {
        assert!(is_dead(&mut auth, tokens).await);
    }
    let new = pair(&server).await;
    assert!(verify(&mut auth, &new.access_token).await.active);
    let new = refresh(&mut auth, &new).await.expect("a new session");
    drill.program.run(&["revoke", "user", "alice"]).success();
    let server_knows = async {
        while verify(&mut auth, &new.access_token).await.active {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, server_knows).await.expect("revoking works as before");
    server.stop();
}

/// Replicas notice by the epoch, whatever has restored the database.
async fn op_11_a_server_that_runs_notices_what_was_restored_under_it(engine: Engine) {
    let program = match engine {
        Engine::Sqlite => Program::new(),
        Engine::Postgres => {
            let Some(url) = fresh_database("op_11_a_server_that_runs").await else { return };
            Program::new().env("TOKENWARD_DATABASE_URL", &url)
        }
    };
    let program = program.with_cheap_hashes().with_keys();
    program.create_user(&["alice"]);
    let server = program.serve();
    let tokens = pair(&server).await;
    program.run(&["restore", "--database-only"]).success();
    let mut auth = client(&server).await;
    let noticed = async {
        while !server.log().contains("another epoch") {
            tokio::task::yield_now().await;
        }
        // Until the new log is loaded, nobody is told anything.
        let token = &tokens.access_token;
        let question = || VerifyRequest { token: token.clone(), ..Default::default() };
        while auth.verify(question()).await.is_ok_and(|verdict| verdict.into_inner().active) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, noticed).await.expect("noticed");
    assert!(refresh(&mut auth, &tokens).await.is_err());
    server.stop();
}

/// With PostgreSQL the keys are ours to save, and the database is left to others.
#[tokio::test(flavor = "multi_thread")]
async fn beside_postgresql_the_keys_alone_are_saved() {
    let Some(url) = fresh_database("beside_postgresql_the_keys_alone").await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.tar");
    let file = file.to_str().expect("UTF-8");
    let program = Program::new().env("TOKENWARD_DATABASE_URL", &url).with_cheap_hashes();
    let program = program.with_keys();
    program.create_user(&["alice"]);
    let server = program.serve();
    let tokens = pair(&server).await;
    server.stop();
    let saved = program.run(&["backup", "--out", file]);
    assert!(saved.stderr.contains("pg_dump"), "{}", saved.stderr);
    saved.success();
    fs::remove_dir_all(program.data_dir()).expect("removed");
    let said = program.run(&["restore", file]).success();
    assert!(said.contains("--database-only"), "{said}");
    let server = program.serve();
    let mut auth = client(&server).await;
    assert!(verify(&mut auth, &tokens.access_token).await.active, "the same keys");
    server.stop();
    let elsewhere = Program::new();
    let refused = elsewhere.run(&["restore", file]);
    assert!(refused.code == 1 && refused.stderr.contains("holds no database"), "{refused:?}");
}

/// The file is as secret as what is in it, and never in place of another.
#[test]
fn a_backup_is_for_its_owner_and_overwrites_nothing() {
    let drill = Drill::new();
    let file = drill.back_up("backup.tar");
    let mode = fs::metadata(&file).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let bytes = fs::read(&file).expect("readable");
    let again = drill.program.run(&["backup", "--out", &file]);
    assert_eq!(again.code, 1);
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
    assert_eq!(fs::read(&file).expect("readable"), bytes);
    let left = listing(drill.folder.path());
    assert_eq!(left, [PathBuf::from(&file)], "nothing else is left behind");
}

#[test]
fn what_is_no_whole_backup_is_refused_and_changes_nothing() {
    let drill = Drill::new();
    let good = drill.back_up("good.tar");
    drill.refuses(&good, "is there already");
    drill.lose_everything();
    let bytes = fs::read(&good).expect("readable");
    let altered = |name: &str, bytes: &[u8]| {
        let path = drill.file(name);
        fs::write(&path, bytes).expect("written");
        path
    };
    drill.refuses(&drill.file("absent.tar"), "cannot be read");
    drill.refuses(&altered("text", b"no backup at all"), "is no backup of Tokenward");
    drill.refuses(&altered("short.tar", &bytes[..bytes.len() / 2]), "is cut off");
    let mut flipped = bytes.clone();
    *flipped.get_mut(bytes.len() - 4096).expect("a byte of the database") ^= 1;
    drill.refuses(&altered("flipped.tar", &flipped), "the digest of tokenward.db differs");
    let newer = String::from_utf8_lossy(&bytes[..1024]).replace("\"format\": 1", "\"format\": 9");
    let newer = [newer.as_bytes(), &bytes[1024..]].concat();
    drill.refuses(&altered("newer.tar", &newer), "only a newer version");
    drill.program.run(&["restore", &good]).success();
}

/// A restore is for the same issuer, with no server beside it.
#[test]
fn a_restore_is_refused_where_it_would_do_harm() {
    let drill = Drill::new();
    let server = drill.program.serve();
    let good = drill.back_up("good.tar");
    server.stop();
    drill.lose_everything();
    let Drill { program, folder } = drill;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let taken = listener.local_addr().expect("bound").to_string();
    let program = program.set("http.listen", &taken);
    let drill = Drill { program, folder };
    drill.refuses(&good, "is in use: stop the server first");
    let Drill { program, folder } = drill;
    let program =
        program.set("http.listen", "127.0.0.1:0").set("issuer", "https://other.example.org");
    Drill { program, folder }.refuses(&good, "the backup is of the issuer");
}

/// A backup of before an update is brought to this version's schema.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_backup_is_migrated() {
    let drill = Drill::new();
    let database = drill.program.data_dir().join("tokenward.db");
    let url = format!("sqlite:{}", database.display());
    let older = "ALTER TABLE users DROP COLUMN revision; \
                 DELETE FROM _sqlx_migrations WHERE version = 8";
    beside::run(&url, older).await;
    let backup = drill.back_up("older.tar");
    drill.lose_everything();
    drill.program.run(&["restore", &backup]).success();
    let applied = beside::number(&url, "SELECT COUNT(*) FROM _sqlx_migrations").await;
    assert_eq!(usize::try_from(applied), Ok(tokenward::store::migrations().count()));
    let server = drill.program.serve();
    pair(&server).await;
    server.stop();
}

/// A key that nobody could use again is found now, and not on the day.
#[test]
fn keys_that_cannot_be_used_are_not_backed_up() {
    let drill = Drill::new();
    let key = drill.program.data_dir().join("keys/access/2020-01-01T00-00-00Z.pem");
    fs::write(&key, "no key").expect("written");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("ours");
    let file = drill.file("backup.tar");
    let refused = drill.program.run(&["backup", "--out", &file]);
    assert!(refused.code == 1 && refused.stderr.contains("2020-01-01"), "{refused:?}");
    assert_eq!(listing(drill.folder.path()), [] as [PathBuf; 0]);
}
