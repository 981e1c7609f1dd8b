//! What a C program does with nodes, groups and resources, and how it hears of it, for the tests.

use std::ptr;
use std::time::Duration;

use wsfc_clusapi::sys::constants::{
    node_state, notify_cluster, notify_group, notify_node, notify_object, notify_resource, resource_state,
};
use wsfc_simulator::scenario::ExistingCluster;
use wsfc_simulator::{Incident, Scenario};

use crate::notify::{self, Event};
use crate::raw::{Raw, read_wide, wide};

/// A world whose time stands still, with a cluster "c" of some nodes.
pub(crate) fn still(nodes: &[&str]) -> (Raw, isize) {
    with(nodes, |scenario| scenario.timing.manual = true)
}

/// A world that waits for nothing, with a cluster "c" of some nodes.
pub(crate) fn instant(nodes: &[&str]) -> (Raw, isize) {
    with(nodes, |_| {})
}

/// A cluster "c" that exists from the beginning.
pub(crate) fn existing(nodes: &[&str]) -> ExistingCluster {
    ExistingCluster {
        name: "c".into(),
        nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
        addresses: vec![[10, 0, 0, 50].into()],
        ..ExistingCluster::default()
    }
}

/// A world with a cluster "c" of some nodes.
pub(crate) fn with(nodes: &[&str], change: impl FnOnce(&mut Scenario)) -> (Raw, isize) {
    let raw = Raw::new(|scenario| {
        scenario.clusters = vec![existing(nodes)];
        change(scenario);
    });
    let cluster = raw.open(Some("c")).unwrap();
    (raw, cluster)
}

/// The type of most resources here.
pub(crate) const SERVICE: &str = "Generic Service";

impl Raw {
    fn made(&self, handle: isize) -> Result<isize, u32> {
        if handle == 0 {
            Err(self.last_error())
        } else {
            Ok(handle)
        }
    }

    pub(crate) fn make_group(&self, cluster: isize, name: &str) -> isize {
        let name = wide(name);
        // SAFETY: The name is NUL-terminated.
        self.made(unsafe { self.table.CreateClusterGroup.unwrap()(cluster, name.as_ptr()) })
            .unwrap()
    }

    pub(crate) fn try_resource(&self, group: isize, name: &str, kind: &str) -> Result<isize, u32> {
        let (name, kind) = (wide(name), wide(kind));
        // SAFETY: The names are NUL-terminated.
        self.made(unsafe { self.table.CreateClusterResource.unwrap()(group, name.as_ptr(), kind.as_ptr(), 0) })
    }

    pub(crate) fn make_resource(&self, group: isize, name: &str) -> isize {
        self.try_resource(group, name, SERVICE).unwrap()
    }

    /// An online group on a node with an online resource of each name.
    pub(crate) fn running_group(&self, cluster: isize, name: &str, node: &str, resources: &[&str]) -> isize {
        let group = self.make_group(cluster, name);
        for resource in resources {
            self.make_resource(group, resource);
        }
        let node = self.open_node(cluster, node).unwrap();
        let code = self.online_group(group, node);
        assert!(code == 0 || code == 997, "{code}");
        self.settle();
        group
    }

    /// Lets a world of standing time go on until nothing is pending.
    pub(crate) fn settle(&self) {
        self.simulation.advance(Duration::from_secs(20));
        self.simulation.consistency().unwrap();
    }

    pub(crate) fn advance(&self, ms: u64) {
        self.simulation.advance(Duration::from_millis(ms));
        self.simulation.consistency().unwrap();
    }

    pub(crate) fn happen(&self, incident: Incident) {
        self.simulation.happen(&incident).unwrap();
        self.simulation.consistency().unwrap();
    }

    pub(crate) fn kill(&self, machine: &str) {
        self.happen(Incident::KillMachine {
            machine: machine.into(),
        });
    }

    pub(crate) fn power_on(&self, machine: &str) {
        self.happen(Incident::PowerOn {
            machine: machine.into(),
        });
    }

    pub(crate) fn open_resource(&self, cluster: isize, name: &str) -> Result<isize, u32> {
        let name = wide(name);
        // SAFETY: The name is NUL-terminated.
        self.made(unsafe { self.table.OpenClusterResource.unwrap()(cluster, name.as_ptr()) })
    }

    /// State and owner of a group.
    pub(crate) fn group(&self, group: isize) -> (i32, String) {
        let mut node = [0_u16; 64];
        let mut units = 64;
        // SAFETY: The buffer has the room that its count says.
        let state = unsafe { self.table.GetClusterGroupState.unwrap()(group, node.as_mut_ptr(), &raw mut units) };
        assert_ne!(state, -1, "{}", self.last_error());
        // SAFETY: The buffer is NUL-terminated.
        (state, unsafe { read_wide(node.as_ptr()) })
    }

