//! `/session`: browsers log in and out. The session's one credential is a
//! cookie that scripts cannot read; `/auth/verify` and `ext_authz` judge it.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::json;

use crate::{
    arrival,
    domain::error::AuthError,
    gateway::{BrowserRules, Refused},
    service::{Auth, Caller, browser::BrowserSession},
};

use super::{
    failure::Failure,
    login_form::{Pages, Submitted, Unreadable, read_login, read_return_to},
    problem,
    site_path::SitePath,
};

/// What its requests share.
struct Site {
    auth: Arc<Auth>,
    rules: BrowserRules,
}

/// Logging in, and out: by a script, or by a form.
pub(super) fn routes(auth: Arc<Auth>, rules: BrowserRules) -> Router {
    Router::new()
        .route("/session", post(log_in).delete(log_out))
        .route("/session/logout", post(log_out_by_form))
        .with_state(Arc::new(Site { auth, rules }))
}

async fn log_in(State(site): State<Arc<Site>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let caller = arrival::caller(&head.headers, &head.extensions);
    if !site.rules.origins.admit(&head.headers, head.method.as_str()) {
        return problem::refused(Refused::cross_site());
    }
    let Submitted { login, pages } = match read_login(&head.headers, body).await {
        Ok(submitted) => submitted,
        Err(unreadable) => return site.unreadable(unreadable),
    };
    let opened = site.auth.open_browser_session(login, &caller).await;
    let answer = opened.and_then(|session| site.opened(&session, pages.as_ref()));
    answer.unwrap_or_else(|error| match pages.and_then(|pages| pages.error_to) {
        Some(page) => told(&error, see_other(&page.with("error", error.reason()))),
        None => site.failed(&error),
    })
}

async fn log_out(State(site): State<Arc<Site>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let caller = arrival::caller(&head.headers, &head.extensions);
    if !site.rules.origins.admit(&head.headers, head.method.as_str()) {
        return problem::refused(Refused::cross_site());
    }
    match site.end(&head.headers, &caller).await {
        Ok(()) => site.without_cookie(StatusCode::NO_CONTENT.into_response()),
        Err(error) => site.failed(&error),
    }
}

async fn log_out_by_form(State(site): State<Arc<Site>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let caller = arrival::caller(&head.headers, &head.extensions);
    if !site.rules.origins.admit(&head.headers, head.method.as_str()) {
        return problem::refused(Refused::cross_site());
    }
    let return_to = match read_return_to(&head.headers, body).await {
        Ok(page) => page,
        Err(unreadable) => return site.unreadable(unreadable),
    };
    match site.end(&head.headers, &caller).await {
        Ok(()) => site.without_cookie(see_other(&return_to)),
        Err(error) => site.failed(&error),
    }
}

impl Site {
    fn opened(
        &self,
        session: &BrowserSession,
        pages: Option<&Pages>,
    ) -> Result<Response, AuthError> {
        let cookie = self.rules.cookie.set(&session.cookie)?;
        let mut response = match pages {
            Some(pages) => see_other(&pages.return_to),
            None => (StatusCode::CREATED, JSON, described(session)).into_response(),
        };
        response.headers_mut().insert(header::SET_COOKIE, cookie);
        Ok(response)
    }

    /// Revokes the session of the cookie. Without one there is nothing to do.
    async fn end(&self, headers: &HeaderMap, caller: &Caller) -> Result<(), AuthError> {
        if let Some(token) = self.rules.cookie.find(headers)? {
            self.auth.revoke_token(token, caller).await?;
        }
        Ok(())
    }

    fn without_cookie(&self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        headers.extend(self.rules.cookie.cleared().map(|cookie| (header::SET_COOKIE, cookie)));
        headers.insert(header::CACHE_CONTROL, NO_STORE);
        response
    }

    fn unreadable(&self, unreadable: Unreadable) -> Response {
        match unreadable {
            Unreadable::Problem(problem) => problem.into_response(),
            Unreadable::Invalid(error) => self.failed(&error),
        }
    }

    fn failed(&self, error: &AuthError) -> Response {
        told(error, problem::refused(Refused::failed(&self.auth.policy().issuer, error)))
    }
}

/// The answer to a failure, and what the log is to say of it.
fn told(error: &AuthError, mut answer: Response) -> Response {
    answer.extensions_mut().insert(Failure::from(error));
    answer
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const JSON: [(header::HeaderName, &str); 2] =
    [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];

/// What a script is told. The session ends then unless its cookie is renewed.
fn described(session: &BrowserSession) -> String {
    json!({
        "session_id": session.session_id.to_string(),
        "user_id": session.user_id.to_string(),
        "expires_at": session.cookie.expires_at.to_string(),
    })
    .to_string()
}

fn see_other(page: &SitePath) -> Response {
    let headers = [(header::LOCATION, page.as_str()), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::SEE_OTHER, headers).into_response()
}
