//! Logs: one event a line, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt};

use crate::{
    audit_lines,
    config::{LogFormat, LogSettings},
};

/// Whether the lines of the audit log are wanted, unless the configured filter
/// has its own opinion of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditLines {
    /// Whatever the level of the other lines.
    Told,
    /// A command's are in the table, and would stand between what it says.
    Silent,
}

/// Starts logging as configured. The error names the filter that is wrong.
pub fn init(settings: &LogSettings, audit_lines: AuditLines) -> Result<(), String> {
    let filter = with_audit_lines(filter(settings)?, settings, audit_lines)?;
    let json = match settings.format {
        LogFormat::Json => true,
        LogFormat::Human => false,
        LogFormat::Auto => !io::stderr().is_terminal(),
    };
    // A line that cannot be written is lost. Complaining about it, on the same
    // standard error, would panic: a full disk must not stop the service.
    let builder = fmt().with_env_filter(filter).with_writer(io::stderr).log_internal_errors(false);
    let started = if json {
        builder.json().flatten_event(true).with_current_span(false).finish().try_init()
    } else {
        builder.with_ansi(io::stderr().is_terminal()).finish().try_init()
    };
    started.map_err(|error| error.to_string())
}

fn with_audit_lines(
    filter: EnvFilter,
    settings: &LogSettings,
    lines: AuditLines,
) -> Result<EnvFilter, String> {
    let level = match lines {
        AuditLines::Told => "info",
        AuditLines::Silent => "off",
    };
    if settings.level.contains(audit_lines::TARGET) {
        return Ok(filter);
    }
    let directive = format!("{}={level}", audit_lines::TARGET).parse();
    Ok(filter.add_directive(directive.map_err(|error| format!("log.level: {error}"))?))
}

/// Is the filter one?
pub fn check(settings: &LogSettings) -> Result<(), String> {
    filter(settings).map(|_| ())
}

fn filter(settings: &LogSettings) -> Result<EnvFilter, String> {
    let rule = "must be a level like info, or a filter like info,tokenward=debug";
    EnvFilter::try_new(&settings.level)
        .map_err(|error| format!("log.level is \"{}\" but {rule}: {error}", settings.level))
}
