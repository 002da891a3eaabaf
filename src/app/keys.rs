//! The keys of a server.

use std::sync::Arc;

use super::{StartError, options::key_folders};
use crate::{
    config::Settings,
    crypto::{
        key_rotation::{is_empty, make_first},
        keyring::TokenLives,
        live_keys::LiveKeys,
        port::{KeyPurpose, KeyState, TokenKeys as _},
        workers::Workers,
    },
    domain::{clock::Timestamp, revocation::RevokedKeys},
    store::port::Store,
    telemetry::metrics::{KeyKnowledge, KeySetKnowledge},
};

/// Makes the first keys for a new database, and refuses one whose keys are
/// gone. Must come before the database is claimed: whoever finds it claimed
/// also finds the keys of whoever claimed it.
pub(super) async fn provide_first(
    settings: &Settings,
    store: &dyn Store,
) -> Result<(), StartError> {
    let owner = store.issuer().await?;
    let folders = key_folders(settings);
    let Some(empty) = KeyPurpose::ALL.iter().map(|of| folders.of(*of)).find(|of| is_empty(of))
    else {
        return Ok(());
    };
    match owner {
        Some(issuer) if issuer == settings.issuer => Err(StartError::KeysGone(empty.clone())),
        None if settings.keys.rotation => {
            let made = tokio::task::spawn_blocking(move || make_first(&folders)).await;
            Ok(made.map_err(|error| StartError::Workers(error.to_string()))??)
        }
        // Somebody else's database is refused when it is claimed, and keys that
        // are missing when they are loaded.
        Some(_) | None => Ok(()),
    }
}

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
