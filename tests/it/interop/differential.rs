//! Many tokens, judged by us and by the libraries: what we issue they all
//! accept, and what we accept they all accept.

use serde_json::Value;
use tokenward::grpc::pb::auth::{BatchVerifyRequest, VerifyRequest, VerifyResponse};

use super::{
    issuer::Issuer,
    mutation::Mutator,
    verifier::{Verdict, Verifier},
};

/// Our own verdicts, as a resource server with the audience "api" gets them.
async fn ours(issuer: &mut Issuer, tokens: &[String]) -> Vec<VerifyResponse> {
    let mut verdicts = Vec::new();
    for batch in tokens.chunks(100) {
        let question = |token: &String| VerifyRequest {
            token: token.clone(),
            required_audience: "api".to_owned(),
            ..VerifyRequest::default()
        };
        let request = BatchVerifyRequest { requests: batch.iter().map(question).collect() };
        let response = issuer.auth.batch_verify(request).await.expect("judged");
        verdicts.extend(response.into_inner().responses);
    }
    verdicts
}

/// Three hundred tokens of users with little, much and odd to say; all
/// libraries read the claims that we signed.
#[tokio::test(flavor = "multi_thread")]
async fn vs_22_libraries_accept_every_token_that_we_issue() {
    let verifiers = Verifier::installed();
    if verifiers.is_empty() {
        return;
    }
    let mut issuer = Issuer::start().await;
    let odd = "Ælfgifu \"Ælla\" \\ 王 \u{1f600} </script>";
    issuer.program.create_user(&["alice"]);
    issuer.program.create_user(&["bob", "--email", "bob@example.org", "--role", "reader"]);
    let many = ["carol", "--name", odd, "--role", "reader", "--role", "editor", "--role", "admin"];
    issuer.program.create_user(&many);
    let mut tokens = Vec::new();
    for user in ["alice", "bob", "carol"] {
        let mut pair = issuer.login_for(user, &[], "read").await;
        for _ in 0..100 {
            tokens.push(pair.access_token);
            pair = issuer.refresh(pair.refresh_token).await;
        }
    }
    let ours = ours(&mut issuer, &tokens).await;
    let signed: Vec<Value> = ours
        .into_iter()
        .map(|verdict| serde_json::from_str(&verdict.claims.expect("ours").json).expect("JSON"))
        .collect();
    assert_eq!(signed[250]["name"], odd);
    for &verifier in &verifiers {
        let verdicts = verifier.judge(&issuer.api(), &tokens);
        for (verdict, signed) in verdicts.iter().zip(&signed) {
            let Verdict::Claims(claims) = verdict else { panic!("{verifier:?}: {verdict:?}") };
            assert_eq!(claims, signed, "{verifier:?}");
        }
    }
    issuer.stop();
}

/// Of two thousand texts every hundredth is the token itself: those and no
/// others do we accept, and so does every library.
#[tokio::test(flavor = "multi_thread")]
async fn vs_23_we_accept_nothing_that_a_library_refuses() {
    let verifiers = Verifier::installed();
    if verifiers.is_empty() {
        return;
    }
    let mut issuer = Issuer::start().await;
    issuer.program.create_user(&["alice", "--role", "reader"]);
    let pair = issuer.login_for("alice", &[], "read").await;
    let mutator = Mutator::new(&pair.access_token, &pair.refresh_token, 23);
    let text = |number| match number % 100 {
        0 => pair.access_token.clone(),
        _ => mutator.next(),
    };
    let texts: Vec<_> = (0..2_000).map(text).collect();
    let ours: Vec<_> = ours(&mut issuer, &texts).await.iter().map(|v| v.active).collect();
    for (text, accepted) in texts.iter().zip(&ours) {
        assert_eq!(*accepted, *text == pair.access_token, "{text:?}");
    }
    for &verifier in &verifiers {
        let theirs = verifier.judge(&issuer.api(), &texts);
        for ((text, ours), theirs) in texts.iter().zip(&ours).zip(&theirs) {
            assert!(!ours || theirs.is_accepted(), "{verifier:?} {text:?}: {theirs:?}");
        }
        let refused = theirs.iter().filter(|verdict| !verdict.is_accepted()).count();
        assert!(refused > 1_500, "{verifier:?} refused {refused}: is it asked at all?");
    }
    issuer.stop();
}
