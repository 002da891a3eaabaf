//! VA: the algorithm is fixed in code; whatever a header says about it other
//! than `RS256`, in exactly these bytes, is no token of ours.

use aws_lc_rs::{
    hmac::{self, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512},
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
        RSA_PSS_SHA512, RsaEncoding,
    },
};
use rsa::{
    pkcs1::EncodeRsaPublicKey as _,
    pkcs8::{EncodePublicKey as _, LineEnding},
    traits::PublicKeyParts as _,
};

use super::{
    em,
    forge::{compact, encode, hmac_token},
    table::{Table, Trial},
};

/// Everything that table-driven tests of this family judge.
pub(super) fn rows(trial: &Trial) -> Table {
    none(trial).append(keyed_hashes(trial)).append(other_signatures(trial)).append(names(trial))
}

fn named(trial: &Trial, algorithm: &str) -> String {
    trial.forge.header.clone().set("alg", format!("\"{algorithm}\"")).text()
}

fn none(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let claims = forge.claims.text();
    table.reject("VA-01", "none, no signature", compact(named(trial, "none"), &claims, ""));
    for bits in 0..16_u8 {
        let flip = |(at, c): (usize, char)| match bits >> at & 1 {
            0 => c,
            _ => c.to_ascii_uppercase(),
        };
        let none: String = "none".chars().enumerate().map(flip).collect();
        table.reject("VA-02", &none, compact(named(trial, &none), &claims, ""));
        table.reject("VA-03", format!("{none}, signed"), forge.with_header(named(trial, &none)));
        let garbage = compact(named(trial, &none), &claims, [0x5a; 256]);
        table.reject("VA-04", format!("{none}, garbage"), garbage);
    }
    table.reject("VA-01", "RS256, no signature", forge.with_signature(""));
    table
}

