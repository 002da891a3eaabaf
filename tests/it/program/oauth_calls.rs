//! The OAuth endpoints, with secrets in every place where they can stand.

use std::{fmt::Write as _, net::SocketAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

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
        let right = basic(secret);
        let wrong = basic(&format!("{secret}x"));
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
        let (id, head, body) = self.send(path, headers, form).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head} {body}");
        let told: Value = serde_json::from_str(&body).unwrap_or_default();
        let tokens = ["access_token", "refresh_token"].map(|name| told[name].as_str());
        self.tokens.extend(tokens.into_iter().flatten().map(str::to_owned));
        self.succeeded.push(id);
    }

    async fn fails(&mut self, path: &str, headers: &str, form: &str) {
        let (id, head, body) = self.send(path, headers, form).await;
        assert!(head.starts_with("HTTP/1.1 4"), "{head} {body}");
        writeln!(self.answers, "{head}\n{body}").unwrap();
        self.failed.push(id);
    }

    async fn send(&self, path: &str, headers: &str, form: &str) -> (String, String, String) {
        let id = format!("oauth-{}", self.failed.len() + self.succeeded.len());
        let kind = if headers.starts_with("Content-Type") {
            String::new()
        } else {
            format!("Content-Type: {FORM}\r\n")
        };
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-Id: {id}\r\n\
             {kind}{headers}Content-Length: {}\r\n\r\n{form}",
            form.len(),
        );
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (id, head.to_owned(), body.to_owned())
    }
}

fn basic(secret: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("worker:{secret}")))
}
