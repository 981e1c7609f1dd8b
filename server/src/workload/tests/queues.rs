//! Peers that do not read.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;
use wsfc_clusapi::Clusapi;
use wsfc_clusapi::sys::constants::resource_state;
use wsfc_proto::v1;
use wsfc_proto::v1::attach_response::Message as ToAgent;
use wsfc_resource_channel::{
    Begun, CallKind, Closed, Hello, Opened, ToDaemon, ToMonitor, Told, VERSION, frame,
    to_daemon::Message as FromMonitor, to_monitor,
};

use super::super::channel::{ChannelError, serve};
use super::super::hub::AGENT_STUCK;
use super::super::location::Location;
use super::super::registry::{Garbage, Registration};
use super::super::{Workloads, hub};
use crate::blocking::Blocking;
use crate::cluster_api;
use crate::inventory::Clusters;
use crate::journal::{Filter, Journal, MemoryStore, Opened as OpenedJournal, Options};
use crate::platform::{Platform, Process, Processes};
use crate::settings::Settings;
use crate::settings::current::Current;

/// Workloads over a journal that nobody writes.
pub(super) fn workloads() -> (Workloads, Journal) {
    workloads_on(Platform::system())
}

fn workloads_on(platform: Platform) -> (Workloads, Journal) {
    let opened = Journal::open(Box::new(MemoryStore::new()), Options::default(), platform.clone());
    let OpenedJournal { journal, .. } = opened.unwrap();
    (workloads_over(&journal, platform), journal)
}

/// Workloads over a journal that is written.
fn recorded() -> (Workloads, Journal) {
    let platform = Platform::system();
    let opened = Journal::open(Box::new(MemoryStore::new()), Options::default(), platform.clone());
    let OpenedJournal { journal, writer, .. } = opened.unwrap();
    let threads = &platform.threads;
    threads.spawn("journal", Box::new(move || writer.run())).unwrap();
    (workloads_over(&journal, platform), journal)
}

fn workloads_over(journal: &Journal, platform: Platform) -> Workloads {
    let api = Clusapi::from_provider(cluster_api::simulation("default", None).unwrap());
    let blocking = Blocking::new(platform.clone());
    let settings = Current::new(Settings::default());
    let clusters = Clusters::new(journal.clone(), api, platform.clone(), settings, blocking);
    let location = Location::new(clusters, journal.clone());
    Workloads::new(platform, location)
}

fn registration() -> Registration {
    Registration {
        workload: "work".into(),
        agent: "agent".into(),
        lease_id: String::new(),
        new_lease_id: "lease".into(),
        lease: Duration::ZERO,
        stand_by: false,
        loss_grace: Duration::ZERO,
        health_interval: Duration::ZERO,
    }
}

fn hello() -> FromMonitor {
    FromMonitor::Hello(Hello {
        version: VERSION,
        monitor_id: "monitor".into(),
        ..Hello::default()
    })
}

fn opened() -> FromMonitor {
    FromMonitor::Opened(Opened {
        instance: 1,
        resource: "resource".into(),
        workload: "work".into(),
        ..Opened::default()
    })
}

fn begun() -> FromMonitor {
    FromMonitor::Begun(Begun {
        instance: 1,
        call: 1,
        kind: CallKind::Online.into(),
        workload: "work".into(),
        pending_timeout_ms: 1 << 30,
        ..Begun::default()
    })
}

fn told(check_point: u32) -> FromMonitor {
    FromMonitor::Told(Told {
        instance: 1,
        call: 1,
        check_point,
        message: "x".repeat(1_000),
        ..Told::default()
    })
}

fn framed(messages: impl IntoIterator<Item = FromMonitor>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        frame::encode(&ToDaemon { message: Some(message) }, &mut bytes).unwrap();
    }
    bytes
}

