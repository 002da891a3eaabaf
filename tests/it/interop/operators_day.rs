//! A day of an operator who has grpcurl and the command line, and nothing
//! else: the first administrator, users, an import, a user to be rid of, the
//! audit log, and what goes wrong on the way.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{grpcurl::Grpcurl, werkzeug::hashes};
use crate::support::{
    program::{Program, Running},
    world::PASSWORD,
};

/// Users who come from another system.
const IMPORTED: usize = 10_000;

/// Whoever sits at the terminal, with the token of an administrator.
struct Operator {
    grpcurl: Grpcurl,
    authorization: String,
}

impl Operator {
    /// Logs in as the administrator whom the command line has made.
    fn new(grpcurl: Grpcurl) -> Self {
        let tokens = log_in(&grpcurl, "root").expect("an administrator");
        let authorization = format!("authorization: Bearer {}", text(&tokens["accessToken"]));
        Self { grpcurl, authorization }
    }

    /// The answer of a method of administration.
    fn ask(&self, method: &str, message: &Value) -> Value {
        let method = format!("tokenward.admin.v1.{method}");
        let answer = self.grpcurl.run(&["-H", &self.authorization], &[&method], message).success();
        serde_json::from_str(&answer).expect("JSON")
    }

    /// What a wrong call is told: its code, and message and details.
    fn mistake(&self, method: &str, message: &Value) -> (i32, Value) {
        let flags = ["-format-error", "-H", &self.authorization];
        let method = format!("tokenward.admin.v1.{method}");
        let failed = self.grpcurl.run(&flags, &[&method], message);
        (failed.code - 64, serde_json::from_str(&failed.stderr).expect("JSON"))
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// The tokens of a login; `None` if it is refused.
fn log_in(grpcurl: &Grpcurl, identifier: &str) -> Option<Value> {
    let login = json!({ "identifier": identifier, "password": PASSWORD });
    let answer = grpcurl.call(&[], "Login", &login);
    (answer.code == 0).then(|| {
        let answer: Value = serde_json::from_str(&answer.stdout).expect("JSON");
        answer["tokens"].clone()
    })
}

fn is_active(grpcurl: &Grpcurl, tokens: &Value) -> bool {
    let verdict = grpcurl.ask("Verify", &json!({ "token": tokens["accessToken"] }));
    verdict["active"].as_bool().unwrap_or(false)
}

#[test]
fn an_operator_works_a_day_with_grpcurl() {
    let Some(hashes) = hashes() else { return };
    let program = Program::new().with_cheap_hashes().with_keys();
    program.create_user(&["root", "--role", "admin"]);
    let server = program.serve();
    let Some(grpcurl) = Grpcurl::pointed_at(server.grpc) else { return };
    let operator = Operator::new(grpcurl);
    let alice = creates_a_user(&operator);
    imports_users(&operator, &hashes);
    lists_users(&operator);
    disables_a_user(&operator, &alice);
    rotates_a_clients_secret(&operator);
    follows_the_audit_log(&operator, &program);
    is_told_what_was_wrong(&operator, &alice);
    the_day_is_on_record(&operator, server);
}

fn creates_a_user(operator: &Operator) -> String {
    let user = json!({
        "username": "alice", "email": "alice@example.org", "displayName": "Alice", "roles": ["reader"],
    });
    let request = json!({ "user": user, "password": PASSWORD });
    let created = operator.ask("UserService/CreateUser", &request)["user"].clone();
    assert_eq!((text(&created["username"]), text(&created["etag"])), ("alice", "1"));
    let found = operator.ask("UserService/GetUser", &json!({ "name": "users/alice@example.org" }));
    assert_eq!(found["user"], created);
    let update = json!({
        "user": { "name": created["name"], "displayName": "Alice A.", "etag": created["etag"] },
        "updateMask": { "paths": ["display_name"] },
    });
    let updated = operator.ask("UserService/UpdateUser", &update);
    assert_eq!(text(&updated["user"]["displayName"]), "Alice A.");
    text(&created["name"]).to_owned()
}

/// With the hashes of real libraries, one after the other; a few rows that
/// are wrong stop nothing.
fn imports_users(operator: &Operator, hashes: &[String]) {
    let mut rows = String::new();
    for index in 0..IMPORTED {
        let hash = &hashes[index % hashes.len()];
        let row = json!({ "user": { "username": format!("user-{index}") }, "passwordHash": hash });
        writeln!(rows, "{row}").expect("a String takes all");
    }
    for (username, hash) in [("alice", hashes[0].as_str()), ("no name", "no hash")] {
        let row = json!({ "user": { "username": username }, "passwordHash": hash });
        writeln!(rows, "{row}").expect("a String takes all");
    }
    let flags = ["-H", operator.authorization.as_str()];
    let method = ["tokenward.admin.v1.UserService/ImportUsers"];
    let told = operator.grpcurl.run_with_input(&flags, &method, &rows).success();
    let results: Vec<Value> = serde_json::Deserializer::from_str(&told)
        .into_iter()
        .map(|row| row.expect("JSON"))
        .collect();
    assert_eq!(results.len(), IMPORTED + 2);
    for (index, result) in results[..IMPORTED].iter().enumerate() {
        let row = (index + 1).to_string();
        assert_eq!((text(&result["row"]), text(&result["createdTotal"])), (&*row, &*row));
        assert!(text(&result["created"]).starts_with("users/"), "{result}");
    }
    assert_eq!(text(&results[IMPORTED]["taken"]), "username");
    let invalid = text(&results[IMPORTED + 1]["invalid"]);
    assert!(invalid.contains("username must be") && invalid.contains("password_hash"), "{invalid}");
    for index in [0, 7, 12] {
        let tokens = log_in(&operator.grpcurl, &format!("user-{index}")).expect("the old password");
        assert!(is_active(&operator.grpcurl, &tokens));
    }
}

fn lists_users(operator: &Operator) {
    let (mut seen, mut token) = (0, String::new());
    loop {
        let request = json!({ "pageSize": 1000, "pageToken": token });
        let page = operator.ask("UserService/ListUsers", &request);
        seen += page["users"].as_array().expect("users").len();
        match page["nextPageToken"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => break,
        }
    }
    assert_eq!(seen, IMPORTED + 2);
    let filter = json!({ "filter": "roles:admin AND disabled = false" });
    let administrators = operator.ask("UserService/ListUsers", &filter);
    assert_eq!(text(&administrators["users"][0]["username"]), "root");
    assert_eq!(administrators["users"].as_array().map(Vec::len), Some(1));
}

fn disables_a_user(operator: &Operator, alice: &str) {
    let tokens = log_in(&operator.grpcurl, "alice").expect("logged in");
    assert!(is_active(&operator.grpcurl, &tokens));
    let disabled = operator.ask("UserService/DisableUser", &json!({ "name": alice }));
    assert!(disabled["revocationSeq"].is_string());
    assert!(!is_active(&operator.grpcurl, &tokens), "its tokens are dead from the answer on");
    let refresh = json!({ "refreshToken": tokens["refreshToken"] });
    assert_eq!(operator.grpcurl.call(&[], "Refresh", &refresh).code, 64 + 16);
    assert!(log_in(&operator.grpcurl, "alice").is_none());
}

/// A service is given the new secret while the one before is still good.
fn rotates_a_clients_secret(operator: &Operator) {
    let client = json!({ "audiences": ["api"], "scopes": ["read"], "defaultScopes": ["read"] });
    let request = json!({ "clientId": "worker", "client": client, "generateSecret": true });
    let created = operator.ask("ClientService/CreateClient", &request);
    let token_by = |secret: &Value| {
        let proof = json!({ "clientId": "worker", "clientSecret": secret });
        let answer = operator.grpcurl.call(&[], "IssueClientToken", &proof);
        (answer.code == 0)
            .then(|| serde_json::from_str::<Value>(&answer.stdout).expect("JSON")["tokens"].clone())
    };
    let tokens = token_by(&created["clientSecret"]).expect("a token");
    assert!(is_active(&operator.grpcurl, &tokens));
    let rotate = |grace: &str| {
        let request = json!({ "name": "clients/worker", "gracePeriod": grace });
        operator.ask("ClientService/RotateClientSecret", &request)
    };
    let second = rotate("3600s");
    assert_eq!(second["client"]["secrets"].as_array().map(Vec::len), Some(2));
    assert!(token_by(&created["clientSecret"]).is_some());
    assert!(token_by(&second["clientSecret"]).is_some());
    let third = rotate("0s");
    assert!(token_by(&second["clientSecret"]).is_none(), "at once");
    assert!(token_by(&third["clientSecret"]).is_some());
    assert!(is_active(&operator.grpcurl, &tokens), "tokens live on");
    operator.ask("ClientService/DisableClient", &json!({ "name": "clients/worker" }));
    assert!(!is_active(&operator.grpcurl, &tokens));
}

/// What the command line does while the stream is open is in it too.
fn follows_the_audit_log(operator: &Operator, program: &Program) {
    let newest = operator.ask("AuditService/ListAuditEvents", &json!({ "pageSize": 1 }));
    let seq = text(&newest["auditEvents"][0]["seq"]).to_owned();
    program.create_user(&["bob"]);
    let watch = json!({ "afterSeq": seq });
    // The stream would go on; what ends it here is the patience of the caller.
    let flags = ["-H", operator.authorization.as_str(), "-max-time", "3"];
    let method = ["tokenward.admin.v1.AuditService/WatchAuditEvents"];
    let watched = operator.grpcurl.run(&flags, &method, &watch);
    assert_eq!(watched.code, 64 + 4, "DEADLINE_EXCEEDED");
    let first = serde_json::Deserializer::from_str(&watched.stdout).into_iter::<Value>().next();
    let event = first.expect("an event").expect("JSON")["auditEvent"].clone();
    assert_eq!((text(&event["action"]), text(&event["actor"])), ("CREATE_USER", "operator"));
}

/// Each mistake with a code, and words that say what to do.
fn is_told_what_was_wrong(operator: &Operator, alice: &str) {
    let unknown = "users/00000000-0000-4000-8000-000000000000";
    for (method, message, code, words) in [
        ("UserService/GetUser", json!({ "name": "alice" }), 3, "must be users/ and an id"),
        ("UserService/GetUser", json!({ "name": unknown }), 5, "there is no such user"),
        ("UserService/CreateUser", json!({}), 3, "user must be given"),
        (
            "UserService/CreateUser",
            json!({ "user": { "username": "root" }, "password": PASSWORD }),
            6,
            "username is taken",
        ),
        (
            "UserService/CreateUser",
            json!({ "user": { "username": "carol" }, "password": "short" }),
            3,
            "password must",
        ),
        (
            "UserService/UpdateUser",
            json!({ "user": { "name": alice, "disabled": true }, "updateMask": { "paths": ["disabled"] } }),
            3,
            "update_mask must name only username, email, phone, display_name, roles",
        ),
        (
            "UserService/UpdateUser",
            json!({ "user": { "name": alice, "etag": "1" }, "updateMask": { "paths": ["roles"] } }),
            10,
            "changed meanwhile",
        ),
        (
            "UserService/UpdateUser",
            json!({ "user": { "name": "users/x" }, "updateMask": { "paths": ["roles"] } }),
            3,
            "user.name must be",
        ),
        ("UserService/ListUsers", json!({ "pageSize": -1 }), 3, "page_size must not be negative"),
        ("UserService/ListUsers", json!({ "filter": "age > 3" }), 3, "filter must"),
        ("UserService/ListUsers", json!({ "pageToken": "x" }), 3, "page_token must be"),
        ("SessionService/RevokeSession", json!({ "name": alice }), 3, "/sessions/"),
        ("AuditService/ListAuditEvents", json!({ "filter": "who = me" }), 3, "filter must"),
    ] {
        let (told, error) = operator.mistake(method, &message);
        assert_eq!(told, code, "{method} {message}: {error}");
        let message = text(&error["message"]);
        assert!(message.contains(words), "{method}: {message}");
    }
    let root = operator.ask("UserService/GetUser", &json!({ "name": "users/root" }));
    let name = json!({ "name": root["user"]["name"] });
    let (code, error) = operator.mistake("UserService/DisableUser", &name);
    assert_eq!(code, 9, "FAILED_PRECONDITION");
    assert!(text(&error["message"]).contains("the last enabled administrator"), "{error}");
    let anonymous =
        operator.grpcurl.run(&[], &["tokenward.admin.v1.KeyService/ListKeys"], &json!({}));
    assert_eq!(anonymous.code, 64 + 16);
    assert!(anonymous.stderr.contains("a token is required"), "{}", anonymous.stderr);
}

fn the_day_is_on_record(operator: &Operator, server: Running) {
    let keys = operator.ask("KeyService/ListKeys", &json!({}));
    let keys = keys["keys"].as_array().expect("keys");
    let signing = keys.iter().filter(|key| key["state"] == "KEY_STATE_SIGNING");
    assert_eq!(signing.count(), 2, "one of each purpose, and others may stand by: {keys:?}");
    let acts =
        operator.ask("AuditService/ListAuditEvents", &json!({ "filter": "action = DISABLE_USER" }));
    let act = &acts["auditEvents"][0];
    assert!(text(&act["actor"]).starts_with("user:") && text(&act["source"]) == "127.0.0.1");
    server.stop();
}
