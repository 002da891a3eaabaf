//! `POST /oauth2/revoke` (RFC 7009).

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};

use crate::service::{Auth, revoke::RevokedByClient};

use super::{
    error::OauthError,
    request::{ClientRequest, required},
};

/// Ends the session of a token of the client. What was no good anyway is
/// answered in the same way.
pub(super) async fn serve(
    State(auth): State<Arc<Auth>>,
    request: ClientRequest,
) -> Result<Response, OauthError> {
    let ClientRequest { credentials, mut form, caller } = request;
    let token = required(&mut form, "token")?;
    match auth.revoke_for_client(&credentials, &token, &caller).await? {
        RevokedByClient::Dead => {
            Ok((StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response())
        }
        RevokedByClient::NotRevocable => Err(OauthError::unsupported_token_type(
            "a client's own access token ends when it expires",
        )),
    }
}
