//! `wsfcctl cluster`.

use clap::{Args, Subcommand};
use wsfc_client::v1::{
    CreateClusterParameters, CreateClusterRequest, DestroyClusterParameters, DestroyClusterRequest, IpAddress,
    ManagementPointResourceType, ManagementPointType, ObjectKind, UpgradeFunctionalLevelParameters,
    UpgradeFunctionalLevelRequest,
};

use super::{ManagementPoint, NameResource, named, number, reads};
use crate::address;
use crate::change::{change, changes};
use crate::cli::{CredentialFlags, StartFlags};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::names::quoted;
use crate::output;
use crate::session::Session;
use crate::start::start;
use crate::tables;

/// The verbs of `wsfcctl cluster`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Create a cluster and follow its setup.
    Create(Create),
    /// Destroy a cluster; this cannot be undone.
    Destroy(Destroy),
    /// Show a cluster as it stands now.
    Get {
        /// The cluster: a name, an address or an FQDN [default: the cluster of the daemon's host].
        #[arg(default_value = "", hide_default_value = true)]
        name: String,
    },
    /// List the clusters that the daemon knows.
    List,
    /// Raise the functional level of a cluster by one; this cannot be undone.
    Upgrade(Upgrade),
    /// Show the cluster state of a host.
    HostState {
        /// The host [default: the daemon's host].
        #[arg(default_value = "", hide_default_value = true)]
        host: String,
    },
    /// Show what the daemon observes of a cluster: its connection, its quorum, its level.
    State {
        /// Ask the cluster itself, instead of telling what the daemon has observed.
        #[arg(long)]
        fresh: bool,
    },
    /// Show everything about a cluster: all fields, its properties and what was done to it.
    Describe {
        /// Ask the cluster itself, instead of telling what the daemon has observed.
        #[arg(long)]
        fresh: bool,
    },
    Rename(Rename),
    Shutdown(Shutdown),
    Backup(Backup),
    Restore(Restore),
}

changes! {
    /// Rename a cluster; takes effect when its network name comes online next.
    Rename(RenameClusterParameters): format!("rename the cluster to {}", quoted(new_name)); {
        /// The new name: a DNS label.
        new_name: String,
    }

    /// Shut a cluster down: the cluster service of every node is stopped.
    Shutdown(ShutdownClusterParameters): "shut the cluster down".to_owned();
    yes if Some("This stops the cluster service of every node.".to_owned()); {}

    /// Back the cluster database up.
    Backup(BackupDatabaseParameters): format!("back the cluster database up to {}", quoted(path)); {
        /// The folder on the daemon's host.
        path: String,
    }

    /// Restore the cluster database from a backup; this cannot be undone.
    Restore(RestoreDatabaseParameters): format!("restore the cluster database from {}", quoted(path));
    yes if Some(format!("This puts the cluster database back to the backup in {} and cannot be undone.", quoted(path))); {
        /// The folder on the daemon's host.
        path: String,
        /// Even if the database of the cluster is newer.
        #[arg(long)]
        force: bool,
        /// The drive of the quorum disk, such as Q: [default: as it was].
        #[arg(long, value_name = "DRIVE", default_value = "", hide_default_value = true)]
        quorum_drive_letter: String,
    }
}

/// What to create.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The name of the cluster: a DNS label of up to 63 characters, better up to 15.
    name: String,
    /// A node; repeat it for each, 1 to 64.
    #[arg(long = "node", value_name = "NODE", required = true)]
    nodes: Vec<String>,
    /// An address of the cluster, such as 10.0.0.10/24; repeat it, one for a network. The address of the network
    /// itself asks for one from DHCP. Without any, no address and no network name is created.
    #[arg(long = "ip", value_name = "ADDRESS/PREFIX", value_parser = address::parse)]
    ip_addresses: Vec<IpAddress>,
    /// Create a cluster without management point.
    #[arg(long, conflicts_with = "ip_addresses")]
    empty: bool,
    /// How the cluster is reached on the network [default: as the cluster API chooses].
    #[arg(long, value_enum, value_name = "TYPE")]
    management_point: Option<ManagementPoint>,
    /// The kind of network name resource; needs Windows Server 2019 or later [default: as the cluster API chooses].
    #[arg(long, value_enum, value_name = "KIND")]
    name_resource: Option<NameResource>,
    #[command(flatten)]
    credentials: CredentialFlags,
    #[command(flatten)]
    start: StartFlags,
}

/// What to destroy.
#[derive(Debug, Args)]
pub(crate) struct Destroy {
    /// The cluster: a name, an address or an FQDN [default: the cluster of the daemon's host].
    #[arg(default_value = "", hide_default_value = true)]
    name: String,
    /// Remove the computer objects of the cluster and its roles from the directory, too.
    #[arg(long)]
    delete_computer_objects: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    start: StartFlags,
}

