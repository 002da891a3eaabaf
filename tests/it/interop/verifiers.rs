//! Libraries of other people take our access tokens with nothing but a URL,
//! and nothing else from us.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;

use super::{
    issuer::Issuer,
    verifier::{Verdict, Verifier},
};

/// An issuer with one user, and the installed libraries; `None` without any.
async fn issuer() -> Option<(Issuer, Vec<Verifier>)> {
    let verifiers = Verifier::installed();
    if verifiers.is_empty() {
        return None;
    }
    let issuer = Issuer::start().await;
    issuer.program.create_user(&["alice", "--email", "alice@example.org", "--role", "reader"]);
    Some((issuer, verifiers))
}

/// HT-05: each reads the key set as it is served.
#[tokio::test(flavor = "multi_thread")]
async fn libraries_accept_an_access_token_given_the_jwks_url_alone() {
    let Some((mut issuer, verifiers)) = issuer().await else { return };
    let tokens = issuer.login_for("alice", &[], "read write").await;
    for &verifier in &verifiers {
        let verdict = verifier.judge_one(&issuer.api(), &tokens.access_token);
        let Verdict::Claims(claims) = verdict else { panic!("{verifier:?}: {verdict:?}") };
        assert_eq!(claims["iss"], issuer.url, "{verifier:?}");
        assert_eq!(claims["aud"], "api", "one audience is a string");
        assert_eq!(claims["scope"], "read write");
        assert_eq!(claims["roles"], json!(["reader"]));
        assert_eq!(claims["email"], "alice@example.org");
    }
    issuer.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn libraries_accept_a_token_for_several_audiences() {
    let Some((mut issuer, verifiers)) = issuer().await else { return };
    let tokens = issuer.login_for("alice", &["billing", "api"], "").await;
    for &verifier in &verifiers {
        let verdict = verifier.judge_one(&issuer.api(), &tokens.access_token);
        let Verdict::Claims(claims) = verdict else { panic!("{verifier:?}: {verdict:?}") };
        assert_eq!(claims["aud"], json!(["billing", "api"]), "{verifier:?}");
    }
    issuer.stop();
}

/// How each library puts it.
struct Words {
    unknown_key: &'static str,
    audience: &'static str,
    issuer: &'static str,
    signature: &'static str,
}

fn words(verifier: Verifier) -> Words {
    match verifier {
        Verifier::PyJwt => Words {
            unknown_key: "Unable to find a signing key",
            audience: "InvalidAudienceError",
            issuer: "InvalidIssuerError",
            signature: "InvalidSignatureError",
        },
        Verifier::Authlib => Words {
            unknown_key: "No key for kid",
            audience: "Invalid claim: 'aud'",
            issuer: "Invalid claim: 'iss'",
            signature: "BadSignatureError",
        },
        Verifier::Jose => Words {
            unknown_key: "ERR_JWKS_NO_MATCHING_KEY",
            audience: r#"unexpected "aud""#,
            issuer: r#"unexpected "iss""#,
            signature: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
        },
    }
}

/// The refresh token is signed by a key that is not in the JWKS, so that not
/// even a library that looks at no type and no audience can take it.
#[tokio::test(flavor = "multi_thread")]
async fn libraries_refuse_what_is_no_access_token_for_them() {
    let Some((mut issuer, verifiers)) = issuer().await else { return };
    let tokens = issuer.login("alice").await;
    let (access, refresh) = (&tokens.access_token, &tokens.refresh_token);
    let for_billing = issuer.login_for("alice", &["billing"], "").await.access_token;
    let with = |name: &str, value: &str| {
        let mut asked = issuer.api();
        asked[name] = json!(value);
        asked
    };
    let (for_the_issuer, elsewhere) =
        (with("audience", &issuer.url), with("issuer", "https://auth.example.org"));
    for &verifier in &verifiers {
        let words = words(verifier);
        for (asked, token, word) in [
            (&issuer.api(), refresh, words.unknown_key),
            (&for_the_issuer, refresh, words.unknown_key),
            (&issuer.api(), &for_billing, words.audience),
            (&elsewhere, access, words.issuer),
            (&issuer.api(), &altered(access), words.signature),
        ] {
            let verdict = verifier.judge_one(asked, token);
            let Verdict::Refused(why) = verdict else { panic!("{verifier:?} accepts {token}") };
            assert!(why.contains(word), "{verifier:?}: {why}");
        }
    }
    issuer.stop();
}

/// More roles under the old signature.
fn altered(token: &str) -> String {
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    let claims = URL_SAFE_NO_PAD.decode(&parts[1]).expect("our token");
    let claims = String::from_utf8(claims).expect("JSON");
    let altered = claims.replace(r#"["reader"]"#, r#"["reader","admin"]"#);
    assert_ne!(altered, claims);
    parts[1] = URL_SAFE_NO_PAD.encode(altered);
    parts.join(".")
}

#[tokio::test(flavor = "multi_thread")]
async fn libraries_find_the_keys_through_either_metadata_document() {
    let Some((mut issuer, verifiers)) = issuer().await else { return };
    let tokens = issuer.login("alice").await;
    // PyJWT reads no metadata.
    for &verifier in verifiers.iter().filter(|&&verifier| verifier != Verifier::PyJwt) {
        for name in ["openid-configuration", "oauth-authorization-server"] {
            let metadata = format!("/.well-known/{name}");
            let asked = json!({ "issuer": issuer.url, "metadata": metadata, "audience": "api" });
            let verdict = verifier.judge_one(&asked, &tokens.access_token);
            assert!(verdict.is_accepted(), "{verifier:?} {name}: {verdict:?}");
        }
    }
    issuer.stop();
}

/// Whoever verifies by the JWKS does not notice that the server was killed.
#[tokio::test(flavor = "multi_thread")]
async fn p3_tokens_outlive_a_server_that_was_killed() {
    let Some((mut issuer, verifiers)) = issuer().await else { return };
    let before = issuer.login("alice").await;
    let mut issuer = issuer.kill_and_restart().await;
    let after = issuer.refresh(before.refresh_token.clone()).await;
    for &verifier in &verifiers {
        for token in [&before.access_token, &after.access_token] {
            let verdict = verifier.judge_one(&issuer.api(), token);
            assert!(verdict.is_accepted(), "{verifier:?}: {verdict:?}");
        }
    }
    issuer.stop();
}
