//! VK, continued: which keys there are, and which of them are believed.

use std::{path::Path, sync::Arc, time::Duration};

use tokenward::{
    app::{Access, Core, Environment, StartError},
    config::Settings,
    crypto::{
        generate::{self, KeyBits},
        key_fault::KeyFault,
    },
    domain::{clock::Timestamp, keys},
    service::Caller,
};

use super::{
    forge::{Forge, Key, Members},
    table::{Seen, access_token},
};
use crate::support::{
    determinism::{ManualClock, START, SeededEntropy},
    world::{Engine, World, question, shared_keys},
};

fn named_by(instant: Timestamp) -> String {
    keys::file_name(instant).expect("a name")
}

fn hours(n: u64) -> Duration {
    Duration::from_hours(n)
}

/// Key folders of a world's own: these access keys, and the shared refresh key.
fn own_keys(settings: &mut Settings, access: &[&str]) {
    let keys = settings.data_dir.join("keys");
    for name in access {
        generate_in(&keys.join("access"), name);
    }
    copy_key("refresh/test.pem", &keys.join("refresh/test.pem"));
    settings.keys.dir = Some(keys);
}

fn generate_in(folder: &Path, name: &str) {
    std::fs::create_dir_all(folder).expect("a folder");
    generate::generate(folder, name, KeyBits::Rsa2048).expect("a key");
}

fn copy_key(shared: &str, to: &Path) {
    std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
    std::fs::copy(shared_keys().join(shared), to).expect("copied");
}

async fn verify(world: &World, token: &str) -> Seen {
    let verdict = world.auth().verify(&question(token)).await.expect("a verdict");
    if verdict.reason.is_none() { Seen::Active } else { Seen::Invalid }
}

/// VK-13, VK-25, VT-04: two trusted keys, of which one will sign later.
#[tokio::test]
async fn vk_13_vk_25_each_key_answers_for_its_own_name() {
    let (now, later) = (named_by(START.minus(hours(1))), named_by(START.plus(hours(1))));
    let names = [now.as_str(), &later];
    let world = World::with(Engine::Sqlite, |settings| own_keys(settings, &names)).await;
    let world = world.expect("SQLite is always there");
    world.user("alice").await;
    let login = world.login("alice").await;
    let folder = world.settings.access_keys_dir();
    let signing = Forge::new(Key::load(&folder.join(&now)), access_token(&login), "at+jwt");
    let standby = Forge {
        key: Key::load(&folder.join(&later)),
        header: signing.header.clone(),
        claims: signing.claims.clone(),
    };
    let (a, b) = (signing.key.kid(), standby.key.kid());
    let header = |kid: &str| signing.header.clone().set("kid", format!("\"{kid}\"")).text();
    let claims = signing.claims.text();
    assert_eq!(verify(&world, &signing.signed(header(&a), &claims)).await, Seen::Active);
    assert_eq!(verify(&world, &signing.signed(header(&b), &claims)).await, Seen::Invalid, "VK-13");
    assert_eq!(verify(&world, &standby.signed(header(&a), &claims)).await, Seen::Invalid, "VK-13");
    // VK-25 decided: a published key is trusted before its first signature,
    // since the clocks of replicas differ; nobody else can sign with it.
    assert_eq!(verify(&world, &standby.signed(header(&b), &claims)).await, Seen::Active, "VK-25");
    // A third key, well made and in no folder.
    let elsewhere = tempfile::tempdir().expect("a folder");
    generate_in(elsewhere.path(), "third.pem");
    let third = Forge {
        key: Key::load(&elsewhere.path().join("third.pem")),
        header: Members::of("{}"),
        claims: Members::of("{}"),
    };
    let kid = third.key.kid();
    assert_eq!(verify(&world, &third.signed(header(&kid), &claims)).await, Seen::Invalid, "VT-04");
    assert_eq!(verify(&world, access_token(&login)).await, Seen::Active, "VT-34");
}

/// RV-16 decided: as long as a retired key is trusted, its tokens can end their
/// session too.
#[tokio::test]
async fn rv_16_a_token_of_a_retired_key_ends_its_session() {
    let minutes_ago = |n| named_by(START.minus(Duration::from_mins(n)));
    let (retired, signing) = (minutes_ago(60), minutes_ago(5));
    let names = [retired.as_str(), &signing];
    let world = World::with(Engine::Sqlite, |settings| own_keys(settings, &names)).await;
    let world = world.expect("SQLite is always there");
    world.user("alice").await;
    let login = world.login("alice").await;
    let key = |name: &str| Key::load(&world.settings.access_keys_dir().join(name));
    let Forge { header, claims, .. } = Forge::new(key(&signing), access_token(&login), "at+jwt");
    let forge = Forge { key: key(&retired), header, claims };
    let kid = format!("\"{}\"", forge.key.kid());
    let old = forge.signed(forge.header.clone().set("kid", kid).text(), forge.claims.text());
    assert_eq!(verify(&world, &old).await, Seen::Active, "VT-01");
    world.auth().revoke_token(&old, &Caller::default()).await.expect("revoked");
    assert_eq!(verify(&world, access_token(&login)).await, Seen::Invalid);
}

/// VK-24: two files with one key, in one folder or in both.
#[tokio::test]
async fn vk_24_one_key_under_two_names_refuses_the_start() {
    let in_one: &[(&str, &str)] = &[
        ("access/test.pem", "access/a.pem"),
        ("access/test.pem", "access/b.pem"),
        ("refresh/test.pem", "refresh/test.pem"),
    ];
    let in_both: &[(&str, &str)] =
        &[("access/test.pem", "access/a.pem"), ("access/test.pem", "refresh/b.pem")];
    let apart: &[(&str, &str)] =
        &[("access/test.pem", "access/a.pem"), ("refresh/test.pem", "refresh/b.pem")];
    assert_eq!(faults(in_one).await, [KeyFault::Duplicate("a.pem".to_owned())]);
    assert_eq!(faults(in_both).await, [KeyFault::InBothSets("a.pem".to_owned())]);
    assert_eq!(faults(apart).await, []);
}

async fn faults(copies: &[(&str, &str)]) -> Vec<KeyFault> {
    let dir = tempfile::tempdir().expect("a folder");
    let mut settings = crate::support::world::settings(dir.path());
    let keys = dir.path().join("keys");
    for (shared, name) in copies {
        copy_key(shared, &keys.join(name));
    }
    settings.keys.dir = Some(keys);
    let environment = Environment {
        clock: Arc::new(ManualClock::new()),
        entropy: Arc::new(SeededEntropy::new(7)),
    };
    match Core::open(&settings, environment, Access::Serve).await {
        Ok(_) => Vec::new(),
        Err(StartError::Keys(error)) => error.problems.into_iter().map(|p| p.fault).collect(),
        Err(error) => panic!("{error}"),
    }
}
