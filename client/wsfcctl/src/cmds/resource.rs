//! `wsfcctl resource`.

use std::io::Write;

use clap::{Args, Subcommand};
use wsfc_client::v1::{ListCheckpointsRequest, ObjectKind};

use super::reads::{Filter, Filters, Reads, reads};
use crate::change::{change, change_beside, changes};
use crate::choice::{self, Choice, Switch};
use crate::complete::names;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::names::{listed, quoted};
use crate::output;
use crate::session::Session;
use crate::statuses::Reporting;
use crate::tables;

/// The verbs of `wsfcctl resource`.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    #[command(flatten)]
    Reads(Reads<Narrow>),
    Create(Create),
    Delete(Delete),
    Online(Online),
    Offline(Offline),
    Fail(Fail),
    Restart(Restart),
    Maintenance(Maintenance),
    Owners(Owners),
    /// What a resource depends on: other resources of its group.
    #[command(subcommand)]
    Depends(Depends),
    Move(Move),
    Rename(Rename),
    Monitor(Monitor),
    /// What the cluster replicates for a resource: registry keys and crypto keys.
    #[command(subcommand)]
    Checkpoint(Checkpoint),
    RenewLease(RenewLease),
    ReleaseLease(ReleaseLease),
    RegisterDns(RegisterDns),
}

/// The verbs of `wsfcctl resource depends`.
#[derive(Debug, Subcommand)]
pub(crate) enum Depends {
    Add(AddDependency),
    Remove(RemoveDependency),
    Set(SetDependencies),
}

/// The verbs of `wsfcctl resource checkpoint`.
#[derive(Debug, Subcommand)]
pub(crate) enum Checkpoint {
    Add(AddCheckpoint),
    Remove(RemoveCheckpoint),
    /// List what is replicated for a resource.
    List {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
    },
}

/// Which resources.
#[derive(Debug, Args)]
pub(crate) struct Narrow {
    /// Only resources that this node owns.
    #[arg(long, value_name = "NODE", default_value = "", hide_default_value = true, add = names(ObjectKind::Node))]
    owner: String,
    /// Only resources of this group.
    #[arg(long, default_value = "", hide_default_value = true, add = names(ObjectKind::Group))]
    group: String,
    /// Only resources of this type.
    #[arg(long = "type", value_name = "TYPE", default_value = "", hide_default_value = true, add = names(ObjectKind::ResourceType))]
    resource_type: String,
    /// Only resources in this state; may be repeated.
    #[arg(long = "state", value_name = "STATE", value_parser = choice::resource_state())]
    states: Vec<Choice>,
}

impl Filter for Narrow {
    fn filters(&self) -> Filters {
        Filters {
            owner_node: self.owner.clone(),
            group: self.group.clone(),
            resource_type: self.resource_type.clone(),
            states: self.states.clone(),
            ..Default::default()
        }
    }
}

