//! What a daemon that ended has left behind, at the start of the next one.

use std::sync::Arc;

use wsfc_proto::v1;
use wsfc_proto::v1::operation_record::Payload;
use wsfc_proto::v1::{OperationKind, OperationState, PendingReason};

use super::call::{self, Call as _, locks};
use super::engine::{Engine, id_of, was_found};
use super::outcome::never_made;
use super::schedule::WhenBusy;
use super::supervise::Supervised;
use crate::events::Event;
use crate::journal::{Append, AppendError};

impl Engine {
    /// Settles what a daemon that ended left behind: what was running is INTERRUPTED, with a look at the cluster; what
    /// was waiting waits again.
    ///
    /// # Errors
    ///
    /// The journal takes nothing new.
    pub async fn recover(&self, unfinished: &[Arc<v1::Operation>]) -> Result<(), AppendError> {
        self.remember_clusters();
        let pending = |operation: &&Arc<v1::Operation>| operation.state() == OperationState::Pending;
        if !unfinished.is_empty() {
            let pending = unfinished.iter().filter(pending).count();
            self.0.platform.events.report(&Event::JournalRecovered {
                interrupted: unfinished.len() - pending,
                pending,
            });
        }
        let mut looks = tokio::task::JoinSet::new();
        for operation in unfinished {
            if operation.state() == OperationState::Running {
                let (engine, operation) = (self.clone(), Arc::clone(operation));
                looks.spawn(async move { engine.interrupt(&operation).await });
            }
        }
        while let Some(look) = looks.join_next().await {
            match look {
                Ok(recorded) => recorded?,
                Err(error) => tracing::error!(%error, "The look at an interrupted operation panicked"),
            }
        }
        for operation in unfinished.iter().filter(pending) {
            self.take_up(operation).await?;
        }
        Ok(())
    }

    /// Takes up an operation that was waiting when the daemon ended.
    async fn take_up(&self, operation: &v1::Operation) -> Result<(), AppendError> {
        let inner = &self.0;
        let operation_id = id_of(operation);
        let lost = |reason, text| {
            let outcome = never_made(OperationState::Interrupted, reason, text);
            inner.conclude(Append::new(operation_id, Payload::Outcome(outcome)))
        };
        if operation.with_credentials {
            let text =
                "The daemon ended while the operation waited; its credentials were never stored, so it was not begun.";
            lost(wsfc_proto::reasons::CREDENTIALS_LOST, text).await?;
            return Ok(());
        }
        let Some(call) = call::of(operation).cloned() else {
            let text = "The operation has no parameters that this daemon understands, so it was not begun.";
            lost(wsfc_proto::reasons::OPERATION_INTERRUPTED, text).await?;
            return Ok(());
        };
        let keys = locks(&call, &operation.cluster, &operation.target, &operation.hosts);
        let (id, principal) = (&operation.operation_id, &operation.principal);
        if let Ok(place) = inner.schedule.enter(id, principal, keys, WhenBusy::WaitAnyhow) {
            tracing::info!(%operation_id, "Operation taken up again");
            self.supervise(Supervised {
                operation_id,
                call,
                cluster: operation.cluster.clone(),
                target: operation.target.clone(),
                hosts: operation.hosts.clone(),
                credentials: None,
                secret: None,
                settle: operation
                    .settle_time
                    .and_then(|settle| settle.try_into().ok())
                    .unwrap_or_else(|| inner.settings.get().operations.create_settle),
                told: operation
                    .pending
                    .as_ref()
                    .is_some_and(|pending| pending.reason() == PendingReason::Busy),
                place,
            });
        }
        Ok(())
    }

    /// Learns from the journal which clusters there were.
    fn remember_clusters(&self) {
        let all = self
            .0
            .journal
            .operations(None, usize::MAX, |_all| true)
            .map(|page| page.operations)
            .inspect_err(|error| tracing::error!(%error, "The clusters of earlier operations cannot be read"));
        // The oldest first, so that a later destruction is remembered and an earlier creation forgotten.
        for operation in all.unwrap_or_default().iter().rev() {
            if let Some(call) = call::of(operation) {
                if call.needs_cluster() || was_found(operation.outcome.as_ref()) {
                    self.0.remember(&operation.cluster);
                }
                if call.kind() == OperationKind::DestroyCluster && operation.state() == OperationState::Succeeded {
                    self.0.forget(&operation.cluster);
                }
            }
        }
    }
}
