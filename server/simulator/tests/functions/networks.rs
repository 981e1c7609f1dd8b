//! Networks and network interfaces.

use wsfc_clusapi::proplist::{PropertyList, Value};
use wsfc_clusapi::sys::constants::{
    cluster_enum, control as ctl, network_interface_state, network_state, notify_network, notify_network_interface,
    notify_object,
};
use wsfc_simulator::Incident;

use crate::call::{Target, control, enumerated, events, list, open, production, properties};
use crate::notify::{filter, open as open_port};
use crate::raw::{Raw, read_wide, wide};
use crate::verbs::instant;

fn network(raw: &Raw, cluster: isize, name: &str) -> isize {
    open(raw, raw.table.OpenClusterNetwork, cluster, name).unwrap()
}

fn set_role(raw: &Raw, network: isize, role: u32) -> Result<(), u32> {
    let role = list(&[("Role", Value::Dword(role))]);
    control(raw, Target::Network(network), ctl::NETWORK_SET_COMMON_PROPERTIES, &role).map(|_| ())
}

#[test]
fn states_follow_machines_and_cables() {
    let (raw, cluster) = production();
    let clients = network(&raw, cluster, "Client Access");
    let interface = open(&raw, raw.table.OpenClusterNetInterface, cluster, "hv2 - Clients").unwrap();
    // SAFETY: The functions check their handles.
    let state = || unsafe { raw.table.GetClusterNetworkState.unwrap()(clients) };
    // SAFETY: The functions check their handles.
    let interface_state = || unsafe { raw.table.GetClusterNetInterfaceState.unwrap()(interface) };
    assert_eq!(
        (state(), interface_state()),
        (network_state::UP, network_interface_state::UP)
    );
    let filters = [
        filter(notify_object::NETWORK, notify_network::EVERYTHING),
        filter(notify_object::NETWORK_INTERFACE, notify_network_interface::STATE),
    ];
    let port = open_port(&raw, cluster, &filters, 1);
    raw.simulation.set_reachable("hv2", false);
    assert_eq!(
        (state(), interface_state()),
        (network_state::UP, network_interface_state::UNAVAILABLE)
    );
    let told = events(&raw, port);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter()
            .all(|event| event.object_type == notify_object::NETWORK_INTERFACE)
    );
    assert_eq!(told[0].payload, [0, 0, 0, 0]);
    for node in ["hv1", "hv3", "hv4"] {
        raw.simulation.set_reachable(node, false);
    }
    let lost = "the cluster does not answer any more";
    assert_eq!(state(), -1, "{lost}");
}

/// The states of the two networks of a cluster "c" and of the interfaces on the first, in the order of the nodes.
fn states(raw: &Raw, cluster: isize, nodes: &[&str]) -> (i32, i32, Vec<i32>) {
    let network_state = |name| {
        // SAFETY: The function checks its handle.
        unsafe { raw.table.GetClusterNetworkState.unwrap()(network(raw, cluster, name)) }
    };
    let interface_state = |node: &&str| {
        let name = format!("{node} - Cluster Network 1");
        let interface = open(raw, raw.table.OpenClusterNetInterface, cluster, &name).unwrap();
        // SAFETY: The function checks its handle.
        unsafe { raw.table.GetClusterNetInterfaceState.unwrap()(interface) }
    };
    (
        network_state("Cluster Network 1"),
        network_state("Cluster Network 2"),
        nodes.iter().map(interface_state).collect(),
    )
}

