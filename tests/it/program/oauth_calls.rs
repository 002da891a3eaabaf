//! The OAuth endpoints, with secrets in every place where they can stand.

use std::{fmt::Write as _, net::SocketAddr};

use serde_json::Value;

use crate::support::http::{self, Answer, basic};

const TOKEN: &str = "/oauth2/token";
const INTROSPECT: &str = "/oauth2/introspect";
const REVOKE: &str = "/oauth2/revoke";
const FORM: &str = "application/x-www-form-urlencoded";

/// The requests that were made, by the ids that they were given.
pub(super) struct OauthCalls {
    http: SocketAddr,
    pub(super) failed: Vec<String>,
    pub(super) succeeded: Vec<String>,
    /// What failed requests were told.
    pub(super) answers: String,
    /// Tokens that were given.
    pub(super) tokens: Vec<String>,
}

impl OauthCalls {
    /// All of them, with the secret of the client `worker` and the refresh token
    /// of a user.
    pub(super) async fn make(http: SocketAddr, secret: &str, refresh_token: &str) -> Self {
        let (failed, succeeded) = (Vec::new(), Vec::new());
        let (answers, tokens) = (String::new(), Vec::new());
        let mut calls = Self { http, failed, succeeded, answers, tokens };
        let right = basic("worker", secret);
        let wrong = basic("worker", &format!("{secret}x"));
        let grant = "grant_type=client_credentials";
        let by_form = format!("{grant}&client_id=worker&client_secret={secret}");
        calls.succeeds(TOKEN, &right, grant).await;
        calls.succeeds(TOKEN, "", &by_form).await;
        let assertion = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        let assertion = format!("client_assertion_type={assertion}&client_assertion={secret}");
        for (path, headers, form) in [
            (TOKEN, wrong.as_str(), grant),
            (TOKEN, "", &format!("{by_form}x")),
            (TOKEN, "", &format!("{grant}&{assertion}&client_id=worker")),
            (TOKEN, "", &format!("{grant}&{assertion}")),
            (TOKEN, &right, &format!("{by_form}&client_secret={secret}")),
            (&format!("{TOKEN}?{by_form}"), "", grant),
            (TOKEN, "Content-Type: text/plain\r\n", &by_form),
            (INTROSPECT, &wrong, &format!("token={refresh_token}")),
            (REVOKE, &right, &format!("token={refresh_token}")),
        ] {
            calls.fails(path, headers, form).await;
        }
        let refresh = "grant_type=refresh_token&client_id=default&refresh_token=";
        calls.fails(TOKEN, "", &format!("{refresh}{refresh_token}A")).await;
        calls.succeeds(TOKEN, "", &format!("{refresh}{refresh_token}")).await;
        calls.succeeds(INTROSPECT, &right, &format!("token={refresh_token}")).await;
        calls.succeeds(REVOKE, "", &format!("client_id=default&token={refresh_token}")).await;
        calls
    }

    async fn succeeds(&mut self, path: &str, headers: &str, form: &str) {
        let (id, answer) = self.send(path, headers, form).await;
        assert_eq!(answer.status, 200, "{} {}", answer.head(), answer.body);
        let told: Value = serde_json::from_str(&answer.body).unwrap_or_default();
        let tokens = ["access_token", "refresh_token"].map(|name| told[name].as_str());
        self.tokens.extend(tokens.into_iter().flatten().map(str::to_owned));
        self.succeeded.push(id);
    }

    async fn fails(&mut self, path: &str, headers: &str, form: &str) {
        let (id, answer) = self.send(path, headers, form).await;
        let (head, body) = (answer.head(), &answer.body);
        assert!((400..500).contains(&answer.status), "{head} {body}");
        writeln!(self.answers, "{head}\n{body}").unwrap();
        self.failed.push(id);
    }

    async fn send(&self, path: &str, headers: &str, form: &str) -> (String, Answer) {
        let id = format!("oauth-{}", self.failed.len() + self.succeeded.len());
        let kind = if headers.starts_with("Content-Type") {
            String::new()
        } else {
            format!("Content-Type: {FORM}\r\n")
        };
        let headers = format!("X-Request-Id: {id}\r\n{kind}{headers}");
        (id, http::send(self.http, "POST", path, &headers, form).await)
    }
}
