//! gRPC calls made of bytes, so that requests can be what no client sends,
//! and answers are compared as what is on the wire.

use std::{collections::BTreeMap, net::SocketAddr};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use tokio::net::TcpStream;

/// All that came back, but for the date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) headers: BTreeMap<String, Vec<u8>>,
    pub(super) body: Vec<u8>,
    pub(super) trailers: BTreeMap<String, Vec<u8>>,
}

impl Answer {
    /// The gRPC status code.
    pub(super) fn code(&self) -> i32 {
        let status = self.trailers.get("grpc-status").or_else(|| self.headers.get("grpc-status"));
        let status = String::from_utf8(status.expect("a status").clone()).expect("text");
        status.parse().expect("a number")
    }

    /// The message of a unary answer, without its frame.
    pub(super) fn message(&self) -> &[u8] {
        assert_eq!(self.code(), 0, "{self:?}");
        &self.body[5..]
    }

    /// Does this text stand anywhere in the answer?
    pub(super) fn shows(&self, text: &str) -> bool {
        let values = self.headers.values().chain(self.trailers.values()).chain([&self.body]);
        values
            .into_iter()
            .any(|value| value.windows(text.len()).any(|part| part == text.as_bytes()))
    }
}

/// One connection.
#[derive(Clone)]
pub(super) struct Caller {
    send: SendRequest<Bytes>,
    address: SocketAddr,
}

impl Caller {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).await.expect("a connection");
        let (send, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
        tokio::spawn(connection);
        Self { send, address }
    }

    /// Calls a method of `AuthService` with any message bytes.
    pub(super) async fn call(
        &self,
        method: &str,
        message: &[u8],
        headers: &[(&str, &str)],
    ) -> Answer {
        self.send(method, &framed(0, message), headers).await
    }

    /// Calls it with any body.
    pub(super) async fn send(&self, method: &str, body: &[u8], headers: &[(&str, &str)]) -> Answer {
        let uri = format!("http://{}/tokenward.auth.v1.AuthService/{method}", self.address);
        let mut request = Request::post(uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("x-request-id", "attack");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut send = self.send.clone().ready().await.expect("an open connection");
        let request = request.body(()).expect("a request");
        let (response, mut stream) = send.send_request(request, false).expect("sent");
        // A server that has answered already may not want the body.
        let _ = stream.send_data(Bytes::copy_from_slice(body), true);
        let response = response.await.expect("an answer");
        let headers = values(response.headers());
        let (mut incoming, mut body) = (response.into_body(), Vec::new());
        while let Some(chunk) = incoming.data().await {
            let chunk = chunk.expect("data");
            let _ = incoming.flow_control().release_capacity(chunk.len());
            body.extend_from_slice(&chunk);
        }
        let trailers = incoming.trailers().await.expect("trailers").unwrap_or_default();
        Answer { headers, body, trailers: values(&trailers) }
    }
}

/// The frame of a gRPC message.
pub(super) fn framed(compressed: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("short").to_be_bytes();
    [&[compressed][..], &length, message].concat()
}

/// A protobuf field of bytes.
pub(super) fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut out);
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    out.extend_from_slice(bytes);
    out
}

fn values(headers: &HeaderMap) -> BTreeMap<String, Vec<u8>> {
    let named = headers.iter().filter(|(name, _)| *name != "date");
    named.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}
