//! Users and identifiers.

use tokenward::{
    domain::{
        account::{Account, NewAccount, Role},
        id::UserId,
        identifier::Identifier,
        password::PasswordHash,
    },
    store::port::{CreateUser, UserQuery},
};

use super::fixture::{Fixture, START, at, context, new_account, new_user};

on_every_store! {
    what_is_written_is_read_back
    identifiers_are_unique_per_kind_and_leave_nothing_behind
    lg_46_identifiers_are_compared_byte_by_byte
    many_users_are_created_but_for_those_that_are_taken
    unknown_is_not_an_error
    users_are_listed_by_id_in_pages
    db_01_hostile_text_is_only_text
    a_password_hash_is_replaced_once
}

async fn what_is_written_is_read_back(fixture: &Fixture) {
    let mut new = new_account("alice");
    for further in ["alice@example.org", "+41 44 668 18 00"] {
        new.identifiers.push(Identifier::parse(further).unwrap());
    }
    fixture.store.create_user(new_user(new.clone(), at(5))).await.unwrap();
    let expected = Account {
        id: new.id,
        version: 1,
        revision: 1,
        username: Some("alice".to_owned()),
        email: Some("alice@example.org".to_owned()),
        phone: Some("+41446681800".to_owned()),
        email_verified_at: None,
        phone_verified_at: None,
        display_name: new.display_name.clone(),
        roles: vec![Role::parse("reader").unwrap(), Role::parse("writer").unwrap()],
        created_at: at(5),
        disabled_at: None,
        last_login_at: None,
    };
    assert_eq!(fixture.store.user(new.id).await.unwrap(), Some(expected.clone()));
    for identifier in new.identifiers {
        let found = fixture.store.credentials(identifier.clone()).await.unwrap().unwrap();
        assert_eq!(found.account, expected);
        assert_eq!(found.password_hash.unwrap().expose(), "$argon2id$1");
        let found = fixture.store.user_by_identifier(identifier).await.unwrap();
        assert_eq!(found, Some(expected.clone()));
    }
}

async fn identifiers_are_unique_per_kind_and_leave_nothing_behind(fixture: &Fixture) {
    let mut first = new_account("alice");
    first.identifiers.push(Identifier::parse("alice@example.org").unwrap());
    fixture.store.create_user(new_user(first, START)).await.unwrap();
    let mut second = new_account("bob");
    second.identifiers.push(Identifier::parse("Alice@Example.org").unwrap());
    let id = second.id;
    let outcome = fixture.store.create_user(new_user(second, START)).await.unwrap();
    assert_eq!(outcome, CreateUser::Taken("email"));
    assert_eq!(fixture.store.user(id).await.unwrap(), None, "the user row is undone");
    let bob = Identifier::parse("bob").unwrap();
    assert!(fixture.store.credentials(bob).await.unwrap().is_none(), "and its username is free");
    fixture.user("bob").await;
    let outcome = fixture.store.create_user(new_user(new_account("BOB"), START)).await.unwrap();
    assert_eq!(outcome, CreateUser::Taken("username"));
}

/// What collations take for equal: case, width, accents, composition, and what
/// they ignore. To the database they are texts of other bytes.
async fn lg_46_identifiers_are_compared_byte_by_byte(fixture: &Fixture) {
    let alike = [
        "jürgen",
        "ju\u{308}rgen",
        "JÜRGEN",
        "Jürgen",
        "jurgen",
        "juergen",
        "jürgen ",
        "ｊürgen",
        "jürgen\u{200d}",
        "\u{feff}jürgen",
        "jürge\u{ad}n",
        "ĵürgen",
        "jürgeո",
        "jürg\u{435}n",
    ];
    let identifier = |text: &str| Identifier::Username(text.to_owned());
    let mut ids = Vec::new();
    for text in alike {
        assert!(fixture.store.credentials(identifier(text)).await.unwrap().is_none(), "{text}");
        let new = NewAccount { identifiers: vec![identifier(text)], ..new_account("x") };
        ids.push(new.id);
        assert_eq!(
            fixture.store.create_user(new_user(new, START)).await.unwrap(),
            CreateUser::Created
        );
    }
    for (text, id) in alike.into_iter().zip(ids) {
        let found = fixture.store.user_by_identifier(identifier(text)).await.unwrap().unwrap();
        assert_eq!((found.id, found.username.as_deref()), (id, Some(text)));
    }
    let kind = Identifier::Phone("jürgen".to_owned());
    assert!(fixture.store.credentials(kind).await.unwrap().is_none(), "of its kind only");
}

