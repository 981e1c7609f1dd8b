//! A daemon over a simulated world, and the peers that tests play: a resource DLL on its socket, and agents on gRPC.

use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;
use wsfc_clusapi::Clusapi;
use wsfc_clusapi::sys::constants::resource_state;
use wsfc_proto::v1;
use wsfc_proto::v1::attach_request::Message as FromAgent;
use wsfc_proto::v1::attach_response::Message as ToAgent;
use wsfc_proto::v1::resource_service_client::ResourceServiceClient;
use wsfc_proto::v1::workload_service_client::WorkloadServiceClient;
use wsfc_proto::v1::{WorkloadCallKind as Kind, WorkloadState as State};
use wsfc_resource_channel::frame::{self, Incoming};
use wsfc_resource_channel::to_daemon::Message as FromMonitor;
use wsfc_resource_channel::to_monitor::Message as ToMonitor;
use wsfc_resource_channel::{
    Begun, CallKind, CallState, Hello, Opened, Source, Status as ChannelStatus, ToDaemon, ToMonitor as Envelope, Told,
    VERSION,
};
use wsfc_simulator::Simulation;

use crate::access::policy::ADMINISTRATOR;
use crate::cluster_api;
use crate::daemon::Daemon;
use crate::platform::Platform;
use crate::settings::Settings;

/// How long something may take that has to happen; far longer than it does.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it does not happen")
}

pub(super) struct Host {
    pub(super) folder: TempDir,
    pub(super) world: Simulation,
    pub(super) observe: bool,
}

impl Host {
    pub(super) fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            world: cluster_api::simulation("production", None).unwrap(),
            observe: true,
        }
    }

    pub(super) async fn start(&self) -> Daemon {
        let mut settings = Settings {
            data_dir: self.folder.path().join("data"),
            ..Settings::default()
        };
        settings.listen.address.set_port(0);
        settings.listen.threads = 2;
        // Agents of these tests come over a bare socket and show nothing.
        settings.access.loopback_role = Some(ADMINISTRATOR.into());
        settings.inventory.observe = self.observe;
        let api = Clusapi::from_provider(self.world.clone());
        let daemon = Daemon::start(settings, api, Platform::system()).await.unwrap();
        daemon.core().engine.clusters().resolve("").await.unwrap();
        daemon
    }

    pub(super) async fn dll(&self, monitor_id: &str) -> Dll {
        let stream = UnixStream::connect(self.folder.path().join("data/resource.sock"));
        let mut dll = Dll {
            stream: stream.await.unwrap(),
            incoming: Incoming::default(),
        };
        dll.say(FromMonitor::Hello(Hello {
            version: VERSION,
            monitor_id: monitor_id.into(),
            ..Hello::default()
        }))
        .await;
        let welcome = dll.hear().await;
        assert!(matches!(welcome, Some(ToMonitor::Welcome(_))), "{welcome:?}");
        dll
    }
}

pub(super) struct Dll {
    pub(super) stream: UnixStream,
    pub(super) incoming: Incoming,
}

impl Dll {
    pub(super) async fn say(&mut self, message: FromMonitor) {
        let mut bytes = Vec::new();
        frame::encode(&ToDaemon { message: Some(message) }, &mut bytes).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// The next message; nothing at the end.
    pub(super) async fn hear(&mut self) -> Option<ToMonitor> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            if let Some(message) = self.incoming.take::<Envelope>().unwrap() {
                return message.message;
            }
            let read = in_time(self.stream.read(&mut buffer)).await.unwrap_or(0);
            if read == 0 {
                return None;
            }
            self.incoming.extend(&buffer[..read]);
        }
    }

    pub(super) async fn status(&mut self) -> ChannelStatus {
        match self.hear().await {
            Some(ToMonitor::Status(status)) => status,
            heard => panic!("{heard:?}"),
        }
    }

    /// The next status that an agent has made.
    pub(super) async fn of_agent(&mut self) -> ChannelStatus {
        loop {
            let status = self.status().await;
            if status.source() == Source::Agent {
                return status;
            }
        }
    }

    pub(super) async fn open(&mut self, instance: u64, resource: &str, again: bool) {
        let opened = Opened {
            instance,
            resource: resource.into(),
            workload: "Work".into(),
            native_state: resource_state::OFFLINE,
            again,
            ..Opened::default()
        };
        self.say(FromMonitor::Opened(opened)).await;
    }

    pub(super) async fn begin(&mut self, instance: u64, call: u64, again: bool) {
        let begun = Begun {
            instance,
            call,
            kind: CallKind::Online.into(),
            pending_timeout_ms: 180_000,
            again,
            workload: "Work".into(),
            ..Begun::default()
        };
        self.say(FromMonitor::Begun(begun)).await;
    }

    /// Tells what the monitor was told.
    pub(super) async fn tell(&mut self, status: &ChannelStatus, check_point: u32) {
        let told = Told {
            instance: status.instance,
            call: status.call,
            native_state: match status.state() {
                CallState::Online => resource_state::ONLINE,
                CallState::Failed => resource_state::FAILED,
                _ => resource_state::ONLINE_PENDING,
            },
            check_point,
            exit_state: Some(0),
            percent: status.percent,
            message: status.message.clone(),
            source: status.source,
            time_ms: 1_000,
            ..Told::default()
        };
        self.say(FromMonitor::Told(told)).await;
    }
}

