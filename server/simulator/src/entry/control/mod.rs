//! Control codes (facts 3.2, and 1.7 for the upgrade): what every object answers alike in `shared`, the rest in a file a
//! kind.

mod cluster;
mod hosted;
mod resource;
mod shared;

use core::ffi::c_void;
use std::sync::Arc;

use wsfc_clusapi::sys::constants::control as ctl;
use wsfc_clusapi::sys::types::{HCLUSTER, HGROUP, HGROUPSET, HNETINTERFACE, HNETWORK, HNODE, HRESOURCE, PCWSTR};

use super::{
    Answer, cluster_of, code, group_of, group_set_of, interface_of, network_of, node_of, required, resource_of,
};
use hosted::Hosted;

use crate::memory;
use crate::proplist;
use crate::simulation::Inner;
use crate::win32::{
    ERROR_CLUSTER_NETINTERFACE_NOT_FOUND, ERROR_INVALID_PARAMETER, ERROR_MORE_DATA, ERROR_SUCCESS, RPC_X_BAD_STUB_DATA,
};
use crate::world::World;
use crate::world::cluster::Cluster;
use crate::world::properties::Owner;

/// The buffers of a control call.
struct Buffers {
    input: *const c_void,
    input_bytes: u32,
    output: *mut c_void,
    output_bytes: u32,
    returned: *mut u32,
}

/// A call of a control function: the world, the cluster, the object and the input.
struct Call<'call> {
    world: &'call Arc<Inner>,
    cluster: &'call str,
    owner: &'call Owner,
    code: u32,
    /// 1783 for a NULL buffer.
    input: Answer<Vec<u8>>,
}

impl Call<'_> {
    /// The input, of codes that need one.
    fn input(&self) -> Answer<&[u8]> {
        self.input.as_deref().map_err(|code| *code)
    }

    /// The input as text.
    fn text(&self) -> Answer<String> {
        self.input().map(proplist::read_text)
    }

    /// The input as a number; 87 for another length.
    fn number(&self) -> Answer<u32> {
        let bytes = self.input()?.first_chunk().ok_or(ERROR_INVALID_PARAMETER)?;
        Ok(u32::from_le_bytes(*bytes))
    }

    /// Reads the cluster.
    fn read<R>(&self, read: impl FnOnce(&World, &Cluster) -> Answer<R>) -> Answer<R> {
        let state = self.world.lock();
        read(&state.world, state.serving(self.cluster)?)
    }

    /// Changes the world, where the cluster answers.
    fn change<R>(&self, change: impl FnOnce(&mut World) -> Answer<R>) -> Answer<R> {
        self.world.change(|state| {
            state.serving(self.cluster)?;
            change(&mut state.world)
        })
    }
}

impl Buffers {
    /// The input; 1783 for a NULL buffer (facts 2.7).
    ///
    /// # Safety
    ///
    /// `input` must be readable for `input_bytes`.
    unsafe fn input(&self) -> Answer<Vec<u8>> {
        if self.input.is_null() {
            return Err(RPC_X_BAD_STUB_DATA);
        }
        let count = usize::try_from(self.input_bytes).map_err(|_| ERROR_INVALID_PARAMETER)?;
        // SAFETY: The caller's promise.
        Ok(unsafe { memory::read_bytes(self.input.cast(), count) })
    }

    /// Answers; 234 with the need when there is too little room, NULL included (facts 3.2).
    ///
    /// # Safety
    ///
    /// `output` must be NULL or writable for `output_bytes`, `returned` NULL or valid.
    unsafe fn answer(&self, data: &[u8]) -> Answer<()> {
        let need = u32::try_from(data.len()).unwrap_or(u32::MAX);
        // SAFETY: The caller passes NULL or a place for a DWORD.
        unsafe { memory::write(self.returned, need) };
        if need == 0 {
            return Ok(());
        }
        if self.output.is_null() || self.output_bytes < need {
            return Err(ERROR_MORE_DATA);
        }
        // SAFETY: The buffer has room.
        unsafe { memory::write_bytes(self.output.cast(), data) };
        Ok(())
    }
}

/// What belongs to one kind only; `None` for a code that it does not know.
fn own(call: &Call<'_>) -> Answer<Option<Vec<u8>>> {
    match call.owner {
        Owner::Cluster => cluster::own(call),
        Owner::Group(id) => {
            let names = |sets| call.read(|_, cluster| Ok(proplist::multi(&cluster.provider_names(id, sets))));
            match call.code {
                ctl::GROUP_GET_PROVIDER_GROUPS => names(false).map(Some),
                ctl::GROUP_GET_PROVIDER_GROUPSETS => names(true).map(Some),
                ctl::GROUP_QUERY_DELETE => resource::query_group(call, id).map(Some),
                _ => Ok(None),
            }
        }
        Owner::Resource(id) => resource::own(call, id),
        Owner::ResourceType(name) => resource::of_type(call, name),
        Owner::Interface(id) => {
            let (wanted_node, wanted_network) = (
                call.code == ctl::NETINTERFACE_GET_NODE,
                call.code == ctl::NETINTERFACE_GET_NETWORK,
            );
            if !wanted_node && !wanted_network {
                return Ok(None);
            }
            call.read(|_, cluster| {
                let (network, interface) = cluster.interface(id).ok_or(ERROR_CLUSTER_NETINTERFACE_NOT_FOUND)?;
                let node = cluster.node(interface.node).map(|node| node.name.as_str());
                let name = if wanted_node {
                    node.unwrap_or_default()
                } else {
                    &network.name
                };
                Ok(Some(proplist::text(name)))
            })
        }
        Owner::GroupSet(id) => call.read(|_, cluster| {
            let set = cluster.group_set(id)?;
            Ok(Some(match call.code {
                ctl::GROUPSET_GET_GROUPS => {
                    let groups = set.groups.iter().filter_map(|own| cluster.group(&own.group));
                    proplist::multi(&groups.map(|group| group.name.as_str()).collect::<Vec<_>>())
                }
                ctl::GROUPSET_GET_PROVIDER_GROUPS => proplist::multi(&cluster.provider_names(id, false)),
                ctl::GROUPSET_GET_PROVIDER_GROUPSETS => proplist::multi(&cluster.provider_names(id, true)),
                _ => return Ok(None),
            }))
        }),
        Owner::Rule(name) => call.read(|_, cluster| {
            let rule = cluster.rule(name)?;
            if call.code != ctl::AFFINITYRULE_GET_GROUPNAMES {
                return Ok(None);
            }
            let groups = rule.groups.iter().filter_map(|id| cluster.group(id));
            let names: Vec<&str> = groups.map(|group| group.name.as_str()).collect();
            Ok(Some(proplist::multi(&names)))
        }),
        Owner::Node(_) | Owner::Network(_) => Ok(None),
    }
}

