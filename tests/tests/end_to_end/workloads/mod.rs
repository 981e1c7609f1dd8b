//! Resources that programs implement: created over gRPC, run by the real resource DLL in a simulated Resource Monitor, with an
//! agent that does the work and a client far away that watches the check points.

mod agents;
mod ended;
mod lost;

use std::time::{Duration, SystemTime};

use wsfc_client::v1::{
    GetWorkloadRequest, ListWorkloadsRequest, OperationState, ResourceState, ResourceStatus, ResourceStatusSource,
};
use wsfc_client::workload::AgentOptions;
use wsfc_tests::UnderTest;
use wsfc_tests::workloads::{
    Act, Agent, NEXT_WITHIN, Script, Seen, Statuses, bring_online, daemon, register, take_offline, until_state,
};
use wsfcd::platform::{Clock as _, SystemClock};

/// States, percent and words of statuses.
fn told(statuses: &[ResourceStatus]) -> Vec<(ResourceState, Option<u32>, &str)> {
    statuses
        .iter()
        .map(|status| (status.state(), status.percent, status.message.as_str()))
        .collect()
}

/// The check points of one call grow.
fn grow(statuses: &[ResourceStatus]) {
    for pair in statuses.windows(2) {
        assert!(
            pair[0].call_id != pair[1].call_id || pair[0].check_point < pair[1].check_point,
            "{pair:?}"
        );
    }
}

#[tokio::test]
async fn a_resource_goes_online_and_offline_by_the_work_of_an_agent() {
    let daemon = daemon().start().await;
    let client = daemon.client();
    register(&daemon, &client, "web", &[("PORT", "8080"), ("MODE", "a=b")]).await;
    let script = Script {
        online: Act::Work(vec![(10, "unpacking"), (60, "warming up")]),
        offline: Act::Work(vec![(50, "letting requests end")]),
        illness: None,
    };
    let mut agent = Agent::attached(daemon.client(), "web", AgentOptions::default(), script).await;
    let mut statuses = Statuses::of(&daemon.client(), "web").await;

    // Of the coarse clock of some hosts a second is enough.
    let before = SystemClock.now() - Duration::from_secs(1);
    let outcome = bring_online(&client, "web").await;
    assert_eq!(outcome.state(), OperationState::Succeeded, "{outcome:?}");
    agent.sees(&Seen::Call("online", false)).await;
    let parameters = agent.parameters();
    assert_eq!(parameters.get("PORT").map(String::as_str), Some("8080"));
    assert_eq!(parameters.get("MODE").map(String::as_str), Some("a=b"));
    let online = statuses.until(ResourceState::Online).await;
    grow(&online);
    let steps = told(&online);
    assert!(
        steps.contains(&(ResourceState::OnlinePending, Some(10), "unpacking")),
        "{steps:?}"
    );
    assert!(
        steps.contains(&(ResourceState::OnlinePending, Some(60), "warming up")),
        "{steps:?}"
    );
    for status in &online {
        let time = SystemTime::try_from(status.time.unwrap()).unwrap();
        assert!(before <= time && time <= SystemClock.now(), "{status:?}");
        let is_step = status.source() == ResourceStatusSource::Agent && status.state() == ResourceState::OnlinePending;
        let hint = status.wait_hint.map(|hint| Duration::try_from(hint).unwrap());
        assert_eq!(hint, is_step.then_some(NEXT_WITHIN), "{status:?}");
    }
    let last = online.last().unwrap();
    assert_eq!(
        (last.native_exit_state, last.source()),
        (Some(0), ResourceStatusSource::Agent)
    );
    assert_eq!((last.workload.as_str(), last.group.as_str()), ("web", "web"));
    assert!(!last.resource_id.is_empty() && !last.node.is_empty(), "{last:?}");

    let request = GetWorkloadRequest { workload: "WEB".into() };
    let workload = client.get_workload(request).await.unwrap().workload.unwrap();
    assert!(workload.attached);
    assert_eq!(workload.resources.len(), 1, "{workload:?}");
    assert_eq!(workload.resources[0].resource, "web");
    let all = client.list_workloads(ListWorkloadsRequest::default()).await.unwrap();
    assert_eq!(all.workloads.len(), 1, "{all:?}");

    let outcome = take_offline(&client, "web").await;
    assert_eq!(outcome.state(), OperationState::Succeeded, "{outcome:?}");
    let offline = statuses.until(ResourceState::Offline).await;
    grow(&offline);
    assert!(
        told(&offline).contains(&(ResourceState::OfflinePending, Some(50), "letting requests end")),
        "{offline:?}"
    );
    agent.leave().await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn an_agent_that_fails_fails_the_resource_with_its_words_and_code() {
    let daemon = daemon().start().await;
    let client = daemon.client();
    register(&daemon, &client, "sick", &[]).await;
    let script = Script {
        online: Act::Fail("the licence has run out", 1_245),
        ..Script::default()
    };
    let agent = Agent::attached(daemon.client(), "sick", AgentOptions::default(), script).await;
    let mut statuses = Statuses::of(&daemon.client(), "sick").await;
    let outcome = bring_online(&client, "sick").await;
    assert_eq!(outcome.state(), OperationState::Failed, "{outcome:?}");
    let failed = statuses.until(ResourceState::Failed).await;
    let last = failed.last().unwrap();
    assert_eq!(
        (last.message.as_str(), last.win32_code),
        ("the licence has run out", 1_245)
    );
    agent.leave().await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn what_was_told_is_watched_again_from_any_revision() {
    let daemon = daemon().start().await;
    let client = daemon.client();
    register(&daemon, &client, "again", &[]).await;
    let script = Script {
        online: Act::Work(vec![(30, "half way")]),
        ..Script::default()
    };
    let agent = Agent::attached(daemon.client(), "again", AgentOptions::default(), script).await;
    let mut live = Statuses::of(&client, "again").await;
    let before = live.revision();
    bring_online(&client, "again").await;
    let seen = live.until(ResourceState::Online).await;
    let mut later = Statuses::after(&daemon.client(), "again", before).await;
    assert_eq!(later.until(ResourceState::Online).await, seen);
    let mut among_events = Statuses::among_events(&daemon.client(), "AGAIN", before).await;
    assert_eq!(among_events.until(ResourceState::Online).await, seen);
    agent.leave().await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn health_that_turns_bad_fails_the_resource_and_the_cluster_restarts_it() {
    let daemon = daemon().start().await;
    let client = daemon.client();
    register(&daemon, &client, "ill", &[]).await;
    // An answer may take some intervals. A shorter one would let a slow machine fail the resource when it is well again.
    let options = AgentOptions {
        health_interval: Some(UnderTest::get().patience(Duration::from_secs(2))),
        ..AgentOptions::default()
    };
    let mut agent = Agent::attached(daemon.client(), "ill", options, Script::default()).await;
    bring_online(&client, "ill").await;
    agent.sees(&Seen::Call("online", false)).await;
    agent.change(|script| script.illness = Some("it answers nobody"));
    // The monitor hears of it by the event that the DLL gave it, terminates the resource, and starts it again.
    agent.sees(&Seen::Call("terminate", false)).await;
    agent.change(|script| script.illness = None);
    agent.sees(&Seen::Call("online", false)).await;
    until_state(&client, "ill", ResourceState::Online).await;
    agent.leave().await.unwrap();
    daemon.finish().await;
}
