//! Verbs on the quorum (facts 2.6).

use wsfc_clusapi::proplist::{Property, PropertyList, Value};
use wsfc_clusapi::{Controlled as _, Error, Group, GroupType, Quorum, QuorumKind, Resource, ResourceState};
use wsfc_proto::v1;
use wsfc_proto::v1::QuorumType;

use super::group::set_dwords;
use super::node::keeps_quorum;
use super::resource::{brought_online, taken_offline};
use super::scene::{End, Run, Scene, Stop, found, same};
use super::states;
use crate::logging::chain;

/// Where the storage service of a cloud witness is unless told otherwise.
const ENDPOINT: &str = "core.windows.net";
/// The name of the group of the cluster itself, where its type is not told (facts 2.4).
const CORE_GROUP: &str = "Cluster Group";

/// The type of a witness on a share, and of one in the cloud.
const FILE_SHARE: &str = "File Share Witness";
const CLOUD: &str = "Cloud Witness";

/// A witness that the daemon makes: its type, its usual name, and its properties.
struct Witness<'a> {
    type_name: &'static str,
    name: &'a str,
    properties: Vec<(&'static str, &'a str)>,
}

pub(super) fn set(scene: &Scene<'_>, p: &v1::SetQuorumParameters) -> Run {
    let now = scene.cluster.quorum()?;
    match p.r#type() {
        QuorumType::NodeMajority => {
            if now.witness.is_empty() && now.kind != QuorumKind::DISK_ONLY {
                return Ok(End::unchanged("The majority of the nodes decides."));
            }
            scene.begin()?;
            // The witness that there is makes room (facts 2.6).
            scene
                .cluster
                .open_resource(&now.witness)?
                .set_quorum(None, QuorumKind::NODE_MAJORITY)?;
            let text = format!(
                "The majority of the nodes decides; the resource {:?} is no witness any more.",
                now.witness
            );
            Ok(set_instead_of(scene, &now, "", text))
        }
        QuorumType::DiskWitness | QuorumType::DiskOnly => {
            let kind = if p.r#type() == QuorumType::DiskOnly {
                QuorumKind::DISK_ONLY
            } else {
                QuorumKind::NODES_AND_WITNESS
            };
            let disk = scene.cluster.open_resource(&p.witness_resource)?;
            let name = disk.told_name().unwrap_or_else(|_unknown| p.witness_resource.clone());
            if same(&now.witness, &name) && (now.kind == QuorumKind::DISK_ONLY) == (kind == QuorumKind::DISK_ONLY) {
                return Ok(End::unchanged(format!("The disk {name:?} is the witness.")));
            }
            scene.begin()?;
            disk.set_quorum(None, kind)?;
            Ok(set_instead_of(
                scene,
                &now,
                &name,
                format!("The disk {name:?} is the witness."),
            ))
        }
        QuorumType::FileShareWitness => {
            let witness = Witness {
                type_name: FILE_SHARE,
                name: usual(&p.witness_resource, FILE_SHARE),
                properties: vec![("SharePath", &p.share_path)],
            };
            witness_made(scene, &now, &witness)
        }
        QuorumType::CloudWitness => {
            let mut witness = Witness {
                type_name: CLOUD,
                name: usual(&p.witness_resource, CLOUD),
                properties: vec![
                    ("AccountName", &p.account_name),
                    ("EndpointInfo", usual(&p.endpoint, ENDPOINT)),
                ],
            };
            if let Some(secret) = scene.secret {
                witness.properties.push(("PrimaryKey", secret.reveal()));
            }
            witness_made(scene, &now, &witness)
        }
        // Validated on the way in.
        QuorumType::Unspecified | QuorumType::OtherWitness => Err(Stop::Api(Error::Answer {
            function: "SetClusterQuorumResource",
            problem: "a type of quorum that cannot be set",
        })),
    }
}

fn usual<'a>(given: &'a str, usual: &'a str) -> &'a str {
    if given.is_empty() { usual } else { given }
}

/// Makes or changes the resource of a witness, brings it online, and makes it the witness.
fn witness_made(scene: &Scene<'_>, now: &Quorum, witness: &Witness<'_>) -> Run {
    let there = found(scene.cluster.open_resource(witness.name))?;
    if let Some(resource) = &there
        && same(&now.witness, witness.name)
        && same(&resource.type_name()?, witness.type_name)
        && is_set(resource, witness)?
    {
        return Ok(End::unchanged(format!("{:?} is the witness.", witness.name)));
    }
    scene.begin()?;
    let made = there.is_none();
    let resource = match there {
        Some(resource) => resource,
        None => core_group(scene)?.create_resource(witness.name, witness.type_name, false)?,
    };
    let done = configured(scene, &resource, witness);
    if let (true, Err(_) | Ok(Some(_))) = (made, &done) {
        // What was made for this alone goes again; what keeps it from that is seen in the cluster.
        let removed = resource.offline(0).and_then(|_taken| resource.delete());
        if let Err(error) = removed {
            tracing::warn!(%error, resource = witness.name, "The witness that was made could not be removed");
        }
    }
    match done? {
        Some(end) => Ok(end),
        None => {
            let text = format!("{:?} is the witness.", witness.name);
            Ok(set_instead_of(scene, now, witness.name, text))
        }
    }
}

