//! Enumerations: a snapshot at the open call, 234 for too little room, 259 at the end (facts 2.1).

use core::ffi::c_void;
use std::sync::Arc;

use wsfc_clusapi::sys::constants::{CLUSTER_ENUM_ITEM_VERSION_1, cluster_enum, group_type, node_enum};
use wsfc_clusapi::sys::types::{
    CLUSTER_ENUM_ITEM, CLUSTER_GROUP_ENUM_ITEM, HCLUSENUM, HCLUSTER, HGROUPENUMEX, HNODE, HNODEENUM, PCWSTR, PWSTR,
};

use super::{Answer, cluster_of, code, handle, node_of, objects, put_text};
use crate::handles::{self, GroupItem, Item, Object};
use crate::memory;
use crate::proplist;
use crate::simulation::State;
use crate::win32::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_MORE_DATA, ERROR_NO_MORE_ITEMS};
use crate::world::cluster::Cluster;
use crate::world::properties::{Owner, Property};

/// What a cluster enumeration can be asked for together.
const CLUSTER_KINDS: u32 = cluster_enum::EVERYTHING
    | cluster_enum::CAPACITY_NODE
    | cluster_enum::SHARED_VOLUME_GROUP
    | cluster_enum::SHARED_VOLUME_RESOURCE;
const NODE_KINDS: u32 = node_enum::NETWORK_INTERFACES | node_enum::GROUPS | node_enum::PREFERRED_GROUPS;

/// 87 for a mask without bits or with unknown ones (facts 2.1).
fn check_kinds(kinds: u32, known: u32) -> Answer<()> {
    if kinds == 0 || kinds & !known != 0 {
        Err(ERROR_INVALID_PARAMETER)
    } else {
        Ok(())
    }
}

fn item(kind: u32, id: impl Into<String>, name: &str) -> Item {
    Item {
        kind,
        id: id.into(),
        name: name.into(),
    }
}

/// The objects of a cluster, kind by kind, each in the order of its making.
fn cluster_items(cluster: &Cluster, kinds: u32) -> Vec<Item> {
    let mut items = Vec::new();
    let wanted = |kind: u32| kinds & kind != 0;
    if wanted(cluster_enum::NODE) {
        items.extend(
            cluster
                .nodes
                .iter()
                .map(|node| item(cluster_enum::NODE, node.id.to_string(), &node.name)),
        );
    }
    if wanted(cluster_enum::RESOURCE_TYPE) {
        // A type has no id but its name.
        items.extend(
            cluster
                .resource_types
                .iter()
                .map(|name| item(cluster_enum::RESOURCE_TYPE, name, name)),
        );
    }
    if wanted(cluster_enum::RESOURCE) {
        let resources = cluster.resources.iter();
        items.extend(resources.map(|resource| item(cluster_enum::RESOURCE, &resource.id, &resource.name)));
    }
    if wanted(cluster_enum::GROUP) {
        items.extend(
            cluster
                .groups
                .iter()
                .map(|group| item(cluster_enum::GROUP, &group.id, &group.name)),
        );
    }
    for kind in [cluster_enum::NETWORK, cluster_enum::INTERNAL_NETWORK] {
        if wanted(kind) {
            items.extend(
                cluster
                    .networks
                    .iter()
                    .map(|network| item(kind, &network.id, &network.name)),
            );
        }
    }
    if wanted(cluster_enum::NETWORK_INTERFACE) {
        let interfaces = cluster.networks.iter().flat_map(|network| &network.interfaces);
        items.extend(interfaces.map(|own| item(cluster_enum::NETWORK_INTERFACE, &own.id, &own.name)));
    }
    if wanted(cluster_enum::SHARED_VOLUME_GROUP) {
        let groups = cluster
            .groups
            .iter()
            .filter(|group| group.group_type == group_type::SHARED_VOLUME);
        items.extend(groups.map(|group| item(cluster_enum::SHARED_VOLUME_GROUP, &group.id, &group.name)));
    }
    items
}

