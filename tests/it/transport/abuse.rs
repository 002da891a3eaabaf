//! Floods and dawdlers.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Extension, Router, routing::get};
use tokenward::listener::ConnectionLimits;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout},
};

use super::{
    PATIENCE, SHORT, Server,
    frames::{
        END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frame, GET, GOAWAY, HEADERS, RST_STREAM,
        SETTINGS, WINDOW_UPDATE, begin, frame, stream_id,
    },
    http1, limits, read_to_end,
};
use crate::support::world::{Engine, World};

fn app() -> Router {
    Router::new().route("/", get(async || "fine")).route("/panic", get(panic))
}

async fn panic() -> &'static str {
    panic!("a defect")
}

#[tokio::test]
async fn gt_04_settings_say_how_many_streams_are_allowed() {
    let limits = ConnectionLimits { max_concurrent_streams: 77, ..limits() };
    let server = Server::start(app(), limits).await;
    let (mut reader, _writer) = begin(server.connect().await).await;
    let settings = reader.next().await.unwrap();
    assert_eq!(settings.kind, SETTINGS);
    let values =
        settings.payload.chunks(6).map(|c| (c[1], u32::from_be_bytes([c[2], c[3], c[4], c[5]])));
    let values: Vec<_> = values.collect();
    assert!(values.contains(&(3, 77)), "MAX_CONCURRENT_STREAMS in {values:?}");
    assert!(values.contains(&(6, 32 * 1024)), "MAX_HEADER_LIST_SIZE in {values:?}");
}

/// Streams that are opened and reset at once.
fn rapid_resets(streams: u32) -> Vec<u8> {
    let both = |n| {
        let opened = frame(HEADERS, END_HEADERS | END_STREAM, stream_id(n), GET);
        [opened, frame(RST_STREAM, 0, stream_id(n), &8_u32.to_be_bytes())].concat()
    };
    (0..streams).flat_map(both).collect()
}

/// The connection was ended because of what came over it.
fn assert_too_much(frames: &[Frame]) {
    let goaway = frames.iter().find(|frame| frame.kind == GOAWAY).expect("GOAWAY");
    assert_eq!(goaway.number(4), ENHANCE_YOUR_CALM);
}

/// F7, CVE-2023-44487: streams that are opened and reset at once.
#[tokio::test]
async fn gt_01_rapid_reset_ends_the_connection() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let app = app().route("/count", get(async || "")).layer(axum::middleware::map_request(
        move |request: axum::extract::Request| {
            counted.fetch_add(1, Ordering::Relaxed);
            async { request }
        },
    ));
    let server = Server::start(app, limits()).await;
    let (mut reader, mut writer) = begin(server.connect().await).await;
    let writing = tokio::spawn(async move { writer.write_all(&rapid_resets(10_000)).await });
    assert_too_much(&reader.rest().await);
    assert!(calls.load(Ordering::Relaxed) < 1000, "{calls:?} of 10000 reached the service");
    writing.abort();
    assert!(http1(&server, "/").await.ends_with("fine"));
}

/// The HTTP port of a whole server speaks HTTP/2 within the same limits.
#[tokio::test]
async fn ht_13_the_http_port_has_the_same_limits() {
    let served = World::new(Engine::Sqlite).await.expect("SQLite").serve().await;
    let mut settings = Vec::new();
    for address in [served.grpc, served.http] {
        let (mut reader, mut writer) = begin(TcpStream::connect(address).await.unwrap()).await;
        settings.push(reader.next().await.unwrap().payload);
        let writing = tokio::spawn(async move { writer.write_all(&rapid_resets(1_000)).await });
        assert_too_much(&reader.rest().await);
        writing.abort();
    }
    assert_eq!(settings[0], settings[1]);
}

/// F7, CVE-2025-8671: the peer makes us reset streams.
#[tokio::test]
async fn gt_02_made_to_reset_ends_the_connection() {
    let limits = ConnectionLimits { max_local_error_reset_streams: 32, ..limits() };
    let server = Server::start(app(), limits).await;
    let (mut reader, mut writer) = begin(server.connect().await).await;
    let flooding = tokio::spawn(async move {
        for n in 0..20_000 {
            let mut bytes = frame(HEADERS, END_HEADERS | END_STREAM, stream_id(n), GET);
            bytes.extend(frame(WINDOW_UPDATE, 0, stream_id(n), &0x7fff_ffff_u32.to_be_bytes()));
            if writer.write_all(&bytes).await.is_err() {
                break;
            }
        }
    });
    let frames = reader.rest().await;
    let resets = frames.iter().filter(|frame| frame.kind == RST_STREAM).count();
    assert!(resets <= 40, "{resets} resets");
    assert_too_much(&frames);
    flooding.abort();
    assert!(http1(&server, "/").await.ends_with("fine"));
}

