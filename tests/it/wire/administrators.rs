//! Who may administer: judged at every call, by what the database says now.

use tokenward::{
    domain::password::Password,
    grpc::pb::{
        admin::{
            GetUserRequest, ImportUsersRequest, ListKeysRequest, ListUsersRequest,
            UpdateUserRequest, User, key_service_client::KeyServiceClient,
            user_service_client::UserServiceClient,
        },
        auth::{LoginRequest, TokenPair},
    },
    service::{Administrator, Caller, profile::ProfileRequest, users::CreateUserRequest},
};
use tonic::{Code, Request, transport::Channel};

use super::{
    calls::with_token,
    raw::{admin_methods, send, send_request},
    serve,
    told::{is, reason},
    usual,
};
use crate::{
    on_both_engines,
    support::{
        served::Served,
        world::{Engine, PASSWORD, World},
    },
};

on_both_engines!(
    ad_01_ad_02_ad_03_ad_04_nobody_else_is_served,
    ad_06_who_lost_the_role_is_refused_at_once,
    ad_07_one_administrator_is_left,
    ad_16_a_disabled_administrator_is_none,
    ad_24_who_is_none_learns_nothing_of_who_exists,
    ad_21_ad_30_administration_has_the_same_bounds,
    an_administrators_token_can_be_for_administration_only,
);

/// A user with these roles; gives the id.
pub(super) async fn user(served: &Served, name: &str, roles: &[&str]) -> String {
    let profile = ProfileRequest {
        username: name.to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        ..ProfileRequest::default()
    };
    let password = Some(Password::parse(PASSWORD.to_owned()));
    let request = CreateUserRequest { profile, password };
    let created = served.auth.create_user(request, &Administrator::command_line()).await;
    created.expect("a new user").to_string()
}

pub(super) async fn login(served: &Served, name: &str) -> TokenPair {
    let request = LoginRequest {
        identifier: name.to_owned(),
        password: PASSWORD.to_owned(),
        ..LoginRequest::default()
    };
    served.client().await.login(request).await.expect("logged in").into_inner().tokens.unwrap()
}

/// An administrator who is logged in.
pub(super) async fn administrator(served: &Served) -> TokenPair {
    user(served, "root", &["admin"]).await;
    login(served, "root").await
}

pub(super) async fn users(served: &Served) -> UserServiceClient<Channel> {
    UserServiceClient::new(served.channel().await)
}

