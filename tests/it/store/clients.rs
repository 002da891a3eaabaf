//! Clients that administrators make.

use std::time::Duration;

use tokenward::{
    domain::{
        client::{Client, ClientProfile, SecretDigest},
        client_keys::ClientKeys,
        clock::Timestamp,
        id::ClientId,
        policy::{Audience, ClientPolicy, Lifetimes, Rotation, Scopes},
        revocation::{Reason, Revocation, Target},
    },
    store::port::{
        ChangeClient, Claim, ClientChange, ClientChanged, CreateClient, NewClient, NewSecret,
        NewSession, OpenSession, RevokeTarget, UseAssertion,
    },
};
use uuid::Uuid;

use super::{
    counts::Count,
    fixture::{Fixture, ISSUER, START, at, client, context, instance, new_session, sweep, unique},
    races::{RACERS, race, replicas},
};

on_every_store! {
    what_is_kept_of_a_client_is_what_was_given
    an_id_has_one_client
    one_of_32_takes_an_id
    an_etag_is_good_once
    one_of_32_changes_with_the_same_etag
    two_secrets_live_and_no_third
    of_32_rotations_two_secrets_are_left
    disabling_kills_once_and_enabling_revives_nothing
    ad_14_a_client_that_is_made_again_inherits_nothing
    ad_14_an_id_that_was_configured_goes_on_above_it
    a_configured_client_is_not_closed_by_one_of_its_id
    rf_01_one_of_32_uses_an_assertion
    used_assertions_are_swept_when_they_are_over
}

const JWKS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"one",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;

fn profile() -> ClientProfile {
    let audience = |text| Audience::parse(text).unwrap();
    ClientProfile {
        display_name: "'; DROP TABLE clients; --".to_owned(),
        policy: ClientPolicy {
            audiences: vec![audience("api"), audience("https://b")],
            scopes: Scopes::parse("read write").unwrap(),
            default_scopes: Scopes::parse("read").unwrap(),
            lifetimes: Lifetimes {
                access: Duration::from_mins(5),
                session: Duration::from_hours(1),
                idle: Some(Duration::from_mins(20)),
            },
            rotation: Rotation::Off,
            max_sessions_per_user: 3,
        },
        allow_login: true,
        keys: ClientKeys::parse(JWKS).unwrap(),
    }
}

fn secret() -> NewSecret {
    let id = unique();
    let mut digest = [0; 32];
    digest[..16].copy_from_slice(id.as_bytes());
    NewSecret { id, digest: SecretDigest::new(digest) }
}

fn new(name: &str, now: Timestamp) -> NewClient {
    NewClient {
        id: client(name),
        profile: profile(),
        secret: Some(secret()),
        etag: unique(),
        entry_id: unique(),
        context: context(now),
    }
}

fn change(name: &str, change: ClientChange, now: Timestamp) -> ChangeClient {
    ChangeClient {
        id: client(name),
        expected: None,
        change,
        etag: unique(),
        entry_id: unique(),
        context: context(now),
    }
}

fn rotate(grace: Duration) -> ClientChange {
    ClientChange::Rotate { secret: secret(), grace }
}

impl Fixture {
    async fn make(&self, name: &str, now: Timestamp) -> (Client, Option<Revocation>) {
        match self.store.create_client(new(name, now)).await.unwrap() {
            CreateClient::Created { client, revocation } => (client, revocation),
            CreateClient::Taken => panic!("taken"),
        }
    }

    async fn change(&self, name: &str, what: ClientChange, now: Timestamp) -> Client {
        self.changed(change(name, what, now)).await.0
    }

    async fn changed(&self, change: ChangeClient) -> (Client, Option<Revocation>) {
        match self.store.change_client(change).await.unwrap() {
            ClientChanged::Changed { client, revocation } => (client, revocation),
            other => panic!("{other:?}"),
        }
    }

    async fn found(&self, name: &str) -> Option<Client> {
        self.store.client(client(name)).await.unwrap().map(|standing| standing.client)
    }

