//! A service that everybody may read who is logged in, and editors may write
//! to. It verifies tokens by itself, and follows what is revoked: Tokenward is
//! asked about no request.

use std::{env, future::IntoFuture as _};

use axum::{
    Extension, Router,
    http::StatusCode,
    routing::{get, post},
};
use tokenward::client::{Options, Requirements, TokenClaims, Verifier};
use tokio::net::TcpListener;
use tonic::{service::Routes, transport::Endpoint};
use tonic_health::server::health_reporter;
use tower::Layer as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let tokenward = format!("http://{}", variable("AUTH_GRPC", "127.0.0.1:50051"));
    let options = Options::new(variable("AUTH_ISSUER", "http://127.0.0.1:8080"));
    let verifier = Verifier::new(Endpoint::from_shared(tokenward)?, options);

    let http = listen(&variable("PORT", "8000")).await?;
    println!("http://{}", http.local_addr()?);
    let grpc = listen(&variable("GRPC_PORT", "8001")).await?;
    println!("gRPC on {}", grpc.local_addr()?);
    tokio::try_join!(
        axum::serve(http, articles(&verifier)?).into_future(),
        axum::serve(grpc, health(&verifier)?).into_future(),
    )?;
    Ok(())
}

/// Over HTTP, behind a layer for each route.
fn articles(verifier: &Verifier) -> anyhow::Result<Router> {
    let list = get(list).layer(verifier.http_layer(needed(&[]))?);
    let add = post(add).layer(verifier.http_layer(needed(&["articles:write"]))?);
    let verifier = verifier.clone();
    let ready =
        get(
            async move || {
                if verifier.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
            },
        );
    Ok(Router::new().route("/articles", list.merge(add)).route("/ready", ready))
}

/// Over gRPC, behind a layer for the whole service. Any service of tonic's
/// will do; this one tells whether we are well, to whoever is logged in.
fn health(verifier: &Verifier) -> anyhow::Result<Router> {
    let (_, health) = health_reporter();
    let guarded = verifier.grpc_layer(needed(&[]))?.layer(health);
    Ok(Routes::new(guarded).into_axum_router())
}

/// Who may come in: whoever has a good token for this audience, with all of
/// these scopes.
fn needed(scopes: &[&str]) -> Requirements {
    Requirements {
        audience: variable("AUTH_AUDIENCE", "api"),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..Requirements::default()
    }
}

async fn list(Extension(reader): Extension<TokenClaims>) -> String {
    format!("Tokens for all, {}\n", reader.claims.subject())
}

async fn add(Extension(author): Extension<TokenClaims>, title: String) -> (StatusCode, String) {
    (StatusCode::CREATED, format!("{title}, by {}\n", author.claims.subject()))
}

async fn listen(port: &str) -> anyhow::Result<TcpListener> {
    Ok(TcpListener::bind(format!("127.0.0.1:{port}")).await?)
}

fn variable(name: &str, otherwise: &str) -> String {
    env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}
