//! Loading both directories of keys: all of it or, with every problem listed,
//! nothing.

use std::{fmt, path::Path, sync::Arc};

use aws_lc_rs::digest;

use super::{
    key_fault::{KeyFault, KeyProblem},
    key_file,
    signing_key::SigningKey,
};

/// The key directories cannot be used as they are. Lists every problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyringError {
    /// One or more.
    pub problems: Vec<KeyProblem>,
}

impl fmt::Display for KeyringError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for KeyringError {}

/// File names and their keys.
pub(super) type LoadedKeys = Vec<(String, Arc<SigningKey>)>;

/// The access keys and the refresh keys.
pub(super) fn load_directories(
    access_dir: &Path,
    refresh_dir: &Path,
) -> Result<(LoadedKeys, LoadedKeys), KeyringError> {
    let mut problems = Vec::new();
    let access = load_directory(access_dir, &mut problems);
    let refresh = load_directory(refresh_dir, &mut problems);
    find_shared_keys(&access, &refresh, refresh_dir, &mut problems);
    if problems.is_empty() { Ok((access, refresh)) } else { Err(KeyringError { problems }) }
}

/// What both directories hold, as a digest of names and contents. `None` if
/// anything of it cannot be read, or may not be used as it lies there.
pub(super) fn fingerprint(access_dir: &Path, refresh_dir: &Path) -> Option<Vec<u8>> {
    let mut context = digest::Context::new(&digest::SHA256);
    for directory in [access_dir, refresh_dir] {
        let files = key_file::list(directory).ok()?;
        context.update(&files.len().to_be_bytes());
        for file in files {
            let contents = key_file::read(&file).ok()?;
            for part in [file.as_os_str().as_encoded_bytes(), &contents] {
                context.update(&part.len().to_be_bytes());
                context.update(part);
            }
        }
    }
    Some(context.finish().as_ref().to_vec())
}

fn load_directory(path: &Path, problems: &mut Vec<KeyProblem>) -> LoadedKeys {
    let files = match key_file::list(path) {
        Ok(files) => files,
        Err(problem) => {
            problems.push(problem);
            return Vec::new();
        }
    };
    if files.is_empty() {
        problems.push(KeyProblem { path: path.to_owned(), fault: KeyFault::NoKeys });
    }
    let mut keys = LoadedKeys::new();
    for file in files {
        match load_file(&file, &keys) {
            Ok(loaded) => keys.push(loaded),
            Err(fault) => problems.push(KeyProblem { path: file, fault }),
        }
    }
    keys
}

fn load_file(file: &Path, others: &LoadedKeys) -> Result<(String, Arc<SigningKey>), KeyFault> {
    let name = file.file_name().and_then(|name| name.to_str()).ok_or(KeyFault::UnreadableName)?;
    let key = key_file::load(file)?;
    match name_of(&key, others) {
        Some(other) => Err(KeyFault::Duplicate(other)),
        None => Ok((name.to_owned(), Arc::new(key))),
    }
}

fn find_shared_keys(
    access: &LoadedKeys,
    refresh: &LoadedKeys,
    refresh_dir: &Path,
    problems: &mut Vec<KeyProblem>,
) {
    for (name, key) in refresh {
        if let Some(other) = name_of(key, access) {
            problems.push(KeyProblem {
                path: refresh_dir.join(name),
                fault: KeyFault::InBothSets(other),
            });
        }
    }
}

/// The name of the file in which the same key stands.
fn name_of(key: &SigningKey, keys: &LoadedKeys) -> Option<String> {
    let kid = key.public().kid();
    keys.iter().find(|(_, other)| other.public().kid() == kid).map(|(name, _)| name.clone())
}
