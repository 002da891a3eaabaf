//! What each endpoint is sent: a form, a client, and where it comes from.

use axum::extract::{FromRequest, Request};

use crate::{
    arrival,
    service::{Caller, client_auth::ClientCredentials},
};

use super::{credentials, error::OauthError, form::Form};

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
