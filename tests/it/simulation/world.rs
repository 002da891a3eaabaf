//! One run: replicas on one database, their clients, their misfortunes, and at
//! the end a look at what is left.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::{self, Either};
use tokenward::{
    config::Settings,
    domain::{
        account::{NewAccount, Role},
        audit::{Action, Actor, Event, Origin},
        error::AuthError,
        id::{ClientId, UserId},
        identifier::Identifier,
        policy::{ClientPolicy, Policy, Rotation},
    },
    service::{Auth, index::Needs},
    store::port::{Instance, NewUser, Store as _},
};
use tokio::{task::coop::unconstrained, time::timeout};
use uuid::Uuid;

use super::{
    bug::Bug,
    crypto::password_hash,
    dice::Dice,
    ledger::Ledger,
    life::Living,
    model::{Begun, ClockState, Model, Outcome},
    mood::Mood,
    pace::{clear_up, pause},
    replica::{Ground, Replica, small_skew},
    tasks::Tasks,
    time::Time,
};
use crate::{
    memory_store::{MemoryStore, State},
    support::determinism::START,
};

/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Until a healthy replica has read what there is: its interval, a look that
/// has just begun and may still fail, and the steps of both.
const CAUGHT_UP: Duration = Duration::from_millis(1_500);
/// A call that has not ended by then never will.
const STUCK: Duration = Duration::from_mins(2);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How many steps of a call there are, at which its caller may go away.
const POLLS: u64 = 12;

/// The client whose refresh tokens rotate, and the one whose do not.
pub(super) const CLIENTS: [&str; 2] = ["web", "dual"];

pub(super) struct World {
    pub(super) ground: Ground,
    pub(super) replicas: Vec<Replica>,
    pub(super) model: Arc<Mutex<Model>>,
    open_calls: Arc<AtomicUsize>,
    database: Arc<MemoryStore>,
    /// For a planted bug: what is durable.
    durable: Option<State>,
}

/// What came of a run.
pub(super) struct Run {
    pub(super) broken: Option<String>,
    pub(super) digest: u64,
    pub(super) story: Vec<String>,
}

/// Runs one seed, in a runtime of its own: what it leaves behind goes with it.
pub(super) fn run(seed: u64, policy: &Policy, bug: Option<Bug>, with_story: bool) -> Run {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
    let play = || {
        runtime.block_on(unconstrained(async {
            let mut world = World::new(seed, policy, bug, with_story).await;
            let tasks = Arc::clone(&world.ground.tasks);
            let ended = future::select(Box::pin(world.play()), Box::pin(tasks.run())).await;
            assert!(matches!(ended, Either::Left(_)), "tasks run for ever");
            drop(ended);
            let broken = world.model().broken.take();
            let ledger = &world.ground.ledger;
            Run { broken, digest: ledger.digest(), story: ledger.story() }
        }))
    };
    catch_unwind(AssertUnwindSafe(play)).unwrap_or_else(|_| Run {
        broken: Some("a panic".to_owned()),
        digest: 0,
        story: Vec::new(),
    })
}

impl World {
    async fn new(seed: u64, policy: &Policy, bug: Option<Bug>, with_story: bool) -> Self {
        let dice = Arc::new(Dice::new(seed));
        let mood = Mood::draw(&dice);
        let time = Arc::new(Time::new());
        let ledger = Arc::new(Ledger::new(Arc::clone(&time), with_story));
        let database = match bug {
            Some(Bug::Store(bug)) => MemoryStore::with_bug(bug),
            _ => MemoryStore::new(),
        };
        let mut policy = policy.clone();
        policy.replay_window = mood.replay_window;
        for client in policy.clients.values_mut() {
            client.max_sessions_per_user = mood.max_sessions;
        }
        let (window, budget) = (mood.replay_window, mood.staleness_budget);
        let model = Model::new(Arc::clone(&time), Arc::clone(&ledger), window, budget);
        let ground = Ground {
            tasks: Arc::new(Tasks::new(Arc::clone(&dice))),
            dice,
            time,
            ledger,
            store: Arc::clone(&database) as _,
            policy: Arc::new(policy),
            weather: Arc::new(Mutex::new(mood.weather())),
            mood,
            bug,
        };
        let mut world = Self {
            ground,
            replicas: Vec::new(),
            model: Arc::new(Mutex::new(model)),
            open_calls: Arc::default(),
            database,
            durable: None,
        };
        world.furnish().await;
        world
    }

