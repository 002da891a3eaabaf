//! The program as people and supervisors run it.

mod audit_lines;
mod backup;
mod bad_input;
mod bench;
mod browser_sessions;
mod commands;
mod custom_claims;
mod doctor;
mod durable;
mod import;
mod killed;
mod oauth_calls;
mod one_time;
mod quickstart;
mod secrets;
mod stopped;
mod tls;
mod tour;

use tokenward::grpc::pb::auth::{
    LoginRequest, LoginResponse, VerifyRequest, VerifyResponse,
    auth_service_client::AuthServiceClient,
};
use tonic::transport::Channel;

use crate::support::{program::Running, world::PASSWORD};

type Client = AuthServiceClient<Channel>;

async fn client(server: &Running) -> Client {
    let url = format!("http://{}", server.grpc);
    AuthServiceClient::connect(url).await.expect("the server accepts")
}

async fn login(client: &mut Client) -> LoginResponse {
    let request = LoginRequest {
        identifier: "alice".to_owned(),
        password: PASSWORD.to_owned(),
        ..Default::default()
    };
    client.login(request).await.expect("logged in").into_inner()
}

async fn verify(client: &mut Client, token: &str) -> VerifyResponse {
    let request = VerifyRequest { token: token.to_owned(), ..Default::default() };
    client.verify(request).await.expect("a verdict").into_inner()
}
