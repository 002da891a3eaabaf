//! VS-13, VS-16: what a bad key would allow is prevented at the door.

use std::{os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};

use rsa::{
    BigUint, RsaPrivateKey,
    pkcs1::LineEnding,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _},
    traits::{PrivateKeyParts as _, PublicKeyParts as _},
};
use tokenward::crypto::{
    generate::{self, KeyBits},
    key_fault::KeyFault,
    keyring::{Keyring, TokenLives},
    workers::{WorkerSettings, Workers},
};

use crate::support::{determinism::ManualClock, world::shared_keys};

/// What the key ring says of one key file beside a good refresh key.
fn faults(pem: &str) -> Vec<KeyFault> {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("key.pem");
    std::fs::write(&file, pem).expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let settings =
        WorkerSettings { threads: std::num::NonZeroUsize::MIN, ..WorkerSettings::default() };
    let workers =
        Arc::new(Workers::start(settings, Arc::new(ManualClock::new())).expect("threads"));
    let day = Duration::from_hours(24);
    let lives = TokenLives { access: day, refresh: day };
    match Keyring::load(dir.path(), &shared_keys().join("refresh"), lives, workers) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems.into_iter().map(|problem| problem.fault).collect(),
    }
}

fn pem(key: &RsaPrivateKey) -> String {
    key.to_pkcs8_pem(LineEnding::LF).expect("PEM").to_string()
}

fn load(file: &Path) -> RsaPrivateKey {
    RsaPrivateKey::from_pkcs8_pem(&std::fs::read_to_string(file).expect("a file")).expect("a key")
}

/// A key whose primes allow the public exponent 3: one in four does.
fn with_exponent_3() -> RsaPrivateKey {
    let dir = tempfile::tempdir().expect("a folder");
    for n in 0..100 {
        let name = format!("{n}.pem");
        generate::generate(dir.path(), &name, KeyBits::Rsa2048).expect("a key");
        let key = load(&dir.path().join(&name));
        let [p, q] = key.primes() else { panic!("two primes") };
        if let Ok(key) = RsaPrivateKey::from_p_q(p.clone(), q.clone(), BigUint::from(3_u8)) {
            return key;
        }
    }
    panic!("no key allows the exponent 3")
}

/// VS-16: with e = 3 a signature can be written down without any key, if a
/// verifier is lax (Bleichenbacher 2006). Ours is not, and such a key is not
/// loaded either.
#[test]
fn vs_16_a_key_with_a_small_exponent_is_not_loaded() {
    let key = with_exponent_3();
    assert_eq!(*key.e(), BigUint::from(3_u8));
    assert_eq!(faults(&pem(&key)), [KeyFault::Exponent]);
    let good = load(&shared_keys().join("access/test.pem"));
    assert_eq!(faults(&pem(&good)), [], "the neighbour");
}

/// VS-13: over 4096 bits a check takes long enough to be an attack, and the
/// second opinion of the `rsa` crate ends there.
#[test]
fn vs_13_a_key_over_4096_bits_is_not_loaded() {
    for bits in [4_097, 8_192] {
        assert_eq!(faults(&oversized(bits)), [KeyFault::TooLong(bits)], "VS-13: {bits}");
    }
}

/// The file of a key with a modulus of that many bits. Its numbers do not
/// belong together: the length is looked at first.
fn oversized(bits: usize) -> String {
    let one = BigUint::from(1_u8);
    let modulus = (&one << (bits - 1)) + &one;
    let half = (&one << (bits / 2)) + &one;
    let (zero, e) = (BigUint::default(), BigUint::from(65_537_u32));
    let numbers = [&zero, &modulus, &e, &half, &half, &half, &half, &half, &half];
    let der = element(0x30, &numbers.map(integer).concat());
    let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!(
        "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n",
        lines.join("\n")
    )
}

fn integer(number: &BigUint) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    let sign: &[u8] = if bytes[0] & 0x80 == 0 { &[] } else { &[0] };
    element(0x02, &[sign, &bytes].concat())
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = match content.len() {
        short @ 0..128 => vec![u8::try_from(short).expect("short")],
        middle @ 128..256 => vec![0x81, u8::try_from(middle).expect("short")],
        long => [&[0x82], &u16::try_from(long).expect("short").to_be_bytes()[..]].concat(),
    };
    [&[tag][..], &length, content].concat()
}
