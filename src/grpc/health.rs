//! `grpc.health.v1`, answered from [`Readiness`] on every question, so that
//! it can never be stale. Not ready until proven.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Interval, MissedTickBehavior},
};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Request, Response, Status, codegen::tokio_stream::Stream};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus,
    health_server::{Health, HealthServer},
};

use crate::{domain::error::AuthError, service::readiness::Readiness};

/// How often a watcher's status is looked at again.
const WATCH_INTERVAL: Duration = Duration::from_millis(250);
/// Watchers at the same time; each costs a look every interval.
const WATCHERS_MAX: usize = 1024;

/// The service, following `readiness`. Its streams end with `shutdown`.
pub(super) fn server(
    readiness: Arc<Readiness>,
    shutdown: CancellationToken,
) -> HealthServer<impl Health> {
    let room = Arc::new(Semaphore::new(WATCHERS_MAX));
    HealthServer::new(Edge { readiness, shutdown, room })
}

#[derive(Clone)]
struct Edge {
    readiness: Arc<Readiness>,
    shutdown: CancellationToken,
    room: Arc<Semaphore>,
}

impl Edge {
    /// The whole server has two names more, after the Kubernetes probes.
    fn status(&self, service: &str) -> Option<ServingStatus> {
        match service {
            "liveness" => Some(ServingStatus::Serving),
            "" | "readiness" | "tokenward.auth.v1.AuthService" => {
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
impl Health for Edge {
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
        let permit = Arc::clone(&self.room).try_acquire_owned().map_err(|_| full)?;
        let mut ticks = tokio::time::interval(WATCH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Response::new(Watch {
            edge: self.clone(),
            service: request.into_inner().service,
            told: None,
            ticks,
            shutdown: Box::pin(self.shutdown.clone().cancelled_owned()),
            _permit: permit,
        }))
    }
}

/// Tells the status of one service at first, and then when it changes.
struct Watch {
    edge: Edge,
    service: String,
    told: Option<ServingStatus>,
    ticks: Interval,
    shutdown: Pin<Box<WaitForCancellationFutureOwned>>,
    _permit: OwnedSemaphorePermit,
}

impl Stream for Watch {
    type Item = Result<HealthCheckResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if self.shutdown.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            ready!(self.ticks.poll_tick(context));
            // A name that is not known now may be later: the protocol wants
            // that told, not refused.
            let status = self.edge.status(&self.service).unwrap_or(ServingStatus::ServiceUnknown);
            if self.told != Some(status) {
                self.told = Some(status);
                return Poll::Ready(Some(Ok(HealthCheckResponse { status: status.into() })));
            }
        }
    }
}
