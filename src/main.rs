//! Arguments to command; no logic.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    tokenward::cli::Cli::parse().run()
}
