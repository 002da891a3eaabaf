//! `min_revocation_seq`: who has heard of a revocation is not judged for
//! without it, whatever replica is asked.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::json;
use tokenward::{
    app::Core,
    config::{Settings, Span},
    grpc::pb::auth::{
        BatchVerifyRequest, InactiveReason, VerifyRequest, VerifyResponse, WatchRevocationsRequest,
        revocation_entry::Target,
    },
    service::{Caller, login::LoggedIn},
};
use tonic::Code;

use super::{
    calls::about,
    clients::worker,
    oauth::{INTROSPECT, json_of, post},
    told::{is, reason},
    usual,
    watch::{next, watch},
};
use crate::{
    on_both_engines,
    support::{
        http::{Answer, basic},
        served::Served,
        world::{Engine, World},
    },
};

on_both_engines!(
    p1_what_another_replica_revoked_is_known_by_its_number,
    p1_a_number_that_never_comes_is_waited_for_in_vain,
);

/// A server, and another replica that revokes.
struct Replicas {
    served: Served,
    other: Core,
    secret: String,
    sessions: Vec<LoggedIn>,
}

impl Replicas {
    async fn new(engine: Engine, change: impl FnOnce(&mut Settings)) -> Option<Self> {
        let world = World::with(engine, |settings| {
            usual(settings);
            change(settings);
        });
        let world = world.await?;
        let other = world.replica().await;
        world.user("alice").await;
        let mut sessions = Vec::new();
        for _ in 0..4 {
            sessions.push(world.login("alice").await);
        }
        let served = world.serve().await;
        let secret = worker(&served).await;
        Some(Self { served, other, secret, sessions })
    }

    /// A session that the other replica has just revoked: its id, its access
    /// token, and the number.
    async fn revoked(&mut self) -> (String, String, i64) {
        let session = self.sessions.pop().expect("one session for each way to ask");
        let token = session.tokens.access_token.expose_secret().to_owned();
        let seq = self.other.auth.revoke_token(&token, &Caller::default()).await.expect("revoked");
        (session.session_id.to_string(), token, seq)
    }

    async fn introspect(&self, token: &str, seq: i64) -> Answer {
        let seq = seq.to_string();
        let form = [("token", token), ("min_revocation_seq", seq.as_str())];
        post(&self.served, INTROSPECT, &basic("worker", &self.secret), &form).await
    }
}

fn asking(token: &str, min_revocation_seq: i64) -> VerifyRequest {
    VerifyRequest { min_revocation_seq, ..about(token) }
}

/// Is the token revoked, by a verdict that counts this number?
fn is_dead(verdict: &VerifyResponse, seq: i64) -> bool {
    verdict.reason() == InactiveReason::Revoked && verdict.revocation_seq >= seq
}

/// By itself the server looks so rarely that it hears of nothing in between.
async fn p1_what_another_replica_revoked_is_known_by_its_number(engine: Engine) {
    let rarely = |settings: &mut Settings| {
        settings.revocation.poll_interval = Span(Duration::from_secs(10));
        settings.revocation.fresh_for = Span(Duration::from_mins(1));
    };
    let Some(mut replicas) = Replicas::new(engine, rarely).await else { return };
    let mut client = replicas.served.client().await;

    let (_, token, seq) = replicas.revoked().await;
    let verdict = client.verify(asking(&token, seq)).await.unwrap().into_inner();
    assert!(is_dead(&verdict, seq), "Verify");

    // The demand of one question counts for all.
    let (_, token, seq) = replicas.revoked().await;
    let batch = BatchVerifyRequest { requests: vec![about(&token), asking("garbage", seq)] };
    let verdicts = client.batch_verify(batch).await.unwrap().into_inner().responses;
    assert!(is_dead(&verdicts[0], seq), "BatchVerify");

    let (_, token, seq) = replicas.revoked().await;
    let told = json_of(&replicas.introspect(&token, seq).await);
    assert_eq!(told, json!({ "active": false }));

    let (session, _, seq) = replicas.revoked().await;
    let from = WatchRevocationsRequest { min_revocation_seq: seq, ..Default::default() };
    let mut updates = watch(&replicas.served, from).await.unwrap();
    let told = next(&mut updates).await.unwrap();
    assert_eq!(told.seq, seq);
    let last = told.revocations.last().and_then(|entry| entry.target.clone());
    assert!(last == Some(Target::SessionId(session)), "WatchRevocations");
    drop(updates);
    replicas.served.stop().await;
}

async fn p1_a_number_that_never_comes_is_waited_for_in_vain(engine: Engine) {
    const NEVER: i64 = 1_000;
    let hasty = |settings: &mut Settings| {
        settings.grpc.request_timeout = Span(Duration::from_millis(100));
        settings.http.request_timeout = Span(Duration::from_millis(100));
    };
    let Some(replicas) = Replicas::new(engine, hasty).await else { return };
    let mut client = replicas.served.client().await;
    let token = replicas.sessions[0].tokens.access_token.expose_secret();
    let too_late = is(Code::DeadlineExceeded, "DEADLINE_EXCEEDED");

    assert_eq!(reason(client.verify(asking(token, NEVER)).await), too_late);
    let batch = BatchVerifyRequest { requests: vec![about(token), asking("garbage", NEVER)] };
    assert_eq!(reason(client.batch_verify(batch).await), too_late);
    let from = WatchRevocationsRequest { min_revocation_seq: NEVER, ..Default::default() };
    assert_eq!(reason(watch(&replicas.served, from).await), too_late);
    let answer = replicas.introspect(token, NEVER).await;
    assert_eq!(answer.status, 503, "{}", answer.body);
    replicas.served.stop().await;
}
