//! The listeners: free for a server that will start, or held by one of ours.

use std::{net::SocketAddr, time::Duration};

use super::Finding;
use crate::{
    cli::{connection, healthcheck, ports},
    config::Settings,
};

const CHECK: &str = "ports";

/// What was found at one listener.
pub(super) struct Listener {
    pub(super) finding: Finding,
    /// Somebody listens there.
    pub(super) is_taken: bool,
}

pub(super) async fn check(settings: &Settings, timeout: Duration) -> Vec<Listener> {
    let mut found = Vec::new();
    for (setting, address) in ports::configured(settings) {
        let is_taken = ports::is_in_use(address);
        let finding = match (is_taken, ports::bindable(address)) {
            (true, _) => taken(settings, setting, address, timeout).await,
            (false, Err(error)) => Finding::error(
                CHECK,
                format_args!("{setting}: nobody can listen on {address}: {error}"),
                "give it an address of this machine, and a port that this user may have",
            ),
            (false, Ok(())) => Finding::ok(CHECK, format_args!("{setting}: {address} is free")),
        };
        found.push(Listener { finding, is_taken });
    }
    found
}

async fn taken(
    settings: &Settings,
    setting: &'static str,
    address: SocketAddr,
    timeout: Duration,
) -> Finding {
    if settings.tls.certificate.is_some() {
        // Whose keys are served there, the issuer's address shows.
        return Finding::ok(CHECK, format_args!("{setting}: {address} is in use, with TLS"));
    }
    let at = ports::reachable(address).to_string();
    let answers = if setting == "http.listen" {
        let get = connection::get(&at, "/livez");
        matches!(tokio::time::timeout(timeout, get).await, Ok(Ok((200, _))))
    } else {
        let url = format!("http://{at}");
        let ask = healthcheck::ask(&url, None, "liveness", timeout);
        matches!(tokio::time::timeout(timeout, ask).await, Ok(Ok(_)))
    };
    if answers {
        Finding::ok(CHECK, format_args!("{setting}: a server listens on {address}"))
    } else {
        Finding::error(
            CHECK,
            format_args!("{setting}: something else listens on {address}"),
            "stop it, or choose another address",
        )
    }
}
