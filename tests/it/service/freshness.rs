//! How `Verify` behaves while the revocation log cannot be read.

use std::time::Duration;

use tokenward::{
    config::{OnStale, Settings},
    domain::error::{AuthError, Outage},
    service::{
        Administrator, Caller,
        client_auth::{ClientCredentials, ClientProof},
        client_profile::ClientProfileRequest,
        clients::CreateClientRequest,
        index::Needs,
        verify::Question,
    },
};

use crate::{
    on_both_engines,
    support::world::{Engine, World, question},
};

on_both_engines!(
    vt_23_past_its_budget_a_replica_fails_closed,
    vt_23_a_stale_replica_introspects_nothing,
    a_call_can_be_stricter_than_the_budget,
    failing_open_is_a_choice,
    a_stale_replica_catches_up_before_it_answers,
);

fn is_stale<T>(result: &Result<T, AuthError>) -> bool {
    matches!(result, Err(AuthError::Unavailable { outage: Outage::StaleRevocations, .. }))
}

async fn vt_23_past_its_budget_a_replica_fails_closed(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    // Nobody looks at the log: it is as good as out of reach.
    world.clock.advance(Duration::from_mins(1));
    let verdict = world.auth().verify(&question("x")).await.expect("within the budget");
    assert_eq!(verdict.staleness, Duration::from_mins(1));
    world.clock.advance(Duration::from_millis(1));
    assert!(is_stale(&world.auth().verify(&question("x")).await), "UNAVAILABLE, not a bad token");
    world.look().await;
    assert!(world.auth().verify(&question("x")).await.is_ok());
}

/// Nor does introspection say of a token that it is not active only because we
/// do not know.
async fn vt_23_a_stale_replica_introspects_nothing(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let profile = ClientProfileRequest {
        audiences: vec!["api".to_owned()],
        ..ClientProfileRequest::default()
    };
    let new = CreateClientRequest { id: "worker".to_owned(), profile, with_secret: true };
    let made = world.auth().create_client(new, &Administrator::command_line()).await;
    let secret = made.expect("a new client").secret.expect("a secret");
    let proof = ClientProof::Secret(secret.expose().to_owned().into());
    let worker = ClientCredentials { client_id: "worker".to_owned(), proof: Some(proof) };
    let introspect =
        async || world.auth().introspect(&worker, &question("x"), &Caller::default()).await;
    world.clock.advance(Duration::from_mins(1));
    assert!(introspect().await.expect("within the budget").is_none());
    world.clock.advance(Duration::from_millis(1));
    assert!(is_stale(&introspect().await));
    world.look().await;
    assert!(introspect().await.is_ok());
}

async fn a_call_can_be_stricter_than_the_budget(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let within = |max| {
        let needs = Needs { max_staleness: Some(max), ..Needs::default() };
        Question { needs, ..question("x") }
    };
    world.clock.advance(Duration::from_secs(5));
    assert!(is_stale(&world.auth().verify(&within(Duration::from_secs(4))).await));
    assert!(world.auth().verify(&within(Duration::from_secs(5))).await.is_ok());
}

async fn failing_open_is_a_choice(engine: Engine) {
    let change = |s: &mut Settings| s.revocation.on_stale = OnStale::FailOpen;
    let Some(world) = World::with(engine, change).await else { return };
    world.clock.advance(Duration::from_hours(1));
    assert!(world.auth().verify(&question("x")).await.is_ok());
}

/// As a process does that was stopped for a while and goes on.
async fn a_stale_replica_catches_up_before_it_answers(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.clock.advance(Duration::from_secs(30));
    let follower = world.core.follower(Duration::from_millis(100));
    let asked = question("x");
    let (verdict, looked) = tokio::join!(world.auth().verify(&asked), follower.look());
    looked.unwrap();
    assert_eq!(verdict.unwrap().staleness, Duration::ZERO);
}
