//! Which pages may make calls.

use tokenward::config::Settings;

use super::{
    connect::path,
    http::{ask, send},
    serve, usual,
};
use crate::support::{
    http::Answer,
    served::Served,
    world::{Engine, World},
};

const FRIEND: &str = "https://app.example";
const STRANGER: &str = "https://evil.example";

async fn served() -> Served {
    let befriended = |settings: &mut Settings| {
        usual(settings);
        let friends = [FRIEND, "http://localhost:3000"];
        settings.http.cors_origins.0 = friends.map(str::to_owned).to_vec();
    };
    World::with(Engine::Sqlite, befriended).await.unwrap().serve().await
}

async fn preflight(served: &Served, origin: &str) -> Answer {
    let headers = format!(
        "Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\
         Access-Control-Request-Headers: authorization,connect-protocol-version,content-type\r\n"
    );
    ask(served, "OPTIONS", &path("Verify"), &headers).await
}

async fn call(served: &Served, origin: &str) -> Answer {
    let headers = format!("Origin: {origin}\r\nContent-Type: application/json\r\n");
    send(served, "POST", &path("Verify"), &headers, r#"{"token":"a.b.c"}"#).await
}

/// The items of a header with a list.
fn list(answer: &Answer, name: &str) -> Vec<String> {
    let list = answer.header(name).unwrap_or_default();
    list.split(',').map(|item| item.trim().to_ascii_lowercase()).collect()
}

#[tokio::test]
async fn ht_09_pages_of_named_origins_may_call() {
    let served = served().await;
    for origin in [FRIEND, "http://localhost:3000"] {
        let asked = preflight(&served, origin).await;
        assert_eq!((asked.status, asked.body.as_str()), (200, ""));
        assert_eq!(asked.header("access-control-allow-origin"), Some(origin));
        assert_eq!(asked.header("access-control-allow-methods"), Some("POST"));
        assert_eq!(asked.header("access-control-max-age"), Some("7200"));
        assert_eq!(asked.header("access-control-allow-credentials"), None);
        let allowed = list(&asked, "access-control-allow-headers");
        for name in [
            "content-type",
            "authorization",
            "connect-protocol-version",
            "connect-timeout-ms",
            "grpc-timeout",
            "x-grpc-web",
            "x-user-agent",
        ] {
            assert!(allowed.iter().any(|allowed| allowed == name), "{name} in {allowed:?}");
        }
        let answer = call(&served, origin).await;
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (200, Some(origin))
        );
        let exposed = list(&answer, "access-control-expose-headers");
        for name in ["grpc-status", "grpc-message", "grpc-status-details-bin", "x-request-id"] {
            assert!(exposed.iter().any(|exposed| exposed == name), "{name} in {exposed:?}");
        }
    }
}

#[tokio::test]
async fn ht_09_pages_of_other_origins_may_not() {
    let served = served().await;
    for origin in [
        STRANGER,
        "null",
        "*",
        "https://app.example.evil.example",
        "https://app.example:8443",
        "http://app.example",
        "https://sub.app.example",
        "HTTPS://APP.EXAMPLE",
        "https://app.example/",
        "https://app.example, https://evil.example",
    ] {
        for answer in [preflight(&served, origin).await, call(&served, origin).await] {
            assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            assert!(list(&answer, "vary").contains(&"origin".to_owned()), "or a cache would mix");
        }
    }
    // Other paths are none of the layer's.
    let others = ["/livez", "/metrics", "/readyz", "/absent"].map(|path| ("GET", path));
    let oauth = ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"];
    for (method, path) in others.into_iter().chain(oauth.map(|path| ("POST", path))) {
        for method in [method, "OPTIONS"] {
            let headers = format!("Origin: {FRIEND}\r\nAccess-Control-Request-Method: POST\r\n");
            let answer = ask(&served, method, path, &headers).await;
            assert_eq!(answer.header("access-control-allow-origin"), None, "{method} {path}");
        }
    }
}

/// Nobody is named by default.
#[tokio::test]
async fn ht_09_without_names_nobody_may() {
    let served = serve(Engine::Sqlite).await.unwrap();
    assert_eq!(preflight(&served, FRIEND).await.status, 405);
    let answer = call(&served, FRIEND).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
}
