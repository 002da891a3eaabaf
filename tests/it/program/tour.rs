//! Every kind of call, right and wrong, with secrets that can be searched
//! for afterwards.

use std::{fmt::Write as _, net::SocketAddr};

use serde_json::json;
use tokenward::grpc::pb::auth::{
    ChangePasswordRequest, IssueClientTokenRequest, ListSessionsRequest, LoginRequest,
    RefreshRequest, RegisterRequest, ResetPasswordRequest, RevokeRequest, TokenPair,
    VerifyIdentifierRequest, VerifyRequest, issue_client_token_request::Credentials,
    revoke_request::Target,
};
use tonic::{Request, Response, Status};

use super::Client;
use crate::support::http::send;

pub(super) const PASSWORD: &str = "p8-right-password";
const WRONG_PASSWORD: &str = "p8-wrong-password";
const NOBODYS_PASSWORD: &str = "p8-nobodys-password";
const NEW_PASSWORD: &str = "p8-registered-password";
const CHANGED_PASSWORD: &str = "p8-changed-password";
const RESET_PASSWORD: &str = "p8-reset-password";
const SHORT_PASSWORD: &str = "p8-short";

/// The calls that were made, by the ids that they were given.
pub(super) struct Tour {
    client: Client,
    pub(super) failed: Vec<String>,
    pub(super) succeeded: Vec<String>,
    tokens: Vec<String>,
    one_time: Vec<String>,
    answers: String,
    calls: usize,
}

impl Tour {
    pub(super) fn new(client: Client) -> Self {
        let (failed, succeeded, tokens) = (Vec::new(), Vec::new(), Vec::new());
        let (one_time, answers) = (Vec::new(), String::new());
        Self { client, failed, succeeded, tokens, one_time, answers, calls: 0 }
    }

    /// Every call but those of a server in trouble.
    pub(super) async fn everything(&mut self, http: SocketAddr) {
        self.accounts().await;
        let stolen = self.login().await;
        self.rotation(&stolen).await;
        let tokens = self.login().await;
        self.verdicts(&tokens).await;
        self.sessions(&tokens).await;
        over_http(http, &tokens.access_token).await;
        self.browsing(http, &tokens).await;
        self.revocations(&tokens).await;
        let tokens = self.login().await;
        self.passwords(&tokens).await;
    }

    /// A browser logs in, right and wrong, is let through by gateways, and logs
    /// out. Its cookie is a secret like any token; the ids of these requests
    /// are not looked for.
    async fn browsing(&mut self, http: SocketAddr, tokens: &TokenPair) {
        const JSON: &str = "Content-Type: application/json\r\n";
        for password in [PASSWORD, WRONG_PASSWORD] {
            let body = json!({ "identifier": "alice", "password": password }).to_string();
            let answer = send(http, "POST", "/session", JSON, &body).await;
            let Some(cookie) = answer.header("set-cookie") else {
                assert_eq!((answer.status, password), (401, WRONG_PASSWORD));
                continue;
            };
            let cookie = cookie.split(';').next().unwrap();
            self.tokens.push(cookie.split_once('=').unwrap().1.to_owned());
            let refresh_token = &tokens.refresh_token;
            for (method, path, headers, status) in [
                ("GET", "/auth/verify", format!("Cookie: {cookie}\r\n"), 200),
                ("GET", "/auth/verify", format!("Authorization: Bearer {refresh_token}\r\n"), 403),
                ("GET", "/auth/verify?x=y", format!("Authorization: Bearer {cookie}\r\n"), 400),
                ("DELETE", "/session", format!("Cookie: {cookie}\r\n"), 204),
                ("GET", "/auth/verify", format!("Cookie: {cookie}\r\n"), 401),
            ] {
                let answer = send(http, method, path, &headers, "").await;
                assert_eq!(answer.status, status, "{method} {path}");
                self.answers.push_str(&answer.body);
            }
        }
    }

    /// By the right secret, by a wrong one, and by what is no assertion.
    pub(super) async fn client_tokens(&mut self, secret: &str) {
        for (credentials, is_good) in [
            (Credentials::ClientSecret(secret.to_owned()), true),
            (Credentials::ClientSecret(format!("{secret}x")), false),
            (Credentials::ClientAssertion(secret.to_owned()), false),
        ] {
            let request = self.request(IssueClientTokenRequest {
                client_id: "worker".to_owned(),
                credentials: Some(credentials),
                ..IssueClientTokenRequest::default()
            });
            let answer = self.client.issue_client_token(request).await;
            if is_good {
                let tokens = self.succeeds(answer).tokens.expect("tokens");
                self.tokens.push(tokens.access_token);
            } else {
                self.fails(answer);
            }
        }
    }

