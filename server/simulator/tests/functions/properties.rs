//! Property lists of every kind of object.

use proptest::prelude::*;
use wsfc_clusapi::proplist::{PropertyList, Value};
use wsfc_clusapi::sys::constants::{control as ctl, notify_group, notify_object, notify_resource};

use crate::call::{Target, bytes, control, events, list, open, production, properties, text, texts};
use crate::notify::{filter, open as open_port};
use crate::raw::Raw;

fn resource(raw: &Raw, cluster: isize, name: &str) -> isize {
    open(raw, raw.table.OpenClusterResource, cluster, name).unwrap()
}

#[test]
fn every_kind_of_object_has_its_lists() {
    let (raw, cluster) = production();
    let table = &raw.table;
    let node = raw.open_node(cluster, "hv1").unwrap();
    let group = raw.open_group(cluster, "Files").unwrap();
    let name = resource(&raw, cluster, "Files Name");
    let network = open(&raw, table.OpenClusterNetwork, cluster, "Client Access").unwrap();
    let interface = open(&raw, table.OpenClusterNetInterface, cluster, "hv1 - Clients").unwrap();
    let set = open(&raw, table.OpenClusterGroupSet, cluster, "Directory").unwrap();
    let cases: [(Target<'_>, u32, &[&str], &[&str]); 9] = [
        (
            Target::Cluster(cluster),
            7,
            &["SameSubnetDelay", "Security Descriptor"],
            &["SharedVolumesRoot"],
        ),
        (
            Target::Node(node),
            4,
            &["NodeWeight"],
            &["NodeName", "NodeDrainTarget", "Model"],
        ),
        (
            Target::Group(group),
            3,
            &["Priority", "CCFEpoch"],
            &["Name", "GroupType"],
        ),
        (
            Target::Resource(name),
            1,
            &["RestartAction", "EmbeddedFailureAction"],
            &["Type"],
        ),
        (
            Target::Type(cluster, "network name"),
            2,
            &["Name", "DumpPolicy"],
            &["DllName"],
        ),
        (
            Target::Network(network),
            5,
            &["Role", "Metric"],
            &["IPv4Addresses", "Address"],
        ),
        (
            Target::Interface(interface),
            6,
            &["Description"],
            &["Node", "DhcpEnabled"],
        ),
        (Target::Set(set), 8, &["StartupSetting"], &["Name", "IsAvailabilitySet"]),
        (Target::Rule(cluster, "Web pair"), 9, &["Enabled"], &["Groups"]),
    ];
    for (target, object, settable, read_only) in cases {
        let code = |low: u32| object << 24 | low;
        let common = properties(&raw, target, code(0x59));
        let fixed = properties(&raw, target, code(0x55));
        for name in settable {
            assert!(common.get(name).is_some(), "{target:?} {name}");
        }
        for name in read_only {
            assert!(fixed.get(name).is_some(), "{target:?} {name}");
        }
        if object < 8 {
            let names = texts(&control(&raw, target, code(0x51), &[]).unwrap());
            assert_eq!(
                names.len(),
                common.properties.len() + fixed.properties.len(),
                "{target:?}"
            );
            let formats = properties(&raw, target, code(0x65));
            assert_eq!(formats.properties.len(), common.properties.len(), "{target:?}");
        } else {
            assert_eq!(
                control(&raw, target, code(0x51), &[]),
                Err(1),
                "{target:?} knows few codes"
            );
        }
        // What is read can be written back as it is.
        let whole = control(&raw, target, code(0x59), &[]).unwrap();
        let result = control(&raw, target, code(0x40_005E), &whole);
        assert_eq!(result, Ok(Vec::new()), "{target:?}");
        assert_eq!(control(&raw, target, code(0x59), &[]).unwrap(), whole, "{target:?}");
    }
    assert_eq!(
        properties(&raw, Target::Node(node), ctl::NODE_GET_RO_COMMON_PROPERTIES).text("NodeName"),
        Some("hv1")
    );
    let private = properties(&raw, Target::Resource(name), ctl::RESOURCE_GET_PRIVATE_PROPERTIES);
    assert_eq!(
        (private.text("DnsName"), private.dword("HostRecordTTL")),
        (Some("files"), Some(1_200))
    );
    let private = properties(&raw, Target::Resource(name), ctl::RESOURCE_GET_RO_PRIVATE_PROPERTIES);
    assert!(private.text("ObjectGUID").is_some());
}

#[test]
fn bad_values_are_refused_each_with_its_code() {
    let (raw, cluster) = production();
    let group = Target::Group(raw.open_group(cluster, "DC1").unwrap());
    let set = |properties: &[(&str, Value)]| {
        control(&raw, group, ctl::GROUP_SET_COMMON_PROPERTIES, &list(properties)).map(|_| ())
    };
    let dword = Value::Dword;
    assert_eq!(set(&[("priority", dword(3_001))]), Err(5913));
    assert_eq!(set(&[("Priority", Value::Sz("high".into()))]), Err(5895));
    assert_eq!(set(&[("Name", Value::Sz("other".into()))]), Err(87), "read-only");
    assert_eq!(set(&[("NoSuchThing", dword(1))]), Err(87));
    assert_eq!(
        set(&[("Priority", dword(1_000)), ("FailbackWindowStart", dword(24))]),
        Err(5913)
    );
    let before = properties(&raw, group, ctl::GROUP_GET_COMMON_PROPERTIES);
    assert_eq!(
        before.dword("Priority"),
        Some(3_000),
        "nothing of a refused list is taken"
    );
    let code = ctl::GROUP_SET_COMMON_PROPERTIES;
    assert_eq!(
        control(&raw, group, code, &[1, 0, 0, 0, 9, 9, 9, 9, 0, 0, 0, 0]),
        Err(13)
    );
    assert_eq!(control(&raw, group, code, &[1, 0, 0, 0, 3, 0]), Err(122));
    // A DWORD of three bytes.
    let mut odd = list(&[("Priority", dword(1))]);
    let place = odd.len() - 12;
    odd[place] = 3;
    assert_eq!(control(&raw, group, code, &odd), Err(87));
    let validate = ctl::GROUP_VALIDATE_COMMON_PROPERTIES;
    assert_eq!(
        control(&raw, group, validate, &list(&[("Priority", dword(1))])),
        Ok(Vec::new())
    );
    assert_eq!(properties(&raw, group, ctl::GROUP_GET_COMMON_PROPERTIES), before);
    let resource = Target::Resource(resource(&raw, cluster, "SQL Server"));
    let mismatch = list(&[("RetryPeriodOnFailure", dword(1))]);
    assert_eq!(
        control(&raw, resource, ctl::RESOURCE_SET_COMMON_PROPERTIES, &mismatch),
        Err(5897),
        "it is shorter than RestartPeriod"
    );
}

#[test]
fn private_properties_of_an_online_resource_wait() {
    let (raw, cluster) = production();
    let address = resource(&raw, cluster, "Files Address");
    let target = Target::Resource(address);
    let filters = [filter(notify_object::RESOURCE, notify_resource::EVERYTHING)];
    let port = open_port(&raw, cluster, &filters, 1);
    let set = |properties: &[(&str, Value)]| {
        let bytes = list(properties);
        control(&raw, target, ctl::RESOURCE_SET_PRIVATE_PROPERTIES, &bytes).map(|_| ())
    };
    let new = Value::Sz("10.20.0.111".into());
    assert_eq!(
        set(&[("Address", new.clone()), ("Own", Value::Binary(vec![1, 2, 3]))]),
        Err(5024)
    );
    assert_eq!(set(&[("Address", new)]), Ok(()), "nothing has changed");
    let private = properties(&raw, target, ctl::RESOURCE_GET_PRIVATE_PROPERTIES);
    assert_eq!(private.text("Address"), Some("10.20.0.111"));
    assert_eq!(private.get("own").unwrap().values, [Value::Binary(vec![1, 2, 3])]);
    let told = events(&raw, port);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].flag, notify_resource::PRIVATE_PROPERTY);
    let changed = PropertyList::parse(&told[0].payload).unwrap();
    let names: Vec<&str> = changed.properties.iter().map(|own| own.name.as_str()).collect();
    assert_eq!(names, ["Address", "Own"], "only what has changed");
    // The cluster answers at the old address until the resource comes online again.
    assert_eq!(raw.open(Some("10.20.0.111")), Err(1722));
    raw.open(Some("10.20.0.110")).unwrap();
    // SAFETY: The function checks its handle.
    let code = unsafe { raw.table.OfflineClusterResource.unwrap()(address) };
    assert!(matches!(code, 0 | 997), "{code}");
    raw.simulation.advance(std::time::Duration::from_secs(600));
    // SAFETY: The function checks its handle.
    let code = unsafe { raw.table.OnlineClusterResource.unwrap()(address) };
    assert!(matches!(code, 0 | 997), "{code}");
    raw.simulation.advance(std::time::Duration::from_secs(600));
    raw.open(Some("10.20.0.111")).unwrap();
    // An empty value goes back to the default, and takes a custom property away.
    // SAFETY: The function checks its handle.
    unsafe { raw.table.OfflineClusterResource.unwrap()(address) };
    raw.simulation.advance(std::time::Duration::from_secs(600));
    let mut empty = list(&[("Own", Value::Binary(vec![]))]);
    assert_eq!(
        control(&raw, target, ctl::RESOURCE_SET_PRIVATE_PROPERTIES, &empty),
        Ok(Vec::new())
    );
    let private = properties(&raw, target, ctl::RESOURCE_GET_PRIVATE_PROPERTIES);
    assert!(private.get("Own").is_none());
    empty.clear();
    assert_eq!(
        control(&raw, target, ctl::RESOURCE_SET_PRIVATE_PROPERTIES, &empty),
        Err(122)
    );
}

