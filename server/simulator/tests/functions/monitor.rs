//! Resources that a resource DLL implements: what it answers and tells, and what becomes of it.

use std::ptr;

use wsfc_clusapi::sys::constants::{group_state, resource_offline_flags, resource_state};
use wsfc_simulator::scenario::{ResourceDll, ResourceTimes};
use wsfc_simulator::{MonitorLevel, Scenario, Simulation};

use crate::call::{self, Target, control};
use crate::monitor_dll::{
    CONTINUE, DLL, KIND, PENDING, Script, TERMINATE, TYPE_CODE, begun, log_event, scripted, scripted_instant, startup,
    stays_failed, tell,
};
use crate::raw::{Raw, wide};
use crate::verbs::{SERVICE, dwords, still};

const ONLINE: i32 = resource_state::ONLINE;
const OFFLINE: i32 = resource_state::OFFLINE;
const FAILED: i32 = resource_state::FAILED;
const COMING: i32 = resource_state::ONLINE_PENDING;
const GOING: i32 = resource_state::OFFLINE_PENDING;

/// A resource that comes online in its own time, and is on its way.
fn coming(raw: &Raw, cluster: isize, name: &str) -> (isize, std::sync::Arc<Script>) {
    let (one, script) = raw.script(cluster, name);
    script.answers(PENDING, PENDING);
    begun(raw.online(one));
    raw.idle();
    assert_eq!((raw.resource(one), script.calls()), (COMING, vec!["open", "online"]));
    (one, script)
}

#[test]
fn what_is_done_at_once_is_done() {
    let (raw, cluster) = scripted();
    let (one, script) = raw.script(cluster, "at once");
    begun(raw.online(one));
    raw.idle();
    assert_eq!((raw.resource(one), script.calls()), (ONLINE, vec!["open", "online"]));
    assert_ne!(raw.number(one, "MonitorProcessId"), 0);
    begun(raw.offline(one));
    raw.idle();
    assert_eq!((raw.resource(one), script.calls()), (OFFLINE, vec!["offline"]));
    assert_eq!(raw.delete_resource(one), 0);
    raw.idle();
    assert_eq!(script.calls(), ["close"]);
    assert_eq!(script.come_online(), TERMINATE, "nobody knows the handle any more");
}

#[test]
fn pending_lasts_as_long_as_check_points_grow() {
    let (raw, cluster) = scripted();
    let (one, script) = coming(&raw, cluster, "grows");
    for check_point in 1..=3 {
        raw.pass(170_000);
        assert_eq!(script.tell(COMING, check_point), CONTINUE);
        assert_eq!(raw.resource(one), COMING);
    }
    raw.pass(170_000);
    assert_eq!(script.come_online(), CONTINUE);
    assert_eq!(raw.resource(one), ONLINE);
    begun(raw.offline(one));
    raw.idle();
    assert_eq!(raw.resource(one), GOING);
    assert_eq!(script.tell(GOING, 1), CONTINUE);
    assert_eq!(script.tell(OFFLINE, 0), CONTINUE);
    assert_eq!((raw.resource(one), script.calls()), (OFFLINE, vec!["offline"]));
}

#[test]
fn what_is_to_go_offline_on_its_way_online_is_terminated() {
    let (raw, cluster) = scripted();
    let (one, script) = coming(&raw, cluster, "turned back");
    assert_eq!(script.tell(COMING, 1), CONTINUE);
    begun(raw.offline(one));
    raw.idle();
    assert_eq!((raw.resource(one), script.calls()), (OFFLINE, vec!["terminate"]));
    assert_eq!(script.come_online(), TERMINATE);
    assert_eq!(raw.resource(one), OFFLINE);
    // On its way offline it goes there before it comes back.
    begun(raw.online(one));
    raw.idle();
    assert_eq!(script.come_online(), CONTINUE);
    begun(raw.offline(one));
    raw.idle();
    begun(raw.online(one));
    raw.idle();
    assert_eq!((raw.resource(one), script.calls()), (GOING, vec!["online", "offline"]));
    assert_eq!(script.tell(OFFLINE, 1), CONTINUE);
    raw.idle();
    assert_eq!((raw.resource(one), script.calls()), (COMING, vec!["online"]));
}

