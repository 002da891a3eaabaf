//! Requests that two readers may cut into pieces differently (CWE-444). A
//! proxy before us may be the other one: what is ambiguous must be refused,
//! and the connection ended, so that nothing of it is taken for a next request.

use axum::{Router, routing::post};
use tokio::io::AsyncWriteExt as _;

use super::{Server, limits, read_to_end};

/// Every request that is understood shows in the answer.
fn app() -> Router {
    Router::new().route("/", post(async |body: String| format!("<{body}>")))
}

/// All answers to these bytes, up to the end of the connection.
async fn answers(server: &Server, head: &str, body: &str) -> String {
    let mut stream = server.connect().await;
    let request = format!("POST / HTTP/1.1\r\nHost: a\r\n{head}\r\n\r\n{body}");
    let _ = stream.write_all(request.as_bytes()).await;
    read_to_end(&mut stream).await
}

/// A second request, for whoever finds the end of the first one too early.
const HIDDEN: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nhidden";

#[tokio::test]
async fn ht_12_ambiguous_requests_are_refused() {
    let server = Server::start(app(), limits()).await;
    let overflow = "10000000000000000";
    for (head, body) in [
        ("Content-Length: 0\r\nContent-Length: 5", "hello"),
        ("Content-Length: 5\r\nContent-Length: 0", "hello"),
        ("Content-Length: 5, 0", "hello"),
        ("Content-Length: +5", "hello"),
        ("Content-Length: -5", "hello"),
        ("Content-Length: 0x5", "hello"),
        ("Content-Length: 5a", "hello"),
        ("Content-Length: 1 0", "hello"),
        ("Content-Length:", "hello"),
        ("Content-Length: 18446744073709551616", "hello"),
        ("Content-Length : 5", "hello"),
        ("X: y\r\n Content-Length: 5", "hello"),
        ("Transfer-Encoding: chunked, identity", "0\r\n\r\n"),
        ("Transfer-Encoding: xchunked", "0\r\n\r\n"),
        ("Transfer-Encoding: identity", "hello"),
        ("Transfer-Encoding : chunked", "0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "+5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "-5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "5\nhello\n0\n\n"),
        ("Transfer-Encoding: chunked", "5\r\nhelloX0\r\n\r\n"),
        ("Transfer-Encoding: chunked", &format!("{overflow}\r\nhello\r\n0\r\n\r\n")),
    ] {
        let told = answers(&server, head, &format!("{body}{HIDDEN}")).await;
        assert!(!told.contains("<hidden>"), "{head:?} {body:?}: {told}");
        assert!(!told.contains(" 200 "), "{head:?} {body:?}: {told}");
    }
}

/// Whoever says both, the one in pieces counts, and nothing is read after it
/// (RFC 9112 section 6.1).
#[tokio::test]
async fn ht_12_of_two_lengths_the_pieces_count_and_the_connection_ends() {
    let server = Server::start(app(), limits()).await;
    for head in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\nConnection: keep-alive",
    ] {
        let told = answers(&server, head, &format!("5\r\nhello\r\n0\r\n\r\n{HIDDEN}")).await;
        assert!(told.ends_with("<hello>"), "{head:?}: {told}");
    }
}

#[tokio::test]
async fn ht_11_requests_that_come_together_are_answered_in_their_order() {
    let server = Server::start(app(), limits()).await;
    let last = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlast";
    let told = answers(&server, "Content-Length: 5", &format!("first{HIDDEN}{last}")).await;
    let order = ["<first>", "<hidden>", "<last>"].map(|body| told.find(body).expect(body));
    assert!(order.is_sorted(), "{told}");
    let pieces = "5;name=value\r\nhello\r\n0\r\n\r\n";
    let told = answers(&server, "Transfer-Encoding: chunked", &format!("{pieces}{last}")).await;
    assert!(told.contains("<hello>") && told.ends_with("<last>"), "{told}");
}

/// Ten thousand headers are too many, however short.
#[tokio::test]
async fn ht_11_headers_are_counted() {
    let server = Server::start(app(), limits()).await;
    let many = vec!["X: y"; 10_000].join("\r\n");
    let told = answers(&server, &many, "").await;
    assert!(told.is_empty() || told.starts_with("HTTP/1.1 431"), "{told}");
}
