//! What both edges find out about a request besides its content: where it
//! comes from, its id, until when it waits, and the access token it carries.

mod bearer;
mod forwarded;
pub mod media_type;
mod request_id;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::http::{Extensions, HeaderMap, HeaderValue, header};

use crate::{
    domain::{clock::Clock, entropy::Entropy},
    service::Caller,
};

pub use bearer::{authorization, bearer, is_bare_token};
pub use forwarded::TrustedProxies;
pub use request_id::{REQUEST_ID, RequestIds};

/// What is found out about a request; one of its extensions from then on.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Where it comes from; `None` when the transport did not say.
    pub source: Option<IpAddr>,
    /// Its id.
    pub id: HeaderValue,
    /// When it came, by the clock's monotonic time.
    pub began: Duration,
    /// When it is given up, by the same.
    pub deadline: Duration,
}

/// Receives the requests of one listener.
pub struct Arrivals {
    clock: Arc<dyn Clock>,
    ids: RequestIds,
    proxies: TrustedProxies,
}

impl Arrivals {
    /// Believes `proxies` where their requests come from.
    pub fn new(clock: Arc<dyn Clock>, entropy: &dyn Entropy, proxies: TrustedProxies) -> Self {
        Self { clock, ids: RequestIds::new(entropy), proxies }
    }

    /// What there is to know about a request that may take as long as `limit`.
    /// What was found out before, where one edge stands inside of another,
    /// holds; only the deadline may come nearer.
    pub fn receive(
        &self,
        headers: &HeaderMap,
        extensions: &Extensions,
        limit: Duration,
    ) -> Arrival {
        let now = self.clock.monotonic();
        let deadline = now.saturating_add(limit);
        if let Some(known) = extensions.get::<Arrival>() {
            return Arrival { deadline: known.deadline.min(deadline), ..known.clone() };
        }
        let peer = extensions.get().map(SocketAddr::ip);
        Arrival {
            source: peer.map(|peer| self.proxies.source(peer, headers)),
            id: self.ids.of(headers),
            began: now,
            deadline,
        }
    }

    /// How long ago a request came.
    pub fn age(&self, arrival: &Arrival) -> Duration {
        self.clock.monotonic().saturating_sub(arrival.began)
    }
}

/// Who is at the other end of a request that was received.
pub fn caller(headers: &HeaderMap, extensions: &Extensions) -> Caller {
    let user_agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let arrival = extensions.get::<Arrival>();
    let id = arrival.and_then(|arrival| arrival.id.to_str().ok());
    Caller {
        ip: arrival.and_then(|arrival| arrival.source),
        user_agent: user_agent.unwrap_or_default().to_owned(),
        request_id: id.unwrap_or_default().to_owned(),
        deadline: arrival.map(|arrival| arrival.deadline),
    }
}
