//! Clients with tokens of their own: from their creation to their end.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokenward::{
    config::{ClientSettings, ScopeSettings, Settings},
    domain::{
        claims::{AccessClaims, Subject},
        client::ClientSecret,
        clock::Clock as _,
        error::{AuthError, Denial, Obstacle, Refusal},
        id::ClientId,
        revocation::Reason,
        verdict::Requirements,
    },
    service::{
        Administrator, Caller,
        client_auth::{ClientCredentials, ClientProof},
        client_profile::ClientProfileRequest,
        client_token::ClientTokenRequest,
        clients::{ClientWithSecret, CreateClientRequest, UpdateClientRequest},
        login::LoginRequest,
        verify::{InactiveReason, Question},
    },
    store::port::RevokeTarget,
};

use crate::{
    on_both_engines,
    support::{
        assertion::AssertionKey,
        beside,
        world::{Engine, PASSWORD, World, login_request, question},
    },
};

on_both_engines!(
    a_client_gets_a_token_of_its_own,
    ad_17_a_clients_token_is_no_users,
    whoever_cannot_prove_it_gets_one_answer,
    a_rotated_secret_lives_as_long_as_it_is_let,
    rf_01_an_assertion_is_good_once_on_all_replicas,
    every_revocation_reaches_clients,
    ad_17_a_disabled_or_deleted_client_gets_nothing,
    users_log_in_where_they_may,
    the_configuration_is_not_changed_here,
    broken_rules_are_told_at_once,
    ad_18_ad_19_updates_change_what_they_name,
    p8_no_row_holds_a_secret,
);

fn admin() -> Administrator {
    Administrator::command_line()
}

