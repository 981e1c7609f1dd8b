//! Verbs as operations of a daemon over a simulated machine room.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use wsfc_proto::v1;
use wsfc_proto::v1::operation_record::Payload;
use wsfc_proto::v1::{OperationState, PendingReason};
use wsfc_simulator::{Point, Simulation};

use super::call::Parameters as P;
use super::start::{Start, StartError, Started};
use crate::access::policy::Reach;
use crate::cluster_api::{self, Connected};
use crate::daemon::Daemon;
use crate::platform::Platform;
use crate::settings::Settings;

struct World {
    simulation: Simulation,
    daemon: Daemon,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings {
            data_dir: folder.path().into(),
            ..Settings::default()
        };
        settings.listen.address = ([127, 0, 0, 1], 0).into();
        let simulation = cluster_api::simulation("production", None).unwrap();
        let Connected { api, hosts } = Connected::simulated(simulation.clone());
        let platform = Platform {
            hosts,
            ..Platform::system()
        };
        Self {
            simulation,
            daemon: Daemon::start(settings, api, platform).await.unwrap(),
            _folder: folder,
        }
    }

    async fn start(&self, call: P, change: impl FnOnce(&mut Start)) -> Result<Started, StartError> {
        let mut start = Start {
            call,
            credentials: None,
            witness_secret: None,
            options: v1::StartOptions::default(),
            settle_time: None,
            principal: "local".into(),
            reach: Reach::everywhere(),
        };
        change(&mut start);
        self.daemon.core().engine.start(start).await
    }

    async fn begin(&self, call: P) -> uuid::Uuid {
        match self.start(call, |_start| {}).await.unwrap() {
            Started::Operation(id) => id,
            Started::Validated(_) => panic!("an operation was asked for"),
        }
    }

    /// The records of an operation, to its end.
    async fn records(&self, id: uuid::Uuid) -> Vec<v1::OperationRecord> {
        let mut cursor = self.daemon.core().engine.journal().lane().cursor(id, 0).unwrap();
        let mut records = Vec::new();
        while let Some(batch) = std::future::poll_fn(|context| cursor.poll_next(context)).await {
            records.extend(
                v1::WatchOperationResponse::decode(batch.unwrap().bytes)
                    .unwrap()
                    .records,
            );
        }
        records
    }

    /// Lets moves stand still in the cluster until they are released, and gives the place where they stand: as quick as
    /// this world is, a move could be over before the test has done what it does meanwhile.
    fn hold_moves(&self) -> Point {
        let point = Point::entry("MoveClusterGroupEx");
        self.simulation.hold(point.clone());
        point
    }

    fn operation(&self, id: uuid::Uuid) -> Arc<v1::Operation> {
        self.daemon.core().engine.journal().operation(id).unwrap()
    }
}

fn move_to(group: &str, node: &str) -> P {
    P::MoveGroup(v1::MoveGroupParameters {
        cluster: "prod".into(),
        group: group.into(),
        node: node.into(),
        ..Default::default()
    })
}

#[tokio::test]
async fn a_verb_is_an_operation_with_each_state_on_the_way() {
    let world = World::new().await;
    let id = world.begin(move_to("FILES", "hv4")).await;
    let records = world.records(id).await;
    let operation = world.operation(id);
    let outcome = operation.outcome.as_ref().unwrap();
    assert_eq!(operation.state(), OperationState::Succeeded, "{outcome:?}");
    assert_eq!(operation.target, "Files", "the object goes by its own name");
    assert!(outcome.inspection.is_none());
    let state = outcome.final_state.as_ref().unwrap();
    assert_eq!((state.state.as_str(), state.owner_node.as_str()), ("ONLINE", "hv4"));
    let states: Vec<_> = records
        .iter()
        .filter_map(|record| match &record.payload {
            Some(Payload::StateChanged(changed)) => Some(changed.state.as_str()),
            _ => None,
        })
        .collect();
    assert!(states.contains(&"PENDING"), "{states:?}");
    assert_eq!(states.last(), Some(&"ONLINE"));
    world.daemon.stop().await;
}

#[tokio::test]
async fn verbs_on_one_object_wait_and_on_others_run_beside() {
    let world = World::new().await;
    let point = world.hold_moves();
    let first = world.begin(move_to("Files", "hv4")).await;
    let again = world.begin(move_to("files", "hv3")).await;
    let beside = world.begin(move_to("DC2", "hv4")).await;
    // The first move and the one of the other group are in the cluster at the same time.
    let (simulation, both) = (world.simulation.clone(), point.clone());
    let both_came = tokio::task::spawn_blocking(move || simulation.wait_reached(&both, 2, Duration::from_secs(60)));
    assert!(both_came.await.unwrap());
    world.simulation.release(&point);
    let mut waited = false;
    for record in world.records(again).await {
        if let Some(Payload::Pending(pending)) = record.payload {
            waited = pending.reason() == PendingReason::Busy && pending.blocking_operation_id == first.to_string();
        }
    }
    assert!(waited);
    let pending = world.records(beside).await;
    assert!(
        !pending
            .iter()
            .any(|record| matches!(record.payload, Some(Payload::Pending(_))))
    );
    world.daemon.stop().await;
}

