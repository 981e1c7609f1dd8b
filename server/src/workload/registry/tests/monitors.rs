//! Monitors that come, go and come back, and what they end.

use super::super::Garbage;
use super::*;

/// The greeting on the connection of this number.
fn hello(connection: u64) -> FromMonitor {
    FromMonitor::Hello(Hello {
        version: VERSION,
        monitor_id: "monitor".into(),
        connection,
        ..Hello::default()
    })
}

#[test]
fn what_is_said_before_the_greeting_or_by_another_version_closes_the_channel() {
    let mut registry = Registry::new(Uuid::nil());
    let closed = FromMonitor::Closed(Closed { instance: 1 });
    let says = |registry: &mut Registry, message| registry.monitor_says(Time::ZERO, DLL, message);
    assert_eq!(says(&mut registry, closed), Err(Garbage::NoHello));
    let mut hello = Hello {
        version: VERSION + 1,
        monitor_id: "monitor".into(),
        ..Hello::default()
    };
    let other = says(&mut registry, FromMonitor::Hello(hello.clone()));
    assert!(matches!(other, Err(Garbage::Version { .. })));
    hello.version = VERSION;
    hello.monitor_id.clear();
    assert_eq!(
        says(&mut registry, FromMonitor::Hello(hello.clone())),
        Err(Garbage::Nameless)
    );
    hello.monitor_id = "monitor".into();
    assert_eq!(says(&mut registry, FromMonitor::Hello(hello.clone())), Ok(None));
    assert_eq!(
        says(&mut registry, FromMonitor::Hello(hello)),
        Err(Garbage::SecondHello)
    );
}

#[test]
fn of_two_connections_the_newer_one_counts_in_whatever_order_they_are_read() {
    let mut registry = Registry::new(Uuid::nil());
    let (older, newer) = (ChannelId(1), ChannelId(2));
    let closed = || FromMonitor::Closed(Closed { instance: 1 });
    registry.monitor_says(Time::ZERO, newer, hello(2)).unwrap();
    assert!(!registry.take_outputs().contains(&Output::CloseChannel(newer)));
    registry.monitor_says(Time::ZERO, older, hello(1)).unwrap();
    assert_eq!(registry.take_outputs(), [Output::CloseChannel(older)]);
    assert_eq!(registry.monitor_says(Time::ZERO, older, closed()), Ok(None));
    assert_eq!(registry.monitor_says(Time::ZERO, newer, closed()), Ok(None));
    // In the other order the former one is replaced, and what is still on its way on it is no garbage.
    let newest = ChannelId(3);
    registry.monitor_says(Time::ZERO, newest, hello(3)).unwrap();
    assert!(registry.take_outputs().contains(&Output::CloseChannel(newer)));
    assert_eq!(registry.monitor_says(Time::ZERO, newer, closed()), Ok(None));
    registry.disconnected(Time::ZERO, newer);
    assert_eq!(
        registry.monitor_says(Time::ZERO, newer, closed()),
        Err(Garbage::NoHello),
        "nothing is kept of what has ended"
    );
}

#[test]
fn what_the_monitor_was_told_is_recorded_of_a_connection_that_has_been_replaced_and_changes_nothing() {
    let mut bench = Bench::attached();
    bench.begun(1, 1, CallKind::Online, false);
    let told = |instance, check_point, native_state| {
        FromMonitor::Told(Told {
            instance,
            call: 1,
            check_point,
            native_state,
            exit_state: Some(0),
            ..Told::default()
        })
    };
    let pending = bench.from(DLL, told(1, 1, resource_state::ONLINE_PENDING)).unwrap();
    let newer = ChannelId(2);
    bench.hello(newer, "monitor");
    let before = bench.view();
    // The daemon was held up, and has read the newer connection first.
    let late = bench.from(DLL, told(1, 2, resource_state::FAILED)).unwrap();
    assert_eq!((late.check_point, late.native_state), (2, resource_state::FAILED));
    assert_eq!(
        (&late.resource, &late.workload, &late.call_id),
        (&pending.resource, &pending.workload, &pending.call_id)
    );
    assert_eq!(bench.view(), before, "the newer connection tells what is so");
    // What was opened before, and is not told again yet.
    assert_eq!(
        bench.from(DLL, told(2, 1, resource_state::OFFLINE)),
        None,
        "it is unknown"
    );
    bench.opened(2, resource_state::OFFLINE, false);
    assert_eq!(bench.view(), before);
    let status = bench.from(DLL, told(2, 1, resource_state::OFFLINE)).unwrap();
    assert_eq!(
        (status.resource.as_str(), status.workload.as_str()),
        ("Resource 2", "Work")
    );
    // The other way round: the older one greets when the newer one has.
    let mut bench = Bench::new();
    bench.from(newer, hello(2));
    bench.from(DLL, hello(1));
    bench.opened(1, resource_state::OFFLINE, false);
    let status = bench.from(DLL, told(1, 1, resource_state::ONLINE_PENDING)).unwrap();
    assert_eq!(status.call_id, pending.call_id);
    assert_eq!(bench.view(), []);
}

