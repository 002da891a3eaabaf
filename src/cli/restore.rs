//! `tokenward restore`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{Failure, GlobalArgs, Outcome, output, ports, prepare_data_dir, start_logging};
use crate::{
    app::{self, Environment},
    backup::{
        archive::Backup,
        stage::{Site, Stage},
    },
    config::Settings,
    crypto::{port::KeyPurpose, provider, stored_keys},
    store::Renewed,
    telemetry::logs::AuditLines,
};

const EXAMPLES: &str = "\
Examples:
  tokenward restore /backups/2026-12-01.tar                   everybody logs in again
  tokenward restore /backups/2026-12-01.tar --trust-backup    nothing was lost since it was made
  tokenward restore --database-only                           after pg_restore, or a snapshot

Without --trust-backup every session and every token ends, since the backup may have forgotten
that one of them had ended. See docs/operations.md.";

/// Put a backup where nothing is, and end every session that it may have
/// forgotten the end of.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RestoreArgs {
    /// The backup. Its keys, and its database if it has one, are put where the
    /// configuration says; nothing may be there, and no server may run.
    #[arg(required_unless_present = "database_only")]
    file: Option<PathBuf>,
    /// Restore no file: the configured database was restored by other means,
    /// such as pg_restore.
    #[arg(long, conflicts_with = "file")]
    database_only: bool,
    /// Nothing was lost since the backup was made: sessions and tokens live on.
    #[arg(long)]
    trust_backup: bool,
    /// Say what was done as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: RestoreArgs, global: &GlobalArgs) -> Outcome {
    let settings = global.settings(&[])?;
    start_logging(&settings, AuditLines::Silent)?;
    provider::install()?;
    let renewed = match &args.file {
        Some(file) => restore(file, &settings, args.trust_backup).await?,
        None => Some(renew(&settings, None, args.trust_backup).await?),
    };
    report(&args, renewed.as_ref())
}

/// `None`: the backup has no database.
async fn restore(
    file: &Path,
    settings: &Settings,
    trusted: bool,
) -> Result<Option<Renewed>, Failure> {
    let backup = Backup::open(file)?;
    let site = site(&backup, settings)?;
    site.check_vacant()?;
    check_stopped(settings)?;
    prepare_data_dir(settings)?;
    let stage = site.stage()?;
    let stage = tokio::task::spawn_blocking(move || unpack(&backup, stage)).await??;
    let renewed = match stage.database() {
        Some(database) => Some(renew(settings, Some(database), trusted).await?),
        None => None,
    };
    stage.place()?;
    Ok(renewed)
}

/// Where the backup goes, if it is one of what is configured.
fn site(backup: &Backup, settings: &Settings) -> anyhow::Result<Site> {
    let (manifest, configured) = (backup.manifest(), &settings.issuer);
    let found = &manifest.issuer;
    anyhow::ensure!(
        found == configured,
        "the backup is of the issuer {found}, not of {configured}: set issuer to that value"
    );
    let database = app::database_file(settings)?;
    match (&database, manifest.has_database()) {
        (None, true) => anyhow::bail!(
            "the backup holds an embedded database, and database.url is PostgreSQL's: remove it"
        ),
        (Some(_), false) => anyhow::bail!(
            "the backup holds no database, it was made beside PostgreSQL: set database.url"
        ),
        _ => Ok(Site { keys_dir: settings.keys_dir(), database }),
    }
}

/// A server that runs would go on with what it had, and write over what comes.
fn check_stopped(settings: &Settings) -> anyhow::Result<()> {
    let taken = ports::configured(settings).into_iter().find(|(_, at)| ports::is_in_use(*at));
    match taken {
        Some((setting, address)) => anyhow::bail!(
            "{setting}: {address} is in use: stop the server first, or try the backup beside it \
             with other addresses"
        ),
        None => Ok(()),
    }
}

fn unpack(backup: &Backup, stage: Stage) -> anyhow::Result<Stage> {
    backup.unpack(&stage)?;
    eprintln!("{} files are whole", backup.manifest().files.len());
    stored_keys::check(&stage.keys(KeyPurpose::Access), &stage.keys(KeyPurpose::Refresh))?;
    Ok(stage)
}

async fn renew(
    settings: &Settings,
    file: Option<&Path>,
    trusted: bool,
) -> Result<Renewed, Failure> {
    let renewed = app::renew(settings, file, &Environment::system(), trusted).await?;
    match renewed.revocation_seq {
        Some(seq) => {
            eprintln!("database: everything is revoked; revocation sequence number {seq}");
        }
        None => eprintln!("database: the backup is trusted, nothing is revoked"),
    }
    Ok(renewed)
}

fn report(args: &RestoreArgs, renewed: Option<&Renewed>) -> Outcome {
    if args.json {
        return output::line(json!({
            "keys": args.file.is_some(),
            "database": renewed.is_some(),
            "epoch": renewed.map(|renewed| renewed.epoch.to_string()),
            "revocation_seq": renewed.and_then(|renewed| renewed.revocation_seq),
        }));
    }
    match renewed {
        None => output::line(
            "keys restored. After pg_restore, and before a server starts: tokenward restore \
             --database-only",
        ),
        Some(renewed) => output::line(format_args!("restored; the new epoch is {}", renewed.epoch)),
    }
}
