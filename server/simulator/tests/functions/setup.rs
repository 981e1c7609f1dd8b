//! Creating, growing and destroying clusters through the C functions.

use crate::raw::{Raw, Recorder};
use wsfc_clusapi::sys::constants::{cluster_enum, node_cluster_state, node_state};

#[test]
fn a_cluster_is_created_grown_and_destroyed() {
    let raw = Raw::new(|_| {});
    let recorder = Recorder::new();
    let cluster = raw.create_recorded(
        "demo",
        &["n1", "n2.demo.example", "N3"],
        &["10.0.0.50", "10.0.1.50"],
        &recorder,
    );
    let cluster = cluster.unwrap();
    assert_eq!(recorder.troubles(), []);
    assert_eq!(
        recorder.ended(),
        [
            1, 100, 100, 100, 106, 107, 108, 109, 102, 103, 104, 105, 200, 201, 202, 203, 203, 204, 204, 205, 206, 300,
            301, 102, 103, 104, 105, 302, 300, 301, 102, 103, 104, 105, 302
        ]
    );
    assert_eq!(recorder.records().last().unwrap().percent, 100);
    assert_eq!(raw.names(cluster, cluster_enum::NODE), ["n1", "n2", "n3"]);
    assert_eq!(
        raw.names(cluster, cluster_enum::GROUP),
        ["Cluster Group", "Available Storage"]
    );
    assert_eq!(
        raw.names(cluster, cluster_enum::NETWORK),
        ["Cluster Network 1", "Cluster Network 2"]
    );
    let (name, info) = raw.information(cluster).unwrap();
    assert_eq!(name, "demo");
    assert_eq!(info.dwClusterHighestVersion >> 16, 11);
    assert_eq!(info.dwFlags, 0);

    let added = Recorder::new();
    let node = raw.add_recorded(cluster, "n4", &added).unwrap();
    assert_eq!(raw.node_state(node), node_state::UP);
    assert_eq!(added.ended(), [1, 100, 300, 301, 102, 103, 104, 105, 302]);
    let percents: Vec<u32> = added
        .records()
        .iter()
        .filter(|record| record.kind == 3)
        .map(|record| record.percent)
        .collect();
    assert_eq!(percents, [0, 12, 25, 37, 50, 62, 75, 87, 100]);

    let other = raw.open(Some("DEMO")).unwrap();
    assert_eq!(raw.evict(node, 90_000), (0, 0));
    assert_eq!(raw.node_state(node), -1);
    assert_eq!(raw.last_error(), 5042);
    assert_eq!(raw.host_state("n4"), Ok(node_cluster_state::NOT_CONFIGURED));
    assert_eq!(raw.host_state("n3"), Ok(node_cluster_state::RUNNING));

    let destroyed = Recorder::new();
    assert_eq!(raw.destroy(cluster, &destroyed), 0);
    assert_eq!(
        destroyed.ended(),
        [1, 403, 401, 403, 406, 402, 404, 405, 404, 405, 404, 405]
    );
    let last = destroyed.records().last().unwrap().clone();
    assert_eq!(
        (last.percent, last.object.as_str()),
        (100, "n1"),
        "the local node comes last"
    );
    assert_eq!(raw.information(other).unwrap_err(), 1722);
    assert_eq!(raw.host_state("n1"), Ok(node_cluster_state::NOT_CONFIGURED));
    raw.create("demo", &["n1"], &["10.0.0.50"]).unwrap();
}
