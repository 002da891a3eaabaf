//! The OAuth endpoints over real HTTP, as clients of any library meet them.

use std::time::Duration;

use serde_json::{Value, json};
use tokenward::{
    config::{Settings, Span},
    domain::clock::Clock as _,
    grpc::pb::auth::{LoginRequest, TokenPair},
    service::{Administrator, client_profile::ClientProfileRequest, clients::CreateClientRequest},
};

use super::{
    ISSUER,
    calls::{about, login_request, register},
    http::{ask, send},
    serve, usual,
};
use crate::{
    on_both_engines,
    support::{
        assertion::AssertionKey,
        http::{Answer, basic},
        served::Served,
        world::{Engine, PASSWORD, World},
    },
};

on_both_engines!(
    a_client_gets_tokens_in_each_way_that_is_advertised,
    what_a_token_is_for_can_be_chosen,
    refreshing_rotates_and_forgives,
    whoever_has_a_secret_needs_it_to_refresh,
    introspection_tells_what_a_token_says,
    vi_12_a_token_for_others_is_answered_as_garbage,
    revocation_ends_the_session,
    only_ones_own_tokens_are_revoked,
    an_outage_is_never_a_bad_client,
);

const TOKEN: &str = "/oauth2/token";
pub(super) const INTROSPECT: &str = "/oauth2/introspect";
const REVOKE: &str = "/oauth2/revoke";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

type Parameters<'a> = &'a [(&'a str, &'a str)];

/// A server with the client `worker` for "api" and "files", and its secret.
struct Setting {
    served: Served,
    secret: String,
}

impl Setting {
    async fn new(engine: Engine) -> Option<Self> {
        let served = serve(engine).await?;
        let profile = ClientProfileRequest {
            audiences: words("api files"),
            scopes: words("read write"),
            default_scopes: words("read"),
            ..ClientProfileRequest::default()
        };
        let secret = create(&served, "worker", profile).await;
        Some(Self { served, secret })
    }

    fn basic(&self) -> String {
        basic("worker", &self.secret)
    }

    /// A form of `worker`.
    async fn post(&self, path: &str, form: Parameters<'_>) -> Answer {
        post(&self.served, path, &self.basic(), form).await
    }

