//! Blocking reads of clusters and of the journal, off the threads that serve connections.

use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

use crate::platform::Platform;

/// How many blocking reads run at once. A cluster that does not answer holds its reads for as long as RPC tries, and must
/// not take every thread of the process with it.
const AT_ONCE: usize = 16;

/// Runs blocking reads on threads of their own, a bounded number at once.
#[derive(Clone)]
pub struct Blocking {
    platform: Platform,
    places: Arc<Semaphore>,
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
        }
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
        // The semaphore is never closed.
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_closed| BlockingError::Panicked)?;
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