#[test]
fn a_termination_ends_what_is_under_way_and_comes_before_the_next_call() {
    let mut bench = Bench::attached();
    bench.begun(1, 1, CallKind::Online, false);
    let call = bench.calls(AGENT).remove(0).call_id;
    bench.terminated(1, 1);
    let said = bench.sent(AGENT);
    let [ToAgent::Ended(ended), ToAgent::Call(terminate)] = said.as_slice() else {
        panic!("{said:?}")
    };
    assert_eq!(
        (&ended.call_id, ended.reason(), terminate.kind()),
        (&call, End::Terminated, Kind::Terminate)
    );
    bench.terminated(1, 0);
    assert_eq!(bench.sent(AGENT), [], "it is under way");
    bench.answer(AGENT, &call, State::Online);
    assert_eq!(bench.rejection(AGENT), Rejection::CallEnded);
    bench.begun(1, 2, CallKind::Online, false);
    assert_eq!(bench.sent(AGENT), []);
    let waiting = bench.statuses(DLL);
    assert_eq!((waiting.len(), waiting[0].state()), (1, CallState::Pending));
    bench.answer(AGENT, &terminate.call_id, State::Online);
    assert_eq!(bench.rejection(AGENT), Rejection::WrongState);
    bench.answer(AGENT, &terminate.call_id, State::Offline);
    assert_eq!(bench.kinds(AGENT), [(Kind::Online, false)]);
    // A termination that is told late is not about the call that began after it.
    bench.terminated(1, 1);
    assert_eq!(bench.sent(AGENT), []);
    // One that is never answered holds up nothing for ever.
    bench.terminated(1, 2);
    bench.begun(1, 3, CallKind::Online, false);
    bench.sent(AGENT);
    let mut long = 0;
    while bench.kinds(AGENT).is_empty() {
        bench.pass(ms(1_000));
        long += 1;
        if long == 17 {
            // Its own time is over before; the resource is begun again.
            bench.begun(1, 4, CallKind::Online, false);
        }
        assert!(long < 31, "the next call is never given");
    }
    assert_eq!(long, 30);
}

#[test]
fn a_termination_that_is_told_again_is_not_about_what_was_begun_since() {
    let mut bench = Bench::online();
    bench.terminated(1, 0);
    let terminate = bench.calls(AGENT).remove(0).call_id;
    bench.answer(AGENT, &terminate, State::Offline);
    bench.begun(1, 2, CallKind::Online, false);
    let call = bench.calls(AGENT).remove(0).call_id;
    bench.answer(AGENT, &call, State::Online);
    bench.sent(AGENT);
    bench.statuses(DLL);
    // The answer is lost with the connection, so the DLL tells everything again.
    bench.disconnect();
    bench.hello(DLL, "monitor");
    bench.opened(1, resource_state::ONLINE_PENDING, true);
    bench.terminated(1, 1);
    bench.begun(1, 2, CallKind::Online, true);
    assert_eq!(bench.states(DLL), [(CallState::Online, Source::Agent)]);
    assert_eq!(bench.sent(AGENT), []);
}

#[test]
fn what_was_terminated_and_closed_while_the_daemon_was_away_is_ended() {
    let mut bench = Bench::new();
    bench.attach(AGENT, registration("")).unwrap();
    bench.hello(DLL, "monitor");
    bench.sent(AGENT);
    bench.opened(1, resource_state::FAILED, true);
    bench.terminated(1, 1);
    bench.closed(1);
    let kinds: Vec<_> = bench.calls(AGENT).iter().map(v1::WorkloadCall::kind).collect();
    assert_eq!(kinds, [Kind::Open, Kind::Terminate, Kind::Close]);
    assert!(bench.view().iter().all(|workload| workload.resources.is_empty()));
}

