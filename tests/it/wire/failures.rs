//! Calls that fail: the code, the reason, and all the details, every time.

use std::time::Duration;

use bytes::{Buf as _, BufMut as _};
use http::uri::PathAndQuery;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokenward::{
    domain::clock::Clock as _,
    grpc::pb::{
        FILE_DESCRIPTOR_SET,
        auth::{
            BatchVerifyRequest, ListSessionsRequest, LoginRequest, RefreshRequest, RegisterRequest,
            RevokeRequest, VerifyRequest,
        },
    },
};
use tonic::{
    Code, Request, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};
use tonic_types::{ErrorDetails, StatusExt as _};

use super::{
    House,
    calls::{about, login, login_request, register},
    house::PASSWORD,
};

/// What every failed call must carry; gives the code, the reason and the rest.
fn told(status: &Status) -> (Code, String, ErrorDetails) {
    let details = status.get_error_details();
    let info = details.error_info().expect("ErrorInfo").clone();
    assert_eq!(info.domain, "tokenward");
    let id = status.metadata().get("x-request-id").expect("x-request-id");
    assert_eq!(id, details.request_info().expect("RequestInfo").request_id.as_str());
    assert_eq!(details.bad_request().is_some(), status.code() == Code::InvalidArgument);
    let again = matches!(status.code(), Code::Unavailable | Code::ResourceExhausted);
    assert_eq!(details.retry_info().is_some(), again);
    (status.code(), info.reason, details)
}

fn reason<T>(result: Result<T, Status>) -> (Code, String) {
    let (code, reason, _) = told(&result.map(|_| ()).expect_err("a failure"));
    (code, reason)
}

/// Field by field, what an `INVALID_ARGUMENT` complains of.
fn fields<T>(result: Result<T, Status>) -> Vec<String> {
    let (_, _, details) = told(&result.map(|_| ()).expect_err("a failure"));
    let violations = details.bad_request().expect("BadRequest").field_violations.iter();
    violations.map(|violation| violation.field.clone()).collect()
}

fn is(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}

#[tokio::test]
async fn credentials_that_are_refused() {
    let house = House::open().await;
    let mut client = house.client().await;
    register(&mut client).await;
    let wrong = is(Code::Unauthenticated, "INVALID_CREDENTIALS");
    assert_eq!(reason(client.login(login_request("wrong")).await), wrong);
    let nobody = LoginRequest { identifier: "nobody".to_owned(), ..login_request(PASSWORD) };
    assert_eq!(reason(client.login(nobody).await), wrong, "LG-01: as for a wrong password");
    let pair = login(&mut client).await.tokens.unwrap();
    let refresh = |token: &str| RefreshRequest {
        refresh_token: token.to_owned(),
        ..RefreshRequest::default()
    };
    let too_long = "x".repeat(8193);
    for (token, expected) in [
        ("garbage", "INVALID_TOKEN"),
        (too_long.as_str(), "INVALID_TOKEN"),
        (pair.access_token.as_str(), "WRONG_TYPE"),
    ] {
        let answer = reason(client.refresh(refresh(token)).await);
        assert_eq!(answer, is(Code::Unauthenticated, expected), "{expected}");
    }
    for (value, expected) in [
        (None, is(Code::Unauthenticated, "MISSING_TOKEN")),
        (Some("Basic dTpw".to_owned()), is(Code::Unauthenticated, "MISSING_TOKEN")),
        (Some("Bearer garbage".to_owned()), is(Code::Unauthenticated, "INVALID_TOKEN")),
        (Some(format!("Bearer {}", pair.refresh_token)), is(Code::Unauthenticated, "WRONG_TYPE")),
        (
            Some(format!("Bearer  {}", pair.access_token)),
            is(Code::InvalidArgument, "INVALID_ARGUMENT"),
        ),
    ] {
        let mut request = Request::new(ListSessionsRequest::default());
        if let Some(value) = &value {
            request.metadata_mut().insert("authorization", value.parse().unwrap());
        }
        assert_eq!(reason(client.list_sessions(request).await), expected);
    }
}

#[tokio::test]
async fn requests_that_break_rules() {
    let house = House::open().await;
    let mut client = house.client().await;
    register(&mut client).await;
    let again = RegisterRequest {
        username: "ALICE".to_owned(),
        password: PASSWORD.to_owned(),
        ..RegisterRequest::default()
    };
    let taken = client.register(again).await.map(|_| ()).expect_err("taken");
    let (code, why, details) = told(&taken);
    assert_eq!((code, why.as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
    assert_eq!(details.error_info().unwrap().metadata["field"], "username");
    let register = RegisterRequest { email: "no".to_owned(), ..RegisterRequest::default() };
    assert_eq!(fields(client.register(register).await), ["email", "password"]);
    let login = LoginRequest { client_id: "x".repeat(65), ..login_request(PASSWORD) };
    assert_eq!(fields(client.login(login).await), ["client_id"]);
    let login = LoginRequest { audience: vec!["api".to_owned(); 11], ..login_request(PASSWORD) };
    assert_eq!(fields(client.login(login).await), ["audience"]);
    let login = LoginRequest { password: "x".repeat(1025), ..login_request("") };
    assert_eq!(fields(client.login(login).await), ["password"], "LG-08");
    assert_eq!(fields(client.verify(about("")).await), ["token"]);
    let staleness = Some(prost_types::Duration { seconds: 0, nanos: -1 });
    let verify = VerifyRequest { max_staleness: staleness, ..about("x") };
    assert_eq!(fields(client.verify(verify).await), ["max_staleness"]);
    let batch = BatchVerifyRequest { requests: vec![about("x"); 101] };
    assert_eq!(fields(client.batch_verify(batch).await), ["requests"]);
    assert_eq!(fields(client.revoke(RevokeRequest::default()).await), ["target"]);
}

/// Bytes as they are, in both directions.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining()).to_vec()))
    }
}