#[test]
fn a_change_tells_what_has_changed_and_a_reset_too() {
    let (raw, cluster) = production();
    let group = raw.open_group(cluster, "Files").unwrap();
    let port = open_port(
        &raw,
        cluster,
        &[filter(notify_object::GROUP, notify_group::COMMON_PROPERTY)],
        1,
    );
    let set = |properties: &[(&str, Value)]| {
        let code = ctl::GROUP_SET_COMMON_PROPERTIES;
        control(&raw, Target::Group(group), code, &list(properties)).unwrap();
        let told = events(&raw, port);
        told.iter()
            .map(|event| PropertyList::parse(&event.payload).unwrap())
            .collect::<Vec<_>>()
    };
    let told = set(&[("Priority", Value::Dword(2_000)), ("FailoverPeriod", Value::Dword(9))]);
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].dword("FailoverPeriod"), told[0].dword("Priority")),
        (Some(9), None)
    );
    assert_eq!(set(&[("FailoverPeriod", Value::Dword(9))]), []);
    let mut reset = list(&[("FailoverPeriod", Value::Dword(9))]);
    // The length of the value, and the value itself, go away.
    let place = reset.len() - 12;
    reset[place] = 0;
    reset.drain(place + 4..place + 8);
    let code = ctl::GROUP_SET_COMMON_PROPERTIES;
    control(&raw, Target::Group(group), code, &reset).unwrap();
    let told = events(&raw, port);
    let told = PropertyList::parse(&told[0].payload).unwrap();
    assert_eq!(told.dword("FailoverPeriod"), Some(6));
}

