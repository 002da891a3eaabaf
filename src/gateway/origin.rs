//! Whose pages may use the cookie: the defence against requests that another
//! site has a browser make (CSRF), beside `SameSite`.

use axum::http::{HeaderMap, header};

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// The origins whose pages may use the cookie.
#[derive(Clone, Debug)]
pub struct Origins(Vec<String>);

impl Origins {
    /// These, as browsers write them.
    pub fn new(origins: Vec<String>) -> Self {
        Self(origins)
    }

    /// May a request come from where the browser says that it does? An `Origin`
    /// must be one of these; without one, a request that changes something
    /// must not come from another site. No page can make up or leave out these
    /// headers; programs that send neither carry no cookie by accident.
    pub fn admit(&self, headers: &HeaderMap, method: &str) -> bool {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => is_safe(method) || !is_cross_site(headers),
            (Some(origin), None) => self.0.iter().any(|allowed| origin == allowed.as_str()),
            (Some(_), Some(_)) => false,
        }
    }
}

fn is_cross_site(headers: &HeaderMap) -> bool {
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    sites.any(|site| site != "same-origin" && site != "none")
}

/// Does it only read (RFC 9110 section 9.2.1)?
pub fn is_safe(method: &str) -> bool {
    matches!(method, "GET" | "HEAD" | "OPTIONS")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn admits(method: &str, entries: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in entries {
            headers.append(*name, HeaderValue::from_static(value));
        }
        Origins::new(vec!["https://a.example".to_owned()]).admit(&headers, method)
    }

    #[test]
    fn ht_09_an_origin_must_be_allowed_whatever_the_method() {
        for method in ["GET", "POST"] {
            assert!(admits(method, &[("origin", "https://a.example")]));
            for bad in [
                "https://b.example",
                "https://a.example.evil",
                "https://a.example:8443",
                "http://a.example",
                "https://A.example",
                "null",
                "",
            ] {
                assert!(!admits(method, &[("origin", bad)]), "{bad}");
                assert!(!admits(method, &[("origin", "https://a.example"), ("origin", bad)]));
            }
        }
    }

    #[test]
    fn without_an_origin_the_fetch_metadata_decides() {
        for site in ["cross-site", "same-site", "", "x"] {
            assert!(admits("GET", &[("sec-fetch-site", site)]), "{site}");
            for unsafe_method in ["POST", "PUT", "DELETE", "PATCH", "get", ""] {
                assert!(!admits(unsafe_method, &[("sec-fetch-site", site)]), "{site}");
            }
        }
        for site in ["same-origin", "none"] {
            assert!(admits("POST", &[("sec-fetch-site", site)]), "{site}");
        }
        assert!(admits("POST", &[]), "a program");
        let claimed = [("sec-fetch-site", "cross-site"), ("x-forwarded-method", "GET")];
        assert!(!admits("POST", &claimed), "no header says what the method is");
    }
}