changes! {
    /// Create a resource in a group; set its private properties afterwards with `wsfcctl property set`.
    Create(CreateResourceParameters): format!("create resource {} in group {}", quoted(resource), quoted(group)); {
        /// The name of the new resource.
        resource: String,
        /// Its group: the name or the id.
        #[arg(long, add = names(ObjectKind::Group))]
        group: String,
        /// Its type, such as "Generic Service".
        #[arg(long = "type", value_name = "TYPE", add = names(ObjectKind::ResourceType))]
        r#type: String,
        /// Give it a resource monitor of its own.
        #[arg(long)]
        separate_monitor: bool,
    }

    /// Delete a resource; this cannot be undone.
    Delete(DeleteResourceParameters): format!("delete resource {}", quoted(resource));
    yes if Some(format!("This deletes resource {} and cannot be undone.", quoted(resource))); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
        /// Take it offline before.
        #[arg(long)]
        offline_first: bool,
    }

    /// Bring a resource online, and first those that it depends on.
    Online(OnlineResourceParameters): format!("bring resource {} online", quoted(resource)); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
        /// Also if it says that it is locked.
        #[arg(long)]
        ignore_resource_status: bool,
        /// The cluster shall not remember that it is to be online.
        #[arg(long)]
        keep_persistent_state: bool,
        /// Let the cluster choose the node of its group.
        #[arg(long)]
        best_possible_node: bool,
        /// Also where an affinity rule speaks against it.
        #[arg(long)]
        ignore_affinity_rule: bool,
    }

    /// Take a resource offline, and first those that depend on it.
    Offline(OfflineResourceParameters): format!("take resource {} offline", quoted(resource)); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
        /// Also if it says that it is locked.
        #[arg(long)]
        ignore_resource_status: bool,
        /// Terminate it instead of taking it offline.
        #[arg(long)]
        force_with_termination: bool,
        /// The cluster shall not remember that it is to be offline.
        #[arg(long)]
        keep_persistent_state: bool,
    }

    /// Make a resource fail, as a test of its policies; each call counts towards its thresholds.
    Fail(FailResourceParameters): format!("make resource {} fail", quoted(resource));
    yes if Some(format!("This makes resource {} fail, which counts towards its thresholds.", quoted(resource))); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
    }

    /// Take a resource offline and bring it online again.
    Restart(RestartResourceParameters): format!("restart resource {}", quoted(resource)); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
    }

    /// Put a resource into maintenance, or end it.
    Maintenance(SetResourceMaintenanceParameters): format!("turn the maintenance of resource {} {enabled}", quoted(resource)); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
        /// On or off.
        #[arg(value_enum, value_name = "SWITCH")]
        enabled: Switch,
    }

    /// Set the nodes that a resource may run on.
    Owners(SetPossibleOwnersParameters): format!("set the possible owners of resource {} to {}", quoted(resource), listed(nodes)); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
        /// The nodes.
        #[arg(required = true, add = names(ObjectKind::Node))]
        nodes: Vec<String>,
    }

    /// Make a resource depend on another one of its group.
    AddDependency(AddResourceDependencyParameters): format!("make resource {} depend on {}", quoted(resource), quoted(provider)); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
        /// The resource that it shall depend on.
        #[arg(add = names(ObjectKind::Resource))]
        provider: String,
    }

    /// End the dependency of a resource on another one.
    RemoveDependency(RemoveResourceDependencyParameters): format!("end the dependency of resource {} on {}", quoted(resource), quoted(provider)); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
        /// The resource that it shall not depend on.
        #[arg(add = names(ObjectKind::Resource))]
        provider: String,
    }

    /// Set all that a resource depends on.
    SetDependencies(SetResourceDependenciesParameters): format!("set what resource {} depends on", quoted(resource)); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
        /// An expression such as "([IP 1] or [IP 2]) and [Disk]", of names or ids in brackets; empty for nothing.
        expression: String,
    }

    /// Move a resource, with all that it depends on and that depends on it, to another group.
    Move(MoveResourceParameters): format!("move resource {} to group {}", quoted(resource), quoted(group)); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
        /// The group.
        #[arg(add = names(ObjectKind::Group))]
        group: String,
        /// Also a disk that becomes a cluster shared volume by it; needs Windows Server 2022.
        #[arg(long)]
        force_to_shared_volume: bool,
    }

    /// Rename a resource.
    Rename(RenameResourceParameters): format!("rename resource {} to {}", quoted(resource), quoted(new_name)); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
        /// The new name.
        new_name: String,
    }

    /// Give a resource a resource monitor of its own, or take it away; takes effect when it comes online next.
    Monitor(SetSeparateMonitorParameters): format!("turn the separate monitor of resource {} {enabled}", quoted(resource)); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
        /// On for one of its own.
        #[arg(value_enum, value_name = "SWITCH")]
        enabled: Switch,
    }

    /// Make the cluster replicate a key for a resource.
    AddCheckpoint(AddCheckpointParameters): format!("add a checkpoint of {} to resource {}", quoted(key), quoted(resource)); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
        /// The registry key below HKEY_LOCAL_MACHINE, or the name of the crypto key.
        #[arg(id = "checkpoint_key", value_name = "KEY")]
        key: String,
        /// What it is.
        #[arg(long, value_parser = choice::checkpoint(), default_value = "registry")]
        kind: Choice,
    }

    /// End the replication of a key.
    RemoveCheckpoint(RemoveCheckpointParameters): format!("remove the checkpoint of {} from resource {}", quoted(key), quoted(resource)); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
        /// The registry key below HKEY_LOCAL_MACHINE, or the name of the crypto key.
        #[arg(id = "checkpoint_key", value_name = "KEY")]
        key: String,
        /// What it is.
        #[arg(long, value_parser = choice::checkpoint(), default_value = "registry")]
        kind: Choice,
    }

    /// Renew the lease of an IP address resource.
    RenewLease(RenewIpLeaseParameters): format!("renew the lease of resource {}", quoted(resource)); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
    }

    /// Release the lease of an IP address resource.
    ReleaseLease(ReleaseIpLeaseParameters): format!("release the lease of resource {}", quoted(resource)); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
    }

    /// Register the DNS records of a network name resource again.
    RegisterDns(RegisterDnsRecordsParameters): format!("register the DNS records of resource {}", quoted(resource)); {
        /// The resource: its name or its id.
        #[arg(add = names(ObjectKind::Resource))]
        resource: String,
    }
}

