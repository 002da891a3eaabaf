//! What a browser submits to log in: JSON from a script, or a plain form.

use axum::{
    body::{Body, Bytes},
    http::HeaderMap,
};
use serde::Deserialize;
use url::form_urlencoded;

use crate::{
    domain::{error::AuthError, password::Password},
    service::login::LoginRequest,
};

use super::{media_type, problem::Problem, site_path::SitePath};

/// The largest form, in bytes. The longest password has 1024, and every one of
/// them three characters in a form.
const BODY_MAX_LEN: usize = 16 * 1024;

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
        media_type::FORM => Ok(form(&content(body).await?)?),
        _ => Err(Unreadable::Problem(Problem::UNSUPPORTED_MEDIA_TYPE)),
    }
}

/// Reads what a form says of the page to go to, and nothing else.
pub(super) async fn read_return_to(
    headers: &HeaderMap,
    body: Body,
) -> Result<SitePath, Unreadable> {
    match media_type::of(headers).as_str() {
        media_type::FORM => Ok(form(&content(body).await?)?
            .pages
            .map_or_else(SitePath::root, |pages| pages.return_to)),
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
fn form(body: &[u8]) -> Result<Submitted, Unreadable> {
    let mut fields = Fields::default();
    let mut audience = Vec::new();
    for (name, value) in form_urlencoded::parse(body) {
        let value = value.into_owned();
        match name.as_ref() {
            "identifier" => once("identifier", &mut fields.identifier, value)?,
            "password" => once("password", &mut fields.password, value)?,
            "scope" => once("scope", &mut fields.scope, value)?,
            "return_to" => once("return_to", &mut fields.return_to, value)?,
            "error_to" => once("error_to", &mut fields.error_to, value)?,
            "audience" => audience.push(value),
            _ => {}
        }
    }
    let Fields { identifier, password, scope, return_to, error_to } = fields;
    let return_to = page("return_to", return_to)?.unwrap_or_else(SitePath::root);
    let pages = Some(Pages { return_to, error_to: page("error_to", error_to)? });
    let text = Option::unwrap_or_default;
    let login = login(text(identifier), text(password), audience, text(scope));
    Ok(Submitted { login, pages })
}

#[derive(Default)]
struct Fields {
    identifier: Option<String>,
    password: Option<String>,
    scope: Option<String>,
    return_to: Option<String>,
    error_to: Option<String>,
}

fn once(name: &'static str, field: &mut Option<String>, value: String) -> Result<(), Unreadable> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(Unreadable::Invalid(AuthError::invalid(name, "must be given once"))),
    }
}

fn page(name: &'static str, text: Option<String>) -> Result<Option<SitePath>, Unreadable> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let rule = "must be a path on this site";
    let elsewhere = || Unreadable::Invalid(AuthError::invalid(name, rule));
    SitePath::parse(&text).map(Some).ok_or_else(elsewhere)
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
    axum::body::to_bytes(body, BODY_MAX_LEN).await.map_err(too_large)
}
