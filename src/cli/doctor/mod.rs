//! `tokenward doctor`: looks at everything that a server needs, and changes
//! nothing.

mod database;
mod issuer;
mod keys;
mod ports;
mod tls;

use std::{fmt, time::Duration};

use clap::Args;
use serde_json::json;

use super::{GlobalArgs, Outcome, healthcheck::duration, output};
use crate::{config::Settings, crypto::provider, listener::tls::install_crypto_provider};

const EXAMPLES: &str = "\
Examples:
  tokenward doctor
  tokenward --config tokenward.toml doctor --json

Exit code 0: nothing is wrong, though there may be warnings; 1: something is. It works whether a
server runs or not, and changes nothing.";

/// Look at keys, database, clocks, certificates, listeners and the issuer, and
/// say what is wrong and how to mend it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DoctorArgs {
    /// How long to wait for each answer over the network.
    #[arg(long, default_value = "3s", value_parser = duration)]
    timeout: Duration,
    /// PEM file with the certificate authority of the issuer's address, if
    /// browsers do not know it.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<std::path::PathBuf>,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    Error,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What one check has found.
#[derive(Clone, Debug)]
struct Finding {
    check: &'static str,
    level: Level,
    what: String,
    /// How to mend it; empty where nothing is wrong.
    mend: String,
}

impl Finding {
    fn ok(check: &'static str, what: impl fmt::Display) -> Self {
        Self { check, level: Level::Ok, what: what.to_string(), mend: String::new() }
    }

    fn warning(check: &'static str, what: impl fmt::Display, mend: impl fmt::Display) -> Self {
        let (what, mend) = (what.to_string(), mend.to_string());
        Self { check, level: Level::Warning, what, mend }
    }

    fn error(check: &'static str, what: impl fmt::Display, mend: impl fmt::Display) -> Self {
        Self { level: Level::Error, ..Self::warning(check, what, mend) }
    }
}

pub(super) async fn run(args: DoctorArgs, global: &GlobalArgs) -> Outcome {
    let settings = global.settings(&[])?;
    install_crypto_provider();
    provider::install()?;
    let findings = look(&args, &settings).await;
    for finding in &findings {
        output::line(if args.json { as_json(finding) } else { as_line(finding) })?;
    }
    match findings.iter().filter(|finding| finding.level == Level::Error).count() {
        0 => Ok(()),
        wrong => Err(anyhow::anyhow!("{wrong} of {} checks failed", findings.len()).into()),
    }
}

async fn look(args: &DoctorArgs, settings: &Settings) -> Vec<Finding> {
    let (in_database, revoked) = database::check(settings).await;
    let (mut findings, _) = keys::check(settings, revoked.clone());
    let jwks = || keys::check(settings, revoked.clone()).1;
    findings.extend(in_database);
    findings.extend(tls::check(settings));
    let listeners = ports::check(settings, args.timeout).await;
    let serves = listeners.iter().any(|listener| listener.is_taken);
    findings.extend(listeners.into_iter().map(|listener| listener.finding));
    findings.extend(issuer::check(args, settings, jwks, serves).await);
    findings
}

fn as_json(finding: &Finding) -> String {
    let Finding { check, level, what, mend } = finding;
    json!({ "check": check, "level": level.as_str(), "what": what, "mend": mend }).to_string()
}

fn as_line(finding: &Finding) -> String {
    let Finding { check, level, what, mend } = finding;
    let mend = if mend.is_empty() { String::new() } else { format!("\n{:20}-> {mend}", "") };
    format!("{:8} {check:10} {what}{mend}", level.as_str())
}
