//! Connect and gRPC-Web, by the libraries and the tool of those who made them.

use std::{path::PathBuf, process::Command};

use serde_json::{Value, json};
use tokenward::grpc::pb::auth::TokenPair;

use super::{client, has_node_library, node};
use crate::support::{
    command::{self, Finished},
    program::{Program, Running},
    world::PASSWORD,
};

const TRANSPORTS: [&str; 4] = ["connect-json", "connect-proto", "grpc-web", "grpc-web-h2"];

/// connect-node (`tests/interop/connect_client.mjs`), pointed at a server.
pub(super) struct Client {
    url: String,
    folder: tempfile::TempDir,
}

impl Client {
    /// `None`, said loudly, without the libraries.
    pub(super) fn pointed_at(url: &str) -> Option<Self> {
        let buf = buf()?;
        if !has_node_library("@connectrpc/connect-node") {
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let mut build = Command::new(buf);
        build.args(["build", "proto", "-o"]).arg(folder.path().join("image.binpb"));
        command::run(build.current_dir(env!("CARGO_MANIFEST_DIR")), "").success();
        Some(Self { url: url.to_owned(), folder })
    }

    /// What comes of calls, in their order.
    fn make(&self, calls: &Value) -> Vec<Value> {
        let image = self.folder.path().join("image.binpb");
        let asked = json!({ "image": image, "url": self.url, "calls": calls });
        let answer = command::run(&mut node("connect_client.mjs"), &asked.to_string()).success();
        serde_json::from_str(&answer).expect("a list")
    }

    /// The tokens of a user with the usual password.
    pub(super) fn login(&self, user: &str) -> TokenPair {
        let message = json!({ "identifier": user, "password": PASSWORD });
        let call = json!([{ "transport": "connect-json", "method": "login", "message": message }]);
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let tokens = &self.make(&call)[0]["answer"]["tokens"];
        TokenPair {
            access_token: text(&tokens["accessToken"]),
            refresh_token: text(&tokens["refreshToken"]),
            ..TokenPair::default()
        }
    }
}

fn buf() -> Option<PathBuf> {
    client("node_modules/.bin/buf", "--version")
}

/// A server with the user alice.
fn server() -> (Running, String) {
    let program = Program::new().with_cheap_hashes().with_keys();
    program.create_user(&["alice", "--role", "reader"]);
    let server = program.serve();
    let url = format!("http://{}", server.http);
    (server, url)
}

#[test]
fn connect_clients_make_calls_in_every_protocol() {
    let (server, url) = server();
    let Some(client) = Client::pointed_at(&url) else { return };
    for transport in TRANSPORTS {
        let call = |method: &str, message: Value| json!({ "transport": transport, "method": method, "message": message });
        let tokens = client.login("alice");
        let mut list = call("listSessions", json!({ "pageSize": 1 }));
        list["bearer"] = tokens.access_token.clone().into();
        let question = json!({ "token": tokens.access_token, "requiredAudience": "api" });
        let results = client.make(&json!([
            call("verify", question.clone()),
            list,
            call("revoke", json!({ "token": tokens.refresh_token })),
            call("verify", question),
            call("login", json!({ "identifier": "alice", "password": "wrong" })),
            call("login", json!({ "identifier": "alice" })),
        ]));
        let [good, listed, _, revoked, wrong, empty] = results.as_slice() else {
            panic!("{transport}: {results:?}")
        };
        assert_eq!(good["answer"]["active"], true, "{transport}: {good}");
        assert_eq!(good["answer"]["claims"]["roles"], json!(["reader"]), "{transport}");
        assert_eq!(listed["answer"]["sessions"][0]["current"], true, "{transport}: {listed}");
        assert_eq!(revoked["answer"]["reason"], "INACTIVE_REASON_REVOKED", "{transport}");
        assert_eq!(wrong["code"], "Unauthenticated", "{transport}: {wrong}");
        assert_eq!(wrong["details"], 2, "{transport}: {wrong}");
        assert_eq!(empty["code"], "InvalidArgument", "{transport}: {empty}");
        assert_eq!(empty["details"], 3, "{transport}: {empty}");
    }
    server.stop();
}

#[test]
fn buf_curl_makes_calls_in_both_protocols() {
    let Some(buf) = buf() else { return };
    let (server, url) = server();
    for protocol in ["connect", "grpcweb"] {
        let call = |method: &str, message: &Value| -> Finished {
            let mut curl = Command::new(&buf);
            curl.args(["curl", "--protocol", protocol, "--schema", "proto", "--data", "@-"]);
            curl.arg(format!("{url}/tokenward.auth.v1.AuthService/{method}"));
            command::run(curl.current_dir(env!("CARGO_MANIFEST_DIR")), &message.to_string())
        };
        let login = json!({ "identifier": "alice", "password": PASSWORD });
        let answer = call("Login", &login).success();
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let question = json!({ "token": answer["tokens"]["accessToken"] });
        let verdict = call("Verify", &question).success();
        let verdict: Value = serde_json::from_str(&verdict).expect("JSON");
        assert_eq!(verdict["active"], true, "{protocol}: {verdict}");
        let refused = call("Login", &json!({ "identifier": "alice", "password": "wrong" }));
        assert_ne!(refused.code, 0, "{protocol}");
        assert!(refused.stderr.contains("google.rpc.ErrorInfo"), "{protocol}: {refused:?}");
    }
    server.stop();
}
