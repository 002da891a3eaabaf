//! The access token that a request carries.

use axum::http::HeaderMap;

use crate::domain::error::AuthError;

/// The caller's access token (RFC 6750 section 2.1): one `authorization` of
/// the form `Bearer`, one space, token. No credentials at all, or those of
/// another scheme, are `None`; more than one, or a malformed one, are an
/// invalid request (section 3.1), since any choice could be the wrong one.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    let malformed = || {
        let rule = "must be one entry: 'Bearer', one space, and the access token";
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
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic() && b != b',') {
        return Err(malformed());
    }
    Ok(Some(token))
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
        for bad in
            ["Bearer", "Bearer ", "Bearer  a", "Bearer a ", "Bearer a b", "Bearer a,b", "Bearer ä"]
        {
            let headers = headers(&[("authorization", bad)]);
            assert!(matches!(bearer(&headers), Err(AuthError::InvalidArgument(_))), "{bad:?}");
        }
    }

    #[test]
    fn other_schemes_and_no_credentials_are_none() {
        assert_eq!(bearer(&headers(&[])).expect("none"), None);
        for other in ["Basic dTpw", "", "a.b.c", "Bearera b"] {
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
}
