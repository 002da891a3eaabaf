//! `tokenward quickstart`: the real server, and a tour of it through real
//! sockets.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::Args;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{Failure, GlobalArgs, Outcome, connection, prepare_data_dir, serve, start_logging};
use crate::{
    app::{Access, Core, Environment, Server},
    config::Settings,
    domain::{password::Password, token::CompactToken},
    grpc::pb::auth::{
        InactiveReason, LoginRequest, RefreshRequest, RevokeRequest, TokenPair, VerifyRequest,
        VerifyResponse, auth_service_client::AuthServiceClient, revoke_request::Target,
    },
    service::{Administrator, profile::ProfileRequest, users::CreateUserRequest},
    telemetry::logs::AuditLines,
};

const EXAMPLES: &str = "\
Examples:
  tokenward quickstart
  tokenward quickstart --exit
  tokenward quickstart --set grpc.listen=127.0.0.1:50061 --set admin.listen=127.0.0.1:50062 \\
    --set http.listen=127.0.0.1:8081";

const TIMEOUT: Duration = Duration::from_secs(10);

/// Make keys and an embedded database in the data folder, start the server,
/// create a user, and do login, verify, refresh, revoke and verify with it.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct QuickstartArgs {
    /// Stop after the tour instead of serving on.
    #[arg(long)]
    exit: bool,
}

pub(super) async fn run(args: QuickstartArgs, global: &GlobalArgs) -> Outcome {
    // The tour is what a person should read; the server's log would be in its
    // way. No balancer needs time to notice its end.
    let settings = global.settings(&[
        ("log.level", Some("warn".to_owned())),
        ("shutdown.grace", Some("0s".to_owned())),
    ])?;
    if settings.tls.certificate.is_some() {
        return Err(Failure::Usage(
            "quickstart serves without TLS; unset tls.certificate and tls.key".to_owned(),
        ));
    }
    start_logging(&settings, AuditLines::Silent)?;
    prepare_data_dir(&settings)?;
    println!(
        "Tokenward {}\nkeys:     {}\ndatabase: {}\n",
        env!("CARGO_PKG_VERSION"),
        settings.keys_dir().display(),
        settings.database_url()
    );
    let core = Core::open(&settings, Environment::system(), Access::Serve).await?;
    let server = Server::bind(settings.clone(), core).await?;
    let tour = Tour::new(&server, &settings)?;
    let stop = serve::stop_on_signal()?;
    let serving = tokio::spawn(server.run(stop.clone()));
    let toured = tour.run().await;
    if toured.is_ok() && !args.exit {
        println!("Serving on. Ctrl-C stops.");
        stop.cancelled().await;
    }
    finish(stop, serving).await?;
    Ok(toured?)
}

async fn finish(stop: CancellationToken, serving: tokio::task::JoinHandle<()>) -> Outcome {
    stop.cancel();
    Ok(serving.await?)
}

struct Tour {
    grpc: String,
    http: String,
    auth: std::sync::Arc<crate::service::Auth>,
    name: String,
    password: String,
}

impl Tour {
    fn new(server: &Server, settings: &Settings) -> anyhow::Result<Self> {
        let environment = Environment::system();
        let mut random = [0; 24];
        environment.entropy.fill(&mut random)?;
        let text = URL_SAFE_NO_PAD.encode(random);
        let (name, password) = text.split_at(6);
        let name = name.replace(['_', '-'], "x");
        let length = usize::try_from(settings.password.min_chars).unwrap_or(0);
        Ok(Self {
            grpc: server.grpc_address()?.to_string(),
            http: server.http_address()?.to_string(),
            auth: server.auth(),
            name: format!("demo-{name}").to_lowercase(),
            password: password.repeat(length / password.len() + 1),
        })
    }

    async fn run(&self) -> anyhow::Result<()> {
        println!("gRPC listens on {}, HTTP on {}.\n", self.grpc, self.http);
        let channel = connection::connect(&format!("http://{}", self.grpc), None, TIMEOUT).await?;
        ready(channel.clone()).await?;
        let mut auth = AuthServiceClient::new(channel);

        self.create_user().await?;
        self.fetch_jwks().await?;
        let first = self.login(&mut auth).await?;
        verify(&mut auth, "3. Verify", "the access token is active", &first.access_token, None)
            .await?;
        let second = refresh(&mut auth, &first).await?;
        revoke(&mut auth, &second).await?;
        let revoked = Some(InactiveReason::Revoked);
        verify(&mut auth, "6. Verify again", "dead at once", &second.access_token, revoked).await?;
        self.print_commands();
        Ok(())
    }

    async fn create_user(&self) -> anyhow::Result<()> {
        let profile = ProfileRequest {
            username: self.name.clone(),
            display_name: "Demo User".to_owned(),
            roles: vec!["editor".to_owned()],
            ..ProfileRequest::default()
        };
        let password = Password::parse(self.password.clone());
        let request = CreateUserRequest { profile, password: Some(password) };
        let id = self.auth.create_user(request, &Administrator::command_line()).await?;
        step("1. Create a user", &format!("{} is {id}", self.name));
        Ok(())
    }

