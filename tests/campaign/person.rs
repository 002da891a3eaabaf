//! What people do: log in, stay in, look, leave, change their passwords. And
//! what thieves do with what people have left behind.

use std::{sync::Arc, time::Duration};

use tokenward::grpc::pb::auth::TokenPair;
use tokio::time::sleep;

use crate::{
    calls::Caller,
    history::Outcome,
    stage::{Dead, Stage},
};

/// How long somebody waits who got no answer, before trying again.
const PAUSE: Duration = Duration::from_millis(10);

/// How many passwords somebody keeps in mind who knows one that is good: a lost
/// change may come yet, and many of them may have been lost on a busy machine.
const REMEMBERED: usize = 3;

/// Somebody honest: presents the newest refresh token, or the one before while
/// the newest was never presented.
pub(crate) struct Person {
    stage: Arc<Stage>,
    user: u32,
    /// The passwords that may be good, the likeliest first.
    passwords: Vec<u32>,
    session: Option<Session>,
}

struct Session {
    chain: u32,
    access: String,
    refresh: String,
    before: Option<String>,
}

impl Person {
    pub(crate) fn new(stage: &Arc<Stage>, user: u32) -> Self {
        Self { stage: Arc::clone(stage), user, passwords: vec![0], session: None }
    }

    /// Does one thing or another.
    pub(crate) async fn act(&mut self) {
        let stage = Arc::clone(&self.stage);
        let caller = stage.any_replica(self.user);
        let outcome = match stage.dice.below(100) {
            _ if self.session.is_none() => self.login(caller).await,
            0..25 => self.verify(caller).await,
            25..50 => self.refresh(caller).await,
            50..65 => self.retry(caller).await,
            65..77 => self.revoke(caller).await,
            77..82 => self.change_password(caller).await,
            _ => steal_any(&stage).await,
        };
        if matches!(outcome, Outcome::Lost | Outcome::Unavailable { .. }) {
            sleep(PAUSE).await;
        }
    }

    /// Whatever this person has is good on this replica.
    pub(crate) async fn show(&mut self, replica: usize) {
        let stage = Arc::clone(&self.stage);
        let caller = stage.replica(replica, self.user);
        for _ in 0..=self.passwords.len() {
            if self.session.is_none() {
                self.login(caller).await;
            }
        }
        self.verify(caller).await;
        self.refresh(caller).await;
    }

    /// The access token, if there is one, is good on this replica.
    pub(crate) async fn look(&self, replica: usize) {
        self.verify(self.stage.replica(replica, self.user)).await;
    }

    async fn login(&mut self, caller: Caller<'_>) -> Outcome {
        let number = self.passwords[0];
        let (outcome, session) = caller.login(number).await;
        match (&outcome, session) {
            (_, Some((chain, tokens))) => {
                self.session = Some(Session::new(chain, tokens));
                self.passwords.truncate(REMEMBERED);
            }
            // Another one of them is good.
            (Outcome::Refused { .. }, _) => self.passwords.rotate_left(1),
            _ => {}
        }
        outcome
    }

    async fn verify(&self, caller: Caller<'_>) -> Outcome {
        let Some(session) = &self.session else { return Outcome::Lost };
        caller.verify(session.chain, &session.access, 0).await
    }

    async fn refresh(&mut self, caller: Caller<'_>) -> Outcome {
        let Some(session) = &mut self.session else { return Outcome::Lost };
        let (outcome, tokens) = caller.refresh(session.chain, &session.refresh).await;
        // From here on the one before is a thief's.
        session.before = None;
        match (&outcome, tokens) {
            (_, Some(tokens)) => session.turn(tokens),
            // It did not survive what happened to another call.
            (Outcome::Refused { .. }, _) => self.session = None,
            _ => {}
        }
        outcome
    }

    /// The answer was lost on the way, as far as the server can know.
    async fn retry(&mut self, caller: Caller<'_>) -> Outcome {
        let Some(Session { chain, before: Some(before), .. }) = &self.session else {
            return self.refresh(caller).await;
        };
        let (outcome, _) = caller.refresh(*chain, before).await;
        if matches!(outcome, Outcome::Refused { .. }) {
            self.session = None;
        }
        outcome
    }

    /// Revokes, and tries at once whether it helped.
    async fn revoke(&mut self, caller: Caller<'_>) -> Outcome {
        let Some(session) = self.session.take() else { return Outcome::Lost };
        let outcome = caller.revoke(session.chain, &session.refresh).await;
        if let Outcome::Revoked { seq } = outcome {
            let dead = session.dead(self.user, seq, None);
            caller.verify(dead.chain, &dead.access, 0).await;
            self.stage.bury(dead);
        }
        outcome
    }

    async fn change_password(&mut self, caller: Caller<'_>) -> Outcome {
        let Some(session) = self.session.take() else { return Outcome::Lost };
        let (from, to) = (self.passwords[0], self.stage.next_password());
        let tokens = (session.access.as_str(), session.refresh.as_str());
        let call = caller.change_password(session.chain, tokens, (from, to)).await;
        match &call {
            (Outcome::Tokens { seq, .. }, Some((chain, tokens))) => {
                self.passwords = vec![to];
                self.session = Some(Session::new(*chain, tokens.clone()));
                self.stage.bury(session.dead(self.user, *seq, Some(from)));
            }
            (Outcome::Refused { .. }, _) => self.passwords.rotate_left(1),
            // Perhaps.
            _ => self.passwords.insert(0, to),
        }
        call.0
    }
}

async fn steal_any(stage: &Stage) -> Outcome {
    let Some(dead) = stage.any_dead() else { return Outcome::Lost };
    steal(stage.any_replica(dead.user), &dead).await
}

/// Whatever a thief could do with dead credentials.
pub(crate) async fn steal(caller: Caller<'_>, dead: &Dead) -> Outcome {
    caller.verify(dead.chain, &dead.access, 0).await;
    caller.verify(dead.chain, &dead.access, dead.seq).await;
    if let Some(password) = dead.password {
        caller.login(password).await;
    }
    caller.refresh(dead.chain, &dead.refresh).await.0
}

impl Session {
    fn new(chain: u32, tokens: TokenPair) -> Self {
        let TokenPair { access_token: access, refresh_token: refresh, .. } = tokens;
        Self { chain, access, refresh, before: None }
    }

    fn turn(&mut self, tokens: TokenPair) {
        let TokenPair { access_token, refresh_token, .. } = tokens;
        self.access = access_token;
        self.before = Some(std::mem::replace(&mut self.refresh, refresh_token));
    }

    fn dead(self, user: u32, seq: i64, password: Option<u32>) -> Dead {
        let Self { chain, access, refresh, .. } = self;
        Dead { user, chain, access, refresh, seq, password }
    }
}
