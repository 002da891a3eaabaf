//! A user without a password, from the command line to the first login.

use serde_json::Value;
use tokenward::grpc::pb::auth::{LoginRequest, ResetPasswordRequest, VerifyIdentifierRequest};
use tonic::Status;
use tonic_types::StatusExt as _;

use super::{Client, client};
use crate::support::{
    program::{Program, Running},
    world::PASSWORD,
};

fn reason(status: &Status) -> String {
    status.get_error_details().error_info().expect("ErrorInfo").reason.clone()
}

async fn login(auth: &mut Client, password: &str) -> Result<String, String> {
    let (identifier, password) = ("carol".to_owned(), password.to_owned());
    let request = LoginRequest { identifier, password, ..LoginRequest::default() };
    let answer = auth.login(request).await.map_err(|status| reason(&status))?;
    Ok(answer.into_inner().tokens.expect("tokens").access_token)
}

async fn reset(auth: &mut Client, token: &str) -> Result<i64, String> {
    let (token, new_password) = (token.to_owned(), PASSWORD.to_owned());
    let answer = auth.reset_password(ResetPasswordRequest { token, new_password }).await;
    answer.map(|answer| answer.into_inner().revocation_seq).map_err(|status| reason(&status))
}

/// LG-55: in place of a temporary password, none at all and a token.
#[tokio::test(flavor = "multi_thread")]
async fn lg_55_a_user_begins_with_a_reset_token() {
    let program = Program::new().with_cheap_hashes().with_keys();
    let server: Running = program.serve();
    let mut auth = client(&server).await;
    let create = ["user", "create", "carol", "--email", "carol@example.org", "--no-password"];
    let id = program.run(&create).success();
    assert_eq!(login(&mut auth, PASSWORD).await, Err("INVALID_CREDENTIALS".to_owned()));

    let made = program.run(&["user", "reset-token", "carol"]);
    let (token, told) = (made.stdout.trim_end(), &made.stderr);
    assert!(token.starts_with("twr_") && made.stdout.lines().count() == 1, "{}", made.stdout);
    assert!(told.starts_with("good until ") && !told.contains("twr_"), "{told}");
    let again = program.run(&["user", "reset-token", "carol", "--json"]);
    assert!(again.code == 1 && again.stderr.contains("a moment ago"), "{}", again.stderr);

    assert!(reset(&mut auth, token).await.expect("reset") > 0);
    login(&mut auth, PASSWORD).await.expect("the new password");
    assert_eq!(reset(&mut auth, token).await, Err("INVALID_ONE_TIME_TOKEN".to_owned()));

    let verification = ["user", "verification-token", "carol", "--identifier", "email", "--json"];
    let made: Value = serde_json::from_str(&program.run(&verification).success()).expect("JSON");
    assert_eq!(made["user"], id.trim_end());
    assert!(made["expire_time"].is_string());
    let token = made["token"].as_str().expect("a token").to_owned();
    auth.verify_identifier(VerifyIdentifierRequest { token }).await.expect("verified");
    let listed = program.run(&["user", "list", "--json"]).success();
    let listed: Value = serde_json::from_str(&listed).expect("one user");
    assert!(listed["email_verify_time"].is_string() && listed["phone_verify_time"].is_null());

    let phone = program.run(&["user", "verification-token", "carol", "--identifier", "phone"]);
    assert!(phone.code == 1 && phone.stderr.contains("no such identifier"), "{}", phone.stderr);
    server.stop();
}
