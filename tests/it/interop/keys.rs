//! Keys that other people's tools made, and what other people's tools make of
//! ours.

use std::{fs, os::unix::fs::DirBuilderExt as _, path::Path, process::Command};

use serde_json::{Value, json};

use super::{issuer::Issuer, verifier::Verifier};
use crate::support::{command, program::Program, skip::has_tool};

fn ssh_keygen(file: &Path) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "rsa", "-b", "4096", "-m", "PEM", "-N", "", "-f"]).arg(file);
    command::run(&mut command, "").success();
}

/// Drops keys of ssh-keygen (and the `.pub` files that it writes beside them)
/// into the key folders.
fn with_keys_of_ssh(program: Program) -> Program {
    for purpose in ["access", "refresh"] {
        let folder = program.data_dir().join("keys").join(purpose);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).expect("a folder");
        ssh_keygen(&folder.join("jwtRS256.key"));
        assert!(folder.join("jwtRS256.key.pub").exists());
    }
    program
}

/// The id and the file of the access key that signs.
fn access_key(program: &Program) -> (String, String) {
    let list = program.run(&["keys", "list", "--json"]).success();
    let keys = list.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let key = keys.into_iter().find(|key| key["purpose"] == "access").expect("an access key");
    let text = |name: &str| key[name].as_str().expect("text").to_owned();
    (text("kid"), text("file"))
}

fn public_key_by_openssl(private_key: &Path) -> String {
    let mut command = Command::new("openssl");
    command.args(["rsa", "-pubout", "-in"]).arg(private_key);
    command::run(&mut command, "").success()
}

#[tokio::test(flavor = "multi_thread")]
async fn s4_1_keys_made_by_ssh_keygen_just_work() {
    if !has_tool("ssh-keygen", "-?") || !Verifier::PyJwt.is_installed() {
        return;
    }
    let mut issuer = Issuer::start_with(with_keys_of_ssh).await;
    issuer.program.create_user(&["alice"]);
    let first = issuer.login("alice").await;
    let second = issuer.refresh(first.refresh_token).await;
    for token in [first.access_token, second.access_token] {
        let verdict = Verifier::PyJwt.judge_one(&issuer.api(), &token);
        assert!(verdict.is_accepted(), "{verdict:?}");
    }
    let (_, file) = access_key(&issuer.program);
    assert_eq!(file, "jwtRS256.key");
    issuer.stop();
}

/// For gateways that want a PEM file and no URL.
#[tokio::test(flavor = "multi_thread")]
async fn an_exported_key_is_what_openssl_says_and_pyjwt_takes_it() {
    if !has_tool("openssl", "version") || !Verifier::PyJwt.is_installed() {
        return;
    }
    let mut issuer = Issuer::start().await;
    issuer.program.create_user(&["alice"]);
    let (kid, file) = access_key(&issuer.program);
    let pem = issuer.program.run(&["keys", "export", &kid, "--format", "pem"]).success();
    let private_key = issuer.program.data_dir().join("keys/access").join(file);
    assert_eq!(pem, public_key_by_openssl(&private_key));
    let asked = json!({ "pem": pem, "issuer": issuer.url, "audience": "api" });
    let tokens = issuer.login("alice").await;
    let judge = |token: &str| Verifier::PyJwt.judge_one(&asked, token);
    assert!(judge(&tokens.access_token).is_accepted());
    let refused = judge(&tokens.refresh_token);
    assert!(!refused.is_accepted(), "{refused:?}");
    issuer.stop();
}
