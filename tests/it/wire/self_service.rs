//! What users do about their own accounts, over real connections.

use tokenward::grpc::pb::auth::{
    ChangePasswordRequest, ChangePasswordResponse, ListSessionsRequest, LoginRequest,
    RegisterRequest, RevokeRequest, RevokeResponse, TokenPair, VerifyRequest,
    auth_service_client::AuthServiceClient, revoke_request::Target,
};
use tonic::{Code, Request, Status, transport::Channel};
use uuid::Uuid;

use super::{
    calls::{about, login, login_request, refresh_request, register, with_token},
    serve,
    told::{fields, is, reason},
};
use crate::{
    on_both_engines,
    support::world::{Engine, PASSWORD},
};

on_both_engines!(
    s2_1_a_phone_number_and_a_password_log_in,
    vt_09_a_change_of_the_password_leaves_one_session,
    vt_10_sessions_are_ended_by_id_or_all_at_once,
);

const NEW: &str = "another horse, another staple";

type Client = AuthServiceClient<Channel>;

async fn change(
    client: &mut Client,
    pair: &TokenPair,
    current: &str,
) -> Result<ChangePasswordResponse, Status> {
    let request = ChangePasswordRequest {
        current_password: current.to_owned(),
        new_password: NEW.to_owned(),
        refresh_token: pair.refresh_token.clone(),
    };
    client.change_password(with_token(request, pair)).await.map(tonic::Response::into_inner)
}

async fn revoke(
    client: &mut Client,
    target: Target,
    pair: &TokenPair,
) -> Result<RevokeResponse, Status> {
    let request = with_token(RevokeRequest { target: Some(target) }, pair);
    client.revoke(request).await.map(tonic::Response::into_inner)
}

/// Why the token is not active, at that revocation; empty if it is.
async fn dead(client: &mut Client, pair: &TokenPair, seq: i64) -> String {
    let question = VerifyRequest { min_revocation_seq: seq, ..about(&pair.access_token) };
    let verdict = client.verify(question).await.unwrap().into_inner();
    verdict.revocation.map(|revocation| revocation.reason).unwrap_or_default()
}

async fn s2_1_a_phone_number_and_a_password_log_in(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    let register = |phone: &str| RegisterRequest {
        phone: phone.to_owned(),
        password: PASSWORD.to_owned(),
        ..RegisterRequest::default()
    };
    let registered = client.register(register("+41 44 668 18 00")).await.unwrap();
    let user_id = registered.into_inner().user_id;
    let login = |phone: &str, password: &str| LoginRequest {
        identifier: phone.to_owned(),
        ..login_request(password)
    };
    for spelling in ["+41446681800", "+41 44 668 18 00", "+41 (44) 668-18-00"] {
        let logged_in = client.login(login(spelling, PASSWORD)).await.unwrap().into_inner();
        assert_eq!(logged_in.user_id, user_id);
        let pair = logged_in.tokens.unwrap();
        let verdict = client.verify(about(&pair.access_token)).await.unwrap().into_inner();
        let json = verdict.claims.unwrap().json;
        assert!(verdict.active && !json.contains("446681800"), "no token has it: {json}");
    }
    let wrong = is(Code::Unauthenticated, "INVALID_CREDENTIALS");
    assert_eq!(reason(client.login(login("+41446681800", NEW)).await), wrong);
    for another in ["+41446681801", "41446681800", "0446681800", "0041446681800"] {
        assert_eq!(reason(client.login(login(another, PASSWORD)).await), wrong, "{another}");
    }

    let taken = reason(client.register(register("+41446681800")).await);
    assert_eq!(taken, is(Code::AlreadyExists, "ALREADY_EXISTS"));
    assert_eq!(fields(client.register(register("044 668 18 00")).await), ["phone"]);
    served.stop().await;
}