#[test]
fn a_check_point_that_does_not_grow_is_no_sign_of_life() {
    let (raw, cluster) = scripted();
    let (one, script) = coming(&raw, cluster, "does not grow");
    assert_eq!(script.tell(COMING, 5), CONTINUE);
    raw.pass(100_000);
    assert_eq!(script.tell(COMING, 5), CONTINUE);
    let log = raw.simulation.monitor_log();
    let line = log.last().unwrap();
    assert_eq!(
        (line.resource.as_str(), line.resource_type.as_str()),
        ("does not grow", KIND)
    );
    assert_eq!(line.level, MonitorLevel::Warning);
    assert!(line.text.ends_with("the check point has not grown"), "{}", line.text);
    raw.pass(79_999);
    assert_eq!(raw.resource(one), COMING);
    raw.pass(1);
    assert_eq!(raw.resource(one), FAILED);
}

#[test]
fn silence_for_the_pending_timeout_terminates_and_restarts() {
    let (raw, cluster) = scripted();
    let (one, script) = coming(&raw, cluster, "silent");
    raw.pass(179_999);
    assert_eq!(raw.resource(one), COMING);
    raw.pass(1);
    assert_eq!((raw.resource(one), script.calls()), (FAILED, vec!["terminate"]));
    assert_eq!(raw.number(one, "LastOperationStatusCode"), 1460);
    assert_eq!(script.tell(COMING, 9), TERMINATE);
    raw.pass(500);
    assert_eq!((raw.resource(one), script.calls()), (COMING, vec!["online"]));
    assert_eq!(script.tell(COMING, 1), CONTINUE, "check points begin anew");
    // Going offline is watched too.
    assert_eq!(script.come_online(), CONTINUE);
    begun(raw.offline(one));
    raw.pass(180_000);
    assert_eq!(
        (raw.resource(one), script.calls()),
        (FAILED, vec!["offline", "terminate"])
    );
}

#[test]
fn the_resource_and_its_type_have_a_pending_timeout() {
    let (raw, cluster) = scripted();
    let (one, script) = raw.script(cluster, "own timeout");
    script.answers(PENDING, 0);
    stays_failed(&raw, one);
    let code = control(
        &raw,
        Target::Type(cluster, KIND),
        0x0240_005E,
        &dwords(&[("PendingTimeout", 5_000)]),
    );
    assert_eq!(code, Ok(vec![]));
    begun(raw.online(one));
    raw.pass(4_999);
    assert_eq!(raw.resource(one), COMING);
    raw.pass(1);
    assert_eq!(raw.resource(one), FAILED);
    assert_eq!(raw.set_resource_property(one, &dwords(&[("PendingTimeout", 7_000)])), 0);
    begun(raw.online(one));
    raw.pass(5_000);
    assert_eq!(raw.resource(one), COMING);
    raw.pass(2_000);
    assert_eq!(raw.resource(one), FAILED);
}

#[test]
fn statuses_that_fit_nothing_are_refused() {
    let (raw, cluster) = scripted();
    let (one, script) = coming(&raw, cluster, "refused");
    assert_eq!(script.tell(OFFLINE, 1), CONTINUE, "it is not going offline");
    assert_eq!(script.tell(GOING, 1), CONTINUE);
    assert_eq!(raw.resource(one), COMING);
    assert_eq!(script.come_online(), CONTINUE);
    let refused = raw.simulation.monitor_log().len();
    assert_eq!(refused, 2);
    assert_eq!(script.come_online(), CONTINUE, "after the final state");
    assert_eq!(script.tell(FAILED, 0), CONTINUE);
    assert_eq!(raw.resource(one), ONLINE);
    assert_eq!(raw.simulation.monitor_log().len(), refused + 2);
    for unknown in [0, -1, script.handle() + 1, one] {
        assert_eq!(tell(unknown, ONLINE, 0, 0), TERMINATE);
    }
}

