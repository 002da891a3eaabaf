//! What administrators change of users.

use tokenward::{
    domain::{
        account::{Account, NewAccount, Role},
        error::Refusal,
        id::UserId,
        identifier::Identifier,
        revocation::{Reason, Revocation, Target},
    },
    store::port::{
        CreateUser, EndUser, RevokeTarget, Rotated, UpdateUser, UserEnded, UserEnding, UserQuery,
        UserUpdated,
    },
};

use super::fixture::{
    Fixture, START, advanced, at, end_user, new_account, new_session, new_user, origin, unique,
};

on_every_store! {
    what_is_given_is_changed_and_the_rest_stays
    an_update_that_cannot_be_done_changes_nothing
    narrowed_roles_kill_access_tokens_and_no_session
    narrowing_after_everything_was_revoked_revives_nothing
    the_last_of_a_role_keeps_it
    a_deleted_user_takes_everything_along
    nobody_is_neither_changed_nor_ended
    users_are_found_by_role_and_state
}

/// An update that changes nothing yet.
pub(super) fn update(id: UserId) -> UpdateUser {
    UpdateUser {
        id,
        revision: None,
        identifiers: Vec::new(),
        display_name: None,
        roles: None,
        kept_role: None,
        detail: String::new(),
        origin: origin(),
        entry_id: unique(),
        now: at(1),
    }
}

fn role(text: &str) -> Role {
    Role::parse(text).unwrap()
}

pub(super) fn named(text: &str) -> (&'static str, Option<Identifier>) {
    let identifier = Identifier::parse(text).unwrap();
    (identifier.kind(), Some(identifier))
}

impl Fixture {
    async fn updated(&self, update: UpdateUser) -> (Account, Option<Revocation>) {
        match self.store.update_user(update).await.unwrap() {
            UserUpdated::Updated { account, revocation } => (account, revocation),
            other => panic!("not updated: {other:?}"),
        }
    }

    async fn account(&self, id: UserId) -> Account {
        self.store.user(id).await.unwrap().unwrap()
    }

    async fn owner_of(&self, identifier: &str) -> Option<UserId> {
        let identifier = Identifier::parse(identifier).unwrap();
        self.store.user_by_identifier(identifier).await.unwrap().map(|account| account.id)
    }
}

async fn what_is_given_is_changed_and_the_rest_stays(fixture: &Fixture) {
    let id = fixture.user("alice").await;
    let before = fixture.account(id).await;
    let renamed = UpdateUser { identifiers: vec![named("alicia"), named("a@b.org")], ..update(id) };
    let (account, revocation) = fixture.updated(renamed).await;
    let expected = Account {
        revision: 2,
        username: Some("alicia".to_owned()),
        email: Some("a@b.org".to_owned()),
        ..before.clone()
    };
    assert_eq!((&account, revocation), (&expected, None));
    assert_eq!(fixture.account(id).await, expected);
    assert_eq!(
        (fixture.owner_of("alice").await, fixture.owner_of("alicia").await),
        (None, Some(id))
    );
    let plain = UpdateUser {
        identifiers: vec![("email", None)],
        display_name: Some(None),
        roles: Some([before.roles.clone(), vec![role("admin")]].concat()),
        ..update(id)
    };
    let (account, revocation) = fixture.updated(plain).await;
    assert_eq!((account.email, account.display_name), (None, None));
    assert_eq!((account.roles.len(), account.version, account.revision), (3, 1, 3));
    assert_eq!(revocation, None, "nothing was taken away");
    assert_eq!(fixture.owner_of("a@b.org").await, None);
}

async fn an_update_that_cannot_be_done_changes_nothing(fixture: &Fixture) {
    let (alice, _) = (fixture.user("alice").await, fixture.user("bob").await);
    let before = fixture.account(alice).await;
    let change = || UpdateUser { roles: Some(Vec::new()), ..update(alice) };
    let stale = UpdateUser { revision: Some(2), ..change() };
    assert!(matches!(fixture.store.update_user(stale).await.unwrap(), UserUpdated::Conflict));
    let taken = UpdateUser { identifiers: vec![named("a@b.org"), named("bob")], ..change() };
    let taken = fixture.store.update_user(taken).await.unwrap();
    assert!(matches!(taken, UserUpdated::Taken("username")), "{taken:?}");
    let none = UpdateUser { identifiers: vec![("username", None)], ..change() };
    assert!(matches!(fixture.store.update_user(none).await.unwrap(), UserUpdated::NoIdentifier));
    assert_eq!(fixture.account(alice).await, before);
    assert_eq!(
        (fixture.owner_of("alice").await, fixture.owner_of("a@b.org").await),
        (Some(alice), None)
    );
    assert_eq!(fixture.log().await, []);
}

async fn narrowed_roles_kill_access_tokens_and_no_session(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let (kept, ended) = (fixture.open(user).await, fixture.open(user).await);
    fixture.revoke(RevokeTarget::Session(ended.id), at(1)).await.unwrap();
    let narrowed = UpdateUser { roles: Some(vec![role("reader")]), ..update(user) };
    let (account, revocation) = fixture.updated(narrowed).await;
    let revocation = revocation.unwrap();
    assert_eq!((account.version, account.roles), (2, vec![role("reader")]));
    assert_eq!(revocation.target, Target::User { id: user, min_version: 2 });
    assert_eq!(revocation.reason, Reason::RolesNarrowed);
    // The refresh token still says the version of before.
    assert_eq!(advanced(fixture.rotate(&kept, 1, at(2)).await).user_version, 2);
    let dead = fixture.rotate(&ended, 1, at(2)).await;
    assert!(matches!(dead, Rotated::Refused(Refusal::Revoked)), "{dead:?}");
    assert_eq!(fixture.log().await.last(), Some(&revocation));
}

