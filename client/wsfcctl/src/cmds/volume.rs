//! `wsfcctl volume`.

use std::io::Write;

use clap::Subcommand;
use wsfc_client::v1::{ListAvailableDisksRequest, ObjectKind};

use super::reads::{NoFilter, Reads, reads};
use crate::change::{change, changes, to};
use crate::choice::Switch;
use crate::complete::names;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::names::quoted;
use crate::output;
use crate::session::Session;
use crate::tables;

/// The verbs of `wsfcctl volume`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    #[command(flatten)]
    Reads(Reads<NoFilter>),
    Add(Add),
    Remove(Remove),
    Move(Move),
    Redirected(Redirected),
    Maintenance(Maintenance),
    /// List the disks that every node reaches and that are no cluster disks yet.
    Disks,
    AddDisk(AddDisk),
}

changes! {
    /// Make a cluster disk in Available Storage a cluster shared volume.
    Add(AddSharedVolumeParameters): format!("make {} a cluster shared volume", quoted(resource)); {
        /// The disk: the name or the id of its resource.
        #[arg(value_name = "DISK", add = names(ObjectKind::Resource))]
        resource: String,
    }

    /// Make a cluster shared volume an ordinary cluster disk again.
    Remove(RemoveSharedVolumeParameters): format!("make {} an ordinary cluster disk", quoted(resource));
    yes if Some(format!("This takes the cluster shared volume {} away from those who use it.", quoted(resource))); {
        /// The volume: the name or the id of its disk resource.
        #[arg(value_name = "VOLUME", add = names(ObjectKind::SharedVolume))]
        resource: String,
    }

    /// Move the coordinator of a cluster shared volume to a node.
    Move(MoveSharedVolumeParameters): format!("move volume {}{}", quoted(resource), to(node)); {
        /// The volume: the name or the id of its disk resource.
        #[arg(value_name = "VOLUME", add = names(ObjectKind::SharedVolume))]
        resource: String,
        /// Where to [default: the best possible node].
        #[arg(default_value = "", hide_default_value = true, add = names(ObjectKind::Node))]
        node: String,
    }

    /// Turn redirected access on or off: with it all access goes through the coordinator.
    Redirected(SetSharedVolumeRedirectedParameters): format!("turn the redirected access of volume {} {redirected}", quoted(resource)); {
        /// The volume: the name or the id of its disk resource.
        #[arg(value_name = "VOLUME", add = names(ObjectKind::SharedVolume))]
        resource: String,
        /// On or off.
        #[arg(value_enum, value_name = "SWITCH")]
        redirected: Switch,
        /// The name of one volume of the disk [default: every volume].
        #[arg(long = "part", value_name = "NAME", default_value = "", hide_default_value = true)]
        volume: String,
    }

    /// Turn the maintenance of a cluster shared volume on or off.
    Maintenance(SetSharedVolumeMaintenanceParameters): format!("turn the maintenance of volume {} {enabled}", quoted(resource)); {
        /// The volume: the name or the id of its disk resource.
        #[arg(value_name = "VOLUME", add = names(ObjectKind::SharedVolume))]
        resource: String,
        /// On or off.
        #[arg(value_enum, value_name = "SWITCH")]
        enabled: Switch,
        /// The name of one volume of the disk [default: every volume].
        #[arg(long = "part", value_name = "NAME", default_value = "", hide_default_value = true)]
        volume: String,
    }

    /// Make a disk that every node reaches a cluster disk.
    AddDisk(AddDiskParameters): format!("make disk {} a cluster disk", quoted(disk_id)); {
        /// The id of the disk, from `wsfcctl volume disks`.
        #[arg(value_name = "DISK")]
        disk_id: String,
        /// The name of the new resource [default: the next "Cluster Disk N"].
        #[arg(long = "name", value_name = "NAME", default_value = "", hide_default_value = true)]
        resource: String,
    }
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Reads(verb) => reads(ObjectKind::SharedVolume, verb, session).await,
        Verb::Add(verb) => change(verb, session).await,
        Verb::Remove(verb) => change(verb, session).await,
        Verb::Move(verb) => change(verb, session).await,
        Verb::Redirected(verb) => change(verb, session).await,
        Verb::Maintenance(verb) => change(verb, session).await,
        Verb::Disks => disks(session).await,
        Verb::AddDisk(verb) => change(verb, session).await,
    }
}

async fn disks(session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = "list the available disks".to_owned();
    let request = ListAvailableDisksRequest {
        cluster: session.cluster()?,
    };
    let client = session.connect(&action).await?;
    let answer = client
        .list_available_disks(request)
        .await
        .map_err(|source| Failure::Call { action, source })?;
    let write = |out: &mut dyn Write, _| tables::disks(out, &answer);
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)?;
    Ok(Exit::Ok)
}
