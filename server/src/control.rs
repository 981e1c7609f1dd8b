//! How a running daemon is told to end and to read its settings again, and how it tells where it stands.
//!
//! Whoever hosts the daemon (a console, the service control manager, a test) keeps the [`Controller`]; the daemon gets the
//! [`Control`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

/// Where a daemon stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It starts; each step is progress.
    Starting(StartStep),
    /// It serves.
    Serving {
        /// Where.
        address: SocketAddr,
    },
    /// It stops; each step, and each operation less, is progress.
    Stopping(StopStep),
    /// It has ended, in order or not.
    Stopped,
}

/// The steps of a start, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StartStep {
    /// The library of the cluster API is loaded.
    ClusterApi,
    /// The journal is opened, and mended where a crash left it open.
    Journal,
    /// The operations of the last run are settled, which may take a look at clusters: some seconds.
    Recovery,
    /// The threads that serve are started.
    Serving,
}

/// The steps of a stop, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopStep {
    /// Running calls get their time: `operations.shutdown_grace` at most.
    Operations {
        /// How many have not come back.
        running: usize,
    },
    /// Connections get their time: ten seconds at most.
    Connections,
    /// The journal is closed.
    Journal,
}

/// Tells a daemon what to do, and watches it. Clones tell the same daemon; when the last one is gone the daemon goes on.
#[derive(Clone, Debug)]
pub struct Controller {
    ends: Arc<watch::Sender<End>>,
    reload: Arc<Notify>,
    phases: watch::Receiver<Phase>,
}

/// What a daemon is told by, and tells by.
#[derive(Debug)]
pub struct Control {
    ends: watch::Receiver<End>,
    reload: Arc<Notify>,
    phases: Phases,
}

/// How often, and how urgently, a daemon was told to end.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    times: u32,
    within: Option<Duration>,
}

/// Where a daemon says where it stands.
#[derive(Clone, Debug)]
pub struct Phases(watch::Sender<Phase>);

/// A pair that belongs together.
pub fn control() -> (Controller, Control) {
    let (ends, told) = watch::channel(End::default());
    let reload = Arc::new(Notify::new());
    let phases = Phases::default();
    let controller = Controller {
        ends: Arc::new(ends),
        reload: Arc::clone(&reload),
        phases: phases.0.subscribe(),
    };
    let control = Control {
        ends: told,
        reload,
        phases,
    };
    (controller, control)
}

impl Controller {
    /// Tells the daemon to end in order: running operations get `operations.shutdown_grace`. Told again, it ends at once.
    pub fn end(&self) {
        self.ends.send_modify(|end| end.times += 1);
    }

    /// As [`end`](Self::end), where the system ends the process by force after `within`: running operations get the part
    /// of it that the rest of the stop does not need.
    pub fn end_within(&self, within: Duration) {
        self.ends.send_modify(|end| {
            end.times += 1;
            end.within = Some(within);
        });
    }

    /// Tells the daemon to read its settings again. What comes of it is in its log and its events. Asking several times
    /// before it does so is asking once.
    pub fn reload(&self) {
        self.reload.notify_one();
    }

    /// Where the daemon stands, now and from now on. Steps that follow one another fast may be passed over.
    pub fn phases(&self) -> watch::Receiver<Phase> {
        self.phases.clone()
    }
}

impl Control {
    /// Where to say where the daemon stands.
    pub fn phases(&self) -> &Phases {
        &self.phases
    }

    /// Waits until the daemon was told to end; gives the time that the system leaves it, where that is bounded.
    /// Cancel-safe.
    pub async fn told_to_end(&mut self) -> Option<Duration> {
        self.told(1).await.within
    }

    /// Waits until the daemon was told again to end. Cancel-safe.
    pub async fn told_again(&mut self) {
        self.told(2).await;
    }

    /// What says when the daemon is told to read its settings again.
    pub fn reloads(&self) -> Reloads {
        Reloads(Arc::clone(&self.reload))
    }

    async fn told(&mut self, times: u32) -> End {
        match self.ends.wait_for(|end| end.times >= times).await {
            Ok(end) => *end,
            // Nobody is left to tell anything.
            Err(_closed) => std::future::pending().await,
        }
    }
}

/// Says when a daemon is told to read its settings again.
#[derive(Debug)]
pub struct Reloads(Arc<Notify>);

impl Reloads {
    /// Waits for the next time. Cancel-safe.
    pub async fn next(&self) {
        self.0.notified().await;
    }
}

impl Phases {
    /// Says where the daemon stands.
    pub fn tell(&self, phase: Phase) {
        self.0.send_replace(phase);
    }
}

impl Default for Phases {
    /// Nobody watches.
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Starting(StartStep::ClusterApi)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_word_ends_and_the_second_hurries() {
        let (controller, mut control) = control();
        controller.end();
        assert_eq!(control.told_to_end().await, None);
        tokio::select! {
            biased;
            () = control.told_again() => panic!("it was told once"),
            () = std::future::ready(()) => {}
        }
        controller.clone().end_within(Duration::from_secs(4));
        control.told_again().await;
        assert_eq!(control.told_to_end().await, Some(Duration::from_secs(4)));
    }

    #[tokio::test]
    async fn reloads_that_nobody_has_seen_are_one() {
        let (controller, control) = control();
        controller.reload();
        controller.reload();
        let reloads = control.reloads();
        reloads.next().await;
        tokio::select! {
            biased;
            () = reloads.next() => panic!("it was told once"),
            () = std::future::ready(()) => {}
        }
    }

    #[tokio::test]
    async fn a_daemon_whose_controllers_are_gone_goes_on() {
        let (controller, mut control) = control();
        drop(controller);
        tokio::select! {
            biased;
            _ = control.told_to_end() => panic!("nobody told it"),
            () = std::future::ready(()) => {}
        }
    }

    #[tokio::test]
    async fn phases_are_seen() {
        let (controller, control) = control();
        let mut phases = controller.phases();
        control
            .phases()
            .tell(Phase::Stopping(StopStep::Operations { running: 1 }));
        phases
            .wait_for(|phase| matches!(phase, Phase::Stopping(_)))
            .await
            .unwrap();
    }
}