    /// Wrong, too short, and there and back again.
    async fn passwords(&mut self, tokens: &TokenPair) {
        let mut tokens = tokens.clone();
        for (current, new, is_good) in [
            (WRONG_PASSWORD, CHANGED_PASSWORD, false),
            (PASSWORD, SHORT_PASSWORD, false),
            (PASSWORD, CHANGED_PASSWORD, true),
            (CHANGED_PASSWORD, PASSWORD, true),
        ] {
            let mut request = self.request(ChangePasswordRequest {
                current_password: current.to_owned(),
                new_password: new.to_owned(),
                refresh_token: tokens.refresh_token.clone(),
            });
            let bearer = format!("Bearer {}", tokens.access_token);
            request.metadata_mut().insert("authorization", bearer.parse().unwrap());
            let answer = self.client.change_password(request).await;
            if is_good {
                tokens = self.succeeds(answer).tokens.expect("tokens");
                self.keep(&tokens);
            } else {
                self.fails(answer);
            }
        }
    }

    /// With tokens that were made for Alice: forged, for something else, too
    /// short a password, good, and used.
    pub(super) async fn one_time_tokens(&mut self, reset: &str, verification: &str) {
        let forged = reset.replace("twr_", "twr_A");
        let forged = &forged[..reset.len() - 1];
        let forged = format!("{forged}A");
        for (token, new, is_good) in [
            (forged.as_str(), RESET_PASSWORD, false),
            (verification, RESET_PASSWORD, false),
            (reset, SHORT_PASSWORD, false),
            (reset, RESET_PASSWORD, true),
            (reset, RESET_PASSWORD, false),
        ] {
            let (token, new_password) = (token.to_owned(), new.to_owned());
            let request = self.request(ResetPasswordRequest { token, new_password });
            let answer = self.client.reset_password(request).await;
            if is_good {
                self.succeeds(answer);
            } else {
                self.fails(answer);
            }
        }
        for is_good in [true, false] {
            let token = verification.to_owned();
            let request = self.request(VerifyIdentifierRequest { token });
            let answer = self.client.verify_identifier(request).await;
            if is_good {
                self.succeeds(answer);
            } else {
                self.fails(answer);
            }
        }
        self.one_time.extend([&forged, reset, verification].map(str::to_owned));
    }

    async fn accounts(&mut self) {
        self.login_fails(WRONG_PASSWORD).await;
        let nobody = login_request("nobody", NOBODYS_PASSWORD);
        let request = self.request(nobody);
        let answer = self.client.login(request).await;
        self.fails(answer);
        for (password, is_good) in [(SHORT_PASSWORD, false), (NEW_PASSWORD, true)] {
            let register = RegisterRequest {
                username: "bob".to_owned(),
                password: password.to_owned(),
                ..RegisterRequest::default()
            };
            let request = self.request(register);
            let answer = self.client.register(request).await;
            if is_good {
                self.succeeds(answer);
            } else {
                self.fails(answer);
            }
        }
    }

    pub(super) async fn login_fails(&mut self, password: &str) {
        let request = self.request(login_request("alice", password));
        let answer = self.client.login(request).await;
        self.fails(answer);
    }

    pub(super) async fn login(&mut self) -> TokenPair {
        let request = self.request(login_request("alice", PASSWORD));
        let answer = self.client.login(request).await;
        let tokens = self.succeeds(answer).tokens.expect("tokens");
        self.keep(&tokens);
        tokens
    }

    /// Twice around, a replay, and then the first token again: a thief.
    async fn rotation(&mut self, first: &TokenPair) {
        let second = self.refresh(&first.refresh_token).await.expect("refreshed");
        self.refresh(&first.refresh_token).await.expect("a replay");
        let third = self.refresh(&second.refresh_token).await.expect("refreshed");
        for token in [&first.refresh_token, &third.refresh_token, &third.access_token] {
            assert!(self.refresh(token).await.is_none(), "the session is dead");
        }
        let forged = flipped(&third.refresh_token);
        assert!(self.refresh(&forged).await.is_none(), "forged");
        self.tokens.push(forged);
    }

    async fn refresh(&mut self, token: &str) -> Option<TokenPair> {
        let refresh = RefreshRequest { refresh_token: token.to_owned(), ..Default::default() };
        let request = self.request(refresh);
        let answer = self.client.refresh(request).await;
        if answer.is_err() {
            self.fails(answer);
            return None;
        }
        let tokens = self.succeeds(answer).tokens.expect("tokens");
        self.keep(&tokens);
        Some(tokens)
    }

    async fn verdicts(&mut self, tokens: &TokenPair) {
        let forged = flipped(&tokens.access_token);
        for token in [&tokens.access_token, &tokens.refresh_token, &forged] {
            let request =
                self.request(VerifyRequest { token: token.clone(), ..Default::default() });
            let answer = self.client.verify(request).await;
            self.succeeds(answer);
        }
        self.tokens.push(forged);
    }

