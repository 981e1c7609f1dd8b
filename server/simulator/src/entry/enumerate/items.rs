//! Enumerations of groups and resources with states and chosen properties (facts 2.1): the way to read thousands at
//! once, so nothing that was not asked for is looked at.

use std::sync::Arc;

use wsfc_clusapi::sys::constants::CLUSTER_ENUM_ITEM_VERSION_1;
use wsfc_clusapi::sys::types::{
    CLUSTER_GROUP_ENUM_ITEM, CLUSTER_RESOURCE_ENUM_ITEM, HCLUSTER, HGROUPENUMEX, HRESENUMEX, PCWSTR,
};

use super::super::{Answer, cluster_of, code, handle, objects};
use super::{Tail, at, check_item, count};
use crate::fault::Damage;
use crate::handles::{self, GroupItem, Lists, Object, ResourceItem};
use crate::memory;
use crate::proplist;
use crate::simulation::State;
use crate::win32::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER};
use crate::world::cluster::Cluster;
use crate::world::properties::{Class, Definition, Found};

/// The names that a caller has asked for, in both classes.
struct Wanted {
    common: Vec<String>,
    read_only: Vec<String>,
}

/// Reads a MULTI_SZ of property names.
///
/// # Safety
///
/// `names` must be NULL or readable for `bytes`.
unsafe fn names(names: PCWSTR, bytes: u32) -> Answer<Vec<String>> {
    if names.is_null() {
        return Ok(Vec::new());
    }
    let bytes = usize::try_from(bytes).map_err(|_| ERROR_INVALID_PARAMETER)?;
    // SAFETY: The caller's promise.
    let list = unsafe { memory::read_bytes(names.cast(), bytes) };
    Ok(proplist::read_multi(&list))
}

