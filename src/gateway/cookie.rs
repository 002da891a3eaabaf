//! The cookie of a browser session (RFC 6265bis), and what of a `Cookie`
//! header is for the upstream.

use axum::http::{HeaderMap, HeaderValue, header};
use secrecy::ExposeSecret as _;

use crate::{
    arrival::is_bare_token,
    domain::error::{AuthError, Fault},
    service::browser::Cookie,
};

/// Browsers drop a cookie whose name and value are longer together.
const COOKIE_MAX_LEN: usize = 4096;

/// The cookie that browsers are logged in with.
#[derive(Clone, Debug)]
pub struct SessionCookie {
    name: String,
    same_site: &'static str,
}

impl SessionCookie {
    /// A cookie of this name and `SameSite`.
    pub fn new(name: String, same_site: &'static str) -> Self {
        Self { name, same_site }
    }

    /// The `Set-Cookie` that hands it to the browser.
    pub fn set(&self, cookie: &Cookie) -> Result<HeaderValue, AuthError> {
        let token = cookie.token.expose_secret();
        let length = self.name.len() + token.len();
        if length > COOKIE_MAX_LEN {
            let fault = format!("the cookie has {length} bytes, browsers keep {COOKIE_MAX_LEN}");
            return Err(AuthError::internal(fault));
        }
        let mut value = self.line(token, cookie.max_age.as_secs())?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The `Set-Cookie` that takes it away.
    pub fn cleared(&self) -> Option<HeaderValue> {
        self.line("", 0).ok()
    }

    /// Its value in a request. Two of the name are an invalid request.
    pub fn find<'a>(&self, headers: &'a HeaderMap) -> Result<Option<&'a str>, AuthError> {
        let ours = pairs(headers).filter(|pair| self.is_in(pair));
        let mut values = ours.map(value).filter(|value| !value.is_empty());
        let Some(value) = values.next() else { return Ok(None) };
        let text = std::str::from_utf8(value).ok().filter(|text| is_bare_token(text.as_bytes()));
        match text {
            Some(text) if values.next().is_none() => Ok(Some(text)),
            _ => {
                Err(AuthError::invalid("credentials", format!("must be one cookie {}", self.name)))
            }
        }
    }

    fn line(&self, value: &str, max_age: u64) -> Result<HeaderValue, AuthError> {
        let Self { name, same_site } = self;
        let line = format!(
            "{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; Secure; SameSite={same_site}"
        );
        HeaderValue::try_from(line)
            .map_err(|error| AuthError::Internal(Fault::caused_by("Set-Cookie", error)))
    }

    fn is_in(&self, pair: &[u8]) -> bool {
        name(pair) == self.name.as_bytes()
    }
}

/// The cookies of a request without that of the session, as one header.
pub(super) fn without(
    headers: &HeaderMap,
    session: Option<&SessionCookie>,
) -> Result<HeaderValue, AuthError> {
    let others = pairs(headers).filter(|pair| !session.is_some_and(|session| session.is_in(pair)));
    let joined = others.collect::<Vec<_>>().join(&b"; "[..]);
    HeaderValue::from_bytes(&joined)
        .map_err(|error| AuthError::Internal(Fault::caused_by("Cookie", error)))
}

/// Each `name=value`. HTTP/2 may bring them in several headers.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let entries = headers.get_all(header::COOKIE).iter();
    let pairs = entries.flat_map(|entry| entry.as_bytes().split(|b| *b == b';'));
    pairs.map(<[u8]>::trim_ascii).filter(|pair| !pair.is_empty())
}

fn name(pair: &[u8]) -> &[u8] {
    pair.split(|b| *b == b'=').next().unwrap_or_default().trim_ascii()
}

fn value(pair: &[u8]) -> &[u8] {
    let after = pair.iter().position(|b| *b == b'=').and_then(|at| pair.get(at + 1..));
    after.unwrap_or_default().trim_ascii()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use secrecy::SecretString;

    use super::*;
    use crate::domain::clock::Timestamp;

    fn session() -> SessionCookie {
        SessionCookie::new("__Host-s".to_owned(), "Lax")
    }

    fn cookie(token: &str) -> Cookie {
        Cookie {
            token: SecretString::from(token),
            expires_at: Timestamp::from_seconds(1_800_000_000),
            max_age: Duration::from_millis(3_599_900),
        }
    }

    #[test]
    fn s3_3_the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        assert_eq!(
            session().set(&cookie("a.b")).expect("a line"),
            "__Host-s=a.b; Path=/; Max-Age=3599; HttpOnly; Secure; SameSite=Lax"
        );
        assert_eq!(
            session().cleared().expect("a line"),
            "__Host-s=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
        );
    }

    #[test]
    fn a_cookie_that_browsers_would_drop_is_not_sent() {
        let of = |length: usize| session().set(&cookie(&"x".repeat(length)));
        assert!(of(COOKIE_MAX_LEN - "__Host-s".len()).is_ok());
        assert!(of(COOKIE_MAX_LEN - "__Host-s".len() + 1).is_err());
    }

    #[test]
    fn the_upstream_sees_every_cookie_but_that_of_the_session() {
        for (entries, expected) in [
            (&["a=1; __Host-s=x; b=2"][..], "a=1; b=2"),
            (&["__Host-s=x"], ""),
            (&["__Host-s=x; __Host-s = y;a=1"], "a=1"),
            (&["a=1", "__Host-s=x", "b=\"2;"], "a=1; b=\"2"),
            (&["__host-s=x; a=__Host-s=x; ;;"], "__host-s=x; a=__Host-s=x"),
            (&[], ""),
        ] {
            let mut headers = HeaderMap::new();
            for entry in entries {
                headers.append(header::COOKIE, HeaderValue::from_static(entry));
            }
            assert_eq!(without(&headers, Some(&session())).expect("a value"), expected);
        }
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("__Host-s=x"));
        assert_eq!(without(&headers, None).expect("a value"), "__Host-s=x", "none of ours");
    }
}
