//! The audit log: who did what, to whom, from where, and how it ended.

use std::{borrow::Cow, fmt};

use super::{
    clock::Timestamp,
    id::{ClientId, SessionId, UserId},
    throttle::Fingerprint,
};

/// SHA-256, as whoever keeps the log is given it.
pub type Sha256 = fn(&[u8]) -> [u8; 32];

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

impl Origin {
    /// The same call, when the server itself draws a consequence of it.
    #[must_use]
    pub fn by_system(&self) -> Self {
        Self { actor: Actor::System, ..self.clone() }
    }
}

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $text:literal;)*) => {
        /// What was done or tried. Names are kept for ever: tools read them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Action {
            $($(#[$doc])* $variant,)*
        }

        impl Action {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in `UPPER_SNAKE_CASE`, as stored and as told.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

actions! {
    /// A login, or a failed one.
    Login = "LOGIN";
    /// A refresh token was presented. Ordinary uses are told in lines only.
    Refresh = "REFRESH";
    /// A user created their own account.
    Register = "REGISTER";
    /// A user changed their password, or failed to.
    ChangePassword = "CHANGE_PASSWORD";
    /// A session ended before its time.
    RevokeSession = "REVOKE_SESSION";
    /// All sessions of a user ended.
    RevokeUser = "REVOKE_USER";
    /// All sessions on a client ended.
    RevokeClient = "REVOKE_CLIENT";
    /// Every session ended.
    RevokeAll = "REVOKE_ALL";
    /// A key and its tokens are dead; the detail names it.
    RevokeKey = "REVOKE_KEY";
    /// Keys sign earlier than scheduled; the detail names their files.
    RotateKeys = "ROTATE_KEYS";
    /// An administrator created a user.
    CreateUser = "CREATE_USER";
    /// A user came from another system with a password hash.
    ImportUser = "IMPORT_USER";
    /// A user was changed; the detail names the fields.
    UpdateUser = "UPDATE_USER";
    /// A user was removed.
    DeleteUser = "DELETE_USER";
    /// A user may not log in any more.
    DisableUser = "DISABLE_USER";
    /// A user may log in again.
    EnableUser = "ENABLE_USER";
    /// An administrator set a user's password.
    SetPassword = "SET_PASSWORD";
    /// An administrator asked for a token with which a user sets a password.
    CreatePasswordResetToken = "CREATE_PASSWORD_RESET_TOKEN";
    /// An administrator asked for a token with which a user shows that an
    /// identifier is theirs.
    CreateVerificationToken = "CREATE_VERIFICATION_TOKEN";
    /// Whoever had such a token set a new password.
    ResetPassword = "RESET_PASSWORD";
    /// Whoever had such a token showed that the identifier is theirs.
    VerifyIdentifier = "VERIFY_IDENTIFIER";
    /// An administrator made a client.
    CreateClient = "CREATE_CLIENT";
    /// A client has other settings.
    UpdateClient = "UPDATE_CLIENT";
    /// A client is given nothing any more, and nobody logs in on it.
    DisableClient = "DISABLE_CLIENT";
    /// A client is given tokens again.
    EnableClient = "ENABLE_CLIENT";
    /// A client is gone.
    DeleteClient = "DELETE_CLIENT";
    /// A client has a new secret.
    RotateClientSecret = "ROTATE_CLIENT_SECRET";
    /// A client asked for a token of its own. Told in lines only.
    IssueClientToken = "ISSUE_CLIENT_TOKEN";
    /// A client wanted to know about a token. Told in lines only, and only when
    /// it could not prove who it is.
    Introspect = "INTROSPECT";
    /// The database was restored from a backup.
    Restore = "RESTORE";
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Succeeded,
    /// It was refused.
    Refused,
}

impl Outcome {
    /// The name in `UPPER_SNAKE_CASE`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "SUCCEEDED",
            Self::Refused => "REFUSED",
        }
    }
}

/// Something that was done or tried. Holds no secret, and nothing that was
/// typed, unless the configuration wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub action: Action,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it was refused, or done; `UPPER_SNAKE_CASE`, may be empty.
    pub reason: Cow<'static, str>,
    /// Who, and from where.
    pub origin: Origin,
    /// The user whom it was done to.
    pub user: Option<UserId>,
    /// The session that it was done to, or in.
    pub session: Option<SessionId>,
    /// The client that it was done to, or by which it was asked for.
    pub client: Option<ClientId>,
    /// What else there is to know, for example which fields changed.
    pub detail: String,
}

impl Event {
    /// Something that was done to nobody yet.
    pub fn new(action: Action, origin: &Origin, at: Timestamp) -> Self {
        Self {
            at,
            action,
            outcome: Outcome::Succeeded,
            reason: Cow::Borrowed(""),
            origin: origin.clone(),
            user: None,
            session: None,
            client: None,
            detail: String::new(),
        }
    }

    /// It was refused.
    #[must_use]
    pub fn refused(self, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { outcome: Outcome::Refused, ..self.because(reason) }
    }

    /// Why it was done.
    #[must_use]
    pub fn because(self, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into(), ..self }
    }

    /// To whom.
    #[must_use]
    pub fn user(self, id: UserId) -> Self {
        Self { user: Some(id), ..self }
    }

    /// To which session, or in which.
    #[must_use]
    pub fn session(self, id: SessionId) -> Self {
        Self { session: Some(id), ..self }
    }

    /// To which client, or by which.
    #[must_use]
    pub fn client(self, id: ClientId) -> Self {
        Self { client: Some(id), ..self }
    }

    /// What else there is to know.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }
}

