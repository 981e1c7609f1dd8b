//! Who may use the cluster, its name, its end, and its database in a folder.

use wsfc_clusapi::proplist::Value;
use wsfc_clusapi::sys::constants::{account_access, cluster_enum, control as ctl, notify_cluster, notify_object};
use wsfc_simulator::scenario::ExistingCluster;

use crate::call::{Target, control, events, list, production, properties};
use crate::notify::{filter, open as open_port};
use crate::raw::{Raw, wide};

#[test]
fn accounts_are_let_in_and_kept_out() {
    let (raw, cluster) = production();
    let port = open_port(
        &raw,
        cluster,
        &[filter(notify_object::CLUSTER, notify_cluster::COMMON_PROPERTY)],
        1,
    );
    let set = |sid: &str, mask, kind| {
        let sid = wide(sid);
        // SAFETY: The text is NUL-terminated.
        unsafe { raw.table.ClusterSetAccountAccess.unwrap()(cluster, sid.as_ptr(), mask, kind) }
    };
    let descriptor = || {
        let common = properties(&raw, Target::Cluster(cluster), ctl::CLUSTER_GET_COMMON_PROPERTIES);
        match common.get("Security Descriptor").map(|own| own.values[0].clone()) {
            Some(Value::Binary(bytes)) => bytes,
            other => panic!("{other:?}"),
        }
    };
    let before = descriptor();
    let account = "S-1-5-21-1004336348-1177238915-682003330-1001";
    assert_eq!(set("nobody", 1, account_access::ALLOW), 1337);
    assert_eq!(set(account, 8, account_access::ALLOW), 87);
    assert_eq!(set(account, 1, 3), 87);
    assert_eq!(set(account, 1, account_access::ALLOW), 0);
    let after = descriptor();
    assert!(after.len() > before.len());
    assert_eq!(events(&raw, port).len(), 1);
    assert_eq!(set(account, 0, account_access::REMOVE), 0);
    assert_eq!(descriptor(), before);
    let set = |bytes: Vec<u8>| {
        let properties = list(&[("Security Descriptor", Value::Binary(bytes))]);
        control(
            &raw,
            Target::Cluster(cluster),
            ctl::CLUSTER_SET_COMMON_PROPERTIES,
            &properties,
        )
    };
    assert_eq!(set(after), Ok(Vec::new()));
    assert_eq!(set(vec![1, 2, 3]), Err(5946));
}

#[test]
fn a_shutdown_stops_the_service_on_every_node() {
    let (raw, cluster) = production();
    assert_eq!(
        control(&raw, Target::Cluster(cluster), ctl::CLUSTER_SHUTDOWN, &[]),
        Ok(Vec::new())
    );
    for node in ["hv1", "hv2", "hv3", "hv4"] {
        assert_eq!(raw.host_state(node), Ok(3), "{node} is configured, and does not run");
    }
    assert_eq!(raw.open(Some("prod")), Err(1722));
}

#[test]
fn a_backup_works_on_old_servers_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = wide(folder.path().to_str().unwrap());
    let world = |legacy_backup| {
        let raw = Raw::new(|scenario| {
            scenario.legacy_backup = legacy_backup;
            scenario.clusters = vec![ExistingCluster {
                name: "c".into(),
                nodes: vec!["n1".into(), "n2".into()],
                ..ExistingCluster::default()
            }];
        });
        let cluster = raw.open(None).unwrap();
        (raw, cluster)
    };
    let backup = |raw: &Raw, cluster| {
        // SAFETY: The path is NUL-terminated.
        unsafe { raw.table.BackupClusterDatabase.unwrap()(cluster, path.as_ptr()) }
    };
    let restore = |raw: &Raw| {
        // SAFETY: The path is NUL-terminated.
        unsafe { raw.table.RestoreClusterDatabase.unwrap()(path.as_ptr(), 0, std::ptr::null()) }
    };
    let (modern, cluster) = world(false);
    assert_eq!((backup(&modern, cluster), restore(&modern)), (120, 120));
    let (raw, cluster) = world(true);
    assert_eq!(restore(&raw), 2, "there is none yet");
    assert_eq!(backup(&raw, cluster), 0);
    let name = wide("Later");
    assert_ne!(
        // SAFETY: The name is NUL-terminated.
        unsafe { raw.table.CreateClusterGroup.unwrap()(cluster, name.as_ptr()) },
        0
    );
    assert_eq!(raw.names(cluster, cluster_enum::GROUP).len(), 3);
    assert_eq!(restore(&raw), 0);
    assert_eq!(
        raw.names(cluster, cluster_enum::GROUP),
        ["Cluster Group", "Available Storage"]
    );
    std::fs::write(folder.path().join("CLUSDB.json"), "{}").unwrap();
    assert_eq!(restore(&raw), 5087);
}
