//! Connections, and what is known of machines and clusters as a whole (facts 1.1, 1.2 and 2.1).

use std::sync::Arc;

use windows_sys::Win32::Foundation::ERROR_INVALID_COMPUTERNAME;
use wsfc_clusapi::sys::constants::{
    CLUSTER_VERSION_FLAG_MIXED_MODE, MAX_CLUSTERNAME_LENGTH, access, cloud_type, management_point_restype,
};
use wsfc_clusapi::sys::types::{
    BOOL, CLUSTER_CLOUD_TYPE, CLUSTER_MGMT_POINT_RESTYPE, CLUSTERVERSIONINFO, HCLUSTER, PCWSTR, PWSTR,
};

use super::{Answer, cluster_of, code, put_text, required, truth};
use crate::handles::{self, Object};
use crate::memory;
use crate::scenario::is_host_name;
use crate::simulation::Inner;
use crate::win32::{ERROR_BAD_NETPATH, ERROR_INVALID_PARAMETER, ERROR_RESOURCE_PROPERTIES_STORED};
use crate::world::{Machine, World};

/// Checks a cluster's name. Guess: 87 for none, 1210 for one that is too long or has other characters than a host name.
pub(super) fn check_name(name: &str) -> Answer<()> {
    if name.is_empty() {
        Err(ERROR_INVALID_PARAMETER)
    } else if name.len() > MAX_CLUSTERNAME_LENGTH || !is_host_name(name) {
        Err(ERROR_INVALID_COMPUTERNAME)
    } else {
        Ok(())
    }
}

pub(super) unsafe fn open(world: Answer<Arc<Inner>>, call: &'static str, name: PCWSTR) -> Answer<HCLUSTER> {
    let world = world?;
    world.enter(call)?;
    // SAFETY: The caller passes NULL or a string.
    let name = unsafe { memory::text(name) };
    let cluster = world.lock().world.find_cluster(name.as_deref())?;
    Ok(handles::open(&world, Object::Cluster(cluster)))
}

/// Guess: everybody has all access, so what is asked for is granted, and MAXIMUM_ALLOWED grants all.
pub(super) unsafe fn open_ex(
    world: Answer<Arc<Inner>>,
    name: PCWSTR,
    desired: u32,
    granted: *mut u32,
) -> Answer<HCLUSTER> {
    // SAFETY: The caller passes NULL or a string.
    let handle = unsafe { open(world, "OpenClusterEx", name)? };
    // SAFETY: The caller passes NULL or a place for a DWORD.
    unsafe { memory::write(granted, granted_access(desired)) };
    Ok(handle)
}

/// What an open call grants of what is desired.
pub(super) fn granted_access(desired: u32) -> u32 {
    const GENERIC_READ: u32 = 0x8000_0000;
    if desired == access::READ || desired == GENERIC_READ {
        access::READ
    } else {
        access::ALL
    }
}

pub(super) unsafe extern "system" fn close(cluster: HCLUSTER) -> BOOL {
    truth(|| handles::close(cluster, |object| matches!(object, Object::Cluster(_))))
}

pub(super) unsafe fn node_cluster_state(world: Answer<Arc<Inner>>, name: PCWSTR, state: *mut u32) -> Answer<()> {
    let world = world?;
    world.enter("GetNodeClusterState")?;
    if state.is_null() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    // SAFETY: The caller passes NULL or a string.
    let name = unsafe { memory::text(name) };
    let found = world.lock().world.reachable_machine(name.as_deref())?.cluster_state();
    // SAFETY: The caller passes a place for a DWORD.
    unsafe { memory::write(state, found) };
    Ok(())
}

