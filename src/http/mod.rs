//! The HTTP edge: public keys, metadata, OAuth, probes, metrics.
//!
//! Nothing depends on what a request says about its host, and nothing but
//! OAuth reads the database.

mod conditional;
mod failure;
mod jwks;
mod metadata;
mod metrics;
mod oauth;
mod probes;
mod problem;

use std::{any::Any, collections::BTreeSet, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, get},
};
use ipnet::IpNet;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Level;

use crate::{
    arrival::{Arrivals, REQUEST_ID, TrustedProxies},
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
    /// The longest that a request may take.
    pub request_timeout: Duration,
    /// What `GET /metrics` tells; `None`: there is no such path.
    pub metrics: Option<Arc<Metrics>>,
}

/// Everything that is served over plain HTTP.
pub fn router(auth: Arc<Auth>, readiness: Arc<Readiness>, options: HttpOptions) -> Router {
    let issuer = auth.policy().issuer.clone();
    let proxies = TrustedProxies::new(options.trusted_proxies);
    let edge = Edge {
        arrivals: Arrivals::new(Arc::clone(&auth.clock), auth.entropy.as_ref(), proxies),
        request_timeout: options.request_timeout,
    };
    let probes = Router::new()
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .with_state(readiness);
    let keys = routes(metadata::places(&issuer, metadata::JWKS), || {
        get(jwks::document).options(jwks::preflight)
    });
    let documents = routes(metadata::paths(&issuer), || get(metadata::serve));
    let metrics = options.metrics.map_or_else(Router::new, |metrics| {
        Router::new().route("/metrics", get(metrics::serve)).with_state(metrics)
    });
    probes
        .merge(metrics)
        .merge(keys.merge(oauth::router(&issuer)).with_state(auth))
        .merge(documents.with_state(metadata::document(&issuer)))
        .fallback(async || Problem::NOT_FOUND)
        .method_not_allowed_fallback(async || Problem::METHOD_NOT_ALLOWED)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(Arc::new(edge), pass))
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
}

/// Names every request, bounds it in time, logs its failure, and forbids
/// guessing at any answer's type.
async fn pass(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let limit = edge.request_timeout;
    let arrival = edge.arrivals.receive(request.headers(), request.extensions(), limit);
    let uri = request.uri().clone();
    request.extensions_mut().insert(arrival.clone());
    let mut response = match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => failed(Level::WARN, "timed_out", "it took too long", Problem::TIMED_OUT),
    };
    if let Some(failure) = response.extensions().get::<Failure>() {
        let took = edge.arrivals.age(&arrival);
        failure.log(&uri, response.status().as_u16(), &arrival, took);
    }
    let nosniff = HeaderValue::from_static("nosniff");
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response.headers_mut().insert(REQUEST_ID, arrival.id);
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
