//! Where a restore puts things until all of them are in order.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use super::{
    BackupError,
    manifest::Role,
    new_file::{beside, sync, sync_folder_of},
};
use crate::crypto::port::KeyPurpose;

/// What SQLite puts beside a database.
const SIDECARS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Where a restore ends.
#[derive(Clone, Debug)]
pub struct Site {
    /// The folder of both sets of keys.
    pub keys_dir: PathBuf,
    /// The embedded database, if it is restored too.
    pub database: Option<PathBuf>,
}

impl Site {
    /// Nothing may be where something will be put: no key, and no database.
    pub fn check_vacant(&self) -> Result<(), BackupError> {
        for folder in FOLDERS.map(|folder| self.keys_dir.join(folder)) {
            match fs::read_dir(&folder).map(|mut entries| entries.next().is_none()) {
                Ok(true) => {}
                Ok(false) => return Err(BackupError::Occupied(folder)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(BackupError::unreadable(&folder)(error)),
            }
        }
        let files = self.database.iter().flat_map(|file| with_sidecars(file));
        match files.into_iter().find(|file| file.symlink_metadata().is_ok()) {
            Some(file) => Err(BackupError::Occupied(file)),
            None => Ok(()),
        }
    }

    /// Makes hidden places beside the real ones, on the same file systems.
    pub fn stage(self) -> Result<Stage, BackupError> {
        let keys_dir = self.keys_dir.join(".restoring");
        let database = self.database.as_deref().map(|file| beside(file, "restoring"));
        // A log that was left behind would be written into the next database.
        let mut files = database.iter().flat_map(|file| with_sidecars(file));
        if let Some(left_over) = files.find(|file| file.symlink_metadata().is_ok()) {
            return Err(BackupError::Occupied(left_over));
        }
        make_folder(&self.keys_dir, true)?;
        make_folder(&keys_dir, false)?;
        let stage = Stage { site: self, keys_dir, database };
        for folder in FOLDERS {
            make_folder(&stage.keys_dir.join(folder), false)?;
        }
        Ok(stage)
    }
}

/// The hidden places. Dropped, they are gone with what is in them.
#[derive(Debug)]
pub struct Stage {
    site: Site,
    keys_dir: PathBuf,
    database: Option<PathBuf>,
}

impl Stage {
    /// The folder of one set of keys.
    pub fn keys(&self, purpose: KeyPurpose) -> PathBuf {
        self.keys_dir.join(folder(purpose))
    }

    /// The embedded database.
    pub fn database(&self) -> Option<&Path> {
        self.database.as_deref()
    }

    /// Where a file of a backup is put; `None` for one that is not wanted.
    pub(super) fn place_of(&self, role: Role<'_>) -> Option<PathBuf> {
        match role {
            Role::Key(purpose, name) => Some(self.keys(purpose).join(name)),
            Role::Database => self.database.clone(),
        }
    }

    /// Gives everything its real place. The keys come last, those that sign
    /// access tokens at the very end: whoever starts a server half way is told
    /// that there are none, and nothing is made over what is there.
    pub fn place(self) -> Result<(), BackupError> {
        let placed = self.place_all();
        if placed.is_err() {
            self.take_back();
        }
        placed
    }

    /// Only what came from here can lie in those places.
    fn take_back(&self) {
        drop(self.site.database.as_ref().map(fs::remove_file));
        for folder in FOLDERS {
            let (from, to) = (self.site.keys_dir.join(folder), self.keys_dir.join(folder));
            if !to.exists() {
                drop(fs::rename(from, to));
            }
        }
    }

    fn place_all(&self) -> Result<(), BackupError> {
        if let (Some(from), Some(to)) = (&self.database, &self.site.database) {
            sync(from)?;
            fs::hard_link(from, to).map_err(BackupError::unwritable(to))?;
            sync_folder_of(to)?;
        }
        for folder in FOLDERS {
            let (from, to) = (self.keys_dir.join(folder), self.site.keys_dir.join(folder));
            sync(&from)?;
            // An empty folder is replaced; one that is not stays.
            fs::rename(&from, &to).map_err(BackupError::unwritable(&to))?;
            sync(&self.site.keys_dir)?;
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let files = self.database.iter().flat_map(|file| with_sidecars(file));
        for file in files {
            drop(fs::remove_file(file));
        }
        if let Err(error) = fs::remove_dir_all(&self.keys_dir) {
            tracing::warn!(path = %self.keys_dir.display(), %error, "a folder was left behind");
        }
    }
}

/// In the order in which they are put in place.
const FOLDERS: [&str; 2] = [folder(KeyPurpose::Refresh), folder(KeyPurpose::Access)];

const fn folder(purpose: KeyPurpose) -> &'static str {
    match purpose {
        KeyPurpose::Access => "access",
        KeyPurpose::Refresh => "refresh",
    }
}

fn with_sidecars(file: &Path) -> Vec<PathBuf> {
    let named = |suffix: &str| {
        let mut name = file.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    [""].into_iter().chain(SIDECARS).map(named).collect()
}

fn make_folder(path: &Path, recursive: bool) -> Result<(), BackupError> {
    let made = DirBuilder::new().recursive(recursive).mode(0o700).create(path);
    made.map_err(BackupError::unwritable(path))
}
