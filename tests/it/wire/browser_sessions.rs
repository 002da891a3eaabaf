//! Browser sessions over real sockets: the form, the cookie, its renewal, its
//! end, and what other sites cannot do with it.

use std::time::Duration;

use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokenward::{
    config::{Settings, Span, Words},
    grpc::pb::{
        auth::{InactiveReason, RefreshRequest},
        envoy::service::auth::v3::authorization_client::AuthorizationClient,
    },
    service::Administrator,
};

use super::{
    ISSUER,
    calls::about,
    ext_authz::{self, allowed, denied, question},
    forward_auth::{Setting, configured, told},
    http::ask,
    told::reason,
};
use crate::{
    on_both_engines,
    support::{
        http::{self, Answer},
        world::{Engine, PASSWORD},
    },
};

const NAME: &str = "__Host-tokenward";
const JSON: &str = "Content-Type: application/json\r\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

on_both_engines!(
    s3_4_the_cookie_slides_while_it_is_used,
    s3_4_requests_at_the_half_life_all_succeed,
    s3_5_logging_out_clears_the_cookie_and_ends_the_session,
    what_the_store_knows_better_ends_the_renewals,
    without_the_database_a_good_cookie_stays_good,
);

fn browsing(settings: &mut Settings) {
    configured(settings);
    settings.browser.enabled = true;
    // However slow the machine is.
    settings.browser.renewal_wait = Span(Duration::from_secs(5));
}

async fn setting(engine: Engine) -> Option<Setting> {
    Setting::new(engine, browsing).await
}

fn form(fields: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    form.finish()
}

impl Setting {
    async fn post(&self, path: &str, headers: &str, body: &str) -> Answer {
        http::send(self.served.http, "POST", path, headers, body).await
    }

    async fn log_in(&self, password: &str) -> Answer {
        let body = json!({ "identifier": "alice", "password": password }).to_string();
        self.post("/session", JSON, &body).await
    }

    /// A new session's cookie, as `name=value`.
    async fn cookie(&self) -> String {
        cookie_of(&self.log_in(PASSWORD).await)
    }

    async fn with_cookie(&self, cookie: &str, headers: &str) -> Answer {
        let headers = format!("Cookie: {cookie}\r\n{headers}");
        ask(&self.served, "GET", "/auth/verify", &headers).await
    }
}

/// The cookie that an answer sets, as it comes back.
fn cookie_of(answer: &Answer) -> String {
    let line = answer.header("set-cookie").expect("a cookie");
    line.split(';').next().unwrap().to_owned()
}

fn token_of(cookie: &str) -> &str {
    cookie.split_once('=').unwrap().1
}

#[tokio::test]
async fn s3_3_a_script_logs_in_and_gets_no_token_but_a_cookie() {
    let setting = setting(Engine::Sqlite).await.unwrap();
    let answer = setting.log_in(PASSWORD).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let line = answer.header("set-cookie").unwrap();
    let (pair, attributes) = line.split_once("; ").unwrap();
    assert!(pair.starts_with(&format!("{NAME}=ey")), "{line}");
    let max_age = attributes.split("; ").nth(1).unwrap().strip_prefix("Max-Age=").unwrap();
    let max_age: u32 = max_age.parse().unwrap();
    assert!((3400..=3600).contains(&max_age), "{line}");
    let expected = format!("Path=/; Max-Age={max_age}; HttpOnly; Secure; SameSite=Lax");
    assert_eq!(attributes, expected);
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["session_id", "user_id", "expires_at"]);
    assert_eq!(body["user_id"], setting.user.to_string());

    let cookies = format!("theme=dark; {pair}; lang=de");
    let verified = setting.with_cookie(&cookies, "").await;
    assert_eq!(verified.status, 200);
    assert_eq!(verified.header("x-auth-subject"), Some(setting.user.to_string().as_str()));
    assert_eq!(verified.header("x-auth-session-id"), body["session_id"].as_str());
    assert_eq!(verified.header("x-auth-roles"), Some("editor reader"));
    let rest = Some("theme=dark; lang=de");
    assert_eq!(verified.header("x-auth-cookie"), rest, "never forwarded upstream");
    assert_eq!(verified.header("set-cookie"), None, "it is new");
    let needed = format!("Cookie: {pair}\r\n");
    let other = ask(&setting.served, "GET", "/auth/verify?scope=write", &needed).await;
    assert_eq!(told(&other).1, "MISSING_SCOPE");
}

