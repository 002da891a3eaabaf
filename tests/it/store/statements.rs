//! What no compiler checks: every statement against both schemas.

use std::{collections::BTreeSet, fs, path::Path};

use secrecy::ExposeSecret as _;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _, SqlSafeStr as _,
    SqliteConnection,
};
use tokenward::store::{migrations, sql};

use super::fixture::Fixture;

#[tokio::test]
async fn every_statement_prepares_on_sqlite() {
    let fixture = Fixture::sqlite().await;
    let mut connection = SqliteConnection::connect(fixture.url.expose_secret()).await.unwrap();
    for (name, statement) in sql::ALL {
        let prepared = connection.prepare(statement.into_sql_str()).await;
        prepared.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    fixture.finish().await;
}

#[tokio::test]
async fn every_statement_prepares_on_postgres() {
    let test = "every_statement_prepares_on_postgres";
    let Some(fixture) = Fixture::postgres(test).await else { return };
    let mut connection = PgConnection::connect(fixture.url.expose_secret()).await.unwrap();
    for (name, statement) in sql::ALL.iter().chain(&[("POSTGRES_TIME", sql::POSTGRES_TIME)]) {
        let prepared = connection.prepare(statement.into_sql_str()).await;
        prepared.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    connection.close().await.unwrap();
    fixture.finish().await;
}

/// P7: what a login and a list look at does not grow with what was revoked.
#[tokio::test]
async fn p7_live_sessions_are_found_by_their_own_index() {
    let fixture = Fixture::sqlite().await;
    let mut connection = SqliteConnection::connect(fixture.url.expose_secret()).await.unwrap();
    for statement in [sql::SELECT_LIVE_SESSIONS, sql::REVOKE_OVER_LIMIT, sql::DELETE_DEAD_OF_USER] {
        let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let plan = connection.fetch_all(explain).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
        let found = plan.iter().any(|step| step.contains("USING INDEX sessions_live"));
        let scans = plan.iter().any(|step| step.starts_with("SCAN s"));
        assert!(found && !scans, "{statement}: {plan:?}");
    }
    fixture.finish().await;
}

/// TM-10, DB-31: one clock decides, and it is not the database's.
#[test]
fn db_31_no_statement_reads_the_clock() {
    for (name, statement) in sql::ALL {
        let statement = statement.to_lowercase();
        for clock in [
            "now()",
            "clock_timestamp",
            "current_time",
            "current_date",
            "datetime(",
            "unixepoch",
            "strftime",
        ] {
            assert!(!statement.contains(clock), "{name} uses {clock}");
        }
    }
}

#[test]
fn both_engines_have_the_same_migrations() {
    let names = |engine: &str| -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
        let files = fs::read_dir(folder).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    };
    let known: BTreeSet<_> = migrations().map(|name| format!("{name}.sql")).collect();
    assert_eq!(names("sqlite"), known);
    assert_eq!(names("postgres"), known);
}
