//! The HTTP edge, as caches, browsers and probes meet it.

use std::{collections::BTreeSet, fs, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use tokenward::{
    config::{Settings, Span},
    crypto::generate::{KeyBits, generate},
    domain::{clock::Timestamp, keys::file_name},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{serve, serve_without_log, usual};
use crate::support::{
    determinism::START,
    http::{self, Answer},
    served::{PATIENCE, Served},
    world::{Engine, World},
};

const JWKS: &str = "/.well-known/jwks.json";

/// One request, with further header lines.
pub(super) async fn ask(served: &Served, method: &str, path: &str, headers: &str) -> Answer {
    http::send(served.http, method, path, headers, "").await
}

/// The same, with a body.
pub(super) async fn send(
    served: &Served,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> Answer {
    http::send(served.http, method, path, headers, body).await
}

#[tokio::test]
async fn ht_01_ht_02_the_key_set_and_its_headers() {
    let served = serve(Engine::Sqlite).await.unwrap();
    let answer = ask(&served, "GET", JWKS, "").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.starts_with(r#"{"keys":[{"#), "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let length = answer.body.len().to_string();
    assert_eq!(answer.header("content-length"), Some(length.as_str()));
    let etag = answer.header("etag").unwrap();
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");

    let head = ask(&served, "HEAD", JWKS, "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), Some(length.as_str()));
    assert_eq!(head.header("etag"), Some(etag));

    for condition in [etag, "*", &format!("\"x\", W/{etag}")] {
        for method in ["GET", "HEAD"] {
            let headers = format!("If-None-Match: {condition}\r\n");
            let unchanged = ask(&served, method, JWKS, &headers).await;
            assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
            assert_eq!(unchanged.header("etag"), Some(etag));
            assert_eq!(unchanged.header("cache-control"), Some("public, max-age=300"));
        }
    }
    let changed = ask(&served, "GET", JWKS, "If-None-Match: \"x\"\r\n").await;
    assert_eq!((changed.status, changed.body), (200, answer.body));
}

/// No member that a verifier does not need, and numbers as RFC 7518 wants them.
#[tokio::test]
async fn ht_04_keys_have_the_members_of_public_keys() {
    let served = serve(Engine::Sqlite).await.unwrap();
    let document: Value = serde_json::from_str(&ask(&served, "GET", JWKS, "").await.body).unwrap();
    for key in document["keys"].as_array().unwrap() {
        let mut members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use"]);
        assert_eq!(
            (&key["kty"], &key["use"], &key["alg"]),
            (&"RSA".into(), &"sig".into(), &"RS256".into())
        );
        assert_eq!(key["e"], "AQAB");
        let modulus = URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).expect("unpadded");
        assert!(modulus.len() >= 256 && modulus[0] != 0, "without leading zeros");
    }
}

/// HT-07: whatever a cache does not look at, the answer does not either.
#[tokio::test]
async fn ht_07_no_header_changes_the_key_set() {
    let served = serve(Engine::Sqlite).await.unwrap();
    let told = |answer: Answer| {
        let varies = |line: &&str| line.starts_with("date: ") || line.starts_with("x-request-id: ");
        let head: Vec<_> = answer.head().lines().filter(|line| !varies(line)).collect();
        format!("{}\n{}", head.join("\n"), answer.body)
    };
    let expected = told(ask(&served, "GET", JWKS, "").await);
    for headers in [
        "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: http\r\n",
        "X-Original-URL: /metrics\r\nX-Rewrite-URL: /metrics\r\n",
        "X-HTTP-Method-Override: DELETE\r\n",
        "Accept-Encoding: gzip, br\r\n",
        "Accept: text/html\r\nAccept-Language: de\r\n",
        "Origin: https://evil.example\r\n",
        "Range: bytes=0-1\r\n",
        "Cookie: a=b\r\nAuthorization: Bearer a.b.c\r\n",
    ] {
        assert_eq!(told(ask(&served, "GET", JWKS, headers).await), expected, "{headers}");
    }
}

/// HT-06: while one key after the other begins to sign and leaves, readers see
/// whole sets, each key once, and never none.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ht_06_readers_see_whole_sets_while_keys_change() {
    const HOUR: Duration = Duration::from_hours(1);
    let keys = tempfile::tempdir().unwrap();
    let (access, refresh) = (keys.path().join("access"), keys.path().join("refresh"));
    for folder in [&access, &refresh] {
        fs::create_dir(folder).unwrap();
    }
    generate(&refresh, "refresh.pem", KeyBits::Rsa2048).unwrap();
    let instants: Vec<_> = (0..8).map(|hours| START.plus(HOUR * hours)).collect();
    let new_key = |from: &Timestamp| {
        generate(&access, &file_name(*from).unwrap(), KeyBits::Rsa2048).unwrap().to_string()
    };
    let made: BTreeSet<_> = instants.iter().map(new_key).collect();
    let with_keys = |settings: &mut Settings| {
        usual(settings);
        settings.keys.dir = Some(keys.path().to_owned());
    };
    let served = World::with(Engine::Sqlite, with_keys).await.unwrap().serve().await;

    let (address, rotated) = (served.http, CancellationToken::new());
    let readers = (0..4).map(|_| {
        let (made, rotated) = (made.clone(), rotated.clone());
        tokio::spawn(async move {
            let mut sizes = BTreeSet::new();
            loop {
                let last = rotated.is_cancelled();
                let answer = http::send(address, "GET", JWKS, "", "").await;
                let set: Value = serde_json::from_str(&answer.body).expect("a whole document");
                let kids = set["keys"].as_array().expect("keys").iter().map(|key| &key["kid"]);
                let kids: Vec<_> = kids.map(|kid| kid.as_str().expect("text")).collect();
                let distinct: BTreeSet<_> = kids.iter().map(|kid| (*kid).to_owned()).collect();
                assert_eq!((answer.status, distinct.len()), (200, kids.len()));
                assert!(!kids.is_empty() && distinct.is_subset(&made), "{kids:?}");
                sizes.insert(kids.len());
                if last {
                    return sizes;
                }
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for _ in 0..2 * instants.len() {
        // Each reader is somewhere in its loop, wherever that is.
        http::send(address, "GET", JWKS, "", "").await;
        served.clock.advance(HOUR / 2);
    }
    rotated.cancel();
    for reader in readers {
        let sizes = timeout(PATIENCE, reader).await.expect("it ends").expect("no panic");
        assert!(sizes.contains(&1), "all but the last key have left: {sizes:?}");
    }
    served.stop().await;
}

/// In clear there is no promise of TLS; with TLS see `program::tls`.
#[tokio::test]
async fn ht_18_every_answer_says_how_it_may_be_kept_and_read() {
    let served = serve(Engine::Sqlite).await.unwrap();
    for (path, cache) in [
        (JWKS, "public, max-age=300"),
        ("/openapi.json", "public, max-age=300"),
        ("/.well-known/openid-configuration", "public, max-age=300"),
        ("/livez", "no-store"),
        ("/readyz", "no-store"),
        ("/metrics", "no-store"),
        ("/absent", "no-store"),
        ("/tokenward.auth.v1.AuthService/Verify", "no-store"),
    ] {
        for method in ["GET", "POST"] {
            let answer = ask(&served, method, path, "").await;
            let expected = if answer.status == 200 { cache } else { "no-store" };
            assert_eq!(answer.header("cache-control"), Some(expected), "{method} {path}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(answer.header("strict-transport-security"), None, "{path}");
            assert!(answer.header("x-request-id").is_some(), "{path}");
            assert!(answer.header("server").is_none() && answer.header("x-powered-by").is_none());
        }
    }
}

#[tokio::test]
async fn browsers_may_ask_across_origins() {
    let served = serve(Engine::Sqlite).await.unwrap();
    let headers = "Origin: https://spa.example\r\nAccess-Control-Request-Method: GET\r\n";
    let answer = ask(&served, "OPTIONS", JWKS, headers).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, HEAD"));
    let document = ask(&served, "GET", "/.well-known/openid-configuration", headers).await;
    assert_eq!(document.header("access-control-allow-origin"), None, "HT-09");
}

#[tokio::test]
async fn ht_03_ht_08_other_methods_and_paths() {
    let served = serve(Engine::Sqlite).await.unwrap();
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        let answer = ask(&served, method, JWKS, "").await;
        assert_eq!(answer.status, 405, "{method}");
        let allow = answer.header("allow").unwrap();
        assert!(["GET", "HEAD", "OPTIONS"].iter().all(|m| allow.contains(m)), "{allow}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(answer.body.contains(r#""status":405"#));
    }
    assert_eq!(ask(&served, "OPTIONS", "/livez", "").await.status, 405);
    for path in [
        "/",
        "//",
        "/.well-known/jwks.json/",
        "/.WELL-KNOWN/jwks.json",
        "/%2e%2e/livez",
        "/livez;x",
    ] {
        let answer = ask(&served, "GET", path, "").await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    let absent = ask(&served, "HEAD", "/absent", "").await;
    assert_eq!((absent.status, absent.body.as_str()), (404, ""));
    assert_eq!(ask(&served, "GET", &format!("{JWKS}?x=1"), "").await.status, 200);
}

/// HT-07, HT-14: the documents come from the configuration alone.
#[tokio::test]
async fn ht_14_documents_do_not_depend_on_the_request() {
    let with_path = |settings: &mut Settings| {
        usual(settings);
        "https://example.org/a".clone_into(&mut settings.issuer);
    };
    let served = World::with(Engine::Sqlite, with_path).await.unwrap().serve().await;
    let poison =
        "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: http\r\nForwarded: host=e\r\n";
    let paths = [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/a/.well-known/openid-configuration",
        "/a/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration/a",
        "/.well-known/oauth-authorization-server/a",
    ];
    let expected = ask(&served, "GET", paths[0], "").await.body;
    assert!(expected.contains(r#""issuer":"https://example.org/a""#), "{expected}");
    assert!(expected.contains(r#""jwks_uri":"https://example.org/a/.well-known/jwks.json""#));
    assert!(!expected.contains("evil") && !expected.contains("[]"), "{expected}");
    for path in paths {
        let answer = ask(&served, "GET", path, poison).await;
        assert_eq!((answer.status, &answer.body), (200, &expected), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    assert_eq!(ask(&served, "GET", "/a/.well-known/jwks.json", "").await.status, 200);
}

/// The states of `/readyz`, from before the log is read to the drain.
#[tokio::test]
async fn ht_17_probes() {
    let served = serve_without_log(Engine::Sqlite).await.unwrap();
    let ready = async || {
        let answer = ask(&served, "GET", "/readyz", "").await;
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        (answer.status, answer.body)
    };
    let obstacle = "revocation log not loaded, or too old\n".to_owned();
    assert_eq!(ready().await, (503, obstacle));
    assert_eq!(ask(&served, "GET", "/livez", "").await.status, 200);
    served.show_log().await;
    assert_eq!(ready().await, (200, "ready\n".to_owned()));
    served.store.close().await;
    assert_eq!(ask(&served, "GET", "/livez", "").await.status, 200);
    assert_eq!(ask(&served, "GET", JWKS, "").await.status, 200, "without the database");
}

/// While it drains, the server still answers, and asks for no more.
#[tokio::test]
async fn ht_17_a_draining_server_says_so() {
    let patient = |settings: &mut Settings| settings.shutdown.grace = Span(PATIENCE);
    let served = World::with(Engine::Sqlite, patient).await.unwrap().serve().await;
    served.drain();
    assert_eq!(obstacle(&served).await, "draining\n");
    assert_eq!(ask(&served, "GET", "/livez", "").await.status, 200);
    assert_eq!(ask(&served, "GET", JWKS, "").await.status, 200);
}

/// The clock of the tests is far from the one of PostgreSQL.
#[tokio::test]
async fn a_replica_whose_clock_is_wrong_is_not_ready() {
    let Some(served) = serve(Engine::Postgres).await else { return };
    let told = obstacle(&served).await;
    assert!(told.starts_with("this machine's clock and the database's differ"), "{told}");
}

/// What `/readyz` says as soon as the server is not ready.
async fn obstacle(served: &Served) -> String {
    let told = async {
        loop {
            let answer = ask(served, "GET", "/readyz", "").await;
            if answer.status == 503 {
                return answer.body;
            }
        }
    };
    timeout(PATIENCE, told).await.expect("it is not ready soon")
}
