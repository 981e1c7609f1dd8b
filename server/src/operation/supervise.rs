//! One operation, from accepted to ended: it waits for its turn, runs, and its outcome is recorded.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prost::Message as _;
use tokio::sync::oneshot;
use uuid::Uuid;
use wsfc_clusapi::{Credentials, Secret};
use wsfc_proto::reasons;
use wsfc_proto::v1;
use wsfc_proto::v1::operation_record::Payload;
use wsfc_proto::v1::{ObjectKind, OperationKind, OperationState, PendingReason};

use super::call::{self, Call as _, Parameters, cluster_key, locks};
use super::engine::{Engine, Inner, Live, id_of, was_found};
use super::execute::{Execution, Finished, execute, states};
use super::inspect::{inspect, open_by_any_name};
use super::outcome::{Cancellation, Evidence, Returned, conclude, interrupted, never_made, verb_interrupted};
use super::schedule::Place;
use super::validate::MAX_WAIT;
use crate::events::Event;
use crate::journal::{Append, AppendError, Journal, MAX_BATCH_BYTES, ReadError};

/// How long the look at an interrupted operation may take before the daemon goes on without it: it must be settled five
/// seconds after the start (promise P13).
const INSPECTION: Duration = Duration::from_secs(4);

/// How often a settling cluster's remaining time is recorded: this many times in all.
const SETTLE_STEPS: u32 = 6;

/// An operation and its place in the schedule.
pub(super) struct Supervised {
    pub(super) operation_id: Uuid,
    pub(super) call: Parameters,
    /// The cluster's own name.
    pub(super) cluster: String,
    /// The object, by its own name.
    pub(super) target: String,
    /// The hosts that it configures.
    pub(super) hosts: Vec<String>,
    pub(super) credentials: Option<Credentials>,
    /// What opens a cloud witness.
    pub(super) secret: Option<Secret>,
    /// AddNode: the shortest time since a CreateCluster.
    pub(super) settle: Duration,
    /// That it waits for others is what its last record says.
    pub(super) told: bool,
    pub(super) place: Place,
}

/// Why an operation does not run, or not now.
enum Left {
    /// The daemon stops; the operation stays PENDING.
    Stopping,
    /// It was cancelled, and that is recorded.
    Cancelled,
    /// The journal would not take a record.
    Refused(AppendError),
}

impl Supervised {
    /// Sees the operation through. Everything that can be said is in the journal when this returns.
    pub(super) async fn run(mut self, engine: &Arc<Inner>) {
        let operation_id = self.operation_id;
        let live = engine.live().get(&operation_id).cloned().unwrap_or_default();
        match self.wait_for_turn(engine, &live).await {
            Ok(()) => self.execute(engine, live).await,
            Err(Left::Stopping) => tracing::info!(%operation_id, "Operation stays pending for the next start"),
            Err(Left::Cancelled) => tracing::info!(%operation_id, "Operation cancelled before it began"),
            Err(Left::Refused(error)) => {
                tracing::error!(%operation_id, %error, "Operation cannot go on because the journal takes no record of it");
                if !matches!(error, AppendError::Failed(_)) {
                    self.give_up(engine, &error).await;
                }
            }
        }
    }

    /// Ends an operation that cannot begin, so that nobody waits for it for ever.
    async fn give_up(&self, engine: &Inner, error: &AppendError) {
        let text = format!("The operation could not begin, which is a defect of the daemon: {error}.");
        let outcome = never_made(OperationState::Failed, reasons::INTERNAL, &text);
        let append = Append::new(self.operation_id, Payload::Outcome(outcome));
        if let Err(error) = engine.conclude(append).await {
            tracing::error!(operation_id = %self.operation_id, %error, "The end of the operation could not be recorded");
        }
    }

