//! `Refresh`: retries are forgiven, thieves are not.

use std::time::Duration;

use futures_util::future::join_all;
use secrecy::{ExposeSecret, SecretString};
use tokenward::{
    config::{ClientSettings, Rotation, Span},
    domain::{
        error::{AuthError, Refusal},
        revocation::Reason,
    },
    service::{Administrator, Caller, verify::InactiveReason},
    store::port::RevokeTarget,
};

use crate::{
    on_both_engines,
    support::world::{Engine, World},
};

on_both_engines!(
    p4_sixty_four_callers_get_one_successor,
    p4_a_replay_gives_the_same_bytes_until_its_window_ends,
    p2_nothing_is_minted_after_a_user_wide_revocation,
    rf_01_reuse_ends_the_session_and_its_newest_tokens,
    rf_04_reuse_is_recorded_once,
    rf_13_the_chain_cannot_outlive_the_session,
    rf_15_an_idle_session_ends,
    rf_26_a_disabled_user_cannot_refresh,
    rf_30_another_client_is_refused_and_consumes_nothing,
    s1_2_without_rotation_the_refresh_token_stays,
    s1_5_an_access_token_is_the_wrong_type,
);

fn refusal<T: std::fmt::Debug>(result: Result<T, AuthError>) -> Refusal {
    match result {
        Err(AuthError::Unauthenticated(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

fn text(token: &SecretString) -> &str {
    token.expose_secret()
}

async fn p4_sixty_four_callers_get_one_successor(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let first = world.login("alice").await.tokens.refresh_token.unwrap();

    let answers = join_all((0..64).map(|_| world.refresh(&first))).await;
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.expect("forgiven")).collect();

    let fresh = answers.iter().filter(|answer| !answer.replayed).count();
    assert_eq!(fresh, 1, "one caller moved the generation");
    let successor = &answers[0].tokens;
    for answer in &answers {
        assert_eq!(
            text(answer.tokens.refresh_token.as_ref().unwrap()),
            text(successor.refresh_token.as_ref().unwrap())
        );
        assert_eq!(text(&answer.tokens.access_token), text(&successor.access_token));
    }

    // The same token 31 s later is a thief's.
    world.advance(Duration::from_secs(31)).await;
    assert_eq!(refusal(world.refresh(&first).await), Refusal::Reused);
    let verdict = world.verify(&successor.access_token).await;
    assert!(
        matches!(verdict.reason, Some(InactiveReason::Revoked(killed)) if killed.reason == Reason::RefreshReuse)
    );
    assert_eq!(
        refusal(world.refresh(successor.refresh_token.as_ref().unwrap()).await),
        Refusal::Revoked
    );
}

/// RF-08, RF-10, RF-12 over the whole service.
async fn p4_a_replay_gives_the_same_bytes_until_its_window_ends(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let first = world.login("alice").await.tokens.refresh_token.unwrap();
    world.advance(Duration::from_millis(1_234_567)).await;
    let successor = world.refresh(&first).await.unwrap().tokens;

    world.advance(Duration::from_secs(30)).await;
    let again = world.refresh(&first).await.unwrap();
    assert!(again.replayed);
    assert_eq!(text(&again.tokens.access_token), text(&successor.access_token));
    assert_eq!(
        text(again.tokens.refresh_token.as_ref().unwrap()),
        text(successor.refresh_token.as_ref().unwrap())
    );

    world.advance(Duration::from_millis(1)).await;
    assert_eq!(refusal(world.refresh(&first).await), Refusal::Reused);
}

async fn p2_nothing_is_minted_after_a_user_wide_revocation(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let user = world.user("alice").await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        sessions.push(world.login("alice").await.tokens);
    }
    let target = RevokeTarget::User(user);
    world.auth().revoke(target, &Administrator::command_line()).await.unwrap().unwrap();
    for tokens in &sessions {
        let token = tokens.refresh_token.as_ref().unwrap();
        assert_eq!(refusal(world.refresh(token).await), Refusal::Revoked);
        let verdict = world.verify(&tokens.access_token).await;
        assert!(matches!(verdict.reason, Some(InactiveReason::Revoked(_))));
    }
    // VT-08: in the same second, a new login lives.
    let after = world.login("alice").await.tokens;
    assert_eq!(world.verify(&after.access_token).await.reason, None);
    assert!(world.refresh(after.refresh_token.as_ref().unwrap()).await.is_ok());
}

/// VT-12, RF-02, RF-03: whoever comes second, the session is dead for both.
async fn rf_01_reuse_ends_the_session_and_its_newest_tokens(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let first = world.login("alice").await.tokens;
    let stolen = first.refresh_token.unwrap();
    let second = world.refresh(&stolen).await.unwrap().tokens;
    let third = world.refresh(second.refresh_token.as_ref().unwrap()).await.unwrap().tokens;

    // Two generations back is theft even inside the window.
    assert_eq!(refusal(world.refresh(&stolen).await), Refusal::Reused);
    for access in [&first.access_token, &second.access_token, &third.access_token] {
        let verdict = world.verify(access).await;
        assert!(matches!(verdict.reason, Some(InactiveReason::Revoked(_))));
    }
    assert_eq!(
        refusal(world.refresh(third.refresh_token.as_ref().unwrap()).await),
        Refusal::Revoked
    );
}

async fn rf_04_reuse_is_recorded_once(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let stolen = world.login("alice").await.tokens.refresh_token.unwrap();
    world.refresh(&stolen).await.unwrap();
    world.advance(Duration::from_mins(1)).await;
    let outcomes = join_all((0..16).map(|_| world.refresh(&stolen))).await;
    let reused = outcomes
        .into_iter()
        .filter(|outcome| matches!(outcome, Err(AuthError::Unauthenticated(Refusal::Reused))));
    assert_eq!(reused.count(), 1);
    assert_eq!(world.core.store.log_after(0, 10).await.unwrap().len(), 1);
}

/// VT-32.
async fn rf_13_the_chain_cannot_outlive_the_session(engine: Engine) {
    let change = |s: &mut tokenward::config::Settings| {
        s.tokens.session_lifetime = Span(Duration::from_hours(1));
    };
    let Some(world) = World::with(engine, change).await else { return };
    world.user("alice").await;
    let mut token = world.login("alice").await.tokens.refresh_token.unwrap();
    for _ in 0..5 {
        world.advance(Duration::from_mins(10)).await;
        let tokens = world.refresh(&token).await.unwrap().tokens;
        assert!(
            Some(tokens.expires_at) <= tokens.session_expires_at,
            "no token outlives its session"
        );
        token = tokens.refresh_token.unwrap();
    }
    world.advance(Duration::from_secs(10 * 60 - 1)).await;
    let last = world.refresh(&token).await.unwrap().tokens;
    assert_eq!(Some(last.expires_at), last.session_expires_at);
    world.advance(Duration::from_secs(1)).await;
    let token = last.refresh_token.unwrap();
    assert_eq!(refusal(world.refresh(&token).await), Refusal::Expired);
    assert_eq!(world.verify(&last.access_token).await.reason, Some(InactiveReason::Expired));
}

/// VT-33.
async fn rf_15_an_idle_session_ends(engine: Engine) {
    let change = |s: &mut tokenward::config::Settings| {
        s.tokens.idle_lifetime = Some(Span(Duration::from_mins(10)));
    };
    let Some(world) = World::with(engine, change).await else { return };
    world.user("alice").await;
    let first = world.login("alice").await.tokens.refresh_token.unwrap();
    world.advance(Duration::from_millis(10 * 60_000 - 1)).await;
    let second = world.refresh(&first).await.unwrap().tokens;
    world.advance(Duration::from_mins(10)).await;
    let token = second.refresh_token.unwrap();
    assert_eq!(refusal(world.refresh(&token).await), Refusal::SessionExpired);
    assert_eq!(world.verify(&second.access_token).await.reason, Some(InactiveReason::Expired));
}

async fn rf_26_a_disabled_user_cannot_refresh(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let user = world.user("alice").await;
    let tokens = world.login("alice").await.tokens;
    world.auth().disable_user(user, &Administrator::command_line()).await.unwrap();
    assert_eq!(refusal(world.refresh(&tokens.refresh_token.unwrap()).await), Refusal::Revoked);
    // LG-32, LG-03: nor log in, with the right password either.
    let login = world.try_login("alice", crate::support::world::PASSWORD).await;
    assert_eq!(refusal(login), Refusal::InvalidCredentials);
    // S0.4: and the access token is dead without any database read.
    let verdict = world.verify(&tokens.access_token).await;
    assert!(
        matches!(verdict.reason, Some(InactiveReason::Revoked(killed)) if killed.reason == Reason::UserDisabled)
    );
}

async fn rf_30_another_client_is_refused_and_consumes_nothing(engine: Engine) {
    let change = |s: &mut tokenward::config::Settings| {
        for id in ["default", "other"] {
            let client = ClientSettings { audiences: vec!["api".into()], ..Default::default() };
            s.clients.insert(id.into(), client);
        }
    };
    let Some(world) = World::with(engine, change).await else { return };
    world.user("alice").await;
    let token = world.login("alice").await.tokens.refresh_token.unwrap();
    let stranger = world.auth().refresh(token.clone(), "other", &Caller::default()).await;
    assert_eq!(refusal(stranger), Refusal::ClientMismatch);
    assert!(!world.refresh(&token).await.unwrap().replayed);
}

async fn s1_2_without_rotation_the_refresh_token_stays(engine: Engine) {
    let change = |s: &mut tokenward::config::Settings| {
        let client = ClientSettings {
            audiences: vec!["api".into()],
            rotation: Rotation::Off,
            access_lifetime: Some(Span(Duration::from_hours(2))),
            ..Default::default()
        };
        s.clients.insert("default".into(), client);
    };
    let Some(world) = World::with(engine, change).await else { return };
    world.user("alice").await;
    let first = world.login("alice").await.tokens;
    let token = first.refresh_token.unwrap();
    let mut access_tokens = vec![text(&first.access_token).to_owned()];
    for _ in 0..3 {
        world.advance(Duration::from_hours(24)).await;
        let answer = world.refresh(&token).await.unwrap();
        assert_eq!(text(answer.tokens.refresh_token.as_ref().unwrap()), text(&token));
        assert!(!answer.replayed);
        assert_eq!(world.verify(&answer.tokens.access_token).await.reason, None);
        access_tokens.push(text(&answer.tokens.access_token).to_owned());
    }
    access_tokens.dedup();
    assert_eq!(access_tokens.len(), 4, "each refresh gives another access token");
    world.advance(Duration::from_hours(24 * 11)).await;
    assert_eq!(refusal(world.refresh(&token).await), Refusal::Expired);
}

/// S1.4 too: and a refresh token is no access token.
async fn s1_5_an_access_token_is_the_wrong_type(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let tokens = world.login("alice").await.tokens;
    assert_eq!(refusal(world.refresh(&tokens.access_token).await), Refusal::WrongType);
    let verdict = world.verify(tokens.refresh_token.as_ref().unwrap()).await;
    assert_eq!(verdict.reason, Some(InactiveReason::WrongType));
    assert!(verdict.claims.is_none());
}