pub(super) struct Agent {
    pub(super) say: mpsc::Sender<v1::AttachRequest>,
    pub(super) hear: Streaming<v1::AttachResponse>,
}

pub(super) async fn channel(daemon: &Daemon) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{}", daemon.address())).unwrap();
    endpoint.connect().await.unwrap()
}

pub(super) fn registration(agent: &str) -> v1::AgentRegistration {
    v1::AgentRegistration {
        workload: "work".into(),
        agent: agent.into(),
        health_interval: Some(prost_types::Duration::default()),
        ..v1::AgentRegistration::default()
    }
}

impl Agent {
    pub(super) async fn connect(daemon: &Daemon) -> Self {
        let (say, said) = mpsc::channel(4_096);
        let mut client = WorkloadServiceClient::new(channel(daemon).await);
        // The answer comes before anything was said.
        let hear = in_time(client.attach(ReceiverStream::new(said)))
            .await
            .unwrap()
            .into_inner();
        Self { say, hear }
    }

    pub(super) async fn attach(daemon: &Daemon, registration: v1::AgentRegistration) -> Self {
        let agent = Self::connect(daemon).await;
        agent.say(FromAgent::Registration(registration)).await;
        agent
    }

    pub(super) async fn say(&self, message: FromAgent) {
        let message = Some(message);
        self.say.send(v1::AttachRequest { message }).await.unwrap();
    }

    pub(super) async fn answer(&self, call_id: &str, state: State, percent: Option<u32>) {
        self.say(FromAgent::Status(v1::WorkloadStatus {
            call_id: call_id.into(),
            state: state.into(),
            percent,
            ..v1::WorkloadStatus::default()
        }))
        .await;
    }

    pub(super) async fn next(&mut self) -> Result<Option<ToAgent>, Status> {
        Ok(in_time(self.hear.message()).await?.and_then(|message| message.message))
    }

    pub(super) async fn attached(&mut self) -> v1::Attached {
        match self.next().await {
            Ok(Some(ToAgent::Attached(attached))) => attached,
            heard => panic!("{heard:?}"),
        }
    }

    pub(super) async fn call(&mut self, kind: Kind) -> v1::WorkloadCall {
        loop {
            match self.next().await {
                Ok(Some(ToAgent::Call(call))) if call.kind() == kind => return call,
                Ok(Some(ToAgent::Call(call))) if call.kind() == Kind::Open => {}
                heard => panic!("{heard:?}"),
            }
        }
    }

    /// The reason of the error that the stream ends with.
    pub(super) async fn refused(&mut self) -> (Code, String, Status) {
        let status = self.next().await.unwrap_err();
        let reason = status.get_details_error_info().unwrap().reason;
        (status.code(), reason, status)
    }
}

/// Statuses of resources after a revision, as many as are wanted.
pub(super) async fn statuses(daemon: &Daemon, count: usize, request: v1::WatchStatusRequest) -> Vec<v1::ClusterEvent> {
    let mut client = ResourceServiceClient::new(channel(daemon).await);
    let mut watch = client.watch_status(request).await.unwrap().into_inner();
    let mut found = Vec::new();
    while found.len() < count {
        let message = in_time(watch.message()).await.unwrap().unwrap();
        for event in message.events {
            match event.event {
                Some(v1::event::Event::Cluster(event)) if event.gap.is_none() => found.push(event),
                Some(v1::event::Event::Cluster(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    found
}

pub(super) fn all() -> v1::WatchStatusRequest {
    v1::WatchStatusRequest {
        after_revision: Some(0),
        ..v1::WatchStatusRequest::default()
    }
}