#[test]
fn a_monitor_that_comes_back_finds_the_calls_where_they_are() {
    // What the agent says meanwhile is told afterwards: the last of it, or the answer.
    for is_final in [false, true] {
        let mut bench = Bench::attached();
        bench.begun(1, 1, CallKind::Online, false);
        let call = bench.calls(AGENT).remove(0).call_id;
        bench.disconnect();
        bench.answer(AGENT, &call, State::Pending);
        bench.answer(AGENT, &call, if is_final { State::Online } else { State::Pending });
        assert_eq!(bench.said, []);
        bench.pass(ms(900));
        let new = ChannelId(7);
        bench.registry.disconnected(bench.now, DLL);
        bench.hello(new, "monitor");
        bench.from(
            new,
            FromMonitor::Opened(Opened {
                instance: 1,
                resource: "Resource 1".into(),
                workload: "work".into(),
                native_state: resource_state::OFFLINE,
                again: true,
                ..Opened::default()
            }),
        );
        let begun = Begun {
            instance: 1,
            call: 1,
            kind: CallKind::Online.into(),
            pending_timeout_ms: PENDING,
            again: true,
            workload: "Work".into(),
            ..Begun::default()
        };
        bench.from(new, FromMonitor::Begun(begun));
        let state = if is_final {
            CallState::Online
        } else {
            CallState::Pending
        };
        assert_eq!(bench.states(new), [(state, Source::Agent)]);
        assert_eq!(bench.calls(AGENT), [], "the agent has the call");
    }
}

#[test]
fn an_answer_that_was_lost_with_the_connection_is_told_again() {
    let mut bench = Bench::attached();
    bench.begun(1, 1, CallKind::Online, false);
    let call = bench.calls(AGENT).remove(0).call_id;
    bench.answer(AGENT, &call, State::Online);
    assert_eq!(bench.states(DLL).len(), 1);
    bench.disconnect();
    bench.hello(DLL, "monitor");
    bench.opened(1, resource_state::ONLINE_PENDING, true);
    bench.begun(1, 1, CallKind::Online, true);
    assert_eq!(bench.states(DLL), [(CallState::Online, Source::Agent)]);
    bench.told(1, 1, resource_state::ONLINE, Some(0));
    bench.healthy(AGENT, "", false);
    assert_eq!(bench.healths(), [(1, false)], "it counts as online");
}

#[test]
fn a_call_keeps_its_id_when_the_daemon_is_another() {
    let call = |again| {
        let mut bench = Bench::new();
        bench.registry = Registry::new(Uuid::from_u128(if again { 2 } else { 1 }));
        bench.hello(DLL, "monitor");
        bench.opened(1, resource_state::OFFLINE, again);
        bench.begun(1, 5, CallKind::Online, again);
        bench.attach(AGENT, registration("")).unwrap();
        let calls = bench.calls(AGENT);
        assert_eq!((calls[1].kind(), calls[1].resumed), (Kind::Online, again));
        calls[1].call_id.clone()
    };
    assert_eq!(call(false), call(true));
}

#[test]
fn a_newer_connection_of_a_monitor_replaces_the_older() {
    let mut bench = Bench::attached();
    let new = ChannelId(2);
    bench.hello(new, "monitor");
    assert!(bench.said.contains(&Output::CloseChannel(DLL)));
    assert_eq!(
        bench
            .registry
            .monitor_says(bench.now, DLL, FromMonitor::Closed(Closed { instance: 1 })),
        Ok(None),
        "it is still on its way on a connection that counts no more"
    );
    bench.registry.disconnected(bench.now, DLL);
    bench.pass(ms(9_999));
    assert_eq!(bench.view()[0].resources.len(), 1);
    // It does not have the resource any more.
    bench.pass(ms(1));
    assert_eq!(bench.view()[0].resources.len(), 0);
    assert_eq!(bench.kinds(AGENT), [(Kind::Close, false)]);
}

#[test]
fn a_call_that_is_not_told_again_is_gone() {
    let mut bench = Bench::attached();
    bench.begun(1, 1, CallKind::Online, false);
    let call = bench.calls(AGENT).remove(0).call_id;
    bench.disconnect();
    bench.hello(DLL, "monitor");
    bench.opened(1, resource_state::FAILED, true);
    bench.answer(AGENT, &call, State::Pending);
    bench.pass(ms(10_000));
    let ends = bench.ends(AGENT);
    assert_eq!(ends.last().map(|(id, _)| id), Some(&call));
    assert_eq!(bench.view()[0].resources.len(), 1);
}

