//! Users, as administrators manage them over gRPC.

use tokenward::grpc::pb::{
    admin::{
        CreateUserRequest, DeleteUserRequest, DisableUserRequest, GetUserRequest,
        ListSessionsRequest, ListUsersRequest, RevokeSessionRequest, RevokeUserSessionsRequest,
        SetPasswordRequest, UpdateUserRequest, UpdateUserResponse, User,
        session_service_client::SessionServiceClient, user_service_client::UserServiceClient,
    },
    auth::{InactiveReason, LoginRequest, TokenPair},
};
use tonic::{Code, Status, transport::Channel};

use super::{
    administrators::{administrator, login, users},
    calls::{about, refresh_request, with_token},
    serve,
    told::{fields, is, reason},
};
use crate::{
    on_both_engines,
    support::{
        served::Served,
        world::{Engine, PASSWORD},
    },
};

on_both_engines!(
    s4_3_s2_3_a_user_from_creation_to_deletion,
    ad_13_names_are_taken_once,
    ad_14_who_is_created_again_is_somebody_else,
    ad_15_a_password_that_is_set_ends_every_session,
    ad_18_masks_name_what_can_be_changed,
    vt_19_whoever_loses_a_role_keeps_the_session_and_no_token,
    ad_19_two_administrators_lose_nothing,
    ad_22_s4_7_users_are_listed_page_by_page,
    ad_23_filters_find_what_they_say,
    sessions_are_listed_and_ended,
);

struct Setting {
    served: Served,
    root: TokenPair,
    users: UserServiceClient<Channel>,
}

impl Setting {
    async fn new(engine: Engine) -> Option<Self> {
        let served = serve(engine).await?;
        let root = administrator(&served).await;
        let users = users(&served).await;
        Some(Self { served, root, users })
    }

    async fn create(&mut self, user: User) -> Result<User, Status> {
        let request = CreateUserRequest { user: Some(user), password: PASSWORD.to_owned() };
        let created = self.users.create_user(with_token(request, &self.root)).await?;
        Ok(created.into_inner().user.unwrap())
    }

    async fn get(&mut self, name: &str) -> Result<User, Status> {
        let request = GetUserRequest { name: name.to_owned() };
        let user = self.users.get_user(with_token(request, &self.root)).await?;
        Ok(user.into_inner().user.unwrap())
    }

    async fn update(&mut self, user: User, paths: &[&str]) -> Result<UpdateUserResponse, Status> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let update_mask = Some(prost_types::FieldMask { paths });
        let request = UpdateUserRequest { user: Some(user), update_mask };
        let updated = self.users.update_user(with_token(request, &self.root)).await?;
        Ok(updated.into_inner())
    }

    async fn list(&mut self, request: ListUsersRequest) -> Result<(Vec<String>, String), Status> {
        let page = self.users.list_users(with_token(request, &self.root)).await?.into_inner();
        Ok((page.users.into_iter().map(|user| user.username).collect(), page.next_page_token))
    }

    async fn is_active(&self, token: &str) -> bool {
        let verdict = self.served.client().await.verify(about(token)).await.unwrap().into_inner();
        let killed = verdict.reason() == InactiveReason::Revoked;
        assert!(verdict.active || killed, "{}", verdict.reason().as_str_name());
        verdict.active
    }
}

fn called(username: &str) -> User {
    User { username: username.to_owned(), ..User::default() }
}