/// Something as the log keeps it: in its place, and sealed together with all
/// that came before. Texts, since a newer version may have written it; absent
/// is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place; without gaps, in the order of the commits.
    pub seq: i64,
    /// When.
    pub at: Timestamp,
    /// What: an [`Action`].
    pub action: String,
    /// How it ended: an [`Outcome`].
    pub outcome: String,
    /// Why.
    pub reason: String,
    /// Who: an [`Actor`].
    pub actor: String,
    /// The user whom it was done to.
    pub user: String,
    /// The session that it was done to, or in.
    pub session: String,
    /// The client that it was done to, or by which it was asked for.
    pub client: String,
    /// The address that it was asked from.
    pub source: String,
    /// The id of the call.
    pub request_id: String,
    /// What else there is to know.
    pub detail: String,
    /// SHA-256 over the digest of the entry before and all of the above, in
    /// hexadecimal. Who alters, removes or adds an entry has to seal all later
    /// ones anew, and cannot alter the log lines that told of them.
    pub digest: String,
}

impl Entry {
    /// An event in its place, not sealed yet.
    pub fn new(seq: i64, event: &Event) -> Self {
        fn text(value: Option<impl fmt::Display>) -> String {
            value.map(|value| value.to_string()).unwrap_or_default()
        }
        Self {
            seq,
            at: event.at,
            action: event.action.as_str().to_owned(),
            outcome: event.outcome.as_str().to_owned(),
            reason: event.reason.clone().into_owned(),
            actor: event.origin.actor.to_string(),
            user: text(event.user),
            session: text(event.session),
            client: text(event.client.as_ref()),
            source: event.origin.source.clone(),
            request_id: event.origin.request_id.clone(),
            detail: event.detail.clone(),
            digest: String::new(),
        }
    }

    /// The digest that it must have behind one whose digest is `previous`
    /// (empty for the first). Lengths stand before the texts, so that no text
    /// can run into the next one.
    pub fn seal(&self, previous: &str, sha256: Sha256) -> String {
        let (seq, at) = (self.seq.to_string(), self.at.micros().to_string());
        let texts = [
            previous,
            &seq,
            &at,
            &self.action,
            &self.outcome,
            &self.reason,
            &self.actor,
            &self.user,
            &self.session,
            &self.client,
            &self.source,
            &self.request_id,
            &self.detail,
        ];
        let sealed = texts.iter().fold(String::new(), |sealed, text| {
            sealed + &text.len().to_string() + ":" + text + ","
        });
        Fingerprint::new(sha256(sealed.as_bytes())).to_string()
    }
}

/// Which entries are asked for. Empty is any; all that is given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The user whom it was done to.
    pub user: String,
    /// The session.
    pub session: String,
    /// The client.
    pub client: String,
    /// Who did it.
    pub actor: String,
    /// What.
    pub action: String,
    /// How it ended.
    pub outcome: String,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Before.
    pub until: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let origin = Origin {
            actor: Actor::Operator,
            source: "192.0.2.1".to_owned(),
            request_id: "r-1".to_owned(),
        };
        let event = Event::new(Action::Login, &origin, Timestamp::from_seconds(1_800_000_000));
        Entry::new(7, &event.refused("WRONG_PASSWORD").detail("d"))
    }

    /// Not a digest, but as good as one for telling texts apart.
    fn fold(bytes: &[u8]) -> [u8; 32] {
        let mut folded = [0_u8; 32];
        for (index, byte) in bytes.iter().enumerate() {
            folded[index % 31] = folded[index % 31].wrapping_mul(31).wrapping_add(*byte);
            folded[31] = folded[31].wrapping_mul(17).wrapping_add(*byte);
        }
        folded
    }

    /// LO-10: whatever is altered, the seal is another one.
    #[test]
    fn lo_10_every_field_is_sealed() {
        let seal = |entry: &Entry| entry.seal("before", fold);
        let whole = seal(&entry());
        assert_eq!(whole.len(), 64);
        assert_ne!(entry().seal("other", fold), whole);
        let changes: [fn(&mut Entry); 12] = [
            |e| e.seq += 1,
            |e| e.at = Timestamp::from_seconds(1_800_000_001),
            |e| e.action.push('x'),
            |e| e.outcome.push('x'),
            |e| e.reason.push('x'),
            |e| e.actor.push('x'),
            |e| e.user.push('x'),
            |e| e.session.push('x'),
            |e| e.client.push('x'),
            |e| e.source.push('x'),
            |e| e.request_id.push('x'),
            |e| e.detail.push('x'),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut altered = entry();
            change(&mut altered);
            assert_ne!(seal(&altered), whole, "{index}");
        }
        let mut moved = entry();
        (moved.source, moved.request_id) = ("192.0.2.1r".to_owned(), "-1".to_owned());
        assert_ne!(seal(&moved), whole, "no text runs into the next one");
    }

    #[test]
    fn names_are_words_of_tools() {
        for action in Action::ALL {
            let name = action.as_str();
            assert!(name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{name}");
        }
        let user = UserId::new(uuid::Uuid::nil());
        assert_eq!(Actor::User(user).to_string(), format!("user:{user}"));
        assert_eq!(Actor::Operator.to_string(), "operator");
    }
}
