//! The bounds of settings, and the rules between them.

mod gateways;
mod grants;

use std::{fmt::Display, time::Duration};

use url::{Host, Url};

use super::{ClientSettings, Settings, Span, VerifyCallers};
use crate::domain::{
    account::Role,
    id::ClientId,
    policy::{Audience, Scopes},
};

/// Every broken rule, one sentence each: the setting's name, its value unless
/// it is secret, and the rule.
pub fn violations(settings: &Settings) -> Vec<String> {
    let mut check = Check::default();
    check.bounds(settings);
    check.relations(settings);
    for (id, client) in &settings.clients {
        check.client(id, client, settings);
    }
    for (name, scope) in &settings.scopes {
        check.scope(name, scope, settings);
    }
    check.custom_claims(settings);
    check.admin(settings);
    check.verify(settings);
    check.gateways(settings);
    check.browser(settings);
    check.violations
}

#[derive(Default)]
struct Check {
    violations: Vec<String>,
    /// Names and ranges of everything that was checked, for the test that
    /// compares them with the settings' descriptions.
    ranges: Vec<(String, String)>,
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

const fn mins(n: u64) -> Duration {
    Duration::from_mins(n)
}

const fn days(n: u64) -> Duration {
    Duration::from_hours(24 * n)
}

impl Check {
    fn bounds(&mut self, s: &Settings) {
        self.number("database.max_connections", s.database.max_connections, 1, 200);
        self.span("database.acquire_timeout", s.database.acquire_timeout, millis(10), mins(1));
        self.span("database.statement_timeout", s.database.statement_timeout, millis(10), mins(1));
        self.span("database.lock_timeout", s.database.lock_timeout, millis(10), mins(1));
        let idle = s.database.idle_in_transaction_timeout;
        self.span("database.idle_in_transaction_timeout", idle, secs(1), mins(10));
        self.span("keys.poll_interval", s.keys.poll_interval, millis(100), mins(1));
        self.span("keys.rotation_period", s.keys.rotation_period, mins(1), days(3_650));
        self.span("keys.publish_lead", s.keys.publish_lead, secs(1), days(90));
        self.span("grpc.request_timeout", s.grpc.request_timeout, millis(100), mins(5));
        self.number("grpc.max_message_bytes", s.grpc.max_message_bytes, 65_536, 16_777_216);
        self.span("http.request_timeout", s.http.request_timeout, millis(100), mins(5));
        let cookie = s.browser.cookie_lifetime;
        self.span("browser.cookie_lifetime", cookie, mins(1), days(1));
        self.span("browser.renewal_wait", s.browser.renewal_wait, millis(10), secs(5));
        self.span("tls.poll_interval", s.tls.poll_interval, millis(100), mins(60));
        self.span("tls.handshake_timeout", s.tls.handshake_timeout, millis(100), mins(1));
        self.connection_bounds(s);
        self.token_bounds(s);
        self.number("password.min_chars", s.password.min_chars, 8, 128);
        self.number("password.memory_kib", s.password.memory_kib, 7_168, 262_144);
        self.number("password.iterations", s.password.iterations, 1, 64);
        self.number("password.parallelism", s.password.parallelism, 1, 16);
        self.span("password.failure_grid", s.password.failure_grid, secs(0), secs(5));
        let one_time = &s.one_time_tokens;
        self.span("one_time_tokens.reset_lifetime", one_time.reset_lifetime, mins(1), days(1));
        let verification = one_time.verification_lifetime;
        self.span("one_time_tokens.verification_lifetime", verification, mins(10), days(30));
        self.throttle_bounds(s);
        self.number("workers.threads", s.workers.threads, 0, 256);
        self.number("workers.hashing_threads", s.workers.hashing_threads, 0, 256);
        self.number("workers.signing_queue", s.workers.signing_queue, 16, 100_000);
        self.number("workers.hashing_queue", s.workers.hashing_queue, 1, 100_000);
        self.span("workers.max_wait", s.workers.max_wait, millis(100), mins(1));
        let memory_mib = s.workers.hashing_memory_mib;
        self.number("workers.hashing_memory_mib", memory_mib, 8, 65_536);
        self.span("workers.keep_memory", s.workers.keep_memory, secs(0), mins(60));
        self.span("revocation.poll_interval", s.revocation.poll_interval, millis(10), secs(10));
        self.span("revocation.fresh_for", s.revocation.fresh_for, millis(100), mins(1));
        self.span("revocation.catch_up", s.revocation.catch_up, millis(1), secs(5));
        self.span("revocation.staleness_budget", s.revocation.staleness_budget, secs(1), mins(60));
        self.span("revocation.watch_heartbeat", s.revocation.watch_heartbeat, millis(100), mins(1));
        self.span("revocation.watch_lifetime", s.revocation.watch_lifetime, secs(10), days(1));
        self.span("revocation.watch_patience", s.revocation.watch_patience, millis(100), mins(5));
        self.number("revocation.watchers_max", s.revocation.watchers_max, 1, 100_000);
        let per_peer = s.revocation.watchers_max_per_peer;
        self.number("revocation.watchers_max_per_peer", per_peer, 1, 100_000);
        self.span("sweep.interval", s.sweep.interval, secs(1), days(1));
        self.number("sweep.batch", s.sweep.batch, 1, 100_000);
        self.span("admin.watch_lifetime", s.admin.watch_lifetime, secs(10), days(1));
        self.span("audit.retention", s.audit.retention, days(1), days(3_650));
        self.span("shutdown.grace", s.shutdown.grace, secs(0), mins(5));
        self.span("shutdown.drain", s.shutdown.drain, secs(0), mins(10));
    }

