//! Resource Monitors that end: by a deadlock, by a kill, with their node.

use std::sync::Arc;

use wsfc_clusapi::sys::constants::resource_state;
use wsfc_simulator::Incident;

use crate::call::{self, Target, control};
use crate::monitor_dll::{CONTINUE, KIND, PENDING, Script, TERMINATE, begun, scripted, tell};
use crate::raw::Raw;
use crate::verbs::dwords;

const ONLINE: i32 = resource_state::ONLINE;
const FAILED: i32 = resource_state::FAILED;
const COMING: i32 = resource_state::ONLINE_PENDING;
/// The default of DeadlockTimeout.
const DEADLOCK_MS: u64 = 300_000;
/// A control code of the scripted DLL.
const OWN: u32 = 0x0120_0001;

fn online(raw: &Raw, cluster: isize, name: &str) -> (isize, Arc<Script>) {
    let (one, script) = raw.script(cluster, name);
    begun(raw.online(one));
    raw.idle();
    assert_eq!((raw.resource(one), script.calls()), (ONLINE, vec!["open", "online"]));
    (one, script)
}

/// A resource that hangs, its neighbour in the same monitor, and one of another type.
struct Three<'raw> {
    raw: &'raw Raw,
    hung: (isize, Arc<Script>),
    beside: (isize, Arc<Script>),
    apart: (isize, Arc<Script>),
    monitor: u32,
}

impl<'raw> Three<'raw> {
    fn new(raw: &'raw Raw, cluster: isize, entry: &str) -> Self {
        let (hung, beside) = (
            raw.script(cluster, &format!("hung in {entry}")),
            online(raw, cluster, &format!("beside {entry}")),
        );
        raw.script_type(cluster, "Another");
        let name = format!("apart from {entry}");
        let script = Script::of(&name);
        let group = raw.make_group(cluster, &name);
        let apart = raw.try_resource(group, &name, "Another").unwrap();
        begun(raw.online(apart));
        raw.idle();
        script.calls();
        let monitor = raw.number(beside.0, "MonitorProcessId");
        assert_ne!(raw.number(apart, "MonitorProcessId"), monitor);
        Self {
            raw,
            hung,
            beside,
            apart: (apart, script),
            monitor,
        }
    }

    /// Brings the first resource online; then its DLL does not come back from an entry point that `begin` leads to.
    fn hang(&self, entry: &'static str, begin: impl FnOnce(isize)) {
        let (hung, script) = &self.hung;
        begun(self.raw.online(*hung));
        self.raw.idle();
        script.calls();
        script.hangs(Some(entry));
        begin(*hung);
        script.wait_for(entry);
    }

    /// The deadlock is found; what was beside it comes back in a new monitor, what was apart has noticed nothing.
    fn found(&self) {
        self.found_after(DEADLOCK_MS);
    }

    fn found_after(&self, ms: u64) {
        let (hung, script) = &self.hung;
        // The others have answered what they were asked when time passes.
        for other in [self.beside.0, self.apart.0] {
            self.raw.number(other, "MonitorProcessId");
        }
        let old = script.handle();
        self.raw.advance(ms);
        assert_eq!(tell(old, ONLINE, 0, 0), TERMINATE);
        let state = self.raw.resource(self.beside.0);
        assert_eq!(state, FAILED);
        script.hangs(None);
        self.raw.pass(500);
        assert_eq!(self.raw.resource(self.beside.0), ONLINE);
        let calls: Vec<_> = self
            .beside
            .1
            .calls()
            .into_iter()
            .filter(|call| !call.ends_with("alive"))
            .collect();
        assert_eq!(
            calls,
            ["open", "online"],
            "nobody was there to terminate it or to close it"
        );
        let monitor = self.raw.number(self.beside.0, "MonitorProcessId");
        assert_ne!(monitor, self.monitor);
        assert_eq!(self.raw.resource(self.apart.0), ONLINE);
        assert!(!self.apart.1.calls().contains(&"online"));
        if self.raw.resource(*hung) == ONLINE {
            let own = self.raw.number(*hung, "MonitorProcessId");
            assert!(own != monitor && own != self.monitor, "it has a monitor of its own");
        }
    }
}

