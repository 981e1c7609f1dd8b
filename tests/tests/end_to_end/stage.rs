//! A cluster as it is found in a machine room, with somebody who changes it and somebody who watches.

use wsfc_client::v1::event::Event;
use wsfc_client::v1::inventory_object::Object;
use wsfc_client::v1::{self, ChangeType, ClusterEvent, OperationOutcome};
use wsfc_client::{Client, Error, Parameters, Reason, Watch, WatchItem};
use wsfc_simulator::Scenario;
use wsfc_tests::TestDaemon;
use wsfc_tests::records::{assert_failed, assert_succeeded, outcome_of, soon, to_the_end};

/// The name of the cluster.
pub const CLUSTER: &str = "prod";

/// A daemon that observes the cluster of the scenario `production`.
pub struct Stage {
    pub daemon: TestDaemon,
    pub client: Client,
    watch: Watch,
}

impl Stage {
    /// The cluster as the scenario has it; things take no time.
    pub async fn production() -> Self {
        Self::with(|_scenario| {}).await
    }

    /// The cluster with something changed before it begins.
    pub async fn with(change: impl FnOnce(&mut Scenario)) -> Self {
        let mut scenario = Scenario::builtin("production").unwrap();
        scenario.timing.scale = 0.0;
        change(&mut scenario);
        let daemon = TestDaemon::builder(scenario).observing().start().await;
        let client = daemon.client();
        let request = v1::WatchRequest {
            cluster: CLUSTER.into(),
            snapshot: true,
            ..Default::default()
        };
        let mut watch = client.watch(request);
        // Whatever changes from here on is seen.
        soon("the snapshot", async {
            while !matches!(watch.next().await.unwrap().unwrap(), WatchItem::SnapshotComplete { .. }) {}
        })
        .await;
        Self { daemon, client, watch }
    }

    /// Does something that changes the cluster.
    pub async fn done(&self, parameters: impl Parameters) -> OperationOutcome {
        let outcome = self.succeeded(parameters).await;
        assert!(!outcome.unchanged, "nothing was changed: {outcome:?}");
        outcome
    }

    /// Does something that changes the cluster, and then again, when nothing is left to do.
    pub async fn done_once(&self, parameters: impl Parameters + Clone) -> OperationOutcome {
        let outcome = self.done(parameters.clone()).await;
        self.unchanged(parameters).await;
        outcome
    }

    /// Asks for what is so already.
    pub async fn unchanged(&self, parameters: impl Parameters) {
        let outcome = self.succeeded(parameters).await;
        assert!(outcome.unchanged, "something was changed: {outcome:?}");
    }

    async fn succeeded(&self, parameters: impl Parameters) -> OperationOutcome {
        let operation = self.client.start(parameters).await.unwrap();
        let records = to_the_end(&operation).await;
        assert_succeeded(&records);
        outcome_of(&records).clone()
    }

    /// Asks for what the cluster refuses with a code.
    pub async fn refused(&self, parameters: impl Parameters, code: u32) -> OperationOutcome {
        let operation = self.client.start(parameters).await.unwrap();
        let records = to_the_end(&operation).await;
        assert_failed(&records, code);
        outcome_of(&records).clone()
    }

    /// Asks for what the daemon does not even begin.
    pub async fn not_begun(&self, parameters: impl Parameters, reason: &Reason) -> Error {
        let error = self.client.start(parameters).await.map(drop).unwrap_err();
        assert_eq!(error.reason(), Some(reason), "{error:?}");
        error
    }

    /// Follows the watch to the next event that fits.
    pub async fn sees(&mut self, what: &str, mut fits: impl FnMut(&ClusterEvent) -> bool) -> ClusterEvent {
        soon(what, async {
            loop {
                if let WatchItem::Event(event) = self.watch.next().await.unwrap().unwrap()
                    && let Some(Event::Cluster(event)) = event.event
                    && fits(&event)
                {
                    return event;
                }
            }
        })
        .await
    }

    /// Follows the watch to the next event about an object that fits.
    pub async fn sees_object(&mut self, what: &str, fits: impl Fn(&Object) -> bool) -> ClusterEvent {
        self.sees(what, |event| object(event).is_some_and(&fits)).await
    }

    /// Follows the watch until an object that fits is gone.
    pub async fn sees_gone(&mut self, what: &str, fits: impl Fn(&Object) -> bool) {
        self.sees(what, |event| {
            changed(event, ChangeType::Removed) && object(event).is_some_and(&fits)
        })
        .await;
    }

    /// The end of the daemon, whose log is judged.
    pub async fn finish(self) {
        let Self { daemon, watch, .. } = self;
        drop(watch);
        daemon.finish().await;
    }
}

/// The object of an event.
pub fn object(event: &ClusterEvent) -> Option<&Object> {
    event.object.as_ref()?.object.as_ref()
}

/// Whether an event tells of this change.
pub fn changed(event: &ClusterEvent, change: ChangeType) -> bool {
    event.changes().any(|told| told == change)
}