    /// What `worker` is told about a token.
    async fn introspect(&self, token: &str) -> Value {
        let answer = self.post(INTROSPECT, &[("token", token)]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        json_of(&answer)
    }

    async fn is_active(&self, token: &str) -> bool {
        let mut client = self.served.client().await;
        client.verify(about(token)).await.expect("a verdict").into_inner().active
    }

    /// Tokens of a user, on the default client or on another one.
    async fn login(&self, client_id: &str) -> TokenPair {
        let mut client = self.served.client().await;
        if client.login(login_request(PASSWORD)).await.is_err() {
            register(&mut client).await;
        }
        let request = LoginRequest {
            client_id: client_id.to_owned(),
            scope: String::new(),
            ..login_request(PASSWORD)
        };
        client.login(request).await.expect("logged in").into_inner().tokens.expect("tokens")
    }

    /// A token of `worker` itself.
    async fn own_token(&self) -> String {
        let answer = self.post(TOKEN, &[("grant_type", "client_credentials")]).await;
        text(&json_of(&answer), "access_token")
    }
}

async fn create(served: &Served, id: &str, profile: ClientProfileRequest) -> String {
    let new = CreateClientRequest { id: id.to_owned(), profile, with_secret: true };
    let made = served.auth.create_client(new, &Administrator::command_line()).await;
    made.expect("a new client").secret.expect("a secret").expose().to_owned()
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// A form as a client sends it.
pub(super) async fn post(
    served: &Served,
    path: &str,
    headers: &str,
    form: Parameters<'_>,
) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    post_text(served, path, headers, &body).await
}

async fn post_text(served: &Served, path: &str, headers: &str, body: &str) -> Answer {
    let headers = format!("Content-Type: application/x-www-form-urlencoded\r\n{headers}");
    let answer = send(served, "POST", path, &headers, body).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    assert!(answer.header("x-request-id").is_some(), "{path}");
    assert_eq!(answer.header("access-control-allow-origin"), None, "HT-09: {path}");
    answer
}

pub(super) fn json_of(answer: &Answer) -> Value {
    assert_eq!(answer.header("content-type"), Some("application/json"), "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("JSON: {}", answer.body))
}

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_else(|| panic!("{name}: {answer}")).to_owned()
}

fn names(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// Status and code of a refusal.
fn refusal(answer: &Answer) -> (u16, String) {
    let told = json_of(answer);
    assert_eq!(names(&told), ["error", "error_description"], "{told}");
    let challenge = answer.header("www-authenticate");
    let expected = (answer.status == 401).then_some(r#"Basic realm="tokenward""#);
    assert_eq!(challenge, expected, "{told}");
    (answer.status, text(&told, "error"))
}

fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

async fn a_client_gets_tokens_in_each_way_that_is_advertised(engine: Engine) {
    let Some(setting) = Setting::new(engine).await else { return };
    let served = &setting.served;
    let key = AssertionKey::new();
    let profile = ClientProfileRequest {
        audiences: words("api"),
        jwks_json: key.jwks(),
        ..ClientProfileRequest::default()
    };
    create(served, "signer", profile).await;
    let exp = served.clock.now().seconds() + 60;
    let signed = |jti| {
        key.sign(&json!({
            "iss": "signer", "sub": "signer", "aud": ISSUER, "exp": exp, "jti": jti,
        }))
    };
    let grant = ("grant_type", "client_credentials");
    let (secret, unnamed, named) = (setting.secret.as_str(), signed("a"), signed("b"));
    let by_assertion = ("client_assertion_type", JWT_BEARER);
    for (headers, form) in [
        (setting.basic(), &[grant][..]),
        (String::new(), &[grant, ("client_id", "worker"), ("client_secret", secret)]),
        (String::new(), &[grant, by_assertion, ("client_assertion", &unnamed)]),
        (
            String::new(),
            &[grant, by_assertion, ("client_assertion", &named), ("client_id", "signer")],
        ),
    ] {
        let answer = post(served, TOKEN, &headers, form).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("pragma"), Some("no-cache"));
        let told = json_of(&answer);
        assert_eq!(names(&told)[..3], ["access_token", "token_type", "expires_in"], "{told}");
        assert_eq!(told["token_type"], "Bearer");
        let lifetime = told["expires_in"].as_u64().expect("seconds");
        assert!((800..=900).contains(&lifetime), "{lifetime}");
        assert!(told.get("refresh_token").is_none(), "RFC 6749 section 4.4.3");
        assert!(setting.is_active(&text(&told, "access_token")).await);
    }
    let again = [grant, by_assertion, ("client_assertion", unnamed.as_str())];
    assert_eq!(refusal(&post(served, TOKEN, "", &again).await), is(401, "invalid_client"), "RF-01");
    setting.served.stop().await;
}

async fn what_a_token_is_for_can_be_chosen(engine: Engine) {
    let Some(setting) = Setting::new(engine).await else { return };
    let ask_for = async |form: Parameters<'_>| {
        let form = [&[("grant_type", "client_credentials")], form].concat();
        setting.post(TOKEN, &form).await
    };
    for (form, audience, scope) in [
        (&[][..], json!("api"), "read"),
        (&[("scope", "write read")], json!("api"), "write read"),
        (&[("resource", "files")], json!("files"), "read"),
        (&[("resource", "files"), ("resource", "api")], json!(["files", "api"]), "read"),
        (&[("audience", "api"), ("resource", "files")], json!(["files", "api"]), "read"),
        (&[("scope", ""), ("resource", ""), ("unknown", "x")], json!("api"), "read"),
    ] {
        let told = json_of(&ask_for(form).await);
        assert_eq!(told["scope"], scope, "{form:?}: {told}");
        let token = setting.introspect(&text(&told, "access_token")).await;
        assert_eq!((&token["aud"], &token["scope"]), (&audience, &json!(scope)), "{form:?}");
    }
    for (form, code) in [
        (("scope", "admin"), "invalid_scope"),
        (("scope", "read  write"), "invalid_scope"),
        (("scope", "\"read\""), "invalid_scope"),
        (("resource", "https://elsewhere.example"), "invalid_target"),
        (("audience", "two words"), "invalid_target"),
    ] {
        assert_eq!(refusal(&ask_for(&[form]).await), is(400, code), "{form:?}");
    }
    setting.served.stop().await;
}

async fn refreshing_rotates_and_forgives(engine: Engine) {
    let Some(setting) = Setting::new(engine).await else { return };
    let first = setting.login("").await.refresh_token;
    let refresh = async |token: &str, more: Parameters<'_>| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        let form = [&form, more].concat();
        post(&setting.served, TOKEN, "", &form).await
    };
    let web = [("client_id", "web")];
    let answer = refresh(&first, &web).await;
    let told = json_of(&answer);
    assert_eq!(
        names(&told),
        ["access_token", "token_type", "expires_in", "refresh_token", "scope"]
    );
    assert_eq!(told["scope"], "read");
    let second = text(&told, "refresh_token");
    assert_ne!(second, first);
    assert!(setting.is_active(&text(&told, "access_token")).await);
    // P4: an answer that was lost is given again.
    assert_eq!(refresh(&first, &web).await.body, answer.body);
    // RFC 6749 section 3.3: the answer says which scopes there are.
    let told = json_of(&refresh(&first, &[web[0], ("scope", "read write")]).await);
    assert_eq!((&told["scope"], told["refresh_token"] == second), (&json!("read"), true));

