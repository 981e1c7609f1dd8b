//! `wsfcctl account`.

use clap::{Args, Subcommand};
use wsfc_client::v1::{
    CreateNameAccountParameters, CreateNameAccountRequest, ManagementPointResourceType, ManagementPointType,
    RemoveNameAccountParameters, RemoveNameAccountRequest, RepairNameAccountParameters, RepairNameAccountRequest,
};

use super::{ManagementPoint, NameResource, named, number};
use crate::cli::{CredentialFlags, StartFlags};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::start::start;

/// The verbs of `wsfcctl account`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Give a cluster a name account; needs Windows Server 2016 or later.
    Create(Create),
    /// Take the name account of a cluster away; needs Windows Server 2019 or later.
    Remove(Remove),
    /// Repair the name account of a cluster; needs Windows Server 2022 or later.
    Repair(Repair),
}

/// What to create.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The name of the account [default: the name of the cluster].
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    name: String,
    /// How the cluster is reached on the network [default: ad-dns].
    #[arg(long, value_enum, value_name = "TYPE")]
    management_point: Option<ManagementPoint>,
    /// The kind of network name resource [default: as the cluster API chooses].
    #[arg(long, value_enum, value_name = "KIND")]
    name_resource: Option<NameResource>,
    /// Give accounts to network names without one, too; only with ad-dns.
    #[arg(long)]
    upgrade_virtual_computer_objects: bool,
    #[command(flatten)]
    credentials: CredentialFlags,
    #[command(flatten)]
    start: StartFlags,
}

/// What to remove.
#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// Remove the computer objects from the directory, too.
    #[arg(long)]
    delete_computer_objects: bool,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    start: StartFlags,
}

/// What to repair.
#[derive(Debug, Args)]
pub(crate) struct Repair {
    #[command(flatten)]
    credentials: CredentialFlags,
    #[command(flatten)]
    start: StartFlags,
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Create(arguments) => create(arguments, session).await,
        Verb::Remove(arguments) => remove(arguments, session).await,
        Verb::Repair(arguments) => repair(arguments, session).await,
    }
}

async fn create(arguments: &Create, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let cluster = session.cluster()?;
    let action = format!("create the name account of {}", named(&cluster));
    let credentials = arguments.credentials.read(session.terminal.interactive)?;
    let client = session.connect(&action).await?;
    let account = CreateNameAccountParameters {
        cluster: cluster.clone(),
        account: arguments.name.clone(),
        management_point_type: number::<_, ManagementPointType>(arguments.management_point),
        management_point_resource_type: number::<_, ManagementPointResourceType>(arguments.name_resource),
        upgrade_virtual_computer_objects: arguments.upgrade_virtual_computer_objects,
    };
    start(session, &client, &arguments.start, &action, |options| {
        CreateNameAccountRequest {
            account: Some(account),
            options: Some(options),
            credentials,
        }
    })
    .await
}

async fn remove(arguments: &Remove, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let cluster = session.cluster()?;
    let action = format!("remove the name account of {}", named(&cluster));
    let objects = if arguments.delete_computer_objects {
        " and its computer objects"
    } else {
        ""
    };
    let question = format!("This removes the name account of {}{objects}. Go on?", named(&cluster));
    session
        .terminal
        .confirm(&question, arguments.yes || arguments.start.validate_only)?;
    let client = session.connect(&action).await?;
    let account = RemoveNameAccountParameters {
        cluster: cluster.clone(),
        delete_computer_objects: arguments.delete_computer_objects,
    };
    start(session, &client, &arguments.start, &action, |options| {
        RemoveNameAccountRequest {
            account: Some(account),
            options: Some(options),
        }
    })
    .await
}

async fn repair(arguments: &Repair, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let cluster = session.cluster()?;
    let action = format!("repair the name account of {}", named(&cluster));
    let credentials = arguments.credentials.read(session.terminal.interactive)?;
    let client = session.connect(&action).await?;
    let account = RepairNameAccountParameters {
        cluster: cluster.clone(),
    };
    start(session, &client, &arguments.start, &action, |options| {
        RepairNameAccountRequest {
            account: Some(account),
            options: Some(options),
            credentials,
        }
    })
    .await
}
