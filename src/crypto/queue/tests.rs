//! One queue, with jobs that do nothing and times that are said.

use std::{net::Ipv4Addr, num::NonZeroUsize};

use tokio::sync::oneshot::{self, Receiver};

use super::*;
use crate::crypto::{hash_memory::HashMemory, job::Task};

type Answer = Receiver<Result<(), CryptoError>>;

const NOW: Duration = Duration::ZERO;
const TYPICAL: Typical = Typical { took: Duration::from_millis(25), memory: 0 };

fn queue(capacity: usize, max_wait: Duration) -> Queue {
    let threads = NonZeroUsize::new(2).expect("not zero");
    let settings = WorkerSettings { max_wait, ..WorkerSettings::default() };
    Queue::new("hashing", capacity, threads, TYPICAL, &settings, QueueMetrics::default())
}

fn source(number: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, number).into()
}

/// A job that says which it is by the memory that it needs.
fn job(name: usize, deadline: Option<Duration>) -> (Waiting, Answer) {
    let (reply, answer) = oneshot::channel();
    let job = Box::new(Task { work: |_: &mut HashMemory| (), reply });
    (Waiting { job, memory: name, since: NOW, deadline }, answer)
}

fn push(
    queue: &mut Queue,
    of: impl Into<Option<IpAddr>>,
    name: usize,
) -> Result<Answer, CryptoError> {
    enter(queue, of.into(), job(name, None))
}

fn enter(
    queue: &mut Queue,
    of: Option<IpAddr>,
    (waiting, answer): (Waiting, Answer),
) -> Result<Answer, CryptoError> {
    queue.reserve(of, waiting.since, waiting.deadline)?;
    queue.push(of, waiting);
    Ok(answer)
}

/// Fills it up to `count`, or as far as it goes.
fn fill(queue: &mut Queue, of: impl Into<Option<IpAddr>>, count: usize) -> Vec<Answer> {
    let of = of.into();
    let mut answers = Vec::new();
    while queue.waiting() < count {
        let Ok(answer) = push(queue, of, 0) else { break };
        answers.push(answer);
    }
    answers
}

/// The names of all that wait, in the order in which they are served.
fn served(queue: &mut Queue) -> Vec<usize> {
    let mut names = Vec::new();
    while let Some(name) = queue.next_needs(NOW) {
        names.push(name);
        assert!(queue.pop(NOW).is_some());
    }
    names
}

