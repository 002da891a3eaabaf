//! `tokenward bench echo`: an empty unary call on the same stack, the measure
//! for everything else. Its answer is always the same bytes.
//!
//! It runs on the layout of threads that is the fastest known for it: one
//! single-threaded runtime for each core, and one thread that hands them the
//! connections in turn.

use std::{
    convert::Infallible,
    env,
    future::{Ready, ready},
    io::{self, BufRead as _, BufReader},
    net::{self, SocketAddr},
    num::NonZeroUsize,
    process::{Child, Command, Stdio},
    task::{Context, Poll},
    thread,
};

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::mpsc,
};
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{
        BoxFuture, Service,
        tokio_stream::{StreamExt as _, wrappers::ReceiverStream},
    },
    server::{Grpc, NamedService, UnaryService},
    transport::Server,
};
use tonic_prost::ProstCodec;

use crate::cli::{Outcome, output};

/// Connections that wait for a runtime.
const BACKLOG: usize = 1_024;

pub(super) const PATH: &str = "/tokenward.bench.Echo/Echo";

#[derive(Debug, Args)]
pub(in crate::cli) struct EchoArgs {
    /// How many bytes each answer has.
    #[arg(long, default_value_t = 300)]
    answer: usize,
    /// Threads; 0: one for each core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

/// Serves until the process is ended, and says where.
pub(super) async fn serve(args: EchoArgs) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    output::line(listener.local_addr()?)?;
    let cores = || thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = if args.threads == 0 { cores() } else { args.threads };
    let echo = Echo { answer: Bytes::from(vec![0; args.answer]) };
    let runtimes = (0..threads).map(|_| start(echo.clone()));
    let runtimes = runtimes.collect::<io::Result<Vec<_>>>()?;
    let mut turns = runtimes.iter().cycle();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        if let Some(runtime) = turns.next() {
            runtime.send(stream.into_std()?).await.context("a runtime has ended")?;
        }
    }
}

/// A runtime on a thread of its own, and the way to it.
fn start(echo: Echo) -> io::Result<mpsc::Sender<net::TcpStream>> {
    let (sender, streams) = mpsc::channel(BACKLOG);
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name("echo".to_owned()).spawn(move || {
        let streams = ReceiverStream::new(streams).map(TcpStream::from_std);
        let server = Server::builder().add_service(echo).serve_with_incoming(streams);
        runtime.block_on(server)
    })?;
    Ok(sender)
}

#[derive(Clone)]
struct Echo {
    answer: Bytes,
}

impl NamedService for Echo {
    const NAME: &'static str = "tokenward.bench.Echo";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let echo = self.clone();
        Box::pin(async move { Ok(Grpc::new(ProstCodec::default()).unary(echo, request).await) })
    }
}

/// A message whose first field is bytes, which is what `Verify` gets too.
impl UnaryService<Bytes> for Echo {
    type Response = Bytes;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, _: Request<Bytes>) -> Self::Future {
        ready(Ok(Response::new(self.answer.clone())))
    }
}

/// The same as a child process. Dropped, it is killed.
pub(super) struct EchoServer {
    child: Child,
    pub(super) address: SocketAddr,
}

impl EchoServer {
    pub(super) fn start(answer: usize) -> anyhow::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["bench", "echo", "--answer", &answer.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let stdout = child.stdout.take();
        let mut server = Self { child, address: SocketAddr::from(([0, 0, 0, 0], 0)) };
        let mut line = String::new();
        BufReader::new(stdout.context("the echo has no standard output")?).read_line(&mut line)?;
        server.address = line.trim().parse().context("the echo does not start")?;
        Ok(server)
    }

    /// The process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for EchoServer {
    fn drop(&mut self) {
        if self.child.kill().and_then(|()| self.child.wait()).is_err() {
            eprintln!("process {} could not be ended", self.child.id());
        }
    }
}
