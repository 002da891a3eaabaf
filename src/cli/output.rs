//! Results on standard output, which a reader may close at any time
//! (`tokenward user list | head`).

use std::{
    fmt::Display,
    io::{self, ErrorKind, Write as _},
};

use super::{Failure, Outcome};

/// Prints one line.
pub(super) fn line(text: impl Display) -> Outcome {
    outcome(writeln!(io::stdout(), "{text}"))
}

/// Prints text that ends its own lines.
pub(super) fn text(text: impl Display) -> Outcome {
    outcome(write!(io::stdout(), "{text}"))
}

fn outcome(written: io::Result<()>) -> Outcome {
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::Unread,
        _ => Failure::from(error),
    })
}
