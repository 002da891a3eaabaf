//! Issuer metadata: where the keys are (RFC 8414, `OpenID` Connect Discovery).
//!
//! The document says what Kubernetes says of its own tokens-only issuer: what
//! both specifications require, as far as it is true here. There is no
//! authorization endpoint and no grant to advertise, and empty arrays would
//! be wrong (RFC 8414 section 3.2).

use std::collections::BTreeSet;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::json;
use url::Url;

use super::public::CACHE_CONTROL;

const JWKS: &str = "/.well-known/jwks.json";
const NAMES: [&str; 2] =
    ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

/// Where the key set is served: always at the root, and under the issuer's
/// path, for proxies that keep the path.
pub(super) fn jwks_paths(issuer: &str) -> BTreeSet<String> {
    [JWKS.to_owned(), format!("{}{JWKS}", path_of(issuer))].into()
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
    let document = json!({
        "issuer": issuer,
        "jwks_uri": format!("{}{JWKS}", issuer.trim_end_matches('/')),
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
        assert_eq!(sorted(jwks_paths("https://auth.example")), ["/.well-known/jwks.json"]);
        let names =
            ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
        assert_eq!(sorted(paths("https://auth.example")), names);
        assert_eq!(sorted(paths("https://auth.example/")), names);
        assert_eq!(sorted(paths("not a URL")), names);
    }

    #[test]
    fn an_issuer_with_a_path_has_both_forms_too() {
        assert_eq!(
            sorted(jwks_paths("https://example.org/a")),
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
            for path in paths(issuer).into_iter().chain(jwks_paths(issuer)) {
                assert!(!path.contains('{'), "{path}");
                router = router.route(&path, axum::routing::get(async || "ok"));
            }
        }
    }
}
