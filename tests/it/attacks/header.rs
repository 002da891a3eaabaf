//! VH: the header is exactly `alg`, `typ` and `kid`, in one spelling. Every
//! token here is validly signed.

use tokenward::domain::error::{AuthError, Refusal};

use super::{
    forge::{compact, encode},
    table::{Seen, Table, Trial, access_token, refresh_token},
};

/// Everything that table-driven tests of this family judge.
pub(super) fn rows(trial: &Trial) -> Table {
    critical(trial).append(types(trial)).append(others(trial)).append(texts(trial))
}

fn critical(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let with = |members: &[(&str, &str)]| {
        let header =
            members.iter().fold(forge.header.clone(), |header, (name, raw)| header.set(name, *raw));
        forge.with_header(header.text())
    };
    table.reject("VH-01", "crit: cnf", with(&[("crit", r#"["cnf"]"#), ("cnf", r#""x""#)]));
    table.reject("VH-01", "crit: exp", with(&[("crit", r#"["exp"]"#), ("exp", "1")]));
    let b64 = [("crit", r#"["b64"]"#), ("b64", "false")];
    table.reject("VH-02", "b64: false, payload encoded", with(&b64));
    table.reject("VH-02", "b64: false, payload bare", unencoded(trial));
    table.reject("VH-03", "b64: true", with(&[("crit", r#"["b64"]"#), ("b64", "true")]));
    table.reject("VH-04", "crit: []", with(&[("crit", "[]")]));
    for raw in [r#"["alg"]"#, r#"["absent"]"#, r#"["x","x"]"#, r#"["typ","kid"]"#] {
        table.reject("VH-05", raw, with(&[("crit", raw), ("x", "1")]));
    }
    for raw in [r#""b64""#, "1", "null", "{}", "true"] {
        table.reject("VH-06", raw, with(&[("crit", raw)]));
    }
    table.reject("VH-07", "b64 without crit", with(&[("b64", "false")]));
    table
}

/// RFC 7797: the payload itself between the dots, and signed so.
fn unencoded(trial: &Trial) -> String {
    let forge = &trial.forge;
    let header = forge.header.clone().set("crit", r#"["b64"]"#).set("b64", "false");
    let input = format!("{}.{}", encode(header.text()), forge.claims.text());
    let signature = forge.key.sign(&aws_lc_rs::signature::RSA_PKCS1_SHA256, input.as_bytes());
    format!("{input}.{}", encode(signature))
}

fn types(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    table.reject("VH-08", "missing", forge.with_header(forge.header.clone().without("typ").text()));
    table.reject("VH-09", "JWT", forge.header_member("typ", r#""JWT""#));
    // The kind of a token that is truly ours is told.
    table.expect("VH-10", "a refresh token", refresh_token(&trial.login), Seen::WrongType);
    table.reject("VH-10", "rt+jwt by the access key", forge.header_member("typ", r#""rt+jwt""#));
    let by_refresh_key = &trial.refresh_forge;
    let other_key = by_refresh_key.signed(
        by_refresh_key.header.clone().set("typ", r#""at+jwt""#).text(),
        forge.claims.text(),
    );
    table.reject("VH-10", "at+jwt by the refresh key", other_key);
    for typ in [
        "logout+jwt",
        "id_token",
        "secevent+jwt",
        "dpop+jwt",
        "application/at+jwt",
        "ck+jwt",
        "token-introspection+jwt",
        "at",
        "jwt",
        "JOSE",
        "",
    ] {
        table.reject("VH-12", typ, forge.header_member("typ", format!("\"{typ}\"")));
    }
    // VH-13 decided: compared byte for byte, though RFC 2045 would fold case.
    for typ in ["AT+JWT", "At+jwt", "at+jwt ", " at+jwt", "at+jwt;x", r"at\u002bjwt", "at jwt"] {
        table.reject("VH-13", typ, forge.header_member("typ", format!("\"{typ}\"")));
    }
    for raw in ["null", "1", r#"["at+jwt"]"#, "{}"] {
        table.reject("VH-08", raw, forge.header_member("typ", raw));
    }
    table
}

fn others(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let nested = forge.signed(forge.header.clone().set("cty", r#""JWT""#).text(), trial.good());
    table.reject("VH-14", "a token inside a token", nested);
    table.reject("VH-14", "the same without cty", forge.with_payload(trial.good()));
    table.reject("VH-14", "cty alone", forge.header_member("cty", r#""JWT""#));
    table.reject("VH-15", "zip", forge.header_member("zip", r#""DEF""#));
    // Nothing is inflated, so what stands there need not inflate; 100 MiB of
    // zeros would be some 100 KiB, far over the limit of any token.
    let bomb = encode(vec![0_u8; 100 << 10]);
    let jwe = encode(r#"{"alg":"RSA-OAEP","enc":"A256GCM","zip":"DEF"}"#);
    table.reject("VH-15", "JWE bomb", format!("{jwe}.{bomb}.{bomb}.{bomb}.{bomb}"));
    table.reject("VH-15", "small JWE bomb", format!("{jwe}.AAAA.AAAA.eJwDAAAAAAE.AAAA"));
    table.reject("VH-16", "enc", forge.header_member("enc", r#""A256GCM""#));
    table.reject("VH-17", "p2c", forge.header_member("p2c", "2147483647"));
    let pbes2 = forge.header.clone().set("alg", r#""PBES2-HS256+A128KW""#);
    let pbes2 = pbes2.set("p2c", "2147483647").set("p2s", r#""AAAA""#);
    table.reject("VH-17", "PBES2", forge.with_header(pbes2.text()));
    for name in ["epk", "apu", "apv", "iv", "tag"] {
        table.reject("VH-18", name, forge.header_member(name, r#""AAAA""#));
        table.reject("VH-18", name, forge.header_member(name, "{}"));
    }
    for raw in ["1", r#""1""#, "null", "[]", "{}"] {
        table.reject("VH-19", raw, forge.header_member("x", raw));
    }
    for count in [100, 10_000] {
        let members =
            (0..count).fold(forge.header.clone(), |header, n| header.add(&format!("x{n}"), "1"));
        table.reject("VH-19", format!("{count} members"), forge.with_header(members.text()));
    }
    for name in ["url", "nonce"] {
        table.reject("VH-24", name, forge.header_member(name, r#""http://127.0.0.1/acme""#));
    }
    table
}

/// The same header in other bytes, and what is no header.
fn texts(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let header = forge.header.text();
    for other in ["[]", r#""RS256""#, "256", "null", "true", "{}", "", "[{}]"] {
        table.reject("VH-20", other, forge.with_header(other));
    }
    table.reject("VH-20", "in an array", forge.with_header(format!("[{header}]")));
    // VH-21 decided: we write one text, and read that text only.
    let spaced = [
        header.replace(':', ": "),
        header.replace(',', ", "),
        format!(" {header}"),
        format!("{header} "),
        format!("{header}\n"),
        header.replace('{', "{\t"),
        header.replace('}', "\r\n}"),
    ];
    for text in spaced {
        table.reject("VH-21", format!("{text:?}"), forge.with_header(&text));
    }
    let typ_last = forge.header.clone().without("typ").add("typ", r#""at+jwt""#);
    table.reject("VH-21", "members in another order", forge.with_header(typ_last.text()));
    table.reject(
        "VH-21",
        "typ twice",
        forge.with_header(forge.header.clone().add("typ", r#""at+jwt""#).text()),
    );
    let around = [
        format!("\u{feff}{header}"),
        format!("{header}\0"),
        format!("\0{header}"),
        format!("{header}x"),
        format!("{header}{{}}"),
        format!("{header}//"),
        format!("/**/{header}"),
        header.replace("RS256", "RS256\0"),
        header.replace('"', "'"),
    ];
    for text in around {
        table.reject("VH-22", format!("{text:?}"), forge.with_header(&text));
    }
    let utf16: Vec<u8> = header.encode_utf16().flat_map(u16::to_le_bytes).collect();
    table.reject("VH-22", "UTF-16", forge.with_header(utf16));
    table.reject("VH-22", "not UTF-8", forge.with_header([header.as_bytes(), &[0xff]].concat()));
    for depth in [200, 100_000] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        table.reject("VH-23", format!("{depth} deep"), forge.header_member("x", &nested));
        table.reject("VH-23", format!("{depth} deep, alone"), forge.with_header(nested));
    }
    let deep = encode(r#"{"a":"#.repeat(1_000));
    table.reject("VH-23", "unclosed", format!("{deep}.{deep}.{deep}"));
    table.reject("VH-20", "unsigned", compact("{}", "{}", ""));
    table
}

#[tokio::test]
async fn vh_01_to_vh_07_critical_members() {
    let trial = Trial::new().await;
    trial.judge(critical(&trial)).await;
}

#[tokio::test]
async fn vh_08_to_vh_13_types() {
    let trial = Trial::new().await;
    trial.judge(types(&trial)).await;
}

#[tokio::test]
async fn vh_14_to_vh_19_vh_24_other_members() {
    let trial = Trial::new().await;
    trial.judge(others(&trial)).await;
}

#[tokio::test]
async fn vh_20_to_vh_23_texts() {
    let trial = Trial::new().await;
    trial.judge(texts(&trial)).await;
}

/// VH-09: where `JWT` is configured, it is the one type, and `at+jwt` none.
#[tokio::test]
async fn vh_09_the_configured_type_is_the_only_one() {
    let trial = Trial::new().await;
    let jwt = |settings: &mut tokenward::config::Settings| {
        settings.tokens.access_type = tokenward::config::AccessType::Jwt;
    };
    let replica = trial.world.replica_with(jwt).await;
    let named = trial.forge.header_member("typ", r#""JWT""#);
    for (token, active) in [(named.as_str(), true), (trial.good(), false)] {
        let verdict = replica.auth.verify(&crate::support::world::question(token)).await;
        assert_eq!(verdict.expect("a verdict").reason.is_none(), active, "VH-09");
    }
}

/// VH-11: an access token is no refresh token, whoever signed it; and the
/// one refresh token that is honest still works afterwards.
#[tokio::test]
async fn vh_11_access_tokens_at_refresh() {
    let trial = Trial::new().await;
    let by_refresh_key = &trial.refresh_forge;
    let typed = by_refresh_key.header_member("typ", r#""at+jwt""#);
    let moved = trial.forge.signed(
        trial.forge.header.clone().set("typ", r#""rt+jwt""#).text(),
        by_refresh_key.claims.text(),
    );
    let claims = by_refresh_key.with_payload(trial.forge.claims.text());
    for (what, token, expected) in [
        ("an access token", access_token(&trial.login), Refusal::WrongType),
        ("at+jwt by the refresh key", &typed, Refusal::InvalidToken),
        ("rt+jwt by the access key", &moved, Refusal::InvalidToken),
        ("access claims by the refresh key", &claims, Refusal::InvalidToken),
    ] {
        let refused = trial.world.refresh(&token.to_owned().into()).await.expect_err(what);
        assert!(
            matches!(refused, AuthError::Unauthenticated(why) if why == expected),
            "VH-11 {what}: {refused}"
        );
    }
    trial.world.refresh(&refresh_token(&trial.login).into()).await.expect("VH-11: the honest one");
}
