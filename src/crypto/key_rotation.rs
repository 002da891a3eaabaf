//! New keys by themselves. Whoever shares a folder may make the next key, and
//! one of them does: the schedule gives it one name, and a file of a name that
//! is taken is never written.

use std::{
    collections::HashSet,
    fs::{self, DirBuilder, File, TryLockError},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    generate::{GenerateError, KeyBits, generate},
    key_directory::KeyringError,
    key_fault::KeyFault,
    key_file,
    key_info::KeyInfo,
    live_keys::{KeyFolders, LiveKeys, Reload},
    port::{CryptoError, KeyPurpose, TokenKeys as _},
    worker::lower_priority,
};
use crate::domain::{
    clock::Timestamp,
    error::Fault,
    id::KeyId,
    keys::{Due, FIRST_INSTANT, RotationRules, file_name},
};

/// Why the next key was not made.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The folder cannot be made, locked or looked at.
    #[error("{}: {error}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        error: io::Error,
    },
    /// The file could not be made.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// What lies in the folders is not in order: nothing is added to it.
    #[error(transparent)]
    Faulty(#[from] KeyringError),
    /// There is a file of the name that a key should have.
    #[error("{}: there is a file of this name already", .0.display())]
    Taken(PathBuf),
    /// There was no thread to work on.
    #[error("the work ended early")]
    Ended,
    /// The schedule has left the years that file names can tell.
    #[error("no file name for the instant {0}")]
    Year(Timestamp),
}

impl From<RotationError> for CryptoError {
    fn from(error: RotationError) -> Self {
        Self::Fixed(Fault::caused_by("keys", error))
    }
}

/// Is there no key in a folder, or no folder? One that cannot be read is not
/// empty.
pub fn is_empty(folder: &Path) -> bool {
    match key_file::list(folder) {
        Ok(files) => files.is_empty(),
        Err(problem) => problem.fault == KeyFault::NoDirectory,
    }
}

/// Makes a folder for keys, for its owner only, if there is none.
pub fn make_folder(folder: &Path) -> Result<(), RotationError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| RotationError::Folder { path: folder.to_owned(), error })
}

/// Makes the first key of each folder that has none. Of several processes that
/// do so at once, all find the same keys afterwards.
pub fn make_first(folders: &KeyFolders) -> Result<(), RotationError> {
    let name = file_name(FIRST_INSTANT).ok_or(RotationError::Year(FIRST_INSTANT))?;
    for folder in KeyPurpose::ALL.map(|purpose| folders.of(purpose)) {
        make_folder(folder)?;
        if is_empty(folder) {
            make(folder, &name, KeyBits::Rsa2048)?;
        }
    }
    Ok(())
}

impl LiveKeys {
    /// Has a file no date in its name? Keys of that purpose do not change by
    /// themselves.
    pub fn has_undated(&self, now: Timestamp) -> bool {
        self.keys(now).iter().any(|key| key.signs_from.is_none())
    }

    /// Makes the keys that the schedule lacks, and takes them in. Nothing is
    /// made while another process is at it. Blocks for up to seconds a key.
    pub fn make_due(
        &self,
        now: Timestamp,
        rules: RotationRules,
    ) -> Result<Vec<PathBuf>, RotationError> {
        let mut made = Vec::new();
        for purpose in KeyPurpose::ALL {
            while let Some(path) = self.make_next(purpose, now, rules)? {
                made.push(path);
            }
        }
        Ok(made)
    }

    fn make_next(
        &self,
        purpose: KeyPurpose,
        now: Timestamp,
        rules: RotationRules,
    ) -> Result<Option<PathBuf>, RotationError> {
        let due = || self.current().due(purpose, now, rules);
        if !matches!(due(), Due::At(_)) {
            return Ok(None);
        }
        let folder = self.folders().of(purpose);
        let Some(_lock) = lock(folder)? else { return Ok(None) };
        // Another process may have made it meanwhile.
        self.reload_or_fail(now)?;
        let Due::At(instant) = due() else { return Ok(None) };
        let name = file_name(instant).ok_or(RotationError::Year(instant))?;
        let bits = self.current().newest_bits(purpose).map_or(KeyBits::Rsa2048, KeyBits::at_least);
        make(folder, &name, bits)?;
        self.reload_or_fail(now)?;
        match due() {
            Due::At(again) if again == instant => Err(RotationError::Taken(folder.join(name))),
            _ => Ok(Some(folder.join(name))),
        }
    }