#[test]
fn a_failure_is_terminated_and_its_code_kept() {
    let (raw, cluster) = scripted();
    let (one, script) = raw.script(cluster, "fails");
    stays_failed(&raw, one);
    script.answers(5, 0);
    begun(raw.online(one));
    raw.idle();
    assert_eq!(
        (raw.resource(one), script.calls()),
        (FAILED, vec!["open", "online", "terminate"])
    );
    assert_eq!(raw.number(one, "LastOperationStatusCode"), 5);
    script.answers(PENDING, 0);
    begun(raw.online(one));
    raw.idle();
    assert_eq!(script.tell(FAILED, 0), CONTINUE);
    raw.idle();
    assert_eq!(
        (raw.resource(one), script.calls()),
        (FAILED, vec!["online", "terminate"])
    );
    assert_eq!(raw.number(one, "LastOperationStatusCode"), 5018);
}

#[test]
fn what_cannot_run_on_a_node_goes_to_another() {
    let (raw, cluster) = scripted();
    let (one, script) = coming(&raw, cluster, "elsewhere");
    // ClusterResourceCannotComeOnlineOnThisNode.
    assert_eq!(script.tell(127, 0), TERMINATE);
    raw.idle();
    assert_eq!(script.calls(), ["terminate", "close", "open", "online"]);
    let group = crate::call::open(&raw, raw.table.OpenClusterGroup, cluster, "group of elsewhere").unwrap();
    assert_eq!((raw.resource(one), raw.owner(group).as_str()), (COMING, "n2"));
    // On no node: it stays failed until the retry.
    assert_eq!(script.tell(126, 0), TERMINATE);
    raw.pass(3_599_999);
    assert_eq!(raw.resource(one), FAILED);
    raw.pass(1);
    assert_eq!(raw.resource(one), COMING);
}

#[test]
fn restarts_go_on_to_a_failover_and_close_what_is_left_behind() {
    let (raw, cluster) = scripted();
    let (one, script) = raw.script(cluster, "fails over");
    let group = crate::call::open(&raw, raw.table.OpenClusterGroup, cluster, "group of fails over").unwrap();
    script.answers(PENDING, 0);
    begun(raw.online(one));
    raw.idle();
    assert_eq!(script.come_online(), CONTINUE);
    assert_eq!(raw.owner(group), "n1");
    script.answers(5, 0);
    assert_eq!(raw.fail(one), 0);
    raw.idle();
    assert_eq!(script.calls(), ["open", "online", "terminate"]);
    raw.pass(499);
    assert_eq!(
        (raw.resource(one), script.calls()),
        (FAILED, vec![]),
        "RestartDelay is 500 ms"
    );
    script.answers(5, 0);
    raw.pass(1);
    // The restart has failed too: RestartThreshold is 1, so the group fails over, where Online fails as well.
    assert_eq!(script.calls()[..4], ["online", "terminate", "close", "open"]);
    assert_eq!(raw.owner(group), "n2");
}

#[test]
fn online_while_it_goes_offline_comes_after_it() {
    let (raw, cluster) = scripted();
    let (one, script) = coming(&raw, cluster, "comes back");
    assert_eq!(script.come_online(), CONTINUE);
    begun(raw.offline(one));
    begun(raw.online(one));
    raw.idle();
    assert_eq!((raw.resource(one), script.calls()), (GOING, vec!["offline"]));
    assert_eq!(script.tell(OFFLINE, 0), CONTINUE);
    raw.idle();
    assert_eq!((raw.resource(one), script.calls()), (COMING, vec!["online"]));
}

#[test]
fn terminate_in_the_middle_ends_it_at_once() {
    let (raw, cluster) = scripted();
    let (one, script) = coming(&raw, cluster, "terminated");
    let flags = resource_offline_flags::FORCE_WITH_TERMINATION;
    // SAFETY: There is no list.
    let code = unsafe { raw.table.OfflineClusterResourceEx.unwrap()(one, flags, ptr::null(), 0) };
    assert_eq!((code, raw.resource(one)), (0, OFFLINE));
    assert_eq!(script.come_online(), TERMINATE);
    raw.idle();
    assert_eq!((raw.resource(one), script.calls()), (OFFLINE, vec!["terminate"]));
    begun(raw.online(one));
    raw.idle();
    assert_eq!(script.come_online(), CONTINUE);
    assert_eq!(raw.resource(one), ONLINE);
}

