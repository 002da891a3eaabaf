//! From settings to what each adapter is given.

use std::{num::NonZeroUsize, sync::Arc, thread};

use http::HeaderName;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Access;
use crate::{
    config::{self, RevocationSettings, Settings, Span},
    crypto::{
        key_watch::WatchRules,
        live_keys::KeyFolders,
        workers::{WorkerSettings, all_but_one},
    },
    domain::keys::RotationRules,
    gateway::{BrowserRules, GatewayRules, Origins, SessionCookie},
    grpc::{GrpcOptions, WatchOptions, web::WebOptions},
    http::HttpOptions,
    listener::{ConnectionLimits, tls::TlsFiles},
    service::index::{Freshness, OnStale},
    store::StoreOptions,
    telemetry::metrics::Metrics,
};

/// The threads that sign and hash, as configured.
pub(super) fn worker_settings(settings: &Settings) -> WorkerSettings {
    let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let configured = |number| NonZeroUsize::new(to_usize(number));
    let threads = configured(settings.workers.threads).unwrap_or_else(cores);
    let hashing_threads = configured(settings.workers.hashing_threads);
    WorkerSettings {
        threads,
        hashing_threads: hashing_threads.unwrap_or_else(|| all_but_one(threads)),
        signing_queue: to_usize(settings.workers.signing_queue),
        hashing_queue: to_usize(settings.workers.hashing_queue),
        max_wait: settings.workers.max_wait.0.min(settings.grpc.request_timeout.0),
        hashing_memory: to_usize(settings.workers.hashing_memory_mib).saturating_mul(1 << 20),
        keep_memory: settings.workers.keep_memory.0,
    }
}

pub(super) fn database_url(settings: &Settings) -> SecretString {
    SecretString::from(settings.database_url().expose().to_owned())
}

pub(super) fn key_folders(settings: &Settings) -> KeyFolders {
    KeyFolders { access: settings.access_keys_dir(), refresh: settings.refresh_keys_dir() }
}

/// How keys change by themselves, as configured.
pub(super) fn rotation_rules(settings: &Settings) -> RotationRules {
    let keys = &settings.keys;
    RotationRules { period: keys.rotation_period.0, lead: keys.publish_lead.0 }
}

pub(super) fn watch_rules(settings: &Settings) -> WatchRules {
    let rotation = settings.keys.rotation.then(|| rotation_rules(settings));
    WatchRules { interval: settings.keys.poll_interval.0, rotation }
}

pub(super) fn store_options(settings: &Settings, access: Access) -> StoreOptions {
    StoreOptions {
        max_connections: settings.database.max_connections,
        acquire_timeout: settings.database.acquire_timeout.0,
        statement_timeout: settings.database.statement_timeout.0,
        lock_timeout: settings.database.lock_timeout.0,
        idle_in_transaction_timeout: settings.database.idle_in_transaction_timeout.0,
        create: matches!(access, Access::Serve | Access::ManageOrCreate),
        max_pages: None,
    }
}

pub(super) fn freshness(settings: &Settings) -> Freshness {
    let revocation = &settings.revocation;
    Freshness {
        fresh_for: revocation.fresh_for.0,
        catch_up: revocation.catch_up.0,
        staleness_budget: revocation.staleness_budget.0,
        on_stale: match revocation.on_stale {
            config::OnStale::FailClosed => OnStale::FailClosed,
            config::OnStale::FailOpen => OnStale::FailOpen,
        },
    }
}

pub(super) fn grpc_options(settings: &Settings, shutdown: CancellationToken) -> GrpcOptions {
    GrpcOptions {
        reflection: settings.grpc.reflection,
        request_timeout: settings.grpc.request_timeout.0,
        max_message_bytes: to_usize(settings.grpc.max_message_bytes),
        trusted_proxies: settings.grpc.trusted_proxies.0.clone(),
        gateway: gateway_rules(settings),
        watch_lifetime: settings.admin.watch_lifetime.0,
        watch: watch_options(&settings.revocation),
        shutdown,
    }
}

