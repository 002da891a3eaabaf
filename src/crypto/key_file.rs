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

/// The files of a directory that count as keys, in byte order: all but
/// `*.pub`, those whose name starts with a dot, and directories.
pub(super) fn list(directory: &Path) -> Result<Vec<PathBuf>, KeyProblem> {
    let problem = |fault| KeyProblem { path: directory.to_owned(), fault };
    check_directory(directory).map_err(problem)?;
    let unreadable = |error: io::Error| problem(unreadable(&error));
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if counts_as_key(&path) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads, parses and checks a key file.
pub(super) fn load(file: &Path) -> Result<SigningKey, KeyFault> {
    let bytes = read(file)?;
    SigningKey::new(&key_check::check(pem::parse(&bytes)?)?)
}

/// Nobody but its owner may add keys. A mounted Kubernetes secret looks as if
/// all could (root's, mode 1777, read-only): there it is the owner of each
/// file that counts, as everywhere.
fn check_directory(path: &Path) -> Result<(), KeyFault> {
    let metadata = fs::metadata(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => KeyFault::NoDirectory,
        _ => unreadable(&error),
    })?;
    let mode = metadata.mode();
    let shared = mode & WRITABLE_BY_OTHERS != 0;
    if shared && (mode & STICKY == 0 || metadata.uid() != 0) {
        return Err(KeyFault::OpenDirectory(mode & 0o7777));
    }
    Ok(())
}

/// What is looked at before opening (a FIFO would block) is looked at again
/// after, on the file that was really opened.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(&error))?;
    check_metadata(&metadata)?;
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    check_metadata(&file.metadata().map_err(|error| unreadable(&error))?)?;
    read_bounded(file)
}

fn check_metadata(metadata: &Metadata) -> Result<(), KeyFault> {
    if !metadata.is_file() {
        return Err(KeyFault::NotAFile);
    }
    check_owner(metadata.uid(), rustix::process::geteuid().as_raw())?;
    check_mode(metadata.mode() & 0o7777, metadata.uid())
}

/// Whoever owns a file can change it at any time, and has read it.
fn check_owner(owner: u32, own: u32) -> Result<(), KeyFault> {
    if owner == 0 || owner == own { Ok(()) } else { Err(KeyFault::ForeignOwner(owner)) }
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

    /// KM-01: only root and we ourselves.
    #[test]
    fn km_01_owners() {
        for (owner, own, accepted) in [(0, 0, true), (0, 1000, true), (1000, 1000, true)]
            .into_iter()
            .chain([(1000, 0, false), (1001, 1000, false)])
        {
            assert_eq!(check_owner(owner, own).is_ok(), accepted, "{owner} {own}");
        }
    }

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
