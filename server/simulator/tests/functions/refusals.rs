//! What setup calls refuse, and with which code.

use wsfc_clusapi::sys::constants::{management_point_type, version};
use wsfc_clusapi::sys::types::{CLUSTER_IP_ENTRY, CREATE_CLUSTER_CONFIG, PCWSTR};
use wsfc_simulator::Release;

use crate::raw::{Raw, Recorder, wide};

#[test]
fn names_and_counts_are_checked_before_any_phase() {
    let raw = Raw::new(|_| {});
    let recorder = Recorder::new();
    let long = "x".repeat(64);
    let many: Vec<String> = (0..65).map(|number| format!("m{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (name, nodes, addresses, code) in [
        ("", &["n1"][..], &[][..], 87),
        (long.as_str(), &["n1"], &[], 1210),
        ("a b", &["n1"], &[], 1210),
        ("c", &[], &[], 87),
        ("c", &many, &[], 5935),
        ("c", &["n1", "N1"], &[], 87),
        ("c", &["n1", "n1.demo.example"], &[], 87),
        ("c", &["n1", ""], &[], 87),
        ("c", &["n1"], &["10.0.0.256"], 87),
    ] {
        assert_eq!(
            raw.create_recorded(name, nodes, addresses, &recorder),
            Err(code),
            "{name} {nodes:?}"
        );
    }
    assert_eq!(recorder.records(), []);
    assert_eq!(raw.create_config(std::ptr::null(), &recorder), Err(87));
}

#[test]
fn an_empty_cluster_has_no_addresses() {
    let raw = Raw::new(|_| {});
    let (name, node) = (wide("c"), wide("n1"));
    let mut config = CREATE_CLUSTER_CONFIG {
        dwVersion: version::WINDOWS_BLUE,
        lpszClusterName: name.as_ptr(),
        cNodes: 1,
        ppszNodeNames: std::ptr::null(),
        cIpEntries: 0,
        pIpEntries: std::ptr::dangling_mut(),
        // Not a Rust bool: any byte but 0 is TRUE.
        fEmptyCluster: 0xFF,
        managementPointType: management_point_type::CNO,
        managementPointResType: 0,
        pszUserName: std::ptr::null(),
        pszPassword: std::ptr::null(),
        pszDomain: std::ptr::null(),
    };
    let names = [node.as_ptr()];
    config.ppszNodeNames = names.as_ptr();
    assert_eq!(raw.create_config(&raw const config, &Recorder::new()), Err(87));
    config.pIpEntries = std::ptr::null_mut();
    let recorder = Recorder::new();
    let cluster = raw.create_config(&raw const config, &recorder).unwrap();
    assert!(!recorder.ended().contains(&205), "an empty cluster has no network name");
    assert_eq!(raw.information(cluster).unwrap().0, "c");
    assert_eq!(raw.open(Some("c")), Err(1722), "its name is not on the network");
    raw.open(Some("n1")).unwrap();
}

#[test]
fn a_version_that_never_was_is_refused() {
    let raw = Raw::new(|_| {});
    // The version alone is read then: nothing else of the struct need be there.
    let version: u32 = 0x5FF;
    let config = (&raw const version).cast();
    assert_eq!(raw.create_config(config, &Recorder::new()), Err(1306));
}

#[test]
fn an_old_struct_is_read_no_further_than_its_version() {
    /// The form of 2008, which ends behind fEmptyCluster.
    #[repr(C)]
    struct Config2008 {
        version: u32,
        name: PCWSTR,
        node_count: u32,
        nodes: *const PCWSTR,
        address_count: u32,
        addresses: *const CLUSTER_IP_ENTRY,
        empty: u8,
    }
    let raw = Raw::new(|_| {});
    let (name, node) = (wide("c"), wide("n1"));
    let names = [node.as_ptr()];
    // What would follow is not part of the allocation, so Miri sees every read beyond the end.
    let config = Box::new(Config2008 {
        version: version::SERVER_2008,
        name: name.as_ptr(),
        node_count: 1,
        nodes: names.as_ptr(),
        address_count: 0,
        addresses: std::ptr::null(),
        empty: 0,
    });
    assert_eq!(size_of_val(&*config), 56);
    raw.create_config(std::ptr::from_ref(&*config).cast(), &Recorder::new())
        .unwrap();
}

#[test]
fn machines_that_cannot_be_nodes() {
    let raw = Raw::new(|scenario| {
        scenario.machines[1].reachable = false;
        scenario.machines[2].feature_installed = false;
        scenario.machines[3].already_clustered = true;
    });
    for (node, status, code) in [
        ("n2", 0x8007_13BB, 5051),
        ("n3", 0x8004_0154, 5932),
        ("n4", 5898, 5898),
        ("nowhere", 53, 53),
    ] {
        let recorder = Recorder::new();
        assert_eq!(raw.create_recorded("c", &["n1", node], &[], &recorder), Err(code));
        assert_eq!(recorder.troubles(), [(100, 3, status)]);
        assert_eq!(recorder.ended(), [1, 100, 100, 999], "a failure is cleaned up");
    }
    assert_eq!(raw.host_state("n1"), Ok(1));
    assert_eq!(raw.host_state("n2"), Err(1722));
    assert_eq!(raw.host_state("n3"), Ok(0));
    assert_eq!(raw.host_state("n4"), Ok(19));
    assert_eq!(raw.host_state("nowhere"), Err(53));

    let cluster = raw.create("c", &["n1"], &[]).unwrap();
    for (node, code) in [
        ("n1", 5065),
        ("n2", 5051),
        ("n3", 5932),
        ("n4", 5898),
        ("nowhere", 53),
        ("", 87),
    ] {
        assert_eq!(raw.add(cluster, node), Err(code), "{node}");
    }
    assert_eq!(raw.names(cluster, 1), ["n1"]);
}

#[test]
fn names_and_addresses_that_are_taken() {
    let raw = Raw::new(|scenario| {
        scenario.domain.taken_names = vec!["Used".into()];
        scenario.used_addresses = vec!["10.0.0.60".parse().unwrap()];
    });
    assert_eq!(raw.create("used", &["n1"], &["10.0.0.50"]), Err(5936));
    raw.create("c", &["n1"], &["10.0.0.50"]).unwrap();
    assert_eq!(raw.create("C", &["n2"], &["10.0.0.51"]), Err(5900));
    // Missing resources do not fail the call.
    for (name, node, address, status) in [
        ("d", "n2", "10.0.0.50", 5057),
        ("e", "n3", "10.0.0.60", 5057),
        ("f", "n4", "192.168.7.7", 5894),
    ] {
        let recorder = Recorder::new();
        raw.create_recorded(name, &[node], &[address], &recorder).unwrap();
        assert_eq!(recorder.troubles()[0], (204, 2, status));
        assert_eq!(raw.open(Some(name)), Err(1722), "without an address there is no name");
    }
}

#[test]
fn accounts_that_may_not_be_created() {
    let raw = Raw::new(|scenario| scenario.domain.account_creation = false);
    let recorder = Recorder::new();
    assert_eq!(raw.create_recorded("c", &["n1"], &["10.0.0.50"], &recorder), Err(5));
    assert_eq!(recorder.troubles(), [(107, 3, 5)]);
    raw.create("c", &["n1"], &[]).unwrap();
}

#[test]
fn releases_that_do_not_go_together() {
    let raw = Raw::new(|scenario| {
        scenario.machines[0].os = Release::Server2016;
        scenario.machines[1].os = Release::Server2019;
        scenario.machines[3].os = Release::Server2012R2;
    });
    assert_eq!(
        raw.create("c", &["n1", "n3"], &[]),
        Err(5899),
        "2016 and 2022 are two levels apart"
    );
    let cluster = raw.create("c", &["n1"], &[]).unwrap();
    raw.add(cluster, "n2").unwrap();
    assert_eq!(raw.information(cluster).unwrap().1.dwFlags, 1, "mixed");
    assert_eq!(raw.add(cluster, "n3"), Err(5075));
    assert_eq!(raw.add(cluster, "n4"), Err(5075));
}

#[test]
fn the_last_node_is_not_evicted_and_groups_forbid_destruction() {
    let raw = Raw::new(|_| {});
    let cluster = raw.create("c", &["n1"], &[]).unwrap();
    let node = raw.open_node(cluster, "n1").unwrap();
    assert_eq!(raw.evict(node, 0).0, 5939);
    let name = wide("Files");
    // SAFETY: The name is NUL-terminated.
    let group = unsafe { raw.table.CreateClusterGroup.unwrap()(cluster, name.as_ptr()) };
    let recorder = Recorder::new();
    assert_eq!(raw.destroy(cluster, &recorder), 5937);
    assert_eq!(recorder.troubles(), [(1, 3, 5937)]);
    // SAFETY: The function checks its handle.
    assert_eq!(unsafe { raw.table.DeleteClusterGroup.unwrap()(group) }, 0);
    assert_eq!(raw.destroy(cluster, &Recorder::new()), 0);
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn the_sixty_fifth_node_is_refused() {
    let raw = Raw::new(|scenario| {
        scenario.networks.clear();
        scenario.machines = (0..65)
            .map(|number| wsfc_simulator::scenario::Machine::new(format!("m{number}"), Release::Server2022))
            .collect();
    });
    let names: Vec<String> = (0..64).map(|number| format!("m{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let cluster = raw.create("c", &names, &[]).unwrap();
    assert_eq!(raw.add(cluster, "m64"), Err(5934));
}

#[test]
fn the_settling_time_can_be_enforced() {
    let raw = Raw::new(|scenario| scenario.strict_30s = true);
    let cluster = raw.create("c", &["n1"], &[]).unwrap();
    assert_eq!(raw.add(cluster, "n2"), Err(5072));
    raw.simulation.advance(std::time::Duration::from_secs(30));
    raw.add(cluster, "n2").unwrap();
}

#[test]
fn a_failed_or_missing_clean_up_is_5896() {
    let raw = Raw::new(|scenario| scenario.machines[2].cleanup_fails = Some(0x8007_0005));
    let cluster = raw.create("c", &["n1", "n2", "n3", "n4"], &[]).unwrap();
    let node = raw.open_node(cluster, "n3").unwrap();
    assert_eq!(raw.evict(node, u32::MAX), (5896, 0x8007_0005));
    assert_eq!(raw.host_state("n3"), Ok(3), "its configuration is left behind");
    assert!(raw.simulation.clear_node("n3"));
    assert_eq!(raw.host_state("n3"), Ok(1));
    let node = raw.open_node(cluster, "n4").unwrap();
    raw.simulation.set_reachable("n4", false);
    assert_eq!(raw.evict(node, u32::MAX), (5896, 0x8007_13BB));
    let node = raw.open_node(cluster, "n2").unwrap();
    assert_eq!(raw.evict(node, 1).0, 258, "the clean-up takes longer");
    assert_eq!(raw.names(cluster, 1), ["n1"], "the node is evicted all the same");
}
