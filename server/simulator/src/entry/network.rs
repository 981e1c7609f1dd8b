//! Networks and network interfaces (facts 2.6).

use wsfc_clusapi::sys::types::{
    BOOL, CLUSTER_NETINTERFACE_STATE, CLUSTER_NETWORK_STATE, HCLUSTER, HNETINTERFACE, HNETWORK, PCWSTR, PWSTR,
};

use super::{Answer, cluster_of, code, handle, interface_of, network_of, put_text, required, state, truth};
use crate::handles::{self, Object};
use crate::memory;
use crate::win32::{
    ERROR_CLUSTER_NETINTERFACE_NOT_FOUND, ERROR_CLUSTER_NETWORK_NOT_FOUND, ERROR_INVALID_HANDLE,
    ERROR_INVALID_PARAMETER,
};

pub(super) unsafe extern "system" fn open(cluster: HCLUSTER, name: PCWSTR) -> HNETWORK {
    handle(|| {
        let (world, cluster) = cluster_of(cluster, "OpenClusterNetwork")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(name)? };
        let id = world.lock().serving(&cluster)?.find_network(&name)?.id.clone();
        Ok(handles::open(&world, Object::Network { cluster, id }))
    })
}

pub(super) unsafe extern "system" fn close(network: HNETWORK) -> BOOL {
    truth(|| handles::close(network, |object| matches!(object, Object::Network { .. })))
}

pub(super) unsafe extern "system" fn get_state(network: HNETWORK) -> CLUSTER_NETWORK_STATE {
    state(|| {
        let (world, cluster, id) = network_of(network, "GetClusterNetworkState")?;
        let state = world.lock();
        let cluster = state.serving(&cluster)?;
        let network = cluster.network(&id).ok_or(ERROR_CLUSTER_NETWORK_NOT_FOUND)?;
        Ok(state.world.network_state(cluster, network))
    })
}

pub(super) unsafe extern "system" fn get_id(network: HNETWORK, id: PWSTR, id_units: *mut u32) -> u32 {
    code(|| {
        let (world, cluster, own) = network_of(network, "GetClusterNetworkId")?;
        world
            .lock()
            .serving(&cluster)?
            .network(&own)
            .ok_or(ERROR_CLUSTER_NETWORK_NOT_FOUND)?;
        // SAFETY: The caller passes a buffer with its count.
        unsafe { put_text(&own, id, id_units) }
    })
}

pub(super) unsafe extern "system" fn set_name(network: HNETWORK, name: PCWSTR) -> u32 {
    code(|| {
        let (world, cluster, id) = network_of(network, "SetClusterNetworkName")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(name)? };
        world.change(|state| {
            state.serving(&cluster)?;
            state.world.rename_network(&cluster, &id, &name)
        })
    })
}

/// The ids behind a list of network handles of a cluster.
unsafe fn listed(cluster: &str, count: u32, list: *const HNETWORK) -> Answer<Vec<String>> {
    if list.is_null() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    (0..count)
        .map(|position| {
            let place = list.wrapping_add(usize::try_from(position).map_err(|_| ERROR_INVALID_PARAMETER)?);
            // SAFETY: The caller passes as many handles as the count says.
            let network = unsafe { memory::read(place) };
            match handles::get(network)?.1 {
                Object::Network { cluster: own, id } if own == cluster => Ok(id),
                _ => Err(ERROR_INVALID_HANDLE),
            }
        })
        .collect()
}

pub(super) unsafe extern "system" fn set_order(cluster: HCLUSTER, count: u32, list: *const HNETWORK) -> u32 {
    code(|| {
        let (world, cluster) = cluster_of(cluster, "SetClusterNetworkPriorityOrder")?;
        // SAFETY: The caller passes a list of as many handles.
        let ids = unsafe { listed(&cluster, count, list)? };
        world.change(|state| {
            state.serving(&cluster)?;
            state.world.order_networks(&cluster, &ids)
        })
    })
}

pub(super) unsafe extern "system" fn open_interface(cluster: HCLUSTER, name: PCWSTR) -> HNETINTERFACE {
    handle(|| {
        let (world, cluster) = cluster_of(cluster, "OpenClusterNetInterface")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(name)? };
        let id = world.lock().serving(&cluster)?.find_interface(&name)?.id.clone();
        Ok(handles::open(&world, Object::Interface { cluster, id }))
    })
}

pub(super) unsafe extern "system" fn close_interface(interface: HNETINTERFACE) -> BOOL {
    truth(|| handles::close(interface, |object| matches!(object, Object::Interface { .. })))
}

pub(super) unsafe extern "system" fn interface_state(interface: HNETINTERFACE) -> CLUSTER_NETINTERFACE_STATE {
    state(|| {
        let (world, cluster, id) = interface_of(interface, "GetClusterNetInterfaceState")?;
        let state = world.lock();
        let cluster = state.serving(&cluster)?;
        let (network, interface) = cluster.interface(&id).ok_or(ERROR_CLUSTER_NETINTERFACE_NOT_FOUND)?;
        Ok(state.world.interface_state(cluster, network, interface))
    })
}

/// GetClusterNetInterface: the name of the interface of a node on a network.
pub(super) unsafe extern "system" fn interface_between(
    cluster: HCLUSTER,
    node_name: PCWSTR,
    network_name: PCWSTR,
    name: PWSTR,
    name_units: *mut u32,
) -> u32 {
    code(|| {
        let (world, cluster) = cluster_of(cluster, "GetClusterNetInterface")?;
        // SAFETY: The caller passes NULL or a string.
        let node = unsafe { required(node_name)? };
        // SAFETY: The caller passes NULL or a string.
        let network = unsafe { required(network_name)? };
        let found = {
            let state = world.lock();
            let cluster = state.serving(&cluster)?;
            let node = state.world.find_node(cluster, &node)?;
            cluster.interface_between(node, &network)?.name.clone()
        };
        // SAFETY: The caller passes a buffer with its count.
        unsafe { put_text(&found, name, name_units) }
    })
}