/// The end of a verb that has set the quorum, after the witness that there was has gone. The cluster API leaves its
/// resource as it is (facts 2.6). What hinders its removal takes nothing from the quorum that was asked for.
fn set_instead_of(scene: &Scene<'_>, former: &Quorum, witness: &str, text: String) -> End {
    let name = &former.witness;
    if name.is_empty() || same(name, witness) {
        return End::done(text);
    }
    let hindrance = match removed(scene, name) {
        Ok(true) => return End::done(format!("{text} The former witness {name:?} was removed.")),
        Ok(false) => return End::done(text),
        Err(Stop::Api(error)) => format!("{}.", chain(&error)),
        Err(Stop::Refused(end)) => end.message,
        // Only a rehearsal ends so, and this is none.
        Err(Stop::Rehearsed) => String::new(),
    };
    tracing::warn!(resource = name, hindrance, "The former witness could not be removed");
    End::done(format!(
        "{text} The former witness {name:?} could not be removed: {hindrance}"
    ))
}

/// Takes a resource that was the witness offline and deletes it, if it is of use for nothing else: one of a type that
/// only witnesses have, in the group of the cluster itself. False for any other.
fn removed(scene: &Scene<'_>, name: &str) -> Result<bool, Stop> {
    let Some(resource) = found(scene.cluster.open_resource(name))? else {
        return Ok(false);
    };
    let kind = resource.type_name()?;
    let (_state, _node, group) = resource.state()?;
    let is_core = core_group(scene)?.told_id()? == scene.cluster.open_group(&group)?.told_id()?;
    if !is_core || ![FILE_SHARE, CLOUD].iter().any(|only| same(&kind, only)) {
        return Ok(false);
    }
    let before = states::of_resource(&resource, name)?;
    let is_off = matches!(
        before.native_state.map(ResourceState),
        Some(ResourceState::OFFLINE | ResourceState::FAILED)
    );
    if !is_off {
        let end = taken_offline(scene, &resource, name, 0, before)?;
        if end.state != v1::OperationState::Succeeded {
            return Err(end.into());
        }
    }
    resource.delete()?;
    Ok(true)
}

/// Sets the properties of a witness, brings it online and makes it the witness; a bad end where one step has one.
fn configured(scene: &Scene<'_>, resource: &Resource, witness: &Witness<'_>) -> Result<Option<End>, Stop> {
    let properties = witness
        .properties
        .iter()
        .map(|(name, value)| Property {
            name: (*name).to_owned(),
            values: vec![Value::Sz((*value).to_owned())],
        })
        .collect();
    let mut properties = PropertyList { properties };
    let set = resource.set_private(&properties);
    // The key of a cloud witness is among them.
    properties.wipe();
    set?;
    let before = states::of_resource(resource, witness.name)?;
    if before.native_state != Some(ResourceState::ONLINE.0) {
        let end = brought_online(scene, resource, witness.name, before, || resource.online(0))?;
        if end.state != v1::OperationState::Succeeded {
            return Ok(Some(end));
        }
    }
    resource.set_quorum(None, QuorumKind::NODES_AND_WITNESS)?;
    Ok(None)
}

/// Whether a witness has its properties. A secret is never told, so a new one is a change.
fn is_set(resource: &Resource, witness: &Witness<'_>) -> Result<bool, Error> {
    let has = resource.private_properties()?;
    Ok(witness
        .properties
        .iter()
        .all(|(name, value)| *name != "PrimaryKey" && states::text(&has, name).is_some_and(|has| same(has, value))))
}

/// The group of the cluster itself, by its type, since it can be renamed.
fn core_group(scene: &Scene<'_>) -> Result<Group, Error> {
    let groups = scene.cluster.group_items(&[], &["GroupType"]).unwrap_or_default();
    let core = groups
        .iter()
        .find(|group| states::dword(&group.read_only, "GroupType") == Some(GroupType::CORE_CLUSTER.0));
    scene.cluster.open_group(core.map_or(CORE_GROUP, |group| &group.name))
}

pub(super) fn set_vote(scene: &Scene<'_>, p: &v1::SetNodeVoteParameters) -> Run {
    let node = scene.cluster.open_node(&p.node)?;
    let has = states::dword(&node.common_properties()?, "NodeWeight");
    if has != Some(0) && !p.vote {
        // A node without a vote counts as one that is down.
        keeps_quorum(scene, &node.id()?, &p.node)?;
    }
    set_dwords(
        scene,
        &node,
        &[("NodeWeight", Some(u32::from(p.vote)))],
        "The vote of the node",
    )
}
