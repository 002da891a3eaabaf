//! Calls that fail: the code, the reason, and all the details, every time.

use std::time::Duration;

use futures_util::future::join_all;
use tokenward::{
    config::Settings,
    grpc::pb::auth::{
        BatchVerifyRequest, ListSessionsRequest, LoginRequest, RegisterRequest, RevokeRequest,
        VerifyRequest,
    },
};
use tonic::{Code, Request};

use super::{
    calls::{about, login, login_request, refresh_request, register},
    raw::{send, send_request},
    serve, serve_hastily, serve_without_log,
    told::{fields, is, reason, told},
    usual,
};
use crate::{
    on_both_engines,
    support::world::{Engine, PASSWORD, World},
};

on_both_engines!(
    credentials_that_are_refused,
    requests_that_break_rules,
    an_outage_is_never_a_bad_credential,
    nothing_is_judged_before_the_log_is_loaded,
);

async fn credentials_that_are_refused(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    register(&mut client).await;
    let wrong = is(Code::Unauthenticated, "INVALID_CREDENTIALS");
    assert_eq!(reason(client.login(login_request("wrong")).await), wrong);
    let nobody = LoginRequest { identifier: "nobody".to_owned(), ..login_request(PASSWORD) };
    assert_eq!(reason(client.login(nobody).await), wrong, "LG-01: as for a wrong password");
    let pair = login(&mut client).await.tokens.unwrap();
    let too_long = "x".repeat(8193);
    for (token, expected) in [
        ("garbage", "INVALID_TOKEN"),
        (too_long.as_str(), "INVALID_TOKEN"),
        (pair.access_token.as_str(), "WRONG_TYPE"),
    ] {
        let answer = reason(client.refresh(refresh_request(token)).await);
        assert_eq!(answer, is(Code::Unauthenticated, expected), "{expected}");
    }
    for (value, expected) in [
        (None, is(Code::Unauthenticated, "MISSING_TOKEN")),
        (Some("Basic dTpw".to_owned()), is(Code::Unauthenticated, "MISSING_TOKEN")),
        (Some("Bearer garbage".to_owned()), is(Code::Unauthenticated, "INVALID_TOKEN")),
        (Some(format!("Bearer {}", pair.refresh_token)), is(Code::Unauthenticated, "WRONG_TYPE")),
        (
            Some(format!("Bearer  {}", pair.access_token)),
            is(Code::InvalidArgument, "INVALID_ARGUMENT"),
        ),
    ] {
        let mut request = Request::new(ListSessionsRequest::default());
        if let Some(value) = &value {
            request.metadata_mut().insert("authorization", value.parse().unwrap());
        }
        assert_eq!(reason(client.list_sessions(request).await), expected);
    }
}