/// VT-13, VT-14, S4.3 and S2.3: made, shown with the last login, disabled,
/// enabled, deleted.
async fn s4_3_s2_3_a_user_from_creation_to_deletion(engine: Engine) {
    let Some(mut setting) = Setting::new(engine).await else { return };
    let alice = User {
        username: "Alice".to_owned(),
        email: "alice@example.org".to_owned(),
        phone: "+41 44 668 18 00".to_owned(),
        display_name: "Alice".to_owned(),
        roles: vec!["reader".to_owned(), "reader".to_owned()],
        ..User::default()
    };
    let created = setting.create(alice).await.unwrap();
    assert_eq!((created.username.as_str(), created.phone.as_str()), ("alice", "+41446681800"));
    assert_eq!((created.roles.len(), created.disabled), (1, false));
    assert_eq!(created.name, format!("users/{}", created.user_id));
    assert!(created.create_time.is_some() && created.last_login_time.is_none());

    let tokens = login(&setting.served, "alice@example.org").await;
    for name in [&created.name, "users/alice", "users/ALICE@example.org", "users/+41446681800"] {
        let found = setting.get(name).await.unwrap();
        assert_eq!(found.user_id, created.user_id, "{name}");
        assert!(found.last_login_time.is_some());
    }
    let name = created.name.clone();
    let disable = DisableUserRequest { name: name.clone() };
    for _ in 0..2 {
        let request = with_token(disable.clone(), &setting.root);
        assert!(setting.users.disable_user(request).await.unwrap().into_inner().revocation_seq > 0);
    }
    assert!(!setting.is_active(&tokens.access_token).await);
    assert!(setting.get(&name).await.unwrap().disabled);
    let enable = tokenward::grpc::pb::admin::EnableUserRequest { name: name.clone() };
    for _ in 0..2 {
        setting.users.enable_user(with_token(enable.clone(), &setting.root)).await.unwrap();
    }
    let again = login(&setting.served, "alice").await;
    let delete = DeleteUserRequest { name: name.clone() };
    setting.users.delete_user(with_token(delete.clone(), &setting.root)).await.unwrap();
    assert!(!setting.is_active(&again.access_token).await);
    let dead = setting.served.client().await.refresh(refresh_request(&again.refresh_token)).await;
    assert_eq!(reason(dead), is(Code::Unauthenticated, "SESSION_EXPIRED"));
    let gone = is(Code::NotFound, "NOT_FOUND");
    assert_eq!(reason(setting.get(&name).await), gone);
    assert_eq!(reason(setting.users.delete_user(with_token(delete, &setting.root)).await), gone);
    let disable = setting.users.disable_user(with_token(disable, &setting.root)).await;
    assert_eq!(reason(disable), gone);
}

/// By case, by form, and thirty-two at a time.
async fn ad_13_names_are_taken_once(engine: Engine) {
    let Some(mut setting) = Setting::new(engine).await else { return };
    setting.create(called("alice")).await.unwrap();
    for taken in ["ALICE", "\u{ff41}lice"] {
        let answer = reason(setting.create(called(taken)).await);
        assert_eq!(answer, is(Code::AlreadyExists, "ALREADY_EXISTS"), "{taken}");
    }
    let racers = (0..32).map(|_| {
        let (mut users, root) = (setting.users.clone(), setting.root.clone());
        async move {
            let request =
                CreateUserRequest { user: Some(called("bob")), password: PASSWORD.to_owned() };
            users.create_user(with_token(request, &root)).await.map(drop)
        }
    });
    let created = futures_util::future::join_all(racers).await;
    assert_eq!(created.iter().filter(|created| created.is_ok()).count(), 1);
    for lost in created.into_iter().filter(Result::is_err) {
        assert_eq!(reason(lost), is(Code::AlreadyExists, "ALREADY_EXISTS"));
    }
    let output_only = User { etag: "1".to_owned(), user_id: "x".to_owned(), ..called("carol") };
    assert_eq!(fields(setting.create(output_only).await), ["user.user_id", "user.etag"]);
    let bad = User { email: "x".to_owned(), roles: vec!["No".to_owned()], ..called("a b") };
    assert_eq!(fields(setting.create(bad).await), ["username", "email", "roles"]);
}

/// VT-21.
async fn ad_14_who_is_created_again_is_somebody_else(engine: Engine) {
    let Some(mut setting) = Setting::new(engine).await else { return };
    let first = setting.create(called("alice")).await.unwrap();
    let tokens = login(&setting.served, "alice").await;
    let delete = DeleteUserRequest { name: first.name.clone() };
    setting.users.delete_user(with_token(delete, &setting.root)).await.unwrap();
    let second = setting.create(called("alice")).await.unwrap();
    assert_ne!(first.user_id, second.user_id);
    assert!(!setting.is_active(&tokens.access_token).await);
    let dead = setting.served.client().await.refresh(refresh_request(&tokens.refresh_token)).await;
    assert_eq!(reason(dead), is(Code::Unauthenticated, "SESSION_EXPIRED"));
}

