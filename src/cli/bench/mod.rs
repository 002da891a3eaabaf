//! `tokenward bench`: reports that hold claims against a real server.
//!
//! Each works in a scratch folder (`scratch`), and fails when a claim does not
//! hold. What is said of a server is measured from outside: the same program as
//! a child process, and the real client.

mod echo;
mod frames;
mod login_storm;
mod login_timing;
mod process;
mod revocations;
mod samples;
mod scratch;
mod steady;
mod verify;

use std::{fmt::Display, fs, path::PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde::Serialize;

use super::{Failure, Outcome, output, serve};

#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// Do the times of refused logins tell anything about accounts?
    #[command(after_help = login_timing::EXAMPLES)]
    LoginTiming(login_timing::LoginTimingArgs),
    /// Do memory and Verify's times stay as they are during a storm of logins?
    #[command(after_help = login_storm::EXAMPLES)]
    LoginStorm(login_storm::LoginStormArgs),
    /// What does a Verify cost beside an empty call on the same stack?
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::VerifyArgs),
    /// An empty call, for others to be compared with.
    #[command(hide = true)]
    Echo(echo::EchoArgs),
    /// Do Verify's cost and an entry's memory stay small, however much is revoked?
    #[command(after_help = revocations::EXAMPLES)]
    Revocations(revocations::RevocationsArgs),
}

/// Where a report goes.
#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArgs {
    /// Write the report to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// As JSON instead of a table.
    #[arg(long)]
    json: bool,
}

/// What was measured: a table, or JSON.
trait Report: Display + Serialize {
    /// The claims that do not hold.
    fn broken(&self) -> Vec<String>;
}

/// On what something was measured.
#[derive(Debug, Serialize)]
struct Machine {
    version: &'static str,
    build: &'static str,
    cores: usize,
    /// How many threads wanted a core in the last minute, before the report.
    load: Option<f64>,
}

impl Machine {
    fn this() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            load: process::load(),
        }
    }
}

impl Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { version, build, cores, load } = self;
        write!(f, "tokenward {version}, {build} build, {cores} cores")?;
        load.map_or(Ok(()), |load| write!(f, ", load {load} before"))
    }
}

pub(super) async fn run(command: BenchCommand) -> Outcome {
    let stop = serve::stop_on_signal()?;
    // An interrupted report takes its server along, and leaves no folder.
    tokio::select! {
        biased;
        outcome = measure(command) => outcome,
        () = stop.cancelled() => Err(anyhow::anyhow!("interrupted").into()),
    }
}

async fn measure(command: BenchCommand) -> Outcome {
    match command {
        BenchCommand::LoginTiming(args) => {
            let report = login_timing::measure(&args).await?;
            publish(&report, &args.report)
        }
        BenchCommand::LoginStorm(args) => {
            let report = login_storm::measure(&args).await?;
            publish(&report, &args.report)
        }
        BenchCommand::Verify(args) => {
            let report = verify::measure(&args).await?;
            publish(&report, &args.report)
        }
        BenchCommand::Echo(args) => echo::serve(args).await,
        BenchCommand::Revocations(args) => {
            let report = revocations::measure(&args).await?;
            publish(&report, &args.report)
        }
    }
}

fn publish(report: &impl Report, args: &ReportArgs) -> Outcome {
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(report)?)
    } else {
        report.to_string()
    };
    match &args.out {
        None => output::text(text)?,
        Some(path) => {
            let written = fs::write(path, text);
            written.with_context(|| format!("{} cannot be written", path.display()))?;
        }
    }
    let broken = report.broken();
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(anyhow::anyhow!("does not hold: {}", broken.join("; "))))
}

/// Passed, or not; for tables.
fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "DOES NOT HOLD" }
}
