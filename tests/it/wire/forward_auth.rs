//! `/auth/verify`, as gateways ask it.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokenward::{
    config::{Settings, Words},
    domain::{id::UserId, password::Password},
    grpc::pb::auth::{IssueClientTokenRequest, issue_client_token_request::Credentials},
    service::{
        Administrator, Caller, login::LoggedIn, profile::ProfileRequest, users::CreateUserRequest,
    },
};

use super::{clients::worker, http::ask, serve_without_log, usual};
use crate::{
    on_both_engines,
    support::{
        http::Answer,
        served::Served,
        world::{Engine, PASSWORD, World, login_request},
    },
};

const VERIFY: &str = "/auth/verify";
/// Those that gateways put in place of a client's own.
pub(super) const IDENTITY: [&str; 9] = [
    "x-auth-subject",
    "x-auth-client-id",
    "x-auth-session-id",
    "x-auth-audience",
    "x-auth-scope",
    "x-auth-roles",
    "x-auth-name",
    "x-auth-email",
    "x-auth-expires",
];

/// The headers and the scheme of the seed systems.
pub(super) fn configured(settings: &mut Settings) {
    usual(settings);
    let words = |texts: &[&str]| Words(texts.iter().map(|text| (*text).to_owned()).collect());
    settings.gateway.schemes = words(&["Bearer", "JWT"]);
    settings.gateway.token_headers = words(&["tsessionid", "X-Access-Token"]);
}

/// A server with a user who has logged in.
pub(super) struct Setting {
    pub(super) served: Served,
    pub(super) user: UserId,
    pub(super) login: LoggedIn,
}

impl Setting {
    pub(super) async fn new(engine: Engine, change: impl FnOnce(&mut Settings)) -> Option<Self> {
        let world = World::with(engine, change).await?;
        let profile = ProfileRequest {
            username: "alice".to_owned(),
            email: "alice@example.org".to_owned(),
            display_name: "Álice".to_owned(),
            roles: vec!["editor".to_owned(), "reader".to_owned()],
            ..ProfileRequest::default()
        };
        let password = Some(Password::parse(PASSWORD.to_owned()));
        let new = CreateUserRequest { profile, password };
        let user = world.auth().create_user(new, &Administrator::command_line()).await.unwrap();
        let request = login_request("alice", PASSWORD);
        let login = world.auth().login(request, &Caller::default()).await.unwrap();
        Some(Self { served: world.serve().await, user, login })
    }

    pub(super) fn access(&self) -> &str {
        self.login.tokens.access_token.expose_secret()
    }

    fn refresh(&self) -> &str {
        self.login.tokens.refresh_token.as_ref().unwrap().expose_secret()
    }

    /// With the access token as bearer.
    async fn ask(&self, query: &str) -> Answer {
        let headers = format!("Authorization: Bearer {}\r\n", self.access());
        ask(&self.served, "GET", &format!("{VERIFY}{query}"), &headers).await
    }
}

/// Status, reason, and the challenge without its description.
pub(super) fn told(answer: &Answer) -> (u16, &str, String) {
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    let realm = format!("Bearer realm=\"{}\"", super::ISSUER);
    let rest = challenge.strip_prefix(&realm).unwrap_or(challenge);
    let rest = rest.split(", error_description=").next().unwrap_or_default();
    let reason = answer.header("x-auth-reason").unwrap_or_default();
    (answer.status, reason, rest.trim_start_matches(", ").to_owned())
}

on_both_engines!(
    s0_4_a_disabled_user_is_refused_without_a_look_at_the_database,
    s0_4_a_deleted_user_is_refused,
);