    /// A database with users, and replicas that have just started.
    async fn furnish(&mut self) {
        let policy = &self.ground.policy;
        let instance = Instance {
            issuer: Some(policy.issuer.clone()),
            max_access_lifetime: policy.max_access_lifetime(),
            max_session_lifetime: policy.max_session_lifetime(),
            clients: policy.clients.keys().cloned().collect(),
            epoch: Uuid::from_u128(1),
            now: START,
        };
        self.database.claim(instance).await.expect("a new database");
        let operator =
            Origin { actor: Actor::Operator, source: String::new(), request_id: String::new() };
        for number in 0..self.ground.mood.users {
            let (name, password) = (format!("user{number}"), format!("a secret of {number}"));
            let id = UserId::new(Uuid::from_u128(100 + number as u128));
            let account = NewAccount {
                id,
                identifiers: vec![Identifier::parse(&name).expect("a name")],
                display_name: None,
                roles: ROLES.iter().map(|role| Role::parse(role).expect("a role")).collect(),
                password_hash: Some(password_hash(password.as_bytes())),
            };
            let event = Event::new(Action::CreateUser, &operator, START);
            self.database.create_user(NewUser { account, event }).await.expect("a new user");
            self.model().add_user(name, id, password);
        }
        for number in 0..self.ground.mood.replicas {
            self.replicas.push(Replica::start(&self.ground, number));
        }
    }

    async fn play(&mut self) {
        for _ in 0..self.ground.mood.actions {
            pause(self.ground.dice.millis(self.ground.mood.pause)).await;
            self.make_durable();
            if self.ground.dice.one_of_thousand(self.ground.mood.trouble) {
                self.misfortune();
            } else {
                self.act();
            }
            if self.is_over() {
                return;
            }
        }
        self.mend_everything();
        self.settle().await;
        if !self.is_over() {
            self.look_at_what_is_left().await;
        }
    }

