//! Calls of Verify at a steady rate, whether answers come or not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{anyhow, ensure};
use tokio::{runtime::Handle, sync::mpsc};

use super::{samples::Samples, scratch::Client};
use crate::{
    domain::clock::{Clock as _, SystemClock},
    grpc::pb::auth::VerifyRequest,
};

/// What is asked, and how often.
pub(super) struct Question {
    pub(super) client: Client,
    pub(super) token: String,
    /// Calls a second.
    pub(super) rate: u32,
}

/// Calls that go on until they are stopped. A thread of its own keeps the
/// time: the runtime's clock has steps of a millisecond. Each time counts from
/// when the call was due, so that waiting behind others is not left out.
pub(super) struct Steady {
    stop: Arc<AtomicBool>,
    pacer: JoinHandle<()>,
    times: mpsc::UnboundedReceiver<Result<Duration, String>>,
}

impl Steady {
    /// Begins to ask.
    pub(super) fn start(question: &Question) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, times) = mpsc::unbounded_channel();
        let (client, token) = (question.client.clone(), question.token.clone());
        let period = Duration::from_secs(1) / question.rate;
        let (runtime, stopped) = (Handle::current(), Arc::clone(&stop));
        let pacer = thread::spawn(move || {
            let clock = Arc::new(SystemClock::new());
            let mut due = period;
            while !stopped.load(Ordering::Relaxed) {
                thread::sleep(due.saturating_sub(clock.monotonic()));
                let (mut client, clock, sender) = (client.clone(), clock.clone(), sender.clone());
                let request = VerifyRequest { token: token.clone(), ..VerifyRequest::default() };
                runtime.spawn(async move {
                    let answer = client.verify(request).await;
                    let took = clock.monotonic().saturating_sub(due);
                    drop(sender.send(match answer {
                        Ok(verdict) if verdict.get_ref().active => Ok(took),
                        Ok(_) => Err("the token is not active".to_owned()),
                        Err(status) => Err(status.to_string()),
                    }));
                });
                due += period;
            }
        });
        Self { stop, pacer, times }
    }

    /// Stops, waits for the last answers, and gives the times of all.
    pub(super) async fn stop(mut self) -> anyhow::Result<Samples> {
        self.stop.store(true, Ordering::Relaxed);
        tokio::task::spawn_blocking(move || self.pacer.join())
            .await?
            .map_err(|_| anyhow!("the pacer has ended early"))?;
        let mut times = Vec::new();
        while let Some(time) = self.times.recv().await {
            times.push(time.map_err(|error| anyhow!("Verify failed: {error}"))?);
        }
        ensure!(!times.is_empty(), "no call of Verify was made");
        Ok(Samples::new(times))
    }
}