/// GT-27, HT-07: what a client says of itself is overwritten, and what
/// proxies say of the request changes nothing.
#[tokio::test]
async fn s0_2_s2_7_s4_6_gt_27_ht_07_who_it_is_stands_in_headers_that_are_always_there() {
    let setting = Setting::new(Engine::Sqlite, configured).await.unwrap();
    let poison = "X-Auth-Subject: admin\r\nX-Auth-Roles: root\r\nX-Forwarded-Host: evil\r\n\
                  X-Original-URL: /livez\r\nX-Forwarded-For: 127.0.0.1\r\nCookie: a=1; b=2\r\n";
    let token = setting.access();
    for credential in [
        format!("Authorization: Bearer {token}"),
        format!("authorization: jwt {token}"),
        format!("tsessionid: {token}"),
        format!("X-ACCESS-TOKEN: {token}"),
    ] {
        let headers = format!("{credential}\r\n{poison}");
        let answer = ask(&setting.served, "GET", VERIFY, &headers).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{credential}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("strict-transport-security"), None, "HT-18: without TLS");
        let said = IDENTITY.map(|name| answer.header(name).unwrap_or("absent").to_owned());
        let expires_at = setting.login.tokens.expires_at.seconds().to_string();
        let expected = [
            setting.user.to_string(),
            "web".to_owned(),
            setting.login.session_id.to_string(),
            "api".to_owned(),
            "read".to_owned(),
            "editor reader".to_owned(),
            "%C3%81lice".to_owned(),
            "alice@example.org".to_owned(),
            expires_at,
        ];
        assert_eq!(said, expected);
        assert_eq!(answer.header("x-auth-cookie"), Some("a=1; b=2"));
    }
}

/// What there is nothing to say about is empty, so that nothing stays there.
#[tokio::test]
async fn gt_27_the_headers_of_a_client_are_there_too() {
    let world = World::with(Engine::Sqlite, configured).await.unwrap();
    let served = world.serve().await;
    let secret = worker(&served).await;
    let request = IssueClientTokenRequest {
        client_id: "worker".to_owned(),
        credentials: Some(Credentials::ClientSecret(secret)),
        ..IssueClientTokenRequest::default()
    };
    let issued = served.client().await.issue_client_token(request).await.unwrap().into_inner();
    let headers = format!("Authorization: Bearer {}\r\n", issued.tokens.unwrap().access_token);
    let answer = ask(&served, "GET", VERIFY, &headers).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-auth-subject"), Some("worker"));
    for empty in ["session-id", "scope", "roles", "name", "email", "cookie"] {
        assert_eq!(answer.header(&format!("x-auth-{empty}")), Some(""), "{empty}");
    }
}

