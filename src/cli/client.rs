//! `tokenward client`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Database, Failure, GlobalArgs, Outcome, output};
use crate::{
    app::Core,
    config::Span,
    domain::{
        client::{Client, ClientSecret, StoredSecret},
        clock::Timestamp,
        id::ClientId,
        policy::{Audience, Rotation},
    },
    service::{
        Administrator,
        client_profile::ClientProfileRequest,
        clients::{ClientWithSecret, CreateClientRequest},
    },
};

/// Clients that are read at a time.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// Make a client that has tokens of its own. Its secret is printed, this once.
    #[command(after_help = CREATE_EXAMPLES)]
    Create(CreateArgs),
    /// List clients in the order of their ids. Those of the configuration are not among them.
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Show a client, without its secrets.
    Show {
        /// The client's id.
        client: String,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Give a client no tokens any more, and end those that it has.
    Disable {
        /// The client's id.
        client: String,
    },
    /// Give a disabled client tokens again. Those of before stay dead.
    Enable {
        /// The client's id.
        client: String,
    },
    /// Remove a client, and end its tokens and sessions.
    Delete {
        /// The client's id.
        client: String,
        /// Really.
        #[arg(long, required = true)]
        yes: bool,
    },
    /// Give a client another secret, which is printed, this once.
    #[command(after_help = ROTATE_EXAMPLES)]
    RotateSecret(RotateArgs),
}

const CREATE_EXAMPLES: &str = "\
Examples:
  tokenward client create worker --audience api
  tokenward client create reports --audience api --scope 'read export' --default-scope read
  tokenward client create billing --audience api --jwks-file billing.jwks.json
  tokenward client create shop --audience api --allow-login --no-secret";

