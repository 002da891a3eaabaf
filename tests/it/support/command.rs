//! Other programs, run to their end; which must come.

use std::{
    io::{ErrorKind, Write as _},
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// Longer than any of them takes, on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// What a program did.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The exit code; -1 if a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The standard output of a program that succeeded.
    pub(crate) fn success(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self.stdout
    }
}

/// Runs a command with this standard input.
pub(crate) fn run(command: &mut Command, stdin: &str) -> Finished {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (mut pipe, input) = (child.stdin.take().expect("piped"), stdin.to_owned());
    // Apart, because a program may write before it has read everything.
    let writer = thread::spawn(move || match pipe.write_all(input.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("standard input: {error}"),
        _ => {}
    });
    let output = output_in_time(child, command);
    writer.join().expect("standard input was written");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let code = output.status.code().unwrap_or(-1);
    Finished { code, stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn output_in_time(child: Child, command: &Command) -> Output {
    let pid = Pid::from_child(&child);
    let (sender, finished) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = finished.recv_timeout(PATIENCE) else {
        let _ = kill_process(pid, Signal::KILL);
        panic!("{command:?} did not end within {PATIENCE:?}");
    };
    output.expect("output can be read")
}
