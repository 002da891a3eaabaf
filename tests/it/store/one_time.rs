//! One-time tokens: issued seldom, used once, dead when anything changes.

use std::{sync::Arc, time::Duration};

use tokenward::{
    domain::{
        clock::Timestamp,
        id::UserId,
        identifier::Identifier,
        one_time::{Contact, Purpose, Usage},
        revocation::Reason,
        throttle::Fingerprint,
    },
    store::port::{
        IssueOneTimeToken as Issue, NewOneTimeToken, PasswordChanged, PresentedToken,
        ResetPassword, RevokeTarget, SetPassword, Store, UpdateUser, UserEnding, UserUpdated,
        VerifyIdentifier,
    },
};

use super::{
    counts::Count,
    fixture::{
        Fixture, START, at, context, end_user, new_account, new_session, new_user, origin, sweep,
        unique,
    },
    passwords::{OLD, change, hash, is_revoked, stored_hash},
    races::{RACERS, race, replicas},
    users::{named, update},
};

on_every_store! {
    one_of_32_resets_wins
    one_of_32_issues_wins
    a_reset_is_set_password_with_a_token
    a_token_lives_to_the_microsecond
    a_newer_token_replaces_the_older_one
    one_a_minute_is_issued
    a_token_is_dead_when_anything_has_changed
    a_token_is_dead_when_an_identifier_has_changed
    a_rehash_kills_no_token
    disabled_users_get_none_and_use_none
    tokens_of_one_purpose_are_none_of_the_other
    tokens_go_with_their_user_and_with_time
    a_verification_is_of_one_identifier
}

const LIFE: Duration = Duration::from_mins(30);
const INTERVAL: Duration = Duration::from_mins(1);

fn digest(number: u8) -> Fingerprint {
    Fingerprint::new([number; 32])
}

fn new(number: u8, user_id: UserId, usage: Usage, now: Timestamp) -> NewOneTimeToken {
    NewOneTimeToken {
        digest: digest(number),
        user_id,
        usage,
        interval: INTERVAL,
        expires_at: now.plus(LIFE),
        context: context(now),
    }
}

async fn issue(fixture: &Fixture, number: u8, user: UserId, now: Timestamp) -> Issue {
    let new = new(number, user, Usage::PasswordReset, now);
    fixture.store.issue_one_time_token(new).await.unwrap()
}

async fn issued(fixture: &Fixture, number: u8, user: UserId) {
    assert_eq!(issue(fixture, number, user, START).await, Issue::Issued);
}

async fn live(
    fixture: &Fixture,
    number: u8,
    purpose: Purpose,
    now: Timestamp,
) -> Option<(UserId, i64)> {
    let token = PresentedToken { digest: digest(number), purpose, now };
    let found = fixture.store.one_time_token(token).await.unwrap();
    found.map(|token| (token.account.id, token.user_version))
}

fn reset(number: u8, user_id: UserId, user_version: i64, now: Timestamp) -> ResetPassword {
    let change = SetPassword {
        user_id,
        new: hash("reset"),
        counted_by: digest(255),
        origin: origin(),
        entry_id: unique(),
        now,
    };
    ResetPassword { digest: digest(number), user_version, change }
}

/// Neither found nor used at `now`, by the version that it was made at nor any other.
async fn is_dead(fixture: &Fixture, number: u8, user: UserId, now: Timestamp) {
    assert_eq!(live(fixture, number, Purpose::PasswordReset, now).await, None);
    let log = fixture.log().await;
    let before = stored_hash(fixture, user).await;
    for version in 1..=4 {
        let outcome = fixture.store.reset_password(reset(number, user, version, now)).await;
        assert_eq!(outcome.unwrap(), None, "version {version}");
    }
    assert_eq!(stored_hash(fixture, user).await, before);
    assert_eq!(fixture.log().await, log);
}

async fn one_of_32_resets_wins(fixture: &Fixture) {
    let stores = replicas(fixture).await;
    let user = fixture.user("alice").await;
    issued(fixture, 1, user).await;
    let outcomes = race(RACERS, |number| {
        let store: Arc<dyn Store> = Arc::clone(&stores[number % 2]);
        let mut request = reset(1, user, 1, at(1));
        request.change.new = hash(&format!("new{number}"));
        async move { store.reset_password(request).await.unwrap() }
    })
    .await;
    let won: Vec<_> = outcomes.iter().enumerate().filter(|(_, entry)| entry.is_some()).collect();
    let [(number, _)] = won.as_slice() else { panic!("{won:?}") };
    assert_eq!(stored_hash(fixture, user).await, format!("new{number}"));
    assert_eq!(fixture.log().await.len(), 1);
    assert_eq!(fixture.count(Count::OneTimeTokens).await, 0);
    stores[1].close().await;
}

