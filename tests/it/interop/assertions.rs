//! Clients that prove who they are with a library of other people, and
//! resource servers that take their tokens.

use std::{collections::BTreeMap, fs};

use serde::Deserialize;
use serde_json::{Value, json};
use tokenward::grpc::pb::auth::{IssueClientTokenRequest, issue_client_token_request::Credentials};
use tonic::{Code, Status};

use super::{
    issuer::Issuer,
    python,
    verifier::{Verdict, Verifier},
};
use crate::support::command;

/// What `tests/interop/assertion.py` has made.
#[derive(Deserialize)]
struct Made {
    jwks: Value,
    other_jwks: Value,
    good: BTreeMap<String, String>,
    bad: BTreeMap<String, String>,
}

fn make(issuer: &str) -> Made {
    let question = json!({ "issuer": issuer, "client": "worker", "other": "other" });
    let made = command::run(&mut python("assertion.py"), &question.to_string()).success();
    serde_json::from_str(&made).expect("keys and assertions")
}

/// Makes a client that has these keys and no secret.
pub(super) fn register(issuer: &Issuer, id: &str, jwks: &Value) {
    let path = issuer.program.data_dir().join(format!("{id}.jwks.json"));
    fs::write(&path, jwks.to_string()).expect("a file");
    let path = path.to_str().expect("UTF-8");
    let create =
        ["client", "create", id, "--audience", "api", "--scope", "read", "--jwks-file", path];
    assert_eq!(issuer.program.run(&create).success(), format!("{id}\n"));
}

async fn ask(
    issuer: &mut Issuer,
    client_id: &str,
    credentials: Credentials,
) -> Result<String, Status> {
    let request = IssueClientTokenRequest {
        client_id: client_id.to_owned(),
        credentials: Some(credentials),
        audience: Vec::new(),
        scope: "read".to_owned(),
    };
    let answer = issuer.auth.issue_client_token(request).await?.into_inner();
    Ok(answer.tokens.expect("tokens").access_token)
}

#[tokio::test(flavor = "multi_thread")]
async fn rf_01_assertions_of_pyjwt_are_taken_once_and_their_neighbours_never() {
    if !Verifier::PyJwt.is_installed() {
        return;
    }
    let mut issuer = Issuer::start().await;
    let made = make(&issuer.url);
    register(&issuer, "worker", &made.jwks);
    register(&issuer, "other", &made.other_jwks);
    let by = |text: &String| Credentials::ClientAssertion(text.clone());
    assert_eq!((made.good.len(), made.bad.len()), (4, 22));
    for (name, text) in &made.bad {
        let refused = ask(&mut issuer, "worker", by(text)).await.expect_err(name);
        assert_eq!(refused.code(), Code::Unauthenticated, "{name}");
    }
    for (name, text) in &made.good {
        assert!(ask(&mut issuer, "other", by(text)).await.is_err(), "{name}");
        let answer = ask(&mut issuer, "worker", by(text)).await;
        answer.unwrap_or_else(|status| panic!("{name}: {status:?}"));
        assert!(ask(&mut issuer, "worker", by(text)).await.is_err(), "{name} again");
    }
    issuer.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn libraries_accept_a_clients_own_token() {
    let verifiers = Verifier::installed();
    if verifiers.is_empty() {
        return;
    }
    let mut issuer = Issuer::start().await;
    let create = ["client", "create", "worker", "--audience", "api", "--scope", "read"];
    let secret = issuer.program.run(&create).success().trim_end().to_owned();
    let token = ask(&mut issuer, "worker", Credentials::ClientSecret(secret)).await;
    let token = token.expect("a token");
    for &verifier in &verifiers {
        let verdict = verifier.judge_one(&issuer.api(), &token);
        let Verdict::Claims(claims) = verdict else { panic!("{verifier:?}: {verdict:?}") };
        assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("worker"), &json!("worker")));
        assert_eq!((&claims["scope"], &claims["sid"]), (&json!("read"), &Value::Null));
    }
    issuer.stop();
}