#[tokio::test]
async fn a_check_starts_nothing_and_says_what_would_be_refused() {
    let world = World::new().await;
    let only = |start: &mut Start| start.options.validate_only = true;
    let validated = world.start(move_to("Files", "hv4"), only).await.unwrap();
    assert!(matches!(validated, Started::Validated(report) if report.warnings.is_empty()));
    let validated = world.start(move_to("Files", "hv3"), only).await.unwrap();
    assert!(matches!(validated, Started::Validated(report) if report.warnings.len() == 1));
    let delete = P::DeleteGroup(v1::DeleteGroupParameters {
        cluster: "prod".into(),
        group: "Files".into(),
        ..Default::default()
    });
    let refused = world.start(delete, only).await.unwrap_err();
    assert!(matches!(refused, StartError::Cluster { source, .. } if source.code().unwrap().0 == 145));
    let page = world
        .daemon
        .core()
        .engine
        .journal()
        .operations(None, 9, |_all| true)
        .unwrap();
    assert!(page.operations.is_empty());
    world.daemon.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_refused_before_the_start_unless_it_shall_go() {
    let world = World::new().await;
    let refused = world.start(move_to("no such", "hv1"), |_start| {}).await.unwrap_err();
    assert!(matches!(refused, StartError::NoObject { name, .. } if name == "no such"));
    let delete = P::DeleteGroup(v1::DeleteGroupParameters {
        cluster: "prod".into(),
        group: "no such".into(),
        ..Default::default()
    });
    let id = world.begin(delete).await;
    world.records(id).await;
    assert!(world.operation(id).outcome.as_ref().unwrap().unchanged);
    world.daemon.stop().await;
}

#[tokio::test]
async fn a_revision_that_was_not_seen_is_a_conflict() {
    let world = World::new().await;
    let set = P::SetProperties(v1::SetPropertiesParameters {
        cluster: "prod".into(),
        kind: v1::ObjectKind::Group.into(),
        name: "Files".into(),
        properties: vec![v1::Property {
            name: "Priority".into(),
            value: Some(v1::PropertyValue {
                value: Some(v1::property_value::Value::Dword(1_000)),
            }),
            ..Default::default()
        }],
        expected_revision: Some(u64::MAX),
        ..Default::default()
    });
    let refused = world.start(set, |_start| {}).await.unwrap_err();
    assert!(matches!(refused, StartError::RevisionConflict { .. }), "{refused:?}");
    world.daemon.stop().await;
}

#[tokio::test]
async fn the_secret_of_a_witness_is_in_no_record() {
    let world = World::new().await;
    let set = P::SetQuorum(v1::SetQuorumParameters {
        cluster: "prod".into(),
        r#type: v1::QuorumType::CloudWitness.into(),
        account_name: "store".into(),
        ..Default::default()
    });
    let refused = world.start(set.clone(), |_start| {}).await.unwrap_err();
    assert!(matches!(refused, StartError::Invalid(faults) if faults[0].field == "witness_secret"));
    let secret = v1::WitnessSecret {
        access_key: "c2VjcmV0LWtleQ==".into(),
    };
    let started = world
        .start(set, |start| start.witness_secret = Some(secret))
        .await
        .unwrap();
    let Started::Operation(id) = started else {
        panic!("an operation was asked for")
    };
    let records = world.records(id).await;
    let operation = world.operation(id);
    assert_eq!(operation.state(), OperationState::Succeeded, "{:?}", operation.outcome);
    assert!(operation.with_credentials);
    for record in records {
        let bytes = record.encode_to_vec();
        assert!(!bytes.windows(8).any(|part| part == b"c2VjcmV0"), "{record:?}");
    }
    world.daemon.stop().await;
}

#[tokio::test]
async fn a_running_move_can_be_cancelled() {
    let world = World::new().await;
    let engine = &world.daemon.core().engine;
    let point = world.hold_moves();
    let id = world.begin(move_to("SQL Server (PROD)", "hv2")).await;
    let mut cursor = engine.journal().lane().cursor(id, 1).unwrap();
    let second = std::future::poll_fn(|context| cursor.poll_next(context)).await;
    assert!(matches!(second, Some(Ok(_started))));
    assert!(world.operation(id).cancelable);
    let asked = engine.cancel(id, "local").await.unwrap();
    assert!(asked.cancel_requested && !asked.cancelable);
    world.simulation.release(&point);
    let ended = tokio::time::timeout(Duration::from_secs(60), world.records(id))
        .await
        .unwrap();
    assert!(matches!(ended.last().unwrap().payload, Some(Payload::Outcome(_))));
    world.daemon.stop().await;
}
