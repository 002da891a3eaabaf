//! What was promised, and to whom: the history of a run, as far as its clients
//! can know it. It does not work out what the service should do. It remembers
//! what was answered, and says which later answer breaks a promise.
//!
//! - P1, P3: what a kill covers when it begins is dead once it is answered: on
//!   the replica that answered, in whichever process; on any other from the
//!   moment on that its answer says that it has read so far.
//! - P2: and nothing is minted from it.
//! - P4: a refresh token has one successor, and an honest client is never taken
//!   for a thief.
//! - P5: what nobody has touched is not refused.

use std::{collections::HashMap, sync::Arc, time::Duration};

use secrecy::ExposeSecret as _;
use tokenward::{
    domain::{
        clock::Timestamp,
        error::{AuthError, Refusal},
        id::{SessionId, UserId},
    },
    service::{
        index::Needs,
        tokens::TokenPair,
        verify::{InactiveReason, Verdict},
    },
};

use super::{
    ledger::{EVERYBODY, Ledger},
    time::{A_MOMENT, Time},
};

/// By how much clocks that count as right may differ, and a little more.
const CLOCKS_DIFFER: Duration = Duration::from_secs(3);

/// All that is remembered.
pub(super) struct Model {
    time: Arc<Time>,
    ledger: Arc<Ledger>,
    replay_window: Duration,
    staleness_budget: Duration,
    pub(super) users: Vec<User>,
    pub(super) sessions: Vec<Session>,
    pub(super) tokens: Vec<Token>,
    pub(super) kills: Vec<Kill>,
    by_text: HashMap<String, usize>,
    /// By refresh token: the next one, and when that was first answered.
    successors: HashMap<String, (String, Duration)>,
    /// Nothing is in the way of an answer any more.
    pub(super) all_is_well: bool,
    /// The first promise that was broken.
    pub(super) broken: Option<String>,
}

pub(super) struct User {
    pub(super) name: String,
    pub(super) id: UserId,
    /// One of these is the password.
    pub(super) passwords: Vec<String>,
    /// One of these says whether the user may log in.
    pub(super) enabled: Vec<bool>,
    /// Calls that change the user and have not been answered.
    running: u32,
    /// How many such calls have begun.
    changes: u64,
    /// Roles may go at any time: such a call was lost.
    roles_are_unclear: bool,
    /// They have been changed, or such a call is under way.
    pub(super) roles_changed: bool,
    pub(super) logins: u32,
    /// What ended the sessions of all other passwords.
    password_kill: Option<usize>,
    /// What ended the sessions of a user who is disabled.
    disable_kill: Option<usize>,
}

/// A login, as its client sees it.
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) user: usize,
    pub(super) client: &'static str,
    /// The refresh token that its client has.
    pub(super) held: Option<String>,
    /// Those that it had.
    pub(super) spent: Vec<String>,
    /// Refresh tokens that a kill covers, although the session lives on.
    retired: Vec<(String, usize)>,
    kills: Vec<usize>,
    /// So much may have ended it, the misbehaviour of its client included.
    doubts: u32,
    /// A clock that was wrong may stand in it.
    has_wrong_time: bool,
    /// What its last refresh has shown.
    is_alive: bool,
    /// Its user changes the password in it, and uses it for nothing else.
    pub(super) is_busy: bool,
    /// When the token that is held was first presented.
    first_try: Option<Duration>,
    /// Since when calls of the session's client overlap, or repeat each other.
    batch_since: Option<Duration>,
    calls: u32,
    last_call: Duration,
}

/// An access token that somebody has.
pub(super) struct Token {
    pub(super) text: String,
    pub(super) session: usize,
    expires_at: Timestamp,
    kills: Vec<usize>,
    is_doubtful: bool,
    /// How many sessions there were when the call began that brought it.
    pub(super) sessions_before: usize,
}

/// Something that was answered, and ends others.
pub(super) struct Kill {
    what: &'static str,
    replica: usize,
    answered_at: Duration,
    /// The number that was answered, if one was.
    pub(super) seq: Option<i64>,
}

