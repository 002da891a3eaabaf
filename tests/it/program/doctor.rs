//! What `tokenward doctor` finds, wrong thing by wrong thing.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _, path::Path};

use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use time::OffsetDateTime;
use tokenward::domain::clock::{Clock as _, SystemClock};

use crate::support::{
    beside,
    command::Finished,
    postgres::fresh_database,
    program::{Program, free_port},
    tls::SelfSigned,
};

/// Longer than any answer takes, on the slowest machine.
const PATIENT: &str = "1m";

/// A program whose issuer is the address of its own HTTP listener.
fn program() -> Program {
    let http = format!("127.0.0.1:{}", free_port());
    let issuer = format!("http://{http}");
    Program::new()
        .with_cheap_hashes()
        .set("database.acquire_timeout", PATIENT)
        .set("http.listen", &http)
        .set("issuer", &issuer)
}

struct Diagnosis {
    code: i32,
    /// Level, check, and what was found.
    findings: Vec<(String, String, String)>,
}

impl Diagnosis {
    fn of(program: &Program, arguments: &[&str]) -> Self {
        Self::within(PATIENT, program, arguments)
    }

    /// Answers over the network may take this long.
    fn within(timeout: &str, program: &Program, arguments: &[&str]) -> Self {
        let Finished { code, stdout, stderr } =
            program.run(&[&["doctor", "--json", "--timeout", timeout], arguments].concat());
        let finding = |line: &str| {
            let finding: Value = serde_json::from_str(line).expect("JSON");
            let text = |name: &str| finding[name].as_str().expect("a text").to_owned();
            assert_eq!(text("mend").is_empty(), text("level") == "ok", "{line}");
            (text("level"), text("check"), text("what"))
        };
        let findings: Vec<_> = stdout.lines().map(finding).collect();
        let wrong = findings.iter().any(|(level, ..)| level == "error");
        assert_eq!(code, i32::from(wrong), "{stdout}{stderr}");
        Self { code, findings }
    }

    #[track_caller]
    fn has(&self, level: &str, check: &str, what: &str) {
        let found = self
            .findings
            .iter()
            .any(|finding| finding.0 == level && finding.1 == check && finding.2.contains(what));
        assert!(found, "{level} {check} {what}: {:#?}", self.findings);
    }

    fn levels(&self) -> Vec<&str> {
        self.findings.iter().map(|(level, ..)| level.as_str()).collect()
    }
}

#[track_caller]
fn finds(program: &Program, level: &str, check: &str, what: &str) {
    Diagnosis::of(program, &[]).has(level, check, what);
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("our file");
}

#[test]
fn before_the_first_server_nothing_is_wrong_and_nothing_is_made() {
    let program = program();
    finds(&program, "error", "keys", "");
    assert!(!program.data_dir().exists(), "it has made a folder");
    let program = program.with_keys();
    let found = Diagnosis::of(&program, &[]);
    assert_eq!(found.code, 0);
    found.has("ok", "keys", "signs access tokens");
    found.has("ok", "keys", "signs refresh tokens");
    found.has("warning", "database", "there is no database");
    found.has("ok", "ports", "is free");
    found.has("warning", "issuer", "cannot be read");
    assert!(!program.data_dir().join("tokenward.db").exists(), "it has made a database");
}

#[test]
fn a_server_in_order_is_found_in_order() {
    let program = program().with_keys();
    let server = program.serve();
    let found = Diagnosis::of(&program, &[]);
    assert!(found.levels().iter().all(|level| *level == "ok"), "{:#?}", found.findings);
    found.has("ok", "database", "its schema is this version's");
    found.has("ok", "ports", "http.listen: a server listens");
    found.has("ok", "issuer", "has the keys of this machine");
    server.stop();
}

