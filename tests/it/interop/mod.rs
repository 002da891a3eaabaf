//! Other people's clients against the real program: the tools that operators
//! type and the libraries that resource servers use.
//!
//! `tests/interop/install` puts them into `target/interop`. Without one, its
//! tests say that they were skipped.

mod assertions;
mod buf;
mod connect;
mod differential;
mod grpcurl;
mod grpcurl_errors;
mod issuer;
mod keys;
mod mutation;
mod oauth;
mod operators_day;
mod schemathesis;
mod verifier;
mod verifiers;
mod werkzeug;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use crate::support::skip::{has_tool, skip};

/// Where the Python libraries are, among the clients.
const PYTHON: &str = "venv/bin/python";

/// Where the clients were installed.
fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/interop")
}

/// A program of a client; the calling test is skipped without it.
fn client(path: &str, argument: &str) -> Option<PathBuf> {
    let path = clients().join(path);
    has_tool(path.to_str().expect("UTF-8"), argument).then_some(path)
}

/// Are the Python libraries here? If not, the calling test is skipped.
fn has_python() -> bool {
    client(PYTHON, "--version").is_some()
}

/// Is this library of Node's here? If not, the calling test is skipped.
fn has_node_library(name: &str) -> bool {
    let installed = clients().join("node_modules").join(name).exists();
    if !installed {
        let test = thread::current().name().unwrap_or("a test").to_owned();
        skip(&test, &format!("the library {name} is not installed"), "REQUIRE_TOOLS");
    }
    installed && has_tool("node", "--version")
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop")
}

/// A script of `tests/interop`, ready to run.
fn python(script: &str) -> Command {
    let mut command = Command::new(clients().join(PYTHON));
    // No bytecode beside the sources; and Authlib wants https everywhere unless
    // it is told that this is a test.
    command.arg("-B").arg(scripts().join(script)).env("AUTHLIB_INSECURE_TRANSPORT", "1");
    command
}

/// The same, in JavaScript.
fn node(script: &str) -> Command {
    let script = fs::read_to_string(scripts().join(script));
    let mut command = Command::new("node");
    // As text, so that imports are looked for where they were installed and not
    // beside the script.
    command.args(["--input-type=module", "--eval", &script.expect("the script")]);
    command.current_dir(clients());
    command
}
