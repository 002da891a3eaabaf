//! `tokenward migrate`.

use clap::Args;

use super::{GlobalArgs, Outcome, output, prepare_data_dir, start_logging};
use crate::{app, telemetry::logs::AuditLines};

/// Bring the database to this version's schema. Serving does it too; this is
/// for those who want to do it apart, before new replicas start.
#[derive(Debug, Args)]
pub(super) struct MigrateArgs {}

pub(super) async fn run(_args: MigrateArgs, global: &GlobalArgs) -> Outcome {
    let settings = global.settings(&[])?;
    start_logging(&settings, AuditLines::Silent)?;
    prepare_data_dir(&settings)?;
    for name in app::migrate(&settings).await? {
        output::line(format!("applied {name}"))?;
    }
    output::line("the database is up to date")?;
    Ok(())
}
