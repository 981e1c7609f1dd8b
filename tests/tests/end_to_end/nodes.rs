//! The calls that change nodes: pausing, draining, and starting and stopping their cluster service.

use wsfc_client::v1::{self, DrainState, FailbackChoice, NodeState, ObjectKind, OperationState};
use wsfc_client::{Cache, Client};
use wsfc_simulator::Incident;
use wsfc_tests::records::outcome_of;
use wsfc_tests::verbs::{changes, changes_once, final_state, names_nothing, refused, run, states, unchanged};
use wsfc_tests::watching::Follower;
use wsfc_tests::{TestDaemon, call, world};

async fn start() -> TestDaemon {
    TestDaemon::builder(world::production()).observing().start().await
}

/// Why a test about the cluster services of nodes is about a daemon in this process.
const SERVICES: &str = "the service managers of a simulated world are in the process that made it";

async fn node(client: &Client, name: &str) -> v1::Node {
    let request = v1::GetNodeRequest {
        node: name.into(),
        fresh: true,
        ..Default::default()
    };
    client.get_node(request).await.unwrap().node.unwrap()
}

async fn groups_on(client: &Client, node: &str) -> Vec<String> {
    let request = v1::ListGroupsRequest {
        owner_node: node.into(),
        fresh: true,
        page_size: 1_000,
        ..Default::default()
    };
    let groups = client.list_groups(request).await.unwrap().groups;
    groups.into_iter().map(|group| group.name).collect()
}

fn held_node<'c>(cache: &'c Cache, name: &str) -> Option<&'c v1::Node> {
    match &cache.find(ObjectKind::Node, name)?.object {
        Some(v1::inventory_object::Object::Node(node)) => Some(node),
        _ => None,
    }
}

fn is_owned_by(object: &v1::InventoryObject, node: &str) -> bool {
    matches!(&object.object, Some(v1::inventory_object::Object::Group(group)) if group.owner_node == node)
}

#[tokio::test]
async fn a_paused_node_keeps_its_groups_and_takes_none() {
    let daemon = start().await;
    let client = daemon.client();
    let before = groups_on(&client, "hv3").await;
    let records = changes_once(&client, call!(PauseNodeParameters { node: "HV3" })).await;
    let end = final_state(&records);
    assert_eq!(
        (end.kind(), end.name.as_str(), end.state.as_str()),
        (ObjectKind::Node, "hv3", "PAUSED")
    );
    assert_eq!(groups_on(&client, "hv3").await, before);
    assert_eq!(node(&client, "hv3").await.state(), NodeState::Paused);
    refused(
        &client,
        call!(MoveGroupParameters {
            group: "Web8",
            node: "hv3"
        }),
        70,
    )
    .await;
    let records = changes_once(&client, call!(ResumeNodeParameters { node: "hv3" })).await;
    assert_eq!(final_state(&records).state, "UP");
    changes(
        &client,
        call!(MoveGroupParameters {
            group: "Web8",
            node: "hv3"
        }),
    )
    .await;
    daemon.finish().await;
}

#[tokio::test]
async fn a_drain_moves_all_groups_away_and_a_resume_brings_them_back() {
    let mut scenario = world::production();
    // The drain takes long enough to be seen on its way, on a slow machine too.
    scenario.timing.scale = 1.0;
    let daemon = TestDaemon::builder(scenario).observing().start().await;
    let client = daemon.client();
    let mut follower = Follower::of_cluster(&client, "prod").await;
    let before = groups_on(&client, "hv3").await;
    assert!(before.len() > 3);
    let drain = call!(PauseNodeParameters {
        node: "hv3",
        drain: true
    });
    let records = changes_once(&client, drain).await;
    let end = final_state(&records);
    assert_eq!(
        (end.state.as_str(), end.drain_state()),
        ("PAUSED", DrainState::Completed)
    );
    let way: Vec<_> = states(&records).iter().map(|state| state.drain_state()).collect();
    assert!(way.contains(&DrainState::InProgress), "{way:?}");
    assert_eq!(way.last(), Some(&DrainState::Completed));
    assert!(groups_on(&client, "hv3").await.is_empty());
    follower
        .until_cache("the end of the drain", |cache| {
            held_node(cache, "hv3")
                .is_some_and(|node| node.drain_state() == DrainState::Completed && node.state() == NodeState::Paused)
        })
        .await;

    let resume = call!(ResumeNodeParameters {
        node: "hv3",
        failback: FailbackChoice::Immediately
    });
    let records = changes_once(&client, resume).await;
    assert_eq!(final_state(&records).state, "UP");
    // They move after the call.
    follower
        .until_cache("what was drained to be back", |cache| {
            let groups = cache.of_kind(ObjectKind::Group);
            let owned = groups.iter().filter(|group| is_owned_by(group, "hv3")).count();
            owned == before.len()
        })
        .await;
    assert_eq!(groups_on(&client, "hv3").await, before, "what was drained is back");
    daemon.finish().await;
}

