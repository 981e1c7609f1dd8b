//! The daemon as a service: its life under the service control manager that Wine plays. Each test has a service of its own
//! name, with settings, journal and logs in a folder of its own, so that they run side by side.
//!
//! Wine's manager refuses two settings (WINDOWS.md), restarts nothing, and takes a service whose process was killed for a
//! running one until somebody starts it again.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use wsfc_client::{Client, ConnectOptions, Operation, Progress, Reason, v1};
use wsfc_simulator::Scenario;
use wsfc_tests::wine::{self, Ended};
use wsfc_tests::{request, world};

/// What Wine's service control manager refuses; the exit code of an installation says that there was something.
const REFUSED_BY_WINE: [&str; 2] = ["the delayed start", "the restarts after a failed start"];
/// The exit code of an installation that the system refused something that the service can do without.
const REFUSED_IN_PART: i32 = 2;

/// A service, installed or not. It is removed in the end, whatever becomes of the test.
struct Service {
    name: &'static str,
    folder: TempDir,
}

impl Service {
    /// With settings over the cluster API of the system.
    fn new(name: &'static str) -> Self {
        let service = Self {
            name,
            // Whoever forgets a quotation mark fails.
            folder: tempfile::Builder::new().prefix("a service ").tempdir().unwrap(),
        };
        std::os::unix::fs::symlink(wine::program("wsfcd.exe"), service.path("wsfcd.exe")).unwrap();
        service.set("");
        service
    }

