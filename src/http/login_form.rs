//! What a browser submits to log in: JSON from a script, or a plain form.

use axum::{
    body::{Body, Bytes},
    http::HeaderMap,
};
use serde::Deserialize;

use crate::{
    arrival::media_type,
    domain::{error::AuthError, password::Password},
    service::login::LoginRequest,
};

use super::{
    form::{FORM_MAX_LEN, Form, FormFault},
    problem::Problem,
    site_path::SitePath,
};

/// A login that was submitted.
pub(super) struct Submitted {
    /// The login.
    pub(super) login: LoginRequest,
    /// Where the browser goes then; `None`: a script reads the answer.
    pub(super) pages: Option<Pages>,
}

/// Where the browser goes after a form.
pub(super) struct Pages {
    /// After a success.
    pub(super) return_to: SitePath,
    /// After a refusal, if there is such a page.
    pub(super) error_to: Option<SitePath>,
}

/// Why nothing could be read.
pub(super) enum Unreadable {
    /// It is not of a type or size that is taken.
    Problem(Problem),
    /// A field breaks a rule.
    Invalid(AuthError),
}

/// Reads a login.
pub(super) async fn read_login(headers: &HeaderMap, body: Body) -> Result<Submitted, Unreadable> {
    match media_type::of(headers).as_str() {
        media_type::JSON => Ok(Submitted { login: json(&content(body).await?)?, pages: None }),
        _ => form(headers, body).await,
    }
}

/// Reads what a form says of the page to go to, and nothing else.
pub(super) async fn read_return_to(
    headers: &HeaderMap,
    body: Body,
) -> Result<SitePath, Unreadable> {
    match media_type::of(headers).as_str() {
        media_type::FORM => {
            let page = page(&mut Form::read(headers, body).await?, "return_to")?;
            Ok(page.unwrap_or_else(SitePath::root))
        }
        _ => Ok(SitePath::root()),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LoginJson {
    identifier: String,
    password: String,
    audience: OneOrSeveral,
    scope: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrSeveral {
    One(String),
    Several(Vec<String>),
}

impl Default for OneOrSeveral {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

fn json(body: &[u8]) -> Result<LoginRequest, Unreadable> {
    let malformed = |_| {
        let rule = "must be a JSON object with identifier, password, audience and scope, once each";
        Unreadable::Invalid(AuthError::invalid("body", rule))
    };
    let LoginJson { identifier, password, audience, scope } =
        serde_json::from_slice(body).map_err(malformed)?;
    let audience = match audience {
        OneOrSeveral::One(audience) => vec![audience],
        OneOrSeveral::Several(audience) => audience,
    };
    Ok(login(identifier, password, audience, scope))
}

/// Fields that a form has besides are its own affair.
async fn form(headers: &HeaderMap, body: Body) -> Result<Submitted, Unreadable> {
    let mut form = Form::read(headers, body).await?;
    let return_to = page(&mut form, "return_to")?.unwrap_or_else(SitePath::root);
    let pages = Some(Pages { return_to, error_to: page(&mut form, "error_to")? });
    let audience = form.take_all("audience");
    let mut text = |name| form.take(name).unwrap_or_default();
    let login = login(text("identifier"), text("password"), audience, text("scope"));
    Ok(Submitted { login, pages })
}

fn page(form: &mut Form, name: &'static str) -> Result<Option<SitePath>, Unreadable> {
    let Some(text) = form.take(name) else { return Ok(None) };
    let elsewhere = || AuthError::invalid(name, "must be a path on this site");
    Ok(Some(SitePath::parse(&text).ok_or_else(elsewhere)?))
}

impl From<AuthError> for Unreadable {
    fn from(error: AuthError) -> Self {
        Self::Invalid(error)
    }
}

impl From<FormFault> for Unreadable {
    fn from(fault: FormFault) -> Self {
        match fault {
            FormFault::NotAForm => Self::Problem(Problem::UNSUPPORTED_MEDIA_TYPE),
            FormFault::TooLarge => Self::Problem(Problem::CONTENT_TOO_LARGE),
            FormFault::Malformed => AuthError::invalid("body", "must be a form in UTF-8").into(),
            FormFault::Repeated => {
                AuthError::invalid("body", "must have each parameter at most once").into()
            }
        }
    }
}

/// The client is the one for browsers, and a cookie the only credential.
fn login(
    identifier: String,
    password: String,
    audience: Vec<String>,
    scope: String,
) -> LoginRequest {
    LoginRequest {
        identifier,
        password: Password::parse(password),
        client_id: String::new(),
        audience,
        scope,
        label: String::new(),
        no_refresh_token: true,
    }
}

async fn content(body: Body) -> Result<Bytes, Unreadable> {
    let too_large = |_| Unreadable::Problem(Problem::CONTENT_TOO_LARGE);
    axum::body::to_bytes(body, FORM_MAX_LEN).await.map_err(too_large)
}