    let access = text(&told, "access_token");
    for (token, more, expected) in [
        (second.as_str(), &[][..], is(401, "invalid_client")),
        (&second, &[("client_id", "nobody")], is(401, "invalid_client")),
        (&second, &[("client_id", "Web")], is(401, "invalid_client")),
        (&second, &[web[0], ("client_secret", "guess")], is(401, "invalid_client")),
        (&second, &[web[0], ("scope", "a  b")], is(400, "invalid_scope")),
        (&second, &[web[0], ("resource", "api")], is(400, "invalid_target")),
        (&access, &web, is(400, "invalid_grant")),
        ("garbage", &web, is(400, "invalid_grant")),
        ("", &web, is(400, "invalid_request")),
    ] {
        assert_eq!(refusal(&refresh(token, more).await), expected, "{more:?}");
    }
    assert_eq!(refresh(&second, &web).await.status, 200, "nothing has happened to it");
    setting.served.stop().await;
}

/// RFC 6749 section 6.
async fn whoever_has_a_secret_needs_it_to_refresh(engine: Engine) {
    let Some(setting) = Setting::new(engine).await else { return };
    let served = &setting.served;
    let profile = ClientProfileRequest {
        audiences: words("api"),
        allow_login: true,
        ..ClientProfileRequest::default()
    };
    let secret = create(served, "site", profile).await;
    let token = setting.login("site").await.refresh_token;
    let form = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    let named = [&form[..], &[("client_id", "site")]].concat();
    for (headers, form, expected) in [
        (String::new(), &named[..], is(401, "invalid_client")),
        (basic("site", ""), &form, is(401, "invalid_client")),
        (basic("site", &setting.secret), &form, is(401, "invalid_client")),
        (String::new(), &[form[0], form[1], ("client_id", "web")], is(400, "invalid_grant")),
        (setting.basic(), &form, is(400, "unauthorized_client")),
    ] {
        assert_eq!(refusal(&post(served, TOKEN, &headers, form).await), expected, "{headers}");
    }
    let refreshed = post(served, TOKEN, &basic("site", &secret), &form).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.body);
    setting.served.stop().await;
}

