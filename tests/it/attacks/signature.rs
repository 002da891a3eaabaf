//! VS: signatures that are none, over tokens that are otherwise right.

use std::collections::HashSet;

use aws_lc_rs::signature::RSA_PSS_SHA256;
use rsa::{
    BigUint, RsaPrivateKey,
    traits::{PrivateKeyParts as _, PublicKeyParts as _},
};

use super::{
    em,
    forge::{Forge, encode, fixed_width, segments},
    table::{Table, Trial, access_token},
};

/// Everything that table-driven tests of this family judge.
pub(super) fn rows(trial: &Trial) -> Table {
    numbers(trial).append(shapes(trial)).append(paddings(trial))
}

/// Numbers that are special to RSA.
fn numbers(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let n = forge.key.private().n().clone();
    let one = || BigUint::from(1_u8);
    table.reject("VS-01", "none", forge.with_signature(""));
    let cases = [
        ("zero", vec![0; 256]),
        ("all ones", vec![0xff; 256]),
        ("1", fixed_width(&one(), 256)),
        ("n - 1", fixed_width(&(&n - one()), 256)),
        ("n", fixed_width(&n, 256)),
        ("n + 1", fixed_width(&(&n + one()), 256)),
    ];
    for (what, signature) in cases {
        table.reject("VS-02", what, forge.with_signature(signature));
    }
    // The same residue in 257 bytes, and where there is room, in 256.
    let (token, signature) = signed_where(forge, |s| s + &n < (one() << 2048));
    table.accept("VS-03", "s", format!("{token}.{}", encode(&signature)));
    let same = BigUint::from_bytes_be(&signature) + &n;
    for width in [256, 257] {
        let same = fixed_width(&same, width);
        table.reject("VS-03", format!("s + n, {width} bytes"), format!("{token}.{}", encode(same)));
    }
    let (token, signature) = signed_where(forge, |s| *s < (one() << 2040));
    table.accept("VS-05", "s that starts with a zero", format!("{token}.{}", encode(&signature)));
    table.reject("VS-05", "its zero taken off", format!("{token}.{}", encode(&signature[1..])));
    let longer = [&[0][..], &signature].concat();
    table.reject("VS-04", "a zero more", format!("{token}.{}", encode(longer)));
    table
}

/// A signing input, varied until its signature has the property. Each try
/// has it with a probability of 1/256 at least.
fn signed_where(forge: &Forge, wanted: impl Fn(&BigUint) -> bool) -> (String, Vec<u8>) {
    for attempt in 0..20_000 {
        let claims = forge.claims.clone().set("attempt", attempt.to_string());
        let token = forge.with_claims(&claims);
        let [header, payload, signature] = segments(&token);
        let signature = super::forge::decode(signature);
        if wanted(&BigUint::from_bytes_be(&signature)) {
            return (format!("{header}.{payload}"), signature);
        }
    }
    panic!("no signature has the property")
}

/// Lengths, other tokens' signatures, other inputs.
fn shapes(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let [header, payload, signature] = segments(trial.good());
    let s = super::forge::decode(signature);
    table.reject("VS-04", "a zero before", forge.with_signature([&[0][..], &s].concat()));
    let of_len = |len: usize| -> Vec<u8> { s.iter().copied().cycle().take(len).collect() };
    for len in [0, 1, 2, 128, 255, 257, 258, 512, 1 << 20] {
        table.reject("VS-06", format!("{len} bytes"), forge.with_signature(of_len(len)));
    }
    let other = forge.claim("sub", r#""018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60""#);
    let other = segments(&other)[2].to_owned();
    table.reject("VS-07", "another token's", format!("{header}.{payload}.{other}"));
    let inputs = [
        ("without the dot", format!("{header}{payload}")),
        ("with padding", format!("{header}.{payload}=")),
        ("payload only", payload.to_owned()),
        ("header only", header.to_owned()),
        ("with a line end", format!("{header}.{payload}\n")),
        ("decoded", format!("{}.{}", forge.header.text(), forge.claims.text())),
        ("nothing", String::new()),
    ];
    for (what, input) in inputs {
        let over = forge.key.sign(&aws_lc_rs::signature::RSA_PKCS1_SHA256, input.as_bytes());
        table.reject("VS-08", format!("over the input {what}"), forge.with_signature(over));
    }
    let input = forge.signing_input();
    let pss = forge.key.sign(&RSA_PSS_SHA256, input.as_bytes());
    table.reject("VS-15", "PSS called RS256", forge.with_signature(pss));
    table.reject("VS-15", "RS256 called PS256", forge.header_member("alg", r#""PS256""#));
    let exponent = other_exponent(forge.key.private(), &em::good(256, input.as_bytes()));
    table.reject("VS-17", "same modulus, other exponent", forge.with_signature(exponent));
    table
}

/// The signature that a key of the same modulus would make whose public
/// exponent is the next one that is possible.
fn other_exponent(private: &RsaPrivateKey, em: &[u8]) -> Vec<u8> {
    let primes = private.primes().to_vec();
    let other = (65_539_u32..).step_by(2).find_map(|e| {
        RsaPrivateKey::from_p_q(primes[0].clone(), primes[1].clone(), BigUint::from(e)).ok()
    });
    let other = other.expect("an exponent");
    assert_eq!(other.n(), private.n());
    fixed_width(&BigUint::from_bytes_be(em).modpow(other.d(), other.n()), 256)
}

fn paddings(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let input = forge.signing_input();
    let good = forge.key.raw(&em::good(256, input.as_bytes()));
    table.accept("VS-09", "the one right encoding", forge.with_signature(good));
    for (what, em) in em::wrong(256, input.as_bytes()) {
        let id = match what.as_str() {
            "no DigestInfo" | "hash only, bare" => "VS-18",
            what if what.contains("form") || what.contains("indefinite") => "VS-19",
            what if what.contains("NULL") => "VS-19",
            what if what.contains("SHA") || what.contains("MD5") || what.contains("RIPE") => {
                "VS-20"
            }
            _ => "VS-09",
        };
        table.reject(id, what, forge.with_signature(forge.key.raw(&em)));
    }
    table
}

#[tokio::test]
async fn vs_01_to_vs_05_special_numbers() {
    let trial = Trial::new().await;
    trial.judge(numbers(&trial)).await;
}

#[tokio::test]
async fn vs_06_to_vs_08_vs_15_vs_17_shapes() {
    let trial = Trial::new().await;
    trial.judge(shapes(&trial)).await;
}

#[tokio::test]
async fn vs_09_vs_18_to_vs_20_encoded_messages() {
    let trial = Trial::new().await;
    let table = paddings(&trial);
    let mut seen = HashSet::new();
    for row in &table.0 {
        assert!(seen.insert(&row.token), "{} stands twice", row.what);
    }
    assert!(seen.len() >= 140, "{}", seen.len());
    trial.judge(table).await;
}

/// The forge's bare operation is RSA: over the right encoding it gives the
/// signature that AWS-LC gives.
#[tokio::test]
async fn the_forge_computes_what_a_signer_computes() {
    let trial = Trial::new().await;
    let em = em::good(256, trial.forge.signing_input().as_bytes());
    let own = trial.forge.with_signature(trial.forge.key.raw(&em));
    assert_eq!(own, access_token(&trial.login));
}
