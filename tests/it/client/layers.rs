//! A verifier in front of services.

use axum::{
    Extension, Router,
    body::Body,
    http::{Request, Response, StatusCode, header},
    routing::get,
};
use http_body_util::BodyExt as _;
use tokenward::client::{Requirements, TokenClaims, Verifier};
use tonic::{Code, Status};
use tonic_health::pb::{
    HealthCheckRequest,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use tonic_types::StatusExt as _;
use tower::{Layer as _, ServiceExt as _};

use super::{access, any, endpoint, options, ready, revoke, verifier, world};
use crate::support::{
    served::PATIENCE,
    world::{Engine, World},
};

fn reader() -> Requirements {
    Requirements {
        audience: "api".to_owned(),
        scopes: vec!["read".to_owned()],
        roles: vec!["reader".to_owned()],
    }
}

fn writer() -> Requirements {
    Requirements { scopes: vec!["write".to_owned()], ..reader() }
}

/// A verifier of a server that nobody has started.
fn cut_off(world: &World) -> Verifier {
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    Verifier::new(endpoint(nowhere), options(world.clock.clone()))
}

async fn who(Extension(token): Extension<TokenClaims>) -> String {
    token.claims.subject()
}

async fn ask(verifier: &Verifier, needed: Requirements, token: Option<&str>) -> Response<Body> {
    let app = Router::new().route("/", get(who)).layer(verifier.http_layer(needed).unwrap());
    let mut request = Request::get("/");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

fn header_of<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn ve_16_axum_services_refuse_by_challenges() {
    let world = world(Engine::Sqlite).await.unwrap();
    let user = world.user("alice").await.to_string();
    let (good, out) = (world.login("alice").await, world.login("alice").await);
    let waiting = cut_off(&world);
    let unjudged = ask(&waiting, reader(), Some(access(&good))).await;
    assert_eq!(unjudged.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header_of(&unjudged, "retry-after"), "1");
    let bare = ask(&waiting, reader(), None).await;
    assert_eq!(bare.status(), StatusCode::UNAUTHORIZED, "that needs no knowledge");

    let served = world.serve().await;
    let verifier = verifier(&served);
    ready(&verifier).await;
    let answer = ask(&verifier, reader(), Some(access(&good))).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), user.as_bytes());

    let bare = ask(&verifier, reader(), None).await;
    assert_eq!(bare.status(), StatusCode::UNAUTHORIZED);
    let realm = r#"Bearer realm="https://auth.example.org""#;
    assert_eq!(header_of(&bare, "www-authenticate"), realm);
    let two = ask(&verifier, reader(), Some("a b")).await;
    assert!(header_of(&two, "www-authenticate").contains(r#"error="invalid_request""#));
    let seq = revoke(&served, &out).await;
    verifier.caught_up(seq, PATIENCE).await.expect("told");
    for (needed, token, status, reason, error) in [
        (reader(), "garbage", 401, "INVALID", "invalid_token"),
        (reader(), access(&out), 401, "REVOKED", "invalid_token"),
        (writer(), access(&good), 403, "MISSING_SCOPE", "insufficient_scope"),
    ] {
        let refused = ask(&verifier, needed, Some(token)).await;
        assert_eq!(
            (refused.status().as_u16(), header_of(&refused, "x-auth-reason")),
            (status, reason)
        );
        let challenge = header_of(&refused, "www-authenticate");
        assert!(challenge.contains(&format!("error=\"{error}\"")), "{challenge}");
        assert_eq!(header_of(&refused, "content-type"), "application/problem+json");
    }
    served.stop().await;
}

/// What a client of a guarded tonic service gets.
async fn call<S>(
    service: S,
    verifier: &Verifier,
    needed: Requirements,
    token: &str,
) -> Result<(), Status>
where
    S: Health,
{
    let layer = verifier.grpc_layer(needed).unwrap();
    let guarded = layer.layer(HealthServer::new(service));
    let mut request = tonic::Request::new(HealthCheckRequest::default());
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    HealthClient::new(guarded).check(request).await.map(|_| ())
}

fn told(answer: Result<(), Status>) -> (Code, String) {
    let status = answer.expect_err("refused");
    let details = status.get_error_details();
    let info = details.error_info().expect("ErrorInfo");
    assert_eq!(info.domain, "tokenward");
    assert_eq!(details.retry_info().is_some(), status.code() == Code::Unavailable);
    (status.code(), info.reason.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn ve_16_tonic_services_refuse_by_statuses() {
    let world = world(Engine::Sqlite).await.unwrap();
    world.user("alice").await;
    let (good, out) = (world.login("alice").await, world.login("alice").await);
    let waiting = cut_off(&world);
    let served = world.serve().await;
    let verifier = verifier(&served);
    ready(&verifier).await;
    let seq = revoke(&served, &out).await;
    verifier.caught_up(seq, PATIENCE).await.expect("told");

    let service = || {
        tonic_health::server::HealthService::from_health_reporter(
            tonic_health::server::HealthReporter::new(),
        )
    };
    let call = async |verifier, needed, token| call(service(), verifier, needed, token).await;
    call(&verifier, reader(), access(&good)).await.expect("it passes");
    let is = |code, reason: &str| (code, reason.to_owned());
    let refused = told(call(&verifier, writer(), access(&good)).await);
    assert_eq!(refused, is(Code::PermissionDenied, "MISSING_SCOPE"));
    let refused = told(call(&verifier, reader(), access(&out)).await);
    assert_eq!(refused, is(Code::Unauthenticated, "REVOKED"));
    let refused = told(call(&verifier, any(), "garbage").await);
    assert_eq!(refused, is(Code::Unauthenticated, "INVALID"));
    let refused = told(call(&waiting, any(), access(&good)).await);
    assert_eq!(refused, is(Code::Unavailable, "NOT_READY"));
    served.stop().await;
}
