//! `POST /oauth2/introspect` (RFC 7662).

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde_json::{Map, Value, json};

use crate::{
    domain::error::AuthError,
    http::form::Form,
    service::{
        Auth,
        index::Needs,
        introspect::ActiveToken,
        verify::{Question, TokenClaims},
    },
};

use super::{
    answer,
    error::OauthError,
    request::{ClientRequest, required},
};

/// The claims that are told, as the token has them. Custom ones are for who
/// reads the token itself.
const TOLD: [&str; 11] =
    ["scope", "client_id", "sub", "aud", "iss", "exp", "iat", "jti", "sid", "roles", "auth_time"];

const MIN_REVOCATION_SEQ: &str = "min_revocation_seq";

/// Tells a client about a token that is meant for it. The hint at the token's
/// type helps nobody: a token says itself what it is.
pub(super) async fn serve(
    State(auth): State<Arc<Auth>>,
    request: ClientRequest,
) -> Result<Response, OauthError> {
    let ClientRequest { credentials, mut form, caller } = request;
    let question = Question {
        token: required(&mut form, "token")?,
        needs: needs(&mut form)?,
        ..Question::default()
    };
    let body = match auth.introspect(&credentials, &question, &caller).await? {
        Some(token) => active(&token)?,
        None => json!({ "active": false }),
    };
    Ok(answer(StatusCode::OK, &body))
}

/// Which revocation must have been seen (an extension; section 2.1 leaves room
/// for it).
fn needs(form: &mut Form) -> Result<Needs, OauthError> {
    let Some(text) = form.take(MIN_REVOCATION_SEQ) else { return Ok(Needs::default()) };
    let not_a_number =
        |_| OauthError::invalid_request(format!("{MIN_REVOCATION_SEQ} must be a sequence number"));
    let min_revocation_seq = text.parse().map_err(not_a_number)?;
    Ok(Needs { min_revocation_seq, ..Needs::default() })
}

fn active(token: &ActiveToken) -> Result<Value, AuthError> {
    let ActiveToken { claims: TokenClaims { json, .. }, revocation_seq } = token;
    let mut claims: Map<String, Value> =
        serde_json::from_str(json).map_err(|error| AuthError::internal(error.to_string()))?;
    let mut body = Map::new();
    body.insert("active".to_owned(), json!(true));
    body.insert("token_type".to_owned(), json!("Bearer"));
    body.extend(TOLD.iter().filter_map(|name| claims.remove_entry(*name)));
    body.insert("revocation_seq".to_owned(), json!(revocation_seq));
    Ok(Value::Object(body))
}