    /// With settings over a simulated world.
    fn over(name: &'static str, scenario: &Scenario) -> Self {
        let service = Self::new(name);
        let scenario = toml::to_string(scenario).unwrap();
        std::fs::write(service.path("scenario.toml"), scenario).unwrap();
        service.set("");
        service
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the settings file anew: the settings of every test, and `more` of them.
    fn set(&self, more: &str) {
        let path = |name: &str| wine::windows_path(&self.path(name));
        // Literal strings of TOML take backslashes as they are.
        let mut settings = format!(
            "data_dir = '{}'\nlisten.ready_file = '{}'\nlisten.threads = 1\naccess.loopback_role = 'administrator'\nlog.dir = '{}'\nlog.format = 'json'\n{more}",
            path("data"),
            path("address"),
            path("logs"),
        );
        if self.path("scenario.toml").exists() {
            settings += &format!("cluster_api.simulate = '{}'\n", path("scenario.toml"));
        }
        if !more.contains("listen.address") {
            settings += "listen.address = '127.0.0.1:0'\n";
        }
        std::fs::write(self.path("wsfcd.toml"), settings).unwrap();
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = wine::command(self.path("wsfcd.exe"));
        command.args(["service", verb, "--name", self.name]);
        command
    }

    /// `wsfcd service VERB --name NAME ...`
    fn verb(&self, verb: &str, more: &[&str]) -> Ended {
        wine::run(self.command(verb).args(more))
    }

    /// Installs it with its settings and as far as Wine lets it.
    fn install(&self, more: &[&str]) -> Ended {
        let config = wine::windows_path(&self.path("wsfcd.toml"));
        let mut options = vec!["--config", &config];
        options.extend(more);
        let ended = self.verb("install", &options);
        assert_eq!(ended.status.code(), Some(REFUSED_IN_PART), "{ended:#?}");
        let refused: Vec<&str> = ended
            .stderr
            .lines()
            .filter_map(|line| line.strip_prefix("Warning: the system refused "))
            .filter_map(|line| line.split_once(':'))
            .map(|(what, _why)| what)
            .collect();
        assert_eq!(refused, REFUSED_BY_WINE, "{ended:#?}");
        ended
    }

    fn status(&self) -> Value {
        let ended = self.verb("status", &["--output", "json"]).well();
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// Connects to the running service.
    async fn client(&self) -> Client {
        let address = std::fs::read_to_string(self.path("address")).unwrap();
        let options = ConnectOptions::new([format!("http://{}", address.trim_end())]);
        Client::connect(options).await.unwrap()
    }

    /// All that it has logged.
    fn log(&self) -> String {
        let Ok(files) = std::fs::read_dir(self.path("logs")) else {
            return String::new();
        };
        files
            .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
            .collect()
    }

    /// Waits until it has logged a text so many times. A log is written by another process, which gives no signal.
    async fn logs(&self, text: &str, times: usize) {
        let logged = async {
            while self.log().matches(text).count() < times {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(wine::PATIENCE, logged).await;
        assert!(waited.is_ok(), "not {times} times {text:?} in\n{}", self.log());
    }

    /// The key of its source in the event log, as `reg query` shows it.
    fn event_source(&self) -> Ended {
        let key = format!(
            r"HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\{}",
            self.name
        );
        wine::run(wine::command("reg").args(["query", &key]))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Most tests have removed it. A test that failed says so itself.
        let mut command = self.command("uninstall");
        drop(command.stdout(Stdio::null()).stderr(Stdio::null()).status());
    }
}

/// A world whose cluster forms for so many real milliseconds; nothing else takes any time.
fn forming_for(milliseconds: u64) -> Scenario {
    let mut scenario = world::machines(2);
    scenario.timing.scale = 0.001;
    scenario
        .timing
        .phases
        .insert("FormingCluster".into(), milliseconds * 1_000);
    scenario
}

/// Starts a CreateCluster, and waits until the cluster forms.
async fn forming(client: &Client) -> (Operation, wsfc_client::ProgressStream) {
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    let mut stream = operation.progress();
    loop {
        match stream.next().await.unwrap().unwrap() {
            Progress::Record(record) if is_forming(&record) => return (operation, stream),
            _ => {}
        }
    }
}

fn is_forming(record: &v1::OperationRecord) -> bool {
    matches!(
        &record.payload,
        Some(v1::operation_record::Payload::SetupProgress(progress))
            if progress.phase == i32::from(v1::SetupPhase::FormingCluster)
    )
}

async fn state(client: &Client, id: &str) -> v1::OperationState {
    client.get_operation(id).await.unwrap().operation.unwrap().state()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Windows build: tests/windows/run"]
async fn a_service_lives_and_leaves_its_data() {
    let service = Service::new("wsfcd-life");
    let installed = service.install(&[]);
    assert!(
        installed
            .stderr
            .contains("Service wsfcd-life installed; it runs as LocalSystem.")
    );
    let status = service.status();
    assert_eq!(
        (&status["state"], &status["account"], &status["process_id"]),
        (&"stopped".into(), &"LocalSystem".into(), &Value::Null),
        "{status}"
    );
    let path = |name: &str| wine::windows_path(&service.path(name));
    let command = format!(
        r#""{}" service run --name wsfcd-life --config "{}""#,
        path("wsfcd.exe"),
        path("wsfcd.toml")
    );
    assert_eq!(status["command"], command, "{status}");
    let source = service.event_source().well();
    assert!(source.stdout.contains("EventMessageFile"), "{source:#?}");
    assert!(source.stdout.contains("wsfcd.exe"), "{source:#?}");
    // Again is a change and no fault.
    assert!(service.install(&[]).stderr.contains("Service wsfcd-life changed"));

    service.verb("start", &[]).well();
    let status = service.status();
    assert_eq!(status["state"], "running", "{status}");
    assert!(status["process_id"].as_u64().is_some_and(|id| id > 0), "{status}");
    let client = service.client().await;
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1", "n2"]))
        .await
        .unwrap();
    let outcome = operation.wait().await.unwrap();
    assert_eq!(outcome.state(), v1::OperationState::Succeeded, "{outcome:?}");
    // What is so already is no fault either.
    assert!(service.verb("start", &[]).well().stderr.contains("runs"));

    service.verb("stop", &[]).well();
    let status = service.status();
    assert_eq!(
        (&status["state"], &status["win32_exit_code"]),
        (&"stopped".into(), &0.into()),
        "{status}"
    );
    assert!(!service.path("address").exists(), "the ready file is stale");
    service.verb("stop", &[]).well();
    let reload = service.verb("reload", &[]);
    assert!(
        !reload.status.success() && reload.stderr.contains("does not run"),
        "{reload:#?}"
    );

    let removed = service.verb("uninstall", &[]).well();
    assert!(removed.stderr.contains(r"stay in C:\ProgramData\wsfcd"), "{removed:#?}");
    assert!(
        service.path("data").join("journal.redb").is_file(),
        "the journal is gone"
    );
    assert!(!service.log().is_empty(), "the log is gone");
    assert!(!service.event_source().status.success(), "the source stays");
    let status = service.verb("status", &[]);
    assert!(!status.status.success(), "{status:#?}");
    assert!(status.stderr.contains("there is no service wsfcd-life"), "{status:#?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Windows build: tests/windows/run"]
async fn a_stop_lets_a_running_call_end_and_says_that_it_goes_on() {
    // Long enough that the cluster still forms when a slow machine stops the service, and shorter than the grace.
    let service = Service::over("wsfcd-stop", &forming_for(60_000));
    service.set("operations.shutdown_grace = '100s'\n");
    service.install(&[]);
    service.verb("start", &[]).well();
    let client = service.client().await;
    let (operation, mut stream) = forming(&client).await;
    let reading = async {
        loop {
            match stream.next().await.unwrap().unwrap() {
                Progress::Record(record) => assert!(is_forming(&record), "{record:?}"),
                Progress::Reconnecting { error, .. } => return error,
                Progress::Resumed { .. } => panic!("the daemon is still there"),
            }
        }
    };
    let service = Arc::new(service);
    let stopping = Arc::clone(&service);
    let stopping = tokio::task::spawn_blocking(move || stopping.verb("stop", &[]));
    let (error, stopped) = tokio::join!(reading, stopping);
    assert_eq!(error.reason(), Some(&Reason::ShuttingDown), "{error:?}");
    let stopped = stopped.unwrap().well();
    // A stop has three phases; the other steps say that it goes on meanwhile.
    let step = |line: &str| {
        line.rsplit_once("is stopping, step ")?
            .1
            .trim_end_matches('.')
            .parse::<u32>()
            .ok()
    };
    let last = stopped.stderr.lines().filter_map(step).max();
    assert!(last >= Some(6), "{stopped:#?}");
    drop(stream);

    service.verb("start", &[]).well();
    let client = service.client().await;
    assert_eq!(state(&client, operation.id()).await, v1::OperationState::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Windows build: tests/windows/run"]
async fn a_killed_service_starts_again_and_says_what_was_interrupted() {
    let service = Service::over("wsfcd-killed", &forming_for(600_000));
    service.install(&[]);
    service.verb("start", &[]).well();
    let (operation, stream) = forming(&service.client().await).await;
    drop(stream);
    let id = service.status()["process_id"].to_string();
    wine::run(wine::command("taskkill").args(["/F", "/PID", &id])).well();
    service.verb("start", &[]).well();
    let client = service.client().await;
    assert_eq!(state(&client, operation.id()).await, v1::OperationState::Interrupted);
    service.verb("stop", &[]).well();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Windows build: tests/windows/run"]
async fn settings_are_read_again_and_a_mistake_changes_nothing() {
    let service = Service::over("wsfcd-reload", &world::machines(1));
    service.install(&[]);
    service.verb("start", &[]).well();
    service.set("operations.create_settle = '7s'\n");
    service.verb("reload", &[]).well();
    service.logs("Settings reloaded", 1).await;
    assert!(service.log().contains("operations.create_settle"), "{}", service.log());
    service.set("operations.create_settle = '8s'\n");
    service.verb("reload", &[]).well();
    service.logs("Settings reloaded", 2).await;
    service.set("operations.create_settle = 'soon'\n");
    service.verb("reload", &[]).well();
    service.logs("nothing has changed", 1).await;
    service.client().await.list_clusters().await.unwrap();
    // The system's own tool asks for the same.
    wine::run(wine::command("sc").args(["stop", service.name])).well();
    service.verb("stop", &[]).well();
    service.logs("Stopped", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the Windows build: tests/windows/run"]
async fn a_start_that_fails_says_why() {
    let service = Service::over("wsfcd-fails", &world::machines(1));
    service.install(&[]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (settings, code, meaning) in [
        (
            format!("listen.address = '{address}'\n"),
            3,
            "it cannot listen on its address",
        ),
        (
            String::from("limits.unary = 'never'\n"),
            1,
            "its settings cannot be used",
        ),
        (
            String::from("tls.certificate = 'Z:\\none.pem'\ntls.key = 'Z:\\none.key'\n"),
            1,
            "its settings cannot be used",
        ),
        (
            format!("tls.store_thumbprint = '{}'\n", "07".repeat(20)),
            1,
            "its settings cannot be used",
        ),
    ] {
        service.set(&settings);
        let started = service.verb("start", &[]);
        assert_eq!(started.status.code(), Some(1), "{settings}{started:#?}");
        let said = format!("with exit code {code} ({meaning})");
        assert!(started.stderr.contains(&said), "{settings}{started:#?}");
        let status = service.status();
        assert_eq!(
            (&status["state"], &status["service_exit_code"], &status["exit_meaning"]),
            (&"stopped".into(), &code.into(), &meaning.into()),
            "{settings}{status}"
        );
    }
    // The log has the whole chain of causes.
    let log = service.log();
    assert!(log.contains(&format!("cannot listen on {address}: ")), "{log}");
    service.set("");
    service.verb("start", &[]).well();
    service.verb("stop", &[]).well();
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn an_account_is_kept_until_another_is_named() {
    let service = Service::over("wsfcd-account", &world::machines(1));
    let account = r"NT AUTHORITY\NetworkService";
    service.install(&["--account", account]);
    assert_eq!(service.status()["account"], account);
    service.install(&[]);
    assert_eq!(service.status()["account"], account);
    service.install(&["--account", "LocalSystem"]);
    assert_eq!(service.status()["account"], "LocalSystem");
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn what_cannot_run_is_not_installed() {
    let service = Service::over("wsfcd-refused", &world::machines(1));
    service.set("listen.address = '0.0.0.0:0'\n");
    let config = wine::windows_path(&service.path("wsfcd.toml"));
    let refused = service.verb("install", &["--config", &config]);
    assert_eq!(refused.status.code(), Some(1), "{refused:#?}");
    assert!(refused.stderr.contains("`tls` is not set"), "{refused:#?}");
    let missing = service.verb("install", &["--config", r"C:\no such file.toml"]);
    assert_eq!(missing.status.code(), Some(1), "{missing:#?}");
    let status = service.verb("status", &[]);
    assert!(status.stderr.contains("there is no service"), "{status:#?}");
    for verb in ["start", "stop", "reload", "uninstall"] {
        let ended = service.verb(verb, &[]);
        assert_eq!(ended.status.code(), Some(1), "{verb}: {ended:#?}");
        assert!(ended.stderr.contains("there is no service"), "{verb}: {ended:#?}");
    }
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn services_of_others_are_left_alone() {
    let service = Service::over("Spooler", &world::machines(1));
    let config = wine::windows_path(&service.path("wsfcd.toml"));
    for arguments in [vec!["install", "--config", &config], vec!["uninstall"]] {
        let ended = service.verb(arguments[0], &arguments[1..]);
        assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
        assert!(ended.stderr.contains("spoolsv.exe"), "{ended:#?}");
    }
    let key = r"HKLM\SYSTEM\CurrentControlSet\Services\Spooler";
    let spooler = wine::run(wine::command("reg").args(["query", key, "/v", "ImagePath"]));
    assert!(spooler.stdout.contains("spoolsv.exe"), "{spooler:#?}");
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run, as root, who may give a folder away"]
fn what_others_left_in_its_way_is_not_used() {
    /// Nobody.
    const SOMEBODY_ELSE: u32 = 65_534;
    let service = Service::over("wsfcd-foreign", &world::machines(1));
    service.install(&[]);
    service.verb("start", &[]).well();
    service.verb("stop", &[]).well();
    let give = |name, owner| std::os::unix::fs::chown(service.path(name), Some(owner), None).unwrap();
    give("data", SOMEBODY_ELSE);
    let started = service.verb("start", &[]);
    assert_eq!(started.status.code(), Some(1), "{started:#?}");
    let config = wine::windows_path(&service.path("wsfcd.toml"));
    let installed = service.verb("install", &["--config", &config]);
    assert_eq!(installed.status.code(), Some(1), "{installed:#?}");
    assert!(installed.stderr.contains(r"\data belongs to"), "{installed:#?}");
    give("data", 0);
    // Without its logs it runs.
    give("logs", SOMEBODY_ELSE);
    let logged = service.log();
    service.verb("start", &[]).well();
    service.verb("stop", &[]).well();
    assert_eq!(service.log(), logged, "it wrote to somebody else's folder");
}

#[test]
#[ignore = "needs the Windows build: tests/windows/run"]
fn a_console_is_not_the_service_control_manager() {
    let ended = wine::run(wine::command(wine::program("wsfcd.exe")).args(["service", "run"]));
    assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("use `wsfcd service start`"), "{ended:#?}");
}
