//! `/auth/verify`: forward-auth, as nginx (`auth_request`), Traefik, Caddy,
//! `HAProxy` and others ask. The route's requirements are in the query, which
//! comes from the gateway's configuration; no body is read, and no header is
//! believed but for the credential and what defends it.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use url::form_urlencoded;

use crate::{
    arrival,
    gateway::{Allowed, COOKIE, Gateway, Held, Requirements},
};

use super::problem;

/// May the request pass, and who is it?
pub(super) async fn verify(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    let caller = arrival::caller(&request.headers, &request.extensions);
    let query = request.uri.query().unwrap_or_default();
    let requirements = Requirements::parse(form_urlencoded::parse(query.as_bytes()));
    let held = Held { method: request.method.as_str(), headers: &request.headers, caller: &caller };
    match gateway.judge(held, requirements).await {
        Ok(allowed) => (StatusCode::OK, headers(allowed)).into_response(),
        Err(refused) => problem::refused(refused),
    }
}

fn headers(allowed: Allowed) -> HeaderMap {
    let Allowed { identity, cookie, set_cookie, .. } = allowed;
    let mut headers: HeaderMap = identity.into_iter().collect();
    let mut insert = |name: HeaderName, value: HeaderValue| headers.insert(name, value);
    insert(COOKIE, cookie);
    insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(renewed) = set_cookie {
        insert(header::SET_COOKIE, renewed);
    }
    headers
}
