//! The keys in use, which follow the directories and the revocation log.
//!
//! Whoever signs or checks takes one whole [`Keyring`]. Another one comes in
//! its place when the directories have changed and are good as a whole, or
//! when a key was revoked. On any doubt the old one stays.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use async_trait::async_trait;

use super::{
    key_directory::{self, KeyringError},
    key_fault::{KeyFault, KeyProblem},
    key_info::KeyInfo,
    keyring::{Keyring, TokenLives},
    port::{CryptoError, JwksDocument, KeyPurpose, TokenKeys},
    workers::Workers,
};
use crate::domain::{
    clock::Timestamp,
    id::KeyId,
    revocation::RevokedKeys,
    token::{CompactToken, TokenType},
};

/// Where keys lie.
#[derive(Clone, Debug)]
pub struct KeyFolders {
    /// Those of access tokens.
    pub access: PathBuf,
    /// Those of refresh tokens.
    pub refresh: PathBuf,
}

impl KeyFolders {
    /// The folder of one purpose.
    pub const fn of(&self, purpose: KeyPurpose) -> &PathBuf {
        match purpose {
            KeyPurpose::Access => &self.access,
            KeyPurpose::Refresh => &self.refresh,
        }
    }
}

/// The keys in use.
#[derive(Debug)]
pub struct LiveKeys {
    folders: KeyFolders,
    lives: TokenLives,
    workers: Arc<Workers>,
    revoked: Arc<RevokedKeys>,
    keyring: ArcSwap<Keyring>,
    seen: Mutex<Seen>,
}

/// What the last look at the directories showed.
#[derive(Clone, Debug)]
struct Seen {
    /// Of the keys in use; `None`: look at everything again.
    fingerprint: Option<Vec<u8>>,
    /// When the directories were last found good.
    good_at: Timestamp,
    fault: Option<KeyringError>,
}

/// What came of a look at the directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// They are as they were.
    Unchanged,
    /// Their keys are in use from now on.
    Taken,
    /// They cannot be used as they are; the keys in use stay.
    Refused(KeyringError),
}

impl LiveKeys {
    /// Reads both directories, or says everything that is wrong with them.
    /// Blocks for about a millisecond a key.
    pub fn load(
        folders: KeyFolders,
        lives: TokenLives,
        revoked: Arc<RevokedKeys>,
        workers: Arc<Workers>,
        now: Timestamp,
    ) -> Result<Self, KeyringError> {
        let fingerprint = key_directory::fingerprint(&folders.access, &folders.refresh);
        let keyring =
            Keyring::load(&folders.access, &folders.refresh, lives, Arc::clone(&workers))?;
        let seen = Mutex::new(Seen { fingerprint, good_at: now, fault: None });
        Ok(Self { folders, lives, workers, revoked, keyring: ArcSwap::from_pointee(keyring), seen })
    }

    /// Looks at the directories, and takes their keys if all is well with
    /// them. Blocks for about a millisecond a key when something has changed.
    pub fn reload(&self, now: Timestamp) -> Reload {
        // One look at a time: an older one must not overtake a newer one.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken before the keys are read: what changes in between is seen by
        // the next look.
        let fingerprint = key_directory::fingerprint(&self.folders.access, &self.folders.refresh);
        let known = fingerprint.is_some() && fingerprint == seen.fingerprint;
        if known && seen.fault.is_none() {
            seen.good_at = now;
            return Reload::Unchanged;
        }
        match self.load_successor(now) {
            Ok(keyring) => {
                self.keyring.store(Arc::new(keyring));
                *seen = Seen { fingerprint, good_at: now, fault: None };
                if known { Reload::Unchanged } else { Reload::Taken }
            }
            Err(error) => {
                seen.fault = Some(error.clone());
                Reload::Refused(error)
            }
        }
    }

    /// When the directories were last found good.
    pub fn good_at(&self) -> Timestamp {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).good_at
    }

    /// Where the keys lie.
    pub const fn folders(&self) -> &KeyFolders {
        &self.folders
    }

    /// The keys as they are now.
    pub fn current(&self) -> Arc<Keyring> {
        let (keyring, revoked) = (self.keyring.load_full(), self.revoked.all());
        if Arc::ptr_eq(keyring.revoked(), &revoked) {
            return keyring;
        }
        self.keyring.rcu(|keyring| keyring.with_revoked(Arc::clone(&revoked)));
        self.keyring.load_full()
    }

    /// What the directories hold, unless the keys in use are safer.
    fn load_successor(&self, now: Timestamp) -> Result<Keyring, KeyringError> {
        let KeyFolders { access, refresh } = &self.folders;
        let next = Keyring::load(access, refresh, self.lives, Arc::clone(&self.workers))?;
        let (next, current) = (next.with_revoked(self.revoked.all()), self.current());
        let missed = current.missed_in(&next, now).into_iter().map(|key| KeyProblem {
            path: self.folders.of(key.purpose).join(key.file),
            fault: KeyFault::Gone,
        });
        let silent = KeyPurpose::ALL.into_iter().filter(|purpose| {
            current.signing_key(*purpose, now).is_some()
                && next.signing_key(*purpose, now).is_none()
        });
        let silent = silent.map(|purpose| KeyProblem {
            path: self.folders.of(purpose).clone(),
            fault: KeyFault::NothingSigns,
        });
        let problems: Vec<_> = missed.chain(silent).collect();
        if problems.is_empty() { Ok(next) } else { Err(KeyringError { problems }) }
    }
}

#[async_trait]
impl TokenKeys for LiveKeys {
    async fn sign(
        &self,
        token_type: TokenType,
        claims_json: String,
        at: Timestamp,
    ) -> Result<String, CryptoError> {
        self.current().sign(token_type, claims_json, at).await
    }

    /// Whether the key was revoked, the log is asked.
    fn check(&self, token: &CompactToken<'_>, now: Timestamp) -> Option<KeyPurpose> {
        self.keyring.load().check(token, now)
    }

    fn jwks(&self, now: Timestamp) -> Arc<JwksDocument> {
        self.current().jwks(now)
    }

    fn keys(&self, now: Timestamp) -> Vec<KeyInfo> {
        self.current().keys(now)
    }

    fn can_sign(&self, now: Timestamp) -> bool {
        self.current().can_sign(now)
    }

    fn fault(&self) -> Option<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.fault.as_ref().map(ToString::to_string)
    }

    async fn provide_successor(&self, kid: &KeyId, now: Timestamp) -> Result<(), CryptoError> {
        Ok(self.make_successor(kid, now).await?)
    }

    async fn bring_forward(
        &self,
        from: Timestamp,
        now: Timestamp,
        dry_run: bool,
    ) -> Result<Vec<KeyInfo>, CryptoError> {
        Ok(self.advance(from, now, dry_run).await?)
    }
}
