//! Resources that get another name, which the agent hears of when they come online again.

use super::*;

/// The DLL tells resource 1 under this name.
fn tell(bench: &mut Bench, resource: &str, online_as: &str, native_state: i32, again: bool) {
    let opened = Opened {
        instance: 1,
        resource: resource.into(),
        workload: "Work".into(),
        native_state,
        again,
        online_as: online_as.into(),
        ..Opened::default()
    };
    bench.from(DLL, FromMonitor::Opened(opened));
}

fn rename(bench: &mut Bench, resource: &str) {
    tell(bench, resource, "Resource 1", resource_state::ONLINE, true);
}

/// Kind and resource of the calls that the agent was given.
fn named(bench: &mut Bench) -> Vec<(Kind, String)> {
    let calls = bench.calls(AGENT).into_iter();
    calls.map(|call| (call.kind(), call.resource)).collect()
}

#[test]
fn work_that_runs_keeps_the_name_that_it_was_started_under() {
    let mut bench = Bench::online();
    rename(&mut bench, "Renamed");
    assert_eq!(bench.view()[0].resources[0].resource, "Renamed");
    bench.pass(ms(1_000));
    let check = bench.calls(AGENT).remove(0);
    assert_eq!(
        (check.kind(), check.resource.as_str()),
        (Kind::CheckHealth, "Resource 1")
    );
    bench.answer(AGENT, &check.call_id, State::Online);
    bench.healths();
    bench.healthy(AGENT, "Resource 1", false);
    assert_eq!(bench.healths(), [(1, false)]);
    // The agent comes back, and knows its work by that name.
    bench.attach(OTHER, registration("lease")).unwrap();
    let said = bench.sent(OTHER);
    let Some(ToAgent::Attached(attached)) = said.first() else {
        panic!("{said:?}")
    };
    assert_eq!(attached.open.as_ref().unwrap().resources, ["Resource 1"]);
    bench.attach(AGENT, registration("lease")).unwrap();
    bench.terminated(1, 1);
    let terminate = bench.calls(AGENT).remove(0);
    assert_eq!(
        (terminate.kind(), terminate.resource.as_str()),
        (Kind::Terminate, "Resource 1")
    );
    bench.answer(AGENT, &terminate.call_id, State::Offline);
    // People hear of it by the name that it has now.
    assert_eq!(bench.told(1, 1, resource_state::OFFLINE, Some(0)).resource, "Renamed");
    bench.begun(1, 2, CallKind::Online, false);
    let told = [
        (Kind::Close, "Resource 1".to_owned()),
        (Kind::Open, "Renamed".to_owned()),
        (Kind::Online, "Renamed".to_owned()),
    ];
    assert_eq!(named(&mut bench), told);
    bench.begun(1, 3, CallKind::Offline, false);
    bench.closed(1);
    assert_eq!(
        named(&mut bench),
        [
            (Kind::Offline, "Renamed".to_owned()),
            (Kind::Close, "Renamed".to_owned())
        ]
    );
}

#[test]
fn a_renamed_resource_goes_offline_under_its_earlier_name() {
    let mut bench = Bench::online();
    rename(&mut bench, "Renamed");
    bench.begun(1, 2, CallKind::Offline, false);
    assert_eq!(named(&mut bench), [(Kind::Offline, "Resource 1".to_owned())]);
    bench.closed(1);
    assert_eq!(named(&mut bench), [(Kind::Close, "Resource 1".to_owned())]);
}

#[test]
fn a_name_that_differs_in_case_alone_closes_nothing() {
    let mut bench = Bench::online();
    rename(&mut bench, "RESOURCE 1");
    bench.terminated(1, 1);
    let terminate = bench.calls(AGENT).remove(0);
    bench.answer(AGENT, &terminate.call_id, State::Offline);
    bench.begun(1, 2, CallKind::Online, false);
    assert_eq!(named(&mut bench), [(Kind::Online, "RESOURCE 1".to_owned())]);
}

#[test]
fn a_daemon_that_was_restarted_learns_the_name_that_work_runs_under() {
    for under_way in [false, true] {
        let mut bench = Bench::new();
        bench.hello(DLL, "monitor");
        let state = if under_way {
            resource_state::ONLINE_PENDING
        } else {
            resource_state::ONLINE
        };
        tell(&mut bench, "Renamed", "Resource 1", state, true);
        if under_way {
            bench.begun(1, 1, CallKind::Online, true);
        }
        bench.attach(AGENT, registration("")).unwrap();
        let kinds: &[_] = if under_way {
            &[Kind::Open, Kind::Online]
        } else {
            &[Kind::Open]
        };
        let expected: Vec<_> = kinds.iter().map(|kind| (*kind, "Resource 1".to_owned())).collect();
        assert_eq!(named(&mut bench), expected);
    }
}
