use std::{
    io,
    sync::{Mutex, PoisonError},
};

use axum::{http::HeaderValue, routing::post};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::ServiceExt as _;

use super::*;
use crate::{
    arrival::TrustedProxies,
    domain::{
        clock::SystemClock,
        entropy::{Entropy, EntropyError},
        error::Fault,
    },
};

const REQUEST_TIMEOUT: Duration = Duration::from_millis(300);
const SECRET: &str = "disk /dev/sda1 is full";

struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        bytes.fill(0);
        Ok(())
    }
}

fn status(status: Status) -> Response {
    status.into_http()
}

async fn panic() -> Response {
    panic!("a defect")
}

/// Services that fail in every way there is.
fn app() -> Router {
    let internal = async || {
        status(
            AuthError::Internal(Fault::caused_by("cannot write", io::Error::other(SECRET))).into(),
        )
    };
    let services = Router::new()
        .route("/t.S/Ok", post(async || "fine"))
        .route("/t.S/Internal", post(internal))
        .route("/t.S/Large", post(async || status(Status::out_of_range("5 bytes, limit 4"))))
        .route("/t.S/Gzip", post(async || status(Status::unimplemented("not `gzip`"))))
        .route("/t.S/Bare", post(async || ([("grpc-status", "12")], "")))
        .route("/t.S/Panic", post(panic))
        .route("/t.S/Never", post(std::future::pending::<Response>));
    let clock = Arc::new(SystemClock::new());
    let arrivals = Arrivals::new(clock, &Zeros, TrustedProxies::default());
    Edge::new(arrivals, REQUEST_TIMEOUT).around(services)
}

fn request(path: &str, headers: &[(&str, &str)]) -> Request {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = path.parse().expect("a path");
    request
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    for (name, value) in headers {
        let name = header::HeaderName::try_from(*name).expect("a name");
        request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a value"));
    }
    request
}

async fn call(path: &str, headers: &[(&str, &str)]) -> Response {
    app().oneshot(request(path, headers)).await.expect("infallible")
}

async fn failed(path: &str, headers: &[(&str, &str)]) -> (Status, ErrorDetails) {
    let response = call(path, headers).await;
    assert_eq!(response.status(), StatusCode::OK);
    let status = Status::from_header_map(response.headers()).expect("a status");
    let details = status.get_error_details();
    let id = response.headers().get(REQUEST_ID).expect("an id").to_str().expect("ASCII");
    assert_eq!(details.request_info().expect("RequestInfo").request_id, id);
    assert_eq!(details.error_info().expect("ErrorInfo").domain, "tokenward");
    (status, details)
}

#[tokio::test]
async fn every_failure_carries_its_details() {
    for (path, code, reason) in [
        ("/t.S/Internal", Code::Internal, "INTERNAL"),
        ("/t.S/Large", Code::InvalidArgument, "MESSAGE_TOO_LARGE"),
        ("/t.S/Gzip", Code::Unimplemented, "UNSUPPORTED_ENCODING"),
        ("/t.S/Bare", Code::Unimplemented, "UNKNOWN_METHOD"),
        ("/t.Other/Method", Code::Unimplemented, "UNKNOWN_METHOD"),
        ("/", Code::Unimplemented, "UNKNOWN_METHOD"),
    ] {
        let (status, details) = failed(path, &[]).await;
        let info = details.error_info().expect("ErrorInfo");
        assert_eq!((status.code(), info.reason.as_str()), (code, reason), "{path}");
        assert_eq!(details.bad_request().is_some(), code == Code::InvalidArgument, "{path}");
        assert!(!status.message().contains(SECRET), "{path}");
    }
}

#[tokio::test]
async fn gt_32_a_panic_is_an_internal_error() {
    let (status, details) = failed("/t.S/Panic", &[]).await;
    assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
    assert_eq!(details.error_info().expect("ErrorInfo").reason, "INTERNAL");
}

#[tokio::test]
async fn gt_13_gt_14_the_shorter_deadline_ends_a_call() {
    for (headers, limit) in [
        (&[][..], REQUEST_TIMEOUT),
        (&[("grpc-timeout", "20m")], Duration::from_millis(20)),
        (&[("grpc-timeout", "1H")], REQUEST_TIMEOUT),
    ] {
        let began = tokio::time::Instant::now();
        let (status, details) = failed("/t.S/Never", headers).await;
        assert_eq!(status.code(), Code::DeadlineExceeded);
        assert_eq!(details.error_info().expect("ErrorInfo").reason, "DEADLINE_EXCEEDED");
        let took = began.elapsed();
        assert!(took >= limit && (took < REQUEST_TIMEOUT) == (limit < REQUEST_TIMEOUT), "{took:?}");
    }
}

#[tokio::test]
async fn gt_27_the_request_id_is_echoed_when_it_is_harmless() {
    let id = async |given: &str| {
        let response = call("/t.S/Ok", &[("x-request-id", given)]).await;
        response.headers().get(REQUEST_ID).expect("an id").clone()
    };
    assert_eq!(id("trace-1").await, "trace-1");
    assert_eq!(id("a b").await, "0000000000000000-1");
}

#[tokio::test]
async fn gt_22_what_is_not_grpc_gets_a_plain_answer() {
    let of = async |change: fn(&mut Request)| {
        let mut request = request("/t.S/Ok", &[]);
        change(&mut request);
        app().oneshot(request).await.expect("infallible").status().as_u16()
    };
    let kind = |request: &mut Request, kind| {
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    };
    assert_eq!(of(|_| ()).await, 200);
    assert_eq!(of(|r| *r.method_mut() = Method::GET).await, 404);
    assert_eq!(of(|r| *r.version_mut() = Version::HTTP_11).await, 505);
    assert_eq!(of(|r| drop(r.headers_mut().remove(header::CONTENT_TYPE))).await, 415);
    for (value, expected) in [
        ("application/grpc+proto", 200),
        ("application/grpc; charset=utf-8", 200),
        ("Application/gRPC", 200),
        ("application/grpc-web", 415),
        ("application/grpc+json", 415),
        ("application/json", 415),
    ] {
        let mut request = request("/t.S/Ok", &[]);
        kind(&mut request, value);
        let status = app().oneshot(request).await.expect("infallible").status();
        assert_eq!(status.as_u16(), expected, "{value}");
    }
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn logged(path: &str) -> Vec<String> {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let headers =
        [("x-request-id", "id-7"), ("authorization", "Bearer canary"), ("user-agent", "canary")];
    call(path, &headers).await;
    drop(guard);
    let bytes = log.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    String::from_utf8(bytes).expect("UTF-8").lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn lo_01_lo_07_a_failed_call_is_one_line_for_the_operator() {
    let lines = logged("/t.S/Internal").await;
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    for part in [
        "ERROR tokenward::grpc",
        "method=\"t.S/Internal\"",
        "code=Internal",
        "reason=\"INTERNAL\"",
        "request_id=\"id-7\"",
        "duration_ms=",
        "internal error: cannot write: disk /dev/sda1 is full",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(!line.contains("canary"), "{line}");
    let lines = logged("/%0a%1b[2J").await;
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(line.contains("INFO") && line.contains("method=\"_OTHER\""), "{line}");
    assert_eq!(logged("/t.S/Ok").await, Vec::<String>::new());
}
