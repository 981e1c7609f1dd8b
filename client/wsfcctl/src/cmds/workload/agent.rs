//! `wsfcctl workload run`.

use std::ffi::OsString;
use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use tokio::sync::mpsc;
use wsfc_client::Client;
use wsfc_client::workload::{AgentOptions, Notice, ProcessOptions, ProcessWorkload};

use crate::complete;
use crate::exit::Exit;
use crate::failure::{Failure, chain};
use crate::follow::ctrl_c;
use crate::names::quoted;
use crate::phrases::plain;
use crate::session::Session;

/// What to run, and how.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The workload.
    #[arg(value_name = "NAME", add = complete::workloads())]
    workload: String,
    /// The command and its arguments, after --.
    #[arg(value_name = "COMMAND", required = true, last = true)]
    command: Vec<OsString>,
    /// The agent's own name [default: the host and the process].
    #[arg(long, value_name = "TEXT")]
    agent: Option<String>,
    /// Wait while another agent holds the workload.
    #[arg(long)]
    stand_by: bool,
    /// How long the workload stays this agent's after a lost connection, such as 30s [default: 10s].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    lease: Option<Duration>,
    /// How long what is online may be without an agent before it fails [default: as long as the lease].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    loss_grace: Option<Duration>,
    /// How long the process runs on after its daemon was lost, before it is killed: not longer than the DaemonGrace of the
    /// resource, nor than the lease where another agent stands by, nor than --loss-grace on another host than the daemon's
    /// [default: 60s, with --stand-by no longer than the lease].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    daemon_grace: Option<Duration>,
    /// How often the process is checked [default: 10s].
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    health_interval: Option<Duration>,
    /// A command for the shell that ends with 0 when the process does what it should [default: it does while it runs].
    #[arg(long, value_name = "COMMAND")]
    health_command: Option<String>,
    /// How long the process must run until it counts as online.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "1s")]
    ready_after: Duration,
    /// How long the health command may fail until the process is killed as one that does not come online.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "10m")]
    ready_within: Duration,
    /// How long the process may take to end before it is killed.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "10s")]
    stop_grace: Duration,
}

impl Arguments {
    fn process(&self) -> ProcessOptions {
        let shell = if cfg!(windows) { ["cmd", "/C"] } else { ["sh", "-c"] };
        let health = self.health_command.iter().flat_map(|command| {
            let words = shell.into_iter().chain([command.as_str()]);
            words.map(OsString::from).collect::<Vec<_>>()
        });
        ProcessOptions {
            health_command: health.collect(),
            ready_after: self.ready_after,
            ready_within: self.ready_within,
            stop_grace: self.stop_grace,
            ..ProcessOptions::new(self.command.iter().cloned())
        }
    }

    fn agent(&self) -> AgentOptions {
        AgentOptions {
            agent: self.agent.clone().unwrap_or_else(own_name),
            lease_id: String::new(),
            lease: self.lease,
            stand_by: self.stand_by,
            loss_grace: self.loss_grace,
            health_interval: self.health_interval,
            daemon_grace: self.daemon_grace,
        }
    }
}

