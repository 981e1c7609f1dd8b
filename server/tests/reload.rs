//! The settings read again while the binary runs: SIGHUP, as PARAMCHANGE is on Windows.

#![forbid(unsafe_code)]
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a panic is how a test fails, also in what tests share"
)]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use wsfc_client::{Client, ConnectOptions, TlsOptions};

/// A daemon whose settings file can be changed.
struct Process {
    folder: TempDir,
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    address: SocketAddr,
}

impl Process {
    /// Starts the daemon with these settings beside those that every test needs, and waits until it serves.
    async fn start(settings: impl FnOnce(&Path) -> String) -> Self {
        let folder = TempDir::new().unwrap();
        let path = settings_file(folder.path());
        std::fs::write(&path, settings(folder.path())).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_wsfcd"))
            .args([
                "run",
                "--listen",
                "127.0.0.1:0",
                "--log-format",
                "json",
                "--simulate",
                "--data-dir",
            ])
            .arg(folder.path().join("data"))
            .arg("--config")
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut process = Self {
            folder,
            child,
            log,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let serving = process.logged("Serving").await;
        process.address = serving["address"].as_str().unwrap().parse().unwrap();
        process
    }

    /// Waits for a line of the log with this message.
    async fn logged(&mut self, message: &str) -> Value {
        let mut seen = Vec::new();
        while let Some(line) = self.log.next_line().await.unwrap() {
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            if event["message"] == message {
                return event;
            }
            seen.push(line);
        }
        panic!("the daemon ended without logging {message:?}:\n{}", seen.join("\n"));
    }

    /// Changes the settings and has the daemon read them again.
    async fn change(&self, settings: &str) {
        std::fs::write(settings_file(self.folder.path()), settings).unwrap();
        self.signal("-HUP").await;
    }

    async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .await
                .unwrap()
                .success()
        );
    }

    /// Ends the daemon in order.
    async fn end(mut self) {
        self.signal("-TERM").await;
        self.logged("Stopped").await;
        assert!(self.child.wait().await.unwrap().success());
    }
}

fn settings_file(folder: &Path) -> PathBuf {
    folder.join("wsfcd.toml")
}

#[tokio::test]
async fn what_can_change_changes_at_once_and_the_rest_is_named() {
    let mut daemon = Process::start(|_folder| "log.filter = \"wsfcd=info\"\n".into()).await;
    let changed = "log.filter = \"wsfcd=debug\"\nlimits.request_bytes = 5000\noperations.shutdown_grace = \"3s\"\n";
    daemon.change(changed).await;
    let reloaded = daemon.logged("Settings reloaded").await;
    assert_eq!(reloaded["now"], r#"["log.filter", "operations.shutdown_grace"]"#);
    assert_eq!(reloaded["at_next_start"], r#"["limits.request_bytes"]"#);
    // Debug lines come from now on; this one is the event of the same reload.
    let event = daemon.logged("Event").await;
    assert_eq!(event["event"], 400);
    assert_eq!(
        event["text"],
        "The settings were read again. In effect now: log.filter, operations.shutdown_grace. In effect at the next start: limits.request_bytes."
    );
    // What waits for the next start is named each time.
    daemon.change(changed).await;
    let reloaded = daemon.logged("Settings reloaded").await;
    assert_eq!(reloaded["now"], "[]");
    assert_eq!(reloaded["at_next_start"], r#"["limits.request_bytes"]"#);
    daemon.end().await;
}

#[tokio::test]
async fn settings_that_cannot_be_used_change_nothing_and_are_told_with_the_reason() {
    let mut daemon = Process::start(|_folder| "log.filter = \"wsfcd=debug\"\n".into()).await;
    for (settings, reason) in [
        ("log.filter = ", "is not TOML"),
        (
            "log.filter = \"wsfcd=warn\"\nlisten.adress = \"x\"\n",
            "unknown field `adress`",
        ),
        (
            "log.filter = \"wsfcd=warn\"\nlimits.unary = \"0s\"\n",
            "`limits.unary` must be at least 1ms",
        ),
    ] {
        daemon.change(settings).await;
        let refused = daemon.logged("The settings cannot be used; nothing has changed").await;
        let error = refused["error"].as_str().unwrap();
        assert!(error.contains(reason), "{error}");
        // A debug line: the filter is as it was.
        assert_eq!(daemon.logged("Event").await["event"], 401);
    }
    std::fs::remove_file(settings_file(daemon.folder.path())).unwrap();
    daemon.signal("-HUP").await;
    let refused = daemon.logged("The settings cannot be used; nothing has changed").await;
    assert!(
        refused["error"]
            .as_str()
            .unwrap()
            .contains("cannot read the settings file")
    );
    let client = Client::connect(ConnectOptions::new([format!("http://{}", daemon.address)]))
        .await
        .unwrap();
    client.list_operations(Default::default()).await.unwrap();
    daemon.end().await;
}

/// Writes a file that only its owner can read, as a key has to be.
fn write_private(path: &Path, text: &str) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    std::io::Write::write_all(&mut options.open(path).unwrap(), text.as_bytes()).unwrap();
}

/// Writes a fresh certificate for `localhost`; gives its PEM.
fn certify(folder: &Path) -> Vec<u8> {
    let pair = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    std::fs::write(folder.join("certificate.pem"), pair.cert.pem()).unwrap();
    write_private(&folder.join("key.pem"), &pair.signing_key.serialize_pem());
    pair.cert.pem().into_bytes()
}

#[tokio::test]
async fn certificates_are_exchanged_under_open_connections() {
    let mut authority = Vec::new();
    let settings = |folder: &Path| {
        authority = certify(folder);
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        format!(
            "[tls]\ncertificate = {:?}\nkey = {:?}\n",
            path("certificate.pem"),
            path("key.pem")
        )
    };
    let mut daemon = Process::start(settings).await;
    let address = daemon.address;
    let options = |authority: &[u8]| ConnectOptions {
        tls: Some(TlsOptions {
            ca_pem: Some(authority.into()),
            server_name: Some("localhost".into()),
            ..TlsOptions::default()
        }),
        connect_timeout: Duration::from_secs(20),
        request_timeout: Duration::from_secs(20),
        ..ConnectOptions::new([format!("https://{address}")])
    };
    let before = Client::connect(options(&authority)).await.unwrap();
    before.list_operations(Default::default()).await.unwrap();

    // Half of a pair is refused, and the old one stays.
    std::fs::write(daemon.folder.path().join("key.pem"), "").unwrap();
    daemon.signal("-HUP").await;
    let refused = daemon.logged("The settings cannot be used; nothing has changed").await;
    assert!(refused["error"].as_str().unwrap().contains("`tls.key`"), "{refused}");
    Client::connect(options(&authority)).await.unwrap();

    let renewed = certify(daemon.folder.path());
    let (old, new) = (options(&authority), options(&renewed));
    daemon.signal("-HUP").await;
    let reloaded = daemon.logged("Settings reloaded").await;
    assert_eq!(reloaded["at_next_start"], "[]");
    before.list_operations(Default::default()).await.unwrap();
    let after = Client::connect(new).await.unwrap();
    after.list_operations(Default::default()).await.unwrap();
    assert!(
        Client::connect(old).await.is_err(),
        "the old certificate is still shown"
    );
    drop((before, after));
    daemon.end().await;
}
