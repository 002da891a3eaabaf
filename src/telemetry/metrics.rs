//! What a process counts and measures, for `GET /metrics`.
//!
//! Whoever records has a small handle of a type of its own; the names are
//! given here and listed in `docs/metrics.md`. No label carries anything that
//! a caller chose, and every series is there from the start, so callers cannot
//! make the answer grow. A handle that is in no registry works too, unseen.

use std::{
    fmt::{self, Write as _},
    sync::{Arc, OnceLock},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{
        DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeLabelValue, EncodeMetric as _,
        LabelValueEncoder, text,
    },
    metrics::{
        MetricType,
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::{Histogram, exponential_buckets},
        info::Info,
    },
    registry::{Registry, Unit},
};

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Every metric of a process, under its name.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    workers: WorkerMetrics,
    revocations: RevocationCollector,
    keys: KeyCollector,
    tls: TlsCollector,
}

impl Metrics {
    /// All of them, at zero.
    pub fn new() -> Self {
        let workers = WorkerMetrics::default();
        let mut registry = Registry::with_prefix("tokenward");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program that runs", build);
        workers.signing.register(registry.sub_registry_with_prefix("signing"), "signatures");
        let hashing = registry.sub_registry_with_prefix("hashing");
        workers.hashing.register(hashing, "password hashes");
        workers.memory.register(hashing);
        let revocations = RevocationCollector::default();
        registry.register_collector(Box::new(revocations.clone()));
        let keys = KeyCollector::default();
        registry.register_collector(Box::new(keys.clone()));
        let tls = TlsCollector::default();
        registry.register_collector(Box::new(tls.clone()));
        Self { registry, workers, revocations, keys, tls }
    }

    /// Asks `known`, whenever somebody reads the metrics, how the keys are.
    pub fn keys(&self, known: impl Fn() -> KeyKnowledge + Send + Sync + 'static) {
        // Who came first stays: a process has one set of keys.
        drop(self.keys.0.set(Box::new(known)));
    }

    /// Asks `known`, whenever somebody reads the metrics, how the certificate is.
    pub fn tls(&self, known: impl Fn() -> TlsKnowledge + Send + Sync + 'static) {
        // Who came first stays: all listeners have the same.
        drop(self.tls.0.set(Box::new(known)));
    }

    /// Asks `known`, whenever somebody reads the metrics, what this process knows
    /// of the revocation log; `None`: nothing yet.
    pub fn revocations(
        &self,
        known: impl Fn() -> Option<RevocationKnowledge> + Send + Sync + 'static,
    ) {
        // Who came first stays: a process has one log.
        drop(self.revocations.0.set(Box::new(known)));
    }

    /// What the worker threads record.
    pub fn workers(&self) -> WorkerMetrics {
        self.workers.clone()
    }

    /// All of them as `OpenMetrics` text.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// What is known of the revocation log at a moment.
#[derive(Clone, Copy, Debug)]
pub struct RevocationKnowledge {
    /// How old it is.
    pub staleness: Duration,
    /// The newest entry.
    pub seq: i64,
    /// How many entries are held in memory.
    pub entries: usize,
}

type Known = dyn Fn() -> Option<RevocationKnowledge> + Send + Sync;

#[derive(Clone, Default)]
struct RevocationCollector(Arc<OnceLock<Box<Known>>>);

impl fmt::Debug for RevocationCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationCollector").finish_non_exhaustive()
    }
}

impl Collector for RevocationCollector {
    /// Nothing known is infinitely old, so that one rule for alarms will do.
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let known = self.0.get().and_then(|known| known());
        let staleness = known.map_or(f64::INFINITY, |known| known.staleness.as_secs_f64());
        let help = "How old this process's knowledge of the revocation log is.";
        gauge(&mut encoder, "revocation_staleness", help, Some(&Unit::Seconds), staleness)?;
        let help = "The newest entry of the revocation log that is known.";
        gauge(&mut encoder, "revocation_seq", help, None, known.map_or(0, |known| known.seq))?;
        let entries = known.map_or(0, |known| gauged(known.entries));
        let help = "Entries of the revocation log that are held in memory.";
        gauge(&mut encoder, "revocation_entries", help, None, entries)
    }
}

