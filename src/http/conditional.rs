//! `If-None-Match` (RFC 9110 section 13.1.2).

use axum::http::{HeaderMap, header};

/// Does the client have the representation with this strong `etag` already?
/// A malformed field counts as far as it can be read: the worst that follows
/// is a document sent once more.
pub(super) fn is_unchanged(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.trim() == "*" || tags(value).any(|tag| tag == etag))
}

/// The entity tags of a list, in their quotes. The comparison is the weak
/// one, so `W/` does not count. Commas may stand inside of a tag.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        rest = rest.strip_prefix("W/").unwrap_or(rest);
        let end = rest.strip_prefix('"')?.find('"')?;
        let (tag, after) = rest.split_at_checked(end + 2)?;
        rest = after;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn unchanged(values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
            headers.append(header::IF_NONE_MATCH, value);
        }
        is_unchanged(&headers, r#""abc""#)
    }

    #[test]
    fn ht_02_lists_weak_tags_and_the_star_match() {
        for known in [
            r#""abc""#,
            r#"W/"abc""#,
            "*",
            " * ",
            r#""x", "abc""#,
            r#""x","abc","y""#,
            r#"W/"x" ,	W/"abc""#,
            r#""a,b", "abc""#,
            r#", ,"abc""#,
        ] {
            assert!(unchanged(&[known]), "{known}");
        }
        assert!(unchanged(&[r#""x""#, r#""abc""#]));
    }

    #[test]
    fn ht_19_anything_else_does_not() {
        let huge = r#""x","#.repeat(100_000);
        for other in [
            "",
            "abc",
            r#""ab""#,
            r#""abcd""#,
            r#""ABC""#,
            r#""abc"#,
            r#"abc""#,
            r#""x" abc"#,
            r#"w/"abc""#,
            r#""x,"abc""#,
            "ä",
            &huge,
        ] {
            assert!(!unchanged(&[other]), "{other}");
        }
        assert!(!unchanged(&[]));
    }
}