async fn one_of_32_issues_wins(fixture: &Fixture) {
    let stores = replicas(fixture).await;
    let user = fixture.user("alice").await;
    let outcomes = race(RACERS, |number| {
        let store: Arc<dyn Store> = Arc::clone(&stores[number % 2]);
        let number = u8::try_from(number).unwrap();
        let request = new(number, user, Usage::PasswordReset, at(1));
        async move { (number, store.issue_one_time_token(request).await.unwrap()) }
    })
    .await;
    let won: Vec<_> = outcomes.iter().filter(|(_, outcome)| *outcome == Issue::Issued).collect();
    let [(number, _)] = won.as_slice() else { panic!("{won:?}") };
    let rest = outcomes.iter().filter(|(_, outcome)| *outcome == Issue::TooSoon(INTERVAL));
    assert_eq!(rest.count(), RACERS - 1);
    assert!(live(fixture, *number, Purpose::PasswordReset, at(1)).await.is_some());
    assert_eq!(fixture.count(Count::OneTimeTokens).await, 1);
    stores[1].close().await;
}

async fn a_reset_is_set_password_with_a_token(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    issued(fixture, 1, user).await;
    assert_eq!(live(fixture, 1, Purpose::PasswordReset, at(1)).await, Some((user, 1)));
    let entry = fixture.store.reset_password(reset(1, user, 1, at(1))).await.unwrap().unwrap();
    assert_eq!((entry.reason, entry.seq), (Reason::PasswordChanged, 1));
    assert_eq!(stored_hash(fixture, user).await, "reset");
    assert!(is_revoked(&fixture.rotate(&session, 1, at(2)).await));
    is_dead(fixture, 1, user, at(2)).await;

    let audit = fixture.store.audit_after(0, 100).await.unwrap();
    let told: Vec<_> = audit.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(told, ["CREATE_USER", "LOGIN", "CREATE_PASSWORD_RESET_TOKEN", "RESET_PASSWORD"]);
    assert!(audit.iter().all(|entry| entry.user == user.to_string()));
}

async fn a_token_lives_to_the_microsecond(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    issued(fixture, 1, user).await;
    let end = START.plus(LIFE);
    let micros = |n: i64| Timestamp::from_micros(end.micros() + n);
    for late in [0, 1] {
        is_dead(fixture, 1, user, micros(late)).await;
    }
    assert!(live(fixture, 1, Purpose::PasswordReset, micros(-1)).await.is_some());
    let outcome = fixture.store.reset_password(reset(1, user, 1, micros(-1))).await.unwrap();
    assert!(outcome.is_some());
}

async fn a_newer_token_replaces_the_older_one(fixture: &Fixture) {
    let (alice, bob) = (fixture.user("alice").await, fixture.user("bob").await);
    issued(fixture, 1, alice).await;
    issued(fixture, 3, bob).await;
    assert_eq!(issue(fixture, 2, alice, at(60)).await, Issue::Issued);
    is_dead(fixture, 1, alice, at(60)).await;
    // Nobody uses another one's.
    for (number, user) in [(3, alice), (2, bob)] {
        let outcome = fixture.store.reset_password(reset(number, user, 1, at(60))).await.unwrap();
        assert_eq!(outcome, None);
    }
    assert!(live(fixture, 2, Purpose::PasswordReset, at(60)).await.is_some());
    assert!(live(fixture, 3, Purpose::PasswordReset, at(60)).await.is_some());
}