/// GT-09, HT-11: whoever says nothing, or says it too slowly, is let go.
#[tokio::test]
async fn gt_09_dawdlers_are_let_go() {
    let limits = ConnectionLimits { header_read_timeout: SHORT, ..limits() };
    let server = Server::start(app(), limits).await;
    for said in ["", "G", "GET / HTTP/1.1\r\nHost:", "PRI * HTTP/2.0\r\n\r\nSM\r\n"] {
        let mut stream = server.connect().await;
        let began = Instant::now();
        stream.write_all(said.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await;
        assert!(began.elapsed() >= SHORT, "{said:?}: {:?}", began.elapsed());
    }
    // A kept-alive connection may be idle for the same time.
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut stream).await.ends_with("fine"));
}

#[tokio::test]
async fn gt_05_headers_have_a_limit() {
    let server = Server::start(app(), limits()).await;
    let answer = async |length: usize| {
        let mut stream = server.connect().await;
        let value = "x".repeat(length);
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: {value}\r\n\r\n");
        let _ = stream.write_all(head.as_bytes()).await;
        read_to_end(&mut stream).await
    };
    assert!(answer(9_000).await.starts_with("HTTP/1.1 200"));
    let refused = answer(40_000).await;
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 431"), "{refused}");
}

#[tokio::test]
async fn gt_17_connections_over_the_cap_wait_for_room() {
    let limits = ConnectionLimits { max_connections: 1, ..limits() };
    let server = Server::start(app(), limits).await;
    let mut first = server.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    let mut second = server.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    assert!(timeout(SHORT, second.read_exact(&mut byte)).await.is_err(), "there is no room yet");
    drop(first);
    assert!(read_to_end(&mut second).await.ends_with("fine"));
}

/// One address cannot keep everybody else out.
#[tokio::test]
async fn gt_17_connections_over_a_peers_share_are_closed() {
    let limits = ConnectionLimits { max_connections_per_peer: 2, ..limits() };
    let server = Server::start(app(), limits).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        stream.read_exact(&mut [0]).await.unwrap();
        held.push(stream);
    }
    let began = Instant::now();
    let mut third = server.connect().await;
    assert_eq!(read_to_end(&mut third).await, "");
    assert!(began.elapsed() < PATIENCE / 2, "at once");
    // Another address is another peer.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(server.address).await.unwrap();
    other.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut other).await.ends_with("fine"));
    held.pop();
    let again = async { while !http1(&server, "/").await.ends_with("fine") {} };
    timeout(PATIENCE, again).await.expect("there is room again");
}

/// GT-32, GT-15: what happens on one connection is that connection's affair.
#[tokio::test]
async fn gt_15_the_loop_outlives_its_connections() {
    let server = Server::start(app(), limits()).await;
    for _ in 0..50 {
        let stream = server.connect().await;
        stream.set_zero_linger().unwrap();
    }
    assert_eq!(http1(&server, "/panic").await, "");
    let mut garbage = server.connect().await;
    garbage.write_all(&[0x16, 0x03, 0x01, 0xff, 0xff, 0x00]).await.unwrap();
    garbage.shutdown().await.unwrap();
    read_to_end(&mut garbage).await;
    assert!(http1(&server, "/").await.ends_with("fine"));
}

#[tokio::test]
async fn requests_know_their_peer() {
    let peer = async |Extension(peer): Extension<SocketAddr>| peer.to_string();
    let app = Router::new().route("/", get(peer));
    let server = Server::start(app, limits()).await;
    let mut stream = server.connect().await;
    let own = stream.local_addr().unwrap().to_string();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    assert!(read_to_end(&mut stream).await.ends_with(&own));
}

/// A peer that is there but never answers pings is gone.
#[tokio::test]
async fn gt_08_http2_peers_must_answer_pings() {
    let limits =
        ConnectionLimits { keep_alive_interval: SHORT, keep_alive_timeout: SHORT, ..limits() };
    let server = Server::start(app(), limits).await;
    let began = Instant::now();
    let (mut reader, _writer) = begin(server.connect().await).await;
    reader.rest().await;
    assert!(began.elapsed() >= SHORT && began.elapsed() < PATIENCE / 2);
}
