//! `tokenward migrate`.

use clap::Args;

use super::{GlobalArgs, Outcome};

/// Bring the database to this version's schema. Serving does it too; this is
/// for those who want to do it apart, before new replicas start.
#[derive(Debug, Args)]
pub(super) struct MigrateArgs {}

pub(super) async fn run(_args: MigrateArgs, global: &GlobalArgs) -> Outcome {
    let core = global.core().await?;
    core.store.close().await;
    println!("the database is up to date");
    Ok(())
}
