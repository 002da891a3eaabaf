//! Who a request is, as headers for the upstream.

use axum::http::{HeaderName, HeaderValue};

use crate::domain::{
    account::Role,
    claims::AccessClaims,
    error::{AuthError, Fault},
    policy::Audience,
};

/// The request's own cookies, for gateways that put them in place of `Cookie`.
pub const COOKIE: HeaderName = HeaderName::from_static("x-auth-cookie");

/// Each header, empty where the token says nothing.
pub(super) fn headers(claims: &AccessClaims) -> Result<Vec<(HeaderName, HeaderValue)>, AuthError> {
    let user = claims.user();
    let roles = claims.roles().iter().map(Role::as_str);
    let audience = claims.audience.iter().map(Audience::as_str);
    let text = |text: Option<&String>| text.map(|text| encoded(text)).unwrap_or_default();
    let values = [
        ("x-auth-subject", claims.subject()),
        ("x-auth-client-id", claims.client_id.to_string()),
        ("x-auth-session-id", user.map(|user| user.session_id.to_string()).unwrap_or_default()),
        ("x-auth-audience", audience.collect::<Vec<_>>().join(" ")),
        ("x-auth-scope", claims.scopes.to_string()),
        ("x-auth-roles", roles.collect::<Vec<_>>().join(" ")),
        ("x-auth-name", text(user.and_then(|user| user.name.as_ref()))),
        ("x-auth-email", text(user.and_then(|user| user.email.as_ref()))),
        ("x-auth-expires", claims.expires_at.seconds().to_string()),
    ];
    values
        .into_iter()
        .map(|(name, value)| Ok((HeaderName::from_static(name), header(value)?)))
        .collect()
}

fn header(text: String) -> Result<HeaderValue, AuthError> {
    HeaderValue::try_from(text)
        .map_err(|error| AuthError::Internal(Fault::caused_by("an identity header", error)))
}

/// Percent-encoded UTF-8 (RFC 3986 section 2.1) where it is not printable
/// ASCII. A percent sign is encoded too, so decoding is always right.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b' '..=b'~' if byte != b'%' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_ascii_and_can_be_decoded() {
        for (name, expected) in [
            ("Ada Lovelace", "Ada Lovelace"),
            ("Jürgen", "J%C3%BCrgen"),
            ("100%41", "100%2541"),
            ("a\r\nX-Auth-Roles: admin", "a%0D%0AX-Auth-Roles: admin"),
            ("\u{7f}", "%7F"),
        ] {
            assert_eq!(encoded(name), expected);
        }
    }
}
