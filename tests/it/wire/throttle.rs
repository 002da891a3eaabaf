//! What a throttled caller is told, and whose failure it is behind a proxy.

use std::time::Duration;

use tokenward::{
    config::Settings,
    grpc::pb::auth::{
        ListSessionsRequest, LoginRequest, LoginResponse, auth_service_client::AuthServiceClient,
    },
};
use tonic::{Code, Request, Status, transport::Channel};

use super::{
    calls::{login_request, register},
    serve,
    told::{is, reason, told},
    usual,
};
use crate::{
    on_both_engines,
    support::{
        served::Served,
        world::{Engine, PASSWORD, World},
    },
};

on_both_engines!(
    a_throttled_login_is_told_when_to_come_again,
    lg_28_lg_29_strangers_cannot_say_where_they_are,
    lg_28_trusted_proxies_say_where_their_callers_are,
);

async fn a_throttled_login_is_told_when_to_come_again(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    register(&mut client).await;
    for name in ["alice", "nobody"] {
        let request =
            |password| LoginRequest { identifier: name.to_owned(), ..login_request(password) };
        for _ in 0..5 {
            let answer = reason(client.login(request("wrong")).await);
            assert_eq!(answer, is(Code::Unauthenticated, "INVALID_CREDENTIALS"));
        }
        let throttled = client.login(request(PASSWORD)).await.map(|_| ()).expect_err("throttled");
        let (code, why, details) = told(&throttled);
        assert_eq!((code, why), is(Code::ResourceExhausted, "LOGIN_THROTTLED"));
        let delay = details.retry_info().and_then(|retry| retry.retry_delay);
        assert_eq!(delay, Some(Duration::from_secs(1)));
        assert!(details.error_info().is_some_and(|info| info.metadata.is_empty()));
    }
    served.clock.advance(Duration::from_secs(1));
    client.login(login_request(PASSWORD)).await.expect("its wait is over");
}

/// A server with two failures free to a source.
async fn behind(engine: Engine, proxies: &str) -> Option<Served> {
    let change = |settings: &mut Settings| {
        usual(settings);
        settings.throttle.source_failures = 2;
        let networks = proxies.split(',').filter(|text| !text.is_empty());
        settings.grpc.trusted_proxies.0 = networks.map(|net| net.parse().unwrap()).collect();
    };
    Some(World::with(engine, change).await?.serve().await)
}

type Client = AuthServiceClient<Channel>;

async fn login(
    client: &mut Client,
    name: &str,
    password: &str,
    forwarded: &str,
) -> Result<LoginResponse, Status> {
    let message = LoginRequest { identifier: name.to_owned(), ..login_request(password) };
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-forwarded-for", forwarded.parse().unwrap());
    request.metadata_mut().insert("x-real-ip", "203.0.113.9".parse().unwrap());
    request.metadata_mut().insert("forwarded", "for=203.0.113.9".parse().unwrap());
    client.login(request).await.map(tonic::Response::into_inner)
}

/// What the session that was opened says of where it was opened.
async fn address(client: &mut Client, logged_in: LoginResponse) -> String {
    let mut request = Request::new(ListSessionsRequest::default());
    let bearer = format!("Bearer {}", logged_in.tokens.unwrap().access_token);
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    let sessions = client.list_sessions(request).await.unwrap().into_inner().sessions;
    sessions.into_iter().find(|session| session.current).unwrap().ip_address
}

async fn lg_28_lg_29_strangers_cannot_say_where_they_are(engine: Engine) {
    let Some(served) = behind(engine, "10.0.0.0/8").await else { return };
    let mut client = served.client().await;
    register(&mut client).await;
    let logged_in = login(&mut client, "alice", PASSWORD, "198.51.100.7").await.unwrap();
    assert_eq!(address(&mut client, logged_in).await, "127.0.0.1");
    for (name, forwarded) in [("user1", "198.51.100.1"), ("user2", "198.51.100.2")] {
        let answer = reason(login(&mut client, name, "wrong", forwarded).await);
        assert_eq!(answer, is(Code::Unauthenticated, "INVALID_CREDENTIALS"));
    }
    for forwarded in ["198.51.100.3", "a", "", "unknown", "::1%lo", &"1".repeat(10_000)] {
        let answer = reason(login(&mut client, "user3", "wrong", forwarded).await);
        assert_eq!(answer, is(Code::ResourceExhausted, "LOGIN_THROTTLED"), "{forwarded:?}");
    }
}

async fn lg_28_trusted_proxies_say_where_their_callers_are(engine: Engine) {
    let Some(served) = behind(engine, "127.0.0.0/8,10.0.0.0/8").await else { return };
    let mut client = served.client().await;
    register(&mut client).await;
    let through = "203.0.113.1, 198.51.100.7, 10.1.2.3";
    let logged_in = login(&mut client, "alice", PASSWORD, through).await.unwrap();
    assert_eq!(address(&mut client, logged_in).await, "198.51.100.7");
    for name in ["user1", "user2"] {
        let answer = reason(login(&mut client, name, "wrong", "198.51.100.7").await);
        assert_eq!(answer, is(Code::Unauthenticated, "INVALID_CREDENTIALS"));
    }
    // What the caller itself has written before its address changes nothing.
    let forged = "198.51.100.8, 198.51.100.7";
    let answer = reason(login(&mut client, "alice", PASSWORD, forged).await);
    assert_eq!(answer, is(Code::ResourceExhausted, "LOGIN_THROTTLED"));
    login(&mut client, "alice", PASSWORD, "198.51.100.8").await.expect("another caller");
    // What cannot be read is the proxy's own call.
    let logged_in = login(&mut client, "alice", PASSWORD, "unknown").await.unwrap();
    assert_eq!(address(&mut client, logged_in).await, "127.0.0.1");
}