/// What to upgrade.
#[derive(Debug, Args)]
pub(crate) struct Upgrade {
    /// The cluster: a name, an address or an FQDN [default: the cluster of the daemon's host].
    #[arg(default_value = "", hide_default_value = true)]
    name: String,
    /// Only tell whether the level can be raised and what stands in the way.
    #[arg(long, conflicts_with_all = ["yes", "detach", "validate_only", "request_id", "refuse_when_busy"])]
    check: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    start: StartFlags,
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Create(arguments) => create(arguments, session).await,
        Verb::Destroy(arguments) => destroy(arguments, session).await,
        Verb::Get { name } => get(name, session).await,
        Verb::List => list(session).await,
        Verb::Upgrade(arguments) if arguments.check => check(&arguments.name, session).await,
        Verb::Upgrade(arguments) => upgrade(arguments, session).await,
        Verb::HostState { host } => host_state(host, session).await,
        Verb::State { fresh } => reads::show(ObjectKind::Cluster, "", *fresh, session).await,
        Verb::Describe { fresh } => reads::describe(ObjectKind::Cluster, "", *fresh, session).await,
        Verb::Rename(verb) => change(verb, session).await,
        Verb::Shutdown(verb) => change(verb, session).await,
        Verb::Backup(verb) => change(verb, session).await,
        Verb::Restore(verb) => change(verb, session).await,
    }
}

async fn create(arguments: &Create, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = format!("create cluster {}", arguments.name);
    let credentials = arguments.credentials.read(session.terminal.interactive)?;
    let cluster = CreateClusterParameters {
        cluster: arguments.name.clone(),
        nodes: arguments.nodes.clone(),
        ip_addresses: arguments.ip_addresses.clone(),
        empty_cluster: arguments.empty,
        management_point_type: number::<_, ManagementPointType>(arguments.management_point),
        management_point_resource_type: number::<_, ManagementPointResourceType>(arguments.name_resource),
    };
    let client = session.connect(&action).await?;
    start(session, &client, &arguments.start, &action, |options| {
        CreateClusterRequest {
            cluster: Some(cluster),
            options: Some(options),
            credentials,
        }
    })
    .await
}

async fn destroy(arguments: &Destroy, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let asked = session.cluster_or(&arguments.name)?;
    let action = format!("destroy {}", named(&asked));
    let client = session.connect(&action).await?;
    if !arguments.yes && !arguments.start.validate_only {
        // The person types the name, so the cluster of the daemon's host must be asked for its own.
        let name = if asked.is_empty() && session.terminal.interactive {
            let failed = |source| Failure::Call {
                action: action.clone(),
                source,
            };
            client.get_cluster("").await.map_err(failed)?.name
        } else {
            asked.clone()
        };
        let objects = if arguments.delete_computer_objects {
            " and its computer objects"
        } else {
            ""
        };
        let question = format!("This destroys cluster {name}{objects} and cannot be undone.");
        session.terminal.confirm_by_typing(&question, &name, false)?;
    }
    let cluster = DestroyClusterParameters {
        cluster: asked.clone(),
        delete_computer_objects: arguments.delete_computer_objects,
    };
    start(session, &client, &arguments.start, &action, |options| {
        DestroyClusterRequest {
            cluster: Some(cluster),
            options: Some(options),
        }
    })
    .await
}

async fn upgrade(arguments: &Upgrade, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let asked = session.cluster_or(&arguments.name)?;
    let action = format!("upgrade {}", named(&asked));
    let question = format!(
        "This raises the functional level of {} by one and cannot be undone. Go on?",
        named(&asked)
    );
    session
        .terminal
        .confirm(&question, arguments.yes || arguments.start.validate_only)?;
    let client = session.connect(&action).await?;
    let upgrade = UpgradeFunctionalLevelParameters { cluster: asked.clone() };
    start(session, &client, &arguments.start, &action, |options| {
        UpgradeFunctionalLevelRequest {
            upgrade: Some(upgrade),
            options: Some(options),
        }
    })
    .await
}

async fn check(name: &str, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let name = &session.cluster_or(name)?;
    let action = format!("check the upgrade of {}", named(name));
    let client = session.connect(&action).await?;
    let answer = client
        .check_upgrade(name)
        .await
        .map_err(|source| Failure::Call { action, source })?;
    let write = |out: &mut dyn std::io::Write, _| tables::upgrade_check(out, &answer);
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)?;
    Ok(Exit::Ok)
}

async fn get(name: &str, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let name = &session.cluster_or(name)?;
    let action = format!("read {}", named(name));
    let client = session.connect(&action).await?;
    let cluster = client
        .get_cluster(name)
        .await
        .map_err(|source| Failure::Call { action, source })?;
    let write = |out: &mut dyn std::io::Write, wide| tables::cluster(out, &cluster, wide);
    output::answer(&mut session.terminal.out, session.globals.output, &cluster, write)?;
    Ok(Exit::Ok)
}

async fn list(session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = "list clusters".to_owned();
    let client = session.connect(&action).await?;
    let answer = client
        .list_clusters()
        .await
        .map_err(|source| Failure::Call { action, source })?;
    let write = |out: &mut dyn std::io::Write, wide| tables::clusters(out, &answer, wide);
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)?;
    Ok(Exit::Ok)
}

async fn host_state(host: &str, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let subject = if host.is_empty() { "the daemon's host" } else { host };
    let action = format!("read the cluster state of {subject}");
    let client = session.connect(&action).await?;
    let answer = client
        .get_host_state(host)
        .await
        .map_err(|source| Failure::Call { action, source })?;
    let write = |out: &mut dyn std::io::Write, _| tables::host_state(out, host, &answer);
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)?;
    Ok(Exit::Ok)
}