async fn introspection_tells_what_a_token_says(engine: Engine) {
    let Some(setting) = Setting::new(engine).await else { return };
    let tokens = setting.login("").await;
    let told = setting.introspect(&tokens.access_token).await;
    assert_eq!(
        names(&told),
        [
            "active",
            "token_type",
            "scope",
            "client_id",
            "sub",
            "aud",
            "iss",
            "exp",
            "iat",
            "jti",
            "sid",
            "auth_time",
            "revocation_seq",
        ]
    );
    let facts = ["active", "token_type", "scope", "client_id", "aud", "iss"].map(|n| &told[n]);
    let expected = [
        &json!(true),
        &json!("Bearer"),
        &json!("read"),
        &json!("web"),
        &json!("api"),
        &json!(ISSUER),
    ];
    assert_eq!(facts, expected);
    assert!(told["exp"].as_i64() > told["iat"].as_i64());
    let own = setting.introspect(&setting.own_token().await).await;
    assert_eq!((&own["sub"], own.get("sid")), (&json!("worker"), None));

    let altered = format!("{}A", tokens.access_token);
    let long = "x".repeat(8193);
    for token in [tokens.refresh_token.as_str(), "garbage", "a.b.c", &altered, &long] {
        assert_eq!(setting.introspect(token).await, json!({ "active": false }));
    }
    let hint = [("token", tokens.access_token.as_str()), ("token_type_hint", "refresh_token")];
    assert_eq!(json_of(&setting.post(INTROSPECT, &hint).await), told, "a hint is no more than one");
    for (headers, expected) in [
        (String::new(), is(401, "invalid_client")),
        (basic("web", ""), is(401, "invalid_client")),
        (basic("worker", "guess"), is(401, "invalid_client")),
        (format!("Authorization: Bearer {}\r\n", tokens.access_token), is(401, "invalid_client")),
    ] {
        let answer = post(&setting.served, INTROSPECT, &headers, &hint).await;
        assert_eq!(refusal(&answer), expected, "{headers}");
    }
    assert_eq!(refusal(&setting.post(INTROSPECT, &[]).await), is(400, "invalid_request"));
    for number in ["x", "-1", "1.5", " 1", "99999999999999999999"] {
        let form = [hint[0], ("min_revocation_seq", number)];
        let answer = setting.post(INTROSPECT, &form).await;
        assert_eq!(refusal(&answer), is(400, "invalid_request"), "{number}");
        let description = text(&json_of(&answer), "error_description");
        assert!(description.contains("min_revocation_seq"), "{description}");
    }
    setting.served.stop().await;
}

