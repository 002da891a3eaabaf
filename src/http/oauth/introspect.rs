//! `POST /oauth2/introspect` (RFC 7662).

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use serde_json::{Map, Value, json};

use crate::{
    domain::error::AuthError,
    service::{Auth, verify::TokenClaims},
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

/// Tells a client about a token that is meant for it. The hint at the token's
/// type helps nobody: a token says itself what it is.
pub(super) async fn serve(
    State(auth): State<Arc<Auth>>,
    request: ClientRequest,
) -> Result<Response, OauthError> {
    let ClientRequest { credentials, mut form, caller } = request;
    let token = required(&mut form, "token")?;
    let body = match auth.introspect(&credentials, token, &caller).await? {
        Some(claims) => active(&claims)?,
        None => json!({ "active": false }),
    };
    Ok(answer(StatusCode::OK, &body))
}

fn active(TokenClaims { json, .. }: &TokenClaims) -> Result<Value, AuthError> {
    let mut claims: Map<String, Value> =
        serde_json::from_str(json).map_err(|error| AuthError::internal(error.to_string()))?;
    let mut body = Map::new();
    body.insert("active".to_owned(), json!(true));
    body.insert("token_type".to_owned(), json!("Bearer"));
    body.extend(TOLD.iter().filter_map(|name| claims.remove_entry(*name)));
    Ok(Value::Object(body))
}
