//! TLS as an operator sets it: by two files, for both listeners.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{command::Finished, program::Program, tls::SelfSigned};

const REQUEST: &[u8] =
    b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn both_listeners_speak_tls_and_nothing_else() {
    let own = SelfSigned::new();
    let (certificate, key) = (own.certificate(), own.key());
    let certificate = certificate.to_str().expect("UTF-8");
    let program = Program::new()
        .with_cheap_hashes()
        .set("tls.certificate", certificate)
        .set("tls.key", key.to_str().expect("UTF-8"))
        .with_keys();
    let server = program.start();

    let url = format!("https://{}", server.grpc);
    let health = |address: &str, ca: &[&str]| -> Finished {
        program.run(&[&["healthcheck", "--addr", address], ca].concat())
    };
    // Ready or not yet, it is an answer of gRPC over TLS.
    let said = health(&url, &["--tls-ca", certificate]);
    assert!(["SERVING\n", "NOT_SERVING\n"].contains(&said.stdout.as_str()), "{said:?}");
    assert_eq!(health(&url, &[]).code, 1, "nobody vouches for the certificate");
    assert_eq!(health(&server.grpc.to_string(), &[]).code, 1, "not in clear");

    let plain = TcpStream::connect(server.http).await.expect("the server accepts");
    let mut stream = own.connect(plain, &["http/1.1"]).await;
    stream.write_all(REQUEST).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("UTF-8");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\"kty\":\"RSA\""));

    let mut plain = TcpStream::connect(server.http).await.expect("the server accepts");
    plain.write_all(REQUEST).await.expect("sent");
    let mut answer = Vec::new();
    // A reset is a refusal too.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "not in clear: {answer:?}");
    server.stop();
}
