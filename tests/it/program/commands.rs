//! The command line beside a running server.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tokenward::domain::token::CompactToken;
use tokenward::grpc::pb::auth::{
    GetJwksRequest, InactiveReason, IssueClientTokenRequest, LoginRequest, RefreshRequest,
    issue_client_token_request::Credentials,
};

use super::{Client, client, login, verify};
use crate::support::{
    program::{Program, Running},
    world::PASSWORD,
};

fn program() -> Program {
    let program = Program::new().with_cheap_hashes().with_keys();
    program.create_user(&["alice", "--email", "alice@example.org", "--role", "editor"]);
    program
}

/// What the command line revokes, a running server knows a moment later: it
/// looks at the log each 100 ms.
async fn dies(client: &mut Client, token: &str, reason: &str) {
    for _ in 0..500 {
        let verdict = verify(client, token).await;
        if verdict.reason() == InactiveReason::Revoked {
            assert_eq!(verdict.revocation.expect("when and why").reason, reason);
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the server did not notice");
}

// With one thread, waiting for the server's end would keep the clients from
// hearing that it ends, and the server from ending before its drain is over.
#[tokio::test(flavor = "multi_thread")]
async fn p1_a_revocation_by_command_reaches_a_running_server() {
    let program = program();
    let server = program.serve();
    let mut auth = client(&server).await;
    let token = async || {
        let mut auth = client(&server).await;
        let logged_in = login(&mut auth).await;
        (logged_in.tokens.expect("tokens").access_token, logged_in.session_id)
    };

    let (access, session) = token().await;
    program.run(&["revoke", "session", &session]).success();
    dies(&mut auth, &access, "OPERATOR").await;

    for target in [
        &["revoke", "user", "alice"][..],
        &["revoke", "client", "default"],
        &["revoke", "all", "--yes"],
    ] {
        let (access, _) = token().await;
        assert!(verify(&mut auth, &access).await.active);
        program.run(target).success();
        dies(&mut auth, &access, "OPERATOR").await;
    }

    let (access, _) = token().await;
    program.run(&["user", "disable", "alice@example.org"]).success();
    dies(&mut auth, &access, "USER_DISABLED").await;
    server.stop();
}

/// VT-31 too: who is enabled again logs in again.
#[tokio::test(flavor = "multi_thread")]
async fn vt_07_a_password_set_by_command_ends_what_was_before() {
    const NEW: &str = "another horse, another staple";
    let program = program();
    let server = program.serve();
    let mut auth = client(&server).await;
    let before = login(&mut auth).await.tokens.expect("tokens").access_token;
    let set = program.run_with_input(&["user", "set-password", "alice"], NEW).success();
    assert!(set.starts_with("password set; revocation sequence number "), "{set}");
    dies(&mut auth, &before, "PASSWORD_CHANGED").await;
    let with = |password: &str| LoginRequest {
        identifier: "alice".to_owned(),
        password: password.to_owned(),
        ..LoginRequest::default()
    };
    assert!(auth.login(with(PASSWORD)).await.is_err(), "the old one");
    let between = auth.login(with(NEW)).await.expect("the new one").into_inner();
    let between = between.tokens.expect("tokens").access_token;

    program.run(&["user", "disable", "alice"]).success();
    dies(&mut auth, &between, "USER_DISABLED").await;
    assert!(auth.login(with(NEW)).await.is_err(), "disabled");
    assert_eq!(program.run(&["user", "enable", "alice"]).success(), "enabled\n");
    auth.login(with(NEW)).await.expect("enabled");
    for token in [before, between] {
        assert_eq!(verify(&mut auth, &token).await.reason(), InactiveReason::Revoked);
    }
    server.stop();
}

/// The token of the client `worker`, if this is its secret.
async fn token_by(client: &mut Client, secret: &str) -> Option<String> {
    let request = IssueClientTokenRequest {
        client_id: "worker".to_owned(),
        credentials: Some(Credentials::ClientSecret(secret.to_owned())),
        ..IssueClientTokenRequest::default()
    };
    let issued = client.issue_client_token(request).await.ok()?.into_inner();
    issued.tokens.map(|tokens| tokens.access_token)
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_managed_beside_a_running_server() {
    let program = program();
    let server = program.serve();
    let mut auth = client(&server).await;
    let run = |arguments: &[&str]| program.run(arguments).success().trim_end().to_owned();
    let first = run(&["client", "create", "worker", "--audience", "api", "--scope", "read"]);
    let token = token_by(&mut auth, &first).await.expect("a token");
    let rotated = run(&["client", "rotate-secret", "worker", "--grace", "1h", "--json"]);
    let rotated: Value = serde_json::from_str(&rotated).expect("JSON");
    let second = rotated["client_secret"].as_str().expect("a secret");
    assert!(token_by(&mut auth, &first).await.is_some(), "for an hour");
    assert!(token_by(&mut auth, second).await.is_some());
    let third = run(&["client", "rotate-secret", "worker"]);
    assert!(
        token_by(&mut auth, &first).await.is_none() && token_by(&mut auth, second).await.is_none()
    );

    let disabled = run(&["client", "disable", "worker"]);
    assert!(disabled.starts_with("disabled; revocation sequence number "), "{disabled}");
    dies(&mut auth, &token, "CLIENT_DISABLED").await;
    assert_eq!(run(&["client", "show", "worker"]), "worker  disabled  api  read");
    assert!(token_by(&mut auth, &third).await.is_none());
    assert_eq!(run(&["client", "enable", "worker"]), "enabled");
    let token = token_by(&mut auth, &third).await.expect("a token");
    let listed: Value = serde_json::from_str(&run(&["client", "list", "--json"])).expect("JSON");
    assert_eq!((&listed["client_id"], &listed["scope"]), (&"worker".into(), &"read".into()));
    run(&["client", "delete", "worker", "--yes"]);
    dies(&mut auth, &token, "CLIENT_DELETED").await;
    assert_eq!(run(&["client", "list"]), "");
    for (arguments, complaint) in [
        (&["client", "show", "worker"][..], "there is no such client"),
        (&["client", "disable", "default"], "the client stands in the configuration"),
        (&["client", "create", "x", "--audience", "a b"], "audiences must each be"),
    ] {
        let refused = program.run(arguments);
        assert!(refused.code == 1 && refused.stderr.contains(complaint), "{}", refused.stderr);
    }
    server.stop();
}

#[test]
fn passwords_are_set_by_the_rules_and_for_users_that_are_there() {
    let program = program();
    for (user, password, complaint) in [
        ("alice", "short", "must have at least 15 characters"),
        ("alice", "", "must not be empty"),
        ("alice", "my name is alice@example.org", "must not contain the username"),
        ("nobody", "another horse, another staple", "there is no such user"),
    ] {
        let refused = program.run_with_input(&["user", "set-password", user], password);
        assert_eq!(refused.code, 1);
        assert!(refused.stderr.contains(complaint), "{}", refused.stderr);
    }
    let unknown = program.run(&["user", "enable", "nobody"]);
    assert!(unknown.code == 1 && unknown.stderr.contains("there is no such user"));
}

#[test]
fn users_are_listed_for_people_and_for_programs() {
    let program = program();
    let bob = program.create_user(&["--phone", "+41 44 668 18 00", "--email", "bob@example.org"]);
    program.run(&["user", "disable", "+41446681800"]).success();

    let lines = program.run(&["user", "list"]).success();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    let listed = program.run(&["user", "list", "--json"]).success();
    let users: Vec<Value> =
        listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let find = |email: &str| users.iter().find(|user| user["email"] == email).expect(email);
    assert_eq!(find("alice@example.org")["username"], "alice");
    assert_eq!(find("alice@example.org")["roles"][0], "editor");
    assert_eq!(find("bob@example.org")["id"], bob.as_str());
    assert_eq!(find("bob@example.org")["phone"], "+41446681800");
    assert!(find("bob@example.org")["disable_time"].is_string());
    assert!(!listed.contains("argon2"), "hashes stay where they are");
}

#[test]
fn a_server_stops_in_good_order_and_says_so() {
    let program = program();
    let server: Running = program.serve();
    let address = server.grpc.to_string();
    program.run(&["healthcheck", "--addr", &address]).success();
    server.stop();
    let gone = program.run(&["healthcheck", "--addr", &address]);
    assert_eq!(gone.code, 1);
    assert!(gone.stderr.contains("cannot be reached"), "{}", gone.stderr);
}

#[test]
fn keys_are_listed_exported_and_never_made_twice() {
    let program = program();
    let listed = program.run(&["keys", "list", "--json"]).success();
    let keys: Vec<Value> =
        listed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(keys.len(), 2);
    assert!(keys.iter().all(|key| key["state"] == "signing" && key["bits"] == 2048));

    let jwks: Value = serde_json::from_str(&program.run(&["keys", "export"]).success()).unwrap();
    let kid = jwks["keys"][0]["kid"].as_str().expect("a kid");
    let access = keys.iter().find(|key| key["purpose"] == "access").expect("one");
    assert_eq!(access["kid"], kid);
    let jwk: Value =
        serde_json::from_str(&program.run(&["keys", "export", kid]).success()).unwrap();
    assert_eq!(jwk, jwks["keys"][0]);
    let pem = program.run(&["keys", "export", kid, "--format", "pem"]).success();
    assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----"));

    let refresh = keys.iter().find(|key| key["purpose"] == "refresh").expect("one");
    let refused = program.run(&["keys", "export", refresh["kid"].as_str().unwrap()]);
    assert_eq!(refused.code, 1, "refresh keys stay in the house");

    program.run(&["keys", "generate"]).success();
    assert_eq!(program.run(&["keys", "list"]).success().lines().count(), 2);
    let later = ["keys", "generate", "--purpose", "access", "--signs-from", "2099-01-01T00:00:00Z"];
    program.run(&later).success();
    let listed = program.run(&["keys", "list"]).success();
    assert!(
        listed.lines().any(|line| line.contains("standby") && line.contains("2099")),
        "{listed}"
    );
}

/// KM-23, the drill: servers make their keys themselves; one of them is stolen
/// and revoked beside the server, whose users stay logged in.
#[tokio::test(flavor = "multi_thread")]
async fn km_23_a_stolen_key_is_revoked_beside_a_running_server() {
    let program = Program::new().with_cheap_hashes();
    let server = program.serve();
    for folder in ["access", "refresh"] {
        server.until_logged(&format!("keys/{folder}/20"));
    }
    program.create_user(&["alice", "--email", "alice@example.org"]);
    let mut auth = client(&server).await;
    let tokens = login(&mut auth).await.tokens.expect("tokens");
    let kid = |token: &str| CompactToken::parse(token).expect("ours").kid.to_string();
    let stolen = kid(&tokens.access_token);
    let announced = program.run(&["keys", "revoke", &stolen, "--dry-run"]).success();
    assert!(announced.contains("would revoke the access key"), "{announced}");
    assert!(verify(&mut auth, &tokens.access_token).await.active);

    let told = program.run(&["keys", "revoke", &stolen]).success();
    for part in ["revoked; revocation sequence number 1", "signs in its place", "Envoy"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let mut verdict = verify(&mut auth, &tokens.access_token).await;
    for _ in 0..500 {
        if verdict.reason() == InactiveReason::KeyRevoked {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        verdict = verify(&mut auth, &tokens.access_token).await;
    }
    assert_eq!(verdict.reason(), InactiveReason::KeyRevoked);
    let request =
        RefreshRequest { refresh_token: tokens.refresh_token.clone(), ..Default::default() };
    let next = auth.refresh(request).await.expect("lives on").into_inner().tokens.expect("tokens");
    assert!(verify(&mut auth, &next.access_token).await.active);
    let jwks = auth.get_jwks(GetJwksRequest {}).await.expect("answered").into_inner().jwks_json;
    assert!(!jwks.contains(&stolen) && jwks.contains(&kid(&next.access_token)), "{jwks}");
    let listed = program.run(&["keys", "list"]).success();
    assert!(listed.lines().any(|key| key.contains(&stolen) && key.contains("revoked")), "{listed}");
    assert!(!program.run(&["keys", "export"]).success().contains(&stolen));
    assert_eq!(program.run(&["keys", "export", &stolen]).code, 1);
    server.stop();

    let server = program.serve();
    let mut auth = client(&server).await;
    let jwks = auth.get_jwks(GetJwksRequest {}).await.expect("answered").into_inner().jwks_json;
    assert!(!jwks.contains(&stolen), "although its file is there");
    server.stop();
}

/// KM-20: SIGHUP brings the look at the keys forward, any number of times, and
/// ends nothing.
#[test]
fn km_20_sighup_reloads_the_keys() {
    let program = program().set("keys.poll_interval", "1m");
    let server = program.serve();
    let later = ["keys", "generate", "--purpose", "access", "--signs-from", "2099-01-01T00:00:00Z"];
    program.run(&later).success();
    // The second look of the server, after the one at its start.
    server.signal(Signal::HUP);
    server.until_logged("keys reloaded");
    for _ in 0..1_000 {
        server.signal(Signal::HUP);
    }
    let health = program.run(&["healthcheck", "--addr", &server.grpc.to_string()]);
    assert_eq!(health.stdout, "SERVING\n");
    server.stop();
}

#[test]
fn the_effective_configuration_is_printed_without_secrets() {
    let program = Program::new()
        .env("TOKENWARD_DATABASE_URL", "postgres://tokenward:hunter2@db.example/tokens")
        .set("tokens.leeway", "7s");
    for arguments in [&["config", "print"][..], &["config", "print", "--json"]] {
        let printed = program.run(arguments).success();
        assert!(!printed.contains("hunter2"), "{printed}");
        assert!(printed.contains("db.example") && printed.contains("7s"), "{printed}");
    }
    // What is printed can be loaded, but for the secret.
    let toml = Program::new().run(&["config", "print"]).success();
    Program::new().config(&toml).run(&["config", "check"]).success();
}

#[test]
fn a_token_is_shown_but_not_believed() {
    let program = program();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = program.serve();
    let token = runtime.block_on(async {
        login(&mut client(&server).await).await.tokens.expect("tokens").access_token
    });
    let shown = program.run_with_input(&["token", "inspect"], &token).success();
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(shown["header"]["alg"], "RS256");
    assert_eq!(shown["claims"]["email"], "alice@example.org");
    assert_eq!(shown["signature"], "not checked");
    server.stop();
}
