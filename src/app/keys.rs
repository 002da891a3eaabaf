//! The keys of a server.

use std::sync::Arc;

use super::{StartError, options::key_folders};
use crate::{
    config::Settings,
    crypto::{
        keyring::TokenLives,
        live_keys::LiveKeys,
        port::{KeyPurpose, KeyState, TokenKeys as _},
        workers::Workers,
    },
    domain::{clock::Timestamp, revocation::RevokedKeys},
    telemetry::metrics::{KeyKnowledge, KeySetKnowledge},
};

/// Reading and checking keys takes milliseconds of pure work each.
pub(super) async fn load(
    settings: &Settings,
    lives: TokenLives,
    revoked: Arc<RevokedKeys>,
    workers: Arc<Workers>,
    now: Timestamp,
) -> Result<Arc<LiveKeys>, StartError> {
    let folders = key_folders(settings);
    let load = move || LiveKeys::load(folders, lives, revoked, workers, now);
    let loaded = tokio::task::spawn_blocking(load).await;
    Ok(Arc::new(loaded.map_err(|error| StartError::Workers(error.to_string()))??))
}

/// What the metrics say of keys.
pub(super) fn knowledge(keys: &LiveKeys, now: Timestamp) -> KeyKnowledge {
    let listed = keys.keys(now);
    let in_state = |state, purpose| {
        listed.iter().filter(move |key| key.state == state && key.purpose == purpose)
    };
    let of = |purpose| KeySetKnowledge {
        age: in_state(KeyState::Signing, purpose)
            .find_map(|key| key.signs_from)
            .map(|from| now.since(from)),
        standby: in_state(KeyState::Standby, purpose).count(),
    };
    KeyKnowledge {
        faulty: keys.fault().is_some(),
        staleness: now.since(keys.good_at()),
        access: of(KeyPurpose::Access),
        refresh: of(KeyPurpose::Refresh),
    }
}
