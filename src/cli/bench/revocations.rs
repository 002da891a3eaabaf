//! Do Verify's cost and an entry's memory stay small, however much is revoked?
//!
//! Three replicas on one database know nothing, some, and many revocations of
//! sessions. Rounds alternate: each judges the same active tokens, one after
//! the other, on this thread. What is counted is the thread's time on a core,
//! which others on the machine do not lengthen by much.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use clap::Args;
use serde::Serialize;
use tokio::{runtime::Handle, task::block_in_place};
use uuid::Uuid;

use super::{
    Machine, Report, ReportArgs,
    process::{resident, thread_time},
    samples::{middle, millis},
    scratch::Scratch,
    verdict,
};
use crate::{
    app::Core,
    config::Span,
    domain::{
        claims::{AccessClaims, Subject, UserClaims},
        clock::Timestamp,
        id::{ClientId, SessionId, TokenId, UserId},
        policy::{Audience, Scopes},
        revocation::{Reason, Revocation, RevocationIndex, Target},
        token::TokenType,
    },
    service::{index::Knowledge, verify::Question},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tokenward bench revocations
  tokenward bench revocations --entries 100000 --rounds 9 --json --out revocations.json";

/// How much more a call may cost with the most entries than with none.
const RATIO_MAX: f64 = 1.2;
/// How many bytes an entry may take.
const BYTES_MAX: f64 = 160.0;
/// Different tokens, so that no look-up is warm from the one before.
const TOKENS: u32 = 1_000;

#[derive(Debug, Args)]
pub(in crate::cli) struct RevocationsArgs {
    /// Live revocations at the most; the replica between has a hundredth.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    entries: u32,
    /// Calls of Verify on each replica in a round.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    calls: u32,
    /// How often the replicas take turns.
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    #[command(flatten)]
    pub(super) report: ReportArgs,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct RevocationsReport {
    report: &'static str,
    machine: Machine,
    calls: u32,
    rounds: u32,
    sizes: Vec<Size>,
    ratio: Spread,
    ratio_max: f64,
    bytes_per_entry: f64,
    bytes_per_entry_max: f64,
}

/// One replica.
#[derive(Debug, Serialize)]
struct Size {
    entries: u32,
    /// What the index has added to the resident memory.
    bytes: u64,
    verify_us: Spread,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct Spread {
    least: f64,
    median: f64,
    greatest: f64,
}

impl Spread {
    fn of(numbers: impl Iterator<Item = f64>) -> Self {
        let (least, median, greatest) = middle(numbers.collect());
        Self { least, median, greatest }
    }
}

pub(super) async fn measure(args: &RevocationsArgs) -> anyhow::Result<RevocationsReport> {
    let machine = Machine::this();
    let scratch = Scratch::new(|settings| {
        // Nobody waits for a look while time is counted.
        settings.revocation.fresh_for = Span(Duration::from_mins(1));
    })?;
    let mut replicas = Vec::new();
    for entries in [0, args.entries / 100, args.entries] {
        eprintln!("revoking {entries} sessions");
        replicas.push(Replica::start(&scratch, entries).await?);
    }
    let questions = match replicas.first() {
        Some(replica) => questions(&replica.core).await?,
        None => Vec::new(),
    };
    for round in 1..=args.rounds {
        eprintln!("round {round} of {}", args.rounds);
        for replica in &mut replicas {
            replica.core.follower(Duration::ZERO).look().await?;
            let cost = cost_of_a_call(&replica.core, &questions, args.calls)?;
            replica.costs.push(millis(cost) * 1e3);
        }
    }
    for replica in &replicas {
        replica.core.store.close().await;
    }
    RevocationsReport::new(args, machine, &replicas)
}

/// The service, and what it knows.
struct Replica {
    entries: u32,
    bytes: u64,
    core: Core,
    /// Of a call in each round, in microseconds.
    costs: Vec<f64>,
}

impl Replica {
    async fn start(scratch: &Scratch, entries: u32) -> anyhow::Result<Self> {
        let core = scratch.core(|_| {}).await?;
        let head = core.store.look(0).await?.head;
        let own = std::process::id();
        let before = resident(own)?.now;
        let mut index = RevocationIndex::default();
        for number in 0..entries {
            index.apply(&revoked_session(number, Timestamp::from_micros(i64::MAX)));
        }
        let bytes = resident(own)?.now.saturating_sub(before);
        ensure!(index.len() == usize::try_from(entries)?, "an entry was lost");
        let known = Knowledge::new(index, head, None, core.auth.index.stamp());
        core.auth.index.replace(known);
        Ok(Self { entries, bytes, core, costs: Vec::new() })
    }
}

/// A revocation of a session that no token here is of.
fn revoked_session(number: u32, expires_at: Timestamp) -> Revocation {
    let id = Uuid::from_u128(number.into());
    Revocation {
        seq: 0,
        id,
        target: Target::Session(SessionId::new(id)),
        expires_at: Some(expires_at),
        at: Timestamp::from_seconds(0),
        reason: Reason::Logout,
        actor: String::new(),
    }
}

/// About active tokens, each of another user and session.
async fn questions(core: &Core) -> anyhow::Result<Vec<Question>> {
    let (auth, now) = (&core.auth, core.auth.clock.now().floor_to_second());
    let lifetime = core.store.look(0).await?.head.max_access_lifetime();
    let mut questions = Vec::new();
    for number in 1..=TOKENS {
        let id = Uuid::from_u128(u128::from(number) << 64);
        let user = UserClaims {
            id: UserId::new(id),
            session_id: SessionId::new(id),
            auth_time: now,
            amr: vec!["pwd".to_owned()],
            roles: Vec::new(),
            name: None,
            email: None,
        };
        let claims = AccessClaims {
            issuer: auth.policy.issuer.clone(),
            audience: vec![Audience::parse("api")?],
            subject: Subject::User(user),
            client_id: ClientId::parse("default")?,
            issued_at: now,
            expires_at: now.plus(lifetime),
            token_id: TokenId::new(id),
            scopes: Scopes::default(),
            user_version: 1,
            client_version: 1,
            custom: serde_json::Map::new(),
        };
        let token_type = TokenType::Access(auth.policy.access_token_type);
        let token = auth.keys.sign(token_type, claims.to_json(), now).await?;
        questions.push(Question { token, ..Question::default() });
    }
    Ok(questions)
}

/// What a call takes of this thread, on average.
fn cost_of_a_call(core: &Core, questions: &[Question], calls: u32) -> anyhow::Result<Duration> {
    let calls_of = || questions.iter().cycle().take(usize::try_from(calls).unwrap_or(usize::MAX));
    let all = async {
        for question in calls_of() {
            let verdict = core.auth.verify(question).await?;
            ensure!(verdict.reason.is_none(), "a token is not active: {:?}", verdict.reason);
        }
        Ok(())
    };
    block_in_place(|| {
        let before = thread_time();
        Handle::current().block_on(all)?;
        Ok(thread_time().saturating_sub(before) / calls)
    })
}

impl RevocationsReport {
    fn new(args: &RevocationsArgs, machine: Machine, replicas: &[Replica]) -> anyhow::Result<Self> {
        let [none, .., most] = replicas else { anyhow::bail!("there are three replicas") };
        let ratios = most.costs.iter().zip(&none.costs).map(|(most, none)| most / none);
        let size = |replica: &Replica| Size {
            entries: replica.entries,
            bytes: replica.bytes,
            verify_us: Spread::of(replica.costs.iter().copied()),
        };
        let per_entry = most.bytes.checked_div(most.entries.into());
        let bytes_per_entry = u32::try_from(per_entry.context("there are entries")?)?;
        Ok(Self {
            report: "revocations",
            machine,
            calls: args.calls,
            rounds: args.rounds,
            sizes: replicas.iter().map(size).collect(),
            ratio: Spread::of(ratios),
            ratio_max: RATIO_MAX,
            bytes_per_entry: bytes_per_entry.into(),
            bytes_per_entry_max: BYTES_MAX,
        })
    }

    fn cost_holds(&self) -> bool {
        self.ratio.median <= self.ratio_max
    }

    fn memory_holds(&self) -> bool {
        self.bytes_per_entry <= self.bytes_per_entry_max
    }
}

impl Report for RevocationsReport {
    fn broken(&self) -> Vec<String> {
        let claims = [
            (
                self.cost_holds(),
                "Verify costs at most a fifth more with all revocations than with none",
            ),
            (self.memory_holds(), "an entry takes at most 160 bytes"),
        ];
        claims.iter().filter(|(holds, _)| !holds).map(|(_, claim)| (*claim).to_owned()).collect()
    }
}

impl Display for RevocationsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, calls, rounds, sizes, ratio, .. } = self;
        writeln!(f, "Verify and memory beside live revocations ({machine})")?;
        writeln!(f, "{rounds} rounds of {calls} calls on each replica\n")?;
        writeln!(f, "{:>10} {:>8} {:>28}", "entries", "MiB", "µs of a core, least to most")?;
        for Size { entries, bytes, verify_us } in sizes {
            let Spread { least, median, greatest } = verify_us;
            let mib = bytes >> 20;
            writeln!(f, "{entries:>10} {mib:>8} {median:>8.2} ({least:>6.2} to {greatest:>6.2})")?;
        }
        let Spread { least, median, greatest } = ratio;
        writeln!(
            f,
            "\nmost entries against none: median {median:.3} ({least:.3} to {greatest:.3}), at most {}: {}",
            self.ratio_max,
            verdict(self.cost_holds())
        )?;
        writeln!(
            f,
            "bytes per entry: {}, at most {}: {}",
            self.bytes_per_entry,
            self.bytes_per_entry_max,
            verdict(self.memory_holds())
        )
    }
}