/// The user has not logged in since, and their sessions of before are dead.
async fn narrowing_after_everything_was_revoked_revives_nothing(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let old = fixture.open(user).await;
    fixture.revoke(RevokeTarget::All, at(1)).await.unwrap();
    let narrowed = UpdateUser { roles: Some(Vec::new()), ..update(user) };
    let (account, revocation) = fixture.updated(narrowed).await;
    assert_eq!((account.version, account.roles.len()), (3, 0));
    assert_eq!(revocation.unwrap().target, Target::User { id: user, min_version: 3 });
    let dead = fixture.rotate(&old, 1, at(2)).await;
    assert!(matches!(dead, Rotated::Refused(Refusal::Revoked)), "{dead:?}");
    assert_eq!(fixture.store.sessions(user, None, 9, at(2)).await.unwrap(), []);
    fixture.open_as(new_session(user, 3)).await;
}

async fn the_last_of_a_role_keeps_it(fixture: &Fixture) {
    let (alice, bob) = (fixture.user("alice").await, fixture.user("bob").await);
    let kept_role = Some(role("writer"));
    let narrow = |id| UpdateUser {
        roles: Some(vec![role("reader")]),
        kept_role: kept_role.clone(),
        ..update(id)
    };
    let end = |id, ending| EndUser { kept_role: kept_role.clone(), ..end_user(id, ending, at(1)) };
    fixture.store.end_user(end(bob, UserEnding::Disable)).await.unwrap();
    let refused = fixture.store.update_user(narrow(alice)).await.unwrap();
    assert!(matches!(refused, UserUpdated::LastOfRole), "{refused:?}");
    for ending in [UserEnding::Disable, UserEnding::Delete] {
        let refused = fixture.store.end_user(end(alice, ending)).await.unwrap();
        assert!(matches!(refused, UserEnded::LastOfRole), "{refused:?}");
    }
    assert_eq!((fixture.account(alice).await.revision, fixture.log().await.len()), (1, 1));
    fixture.store.enable_user(bob, super::fixture::context(at(2))).await.unwrap();
    fixture.updated(narrow(alice)).await;
    let refused = fixture.store.end_user(end(bob, UserEnding::Delete)).await.unwrap();
    assert!(matches!(refused, UserEnded::LastOfRole), "{refused:?}");
    let other = fixture.store.end_user(end(alice, UserEnding::Delete)).await.unwrap();
    assert!(matches!(other, UserEnded::Ended(_)), "she had it no more: {other:?}");
}

async fn a_deleted_user_takes_everything_along(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    let end = end_user(user, UserEnding::Delete, at(1));
    let UserEnded::Ended(entry) = fixture.store.end_user(end).await.unwrap() else {
        panic!("not ended")
    };
    assert_eq!(entry.target, Target::User { id: user, min_version: i64::MAX });
    assert_eq!(entry.reason, Reason::UserDeleted);
    assert_eq!(fixture.store.user(user).await.unwrap(), None);
    let gone = fixture.rotate(&session, 1, at(2)).await;
    assert!(matches!(gone, Rotated::Refused(Refusal::SessionExpired)), "{gone:?}");
    let again = new_user(new_account("alice"), START);
    assert_eq!(fixture.store.create_user(again).await.unwrap(), CreateUser::Created);
}

async fn nobody_is_neither_changed_nor_ended(fixture: &Fixture) {
    let nobody = UserId::new(unique());
    let changed = fixture.store.update_user(update(nobody)).await.unwrap();
    assert!(matches!(changed, UserUpdated::NotFound));
    for ending in [UserEnding::Disable, UserEnding::Delete] {
        let ended = fixture.store.end_user(end_user(nobody, ending, at(1))).await.unwrap();
        assert!(matches!(ended, UserEnded::NotFound));
    }
    assert_eq!(fixture.store.look(0).await.unwrap().head.seq, 0, "no place in the log is lost");
}

/// To a pattern of SQL, `_` stands for any character.
async fn users_are_found_by_role_and_state(fixture: &Fixture) {
    let mut ids = Vec::new();
    for (name, of) in [("a", "a_b"), ("b", "axb"), ("c", "a_b"), ("d", "a_b.c")] {
        let roles = vec![role("reader"), role(of)];
        let new = new_user(NewAccount { roles, ..new_account(name) }, START);
        ids.push(new.account.id);
        fixture.store.create_user(new).await.unwrap();
    }
    fixture.disable(ids[2], at(1)).await.unwrap();
    let find = async |with: Option<&str>, disabled| {
        let query = UserQuery { role: with.map(role), disabled, ..UserQuery::all(None, 9) };
        let found = fixture.store.users(query).await.unwrap();
        found.into_iter().map(|account| account.id).collect::<Vec<_>>()
    };
    assert_eq!(find(Some("a_b"), None).await, [ids[0], ids[2]]);
    assert_eq!(find(Some("a_b"), Some(false)).await, [ids[0]]);
    assert_eq!(find(Some("reader"), Some(true)).await, [ids[2]]);
    assert_eq!(find(None, Some(false)).await, [ids[0], ids[1], ids[3]]);
    assert_eq!(find(Some("b"), None).await, []);
}