#[tokio::test]
async fn s0_5_s1_4_s1_7_s2_8_every_refusal_says_what_it_is() {
    let setting = Setting::new(Engine::Sqlite, configured).await.unwrap();
    let (access, refresh) = (setting.access(), setting.refresh());
    let invalid_token = "error=\"invalid_token\"";
    let invalid_request = "error=\"invalid_request\"";
    for (headers, expected) in [
        (String::new(), (401, "MISSING_TOKEN", "")),
        ("Authorization: Basic dTpw\r\n".to_owned(), (401, "MISSING_TOKEN", "")),
        ("Authorization: JWT\r\n".to_owned(), (401, "MALFORMED_CREDENTIALS", invalid_request)),
        (format!("Authorization: {access}\r\n"), (401, "MALFORMED_CREDENTIALS", invalid_request)),
        (
            format!("Authorization: Bearer {access}\r\ntsessionid: {access}\r\n"),
            (401, "MALFORMED_CREDENTIALS", invalid_request),
        ),
        ("tsessionid: garbage\r\n".to_owned(), (401, "INVALID", invalid_token)),
        (format!("tsessionid: {}\r\n", "x".repeat(8193)), (401, "INVALID", invalid_token)),
        (format!("Authorization: Bearer {refresh}\r\n"), (403, "WRONG_TYPE", invalid_token)),
    ] {
        let answer = ask(&setting.served, "GET", VERIFY, &headers).await;
        let (status, reason, challenge) = expected;
        assert_eq!(told(&answer), (status, reason, challenge.to_owned()), "{headers}");
        assert!(answer.body.contains(&format!(r#""reason":"{reason}""#)), "{}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-auth-subject"), None);
    }
    setting.served.advance(Duration::from_mins(15)).await;
    let answer = setting.ask("").await;
    assert_eq!(told(&answer), (401, "EXPIRED", invalid_token.to_owned()), "S0.5");
}

#[tokio::test]
async fn s1_8_a_route_asks_for_audience_scopes_and_roles() {
    let setting = Setting::new(Engine::Sqlite, configured).await.unwrap();
    for good in [
        "?aud=api",
        "?scope=read",
        "?role=editor&role=reader",
        "?aud=api&scope=read&role=editor%20reader",
        "?role=editor+reader",
        "?",
    ] {
        assert_eq!(setting.ask(good).await.status, 200, "{good}");
    }
    let scope = |scope: &str| format!("error=\"insufficient_scope\", scope=\"{scope}\"");
    for (query, reason, challenge) in [
        ("?aud=other", "WRONG_AUDIENCE", "error=\"invalid_token\"".to_owned()),
        ("?scope=write", "MISSING_SCOPE", scope("write")),
        ("?scope=read&scope=write", "MISSING_SCOPE", scope("read write")),
        ("?role=admin", "MISSING_ROLE", "error=\"insufficient_scope\"".to_owned()),
        ("?scope=read&role=admin", "MISSING_ROLE", scope("read")),
    ] {
        assert_eq!(told(&setting.ask(query).await), (403, reason, challenge), "{query}");
    }
    for misconfigured in ["?audience=api", "?aud=", "?scope=", "?aud=api&aud=api", "?x", "?role=A"]
    {
        let answer = setting.ask(misconfigured).await;
        assert_eq!(told(&answer), (400, "INVALID_ARGUMENT", String::new()), "{misconfigured}");
    }
}

/// Gateways ask with any method, and may promise a body that never comes.
#[tokio::test]
async fn any_method_is_answered_and_no_body_is_waited_for() {
    let setting = Setting::new(Engine::Sqlite, configured).await.unwrap();
    let bearer = format!("Authorization: Bearer {}\r\n", setting.access());
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let body = "Content-Type: application/json\r\nContent-Length: 1000000\r\n";
        let body = if method == "GET" { "" } else { body };
        let answer = ask(&setting.served, method, VERIFY, &format!("{bearer}{body}")).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{method}");
        let answer = ask(&setting.served, method, VERIFY, "").await;
        assert_eq!(answer.status, 401, "{method}");
    }
}

/// The cookie is a credential only where browsers log in.
#[tokio::test]
async fn without_browser_sessions_there_is_no_cookie_and_no_session() {
    let setting = Setting::new(Engine::Sqlite, configured).await.unwrap();
    let cookie = format!("Cookie: __Host-tokenward={}\r\n", setting.access());
    let answer = ask(&setting.served, "GET", VERIFY, &cookie).await;
    assert_eq!(told(&answer).1, "MISSING_TOKEN");
    for (method, path) in
        [("POST", "/session"), ("DELETE", "/session"), ("POST", "/session/logout")]
    {
        assert_eq!(ask(&setting.served, method, path, "").await.status, 404);
    }
}

/// An outage of ours is no bad token: gateways must be able to tell.
#[tokio::test]
async fn s2_8_an_outage_is_503_and_says_when_to_come_again() {
    let served = serve_without_log(Engine::Sqlite).await.unwrap();
    let answer = ask(&served, "GET", VERIFY, "Authorization: Bearer x\r\n").await;
    assert_eq!(told(&answer), (503, "NOT_READY", String::new()));
    assert_eq!(answer.header("retry-after"), Some("1"));
    served.show_log().await;
    let answer = ask(&served, "GET", VERIFY, "Authorization: Bearer x\r\n").await;
    assert_eq!(answer.status, 401);
}

async fn s0_4_a_disabled_user_is_refused_without_a_look_at_the_database(engine: Engine) {
    let Some(setting) = Setting::new(engine, configured).await else { return };
    assert_eq!(setting.ask("").await.status, 200);
    let admin = Administrator::command_line();
    setting.served.auth.disable_user(setting.user, &admin).await.unwrap();
    setting.served.store.close().await;
    assert_eq!(told(&setting.ask("").await).1, "REVOKED");
}

async fn s0_4_a_deleted_user_is_refused(engine: Engine) {
    let Some(setting) = Setting::new(engine, configured).await else { return };
    let admin = Administrator::command_line();
    setting.served.auth.delete_user(setting.user, &admin).await.unwrap();
    let challenge = "error=\"invalid_token\"".to_owned();
    assert_eq!(told(&setting.ask("").await), (401, "REVOKED", challenge));
}
