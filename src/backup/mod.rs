//! Keys and the embedded database, together in one file.
//!
//! - [`manifest`] says what is in a backup, and how it must look;
//! - [`archive`] writes and reads the file, a tar archive that begins with the
//!   manifest;
//! - [`new_file`] is a file that appears whole or not at all;
//! - [`stage`] is where a restore puts things until all of them are in order.

pub mod archive;
pub mod manifest;
pub mod new_file;
pub mod stage;

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why there is no backup, or nothing was restored. One line that names the
/// file.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or folder cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file or folder cannot be written.
    #[error("{} cannot be written", path.display())]
    Unwritable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is something where something new should be.
    #[error("{} is there already, and nothing is overwritten: move it away", .0.display())]
    Occupied(PathBuf),
    /// The file was made by something else.
    #[error("{} is no backup of Tokenward", .0.display())]
    Foreign(PathBuf),
    /// The file was made by a newer version.
    #[error("{} has format {format}, which only a newer version of this program can read", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The number of its format.
        format: u64,
    },
    /// The file is not as it was written.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

impl BackupError {
    fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Unreadable { path: path.to_owned(), source }
    }

    fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::AlreadyExists => Self::Occupied(path.to_owned()),
            _ => Self::Unwritable { path: path.to_owned(), source },
        }
    }
}