#[tokio::test]
async fn drained_groups_go_to_the_target_and_stay_there_if_they_shall() {
    let daemon = start().await;
    let client = daemon.client();
    let before = groups_on(&client, "hv4").await;
    let to = groups_on(&client, "hv3").await;
    let drain = call!(PauseNodeParameters {
        node: "hv4",
        drain: true,
        drain_target: "hv3"
    });
    changes_once(&client, drain).await;
    let mut expected: Vec<_> = to.into_iter().chain(before).collect();
    expected.sort_by_key(|name| name.to_lowercase());
    let mut now = groups_on(&client, "hv3").await;
    now.sort_by_key(|name| name.to_lowercase());
    assert_eq!(now, expected);
    changes_once(&client, call!(ResumeNodeParameters { node: "hv4" })).await;
    assert!(
        groups_on(&client, "hv4").await.is_empty(),
        "nothing comes back unless it is asked for"
    );

    daemon
        .simulation()
        .happen(&Incident::KillMachine { machine: "hv2".into() });
    let down = call!(PauseNodeParameters {
        node: "hv3",
        drain: true,
        drain_target: "hv2"
    });
    refused(&client, down, 5_005).await;
    refused(&client, call!(ResumeNodeParameters { node: "hv2" }), 5_058).await;
    daemon.finish().await;
}

#[tokio::test]
async fn a_drain_that_cannot_move_a_group_fails_and_names_it() {
    let daemon = start().await;
    let client = daemon.client();
    // Only two nodes may own the database.
    changes(&client, call!(PauseNodeParameters { node: "hv2" })).await;
    let records = run(
        &client,
        call!(PauseNodeParameters {
            node: "hv1",
            drain: true
        }),
    )
    .await;
    let outcome = outcome_of(&records);
    let there = groups_on(&client, "hv1").await;
    assert_eq!(outcome.state(), OperationState::Failed, "{outcome:?} {there:?}");
    assert!(outcome.message.contains("SQL Server (PROD)"), "{outcome:?}");
    assert_eq!(final_state(&records).drain_state(), DrainState::Failed);
    assert!(there.contains(&"SQL Server (PROD)".to_owned()), "{there:?}");
    daemon.finish().await;
}

#[tokio::test]
async fn the_service_of_a_node_stops_and_starts_while_it_is_watched() {
    let builder = TestDaemon::builder(world::production()).observing();
    let Some(builder) = builder.in_process(SERVICES) else {
        return;
    };
    let daemon = builder.start().await;
    let client = daemon.client();
    let mut follower = Follower::of_cluster(&client, "prod").await;
    unchanged(&client, call!(StartNodeParameters { node: "hv4" })).await;
    let records = changes_once(&client, call!(StopNodeParameters { node: "hv4" })).await;
    assert_eq!(final_state(&records).state, "DOWN");
    follower
        .until_cache("the node to be down", |cache| {
            held_node(cache, "hv4").is_some_and(|node| node.state() == NodeState::Down && !node.vote_counts)
        })
        .await;
    assert!(groups_on(&client, "hv4").await.is_empty());
    let records = changes_once(&client, call!(StartNodeParameters { node: "HV4" })).await;
    assert_eq!(final_state(&records).state, "UP");
    follower
        .until_cache("the node to be up", |cache| {
            held_node(cache, "hv4").is_some_and(|node| node.state() == NodeState::Up && node.vote_counts)
        })
        .await;
    daemon.finish().await;
}

