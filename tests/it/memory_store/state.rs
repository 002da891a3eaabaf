//! What the database holds: a map for each table.

use std::{collections::BTreeMap, time::Duration};

use tokenward::{
    domain::{
        account::Account,
        audit::Entry,
        client::{ClientProfile, StoredSecret},
        clock::Timestamp,
        error::Fault,
        id::{ClientId, SessionId, UserId},
        identifier::Identifier,
        password::PasswordHash,
        revocation::{LogHead, Revocation},
        session::Session,
        throttle::{Fingerprint, Tally},
    },
    store::port::StoreError,
};
use uuid::Uuid;

use super::Bug;

/// All that there is.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) bug: Option<Bug>,
    pub(crate) database_time: Option<Timestamp>,
    pub(crate) owner: Option<Owner>,
    pub(crate) head: Option<LogHead>,
    pub(crate) version_floor: i64,
    pub(crate) log: BTreeMap<i64, Revocation>,
    /// An entry that has its place and is not seen ([`Bug::EntriesOutOfOrder`]).
    pub(crate) unseen: Option<Revocation>,
    pub(crate) users: BTreeMap<UserId, User>,
    /// By kind and canonical text.
    pub(crate) identifiers: BTreeMap<(&'static str, String), UserId>,
    pub(crate) one_time_tokens: BTreeMap<TokenPlace, OneTimeToken>,
    pub(crate) clients: BTreeMap<ClientId, ClientRow>,
    pub(crate) client_settings: BTreeMap<ClientId, ClientSettings>,
    /// Used ones, by their client and digest, and when they are over.
    pub(crate) assertions: BTreeMap<(ClientId, [u8; 32]), Timestamp>,
    pub(crate) sessions: BTreeMap<SessionId, SessionRow>,
    /// By kind and subject.
    pub(crate) tallies: BTreeMap<(&'static str, String), Tally>,
    pub(crate) audit: BTreeMap<i64, Entry>,
    pub(crate) audit_seq: i64,
    pub(crate) audit_digest: String,
}

/// Whose the database is.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) issuer: String,
    pub(crate) max_session_lifetime: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) account: Account,
    pub(crate) password_hash: Option<PasswordHash>,
}

impl User {
    pub(super) fn has_hash(&self, hash: &PasswordHash) -> bool {
        self.password_hash.as_ref().is_some_and(|mine| mine.expose() == hash.expose())
    }
}

/// A client of the configuration, or the part of another one that is alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientRow {
    pub(crate) version: i64,
    pub(crate) disabled_at: Option<Timestamp>,
}

/// What only clients have that administrators made.
#[derive(Clone, Debug)]
pub(crate) struct ClientSettings {
    pub(crate) etag: Uuid,
    pub(crate) profile: ClientProfile,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) secrets: Vec<StoredSecret>,
}

#[derive(Clone, Debug)]
pub(crate) struct SessionRow {
    pub(crate) session: Session,
    /// The newest generation whose repetition has an audit entry.
    pub(crate) replayed_generation: i64,
}

/// User, purpose and kind of identifier: there is one token for each.
pub(crate) type TokenPlace = (UserId, &'static str, &'static str);

#[derive(Clone, Debug)]
pub(crate) struct OneTimeToken {
    pub(crate) digest: Fingerprint,
    /// At another version of the user it is dead.
    pub(crate) user_version: Option<i64>,
    /// The identifier that is to be verified; empty where it is about none.
    pub(crate) canonical: String,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

impl State {
    pub(super) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// The head of the log of a database that was claimed.
    pub(super) fn head(&self) -> Result<LogHead, StoreError> {
        self.head.clone().ok_or_else(|| corrupt("revocation_head is empty: not claimed"))
    }

    /// The largest access lifetime ever configured.
    pub(super) fn max_access_lifetime(&self) -> Duration {
        self.head.as_ref().map(LogHead::max_access_lifetime).unwrap_or_default()
    }

    /// A user's version, but at least the version floor.
    pub(super) fn lifted(&self, account: &Account) -> i64 {
        account.version.max(self.version_floor)
    }

    /// Raises a user's version above what it was, and above the version floor
    /// too. `None`: there is no such user.
    pub(super) fn bump_user(&mut self, id: UserId) -> Option<i64> {
        let floor = self.version_floor;
        let account = &mut self.users.get_mut(&id)?.account;
        account.version = account.version.max(floor) + 1;
        Some(account.version)
    }

    pub(super) fn account(&self, id: UserId) -> Option<Account> {
        self.users.get(&id).map(|user| user.account.clone())
    }

    pub(super) fn sessions_of(&self, user: UserId) -> impl DoubleEndedIterator<Item = &Session> {
        self.sessions.values().map(|row| &row.session).filter(move |s| s.user_id == user)
    }
}

/// Where an account keeps its identifier of a kind.
pub(super) fn place_of<'a>(account: &'a mut Account, kind: &str) -> &'a mut Option<String> {
    match kind {
        "username" => &mut account.username,
        "email" => &mut account.email,
        _ => &mut account.phone,
    }
}

/// Where it keeps when that was verified; usernames never are.
pub(super) fn verified_of<'a>(
    account: &'a mut Account,
    kind: &str,
) -> Option<&'a mut Option<Timestamp>> {
    match kind {
        "email" => Some(&mut account.email_verified_at),
        "phone" => Some(&mut account.phone_verified_at),
        _ => None,
    }
}

pub(super) fn key_of(identifier: &Identifier) -> (&'static str, String) {
    (identifier.kind(), identifier.as_str().to_owned())
}

pub(super) fn corrupt(message: &'static str) -> StoreError {
    StoreError::Corrupt(Fault::from(message))
}