#[test]
fn what_the_dll_has_failed_by_itself_has_ended() {
    let mut bench = Bench::attached();
    bench.begun(1, 1, CallKind::Online, false);
    let call = bench.calls(AGENT).remove(0).call_id;
    let status = bench.told(1, 1, resource_state::FAILED, Some(0));
    assert_eq!(status.call_id, call);
    assert_eq!(bench.ends(AGENT), [(call, End::Timeout)]);
    bench.pass(ms(PENDING));
    assert_eq!(bench.states(DLL), []);
}

#[test]
fn a_resource_that_is_closed_or_whose_monitor_is_gone_is_gone() {
    for is_closed in [true, false] {
        let mut bench = Bench::attached();
        bench.begun(1, 1, CallKind::Online, false);
        let call = bench.calls(AGENT).remove(0).call_id;
        if is_closed {
            bench.closed(1);
        } else {
            bench.answer(AGENT, &call, State::Online);
            bench.begun(1, 2, CallKind::Offline, false);
            bench.disconnect();
            // Meanwhile it has failed for want of an answer.
            bench.pass(ms(PENDING));
            bench.calls(AGENT);
            bench.pass(ms(21_000));
        }
        let said = bench.sent(AGENT);
        let Some(ToAgent::Call(close)) = said.last() else {
            panic!("{said:?}")
        };
        assert_eq!(
            (close.kind(), said.len()),
            (Kind::Close, if is_closed { 2 } else { 1 }),
            "{said:?}"
        );
        assert_eq!(bench.view()[0].resources.len(), 0);
        // An answer is not needed, and does no harm.
        bench.answer(AGENT, &close.call_id, State::Offline);
        assert_eq!(bench.sent(AGENT), []);
        bench.gone(AGENT);
        bench.pass(ms(20_000));
        assert!(bench.view().is_empty(), "nobody names the workload any more");
    }
}

#[test]
fn calls_that_cannot_be_are_failed_at_once() {
    let mut bench = Bench::open();
    bench.begun(9, 1, CallKind::Online, false);
    bench.begun(1, 1, CallKind::Unspecified, false);
    let begun = Begun {
        instance: 1,
        call: 2,
        kind: CallKind::Online.into(),
        ..Begun::default()
    };
    bench.from(DLL, FromMonitor::Begun(begun));
    assert_eq!(bench.states(DLL), [(CallState::Failed, Source::Daemon); 3]);
    bench.begun(1, 3, CallKind::Online, false);
    bench.statuses(DLL);
    // Once more, and one that is over.
    bench.begun(1, 3, CallKind::Online, false);
    bench.begun(1, 2, CallKind::Online, false);
    assert_eq!(bench.said, []);
    bench.opened(1, resource_state::OFFLINE, false);
    assert_eq!(bench.registry.instances.len(), 1);
    let nameless = Opened {
        instance: 5,
        ..Opened::default()
    };
    bench.from(DLL, FromMonitor::Opened(nameless));
    for instance in 10..super::super::MOST_INSTANCES as u64 + 20 {
        bench.opened(instance, resource_state::OFFLINE, false);
    }
    assert_eq!(bench.registry.instances.len(), super::super::MOST_INSTANCES);
}

#[test]
fn a_resource_can_change_its_workload() {
    let mut bench = Bench::attached();
    let begun = Begun {
        instance: 1,
        call: 1,
        kind: CallKind::Online.into(),
        workload: "Another".into(),
        parameters: [("KEY".to_owned(), "value".to_owned())].into(),
        ..Begun::default()
    };
    bench.from(DLL, FromMonitor::Begun(begun));
    assert_eq!(bench.kinds(AGENT), [(Kind::Close, false)]);
    let mut another = registration("");
    another.workload = "ANOTHER".into();
    bench.attach(OTHER, another).unwrap();
    let calls = bench.calls(OTHER);
    assert_eq!(
        calls.iter().map(v1::WorkloadCall::kind).collect::<Vec<_>>(),
        [Kind::Open, Kind::Online]
    );
    assert_eq!(calls[1].parameters["KEY"], "value");
    assert_eq!((calls[1].workload.as_str(), bench.view().len()), ("Another", 2));
}

