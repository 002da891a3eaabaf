//! One-time tokens: what a reset ends, what ends a reset, and who may ask.

use std::{net::IpAddr, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use tokenward::{
    domain::{
        error::{AuthError, Obstacle, Refusal},
        id::UserId,
        one_time::Contact,
        password::{InvalidPassword, Password},
        revocation::Reason,
    },
    service::{
        Administrator, Caller, change_password::ChangePasswordRequest, one_time::Issued,
        profile::ProfileRequest, users::CreateUserRequest, verify::InactiveReason,
    },
};

use crate::{
    on_both_engines,
    support::{
        beside,
        world::{Engine, PASSWORD, World},
    },
};

on_both_engines!(
    a_reset_ends_every_session_and_forgets_failures,
    a_reset_token_is_used_once_and_by_the_rules,
    a_reset_token_is_dead_after_a_change_of_the_password,
    whatever_is_wrong_with_a_token_there_is_one_answer,
    tokens_are_issued_once_a_minute_to_enabled_users,
    lg_55_without_a_password_there_is_a_token_or_nothing,
    an_identifier_is_verified_by_whoever_reads_what_is_sent_there,
    guesses_are_counted_by_their_source_and_leave_no_rows,
);

const NEW: &str = "another horse, another staple";

fn admin() -> Administrator {
    Administrator::command_line()
}

fn password(text: &str) -> Result<Password, InvalidPassword> {
    Password::parse(text.to_owned())
}

async fn token(world: &World, user: UserId) -> SecretString {
    let issued = world.auth().create_password_reset_token(user, &admin()).await.expect("issued");
    secret(&issued)
}

fn secret(issued: &Issued) -> SecretString {
    issued.token.expose().into()
}

async fn reset(world: &World, token: &SecretString, new: &str) -> Result<i64, AuthError> {
    world.auth().reset_password(token, password(new), &Caller::default()).await
}

/// The one answer to every token that is not good.
fn is_refused<T>(result: &Result<T, AuthError>) -> bool {
    matches!(result, Err(AuthError::Unauthenticated(Refusal::InvalidOneTimeToken)))
}

async fn a_reset_ends_every_session_and_forgets_failures(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let replica = world.replica().await;
    let user = world.user("alice").await;
    let sessions = [world.login("alice").await, world.login("alice").await];
    for _ in 0..5 {
        world.try_login("alice", "wrong").await.expect_err("wrong");
    }
    let throttled = world.try_login("alice", PASSWORD).await;
    assert!(matches!(throttled, Err(AuthError::Throttled { .. })));

    let token = token(&world, user).await;
    let seq = reset(&world, &token, NEW).await.expect("reset");
    for session in &sessions {
        let reason = world.verify(&session.tokens.access_token).await.reason;
        let Some(InactiveReason::Revoked(killed)) = reason else { panic!("{reason:?}") };
        assert_eq!(killed.reason, Reason::PasswordChanged);
        let refresh = session.tokens.refresh_token.as_ref().unwrap();
        world.refresh(refresh).await.expect_err("its session is over");
    }
    replica.follower(Duration::from_millis(100)).look().await.unwrap();
    let question = crate::support::world::question(sessions[0].tokens.access_token.expose_secret());
    assert!(replica.auth.verify(&question).await.unwrap().reason.is_some(), "there too");
    assert_eq!(world.core.store.log_after(0, 9).await.unwrap().last().unwrap().seq, seq);

    world.try_login("alice", PASSWORD).await.expect_err("the old password");
    world.try_login("alice", NEW).await.expect("the new one, at once");
}

async fn a_reset_token_is_used_once_and_by_the_rules(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let user = world.user("alice.example").await;
    let token = token(&world, user).await;
    for bad in ["", "short", "I am alice.example, a reader"] {
        match reset(&world, &token, bad).await {
            Err(AuthError::InvalidArgument(violations)) => {
                assert_eq!(violations[0].field, "new_password", "{bad}");
            }
            other => panic!("{bad}: {other:?}"),
        }
    }
    match reset(&world, &SecretString::from(""), "short").await {
        Err(AuthError::InvalidArgument(violations)) => assert_eq!(violations.len(), 2),
        other => panic!("{other:?}"),
    }
    reset(&world, &token, NEW).await.expect("it was not used up");
    assert!(is_refused(&reset(&world, &token, "a third horse and its staple").await));
    world.try_login("alice.example", NEW).await.expect("it stays");
}

async fn a_reset_token_is_dead_after_a_change_of_the_password(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let alice = world.user("alice").await;
    let of_before = token(&world, alice).await;
    let login = world.login("alice").await;
    let access = login.tokens.access_token.expose_secret();
    let claims = world.auth().authenticate(Some(access)).await.expect("it lives");
    let change = ChangePasswordRequest {
        current: password(PASSWORD),
        new: password(NEW),
        refresh_token: None,
    };
    world.auth().change_password(&claims, change, &Caller::default()).await.expect("changed");
    assert!(is_refused(&reset(&world, &of_before, PASSWORD).await));

    // Nothing keeps the user from asking again.
    let of_after = token(&world, alice).await;
    let account = world.auth().find_user("alice").await.unwrap();
    world.auth().set_password(&account, password(PASSWORD), &admin()).await.expect("set");
    assert!(is_refused(&reset(&world, &of_after, NEW).await));
    world.login("alice").await;
}

async fn whatever_is_wrong_with_a_token_there_is_one_answer(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let profile = ProfileRequest { email: "alice@example.org".to_owned(), ..Default::default() };
    let request = CreateUserRequest { profile, password: Some(password(PASSWORD)) };
    let user = world.auth().create_user(request, &admin()).await.unwrap();
    let good = token(&world, user).await;
    let text = good.expose_secret();
    let verification =
        world.auth().create_verification_token(user, Contact::Email, &admin()).await.unwrap();
    let last = if text.ends_with('A') { 'E' } else { 'A' };
    for bad in [
        "x".to_owned(),
        verification.token.expose().to_owned(),
        verification.token.expose().replace("twv_", "twr_"),
        text.replace("twr_", "twv_"),
        text.to_uppercase(),
        format!("{}{last}", &text[..text.len() - 1]),
        "x".repeat(100_000),
    ] {
        assert!(is_refused(&reset(&world, &bad.clone().into(), NEW).await), "{bad}");
        if bad != verification.token.expose() {
            let caller = Caller::default();
            let verified = world.auth().verify_identifier(&bad.clone().into(), &caller).await;
            assert!(is_refused(&verified), "{bad}");
        }
    }
    world.advance(Duration::from_mins(30)).await;
    assert!(is_refused(&reset(&world, &good, NEW).await), "expired");
}

async fn tokens_are_issued_once_a_minute_to_enabled_users(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let user = world.user("alice").await;
    let issue = async || world.auth().create_password_reset_token(user, &admin()).await;
    let first = issue().await.expect("issued");
    world.advance(Duration::from_secs(59)).await;
    let wait = issue().await;
    let Err(AuthError::IssuedRecently { retry_after }) = wait else { panic!("{wait:?}") };
    assert_eq!(retry_after, Duration::from_secs(1));
    world.advance(retry_after).await;
    let second = issue().await.expect("issued");
    assert!(is_refused(&reset(&world, &secret(&first), NEW).await), "replaced");
    assert_eq!(second.expires_at, first.expires_at.plus(Duration::from_mins(1)));

    world.auth().disable_user(user, &admin()).await.unwrap();
    let disabled = issue().await;
    assert!(matches!(disabled, Err(AuthError::FailedPrecondition(Obstacle::UserDisabled))));
    assert!(is_refused(&reset(&world, &secret(&second), NEW).await));
    let nobody = UserId::parse("018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60").unwrap();
    let nobody = world.auth().create_password_reset_token(nobody, &admin()).await;
    assert!(matches!(nobody, Err(AuthError::NotFound("user"))));
    let phone = world.auth().create_verification_token(user, Contact::Phone, &admin()).await;
    assert!(matches!(phone, Err(AuthError::FailedPrecondition(Obstacle::UserDisabled))));
}

/// LG-55: there are no temporary passwords. Who has none yet cannot log in with
/// anything, and gets no token of any session before they have set one.
async fn lg_55_without_a_password_there_is_a_token_or_nothing(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let profile = ProfileRequest { username: "alice".to_owned(), ..ProfileRequest::default() };
    let request = CreateUserRequest { profile, password: None };
    let user = world.auth().create_user(request, &admin()).await.expect("created");
    let token = token(&world, user).await;
    for guess in [PASSWORD, "wrong", token.expose_secret()] {
        let login = world.try_login("alice", guess).await;
        let wrong = Refusal::InvalidCredentials;
        assert!(matches!(login, Err(AuthError::Unauthenticated(why)) if why == wrong), "{guess}");
    }
    assert!(world.core.store.sessions(user, None, 9, world.now()).await.unwrap().is_empty());
    reset(&world, &token, PASSWORD).await.expect("set");
    world.login("alice").await;
}

async fn an_identifier_is_verified_by_whoever_reads_what_is_sent_there(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let (email, phone) = ("alice@example.org".to_owned(), "+41446681800".to_owned());
    let profile = ProfileRequest { email, phone, ..ProfileRequest::default() };
    let request = CreateUserRequest { profile, password: Some(password(PASSWORD)) };
    let user = world.auth().create_user(request, &admin()).await.unwrap();
    let auth = world.auth();
    let email = auth.create_verification_token(user, Contact::Email, &admin()).await.unwrap();
    let phone = auth.create_verification_token(user, Contact::Phone, &admin()).await.unwrap();
    let reset = auth.create_password_reset_token(user, &admin()).await.unwrap();
    assert!(matches!(
        auth.create_verification_token(user, Contact::Email, &admin()).await,
        Err(AuthError::IssuedRecently { .. })
    ));
    let verify =
        async |issued: &Issued| auth.verify_identifier(&secret(issued), &Caller::default()).await;
    assert!(is_refused(&verify(&reset).await));
    verify(&email).await.expect("verified");
    assert!(is_refused(&verify(&email).await), "once");
    let account = auth.find_user("alice@example.org").await.unwrap();
    assert_eq!(account.email_verified_at, Some(world.now()));
    assert_eq!(account.phone_verified_at, None);
    // What is sent to a phone lives no longer than to an address: a day.
    world.advance(Duration::from_hours(24)).await;
    assert!(is_refused(&verify(&phone).await));
}

async fn guesses_are_counted_by_their_source_and_leave_no_rows(engine: Engine) {
    let few = |settings: &mut tokenward::config::Settings| settings.throttle.source_failures = 3;
    let Some(world) = World::with(engine, few).await else { return };
    let user = world.user("alice").await;
    let good = token(&world, user).await;
    let from = |ip: &str| Caller { ip: Some(ip.parse::<IpAddr>().unwrap()), ..Caller::default() };
    let unknown = |n: u8| {
        SecretString::from(format!("twr_{}", "A".repeat(42)) + ["A", "E", "I", "M"][usize::from(n)])
    };
    let database = world.settings.database_url();
    let rows = async |table: &str| {
        beside::number(database.expose(), &format!("SELECT COUNT(*) FROM {table}")).await
    };
    let audited = rows("audit_events").await;
    let (guesser, other) = (from("192.0.2.1"), from("192.0.2.2"));
    let auth = world.auth();
    for n in 0..3 {
        assert!(is_refused(&auth.reset_password(&unknown(n), password(NEW), &guesser).await));
    }
    for token in [&unknown(3), &good] {
        let wait = auth.reset_password(token, password(NEW), &guesser).await;
        assert!(matches!(wait, Err(AuthError::Throttled { .. })), "{wait:?}");
        let wait = auth.verify_identifier(&"twv_x".into(), &guesser).await;
        assert!(is_refused(&wait), "what is no token costs nothing, and is not counted");
    }
    assert_eq!(rows("audit_events").await, audited, "failures are told in lines only");
    assert_eq!(rows("login_failures").await, 2, "the source, and all");
    auth.reset_password(&good, password(NEW), &other).await.expect("others go on");
    assert_eq!(rows("login_failures").await, 2, "who succeeds leaves nothing");
    world.advance(Duration::from_secs(1)).await;
    assert!(is_refused(&auth.reset_password(&good, password(NEW), &guesser).await), "used");
}
