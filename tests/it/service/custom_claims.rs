//! Claims that the configuration adds: in every token, the same on every
//! replica, and nobody's business at Verify.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokenward::{
    app::Core,
    config::{ClientSettings, Settings},
    domain::{account::Role, error::AuthError, password::Password, token::CompactToken},
    service::{
        Administrator, Caller, login::LoginRequest, profile::ProfileRequest,
        users::CreateUserRequest,
    },
};

use crate::{
    on_both_engines,
    support::world::{Engine, PASSWORD, World, login_request, question},
};

on_both_engines!(
    claims_arrive_and_a_replay_gives_the_same_bytes_on_any_replica,
    a_replica_with_other_custom_claims_accepts_the_token,
    a_token_that_would_be_too_long_is_not_minted,
    audiences_that_came_to_contradict_each_other_get_no_token,
);

fn set(settings: &mut Settings, toml: &str) {
    settings.claims = toml::from_str(toml).expect("TOML");
}

const CLAIMS: &str = r#"
[api]
role = "{user.roles}"
zone = "eu"
data = { id = "{user.id}", login_time = "{session.auth_time}" }
mail = "{user.email}"
"#;

/// The default client, with two audiences.
fn two_audiences(settings: &mut Settings) {
    let audiences = vec!["api".to_owned(), "files".to_owned()];
    let client = ClientSettings { audiences, ..Default::default() };
    settings.clients.insert("default".to_owned(), client);
}

fn payload(token: &SecretString) -> Value {
    let token = CompactToken::parse(token.expose_secret()).expect("a token of ours");
    serde_json::from_slice(token.payload()).expect("JSON")
}

async fn claims_arrive_and_a_replay_gives_the_same_bytes_on_any_replica(engine: Engine) {
    let Some(world) = World::with(engine, |s| set(s, CLAIMS)).await else { return };
    let alice = world.user("alice").await;
    let first = world.login("alice").await.tokens;
    world.advance(Duration::from_secs(90)).await;
    let presented = first.refresh_token.clone().expect("a refresh token");
    let next = world.refresh(&presented).await.expect("refreshed").tokens;
    for token in [&first.access_token, &next.access_token] {
        let claims = payload(token);
        let data = json!({"id": alice.to_string(), "login_time": claims["auth_time"]});
        assert_eq!((&claims["role"], &claims["zone"]), (&json!(["reader"]), &json!("eu")));
        assert_eq!((&claims["data"], claims.get("mail")), (&data, None));
    }

    let replica = world.replica().await;
    let again = replica.auth.refresh(presented, "", &Caller::default()).await.expect("replayed");
    assert!(again.replayed);
    assert_eq!(again.tokens.access_token.expose_secret(), next.access_token.expose_secret());
}

async fn a_replica_with_other_custom_claims_accepts_the_token(engine: Engine) {
    let Some(world) = World::with(engine, |s| set(s, CLAIMS)).await else { return };
    world.user("alice").await;
    let token = world.login("alice").await.tokens.access_token;
    for other in ["", "[api]\nzone = 7\nrole = \"x\""] {
        let replica = world.replica_with(|s| set(s, other)).await;
        let verdict = replica.auth.verify(&question(token.expose_secret())).await;
        let verdict = verdict.expect("a verdict");
        assert_eq!(verdict.reason, None);
        let claims = verdict.claims.expect("active");
        assert_eq!(claims.claims.roles(), [Role::parse("reader").expect("a role")]);
        assert!(claims.json.contains(r#""zone":"eu""#), "{}", claims.json);
    }
}

async fn a_token_that_would_be_too_long_is_not_minted(engine: Engine) {
    let long = format!("[api]\nnames = \"{}\"", "{user.display_name}".repeat(100));
    let Some(world) = World::with(engine, |s| set(s, &long)).await else { return };
    for (name, len) in [("short", 40), ("long", 80)] {
        let profile = ProfileRequest {
            username: name.to_owned(),
            display_name: "x".repeat(len),
            ..ProfileRequest::default()
        };
        let password = Password::parse(PASSWORD.to_owned());
        let request = CreateUserRequest { profile, password: Some(password) };
        world
            .auth()
            .create_user(request, &Administrator::command_line())
            .await
            .expect("a new user");
    }
    assert!(world.try_login("short", PASSWORD).await.is_ok());
    let Err(AuthError::Internal(fault)) = world.try_login("long", PASSWORD).await else {
        panic!("a token was minted that nobody would read");
    };
    assert!(
        fault.to_string().ends_with(
            "is longer than 8192: give it fewer roles, scopes, audiences or custom claims"
        ),
        "{fault}"
    );
}

/// The session is of before the configuration changed.
async fn audiences_that_came_to_contradict_each_other_get_no_token(engine: Engine) {
    let Some(world) = World::with(engine, two_audiences).await else { return };
    world.user("alice").await;
    let login = async |core: &Core, audience: &[&str]| {
        let audience = audience.iter().map(|a| (*a).to_owned()).collect();
        let request = LoginRequest { audience, ..login_request("alice", PASSWORD) };
        core.auth.login(request, &Caller::default()).await.expect("logged in").tokens
    };
    let before = login(&world.core, &["api", "files"]).await;
    let changed =
        world.replica_with(|s| set(s, "[api]\nzone = \"a\"\n[files]\nzone = \"f\"")).await;
    let refreshed =
        changed.auth.refresh(before.refresh_token.expect("one"), "", &Caller::default()).await;
    let Err(AuthError::Internal(fault)) = refreshed else { panic!("{refreshed:?}") };
    assert!(fault.to_string().contains("\"zone\" is defined differently"), "{fault}");
    for (audience, zone) in [("api", "a"), ("files", "f")] {
        let tokens = login(&changed, &[audience]).await;
        assert_eq!(payload(&tokens.access_token)["zone"], zone);
    }
}
