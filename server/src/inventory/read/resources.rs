//! Resources and resource types.

use std::collections::HashSet;

use wsfc_clusapi::{Controlled as _, Error, GroupState, ResourceItem, ResourceState};
use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, GroupType, InventoryObject, ObjectKind};

use super::{Model, Reader, id_or_name, told_or};
use crate::inventory::fields::{UNKNOWN_STATE, set_properties, set_state};
use crate::journal::Common;

const WHAT: &str = "properties of a resource";
/// Guess: a server may count the type among either.
const COMMON: [&str; 3] = ["Type", "SeparateMonitor", "PersistentState"];
const READ_ONLY: [&str; 3] = ["Type", "StatusInformation", "LastOperationStatusCode"];

impl Reader {
    pub(super) fn resources(&mut self, known: &Model) -> Result<Vec<InventoryObject>, Error> {
        let items = self.cluster.resource_items(&COMMON, &READ_ONLY);
        let mut resources = Vec::new();
        if let Some(items) = self.optional("all resources at once", items)? {
            for item in items {
                resources.extend(self.resource_of_item(known, item)?);
            }
            return Ok(resources);
        }
        for resource in self.cluster.resources()? {
            let id = resource.id.as_deref().unwrap_or_default();
            resources.extend(self.resource(known, id, &resource.name)?);
        }
        Ok(resources)
    }

    fn resource_of_item(&mut self, known: &Model, item: ResourceItem) -> Result<Option<InventoryObject>, Error> {
        let group = group_of(known, &item.owner_group_id, &item.owner_group);
        let state = match group.and_then(state_by_group) {
            Some(state) => state,
            None => {
                let opened = self.cluster.open_resource(id_or_name(&item.id, &item.name));
                let Some(opened) = self.optional("a resource", opened)? else {
                    return Ok(None);
                };
                let Some((state, ..)) = self.optional("state of a resource", opened.state())? else {
                    return Ok(None);
                };
                state
            }
        };
        let mut object = self.wrap(Object::Resource(v1::Resource {
            name: item.name,
            id: item.id,
            group: item.owner_group,
            group_id: item.owner_group_id,
            ..resource(group)
        }));
        set_state(&mut object, state.0);
        set_properties(&mut object, &item.properties);
        set_properties(&mut object, &item.read_only);
        Ok(Some(object))
    }

    pub(super) fn resource(&mut self, known: &Model, id: &str, name: &str) -> Result<Option<InventoryObject>, Error> {
        let opened = self.cluster.open_resource(id_or_name(id, name));
        let Some(opened) = self.optional("a resource", opened)? else {
            return Ok(None);
        };
        // A resource that has no state is about to go (facts 2.1).
        let Some((state, owner_node, group_name)) = self.optional("state of a resource", opened.state())? else {
            return Ok(None);
        };
        let name = told_or(self.optional("name of a resource", opened.told_name())?, name);
        let id = told_or(self.optional("id of a resource", opened.told_id())?, id);
        let type_name = self.optional("type of a resource", opened.type_name())?;
        let group = group_of(known, "", &group_name);
        let group_id = match group {
            Some(group) => group.id.clone(),
            None => self.group_id(&group_name)?,
        };
        let mut object = self.wrap(Object::Resource(v1::Resource {
            name,
            id,
            r#type: type_name.unwrap_or_default(),
            group: group_name,
            group_id,
            owner_node,
            ..resource(group)
        }));
        set_state(&mut object, state.0);
        self.fill(&mut object, WHAT, &opened)?;
        Ok(Some(object))
    }

    /// The id of a group that is too new to be known.
    fn group_id(&mut self, name: &str) -> Result<String, Error> {
        let opened = self.cluster.open_group(name);
        let id = match self.optional("a group", opened)? {
            Some(group) => self.optional("id of a group", group.told_id())?,
            None => None,
        };
        Ok(id.unwrap_or_default())
    }

    /// The resources of a group, also those that it has lost as far as they are known.
    pub(super) fn resources_of(&mut self, known: &Model, group: &str) -> Result<Vec<InventoryObject>, Error> {
        let opened = self.cluster.open_group(group);
        let names = match self.optional("a group", opened)? {
            Some(group) => self.optional("resources of a group", group.resources())?,
            None => None,
        };
        let mut names: HashSet<String> = names.unwrap_or_default().into_iter().collect();
        let mut resources = Vec::new();
        let group = known.find(ObjectKind::Group, group, group);
        for key in group.iter().flat_map(|group| known.resources_of(&group.id)) {
            if let Some(known) = known.get(&key).and_then(Common::of) {
                names.remove(known.name);
            }
            resources.extend(self.resource(known, &key.id, "")?);
        }
        for name in names {
            resources.extend(self.resource(known, "", &name)?);
        }
        Ok(resources)
    }

    pub(super) fn resource_types(&mut self) -> Result<Vec<InventoryObject>, Error> {
        let listed = self.cluster.resource_types();
        let mut types = Vec::new();
        for listed in self.optional("the resource types", listed)?.unwrap_or_default() {
            let resource_type = self.cluster.resource_type(&listed.name)?;
            let mut object = self.wrap(Object::ResourceType(v1::ResourceType {
                name: listed.name,
                ..v1::ResourceType::default()
            }));
            self.fill(&mut object, "properties of a resource type", &resource_type)?;
            types.push(object);
        }
        Ok(types)
    }
}

/// The group of a resource, as far as it is known.
fn group_of<'m>(known: &'m Model, id: &str, name: &str) -> Option<&'m v1::Group> {
    let key = known.find(ObjectKind::Group, id, name)?;
    match &known.get(&key)?.object {
        Some(Object::Group(group)) => Some(group),
        _ => None,
    }
}

/// The state that every resource of a group has, where the group's own state tells it: a group is online when all its
/// resources are, and offline when all are offline (facts 2.2). The enumeration tells no states, and to open each of
/// 30,000 resources takes a call or two each; nearly all of them are in groups that are one or the other.
fn state_by_group(group: &v1::Group) -> Option<ResourceState> {
    match GroupState(group.native_state) {
        GroupState::ONLINE => Some(ResourceState::ONLINE),
        GroupState::OFFLINE => Some(ResourceState::OFFLINE),
        _ => None,
    }
}

/// A resource of which nothing but its group is known. Guess: what is in the group of the cluster itself belongs to the
/// cluster; a resource's own flag would take a call for each.
fn resource(group: Option<&v1::Group>) -> v1::Resource {
    v1::Resource {
        native_state: UNKNOWN_STATE,
        owner_node: group.map(|group| group.owner_node.clone()).unwrap_or_default(),
        core: group.is_some_and(|group| group.r#type == i32::from(GroupType::CoreCluster)),
        ..v1::Resource::default()
    }
}
