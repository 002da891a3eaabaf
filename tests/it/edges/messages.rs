//! Messages that are small on the wire and large in memory.

use tokenward::grpc::pb::auth::{
    BatchVerifyRequest, VerifyRequest, auth_service_client::AuthServiceClient,
};
use tonic::Code;

use super::{is, told};
use crate::support::world::{Engine, World};

/// GT-12: each of these texts would be 24 bytes in memory.
#[tokio::test]
async fn gt_12_nested_bombs_are_malformed() {
    let world = World::new(Engine::Sqlite).await.expect("SQLite is always there").serve().await;
    let mut client = AuthServiceClient::new(world.channel().await);
    let bomb = VerifyRequest {
        token: "x".to_owned(),
        required_scopes: vec![String::new(); 500_000],
        ..VerifyRequest::default()
    };
    let malformed = is(Code::InvalidArgument, "MALFORMED_REQUEST");
    let refused = client.verify(bomb.clone()).await.map(|_| ()).expect_err("a bomb");
    assert_eq!(told(&refused), malformed);
    let batch = BatchVerifyRequest { requests: vec![bomb] };
    let refused = client.batch_verify(batch).await.map(|_| ()).expect_err("a bomb");
    assert_eq!(told(&refused), malformed);
    world.stop().await;
}

/// However much too long, a batch is told the same rule.
#[tokio::test]
async fn a_batch_that_is_too_long_is_told_so() {
    let world = World::new(Engine::Sqlite).await.expect("SQLite is always there").serve().await;
    let mut client = AuthServiceClient::new(world.channel().await);
    let question = VerifyRequest { token: "x".to_owned(), ..VerifyRequest::default() };
    for count in [0, 101, 5_000, 100_000] {
        let requests = vec![question.clone(); count];
        let refused = client.batch_verify(BatchVerifyRequest { requests }).await;
        let refused = refused.map(|_| ()).expect_err("0 or too many");
        let (code, reason, fields) = told(&refused);
        assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "INVALID_ARGUMENT"), "{count}");
        assert_eq!(fields, ["requests"], "{count}");
        let rule = "invalid argument: requests must have 1 to 100 entries";
        assert_eq!(refused.message(), rule, "{count}");
    }
    let requests = vec![question; 100];
    let answers = client.batch_verify(BatchVerifyRequest { requests }).await.expect("100 may come");
    assert_eq!(answers.into_inner().responses.len(), 100);
    world.stop().await;
}
