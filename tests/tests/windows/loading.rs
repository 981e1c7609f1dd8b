//! Which library wsfcd.exe takes for the cluster API, and what it says of functions that the library lacks.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wsfc_client::{Client, ConnectOptions, Reason};
use wsfc_proto::v1;
use wsfc_tests::wine::{self, Running};

use crate::abi::Workshop;

/// A folder of a daemon's own, with its settings.
struct Home {
    folder: TempDir,
}

impl Home {
    /// `library` is the value of the setting, if there is any.
    fn new(library: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Literal strings of TOML take backslashes as they are.
        let data = wine::windows_path(&folder.path().join("data"));
        let library = library.map_or(String::new(), |path| format!("cluster_api.library = '{path}'\n"));
        let settings = format!(
            "data_dir = '{data}'\nlisten.address = '127.0.0.1:0'\nlisten.threads = 1\naccess.loopback_role = 'administrator'\nlog.format = 'json'\n{library}"
        );
        fs::write(folder.path().join("wsfcd.toml"), settings).unwrap();
        Self { folder }
    }

    /// A program with these settings and none of the environment.
    fn command(&self, program: &Path, subcommand: &[&str]) -> std::process::Command {
        let mut command = wine::command(program);
        // What tells the tests is no setting of the daemon.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WSFCD_") {
                command.env_remove(name);
            }
        }
        let settings = wine::windows_path(&self.folder.path().join("wsfcd.toml"));
        command.args(subcommand).args(["--config", &settings]);
        command
    }

    /// Starts the daemon; gives it with the file that its cluster API came from and the address that it serves.
    fn start(&self, change: impl FnOnce(&mut std::process::Command)) -> (Running, String, String) {
        let mut command = self.command(&wine::program("wsfcd.exe"), &["run"]);
        change(&mut command);
        serve(&mut command)
    }
}

fn serve(command: &mut std::process::Command) -> (Running, String, String) {
    let mut daemon = Running::start(command);
    let loaded = field(&daemon.line_with("The cluster API is loaded"), "library");
    let address = field(&daemon.line_with("\"Serving\""), "address");
    (daemon, loaded, address)
}

/// A field of a line of the log.
fn field(line: &str, name: &str) -> String {
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    line[name].as_str().unwrap_or_default().to_owned()
}

fn stop(daemon: Running) {
    daemon.interrupt();
    daemon.ended().well();
}

/// Copies a library to a place under the system's name.
fn plant(library: &Path, folder: &Path) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let path = folder.join("clusapi.dll");
    fs::copy(library, &path).unwrap();
    path
}

/// The file that the planted library makes when it is loaded.
fn marker(planted: &Path) -> PathBuf {
    planted.with_extension("dll.loaded")
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn a_planted_library_is_not_loaded() {
    let workshop = Workshop::new();
    let library = workshop.compile("planted.dll", &["planted.c"], &["-shared"]);
    let home = Home::new(None);
    let places = ["beside", "working", "path"].map(|name| home.folder.path().join(name));
    let planted = places.each_ref().map(|folder| plant(&library, folder));
    let [beside, working, path] = &places;
    let program = beside.join("wsfcd.exe");
    fs::copy(wine::program("wsfcd.exe"), &program).unwrap();

    let mut command = home.command(&program, &["run"]);
    // Wine puts this before the PATH of the Windows machine.
    command.current_dir(working).env("WINEPATH", wine::windows_path(path));
    let (daemon, loaded, _) = serve(&mut command);
    assert_eq!(loaded.to_lowercase(), "c:\\windows\\system32\\clusapi.dll");
    for planted in &planted {
        assert!(!marker(planted).exists(), "{} was loaded", planted.display());
    }
    stop(daemon);

    // What was planted does tell when it is loaded.
    let home = Home::new(Some(&wine::windows_path(&planted[0])));
    let (daemon, ..) = home.start(|_| {});
    assert!(marker(&planted[0]).exists());
    stop(daemon);
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn a_library_that_is_set_is_loaded_from_its_absolute_path_and_logged() {
    let workshop = Workshop::new();
    // Any name will do, and a folder that Windows would not search.
    let library = workshop.path("another name.dll");
    fs::copy(wine::program("clusapi.dll"), &library).unwrap();
    let library = wine::windows_path(&library);
    let home = Home::new(Some(&library));
    let (daemon, loaded, address) = home.start(|_| {});
    assert_eq!(loaded.to_lowercase(), library.to_lowercase());

    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = client(&address).await;
        // A host of the default scenario.
        let state = client.get_host_state("n6").await.unwrap();
        assert_eq!(state.state(), v1::HostState::NotConfigured);
    });
    stop(daemon);
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn a_library_without_an_absolute_path_is_refused() {
    for relative in ["clusapi.dll", "..\\clusapi.dll", "\\windows\\system32\\clusapi.dll"] {
        let home = Home::new(Some(relative));
        let ended = wine::run(&mut home.command(&wine::program("wsfcd.exe"), &["run"]));
        assert!(!ended.status.success(), "{relative}: {ended:#?}");
        assert!(ended.stderr.contains("absolute"), "{relative}: {ended:#?}");
    }
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn a_function_that_the_library_lacks_is_named_with_the_windows_that_brought_it() {
    let workshop = Workshop::new();
    let library = workshop.compile("partial.dll", &["partial.c"], &["-shared"]);
    let home = Home::new(Some(&wine::windows_path(&library)));
    let (daemon, _, address) = home.start(|_| {});
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = client(&address).await;
        let state = client.get_host_state("n1").await.unwrap();
        assert_eq!(state.state(), v1::HostState::NotConfigured);

        let request = v1::AddStorageNodeRequest {
            storage_node: Some(v1::AddStorageNodeParameters {
                cluster: "CL1".into(),
                node: "s1".into(),
                ..Default::default()
            }),
            ..Default::default()
        };
        let error = client.add_storage_node(request).await.unwrap_err();
        let rejection = error.rejection().unwrap();
        assert_eq!(rejection.code, tonic::Code::Unimplemented);
        assert_eq!(rejection.reason, Reason::FunctionUnavailable);
        assert_eq!(rejection.metadata["function"], "AddClusterStorageNode");
        assert_eq!(rejection.metadata["since"], "Windows Server 2019");
        assert!(
            rejection.message.contains("AddClusterStorageNode"),
            "{}",
            rejection.message
        );
        assert!(
            rejection.message.contains("Windows Server 2019"),
            "{}",
            rejection.message
        );
    });
    stop(daemon);
}

async fn client(address: &str) -> Client {
    Client::connect(ConnectOptions::new([format!("http://{address}")]))
        .await
        .unwrap()
}
