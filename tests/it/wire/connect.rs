//! Calls as JSON over POST, as `curl` and the clients of Connect make them.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use prost::Message as _;
use serde_json::{Value, json};
use tokenward::config::{Settings, Span};
use tonic_types::pb;

use super::{
    calls::register,
    http::send,
    raw::{self, methods},
    serve, serve_without_log,
    told::told,
    usual,
};
use crate::{
    on_both_engines,
    support::{
        http::Answer,
        served::Served,
        world::{Engine, PASSWORD, World},
    },
};

on_both_engines!(a_session_in_json);

const JSON: &str = "Content-Type: application/json\r\n";

pub(super) fn path(method: &str) -> String {
    format!("/{}/{method}", raw::AUTH_SERVICE)
}

/// One call, with further header lines.
async fn call(served: &Served, method: &str, headers: &str, message: &Value) -> Answer {
    send(served, "POST", &path(method), &format!("{JSON}{headers}"), &message.to_string()).await
}

/// The answer to a call that succeeds.
async fn ask(served: &Served, method: &str, message: Value) -> Value {
    let answer = call(served, method, "", &message).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert!(answer.header("x-request-id").is_some() && answer.header("grpc-status").is_none());
    serde_json::from_str(&answer.body).unwrap()
}

fn login() -> Value {
    json!({ "identifier": "alice", "password": PASSWORD, "scope": "read write" })
}

async fn a_session_in_json(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let alice = json!({ "username": "alice", "password": PASSWORD, "displayName": "Alice" });
    let user_id = ask(&served, "Register", alice).await["userId"].take();
    let logged_in = ask(&served, "Login", login()).await;
    assert_eq!(logged_in["userId"], user_id);
    let tokens = &logged_in["tokens"];

    let question = json!({ "token": tokens["accessToken"], "requiredAudience": "api" });
    let verdict = ask(&served, "Verify", question).await;
    assert_eq!(verdict["active"], true);
    assert_eq!(verdict["reason"], "INACTIVE_REASON_UNSPECIFIED");
    assert_eq!(verdict["claims"]["subject"], user_id);
    assert_eq!(verdict["claims"]["scopes"], json!(["read", "write"]));
    assert_eq!(verdict["claims"]["expireTime"], tokens["expireTime"]);

    let refreshed =
        ask(&served, "Refresh", json!({ "refresh_token": tokens["refreshToken"] })).await;
    assert_eq!(refreshed["replayed"], false);
    let access = refreshed["tokens"]["accessToken"].as_str().unwrap();
    let bearer = format!("Authorization: Bearer {access}\r\n");
    let list = call(&served, "ListSessions", &bearer, &json!({ "pageSize": 5 })).await;
    let list: Value = serde_json::from_str(&list.body).unwrap();
    assert_eq!(list["sessions"][0]["sessionId"], logged_in["sessionId"]);
    assert_eq!(list["sessions"][0]["ipAddress"], "127.0.0.1");
    assert_eq!(list["nextPageToken"], "");

    let seq = ask(&served, "Revoke", json!({ "token": access })).await["revocationSeq"].take();
    assert!(seq.is_string(), "a double has not the precision: {seq}");
    let question = json!({ "token": access, "minRevocationSeq": seq });
    let verdict = ask(&served, "Verify", question).await;
    assert_eq!(verdict["active"], false);
    assert_eq!(verdict["reason"], "INACTIVE_REASON_REVOKED");
    assert_eq!(verdict["revocation"]["reason"], "LOGOUT");
    served.stop().await;
}

/// Code, reason and the fields complained of.
struct Failure {
    code: String,
    reason: String,
    fields: Vec<String>,
}

/// Checks everything that a failed call must carry.
fn failure(answer: &Answer) -> Failure {
    let body: Value = serde_json::from_str(&answer.body).expect(&answer.body);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let detail = |kind: &str| {
        let details = body["details"].as_array().expect(&answer.body).iter();
        details.filter(|detail| detail["type"] == kind).collect::<Vec<_>>()
    };
    let [info] = detail("google.rpc.ErrorInfo")[..] else { panic!("{body}") };
    let bytes = STANDARD_NO_PAD.decode(text(&info["value"])).expect("without padding");
    let decoded = pb::ErrorInfo::decode(bytes.as_slice()).expect("ErrorInfo");
    assert_eq!(decoded.reason, info["debug"]["reason"], "the same twice");
    let [request] = detail("google.rpc.RequestInfo")[..] else { panic!("{body}") };
    assert_eq!(answer.header("x-request-id"), request["debug"]["requestId"].as_str());
    let again = ["resource_exhausted", "unavailable"].contains(&body["code"].as_str().unwrap());
    assert_eq!(answer.header("retry-after").is_some(), again, "{body}");
    let violations = detail("google.rpc.BadRequest");
    let violations = violations.iter().filter_map(|bad| bad["debug"]["fieldViolations"].as_array());
    let fields = violations.flatten().map(|violation| text(&violation["field"])).collect();
    Failure { code: text(&body["code"]), reason: decoded.reason, fields }
}

