//! The whole daemon, whose resource DLL and agents the test plays.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Code;
use tonic_types::StatusExt as _;
use wsfc_clusapi::Clusapi;
use wsfc_clusapi::sys::constants::resource_state;
use wsfc_proto::v1::attach_request::Message as FromAgent;
use wsfc_proto::v1::attach_response::Message as ToAgent;
use wsfc_proto::v1::workload_service_client::WorkloadServiceClient;
use wsfc_proto::v1::{WorkloadCallKind as Kind, WorkloadState as State};
use wsfc_proto::{reasons, v1};
use wsfc_resource_channel::to_daemon::Message as FromMonitor;
use wsfc_resource_channel::to_monitor::Message as ToMonitor;
use wsfc_resource_channel::{
    Begun, CallKind, CallState, Opened, Source, Status, Terminated, ToDaemon, ToMonitor as Envelope, Told, frame,
};

use super::peers::{Agent, Host, all, channel, in_time, registration, statuses};
#[tokio::test]
async fn a_status_goes_from_the_agent_to_the_monitor_and_into_the_journal() {
    for observe in [true, false] {
        let host = Host { observe, ..Host::new() };
        let daemon = host.start().await;
        let mut dll = host.dll("monitor").await;
        dll.open(1, "Cluster Name", false).await;
        dll.begin(1, 1, false).await;
        let waiting = dll.status().await;
        assert_eq!(
            (waiting.state(), waiting.source()),
            (CallState::Pending, Source::Daemon)
        );
        dll.tell(&waiting, 1).await;
        let mut agent = Agent::attach(&daemon, registration("a")).await;
        let attached = agent.attached().await;
        assert!(!attached.resumed && attached.lease_id.len() > 30);
        let call = agent.call(Kind::Online).await;
        agent.answer(&call.call_id, State::Pending, Some(50)).await;
        agent.answer(&call.call_id, State::Online, None).await;
        agent.answer(&call.call_id, State::Online, None).await;
        for check_point in 2..4 {
            let status = dll.of_agent().await;
            dll.tell(&status, check_point).await;
        }
        let rejected = agent.next().await;
        assert!(matches!(rejected, Ok(Some(ToAgent::Rejected(it))) if it.reason() == v1::WorkloadRejection::CallEnded));
        let events = statuses(&daemon, 3, all()).await;
        let told: Vec<_> = events
            .iter()
            .filter_map(|event| event.resource_status.as_ref())
            .collect();
        assert_eq!(
            told.iter().map(|status| status.check_point).collect::<Vec<_>>(),
            [1, 2, 3]
        );
        assert!(
            told.iter()
                .all(|status| status.call_id == call.call_id && status.workload == "Work")
        );
        assert_eq!(told[1].percent, Some(50));
        assert_eq!(told[2].state(), v1::ResourceState::Online);
        assert!(
            events
                .iter()
                .all(|event| !event.cluster.is_empty() && event.object.is_none())
        );
        let place = (
            told[2].resource_id.is_empty(),
            told[2].group.as_str(),
            told[2].node.is_empty(),
        );
        let expected = if observe {
            (false, "Cluster Group", false)
        } else {
            (true, "", true)
        };
        assert_eq!(place, expected);
        // A watch of it by name, in its cluster.
        let named = v1::WatchStatusRequest {
            cluster: events[0].cluster.clone(),
            resources: vec!["CLUSTER NAME".into()],
            ..all()
        };
        assert_eq!(statuses(&daemon, 3, named).await, events);
        let mut client = WorkloadServiceClient::new(channel(&daemon).await);
        let get = v1::GetWorkloadRequest {
            workload: "WORK".into(),
        };
        let workload = client.get_workload(get).await.unwrap().into_inner().workload.unwrap();
        assert_eq!((workload.attached, workload.agent.as_str()), (true, "a"));
        assert_eq!(workload.resources[0].status.as_ref(), Some(told[2]));
        let list = client
            .list_workloads(v1::ListWorkloadsRequest {})
            .await
            .unwrap()
            .into_inner();
        assert_eq!(list.workloads, [workload]);
        drop((dll, agent));
        daemon.stop().await;
    }
}