    pub(crate) fn owner(&self, group: isize) -> String {
        self.group(group).1
    }

    pub(crate) fn resource(&self, resource: isize) -> i32 {
        let (text, count) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: Names that are not wanted may be NULL.
        let state = unsafe { self.table.GetClusterResourceState.unwrap()(resource, text, count, text, count) };
        assert_ne!(state, -1, "{}", self.last_error());
        state
    }

    pub(crate) fn online_group(&self, group: isize, node: isize) -> u32 {
        // SAFETY: The function checks its handles.
        unsafe { self.table.OnlineClusterGroup.unwrap()(group, node) }
    }

    pub(crate) fn offline_group(&self, group: isize) -> u32 {
        // SAFETY: The function checks its handle.
        unsafe { self.table.OfflineClusterGroup.unwrap()(group) }
    }

    pub(crate) fn move_group(&self, group: isize, node: isize) -> u32 {
        // SAFETY: The function checks its handles.
        unsafe { self.table.MoveClusterGroup.unwrap()(group, node) }
    }

    pub(crate) fn move_group_ex(&self, group: isize, node: isize, flags: u32, list: &[u8]) -> u32 {
        let pointer = if list.is_empty() { ptr::null() } else { list.as_ptr() };
        let count = u32::try_from(list.len()).unwrap();
        // SAFETY: The list has the size that goes with it.
        unsafe { self.table.MoveClusterGroupEx.unwrap()(group, node, flags, pointer, count) }
    }

    pub(crate) fn online(&self, resource: isize) -> u32 {
        // SAFETY: The function checks its handle.
        unsafe { self.table.OnlineClusterResource.unwrap()(resource) }
    }

    pub(crate) fn offline(&self, resource: isize) -> u32 {
        // SAFETY: The function checks its handle.
        unsafe { self.table.OfflineClusterResource.unwrap()(resource) }
    }

    pub(crate) fn fail(&self, resource: isize) -> u32 {
        // SAFETY: The function checks its handle.
        unsafe { self.table.FailClusterResource.unwrap()(resource) }
    }

    pub(crate) fn delete_resource(&self, resource: isize) -> u32 {
        // SAFETY: The function checks its handle.
        unsafe { self.table.DeleteClusterResource.unwrap()(resource) }
    }

    pub(crate) fn depend(&self, resource: isize, provider: isize) -> u32 {
        // SAFETY: The function checks its handles.
        unsafe { self.table.AddClusterResourceDependency.unwrap()(resource, provider) }
    }

    pub(crate) fn set_expression(&self, resource: isize, text: &str) -> u32 {
        let text = wide(text);
        // SAFETY: The text is NUL-terminated.
        unsafe { self.table.SetClusterResourceDependencyExpression.unwrap()(resource, text.as_ptr()) }
    }

    pub(crate) fn expression(&self, resource: isize) -> String {
        let mut text = [0_u16; 512];
        let mut units = 512;
        let get = self.table.GetClusterResourceDependencyExpression.unwrap();
        // SAFETY: The buffer has the room that its count says.
        assert_eq!(unsafe { get(resource, text.as_mut_ptr(), &raw mut units) }, 0);
        // SAFETY: The buffer is NUL-terminated.
        unsafe { read_wide(text.as_ptr()) }
    }

    pub(crate) fn prefer(&self, group: isize, nodes: &[isize]) -> u32 {
        let count = u32::try_from(nodes.len()).unwrap();
        // SAFETY: There are as many handles as the count says.
        unsafe { self.table.SetClusterGroupNodeList.unwrap()(group, count, nodes.as_ptr()) }
    }

    pub(crate) fn forbid(&self, resource: isize, node: isize) -> u32 {
        // SAFETY: The function checks its handles.
        unsafe { self.table.RemoveClusterResourceNode.unwrap()(resource, node) }
    }

    pub(crate) fn pause(&self, node: isize, drain: bool, flags: u32, target: isize) -> u32 {
        // SAFETY: The function checks its handles.
        unsafe { self.table.PauseClusterNodeEx.unwrap()(node, drain.into(), flags, target) }
    }

    pub(crate) fn resume(&self, node: isize, failback: i32) -> u32 {
        // SAFETY: The function checks its handle.
        unsafe { self.table.ResumeClusterNodeEx.unwrap()(node, failback, 0) }
    }

    /// A DWORD property of an object, by the control function of its kind and the codes of its two lists.
    pub(crate) fn node_dword(&self, node: isize, name: &str) -> u32 {
        let mut list = vec![0_u8; 8192];
        for code in [0x0400_0055, 0x0400_0059] {
            let mut returned = 0;
            let control = self.table.ClusterNodeControl.unwrap();
            // SAFETY: The output has the size that goes with it.
            let result = unsafe {
                control(
                    node,
                    0,
                    code,
                    ptr::null(),
                    0,
                    list.as_mut_ptr().cast(),
                    8192,
                    &raw mut returned,
                )
            };
            assert_eq!(result, 0);
            if let Some(value) = find_dword(&list[..usize::try_from(returned).unwrap()], name) {
                return value;
            }
        }
        panic!("no property {name}");
    }

