//! The certificate: usable with its key, in its time, and of the issuer's
//! name.

use std::time::Duration;

use url::{Host, Url};

use super::Finding;
use crate::{
    app,
    config::Settings,
    domain::{
        clock::{Clock as _, SystemClock},
        error::chain,
    },
    listener::tls::Leaf,
};

const CHECK: &str = "tls";
/// Whoever renews certificates by themselves does so earlier than this.
const SOON: Duration = Duration::from_hours(7 * 24);

pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    let Some(path) = &settings.tls.certificate else {
        return vec![without(settings)];
    };
    if let Err(error) = app::check_tls(settings) {
        let mend = "put right the files of tls.certificate, tls.key, tls.client_ca, tls.client_crl";
        return vec![Finding::error(CHECK, chain(&error), mend)];
    }
    match Leaf::read(path) {
        Ok(leaf) => vec![time(&leaf), name(&leaf, settings)],
        Err(error) => vec![Finding::error(CHECK, chain(&error), "make the certificate anew")],
    }
}

fn without(settings: &Settings) -> Finding {
    let what = "off: there is no tls.certificate";
    if settings.issuer.starts_with("https:") {
        Finding::ok(CHECK, format_args!("{what}, so a proxy has to stand in front"))
    } else {
        Finding::ok(CHECK, what)
    }
}

fn time(leaf: &Leaf) -> Finding {
    let now = SystemClock::new().now();
    let (from, until) = (leaf.not_before(), leaf.not_after());
    let renew = "renew the certificate; a server that runs takes it over";
    if now < from {
        Finding::error(CHECK, format_args!("the certificate is good only from {from} on"), renew)
    } else if now >= until {
        Finding::error(CHECK, format_args!("the certificate has expired at {until}"), renew)
    } else if until.since(now) < SOON {
        Finding::warning(CHECK, format_args!("the certificate expires at {until}"), renew)
    } else {
        Finding::ok(CHECK, format_args!("the certificate is good until {until}"))
    }
}

/// Behind a proxy with a certificate of its own the name may be another one.
fn name(leaf: &Leaf, settings: &Settings) -> Finding {
    let host = Url::parse(&settings.issuer).ok().and_then(|url| match url.host()? {
        Host::Domain(name) => Some(name.to_owned()),
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Ipv6(address) => Some(address.to_string()),
    });
    match host {
        Some(host) if leaf.covers(&host) => {
            Finding::ok(CHECK, format_args!("the certificate is for {host}"))
        }
        Some(host) => Finding::warning(
            CHECK,
            format_args!("the certificate is not for {host}, the issuer's host"),
            "clients that come without a proxy will refuse it: have one made for that name",
        ),
        None => Finding::error(CHECK, "the issuer has no host", "correct issuer"),
    }
}
