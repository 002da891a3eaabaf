//! The contract, by the rules of the people who lint contracts.

use std::process::Command;

use super::client;
use crate::support::command;

/// The rules are those of `proto/buf.yaml`: STANDARD, without exceptions.
#[test]
fn buf_finds_nothing_in_the_contract() {
    let Some(buf) = client("node_modules/.bin/buf", "--version") else { return };
    let mut lint = Command::new(buf);
    lint.args(["lint", "proto"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    assert_eq!(command::run(&mut lint, "").success(), "");
}
