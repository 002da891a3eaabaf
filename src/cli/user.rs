//! `tokenward user`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Database, Failure, GlobalArgs, Outcome,
    import::{self, ImportArgs},
    one_time::{self, ResetTokenArgs, VerificationTokenArgs},
    output, password,
};
use crate::{
    domain::{
        account::{Account, Role},
        clock::Timestamp,
    },
    service::{
        Administrator, profile::ProfileRequest, update_user::UpdateUserRequest,
        users::CreateUserRequest,
    },
    store::port::UserQuery,
};

/// Users that are read at a time.
const PAGE: u32 = 500;

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Create a user. The password is read from the terminal, or from a pipe.
    #[command(after_help = CREATE_EXAMPLES)]
    Create(CreateArgs),
    /// Create users who bring their password hashes from another system.
    #[command(after_help = import::EXAMPLES)]
    Import(ImportArgs),
    /// List users in the order of their ids.
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// End every session of a user, who cannot log in any more.
    Disable {
        /// Id, username, e-mail address or phone number.
        user: String,
    },
    /// Let a disabled user log in again. Sessions of before stay dead.
    Enable {
        /// Id, username, e-mail address or phone number.
        user: String,
    },
    /// Change what a user is. What is not given stays; an empty text removes what was there.
    #[command(after_help = UPDATE_EXAMPLES)]
    Update(UpdateArgs),
    /// Remove a user and everything about them but the audit log; every token of theirs is dead.
    Delete {
        /// Id, username, e-mail address or phone number.
        user: String,
        /// Really.
        #[arg(long, required = true)]
        yes: bool,
    },
    /// Give a user another password and end every session. The password is read from the
    /// terminal, or from a pipe.
    SetPassword(SetPasswordArgs),
    /// Print a token with which a user sets a new password, once. It is for the user alone:
    /// whoever has it can take the account over.
    ResetToken(ResetTokenArgs),
    /// Print a token with which a user shows that an e-mail address or phone number is theirs.
    /// Send it there, and nowhere else.
    VerificationToken(VerificationTokenArgs),
}

const CREATE_EXAMPLES: &str = "\
Examples:
  tokenward user create alice
  tokenward user create alice --email alice@example.org --role editor < password.txt
  tokenward user create --email bob@example.org --password-file /run/secrets/bob
  tokenward user create --phone '+41 44 668 18 00'
  tokenward user create carol --no-password && tokenward user reset-token carol";

#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    /// Username. Without one, --email or --phone is needed.
    #[arg(required_unless_present_any = ["email", "phone"])]
    username: Option<String>,
    /// E-mail address, by which the user can log in too.
    #[arg(long)]
    email: Option<String>,
    /// Phone number with "+" and country code, by which the user can log in too.
    #[arg(long)]
    phone: Option<String>,
    /// Display name: the "name" claim.
    #[arg(long)]
    name: Option<String>,
    /// A role: an entry of the "roles" claim. Can be given many times.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Read the password from the first line of this file.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Ask for no password. The user cannot log in until one is set, for example with a token
    /// of "tokenward user reset-token".
    #[arg(long, conflicts_with = "password_file")]
    no_password: bool,
}