    async fn fetch_jwks(&self) -> anyhow::Result<()> {
        let (status, body) = connection::get(&self.http, "/.well-known/jwks.json").await?;
        ensure!(status == 200, "the JWKS answered {status}");
        let jwks: Value = serde_json::from_slice(&body)?;
        let kids = jwks.pointer("/keys").and_then(Value::as_array).map_or(0, Vec::len);
        step("   JWKS", &format!("http://{}/.well-known/jwks.json has {kids} key(s)", self.http));
        Ok(())
    }

    async fn login(&self, auth: &mut AuthServiceClient<Channel>) -> anyhow::Result<TokenPair> {
        let request = LoginRequest {
            identifier: self.name.clone(),
            password: self.password.clone(),
            label: "quickstart".to_owned(),
            ..Default::default()
        };
        let response = auth.login(request).await.context("Login")?.into_inner();
        let tokens = response.tokens.context("Login gave no tokens")?;
        step("2. Login", "an access token, which says");
        show_claims(&tokens.access_token)?;
        println!("   and a refresh token, which says");
        show_claims(&tokens.refresh_token)?;
        Ok(tokens)
    }

    fn print_commands(&self) {
        let Self { grpc, http, name, password, .. } = self;
        println!(
            "Try it by hand:\n
  grpcurl -plaintext {grpc} list
  grpcurl -plaintext {grpc} describe tokenward.auth.v1.AuthService
  grpcurl -plaintext -d '{{\"identifier\":\"{name}\",\"password\":\"{password}\"}}' \\
    {grpc} tokenward.auth.v1.AuthService/Login
  grpcurl -plaintext -d '{{\"token\":\"ACCESS_TOKEN\"}}' \\
    {grpc} tokenward.auth.v1.AuthService/Verify
  curl http://{http}/.well-known/jwks.json\n"
        );
    }
}

/// Waits until the server says that it is ready.
async fn ready(channel: Channel) -> anyhow::Result<()> {
    let mut health = HealthClient::new(channel);
    for _ in 0..200 {
        let response = health.check(HealthCheckRequest::default()).await?;
        if response.into_inner().status() == ServingStatus::Serving {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("the server did not become ready")
}

/// Asks Verify, and fails unless the verdict is the expected one.
async fn verify(
    auth: &mut AuthServiceClient<Channel>,
    title: &str,
    expectation: &str,
    token: &str,
    inactive: Option<InactiveReason>,
) -> anyhow::Result<()> {
    let request = VerifyRequest { token: token.to_owned(), ..Default::default() };
    let verdict = auth.verify(request).await.context("Verify")?.into_inner();
    let expected = inactive.unwrap_or(InactiveReason::Unspecified);
    ensure!(
        verdict.active == inactive.is_none() && verdict.reason() == expected,
        "Verify gave another verdict: {}",
        verdict.reason().as_str_name()
    );
    step(title, expectation);
    println!("   {}\n", describe(&verdict));
    Ok(())
}

async fn refresh(
    auth: &mut AuthServiceClient<Channel>,
    first: &TokenPair,
) -> anyhow::Result<TokenPair> {
    let request =
        RefreshRequest { refresh_token: first.refresh_token.clone(), ..Default::default() };
    let response = auth.refresh(request.clone()).await.context("Refresh")?.into_inner();
    let tokens = response.tokens.context("Refresh gave no tokens")?;
    let again = auth.refresh(request).await.context("Refresh again")?.into_inner();
    let repeated = again.tokens.context("Refresh gave no tokens")?;
    ensure!(
        again.replayed && repeated.refresh_token == tokens.refresh_token,
        "a repeated Refresh gave another token"
    );
    step("4. Refresh", "the next pair; asked again at once, the same one byte for byte");
    show_claims(&tokens.refresh_token)?;
    Ok(tokens)
}

async fn revoke(auth: &mut AuthServiceClient<Channel>, tokens: &TokenPair) -> anyhow::Result<()> {
    let target = Some(Target::Token(tokens.refresh_token.clone()));
    let seq =
        auth.revoke(RevokeRequest { target }).await.context("Revoke")?.into_inner().revocation_seq;
    step("5. Revoke", &format!("the session has ended; revocation sequence number {seq}\n"));
    Ok(())
}

fn step(title: &str, text: &str) {
    println!("{title}: {text}");
}

fn describe(verdict: &VerifyResponse) -> String {
    let reason = verdict.reason().as_str_name().trim_start_matches("INACTIVE_REASON_");
    match &verdict.revocation {
        Some(revocation) => format!("active = false, reason = {reason} ({})", revocation.reason),
        None if verdict.active => "active = true".to_owned(),
        None => format!("active = false, reason = {reason}"),
    }
}

fn show_claims(token: &str) -> anyhow::Result<()> {
    let token = CompactToken::parse(token)?;
    let claims: Value = serde_json::from_slice(token.payload())?;
    for line in serde_json::to_string_pretty(&claims)?.lines() {
        println!("   {line}");
    }
    println!();
    Ok(())
}
