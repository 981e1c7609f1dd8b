//! A daemon in a process of its own, of this system or under Wine.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::Level;
use wsfc_simulator::Scenario;
use wsfcd::settings::{LogFormat, Settings};

use super::NotStarted;
use crate::logs::Logs;
use crate::simulated::SimulatedWorld;
use crate::under_test::UnderTest;
use crate::wine;

/// A daemon that runs. It is killed when this is dropped.
pub(super) struct Process {
    pub(super) address: SocketAddr,
    child: Child,
    /// Comes when the process has closed its standard error, which is when it ends.
    ended: oneshot::Receiver<Infallible>,
}

/// What is read from a daemon before it serves.
enum First {
    Serves(SocketAddr),
    /// It ended, and these were its last words.
    Ends(String),
}

impl Process {
    /// Starts the program over files in the test's folder: the settings, the scenario, and the world that outlives it.
    #[expect(clippy::expect_used, clippy::panic, reason = "how a test fails")]
    pub(super) async fn start(
        under_test: UnderTest,
        settings: &Settings,
        world: &SimulatedWorld,
        folder: &Path,
        logs: &Logs,
    ) -> Result<Self, NotStarted> {
        if let Some(missing) = missing(under_test) {
            panic!("{missing}");
        }
        let mut settings = settings.clone();
        settings.log.filter = logs.filter().into();
        settings.log.format = LogFormat::Json;
        if under_test == UnderTest::Binary && settings.cluster_api.library.is_none() {
            settings.cluster_api.library = Some(library());
            logs.expect("The cluster API is loaded from a path that was set");
        }
        let config = folder.join("wsfcd.toml");
        std::fs::write(&config, text_for(under_test, &settings)).expect("the test's folder takes a file");

        let mut command = match under_test {
            UnderTest::InProcess | UnderTest::Binary => Command::new(binary()),
            UnderTest::Windows => wine::command(wine::program("wsfcd.exe")),
        };
        // What tells the tests is no setting of the daemon.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WSFCD_") {
                command.env_remove(name);
            }
        }
        let control = world.control().expect("the world is in the process");
        command
            .args(["run", "--config"])
            .arg(under_test.path(&config))
            .env("WSFC_SIMULATOR_SCENARIO", under_test.path(&scenario_file(folder)))
            .env("WSFC_SIMULATOR_STATE", under_test.path(&folder.join("world.json")))
            .env("WSFC_SIMULATOR_CONTROL", control.address().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stderr = child.stderr.take().expect("a pipe");
        let (first, said) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let logs = logs.clone();
        let reading = std::thread::Builder::new().name("wsfcd's log".into());
        reading
            .spawn(move || {
                read(stderr, &logs, first);
                // The receiver sees the sender go.
                drop(end);
            })
            .expect("a thread");
        let patience = under_test.patience(Duration::from_secs(60));
        match tokio::time::timeout(patience, said).await {
            Ok(first) => match first.expect("the log is read to its end") {
                First::Serves(address) => Ok(Self { address, child, ended }),
                First::Ends(words) => {
                    child.wait().expect("a child can be waited for");
                    Err(NotStarted(words))
                }
            },
            Err(_elapsed) => {
                kill(&mut child);
                Err(NotStarted(format!("it neither served nor ended within {patience:?}")))
            }
        }
    }

    /// Ctrl-C, and then the end.
    ///
    /// # Panics
    ///
    /// It does not end within its grace and then some.
    #[expect(clippy::expect_used, reason = "how a test fails")]
    pub(super) async fn stop(mut self, patience: Duration, logs: &Logs) {
        let id = self.child.id().to_string();
        // A daemon that has ended by itself needs no word.
        drop(Command::new("kill").args(["-INT", &id]).stderr(Stdio::null()).status());
        let ended = tokio::time::timeout(patience, &mut self.ended).await;
        assert!(
            ended.is_ok(),
            "the daemon does not end within {patience:?} of its Ctrl-C"
        );
        let status = self.child.wait().expect("a child can be waited for");
        if !status.success() {
            logs.add(Level::ERROR, format!("tests: the daemon ended with {status}"));
        }
    }

    /// The id that this system gives the process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

