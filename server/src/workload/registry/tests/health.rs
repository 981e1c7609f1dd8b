//! The health of what is online.

use super::*;

#[test]
fn health_is_asked_for_and_told_when_it_changes() {
    let mut bench = Bench::online();
    let check = |bench: &mut Bench| {
        bench.pass(ms(1_000));
        let calls = bench.calls(AGENT);
        assert_eq!((calls.len(), calls[0].kind()), (1, Kind::CheckHealth));
        calls[0].call_id.clone()
    };
    let mut ids = std::collections::BTreeSet::new();
    for (state, told) in [
        (State::Online, &[][..]),
        (State::Failed, &[(1, false)]),
        (State::Failed, &[]),
        (State::Online, &[(1, true)]),
    ] {
        let call = check(&mut bench);
        bench.answer(AGENT, &call, state);
        assert_eq!(bench.healths(), told);
        assert!(ids.insert(call), "each check is a call of its own");
    }
    // One that is not answered says that the work does not.
    let call = check(&mut bench);
    bench.pass(ms(2_999));
    assert_eq!(bench.healths(), []);
    bench.pass(ms(1));
    assert_eq!(
        (bench.healths(), bench.ends(AGENT)),
        (vec![(1, false)], vec![(call, End::Timeout)])
    );
    let call = check(&mut bench);
    bench.answer(AGENT, &call, State::Offline);
    assert_eq!(bench.rejection(AGENT), Rejection::WrongState);
    bench.answer(AGENT, &call, State::Online);
    assert_eq!(bench.healths(), [(1, true)]);
    // What is to go offline is not asked any more.
    bench.begun(1, 2, CallKind::Offline, false);
    let offline = bench.calls(AGENT).remove(0).call_id;
    bench.pass(ms(5_000));
    assert_eq!(bench.calls(AGENT), []);
    bench.answer(AGENT, &offline, State::Offline);
    bench.told(1, 2, resource_state::OFFLINE, Some(0));
    bench.pass(ms(5_000));
    assert_eq!(bench.calls(AGENT), []);
}

#[test]
fn an_agent_tells_health_by_itself() {
    let mut bench = Bench::online();
    bench.healthy(AGENT, "resource 1", false);
    assert_eq!(bench.healths(), [(1, false)]);
    bench.healthy(AGENT, "", true);
    assert_eq!(bench.healths(), [(1, true)]);
    bench.healthy(AGENT, "another", true);
    assert_eq!(bench.rejection(AGENT), Rejection::NotOnline);
    bench.terminated(1, 0);
    bench.sent(AGENT);
    bench.healthy(AGENT, "Resource 1", false);
    assert_eq!(bench.rejection(AGENT), Rejection::NotOnline);
    assert_eq!(bench.healths(), []);
}

#[test]
fn resources_whose_agent_is_lost_are_unhealthy_after_its_grace() {
    let mut bench = Bench::online();
    bench.gone(AGENT);
    bench.pass(ms(14_999));
    assert_eq!(bench.healths(), []);
    bench.pass(ms(1));
    assert_eq!(bench.healths(), [(1, false)]);
    // Another agent says that the work runs all the same.
    bench.attach(OTHER, registration("")).unwrap();
    let open = bench.calls(OTHER).remove(0);
    bench.answer(OTHER, &open.call_id, State::Online);
    assert_eq!(bench.healths(), [(1, true)]);
    // At once, where there is no grace.
    let mut hasty = registration("lease");
    (hasty.loss_grace, hasty.lease) = (Time::ZERO, Time::ZERO);
    bench.attach(OTHER, hasty).unwrap();
    bench.gone(OTHER);
    assert_eq!(bench.healths(), [(1, false)]);
    assert_eq!(bench.view()[0].agent, "");
}