    fn connection_bounds(&mut self, s: &Settings) {
        let c = &s.connections;
        self.number("connections.max", c.max, 8, 1_000_000);
        self.number("connections.max_per_peer", c.max_per_peer, 1, 1_000_000);
        self.number("connections.max_streams", c.max_streams, 1, 10_000);
        self.number("connections.max_header_bytes", c.max_header_bytes, 8_192, 262_144);
        self.number("connections.max_reset_streams", c.max_reset_streams, 1, 10_000);
        self.number("connections.max_error_streams", c.max_error_streams, 1, 10_000);
        self.span("connections.header_timeout", c.header_timeout, millis(100), mins(5));
        self.span("connections.keepalive_interval", c.keepalive_interval, secs(1), mins(60));
        self.span("connections.keepalive_timeout", c.keepalive_timeout, secs(1), mins(5));
        self.span("connections.max_age", c.max_age, secs(1), days(7));
        self.span("connections.max_age_grace", c.max_age_grace, secs(0), mins(10));
    }

    fn throttle_bounds(&mut self, s: &Settings) {
        let t = &s.throttle;
        self.number("throttle.account_failures", t.account_failures, 1, 1_000);
        self.span("throttle.account_max_wait", t.account_max_wait, secs(1), days(1));
        self.number("throttle.source_failures", t.source_failures, 0, 1_000_000);
        self.span("throttle.source_max_wait", t.source_max_wait, secs(1), days(1));
        self.number("throttle.global_failures", t.global_failures, 0, 100_000_000);
        self.span("throttle.forget_after", t.forget_after, mins(1), days(7));
    }

    fn token_bounds(&mut self, s: &Settings) {
        let t = &s.tokens;
        self.span("tokens.access_lifetime", t.access_lifetime, secs(10), days(1));
        self.span("tokens.session_lifetime", t.session_lifetime, secs(10), days(400));
        let idle = t.idle_lifetime.unwrap_or(Span(secs(10)));
        self.span("tokens.idle_lifetime", idle, secs(10), days(400));
        self.span("tokens.leeway", t.leeway, secs(0), mins(1));
        self.span("tokens.issued_at_backdate", t.issued_at_backdate, secs(0), mins(1));
        self.span("tokens.replay_window", t.replay_window, secs(0), mins(5));
        self.number("tokens.max_sessions_per_user", t.max_sessions_per_user, 1, 1_000);
    }