    /// See [`TokenKeys::provide_successor`].
    ///
    /// [`TokenKeys::provide_successor`]: super::port::TokenKeys::provide_successor
    pub(super) async fn make_successor(
        &self,
        kid: &KeyId,
        now: Timestamp,
    ) -> Result<(), RotationError> {
        let current = self.current();
        let revoked: HashSet<_> = current.revoked().iter().chain([kid]).cloned().collect();
        let without = current.with_revoked(Arc::new(revoked));
        // Once the instant of a key comes that stood by, the one before it is over.
        let begins = current.signs_from(kid).map_or(now, |from| from.max(now));
        for purpose in KeyPurpose::ALL {
            let silent = |at| without.signing_key(purpose, at).is_none();
            if silent(now) || silent(begins) {
                self.make_at(purpose, now.floor_to_second()).await?;
                self.reload_or_fail(now)?;
            }
        }
        // Whatever else is wrong with the folders: a stolen key must go.
        Ok(())
    }

    /// See [`TokenKeys::bring_forward`].
    ///
    /// [`TokenKeys::bring_forward`]: super::port::TokenKeys::bring_forward
    pub(super) async fn advance(
        &self,
        from: Timestamp,
        now: Timestamp,
        dry_run: bool,
    ) -> Result<Vec<KeyInfo>, RotationError> {
        let current = self.current();
        for purpose in KeyPurpose::ALL {
            if !dry_run && current.standby(purpose, now).is_none() {
                self.make_at(purpose, from).await?;
            }
        }
        self.reload_or_fail(now)?;
        let current = self.current();
        let mut changed = Vec::new();
        for standby in KeyPurpose::ALL.iter().filter_map(|of| current.standby(*of, now)) {
            // One that signs early, in the place of a revoked key, keeps its
            // own: whatever came before it would sign at once.
            let signer = current.signer_instant(standby.purpose, now).map(a_second_after);
            let from = signer.map_or(from, |earliest| from.max(earliest));
            let name = file_name(from).ok_or(RotationError::Year(from))?;
            if standby.signs_from > Some(from) && !dry_run {
                rename(self.folders().of(standby.purpose), &standby.file, &name)?;
            }
            if standby.signs_from >= Some(from) {
                changed.push(KeyInfo { file: name, signs_from: Some(from), ..standby });
            }
        }
        self.reload_or_fail(now)?;
        Ok(changed)
    }

    /// Makes the newest key of a purpose, to sign from `from` on.
    async fn make_at(&self, purpose: KeyPurpose, from: Timestamp) -> Result<(), RotationError> {
        let current = self.current();
        let newest = current.newest_instant(purpose).map(a_second_after);
        let instant = newest.map_or(from, |earliest| from.max(earliest));
        let name = file_name(instant).ok_or(RotationError::Year(instant))?;
        let bits = current.newest_bits(purpose).map_or(KeyBits::Rsa2048, KeyBits::at_least);
        let folder = self.folders().of(purpose).clone();
        let made = apart(move || make(&folder, &name, bits)).await;
        made.ok_or(RotationError::Ended)?.map_err(RotationError::from)
    }

    fn reload_or_fail(&self, now: Timestamp) -> Result<(), RotationError> {
        match self.reload(now) {
            Reload::Refused(error) => Err(error.into()),
            Reload::Unchanged | Reload::Taken => Ok(()),
        }
    }
}

/// Does work on a thread of its own that gives way to others: making a key
/// takes up to seconds. `None`: there is no such thread.
pub(super) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = oneshot::channel();
    let spawned = thread::Builder::new().name("tokenward-keys".to_owned()).spawn(move || {
        lower_priority();
        // Whoever does not wait any more has been told to stop.
        drop(sender.send(work()));
    });
    if let Err(error) = spawned {
        tracing::error!(%error, "no thread to look at the keys");
    }
    receiver.await.ok()
}

/// The first instant after that of another key.
fn a_second_after(instant: Timestamp) -> Timestamp {
    instant.plus(Duration::from_secs(1))
}

/// At once for whoever looks: the key has the one name or the other.
fn rename(folder: &Path, from: &str, to: &str) -> Result<(), RotationError> {
    let (from, to) = (folder.join(from), folder.join(to));
    if to.exists() {
        return Err(RotationError::Taken(to));
    }
    let renamed = fs::rename(from, to).and_then(|()| File::open(folder)?.sync_all());
    renamed.map_err(|error| RotationError::Folder { path: folder.to_owned(), error })
}

/// Whoever came first has made it.
fn make(folder: &Path, name: &str, bits: KeyBits) -> Result<(), GenerateError> {
    match generate(folder, name, bits) {
        Ok(_) | Err(GenerateError::Exists(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Keeps others from making a key in vain, until the lock is dropped. `None`:
/// somebody else has it. On file systems without locks the name alone decides
/// who wins.
fn lock(folder: &Path) -> Result<Option<File>, RotationError> {
    let opened = File::open(folder);
    let folder =
        opened.map_err(|error| RotationError::Folder { path: folder.to_owned(), error })?;
    match folder.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(None),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(folder)),
    }
}
