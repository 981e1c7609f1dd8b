use serde_json::{Value, json};

use super::*;
use crate::release::Release;

/// Builds a trace call by call.
struct Recorded {
    lines: Vec<Value>,
    calls: u64,
}

impl Recorded {
    fn new() -> Self {
        let header = json!({ "trace": {
            "format": 1, "program": "wsfcd 0.1.0", "os": "windows x86_64", "host": "N2", "library": "clusapi.dll",
            "began_unix_ms": 0, "absent": ["AddClusterNodeEx"],
        }});
        Self {
            lines: vec![header],
            calls: 0,
        }
    }

    /// A call on a thread, with what came of it.
    fn call(mut self, thread: u64, function: &str, arguments: Value, returned: Value) -> Self {
        self.begin(thread, function, arguments);
        self.end(returned);
        self
    }

    fn begin(&mut self, thread: u64, function: &str, arguments: Value) {
        self.calls += 1;
        let (number, at_us) = (self.calls, self.calls * 1_000_000);
        self.lines.push(json!({ "call": {
            "number": number, "at_us": at_us, "thread": thread, "function": function, "arguments": arguments,
        }}));
    }

    fn end(&mut self, returned: Value) {
        let mut line = json!({
            "number": self.calls, "at_us": self.calls * 1_000_000 + 2_500, "result": null, "last_error": 0,
            "took_us": 2_500,
        });
        for (name, value) in returned.as_object().unwrap() {
            line[name] = value.clone();
        }
        self.lines.push(json!({ "return": line }));
    }

    fn report(mut self, thread: u64, phase: i32, phase_type: i32, severity: i32, object: &str, status: u32) -> Self {
        self.lines.push(json!({ "callback": {
            "call": self.calls, "at_us": self.calls * 1_000_000 + 1_700, "thread": thread, "phase": phase,
            "report": { "type": phase_type, "severity": severity, "percent": 3, "object": object, "status": status },
            "answer": 1, "took_us": 4,
        }}));
        self
    }

    fn host(self, thread: u64, host: &str, answer: Result<u32, u32>) -> Self {
        let returned = match answer {
            Ok(state) => json!({ "result": 0, "out": { "state": state } }),
            Err(code) => json!({ "result": code, "error": code }),
        };
        self.call(thread, "GetNodeClusterState", json!({ "node_name": host }), returned)
    }

    fn create(mut self, thread: u64, cluster: &str, nodes: &[&str], addresses: &[&str]) -> Self {
        let entries: Vec<Value> = addresses
            .iter()
            .map(|address| json!({ "lpszIpAddress": address, "dwPrefixLength": 23 }))
            .collect();
        let config = json!({ "lpszClusterName": cluster, "ppszNodeNames": nodes, "pIpEntries": entries });
        self.begin(thread, "CreateCluster", json!({ "config": config }));
        self
    }

    fn ends(mut self, returned: Value) -> Self {
        self.end(returned);
        self
    }

    /// The text, and the scenario that it is.
    fn infer(self) -> (String, Scenario) {
        let lines: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        let trace = Trace::from_bytes(lines.as_bytes()).unwrap();
        let text = scenario(&trace, 0.5).unwrap();
        let scenario = Scenario::from_toml(&text).unwrap();
        (text, scenario)
    }
}

