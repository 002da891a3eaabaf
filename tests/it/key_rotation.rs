//! Keys that change by themselves.

use std::{collections::HashSet, fs, sync::Arc, time::Duration};

use futures_util::future::join_all;
use jsonwebtoken::{Algorithm, DecodingKey, jwk::JwkSet};
use tokenward::{
    app::{Access, Core, Environment, StartError},
    config::{DatabaseUrl, Settings},
    crypto::{
        generate::{KeyBits, generate},
        key_rotation::{RotationError, make_first},
        live_keys::Reload,
        port::{KeyPurpose, TokenKeys},
    },
    domain::{
        clock::Timestamp,
        keys::{RotationRules, file_name},
        token::{AccessTokenType, CompactToken, TokenType},
    },
};

use crate::{
    on_both_engines,
    support::{
        determinism::{ManualClock, START, SeededEntropy},
        key_tools::{Bench, LIVES, good_key},
        postgres::fresh_database,
        world::{Engine, World, settings},
    },
};

const ACCESS: TokenType = TokenType::Access(AccessTokenType::AtJwt);
const MINUTE: Duration = Duration::from_mins(1);
const RULES: RotationRules =
    RotationRules { period: Duration::from_hours(2), lead: Duration::from_mins(20) };

fn kids(keys: &dyn TokenKeys) -> Vec<String> {
    keys.keys(START).into_iter().map(|key| key.kid.to_string()).collect()
}

/// KM-16, KM-17: a client that keeps the JWKS for ten minutes and asks for it
/// at no other time never meets a key that it does not know, nor a token that
/// the server does not trust, through ten rotations.
#[tokio::test]
async fn p5_km_16_ten_rotations_beside_a_client_that_never_asks_again() {
    let bench = Bench::new();
    make_first(&bench.folders()).expect("keys");
    let (keys, _) = bench.follow();
    let mut cached: JwkSet = serde_json::from_slice(&keys.jwks(START).json).expect("a JWK Set");
    let (mut live, mut signers) = (Vec::new(), HashSet::new());
    let mut now = START;
    for minutes in 0_u32.. {
        if signers.len() > 10 {
            break;
        }
        if minutes.is_multiple_of(10) {
            cached = serde_json::from_slice(&keys.jwks(now).json).expect("a JWK Set");
        }
        keys.make_due(now, RULES).expect("a folder of ours");
        let token = keys.sign(ACCESS, "{}".into(), now).await.expect("a token");
        live.push((now, token));
        live.retain(|(since, _)| now.since(*since) < LIVES.access);
        for (_, token) in &live {
            let parts = CompactToken::parse(token).expect("our own form");
            assert_eq!(keys.check(&parts, now), Some(KeyPurpose::Access), "minute {minutes}");
            let known = cached.find(parts.kid.as_str());
            let known = known.unwrap_or_else(|| panic!("unknown key in minute {minutes}"));
            signers.insert(parts.kid.to_string());
            let key = DecodingKey::from_jwk(known).expect("RSA");
            assert!(
                jsonwebtoken::crypto::verify(
                    parts.signature,
                    parts.signing_input.as_bytes(),
                    &key,
                    Algorithm::RS256
                )
                .expect("verified"),
            );
        }
        let ids: Vec<_> = cached.keys.iter().map(|jwk| &jwk.common.key_id).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "no key twice");
        assert!((2..=3).contains(&ids.len()) || minutes < 10, "{ids:?}");
        now = now.plus(MINUTE);
    }
}

/// KM-25, KM-31: whoever is at it, there is one next key, and all have it.
#[test]
fn km_25_replicas_make_one_next_key() {
    let bench = Bench::new();
    make_first(&bench.folders()).expect("keys");
    let replicas: Vec<_> = (0..3).map(|_| bench.follow().0).collect();
    std::thread::scope(|scope| {
        for keys in &replicas {
            scope.spawn(|| keys.make_due(START, RULES).expect("a folder of ours"));
        }
    });
    for keys in &replicas {
        keys.reload(START);
        assert_eq!(kids(keys), kids(&replicas[0]));
    }
    assert_eq!(kids(&replicas[0]).len(), 4, "one to sign and one to stand by, of each purpose");
    assert!(replicas[0].make_due(START, RULES).expect("a folder of ours").is_empty());
}

/// KM-33: after a long pause the next key keeps the rhythm and the lead; it is
/// as long as the one before.
#[test]
fn km_33_the_rhythm_is_kept_after_a_pause() {
    let bench = Bench::new();
    let name = file_name(START).expect("a usual year");
    for folder in ["access", "refresh"] {
        generate(&bench.path(folder), &name, KeyBits::Rsa3072).expect("a key");
    }
    let (keys, _) = bench.follow();
    let now = START.plus(RULES.period * 100).plus(MINUTE);
    keys.make_due(now, RULES).expect("a folder of ours");
    let next: Vec<_> = keys.keys(now).into_iter().filter(|key| key.bits == 3072).collect();
    let instants: Vec<_> = next.iter().filter_map(|key| key.signs_from).collect();
    let expected = [START, START.plus(RULES.period * 101)];
    assert_eq!(instants, [expected, expected].concat());
}

