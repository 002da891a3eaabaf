//! What a campaign has found.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    path::PathBuf,
};

use serde::Serialize;

use crate::{checker::Broken, history::Event, scenarios::delay::Delay};

/// So many broken promises are shown; the others are in the history.
const SHOWN: usize = 5;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) verdicts: Vec<Verdict>,
}

/// What one scenario has found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Verdict {
    pub(crate) scenario: String,
    pub(crate) rounds: usize,
    pub(crate) took_s: u64,
    /// How often each call had each kind of outcome.
    pub(crate) calls: BTreeMap<String, usize>,
    pub(crate) broken: Vec<Broken>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delay: Option<Delay>,
    /// What should have come and did not: then nothing is proven.
    pub(crate) missing: Vec<&'static str>,
    /// Why it was not held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) skipped: Option<&'static str>,
    pub(crate) history: PathBuf,
}

impl Report {
    pub(crate) fn is_kept(&self) -> bool {
        self.verdicts.iter().all(Verdict::is_kept)
    }
}

impl Verdict {
    /// One about these events.
    pub(crate) fn counted(scenario: String, events: &[Event], must_show: &[&'static str]) -> Self {
        let mut calls = BTreeMap::new();
        for event in events {
            let name = format!("{}: {}", event.call.name(), event.outcome.kind());
            *calls.entry(name).or_default() += 1;
        }
        let is_missing = |call: &&&str| !calls.contains_key(**call);
        let missing = must_show.iter().filter(is_missing).copied().collect();
        Self { scenario, calls, missing, ..Self::default() }
    }

    fn is_kept(&self) -> bool {
        self.broken.is_empty() && self.missing.is_empty()
    }

    pub(crate) fn skipped(scenario: String, why: &'static str) -> Self {
        Self { scenario, skipped: Some(why), ..Self::default() }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        self.verdicts.iter().try_for_each(|verdict| writeln!(f, "{verdict}"))
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, rounds, took_s, calls, broken, delay, missing, skipped, history } =
            self;
        if let Some(why) = skipped {
            return write!(f, "{scenario}: SKIPPED, {why}");
        }
        let verdict = if self.is_kept() { "kept" } else { "BROKEN" };
        writeln!(f, "{scenario}: {verdict}, {rounds} rounds in {took_s} s")?;
        for (call, times) in calls {
            writeln!(f, "  {times:>9} {call}")?;
        }
        if let Some(Delay { revocations, last_acceptance_ms, first_refusal_ms, machine_busy }) =
            delay
        {
            writeln!(
                f,
                "  {revocations} revocations, as seen by the replicas that did not answer:"
            )?;
            writeln!(f, "    last acceptance after the answer: {last_acceptance_ms}")?;
            writeln!(f, "    first refusal after the answer:   {first_refusal_ms}")?;
            writeln!(f, "    the machine was {:.0} % busy", machine_busy * 100.0)?;
        }
        for call in missing {
            writeln!(f, "  nothing is proven without \"{call}\"")?;
        }
        for Broken { promise, what, line } in broken.iter().take(SHOWN) {
            writeln!(f, "  {promise} is broken at line {line}: {what}")?;
        }
        write!(f, "  history: {}", history.display())
    }
}
