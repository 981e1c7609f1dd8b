//! `wsfcd demo`: a daemon in a simulated world, and the life of a cluster through the real client over the socket. The client
//! gets its certificate with a join token, as any client does.

use std::error::Error;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use wsfc_client::{Client, ConnectOptions, EnrolOptions, Operation, Progress, TlsOptions, enrol};
use wsfc_proto::join_token::JoinToken;
use wsfc_proto::v1;
use wsfc_proto::v1::operation_record::Payload;
use wsfc_proto::v1::{OperationState, SetupPhase};
use wsfcd::access::init::init;
use wsfcd::access::policy::ADMINISTRATOR;
use wsfcd::access::tokens::Grant;
use wsfcd::cluster_api::{self, Connected};
use wsfcd::control::control;
use wsfcd::daemon::Daemon;
use wsfcd::logging;
use wsfcd::platform::Platform;
use wsfcd::settings::{Log, Settings, Tls};

use super::relay::Relay;
use super::signals::Signals;
use super::story::{Form, Story};

/// The scenario that the demonstration plays in.
const SCENARIO: &str = "demo";
/// The documented 30 seconds between creating a cluster and adding a node, scaled to what a viewer will wait.
const SETTLE: Duration = Duration::from_secs(4);
const CLUSTER: &str = "DEMO";
/// How long the demonstration has to come by its certificate.
const TOKEN_LIFE: Duration = Duration::from_secs(60);

/// How the demonstration is shown.
#[derive(Debug, Args)]
pub struct Options {
    /// Readable lines, or every message as a JSON line.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Form,
    /// Leave the daemon running afterwards, and print the commands to try next.
    #[arg(long)]
    keep: bool,
}

type Teller = Story<std::io::Stdout>;

/// Runs the demonstration.
pub async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    logging::start(&Log {
        filter: String::from("error"),
        ..Log::default()
    });
    let folder = DataFolder::new()?;
    let settings = settings(&folder.0);
    let simulation = cluster_api::simulation(SCENARIO, None)?;
    let Connected { api, hosts } = Connected::simulated(simulation);
    let platform = Platform {
        hosts,
        ..Platform::system()
    };
    let grant = Grant {
        name: String::from("demo"),
        role: ADMINISTRATOR.into(),
        clusters: None,
    };
    let token = init(&settings, &[], grant, TOKEN_LIFE, &platform, || Ok(()))?.token;
    let local = settings.local_endpoint();
    let daemon = Daemon::start(settings, api, platform).await?;
    let mut story = Story::new(std::io::stdout(), options.output);
    let told = tell(&mut story, daemon.address(), token).await;
    if told.is_ok() && options.keep {
        // The talk goes to standard error, so that standard output holds messages alone with `--output json`.
        keep(daemon.address(), &local).await?;
    }
    daemon.stop().await;
    told
}

fn settings(data_dir: &Path) -> Settings {
    let mut settings = Settings {
        data_dir: data_dir.into(),
        ..Settings::default()
    };
    settings.listen.address = SocketAddr::from(([127, 0, 0, 1], 0));
    settings.listen.local = false;
    settings.operations.create_settle = SETTLE;
    settings.tls = Some(Tls::own());
    if cfg!(windows) {
        // The usual one may be that of a daemon that runs here.
        settings.listen.local_endpoint = Some(format!(r"\\.\pipe\wsfcd-demo-{}", std::process::id()));
    }
    settings.operations.shutdown_grace = Duration::from_secs(5);
    settings
}

async fn tell(story: &mut Teller, address: SocketAddr, token: JoinToken) -> Result<(), Box<dyn Error>> {
    let enrolled = enrol(EnrolOptions::new(address.to_string(), token)).await?;
    let relay = Relay::to(address).await?;
    let mut options = ConnectOptions::new([format!("https://{}", relay.address())]);
    options.tls = Some(TlsOptions {
        ca_pem: Some(enrolled.ca_pem),
        identity: Some(enrolled.identity),
        server_name: None,
    });
    let client = Client::connect(options).await?;
    story.say(&format!(
        "wsfcd serves a simulated world on {address}; everything below went over that socket, by TLS, as {}.",
        enrolled.principal
    ))?;

    story.step("Create a cluster of three nodes with two addresses, and lose the connection in the middle")?;
    let create = v1::CreateClusterRequest {
        cluster: Some(cluster_to_make()),
        ..Default::default()
    };
    let created = follow(story, &client.create_cluster(create).await?, Some(&relay)).await?;
    let cluster = client.get_cluster(CLUSTER).await?;
    story.message(&cluster, &describe(&cluster))?;

    story.step("Add a fourth node; a new cluster is given time to settle first")?;
    let node = v1::AddNodeParameters {
        cluster: CLUSTER.into(),
        node: "n4".into(),
    };
    let add = v1::AddNodeRequest {
        node: Some(node),
        ..Default::default()
    };
    let added = follow(story, &client.add_node(add).await?, None).await?;

    story.step("Raise the functional level")?;
    let check = client.check_upgrade(CLUSTER).await?;
    let sentence = format!(
        "level {}; an upgrade would reach {}",
        check.current_level, check.target_level
    );
    story.message(&check, &sentence)?;
    let upgrade = v1::UpgradeFunctionalLevelRequest {
        upgrade: Some(v1::UpgradeFunctionalLevelParameters {
            cluster: CLUSTER.into(),
        }),
        ..Default::default()
    };
    let upgraded = follow(story, &client.upgrade_functional_level(upgrade).await?, None).await?;

    story.step("Evict a node")?;
    let node = v1::EvictNodeParameters {
        cluster: CLUSTER.into(),
        node: "n2".into(),
        ..Default::default()
    };
    let evict = v1::EvictNodeRequest {
        node: Some(node),
        ..Default::default()
    };
    let evicted = follow(story, &client.evict_node(evict).await?, None).await?;

    story.step("Destroy the cluster")?;
    let cluster = v1::DestroyClusterParameters {
        cluster: CLUSTER.into(),
        delete_computer_objects: true,
    };
    let destroy = v1::DestroyClusterRequest {
        cluster: Some(cluster),
        ..Default::default()
    };
    let destroyed = follow(story, &client.destroy_cluster(destroy).await?, None).await?;

    story.step("Summary")?;
    let steps = [created, added, upgraded, evicted, destroyed];
    let records: u64 = steps.iter().map(|step| step.records).sum();
    let warnings: u64 = steps.iter().map(|step| step.warnings).sum();
    let reconnects: u64 = steps.iter().map(|step| step.reconnects).sum();
    story.say(&format!(
        "{} operations, {records} records in order and without gap, {}, {} resumed.",
        steps.len(),
        counted(warnings, "warning"),
        counted(reconnects, "lost connection"),
    ))?;
    Ok(())
}