#[test]
fn a_monitor_that_died_does_not_close_what_was_restarted_in_another() {
    let mut bench = Bench::online();
    bench.disconnect();
    let new = ChannelId(2);
    bench.hello(new, "another monitor");
    let opened = Opened {
        instance: 7,
        resource: "RESOURCE 1".into(),
        workload: "Work".into(),
        native_state: resource_state::OFFLINE,
        ..Opened::default()
    };
    bench.from(new, FromMonitor::Opened(opened));
    bench.sent(AGENT);
    bench.pass(ms(30_000));
    assert_eq!(bench.view()[0].resources.len(), 1);
    let calls = bench.kinds(AGENT);
    assert!(calls.iter().all(|(kind, _)| *kind != Kind::Close), "{calls:?}");
    // The last one of the name closes it.
    bench.from(new, FromMonitor::Closed(Closed { instance: 7 }));
    assert_eq!(bench.kinds(AGENT), [(Kind::Close, false)]);
}

#[test]
fn work_of_a_monitor_that_died_is_ended_where_the_resource_is_merely_open_in_another() {
    // It was online, or on its way and the agent got it there, or the agent was away and has it still.
    for (was_online, is_away) in [(true, false), (false, false), (true, true)] {
        let mut bench = if was_online { Bench::online() } else { Bench::attached() };
        if !was_online {
            bench.begun(1, 1, CallKind::Online, false);
        }
        let under_way = bench.calls(AGENT);
        bench.disconnect();
        let new = ChannelId(2);
        bench.hello(new, "another monitor");
        let opened = Opened {
            instance: 7,
            resource: "Resource 1".into(),
            workload: "Work".into(),
            native_state: resource_state::OFFLINE,
            ..Opened::default()
        };
        bench.from(new, FromMonitor::Opened(opened));
        let open = bench.calls(AGENT).remove(0);
        bench.answer(AGENT, &open.call_id, State::Offline);
        if let Some(online) = under_way.first() {
            bench.answer(AGENT, &online.call_id, State::Online);
        }
        if is_away {
            bench.pass(ms(25_000));
            bench.gone(AGENT);
        }
        bench.pass(ms(30_000));
        if is_away {
            bench.attach(AGENT, registration("")).unwrap();
        }
        let calls = bench.calls(AGENT);
        let last = calls.last().unwrap();
        assert_eq!((last.kind(), last.resource.as_str()), (Kind::Terminate, "Resource 1"));
        assert!(calls.iter().all(|call| call.kind() != Kind::Close), "{calls:?}");
        // And what comes online there waits for it.
        let begun = Begun {
            instance: 7,
            call: 1,
            kind: CallKind::Online.into(),
            pending_timeout_ms: PENDING,
            workload: "Work".into(),
            ..Begun::default()
        };
        bench.from(new, FromMonitor::Begun(begun));
        assert_eq!(bench.calls(AGENT), []);
        bench.answer(AGENT, &last.call_id, State::Offline);
        assert_eq!(bench.kinds(AGENT), [(Kind::Online, false)]);
    }
}

#[test]
fn a_monitor_whose_process_has_ended_is_not_waited_for() {
    let process = Mortal::default();
    let mut bench = Bench::online();
    bench.registry.watch(DLL, Some(Box::new(process.clone())));
    bench.disconnect();
    // Its end is seen a little later than that of its connection.
    bench.pass(ms(2_000));
    process.end();
    bench.pass(ms(1_000));
    assert_eq!(bench.kinds(AGENT).last(), Some(&(Kind::Close, false)));
    assert!(bench.view()[0].resources.is_empty());
}

#[test]
fn a_monitor_whose_process_runs_may_come_back() {
    let process = Mortal::default();
    let mut bench = Bench::online();
    bench.registry.watch(DLL, Some(Box::new(process.clone())));
    bench.disconnect();
    bench.pass(ms(10_000));
    assert_eq!(bench.view()[0].resources.len(), 1);
    bench.hello(DLL, "monitor");
    bench.registry.watch(DLL, Some(Box::new(process.clone())));
    bench.opened(1, resource_state::ONLINE, true);
    bench.pass(ms(40_000));
    assert_eq!(bench.view()[0].resources.len(), 1);
    // It ends while it is away.
    bench.disconnect();
    bench.pass(ms(10_000));
    process.end();
    bench.pass(ms(3_000));
    assert!(bench.view()[0].resources.is_empty());
    // Or never, and does not come back.
    let mut bench = Bench::online();
    bench.registry.watch(DLL, Some(Box::new(Mortal::default())));
    bench.disconnect();
    bench.pass(ms(29_999));
    assert_eq!(bench.view()[0].resources.len(), 1);
    bench.pass(ms(1));
    assert!(bench.view()[0].resources.is_empty());
}

