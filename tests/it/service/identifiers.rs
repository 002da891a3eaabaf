//! One name, one account, however it is spelled; and text that is written to
//! be more than a name is a name, or nothing.

use std::collections::HashMap;

use tokenward::{
    config::Settings,
    domain::{
        error::{AuthError, Refusal},
        id::UserId,
        password::{Password, PasswordHash},
    },
    service::{
        Administrator, import::ImportUserRequest, profile::ProfileRequest, users::CreateUserRequest,
    },
    store::port::UserQuery,
};

use crate::{
    on_both_engines,
    support::{
        naughty,
        world::{BCRYPT, Engine, PASSWORD, World},
    },
};

on_both_engines!(
    lg_44_lg_48_spellings_collide_and_log_in_to_one_account,
    lg_45_lg_47_look_alikes_log_in_to_no_other_account,
    lg_49_hostile_identifiers_are_only_text,
);

fn uncounted(settings: &mut Settings) {
    settings.throttle.enabled = false;
}

/// A user who is called so, as the text says by what.
fn called(text: &str) -> ProfileRequest {
    let (text, none) = (text.to_owned(), ProfileRequest::default());
    if text.contains('@') {
        ProfileRequest { email: text, ..none }
    } else if text.starts_with('+') {
        ProfileRequest { phone: text, ..none }
    } else {
        ProfileRequest { username: text, ..none }
    }
}

async fn create(world: &World, text: &str) -> Result<UserId, AuthError> {
    let (profile, password) = (called(text), Password::parse(PASSWORD.to_owned()));
    world
        .auth()
        .create_user(
            CreateUserRequest { profile, password: Some(password) },
            &Administrator::command_line(),
        )
        .await
}

/// Whom the text logs in.
async fn who(world: &World, text: &str) -> Option<UserId> {
    match world.try_login(text, PASSWORD).await {
        Ok(logged_in) => Some(logged_in.user_id),
        // The second: empty, or too long to look for.
        Err(
            AuthError::Unauthenticated(Refusal::InvalidCredentials) | AuthError::InvalidArgument(_),
        ) => None,
        Err(error) => panic!("{}: {error}", text.escape_unicode()),
    }
}

async fn lg_44_lg_48_spellings_collide_and_log_in_to_one_account(engine: Engine) {
    let Some(world) = World::with(engine, uncounted).await else { return };
    for spellings in [
        &["alice", "ALICE", "Ａｌｉｃｅ"][..],
        &["jürgen", "JU\u{308}RGEN"],
        &["ΣΟΦΊΑ", "σοφία"],
        &["bob@bücher.example", "BOB@xn--bcher-kva.EXAMPLE", "bob@Bu\u{308}cher。example"],
        &["+41 44 668 18 00", "+41446681800", "+41/44.668-18(00)"],
    ] {
        let id = create(&world, spellings[0]).await.unwrap();
        for spelling in spellings {
            assert_eq!(who(&world, spelling).await, Some(id), "{spelling}");
            let again = create(&world, spelling).await;
            assert!(matches!(again, Err(AuthError::AlreadyExists(_))), "{spelling}: {again:?}");
        }
    }
    for bent in ["alice ", " alice", "al ice", "alice\0", "alice\n", "alice@", "@alice", "+alice"] {
        assert_eq!(who(&world, bent).await, None, "{bent:?}");
        assert!(matches!(create(&world, bent).await, Err(AuthError::InvalidArgument(_))));
    }
}

async fn lg_45_lg_47_look_alikes_log_in_to_no_other_account(engine: Engine) {
    let Some(world) = World::with(engine, uncounted).await else { return };
    for (name, alikes) in [
        (
            "mike",
            &[
                "mıke",
                "mİke",
                "mi\u{307}ke",
                "mіke",
                "mi\u{212a}e",
                "mike\u{200d}",
                "\u{202e}ekim",
                "\u{feff}mike",
                "mike\u{a0}",
                "ᵐᶦᵏᵉ",
                "𝐦𝐢𝐤𝐞",
                "mi\u{ad}ke",
                "ⅿike",
            ][..],
        ),
        (
            "mike@github.example",
            &[
                "mıke@github.example",
                "mike@gıthub.example",
                "mike@gіthub.example",
                "mike@github.example.",
                "mike\u{200d}@github.example",
                "\"mike\"@github.example",
                "ｍike@github.example",
            ],
        ),
        (
            "+41446681800",
            &["41446681800", "++41446681800", "+4１446681800", "+41446681800\u{200e}"],
        ),
    ] {
        let id = create(&world, name).await.unwrap();
        for alike in alikes {
            assert_eq!(who(&world, alike).await, None, "{}", alike.escape_unicode());
            match create(&world, alike).await {
                Ok(other) => {
                    assert_ne!(other, id);
                    assert_eq!(who(&world, alike).await, Some(other));
                }
                Err(error) => assert!(matches!(error, AuthError::InvalidArgument(_)), "{error}"),
            }
        }
        assert_eq!(who(&world, name).await, Some(id));
    }
}

/// For SQL, LDAP, formats, shells, terminals: as a username, as either half of
/// an address, and as a phone number.
async fn lg_49_hostile_identifiers_are_only_text(engine: Engine) {
    let Some(world) = World::with(engine, uncounted).await else { return };
    let texts: Vec<_> = naughty::strings().into_iter().flat_map(spoiled).collect();
    let request = |text: &String| ImportUserRequest {
        profile: called(text),
        password_hash: PasswordHash::new(BCRYPT.to_owned()),
    };
    let results = world
        .auth()
        .import_users(texts.iter().map(request).collect(), &Administrator::command_line())
        .await
        .unwrap();
    let mut names = HashMap::new();
    for (text, result) in texts.iter().zip(results) {
        match result {
            Ok(id) => assert_eq!(names.insert(id, text.as_str()), None, "one name each"),
            Err(AuthError::InvalidArgument(_) | AuthError::AlreadyExists(_)) => {}
            Err(error) => panic!("{}: {error}", text.escape_unicode()),
        }
    }
    let listed = world.auth().users(UserQuery::all(None, 10_000)).await.unwrap();
    assert_eq!(listed.len(), names.len(), "whoever was made is there, and nobody else");
    assert!(names.len() > 20, "some are names: {}", names.len());
    for account in listed {
        let found = world.auth().find_user(names[&account.id]).await.unwrap();
        assert_eq!(found, account);
    }
    // A login costs a hash, so not all of them.
    for text in texts.iter().step_by(7) {
        let found = who(&world, text).await;
        assert_eq!(found, world.auth().find_user(text).await.ok().map(|account| account.id));
    }
}

fn spoiled(text: String) -> [String; 4] {
    [format!("{text}@example.org"), format!("a@{text}"), format!("+{text}"), text]
}