async fn vt_09_a_change_of_the_password_leaves_one_session(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    register(&mut client).await;
    let mine = login(&mut client).await;
    let (pair, other) = (mine.tokens.unwrap(), login(&mut client).await.tokens.unwrap());

    let wrong = reason(change(&mut client, &pair, "wrong").await);
    assert_eq!(wrong, is(Code::Unauthenticated, "INVALID_CREDENTIALS"));
    let anonymous = reason(client.change_password(ChangePasswordRequest::default()).await);
    assert_eq!(anonymous, is(Code::Unauthenticated, "MISSING_TOKEN"));
    let empty = with_token(ChangePasswordRequest::default(), &pair);
    let both = ["current_password", "new_password"];
    assert_eq!(fields(client.change_password(empty).await), both);

    let answer = change(&mut client, &pair, PASSWORD).await.unwrap();
    assert_eq!(answer.session_id, mine.session_id);
    let (new, seq) = (answer.tokens.unwrap(), answer.revocation_seq);
    for old in [&pair, &other] {
        assert_eq!(dead(&mut client, old, seq).await, "PASSWORD_CHANGED");
        let revoked = is(Code::Unauthenticated, "SESSION_REVOKED");
        let refresh = client.refresh(refresh_request(&old.refresh_token)).await;
        assert_eq!(reason(refresh), revoked);
        // VT-15: nor is it good for anything else.
        assert_eq!(reason(change(&mut client, old, NEW).await), revoked);
        let end = Target::SessionId(mine.session_id.clone());
        assert_eq!(reason(revoke(&mut client, end, old).await), revoked);
    }
    assert_eq!(dead(&mut client, &new, seq).await, "");
    let next = client.refresh(refresh_request(&new.refresh_token)).await.unwrap().into_inner();
    assert!(!next.replayed);
    let list = with_token(ListSessionsRequest::default(), &new);
    let sessions = client.list_sessions(list).await.unwrap().into_inner().sessions;
    assert_eq!(sessions.len(), 1);

    let old = reason(client.login(login_request(PASSWORD)).await);
    assert_eq!(old, is(Code::Unauthenticated, "INVALID_CREDENTIALS"));
    client.login(login_request(NEW)).await.expect("the new password counts");
}

/// RV-38, AD-05: ids of others are of no use.
async fn vt_10_sessions_are_ended_by_id_or_all_at_once(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let mut client = served.client().await;
    let alice = register(&mut client).await;
    let mine = login(&mut client).await.tokens.unwrap();
    let (lost, third) = (login(&mut client).await, login(&mut client).await.tokens.unwrap());

    let session = || Target::SessionId(lost.session_id.clone());
    let anonymous = Request::new(RevokeRequest { target: Some(session()) });
    let missing = is(Code::Unauthenticated, "MISSING_TOKEN");
    assert_eq!(reason(client.revoke(anonymous).await), missing);
    let seq = revoke(&mut client, session(), &mine).await.unwrap().revocation_seq;
    assert_eq!(dead(&mut client, lost.tokens.as_ref().unwrap(), seq).await, "LOGOUT");
    assert_eq!(dead(&mut client, &mine, seq).await, "");
    for id in [lost.session_id.clone(), Uuid::from_u128(9).to_string()] {
        let again = revoke(&mut client, Target::SessionId(id), &mine).await.unwrap();
        assert_eq!(again.revocation_seq, seq);
    }
    for (target, field) in [
        (Target::SessionId("x".to_owned()), "session_id"),
        (Target::SessionId("' OR 1=1 --".to_owned()), "session_id"),
        (Target::SessionId(format!("{}\0", lost.session_id)), "session_id"),
        (Target::SessionId("x".repeat(100_000)), "session_id"),
        (Target::UserId(String::new()), "user_id"),
    ] {
        assert_eq!(fields(revoke(&mut client, target, &mine).await), [field]);
    }

    let somebody = Target::UserId(Uuid::from_u128(9).to_string());
    let denied = is(Code::PermissionDenied, "NOT_OWN_SESSIONS");
    assert_eq!(reason(revoke(&mut client, somebody, &mine).await), denied);
    let all = Target::UserId(alice);
    let seq = revoke(&mut client, all.clone(), &mine).await.unwrap().revocation_seq;
    for pair in [&mine, &third] {
        assert_eq!(dead(&mut client, pair, seq).await, "LOGOUT");
        let refused = reason(revoke(&mut client, all.clone(), pair).await);
        assert_eq!(refused, is(Code::Unauthenticated, "SESSION_REVOKED"));
    }
    let new = login(&mut client).await.tokens.unwrap();
    assert_eq!(dead(&mut client, &new, seq).await, "", "a new login lives");
}
