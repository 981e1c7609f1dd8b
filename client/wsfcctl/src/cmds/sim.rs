//! `wsfcctl sim`: steering the world of a daemon that simulates one.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use wsfc_simulator::remote::{RemoteControl, RemoteError};
use wsfc_simulator::{ConnectionEvent, Incident, Point};

use crate::choice::Switch;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::session::Session;

/// What to do to the world, and where it is steered from.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The address that the daemon's setting `cluster_api.simulated_control` names.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7444")]
    control: SocketAddr,
    #[command(subcommand)]
    verb: Verb,
}

/// The verbs of `wsfcctl sim`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Verb {
    /// Take the power from a machine: its node is down at once, and its groups fail over.
    Kill {
        /// The machine.
        machine: String,
    },
    /// Power a machine on; its cluster service starts if it belongs to a cluster.
    PowerOn {
        /// The machine.
        machine: String,
    },
    /// Stop the cluster service of a machine in an orderly way: its groups move away first.
    StopService {
        /// The machine.
        machine: String,
    },
    /// Start the cluster service of a machine.
    StartService {
        /// The machine.
        machine: String,
        /// End the quarantine of its node.
        #[arg(long)]
        clear_quarantine: bool,
        /// Its side has quorum whatever its votes (`/fq`).
        #[arg(long, conflicts_with = "prevent_quorum")]
        force_quorum: bool,
        /// It joins a cluster, and helps to form none (`/pq`).
        #[arg(long)]
        prevent_quorum: bool,
    },
    /// Let two machines no longer hear each other; a side without quorum stops.
    Cut {
        /// One machine.
        one: String,
        /// The other.
        other: String,
    },
    /// Let two machines hear each other again.
    Heal {
        /// One machine.
        one: String,
        /// The other.
        other: String,
    },
    /// Let two machines no longer hear each other over one network, which is then partitioned.
    CutPath {
        /// The network.
        network: String,
        /// One machine.
        one: String,
        /// The other.
        other: String,
    },
    /// Let two machines hear each other over the network again.
    HealPath {
        /// The network.
        network: String,
        /// One machine.
        one: String,
        /// The other.
        other: String,
    },
    /// Let a machine hear nobody, and nobody it.
    Isolate {
        /// The machine.
        machine: String,
    },
    /// Let all machines hear each other again.
    HealAll,
    /// Let a network carry nothing.
    NetworkDown {
        /// The network.
        network: String,
    },
    /// Let a network work again.
    NetworkUp {
        /// The network.
        network: String,
    },
    /// Let the interface of a machine on a network fail.
    InterfaceDown {
        /// The machine.
        machine: String,
        /// The network.
        network: String,
    },
    /// Let the interface work again.
    InterfaceUp {
        /// The machine.
        machine: String,
        /// The network.
        network: String,
    },
    /// Let the process of a Resource Monitor end, with all that runs in it.
    KillMonitor {
        /// The type whose resources it runs.
        resource_type: String,
        /// Only on this node.
        #[arg(long)]
        node: Option<String>,
    },
    /// Let an online resource fail.
    FailResource {
        /// The resource.
        resource: String,
        /// How many of its next attempts to come online fail, too.
        #[arg(long, value_name = "COUNT", default_value_t = 0)]
        more: u32,
    },
    /// Let a resource not come online.
    BlockResource {
        /// The resource.
        resource: String,
        /// Only on this node.
        #[arg(long)]
        node: Option<String>,
    },
    /// Let a resource come online everywhere again.
    UnblockResource {
        /// The resource.
        resource: String,
    },
    /// Lock a resource, so that its group can go neither online, offline nor elsewhere; or unlock it.
    LockResource {
        /// The resource.
        resource: String,
        /// On for locked.
        #[arg(value_enum, value_name = "SWITCH", default_value = "on")]
        locked: Switch,
    },
    /// Put the witness out of reach of all nodes, or in reach again; that of --cluster, else of every cluster.
    Witness {
        /// In reach or not.
        #[arg(value_enum)]
        reach: Reach,
    },
    /// Send the daemon what the cluster API says when the connection to a cluster is lost.
    LoseConnection {
        /// What it says.
        #[arg(value_enum, default_value = "lost")]
        how: Loss,
    },
    /// Let simulated time pass; without a time up to the next thing that is due.
    Step {
        /// How much time, such as 30s.
        #[arg(value_parser = humantime::parse_duration)]
        time: Option<Duration>,
    },
    /// Show the simulated time since the world began.
    Now,
    /// Stop calls of a C function at their entry, or in a phase, until they are released.
    Hold {
        /// The function, such as CreateCluster.
        call: String,
        #[command(flatten)]
        place: Place,
    },
    /// Let stopped calls go on: all, or those of a function.
    Release {
        /// The function.
        call: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Show how often each C function was called.
    Calls,
    /// Check that the world contradicts itself nowhere.
    Check,
}

