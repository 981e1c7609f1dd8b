use proptest::prelude::*;

use super::*;

const PATIENCE: Patience = Patience {
    pending_timeout: Duration::from_secs(180),
    daemon_grace: Duration::from_secs(60),
};

fn status(state: CallState, wait_hint_ms: u64) -> Status {
    Status {
        instance: 1,
        call: 1,
        state: state.into(),
        wait_hint_ms,
        percent: Some(40),
        message: "halfway".to_owned(),
        source: Source::Agent.into(),
        win32_code: 5,
    }
}

fn begun(kind: CallKind) -> (Call, Instant) {
    let now = crate::clock::now();
    (Call::new(1, kind, PATIENCE, now), now)
}

#[test]
fn statuses_become_check_points_of_the_state_that_fits() {
    let (mut call, now) = begun(CallKind::Online);
    let report = call.hear(&status(CallState::Pending, 7), now).unwrap();
    assert_eq!((report.state, report.check_point, report.last), (129, 1, false));
    assert_eq!(
        (report.wait_hint_ms, report.percent, report.message.as_str()),
        (7, Some(40), "halfway")
    );
    assert_eq!((report.source, report.win32_code), (Source::Agent, 0));
    assert_eq!(call.hear(&status(CallState::Offline, 0), now), None);
    assert_eq!(call.hear(&status(CallState::Unspecified, 0), now), None);
    let report = call.hear(&status(CallState::Online, 0), now).unwrap();
    assert_eq!((report.state, report.check_point, report.last), (2, 2, true));
    let (mut call, now) = begun(CallKind::Offline);
    assert_eq!(call.hear(&status(CallState::Online, 0), now), None);
    assert_eq!(call.hear(&status(CallState::Pending, 0), now).unwrap().state, 130);
    let failed = call.hear(&status(CallState::Failed, 0), now).unwrap();
    assert_eq!((failed.state, failed.last, failed.win32_code), (4, true, 5));
}

#[test]
fn a_long_message_is_cut_between_characters() {
    let (mut call, now) = begun(CallKind::Online);
    let message = "ä".repeat(2000);
    let long = Status {
        message,
        ..status(CallState::Pending, 0)
    };
    assert_eq!(call.hear(&long, now).unwrap().message, "ä".repeat(1024));
}

#[test]
fn a_daemon_that_is_away_is_waited_for_as_long_as_the_grace() {
    let (mut call, now) = begun(CallKind::Online);
    // Away for long when the call begins: the grace begins with the call.
    let reach = Reach::Away { since: now };
    let mut waited = Vec::new();
    loop {
        let due = call.due(reach);
        assert_eq!(call.tick(due - Duration::from_millis(1), reach), None);
        let report = call.tick(due, reach).unwrap();
        waited.push((due - now).as_secs());
        if report.last {
            assert_eq!((report.state, report.win32_code, report.source), (4, 1062, Source::Dll));
            break;
        }
        assert_eq!((report.state, report.message.as_str()), (129, "waiting for the daemon"));
    }
    assert_eq!(waited, [10, 20, 30, 40, 50, 60]);
}

#[test]
fn a_silent_daemon_is_waited_for_by_its_hint_and_the_pending_timeout() {
    let (mut call, now) = begun(CallKind::Offline);
    call.announce(now);
    call.hear(&status(CallState::Pending, 600_000), now).unwrap();
    let mut last = now;
    let failed = loop {
        let due = call.due(Reach::Open);
        assert!(
            due - last <= PATIENCE.pending_timeout,
            "the monitor's own timeout would strike"
        );
        last = due;
        let report = call.tick(due, Reach::Open).unwrap();
        if report.last {
            break report;
        }
        assert_eq!(report.message, "waiting for the next status");
    };
    assert_eq!((failed.state, failed.win32_code), (4, 1460));
    assert_eq!((last - now).as_secs(), 780);
}

#[test]
fn a_hint_beyond_all_times_is_as_good_as_never() {
    let (mut call, now) = begun(CallKind::Online);
    call.hear(&status(CallState::Pending, u64::MAX), now).unwrap();
    let report = call.tick(call.due(Reach::Open), Reach::Open).unwrap();
    assert!(!report.last);
}

/// What a daemon says while no agent does.
fn waiting() -> Status {
    Status {
        message: "waiting for an agent".to_owned(),
        source: Source::Daemon.into(),
        ..status(CallState::Pending, 0)
    }
}