/// Finds the answer to a code and hands it over; 1 for an unknown code (facts 2.6). The host node is not regarded: every
/// node would answer the same.
///
/// # Safety
///
/// The buffers must have the sizes that go with them.
unsafe fn control(
    name: &'static str,
    world: &Arc<Inner>,
    cluster: &str,
    owner: &Owner,
    code: u32,
    buffers: &Buffers,
) -> Answer<()> {
    // SAFETY: The caller passes an input of that size.
    let input = unsafe { buffers.input() };
    let call = Call {
        world,
        cluster,
        owner,
        code,
        input,
    };
    // SAFETY: The caller passes an output of that size.
    let unknown = match unsafe { hosted::answer(&call, name, buffers)? } {
        Hosted::Answered(ERROR_SUCCESS) => return Ok(()),
        Hosted::Answered(code) => return Err(code),
        Hosted::Left(unknown) => unknown,
    };
    let mut data = match own(&call)? {
        Some(data) => data,
        None => shared::answer(&call)?.ok_or(unknown)?,
    };
    if let Some(damage) = world.lock().world.faults.damage(name) {
        damage.apply(&mut data);
    }
    // SAFETY: The caller passes an output of that size.
    unsafe { buffers.answer(&data) }
}

/// The control function of one kind of object.
macro_rules! control_function {
    ($function:ident, $name:literal, |$($object:ident: $handle:ty),+| $resolve:expr) => {
        pub(super) unsafe extern "system" fn $function(
            $($object: $handle,)+
            _host: HNODE,
            control_code: u32,
            input: *const c_void,
            input_bytes: u32,
            output: *mut c_void,
            output_bytes: u32,
            returned: *mut u32,
        ) -> u32 {
            code(|| {
                let (world, cluster, owner) = $resolve;
                let buffers = Buffers {
                    input,
                    input_bytes,
                    output,
                    output_bytes,
                    returned,
                };
                // SAFETY: The caller keeps the function's contract.
                unsafe { control($name, &world, &cluster, &owner, control_code, &buffers) }
            })
        }
    };
}

control_function!(cluster_control, "ClusterControl", |cluster: HCLUSTER| {
    let (world, id) = cluster_of(cluster, "ClusterControl")?;
    (world, id, Owner::Cluster)
});
control_function!(node_control, "ClusterNodeControl", |node: HNODE| {
    let (world, cluster, id) = node_of(node, "ClusterNodeControl")?;
    (world, cluster, Owner::Node(id))
});
control_function!(group_control, "ClusterGroupControl", |group: HGROUP| {
    let (world, cluster, id) = group_of(group, "ClusterGroupControl")?;
    (world, cluster, Owner::Group(id))
});
control_function!(resource_control, "ClusterResourceControl", |resource: HRESOURCE| {
    let (world, cluster, id) = resource_of(resource, "ClusterResourceControl")?;
    (world, cluster, Owner::Resource(id))
});
control_function!(network_control, "ClusterNetworkControl", |network: HNETWORK| {
    let (world, cluster, id) = network_of(network, "ClusterNetworkControl")?;
    (world, cluster, Owner::Network(id))
});
control_function!(
    interface_control,
    "ClusterNetInterfaceControl",
    |interface: HNETINTERFACE| {
        let (world, cluster, id) = interface_of(interface, "ClusterNetInterfaceControl")?;
        (world, cluster, Owner::Interface(id))
    }
);
control_function!(group_set_control, "ClusterGroupSetControl", |set: HGROUPSET| {
    let (world, cluster, id) = group_set_of(set, "ClusterGroupSetControl")?;
    (world, cluster, Owner::GroupSet(id))
});
control_function!(
    type_control,
    "ClusterResourceTypeControl",
    |cluster: HCLUSTER, type_name: PCWSTR| {
        let (world, id) = cluster_of(cluster, "ClusterResourceTypeControl")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(type_name)? };
        (world, id, Owner::ResourceType(name))
    }
);
control_function!(
    rule_control,
    "ClusterAffinityRuleControl",
    |cluster: HCLUSTER, rule_name: PCWSTR| {
        let (world, id) = cluster_of(cluster, "ClusterAffinityRuleControl")?;
        // SAFETY: The caller passes NULL or a string.
        let name = unsafe { required(rule_name)? };
        (world, id, Owner::Rule(name))
    }
);