async fn one_a_minute_is_issued(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    issued(fixture, 1, user).await;
    let almost = Timestamp::from_micros(at(60).micros() - 1);
    let left = Issue::TooSoon(Duration::from_micros(1));
    assert_eq!(issue(fixture, 2, user, almost).await, left);
    assert_eq!(issue(fixture, 2, user, at(20)).await, Issue::TooSoon(Duration::from_secs(40)));
    assert!(live(fixture, 1, Purpose::PasswordReset, almost).await.is_some(), "it still counts");
    assert_eq!(issue(fixture, 2, user, at(60)).await, Issue::Issued);
    // A clock that was wrong must not keep users waiting for ever.
    assert_eq!(issue(fixture, 3, user, START).await, Issue::TooSoon(Duration::from_mins(2)));
    let before = Timestamp::from_micros(START.micros() - 1);
    assert_eq!(issue(fixture, 3, user, before).await, Issue::Issued);
    let audit = fixture.store.audit_after(1, 100).await.unwrap();
    assert_eq!(audit.len(), 3, "what was refused is no entry");
}

async fn a_token_is_dead_when_anything_has_changed(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    issued(fixture, 1, user).await;
    let changed = fixture.store.change_password(change(&session, "2", at(1))).await.unwrap();
    assert!(matches!(changed, PasswordChanged::Changed { .. }));
    assert_eq!(fixture.count(Count::OneTimeTokens).await, 0, "deleted");
    is_dead(fixture, 1, user, at(2)).await;

    let user = fixture.user("bob").await;
    issued(fixture, 1, user).await;
    let set = reset(0, user, 0, at(1)).change;
    fixture.store.set_password(set).await.unwrap().unwrap();
    assert_eq!(fixture.count(Count::OneTimeTokens).await, 0, "deleted");
    is_dead(fixture, 1, user, at(2)).await;

    let user = fixture.user("carol").await;
    issued(fixture, 1, user).await;
    fixture.revoke(RevokeTarget::User(user), at(1)).await.unwrap();
    is_dead(fixture, 1, user, at(2)).await;

    let user = fixture.user("dave").await;
    issued(fixture, 2, user).await;
    fixture.revoke(RevokeTarget::All, at(1)).await.unwrap();
    is_dead(fixture, 2, user, at(2)).await;
    // One that is issued then outlives the login which lifts the user to the floor.
    assert_eq!(issue(fixture, 3, user, at(61)).await, Issue::Issued);
    let (_, version) = live(fixture, 3, Purpose::PasswordReset, at(62)).await.unwrap();
    fixture.open_as(new_session(user, 1)).await;
    assert_eq!(live(fixture, 3, Purpose::PasswordReset, at(63)).await, Some((user, version)));
    let outcome = fixture.store.reset_password(reset(3, user, version, at(63))).await.unwrap();
    assert!(outcome.is_some());
}

/// It may have been sent to what the user had before.
async fn a_token_is_dead_when_an_identifier_has_changed(fixture: &Fixture) {
    let (user, _) = with_contacts(fixture).await;
    issued(fixture, 1, user).await;
    let renamed = UpdateUser { display_name: Some(None), ..update(user) };
    assert!(matches!(
        fixture.store.update_user(renamed).await.unwrap(),
        UserUpdated::Updated { .. }
    ));
    assert!(live(fixture, 1, Purpose::PasswordReset, at(1)).await.is_some());
    let address = Identifier::parse("other@example.org").unwrap();
    let moved = UpdateUser { identifiers: vec![("email", Some(address))], ..update(user) };
    let UserUpdated::Updated { account, .. } = fixture.store.update_user(moved).await.unwrap()
    else {
        panic!("not updated")
    };
    assert_eq!(account.email_verified_at, None);
    is_dead(fixture, 1, user, at(2)).await;
}

async fn a_rehash_kills_no_token(fixture: &Fixture) {
    let user = fixture.user("alice").await;
    issued(fixture, 1, user).await;
    assert!(fixture.store.replace_password_hash(user, hash(OLD), hash("2")).await.unwrap());
    let outcome = fixture.store.reset_password(reset(1, user, 1, at(1))).await.unwrap();
    assert!(outcome.is_some());
}

async fn disabled_users_get_none_and_use_none(fixture: &Fixture) {
    let (user, contact) = with_contacts(fixture).await;
    issued(fixture, 1, user).await;
    assert_eq!(verification(fixture, 2, user, contact).await, Issue::Issued);
    fixture.disable(user, at(1)).await.unwrap();
    is_dead(fixture, 1, user, at(2)).await;
    assert!(!verify(fixture, 2, user, at(2)).await);
    assert_eq!(live(fixture, 2, Purpose::Verification, at(2)).await, None);
    for usage in [Usage::PasswordReset, Usage::Verification(contact)] {
        let new = new(3, user, usage, at(100));
        assert_eq!(fixture.store.issue_one_time_token(new).await.unwrap(), Issue::Disabled);
    }
    assert!(fixture.store.enable_user(user, context(at(3))).await.unwrap());
    is_dead(fixture, 1, user, at(4)).await;
    assert!(verify(fixture, 2, user, at(4)).await, "who reads the mail is still who reads it");
    let nobody = UserId::new(unique());
    assert_eq!(issue(fixture, 4, nobody, at(4)).await, Issue::NoUser);
}

