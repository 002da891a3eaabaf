//! How busy the machine is, by what Linux says in `/proc/stat`.

use std::fs;

/// The share of all cores that somebody used.
pub(crate) struct Busy {
    from: Ticks,
    pub(crate) share: f64,
}

#[derive(Clone, Copy)]
struct Ticks {
    all: u64,
    idle: u64,
}

impl Busy {
    pub(crate) fn since_now() -> Self {
        Self { from: Ticks::now(), share: f64::NAN }
    }

    pub(crate) fn until_now(self) -> Self {
        let now = Ticks::now();
        let all = now.all - self.from.all;
        let idle = now.idle.saturating_sub(self.from.idle);
        #[expect(clippy::cast_precision_loss, reason = "ticks of a few minutes")]
        let share = 1.0 - idle as f64 / all.max(1) as f64;
        Self { share, ..self }
    }
}

impl Ticks {
    fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").expect("procfs");
        let line = text.lines().next().expect("the line of all cores");
        // user, nice, system, idle, iowait, irq, softirq, steal
        let fields = line.split_whitespace().skip(1).take(8);
        let ticks: Vec<u64> = fields.map(|field| field.parse().expect("a number")).collect();
        Self { all: ticks.iter().sum(), idle: ticks[3] + ticks[4] }
    }
}
