//! The audit log, as administrators read and follow it.

use prost::Message as _;
use tokenward::grpc::pb::{
    admin::{
        ListAuditEventsRequest, WatchAuditEventsRequest, audit_service_client::AuditServiceClient,
    },
    auth::LoginRequest,
};
use tonic::{Code, transport::Channel};

use super::{
    administrators::{administrator, login, user},
    calls::with_token,
    serve,
    told::{fields, is, reason},
};
use crate::{
    on_both_engines,
    support::world::{Engine, PASSWORD},
};

on_both_engines!(
    lo_10_s2_6_who_what_when_from_where_and_how_it_ended,
    events_are_followed_in_their_order,
);

async fn client(served: &crate::support::served::Served) -> AuditServiceClient<Channel> {
    AuditServiceClient::new(served.channel().await)
}

async fn lo_10_s2_6_who_what_when_from_where_and_how_it_ended(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let root = administrator(&served).await;
    let alice = user(&served, "alice", &[]).await;
    login(&served, "alice").await;
    let mut wrong = tonic::Request::new(LoginRequest {
        identifier: "alice".to_owned(),
        password: "hunter2-is-wrong".to_owned(),
        ..LoginRequest::default()
    });
    wrong.metadata_mut().insert("x-request-id", "call-7".parse().unwrap());
    served.client().await.login(wrong).await.map(drop).expect_err("wrong");
    let unknown = LoginRequest {
        identifier: "my secret typed here".to_owned(),
        password: PASSWORD.to_owned(),
        ..LoginRequest::default()
    };
    served.client().await.login(unknown).await.map(drop).expect_err("unknown");

    let mut audit = client(&served).await;
    let list = |filter: &str| {
        let filter = filter.to_owned();
        with_token(ListAuditEventsRequest { filter, ..Default::default() }, &root)
    };
    let all = audit.list_audit_events(list("")).await.unwrap().into_inner().audit_events;
    let told: Vec<_> =
        all.iter().map(|e| format!("{} {} {}", e.action, e.outcome, e.reason)).collect();
    let expected = [
        "LOGIN REFUSED UNKNOWN_IDENTIFIER",
        "LOGIN REFUSED WRONG_PASSWORD",
        "LOGIN SUCCEEDED ",
        "CREATE_USER SUCCEEDED ",
        "LOGIN SUCCEEDED ",
        "CREATE_USER SUCCEEDED ",
    ];
    assert_eq!(told, expected);
    let failed = &all[1];
    assert_eq!((failed.request_id.as_str(), failed.source.as_str()), ("call-7", "127.0.0.1"));
    assert_eq!((failed.actor.as_str(), &failed.user), ("anonymous", &format!("users/{alice}")));
    assert!(failed.event_time.is_some() && failed.digest.len() == 64);
    // LO-05: people type passwords into the wrong field.
    let typed = |text: &str| {
        all.iter().any(|event| String::from_utf8_lossy(&event.encode_to_vec()).contains(text))
    };
    assert!(!typed("hunter2") && !typed("typed here"), "nothing that was typed");

    let filter = format!("user = \"users/{alice}\" AND outcome = REFUSED");
    let some = audit.list_audit_events(list(&filter)).await.unwrap().into_inner().audit_events;
    assert_eq!(some.len(), 1);
    let none = "event_time < \"2000-01-01T00:00:00Z\"";
    assert!(
        audit.list_audit_events(list(none)).await.unwrap().into_inner().audit_events.is_empty()
    );
    for bad in [
        "user = ",
        "action:LOGIN",
        "event_time >= yesterday",
        "digest = x",
        "action = A AND action = B",
    ] {
        assert_eq!(fields(audit.list_audit_events(list(bad)).await), ["filter"], "{bad}");
    }
    let page = ListAuditEventsRequest { page_size: 4, ..Default::default() };
    let first = audit.list_audit_events(with_token(page, &root)).await.unwrap().into_inner();
    let page_token = first.next_page_token;
    let page = ListAuditEventsRequest { page_size: 4, page_token, ..Default::default() };
    let rest = audit.list_audit_events(with_token(page, &root)).await.unwrap().into_inner();
    let seqs = first.audit_events.iter().chain(&rest.audit_events).map(|event| event.seq);
    assert_eq!(seqs.collect::<Vec<_>>(), [6, 5, 4, 3, 2, 1]);
    assert!(rest.next_page_token.is_empty());
}

async fn events_are_followed_in_their_order(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let root = administrator(&served).await;
    let mut audit = client(&served).await;
    let negative = with_token(WatchAuditEventsRequest { after_seq: -1 }, &root);
    assert_eq!(fields(audit.watch_audit_events(negative).await), ["after_seq"]);
    let watch = with_token(WatchAuditEventsRequest { after_seq: 1 }, &root);
    let mut events = audit.watch_audit_events(watch).await.unwrap().into_inner();
    let first = events.message().await.unwrap().unwrap().audit_event.unwrap();
    assert_eq!((first.seq, first.action.as_str()), (2, "LOGIN"));
    for n in 0..3 {
        let name = format!("user{n}");
        user(&served, &name, &[]).await;
        let event = events.message().await.unwrap().unwrap().audit_event.unwrap();
        assert_eq!((event.seq, event.action.as_str()), (3 + n, "CREATE_USER"));
    }
    // Who may not administer any more is told nothing more.
    served.raw("UPDATE users SET roles = '' WHERE roles = 'admin'").await;
    user(&served, "late", &[]).await;
    let end = events.message().await.map(drop);
    assert_eq!(reason(end), is(Code::PermissionDenied, "NOT_ADMINISTRATOR"));
}
