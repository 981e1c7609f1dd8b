//! Groups.

use wsfc_clusapi::sys::constants::object_flags;
use wsfc_clusapi::{Controlled as _, Error, GroupItem};
use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, GroupType, InventoryObject};

use super::{Reader, id_or_name, told_or};
use crate::inventory::fields::{set_properties, set_state};

const WHAT: &str = "properties of a group";
const COMMON: [&str; 2] = ["Priority", "PersistentState"];
const READ_ONLY: [&str; 2] = ["GroupType", "StatusInformation"];

impl Reader {
    pub(super) fn groups(&mut self) -> Result<Vec<InventoryObject>, Error> {
        let items = self.cluster.group_items(&COMMON, &READ_ONLY);
        // An older Windows has no such enumeration, and one damaged item spoils it.
        if let Some(items) = self.optional("all groups at once", items)? {
            return Ok(items.into_iter().map(|item| self.group_of_item(item)).collect());
        }
        let mut groups = Vec::new();
        for group in self.cluster.groups()? {
            groups.extend(self.group(group.id.as_deref().unwrap_or_default(), &group.name)?);
        }
        Ok(groups)
    }

    fn group_of_item(&self, item: GroupItem) -> InventoryObject {
        let mut object = self.wrap(Object::Group(v1::Group {
            name: item.name,
            id: item.id,
            owner_node: item.owner_node,
            ..group(item.flags)
        }));
        set_state(&mut object, item.state.0);
        set_properties(&mut object, &item.properties);
        set_properties(&mut object, &item.read_only);
        object
    }

    pub(super) fn group(&mut self, id: &str, name: &str) -> Result<Option<InventoryObject>, Error> {
        let opened = self.cluster.open_group(id_or_name(id, name));
        let Some(opened) = self.optional("a group", opened)? else {
            return Ok(None);
        };
        // A group that has no state is about to go.
        let Some((state, owner_node)) = self.optional("state of a group", opened.state())? else {
            return Ok(None);
        };
        let flags = self.optional("flags of a group", opened.flags())?;
        let name = told_or(self.optional("name of a group", opened.told_name())?, name);
        let id = told_or(self.optional("id of a group", opened.told_id())?, id);
        let mut object = self.wrap(Object::Group(v1::Group {
            name,
            id,
            owner_node,
            ..group(flags.unwrap_or_default())
        }));
        set_state(&mut object, state.0);
        self.fill(&mut object, WHAT, &opened)?;
        Ok(Some(object))
    }
}

/// A group of which nothing but its flags is known. One that tells no type has none (facts 2.2).
fn group(flags: u32) -> v1::Group {
    v1::Group {
        flags,
        core: flags & object_flags::CORE != 0,
        r#type: GroupType::Unknown.into(),
        ..v1::Group::default()
    }
}