#[test]
fn a_network_is_partitioned_while_members_miss_each_other() {
    use network_interface_state::{FAILED, UNREACHABLE, UP};
    let nodes = ["n1", "n2", "n3"];
    let (raw, cluster) = instant(&nodes);
    let (up, down, partitioned) = (network_state::UP, network_state::DOWN, network_state::PARTITIONED);
    let filters = [
        filter(notify_object::NETWORK, notify_network::STATE),
        filter(notify_object::NETWORK_INTERFACE, notify_network_interface::STATE),
    ];
    let port = open_port(&raw, cluster, &filters, 1);
    let path = || ("Cluster Network 1".to_owned(), "n1".to_owned(), "n2".to_owned());
    let (network, one, other) = path();
    raw.happen(Incident::CutPath { network, one, other });
    assert_eq!(
        states(&raw, cluster, &nodes),
        (partitioned, up, vec![UNREACHABLE, UNREACHABLE, UP])
    );
    let told: Vec<_> = events(&raw, port)
        .into_iter()
        .map(|event| (event.name, i32::from_le_bytes(event.payload.try_into().unwrap())))
        .collect();
    assert_eq!(
        told,
        [
            ("n1 - Cluster Network 1".into(), UNREACHABLE),
            ("n2 - Cluster Network 1".into(), UNREACHABLE),
            ("Cluster Network 1".into(), partitioned),
        ]
    );
    // What does not work at all is missed by nobody.
    let (network, _, machine) = path();
    raw.happen(Incident::InterfaceDown { machine, network });
    assert_eq!(states(&raw, cluster, &nodes), (up, up, vec![UP, FAILED, UP]));
    let (network, _, machine) = path();
    raw.happen(Incident::InterfaceUp { machine, network });
    assert_eq!(states(&raw, cluster, &nodes).0, partitioned);
    let (network, one, other) = path();
    raw.happen(Incident::HealPath { network, one, other });
    assert_eq!(states(&raw, cluster, &nodes), (up, up, vec![UP; 3]));
    events(&raw, port);
    // Two that hear each other through the third stay members, and miss each other on every network.
    let (_, one, other) = path();
    raw.happen(Incident::CutHeartbeats { one, other });
    assert!(nodes.iter().all(|node| raw.is_up(cluster, node)));
    assert_eq!(
        states(&raw, cluster, &nodes),
        (partitioned, partitioned, vec![UNREACHABLE, UNREACHABLE, UP])
    );
    assert_eq!(events(&raw, port).len(), 6);
    raw.happen(Incident::HealAll);
    assert_eq!(states(&raw, cluster, &nodes), (up, up, vec![UP; 3]));
    let (network, _, _) = path();
    raw.happen(Incident::NetworkDown { network });
    assert_eq!(states(&raw, cluster, &nodes), (down, up, vec![FAILED; 3]));
}

#[test]
fn roles_have_their_rules() {
    let (raw, cluster) = production();
    let (clients, heartbeat) = (
        network(&raw, cluster, "Client Access"),
        network(&raw, cluster, "heartbeat"),
    );
    assert_eq!(set_role(&raw, clients, 1), Err(5067), "addresses depend on it");
    assert_eq!(set_role(&raw, clients, 2), Err(87));
    assert_eq!(set_role(&raw, heartbeat, 4), Err(5913));
    assert_eq!(set_role(&raw, heartbeat, 0), Ok(()));
    assert_eq!(
        // SAFETY: The function checks its handle.
        unsafe { raw.table.GetClusterNetworkState.unwrap()(heartbeat) },
        network_state::UNAVAILABLE
    );
    assert_eq!(set_role(&raw, clients, 0), Err(5066), "it is the last internal one");
    // Nothing of a refused list is taken.
    let both = list(&[("Description", Value::Sz("x".into())), ("Role", Value::Dword(0))]);
    let code = ctl::NETWORK_SET_COMMON_PROPERTIES;
    assert_eq!(control(&raw, Target::Network(clients), code, &both), Err(5066));
    let now = properties(&raw, Target::Network(clients), ctl::NETWORK_GET_COMMON_PROPERTIES);
    assert_eq!((now.text("Description"), now.dword("Role")), (Some(""), Some(3)));
    let metric = list(&[("Metric", Value::Dword(500))]);
    control(&raw, Target::Network(clients), code, &metric).unwrap();
    let now = properties(&raw, Target::Network(clients), ctl::NETWORK_GET_COMMON_PROPERTIES);
    assert_eq!((now.dword("Metric"), now.dword("AutoMetric")), (Some(500), Some(0)));
}