fn watch_options(revocation: &RevocationSettings) -> WatchOptions {
    WatchOptions {
        heartbeat: revocation.watch_heartbeat.0,
        lifetime: revocation.watch_lifetime.0,
        patience: revocation.watch_patience.0,
        watchers_max: to_usize(revocation.watchers_max),
        watchers_max_per_peer: to_usize(revocation.watchers_max_per_peer),
    }
}

/// The limits of a listener whose calls take at most `request_timeout`.
pub fn connection_limits(settings: &Settings, request_timeout: Span) -> ConnectionLimits {
    let connections = &settings.connections;
    ConnectionLimits {
        max_connections: to_usize(connections.max),
        max_connections_per_peer: to_usize(connections.max_per_peer),
        tls_handshake_timeout: settings.tls.handshake_timeout.0,
        header_read_timeout: connections.header_timeout.0,
        max_header_bytes: connections.max_header_bytes,
        max_concurrent_streams: connections.max_streams,
        max_pending_accept_reset_streams: to_usize(connections.max_reset_streams),
        max_local_error_reset_streams: to_usize(connections.max_error_streams),
        keep_alive_interval: connections.keepalive_interval.0,
        keep_alive_timeout: connections.keepalive_timeout.0,
        unread_timeout: request_timeout.0,
        max_age: connections.max_age.0,
        age_grace: connections.max_age_grace.0,
        drain_deadline: settings.shutdown.drain.0,
    }
}

/// How requests are judged for gateways, over either edge.
fn gateway_rules(settings: &Settings) -> GatewayRules {
    let gateway = &settings.gateway;
    // The settings were checked: no name is lost.
    let names = gateway.token_headers.0.iter();
    let names = names.filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok());
    GatewayRules {
        schemes: gateway.schemes.0.clone(),
        token_headers: names.collect(),
        forward_token: gateway.forward_token,
        browser: settings.browser.enabled.then(|| browser_rules(settings)),
    }
}

fn browser_rules(settings: &Settings) -> BrowserRules {
    let browser = &settings.browser;
    let same_site = match browser.same_site {
        config::SameSite::Lax => "Lax",
        config::SameSite::Strict => "Strict",
    };
    let own = || Url::parse(&settings.issuer).map(|issuer| issuer.origin().ascii_serialization());
    let origins = match &browser.origins {
        Some(origins) => origins.0.clone(),
        None => own().into_iter().collect(),
    };
    BrowserRules {
        cookie: SessionCookie::new(browser.cookie_name.clone(), same_site),
        origins: Origins::new(origins),
    }
}

/// What the HTTP edge is given.
pub(super) fn http_options(settings: &Settings, metrics: &Arc<Metrics>) -> HttpOptions {
    HttpOptions {
        trusted_proxies: settings.http.trusted_proxies.0.clone(),
        gateway: gateway_rules(settings),
        request_timeout: settings.http.request_timeout.0,
        cors_origins: settings.http.cors_origins.0.clone(),
        tls: tls_files(settings).is_some(),
        metrics: settings.http.metrics.then(|| Arc::clone(metrics)),
    }
}

/// What the calls over HTTP are given.
pub(super) fn web_options(settings: &Settings) -> WebOptions {
    WebOptions {
        request_timeout: settings.http.request_timeout.0,
        max_message_bytes: to_usize(settings.grpc.max_message_bytes),
        trusted_proxies: settings.http.trusted_proxies.0.clone(),
    }
}

/// What TLS is made of; `None`: it is off.
pub(super) fn tls_files(settings: &Settings) -> Option<TlsFiles> {
    let tls = settings.tls.clone();
    Some(TlsFiles {
        certificate: tls.certificate?,
        key: tls.key?,
        client_ca: tls.client_ca,
        client_crl: tls.client_crl,
    })
}

fn to_usize(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use confique::Config as _;

    use super::*;

    /// Commands that sign a probe and no more take the library's own values.
    #[test]
    fn default_workers_are_the_same_everywhere() {
        let settings = Settings::builder().load().expect("defaults are complete");
        assert_eq!(worker_settings(&settings), WorkerSettings::default());
    }
}
