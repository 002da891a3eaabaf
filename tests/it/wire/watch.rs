//! `WatchRevocations`, as those who judge tokens by themselves use it.

use std::time::Duration;

use tokenward::{
    config::{Settings, Span, VerifyCallers},
    domain::id::UserId,
    grpc::pb::auth::{
        IssueClientTokenRequest, LoginResponse, RevokeRequest, VerifyRequest,
        WatchRevocationsRequest, WatchRevocationsResponse, issue_client_token_request::Credentials,
        revocation_entry::Target as Told, revoke_request::Target,
    },
    service::{Administrator, revoke::RevokeTarget},
};
use tokio::time::timeout;
use tonic::{Code, Request, Status, Streaming};

use super::{
    calls::{about, login, register, with_token},
    clients::worker,
    serve,
    told::{fields, is, reason},
    usual,
};
use crate::{
    on_both_engines,
    support::{
        served::{PATIENCE, Served},
        world::{Engine, World},
    },
};

on_both_engines!(
    the_log_is_told_followed_and_resumed,
    a_watcher_waits_for_what_it_knows_of,
    a_log_that_was_replaced_is_told,
);

type Updates = Streaming<WatchRevocationsResponse>;

async fn watch(served: &Served, from: WatchRevocationsRequest) -> Result<Updates, Status> {
    Ok(served.client().await.watch_revocations(from).await?.into_inner())
}

fn after(epoch: &str, after_seq: i64) -> WatchRevocationsRequest {
    WatchRevocationsRequest { epoch: epoch.to_owned(), after_seq, min_revocation_seq: 0 }
}

async fn next(updates: &mut Updates) -> Result<WatchRevocationsResponse, Status> {
    let update = timeout(PATIENCE, updates.message()).await.expect("an update in time");
    update.map(|update| update.expect("the stream goes on"))
}

/// The next update that is no heartbeat.
async fn news(updates: &mut Updates) -> WatchRevocationsResponse {
    loop {
        let update = next(updates).await.unwrap();
        if !update.revocations.is_empty() {
            return update;
        }
    }
}

async fn revoke(served: &Served, session: &LoginResponse) -> i64 {
    let token = session.tokens.as_ref().unwrap().access_token.clone();
    let request = RevokeRequest { target: Some(Target::Token(token)) };
    served.client().await.revoke(request).await.unwrap().into_inner().revocation_seq
}

fn sessions(update: &WatchRevocationsResponse) -> Vec<&str> {
    let told = update.revocations.iter().map(|entry| match entry.target.as_ref() {
        Some(Told::SessionId(id)) => id.as_str(),
        _ => panic!("another target"),
    });
    told.collect()
}

async fn the_log_is_told_followed_and_resumed(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    register(&mut client).await;
    let (one, two, three) =
        (login(&mut client).await, login(&mut client).await, login(&mut client).await);
    let first = revoke(&served, &one).await;

    let mut updates = watch(&served, WatchRevocationsRequest::default()).await.unwrap();
    let beginning = next(&mut updates).await.unwrap();
    assert!(beginning.complete && beginning.seq >= first, "{}", beginning.seq);
    assert_eq!(sessions(&beginning), [one.session_id.as_str()]);
    let entry = &beginning.revocations[0];
    assert_eq!((entry.seq, entry.reason.as_str()), (first, "LOGOUT"));
    assert!(entry.revoke_time.is_some() && entry.expire_time.is_some());
    assert!(beginning.staleness.is_some() && beginning.server_time.is_some());
    assert_eq!(beginning.max_access_lifetime.unwrap().seconds, 15 * 60);

    let heartbeat = next(&mut updates).await.unwrap();
    assert!(heartbeat.revocations.is_empty() && heartbeat.complete);
    let second = revoke(&served, &two).await;
    let delta = news(&mut updates).await;
    assert_eq!((delta.seq, sessions(&delta)), (second, vec![two.session_id.as_str()]));
    assert_eq!(delta.epoch, beginning.epoch);
    drop(updates);

    let third = revoke(&served, &three).await;
    let mut resumed = watch(&served, after(&delta.epoch, delta.seq)).await.unwrap();
    let missed = news(&mut resumed).await;
    assert_eq!((missed.seq, sessions(&missed)), (third, vec![three.session_id.as_str()]));

    // A user by its version: a change of the password ends all of its sessions.
    let user = one.user_id.clone();
    let id = UserId::parse(&user).unwrap();
    let operator = Administrator::command_line();
    served.auth.revoke(RevokeTarget::User(id), &operator).await.unwrap();
    let all = news(&mut resumed).await;
    match all.revocations[0].target.as_ref() {
        Some(Told::User(floor)) => assert!(floor.id == user && floor.min_version > 0),
        _ => panic!("another target"),
    }
    served.stop().await;
}

async fn a_watcher_waits_for_what_it_knows_of(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    register(&mut client).await;
    let session = login(&mut client).await;
    let seq = revoke(&served, &session).await;
    let from = WatchRevocationsRequest { min_revocation_seq: seq, ..Default::default() };
    let first = next(&mut watch(&served, from).await.unwrap()).await.unwrap();
    assert!(first.seq >= seq, "{}", first.seq);

    for (bad, field) in [
        (WatchRevocationsRequest { min_revocation_seq: -1, ..after("", 0) }, "min_revocation_seq"),
        (after("", -1), "after_seq"),
        (after("", 1), "epoch"),
        (after("not a UUID", 1), "epoch"),
    ] {
        assert_eq!(fields(watch(&served, bad).await), [field]);
    }
    served.stop().await;
}