/// How the keys are at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyKnowledge {
    /// Is there a fault in the key folders, so that the keys in use are older?
    pub faulty: bool,
    /// How long ago the folders were last found good.
    pub staleness: Duration,
    /// The keys of access tokens.
    pub access: KeySetKnowledge,
    /// The keys of refresh tokens.
    pub refresh: KeySetKnowledge,
}

/// How the keys of one purpose are.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeySetKnowledge {
    /// For how long the signing key has been due to sign; `None` without a
    /// date, or without a key.
    pub age: Option<Duration>,
    /// How many keys are published that do not sign yet.
    pub standby: usize,
}

type KnownKeys = dyn Fn() -> KeyKnowledge + Send + Sync;

#[derive(Clone, Default)]
struct KeyCollector(Arc<OnceLock<Box<KnownKeys>>>);

impl fmt::Debug for KeyCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCollector").finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PurposeLabels {
    purpose: &'static str,
}

impl Collector for KeyCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let known = self.0.get().map(|known| known()).unwrap_or_default();
        let help =
            "Is there a fault in the key folders, so that the former keys stay in use? 1 or 0.";
        gauge(&mut encoder, "keys_reload_faulty", help, None, i64::from(known.faulty))?;
        let help = "How long ago the key folders were last found good.";
        let staleness = known.staleness.as_secs_f64();
        gauge(&mut encoder, "keys_reload_staleness", help, Some(&Unit::Seconds), staleness)?;
        let sets = [("access", known.access), ("refresh", known.refresh)];
        let help = "For how long the signing key has been due to sign; 0 for one without a date.";
        let ages = sets.map(|(purpose, set)| (purpose, set.age.unwrap_or_default().as_secs_f64()));
        by_purpose(&mut encoder, "keys_signing_age", help, Some(&Unit::Seconds), ages)?;
        let help = "How many keys are published that do not sign yet.";
        let standby = sets.map(|(purpose, set)| (purpose, gauged(set.standby)));
        by_purpose(&mut encoder, "keys_standby", help, None, standby)
    }
}

/// How the certificate of the listeners is at a moment.
#[derive(Clone, Copy, Debug)]
pub struct TlsKnowledge {
    /// Is there a fault in the files, so that what is in use is older?
    pub faulty: bool,
    /// How long it is good still; zero when it has expired, `None` when that is
    /// not known.
    pub left: Option<Duration>,
}

type KnownTls = dyn Fn() -> TlsKnowledge + Send + Sync;

#[derive(Clone, Default)]
struct TlsCollector(Arc<OnceLock<Box<KnownTls>>>);

impl fmt::Debug for TlsCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsCollector").finish_non_exhaustive()
    }
}

impl Collector for TlsCollector {
    /// Without TLS there is nothing to expire, so that one rule for alarms will
    /// do.
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let known = self.0.get().map(|known| known());
        let faulty = known.is_some_and(|known| known.faulty);
        let help =
            "Is there a fault in the TLS files, so that the former ones stay in use? 1 or 0.";
        gauge(&mut encoder, "tls_reload_faulty", help, None, i64::from(faulty))?;
        let left = known.and_then(|known| known.left);
        let left = left.map_or(f64::INFINITY, |left| left.as_secs_f64());
        let help = "How long the certificate in use is good still; infinite without TLS.";
        gauge(&mut encoder, "tls_certificate_left", help, Some(&Unit::Seconds), left)
    }
}

fn by_purpose<N: EncodeGaugeValue + Copy>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    values: [(&'static str, N); 2],
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
    for (purpose, value) in values {
        ConstGauge::new(value).encode(family.encode_family(&PurposeLabels { purpose })?)?;
    }
    Ok(())
}

fn gauge<N: EncodeGaugeValue + Copy>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: N,
) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, unit, gauge.metric_type())?)
}

