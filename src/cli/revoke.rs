//! `tokenward revoke`.

use clap::Subcommand;

use super::{Failure, GlobalArgs, Outcome};
use crate::{
    domain::{
        id::{ClientId, SessionId},
        revocation::Reason,
    },
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
        /// Id, username or e-mail address.
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
    let usage =
        |what: &str, error: &dyn std::fmt::Display| Failure::Usage(format!("{what} {error}"));
    let (target, what) = match &command {
        RevokeCommand::Session { id } => {
            let id = SessionId::parse(id).map_err(|error| usage("the session id", &error))?;
            (Some(RevokeTarget::Session(id)), "session")
        }
        RevokeCommand::Client { id } => {
            let id = ClientId::parse(id).map_err(|error| usage("the client id", &error))?;
            (Some(RevokeTarget::Client(id)), "client")
        }
        RevokeCommand::User { .. } => (None, "user"),
        RevokeCommand::All { .. } => (Some(RevokeTarget::All), "database"),
    };
    let core = global.core().await?;
    let target = match (target, &command) {
        (Some(target), _) => target,
        (None, RevokeCommand::User { user }) => {
            RevokeTarget::User(core.auth.find_user(user).await?.id)
        }
        (None, _) => return Err(Failure::Usage("nothing to revoke".to_owned())),
    };
    let seq = core.auth.revoke(target, Reason::Operator, "operator").await?;
    core.store.close().await;
    match seq {
        Some(seq) => println!("revoked; revocation sequence number {seq}"),
        None => return Err(anyhow::anyhow!("there is no such {what}").into()),
    }
    Ok(())
}
