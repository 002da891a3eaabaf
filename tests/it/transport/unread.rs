//! Peers that do not read what they asked for (GT-08).

use std::convert::Infallible;

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use futures_util::stream;
use tokenward::listener::ConnectionLimits;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::Instant,
};

use super::{
    PATIENCE, SHORT, Server,
    frames::{
        DATA, END_HEADERS, END_STREAM, GET, HEADERS, INITIAL_WINDOW_SIZE, begin, begin_with, frame,
        stream_id,
    },
    limits,
};

/// As much as no socket takes at once.
const LARGE: usize = 64 * 1024 * 1024;

async fn server(answer: impl Fn() -> Body + Clone + Send + Sync + 'static) -> Server {
    let limits = ConnectionLimits { unread_timeout: SHORT, ..limits() };
    Server::start(Router::new().route("/", get(async move || answer())), limits).await
}

/// The peer's window has no room for the answer, or for its first byte only.
#[tokio::test]
async fn gt_08_a_window_that_stays_shut_ends_the_connection() {
    let server = server(|| Body::from("fine")).await;
    for window in [0, 1] {
        let settings = [(INITIAL_WINDOW_SIZE, window)];
        let (mut reader, mut writer) = begin_with(server.connect().await, &settings).await;
        let began = Instant::now();
        let call = frame(HEADERS, END_HEADERS | END_STREAM, stream_id(0), GET);
        writer.write_all(&call).await.unwrap();
        let frames = reader.rest().await;
        assert!(frames.iter().any(|frame| frame.kind == HEADERS), "the answer began");
        let sent = frames.iter().filter(|f| f.kind == DATA).map(|f| f.payload.len()).sum::<usize>();
        assert_eq!(sent, usize::try_from(window).unwrap());
        assert!(began.elapsed() >= SHORT && began.elapsed() < PATIENCE / 2, "{window}");
    }
}

/// The same where there are no windows but the socket's.
#[tokio::test]
async fn gt_08_a_socket_that_takes_nothing_ends_the_connection() {
    let server = server(|| Body::from(vec![b'x'; LARGE])).await;
    let mut stream = server.connect().await;
    let began = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    stream.readable().await.unwrap();
    // A byte more can only be written while the server is there.
    while stream.write_all(b"\r").await.is_ok() {
        assert!(began.elapsed() < PATIENCE / 2, "the connection stays");
        tokio::task::yield_now().await;
    }
    assert!(began.elapsed() >= SHORT);
    let mut got = Vec::new();
    let _ = stream.read_to_end(&mut got).await;
    assert!(got.len() < LARGE, "{}", got.len());
}

/// A stream in which nothing happens is not an answer that nobody reads.
#[tokio::test]
async fn gt_08_an_idle_stream_stays() {
    let silent = || {
        let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"first"))]);
        Body::from_stream(stream::StreamExt::chain(first, stream::pending()))
    };
    let server = server(silent).await;
    let (mut reader, mut writer) = begin(server.connect().await).await;
    let call = frame(HEADERS, END_HEADERS | END_STREAM, stream_id(0), GET);
    writer.write_all(&call).await.unwrap();
    while reader.next().await.expect("the answer").kind != DATA {}
    let next = tokio::time::timeout(SHORT * 4, reader.next()).await;
    assert!(next.is_err(), "{next:?}");
}
