//! Passwords are what was typed, byte for byte, and hashes of the reference
//! implementation are checked as it would.

use std::{collections::HashMap, fs, path::Path};

use serde_json::Value;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokenward::{
    domain::{
        error::{AuthError, Refusal},
        password::PasswordHash,
    },
    service::{
        Administrator, Caller, import::ImportUserRequest, login::LoginRequest,
        profile::ProfileRequest,
    },
};

use crate::{
    on_both_engines,
    support::world::{Engine, PASSWORD, World, login_request},
};

on_both_engines!(
    lg_37_lg_38_lg_39_nothing_is_cut_trimmed_or_normalised,
    lg_43_hashes_of_the_reference_implementation,
    lg_54_what_is_said_of_a_device_is_bounded,
    ad_08_administrators_are_throttled_like_anybody,
);

async fn lg_37_lg_38_lg_39_nothing_is_cut_trimmed_or_normalised(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    // LG-41 too: characters of four bytes count.
    let spellings = [
        "horse\0battery staple, correct",
        "horse",
        " horse battery staple, correct",
        "horse battery staple, correct ",
        "horse battery staple, correct\t",
        "horse battery staple, correct\n",
        "horse battery staple, correct",
        "horse battery staple, \u{e9}t\u{e9}",
        "horse battery staple, e\u{301}te\u{301}",
        "\u{1f40e}\u{1f50b}\u{1f4ce} horse battery staple",
    ];
    for (number, password) in spellings.iter().enumerate().filter(|(_, text)| text.len() > 15) {
        let name = format!("user{number}");
        world.user_with_password(&name, password).await;
        for other in spellings {
            let login = world.try_login(&name, other).await;
            assert_eq!(login.is_ok(), other == *password, "{password:?} {other:?}");
            // So many wrong ones would have to wait.
            world.advance(std::time::Duration::from_mins(2)).await;
        }
    }
}

/// Made with the reference C implementation; each matches its own password
/// and none of the others.
async fn lg_43_hashes_of_the_reference_implementation(engine: Engine) {
    let quick = |settings: &mut tokenward::config::Settings| settings.throttle.enabled = false;
    let Some(world) = World::with(engine, quick).await else { return };
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/argon2id_phc_interop.json");
    let vectors: Value = serde_json::from_slice(&fs::read(file).expect("vectors")).expect("JSON");
    let rows = vectors["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 39);
    let (mut requests, mut passwords) = (Vec::new(), HashMap::new());
    for (number, row) in rows.iter().enumerate() {
        let bytes = hex(row["password_hex"].as_str().expect("hex"));
        // Nobody can log in with an empty password.
        let password = String::from_utf8(bytes).expect("UTF-8");
        if password.is_empty() {
            continue;
        }
        let username = format!("user{number}");
        let profile = ProfileRequest { username: username.clone(), ..ProfileRequest::default() };
        let password_hash = PasswordHash::new(row["phc"].as_str().expect("a hash").to_owned());
        requests.push(ImportUserRequest { profile, password_hash });
        passwords.insert(username, password);
    }
    let operator = Administrator::command_line();
    for result in world.auth().import_users(requests, &operator).await.expect("imported") {
        result.expect("within bounds");
    }
    assert_eq!(passwords.len(), 36);
    for (name, password) in &passwords {
        let wrong = passwords.values().find(|other| *other != password).expect("another");
        assert!(world.try_login(name, wrong).await.is_err(), "{name}");
        world.try_login(name, password).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        world.try_login(name, password).await.expect("with its new hash");
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digit).collect()
}

async fn lg_54_what_is_said_of_a_device_is_bounded(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    let caller = Caller { user_agent: "a\r\n\u{1b}[2J".repeat(200_000), ..Caller::default() };
    let login = world.auth().login(login_request("alice", PASSWORD), &caller).await;
    let claims = world.verify(&login.expect("logged in").tokens.access_token).await.claims;
    let claims = claims.expect("active").claims;
    let page = world.auth().list_sessions(&claims, 0, "").await.expect("a page");
    let kept = &page.sessions[0].user_agent;
    assert!(kept.len() <= 256 && !kept.chars().any(char::is_control), "{kept:?}");
    for label in ["x".repeat(129), "a\nb".to_owned(), "x".repeat(1 << 20)] {
        let request = LoginRequest { label, ..login_request("alice", PASSWORD) };
        let refused = world.auth().login(request, &Caller::default()).await;
        let Err(AuthError::InvalidArgument(violations)) = refused else { panic!("{refused:?}") };
        assert_eq!(violations[0].field, "label");
    }
}

async fn ad_08_administrators_are_throttled_like_anybody(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let profile = ProfileRequest {
        username: "root".to_owned(),
        roles: vec!["admin".to_owned()],
        ..ProfileRequest::default()
    };
    let password = tokenward::domain::password::Password::parse(PASSWORD.to_owned());
    let request =
        tokenward::service::users::CreateUserRequest { profile, password: Some(password) };
    world.auth().create_user(request, &Administrator::command_line()).await.expect("a new user");
    for _ in 0..5 {
        world.try_login("root", "a wrong guess").await.expect_err("wrong");
    }
    let right = world.try_login("root", PASSWORD).await;
    assert!(matches!(right, Err(AuthError::Throttled { .. })), "{right:?}");
}

/// A row that somebody else holds shows for nobody: a refused login does not
/// wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn lg_11_a_locked_user_is_refused_like_nobody() {
    let Some(world) = World::new(Engine::Postgres).await else { return };
    world.user("alice").await;
    let url = world.settings.database_url().expose().to_owned();
    let mut connection = PgConnection::connect(&url).await.expect("connected");
    for statement in ["BEGIN", "UPDATE users SET version = version"] {
        connection.execute(statement).await.expect("locked");
    }
    for name in ["alice", "nobody"] {
        let login = world.try_login(name, "a wrong guess").await;
        let refused = AuthError::Unauthenticated(Refusal::InvalidCredentials);
        assert_eq!(login.expect_err("wrong").to_string(), refused.to_string(), "{name}");
    }
}
