//! A server that was stopped for a while (SIGSTOP, a suspended machine) and
//! goes on as if nothing had happened.

use std::{thread, time::Duration};

use rustix::process::Signal;
use tokenward::grpc::pb::auth::{InactiveReason, RevokeRequest, revoke_request::Target};

use super::{client, killed::program, login, verify};
use crate::{on_both_engines, support::world::Engine};

/// Longer than `revocation.fresh_for`, from which on what is known is not
/// believed without a look. How much longer makes no difference.
const STOPPED: Duration = Duration::from_millis(300);

const ROUNDS: usize = 3;

on_both_engines!(
    vt_23_a_server_that_was_stopped_catches_up_before_it_answers,
    vt_23_so_does_one_whose_replica_revoked,
);

async fn vt_23_a_server_that_was_stopped_catches_up_before_it_answers(engine: Engine) {
    let Some(program) = program(engine).await else { return };
    let program = program.set("revocation.fresh_for", "200ms").set("revocation.catch_up", "5s");
    let server = program.serve();
    let mut auth = client(&server).await;
    for round in 0..ROUNDS {
        let session = login(&mut auth).await;
        let token = session.tokens.expect("tokens").access_token;
        assert!(verify(&mut auth, &token).await.active, "round {round}");
        server.pause();
        program.run(&["revoke", "session", &session.session_id]).success();
        thread::sleep(STOPPED);
        server.signal(Signal::CONT);
        let verdict = verify(&mut auth, &token).await;
        assert_eq!(verdict.reason(), InactiveReason::Revoked, "round {round}");
    }
    server.stop();
}

async fn vt_23_so_does_one_whose_replica_revoked(engine: Engine) {
    let Some(program) = program(engine).await else { return };
    let program = program.set("revocation.fresh_for", "200ms").set("revocation.catch_up", "5s");
    let (server, replica) = (program.serve(), program.serve());
    let (mut auth, mut other) = (client(&server).await, client(&replica).await);
    for round in 0..ROUNDS {
        let token = login(&mut auth).await.tokens.expect("tokens").access_token;
        server.pause();
        let target = Some(Target::Token(token.clone()));
        other.revoke(RevokeRequest { target }).await.expect("revoked");
        thread::sleep(STOPPED);
        server.signal(Signal::CONT);
        let verdict = verify(&mut auth, &token).await;
        assert_eq!(verdict.reason(), InactiveReason::Revoked, "round {round}");
    }
    for server in [server, replica] {
        server.stop();
    }
}