#[tokio::test]
async fn a_resource_that_was_just_made_reports_from_its_group() {
    const MANY: usize = 60;
    let host = Host::new();
    let daemon = host.start().await;
    let cluster = Clusapi::from_provider(host.world.clone()).open_cluster(None).unwrap();
    let group = cluster.create_group("New", None).unwrap();
    let mut dll = host.dll("monitor").await;
    for number in 0..MANY {
        let name = format!("new {number}");
        group.create_resource(&name, "Generic Service", true).unwrap();
        let instance = u64::try_from(number).unwrap() + 1;
        dll.open(instance, &name, false).await;
        let status = Status {
            instance,
            call: 1,
            ..Status::default()
        };
        dll.tell(&status, 1).await;
    }
    let events = statuses(&daemon, MANY, all()).await;
    for event in events {
        let status = event.resource_status.unwrap();
        assert!(
            status.group == "New" && !status.resource_id.is_empty() && !status.node.is_empty(),
            "{status:?}"
        );
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_restart_of_the_daemon_in_the_middle_loses_no_call() {
    let host = Host::new();
    let daemon = host.start().await;
    let mut dll = host.dll("monitor").await;
    dll.open(1, "App", false).await;
    let mut agent = Agent::attach(&daemon, registration("a")).await;
    let lease_id = agent.attached().await.lease_id;
    dll.begin(1, 1, false).await;
    let call = agent.call(Kind::Online).await;
    agent.answer(&call.call_id, State::Pending, None).await;
    let status = dll.of_agent().await;
    dll.tell(&status, 1).await;
    statuses(&daemon, 1, all()).await;
    daemon.stop().await;
    let detached = agent.next().await;
    assert!(matches!(detached, Ok(Some(ToAgent::Detached(it))) if it.reattach));
    assert!(matches!(agent.next().await, Ok(None)));
    while dll.hear().await.is_some() {}

    let daemon = host.start().await;
    let mut dll = host.dll("monitor").await;
    dll.open(1, "App", true).await;
    dll.begin(1, 1, true).await;
    let mut back = Agent::attach(
        &daemon,
        v1::AgentRegistration {
            lease_id,
            ..registration("a")
        },
    )
    .await;
    let (code, reason, _) = back.refused().await;
    assert_eq!((code, reason.as_str()), (Code::NotFound, reasons::LEASE_UNKNOWN));
    let mut back = Agent::attach(&daemon, registration("a")).await;
    back.attached().await;
    let again = back.call(Kind::Online).await;
    assert!(again.resumed && again.call_id == call.call_id);
    back.answer(&again.call_id, State::Online, None).await;
    let status = dll.of_agent().await;
    assert_eq!(
        (status.instance, status.call, status.state()),
        (1, 1, CallState::Online)
    );
    dll.tell(&status, 2).await;
    let events = statuses(&daemon, 2, all()).await;
    let calls = events
        .iter()
        .filter_map(|event| event.resource_status.as_ref())
        .map(|it| &it.call_id);
    assert!(calls.eq([&call.call_id; 2]));
    daemon.stop().await;
}

#[tokio::test]
async fn what_was_told_before_a_stop_is_in_the_journal() {
    const MANY: u32 = 700;
    let host = Host::new();
    let daemon = host.start().await;
    let mut dll = host.dll("monitor").await;
    dll.open(1, "App", false).await;
    let status = Status {
        instance: 1,
        call: 1,
        ..Status::default()
    };
    for check_point in 0..MANY {
        dll.tell(&status, check_point).await;
    }
    daemon.stop().await;
    let daemon = host.start().await;
    let events = statuses(&daemon, MANY as usize, all()).await;
    let points = events
        .iter()
        .filter_map(|event| event.resource_status.as_ref())
        .map(|it| it.check_point);
    assert!(points.eq(0..MANY));
    daemon.stop().await;
}

#[tokio::test]
async fn agents_that_break_the_rules_are_refused() {
    let host = Host::new();
    let daemon = host.start().await;
    let invalid = (Code::InvalidArgument, String::from(reasons::INVALID_FIELD));
    let mut silent = Agent::connect(&daemon).await;
    silent.answer("call", State::Online, None).await;
    let (code, reason, _) = silent.refused().await;
    assert_eq!((code, reason), invalid);
    let nameless = v1::AgentRegistration::default();
    let (code, reason, _) = Agent::attach(&daemon, nameless).await.refused().await;
    assert_eq!((code, reason), invalid);
    let mut agent = Agent::attach(&daemon, registration("first")).await;
    agent.attached().await;
    let (code, reason, status) = Agent::attach(&daemon, registration("second")).await.refused().await;
    assert_eq!((code, reason.as_str()), (Code::AlreadyExists, reasons::WORKLOAD_TAKEN));
    assert_eq!(status.get_details_error_info().unwrap().metadata["agent"], "first");
    // What makes no sense is rejected, and the stream goes on.
    agent.say.send(v1::AttachRequest::default()).await.unwrap();
    agent.answer("call", State::Online, None).await;
    for reason in [v1::WorkloadRejection::InvalidField, v1::WorkloadRejection::UnknownCall] {
        let rejected = agent.next().await;
        assert!(matches!(rejected, Ok(Some(ToAgent::Rejected(it))) if it.reason() == reason));
    }
    agent.say(FromAgent::Registration(registration("again"))).await;
    let (code, reason, _) = agent.refused().await;
    assert_eq!((code, reason), invalid);
    let mut client = WorkloadServiceClient::new(channel(&daemon).await);
    let get = |workload: &str| v1::GetWorkloadRequest {
        workload: workload.into(),
    };
    let missing = client.get_workload(get("other")).await.unwrap_err();
    assert_eq!(
        missing.get_details_error_info().unwrap().reason,
        reasons::WORKLOAD_NOT_FOUND
    );
    assert_eq!(
        client.get_workload(get("")).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    daemon.stop().await;
}

#[tokio::test]
async fn an_agent_that_stands_by_takes_over_and_terminations_reach_it() {
    let host = Host::new();
    let daemon = host.start().await;
    let mut dll = host.dll("monitor").await;
    dll.open(1, "App", false).await;
    dll.begin(1, 1, false).await;
    let mut first = Agent::attach(
        &daemon,
        v1::AgentRegistration {
            lease: Some(prost_types::Duration::default()),
            ..registration("first")
        },
    )
    .await;
    first.attached().await;
    let call = first.call(Kind::Online).await;
    let mut second = Agent::attach(
        &daemon,
        v1::AgentRegistration {
            stand_by: true,
            ..registration("second")
        },
    )
    .await;
    let standing_by = second.next().await;
    assert!(matches!(standing_by, Ok(Some(ToAgent::StandingBy(it))) if it.agent == "first"));
    drop(first);
    second.attached().await;
    let taken = second.call(Kind::Online).await;
    assert!(taken.resumed && taken.call_id == call.call_id);
    dll.say(FromMonitor::Terminated(Terminated { instance: 1, call: 1 }))
        .await;
    // The call to say what it has of the resource is under way too.
    for _ in 0..2 {
        let ended = second.next().await;
        assert!(matches!(ended, Ok(Some(ToAgent::Ended(it))) if it.reason() == v1::WorkloadCallEnd::Terminated));
    }
    let terminate = second.call(Kind::Terminate).await;
    second.answer(&terminate.call_id, State::Offline, None).await;
    dll.begin(1, 2, false).await;
    let next = second.call(Kind::Online).await;
    second.answer(&next.call_id, State::Failed, None).await;
    let failed = dll.of_agent().await;
    assert_eq!(
        (failed.call, failed.state(), failed.win32_code),
        (2, CallState::Failed, 5018)
    );
    daemon.stop().await;
}

#[tokio::test]
async fn a_dll_that_is_lost_or_speaks_garbage_disturbs_no_other() {
    let host = Host::new();
    let daemon = host.start().await;
    let mut lost = host.dll("lost").await;
    let mut other = host.dll("other").await;
    lost.open(1, "App", false).await;
    other.open(1, "Web", false).await;
    lost.begin(1, 1, false).await;
    other.begin(1, 1, false).await;
    // Both are taken before the agent comes.
    assert_eq!(
        [lost.status().await.state(), other.status().await.state()],
        [CallState::Pending; 2]
    );
    let mut agent = Agent::attach(&daemon, registration("a")).await;
    agent.attached().await;
    let mut calls = [agent.call(Kind::Online).await, agent.call(Kind::Online).await];
    calls.sort_by(|one, other| one.resource.cmp(&other.resource));
    let [app, web] = calls;
    lost.stream.write_all(&[0xFF; 64]).await.unwrap();
    while lost.hear().await.is_some() {}
    agent.answer(&app.call_id, State::Online, None).await;
    agent.answer(&web.call_id, State::Online, None).await;
    assert_eq!(other.of_agent().await.state(), CallState::Online);
    let mut back = host.dll("lost").await;
    back.open(1, "App", true).await;
    back.begin(1, 1, true).await;
    let answer = back.of_agent().await;
    assert_eq!(
        (answer.instance, answer.call, answer.state()),
        (1, 1, CallState::Online)
    );
    daemon.stop().await;
}

#[tokio::test]
async fn a_thousand_resources_come_online_together() {
    const MANY: usize = 1_000;
    let host = Host::new();
    let daemon = host.start().await;
    let mut dll = host.dll("monitor").await;
    let mut agent = Agent::attach(&daemon, registration("a")).await;
    agent.attached().await;
    let (mut input, mut output) = tokio::io::split(dll.stream);
    let monitor = tokio::spawn(async move {
        let (mut bytes, mut online) = (Vec::new(), 0_usize);
        let encode = |message, bytes: &mut Vec<u8>| {
            frame::encode(&ToDaemon { message: Some(message) }, bytes).unwrap();
        };
        for instance in 1..=MANY as u64 {
            let opened = Opened {
                instance,
                resource: format!("Resource {instance}"),
                workload: "Work".into(),
                ..Opened::default()
            };
            let begun = Begun {
                instance,
                call: 1,
                kind: CallKind::Online.into(),
                workload: "Work".into(),
                ..Begun::default()
            };
            encode(FromMonitor::Opened(opened), &mut bytes);
            encode(FromMonitor::Begun(begun), &mut bytes);
        }
        output.write_all(&bytes).await.unwrap();
        let mut buffer = vec![0; 1 << 16];
        while online < MANY {
            let read = in_time(input.read(&mut buffer)).await.unwrap();
            assert_ne!(read, 0);
            dll.incoming.extend(&buffer[..read]);
            bytes.clear();
            while let Some(message) = dll.incoming.take::<Envelope>().unwrap() {
                let Some(ToMonitor::Status(status)) = message.message else {
                    panic!("{message:?}")
                };
                let is_online = status.state() == CallState::Online;
                online += usize::from(is_online);
                let told = Told {
                    instance: status.instance,
                    call: status.call,
                    native_state: if is_online {
                        resource_state::ONLINE
                    } else {
                        resource_state::ONLINE_PENDING
                    },
                    exit_state: Some(0),
                    source: status.source,
                    ..Told::default()
                };
                encode(FromMonitor::Told(told), &mut bytes);
            }
            output.write_all(&bytes).await.unwrap();
        }
        (input, output)
    });
    for _ in 0..2 * MANY {
        let Ok(Some(ToAgent::Call(call))) = agent.next().await else {
            panic!("a call was to come")
        };
        if call.kind() == Kind::Open {
            agent.answer(&call.call_id, State::Offline, None).await;
        } else {
            agent.answer(&call.call_id, State::Pending, Some(1)).await;
            agent.answer(&call.call_id, State::Online, None).await;
        }
    }
    let _channel = in_time(monitor).await.unwrap();
    let events = statuses(&daemon, 2 * MANY, all()).await;
    let online = |event: &&v1::ClusterEvent| {
        event
            .resource_status
            .as_ref()
            .is_some_and(|it| it.state() == v1::ResourceState::Online)
    };
    assert_eq!(events.iter().filter(online).count(), MANY);
    daemon.stop().await;
}