#[test]
fn a_provider_that_fails_takes_along_what_was_coming_online() {
    let (raw, cluster) = scripted();
    let group = raw.make_group(cluster, "g");
    let provider = raw.make_resource(group, "provider");
    let script = Script::of("dependent");
    script.answers(PENDING, 0);
    let one = raw.try_resource(group, "dependent", KIND).unwrap();
    assert_eq!(raw.depend(one, provider), 0);
    begun(raw.online(one));
    raw.pass(199);
    assert_eq!(script.calls(), Vec::<&str>::new());
    raw.pass(1);
    assert_eq!(script.calls(), ["open", "online"]);
    assert_eq!(raw.fail(provider), 0);
    raw.idle();
    assert_eq!((raw.resource(one), script.calls()), (OFFLINE, vec!["terminate"]));
    raw.pass(700);
    assert_eq!(
        (raw.resource(provider), raw.resource(one), script.calls()),
        (ONLINE, COMING, vec!["online"])
    );
}

#[test]
fn a_move_closes_here_and_opens_there() {
    let (raw, cluster) = scripted();
    let (one, script) = raw.script(cluster, "moves");
    begun(raw.online(one));
    raw.idle();
    script.calls();
    let group = call::open(&raw, raw.table.OpenClusterGroup, cluster, "group of moves").unwrap();
    let (here, node) = (script.handle(), raw.open_node(cluster, "n2").unwrap());
    begun(raw.move_group(group, node));
    raw.idle();
    assert_eq!(script.calls(), ["offline", "close", "open", "online"]);
    assert_eq!((raw.resource(one), raw.owner(group).as_str()), (ONLINE, "n2"));
    assert_ne!(script.handle(), here);
    assert_eq!(tell(here, FAILED, 0, 0), TERMINATE);
}

#[test]
fn control_codes_go_to_the_dll_first() {
    const OWN: u32 = 0x0120_0001;
    let (raw, cluster) = scripted();
    let (one, script) = raw.script(cluster, "controlled");
    let target = Target::Resource(one);
    assert_eq!(
        control(&raw, target, OWN, &[]),
        Err(1),
        "neither the DLL nor the cluster knows it"
    );
    script.knows(OWN, 0, b"answer");
    assert_eq!(control(&raw, target, OWN, &[1]), Ok(b"answer".to_vec()));
    script.knows(OWN, 5024, &[]);
    assert_eq!(control(&raw, target, OWN, &[]), Err(5024));
    // A buffer that is too small: the size comes back.
    script.knows(OWN, 0, &[7; 100]);
    let (mut room, mut back) = ([0_u8; 4], 0);
    let function = raw.table.ClusterResourceControl.unwrap();
    // SAFETY: The buffer has the size that goes with it.
    let code = unsafe { function(one, 0, OWN, ptr::null(), 0, room.as_mut_ptr().cast(), 4, &raw mut back) };
    assert_eq!((code, back), (234, 100));
    // What the DLL leaves to the cluster: its own properties, and private ones.
    let list = dwords(&[("Patience", 5)]);
    assert_eq!(control(&raw, target, 0x0140_0086, &list), Ok(vec![]));
    let private = control(&raw, target, 0x0100_0081, &[]).unwrap();
    assert_eq!(crate::verbs::find_dword(&private, "Patience"), Some(5));
    let kind = Target::Type(cluster, KIND);
    assert_eq!(control(&raw, kind, TYPE_CODE, &[]), Ok(KIND.as_bytes().to_vec()));
    assert_eq!(control(&raw, kind, TYPE_CODE + 4, &[]), Err(1));
    assert_eq!(call::text(&control(&raw, kind, 0x0200_0029, &[]).unwrap()), KIND);
}

#[test]
fn what_cannot_be_started_fails_with_its_code() {
    let (raw, cluster) = scripted();
    for (kind, code) in [("Too New 1306", 1306), ("Unknown 5080", 5080)] {
        raw.script_type(cluster, kind);
        let group = raw.make_group(cluster, kind);
        let one = raw.try_resource(group, kind, kind).unwrap();
        assert_eq!(control(&raw, Target::Resource(one), 0x0120_0001, &[]), Err(code));
        begun(raw.online(one));
        raw.idle();
        assert_eq!(
            (raw.resource(one), raw.number(one, "LastOperationStatusCode")),
            (FAILED, code)
        );
    }
    // Open has no script for it, and fails.
    let group = raw.make_group(cluster, "g");
    let one = raw.try_resource(group, "nobody's", KIND).unwrap();
    begun(raw.online(one));
    raw.idle();
    assert_eq!(raw.resource(one), FAILED);
    assert_eq!(raw.simulation.monitor_log().last().unwrap().text, "Open has failed");
}

