//! Looking at a password as one counted attempt.
//!
//! 1. Take a place, in the store: it holds across replicas and restarts.
//! 2. Check the password on the worker threads.
//! 3. Give the place back with what was found, and only then answer.
//!
//! The three run in a task of their own, which whoever goes away does not
//! stop: an attempt that nobody waits for counts as a failure of the account,
//! but not of the source. A process that dies between 1 and 3 leaves a place
//! taken, which counts the same after [`crate::domain::throttle::LEASE`].

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::sync::oneshot::{self, Sender, error::RecvError};

use crate::{
    audit_lines,
    crypto::port::{CryptoError, PasswordCheck, Passwords, Place},
    domain::{
        audit::Event,
        clock::Clock,
        error::{AuthError, Fault},
        id::UserId,
        password::{Password, PasswordHash},
        throttle::{Admission, Ending, Fingerprint, Kind, ThrottleRules},
    },
    peers::network,
    store::port::{Attempt, EndAttempt, Store, StoreError},
};

use super::lanes::{First, Lanes};

/// How often the first of those who wait for a place asks again. The place
/// may be given back by another replica.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// A password, and what it has to be.
pub(super) struct Guess {
    pub(super) password: Password,
    /// The user's hash; `None` for nobody's.
    pub(super) stored: Option<PasswordHash>,
    /// May the user log in at all? A right password is a failure otherwise.
    pub(super) enabled: bool,
    /// Where it is looked at.
    pub(super) place: Place,
    /// What the audit log says if it is not the right one.
    pub(super) failure: Event,
}

/// Whom an attempt is counted for.
pub(super) struct Subjects<'a> {
    /// One text for each account, whatever it was called by.
    pub(super) account: &'a str,
    /// Where the call comes from.
    pub(super) source: Option<IpAddr>,
}

/// The account of a user, by whatever it was found.
pub(super) fn user_counted(user: UserId) -> String {
    format!("user {user}")
}

/// Attempts that are counted.
pub(super) struct Attempts {
    store: Arc<dyn Store>,
    passwords: Arc<dyn Passwords>,
    clock: Arc<dyn Clock>,
    rules: Option<ThrottleRules>,
    lanes: Lanes,
}

type Answer = Result<PasswordCheck, AuthError>;

impl Attempts {
    pub(super) fn new(
        store: Arc<dyn Store>,
        passwords: Arc<dyn Passwords>,
        clock: Arc<dyn Clock>,
        rules: Option<ThrottleRules>,
    ) -> Arc<Self> {
        Arc::new(Self { store, passwords, clock, rules, lanes: Lanes::default() })
    }

    /// Checks a password, if it may be looked at now.
    pub(super) async fn check(self: &Arc<Self>, subjects: Subjects<'_>, guess: Guess) -> Answer {
        let Some(rules) = self.rules else { return self.check_uncounted(guess).await };
        let account = Some(self.fingerprint(Kind::Account, subjects.account));
        let source = subjects.source.map(|ip| self.counted_from(ip));
        let attempt = Attempt { account, source, rules, now: self.clock.now() };
        let (answer, answered) = oneshot::channel();
        tokio::spawn(Arc::clone(self).run(attempt, guess, answer));
        answered.await.unwrap_or_else(|error| Err(ended_early(error)))
    }

