//! Scopes that are for some roles only: granted to those who have one, and
//! gone with it at the next token.

use tokenward::{
    config::{ClientSettings, ScopeSettings, Settings},
    domain::{
        error::{AuthError, Denial, Refusal},
        password::Password,
    },
    service::{
        Caller,
        change_password::ChangePasswordRequest,
        login::{LoggedIn, LoginRequest},
        tokens::TokenPair,
    },
};

use crate::{
    on_both_engines,
    support::{
        beside,
        world::{Engine, PASSWORD, World, login_request},
    },
};

on_both_engines!(
    by_default_one_gets_what_ones_roles_allow,
    a_scope_that_is_asked_for_is_refused_after_the_password,
    a_lost_role_narrows_the_next_token_and_a_new_one_widens_none,
    a_change_of_the_password_narrows_too,
);

/// `read` is for everybody, `write` for editors and admins, `admin` for
/// admins. World's users are readers.
fn with_scopes(settings: &mut Settings) {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let client = ClientSettings {
        audiences: words("api"),
        scopes: words("read write admin"),
        default_scopes: words("read write"),
        ..Default::default()
    };
    settings.clients.insert("default".to_owned(), client);
    for (scope, roles) in [("write", "editor admin"), ("admin", "admin")] {
        settings.scopes.insert(scope.to_owned(), ScopeSettings { roles: words(roles) });
    }
}

async fn world_of_alice(engine: Engine) -> Option<World> {
    let world = World::with(engine, with_scopes).await?;
    world.user("alice").await;
    Some(world)
}

async fn set_roles(world: &World, roles: &str) {
    let sql = format!("UPDATE users SET roles = '{roles}'");
    beside::run(world.settings.database_url().expose(), &sql).await;
}

async fn login(world: &World, password: &str, scope: &str) -> Result<LoggedIn, AuthError> {
    let request = LoginRequest { scope: scope.to_owned(), ..login_request("alice", password) };
    world.auth().login(request, &Caller::default()).await
}

/// What the answer says, which is what the token says.
async fn scopes(world: &World, tokens: &TokenPair) -> String {
    let claims = world.verify(&tokens.access_token).await.claims.expect("active").claims;
    assert_eq!(claims.scopes, tokens.scopes);
    claims.scopes.to_string()
}

async fn by_default_one_gets_what_ones_roles_allow(engine: Engine) {
    let Some(world) = world_of_alice(engine).await else { return };
    for (roles, granted) in
        [("reader", "read"), ("reader editor", "read write"), ("admin", "read write"), ("", "read")]
    {
        set_roles(&world, roles).await;
        let tokens = login(&world, PASSWORD, "").await.expect("logged in").tokens;
        assert_eq!(scopes(&world, &tokens).await, granted, "{roles}");
    }
}

async fn a_scope_that_is_asked_for_is_refused_after_the_password(engine: Engine) {
    let Some(world) = world_of_alice(engine).await else { return };
    let wrong = login(&world, "not the password", "write").await;
    assert!(matches!(wrong, Err(AuthError::Unauthenticated(Refusal::InvalidCredentials))));
    for scope in ["write", "read write", "admin"] {
        let denied = login(&world, PASSWORD, scope).await;
        assert!(
            matches!(denied, Err(AuthError::PermissionDenied(Denial::ScopeNotAllowed))),
            "{scope}: {denied:?}"
        );
    }
    let sessions = "SELECT COUNT(*) FROM sessions";
    assert_eq!(beside::number(world.settings.database_url().expose(), sessions).await, 0);
    set_roles(&world, "editor").await;
    let tokens = login(&world, PASSWORD, "write read").await.expect("allowed now").tokens;
    assert_eq!(scopes(&world, &tokens).await, "write read");
}

async fn a_lost_role_narrows_the_next_token_and_a_new_one_widens_none(engine: Engine) {
    let Some(world) = world_of_alice(engine).await else { return };
    set_roles(&world, "editor").await;
    let mut tokens = login(&world, PASSWORD, "").await.expect("logged in").tokens;
    for (roles, granted) in [
        ("editor", "read write"),
        ("reader", "read"),
        ("admin", "read write"), // `admin` was never granted to this session
        ("", "read"),
    ] {
        set_roles(&world, roles).await;
        let presented = tokens.refresh_token.expect("a refresh token");
        tokens = world.refresh(&presented).await.expect("refreshed").tokens;
        assert_eq!(scopes(&world, &tokens).await, granted, "{roles}");
        let again = world.refresh(&presented).await.expect("replayed");
        assert!(again.replayed);
        assert_eq!(scopes(&world, &again.tokens).await, granted, "{roles}");
    }

    // What a login left out does not come back with a role.
    let narrow = login(&world, PASSWORD, "").await.expect("logged in").tokens;
    set_roles(&world, "editor").await;
    let tokens = world.refresh(&narrow.refresh_token.unwrap()).await.expect("refreshed").tokens;
    assert_eq!(scopes(&world, &tokens).await, "read");
}

async fn a_change_of_the_password_narrows_too(engine: Engine) {
    let Some(world) = world_of_alice(engine).await else { return };
    set_roles(&world, "editor").await;
    let before = login(&world, PASSWORD, "").await.expect("logged in").tokens;
    let caller = world.verify(&before.access_token).await.claims.expect("active").claims;
    set_roles(&world, "reader").await;
    let request = ChangePasswordRequest {
        current: Password::parse(PASSWORD.to_owned()),
        new: Password::parse("another horse, another staple".to_owned()),
        refresh_token: before.refresh_token,
    };
    let changed =
        world.auth().change_password(&caller, request, &Caller::default()).await.expect("changed");
    assert_eq!(scopes(&world, &changed.tokens).await, "read");
}
