//! A PostgreSQL that crashes.

use std::{io::Write as _, time::Duration};

use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep};

use crate::support::postgres::PostgresServer;

/// Longer than it takes to come back, on the slowest machine.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(5);

impl PostgresServer {
    /// Ends it as a crash would, and waits until it serves again.
    pub(crate) async fn crash(&mut self) {
        let url = self.url();
        let before = started(&url).await.expect("it serves");
        let stdin = self.watchdog.stdin.as_mut().expect("piped");
        stdin.write_all(b"\n").expect("the watchdog listens");
        let deadline = Instant::now() + PATIENCE;
        while started(&url).await.is_none_or(|now| now == before) {
            assert!(Instant::now() < deadline, "PostgreSQL has not come back");
            sleep(LOOK).await;
        }
    }
}

/// When the server that answers was started.
async fn started(url: &str) -> Option<String> {
    let mut connection = PgConnection::connect(url).await.ok()?;
    sqlx::query_scalar("SELECT pg_postmaster_start_time()::text")
        .fetch_one(&mut connection)
        .await
        .ok()
}
