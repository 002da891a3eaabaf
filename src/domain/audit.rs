//! Who does something, as the log of revocations and the audit log name them.

use std::fmt;

use super::id::{ClientId, UserId};

/// In whose name something happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Nobody has proved who they are.
    Anonymous,
    /// Whoever holds a token: possession is all that was asked for.
    Bearer,
    /// A user, by an access token or by their password.
    User(UserId),
    /// A service client, by its own credentials.
    Client(ClientId),
    /// Whoever may run the command line on the database.
    Operator,
    /// Whoever has a client certificate of this name.
    Certificate(String),
    /// The server itself, for instance when a limit is reached.
    System,
}

impl Actor {
    /// The kind alone: a word that the log of revocations keeps.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Bearer => "token",
            Self::User(_) => "user",
            Self::Client(_) => "client",
            Self::Operator => "operator",
            Self::Certificate(_) => "certificate",
            Self::System => "system",
        }
    }
}

/// The kind, and the name if there is one: `user:018f3a5e-…`.
impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::User(id) => write!(f, "{kind}:{id}"),
            Self::Client(id) => write!(f, "{kind}:{id}"),
            Self::Certificate(name) => write!(f, "{kind}:{name}"),
            _ => f.write_str(kind),
        }
    }
}

/// Where something comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// In whose name it happens.
    pub actor: Actor,
    /// The address that the call comes from; empty when there is none.
    pub source: String,
    /// The id of the call; empty for commands.
    pub request_id: String,
}