/// A call on its way, and what was known when it began.
pub(super) struct Begun {
    replica: usize,
    clock: ClockState,
    at: Duration,
    kills: usize,
    sessions: usize,
}

impl Begun {
    /// The same, in a process that is none of the replicas.
    pub(super) fn elsewhere(&self) -> Self {
        Self { replica: usize::MAX, ..*self }
    }
}

/// What is true of a replica's clock: calls may be judged only if it was right
/// and nobody has set it meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct ClockState {
    pub(super) is_right: bool,
    pub(super) settings: u64,
}

/// What is known of a user when a call begins; `None`: too little.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Quiet(Option<u64>);

/// What a call ends, if it is answered.
pub(super) struct Covers {
    pub(super) what: &'static str,
    pub(super) sessions: Vec<usize>,
    pub(super) tokens: Vec<usize>,
}

/// How a call ended; `None`: whoever called did not learn it.
pub(super) type Outcome<T> = Option<Result<T, AuthError>>;

/// What an error means.
enum Meaning {
    /// Nothing was learnt. Try again.
    Again,
    /// There is nothing of that name.
    Nothing,
    Refused(Refusal),
    Other(String),
}

impl Model {
    pub(super) fn new(
        time: Arc<Time>,
        ledger: Arc<Ledger>,
        replay_window: Duration,
        staleness_budget: Duration,
    ) -> Self {
        Self {
            time,
            ledger,
            replay_window,
            staleness_budget,
            users: Vec::new(),
            sessions: Vec::new(),
            tokens: Vec::new(),
            kills: Vec::new(),
            by_text: HashMap::new(),
            successors: HashMap::new(),
            all_is_well: false,
            broken: None,
        }
    }

    pub(super) fn add_user(&mut self, name: String, id: UserId, password: String) {
        self.users.push(User {
            name,
            id,
            passwords: vec![password],
            enabled: vec![true],
            running: 0,
            changes: 0,
            roles_are_unclear: false,
            roles_changed: false,
            logins: 0,
            password_kill: None,
            disable_kill: None,
        });
    }

    pub(super) fn begin(&self, replica: usize, clock: ClockState) -> Begun {
        let (kills, sessions) = (self.kills.len(), self.sessions.len());
        Begun { replica, clock, at: self.time.elapsed(), kills, sessions }
    }

    // --- Verify ---

    /// A verdict on a token that came back from a call.
    pub(super) fn judged(
        &mut self,
        begun: &Begun,
        clock: ClockState,
        token: usize,
        needs: Needs,
        verdict: &Verdict,
    ) {
        self.check_age(begun, clock, needs, verdict);
        let trusted = begun.clock == clock && clock.is_right;
        match &verdict.reason {
            None => self.accepted(begun, trusted, token, verdict),
            Some(reason) => self.not_accepted(trusted, token, reason),
        }
    }

    /// Knowledge is no older than it says, and than was allowed.
    fn check_age(&mut self, begun: &Begun, clock: ClockState, needs: Needs, verdict: &Verdict) {
        let now = self.time.elapsed();
        let staleness = verdict.staleness;
        let Some(look) = self.ledger.last_look(begun.replica) else {
            return self.fail(format!("P1: replica {} judges before it has looked", begun.replica));
        };
        let true_age = now.saturating_sub(look);
        if staleness + A_MOMENT < true_age {
            self.fail(format!(
                "P1: replica {} says {staleness:?} of knowledge that is {true_age:?} old",
                begun.replica
            ));
        }
        let looked_since = now.saturating_sub(staleness) >= begun.at;
        let limit = needs.max_staleness.unwrap_or(Duration::MAX).min(self.staleness_budget);
        if staleness > limit && !looked_since && begun.clock == clock {
            self.fail(format!("P1: {staleness:?} old knowledge where {limit:?} is allowed"));
        }
        if verdict.revocation_seq < needs.min_revocation_seq {
            self.fail(format!("P1: judged before revocation {}", needs.min_revocation_seq));
        }
    }

