//! Users and their own sessions.

use secrecy::ExposeSecret;
use tokenward::{
    config::Settings,
    domain::{
        error::{AuthError, Denial, Refusal},
        password::Password,
    },
    service::{Administrator, Caller, profile::ProfileRequest, users::CreateUserRequest},
    store::port::UserQuery,
};

use crate::{
    on_both_engines,
    support::world::{Engine, PASSWORD, World},
};

on_both_engines!(
    users_are_created_with_valid_unique_names,
    s4_3_strangers_register_if_they_may,
    sessions_are_listed_for_their_owner,
);

fn request(username: &str, email: &str, password: &str) -> CreateUserRequest {
    let (username, email) = (username.to_owned(), email.to_owned());
    CreateUserRequest {
        profile: ProfileRequest { username, email, ..ProfileRequest::default() },
        password: Some(Password::parse(password.to_owned())),
    }
}

async fn users_are_created_with_valid_unique_names(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let auth = world.auth();
    auth.create_user(
        request("Alice", "alice@example.org", PASSWORD),
        &Administrator::command_line(),
    )
    .await
    .unwrap();
    for (username, email, taken) in [
        ("aLICE", "", "username"),
        ("", "ALICE@example.org", "email"),
        ("new", "alice@example.org", "email"),
    ] {
        let again = auth
            .create_user(request(username, email, PASSWORD), &Administrator::command_line())
            .await;
        assert!(
            matches!(again, Err(AuthError::AlreadyExists(field)) if field == taken),
            "{again:?}"
        );
    }
    // What was refused left nothing behind.
    assert!(
        auth.create_user(request("new", "", PASSWORD), &Administrator::command_line())
            .await
            .is_ok()
    );
    assert_eq!(auth.users(UserQuery::all(None, 10)).await.unwrap().len(), 2);

    let mut bad = request("a b", "x", "short");
    bad.profile.phone = "044 668 18 00".into();
    bad.profile.roles = vec!["No Role".into()];
    let Err(AuthError::InvalidArgument(violations)) =
        auth.create_user(bad, &Administrator::command_line()).await
    else {
        panic!("accepted")
    };
    let fields: Vec<_> = violations.iter().map(|violation| violation.field).collect();
    assert_eq!(
        fields,
        ["username", "email", "phone", "roles", "password"],
        "every broken rule at once"
    );
}

async fn s4_3_strangers_register_if_they_may(engine: Engine) {
    let Some(closed) = World::new(engine).await else { return };
    let refused = closed.auth().register(request("alice", "", PASSWORD), &Caller::default()).await;
    let denied = AuthError::PermissionDenied(Denial::RegistrationDisabled);
    assert_eq!(refused.unwrap_err().to_string(), denied.to_string());

    let open = |s: &mut Settings| s.registration.enabled = true;
    let Some(world) = World::with(engine, open).await else { return };
    let mut greedy = request("bob", "", PASSWORD);
    greedy.profile.roles = vec!["admin".to_owned()];
    let id = world.auth().register(greedy, &Caller::default()).await.unwrap();
    let claims = {
        let tokens = world.login("bob").await.tokens;
        world.verify(&tokens.access_token).await.claims.unwrap().claims
    };
    assert_eq!(claims.user().unwrap().id, id);
    assert!(claims.roles().is_empty(), "nobody gives themselves a role");
}

async fn sessions_are_listed_for_their_owner(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("alice").await;
    world.user("bob").await;
    world.login("bob").await;
    let mut opened = Vec::new();
    for _ in 0..5 {
        world.clock.advance(std::time::Duration::from_millis(2));
        opened.push(world.login("alice").await);
    }
    let ended = opened.remove(1);
    world
        .auth()
        .revoke_token(ended.tokens.access_token.expose_secret(), &Caller::default())
        .await
        .unwrap();

    let bearer = opened[0].tokens.access_token.expose_secret();
    let caller = world.auth().authenticate(Some(bearer)).await.unwrap();
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let page = world.auth().list_sessions(&caller, 3, &token).await.unwrap();
        seen.extend(page.sessions.iter().map(|session| session.id));
        let Some(next) = page.next else { break };
        token = next.to_string();
    }
    let expected: Vec<_> = opened.iter().rev().map(|login| login.session_id).collect();
    assert_eq!(seen, expected, "newest first, without the one that ended");

    let ended = world.auth().authenticate(Some(ended.tokens.access_token.expose_secret())).await;
    assert!(matches!(ended, Err(AuthError::Unauthenticated(Refusal::Revoked))));
    let nobody = world.auth().authenticate(None).await;
    assert!(matches!(nobody, Err(AuthError::Unauthenticated(Refusal::MissingToken))));
    let forged = world.auth().list_sessions(&caller, 3, "' OR 1=1 --").await;
    assert!(matches!(forged, Err(AuthError::InvalidArgument(_))));
}
