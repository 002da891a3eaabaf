//! Users who bring their password hashes from another system.

use tokenward::{
    domain::{
        error::{AuthError, Refusal},
        identifier::Identifier,
        password::PasswordHash,
    },
    service::{Administrator, import::ImportUserRequest, profile::ProfileRequest},
    store::port::UserQuery,
};

use crate::{
    on_both_engines,
    support::world::{BCRYPT, Engine, PASSWORD, World},
};

on_both_engines!(
    the_first_login_replaces_an_imported_hash,
    lg_40_a_longer_password_counts_whole_after_its_first_login,
    many_are_imported_and_each_is_told_how_it_went,
    a_check_of_an_import_creates_nothing,
);

const WERKZEUG: &str = "pbkdf2:sha256:1000$RPeOvDcpXHyOOYBF$208a7ea5e22b4a51c95fdf1dcc2e342d28b2d12c2bd555a9f65cdd0d52d2518c";

fn request(username: &str, hash: &str) -> ImportUserRequest {
    let profile = ProfileRequest {
        username: username.to_owned(),
        roles: vec!["editor".to_owned()],
        ..ProfileRequest::default()
    };
    ImportUserRequest { profile, password_hash: PasswordHash::new(hash.to_owned()) }
}

async fn import(world: &World, username: &str, hash: &str) {
    let results = world
        .auth()
        .import_users(vec![request(username, hash)], &Administrator::command_line())
        .await
        .unwrap();
    assert!(matches!(results.as_slice(), [Ok(_)]), "{results:?}");
}

async fn stored(world: &World, username: &str) -> String {
    let identifier = Identifier::parse(username).unwrap();
    let found = world.core.store.credentials(identifier).await.unwrap().expect("there");
    found.password_hash.expect("a hash").expose().to_owned()
}

/// Whether this password logs the user in.
async fn opens(world: &World, username: &str, password: &str) -> bool {
    match world.try_login(username, password).await {
        Ok(_) => true,
        Err(AuthError::Unauthenticated(Refusal::InvalidCredentials)) => false,
        Err(error) => panic!("{error}"),
    }
}

async fn the_first_login_replaces_an_imported_hash(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    for (username, hash) in [("alice", BCRYPT), ("bob", WERKZEUG)] {
        import(&world, username, hash).await;
        assert!(!opens(&world, username, "correct horse battery stable").await);
        assert_eq!(stored(&world, username).await, hash, "a wrong password changes nothing");
        assert!(opens(&world, username, PASSWORD).await);
        let upgraded = stored(&world, username).await;
        assert!(upgraded.starts_with("$argon2id$v=19$m=7168,t=1,p=1$"), "{username}");
        assert!(opens(&world, username, PASSWORD).await);
        assert_eq!(stored(&world, username).await, upgraded, "once is enough");
    }
}

async fn lg_40_a_longer_password_counts_whole_after_its_first_login(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    let of_72 = "$2b$04$KGO5WkOMtuhja/IXD.qdSOktjG8w7Tqn4OKK1jqgGnAtQxC2MEv2q";
    import(&world, "alice", of_72).await;
    let beginning = "x".repeat(72);
    let whole = format!("{beginning}, and what bcrypt never saw");
    assert!(opens(&world, "alice", &whole).await);
    assert!(!opens(&world, "alice", &beginning).await);
    assert!(opens(&world, "alice", &whole).await);
}

async fn many_are_imported_and_each_is_told_how_it_went(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("taken").await;
    let mut bad = request("a b", "md5$x$00");
    bad.profile.email = "nowhere".into();
    bad.profile.phone = "044 668 18 00".into();
    bad.profile.roles = vec!["No Role".into()];
    let many = vec![
        request("alice", BCRYPT),
        request("Taken", BCRYPT),
        bad,
        request("ALICE", WERKZEUG),
        request("bob", &BCRYPT.replace("$04$", "$15$")),
        request("carol", BCRYPT),
    ];
    let results = world.auth().import_users(many, &Administrator::command_line()).await.unwrap();
    let told: Vec<_> = results
        .iter()
        .map(|result| match result {
            Ok(_) => "created".to_owned(),
            Err(AuthError::AlreadyExists(field)) => format!("{field} taken"),
            Err(AuthError::InvalidArgument(violations)) => {
                violations.iter().map(|violation| violation.field).collect::<Vec<_>>().join(" ")
            }
            Err(error) => panic!("{error}"),
        })
        .collect();
    let all_rules = "username email phone roles password_hash";
    assert_eq!(
        told,
        ["created", "username taken", all_rules, "username taken", "password_hash", "created"]
    );
    assert_eq!(stored(&world, "alice").await, BCRYPT, "the first of two rows has the name");
    let alice = world.auth().find_user("alice").await.unwrap();
    assert_eq!(Some(&alice.id), results[0].as_ref().ok());
    assert_eq!(world.auth().users(UserQuery::all(None, 10)).await.unwrap().len(), 3);
}

async fn a_check_of_an_import_creates_nothing(engine: Engine) {
    let Some(world) = World::new(engine).await else { return };
    world.user("taken").await;
    let auth = world.auth();
    assert!(auth.check_import(request("alice", BCRYPT)).await.unwrap().is_ok());
    let taken = auth.check_import(request("taken", BCRYPT)).await.unwrap();
    assert!(matches!(taken, Err(AuthError::AlreadyExists("username"))), "{taken:?}");
    let invalid = auth.check_import(request("alice", "x")).await.unwrap();
    assert!(matches!(invalid, Err(AuthError::InvalidArgument(_))), "{invalid:?}");
    assert_eq!(auth.users(UserQuery::all(None, 10)).await.unwrap().len(), 1);
}
