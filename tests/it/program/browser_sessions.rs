//! Browser sessions on two processes that share nothing but a database and
//! the keys.

use serde_json::json;
use tokio::time::timeout;

use crate::support::{
    http::{Answer, send},
    postgres,
    program::{Program, Running},
    served::PATIENCE,
    world::PASSWORD,
};

async fn log_in(server: &Running) -> String {
    let body = json!({ "identifier": "alice", "password": PASSWORD }).to_string();
    let answer = send(server.http, "POST", "/session", "Content-Type: application/json\r\n", &body);
    let answer = answer.await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

async fn with_cookie(server: &Running, method: &str, path: &str, cookie: &str) -> Answer {
    send(server.http, method, path, &format!("Cookie: {cookie}\r\n"), "").await
}

/// Behind a balancer, whichever replica answers knows the session, and knows
/// its end.
#[tokio::test(flavor = "multi_thread")]
async fn s3_6_a_session_begins_on_one_replica_and_ends_on_the_other() {
    let Some(url) = postgres::fresh_database("s3_6").await else { return };
    let program = Program::new().with_cheap_hashes().with_keys().set("browser.enabled", "true");
    let program = program.env("TOKENWARD_DATABASE_URL", &url);
    program.create_user(&["alice"]);
    let replicas = [program.serve(), program.serve()];
    let cookie = log_in(&replicas[0]).await;
    for replica in &replicas {
        let answer = with_cookie(replica, "GET", "/auth/verify", &cookie).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    assert_eq!(with_cookie(&replicas[1], "DELETE", "/session", &cookie).await.status, 204);
    let there = with_cookie(&replicas[1], "GET", "/auth/verify", &cookie).await;
    assert_eq!((there.status, there.header("x-auth-reason")), (401, Some("REVOKED")));
    let known = async {
        while with_cookie(&replicas[0], "GET", "/auth/verify", &cookie).await.status == 200 {}
    };
    timeout(PATIENCE, known).await.expect("the other one looks at the log");
    for replica in replicas {
        replica.stop();
    }
    postgres::drop_database(&url).await;
}