/// The well-known properties of a class that are wanted. Unknown names are not regarded.
fn chosen(found: Found<'_>, class: Class, wanted: &[String]) -> Vec<&'static Definition> {
    let known = found.definitions(class).iter();
    known
        .filter(|known| wanted.iter().any(|wanted| known.is(wanted)))
        .collect()
}

/// The wanted properties of the objects of one kind, whose names are looked up once, at the first object.
struct Chooser<'wanted> {
    wanted: &'wanted Wanted,
    definitions: Option<[Vec<&'static Definition>; 2]>,
}

impl<'wanted> Chooser<'wanted> {
    fn new(wanted: &'wanted Wanted) -> Self {
        Self {
            wanted,
            definitions: None,
        }
    }

    /// The two lists of an object; without any wish there is no list.
    fn lists(&mut self, state: &State, cluster: &Cluster, found: Found<'_>) -> Lists {
        let wanted = self.wanted;
        let [common, read_only] = self.definitions.get_or_insert_with(|| {
            [
                chosen(found, Class::Common, &wanted.common),
                chosen(found, Class::ReadOnlyCommon, &wanted.read_only),
            ]
        });
        let list = |class, wanted: &[String], definitions: &[&'static Definition]| {
            if wanted.is_empty() {
                Vec::new()
            } else {
                proplist::write(&state.world.chosen(cluster, found, class, definitions))
            }
        };
        Lists {
            properties: list(Class::Common, &wanted.common, common),
            ro_properties: list(Class::ReadOnlyCommon, &wanted.read_only, read_only),
            wild: false,
        }
    }
}

impl Lists {
    fn damage(&mut self, damage: Damage) {
        damage.apply(&mut self.properties);
        damage.apply(&mut self.ro_properties);
        self.wild = damage == Damage::WildLengths;
    }
}

fn groups(state: &State, cluster: &str, wanted: &Wanted) -> Answer<Vec<GroupItem>> {
    let cluster = state.serving(cluster)?;
    let mut chooser = Chooser::new(wanted);
    let items = cluster.groups.iter().map(|group| GroupItem {
        id: group.id.clone(),
        name: group.name.clone(),
        state: cluster.group_state(group),
        owner: objects::owner_name(cluster, group),
        flags: objects::group_flags(group),
        lists: chooser.lists(state, cluster, Found::Group(group)),
    });
    Ok(items.collect())
}

fn resources(state: &State, cluster: &str, wanted: &Wanted) -> Answer<Vec<ResourceItem>> {
    let cluster = state.serving(cluster)?;
    let mut chooser = Chooser::new(wanted);
    let items = cluster.resources.iter().map(|resource| ResourceItem {
        id: resource.id.clone(),
        name: resource.name.clone(),
        group: cluster
            .group(&resource.group)
            .map(|group| group.name.clone())
            .unwrap_or_default(),
        group_id: resource.group.clone(),
        lists: chooser.lists(state, cluster, Found::Resource(resource)),
    });
    Ok(items.collect())
}

/// The functions of one of the two kinds.
macro_rules! with_properties {
    (
        $module:ident, $handle:ty, $open_name:literal, $object:ident, $items:ident, $item:ident,
        $damage:expr, $struct:ident, |$tail:ident, $own:ident| $value:expr
    ) => {
        pub(in super::super) mod $module {
            use super::*;

            pub(in super::super::super) unsafe extern "system" fn open(
                cluster: HCLUSTER,
                properties: PCWSTR,
                properties_bytes: u32,
                ro_properties: PCWSTR,
                ro_properties_bytes: u32,
                flags: u32,
            ) -> $handle {
                handle(|| {
                    let (world, id) = cluster_of(cluster, $open_name)?;
                    if flags != 0 {
                        return Err(ERROR_INVALID_PARAMETER);
                    }
                    // SAFETY: The caller passes NULL or a list of that size.
                    let common = unsafe { names(properties, properties_bytes)? };
                    // SAFETY: The caller passes NULL or a list of that size.
                    let read_only = unsafe { names(ro_properties, ro_properties_bytes)? };
                    let wanted = Wanted { common, read_only };
                    let mut state = world.lock();
                    let mut items = $items(&state, &id, &wanted)?;
                    if let Some(damage) = state.world.faults.damage($open_name) {
                        let damage_item: fn(&mut $item, Damage) = $damage;
                        items.iter_mut().for_each(|item| damage_item(item, damage));
                    }
                    drop(state);
                    Ok(handles::open(&world, Object::$object(items.into())))
                })
            }

            fn listed(handle: isize) -> Answer<Arc<[$item]>> {
                match handles::get(handle)?.1 {
                    Object::$object(items) => Ok(items),
                    _ => Err(ERROR_INVALID_HANDLE),
                }
            }

            pub(in super::super::super) unsafe extern "system" fn get_count(enumeration: $handle) -> u32 {
                count(listed(enumeration).map(|items| items.len()))
            }

            pub(in super::super::super) unsafe extern "system" fn next(
                enumeration: $handle,
                index: u32,
                out: *mut $struct,
                size: *mut u32,
            ) -> u32 {
                code(|| {
                    let items = listed(enumeration)?;
                    let $own = at(&items, index)?;
                    // SAFETY: The caller passes a buffer with its size.
                    unsafe { check_item(out, size)? };
                    let mut $tail = Tail::new(out);
                    $tail.wild = $own.lists.wild;
                    let value = $value;
                    // SAFETY: The size was checked not to be NULL, and the item has that many bytes.
                    unsafe { $tail.put(out, value, size) }
                })
            }

            pub(in super::super::super) unsafe extern "system" fn close(enumeration: $handle) -> u32 {
                code(|| handles::close(enumeration, |object| matches!(object, Object::$object(_))))
            }
        }
    };
}

with_properties!(
    group_items,
    HGROUPENUMEX,
    "ClusterGroupOpenEnumEx",
    GroupItems,
    groups,
    GroupItem,
    |item, damage| {
        if damage == Damage::UnknownStates {
            item.state = Damage::UNKNOWN_STATE;
        }
        item.lists.damage(damage);
    },
    CLUSTER_GROUP_ENUM_ITEM,
    |tail, own| {
        let (id_bytes, id) = tail.text(&own.id);
        let (name_bytes, name) = tail.text(&own.name);
        let (owner_bytes, owner) = tail.text(&own.owner);
        let (properties_bytes, properties) = tail.add(&own.lists.properties);
        let (ro_bytes, ro_properties) = tail.add(&own.lists.ro_properties);
        CLUSTER_GROUP_ENUM_ITEM {
            dwVersion: CLUSTER_ENUM_ITEM_VERSION_1,
            cbId: id_bytes,
            lpszId: id,
            cbName: name_bytes,
            lpszName: name,
            state: own.state,
            cbOwnerNode: owner_bytes,
            lpszOwnerNode: owner,
            dwFlags: own.flags,
            cbProperties: properties_bytes,
            pProperties: properties,
            cbRoProperties: ro_bytes,
            pRoProperties: ro_properties,
        }
    }
);

with_properties!(
    resource_items,
    HRESENUMEX,
    "ClusterResourceOpenEnumEx",
    ResourceItems,
    resources,
    ResourceItem,
    |item, damage| item.lists.damage(damage),
    CLUSTER_RESOURCE_ENUM_ITEM,
    |tail, own| {
        let (id_bytes, id) = tail.text(&own.id);
        let (name_bytes, name) = tail.text(&own.name);
        let (group_bytes, group) = tail.text(&own.group);
        let (group_id_bytes, group_id) = tail.text(&own.group_id);
        let (properties_bytes, properties) = tail.add(&own.lists.properties);
        let (ro_bytes, ro_properties) = tail.add(&own.lists.ro_properties);
        CLUSTER_RESOURCE_ENUM_ITEM {
            dwVersion: CLUSTER_ENUM_ITEM_VERSION_1,
            cbId: id_bytes,
            lpszId: id,
            cbName: name_bytes,
            lpszName: name,
            cbOwnerGroupName: group_bytes,
            lpszOwnerGroupName: group,
            cbOwnerGroupId: group_id_bytes,
            lpszOwnerGroupId: group_id,
            cbProperties: properties_bytes,
            pProperties: properties,
            cbRoProperties: ro_bytes,
            pRoProperties: ro_properties,
        }
    }
);
