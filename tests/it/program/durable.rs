//! What was answered is on the disk, as the system calls tell.

use std::{collections::HashMap, fs};

use super::{client, login};
use crate::support::{http, program::Program, skip::has_tool};

/// What the server does with files and sockets, by their names.
const TRACED: &str = "trace=pwrite64,fdatasync,fsync,write,writev,sendto,sendmsg";

/// P3: the bytes of the revocation are written and synced before the first byte
/// of its answer leaves. The answer goes over HTTP/1.1, where it can be told
/// from what else goes through a connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn p3_sqlite_is_synced_before_the_answer() {
    if !has_tool("strace", "-V") {
        return;
    }
    let program = Program::new().with_cheap_hashes().with_keys();
    program.create_user(&["alice"]);
    let trace = program.data_dir().join("trace");
    let trace = trace.to_str().expect("UTF-8");
    // The server stays our child: the tracer is apart from it.
    let strace = ["strace", "-D", "-f", "-y", "-s", "16", "-e", TRACED, "-o", trace];
    let server = program.clone().started_by(&strace).start();
    let tokens = login(&mut client(&server).await).await.tokens.expect("tokens");
    let before = calls(trace).len();

    let path = "/tokenward.auth.v1.AuthService/Revoke";
    let body = serde_json::json!({ "token": tokens.refresh_token }).to_string();
    let json = "Content-Type: application/json\r\n";
    let revoked = http::send(server.http, "POST", path, json, &body).await;
    assert_eq!(revoked.status, 200, "{}", revoked.body);

    let calls = calls(trace);
    let since = &calls[before..];
    let position = |what: fn(&&String) -> bool| since.iter().rposition(|call| what(&call));
    let written = position(|call| call.starts_with("pwrite64(") && call.contains("-wal>"));
    let synced = position(|call| call.contains("sync(") && call.contains("-wal>"));
    let answered = position(|call| call.contains("\"HTTP/1.1 200"));
    assert!(written.is_some() && written < synced && synced < answered, "{since:#?}");
    server.stop();
}

/// The system calls of a trace that ended well, in the order of their ends;
/// but sending counts from its begin.
fn calls(trace: &str) -> Vec<String> {
    let text = fs::read_to_string(trace).expect("a trace");
    let mut unfinished = HashMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        let Some((process, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if let Some(begun) = call.strip_suffix("<unfinished ...>") {
            let is_sending = begun.contains("\"HTTP/");
            if is_sending {
                calls.push(begun.to_owned());
            } else {
                unfinished.insert(process, begun.to_owned());
            }
        } else if call.starts_with("<...") {
            let is_good = !call.contains("= -1");
            calls.extend(unfinished.remove(process).filter(|_| is_good));
        } else if !call.contains("= -1") {
            calls.push(call.to_owned());
        }
    }
    calls
}