fn bearer(token: &str) -> Request<Vec<u8>> {
    let mut request = Request::new(Vec::new());
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// Every method that is described, with every kind of caller who is none. The
/// message is empty: whoever is none learns nothing of its rules.
async fn ad_01_ad_02_ad_03_ad_04_nobody_else_is_served(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    user(&served, "alice", &["administrator", "reader", "admin2"]).await;
    let ordinary = login(&served, "alice").await;
    let root = administrator(&served).await;
    let revoked = login(&served, "root").await;
    served.auth.revoke_token(&revoked.access_token, &Caller::default()).await.unwrap();
    let channel = served.channel().await;
    let methods = admin_methods();
    assert!(methods.len() >= 14, "{}", methods.len());
    let missing = is(Code::Unauthenticated, "MISSING_TOKEN");
    for method in &methods {
        let answer =
            async |token: &str| reason(send_request(&channel, &method.path, bearer(token)).await);
        assert_eq!(
            reason(send(&channel, &method.path, Vec::new()).await),
            missing,
            "{}",
            method.path
        );
        let denied = is(Code::PermissionDenied, "NOT_ADMINISTRATOR");
        assert_eq!(answer(&ordinary.access_token).await, denied, "{}", method.path);
        for (token, why) in [
            (root.refresh_token.as_str(), "WRONG_TYPE"),
            (&revoked.access_token, "SESSION_REVOKED"),
            ("a.b.c", "INVALID_TOKEN"),
        ] {
            assert_eq!(answer(token).await, is(Code::Unauthenticated, why), "{}", method.path);
        }
    }
    served.clock.advance(std::time::Duration::from_mins(16));
    for method in &methods {
        let answer = send_request(&channel, &method.path, bearer(&root.access_token)).await;
        assert_eq!(reason(answer), is(Code::Unauthenticated, "TOKEN_EXPIRED"), "{}", method.path);
    }
    let unlisted = "/tokenward.admin.v1.UserService/MakeAdministrator";
    let answer = send_request(&channel, unlisted, bearer(&root.access_token)).await;
    assert_eq!(reason(answer), is(Code::Unimplemented, "UNKNOWN_METHOD"));
}

/// The token is good still, and says what it said.
async fn ad_06_who_lost_the_role_is_refused_at_once(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let (root, id) = (administrator(&served).await, user(&served, "bob", &["admin"]).await);
    let bob = login(&served, "bob").await;
    let (mut users, mut keys) =
        (users(&served).await, KeyServiceClient::new(served.channel().await));
    keys.list_keys(with_token(ListKeysRequest {}, &bob)).await.expect("an administrator");
    let demote = UpdateUserRequest {
        user: Some(User { name: format!("users/{id}"), ..User::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["roles".to_owned()] }),
    };
    let demoted = users.update_user(with_token(demote, &root)).await.unwrap().into_inner();
    assert!(demoted.revocation_seq > 0 && demoted.user.unwrap().roles.is_empty());
    // Its access tokens are dead, and its session is not.
    let answer = reason(keys.list_keys(with_token(ListKeysRequest {}, &bob)).await);
    assert_eq!(answer, is(Code::Unauthenticated, "SESSION_REVOKED"));
    let refreshed = super::calls::refresh_request(&bob.refresh_token);
    let bob = served.client().await.refresh(refreshed).await.expect("goes on").into_inner();
    let answer = keys.list_keys(with_token(ListKeysRequest {}, &bob.tokens.unwrap())).await;
    assert_eq!(reason(answer), is(Code::PermissionDenied, "NOT_ADMINISTRATOR"));

    // A row that was changed beside us counts as well, without any log entry.
    let carol = user(&served, "carol", &["admin"]).await;
    let token = login(&served, "carol").await;
    served.raw(&format!("UPDATE users SET roles = 'reader' WHERE id = '{carol}'")).await;
    let answer = reason(keys.list_keys(with_token(ListKeysRequest {}, &token)).await);
    assert_eq!(answer, is(Code::PermissionDenied, "NOT_ADMINISTRATOR"));
}

/// Two administrators end each other at once, in each of three ways.
async fn ad_07_one_administrator_is_left(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    for (round, way) in ["disable", "delete", "demote"].into_iter().enumerate() {
        let names = [format!("a{round}"), format!("b{round}")];
        let ids = [
            user(&served, &names[0], &["admin"]).await,
            user(&served, &names[1], &["admin"]).await,
        ];
        let tokens = [login(&served, &names[0]).await, login(&served, &names[1]).await];
        let end = async |by: usize| {
            let name = format!("users/{}", ids[1 - by]);
            let mut users = users(&served).await;
            let ended = match way {
                "disable" => {
                    let request = tokenward::grpc::pb::admin::DisableUserRequest { name };
                    users.disable_user(with_token(request, &tokens[by])).await.map(drop)
                }
                "delete" => {
                    let request = tokenward::grpc::pb::admin::DeleteUserRequest { name };
                    users.delete_user(with_token(request, &tokens[by])).await.map(drop)
                }
                _ => {
                    let request = UpdateUserRequest {
                        user: Some(User { name, ..User::default() }),
                        update_mask: Some(prost_types::FieldMask { paths: vec!["roles".into()] }),
                    };
                    users.update_user(with_token(request, &tokens[by])).await.map(drop)
                }
            };
            ended.map_err(|status| reason(Err::<(), _>(status)))
        };
        let (one, other) = tokio::join!(end(0), end(1));
        let refusals: Vec<_> =
            [&one, &other].into_iter().filter_map(|end| end.as_ref().err()).collect();
        assert_eq!(refusals.len(), 1, "{way}: {one:?} {other:?}");
        // The second came too late to be the last one, or to be anybody.
        let codes = [Code::FailedPrecondition, Code::Unauthenticated];
        assert!(codes.contains(&refusals[0].0), "{way}: {refusals:?}");
        let left = usize::from(one.is_ok());
        let (winner, name) = (&tokens[1 - left], format!("users/{}", ids[1 - left]));
        // Nor can the one who is left end itself.
        let request = tokenward::grpc::pb::admin::DisableUserRequest { name };
        let answer = users(&served).await.disable_user(with_token(request, winner)).await;
        assert_eq!(reason(answer), is(Code::FailedPrecondition, "LAST_ADMINISTRATOR"), "{way}");
        // The command line can.
        let id = tokenward::domain::id::UserId::parse(&ids[1 - left]).unwrap();
        served.auth.disable_user(id, &Administrator::command_line()).await.unwrap();
    }
}

async fn ad_16_a_disabled_administrator_is_none(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let id = user(&served, "bob", &["admin"]).await;
    let bob = login(&served, "bob").await;
    let bob_id = tokenward::domain::id::UserId::parse(&id).unwrap();
    served.auth.disable_user(bob_id, &Administrator::command_line()).await.unwrap();
    let enable = tokenward::grpc::pb::admin::EnableUserRequest { name: format!("users/{id}") };
    let answer = users(&served).await.enable_user(with_token(enable, &bob)).await;
    assert_eq!(reason(answer), is(Code::Unauthenticated, "SESSION_REVOKED"));
}

async fn an_administrators_token_can_be_for_administration_only(engine: Engine) {
    let set = |settings: &mut tokenward::config::Settings| {
        usual(settings);
        let web = settings.clients.get_mut("web").unwrap();
        web.audiences.push("tokenward-admin".to_owned());
        settings.admin.audience = Some("tokenward-admin".to_owned());
    };
    let Some(world) = World::with(engine, set).await else { return };
    let served = world.serve().await;
    let for_all = administrator(&served).await;
    let mut users = users(&served).await;
    let list = || ListUsersRequest::default();
    let answer = users.list_users(with_token(list(), &for_all)).await;
    assert_eq!(reason(answer), is(Code::PermissionDenied, "NOT_FOR_ADMINISTRATION"));
    let request = LoginRequest {
        identifier: "root".to_owned(),
        password: PASSWORD.to_owned(),
        audience: vec!["tokenward-admin".to_owned()],
        ..LoginRequest::default()
    };
    let login = served.client().await.login(request).await.unwrap().into_inner();
    users.list_users(with_token(list(), &login.tokens.unwrap())).await.expect("served");
}

/// AD-10: what strangers reach does not have the services at all.
#[tokio::test]
async fn ad_10_administration_has_a_listener_of_its_own() {
    let apart = |settings: &mut tokenward::config::Settings| {
        usual(settings);
        settings.admin.listen = std::net::SocketAddr::from(([127, 0, 0, 2], 0));
    };
    let served = World::with(Engine::Sqlite, apart).await.unwrap().serve().await;
    assert_ne!(served.admin, served.grpc);
    let root = administrator(&served).await;
    let get = || GetUserRequest { name: "users/root".to_owned() };
    let answer = users(&served).await.get_user(with_token(get(), &root)).await;
    assert_eq!(reason(answer), is(Code::Unimplemented, "UNKNOWN_METHOD"));
    let own = Channel::from_shared(format!("http://{}", served.admin)).unwrap();
    let own = own.connect().await.unwrap();
    let mut there = UserServiceClient::new(own.clone());
    there.get_user(with_token(get(), &root)).await.expect("served there");
    let login = send(&own, "/tokenward.auth.v1.AuthService/Login", Vec::new()).await;
    assert_eq!(reason(login), is(Code::Unimplemented, "UNKNOWN_METHOD"), "and nothing else");
    let defaults = <tokenward::config::Settings as confique::Config>::builder().load().unwrap();
    assert!(defaults.admin.listen.ip().is_loopback());
    assert_ne!(defaults.admin.listen, defaults.grpc.listen);
}

/// A stream is judged again while it lasts.
#[tokio::test]
async fn ad_06_a_stream_of_users_stops_with_the_role() {
    let served = serve(Engine::Sqlite).await.unwrap();
    let root = administrator(&served).await;
    let row = |n: usize| ImportUsersRequest {
        user: Some(User { username: format!("user{n}"), ..User::default() }),
        password_hash: crate::support::world::BCRYPT.to_owned(),
    };
    let (rows, stream) = tokio::sync::mpsc::channel(200);
    let stream = tonic::codegen::tokio_stream::wrappers::ReceiverStream::new(stream);
    let mut client = users(&served).await;
    for n in 0..100 {
        rows.send(row(n)).await.unwrap();
    }
    let mut results = client.import_users(with_token(stream, &root)).await.unwrap().into_inner();
    for n in 1..=100 {
        assert_eq!(results.message().await.unwrap().unwrap().created_total, n);
    }
    served.raw("UPDATE users SET roles = '' WHERE roles = 'admin'").await;
    for n in 100..200 {
        rows.send(row(n)).await.unwrap();
    }
    let stopped = results.message().await.map(drop);
    assert_eq!(reason(stopped), is(Code::PermissionDenied, "NOT_ADMINISTRATOR"));
    assert!(served.auth.find_user("user150").await.is_err());
}

async fn ad_24_who_is_none_learns_nothing_of_who_exists(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let id = user(&served, "alice", &[]).await;
    let alice = login(&served, "alice").await;
    let mut users = users(&served).await;
    let unknown = "users/00000000-0000-4000-8000-000000000000".to_owned();
    for name in [format!("users/{id}"), unknown, "users/alice".to_owned(), "nonsense".to_owned()] {
        let answer = users.get_user(with_token(GetUserRequest { name }, &alice)).await;
        assert_eq!(reason(answer), is(Code::PermissionDenied, "NOT_ADMINISTRATOR"));
    }
}

/// Of messages, and of what a hash may cost; deadlines are set before anybody
/// knows which service is called.
async fn ad_21_ad_30_administration_has_the_same_bounds(engine: Engine) {
    let Some(served) = serve(engine).await else { return };
    let root = administrator(&served).await;
    let mut users = users(&served).await;
    let huge = ListUsersRequest { filter: "x".repeat(2 << 20), ..ListUsersRequest::default() };
    let answer = users.list_users(with_token(huge, &root)).await;
    assert_eq!(reason(answer), is(Code::InvalidArgument, "MESSAGE_TOO_LARGE"));
    let key = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let costly = [
        format!("$argon2id$v=19$m=1048576,t=2,p=1${key}"),
        format!("$argon2id$v=19$m=64,t=4294967295,p=1${key}"),
        "md5:5f4dcc3b5aa765d61d8327deb882cf99".to_owned(),
        "x".repeat(1_000_000),
    ];
    let rows: Vec<_> = costly
        .iter()
        .enumerate()
        .map(|(n, hash)| ImportUsersRequest {
            user: Some(User { username: format!("user{n}"), ..User::default() }),
            password_hash: hash.clone(),
        })
        .collect();
    let rows = with_token(futures_util::stream::iter(rows), &root);
    let mut results = users.import_users(rows).await.unwrap().into_inner();
    for _ in 0..costly.len() {
        let result = results.message().await.unwrap().expect("a result");
        let Some(tokenward::grpc::pb::admin::import_users_response::Outcome::Invalid(why)) =
            result.outcome
        else {
            panic!("row {} was taken", result.row);
        };
        assert!(why.starts_with("invalid argument: password_hash must"), "{why}");
    }
}
