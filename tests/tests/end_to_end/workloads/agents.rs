//! Agents that come, go and compete.

use std::time::Duration;

use wsfc_client::v1::{OperationState, ResourceState};
use wsfc_client::workload::AgentOptions;
use wsfc_tests::workloads::{Act, Agent, Script, Seen, Statuses, bring_online, daemon, register, until_state};
use wsfc_tests::{TestDaemon, verbs::run};

fn short() -> AgentOptions {
    AgentOptions {
        lease: Some(Duration::from_millis(500)),
        loss_grace: Some(Duration::ZERO),
        ..AgentOptions::default()
    }
}

#[tokio::test]
async fn a_second_agent_is_refused_or_stands_by_until_the_first_has_gone() {
    let daemon = daemon().start().await;
    let client = daemon.client();
    register(&daemon, &client, "shared", &[]).await;
    let first = Agent::attached(daemon.client(), "shared", short(), Script::default()).await;
    let second = Agent::serve(daemon.client(), "Shared", AgentOptions::default(), Script::default());
    let error = second.ended().await.unwrap_err();
    assert_eq!(
        error.reason().map(ToString::to_string).as_deref(),
        Some("WORKLOAD_TAKEN")
    );
    let waiting = AgentOptions {
        stand_by: true,
        ..AgentOptions::default()
    };
    let mut third = Agent::serve(daemon.client(), "shared", waiting, Script::default());
    third.sees(&Seen::StandingBy(String::new())).await;
    first.leave().await.unwrap();
    third.sees(&Seen::Attached(false)).await;
    let outcome = bring_online(&client, "shared").await;
    assert_eq!(outcome.state(), OperationState::Succeeded, "{outcome:?}");
    third.sees(&Seen::Call("online", false)).await;
    third.leave().await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn a_resource_waits_for_its_agent() {
    let daemon = daemon().start().await;
    let client = daemon.client();
    register(&daemon, &client, "late", &[]).await;
    let mut statuses = Statuses::of(&client, "late").await;
    let online = tokio::spawn({
        let client = client.clone();
        async move { bring_online(&client, "late").await }
    });
    let waits = statuses.next().await;
    assert_eq!(waits.state(), ResourceState::OnlinePending, "{waits:?}");
    assert!(waits.message.contains("agent"), "{waits:?}");
    let agent = Agent::attached(daemon.client(), "late", AgentOptions::default(), Script::default()).await;
    let outcome = online.await.unwrap();
    assert_eq!(outcome.state(), OperationState::Succeeded, "{outcome:?}");
    agent.leave().await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn an_agent_that_is_lost_fails_what_it_ran_and_the_next_one_starts_it_again() {
    let daemon = daemon().start().await;
    let client = daemon.client();
    register(&daemon, &client, "orphan", &[]).await;
    let mut agent = Agent::attached(daemon.client(), "orphan", short(), Script::default()).await;
    bring_online(&client, "orphan").await;
    agent.sees(&Seen::Call("online", false)).await;
    let mut statuses = Statuses::of(&client, "orphan").await;
    agent.vanish();
    // It has failed, or the cluster would not bring it online again, which waits since nobody has attached yet.
    while statuses.next().await.message != "waiting for an agent" {}
    let standing_in = AgentOptions {
        stand_by: true,
        ..short()
    };
    let mut next = Agent::serve(daemon.client(), "orphan", standing_in, Script::default());
    next.sees(&Seen::Attached(false)).await;
    next.sees(&Seen::Call("online", false)).await;
    until_state(&client, "orphan", ResourceState::Online).await;
    next.leave().await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn an_agent_behind_a_broken_connection_goes_on_where_it_was() {
    let daemon = daemon().start().await;
    let client = daemon.client();
    register(&daemon, &client, "cut", &[]).await;
    let wire = daemon.wire().await;
    let script = Script {
        online: Act::Wait(vec![(40, "copying")]),
        ..Script::default()
    };
    let mut agent = Agent::attached(daemon.client_over(&wire), "cut", AgentOptions::default(), script).await;
    let mut statuses = Statuses::of(&client, "cut").await;
    let online = tokio::spawn({
        let client = client.clone();
        async move { bring_online(&client, "cut").await }
    });
    agent.sees(&Seen::Call("online", false)).await;
    while statuses.next().await.message != "copying" {}
    wire.cut();
    agent.sees(&Seen::Attached(true)).await;
    // What it was asked for is not asked for anew.
    assert!(!agent.rest().contains(&Seen::Call("online", true)));
    // It is terminated in the middle: the cluster is told to give up.
    let offline = wsfc_tests::call!(OfflineResourceParameters {
        resource: "cut",
        force_with_termination: true
    });
    run(&client, offline).await;
    agent.sees(&Seen::Ended).await;
    agent.sees(&Seen::Call("terminate", false)).await;
    drop(online);
    agent.leave().await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn what_is_deleted_while_its_agent_is_away_ends_when_it_comes_back() {
    let daemon = daemon().start().await;
    let client = daemon.client();
    register(&daemon, &client, "left", &[]).await;
    let wire = daemon.wire().await;
    let options = AgentOptions {
        lease: Some(Duration::from_secs(600)),
        ..AgentOptions::default()
    };
    let mut agent = Agent::attached(daemon.client_over(&wire), "left", options, Script::default()).await;
    bring_online(&client, "left").await;
    agent.sees(&Seen::Call("online", false)).await;
    wire.sever();
    let offline = wsfc_tests::call!(OfflineResourceParameters {
        resource: "left",
        force_with_termination: true
    });
    run(&client, offline).await;
    let delete = wsfc_tests::call!(DeleteResourceParameters { resource: "left" });
    run(&client, delete).await;
    wire.mend();
    agent.sees(&Seen::Attached(true)).await;
    agent.sees(&Seen::Call("close", false)).await;
    agent.leave().await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn a_daemon_that_runs_no_workloads_says_so_of_their_names() {
    let daemon = TestDaemon::start(wsfc_tests::world::production()).await;
    let request = wsfc_client::v1::GetWorkloadRequest {
        workload: "none".into(),
    };
    let error = daemon.client().get_workload(request).await.unwrap_err();
    assert_eq!(
        error.reason().map(ToString::to_string).as_deref(),
        Some("WORKLOAD_NOT_FOUND")
    );
    daemon.finish().await;
}
