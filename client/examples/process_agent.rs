//! Runs a process as a clustered workload, until Ctrl-C:
//!
//! ```console
//! $ wsfcctl workload register web --set PORT=8080
//! $ cargo run -p wsfc-client --example process_agent -- http://127.0.0.1:7443 web \
//!       sh -c 'exec python3 -m http.server "$WSFC_PARAMETER_PORT"'
//! $ wsfcctl resource online web
//! ```
//!
//! Before an endpoint that is `https` stand the files that `wsfcctl context show` names after a login: `--ca FILE --cert FILE
//! --key FILE`.
//!
//! `ProcessWorkload` does what has to do with processes: it starts them, waits until they are ready, checks them, asks them
//! to end and kills them. This program adds what is its own: it says what it is asked to do, and it warms the process up
//! before the cluster counts on it.

#![expect(clippy::print_stderr, reason = "an example talks to whoever runs it")]

use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs, io};

use wsfc_client::workload::{
    AgentOptions, Call, CallProgress, Notice, ProcessOptions, ProcessWorkload, Standing, Workload, WorkloadFailure,
};
use wsfc_client::{Client, ConnectOptions, Identity, TlsOptions};

/// A process with a warm-up.
#[derive(Clone)]
struct Warmed(ProcessWorkload);

impl Workload for Warmed {
    async fn open(&self, call: &Call) -> Result<Standing, WorkloadFailure> {
        self.0.open(call).await
    }

    async fn online(&self, call: &Call, progress: &CallProgress) -> Result<(), WorkloadFailure> {
        eprintln!("{} shall be online, with {:?}", call.resource, call.parameters);
        self.0.online(call, progress).await?;
        for step in 1..=4 {
            progress.report(step * 25, format!("warming up, step {step} of 4"));
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        // What came to its end meanwhile is not online.
        self.0.check_health(call).await
    }

    async fn offline(&self, call: &Call, progress: &CallProgress) -> Result<(), WorkloadFailure> {
        eprintln!("{} shall be offline", call.resource);
        self.0.offline(call, progress).await
    }

    async fn terminate(&self, call: &Call) {
        eprintln!("{} shall end at once", call.resource);
        self.0.terminate(call).await;
    }

    async fn check_health(&self, call: &Call) -> Result<(), WorkloadFailure> {
        self.0.check_health(call).await
    }

    async fn close(&self, call: &Call) {
        self.0.close(call).await;
    }

    fn notice(&self, notice: &Notice) {
        eprintln!("{notice:?}");
        self.0.notice(notice);
    }
}

/// The files of a login.
#[derive(Default)]
struct Files {
    ca: Option<String>,
    cert: Option<String>,
    key: Option<String>,
}

impl Files {
    /// What they hold; nothing when none was named.
    fn read(&self) -> io::Result<Option<TlsOptions>> {
        let identity = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Some(Identity {
                cert_pem: fs::read(cert)?,
                key_pem: fs::read(key)?,
            }),
            _ => None,
        };
        let ca_pem = self.ca.as_ref().map(fs::read).transpose()?;
        let is_secured = identity.is_some() || ca_pem.is_some();
        Ok(is_secured.then_some(TlsOptions {
            ca_pem,
            identity,
            server_name: None,
        }))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut words = env::args().skip(1).peekable();
    let mut files = Files::default();
    while let Some(option) = words.next_if(|word| word.starts_with("--")) {
        let file = match option.as_str() {
            "--ca" => &mut files.ca,
            "--cert" => &mut files.cert,
            "--key" => &mut files.key,
            _ => return usage(),
        };
        *file = words.next();
    }
    let (Some(endpoint), Some(workload)) = (words.next(), words.next()) else {
        return usage();
    };
    let mut options = ConnectOptions::new([endpoint]);
    options.tls = match files.read() {
        Ok(tls) => tls,
        Err(error) => {
            eprintln!("the files of the login cannot be read: {error}");
            return ExitCode::FAILURE;
        }
    };
    let process = ProcessWorkload::new(ProcessOptions::new(words));
    let agent = AgentOptions {
        agent: format!("process_agent/{}", std::process::id()),
        ..Default::default()
    };
    let shutdown = {
        let process = process.clone();
        async move {
            if tokio::signal::ctrl_c().await.is_err() {
                return std::future::pending().await;
            }
            // The agent still serves, so the cluster hears of each end.
            process.stop_all().await;
        }
    };
    let served = async {
        let client = Client::lazy(options)?;
        client.serve_workload(workload, agent, Warmed(process), shutdown).await
    };
    match served.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: process_agent [--ca FILE] [--cert FILE --key FILE] ENDPOINT WORKLOAD COMMAND...");
    ExitCode::from(2)
}