async fn ad_15_a_password_that_is_set_ends_every_session(engine: Engine) {
    let Some(mut setting) = Setting::new(engine).await else { return };
    let request = CreateUserRequest { user: Some(called("alice")), password: String::new() };
    let created = setting.users.create_user(with_token(request, &setting.root)).await.unwrap();
    let name = created.into_inner().user.unwrap().name;
    let attempt = LoginRequest {
        identifier: "alice".to_owned(),
        password: PASSWORD.to_owned(),
        ..LoginRequest::default()
    };
    let mut client = setting.served.client().await;
    let without = reason(client.login(attempt.clone()).await);
    assert_eq!(without, is(Code::Unauthenticated, "INVALID_CREDENTIALS"), "no password, no login");
    let set = |password: &str| SetPasswordRequest { name: name.clone(), password: password.into() };
    setting.users.set_password(with_token(set(PASSWORD), &setting.root)).await.unwrap();
    let tokens = client.login(attempt).await.unwrap().into_inner().tokens.unwrap();
    let other = "another horse, another staple";
    let set_again = setting.users.set_password(with_token(set(other), &setting.root)).await;
    assert!(set_again.unwrap().into_inner().revocation_seq > 0);
    assert!(!setting.is_active(&tokens.access_token).await);
    let short = setting.users.set_password(with_token(set("short"), &setting.root)).await;
    assert_eq!(fields(short), ["password"]);
}

async fn ad_18_masks_name_what_can_be_changed(engine: Engine) {
    let Some(mut setting) = Setting::new(engine).await else { return };
    let alice = User { email: "a@example.org".to_owned(), ..called("alice") };
    let User { name, .. } = setting.create(alice).await.unwrap();
    for paths in [
        &[][..],
        &["*"],
        &["user_id"],
        &["disabled"],
        &["create_time"],
        &["password_hash"],
        &["roles.0"],
        &["username", "etag"],
        &["displayName"],
    ] {
        let update = setting.update(User { name: name.clone(), ..called("x") }, paths).await;
        assert_eq!(fields(update), ["update_mask"], "{paths:?}");
    }
    // What the mask does not name stays, whatever the message holds.
    let new = User {
        name: name.clone(),
        display_name: "Alice".to_owned(),
        email: "other@example.org".to_owned(),
        disabled: true,
        ..called("other")
    };
    let updated = setting.update(new, &["display_name"]).await.unwrap().user.unwrap();
    assert_eq!((updated.username.as_str(), updated.email.as_str()), ("alice", "a@example.org"));
    assert_eq!((updated.display_name.as_str(), updated.disabled), ("Alice", false));
    // One identifier must be left.
    let nobody = User { name: name.clone(), ..User::default() };
    assert_eq!(
        fields(setting.update(nobody.clone(), &["username", "email"]).await),
        ["update_mask"]
    );
    let updated = setting.update(nobody, &["username"]).await.unwrap().user.unwrap();
    assert_eq!((updated.username.as_str(), updated.email.as_str()), ("", "a@example.org"));
    login(&setting.served, "a@example.org").await;
    let taken = setting.update(User { name, ..called("ROOT") }, &["username"]).await;
    assert_eq!(reason(taken), is(Code::AlreadyExists, "ALREADY_EXISTS"));
    let unnamed = setting.update(called("x"), &["username"]).await;
    assert_eq!(fields(unnamed), ["user.name"]);
}

