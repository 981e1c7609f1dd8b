//! Agents that answer, and those that do not.

use super::*;

#[test]
fn a_call_goes_to_the_agent_and_its_statuses_to_the_monitor() {
    let mut bench = Bench::attached();
    bench.begun(1, 1, CallKind::Online, false);
    let call = bench.calls(AGENT).remove(0);
    assert_eq!(
        (call.kind(), call.resumed, call.resource.as_str()),
        (Kind::Online, false, "Resource 1")
    );
    let timeout = Duration::try_from(call.timeout.unwrap()).unwrap();
    assert_eq!(timeout, ms(PENDING) - ms(PENDING / 10), "earlier than the cluster");
    let pending = v1::WorkloadStatus {
        call_id: call.call_id.clone(),
        state: State::Pending.into(),
        percent: Some(40),
        message: "ä".repeat(2_000),
        wait_hint: Some(prost_types::Duration { seconds: 2, nanos: 0 }),
        win32_code: 0,
    };
    bench.status(AGENT, pending);
    bench.answer(AGENT, &call.call_id, State::Online);
    let statuses = bench.statuses(DLL);
    assert_eq!(statuses.len(), 2);
    assert_eq!(
        (statuses[0].instance, statuses[0].call, statuses[0].percent),
        (1, 1, Some(40))
    );
    assert_eq!(
        (statuses[0].wait_hint_ms, statuses[0].message.chars().count()),
        (2_000, 1_024)
    );
    assert_eq!(
        (statuses[1].state(), statuses[1].source()),
        (CallState::Online, Source::Agent)
    );
    let status = bench.told(1, 1, resource_state::ONLINE, Some(0));
    assert_eq!(
        (status.call_id.as_str(), status.state(), status.check_point),
        (&*call.call_id, v1::ResourceState::Online, 3)
    );
    assert_eq!(
        status.time,
        Some(prost_types::Timestamp {
            seconds: 1,
            nanos: 500_000_000
        })
    );
    let view = bench.view();
    assert_eq!(
        (view[0].name.as_str(), view[0].agent.as_str(), view[0].attached),
        ("Work", "agent", true)
    );
    assert_eq!(view[0].resources[0].status, Some(status));
    // What comes after the final one changes nothing.
    for state in [State::Failed, State::Online] {
        bench.answer(AGENT, &call.call_id, state);
        assert_eq!(bench.rejection(AGENT), Rejection::CallEnded);
    }
    assert!(bench.said.is_empty(), "{:?}", bench.said);
}

#[test]
fn what_makes_no_sense_is_rejected_and_changes_nothing() {
    let mut bench = Bench::attached();
    bench.begun(1, 1, CallKind::Online, false);
    let call = bench.calls(AGENT).remove(0).call_id;
    let status = |change: fn(&mut v1::WorkloadStatus)| {
        let mut status = v1::WorkloadStatus {
            call_id: call.clone(),
            state: State::Pending.into(),
            ..v1::WorkloadStatus::default()
        };
        change(&mut status);
        status
    };
    for (wrong, reason) in [
        (status(|it| it.call_id = "another".into()), Rejection::UnknownCall),
        (status(|it| it.call_id.clear()), Rejection::UnknownCall),
        (status(|it| it.state = State::Offline.into()), Rejection::WrongState),
        (status(|it| it.state = 0), Rejection::WrongState),
        (status(|it| it.state = 99), Rejection::WrongState),
        (status(|it| it.percent = Some(101)), Rejection::InvalidField),
        (status(|it| it.win32_code = 5), Rejection::InvalidField),
        (
            status(|it| it.wait_hint = Some(prost_types::Duration { seconds: -1, nanos: 0 })),
            Rejection::InvalidField,
        ),
        (
            status(|it| {
                it.wait_hint = Some(prost_types::Duration {
                    seconds: i64::MAX,
                    nanos: 0,
                });
            }),
            Rejection::InvalidField,
        ),
        (
            status(|it| it.wait_hint = Some(prost_types::Duration::default())),
            Rejection::InvalidField,
        ),
    ] {
        bench.status(AGENT, wrong.clone());
        assert_eq!(bench.rejection(AGENT), reason, "{wrong:?}");
    }
    bench.registry.reject_unknown(AGENT);
    bench.listen();
    assert_eq!(bench.rejection(AGENT), Rejection::InvalidField);
    bench.healthy(AGENT, "Resource 1", false);
    assert_eq!(bench.rejection(AGENT), Rejection::NotOnline);
    // Somebody who holds nothing says something about a call that is not theirs.
    let mut elsewhere = registration("");
    elsewhere.workload = "Elsewhere".into();
    bench.attach(OTHER, elsewhere).unwrap();
    bench.sent(OTHER);
    bench.answer(OTHER, &call, State::Online);
    assert_eq!(bench.rejection(OTHER), Rejection::UnknownCall);
    assert_eq!(bench.states(DLL), []);
    bench.answer(AGENT, &call, State::Online);
    assert_eq!(bench.states(DLL), [(CallState::Online, Source::Agent)]);
}

