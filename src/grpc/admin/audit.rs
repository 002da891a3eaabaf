//! `AuditService`.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::sleep};
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::{
    domain::{
        audit::{Entry, Filter},
        clock::Timestamp,
        error::AuthError,
    },
    grpc::{
        convert::timestamp,
        pb::admin::{self as pb, audit_service_server::AuditService},
        request::{caller, peer},
        status::in_stream,
    },
    peers::{Quota, Share},
    service::Administrator,
};

use super::{
    AdminEdge,
    filter::{self, Operator, Restriction, invalid},
    page::Page,
};

/// The most entries on a page.
const PAGE_MAX: u32 = 1_000;
/// How often a watcher looks for new entries.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Watchers at the same time, and of these those of one peer; each costs a
/// short read every interval.
const WATCHERS_MAX: usize = 32;
const WATCHERS_MAX_PER_PEER: usize = 8;
/// Entries that wait for a slow watcher.
const BUFFER: usize = 64;

/// The service, and how many watch.
pub(super) struct AuditEdge {
    edge: AdminEdge,
    watchers: Arc<Quota>,
}

impl AuditEdge {
    pub(super) fn new(edge: AdminEdge) -> Self {
        Self { edge, watchers: Quota::new(WATCHERS_MAX, WATCHERS_MAX_PER_PEER) }
    }
}

type Events = ReceiverStream<Result<pb::WatchAuditEventsResponse, Status>>;

#[tonic::async_trait]
impl AuditService for AuditEdge {
    async fn list_audit_events(
        &self,
        request: Request<pb::ListAuditEventsRequest>,
    ) -> Result<Response<pb::ListAuditEventsResponse>, Status> {
        let admin = self.edge.administrator(&request).await?;
        let pb::ListAuditEventsRequest { page_size, page_token, filter } = request.into_inner();
        let page = Page::parse(page_size, PAGE_MAX, &page_token, &filter)?;
        let before = match page.after.as_str() {
            "" => None,
            seq => Some(seq.parse().map_err(|_| Page::foreign())?),
        };
        let filter = parse(&filter)?;
        let mut entries = self.edge.auth.audit_events(filter, before, page.limit(), &admin).await?;
        let next_page_token = page.cut(&mut entries, |entry| entry.seq);
        let audit_events = entries.into_iter().map(Into::into).collect();
        Ok(Response::new(pb::ListAuditEventsResponse { audit_events, next_page_token }))
    }

    type WatchAuditEventsStream = Events;

    async fn watch_audit_events(
        &self,
        request: Request<pb::WatchAuditEventsRequest>,
    ) -> Result<Response<Events>, Status> {
        let admin = self.edge.administrator(&request).await?;
        let Some(share) = self.watchers.take(peer(request.extensions())) else {
            let retry_after = Duration::from_secs(1);
            return Err(AuthError::Overloaded { work: "audit streams", retry_after }.into());
        };
        let after = match request.get_ref().after_seq {
            0 => self.edge.auth.newest_audit_event(&admin).await?,
            seq if seq > 0 => seq,
            _ => return Err(AuthError::invalid("after_seq", "must not be negative").into()),
        };
        let (events, stream) = mpsc::channel(BUFFER);
        let watch =
            Watch { edge: self.edge.clone(), request: request.map(drop), admin, _share: share };
        tokio::spawn(watch.run(after, events));
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// One watcher.
struct Watch {
    edge: AdminEdge,
    request: Request<()>,
    admin: Administrator,
    _share: Share,
}

impl Watch {
    /// Until the watcher's time is over, it goes away, or it may not any more.
    async fn run(
        mut self,
        after: i64,
        events: mpsc::Sender<Result<pb::WatchAuditEventsResponse, Status>>,
    ) {
        let (lifetime, shutdown) =
            (self.edge.bounds.watch_lifetime, self.edge.bounds.shutdown.clone());
        let ended = tokio::select! {
            ended = self.follow(after, &events) => ended,
            () = sleep(lifetime) => Ok(()),
            () = shutdown.cancelled() => Ok(()),
            () = events.closed() => Ok(()),
        };
        if let Err(error) = ended {
            let status = in_stream(&error, &caller(&self.request).request_id);
            drop(events.send(Err(status)).await);
        }
    }

    async fn follow(
        &mut self,
        mut after: i64,
        events: &mpsc::Sender<Result<pb::WatchAuditEventsResponse, Status>>,
    ) -> Result<(), AuthError> {
        loop {
            let entries = self.edge.auth.audit_events_after(after, &self.admin).await?;
            if entries.is_empty() {
                sleep(LOOK_INTERVAL).await;
            } else {
                // Judged anew before anything is told.
                self.admin = self.edge.administrator(&self.request).await?;
            }
            for entry in entries {
                after = entry.seq;
                let audit_event = Some(entry.into());
                let response = pb::WatchAuditEventsResponse { audit_event };
                if events.send(Ok(response)).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

fn parse(text: &str) -> Result<Filter, AuthError> {
    let mut filter = Filter::default();
    for restriction in filter::parse(text)? {
        add(&mut filter, restriction)?;
    }
    Ok(filter)
}

fn add(filter: &mut Filter, restriction: Restriction) -> Result<(), AuthError> {
    let Restriction { field, operator, value } = restriction;
    let rule = "must restrict user, session, client, actor, action and outcome with =, and \
                event_time with >= and <, each once";
    let time = || {
        let rule = "event_time must be an instant like 2026-01-31T12:00:00Z";
        Timestamp::parse_rfc3339(&value).ok_or_else(|| invalid(rule))
    };
    let text = match (field.as_str(), operator) {
        ("event_time", Operator::AtLeast) if filter.since.is_none() => {
            filter.since = Some(time()?);
            return Ok(());
        }
        ("event_time", Operator::Below) if filter.until.is_none() => {
            filter.until = Some(time()?);
            return Ok(());
        }
        ("user", Operator::Equal) => &mut filter.user,
        ("session", Operator::Equal) => &mut filter.session,
        ("client", Operator::Equal) => &mut filter.client,
        ("actor", Operator::Equal) => &mut filter.actor,
        ("action", Operator::Equal) => &mut filter.action,
        ("outcome", Operator::Equal) => &mut filter.outcome,
        _ => return Err(invalid(rule)),
    };
    if value.is_empty() || !text.is_empty() {
        return Err(invalid(rule));
    }
    // Users are given by name or by id.
    *text = value.strip_prefix("users/").map_or_else(|| value.clone(), str::to_owned);
    Ok(())
}

impl From<Entry> for pb::AuditEvent {
    fn from(entry: Entry) -> Self {
        let user = Some(entry.user).filter(|user| !user.is_empty());
        Self {
            name: format!("auditEvents/{}", entry.seq),
            seq: entry.seq,
            event_time: Some(timestamp(entry.at)),
            action: entry.action,
            outcome: entry.outcome,
            reason: entry.reason,
            actor: entry.actor,
            user: user.map(|user| format!("users/{user}")).unwrap_or_default(),
            session_id: entry.session,
            client_id: entry.client,
            source: entry.source,
            request_id: entry.request_id,
            detail: entry.detail,
            digest: entry.digest,
        }
    }
}
