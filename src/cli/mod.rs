//! The command line: one file per group of commands.
//!
//! Exit codes: 0 done, 1 failed, 2 the command line or the configuration is
//! wrong. What a person should read goes to standard error, results to
//! standard output.
#![expect(clippy::doc_markdown, reason = "the descriptions of arguments are also their --help")]

mod audit;
mod backup;
mod bench;
mod client;
mod config;
mod connection;
mod doctor;
mod healthcheck;
mod import;
mod import_row;
mod key_changes;
mod keys;
mod migrate;
mod one_time;
mod output;
mod password;
mod ports;
mod quickstart;
mod restore;
mod revoke;
mod serve;
mod token;
mod user;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::{
    app::{Access, Core, Environment, StartError},
    config::{
        Settings,
        load::{self, CommandLine, ConfigError},
    },
    domain::error::chain,
    store::ConnectError,
    telemetry::{self, logs::AuditLines},
};

const EXAMPLES: &str = "\
Examples:
  tokenward quickstart                      see everything work, then keep serving
  tokenward keys generate                   make signing keys in tokenward-data/keys
  tokenward user create alice --email alice@example.org
  tokenward serve                           serve with the defaults
  tokenward --config tokenward.toml serve   serve as configured
  tokenward config example > tokenward.toml write an annotated configuration file";

/// A standalone token-issuing auth microservice: RS256 access and refresh
/// tokens, JWKS, Login, Refresh, Verify and Revoke over gRPC.
#[derive(Debug, Parser)]
#[command(name = "tokenward", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

/// Settings that any command can be given.
#[derive(Debug, Args)]
struct GlobalArgs {
    /// Configuration file (TOML). Also TOKENWARD_CONFIG.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// One setting, for example tokens.access_lifetime=2h. Stronger than the
    /// environment and the file. Can be given many times.
    #[arg(long, global = true, value_name = "NAME=VALUE", value_parser = name_and_value)]
    set: Vec<(String, String)>,

    /// Folder for keys and the embedded database; same as --set data_dir=DIR.
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<String>,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or("must have the form NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve gRPC and HTTP until SIGTERM or Ctrl-C.
    Serve(serve::ServeArgs),
    /// Make keys and a database, start the server, and show every call with real tokens.
    Quickstart(quickstart::QuickstartArgs),
    /// Ask a running server whether it is ready. Exits with 0 if it is, 1 if not.
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Check, print or write the configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Bring the database to this version's schema. Serving does it too.
    Migrate(migrate::MigrateArgs),
    /// Make, list, rotate, revoke and export signing keys.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Create, import, list, change, disable, enable and delete users, set their passwords, and
    /// make one-time tokens for them.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Make, list, disable, enable and delete clients that have tokens of their own.
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Read the audit log, and check that it is whole.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Look into tokens.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// End one session, a user's, a client's, or all. Running servers know a moment later.
    #[command(subcommand)]
    Revoke(revoke::RevokeCommand),
    /// Look at keys, database, clocks, certificates, listeners and the issuer, and say what is
    /// wrong and how to mend it. Exits with 1 if something is.
    Doctor(doctor::DoctorArgs),
    /// Copy keys and the embedded database into one file, while the server runs.
    Backup(backup::BackupArgs),
    /// Put a backup where nothing is, and end every session that it may have forgotten the end of.
    Restore(restore::RestoreArgs),
    /// Hold claims about times and memory against a server of its own, and write a report.
    /// Exits with 1 when a claim does not hold.
    #[command(subcommand)]
    Bench(bench::BenchCommand),
}

/// How a command failed.
enum Failure {
    /// The command line or the configuration is wrong: exit code 2.
    Usage(String),
    /// Anything else: exit code 1.
    Failed(anyhow::Error),
    /// Nobody reads any more: exit code 0, and nothing to say.
    Unread,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Settings that turn out to be wrong only at the start are wrong settings
/// all the same.
fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<StartError>() {
        Some(
            StartError::Config(_)
            | StartError::Tls(_)
            | StartError::Connect(ConnectError::InvalidUrl(_)),
        ) => 2,
        _ => 1,
    }
}

/// Whether a command may make the database that it is told to use. One that
/// revokes or disables must not: in the wrong folder it would report success
/// on an empty database of its own making.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Database {
    MayBeNew,
    MustExist,
}