#[test]
fn objects_say_who_they_are() {
    let (raw, cluster) = production();
    let disk = resource(&raw, cluster, "Spare");
    let ask = |target, code| control(&raw, target, code, &[]);
    let disk = Target::Resource(disk);
    assert_eq!(text(&ask(disk, ctl::RESOURCE_GET_NAME).unwrap()), "Spare");
    assert_eq!(
        text(&ask(disk, ctl::RESOURCE_GET_RESOURCE_TYPE).unwrap()),
        "Physical Disk"
    );
    assert_eq!(
        ask(disk, ctl::RESOURCE_GET_CLASS_INFO).unwrap(),
        [1, 0, 0, 0, 0, 0, 0, 0xC0]
    );
    assert_eq!(ask(disk, ctl::RESOURCE_GET_CHARACTERISTICS).unwrap(), [3, 0, 0, 0]);
    let name = Target::Type(cluster, "Network Name");
    let needs = ask(name, ctl::RESOURCE_TYPE_GET_REQUIRED_DEPENDENCIES).unwrap();
    assert!(needs.windows(20).any(|part| part == &bytes("IP Address")[..20]));
    let interface = open(&raw, raw.table.OpenClusterNetInterface, cluster, "hv2 - Heartbeat").unwrap();
    let interface = Target::Interface(interface);
    assert_eq!(text(&ask(interface, ctl::NETINTERFACE_GET_NODE).unwrap()), "hv2");
    assert_eq!(
        text(&ask(interface, ctl::NETINTERFACE_GET_NETWORK).unwrap()),
        "Heartbeat"
    );
    let cluster_name = Target::Cluster(cluster);
    assert_eq!(
        text(&ask(cluster_name, ctl::CLUSTER_GET_FQDN).unwrap()),
        "prod.corp.example"
    );
    assert_eq!(ask(cluster_name, 0), Err(1));
    assert_eq!(
        ask(
            Target::Type(cluster, "no such"),
            ctl::RESOURCE_TYPE_GET_COMMON_PROPERTIES
        ),
        Err(5078)
    );
    let files = Target::Resource(resource(&raw, cluster, "Files Server"));
    assert_eq!(text(&ask(files, ctl::RESOURCE_GET_NETWORK_NAME).unwrap()), "FILES");
}

