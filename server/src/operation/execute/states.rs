//! Where an object stands, in the form of the contract.

use wsfc_clusapi::proplist::{PropertyList, Value};
use wsfc_clusapi::{Cluster, Controlled, Error, Group, Node, NodeDrainStatus, Resource};
use wsfc_proto::v1;
use wsfc_proto::v1::{DrainState, ObjectKind, ObjectStateChanged};

use super::scene::same;
use crate::inventory::fields;

/// Where a group stands.
///
/// # Errors
///
/// What the cluster API answers.
pub fn of_group(group: &Group, name: &str) -> Result<ObjectStateChanged, Error> {
    let (state, owner) = group.state()?;
    Ok(ObjectStateChanged {
        kind: ObjectKind::Group.into(),
        id: group.told_id().unwrap_or_default(),
        name: group.told_name().unwrap_or_else(|_unknown| name.into()),
        native_state: Some(state.0),
        state: group_state(state.0),
        owner_node: owner,
        drain_state: DrainState::Unspecified.into(),
    })
}

/// Where a resource stands.
///
/// # Errors
///
/// What the cluster API answers.
pub fn of_resource(resource: &Resource, name: &str) -> Result<ObjectStateChanged, Error> {
    let (state, owner, _group) = resource.state()?;
    Ok(ObjectStateChanged {
        kind: ObjectKind::Resource.into(),
        id: resource.told_id().unwrap_or_default(),
        name: resource.told_name().unwrap_or_else(|_unknown| name.into()),
        native_state: Some(state.0),
        state: resource_state(state.0),
        owner_node: owner,
        drain_state: DrainState::Unspecified.into(),
    })
}

/// Where a node stands, and how far its drain is.
///
/// # Errors
///
/// What the cluster API answers.
pub fn of_node(node: &Node, name: &str) -> Result<ObjectStateChanged, Error> {
    let state = node.state()?;
    // An older server has no drains, and a node that is down does not tell.
    let drain = node
        .read_only_properties()
        .ok()
        .and_then(|properties| dword(&properties, "NodeDrainStatus"))
        .map_or(DrainState::Unspecified, drain_state);
    Ok(ObjectStateChanged {
        kind: ObjectKind::Node.into(),
        id: node.id().unwrap_or_default(),
        name: name.into(),
        native_state: Some(state.0),
        state: node_state(state.0),
        owner_node: String::new(),
        drain_state: drain.into(),
    })
}

/// Where the object of a verb stands, for an outcome; nothing for objects without a state.
///
/// # Errors
///
/// What the cluster API answers.
pub fn of_object(cluster: &Cluster, kind: ObjectKind, name: &str) -> Result<Option<ObjectStateChanged>, Error> {
    Ok(match kind {
        ObjectKind::Node => Some(of_node(&cluster.open_node(name)?, name)?),
        ObjectKind::Group => Some(of_group(&cluster.open_group(name)?, name)?),
        ObjectKind::Resource => Some(of_resource(&cluster.open_resource(name)?, name)?),
        _others => None,
    })
}

/// The name of a group's state (facts 2.2).
pub(super) fn group_state(native: i32) -> String {
    plain(fields::group_state(native).as_str_name(), "GROUP_STATE_")
}

/// The name of a resource's state (facts 2.2).
pub(super) fn resource_state(native: i32) -> String {
    plain(fields::resource_state(native).as_str_name(), "RESOURCE_STATE_")
}

/// The name of a node's state (facts 2.2).
pub(super) fn node_state(native: i32) -> String {
    plain(fields::node_state(native).as_str_name(), "NODE_STATE_")
}

/// The name of an enumerator without that of its enumeration; empty for one that is not known.
fn plain(name: &str, enumeration: &str) -> String {
    let name = name.trim_start_matches(enumeration);
    if name == "UNSPECIFIED" { "" } else { name }.into()
}

/// The state of a drain in the form of the contract (facts 2.2).
pub(super) fn drain_state(native: u32) -> DrainState {
    match NodeDrainStatus(native) {
        NodeDrainStatus::NOT_INITIATED => DrainState::NotInitiated,
        NodeDrainStatus::IN_PROGRESS => DrainState::InProgress,
        NodeDrainStatus::COMPLETED => DrainState::Completed,
        NodeDrainStatus::FAILED => DrainState::Failed,
        _ => DrainState::Unspecified,
    }
}

/// A number of a property list.
pub fn dword(properties: &PropertyList, name: &str) -> Option<u32> {
    match value(properties, name)? {
        Value::Dword(number) => Some(*number),
        Value::Long(number) => u32::try_from(*number).ok(),
        Value::Ularge(number) => u32::try_from(*number).ok(),
        _ => None,
    }
}

/// A text of a property list.
pub fn text<'l>(properties: &'l PropertyList, name: &str) -> Option<&'l str> {
    match value(properties, name)? {
        Value::Sz(text) | Value::ExpandSz(text) => Some(text),
        _ => None,
    }
}

fn value<'l>(properties: &'l PropertyList, name: &str) -> Option<&'l Value> {
    properties
        .properties
        .iter()
        .find(|property| same(&property.name, name))?
        .values
        .first()
}

/// A resource in words, with what its last operation came to where that is told.
pub(super) fn resource_in_words(resource: &Resource, name: &str) -> Result<String, Error> {
    let (state, _owner, _group) = resource.state()?;
    let state = resource_state(state.0);
    let status = resource
        .read_only_properties()
        .ok()
        .and_then(|properties| match value(&properties, "LastOperationStatusCode")? {
            Value::Ularge(code) => u32::try_from(*code).ok(),
            Value::Dword(code) => Some(*code),
            _ => None,
        })
        .filter(|code| *code != 0);
    Ok(match status {
        None => format!("{name:?} is {state}"),
        Some(code) => {
            let native: v1::NativeStatus = crate::native::status(code);
            let name_of_code = if native.name.is_empty() {
                String::new()
            } else {
                format!(" {}", native.name)
            };
            format!("{name:?} is {state} (last operation {code}{name_of_code})")
        }
    })
}
