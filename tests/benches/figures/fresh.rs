//! A daemon in a fresh process of its own: this benchmark's program, started again as nothing but a daemon.

use std::fs;
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use wsfcd::Configuration;
use wsfcd::control::control;
use wsfcd::logging::Logging;
use wsfcd::platform::Platform;
use wsfcd::settings::Settings;
use wsfcd::settings::sources::Sources;

use crate::served::lift_rates;

/// The argument that makes a daemon of this program.
pub const ARGUMENT: &str = "--daemon";

/// A daemon that ends with this value.
pub struct FreshDaemon {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// What its start took: from before the process began until the daemon served.
    pub start: Duration,
}

impl FreshDaemon {
    /// Starts a daemon over a data directory.
    pub fn start(data_dir: &Path) -> Self {
        let ready = data_dir.with_extension("ready");
        let _absent = fs::remove_file(&ready);
        let program = std::env::current_exe().expect("this program has a path");
        let began = Instant::now();
        let child = Command::new(program)
            .args([ARGUMENT.as_ref(), data_dir.as_os_str(), ready.as_os_str()])
            .stdin(Stdio::piped())
            .spawn()
            .expect("a process");
        // The file comes whole or not at all.
        let address = loop {
            match fs::read_to_string(&ready) {
                Ok(address) => break address,
                Err(_) => std::thread::sleep(Duration::from_micros(200)),
            }
            assert!(began.elapsed() < Duration::from_secs(60), "the daemon did not start");
        };
        Self {
            start: began.elapsed(),
            address: address.trim().parse().expect("an address"),
            child,
        }
    }

    /// What the system says about its memory, in MB: what is resident now, and the most there ever was.
    pub fn memory(&self) -> Option<[f64; 2]> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let read = |name: &str| -> Option<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kb: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(kb / 1024.0)
        };
        Some([read("VmRSS:")?, read("VmHWM:")?])
    }
}

impl Drop for FreshDaemon {
    fn drop(&mut self) {
        // The end of its input tells it to stop.
        drop(self.child.stdin.take());
        let _status = self.child.wait();
    }
}

/// Is the daemon, until its input ends.
pub fn be(data_dir: PathBuf, ready: PathBuf) {
    let mut settings = Settings {
        data_dir,
        ..Settings::default()
    };
    settings.listen.address = SocketAddr::from(([127, 0, 0, 1], 0));
    settings.listen.ready_file = Some(ready);
    lift_rates(&mut settings.limits);
    settings.cluster_api.simulate = Some("default".to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let (controller, control) = control();
        tokio::task::spawn_blocking(move || {
            let _input = std::io::stdin().read_to_end(&mut Vec::new());
            controller.end();
        });
        let configuration = Configuration {
            settings,
            sources: Sources::default(),
            logging: Logging::foreign(),
        };
        wsfcd::run(configuration, Platform::system(), control)
            .await
            .expect("a daemon");
    });
}