#[tokio::test]
async fn failures_have_the_codes_of_the_protocol() {
    let served = serve(Engine::Sqlite).await.unwrap();
    register(&mut served.client().await).await;
    let token = json!({ "token": "a.b.c" });
    let mut typo = token.clone();
    typo["requiredAudiance"] = "api".into();
    let wrong = json!({ "identifier": "alice", "password": "wrong" });
    for (method, headers, message, status, code, reason, field) in [
        ("Login", "", &wrong, 401, "unauthenticated", "INVALID_CREDENTIALS", None),
        ("ListSessions", "", &json!({}), 401, "unauthenticated", "MISSING_TOKEN", None),
        ("Login", "", &json!({}), 400, "invalid_argument", "INVALID_ARGUMENT", Some("identifier")),
        ("Verify", "", &typo, 400, "invalid_argument", "INVALID_ARGUMENT", Some("request")),
        ("Verify", "", &json!([]), 400, "invalid_argument", "INVALID_ARGUMENT", Some("request")),
        (
            "Verify",
            "",
            &json!({ "token": 1 }),
            400,
            "invalid_argument",
            "INVALID_ARGUMENT",
            Some("request"),
        ),
        (
            "Verify",
            "Connect-Protocol-Version: 2\r\n",
            &token,
            400,
            "invalid_argument",
            "INVALID_ARGUMENT",
            Some("connect-protocol-version"),
        ),
        (
            "Verify",
            "Content-Encoding: gzip\r\n",
            &token,
            501,
            "unimplemented",
            "UNSUPPORTED_ENCODING",
            None,
        ),
    ] {
        let answer = call(&served, method, headers, message).await;
        let failure = failure(&answer);
        assert_eq!((answer.status, failure.code.as_str()), (status, code), "{}", answer.body);
        assert_eq!(failure.reason, reason);
        assert_eq!(failure.fields.first().map(String::as_str), field, "{}", answer.body);
        let challenge = answer.header("www-authenticate");
        assert_eq!(challenge, (status == 401).then_some("Bearer"));
    }
    served.store.close().await;
    let down = call(&served, "Login", "", &login()).await;
    assert_eq!((down.status, failure(&down).reason.as_str()), (503, "DATABASE_UNAVAILABLE"));
}

#[tokio::test]
async fn p1_an_outage_is_not_a_bad_token() {
    let served = serve_without_log(Engine::Sqlite).await.unwrap();
    let answer = call(&served, "Verify", "", &json!({ "token": "a.b.c" })).await;
    let failure = failure(&answer);
    assert_eq!((answer.status, failure.code.as_str()), (503, "unavailable"));
    assert_eq!(failure.reason, "NOT_READY");
    assert_eq!(answer.header("retry-after"), Some("1"));
}

/// Each method fails alike in JSON and in gRPC, whatever it complains of.
#[tokio::test]
async fn every_method_fails_as_in_grpc() {
    let served = serve(Engine::Sqlite).await.unwrap();
    let channel = served.channel().await;
    let mut failed = 0;
    for method in methods() {
        let in_json = send(&served, "POST", &method.path, JSON, "{}").await;
        match raw::send(&channel, &method.path, Vec::new()).await {
            Ok(_) => assert_eq!(in_json.status, 200, "{}", method.path),
            Err(status) => {
                let (_, reason, _) = told(&status);
                let body: Value = serde_json::from_str(&in_json.body).unwrap();
                assert_eq!(body["message"], status.message(), "{}", method.path);
                assert_eq!(failure(&in_json).reason, reason, "{}", method.path);
                failed += 1;
            }
        }
    }
    assert!(failed > 8, "{failed}");
}

