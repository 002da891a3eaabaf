//! `tokenward config`.

use clap::Subcommand;

use super::{Failure, GlobalArgs, Outcome};
use crate::config::load;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check the configuration and say nothing more than that it is in order.
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
            println!("configuration is in order");
        }
        ConfigCommand::Print { json: true } => {
            println!("{}", serde_json::to_string_pretty(&global.settings(&[])?)?);
        }
        ConfigCommand::Print { json: false } => {
            print!("{}", toml::to_string_pretty(&global.settings(&[])?)?);
        }
        ConfigCommand::Example => print!("{}", load::example()),
    }
    Ok(())
}
