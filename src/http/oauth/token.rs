//! `POST /oauth2/token` (RFC 6749 section 3.2).

use std::sync::Arc;

use axum::{extract::State, http::StatusCode, response::Response};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};

use crate::{
    domain::{error::AuthError, policy::Scopes},
    service::{Auth, client_token::ClientTokenRequest, tokens::TokenPair},
};

use super::{
    answer,
    error::OauthError,
    request::{ClientRequest, required},
};

/// The next tokens of a user's session.
pub(super) const REFRESH_TOKEN: &str = "refresh_token";
/// A client's own token.
pub(super) const CLIENT_CREDENTIALS: &str = "client_credentials";

/// Gives tokens for one of the grants. There is none for passwords: they are
/// for Login, which no other site's form can imitate.
pub(super) async fn serve(
    State(auth): State<Arc<Auth>>,
    mut request: ClientRequest,
) -> Result<Response, OauthError> {
    let tokens = match required(&mut request.form, "grant_type")?.as_str() {
        REFRESH_TOKEN => refresh(&auth, request).await?,
        CLIENT_CREDENTIALS => client_credentials(&auth, request).await?,
        _ => return Err(OauthError::unsupported_grant_type()),
    };
    let lives_on = tokens.expires_at.since(auth.clock.now());
    Ok(answer(StatusCode::OK, &body(&tokens, lives_on.as_secs())))
}

/// Whom the token is for is said by `resource` (RFC 8707) or `audience`.
async fn client_credentials(auth: &Auth, request: ClientRequest) -> Result<TokenPair, OauthError> {
    let ClientRequest { credentials, mut form, caller } = request;
    let mut audience = form.take_all("resource");
    audience.append(&mut form.take_all("audience"));
    let scope = form.take("scope").unwrap_or_default();
    let request = ClientTokenRequest { credentials, audience, scope };
    Ok(auth.issue_client_token(request, &caller).await?)
}

/// What was granted at the login stays what it was. A `scope` that is asked for
/// is left aside, and the answer says so (RFC 6749 section 3.3); an audience
/// would go unnoticed, and is refused.
async fn refresh(auth: &Auth, request: ClientRequest) -> Result<TokenPair, OauthError> {
    let ClientRequest { credentials, mut form, caller } = request;
    let token = required(&mut form, "refresh_token")?.into();
    let scope = form.take("scope").unwrap_or_default();
    Scopes::parse(&scope).map_err(|error| AuthError::invalid("scope", error.to_string()))?;
    if !form.take_all("resource").is_empty() || !form.take_all("audience").is_empty() {
        return Err(OauthError::invalid_target("the audience of a session is chosen at its login"));
    }
    Ok(auth.refresh_for(&credentials, token, &caller).await?.tokens)
}

/// RFC 6749 section 5.1.
fn body(tokens: &TokenPair, expires_in: u64) -> Value {
    let mut body = Map::new();
    let mut put = |name: &str, value| body.insert(name.to_owned(), value);
    put("access_token", json!(tokens.access_token.expose_secret()));
    put("token_type", json!("Bearer"));
    put("expires_in", json!(expires_in));
    if let Some(token) = &tokens.refresh_token {
        put("refresh_token", json!(token.expose_secret()));
    }
    if !tokens.scopes.is_empty() {
        put("scope", json!(tokens.scopes.to_string()));
    }
    Value::Object(body)
}
