//! What a body says that it is (RFC 9110 section 8.3.1).

use axum::http::{HeaderMap, header};

/// Forms, as browsers send them.
pub const FORM: &str = "application/x-www-form-urlencoded";
/// JSON. A page of another site cannot send it unasked.
pub const JSON: &str = "application/json";

/// The media type of a body in lower case. Its parameters, such as a charset,
/// change nothing here.
pub fn of(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_forms_are_forms() {
        let is = |kind: &'static str| {
            let value = HeaderValue::from_static(kind);
            of(&HeaderMap::from_iter([(header::CONTENT_TYPE, value)])) == FORM
        };
        for good in [FORM, "Application/X-WWW-Form-Urlencoded ; charset=UTF-8"] {
            assert!(is(good), "{good}");
        }
        for bad in ["", JSON, "multipart/form-data", "text/plain", "x-www-form"] {
            assert!(!is(bad), "{bad}");
        }
        assert_eq!(of(&HeaderMap::new()), "");
    }
}
