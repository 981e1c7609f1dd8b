//! From the callback to a remote client, on each platform: a daemon in this process, the binary of this system, and
//! `wsfcd.exe` under Wine, each with the cluster API as it loads it there, over TLS.
//!
//! A record carries the time at which the callback handed it over, and all three take it from the clock of this host, as
//! the client does. So the way of a record is the time of its receipt less its own.

use std::time::{Duration, SystemTime};

use wsfc_client::{Client, Operation, Progress, v1};
use wsfc_clusapi::sys::constants::setup_phase;
use wsfc_proto::v1::operation_record::Payload;
use wsfc_simulator::Scenario;
use wsfc_tests::{TestDaemon, UnderTest, request, world};

use crate::method::{Effort, Times, ratio, table, us};

/// How long each phase takes: long enough that the record of its end meets a daemon at rest.
const PHASE: Duration = Duration::from_millis(5);

/// Clusters made and destroyed before the first that counts: connections, caches and allocators settle in them.
const WARM_UP: usize = 2;

struct Platform {
    name: &'static str,
    daemon: TestDaemon,
    client: Client,
    times: Times,
}

/// Platforms are taken in turn, a cluster each, so that all see the same neighbours.
pub fn run(effort: Effort) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(measure(effort));
}

async fn measure(effort: Effort) {
    let mut platforms = Vec::new();
    for (under_test, name) in [
        (UnderTest::InProcess, "in the client's process"),
        (UnderTest::Binary, "wsfcd on Linux, libclusapi.so"),
        (UnderTest::Windows, "wsfcd.exe under Wine, clusapi.dll"),
    ] {
        if let Some(missing) = TestDaemon::missing(under_test) {
            println!("\n!!! NOT MEASURED: {name}: {missing}");
            continue;
        }
        let daemon = TestDaemon::builder_for(under_test, slow_world()).start().await;
        let client = daemon.client();
        let times = Times::default();
        platforms.push(Platform {
            name,
            daemon,
            client,
            times,
        });
    }
    for round in 0..WARM_UP + effort.rounds(50) {
        for platform in &mut platforms {
            let times = platform.round().await;
            if round >= WARM_UP {
                times.into_iter().for_each(|time| platform.times.add(time));
            }
        }
    }
    let unit = platforms.first().map(|first| first.times.median()).unwrap_or_default();
    let mut rows = Vec::new();
    for platform in platforms {
        let times = &platform.times;
        rows.push(vec![
            platform.name.to_owned(),
            times.count().to_string(),
            us(times.median()),
            us(times.quantile(990)),
            ratio(times.median(), unit),
        ]);
        drop(platform.client);
        platform.daemon.finish().await;
    }
    table(
        "From the callback to a client over TLS, us",
        &["daemon", "records", "p50", "p99", "p50 / first row"],
        &rows,
    );
}

/// Two machines, on which each phase of a setup call takes its time in reality.
fn slow_world() -> Scenario {
    let mut scenario = world::machines(2);
    scenario.timing.scale = 1.0;
    let ms = u64::try_from(PHASE.as_millis()).expect("a short time");
    scenario.timing.cleanup_ms = ms;
    for phase in setup_phase::NUMBERS {
        scenario.timing.phases.insert(phase.to_string(), ms);
    }
    scenario
}

impl Platform {
    /// Makes a cluster, follows it, and destroys it; the ways of the records of a phase's end, which come to a daemon at
    /// rest.
    async fn round(&self) -> Vec<Duration> {
        let wanted = request::create_cluster("CL1", &["n1", "n2"]);
        let create = self.client.create_cluster(wanted).await.expect("a start");
        let times = follow(&create).await;
        let destroy = self.client.destroy_cluster(request::destroy_cluster("CL1")).await;
        let outcome = destroy.expect("a start").wait().await.expect("an outcome");
        assert_eq!(outcome.state(), v1::OperationState::Succeeded);
        times
    }
}

async fn follow(operation: &Operation) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut before = None;
    let mut progress = operation.progress();
    while let Some(progress) = progress.next().await {
        let Progress::Record(record) = progress.expect("no error") else {
            panic!("the connection was lost");
        };
        let received = SystemTime::now();
        let pushed = SystemTime::try_from(record.time.expect("every record has its time")).expect("a time of now");
        let rest = before.and_then(|before| pushed.duration_since(before).ok());
        before = Some(pushed);
        let ends = matches!(&record.payload, Some(Payload::SetupProgress(setup)) if setup.phase_type() == v1::SetupPhaseType::End);
        if ends && rest.is_some_and(|rest| rest >= PHASE / 2) {
            // A clock that was set back in between would show here.
            times.push(received.duration_since(pushed).expect("received after it was pushed"));
        }
    }
    times
}
