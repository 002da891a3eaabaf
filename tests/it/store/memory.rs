//! What only the store in memory has: no runtime, a clock that is set, a
//! state that can be brought back, and mistakes that were planted.

use std::sync::Arc;

use futures_util::FutureExt as _;
use tokenward::{
    domain::error::Refusal,
    store::port::{NewSession, OpenSession, RevokeTarget, Rotated},
};

use super::{
    fixture::{ACCESS_S, Fixture, MARGIN_S, WINDOW_S, advanced, at, context, new_session, sweep},
    passwords::change,
};
use crate::memory_store::{Bug, MemoryStore};

/// Ready at its first poll, or the simulation could not count its steps.
fn at_once<T>(steps: impl Future<Output = T>) -> T {
    steps.now_or_never().expect("ready at the first poll")
}

#[test]
fn a_database_that_was_rolled_back_is_what_it_was() {
    at_once(async {
        let memory = MemoryStore::new();
        let fixture = Fixture::on(memory.clone()).await;
        let session = fixture.open(fixture.user("alice").await).await;
        let backup = memory.snapshot();
        let second = advanced(fixture.rotate(&session, 1, at(1)).await);
        memory.restore(backup);
        let ahead = fixture.rotate(&second, 2, at(2)).await;
        assert!(matches!(ahead, Rotated::Ended { refusal: Refusal::RolledBack, .. }), "{ahead:?}");
    });
}

#[test]
fn rv_34_an_entry_lives_by_the_later_of_two_clocks() {
    at_once(async {
        let memory = MemoryStore::new();
        let fixture = Fixture::on(memory.clone()).await;
        memory.set_database_time(at(100));
        let entry = fixture.revoke(RevokeTarget::All, at(0)).await.unwrap();
        assert_eq!(entry.expires_at, Some(at(100 + ACCESS_S + MARGIN_S)));
        let entry = fixture.revoke(RevokeTarget::All, at(200)).await.unwrap();
        assert_eq!(entry.expires_at, Some(at(200 + ACCESS_S + MARGIN_S)));
    });
}

/// A mistake that changes nothing could not be found.
#[test]
fn every_planted_mistake_shows_where_it_should() {
    let right = at_once(history(MemoryStore::new()));
    for (bug, expected) in Bug::ALL.into_iter().zip([
        "an old token",
        "a token of a revoked session",
        "a token of a revoked user",
        "a token of before everything was revoked",
        "a token that comes late",
        "a token that comes again",
        "entries of a revoked session",
        "entries of a changed password",
        "entries in their order",
        "entries after a sweep",
        "sessions within the limit",
        "a login of before a revocation",
        "sessions of a user who was disabled",
        "a token that comes again",
    ]) {
        let wrong = at_once(history(MemoryStore::with_bug(bug)));
        let lines = right.iter().zip(&wrong).filter(|(right, wrong)| right != wrong);
        let differing: Vec<_> = lines.map(|((what, _), _)| *what).collect();
        assert!(differing.contains(&expected), "{bug:?} shows in {differing:?}");
    }
}

type Line = (&'static str, String);

/// The same things done on any store, and what came out.
async fn history(store: Arc<MemoryStore>) -> Vec<Line> {
    let fixture = Fixture::on(store).await;
    let mut lines = Vec::new();
    tokens(&fixture, &mut lines).await;
    sessions(&fixture, &mut lines).await;
    entries(&fixture, &mut lines).await;
    let session = fixture.open(fixture.user("last").await).await;
    fixture.revoke(RevokeTarget::All, at(3)).await;
    let token = told(&fixture.rotate(&session, 1, at(4)).await);
    lines.push(("a token of before everything was revoked", token));
    lines
}

async fn tokens(fixture: &Fixture, lines: &mut Vec<Line>) {
    let late = 2 + WINDOW_S;
    for (what, second, generation) in [
        ("a token that comes again", 2, 2),
        ("a token that comes late", late, 2),
        ("an old token", 2, 1),
    ] {
        let session = fixture.open(fixture.user(&format!("u{}", lines.len())).await).await;
        fixture.rotate(&session, 1, at(1)).await;
        fixture.rotate(&session, 2, at(1)).await;
        lines.push((what, told(&fixture.rotate(&session, generation, at(second)).await)));
    }
    let session = fixture.open(fixture.user("revoked").await).await;
    fixture.revoke(RevokeTarget::Session(session.id), at(1)).await;
    let token = told(&fixture.rotate(&session, 1, at(2)).await);
    lines.push(("a token of a revoked session", token));
}

async fn sessions(fixture: &Fixture, lines: &mut Vec<Line>) {
    let live = async |user| fixture.store.sessions(user, None, 9, at(2)).await.unwrap().len();
    let user = fixture.user("alice").await;
    let session = fixture.open(user).await;
    fixture.revoke(RevokeTarget::User(user), at(1)).await;
    let token = told(&fixture.rotate(&session, 1, at(2)).await);
    lines.push(("a token of a revoked user", token));
    let late = fixture.store.open_session(new_session(user, 1)).await.unwrap();
    let opened = matches!(late, OpenSession::Opened { .. });
    lines.push(("a login of before a revocation", opened.to_string()));
    let user = fixture.user("bob").await;
    fixture.open(user).await;
    fixture.open_as(NewSession { max_sessions: 1, ..new_session(user, 1) }).await;
    lines.push(("sessions within the limit", live(user).await.to_string()));
    let user = fixture.user("carol").await;
    fixture.open(user).await;
    fixture.disable(user, at(1)).await;
    fixture.store.enable_user(user, context(at(1))).await.unwrap();
    lines.push(("sessions of a user who was disabled", live(user).await.to_string()));
}

async fn entries(fixture: &Fixture, lines: &mut Vec<Line>) {
    let user = fixture.user("dave").await;
    let session = fixture.open(user).await;
    let before = fixture.log().await.len();
    fixture.store.change_password(change(&session, "2", at(1))).await.unwrap();
    let written = async |since: usize| (fixture.log().await.len() - since).to_string();
    lines.push(("entries of a changed password", written(before).await));
    let session = fixture.open(fixture.user("erin").await).await;
    let before = fixture.log().await.len();
    fixture.revoke(RevokeTarget::Session(session.id), at(1)).await;
    lines.push(("entries of a revoked session", written(before).await));
    let known = fixture.store.look(0).await.unwrap().head.seq;
    let mut seen = Vec::new();
    for second in [1, 2] {
        fixture.revoke(RevokeTarget::User(user), at(second)).await;
        let new = fixture.store.log_after(known, 9).await.unwrap();
        seen.extend(new.iter().map(|entry| entry.seq - known));
    }
    lines.push(("entries in their order", format!("{seen:?}")));
    let swept = fixture.store.sweep(sweep(at(3), 99)).await.unwrap().rows;
    lines.push(("entries after a sweep", swept.to_string()));
}

fn told(rotated: &Rotated) -> String {
    match rotated {
        Rotated::Advanced { .. } => "advanced".to_owned(),
        Rotated::Replayed { .. } => "replayed".to_owned(),
        Rotated::Refused(refusal) => format!("{refusal:?}"),
        Rotated::Ended { refusal, .. } => format!("ended: {refusal:?}"),
    }
}
