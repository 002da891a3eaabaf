//! The access token that a request carries.

use axum::http::HeaderMap;

use crate::domain::error::AuthError;

/// The caller's access token (RFC 6750 section 2.1).
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    authorization(headers, &["Bearer"])
}

/// The token in `authorization`: one entry of the form scheme, one space,
/// token, the scheme being one of these. No credentials at all, or those of
/// another scheme, are `None`; more than one, a malformed one, or one without
/// its scheme are an invalid request (section 3.1), since any choice could be
/// the wrong one.
pub fn authorization<'h>(
    headers: &'h HeaderMap,
    schemes: &[impl AsRef<str>],
) -> Result<Option<&'h str>, AuthError> {
    let malformed = || {
        let schemes: Vec<_> = schemes.iter().map(AsRef::as_ref).collect();
        let schemes = schemes.join("' or '");
        let rule = format!("must be one entry: '{schemes}', one space, and the access token");
        AuthError::invalid("authorization", rule)
    };
    if headers.contains_key("authorization-bin") {
        return Err(malformed());
    }
    let mut entries = headers.get_all("authorization").iter();
    let Some(entry) = entries.next() else { return Ok(None) };
    if entries.next().is_some() {
        return Err(malformed());
    }
    let text = entry.to_str().map_err(|_| malformed())?;
    let Some((scheme, token)) = text.split_once(' ') else {
        return if text.is_empty() { Ok(None) } else { Err(malformed()) };
    };
    if !schemes.iter().any(|accepted| accepted.as_ref().eq_ignore_ascii_case(scheme)) {
        return Ok(None);
    }
    if is_bare_token(token.as_bytes()) { Ok(Some(token)) } else { Err(malformed()) }
}

/// Could it be one token? A comma would stand between two headers that a proxy
/// has made one of.
pub fn is_bare_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| b.is_ascii_graphic() && *b != b',')
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(entries: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in entries {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        headers
    }

    #[test]
    fn ve_16_the_scheme_is_case_insensitive_and_followed_by_one_space() {
        for good in ["Bearer a.b-c_d", "bearer a.b-c_d", "BEARER a.b-c_d"] {
            let headers = headers(&[("authorization", good)]);
            assert_eq!(bearer(&headers).expect(good), Some("a.b-c_d"));
        }
        for bad in [
            "Bearer",
            "Bearer ",
            "Bearer  a",
            "Bearer a ",
            "Bearer a b",
            "Bearer a,b",
            "Bearer ä",
            "a.b-c_d",
        ] {
            let headers = headers(&[("authorization", bad)]);
            assert!(matches!(bearer(&headers), Err(AuthError::InvalidArgument(_))), "{bad:?}");
        }
    }

    #[test]
    fn other_schemes_and_no_credentials_are_none() {
        assert_eq!(bearer(&headers(&[])).expect("none"), None);
        for other in ["Basic dTpw", "", "Bearera b"] {
            let headers = headers(&[("authorization", other)]);
            assert_eq!(bearer(&headers).expect(other), None, "{other:?}");
        }
    }

    #[test]
    fn ve_27_ve_28_gt_25_ambiguous_credentials_are_refused() {
        let twice = [("authorization", "Bearer a"), ("authorization", "Bearer a")];
        let binary = [("authorization-bin", "QmVhcmVyIGE")];
        let both = [("authorization", "Bearer a"), ("authorization-bin", "QmVhcmVyIGE")];
        for entries in [&twice[..], &binary, &both] {
            let headers = headers(entries);
            assert!(matches!(bearer(&headers), Err(AuthError::InvalidArgument(_))), "{entries:?}");
        }
    }

    #[test]
    fn s2_7_the_accepted_schemes_are_a_setting() {
        let schemes = ["Bearer", "JWT"];
        for good in ["JWT a.b-c_d", "jwt a.b-c_d", "Bearer a.b-c_d"] {
            let headers = headers(&[("authorization", good)]);
            assert_eq!(authorization(&headers, &schemes).expect(good), Some("a.b-c_d"));
        }
        for bad in ["JWT", "JWT ", "JWT  a", "JWT a b", "a.b-c_d"] {
            let headers = headers(&[("authorization", bad)]);
            let error = authorization(&headers, &schemes).expect_err(bad).to_string();
            assert!(error.contains("'Bearer' or 'JWT', one space"), "{error}");
        }
        let other = headers(&[("authorization", "JWT a.b-c_d")]);
        assert_eq!(bearer(&other).expect("another scheme"), None);
    }
}
