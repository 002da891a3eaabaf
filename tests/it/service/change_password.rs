//! `ChangePassword`, and ending one's own sessions.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokenward::{
    config::{ClientSettings, Rotation, Settings, Span},
    domain::{
        claims::AccessClaims,
        clock::{Clock as _, SystemClock},
        error::{AuthError, Denial, Refusal},
        password::Password,
        revocation::Reason,
    },
    service::{
        Administrator, Caller,
        change_password::{ChangePasswordRequest, ChangedPassword},
        login::{LoggedIn, LoginRequest},
        verify::InactiveReason,
    },
};
use uuid::Uuid;

use crate::{
    on_both_engines,
    support::world::{Engine, PASSWORD, World, login_request, question},
};

on_both_engines!(
    vt_07_vt_08_vt_09_in_one_second_the_old_die_and_the_new_live,
    vt_07_an_old_refresh_token_never_gets_the_new_pair,
    s1_3_a_session_without_refresh_token_keeps_none,
    a_wrong_password_is_refused_on_the_grid_and_changes_nothing,
    new_passwords_have_rules,
    a_refresh_token_of_another_session_is_no_proof,
    ad_16_a_disabled_user_changes_nothing_not_even_on_a_replica_that_has_not_looked,
    lg_52_a_login_that_rehashes_beside_a_change_does_not_undo_it,
    without_rotation_the_refresh_token_changes_all_the_same,
    vt_31_an_operator_sets_a_password_and_enables,
    vt_10_one_ends_ones_own_sessions,
);

const NEW: &str = "another horse, another staple";

fn password(text: &str) -> Result<Password, tokenward::domain::password::InvalidPassword> {
    Password::parse(text.to_owned())
}

/// What the access token of a login says.
async fn caller(world: &World, login: &LoggedIn) -> AccessClaims {
    let token = login.tokens.access_token.expose_secret();
    world.auth().authenticate(Some(token)).await.expect("it lives")
}

async fn change(
    world: &World,
    login: &LoggedIn,
    current: &str,
    new: &str,
) -> Result<ChangedPassword, AuthError> {
    let request = ChangePasswordRequest {
        current: password(current),
        new: password(new),
        refresh_token: login.tokens.refresh_token.clone(),
    };
    world.auth().change_password(&caller(world, login).await, request, &Caller::default()).await
}

