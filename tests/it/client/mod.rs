//! The verifier for Rust services, against real servers over real sockets.

mod layers;
mod outages;
mod relay;
mod verdicts;

use std::{net::SocketAddr, sync::Arc};

use secrecy::ExposeSecret as _;
use tokenward::{
    client::{Options, Requirements, Verdict, Verifier},
    config::{ClientSettings, Settings},
    domain::{clock::Clock, error::AuthError},
    service::{Caller, login::LoggedIn},
};
use tokio::{task::yield_now, time::timeout};
use tonic::transport::Endpoint;

use crate::support::{
    served::{PATIENCE, Served},
    world::{Engine, World},
};

const ISSUER: &str = "https://auth.example.org";

/// A world in which users log in on a client with scopes.
async fn world(engine: Engine) -> Option<World> {
    World::with(engine, usual).await
}

fn usual(settings: &mut Settings) {
    ISSUER.clone_into(&mut settings.issuer);
    "web".clone_into(&mut settings.default_client);
    let words = |text: &str| text.split(' ').map(str::to_owned).collect();
    let web = ClientSettings {
        audiences: words("api"),
        scopes: words("read write"),
        default_scopes: words("read"),
        ..ClientSettings::default()
    };
    settings.clients.insert("web".to_owned(), web);
}

fn options(clock: Arc<dyn Clock>) -> Options {
    Options { clock, ..Options::new(ISSUER) }
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint::from_shared(format!("http://{address}")).unwrap()
}

/// A verifier of this server's tokens, by the server's clock.
fn verifier(served: &Served) -> Verifier {
    Verifier::new(endpoint(served.grpc), options(served.clock.clone()))
}

async fn ready(verifier: &Verifier) {
    timeout(PATIENCE, verifier.ready()).await.expect("the verifier becomes ready");
}

fn any() -> Requirements {
    Requirements::default()
}

/// Waits until a token is judged as it should be.
async fn until(verifier: &Verifier, token: &str, is_so: impl Fn(&Verdict) -> bool) {
    let judged = async {
        while !verifier.check(token, &any()).await.is_ok_and(|verdict| is_so(&verdict)) {
            yield_now().await;
        }
    };
    timeout(PATIENCE, judged).await.expect("the verdict comes");
}

fn access(login: &LoggedIn) -> &str {
    login.tokens.access_token.expose_secret()
}

async fn revoke(served: &Served, login: &LoggedIn) -> i64 {
    served.auth.revoke_token(access(login), &Caller::default()).await.expect("revoked")
}

fn reason(verdict: Result<Verdict, AuthError>) -> String {
    match verdict {
        Ok(verdict) => format!("{:?}", verdict.reason),
        Err(error) => error.reason().to_owned(),
    }
}
