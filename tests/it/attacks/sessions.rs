//! VI where the store has a say: refresh tokens that contradict their
//! session, and access tokens of what was taken back. All validly signed.

use std::collections::HashSet;

use secrecy::ExposeSecret as _;
use tokenward::{
    domain::error::{AuthError, Refusal},
    service::{Administrator, refresh::Refreshed},
    store::port::RevokeTarget,
};

use super::{
    forge::{Members, decode, segments},
    table::{Seen, Table, Trial, access_token, refresh_token},
};

const UUID: &str = r#""018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60""#;

/// Presents refresh claims, signed by the refresh key.
async fn present(trial: &Trial, claims: &Members) -> Result<Refreshed, Refusal> {
    let token = trial.refresh_forge.with_claims(claims);
    match trial.world.refresh(&token.into()).await {
        Ok(refreshed) => Ok(refreshed),
        Err(AuthError::Unauthenticated(refusal)) => Err(refusal),
        Err(error) => panic!("a refusal was expected: {error}"),
    }
}

fn claims_of(token: &str) -> Members {
    Members::of(&String::from_utf8(decode(segments(token)[1])).expect("UTF-8"))
}

/// Every claim of a refresh token is checked as strictly as an access
/// token's, and nothing of that ends the session.
#[tokio::test]
async fn vi_18_vi_22_vi_30_refresh_claims_are_exact() {
    let trial = Trial::new().await;
    let honest = &trial.refresh_forge.claims;
    for name in
        ["iss", "aud", "sub", "client_id", "iat", "exp", "jti", "sid", "token_use", "gen", "ver"]
    {
        let without = honest.clone().without(name);
        assert_eq!(present(&trial, &without).await.err(), Some(Refusal::InvalidToken), "no {name}");
        let twice = honest.clone().add(name, honest.raw(name));
        assert_eq!(
            present(&trial, &twice).await.err(),
            Some(Refusal::InvalidToken),
            "{name} twice"
        );
    }
    let cases: [(&str, &str, &[&str]); 10] = [
        ("VI-18", "aud", &[r#""api""#, r#"["api"]"#, r#"["http://127.0.0.1:8080"]"#, "null"]),
        ("VI-30", "token_use", &[r#""access""#, r#""Refresh""#, r#""cookie""#, "null", "true"]),
        ("VI-30", "type", &[r#""access""#, "null"]),
        ("VI-01", "iss", &[r#""https://other.example""#, "1", r#"["http://127.0.0.1:8080"]"#]),
        ("VI-22", "sid", &[r#""{018f3a5e-7c1b-7d2e-8f3a-1b2c3d4e5f60}""#, r#""""#, "1"]),
        ("VI-22", "sub", &[r#""018F3A5E-7C1B-7D2E-8F3A-1B2C3D4E5F60""#, r#""alice""#]),
        ("VC-03", "exp", &[r#""1999999999""#, "1.9e9", "1999999999.0", "0", "-1", "1e400"]),
        ("VC-25", "iat", &[r#""1800000000""#, "1.8e9", "0", "-1"]),
        (
            "VJ-20",
            "gen",
            &[r#""1""#, "1.0", "0", "-1", "1e0", "null", "[1]", "9223372036854775808"],
        ),
        ("VJ-20", "ver", &[r#""1""#, "1.0", "-1", "1e0", "null", "[1]", "9223372036854775808"]),
    ];
    for (id, name, values) in cases {
        for value in values {
            let refused = present(&trial, &honest.clone().set(name, *value)).await.err();
            assert_eq!(refused, Some(Refusal::InvalidToken), "{id} {name} {value}");
        }
    }
    assert_eq!(trial.verify(trial.good()).await, Seen::Active);
    present(&trial, honest).await.expect("the honest one");
}

/// VI-20, VI-23: a session that there never was has nothing to refresh.
#[tokio::test]
async fn vi_20_vi_23_unknown_sessions_and_users() {
    let trial = Trial::new().await;
    let honest = &trial.refresh_forge.claims;
    let unknown = present(&trial, &honest.clone().set("sid", UUID)).await.err();
    assert_eq!(unknown, Some(Refusal::SessionExpired), "VI-23");
    let both = honest.clone().set("sid", UUID).set("sub", UUID);
    assert_eq!(present(&trial, &both).await.err(), Some(Refusal::SessionExpired), "VI-20");
    present(&trial, honest).await.expect("the honest one");
}

/// VI-21, VI-28: claims that contradict the session get nothing, even with
/// a signature that only we can make.
#[tokio::test]
async fn vi_21_vi_28_claims_must_agree_with_the_session() {
    let trial = Trial::new().await;
    let bob = trial.world.user("bob").await;
    let honest = &trial.refresh_forge.claims;
    let sub = honest.clone().set("sub", format!("\"{bob}\""));
    assert_eq!(present(&trial, &sub).await.err(), Some(Refusal::InvalidToken), "VI-21");
    let client = honest.clone().set("client_id", r#""another""#);
    assert_eq!(present(&trial, &client).await.err(), Some(Refusal::InvalidToken), "VI-28");
    present(&trial, honest).await.expect("the honest one");
}

/// VI-23, VI-20: what was taken back is dead under any sub, sid and client
/// that names it, with either kind of token.
#[tokio::test]
async fn vi_20_vi_21_vi_23_what_was_revoked_is_dead() {
    let trial = Trial::new().await;
    let bob = trial.world.user("bob").await;
    let bobs = trial.world.login("bob").await;
    let kept = trial.world.login("alice").await;
    let (auth, forge) = (trial.world.auth(), &trial.forge);
    let operator = Administrator::command_line();
    let revoke = |target| auth.revoke(target, &operator);
    revoke(RevokeTarget::Session(trial.login.session_id)).await.expect("revoked");
    auth.disable_user(bob, &operator).await.expect("disabled");
    let sid = |of: &str| forge.with_claims(&claims_of(of).set("sid", forge.claims.raw("sid")));
    let sub = |of: &str| forge.with_claims(&claims_of(of).set("sub", format!("\"{bob}\"")));
    let kept = access_token(&kept);
    for (what, token, expected) in [
        ("the revoked session", trial.good().to_owned(), Seen::Revoked),
        ("VI-21: another user with its sid", sid(access_token(&bobs)), Seen::Revoked),
        ("VI-23: another session with its sid", sid(kept), Seen::Revoked),
        ("VI-20: the disabled user", access_token(&bobs).to_owned(), Seen::Revoked),
        ("VI-21: the disabled user with a live sid", sub(kept), Seen::Revoked),
        ("a session that nobody touched", kept.to_owned(), Seen::Active),
    ] {
        assert_eq!(trial.verify(&token).await, expected, "{what}");
    }
    let refused = present(&trial, &trial.refresh_forge.claims).await.err();
    assert_eq!(refused, Some(Refusal::Revoked), "VI-23");
}

/// VI-24: no two tokens have one jti, of whatever kind, session or user.
#[tokio::test]
async fn vi_24_token_ids_are_unique() {
    let trial = Trial::new().await;
    trial.world.user("bob").await;
    let mut seen = HashSet::new();
    for round in 0..20 {
        let login = trial.world.login(["alice", "bob"][round % 2]).await;
        let mut pair = login.tokens;
        for _ in 0..5 {
            let refresh = pair.refresh_token.expect("a refresh token");
            for token in [&pair.access_token, &refresh] {
                let jti = claims_of(token.expose_secret()).raw("jti").to_owned();
                assert!(seen.insert(jti), "VI-24: a jti stands twice");
            }
            pair = trial.world.refresh(&refresh).await.expect("refreshed").tokens;
        }
    }
    assert_eq!(seen.len(), 200);
}

/// VT-06, VI-25 decided: a jti names a token and grants nothing. Key, type and
/// claims tell the kinds apart, so it does not matter in which one stands.
#[tokio::test]
async fn vi_25_a_token_id_does_not_change_the_kind() {
    let trial = Trial::new().await;
    let (access, refresh) = (&trial.forge.claims, &trial.refresh_forge.claims);
    assert_ne!(access.raw("jti"), refresh.raw("jti"));
    let mut table = Table::default();
    table.reject("VI-25", "refresh claims by the access key", trial.forge.with_claims(refresh));
    let named = trial.forge.claim("jti", refresh.raw("jti"));
    table.accept("VI-25", "an access token of that name", &named);
    trial.judge(table).await;
    let at_refresh = trial.world.refresh(&named.into()).await.expect_err("refused");
    assert!(matches!(at_refresh, AuthError::Unauthenticated(Refusal::WrongType)), "VI-25");
}

/// VI-31: a version is no wish. An older one than the session's gets nothing,
/// and one that was never given out shows a database that was rolled back.
#[tokio::test]
async fn vi_31_versions_are_the_sessions() {
    let trial = Trial::new().await;
    let honest = &trial.refresh_forge.claims;
    let older = honest.clone().set("ver", "0");
    assert_eq!(present(&trial, &older).await.err(), Some(Refusal::Revoked));
    present(&trial, honest).await.expect("the honest one");
    let newer = honest.clone().set("ver", "99");
    assert_eq!(present(&trial, &newer).await.err(), Some(Refusal::RolledBack));
    assert_eq!(trial.verify(trial.good()).await, Seen::Revoked);
}

/// VI-27, VI-31: whatever a refresh token says of scopes, roles, audiences or
/// the client's version, the session and the account say what is minted.
#[tokio::test]
async fn vi_27_vi_31_refresh_cannot_elevate() {
    let trial = Trial::new().await;
    let claims = trial.refresh_forge.claims.clone();
    let claims = claims.set("scope", r#""admin""#).set("roles", r#"["admin"]"#);
    let claims = claims.set("cver", "99").set("name", r#""root""#);
    let refreshed = present(&trial, &claims).await.expect("unknown claims are ignored");
    let minted = claims_of(refreshed.tokens.access_token.expose_secret());
    for name in ["aud", "roles", "ver", "cver", "sub"] {
        assert_eq!(minted.raw(name), trial.forge.claims.raw(name), "VI-27 {name}");
    }
    assert!(!minted.text().contains("admin") && !minted.text().contains("root"), "VI-31");
    assert!(refreshed.tokens.scopes.is_empty(), "VI-27");
    assert_ne!(refresh_token(&trial.login), trial.refresh_forge.with_claims(&claims));
}
