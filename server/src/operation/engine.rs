//! The engine: an operation from its request to its outcome.
//!
//! An operation belongs to the daemon. It is accepted (durable before anybody knows), waits for its turn, runs its one C
//! call on a thread of its own, and ends with an outcome; no client that comes or goes changes any of that.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;
use wsfc_clusapi::{Answer, Clusapi, Cluster, Credentials, Secret};
use wsfc_proto::v1;
use wsfc_proto::v1::operation_record::Payload;
use wsfc_proto::v1::{OperationKind, OperationState, PendingReason};

use super::call::{Call as _, Parameters, cluster_key, locks};
use super::execute::open;
use super::outcome::never_made;
use super::schedule::{Schedule, WhenBusy};
use super::start::{Resolved, Start, StartError, Started};
use super::supervise::Supervised;
use super::validate::{self, FieldViolation};
use crate::blocking::{Blocking, BlockingError};
use crate::events::Event;
use crate::inventory::Clusters;
use crate::journal::{AcceptOutcome, Append, AppendError, Journal, NewOperation, ReadError, RequestKey};
use crate::platform::Platform;
use crate::settings::Settings;
use crate::settings::current::Current;

/// How long the look at a cluster may take before an operation on it is accepted.
const LOOK: Duration = Duration::from_secs(30);

/// Starts, runs, cancels and recovers operations. Cheap to clone.
#[derive(Clone)]
pub struct Engine(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) journal: Journal,
    pub(super) api: Clusapi,
    pub(super) platform: Platform,
    pub(super) settings: Current<Settings>,
    pub(super) blocking: Blocking,
    reads: Blocking,
    pub(super) clusters: Clusters,
    /// Apart from the reads of clusters, so that clusters that hang hold up no search of the journal.
    searches: Blocking,
    /// Apart from other reads, of which lists of all clusters may need as many as there are clusters that hang.
    lists: Blocking,
    pub(super) schedule: Arc<Schedule>,
    /// Serialises the last step of a start, so that two equal requests at once see one another.
    admission: tokio::sync::Mutex<()>,
    /// The operations that have not ended, for cancelling.
    pub(super) live: Mutex<HashMap<Uuid, Live>>,
    /// When each cluster was created by this daemon, by its lock key.
    pub(super) created: Mutex<HashMap<String, SystemTime>>,
    /// The clusters that operations were about, by lock key.
    known: Mutex<BTreeMap<String, String>>,
    pub(super) stop: CancellationToken,
    /// The daemon's own runtime. Operations run there, since the runtimes that serve connections end before them.
    runtime: Handle,
    tasks: TaskTracker,
}

/// How a live operation is told to stop.
#[derive(Clone, Default)]
pub(super) struct Live {
    /// Cancelled before its call began.
    pub(super) cancelled: CancellationToken,
    /// The callback is to answer FALSE.
    pub(super) abort: Arc<AtomicBool>,
    /// A cancellation was asked for while its call ran.
    pub(super) asked: Arc<AtomicBool>,
}

/// Why a cancellation was refused.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// The operation has ended.
    #[error("operation {operation_id} has ended with {}", state.as_str_name())]
    Ended {
        /// The operation.
        operation_id: Uuid,
        /// Its final state.
        state: OperationState,
    },
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The request cannot be recorded.
    #[error("the request cannot be recorded")]
    Append(#[source] AppendError),
}

