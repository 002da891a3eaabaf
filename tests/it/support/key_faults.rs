//! What the loader says about a key file.

use std::fs;

use tokenward::crypto::key_fault::KeyFault;

use super::key_tools::{Bench, good_key};

/// The one problem that loading finds, which must be with this file.
pub(crate) fn problem(bench: &Bench, file: &str) -> KeyFault {
    let error = bench.load().err().unwrap_or_else(|| panic!("{file} was accepted"));
    assert_eq!(error.problems.len(), 1, "{error}");
    let problem = error.problems[0].clone();
    assert_eq!(problem.path, bench.path(file));
    let line = problem.to_string();
    assert!(line.is_ascii() && !line.contains('\n') && line.contains(file), "{line}");
    problem.fault
}

/// What is wrong with `access/key.pem` of these contents.
pub(crate) fn fault_of(contents: impl AsRef<[u8]>) -> KeyFault {
    let bench = Bench::with_refresh_key();
    bench.put("access/key.pem", contents.as_ref());
    problem(&bench, "access/key.pem")
}

/// What is wrong with the file `k` that these commands make.
pub(crate) fn fault_of_made(commands: &[&str]) -> KeyFault {
    let bench = Bench::new();
    bench.put("good", good_key().as_bytes());
    for line in commands {
        bench.run(line);
    }
    fault_of(fs::read(bench.path("k")).expect("made"))
}