fn id(name: &str) -> ClientId {
    ClientId::parse(name).expect("an id")
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

fn profile() -> ClientProfileRequest {
    ClientProfileRequest {
        audiences: words("api files"),
        scopes: words("read write"),
        default_scopes: words("read"),
        ..ClientProfileRequest::default()
    }
}

async fn create(world: &World, name: &str, profile: ClientProfileRequest) -> ClientWithSecret {
    let request = CreateClientRequest { id: name.to_owned(), profile, with_secret: true };
    world.auth().create_client(request, &admin()).await.expect("a new client")
}

/// A world with the client `worker`, and its secret.
async fn world_of_worker(engine: Engine) -> Option<(World, ClientSecret)> {
    let world = World::with(engine, with_roles).await?;
    let made = create(&world, "worker", profile()).await;
    Some((world, made.secret.expect("a secret")))
}

/// `write` is for editors only, and so is nobody's but a client's.
fn with_roles(settings: &mut Settings) {
    let client = ClientSettings {
        audiences: words("api"),
        scopes: words("read write"),
        ..ClientSettings::default()
    };
    settings.clients.insert("default".to_owned(), client);
    let scope = ScopeSettings { roles: words("editor") };
    settings.scopes.insert("write".to_owned(), scope);
    let claims =
        "who = \"{user.id}\"\nsince = \"{session.auth_time}\"\nby = \"{client.id}\"\nfix = 1";
    settings.claims.insert("api".to_owned(), toml::from_str(claims).expect("TOML"));
}

fn by(name: &str, proof: ClientProof) -> ClientTokenRequest {
    let credentials = ClientCredentials { client_id: name.to_owned(), proof: Some(proof) };
    ClientTokenRequest { credentials, audience: Vec::new(), scope: String::new() }
}

fn secret(text: &str) -> ClientProof {
    ClientProof::Secret(SecretString::from(text))
}

fn assertion(text: &str) -> ClientProof {
    ClientProof::Assertion(SecretString::from(text))
}

async fn ask(world: &World, request: ClientTokenRequest) -> Result<SecretString, AuthError> {
    let issued = world.auth().issue_client_token(request, &Caller::default()).await?;
    assert!(issued.refresh_token.is_none() && issued.session_expires_at.is_none());
    Ok(issued.access_token)
}

async fn token(world: &World, by_secret: &ClientSecret) -> SecretString {
    ask(world, by("worker", secret(by_secret.expose()))).await.expect("a token")
}

async fn claims(world: &World, token: &SecretString) -> AccessClaims {
    let verdict = world.verify(token).await;
    assert_eq!(verdict.reason, None);
    verdict.claims.expect("claims").claims
}

/// Who is refused learns nothing of why.
async fn is_refused(world: &World, request: ClientTokenRequest) {
    let answer = ask(world, request).await;
    let Err(AuthError::Unauthenticated(Refusal::InvalidClient)) = answer else {
        panic!("{answer:?}");
    };
}

async fn a_client_gets_a_token_of_its_own(engine: Engine) {
    let Some((world, by_secret)) = world_of_worker(engine).await else { return };
    let issued = token(&world, &by_secret).await;
    let verdict = world.verify(&issued).await.claims.expect("active");
    let json: Value = serde_json::from_str(&verdict.json).expect("JSON");
    let names: Vec<_> = json.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "iss",
            "aud",
            "sub",
            "client_id",
            "iat",
            "exp",
            "jti",
            "scope",
            "ver",
            "cver",
            "by",
            "fix"
        ]
    );
    assert_eq!((&json["sub"], &json["client_id"]), (&json!("worker"), &json!("worker")));
    assert_eq!(
        (&json["by"], &json["aud"], &json["scope"]),
        (&json!("worker"), &json!("api"), &json!("read"))
    );
    let own = verdict.claims;
    assert_eq!((own.subject, own.user_version, own.client_version), (Subject::Client, 0, 1));
    assert!(own.expires_at.since(own.issued_at) <= Duration::from_mins(15));
    let other = token(&world, &by_secret).await;
    assert_ne!(claims(&world, &other).await.token_id, own.token_id, "no two are the same");

    // What it may ask for, its settings say; no role is asked about.
    let ask_for = |audience: &str, scope: &str| ClientTokenRequest {
        audience: words(audience),
        scope: scope.to_owned(),
        ..by("worker", secret(by_secret.expose()))
    };
    let wide = ask(&world, ask_for("files api", "write read")).await.expect("allowed");
    assert_eq!(claims(&world, &wide).await.scopes.to_string(), "write read");
    let needs = |requirements| Question { requirements, ..question(wide.expose_secret()) };
    let write = needs(Requirements { scopes: words("write"), ..Requirements::default() });
    assert_eq!(world.auth().verify(&write).await.expect("a verdict").reason, None);
    let editor = needs(Requirements { roles: words("editor"), ..Requirements::default() });
    let verdict = world.auth().verify(&editor).await.expect("a verdict");
    assert_eq!(verdict.reason, Some(InactiveReason::MissingRole), "it has no roles");
    for (audience, scope, field) in [("other", "", "audience"), ("api", "admin", "scope")] {
        let Err(AuthError::InvalidArgument(broken)) = ask(&world, ask_for(audience, scope)).await
        else {
            panic!("{audience} {scope}")
        };
        assert_eq!(broken[0].field, field);
    }
}

/// It opens no call that is for users, and ends nothing.
async fn ad_17_a_clients_token_is_no_users(engine: Engine) {
    let Some((world, by_secret)) = world_of_worker(engine).await else { return };
    let issued = token(&world, &by_secret).await;
    let caller = world.auth().authenticate(Some(issued.expose_secret())).await.expect("active");
    let denied = |answer: Result<(), AuthError>| {
        let told = matches!(answer, Err(AuthError::PermissionDenied(Denial::NotAUser)));
        assert!(told, "{answer:?}");
    };
    let (auth, nobody) = (world.auth(), Caller::default());
    denied(auth.list_sessions(&caller, 0, "").await.map(drop));
    let session = "018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60";
    denied(auth.revoke_own_session(&caller, session, &nobody).await.map(drop));
    denied(auth.revoke_own_sessions(&caller, session, &nobody).await.map(drop));
    let names = tokenward::peers::PeerNames::default();
    let bearer = Some(issued.expose_secret());
    denied(auth.administrator(bearer, &names, nobody.clone()).await.map(drop));
    // Possession ends nothing, and the answer is that of any other token.
    let before = auth.revoke_token("a.b.c", &nobody).await.expect("a number");
    assert_eq!(auth.revoke_token(issued.expose_secret(), &nobody).await.expect("one"), before);
    claims(&world, &issued).await;
    let refresh = world.refresh(&issued).await;
    assert!(matches!(refresh, Err(AuthError::Unauthenticated(Refusal::WrongType))));
}

