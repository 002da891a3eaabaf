//! What grpcurl shows of calls that fail: the details decoded, by types that
//! reflection gave it, and an exit code of 64 + the status.

use serde_json::{Value, json};

use super::grpcurl::Grpcurl;
use crate::support::{program::Program, world::PASSWORD};

/// A method that a newer contract might have.
const NEWER_CONTRACT: &[&str] = &["-import-path", "tests/interop", "-proto", "newer.proto"];
const OUR_CONTRACT: &[&str] = &["-import-path", "proto", "-proto", "tokenward/auth/v1/auth.proto"];

fn error(grpcurl: &Grpcurl, method: &str, message: &Value) -> (i32, Value) {
    let flags = ["-format-error", "-H", "x-request-id: call-1"];
    let failed = grpcurl.call(&flags, method, message);
    assert_eq!(failed.stdout, "");
    (failed.code, serde_json::from_str(&failed.stderr).expect("JSON"))
}

fn error_info(reason: &str) -> Value {
    let kind = "type.googleapis.com/google.rpc.ErrorInfo";
    json!({ "@type": kind, "domain": "tokenward", "reason": reason })
}

fn request_info() -> Value {
    json!({ "@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "call-1" })
}

#[test]
fn grpcurl_shows_a_refused_login_as_text() {
    let Some((server, grpcurl)) = Grpcurl::start(|program| program) else { return };
    let wrong = json!({ "identifier": "alice", "password": "not the password" });
    let failed = grpcurl.call(&[], "Login", &wrong);
    assert_eq!(failed.code, 64 + 16, "UNAUTHENTICATED");
    for text in [
        "Code: Unauthenticated",
        "Message: unauthenticated: identifier or password is wrong",
        r#""@type": "type.googleapis.com/google.rpc.ErrorInfo""#,
        r#""domain": "tokenward""#,
        r#""reason": "INVALID_CREDENTIALS""#,
        r#""requestId": ""#,
    ] {
        assert!(failed.stderr.contains(text), "{text}:\n{}", failed.stderr);
    }
    server.stop();
}

/// The whole of each error, as `-format-error` prints it.
#[test]
fn grpcurl_shows_every_detail_of_an_error_as_json() {
    let Some((server, grpcurl)) = Grpcurl::start(|program| program) else { return };
    let empty = error(&grpcurl, "Login", &json!({}));
    let violations = json!([
        { "field": "identifier", "description": "must be 1 to 254 bytes" },
        { "field": "password", "description": "must not be empty" },
    ]);
    let bad_request = json!({
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": violations,
    });
    let message = "invalid argument: identifier must be 1 to 254 bytes; password must not be empty";
    let details = json!([error_info("INVALID_ARGUMENT"), bad_request, request_info()]);
    let expected = json!({ "code": 3, "message": message, "details": details });
    assert_eq!(empty, (64 + 3, expected));

    let register = json!({ "username": "bob", "password": PASSWORD });
    let register = error(&grpcurl, "Register", &register);
    let details = json!([error_info("REGISTRATION_DISABLED"), request_info()]);
    let message = "permission denied: registration is switched off";
    let expected = json!({ "code": 7, "message": message, "details": details });
    assert_eq!(register, (64 + 7, expected));

    let anonymous = error(&grpcurl, "ListSessions", &json!({}));
    let details = json!([error_info("MISSING_TOKEN"), request_info()]);
    let message = "unauthenticated: a token is required";
    let expected = json!({ "code": 16, "message": message, "details": details });
    assert_eq!(anonymous, (64 + 16, expected));
    server.stop();
}

#[test]
fn grpcurl_is_told_of_a_method_that_we_do_not_have() {
    let Some((server, grpcurl)) = Grpcurl::start(|program| program) else { return };
    // It finds that out by itself, from reflection.
    let local = grpcurl.call(&[], "Frobnicate", &json!({}));
    assert_eq!(local.code, 1);
    assert!(local.stderr.contains("does not include a method"), "{}", local.stderr);
    // With a newer contract in its hand it asks us.
    let remote = grpcurl.call(NEWER_CONTRACT, "Frobnicate", &json!({}));
    assert_eq!(remote.code, 64 + 12, "UNIMPLEMENTED");
    assert!(remote.stderr.contains("there is no such method"), "{}", remote.stderr);
    server.stop();
}

/// AD-26: what is switched off is not there.
#[test]
fn grpcurl_needs_the_contract_where_reflection_is_off() {
    let off = |program: Program| program.set("grpc.reflection", "false");
    let Some((server, grpcurl)) = Grpcurl::start(off) else { return };
    let list = grpcurl.run(&[], &["list"], &json!({}));
    assert_ne!(list.code, 0);
    let clear = "server does not support the reflection API";
    assert!(list.stderr.contains(clear), "{}", list.stderr);
    let login = json!({ "identifier": "alice", "password": PASSWORD });
    let login = grpcurl.call(OUR_CONTRACT, "Login", &login).success();
    assert!(login.contains("accessToken"), "{login}");
    server.stop();
}