async fn a_log_that_was_replaced_is_told(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut updates = watch(&served, WatchRevocationsRequest::default()).await.unwrap();
    let known = next(&mut updates).await.unwrap().epoch;
    served.raw("UPDATE revocation_head SET epoch = '018f3a5e-7c1b-4d2e-8f3a-1b2c3d4e5f60'").await;
    let ended = loop {
        if let Err(status) = next(&mut updates).await {
            break status;
        }
    };
    assert_eq!(reason::<()>(Err(ended)), is(Code::FailedPrecondition, "LOG_REPLACED"));
    for from in [after(&known, 0), after("018f3a5e-7c1b-4d2e-8f3a-1b2c3d4e5f60", 99)] {
        let refused = watch(&served, from).await;
        assert_eq!(reason(refused), is(Code::FailedPrecondition, "LOG_REPLACED"));
    }
    let mut anew = watch(&served, WatchRevocationsRequest::default()).await.unwrap();
    assert_ne!(next(&mut anew).await.unwrap().epoch, known);
    served.stop().await;
}

async fn serve_with(change: impl FnOnce(&mut Settings)) -> Served {
    let settings = |settings: &mut Settings| {
        usual(settings);
        change(settings);
    };
    World::with(Engine::Sqlite, settings).await.unwrap().serve().await
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_so_many_watchers_and_no_more() {
    let served = serve_with(|settings| settings.revocation.watchers_max_per_peer = 2).await;
    let from = WatchRevocationsRequest::default;
    let first = watch(&served, from()).await.unwrap();
    let _second = watch(&served, from()).await.unwrap();
    let third = watch(&served, from()).await;
    assert_eq!(reason(third), is(Code::ResourceExhausted, "OVERLOADED"));
    drop(first);
    let freed = async { while watch(&served, from()).await.is_err() {} };
    timeout(PATIENCE, freed).await.expect("its place is free again");
}

/// P7: what waits for a watcher who does not read is bounded, and so is how
/// long it waits.
#[tokio::test(flavor = "multi_thread")]
async fn p7_a_watcher_who_does_not_read_is_cut_off() {
    let hasty = |settings: &mut Settings| {
        settings.revocation.watch_patience = Span(Duration::from_millis(200));
        settings.revocation.watchers_max_per_peer = 1;
    };
    let served = serve_with(hasty).await;
    served
        .raw(
            "INSERT INTO revocations \
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000) \
             SELECT i, printf('00000000-0000-4000-8000-%012x', i), 'session', \
             printf('00000000-0000-7000-8000-%012x', i), NULL, 9000000000000000, 1, 'LOGOUT', \
             'token' FROM n; \
             UPDATE revocation_head SET seq = 200000",
        )
        .await;
    let from = WatchRevocationsRequest { min_revocation_seq: 200_000, ..Default::default() };
    let mut updates = watch(&served, from).await.unwrap();
    // Nothing is read until its place is free for another one.
    let cut_off =
        async { while watch(&served, WatchRevocationsRequest::default()).await.is_err() {} };
    timeout(PATIENCE, cut_off).await.expect("it is cut off");
    let mut told = 0;
    let ended = loop {
        match next(&mut updates).await {
            Ok(update) => told += update.revocations.len(),
            Err(status) => break status,
        }
    };
    assert_eq!(reason::<()>(Err(ended)), is(Code::ResourceExhausted, "SLOW_WATCHER"));
    assert!(told < 200_000, "{told}");
}

/// Where everybody may ask, nobody looks at what a proxy has left in the
/// metadata.
#[tokio::test(flavor = "multi_thread")]
async fn credentials_that_nobody_asks_for_do_not_matter() {
    let served = serve_with(|_| {}).await;
    let mut client = served.client().await;
    register(&mut client).await;
    let user = login(&mut client).await.tokens.unwrap();
    for odd in ["Bearer a b", "Bearer", "Bearer not-a-token"] {
        let mut question = Request::new(about(&user.access_token));
        question.metadata_mut().insert("authorization", odd.parse().unwrap());
        assert!(client.verify(question).await.unwrap().into_inner().active, "{odd}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_can_be_for_known_callers_only() {
    let served = serve_with(|s| s.verify.callers = VerifyCallers::Known).await;
    let secret = worker(&served).await;
    let mut client = served.client().await;
    register(&mut client).await;
    let user = login(&mut client).await.tokens.unwrap();
    let request = IssueClientTokenRequest {
        client_id: "worker".to_owned(),
        credentials: Some(Credentials::ClientSecret(secret)),
        ..Default::default()
    };
    let worker = client.issue_client_token(request).await.unwrap().into_inner().tokens.unwrap();

    let question = || about(&user.access_token);
    let missing = is(Code::Unauthenticated, "MISSING_TOKEN");
    assert_eq!(reason(client.verify(question()).await), missing);
    assert_eq!(reason(watch(&served, WatchRevocationsRequest::default()).await), missing);
    let as_user = client.verify(with_token(question(), &user)).await;
    assert_eq!(reason(as_user), is(Code::PermissionDenied, "NOT_A_VERIFIER"));
    let verify = |question: VerifyRequest| with_token(question, &worker);
    assert!(client.verify(verify(question())).await.unwrap().into_inner().active);
    let all = with_token(WatchRevocationsRequest::default(), &worker);
    let mut updates = client.watch_revocations(all).await.unwrap().into_inner();
    assert!(next(&mut updates).await.unwrap().complete);
}