#[test]
fn km_01_keys_that_cannot_be_used_are_named() {
    let program = program().with_keys();
    let folder = program.data_dir().join("keys/access");
    let key = fs::read_dir(&folder).expect("there").flatten().next().expect("a key").path();
    set_mode(&key, 0o644);
    let name = key.file_name().expect("a name").to_string_lossy().into_owned();
    finds(&program, "error", "keys", &name);
    set_mode(&key, 0o600);
    fs::rename(&key, folder.join("2999-01-01T00-00-00Z.pem")).expect("renamed");
    finds(&program, "error", "keys", "no key signs access tokens now");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_database_is_said() {
    let program = program().with_keys();
    program.serve().stop();
    let file = program.data_dir().join("tokenward.db");
    let url = format!("sqlite:{}", file.display());
    for (wrong, right, level, what) in [
        (
            "UPDATE instance SET issuer = 'https://other.example.org/' || issuer",
            "UPDATE instance SET issuer = substr(issuer, 27)",
            "error",
            "it was made for the issuer https://other.example.org",
        ),
        (
            "INSERT INTO _sqlx_migrations VALUES (999, 'new', 0, true, x'00', 0)",
            "DELETE FROM _sqlx_migrations WHERE version = 999",
            "error",
            "a newer version of this program",
        ),
        (
            "UPDATE _sqlx_migrations SET version = -1 WHERE version = 8",
            "UPDATE _sqlx_migrations SET version = 8 WHERE version = -1",
            "error",
            "a newer version of this program",
        ),
        (
            "CREATE TABLE spare AS SELECT * FROM _sqlx_migrations WHERE version = 8; \
             DELETE FROM _sqlx_migrations WHERE version = 8",
            "INSERT INTO _sqlx_migrations SELECT * FROM spare; DROP TABLE spare",
            "warning",
            "it does not have the migrations 0008",
        ),
    ] {
        beside::run(&url, wrong).await;
        finds(&program, level, "database", what);
        beside::run(&url, right).await;
    }
    finds(&program, "ok", "database", "its schema is this version's");
    set_mode(&file, 0o640);
    finds(&program, "error", "database", "is open to others (mode 640)");
    set_mode(&file, 0o600);
    set_mode(&program.data_dir(), 0o777);
    finds(&program, "error", "database", "others can write to");
    set_mode(&program.data_dir(), 0o700);
    fs::write(&file, "no database").expect("written");
    finds(&program, "error", "database", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_out_of_reach_is_said_and_a_good_one_compared() {
    let program = program().with_keys();
    let nowhere = format!("postgres://nobody@127.0.0.1:{}/none", free_port());
    let program = program.env("TOKENWARD_DATABASE_URL", &nowhere);
    finds(&program, "error", "database", "cannot be reached");
    let Some(url) = fresh_database("a_database_out_of_reach").await else { return };
    let program = program.env("TOKENWARD_DATABASE_URL", &url);
    finds(&program, "warning", "database", "it does not have the migrations 0001");
    program.run(&["migrate"]).success();
    finds(&program, "ok", "clock", "agree");
}

/// What listens there is somebody else's.
#[test]
fn addresses_that_others_hold_are_named() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let address = other.local_addr().expect("bound").to_string();
    for setting in ["http.listen", "grpc.listen", "admin.listen"] {
        let program = program().with_keys().set(setting, &address);
        let found = Diagnosis::within("200ms", &program, &[]);
        found.has("error", "ports", &format!("{setting}: something else listens"));
    }
    let program = program().with_keys().set("http.listen", "192.0.2.1:8080");
    finds(&program, "error", "ports", "http.listen: nobody can listen");
}

/// The file of a revoked key stays, and no server shows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_missed_by_nobody() {
    let program = program().with_keys();
    let standby = ["keys", "generate", "--purpose", "access", "--signs-from"];
    program.run(&[&standby[..], &["2999-01-01T00:00:00Z"]].concat()).success();
    let server = program.serve();
    let listed = program.run(&["keys", "list", "--json"]).success();
    let keys = listed.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let mut standby = keys.filter(|key| key["state"] == "standby");
    let standby = standby.next().expect("the new key")["kid"].as_str().expect("a kid").to_owned();
    let url = format!("sqlite:{}", program.data_dir().join("tokenward.db").display());
    let revoke = format!(
        "BEGIN IMMEDIATE; UPDATE revocation_head SET seq = seq + 1; \
         INSERT INTO revocations SELECT seq, '9a849ad0-bdad-4714-bc59-4c1c4ea07798', 'key', \
         '{standby}', NULL, NULL, 0, 'OPERATOR', 'operator' FROM revocation_head; COMMIT"
    );
    beside::run(&url, &revoke).await;
    // The server reads its log a moment later.
    let agrees = (0..100).any(|_| Diagnosis::of(&program, &[]).code == 0);
    assert!(agrees, "{:#?}", Diagnosis::of(&program, &[]).findings);
    server.stop();
}

/// The address leads to another server: of another name, or with other keys.
#[test]
fn an_issuer_that_is_somebody_else_is_found() {
    let other = program().with_keys();
    let server = other.serve();
    let issuer = format!("http://127.0.0.1:{}", server.http.port());
    let own = Program::new().with_keys().set("issuer", &issuer);
    finds(&own, "error", "issuer", "has the keys");
    let own = own.set("issuer", &issuer.replace("127.0.0.1", "localhost"));
    finds(&own, "error", "issuer", "names the issuer");
    server.stop();
}

fn with_certificate(folder: &Path, names: &[&str], from_days: i64, until_days: i64) -> Program {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    let now = SystemClock::new().now().micros() / 1_000_000;
    let day = |days: i64| OffsetDateTime::from_unix_timestamp(now + days * 86_400).expect("a day");
    (params.not_before, params.not_after) = (day(from_days), day(until_days));
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    let program = Program::new().set("issuer", "https://localhost:1").with_keys();
    let put = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).expect("written");
        set_mode(&path, 0o600);
        path.to_str().expect("UTF-8").to_owned()
    };
    program
        .set("tls.certificate", &put("cert.pem", certificate))
        .set("tls.key", &put("key.pem", key.serialize_pem()))
}

