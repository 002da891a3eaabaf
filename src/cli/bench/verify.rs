//! What does a Verify cost beside an empty call on the same stack?
//!
//! Rounds alternate between an echo, Verify, and the echo again, which says
//! what the measurement itself is worth. What is compared is the time that the
//! server's process spends on the cores for a call: it stays the same when the
//! machine has other things to do.

use std::{
    fmt::{self, Display},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;
use prost::Message as _;
use secrecy::ExposeSecret as _;
use serde::Serialize;

use super::{
    Machine, Report, ReportArgs,
    echo::{self, EchoServer},
    frames::{self, Load, Shape},
    process::cpu_time,
    samples::{Samples, middle, millis},
    scratch::{Running, Scratch, user},
    verdict,
};
use crate::{
    domain::password::Password,
    grpc::pb::auth::{VerifyRequest, VerifyResponse},
    service::{Administrator, Caller, login::LoginRequest},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward bench verify
  tokenward bench verify --rounds 3 --connections 1 --streams 8 --json --out verify.json";

/// How much more than an empty call a Verify may take of the server's cores.
const RATIO_MAX: f64 = 1.25;
/// How much an echo may differ from itself.
const NOISE_MAX: f64 = 0.03;

const PASSWORD: &str = "correct horse battery staple";

#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// How often each is measured.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds that each measurement takes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Connections.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    connections: u16,
    /// Calls at a time on each of them.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=100))]
    streams: u16,
    /// Different tokens.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    tokens: u32,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct VerifyReport {
    report: &'static str,
    machine: Machine,
    connections: u16,
    streams: u16,
    tokens: u32,
    answer_bytes: usize,
    rounds: Vec<Round>,
    verify_to_echo: Ratio,
    echo_to_itself: Ratio,
}

#[derive(Debug, Serialize)]
struct Round {
    echo: Measured,
    verify: Measured,
    echo_again: Measured,
}

#[derive(Debug, Serialize)]
struct Measured {
    calls: usize,
    per_second: f64,
    server_cpu_us: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Of the server's time on the cores for a call.
#[derive(Debug, Serialize)]
struct Ratio {
    least: f64,
    median: f64,
    greatest: f64,
}

pub(super) async fn measure(args: &VerifyArgs) -> anyhow::Result<VerifyReport> {
    let machine = Machine::this();
    let scratch = Scratch::new(|_| {})?;
    eprintln!("preparing {} tokens", args.tokens);
    let tokens = prepare(&scratch, args.tokens).await?;
    let server = scratch.serve().await?;
    let answer_bytes = answer_size(&server, &tokens).await?;
    let echo = EchoServer::start(answer_bytes)?;

    let messages: Vec<_> = tokens.iter().map(|token| frames::message(&question(token))).collect();
    let shape = Shape { connections: args.connections.into(), streams: args.streams.into() };
    let load = |address, path, is_right| {
        Arc::new(Load { address, path, messages: messages.clone(), is_right, shape })
    };
    let verify = load(server.grpc(), "/tokenward.auth.v1.AuthService/Verify", is_active);
    let empty = load(echo.address, echo::PATH, |_| true);

    let span = Duration::from_secs(args.seconds);
    let warm_up = span.min(Duration::from_secs(1));
    run(&verify, server.id(), warm_up).await?;
    run(&empty, echo.id(), warm_up).await?;
    let mut rounds = Vec::new();
    for number in 1..=args.rounds {
        eprintln!("round {number} of {}", args.rounds);
        rounds.push(Round {
            echo: run(&empty, echo.id(), span).await?,
            verify: run(&verify, server.id(), span).await?,
            echo_again: run(&empty, echo.id(), span).await?,
        });
    }
    Ok(VerifyReport::new(args, machine, answer_bytes, rounds))
}

async fn run(load: &Arc<Load>, process: u32, span: Duration) -> anyhow::Result<Measured> {
    let before = cpu_time(process)?;
    let load = Arc::clone(load);
    let times = tokio::task::spawn_blocking(move || frames::closed_loop(&load, span)).await??;
    let cpu = cpu_time(process)?.saturating_sub(before);
    Ok(Measured::new(&times, cpu, span))
}

/// Tokens of one session: each refresh gives another.
async fn prepare(scratch: &Scratch, count: u32) -> anyhow::Result<Vec<String>> {
    let core = scratch.core(|_| {}).await?;
    core.follower(Duration::MAX).look().await?;
    core.auth.create_user(user("bench", PASSWORD), &Administrator::command_line()).await?;
    let request = LoginRequest {
        identifier: "bench".to_owned(),
        password: Password::parse(PASSWORD.to_owned()),
        client_id: String::new(),
        audience: Vec::new(),
        scope: String::new(),
        label: String::new(),
        no_refresh_token: false,
    };
    let mut issued = core.auth.login(request, &Caller::default()).await?.tokens;
    let mut tokens = Vec::new();
    while tokens.len() < count as usize {
        tokens.push(issued.access_token.expose_secret().to_owned());
        let refresh_token = issued.refresh_token.context("a login gives a refresh token")?;
        issued = core.auth.refresh(refresh_token, "", &Caller::default()).await?.tokens;
    }
    core.store.close().await;
    Ok(tokens)
}

fn question(token: &str) -> VerifyRequest {
    VerifyRequest { token: token.to_owned(), ..VerifyRequest::default() }
}

/// How many bytes Verify answers with.
async fn answer_size(server: &Running, tokens: &[String]) -> anyhow::Result<usize> {
    let token = tokens.first().context("there is a token")?;
    let answer = server.client().await?.verify(question(token)).await?.into_inner();
    Ok(answer.encoded_len())
}

fn is_active(message: &[u8]) -> bool {
    VerifyResponse::decode(message).is_ok_and(|answer| answer.active)
}

impl Measured {
    fn new(times: &Samples, cpu: Duration, span: Duration) -> Self {
        let calls = times.len();
        let per_call = |span: Duration| {
            span.as_secs_f64() / f64::from(u32::try_from(calls).unwrap_or(u32::MAX).max(1))
        };
        Self {
            calls,
            per_second: 1.0 / per_call(span),
            server_cpu_us: per_call(cpu) * 1e6,
            p50_ms: millis(times.median()),
            p99_ms: millis(times.per_mille(990)),
        }
    }
}

impl Ratio {
    fn of(ratios: impl Iterator<Item = f64>) -> Self {
        let (least, median, greatest) = middle(ratios.collect());
        Self { least, median, greatest }
    }
}

impl Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { least, median, greatest } = self;
        write!(f, "{median:.2} ({least:.2} to {greatest:.2})")
    }
}

