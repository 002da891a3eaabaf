//! What Linux tells of a process, in `/proc`.

use std::{fs, time::Duration};

use anyhow::Context as _;
use rustix::{
    param::clock_ticks_per_second,
    time::{ClockId, clock_gettime},
};

/// What a process takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resident {
    /// Now, in bytes.
    pub(super) now: u64,
    /// At the most since it began, in bytes.
    pub(super) highest: u64,
}

/// The memory of a process.
pub(super) fn resident(process: u32) -> anyhow::Result<Resident> {
    let path = format!("/proc/{process}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        kib.map(|kib| kib * 1024).with_context(|| format!("{path} has no {name}"))
    };
    Ok(Resident { now: bytes("VmRSS")?, highest: bytes("VmHWM")? })
}

/// The time that a process has spent on all cores together.
pub(super) fn cpu_time(process: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    // After the name, which may hold anything: the fields from the third on.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let field = |index: usize| fields.split_whitespace().nth(index)?.parse::<u64>().ok();
    let ticks = field(11).zip(field(12)).map(|(user, system)| user + system);
    let ticks = ticks.with_context(|| format!("{path} cannot be understood"))?;
    let millis = ticks.saturating_mul(1000) / clock_ticks_per_second().max(1);
    Ok(Duration::from_millis(millis))
}

/// The time that this thread has spent on a core.
pub(super) fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

/// The system's load over the last minute.
pub(super) fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_has_worked() {
        let own = std::process::id();
        let resident = resident(own).expect("Linux tells");
        assert!(resident.now > 1 << 20 && resident.highest >= resident.now, "{resident:?}");
        assert!(load().is_some_and(f64::is_finite));
        let before = thread_time();
        while cpu_time(own).expect("Linux tells").is_zero() {
            std::hint::spin_loop();
        }
        assert!(thread_time() > before);
    }
}