/// The objects of a node. No group has preferred owners in this world yet.
fn node_items(cluster: &Cluster, node: u32, kinds: u32) -> Vec<Item> {
    let mut items = Vec::new();
    if kinds & node_enum::NETWORK_INTERFACES != 0 {
        let interfaces = cluster.networks.iter().flat_map(|network| &network.interfaces);
        let own = interfaces.filter(|interface| interface.node == node);
        items.extend(own.map(|own| item(node_enum::NETWORK_INTERFACES, &own.id, &own.name)));
    }
    if kinds & node_enum::GROUPS != 0 {
        let own = cluster.groups.iter().filter(|group| group.owner == node);
        items.extend(own.map(|group| item(node_enum::GROUPS, &group.id, &group.name)));
    }
    items
}

fn open_cluster_enum(cluster: HCLUSTER, kinds: u32, call: &'static str) -> Answer<isize> {
    let (world, id) = cluster_of(cluster, call)?;
    // Internal networks can only be asked for alone (facts 2.1).
    if kinds != cluster_enum::INTERNAL_NETWORK {
        check_kinds(kinds, CLUSTER_KINDS)?;
    }
    let items = cluster_items(world.lock().serving(&id)?, kinds);
    Ok(handles::open(&world, Object::ClusterEnum(items.into())))
}

fn open_node_enum(node: HNODE, kinds: u32, call: &'static str) -> Answer<isize> {
    let (world, cluster, id) = node_of(node, call)?;
    check_kinds(kinds, NODE_KINDS)?;
    let items = node_items(world.lock().serving(&cluster)?, id, kinds);
    Ok(handles::open(&world, Object::NodeEnum(items.into())))
}

/// The items of an enumeration handle of either kind.
fn items(handle: isize, of_node: bool) -> Answer<Arc<[Item]>> {
    match handles::get(handle)?.1 {
        Object::ClusterEnum(items) if !of_node => Ok(items),
        Object::NodeEnum(items) if of_node => Ok(items),
        _ => Err(ERROR_INVALID_HANDLE),
    }
}

/// A count has no room for an error: 0 and the last error say it.
fn count(items: Answer<usize>) -> u32 {
    let count = handle(|| items.and_then(|count| isize::try_from(count).map_err(|_| ERROR_INVALID_HANDLE)));
    u32::try_from(count).unwrap_or(0)
}

fn at<T>(items: &[T], index: u32) -> Answer<&T> {
    usize::try_from(index)
        .ok()
        .and_then(|index| items.get(index))
        .ok_or(ERROR_NO_MORE_ITEMS)
}

unsafe fn next_name(items: &[Item], index: u32, kind: *mut u32, name: PWSTR, units: *mut u32) -> Answer<()> {
    let item = at(items, index)?;
    // SAFETY: The caller passes NULL or a place for a DWORD.
    unsafe { memory::write(kind, item.kind) };
    // SAFETY: The caller passes a buffer with its count.
    unsafe { put_text(&item.name, name, units) }
}

/// Lays strings and lists out behind a struct: their places in the caller's buffer.
struct Tail {
    base: *mut u8,
    bytes: Vec<u8>,
    head: usize,
}

impl Tail {
    fn new<T>(item: *mut T) -> Self {
        Self {
            base: item.cast(),
            bytes: Vec::new(),
            head: size_of::<T>(),
        }
    }

    /// Appends bytes, aligned to 4: their size and place.
    fn add<P>(&mut self, bytes: &[u8]) -> (u32, *mut P) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let place = self.base.wrapping_add(self.head + self.bytes.len());
        self.bytes.extend(bytes);
        (u32::try_from(bytes.len()).unwrap_or(u32::MAX), place.cast())
    }

    /// Writes struct and tail when the buffer has room for both; 234 with the need otherwise.
    unsafe fn put<T: Copy>(self, item: *mut T, value: T, size: *mut u32) -> Answer<()> {
        let need = u32::try_from(self.head + self.bytes.len()).unwrap_or(u32::MAX);
        // SAFETY: The caller has checked that the size is not NULL.
        let room = unsafe { memory::read(size) };
        // SAFETY: The same.
        unsafe { memory::write(size, need) };
        if room < need {
            return Err(ERROR_MORE_DATA);
        }
        // SAFETY: The buffer has room for the struct.
        unsafe { memory::write(item, value) };
        // SAFETY: The buffer has room for the tail behind the struct.
        unsafe { memory::write_bytes(self.base.wrapping_add(self.head), &self.bytes) };
        Ok(())
    }
}