#[test]
fn an_agent_that_says_nothing_fails_the_call_and_is_late_afterwards() {
    let mut bench = Bench::attached();
    bench.begun(1, 1, CallKind::Offline, false);
    let call = bench.calls(AGENT).remove(0).call_id;
    bench.pass(ms(PENDING - PENDING / 10 - 1));
    assert_eq!(bench.states(DLL), []);
    bench.pass(ms(1));
    let failed = bench.statuses(DLL);
    assert_eq!(failed.len(), 1);
    assert_eq!(
        (failed[0].state(), failed[0].source(), failed[0].win32_code),
        (CallState::Failed, Source::Daemon, FAILED_CODE)
    );
    assert_eq!(bench.ends(AGENT), [(call.clone(), End::Timeout)]);
    bench.answer(AGENT, &call, State::Offline);
    assert_eq!(bench.rejection(AGENT), Rejection::CallEnded);
    assert_eq!(bench.states(DLL), []);
}

#[test]
fn each_status_gives_more_time_and_a_long_hint_keeps_the_monitor_patient() {
    let mut bench = Bench::attached();
    bench.begun(1, 1, CallKind::Online, false);
    let call = bench.calls(AGENT).remove(0).call_id;
    for _ in 0..5 {
        bench.pass(ms(PENDING * 8 / 10));
        bench.answer(AGENT, &call, State::Pending);
    }
    assert_eq!(bench.states(DLL), [(CallState::Pending, Source::Agent); 5]);
    let long = v1::WorkloadStatus {
        call_id: call.clone(),
        state: State::Pending.into(),
        message: "long".into(),
        percent: Some(7),
        wait_hint: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
        win32_code: 0,
    };
    bench.status(AGENT, long);
    bench.statuses(DLL);
    bench.pass(ms(59_999));
    let repeated = bench.statuses(DLL);
    assert_eq!(repeated.len(), 19, "a third of the pending timeout apart");
    assert!(
        repeated
            .iter()
            .all(|it| it.source() == Source::Daemon && it.percent == Some(7) && it.message == "long")
    );
    bench.pass(ms(1));
    assert_eq!(bench.states(DLL).last(), Some(&(CallState::Failed, Source::Daemon)));
    assert_eq!(bench.ends(AGENT), [(call, End::Timeout)]);
    assert_eq!(bench.registry.next_deadline(), None);
}

#[test]
fn online_waits_for_an_agent_twice_the_pending_timeout() {
    let mut bench = Bench::open();
    bench.begun(1, 1, CallKind::Online, false);
    let waiting = bench.statuses(DLL);
    assert_eq!(
        (waiting.len(), waiting[0].message.as_str()),
        (1, "waiting for an agent")
    );
    bench.pass(ms(2 * PENDING - 1));
    assert_eq!(bench.states(DLL), [(CallState::Pending, Source::Daemon); 5]);
    bench.pass(ms(1));
    let failed = bench.statuses(DLL);
    assert_eq!(
        (failed.len(), failed[0].state(), failed[0].win32_code),
        (1, CallState::Failed, FAILED_CODE)
    );
    // Whoever comes later finds no call, but the resource.
    bench.attach(AGENT, registration("")).unwrap();
    assert_eq!(bench.kinds(AGENT), [(Kind::Open, false)]);
    // Of what is to go offline nobody knows whether it runs.
    let mut bench = Bench::open();
    bench.begun(1, 1, CallKind::Offline, false);
    bench.pass(ms(PENDING));
    assert_eq!(bench.states(DLL).last(), Some(&(CallState::Failed, Source::Daemon)));
}

