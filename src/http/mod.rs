//! The HTTP edge: public keys, metadata, forward-auth, probes, metrics.
//!
//! Nothing depends on what a request says about its host, so public documents
//! are the same for everybody.

mod conditional;
mod forward_auth;
mod jwks;
mod login_form;
mod metadata;
mod metrics;
mod probes;
mod problem;
mod session;
mod site_path;

use std::{any::Any, collections::BTreeSet, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{MethodRouter, any, get},
};
use ipnet::IpNet;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    arrival::{Arrivals, REQUEST_ID, TrustedProxies},
    gateway::{Gateway, GatewayRules},
    service::{Auth, readiness::Readiness},
    telemetry::metrics::Metrics,
};

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
    /// Is this listener reached by TLS? Browsers are told to come by no other
    /// way from then on (RFC 6797).
    pub tls: bool,
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
        tls: options.tls,
    };
    let probes = Router::new()
        .route("/livez", get(probes::live))
        .route("/readyz", get(probes::ready))
        .with_state(readiness);
    let keys =
        routes(metadata::jwks_paths(&issuer), || get(jwks::document).options(jwks::preflight));
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
    probes
        .merge(metrics)
        .merge(gateways)
        .merge(browsers)
        .merge(keys.with_state(auth))
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
    tls: bool,
}

/// Names every request, bounds it in time, and forbids guessing at any
/// answer's type.
async fn pass(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let limit = edge.request_timeout;
    let arrival = edge.arrivals.receive(request.headers(), request.extensions(), limit);
    let id = arrival.id.clone();
    request.extensions_mut().insert(arrival);
    let mut response = match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::TIMED_OUT.into_response(),
    };
    let nosniff = HeaderValue::from_static("nosniff");
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    headers.insert(REQUEST_ID, id);
    if edge.tls {
        let for_a_year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, for_a_year);
    }
    response
}

/// The panic's own message stands on standard error, where the hook put it.
fn panicked(_: Box<dyn Any + Send>) -> Response<Body> {
    tracing::error!(target: "tokenward::http", "the handler panicked");
    Problem::INTERNAL.into_response()
}
