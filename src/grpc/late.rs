//! Failures that come after the answer has begun, in its trailers.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::{body::Body, http::HeaderMap};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::arrival::REQUEST_ID;

use super::edge::{Call, Edge, failure};

/// The body of an answer that may still fail.
pub(super) struct Late {
    body: Body,
    edge: Arc<Edge>,
    call: Call,
}

impl Late {
    pub(super) fn new(body: Body, edge: Arc<Edge>, call: Call) -> Self {
        Self { body, edge, call }
    }

    /// Trailers as they are, or those of a failure with all of its details.
    /// They take the id along, which the headers have as well: of a failed
    /// call, many clients show only the trailers.
    fn complete(&self, trailers: HeaderMap) -> HeaderMap {
        let Some(status) = failure(&trailers) else { return trailers };
        let complete = self.edge.fail(&status, &self.call);
        let mut headers = HeaderMap::new();
        if complete.add_header(&mut headers).is_err() {
            return trailers;
        }
        headers.insert(REQUEST_ID, self.call.arrival.id.clone());
        headers
    }
}

impl HttpBody for Late {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            frame.map(|frame| match frame.into_trailers() {
                Ok(trailers) => Frame::trailers(self.complete(trailers)),
                Err(data) => data,
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
