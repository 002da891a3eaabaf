//! gRPC-Web, as pages speak it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::Request;
use prost::Message as _;
use tokenward::grpc::pb::auth::{
    ListSessionsRequest, RevokeRequest, VerifyResponse, auth_service_client::AuthServiceClient,
    revoke_request::Target,
};
use tonic::{Code, body::Body, transport::Channel};
use tonic_web::{GrpcWebCall, GrpcWebClientLayer};
use tower::{Layer as _, ServiceExt as _};

use super::{
    calls::{about, login_request, register, with_token},
    connect::path,
    http::send,
    serve,
    told::{is, reason},
};
use crate::support::world::{Engine, PASSWORD};

#[tokio::test]
async fn a_session_in_grpc_web() {
    let served = serve(Engine::Sqlite).await.unwrap();
    register(&mut served.client().await).await;
    let endpoint = Channel::from_shared(format!("http://{}", served.http)).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let channel = channel.map_request(|request: Request<GrpcWebCall<Body>>| request.map(Body::new));
    let mut client = AuthServiceClient::new(GrpcWebClientLayer::new().layer(channel));
    let tokens = client.login(login_request(PASSWORD)).await.unwrap().into_inner().tokens.unwrap();
    let verdict = client.verify(about(&tokens.access_token)).await.unwrap().into_inner();
    assert!(verdict.active);
    let list = with_token(ListSessionsRequest::default(), &tokens);
    let sessions = client.list_sessions(list).await.unwrap().into_inner().sessions;
    assert_eq!((sessions.len(), sessions[0].ip_address.as_str()), (1, "127.0.0.1"));
    let revoke = RevokeRequest { target: Some(Target::Token(tokens.refresh_token)) };
    assert!(client.revoke(revoke).await.unwrap().into_inner().revocation_seq > 0);

    let refused = client.login(login_request("wrong")).await;
    assert_eq!(reason(refused), is(Code::Unauthenticated, "INVALID_CREDENTIALS"));
    let unnamed = client.list_sessions(ListSessionsRequest::default()).await;
    assert_eq!(reason(unnamed), is(Code::Unauthenticated, "MISSING_TOKEN"));
    served.store.close().await;
    let down = client.login(login_request(PASSWORD)).await;
    assert_eq!(reason(down), is(Code::Unavailable, "DATABASE_UNAVAILABLE"));
}

/// In base64, over HTTP/1.1.
#[tokio::test]
async fn messages_may_be_text() {
    let served = serve(Engine::Sqlite).await.unwrap();
    let message = about("a.b.c").encode_to_vec();
    let length = u8::try_from(message.len()).unwrap();
    let frame = [&[0, 0, 0, 0, length], message.as_slice()].concat();
    let kind = "Content-Type: application/grpc-web-text+proto\r\n\
                Accept: application/grpc-web-text+proto\r\n";
    let answer = send(&served, "POST", &path("Verify"), kind, &STANDARD.encode(&frame)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/grpc-web-text+proto"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    // Frames are encoded each for itself, and so is each piece of the body.
    let pieces = answer.body.lines().filter(|line| line.len() > 8);
    let bytes: Vec<u8> = pieces
        .flat_map(|piece| STANDARD.decode(piece).unwrap_or_else(|e| panic!("{piece}: {e}")))
        .collect();
    let length = usize::from(bytes[4]);
    let verdict = VerifyResponse::decode(&bytes[5..5 + length]).unwrap();
    assert!(!verdict.active);
    let trailers = &bytes[5 + length..];
    assert!(trailers[0] == 0x80 && trailers[5..].starts_with(b"grpc-status:0"), "{trailers:?}");
    let garbage = send(&served, "POST", &path("Verify"), kind, "!!!!").await;
    assert_eq!((garbage.status, garbage.header("grpc-status")), (200, Some("3")));
}