    /// Waits until nothing is in the way, and records why while it waits; then takes the locks, durably.
    async fn wait_for_turn(&mut self, engine: &Inner, live: &Live) -> Result<(), Left> {
        loop {
            self.wait_for_others(engine, live).await?;
            // Others may have passed while it let the cluster settle.
            let has_settled = self.let_cluster_settle(engine, live).await?;
            if engine.stop.is_cancelled() {
                return Err(Left::Stopping);
            }
            if !has_settled && self.place.begin() {
                break;
            }
        }
        let started = v1::OperationStarted {
            function: self.call.function().into(),
        };
        let append = Append {
            expect: Some(OperationState::Pending),
            take_locks: locks(&self.call, &self.cluster, &self.target, &self.hosts),
            ..Append::new(self.operation_id, Payload::Started(started))
        };
        let started = engine.journal.append(append).await.map_err(left)?;
        engine.platform.events.report(&Event::begun(&started.operation));
        Ok(())
    }

    /// Waits for the operations in the way. That it does is recorded once: a record for each departure would be as many as the
    /// square of those that wait.
    async fn wait_for_others(&mut self, engine: &Inner, live: &Live) -> Result<(), Left> {
        let Some(blocking) = self.place.blocked_by() else {
            return Ok(());
        };
        if !self.told {
            let pending = v1::OperationPending {
                reason: PendingReason::Busy.into(),
                blocking_operation_id: blocking,
                ..v1::OperationPending::default()
            };
            self.pend(engine, pending).await?;
            self.told = true;
        }
        tokio::select! {
            () = self.place.turn() => Ok(()),
            () = live.cancelled.cancelled() => Err(Left::Cancelled),
            () = engine.stop.cancelled() => Err(Left::Stopping),
            _failed = engine.journal.failure() => Err(Left::Stopping),
        }
    }

    /// The documented 30 seconds between a CreateCluster and the first AddClusterNode (facts 1.3). Only its cluster is held
    /// meanwhile. True after a wait.
    async fn let_cluster_settle(&mut self, engine: &Inner, live: &Live) -> Result<bool, Left> {
        let created = engine.created().get(&cluster_key(&self.cluster)).copied();
        let (OperationKind::AddNode, Some(created)) = (self.call.kind(), created) else {
            return Ok(false);
        };
        let until = created + self.settle;
        let mut has_waited = false;
        let step = (self.settle / SETTLE_STEPS).max(Duration::from_millis(100));
        loop {
            // A clock that was set back must not make the wait longer than the whole pause.
            let remaining = until
                .duration_since(engine.platform.clock.now())
                .unwrap_or_default()
                .min(self.settle);
            if remaining.is_zero() {
                if has_waited {
                    self.place.step_back();
                }
                return Ok(has_waited);
            }
            if !has_waited {
                self.place.stand_aside();
                (has_waited, self.told) = (true, false);
            }
            let pending = v1::OperationPending {
                reason: PendingReason::ClusterSettling.into(),
                until: Some(prost_types::Timestamp::from(until)),
                remaining: prost_types::Duration::try_from(remaining).ok(),
                ..v1::OperationPending::default()
            };
            self.pend(engine, pending).await?;
            tokio::select! {
                () = tokio::time::sleep(remaining.min(step)) => {}
                () = live.cancelled.cancelled() => return Err(Left::Cancelled),
                () = engine.stop.cancelled() => return Err(Left::Stopping),
                _failed = engine.journal.failure() => return Err(Left::Stopping),
            }
        }
    }

    async fn pend(&self, engine: &Inner, pending: v1::OperationPending) -> Result<(), Left> {
        let append = Append {
            expect: Some(OperationState::Pending),
            ..Append::new(self.operation_id, Payload::Pending(pending))
        };
        engine.journal.append(append).await.map(drop).map_err(left)
    }

