//! What gateways and browsers may be asked for.

use std::collections::BTreeSet;

use http::HeaderName;

use super::{Check, Settings};

/// Schemes, and headers, that can be configured.
const NAMES_MAX: usize = 8;
/// Headers that mean something else already.
const TAKEN: [&str; 4] = ["authorization", "authorization-bin", "cookie", "origin"];
const HOST_PREFIX: &str = "__Host-";
const COOKIE_NAME_MAX_LEN: usize = 64;

impl Check {
    pub(super) fn gateways(&mut self, s: &Settings) {
        let schemes = &s.gateway.schemes.0;
        if !are_distinct(schemes, is_token) {
            let rule = format!("must be at most {NAMES_MAX} different names of schemes");
            self.refuse("gateway.schemes", &schemes.join(","), &rule);
        }
        let headers = &s.gateway.token_headers.0;
        let is_free = |name: &str| {
            let name = name.to_ascii_lowercase();
            is_token(&name) && !TAKEN.contains(&name.as_str())
        };
        if !are_distinct(headers, is_free) {
            let rule = format!("must be at most {NAMES_MAX} different headers, none of {TAKEN:?}");
            self.refuse("gateway.token_headers", &headers.join(","), &rule);
        }
    }

    pub(super) fn browser(&mut self, s: &Settings) {
        let browser = &s.browser;
        let name = &browser.cookie_name;
        let fits = name.len() <= COOKIE_NAME_MAX_LEN && is_token(name);
        if !(fits && name.len() > HOST_PREFIX.len() && name.starts_with(HOST_PREFIX)) {
            let rule = format!(
                "must be {HOST_PREFIX} and a name, at most {COOKIE_NAME_MAX_LEN} characters"
            );
            self.refuse("browser.cookie_name", name, &rule);
        }
        if let Some(client) = &browser.client
            && !s.clients_or_default().contains_key(client)
        {
            self.refuse("browser.client", client, "must be the id of a client under [clients]");
        }
        for origin in browser.origins.iter().flat_map(|origins| &origins.0) {
            self.origin("browser.origins", origin);
        }
        self.backdate("browser.cookie_lifetime", browser.cookie_lifetime, s);
    }
}

fn are_distinct(names: &[String], is_allowed: impl Fn(&str) -> bool) -> bool {
    let distinct: BTreeSet<_> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    names.len() <= NAMES_MAX && distinct.len() == names.len() && names.iter().all(|n| is_allowed(n))
}

/// A token of RFC 9110 section 5.6.2, which header names are, too.
fn is_token(text: &str) -> bool {
    HeaderName::from_bytes(text.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use confique::Config as _;

    use super::*;
    use crate::config::{Span, Words};

    fn violations(change: impl FnOnce(&mut Settings)) -> Vec<String> {
        let mut settings = Settings::builder().load().expect("defaults are complete");
        change(&mut settings);
        super::super::violations(&settings)
    }

    #[test]
    fn names_that_mean_something_else_are_refused() {
        let words = |texts: &[&str]| Words(texts.iter().map(|text| (*text).to_owned()).collect());
        for good in [&[][..], &["tsessionid", "X-Access-Token"], &["x-auth-token"]] {
            assert!(violations(|s| s.gateway.token_headers = words(good)).is_empty(), "{good:?}");
        }
        for bad in [
            &["Authorization"][..],
            &["cookie"],
            &["origin"],
            &["a b"],
            &[""],
            &["x", "X"],
            &["a", "b", "c", "d", "e", "f", "g", "h", "i"],
        ] {
            assert_eq!(violations(|s| s.gateway.token_headers = words(bad)).len(), 1, "{bad:?}");
        }
        for bad in [&["Bearer", "bearer"][..], &["JWT "], &["a/b"]] {
            assert_eq!(violations(|s| s.gateway.schemes = words(bad)).len(), 1, "{bad:?}");
        }
    }

    #[test]
    fn the_cookie_is_for_one_host_and_lives_longer_than_its_backdate() {
        for bad in ["tokenward", "__Secure-x", "__host-x", "__Host-", "__Host-a b", "__Host-a;"] {
            let broken = violations(|s| bad.clone_into(&mut s.browser.cookie_name));
            assert_eq!(broken.len(), 1, "{bad}");
        }
        assert_eq!(violations(|s| s.browser.client = Some("x".to_owned())).len(), 1);
        let late = |s: &mut Settings| {
            s.browser.cookie_lifetime = Span(Duration::from_mins(1));
            s.tokens.issued_at_backdate = Span(Duration::from_secs(31));
        };
        assert_eq!(violations(late).len(), 1);
    }
}