async fn whoever_cannot_prove_it_gets_one_answer(engine: Engine) {
    let Some((world, by_secret)) = world_of_worker(engine).await else { return };
    let right = by_secret.expose();
    for request in [
        by("worker", secret("tws_wrong")),
        by("worker", secret(&right[..right.len() - 1])),
        by("worker", secret(&format!("{right}="))),
        by("worker", secret(&right.to_uppercase())),
        by("worker", assertion(right)),
        by("nobody", secret(right)),
        by("Worker", secret(right)),
        by("default", secret(right)),
        by("worker ", secret(right)),
    ] {
        is_refused(&world, request).await;
    }
    let mut none = by("worker", secret("x"));
    none.credentials.proof = None;
    for (request, field) in [
        (none, "credentials"),
        (by("", secret(right)), "client_id"),
        (by("worker", secret("")), "client_secret"),
        (by("worker", secret(&"x".repeat(129))), "client_secret"),
        (by("worker", assertion(&"x".repeat(8193))), "client_assertion"),
    ] {
        let Err(AuthError::InvalidArgument(broken)) = ask(&world, request).await else {
            panic!("{field}")
        };
        assert_eq!(broken[0].field, field);
    }
    token(&world, &by_secret).await;
}

async fn a_rotated_secret_lives_as_long_as_it_is_let(engine: Engine) {
    let Some((world, first)) = world_of_worker(engine).await else { return };
    let rotate = async |grace| {
        let made = world.auth().rotate_client_secret(id("worker"), grace, &admin()).await;
        made.expect("rotated").secret.expect("a secret")
    };
    let issued = token(&world, &first).await;
    let second = rotate(Duration::from_mins(10)).await;
    token(&world, &first).await;
    token(&world, &second).await;
    world.advance(Duration::from_mins(10)).await;
    is_refused(&world, by("worker", secret(first.expose()))).await;
    token(&world, &second).await;
    let third = rotate(Duration::ZERO).await;
    is_refused(&world, by("worker", secret(second.expose()))).await;
    token(&world, &third).await;
    claims(&world, &issued).await;
    let long = Duration::from_hours(7 * 24) + Duration::from_secs(1);
    let refused = world.auth().rotate_client_secret(id("worker"), long, &admin()).await;
    assert!(matches!(refused, Err(AuthError::InvalidArgument(_))));
}