    /// A session of a user on this client, if one can be opened.
    async fn session_on(&self, name: &str) -> Option<NewSession> {
        let user = self.user(&format!("user{}", unique().as_u128())).await;
        let mut new = new_session(user, 1);
        new.session.client_id = client(name);
        match self.store.open_session(new.clone()).await.unwrap() {
            OpenSession::Opened { session, .. } => Some(NewSession { session, ..new }),
            OpenSession::Refused => None,
        }
    }

    async fn is_live(&self, session: &NewSession) -> bool {
        let user = session.session.user_id;
        !self.store.sessions(user, None, 10, at(1)).await.unwrap().is_empty()
    }
}

async fn what_is_kept_of_a_client_is_what_was_given(fixture: &Fixture) {
    let (made, revocation) = fixture.make("worker", at(1)).await;
    assert_eq!((&made.profile, made.version, revocation), (&profile(), 1, None));
    assert_eq!((made.created_at, made.updated_at, made.disabled_at), (at(1), at(1), None));
    assert_eq!((made.secrets.len(), made.secrets[0].expires_at), (1, None));
    assert_eq!(fixture.found("worker").await, Some(made.clone()));
    let plain = NewClient {
        secret: None,
        profile: ClientProfile { keys: ClientKeys::default(), allow_login: false, ..profile() },
        ..new("app2", at(2))
    };
    fixture.store.create_client(plain.clone()).await.unwrap();
    let listed = fixture.store.clients(None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), ["app2", "worker"]);
    assert_eq!((&listed[0].profile, &listed[0].secrets), (&plain.profile, &Vec::new()));
    assert_eq!(listed[1], made);
    let page = |after: &str, limit| fixture.store.clients(ClientId::parse(after).ok(), limit);
    assert_eq!(page("", 1).await.unwrap().len(), 1);
    assert_eq!(page("app2", 1).await.unwrap(), [made]);
    assert!(page("worker", 1).await.unwrap().is_empty());
    assert_eq!(fixture.found("web").await, None, "it is of the configuration");

    let update = ClientChange::Update {
        profile: Box::new(plain.profile.clone()),
        detail: "fields=jwks_json".to_owned(),
    };
    let updated = fixture.change("worker", update, at(3)).await;
    assert_eq!((updated.profile, updated.updated_at), (plain.profile, at(3)));
    let audited = fixture.store.audit_after(0, 100).await.unwrap();
    let told: Vec<_> =
        audited.iter().map(|e| format!("{} {} {}", e.action, e.client, e.detail)).collect();
    assert_eq!(
        told,
        ["CREATE_CLIENT worker ", "CREATE_CLIENT app2 ", "UPDATE_CLIENT worker fields=jwks_json"]
    );
}

async fn an_id_has_one_client(fixture: &Fixture) {
    let (made, _) = fixture.make("worker", at(1)).await;
    let again = fixture.store.create_client(new("worker", at(2))).await.unwrap();
    assert!(matches!(again, CreateClient::Taken));
    assert_eq!(fixture.found("worker").await, Some(made), "nothing of it was left");
    let absent = fixture.store.change_client(change("nobody", ClientChange::Disable, at(2))).await;
    assert!(matches!(absent.unwrap(), ClientChanged::Absent));
}

async fn one_of_32_takes_an_id(fixture: &Fixture) {
    let stores = replicas(fixture).await;
    let outcomes = race(RACERS, |number| {
        let store = stores[number % 2].clone();
        async move { store.create_client(new("worker", at(1))).await.unwrap() }
    });
    let created = |outcome: &CreateClient| matches!(outcome, CreateClient::Created { .. });
    assert_eq!(outcomes.await.iter().filter(|outcome| created(outcome)).count(), 1);
    assert_eq!(fixture.found("worker").await.unwrap().version, 1);
    assert_eq!(fixture.found("worker").await.unwrap().secrets.len(), 1);
    stores[1].close().await;
}

async fn an_etag_is_good_once(fixture: &Fixture) {
    let (made, _) = fixture.make("worker", at(1)).await;
    let with = |etag: Uuid| ChangeClient {
        expected: Some(etag),
        ..change("worker", rotate(Duration::ZERO), at(2))
    };
    let (changed, _) = fixture.changed(with(made.etag)).await;
    assert_ne!(changed.etag, made.etag);
    let stale = fixture.store.change_client(with(made.etag)).await.unwrap();
    assert!(matches!(stale, ClientChanged::Stale));
    assert_eq!(fixture.found("worker").await, Some(changed));
}