async fn requests_that_break_rules(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    register(&mut client).await;
    let again = RegisterRequest {
        username: "ALICE".to_owned(),
        password: PASSWORD.to_owned(),
        ..RegisterRequest::default()
    };
    let taken = client.register(again).await.map(|_| ()).expect_err("taken");
    let (code, why, details) = told(&taken);
    assert_eq!((code, why.as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
    assert_eq!(details.error_info().unwrap().metadata["field"], "username");
    let register = RegisterRequest { email: "no".to_owned(), ..RegisterRequest::default() };
    assert_eq!(fields(client.register(register).await), ["email", "password"]);
    let login = LoginRequest { client_id: "x".repeat(65), ..login_request(PASSWORD) };
    assert_eq!(fields(client.login(login).await), ["client_id"]);
    let login = LoginRequest { audience: vec!["api".to_owned(); 11], ..login_request(PASSWORD) };
    assert_eq!(fields(client.login(login).await), ["audience"]);
    let login = LoginRequest { password: "x".repeat(1025), ..login_request("") };
    assert_eq!(fields(client.login(login).await), ["password"], "LG-08");
    assert_eq!(fields(client.verify(about("")).await), ["token"]);
    let staleness = Some(prost_types::Duration { seconds: 0, nanos: -1 });
    let verify = VerifyRequest { max_staleness: staleness, ..about("x") };
    assert_eq!(fields(client.verify(verify).await), ["max_staleness"]);
    let batch = BatchVerifyRequest { requests: vec![about("x"); 101] };
    assert_eq!(fields(client.batch_verify(batch).await), ["requests"]);
    assert_eq!(fields(client.revoke(RevokeRequest::default()).await), ["target"]);
}

#[tokio::test]
async fn gt_23_unknown_methods_are_unimplemented() {
    let served = serve(Engine::Sqlite).await.unwrap();
    let channel = served.channel().await;
    let unknown = is(Code::Unimplemented, "UNKNOWN_METHOD");
    let long = format!("/{}/Verify", "x".repeat(4000));
    for path in [
        "/tokenward.auth.v1.AuthService/Nothing",
        "/tokenward.auth.v1.AuthService/verify",
        "/tokenward.auth.v1.authservice/Verify",
        "/tokenward.auth.v1.AuthService/Verify/",
        "//tokenward.auth.v1.AuthService/Verify",
        "/tokenward.auth.v1.AuthService%2fVerify",
        "/other.Service/Method",
        "/",
        long.as_str(),
    ] {
        assert_eq!(reason(send(&channel, path, Vec::new()).await), unknown, "{path}");
    }
}

#[tokio::test]
async fn gt_11_compressed_messages_are_refused() {
    let served = serve(Engine::Sqlite).await.unwrap();
    let mut request = Request::new(Vec::new());
    request.metadata_mut().insert("grpc-encoding", "gzip".parse().unwrap());
    let path = "/tokenward.auth.v1.AuthService/Verify";
    let answer = send_request(&served.channel().await, path, request).await;
    assert_eq!(reason(answer), is(Code::Unimplemented, "UNSUPPORTED_ENCODING"));
}

/// The client sets no deadline of its own, so the answer is the server's.
#[tokio::test]
async fn gt_13_a_call_that_waits_ends_with_the_servers_deadline() {
    let served = serve_hastily(Engine::Sqlite).await.unwrap();
    let question = VerifyRequest { min_revocation_seq: 1_000, ..about("x") };
    let answer = served.client().await.verify(question).await;
    assert_eq!(reason(answer), is(Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
}

/// One worker, one place in its queue, slow hashes, and a storm of logins:
/// those without a place are told so at once, and verdicts go on.
#[tokio::test(flavor = "multi_thread")]
async fn p6_logins_without_a_place_are_told_when_to_come_again() {
    let narrow = |settings: &mut Settings| {
        usual(settings);
        settings.workers.threads = 1;
        settings.workers.hashing_queue = 1;
        settings.password.iterations = 16;
    };
    let served = World::with(Engine::Sqlite, narrow).await.unwrap().serve().await;
    let mut client = served.client().await;
    register(&mut client).await;
    let token = login(&mut client).await.tokens.unwrap().access_token;
    let storm = (0..32).map(|_| {
        let mut client = client.clone();
        tokio::spawn(async move { client.login(login_request(PASSWORD)).await })
    });
    let storm: Vec<_> = storm.collect();
    assert!(client.verify(about(&token)).await.unwrap().into_inner().active);
    let outcomes = join_all(storm).await.into_iter().map(|outcome| outcome.expect("no panic"));
    let (logged_in, refused): (Vec<_>, Vec<_>) = outcomes.partition(Result::is_ok);
    assert!(!logged_in.is_empty() && !refused.is_empty(), "{} {}", logged_in.len(), refused.len());
    for outcome in refused {
        assert_eq!(reason(outcome), is(Code::ResourceExhausted, "OVERLOADED"));
    }
}

/// VT-29: without the database nothing is said about credentials, and what
/// needs none goes on.
async fn an_outage_is_never_a_bad_credential(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    register(&mut client).await;
    let pair = login(&mut client).await.tokens.unwrap();
    served.store.close().await;
    let down = is(Code::Unavailable, "DATABASE_UNAVAILABLE");
    assert_eq!(reason(client.login(login_request(PASSWORD)).await), down);
    assert_eq!(reason(client.login(login_request("wrong")).await), down);
    let refresh = refresh_request(&pair.refresh_token);
    assert_eq!(reason(client.refresh(refresh).await), down);
    let verdict = client.verify(about(&pair.access_token)).await.unwrap().into_inner();
    assert!(verdict.active);
    served.clock.advance(Duration::from_secs(61));
    let stale = is(Code::Unavailable, "REVOCATIONS_STALE");
    assert_eq!(reason(client.verify(about(&pair.access_token)).await), stale);
}

async fn nothing_is_judged_before_the_log_is_loaded(engine: Engine) {
    let Some(served) = serve_without_log(engine).await else { return };
    let answer = served.client().await.verify(about("x")).await;
    assert_eq!(reason(answer), is(Code::Unavailable, "NOT_READY"));
}