#[test]
fn a_hang_in_open_or_online_is_a_deadlock() {
    for entry in ["open", "online"] {
        let (raw, cluster) = scripted();
        let three = Three::new(&raw, cluster, entry);
        let (hung, script) = &three.hung;
        script.hangs(Some(entry));
        begun(raw.online(*hung));
        script.wait_for(entry);
        raw.advance(DEADLOCK_MS - 1);
        assert_eq!((raw.resource(*hung), raw.resource(three.beside.0)), (COMING, ONLINE));
        three.found_after(1);
        assert_eq!((raw.resource(*hung), raw.number(*hung, "SeparateMonitor")), (ONLINE, 1));
    }
}

#[test]
fn a_hang_in_offline_is_a_deadlock() {
    let (raw, cluster) = scripted();
    let three = Three::new(&raw, cluster, "offline");
    three.hang("offline", |hung| begun(raw.offline(hung)));
    three.found();
    assert_eq!(raw.resource(three.hung.0), FAILED, "it shall not be online");
}

#[test]
fn a_hang_in_terminate_is_a_deadlock() {
    let (raw, cluster) = scripted();
    let three = Three::new(&raw, cluster, "terminate");
    three.hang("terminate", |hung| assert_eq!(raw.fail(hung), 0));
    three.found();
}

#[test]
fn a_hang_in_a_health_check_is_a_deadlock() {
    for entry in ["looks alive", "is alive"] {
        let (raw, cluster) = scripted();
        let three = Three::new(&raw, cluster, entry);
        three.hang(entry, |_| raw.advance(60_000));
        three.found();
        assert_eq!(raw.resource(three.hung.0), ONLINE);
    }
}

#[test]
fn a_hang_in_close_is_a_deadlock() {
    let (raw, cluster) = scripted();
    let three = Three::new(&raw, cluster, "close");
    three.hang("close", |hung| {
        begun(raw.offline(hung));
        raw.idle();
        assert_eq!(raw.delete_resource(hung), 0);
    });
    for other in [three.beside.0, three.apart.0] {
        raw.number(other, "MonitorProcessId");
    }
    raw.advance(DEADLOCK_MS);
    assert_eq!(raw.resource(three.beside.0), FAILED);
    three.hung.1.hangs(None);
    raw.pass(500);
    assert_eq!(
        (raw.resource(three.beside.0), raw.resource(three.apart.0)),
        (ONLINE, ONLINE)
    );
}

#[test]
fn a_hang_in_a_control_code_is_told_to_its_caller() {
    let (raw, cluster) = scripted();
    let three = Three::new(&raw, cluster, "control");
    let (hung, script) = &three.hung;
    begun(raw.online(*hung));
    raw.idle();
    script.calls();
    script.knows(OWN, 0, b"late");
    script.hangs(Some("control"));
    std::thread::scope(|scope| {
        let _end = raw.end_on_panic();
        let caller = scope.spawn(|| control(&raw, Target::Resource(*hung), OWN, &[]));
        script.wait_for("control");
        three.found();
        assert_eq!(caller.join().unwrap(), Err(5910));
    });
    assert_eq!(control(&raw, Target::Resource(*hung), OWN, &[]), Ok(b"late".to_vec()));
}