#[test]
fn networks_are_renamed_and_ordered() {
    let (raw, cluster) = production();
    let (clients, heartbeat) = (
        network(&raw, cluster, "Client Access"),
        network(&raw, cluster, "Heartbeat"),
    );
    let port = open_port(
        &raw,
        cluster,
        &[filter(notify_object::NETWORK, notify_network::COMMON_PROPERTY)],
        1,
    );
    let rename = |name: &str| {
        let name = wide(name);
        // SAFETY: The name is NUL-terminated.
        unsafe { raw.table.SetClusterNetworkName.unwrap()(heartbeat, name.as_ptr()) }
    };
    assert_eq!(rename("client access"), 5010);
    assert_eq!(rename(""), 87);
    assert_eq!(rename("Private"), 0);
    let told = events(&raw, port);
    assert_eq!(told.len(), 1);
    assert_eq!(
        PropertyList::parse(&told[0].payload).unwrap().text("Name"),
        Some("Private")
    );
    let internal = || raw.names(cluster, cluster_enum::INTERNAL_NETWORK);
    assert_eq!(internal(), ["Client Access", "Private"]);
    let order = |networks: &[isize]| {
        let count = u32::try_from(networks.len()).unwrap();
        // SAFETY: There are as many handles as the count says.
        unsafe { raw.table.SetClusterNetworkPriorityOrder.unwrap()(cluster, count, networks.as_ptr()) }
    };
    assert_eq!(order(&[heartbeat]), 87);
    assert_eq!(order(&[heartbeat, heartbeat]), 87);
    assert_eq!(order(&[heartbeat, cluster]), 6);
    assert_eq!(order(&[heartbeat, clients]), 0);
    assert_eq!(internal(), ["Private", "Client Access"]);
    set_role(&raw, heartbeat, 0).unwrap();
    assert_eq!(order(&[heartbeat, clients]), 5060);
}

#[test]
fn interfaces_are_found_by_node_and_network() {
    let (raw, cluster) = production();
    let (node, network_name) = (wide("HV3"), wide("Client Access"));
    let mut name = [0_u16; 64];
    let find = |node: &[u16], network: &[u16], name: &mut [u16]| {
        let mut units = 64;
        let function = raw.table.GetClusterNetInterface.unwrap();
        // SAFETY: The names are NUL-terminated, and the buffer has the room that its count says.
        unsafe {
            function(
                cluster,
                node.as_ptr(),
                network.as_ptr(),
                name.as_mut_ptr(),
                &raw mut units,
            )
        }
    };
    assert_eq!(find(&node, &network_name, &mut name), 0);
    // SAFETY: The buffer is NUL-terminated now.
    assert_eq!(unsafe { read_wide(name.as_ptr()) }, "hv3 - Clients");
    assert_eq!(find(&wide("hv9"), &network_name, &mut name), 5042);
    assert_eq!(find(&node, &wide("none"), &mut name), 5045);
    let table = &raw.table;
    let list = |node: Option<&[u16]>, network: Option<&[u16]>| {
        let pointer = |name: Option<&[u16]>| name.map_or(std::ptr::null(), <[u16]>::as_ptr);
        // SAFETY: The names are NULL or NUL-terminated.
        let handle = unsafe { table.ClusterNetInterfaceOpenEnum.unwrap()(cluster, pointer(node), pointer(network)) };
        let names = enumerated(|index, _, name, units| {
            // SAFETY: The buffer has the room that its count says.
            unsafe { table.ClusterNetInterfaceEnum.unwrap()(handle, index, name.as_mut_ptr(), units) }
        });
        // SAFETY: The function checks its handle.
        assert_eq!(unsafe { table.ClusterNetInterfaceCloseEnum.unwrap()(handle) }, 0);
        names.len()
    };
    assert_eq!(list(None, None), 8);
    assert_eq!(list(Some(&node), None), 2);
    assert_eq!(list(None, Some(&network_name)), 4);
    assert_eq!(list(Some(&node), Some(&network_name)), 1);
}
