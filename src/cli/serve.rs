//! `tokenward serve`.

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{GlobalArgs, Outcome, prepare_data_dir, start_logging};
use crate::{
    app::{Access, Core, Environment, Server},
    telemetry::logs::AuditLines,
};

const EXAMPLES: &str = "\
Examples:
  tokenward serve
  tokenward serve --issuer https://auth.example.org --grpc-listen 0.0.0.0:50051
  TOKENWARD_DATABASE_URL_FILE=/run/secrets/db tokenward serve

Signing keys must exist: see `tokenward keys generate --help`.";

/// Serve gRPC and HTTP until SIGTERM or Ctrl-C; a second one stops at once.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ServeArgs {
    /// Who issues the tokens; same as --set issuer=URL.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Address of the gRPC listener; same as --set grpc.listen=ADDRESS.
    #[arg(long, value_name = "ADDRESS")]
    grpc_listen: Option<String>,
    /// Address of the listener for administration; same as --set admin.listen=ADDRESS.
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<String>,
    /// Address of the HTTP listener; same as --set http.listen=ADDRESS.
    #[arg(long, value_name = "ADDRESS")]
    http_listen: Option<String>,
}

pub(super) async fn run(args: ServeArgs, global: &GlobalArgs) -> Outcome {
    let settings = global.settings(&[
        ("issuer", args.issuer),
        ("grpc.listen", args.grpc_listen),
        ("admin.listen", args.admin_listen),
        ("http.listen", args.http_listen),
    ])?;
    start_logging(&settings, AuditLines::Told)?;
    prepare_data_dir(&settings)?;
    let core = Core::open(&settings, Environment::system(), Access::Serve).await?;
    let server = Server::bind(settings, core).await?;
    let (grpc, http) = (server.grpc_address()?, server.http_address()?);
    let admin = server.admin_address()?;
    let issuer = server.auth().policy().issuer.clone();
    tracing::info!(%grpc, %admin, %http, issuer, version = env!("CARGO_PKG_VERSION"), "serving");
    server.run(stop_on_signal()?).await;
    Ok(())
}

/// Cancelled by the first SIGTERM or SIGINT; the second one ends the process.
pub(super) fn stop_on_signal() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let first = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if first.is_cancelled() {
                tracing::warn!("second signal: stopping at once");
                std::process::exit(1);
            }
            first.cancel();
        }
    });
    Ok(stop)
}