/// Checks an item and its size, and reads the version, which comes first.
unsafe fn check_item<T>(item: *mut T, size: *mut u32) -> Answer<()> {
    if item.is_null() || size.is_null() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    // SAFETY: The size is not NULL.
    if unsafe { memory::read(size) } < 4 {
        return Ok(());
    }
    // SAFETY: The buffer has room for the version.
    if unsafe { memory::read(item.cast::<u32>()) } == CLUSTER_ENUM_ITEM_VERSION_1 {
        Ok(())
    } else {
        Err(ERROR_INVALID_PARAMETER)
    }
}

unsafe fn next_item(items: &[Item], index: u32, out: *mut CLUSTER_ENUM_ITEM, size: *mut u32) -> Answer<()> {
    let item = at(items, index)?;
    // SAFETY: The caller passes a buffer with its size.
    unsafe { check_item(out, size)? };
    let mut tail = Tail::new(out);
    let (id_bytes, id) = tail.add(&proplist::text(&item.id));
    let (name_bytes, name) = tail.add(&proplist::text(&item.name));
    let value = CLUSTER_ENUM_ITEM {
        dwVersion: CLUSTER_ENUM_ITEM_VERSION_1,
        dwType: item.kind,
        cbId: id_bytes,
        lpszId: id,
        cbName: name_bytes,
        lpszName: name,
    };
    // SAFETY: The size was checked not to be NULL, and the item has that many bytes.
    unsafe { tail.put(out, value, size) }
}

/// The eight functions of one kind of enumeration, in both flavours.
macro_rules! enumeration {
    ($module:ident, $of_node:literal, $open:ident, $parent:ty, $name:literal, $name_ex:literal, $kind:pat) => {
        pub(super) mod $module {
            use super::*;

            pub(in super::super) unsafe extern "system" fn open(parent: $parent, kinds: u32) -> HCLUSENUM {
                handle(|| $open(parent, kinds, $name))
            }

            pub(in super::super) unsafe extern "system" fn open_ex(
                parent: $parent,
                kinds: u32,
                _options: *const c_void,
            ) -> HCLUSENUM {
                handle(|| $open(parent, kinds, $name_ex))
            }

            pub(in super::super) unsafe extern "system" fn get_count(enumeration: HNODEENUM) -> u32 {
                count(items(enumeration, $of_node).map(|items| items.len()))
            }

            pub(in super::super) unsafe extern "system" fn next(
                enumeration: HNODEENUM,
                index: u32,
                kind: *mut u32,
                name: PWSTR,
                name_units: *mut u32,
            ) -> u32 {
                // SAFETY: The caller keeps the function's contract.
                code(|| unsafe { next_name(&items(enumeration, $of_node)?, index, kind, name, name_units) })
            }

            pub(in super::super) unsafe extern "system" fn next_ex(
                enumeration: HNODEENUM,
                index: u32,
                item: *mut CLUSTER_ENUM_ITEM,
                size: *mut u32,
            ) -> u32 {
                // SAFETY: The caller keeps the function's contract.
                code(|| unsafe { next_item(&items(enumeration, $of_node)?, index, item, size) })
            }

            pub(in super::super) unsafe extern "system" fn close(enumeration: HNODEENUM) -> u32 {
                code(|| handles::close(enumeration, |object| matches!(object, $kind)))
            }
        }
    };
}

enumeration!(
    cluster,
    false,
    open_cluster_enum,
    HCLUSTER,
    "ClusterOpenEnum",
    "ClusterOpenEnumEx",
    Object::ClusterEnum(_)
);
enumeration!(
    node,
    true,
    open_node_enum,
    HNODE,
    "ClusterNodeOpenEnum",
    "ClusterNodeOpenEnumEx",
    Object::NodeEnum(_)
);

/// Reads a MULTI_SZ of property names.
///
/// # Safety
///
/// `names` must be NULL or readable for `bytes`.
unsafe fn wanted(names: PCWSTR, bytes: u32) -> Answer<Vec<String>> {
    if names.is_null() {
        return Ok(Vec::new());
    }
    let bytes = usize::try_from(bytes).map_err(|_| ERROR_INVALID_PARAMETER)?;
    // SAFETY: The caller's promise.
    let list = unsafe { memory::read_bytes(names.cast(), bytes) };
    Ok(proplist::read_multi(&list))
}

