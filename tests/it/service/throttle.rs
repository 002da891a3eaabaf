//! Logins that fail are slowed down, and nobody is locked out.

use std::{net::IpAddr, time::Duration};

use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use tokenward::{
    app::Core,
    config::Settings,
    domain::error::{AuthError, Refusal},
    domain::password::Password,
    service::{
        Administrator, Caller, change_password::ChangePasswordRequest, login::LoggedIn,
        profile::ProfileRequest, users::CreateUserRequest,
    },
    store::port::Sweep,
};

use crate::{
    on_both_engines,
    support::{
        beside,
        served::PATIENCE,
        world::{Engine, PASSWORD, World, login_request},
    },
};

on_both_engines!(
    lg_10_thresholds_are_the_same_for_everybody,
    lg_19_who_goes_away_has_failed,
    lg_20_lg_34_of_a_hundred_wrong_passwords_five_are_looked_at,
    lg_21_lg_22_all_names_of_a_user_count_together,
    lg_23_sessions_of_a_throttled_user_go_on,
    lg_20_a_stolen_access_token_is_no_way_around,
    lg_24_correct_logins_after_failures_all_succeed,
    lg_25_lg_26_a_source_cannot_clear_itself,
    lg_27_failures_from_everywhere_make_all_strict,
    lg_30_lg_31_a_source_is_an_ipv4_address_or_a_64,
    lg_34_waits_outlast_restarts,
    lg_35_rows_are_bounded_and_name_nobody,
    lg_36_failures_are_forgotten_after_an_hour,
    a_password_set_by_an_operator_forgets_failures,
    switched_off_it_counts_nothing,
);

type Login = Result<LoggedIn, AuthError>;

async fn login_from(core: &Core, name: &str, password: &str, ip: &str) -> Login {
    let ip: Option<IpAddr> = (!ip.is_empty()).then(|| ip.parse().expect("an address"));
    let caller = Caller { ip, ..Caller::default() };
    core.auth.login(login_request(name, password), &caller).await
}

async fn fails(world: &World, name: &str, times: usize) {
    for _ in 0..times {
        assert!(refused(&world.try_login(name, "wrong").await), "{name}");
    }
}

fn refused(login: &Login) -> bool {
    matches!(login, Err(AuthError::Unauthenticated(Refusal::InvalidCredentials)))
}

/// How long a login has to wait, which must be refused for that.
fn wait(login: Login) -> Duration {
    match login {
        Err(AuthError::Throttled { retry_after }) => retry_after,
        other => panic!("not throttled: {other:?}"),
    }
}

/// A user, a disabled user with the right password, nobody, and what cannot
/// be an identifier.
async fn lg_10_thresholds_are_the_same_for_everybody(engine: Engine) {
    const MICRO: Duration = Duration::from_micros(1);
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let bob = world.user("bob").await;
    world.auth().disable_user(bob, &Administrator::command_line()).await.unwrap();
    let cases =
        [("alice", "wrong"), ("bob", PASSWORD), ("nobody", PASSWORD), ("no body\u{131}", "wrong")];
    for (name, password) in cases {
        for _ in 0..5 {
            assert!(refused(&world.try_login(name, password).await), "{name}");
        }
        for seconds in [1, 2, 4] {
            let pause = Duration::from_secs(seconds);
            assert_eq!(wait(world.try_login(name, password).await), pause, "{name}");
            assert_eq!(wait(world.try_login(name, PASSWORD).await), pause, "not looked at");
            world.clock.advance(pause.saturating_sub(MICRO));
            assert_eq!(wait(world.try_login(name, password).await), MICRO, "{name}");
            world.clock.advance(MICRO);
            assert!(refused(&world.try_login(name, password).await), "{name}");
        }
    }
    world.advance(Duration::from_secs(8)).await;
    world.login("alice").await;
    fails(&world, "alice", 5).await;
    assert_eq!(wait(world.try_login("alice", PASSWORD).await), Duration::from_secs(1));
}

async fn a_password_set_by_an_operator_forgets_failures(engine: Engine) {
    const ANOTHER: &str = "another one than before";
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    fails(&world, "alice", 5).await;
    assert_eq!(wait(world.try_login("alice", PASSWORD).await), Duration::from_secs(1));
    let alice = world.auth().find_user("alice").await.unwrap();
    world
        .auth()
        .set_password(&alice, Password::parse(ANOTHER.to_owned()), &Administrator::command_line())
        .await
        .unwrap();
    fails(&world, "alice", 4).await;
    world.try_login("alice", ANOTHER).await.unwrap();
}

