//! A deterministic simulation of the service: real `Auth`, `LiveIndex`,
//! `Follower` and sweeper, in up to three processes on one store in memory. Time
//! stands while anything can run; what happens, when, and what goes wrong comes
//! from one seed. A small [`model`] of what was promised judges each answer.
//!
//! `SIMULATION_SEED=n cargo test --test it simulation::` repeats one seed and
//! tells its whole story; `SIMULATION_SEEDS=n` says how many there are.
//! `docs/proofs.md` says more.

mod bug;
mod calls;
mod crypto;
mod dice;
mod faulty;
mod ledger;
mod life;
mod model;
mod mood;
mod pace;
mod replica;
mod tasks;
mod time;
mod world;

use std::{
    env,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use bug::Bug;
use world::{Run, policy, run};

/// Seeds of a plain `cargo test`.
const SEEDS: u64 = 500;
/// In so many seeds each planted bug has to be found.
const FOUND_WITHIN: u64 = 5_000;
/// How much of the story of a broken promise is told.
const LAST_EVENTS: usize = 40;

/// P1, P2, P3, P4 and P5, as [`model`] says.
#[test]
fn p1_p2_p3_p4_hold_in_every_seed() {
    let policy = policy();
    if let Some(seed) = number("SIMULATION_SEED") {
        let Run { broken, story, .. } = run(seed, &policy, None, true);
        println!("{}", story.join("\n"));
        assert!(broken.is_none(), "seed {seed}: {}", broken.unwrap_or_default());
        return;
    }
    let seeds = number("SIMULATION_SEEDS").unwrap_or(SEEDS);
    if let Some(seed) = first_broken(seeds, |seed| run(seed, &policy, None, false)) {
        panic!("{}", report(seed, run(seed, &policy, None, true)));
    }
}

/// The same seed gives the same run, event by event.
#[test]
fn a_seed_repeats_exactly() {
    let policy = policy();
    for seed in 0..50 {
        let [one, other] = [(), ()].map(|()| run(seed, &policy, None, true));
        let differ = one.story.iter().zip(&other.story).find(|(one, other)| one != other);
        assert_eq!(differ, None, "seed {seed}");
        assert_eq!(one.digest, other.digest, "seed {seed}");
    }
}

/// A simulation that finds nothing proves nothing.
#[test]
fn every_planted_bug_is_found() {
    let policy = policy();
    for bug in Bug::all() {
        let seed = first_broken(FOUND_WITHIN, |seed| run(seed, &policy, Some(bug), false));
        let seed = seed.unwrap_or_else(|| panic!("{bug:?} is not found in {FOUND_WITHIN} seeds"));
        let broken = run(seed, &policy, Some(bug), false).broken.expect("it repeats");
        println!("{bug:?}: found by seed {seed}: {broken}");
    }
}

/// The first seed that breaks a promise, looked for on all cores.
fn first_broken(seeds: u64, run: impl Fn(u64) -> Run + Sync) -> Option<u64> {
    let (next, broken) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let look = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds.min(broken.load(Ordering::Relaxed)) {
            return;
        }
        if run(seed).broken.is_some() {
            broken.fetch_min(seed, Ordering::Relaxed);
        }
        if seeds > SEEDS && (seed + 1).is_multiple_of(seeds.div_ceil(100)) {
            println!("{} of {seeds} seeds", seed + 1);
        }
    };
    thread::scope(|scope| {
        let looking: Vec<_> = (0..threads).map(|_| scope.spawn(look)).collect();
        for thread in looking {
            thread.join().expect("a run does not panic");
        }
    });
    Some(broken.into_inner()).filter(|seed| *seed < u64::MAX)
}

fn report(seed: u64, run: Run) -> String {
    let from = run.story.len().saturating_sub(LAST_EVENTS);
    let (story, broken) = (run.story[from..].join("\n"), run.broken.unwrap_or_default());
    let version = commit();
    format!(
        "{story}\n\nseed {seed} at {version} breaks {broken}\n\
         once more: SIMULATION_SEED={seed} cargo test --test it simulation:: -- --nocapture"
    )
}

/// What was simulated, as exactly as can be said here.
fn commit() -> String {
    let head = Command::new("git").args(["rev-parse", "HEAD"]).output();
    let head = head.ok().filter(|output| output.status.success());
    head.map_or_else(
        || env!("CARGO_PKG_VERSION").to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} must be a number")))
}
