//! What a worker thread is given to do.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use super::{hash_memory::HashMemory, port::CryptoError};

/// Something to do, and someone who may or may not still want the answer.
pub(super) trait Job: Send {
    fn is_abandoned(&self) -> bool;
    fn run(self: Box<Self>, memory: &mut HashMemory);
    /// Tells that it will not be done.
    fn refuse(self: Box<Self>, why: CryptoError);
}

/// A closure and where its result goes.
pub(super) struct Task<F, T> {
    pub(super) work: F,
    pub(super) reply: oneshot::Sender<Result<T, CryptoError>>,
}

impl<F, T> Job for Task<F, T>
where
    F: FnOnce(&mut HashMemory) -> T + Send,
    T: Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    /// After a panic the reply is dropped, which the caller sees. The memory
    /// may hold anything, as it may after every job.
    fn run(self: Box<Self>, memory: &mut HashMemory) {
        let Self { work, reply } = *self;
        if let Ok(result) = catch_unwind(AssertUnwindSafe(|| work(memory))) {
            // Nobody waits for it any more: nobody misses it.
            drop(reply.send(Ok(result)));
        } else {
            tracing::error!("a job of a worker thread panicked");
        }
    }

    fn refuse(self: Box<Self>, why: CryptoError) {
        drop(self.reply.send(Err(why)));
    }
}