#[tokio::test]
async fn s3_3_a_form_leads_to_a_page_of_the_same_site() {
    let setting = setting(Engine::Sqlite).await.unwrap();
    let fields = [("identifier", "alice"), ("password", PASSWORD)];
    let returning = [&fields[..], &[("return_to", "/inbox?x=1"), ("submit", "Log in")]].concat();
    for (fields, page) in [(&fields[..], "/"), (&returning, "/inbox?x=1")] {
        let answer = setting.post("/session", FORM, &form(fields)).await;
        assert_eq!((answer.status, answer.body.as_str()), (303, ""));
        assert_eq!(answer.header("location"), Some(page));
        assert_eq!(setting.with_cookie(&cookie_of(&answer), "").await.status, 200);
    }
    let wrong = [("identifier", "alice"), ("password", "wrong"), ("error_to", "/login?a=1")];
    let answer = setting.post("/session", FORM, &form(&wrong)).await;
    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("location"), Some("/login?a=1&error=INVALID_CREDENTIALS"));
    assert_eq!(answer.header("set-cookie"), None);
    for elsewhere in ["https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil"] {
        for name in ["return_to", "error_to"] {
            let fields = [&fields[..], &[(name, elsewhere)]].concat();
            let answer = setting.post("/session", FORM, &form(&fields)).await;
            assert_eq!(answer.status, 400, "{name}={elsewhere}");
            assert_eq!(answer.header("location"), None);
            assert_eq!(answer.header("set-cookie"), None);
        }
    }
}