type Outcome = Result<(), Failure>;

impl Cli {
    /// Runs the command to its end.
    pub fn run(self) -> ExitCode {
        let outcome = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(self.dispatch()),
            Err(error) => Err(Failure::from(error)),
        };
        let (message, code) = match outcome {
            Ok(()) | Err(Failure::Unread) => return ExitCode::SUCCESS,
            Err(Failure::Usage(message)) => (message, 2),
            Err(Failure::Failed(error)) => (chain(error.as_ref()), exit_code(&error)),
        };
        for line in message.lines() {
            eprintln!("error: {line}");
        }
        ExitCode::from(code)
    }

    async fn dispatch(self) -> Outcome {
        let global = &self.global;
        match self.command {
            Command::Serve(args) => serve::run(args, global).await,
            Command::Quickstart(args) => quickstart::run(args, global).await,
            Command::Healthcheck(args) => healthcheck::run(args, global).await,
            Command::Config(command) => config::run(&command, global),
            Command::Migrate(args) => migrate::run(args, global).await,
            Command::Keys(command) => keys::run(command, global).await,
            Command::User(command) => user::run(command, global).await,
            Command::Client(command) => client::run(command, global).await,
            Command::Audit(command) => audit::run(command, global).await,
            Command::Token(command) => token::run(command),
            Command::Revoke(command) => revoke::run(command, global).await,
            Command::Doctor(args) => doctor::run(args, global).await,
            Command::Backup(args) => backup::run(args, global).await,
            Command::Restore(args) => restore::run(args, global).await,
            Command::Bench(command) => bench::run(command).await,
        }
    }

    /// The whole tree of commands, for tests and documentation.
    pub fn tree() -> clap::Command {
        <Self as CommandFactory>::command()
    }
}

impl GlobalArgs {
    /// The configuration, with further settings that a command's own flags
    /// stand for.
    fn settings(&self, flags: &[(&str, Option<String>)]) -> Result<Settings, Failure> {
        let mut values = Vec::new();
        let data_dir = [("data_dir", self.data_dir.clone())];
        for (name, value) in data_dir.iter().chain(flags) {
            values.extend(value.clone().map(|value| ((*name).to_owned(), value)));
        }
        values.extend(self.set.iter().cloned());
        let command_line = CommandLine { file: self.config.clone(), values };
        load::load(&command_line).map_err(|error: ConfigError| Failure::Usage(error.to_string()))
    }

    /// The service for commands that manage and sign nothing.
    async fn core(&self, database: Database) -> Result<Core, Failure> {
        let settings = self.settings(&[])?;
        start_logging(&settings, AuditLines::Silent)?;
        if database == Database::MayBeNew {
            prepare_data_dir(&settings)?;
        }
        let access = match database {
            Database::MayBeNew => Access::ManageOrCreate,
            Database::MustExist => Access::Manage,
        };
        Ok(Core::open(&settings, Environment::system(), access).await?)
    }
}

fn start_logging(settings: &Settings, audit_lines: AuditLines) -> Result<(), Failure> {
    telemetry::logs::init(&settings.log, audit_lines).map_err(Failure::Usage)
}

/// Makes the data folder, for its owner only, when something will be put
/// there.
fn prepare_data_dir(settings: &Settings) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    if settings.database.url.is_some() {
        return Ok(());
    }
    let dir = &settings.data_dir;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| anyhow::anyhow!("data_dir: cannot make {}: {error}", dir.display()).into())
}
