//! Enumerations by name, and by name and id.

use core::ffi::c_void;
use std::sync::Arc;

use wsfc_clusapi::sys::types::{CLUSTER_ENUM_ITEM, HCLUSTER, HGROUP, HNETWORK, HNODE, HRESOURCE, PCWSTR, PWSTR};

use super::super::{Answer, cluster_of, code, group_of, handle, network_of, node_of, required, resource_of};
use super::{contents, count, listed, next_item, next_name};
use crate::handles::{self, Enumeration, Item, Object};
use crate::memory;
use crate::simulation::{Inner, State};

/// Takes the snapshot and makes the handle.
fn open(world: &Arc<Inner>, kind: Enumeration, contents: impl FnOnce(&State) -> Answer<Vec<Item>>) -> Answer<isize> {
    let items = contents(&world.lock())?;
    Ok(handles::open(world, Object::Enumeration(kind, items.into())))
}

/// The functions that every kind of enumeration has.
macro_rules! enumeration {
    ($module:ident, $kind:ident { $($more:tt)* }) => {
        pub(in super::super) mod $module {
            use super::*;

            const KIND: Enumeration = Enumeration::$kind;

            pub(in super::super::super) unsafe extern "system" fn close(enumeration: isize) -> u32 {
                code(|| {
                    handles::close(enumeration, |object| matches!(object, Object::Enumeration(KIND, _)))
                })
            }

            $($more)*
        }
    };
}

/// The count.
macro_rules! counted {
    () => {
        pub(in super::super::super) unsafe extern "system" fn get_count(enumeration: isize) -> u32 {
            count(listed(enumeration, KIND).map(|items| items.len()))
        }
    };
}

/// The next name with its kind.
macro_rules! kinds_and_names {
    () => {
        pub(in super::super::super) unsafe extern "system" fn next(
            enumeration: isize,
            index: u32,
            kind: *mut u32,
            name: PWSTR,
            name_units: *mut u32,
        ) -> u32 {
            // SAFETY: The caller keeps the function's contract.
            code(|| unsafe { next_name(&listed(enumeration, KIND)?, index, kind, name, name_units) })
        }
    };
}

/// The next name alone.
macro_rules! names_only {
    () => {
        pub(in super::super::super) unsafe extern "system" fn next(
            enumeration: isize,
            index: u32,
            name: PWSTR,
            name_units: *mut u32,
        ) -> u32 {
            let kind = std::ptr::null_mut();
            // SAFETY: The caller keeps the function's contract; the kind is not wanted.
            code(|| unsafe { next_name(&listed(enumeration, KIND)?, index, kind, name, name_units) })
        }
    };
}

/// The next item with its id.
macro_rules! ids_and_names {
    () => {
        pub(in super::super::super) unsafe extern "system" fn next_ex(
            enumeration: isize,
            index: u32,
            item: *mut CLUSTER_ENUM_ITEM,
            size: *mut u32,
        ) -> u32 {
            // SAFETY: The caller keeps the function's contract.
            code(|| unsafe { next_item(&listed(enumeration, KIND)?, index, item, size) })
        }
    };
}

/// The open function of an enumeration of what belongs to an object.
macro_rules! opened {
    ($function:ident($parent:ident: $type:ty $(, $option:ident: $option_type:ty)?), $name:literal, $resolve:ident, $contents:ident) => {
        pub(in super::super::super) unsafe extern "system" fn $function(
            $parent: $type,
            kinds: u32
            $(, $option: $option_type)?
        ) -> isize {
            handle(|| {
                let (world, cluster, id) = $resolve($parent, $name)?;
                open(&world, KIND, |state| contents::$contents(state.serving(&cluster)?, id_of(&id), kinds))
            })
        }
    };
}

