//! Daemons, monitors and nodes that are lost while a workload runs.

use std::time::Duration;

use wsfc_client::v1::inventory_object::Object;
use wsfc_client::v1::{ObjectKind, OperationState, ResourceState};
use wsfc_client::workload::{AgentOptions, RESOURCE_TYPE};
use wsfc_simulator::Incident;
use wsfc_tests::TestDaemon;
use wsfc_tests::UnderTest;
use wsfc_tests::watching::Follower;
use wsfc_tests::workloads::{
    Act, Agent, Script, Seen, Statuses, bring_online, daemon, register, scenario, until_state,
};
use wsfc_tests::world;

/// The monitor lives in the daemon's process there, and goes with it.
const ONE_PROCESS: &str = "the simulated monitor is in the daemon's process and ends with it";

#[tokio::test]
async fn a_daemon_that_restarts_while_a_resource_comes_online_goes_on_with_it() {
    let Some(builder) = daemon().in_process(ONE_PROCESS) else {
        return;
    };
    // The operation that waits for the resource is still running when the daemon is to end.
    let builder = builder.settings(|settings| settings.operations.shutdown_grace = Duration::from_millis(100));
    let mut daemon = builder.start().await;
    daemon.logs().expect("Operations are still running");
    daemon
        .logs()
        .expect("Operation was interrupted by the end of the daemon");
    let client = daemon.client();
    register(&daemon, &client, "kept", &[]).await;
    let script = Script {
        online: Act::Wait(vec![(40, "copying")]),
        ..Script::default()
    };
    let wire = daemon.wire().await;
    let mut agent = Agent::attached(daemon.client_over(&wire), "kept", AgentOptions::default(), script).await;
    let mut statuses = Statuses::of(&client, "kept").await;
    let call = wsfc_tests::call!(OnlineResourceParameters { resource: "kept" });
    let operation = client.start(call).await.unwrap();
    agent.sees(&Seen::Call("online", false)).await;
    while statuses.next().await.message != "copying" {}
    daemon.restart().await;
    wire.retarget(daemon.address());
    // The agent comes back to a daemon that knows no lease, and the DLL tells the daemon of the call.
    agent.sees(&Seen::Attached(false)).await;
    agent.go_on();
    let known = daemon.client();
    until_state(&known, "kept", ResourceState::Online).await;
    assert!(
        !agent.rest().contains(&Seen::Call("online", false)),
        "the work that was under way went on"
    );
    let operation = known.operation(operation.id()).get().await.unwrap();
    assert_eq!(operation.state(), OperationState::Interrupted);
    agent.leave().await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn a_daemon_that_is_killed_while_a_resource_comes_online_goes_on_with_it() {
    let killed = TestDaemon::builder(world::production()).observing();
    let Some(killed) = killed.in_a_process("the daemon's process is killed, and the resource DLL is in another one")
    else {
        return;
    };
    // The Resource Monitor is in this process and lives on.
    let monitor = UnderTest::InProcess;
    let cluster = TestDaemon::builder_for(monitor, scenario(monitor))
        .observing()
        .start()
        .await;
    let mut daemon = killed.start().await;
    register(&daemon, &cluster.client(), "survivor", &[]).await;
    let script = Script {
        online: Act::Wait(vec![(40, "copying")]),
        ..Script::default()
    };
    let wire = daemon.wire().await;
    let mut agent = Agent::attached(daemon.client_over(&wire), "survivor", AgentOptions::default(), script).await;
    let mut statuses = Statuses::of(&daemon.client_over(&wire), "survivor").await;
    let call = wsfc_tests::call!(OnlineResourceParameters { resource: "survivor" });
    let operation = cluster.client().start(call).await.unwrap();
    agent.sees(&Seen::Call("online", false)).await;
    let copying = loop {
        let status = statuses.next().await;
        if status.message == "copying" {
            break status;
        }
    };
    daemon.kill();
    daemon.restart().await;
    wire.retarget(daemon.address());
    agent.sees(&Seen::Attached(false)).await;
    agent.go_on();
    let outcome = operation.wait().await.unwrap();
    assert_eq!(outcome.state(), OperationState::Succeeded, "{outcome:?}");
    assert!(
        !agent.rest().contains(&Seen::Call("online", false)),
        "the work that was under way went on"
    );
    // The watch goes on over the journal that the killed daemon has left, and the call is the same.
    let online = statuses.until(ResourceState::Online).await.pop().unwrap();
    assert_eq!(online.call_id, copying.call_id);
    assert!(online.check_point > copying.check_point, "{online:?}");
    agent.leave().await.unwrap();
    cluster.finish().await;
    daemon.finish().await;
}

#[tokio::test]
async fn a_monitor_that_is_killed_takes_its_resources_with_it_and_they_come_back() {
    let daemon = daemon().start().await;
    // The daemon may be asking the monitor for properties when it dies.
    daemon.logs().expect("Changes of a cluster may have been missed");
    let client = daemon.client();
    register(&daemon, &client, "hosted", &[]).await;
    let mut agent = Agent::attached(daemon.client(), "hosted", AgentOptions::default(), Script::default()).await;
    bring_online(&client, "hosted").await;
    agent.sees(&Seen::Call("online", false)).await;
    daemon.simulation().happen(&Incident::KillMonitor {
        node: None,
        resource_type: RESOURCE_TYPE.into(),
    });
    agent.sees(&Seen::Call("online", false)).await;
    until_state(&client, "hosted", ResourceState::Online).await;
    agent.leave().await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn a_node_that_dies_hands_its_workload_to_another() {
    let daemon = daemon().start().await;
    // The daemon may have been connected to that node.
    daemon.logs().expect("Changes of a cluster may have been missed");
    let client = daemon.client();
    register(&daemon, &client, "mobile", &[]).await;
    let mut agent = Agent::attached(daemon.client(), "mobile", AgentOptions::default(), Script::default()).await;
    bring_online(&client, "mobile").await;
    agent.sees(&Seen::Call("online", false)).await;
    let group = wsfc_client::v1::GetGroupRequest {
        group: "mobile".into(),
        ..Default::default()
    };
    let owner = client.get_group(group).await.unwrap().group.unwrap().owner_node;
    let mut follower = Follower::of_cluster(&client, "").await;
    daemon
        .simulation()
        .happen(&Incident::KillMachine { machine: owner.clone() });
    agent.sees(&Seen::Call("online", false)).await;
    follower
        .until_cache("the resource to be online elsewhere", |cache| {
            let found = cache.find(ObjectKind::Resource, "mobile");
            matches!(found.and_then(|object| object.object.as_ref()),
                Some(Object::Resource(found)) if found.state() == ResourceState::Online && found.owner_node != owner)
        })
        .await;
    agent.leave().await.unwrap();
    daemon.finish().await;
}
