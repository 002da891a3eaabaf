//! The HTTP edge: public keys, metadata, forward-auth, browser sessions, OAuth,
//! probes, metrics, and around the calls that others answer.
//!
//! Nothing depends on what a request says about its host, so public documents
//! are the same for everybody.

mod conditional;
mod cors;
mod failure;
mod form;
mod forward_auth;
mod jwks;
mod login_form;
mod metadata;
mod metrics;
mod oauth;
mod openapi;
mod probes;
mod problem;
mod public;
mod session;
mod site_path;

use std::{any::Any, collections::BTreeSet, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, any, get},
};
use ipnet::IpNet;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Level;

use crate::{
    arrival::{Arrivals, REQUEST_ID, TrustedProxies},
    gateway::{Gateway, GatewayRules},
    service::{Auth, readiness::Readiness},
    telemetry::metrics::Metrics,
};

use failure::Failure;
use problem::Problem;

/// What can be set about the HTTP edge.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Peers whose `x-forwarded-for` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How requests are judged for gateways.
    pub gateway: GatewayRules,
    /// The longest that a request may take.
    pub request_timeout: Duration,
    /// Origins whose pages may make calls.
    pub cors_origins: Vec<String>,
    /// Is this listener reached by TLS? Browsers are told to come by no other
    /// way from then on (RFC 6797).
    pub tls: bool,
    /// What `GET /metrics` tells; `None`: there is no such path.
    pub metrics: Option<Arc<Metrics>>,
}

/// A year. For this host only: of others we know nothing.
const STRICT_TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Everything that is served over plain HTTP: documents, probes, and `calls`,
/// which bound themselves in time.
pub fn router(
    auth: Arc<Auth>,
    readiness: Arc<Readiness>,
    calls: Router,
    options: HttpOptions,
) -> Router {
    let issuer = auth.policy().issuer.clone();
    let proxies = TrustedProxies::new(options.trusted_proxies);
    let edge = Edge {
        arrivals: Arrivals::new(Arc::clone(&auth.clock), auth.entropy.as_ref(), proxies),
        request_timeout: options.request_timeout,
        tls: options.tls,
    };
    let edge = Arc::new(edge);
    let probes = Router::new()
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .with_state(readiness);
    let keys = routes(metadata::places(&issuer, metadata::JWKS), || {
        get(jwks::document).options(public::preflight)
    });
    let documents = routes(metadata::paths(&issuer), || get(metadata::serve));
    let browsers = options.gateway.browser.clone();
    let browsers =
        browsers.map_or_else(Router::new, |rules| session::routes(Arc::clone(&auth), rules));
    let gateway = Arc::new(Gateway::new(Arc::clone(&auth), options.gateway));
    let gateways =
        Router::new().route("/auth/verify", any(forward_auth::verify)).with_state(gateway);
    let metrics = options.metrics.map_or_else(Router::new, |metrics| {
        Router::new().route("/metrics", get(metrics::serve)).with_state(metrics)
    });
    let openapi =
        Router::new().route("/openapi.json", get(openapi::document).options(public::preflight));
    probes
        .merge(metrics)
        .merge(openapi)
        .merge(gateways)
        .merge(browsers)
        .merge(keys.merge(oauth::router(&issuer)).with_state(auth))
        .merge(documents.with_state(metadata::document(&issuer)))
        .layer(middleware::from_fn_with_state(Arc::clone(&edge), bound))
        .merge(across_origins(calls, &options.cors_origins))
        .fallback(async || Problem::NOT_FOUND)
        .method_not_allowed_fallback(async || Problem::METHOD_NOT_ALLOWED)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(edge, pass))
}

/// Routes that pages of these origins may call. Browsers ask with `OPTIONS`
/// first, which is why the refusal of other methods stands inside the layer.
fn across_origins(routes: Router, origins: &[String]) -> Router {
    if origins.is_empty() {
        return routes;
    }
    let routes = routes.method_not_allowed_fallback(async || Problem::METHOD_NOT_ALLOWED);
    routes.layer(cors::layer(origins))
}

/// The same route at each of several paths, of which the configuration knows
/// some: a colon in them is no parameter.
fn routes<S: Clone + Send + Sync + 'static>(
    paths: BTreeSet<String>,
    route: fn() -> MethodRouter<S>,
) -> Router<S> {
    let router = Router::new().without_v07_checks();
    paths.into_iter().fold(router, |router, path| router.route(&path, route()))
}

/// What requests share.
struct Edge {
    arrivals: Arrivals,
    request_timeout: Duration,
    tls: bool,
}

/// Bounds a request in time.
async fn bound(State(edge): State<Arc<Edge>>, request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(edge.request_timeout, next.run(request)).await;
    answered.unwrap_or_else(|_| {
        failed(Level::WARN, "timed_out", "it took too long", Problem::UNAVAILABLE)
    })
}

/// Names every request, logs its failure, and says of every answer that its
/// type is not to be guessed at, and that it is not to be kept, unless it says
/// how long.
async fn pass(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let limit = edge.request_timeout;
    let arrival = edge.arrivals.receive(request.headers(), request.extensions(), limit);
    let uri = request.uri().clone();
    request.extensions_mut().insert(arrival.clone());
    let mut response = next.run(request).await;
    if let Some(failure) = response.extensions().get::<Failure>() {
        let took = edge.arrivals.age(&arrival);
        failure.log(&uri, response.status().as_u16(), &arrival, took);
    }
    let headers = response.headers_mut();
    let no_store = HeaderValue::from_static("no-store");
    headers.entry(header::CACHE_CONTROL).or_insert(no_store);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if edge.tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT_SECURITY);
    }
    headers.insert(REQUEST_ID, arrival.id);
    response
}

/// The panic's own message stands on standard error, where the hook put it.
fn panicked(_: Box<dyn Any + Send>) -> Response<Body> {
    failed(Level::ERROR, "internal", "the handler panicked", Problem::INTERNAL)
}

/// Only what has a handler takes time or panics, so the path in the log is one
/// of ours.
fn failed(level: Level, reason: &'static str, cause: &str, problem: Problem) -> Response {
    (Extension(Failure { level, reason, cause: cause.to_owned() }), problem).into_response()
}