pub(crate) async fn run(verb: &Verb, session: &mut Session<'_>) -> Result<Exit, Failure> {
    match verb {
        Verb::Reads(verb) => reads(ObjectKind::Resource, verb, session).await,
        Verb::Create(verb) => change(verb, session).await,
        Verb::Delete(verb) => change(verb, session).await,
        Verb::Online(verb) => change_beside(verb, Some(Reporting::Resource(&verb.resource)), session).await,
        Verb::Offline(verb) => change_beside(verb, Some(Reporting::Resource(&verb.resource)), session).await,
        Verb::Fail(verb) => change(verb, session).await,
        Verb::Restart(verb) => change_beside(verb, Some(Reporting::Resource(&verb.resource)), session).await,
        Verb::Maintenance(verb) => change(verb, session).await,
        Verb::Owners(verb) => change(verb, session).await,
        Verb::Move(verb) => change(verb, session).await,
        Verb::Rename(verb) => change(verb, session).await,
        Verb::Monitor(verb) => change(verb, session).await,
        Verb::RenewLease(verb) => change(verb, session).await,
        Verb::ReleaseLease(verb) => change(verb, session).await,
        Verb::RegisterDns(verb) => change(verb, session).await,
        Verb::Depends(Depends::Add(verb)) => change(verb, session).await,
        Verb::Depends(Depends::Remove(verb)) => change(verb, session).await,
        Verb::Depends(Depends::Set(verb)) => change(verb, session).await,
        Verb::Checkpoint(Checkpoint::Add(verb)) => change(verb, session).await,
        Verb::Checkpoint(Checkpoint::Remove(verb)) => change(verb, session).await,
        Verb::Checkpoint(Checkpoint::List { resource }) => checkpoints(resource, session).await,
    }
}

async fn checkpoints(resource: &str, session: &mut Session<'_>) -> Result<Exit, Failure> {
    let action = format!("list the checkpoints of resource {}", quoted(resource));
    let request = ListCheckpointsRequest {
        cluster: session.cluster()?,
        resource: resource.to_owned(),
    };
    let client = session.connect(&action).await?;
    let answer = client
        .list_checkpoints(request)
        .await
        .map_err(|source| Failure::Call { action, source })?;
    let write = |out: &mut dyn Write, _| tables::checkpoints(out, &answer);
    output::answer(&mut session.terminal.out, session.globals.output, &answer, write)?;
    Ok(Exit::Ok)
}
