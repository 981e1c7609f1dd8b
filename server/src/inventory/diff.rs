//! What has changed between two states of a cluster, as events.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use prost::{Message as _, Name as _};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage as _, Value};
use wsfc_proto::v1::{ChangeType, ClusterEvent, InventoryObject};

use super::object::Key;
use crate::journal::Common;

/// Fields that have a change type of their own.
const TOLD_APART: [&str; 8] = [
    "state",
    "native_state",
    "owner_node",
    "name",
    "group",
    "group_id",
    "connection",
    "connection_time",
];

/// The events that lead from one state to another: what is gone first, so that a name is free before another takes it,
/// then what is new or changed; each by kind and id, so that equal states tell equal stories. The caller says of which
/// cluster they are.
pub fn diff(before: &BTreeMap<Key, InventoryObject>, after: &BTreeMap<Key, InventoryObject>) -> Vec<ClusterEvent> {
    let gone = before.iter().rev().filter(|(key, _)| !after.contains_key(key));
    let gone = gone.filter_map(|(_, object)| change(Some(object), None));
    let there = after
        .iter()
        .filter_map(|(key, object)| change(before.get(key), Some(object)));
    gone.chain(there).collect()
}

/// The event that tells one object's change; nothing when it has not changed. Revisions are not regarded.
pub fn change(before: Option<&InventoryObject>, after: Option<&InventoryObject>) -> Option<ClusterEvent> {
    match (before, after) {
        (None, None) => None,
        (None, Some(object)) => Some(event(ChangeType::Added, object)),
        (Some(object), None) => Some(event(ChangeType::Removed, object)),
        (Some(before), Some(after)) if before == after => None,
        (Some(before), Some(after)) => changed(before, after),
    }
}

/// An event about an object.
pub fn event(change: ChangeType, object: &InventoryObject) -> ClusterEvent {
    ClusterEvent {
        changes: vec![change.into()],
        object: Some(object.clone()),
        ..ClusterEvent::default()
    }
}

fn changed(before: &InventoryObject, after: &InventoryObject) -> Option<ClusterEvent> {
    let changed_fields = changed_fields(before, after);
    if changed_fields.is_empty() {
        return None;
    }
    let (was, is) = (Common::of(before)?, Common::of(after)?);
    let mut event = ClusterEvent {
        object: Some(after.clone()),
        ..ClusterEvent::default()
    };
    if was.native_state != is.native_state {
        event.changes.push(ChangeType::State.into());
        event.native_state_before = was.native_state;
    }
    if was.owner != is.owner {
        event.changes.push(ChangeType::Owner.into());
        event.owner_before = was.owner.unwrap_or_default().into();
    }
    if was.name != is.name {
        event.changes.push(ChangeType::Name.into());
        event.name_before = was.name.into();
    }
    if was.group != is.group || changed_fields.iter().any(|field| field == "group_id") {
        event.changes.push(ChangeType::Group.into());
        event.group_before = was.group.unwrap_or_default().into();
    }
    if changed_fields.iter().any(|field| field.starts_with("connection")) {
        event.changes.push(ChangeType::Connection.into());
    }
    if changed_fields.iter().any(|field| !TOLD_APART.contains(&field.as_str())) {
        event.changes.push(ChangeType::Properties.into());
    }
    event.changed_fields = changed_fields;
    Some(event)
}

/// The descriptor of an object of the inventory. It is part of the build, so it is there.
static OBJECT: LazyLock<Option<MessageDescriptor>> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(wsfc_proto::FILE_DESCRIPTOR_SET).ok()?;
    pool.get_message_by_name(&InventoryObject::full_name())
});

/// The names of the fields in which two objects of one kind differ, in the order of their definition, `revision` left
/// out.
fn changed_fields(before: &InventoryObject, after: &InventoryObject) -> Vec<String> {
    let (Some(before), Some(after)) = (reflect(before), reflect(after)) else {
        return Vec::new();
    };
    let descriptor = after.descriptor();
    descriptor
        .fields()
        .filter(|field| field.name() != "revision")
        .filter(|field| before.get_field(field) != after.get_field(field))
        .map(|field| field.name().to_owned())
        .collect()
}

/// The message of the object's kind, by its fields.
fn reflect(object: &InventoryObject) -> Option<DynamicMessage> {
    let whole = DynamicMessage::decode(OBJECT.clone()?, object.encode_to_vec().as_slice()).ok()?;
    whole.fields().find_map(|(_, value)| match value {
        Value::Message(message) => Some(message.clone()),
        _ => None,
    })
}
