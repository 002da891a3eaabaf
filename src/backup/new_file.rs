//! A file that appears whole and durable under its name, or not at all, and
//! never in place of another.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::BackupError;

/// A file that has not got its name yet. Dropped, it is gone.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    temporary: Temporary,
    target: PathBuf,
}

impl NewFile {
    /// An empty file beside `target`, for its owner only.
    pub fn create(target: &Path) -> Result<Self, BackupError> {
        if target.exists() {
            return Err(BackupError::Occupied(target.to_owned()));
        }
        let (temporary, file) = Temporary::create(&beside(target, "part"))?;
        Ok(Self { file, temporary, target: target.to_owned() })
    }

    /// The name that it will have.
    pub fn path(&self) -> &Path {
        &self.target
    }

    /// To be written.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Syncs it, gives it its name, which fails if there is such a file now,
    /// and syncs the folder.
    pub fn publish(self) -> Result<(), BackupError> {
        self.file.sync_all().map_err(BackupError::unwritable(&self.target))?;
        self.temporary.publish(&self.target)
    }
}

/// A file of this process alone. Dropped, it is gone.
#[derive(Debug)]
pub struct Temporary(PathBuf);

impl Temporary {
    /// An empty file, for its owner only.
    pub fn create(path: &Path) -> Result<(Self, File), BackupError> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(BackupError::unwritable(path))?;
        Ok((Self(path.to_owned()), file))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Gives what was synced another name, which fails if there is such a
    /// file, and syncs the folder.
    pub fn publish(self, target: &Path) -> Result<(), BackupError> {
        fs::hard_link(&self.0, target).map_err(BackupError::unwritable(target))?;
        drop(self);
        sync_folder_of(target)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a temporary file was left behind");
        }
    }
}

/// The hidden name of what belongs to `path` for a while.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{suffix}"))
}

/// A name is on the disk once its folder is.
pub(super) fn sync_folder_of(path: &Path) -> Result<(), BackupError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    sync(folder.unwrap_or(Path::new(".")))
}

/// Brings a file or folder to the disk.
pub(super) fn sync(path: &Path) -> Result<(), BackupError> {
    let synced: io::Result<()> = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(BackupError::unwritable(path))
}
