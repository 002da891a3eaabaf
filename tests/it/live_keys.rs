//! Keys that follow their folders.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use serde_json::Value;
use tokenward::{
    crypto::{
        key_directory::KeyringError,
        key_fault::{KeyFault, KeyProblem},
        key_info::KeyState,
        live_keys::{LiveKeys, Reload},
        port::{CryptoError, TokenKeys},
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
    key_tools::{Bench, LIVES, good_key, set_mode},
};

const ACCESS: TokenType = TokenType::Access(AccessTokenType::AtJwt);
const DAY: Duration = Duration::from_hours(24);

/// The key ids of the JWKS, in its order.
fn shown(keys: &LiveKeys, now: Timestamp) -> Vec<String> {
    let jwks: Value = serde_json::from_slice(&keys.jwks(now).json).expect("JSON");
    let keys = jwks["keys"].as_array().expect("an array");
    keys.iter().map(|key| key["kid"].as_str().expect("a text").to_owned()).collect()
}

async fn signer(keys: &LiveKeys, at: Timestamp) -> KeyId {
    let token = keys.sign(ACCESS, "{}".into(), at).await.expect("a token");
    CompactToken::parse(&token).expect("our own form").kid
}

/// The faults for which a look left everything as it was.
fn refused(keys: &LiveKeys) -> Vec<KeyFault> {
    let before = keys.jwks(START);
    let Reload::Refused(error) = keys.reload(START) else { panic!("taken") };
    assert_eq!(keys.jwks(START), before, "the former keys stay");
    assert!(keys.can_sign(START));
    assert_eq!(keys.fault(), Some(error.to_string()), "and it is said");
    error.problems.into_iter().map(|problem| problem.fault).collect()
}

/// KM-18: a file that grows byte by byte changes nothing until it is whole.
#[test]
fn km_18_a_half_written_file() {
    let bench = Bench::with_refresh_key();
    bench.access_key(START);
    let (keys, _) = bench.follow();
    assert_eq!(keys.reload(START), Reload::Unchanged);
    let whole = good_key().as_bytes();
    for len in (0..whole.len() - 30).step_by(97).chain([whole.len() - 2]) {
        bench.put("access/2027-06-01T00-00-00Z.pem", &whole[..len]);
        assert_eq!(refused(&keys).len(), 1, "after {len} bytes");
    }
    bench.put("access/2027-06-01T00-00-00Z.pem", whole);
    assert_eq!(keys.reload(START), Reload::Taken);
    assert_eq!((keys.fault(), shown(&keys, START).len()), (None, 2));
    assert_eq!(keys.reload(START), Reload::Unchanged);
}

/// KM-19: what is missing or not to be read, and what nobody may use.
#[test]
fn km_19_the_old_keys_stay_on_any_doubt() {
    let bench = Bench::with_refresh_key();
    bench.access_key(START);
    bench.put("access/2027-06-01T00-00-00Z.pem", good_key().as_bytes());
    let (keys, _) = bench.follow();
    let next = bench.path("access/2027-06-01T00-00-00Z.pem");

    set_mode(&next, 0o644);
    assert_eq!(refused(&keys), [KeyFault::WorldReadable(0o644)]);
    set_mode(&next, 0o600);
    fs::rename(bench.path("refresh"), bench.path("elsewhere")).expect("ours");
    assert_eq!(refused(&keys), [KeyFault::NoDirectory]);
    fs::create_dir(bench.path("refresh")).expect("a folder");
    assert_eq!(refused(&keys), [KeyFault::NoKeys], "as while a mount is missing");
    fs::remove_dir(bench.path("refresh")).expect("empty");
    fs::rename(bench.path("elsewhere"), bench.path("refresh")).expect("ours");
    fs::copy(&next, bench.path("refresh/same.pem")).expect("a copy");
    assert_eq!(refused(&keys), [KeyFault::InBothSets("2027-06-01T00-00-00Z.pem".into())]);
    fs::remove_file(bench.path("refresh/same.pem")).expect("ours");

    assert_eq!(keys.reload(START), Reload::Unchanged, "all is as it was");
    assert_eq!(keys.fault(), None);
}

/// KM-21: a folder that was set back misses a key that gateways know already
/// or that has signed; once the key is dead, nobody misses it.
#[tokio::test]
async fn km_21_a_key_in_use_must_not_go() {
    let bench = Bench::with_refresh_key();
    let (old, current) = (bench.access_key(START), bench.access_key(START.plus(DAY)));
    let next = bench.access_key(START.plus(DAY * 30));
    let (keys, revoked) = bench.follow();
    let path = |instant| bench.path("access").join(file_name(instant).expect("a usual year"));
    let (aside, now) = (bench.path("aside"), START.plus(DAY));
    for instant in [now, START.plus(DAY * 30)] {
        fs::rename(path(instant), &aside).expect("ours");
        assert!(matches!(keys.reload(now), Reload::Refused(_)));
        assert_eq!(shown(&keys, now), [&current, &next, &old].map(ToString::to_string));
        fs::rename(&aside, path(instant)).expect("ours");
    }
    // The one that signs, due to sign tomorrow.
    let later = bench.path("access/2099-01-01T00-00-00Z.pem");
    fs::rename(path(now), &later).expect("ours");
    fs::rename(path(START), &aside).expect("ours");
    let dead = now.plus(LIVES.access).plus(Duration::from_mins(5));
    let Reload::Refused(error) = keys.reload(dead) else { panic!("taken") };
    assert_eq!(error.problems[0].fault, KeyFault::NothingSigns);
    fs::rename(&later, path(now)).expect("ours");
    assert_eq!(keys.reload(dead), Reload::Taken, "the first one is dead");

    revoked.extend([&current]);
    assert_eq!(signer(&keys, dead).await, next);
    fs::remove_file(path(now)).expect("ours");
    assert_eq!(keys.reload(dead), Reload::Refused(nothing_signs(&bench)), "before its instant");
    fs::rename(path(START.plus(DAY * 30)), path(now)).expect("ours");
    assert_eq!(keys.reload(dead), Reload::Taken);
    assert_eq!(signer(&keys, dead).await, next);
}

fn nothing_signs(bench: &Bench) -> KeyringError {
    let problem = KeyProblem { path: bench.path("access"), fault: KeyFault::NothingSigns };
    KeyringError { problems: vec![problem] }
}

/// KM-34: everything that puts a key in place is seen by looking: a new file,
/// a file renamed over another one, a link that points elsewhere.
#[tokio::test]
async fn km_34_ways_in_which_files_change() {
    let bench = Bench::with_refresh_key();
    let mount = |version: &str, names: &[&str]| {
        let folder = bench.path(&format!("access/..{version}"));
        fs::create_dir(&folder).expect("a folder");
        for name in names {
            let key = bench.path(name);
            fs::copy(key, folder.join(name)).expect("a copy");
        }
    };
    let point = |version: &str| {
        symlink(format!("..{version}"), bench.path("access/..data_tmp")).expect("a link");
        fs::rename(bench.path("access/..data_tmp"), bench.path("access/..data")).expect("ours");
    };
    let link = |name: &str| {
        let target = Path::new("..data").join(name);
        symlink(target, bench.path("access").join(name)).expect("a link");
    };
    bench.access_key(START);
    let first = file_name(START).expect("a usual year");
    fs::rename(bench.path("access").join(&first), bench.path(&first)).expect("ours");
    let second = file_name(START.plus(DAY)).expect("a usual year");
    bench.put(&second, good_key().as_bytes());

    mount("1", &[&first]);
    point("1");
    link(&first);
    let (keys, _) = bench.follow();
    assert_eq!(shown(&keys, START).len(), 1);
    mount("2", &[&first, &second]);
    assert_eq!(keys.reload(START), Reload::Unchanged);
    point("2");
    assert_eq!(keys.reload(START), Reload::Unchanged, "the new name is not there yet");
    link(&second);
    assert_eq!(keys.reload(START), Reload::Taken);
    assert_eq!(shown(&keys, START).len(), 2);

    // An editor's way: a dot file, renamed over the old one.
    let before = shown(&keys, START);
    bench.put("access/.new", format!("\n{}", good_key()).as_bytes());
    fs::rename(bench.path("access/.new"), bench.path("access").join(&second)).expect("ours");
    assert_eq!(keys.reload(START), Reload::Taken);
    assert_eq!(shown(&keys, START), before, "the same key with another first line");
}

/// KM-23: a revoked key is shown no more, the standby signs in its place on
/// every replica, also for a moment that has passed, and its tokens are still
/// told from those of strangers.
#[tokio::test]
async fn km_23_the_standby_signs_for_a_revoked_key() {
    let bench = Bench::with_refresh_key();
    let current = bench.access_key(START);
    let standby = bench.access_key(START.plus(DAY * 30));
    let (keys, revoked) = bench.follow();
    let now = START.plus(DAY);
    let token = keys.sign(ACCESS, "{}".into(), now).await.expect("a token");
    revoked.extend([&current]);
    assert_eq!(shown(&keys, now), [standby.to_string()]);
    assert_eq!(signer(&keys, now).await, standby);
    assert_eq!(signer(&keys, START).await, standby);
    assert!(keys.check(&CompactToken::parse(&token).expect("ours"), now).is_some());
    let states = |keys: &LiveKeys| keys.keys(now).iter().map(|key| key.state).collect::<Vec<_>>();
    let expected = [KeyState::Revoked, KeyState::Signing, KeyState::Signing];
    assert_eq!(states(&keys), expected);
    assert_eq!(keys.reload(now), Reload::Unchanged);
    let (restarted, known) = bench.follow();
    known.extend([&current]);
    assert_eq!(states(&restarted), expected, "the file is still there");

    revoked.extend([&standby]);
    assert!(!keys.can_sign(now));
    let refused = keys.sign(ACCESS, "{}".into(), now).await;
    assert!(matches!(refused, Err(CryptoError::NoSigningKey(_))), "{refused:?}");
    assert!(shown(&keys, now).is_empty());
}

/// KM-26: a replica whose clock is ahead signs with the next key a little early;
/// one whose clock is behind trusts it all the same, and shows it.
#[tokio::test]
async fn km_26_clocks_that_differ_at_the_change() {
    let bench = Bench::with_refresh_key();
    let change = START.plus(DAY);
    bench.access_key(START);
    let next = bench.access_key(change);
    let (ahead, behind) = (bench.follow().0, bench.follow().0);
    let difference = Duration::from_secs(2);
    let token = ahead.sign(ACCESS, "{}".into(), change).await.expect("a token");
    let token = CompactToken::parse(&token).expect("our own form");
    assert_eq!(token.kid, next);
    assert!(behind.check(&token, change.minus(difference)).is_some());
    assert!(shown(&behind, change.minus(difference)).contains(&next.to_string()));
}

/// KM-18: whoever reads while keys are reloaded sees one whole set or the
/// other.
#[test]
fn km_18_readers_see_whole_sets() {
    let bench = Bench::with_refresh_key();
    bench.access_key(START);
    let (keys, _) = bench.follow();
    let alone = keys.jwks(START);
    bench.put("access/2026-01-01T00-00-00Z.pem", good_key().as_bytes());
    assert_eq!(keys.reload(START), Reload::Taken);
    let both = keys.jwks(START);
    let (done, end) = (AtomicBool::new(false), START.plus(DAY));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0_u32;
            while !done.load(Ordering::Relaxed) || reads < 1_000 {
                let read = keys.jwks(START);
                assert!(read.json == alone.json || read.json == both.json);
                reads += 1;
            }
        });
        for round in 0..100 {
            // The older key has expired by then, so that nobody misses it.
            let name = bench.path("access/2026-01-01T00-00-00Z.pem");
            let aside = bench.path("aside");
            let (from, to) = if round % 2 == 0 { (name, aside) } else { (aside, name) };
            fs::rename(from, to).expect("ours");
            assert!(!matches!(keys.reload(end), Reload::Unchanged), "round {round}");
        }
        done.store(true, Ordering::Relaxed);
        reader.join().expect("no panic");
    });
}
