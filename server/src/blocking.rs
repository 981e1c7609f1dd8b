//! Blocking reads of clusters and of the journal, off the threads that serve connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::platform::Platform;

/// How many blocking reads run at once. A cluster that does not answer holds its reads for as long as RPC tries, and must
/// not take every thread of the process with it.
const AT_ONCE: usize = 16;
/// How many of them may be of one caller, so that none holds up all others with clusters that do not answer.
const OF_ONE_CALLER: usize = AT_ONCE / 2;
/// How many callers are remembered before those without a read are forgotten.
const REMEMBERED: usize = 256;

/// Runs blocking reads on threads of their own, a bounded number at once.
#[derive(Clone)]
pub struct Blocking {
    platform: Platform,
    places: Arc<Semaphore>,
    callers: Arc<Mutex<HashMap<String, Weak<Semaphore>>>>,
}

/// A blocking read that did not give an answer.
#[derive(Debug, thiserror::Error)]
pub enum BlockingError {
    /// The system gave no thread.
    #[error("no thread could be started")]
    Spawn(#[source] std::io::Error),
    /// The read panicked, which is a defect.
    #[error("a read of the cluster API panicked")]
    Panicked,
}

impl Blocking {
    /// Threads come from the platform.
    pub fn new(platform: Platform) -> Self {
        Self {
            platform,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            callers: Arc::default(),
        }
    }

    /// As [`run`](Self::run), on behalf of a caller, who waits while it has many reads under way; also those that it no
    /// longer waits for count. The daemon itself is the caller without a name, and has no such limit.
    ///
    /// # Errors
    ///
    /// See [`BlockingError`].
    pub async fn run_for<T: Send + 'static>(
        &self,
        caller: &str,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BlockingError> {
        let turn = match caller {
            "" => None,
            caller => Some(place_in(self.places_of(caller)).await?),
        };
        let work = move || {
            let _turn = turn;
            work()
        };
        self.run(name, work).await
    }

    /// The places of a caller, which are kept as long as anybody has or wants one.
    fn places_of(&self, caller: &str) -> Arc<Semaphore> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = callers.get(caller).and_then(Weak::upgrade) {
            return places;
        }
        if callers.len() >= REMEMBERED {
            callers.retain(|_, places| places.strong_count() > 0);
        }
        let places = Arc::new(Semaphore::new(OF_ONE_CALLER));
        callers.insert(caller.to_owned(), Arc::downgrade(&places));
        places
    }

    /// Runs `work` and gives its answer. When the caller goes away the work still runs to its end.
    ///
    /// # Errors
    ///
    /// See [`BlockingError`].
    pub async fn run<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BlockingError> {
        let place = place_in(Arc::clone(&self.places)).await?;
        let (answer, answered) = oneshot::channel();
        let work = Box::new(move || {
            // A caller that has gone away needs no answer.
            let _ = answer.send(work());
            drop(place);
        });
        self.platform.threads.spawn(name, work).map_err(BlockingError::Spawn)?;
        answered.await.map_err(|_dropped| BlockingError::Panicked)
    }
}

async fn place_in(places: Arc<Semaphore>) -> Result<OwnedSemaphorePermit, BlockingError> {
    // The semaphore is never closed.
    places.acquire_owned().await.map_err(|_closed| BlockingError::Panicked)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_caller_whose_reads_hang_holds_up_nobody_else() {
        let blocking = Blocking::new(Platform::system());
        let mut hanging = Vec::new();
        for _ in 0..2 * AT_ONCE {
            let (release, held) = mpsc::channel::<()>();
            let reads = blocking.clone();
            let read = tokio::spawn(async move { reads.run_for("mallory", "test", move || held.recv()).await });
            hanging.push((release, read));
        }
        tokio::task::yield_now().await;
        // Whoever waits for them no longer still has them.
        for (_, read) in &hanging {
            read.abort();
        }
        for _ in 0..AT_ONCE {
            blocking.run_for("anna", "test", || ()).await.unwrap();
            blocking.run("test", || ()).await.unwrap();
        }
    }
}
