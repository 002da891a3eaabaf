//! What each endpoint is sent: a form, a client, and where it comes from.

use axum::extract::{FromRequest, Request};

use crate::{
    arrival,
    http::form::Form,
    service::{Caller, client_auth::ClientCredentials},
};

use super::{credentials, error::OauthError};

/// The request of a client, taken apart and not checked.
pub(super) struct ClientRequest {
    /// Who it says that it is.
    pub(super) credentials: ClientCredentials,
    /// What else stands in the form.
    pub(super) form: Form,
    /// Where it comes from.
    pub(super) caller: Caller,
}

impl<S: Sync> FromRequest<S> for ClientRequest {
    type Rejection = OauthError;

    async fn from_request(request: Request, _: &S) -> Result<Self, OauthError> {
        let (parts, body) = request.into_parts();
        let mut form = Form::read(&parts.headers, body).await?;
        let credentials = credentials::of(&parts.headers, &mut form)?;
        let caller = arrival::caller(&parts.headers, &parts.extensions);
        Ok(Self { credentials, form, caller })
    }
}

/// The value of a parameter that must be there.
pub(super) fn required(form: &mut Form, name: &'static str) -> Result<String, OauthError> {
    let missing = || OauthError::invalid_request(format!("{name} must not be empty"));
    form.take(name).ok_or_else(missing)
}
