//! Issuer metadata: where the keys are (RFC 8414, `OpenID` Connect Discovery).
//!
//! The document says what both specifications require, as far as it is true
//! here, and what [`super::oauth`] serves. There is no authorization endpoint,
//! and empty arrays would be wrong (RFC 8414 section 3.2).

use std::collections::BTreeSet;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::json;
use url::Url;

use crate::domain::client_keys::Algorithm;

use super::{oauth, public::CACHE_CONTROL};

/// The name of the key set.
pub(super) const JWKS: &str = "/.well-known/jwks.json";
const NAMES: [&str; 2] =
    ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

/// Where the thing of a name is served: always at the root, and under the
/// issuer's path, for proxies that keep the path.
pub(super) fn places(issuer: &str, name: &str) -> BTreeSet<String> {
    [name.to_owned(), format!("{}{name}", path_of(issuer))].into()
}

/// Where the document is served. For an issuer with a path that is the name
/// alone, the name appended to the path (`OpenID` Connect Discovery section 4)
/// and the name inserted before it (RFC 8414 section 3.1).
pub(super) fn paths(issuer: &str) -> BTreeSet<String> {
    let path = path_of(issuer);
    let forms = |name| [String::from(name), format!("{path}{name}"), format!("{name}{path}")];
    NAMES.into_iter().flat_map(forms).collect()
}

/// The document, made once: nothing of a request goes into it.
pub(super) fn document(issuer: &str) -> Bytes {
    let at = |name| format!("{}{name}", issuer.trim_end_matches('/'));
    let algorithms = Algorithm::ALL.map(Algorithm::as_str);
    let with_public_clients: Vec<_> = oauth::AUTH_METHODS.into_iter().chain(["none"]).collect();
    let document = json!({
        "issuer": issuer,
        "jwks_uri": at(JWKS),
        "token_endpoint": at(oauth::TOKEN),
        "grant_types_supported": oauth::GRANT_TYPES,
        "token_endpoint_auth_methods_supported": with_public_clients,
        "token_endpoint_auth_signing_alg_values_supported": algorithms,
        "introspection_endpoint": at(oauth::INTROSPECT),
        "introspection_endpoint_auth_methods_supported": oauth::AUTH_METHODS,
        "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
        "revocation_endpoint": at(oauth::REVOKE),
        "revocation_endpoint_auth_methods_supported": with_public_clients,
        "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    Bytes::from(document.to_string())
}

pub(super) async fn serve(State(document): State<Bytes>) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, CACHE_CONTROL)];
    (headers, document).into_response()
}

/// The issuer's path as requests spell it, without a slash at its end. What
/// is not a URL has none; braces, which routes would take for parameters, do
/// not stand in a parsed path.
fn path_of(issuer: &str) -> String {
    let path = Url::parse(issuer).map(|url| url.path().trim_end_matches('/').to_owned());
    path.ok().filter(|path| !path.contains(['{', '}'])).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(paths: BTreeSet<String>) -> Vec<String> {
        paths.into_iter().collect()
    }

    #[test]
    fn ht_15_the_document_of_an_issuer() {
        assert_eq!(
            document("https://auth.example"),
            concat!(
                r#"{"issuer":"https://auth.example","#,
                r#""jwks_uri":"https://auth.example/.well-known/jwks.json","#,
                r#""token_endpoint":"https://auth.example/oauth2/token","#,
                r#""grant_types_supported":["refresh_token","client_credentials"],"#,
                r#""token_endpoint_auth_methods_supported":["client_secret_basic","#,
                r#""client_secret_post","private_key_jwt","none"],"#,
                r#""token_endpoint_auth_signing_alg_values_supported":["RS256","ES256"],"#,
                r#""introspection_endpoint":"https://auth.example/oauth2/introspect","#,
                r#""introspection_endpoint_auth_methods_supported":["client_secret_basic","#,
                r#""client_secret_post","private_key_jwt"],"#,
                r#""introspection_endpoint_auth_signing_alg_values_supported":["RS256","ES256"],"#,
                r#""revocation_endpoint":"https://auth.example/oauth2/revoke","#,
                r#""revocation_endpoint_auth_methods_supported":["client_secret_basic","#,
                r#""client_secret_post","private_key_jwt","none"],"#,
                r#""revocation_endpoint_auth_signing_alg_values_supported":["RS256","ES256"],"#,
                r#""response_types_supported":["id_token"],"#,
                r#""subject_types_supported":["public"],"#,
                r#""id_token_signing_alg_values_supported":["RS256"]}"#,
            )
        );
        let with_path = document("https://example.org/a/b");
        let with_path = std::str::from_utf8(&with_path).expect("UTF-8");
        assert!(with_path.contains(r#""https://example.org/a/b/.well-known/jwks.json""#));
    }

    #[test]
    fn an_issuer_without_a_path_has_two_documents() {
        assert_eq!(sorted(places("https://auth.example", JWKS)), [JWKS]);
        let names =
            ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
        assert_eq!(sorted(paths("https://auth.example")), names);
        assert_eq!(sorted(paths("https://auth.example/")), names);
        assert_eq!(sorted(paths("not a URL")), names);
    }

    #[test]
    fn an_issuer_with_a_path_has_both_forms_too() {
        assert_eq!(
            sorted(places("https://example.org/a", JWKS)),
            ["/.well-known/jwks.json", "/a/.well-known/jwks.json"]
        );
        assert_eq!(
            sorted(paths("https://example.org/a/b")),
            [
                "/.well-known/oauth-authorization-server",
                "/.well-known/oauth-authorization-server/a/b",
                "/.well-known/openid-configuration",
                "/.well-known/openid-configuration/a/b",
                "/a/b/.well-known/oauth-authorization-server",
                "/a/b/.well-known/openid-configuration",
            ]
        );
    }

    #[test]
    fn odd_paths_do_not_become_route_parameters() {
        for issuer in ["https://e.org/:x/*y", "https://e.org/{a}", "https://e.org/a{b}c/"] {
            let mut router = axum::Router::<()>::new().without_v07_checks();
            for path in paths(issuer).into_iter().chain(places(issuer, JWKS)) {
                assert!(!path.contains('{'), "{path}");
                router = router.route(&path, axum::routing::get(async || "ok"));
            }
        }
    }
}