    pub(super) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.model().broken.is_some()
    }

    /// Begins a call, and goes on. It may be cancelled at any of its steps, and
    /// ends with its process. `end` is told what whoever called knows of it.
    pub(super) fn call<T, W>(
        &mut self,
        name: &'static str,
        replica: usize,
        work: impl FnOnce(Arc<Auth>) -> W,
        end: impl FnOnce(&mut Model, &Begun, ClockState, Outcome<T>) + Send + 'static,
    ) where
        T: Send + 'static,
        W: Future<Output = Result<T, AuthError>> + Send + 'static,
    {
        let dice = &self.ground.dice;
        let goes = dice.one_of_thousand(self.ground.mood.cancelled);
        let polls_left = goes.then(|| 1 + dice.below(POLLS));
        let at = &self.replicas[replica];
        let (life, clock, model) =
            (Arc::clone(&at.life), Arc::clone(&at.clock), Arc::clone(&self.model));
        let (work, ledger) = (work(Arc::clone(&at.auth)), Arc::clone(&self.ground.ledger));
        let begun = self.model().begin(replica, clock.state());
        ledger.note(name, replica as u64, || "begins".to_owned());
        let open_calls = Arc::clone(&self.open_calls);
        open_calls.fetch_add(1, Ordering::Relaxed);
        self.ground.tasks.spawn(async move {
            let work = Living::new(&life, work, polls_left);
            let outcome = timeout(PATIENCE, work).await.ok().flatten();
            let text = || match &outcome {
                None => "not answered".to_owned(),
                Some(Ok(_)) => "answered".to_owned(),
                Some(Err(error)) => format!("answered: {error}"),
            };
            let number = outcome.as_ref().map_or(2, |result| u64::from(result.is_err()));
            ledger.note(name, number, text);
            let mut model = model.lock().unwrap_or_else(PoisonError::into_inner);
            end(&mut model, &begun, clock.state(), outcome);
            open_calls.fetch_sub(1, Ordering::Relaxed);
        });
    }

    pub(super) fn any_replica(&self) -> usize {
        usize::try_from(self.ground.dice.below(self.replicas.len() as u64)).unwrap_or(0)
    }

    /// Something happens to a machine or a process, or is over.
    fn misfortune(&mut self) {
        let number = self.any_replica();
        let (dice, ledger) = (Arc::clone(&self.ground.dice), Arc::clone(&self.ground.ledger));
        let said = |what: &'static str| ledger.note(what, number as u64, String::new);
        let ground = &self.ground;
        let replica = &mut self.replicas[number];
        match dice.below(12) {
            _ if replica.is_stopped() => {
                said("goes on");
                replica.resume(ground);
            }
            0..3 => {
                said("is stopped");
                replica.stop(ground);
            }
            3..5 => {
                said("is killed");
                replica.restart(ground);
                self.lose_commits();
            }
            5..8 => {
                said(if replica.is_cut() { "is connected" } else { "is cut off" });
                replica.cut(!replica.is_cut());
            }
            8 => {
                said("has its clock set");
                let is_right = replica.clock_state().is_right;
                let wrong = dice.between(-CLOCK_JUMP_MS, CLOCK_JUMP_MS);
                replica.clock.set_ahead(if is_right { wrong } else { small_skew(&dice) });
            }
            9 => {
                said("has its clock corrected");
                replica.clock.set_ahead(small_skew(&dice));
            }
            _ => {
                said("sleeps with all others");
                let span = dice.pick(&LEAPS_S).copied().unwrap_or(0);
                ground.time.leap(Duration::from_secs(span));
            }
        }
    }

    fn mend_everything(&mut self) {
        self.ground.ledger.note("all is well", 0, String::new);
        clear_up(&self.ground.weather);
        for replica in &mut self.replicas {
            replica.resume(&self.ground);
            replica.cut(false);
            if !replica.clock_state().is_right {
                replica.clock.set_ahead(small_skew(&self.ground.dice));
            }
        }
        self.ground.mood.cancelled = 0;
    }

    /// Nothing goes wrong any more, so everything that was acknowledged must
    /// still be true everywhere, and everybody gets an answer.
    async fn look_at_what_is_left(&mut self) {
        let (tokens, sessions) = {
            let mut model = self.model();
            model.all_is_well = true;
            (model.tokens.len(), model.sessions.len())
        };
        for at in 0..self.replicas.len() {
            (0..tokens).for_each(|token| self.verify_token(at, token, Needs::default()));
        }
        self.settle().await;
        self.model().count_anew();
        for session in 0..sessions {
            self.refresh_session(self.any_replica(), session);
        }
        self.settle().await;
        self.model().check_limit(self.ground.mood.max_sessions);
        for user in 0..self.ground.mood.users {
            let password = self.model().users[user].passwords[0].clone();
            self.login_with(self.any_replica(), user, CLIENTS[0], password);
        }
        self.settle().await;
    }

    /// Waits until all calls have ended, and every replica knows everything.
    async fn settle(&mut self) {
        let all_end = async {
            while self.open_calls.load(Ordering::Relaxed) > 0 {
                pause(LOOK_AGAIN).await;
            }
        };
        if timeout(STUCK, all_end).await.is_err() {
            self.model().fail("a call never ends".to_owned());
        }
        pause(CAUGHT_UP + self.ground.mood.poll_interval).await;
    }

    /// For a planted bug: from time to time everything is durable.
    fn make_durable(&mut self) {
        if self.ground.bug == Some(Bug::CommitsAreLost) && self.ground.dice.one_of_thousand(300) {
            self.durable = Some(self.database.snapshot());
        }
    }

    /// And what is not is lost.
    fn lose_commits(&mut self) {
        if let Some(durable) = self.durable.take() {
            self.database.restore(durable);
        }
    }
}

/// Roles of every new user. The first is never taken away.
pub(super) const ROLES: [&str; 2] = ["reader", "writer"];

/// How far a clock jumps, at most: the log's entries outlive their tokens by
/// more.
const CLOCK_JUMP_MS: i64 = 240_000;
const LEAPS_S: [u64; 4] = [1, 10, 40, 1_200];

/// The configuration of every run: two clients.
pub(super) fn policy() -> Policy {
    let settings = <Settings as confique::Config>::builder().load().expect("defaults");
    let mut policy = settings.policy().expect("a policy");
    let (_, only) = policy.clients.pop_first().expect("a client");
    let [web, dual] = CLIENTS.map(|id| ClientId::parse(id).expect("a client id"));
    policy.clients.insert(dual, ClientPolicy { rotation: Rotation::Off, ..only.clone() });
    policy.clients.insert(web.clone(), only);
    policy.default_client = web;
    policy
}
