//! Tokens are judged as the server judges them.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokenward::{
    client::{Credentials, InactiveReason, Options, Requirements, TokenSource, Verifier},
    config::{Settings, VerifyCallers},
    domain::{
        error::{AuthError, Fault},
        revocation::Reason,
    },
    service::{
        Administrator, Caller,
        client_auth::{ClientCredentials, ClientProof},
        client_profile::ClientProfileRequest,
        client_token::ClientTokenRequest,
        clients::CreateClientRequest,
        revoke::RevokeTarget,
        verify::Question,
    },
};
use tonic::{
    async_trait,
    transport::{Certificate, ClientTlsConfig, Endpoint, Identity},
};

use super::{access, any, endpoint, options, ready, revoke, until, usual, verifier, world};
use crate::{
    on_both_engines,
    support::{
        authority::{Authority, client},
        served::{PATIENCE, Served},
        tls::SelfSigned,
        world::{Engine, World},
    },
};

on_both_engines!(p1_a_revoked_token_is_dead_once_its_number_is_known, every_reason_is_the_servers);

async fn p1_a_revoked_token_is_dead_once_its_number_is_known(engine: Engine) {
    let Some(world) = world(engine).await else { return };
    world.user("alice").await;
    let (one, other) = (world.login("alice").await, world.login("alice").await);
    let served = world.serve().await;
    let verifier = verifier(&served);
    ready(&verifier).await;
    for login in [&one, &other] {
        assert_eq!(verifier.verify(access(login), &any()).unwrap().reason, None);
    }

    let seq = revoke(&served, &one).await;
    verifier.caught_up(seq, PATIENCE).await.expect("told");
    let verdict = verifier.verify(access(&one), &any()).unwrap();
    match verdict.reason {
        Some(InactiveReason::Revoked(killed)) => assert_eq!(killed.reason, Reason::Logout),
        other => panic!("{other:?}"),
    }
    assert!(verdict.revocation_seq >= seq && verifier.revocation_seq() >= Some(seq));
    assert_eq!(verifier.verify(access(&other), &any()).unwrap().reason, None);

    let never = verifier.caught_up(seq + 1, Duration::from_millis(1)).await;
    assert!(matches!(never, Err(AuthError::DeadlineExceeded)), "nothing more was revoked");
    served.stop().await;
}

/// What a refresh token is, only the server knows: nobody else has the key.
fn as_told_without_refresh_keys(reason: Option<InactiveReason>) -> Option<InactiveReason> {
    match reason {
        Some(InactiveReason::WrongType) => Some(InactiveReason::Invalid),
        reason => reason,
    }
}

/// Both are asked the same; gives their common reason.
async fn both(
    served: &Served,
    verifier: &Verifier,
    token: &str,
    requirements: Requirements,
) -> Option<InactiveReason> {
    let local = verifier.check(token, &requirements).await.expect("a local verdict");
    let question = Question { token: token.to_owned(), requirements, ..Question::default() };
    let servers = served.auth.verify(&question).await.expect("the server's verdict");
    assert_eq!(local.reason, as_told_without_refresh_keys(servers.reason));
    let text = |claims: Option<tokenward::client::TokenClaims>| claims.map(|claims| claims.json);
    assert_eq!(text(local.claims), text(servers.claims));
    local.reason
}

async fn every_reason_is_the_servers(engine: Engine) {
    let Some(world) = world(engine).await else { return };
    world.user("alice").await;
    let bob = world.user("bob").await;
    let (good, out) = (world.login("alice").await, world.login("alice").await);
    let theirs = world.login("bob").await;
    let served = world.serve().await;
    let secret = worker(&served).await;
    let machine = machine_token(&served, secret).await;
    let verifier = verifier(&served);
    ready(&verifier).await;
    revoke(&served, &out).await;
    let operator = Administrator::command_line();
    let seq = served.auth.revoke(RevokeTarget::User(bob), &operator).await.expect("revoked");
    let seq = seq.expect("there was something to revoke");
    verifier.caught_up(seq, PATIENCE).await.expect("told");

    let ask = async |token: &str, needed| both(&served, &verifier, token, needed).await;
    let words = |text: &str| vec![text.to_owned()];
    let audience = |name: &str| Requirements { audience: name.to_owned(), ..any() };
    let all = Requirements { scopes: words("read"), roles: words("reader"), ..audience("api") };
    assert_eq!(ask(access(&good), all).await, None);
    assert_eq!(ask(&machine, audience("api")).await, None);
    assert_eq!(ask(access(&good), audience("billing")).await, Some(InactiveReason::WrongAudience));
    let write = Requirements { scopes: words("write"), ..any() };
    assert_eq!(ask(access(&good), write).await, Some(InactiveReason::MissingScope));
    let admin = || Requirements { roles: words("admin"), ..any() };
    assert_eq!(ask(access(&good), admin()).await, Some(InactiveReason::MissingRole));
    assert_eq!(ask(&machine, admin()).await, Some(InactiveReason::MissingRole));
    for dead in [&out, &theirs] {
        let reason = ask(access(dead), any()).await;
        assert!(matches!(reason, Some(InactiveReason::Revoked(_))), "{reason:?}");
    }
    let refresh = good.tokens.refresh_token.as_ref().unwrap().expose_secret();
    assert_eq!(ask(refresh, any()).await, Some(InactiveReason::Invalid));

    revoke_key(&served, access(&good)).await;
    until(&verifier, access(&good), |verdict| verdict.reason.is_some()).await;
    served.advance(Duration::from_secs(1)).await;
    assert_eq!(ask(access(&good), any()).await, Some(InactiveReason::KeyRevoked));
    served.advance(Duration::from_mins(15)).await;
    ready(&verifier).await;
    assert_eq!(ask(access(&good), any()).await, Some(InactiveReason::Expired));
    served.stop().await;
}