#[test]
fn a_dll_that_is_not_there_fails_its_resources() {
    let raw = Raw::new(|scenario| {
        scenario.timing.manual = true;
        scenario.clusters = vec![crate::verbs::existing(&["n1"])];
        scenario.resource_dlls = ResourceDll::list("scripted.dll = /no/such/file.dll").unwrap();
    });
    let cluster = raw.open(Some("c")).unwrap();
    raw.add_type(cluster, "Missing", "SCRIPTED.DLL");
    let group = raw.make_group(cluster, "g");
    let one = raw.try_resource(group, "one", "Missing").unwrap();
    begun(raw.online(one));
    raw.idle();
    assert_eq!(
        (raw.resource(one), raw.number(one, "LastOperationStatusCode")),
        (FAILED, 126)
    );
    assert_eq!(ResourceDll::list("a=b; nonsense"), Err("nonsense".into()));
}

#[test]
#[cfg_attr(miri, ignore = "Miri calls no C")]
fn the_log_takes_formats_with_arguments() {
    let (raw, cluster) = scripted();
    let (_, script) = coming(&raw, cluster, "logs");
    let (format, name) = (wide("%1 has %2!u! of %3!I64d! (100%%)"), wide("workload"));
    // SAFETY: The format takes a string and two numbers.
    unsafe { log_event()(script.handle(), 2, format.as_ptr(), name.as_ptr(), 7_u32, -5_i64) };
    // SAFETY: The format takes nothing; the handle is nobody's.
    unsafe { log_event()(1, 2, format.as_ptr(), name.as_ptr(), 7_u32, -5_i64) };
    let log = raw.simulation.monitor_log();
    let [line] = log.as_slice() else { panic!("{log:?}") };
    assert_eq!(
        (line.text.as_str(), line.level),
        ("workload has 7 of -5 (100%)", MonitorLevel::Error)
    );
    assert_eq!((line.resource.as_str(), line.resource_type.as_str()), ("logs", KIND));
}

#[test]
fn a_world_without_waits_does_not_jump_over_the_work_of_a_dll() {
    let (raw, cluster) = scripted_instant();
    let (one, script) = coming(&raw, cluster, "real work");
    let group = raw.make_group(cluster, "g");
    let service = raw.make_resource(group, "service");
    let begin = raw.simulation.now();
    while raw.simulation.now() - begin < std::time::Duration::from_secs(400) {
        for _ in 0..100 {
            assert_eq!((raw.online(service), raw.offline(service)), (0, 0));
        }
        raw.create(&format!("c{}", raw.simulation.now().as_millis()), &["n3"], &[])
            .ok();
    }
    raw.idle();
    assert_eq!(raw.resource(one), COMING);
    assert_eq!(script.come_online(), CONTINUE);
    assert_eq!(raw.resource(one), ONLINE);
    // Time that is moved by hand counts.
    begun(raw.offline(one));
    raw.pass(180_000);
    assert_eq!(script.calls().last(), Some(&"terminate"));
}

#[test]
fn a_provider_waits_in_a_world_without_waits_for_the_dll_of_its_dependent() {
    let (raw, cluster) = scripted_instant();
    let group = raw.make_group(cluster, "g");
    let provider = raw.make_resource(group, "provider");
    let script = Script::of("slow dependent");
    let one = raw.try_resource(group, "slow dependent", KIND).unwrap();
    let between = raw.make_resource(group, "between");
    assert_eq!((raw.depend(between, provider), raw.depend(one, between)), (0, 0));
    begun(raw.online(one));
    raw.idle();
    script.answers(PENDING, PENDING);
    script.calls();
    assert_eq!(raw.fail(provider), 0);
    raw.idle();
    assert_eq!((raw.resource(provider), raw.resource(one)), (FAILED, GOING));
    assert_eq!(script.tell(OFFLINE, 0), CONTINUE);
    raw.idle();
    assert_eq!((raw.resource(provider), raw.resource(one)), (ONLINE, COMING));
    assert_eq!(script.calls(), ["offline", "online"]);
}

