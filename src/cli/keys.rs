//! `tokenward keys`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{Failure, GlobalArgs, Outcome, key_changes, output};
use crate::{
    app,
    config::Settings,
    crypto::{
        generate::{self, GenerateError, KeyBits},
        key_info::{KeyInfo, KeyState},
        key_rotation::{is_empty, make_folder},
        keyring::{Keyring, TokenLives},
        port::{KeyPurpose, TokenKeys},
        provider,
        workers::{WorkerSettings, Workers},
    },
    domain::{
        clock::{Clock, SystemClock, Timestamp},
        error::chain,
        id::KeyId,
        keys,
    },
    store::{ConnectError, InspectionError},
};

const GENERATE_EXAMPLES: &str = "\
Examples:
  tokenward keys generate                              keys of both kinds, if there are none
  tokenward keys generate --bits 3072
  tokenward keys generate --purpose access --signs-from 2026-12-01T00:00:00Z
                                                       one more access key, which signs from then on

The name of a key file says from when it signs; see docs/tokens.md.";

const ROTATE_EXAMPLES: &str = "\
Examples:
  tokenward keys rotate             the next keys sign a day from now
  tokenward keys rotate --now       within seconds; gateways that do not know them yet refuse tokens
  tokenward keys rotate --dry-run

After the loss of a key, use `tokenward keys revoke` instead.";