/// LG-19: the longer the patience, the further the attempt has come.
async fn lg_19_who_goes_away_has_failed(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let url = world.settings.database_url().expose().to_owned();
    let count = "SELECT CAST(COALESCE(SUM(failures), 0) AS BIGINT) FROM login_failures \
                 WHERE kind = 'account'";
    let mut patience = Duration::from_micros(100);
    let all = async {
        while beside::number(&url, count).await < 5 {
            let login = world.try_login("alice", "wrong");
            match tokio::time::timeout(patience, login).await {
                Ok(login) => assert!(refused(&login) || !wait(login).is_zero()),
                Err(_) => patience += Duration::from_micros(500),
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("abandoned attempts are counted");
    assert!(wait(world.try_login("alice", PASSWORD).await) >= Duration::from_secs(1));
}

/// On two replicas.
async fn lg_20_lg_34_of_a_hundred_wrong_passwords_five_are_looked_at(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let replica = world.replica().await;
    let logins = (0..100).map(|n| {
        let core = if n % 2 == 0 { &world.core } else { &replica };
        login_from(core, "alice", "wrong", "")
    });
    let logins = join_all(logins).await;
    let looked_at = logins.iter().filter(|login| refused(login)).count();
    assert_eq!(looked_at, 5);
    for login in logins.into_iter().filter(|login| !refused(login)) {
        assert_eq!(wait(login), Duration::from_secs(1));
    }
}

async fn lg_21_lg_22_all_names_of_a_user_count_together(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let profile = ProfileRequest {
        username: "alice".to_owned(),
        email: "alice@bücher.example".to_owned(),
        phone: "+41 44 668 18 00".to_owned(),
        ..ProfileRequest::default()
    };
    let request =
        CreateUserRequest { profile, password: Some(Password::parse(PASSWORD.to_owned())) };
    world.auth().create_user(request, &Administrator::command_line()).await.unwrap();
    for names in [
        // One user's,
        [
            "ALICE",
            "ａｌｉｃｅ",
            "Alice@BÜCHER.example",
            "alice@xn--bcher-kva.example",
            "+41 (44) 668-18-00",
        ],
        // a name that is nobody's,
        ["nobody", "NOBODY", "ｎｏｂｏｄｙ", "nobodY", "ＮObody"],
        // a number that is nobody's,
        ["+14155550199", "+1 415 555 0199", "+1-415-555-0199", "+1.4155550199", "+1(415)5550199"],
        // and what is no identifier at all.
        ["al ice", "AL ICE", "al\u{a0}ice", "alice\u{200b}", "ａｌ－ｉｃｅ\u{feff}"],
    ] {
        for name in names {
            fails(&world, name, 1).await;
        }
        for name in names {
            let login = world.try_login(name, PASSWORD).await;
            assert_eq!(wait(login), Duration::from_secs(1), "{name}");
        }
    }
}

async fn lg_23_sessions_of_a_throttled_user_go_on(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let tokens = world.login("alice").await.tokens;
    fails(&world, "alice", 5).await;
    assert!(wait(world.try_login("alice", PASSWORD).await) > Duration::ZERO);
    assert_eq!(world.verify(&tokens.access_token).await.reason, None);
    let refreshed = world.refresh(tokens.refresh_token.as_ref().unwrap()).await.unwrap();
    assert_eq!(world.verify(&refreshed.tokens.access_token).await.reason, None);
    world.advance(Duration::from_mins(15)).await;
    world.login("alice").await;
}

/// One place is left: they pass through it one after the other.
async fn lg_24_correct_logins_after_failures_all_succeed(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let replica = world.replica().await;
    fails(&world, "alice", 4).await;
    let logins = (0..50).map(|n| {
        let core = if n % 2 == 0 { &world.core } else { &replica };
        login_from(core, "alice", PASSWORD, "192.0.2.1")
    });
    for login in join_all(logins).await {
        login.expect("logged in");
    }
}

/// LG-26: one password for many users, from one address.
async fn lg_25_lg_26_a_source_cannot_clear_itself(engine: Engine) {
    let change = |s: &mut Settings| s.throttle.source_failures = 3;
    let Some(world) = World::with(engine, change).await else { return };
    world.user("mallory").await;
    world.user("alice").await;
    let from = |name, password, ip| login_from(&world.core, name, password, ip);
    for name in ["user1", "user2", "user3"] {
        assert!(refused(&from(name, "spring2027", "192.0.2.1").await));
        // The last of these comes too early already.
        drop(from("mallory", PASSWORD, "192.0.2.1").await);
    }
    assert_eq!(wait(from("user4", "spring2027", "192.0.2.1").await), Duration::from_secs(1));
    assert_eq!(wait(from("mallory", PASSWORD, "192.0.2.1").await), Duration::from_secs(1));
    from("alice", PASSWORD, "192.0.2.2").await.expect("another source");
    world.advance(Duration::from_secs(1)).await;
    from("mallory", PASSWORD, "192.0.2.1").await.expect("its wait is over");
    assert!(refused(&from("user5", "spring2027", "192.0.2.1").await));
    assert_eq!(wait(from("user6", "spring2027", "192.0.2.1").await), Duration::from_secs(2));
}

async fn lg_27_failures_from_everywhere_make_all_strict(engine: Engine) {
    let change = |s: &mut Settings| s.throttle.global_failures = 20;
    let Some(world) = World::with(engine, change).await else { return };
    world.user("alice").await;
    for n in 0..20 {
        let ip = format!("127.0.0.{n}");
        assert!(refused(&login_from(&world.core, &format!("u{n}"), "x", &ip).await));
    }
    world.login("alice").await;
    fails(&world, "alice", 1).await;
    assert_eq!(wait(world.try_login("alice", PASSWORD).await), Duration::from_secs(1));
    world.advance(Duration::from_secs(1)).await;
    world.login("alice").await;
    // An hour after the first of them all is as before.
    world.advance(Duration::from_hours(1)).await;
    fails(&world, "alice", 5).await;
}

async fn lg_30_lg_31_a_source_is_an_ipv4_address_or_a_64(engine: Engine) {
    let change = |s: &mut Settings| s.throttle.source_failures = 2;
    let Some(world) = World::with(engine, change).await else { return };
    let mut number = 0;
    let mut fail = async |ip: &str| {
        number += 1;
        login_from(&world.core, &format!("user{number}"), "wrong", ip).await
    };
    for same in [
        ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3"],
        ["192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"],
    ] {
        assert!(refused(&fail(same[0]).await) && refused(&fail(same[1]).await));
        assert_eq!(wait(fail(same[2]).await), Duration::from_secs(1));
    }
    assert!(refused(&fail("2001:db8:0:1::1").await), "the next /64");
    assert!(refused(&fail("192.0.2.2").await));
}

async fn lg_34_waits_outlast_restarts(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    fails(&world, "alice", 5).await;
    let other = world.replica().await;
    let login = login_from(&other, "alice", PASSWORD, "").await;
    assert_eq!(wait(login), Duration::from_secs(1));
    world.core.store.close().await;
    other.store.close().await;
    let restarted = world.replica().await;
    let login = login_from(&restarted, "alice", PASSWORD, "").await;
    assert_eq!(wait(login), Duration::from_secs(1));
}

async fn lg_35_rows_are_bounded_and_name_nobody(engine: Engine) {
    let change = |s: &mut Settings| s.throttle.source_failures = 10;
    let Some(world) = World::with(engine, change).await else { return };
    let names: Vec<_> = (0..200).map(|n| format!("secret-as-name-{n}")).collect();
    let logins = names.iter().map(|name| login_from(&world.core, name, "x", "192.0.2.1"));
    let looked_at = join_all(logins).await.iter().filter(|login| refused(login)).count();
    assert_eq!(looked_at, 10);
    let url = world.settings.database_url().expose().to_owned();
    let rows = beside::texts(&url, "SELECT kind || ' ' || subject FROM login_failures").await;
    assert_eq!(rows.len(), 12, "ten accounts, the source, and everybody: {rows:?}");
    for row in rows {
        let (kind, subject) = row.split_once(' ').unwrap();
        let is_digest = subject.len() == 64 && subject.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(is_digest || (kind == "global" && subject.is_empty()), "{row}");
    }
    world.advance(Duration::from_hours(1)).await;
    let now = tokenward::domain::clock::Clock::now(&*world.clock);
    let sweep = Sweep { now, audit_before: now, limit: 100 };
    world.core.store.sweep(sweep).await.unwrap();
    assert_eq!(beside::number(&url, "SELECT COUNT(*) FROM login_failures").await, 0);
}

/// And a clock that is set back does not make a wait longer.
async fn lg_36_failures_are_forgotten_after_an_hour(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    fails(&world, "alice", 5).await;
    world.clock.advance(Duration::from_hours(1));
    fails(&world, "alice", 5).await;
    let start = crate::support::determinism::START;
    world.clock.set(start);
    assert_eq!(wait(world.try_login("alice", PASSWORD).await), Duration::from_secs(1));
    world.clock.set(start.plus(Duration::from_secs(1)));
    world.look().await;
    world.login("alice").await;
}

async fn switched_off_it_counts_nothing(engine: Engine) {
    let change = |s: &mut Settings| s.throttle.enabled = false;
    let Some(world) = World::with(engine, change).await else { return };
    world.user("alice").await;
    fails(&world, "alice", 12).await;
    let url = world.settings.database_url().expose().to_owned();
    assert_eq!(beside::number(&url, "SELECT COUNT(*) FROM login_failures").await, 0);
    world.login("alice").await;
}

/// Guesses of the current password count with those of the login.
async fn lg_20_a_stolen_access_token_is_no_way_around(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let tokens = world.login("alice").await.tokens;
    let caller =
        world.auth().authenticate(Some(tokens.access_token.expose_secret())).await.unwrap();
    let change = async |current: &str| {
        let request = ChangePasswordRequest {
            current: Password::parse(current.to_owned()),
            new: Password::parse("another horse, another staple".to_owned()),
            refresh_token: None,
        };
        world.auth().change_password(&caller, request, &Caller::default()).await
    };
    for _ in 0..5 {
        let wrong = change("not the password").await;
        assert!(matches!(wrong, Err(AuthError::Unauthenticated(Refusal::InvalidCredentials))));
    }
    assert!(matches!(change(PASSWORD).await, Err(AuthError::Throttled { .. })));
    let login = world.try_login("alice", PASSWORD).await;
    assert!(matches!(login, Err(AuthError::Throttled { .. })));
}