/// Whatever of the public key somebody might use as a shared secret.
fn secrets(trial: &Trial) -> Vec<(&'static str, String, Vec<u8>)> {
    let key = trial.forge.key.private().to_public_key();
    let pem = key.to_public_key_pem(LineEnding::LF).expect("PEM");
    let crlf = key.to_public_key_pem(LineEnding::CRLF).expect("PEM");
    let spki = key.to_public_key_der().expect("DER").into_vec();
    let pkcs1 = key.to_pkcs1_der().expect("DER").into_vec();
    let pkcs1_pem = key.to_pkcs1_pem(LineEnding::LF).expect("PEM");
    let jwks =
        String::from_utf8(trial.world.auth().jwks().expect("loaded").json.to_vec()).expect("UTF-8");
    let jwk = jwks.trim_start_matches(r#"{"keys":["#).trim_end_matches("]}").to_owned();
    let modulus = key.n().to_bytes_be();
    let certificate = self_signed();
    let secret = |id, what: &str, bytes: &[u8]| (id, what.to_owned(), bytes.to_vec());
    vec![
        secret("VA-05", "PEM", pem.as_bytes()),
        secret("VA-05", "PKCS#1 PEM", pkcs1_pem.as_bytes()),
        secret("VA-06", "PEM without the last line end", pem.trim_end().as_bytes()),
        secret("VA-06", "PEM with CR LF", crlf.as_bytes()),
        secret("VA-06", "PEM after a space", format!(" {pem}").as_bytes()),
        secret("VA-07", "SPKI", &spki),
        secret("VA-07", "PKCS#1", &pkcs1),
        secret("VA-08", "JWK", jwk.as_bytes()),
        secret("VA-08", "JWKS", jwks.as_bytes()),
        secret("VA-09", "modulus", &modulus),
        secret("VA-09", "modulus in base64url", encode(&modulus).as_bytes()),
        secret("VA-09", "kid", trial.forge.key.kid().as_bytes()),
        secret("VA-11", "certificate DER", certificate.der()),
        secret("VA-11", "certificate PEM", certificate.pem().as_bytes()),
        secret("VA-12", "empty", b""),
        secret("VA-13", "zeros", &[0; 32]),
    ]
}

fn self_signed() -> rcgen::Certificate {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(["auth.example".to_owned()]).expect("a name");
    params.self_signed(&key).expect("a certificate")
}

/// Secrets that are guessed first: defaults of frameworks, tutorials and
/// password lists. Our own selection, standing for the longer public ones.
const COMMON: &[&str] = &[
    "secret",
    "Secret",
    "SECRET",
    "secret1",
    "secretkey",
    "secret-key",
    "secret_key",
    "mysecret",
    "my-secret",
    "supersecret",
    "super-secret",
    "topsecret",
    "your-256-bit-secret",
    "your-384-bit-secret",
    "your-512-bit-secret",
    "your_jwt_secret",
    "jwt_secret",
    "jwtsecret",
    "jwt",
    "token",
    "key",
    "private",
    "public",
    "password",
    "Password1",
    "passw0rd",
    "pass",
    "admin",
    "root",
    "user",
    "guest",
    "test",
    "testing",
    "example",
    "changeme",
    "change_me",
    "default",
    "hmac",
    "HS256",
    "signing-key",
    "123456",
    "12345678",
    "qwerty",
    "abc123",
    "0",
    "null",
    "undefined",
    "none",
    "RS256",
    "tokenward",
    "alice",
];

fn keyed_hashes(trial: &Trial) -> Table {
    let (claims, mut table) = (trial.forge.claims.text(), Table::default());
    let algorithms: [(&str, hmac::Algorithm); 3] =
        [("HS256", HMAC_SHA256), ("HS384", HMAC_SHA384), ("HS512", HMAC_SHA512)];
    for (name, algorithm) in algorithms {
        for (id, what, secret) in secrets(trial) {
            // VA-10: the longer hashes, of every secret.
            let id = if name == "HS256" { id } else { "VA-10" };
            let token = hmac_token(algorithm, &secret, named(trial, name), &claims);
            table.reject(id, format!("{name} {what}"), token);
        }
        for word in COMMON {
            let token = hmac_token(algorithm, word.as_bytes(), named(trial, name), &claims);
            table.reject("VA-13", format!("{name} {word}"), token);
        }
        // VA-14: the honest header, so the key is live, over a keyed hash.
        let pem = &secrets(trial)[0].2;
        let token = hmac_token(algorithm, pem, trial.forge.header.text(), &claims);
        table.reject("VA-14", format!("RS256 header, {name} tag"), token);
    }
    table
}

fn other_signatures(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let claims = forge.claims.text();
    let rsa: [(&str, &str, &'static dyn RsaEncoding); 5] = [
        ("VA-16", "RS384", &RSA_PKCS1_SHA384),
        ("VA-16", "RS512", &RSA_PKCS1_SHA512),
        ("VA-17", "PS256", &RSA_PSS_SHA256),
        ("VA-17", "PS384", &RSA_PSS_SHA384),
        ("VA-17", "PS512", &RSA_PSS_SHA512),
    ];
    for (id, name, encoding) in rsa {
        table.reject(id, name, forge.signed_as(encoding, named(trial, name), &claims));
        let unnamed = forge.signed_as(encoding, forge.header.text(), &claims);
        table.reject(id, format!("{name} under an RS256 header"), unnamed);
        // The signature that would be right, under the name that is not.
        table.reject(
            "VA-15",
            format!("RS256 called {name}"),
            forge.with_header(named(trial, name)),
        );
    }
    let input = forge.signing_input();
    for (what, em) in em::other_hashes(256, input.as_bytes()) {
        table.reject(
            "VA-18",
            format!("RS256 over {what}"),
            forge.with_signature(forge.key.raw(&em)),
        );
    }
    let header = named(trial, "RS1");
    let input = format!("{}.{}", encode(&header), encode(&claims));
    let signature = forge.key.raw(&em::sha1(256, input.as_bytes()));
    table.reject("VA-18", "RS1", format!("{input}.{}", encode(signature)));
    elliptic(trial, &mut table);
    table
}

/// VA-19: signatures on curves, genuine ones of a stranger's key and those
/// with r = s = 0 that CVE-2022-21449 took for anybody's.
fn elliptic(trial: &Trial, table: &mut Table) {
    let claims = trial.forge.claims.text();
    let random = SystemRandom::new();
    let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key");
    let ed25519 = Ed25519KeyPair::generate().expect("a key");
    let names = ["ES256", "ES384", "ES256K", "ES512", "ES521", "EdDSA", "Ed25519"];
    for name in names {
        let header = named(trial, name);
        let input = format!("{}.{}", encode(&header), encode(&claims));
        let signatures = [
            p256.sign(&random, input.as_bytes()).expect("signed").as_ref().to_vec(),
            p384.sign(&random, input.as_bytes()).expect("signed").as_ref().to_vec(),
            ed25519.sign(input.as_bytes()).as_ref().to_vec(),
            vec![0; 64],
            vec![0; 96],
            vec![0; 132],
            vec![0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00],
        ];
        for signature in signatures {
            let what = format!("{name}, {} bytes", signature.len());
            table.reject("VA-19", what, format!("{input}.{}", encode(signature)));
        }
        table.reject("VA-19", format!("{name}, signed by RS256"), trial.forge.with_header(&header));
    }
}

/// Every one of these carries a valid RS256 signature.
fn names(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let cases: [(&'static str, &[&str]); 5] = [
        ("VA-15", &["HS256", "RS512", "PS256"]),
        ("VA-20", &["RSA-OAEP", "RSA1_5", "dir", "A128KW", "PBES2-HS256+A128KW"]),
        ("VA-21", &["rs256", "Rs256", "RS256 ", " RS256", r"RS256\u0000", "RS-256", "RSA256"]),
        ("VA-22", &["R\u{0405}256", "\u{ff32}S256", "\u{ff32}\u{ff33}256", "RS\u{ff12}56"]),
        ("VA-26", &["ML-DSA-44", "unknown", "RS256,RS512"]),
    ];
    for (id, names) in cases {
        for name in names {
            table.reject(id, name, forge.header_member("alg", format!("\"{name}\"")));
        }
    }
    for raw in ["null", r#""""#, "256", "true", r#"["RS256"]"#, r#"{"alg":"RS256"}"#] {
        table.reject("VA-23", raw, forge.header_member("alg", raw));
    }
    table.reject("VA-23", "missing", forge.with_header(forge.header.clone().without("alg").text()));
    let (first, twice) = (forge.header.clone().set("alg", r#""none""#), forge.header.clone());
    table.reject("VA-24", "none, RS256", forge.with_header(first.add("alg", r#""RS256""#).text()));
    let twice = twice.add("alg", r#""none""#);
    table.reject("VA-24", "RS256, none", forge.with_header(twice.text()));
    // VA-25 decided: the header is one fixed text, so an escape is refused.
    table.reject("VA-25", "an escape", forge.header_member("alg", r#""\u0052S256""#));
    let long = format!("\"{}\"", "A".repeat(1 << 20));
    table.reject("VA-26", "1 MiB", forge.header_member("alg", long));
    table
}

#[tokio::test]
async fn va_01_to_va_04_none() {
    let trial = Trial::new().await;
    trial.judge(none(&trial)).await;
}

#[tokio::test]
async fn va_05_to_va_14_public_key_as_a_secret() {
    let trial = Trial::new().await;
    let jwks = trial.world.auth().jwks().expect("loaded");
    let jwks: serde_json::Value = serde_json::from_slice(&jwks.json).expect("JSON");
    for key in jwks["keys"].as_array().expect("keys") {
        assert_eq!(key["alg"], "RS256", "VA-15: every published key names its one algorithm");
    }
    trial.judge(keyed_hashes(&trial)).await;
}

#[tokio::test]
async fn va_15_to_va_19_other_signatures() {
    let trial = Trial::new().await;
    trial.judge(other_signatures(&trial)).await;
}

#[tokio::test]
async fn va_20_to_va_26_other_names() {
    let trial = Trial::new().await;
    trial.judge(names(&trial)).await;
}