impl Engine {
    /// An engine over a journal and a cluster API. Its operations run on the runtime that this is called in.
    ///
    /// # Panics
    ///
    /// Called outside of a runtime.
    pub fn new(
        journal: Journal,
        api: Clusapi,
        platform: Platform,
        settings: Current<Settings>,
        stop: CancellationToken,
    ) -> Self {
        let settles = journal.settles();
        let created = settles
            .iter()
            .filter_map(|(key, until)| Some((key.clone(), until.checked_sub(validate::MAX_WAIT)?)));
        let created = Mutex::new(created.collect());
        let reads = Blocking::new(platform.clone());
        let clusters = Clusters::new(
            journal.clone(),
            api.clone(),
            platform.clone(),
            settings.clone(),
            reads.clone(),
        );
        Self(Arc::new(Inner {
            blocking: Blocking::new(platform.clone()),
            reads,
            clusters,
            searches: Blocking::new(platform.clone()),
            lists: Blocking::new(platform.clone()),
            journal,
            api,
            platform,
            settings,
            schedule: Schedule::new(),
            admission: tokio::sync::Mutex::new(()),
            live: Mutex::default(),
            created,
            known: Mutex::default(),
            stop,
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Starts an operation, or finds the one that the same request started before, or only checks.
    ///
    /// When this returns an operation, it is durable.
    ///
    /// # Errors
    ///
    /// See [`StartError`].
    pub async fn start(&self, start: Start) -> Result<Started, StartError> {
        let engine = self.clone();
        // A caller that goes away drops this future, but what was accepted must be run all the same.
        match self.0.runtime.spawn(async move { engine.admit(start).await }).await {
            Ok(started) => started,
            Err(error) if error.is_panic() => Err(StartError::Blocking(BlockingError::Panicked)),
            Err(_ended) => Err(StartError::ShuttingDown),
        }
    }

    async fn admit(&self, start: Start) -> Result<Started, StartError> {
        let inner = &self.0;
        if inner.stop.is_cancelled() {
            return Err(StartError::ShuttingDown);
        }
        let mut warnings = validate::validate(&start.call, start.credentials.as_ref(), &start.options.request_id)
            .and_then(|warnings| {
                validate::secret(&start.call, start.witness_secret.as_ref())?;
                Ok(warnings)
            })
            .map_err(StartError::Invalid)?;
        let settle = self.settle_time(&start)?;
        if let Some(function) = start.call.missing(&inner.api) {
            return Err(StartError::Unsupported { function });
        }
        let request = start.key();
        let found = self.requested(&start, request.as_ref())?;
        if let Some(found) = found.filter(|_| !start.options.validate_only) {
            return Ok(found);
        }
        let Resolved { cluster, target, hosts } = self.resolve(&start).await?;
        let keys = locks(&start.call, &cluster, &target, &hosts);
        let when_busy = match start.options.busy_policy() {
            v1::BusyPolicy::Refuse => WhenBusy::Refuse,
            v1::BusyPolicy::Wait | v1::BusyPolicy::Unspecified => WhenBusy::Wait {
                most: inner.settings.get().limits.waiting_operations,
            },
        };
        if start.options.validate_only {
            inner.schedule.check(&start.principal, &keys, when_busy)?;
            let native_check = self.native_check(&start.call, &start.principal, &cluster).await?;
            self.check_revision(&start.call, &cluster)?;
            warnings.extend(self.foresee(&start.call, &start.principal, &cluster).await?);
            return Ok(Started::Validated(v1::ValidationReport { warnings, native_check }));
        }
        self.check_revision(&start.call, &cluster)?;
        let admission = inner.admission.lock().await;
        if let Some(found) = self.requested(&start, request.as_ref())? {
            return Ok(found);
        }
        let operation_id = inner.platform.entropy.uuid(inner.platform.clock.now());
        let place = inner
            .schedule
            .enter(&operation_id.to_string(), &start.principal, keys, when_busy)?;
        let blocking = place.blocked_by();
        let told = blocking.is_some();
        let accepted = v1::OperationAccepted {
            kind: start.call.kind().into(),
            cluster: cluster.clone(),
            target: target.clone(),
            parameters: Some(v1::OperationParameters {
                parameters: Some(start.call.clone()),
            }),
            warnings,
            request_id: start.options.request_id.clone(),
            principal: start.principal.clone(),
            with_credentials: start.credentials.is_some() || start.witness_secret.is_some(),
            hosts: hosts.clone(),
            settle_time: (start.call.kind() == OperationKind::AddNode)
                .then(|| prost_types::Duration::try_from(settle).ok())
                .flatten(),
        };
        let first_pending = blocking.map(|blocking| v1::OperationPending {
            reason: PendingReason::Busy.into(),
            blocking_operation_id: blocking,
            ..v1::OperationPending::default()
        });
        let accepted = inner
            .journal
            .accept(NewOperation {
                operation_id,
                accepted,
                request,
                first_pending,
            })
            .await
            .map_err(|error| StartError::not_accepted(error, &start.options.request_id))?;
        drop(admission);
        if let AcceptOutcome::Replayed(operation) = accepted {
            return Ok(Started::Operation(id_of(&operation)));
        }
        tracing::info!(%operation_id, kind = start.call.kind().as_str_name(), cluster, principal = start.principal, "Operation accepted");
        self.supervise(Supervised {
            operation_id,
            call: start.call,
            cluster,
            target,
            hosts,
            credentials: start.credentials.map(|mut asked| {
                let text = std::mem::take::<String>;
                let (user, domain) = (text(&mut asked.user_name), text(&mut asked.domain));
                Credentials::new(user, Secret::new(text(&mut asked.password)), Some(domain))
            }),
            secret: start
                .witness_secret
                .map(|mut secret| Secret::new(std::mem::take(&mut secret.access_key))),
            settle,
            told,
            place,
        });
        Ok(Started::Operation(operation_id))
    }

    /// Asks that an operation be cancelled.
    ///
    /// # Errors
    ///
    /// See [`CancelError`].
    pub async fn cancel(&self, operation_id: Uuid, principal: &str) -> Result<Arc<v1::Operation>, CancelError> {
        let inner = &self.0;
        loop {
            let operation = inner.journal.operation(operation_id)?;
            let state = operation.state();
            let append = match state {
                OperationState::Pending => {
                    let text = "The operation was cancelled before its call began; nothing was done.";
                    let outcome = never_made(
                        OperationState::Cancelled,
                        wsfc_proto::reasons::OPERATION_CANCELLED,
                        text,
                    );
                    Append::new(operation_id, Payload::Outcome(outcome))
                }
                OperationState::Running if operation.cancel_requested => return Ok(operation),
                OperationState::Running => {
                    let answers_false = inner.settings.get().operations.cancel_answers_false;
                    let request = v1::OperationCancelRequested {
                        principal: principal.into(),
                        answers_false,
                    };
                    Append::new(operation_id, Payload::CancelRequested(request))
                }
                // Asking again is harmless.
                OperationState::Cancelled => return Ok(operation),
                OperationState::Succeeded
                | OperationState::Failed
                | OperationState::Interrupted
                | OperationState::Unspecified => return Err(CancelError::Ended { operation_id, state }),
            };
            match inner
                .journal
                .append(Append {
                    expect: Some(state),
                    ..append
                })
                .await
            {
                Ok(appended) => {
                    if state == OperationState::Pending {
                        inner.platform.events.report(&Event::ended(&appended.operation));
                    }
                    let live = inner.live().get(&operation_id).cloned().unwrap_or_default();
                    match state {
                        OperationState::Pending => live.cancelled.cancel(),
                        _ => {
                            let answers_false = inner.settings.get().operations.cancel_answers_false;
                            live.abort.store(answers_false, Ordering::Relaxed);
                            live.asked.store(true, Ordering::Relaxed);
                        }
                    }
                    tracing::info!(%operation_id, principal, state = state.as_str_name(), "Cancellation recorded");
                    return Ok(appended.operation);
                }
                // It has moved on since it was read: look again.
                Err(AppendError::Unexpected { .. }) => {}
                Err(error) => return Err(CancelError::Append(error)),
            }
        }
    }

    /// An operation as it stands. The journal has what was in its way when it began to wait; this names what is in its way now.
    pub fn as_it_stands(&self, mut operation: v1::Operation) -> v1::Operation {
        if let Some(pending) = &mut operation.pending
            && pending.reason() == PendingReason::Busy
            && let Some(blocking) = self.0.schedule.blocks(&operation.operation_id)
        {
            pending.blocking_operation_id = blocking;
        }
        operation
    }

    /// Waits until no operation runs. Those that wait for their turn stay PENDING for the next start.
    pub async fn settle(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// The operations that have not ended, for the log of a stop that takes too long.
    pub fn unsettled(&self) -> Vec<Uuid> {
        self.0.live().keys().copied().collect()
    }

    /// The names of the clusters that operations were about and that were not destroyed.
    pub fn known_clusters(&self) -> Vec<String> {
        self.0.known().values().cloned().collect()
    }

    /// The observed clusters.
    pub fn clusters(&self) -> &Clusters {
        &self.0.clusters
    }

    /// The cluster API.
    pub fn api(&self) -> &Clusapi {
        &self.0.api
    }

    /// Where searches of the journal run.
    pub fn searches(&self) -> &Blocking {
        &self.0.searches
    }

    /// Where reads of clusters run that callers ask for.
    pub fn reads(&self) -> &Blocking {
        &self.0.reads
    }

    /// Where all clusters are read for a list.
    pub fn lists(&self) -> &Blocking {
        &self.0.lists
    }

    /// Where looks at clusters run on behalf of operations, which no read holds up.
    pub(super) fn blocking(&self) -> &Blocking {
        &self.0.blocking
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    pub(super) fn supervise(&self, supervised: Supervised) {
        if supervised.call.needs_cluster() {
            self.0.remember(&supervised.cluster);
        }
        self.0.live().insert(supervised.operation_id, Live::default());
        let engine = self.clone();
        let supervision = async move {
            let operation_id = supervised.operation_id;
            supervised.run(&engine.0).await;
            engine.0.live().remove(&operation_id);
        };
        self.0.tasks.spawn_on(supervision, &self.0.runtime);
    }

    fn requested(&self, start: &Start, request: Option<&RequestKey>) -> Result<Option<Started>, StartError> {
        let Some(request) = request else { return Ok(None) };
        match self.0.journal.requested(request) {
            // It was the caller's, who may have been given less since.
            Ok(Some(found)) if !start.reach.scope.holds(&found.cluster) => Err(StartError::OutOfReach {
                permission: start.reach.permission,
                cluster: start.call.cluster().into(),
            }),
            Ok(found) => Ok(found.map(|operation| Started::Operation(id_of(&operation)))),
            Err(error) => Err(StartError::not_accepted(error, &request.request_id)),
        }
    }

    /// Asks the cluster API itself, where it has a call that only checks (facts 1.7).
    async fn native_check(
        &self,
        call: &Parameters,
        principal: &str,
        cluster: &str,
    ) -> Result<Option<v1::NativeStatus>, StartError> {
        if call.kind() != OperationKind::UpgradeFunctionalLevel {
            return Ok(None);
        }
        let check = |cluster: Cluster| cluster.upgrade_functional_level(false, |_phase| Answer::Continue);
        self.look("wsfcd-check", principal, cluster, check).await?;
        Ok(Some(crate::native::status(0)))
    }

    /// Opens a cluster and looks at it on a thread of its own, in bounded time.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        thread: &str,
        principal: &str,
        name: &str,
        look: impl FnOnce(Cluster) -> Result<T, wsfc_clusapi::Error> + Send + 'static,
    ) -> Result<T, StartError> {
        let (api, cluster) = (self.0.api.clone(), name.to_owned());
        let looking = self
            .0
            .blocking
            .run_for(principal, thread, move || look(open(&api, &cluster)?));
        let seen = tokio::time::timeout(LOOK, looking)
            .await
            .map_err(|_elapsed| StartError::TimedOut {
                cluster: name.into(),
                limit: LOOK,
            })?;
        seen?.map_err(|source| StartError::Cluster {
            cluster: name.into(),
            source,
        })
    }

    fn settle_time(&self, start: &Start) -> Result<Duration, StartError> {
        let Some(asked) = &start.settle_time else {
            return Ok(self.0.settings.get().operations.create_settle);
        };
        validate::duration(asked, validate::MAX_WAIT).map_err(|description| {
            StartError::Invalid(vec![FieldViolation {
                field: "settle_time".into(),
                description,
            }])
        })
    }
}

impl Inner {
    pub(super) fn live(&self) -> MutexGuard<'_, HashMap<Uuid, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn created(&self) -> MutexGuard<'_, HashMap<String, SystemTime>> {
        self.created.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the last record of an operation, and reports its end once that is durable.
    pub(super) async fn conclude(&self, outcome: Append) -> Result<(), AppendError> {
        let appended = self.journal.append(outcome).await?;
        self.platform.events.report(&Event::ended(&appended.operation));
        Ok(())
    }

    pub(super) fn remember(&self, cluster: &str) {
        self.known().insert(cluster_key(cluster), cluster.into());
    }

    pub(super) fn forget(&self, cluster: &str) {
        self.known().remove(&cluster_key(cluster));
    }
}

/// Whether the cluster was there after an operation.
pub(super) fn was_found(outcome: Option<&v1::OperationOutcome>) -> bool {
    outcome
        .and_then(|outcome| outcome.inspection.as_ref())
        .is_some_and(|inspection| inspection.cluster_found)
}

/// The id of an operation of the journal, which made it from a UUID.
pub(super) fn id_of(operation: &v1::Operation) -> Uuid {
    Uuid::try_parse(&operation.operation_id).unwrap_or_default()
}