#[test]
fn an_agent_that_comes_while_online_waits_is_given_the_call() {
    let mut bench = Bench::open();
    bench.begun(1, 1, CallKind::Online, false);
    bench.pass(ms(PENDING));
    bench.said.clear();
    bench.attach(AGENT, registration("")).unwrap();
    assert_eq!(bench.kinds(AGENT), [(Kind::Open, false), (Kind::Online, false)]);
    bench.pass(ms(PENDING - PENDING / 10 - 1));
    assert_eq!(bench.states(DLL), [], "it has its time");
    bench.pass(ms(1));
    assert_eq!(bench.states(DLL), [(CallState::Failed, Source::Daemon)]);
}

#[test]
fn an_agent_comes_back_with_its_lease_at_any_step() {
    for step in 0..4 {
        let mut bench = Bench::attached();
        bench.begun(1, 1, CallKind::Online, false);
        let call = bench.calls(AGENT).remove(0).call_id;
        if step > 0 {
            bench.answer(AGENT, &call, State::Pending);
        }
        if step > 1 {
            bench.answer(AGENT, &call, State::Online);
        }
        if step > 2 {
            bench.told(1, 1, resource_state::ONLINE, Some(0));
        }
        bench.said.clear();
        bench.gone(AGENT);
        assert!(bench.view()[0].lease_end_time.is_some() && !bench.view()[0].attached);
        bench.pass(ms(9_999));
        let mut stranger = registration("lease");
        stranger.lease_id = "guessed".into();
        assert_eq!(bench.attach(OTHER, stranger), Err(AttachError::LeaseUnknown));
        bench.attach(OTHER, registration("lease")).unwrap();
        let given = bench.sent(OTHER);
        let ToAgent::Attached(attached) = &given[0] else {
            panic!("{given:?}")
        };
        assert!(attached.resumed && attached.lease_id == "lease");
        assert_eq!(attached.open.as_ref().unwrap().resources.len(), 1, "{attached:?}");
        if step < 2 {
            let [_, ToAgent::Call(again)] = given.as_slice() else {
                panic!("{given:?}")
            };
            assert!(again.resumed && again.call_id == call, "{again:?}");
            bench.statuses(DLL);
            bench.answer(OTHER, &call, State::Online);
            assert_eq!(bench.states(DLL), [(CallState::Online, Source::Agent)]);
        } else {
            assert_eq!(given.len(), 1, "nothing is under way: {given:?}");
        }
        bench.pass(ms(900));
        assert_eq!(bench.healths(), [], "it came back in time");
    }
}

#[test]
fn a_lease_that_has_run_out_is_unknown_and_the_workload_free() {
    let mut bench = Bench::attached();
    bench.gone(AGENT);
    assert_eq!(
        bench.attach(OTHER, registration("")),
        Err(AttachError::Taken { agent: "agent".into() })
    );
    bench.pass(ms(10_000));
    assert_eq!(
        bench.attach(OTHER, registration("lease")),
        Err(AttachError::LeaseUnknown)
    );
    bench.attach(OTHER, registration("")).unwrap();
    assert_eq!(bench.kinds(OTHER), [(Kind::Open, false)]);
}

