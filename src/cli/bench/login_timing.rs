//! Do the times of refused logins tell anything about accounts?
//!
//! Every class of refused login is tried equally often, in random order. The
//! attempts in flight begin a part of the time grid after each other, so each
//! finds others at work, of whichever class, and none a slot of its own.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Serialize;
use tokio::task::JoinSet;
use tonic::Code;

use super::{
    Machine, Report, ReportArgs,
    samples::{Samples, millis},
    scratch::{Client, Running, Scratch, named, user},
    verdict,
};
use crate::{
    config::{Settings, Span},
    crypto::entropy::SystemEntropy,
    domain::{
        clock::{Clock as _, SystemClock},
        entropy::Entropy as _,
        password::{PASSWORD_MAX_LEN, PasswordHash},
    },
    grpc::pb::auth::LoginRequest,
    service::{Administrator, import::ImportUserRequest, users::CreateUserRequest},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward bench login-timing
  tokenward bench login-timing --samples 200 --json --out timing.json";

/// How far medians may be apart, relative to the least.
const SPREAD_MAX: f64 = 0.02;

/// How long one login may take.
const PATIENCE: Span = Span(Duration::from_mins(1));
const PASSWORD: &str = "correct horse battery staple";
const WRONG: &str = "correct horse battery stable";

/// Of [`PASSWORD`], as Werkzeug makes them by default.
const FOREIGN: &str = "scrypt:32768:8:1$eITmoH55RJq4VSIn$4e0ff93f94100a5fe7ed57b0326bb363241e25a8cef9e5528991de77da2637b6db6cbbb06bf356fe4c71192bf9ec9d489717d0bcd5c223ad25ca28295bad5884";

#[derive(Debug, Args)]
pub(in crate::cli) struct LoginTimingArgs {
    /// Attempts of each class.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    samples: u32,
    /// Attempts in flight.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    in_flight: u32,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// A kind of login that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Unknown,
    WrongPassword,
    Disabled,
    OldParameters,
    ForeignHash,
    NoPassword,
    LongPassword,
    PasswordWithNul,
}

impl Class {
    const ALL: [Self; 8] = [
        Self::Unknown,
        Self::WrongPassword,
        Self::Disabled,
        Self::OldParameters,
        Self::ForeignHash,
        Self::NoPassword,
        Self::LongPassword,
        Self::PasswordWithNul,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown user",
            Self::WrongPassword => "wrong password",
            Self::Disabled => "disabled user, right password",
            Self::OldParameters => "hash with old parameters",
            Self::ForeignHash => "hash of Werkzeug (scrypt)",
            Self::NoPassword => "user without a password",
            Self::LongPassword => "wrong password of 1024 bytes",
            Self::PasswordWithNul => "wrong password with a NUL",
        }
    }

    /// The attempt: names are equally long.
    fn request(self) -> LoginRequest {
        let (identifier, password) = match self {
            Self::Unknown => ("user-void", WRONG.to_owned()),
            Self::WrongPassword => ("user-good", WRONG.to_owned()),
            Self::Disabled => ("user-dead", PASSWORD.to_owned()),
            Self::OldParameters => ("user-olds", WRONG.to_owned()),
            Self::ForeignHash => ("user-else", WRONG.to_owned()),
            Self::NoPassword => ("user-none", WRONG.to_owned()),
            Self::LongPassword => ("user-good", "x".repeat(PASSWORD_MAX_LEN)),
            Self::PasswordWithNul => ("user-good", format!("{PASSWORD}\0")),
        };
        LoginRequest { identifier: identifier.to_owned(), password, ..LoginRequest::default() }
    }
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct TimingReport {
    report: &'static str,
    machine: Machine,
    samples_of_each: u32,
    in_flight: u32,
    failure_grid_ms: f64,
    classes: Vec<ClassTimes>,
    /// Greatest median minus least, relative to the least.
    spread_of_medians: f64,
    spread_max: f64,
}

#[derive(Debug, Serialize)]
struct ClassTimes {
    class: &'static str,
    median_ms: f64,
    p95_ms: f64,
}

pub(super) async fn measure(args: &LoginTimingArgs) -> anyhow::Result<TimingReport> {
    let machine = Machine::this();
    let scratch = Scratch::new(|settings| {
        settings.throttle.enabled = false;
        // A slow machine shall show in the report, and not end it.
        settings.grpc.request_timeout = PATIENCE;
        settings.workers.max_wait = PATIENCE;
    })?;
    eprintln!("preparing users");
    prepare(&scratch).await?;
    let grid = scratch.settings().password.failure_grid.0;
    let server = scratch.serve().await?;
    let times = sample(&server, args, grid).await?;
    Ok(TimingReport::new(args, machine, grid, times))
}

async fn prepare(scratch: &Scratch) -> anyhow::Result<()> {
    let admin = Administrator::command_line();
    let core = scratch.core(|_| {}).await?;
    core.auth.create_user(user("user-good", PASSWORD), &admin).await?;
    let dead = core.auth.create_user(user("user-dead", PASSWORD), &admin).await?;
    core.auth.disable_user(dead, &admin).await?;
    let without = CreateUserRequest { profile: named("user-none"), password: None };
    core.auth.create_user(without, &admin).await?;
    let password_hash = PasswordHash::new(FOREIGN.to_owned());
    let foreign = vec![ImportUserRequest { profile: named("user-else"), password_hash }];
    core.auth.import_users(foreign, &admin).await?.pop().context("a user was imported")??;
    core.store.close().await;
    let cheap = |settings: &mut Settings| {
        settings.password.memory_kib = 7_168;
        settings.password.iterations = 1;
    };
    let core = scratch.core(cheap).await?;
    core.auth.create_user(user("user-olds", PASSWORD), &admin).await?;
    core.store.close().await;
    Ok(())
}

type Times = BTreeMap<Class, Vec<Duration>>;

async fn sample(server: &Running, args: &LoginTimingArgs, grid: Duration) -> anyhow::Result<Times> {
    let attempts = Arc::new(Attempts::new(shuffled(args.samples)?));
    let mut workers = JoinSet::new();
    for index in 0..args.in_flight {
        let (client, attempts) = (server.client().await?, Arc::clone(&attempts));
        let offset = grid * index / args.in_flight;
        workers.spawn(async move {
            tokio::time::sleep(offset).await;
            attempt_all(client, &attempts).await
        });
    }
    let mut times = Times::new();
    while let Some(done) = workers.join_next().await {
        for (class, took) in done?? {
            times.entry(class).or_default().push(took);
        }
    }
    Ok(times)
}

/// What is left to try, and how much was.
struct Attempts {
    left: Mutex<Vec<Class>>,
    all: usize,
}

impl Attempts {
    fn new(left: Vec<Class>) -> Self {
        Self { all: left.len(), left: Mutex::new(left) }
    }

    fn next(&self) -> Option<Class> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let class = left.pop();
        let done = self.all - left.len();
        drop(left);
        if class.is_some() && done.is_multiple_of((self.all / 10).max(1)) {
            eprintln!("{done} of {} logins", self.all);
        }
        class
    }
}