    /// Makes the call on a thread of its own and records what came of it.
    async fn execute(self, engine: &Arc<Inner>, live: Live) {
        let Self {
            operation_id,
            call,
            cluster,
            hosts,
            credentials,
            secret,
            place,
            ..
        } = self;
        tracing::info!(%operation_id, function = call.function(), cluster, "Operation begins");
        let (answer, answered) = oneshot::channel();
        let execution = Execution {
            call: call.clone(),
            cluster: cluster.clone(),
            hosts,
            credentials,
            secret,
            abort: Arc::clone(&live.abort),
            asked: Arc::clone(&live.asked),
            limit: engine.settings.get().operations.verb_timeout,
            clock: Arc::clone(&engine.platform.clock),
            services: Arc::clone(&engine.platform.hosts),
        };
        let (api, sink) = (engine.api.clone(), engine.journal.progress(operation_id));
        let work = Box::new(move || {
            // Nobody takes the answer only when the daemon has ended.
            let _ = answer.send(execute(&api, execution, sink));
        });
        let outcome = match engine.platform.threads.spawn("wsfcd-operation", work) {
            Ok(()) => match answered.await {
                Ok(finished) => conclude_on_evidence(engine, operation_id, &call, finished).await,
                // The call may have done its work: nothing is known.
                Err(_panicked) => {
                    let unknown = Finished {
                        returned: Returned::Panicked,
                        inspection: None,
                    };
                    conclude_on_evidence(engine, operation_id, &call, unknown).await
                }
            },
            Err(error) => {
                let text = format!("No thread could be started for the call: {error}.");
                never_made(OperationState::Failed, reasons::INTERNAL, &text)
            }
        };
        let succeeded = outcome.state() == OperationState::Succeeded;
        tracing::info!(
            %operation_id,
            state = outcome.state().as_str_name(),
            partial = outcome.partial,
            reason = outcome.reason,
            "Operation ended"
        );
        let settle = engine.begin_to_settle(&call, &cluster, &outcome);
        let (found, destroyed) = (
            was_found(Some(&outcome)),
            succeeded && call.kind() == OperationKind::DestroyCluster,
        );
        if found {
            engine.remember(&cluster);
        } else if destroyed {
            engine.forget(&cluster);
        }
        // Whoever hears the outcome finds it in the inventory.
        if succeeded && let Some((name, is_there)) = call.leaves() {
            engine.clusters.hear_of(&cluster, call.object(), name, is_there).await;
        }
        let append = Append {
            settle,
            ..Append::new(operation_id, Payload::Outcome(outcome))
        };
        if let Err(error) = engine.conclude(append).await {
            tracing::error!(%operation_id, %error, "The outcome could not be recorded; it will be found out at the next start");
        }
        if call.object() == ObjectKind::AffinityRule {
            // Servers that do not know rules among the objects of notifications (facts 4.2) tell nobody else.
            engine.clusters.changed(&cluster, ObjectKind::AffinityRule);
        }
        if found {
            engine.clusters.noticed(&cluster);
        } else if destroyed {
            // While the cluster is locked, so that none of the same name is made meanwhile.
            engine.clusters.destroyed(&cluster).await;
        }
        drop(place);
    }
}

impl Engine {
    /// Records that a call was running when the daemon ended, and what the cluster looks like now.
    pub(super) async fn interrupt(&self, operation: &v1::Operation) -> Result<(), AppendError> {
        let operation_id = id_of(operation);
        let outcome = match call::of(operation).cloned() {
            None => never_made(
                OperationState::Interrupted,
                reasons::OPERATION_INTERRUPTED,
                "The operation has no parameters that this daemon understands.",
            ),
            Some(call) if !call.is_setup() => verb_interrupted(&call, self.final_state(operation, &call).await),
            Some(call) => {
                let (api, cluster, hosts) = (self.api().clone(), operation.cluster.clone(), operation.hosts.clone());
                let look = self
                    .blocking()
                    .run("wsfcd-inspect", move || inspect(&api, &cluster, &hosts));
                let inspection = match tokio::time::timeout(INSPECTION, look).await {
                    Ok(Ok(inspection)) => Some(inspection),
                    Ok(Err(error)) => {
                        tracing::error!(%operation_id, %error, "The cluster could not be inspected");
                        None
                    }
                    Err(_elapsed) => {
                        tracing::warn!(%operation_id, "The cluster did not answer the inspection in time");
                        None
                    }
                };
                interrupted(&call, evidence(self.journal(), operation_id), inspection)
            }
        };
        tracing::warn!(%operation_id, what = outcome.message, "Operation was interrupted by the end of the daemon");
        let settle = call::of(operation).and_then(|call| self.0.begin_to_settle(call, &operation.cluster, &outcome));
        let append = Append {
            settle,
            ..Append::new(operation_id, Payload::Outcome(outcome))
        };
        self.0.conclude(append).await
    }
}