fn refusal<T: std::fmt::Debug>(result: Result<T, AuthError>) -> Refusal {
    match result {
        Err(AuthError::Unauthenticated(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn fields<T: std::fmt::Debug>(result: Result<T, AuthError>) -> Vec<&'static str> {
    match result {
        Err(AuthError::InvalidArgument(violations)) => violations.iter().map(|v| v.field).collect(),
        other => panic!("{other:?}"),
    }
}

async fn is_dead(world: &World, token: &SecretString, why: &Reason) -> bool {
    let reason = world.verify(token).await.reason;
    matches!(reason, Some(InactiveReason::Revoked(killed)) if killed.reason == *why)
}

/// The clock stands: no token is older than another.
async fn vt_07_vt_08_vt_09_in_one_second_the_old_die_and_the_new_live(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let replica = world.replica().await;
    let user = world.user("alice").await;
    let (mine, other) = (world.login("alice").await, world.login("alice").await);
    let changed = change(&world, &mine, PASSWORD, NEW).await.expect("changed");
    assert_eq!(changed.session_id, mine.session_id);

    for old in [&mine, &other] {
        let access = &old.tokens.access_token;
        assert!(is_dead(&world, access, &Reason::PasswordChanged).await, "here at once");
        let refresh = old.tokens.refresh_token.as_ref().unwrap();
        assert_eq!(refusal(world.refresh(refresh).await), Refusal::Revoked);
    }
    let verdict = world.verify(&changed.tokens.access_token).await;
    assert_eq!(verdict.reason, None);
    let claims = verdict.claims.unwrap().claims;
    let its = claims.user().unwrap();
    assert_eq!((its.id, its.session_id), (user, mine.session_id));
    // Elsewhere a look later.
    replica.follower(Duration::from_millis(100)).look().await.unwrap();
    let on_replica = async |token: &SecretString| {
        replica.auth.verify(&question(token.expose_secret())).await.unwrap().reason
    };
    assert!(on_replica(&other.tokens.access_token).await.is_some());
    assert_eq!(on_replica(&changed.tokens.access_token).await, None);

    assert_eq!(refusal(world.try_login("alice", PASSWORD).await), Refusal::InvalidCredentials);
    let new = world.try_login("alice", NEW).await.expect("the new password counts");
    assert_eq!(world.verify(&new.tokens.access_token).await.reason, None);
    let next = world.refresh(changed.tokens.refresh_token.as_ref().unwrap()).await.unwrap();
    assert!(!next.replayed && next.session_id == mine.session_id);
    assert_eq!(world.verify(&next.tokens.access_token).await.reason, None);
}

/// RF-18: a thief that refreshes on and on neither gets in nor gets the user
/// out.
async fn vt_07_an_old_refresh_token_never_gets_the_new_pair(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let login = world.login("alice").await;
    let stolen = login.tokens.refresh_token.clone().unwrap();
    let changed = change(&world, &login, PASSWORD, NEW).await.unwrap();
    for _ in 0..4 {
        assert_eq!(refusal(world.refresh(&stolen).await), Refusal::Revoked);
        world.advance(Duration::from_secs(15)).await;
    }
    assert_eq!(world.verify(&changed.tokens.access_token).await.reason, None);
    let next = world.refresh(changed.tokens.refresh_token.as_ref().unwrap()).await.unwrap();
    assert_eq!(refusal(world.refresh(&stolen).await), Refusal::Revoked);
    assert_eq!(world.verify(&next.tokens.access_token).await.reason, None);
    assert_eq!(world.core.store.log_after(0, 9).await.unwrap().len(), 1, "no alarm");
}

async fn s1_3_a_session_without_refresh_token_keeps_none(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let request = LoginRequest { no_refresh_token: true, ..login_request("alice", PASSWORD) };
    let login = world.auth().login(request, &Caller::default()).await.unwrap();
    world.advance(Duration::from_mins(1)).await;
    let changed = change(&world, &login, PASSWORD, NEW).await.unwrap();
    assert!(changed.tokens.refresh_token.is_none());
    let ends = changed.tokens.session_expires_at;
    assert!(ends == login.tokens.session_expires_at && Some(changed.tokens.expires_at) <= ends);

    // And one that has a refresh token, and does not show it, has none then.
    let login = world.try_login("alice", NEW).await.unwrap();
    let without = LoggedIn {
        tokens: tokenward::service::tokens::TokenPair {
            refresh_token: None,
            ..login.tokens.clone()
        },
        ..login.clone()
    };
    let changed = change(&world, &without, NEW, PASSWORD).await.unwrap();
    assert!(changed.tokens.refresh_token.is_none());
    let ends = world.clock.now().plus(Duration::from_mins(15));
    assert!(changed.tokens.session_expires_at <= Some(ends));
    let stolen = login.tokens.refresh_token.unwrap();
    assert_eq!(refusal(world.refresh(&stolen).await), Refusal::Revoked);
    assert_eq!(world.verify(&changed.tokens.access_token).await.reason, None);
}

/// LG-04: the real clock, since the grid is real time.
async fn a_wrong_password_is_refused_on_the_grid_and_changes_nothing(engine: Engine) {
    let grid = Duration::from_millis(150);
    let change_grid = move |s: &mut Settings| s.password.failure_grid = Span(grid);
    let Some(world) = World::with(engine, change_grid).await else { return };
    world.user("alice").await;
    let login = world.login("alice").await;
    let clock = SystemClock::new();
    let began = clock.monotonic();
    let wrong = change(&world, &login, "not the password", NEW).await;
    assert!(clock.monotonic().saturating_sub(began) >= grid);
    assert_eq!(refusal(wrong), Refusal::InvalidCredentials);
    assert_eq!(world.verify(&login.tokens.access_token).await.reason, None);
    assert!(world.try_login("alice", PASSWORD).await.is_ok());
    assert!(change(&world, &login, PASSWORD, NEW).await.is_ok(), "nothing was used up");
}

async fn new_passwords_have_rules(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let login = world.login("alice").await;
    for (current, new, expected) in [
        (PASSWORD, "too short", &["new_password"][..]),
        (PASSWORD, PASSWORD, &["new_password"]),
        (PASSWORD, "the password of ALICE", &["new_password"]),
        (PASSWORD, "passwordpassword", &["new_password"]),
        (PASSWORD, "", &["new_password"]),
        (PASSWORD, &"x".repeat(1025), &["new_password"]),
        ("", NEW, &["current_password"]),
        ("", "", &["current_password", "new_password"]),
    ] {
        assert_eq!(fields(change(&world, &login, current, new).await), expected, "{new:?}");
    }
    let mut garbled = login.clone();
    garbled.tokens.refresh_token = Some(SecretString::from("a.b.c"));
    let garbled = change(&world, &garbled, PASSWORD, NEW).await;
    assert_eq!(refusal(garbled), Refusal::InvalidToken);
    assert_eq!(world.verify(&login.tokens.access_token).await.reason, None);
    assert!(change(&world, &login, PASSWORD, &format!("{NEW:x<1024}")).await.is_ok());
}

async fn a_refresh_token_of_another_session_is_no_proof(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    world.user("bob").await;
    let login = world.login("alice").await;
    for other in [world.login("alice").await, world.login("bob").await] {
        let mut mixed = login.clone();
        mixed.tokens.refresh_token = other.tokens.refresh_token;
        assert_eq!(fields(change(&world, &mixed, PASSWORD, NEW).await), ["refresh_token"]);
    }
    let mut mixed = login.clone();
    mixed.tokens.refresh_token = Some(login.tokens.access_token.clone());
    assert_eq!(refusal(change(&world, &mixed, PASSWORD, NEW).await), Refusal::WrongType);

    // One that was used up long ago ends the session, as in Refresh.
    world.refresh(login.tokens.refresh_token.as_ref().unwrap()).await.unwrap();
    world.advance(Duration::from_secs(31)).await;
    assert_eq!(refusal(change(&world, &login, PASSWORD, NEW).await), Refusal::Reused);
    assert!(is_dead(&world, &login.tokens.access_token, &Reason::RefreshReuse).await);
    assert!(world.try_login("alice", PASSWORD).await.is_ok());
}

async fn ad_16_a_disabled_user_changes_nothing_not_even_on_a_replica_that_has_not_looked(
    engine: Engine,
) {
    let Some(world) = World::new(engine).await else { return };
    let replica = world.replica().await;
    let user = world.user("alice").await;
    let login = world.login("alice").await;
    let claims = caller(&world, &login).await;
    world.auth().disable_user(user, &Administrator::command_line()).await.unwrap();

    // Each credential that she has, where nobody knows yet.
    let stale = replica.auth.authenticate(Some(login.tokens.access_token.expose_secret())).await;
    assert_eq!(stale.unwrap(), claims);
    let request = ChangePasswordRequest {
        current: password(PASSWORD),
        new: password(NEW),
        refresh_token: login.tokens.refresh_token.clone(),
    };
    let refused = replica.auth.change_password(&claims, request, &Caller::default()).await;
    assert_eq!(refusal(refused), Refusal::Revoked);
    let token = login.tokens.refresh_token.clone().unwrap();
    assert_eq!(
        refusal(replica.auth.refresh(token, "", &Caller::default()).await),
        Refusal::Revoked
    );
    let login = replica.auth.login(login_request("alice", PASSWORD), &Caller::default()).await;
    assert_eq!(refusal(login), Refusal::InvalidCredentials);
    assert!(world.auth().find_user("alice").await.unwrap().disabled_at.is_some());
}

async fn lg_52_a_login_that_rehashes_beside_a_change_does_not_undo_it(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let stronger = world.replica_with(|s: &mut Settings| s.password.iterations = 2).await;
    for round in 0..4 {
        let name = format!("user{round}");
        world.user(&name).await;
        let login = world.login(&name).await;
        let anybody = Caller::default();
        let again = stronger.auth.login(login_request(&name, PASSWORD), &anybody);
        let (changed, _) = tokio::join!(change(&world, &login, PASSWORD, NEW), again);
        let changed = changed.expect("a hash that was made anew stands in nobody's way");
        assert_eq!(world.verify(&changed.tokens.access_token).await.reason, None);
        assert_eq!(refusal(world.try_login(&name, PASSWORD).await), Refusal::InvalidCredentials);
        assert!(world.try_login(&name, NEW).await.is_ok());
    }
}

async fn without_rotation_the_refresh_token_changes_all_the_same(engine: Engine) {
    let settings = |s: &mut Settings| {
        let client = ClientSettings {
            audiences: vec!["api".into()],
            rotation: Rotation::Off,
            ..Default::default()
        };
        s.clients.insert("default".into(), client);
    };
    let Some(world) = World::with(engine, settings).await else { return };
    world.user("alice").await;
    let login = world.login("alice").await;
    let changed = change(&world, &login, PASSWORD, NEW).await.unwrap();
    let (old, new) = (login.tokens.refresh_token.unwrap(), changed.tokens.refresh_token.unwrap());
    assert_eq!(refusal(world.refresh(&old).await), Refusal::Revoked);
    for _ in 0..2 {
        let tokens = world.refresh(&new).await.unwrap().tokens;
        assert_eq!(tokens.refresh_token.unwrap().expose_secret(), new.expose_secret());
        assert_eq!(world.verify(&tokens.access_token).await.reason, None);
    }
}

async fn vt_31_an_operator_sets_a_password_and_enables(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let auth = world.auth();
    let user = world.user("alice").await;
    let before = world.login("alice").await;
    let account = auth.find_user("alice").await.unwrap();
    auth.set_password(&account, password(NEW), &Administrator::command_line()).await.unwrap();
    assert!(is_dead(&world, &before.tokens.access_token, &Reason::PasswordChanged).await);
    assert_eq!(refusal(world.try_login("alice", PASSWORD).await), Refusal::InvalidCredentials);
    for bad in ["short", "the one of Alice, truly"] {
        assert_eq!(
            fields(
                auth.set_password(&account, password(bad), &Administrator::command_line()).await
            ),
            ["password"]
        );
    }

    let between = world.try_login("alice", NEW).await.unwrap();
    auth.disable_user(user, &Administrator::command_line()).await.unwrap();
    auth.enable_user(user, &Administrator::command_line()).await.unwrap();
    for old in [&before, &between] {
        assert!(matches!(
            world.verify(&old.tokens.access_token).await.reason,
            Some(InactiveReason::Revoked(_))
        ));
        let token = old.tokens.refresh_token.as_ref().unwrap();
        assert_eq!(refusal(world.refresh(token).await), Refusal::Revoked);
    }
    let after = world.try_login("alice", NEW).await.unwrap();
    assert_eq!(world.verify(&after.tokens.access_token).await.reason, None);
    let nobody = tokenward::domain::id::UserId::new(Uuid::from_u128(9));
    assert!(matches!(
        auth.enable_user(nobody, &Administrator::command_line()).await,
        Err(AuthError::NotFound("user"))
    ));
}

/// RV-08, RV-13.
async fn vt_10_one_ends_ones_own_sessions(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let auth = world.auth();
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let (mine, other) = (world.login("alice").await, world.login("alice").await);
    let his = world.login("bob").await;
    let claims = caller(&world, &mine).await;
    let end = async |id: &str| auth.revoke_own_session(&claims, id, &Caller::default()).await;

    let nothing = end(&Uuid::from_u128(9).to_string()).await.unwrap();
    assert_eq!(end(&his.session_id.to_string()).await.unwrap(), nothing, "no oracle");
    assert_eq!(world.verify(&his.tokens.access_token).await.reason, None);
    assert_eq!(fields(end("his").await), ["session_id"]);

    let first = end(&other.session_id.to_string()).await.unwrap();
    assert!(first > nothing);
    assert!(is_dead(&world, &other.tokens.access_token, &Reason::Logout).await);
    assert_eq!(end(&other.session_id.to_string()).await.unwrap(), first, "once is enough");
    assert_eq!(world.verify(&mine.tokens.access_token).await.reason, None);

    let all = async |id: &str| auth.revoke_own_sessions(&claims, id, &Caller::default()).await;
    let denied = all(&bob.to_string()).await;
    let expected = AuthError::PermissionDenied(Denial::NotOwnSessions);
    assert_eq!(denied.unwrap_err().to_string(), expected.to_string());
    assert_eq!(fields(all("bob").await), ["user_id"]);
    let seq = all(&alice.to_string()).await.unwrap();
    assert!(is_dead(&world, &mine.tokens.access_token, &Reason::Logout).await);
    let new = world.login("alice").await;
    assert_eq!(all(&alice.to_string()).await.unwrap(), seq, "a repetition ends nothing new");
    for alive in [&new, &his] {
        assert_eq!(world.verify(&alive.tokens.access_token).await.reason, None);
    }
}