#[test]
fn a_close_does_not_take_a_termination_back() {
    let mut bench = Bench::online();
    bench.terminated(1, 0);
    let terminate = bench.calls(AGENT).remove(0).call_id;
    bench.closed(1);
    let said = bench.sent(AGENT);
    let [ToAgent::Call(close)] = said.as_slice() else {
        panic!("{said:?}")
    };
    assert_eq!(close.kind(), Kind::Close);
    bench.answer(AGENT, &terminate, State::Offline);
    assert_eq!(bench.sent(AGENT), []);
}

#[test]
fn a_termination_waits_for_an_agent_and_comes_before_the_next_call() {
    let mut bench = Bench::online();
    bench.gone(AGENT);
    bench.terminated(1, 0);
    bench.begun(1, 2, CallKind::Online, false);
    let waiting = bench.statuses(DLL);
    assert_eq!(waiting[0].message, "waiting for an agent");
    // Its lease has run out meanwhile, and longer than a termination may take has passed.
    bench.pass(ms(PENDING));
    bench.begun(1, 3, CallKind::Online, false);
    bench.pass(ms(PENDING));
    bench.begun(1, 4, CallKind::Online, false);
    bench.pass(ms(PENDING));
    bench.begun(1, 5, CallKind::Online, false);
    bench.pass(ms(PENDING));
    let mut faithful = registration("");
    faithful.lease = ms(100_000);
    bench.attach(OTHER, faithful).unwrap();
    let calls = bench.calls(OTHER);
    let kinds: Vec<_> = calls.iter().map(v1::WorkloadCall::kind).collect();
    assert_eq!(kinds, [Kind::Open, Kind::Terminate]);
    // An agent that comes back is given it again, however long that took.
    bench.gone(OTHER);
    bench.pass(ms(40_000));
    bench.begun(1, 6, CallKind::Online, false);
    bench.attach(OTHER, registration("lease")).unwrap();
    assert_eq!(bench.kinds(OTHER), [(Kind::Open, true), (Kind::Terminate, true)]);
    bench.answer(OTHER, &calls[1].call_id, State::Offline);
    assert_eq!(bench.kinds(OTHER), [(Kind::Online, false)]);
}

#[test]
fn work_that_runs_of_a_resource_that_is_not_online_is_ended() {
    let mut bench = Bench::open();
    bench.attach(AGENT, registration("")).unwrap();
    let open = bench.calls(AGENT).remove(0).call_id;
    bench.answer(AGENT, &open, State::Online);
    assert_eq!(bench.kinds(AGENT), [(Kind::Terminate, false)]);
    // But not what the monitor has a call of, which it is about to tell.
    let mut bench = Bench::new();
    bench.attach(AGENT, registration("")).unwrap();
    bench.hello(DLL, "monitor");
    bench.opened(1, resource_state::ONLINE_PENDING, true);
    let open = bench.calls(AGENT).remove(0).call_id;
    bench.answer(AGENT, &open, State::Online);
    assert_eq!(bench.sent(AGENT), []);
}

#[test]
fn a_status_that_was_told_before_a_termination_makes_nothing_online() {
    let mut bench = Bench::attached();
    bench.begun(1, 1, CallKind::Online, false);
    let call = bench.calls(AGENT).remove(0).call_id;
    bench.answer(AGENT, &call, State::Online);
    bench.terminated(1, 1);
    bench.sent(AGENT);
    bench.told(1, 1, resource_state::ONLINE, Some(0));
    bench.healthy(AGENT, "Resource 1", false);
    assert_eq!(bench.rejection(AGENT), Rejection::NotOnline);
}

#[test]
fn bad_health_is_not_lost_with_the_connection() {
    let mut bench = Bench::attached();
    bench.begun(1, 1, CallKind::Online, false);
    let call = bench.calls(AGENT).remove(0).call_id;
    bench.disconnect();
    bench.answer(AGENT, &call, State::Online);
    bench.healthy(AGENT, "", false);
    bench.hello(DLL, "monitor");
    bench.opened(1, resource_state::ONLINE_PENDING, true);
    bench.begun(1, 1, CallKind::Online, true);
    let [
        Output::Monitor(_, ToMonitor::Status(status)),
        Output::Monitor(_, ToMonitor::Health(health)),
    ] = &bench.said[bench.said.len() - 2..]
    else {
        panic!("{:?}", bench.said)
    };
    assert_eq!((status.state(), health.healthy), (CallState::Online, false));
}