#[test]
fn a_new_agent_that_has_nothing_running_makes_the_resource_unhealthy() {
    let mut bench = Bench::online();
    bench.gone(AGENT);
    bench.pass(ms(10_000));
    bench.attach(OTHER, registration("")).unwrap();
    let open = bench.calls(OTHER).remove(0);
    assert_eq!(open.kind(), Kind::Open);
    bench.answer(OTHER, &open.call_id, State::Offline);
    assert_eq!(bench.healths(), [(1, false)]);
    // And so does one that does not say.
    let mut bench = Bench::online();
    bench.gone(AGENT);
    bench.pass(ms(10_000));
    let mut never_asked = registration("");
    never_asked.health_interval = Time::ZERO;
    bench.attach(OTHER, never_asked).unwrap();
    let open = bench.calls(OTHER).remove(0).call_id;
    bench.pass(ms(30_000));
    assert_eq!(
        (bench.healths(), bench.ends(OTHER)),
        (vec![(1, false)], vec![(open, End::Timeout)])
    );
}

#[test]
fn after_a_restart_online_resources_wait_for_their_agent() {
    let mut bench = Bench::new();
    bench.hello(DLL, "monitor");
    bench.opened(1, resource_state::ONLINE, true);
    bench.pass(ms(59_999));
    assert_eq!(bench.healths(), []);
    bench.pass(ms(1));
    assert_eq!(bench.healths(), [(1, false)]);
}

#[test]
fn an_answer_that_was_asked_for_before_a_call_does_not_judge_what_came_of_it() {
    // The daemon is new: the monitor tells all again, and the agent answers the newer question first.
    let mut bench = Bench::new();
    bench.hello(DLL, "monitor");
    bench.attach(AGENT, registration("")).unwrap();
    bench.opened(1, resource_state::ONLINE_PENDING, true);
    let open = bench.calls(AGENT).remove(0).call_id;
    bench.begun(1, 1, CallKind::Online, true);
    let online = bench.calls(AGENT).remove(0).call_id;
    bench.answer(AGENT, &online, State::Online);
    bench.told(1, 1, resource_state::ONLINE, Some(0));
    bench.answer(AGENT, &open, State::Offline);
    assert_eq!(bench.healths(), []);
    // Nor does one that was asked for while it was online before.
    let mut bench = Bench::online();
    bench.pass(ms(1_000));
    let check = bench.calls(AGENT).remove(0).call_id;
    bench.begun(1, 2, CallKind::Online, false);
    assert_eq!(bench.sent(AGENT).len(), 2, "the check has ended");
    bench.answer(AGENT, &check, State::Failed);
    assert_eq!(bench.rejection(AGENT), Rejection::CallEnded);
    assert_eq!(bench.healths(), []);
}

#[test]
fn a_question_that_is_never_answered_does_not_judge_a_later_call() {
    let mut bench = Bench::new();
    bench.hello(DLL, "monitor");
    let mut never_asked = registration("");
    never_asked.health_interval = Time::ZERO;
    bench.attach(AGENT, never_asked).unwrap();
    bench.opened(1, resource_state::OFFLINE, true);
    bench.begun(1, 1, CallKind::Online, false);
    let online = bench.calls(AGENT).remove(1).call_id;
    bench.answer(AGENT, &online, State::Online);
    bench.told(1, 1, resource_state::ONLINE, Some(0));
    bench.pass(ms(31_000));
    assert_eq!(bench.healths(), []);
    assert_eq!(bench.ends(AGENT).len(), 1, "it has ended all the same");
}

#[test]
fn what_comes_online_while_its_agent_is_away_is_not_well_for_ever() {
    let mut bench = Bench::online();
    let mut faithful = registration("lease");
    faithful.lease = ms(1_000_000);
    bench.attach(AGENT, faithful).unwrap();
    bench.gone(AGENT);
    bench.pass(ms(15_000));
    assert_eq!(bench.healths(), [(1, false)]);
    bench.opened(2, resource_state::ONLINE, true);
    bench.pass(ms(60_000));
    assert_eq!(bench.healths(), [(2, false)]);
}
