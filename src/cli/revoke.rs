//! `tokenward revoke`.

use std::fmt::Display;

use clap::Subcommand;

use super::{Database, Failure, GlobalArgs, Outcome, output};
use crate::{
    app::Core,
    domain::id::{ClientId, SessionId},
    service::Administrator,
    store::port::RevokeTarget,
};

#[derive(Debug, Subcommand)]
pub(super) enum RevokeCommand {
    /// End one session.
    Session {
        /// The session's id: the "sid" claim of its tokens.
        id: String,
    },
    /// End every session of a user, who can log in again.
    User {
        /// Id, username, e-mail address or phone number.
        user: String,
    },
    /// End every session on a client.
    Client {
        /// The client's id.
        id: String,
    },
    /// End every session there is.
    All {
        /// Really.
        #[arg(long, required = true)]
        yes: bool,
    },
}

pub(super) async fn run(command: RevokeCommand, global: &GlobalArgs) -> Outcome {
    let usage = |what: &str, error: &dyn Display| Failure::Usage(format!("{what} {error}"));
    let (target, what) = match &command {
        RevokeCommand::Session { id } => {
            let id = SessionId::parse(id).map_err(|error| usage("the session id", &error))?;
            (RevokeTarget::Session(id), "session")
        }
        RevokeCommand::Client { id } => {
            let id = ClientId::parse(id).map_err(|error| usage("the client id", &error))?;
            (RevokeTarget::Client(id), "client")
        }
        RevokeCommand::User { user } => {
            let core = global.core(Database::MustExist).await?;
            let id = core.auth.find_user(user).await?.id;
            return revoke(&core, RevokeTarget::User(id), "user").await;
        }
        RevokeCommand::All { .. } => (RevokeTarget::All, "database"),
    };
    revoke(&global.core(Database::MustExist).await?, target, what).await
}

async fn revoke(core: &Core, target: RevokeTarget, what: &str) -> Outcome {
    let seq = core.auth.revoke(target, &Administrator::command_line()).await?;
    core.store.close().await;
    let seq = seq.ok_or_else(|| anyhow::anyhow!("there is no such {what}"))?;
    output::line(format_args!("revoked; revocation sequence number {seq}"))
}
