//! Calls that are ended from outside: by the cluster, at any step, or by a deadline.

use wsfc_client::property::Changes;
use wsfc_client::v1::property_value::Value;
use wsfc_client::v1::{ObjectKind, OperationState, ResourceState};
use wsfc_client::workload::AgentOptions;
use wsfc_client::{Client, v1};
use wsfc_tests::verbs::run;
use wsfc_tests::workloads::{
    Act, Agent, Script, Seen, Statuses, bring_online, daemon, register, take_offline, until_state,
};

/// Terminates a resource, which needs not wait for what is under way of it.
async fn terminate(client: &Client, resource: &str) {
    let offline = wsfc_tests::call!(OfflineResourceParameters {
        resource: resource,
        force_with_termination: true
    });
    run(client, offline).await;
}

/// Changes common properties of a resource.
async fn set(client: &Client, resource: &str, values: &[(&str, u32)]) {
    let common = Changes::new("", ObjectKind::Resource, resource);
    let common = values
        .iter()
        .fold(common, |common, (name, value)| common.set(*name, Value::Dword(*value)));
    run(client, common.build()).await;
}

#[tokio::test]
async fn a_resource_is_terminated_in_the_middle_of_each_step() {
    let daemon = daemon().start().await;
    let client = daemon.client();
    register(&daemon, &client, "cut short", &[]).await;
    let mut statuses = Statuses::of(&client, "cut short").await;
    let begin = |online: bool| {
        let client = client.clone();
        tokio::spawn(async move {
            if online {
                bring_online(&client, "cut short").await
            } else {
                take_offline(&client, "cut short").await
            }
        })
    };
    // While it waits for an agent.
    let online = begin(true);
    while !statuses.next().await.message.contains("agent") {}
    terminate(&client, "cut short").await;
    let outcome = online.await.unwrap();
    assert_ne!(outcome.state(), OperationState::Succeeded, "{outcome:?}");

    // With a check point told on its way online.
    let script = Script {
        online: Act::Wait(vec![(40, "copying")]),
        offline: Act::Wait(vec![(60, "draining")]),
        illness: None,
    };
    let mut agent = Agent::attached(daemon.client(), "cut short", AgentOptions::default(), script).await;
    let online = begin(true);
    agent.sees(&Seen::Call("online", false)).await;
    while statuses.next().await.message != "copying" {}
    terminate(&client, "cut short").await;
    agent.sees(&Seen::Ended).await;
    agent.sees(&Seen::Call("terminate", false)).await;
    let outcome = online.await.unwrap();
    assert_ne!(outcome.state(), OperationState::Succeeded, "{outcome:?}");

    // Online.
    let online = begin(true);
    agent.sees(&Seen::Call("online", false)).await;
    agent.go_on();
    assert_eq!(online.await.unwrap().state(), OperationState::Succeeded);
    terminate(&client, "cut short").await;
    agent.sees(&Seen::Call("terminate", false)).await;

    // With a check point told on its way offline.
    let online = begin(true);
    agent.sees(&Seen::Call("online", false)).await;
    agent.go_on();
    assert_eq!(online.await.unwrap().state(), OperationState::Succeeded);
    let offline = begin(false);
    agent.sees(&Seen::Call("offline", false)).await;
    while statuses.next().await.message != "draining" {}
    terminate(&client, "cut short").await;
    agent.sees(&Seen::Ended).await;
    agent.sees(&Seen::Call("terminate", false)).await;
    offline.await.unwrap();
    until_state(&client, "cut short", ResourceState::Offline).await;
    assert!(!agent.rest().contains(&Seen::Call("online", false)));
    agent.leave().await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn an_agent_that_never_answers_fails_the_resource_in_time() {
    let daemon = daemon().start().await;
    let client = daemon.client();
    register(&daemon, &client, "mute", &[]).await;
    // Time enough, on a slow machine too, for the agent to hear of the call before its deadline.
    set(&client, "mute", &[("PendingTimeout", 15_000), ("RestartAction", 0)]).await;
    let script = Script {
        online: Act::Wait(Vec::new()),
        ..Script::default()
    };
    let mut agent = Agent::attached(daemon.client(), "mute", AgentOptions::default(), script).await;
    let mut statuses = Statuses::of(&client, "mute").await;
    let outcome = bring_online(&client, "mute").await;
    assert_eq!(outcome.state(), OperationState::Failed, "{outcome:?}");
    agent.sees(&Seen::Call("online", false)).await;
    agent.sees(&Seen::Ended).await;
    // The daemon says it before the cluster loses patience.
    let failed = statuses.until(ResourceState::Failed).await;
    assert!(
        failed
            .last()
            .is_some_and(|last| last.source() == v1::ResourceStatusSource::Daemon && last.native_exit_state == Some(0)),
        "{failed:?}"
    );
    agent.leave().await.unwrap();
    daemon.finish().await;
}