#[tokio::test]
async fn the_last_votes_are_not_taken_away_unless_by_force() {
    // Two nodes without a witness: one of them decides.
    let builder = TestDaemon::builder(world::cluster("CL1", 2)).observing();
    let Some(builder) = builder.in_process(SERVICES) else {
        return;
    };
    let daemon = builder.start().await;
    daemon.logs().expect("A cluster cannot be reached any more");
    daemon.logs().expect("Changes of a cluster may have been missed");
    let client = daemon.client();
    let nodes = client.list_nodes(v1::ListNodesRequest::default()).await.unwrap().nodes;
    let decides = nodes.iter().find(|node| node.vote_counts).unwrap();
    let stop = call!(StopNodeParameters {
        node: decides.name.as_str()
    });
    let error = client.validate(stop.clone()).await.unwrap_err();
    assert_eq!(
        error.reason().map(ToString::to_string).as_deref(),
        Some("QUORUM_AT_RISK")
    );
    let records = run(&client, stop).await;
    let outcome = outcome_of(&records);
    assert_eq!(
        (outcome.state(), outcome.reason.as_str()),
        (OperationState::Failed, "QUORUM_AT_RISK"),
        "{outcome:?}"
    );
    assert_eq!(
        node(&client, &decides.name).await.state(),
        NodeState::Up,
        "nothing was stopped"
    );
    let forced = call!(StopNodeParameters {
        node: decides.name.as_str(),
        force: true
    });
    let records = run(&client, forced).await;
    assert_eq!(outcome_of(&records).state(), OperationState::Succeeded, "{records:?}");
    daemon.finish().await;
}

#[tokio::test]
async fn nodes_that_are_not_there_are_refused_before_anything_starts() {
    let daemon = start().await;
    let client = daemon.client();
    names_nothing(&client, call!(PauseNodeParameters { node: "hv5" }), "hv5").await;
    names_nothing(&client, call!(ResumeNodeParameters { node: "hv5" }), "hv5").await;
    names_nothing(&client, call!(StopNodeParameters { node: "hv5" }), "hv5").await;
    daemon.finish().await;
}

/// NodeStatus (facts 2.2): quarantined.
const QUARANTINED: u32 = 2;

#[tokio::test]
async fn a_quarantine_is_shown_and_ended() {
    let builder = TestDaemon::builder(world::production()).observing();
    let Some(builder) = builder.in_process(SERVICES) else {
        return;
    };
    let daemon = builder.start().await;
    let client = daemon.client();
    let mut follower = Follower::of_cluster(&client, "prod").await;
    // It is lost three times within an hour (QuarantineThreshold).
    for _ in 0..3 {
        let machine = || "hv4".to_owned();
        daemon
            .simulation()
            .happen(&Incident::KillMachine { machine: machine() });
        daemon.simulation().happen(&Incident::PowerOn { machine: machine() });
    }
    follower
        .until_cache("the quarantine", |cache| {
            held_node(cache, "hv4")
                .is_some_and(|node| node.state() == NodeState::Down && node.status_information & QUARANTINED != 0)
        })
        .await;
    // Its service runs, and the others do not let it in.
    unchanged(&client, call!(StartNodeParameters { node: "hv4" })).await;
    assert_ne!(node(&client, "hv4").await.status_information & QUARANTINED, 0);
    let cleared = call!(StartNodeParameters {
        node: "hv4",
        clear_quarantine: true
    });
    let records = changes(&client, cleared).await;
    assert_eq!(final_state(&records).state, "UP");
    follower
        .until_cache("the end of the quarantine", |cache| {
            held_node(cache, "hv4")
                .is_some_and(|node| node.state() == NodeState::Up && node.status_information & QUARANTINED == 0)
        })
        .await;
    daemon.finish().await;
}