enumeration!(cluster, Cluster {
    fn open_kinds(cluster: HCLUSTER, kinds: u32, call: &'static str) -> Answer<isize> {
        let (world, id) = cluster_of(cluster, call)?;
        open(&world, KIND, |state| contents::of_cluster(state.serving(&id)?, kinds))
    }

    pub(in super::super::super) unsafe extern "system" fn open_names(cluster: HCLUSTER, kinds: u32) -> isize {
        handle(|| open_kinds(cluster, kinds, "ClusterOpenEnum"))
    }

    pub(in super::super::super) unsafe extern "system" fn open_ex(
        cluster: HCLUSTER,
        kinds: u32,
        _options: *const c_void,
    ) -> isize {
        handle(|| open_kinds(cluster, kinds, "ClusterOpenEnumEx"))
    }

    counted!();
    kinds_and_names!();
    ids_and_names!();
});

enumeration!(node, Node {
    fn id_of(id: &u32) -> u32 {
        *id
    }

    opened!(open_names(node: HNODE), "ClusterNodeOpenEnum", node_of, of_node);
    opened!(open_ex(node: HNODE, _options: *const c_void), "ClusterNodeOpenEnumEx", node_of, of_node);
    counted!();
    kinds_and_names!();
    ids_and_names!();
});

enumeration!(group, Group {
    use String as Id;

    fn id_of(id: &Id) -> &str {
        id
    }

    opened!(open_names(group: HGROUP), "ClusterGroupOpenEnum", group_of, of_group);
    counted!();
    kinds_and_names!();
});

enumeration!(resource, Resource {
    use String as Id;

    fn id_of(id: &Id) -> &str {
        id
    }

    opened!(open_names(resource: HRESOURCE), "ClusterResourceOpenEnum", resource_of, of_resource);
    counted!();
    kinds_and_names!();
});

enumeration!(network, Network {
    use String as Id;

    fn id_of(id: &Id) -> &str {
        id
    }

    opened!(open_names(network: HNETWORK), "ClusterNetworkOpenEnum", network_of, of_network);
    counted!();
    kinds_and_names!();
});

enumeration!(resource_type, ResourceType {
    pub(in super::super::super) unsafe extern "system" fn open_names(
        cluster: HCLUSTER,
        type_name: PCWSTR,
        kinds: u32,
    ) -> isize {
        handle(|| {
            let (world, id) = cluster_of(cluster, "ClusterResourceTypeOpenEnum")?;
            // SAFETY: The caller passes NULL or a string.
            let name = unsafe { required(type_name)? };
            open(&world, KIND, |state| contents::of_resource_type(state.serving(&id)?, &name, kinds))
        })
    }

    counted!();
    kinds_and_names!();
});

enumeration!(interface, Interface {
    pub(in super::super::super) unsafe extern "system" fn open_names(
        cluster: HCLUSTER,
        node_name: PCWSTR,
        network_name: PCWSTR,
    ) -> isize {
        handle(|| {
            let (world, id) = cluster_of(cluster, "ClusterNetInterfaceOpenEnum")?;
            // SAFETY: The caller passes NULL or a string.
            let node = unsafe { memory::text(node_name) }.filter(|name| !name.is_empty());
            // SAFETY: The caller passes NULL or a string.
            let network = unsafe { memory::text(network_name) }.filter(|name| !name.is_empty());
            open(&world, KIND, |state| {
                let cluster = state.serving(&id)?;
                let node = node.map(|name| state.world.find_node(cluster, &name)).transpose()?;
                contents::of_interfaces(cluster, node, network.as_deref())
            })
        })
    }

    names_only!();
});

enumeration!(group_set, GroupSet {
    pub(in super::super::super) unsafe extern "system" fn open_names(cluster: HCLUSTER) -> isize {
        handle(|| {
            let (world, id) = cluster_of(cluster, "ClusterGroupSetOpenEnum")?;
            open(&world, KIND, |state| contents::of_group_sets(state.serving(&id)?))
        })
    }

    counted!();
    names_only!();
});