    pub(crate) fn set_group_property(&self, group: isize, list: &[u8]) -> u32 {
        // SAFETY: The list has the size that goes with it.
        unsafe {
            self.table.ClusterGroupControl.unwrap()(
                group,
                0,
                0x0340_005E,
                list.as_ptr().cast(),
                u32::try_from(list.len()).unwrap(),
                ptr::null_mut(),
                0,
                ptr::null_mut(),
            )
        }
    }

    pub(crate) fn set_resource_property(&self, resource: isize, list: &[u8]) -> u32 {
        // SAFETY: The list has the size that goes with it.
        unsafe {
            self.table.ClusterResourceControl.unwrap()(
                resource,
                0,
                0x0140_005E,
                list.as_ptr().cast(),
                u32::try_from(list.len()).unwrap(),
                ptr::null_mut(),
                0,
                ptr::null_mut(),
            )
        }
    }

    pub(crate) fn is_up(&self, cluster: isize, node: &str) -> bool {
        self.open_node(cluster, node)
            .is_ok_and(|node| self.node_state(node) == node_state::UP)
    }
}

/// A property list of DWORDs.
pub(crate) fn dwords(properties: &[(&str, u32)]) -> Vec<u8> {
    let mut list = u32::try_from(properties.len()).unwrap().to_le_bytes().to_vec();
    for (name, value) in properties {
        let name: Vec<u8> = wide(name).into_iter().flat_map(u16::to_le_bytes).collect();
        list.extend(0x0004_0003_u32.to_le_bytes());
        list.extend(u32::try_from(name.len()).unwrap().to_le_bytes());
        list.extend(name);
        list.resize(list.len().next_multiple_of(4), 0);
        list.extend([2, 0, 1, 0, 4, 0, 0, 0]);
        list.extend(value.to_le_bytes());
        list.extend([0; 4]);
    }
    list
}

/// The DWORD of a name in a property list.
pub(crate) fn find_dword(list: &[u8], name: &str) -> Option<u32> {
    let name: Vec<u8> = wide(name).into_iter().flat_map(u16::to_le_bytes).collect();
    let place = list.windows(name.len()).position(|window| window == name)?;
    let value = (place + name.len()).next_multiple_of(4) + 8;
    list.get(value..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

/// A port that hears all of a cluster.
pub(crate) struct Ear<'raw> {
    raw: &'raw Raw,
    port: isize,
}

impl<'raw> Ear<'raw> {
    pub(crate) fn new(raw: &'raw Raw, cluster: isize) -> Self {
        let filters = [
            notify::filter(notify_object::CLUSTER, notify_cluster::EVERYTHING),
            notify::filter(notify_object::NODE, notify_node::EVERYTHING),
            notify::filter(notify_object::GROUP, notify_group::EVERYTHING),
            notify::filter(
                notify_object::RESOURCE,
                notify_resource::EVERYTHING & !notify_resource::TERMINAL_STATE,
            ),
            notify::filter(notify_object::QUORUM, 1),
        ];
        let port = notify::open(raw, cluster, &filters, 0);
        assert_ne!(port, 0);
        Self { raw, port }
    }

    /// All that has happened since the last look.
    pub(crate) fn events(&self) -> Vec<Event> {
        std::iter::from_fn(|| notify::next(self.raw, self.port, 2_048, 0).ok()).collect()
    }

    /// The same in words, as far as it is about states and owners.
    pub(crate) fn story(&self) -> Vec<String> {
        let told = self.events().into_iter().filter_map(|event| {
            let state = || i32::from_le_bytes(event.payload.as_slice().try_into().unwrap());
            match (event.object_type, event.flag) {
                (notify_object::NODE, notify_node::STATE) => Some(format!("{} {}", event.name, state())),
                (notify_object::GROUP, notify_group::STATE) => Some(format!("{} {}", event.name, state())),
                (notify_object::GROUP, notify_group::OWNER_NODE) => {
                    Some(format!("{} to {}", event.name, event.parent_id))
                }
                (notify_object::RESOURCE, notify_resource::STATE) => {
                    let word = match state() {
                        resource_state::ONLINE => "online".into(),
                        resource_state::OFFLINE => "offline".into(),
                        resource_state::FAILED => "failed".into(),
                        resource_state::ONLINE_PENDING => "comes".into(),
                        resource_state::OFFLINE_PENDING => "goes".into(),
                        other => other.to_string(),
                    };
                    Some(format!("{} {word}", event.name))
                }
                _ => None,
            }
        });
        told.collect()
    }
}