/// A client that is not among those that a token is for learns no more of it
/// than of no token at all.
async fn vi_12_a_token_for_others_is_answered_as_garbage(engine: Engine) {
    let Some(setting) = Setting::new(engine).await else { return };
    let served = &setting.served;
    let elsewhere = |audience| ClientProfileRequest {
        audiences: words(audience),
        ..ClientProfileRequest::default()
    };
    let billing = basic("billing", &create(served, "billing", elsewhere("billing")).await);
    let api = basic("api", &create(served, "api", elsewhere("other")).await);
    let token = setting.login("").await.access_token;
    let garbage = post(served, INTROSPECT, &billing, &[("token", "garbage")]).await;
    assert_eq!((garbage.status, garbage.body.as_str()), (200, r#"{"active":false}"#));
    let answer = post(served, INTROSPECT, &billing, &[("token", &token)]).await;
    assert_eq!((answer.status, &answer.body), (200, &garbage.body));
    assert_eq!(answer.header_names(), garbage.header_names());
    // One whose name is the audience is meant, whatever it may ask for.
    let answer = post(served, INTROSPECT, &api, &[("token", &token)]).await;
    assert_eq!(json_of(&answer)["active"], true);
    setting.served.stop().await;
}

async fn revocation_ends_the_session(engine: Engine) {
    let Some(setting) = Setting::new(engine).await else { return };
    let revoke = async |token: &str| {
        let form = [("token", token), ("client_id", "web"), ("token_type_hint", "nonsense")];
        let answer = post(&setting.served, REVOKE, "", &form).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{token}");
    };
    for by_refresh_token in [true, false] {
        let tokens = setting.login("").await;
        assert_eq!(setting.introspect(&tokens.access_token).await["active"], true);
        revoke(if by_refresh_token { &tokens.refresh_token } else { &tokens.access_token }).await;
        let told = setting.introspect(&tokens.access_token).await;
        assert_eq!(told, json!({ "active": false }), "P1");
        assert!(!setting.is_active(&tokens.access_token).await);
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", tokens.refresh_token.as_str()),
            ("client_id", "web"),
        ];
        let refreshed = post(&setting.served, TOKEN, "", &form).await;
        assert_eq!(refusal(&refreshed), is(400, "invalid_grant"), "P2");
        revoke(&tokens.refresh_token).await;
    }
    for never_ours in ["garbage", "a.b.c"] {
        revoke(never_ours).await;
    }
    setting.served.stop().await;
}

async fn only_ones_own_tokens_are_revoked(engine: Engine) {
    let Some(setting) = Setting::new(engine).await else { return };
    let tokens = setting.login("").await;
    for token in [&tokens.access_token, &tokens.refresh_token] {
        let answer = setting.post(REVOKE, &[("token", token)]).await;
        assert_eq!(refusal(&answer), is(400, "invalid_grant"), "RFC 7009 section 2.1");
    }
    assert!(setting.is_active(&tokens.access_token).await);
    let own = setting.own_token().await;
    let answer = setting.post(REVOKE, &[("token", &own)]).await;
    assert_eq!(refusal(&answer), is(400, "unsupported_token_type"));
    assert!(setting.is_active(&own).await);
    for (headers, form, expected) in [
        (String::new(), &[("token", own.as_str())][..], is(401, "invalid_client")),
        (String::new(), &[("token", &own), ("client_id", "worker")], is(401, "invalid_client")),
        (basic("worker", "guess"), &[("token", &own)], is(401, "invalid_client")),
        (setting.basic(), &[], is(400, "invalid_request")),
    ] {
        let answer = post(&setting.served, REVOKE, &headers, form).await;
        assert_eq!(refusal(&answer), expected);
    }
    // When its time is over, there is nothing left to refuse.
    setting.served.clock.advance(Duration::from_hours(1));
    let answer = setting.post(REVOKE, &[("token", &own)]).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    setting.served.stop().await;
}

async fn an_outage_is_never_a_bad_client(engine: Engine) {
    let Some(setting) = Setting::new(engine).await else { return };
    let tokens = setting.login("").await;
    setting.served.store.close().await;
    let token = ("token", tokens.access_token.as_str());
    let refresh = ("refresh_token", tokens.refresh_token.as_str());
    for (path, form) in [
        (TOKEN, &[("grant_type", "client_credentials")][..]),
        (TOKEN, &[("grant_type", "refresh_token"), refresh]),
        (INTROSPECT, &[token]),
        (REVOKE, &[token]),
    ] {
        let answer = setting.post(path, form).await;
        assert_eq!(refusal(&answer), is(503, "temporarily_unavailable"), "{path}");
        assert_eq!(answer.header("retry-after"), Some("1"), "{path}");
    }
}

#[tokio::test]
async fn requests_that_break_rules_are_told_so() {
    let setting = Setting::new(Engine::Sqlite).await.unwrap();
    let served = &setting.served;
    let worker = setting.basic();
    let grant = "grant_type=client_credentials";
    let twice = format!("{grant}&{grant}");
    let long = format!("{grant}&x={}", "y".repeat(64 * 1024));
    let secret_too = format!("{grant}&client_secret={}", setting.secret);
    for (body, expected) in [
        ("", is(400, "invalid_request")),
        ("scope=read", is(400, "invalid_request")),
        ("grant_type=", is(400, "invalid_request")),
        ("grant_type=password&username=a&password=b", is(400, "unsupported_grant_type")),
        ("grant_type=authorization_code&code=x", is(400, "unsupported_grant_type")),
        (&twice, is(400, "invalid_request")),
        ("grant_type=%ff", is(400, "invalid_request")),
        (&secret_too, is(400, "invalid_request")),
        (&long, is(413, "invalid_request")),
    ] {
        let answer = post_text(served, TOKEN, &worker, body).await;
        assert_eq!(refusal(&answer), expected, "{body:.60}");
    }
    for kind in ["", "Content-Type: application/json\r\n", "Content-Type: text/plain\r\n"] {
        let answer = send(served, "POST", TOKEN, &format!("{kind}{worker}"), grant).await;
        assert_eq!(refusal(&answer), is(415, "invalid_request"), "{kind}");
    }
    setting.served.stop().await;
}

/// HT-03; and what stands in the URL goes into the logs of proxies, so it is
/// not read (RFC 6749 section 2.3.1).
#[tokio::test]
async fn ht_03_only_posts_are_answered_and_only_bodies_read() {
    let setting = Setting::new(Engine::Sqlite).await.unwrap();
    for path in [TOKEN, INTROSPECT, REVOKE] {
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
            let answer = ask(&setting.served, method, path, "").await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}");
        }
        let query = "grant_type=client_credentials&token=a.b.c";
        let path = format!("{path}?{query}");
        let answer = setting.post(&path, &[]).await;
        assert_eq!(refusal(&answer), is(400, "invalid_request"), "{path}");
        let path = format!("{path}&client_id=worker&client_secret={}", setting.secret);
        let answer = post_text(&setting.served, &path, "", query).await;
        assert_eq!(refusal(&answer), is(401, "invalid_client"), "{path}");
    }
    setting.served.stop().await;
}