fn cluster_to_make() -> v1::CreateClusterParameters {
    let address = |address: &str| v1::IpAddress {
        address: address.into(),
        prefix_length: 24,
    };
    v1::CreateClusterParameters {
        cluster: CLUSTER.into(),
        nodes: ["n1", "n2", "n3"].map(String::from).to_vec(),
        ip_addresses: vec![address("10.0.0.10"), address("10.0.1.10")],
        ..Default::default()
    }
}

fn counted(count: u64, name: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {name}{plural}")
}

/// What a step came to.
struct Step {
    records: u64,
    warnings: u64,
    reconnects: u64,
}

/// Follows an operation to its end; with a relay, cuts the connection once, while the cluster forms.
async fn follow(story: &mut Teller, operation: &Operation, cut: Option<&Relay>) -> Result<Step, Box<dyn Error>> {
    let mut step = Step {
        records: 0,
        warnings: 0,
        reconnects: 0,
    };
    let to_be_cut = cut.is_some();
    let mut cut = cut;
    let mut progress = operation.progress();
    while let Some(item) = progress.next().await {
        match item? {
            Progress::Record(record) => {
                story.record(&record)?;
                step.records += 1;
                if record.sequence != step.records {
                    return Err(format!("record {} came where {} was due", record.sequence, step.records).into());
                }
                if forms_cluster(&record)
                    && let Some(relay) = cut.take()
                {
                    story.say("-- the connection is cut; the operation goes on in the daemon --")?;
                    relay.cut();
                }
                if let Some(Payload::Outcome(outcome)) = record.payload {
                    step.warnings = outcome.warning_count;
                    if outcome.state() != OperationState::Succeeded {
                        return Err(
                            format!("operation {} did not succeed: {}", operation.id(), outcome.message).into(),
                        );
                    }
                }
            }
            Progress::Reconnecting { .. } => {}
            Progress::Resumed { after_sequence } => {
                step.reconnects += 1;
                story.say(&format!("-- connected again; resumed after record {after_sequence} --"))?;
            }
        }
    }
    if cut.is_some() {
        return Err(format!(
            "operation {} never formed its cluster, so nothing was cut",
            operation.id()
        )
        .into());
    }
    if to_be_cut && step.reconnects == 0 {
        return Err(format!(
            "the connection of operation {} was cut, and never resumed",
            operation.id()
        )
        .into());
    }
    Ok(step)
}

fn forms_cluster(record: &v1::OperationRecord) -> bool {
    matches!(&record.payload, Some(Payload::SetupProgress(progress)) if progress.phase == i32::from(SetupPhase::FormingCluster))
}

fn describe(cluster: &v1::Cluster) -> String {
    let nodes: Vec<_> = cluster
        .nodes
        .iter()
        .map(|node| {
            format!(
                "{} {}",
                node.name,
                node.state().as_str_name().replace("NODE_STATE_", "").to_lowercase()
            )
        })
        .collect();
    format!(
        "cluster {} at functional level {}: {}",
        cluster.name,
        cluster.functional_level,
        nodes.join(", ")
    )
}

async fn keep(address: SocketAddr, local: &str) -> Result<(), Box<dyn Error>> {
    let (controller, mut control) = control();
    tokio::spawn(Signals::new()?.pass_on(controller));
    let mut out = std::io::stderr();
    writeln!(
        out,
        "\nThe daemon stays at {address} until Ctrl-C, and administrators of this host need no certificate. Try in another terminal:"
    )?;
    let scheme = if cfg!(windows) { "pipe" } else { "unix" };
    for command in [
        "operation list",
        "cluster create CL1 --node n1 --node n2 --ip 10.0.0.20/24",
        "cluster get CL1",
        "node add n3 --cluster CL1 -o json",
        "cluster destroy CL1",
    ] {
        writeln!(
            out,
            "  cargo run -q --release -p wsfcctl -- --endpoint '{scheme}:{local}' {command}"
        )?;
    }
    control.told_to_end().await;
    Ok(())
}

/// A folder for the journal of the demonstration, removed with it.
struct DataFolder(PathBuf);

impl DataFolder {
    fn new() -> std::io::Result<Self> {
        let path = std::env::temp_dir().join(format!("wsfcd-demo-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        // Left to the system's cleaning of temporary files when it cannot be removed.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
