//! Notices when a new connection has said which protocol it speaks, and when
//! its peer takes nothing more.
//!
//! hyper's timeouts begin once it knows the protocol: HTTP/1.1 has one for
//! each head, HTTP/2 its pings. Nothing bounds the time before, in which a
//! peer can stay silent or send the HTTP/2 preface byte by byte; and nothing
//! bounds a write.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::unread::{Unread, Waiting};

/// RFC 9113 section 3.4. Whoever sends anything else speaks HTTP/1.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// True once the protocol is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Spoken(Arc<AtomicBool>);

impl Spoken {
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A stream whose first bytes are watched as they are read, and whose writes
/// count as waiting for the peer while the socket takes none.
#[derive(Debug)]
pub(super) struct Opening<I> {
    io: I,
    /// What of the preface has not come yet; empty once the protocol is known.
    expected: &'static [u8],
    spoken: Spoken,
    unread: Unread,
    blocked: Option<Waiting>,
}

impl<I> Opening<I> {
    pub(super) fn watch(io: I, unread: Unread) -> (Self, Spoken) {
        let spoken = Spoken::default();
        let expected = HTTP2_PREFACE;
        (Self { io, expected, spoken: spoken.clone(), unread, blocked: None }, spoken)
    }

    /// Passes on what became of a write.
    fn written<T>(&mut self, outcome: Poll<T>) -> Poll<T> {
        match outcome {
            Poll::Ready(_) => self.blocked = None,
            Poll::Pending if self.blocked.is_none() => self.blocked = Some(self.unread.begin()),
            Poll::Pending => {}
        }
        outcome
    }

    fn take_in(&mut self, bytes: &[u8]) {
        if self.expected.is_empty() || bytes.is_empty() {
            return;
        }
        let common = self.expected.len().min(bytes.len());
        let (head, rest) = self.expected.split_at(common);
        self.expected = if bytes.starts_with(head) { rest } else { &[] };
        if self.expected.is_empty() {
            self.spoken.0.store(true, Ordering::Relaxed);
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Opening<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        self.take_in(buffer.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Opening<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(context, bytes);
        self.written(outcome)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_flush(context);
        self.written(outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.written(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spoken_after(pieces: &[&[u8]]) -> bool {
        let (mut opening, spoken) = Opening::watch((), Unread::default());
        for piece in pieces {
            opening.take_in(piece);
        }
        spoken.get()
    }

    #[test]
    fn gt_09_only_a_whole_preface_or_another_protocol_counts_as_speaking() {
        assert!(!spoken_after(&[]));
        assert!(!spoken_after(&[b""]));
        assert!(!spoken_after(&[b"P"]), "POST or PRI");
        assert!(!spoken_after(&[b"PRI * HTTP", b"/2.0\r\n\r\nSM\r\n\r"]));
        assert!(spoken_after(&[HTTP2_PREFACE]));
        assert!(spoken_after(&[b"PRI * HTTP", b"/2.0\r\n\r\nSM\r\n\r", b"\n", b"more"]));
        assert!(spoken_after(&[b"P", b"O"]));
        assert!(spoken_after(&[b"GET / HTTP/1.0\r\n\r\n"]));
        assert!(spoken_after(&[HTTP2_PREFACE, b"frames"]));
    }
}
