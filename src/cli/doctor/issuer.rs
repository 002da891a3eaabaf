//! The issuer's address, as gateways see it: its metadata, and its keys.

use std::{collections::BTreeSet, fs, sync::Arc, time::Duration};

use anyhow::Context as _;
use bytes::Bytes;
use serde_json::Value;
use url::Url;

use super::{DoctorArgs, Finding};
use crate::{cli::connection, config::Settings, crypto::port::JwksDocument};

const CHECK: &str = "issuer";

/// A key that was made a moment ago is not everywhere yet: keys are compared so
/// often, with a pause.
const COMPARISONS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// `ours` looks at the keys of this machine. `serves`: somebody listens on our addresses, so that the issuer should
/// answer.
pub(super) async fn check(
    args: &DoctorArgs,
    settings: &Settings,
    ours: impl Fn() -> Option<Arc<JwksDocument>>,
    serves: bool,
) -> Vec<Finding> {
    let issuer = settings.issuer.trim_end_matches('/');
    let url = format!("{issuer}/.well-known/openid-configuration");
    let metadata = match get(args, &url).await {
        Ok(metadata) => metadata,
        Err(error) => return vec![unreachable(&url, &error, serves)],
    };
    let found = text(&metadata, "issuer");
    if found != settings.issuer {
        return vec![Finding::error(
            CHECK,
            format_args!("{url} names the issuer {found:?}, not {}", settings.issuer),
            "let that address lead to this server, or set issuer to its value: verifiers compare \
             the two byte by byte",
        )];
    }
    let named = Finding::ok(CHECK, format_args!("{url} names it"));
    vec![named, keys(args, text(&metadata, "jwks_uri"), ours).await]
}

fn unreachable(url: &str, error: &anyhow::Error, serves: bool) -> Finding {
    let what = format!("{url} cannot be read: {error:#}");
    if serves {
        let mend = "verifiers ask there for the keys: let the address lead to http.listen; a \
                    private authority is given by --tls-ca";
        Finding::error(CHECK, what, mend)
    } else {
        Finding::warning(CHECK, what, "no server runs here: look again when one does")
    }
}

async fn keys(
    args: &DoctorArgs,
    url: &str,
    ours: impl Fn() -> Option<Arc<JwksDocument>>,
) -> Finding {
    let (mut theirs, mut own) = (BTreeSet::new(), BTreeSet::new());
    for comparison in 1..=COMPARISONS {
        theirs = match get(args, url).await {
            Ok(theirs) => kids(&theirs),
            Err(error) => return unreachable(url, &error, true),
        };
        let Some(jwks) = ours() else {
            return Finding::warning(
                CHECK,
                format_args!("{url} cannot be compared with the keys here"),
                "these cannot be used, as said above",
            );
        };
        own = serde_json::from_slice(&jwks.json).map(|jwks| kids(&jwks)).unwrap_or_default();
        if theirs == own {
            return Finding::ok(CHECK, format_args!("{url} has the keys of this machine"));
        }
        if comparison < COMPARISONS {
            tokio::time::sleep(PAUSE).await;
        }
    }
    Finding::error(
        CHECK,
        format_args!("{url} has the keys {theirs:?}, and this machine {own:?}"),
        "give every server the same key folder, and let caches in between expire",
    )
}

fn kids(jwks: &Value) -> BTreeSet<String> {
    let keys = jwks.get("keys").and_then(Value::as_array).into_iter().flatten();
    keys.map(|key| text(key, "kid").to_owned()).collect()
}

/// What is no text is empty.
fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

async fn get(args: &DoctorArgs, url: &str) -> anyhow::Result<Value> {
    let url = Url::parse(url).context("it is no URL")?;
    let ca = args.tls_ca.as_deref().map(fs::read).transpose().context("--tls-ca")?;
    let get = connection::get_url(&url, ca.as_deref());
    let answer = tokio::time::timeout(args.timeout, get).await;
    let (status, body): (u16, Bytes) = answer.context("no answer in time")??;
    anyhow::ensure!(status == 200, "the status is {status}");
    serde_json::from_slice(&body).context("it is no JSON")
}