async fn send(channel: &Channel, path: &str, bytes: Vec<u8>) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let path = PathAndQuery::try_from(path).unwrap();
    grpc.unary(Request::new(bytes), path, Raw).await.map(|_| ())
}

/// Every method that is described, so that none is forgotten.
fn every_method() -> Vec<String> {
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let mut paths = Vec::new();
    for file in &files.file {
        for service in &file.service {
            let path = |m: &str| format!("/{}.{}/{m}", file.package(), service.name());
            paths.extend(service.method.iter().map(|method| path(method.name())));
        }
    }
    assert!(paths.len() >= 8, "{paths:?}");
    paths
}

/// GT-10, GT-12, VE-29.
#[tokio::test]
async fn gt_12_every_method_refuses_what_is_not_its_message() {
    let house = House::open().await;
    let channel = house.channel().await;
    let malformed = is(Code::InvalidArgument, "MALFORMED_REQUEST");
    let large = is(Code::InvalidArgument, "MESSAGE_TOO_LARGE");
    for path in every_method() {
        for bytes in [
            vec![0xff; 4],
            vec![0x0a, 0x05, 0x00],
            [0x7a, 0x00].repeat(100_000),
            [0x0b].repeat(100_000),
        ] {
            assert_eq!(reason(send(&channel, &path, bytes).await), malformed, "{path}");
        }
        assert_eq!(reason(send(&channel, &path, vec![0; 1_100_000]).await), large, "{path}");
    }
    let verify = "/tokenward.auth.v1.AuthService/Verify";
    let not_utf8 = reason(send(&channel, verify, vec![0x0a, 0x02, 0xff, 0xfe]).await);
    assert_eq!(not_utf8, malformed, "VE-29");
}

#[tokio::test]
async fn gt_23_unknown_methods_are_unimplemented() {
    let house = House::open().await;
    let channel = house.channel().await;
    let unknown = is(Code::Unimplemented, "UNKNOWN_METHOD");
    let long = format!("/{}/Verify", "x".repeat(4000));
    for path in [
        "/tokenward.auth.v1.AuthService/Nothing",
        "/tokenward.auth.v1.AuthService/verify",
        "/tokenward.auth.v1.authservice/Verify",
        "/tokenward.auth.v1.AuthService/Verify/",
        "//tokenward.auth.v1.AuthService/Verify",
        "/tokenward.auth.v1.AuthService%2fVerify",
        "/other.Service/Method",
        "/",
        long.as_str(),
    ] {
        assert_eq!(reason(send(&channel, path, Vec::new()).await), unknown, "{path}");
    }
}

#[tokio::test]
async fn gt_11_compressed_messages_are_refused() {
    let house = House::open().await;
    let mut grpc = tonic::client::Grpc::new(house.channel().await);
    grpc.ready().await.unwrap();
    let mut request = Request::new(Vec::new());
    request.metadata_mut().insert("grpc-encoding", "gzip".parse().unwrap());
    let path = PathAndQuery::from_static("/tokenward.auth.v1.AuthService/Verify");
    let answer = grpc.unary(request, path, Raw).await;
    assert_eq!(reason(answer), is(Code::Unimplemented, "UNSUPPORTED_ENCODING"));
}

/// The client sets no deadline of its own, so the answer is the server's.
#[tokio::test]
async fn gt_13_a_call_that_waits_ends_with_the_servers_deadline() {
    let house = House::hasty().await;
    let question = VerifyRequest { min_revocation_seq: 1_000, ..about("x") };
    let answer = house.client().await.verify(question).await;
    assert_eq!(reason(answer), is(Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
}

/// Without the database nothing is said about credentials, and what needs
/// none goes on.
#[tokio::test]
async fn an_outage_is_never_a_bad_credential() {
    let house = House::open().await;
    let mut client = house.client().await;
    register(&mut client).await;
    let pair = login(&mut client).await.tokens.unwrap();
    house.store.close().await;
    let down = is(Code::Unavailable, "DATABASE_UNAVAILABLE");
    assert_eq!(reason(client.login(login_request(PASSWORD)).await), down);
    assert_eq!(reason(client.login(login_request("wrong")).await), down);
    let refresh = RefreshRequest { refresh_token: pair.refresh_token, ..RefreshRequest::default() };
    assert_eq!(reason(client.refresh(refresh).await), down);
    let verdict = client.verify(about(&pair.access_token)).await.unwrap().into_inner();
    assert!(verdict.active);
    house.clock.advance(Duration::from_secs(61));
    assert!(house.clock.monotonic() > Duration::from_mins(1));
    let stale = is(Code::Unavailable, "REVOCATIONS_STALE");
    assert_eq!(reason(client.verify(about(&pair.access_token)).await), stale);
}

#[tokio::test]
async fn nothing_is_judged_before_the_log_is_loaded() {
    let house = House::closed("https://auth.example.org").await;
    let answer = house.client().await.verify(about("x")).await;
    assert_eq!(reason(answer), is(Code::Unavailable, "NOT_READY"));
}
