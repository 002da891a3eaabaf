//! One process of the real program, at an address that it keeps when it is
//! killed and started again.

use std::{
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use rustix::process::Signal;
use tokenward::grpc::pb::auth::{VerifyRequest, auth_service_client::AuthServiceClient};
use tokio::time::{Instant, sleep};
use tonic::{Code, transport::Channel};

use crate::support::program::{Program, Running, free_port};

pub(crate) type Client = AuthServiceClient<Channel>;

/// Longer than a replica takes to become ready, on the slowest machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks at whether it is.
const LOOK: Duration = Duration::from_millis(2);

pub(crate) struct Replica {
    program: Program,
    running: Mutex<Option<Running>>,
    client: Client,
}

impl Replica {
    /// A process that runs, and may not be ready yet.
    pub(crate) fn start(program: &Program) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let program = program.clone().set("grpc.listen", &address);
        let channel = Channel::from_shared(format!("http://{address}")).expect("a URL");
        let client = Client::new(channel.connect_lazy());
        let this = Self { program, running: Mutex::default(), client };
        this.restart();
        this
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        tokio::task::block_in_place(|| drop(self.running().take()));
    }

    /// Starts the process again.
    pub(crate) fn restart(&self) {
        *self.running() = Some(tokio::task::block_in_place(|| self.program.start()));
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.running().as_ref().expect("it runs").signal(signal);
    }

    /// SIGTERM; it must end well.
    pub(crate) fn stop(&self) {
        let running = self.running().take();
        tokio::task::block_in_place(|| running.expect("it runs").stop());
    }

    /// Waits until it judges tokens by the whole log.
    pub(crate) async fn ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut request = tonic::Request::new(VerifyRequest {
                token: "none".to_owned(),
                max_staleness: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
                ..VerifyRequest::default()
            });
            request.set_timeout(Duration::from_secs(1));
            let call = self.client().verify(request).await;
            let Err(status) = call else { return };
            assert!(Instant::now() < deadline, "not ready: {status:?}\n{}", self.log());
            assert_ne!(status.code(), Code::InvalidArgument, "{status:?}");
            sleep(LOOK).await;
        }
    }

    fn log(&self) -> String {
        self.running().as_ref().map(Running::log).unwrap_or_default()
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().expect("not poisoned")
    }
}
