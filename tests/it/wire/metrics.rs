//! `GET /metrics`, as a collector meets it.

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tokenward::{
    config::{Settings, Span},
    domain::{id::UserId, revocation::ENTRY_MARGIN},
    grpc::pb::auth::{LoginRequest, RefreshRequest},
    service::{Administrator, revoke::RevokeTarget},
};
use tokio::time::timeout;

use super::{
    calls::{about, login, login_request, register},
    http::ask,
    raw::send,
    serve, usual,
};
use crate::support::{
    served::Served,
    world::{Engine, World},
};

const METRICS: &str = "/metrics";

async fn measured(served: &Served) -> String {
    ask(served, "GET", METRICS, "").await.body
}

/// The names and labels of all series, without their values.
fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').expect("a value").0.to_owned()).collect()
}

#[tokio::test]
async fn metrics_are_openmetrics_text() {
    let served = serve(Engine::Sqlite).await.unwrap();
    let mut client = served.client().await;
    register(&mut client).await;
    login(&mut client).await;
    // A worker counts its work once it is done, which may be after the answer.
    let counted = async {
        let done = "\ntokenward_hashing_work_seconds_count 2\n";
        while !measured(&served).await.contains(done) {}
    };
    timeout(Duration::from_mins(1), counted).await.expect("counted");
    let answer = ask(&served, "GET", METRICS, "").await;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert!(answer.body.ends_with("# EOF\n"), "{}", answer.body);
    for line in [
        concat!("tokenward_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "tokenward_hashing_queue_depth 0",
        "tokenward_hashing_work_seconds_count 2",
        "tokenward_hashing_wait_seconds_count 2",
        "tokenward_signing_shed_total{reason=\"max_wait\"} 0",
        "tokenward_hashing_memory_highest_bytes 7340032",
        "tokenward_hashing_memory_budget_bytes 335544320",
        "tokenward_revocation_seq 0",
        "tokenward_revocation_entries 0",
    ] {
        assert!(answer.body.lines().any(|l| l == line), "{line} is not in {}", answer.body);
    }
    let head = ask(&served, "HEAD", METRICS, "").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let post = ask(&served, "POST", METRICS, "").await;
    assert_eq!((post.status, post.header("allow")), (405, Some("GET,HEAD")));
}

#[tokio::test]
async fn metrics_can_be_switched_off() {
    let without = |settings: &mut Settings| {
        usual(settings);
        settings.http.metrics = false;
    };
    let served = World::with(Engine::Sqlite, without).await.unwrap().serve().await;
    assert_eq!(ask(&served, "GET", METRICS, "").await.status, 404);
}

/// What kills nothing any more leaves the memory and, but for the newest entry,
/// the table: the log does not grow with its history.
#[tokio::test]
async fn dead_entries_leave_memory_and_table() {
    let often = |settings: &mut Settings| {
        usual(settings);
        settings.sweep.interval = Span(Duration::from_secs(1));
    };
    let served = World::with(Engine::Sqlite, often).await.unwrap().serve().await;
    let held = async || {
        let text = measured(&served).await;
        let entries = text.lines().find_map(|l| l.strip_prefix("tokenward_revocation_entries "));
        entries.expect("a series").parse::<u64>().expect("a number")
    };
    let operator = Administrator::command_line();
    let alice = UserId::parse(&register(&mut served.client().await).await).unwrap();
    for target in [RevokeTarget::User(alice), RevokeTarget::All] {
        served.auth.revoke(target, &operator).await.unwrap().expect("revoked");
    }
    assert_eq!((held().await, served.store.log_after(0, 9).await.unwrap().len()), (2, 2));
    let lifetime = Duration::from_mins(15) + ENTRY_MARGIN;
    served.advance(lifetime).await;
    let gone = async {
        while held().await > 0 || served.store.log_after(0, 9).await.unwrap().len() > 1 {}
    };
    timeout(Duration::from_mins(1), gone).await.expect("gone");
    served.stop().await;
}

/// LO-09, HT-16: whatever callers send, no series comes or goes, and nothing of it
/// shows.
#[tokio::test]
async fn lo_09_callers_make_no_series() {
    const MARK: &str = "planted";
    let served = serve(Engine::Sqlite).await.unwrap();
    let before = series(&measured(&served).await);
    let (mut client, channel) = (served.client().await, served.channel().await);
    for number in 0..50 {
        let text = format!("{MARK}{number}");
        let identifier = format!("{text}@example.org");
        let request = LoginRequest { identifier, client_id: String::new(), ..login_request(&text) };
        let _ = client.login(request).await;
        let header = format!(r#"{{"alg":"RS256","typ":"at+jwt","kid":"{text}"}}"#);
        let token = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header));
        let _ = client.verify(about(&token)).await;
        let refresh = RefreshRequest { refresh_token: token, client_id: text.clone() };
        let _ = client.refresh(refresh).await;
        let _ = send(&channel, &format!("/{text}.Service/{text}"), Vec::new()).await;
        for method in ["GET", &text.to_uppercase()] {
            ask(&served, method, &format!("/{text}?{text}"), &format!("{text}: {text}\r\n")).await;
        }
    }
    let after = measured(&served).await;
    assert_eq!(series(&after), before);
    assert!(!after.to_lowercase().contains(MARK), "{after}");
}