async fn vt_19_whoever_loses_a_role_keeps_the_session_and_no_token(engine: Engine) {
    let Some(mut setting) = Setting::new(engine).await else { return };
    let roles = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let editor = User { roles: roles(&["editor", "reader"]), ..called("alice") };
    let name = setting.create(editor).await.unwrap().name;
    let before = login(&setting.served, "alice").await;
    let reader = User { name: name.clone(), roles: roles(&["reader"]), ..User::default() };
    let lost = setting.update(reader, &["roles"]).await.unwrap();
    assert!(lost.revocation_seq > 0);
    assert!(!setting.is_active(&before.access_token).await);

    let mut client = setting.served.client().await;
    let refreshed = client.refresh(refresh_request(&before.refresh_token)).await.unwrap();
    let after = refreshed.into_inner().tokens.unwrap();
    let verdict = client.verify(about(&after.access_token)).await.unwrap().into_inner();
    assert_eq!(verdict.claims.unwrap().roles, ["reader"]);

    let more = User { name, roles: roles(&["reader", "writer"]), ..User::default() };
    assert_eq!(setting.update(more, &["roles"]).await.unwrap().revocation_seq, 0);
    assert!(setting.is_active(&after.access_token).await, "nothing was lost");
}

async fn ad_19_two_administrators_lose_nothing(engine: Engine) {
    let Some(mut setting) = Setting::new(engine).await else { return };
    let seen = setting.create(called("alice")).await.unwrap();
    let one = User { display_name: "One".to_owned(), ..seen.clone() };
    let other = User { display_name: "Other".to_owned(), ..seen };
    setting.update(one, &["display_name"]).await.unwrap();
    let late = setting.update(other.clone(), &["display_name"]).await;
    assert_eq!(reason(late), is(Code::Aborted, "CONFLICT"));
    let now = setting.get(&other.name).await.unwrap();
    assert_eq!(now.display_name, "One");
    let informed = User { display_name: "Other".to_owned(), ..now };
    setting.update(informed, &["display_name"]).await.unwrap();
    let odd = User { etag: "x".to_owned(), ..other };
    assert_eq!(reason(setting.update(odd, &["roles"]).await), is(Code::Aborted, "CONFLICT"));
}

async fn ad_22_s4_7_users_are_listed_page_by_page(engine: Engine) {
    let Some(mut setting) = Setting::new(engine).await else { return };
    for n in 0..7 {
        setting.create(called(&format!("user{n}"))).await.unwrap();
    }
    let (mut seen, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListUsersRequest { page_size: 3, page_token, ..Default::default() };
        let (page, next) = setting.list(request).await.unwrap();
        assert!((1..=3).contains(&page.len()));
        seen.extend(page);
        page_token = next;
        if page_token.is_empty() {
            break;
        }
    }
    seen.sort();
    let expected: Vec<_> =
        ["root"].into_iter().map(str::to_owned).chain((0..7).map(|n| format!("user{n}"))).collect();
    assert_eq!(seen, expected);
    let ask = |page_size, page_token: &str| ListUsersRequest {
        page_size,
        page_token: page_token.to_owned(),
        filter: String::new(),
    };
    assert_eq!(setting.list(ask(i32::MAX, "")).await.unwrap().0.len(), 8);
    assert_eq!(setting.list(ask(0, "")).await.unwrap().0.len(), 8);
    for negative in [-1, i32::MIN] {
        assert_eq!(fields(setting.list(ask(negative, "")).await), ["page_size"]);
    }
    let (_, token) = setting.list(ask(2, "")).await.unwrap();
    let other = ListUsersRequest { filter: "disabled = false".to_owned(), ..ask(2, &token) };
    assert_eq!(fields(setting.list(other).await), ["page_token"]);
    for foreign in ["x", "' OR 1=1 --", &token[1..], &format!("{token}A")] {
        assert_eq!(fields(setting.list(ask(2, foreign)).await), ["page_token"], "{foreign}");
    }
}

