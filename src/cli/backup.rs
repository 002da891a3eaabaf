//! `tokenward backup`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{GlobalArgs, Outcome, output, start_logging};
use crate::{
    app,
    backup::{
        archive::{self, Contents},
        manifest::{FORMAT, Manifest},
        new_file::{NewFile, Temporary, beside},
    },
    config::Settings,
    crypto::{provider, stored_keys},
    domain::clock::{Clock as _, SystemClock},
    telemetry::logs::AuditLines,
};

const EXAMPLES: &str = "\
Examples:
  tokenward backup --out /backups/2026-12-01.tar
  tokenward backup --out /backups/2026-12-01.tar --json

The file holds private keys and password hashes: encrypt what leaves the machine. With PostgreSQL
it holds the keys alone, and pg_dump copies the database. See docs/operations.md.";

/// Copy keys and the embedded database into one file, while the server runs.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct BackupArgs {
    /// The file to make. One that is there is never overwritten.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Say what was done as one JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: BackupArgs, global: &GlobalArgs) -> Outcome {
    let settings = global.settings(&[])?;
    start_logging(&settings, AuditLines::Silent)?;
    provider::install()?;
    let new = NewFile::create(&args.out)?;
    let keys = stored_keys::read_all(&settings.access_keys_dir(), &settings.refresh_keys_dir())?;
    eprintln!("keys: {}", keys.len());
    let copy = copy(&settings, &args.out).await?;
    let mut manifest = Manifest {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        created: SystemClock::new().now().floor_to_second().to_string(),
        issuer: settings.issuer.clone(),
        epoch: None,
        files: Vec::new(),
    };
    if let Some(copy) = &copy {
        let seen = app::inspect(&settings, Some(copy.path())).await?;
        manifest.issuer = seen.issuer.unwrap_or(manifest.issuer);
        manifest.epoch = seen.epoch.map(|epoch| epoch.to_string());
    }
    let database = copy.as_ref().map(|copy| copy.path().to_owned());
    let contents = Contents { keys, database };
    let write = move || archive::write(new, manifest, &contents);
    let manifest = tokio::task::spawn_blocking(write).await??;
    drop(copy);
    report(&args, &manifest)
}

/// A copy of the embedded database beside the file that it will be part of.
async fn copy(settings: &Settings, out: &Path) -> anyhow::Result<Option<Temporary>> {
    let Some(file) = app::database_file(settings)? else {
        eprintln!("database: not copied, it is PostgreSQL's: use pg_dump beside this");
        return Ok(None);
    };
    let (copy, _) = Temporary::create(&beside(out, "db"))?;
    app::snapshot(settings, &file, copy.path()).await?;
    eprintln!("database: copied {} bytes", copy.path().metadata()?.len());
    Ok(Some(copy))
}

fn report(args: &BackupArgs, manifest: &Manifest) -> Outcome {
    let out = args.out.display();
    if args.json {
        return output::line(json!({
            "file": out.to_string(),
            "issuer": manifest.issuer,
            "database": manifest.has_database(),
            "epoch": manifest.epoch,
            "files": manifest.files,
        }));
    }
    output::line(format_args!("{out}: made, of {}", manifest.issuer))
}