/// The host, where the environment names it, and the process.
fn own_name() -> String {
    let host = ["COMPUTERNAME", "HOSTNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    format!("{}/{}", host.as_deref().unwrap_or("wsfcctl"), std::process::id())
}

pub(crate) async fn run(arguments: &Arguments, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = format!("run workload {}", quoted(&arguments.workload));
    let failed = |source| Failure::Call {
        action: action.clone(),
        source,
    };
    // An agent waits for its daemon, also at first.
    let client = Client::lazy(session.options()?).map_err(failed)?;
    let (tell, mut told) = mpsc::unbounded_channel();
    let process = ProcessWorkload::new(arguments.process()).telling(move |notice| {
        if let Some(text) = sentence(notice) {
            // Nobody listens once the program ends.
            let _ = tell.send(text);
        }
    });
    let mut exit = Exit::Ok;
    let shutdown = {
        let (process, exit) = (process.clone(), &mut exit);
        async move {
            *exit = ended().await;
            stop(&process).await;
        }
    };
    let served = {
        let serving = client.serve_workload(&arguments.workload, arguments.agent(), process.clone(), shutdown);
        let mut serving = std::pin::pin!(serving);
        loop {
            tokio::select! {
                served = &mut serving => break served,
                Some(text) = told.recv() => write(session, &text),
            }
        }
    };
    while let Ok(text) = told.try_recv() {
        write(session, &text);
    }
    // Also an agent that ends by an error leaves nothing running.
    stop(&process).await;
    served.map_err(failed)?;
    Ok(exit)
}

/// Writes a notice. Processes do not depend on whether somebody reads it.
fn write(session: &mut Session<'_>, text: &str) {
    let _ = writeln!(session.terminal.err, "{text}");
}

/// Stops all processes in an orderly way; with Ctrl-C, the second where one began it, at once.
async fn stop(process: &ProcessWorkload) {
    let hurried = tokio::select! {
        () = process.stop_all() => false,
        () = ctrl_c() => true,
    };
    if hurried {
        process.kill_all().await;
    }
}

/// Ends with Ctrl-C, or with the signals by which a service manager or a terminal that is closed ends programs.
async fn ended() -> Exit {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let signals = (signal(SignalKind::terminate()), signal(SignalKind::hangup()));
        if let (Ok(mut terminate), Ok(mut hangup)) = signals {
            return tokio::select! {
                () = ctrl_c() => Exit::CtrlC,
                _ = terminate.recv() => Exit::Ok,
                _ = hangup.recv() => Exit::Ok,
            };
        }
    }
    ctrl_c().await;
    Exit::CtrlC
}

/// What happened to the agent, for people.
fn sentence(notice: &Notice) -> Option<String> {
    let text = match notice {
        Notice::Attached { resumed: false, .. } => "attached".to_owned(),
        Notice::Attached { resumed: true, .. } => "attached again, with the same lease".to_owned(),
        Notice::StandingBy { agent } if agent.is_empty() => "standing by while another agent holds it".to_owned(),
        Notice::StandingBy { agent } => format!("standing by while agent {} holds it", quoted(agent)),
        Notice::Reconnecting { attempt, delay, error } => {
            format!("{}; attempt {attempt} in {:.1} s", chain(error), delay.as_secs_f64())
        }
        Notice::DaemonLost { after } => format!(
            "no daemon for {:.1} s; what ran is ended, since it may run elsewhere by now",
            after.as_secs_f64()
        ),
        Notice::LeaseLost => "the lease is lost; asking for a new one".to_owned(),
        Notice::Rejected(rejected) => format!("the daemon did not take a message: {}", rejected.message),
        Notice::Detached { message, .. } => format!("detached: {message}"),
        _ => return None,
    };
    // Names and messages are those of others.
    Some(plain(&text))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;
    use crate::cmds::Command;

    #[test]
    fn a_notice_does_not_steer_the_terminal() {
        let agent = "a\u{1b}[31m\nb".to_owned();
        assert_eq!(
            sentence(&Notice::StandingBy { agent }).unwrap(),
            "standing by while agent \"a\u{fffd}[31m b\" holds it"
        );
    }

    #[test]
    fn the_command_stands_after_the_dashes() {
        let line = "wsfcctl workload run web --health-command true --stop-grace 3s -- nginx -g --x";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let Command::Workload(super::super::Verb::Run(arguments)) = cli.command else {
            panic!("{:?}", cli.command);
        };
        let process = arguments.process();
        assert_eq!(process.command, ["nginx", "-g", "--x"].map(OsString::from));
        assert_eq!(process.health_command.last(), Some(&OsString::from("true")));
        assert_eq!((process.health_command.len(), process.stop_grace.as_secs()), (3, 3));
        assert!(arguments.agent().agent.ends_with(&format!("/{}", std::process::id())));
        assert!(Cli::try_parse_from("wsfcctl workload run web".split(' ')).is_err());
    }
}
