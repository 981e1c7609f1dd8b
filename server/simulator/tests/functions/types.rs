//! What the type of a resource asks for: nodes, singletons, providers.

use wsfc_clusapi::proplist::{PropertyList, Value};
use wsfc_clusapi::sys::constants::{cluster_enum, control as ctl, group_state, resource_state};
use wsfc_simulator::scenario::{Disk, ExistingType};

use crate::call::{Target, control, enumerated};
use crate::raw::{Raw, wide};
use crate::verbs::{instant, with};

fn own_type(name: &str, characteristics: u32, nodes: Option<&[&str]>) -> ExistingType {
    ExistingType {
        name: name.into(),
        dll: "own.dll".into(),
        characteristics,
        nodes: nodes.map(|nodes| nodes.iter().map(|node| (*node).to_owned()).collect()),
    }
}

fn nodes_of_type(raw: &Raw, cluster: isize, name: &str) -> Vec<String> {
    let name = wide(name);
    // SAFETY: The name is NUL-terminated.
    let handle = unsafe { raw.table.ClusterResourceTypeOpenEnum.unwrap()(cluster, name.as_ptr(), 1) };
    let found = enumerated(|index, kind, name, units| {
        // SAFETY: The buffer has the room that its count says.
        unsafe { raw.table.ClusterResourceTypeEnum.unwrap()(handle, index, kind, name.as_mut_ptr(), units) }
    });
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.ClusterResourceTypeCloseEnum.unwrap()(handle) }, 0);
    found.into_iter().map(|(_, name)| name).collect()
}

#[test]
fn a_type_may_be_missing_on_nodes() {
    let (raw, cluster) = with(&["n1", "n2", "n3"], |scenario| {
        scenario.clusters[0].resource_types = vec![own_type("Rare", 0, Some(&["N2", "n3"]))];
    });
    assert_eq!(nodes_of_type(&raw, cluster, "Rare"), ["n2", "n3"]);
    assert_eq!(nodes_of_type(&raw, cluster, "Generic Service"), ["n1", "n2", "n3"]);
    let [n1, n2, n3] = ["n1", "n2", "n3"].map(|name| raw.open_node(cluster, name).unwrap());
    let group = raw.make_group(cluster, "g");
    assert_eq!(raw.owner(group), "n1");
    assert_eq!(raw.try_resource(group, "one", "Rare"), Err(5079));
    assert_eq!(raw.move_group(group, n2), 0);
    let one = raw.try_resource(group, "one", "rare").unwrap();
    assert_eq!(raw.move_group(group, n1), 5071);
    // SAFETY: The function checks its handles.
    assert_eq!(unsafe { raw.table.AddClusterResourceNode.unwrap()(one, n1) }, 5079);
    assert_eq!(raw.online_group(group, n1), 5071);
    assert_eq!(raw.forbid(one, n2), 0);
    assert_eq!(raw.online_group(group, 0), 5082, "the owner may not own it");
    assert_eq!(raw.online_group(group, n3), 0);
    assert_eq!(raw.group(group), (group_state::ONLINE, "n3".into()));
}

#[test]
fn some_types_are_for_one_resource() {
    let (raw, cluster) = with(&["n1"], |scenario| {
        scenario.clusters[0].resource_types = vec![own_type("Alone", 0x40, None), own_type("One Each", 0x80, None)];
    });
    let characteristics = |kind| {
        control(
            &raw,
            Target::Type(cluster, kind),
            ctl::RESOURCE_TYPE_GET_CHARACTERISTICS,
            &[],
        )
    };
    assert_eq!(characteristics("alone").unwrap(), [0x40, 0, 0, 0]);
    assert_eq!(characteristics("One Each").unwrap(), [0x80, 0, 0, 0]);
    let [first, second] = ["first", "second"].map(|name| raw.make_group(cluster, name));
    for (alone, each) in [("Alone", "One Each"), ("Task Scheduler", "Scale Out File Server")] {
        let name = |what: &str| format!("{what} of {alone}");
        let one = raw.try_resource(first, &name("one"), alone).unwrap();
        assert_eq!(raw.try_resource(first, &name("other"), alone), Err(5940));
        assert_eq!(raw.try_resource(second, &name("other"), alone), Err(5940));
        raw.try_resource(first, &name("two"), each).unwrap();
        assert_eq!(raw.try_resource(first, &name("three"), each), Err(5941));
        let three = raw.try_resource(second, &name("three"), each).unwrap();
        let change = |resource, group| {
            // SAFETY: The function checks its handles.
            unsafe { raw.table.ChangeClusterResourceGroup.unwrap()(resource, group) }
        };
        assert_eq!(change(three, first), 5941);
        assert_eq!(change(one, second), 0, "it is still the only one");
        assert_eq!(raw.delete_resource(one), 0);
        raw.try_resource(second, &name("other"), alone).unwrap();
    }
}

