//! TLS as an operator sets it: by two files, for all listeners.

use std::{fs, sync::Arc};

use http::Uri;
use hyper_util::rt::TokioIo;
use rustix::process::Signal;
use rustls::ALL_VERSIONS;
use tokenward::grpc::pb::admin::{ListKeysRequest, key_service_client::KeyServiceClient};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::{Code, transport::Endpoint};

use crate::support::{
    authority::{Authority, client, self_signed},
    command::{Finished, PATIENCE},
    program::Program,
    tls::{Identity, SelfSigned, shake_hands},
};

const REQUEST: &[u8] =
    b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

const METRICS: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn all_listeners_speak_tls_and_nothing_else() {
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
    assert!(answer.contains("strict-transport-security: max-age=31536000\r\n"), "HT-18: {answer}");

    let mut plain = TcpStream::connect(server.http).await.expect("the server accepts");
    plain.write_all(REQUEST).await.expect("sent");
    let mut answer = Vec::new();
    // A reset is a refusal too.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "not in clear: {answer:?}");
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn ad_11_configured_authorities_vouch_for_clients() {
    let (own, authority) = (SelfSigned::new(), Authority::new("ours"));
    let folder = tempfile::tempdir().expect("a folder");
    let mut program = Program::new().with_cheap_hashes().with_keys();
    for (name, text) in [
        ("tls.client_ca", authority.pem()),
        ("tls.client_crl", authority.revocation_list(&[2], 4000)),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("a file");
        program = program.set(name, path.to_str().expect("UTF-8"));
    }
    for (name, path) in [("tls.certificate", own.certificate()), ("tls.key", own.key())] {
        program = program.set(name, path.to_str().expect("UTF-8"));
    }
    let server = program.start();
    let is_served = async |identity: Option<&Identity>| {
        let config = Arc::new(own.client(identity, ALL_VERSIONS));
        let plain = TcpStream::connect(server.http).await.expect("the server accepts");
        let mut answer = String::new();
        if let Ok(mut stream) = shake_hands(&config, plain).await {
            // Refusals come while it writes or reads.
            let _ = stream.write_all(REQUEST).await;
            let _ = stream.read_to_string(&mut answer).await;
        }
        answer.starts_with("HTTP/1.1 200 OK\r\n")
    };
    assert!(is_served(None).await);
    assert!(is_served(Some(&authority.issue(&client(1)))).await);
    assert!(!is_served(Some(&authority.issue(&client(2)))).await, "revoked");
    assert!(!is_served(Some(&self_signed(&client(1)))).await, "nobody vouches for it");
    server.stop();
}

/// AD-11 where it counts: who has a name that the configuration knows may
/// administer, without any token; another name is no name.
#[tokio::test(flavor = "multi_thread")]
async fn ad_11_certificates_administer_by_their_names() {
    let (own, authority) = (SelfSigned::new(), Authority::new("ours"));
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, authority.pem()).expect("a file");
    let program = Program::new()
        .with_cheap_hashes()
        .config("[admin]\ncertificates = [\"spiffe://example/admin\"]\n")
        .set("tls.client_ca", ca.to_str().expect("UTF-8"))
        .set("tls.certificate", own.certificate().to_str().expect("UTF-8"))
        .set("tls.key", own.key().to_str().expect("UTF-8"))
        .with_keys();
    let server = program.start();
    let list = async |identity: Option<&Identity>| {
        let mut config = own.client(identity, ALL_VERSIONS);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let (config, address) = (Arc::new(config), server.grpc);
        let connect = tower::service_fn(move |_: Uri| {
            let config = Arc::clone(&config);
            async move {
                let plain = TcpStream::connect(address).await?;
                shake_hands(&config, plain).await.map(TokioIo::new)
            }
        });
        let endpoint = Endpoint::from_static("http://localhost");
        let channel = endpoint.connect_with_connector(connect).await.map_err(|_| None)?;
        let answer = KeyServiceClient::new(channel).list_keys(ListKeysRequest {}).await;
        answer.map(|keys| keys.into_inner().keys.len()).map_err(|status| Some(status.code()))
    };
    assert_eq!(list(Some(&authority.issue(&client(1)))).await, Ok(2));
    let mut other = client(2);
    other.subject_alt_names.truncate(1);
    assert_eq!(list(Some(&authority.issue(&other))).await, Err(Some(Code::Unauthenticated)));
    assert_eq!(list(None).await, Err(Some(Code::Unauthenticated)));
    assert!(list(Some(&self_signed(&client(3)))).await.is_err(), "nobody vouches for it");
    let stranger = Authority::new("theirs").issue(&client(4));
    assert!(list(Some(&stranger)).await.is_err(), "somebody else does");
    server.stop();
}

/// Who connects is shown the renewed certificate; who is connected stays; and
/// what cannot be used changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn renewed_certificates_are_shown_and_bad_ones_change_nothing() {
    let (own, next) = (SelfSigned::new(), SelfSigned::new());
    let program = Program::new()
        .with_cheap_hashes()
        .set("tls.certificate", own.certificate().to_str().expect("UTF-8"))
        .set("tls.key", own.key().to_str().expect("UTF-8"))
        // Only SIGHUP causes a look.
        .set("tls.poll_interval", "1h")
        .with_keys();
    let server = program.start();
    let connect = async || TcpStream::connect(server.http).await.expect("the server accepts");
    let mut old = own.connect(connect().await, &["http/1.1"]).await;
    for (from, to) in [(next.certificate(), own.certificate()), (next.key(), own.key())] {
        let new = to.with_extension("new");
        fs::copy(from, &new).expect("copied");
        fs::rename(new, to).expect("renamed");
    }
    server.signal(Signal::HUP);
    let trusts_next = Arc::new(next.client(None, ALL_VERSIONS));
    let renewed = async {
        while shake_hands(&trusts_next, connect().await).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, renewed).await.expect("the new one is shown");
    old.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    let mut answer = [0; 15];
    old.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200 OK");

    fs::write(own.key(), "no key").expect("written");
    server.signal(Signal::HUP);
    let refused = async {
        while !server.log().contains("the TLS files cannot be reloaded") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("said");
    let mut stream = next.connect(connect().await, &["http/1.1"]).await;
    stream.write_all(METRICS).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("UTF-8");
    assert!(answer.contains("\ntokenward_tls_reload_faulty 1\n"), "{answer}");
    server.stop();
}