    /// Rules that concern more than one setting.
    fn relations(&mut self, s: &Settings) {
        if let Err(rule) = check_issuer(&s.issuer) {
            self.refuse("issuer", &s.issuer, rule);
        }
        for origin in &s.http.cors_origins.0 {
            self.origin("http.cors_origins", origin);
        }
        if s.tls.certificate.is_some() != s.tls.key.is_some() {
            self.violations.push("tls.certificate and tls.key must be set together".to_owned());
        }
        if s.tls.client_ca.is_some() && s.tls.certificate.is_none() {
            self.violations.push("tls.client_ca needs tls.certificate and tls.key".to_owned());
        }
        if s.tls.client_crl.is_some() && s.tls.client_ca.is_none() {
            self.violations.push("tls.client_crl needs tls.client_ca".to_owned());
        }
        let known = s.clients.contains_key(&s.default_client)
            || (s.clients.is_empty() && s.default_client == "default");
        if !known {
            self.refuse(
                "default_client",
                &s.default_client,
                "must be the id of a client under [clients]",
            );
        }
        if s.keys.publish_lead > s.keys.rotation_period {
            let rule = "must be at most keys.rotation_period";
            self.refuse("keys.publish_lead", &s.keys.publish_lead, rule);
        }
        if s.tokens.access_lifetime > s.tokens.session_lifetime {
            let rule = "must be at most tokens.session_lifetime";
            self.refuse("tokens.access_lifetime", &s.tokens.access_lifetime, rule);
        }
        if s.grpc.listen == s.http.listen && s.grpc.listen.port() != 0 {
            self.refuse("http.listen", &s.http.listen, "must differ from grpc.listen");
        }
        if u64::from(s.password.memory_kib) * u64::from(s.password.iterations) > 1_048_576 {
            let rule = "must be at most 1048576 together with password.memory_kib (as a product)";
            self.refuse("password.iterations", &s.password.iterations, rule);
        }
        if s.password.memory_kib > s.workers.hashing_memory_mib.saturating_mul(1024) {
            let rule = "must be at most workers.hashing_memory_mib";
            self.refuse("password.memory_kib", &s.password.memory_kib, rule);
        }
        self.backdate("tokens.access_lifetime", s.tokens.access_lifetime, s);
        let t = &s.throttle;
        if t.account_max_wait > t.forget_after {
            let rule = "must be at most throttle.forget_after";
            self.refuse("throttle.account_max_wait", &t.account_max_wait, rule);
        }
        let r = &s.revocation;
        if r.poll_interval > r.fresh_for {
            let rule = "must be at most revocation.fresh_for";
            self.refuse("revocation.poll_interval", &r.poll_interval, rule);
        }
        if r.fresh_for > r.staleness_budget {
            let rule = "must be at most revocation.staleness_budget";
            self.refuse("revocation.fresh_for", &r.fresh_for, rule);
        }
    }

    /// A backdate as long as the life would issue tokens that have expired.
    fn backdate(&mut self, name: &str, access: Span, s: &Settings) {
        if s.tokens.issued_at_backdate.0 * 2 > access.0 {
            let rule = format!("must be at most half of {name}");
            self.refuse("tokens.issued_at_backdate", &s.tokens.issued_at_backdate, &rule);
        }
    }

    fn client(&mut self, id: &str, client: &ClientSettings, s: &Settings) {
        let name = |field: &str| format!("clients.{id}.{field}");
        if let Err(error) = ClientId::parse(id) {
            self.refuse("clients", &id, &format!("ids must be {}", rule_of(&error.to_string())));
        }
        if client.audiences.is_empty() {
            self.violations.push(format!("{} must name at least one audience", name("audiences")));
        }
        for audience in &client.audiences {
            if let Err(error) = Audience::parse(audience) {
                self.refuse(&name("audiences"), audience, &error.to_string());
            }
        }
        for (field, scopes) in
            [("scopes", &client.scopes), ("default_scopes", &client.default_scopes)]
        {
            match Scopes::parse(&scopes.join(" ")) {
                Ok(parsed) if parsed.iter().count() == scopes.len() => {}
                _ => self.refuse(
                    &name(field),
                    &scopes.join(" "),
                    "must be distinct scopes of printable ASCII",
                ),
            }
        }
        for scope in client.default_scopes.iter().filter(|scope| !client.scopes.contains(scope)) {
            self.refuse(&name("default_scopes"), scope, "must be among the client's scopes");
        }
        let access = client.access_lifetime.unwrap_or(s.tokens.access_lifetime);
        let session = client.session_lifetime.unwrap_or(s.tokens.session_lifetime);
        let idle = client.idle_lifetime.unwrap_or(Span(secs(10)));
        self.span(&name("access_lifetime"), access, secs(10), days(1));
        self.span(&name("session_lifetime"), session, secs(10), days(400));
        self.span(&name("idle_lifetime"), idle, secs(10), days(400));
        if access > session {
            self.refuse(
                &name("access_lifetime"),
                &access,
                "must be at most the session's lifetime",
            );
        }
        if client.access_lifetime.is_some() {
            self.backdate(&name("access_lifetime"), access, s);
        }
        let sessions = client.max_sessions_per_user.unwrap_or(s.tokens.max_sessions_per_user);
        self.number(&name("max_sessions_per_user"), sessions, 1, 1_000);
    }