/// Where in a call.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The number of the phase of a setup call [default: the entry of the call].
    #[arg(long, value_name = "NUMBER")]
    phase: Option<i32>,
    /// Only for this object: a node, an address or a group.
    #[arg(long, value_name = "NAME")]
    object: Option<String>,
}

impl Place {
    fn of(&self, call: &str) -> Point {
        let point = match self.phase {
            Some(phase) => Point::phase(call, phase),
            None => Point::entry(call),
        };
        match &self.object {
            Some(object) => point.of(object),
            None => point,
        }
    }
}

/// Whether a witness is in reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Reach {
    Up,
    Down,
}

/// What the cluster API says about a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Loss {
    /// The connection was lost and is back; events may be missing.
    Reconnected,
    /// The connection is lost for good.
    Lost,
    /// Events were lost.
    Events,
    /// The cluster handle was closed.
    Closed,
}

impl From<Loss> for ConnectionEvent {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Reconnected => Self::Reconnect,
            Loss::Lost => Self::State,
            Loss::Events => Self::LostNotifications,
            Loss::Closed => Self::HandleClose,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let address = arguments.control;
    let control = RemoteControl::connect(address).map_err(|source| Failure::NoSimulation { address, source })?;
    let cluster = session.globals.cluster.clone();
    let answer = steer(&control, &arguments.verb, cluster).map_err(|source| Failure::Steer { source })?;
    let text = match &answer {
        Value::Null => return Ok(Exit::Ok),
        Value::Object(counts) => {
            let lines: Vec<_> = counts
                .iter()
                .map(|(name, count)| format!("{count:>8}  {name}"))
                .collect();
            lines.join("\n")
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let write = |out: &mut dyn Write, _| writeln!(out, "{text}");
    output::value_answer(&mut session.terminal.out, session.globals.output, &answer, write)?;
    Ok(Exit::Ok)
}

/// Does what a verb says, and gives what there is to show.
fn steer(control: &RemoteControl, verb: &Verb, cluster: Option<String>) -> Result<Value, RemoteError> {
    if let Some(incident) = incident(verb, cluster) {
        return control.happen(incident).map(|()| Value::Null);
    }
    match verb {
        Verb::LoseConnection { how } => control.send((*how).into()).map(|()| Value::Null),
        Verb::Step { time: Some(time) } => control.advance(*time).map(|()| Value::Null),
        Verb::Step { time: None } => {
            let happened = if control.step()? {
                "Time has passed."
            } else {
                "Nothing is due."
            };
            Ok(happened.into())
        }
        Verb::Now => Ok(humantime::format_duration(control.now()?).to_string().into()),
        Verb::Hold { call, place } => control.hold(place.of(call)).map(|()| Value::Null),
        Verb::Release {
            call: Some(call),
            place,
        } => control.release(&place.of(call)).map(|()| Value::Null),
        Verb::Release { call: None, .. } => control.release_all().map(|()| Value::Null),
        Verb::Calls => Ok(json!(control.call_counts()?)),
        Verb::Check => control
            .consistency()
            .map(|()| "The world contradicts itself nowhere.".into()),
        // Every other verb is an incident.
        _ => Ok(Value::Null),
    }
}

/// The incident that a verb makes happen; `None` for verbs that make none.
fn incident(verb: &Verb, cluster: Option<String>) -> Option<Incident> {
    Some(match verb.clone() {
        Verb::Kill { machine } => Incident::KillMachine { machine },
        Verb::PowerOn { machine } => Incident::PowerOn { machine },
        Verb::StopService { machine } => Incident::StopService { machine },
        Verb::StartService {
            machine,
            clear_quarantine,
            force_quorum: true,
            ..
        } => Incident::ForceQuorum {
            machine,
            clear_quarantine,
        },
        Verb::StartService {
            machine,
            clear_quarantine,
            prevent_quorum: true,
            ..
        } => Incident::PreventQuorum {
            machine,
            clear_quarantine,
        },
        Verb::StartService {
            machine,
            clear_quarantine,
            ..
        } => Incident::StartService {
            machine,
            clear_quarantine,
        },
        Verb::Cut { one, other } => Incident::CutHeartbeats { one, other },
        Verb::Heal { one, other } => Incident::HealHeartbeats { one, other },
        Verb::CutPath { network, one, other } => Incident::CutPath { network, one, other },
        Verb::HealPath { network, one, other } => Incident::HealPath { network, one, other },
        Verb::Isolate { machine } => Incident::IsolateMachine { machine },
        Verb::HealAll => Incident::HealAll,
        Verb::NetworkDown { network } => Incident::NetworkDown { network },
        Verb::NetworkUp { network } => Incident::NetworkUp { network },
        Verb::InterfaceDown { machine, network } => Incident::InterfaceDown { machine, network },
        Verb::InterfaceUp { machine, network } => Incident::InterfaceUp { machine, network },
        Verb::KillMonitor { resource_type, node } => Incident::KillMonitor { node, resource_type },
        Verb::FailResource { resource, more } => Incident::FailResource { resource, more },
        Verb::BlockResource { resource, node } => Incident::BlockResource { resource, node },
        Verb::UnblockResource { resource } => Incident::UnblockResource { resource },
        Verb::LockResource { resource, locked } => Incident::LockResource {
            resource,
            locked: locked.into(),
        },
        Verb::Witness { reach } => Incident::Witness {
            cluster,
            reachable: reach == Reach::Up,
        },
        Verb::LoseConnection { .. }
        | Verb::Step { .. }
        | Verb::Now
        | Verb::Hold { .. }
        | Verb::Release { .. }
        | Verb::Calls
        | Verb::Check => return None,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use wsfc_simulator::{Scenario, Simulation, remote};

    use super::*;
    use crate::cli::Cli;
    use crate::session::Environment;
    use crate::terminal::tests::on_paper;

    /// Runs a command against a world that listens on a free port.
    fn run_against(address: SocketAddr, words: &[&str]) -> (Exit, String, String) {
        let control = address.to_string();
        let line = ["wsfcctl", "sim", "--control", &control];
        let cli = Cli::try_parse_from(line.iter().chain(words)).unwrap();
        let (mut terminal, out, err) = on_paper(None);
        let exit = crate::run(&cli, &Environment::default(), &mut terminal);
        (exit, out.text(), err.text())
    }

    #[test]
    fn a_world_is_steered_one_command_at_a_time() {
        let world = Simulation::new(Scenario::named("default").unwrap()).unwrap();
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let address = remote::listen(world.clone(), free).unwrap();
        let ok = |words: &[&str]| {
            let (exit, out, err) = run_against(address, words);
            assert_eq!((exit, err.as_str()), (Exit::Ok, ""), "{words:?}");
            out
        };
        let before = world.now();
        assert_eq!(ok(&["step", "1m"]), "");
        assert!(world.now() >= before + Duration::from_secs(60));
        assert_eq!(ok(&["check"]), "The world contradicts itself nowhere.\n");
        assert_eq!(ok(&["cut-path", "Cluster Network 1", "n1", "n2"]), "");
        assert_eq!(ok(&["heal-path", "Cluster Network 1", "n1", "n2"]), "");
        assert_eq!(ok(&["start-service", "n1", "--prevent-quorum"]), "");
        assert_eq!(ok(&["start-service", "n1", "--force-quorum"]), "");
        assert_eq!(ok(&["hold", "CreateCluster"]), "");
        assert_eq!(ok(&["release"]), "");
        let (exit, _, err) = run_against(address, &["kill", "nobody"]);
        assert_eq!(exit, Exit::Refused);
        assert!(err.contains("no machine is called"), "{err}");
    }

    #[test]
    fn nobody_there_says_what_to_set() {
        // The port was free a moment ago, and nobody else is told of it.
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let (exit, _, err) = run_against(address, &["now"]);
        assert_eq!(exit, Exit::Unreachable);
        assert!(
            err.contains(&format!("cluster_api.simulated_control={address}")),
            "{err}"
        );
    }
}
