//! schemathesis reads the `OpenAPI` document and calls everything in it, in
//! every way that the document allows and in many that it does not.

use std::{env, path::Path, process::Command};

use super::{client, connect::Client};
use crate::support::{command, program::Program};

/// So many seconds of inventing requests, besides those that follow from the
/// document. At most 100: whatever is run here must end in two minutes.
const SECONDS: &str = "SCHEMATHESIS_SECONDS";

#[test]
fn ht_20_schemathesis_finds_nothing() {
    let Some(schemathesis) = client("venv/bin/schemathesis", "--version") else { return };
    let program = Program::new()
        .with_cheap_hashes()
        .set("password.failure_grid", "0s")
        .set("registration.enabled", "true")
        .set("browser.enabled", "true")
        .set("http.request_timeout", "1s")
        .with_keys();
    program.create_user(&["alice"]);
    let server = program.serve();
    let url = format!("http://{}", server.http);
    let Some(connect) = Client::pointed_at(&url) else { return };
    let authorization = format!("Authorization: Bearer {}", connect.login("alice").access_token);

    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/schemathesis.toml");
    let folder = tempfile::tempdir().expect("a folder");
    let mut run = Command::new(schemathesis);
    run.current_dir(folder.path()).arg("--config-file").arg(here).arg("run");
    run.arg(format!("{url}/openapi.json")).args(["--url", &url, "--header", &authorization]);
    run.args(["--continue-on-failure", "--no-shrink", "--warnings", "off", "--seed", "20"]);
    match env::var(SECONDS) {
        Ok(seconds) => {
            run.args(["--phases", "coverage,fuzzing,stateful", "--max-time", &seconds]);
        }
        Err(_) => {
            run.args(["--phases", "coverage"]);
        }
    }
    command::run(&mut run, "").success();
    let log = server.stop_and_log();
    assert!(!log.contains(r#""level":"ERROR""#), "{log}");
}
