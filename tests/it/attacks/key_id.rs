//! VK: the key is looked up by a closed rule in memory; what a header says
//! about keys is never followed. Which keys there are is in [`super::key_state`].

use std::net::TcpListener;

use rsa::{
    BigUint,
    pkcs8::{EncodePublicKey as _, LineEnding},
    traits::PublicKeyParts as _,
};

use super::{
    forge::{Forge, compact, encode, hmac_token},
    table::{Table, Trial},
};
use crate::support::world::shared_keys;

/// Everything that table-driven tests of this family judge.
pub(super) fn rows(trial: &Trial) -> Table {
    names(trial).append(key_carriers(&trial.forge, "http://127.0.0.1:9"))
}

/// Tokens validly signed by the live key under a name that is not its own.
fn names(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let kid = forge.key.kid();
    let raw = |raw: &str| forge.header_member("kid", raw);
    table.reject("VK-01", "missing", forge.with_header(forge.header.clone().without("kid").text()));
    for value in [r#""""#, "null", "1", "true", "[]", "{}"] {
        table.reject("VK-02", value, raw(value));
    }
    table.reject("VK-02", "in an array", raw(&format!(r#"["{kid}"]"#)));
    table.reject("VK-03", "unknown", raw(&format!("\"{}\"", "A".repeat(43))));
    for len in [64, 65, 1 << 10, 100 << 10, 1 << 20] {
        table.reject("VK-05", format!("{len} bytes"), raw(&format!("\"{}\"", "k".repeat(len))));
    }
    let hostile: [(&'static str, &[&str]); 5] = [
        ("VK-06", &["../../../../dev/null", "..%2f..%2fdev%2fnull", "/dev/null"]),
        (
            "VK-07",
            &[
                "/proc/sys/kernel/randomize_va_space",
                "/etc/hostname",
                "file:///etc/hostname",
                "keys/access/test.pem",
                "access/test",
                "test.pem",
                "test",
            ],
        ),
        (
            "VK-08",
            &[
                "' UNION SELECT 'x' -- ",
                "; DROP TABLE keys;-- ",
                "$(sleep 10)",
                "`id`",
                "| sleep 10",
                "1 OR 1=1",
            ],
        ),
        ("VK-10", &["{{7*7}}", "${jndi:ldap://127.0.0.1/x}", "%n%s", "<script>alert(1)</script>"]),
        ("VK-15", &["__proto__", "constructor", "toString", "hasOwnProperty"]),
    ];
    for (id, texts) in hostile {
        for text in texts {
            table.reject(id, text, raw(&serde_json::json!(text).to_string()));
        }
    }
    let header = forge.header.clone().set("alg", r#""HS256""#);
    let header = header.set("kid", r#""../../../../dev/null""#).text();
    let token = hmac_token(aws_lc_rs::hmac::HMAC_SHA256, b"", header, forge.claims.text());
    table.reject("VK-06", "/dev/null as an empty secret", token);
    for odd in [r"\u0000", r"\r\n", "\u{202e}", r"\u001b[2J", "\n", "\0"] {
        table.reject("VK-09", format!("{odd:?} alone"), raw(&format!("\"{odd}\"")));
        table.reject("VK-09", format!("{odd:?} after it"), raw(&format!("\"{kid}{odd}\"")));
    }
    for other in [swap_case(&kid), kid.to_ascii_uppercase(), kid.to_ascii_lowercase()] {
        assert_ne!(other, kid);
        table.reject("VK-11", &other, raw(&format!("\"{other}\"")));
    }
    let wide: String = kid.chars().map(full_width).collect();
    for other in [format!(" {kid}"), format!("{kid} "), format!("{kid}="), wide] {
        table.reject("VK-12", &other, raw(&format!("\"{other}\"")));
    }
    let beginning = &kid[..42];
    table.reject("VK-12", "one character less", raw(&format!("\"{beginning}\"")));
    let twice = forge.header.clone().add("kid", format!("\"{}\"", "B".repeat(43)));
    table.reject("VK-14", "twice, ours first", forge.with_header(twice.text()));
    let twice = forge.header.clone().set("kid", format!("\"{}\"", "B".repeat(43)));
    let twice = twice.add("kid", format!("\"{kid}\""));
    table.reject("VK-14", "twice, ours last", forge.with_header(twice.text()));
    table
}

fn swap_case(text: &str) -> String {
    let swap = |c: char| {
        if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
    };
    text.chars().map(swap).collect()
}

/// The look-alike that NFKC folds back.
fn full_width(c: char) -> char {
    char::from_u32(u32::from(c) + 0xfee0).expect("a character")
}

/// A stranger's key, as good as ours in every other respect.
fn stranger() -> Forge {
    // The refresh key: its private half is at hand, and it is not an access key.
    let key = super::forge::Key::load(&shared_keys().join("refresh/test.pem"));
    Forge { key, header: super::forge::Members::of("{}"), claims: super::forge::Members::of("{}") }
}

/// Headers that bring a key along, or say where one is. Each is tried with a
/// signature by the live key, and with one by the stranger whose key it is.
fn key_carriers(forge: &Forge, base: &str) -> Table {
    let mut table = Table::default();
    let (stranger, kid) = (stranger(), forge.key.kid());
    let (own_jwk, their_jwk) = (jwk(forge, &kid), jwk(&stranger, &stranger.key.kid()));
    let host = base.trim_start_matches("http://");
    let url = |text: String| serde_json::Value::String(text).to_string();
    let mut cases: Vec<(&'static str, &'static str, String)> = Vec::new();
    for (id, name) in [("VK-16", "jku"), ("VK-18", "x5u")] {
        cases.push((id, name, url(format!("{base}/jwks.json"))));
    }
    for redirect in [
        format!("http://127.0.0.1:8080@{host}/.well-known/jwks.json"),
        format!("{base}/#http://127.0.0.1:8080/.well-known/jwks.json"),
        format!("{base}\\@127.0.0.1:8080/.well-known/jwks.json"),
        format!("http://127.0.0.1:8080/redirect?to={base}/jwks.json"),
    ] {
        cases.push(("VK-17", "jku", url(redirect.clone())));
        cases.push(("VK-18", "x5u", url(redirect)));
    }
    let spki =
        |of: &Forge| of.key.private().to_public_key().to_public_key_der().unwrap().into_vec();
    let standard =
        |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    for of in [&stranger, forge] {
        cases.push(("VK-19", "x5c", format!("[\"{}\"]", standard(&spki(of)))));
        let digest = |algorithm| encode(aws_lc_rs::digest::digest(algorithm, &spki(of)));
        let sha1 = digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY);
        cases.push(("VK-20", "x5t", format!("\"{sha1}\"")));
        let sha256 = digest(&aws_lc_rs::digest::SHA256);
        cases.push(("VK-20", "x5t#S256", format!("\"{sha256}\"")));
    }
    cases.push(("VK-21", "jwk", their_jwk));
    cases.push(("VK-22", "jwk", own_jwk.clone()));
    let with = |member: &str| own_jwk.replace(r#""e":"AQAB""#, member);
    cases.push(("VK-23", "jwk", with(r#""e":"AQAB","d":"AQAB""#)));
    cases.push(("VK-23", "jwk", with(r#""e":"AQ""#)));
    cases.push(("VK-23", "jwk", r#"{"kty":"oct","k":""}"#.to_owned()));
    let huge = format!(r#"{{"kty":"RSA","e":"AQAB","n":"{}"}}"#, "A".repeat(10 << 20));
    cases.push(("VK-23", "jwk", huge));
    cases.push(("VK-23", "jwks", format!(r#"{{"keys":[{own_jwk}]}}"#)));
    let pem = forge.key.private().to_public_key().to_public_key_pem(LineEnding::LF).expect("PEM");
    cases.push(("VK-22", "key", url(pem)));
    for (id, name, value) in cases {
        let what: String = format!("{name} {value}").chars().take(60).collect();
        let header = forge.header.clone().set(name, value);
        table.reject(id, format!("{what}, signed by us"), forge.with_header(header.text()));
        let theirs = header.set("kid", format!("\"{}\"", stranger.key.kid()));
        for header in [forge.header.clone(), theirs] {
            let token = stranger.signed(header.text(), forge.claims.text());
            table.reject(id, format!("{what}, signed by a stranger"), token);
        }
    }
    table
}

fn jwk(of: &Forge, kid: &str) -> String {
    let (n, e) = (encode(of.key.modulus()), encode(of.key.private().e().to_bytes_be()));
    format!(r#"{{"kty":"RSA","kid":"{kid}","use":"sig","alg":"RS256","n":"{n}","e":"{e}"}}"#)
}

#[tokio::test]
async fn vk_01_to_vk_15_names() {
    let trial = Trial::new().await;
    assert_eq!(BigUint::from(65_537_u32), *trial.forge.key.private().e());
    trial.judge(names(&trial)).await;
}

/// VK-16 to VK-23: nothing is fetched, whatever a header points at.
#[tokio::test]
async fn vk_16_to_vk_23_no_key_of_a_header_is_used_or_fetched() {
    let trial = Trial::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    trial.judge(key_carriers(&trial.forge, &base)).await;
    let nobody = listener.accept().expect_err("no connection");
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
}

/// VK-03: with the database closed, an unknown key is still judged, and so
/// is a known one: memory decides.
#[tokio::test]
async fn vk_03_no_database_is_asked() {
    let trial = Trial::new().await;
    trial.world.core.store.close().await;
    let mut table = Table::default();
    table.reject("VK-03", "unknown", trial.forge.header_member("kid", r#""unknown""#));
    table.accept("VK-03", "known", trial.good());
    trial.judge(table).await;
}

/// VK-04: nothing remembers unknown keys, so their number does not matter.
#[tokio::test]
async fn vk_04_unknown_keys_in_masses() {
    let trial = Trial::new().await;
    let claims = trial.forge.claims.text();
    for number in 0..100_000 {
        let header = trial.forge.header.clone().set("kid", format!("\"unknown-{number}\""));
        let token = compact(header.text(), &claims, [0x5a; 256]);
        assert_eq!(trial.verify(&token).await, super::table::Seen::Invalid, "VK-04 {number}");
    }
    assert_eq!(trial.verify(trial.good()).await, super::table::Seen::Active);
}
