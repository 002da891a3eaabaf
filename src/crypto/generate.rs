//! New key files.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use aws_lc_rs::{
    encoding::{AsDer as _, Pkcs8V1Der},
    rsa::{KeyPair, KeySize},
};

use super::{
    key_check,
    key_fault::{KeyFault, KeyProblem},
    pem,
    signing_key::SigningKey,
};
use crate::domain::id::KeyId;

/// The sizes of keys that are made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyBits {
    /// 112 bits of strength (NIST SP 800-57); the fastest.
    Rsa2048,
    /// 128 bits of strength; signing takes three times as long.
    Rsa3072,
    /// Signing takes six times as long.
    Rsa4096,
}

impl KeyBits {
    /// From the number of bits: 2048, 3072 or 4096.
    pub const fn from_bits(bits: u32) -> Option<Self> {
        match bits {
            2048 => Some(Self::Rsa2048),
            3072 => Some(Self::Rsa3072),
            4096 => Some(Self::Rsa4096),
            _ => None,
        }
    }

    /// At least as long as another key, which may be of an odd length.
    pub const fn at_least(bits: usize) -> Self {
        match bits {
            0..=2048 => Self::Rsa2048,
            2049..=3072 => Self::Rsa3072,
            _ => Self::Rsa4096,
        }
    }
}

impl From<KeyBits> for KeySize {
    fn from(bits: KeyBits) -> Self {
        match bits {
            KeyBits::Rsa2048 => Self::Rsa2048,
            KeyBits::Rsa3072 => Self::Rsa3072,
            KeyBits::Rsa4096 => Self::Rsa4096,
        }
    }
}

/// Why no key file was made.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// There is a file of this name; it was not touched. Of several replicas
    /// that make the same key of a schedule, all but one see this.
    #[error("{}: there is a file of this name already", .0.display())]
    Exists(PathBuf),
    /// The file could not be written.
    #[error("{}: cannot be written: {error}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        error: io::Error,
    },
    /// AWS-LC made no key.
    #[error("AWS-LC made no key")]
    Generation,
    /// The key that was made did not pass the checks that every key passes.
    #[error("a new key was not accepted: {0}")]
    Rejected(#[source] KeyProblem),
}

/// Makes an RSA key and writes it to `directory/name` as PKCS#8 PEM, mode
/// 0600. The file appears whole and durable or not at all, and never in place
/// of another. Takes tenths of a second to seconds; blocks.
pub fn generate(directory: &Path, name: &str, bits: KeyBits) -> Result<KeyId, GenerateError> {
    let target = directory.join(name);
    let key = KeyPair::generate(bits.into()).map_err(|_| GenerateError::Generation)?;
    let text = encode(&key)?;
    let kid = checked_kid(text.as_bytes())
        .map_err(|fault| GenerateError::Rejected(KeyProblem { path: target.clone(), fault }))?;
    match publish(directory, &target, &kid, text.as_bytes()) {
        Ok(()) => Ok(kid),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(GenerateError::Exists(target))
        }
        Err(error) => Err(GenerateError::Io { path: directory.to_owned(), error }),
    }
}

fn encode(key: &KeyPair) -> Result<zeroize::Zeroizing<String>, GenerateError> {
    let der: Pkcs8V1Der<'_> = key.as_der().map_err(|_| GenerateError::Generation)?;
    Ok(pem::encode("PRIVATE KEY", der.as_ref()))
}

/// The way that the file will take when it is loaded, probe included.
fn checked_kid(text: &[u8]) -> Result<KeyId, KeyFault> {
    let key = SigningKey::new(&key_check::check(pem::parse(text)?)?)?;
    Ok(key.public().kid().clone())
}

/// Writes a dot file, which no loader looks at, and syncs it; gives it its
/// name, which fails if there is one; syncs the directory. Killed between any
/// two of these steps, we leave a dot file behind and nothing else.
fn publish(directory: &Path, target: &Path, kid: &KeyId, text: &[u8]) -> io::Result<()> {
    let path = directory.join(format!(".{kid}.tmp"));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    let temporary = Temporary(path);
    file.write_all(text)?;
    file.sync_all()?;
    fs::hard_link(&temporary.0, target)?;
    drop(temporary);
    File::open(directory)?.sync_all()
}

struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "a temporary key file was left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::crypto::key_file;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("readable");
        entries
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
            .collect()
    }

    #[test]
    fn a_new_key_file_loads_and_only_its_owner_reads_it() {
        let directory = tempfile::tempdir().expect("a folder");
        let kid = generate(directory.path(), "a.pem", KeyBits::Rsa2048).expect("a key");
        let file = directory.path().join("a.pem");
        assert_eq!(fs::metadata(&file).expect("there").mode() & 0o777, 0o600);
        assert_eq!(names(directory.path()), ["a.pem"], "the temporary file is gone");
        assert_eq!(key_file::load(&file).expect("a key").public().kid(), &kid);
    }

    /// One replica wins; the losers change nothing and leave nothing behind.
    #[test]
    fn a_key_file_is_never_overwritten() {
        let directory = tempfile::tempdir().expect("a folder");
        let winners = std::thread::scope(|scope| {
            let make = || generate(directory.path(), "a.pem", KeyBits::Rsa2048);
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
            let results = threads.into_iter().map(|thread| thread.join().expect("no panic"));
            results.filter(|made| !matches!(made, Err(GenerateError::Exists(_)))).count()
        });
        assert_eq!(winners, 1);
        assert_eq!(names(directory.path()), ["a.pem"]);
    }

    #[test]
    fn a_missing_directory_is_said() {
        let directory = tempfile::tempdir().expect("a folder");
        let error = generate(&directory.path().join("x"), "a.pem", KeyBits::Rsa2048);
        assert!(matches!(error, Err(GenerateError::Io { .. })), "{error:?}");
    }
}
