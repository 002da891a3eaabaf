//! The OAuth endpoints, as other people's OAuth clients use them.

use std::process::Command;

use serde_json::{Value, json};

use super::{assertions::register, has_node_library, has_python, issuer::Issuer, node, python};
use crate::support::command;

/// Authlib on `requests`.
#[tokio::test(flavor = "multi_thread")]
async fn authlib_is_a_client() {
    if has_python() {
        is_a_client(python("oauth_client.py")).await;
    }
}

/// oauth4webapi, which stands below openid-client.
#[tokio::test(flavor = "multi_thread")]
async fn oauth4webapi_is_a_client() {
    if has_python() && has_node_library("oauth4webapi") {
        is_a_client(node("oauth_client.mjs")).await;
    }
}

async fn is_a_client(mut library: Command) {
    let key = command::run(&mut python("oauth_client.py"), r#"{"make_key":true}"#).success();
    let key: Value = serde_json::from_str(&key).expect("a key");
    let mut issuer = Issuer::start().await;
    register(&issuer, "signer", &key["jwks"]);
    let create = ["client", "create", "worker", "--audience", "api", "--scope", "read"];
    let worker = issuer.program.run(&create).success().trim_end().to_owned();
    issuer.program.create_user(&["alice"]);
    let tokens = issuer.login("alice").await;
    let question = json!({
        "issuer": issuer.url,
        "worker": worker,
        "key": key["private"],
        "refresh_token": tokens.refresh_token,
    });
    let told = command::run(&mut library, &question.to_string()).success();
    let told: Value = serde_json::from_str(&told).expect("what happened");
    for method in ["client_secret_basic", "client_secret_post", "private_key_jwt"] {
        assert_eq!(told["scopes"][method], "read", "{method}: {told}");
    }
    let before = ["active", "client_id", "aud", "iss"].map(|name| &told["before"][name]);
    let expected = [&json!(true), &json!("default"), &json!("api"), &json!(issuer.url)];
    assert_eq!(before, expected, "{told}");
    assert_eq!((&told["revoked"], &told["after"]), (&json!(200), &json!({ "active": false })));
    assert_eq!(told["wrong_secret"], "invalid_client", "{told}");
    issuer.stop();
}
