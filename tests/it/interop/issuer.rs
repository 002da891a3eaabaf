//! A running server that its own issuer URL leads to, and people who log in.

use serde_json::{Value, json};
use tokenward::grpc::pb::auth::{
    LoginRequest, RefreshRequest, TokenPair, auth_service_client::AuthServiceClient,
};
use tonic::transport::Channel;

use crate::support::{
    program::{Program, Running, free_port},
    world::PASSWORD,
};

/// One application that may ask for two audiences.
const CONFIG: &str = r#"
[clients.default]
audiences = ["api", "billing"]
scopes = ["read", "write"]
"#;

/// The server process, and a connection to it.
pub(super) struct Issuer {
    pub(super) url: String,
    pub(super) program: Program,
    pub(super) auth: AuthServiceClient<Channel>,
    server: Running,
}

impl Issuer {
    /// With fresh keys, and nobody in its database.
    pub(super) async fn start() -> Self {
        Self::start_with(Program::with_keys).await
    }

    /// With whatever is done to the program before it serves.
    pub(super) async fn start_with(prepare: impl FnOnce(Program) -> Program) -> Self {
        let http = format!("127.0.0.1:{}", free_port());
        let url = format!("http://{http}");
        let program = Program::new().config(CONFIG).set("issuer", &url).set("http.listen", &http);
        Self::serve(url, prepare(program)).await
    }

    /// `kill -9`, and a new server on the same data.
    pub(super) async fn kill_and_restart(self) -> Self {
        self.server.kill();
        Self::serve(self.url, self.program).await
    }

    async fn serve(url: String, program: Program) -> Self {
        let server = program.serve();
        let grpc = format!("http://{}", server.grpc);
        let auth = AuthServiceClient::connect(grpc).await.expect("the server accepts");
        Self { url, program, auth, server }
    }

    /// Tokens for the default audience.
    pub(super) async fn login(&mut self, identifier: &str) -> TokenPair {
        self.login_for(identifier, &[], "").await
    }

    /// Tokens for these audiences and scopes.
    pub(super) async fn login_for(
        &mut self,
        user: &str,
        audience: &[&str],
        scope: &str,
    ) -> TokenPair {
        let request = LoginRequest {
            identifier: user.to_owned(),
            password: PASSWORD.to_owned(),
            audience: audience.iter().map(|&audience| audience.to_owned()).collect(),
            scope: scope.to_owned(),
            ..LoginRequest::default()
        };
        let response = self.auth.login(request).await.expect("logged in");
        response.into_inner().tokens.expect("tokens")
    }

    pub(super) async fn refresh(&mut self, refresh_token: String) -> TokenPair {
        let request = RefreshRequest { refresh_token, ..RefreshRequest::default() };
        let response = self.auth.refresh(request).await.expect("refreshed");
        response.into_inner().tokens.expect("tokens")
    }

    /// What a resource server with the audience "api" knows: where the keys
    /// are, and whom to believe.
    pub(super) fn api(&self) -> Value {
        let jwks_url = format!("{}/.well-known/jwks.json", self.url);
        json!({ "jwks_url": jwks_url, "issuer": self.url, "audience": "api" })
    }

    /// Ends the server, which must succeed.
    pub(super) fn stop(self) {
        drop(self.auth);
        self.server.stop();
    }
}