impl VerifyReport {
    fn new(args: &VerifyArgs, machine: Machine, answer_bytes: usize, rounds: Vec<Round>) -> Self {
        let echo =
            |round: &Round| f64::midpoint(round.echo.server_cpu_us, round.echo_again.server_cpu_us);
        Self {
            report: "verify",
            machine,
            connections: args.connections,
            streams: args.streams,
            tokens: args.tokens,
            answer_bytes,
            verify_to_echo: Ratio::of(
                rounds.iter().map(|round| round.verify.server_cpu_us / echo(round)),
            ),
            echo_to_itself: Ratio::of(
                rounds.iter().map(|r| r.echo_again.server_cpu_us / r.echo.server_cpu_us),
            ),
            rounds,
        }
    }

    fn holds(&self) -> bool {
        self.verify_to_echo.median <= RATIO_MAX
    }

    fn is_quiet(&self) -> bool {
        (self.echo_to_itself.median - 1.0).abs() <= NOISE_MAX
    }
}

impl Report for VerifyReport {
    fn broken(&self) -> Vec<String> {
        let claims = [
            (self.holds(), format!("a Verify takes at most {RATIO_MAX} times an empty call")),
            (self.is_quiet(), format!("an echo differs from itself by at most {NOISE_MAX}")),
        ];
        claims.into_iter().filter(|(holds, _)| !holds).map(|(_, claim)| claim).collect()
    }
}

impl Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Verify beside an empty call on the same stack ({})", self.machine)?;
        writeln!(
            f,
            "{} connections with {} calls each, {} tokens, answers of {} bytes; client and \
             server on the same cores\n",
            self.connections, self.streams, self.tokens, self.answer_bytes
        )?;
        writeln!(f, "round  what          calls/s  server CPU us  p50 ms  p99 ms")?;
        for (number, round) in (1..).zip(&self.rounds) {
            let lines = [
                ("echo", &round.echo),
                ("Verify", &round.verify),
                ("echo again", &round.echo_again),
            ];
            for (what, measured) in lines {
                let Measured { calls: _, per_second, server_cpu_us, p50_ms, p99_ms } = measured;
                writeln!(
                    f,
                    "{number:>5}  {what:<10} {per_second:>10.0} {server_cpu_us:>14.2} {p50_ms:>7.3} \
                     {p99_ms:>7.3}"
                )?;
            }
        }
        writeln!(
            f,
            "\nserver CPU, Verify to echo: {}, at most {RATIO_MAX}: {}",
            self.verify_to_echo,
            verdict(self.holds())
        )?;
        writeln!(
            f,
            "server CPU, echo to itself: {}, within {NOISE_MAX}: {}",
            self.echo_to_itself,
            verdict(self.is_quiet())
        )
    }
}
