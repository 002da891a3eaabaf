//! The key set as the service uses it.

use std::{fs, time::Duration};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::JwkSet};
use serde_json::Value;
use tokenward::{
    crypto::{
        generate::{KeyBits, generate},
        key_fault::KeyFault,
        key_info::KeyState::{Expired, Retired, Signing, Standby},
        keyring::Keyring,
        port::{CryptoError, KeyPurpose, TokenKeys},
    },
    domain::{
        clock::Timestamp,
        id::KeyId,
        keys::file_name,
        token::{AccessTokenType, CompactToken, TokenType},
    },
};

use crate::support::{
    determinism::START,
    key_tools::{Bench, LIVES, good_key},
};

const ACCESS: TokenType = TokenType::Access(AccessTokenType::AtJwt);
const DAY: Duration = Duration::from_hours(24);

/// Access keys that sign from these instants, and one refresh key.
fn scheduled(instants: &[Timestamp]) -> (Keyring, Vec<KeyId>) {
    let bench = Bench::with_refresh_key();
    let make = |from: &Timestamp| {
        let name = file_name(*from).expect("a usual year");
        generate(&bench.path("access"), &name, KeyBits::Rsa2048).expect("a key")
    };
    let kids = instants.iter().map(make).collect();
    (bench.load().expect("usable"), kids)
}

async fn sign(keyring: &Keyring, token_type: TokenType, at: Timestamp) -> String {
    let claims = r#"{"iss":"https://id.example.org","sub":"a"}"#;
    keyring.sign(token_type, claims.into(), at).await.expect("a token")
}

fn check(keyring: &Keyring, token: &str, now: Timestamp) -> Option<KeyPurpose> {
    keyring.check(&CompactToken::parse(token).ok()?, now)
}

/// KM-17, VT-01: the schedule decides who signs; a retired key verifies until
/// its last token is dead, to the microsecond.
#[tokio::test]
async fn km_17_keys_sign_and_retire_by_schedule() {
    let change = START.plus(DAY);
    let (keyring, kids) = scheduled(&[START, change]);
    let kid = |token: &str| CompactToken::parse(token).expect("our own form").kid;
    let last_micro = change.minus(Duration::from_micros(1));
    let old = sign(&keyring, ACCESS, last_micro).await;
    assert_eq!(kid(&old), kids[0]);
    assert_eq!(kid(&sign(&keyring, ACCESS, change).await), kids[1]);
    let end = change.plus(LIVES.access).plus(Duration::from_mins(5));
    let before_end = end.minus(Duration::from_micros(1));
    assert_eq!(check(&keyring, &old, before_end), Some(KeyPurpose::Access));
    assert_eq!(check(&keyring, &old, end), None);
    assert_eq!(keyring.jwks(before_end).json, jwks_text(&keyring, &[&kids[1], &kids[0]]));
    assert_eq!(keyring.jwks(end).json, jwks_text(&keyring, &[&kids[1]]));
    assert_eq!(keyring.jwks(START).json, jwks_text(&keyring, &[&kids[0], &kids[1]]));
    assert_eq!(keyring.jwks(START).etag, keyring.jwks(last_micro).etag);
    assert_ne!(keyring.jwks(START).etag, keyring.jwks(end).etag);
}

fn jwks_text(keyring: &Keyring, kids: &[&KeyId]) -> String {
    let jwk = |kid: &&KeyId| keyring.public_key(kid).expect("an access key").jwk();
    format!(r#"{{"keys":[{}]}}"#, kids.iter().map(jwk).collect::<Vec<_>>().join(","))
}

/// KM-27: refresh keys verify for us and are shown to nobody.
#[tokio::test]
async fn km_27_refresh_keys_stay_in_the_house() {
    let (keyring, _) = scheduled(&[START]);
    let token = sign(&keyring, TokenType::Refresh, START).await;
    assert_eq!(check(&keyring, &token, START), Some(KeyPurpose::Refresh));
    let keys = keyring.keys(START);
    let refresh = keys.iter().find(|key| key.purpose == KeyPurpose::Refresh).expect("one");
    assert!(keyring.public_key(&refresh.kid).is_none());
    let jwks: Value = serde_json::from_slice(&keyring.jwks(START).json).expect("JSON");
    for key in jwks["keys"].as_array().expect("an array") {
        assert_ne!(key["kid"], refresh.kid.as_str());
        let members: Vec<_> = key.as_object().expect("an object").keys().collect();
        assert_eq!(members, ["kty", "kid", "use", "alg", "n", "e"]);
    }
}

/// The JWKS is enough for anyone with a JWT library.
#[tokio::test]
async fn km_24_tokens_decode_with_the_published_key() {
    let (keyring, kids) = scheduled(&[START]);
    let token = sign(&keyring, ACCESS, START).await;
    let set: JwkSet = serde_json::from_slice(&keyring.jwks(START).json).expect("a JWK Set");
    let key = DecodingKey::from_jwk(set.find(kids[0].as_str()).expect("published")).expect("RSA");
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    let decoded = jsonwebtoken::decode::<Value>(&token, &key, &validation).expect("valid");
    assert_eq!(decoded.claims["sub"], "a");
    assert_eq!(decoded.header.typ.as_deref(), Some("at+jwt"));
}

/// P4: replicas that share the directories mint the same bytes.
#[tokio::test]
async fn p4_replicas_mint_the_same_bytes() {
    let bench = Bench::with_refresh_key();
    bench.put("access/key.pem", good_key().as_bytes());
    let (one, two) = (bench.load().expect("usable"), bench.load().expect("usable"));
    for token_type in [ACCESS, TokenType::Refresh] {
        let token = sign(&one, token_type, START).await;
        assert_eq!(sign(&two, token_type, START).await, token);
        assert!(check(&two, &token, START).is_some());
    }
}

/// VK-03, VK-13, VS-07: another key's name, another token's signature, and
/// every single altered character.
#[tokio::test]
async fn vk_13_only_the_named_key_and_the_exact_text_verify() {
    let (keyring, _) = scheduled(&[START, START.plus(DAY)]);
    let token = sign(&keyring, ACCESS, START).await;
    let other = sign(&keyring, ACCESS, START.plus(DAY)).await;
    assert!(check(&keyring, &token, START).is_some());
    let (input, signature) = token.rsplit_once('.').expect("three parts");
    let (other_input, other_signature) = other.rsplit_once('.').expect("three parts");
    for wrong in [format!("{input}.{other_signature}"), format!("{other_input}.{signature}")] {
        assert_eq!(check(&keyring, &wrong, START), None);
    }
    for index in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(bytes).expect("ASCII");
        assert_eq!(check(&keyring, &altered, START), None, "at {index}");
    }
    let (stranger, _) = scheduled(&[START]);
    assert_eq!(check(&stranger, &token, START), None, "an unknown kid");
}

