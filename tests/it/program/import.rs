//! `user import`, as operators run it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{client, login};
use crate::support::{program::Program, world::BCRYPT};

fn row(username: &str, hash: &str) -> String {
    json!({"username": username, "password_hash": hash}).to_string()
}

fn listed(program: &Program) -> usize {
    program.run(&["user", "list"]).success().lines().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn imported_users_log_in() {
    let program = Program::new().with_cheap_hashes().with_keys();
    let row = json!({
        "username": "alice", "email": "alice@example.org",
        "phone": "+41446681800", "name": "Alice Example", "roles": ["editor"], "password_hash": BCRYPT,
    });
    // A file, an empty line, no newline at the end.
    let file = program.data_dir().with_file_name("users.jsonl");
    std::fs::write(&file, format!("\n{row}")).expect("a file");
    let done = program.run(&["user", "import", "users.jsonl"]).success();
    assert_eq!(done, "1 created, 0 taken, 0 invalid\n");
    let users = program.run(&["user", "list", "--json"]).success();
    let user: Value = serde_json::from_str(&users).expect("one user");
    for field in ["username", "email", "phone", "name", "roles"] {
        assert_eq!(user[field], row[field], "{field}");
    }
    let server = program.serve();
    login(&mut client(&server).await).await;
    server.stop();
}

/// P8: rows that fail are told by line, field and rule; the others are there.
#[test]
fn p8_bad_rows_stop_nothing_and_are_not_shown() {
    let program = Program::new();
    program.create_user(&["taken"]);
    let too_costly = BCRYPT.replace("$04$", "$15$");
    let clear = json!({"username": "bob", "password": "hunter2hunter2hunter2"}).to_string();
    let too_long = row(&"x".repeat(70_000), BCRYPT);
    let lines = [
        row("alice", BCRYPT),
        row("taken", BCRYPT),
        "not JSON $2b$".to_owned(),
        String::new(),
        clear,
        row("a b", &too_costly),
        too_long,
        row("carol", BCRYPT),
    ];
    let finished = program.run_with_input(&["user", "import", "--json", "-"], &lines.join("\r\n"));
    assert_eq!(finished.code, 1);
    assert!(finished.stderr.contains("error: 5 of 7 rows were not imported"), "{finished:?}");
    let results: Vec<Value> =
        finished.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told: Vec<_> = results
        .iter()
        .map(|result| {
            (result["line"].as_u64().expect("a line"), result["result"].as_str().expect("a result"))
        })
        .collect();
    let expected = [
        (1, "created"),
        (2, "taken"),
        (3, "invalid"),
        (5, "invalid"),
        (6, "invalid"),
        (7, "invalid"),
        (8, "created"),
    ];
    assert_eq!(told, expected);
    assert!(results[0]["id"].is_string());
    assert_eq!(results[1]["field"], "username");
    let fields: Vec<_> = results[4]["violations"]
        .as_array()
        .expect("violations")
        .iter()
        .map(|violation| &violation["field"])
        .collect();
    assert_eq!(fields, ["username", "password_hash"]);
    for secret in ["$2b$", "hunter2", "wre7BctikGkpldvi8MGvwu"] {
        assert!(!finished.stdout.contains(secret) && !finished.stderr.contains(secret), "{secret}");
    }
    assert_eq!(listed(&program), 3);

    let again = program.run_with_input(&["user", "import"], &lines.join("\n"));
    assert_eq!(again.code, 1);
    assert!(again.stdout.contains("line 1: username is taken\n"), "{}", again.stdout);
    assert!(again.stdout.ends_with("0 created, 3 taken, 4 invalid\n"), "{}", again.stdout);
}

#[test]
fn a_dry_run_writes_nothing() {
    let program = Program::new();
    let rows = [row("alice", BCRYPT), row("bob", "x")].join("\n");
    let nowhere = program.run_with_input(&["user", "import", "--dry-run"], &rows);
    assert_eq!(nowhere.code, 1);
    assert!(!program.data_dir().exists(), "nothing is made");

    program.create_user(&["taken"]);
    let dry = program.run_with_input(&["user", "import", "--dry-run"], &rows);
    assert_eq!(dry.code, 1);
    assert!(dry.stdout.ends_with("1 would be created, 0 taken, 1 invalid\n"), "{}", dry.stdout);
    assert_eq!(listed(&program), 1);
    let dry =
        program.run_with_input(&["user", "import", "--dry-run", "--json"], &row("bob", BCRYPT));
    assert_eq!(dry.success(), "{\"line\":1,\"result\":\"valid\"}\n");
}

#[test]
fn input_that_cannot_be_read_imports_nothing() {
    let program = Program::new();
    let missing = program.run(&["user", "import", "missing.jsonl"]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("missing.jsonl cannot be read"), "{}", missing.stderr);
    assert!(!program.data_dir().exists(), "nothing is made");
}

/// Progress goes to standard error, one line for each thousand rows.
#[test]
fn thousands_are_imported_and_progress_is_told() {
    let program = Program::new();
    let mut rows = String::new();
    for index in 0..2_500 {
        writeln!(rows, "{}", row(&format!("user-{index}"), BCRYPT)).expect("a String takes all");
    }
    let finished = program.run_with_input(&["user", "import"], &rows);
    assert_eq!(finished.stdout, "2500 created, 0 taken, 0 invalid\n");
    assert_eq!((finished.code, finished.stderr.as_str()), (0, "1000 rows\n2000 rows\n"));
    assert_eq!(listed(&program), 2_500);
}
