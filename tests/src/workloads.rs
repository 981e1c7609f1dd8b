//! Workloads end to end: resources that the real resource DLL runs in a simulated Resource Monitor, agents, and who watches.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use wsfc_client::property::Changes;
use wsfc_client::v1::event::Event as Kind;
use wsfc_client::v1::inventory_object::Object;
use wsfc_client::v1::property_value::Value;
use wsfc_client::v1::{self, ObjectKind, OperationState, ResourceStatus, TextList, WatchStatusRequest};
use wsfc_client::workload::{
    AgentOptions, Call, CallProgress, Notice, RESOURCE_DLL, RESOURCE_TYPE, Workload, WorkloadFailure,
};
use wsfc_client::{Client, Error, Parameters, Watch, WatchItem};
use wsfc_simulator::Scenario;
use wsfc_simulator::scenario::ResourceDll;

use crate::call;
use crate::daemon::{Builder, TestDaemon};
use crate::records::{outcome_of, soon};
use crate::under_test::UnderTest;
use crate::verbs::run;
use crate::watching::Follower;
use crate::{wine, world};

/// The production cluster, whose Resource Monitors load the resource DLL from its file.
pub fn scenario(under_test: UnderTest) -> Scenario {
    Scenario {
        resource_dlls: vec![ResourceDll {
            name: RESOURCE_DLL.into(),
            path: library(under_test),
        }],
        ..world::production()
    }
}

/// A daemon over it, which observes the cluster and where resource DLLs connect.
pub fn daemon() -> Builder {
    let under_test = UnderTest::get();
    TestDaemon::builder(scenario(under_test)).observing()
}

