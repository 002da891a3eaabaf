//! `tokenward user reset-token` and `user verification-token`.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{Database, GlobalArgs, Outcome, output};
use crate::{
    domain::{id::UserId, one_time::Contact},
    service::{Administrator, one_time::Issued},
};

#[derive(Debug, Args)]
pub(super) struct ResetTokenArgs {
    /// Id, username, e-mail address or phone number.
    user: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct VerificationTokenArgs {
    /// Id, username, e-mail address or phone number.
    user: String,
    /// Which of the user's identifiers is to be verified.
    #[arg(long)]
    identifier: IdentifierKind,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum IdentifierKind {
    Email,
    Phone,
}

pub(super) async fn reset_token(args: ResetTokenArgs, global: &GlobalArgs) -> Outcome {
    let core = global.core(Database::MustExist).await?;
    let id = core.auth.find_user(&args.user).await?.id;
    let admin = Administrator::command_line();
    let issued = core.auth.create_password_reset_token(id, &admin).await?;
    core.store.close().await;
    show_token(id, &issued, args.json)
}

pub(super) async fn verification_token(
    args: VerificationTokenArgs,
    global: &GlobalArgs,
) -> Outcome {
    let core = global.core(Database::MustExist).await?;
    let id = core.auth.find_user(&args.user).await?.id;
    let contact = match args.identifier {
        IdentifierKind::Email => Contact::Email,
        IdentifierKind::Phone => Contact::Phone,
    };
    let admin = Administrator::command_line();
    let issued = core.auth.create_verification_token(id, contact, &admin).await?;
    core.store.close().await;
    show_token(id, &issued, args.json)
}

/// The token alone is the result; until when, a person should read.
fn show_token(user: UserId, issued: &Issued, json: bool) -> Outcome {
    let Issued { token, expires_at } = issued;
    if json {
        return output::line(json!({
            "user": user.to_string(),
            "token": token.expose(),
            "expire_time": expires_at.to_string(),
        }));
    }
    eprintln!("good until {expires_at}, once");
    output::line(token.expose())
}
