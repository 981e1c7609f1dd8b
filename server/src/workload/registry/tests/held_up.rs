//! A daemon that was held up: stopped, or on a host that was.

use super::*;

impl Bench {
    /// The daemon does nothing for so long.
    fn stand_still(&mut self, time: Time) {
        self.now += time;
        let due = self.registry.next_deadline().unwrap();
        self.registry.catch_up(self.now.saturating_sub(due));
    }

    fn tick(&mut self) {
        self.registry.tick(self.now);
        self.listen();
    }
}

#[test]
fn answers_that_wait_to_be_read_count() {
    let mut bench = Bench::online();
    bench.pass(ms(1_000));
    let check = bench.calls(AGENT).remove(0).call_id;
    bench.stand_still(ms(60_000));
    bench.tick();
    assert_eq!((bench.healths(), bench.sent(AGENT)), (vec![], vec![]));
    bench.answer(AGENT, &check, State::Online);
    assert_eq!(bench.sent(AGENT), []);
    // One that does not come is missed all the same, when what had arrived has long been read.
    bench.pass(ms(1_000));
    let check = bench.calls(AGENT).remove(0).call_id;
    bench.stand_still(ms(60_000));
    bench.pass(ms(4_999));
    assert_eq!(bench.healths(), []);
    bench.pass(ms(1));
    assert_eq!(
        (bench.healths(), bench.ends(AGENT)),
        (vec![(1, false)], vec![(check, End::Timeout)])
    );
}

#[test]
fn what_comes_before_the_first_look_is_not_late_again() {
    let mut bench = Bench::online();
    bench.pass(ms(1_000));
    bench.calls(AGENT);
    bench.stand_still(ms(60_000));
    let due = bench.registry.next_deadline().unwrap();
    assert_eq!(bench.registry.catch_up(bench.now.saturating_sub(due)), Time::ZERO);
}

#[test]
fn the_time_that_was_left_is_left_still() {
    let mut bench = Bench::attached();
    bench.begun(1, 1, CallKind::Online, false);
    let call = bench.calls(AGENT).remove(0).call_id;
    bench.opened(2, resource_state::OFFLINE, false);
    bench.calls(AGENT);
    // The first deadline passes by, and the other would have come 7 seconds later.
    bench.pass(ms(7_000));
    bench.begun(2, 1, CallKind::Online, false);
    let other = bench.calls(AGENT).remove(0).call_id;
    bench.stand_still(ms(60_000));
    bench.pass(ms(11_000));
    assert_eq!(bench.ends(AGENT), [(call, End::Timeout)]);
    bench.pass(ms(1_000));
    assert_eq!(bench.ends(AGENT), [(other, End::Timeout)]);
}

#[test]
fn those_who_come_back_meanwhile_are_waited_for() {
    // An agent, whose lease has run out, and whose loss makes what is online unhealthy.
    let mut bench = Bench::online();
    bench.gone(AGENT);
    bench.stand_still(ms(60_000));
    bench.tick();
    bench.attach(OTHER, registration("lease")).unwrap();
    assert_eq!(bench.healths(), []);
    // A monitor, and a call that waits for its agent.
    let mut bench = Bench::attached();
    bench.begun(1, 1, CallKind::Online, false);
    bench.sent(AGENT);
    bench.gone(AGENT);
    bench.disconnect();
    bench.stand_still(ms(60_000));
    bench.tick();
    bench.hello(DLL, "monitor");
    bench.opened(1, resource_state::ONLINE_PENDING, true);
    bench.begun(1, 1, CallKind::Online, true);
    bench.attach(AGENT, registration("lease")).unwrap();
    let call = bench.calls(AGENT).remove(0);
    assert!(call.kind() == Kind::Online && call.resumed);
}

#[test]
fn a_little_late_is_not_held_up() {
    let mut bench = Bench::online();
    bench.pass(ms(1_000));
    bench.calls(AGENT);
    bench.stand_still(ms(8_000));
    bench.tick();
    assert_eq!(bench.healths(), [(1, false)]);
}