/// As an operator does whose key was stolen.
async fn revoke_key(served: &Served, token: &str) {
    let kid = tokenward::domain::token::CompactToken::parse(token).unwrap().kid;
    served
        .raw(&format!(
            "INSERT INTO revocations SELECT seq + 1, '018f3a5e-7c1b-4d2e-8f3a-1b2c3d4e5f60', 'key', \
             '{kid}', NULL, NULL, 1, 'OPERATOR', 'operator' FROM revocation_head; \
             UPDATE revocation_head SET seq = seq + 1"
        ))
        .await;
}

async fn worker(served: &Served) -> String {
    let profile = ClientProfileRequest {
        audiences: vec!["api".to_owned()],
        ..ClientProfileRequest::default()
    };
    let new = CreateClientRequest { id: "worker".to_owned(), profile, with_secret: true };
    let made = served.auth.create_client(new, &Administrator::command_line()).await;
    made.expect("a new client").secret.expect("a secret").expose().to_owned()
}

async fn machine_token(served: &Served, secret: String) -> String {
    let credentials = ClientCredentials {
        client_id: "worker".to_owned(),
        proof: Some(ClientProof::Secret(secret.into())),
    };
    let request = ClientTokenRequest { credentials, audience: Vec::new(), scope: String::new() };
    let issued = served.auth.issue_client_token(request, &Caller::default()).await;
    issued.expect("a token").access_token.expose_secret().to_owned()
}

struct Fixed(String);

#[async_trait]
impl TokenSource for Fixed {
    async fn token(&self) -> Result<secrecy::SecretString, Fault> {
        Ok(self.0.clone().into())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_only_known_callers_may_watch_the_verifier_is_one() {
    let known = |settings: &mut Settings| {
        usual(settings);
        settings.verify.callers = VerifyCallers::Known;
    };
    let world = World::with(Engine::Sqlite, known).await.unwrap();
    let served = world.serve().await;
    let secret = worker(&served).await;
    let token = machine_token(&served, secret.clone()).await;
    let nobody = verifier(&served);
    for credentials in [
        Credentials::Client { id: "worker".to_owned(), secret: secret.into() },
        Credentials::Source(std::sync::Arc::new(Fixed(token))),
    ] {
        let options = Options { credentials, ..options(served.clock.clone()) };
        ready(&Verifier::new(endpoint(served.grpc), options)).await;
    }
    assert!(!nobody.is_ready(), "it began before the others");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_the_endpoints() {
    let (own, authority) = (SelfSigned::new(), Authority::new("ours"));
    let named = |settings: &mut Settings| {
        usual(settings);
        let ca = settings.data_dir.join("ca.pem");
        std::fs::write(&ca, authority.pem()).expect("a file");
        settings.tls.certificate = Some(own.certificate());
        settings.tls.key = Some(own.key());
        settings.tls.client_ca = Some(ca);
        settings.verify.callers = VerifyCallers::Known;
        settings.verify.certificates = vec!["admin.example".to_owned()];
    };
    let served = World::with(Engine::Sqlite, named).await.unwrap().serve().await;
    let trusted = std::fs::read(own.certificate()).expect("a certificate");
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(trusted));
    let (chain, key) = authority.issue(&client(1)).pem();
    let with_certificate = tls.clone().identity(Identity::from_pem(chain, key));
    let verifier = |tls: ClientTlsConfig| {
        let url = format!("https://{}", served.grpc);
        let endpoint = Endpoint::from_shared(url).unwrap().tls_config(tls).unwrap();
        Verifier::new(endpoint, options(served.clock.clone()))
    };
    let nobody = verifier(tls);
    ready(&verifier(with_certificate)).await;
    assert!(!nobody.is_ready(), "it began before the other");
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verifier_that_is_dropped_stops_watching() {
    let narrow = |settings: &mut Settings| {
        usual(settings);
        settings.revocation.watchers_max_per_peer = 1;
    };
    let served = World::with(Engine::Sqlite, narrow).await.unwrap().serve().await;
    let first = verifier(&served);
    ready(&first).await;
    let copy = first.clone();
    drop(first);
    assert!(copy.is_ready(), "a clone goes on");
    drop(copy);
    ready(&verifier(&served)).await;
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requirements_have_bounds() {
    let world = world(Engine::Sqlite).await.unwrap();
    let served = world.serve().await;
    let verifier = verifier(&served);
    let many = Requirements { scopes: vec!["a".to_owned(); 65], ..any() };
    let refused = verifier.verify("x", &many).expect_err("too many");
    assert_eq!(refused.reason(), "INVALID_ARGUMENT");
    assert!(verifier.http_layer(many.clone()).is_err() && verifier.grpc_layer(many).is_err());
    served.stop().await;
}