    fn accepted(&mut self, begun: &Begun, trusted: bool, token: usize, verdict: &Verdict) {
        let looked_at = self.time.elapsed().saturating_sub(verdict.staleness);
        let session = self.tokens[token].session;
        let covering = self.tokens[token].kills.iter().chain(&self.sessions[session].kills);
        let broken = covering.copied().find_map(|number| {
            let kill = &self.kills[number];
            let why = if number < begun.kills && kill.replica == begun.replica {
                "which answered it"
            } else if kill.seq.is_some_and(|seq| seq <= verdict.revocation_seq) {
                "which knows its number"
            } else if looked_at > kill.answered_at + A_MOMENT {
                "which has looked since"
            } else {
                return None;
            };
            Some(format!(
                "P1: token {token} of session {session} is accepted by replica {}, {why}, after: {}",
                begun.replica, kill.what
            ))
        });
        if let Some(broken) = broken {
            self.fail(broken);
        }
        let over = self.tokens[token].expires_at.plus(CLOCKS_DIFFER);
        if trusted && self.time.now() >= over {
            self.fail(format!("P5: token {token} is accepted, which has expired"));
        }
    }

    fn not_accepted(&mut self, trusted: bool, token: usize, reason: &InactiveReason) {
        let found = &self.tokens[token];
        let session = found.session;
        let user = &self.users[self.sessions[session].user];
        let fresh = self.time.now().plus(CLOCKS_DIFFER) < found.expires_at;
        let honest = trusted && fresh && !found.is_doubtful && !user.roles_are_unclear;
        if honest && !self.is_doubtful(session) {
            self.fail(format!("P5: token {token} of session {session} is refused: {reason:?}"));
        }
    }

    // --- Login and Refresh ---

    pub(super) fn quiet(&self, user: usize) -> Quiet {
        let User { id, running, changes, .. } = &self.users[user];
        let moving = [id.uuid(), EVERYBODY].into_iter().any(|s| self.ledger.is_in_flight(s));
        Quiet((*running == 0 && !moving).then_some(*changes))
    }

    /// Nothing has happened to the user since.
    fn is_still(&self, user: usize, quiet: Quiet) -> bool {
        quiet.0 == Some(self.users[user].changes)
    }

    /// A login begins. Over the limit it ends others.
    pub(super) fn begin_login(&mut self, user: usize, max_sessions: u32) -> Quiet {
        self.users[user].logins += 1;
        if self.users[user].logins > max_sessions {
            self.doubt_sessions(&self.sessions_of(user));
        }
        self.quiet(user)
    }

