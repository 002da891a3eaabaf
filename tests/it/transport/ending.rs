//! How connections end when it is we who end them.

use std::sync::Arc;

use axum::{Router, routing::get};
use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokenward::listener::ConnectionLimits;
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    sync::Semaphore,
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::{PATIENCE, SHORT, Server, http1, limits, read_to_end};

/// A call that begins, says so, and ends when it may.
#[derive(Clone)]
struct Slow {
    begun: Arc<Semaphore>,
    may_end: Arc<Semaphore>,
}

impl Slow {
    fn new() -> Self {
        Self { begun: Arc::new(Semaphore::new(0)), may_end: Arc::new(Semaphore::new(0)) }
    }

    fn app(&self) -> Router {
        let slow = self.clone();
        let wait = async move || {
            slow.begun.add_permits(1);
            slow.may_end.acquire().await.unwrap().forget();
            "finished"
        };
        Router::new().route("/", get(async || "fine")).route("/slow", get(wait))
    }

    async fn begun(&self) {
        timeout(PATIENCE, self.begun.acquire()).await.expect("begins").unwrap().forget();
    }

    fn may_end(&self) {
        self.may_end.add_permits(1);
    }
}

struct Http2 {
    send: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Http2 {
    async fn connect(server: &Server) -> Self {
        let (send, connection) = h2::client::handshake(server.connect().await).await.unwrap();
        Self { send, connection: tokio::spawn(connection) }
    }

    /// Sends a request and gives the answer's body, or what went wrong.
    async fn get(&mut self, path: &str) -> Result<String, h2::Error> {
        let request = Request::get(format!("http://a{path}")).body(()).unwrap();
        let (response, _) = self.send.clone().ready().await?.send_request(request, true)?;
        let mut body = response.await?.into_body();
        let mut text = String::new();
        while let Some(chunk) = body.data().await {
            text.push_str(&String::from_utf8_lossy(&chunk?));
        }
        Ok(text)
    }
}

#[tokio::test]
async fn gt_19_a_drain_waits_for_calls_in_flight_and_refuses_new_ones() {
    let slow = Slow::new();
    let server = Server::start(slow.app(), limits()).await;
    let mut client = Http2::connect(&server).await;
    let call = tokio::spawn(async move { (client.get("/slow").await, client.connection) });
    let mut over_http1 = server.connect().await;
    over_http1.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    slow.begun().await;
    slow.begun().await;
    server.shutdown.cancel();
    // Only the end of the loop closes the socket; connecting again and again
    // ends as soon as it has.
    let refused = async { while TcpStream::connect(server.address).await.is_ok() {} };
    timeout(PATIENCE, refused).await.expect("new connections are refused");
    assert!(!server.task.is_finished());
    slow.may_end();
    slow.may_end();
    let (answer, connection) = call.await.unwrap();
    assert_eq!(answer.unwrap(), "finished");
    assert!(read_to_end(&mut over_http1).await.ends_with("finished"));
    connection.await.unwrap().expect("GOAWAY without an error");
    server.ended().await;
}

#[tokio::test]
async fn gt_19_idle_connections_do_not_hold_up_a_drain() {
    let server = Server::start(Slow::new().app(), limits()).await;
    let mut http2 = Http2::connect(&server).await;
    assert_eq!(http2.get("/").await.unwrap(), "fine");
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let silent = server.connect().await;
    assert!(http1(&server, "/").await.ends_with("fine"));
    let began = Instant::now();
    server.shutdown.cancel();
    server.ended().await;
    assert!(began.elapsed() < limits().drain_deadline);
    http2.connection.await.unwrap().expect("GOAWAY without an error");
    drop(silent);
}

#[tokio::test]
async fn gt_19_the_drain_deadline_cuts_what_is_left() {
    let slow = Slow::new();
    let limits = ConnectionLimits { drain_deadline: SHORT, ..limits() };
    let server = Server::start(slow.app(), limits).await;
    let mut client = Http2::connect(&server).await;
    let call = tokio::spawn(async move { client.get("/slow").await });
    let mut over_http1 = server.connect().await;
    over_http1.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    slow.begun().await;
    slow.begun().await;
    let began = Instant::now();
    server.shutdown.cancel();
    server.ended().await;
    assert!(began.elapsed() >= SHORT);
    assert!(call.await.unwrap().is_err());
    assert_eq!(read_to_end(&mut over_http1).await, "");
}

#[tokio::test]
async fn gt_18_an_old_connection_is_told_to_go_and_its_calls_finish() {
    let slow = Slow::new();
    let limits = ConnectionLimits { max_age: SHORT, ..limits() };
    let server = Server::start(slow.app(), limits).await;
    let mut client = Http2::connect(&server).await;
    let mut second = client.send.clone();
    let call = tokio::spawn(async move { (client.get("/slow").await, client.connection) });
    slow.begun().await;
    // After GOAWAY the client's handle takes no more requests.
    let told_to_go = async {
        loop {
            match second.clone().ready().await {
                Ok(ready) => second = ready,
                Err(_) => break,
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, told_to_go).await.expect("GOAWAY");
    slow.may_end();
    let (answer, connection) = call.await.unwrap();
    assert_eq!(answer.unwrap(), "finished");
    connection.await.unwrap().expect("GOAWAY without an error");
    assert!(http1(&server, "/").await.ends_with("fine"), "others are welcome");
}

#[tokio::test]
async fn gt_18_an_old_connection_has_its_grace_and_no_more() {
    let slow = Slow::new();
    let limits = ConnectionLimits { max_age: SHORT, age_grace: SHORT, ..limits() };
    let server = Server::start(slow.app(), limits).await;
    let mut client = Http2::connect(&server).await;
    let began = Instant::now();
    let answer = timeout(PATIENCE, client.get("/slow")).await.expect("an end");
    assert!(answer.is_err());
    // A tenth may be taken off the age.
    assert!(began.elapsed() >= SHORT + SHORT / 10 * 9, "{:?}", began.elapsed());
}
