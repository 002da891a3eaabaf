//! What backups and restores do with the database.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::{
    Access, Environment, StartError, instance,
    options::{database_url, store_options},
};
use crate::{
    config::Settings,
    crypto::digest::sha256,
    domain::{
        audit::{Actor, Origin},
        entropy::random_uuid,
    },
    store::{self, ConnectError, Inspection, InspectionError, Renewal, RenewalError, Renewed},
};

/// The file of the embedded database; `None` with PostgreSQL.
pub fn database_file(settings: &Settings) -> Result<Option<PathBuf>, ConnectError> {
    store::sqlite_file(&database_url(settings))
}

/// Copies the embedded database to `target`, an empty file.
pub async fn snapshot(settings: &Settings, file: &Path, target: &Path) -> Result<(), ConnectError> {
    store::snapshot(file, store_options(settings, Access::Manage), target).await
}

/// Looks at the configured database, or at the one in `file`, and changes
/// nothing.
pub async fn inspect(
    settings: &Settings,
    file: Option<&Path>,
) -> Result<Inspection, InspectionError> {
    store::inspect(&url(settings, file), store_options(settings, Access::Manage)).await
}

/// Renews the configured database, or the one in `file`, which was restored.
pub async fn renew(
    settings: &Settings,
    file: Option<&Path>,
    environment: &Environment,
    trusted: bool,
) -> Result<Renewed, StartError> {
    let policy = settings.policy().map_err(StartError::Config)?;
    let origin =
        Origin { actor: Actor::Operator, source: String::new(), request_id: String::new() };
    let renewal = Renewal {
        instance: instance(&policy, Some(policy.issuer.clone()), environment)?,
        trusted,
        entry_id: random_uuid(environment.entropy.as_ref())?,
        origin,
    };
    let options = store_options(settings, Access::Manage);
    let renewed = store::renew(&url(settings, file), options, sha256, renewal).await;
    renewed.map_err(|error| match error {
        RenewalError::Connect(error) => StartError::Connect(error),
        RenewalError::Store(error) => StartError::Store(error),
        RenewalError::OtherIssuer(found) => {
            StartError::OtherIssuer { found, configured: policy.issuer }
        }
    })
}

fn url(settings: &Settings, file: Option<&Path>) -> SecretString {
    match file {
        Some(file) => SecretString::from(format!("sqlite:{}", file.display())),
        None => database_url(settings),
    }
}
