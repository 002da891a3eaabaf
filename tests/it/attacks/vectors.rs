//! VS-10 to VS-14: signatures at every key size that is allowed, of the
//! classes that public vector sets cover. Made here from our own templates;
//! none is copied. Our verdict, AWS-LC's and the `rsa` crate's must agree.

use std::sync::Arc;

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256},
};
use rsa::{BigUint, Pkcs1v15Sign, traits::PublicKeyParts as _};
use tokenward::{
    crypto::{
        generate::{self, KeyBits},
        keyring::{Keyring, TokenLives},
        port::TokenKeys as _,
        workers::{WorkerSettings, Workers},
    },
    domain::token::CompactToken,
};

use super::{
    em,
    forge::{Key, encode, fixed_width},
};
use crate::support::{
    determinism::{ManualClock, START},
    world::shared_keys,
};

/// The `DigestInfo` of SHA-256 up to the hash (RFC 8017 section 9.2, note 1).
const SHA256_PREFIX: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];

/// A key of the product's key ring, and the test's own copy of it.
struct Bench {
    keyring: Keyring,
    key: Key,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new(bits: KeyBits) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        generate::generate(dir.path(), "key.pem", bits).expect("a key");
        let settings =
            WorkerSettings { threads: std::num::NonZeroUsize::MIN, ..WorkerSettings::default() };
        let workers =
            Arc::new(Workers::start(settings, Arc::new(ManualClock::new())).expect("threads"));
        let day = std::time::Duration::from_hours(24);
        let lives = TokenLives { access: day, refresh: day };
        let keyring = Keyring::load(dir.path(), &shared_keys().join("refresh"), lives, workers);
        let key = Key::load(&dir.path().join("key.pem"));
        Self { keyring: keyring.expect("keys"), key, _dir: dir }
    }

    fn signing_input(&self, payload: &str) -> String {
        let header = format!(r#"{{"alg":"RS256","typ":"at+jwt","kid":"{}"}}"#, self.key.kid());
        format!("{}.{}", encode(header), encode(payload))
    }

    /// Three verdicts: ours, AWS-LC's, the `rsa` crate's.
    fn verdicts(&self, input: &str, signature: &[u8]) -> [bool; 3] {
        let token = format!("{input}.{}", encode(signature));
        let ours =
            CompactToken::parse(&token).ok().and_then(|token| self.keyring.check(&token, START));
        let public = self.key.private().to_public_key();
        let (n, e) = (public.n().to_bytes_be(), public.e().to_bytes_be());
        let components = PublicKeyComponents { n: &n, e: &e };
        let aws = components.verify(&RSA_PKCS1_2048_8192_SHA256, input.as_bytes(), signature);
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, input.as_bytes());
        let scheme = Pkcs1v15Sign { hash_len: Some(32), prefix: Box::new(SHA256_PREFIX) };
        let rsa = public.verify(scheme, hash.as_ref(), signature);
        [ours.is_some(), aws.is_ok(), rsa.is_ok()]
    }

    /// Name, signature, and whether it is right.
    fn vectors(&self, input: &str) -> Vec<(String, Vec<u8>, bool)> {
        let k = self.key.private().size();
        let right = self.key.sign(&RSA_PKCS1_SHA256, input.as_bytes());
        assert_eq!(
            right,
            self.key.raw(&em::good(k, input.as_bytes())),
            "two ways to one signature"
        );
        let mut all = vec![("right".to_owned(), right.clone(), true)];
        let mut wrong = |what: String, signature| all.push((what, signature, false));
        for (what, em) in em::wrong(k, input.as_bytes()) {
            wrong(what, self.key.raw(&em));
        }
        let (n, one) = (self.key.private().n(), BigUint::from(1_u8));
        let s = BigUint::from_bytes_be(&right);
        let numbers = [
            ("0", BigUint::default()),
            ("1", one.clone()),
            ("2", BigUint::from(2_u8)),
            ("n - 1", n - &one),
            ("n", n.clone()),
            ("n + 1", n + &one),
            ("n - s", n - &s),
            ("s + 1", &s + &one),
            ("s - 1", &s - &one),
            ("2^k - 1", (one << (8 * k)) - BigUint::from(1_u8)),
        ];
        for (what, number) in numbers {
            wrong(what.to_owned(), fixed_width(&number, k));
        }
        wrong("s + n".to_owned(), fixed_width(&(s + n), k));
        for length in [0, 1, k / 2, k - 1, k + 1, 2 * k] {
            wrong(format!("{length} bytes"), right.iter().copied().cycle().take(length).collect());
        }
        wrong("a zero before".to_owned(), [&[0][..], &right].concat());
        wrong("a zero after".to_owned(), [&right[..], &[0]].concat());
        for at in [0, 1, k / 2, k - 1] {
            let mut flipped = right.clone();
            flipped[at] ^= 0x10;
            wrong(format!("bit flipped in byte {at}"), flipped);
        }
        let mut reversed = right.clone();
        reversed.reverse();
        wrong("reversed".to_owned(), reversed);
        all
    }

    fn judge(&self, id: &str) {
        // Short, long, and of odd bytes; all but the last few vectors are
        // about the encoding, so one message is enough for those.
        let input = self.signing_input("{}");
        let mut rights = 0;
        for (what, signature, right) in self.vectors(&input) {
            assert_eq!(self.verdicts(&input, &signature), [right; 3], "{id}: {what}");
            rights += usize::from(right);
        }
        for payload in ["x", "\0\u{ff}", &"long".repeat(1_000), r#"{"a":"\u0000"}"#] {
            let input = self.signing_input(payload);
            let signature = self.key.sign(&RSA_PKCS1_SHA256, input.as_bytes());
            assert_eq!(self.verdicts(&input, &signature), [true; 3], "{id}: {payload:.8}");
            let other = self.signing_input("other");
            assert_eq!(self.verdicts(&other, &signature), [false; 3], "{id}: another message");
            rights += 1;
        }
        assert_eq!(rights, 5, "{id}: the right ones are among them");
    }
}

