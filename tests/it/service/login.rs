//! `Login`: what it grants, and how little it tells.

use std::time::Duration;

use tokenward::{
    config::{ClientSettings, Settings, Span},
    domain::{
        clock::{Clock as _, SystemClock},
        error::{AuthError, Refusal},
    },
    service::{Administrator, Caller, login::LoginRequest, verify::InactiveReason},
};

use crate::{
    on_both_engines,
    support::world::{Engine, PASSWORD, World, login_request},
};

on_both_engines!(
    p6_all_failures_are_one_answer,
    lg_04_failures_leave_on_a_time_grid,
    lg_24_fifty_correct_logins_at_once_succeed,
    lg_40_passwords_are_never_truncated,
    lg_51_old_hashes_are_made_anew,
    s1_3_no_refresh_token_on_request,
    s2_5_a_new_login_ends_the_older_one,
    grants_stay_within_what_the_client_may_have,
);

fn refused<T>(result: &Result<T, AuthError>) -> bool {
    matches!(result, Err(AuthError::Unauthenticated(Refusal::InvalidCredentials)))
}

/// LG-01, LG-02, LG-09.
async fn p6_all_failures_are_one_answer(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let bob = world.user("bob").await;
    world.auth().disable_user(bob, &Administrator::command_line()).await.unwrap();
    for (name, password) in [
        ("alice", "not the password"),
        ("nobody", PASSWORD),
        ("bob", PASSWORD),
        ("bob", "not the password"),
        ("no\u{0131}body \u{202e}", PASSWORD),
        ("nobody@example.org", PASSWORD),
    ] {
        assert!(refused(&world.try_login(name, password).await), "{name}");
    }
    assert!(world.try_login("alice", PASSWORD).await.is_ok());
    assert!(world.try_login("ALICE", PASSWORD).await.is_ok());
}

async fn lg_24_fifty_correct_logins_at_once_succeed(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let logins = (0..50).map(|_| world.try_login("alice", PASSWORD));
    for login in futures_util::future::join_all(logins).await {
        login.expect("logged in");
    }
}

async fn lg_40_passwords_are_never_truncated(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let long = format!("{PASSWORD:x<1024}");
    world.user_with_password("alice", &long).await;
    assert!(world.try_login("alice", &long).await.is_ok());
    for near in [&long[..1023], &long[..72], &format!("{} ", &long[..1023])] {
        assert!(refused(&world.try_login("alice", near).await));
    }
    let too_long = world.try_login("alice", &"x".repeat(1025)).await;
    let Err(AuthError::InvalidArgument(violations)) = too_long else { panic!("{too_long:?}") };
    assert_eq!(violations[0].field, "password");
}

async fn lg_51_old_hashes_are_made_anew(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let before = world.password_hash("alice").await;
    let stronger = world.replica_with(|s: &mut Settings| s.password.iterations = 2).await;
    let login = |core: &tokenward::app::Core| {
        let auth = core.auth.clone();
        async move { auth.login(login_request("alice", PASSWORD), &Caller::default()).await }
    };
    let (one, two) = tokio::join!(login(&stronger), login(&stronger));
    assert!(one.is_ok() && two.is_ok());
    let after = world.password_hash("alice").await;
    assert!(before.contains("t=1,") && after.contains("t=2,"), "{before} {after}");
    assert!(login(&stronger).await.is_ok());
    assert_eq!(world.password_hash("alice").await, after, "once is enough");
}

async fn s1_3_no_refresh_token_on_request(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let request = LoginRequest { no_refresh_token: true, ..login_request("alice", PASSWORD) };
    let tokens = world.auth().login(request, &Caller::default()).await.unwrap().tokens;
    assert!(tokens.refresh_token.is_none());
    assert_eq!(tokens.session_expires_at, Some(tokens.expires_at));
    assert_eq!(world.verify(&tokens.access_token).await.reason, None);
}

/// With `max_sessions_per_user = 1`.
async fn s2_5_a_new_login_ends_the_older_one(engine: Engine) {
    let change = |s: &mut Settings| s.tokens.max_sessions_per_user = 1;
    let Some(world) = World::with(engine, change).await else { return };
    world.user("alice").await;
    let old = world.login("alice").await.tokens;
    world.clock.advance(Duration::from_millis(1));
    let new = world.login("alice").await.tokens;
    let verdict = world.verify(&old.access_token).await;
    assert!(matches!(verdict.reason, Some(InactiveReason::Revoked(_))));
    assert_eq!(world.verify(&new.access_token).await.reason, None);
    let old = world.refresh(old.refresh_token.as_ref().unwrap()).await;
    assert!(matches!(old, Err(AuthError::Unauthenticated(Refusal::Revoked))));
}

async fn grants_stay_within_what_the_client_may_have(engine: Engine) {
    let change = |s: &mut Settings| {
        let client = ClientSettings {
            audiences: vec!["api".into(), "billing".into()],
            scopes: vec!["read".into(), "write".into()],
            default_scopes: vec!["read".into()],
            access_lifetime: Some(Span(Duration::from_mins(5))),
            ..Default::default()
        };
        s.clients.insert("default".into(), client);
    };
    let Some(world) = World::with(engine, change).await else { return };
    world.user("alice").await;
    let claims = async |audience: &[&str], scope: &str, client: &str| {
        let request = LoginRequest {
            audience: audience.iter().map(|a| (*a).to_owned()).collect(),
            scope: scope.to_owned(),
            client_id: client.to_owned(),
            ..login_request("alice", PASSWORD)
        };
        let tokens = world.auth().login(request, &Caller::default()).await?.tokens;
        let verdict = world.verify(&tokens.access_token).await;
        Ok::<_, AuthError>(verdict.claims.expect("active").claims)
    };
    let names = |claims: &tokenward::domain::claims::AccessClaims| {
        claims.audience.iter().map(|a| a.as_str().to_owned()).collect::<Vec<_>>()
    };

    let default = claims(&[], "", "").await.unwrap();
    assert_eq!((names(&default), default.scopes.to_string()), (vec!["api".into()], "read".into()));
    assert!(default.expires_at.since(default.issued_at) <= Duration::from_mins(5));
    let both = claims(&["billing", "api", "billing"], "write read", "default").await.unwrap();
    assert_eq!(names(&both), ["billing", "api"]);
    assert_eq!(both.scopes.to_string(), "write read");

    for (audience, scope, client, field) in [
        (&["other"][..], "", "", "audience"),
        (&[], "admin", "", "scope"),
        (&[], "read  write", "", "scope"),
        (&[], "", "other", "client_id"),
        (&[], "", "../x", "client_id"),
    ] {
        let Err(AuthError::InvalidArgument(violations)) = claims(audience, scope, client).await
        else {
            panic!("{field} was accepted");
        };
        assert_eq!(violations[0].field, field);
    }
}

/// However fast or slow the hash was, a refusal comes at a whole multiple of
/// the grid; a success, and a mistake in the form, come at once.
async fn lg_04_failures_leave_on_a_time_grid(engine: Engine) {
    const GRID: Duration = Duration::from_millis(300);
    let change = |s: &mut Settings| s.password.failure_grid = Span(GRID);
    let Some(world) = World::with(engine, change).await else { return };
    world.user("alice").await;
    let clock = SystemClock::new();
    for (name, password) in [("alice", "wrong"), ("nobody", PASSWORD), ("no body", PASSWORD)] {
        let began = clock.monotonic();
        assert!(refused(&world.try_login(name, password).await));
        assert!(clock.monotonic().saturating_sub(began) >= GRID, "{name}");
    }
}