impl Inner {
    /// Lets a cluster settle from now on when it was formed, as far as is known: by a call that succeeded, or by one that was
    /// cut off and whose cluster was found. Gives what the journal is to keep of it.
    fn begin_to_settle(
        &self,
        call: &Parameters,
        cluster: &str,
        outcome: &v1::OperationOutcome,
    ) -> Option<(String, SystemTime)> {
        let is_formed = match outcome.state() {
            OperationState::Succeeded => true,
            OperationState::Interrupted => was_found(Some(outcome)),
            _ => false,
        };
        if !is_formed || call.kind() != OperationKind::CreateCluster {
            return None;
        }
        let (key, created) = (cluster_key(cluster), self.platform.clock.now());
        self.created().insert(key.clone(), created);
        // Kept for the longest pause that a request can ask for.
        Some((key, created + MAX_WAIT))
    }
}

impl Engine {
    /// Where the object of a verb stands, for the outcome of one that was interrupted.
    async fn final_state(&self, operation: &v1::Operation, call: &Parameters) -> Option<v1::ObjectStateChanged> {
        let operation_id = id_of(operation);
        let (api, cluster, target) = (self.api().clone(), operation.cluster.clone(), operation.target.clone());
        let (named, kind) = (call.cluster().to_owned(), call.object());
        let look = self.blocking().run("wsfcd-inspect", move || {
            let cluster = open_by_any_name(&api, &cluster, &[named])?;
            states::of_object(&cluster, kind, &target)
        });
        match tokio::time::timeout(INSPECTION, look).await {
            Ok(Ok(Ok(state))) => state,
            Ok(Ok(Err(error))) => {
                tracing::warn!(%operation_id, %error, "The object of the operation could not be read");
                None
            }
            Ok(Err(error)) => {
                tracing::error!(%operation_id, %error, "The object of the operation could not be read");
                None
            }
            Err(_elapsed) => {
                tracing::warn!(%operation_id, "The cluster did not answer the look at the object in time");
                None
            }
        }
    }
}

async fn conclude_on_evidence(
    engine: &Inner,
    operation_id: Uuid,
    call: &Parameters,
    finished: Finished,
) -> v1::OperationOutcome {
    // Every report is durable, so the records are the whole evidence.
    if let Err(error) = engine.journal.barrier().await {
        tracing::error!(%operation_id, %error, "The last reports could not be recorded");
    }
    let cancellation = engine.journal.operation(operation_id).map_or_else(
        |_unreadable| Cancellation::default(),
        |operation| Cancellation {
            requested: operation.cancel_requested,
            answered_false: engine.settings.get().operations.cancel_answers_false,
        },
    );
    let evidence = evidence(&engine.journal, operation_id);
    conclude(call, &finished.returned, evidence, finished.inspection, cancellation)
}

/// Reads all records of an operation for what they prove. What cannot be read proves nothing, and the log says so.
fn evidence(journal: &Journal, operation_id: Uuid) -> Evidence {
    let mut evidence = Evidence::default();
    let mut after = 0;
    loop {
        let batch = match journal.read(operation_id, after, MAX_BATCH_BYTES) {
            Ok(batch) if batch.count == 0 => return evidence,
            Ok(batch) => batch,
            Err(ReadError::Compacted { oldest }) => {
                after = oldest.saturating_sub(1);
                continue;
            }
            Err(error) => {
                tracing::error!(%operation_id, %error, "The records of the operation cannot be read");
                return evidence;
            }
        };
        after = batch.last;
        match v1::WatchOperationResponse::decode(batch.bytes) {
            Ok(message) => message.records.iter().for_each(|record| evidence.observe(record)),
            Err(error) => tracing::error!(%operation_id, %error, "Records of the operation cannot be decoded"),
        }
    }
}

fn left(error: AppendError) -> Left {
    match error {
        AppendError::Unexpected {
            state: OperationState::Cancelled,
        } => Left::Cancelled,
        AppendError::Unexpected { .. }
        | AppendError::LockHeld { .. }
        | AppendError::Illegal(_)
        | AppendError::NotFound
        | AppendError::Failed(_) => Left::Refused(error),
    }
}