async fn one_of_32_changes_with_the_same_etag(fixture: &Fixture) {
    let (made, _) = fixture.make("worker", at(1)).await;
    let stores = replicas(fixture).await;
    let outcomes = race(RACERS, |number| {
        let store = stores[number % 2].clone();
        let update = ClientChange::Update { profile: Box::new(profile()), detail: String::new() };
        let request = ChangeClient { expected: Some(made.etag), ..change("worker", update, at(2)) };
        async move { store.change_client(request).await.unwrap() }
    });
    let changed = |outcome: &ClientChanged| matches!(outcome, ClientChanged::Changed { .. });
    assert_eq!(outcomes.await.iter().filter(|outcome| changed(outcome)).count(), 1);
    stores[1].close().await;
}

async fn two_secrets_live_and_no_third(fixture: &Fixture) {
    fixture.make("worker", at(1)).await;
    let grace = Duration::from_mins(1);
    let live = |client: &Client, now| client.secrets.iter().filter(|s| s.lives(now)).count();
    let two = fixture.change("worker", rotate(grace), at(10)).await;
    assert_eq!(two.secrets.iter().map(|s| s.expires_at).collect::<Vec<_>>(), [Some(at(70)), None]);
    assert_eq!((live(&two, at(69)), live(&two, at(70))), (2, 1));
    let again = fixture.change("worker", rotate(grace), at(20)).await;
    assert_eq!(again.secrets[0].id, two.secrets[1].id, "the one before stays, the older is gone");
    assert_eq!(
        again.secrets.iter().map(|s| s.expires_at).collect::<Vec<_>>(),
        [Some(at(80)), None]
    );
    let one = fixture.change("worker", rotate(Duration::ZERO), at(30)).await;
    assert_eq!((one.secrets.len(), one.version), (1, 1), "tokens live on");
}

async fn of_32_rotations_two_secrets_are_left(fixture: &Fixture) {
    fixture.make("worker", at(1)).await;
    let stores = replicas(fixture).await;
    race(RACERS, |number| {
        let store = stores[number % 2].clone();
        let request = change("worker", rotate(Duration::from_mins(1)), at(2));
        async move { store.change_client(request).await.unwrap() }
    })
    .await;
    let secrets = fixture.found("worker").await.unwrap().secrets;
    assert_eq!(secrets.len(), 2);
    assert_eq!(secrets.iter().filter(|secret| secret.expires_at.is_none()).count(), 1);
    stores[1].close().await;
}

async fn disabling_kills_once_and_enabling_revives_nothing(fixture: &Fixture) {
    fixture.make("worker", START).await;
    let session = fixture.session_on("worker").await.expect("open");
    let disable = || change("worker", ClientChange::Disable, at(2));
    let (disabled, entry) = fixture.changed(disable()).await;
    let entry = entry.expect("an entry");
    assert_eq!(entry.target, Target::Client { id: client("worker"), min_version: 2 });
    assert_eq!((&entry.reason, disabled.disabled_at), (&Reason::ClientDisabled, Some(at(2))));
    let (again, same) = fixture.changed(disable()).await;
    assert_eq!((again, same), (disabled, Some(entry)), "nothing happened");
    assert!(fixture.session_on("worker").await.is_none());
    let enabled = fixture.change("worker", ClientChange::Enable, at(3)).await;
    assert_eq!((enabled.disabled_at, enabled.version), (None, 2));
    let unchanged = fixture.change("worker", ClientChange::Enable, at(4)).await;
    assert_eq!(unchanged, enabled);
    assert!(!fixture.is_live(&session).await);
    assert_eq!(fixture.log().await.len(), 1);
    assert!(fixture.session_on("worker").await.is_some());
}

