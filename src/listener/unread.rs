//! Notices when a peer does not read what it is sent.
//!
//! In HTTP/2 it is the peer that decides, by flow control, when an answer
//! may be sent. One that never lets it be sent would have us keep it for as
//! long as the connection lives: no deadline of a call is left by then, and
//! pings are answered all the while.

use std::{
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::{Buf, Bytes};
use hyper::body::{Frame, SizeHint};
use tokio::time::sleep;

/// What waits for one peer. Everything that begins to wait between two looks
/// counts as one batch, so that it costs hardly anything.
#[derive(Clone, Debug, Default)]
pub(super) struct Unread(Arc<Mutex<Arc<()>>>);

/// Something that waits, until it is dropped.
#[derive(Debug)]
pub(super) struct Waiting(#[expect(dead_code, reason = "counts by being there")] Arc<()>);

impl Unread {
    /// Something begins to wait now.
    pub(super) fn begin(&self) -> Waiting {
        Waiting(Arc::clone(&self.batch()))
    }

    /// Returns when something has waited for `limit` at least, and before it
    /// has for twice that.
    pub(super) async fn overdue(&self, limit: Duration) {
        let mut before = Arc::default();
        loop {
            sleep(limit).await;
            if self.outlived(&mut before) {
                return;
            }
        }
    }

    /// Whether anything of the batch `before` still waits. The one since then
    /// takes its place.
    fn outlived(&self, before: &mut Arc<()>) -> bool {
        let since = mem::take(&mut *self.batch());
        Arc::strong_count(&mem::replace(before, since)) > 1
    }

    /// Nothing panics while it is held.
    fn batch(&self) -> MutexGuard<'_, Arc<()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of an answer whose pieces wait until they are written.
#[derive(Debug)]
pub(super) struct Answer {
    body: Body,
    unread: Unread,
}

impl Answer {
    pub(super) fn new(body: Body, unread: Unread) -> Self {
        Self { body, unread }
    }
}

impl hyper::body::Body for Answer {
    type Data = Piece;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let piece = |bytes| Piece { bytes, _waiting: self.unread.begin() };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A piece of an answer. The transport drops it when it has written it.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Bytes,
    _waiting: Waiting,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }

    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        self.bytes.copy_to_bytes(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gt_08_what_waits_from_one_look_to_the_one_after_the_next_is_noticed() {
        let (unread, mut before) = (Unread::default(), Arc::default());
        let waiting = unread.begin();
        assert!(!unread.outlived(&mut before), "perhaps it began just now");
        assert!(unread.outlived(&mut before));
        drop(waiting);
        assert!(!unread.outlived(&mut before), "it is read");
    }

    #[test]
    fn gt_08_what_is_read_in_time_is_not_noticed() {
        let (unread, mut before) = (Unread::default(), Arc::default());
        for _ in 0..10 {
            let waiting = unread.begin();
            assert!(!unread.outlived(&mut before));
            drop(waiting);
        }
    }
}
