//! `grpc.health.v1` under abuse, and at the end.

use std::time::Duration;

use tokio::time::timeout;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{is, told};
use crate::support::world::{Engine, World};

const PATIENCE: Duration = Duration::from_secs(20);

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.to_owned() }
}

#[tokio::test]
async fn gt_10_a_question_is_a_name_and_no_more() {
    let world = World::new(Engine::Sqlite).await.expect("SQLite is always there").serve().await;
    let mut health = HealthClient::new(world.channel().await);
    let unknown = health.check(about(&"x".repeat(1000))).await.expect_err("no such name");
    assert_eq!(told(&unknown), is(Code::NotFound, "NOT_FOUND"));
    let large = is(Code::InvalidArgument, "MESSAGE_TOO_LARGE");
    let long = about(&"x".repeat(1100));
    assert_eq!(told(&health.check(long.clone()).await.expect_err("too large")), large);
    assert_eq!(told(&health.watch(long).await.expect_err("too large")), large);
    world.stop().await;
}

#[tokio::test]
async fn gt_17_one_peer_cannot_have_all_watchers() {
    let world = World::new(Engine::Sqlite).await.expect("SQLite is always there").serve().await;
    let mut health = HealthClient::new(world.channel().await);
    let mut watchers = Vec::new();
    for _ in 0..128 {
        watchers.push(health.watch(about("")).await.expect("there is room"));
    }
    let refused = health.watch(about("")).await.expect_err("it has its share");
    assert_eq!(told(&refused), is(Code::ResourceExhausted, "OVERLOADED"));
    drop(watchers);
    let again = async { while health.watch(about("")).await.is_err() {} };
    timeout(PATIENCE, again).await.expect("there is room again");
    world.stop().await;
}

/// GT-19: without any grace, too.
#[tokio::test]
async fn gt_19_a_watchers_last_news_is_that_nothing_is_served() {
    let world = World::new(Engine::Sqlite).await.expect("SQLite is always there").serve().await;
    let mut health = HealthClient::new(world.channel().await);
    let mut known = health.watch(about("")).await.expect("a stream").into_inner();
    let mut unknown = health.watch(about("other")).await.expect("a stream").into_inner();
    let first = known.message().await.expect("no error").expect("news").status();
    assert_eq!(first, ServingStatus::Serving);
    let first = unknown.message().await.expect("no error").expect("news").status();
    assert_eq!(first, ServingStatus::ServiceUnknown);
    let stopped = tokio::spawn(world.stop());
    let last = known.message().await.expect("no error").expect("news").status();
    assert_eq!(last, ServingStatus::NotServing);
    assert_eq!(known.message().await.expect("no error"), None);
    assert_eq!(unknown.message().await.expect("no error"), None);
    timeout(PATIENCE, stopped).await.expect("the drain ends").expect("no panic");
}