#[test]
fn a_daemon_that_comes_and_goes_without_an_agent_is_not_waited_for_for_ever() {
    for hint in [0, 600_000] {
        let (mut call, begin) = begun(CallKind::Online);
        call.announce(begin);
        let mut now = begin;
        if hint > 0 {
            call.hear(&status(CallState::Pending, hint), now).unwrap();
        }
        let failed = loop {
            // It is there for longer than one that fails at once, and away for less than the grace.
            now += Duration::from_secs(11);
            let reach = Reach::Away { since: now };
            now += Duration::from_secs(5);
            if let Some(report) = call.tick(now, reach).filter(|report| report.last) {
                break report;
            }
            call.announce(now);
            call.hear(&waiting(), now).unwrap();
            assert!((now - begin).as_secs() < 3_600, "the call goes on for ever");
        };
        assert_eq!((failed.state, failed.win32_code), (4, 1460));
        // Not before the agent's own time and that of one daemon without an agent are over.
        let least = hint.max(180_000) / 1_000 + 360;
        assert!((now - begin).as_secs() > least, "{:?}", now - begin);
    }
}

#[test]
fn an_agent_that_speaks_to_each_daemon_is_waited_for() {
    let (mut call, begin) = begun(CallKind::Online);
    let mut now = begin;
    for _ in 0..100 {
        call.announce(now);
        call.hear(&waiting(), now).unwrap();
        now += Duration::from_secs(100);
        call.hear(&status(CallState::Pending, 0), now).unwrap();
        now += Duration::from_secs(10);
        let reach = Reach::Away { since: now };
        now += Duration::from_secs(5);
        assert!(call.tick(now, reach).is_none_or(|report| !report.last));
    }
}

/// What can happen to a call.
#[derive(Clone, Debug)]
enum Step {
    Status(i32, u64),
    /// The daemon says that no agent does.
    Waiting,
    Lost,
    Reached,
    /// Nothing but time: up to what is due, or beyond it.
    Due,
    Late(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..4_i32, 0..400_000_u64).prop_map(|(state, hint)| Step::Status(state, hint)),
        Just(Step::Waiting),
        Just(Step::Lost),
        Just(Step::Reached),
        Just(Step::Due),
        (0..100_000_u64).prop_map(Step::Late),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn check_points_grow_and_the_pending_timeout_never_strikes(steps in steps(), online: bool, timeout in 10..400_000_u64) {
        let patience = Patience { pending_timeout: Duration::from_millis(timeout), ..PATIENCE };
        let kind = if online { CallKind::Online } else { CallKind::Offline };
        let mut now = crate::clock::now();
        let mut call = Call::new(1, kind, patience, now);
        let mut reach = Reach::Away { since: now };
        let (mut check_point, mut told) = (0, now);
        // Since when no agent has said anything to a daemon that is another one, and by when it was to.
        let (mut awaited, mut again) = (now + patience.pending_timeout, None);
        let mut announced = false;
        for step in steps {
            let report = match step {
                Step::Status(..) if !matches!(reach, Reach::Open) => None,
                Step::Status(state, hint) => {
                    let report = call.hear(&status(CallState::try_from(state).unwrap(), hint), now);
                    if report.is_some() {
                        let hint = if hint == 0 { timeout } else { hint };
                        (awaited, again) = (now + Duration::from_millis(hint), None);
                    }
                    report
                }
                Step::Waiting if !matches!(reach, Reach::Open) => None,
                Step::Waiting => call.hear(&waiting(), now),
                Step::Lost => {
                    if reach == Reach::Open {
                        reach = Reach::Away { since: now };
                    }
                    None
                }
                Step::Reached => {
                    reach = Reach::Open;
                    if std::mem::replace(&mut announced, true) {
                        again.get_or_insert(now.max(awaited));
                    }
                    call.announce(now);
                    None
                }
                Step::Due => {
                    now = now.max(call.due(reach));
                    let report = call.tick(now, reach);
                    prop_assert!(report.is_some());
                    report
                }
                // The thread does not oversleep: it looks when something is due.
                Step::Late(ms) => {
                    now = (now + Duration::from_millis(ms)).min(now.max(call.due(reach)));
                    call.tick(now, reach)
                }
            };
            if let Some(report) = report {
                prop_assert!(report.check_point > check_point);
                prop_assert!(now - told <= patience.pending_timeout, "{:?}", now - told);
                (check_point, told) = (report.check_point, now);
                if report.last {
                    return Ok(());
                }
                let longest = patience.pending_timeout * 3 + patience.daemon_grace;
                prop_assert!(again.is_none_or(|again| now < again + longest), "the call goes on for ever");
            }
        }
    }
}