#[test]
fn a_killed_monitor_restarts_what_it_ran() {
    let (raw, cluster) = scripted();
    let (one, script) = online(&raw, cluster, "killed");
    let (two, other) = raw.script(cluster, "killed while it comes");
    other.answers(PENDING, 0);
    begun(raw.online(two));
    raw.idle();
    other.calls();
    let (handle, monitor) = (script.handle(), raw.number(one, "MonitorProcessId"));
    let kill = |node: Option<&str>, kind: &str| Incident::KillMonitor {
        node: node.map(str::to_owned),
        resource_type: kind.into(),
    };
    raw.happen(kill(Some("n2"), KIND));
    assert_eq!(
        (raw.resource(one), raw.resource(two)),
        (ONLINE, COMING),
        "they are on n1"
    );
    raw.happen(kill(None, "scripted"));
    assert_eq!((raw.resource(one), raw.resource(two)), (FAILED, FAILED));
    assert_eq!(tell(handle, ONLINE, 0, 0), TERMINATE);
    raw.pass(500);
    assert_eq!((raw.resource(one), raw.resource(two)), (ONLINE, COMING));
    assert_eq!(
        (script.calls(), other.calls()),
        (vec!["open", "online"], vec!["open", "online"])
    );
    assert_ne!(raw.number(one, "MonitorProcessId"), monitor);
    let refused = |incident| raw.simulation.happen(&incident).unwrap_err().to_string();
    assert_eq!(refused(kill(None, "None")), r#"no resource type is called "None""#);
    assert_eq!(refused(kill(Some("n9"), KIND)), r#"no node is called "n9""#);
}

#[test]
fn a_killed_monitor_of_the_simulators_own_types_does_so_too() {
    let (raw, cluster) = scripted();
    raw.running_group(cluster, "g", "n1", &["service"]);
    let service = raw.open_resource(cluster, "service").unwrap();
    raw.happen(Incident::KillMonitor {
        node: Some("n1".into()),
        resource_type: "Generic Service".into(),
    });
    assert_eq!(raw.resource(service), FAILED);
    raw.settle();
    assert_eq!(raw.resource(service), ONLINE);
}

#[test]
fn a_node_takes_its_monitors_along() {
    let (raw, cluster) = scripted();
    let (one, script) = raw.script(cluster, "on a node that dies");
    let group = call::open(
        &raw,
        raw.table.OpenClusterGroup,
        cluster,
        "group of on a node that dies",
    )
    .unwrap();
    script.answers(PENDING, 0);
    begun(raw.online(one));
    raw.idle();
    let handle = script.handle();
    script.calls();
    raw.kill("n1");
    raw.idle();
    assert_eq!((raw.resource(one), raw.owner(group).as_str()), (COMING, "n2"));
    assert_eq!(
        script.calls(),
        ["open", "online"],
        "nobody was there to terminate it or to close it"
    );
    assert_eq!((tell(handle, ONLINE, 0, 0), raw.resource(one)), (TERMINATE, COMING));
    assert_eq!(script.come_online(), CONTINUE);
    assert_eq!(raw.resource(one), ONLINE);
    // The whole cluster stops with its last node, and begins anew with it.
    raw.kill("n2");
    raw.kill("n3");
    script.calls();
    script.answers(0, 0);
    for machine in ["n1", "n2", "n3"] {
        raw.power_on(machine);
    }
    raw.idle();
    assert_eq!(script.calls(), ["open", "online"]);
}

#[test]
fn a_node_that_is_stopped_ends_its_resources_first() {
    let (raw, cluster) = scripted();
    let (one, script) = online(&raw, cluster, "on a node that stops");
    let (_, other) = online(&raw, cluster, "offline on a node that stops");
    let second = raw.open_resource(cluster, "offline on a node that stops").unwrap();
    begun(raw.offline(second));
    raw.idle();
    other.calls();
    raw.happen(Incident::StopService { machine: "n1".into() });
    raw.idle();
    assert_eq!(script.calls(), ["terminate", "close", "open", "online"]);
    assert_eq!(raw.resource(one), ONLINE);
    assert_eq!(other.calls(), ["close"]);
}

#[test]
fn a_monitor_of_its_own_is_hurt_by_nobody() {
    let (raw, cluster) = scripted();
    let (one, _) = raw.script(cluster, "separate");
    assert_eq!(raw.set_resource_property(one, &dwords(&[("SeparateMonitor", 1)])), 0);
    begun(raw.online(one));
    let (two, _) = online(&raw, cluster, "not separate");
    raw.idle();
    assert_ne!(raw.number(one, "MonitorProcessId"), raw.number(two, "MonitorProcessId"));
}
