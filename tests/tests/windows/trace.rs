//! `wsfcd.exe trace` over the simulated `clusapi.dll`: what it records is what the recorder of this system records of the
//! same world. That a trace, played as a scenario, gives the same records is tested in `server/tests/process/trace.rs`,
//! which runs under Wine as well.

use std::path::Path;
use std::time::SystemTime;

use tempfile::TempDir;
use wsfc_client::{Client, ConnectOptions};
use wsfc_clusapi::Clusapi;
use wsfc_clusapi::trace::format::Report;
use wsfc_clusapi::trace::{About, Fields, Trace, Value, record};
use wsfc_proto::v1;
use wsfc_simulator::{Scenario, Simulation};
use wsfc_tests::wine::{self, Running};
use wsfcd::access::policy::ADMINISTRATOR;
use wsfcd::daemon::Daemon;
use wsfcd::platform::Platform;
use wsfcd::settings::Settings;

/// Two machines and a phase that warns; nothing waits.
const WORLD: &str = r#"
seed = 3
[[networks]]
name = "net"
subnet = "10.0.0.0"
prefix = 24
[[machines]]
name = "n1"
[[machines]]
name = "n2"
[[faults]]
call = "CreateCluster"
phase = "ValidateNetft"
severity = "warning"
status = 5970
"#;

/// Creates a cluster, waits for the outcome, and has it warn.
async fn create(address: &str) {
    let client = Client::connect(ConnectOptions::new([format!("http://{address}")]))
        .await
        .unwrap();
    let request = v1::CreateClusterRequest {
        cluster: Some(v1::CreateClusterParameters {
            cluster: "CL1".into(),
            nodes: vec!["n1".into(), "n2".into()],
            ip_addresses: vec![v1::IpAddress {
                address: "10.0.0.50".into(),
                prefix_length: 24,
            }],
            ..Default::default()
        }),
        ..Default::default()
    };
    let outcome = client.create_cluster(request).await.unwrap().wait().await.unwrap();
    assert_eq!(
        (outcome.state(), outcome.warning_count),
        (v1::OperationState::Succeeded, 2)
    );
}

/// Records wsfcd.exe, which loads `clusapi.dll` from the prefix.
fn of_windows(folder: &Path) -> Trace {
    let (scenario, file) = (folder.join("world.toml"), folder.join("windows.jsonl"));
    std::fs::write(&scenario, WORLD).unwrap();
    let settings = folder.join("settings.toml");
    std::fs::write(&settings, "access.loopback_role = 'administrator'\n").unwrap();
    let mut command = wine::command(wine::program("wsfcd.exe"));
    command
        .args([
            "trace",
            "run",
            "--config",
            &wine::windows_path(&settings),
            "--listen",
            "127.0.0.1:0",
            "--log-format",
            "json",
        ])
        .args(["--data-dir", &wine::windows_path(&folder.join("windows"))])
        .args(["--output", &wine::windows_path(&file)])
        .env("WSFC_SIMULATOR_SCENARIO", wine::windows_path(&scenario));
    let mut daemon = Running::start(&mut command);
    let line: serde_json::Value = serde_json::from_str(&daemon.line_with("\"Serving\"")).unwrap();
    let address = line["fields"]["address"].as_str().or_else(|| line["address"].as_str());
    let address = address.expect("the address is in the log").to_owned();
    tokio::runtime::Runtime::new().unwrap().block_on(create(&address));
    daemon.interrupt();
    daemon.ended().well();
    Trace::from_file(&file).unwrap()
}

/// Records the same in this process.
fn of_this_system(folder: &Path) -> Trace {
    let file = folder.join("here.jsonl");
    let world = Simulation::new(Scenario::from_toml(WORLD).unwrap()).unwrap();
    let about = About {
        program: "this test".into(),
        os: std::env::consts::OS.into(),
        host: None,
        library: "this process".into(),
        now: SystemTime::UNIX_EPOCH,
    };
    let (api, recording) = record(
        &Clusapi::from_provider(world),
        about,
        std::fs::File::create(&file).unwrap(),
    )
    .unwrap();
    let mut settings = Settings {
        data_dir: folder.join("here"),
        ..Settings::default()
    };
    settings.listen.address = ([127, 0, 0, 1], 0).into();
    settings.access.loopback_role = Some(ADMINISTRATOR.into());
    settings.listen.threads = 1;
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let daemon = Daemon::start(settings, api, Platform::system()).await.unwrap();
        create(&daemon.address().to_string()).await;
        daemon.stop().await;
    });
    recording.finish().unwrap();
    Trace::from_file(&file).unwrap()
}

/// A call without its times: the function, the arguments, the callbacks with whether they came on the call's own thread,
/// the result, the error, and what it wrote.
type Shape = (
    String,
    Fields,
    Vec<(i32, Option<Report>, i32, bool)>,
    Value,
    Option<u32>,
    Fields,
);

/// The calls of the thread that created the cluster.
fn shape(trace: &Trace) -> Vec<Shape> {
    assert!(trace.ended && !trace.truncated && trace.strays.is_empty());
    assert!(trace.header.absent.is_empty());
    let create = trace
        .calls
        .iter()
        .find(|call| call.begin.function == "CreateCluster")
        .unwrap();
    let own = trace
        .calls
        .iter()
        .filter(|call| call.begin.thread == create.begin.thread);
    own.map(|call| {
        let callbacks = call.callbacks.iter().map(|callback| {
            assert!(!callback.late);
            let here = callback.thread == call.begin.thread;
            (callback.phase, callback.report.clone(), callback.answer, here)
        });
        let returned = call.returned.as_ref().expect("every call came back");
        (
            call.begin.function.clone(),
            call.begin.arguments.clone(),
            callbacks.collect(),
            returned.result.clone(),
            returned.error,
            returned.out.clone(),
        )
    })
    .collect()
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn a_trace_of_wsfcd_exe_is_that_of_this_system() {
    let folder = TempDir::new().unwrap();
    let windows = of_windows(folder.path());
    assert!(windows.header.os.starts_with("windows"), "{:?}", windows.header);
    assert!(
        windows.header.library.to_lowercase().ends_with("clusapi.dll"),
        "{:?}",
        windows.header
    );
    let (windows, here) = (shape(&windows), shape(&of_this_system(folder.path())));
    assert!(here.len() > 10, "the look at the cluster is part of it");
    assert_eq!(windows.len(), here.len());
    for (windows, here) in windows.iter().zip(&here) {
        assert_eq!(windows, here);
    }
}
