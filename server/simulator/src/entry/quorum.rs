//! The quorum (facts 2.6).

use wsfc_clusapi::sys::types::{HCLUSTER, HRESOURCE, PCWSTR, PWSTR};

use super::{Answer, changed, cluster_of, code, put_text, resource_of};
use crate::memory;

/// GetClusterQuorumResource: without a witness the name is empty.
pub(super) unsafe extern "system" fn get(
    cluster: HCLUSTER,
    name: PWSTR,
    name_units: *mut u32,
    device: PWSTR,
    device_units: *mut u32,
    kind: *mut u32,
) -> u32 {
    code(|| {
        let (world, id) = cluster_of(cluster, "GetClusterQuorumResource")?;
        let (witness, path, found) = {
            let state = world.lock();
            let cluster = state.serving(&id)?;
            let witness = cluster
                .quorum
                .witness
                .as_ref()
                .and_then(|witness| cluster.resources.get(witness))
                .map(|resource| resource.name.clone())
                .unwrap_or_default();
            (witness, cluster.quorum.path.clone(), cluster.quorum_kind())
        };
        // SAFETY: The caller passes NULL or a place for a DWORD.
        unsafe { memory::write(kind, found) };
        // SAFETY: The caller passes a buffer with its count, or NULL.
        let first = unsafe { put_text(&witness, name, name_units) };
        // SAFETY: The caller passes a buffer with its count, or NULL.
        let second = unsafe { put_text(&path, device, device_units) };
        first.and(second)
    })
}

/// SetClusterQuorumResource. For a majority of nodes the resource is the witness that goes, or any other.
pub(super) unsafe extern "system" fn set(resource: HRESOURCE, device: PCWSTR, kind: u32) -> u32 {
    code(|| -> Answer<()> {
        let (world, cluster, id) = resource_of(resource, "SetClusterQuorumResource")?;
        // SAFETY: The caller passes NULL or a string.
        let path = unsafe { memory::text(device) }.unwrap_or_default();
        changed(&world, &cluster, |service| service.set_quorum(&id, &path, kind))
    })
}
