//! `/auth/verify`: forward-auth, as nginx (`auth_request`), Traefik, Caddy,
//! `HAProxy` and others ask. The route's requirements are in the query, which
//! comes from the gateway's configuration; no body is read, and no header is
//! believed but for the credential, what defends it, and the method that the
//! gateway tells.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use url::form_urlencoded;

use crate::{
    arrival,
    gateway::{Allowed, COOKIE, Gateway, Held, Requirements, is_safe},
};

use super::problem;

/// Where gateways tell it.
const ORIGINAL_METHOD: [&str; 2] = ["x-forwarded-method", "x-original-method"];

/// May the request pass, and who is it?
pub(super) async fn verify(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (request, _) = request.into_parts();
    let caller = arrival::caller(&request.headers, &request.extensions);
    let query = request.uri.query().unwrap_or_default();
    let requirements = Requirements::parse(form_urlencoded::parse(query.as_bytes()));
    let method = held_method(&request.headers, request.method.as_str());
    let held = Held { method, headers: &request.headers, caller: &caller };
    match gateway.judge(held, requirements).await {
        Ok(allowed) => (StatusCode::OK, headers(allowed)).into_response(),
        Err(refused) => problem::refused(refused),
    }
}

/// The method of the request that the gateway holds: as it tells it, since it
/// may ask with another one. Of several that are told, one that changes
/// something.
fn held_method<'a>(headers: &'a HeaderMap, own: &'a str) -> &'a str {
    let told = ORIGINAL_METHOD.iter().flat_map(|name| headers.get_all(*name));
    let told = told.map(|value| value.to_str().unwrap_or_default());
    told.min_by_key(|method| is_safe(method)).unwrap_or(own)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn method(own: &str, told: &[(&'static str, &'static str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in told {
            headers.append(*name, HeaderValue::from_static(value));
        }
        held_method(&headers, own).to_owned()
    }

    #[test]
    fn what_the_gateway_says_of_the_method_counts() {
        assert_eq!(method("POST", &[]), "POST");
        for name in ORIGINAL_METHOD {
            assert_eq!(method("GET", &[(name, "POST")]), "POST");
            assert_eq!(method("POST", &[(name, "GET")]), "GET");
            assert_eq!(method("GET", &[(name, "")]), "", "which is not safe");
        }
        let [forwarded, original] = ORIGINAL_METHOD;
        assert_eq!(method("GET", &[(forwarded, "GET"), (original, "DELETE")]), "DELETE");
        assert_eq!(method("GET", &[(forwarded, "PUT"), (forwarded, "GET")]), "PUT");
    }
}