const ROTATE_EXAMPLES: &str = "\
Examples:
  tokenward client rotate-secret worker               the secret of before ends now
  tokenward client rotate-secret worker --grace 1h    it is good for another hour";

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// Its id: 1 to 64 of a-z 0-9 . _ - and no UUID.
    client: String,
    /// What people call it.
    #[arg(long, default_value = "")]
    name: String,
    /// An audience it may ask for; the first is the default. Can be given many times.
    #[arg(long = "audience", value_name = "AUDIENCE", required = true)]
    audiences: Vec<String>,
    /// Scopes it may ask for, with spaces between.
    #[arg(long, value_name = "SCOPES", default_value = "")]
    scope: String,
    /// Scopes it gets when it asks for none, with spaces between.
    #[arg(long, value_name = "SCOPES", default_value = "")]
    default_scope: String,
    /// The longest life of its access tokens, for example 10m. Without: that of the default client.
    #[arg(long, value_name = "TIME", value_parser = span)]
    access_lifetime: Option<Span>,
    /// Its public keys: a file with a JWK Set. No secret is made then.
    #[arg(long, value_name = "FILE")]
    jwks_file: Option<PathBuf>,
    /// Users may log in on it.
    #[arg(long)]
    allow_login: bool,
    /// Make no secret.
    #[arg(long)]
    no_secret: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RotateArgs {
    /// The client's id.
    client: String,
    /// How long the secret of before is good beside the new one; at most 7days.
    #[arg(long, value_name = "TIME", value_parser = span, default_value = "0s")]
    grace: Span,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

fn span(text: &str) -> Result<Span, String> {
    let parsed = humantime::parse_duration(text).map(Span);
    parsed.map_err(|_| "must be a length of time like 15m or 30s".to_owned())
}

pub(super) async fn run(command: ClientCommand, global: &GlobalArgs) -> Outcome {
    let admin = Administrator::command_line();
    match command {
        ClientCommand::Create(args) => create(args, global, &admin).await,
        ClientCommand::List { json } => list(json, global, &admin).await,
        ClientCommand::Show { client, json } => {
            let (core, id) = open(&client, global).await?;
            let client = core.auth.client(&id, &admin).await?;
            core.store.close().await;
            show(&client, json)
        }
        ClientCommand::Disable { client } => {
            let (core, id) = open(&client, global).await?;
            let seq = core.auth.disable_client(id, &admin).await?.revocation_seq;
            core.store.close().await;
            output::line(format_args!("disabled; revocation sequence number {seq}"))
        }
        ClientCommand::Enable { client } => {
            let (core, id) = open(&client, global).await?;
            core.auth.enable_client(id, &admin).await?;
            core.store.close().await;
            output::line("enabled")
        }
        ClientCommand::Delete { client, .. } => {
            let (core, id) = open(&client, global).await?;
            let seq = core.auth.delete_client(id, "", &admin).await?.revocation_seq;
            core.store.close().await;
            output::line(format_args!("deleted; revocation sequence number {seq}"))
        }
        ClientCommand::RotateSecret(args) => {
            let (core, id) = open(&args.client, global).await?;
            let made = core.auth.rotate_client_secret(id, args.grace.0, &admin).await?;
            core.store.close().await;
            tell(&made, args.json)
        }
    }
}

/// The service, and the client that a command names.
async fn open(client: &str, global: &GlobalArgs) -> Result<(Core, ClientId), Failure> {
    let id = ClientId::parse(client);
    let id = id.map_err(|error| Failure::Usage(format!("the client id {error}")))?;
    Ok((global.core(Database::MustExist).await?, id))
}

async fn create(args: CreateArgs, global: &GlobalArgs, admin: &Administrator) -> Outcome {
    let jwks_json = match &args.jwks_file {
        Some(path) => std::fs::read_to_string(path)
            .map_err(|error| anyhow::anyhow!("cannot read {}: {error}", path.display()))?,
        None => String::new(),
    };
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let request = CreateClientRequest {
        id: args.client,
        with_secret: !args.no_secret && jwks_json.is_empty(),
        profile: ClientProfileRequest {
            display_name: args.name,
            audiences: args.audiences,
            scopes: words(&args.scope),
            default_scopes: words(&args.default_scope),
            access_lifetime: args.access_lifetime.map(|life| life.0),
            allow_login: args.allow_login,
            jwks_json,
            ..ClientProfileRequest::default()
        },
    };
    let core = global.core(Database::MayBeNew).await?;
    let made = core.auth.create_client(request, admin).await?;
    core.store.close().await;
    tell(&made, args.json)
}

/// The secret alone, so that it can go into a file or another program; with
/// `--json`, beside the client.
fn tell(made: &ClientWithSecret, json: bool) -> Outcome {
    let secret = made.secret.as_ref().map(ClientSecret::expose);
    if json {
        let mut value = as_json(&made.client);
        if let (Some(members), Some(secret)) = (value.as_object_mut(), secret) {
            members.insert("client_secret".to_owned(), json!(secret));
        }
        return output::line(value);
    }
    match secret {
        Some(secret) => output::line(secret),
        None => output::line(&made.client.id),
    }
}

async fn list(json: bool, global: &GlobalArgs, admin: &Administrator) -> Outcome {
    let core = global.core(Database::MustExist).await?;
    let mut last = None;
    loop {
        let page = core.auth.clients(last, PAGE, admin).await?;
        let Some(end) = page.last() else { break };
        last = Some(end.id.clone());
        for client in &page {
            show(client, json)?;
        }
    }
    core.store.close().await;
    Ok(())
}

fn show(client: &Client, json: bool) -> Outcome {
    if json { output::line(as_json(client)) } else { output::line(as_line(client)) }
}

fn as_json(client: &Client) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    let profile = &client.profile;
    let policy = &profile.policy;
    let secret = |secret: &StoredSecret| {
        json!({
            "id": secret.id.to_string(),
            "create_time": secret.created_at.to_string(),
            "expire_time": time(secret.expires_at),
        })
    };
    json!({
        "client_id": client.id.as_str(),
        "name": profile.display_name,
        "audiences": policy.audiences.iter().map(Audience::as_str).collect::<Vec<_>>(),
        "scope": policy.scopes.to_string(),
        "default_scope": policy.default_scopes.to_string(),
        "access_lifetime_s": policy.lifetimes.access.as_secs(),
        "session_lifetime_s": policy.lifetimes.session.as_secs(),
        "idle_lifetime_s": policy.lifetimes.idle.map(|life| life.as_secs()),
        "rotation": policy.rotation == Rotation::On,
        "max_sessions_per_user": policy.max_sessions_per_user,
        "allow_login": profile.allow_login,
        "keys": profile.keys.iter().count(),
        "secrets": client.secrets.iter().map(secret).collect::<Vec<_>>(),
        "create_time": client.created_at.to_string(),
        "update_time": client.updated_at.to_string(),
        "disable_time": time(client.disabled_at),
    })
}

fn as_line(client: &Client) -> String {
    let state = if client.disabled_at.is_some() { "disabled" } else { "enabled" };
    let policy = &client.profile.policy;
    let audiences: Vec<_> = policy.audiences.iter().map(Audience::as_str).collect();
    let scopes = Some(policy.scopes.to_string()).filter(|scopes| !scopes.is_empty());
    let scopes = scopes.unwrap_or_else(|| "-".to_owned());
    format!("{}  {state:8}  {}  {scopes}", client.id, audiences.join(","))
}