fn machine<'a>(scenario: &'a Scenario, name: &str) -> &'a crate::scenario::Machine {
    let found = scenario.machines.iter().find(|machine| machine.name == name);
    found.unwrap_or_else(|| panic!("no machine {name}: {:?}", scenario.machines))
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn machines_are_what_they_said_before_the_first_call() {
    let (text, scenario) = Recorded::new()
        .host(1, "n1.corp.example", Ok(1))
        .host(1, "n2", Ok(0))
        .host(1, "n3", Ok(19))
        .host(1, "n4", Err(1722))
        .host(1, "n5", Err(53))
        .create(2, "c", &["n1.corp.example", "n2", "n5"], &["10.0.5.9", "10.9.0.1"])
        .report(3, 204, 3, 2, "10.9.0.1", 0x8007_1706)
        .ends(json!({ "error": 5 }))
        .host(2, "n1.corp.example", Ok(3))
        .infer();
    assert_eq!(scenario.domain.name, "corp.example");
    assert_eq!(scenario.local.as_deref(), Some("n2"), "the recording host");
    assert_eq!(scenario.functions_absent, ["AddClusterNodeEx"]);
    assert!(machine(&scenario, "n1").feature_installed && !machine(&scenario, "n1").already_clustered);
    assert!(!machine(&scenario, "n2").feature_installed);
    assert!(machine(&scenario, "n3").already_clustered);
    assert!(!machine(&scenario, "n4").reachable);
    assert!(
        scenario.machines.iter().all(|machine| machine.name != "n5"),
        "nobody knows n5"
    );
    assert!(
        text.contains("n5: GetNodeClusterState never answered anything but 53"),
        "{text}"
    );
    let networks: Vec<_> = scenario
        .networks
        .iter()
        .map(|network| (network.subnet.to_string(), network.prefix))
        .collect();
    assert_eq!(networks, [("10.0.4.0".to_owned(), 23)], "10.9.0.1 fits none");
    let [recording] = &scenario.recordings[..] else {
        panic!("{:?}", scenario.recordings)
    };
    assert_eq!(
        (recording.result, recording.duration_ms, recording.second_thread),
        (5, 2, true)
    );
    assert_eq!(recording.callbacks[0].at_ms, 1);
    assert_eq!(recording.callbacks[0].status, 0x8007_1706);
    assert_eq!(recording.hosts_after.get("n1.corp.example"), Some(&3));
    assert!((scenario.timing.scale - 0.5).abs() < f64::EPSILON);
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn a_failed_call_that_worked_is_seen_by_its_thread_afterwards() {
    let gone = |thread| {
        Recorded::new()
            .call(
                1,
                "OpenCluster",
                json!({ "cluster_name": "c" }),
                json!({ "result": { "handle": 1 } }),
            )
            .call(
                1,
                "GetClusterInformation",
                json!({ "cluster": { "handle": 1 } }),
                json!({ "result": 0, "out": {
                    "name": "C", "info": { "BuildNumber": 26_100 },
                }}),
            )
            .call(
                1,
                "ClusterOpenEnumEx",
                json!({ "cluster": { "handle": 1 } }),
                json!({ "result": { "handle": 2 } }),
            )
            .call(
                1,
                "ClusterEnumEx",
                json!({ "enumeration": { "handle": 2 } }),
                json!({ "result": 0, "out": {
                    "item": { "dwType": 1, "id": "1", "name": "n1" },
                }}),
            )
            .call(
                1,
                "DestroyCluster",
                json!({ "cluster": { "handle": 1 } }),
                json!({ "result": 5, "error": 5 }),
            )
            .call(
                thread,
                "OpenCluster",
                json!({ "cluster_name": "c" }),
                json!({ "error": 1753 }),
            )
            .infer()
    };
    let (text, scenario) = gone(1);
    assert_eq!(scenario.recordings[0].changes_world, Some(true), "{text}");
    let [cluster] = &scenario.clusters[..] else {
        panic!("{:?}", scenario.clusters)
    };
    assert_eq!(
        (cluster.name.as_str(), &cluster.nodes[..]),
        ("C", &["n1".to_owned()][..])
    );
    assert_eq!(
        cluster.addresses.len(),
        1,
        "it was opened by its name, so it has an address"
    );
    assert_eq!(machine(&scenario, "n1").os, Release::Server2025);
    assert_eq!(
        gone(2).1.recordings[0].changes_world,
        None,
        "another thread may look at anything"
    );
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn what_the_trace_does_not_show_is_said() {
    let (text, scenario) = Recorded::new().infer();
    assert!(text.contains("# - no host was named; host1 stands in"), "{text}");
    assert!(text.contains("there is nothing to play"), "{text}");
    assert_eq!(scenario.machines.len(), 1);
    let mut hanging = Recorded::new()
        .host(1, "n1", Ok(1))
        .create(2, "c", &["n1"], &[])
        .report(2, 1, 1, 1, "c", 0);
    hanging
        .lines
        .push(json!({ "callback": { "at_us": 9, "thread": 9, "phase": 3, "answer": 1, "took_us": 0 } }));
    let (text, scenario) = hanging.infer();
    assert!(scenario.recordings.is_empty());
    assert!(
        text.contains("the end of CreateCluster, call 2: the trace ends before it"),
        "{text}"
    );
}

#[test]
#[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
fn names_of_a_foreign_system_stay_what_they_are() {
    let odd = "a\"b\\c\n#\u{7f}\u{1b}d";
    let (_, scenario) = Recorded::new()
        .create(2, odd, &["n1"], &[])
        .report(2, -7, 9, 4, odd, 0)
        .ends(json!({ "result": { "handle": 1 } }))
        .host(2, odd, Ok(1))
        .infer();
    assert_eq!(scenario.recordings[0].cluster, odd);
    assert_eq!(scenario.recordings[0].callbacks[0].object.as_deref(), Some(odd));
    assert_eq!(scenario.recordings[0].callbacks[0].phase.number(), Some(-7));
}
