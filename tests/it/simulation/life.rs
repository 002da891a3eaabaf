//! Whether a process runs: it may be stopped and continued, or killed.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Runs,
    /// As by `SIGSTOP`: nothing of it runs, but its clocks do.
    Stopped,
    /// As by `SIGKILL`.
    Dead,
}

/// One process.
pub(super) struct Life(Mutex<(State, Vec<Waker>)>);

impl Life {
    pub(super) fn new() -> Self {
        Self(Mutex::new((State::Runs, Vec::new())))
    }

    pub(super) fn stop(&self) {
        self.turn(State::Stopped);
    }

    pub(super) fn resume(&self) {
        self.turn(State::Runs);
    }

    pub(super) fn kill(&self) {
        self.turn(State::Dead);
    }

    pub(super) fn is_dead(&self) -> bool {
        self.lock().0 == State::Dead
    }

    /// Waits until it runs. False: it never will again.
    pub(super) async fn runs(&self) -> bool {
        poll_fn(|context| {
            let state = self.lock().0;
            match state {
                State::Runs => Poll::Ready(true),
                State::Stopped => self.wait(context),
                State::Dead => Poll::Ready(false),
            }
        })
        .await
    }

    fn turn(&self, state: State) {
        let waiting = {
            let mut life = self.lock();
            life.0 = state;
            std::mem::take(&mut life.1)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    fn wait<T>(&self, context: &Context<'_>) -> Poll<T> {
        self.lock().1.push(context.waker().clone());
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, (State, Vec<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task of a process. It moves only while the process runs, and ends with
/// `None` when the process dies, or when whoever waits for it hangs up: that
/// is, at the poll of that number.
pub(super) struct Living<'a, F> {
    life: &'a Life,
    work: Option<Pin<Box<F>>>,
    polls_left: Option<u64>,
    is_known: bool,
}

impl<'a, F: Future> Living<'a, F> {
    pub(super) fn new(life: &'a Life, work: F, polls_left: Option<u64>) -> Self {
        Self { life, work: Some(Box::pin(work)), polls_left, is_known: false }
    }

    fn end(&mut self) -> Poll<Option<F::Output>> {
        self.work = None;
        Poll::Ready(None)
    }
}

impl<F: Future> Future for Living<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let state = this.life.lock().0;
        match state {
            State::Dead => return this.end(),
            State::Stopped => return this.life.wait(context),
            State::Runs => {}
        }
        match &mut this.polls_left {
            Some(0) => return this.end(),
            Some(left) => *left -= 1,
            None => {}
        }
        let Some(work) = &mut this.work else { return Poll::Ready(None) };
        match work.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => {
                // Any waker of a task wakes it, so telling once is enough.
                if !std::mem::replace(&mut this.is_known, true) {
                    return this.life.wait(context);
                }
                Poll::Pending
            }
        }
    }
}