    /// Looks for what a secret stands for, if its source may ask now. Nothing
    /// found is a failure of the source, and of no account.
    pub(super) async fn find<T: Send + 'static>(
        self: &Arc<Self>,
        source: Option<IpAddr>,
        failure: &Event,
        look: impl Future<Output = Result<Option<T>, StoreError>> + Send + 'static,
    ) -> Result<Option<T>, AuthError> {
        let (Some(rules), Some(ip)) = (self.rules, source) else { return Ok(look.await?) };
        let source = Some(self.counted_from(ip));
        let attempt = Attempt { account: None, source, rules, now: self.clock.now() };
        let (answer, answered) = oneshot::channel();
        let (attempts, failure) = (Arc::clone(self), failure.clone());
        tokio::spawn(attempts.run_find(attempt, failure, look, answer));
        answered.await.unwrap_or_else(|error| Err(ended_early(error)))
    }

    async fn run_find<T>(
        self: Arc<Self>,
        mut attempt: Attempt,
        failure: Event,
        look: impl Future<Output = Result<Option<T>, StoreError>>,
        mut answer: Sender<Result<Option<T>, AuthError>>,
    ) {
        let found = match self.begin(&mut attempt, &failure, &mut answer).await {
            Ok(true) => self.end_find(attempt, look.await).await,
            Ok(false) => return,
            Err(error) => Err(error),
        };
        // Nobody may be there any more to hear it.
        drop(answer.send(found));
    }

    async fn end_find<T>(
        &self,
        mut attempt: Attempt,
        found: Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, AuthError> {
        attempt.now = self.clock.now();
        let ending = match &found {
            Ok(Some(_)) => Ending::Succeeded,
            Ok(None) => Ending::Failed,
            Err(_) => Ending::NotJudged,
        };
        self.end(EndAttempt { attempt, ending, failure: None }).await?;
        Ok(found?)
    }

    async fn check_uncounted(&self, guess: Guess) -> Answer {
        let Guess { password, stored, enabled, place, failure } = guess;
        let checked = self.passwords.check(password, stored, place).await;
        if ending(Some(&checked), enabled) == Ending::Failed {
            self.store.record(Event { at: self.clock.now(), ..failure }).await?;
        }
        Ok(checked?)
    }

    async fn run(self: Arc<Self>, mut attempt: Attempt, guess: Guess, mut answer: Sender<Answer>) {
        let checked = match self.begin(&mut attempt, &guess.failure, &mut answer).await {
            Ok(true) => self.decide(attempt, guess, &mut answer).await,
            Ok(false) => return,
            Err(error) => Err(error),
        };
        // Nobody may be there any more to hear it.
        drop(answer.send(checked));
    }

    /// Takes a place, once there is one. False: the caller is gone, and no
    /// place was taken.
    async fn begin<T>(
        &self,
        attempt: &mut Attempt,
        failure: &Event,
        answer: &mut Sender<T>,
    ) -> Result<bool, AuthError> {
        let mut waiting = None;
        loop {
            attempt.now = self.clock.now();
            match self.store.begin_attempt(attempt.clone()).await? {
                Admission::Admitted => return Ok(true),
                Admission::Throttled(retry_after) => {
                    // No row: this can happen as often as somebody likes.
                    let event = Event { at: attempt.now, ..failure.clone() };
                    audit_lines::event(&event.refused("LOGIN_THROTTLED"));
                    return Err(AuthError::Throttled { retry_after });
                }
                Admission::Busy(kind) => tokio::select! {
                    biased;
                    () = answer.closed() => return Ok(false),
                    () = self.wait(kind, attempt, &mut waiting) => {}
                },
            }
        }
    }

    /// Waits in the lane of what has no place; its first asks again soon.
    async fn wait(&self, kind: Kind, attempt: &Attempt, waiting: &mut Option<First>) {
        let subject = attempt.subjects().find(|(busy, _)| *busy == kind);
        let Some((_, subject)) = subject else { return tokio::time::sleep(ASK_AGAIN).await };
        if waiting.as_ref().is_some_and(|lane| lane.is_of(subject)) {
            return tokio::time::sleep(ASK_AGAIN).await;
        }
        // Nobody is in two lanes, or two could wait for each other.
        *waiting = None;
        *waiting = Some(self.lanes.enter(subject).await);
    }

    /// Looks at the password, and says what became of the attempt.
    async fn decide(
        &self,
        mut attempt: Attempt,
        guess: Guess,
        answer: &mut Sender<Answer>,
    ) -> Answer {
        let Guess { password, stored, enabled, place, failure } = guess;
        let checked = tokio::select! {
            biased;
            () = answer.closed() => None,
            checked = self.passwords.check(password, stored, place) => Some(checked),
        };
        attempt.now = self.clock.now();
        let ending = ending(checked.as_ref(), enabled);
        let failure = Event { at: attempt.now, ..failure };
        let failure =
            if ending == Ending::Abandoned { failure.refused("ABANDONED") } else { failure };
        self.end(EndAttempt { attempt, ending, failure: Some(failure) }).await?;
        Ok(checked.ok_or(AuthError::DeadlineExceeded)??)
    }

    async fn end(&self, end: EndAttempt) -> Result<(), AuthError> {
        if self.store.end_attempt(end).await? {
            tracing::warn!(
                target: "tokenward::throttle",
                "so many logins fail that allowances are a fifth of what is configured"
            );
        }
        Ok(())
    }

    /// What the failures of a user are counted by.
    pub(super) fn counted_by(&self, user: UserId) -> Fingerprint {
        self.fingerprint(Kind::Account, &user_counted(user))
    }

    /// What the failures of a source are counted by.
    fn counted_from(&self, ip: IpAddr) -> Fingerprint {
        self.fingerprint(Kind::Source, &network(ip).to_string())
    }

    fn fingerprint(&self, kind: Kind, text: &str) -> Fingerprint {
        self.passwords.fingerprint(&format!("login {}: {text}", kind.as_str()))
    }
}

fn ended_early(error: RecvError) -> AuthError {
    AuthError::Internal(Fault::caused_by("an attempt to log in ended early", error))
}

/// `None`: nobody waited for the check.
fn ending(checked: Option<&Result<PasswordCheck, CryptoError>>, enabled: bool) -> Ending {
    match checked {
        Some(Ok(check)) if check.matches && enabled => Ending::Succeeded,
        Some(Err(_)) => Ending::NotJudged,
        Some(Ok(_)) => Ending::Failed,
        None => Ending::Abandoned,
    }
}
