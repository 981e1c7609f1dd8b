//! Cluster shared volumes (facts 2.6).

use wsfc_clusapi::sys::types::HRESOURCE;

use super::{code, resource_of};

pub(super) unsafe extern "system" fn add(resource: HRESOURCE) -> u32 {
    code(|| {
        let (world, cluster, id) = resource_of(resource, "AddResourceToClusterSharedVolumes")?;
        world.change(|state| {
            state.serving(&cluster)?;
            state.world.add_shared_volume(&cluster, &id)
        })
    })
}

pub(super) unsafe extern "system" fn remove(resource: HRESOURCE) -> u32 {
    code(|| {
        let (world, cluster, id) = resource_of(resource, "RemoveResourceFromClusterSharedVolumes")?;
        world.change(|state| {
            state.serving(&cluster)?;
            state.world.remove_shared_volume(&cluster, &id)
        })
    })
}
