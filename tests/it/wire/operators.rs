//! What operators and their tools rely on: health and reflection.

use tokenward::config::{Settings, Span};
use tokio::time::timeout;
use tonic::{Code, Streaming};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_client::HealthClient,
};
use tonic_reflection::pb::{
    v1::{self, server_reflection_response::MessageResponse as V1},
    v1alpha::{self, server_reflection_response::MessageResponse as V1Alpha},
};
use tonic_types::StatusExt as _;

use super::{serve, serve_without_log, usual};
use crate::support::{
    served::PATIENCE,
    world::{Engine, World},
};

const FOLLOWING: [&str; 4] =
    ["", "readiness", "tokenward.auth.v1.AuthService", "envoy.service.auth.v3.Authorization"];

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

async fn next(watch: &mut Streaming<HealthCheckResponse>) -> Option<ServingStatus> {
    let message = timeout(PATIENCE, watch.message()).await.expect("in time").unwrap();
    message.map(|message| message.status())
}

#[tokio::test]
async fn gt_31_health_follows_readiness() {
    let served = serve_without_log(Engine::Sqlite).await.unwrap();
    let mut client = HealthClient::new(served.channel().await);
    let mut watch = client.watch(of("")).await.unwrap().into_inner();
    assert_eq!(next(&mut watch).await, Some(ServingStatus::NotServing));
    for (readable, expected) in [(false, ServingStatus::NotServing), (true, ServingStatus::Serving)]
    {
        if readable {
            served.show_log().await;
        }
        for service in FOLLOWING {
            let status = client.check(of(service)).await.unwrap().into_inner().status();
            assert_eq!(status, expected, "{service:?}");
        }
        let live = client.check(of("liveness")).await.unwrap().into_inner().status();
        assert_eq!(live, ServingStatus::Serving);
    }
    assert_eq!(next(&mut watch).await, Some(ServingStatus::Serving));
    served.stop().await;
    let last = next(&mut watch).await;
    assert!(matches!(last, None | Some(ServingStatus::NotServing)), "{last:?}");
}

#[tokio::test]
async fn gt_31_watchers_are_told_of_a_drain() {
    let patient = |settings: &mut Settings| {
        usual(settings);
        settings.shutdown.grace = Span(PATIENCE);
    };
    let served = World::with(Engine::Sqlite, patient).await.unwrap().serve().await;
    let mut client = HealthClient::new(served.channel().await);
    let mut watch = client.watch(of("")).await.unwrap().into_inner();
    assert_eq!(next(&mut watch).await, Some(ServingStatus::Serving));
    served.drain();
    assert_eq!(next(&mut watch).await, Some(ServingStatus::NotServing));
}

#[tokio::test]
async fn health_of_an_unknown_service() {
    let served = serve(Engine::Sqlite).await.unwrap();
    let mut client = HealthClient::new(served.channel().await);
    let error = client.check(of("nobody")).await.expect_err("unknown");
    assert_eq!(error.code(), Code::NotFound);
    assert_eq!(error.get_error_details().error_info().unwrap().reason, "NOT_FOUND");
    let mut watch = client.watch(of("nobody")).await.unwrap().into_inner();
    assert_eq!(next(&mut watch).await, Some(ServingStatus::ServiceUnknown));
}

#[tokio::test]
async fn both_reflections_list_the_services_and_know_the_error_details() {
    let served = serve(Engine::Sqlite).await.unwrap();
    macro_rules! ask {
        ($version:ident, $question:ident($text:expr)) => {{
            use $version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest,
            };
            let request = ServerReflectionRequest {
                host: String::new(),
                message_request: Some(MessageRequest::$question($text.to_owned())),
            };
            let requests = futures_util::stream::iter([request]);
            let mut client = ServerReflectionClient::new(served.channel().await);
            let mut answers = client.server_reflection_info(requests).await.unwrap().into_inner();
            answers.message().await.unwrap().unwrap().message_response.unwrap()
        }};
    }
    let services = match (ask!(v1, ListServices("")), ask!(v1alpha, ListServices(""))) {
        (V1::ListServicesResponse(new), V1Alpha::ListServicesResponse(old)) => {
            let new: Vec<_> = new.service.into_iter().map(|service| service.name).collect();
            let old: Vec<_> = old.service.into_iter().map(|service| service.name).collect();
            [new, old]
        }
        other => panic!("{other:?}"),
    };
    for services in services {
        for name in ["tokenward.auth.v1.AuthService", "grpc.health.v1.Health"] {
            assert!(services.iter().any(|service| service == name), "{name} in {services:?}");
        }
    }
    let symbol = ask!(v1, FileContainingSymbol("google.rpc.ErrorInfo"));
    assert!(matches!(symbol, V1::FileDescriptorResponse(_)), "{symbol:?}");
}
