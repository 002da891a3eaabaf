//! Messages that no honest client sends, and honest ones at their limits.

use prost::Message as _;
use tokenward::grpc::pb::auth::{
    BatchVerifyRequest, InactiveReason, LoginRequest, RegisterRequest, RevokeRequest,
    revoke_request::Target,
};
use tonic::Code;

use super::{
    calls::{about, login, login_request, refresh_request, register},
    raw::{methods, only, send},
    serve,
    told::{fields, is, reason},
};
use crate::{
    on_both_engines,
    support::world::{Engine, PASSWORD},
};

on_both_engines!(
    lg_08_a_password_of_1024_bytes_is_good_and_one_byte_more_is_not,
    lg_40_a_long_password_counts_to_its_last_byte,
    ve_24_a_token_of_a_megabyte_is_only_a_bad_token,
);

const VERIFY: &str = "/tokenward.auth.v1.AuthService/Verify";

fn long_password(last: char) -> String {
    format!("{PASSWORD:x<1023}{last}")
}

fn carol(password: String) -> RegisterRequest {
    RegisterRequest { username: "carol".to_owned(), password, ..RegisterRequest::default() }
}

fn login_of_carol(password: &str) -> LoginRequest {
    LoginRequest { identifier: "carol".to_owned(), ..login_request(password) }
}

async fn lg_08_a_password_of_1024_bytes_is_good_and_one_byte_more_is_not(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    let too_long = long_password('x') + "x";
    assert_eq!(too_long.len(), 1025);
    assert_eq!(fields(client.register(carol(too_long.clone())).await), ["password"]);
    client.register(carol(long_password('x'))).await.expect("1024 bytes");
    client.login(login_of_carol(&long_password('x'))).await.expect("1024 bytes");
    assert_eq!(fields(client.login(login_of_carol(&too_long)).await), ["password"]);
}

async fn lg_40_a_long_password_counts_to_its_last_byte(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    client.register(carol(long_password('x'))).await.unwrap();
    let wrong = is(Code::Unauthenticated, "INVALID_CREDENTIALS");
    assert_eq!(reason(client.login(login_of_carol(&long_password('y'))).await), wrong);
    assert_eq!(reason(client.login(login_of_carol(&long_password('x')[..1023])).await), wrong);
}

/// VE-25: and it ends no session, and the server goes on.
async fn ve_24_a_token_of_a_megabyte_is_only_a_bad_token(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    register(&mut client).await;
    let good = login(&mut client).await.tokens.unwrap().access_token;
    for token in
        ["x".repeat(1_000_000), "a.".repeat(500_000), format!("{good}{}", "A".repeat(999_000))]
    {
        let verdict = client.verify(about(&token)).await.unwrap().into_inner();
        assert!(!verdict.active && verdict.reason() == InactiveReason::Invalid);
        let refused = reason(client.refresh(refresh_request(&token)).await);
        assert_eq!(refused, is(Code::Unauthenticated, "INVALID_TOKEN"));
        let revoke = RevokeRequest { target: Some(Target::Token(token.clone())) };
        client.revoke(revoke).await.expect("no oracle");
        assert_eq!(fields(client.login(login_request(&token)).await), ["password"]);
    }
    assert!(client.verify(about(&good)).await.unwrap().into_inner().active);
    let larger = client.verify(about(&"x".repeat(1024 * 1024))).await;
    assert_eq!(reason(larger), is(Code::InvalidArgument, "MESSAGE_TOO_LARGE"));
}

/// GT-10, GT-12, VE-29.
#[tokio::test]
async fn gt_12_every_method_refuses_what_is_not_its_message() {
    let served = serve(Engine::Sqlite).await.unwrap();
    let channel = served.channel().await;
    let malformed = is(Code::InvalidArgument, "MALFORMED_REQUEST");
    let large = is(Code::InvalidArgument, "MESSAGE_TOO_LARGE");
    for method in methods() {
        for bytes in [
            vec![0xff; 4],
            vec![0x0a, 0x05, 0x00],
            [0x7a, 0x00].repeat(100_000),
            [0x0b].repeat(100_000),
        ] {
            let answer = reason(send(&channel, &method.path, bytes).await);
            assert_eq!(answer, malformed, "{}", method.name);
        }
        let answer = reason(send(&channel, &method.path, vec![0; 1_100_000]).await);
        assert_eq!(answer, large, "{}", method.name);
    }
}

/// Every text field of every request.
#[tokio::test]
async fn ve_29_text_that_is_not_utf_8_is_malformed() {
    let served = serve(Engine::Sqlite).await.unwrap();
    let channel = served.channel().await;
    let malformed = is(Code::InvalidArgument, "MALFORMED_REQUEST");
    let mut tried = 0;
    for method in methods() {
        for field in method.texts() {
            for text in [&b"\xff\xfe"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"abc\xe2\x82"] {
                let answer = reason(send(&channel, &method.path, only(field, text)).await);
                assert_eq!(answer, malformed, "{}.{}", method.name, field.name());
                tried += 1;
            }
        }
    }
    assert!(tried >= 4 * 15, "{tried}");
    let mut inner = BatchVerifyRequest { requests: vec![about("ab")] }.encode_to_vec();
    inner.truncate(inner.len() - 2);
    inner.extend(b"\xff\xfe");
    let batch = "/tokenward.auth.v1.AuthService/BatchVerify";
    assert_eq!(reason(send(&channel, batch, inner).await), malformed);
}

/// Fields of a later version, of every wire type, numbers of enumerations
/// that nobody knows among them, change nothing. No request has an
/// enumeration of its own yet; the first one needs its case here.
#[tokio::test]
async fn fields_of_a_later_version_are_passed_over() {
    assert!(methods().iter().all(|method| !method.has_enum()), "try a number nobody knows");
    let served = serve(Engine::Sqlite).await.unwrap();
    let mut client = served.client().await;
    register(&mut client).await;
    let token = login(&mut client).await.tokens.unwrap().access_token;
    let plain = about(&token).encode_to_vec();
    let expected = send(&served.channel().await, VERIFY, plain.clone()).await.unwrap();
    for unknown in [
        // Field 1000: a varint, eight bytes, a text, a group, four bytes.
        &[0xc0, 0x3e, 0xff, 0xff, 0xff, 0xff, 0x0f][..],
        &[0xc1, 0x3e, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0xc2, 0x3e, 2, 0xff, 0xfe],
        &[0xc3, 0x3e, 0xc4, 0x3e],
        &[0xc5, 0x3e, 1, 2, 3, 4],
    ] {
        let message = [plain.as_slice(), unknown].concat();
        let answer = send(&served.channel().await, VERIFY, message).await.unwrap();
        assert_eq!(answer, expected, "{unknown:?}");
    }
}
