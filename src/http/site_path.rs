//! Where a form may send the browser: to a page of the same site and nowhere
//! else, whatever a browser makes of the text.

use url::form_urlencoded;

/// Longer ones are no honest page's.
const MAX_LEN: usize = 2048;

/// A path on the same site, perhaps with a query and a fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SitePath(String);

impl SitePath {
    /// `/` and what follows: no further slash at once, in the path nowhere two,
    /// no backslash (browsers take it for a slash), printable ASCII only
    /// (they leave out tabs and newlines).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let path = text.split(['?', '#']).next().unwrap_or_default();
        let is_path = path.starts_with('/') && !path.contains("//");
        let is_plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        (is_path && is_plain && text.len() <= MAX_LEN).then(|| Self(text.to_owned()))
    }

    /// The first page.
    pub(super) fn root() -> Self {
        Self("/".to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The same with one more parameter in its query.
    pub(super) fn with(&self, name: &str, value: &str) -> Self {
        let (page, fragment) = match self.0.split_once('#') {
            Some((page, fragment)) => (page, format!("#{fragment}")),
            None => (self.0.as_str(), String::new()),
        };
        let join = if page.contains('?') { '&' } else { '?' };
        let parameter =
            form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
        Self(format!("{page}{join}{parameter}{fragment}"))
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    #[test]
    fn pages_of_the_same_site_are_paths() {
        for good in ["/", "/a/b", "/a?next=https://x.example//y", "/a#b", "/%2F%2Fevil.example"] {
            let path = SitePath::parse(good).expect(good);
            let base = Url::parse("https://site.example/session").expect("a URL");
            let target = base.join(path.as_str()).expect("a URL");
            assert_eq!(target.origin(), base.origin(), "{good}");
        }
        for bad in [
            "",
            "a",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "/a//b",
            "/./\\evil",
            "?x",
            "#x",
            " /",
            "/ ",
            "/\u{e4}",
            &format!("/{}", "x".repeat(MAX_LEN)),
        ] {
            assert_eq!(SitePath::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_parameter_goes_before_the_fragment() {
        for (page, expected) in [
            ("/login", "/login?error=A_B"),
            ("/login?a=1", "/login?a=1&error=A_B"),
            ("/login#top", "/login?error=A_B#top"),
        ] {
            let page = SitePath::parse(page).expect(page);
            assert_eq!(page.with("error", "A_B").as_str(), expected);
        }
    }
}
