//! The tasks of a run, and who of those that can go on goes on next: the dice
//! say. Whatever woke them, and in which order, has no say in it; tokio's own
//! `watch` wakes in an order that no seed repeats.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Wake, Waker},
};

use super::dice::Dice;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(super) struct Tasks {
    dice: Arc<Dice>,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    tasks: BTreeMap<u64, Work>,
    woken: BTreeSet<u64>,
    begun: u64,
    runner: Option<Waker>,
}

impl Tasks {
    pub(super) fn new(dice: Arc<Dice>) -> Self {
        Self { dice, list: Mutex::default() }
    }

    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut list = self.list();
        let number = list.begun;
        list.begun += 1;
        list.tasks.insert(number, Box::pin(work));
        list.wake(number);
    }

    /// Runs them for as long as it is polled.
    pub(super) async fn run(self: Arc<Self>) {
        poll_fn(|context| {
            self.list().runner = Some(context.waker().clone());
            while let Some((number, work)) = self.next() {
                self.go_on(number, work);
            }
            Poll::<()>::Pending
        })
        .await;
    }

    fn go_on(self: &Arc<Self>, number: u64, mut work: Work) {
        let waker = Waker::from(Arc::new(Alarm { tasks: Arc::downgrade(self), number }));
        if work.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            self.list().tasks.insert(number, work);
        }
    }

    fn next(&self) -> Option<(u64, Work)> {
        let mut list = self.list();
        loop {
            let count = list.woken.len();
            let place = if count > 1 { self.dice.below(count as u64) } else { 0 };
            let number = *list.woken.iter().nth(usize::try_from(place).unwrap_or(0))?;
            list.woken.remove(&number);
            // One that has ended may still be woken.
            if let Some(work) = list.tasks.remove(&number) {
                return Some((number, work));
            }
        }
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    fn wake(&mut self, number: u64) {
        self.woken.insert(number);
        if let Some(runner) = &self.runner {
            runner.wake_by_ref();
        }
    }
}

/// Wakes one task.
struct Alarm {
    tasks: Weak<Tasks>,
    number: u64,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        if let Some(tasks) = self.tasks.upgrade() {
            tasks.list().wake(self.number);
        }
    }
}
