//! Workloads: from an agent's report, through the resource DLL and the Resource Monitor, to a remote watcher; and a thousand
//! resources that come online together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use wsfc_client::v1::event::Event as Kind;
use wsfc_client::v1::{self, ResourceState, ResourceStatus, WatchStatusRequest};
use wsfc_client::workload::{AgentOptions, Call, CallProgress, Workload, WorkloadFailure};
use wsfc_client::{Client, Watch, WatchItem};
use wsfc_tests::workloads;

use crate::method::{Effort, Times, table, us};

/// How long one step may take at most; nothing fails for being slow, only for never ending.
const PATIENCE: Duration = Duration::from_secs(300);
/// How many calls are asked for at once.
const AT_ONCE: usize = 32;

/// Takes the figures.
pub fn run(effort: Effort) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        reports(effort).await;
        together(effort).await;
    });
}

/// Reports one after the other while it comes online, with rest between them, and tells when each was made.
struct Reporter {
    count: usize,
    made: mpsc::UnboundedSender<Instant>,
}

impl Workload for Reporter {
    async fn online(&self, _call: &Call, progress: &CallProgress) -> Result<(), WorkloadFailure> {
        for number in 0..self.count {
            let _ = self.made.send(Instant::now());
            progress.report(None, number.to_string());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    async fn offline(&self, _call: &Call, _progress: &CallProgress) -> Result<(), WorkloadFailure> {
        Ok(())
    }

    async fn terminate(&self, _call: &Call) {}
}

async fn reports(effort: Effort) {
    let daemon = workloads::daemon().plain().start().await;
    let client = daemon.client();
    workloads::register(&daemon, &client, "measured", &[]).await;
    let mut watch = follow(&daemon.client()).await;
    let (made, mut reports) = mpsc::unbounded_channel();
    let count = effort.rounds(1_000);
    let reporter = Reporter { count, made };
    let agent = daemon.client();
    let serving = tokio::spawn(async move {
        let forever = std::future::pending();
        agent
            .serve_workload("measured", AgentOptions::default(), reporter, forever)
            .await
    });
    let online = tokio::spawn(async move { workloads::bring_online(&client, "measured").await });
    let mut all = Times::default();
    let mut folded = 0;
    let mut next = 0;
    while next < count {
        let status = status(&mut watch).await;
        let Ok(number) = status.message.parse::<usize>() else {
            continue;
        };
        // What is reported faster than it is told is folded into the last report.
        let mut made = None;
        while next <= number {
            folded += usize::from(made.is_some());
            made = reports.recv().await;
            next += 1;
        }
        all.add(made.expect("a report").elapsed());
    }
    let outcome = online.await.expect("an operation");
    assert_eq!(outcome.state(), v1::OperationState::Succeeded, "{outcome:?}");
    serving.abort();
    daemon.finish().await;
    table(
        &format!("{count} reports of an agent, 5 ms apart ({folded} folded into the next)"),
        &["way", "p50, us", "p99, us"],
        &[vec![
            "agent -> daemon -> resource DLL -> monitor -> daemon -> journal -> watcher".into(),
            us(all.median()),
            us(all.quantile(990)),
        ]],
    );
}

/// Comes online with three reports, as fast as they are taken.
struct Quick(Arc<AtomicU64>);

impl Workload for Quick {
    async fn online(&self, _call: &Call, progress: &CallProgress) -> Result<(), WorkloadFailure> {
        self.0.fetch_add(1, Ordering::Relaxed);
        for percent in [10, 50, 90] {
            progress.report(percent, "working");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn offline(&self, _call: &Call, _progress: &CallProgress) -> Result<(), WorkloadFailure> {
        Ok(())
    }

    async fn terminate(&self, _call: &Call) {}
}

async fn together(effort: Effort) {
    let groups = if effort.quick { 2 } else { 100 };
    let daemon = workloads::daemon().plain().start().await;
    let client = daemon.client();
    let count = workloads::register_many(&daemon, &client, "crowd", groups, 10).await;
    let asked = Arc::new(AtomicU64::new(0));
    let quick = Quick(Arc::clone(&asked));
    let agent = daemon.client();
    let serving = tokio::spawn(async move {
        let forever = std::future::pending();
        agent
            .serve_workload("crowd", AgentOptions::default(), quick, forever)
            .await
    });
    let mut watch = follow(&daemon.client()).await;
    let began = Instant::now();
    let starter = client.clone();
    let starts = tokio::spawn(async move {
        let starts = (0..groups).map(|group| {
            let client = starter.clone();
            async move {
                let call = v1::OnlineGroupParameters {
                    group: format!("crowd {group}"),
                    ..v1::OnlineGroupParameters::default()
                };
                let operation = client.start(call).await.expect("a start");
                operation.wait().await.expect("an outcome").state()
            }
        });
        futures_util::stream::iter(starts)
            .buffer_unordered(AT_ONCE)
            .filter(|state| std::future::ready(*state == v1::OperationState::Succeeded))
            .count()
            .await
    });
    let (mut online, mut statuses) = (0, 0);
    while online < count {
        let status = status(&mut watch).await;
        statuses += 1;
        online += usize::from(status.state() == ResourceState::Online);
    }
    let all = began.elapsed();
    let worked = starts.await.expect("the starts");
    let ended = began.elapsed();
    // Figures of operations that failed would say nothing.
    assert_eq!(worked, groups, "operations that succeeded");
    serving.abort();
    daemon.finish().await;
    table(
        &format!("{count} resources of one workload come online together, by {groups} operations"),
        &["what", "value"],
        &[
            vec![
                "calls that the agent was given".into(),
                asked.load(Ordering::Relaxed).to_string(),
            ],
            vec!["statuses that the watcher saw".into(), statuses.to_string()],
            vec!["operations that succeeded".into(), worked.to_string()],
            vec![
                "from the first start to the last ONLINE at the watcher".into(),
                format!("{:.0} ms", all.as_secs_f64() * 1e3),
            ],
            vec![
                "until the last operation had its outcome".into(),
                format!("{:.0} ms", ended.as_secs_f64() * 1e3),
            ],
            vec![
                "statuses a second".into(),
                format!("{:.0}", f64::from(statuses) / all.as_secs_f64()),
            ],
        ],
    );
}

/// Watches statuses from now on.
async fn follow(client: &Client) -> Watch {
    let mut watch = client.watch_status(WatchStatusRequest::default());
    while !matches!(
        watch.next().await.expect("a watch").expect("a watch"),
        WatchItem::Mark { .. }
    ) {}
    watch
}

async fn status(watch: &mut Watch) -> ResourceStatus {
    loop {
        let item = tokio::time::timeout(PATIENCE, watch.next()).await.expect("in time");
        if let WatchItem::Event(event) = item.expect("a watch").expect("a watch")
            && let Some(Kind::Cluster(change)) = event.event
            && let Some(status) = change.resource_status
        {
            return status;
        }
    }
}