#[derive(Debug, Subcommand)]
pub(super) enum KeysCommand {
    /// Make signing keys.
    #[command(after_help = GENERATE_EXAMPLES)]
    Generate(GenerateArgs),
    /// List the keys of the folders: what each does, from when it signs, until when it is trusted.
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Let the keys that stand by sign earlier than scheduled. Nothing dies; servers make the next ones.
    #[command(after_help = ROTATE_EXAMPLES)]
    Rotate {
        /// As soon as every server knows, even if gateways may not know the key yet. Without it,
        /// after keys.publish_lead.
        #[arg(long)]
        now: bool,
        /// Only say what would happen.
        #[arg(long)]
        dry_run: bool,
    },
    /// Revoke a key that somebody else may have: it leaves the JWKS, and every token that it signed is dead.
    Revoke {
        /// The key's id.
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// Only say what would happen.
        #[arg(long)]
        dry_run: bool,
    },
    /// Print a public access key, or all of them as a JWK Set.
    Export {
        /// The key's id; without one, all access keys as a JWK Set.
        #[arg(allow_hyphen_values = true)]
        kid: Option<String>,
        /// The format of a single key.
        #[arg(long, value_enum, default_value_t = Format::Jwk)]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub(super) struct GenerateArgs {
    /// What the key will sign.
    #[arg(long, value_enum, default_value_t = Purpose::Both)]
    purpose: Purpose,
    /// Length in bits: 2048, 3072 or 4096.
    #[arg(long, default_value_t = 2048)]
    bits: u32,
    /// From when it signs (RFC 3339, UTC). Without it, at once, and only
    /// where there is no key yet.
    #[arg(long, value_name = "TIME")]
    signs_from: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Purpose {
    /// Access tokens; published in the JWKS.
    Access,
    /// Refresh tokens; never published.
    Refresh,
    /// One key for each.
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// JSON Web Key (RFC 7517).
    Jwk,
    /// SubjectPublicKeyInfo in PEM, as gateways without a JWKS want it.
    Pem,
}

pub(super) async fn run(command: KeysCommand, global: &GlobalArgs) -> Outcome {
    match command {
        KeysCommand::Rotate { now, dry_run } => key_changes::rotate(now, dry_run, global).await,
        KeysCommand::Revoke { kid, dry_run } => key_changes::revoke(&kid, dry_run, global).await,
        KeysCommand::Generate(args) => {
            let settings = global.settings(&[])?;
            // Making a key takes up to seconds of pure work.
            tokio::task::spawn_blocking(move || generate(&args, &settings)).await?
        }
        KeysCommand::List { json } => list(json, &global.settings(&[])?).await,
        KeysCommand::Export { kid, format } => {
            export(kid.as_deref(), format, &global.settings(&[])?).await
        }
    }
}

fn generate(args: &GenerateArgs, settings: &Settings) -> Outcome {
    let bits = KeyBits::from_bits(args.bits).ok_or_else(|| {
        Failure::Usage(format!("--bits is {} but must be 2048, 3072 or 4096", args.bits))
    })?;
    let signs_from = args.signs_from.as_deref().map(parse_instant).transpose()?;
    let dirs = match args.purpose {
        Purpose::Access => vec![settings.access_keys_dir()],
        Purpose::Refresh => vec![settings.refresh_keys_dir()],
        Purpose::Both => vec![settings.access_keys_dir(), settings.refresh_keys_dir()],
    };
    let now = SystemClock::new().now();
    for dir in dirs {
        make_folder(&dir)?;
        let first = is_empty(&dir);
        let instant = match signs_from {
            None if first => now.floor_to_second(),
            None => {
                let dir = dir.display();
                output::line(format_args!(
                    "{dir}: has keys already; nothing made (see --signs-from)"
                ))?;
                continue;
            }
            Some(instant) if first || instant > now => instant,
            Some(instant) => return Err(too_late(instant)),
        };
        let (path, kid) = make(&dir, instant, bits)?;
        output::line(format_args!("{}: made; kid {kid}", path.display()))?;
        if !first && instant < now.plus(settings.keys.publish_lead.0) {
            eprintln!(
                "warning: gateways that cache the JWKS may not know this key by {instant}; \
                 give them keys.publish_lead ({})",
                settings.keys.publish_lead
            );
        }
    }
    Ok(())
}

/// A key that signs since yesterday retires its predecessor yesterday, with
/// all the tokens that it signed since.
fn too_late(instant: Timestamp) -> Failure {
    Failure::Usage(format!(
        "--signs-from is {instant} but must be in the future where there are keys already: \
         tokens of the key before it would be dead at once"
    ))
}

fn parse_instant(text: &str) -> Result<Timestamp, Failure> {
    let rule = "must be an instant like 2026-12-01T00:00:00Z";
    let wrong = || Failure::Usage(format!("--signs-from is \"{text}\" but {rule}"));
    Timestamp::parse_rfc3339(text).map(Timestamp::floor_to_second).ok_or_else(wrong)
}

fn make(dir: &Path, instant: Timestamp, bits: KeyBits) -> Result<(PathBuf, KeyId), Failure> {
    let name = keys::file_name(instant)
        .ok_or_else(|| Failure::Usage("the year must have four digits".to_owned()))?;
    let kid = generate::generate(dir, &name, bits)
        .map_err(|error: GenerateError| Failure::from(error))?;
    Ok((dir.join(name), kid))
}

async fn list(json: bool, settings: &Settings) -> Outcome {
    let keyring = as_served(settings).await?;
    for key in keyring.keys(SystemClock::new().now()) {
        if json { output::line(as_json(&key))? } else { output::line(as_line(&key))? }
    }
    Ok(())
}

async fn export(kid: Option<&str>, format: Format, settings: &Settings) -> Outcome {
    let keyring = as_served(settings).await?;
    let Some(kid) = kid else {
        let jwks = keyring.jwks(SystemClock::new().now());
        return output::line(String::from_utf8_lossy(&jwks.json));
    };
    let known = KeyId::parse(kid).ok().and_then(|kid| keyring.public_key(&kid));
    let Some(key) = known else {
        return Err(anyhow::anyhow!("there is no access key {kid}").into());
    };
    let all = keyring.keys(SystemClock::new().now());
    if all.iter().any(|key| key.kid.as_str() == kid && key.state == KeyState::Revoked) {
        return Err(anyhow::anyhow!("the key {kid} is revoked").into());
    }
    match format {
        Format::Jwk => output::line(key.jwk()),
        Format::Pem => output::text(key.spki_pem()),
    }
}

/// The keys without those that the revocation log ends: their files stay.
async fn as_served(settings: &Settings) -> Result<Keyring, Failure> {
    let keyring = load(settings)?;
    match app::inspect(settings, None).await {
        Ok(seen) => Ok(keyring.with_revoked(Arc::new(seen.revoked_keys))),
        Err(InspectionError::Connect(ConnectError::Missing { .. })) => Ok(keyring),
        Err(error) => {
            eprintln!("warning: nobody can say which keys are revoked: {}", chain(&error));
            Ok(keyring)
        }
    }
}

/// Only looks at keys, with the configured lifetimes.
pub(super) fn load(settings: &Settings) -> Result<Keyring, Failure> {
    provider::install()?;
    let policy = settings.policy().map_err(Failure::Usage)?;
    let lives =
        TokenLives { access: policy.max_access_lifetime(), refresh: policy.max_session_lifetime() };
    let clock = Arc::new(SystemClock::new());
    let workers = Arc::new(Workers::start(WorkerSettings::default(), clock)?);
    Ok(Keyring::load(&settings.access_keys_dir(), &settings.refresh_keys_dir(), lives, workers)?)
}

pub(super) fn purpose(key: &KeyInfo) -> &'static str {
    match key.purpose {
        KeyPurpose::Access => "access",
        KeyPurpose::Refresh => "refresh",
    }
}

fn as_json(key: &KeyInfo) -> serde_json::Value {
    json!({
        "purpose": purpose(key),
        "kid": key.kid.as_str(),
        "state": key.state.as_str(),
        "signs_from": key.signs_from.map(|at| at.to_string()),
        "trusted_until": key.trusted_until.map(|at| at.to_string()),
        "bits": key.bits,
        "file": key.file,
    })
}

fn as_line(key: &KeyInfo) -> String {
    let instant = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    let (from, until) = (instant(key.signs_from), instant(key.trusted_until));
    let (purpose, state, bits) = (purpose(key), key.state.as_str(), key.bits);
    format!("{purpose:7}  {state:8}  {from:20}  {until:20}  {bits}  {}  {}", key.kid, key.file)
}
