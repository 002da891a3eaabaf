//! P3 while the database has no room left: writes are refused as an outage,
//! Verify goes on, and once there is room everything is as before.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::{BREATH, Setting, close, prepared};
use crate::{
    history::Outcome,
    load::{Load, persons, settle},
    recorder::Recorder,
    replica::Replica,
    stage::Stage,
    support::{
        beside,
        postgres::{database_of, drop_database_on, fresh_database_on, unprivileged_user},
        program::Program,
        world::Engine,
    },
};

const PERSONS: u32 = 4;
/// What the file system holds: enough for either engine, and filled soon.
const SIZE: &str = "size=64m";
/// Longer than it takes until a write finds no room, on the slowest machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// `None` where no file system can be made.
pub(crate) async fn run(setting: Setting<'_>) -> Option<Recorder> {
    let disk = SmallDisk::mount()?;
    let database = Database::on(&disk, &setting).await;
    let program = prepared(Program::new().env("TOKENWARD_DATABASE_URL", &database.url));
    let replicas = vec![Replica::start(&program)];
    let stage = Arc::new(Stage::set(&program, PERSONS, replicas, setting.dice()).await);
    let mut people = persons(&stage, PERSONS);
    for _ in setting.rounds.clone() {
        let load = Load::begin(people, BREATH);
        stage.recorder.more_done(4).await;
        disk.fill();
        until_writes_fail(&stage).await;
        people = load.end().await;
        stage.recorder.set_calm(true);
        for person in &people {
            person.look(0).await;
        }
        for dead in stage.latest_dead() {
            stage.replica(0, dead.user).verify(dead.chain, &dead.access, dead.seq).await;
        }
        stage.recorder.set_calm(false);
        disk.make_room();
        settle(&stage, &mut people).await;
    }
    drop(people);
    let recorder = close(stage);
    database.leave().await;
    Some(recorder)
}

async fn until_writes_fail(stage: &Stage) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (outcome, _) = stage.replica(0, 0).login(0).await;
        if outcome == (Outcome::Unavailable { reason: "DATABASE_UNAVAILABLE".to_owned() }) {
            return;
        }
        assert!(Instant::now() < deadline, "there is still room: {outcome:?}");
        sleep(BREATH).await;
    }
}

/// A database on the small disk.
struct Database {
    url: String,
    /// Of the server, which has a tablespace there.
    server: Option<String>,
}

impl Database {
    async fn on(disk: &SmallDisk, setting: &Setting<'_>) -> Self {
        let folder = disk.folder.path().join("database");
        fs::create_dir(&folder).expect("a folder");
        if setting.engine == Engine::Sqlite {
            let url = format!("sqlite:{}", folder.join("tokenward.db").display());
            return Self { url, server: None };
        }
        if let Some((uid, gid)) = unprivileged_user() {
            chown(&folder, Some(uid), Some(gid)).expect("chown as root");
        }
        let server = setting.postgres.as_ref().expect("a server for PostgreSQL").url();
        let url = fresh_database_on(&server).await;
        let location = folder.display();
        beside::run(&server, &format!("CREATE TABLESPACE small LOCATION '{location}'")).await;
        let name = database_of(&url).expect("a URL with a database");
        beside::run(&server, &format!("ALTER DATABASE {name} SET TABLESPACE small")).await;
        Self { url, server: Some(server) }
    }

    /// Leaves nothing on the disk that the server would look for.
    async fn leave(self) {
        let Some(server) = self.server else { return };
        drop_database_on(&server, &self.url).await;
        beside::run(&server, "DROP TABLESPACE small").await;
    }
}

/// A file system in memory, that is gone when this is dropped.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Only root can.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            return None;
        }
        // PostgreSQL is another user.
        let passable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), passable).expect("our folder");
        Some(Self { folder })
    }

    /// Takes all the room that there is.
    fn fill(&self) {
        let mut ballast = fs::File::create(self.ballast()).expect("a file");
        while ballast.write_all(&[0; 4096]).is_ok() {}
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("our file");
    }

    fn ballast(&self) -> PathBuf {
        Path::join(self.folder.path(), "ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.folder.path()).status();
    }
}