#[tokio::test]
async fn s2_8_a_login_that_fails_says_no_more_than_over_grpc() {
    let setting = setting(Engine::Sqlite).await.unwrap();
    let wrong = setting.log_in("wrong").await;
    assert_eq!(told(&wrong), (401, "INVALID_CREDENTIALS", String::new()));
    let nobody = json!({ "identifier": "nobody", "password": PASSWORD }).to_string();
    let nobody = setting.post("/session", JSON, &nobody).await;
    assert_eq!(told(&nobody), told(&wrong));
    assert_eq!(nobody.body, wrong.body, "LG-01");
    for (headers, body, status) in [
        (JSON, "", 400),
        (JSON, "[]", 400),
        (JSON, r#"{"identifier":"a","identifier":"alice","password":"x"}"#, 400),
        (JSON, r#"{"identifier":"alice"}"#, 400),
        (JSON, r#"{"identifier":"alice","password":1}"#, 400),
        (FORM, "identifier=a&identifier=alice&password=x", 400),
        (FORM, "identifier=a&password=%ff", 400),
        (FORM, "", 400),
        ("Content-Type: text/plain\r\n", r#"{"identifier":"alice","password":"x"}"#, 415),
        ("", r#"{"identifier":"alice","password":"x"}"#, 415),
        (JSON, &"x".repeat(64 * 1024 + 1), 413),
    ] {
        let answer = setting.post("/session", headers, body).await;
        assert_eq!(answer.status, status, "{headers}{body:.60}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    for _ in 0..5 {
        setting.log_in("wrong").await;
    }
    let throttled = setting.log_in(PASSWORD).await;
    assert_eq!(told(&throttled), (429, "LOGIN_THROTTLED", String::new()));
    assert!(throttled.header("retry-after").is_some());
    setting.served.store.close().await;
    let outage = setting.log_in(PASSWORD).await;
    assert_eq!(told(&outage), (503, "DATABASE_UNAVAILABLE", String::new()));
    assert_eq!(outage.header("retry-after"), Some("1"));
}

/// Three kinds of tokens, and none is good for the use of another.
#[tokio::test]
async fn s1_4_the_cookie_is_a_credential_nowhere_else() {
    let setting = setting(Engine::Sqlite).await.unwrap();
    let cookie = setting.cookie().await;
    let token = token_of(&cookie);
    for header in ["Authorization: Bearer", "tsessionid:"] {
        let headers = format!("{header} {token}\r\n");
        let answer = ask(&setting.served, "GET", "/auth/verify", &headers).await;
        assert_eq!(told(&answer).1, "WRONG_TYPE", "{header}");
    }
    let mut client = setting.served.client().await;
    let verdict = client.verify(about(token)).await.unwrap().into_inner();
    assert_eq!(verdict.reason(), InactiveReason::WrongType);
    assert!(verdict.claims.is_none());
    let refresh = RefreshRequest { refresh_token: token.to_owned(), ..RefreshRequest::default() };
    assert_eq!(reason(client.refresh(refresh).await).1, "WRONG_TYPE");
    let tokens = &setting.login.tokens;
    for other in [Some(&tokens.access_token), tokens.refresh_token.as_ref()] {
        let cookie = format!("{NAME}={}", other.unwrap().expose_secret());
        let answer = setting.with_cookie(&cookie, "").await;
        assert_eq!((answer.status, told(&answer).1), (403, "WRONG_TYPE"));
        assert_eq!(answer.header("set-cookie"), None);
    }
    let explicit = format!("Authorization: Bearer {}\r\n", setting.access());
    let both = setting.with_cookie(&cookie, &explicit).await;
    let session = setting.login.session_id.to_string();
    assert_eq!(both.header("x-auth-session-id"), Some(session.as_str()), "explicit goes before");
    assert_eq!(both.header("x-auth-cookie"), Some(""));
}

async fn s3_4_the_cookie_slides_while_it_is_used(engine: Engine) {
    let Some(setting) = setting(engine).await else { return };
    let mut cookie = setting.cookie().await;
    let unused = setting.cookie().await;
    // Its life is up to a twentieth shorter, by chance: 24 and 31 are within.
    setting.served.advance(Duration::from_mins(24)).await;
    assert_eq!(setting.with_cookie(&cookie, "").await.header("set-cookie"), None, "too early");
    for _ in 0..3 {
        setting.served.advance(Duration::from_mins(31)).await;
        let answer = setting.with_cookie(&cookie, "").await;
        assert_eq!(answer.status, 200);
        let renewed = cookie_of(&answer);
        assert_ne!(renewed, cookie);
        cookie = renewed;
    }
    let idle = setting.with_cookie(&unused, "").await;
    assert_eq!((idle.status, told(&idle).1), (401, "EXPIRED"));
    setting.served.advance(Duration::from_mins(61)).await;
    let answer = setting.with_cookie(&cookie, "").await;
    assert_eq!((answer.status, told(&answer).1), (401, "EXPIRED"));
    assert_eq!(answer.header("set-cookie"), None, "the browser forgets it by itself");
}

#[tokio::test]
async fn s3_4_no_renewal_outlives_the_session() {
    let short = |settings: &mut Settings| {
        browsing(settings);
        settings.tokens.session_lifetime = Span(Duration::from_mins(80));
    };
    let setting = Setting::new(Engine::Sqlite, short).await.unwrap();
    let cookie = setting.cookie().await;
    setting.served.advance(Duration::from_mins(40)).await;
    let answer = setting.with_cookie(&cookie, "").await;
    assert!(answer.header("set-cookie").unwrap().contains("; Max-Age=2400; "), "40 minutes left");
    let last = cookie_of(&answer);
    setting.served.advance(Duration::from_mins(39)).await;
    let answer = setting.with_cookie(&last, "").await;
    assert_eq!((answer.status, answer.header("set-cookie")), (200, None), "nothing can be won");
    setting.served.advance(Duration::from_mins(1)).await;
    assert_eq!(told(&setting.with_cookie(&last, "").await).1, "EXPIRED");
}

async fn s3_4_requests_at_the_half_life_all_succeed(engine: Engine) {
    let Some(setting) = setting(engine).await else { return };
    let cookie = setting.cookie().await;
    setting.served.advance(Duration::from_mins(31)).await;
    let answers = join_all((0..16).map(|_| setting.with_cookie(&cookie, ""))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let renewed = answers.iter().find(|answer| answer.header("set-cookie").is_some());
    let renewed = cookie_of(renewed.expect("at least one of them is renewed"));
    assert_eq!(setting.with_cookie(&renewed, "").await.status, 200);
    assert_eq!(setting.with_cookie(&cookie, "").await.status, 200, "the old one lives on");
}

async fn s3_5_logging_out_clears_the_cookie_and_ends_the_session(engine: Engine) {
    let Some(setting) = setting(engine).await else { return };
    let cleared = format!("{NAME}=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax");
    for (method, path, status, page) in [
        ("DELETE", "/session", 204, None),
        ("POST", "/session/logout", 303, Some("/")),
        ("POST", "/session/logout", 303, Some("/bye")),
    ] {
        let cookie = setting.cookie().await;
        let headers = format!("Cookie: {cookie}\r\n{FORM}");
        let body = page.map(|page| form(&[("return_to", page)])).unwrap_or_default();
        let answer = http::send(setting.served.http, method, path, &headers, &body).await;
        assert_eq!((answer.status, answer.header("location")), (status, page), "{path}");
        assert_eq!(answer.header("set-cookie"), Some(cleared.as_str()));
        let after = setting.with_cookie(&cookie, "").await;
        assert_eq!((after.status, told(&after).1), (401, "REVOKED"));
        assert_eq!(after.header("set-cookie"), Some(cleared.as_str()));
    }
    let nothing = ask(&setting.served, "DELETE", "/session", "").await;
    assert_eq!((nothing.status, nothing.header("set-cookie")), (204, Some(cleared.as_str())));
    let cookie = setting.cookie().await;
    setting.served.store.close().await;
    let headers = format!("Cookie: {cookie}\r\n");
    let outage = ask(&setting.served, "DELETE", "/session", &headers).await;
    assert_eq!(
        (outage.status, outage.header("set-cookie")),
        (503, None),
        "not ended, not forgotten"
    );
}

/// The session is over in the store, and nobody has heard of it: no log entry.
async fn what_the_store_knows_better_ends_the_renewals(engine: Engine) {
    let Some(setting) = setting(engine).await else { return };
    let [revoked, absent] = [setting.cookie().await, setting.cookie().await];
    let session = setting.with_cookie(&revoked, "").await;
    let id = |answer: &Answer| answer.header("x-auth-session-id").unwrap().to_owned();
    let gone = id(&setting.with_cookie(&absent, "").await);
    let mark = format!(
        "UPDATE sessions SET revoked_at = 1, revoke_reason = 'LOGOUT' WHERE id = '{}'",
        id(&session)
    );
    setting.served.raw(&mark).await;
    setting.served.raw(&format!("DELETE FROM sessions WHERE id = '{gone}'")).await;
    assert_eq!(setting.with_cookie(&revoked, "").await.status, 200, "judged from memory");
    setting.served.advance(Duration::from_mins(31)).await;
    for (cookie, expected) in [(&revoked, "REVOKED"), (&absent, "EXPIRED")] {
        let answer = setting.with_cookie(cookie, "").await;
        assert_eq!((answer.status, told(&answer).1), (401, expected));
        assert!(answer.header("set-cookie").unwrap().contains("; Max-Age=0; "));
    }
}

async fn without_the_database_a_good_cookie_stays_good(engine: Engine) {
    let Some(setting) = setting(engine).await else { return };
    let cookie = setting.cookie().await;
    setting.served.advance(Duration::from_mins(31)).await;
    setting.served.store.close().await;
    for _ in 0..3 {
        let answer = setting.with_cookie(&cookie, "").await;
        assert_eq!((answer.status, answer.header("set-cookie")), (200, None));
    }
}

#[tokio::test]
async fn s0_4_the_cookie_of_a_disabled_user_is_dead() {
    let setting = setting(Engine::Sqlite).await.unwrap();
    let cookie = setting.cookie().await;
    let admin = Administrator::command_line();
    setting.served.auth.disable_user(setting.user, &admin).await.unwrap();
    let answer = setting.with_cookie(&cookie, "").await;
    assert_eq!((answer.status, told(&answer).1), (401, "REVOKED"));
    assert_eq!(told(&setting.log_in(PASSWORD).await).1, "INVALID_CREDENTIALS");
}

/// HT-09: what a page of another site has a browser do is refused, with and
/// without the cookie.
#[tokio::test]
async fn ht_09_other_sites_can_neither_use_the_session_nor_begin_or_end_one() {
    let setting = setting(Engine::Sqlite).await.unwrap();
    let cookie = setting.cookie().await;
    let login = json!({ "identifier": "alice", "password": PASSWORD }).to_string();
    let own = format!("Origin: {ISSUER}\r\n");
    let with_cookie = format!("Cookie: {cookie}\r\n");
    for foreign in [
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: https://auth.example.org:8443\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        let refused = (403, "CROSS_SITE", String::new());
        let answer = setting.post("/session", &format!("{JSON}{foreign}"), &login).await;
        assert_eq!(told(&answer), refused, "{foreign}");
        assert_eq!(answer.header("set-cookie"), None);
        let headers = format!("{with_cookie}{foreign}");
        for (method, path) in [("DELETE", "/session"), ("POST", "/session/logout")] {
            let answer = ask(&setting.served, method, path, &headers).await;
            assert_eq!(told(&answer), refused, "{method} {foreign}");
        }
        for method in ["X-Forwarded-Method: POST\r\n", "X-Original-Method: DELETE\r\n"] {
            let answer = setting.with_cookie(&cookie, &format!("{foreign}{method}")).await;
            assert_eq!(told(&answer), refused, "{foreign}{method}");
        }
        let by_token = format!("Authorization: Bearer {}\r\n{foreign}", setting.access());
        let answer = ask(&setting.served, "POST", "/auth/verify", &by_token).await;
        assert_eq!(answer.status, 200, "nobody sends a header by accident");
    }
    let link = "Sec-Fetch-Site: cross-site\r\nX-Forwarded-Method: GET\r\n";
    assert_eq!(setting.with_cookie(&cookie, link).await.status, 200, "a link was followed");
    let answer = setting.with_cookie(&cookie, &format!("{own}X-Forwarded-Method: POST\r\n")).await;
    assert_eq!(answer.status, 200);
    let answer = setting.post("/session", &format!("{JSON}{own}"), &login).await;
    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn settings_say_what_the_cookie_is_called_and_whose_pages_may_use_it() {
    let own = |settings: &mut Settings| {
        browsing(settings);
        "__Host-sid".clone_into(&mut settings.browser.cookie_name);
        settings.browser.same_site = tokenward::config::SameSite::Strict;
        settings.browser.origins = Some(Words(vec!["https://www.example.org".to_owned()]));
        settings.browser.cookie_lifetime = Span(Duration::from_mins(10));
    };
    let setting = Setting::new(Engine::Sqlite, own).await.unwrap();
    let answer = setting.log_in(PASSWORD).await;
    let line = answer.header("set-cookie").unwrap();
    assert!(line.starts_with("__Host-sid=") && line.ends_with("SameSite=Strict"), "{line}");
    let origin = |origin: &str| format!("Origin: {origin}\r\n");
    let cookie = cookie_of(&answer);
    let page = setting.with_cookie(&cookie, &origin("https://www.example.org")).await;
    assert_eq!(page.status, 200);
    assert_eq!(setting.with_cookie(&cookie, &origin(ISSUER)).await.status, 403);
}

/// Envoy hands the renewed cookie on, and the upstream never sees the old one.
#[tokio::test]
async fn s3_3_s3_4_envoy_judges_and_renews_the_cookie_too() {
    let setting = setting(Engine::Sqlite).await.unwrap();
    let cookie = setting.cookie().await;
    let mut envoy = AuthorizationClient::new(setting.served.channel().await);
    let with_origin = |origin| question(&[("cookie", &cookie), ("origin", origin)], &[]);
    let answer = ext_authz::check(&mut envoy, with_origin("https://evil.example")).await;
    let (_, refused) = denied(&answer);
    assert_eq!(ext_authz::header(&refused.headers, "x-auth-reason"), Some("CROSS_SITE"));
    setting.served.advance(Duration::from_mins(31)).await;
    let cookies = format!("a=1; {cookie}");
    let answer = ext_authz::check(&mut envoy, question(&[("cookie", &cookies)], &[])).await;
    let ok = allowed(&answer);
    assert_eq!(ext_authz::header(&ok.headers, "cookie"), Some("a=1"));
    let renewed = ok.response_headers_to_add[0].header.as_ref().unwrap();
    assert_eq!(renewed.key, "set-cookie");
    assert!(renewed.value.starts_with(&format!("{NAME}=ey")), "{}", renewed.value);
    setting.served.auth.disable_user(setting.user, &Administrator::command_line()).await.unwrap();
    let answer = ext_authz::check(&mut envoy, question(&[("cookie", &cookies)], &[])).await;
    let (_, refused) = denied(&answer);
    let cleared = ext_authz::header(&refused.headers, "set-cookie").unwrap();
    assert!(cleared.contains("Max-Age=0"), "{cleared}");
}
