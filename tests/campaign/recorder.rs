//! Writes the history down.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::history::{Call, Event, Moment, Outcome};

/// Longer than a few changes take, on the slowest machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// The history so far.
pub(crate) struct Recorder {
    began: Instant,
    events: Mutex<Vec<Event>>,
    /// How many changes were acknowledged.
    done: watch::Sender<u64>,
    calm: AtomicBool,
    stuck: AtomicBool,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            events: Mutex::default(),
            done: watch::Sender::new(0),
            calm: AtomicBool::new(false),
            stuck: AtomicBool::new(false),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::try_from(self.began.elapsed().as_micros()).expect("a campaign of less than an age")
    }

    /// One call, which began then and is over now.
    pub(crate) fn record(
        &self,
        (replica, user): (usize, u32),
        call: Call,
        begin: Moment,
        outcome: Outcome,
    ) {
        let (end, is_calm) = (self.now(), self.calm.load(Ordering::SeqCst));
        let is_done = outcome.is_done();
        let event = Event { begin, end, replica, user, call, outcome, calm: is_calm };
        self.events.lock().expect("not poisoned").push(event);
        if is_done {
            self.done.send_modify(|done| *done += 1);
        }
    }

    /// From here on everybody has to answer, or not any more.
    pub(crate) fn set_calm(&self, calm: bool) {
        self.calm.store(calm, Ordering::SeqCst);
    }

    /// Waits until so many more changes were acknowledged. If they do not come,
    /// that is on record.
    pub(crate) async fn more_done(&self, more: u64) {
        let mut done = self.done.subscribe();
        let goal = *done.borrow() + more;
        if timeout(PATIENCE, done.wait_for(|done| *done >= goal)).await.is_err() {
            self.stuck.store(true, Ordering::SeqCst);
        }
    }

    /// Did nobody get any further, at some time? Then all that is left is to
    /// judge what there is.
    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::SeqCst)
    }

    pub(crate) fn into_events(self) -> Vec<Event> {
        self.events.into_inner().expect("not poisoned")
    }
}

/// One event a line.
pub(crate) fn write(events: &[Event], path: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for event in events {
        serde_json::to_writer(&mut file, event)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}