/// What the worker threads record.
#[derive(Clone, Debug, Default)]
pub struct WorkerMetrics {
    /// The queue of signatures.
    pub signing: QueueMetrics,
    /// The queue of password hashes.
    pub hashing: QueueMetrics,
    /// The memory of the hashes.
    pub memory: MemoryMetrics,
}

/// Why a job was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shed {
    /// No place was left in the queue.
    Full,
    /// It gave its place to a job of a source that has fewer.
    Displaced,
    /// It would have waited longer than is configured.
    MaxWait,
    /// It would have been done after its caller's deadline.
    Deadline,
    /// Its caller's deadline passed while it waited.
    Expired,
    /// Its caller left while it waited.
    Abandoned,
}

impl Shed {
    const ALL: [Self; 6] = [
        Self::Full,
        Self::Displaced,
        Self::MaxWait,
        Self::Deadline,
        Self::Expired,
        Self::Abandoned,
    ];
}

impl EncodeLabelValue for Shed {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(match self {
            Self::Full => "full",
            Self::Displaced => "displaced",
            Self::MaxWait => "max_wait",
            Self::Deadline => "deadline",
            Self::Expired => "expired",
            Self::Abandoned => "abandoned",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ShedLabels {
    reason: Shed,
}

/// What a queue of the worker threads records.
#[derive(Clone, Debug)]
pub struct QueueMetrics {
    depth: Gauge,
    wait: Histogram,
    work: Histogram,
    shed: Family<ShedLabels, Counter>,
}

impl QueueMetrics {
    /// So many jobs wait now.
    pub fn depth(&self, jobs: usize) {
        self.depth.set(gauged(jobs));
    }

    /// A job has waited so long, and is done now.
    pub fn waited(&self, span: Duration) {
        self.wait.observe(span.as_secs_f64());
    }

    /// Doing a job took so long.
    pub fn worked(&self, span: Duration) {
        self.work.observe(span.as_secs_f64());
    }

    /// A job was not done.
    pub fn shed(&self, reason: Shed) {
        self.shed.get_or_create(&ShedLabels { reason }).inc();
    }

    fn register(&self, registry: &mut Registry, what: &str) {
        registry.register("queue_depth", format!("How many {what} wait"), self.depth.clone());
        let help = format!("How long {what} waited");
        registry.register_with_unit("wait", help, Unit::Seconds, self.wait.clone());
        let help = format!("How long {what} took, without the wait");
        registry.register_with_unit("work", help, Unit::Seconds, self.work.clone());
        registry.register("shed", format!("How many {what} were not done"), self.shed.clone());
    }
}

impl Default for QueueMetrics {
    fn default() -> Self {
        // From a tenth of a millisecond, a fast signature, to 13 s.
        let histogram = || Histogram::new(exponential_buckets(0.000_1, 2.0, 18));
        let shed = Family::<ShedLabels, Counter>::default();
        for reason in Shed::ALL {
            drop(shed.get_or_create(&ShedLabels { reason }));
        }
        Self { depth: Gauge::default(), wait: histogram(), work: histogram(), shed }
    }
}

/// What is recorded of the memory of password hashes.
#[derive(Clone, Debug, Default)]
pub struct MemoryMetrics {
    held: Gauge,
    highest: Gauge,
    budget: Gauge,
}

impl MemoryMetrics {
    /// So many bytes are held now, and were at the most.
    pub fn held(&self, now: usize, highest: usize) {
        self.held.set(gauged(now));
        self.highest.set(gauged(highest));
    }

    /// So many bytes may be held.
    pub fn budget(&self, bytes: usize) {
        self.budget.set(gauged(bytes));
    }

    fn register(&self, registry: &mut Registry) {
        for (name, help, gauge) in [
            ("memory_held", "Memory of running hashes, and kept for the next", &self.held),
            ("memory_highest", "The most that was held since the start", &self.highest),
            ("memory_budget", "The most that may be held", &self.budget),
        ] {
            registry.register_with_unit(name, help, Unit::Bytes, gauge.clone());
        }
    }
}

fn gauged(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
