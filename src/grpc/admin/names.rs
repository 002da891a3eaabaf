//! Resource names (AIP-122): `users/{user_id}` and what is below,
//! `clients/{client_id}`, and `keys/{kid}`.

use crate::domain::{
    error::AuthError,
    id::{ClientId, KeyId, SessionId, UserId},
};

/// The resource name of a user.
pub(super) fn user(id: UserId) -> String {
    format!("users/{id}")
}

/// The resource name of a session.
pub(super) fn session(user_id: UserId, id: SessionId) -> String {
    format!("{}/sessions/{id}", user(user_id))
}

/// The resource name of a client.
pub(super) fn client(id: &ClientId) -> String {
    format!("clients/{id}")
}

/// The resource name of a key.
pub(super) fn key(kid: &KeyId) -> String {
    format!("keys/{kid}")
}

/// The key that the field `name` names.
pub(super) fn parse_key(name: &str) -> Result<KeyId, AuthError> {
    let kid = name.strip_prefix("keys/").and_then(|kid| KeyId::parse(kid).ok());
    kid.ok_or_else(|| AuthError::invalid("name", "must be keys/ and the id of a key"))
}

/// The client that the field `field` names.
pub(super) fn parse_client(field: &'static str, name: &str) -> Result<ClientId, AuthError> {
    let id = name.strip_prefix("clients/").and_then(|id| ClientId::parse(id).ok());
    id.ok_or_else(|| AuthError::invalid(field, "must be clients/ and the id of a client"))
}

/// The user that the field `field` names by id.
pub(super) fn parse_user(field: &'static str, name: &str) -> Result<UserId, AuthError> {
    let id = name.strip_prefix("users/").and_then(|id| UserId::parse(id).ok());
    id.ok_or_else(|| AuthError::invalid(field, "must be users/ and the id of a user"))
}

/// The session that the field `name` names by id, and its user.
pub(super) fn parse_session(name: &str) -> Result<(UserId, SessionId), AuthError> {
    let parts = name.strip_prefix("users/").and_then(|rest| rest.split_once("/sessions/"));
    let ids = parts.and_then(|(user, session)| {
        Some((UserId::parse(user).ok()?, SessionId::parse(session).ok()?))
    });
    let rule = "must be users/, the id of a user, /sessions/, and the id of a session";
    ids.ok_or_else(|| AuthError::invalid("name", rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact() {
        let id = "018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60";
        let name = format!("users/{id}");
        assert_eq!(parse_user("name", &name).map(user).expect("a name"), name);
        let below = format!("{name}/sessions/{id}");
        let (user_id, session_id) = parse_session(&below).expect("a name");
        assert_eq!(session(user_id, session_id), below);
        for bad in ["", id, "users/", "users/-", "user/x", &format!("{name}/"), &below] {
            assert!(parse_user("name", bad).is_err(), "{bad:?}");
        }
        for bad in ["", &name, &format!("{name}/sessions/"), &format!("{below}/x")] {
            assert!(parse_session(bad).is_err(), "{bad:?}");
        }
    }
}