    fn admin(&mut self, s: &Settings) {
        if let Err(error) = Role::parse(&s.admin.role) {
            self.refuse("admin.role", &s.admin.role, &error.to_string());
        }
        if let Some(audience) = &s.admin.audience
            && !s.clients_or_default().values().any(|client| client.audiences.contains(audience))
        {
            let rule = "must be among the audiences of a client, or no administrator gets a token";
            self.refuse("admin.audience", audience, rule);
        }
        self.certificates("admin.certificates", &s.admin.certificates, s);
    }

    fn verify(&mut self, s: &Settings) {
        let names = &s.verify.certificates;
        self.certificates("verify.certificates", names, s);
        if !names.is_empty() && s.verify.callers == VerifyCallers::Anyone {
            let rule = "says nothing while verify.callers is \"anyone\"";
            self.refuse("verify.certificates", &names.join(" "), rule);
        }
    }

    fn certificates(&mut self, setting: &str, names: &[String], s: &Settings) {
        if !names.is_empty() && s.tls.client_ca.is_none() {
            self.refuse(setting, &names.join(" "), "needs tls.client_ca");
        }
        if let Some(name) = names.iter().find(|name| !is_certificate_name(name)) {
            let rule =
                "must be a DNS name in lower case, or a URI, of 1 to 255 printable characters";
            self.refuse(setting, name, rule);
        }
    }

    fn origin(&mut self, name: &str, origin: &str) {
        if let Err(rule) = check_origin(origin) {
            self.refuse(name, &origin, rule);
        }
    }

    fn number(&mut self, name: &str, value: u32, least: u32, most: u32) {
        self.range(name, &value, &least, &most, (least..=most).contains(&value));
    }

    fn span(&mut self, name: &str, value: Span, least: Duration, most: Duration) {
        let fits = (least..=most).contains(&value.0);
        self.range(name, &value, &Span(least), &Span(most), fits);
    }

    fn range(
        &mut self,
        name: &str,
        value: &dyn Display,
        least: &dyn Display,
        most: &dyn Display,
        fits: bool,
    ) {
        let range = format!("{least} to {most}");
        if !fits {
            self.refuse(name, value, &format!("must be {range}"));
        }
        self.ranges.push((name.to_owned(), range));
    }

    fn refuse(&mut self, name: &str, value: &dyn Display, rule: &str) {
        self.violations.push(format!("{name} is \"{value}\" but {rule}"));
    }
}

/// As [`crate::peers::PeerNames`] has them: another spelling would never fit.
fn is_certificate_name(name: &str) -> bool {
    let fits = (1..=255).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
    fits && (name.contains(':') || !name.bytes().any(|b| b.is_ascii_uppercase()))
}

/// RFC 8414 section 2 and RFC 9207: byte for byte the same everywhere, so
/// nothing that clients would normalise differently.
fn check_issuer(issuer: &str) -> Result<(), &'static str> {
    let url = Url::parse(issuer).map_err(|_| "must be an absolute URL")?;
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Err("must name a host"),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => return Err("must begin with https:// (http:// is for loopback addresses only)"),
        _ => return Err("must begin with https://"),
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have no query and no fragment");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not carry credentials");
    }
    if issuer.ends_with('/') {
        return Err("must not end with a slash");
    }
    // The parser writes the URL in its normal form, with a slash after a bare host.
    if url.as_str().trim_end_matches('/') != issuer {
        return Err(
            "must be written in its normal form (lower-case host, no default port, no dot segments)",
        );
    }
    Ok(())
}

