//! Certificates of clients, in the handshake (AD-11), with both versions of
//! TLS. Neither can be renegotiated here.

use std::{fs, sync::Arc};

use axum::{Extension, Router, routing::get};
use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};
use rustls::{
    ALL_VERSIONS, ClientConfig, HandshakeKind,
    version::{TLS12, TLS13},
};
use tempfile::TempDir;
use tokenward::{
    listener::tls::{LiveTls, TlsFiles},
    peers::PeerNames,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Server, limits};
use crate::support::{
    authority::{Authority, client, self_signed},
    tls::{Identity, SelfSigned, shake_hands},
};

const NAMES: &str = "admin.example spiffe://example/admin";

/// A server that tells its callers their names.
struct Setting {
    server: Server,
    own: SelfSigned,
    _folder: TempDir,
}

impl Setting {
    /// With these authorities and revocation lists.
    async fn new(authorities: Option<&str>, lists: Option<&str>) -> Self {
        let (own, folder) = (SelfSigned::new(), tempfile::tempdir().unwrap());
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let files = TlsFiles {
            client_ca: authorities.map(|text| write("ca.pem", text)),
            client_crl: lists.map(|text| write("crl.pem", text)),
            ..own.files()
        };
        let names = async |Extension(names): Extension<PeerNames>| {
            names.iter().collect::<Vec<_>>().join(" ")
        };
        let app = Router::new().route("/", get(names));
        let tls = Arc::new(LiveTls::load(files).unwrap());
        let server = Server::start_with(app, limits(), Some(tls)).await;
        Self { server, own, _folder: folder }
    }

    /// What a caller with this certificate is told; `None` if it is refused.
    async fn told(&self, identity: Option<&Identity>) -> Option<String> {
        let [one, other] = [&TLS12, &TLS13].map(|v| Arc::new(self.own.client(identity, &[v])));
        let told = self.ask(&one).await.map(|(body, _)| body);
        assert_eq!(self.ask(&other).await.map(|(body, _)| body), told);
        told
    }

    /// Asks on a new connection.
    async fn ask(&self, config: &Arc<ClientConfig>) -> Option<(String, HandshakeKind)> {
        let mut stream = shake_hands(config, self.server.connect().await).await.ok()?;
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((body.to_owned(), stream.get_ref().1.handshake_kind()?))
    }

    /// Served, by these names.
    async fn serves(&self, identity: Option<&Identity>, names: &str) {
        assert_eq!(self.told(identity).await.as_deref(), Some(names));
    }

    async fn refuses(&self, identity: &Identity, why: &str) {
        assert_eq!(self.told(Some(identity)).await, None, "{why}");
    }
}

#[tokio::test]
async fn ad_11_only_certificates_of_the_authority_give_names() {
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let setting = Setting::new(Some(&authority.pem()), None).await;
    setting.serves(None, "").await;
    setting.serves(Some(&authority.issue(&client(1))), NAMES).await;
    let mut nameless = client(1);
    nameless.subject_alt_names.clear();
    setting.serves(Some(&authority.issue(&nameless)), "").await;

    setting.refuses(&self_signed(&client(1)), "self-signed").await;
    setting.refuses(&other.issue(&client(1)), "another authority").await;
    setting.refuses(&Authority::new("ours").issue(&client(1)), "one of the same name").await;
    let mut expired = client(1);
    expired.not_after = date_time_ymd(2020, 1, 1);
    setting.refuses(&authority.issue(&expired), "expired").await;
    let mut early = client(1);
    early.not_before = date_time_ymd(4000, 1, 1);
    setting.refuses(&authority.issue(&early), "not valid yet").await;
    let mut for_servers = client(1);
    for_servers.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    setting.refuses(&authority.issue(&for_servers), "not for clients").await;
    let mut stolen = authority.issue(&client(1));
    stolen.key = authority.issue(&client(1)).key;
    setting.refuses(&stolen, "without its key").await;
    setting.serves(None, "").await;
}

#[tokio::test]
async fn ad_11_without_an_authority_nobody_is_asked() {
    let setting = Setting::new(None, None).await;
    setting.serves(Some(&self_signed(&client(1))), "").await;
}

#[tokio::test]
async fn ad_11_the_revoked_are_refused() {
    let authority = Authority::new("ours");
    let ca = authority.pem();
    let (good, revoked) = (authority.issue(&client(1)), authority.issue(&client(2)));
    let setting = Setting::new(Some(&ca), Some(&authority.revocation_list(&[2], 4000))).await;
    setting.serves(Some(&good), NAMES).await;
    setting.refuses(&revoked, "revoked").await;
    setting.serves(None, "").await;

    // A list that cannot say that a certificate still counts.
    let forged = Authority::new("ours").revocation_list(&[], 4000);
    let foreign = Authority::new("theirs").revocation_list(&[], 4000);
    for (list, why) in [
        (authority.revocation_list(&[], 2022), "out of date"),
        (forged, "signed by somebody else"),
        (foreign, "of another authority"),
    ] {
        let setting = Setting::new(Some(&ca), Some(&list)).await;
        setting.refuses(&good, why).await;
        setting.serves(None, "").await;
    }
}

#[tokio::test]
async fn ad_11_each_authority_of_a_chain_has_its_list() {
    let root = Authority::new("root");
    let between = root.intermediate("between");
    let (ca, good) = (root.pem(), between.issue(&client(1)));
    Setting::new(Some(&ca), None).await.serves(Some(&good), NAMES).await;
    let (of_root, of_between) =
        (root.revocation_list(&[], 4000), between.revocation_list(&[2], 4000));
    let both = Setting::new(Some(&ca), Some(&format!("{of_root}{of_between}"))).await;
    both.serves(Some(&good), NAMES).await;
    both.refuses(&between.issue(&client(2)), "revoked").await;
    for one in [of_root, of_between] {
        Setting::new(Some(&ca), Some(&one)).await.refuses(&good, "a list is missing").await;
    }
}

/// A resumed session would be believed without its certificate being looked
/// at again, however long ago it expired.
#[tokio::test]
async fn ad_11_a_certificate_is_verified_each_time() {
    let authority = Authority::new("ours");
    let identity = authority.issue(&client(1));
    for (ca, second) in
        [(Some(authority.pem()), HandshakeKind::Full), (None, HandshakeKind::Resumed)]
    {
        let setting = Setting::new(ca.as_deref(), None).await;
        for versions in [&[&TLS12][..], ALL_VERSIONS] {
            let config = Arc::new(setting.own.client(Some(&identity), versions));
            let (names, first) = setting.ask(&config).await.expect("served");
            let (again, kind) = setting.ask(&config).await.expect("served");
            assert_eq!((first, kind), (HandshakeKind::Full, second), "{versions:?}");
            assert_eq!(names, again);
        }
    }
}