/// The properties that are wanted, as a list; without any wish there is no list.
fn choose(mut properties: Vec<Property>, wanted: &[String]) -> Vec<u8> {
    properties.retain(|(name, _)| wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)));
    if wanted.is_empty() {
        Vec::new()
    } else {
        proplist::write(&properties)
    }
}

fn group_items(state: &State, cluster: &str, common: &[String], read_only: &[String]) -> Answer<Vec<GroupItem>> {
    let cluster = state.serving(cluster)?;
    let items = cluster.groups.iter().map(|group| {
        let owner = Owner::Group(group.id.clone());
        Ok(GroupItem {
            id: group.id.clone(),
            name: group.name.clone(),
            state: cluster.group_state(group),
            owner: objects::owner_name(cluster, group),
            flags: objects::group_flags(group),
            properties: choose(state.world.common(cluster, &owner)?, common),
            ro_properties: choose(state.world.ro_common(cluster, &owner)?, read_only),
        })
    });
    items.collect()
}

pub(super) unsafe extern "system" fn open_groups(
    cluster: HCLUSTER,
    properties: PCWSTR,
    properties_bytes: u32,
    ro_properties: PCWSTR,
    ro_properties_bytes: u32,
    flags: u32,
) -> HGROUPENUMEX {
    handle(|| {
        let (world, id) = cluster_of(cluster, "ClusterGroupOpenEnumEx")?;
        if flags != 0 {
            return Err(ERROR_INVALID_PARAMETER);
        }
        // SAFETY: The caller passes NULL or a list of that size.
        let common = unsafe { wanted(properties, properties_bytes)? };
        // SAFETY: The caller passes NULL or a list of that size.
        let read_only = unsafe { wanted(ro_properties, ro_properties_bytes)? };
        let items = group_items(&world.lock(), &id, &common, &read_only)?;
        Ok(handles::open(&world, Object::GroupEnum(items.into())))
    })
}

fn groups(handle: HGROUPENUMEX) -> Answer<Arc<[GroupItem]>> {
    match handles::get(handle)?.1 {
        Object::GroupEnum(items) => Ok(items),
        _ => Err(ERROR_INVALID_HANDLE),
    }
}

pub(super) unsafe extern "system" fn count_groups(enumeration: HGROUPENUMEX) -> u32 {
    count(groups(enumeration).map(|items| items.len()))
}

pub(super) unsafe extern "system" fn next_group(
    enumeration: HGROUPENUMEX,
    index: u32,
    out: *mut CLUSTER_GROUP_ENUM_ITEM,
    size: *mut u32,
) -> u32 {
    code(|| {
        let items = groups(enumeration)?;
        let item = at(&items, index)?;
        // SAFETY: The caller passes a buffer with its size.
        unsafe { check_item(out, size)? };
        let mut tail = Tail::new(out);
        let (id_bytes, id) = tail.add(&proplist::text(&item.id));
        let (name_bytes, name) = tail.add(&proplist::text(&item.name));
        let (owner_bytes, owner) = tail.add(&proplist::text(&item.owner));
        let (properties_bytes, properties) = tail.add(&item.properties);
        let (ro_bytes, ro_properties) = tail.add(&item.ro_properties);
        let value = CLUSTER_GROUP_ENUM_ITEM {
            dwVersion: CLUSTER_ENUM_ITEM_VERSION_1,
            cbId: id_bytes,
            lpszId: id,
            cbName: name_bytes,
            lpszName: name,
            state: item.state,
            cbOwnerNode: owner_bytes,
            lpszOwnerNode: owner,
            dwFlags: item.flags,
            cbProperties: properties_bytes,
            pProperties: properties,
            cbRoProperties: ro_bytes,
            pRoProperties: ro_properties,
        };
        // SAFETY: The size was checked not to be NULL, and the item has that many bytes.
        unsafe { tail.put(out, value, size) }
    })
}

pub(super) unsafe extern "system" fn close_groups(enumeration: HGROUPENUMEX) -> u32 {
    code(|| handles::close(enumeration, |object| matches!(object, Object::GroupEnum(_))))
}