/// As browsers send it: scheme, host, and a port that is not the usual one.
fn check_origin(origin: &str) -> Result<(), &'static str> {
    check_issuer(origin)?;
    if origin.contains('*') {
        return Err("must be one origin, without any *");
    }
    let rest = origin.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
    if rest.contains('/') { Err("must have no path") } else { Ok(()) }
}

fn rule_of(sentence: &str) -> &str {
    sentence.strip_prefix("must be ").unwrap_or(sentence)
}

#[cfg(test)]
mod tests {
    use confique::{Config, meta};

    use super::*;

    fn defaults() -> Settings {
        Settings::builder().load().expect("defaults are complete")
    }

    #[test]
    fn defaults_break_no_rule() {
        assert_eq!(violations(&defaults()), Vec::<String>::new());
    }

    /// The description of a setting and the check must say the same range.
    #[test]
    fn described_ranges_are_the_checked_ones() {
        let mut described = Vec::new();
        describe("", &Settings::META, &mut described);
        let mut check = Check::default();
        check.bounds(&defaults());
        let mut checked = check.ranges;
        checked.sort();
        described.sort();
        assert_eq!(described, checked);
    }

    fn describe(prefix: &str, meta: &meta::Meta, out: &mut Vec<(String, String)>) {
        for field in meta.fields {
            let name = format!("{prefix}{}", field.name);
            match field.kind {
                meta::FieldKind::Nested { meta } => describe(&format!("{name}."), meta, out),
                meta::FieldKind::Leaf { .. } => {
                    let range =
                        field.doc.iter().find_map(|line| line.trim().strip_prefix("Range: "));
                    out.extend(range.map(|range| (name, range.trim_end_matches('.').to_owned())));
                }
            }
        }
    }

    #[test]
    fn a_value_out_of_bounds_is_named_with_its_bound() {
        let mut settings = defaults();
        settings.tokens.leeway = Span(secs(61));
        settings.password.min_chars = 7;
        assert_eq!(
            violations(&settings),
            [
                "tokens.leeway is \"1m 1s\" but must be 0s to 1m",
                "password.min_chars is \"7\" but must be 8 to 128"
            ]
        );
    }

    #[test]
    fn a_hash_fits_into_the_memory_of_all() {
        let mut settings = defaults();
        settings.workers.hashing_memory_mib = 19;
        assert_eq!(violations(&settings), Vec::<String>::new());
        settings.password.memory_kib = 19 * 1024 + 1;
        assert_eq!(
            violations(&settings),
            ["password.memory_kib is \"19457\" but must be at most workers.hashing_memory_mib"]
        );
    }

    #[test]
    fn a_wait_is_not_longer_than_what_it_is_for_is_remembered() {
        let mut settings = defaults();
        settings.throttle.account_max_wait = Span(mins(61));
        assert_eq!(
            violations(&settings),
            ["throttle.account_max_wait is \"1h 1m\" but must be at most throttle.forget_after"]
        );
    }

    #[test]
    fn ht_09_origins_are_as_browsers_send_them() {
        for good in ["https://app.example", "https://app.example:8443", "http://localhost:3000"] {
            assert_eq!(check_origin(good), Ok(()), "{good}");
        }
        for bad in [
            "*",
            "null",
            "app.example",
            "https://",
            "https://*.example",
            "http://app.example",
            "https://app.example/",
            "https://app.example/path",
            "https://app.example:443",
            "https://App.example",
            "https://app.example?x",
            "https://u@app.example",
            "file:///home",
        ] {
            assert!(check_origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn issuers_are_urls_that_nobody_would_rewrite() {
        for good in [
            "https://auth.example",
            "https://auth.example/tenant",
            "https://auth.example:8443",
            "http://127.0.0.1:8080",
            "http://localhost:8080",
            "http://[::1]:8080",
        ] {
            assert_eq!(check_issuer(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "auth.example",
            "https://auth.example/",
            "https://AUTH.example",
            "https://auth.example:443",
            "http://auth.example",
            "ftp://auth.example",
            "https://auth.example?x",
            "https://auth.example#x",
            "https://a:b@auth.example",
            "https://auth.example/a/../b",
            "https://auth.example/a/",
        ] {
            assert!(check_issuer(bad).is_err(), "{bad}");
        }
    }
}
