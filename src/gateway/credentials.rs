//! Where the credential of a request is.

use axum::http::{HeaderMap, HeaderName, header};

use crate::{
    arrival::{authorization, is_bare_token},
    domain::error::AuthError,
};

use super::{BrowserRules, GatewayRules};

/// What a request wants to be let through for.
#[derive(Debug)]
pub(super) enum Credential<'a> {
    /// An access token that somebody has put there, and where.
    Token { token: &'a str, header: HeaderName },
    /// The cookie that browsers send along, whoever made them.
    Cookie { token: &'a str, rules: &'a BrowserRules },
}

impl GatewayRules {
    /// The one credential of a request. What was put there explicitly goes
    /// before the cookie. Two explicit ones are an invalid request, even if
    /// they are equal: the upstream might read the other one.
    pub(super) fn credential<'a>(
        &'a self,
        headers: &'a HeaderMap,
    ) -> Result<Option<Credential<'a>>, AuthError> {
        let token = authorization(headers, &self.schemes)?;
        let mut found =
            token.map(|token| Credential::Token { token, header: header::AUTHORIZATION });
        for name in &self.token_headers {
            let Some(token) = bare_token(headers, name)? else { continue };
            if found.is_some() {
                return Err(AuthError::invalid("credentials", "must stand in one header only"));
            }
            found = Some(Credential::Token { token, header: name.clone() });
        }
        match (found, &self.browser) {
            (None, Some(rules)) => {
                let token = rules.cookie.find(headers)?;
                Ok(token.map(|token| Credential::Cookie { token, rules }))
            }
            (found, _) => Ok(found),
        }
    }
}

/// The token that is the whole value of a header. An empty value is none: so
/// some proxies take a header away.
fn bare_token<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, AuthError> {
    let mut entries = headers.get_all(name).iter().filter(|entry| !entry.is_empty());
    let Some(entry) = entries.next() else { return Ok(None) };
    let text = entry.to_str().ok().filter(|text| is_bare_token(text.as_bytes()));
    match text {
        Some(text) if entries.next().is_none() => Ok(Some(text)),
        _ => Err(AuthError::invalid("credentials", format!("must be one token in {name}, bare"))),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::gateway::{Origins, SessionCookie};

    fn rules() -> GatewayRules {
        let cookie = SessionCookie::new("__Host-s".to_owned(), "Lax");
        GatewayRules {
            schemes: vec!["Bearer".to_owned(), "JWT".to_owned()],
            token_headers: ["tsessionid", "x-access-token"].map(HeaderName::from_static).to_vec(),
            forward_token: false,
            browser: Some(BrowserRules { cookie, origins: Origins::new(Vec::new()) }),
        }
    }

    /// The credential as `where: token`.
    fn find(rules: &GatewayRules, entries: &[(&'static str, &str)]) -> Result<Option<String>, ()> {
        let mut headers = HeaderMap::new();
        for (name, value) in entries {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        let found = rules.credential(&headers).map_err(|_| ())?;
        Ok(found.map(|credential| match credential {
            Credential::Token { token, header } => format!("{header}: {token}"),
            Credential::Cookie { token, .. } => format!("cookie: {token}"),
        }))
    }

    #[test]
    fn s0_2_s2_7_s3_3_s4_6_a_credential_stands_where_it_is_configured() {
        for (entries, expected) in [
            (&[("authorization", "Bearer a.b")][..], "authorization: a.b"),
            (&[("authorization", "jwt a.b")], "authorization: a.b"),
            (&[("tsessionid", "a.b")], "tsessionid: a.b"),
            (&[("x-access-token", "a.b")], "x-access-token: a.b"),
            (&[("cookie", "x=1; __Host-s=a.b; y=2")], "cookie: a.b"),
            (&[("cookie", "x=1"), ("cookie", "__Host-s=a.b")], "cookie: a.b"),
            (&[("authorization", "Basic eA=="), ("cookie", "__Host-s=a.b")], "cookie: a.b"),
            (&[("tsessionid", ""), ("x-access-token", "a.b")], "x-access-token: a.b"),
        ] {
            assert_eq!(find(&rules(), entries), Ok(Some(expected.to_owned())), "{entries:?}");
        }
        for entries in [
            &[][..],
            &[("authorization", "Basic eA==")],
            &[("x-auth-token", "a.b")],
            &[("cookie", "__host-s=a.b; s=a.b; x__Host-s=a.b; __Host-s=")],
        ] {
            assert_eq!(find(&rules(), entries), Ok(None), "{entries:?}");
        }
        let plain = GatewayRules { token_headers: Vec::new(), browser: None, ..rules() };
        assert_eq!(find(&plain, &[("tsessionid", "a.b"), ("cookie", "__Host-s=a.b")]), Ok(None));
    }

    #[test]
    fn what_was_put_there_goes_before_the_cookie() {
        let both = [("cookie", "__Host-s=ambient"), ("x-access-token", "explicit")];
        assert_eq!(find(&rules(), &both), Ok(Some("x-access-token: explicit".to_owned())));
    }

    #[test]
    fn ve_27_gt_25_s2_7_what_is_malformed_or_ambiguous_is_refused() {
        for entries in [
            &[("authorization", "Bearer a"), ("authorization", "Bearer a")][..],
            &[("authorization", "Bearer a"), ("tsessionid", "a")],
            &[("tsessionid", "a"), ("x-access-token", "a")],
            &[("tsessionid", "a"), ("tsessionid", "a")],
            &[("tsessionid", "a,b")],
            &[("tsessionid", "Bearer a")],
            &[("tsessionid", "ä")],
            &[("authorization", "JWT")],
            &[("authorization", "a.b.c")],
            &[("cookie", "__Host-s=a; __Host-s=b")],
            &[("cookie", "__Host-s=a"), ("cookie", "__Host-s=a")],
            &[("cookie", "__Host-s=a,b")],
        ] {
            assert_eq!(find(&rules(), entries), Err(()), "{entries:?}");
        }
    }
}
