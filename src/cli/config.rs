//! `tokenward config`.

use clap::Subcommand;

use super::{Failure, GlobalArgs, Outcome, output};
use crate::{app, config::load, telemetry};

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check the configuration, TLS files included, and say that it is in order.
    Check,
    /// Print the configuration in force, secrets redacted.
    Print {
        /// As JSON instead of TOML.
        #[arg(long)]
        json: bool,
    },
    /// Write an annotated configuration file with every setting at its default.
    Example,
}

pub(super) fn run(command: &ConfigCommand, global: &GlobalArgs) -> Outcome {
    match command {
        ConfigCommand::Check => {
            let settings = global.settings(&[])?;
            settings.policy().map_err(Failure::Usage)?;
            telemetry::logs::check(&settings.log).map_err(Failure::Usage)?;
            app::check_tls(&settings)?;
            output::line("configuration is in order")
        }
        ConfigCommand::Print { json: true } => {
            output::line(serde_json::to_string_pretty(&global.settings(&[])?)?)
        }
        ConfigCommand::Print { json: false } => {
            output::text(toml::to_string_pretty(&global.settings(&[])?)?)
        }
        ConfigCommand::Example => output::text(load::example()),
    }
}
