//! Refreshing over real connections: retries are forgiven, thieves are not,
//! and what is revoked stays revoked.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use prost::Message as _;
use tokenward::{
    domain::id::UserId,
    grpc::pb::auth::{
        InactiveReason, RefreshResponse, VerifyResponse, auth_service_client::AuthServiceClient,
    },
    service::Administrator,
    store::port::RevokeTarget,
};
use tokio::sync::Barrier;
use tonic::{Code, transport::Channel};

use super::{
    calls::{about, login, refresh_request, register},
    serve,
    told::{is, reason},
};
use crate::{
    on_both_engines,
    support::{served::Served, world::Engine},
};

on_both_engines!(
    p4_sixty_four_calls_on_eight_connections_get_one_successor,
    p2_after_a_user_wide_revocation_no_session_mints_anything,
);

const CONNECTIONS: usize = 8;
const CALLS: usize = 64;

/// All calls at the same time, spread over the connections.
async fn refresh_at_once(served: &Served, token: &str) -> Vec<RefreshResponse> {
    let clients = join_all((0..CONNECTIONS).map(|_| served.client())).await;
    let start = Arc::new(Barrier::new(CALLS));
    let calls = (0..CALLS).map(|number| {
        let (mut client, request) = (clients[number % CONNECTIONS].clone(), refresh_request(token));
        let start = Arc::clone(&start);
        tokio::spawn(async move {
            start.wait().await;
            client.refresh(request).await.expect("forgiven").into_inner()
        })
    });
    join_all(calls).await.into_iter().map(|answer| answer.expect("no panic")).collect()
}

async fn verdict(client: &mut AuthServiceClient<Channel>, token: &str) -> VerifyResponse {
    client.verify(about(token)).await.expect("a verdict").into_inner()
}

fn is_revoked(verdict: &VerifyResponse, reason: &str) -> bool {
    let why = verdict.revocation.as_ref().map(|revocation| revocation.reason.as_str());
    !verdict.active && verdict.reason() == InactiveReason::Revoked && why == Some(reason)
}

/// RF-06, and RF-01 with the newest tokens in honest hands.
async fn p4_sixty_four_calls_on_eight_connections_get_one_successor(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    register(&mut client).await;
    let first = login(&mut client).await.tokens.unwrap();

    let answers = refresh_at_once(&served, &first.refresh_token).await;
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1, "one moved it");
    let bytes = |answer: &RefreshResponse| {
        RefreshResponse { replayed: false, ..answer.clone() }.encode_to_vec()
    };
    assert!(answers.iter().all(|answer| bytes(answer) == bytes(&answers[0])), "one successor");
    let newest = answers[0].tokens.clone().unwrap();
    assert!(newest.refresh_token != first.refresh_token);
    assert!(verdict(&mut client, &newest.access_token).await.active);

    served.clock.advance(Duration::from_secs(31));
    let late = reason(client.refresh(refresh_request(&first.refresh_token)).await);
    assert_eq!(late, is(Code::Unauthenticated, "REFRESH_REUSE"));
    let dead = verdict(&mut client, &newest.access_token).await;
    assert!(is_revoked(&dead, "REFRESH_REUSE"));
    let after = reason(client.refresh(refresh_request(&newest.refresh_token)).await);
    assert_eq!(after, is(Code::Unauthenticated, "SESSION_REVOKED"));
}

/// RF-18: calls in flight while the revocation is answered may win or lose;
/// none that begins later wins, nor does what the winners got.
async fn p2_after_a_user_wide_revocation_no_session_mints_anything(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    let user = UserId::parse(&register(&mut client).await).unwrap();
    let mut tokens = Vec::new();
    for _ in 0..8 {
        tokens.push(login(&mut client).await.tokens.unwrap());
    }
    let racing = tokens.iter().map(|pair| {
        let (mut client, request) = (client.clone(), refresh_request(&pair.refresh_token));
        tokio::spawn(async move { client.refresh(request).await })
    });
    let racing: Vec<_> = racing.collect();
    let target = RevokeTarget::User(user);
    served.auth.revoke(target, &Administrator::command_line()).await.unwrap().unwrap();
    for outcome in join_all(racing).await {
        match outcome.unwrap() {
            Ok(won) => tokens.push(won.into_inner().tokens.unwrap()),
            Err(status) => {
                let lost = is(Code::Unauthenticated, "SESSION_REVOKED");
                assert_eq!(reason::<()>(Err(status)), lost);
            }
        }
    }
    for pair in &tokens {
        for _ in 0..2 {
            let answer = reason(client.refresh(refresh_request(&pair.refresh_token)).await);
            assert_eq!(answer, is(Code::Unauthenticated, "SESSION_REVOKED"));
        }
        assert!(!verdict(&mut client, &pair.access_token).await.active);
    }
    let fresh = login(&mut client).await.tokens.unwrap();
    assert!(verdict(&mut client, &fresh.access_token).await.active, "a new login lives");
}
