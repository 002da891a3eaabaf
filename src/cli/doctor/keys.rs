//! The key folders: permissions, every key, and whether one signs.

use std::{collections::HashSet, sync::Arc};

use super::Finding;
use crate::{
    cli::{Failure, keys},
    config::Settings,
    crypto::{
        key_directory::KeyringError,
        key_info::KeyState,
        port::{JwksDocument, KeyPurpose, TokenKeys as _},
    },
    domain::{
        clock::{Clock as _, SystemClock},
        id::KeyId,
    },
};

const CHECK: &str = "keys";

/// What was found, and the JWKS that these keys give. The files of revoked ones
/// stay, and do not count.
pub(super) fn check(
    settings: &Settings,
    revoked: HashSet<KeyId>,
) -> (Vec<Finding>, Option<Arc<JwksDocument>>) {
    let keyring = match keys::load(settings) {
        Ok(keyring) => keyring.with_revoked(Arc::new(revoked)),
        Err(failure) => return (unusable(&failure), None),
    };
    let now = SystemClock::new().now();
    let all = keyring.keys(now);
    let signs = |purpose| {
        let mut of_purpose = all.iter().filter(|key| key.purpose == purpose);
        of_purpose.find(|key| key.state == KeyState::Signing)
    };
    let found = [KeyPurpose::Access, KeyPurpose::Refresh].map(|purpose| match signs(purpose) {
        Some(key) => Finding::ok(CHECK, format_args!("{} signs {}", key.file, tokens(purpose))),
        None => Finding::error(
            CHECK,
            format_args!("no key signs {} now", tokens(purpose)),
            "all keys begin later: see `tokenward keys list`, and give the folder one for now",
        ),
    });
    (found.into(), Some(keyring.jwks(now)))
}

fn tokens(purpose: KeyPurpose) -> &'static str {
    match purpose {
        KeyPurpose::Access => "access tokens",
        KeyPurpose::Refresh => "refresh tokens",
    }
}

/// Each problem by itself: all of them have to go.
fn unusable(failure: &Failure) -> Vec<Finding> {
    let mend = "put right or remove the file; `tokenward keys generate` makes keys where there \
                are none, and `tokenward restore` brings those of a backup back";
    let Failure::Failed(error) = failure else {
        return vec![Finding::error(CHECK, "the settings of the keys are wrong", mend)];
    };
    match error.downcast_ref::<KeyringError>() {
        Some(KeyringError { problems }) => {
            problems.iter().map(|problem| Finding::error(CHECK, problem, mend)).collect()
        }
        None => vec![Finding::error(CHECK, error, mend)],
    }
}