async fn rf_01_an_assertion_is_good_once_on_all_replicas(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let (key, strangers) = (AssertionKey::new(), AssertionKey::new());
    let with = |key: &AssertionKey| ClientProfileRequest { jwks_json: key.jwks(), ..profile() };
    create(&world, "worker", with(&key)).await;
    create(&world, "other", with(&strangers)).await;
    let now = world.clock.now().seconds();
    let said = |jti: &str| {
        json!({ "iss": "worker", "sub": "worker", "aud": "http://127.0.0.1:8080",
                "exp": now + 60, "jti": jti })
    };
    let good = key.sign(&said("a"));
    claims(&world, &ask(&world, by("worker", assertion(&good))).await.expect("good")).await;
    is_refused(&world, by("worker", assertion(&good))).await;
    // A name is used up by a good assertion only.
    is_refused(&world, by("worker", assertion(&strangers.sign(&said("b"))))).await;
    ask(&world, by("worker", assertion(&key.sign(&said("b"))))).await.expect("unused");
    is_refused(&world, by("other", assertion(&key.sign(&said("c"))))).await;
    let (message, _) = good.rsplit_once('.').expect("three parts");
    is_refused(&world, by("worker", assertion(&format!("{message}.")))).await;

    let (once, replica) = (key.sign(&said("d")), world.replica().await);
    let auths = [Arc::clone(world.auth()), Arc::clone(&replica.auth)];
    let tries = (0..32).map(|number| {
        let (auth, request) = (Arc::clone(&auths[number % 2]), by("worker", assertion(&once)));
        async move { auth.issue_client_token(request, &Caller::default()).await.is_ok() }
    });
    assert_eq!(join_all(tries).await.into_iter().filter(|issued| *issued).count(), 1);
    world.advance(Duration::from_mins(1)).await;
    is_refused(&world, by("worker", assertion(&key.sign(&said("e"))))).await;
    replica.store.close().await;
}

async fn every_revocation_reaches_clients(engine: Engine) {
    let Some((world, by_secret)) = world_of_worker(engine).await else { return };
    let reason = async |token: &SecretString| match world.verify(token).await.reason {
        Some(InactiveReason::Revoked(killed)) => Some(killed.reason),
        None => None,
        other => panic!("{other:?}"),
    };
    for target in [RevokeTarget::Client(id("worker")), RevokeTarget::All] {
        let before = token(&world, &by_secret).await;
        assert_eq!(reason(&before).await, None);
        world.auth().revoke(target, &admin()).await.expect("revoked").expect("there");
        assert_eq!(reason(&before).await, Some(Reason::Operator));
        let after = token(&world, &by_secret).await;
        assert_eq!(reason(&after).await, None, "a new one lives");
    }
    world.user("alice").await;
    let mine = world.login("alice").await.tokens.access_token;
    assert_eq!(reason(&mine).await, None, "and so do users");
    let issued = token(&world, &by_secret).await;
    let nothing = world.auth().revoke_client_tokens(id("nobody"), &admin()).await;
    assert!(matches!(nothing, Err(AuthError::NotFound("client"))));
    world.auth().revoke_client_tokens(id("worker"), &admin()).await.expect("revoked");
    assert_eq!(reason(&issued).await, Some(Reason::Operator));
}

/// VT-20.
async fn ad_17_a_disabled_or_deleted_client_gets_nothing(engine: Engine) {
    let Some((world, by_secret)) = world_of_worker(engine).await else { return };
    let (auth, issued) = (world.auth(), token(&world, &by_secret).await);
    let disabled = auth.disable_client(id("worker"), &admin()).await.expect("disabled");
    assert!(disabled.revocation_seq > 0);
    is_refused(&world, by("worker", secret(by_secret.expose()))).await;
    assert!(matches!(world.verify(&issued).await.reason, Some(InactiveReason::Revoked(_))));
    auth.enable_client(id("worker"), &admin()).await.expect("enabled");
    assert!(matches!(world.verify(&issued).await.reason, Some(InactiveReason::Revoked(_))));
    let again = token(&world, &by_secret).await;
    auth.delete_client(id("worker"), "", &admin()).await.expect("deleted");
    is_refused(&world, by("worker", secret(by_secret.expose()))).await;
    // Another one of its id has neither its secret nor its tokens.
    let second = create(&world, "worker", profile()).await.secret.expect("a secret");
    is_refused(&world, by("worker", secret(by_secret.expose()))).await;
    claims(&world, &token(&world, &second).await).await;
    for old in [&issued, &again] {
        assert!(matches!(world.verify(old).await.reason, Some(InactiveReason::Revoked(_))));
    }
}