#[test]
fn some_types_need_every_node_to_delete_a_resource() {
    let (raw, cluster) = with(&["n1", "n2", "n3"], |scenario| {
        scenario.clusters[0].resource_types = vec![own_type("Everywhere", 2, None)];
    });
    let group = raw.make_group(cluster, "g");
    let one = raw.try_resource(group, "one", "Everywhere").unwrap();
    let disk = raw.try_resource(group, "disk", "Physical Disk").unwrap();
    let other = raw.make_resource(group, "other");
    raw.kill("n3");
    assert_eq!((raw.delete_resource(one), raw.delete_resource(disk)), (5037, 5037));
    assert_eq!(raw.delete_resource(other), 0);
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.DestroyClusterGroup.unwrap()(group) }, 5037);
    raw.power_on("n3");
    assert_eq!(raw.delete_resource(one), 0);
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.DestroyClusterGroup.unwrap()(group) }, 0);
}

#[test]
fn a_cluster_has_room_for_so_many_resources() {
    let (raw, cluster) = with(&["n1"], |scenario| scenario.resource_limit = 4);
    let group = raw.make_group(cluster, "g");
    let there = raw.names(cluster, cluster_enum::RESOURCE).len();
    for number in there..4 {
        raw.make_resource(group, &number.to_string());
    }
    assert_eq!(raw.try_resource(group, "more", "Generic Service"), Err(5076));
    let last = raw.open_resource(cluster, "3").unwrap();
    assert_eq!(raw.delete_resource(last), 0);
    raw.make_resource(group, "more");
}

#[test]
fn required_providers_must_be_there_before_a_resource_comes_online() {
    let (raw, cluster) = instant(&["n1", "n2"]);
    let group = raw.make_group(cluster, "g");
    let name = raw.try_resource(group, "name", "Network Name").unwrap();
    let server = raw.try_resource(group, "server", "File Server").unwrap();
    assert_eq!(raw.depend(server, name), 0);
    assert_eq!(raw.online(name), 5002);
    assert_eq!(raw.online(server), 5002, "its provider lacks one");
    assert_eq!(raw.resource(name), resource_state::OFFLINE);
    // The group as a whole is taken up; what cannot come online fails, here and on the other node.
    assert_eq!(raw.online_group(group, 0), 997);
    assert_eq!(raw.group(group).0, group_state::FAILED);
    assert_eq!(raw.resource(name), resource_state::FAILED);
    assert_eq!(raw.resource(server), resource_state::OFFLINE);
    let list = control(
        &raw,
        Target::Resource(name),
        ctl::RESOURCE_GET_RO_COMMON_PROPERTIES,
        &[],
    )
    .unwrap();
    let list = PropertyList::parse(&list).unwrap();
    let status = list.get("LastOperationStatusCode").unwrap();
    assert_eq!(status.values, [Value::Ularge(5002)]);
    assert!(matches!(raw.offline_group(group), 0 | 997));
    let address = raw.try_resource(group, "address", "IPv6 Address").unwrap();
    assert_eq!(raw.depend(name, address), 0);
    assert_eq!(raw.online(server), 0);
    assert_eq!(raw.group(group).0, group_state::ONLINE);
    // A disk of any kind is a disk.
    let services = raw.make_group(cluster, "services");
    let dhcp = raw.try_resource(services, "dhcp", "DHCP Service").unwrap();
    let dhcp_address = raw.try_resource(services, "dhcp address", "IP Address").unwrap();
    assert_eq!(raw.depend(dhcp, dhcp_address), 0);
    assert_eq!(raw.online(dhcp), 5002);
    let pool = raw.try_resource(services, "pool", "Storage Pool").unwrap();
    assert_eq!(raw.depend(dhcp, pool), 0);
    assert_eq!(raw.online(dhcp), 0);
    assert_eq!(raw.resource(dhcp), resource_state::ONLINE);
}

#[test]
fn the_clusters_own_name_and_its_disks_start_as_before() {
    let (raw, cluster) = with(&["n1", "n2", "n3"], |scenario| {
        scenario.disks = vec![Disk {
            name: "d".into(),
            size_gb: 1,
            machines: None,
            shared_volumes: true,
        }];
        scenario.clusters[0].disks = vec!["d".into()];
    });
    let core = raw.open_group(cluster, "Cluster Group").unwrap();
    raw.kill(&raw.owner(core));
    assert_eq!(raw.group(core).0, group_state::ONLINE);
    let storage = raw.open_group(cluster, "Available Storage").unwrap();
    assert_eq!(raw.group(storage).0, group_state::ONLINE);
}