#[test]
fn certificates_are_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = |names: &[&str], from, until| with_certificate(folder.path(), names, from, until);
    finds(&made(&["localhost"], -2, -1), "error", "tls", "has expired");
    finds(&made(&["localhost"], 1, 2), "error", "tls", "is good only from");
    finds(&made(&["localhost"], -1, 6), "warning", "tls", "expires at");
    finds(&made(&["other"], -1, 60), "warning", "tls", "is not for localhost");
    let good = made(&["localhost"], -1, 60);
    finds(&good, "ok", "tls", "is good until");
    finds(&good, "ok", "tls", "is for localhost");
    let stranger = KeyPair::generate().expect("a key").serialize_pem();
    fs::write(folder.path().join("key.pem"), stranger).expect("written");
    finds(&good, "error", "tls", "cannot be used together");
}

/// The issuer is asked over TLS, and must show a certificate that counts.
#[test]
fn an_issuer_with_tls_is_asked_with_tls() {
    let own = SelfSigned::new();
    let path = |path: std::path::PathBuf| path.to_str().expect("UTF-8").to_owned();
    let (certificate, port) = (path(own.certificate()), free_port());
    let program = Program::new()
        .with_cheap_hashes()
        .set("http.listen", &format!("127.0.0.1:{port}"))
        .set("issuer", &format!("https://localhost:{port}"))
        .set("tls.certificate", &certificate)
        .set("tls.key", &path(own.key()))
        .with_keys();
    let server = program.start();
    finds(&program, "error", "issuer", "cannot be read");
    let found = Diagnosis::of(&program, &["--tls-ca", &certificate]);
    found.has("ok", "issuer", "has the keys of this machine");
    assert_eq!(found.code, 0);
    server.stop();
}