/// GetClusterInformation. The versions are those of the node that answers; vendor and service pack are empty.
pub(super) unsafe extern "system" fn information(
    cluster: HCLUSTER,
    name: PWSTR,
    name_units: *mut u32,
    info: *mut CLUSTERVERSIONINFO,
) -> u32 {
    code(|| {
        let (world, id) = cluster_of(cluster, "GetClusterInformation")?;
        let (cluster_name, version) = {
            let state = world.lock();
            let cluster = state.serving(&id)?;
            (cluster.name.clone(), version_of(&state.world, cluster))
        };
        if !info.is_null() {
            // SAFETY: The caller passes NULL or a struct, whose size comes first.
            let size = unsafe { memory::read(info.cast::<u32>()) };
            if usize::try_from(size) != Ok(size_of::<CLUSTERVERSIONINFO>()) {
                return Err(ERROR_INVALID_PARAMETER);
            }
            // SAFETY: The struct has the size that it says.
            unsafe { memory::write(info, version) };
        }
        // SAFETY: The caller passes a buffer with its count, or NULL.
        unsafe { put_text(&cluster_name, name, name_units) }
    })
}

/// Guess: the highest version is that of the functional level; the lowest is the highest of what nodes support at least
/// (facts 1.7).
fn version_of(world: &World, cluster: &crate::world::cluster::Cluster) -> CLUSTERVERSIONINFO {
    let machines: Vec<&Machine> = cluster.nodes.iter().filter_map(|node| world.machine_of(node)).collect();
    let answering = cluster
        .nodes
        .iter()
        .find(|node| node.present)
        .and_then(|node| world.machine_of(node));
    let (major, minor, build) = answering.map_or((0, 0, 0), |machine| machine.os.os_version());
    CLUSTERVERSIONINFO {
        dwVersionInfoSize: u32::try_from(size_of::<CLUSTERVERSIONINFO>()).unwrap_or(u32::MAX),
        MajorVersion: major,
        MinorVersion: minor,
        BuildNumber: build,
        szVendorId: [0; 64],
        szCSDVersion: [0; 64],
        dwClusterHighestVersion: cluster.version(),
        dwClusterLowestVersion: machines
            .iter()
            .map(|machine| machine.os.lowest_version())
            .max()
            .unwrap_or(0),
        dwFlags: if world.is_mixed(cluster) {
            CLUSTER_VERSION_FLAG_MIXED_MODE
        } else {
            0
        },
        dwReserved: 0,
    }
}

/// SetClusterName: 5024 even when the name is the same (facts 2.6).
pub(super) unsafe extern "system" fn set_name(cluster: HCLUSTER, new_name: PCWSTR) -> u32 {
    code(|| {
        let (world, id) = cluster_of(cluster, "SetClusterName")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(new_name)? };
        check_name(&name)?;
        world.change(|state| {
            state.serving(&id)?;
            state.world.rename(&id, &name);
            Err(ERROR_RESOURCE_PROPERTIES_STORED)
        })
    })
}

/// Reads a list of names.
///
/// # Safety
///
/// `names` must be NULL or point to `count` pointers, each NULL or to a NUL-terminated string.
pub(super) unsafe fn names(count: u32, names: *const PCWSTR) -> Answer<Vec<String>> {
    if names.is_null() && count > 0 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let mut list = Vec::new();
    for position in 0..count {
        let place = names.wrapping_add(usize::try_from(position).map_err(|_| ERROR_INVALID_PARAMETER)?);
        // SAFETY: The caller passes as many pointers as the count says.
        let name = unsafe { memory::read(place) };
        // SAFETY: The caller passes NULL or a string.
        list.push(unsafe { required(name)? });
    }
    Ok(list)
}

/// Where machines run: in the cloud, not, or both (facts 1.2).
fn cloud(azure: &[bool]) -> i32 {
    match (azure.contains(&true), azure.contains(&false)) {
        (true, true) => cloud_type::MIXED,
        (true, false) => cloud_type::AZURE,
        (false, _) => cloud_type::NONE,
    }
}

/// Guess: a distributed network name in the cloud, a single one elsewhere.
fn restype(azure: &[bool]) -> i32 {
    match cloud(azure) {
        cloud_type::AZURE => management_point_restype::DISTRIBUTED_NETWORK_NAME,
        _ => management_point_restype::SINGLE_NETWORK_NAME,
    }
}