fn kill(child: &mut Child) {
    // It may have ended by itself.
    drop(child.kill());
    drop(child.wait());
}

/// Writes the scenario that the world is made from.
///
/// # Panics
///
/// The folder takes no file, or a scenario has no form in TOML.
#[expect(clippy::expect_used, reason = "how a test fails")]
pub(super) fn write_scenario(folder: &Path, scenario: &Scenario) {
    let text = toml::to_string(scenario).expect("a scenario has a form in TOML");
    std::fs::write(scenario_file(folder), text).expect("the test's folder takes a file");
}

fn scenario_file(folder: &Path) -> PathBuf {
    folder.join("scenario.toml")
}

/// The settings as a file, with paths as the daemon knows them: settings that begin with a slash are paths.
#[expect(clippy::expect_used, reason = "how a test fails")]
fn text_for(under_test: UnderTest, settings: &Settings) -> String {
    fn rename(under_test: UnderTest, value: &mut toml::Value) {
        match value {
            toml::Value::String(text) if text.starts_with('/') => *text = under_test.path(Path::new(text)),
            toml::Value::Array(values) => values.iter_mut().for_each(|value| rename(under_test, value)),
            toml::Value::Table(table) => table.iter_mut().for_each(|(_, value)| rename(under_test, value)),
            _ => {}
        }
    }
    let mut value = toml::Value::try_from(settings).expect("settings have a form in TOML");
    rename(under_test, &mut value);
    toml::to_string(&value).expect("settings have a form in TOML")
}

/// Takes the log line by line, and says what came first: that the daemon serves, or that it ended.
fn read(stderr: ChildStderr, logs: &Logs, first: oneshot::Sender<First>) {
    let mut first = Some(first);
    let mut between = Vec::new();
    let mut lines = BufReader::new(stderr);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        let Ok(event) = serde_json::from_str::<serde_json::Value>(&text) else {
            between.push(text);
            continue;
        };
        take_words(&mut between, logs);
        logs.add_json(&event);
        if event["message"] == "Serving"
            && let Some(address) = event["address"].as_str().and_then(|text| text.parse().ok())
            && let Some(first) = first.take()
        {
            drop(first.send(First::Serves(address)));
        }
    }
    let last_words = take_words(&mut between, logs);
    if let Some(first) = first {
        drop(first.send(First::Ends(last_words)));
    }
}

/// Takes what stands between events as one error: the daemon's own last words, a panic, or what the system has to say.
fn take_words(between: &mut Vec<String>, logs: &Logs) -> String {
    let text = between.join("\n").trim().to_owned();
    between.clear();
    if !text.is_empty() {
        logs.add(Level::ERROR, text.clone());
    }
    text
}

/// What a daemon of this kind needs and is not there, with what makes it; nothing when all is.
pub(super) fn missing(under_test: UnderTest) -> Option<String> {
    let files = match under_test {
        UnderTest::InProcess => Vec::new(),
        UnderTest::Binary => vec![binary(), library()],
        UnderTest::Windows if std::env::var_os("WSFCD_WINDOWS_DIR").is_none() => {
            return Some("no Windows machine: run this inside of tests/windows/run".into());
        }
        UnderTest::Windows => Vec::new(),
    };
    let missing = files.into_iter().find(|file| !file.is_file())?;
    let path = missing.display();
    Some(format!(
        "{path} is not built: cargo build -p wsfcd -p wsfc-simulator-library"
    ))
}

/// The program of this system.
fn binary() -> PathBuf {
    match std::env::var_os("WSFCD_BINARY") {
        Some(path) => path.into(),
        None => beside_the_tests(&format!("wsfcd{}", std::env::consts::EXE_SUFFIX)),
    }
}

/// The simulator as a library of this system.
fn library() -> PathBuf {
    beside_the_tests(&format!(
        "{}clusapi{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    ))
}

/// A file of the build that the tests belong to; they lie in a folder of its folder.
#[expect(clippy::expect_used, reason = "a mistake of whoever runs the test")]
fn beside_the_tests(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("a program knows its file");
    let folder = tests.ancestors().nth(2);
    folder.expect("tests lie in a folder of the build").join(name)
}
