//! `tokenward healthcheck`.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;

use clap::Args;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{Failure, GlobalArgs, Outcome, connection, output, ports};
use crate::config::Span;

const EXAMPLES: &str = "\
Examples:
  tokenward healthcheck
  tokenward healthcheck --addr 127.0.0.1:50051 --timeout 500ms
  tokenward healthcheck --addr https://auth.example.org:50051 --tls-ca ca.pem

For a container: HEALTHCHECK CMD [\"tokenward\", \"healthcheck\"]";

/// Ask a running server's grpc.health.v1 whether it is ready.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct HealthcheckArgs {
    /// Address of the gRPC listener, with or without http:// or https://.
    /// Default: grpc.listen.
    #[arg(long, value_name = "ADDRESS")]
    addr: Option<String>,
    /// Name of the service to ask about; "liveness" asks only whether the
    /// process answers.
    #[arg(long, default_value = "")]
    service: String,
    /// How long to wait for the answer.
    #[arg(long, default_value = "1s", value_parser = duration)]
    timeout: Duration,
    /// PEM file with the certificate authority, for https.
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "must be a length of time like 500ms or 1s".to_owned())
}

pub(super) async fn run(args: HealthcheckArgs, global: &GlobalArgs) -> Outcome {
    let url = match args.addr {
        Some(addr) if addr.contains("://") => addr,
        Some(addr) => format!("http://{addr}"),
        None => configured_url(global)?,
    };
    let ca = args.tls_ca.as_deref().map(read).transpose()?;
    let asked =
        tokio::time::timeout(args.timeout, ask(&url, ca.as_deref(), &args.service, args.timeout));
    let status = asked
        .await
        .map_err(|_| anyhow::anyhow!("{url} did not answer within {}", Span(args.timeout)))??;
    output::line(status.as_str_name())?;
    if status == ServingStatus::Serving {
        return Ok(());
    }
    Err(anyhow::anyhow!("{url} is not ready").into())
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

pub(super) async fn ask(
    url: &str,
    ca: Option<&str>,
    service: &str,
    timeout: Duration,
) -> anyhow::Result<ServingStatus> {
    let channel = connection::connect(url, ca, timeout)
        .await
        .map_err(|error| error.context(format!("{url} cannot be reached")))?;
    let request = HealthCheckRequest { service: service.to_owned() };
    let response = HealthClient::new(channel).check(request).await.map_err(|status| {
        anyhow::anyhow!("{url} answered {:?}: {}", status.code(), status.message())
    })?;
    Ok(response.into_inner().status())
}

/// The configured listener; an unspecified address is asked on loopback.
fn configured_url(global: &GlobalArgs) -> Result<String, Failure> {
    let settings = global.settings(&[])?;
    let address = ports::reachable(settings.grpc.listen);
    let scheme = if settings.tls.certificate.is_some() { "https" } else { "http" };
    Ok(format!("{scheme}://{address}"))
}