async fn users_log_in_where_they_may(engine: Engine) {
    let Some((world, _)) = world_of_worker(engine).await else { return };
    world.user("alice").await;
    let shop = ClientProfileRequest {
        allow_login: true,
        access_lifetime: Some(Duration::from_mins(5)),
        ..profile()
    };
    create(&world, "shop", shop).await;
    let auth = world.auth();
    let login = async |client: &str| {
        let request =
            LoginRequest { client_id: client.to_owned(), ..login_request("alice", PASSWORD) };
        auth.login(request, &Caller::default()).await
    };
    for unknown in ["worker", "nobody", "Shop"] {
        let answer = login(unknown).await;
        let Err(AuthError::InvalidArgument(broken)) = answer else {
            panic!("{unknown}: {answer:?}")
        };
        assert_eq!(broken[0].field, "client_id");
    }
    let tokens = login("shop").await.expect("logged in").tokens;
    let own = claims(&world, &tokens.access_token).await;
    assert_eq!((own.client_id.as_str(), own.subject == Subject::Client), ("shop", false));
    assert_eq!(own.scopes.to_string(), "read", "roles count for users");
    assert!(own.expires_at.since(own.issued_at) <= Duration::from_mins(5));
    let refresh = tokens.refresh_token.expect("one");
    let refresh = async || auth.refresh(refresh.clone(), "shop", &Caller::default()).await;
    refresh().await.expect("refreshed");
    auth.disable_client(id("shop"), &admin()).await.expect("disabled");
    assert!(matches!(refresh().await, Err(AuthError::Unauthenticated(Refusal::Revoked))));
    let refused = login("shop").await;
    assert!(matches!(refused, Err(AuthError::Unauthenticated(Refusal::InvalidCredentials))));
    auth.delete_client(id("shop"), "", &admin()).await.expect("deleted");
    assert!(matches!(refresh().await, Err(AuthError::InvalidArgument(_))));
}

async fn the_configuration_is_not_changed_here(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let auth = world.auth();
    let configured = |answer: Result<(), AuthError>| {
        let expected = AuthError::FailedPrecondition(Obstacle::ClientConfigured).to_string();
        assert_eq!(answer.expect_err("configured").to_string(), expected);
    };
    let new =
        CreateClientRequest { id: "default".to_owned(), profile: profile(), with_secret: true };
    configured(auth.create_client(new, &admin()).await.map(drop));
    configured(auth.client(&id("default"), &admin()).await.map(drop));
    configured(auth.disable_client(id("default"), &admin()).await.map(drop));
    configured(auth.delete_client(id("default"), "", &admin()).await.map(drop));
    let none = Duration::ZERO;
    configured(auth.rotate_client_secret(id("default"), none, &admin()).await.map(drop));
    assert!(auth.clients(None, 10, &admin()).await.expect("a list").is_empty());
    auth.revoke_client_tokens(id("default"), &admin()).await.expect("it has sessions");
}

