//! Every mistake gives one clear line that names what to change, an exit code
//! that means something, and leaves everything as it was.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

use crate::support::{command::Finished, program::Program};

const WRONG_USE: i32 = 2;
const FAILED: i32 = 1;

/// One line on standard error with all of `words`, and nothing on standard
/// output.
#[track_caller]
fn refused(finished: &Finished, code: i32, words: &[&str]) {
    let Finished { code: found, stdout, stderr } = finished;
    assert_eq!(*found, code, "{stderr}");
    assert_eq!(stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{word:?} is missing from: {stderr}");
    }
    assert_eq!(stdout, "", "{stderr}");
}

#[test]
fn op_01_unknown_settings_are_named() {
    let check = ["config", "check"];
    let flag = Program::new().set("tokens.acces_lifetime", "5m").run(&check);
    refused(&flag, WRONG_USE, &["tokens.acces_lifetime=5m", "unknown field `acces_lifetime`"]);
    let file = Program::new().config("[tokens]\nacces_lifetime = \"5m\"\n").run(&check);
    refused(&file, WRONG_USE, &["tokenward.toml line 2", "unknown field `acces_lifetime`"]);
    let variable = Program::new().env("TOKENWARD_TOKENS_ACCES_LIFETIME", "5m").run(&check);
    refused(
        &variable,
        WRONG_USE,
        &["TOKENWARD_TOKENS_ACCES_LIFETIME", "not the name of any setting"],
    );
    let client = Program::new().config("[clients.web]\naudiences = [\"api\"]\nscope = []\n");
    refused(&client.run(&check), WRONG_USE, &["unknown field `scope`"]);
}

#[test]
fn op_02_values_out_of_bounds_are_named_with_the_bound() {
    let check = ["config", "check"];
    for (name, value, words) in [
        ("tokens.leeway", "61s", &["tokens.leeway is \"1m 1s\"", "0s to 1m"][..]),
        ("tokens.replay_window", "6m", &["tokens.replay_window", "0s to 5m"]),
        ("password.memory_kib", "1024", &["password.memory_kib is \"1024\"", "7168 to 262144"]),
        ("password.min_chars", "7", &["password.min_chars is \"7\"", "8 to 128"]),
        ("issuer", "https://auth.example/", &["issuer is \"https://auth.example/\"", "slash"]),
        ("issuer", "http://auth.example", &["issuer is", "https://"]),
        ("default_client", "web", &["default_client is \"web\"", "[clients]"]),
        ("tls.key", "key.pem", &["tls.certificate and tls.key", "together"]),
        ("tls.client_ca", "ca.pem", &["tls.client_ca needs tls.certificate and tls.key"]),
        ("tls.client_crl", "crl.pem", &["tls.client_crl needs tls.client_ca"]),
        ("grpc.listen", "localhost", &["grpc.listen=localhost", "address"]),
        ("tokens.access_lifetime", "soon", &["tokens.access_lifetime=soon", "length of time"]),
        ("tokens.access_type", "jwt", &["tokens.access_type=jwt", "at+jwt"]),
        ("log.format", "xml", &["log.format=xml", "json"]),
    ] {
        refused(&Program::new().set(name, value).run(&check), WRONG_USE, words);
    }
    let variable = Program::new().env("TOKENWARD_GRPC_REFLECTION", "maybe").run(&check);
    refused(&variable, WRONG_USE, &["TOKENWARD_GRPC_REFLECTION", "maybe"]);
}

#[test]
fn op_05_secrets_come_from_files_and_never_twice() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("url");
    fs::write(&file, "sqlite:007.db\n").unwrap();
    let path = file.to_str().unwrap();
    let program = Program::new().env("TOKENWARD_DATABASE_URL_FILE", path);
    let printed = program.run(&["config", "print"]).success();
    assert!(printed.contains("sqlite:007.db"), "{printed}");
    let both = program.env("TOKENWARD_DATABASE_URL", "sqlite:x.db").run(&["config", "check"]);
    refused(
        &both,
        WRONG_USE,
        &["TOKENWARD_DATABASE_URL_FILE", "together with TOKENWARD_DATABASE_URL"],
    );
    let missing = Program::new().env("TOKENWARD_DATABASE_URL_FILE", "/nowhere/url");
    refused(&missing.run(&["config", "check"]), WRONG_USE, &["/nowhere/url", "cannot be read"]);
}