#[derive(Debug, Args)]
pub(super) struct SetPasswordArgs {
    /// Id, username, e-mail address or phone number.
    user: String,
    /// Read the password from the first line of this file.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

const UPDATE_EXAMPLES: &str = "\
Examples:
  tokenward user update alice --role admin --role editor
  tokenward user update alice --email '' --phone '+41 44 668 18 00'
  tokenward user update alice --no-roles";

#[derive(Debug, Args)]
pub(super) struct UpdateArgs {
    /// Id, username, e-mail address or phone number.
    user: String,
    /// Another username.
    #[arg(long)]
    username: Option<String>,
    /// Another e-mail address.
    #[arg(long)]
    email: Option<String>,
    /// Another phone number.
    #[arg(long)]
    phone: Option<String>,
    /// Another display name.
    #[arg(long)]
    name: Option<String>,
    /// A role of those that the user is to have from now on. Can be given many times.
    #[arg(long = "role", value_name = "ROLE", conflicts_with = "no_roles")]
    roles: Vec<String>,
    /// Take every role away.
    #[arg(long)]
    no_roles: bool,
}

pub(super) async fn run(command: UserCommand, global: &GlobalArgs) -> Outcome {
    match command {
        UserCommand::Create(args) => create(args, global).await,
        UserCommand::Import(args) => import::run(args, global).await,
        UserCommand::List { json } => list(json, global).await,
        UserCommand::Disable { user } => disable(&user, global).await,
        UserCommand::Enable { user } => enable(&user, global).await,
        UserCommand::Update(args) => update(args, global).await,
        UserCommand::Delete { user, .. } => delete(&user, global).await,
        UserCommand::SetPassword(args) => set_password(args, global).await,
        UserCommand::ResetToken(args) => one_time::reset_token(args, global).await,
        UserCommand::VerificationToken(args) => one_time::verification_token(args, global).await,
    }
}

async fn create(args: CreateArgs, global: &GlobalArgs) -> Outcome {
    let core = global.core(Database::MayBeNew).await?;
    let profile = ProfileRequest {
        username: args.username.unwrap_or_default(),
        email: args.email.unwrap_or_default(),
        phone: args.phone.unwrap_or_default(),
        display_name: args.name.unwrap_or_default(),
        roles: args.roles,
    };
    let password = if args.no_password {
        None
    } else {
        Some(password::read(args.password_file.as_deref()).await?)
    };
    let request = CreateUserRequest { profile, password };
    let id = core.auth.create_user(request, &Administrator::command_line()).await?;
    core.store.close().await;
    output::line(id)
}

async fn list(json: bool, global: &GlobalArgs) -> Outcome {
    let core = global.core(Database::MustExist).await?;
    let mut last = None;
    loop {
        let page = core.auth.users(UserQuery::all(last, PAGE)).await?;
        let Some(end) = page.last() else { break };
        last = Some(end.id);
        for user in &page {
            if json { output::line(as_json(user))? } else { output::line(as_line(user))? }
        }
    }
    core.store.close().await;
    Ok(())
}

async fn disable(user: &str, global: &GlobalArgs) -> Outcome {
    let core = global.core(Database::MustExist).await?;
    let id = core.auth.find_user(user).await?.id;
    let seq = core.auth.disable_user(id, &Administrator::command_line()).await?;
    core.store.close().await;
    output::line(format_args!("disabled; revocation sequence number {seq}"))
}

async fn enable(user: &str, global: &GlobalArgs) -> Outcome {
    let core = global.core(Database::MustExist).await?;
    let id = core.auth.find_user(user).await?.id;
    core.auth.enable_user(id, &Administrator::command_line()).await?;
    core.store.close().await;
    output::line("enabled")
}

async fn update(args: UpdateArgs, global: &GlobalArgs) -> Outcome {
    let given = [
        ("username", args.username.is_some()),
        ("email", args.email.is_some()),
        ("phone", args.phone.is_some()),
        ("display_name", args.name.is_some()),
        ("roles", args.no_roles || !args.roles.is_empty()),
    ];
    let given = given.into_iter().filter(|(_, given)| *given);
    let fields: Vec<_> = given.map(|(field, _)| field.to_owned()).collect();
    if fields.is_empty() {
        return Err(Failure::Usage("nothing to change was given; see --help".to_owned()));
    }
    let core = global.core(Database::MustExist).await?;
    let id = core.auth.find_user(&args.user).await?.id;
    let profile = ProfileRequest {
        username: args.username.unwrap_or_default(),
        email: args.email.unwrap_or_default(),
        phone: args.phone.unwrap_or_default(),
        display_name: args.name.unwrap_or_default(),
        roles: args.roles,
    };
    let request = UpdateUserRequest { id, fields, profile, revision: None };
    let (_, seq) = core.auth.update_user(request, &Administrator::command_line()).await?;
    core.store.close().await;
    match seq {
        Some(seq) => output::line(format_args!(
            "updated; access tokens are dead by revocation sequence number {seq}"
        )),
        None => output::line("updated"),
    }
}

async fn delete(user: &str, global: &GlobalArgs) -> Outcome {
    let core = global.core(Database::MustExist).await?;
    let id = core.auth.find_user(user).await?.id;
    let seq = core.auth.delete_user(id, &Administrator::command_line()).await?;
    core.store.close().await;
    output::line(format_args!("deleted; revocation sequence number {seq}"))
}

async fn set_password(args: SetPasswordArgs, global: &GlobalArgs) -> Outcome {
    let core = global.core(Database::MustExist).await?;
    let user = core.auth.find_user(&args.user).await?;
    let password = password::read(args.password_file.as_deref()).await?;
    let seq = core.auth.set_password(&user, password, &Administrator::command_line()).await?;
    core.store.close().await;
    output::line(format_args!("password set; revocation sequence number {seq}"))
}

fn as_json(user: &Account) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "id": user.id.to_string(),
        "username": user.username,
        "email": user.email,
        "phone": user.phone,
        "email_verify_time": time(user.email_verified_at),
        "phone_verify_time": time(user.phone_verified_at),
        "name": user.display_name,
        "roles": user.roles.iter().map(Role::as_str).collect::<Vec<_>>(),
        "create_time": user.created_at.to_string(),
        "disable_time": time(user.disabled_at),
        "last_login_time": time(user.last_login_at),
    })
}

fn as_line(user: &Account) -> String {
    let state = if user.disabled_at.is_some() { "disabled" } else { "enabled" };
    let [username, email, phone] =
        [&user.username, &user.email, &user.phone].map(|name| name.as_deref().unwrap_or("-"));
    format!("{}  {state:8}  {username}  {email}  {phone}", user.id)
}