/// The check points of the statuses in the journal; as many as are wanted, or fewer when no more come.
async fn check_points(journal: &Journal, count: usize) -> Vec<u32> {
    let mut cursor = journal.events(Filter::default(), Some(0)).unwrap();
    let mut found = Vec::new();
    while found.len() < count {
        let Ok(batch) = tokio::time::timeout(Duration::from_secs(2), cursor.next()).await else {
            break;
        };
        let batch = batch.unwrap().unwrap().parts.concat();
        for event in v1::WatchResponse::decode(batch.as_slice()).unwrap().events {
            if let Some(v1::event::Event::Cluster(event)) = event.event {
                found.extend(event.resource_status.map(|status| status.check_point));
            }
        }
    }
    found
}

async fn next(agent: &hub::Agent) -> Option<ToAgent> {
    poll_fn(|context| agent.poll_next(context)).await
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_read_is_cut_off_and_another_can_attach() {
    let (workloads, _journal) = workloads();
    let agent = workloads.agent();
    agent.attach(registration()).unwrap();
    // It reads now and then, which is enough.
    tokio::time::sleep(AGENT_STUCK - Duration::from_secs(1)).await;
    assert!(matches!(next(&agent).await, Some(ToAgent::Attached(_))));
    let dll = workloads.channel();
    for message in [hello(), opened(), begun()] {
        assert_eq!(dll.says(message).unwrap(), None);
    }
    tokio::time::sleep(AGENT_STUCK - Duration::from_secs(1)).await;
    assert!(matches!(next(&agent).await, Some(ToAgent::Call(_))));
    tokio::time::sleep(AGENT_STUCK - Duration::from_secs(1)).await;
    let other = workloads.agent();
    assert!(other.attach(registration()).is_err());
    tokio::time::sleep(Duration::from_secs(2)).await;
    other.attach(registration()).unwrap();
    let last = next(&agent).await;
    assert!(matches!(&last, Some(ToAgent::Detached(it)) if !it.reattach), "{last:?}");
    assert_eq!(next(&agent).await, None);
    // The call is the other's now.
    assert!(matches!(next(&other).await, Some(ToAgent::Attached(_))));
    assert!(matches!(next(&other).await, Some(ToAgent::Call(call)) if call.kind() == v1::WorkloadCallKind::Open));
    assert!(matches!(next(&other).await, Some(ToAgent::Call(call)) if call.resumed));
}

/// A host whose processes have ended.
#[derive(Debug)]
struct Ended;

impl Processes for Ended {
    fn watch(&self, id: u32) -> Option<Box<dyn Process>> {
        assert_eq!(id, 7);
        Some(Box::new(Self))
    }
}

impl Process for Ended {
    fn has_ended(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn the_process_that_a_dll_names_is_looked_at_when_its_connection_has_ended() {
    let platform = Platform {
        processes: Arc::new(Ended),
        ..Platform::system()
    };
    let (workloads, _journal) = workloads_on(platform);
    let agent = workloads.agent();
    agent.attach(registration()).unwrap();
    let dll = workloads.channel();
    let hello = FromMonitor::Hello(Hello {
        version: VERSION,
        process_id: 7,
        monitor_id: "monitor".into(),
        ..Hello::default()
    });
    for message in [hello, opened()] {
        assert_eq!(dll.says(message).unwrap(), None);
    }
    drop(dll);
    let begin = tokio::time::Instant::now();
    loop {
        match next(&agent).await {
            Some(ToAgent::Call(call)) if call.kind() == v1::WorkloadCallKind::Close => break,
            message => assert!(message.is_some()),
        }
    }
    assert!(begin.elapsed() < Duration::from_secs(10), "it was waited for");
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_was_held_up_reads_before_it_judges() {
    let (workloads, _journal) = workloads();
    let agent = workloads.agent();
    let mut faithful = registration();
    faithful.health_interval = Duration::from_secs(1);
    agent.attach(faithful).unwrap();
    let dll = workloads.channel();
    let online = FromMonitor::Opened(Opened {
        instance: 1,
        resource: "resource".into(),
        workload: "work".into(),
        native_state: resource_state::ONLINE,
        ..Opened::default()
    });
    for message in [hello(), online] {
        assert_eq!(dll.says(message).unwrap(), None);
    }
    let check = loop {
        match next(&agent).await {
            Some(ToAgent::Call(call)) if call.kind() == v1::WorkloadCallKind::CheckHealth => break call.call_id,
            message => assert!(message.is_some()),
        }
    };
    assert!(matches!(dll.next().await[..], [to_monitor::Message::Welcome(_)]));
    // Nothing of the daemon runs meanwhile, and what is due is seen before what has arrived.
    tokio::time::advance(Duration::from_secs(300)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    agent.says(Some(v1::attach_request::Message::Status(v1::WorkloadStatus {
        call_id: check,
        state: v1::WorkloadState::Online.into(),
        ..v1::WorkloadStatus::default()
    })));
    let open = tokio::time::timeout(Duration::from_millis(500), dll.next()).await;
    assert!(open.is_err(), "{open:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dll_that_does_not_read_holds_up_its_agents_until_it_is_cut_off() {
    let (workloads, journal) = workloads();
    let agent = workloads.agent();
    agent.attach(registration()).unwrap();
    let (mut dll, served) = tokio::io::duplex(4_096);
    let serving = {
        let (workloads, journal) = (workloads.clone(), journal.clone());
        tokio::spawn(async move { serve(served, &workloads, &journal, &CancellationToken::new()).await })
    };
    let mut bytes = Vec::new();
    for message in [hello(), opened(), begun()] {
        frame::encode(&ToDaemon { message: Some(message) }, &mut bytes).unwrap();
    }
    dll.write_all(&bytes).await.unwrap();
    let call_id = loop {
        let message = match next(&agent).await {
            Some(ToAgent::Call(call)) if call.kind() == v1::WorkloadCallKind::Online => break call.call_id,
            message => message,
        };
        assert!(message.is_some());
    };
    let context = Context::from_waker(Waker::noop());
    let mut said = 0;
    while agent.poll_room(&context).is_ready() {
        agent.says(Some(v1::attach_request::Message::Status(v1::WorkloadStatus {
            call_id: call_id.clone(),
            state: v1::WorkloadState::Pending.into(),
            message: "x".repeat(1_000),
            ..v1::WorkloadStatus::default()
        })));
        said += 1;
        assert!(said < 10_000, "the agent is always listened to");
        tokio::task::yield_now().await;
    }
    // An agent that has nothing to do with it is.
    let other = workloads.agent();
    let mut elsewhere = registration();
    elsewhere.workload = "elsewhere".into();
    other.attach(elsewhere).unwrap();
    assert!(other.poll_room(&context).is_ready());
    // The room comes with the end of the connection.
    poll_fn(|context| agent.poll_room(context)).await;
    let ended = serving.await.unwrap();
    assert!(matches!(ended, Err(ChannelError::Stuck)), "{ended:?}");
    drop(dll);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_says_nothing_or_garbage_is_closed() {
    let (workloads, journal) = workloads();
    let stop = CancellationToken::new();
    let (_silent, served) = tokio::io::duplex(4_096);
    let ended = serve(served, &workloads, &journal, &stop).await;
    assert!(matches!(ended, Err(ChannelError::Silent)), "{ended:?}");
    let framed = |messages: Vec<Option<FromMonitor>>| {
        let mut bytes = Vec::new();
        for message in messages {
            frame::encode(&ToDaemon { message }, &mut bytes).unwrap();
        }
        bytes
    };
    let closed = || Some(FromMonitor::Closed(Closed { instance: 1 }));
    for bytes in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![3, 0, 0, 0, 0xFF, 0xFF, 0xFF],
        framed(vec![closed()]),
        framed(vec![Some(hello()), None, closed(), Some(hello())]),
    ] {
        let (mut dll, served) = tokio::io::duplex(4_096);
        dll.write_all(&bytes).await.unwrap();
        let ended = serve(served, &workloads, &journal, &stop).await;
        let is_garbage = matches!(
            ended,
            Err(ChannelError::Frame(_) | ChannelError::Garbage(Garbage::NoHello | Garbage::SecondHello))
        );
        assert!(is_garbage, "{bytes:?}: {ended:?}");
    }
}

#[tokio::test]
async fn what_was_told_before_a_connection_breaks_is_recorded_though_nothing_can_be_said_on_it() {
    const MANY: u32 = 300;
    let (workloads, journal) = recorded();
    // What was said is there to be read, and the welcome cannot be written.
    let (mut dll, told_by) = tokio::io::duplex(1 << 20);
    let (gone, said_to) = tokio::io::duplex(64);
    drop(gone);
    let messages = [hello(), opened()].into_iter().chain((0..MANY).map(told));
    let bytes = framed(messages);
    assert!(bytes.len() > 1 << 18, "one read takes it all");
    dll.write_all(&bytes).await.unwrap();
    let stream = tokio::io::join(told_by, said_to);
    let ended = serve(stream, &workloads, &journal, &CancellationToken::new()).await;
    assert!(matches!(ended, Err(ChannelError::Io(_))), "{ended:?}");
    let points = check_points(&journal, MANY as usize).await;
    assert!(points.iter().copied().eq(0..MANY), "{points:?}");
    drop(dll);
    let _stopped = journal.stop();
}

#[tokio::test]
async fn what_was_told_on_a_connection_that_has_been_replaced_is_recorded() {
    let (workloads, journal) = recorded();
    let greet = |connection| {
        FromMonitor::Hello(Hello {
            version: VERSION,
            monitor_id: "monitor".into(),
            connection,
            ..Hello::default()
        })
    };
    let (mut dll, served) = tokio::io::duplex(1 << 20);
    let serving = {
        let (workloads, journal) = (workloads.clone(), journal.clone());
        tokio::spawn(async move { serve(served, &workloads, &journal, &CancellationToken::new()).await })
    };
    dll.write_all(&framed([greet(1), opened(), told(1)])).await.unwrap();
    assert_eq!(check_points(&journal, 1).await, [1]);
    // The daemon is held up, so the DLL has come back before this was read.
    dll.write_all(&framed((2..200).map(told))).await.unwrap();
    let newer = workloads.channel();
    assert_eq!(newer.says(greet(2)).unwrap(), None);
    drop(dll);
    let ended = serving.await.unwrap();
    assert!(ended.is_ok(), "{ended:?}");
    let points = check_points(&journal, 199).await;
    assert!(points.iter().copied().eq(1..200), "{points:?}");
    let _stopped = journal.stop();
}

#[tokio::test(start_paused = true)]
async fn a_dll_that_nothing_is_said_to_hears_that_the_daemon_is_there() {
    let (workloads, journal) = workloads();
    let (mut dll, served) = tokio::io::duplex(4_096);
    let serving = tokio::spawn(async move { serve(served, &workloads, &journal, &CancellationToken::new()).await });
    let mut bytes = Vec::new();
    let message = Some(hello());
    frame::encode(&ToDaemon { message }, &mut bytes).unwrap();
    dll.write_all(&bytes).await.unwrap();
    let mut incoming = frame::Incoming::default();
    let mut promised = None;
    for _ in 0..5 {
        let begin = tokio::time::Instant::now();
        let message = loop {
            if let Some(ToMonitor { message }) = incoming.take().unwrap() {
                break message;
            }
            let mut buffer = [0; 64];
            let read = dll.read(&mut buffer).await.unwrap();
            assert_ne!(read, 0);
            incoming.extend(&buffer[..read]);
        };
        match (message, promised) {
            (Some(to_monitor::Message::Welcome(welcome)), None) => {
                promised = Some(Duration::from_millis(welcome.heartbeat_ms));
            }
            (Some(to_monitor::Message::Heartbeat(_)), Some(promised)) => assert!(begin.elapsed() <= promised),
            (message, _) => panic!("{message:?}"),
        }
    }
    drop(dll);
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_alarm_ends_with_the_last_handle() {
    let (workloads, _journal) = workloads();
    let agent = workloads.agent();
    drop(workloads);
    agent.attach(registration()).unwrap();
    let context = Context::from_waker(Waker::noop());
    assert!(matches!(
        agent.poll_next(&context),
        Poll::Ready(Some(ToAgent::Attached(_)))
    ));
    assert!(agent.poll_next(&context).is_pending());
}