#[test]
fn a_saved_world_begins_anew_what_its_dlls_ran() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let scenario = |change: fn(&mut Scenario)| {
        Raw::scenario(|scenario| {
            scenario.timing.manual = true;
            scenario.clusters = vec![crate::verbs::existing(&["n1"])];
            change(scenario);
        })
    };
    let raw = Raw::over(Simulation::open(scenario(|_| {}), &path).unwrap());
    let cluster = raw.open(Some("c")).unwrap();
    raw.script_type(cluster, KIND);
    let (one, script) = raw.script(cluster, "saved");
    begun(raw.online(one));
    raw.idle();
    assert_eq!(script.calls(), ["open", "online"]);
    drop(raw);
    script.wait_for("close");
    script.calls();
    let raw = Raw::over(Simulation::open(scenario(|_| {}), &path).unwrap());
    let cluster = raw.open(Some("c")).unwrap();
    let one = raw.open_resource(cluster, "saved").unwrap();
    assert_eq!(
        raw.resource(one),
        ONLINE,
        "without its DLL the simulator goes on with it"
    );
    script.answers(PENDING, 0);
    // SAFETY: The function keeps the contract of the resource API.
    unsafe { raw.simulation.provide_resource_dll(DLL, startup) };
    assert_eq!(raw.resource(one), COMING);
    raw.idle();
    assert_eq!(script.calls(), ["open", "online"]);
    assert_eq!(script.come_online(), CONTINUE);
    assert_eq!(raw.resource(one), ONLINE);
}

#[test]
fn the_simulators_own_types_are_watched_alike() {
    let (raw, cluster) = crate::verbs::with(&["n1"], |scenario| {
        scenario.timing.manual = true;
        let slow = |online_ms| ResourceTimes {
            online_ms,
            offline_ms: 100,
        };
        let types = &mut scenario.timing.resource_types;
        types.insert(SERVICE.into(), slow(539_997));
        types.insert("Generic Script".into(), slow(540_003));
    });
    let group = raw.make_group(cluster, "g");
    let (in_time, late) = (
        raw.make_resource(group, "in time"),
        raw.try_resource(group, "late", "Generic Script").unwrap(),
    );
    stays_failed(&raw, late);
    assert_eq!(raw.online_group(group, 0), PENDING);
    raw.advance(180_000);
    assert_eq!((raw.resource(in_time), raw.resource(late)), (COMING, FAILED));
    raw.advance(359_996);
    assert_eq!(raw.resource(in_time), COMING);
    raw.advance(1);
    assert_eq!(raw.resource(in_time), ONLINE);
}

#[test]
fn a_thousand_resources_come_online_together() {
    let count: usize = if cfg!(miri) { 3 } else { 1_000 };
    let (raw, cluster) = still(&["n1", "n2"]);
    raw.script_type(cluster, KIND);
    // What a group does grows with the square of its resources.
    let groups: Vec<isize> = (0..count.div_ceil(50))
        .map(|number| raw.make_group(cluster, &format!("g{number}")))
        .collect();
    let scripts: Vec<_> = (0..count)
        .map(|number| {
            let name = format!("one of many {number}");
            let script = Script::of(&name);
            script.answers(PENDING, PENDING);
            raw.try_resource(groups[number / 50], &name, KIND).unwrap();
            script
        })
        .collect();
    for group in &groups {
        assert_eq!(raw.online_group(*group, 0), PENDING);
    }
    raw.idle();
    for script in &scripts {
        assert_eq!(script.calls(), ["open", "online"]);
        assert_eq!(script.tell(COMING, 1), CONTINUE);
    }
    std::thread::scope(|scope| {
        for part in scripts.chunks(count.div_ceil(4)) {
            scope.spawn(move || {
                for script in part {
                    assert_eq!(script.come_online(), CONTINUE);
                }
            });
        }
    });
    raw.idle();
    for group in groups {
        assert_eq!(raw.group(group).0, group_state::ONLINE);
    }
    raw.pass(5_000);
    for script in &scripts {
        assert_eq!(script.calls(), ["looks alive"]);
    }
}