async fn with_contacts(fixture: &Fixture) -> (UserId, Contact) {
    let mut account = new_account("alice");
    for further in ["alice@example.org", "+41446681800"] {
        account.identifiers.push(Identifier::parse(further).unwrap());
    }
    let id = account.id;
    fixture.store.create_user(new_user(account, START)).await.unwrap();
    (id, Contact::Email)
}

async fn verification(fixture: &Fixture, number: u8, user: UserId, contact: Contact) -> Issue {
    let new = new(number, user, Usage::Verification(contact), START);
    fixture.store.issue_one_time_token(new).await.unwrap()
}

async fn verify(fixture: &Fixture, number: u8, user_id: UserId, now: Timestamp) -> bool {
    let request = VerifyIdentifier { digest: digest(number), user_id, origin: origin(), now };
    fixture.store.verify_identifier(request).await.unwrap()
}

async fn a_verification_is_of_one_identifier(fixture: &Fixture) {
    let (user, _) = with_contacts(fixture).await;
    assert_eq!(verification(fixture, 1, user, Contact::Email).await, Issue::Issued);
    assert_eq!(verification(fixture, 2, user, Contact::Phone).await, Issue::Issued);
    let verified = async || {
        let account = fixture.store.user(user).await.unwrap().unwrap();
        (account.email_verified_at, account.phone_verified_at)
    };
    assert!(verify(fixture, 2, user, at(5)).await);
    assert_eq!(verified().await, (None, Some(at(5))));
    assert!(!verify(fixture, 2, user, at(6)).await, "once");
    let moved = UpdateUser { identifiers: vec![named("a@b.org")], ..update(user) };
    fixture.store.update_user(moved).await.unwrap();
    assert!(!verify(fixture, 1, user, at(7)).await);
    assert_eq!(verified().await, (None, Some(at(5))));

    let bob = fixture.user("bob").await;
    assert_eq!(verification(fixture, 3, bob, Contact::Email).await, Issue::NoIdentifier);
    let audit = fixture.store.audit_after(0, 100).await.unwrap();
    let [.., phone, _, _] = audit.as_slice() else { panic!("{audit:?}") };
    assert_eq!((phone.action.as_str(), phone.detail.as_str()), ("VERIFY_IDENTIFIER", "kind=phone"));
}

async fn tokens_of_one_purpose_are_none_of_the_other(fixture: &Fixture) {
    let (user, contact) = with_contacts(fixture).await;
    issued(fixture, 1, user).await;
    assert_eq!(verification(fixture, 2, user, contact).await, Issue::Issued);
    is_dead(fixture, 2, user, at(1)).await;
    assert!(!verify(fixture, 1, user, at(1)).await);
    assert_eq!(live(fixture, 1, Purpose::Verification, at(1)).await, None);
    assert!(verify(fixture, 2, user, at(1)).await);
    assert!(live(fixture, 1, Purpose::PasswordReset, at(1)).await.is_some());
}

async fn tokens_go_with_their_user_and_with_time(fixture: &Fixture) {
    let count = async || fixture.count(Count::OneTimeTokens).await;
    let (alice, bob) = (fixture.user("alice").await, fixture.user("bob").await);
    issued(fixture, 1, alice).await;
    issued(fixture, 2, bob).await;
    fixture.store.end_user(end_user(alice, UserEnding::Delete, at(1))).await.unwrap();
    assert_eq!(count().await, 1);
    let end = START.plus(LIFE);
    let before = Timestamp::from_micros(end.micros() - 1);
    fixture.store.sweep(sweep(before, 10)).await.unwrap();
    assert_eq!(count().await, 1);
    let swept = fixture.store.sweep(sweep(end, 10)).await.unwrap();
    assert_eq!((swept.rows, count().await), (1, 0));
}