#[test]
fn vs_10_signatures_of_2048_bits() {
    Bench::new(KeyBits::Rsa2048).judge("VS-10");
}

#[test]
fn vs_11_signatures_of_3072_bits() {
    Bench::new(KeyBits::Rsa3072).judge("VS-11");
}

#[test]
fn vs_12_signatures_of_4096_bits() {
    Bench::new(KeyBits::Rsa4096).judge("VS-12");
}

/// VS-14: the classes of public JWS vectors. Each is a row elsewhere, under
/// the id beside it; here it is said that none is missing.
#[test]
fn vs_14_the_classes_of_public_jws_vectors_are_rows() {
    let classes = [
        ("no signature, alg none", "VA-01"),
        ("modified or truncated MAC or signature", "VE-35"),
        ("public key as a MAC secret", "VA-05"),
        ("another RSA algorithm by the same key", "VA-17"),
        ("elliptic curve signatures, r = s = 0", "VA-19"),
        ("kid of another key", "VK-13"),
        ("two keys with one kid", "VK-24"),
        ("embedded jwk", "VK-21"),
        ("crit that is not understood", "VH-01"),
        ("unencoded payload", "VH-02"),
        ("JSON serialisation", "VE-20"),
        ("several signatures", "VE-23"),
        ("missing segments", "VE-03"),
        ("spaces, line ends, padding", "VE-14"),
        ("characters outside of the alphabet", "VE-10"),
        ("spare bits", "VE-12"),
        ("empty payload", "VJ-01"),
        ("wrong DigestInfo", "VS-19"),
        ("signature longer or shorter than the modulus", "VS-06"),
    ];
    let sources = super::coverage::sources();
    for (class, id) in classes {
        assert!(super::coverage::appears(id, &sources), "VS-14: {class} should be {id}");
    }
}
