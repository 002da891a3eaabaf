//! `tokenward keys rotate` and `keys revoke`: what changes the schedule of a
//! database's keys. Running servers follow a moment later.

use std::time::Duration;

use super::{Failure, GlobalArgs, Outcome, keys::purpose, output, start_logging};
use crate::{
    app::{Access, Core, Environment},
    crypto::port::{KeyInfo, KeyPurpose},
    domain::id::KeyId,
    service::{Administrator, keys::RotateWhen},
    telemetry::logs::AuditLines,
};

/// How long those who verify by themselves may trust a key that was revoked,
/// or not know one that is new. See docs/keys.md.
const CACHES: &str = "\
how long others may still trust it, by their own copy of the JWKS:
  verifiers that follow WatchRevocations      a moment
  whoever asks this service (Verify, forward-auth, ext_authz, introspection)  a moment
  Hasura                                      5 minutes (max-age)
  Envoy jwt_authn                             10 minutes (cache_duration)
  Istio                                       20 minutes
  Azure API Management, mod_auth_openidc      1 hour
  AWS HTTP APIs                               2 hours
  APISIX, mod_oauth2                          24 hours
  Kubernetes API server, Kong OpenID Connect  until they meet an unknown key
  keys in files (HAProxy, nginx, Kong jwt)    until the file is changed";

pub(super) async fn rotate(now: bool, dry_run: bool, global: &GlobalArgs) -> Outcome {
    let core = open(global).await?;
    let when = if now { RotateWhen::Immediately } else { RotateWhen::Published };
    let keys = core.auth.rotate_keys(when, dry_run, &Administrator::command_line()).await?;
    core.store.close().await;
    for key in &keys {
        let would = if dry_run { "would sign" } else { "signs" };
        let from = key.signs_from.map(|at| at.to_string()).unwrap_or_default();
        output::line(format_args!("{} key {} {would} from {from}", purpose(key), key.kid))?;
    }
    if keys.is_empty() {
        return output::line("nothing to do: the next keys sign sooner, or would have to be made");
    }
    output::line("sessions and tokens live on; the former keys stay trusted until the last is dead")
}

pub(super) async fn revoke(kid: &str, dry_run: bool, global: &GlobalArgs) -> Outcome {
    let kid = KeyId::parse(kid).map_err(|error| Failure::Usage(format!("the key id {error}")))?;
    let core = open(global).await?;
    let revoked = core.auth.revoke_key(&kid, dry_run, &Administrator::command_line()).await?;
    core.store.close().await;
    if dry_run {
        output::line(format_args!("would revoke the {} key {kid}", purpose(&revoked.key)))?;
    } else {
        let seq = revoked.seq;
        output::line(format_args!("revoked; revocation sequence number {seq}"))?;
    }
    match &revoked.signs_now {
        Some(key) => output::line(format_args!("signs in its place: {} ({})", key.kid, key.file))?,
        None => output::line("no key stands by: one would be made, which no gateway knows yet")?,
    }
    output::line(consequence(&revoked.key))?;
    match revoked.key.purpose {
        KeyPurpose::Access => output::line(CACHES),
        KeyPurpose::Refresh => Ok(()),
    }
}

fn consequence(key: &KeyInfo) -> &'static str {
    match key.purpose {
        KeyPurpose::Access => {
            "dead: every access token that it signed; sessions live on, with the next refresh"
        }
        KeyPurpose::Refresh => {
            "dead: every refresh token and cookie that it signed; their users log in again"
        }
    }
}

/// The service on the database and its keys, once it knows what is revoked.
async fn open(global: &GlobalArgs) -> Result<Core, Failure> {
    let settings = global.settings(&[])?;
    start_logging(&settings, AuditLines::Silent)?;
    let core = Core::open(&settings, Environment::system(), Access::ManageKeys).await?;
    core.follower(Duration::ZERO).look().await?;
    Ok(core)
}