async fn broken_rules_are_told_at_once(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let fields = async |id: &str, profile| {
        let request = CreateClientRequest { id: id.to_owned(), profile, with_secret: true };
        match world.auth().create_client(request, &admin()).await {
            Err(AuthError::InvalidArgument(broken)) => {
                broken.iter().map(|violation| violation.field).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        }
    };
    let all = ClientProfileRequest {
        display_name: "a\nb".to_owned(),
        audiences: Vec::new(),
        scopes: words("a a"),
        default_scopes: words("b"),
        access_lifetime: Some(Duration::from_hours(1)),
        session_lifetime: Some(Duration::from_secs(9)),
        idle_lifetime: Some(Duration::from_millis(10_500)),
        max_sessions_per_user: 1_001,
        jwks_json: r#"{"keys":[]}"#.to_owned(),
        ..ClientProfileRequest::default()
    };
    assert_eq!(
        fields("No Id", all).await,
        [
            "client_id",
            "display_name",
            "scopes",
            "default_scopes",
            "audiences",
            "access_lifetime",
            "session_lifetime",
            "idle_lifetime",
            "access_lifetime",
            "max_sessions_per_user",
            "jwks_json",
        ]
    );
    // Such ids are users'.
    assert_eq!(fields("018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60", profile()).await, ["client_id"]);
    let beside = r#"{"keys":[{"kty":"EC","crv":"P-256",
        "x":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
        "y":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"}]}"#;
    let no_point = ClientProfileRequest { jwks_json: beside.to_owned(), ..profile() };
    assert_eq!(fields("worker", no_point).await, ["jwks_json"], "beside the curve");
    // The largest that the configuration has is 15 minutes.
    let life = |secs| ClientProfileRequest {
        access_lifetime: Some(Duration::from_secs(secs)),
        ..profile()
    };
    assert_eq!(fields("worker", life(901)).await, ["access_lifetime"]);
    assert_eq!(fields("worker", life(9)).await, ["access_lifetime", "access_lifetime"]);
    create(&world, "worker", life(900)).await;
    let taken =
        CreateClientRequest { id: "worker".to_owned(), profile: profile(), with_secret: false };
    let taken = world.auth().create_client(taken, &admin()).await;
    assert!(matches!(taken, Err(AuthError::AlreadyExists("client_id"))));
}

async fn ad_18_ad_19_updates_change_what_they_name(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let made = create(&world, "worker", profile()).await.client;
    let update = async |fields: &str, profile, etag: &str| {
        let fields = if fields.is_empty() { Vec::new() } else { words(fields) };
        let etag = etag.to_owned();
        let request = UpdateClientRequest { id: id("worker"), profile, fields, etag };
        world.auth().update_client(request, &admin()).await
    };
    let new = ClientProfileRequest {
        display_name: "Worker".to_owned(),
        scopes: words("other"),
        default_scopes: Vec::new(),
        ..ClientProfileRequest::default()
    };
    let etag = made.etag.to_string();
    let renamed = update("display_name", new.clone(), &etag).await.expect("renamed");
    assert_eq!(renamed.profile.display_name, "Worker");
    assert_eq!(renamed.profile.policy, made.profile.policy, "the rest stays");
    let lost = update("display_name", new.clone(), &etag).await;
    assert!(matches!(lost, Err(AuthError::Conflict("client"))), "{lost:?}");
    let broken = update("scopes", new.clone(), "").await;
    assert!(matches!(broken, Err(AuthError::InvalidArgument(_))), "read is a default scope");
    let both = update("scopes default_scopes", new.clone(), "").await.expect("both");
    assert_eq!(both.profile.policy.scopes.to_string(), "other");
    for mask in ["", "id", "display_name secrets", "etag", "*"] {
        let refused = update(mask, new.clone(), "").await;
        let Err(AuthError::InvalidArgument(broken)) = refused else { panic!("{mask}") };
        assert_eq!(broken[0].field, "update_mask");
    }
}

/// Neither the rows nor what is said of them are good for anything.
async fn p8_no_row_holds_a_secret(engine: Engine) {
    let Some((world, by_secret)) = world_of_worker(engine).await else { return };
    token(&world, &by_secret).await;
    let url = world.settings.database_url().expose().to_owned();
    let mut rows =
        beside::texts(&url, "SELECT id || client_id || digest FROM client_secrets").await;
    rows.extend(beside::texts(&url, "SELECT detail || reason || actor FROM audit_events").await);
    assert!(rows.len() >= 2, "{rows:?}");
    let client = world.auth().client(&id("worker"), &admin()).await.expect("there");
    rows.push(format!("{client:?} {by_secret:?}"));
    let random = by_secret.expose().trim_start_matches("tws_");
    assert!(rows.iter().all(|row| !row.contains(random)), "{rows:?}");
    // What a thief finds there opens nothing.
    let digest = client.secrets[0].digest.to_text();
    for stolen in [digest.clone(), format!("tws_{digest}")] {
        is_refused(&world, by("worker", secret(&stolen))).await;
    }
}
