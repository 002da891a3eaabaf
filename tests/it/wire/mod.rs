//! Both edges over real sockets: the server as `app` composes it, on real
//! databases and real keys.

mod administrators;
mod audit;
mod browser_sessions;
mod calls;
mod clients;
mod connect;
mod cors;
mod coverage;
mod ext_authz;
mod failures;
mod forward_auth;
mod grpc_web;
mod hostile;
mod http;
mod metrics;
mod oauth;
mod one_time;
mod openapi;
mod operators;
mod raw;
mod read_your_writes;
mod refreshing;
mod self_service;
mod throttle;
mod told;
mod users;
mod watch;

use std::time::Duration;

use tokenward::config::{ClientSettings, Settings, Span};

use crate::support::{
    served::{PATIENCE, Served},
    world::{Engine, World},
};

const ISSUER: &str = "https://auth.example.org";

/// Strangers may register, and log in on a client with scopes.
fn usual(settings: &mut Settings) {
    ISSUER.clone_into(&mut settings.issuer);
    settings.registration.enabled = true;
    "web".clone_into(&mut settings.default_client);
    let words = |text: &str| text.split(' ').map(str::to_owned).collect();
    let web = ClientSettings {
        audiences: words("api"),
        scopes: words("read write"),
        default_scopes: words("read"),
        ..ClientSettings::default()
    };
    settings.clients.insert("web".to_owned(), web);
    // A server that has to be cut off at its end is found out by its test.
    settings.shutdown.drain = Span(3 * PATIENCE);
}

/// A server that is ready. `None`, said loudly, where the engine is not to
/// be had.
async fn serve(engine: Engine) -> Option<Served> {
    Some(World::with(engine, usual).await?.serve().await)
}

/// A server that has not read its revocation log.
async fn serve_without_log(engine: Engine) -> Option<Served> {
    Some(World::before_its_first_look(engine, usual).await?.serve_without_log().await)
}

/// A server that gives calls very little time.
async fn serve_hastily(engine: Engine) -> Option<Served> {
    let hasty = |settings: &mut Settings| {
        usual(settings);
        settings.grpc.request_timeout = Span(Duration::from_millis(100));
    };
    Some(World::with(engine, hasty).await?.serve().await)
}