/// HT-03: nothing that a page of another origin may send unasked is a call.
#[tokio::test]
async fn ht_03_what_is_no_call_is_refused() {
    let served = serve(Engine::Sqlite).await.unwrap();
    let (verify, message) = (path("Verify"), r#"{"token":"a.b.c"}"#);
    for kind in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: multipart/form-data; boundary=x\r\n",
        "Content-Type: application/jsonp\r\n",
        "Content-Type: application/grpc\r\n",
        "Content-Type: application/connect+json\r\n",
        "Content-Type: application/grpc-web+json\r\n",
        "Content-Type: application/grpc-web; charset=utf-8\r\n",
        "Content-Type: \u{e4}\r\n",
    ] {
        let answer = send(&served, "POST", &verify, kind, message).await;
        assert_eq!(answer.status, 415, "{kind}");
    }
    for kind in ["application/json; charset=utf-8", "APPLICATION/JSON"] {
        let kind = format!("Content-Type: {kind}\r\n");
        assert_eq!(send(&served, "POST", &verify, &kind, message).await.status, 200, "{kind}");
    }
    for method in ["GET", "PUT", "DELETE", "OPTIONS"] {
        let answer = send(&served, method, &verify, JSON, "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}");
        assert!(answer.body.contains(r#""status":405"#));
    }
    let get = send(&served, "GET", &format!("{verify}?encoding=json&message={{}}"), "", "").await;
    assert_eq!(get.status, 405, "what GET asks would stand in logs");
    for other in
        ["/tokenward.auth.v1.AuthService/Nothing", "/tokenward.admin.v1.KeyService/ListKeys"]
    {
        assert_eq!(send(&served, "POST", other, JSON, "{}").await.status, 404, "{other}");
    }
}

/// HT-10, GT-06: what is too long is not read, and nothing is unpacked.
#[tokio::test]
async fn ht_10_messages_are_bounded_and_never_compressed() {
    let small = |settings: &mut Settings| {
        usual(settings);
        settings.grpc.max_message_bytes = 65_536;
    };
    let served = World::with(Engine::Sqlite, small).await.unwrap().serve().await;
    let fits = json!({ "token": "x".repeat(60_000) });
    assert_eq!(call(&served, "Verify", "", &fits).await.status, 200);
    let long = json!({ "token": "x".repeat(70_000) });
    let answer = call(&served, "Verify", "", &long).await;
    assert_eq!((answer.status, failure(&answer).reason.as_str()), (400, "MESSAGE_TOO_LARGE"));
    for coding in ["gzip", "br", "deflate", "zstd", "identity, gzip"] {
        let coding = format!("Content-Encoding: {coding}\r\n");
        let answer = call(&served, "Verify", &coding, &fits).await;
        assert_eq!(
            (answer.status, failure(&answer).reason.as_str()),
            (501, "UNSUPPORTED_ENCODING")
        );
    }
    let answer = call(&served, "Verify", "Accept-Encoding: gzip, br\r\n", &fits).await;
    assert_eq!((answer.status, answer.header("content-encoding")), (200, None));
}

#[tokio::test]
async fn calls_can_be_switched_off() {
    let without = |settings: &mut Settings| {
        usual(settings);
        settings.http.calls = false;
    };
    let served = World::with(Engine::Sqlite, without).await.unwrap().serve().await;
    let answer = call(&served, "Verify", "", &json!({ "token": "a.b.c" })).await;
    assert_eq!(answer.status, 404);
}

/// HT-11: a message is waited for no longer than the server lets a call take, or
/// than the caller wants to wait.
#[tokio::test]
async fn a_message_that_does_not_come_is_given_up() {
    let little_time = |settings: &mut Settings| {
        usual(settings);
        settings.http.request_timeout = Span(Duration::from_millis(100));
    };
    let hasty = World::with(Engine::Sqlite, little_time).await.unwrap().serve().await;
    let patient = serve(Engine::Sqlite).await.unwrap();
    let headers = format!("{JSON}Content-Length: 5\r\n");
    for (server, wish) in [(&hasty, ""), (&patient, "Connect-Timeout-Ms: 50\r\n")] {
        let headers = format!("{headers}{wish}");
        let answer = send(server, "POST", &path("Verify"), &headers, "").await;
        let failure = failure(&answer);
        assert_eq!((answer.status, failure.code.as_str()), (504, "deadline_exceeded"));
        assert_eq!(failure.reason, "DEADLINE_EXCEEDED");
    }
}

/// Protobuf goes in and comes out as it is; failures are JSON all the same.
#[tokio::test]
async fn messages_may_be_protobuf() {
    let served = serve(Engine::Sqlite).await.unwrap();
    let kind = "Content-Type: application/proto\r\n";
    // Field 1, a text of five bytes.
    let good = send(&served, "POST", &path("Verify"), kind, "\n\u{5}a.b.c").await;
    assert_eq!((good.status, good.header("content-type")), (200, Some("application/proto")));
    let bad = send(&served, "POST", &path("Verify"), kind, "\n\u{7f}a.b.c").await;
    assert_eq!((bad.status, failure(&bad).reason.as_str()), (400, "MALFORMED_REQUEST"));
}