fn azure_of(world: &World, names: &[String]) -> Answer<Vec<bool>> {
    names
        .iter()
        .map(|name| world.reachable_machine(Some(name)).map(|machine| machine.azure))
        .collect()
}

unsafe fn azure_of_nodes(
    world: Answer<Arc<Inner>>,
    call: &'static str,
    count: u32,
    list: *const PCWSTR,
) -> Answer<Vec<bool>> {
    let world = world?;
    world.enter(call)?;
    // SAFETY: The caller passes a list of as many names.
    let names = unsafe { names(count, list)? };
    if names.is_empty() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    azure_of(&world.lock().world, &names)
}

unsafe fn put<T: Copy>(target: *mut T, value: T) -> Answer<()> {
    if target.is_null() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    // SAFETY: The caller passes a place for it.
    unsafe { memory::write(target, value) };
    Ok(())
}

pub(super) unsafe fn restype_of_nodes(
    world: Answer<Arc<Inner>>,
    count: u32,
    names: *const PCWSTR,
    out: *mut CLUSTER_MGMT_POINT_RESTYPE,
) -> Answer<()> {
    // SAFETY: The caller passes a list of as many names.
    let azure = unsafe { azure_of_nodes(world, "DetermineCNOResTypeFromNodelist", count, names)? };
    // SAFETY: The caller passes NULL or a place for it.
    unsafe { put(out, restype(&azure)) }
}

pub(super) unsafe fn cloud_of_nodes(
    world: Answer<Arc<Inner>>,
    count: u32,
    names: *const PCWSTR,
    out: *mut CLUSTER_CLOUD_TYPE,
) -> Answer<()> {
    // SAFETY: The caller passes a list of as many names.
    let azure = unsafe { azure_of_nodes(world, "DetermineClusterCloudTypeFromNodelist", count, names)? };
    // SAFETY: The caller passes NULL or a place for it.
    unsafe { put(out, cloud(&azure)) }
}

pub(super) unsafe fn cloud_of_node(world: Answer<Arc<Inner>>, name: PCWSTR, out: *mut u32) -> Answer<()> {
    let world = world?;
    world.enter("GetNodeCloudTypeDW")?;
    // SAFETY: The caller passes NULL or a string.
    let name = unsafe { memory::text(name) };
    let azure = world.lock().world.reachable_machine(name.as_deref())?.azure;
    // SAFETY: The caller passes NULL or a place for it.
    unsafe { put(out, cloud(&[azure]).cast_unsigned()) }
}

fn azure_of_cluster(cluster: HCLUSTER, call: &'static str) -> Answer<Vec<bool>> {
    let (world, id) = cluster_of(cluster, call)?;
    let state = world.lock();
    let cluster = state.serving(&id)?;
    cluster
        .nodes
        .iter()
        .map(|node| {
            state
                .world
                .machine_of(node)
                .map(|machine| machine.azure)
                .ok_or(ERROR_BAD_NETPATH)
        })
        .collect()
}

pub(super) unsafe extern "system" fn restype_of_cluster(
    cluster: HCLUSTER,
    out: *mut CLUSTER_MGMT_POINT_RESTYPE,
) -> u32 {
    code(|| {
        let azure = azure_of_cluster(cluster, "DetermineCNOResTypeFromCluster")?;
        // SAFETY: The caller passes NULL or a place for it.
        unsafe { put(out, restype(&azure)) }
    })
}

pub(super) unsafe extern "system" fn cloud_of_cluster(cluster: HCLUSTER, out: *mut CLUSTER_CLOUD_TYPE) -> u32 {
    code(|| {
        let azure = azure_of_cluster(cluster, "DetermineClusterCloudTypeFromCluster")?;
        // SAFETY: The caller passes NULL or a place for it.
        unsafe { put(out, cloud(&azure)) }
    })
}
