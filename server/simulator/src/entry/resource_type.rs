//! Resource types (facts 2.5).

use wsfc_clusapi::sys::types::{HCLUSTER, PCWSTR};

use super::{cluster_of, code, required};
use crate::memory;

pub(super) unsafe extern "system" fn create(
    cluster: HCLUSTER,
    type_name: PCWSTR,
    display_name: PCWSTR,
    library: PCWSTR,
    looks_alive: u32,
    is_alive: u32,
) -> u32 {
    code(|| {
        let (world, cluster) = cluster_of(cluster, "CreateClusterResourceType")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(type_name)? };
        // SAFETY: The caller passes NULL or a string.
        let display_name = unsafe { memory::text(display_name) }.unwrap_or_else(|| name.clone());
        // SAFETY: The caller passes NULL or a string.
        let library = unsafe { required(library)? };
        world.change(|state| {
            state.serving(&cluster)?;
            let intervals = (looks_alive, is_alive);
            state
                .world
                .add_resource_type(&cluster, &name, &display_name, &library, intervals)
        })
    })
}

pub(super) unsafe extern "system" fn delete(cluster: HCLUSTER, type_name: PCWSTR) -> u32 {
    code(|| {
        let (world, cluster) = cluster_of(cluster, "DeleteClusterResourceType")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(type_name)? };
        world.change(|state| {
            state.serving(&cluster)?;
            state.world.remove_resource_type(&cluster, &name)
        })
    })
}
