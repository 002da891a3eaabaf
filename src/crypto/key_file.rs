//! Reading one directory of key files, and one key file, under their rules.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{
    key_check,
    key_fault::{KeyFault, KeyProblem},
    pem,
    signing_key::SigningKey,
};

/// The largest key file that is read, in bytes. An RSA-4096 key has 3.3 KiB.
pub const MAX_LEN: usize = 16 * 1024;

const WRITABLE_BY_OTHERS: u32 = 0o022;
const READABLE_BY_WORLD: u32 = 0o004;
const READABLE_BY_GROUP: u32 = 0o040;
const STICKY: u32 = 0o1000;

/// A directory of key files.
#[derive(Debug)]
pub(super) struct KeyDirectory {
    path: PathBuf,
    /// Everyone may create files in it, but not touch those of others.
    shared: bool,
}

impl KeyDirectory {
    /// Nobody but its owner may add keys. A mounted Kubernetes secret looks
    /// as if all could (root's, mode 1777, read-only): there it is the owner
    /// of each file that counts.
    pub(super) fn open(path: &Path) -> Result<Self, KeyProblem> {
        let problem = |fault| KeyProblem { path: path.to_owned(), fault };
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(problem(KeyFault::NoDirectory));
            }
            Err(error) => return Err(problem(unreadable(&error))),
        };
        let mode = metadata.mode();
        let shared = mode & WRITABLE_BY_OTHERS != 0;
        if shared && (mode & STICKY == 0 || metadata.uid() != 0) {
            return Err(problem(KeyFault::OpenDirectory(mode & 0o7777)));
        }
        Ok(Self { path: path.to_owned(), shared })
    }

    /// The files that count as keys, in byte order: all but `*.pub`, those
    /// whose name starts with a dot, and directories.
    pub(super) fn key_files(&self) -> Result<Vec<PathBuf>, KeyProblem> {
        let problem =
            |error: io::Error| KeyProblem { path: self.path.clone(), fault: unreadable(&error) };
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(problem)? {
            let path = entry.map_err(problem)?.path();
            if counts_as_key(&path) {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// Reads, parses and checks one of the files.
    pub(super) fn load(&self, file: &Path) -> Result<SigningKey, KeyFault> {
        let bytes = self.read(file)?;
        SigningKey::new(&key_check::check(pem::parse(&bytes)?)?)
    }

    /// What is looked at before opening (a FIFO would block) is looked at
    /// again after, on the file that was really opened.
    fn read(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
        let metadata = fs::metadata(path).map_err(|error| unreadable(&error))?;
        self.check_metadata(&metadata)?;
        let file = File::open(path).map_err(|error| unreadable(&error))?;
        self.check_metadata(&file.metadata().map_err(|error| unreadable(&error))?)?;
        read_bounded(file)
    }

    fn check_metadata(&self, metadata: &Metadata) -> Result<(), KeyFault> {
        if !metadata.is_file() {
            return Err(KeyFault::NotAFile);
        }
        let owner = metadata.uid();
        if self.shared && owner != 0 && owner != rustix::process::geteuid().as_raw() {
            return Err(KeyFault::ForeignOwner(owner));
        }
        check_mode(metadata.mode() & 0o7777, owner)
    }
}

/// Others may neither change nor read a key. The group may read it when it is
/// root's: so secrets are mounted for a process that is not root.
fn check_mode(mode: u32, owner: u32) -> Result<(), KeyFault> {
    if mode & WRITABLE_BY_OTHERS != 0 {
        Err(KeyFault::Writable(mode))
    } else if mode & READABLE_BY_WORLD != 0 {
        Err(KeyFault::WorldReadable(mode))
    } else if mode & READABLE_BY_GROUP != 0 && owner != 0 {
        Err(KeyFault::GroupReadable(mode))
    } else {
        Ok(())
    }
}

fn counts_as_key(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    !name.starts_with(b".") && !name.ends_with(b".pub") && !path.is_dir()
}

fn read_bounded(file: File) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
    // Room for everything at once: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_LEN + 64));
    file.take(MAX_LEN as u64 + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() > MAX_LEN { Err(KeyFault::TooLarge) } else { Ok(bytes) }
}

fn unreadable(error: &io::Error) -> KeyFault {
    KeyFault::Unreadable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// KM-01: every combination of mode bits, for root's files and others.
    #[test]
    fn km_01_modes() {
        for mode in 0..=0o777 {
            let verdict = |owner| check_mode(mode, owner).is_ok();
            let group_or_world_writes = mode & 0o022 != 0;
            let world_reads = mode & 0o004 != 0;
            assert_eq!(verdict(0), !group_or_world_writes && !world_reads, "{mode:o}");
            assert_eq!(verdict(1000), verdict(0) && mode & 0o040 == 0, "{mode:o}");
        }
    }
}
