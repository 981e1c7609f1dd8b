//! The observed clusters: from the name that a client gives to an inventory that is kept current.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wsfc_clusapi::{Clusapi, Error};
use wsfc_proto::v1::ObjectKind;

use super::identity::{Identity, identify};
use super::line::{Line, Order};
use super::observer::{Begin, Observer};
use super::roster::{Entered, Progress, Roster, Watched, plain};
use crate::blocking::{Blocking, BlockingError};
use crate::journal::{ClusterId, Journal};
use crate::logging::chain;
use crate::operation::execute::open;
use crate::platform::Platform;
use crate::settings::Settings;
use crate::settings::current::Current;

/// The first pause before this host is asked again for its cluster, and the longest; the latter is also how often it is
/// looked at whether the cluster of this host is still the same.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long the end of an operation waits for its cluster to tell of what was made.
const HEAR: Duration = Duration::from_secs(5);
/// How long a stop, and the end of a destruction, waits for observers. One that is within a call of the cluster API that does
/// not come back must not hold up the daemon.
const END: Duration = Duration::from_secs(3);

/// A cluster that a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// Its id, by which the journal's inventory has it.
    pub id: ClusterId,
    /// Its own name.
    pub name: String,
    /// Whether the inventory is kept current. False when `inventory.observe` is off; then everything is read anew.
    pub observed: bool,
}

/// Why a name does not lead to a cluster.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ResolveError {
    /// The cluster cannot be opened or read.
    #[error("cluster {cluster:?} cannot be read")]
    Cluster {
        /// The name that was asked for.
        cluster: String,
        /// What the cluster API answered.
        #[source]
        source: Arc<Error>,
    },
    /// It took too long.
    #[error("cluster {cluster:?} was not read within {}", humantime::format_duration(*limit))]
    TimedOut {
        /// The name that was asked for.
        cluster: String,
        /// How long it may take.
        limit: Duration,
    },
    /// As many clusters are observed as may be.
    #[error("{limit} clusters are observed, and no more may be")]
    TooMany {
        /// How many may be.
        limit: usize,
    },
    /// The host gives no more threads, or a read panicked.
    #[error(transparent)]
    Blocking(Arc<BlockingError>),
    /// The daemon stops.
    #[error("the daemon is stopping")]
    ShuttingDown,
}

/// The observed clusters. Cheap to clone.
#[derive(Clone)]
pub struct Clusters(Arc<Inner>);

struct Inner {
    api: Clusapi,
    journal: Journal,
    platform: Platform,
    settings: Current<Settings>,
    blocking: Blocking,
    roster: Arc<Roster>,
    /// The threads of observers, and the tasks that look for clusters: each holds on to the journal.
    running: TaskTracker,
    stop: CancellationToken,
    /// The daemon's own runtime, which outlives those that serve connections.
    runtime: Handle,
}

impl Clusters {
    /// Observes nothing yet. Tasks run on the runtime that this is called in.
    ///
    /// # Panics
    ///
    /// Called outside of a runtime.
    pub fn new(
        journal: Journal,
        api: Clusapi,
        platform: Platform,
        settings: Current<Settings>,
        blocking: Blocking,
    ) -> Self {
        Self(Arc::new(Inner {
            api,
            journal,
            platform,
            settings,
            blocking,
            roster: Arc::default(),
            running: TaskTracker::new(),
            stop: CancellationToken::new(),
            runtime: Handle::current(),
        }))
    }

    /// Begins to observe what the journal knows, what the settings name, and the cluster of this host, as soon as there is
    /// one.
    pub fn start(&self) {
        let settings = self.0.settings.get();
        if !settings.inventory.observe {
            return;
        }
        let recorded = self.0.journal.inventory();
        for id in recorded.clusters() {
            if let Some(cluster) = recorded.cluster(id)
                && let Err(error) = self.begin(id, &cluster.name)
            {
                let error = chain(&error);
                tracing::warn!(
                    cluster = cluster.name,
                    error,
                    "A cluster of the inventory is not observed"
                );
            }
        }
        for name in std::iter::once("").chain(settings.inventory.extra.iter().map(String::as_str)) {
            let (clusters, name) = (self.clone(), name.to_owned());
            self.spawn(async move { clusters.find(&name).await });
        }
    }

    /// The cluster that a name stands for: the empty one for that of this host, else a name, an address, an FQDN or the
    /// distinguished name of the cluster's account. It is observed from now on, and its inventory is filled when this
    /// returns. Cancel-safe.
    ///
    /// # Errors
    ///
    /// See [`ResolveError`].
    pub async fn resolve(&self, name: &str) -> Result<Resolved, ResolveError> {
        self.resolve_for("", name).await
    }