async fn many_users_are_created_but_for_those_that_are_taken(fixture: &Fixture) {
    fixture.user("alice").await;
    let mut half_taken = new_account("bob");
    half_taken.identifiers.push(Identifier::parse("alice").unwrap());
    half_taken.identifiers.swap(0, 1);
    let mut late = new_account("carol");
    late.identifiers.push(Identifier::parse("dave@example.org").unwrap());
    let mut twice = new_account("erin");
    twice.identifiers.push(Identifier::parse("dave@example.org").unwrap());
    let many = vec![half_taken, new_account("bob"), late, twice, new_account("erin")];
    let ids: Vec<_> = many.iter().map(|account| account.id).collect();
    let outcomes = fixture.store.create_users(many, context(START)).await.unwrap();
    let expected = [
        CreateUser::Taken("username"),
        CreateUser::Created,
        CreateUser::Created,
        CreateUser::Taken("email"),
        CreateUser::Created,
    ];
    assert_eq!(outcomes, expected);
    for (id, outcome) in ids.into_iter().zip(expected) {
        let is_there = fixture.store.user(id).await.unwrap().is_some();
        assert_eq!(is_there, outcome == CreateUser::Created, "{id}");
    }
    assert_eq!(fixture.store.create_users(Vec::new(), context(START)).await.unwrap(), []);
}

async fn unknown_is_not_an_error(fixture: &Fixture) {
    let nobody = Identifier::parse("nobody").unwrap();
    assert!(fixture.store.credentials(nobody.clone()).await.unwrap().is_none());
    assert!(fixture.store.user_by_identifier(nobody).await.unwrap().is_none());
    let id = new_account("nobody").id;
    assert!(fixture.store.user(id).await.unwrap().is_none());
}

async fn users_are_listed_by_id_in_pages(fixture: &Fixture) {
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        ids.push(fixture.user(name).await);
    }
    ids.sort();
    let mut listed: Vec<UserId> = Vec::new();
    loop {
        let page = fixture.store.users(UserQuery::all(listed.last().copied(), 2)).await.unwrap();
        assert!(page.len() <= 2);
        if page.is_empty() {
            break;
        }
        listed.extend(page.iter().map(|account| account.id));
    }
    assert_eq!(listed, ids);
}

async fn db_01_hostile_text_is_only_text(fixture: &Fixture) {
    for (number, text) in
        ["'", "\"", "--", "$$", "$1", "\\", "%", "_", ";DROP TABLE users", "\u{2019}", "?1", "é😀"]
            .into_iter()
            .enumerate()
    {
        let mut new = new_account(&format!("user{number}"));
        new.display_name = Some(text.to_owned());
        let id = new.id;
        fixture.store.create_user(new_user(new, START)).await.unwrap();
        let account = fixture.store.user(id).await.unwrap().unwrap();
        assert_eq!(account.display_name.as_deref(), Some(text));
    }
}

async fn a_password_hash_is_replaced_once(fixture: &Fixture) {
    let id = fixture.user("alice").await;
    let hash = |text: &str| PasswordHash::new(text.to_owned());
    let replace = |old, new| fixture.store.replace_password_hash(id, old, new);
    assert!(replace(hash("$argon2id$1"), hash("$argon2id$2")).await.unwrap());
    assert!(!replace(hash("$argon2id$1"), hash("$argon2id$3")).await.unwrap());
    let alice = Identifier::parse("alice").unwrap();
    let found = fixture.store.credentials(alice).await.unwrap().unwrap();
    assert_eq!(found.password_hash.unwrap().expose(), "$argon2id$2");
    assert_eq!(found.account.version, 1, "the version stays");
}
