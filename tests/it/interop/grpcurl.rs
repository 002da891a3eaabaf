//! grpcurl, as operators type it: it knows of us only what reflection says.

use std::{path::PathBuf, process::Command};

use serde_json::{Value, json};

use super::client;
use crate::support::{
    command::{self, Finished},
    program::{Program, Running},
    world::PASSWORD,
};

const SERVICE: &str = "tokenward.auth.v1.AuthService";

/// grpcurl, pointed at a server.
pub(super) struct Grpcurl {
    program: PathBuf,
    address: String,
}

impl Grpcurl {
    /// grpcurl for a server that runs already; `None` without grpcurl.
    pub(super) fn pointed_at(address: std::net::SocketAddr) -> Option<Self> {
        let program = client("bin/grpcurl", "-version")?;
        Some(Self { program, address: address.to_string() })
    }

    /// A server with the user alice, and grpcurl; `None` without grpcurl.
    pub(super) fn start(prepare: impl FnOnce(Program) -> Program) -> Option<(Running, Self)> {
        let grpcurl = client("bin/grpcurl", "-version")?;
        let program = prepare(Program::new()).with_keys();
        program.create_user(&["alice", "--role", "reader"]);
        let server = program.serve();
        let address = server.grpc.to_string();
        Some((server, Self { program: grpcurl, address }))
    }

    /// `grpcurl FLAGS ADDRESS REST`, with the message on standard input.
    pub(super) fn run(&self, flags: &[&str], rest: &[&str], message: &Value) -> Finished {
        self.run_with_input(flags, rest, &message.to_string())
    }

    /// The same, with many messages, or with what is none.
    pub(super) fn run_with_input(&self, flags: &[&str], rest: &[&str], input: &str) -> Finished {
        let mut command = Command::new(&self.program);
        command.args(["-plaintext", "-connect-timeout", "20", "-max-time", "60"]);
        command.args(["-d", "@"]).args(flags).arg(&self.address).args(rest);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        command::run(&mut command, input)
    }

    /// `grpcurl ADDRESS REST`: `list` or `describe`.
    fn show(&self, rest: &[&str]) -> String {
        let mut command = Command::new(&self.program);
        command.args(["-plaintext", "-connect-timeout", "20", "-max-time", "60"]);
        command::run(command.arg(&self.address).args(rest), "").success()
    }

    /// Calls a method of the service.
    pub(super) fn call(&self, flags: &[&str], method: &str, message: &Value) -> Finished {
        self.run(flags, &[&format!("{SERVICE}/{method}")], message)
    }