#[test]
fn databases_out_of_reach_or_unknown_are_named() {
    let serve = ["serve"];
    let program = |url: &str| Program::new().env("TOKENWARD_DATABASE_URL", url).with_keys();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://tokenward:hunter2@{nobody}/tokens");
    let unreachable = program(&url).set("database.acquire_timeout", "200ms").run(&serve);
    refused(&unreachable, FAILED, &["database cannot be reached", &nobody.to_string(), "refused"]);
    assert!(!unreachable.stderr.contains("hunter2"));
    refused(&program("mysql://a:hunter2@b/c").run(&serve), WRONG_USE, &["sqlite:", "postgres://"]);
    refused(&program("sqlite:/nowhere/at/all.db").run(&serve), FAILED, &["database"]);
}

#[test]
fn a_database_of_another_issuer_is_refused() {
    // Whose a database is, its first server decides, and no command before it.
    let program = Program::new().with_keys().set("issuer", "https://auth.example");
    program.create_user(&["alice"]);
    let program = program.set("issuer", "http://127.0.0.1:8080");
    program.serve().stop();
    let other = program.set("issuer", "https://other.example").run(&["serve"]);
    refused(&other, FAILED, &["http://127.0.0.1:8080", "https://other.example", "set issuer"]);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for name in ["grpc.listen", "http.listen"] {
        let program = Program::new().set(name, &address).with_keys();
        refused(&program.run(&["serve"]), FAILED, &[name, &address, "in use"]);
    }
}

#[test]
fn keys_that_are_missing_or_bad_are_named() {
    let serve = ["serve"];
    let without_keys = Program::new().set("keys.rotation", "false");
    refused(&without_keys.run(&serve), FAILED, &["keys/access", "tokenward keys generate"]);

    let bad = |change: fn(&std::path::Path, &str)| {
        let program = Program::new().with_keys();
        let dir = program.data_dir().join("keys/access");
        let good = fs::read_dir(&dir).unwrap().next().unwrap().unwrap().path();
        let text = fs::read_to_string(&good).unwrap();
        change(&good, &text);
        let before = fs::read(&good).unwrap();
        let finished = program.run(&serve);
        assert_eq!(fs::read(&good).unwrap(), before, "nothing is lost");
        (finished, good.file_name().unwrap().to_str().unwrap().to_owned())
    };
    let (truncated, name) = bad(|path, text| fs::write(path, &text[..text.len() / 2]).unwrap());
    refused(&truncated, FAILED, &[&name]);
    let (readable, name) =
        bad(|path, _| fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap());
    refused(&readable, FAILED, &[&name, "0644", "chmod 600"]);
    let (certificate, name) = bad(|path, _| {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(path, key.cert.pem()).unwrap();
    });
    refused(&certificate, FAILED, &[&name, "certificate"]);
}

#[test]
fn users_that_cannot_be_are_refused_and_nothing_is_stored() {
    let program = Program::new();
    let create = |arguments: &[&str], password: &str| {
        program.run_with_input(&[&["user", "create"], arguments].concat(), password)
    };
    refused(&create(&["alice"], "too short\n"), FAILED, &["password", "at least 15 characters"]);
    refused(&create(&["alice"], ""), FAILED, &["password", "empty"]);
    refused(&create(&["alice"], &"x".repeat(1025)), FAILED, &["password", "at most 1024 bytes"]);
    refused(&create(&["al ice"], "correct horse battery staple"), FAILED, &["username"]);
    refused(&create(&["a", "--role", "No"], "correct horse battery staple"), FAILED, &["roles"]);
    assert_eq!(program.run(&["user", "list"]).success(), "");
    program.create_user(&["alice"]);
    refused(&create(&["ALICE"], "correct horse battery staple"), FAILED, &["username is taken"]);
    refused(&program.run(&["user", "disable", "bob"]), FAILED, &["no such user"]);
    refused(&program.run(&["revoke", "session", "x"]), WRONG_USE, &["session id", "UUID"]);
    refused(&program.run(&["token", "inspect", "x"]), FAILED, &["not a token"]);
    let wrong = program.run(&["serve", "--no-such-flag"]);
    assert_eq!(wrong.code, WRONG_USE, "{}", wrong.stderr);
}