async fn ad_14_a_client_that_is_made_again_inherits_nothing(fixture: &Fixture) {
    let (first, _) = fixture.make("worker", START).await;
    let session = fixture.session_on("worker").await.expect("open");
    let (gone, entry) = fixture.changed(change("worker", ClientChange::Delete, at(2))).await;
    assert_eq!(gone.id, first.id);
    let target = Target::Client { id: client("worker"), min_version: 2 };
    assert_eq!(
        entry.map(|entry| (entry.target, entry.reason)),
        Some((target, Reason::ClientDeleted))
    );
    assert_eq!(fixture.found("worker").await, None);
    assert!(fixture.session_on("worker").await.is_none(), "nobody logs in on it");
    assert_eq!(fixture.count(Count::ClientSecrets).await, 0);
    let absent = fixture.store.change_client(change("worker", ClientChange::Enable, at(3))).await;
    assert!(matches!(absent.unwrap(), ClientChanged::Absent));

    let (second, entry) = fixture.make("worker", at(4)).await;
    assert_eq!((second.version, second.disabled_at, second.secrets.len()), (3, None, 1));
    assert_ne!(second.etag, first.etag);
    assert_eq!(
        entry.map(|entry| entry.target),
        Some(Target::Client { id: client("worker"), min_version: 3 })
    );
    assert!(!fixture.is_live(&session).await);
    let stale = ChangeClient {
        expected: Some(first.etag),
        ..change("worker", ClientChange::Delete, at(5))
    };
    assert!(matches!(fixture.store.change_client(stale).await.unwrap(), ClientChanged::Stale));
}

/// Its table went from the configuration, and its sessions are there still.
async fn ad_14_an_id_that_was_configured_goes_on_above_it(fixture: &Fixture) {
    let session = fixture.session_on("web").await.expect("open");
    let (made, entry) = fixture.make("web", at(1)).await;
    assert_eq!(made.version, 2);
    assert!(entry.is_some() && !fixture.is_live(&session).await);
    fixture.revoke(RevokeTarget::Client(client("web")), at(2)).await.expect("an entry");
    assert_eq!(fixture.found("web").await.unwrap().version, 3);
}

async fn a_configured_client_is_not_closed_by_one_of_its_id(fixture: &Fixture) {
    let claim = async || fixture.store.claim(instance(ISSUER)).await.unwrap();
    fixture.make("web", at(1)).await;
    fixture.change("web", ClientChange::Disable, at(2)).await;
    assert!(matches!(claim().await, Claim::Ours { .. }));
    assert!(fixture.session_on("web").await.is_none(), "an administrator has said so");
    fixture.change("web", ClientChange::Delete, at(3)).await;
    assert!(fixture.session_on("web").await.is_none());
    claim().await;
    assert!(fixture.session_on("web").await.is_some(), "the configuration names it");
}

fn assertion(name: &str, digest: u8, end: Timestamp) -> UseAssertion {
    let digest = SecretDigest::new([digest; 32]);
    UseAssertion { client_id: client(name), digest, expires_at: end }
}

async fn rf_01_one_of_32_uses_an_assertion(fixture: &Fixture) {
    let stores = replicas(fixture).await;
    let outcomes = race(RACERS, |number| {
        let store = stores[number % 2].clone();
        async move { store.use_assertion(assertion("worker", 1, at(60))).await.unwrap() }
    });
    assert_eq!(outcomes.await.into_iter().filter(|first| *first).count(), 1);
    let first = async |used| fixture.store.use_assertion(used).await.unwrap();
    assert!(first(assertion("worker", 2, at(60))).await);
    assert!(first(assertion("other", 1, at(60))).await, "names are each client's own");
    fixture.make("worker", at(1)).await;
    fixture.change("worker", ClientChange::Delete, at(2)).await;
    assert!(!first(assertion("worker", 1, at(60))).await, "not even its successor uses it again");
    stores[1].close().await;
}

async fn used_assertions_are_swept_when_they_are_over(fixture: &Fixture) {
    for (digest, end) in [(1, 60), (2, 61), (3, 62)] {
        fixture.store.use_assertion(assertion("worker", digest, at(end))).await.unwrap();
    }
    // A minute more, for replicas whose clocks are behind.
    fixture.store.sweep(sweep(at(119), 10)).await.unwrap();
    assert_eq!(fixture.count(Count::Assertions).await, 3);
    assert!(
        fixture.store.sweep(sweep(at(122), 2)).await.unwrap().more,
        "no more than two at a time"
    );
    fixture.store.sweep(sweep(at(122), 2)).await.unwrap();
    assert_eq!(fixture.count(Count::Assertions).await, 0);
}