    /// The answer to a call that succeeds.
    pub(super) fn ask(&self, method: &str, message: &Value) -> Value {
        let answer = self.call(&[], method, message).success();
        serde_json::from_str(&answer).expect("JSON")
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// With administration on a listener of its own, as by default.
fn apart(program: Program) -> Program {
    program.set("admin.listen", "127.0.0.2:0")
}

#[test]
fn grpcurl_lists_every_service() {
    let Some((server, grpcurl)) = Grpcurl::start(apart) else { return };
    let services = "envoy.service.auth.v3.Authorization\n\
                    grpc.health.v1.Health\n\
                    grpc.reflection.v1.ServerReflection\n\
                    grpc.reflection.v1alpha.ServerReflection\n\
                    tokenward.auth.v1.AuthService\n";
    assert_eq!(grpcurl.show(&["list"]), services);
    let methods = grpcurl.show(&["list", SERVICE]);
    for method in ["BatchVerify", "GetJwks", "Login", "Refresh", "Revoke", "Verify"] {
        assert!(methods.contains(&format!("{SERVICE}.{method}\n")), "{methods}");
    }
    server.stop();
}

/// Older tools know only v1alpha; grpcurl can call it as any other method.
#[test]
fn grpcurl_gets_the_same_list_from_v1alpha() {
    let Some((server, grpcurl)) = Grpcurl::start(apart) else { return };
    let names = |version: &str| {
        let method = format!("grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let answer = grpcurl.run(&[], &[&method], &json!({ "list_services": "" })).success();
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let services = answer["listServicesResponse"]["service"].as_array().expect("a list");
        let mut names: Vec<_> = services.iter().map(|s| text(&s["name"]).to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names("v1alpha").len(), 5);
    assert_eq!(names("v1alpha"), names("v1"));
    server.stop();
}

#[test]
fn grpcurl_describes_with_our_comments() {
    let Some((server, grpcurl)) = Grpcurl::start(|program| program) else { return };
    let service = grpcurl.show(&["describe", SERVICE]);
    assert!(service.contains("// Issues, checks and revokes tokens.\nservice AuthService {"));
    assert!(service.contains("rpc Login ( .tokenward.auth.v1.LoginRequest ) returns"), "{service}");
    let message = grpcurl.show(&["describe", "tokenward.auth.v1.VerifyRequest"]);
    assert!(message.contains("// The access token. At most 8192 bytes"), "{message}");
    // Not to be printed by tools that respect it.
    assert!(message.contains("string token = 1 [debug_redact = true];"), "{message}");
    let detail = grpcurl.show(&["describe", "google.rpc.ErrorInfo"]);
    assert!(detail.contains("string reason = 1;"), "{detail}");
    server.stop();
}

#[test]
fn grpcurl_follows_a_session_from_login_to_its_end() {
    let Some((server, grpcurl)) = Grpcurl::start(|program| program) else { return };
    let login = json!({ "identifier": "alice", "password": PASSWORD, "label": "a test" });
    let login = grpcurl.ask("Login", &login);
    let first = login["tokens"].clone();
    let verdict = grpcurl.ask("Verify", &json!({ "token": first["accessToken"] }));
    is_what_login_said(&login, &verdict);

    let authorization = format!("authorization: Bearer {}", text(&first["accessToken"]));
    let sessions = grpcurl.call(&["-H", &authorization], "ListSessions", &json!({})).success();
    let sessions: Value = serde_json::from_str(&sessions).expect("JSON");
    let session = &sessions["sessions"][0];
    assert_eq!(session["sessionId"], login["sessionId"]);
    assert_eq!((&session["current"], &session["label"]), (&json!(true), &json!("a test")));
    assert_eq!(session["ipAddress"], "127.0.0.1");
    assert!(text(&session["userAgent"]).starts_with("grpcurl/"), "{session}");

    let refreshed = grpcurl.ask("Refresh", &json!({ "refreshToken": first["refreshToken"] }));
    assert_eq!(refreshed["sessionId"], login["sessionId"]);
    assert_ne!(refreshed["tokens"]["refreshToken"], first["refreshToken"]);
    assert_eq!(refreshed.get("replayed"), None, "false is left out");
    let again = grpcurl.ask("Refresh", &json!({ "refresh_token": first["refreshToken"] }));
    assert_eq!(again["tokens"], refreshed["tokens"], "P4: the same successor");
    assert_eq!(again["replayed"], true);

    let second = refreshed["tokens"].clone();
    let revoked = grpcurl.ask("Revoke", &json!({ "token": second["refreshToken"] }));
    assert_eq!(revoked, json!({ "revocationSeq": "1" }), "a 64-bit number is text in JSON");
    for pair in [&first, &second] {
        p1_is_revoked(&grpcurl, &pair["accessToken"]);
    }
    let refused = grpcurl.call(&[], "Refresh", &json!({ "refreshToken": second["refreshToken"] }));
    assert_eq!(refused.code, 64 + 16, "UNAUTHENTICATED");
    assert!(refused.stderr.contains(r#""reason": "SESSION_REVOKED""#), "{}", refused.stderr);
    server.stop();
}

/// Login's answer and Verify's: each field, and no other.
fn is_what_login_said(login: &Value, verdict: &Value) {
    let (tokens, claims) = (&login["tokens"], &verdict["claims"]);
    let expected = json!({
        "tokens": {
            "accessToken": text(&tokens["accessToken"]),
            "tokenType": "Bearer",
            "expireTime": claims["expireTime"],
            "refreshToken": text(&tokens["refreshToken"]),
            "sessionExpireTime": text(&tokens["sessionExpireTime"]),
            "refreshAfter": text(&tokens["refreshAfter"]),
        },
        "sessionId": claims["sessionId"],
        "userId": claims["subject"],
    });
    assert_eq!(*login, expected);
    let expected = json!({
        "active": true,
        "claims": {
            "issuer": "http://127.0.0.1:8080",
            "subject": login["userId"],
            "audience": ["api"],
            "clientId": "default",
            "tokenId": text(&claims["tokenId"]),
            "sessionId": login["sessionId"],
            "issueTime": text(&claims["issueTime"]),
            "expireTime": tokens["expireTime"],
            "authTime": text(&claims["authTime"]),
            "authenticationMethods": ["pwd"],
            "roles": ["reader"],
            "json": text(&claims["json"]),
        },
        "staleness": text(&verdict["staleness"]),
    });
    assert_eq!(*verdict, expected);
    let signed: Value = serde_json::from_str(text(&claims["json"])).expect("JSON");
    assert_eq!(signed["jti"], claims["tokenId"]);
}

/// At once; and asked for the number that Revoke gave, with that number.
fn p1_is_revoked(grpcurl: &Grpcurl, token: &Value) {
    let verdict = grpcurl.ask("Verify", &json!({ "token": token }));
    assert_eq!(verdict["reason"], "INACTIVE_REASON_REVOKED", "{verdict}");
    assert_eq!(verdict.get("active"), None, "false is left out");
    let verdict = grpcurl.ask("Verify", &json!({ "token": token, "minRevocationSeq": "1" }));
    let expected = json!({
        "reason": "INACTIVE_REASON_REVOKED",
        "claims": verdict["claims"],
        "revocation": {
            "revokeTime": text(&verdict["revocation"]["revokeTime"]),
            "reason": "LOGOUT",
        },
        "revocationSeq": "1",
        "staleness": text(&verdict["staleness"]),
    });
    assert_eq!(verdict, expected);
}

#[test]
fn grpcurl_asks_for_health() {
    let Some((server, grpcurl)) = Grpcurl::start(|program| program) else { return };
    let check = |service: &str| {
        grpcurl.run(&[], &["grpc.health.v1.Health/Check"], &json!({ "service": service }))
    };
    for service in ["", "liveness", "readiness", SERVICE] {
        assert_eq!(check(service).success(), "{\n  \"status\": \"SERVING\"\n}\n", "{service}");
    }
    let unknown = check("tokenward.auth.v2.AuthService");
    assert_eq!(unknown.code, 64 + 5, "NOT_FOUND");
    assert!(unknown.stderr.contains("Code: NotFound"), "{}", unknown.stderr);
    server.stop();
}