async fn attempt_all(
    mut client: Client,
    attempts: &Attempts,
) -> anyhow::Result<Vec<(Class, Duration)>> {
    let clock = SystemClock::new();
    let mut times = Vec::new();
    while let Some(class) = attempts.next() {
        let began = clock.monotonic();
        let answer = client.login(class.request()).await;
        times.push((class, clock.monotonic().saturating_sub(began)));
        match answer {
            Err(status) if status.code() == Code::Unauthenticated => {}
            Err(status) => bail!("{}: {status}", class.name()),
            Ok(_) => bail!("{}: logged in", class.name()),
        }
    }
    Ok(times)
}

/// Every class equally often, in random order (Fisher and Yates).
fn shuffled(samples: u32) -> anyhow::Result<Vec<Class>> {
    let mut classes: Vec<_> = (0..samples).flat_map(|_| Class::ALL).collect();
    let entropy = SystemEntropy::new();
    for last in (1..classes.len()).rev() {
        let mut bytes = [0; 8];
        entropy.fill(&mut bytes)?;
        let places = u64::try_from(last)? + 1;
        classes.swap(last, usize::try_from(u64::from_be_bytes(bytes) % places)?);
    }
    Ok(classes)
}

impl TimingReport {
    fn new(args: &LoginTimingArgs, machine: Machine, grid: Duration, times: Times) -> Self {
        let times = times.into_iter().map(|(class, times)| (class, Samples::new(times)));
        let classes: Vec<_> = times
            .map(|(class, times)| ClassTimes {
                class: class.name(),
                median_ms: millis(times.median()),
                p95_ms: millis(times.per_mille(950)),
            })
            .collect();
        let medians = || classes.iter().map(|class| class.median_ms);
        let least = medians().fold(f64::INFINITY, f64::min);
        let greatest = medians().fold(0.0, f64::max);
        Self {
            report: "login-timing",
            machine,
            samples_of_each: args.samples,
            in_flight: args.in_flight,
            failure_grid_ms: millis(grid),
            spread_of_medians: (greatest - least) / least,
            classes,
            spread_max: SPREAD_MAX,
        }
    }

    fn holds(&self) -> bool {
        self.spread_of_medians <= self.spread_max
    }
}

impl Report for TimingReport {
    fn broken(&self) -> Vec<String> {
        let rule = "medians of refused logins are within 2 % of each other";
        if self.holds() { Vec::new() } else { vec![rule.to_owned()] }
    }
}

impl Display for TimingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Times of refused logins ({})", self.machine)?;
        writeln!(
            f,
            "{} of each class in random order, {} in flight, a grid of {} ms\n",
            self.samples_of_each, self.in_flight, self.failure_grid_ms
        )?;
        writeln!(f, "{:<32} {:>10} {:>10}", "class", "median ms", "p95 ms")?;
        for ClassTimes { class, median_ms, p95_ms } in &self.classes {
            writeln!(f, "{class:<32} {median_ms:>10.3} {p95_ms:>10.3}")?;
        }
        let (spread, most) = (self.spread_of_medians * 100.0, self.spread_max * 100.0);
        let verdict = verdict(self.holds());
        writeln!(f, "\nspread of medians: {spread:.2} %, at most {most} %: {verdict}")
    }
}