    /// For a server that cannot read the revocation log any more.
    pub(super) async fn verify_fails(&mut self) {
        let token = self.tokens[0].clone();
        let max_staleness = Some(prost_types::Duration { seconds: 0, nanos: 1 });
        let demanding = VerifyRequest { token, max_staleness, ..VerifyRequest::default() };
        let request = self.request(demanding);
        let answer = self.client.verify(request).await;
        self.fails(answer);
    }

    async fn sessions(&mut self, tokens: &TokenPair) {
        let bearer = |token: &str| format!("Bearer {token}");
        for value in [
            bearer(&tokens.access_token),
            bearer(&tokens.refresh_token),
            bearer(&flipped(&tokens.access_token)),
            format!("Bearer  {}", tokens.access_token),
        ] {
            let is_good = value == bearer(&tokens.access_token);
            let mut request = self.request(ListSessionsRequest::default());
            request.metadata_mut().insert("authorization", value.parse().unwrap());
            let answer = self.client.list_sessions(request).await;
            if is_good {
                self.succeeds(answer);
            } else {
                self.fails(answer);
            }
        }
    }

    async fn revocations(&mut self, tokens: &TokenPair) {
        for token in ["x.y.z", &tokens.access_token, &tokens.refresh_token] {
            let target = Some(Target::Token(token.to_owned()));
            let request = self.request(RevokeRequest { target });
            let answer = self.client.revoke(request).await;
            self.succeeds(answer);
        }
        assert!(self.refresh(&tokens.refresh_token).await.is_none(), "revoked");
        let request = self.request(RevokeRequest::default());
        let answer = self.client.revoke(request).await;
        self.fails(answer);
    }

    /// A request with an id of its own; its outcome is told next.
    fn request<T>(&mut self, message: T) -> Request<T> {
        self.calls += 1;
        let mut request = Request::new(message);
        request.metadata_mut().insert("x-request-id", self.id().parse().unwrap());
        request
    }

    fn id(&self) -> String {
        format!("tour-{}", self.calls)
    }

    fn fails<T>(&mut self, answer: Result<Response<T>, Status>) {
        let status = answer.map(|_| ()).expect_err(&self.id());
        let details = String::from_utf8_lossy(status.details()).into_owned();
        writeln!(self.answers, "{status:?} {details}").unwrap();
        self.failed.push(self.id());
    }

    fn succeeds<T>(&mut self, answer: Result<Response<T>, Status>) -> T {
        let message = answer.unwrap_or_else(|status| panic!("{}: {status:?}", self.id()));
        self.succeeded.push(self.id());
        message.into_inner()
    }

    /// Tokens that were given in other ways are secrets too.
    pub(super) fn keep_others(&mut self, tokens: Vec<String>) {
        self.tokens.extend(tokens);
    }

    fn keep(&mut self, tokens: &TokenPair) {
        self.tokens.extend([tokens.access_token.clone(), tokens.refresh_token.clone()]);
    }

    /// What failed calls were told.
    pub(super) fn answers(&self) -> String {
        self.answers.clone()
    }

    /// Passwords, and of each token as much of its signature as would be
    /// left by somebody who cuts long texts.
    pub(super) fn secrets(&self) -> Vec<(String, String)> {
        let passwords = [
            PASSWORD,
            WRONG_PASSWORD,
            NOBODYS_PASSWORD,
            NEW_PASSWORD,
            CHANGED_PASSWORD,
            RESET_PASSWORD,
            SHORT_PASSWORD,
        ];
        let passwords = passwords.map(|password| (password.to_owned(), password.to_owned()));
        let signatures = self.tokens.iter().map(|token| {
            let (rest, signature) = token.rsplit_once('.').expect("three parts");
            (format!("signature of {rest}"), signature[..24].to_owned())
        });
        let one_time = self.one_time.iter().map(|token| {
            let (kind, secret) = token.split_at(4);
            (format!("one-time token {kind}"), secret[..24].to_owned())
        });
        passwords.into_iter().chain(signatures).chain(one_time).collect()
    }
}

fn login_request(identifier: &str, password: &str) -> LoginRequest {
    LoginRequest {
        identifier: identifier.to_owned(),
        password: password.to_owned(),
        ..LoginRequest::default()
    }
}

/// The token with the first character of its signature changed.
fn flipped(token: &str) -> String {
    let (rest, signature) = token.rsplit_once('.').expect("three parts");
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{rest}.{first}{}", &signature[1..])
}

/// A browser that sends credentials where none are asked for.
async fn over_http(http: SocketAddr, token: &str) {
    let headers = format!("Authorization: Bearer {token}\r\nCookie: session={token}\r\n");
    let answer = send(http, "GET", "/.well-known/jwks.json", &headers, "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}
