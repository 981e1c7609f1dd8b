//! A daemon in a process of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use wsfc_client::{Client, ConnectOptions};
use wsfc_proto::v1;
use wsfc_simulator::remote::RemoteControl;

/// A daemon in a process of its own, with a folder that outlives it.
pub struct Process {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its world is steered from.
    control: SocketAddr,
}

impl Process {
    /// Starts the daemon over a scenario, and waits until its log says that it serves.
    pub async fn start(folder: &Path, scenario: &Path) -> Self {
        Self::start_by(program(), folder, scenario).await
    }

    /// As [`Process::start`], by a command that takes the daemon's arguments.
    pub async fn start_by(mut command: Command, folder: &Path, scenario: &Path) -> Self {
        command.arg("run");
        Self::serve_by(command, folder, scenario).await
    }

    /// As [`Process::start_by`], by a command that has been told to serve.
    pub async fn serve_by(mut command: Command, folder: &Path, scenario: &Path) -> Self {
        // The host may have settings of its own, which are read where none are named.
        let settings = folder.join("no-settings.toml");
        std::fs::write(&settings, "").unwrap();
        let mut child = command
            .arg("--config")
            .arg(settings)
            .args(["--listen", "127.0.0.1:0", "--log-format", "json", "--data-dir"])
            .arg(folder.join("data"))
            .arg("--simulate")
            .arg(scenario)
            .args(["--set", "cluster_api.simulated_control=127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut seen = Vec::new();
        let mut control = None;
        while let Some(line) = log.next_line().await.unwrap() {
            let event: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            let address = || event["address"].as_str().unwrap().parse().unwrap();
            match event["message"].as_str() {
                Some("Serving") => {
                    return Self {
                        child,
                        log,
                        address: address(),
                        control: control.expect("it can be steered"),
                    };
                }
                Some("Everybody on this host can steer the simulated world") => control = Some(address()),
                _ => {}
            }
            seen.push(line);
        }
        let status = child.wait().await.unwrap();
        panic!("the daemon ended before it served, with {status}:\n{}", seen.join("\n"));
    }

    pub async fn client(&self) -> Client {
        Client::connect(ConnectOptions::new([format!("http://{}", self.address)]))
            .await
            .unwrap()
    }

    /// How often a C function was called in this process.
    pub fn calls(&self, function: &str) -> u64 {
        RemoteControl::connect(self.control).unwrap().calls(function).unwrap()
    }

    /// SIGINT, as Ctrl-C sends it.
    #[cfg(unix)]
    pub async fn interrupt(&self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .await
                .unwrap()
                .success()
        );
    }

    /// Waits until the log has a line with these words.
    #[cfg(unix)]
    pub async fn logged(&mut self, words: &str) {
        while let Some(line) = self.log.next_line().await.unwrap() {
            if line.contains(words) {
                return;
            }
        }
        panic!("the daemon ended without logging {words:?}");
    }

    /// Waits for the end of the process, and gives what it has logged meanwhile.
    pub async fn wait(mut self) -> (std::process::ExitStatus, Vec<String>) {
        let mut log = Vec::new();
        while let Some(line) = self.log.next_line().await.unwrap() {
            log.push(line);
        }
        (self.child.wait().await.unwrap(), log)
    }

    /// SIGKILL: nothing of the daemon's own runs. To a Windows program under Wine it is what TerminateProcess is.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// The daemon's program. A Windows program under Wine finds the paths of this system on the drive that it runs on.
pub fn program() -> Command {
    match std::env::var("WSFCD_UNDER_TEST").as_deref() {
        Ok("windows") => {
            let mut command = windows_command();
            command.arg(PathBuf::from(variable("WSFCD_WINDOWS_DIR")).join("wsfcd.exe"));
            command
        }
        _ => Command::new(env!("CARGO_BIN_EXE_wsfcd")),
    }
}

/// A command that runs the Windows program that is its first argument, under Wine.
pub fn windows_command() -> Command {
    let mut command = Command::new(variable("WSFCD_WINE"));
    // What tells the tests is no setting of the daemon.
    for name in [
        "WSFCD_UNDER_TEST",
        "WSFCD_WINDOWS_DIR",
        "WSFCD_WINE",
        "WSFCD_PREFIX_RUNNING",
    ] {
        command.env_remove(name);
    }
    command
}

fn variable(name: &str) -> std::ffi::OsString {
    std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set: run this inside of tests/windows/run"))
}

/// Writes a scenario of two machines, with these clusters and faults.
pub fn scenario(folder: &Path, faults: &str) -> PathBuf {
    let path = folder.join("scenario.toml");
    let text = format!(
        "seed = 7\n[[networks]]\nname = \"net\"\nsubnet = \"10.0.0.0\"\nprefix = 24\n\
         [[machines]]\nname = \"n1\"\n[[machines]]\nname = \"n2\"\n{faults}"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// Asks for a cluster of both machines.
pub fn create() -> v1::CreateClusterRequest {
    v1::CreateClusterRequest {
        cluster: Some(v1::CreateClusterParameters {
            cluster: "CL1".into(),
            nodes: vec!["n1".into(), "n2".into()],
            ip_addresses: vec![v1::IpAddress {
                address: "10.0.0.10".into(),
                prefix_length: 24,
            }],
            ..Default::default()
        }),
        ..Default::default()
    }
}