/// HT-11: the rest of a form that does not come is not waited for.
#[tokio::test]
async fn ht_11_half_a_form_ends_in_time() {
    let hasty = |settings: &mut Settings| {
        usual(settings);
        settings.http.request_timeout = Span(Duration::from_millis(100));
    };
    let served = World::with(Engine::Sqlite, hasty).await.unwrap().serve().await;
    let headers = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n";
    let answer = ask(&served, "POST", TOKEN, headers).await;
    assert_eq!((answer.status, answer.header("cache-control")), (503, Some("no-store")));
    served.stop().await;
}

/// Each endpoint of the metadata is where they say, for an issuer with a path.
#[tokio::test]
async fn ht_15_the_metadata_name_what_is_served() {
    let with_path = |settings: &mut Settings| {
        usual(settings);
        "https://example.org/a".clone_into(&mut settings.issuer);
    };
    let served = World::with(Engine::Sqlite, with_path).await.unwrap().serve().await;
    let metadata =
        json_of(&ask(&served, "GET", "/.well-known/oauth-authorization-server/a", "").await);
    let endpoints = names(&metadata).into_iter().filter(|name| name.ends_with("_endpoint"));
    let endpoints: Vec<_> = endpoints.collect();
    assert_eq!(endpoints, ["token_endpoint", "introspection_endpoint", "revocation_endpoint"]);
    for name in endpoints {
        let url = text(&metadata, name);
        let path = url.strip_prefix("https://example.org").expect("the issuer's");
        let root = path.strip_prefix("/a").expect("the issuer's path");
        for path in [path, root] {
            let answer = post(&served, path, "", &[]).await;
            assert_eq!(refusal(&answer), is(401, "invalid_client"), "{path}");
        }
    }
    for (name, value) in metadata.as_object().expect("an object") {
        assert!(value.as_array().is_none_or(|list| !list.is_empty()), "{name}");
    }
    served.stop().await;
}