#[test]
fn checkpoints_stay_with_their_resource() {
    let (raw, cluster) = production();
    let service = Target::Resource(resource(&raw, cluster, "SQL Server"));
    let key = bytes("SOFTWARE\\Vendor");
    let add = ctl::RESOURCE_ADD_REGISTRY_CHECKPOINT;
    assert_eq!(control(&raw, service, add, &key), Ok(Vec::new()));
    assert_eq!(control(&raw, service, add, &key), Err(183));
    control(&raw, service, add, &bytes("SOFTWARE\\Other")).unwrap();
    let get = || texts(&control(&raw, service, ctl::RESOURCE_GET_REGISTRY_CHECKPOINTS, &[]).unwrap());
    assert_eq!(get(), ["SOFTWARE\\Vendor", "SOFTWARE\\Other"]);
    let delete = ctl::RESOURCE_DELETE_REGISTRY_CHECKPOINT;
    assert_eq!(control(&raw, service, delete, &key), Ok(Vec::new()));
    assert_eq!(control(&raw, service, delete, &key), Err(2));
    assert_eq!(get(), ["SOFTWARE\\Other"]);
}

/// A value of any format that a private list takes.
fn value() -> impl Strategy<Value = Value> {
    let text = "[a-zA-Z0-9 äß\\\\]{0,20}";
    prop_oneof![
        any::<u32>().prop_map(Value::Dword),
        any::<u64>().prop_map(Value::Ularge),
        any::<i32>().prop_map(Value::Long),
        any::<i64>().prop_map(Value::Large),
        any::<u16>().prop_map(Value::Word),
        any::<u64>().prop_map(Value::Filetime),
        text.prop_map(Value::Sz),
        proptest::collection::vec("[a-z]{1,8}", 0..4).prop_map(Value::MultiSz),
        proptest::collection::vec(any::<u8>(), 1..20).prop_map(Value::Binary),
        proptest::collection::vec(any::<u8>(), 1..20).prop_map(Value::SecurityDescriptor),
    ]
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn what_set_writes_get_reads() {
    let (raw, cluster) = production();
    let reports = Target::Resource(resource(&raw, cluster, "Reports"));
    let config = ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let values = proptest::collection::btree_map("[A-Z][a-z]{3,10}", value(), 1..8);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&values, |values| {
            let written: Vec<(&str, Value)> = values
                .iter()
                .map(|(name, value)| (name.as_str(), value.clone()))
                .collect();
            control(&raw, reports, ctl::RESOURCE_SET_PRIVATE_PROPERTIES, &list(&written)).unwrap();
            let read = properties(&raw, reports, ctl::RESOURCE_GET_PRIVATE_PROPERTIES);
            for (name, value) in written {
                let found = read.get(name).map(|own| &own.values[0]);
                prop_assert_eq!(found, Some(&value), "{}", name);
            }
            Ok(())
        })
        .unwrap();
}
