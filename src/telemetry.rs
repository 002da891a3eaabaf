//! Logs: one event a line, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::{EnvFilter, fmt, util::SubscriberInitExt};

use crate::config::{LogFormat, LogSettings};

/// Starts logging as configured. The error names the filter that is wrong.
pub fn init(settings: &LogSettings) -> Result<(), String> {
    let filter = filter(settings)?;
    let json = match settings.format {
        LogFormat::Json => true,
        LogFormat::Human => false,
        LogFormat::Auto => !io::stderr().is_terminal(),
    };
    let builder = fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = if json {
        builder.json().flatten_event(true).with_current_span(false).finish().try_init()
    } else {
        builder.with_ansi(io::stderr().is_terminal()).finish().try_init()
    };
    started.map_err(|error| error.to_string())
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
