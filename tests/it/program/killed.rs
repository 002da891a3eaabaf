//! What was answered outlives the process that answered.

use tokenward::grpc::pb::auth::{
    InactiveReason, RefreshRequest, RevokeRequest, revoke_request::Target,
};

use super::{client, login, verify};
use crate::{
    on_both_engines,
    support::{postgres::fresh_database, program::Program, world::Engine},
};

const ROUNDS: usize = 50;

on_both_engines!(
    p3_a_revocation_outlives_kill_9,
    rv_28_a_revocation_without_an_answer_is_whole_or_none,
    rf_21_a_used_refresh_token_stays_used,
    lg_53_a_session_and_its_audit_entry_outlive_kill_9,
);

/// `None` where the engine is not to be had.
pub(super) async fn program(engine: Engine) -> Option<Program> {
    let program = match engine {
        Engine::Sqlite => Program::new(),
        Engine::Postgres => {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            Program::new().env("TOKENWARD_DATABASE_URL", &fresh_database(&test).await?)
        }
    };
    let program = program.with_cheap_hashes().with_keys();
    program.create_user(&["alice"]);
    Some(program)
}

/// RV-27.
async fn p3_a_revocation_outlives_kill_9(engine: Engine) {
    let Some(program) = program(engine).await else { return };
    let mut server = program.serve();
    let mut last_seq = 0;
    for round in 0..ROUNDS {
        let mut auth = client(&server).await;
        let tokens = login(&mut auth).await.tokens.expect("tokens");
        assert!(verify(&mut auth, &tokens.access_token).await.active, "round {round}");
        let target = Some(Target::Token(tokens.refresh_token.clone()));
        let revoked = auth.revoke(RevokeRequest { target }).await;
        // The answer is there: not a moment later the process is not.
        server.kill();
        let seq = revoked.expect("OK").into_inner().revocation_seq;
        assert!(seq > last_seq, "round {round}");
        last_seq = seq;

        server = program.serve();
        let mut auth = client(&server).await;
        let verdict = verify(&mut auth, &tokens.access_token).await;
        assert_eq!(verdict.reason(), InactiveReason::Revoked, "round {round}");
        assert!(verdict.revocation_seq >= seq, "round {round}");
        let request = RefreshRequest { refresh_token: tokens.refresh_token, ..Default::default() };
        assert!(auth.refresh(request).await.is_err(), "round {round}");
    }
    server.stop();
}

/// Killed at some moment of the call: whatever became of it, all replicas say
/// the same, and of both tokens.
async fn rv_28_a_revocation_without_an_answer_is_whole_or_none(engine: Engine) {
    let Some(program) = program(engine).await else { return };
    for round in 0..5 {
        let server = program.serve();
        let mut auth = client(&server).await;
        let tokens = login(&mut auth).await.tokens.expect("tokens");
        let target = Some(Target::Token(tokens.refresh_token.clone()));
        let call = tokio::spawn(async move { auth.revoke(RevokeRequest { target }).await });
        server.kill();
        let answered = call.await.expect("no panic").is_ok();

        let replicas = [program.serve(), program.serve()];
        let mut said = Vec::new();
        for replica in &replicas {
            let mut auth = client(replica).await;
            said.push(verify(&mut auth, &tokens.access_token).await.active);
            let refresh_token = tokens.refresh_token.clone();
            let request = RefreshRequest { refresh_token, ..Default::default() };
            said.push(auth.refresh(request).await.is_ok());
        }
        assert!(said.iter().all(|alive| *alive == said[0]), "round {round}: {said:?}");
        assert!(!(answered && said[0]), "round {round}: it was answered");
    }
}

async fn rf_21_a_used_refresh_token_stays_used(engine: Engine) {
    let Some(program) = program(engine).await else { return };
    let program = program.set("tokens.replay_window", "0s");
    let server = program.serve();
    let mut auth = client(&server).await;
    let tokens = login(&mut auth).await.tokens.expect("tokens");
    let request = RefreshRequest { refresh_token: tokens.refresh_token, ..Default::default() };
    auth.refresh(request.clone()).await.expect("refreshed");
    server.kill();

    let server = program.serve();
    let again = client(&server).await.refresh(request).await.err().expect("refused");
    assert_eq!(again.code(), tonic::Code::Unauthenticated);
    assert!(again.message().contains("already used"), "{}", again.message());
    server.stop();
}

/// Tokens are given out only once their session is durable, and the login is
/// on record with it.
async fn lg_53_a_session_and_its_audit_entry_outlive_kill_9(engine: Engine) {
    let Some(program) = program(engine).await else { return };
    for round in 1..=5 {
        let server = program.serve();
        let tokens = login(&mut client(&server).await).await.tokens.expect("tokens");
        server.kill();
        let server = program.serve();
        let request = RefreshRequest { refresh_token: tokens.refresh_token, ..Default::default() };
        client(&server).await.refresh(request).await.expect("the session is there");
        server.stop();
        let logins = program.run(&["audit", "list", "--action", "LOGIN"]).success();
        assert_eq!(logins.lines().count(), round);
        program.run(&["audit", "verify"]).success();
    }
}
