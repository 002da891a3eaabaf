//! Do memory and Verify's times stay as they are during a storm of logins?
//!
//! Rounds alternate: Verify at a steady rate alone, and the same beside many
//! clients who want to log in, again and again. They come within a second: in
//! the moment in which a thousand calls arrive at once, everything waits for
//! their arrival, whatever they want. Server and client share the machine.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;
use tokio::task::JoinSet;
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

use super::{
    Machine, Report, ReportArgs,
    process::{Resident, cpu_time, resident},
    samples::{Samples, middle, millis},
    scratch::{Client, Running, Scratch, named, user},
    steady::{Question, Steady},
    verdict,
};
use crate::{
    domain::{
        clock::{Clock as _, SystemClock},
        identifier::Identifier,
        password::Password,
    },
    grpc::pb::auth::LoginRequest,
    service::{
        Administrator, Caller,
        import::{IMPORT_BATCH, ImportUserRequest},
        login,
    },
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward bench login-storm
  tokenward bench login-storm --logins 200 --rounds 1 --json --out storm.json";

/// What all hashes of the server may hold.
const BUDGET_MIB: u32 = 64;
/// What a client's login takes besides its hash: its stream, its task and its
/// share of the connections, with their buffers and the caches of the database.
const ALLOWANCE_PER_LOGIN: u64 = 16 << 10;
/// How much slower Verify's 99th percentile may be.
const RATIO_MAX: f64 = 2.0;
/// How long Verify is measured alone in each round.
const ALONE: Duration = Duration::from_secs(3);
/// How long logins are begun in each round, and over how much of it the
/// clients come.
const STORM: Duration = Duration::from_secs(5);
const COMING: Duration = Duration::from_secs(1);
/// How long each login waits.
const DEADLINE: Duration = Duration::from_secs(2);
/// Logins on one connection.
const LOGINS_PER_CONNECTION: usize = 100;

const PASSWORD: &str = "correct horse battery staple";

#[derive(Debug, Args)]
pub(in crate::cli) struct LoginStormArgs {
    /// Clients who want to log in.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    logins: u32,
    /// How often the storm is repeated.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Calls of Verify a second.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct StormReport {
    report: &'static str,
    machine: Machine,
    logins: u32,
    deadline_ms: f64,
    verify_per_second: u32,
    rounds: Vec<Round>,
    memory: Memory,
    ratio_of_p99: Ratio,
}

/// Verify alone and beside a storm, and what became of the logins.
#[derive(Debug, Serialize)]
struct Round {
    alone: VerifyTimes,
    beside: VerifyTimes,
    ratio_of_p99: f64,
    storm: Storm,
    server_cores: f64,
    client_cores: f64,
}

#[derive(Debug, Serialize)]
struct VerifyTimes {
    calls: usize,
    p50_ms: f64,
    p99_ms: f64,
}

#[derive(Debug, Serialize)]
struct Storm {
    took_ms: f64,
    logins: usize,
    logged_in: usize,
    refused: usize,
    refused_p50_ms: f64,
    refused_max_ms: f64,
    past_deadline: usize,
}

/// The server's resident memory, in bytes.
#[derive(Debug, Serialize)]
struct Memory {
    base: u64,
    highest: u64,
    after: u64,
    budget: u64,
    allowance: u64,
}

#[derive(Debug, Serialize)]
struct Ratio {
    least: f64,
    median: f64,
    greatest: f64,
    most: f64,
}

pub(super) async fn measure(args: &LoginStormArgs) -> anyhow::Result<StormReport> {
    let machine = Machine::this();
    let scratch = Scratch::new(|settings| settings.workers.hashing_memory_mib = BUDGET_MIB)?;
    eprintln!("preparing {} users", args.logins);
    let token = prepare(&scratch, args.logins).await?;
    let server = scratch.serve().await?;
    let verify = Question { client: server.client().await?, token, rate: args.rate };
    let storm = StormClients::connect(&server, args.logins).await?;
    let mut rounds = Vec::new();
    let mut base = None;
    for number in 1..=args.rounds {
        eprintln!("round {number} of {}", args.rounds);
        let alone = Steady::start(&verify);
        tokio::time::sleep(ALONE).await;
        let alone = alone.stop().await?;
        // Before the first login there was none.
        let before = resident(server.id())?.now;
        base.get_or_insert(before);
        rounds.push(beside_storm(&server, &verify, &storm, alone).await?);
    }
    let end = resident(server.id())?;
    Ok(StormReport::new(args, machine, rounds, base.unwrap_or_default(), end))
}

/// Users with one hash, and a token of the first.
async fn prepare(scratch: &Scratch, users: u32) -> anyhow::Result<String> {
    let core = scratch.core(|_| {}).await?;
    let admin = Administrator::command_line();
    core.auth.create_user(user("storm", PASSWORD), &admin).await?;
    let credentials = core.store.credentials(Identifier::parse("storm")?).await?;
    let hash = credentials.and_then(|credentials| credentials.password_hash);
    let hash = hash.context("the user has a password")?;
    let names: Vec<_> = (0..users).map(name).collect();
    for names in names.chunks(IMPORT_BATCH) {
        let request =
            |name: &String| ImportUserRequest { profile: named(name), password_hash: hash.clone() };
        let requests = names.iter().map(request).collect();
        for imported in core.auth.import_users(requests, &admin).await? {
            imported?;
        }
    }
    let request = login::LoginRequest {
        identifier: "storm".to_owned(),
        password: Password::parse(PASSWORD.to_owned()),
        client_id: String::new(),
        audience: Vec::new(),
        scope: String::new(),
        label: String::new(),
        no_refresh_token: false,
    };
    let tokens = core.auth.login(request, &Caller::default()).await?.tokens;
    core.store.close().await;
    Ok(secrecy::ExposeSecret::expose_secret(&tokens.access_token).to_owned())
}

fn name(number: u32) -> String {
    format!("storm-{number}")
}

/// How a login ended.
enum Ended {
    LoggedIn,
    /// After so long, and when to come again.
    Refused(Duration, Duration),
    PastDeadline,
}

/// The clients, each with a user of its own.
struct StormClients(Vec<(String, Client)>);

impl StormClients {
    async fn connect(server: &Running, logins: u32) -> anyhow::Result<Self> {
        let names: Vec<_> = (0..logins).map(name).collect();
        let mut clients = Vec::new();
        for names in names.chunks(LOGINS_PER_CONNECTION) {
            let client = server.client().await?;
            clients.extend(names.iter().map(|name| (name.clone(), client.clone())));
        }
        Ok(Self(clients))
    }

    /// All of them log in, until the storm is over.
    async fn rage(&self) -> anyhow::Result<Vec<Ended>> {
        let mut clients = JoinSet::new();
        let apart = COMING / u32::try_from(self.0.len().max(1))?;
        for ((name, client), index) in self.0.iter().zip(0..) {
            clients.spawn(log_in_again(name.clone(), client.clone(), apart * index));
        }
        let mut ended = Vec::new();
        while let Some(client) = clients.join_next().await {
            ended.extend(client??);
        }
        Ok(ended)
    }
}

/// Logs in as often as there is time, and comes again when it is told to.
async fn log_in_again(
    name: String,
    mut client: Client,
    begin: Duration,
) -> anyhow::Result<Vec<Ended>> {
    let clock = SystemClock::new();
    tokio::time::sleep(begin).await;
    let mut ended = Vec::new();
    while clock.monotonic() < STORM {
        let login = log_in(&name, &mut client).await?;
        if let Ended::Refused(_, retry_after) = login {
            let left = STORM.saturating_sub(clock.monotonic());
            tokio::time::sleep(retry_after.min(left)).await;
        }
        ended.push(login);
    }
    Ok(ended)
}

async fn log_in(name: &str, client: &mut Client) -> anyhow::Result<Ended> {
    let (identifier, password) = (name.to_owned(), PASSWORD.to_owned());
    let mut request =
        Request::new(LoginRequest { identifier, password, ..LoginRequest::default() });
    request.set_timeout(DEADLINE);
    let clock = SystemClock::new();
    let Err(status) = client.login(request).await else { return Ok(Ended::LoggedIn) };
    match status.code() {
        Code::ResourceExhausted => {
            let after = clock.monotonic();
            let retry = status.get_details_retry_info().and_then(|info| info.retry_delay);
            Ok(Ended::Refused(after, retry.context("a refusal says when to come again")?))
        }
        // The client gives up by itself, as Cancelled.
        Code::DeadlineExceeded | Code::Cancelled => Ok(Ended::PastDeadline),
        _ => bail!("a login failed: {status}"),
    }
}

async fn beside_storm(
    server: &Running,
    verify: &Question,
    clients: &StormClients,
    alone: Samples,
) -> anyhow::Result<Round> {
    let clock = SystemClock::new();
    let cpu = || anyhow::Ok((cpu_time(server.id())?, cpu_time(std::process::id())?));
    let (server_before, client_before) = cpu()?;
    let beside = Steady::start(verify);
    let ended = clients.rage().await?;
    let took = clock.monotonic();
    let beside = beside.stop().await?;
    let (server_after, client_after) = cpu()?;
    let cores =
        |before, after: Duration| after.saturating_sub(before).as_secs_f64() / took.as_secs_f64();
    let (alone, beside) = (VerifyTimes::of(&alone), VerifyTimes::of(&beside));
    Ok(Round {
        ratio_of_p99: beside.p99_ms / alone.p99_ms,
        alone,
        beside,
        storm: Storm::of(&ended, took),
        server_cores: cores(server_before, server_after),
        client_cores: cores(client_before, client_after),
    })
}

impl VerifyTimes {
    fn of(samples: &Samples) -> Self {
        let (p50_ms, p99_ms) = (millis(samples.median()), millis(samples.per_mille(990)));
        Self { calls: samples.len(), p50_ms, p99_ms }
    }
}

impl Storm {
    fn of(ended: &[Ended], took: Duration) -> Self {
        let refused = ended.iter().filter_map(|ended| match ended {
            Ended::Refused(after, _) => Some(*after),
            Ended::LoggedIn | Ended::PastDeadline => None,
        });
        let refused = Samples::new(refused.collect());
        let count = |is: fn(&Ended) -> bool| ended.iter().filter(|ended| is(ended)).count();
        Self {
            took_ms: millis(took),
            logins: ended.len(),
            logged_in: count(|ended| matches!(ended, Ended::LoggedIn)),
            refused: refused.len(),
            refused_p50_ms: millis(refused.median()),
            refused_max_ms: millis(refused.per_mille(1000)),
            past_deadline: count(|ended| matches!(ended, Ended::PastDeadline)),
        }
    }
}

impl Memory {
    fn limit(&self) -> u64 {
        self.base + self.budget + self.allowance
    }
}

impl StormReport {
    fn new(
        args: &LoginStormArgs,
        machine: Machine,
        rounds: Vec<Round>,
        base: u64,
        end: Resident,
    ) -> Self {
        let ratios = rounds.iter().map(|round| round.ratio_of_p99).collect();
        let (least, median, greatest) = middle(ratios);
        Self {
            report: "login-storm",
            machine,
            logins: args.logins,
            deadline_ms: millis(DEADLINE),
            verify_per_second: args.rate,
            rounds,
            memory: Memory {
                base,
                highest: end.highest,
                after: end.now,
                budget: u64::from(BUDGET_MIB) << 20,
                allowance: ALLOWANCE_PER_LOGIN * u64::from(args.logins),
            },
            ratio_of_p99: Ratio { least, median, greatest, most: RATIO_MAX },
        }
    }

    fn memory_holds(&self) -> bool {
        self.memory.highest <= self.memory.limit()
    }

    fn ratio_holds(&self) -> bool {
        self.ratio_of_p99.median <= self.ratio_of_p99.most
    }
}

impl Report for StormReport {
    fn broken(&self) -> Vec<String> {
        let claims = [
            (self.memory_holds(), "memory stays within base, budget and allowance"),
            (self.ratio_holds(), "Verify's p99 beside a storm is at most twice that alone"),
        ];
        claims.iter().filter(|(holds, _)| !holds).map(|(_, claim)| (*claim).to_owned()).collect()
    }
}

impl Display for StormReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, logins, verify_per_second, deadline_ms, memory, .. } = self;
        writeln!(f, "Verify and memory beside a storm of logins ({machine})")?;
        writeln!(
            f,
            "{logins} clients log in again and again, with a deadline of {deadline_ms} ms, beside {verify_per_second} calls of\n\
             Verify a second; client and server on the same cores\n"
        )?;
        writeln!(
            f,
            "{:>5} {:>17} {:>17} {:>6} {:>6} {:>9} {:>8} {:>15} {:>5} {:>15}",
            "round",
            "alone p50 p99",
            "beside p50 p99",
            "ratio",
            "logins",
            "logged in",
            "refused",
            "ms p50 max",
            "late",
            "cores srv cli"
        )?;
        for (round, number) in self.rounds.iter().zip(1..) {
            let Round { alone, beside, storm, .. } = round;
            writeln!(
                f,
                "{number:>5} {:>8.3} {:>8.3} {:>8.3} {:>8.3} {:>6.2} {:>6} {:>9} {:>8} {:>7.0} {:>7.0} {:>5} {:>7.2} {:>7.2}",
                alone.p50_ms,
                alone.p99_ms,
                beside.p50_ms,
                beside.p99_ms,
                round.ratio_of_p99,
                storm.logins,
                storm.logged_in,
                storm.refused,
                storm.refused_p50_ms,
                storm.refused_max_ms,
                storm.past_deadline,
                round.server_cores,
                round.client_cores
            )?;
        }
        let Ratio { least, median, greatest, most } = self.ratio_of_p99;
        writeln!(
            f,
            "\nratio of p99: median {median:.2} ({least:.2} to {greatest:.2}), at most {most}: {}",
            verdict(self.ratio_holds())
        )?;
        let mib = |bytes: u64| bytes >> 20;
        writeln!(
            f,
            "resident memory: {} MiB at the most; {} before + {} for hashes + {} for calls = {}: {}",
            mib(memory.highest),
            mib(memory.base),
            mib(memory.budget),
            mib(memory.allowance),
            mib(memory.limit()),
            verdict(self.memory_holds())
        )
    }
}
