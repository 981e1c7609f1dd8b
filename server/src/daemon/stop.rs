//! The end of a daemon, step by step.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;

use crate::control::{Phase, StopStep};
use crate::daemon::{Daemon, set_health};
use crate::events::Event;
use crate::journal::Journal;
use crate::logging::chain;

/// How long connections get to end after their streams have been told to.
pub(super) const DRAIN: Duration = Duration::from_secs(5);
/// The same when the system ends the process by force soon.
const HASTY_DRAIN: Duration = Duration::from_millis(500);
/// How much of such a time is kept for the journal.
const HASTY_CLOSE: Duration = Duration::from_millis(500);
/// How often a stop that waits for operations looks how many are left.
const COUNT_EVERY: Duration = Duration::from_secs(1);

impl Daemon {
    /// Stops: what is new is refused, streams end, running operations get their time, the journal is closed. A daemon whose
    /// journal has failed refuses what is new anyhow, and goes on with reads and streams until the operations have ended.
    pub async fn stop(self) {
        self.stop_within(None).await;
    }

    /// As [`stop`](Self::stop); when the system ends the process by force after `within`, what runs gets the part of it
    /// that connections and journal do not need.
    pub async fn stop_within(mut self, within: Option<Duration>) {
        tracing::info!("Stopping");
        set_health(&self.health, ServingStatus::NotServing).await;
        // Agents come back to the daemon that follows; until then their calls wait.
        self.core.workloads.stop();
        if self.core.engine.journal().failed().is_none() {
            self.core.stop.cancel();
        }
        let grace = self.core.settings.get().operations.shutdown_grace;
        let (grace, drain_time) = match within {
            None => (grace, DRAIN),
            Some(within) => (
                grace.min(within.saturating_sub(2 * HASTY_DRAIN + HASTY_CLOSE)),
                HASTY_DRAIN,
            ),
        };
        if tokio::time::timeout(grace, self.settle()).await.is_err() {
            let left = self.core.engine.unsettled();
            tracing::warn!(
                ?left,
                "Operations are still running; they will be INTERRUPTED at the next start"
            );
            let operations = left.iter().map(ToString::to_string).collect();
            self.platform.events.report(&Event::LeftRunning { operations });
        }
        self.core.stop.cancel();
        self.phases.tell(Phase::Stopping(StopStep::Connections));
        drain(&mut self.serving, &self.cut, drain_time).await;
        // They write to the journal, so they end before it; what resources tell to the last is placed by what is observed.
        if let Some(channel) = self.channel.take() {
            channel.close().await;
        }
        self.core.engine.clusters().stop().await;
        self.phases.tell(Phase::Stopping(StopStep::Journal));
        close(self.core.engine.journal(), self.written).await;
        // It has heard how the last operation ended.
        self.audit.stop().await;
        if let Some(path) = &self.ready_file {
            // A stale file would name an address where nobody answers.
            if let Err(error) = std::fs::remove_file(path) {
                tracing::warn!(%error, path = %path.display(), "The ready file could not be removed");
            }
        }
        tracing::info!("Stopped");
        self.platform.events.report(&Event::Stopped);
    }

    /// Waits until no operation runs, and tells how many are left.
    async fn settle(&self) {
        let engine = &self.core.engine;
        let count = async {
            loop {
                let running = engine.unsettled().len();
                self.phases.tell(Phase::Stopping(StopStep::Operations { running }));
                tokio::time::sleep(COUNT_EVERY).await;
            }
        };
        tokio::select! {
            () = engine.settle() => {}
            () = count => {}
        }
    }
}

/// Waits until the serving threads have ended. They have one time in all; then the connections that are left are cut, and
/// the threads have it once more.
pub(super) async fn drain(serving: &mut Vec<oneshot::Receiver<()>>, cut: &CancellationToken, time: Duration) {
    if tokio::time::timeout(time, all_ended(serving)).await.is_ok() {
        return;
    }
    tracing::warn!(threads = serving.len(), "Connections are still open and are dropped");
    cut.cancel();
    if tokio::time::timeout(time, all_ended(serving)).await.is_err() {
        tracing::error!(threads = serving.len(), "Serving threads do not end");
    }
}

/// Those that have not ended stay in the list when this is dropped.
pub(super) async fn all_ended(serving: &mut Vec<oneshot::Receiver<()>>) {
    while let Some(ended) = serving.last_mut() {
        // A thread that panicked has ended as well.
        let _ = ended.await;
        serving.pop();
    }
}

/// Closes the journal, and waits until its thread has given the store back.
pub(super) async fn close(journal: &Journal, written: oneshot::Receiver<()>) {
    match journal.stop().await {
        // The journal's thread ends just after it has answered.
        Ok(()) => drop(written.await),
        Err(error) => tracing::error!(error = chain(&error), "The journal did not close in order"),
    }
}
