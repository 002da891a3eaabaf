//! The audit log among the log lines of the real program.

use serde_json::Value;
use tokenward::grpc::pb::auth::LoginRequest;

use super::{client, login};
use crate::support::program::Program;

/// LO-08, LO-07, LO-05: even where the configuration wants to know what was
/// typed, one event stays one line of JSON, whatever that was.
#[tokio::test(flavor = "multi_thread")]
async fn lo_08_what_was_typed_breaks_no_line() {
    let program = Program::new()
        .with_cheap_hashes()
        .set("audit.failed_identifiers", "true")
        .set("log.level", "error,tokenward::cli=info")
        .with_keys();
    let server = program.serve();
    let typed = "\"} \n{\"action\":\"LOGIN\",\"outcome\":\"SUCCEEDED\"} \u{1b}[2J\u{202e}";
    let request = LoginRequest {
        identifier: typed.to_owned(),
        password: "a wrong guess".to_owned(),
        ..LoginRequest::default()
    };
    client(&server).await.login(request).await.map(drop).expect_err("nobody");
    let log = server.log();
    let audit: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("JSON: {line}")))
        .filter(|line: &Value| line["target"] == "tokenward::audit")
        .collect();
    assert_eq!(audit.len(), 1, "told whatever the level: {log}");
    assert_eq!((&audit[0]["action"], &audit[0]["outcome"]), (&"LOGIN".into(), &"REFUSED".into()));
    let detail = audit[0]["detail"].as_str().expect("a detail");
    assert!(detail.starts_with("identifier=\"} ") && !detail.chars().any(char::is_control));
    server.stop();
}

/// LO-12: the disk of the log is full, and the service goes on.
#[tokio::test(flavor = "multi_thread")]
async fn lo_12_a_log_that_cannot_be_written_stops_nothing() {
    let program = Program::new().with_cheap_hashes().with_keys();
    program.create_user(&["alice"]);
    let server = program.serve_with_log_on_a_full_disk();
    for _ in 0..20 {
        let mut auth = client(&server).await;
        login(&mut auth).await;
        let request = LoginRequest { identifier: "alice".to_owned(), ..LoginRequest::default() };
        auth.login(request).await.map(drop).expect_err("no password");
    }
    let logins = program.run(&["audit", "list", "--action", "LOGIN"]).success();
    assert_eq!(logins.lines().count(), 20, "the table has what no line told");
}
