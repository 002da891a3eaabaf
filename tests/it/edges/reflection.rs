//! Reflection under abuse, and at the end.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use tokenward::config::Span;
use tokio::time::{Instant, timeout};
use tonic::{Code, Status, Streaming, transport::Channel};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, ServerReflectionResponse, server_reflection_client,
    server_reflection_request::MessageRequest,
};

use super::{is, told};
use crate::support::world::{Engine, World};

type Client = server_reflection_client::ServerReflectionClient<Channel>;

const PATIENCE: Duration = Duration::from_secs(20);

fn about(symbol: &str) -> ServerReflectionRequest {
    ServerReflectionRequest {
        message_request: Some(MessageRequest::FileContainingSymbol(symbol.to_owned())),
        ..ServerReflectionRequest::default()
    }
}

/// Asks one question, and has not finished asking then.
async fn ask(
    client: &mut Client,
    question: ServerReflectionRequest,
) -> Result<Streaming<ServerReflectionResponse>, Status> {
    let questions = stream::iter([question]).chain(stream::pending());
    Ok(client.server_reflection_info(questions).await?.into_inner())
}

#[tokio::test]
async fn a_failure_within_a_stream_is_told_like_any_other() {
    let world = World::new(Engine::Sqlite).await.expect("SQLite is always there").serve().await;
    let mut client = Client::new(world.channel().await);
    let mut answers = ask(&mut client, about("no.such.Thing")).await.expect("a stream");
    let failed = answers.message().await.expect_err("not found");
    assert_eq!(told(&failed), is(Code::NotFound, "NOT_FOUND"));
    world.stop().await;
}

#[tokio::test]
async fn gt_10_a_question_is_a_name_and_no_more() {
    let world = World::new(Engine::Sqlite).await.expect("SQLite is always there").serve().await;
    let mut client = Client::new(world.channel().await);
    let mut answers = ask(&mut client, about(&"x".repeat(4000))).await.expect("a stream");
    let unknown = answers.message().await.expect_err("not found");
    assert_eq!(unknown.code(), Code::NotFound);
    // The service takes what it cannot read for the end of the questions.
    let mut answers = ask(&mut client, about(&"x".repeat(5000))).await.expect("a stream");
    assert_eq!(answers.message().await.expect("no error"), None);
    world.stop().await;
}

#[tokio::test]
async fn gt_17_one_peer_cannot_have_all_streams() {
    let world = World::new(Engine::Sqlite).await.expect("SQLite is always there").serve().await;
    let mut client = Client::new(world.channel().await);
    let known = about("tokenward.auth.v1.AuthService");
    let mut streams = Vec::new();
    for _ in 0..16 {
        let mut answers = ask(&mut client, known.clone()).await.expect("there is room");
        answers.message().await.expect("no error").expect("an answer");
        streams.push(answers);
    }
    let refused = ask(&mut client, known.clone()).await.expect_err("it has its share");
    assert_eq!(told(&refused), is(Code::ResourceExhausted, "OVERLOADED"));
    drop(streams);
    let again = async { while ask(&mut client, known.clone()).await.is_err() {} };
    timeout(PATIENCE, again).await.expect("there is room again");
    world.stop().await;
}

#[tokio::test]
async fn gt_13_a_stream_has_the_time_of_a_call() {
    let limit = Duration::from_millis(300);
    let world = World::with(Engine::Sqlite, |s| s.grpc.request_timeout = Span(limit)).await;
    let world = world.expect("SQLite is always there").serve().await;
    let mut client = Client::new(world.channel().await);
    let began = Instant::now();
    let known = about("tokenward.auth.v1.AuthService");
    let mut answers = ask(&mut client, known).await.expect("a stream");
    answers.message().await.expect("no error").expect("an answer");
    let end = timeout(PATIENCE, answers.message()).await.expect("an end");
    assert_eq!(end.expect("no error"), None);
    assert!(began.elapsed() >= limit);
    world.stop().await;
}

#[tokio::test]
async fn gt_19_an_idle_stream_does_not_hold_up_a_drain() {
    let world = World::new(Engine::Sqlite).await.expect("SQLite is always there").serve().await;
    let mut client = Client::new(world.channel().await);
    let known = about("tokenward.auth.v1.AuthService");
    let mut answers = ask(&mut client, known).await.expect("a stream");
    answers.message().await.expect("no error").expect("an answer");
    let began = Instant::now();
    world.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(answers.message().await.expect("no error"), None);
}