    #[expect(clippy::too_many_arguments, reason = "all that was known, and all that came of it")]
    pub(super) fn logged_in(
        &mut self,
        begun: &Begun,
        clock: ClockState,
        (user, client, password): (usize, &'static str, &str),
        quiet: Quiet,
        id: SessionId,
        pair: &TokenPair,
        evictable: bool,
    ) {
        let still = self.is_still(user, quiet);
        let known = &self.users[user];
        let is_replaced = !known.passwords.iter().any(|possible| possible == password);
        let is_disabled = !known.enabled.contains(&true);
        // Either it was opened before the change, which ended it, or not at all.
        let replaced = known.password_kill.filter(|_| is_replaced);
        let disabled = known.disable_kill.filter(|_| is_disabled);
        if still && is_replaced {
            self.fail(format!("P2: user {user} logs in with a password that was replaced"));
        } else if still && is_disabled {
            self.fail(format!("P2: user {user} logs in, who is disabled"));
        }
        let has_wrong_time = !clock.is_right || begun.clock != clock;
        let now = self.time.elapsed();
        let session = self.sessions.len();
        let doubts = u32::from(!still || has_wrong_time || evictable);
        self.sessions.push(Session {
            id,
            user,
            client,
            held: pair.refresh_token.as_ref().map(|token| token.expose_secret().to_owned()),
            spent: Vec::new(),
            retired: Vec::new(),
            kills: replaced.into_iter().chain(disabled).collect(),
            doubts,
            has_wrong_time,
            is_alive: false,
            is_busy: false,
            first_try: None,
            batch_since: None,
            calls: 0,
            last_call: now,
        });
        self.add_token(begun, session, pair, still);
    }

    pub(super) fn login_refused(&mut self, user: usize, password: &str, quiet: Quiet) {
        let known = &self.users[user];
        let certain = known.passwords == [password] && known.enabled == [true];
        if certain && self.is_still(user, quiet) {
            self.fail(format!("P3: user {user} cannot log in with the password that was set"));
        }
    }

    /// May the session's client present its token now, and still be honest?
    /// Nobody behaves well who uses a successor while the predecessor is still
    /// on its way.
    pub(super) fn may_present(&self, session: usize) -> bool {
        let is_open = self.is_open(session);
        let found = &self.sessions[session];
        !found.is_busy && (found.doubts > 0 || found.first_try.is_some() || !is_open)
    }

    /// Does nothing of the session move?
    pub(super) fn may_change_password(&self, session: usize) -> bool {
        let found = &self.sessions[session];
        found.first_try.is_none() && !self.is_open(session)
    }

    fn is_open(&self, session: usize) -> bool {
        let found = &self.sessions[session];
        found.calls > 0 || self.ledger.is_in_flight(found.id.uuid())
    }

    /// A call of the session's client begins.
    pub(super) fn begin_call(&mut self, session: usize) {
        self.is_doubtful(session);
        let (now, is_open) = (self.time.elapsed(), self.is_open(session));
        let session = &mut self.sessions[session];
        if !is_open {
            session.batch_since = Some(session.first_try.unwrap_or(now));
        }
        session.first_try.get_or_insert(now);
        session.calls += 1;
    }

    /// What a refresh brought.
    pub(super) fn refreshed(
        &mut self,
        begun: &Begun,
        (session, presented): (usize, &str),
        quiet: Quiet,
        pair: &TokenPair,
    ) {
        self.check_not_killed(begun, session, presented);
        let next = pair.refresh_token.as_ref().map(|token| token.expose_secret().to_owned());
        let next = next.unwrap_or_default();
        self.check_successor(begun, session, presented, &next);
        self.sessions[session].is_alive = true;
        let found = &mut self.sessions[session];
        if found.held.as_deref() == Some(presented) && next != presented {
            found.spent.extend(found.held.replace(next));
            found.first_try = None;
        }
        let still = self.is_still(self.sessions[session].user, quiet);
        self.add_token(begun, session, pair, still);
    }

    fn check_successor(&mut self, begun: &Begun, session: usize, presented: &str, next: &str) {
        let now = self.time.elapsed();
        let first = || (next.to_owned(), now);
        let (known, at) = self.successors.entry(presented.to_owned()).or_insert_with(first);
        let over = *at + self.replay_window + CLOCKS_DIFFER;
        let late = begun.at > over && next != presented;
        // With fewer roles the session has another version, and its tokens say
        // so: one generation, in two texts.
        let roles_changed = self.users[self.sessions[session].user].roles_changed;
        if known != next && !roles_changed {
            self.fail(format!("P4: a refresh token of session {session} has two successors"));
        } else if late && !self.sessions[session].has_wrong_time {
            self.fail(format!("P4: a stolen refresh token of session {session} is good for ever"));
        }
    }

    /// A call of a session ends. It may have left a wrong time there.
    pub(super) fn end_call(&mut self, begun: &Begun, clock: ClockState, session: usize) {
        let now = self.time.elapsed();
        let found = &mut self.sessions[session];
        found.calls -= 1;
        found.last_call = now;
        if begun.clock != clock || !clock.is_right {
            self.wrong_time(session);
        }
    }

    /// A wrong time may go into the session.
    pub(super) fn wrong_time(&mut self, session: usize) {
        self.sessions[session].has_wrong_time = true;
        self.doubt_session(session);
    }

    /// P2: nothing comes of what a kill covers that was answered before.
    fn check_not_killed(&mut self, begun: &Begun, session: usize, presented: &str) {
        let found = &self.sessions[session];
        let retired = found.retired.iter().filter(|(token, _)| token == presented);
        let mut covering = found.kills.iter().chain(retired.map(|(_, kill)| kill));
        let kill = covering.find(|kill| **kill < begun.kills).map(|kill| self.kills[*kill].what);
        if let Some(what) = kill {
            self.fail(format!("P2: session {session} is refreshed, after: {what}"));
        }
    }

    /// What the refusal of a refresh means. True: it was theft, and ends the
    /// session.
    pub(super) fn refresh_refused(&mut self, session: usize, refusal: Refusal) -> bool {
        self.sessions[session].is_alive = false;
        if !self.is_doubtful(session) {
            let promise = if is_theft(refusal) { "P4" } else { "P5" };
            self.fail(format!("{promise}: session {session} is honest, and refused: {refusal:?}"));
        }
        self.doubt_session(session);
        is_theft(refusal)
    }

    /// Has something happened that may have ended the session? A token whose
    /// calls took longer than the replay window may count as stolen.
    fn is_doubtful(&mut self, session: usize) -> bool {
        let is_open = self.is_open(session);
        let landed = self.ledger.landed(self.sessions[session].id.uuid());
        let now = self.time.elapsed();
        let found = &mut self.sessions[session];
        if let Some(since) = found.batch_since {
            let until = if is_open { now } else { landed.max(found.last_call) };
            let late = until.saturating_sub(since) + CLOCKS_DIFFER > self.replay_window;
            found.doubts += u32::from(late);
        }
        found.doubts > 0
    }

    fn add_token(&mut self, begun: &Begun, session: usize, pair: &TokenPair, still: bool) {
        let text = pair.access_token.expose_secret().to_owned();
        let number = self.tokens.len();
        if *self.by_text.entry(text.clone()).or_insert(number) != number {
            return;
        }
        self.tokens.push(Token {
            text,
            session,
            expires_at: pair.expires_at,
            kills: Vec::new(),
            is_doubtful: !still,
            sessions_before: begun.sessions,
        });
    }

    // --- What ends others ---

    pub(super) fn sessions_of(&self, user: usize) -> Vec<usize> {
        let all = self.sessions.iter().enumerate();
        all.filter(|(_, session)| session.user == user).map(|(number, _)| number).collect()
    }

    pub(super) fn tokens_of(&self, user: usize) -> Vec<usize> {
        let all = self.tokens.iter().enumerate();
        let own = all.filter(|(_, token)| self.sessions[token.session].user == user);
        own.map(|(number, _)| number).collect()
    }

    /// A call begins that will end all this, if it comes to its end.
    pub(super) fn begin_kill(&mut self, covers: &Covers) {
        self.doubt_sessions(&covers.sessions);
        for token in &covers.tokens {
            self.tokens[*token].is_doubtful = true;
        }
    }

    /// It was answered.
    pub(super) fn killed(&mut self, begun: &Begun, covers: &Covers, seq: Option<i64>) -> usize {
        let number = self.kills.len();
        self.kills.push(Kill {
            what: covers.what,
            replica: begun.replica,
            answered_at: self.time.elapsed(),
            seq,
        });
        for session in &covers.sessions {
            self.sessions[*session].kills.push(number);
        }
        for token in &covers.tokens {
            self.tokens[*token].kills.push(number);
        }
        number
    }

    fn doubt_sessions(&mut self, sessions: &[usize]) {
        for session in sessions {
            self.doubt_session(*session);
        }
    }

    pub(super) fn doubt_session(&mut self, session: usize) {
        self.sessions[session].doubts += 1;
    }

    /// A call begins that changes a user.
    pub(super) fn begin_change(&mut self, user: usize) -> Quiet {
        let Quiet(was_quiet) = self.quiet(user);
        let user = &mut self.users[user];
        user.running += 1;
        user.changes += 1;
        Quiet(was_quiet.map(|_| user.changes))
    }

    /// It ended. True: it was alone from its beginning on, so that what it said
    /// holds.
    pub(super) fn end_change(&mut self, user: usize, quiet: Quiet) -> bool {
        self.users[user].running -= 1;
        self.is_still(user, quiet) && self.quiet(user) == quiet
    }

    /// It may have this password now. `kill` is what made it certain.
    pub(super) fn may_have_password(&mut self, user: usize, password: String, kill: Option<usize>) {
        let user = &mut self.users[user];
        narrow(&mut user.passwords, password, kill.is_some());
        user.password_kill = kill.or(user.password_kill);
    }

    /// It may be enabled now, or certainly is.
    pub(super) fn may_be_enabled(&mut self, user: usize, certain: bool) {
        narrow(&mut self.users[user].enabled, true, certain);
    }

    /// It may be disabled now. `kill` is what made it certain.
    pub(super) fn may_be_disabled(&mut self, user: usize, kill: Option<usize>) {
        let user = &mut self.users[user];
        narrow(&mut user.enabled, false, kill.is_some());
        user.disable_kill = kill.or(user.disable_kill);
    }

    pub(super) fn may_lose_roles(&mut self, user: usize) {
        self.users[user].roles_are_unclear = true;
    }

    /// The session has survived a new password, and got new tokens. The refresh
    /// tokens of before are worth nothing.
    pub(super) fn survived(
        &mut self,
        begun: &Begun,
        session: usize,
        kill: usize,
        pair: &TokenPair,
    ) {
        let found = &mut self.sessions[session];
        found.spent.extend(found.held.take());
        found.retired.extend(found.spent.iter().map(|token| (token.clone(), kill)));
        found.held = pair.refresh_token.as_ref().map(|token| token.expose_secret().to_owned());
        found.first_try = None;
        found.doubts -= 1;
        let still = self.quiet(self.sessions[session].user).0.is_some();
        self.add_token(begun, session, pair, still);
    }

    /// The limit of sessions holds: so many of a user and client are alive.
    pub(super) fn check_limit(&mut self, max_sessions: u32) {
        let mut counts: HashMap<(usize, &str), u32> = HashMap::new();
        for session in self.sessions.iter().filter(|session| session.is_alive) {
            *counts.entry((session.user, session.client)).or_default() += 1;
        }
        if let Some(count) = counts.values().copied().find(|count| *count > max_sessions) {
            self.fail(format!("{count} sessions of a user live, of at most {max_sessions}"));
        }
    }

    /// Only what its last refresh shows from now on counts.
    pub(super) fn count_anew(&mut self) {
        self.sessions.iter_mut().for_each(|session| session.is_alive = false);
    }

    // --- Errors ---

    /// `None`: nothing was learnt. Whatever is neither that nor a refusal is a
    /// defect.
    pub(super) fn refusal(&mut self, error: &AuthError) -> Option<Refusal> {
        match meaning(error) {
            Meaning::Again => {
                if self.all_is_well {
                    self.fail(format!("P5: no answer, though all is well: {error}"));
                }
                None
            }
            Meaning::Nothing => None,
            Meaning::Refused(refusal) => Some(refusal),
            Meaning::Other(what) => {
                self.fail(format!("an answer that no call should get: {what}"));
                None
            }
        }
    }

    pub(super) fn fail(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }
}

fn narrow<T: PartialEq>(possible: &mut Vec<T>, value: T, certain: bool) {
    if certain {
        possible.clear();
    }
    if !possible.contains(&value) {
        possible.push(value);
    }
}

fn is_theft(refusal: Refusal) -> bool {
    matches!(refusal, Refusal::Reused | Refusal::RolledBack)
}

fn meaning(error: &AuthError) -> Meaning {
    match error {
        AuthError::Unauthenticated(refusal) => Meaning::Refused(*refusal),
        AuthError::Unavailable { .. }
        | AuthError::DeadlineExceeded
        | AuthError::Overloaded { .. } => Meaning::Again,
        AuthError::NotFound(_) | AuthError::Throttled { .. } => Meaning::Nothing,
        other => Meaning::Other(format!("{other:?}")),
    }
}