/// Keys that somebody brought without a date stay what they are, and nothing is
/// added where something is wrong.
#[test]
fn km_32_what_is_somebody_elses_is_left_alone() {
    let bench = Bench::with_refresh_key();
    bench.put("access/site.pem", good_key().as_bytes());
    let (keys, _) = bench.follow();
    assert!(keys.make_due(START, RULES).expect("nothing to do").is_empty());
    assert_eq!(kids(&keys).len(), 2);

    let bench = Bench::new();
    make_first(&bench.folders()).expect("keys");
    let (keys, _) = bench.follow();
    bench.put("access/.half.tmp", b"left by a process that was killed");
    bench.put("access/half.pem", b"-----BEGIN");
    let refused = keys.make_due(START, RULES);
    assert!(matches!(refused, Err(RotationError::Faulty(_))), "{refused:?}");
    fs::remove_file(bench.path("access/half.pem")).expect("ours");
    assert_eq!(keys.make_due(START, RULES).expect("a folder of ours").len(), 2);
    assert_eq!(keys.reload(START), Reload::Unchanged);
}

/// KM-18: whoever reads the JWKS sees whole sets while keys rotate and are
/// reloaded a hundred times: never an empty one, never a key twice.
#[test]
fn km_18_the_jwks_is_whole_through_a_hundred_changes() {
    let bench = Bench::new();
    make_first(&bench.folders()).expect("keys");
    let (keys, _) = bench.follow();
    let ends: Vec<Timestamp> = (0..50_u32).map(|n| START.plus(RULES.period * n)).collect();
    std::thread::scope(|scope| {
        let changing = scope.spawn(|| {
            for now in &ends {
                keys.make_due(*now, RULES).expect("a folder of ours");
            }
        });
        let mut reads = 0_u32;
        while !changing.is_finished() || reads < 1_000 {
            let now = ends[reads as usize % ends.len()];
            let set: JwkSet = serde_json::from_slice(&keys.jwks(now).json).expect("a JWK Set");
            let ids: HashSet<_> = set.keys.iter().map(|jwk| &jwk.common.key_id).collect();
            assert!(!ids.is_empty() && ids.len() == set.keys.len(), "{ids:?}");
            reads += 1;
        }
    });
    assert_eq!(keys.keys(START).len(), 2 * 51);
}

on_both_engines!(replicas_on_an_empty_folder_make_one_key_set, km_22_gone_keys_are_not_replaced);

async fn new_database(engine: Engine, settings: &mut Settings) -> bool {
    settings.keys.dir = Some(settings.data_dir.join("keys"));
    if engine == Engine::Sqlite {
        return true;
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let Some(url) = fresh_database(&test).await else { return false };
    settings.database.url = Some(DatabaseUrl::from(url));
    true
}

async fn open(settings: &Settings) -> Result<Core, StartError> {
    let entropy = Arc::new(SeededEntropy::new(7));
    let environment = Environment { clock: Arc::new(ManualClock::new()), entropy };
    Core::open(settings, environment, Access::Serve).await
}

/// Three replicas start at once on an empty shared folder.
async fn replicas_on_an_empty_folder_make_one_key_set(engine: Engine) {
    let dir = tempfile::tempdir().expect("a folder");
    let mut settings = settings(dir.path());
    if !new_database(engine, &mut settings).await {
        return;
    }
    let cores = join_all((0..3).map(|_| open(&settings))).await;
    let cores: Vec<_> = cores.into_iter().map(|core| core.expect("a core")).collect();
    for folder in ["access", "refresh"] {
        let files = fs::read_dir(dir.path().join("keys").join(folder)).expect("made");
        let names: Vec<_> = files.map(|file| file.expect("an entry").file_name()).collect();
        assert_eq!(names, ["2000-01-01T00-00-00Z.pem"]);
    }
    let mut sets = HashSet::new();
    for core in &cores {
        core.follower(MINUTE).look().await.expect("the log can be read");
        sets.insert(core.auth.jwks().expect("loaded").etag.clone());
    }
    assert_eq!(sets.len(), 1);
}

/// KM-22: over a database that was served, no fresh key is made in place of
/// keys that are gone, and it is said how to go on.
async fn km_22_gone_keys_are_not_replaced(engine: Engine) {
    let Some(world) = World::with(engine, |settings| {
        settings.keys.dir = Some(settings.data_dir.join("keys"));
    })
    .await
    else {
        return;
    };
    let refresh = world.settings.refresh_keys_dir();
    fs::remove_dir_all(&refresh).expect("ours");
    let refused = open(&world.settings).await.err().expect("refused");
    assert!(matches!(&refused, StartError::KeysGone(path) if *path == refresh), "{refused}");
    for advice in ["put its keys back", "backup", "keys generate"] {
        assert!(refused.to_string().contains(advice), "{advice}: {refused}");
    }
    assert!(!refresh.exists());
    let other = Settings { issuer: "https://other.example.org".into(), ..world.settings.clone() };
    let refused = open(&other).await.err().expect("refused");
    assert!(matches!(refused, StartError::OtherIssuer { .. }), "{refused}");
}
