//! Tests that cannot run here, and what they say then.

use std::{
    env,
    io::{self, Write as _},
    process::{Command, Stdio},
};

/// Says that a test was skipped, and why; past the capturing of test output,
/// so that it is seen. With `required` set to 1 in the environment, a skip is
/// a failure.
pub(crate) fn skip(test: &str, why: &str, required: &str) {
    assert!(env::var(required).as_deref() != Ok("1"), "{test}: {why}");
    // `eprintln!` would be captured.
    let _ = writeln!(io::stderr(), "SKIPPED {test}: {why}");
}

/// Is this program here? If not, the calling test says that it was skipped,
/// or fails where `REQUIRE_TOOLS=1`.
pub(crate) fn has_tool(program: &str, argument: &str) -> bool {
    let run = Command::new(program)
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if run.is_ok() {
        return true;
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    skip(&test, &format!("the program {program} is not installed"), "REQUIRE_TOOLS");
    false
}
