//! Campaigns: real processes on real databases, disturbed while people work
//! with them. All calls are written down, and a checker judges what was
//! written by the promises P1 to P4 (SECURITY.md).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a campaign that cannot be held fails by panicking"
)]

mod calls;
mod checker;
mod crash;
mod history;
mod load;
mod machine;
mod person;
mod progress;
mod recorder;
mod replica;
mod report;
#[path = "../../src/cli/bench/samples.rs"]
#[expect(dead_code, unused_imports, reason = "shared with the benches, which use more of it")]
mod samples;
mod scenarios;
mod stage;
#[path = "../it/support/mod.rs"]
#[expect(dead_code, reason = "shared with the integration tests, which use more of it")]
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, ValueEnum};
use tokenward::domain::clock::{Clock as _, SystemClock};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use checker::Broken;
use history::Moment;
use progress::Progress;
use report::{Report, Verdict};
use scenarios::{
    Setting,
    delay::{self, Delay},
    faults, full, kill, race,
};
use support::{postgres::PostgresServer, program::BINARY, world::Engine};

const EXAMPLES: &str = "\
Examples:
  cargo test --test campaign -- --short
  cargo test --test campaign -- --scenario kill --engine sqlite --rounds 50
  tests/campaign/run --scenario delay --replicas 3 --json --out delay.json";

/// The default of `revocation.staleness_budget`.
const DEFAULT_BUDGET: Duration = Duration::from_mins(1);

