//! `ext_authz`, as Envoy asks it.

use std::collections::HashMap;

use prost_types::value::Kind;
use secrecy::ExposeSecret as _;
use tokenward::{
    config::Settings,
    grpc::pb::envoy::{
        config::core::v3::{
            HeaderMap, HeaderValue, HeaderValueOption, header_value_option::HeaderAppendAction,
        },
        service::auth::v3::{
            AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
            attribute_context::{HttpRequest, Request},
            authorization_client::AuthorizationClient,
            check_response::HttpResponse,
        },
    },
    service::Caller,
};
use tonic::{Code, transport::Channel};

use super::{
    forward_auth::{IDENTITY, Setting, configured},
    raw::send,
    serve_without_log,
    told::reason,
};
use crate::support::world::Engine;

type Client = AuthorizationClient<Channel>;

/// A question about a request with these headers, on a route with these
/// extensions.
pub(super) fn question(headers: &[(&str, &str)], extensions: &[(&str, &str)]) -> CheckRequest {
    let map = |entries: &[(&str, &str)]| {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        entries.iter().map(owned).collect::<HashMap<_, _>>()
    };
    let http = HttpRequest {
        method: "GET".to_owned(),
        headers: map(&[&[(":path", "/x"), (":method", "GET")], headers].concat()),
        header_map: None,
    };
    let context_extensions = map(extensions);
    let request = Some(Request { http: Some(http) });
    CheckRequest { attributes: Some(AttributeContext { request, context_extensions }) }
}

/// The same with the headers as `encode_raw_headers` sends them.
fn raw_question(headers: &[(&str, &[u8])]) -> CheckRequest {
    let field = |(name, value): &(&str, &[u8])| HeaderValue {
        key: (*name).to_owned(),
        value: String::new(),
        raw_value: value.to_vec(),
    };
    let header_map = Some(HeaderMap { headers: headers.iter().map(field).collect() });
    let mut question = question(&[], &[]);
    let request = question.attributes.as_mut().unwrap().request.as_mut().unwrap();
    request.http = Some(HttpRequest { header_map, ..HttpRequest::default() });
    question
}

pub(super) async fn check(client: &mut Client, question: CheckRequest) -> CheckResponse {
    client.check(question).await.unwrap().into_inner()
}

pub(super) fn allowed(answer: &CheckResponse) -> &OkHttpResponse {
    assert_eq!(answer.status.as_ref().unwrap().code, 0);
    match answer.http_response.as_ref().unwrap() {
        HttpResponse::OkResponse(ok) => ok,
        HttpResponse::DeniedResponse(denied) => panic!("denied: {}", denied.body),
    }
}

pub(super) fn denied(answer: &CheckResponse) -> (Code, &DeniedHttpResponse) {
    match answer.http_response.as_ref().unwrap() {
        HttpResponse::DeniedResponse(denied) => {
            (Code::from_i32(answer.status.as_ref().unwrap().code), denied)
        }
        HttpResponse::OkResponse(_) => panic!("allowed"),
    }
}

/// The value that takes the place of any other.
pub(super) fn header<'a>(headers: &'a [HeaderValueOption], name: &str) -> Option<&'a str> {
    let set = headers.iter().find(|option| option.header.as_ref().unwrap().key == name)?;
    assert!(set.append_action() == HeaderAppendAction::OverwriteIfExistsOrAdd, "{name}");
    Some(&set.header.as_ref().unwrap().value)
}

async fn client(setting: &Setting) -> Client {
    Client::new(setting.served.channel().await)
}

