//! SQL beside the store, on a connection of its own: what an operator or a
//! fault does to the database.

use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _, SqliteConnection,
};

/// Runs statements.
pub(crate) async fn run(url: &str, sql: &str) {
    let statement = AssertSqlSafe(sql.to_owned());
    if is_sqlite(url) {
        SqliteConnection::connect(url).await.unwrap().execute(statement).await.unwrap();
    } else {
        PgConnection::connect(url).await.unwrap().execute(statement).await.unwrap();
    }
}

/// The one number that a query gives.
pub(crate) async fn number(url: &str, sql: &str) -> i64 {
    let query = AssertSqlSafe(sql.to_owned());
    if is_sqlite(url) {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        connection.fetch_one(query).await.unwrap().get(0)
    } else {
        let mut connection = PgConnection::connect(url).await.unwrap();
        connection.fetch_one(query).await.unwrap().get(0)
    }
}

/// The texts that a query gives, one a row.
pub(crate) async fn texts(url: &str, sql: &str) -> Vec<String> {
    let query = AssertSqlSafe(sql.to_owned());
    if is_sqlite(url) {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        let rows = connection.fetch_all(query).await.unwrap();
        rows.into_iter().map(|row| row.get(0)).collect()
    } else {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let rows = connection.fetch_all(query).await.unwrap();
        rows.into_iter().map(|row| row.get(0)).collect()
    }
}

fn is_sqlite(url: &str) -> bool {
    url.starts_with("sqlite:")
}
