//! Key files as they are stored, for a backup.

use std::path::Path;

use zeroize::Zeroizing;

use super::{
    key_directory::{KeyringError, load_directories},
    key_fault::{KeyFault, KeyProblem},
    key_file,
    port::KeyPurpose,
};

/// One file. Without `Debug`, which would show the key.
pub struct StoredKey {
    /// Which set it is in.
    pub purpose: KeyPurpose,
    /// Its name, which says from when it signs.
    pub name: String,
    /// What is in it.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// Every key file of both directories, if all of them can be used.
pub fn read_all(access_dir: &Path, refresh_dir: &Path) -> Result<Vec<StoredKey>, KeyringError> {
    check(access_dir, refresh_dir)?;
    let mut keys = Vec::new();
    for (purpose, dir) in [(KeyPurpose::Access, access_dir), (KeyPurpose::Refresh, refresh_dir)] {
        for path in key_file::list(dir).map_err(one)? {
            let key = read(purpose, &path);
            keys.push(key.map_err(|fault| one(KeyProblem { path, fault }))?);
        }
    }
    Ok(keys)
}

/// Can all key files of both directories be used?
pub fn check(access_dir: &Path, refresh_dir: &Path) -> Result<(), KeyringError> {
    load_directories(access_dir, refresh_dir).map(|_| ())
}

fn read(purpose: KeyPurpose, path: &Path) -> Result<StoredKey, KeyFault> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or(KeyFault::UnreadableName)?;
    Ok(StoredKey { purpose, name: name.to_owned(), bytes: key_file::read(path)? })
}

fn one(problem: KeyProblem) -> KeyringError {
    KeyringError { problems: vec![problem] }
}
