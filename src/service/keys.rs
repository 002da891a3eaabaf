//! What administrators see of keys, and do with them.

use std::time::Duration;

use crate::domain::{
    audit::{Action, Event},
    clock::Timestamp,
    error::AuthError,
    id::KeyId,
};

pub use crate::crypto::port::{KeyInfo, KeyPurpose, KeyState};

use super::{Administrator, Auth, revoke::RevokeTarget};

/// When the keys that stand by should sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotateWhen {
    /// When every cache has had the time to learn of them.
    Published,
    /// When every replica knows.
    Immediately,
}

/// How a key was revoked, or would be.
#[derive(Clone, Debug)]
pub struct KeyRevoked {
    /// The key.
    pub key: KeyInfo,
    /// The number of the revocation; 0 if it was only asked about.
    pub seq: i64,
    /// The key that signs in its place; `None`: one would have to be made.
    pub signs_now: Option<KeyInfo>,
}

impl Auth {
    /// Every key that this process holds, access keys first.
    pub fn keys(&self, _: &Administrator) -> Vec<KeyInfo> {
        self.keys.keys(self.now())
    }

    /// Lets the keys that stand by sign earlier than scheduled, and gives those
    /// for which that is news. `dry_run`: only says so.
    pub async fn rotate_keys(
        &self,
        when: RotateWhen,
        dry_run: bool,
        admin: &Administrator,
    ) -> Result<Vec<KeyInfo>, AuthError> {
        let now = self.now();
        let rules = self.policy.keys;
        let wait = match when {
            RotateWhen::Published => rules.publish_lead,
            RotateWhen::Immediately => rules.reload_time,
        };
        let from = now.plus(wait).plus(Duration::from_secs(1)).floor_to_second();
        let keys = self.keys.bring_forward(from, now, dry_run).await?;
        if !dry_run && !keys.is_empty() {
            let event = Event::new(Action::RotateKeys, &admin.origin(), now);
            self.store.record(event.detail(files(&keys))).await?;
        }
        Ok(keys)
    }

    /// Revokes a key: first another one is made if none stands by, then the
    /// entry is written that kills everywhere what it signed. `dry_run`: only
    /// says what would happen.
    pub async fn revoke_key(
        &self,
        kid: &KeyId,
        dry_run: bool,
        admin: &Administrator,
    ) -> Result<KeyRevoked, AuthError> {
        let now = self.now();
        let key = self.key(kid, now).ok_or(AuthError::NotFound("key"))?;
        if dry_run {
            let signs_now = self.successor(&key, now);
            return Ok(KeyRevoked { key, seq: 0, signs_now });
        }
        if key.state != KeyState::Revoked {
            self.keys.provide_successor(kid, now).await?;
        }
        let target = RevokeTarget::Key(kid.clone());
        let seq = self.revoke(target, admin).await?.unwrap_or_default();
        let signs = |info: &KeyInfo| info.purpose == key.purpose && info.state == KeyState::Signing;
        let signs_now = self.keys.keys(now).into_iter().find(signs);
        Ok(KeyRevoked { key: self.key(kid, now).unwrap_or(key), seq, signs_now })
    }

    fn key(&self, kid: &KeyId, now: Timestamp) -> Option<KeyInfo> {
        self.keys.keys(now).into_iter().find(|key| key.kid == *kid)
    }

    /// What would sign without this key.
    fn successor(&self, key: &KeyInfo, now: Timestamp) -> Option<KeyInfo> {
        let mut keys = self.keys.keys(now);
        keys.retain(|other| other.purpose == key.purpose && other.kid != key.kid);
        let wanted =
            if key.state == KeyState::Signing { KeyState::Standby } else { KeyState::Signing };
        keys.into_iter().find(|other| other.state == wanted)
    }
}

fn files(keys: &[KeyInfo]) -> String {
    let files = keys.iter().map(|key| match key.purpose {
        KeyPurpose::Access => format!("access/{}", key.file),
        KeyPurpose::Refresh => format!("refresh/{}", key.file),
    });
    files.collect::<Vec<_>>().join(" ")
}
