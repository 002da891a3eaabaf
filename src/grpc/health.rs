//! `grpc.health.v1`, answered from [`Readiness`] on every question, so that
//! it can never be stale. Not ready until proven.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Request, Response, Status, codegen::tokio_stream::Stream};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{Health, HealthServer},
};

use crate::{
    domain::error::AuthError,
    peers::{Quota, Share},
    service::readiness::Readiness,
};

use super::{ext_authz, request::peer};

/// A question is one service's name.
const MESSAGE_MAX_BYTES: usize = 1024;
/// How often a watcher's status is looked at again.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);
/// Watchers at the same time; each costs a look every interval.
const WATCHERS_MAX: usize = 1024;
/// Of these, those of one peer, which may be a gateway with many workers.
const WATCHERS_MAX_PER_PEER: usize = 128;

/// The service, following `readiness`. Its streams end with `shutdown`.
pub(super) fn server(
    readiness: Arc<Readiness>,
    shutdown: CancellationToken,
) -> HealthServer<impl Health> {
    let watchers = Quota::new(WATCHERS_MAX, WATCHERS_MAX_PER_PEER);
    HealthServer::new(HealthEdge { readiness, shutdown, watchers })
        .max_decoding_message_size(MESSAGE_MAX_BYTES)
}

#[derive(Clone)]
struct HealthEdge {
    readiness: Arc<Readiness>,
    shutdown: CancellationToken,
    watchers: Arc<Quota>,
}

impl HealthEdge {
    /// The whole server has two names more, after the Kubernetes probes.
    fn status(&self, service: &str) -> Option<ServingStatus> {
        match service {
            "liveness" => Some(ServingStatus::Serving),
            "" | "readiness" | "tokenward.auth.v1.AuthService" | ext_authz::SERVICE => {
                Some(match self.readiness.obstacle() {
                    None => ServingStatus::Serving,
                    Some(_) => ServingStatus::NotServing,
                })
            }
            _ => None,
        }
    }
}

#[tonic::async_trait]
impl Health for HealthEdge {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let status = self.status(&request.get_ref().service);
        let status = status.ok_or(AuthError::NotFound("service"))?;
        Ok(Response::new(HealthCheckResponse { status: status.into() }))
    }

    type WatchStream = Watch;

    async fn watch(&self, request: Request<HealthCheckRequest>) -> Result<Response<Watch>, Status> {
        let retry_after = Duration::from_secs(1);
        let full = AuthError::Overloaded { work: "health watchers", retry_after };
        let share = self.watchers.take(peer(request.extensions())).ok_or(full)?;
        let mut ticks = tokio::time::interval(WATCH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Response::new(Watch {
            edge: self.clone(),
            service: request.into_inner().service,
            told: None,
            ticks,
            shutdown: Box::pin(self.shutdown.clone().cancelled_owned()),
            ended: false,
            _share: share,
        }))
    }
}

/// Tells the status of one service at first, and then when it changes. Its
/// last word, before the server goes, is that nothing is served.
struct Watch {
    edge: HealthEdge,
    service: String,
    told: Option<ServingStatus>,
    ticks: Interval,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    ended: bool,
    _share: Share,
}

impl Watch {
    /// A name that is not known now may be later: the protocol wants that
    /// told, not refused.
    fn status(&self) -> ServingStatus {
        match self.edge.status(&self.service) {
            Some(_) if self.ended => ServingStatus::NotServing,
            Some(status) => status,
            None => ServingStatus::ServiceUnknown,
        }
    }

    fn news(&mut self) -> Option<Result<HealthCheckResponse, Status>> {
        let status = self.status();
        let is_news = self.told.replace(status) != Some(status);
        is_news.then_some(Ok(HealthCheckResponse { status: status.into() }))
    }
}

impl Stream for Watch {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            // A future that is done must not be asked again.
            if self.ended || self.shutdown.as_mut().poll(context).is_ready() {
                self.ended = true;
                return Poll::Ready(self.news());
            }
            ready!(self.ticks.poll_tick(context));
            if let Some(news) = self.news() {
                return Poll::Ready(Some(news));
            }
        }
    }
}
