//! A service that everybody may read who is logged in, and editors may write
//! to: a layer asks Tokenward's `Verify` about each request.

use std::{env, time::Duration};

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tokenward::grpc::pb::auth::{
    Claims, InactiveReason, VerifyRequest, auth_service_client::AuthServiceClient,
};
use tonic::transport::{Channel, Endpoint};

/// `Verify` answers from memory. Whoever waits longer than this waits in vain.
const DEADLINE: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let tokenward = format!("http://{}", variable("AUTH_GRPC", "127.0.0.1:50051"));
    let channel = Endpoint::new(tokenward)?.timeout(DEADLINE).connect_lazy();
    let guard = |scopes| {
        let auth = AuthServiceClient::new(channel.clone());
        let guard = Guard { auth, audience: variable("AUTH_AUDIENCE", "api"), scopes };
        from_fn_with_state(guard, check)
    };
    let articles = get(list).layer(guard(&[])).merge(post(add).layer(guard(&["articles:write"])));

    let address = format!("127.0.0.1:{}", variable("PORT", "8000"));
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, Router::new().route("/articles", articles)).await?;
    Ok(())
}

async fn list(Extension(reader): Extension<Claims>) -> String {
    format!("Tokens for all, {}\n", reader.subject)
}

async fn add(Extension(author): Extension<Claims>, title: String) -> (StatusCode, String) {
    (StatusCode::CREATED, format!("{title}, by {}\n", author.subject))
}

/// Who may come in: whoever has a good token for this audience, with all of
/// these scopes.
#[derive(Clone)]
struct Guard {
    auth: AuthServiceClient<Channel>,
    audience: String,
    scopes: &'static [&'static str],
}

/// Lets a request through with the claims of its token, or answers it.
async fn check(State(mut guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let Some(token) = bearer(request.headers()) else {
        return challenge(StatusCode::UNAUTHORIZED, "Bearer".to_owned());
    };
    let question = VerifyRequest {
        token,
        required_audience: guard.audience,
        required_scopes: guard.scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        ..VerifyRequest::default()
    };
    let Ok(verdict) = guard.auth.verify(question).await else {
        // Nobody can say whether the token is good.
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")]).into_response();
    };
    let verdict = verdict.into_inner();
    match (verdict.active, verdict.reason(), verdict.claims) {
        (true, _, Some(claims)) => {
            request.extensions_mut().insert(claims);
            next.run(request).await
        }
        (_, InactiveReason::MissingScope, _) => {
            challenge(StatusCode::FORBIDDEN, r#"Bearer error="insufficient_scope""#.to_owned())
        }
        (_, reason, _) => {
            let reason = reason.as_str_name().trim_start_matches("INACTIVE_REASON_");
            let challenged =
                format!(r#"Bearer error="invalid_token", error_description="{reason}""#);
            challenge(StatusCode::UNAUTHORIZED, challenged)
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned())
}

fn challenge(status: StatusCode, challenge: String) -> Response {
    (status, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
}

fn variable(name: &str, otherwise: &str) -> String {
    env::var(name).unwrap_or_else(|_| otherwise.to_owned())
}