/// Holds the promises P1 to P4 against real processes.
#[derive(Debug, Parser)]
///
/// SIGTERM ends it after the round, and what was held is judged.
#[command(name = "campaign", after_help = EXAMPLES)]
struct Arguments {
    /// Only this one. May be repeated.
    #[arg(long, value_enum)]
    scenario: Vec<Scenario>,
    #[arg(long, value_enum, default_value_t = Engines::Both)]
    engine: Engines,
    /// How often each scenario does what it does, instead of its own number.
    #[arg(long)]
    rounds: Option<usize>,
    /// A minute for everything, instead of an hour.
    #[arg(long)]
    short: bool,
    /// What chance begins with. Processes have chances of their own, so the
    /// same seed gives similar campaigns, not the same.
    #[arg(long)]
    seed: Option<u64>,
    /// `delay`: replicas, of which each revocation is made on one.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=8))]
    replicas: u8,
    /// `delay`: revocations a second.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rate: u32,
    /// The program, if not the one that was built with this.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Write the report to this file instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// As JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// P1, P2: how long is a revoked token good elsewhere?
    Delay,
    /// P3: the process is killed, again and again.
    Kill,
    /// P3: PostgreSQL crashes, again and again.
    Crash,
    /// P4: many present one refresh token at once.
    Race,
    /// P1 to P4: processes are stopped, connections cut, slow and silent.
    Faults,
    /// P3: the database has no room left.
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engines {
    Sqlite,
    Postgres,
    Both,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(binary) = &arguments.binary {
        let binary = binary.canonicalize().expect("the program is there");
        BINARY.set(binary).expect("nothing was run before");
    }
    let seed = arguments.seed.unwrap_or_else(|| SystemClock::new().now().micros().unsigned_abs());
    let mut report = Report { seed, verdicts: Vec::new() };
    let stop = stop_on_sigterm();
    // As careful as one that people use.
    let mut postgres = arguments.engine.has(Engine::Postgres).then(|| {
        PostgresServer::start(&[]).expect("the programs of a PostgreSQL server are installed")
    });
    for (scenario, engine) in arguments.plan() {
        eprintln!("{scenario:?} on {engine:?}, seed {seed}");
        let rounds = arguments.rounds.unwrap_or_else(|| scenario.rounds(engine, arguments.short));
        let rounds = Progress::new(rounds, &stop);
        let setting = Setting { engine, postgres: postgres.as_mut(), rounds, seed };
        let verdict = arguments.hold(scenario, setting).await;
        eprintln!("{verdict}");
        report.verdicts.push(verdict);
    }
    drop(postgres);
    publish(&arguments, &report);
    if report.is_kept() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Arguments {
    fn plan(&self) -> Vec<(Scenario, Engine)> {
        let is_asked =
            |scenario: &Scenario| self.scenario.is_empty() || self.scenario.contains(scenario);
        let scenarios = Scenario::value_variants().iter().copied().filter(is_asked);
        let engines = [Engine::Sqlite, Engine::Postgres];
        let plan = scenarios.flat_map(|scenario| engines.map(|engine| (scenario, engine)));
        let is_possible = |(scenario, engine): &(Scenario, Engine)| {
            self.engine.has(*engine) && scenario.is_for(*engine)
        };
        plan.filter(is_possible).collect()
    }

    /// One scenario, from its first call to the verdict.
    async fn hold(&self, scenario: Scenario, setting: Setting<'_>) -> Verdict {
        let (began, engine, rounds) = (Instant::now(), setting.engine, setting.rounds.clone());
        let mut busy = None;
        let recorder = match scenario {
            Scenario::Delay => {
                let (recorder, was) = delay::run(setting, self.replicas.into(), self.rate).await;
                busy = Some(was);
                Some(recorder)
            }
            Scenario::Kill => Some(kill::run(setting, kill::Victim::Process).await),
            Scenario::Crash => Some(kill::run(setting, kill::Victim::Database).await),
            Scenario::Race => Some(race::run(setting).await),
            Scenario::Faults => Some(faults::run(setting).await),
            Scenario::Full => full::run(setting).await,
        };
        let name = format!("{scenario:?}-{engine:?}").to_lowercase();
        let Some(recorder) = recorder else {
            return Verdict::skipped(name, "mounting a small file system needs root");
        };
        let is_stuck = recorder.is_stuck();
        let events = recorder.into_events();
        let history = history_file(&name);
        recorder::write(&events, &history).expect("the history can be written");
        let delay = busy.map(|busy| Delay::of(&events, &busy));
        let mut broken = checker::judge(&events, scenario.staleness_budget());
        if is_stuck {
            broken.push(Broken {
                promise: "recovery",
                what: "nobody gets further".into(),
                line: 0,
            });
        }
        broken.extend(delay.as_ref().and_then(Delay::broken));
        Verdict {
            rounds: rounds.begun(),
            took_s: began.elapsed().as_secs(),
            broken,
            delay,
            history,
            ..Verdict::counted(name, &events, scenario.must_show())
        }
    }
}

impl Engines {
    fn has(self, engine: Engine) -> bool {
        match self {
            Self::Sqlite => engine == Engine::Sqlite,
            Self::Postgres => engine == Engine::Postgres,
            Self::Both => true,
        }
    }
}

impl Scenario {
    /// Replicas are measured, and a database crashes, where it is a server.
    fn is_for(self, engine: Engine) -> bool {
        engine == Engine::Postgres || !matches!(self, Self::Delay | Self::Crash)
    }

    /// Without these it has proven nothing.
    fn must_show(self) -> &'static [&'static str] {
        match self {
            Self::Delay => &["Revoke: revoked", "Verify: active", "Verify: inactive"],
            Self::Kill | Self::Crash => &["Login: tokens", "Refresh: tokens", "Verify: inactive"],
            Self::Race => &["Refresh: tokens", "Refresh: the same tokens again"],
            Self::Faults => &["Refresh: tokens", "Verify: active", "Verify: inactive"],
            Self::Full => &["Verify: active", "Login: unavailable"],
        }
    }

    /// How often it does what it does.
    fn rounds(self, engine: Engine, short: bool) -> usize {
        let (few, many) = match self {
            // Each fault that there is.
            Self::Faults if engine == Engine::Sqlite => (2, 100),
            Self::Delay => (100, 10_000),
            Self::Kill => (5, 1_000),
            Self::Crash => (2, 20),
            Self::Race => (10, 1_000),
            Self::Faults => (8, 100),
            Self::Full => (1, 5),
        };
        if short { few } else { many }
    }

    /// How old the knowledge of a replica may be, in microseconds.
    fn staleness_budget(self) -> Moment {
        let budget = if self == Self::Faults { faults::BUDGET } else { DEFAULT_BUDGET };
        u64::try_from(budget.as_micros()).expect("a budget of less than an age")
    }
}

/// What began before is held to its end.
fn stop_on_sigterm() -> CancellationToken {
    let stop = CancellationToken::new();
    let mut signals = signal(SignalKind::terminate()).expect("signals can be awaited");
    let stopping = stop.clone();
    tokio::spawn(async move {
        signals.recv().await;
        stopping.cancel();
    });
    stop
}

fn history_file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("campaign");
    fs::create_dir_all(&folder).expect("a folder for histories");
    folder.join(format!("{name}.jsonl"))
}

fn publish(arguments: &Arguments, report: &Report) {
    let text = if arguments.json {
        serde_json::to_string_pretty(report).expect("a report is JSON") + "\n"
    } else {
        report.to_string()
    };
    match &arguments.out {
        None => print!("{text}"),
        Some(path) => fs::write(path, text).expect("the report can be written"),
    }
}
