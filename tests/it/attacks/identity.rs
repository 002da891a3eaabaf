//! VI: who, for whom, by whom. Every token is validly signed by a live key,
//! so what is accepted here is what we would have had to sign ourselves.
//!
//! `Verify` reads no database: whether a `sub`, `sid` or `jti` was ever given
//! out it does not know, and need not, since only we sign. What was given out
//! and taken back it knows from the revocation log. Refresh reads the
//! session, and believes the session: see [`super::sessions`].

use super::table::{Seen, Table, Trial};

const UUID: &str = "018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60";

/// Everything that table-driven tests of this family judge.
pub(super) fn rows(trial: &Trial) -> Table {
    issuers(trial)
        .append(audiences(trial))
        .append(ids(trial))
        .append(grants(trial))
        .append(others(trial))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn issuers(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let ours = forge.claims.raw("iss").trim_matches('"');
    assert_eq!(ours, "http://127.0.0.1:8080");
    for raw in ["1", "{}", "true", "null"] {
        table.reject("VI-01", raw, forge.claim("iss", raw));
    }
    table.reject("VI-01", "missing", forge.with_claims(&forge.claims.clone().without("iss")));
    for raw in
        [format!("[\"{ours}\"]"), format!("[\"{ours}\",\"x\"]"), format!("{{\"0\":\"{ours}\"}}")]
    {
        table.reject("VI-02", &raw, forge.claim("iss", &raw));
    }
    let near: [(&'static str, Vec<String>); 4] = [
        (
            "VI-03",
            vec![
                format!("{ours}.evil"),
                format!("{ours}0"),
                format!("x{ours}"),
                ours[..ours.len() - 1].to_owned(),
                ours[1..].to_owned(),
                "127.0.0.1".to_owned(),
                format!("http://evil.example/?{ours}"),
            ],
        ),
        (
            "VI-04",
            vec![
                format!("{ours}/"),
                ours.replace("http", "HTTP"),
                ours.replace("http", "https"),
                ours.replace(":8080", ""),
                ours.replace(":8080", ":08080"),
                ours.replace("127.0.0.1", "localhost"),
                ours.replace("127.0.0.1", "127.1"),
                ours.replace("//", "//user@"),
                ours.replace("127.0.0.1", "xn--127-0-0-1"),
                ours.replace("127.0.0.1", "\u{ff11}27.0.0.1"),
                format!("{ours}?"),
                format!("{ours}#"),
                ours.replace("//", "/"),
            ],
        ),
        (
            "VI-05",
            vec![
                format!("{ours}\0"),
                format!("{ours}\n"),
                format!("{ours}\u{a0}"),
                format!("{ours} "),
                format!(" {ours}"),
            ],
        ),
        ("VI-06", vec![String::new()]),
    ];
    for (id, texts) in near {
        for text in texts {
            table.reject(id, format!("{text:?}"), forge.claim("iss", quoted(&text)));
        }
    }
    // VI-07: there are no tenants; another issuer of the same key is nobody.
    table.reject("VI-07", "another issuer", forge.claim("iss", quoted("https://other.example")));
    table
}

fn audiences(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    let raw = |raw: &str| forge.claim("aud", raw);
    for value in ["1", "{}", "null", "true", r#"{"0":"api"}"#] {
        table.reject("VI-08", value, raw(value));
    }
    table.reject("VI-08", "missing", forge.with_claims(&forge.claims.clone().without("aud")));
    table.reject("VI-09", "empty", raw(r#""""#));
    table.reject("VI-09", "empty among others", raw(r#"["api",""]"#));
    table.reject("VI-10", "[]", raw("[]"));
    // VI-11 decided: one audience may stand in an array (RFC 7519 section
    // 4.1.3), though we write it as a string.
    table.accept("VI-11", "one in an array", raw(r#"["api"]"#));
    table.accept("VI-14", "several", raw(r#"["api","other"]"#));
    // VI-14 decided: only the size of the token bounds their number.
    let many = |n: usize| format!("[{}\"api\"]", "\"a\",".repeat(n - 1));
    table.accept("VI-14", "1000", raw(&many(1_000)));
    table.reject("VI-14", "3000", raw(&many(3_000)));
    table.reject("VI-14", "nested", raw(r#"[["api"]]"#));
    for value in [r#"["api",1]"#, r#"["api",null]"#, r#"["api",{}]"#, r#"[true,"api"]"#] {
        table.reject("VI-15", value, raw(value));
    }
    // VI-16 decided: a set may name a member twice.
    table.accept("VI-16", "twice", raw(r#"["api","api"]"#));
    for value in [r#""a pi""#, r#""api\u0000""#, r#""api\n""#, r#""\uff41pi""#] {
        table.reject("VI-17", value, raw(value));
    }
    table.reject("VI-17", "256 bytes", raw(&quoted(&"a".repeat(256))));
    table.accept("VI-17", "255 bytes", raw(&quoted(&"a".repeat(255))));
    table
}

/// What somebody sees who is the audience `api`, and says so.
fn for_api(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    for value in [r#""api""#, r#"["api"]"#, r#"["other","api"]"#, r#"["api","api"]"#] {
        table.accept("VI-11", value, forge.claim("aud", value));
    }
    let others: [(&'static str, &[&str]); 4] = [
        ("VI-12", &[r#""other""#, r#"["other","another"]"#]),
        ("VI-13", &[r#"["other"]"#]),
        (
            "VI-17",
            &[
                r#""ap""#,
                r#""apis""#,
                r#""xapi""#,
                r#""API""#,
                r#""Api""#,
                r#""*""#,
                r#""a*""#,
                r#""api/""#,
                r#""api,other""#,
                r#""%61pi""#,
                r#"["*"]"#,
            ],
        ),
        ("VI-18", &[r#""http://127.0.0.1:8080""#]),
    ];
    for (id, values) in others {
        for value in values {
            table.expect(id, value, forge.claim("aud", *value), Seen::WrongAudience);
        }
    }
    table
}

fn ids(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    for (id, name) in [("VI-19", "sub"), ("VI-23", "sid"), ("VI-24", "jti"), ("VI-28", "client_id")]
    {
        table.reject(
            id,
            format!("{name} missing"),
            forge.with_claims(&forge.claims.clone().without(name)),
        );
        for raw in [r#""""#, "1", "[]", "null", "{}", "true"] {
            table.reject(id, format!("{name} {raw}"), forge.claim(name, raw));
        }
        let huge = quoted(&"a".repeat(1 << 20));
        table.reject(id, format!("{name} of 1 MiB"), forge.claim(name, huge));
    }
    let upper = UUID.to_uppercase();
    let forms = [
        upper.clone(),
        format!("{{{UUID}}}"),
        format!("urn:uuid:{UUID}"),
        UUID.replace('-', ""),
        format!("{UUID} "),
        UUID[1..].to_owned(),
        format!("{UUID}0"),
        UUID.replace('0', "\u{ff10}"),
        "alice".to_owned(),
    ];
    for name in ["sub", "sid", "jti"] {
        for form in &forms {
            table.reject("VI-22", format!("{name} {form}"), forge.claim(name, quoted(form)));
        }
    }
    // Given out or not: only we can have signed it (see above).
    table.accept("VI-20", "a user that Verify cannot know", forge.claim("sub", quoted(UUID)));
    table.accept("VI-21", "one user's sub, another's sid", forge.claim("sid", quoted(UUID)));
    table.accept("VI-23", "a session that Verify cannot know", forge.claim("sid", quoted(UUID)));
    for raw in [r#""Web""#, r#""a b""#, r#""\u0000""#, r#"["default"]"#] {
        table.reject("VI-28", raw, forge.claim("client_id", raw));
    }
    table.accept("VI-28", "another client", forge.claim("client_id", r#""another""#));
    table.accept("VI-28", "azp is not read", forge.claim("azp", r#""another""#));
    table
}

fn grants(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    for raw in [r#"["read"]"#, "null", "1", "{}", "true"] {
        table.reject("VI-26", raw, forge.claim("scope", raw));
    }
    for text in ["read\nwrite", "read\twrite", "read  write", " read", "read ", "a\\b", "r\"w", "ä"]
    {
        table.reject("VI-26", format!("{text:?}"), forge.claim("scope", quoted(text)));
    }
    let scopes = |n: usize| (0..n).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" ");
    table.accept("VI-26", "64 scopes", forge.claim("scope", quoted(&scopes(64))));
    table.reject("VI-26", "65 scopes", forge.claim("scope", quoted(&scopes(65))));
    table.reject("VI-26", "10 000 scopes", forge.claim("scope", quoted(&scopes(10_000))));
    // VI-27 decided: Verify tells what was signed; Refresh signs what the
    // session was granted, see `sessions`.
    table.accept("VI-27", "a scope", forge.claim("scope", r#""admin""#));
    for raw in ["null", "1", r#""reader""#, "[1]", "[null]", r#"["Bad Role"]"#, r#"[["reader"]]"#] {
        table.reject("VI-31", format!("roles {raw}"), forge.claim("roles", raw));
    }
    table
}

fn others(trial: &Trial) -> Table {
    let (forge, mut table) = (&trial.forge, Table::default());
    for raw in [r#""refresh""#, r#""access""#, r#""cookie""#, "null"] {
        table.reject("VI-30", format!("token_use {raw}"), forge.claim("token_use", raw));
    }
    for raw in [r#"{"jkt":"AAAA"}"#, r#"{"x5t#S256":"AAAA"}"#, "{}", "null"] {
        table.reject("VI-32", format!("cnf {raw}"), forge.claim("cnf", raw));
    }
    let nested =
        (0..100).fold(r#"{"sub":"x"}"#.to_owned(), |inner, _| format!(r#"{{"act":{inner}}}"#));
    for name in ["act", "may_act"] {
        table.reject("VI-33", format!("{name}, 100 deep"), forge.claim(name, &nested));
        table.reject("VI-33", name, forge.claim(name, r#"{"sub":"x"}"#));
    }
    for name in ["Sub", "SUB", "\u{ff53}ub", "su\u{184}", "sub ", r"sub\u0000", "ѕub"] {
        let beside = forge.claims.clone().add(name, quoted(UUID));
        table.accept("VI-34", format!("{name:?} beside sub"), forge.with_claims(&beside));
        let instead = forge.claims.clone().without("sub").add(name, quoted(UUID));
        table.reject("VI-34", format!("{name:?} instead of sub"), forge.with_claims(&instead));
    }
    table
}

#[tokio::test]
async fn vi_01_to_vi_07_issuers() {
    let trial = Trial::new().await;
    trial.judge(issuers(&trial)).await;
}

#[tokio::test]
async fn vi_08_to_vi_17_audiences() {
    let trial = Trial::new().await;
    trial.judge(audiences(&trial)).await;
}

#[tokio::test]
async fn vi_11_to_vi_18_required_audience() {
    let trial = Trial::new().await;
    for row in for_api(&trial).0 {
        assert_eq!(trial.verify_for_api(&row.token).await, row.expected, "{} {}", row.id, row.what);
    }
}

#[tokio::test]
async fn vi_19_to_vi_24_vi_28_ids() {
    let trial = Trial::new().await;
    trial.judge(ids(&trial)).await;
}

#[tokio::test]
async fn vi_26_vi_27_vi_31_grants() {
    let trial = Trial::new().await;
    trial.judge(grants(&trial)).await;
}

#[tokio::test]
async fn vi_30_vi_32_to_vi_34_other_claims() {
    let trial = Trial::new().await;
    trial.judge(others(&trial)).await;
}

/// VI-34: what is told of the subject is the one claim that was checked.
#[tokio::test]
async fn vi_34_shadows_are_never_read() {
    let trial = Trial::new().await;
    let shadowed =
        trial.forge.claims.clone().add("Sub", quoted(UUID)).add("\u{ff53}ub", quoted(UUID));
    let verdict = trial.world.verify(&trial.forge.with_claims(&shadowed).into()).await;
    let claims = verdict.claims.expect("claims").claims;
    assert_eq!(claims.user().expect("a user").id, trial.user);
}