    /// As [`resolve`](Self::resolve), on behalf of a caller ([`Blocking::run_for`]).
    ///
    /// # Errors
    ///
    /// See [`ResolveError`].
    pub async fn resolve_for(&self, caller: &str, name: &str) -> Result<Resolved, ResolveError> {
        let settings = self.0.settings.get();
        let limit = settings.limits.unary;
        let resolving = async {
            if !settings.inventory.observe {
                let found = self.identify(caller, name).await?;
                return Ok(Resolved {
                    id: ClusterId::from(found.id.as_str()),
                    name: found.name,
                    observed: false,
                });
            }
            let (id, watched) = match self.0.roster.find(name) {
                Some(found) => found,
                None => self.take_in(caller, name).await?,
            };
            self.filled(name, id, watched.progress).await
        };
        let timed_out = |_elapsed| ResolveError::TimedOut {
            cluster: name.into(),
            limit,
        };
        tokio::time::timeout(limit, resolving).await.map_err(timed_out)?
    }

    /// The cluster that has a name, or was found by it; nothing when it takes a call to know, or only the first part of an
    /// FQDN is a cluster's name.
    pub fn known(&self, name: &str) -> Option<String> {
        self.0.roster.find_known(name).map(|watched| watched.name)
    }

    /// The cluster of this host, where it is observed already.
    pub fn own(&self) -> Option<Resolved> {
        let (id, watched) = self.0.roster.find("")?;
        Some(Resolved {
            id,
            name: watched.name,
            observed: true,
        })
    }

    /// Compares the inventory of a cluster with the cluster, and returns when what was found is durable. Without an
    /// observer there is nothing to compare. Cancel-safe.
    ///
    /// # Errors
    ///
    /// See [`ResolveError`].
    pub async fn refresh(&self, id: &ClusterId) -> Result<(), ResolveError> {
        let Some(watched) = self.0.roster.get(id) else {
            return Ok(());
        };
        let limit = self.0.settings.get().limits.unary;
        let (told, answer) = oneshot::channel();
        watched
            .orders
            .send(Order::Compare(told))
            .map_err(|_ended| ResolveError::ShuttingDown)?;
        match tokio::time::timeout(limit, answer).await {
            Ok(Ok(Ok(()))) => Ok(()),
            Ok(Ok(Err(source))) => Err(ResolveError::Cluster {
                cluster: watched.name,
                source,
            }),
            Ok(Err(_ended)) => Err(ResolveError::ShuttingDown),
            Err(_elapsed) => Err(ResolveError::TimedOut {
                cluster: watched.name,
                limit,
            }),
        }
    }

    /// Begins to observe a cluster that an operation has made or changed, in the background.
    pub fn noticed(&self, name: &str) {
        if !self.0.settings.get().inventory.observe {
            return;
        }
        let (clusters, name) = (self.clone(), name.to_owned());
        self.spawn(async move {
            let resolved = clusters.resolve(&name).await;
            // At a stop that is no news.
            if let Err(error) = resolved.as_ref()
                && !matches!(error, ResolveError::ShuttingDown)
            {
                let error = chain(error);
                tracing::warn!(
                    cluster = name,
                    error,
                    "A cluster is not observed after an operation on it"
                );
            }
        });
    }

    /// Lets objects of a kind be read again, in the background, after an operation on one of them of which the cluster
    /// may not tell.
    pub fn changed(&self, name: &str, kind: ObjectKind) {
        if let Some((_, watched)) = self.0.roster.find(name) {
            // An observer that has ended has nothing to read.
            let _ = watched.orders.send(Order::Read(kind));
        }
    }

    /// Reads objects that the inventory may not have yet, as those that were just made, and returns when what was found is
    /// durable; false when the cluster cannot be asked now. Who cannot wait for a cluster that hangs sets a limit.
    /// Cancel-safe.
    pub async fn learn(&self, id: &ClusterId, kind: ObjectKind, names: impl IntoIterator<Item = &str>) -> bool {
        let Some(watched) = self.0.roster.get(id) else {
            return false;
        };
        // All are asked for before one is waited for, so that they are read together.
        let ask = |name: &str| {
            let (told, answer) = oneshot::channel();
            // An observer that has ended drops the order, which is an answer too.
            let _ = watched.orders.send(Order::Learn(kind, name.into(), told));
            answer
        };
        let answers: Vec<_> = names.into_iter().map(ask).collect();
        for answer in answers {
            if answer.await.is_err() {
                return false;
            }
        }
        true
    }

    /// Lets the inventory have what an operation has left: an object of a name, or none any more. Mostly the cluster has told
    /// of it already; otherwise it is asked, for a short time. Cancel-safe.
    pub async fn hear_of(&self, cluster: &str, kind: ObjectKind, name: &str, is_there: bool) {
        let Some((id, _)) = self.0.roster.find(cluster) else {
            return;
        };
        let is_known = self.0.journal.inventory().find(&id, kind, name).is_some();
        if is_known != is_there {
            // A cluster that hangs is heard of later.
            let _ = tokio::time::timeout(HEAR, self.learn(&id, kind, [name])).await;
        }
    }

    /// Takes a cluster that was destroyed out of the inventory, and returns when that is durable.
    pub async fn destroyed(&self, name: &str) {
        let Some((id, watched)) = self.0.roster.find(name) else {
            return;
        };
        let (told, answer) = oneshot::channel();
        if watched.orders.send(Order::Forget(told)).is_ok() {
            // An observer that ends, or hangs in a call, takes nothing out; the next start finds the cluster gone.
            let _ = tokio::time::timeout(END, answer).await;
        }
        self.0.roster.leave(&id);
    }

