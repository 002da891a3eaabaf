//! Layers that put a verifier in front of a service.
//!
//! A request without a good token is answered as the server's own gateways
//! answer it ([`Refused`]): over HTTP with a challenge (RFC 6750 section 3),
//! over gRPC with a status and `google.rpc.ErrorInfo`.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use tonic::{Code, Status, server::NamedService};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::{Layer, Service};

use crate::{
    arrival::bearer,
    domain::{
        error::{AuthError, RETRY_AFTER_OUTAGE, chain},
        verdict::{InactiveReason, Requirements, TokenClaims},
    },
    gateway::Refused,
    grpc::status::DOMAIN,
};

use super::Verifier;

/// For axum, and every other service whose body can be made of a text.
pub type HttpLayer = GuardLayer<Http>;
/// For tonic.
pub type GrpcLayer = GuardLayer<Grpc>;

/// Refuses over HTTP.
#[derive(Clone, Copy, Debug)]
pub struct Http;

/// Refuses over gRPC.
#[derive(Clone, Copy, Debug)]
pub struct Grpc;

/// How a request is refused.
pub trait Answer<B> {
    /// The answer.
    fn answer(refused: Refused) -> Response<B>;
}

/// Puts a [`Guard`] in front of services.
pub struct GuardLayer<K> {
    verifier: Verifier,
    needed: Arc<Requirements>,
    kind: PhantomData<fn() -> K>,
}

/// A service that only requests with a good token reach. It leaves the
/// token's [`TokenClaims`] among their extensions.
pub struct Guard<S, K> {
    inner: S,
    layer: GuardLayer<K>,
}

impl<K> GuardLayer<K> {
    pub(super) fn new(verifier: Verifier, needed: Requirements) -> Result<Self, AuthError> {
        let violations = needed.violations();
        if !violations.is_empty() {
            return Err(AuthError::InvalidArgument(violations));
        }
        Ok(Self { verifier, needed: Arc::new(needed), kind: PhantomData })
    }

    async fn admit(&self, headers: &HeaderMap) -> Result<TokenClaims, Refused> {
        let realm = self.verifier.realm();
        let token = bearer(headers).map_err(|error| Refused::malformed(realm, &error))?;
        let token = token.ok_or_else(|| Refused::without_credential(realm))?;
        let verdict = self.verifier.check(token, &self.needed).await.map_err(|error| {
            // That it is so was said when it began.
            tracing::debug!(cause = chain(&error), "a request cannot be judged");
            Refused::failed(realm, &error)
        })?;
        match (verdict.reason, verdict.claims) {
            (None, Some(claims)) => Ok(claims),
            (reason, _) => {
                let reason = reason.unwrap_or(InactiveReason::Invalid);
                Err(Refused::inactive(realm, &reason, &self.needed))
            }
        }
    }
}

impl<S, K> Layer<S> for GuardLayer<K> {
    type Service = Guard<S, K>;

    fn layer(&self, inner: S) -> Guard<S, K> {
        Guard { inner, layer: self.clone() }
    }
}

impl<S, K, B, R> Service<Request<B>> for Guard<S, K>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    K: Answer<R> + 'static,
    B: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The one that is ready serves; a copy of it waits for its turn.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let layer = self.layer.clone();
        Box::pin(async move {
            match layer.admit(request.headers()).await {
                Ok(claims) => {
                    request.extensions_mut().insert(claims);
                    inner.call(request).await
                }
                Err(refused) => Ok(K::answer(refused)),
            }
        })
    }
}

impl<B: From<String>> Answer<B> for Http {
    fn answer(refused: Refused) -> Response<B> {
        let mut response = Response::new(B::from(refused.body()));
        *response.status_mut() = refused.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Refused::CONTENT_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(refused.headers);
        response
    }
}

impl<B: Default> Answer<B> for Grpc {
    fn answer(refused: Refused) -> Response<B> {
        let code = match refused.status {
            StatusCode::UNAUTHORIZED => Code::Unauthenticated,
            StatusCode::FORBIDDEN => Code::PermissionDenied,
            StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
            _ => Code::Internal,
        };
        let mut details = ErrorDetails::with_error_info(refused.reason, DOMAIN, []);
        if code == Code::Unavailable {
            details.set_retry_info(Some(RETRY_AFTER_OUTAGE));
        }
        Status::with_error_details(code, refused.detail, details).into_http()
    }
}

impl<S: NamedService, K> NamedService for Guard<S, K> {
    const NAME: &'static str = S::NAME;
}

impl<K> Clone for GuardLayer<K> {
    fn clone(&self) -> Self {
        let (verifier, needed) = (self.verifier.clone(), Arc::clone(&self.needed));
        Self { verifier, needed, kind: PhantomData }
    }
}

impl<S: Clone, K> Clone for Guard<S, K> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<K> fmt::Debug for GuardLayer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardLayer").field("needed", &self.needed).finish_non_exhaustive()
    }
}