#[test]
fn a_stream_that_is_taken_over_by_its_own_lease_ends() {
    let mut bench = Bench::attached();
    bench.begun(1, 1, CallKind::Online, false);
    let call = bench.calls(AGENT).remove(0).call_id;
    bench.attach(OTHER, registration("lease")).unwrap();
    assert!(matches!(bench.sent(AGENT).as_slice(), [ToAgent::Detached(it)] if !it.reattach));
    assert!(bench.said.contains(&Output::EndAgent(AGENT)));
    assert_eq!(bench.calls(OTHER)[0].call_id, call);
    bench.answer(AGENT, &call, State::Online);
    assert_eq!(bench.rejection(AGENT), Rejection::UnknownCall);
    bench.gone(AGENT);
    assert!(
        bench.view()[0].attached,
        "the end of the former stream is not that of the agent"
    );
}

#[test]
fn a_second_agent_is_refused_or_stands_by_and_takes_over() {
    let mut bench = Bench::online();
    assert_eq!(
        bench.attach(OTHER, registration("")),
        Err(AttachError::Taken { agent: "agent".into() })
    );
    let mut waiting = registration("");
    (waiting.stand_by, waiting.agent, waiting.new_lease_id) = (true, "second".into(), "lease 2".into());
    bench.attach(OTHER, waiting.clone()).unwrap();
    assert!(matches!(bench.sent(OTHER).as_slice(), [ToAgent::StandingBy(it)] if it.agent == "agent"));
    bench.answer(OTHER, "call", State::Online);
    assert_eq!(bench.rejection(OTHER), Rejection::UnknownCall);
    // One that leaves while it waits is not waited for.
    bench.attach(AgentId(3), waiting.clone()).unwrap();
    bench.gone(AgentId(3));
    bench.begun(1, 2, CallKind::Online, false);
    bench.gone(AGENT);
    bench.said.clear();
    bench.pass(ms(9_999));
    assert_eq!(bench.sent(OTHER), []);
    bench.pass(ms(1));
    let given = bench.sent(OTHER);
    let [ToAgent::Attached(attached), ToAgent::Call(open), ToAgent::Call(online)] = given.as_slice() else {
        panic!("{given:?}")
    };
    assert!(!attached.resumed && attached.lease_id == "lease 2");
    assert_eq!([open.kind(), online.kind()], [Kind::Open, Kind::Online]);
    assert!(online.resumed, "it was given before, to another");
    // As many wait as may.
    for number in 0..super::super::MOST_STANDING_BY {
        bench.attach(AgentId(10 + number as u64), waiting.clone()).unwrap();
    }
    assert!(bench.attach(AgentId(1_000), waiting).is_err());
}

#[test]
fn a_stop_sends_agents_away_and_decides_nothing_more() {
    let mut bench = Bench::online();
    bench.opened(2, resource_state::OFFLINE, false);
    bench.begun(2, 1, CallKind::Online, false);
    bench.said.clear();
    bench.registry.stop(bench.now);
    bench.listen();
    assert!(matches!(bench.sent(AGENT).as_slice(), [ToAgent::Detached(it)] if it.reattach));
    assert_eq!(bench.attach(OTHER, registration("")), Err(AttachError::Stopping));
    bench.gone(AGENT);
    bench.pass(ms(100_000));
    let states = bench.states(DLL);
    assert!(states.len() > 20 && states.iter().all(|it| *it == (CallState::Pending, Source::Daemon)));
    assert_eq!(bench.healths(), []);
}

#[test]
fn an_agent_that_is_gone_for_a_moment_keeps_the_time_that_it_asked_for() {
    let mut bench = Bench::attached();
    bench.begun(1, 1, CallKind::Online, false);
    let call = bench.calls(AGENT).remove(0).call_id;
    let pending = v1::WorkloadStatus {
        call_id: call.clone(),
        state: State::Pending.into(),
        wait_hint: Some(prost_types::Duration { seconds: 600, nanos: 0 }),
        ..v1::WorkloadStatus::default()
    };
    bench.status(AGENT, pending);
    bench.pass(ms(300_000));
    bench.gone(AGENT);
    bench.pass(ms(1_000));
    bench.attach(AGENT, registration("lease")).unwrap();
    assert_eq!(bench.kinds(AGENT), [(Kind::Online, true)]);
    bench.statuses(DLL);
    bench.answer(AGENT, &call, State::Online);
    assert_eq!(bench.states(DLL), [(CallState::Online, Source::Agent)]);
}
