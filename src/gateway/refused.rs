//! Why a request may not pass: the status, the challenge (RFC 6750 section 3)
//! and the reason, for people and for programs.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

use super::SessionCookie;
use crate::domain::{
    error::{AuthError, RETRY_AFTER_OUTAGE, Refusal, delay_seconds},
    verdict::{InactiveReason, Requirements},
};

const REASON: HeaderName = HeaderName::from_static("x-auth-reason");

const INVALID_TOKEN: [(&str, &str); 1] = [("error", "invalid_token")];

/// The answer to a request that may not pass.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Its status.
    pub status: StatusCode,
    /// Why, for programs; also in the header `X-Auth-Reason`.
    pub reason: &'static str,
    /// Why, in words: one line of ASCII.
    pub detail: String,
    /// Its headers, but for those of its body.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Refused {
    /// The media type of its body.
    pub const CONTENT_TYPE: &str = "application/problem+json";

    /// Its body: problem details (RFC 9457).
    pub fn body(&self) -> String {
        json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "reason": self.reason,
            "detail": self.detail,
        })
        .to_string()
    }

    /// A failure of ours, or a request that breaks a rule.
    pub fn failed(realm: &str, error: &AuthError) -> Self {
        let status = match error {
            AuthError::InvalidArgument(_) => StatusCode::BAD_REQUEST,
            AuthError::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            AuthError::PermissionDenied(_) => StatusCode::FORBIDDEN,
            AuthError::NotFound(_) => StatusCode::NOT_FOUND,
            AuthError::AlreadyExists(_)
            | AuthError::Conflict(_)
            | AuthError::FailedPrecondition(_) => StatusCode::CONFLICT,
            AuthError::Throttled { .. }
            | AuthError::SlowWatcher { .. }
            | AuthError::IssuedRecently { .. } => StatusCode::TOO_MANY_REQUESTS,
            AuthError::Overloaded { .. }
            | AuthError::Unavailable { .. }
            | AuthError::DeadlineExceeded => StatusCode::SERVICE_UNAVAILABLE,
            AuthError::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut refused = Self::new(status, error.reason(), error.to_string());
        if status == StatusCode::UNAUTHORIZED {
            refused = refused.challenge(realm, &[]);
        }
        let ours = status == StatusCode::SERVICE_UNAVAILABLE;
        if let Some(delay) = error.retry_after().or(ours.then_some(RETRY_AFTER_OUTAGE)) {
            let seconds = HeaderValue::from(delay_seconds(delay));
            refused.headers.push((header::RETRY_AFTER, seconds));
        }
        refused
    }

    /// The browser says that another site has made it.
    pub fn cross_site() -> Self {
        let detail = "the request comes from a page that may not use the session cookie";
        Self::new(StatusCode::FORBIDDEN, "CROSS_SITE", detail)
    }

    /// The same, with a further `Set-Cookie`.
    #[must_use]
    pub fn with_cookie(mut self, cookie: Option<HeaderValue>) -> Self {
        self.headers.extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
        self
    }

    /// It has none: no error, which would be news about nothing.
    pub fn without_credential(realm: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "MISSING_TOKEN", "a token is required")
            .challenge(realm, &[])
    }

    /// It has one that cannot be read, or several.
    pub fn malformed(realm: &str, error: &AuthError) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "MALFORMED_CREDENTIALS", error.to_string())
            .challenge(realm, &[("error", "invalid_request")])
    }

    /// It has a cookie that is good, but not for the store.
    pub(super) fn session_over(realm: &str, refusal: Refusal) -> Self {
        let reason = match refusal {
            Refusal::SessionExpired => "EXPIRED",
            _ => "REVOKED",
        };
        Self::invalid_token(realm, reason, &refusal.to_string())
    }

    /// It has one that is not good for it.
    pub fn inactive(realm: &str, reason: &InactiveReason, required: &Requirements) -> Self {
        let wrong = |reason, detail| {
            Self::new(StatusCode::FORBIDDEN, reason, detail).challenge(realm, &INVALID_TOKEN)
        };
        match reason {
            InactiveReason::Invalid => {
                Self::invalid_token(realm, "INVALID", "the token is not valid")
            }
            InactiveReason::Expired => {
                Self::invalid_token(realm, "EXPIRED", "the token has expired")
            }
            InactiveReason::Revoked(_) => {
                Self::invalid_token(realm, "REVOKED", "the token was revoked")
            }
            InactiveReason::KeyRevoked => {
                let detail = "the key that signed the token was revoked";
                Self::invalid_token(realm, "KEY_REVOKED", detail)
            }
            InactiveReason::WrongType => {
                wrong("WRONG_TYPE", "the token is of another kind: it is not for requests")
            }
            InactiveReason::WrongAudience => wrong("WRONG_AUDIENCE", "the token is for others"),
            InactiveReason::MissingScope => {
                Self::insufficient(realm, "MISSING_SCOPE", "a required scope is missing", required)
            }
            InactiveReason::MissingRole => {
                Self::insufficient(realm, "MISSING_ROLE", "a required role is missing", required)
            }
        }
    }

    /// Takes a cookie away that will be refused whenever it comes again. What
    /// has expired, the browser forgets by itself, and may have something newer
    /// by now.
    #[must_use]
    pub(super) fn clearing(self, cookie: &SessionCookie) -> Self {
        let is_dead = self.status == StatusCode::UNAUTHORIZED && self.reason != "EXPIRED";
        if is_dead { self.with_cookie(cookie.cleared()) } else { self }
    }

    fn invalid_token(realm: &str, reason: &'static str, detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, reason, detail).challenge(realm, &INVALID_TOKEN)
    }

    fn insufficient(
        realm: &str,
        reason: &'static str,
        detail: &'static str,
        required: &Requirements,
    ) -> Self {
        let scope = required.scopes.join(" ");
        let attributes = [("error", "insufficient_scope"), ("scope", scope.as_str())];
        let needed = if scope.is_empty() { &attributes[..1] } else { &attributes[..] };
        Self::new(StatusCode::FORBIDDEN, reason, detail).challenge(realm, needed)
    }

    fn new(status: StatusCode, reason: &'static str, detail: impl Into<String>) -> Self {
        let headers = vec![(REASON, HeaderValue::from_static(reason))];
        Self { status, reason, detail: detail.into(), headers }
    }

    /// The detail stands beside an error, and nowhere else.
    fn challenge(mut self, realm: &str, attributes: &[(&str, &str)]) -> Self {
        let detail = self.detail.replace(['"', '\\'], "'");
        let described = attributes.first().map(|_| ("error_description", detail.as_str()));
        let realm = [("realm", realm)].into_iter();
        let attributes = realm.chain(attributes.iter().copied()).chain(described);
        let attributes: Vec<_> =
            attributes.map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let challenge = format!("Bearer {}", attributes.join(", "));
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            self.headers.push((header::WWW_AUTHENTICATE, challenge));
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::{
        clock::Timestamp,
        error::{Fault, Outage},
        revocation::{Killed, Reason},
    };

    const REALM: &str = "https://auth.example";

    fn line(refused: &Refused) -> String {
        let header = |(name, value): &(HeaderName, HeaderValue)| {
            format!("\n  {name}: {}", value.to_str().expect("ASCII"))
        };
        let headers: String = refused.headers.iter().map(header).collect();
        format!("{} {}{headers}", refused.status.as_u16(), refused.detail)
    }

    /// What gateways and browsers are told, for review.
    #[test]
    fn s1_7_s2_8_the_table_of_refusals() {
        use InactiveReason as R;
        let killed =
            Killed { at: Timestamp::from_seconds(1), reason: Reason::Logout, by_key: false };
        let reasons = [
            R::Invalid,
            R::Expired,
            R::Revoked(killed),
            R::KeyRevoked,
            R::WrongType,
            R::WrongAudience,
            R::MissingScope,
            R::MissingRole,
        ];
        let needed = |scopes: &[&str]| Requirements {
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            ..Requirements::default()
        };
        let mut table: Vec<_> = reasons
            .iter()
            .map(|reason| Refused::inactive(REALM, reason, &needed(&["read", "write"])))
            .collect();
        table.push(Refused::inactive(REALM, &R::MissingRole, &needed(&[])));
        table.push(Refused::without_credential(REALM));
        let malformed = AuthError::invalid("authorization", "must be 'Bearer' and \"one\" token");
        table.push(Refused::malformed(REALM, &malformed));
        table.push(Refused::cross_site());
        let fault = || Fault::from("postgres://user:hunter2@db");
        let retry_after = Duration::from_millis(1500);
        for error in [
            AuthError::invalid("parameters", "must be aud, scope and role, and no other"),
            AuthError::Unauthenticated(Refusal::InvalidCredentials),
            AuthError::Throttled { retry_after },
            AuthError::Overloaded { work: "password hashing", retry_after },
            AuthError::Unavailable { outage: Outage::StaleRevocations, fault: fault() },
            AuthError::DeadlineExceeded,
            AuthError::Internal(fault()),
        ] {
            table.push(Refused::failed(REALM, &error));
        }
        let lines: Vec<_> = table.iter().map(line).collect();
        assert!(!lines.iter().any(|line| line.contains("hunter2")));
        insta::assert_snapshot!("refusals", lines.join("\n"));
    }

    #[test]
    fn the_body_says_the_same() {
        assert_eq!(
            Refused::without_credential(REALM).body(),
            concat!(
                r#"{"type":"about:blank","title":"Unauthorized","status":401,"#,
                r#""reason":"MISSING_TOKEN","detail":"a token is required"}"#
            )
        );
    }
}