/// The file of the resource DLL, as who loads it names it.
fn library(under_test: UnderTest) -> PathBuf {
    if under_test == UnderTest::Windows {
        return under_test.path(&wine::program(RESOURCE_DLL)).into();
    }
    let name = format!(
        "{}wsfcres{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    );
    // Cargo puts it beside the tests.
    std::env::current_exe().map_or_else(|_| name.clone().into(), |this| this.with_file_name(&name))
}

/// Makes a resource of a workload of the same name, in a group of the same name, with the type if it is not there.
///
/// # Panics
///
/// A call is refused or fails.
pub async fn register(daemon: &TestDaemon, client: &Client, name: &str, parameters: &[(&str, &str)]) {
    make_type(client).await;
    succeeds(client, call!(CreateGroupParameters { group: name })).await;
    let texts = parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
    make_resource(daemon, client, name, name, name, texts).await;
}

/// Makes groups `NAME 0`, `NAME 1`, ... with so many resources each, all of one workload; how many resources there are.
///
/// # Panics
///
/// A call is refused or fails.
pub async fn register_many(
    daemon: &TestDaemon,
    client: &Client,
    workload: &str,
    groups: usize,
    resources: usize,
) -> usize {
    make_type(client).await;
    for number in 0..groups {
        let group = format!("{workload} {number}");
        succeeds(client, call!(CreateGroupParameters { group: group.as_str() })).await;
        for part in 0..resources {
            let resource = format!("{group}.{part}");
            make_resource(daemon, client, workload, &group, &resource, Vec::new()).await;
        }
    }
    groups * resources
}

async fn make_type(client: &Client) {
    let new = call!(CreateResourceTypeParameters {
        resource_type: RESOURCE_TYPE,
        dll: RESOURCE_DLL,
    });
    succeeds(client, new).await;
}

/// Makes a resource whose DLL finds the daemon, with parameters of the form KEY=VALUE.
async fn make_resource(
    daemon: &TestDaemon,
    client: &Client,
    workload: &str,
    group: &str,
    resource: &str,
    parameters: Vec<String>,
) {
    let new = call!(CreateResourceParameters {
        resource: resource,
        group: group,
        r#type: RESOURCE_TYPE,
    });
    succeeds(client, new).await;
    let private = Changes::new("", ObjectKind::Resource, resource)
        .private()
        .set("Workload", Value::Text(workload.into()))
        .set("Parameters", Value::Texts(TextList { texts: parameters }))
        .set("Endpoint", Value::Text(daemon.workload_endpoint()));
    succeeds(client, private.build()).await;
}

/// Runs a call that is to work, whether or not it changes something.
async fn succeeds<P: Parameters + Debug + Clone>(client: &Client, call: P) {
    let records = run(client, call.clone()).await;
    let outcome = outcome_of(&records);
    assert_eq!(outcome.state(), OperationState::Succeeded, "{call:?}: {outcome:?}");
}

/// Brings a resource online or takes it offline, and waits for the operation's outcome.
///
/// # Panics
///
/// It does not start.
pub async fn bring_online(client: &Client, resource: &str) -> v1::OperationOutcome {
    let records = run(client, call!(OnlineResourceParameters { resource: resource })).await;
    outcome_of(&records).clone()
}

/// As [`bring_online`], the other way.
///
/// # Panics
///
/// It does not start.
pub async fn take_offline(client: &Client, resource: &str) -> v1::OperationOutcome {
    let records = run(client, call!(OfflineResourceParameters { resource: resource })).await;
    outcome_of(&records).clone()
}

/// What an agent was asked for, or noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A call, by what it asks for, and whether it was given before.
    Call(&'static str, bool),
    /// It holds the workload; true when it came back.
    Attached(bool),
    /// Another agent holds the workload.
    StandingBy(String),
    /// A call ended without its answer.
    Ended,
    /// Something that it said was not taken.
    Rejected,
}

/// What the test lets an agent do with a call.
#[derive(Debug, Clone)]
pub enum Act {
    /// Reports these steps, percent and words, and has then worked.
    Work(Vec<(u32, &'static str)>),
    /// Reports these steps, and then nothing until [`Agent::go_on`] lets it have worked, or the call is ended from outside.
    Wait(Vec<(u32, &'static str)>),
    /// Fails with these words and this code.
    Fail(&'static str, u32),
}

impl Default for Act {
    fn default() -> Self {
        Self::Work(Vec::new())
    }
}

/// What an agent does, changed by the test at any time.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// Coming online.
    pub online: Act,
    /// Going offline.
    pub offline: Act,
    /// What is wrong with what is online.
    pub illness: Option<&'static str>,
}

/// How long the next step of an agent may take, as it says with each.
pub const NEXT_WITHIN: Duration = Duration::from_secs(90);

struct Actor {
    script: Arc<Mutex<Script>>,
    seen: mpsc::UnboundedSender<Seen>,
    parameters: Arc<Mutex<BTreeMap<String, String>>>,
    gate: Arc<Notify>,
}

impl Actor {
    fn see(&self, seen: Seen) {
        // A test that has ended looks at nothing more.
        let _ = self.seen.send(seen);
    }

    fn script(&self) -> Script {
        self.script.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn act(&self, act: Act, progress: &CallProgress) -> Result<(), WorkloadFailure> {
        let report = |steps: Vec<(u32, &'static str)>| {
            for (percent, message) in steps {
                progress.report_within(percent, message, NEXT_WITHIN);
            }
        };
        match act {
            Act::Work(steps) => {
                for step in steps {
                    report(vec![step]);
                    // What is told before somebody takes it is folded.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Ok(())
            }
            Act::Wait(steps) => {
                report(steps);
                self.gate.notified().await;
                Ok(())
            }
            Act::Fail(words, code) => Err(WorkloadFailure::new(words).with_code(code)),
        }
    }
}

impl Workload for Actor {
    async fn online(&self, call: &Call, progress: &CallProgress) -> Result<(), WorkloadFailure> {
        self.parameters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&call.parameters);
        self.see(Seen::Call("online", call.resumed));
        self.act(self.script().online, progress).await
    }

    async fn offline(&self, call: &Call, progress: &CallProgress) -> Result<(), WorkloadFailure> {
        self.see(Seen::Call("offline", call.resumed));
        self.act(self.script().offline, progress).await
    }

    async fn terminate(&self, call: &Call) {
        self.see(Seen::Call("terminate", call.resumed));
    }

    async fn check_health(&self, _call: &Call) -> Result<(), WorkloadFailure> {
        self.script().illness.map_or(Ok(()), |illness| Err(illness.into()))
    }

    async fn close(&self, call: &Call) {
        self.see(Seen::Call("close", call.resumed));
    }

    fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Attached { resumed, .. } => self.see(Seen::Attached(*resumed)),
            Notice::StandingBy { agent } => self.see(Seen::StandingBy(agent.clone())),
            Notice::CallEnded { .. } => self.see(Seen::Ended),
            Notice::Rejected(_) => self.see(Seen::Rejected),
            _ => {}
        }
    }
}

/// An agent that serves a workload. Dropped, it leaves.
#[derive(Debug)]
pub struct Agent {
    script: Arc<Mutex<Script>>,
    parameters: Arc<Mutex<BTreeMap<String, String>>>,
    gate: Arc<Notify>,
    seen: mpsc::UnboundedReceiver<Seen>,
    leave: Option<oneshot::Sender<()>>,
    serving: JoinHandle<Result<(), Error>>,
}

impl Agent {
    /// Begins to serve.
    pub fn serve(client: Client, workload: &str, options: AgentOptions, script: Script) -> Self {
        let script = Arc::new(Mutex::new(script));
        let (parameters, gate) = (Arc::default(), Arc::default());
        let (see, seen) = mpsc::unbounded_channel();
        let (leave, left) = oneshot::channel::<()>();
        let actor = Actor {
            script: Arc::clone(&script),
            seen: see,
            parameters: Arc::clone(&parameters),
            gate: Arc::clone(&gate),
        };
        let workload = workload.to_owned();
        let serving = tokio::spawn(async move {
            let leaving = async {
                // Dropped is left, too.
                let _ = left.await;
            };
            client.serve_workload(workload, options, actor, leaving).await
        });
        Self {
            script,
            parameters,
            gate,
            seen,
            leave: Some(leave),
            serving,
        }
    }

    /// Serves, and waits until the agent holds the workload.
    pub async fn attached(client: Client, workload: &str, options: AgentOptions, script: Script) -> Self {
        let mut agent = Self::serve(client, workload, options, script);
        agent.sees(&Seen::Attached(false)).await;
        agent
    }

    /// Changes what it does.
    pub fn change(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Lets a call that waits have worked.
    pub fn go_on(&self) {
        self.gate.notify_one();
    }

    /// The parameters of the last call to come online.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        self.parameters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the agent sees something; what it sees before is passed over.
    ///
    /// # Panics
    ///
    /// It ends before.
    #[expect(clippy::panic, reason = "how a test fails")]
    pub async fn sees(&mut self, what: &Seen) {
        let name = format!("{what:?}");
        loop {
            match soon(&name, self.seen.recv()).await {
                Some(seen) if seen == *what => return,
                Some(_) => {}
                None => panic!("the agent ended before it saw {name}"),
            }
        }
    }

    /// What it has seen and nobody has looked at.
    pub fn rest(&mut self) -> Vec<Seen> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }

    /// Leaves, and answers how serving ended.
    pub async fn leave(mut self) -> Result<(), Error> {
        drop(self.leave.take());
        self.ended().await
    }

    /// Waits for its end.
    ///
    /// # Panics
    ///
    /// It panics or does not end.
    #[expect(clippy::expect_used, reason = "how a test fails")]
    pub async fn ended(self) -> Result<(), Error> {
        let Self { serving, leave, .. } = self;
        let ended = soon("the end of the agent", serving)
            .await
            .expect("the agent does not panic");
        drop(leave);
        ended
    }

    /// Ends it as a lost host does: nothing is said any more.
    pub fn vanish(self) {
        self.serving.abort();
    }
}

/// The statuses of a resource, as a client far away sees them.
#[derive(Debug)]
pub struct Statuses {
    watch: Watch,
    /// The revision that was there when they began to be followed.
    begun: u64,
}

impl Statuses {
    /// Follows from now on.
    pub async fn of(client: &Client, resource: &str) -> Self {
        Self::from(client, resource, None).await
    }

    /// Follows from what came after a revision.
    pub async fn after(client: &Client, resource: &str, revision: u64) -> Self {
        Self::from(client, resource, Some(revision)).await
    }

    /// As [`Statuses::after`], of all resources of a group, among the events of its cluster.
    pub async fn among_events(client: &Client, group: &str, revision: u64) -> Self {
        let filter = v1::WatchFilter {
            groups: vec![group.into()],
            changes: vec![v1::ChangeType::ResourceStatus.into()],
            ..v1::WatchFilter::default()
        };
        Self::begun(client.watch(v1::WatchRequest {
            filter: Some(filter),
            after_revision: Some(revision),
            ..v1::WatchRequest::default()
        }))
        .await
    }

    async fn from(client: &Client, resource: &str, after_revision: Option<u64>) -> Self {
        Self::begun(client.watch_status(WatchStatusRequest {
            resources: vec![resource.into()],
            after_revision,
            ..WatchStatusRequest::default()
        }))
        .await
    }

    #[expect(clippy::panic, reason = "how a test fails")]
    async fn begun(mut watch: Watch) -> Self {
        match soon("the first mark", watch.next()).await {
            Some(Ok(WatchItem::Mark { revision })) => Self { watch, begun: revision },
            other => panic!("no first mark: {other:?}"),
        }
    }

    /// The revision after which they are followed.
    pub fn revision(&self) -> u64 {
        self.begun
    }

    /// The next status.
    ///
    /// # Panics
    ///
    /// The watch fails or ends.
    #[expect(clippy::panic, reason = "how a test fails")]
    pub async fn next(&mut self) -> ResourceStatus {
        loop {
            match soon("a status", self.watch.next()).await {
                Some(Ok(WatchItem::Event(event))) => {
                    if let Some(Kind::Cluster(v1::ClusterEvent {
                        resource_status: Some(status),
                        ..
                    })) = event.event
                    {
                        return status;
                    }
                }
                Some(Ok(_)) => {}
                other => panic!("no status: {other:?}"),
            }
        }
    }

    /// All statuses up to one with this state, which is the last.
    pub async fn until(&mut self, state: v1::ResourceState) -> Vec<ResourceStatus> {
        let mut statuses = Vec::new();
        loop {
            let status = self.next().await;
            let is_last = status.state() == state;
            statuses.push(status);
            if is_last {
                return statuses;
            }
        }
    }
}

/// Waits until a resource has a state, by the events of its cluster.
///
/// # Panics
///
/// The watch fails.
pub async fn until_state(client: &Client, resource: &str, state: v1::ResourceState) {
    let mut follower = Follower::of_cluster(client, "").await;
    follower
        .until_cache("the state of the resource", |cache| {
            let found = cache.find(ObjectKind::Resource, resource);
            matches!(found.and_then(|object| object.object.as_ref()),
                Some(Object::Resource(found)) if found.state() == state)
        })
        .await;
}