fn retry_after(refused: Result<Answer, CryptoError>) -> Duration {
    match refused {
        Err(CryptoError::Busy { work: "hashing", retry_after }) => retry_after,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_wait_follows_length_and_job_time_within_bounds() {
    let mut queue = queue(10_000, Duration::MAX);
    let retry = |queue: &Queue| match queue.busy(None, NOW) {
        CryptoError::Busy { retry_after, .. } => retry_after,
        other => panic!("{other:?}"),
    };
    assert_eq!(retry(&queue), Duration::from_millis(100), "never less");
    let _waiting = fill(&mut queue, None, 80);
    assert_eq!(retry(&queue), Duration::from_secs(1), "80 jobs of 25 ms on 2 threads");
    for _ in 0..100 {
        queue.record(Duration::from_millis(50), 0);
    }
    let wait = retry(&queue);
    assert!(wait > Duration::from_millis(1990) && wait <= Duration::from_secs(2), "{wait:?}");
    let _more = fill(&mut queue, None, 10_000);
    assert_eq!(queue.waiting(), 10_000);
    assert_eq!(retry(&queue), Duration::from_secs(30), "never more");
}

/// Where there is memory for one hash at a time, a second thread is no help.
#[test]
fn the_wait_knows_how_many_fit_into_memory() {
    let mut queue = queue(10_000, Duration::MAX);
    let _waiting = fill(&mut queue, None, 80);
    assert_eq!(queue.wait(80, NOW), Duration::from_secs(1));
    for _ in 0..100 {
        queue.record(TYPICAL.took, queue.memory / 2 + 1024);
    }
    assert!(queue.wait(80, NOW) > Duration::from_millis(1990), "{:?}", queue.wait(80, NOW));
}

/// LG-16: room or not, nobody is kept waiting for what comes too late.
#[test]
fn lg_16_a_wait_that_would_be_too_long_is_refused() {
    let mut queue = queue(10_000, Duration::from_secs(1));
    let mut waiting = fill(&mut queue, None, 10_000);
    assert_eq!(queue.waiting(), 81, "80 jobs of 25 ms take 2 threads one second");
    waiting.pop();
    let waits = push(&mut queue, None, 0).expect("the one that has left does not count");
    // However slow it has become, an empty queue takes a job.
    drop((waiting, waits));
    for _ in 0..100 {
        queue.record(Duration::from_mins(10), 0);
    }
    assert_eq!(fill(&mut queue, None, 10_000).len(), 1);
}

/// LG-16, LG-19: who will be gone before its turn is told so at once, and who
/// is gone when its turn comes is dropped; alone, everybody has a try.
#[test]
fn lg_16_lg_19_deadlines_are_foreseen_and_kept() {
    let mut queue = queue(10_000, Duration::MAX);
    let soon = Some(Duration::from_millis(1));
    let mut alone = enter(&mut queue, Some(source(1)), job(0, soon)).expect("alone");
    let _waiting = fill(&mut queue, source(1), 80);
    // 80 before it take a second, and itself 25 ms: three quarters of 1367 ms.
    for (millis, fits) in [(1366, false), (1367, true)] {
        let job = job(0, Some(Duration::from_millis(millis)));
        let outcome = enter(&mut queue, Some(source(1)), job);
        assert_eq!(outcome.is_ok(), fits, "{millis} ms");
        if !fits {
            assert_eq!(retry_after(outcome), Duration::from_secs(1));
        }
    }
    let second = job(0, Some(Duration::from_millis(50)));
    let _second = enter(&mut queue, Some(source(2)), second).expect("it would be the second");

    assert_eq!(queue.next_needs(Duration::from_millis(1)), Some(0));
    let dropped = alone.try_recv().expect("it was told");
    assert!(matches!(dropped, Err(CryptoError::DeadlineExceeded)), "{dropped:?}");
}

/// A process that was stopped for an hour must not refuse for the next.
#[test]
fn one_job_that_took_for_ever_changes_little() {
    let mut queue = queue(10_000, Duration::from_secs(1));
    queue.record(Duration::from_hours(1), 0);
    assert!(fill(&mut queue, None, 10_000).len() > 50);
}

/// LG-18: what nobody waits for takes no room and no work.
#[test]
fn lg_18_abandoned_jobs_make_room() {
    let mut queue = queue(2, Duration::MAX);
    let waits = push(&mut queue, None, 1).expect("room");
    let gone = push(&mut queue, None, 2).expect("room");
    assert!(push(&mut queue, None, 3).is_err(), "full");
    drop(gone);
    let _also_waits = push(&mut queue, None, 3).expect("room");
    assert!(push(&mut queue, None, 4).is_err(), "full again");
    drop(waits);
    assert_eq!(served(&mut queue), [3]);
    assert_eq!((queue.taken, queue.lanes.len()), (0, 0));
}

/// LG-16: a flood waits for itself; each job's place is foreseen exactly.
#[test]
fn lg_16_sources_take_turns() {
    let mut queue = queue(100, Duration::MAX);
    let mut answers = Vec::new();
    let mut places = Vec::new();
    for (of, name) in
        [(1, 11), (1, 12), (1, 13), (1, 14), (2, 21), (3, 31), (3, 32), (2, 22), (1, 15)]
    {
        places.push((name, queue.ahead_of(Some(source(of)))));
        answers.push(push(&mut queue, source(of), name).expect("room"));
    }
    // As it was when each came; later ones of other lanes come in between.
    let foreseen =
        [(11, 0), (12, 1), (13, 2), (14, 3), (21, 1), (31, 2), (32, 4), (22, 4), (15, 8)];
    assert_eq!(places, foreseen);
    assert_eq!(queue.ahead_of(Some(source(2))), 7);
    assert_eq!(queue.ahead_of(Some(source(4))), 3, "after one turn of everybody");
    assert_eq!(queue.ahead_of(None), 3, "those of no source have a lane together");
    assert_eq!(served(&mut queue), [11, 21, 31, 12, 22, 32, 13, 14, 15]);
}

/// A lane that lost its first job to its caller's leaving keeps its turn.
#[test]
fn a_job_that_nobody_waits_for_is_no_turn() {
    let mut queue = queue(100, Duration::MAX);
    let gone = push(&mut queue, source(1), 11).expect("room");
    let _waits =
        [(1, 12), (2, 21)].map(|(of, name)| push(&mut queue, source(of), name).expect("room"));
    drop(gone);
    assert_eq!(served(&mut queue), [12, 21]);
}

/// LG-14, LG-16: in a full queue the longest lane gives way, until the
/// newcomer's would be as long; the one that has to go is told when to come
/// again.
#[test]
fn lg_14_lg_16_a_flood_gives_way_to_others() {
    let mut queue = queue(6, Duration::MAX);
    let flood: Vec<_> =
        (11..=16).map(|name| push(&mut queue, source(1), name).expect("room")).collect();
    assert!(retry_after(push(&mut queue, source(1), 17)) >= Duration::from_millis(100));
    let mut others = Vec::new();
    for (of, name) in [(2, 21), (2, 22), (2, 23)] {
        others.push(push(&mut queue, source(of), name).expect("the flood gives way"));
    }
    assert!(push(&mut queue, source(2), 24).is_err(), "its lane is as long as the other");
    for (of, name) in [(3, 31), (4, 41)] {
        others.push(push(&mut queue, source(of), name).expect("a shorter lane"));
    }
    assert_eq!(served(&mut queue), [11, 21, 31, 41, 12, 22]);
    for (displaced, expected) in flood.into_iter().zip([false, false, true, true, true, true]) {
        let told = displaced.blocking_recv();
        assert_eq!(matches!(told, Ok(Err(CryptoError::Busy { .. }))), expected, "{told:?}");
    }
}

/// LG-16: who has reserved a place counts like who is there, and gives way
/// like it; a turn that comes before it goes to the next.
#[test]
fn lg_16_reserved_places_count() {
    let mut queue = queue(2, Duration::MAX);
    queue.reserve(Some(source(1)), NOW, None).expect("room");
    queue.reserve(Some(source(1)), NOW, None).expect("room");
    assert_eq!(queue.ahead_of(Some(source(1))), 2);
    assert_eq!(queue.ahead_of(Some(source(2))), 1);
    let _second = push(&mut queue, source(2), 21).expect("one of the two gives way");
    assert!(push(&mut queue, source(2), 22).is_err(), "its lane is as long as the other");
    assert_eq!(queue.next_needs(NOW), Some(21), "the first has not come");
    let [(one, _waits), (other, mut displaced)] = [job(11, None), job(12, None)];
    queue.push(Some(source(1)), one);
    queue.push(Some(source(1)), other);
    let told = displaced.try_recv().expect("told");
    assert!(matches!(told, Err(CryptoError::Busy { .. })), "{told:?}");
    assert_eq!(served(&mut queue), [11, 21]);
    assert_eq!((queue.taken, queue.lanes.len()), (0, 0));
    queue.reserve(None, NOW, None).expect("room");
    queue.give_back(None);
    assert_eq!((queue.taken, queue.lanes.len()), (0, 0));
}

/// Threads that get no time finish nothing, which the average does not see.
#[test]
fn a_standstill_is_noticed() {
    let mut queue = queue(100, Duration::from_secs(1));
    let _waiting = fill(&mut queue, None, 3);
    let at = |millis| queue.wait(2, Duration::from_millis(millis));
    assert_eq!(at(25), Duration::from_millis(25));
    assert_eq!(at(80), Duration::from_millis(80));
    assert_eq!(at(300), Duration::from_millis(100), "four times the usual, and no more");
    assert!(queue.pop(Duration::from_millis(300)).is_some());
    assert_eq!(queue.wait(2, Duration::from_millis(310)), Duration::from_millis(25));
}