/// GT-27: each identity header is set or removed, so none can be a client's.
#[tokio::test]
async fn s0_2_s4_6_gt_27_a_good_token_passes_and_its_owner_is_told() {
    let setting = Setting::new(Engine::Sqlite, configured).await.unwrap();
    let mut client = client(&setting).await;
    let bearer = format!("Bearer {}", setting.access());
    let cookies = ("cookie", "a=1; b=2");
    let raw = [("authorization", bearer.as_bytes()), ("cookie", b"a=1"), ("cookie", b"b=\xff")];
    for (question, consumed, cookie) in [
        (question(&[("authorization", &bearer), cookies], &[]), "authorization", Some("a=1; b=2")),
        (question(&[("tsessionid", setting.access())], &[]), "tsessionid", None),
        (raw_question(&raw), "authorization", Some("")),
    ] {
        let answer = check(&mut client, question).await;
        let ok = allowed(&answer);
        assert_eq!(header(&ok.headers, "x-auth-subject"), Some(setting.user.to_string().as_str()));
        assert_eq!(header(&ok.headers, "x-auth-roles"), Some("editor reader"));
        let is_set = |name: &str| header(&ok.headers, name).is_some();
        let is_removed = |name: &str| ok.headers_to_remove.iter().any(|removed| removed == name);
        for name in IDENTITY {
            assert!(is_set(name) != is_removed(name), "{name}");
        }
        assert!(is_removed(consumed) && is_removed("x-auth-cookie"), "{:?}", ok.headers_to_remove);
        assert_eq!(header(&ok.headers, "cookie"), cookie);
        assert_eq!(is_removed("cookie"), cookie.is_none());
        assert_eq!(ok.response_headers_to_add.len(), 0);
        let metadata = &answer.dynamic_metadata.as_ref().unwrap().fields;
        let text = |name: &str| match &metadata[name].kind {
            Some(Kind::StringValue(text)) => text.clone(),
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(text("iss"), super::ISSUER);
        assert_eq!(text("sub"), setting.user.to_string());
        assert_eq!(text("sid"), setting.login.session_id.to_string());
        assert_eq!((text("client_id"), text("scope")), ("web".to_owned(), "read".to_owned()));
        assert_eq!(text("jti").len(), 36);
        let expires_at =
            f64::from(u32::try_from(setting.login.tokens.expires_at.seconds()).unwrap());
        assert_eq!(metadata["exp"].kind, Some(Kind::NumberValue(expires_at)));
    }
}

#[tokio::test]
async fn the_token_goes_on_only_where_that_is_configured() {
    let forwarding = |settings: &mut Settings| {
        configured(settings);
        settings.gateway.forward_token = true;
    };
    let setting = Setting::new(Engine::Sqlite, forwarding).await.unwrap();
    let answer =
        check(&mut client(&setting).await, question(&[("tsessionid", setting.access())], &[]))
            .await;
    let removed = &allowed(&answer).headers_to_remove;
    assert!(!removed.iter().any(|name| name == "tsessionid"), "{removed:?}");
}

#[tokio::test]
async fn s1_4_s1_7_s1_8_s2_8_every_refusal_has_its_status_and_challenge() {
    let setting = Setting::new(Engine::Sqlite, configured).await.unwrap();
    let mut client = client(&setting).await;
    let access = setting.access().to_owned();
    let refresh = setting.login.tokens.refresh_token.as_ref().unwrap().expose_secret().to_owned();
    let twice = format!("Bearer {access},Bearer {access}");
    let good = [("tsessionid", access.as_str())];
    for (question, expected, why) in [
        (question(&[], &[]), (Code::Unauthenticated, 401), "MISSING_TOKEN"),
        (
            question(&[("authorization", "JWT")], &[]),
            (Code::Unauthenticated, 401),
            "MALFORMED_CREDENTIALS",
        ),
        (
            question(&[("authorization", &twice)], &[]),
            (Code::Unauthenticated, 401),
            "MALFORMED_CREDENTIALS",
        ),
        (
            raw_question(&[("tsessionid", access.as_bytes()), ("tsessionid", access.as_bytes())]),
            (Code::Unauthenticated, 401),
            "MALFORMED_CREDENTIALS",
        ),
        (question(&[("tsessionid", "x")], &[]), (Code::Unauthenticated, 401), "INVALID"),
        (question(&[("tsessionid", &refresh)], &[]), (Code::PermissionDenied, 403), "WRONG_TYPE"),
        (question(&good, &[("aud", "other")]), (Code::PermissionDenied, 403), "WRONG_AUDIENCE"),
        (
            question(&good, &[("scope", "read write")]),
            (Code::PermissionDenied, 403),
            "MISSING_SCOPE",
        ),
        (question(&good, &[("role", "admin")]), (Code::PermissionDenied, 403), "MISSING_ROLE"),
        (question(&good, &[("roles", "admin")]), (Code::InvalidArgument, 400), "INVALID_ARGUMENT"),
    ] {
        let answer = check(&mut client, question).await;
        let (code, denied) = denied(&answer);
        assert_eq!((code, denied.status.as_ref().unwrap().code), expected, "{why}");
        assert_eq!(header(&denied.headers, "x-auth-reason"), Some(why));
        assert_eq!(header(&denied.headers, "www-authenticate").is_some(), expected.1 != 400);
        assert_eq!(header(&denied.headers, "content-type"), Some("application/problem+json"));
        assert!(denied.body.contains(why), "{}", denied.body);
        assert_eq!(answer.dynamic_metadata, None);
    }
    let needed = [("aud", "api"), ("scope", "read"), ("role", "editor reader")];
    allowed(&check(&mut client, question(&good, &needed)).await);
}

/// P1: from the answer of `Revoke` on. And with the database gone, since
/// nothing but memory is asked.
#[tokio::test]
async fn s0_4_a_revoked_session_is_denied_from_memory() {
    let setting = Setting::new(Engine::Sqlite, configured).await.unwrap();
    let mut client = client(&setting).await;
    let question = || question(&[("tsessionid", setting.access())], &[]);
    setting.served.auth.revoke_token(setting.access(), &Caller::default()).await.unwrap();
    setting.served.store.close().await;
    let answer = check(&mut client, question()).await;
    assert_eq!(header(&denied(&answer).1.headers, "x-auth-reason"), Some("REVOKED"));
}

/// Not a failed call: Envoy would make 403 of it, or let the request pass.
#[tokio::test]
async fn an_outage_is_an_answer_with_503() {
    let served = serve_without_log(Engine::Sqlite).await.unwrap();
    let mut client = Client::new(served.channel().await);
    let answer = check(&mut client, question(&[("authorization", "Bearer x")], &[])).await;
    let (code, denied) = denied(&answer);
    assert_eq!((code, denied.status.as_ref().unwrap().code), (Code::Unavailable, 503));
    assert_eq!(header(&denied.headers, "retry-after"), Some("1"));
}

#[tokio::test]
async fn gt_10_gt_12_questions_are_bounded_and_malformed_ones_refused() {
    let setting = Setting::new(Engine::Sqlite, configured).await.unwrap();
    let mut client = client(&setting).await;
    let long = "x".repeat(128 * 1024);
    let too_large = client.check(question(&[("x", &long)], &[])).await;
    assert_eq!(reason(too_large).1, "MESSAGE_TOO_LARGE");
    let path = "/envoy.service.auth.v3.Authorization/Check";
    let channel = setting.served.channel().await;
    assert_eq!(reason(send(&channel, path, vec![0x0a, 0x05]).await).1, "MALFORMED_REQUEST");
    let nothing = check(&mut client, CheckRequest::default()).await;
    assert_eq!(denied(&nothing).0, Code::Unauthenticated);
}