async fn ad_23_filters_find_what_they_say(engine: Engine) {
    let Some(mut setting) = Setting::new(engine).await else { return };
    for (name, role) in [("alice", "a_b"), ("bob", "axb"), ("carol", "reader")] {
        let user = User { roles: vec![role.to_owned(), "staff".to_owned()], ..called(name) };
        setting.create(user).await.unwrap();
    }
    let carol = setting.get("users/carol").await.unwrap().name;
    setting
        .users
        .disable_user(with_token(DisableUserRequest { name: carol }, &setting.root))
        .await
        .unwrap();
    for (filter, expected) in [
        ("roles:staff", &["alice", "bob", "carol"][..]),
        ("roles:\"a_b\"", &["alice"]),
        ("roles:staff AND disabled = true", &["carol"]),
        ("disabled=false AND roles:staff", &["alice", "bob"]),
        ("username = \"ALICE\"", &["alice"]),
        ("username = alice AND roles:axb", &[]),
        ("email = \"nobody@example.org\"", &[]),
        ("roles:staf", &[]),
    ] {
        let request = ListUsersRequest { filter: filter.to_owned(), ..Default::default() };
        let (mut found, next) = setting.list(request).await.unwrap();
        found.sort();
        assert_eq!(
            (found.as_slice(), next.as_str()),
            (&expected.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()[..], ""),
            "{filter}"
        );
    }
    let nested = "(".repeat(100_000);
    for bad in [
        "roles:%",
        "username = \"%\"",
        "roles = staff",
        "disabled = maybe",
        "password_hash = x",
        "disabled = true AND disabled = false",
        "a",
        "'; DROP TABLE users; --",
        &nested,
    ] {
        let request = ListUsersRequest { filter: bad.to_owned(), ..Default::default() };
        assert_eq!(fields(setting.list(request).await), ["filter"], "{bad:.40}");
    }
}

/// VT-11.
async fn sessions_are_listed_and_ended(engine: Engine) {
    let Some(mut setting) = Setting::new(engine).await else { return };
    let alice = setting.create(called("alice")).await.unwrap().name;
    let first = login(&setting.served, "alice").await;
    setting.served.clock.advance(std::time::Duration::from_secs(1));
    let second = login(&setting.served, "alice").await;
    let mut sessions = SessionServiceClient::new(setting.served.channel().await);
    let list = |page_token: String| ListSessionsRequest {
        parent: alice.clone(),
        page_size: 1,
        page_token,
    };
    let page = sessions
        .list_sessions(with_token(list(String::new()), &setting.root))
        .await
        .unwrap()
        .into_inner();
    let newest = page.sessions[0].clone();
    assert!(newest.name.starts_with(&format!("{alice}/sessions/")));
    let next = with_token(list(page.next_page_token), &setting.root);
    assert_eq!(sessions.list_sessions(next).await.unwrap().into_inner().sessions.len(), 1);

    let end = RevokeSessionRequest { name: newest.name.clone() };
    for _ in 0..2 {
        sessions.revoke_session(with_token(end.clone(), &setting.root)).await.unwrap();
    }
    assert!(setting.is_active(&first.access_token).await);
    assert!(!setting.is_active(&second.access_token).await);
    // A session of one user is none of another.
    let root = setting.get("users/root").await.unwrap().name;
    let foreign = RevokeSessionRequest { name: newest.name.replace(&alice, &root) };
    let answer = sessions.revoke_session(with_token(foreign, &setting.root)).await;
    assert_eq!(reason(answer), is(Code::NotFound, "NOT_FOUND"));
    let all = RevokeUserSessionsRequest { parent: alice };
    sessions.revoke_user_sessions(with_token(all, &setting.root)).await.unwrap();
    assert!(!setting.is_active(&first.access_token).await);
}

/// AD-25: no message of administration could carry a hash or a key out.
#[test]
fn ad_25_no_answer_has_a_field_for_a_secret() {
    use prost::Message as _;
    let files = prost_types::FileDescriptorSet::decode(tokenward::grpc::pb::FILE_DESCRIPTOR_SET);
    let files = files.unwrap().file;
    let admin = files.iter().filter(|file| file.package() == "tokenward.admin.v1");
    let mut looked_at = 0;
    for message in admin.flat_map(|file| &file.message_type) {
        if message.name().ends_with("Request") {
            continue;
        }
        for field in &message.field {
            looked_at += 1;
            let name = field.name();
            let secret = ["hash", "password", "private", "salt", "refresh_token", "access_token"];
            assert!(!secret.iter().any(|word| name.contains(word)), "{}.{name}", message.name());
        }
    }
    assert!(looked_at > 40, "{looked_at}");
}