/// KM-22: without a key for the time there is no token, and it is said.
#[tokio::test]
async fn km_22_no_key_signs_before_its_time() {
    let (keyring, _) = scheduled(&[START.plus(DAY)]);
    assert!(!keyring.can_sign(START));
    let refused = keyring.sign(ACCESS, "{}".into(), START).await;
    assert!(matches!(refused, Err(CryptoError::NoSigningKey(START))), "{refused:?}");
    assert!(keyring.can_sign(START.plus(DAY)));
    assert!(String::from_utf8_lossy(&keyring.jwks(START).json).contains("kid"), "shown early");
}

#[tokio::test]
async fn listing_says_what_each_key_does() {
    let bench = Bench::with_refresh_key();
    bench.put("access/static.pem", good_key().as_bytes());
    let instants = [START, START.plus(DAY)];
    for from in instants {
        let name = file_name(from).expect("a usual year");
        generate(&bench.path("access"), &name, KeyBits::Rsa2048).expect("a key");
    }
    let keyring = bench.load().expect("usable");
    let states = |now| {
        let keys = keyring.keys(now);
        let access = keys.iter().filter(|key| key.purpose == KeyPurpose::Access);
        access.map(|key| key.state).collect::<Vec<_>>()
    };
    assert_eq!(states(START.minus(DAY)), [Signing, Standby, Standby]);
    assert_eq!(states(START), [Retired, Signing, Standby]);
    assert_eq!(states(START.plus(DAY)), [Expired, Retired, Signing]);
    let dates: Vec<_> = keyring.keys(START).into_iter().map(|key| key.signs_from).collect();
    assert_eq!(dates, [None, Some(instants[0]), Some(instants[1]), None]);
    assert!(keyring.keys(START).iter().all(|key| key.bits == 2048));
}

/// VK-24, KM-15: one key twice in a directory, or in both directories.
#[test]
fn vk_24_km_15_one_key_twice() {
    let bench = Bench::with_refresh_key();
    bench.put("access/a.pem", good_key().as_bytes());
    bench.put("access/b.pem", good_key().as_bytes());
    let error = bench.load().expect_err("refused");
    assert_eq!(error.problems.len(), 1, "{error}");
    assert_eq!(error.problems[0].fault, KeyFault::Duplicate("a.pem".into()));
    fs::rename(bench.path("access/b.pem"), bench.path("refresh/b.pem")).expect("ours");
    let error = bench.load().expect_err("refused");
    assert_eq!(error.problems.len(), 1, "{error}");
    assert_eq!(error.problems[0].fault, KeyFault::InBothSets("a.pem".into()));
}

/// KM-19: everything that is wrong is said at once.
#[test]
fn km_19_every_problem_is_listed() {
    let bench = Bench::new();
    bench.put("access/a.pem", b"");
    bench.put("access/b.pem", b"junk");
    bench.put("access/c.pem", good_key().as_bytes());
    let error = bench.load().expect_err("refused");
    let faults: Vec<_> = error.problems.iter().map(|problem| &problem.fault).collect();
    assert_eq!(faults, [&KeyFault::Empty, &KeyFault::NotPem, &KeyFault::NoKeys]);
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    for part in ["a.pem: is empty", "b.pem: is not a PEM", "refresh: holds no key", "keys generate"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    fs::remove_dir(bench.path("refresh")).expect("empty");
    let error = bench.load().expect_err("refused");
    assert_eq!(error.problems[2].fault, KeyFault::NoDirectory, "{error}");
}