    /// Ends all observers, and waits for them as long as is sensible.
    pub async fn stop(&self) {
        self.0.stop.cancel();
        self.0.roster.stop();
        self.0.running.close();
        if tokio::time::timeout(END, self.0.running.wait()).await.is_err() {
            let left = self.0.running.len();
            tracing::warn!(left, "Observers of clusters do not end");
        }
    }

    /// Does something in the background, until it is done or the daemon stops.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.0.stop.clone();
        let bounded = async move {
            tokio::select! {
                () = work => {}
                () = stop.cancelled_owned() => {}
            }
        };
        self.0.running.spawn_on(bounded, &self.0.runtime);
    }

    /// Looks for a cluster until it is there, and then whether it still is: the one of this host may be another by now,
    /// and one of the settings may have been destroyed and made again.
    async fn find(&self, name: &str) {
        let mut pause = FIRST_PAUSE;
        loop {
            let is_known = !name.is_empty() && self.0.roster.find(name).is_some();
            match if is_known {
                Ok(())
            } else {
                self.take_in("", name).await.map(drop)
            } {
                Ok(()) => pause = LONGEST_PAUSE,
                Err(error) => {
                    // Many hosts have no cluster, and that is no news.
                    tracing::debug!(
                        cluster = name,
                        error = chain(&error),
                        "There is no cluster to observe yet"
                    );
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Opens a cluster that is not known by this name, and observes it.
    async fn take_in(&self, caller: &str, name: &str) -> Result<(ClusterId, Watched), ResolveError> {
        let found = self.identify(caller, name).await?;
        let id = ClusterId::from(found.id.as_str());
        let watched = self.begin(&id, &found.name)?;
        self.0.roster.remember(name, &id);
        Ok((id, watched))
    }

    async fn identify(&self, caller: &str, name: &str) -> Result<Identity, ResolveError> {
        let (api, cluster) = (self.0.api.clone(), plain(name).to_owned());
        let identified = self.0.blocking.run_for(caller, "wsfcd-resolve", move || {
            open(&api, &cluster).and_then(|cluster| identify(&cluster))
        });
        let identified = identified
            .await
            .map_err(|error| ResolveError::Blocking(Arc::new(error)))?;
        identified.map_err(|source| ResolveError::Cluster {
            cluster: name.into(),
            source: Arc::new(source),
        })
    }

    /// Begins to observe a cluster, unless it is observed already.
    fn begin(&self, id: &ClusterId, name: &str) -> Result<Watched, ResolveError> {
        let inner = &self.0;
        let (orders, taken) = mpsc::channel();
        let (told, progress) = watch::channel(Progress::Begun);
        let watched = Watched {
            name: name.into(),
            orders,
            line: Arc::new(Line::default()),
            progress,
        };
        let limit = inner.settings.get().inventory.clusters;
        match inner.roster.enter(id, watched.clone(), limit) {
            Entered::New => {}
            Entered::Known => return inner.roster.get(id).ok_or(ResolveError::ShuttingDown),
            Entered::Full => return Err(ResolveError::TooMany { limit }),
            Entered::Stopped => return Err(ResolveError::ShuttingDown),
        }
        let observer = Observer::new(Begin {
            api: inner.api.clone(),
            journal: inner.journal.clone(),
            platform: inner.platform.clone(),
            roster: Arc::clone(&inner.roster),
            name: name.into(),
            id: id.clone(),
            orders: taken,
            line: Arc::clone(&watched.line),
            progress: told,
        });
        let running = inner.running.token();
        let observe = move || {
            observer.run();
            drop(running);
        };
        let started = inner.platform.threads.spawn("wsfcd-observe", Box::new(observe));
        started.map_err(|error| {
            inner.roster.leave(id);
            ResolveError::Blocking(Arc::new(BlockingError::Spawn(error)))
        })?;
        Ok(watched)
    }

    /// Waits until the inventory of a cluster is filled.
    async fn filled(
        &self,
        name: &str,
        id: ClusterId,
        mut progress: watch::Receiver<Progress>,
    ) -> Result<Resolved, ResolveError> {
        let settled = progress.wait_for(|progress| !matches!(progress, Progress::Begun)).await;
        let settled = settled.map_err(|_ended| ResolveError::ShuttingDown)?.clone();
        if let Progress::Failed(source) = settled {
            return Err(ResolveError::Cluster {
                cluster: name.into(),
                source,
            });
        }
        // The name, and even the id, may have changed while the cluster was read.
        let (id, name) = match self.0.roster.get(&id) {
            Some(watched) => (id, watched.name),
            None => {
                let (id, watched) = self.0.roster.find(name).ok_or(ResolveError::ShuttingDown)?;
                (id, watched.name)
            }
        };
        Ok(Resolved {
            id,
            name,
            observed: true,
        })
    }
}

impl std::fmt::Debug for Clusters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clusters")
            .field("roster", &self.0.roster)
            .finish_non_exhaustive()
    }
}
