//! Calls that succeed, and verdicts, which are answers and no failures.

use tokenward::grpc::pb::auth::{
    BatchVerifyRequest, Claims, GetJwksRequest, InactiveReason, ListSessionsRequest, LoginRequest,
    LoginResponse, RefreshRequest, RegisterRequest, RevokeRequest, TokenPair, VerifyRequest,
    auth_service_client::AuthServiceClient, revoke_request::Target,
};
use tonic::{Request, transport::Channel};

use super::{ISSUER, serve};
use crate::{
    on_both_engines,
    support::world::{Engine, PASSWORD},
};

on_both_engines!(a_session_from_register_to_revoke);

pub(super) async fn register(client: &mut AuthServiceClient<Channel>) -> String {
    let request = RegisterRequest {
        username: "Alice".to_owned(),
        email: "alice@example.org".to_owned(),
        password: PASSWORD.to_owned(),
        display_name: "Alice".to_owned(),
        phone: String::new(),
    };
    client.register(request).await.unwrap().into_inner().user_id
}

pub(super) fn login_request(password: &str) -> LoginRequest {
    LoginRequest {
        identifier: "alice".to_owned(),
        password: password.to_owned(),
        scope: "read write".to_owned(),
        label: "a test".to_owned(),
        ..LoginRequest::default()
    }
}

pub(super) async fn login(client: &mut AuthServiceClient<Channel>) -> LoginResponse {
    client.login(login_request(PASSWORD)).await.unwrap().into_inner()
}

pub(super) fn about(token: &str) -> VerifyRequest {
    VerifyRequest { token: token.to_owned(), ..VerifyRequest::default() }
}

pub(super) fn refresh_request(token: &str) -> RefreshRequest {
    RefreshRequest { refresh_token: token.to_owned(), ..RefreshRequest::default() }
}

/// The token of `pair` in the metadata of `message`.
pub(super) fn with_token<T>(message: T, pair: &TokenPair) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("bearer {}", pair.access_token).parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

async fn a_session_from_register_to_revoke(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    let user_id = register(&mut client).await;
    let logged_in = login(&mut client).await;
    let pair = logged_in.tokens.unwrap();
    assert_eq!((&logged_in.user_id, pair.token_type.as_str()), (&user_id, "Bearer"));

    let verdict = client.verify(about(&pair.access_token)).await.unwrap().into_inner();
    assert!(verdict.active && verdict.reason() == InactiveReason::Unspecified);
    let claims: Claims = verdict.claims.unwrap();
    assert_eq!(claims.subject, user_id);
    assert_eq!(claims.audience, ["api"]);
    assert_eq!(claims.scopes, ["read", "write"]);
    assert_eq!(claims.expire_time, pair.expire_time);
    assert!(claims.json.starts_with(&format!(r#"{{"iss":"{ISSUER}","aud":"api""#)));

    let request = refresh_request(&pair.refresh_token);
    let refreshed = client.refresh(request.clone()).await.unwrap().into_inner();
    let replayed = client.refresh(request).await.unwrap().into_inner();
    assert!(!refreshed.replayed && replayed.replayed);
    let next = refreshed.tokens.unwrap();
    assert_eq!(replayed.tokens.unwrap().refresh_token, next.refresh_token);

    let list = with_token(ListSessionsRequest::default(), &next);
    let page = client.list_sessions(list).await.unwrap().into_inner();
    let [session] = page.sessions.as_slice() else { panic!("{}", page.sessions.len()) };
    assert_eq!(session.session_id, logged_in.session_id);
    assert!(session.current);
    assert_eq!((session.ip_address.as_str(), session.label.as_str()), ("127.0.0.1", "a test"));
    assert!(session.user_agent.starts_with("tonic/"));

    let revoke = RevokeRequest { target: Some(Target::Token(pair.refresh_token)) };
    let seq = client.revoke(revoke).await.unwrap().into_inner().revocation_seq;
    let question = VerifyRequest { min_revocation_seq: seq, ..about(&next.access_token) };
    let verdict = client.verify(question).await.unwrap().into_inner();
    assert!(!verdict.active && verdict.reason() == InactiveReason::Revoked);
    assert_eq!(verdict.revocation.unwrap().reason, "LOGOUT");
    assert!(verdict.revocation_seq >= seq);
    served.stop().await;
}

/// VE-24, VE-25: a token over the limit is a bad token, not a bad request.
#[tokio::test]
async fn ve_24_a_batch_of_the_largest_tokens_is_judged() {
    let served = serve(Engine::Sqlite).await.unwrap();
    let mut client = served.client().await;
    register(&mut client).await;
    let good = login(&mut client).await.tokens.unwrap().access_token;
    let mut requests = vec![about(&"A.".repeat(4096)); 98];
    requests.push(about(&"x".repeat(8193)));
    requests.push(about(&good));
    let verdicts = client.batch_verify(BatchVerifyRequest { requests }).await.unwrap();
    let verdicts = verdicts.into_inner().responses;
    assert_eq!(verdicts.len(), 100, "VR-08: in order, each for itself");
    assert!(verdicts[..99].iter().all(|v| v.reason() == InactiveReason::Invalid && !v.active));
    assert!(verdicts[99].active);
}

#[tokio::test]
async fn get_jwks_has_the_bytes_that_http_serves() {
    let served = serve(Engine::Sqlite).await.unwrap();
    let over_grpc = served.client().await.get_jwks(GetJwksRequest {}).await.unwrap();
    let over_http = super::http::ask(&served, "GET", "/.well-known/jwks.json", "").await;
    assert_eq!(over_grpc.into_inner().jwks_json, over_http.body);
}
