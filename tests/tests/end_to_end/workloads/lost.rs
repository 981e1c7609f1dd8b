//! Daemons, monitors and nodes that are lost while a workload runs.

use wsfc_client::v1::{OperationState, ResourceState};
use wsfc_client::workload::AgentOptions;
use wsfc_simulator::Incident;
use wsfc_tests::verbs::run;
use wsfc_tests::workloads::{Act, Agent, Script, Seen, Statuses, TYPE, bring_online, daemon, register, until_state};

/// The monitor lives in the daemon's process there, and goes with it.
const ONE_PROCESS: &str = "the simulated monitor is in the daemon's process and ends with it";

#[tokio::test]
async fn a_daemon_that_restarts_while_a_resource_comes_online_goes_on_with_it() {
    let Some(builder) = daemon().in_process(ONE_PROCESS) else {
        return;
    };
    let mut daemon = builder.start().await;
    let client = daemon.client();
    register(&daemon, &client, "kept", &[]).await;
    let script = Script {
        online: Act::Hang(vec![(40, "copying")]),
        ..Script::default()
    };
    let mut agent = Agent::attached(daemon.client(), "kept", AgentOptions::default(), script).await;
    let mut statuses = Statuses::of(&client, "kept").await;
    let call = wsfc_tests::call!(OnlineResourceParameters { resource: "kept" });
    let operation = client.start(call).await.unwrap();
    agent.sees(&Seen::Call("online", false)).await;
    while statuses.next().await.message != "copying" {}
    daemon.restart().await;
    // The agent comes back to a daemon that knows no lease, and the DLL tells the daemon of the call.
    agent.sees(&Seen::Attached(false)).await;
    let known = daemon.client();
    agent.change(|script| script.online = Act::Work(vec![(90, "nearly there")]));
    // The call that hangs is the same; its end from outside is what a new attempt begins with.
    let offline = wsfc_tests::call!(OfflineResourceParameters {
        resource: "kept",
        force_with_termination: true
    });
    run(&known, offline).await;
    agent.sees(&Seen::Call("terminate", false)).await;
    let outcome = bring_online(&known, "kept").await;
    assert_eq!(outcome.state(), OperationState::Succeeded, "{outcome:?}");
    assert_eq!(
        client.operation(operation.id()).get().await.unwrap().state(),
        OperationState::Interrupted
    );
    agent.leave().await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn a_monitor_that_is_killed_takes_its_resources_with_it_and_they_come_back() {
    let daemon = daemon().start().await;
    let client = daemon.client();
    register(&daemon, &client, "hosted", &[]).await;
    let mut agent = Agent::attached(daemon.client(), "hosted", AgentOptions::default(), Script::default()).await;
    bring_online(&client, "hosted").await;
    agent.sees(&Seen::Call("online", false)).await;
    daemon.simulation().happen(&Incident::KillMonitor {
        node: None,
        resource_type: TYPE.into(),
    });
    agent.sees(&Seen::Call("online", false)).await;
    until_state(&client, "hosted", ResourceState::Online).await;
    agent.leave().await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn a_node_that_dies_hands_its_workload_to_another() {
    let daemon = daemon().start().await;
    let client = daemon.client();
    register(&daemon, &client, "mobile", &[]).await;
    let mut agent = Agent::attached(daemon.client(), "mobile", AgentOptions::default(), Script::default()).await;
    bring_online(&client, "mobile").await;
    agent.sees(&Seen::Call("online", false)).await;
    let group = wsfc_client::v1::GetGroupRequest {
        group: "mobile".into(),
        ..Default::default()
    };
    let owner = client.get_group(group.clone()).await.unwrap().group.unwrap().owner_node;
    daemon
        .simulation()
        .happen(&Incident::KillMachine { machine: owner.clone() });
    agent.sees(&Seen::Call("online", false)).await;
    until_state(&client, "mobile", ResourceState::Online).await;
    let now = client.get_group(group).await.unwrap().group.unwrap().owner_node;
    assert_ne!(now, owner);
    agent.leave().await.unwrap();
    daemon.finish().await;
}
