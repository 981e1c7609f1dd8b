use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake};

use super::*;

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    fn times(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).into()).collect()
}

fn enter(schedule: &Arc<Schedule>, id: &str, names: &[&str]) -> Place {
    schedule.enter(id, "anna", keys(names), WhenBusy::WaitAnyhow).unwrap()
}

#[test]
fn sharing_a_key_waits_and_others_do_not() {
    let schedule = Schedule::new();
    let first = enter(&schedule, "1", &["cluster:a", "host:x"]);
    let second = enter(&schedule, "2", &["cluster:b", "host:x"]);
    let third = enter(&schedule, "3", &["cluster:b"]);
    let fourth = enter(&schedule, "4", &["cluster:c"]);
    assert_eq!(first.blocked_by(), None);
    assert_eq!(second.blocked_by(), Some("1".into()));
    assert_eq!(third.blocked_by(), Some("2".into()), "an earlier waiter goes first");
    assert_eq!(fourth.blocked_by(), None);
    assert_eq!(schedule.blocks("2"), Some("1".into()));
    drop(first);
    assert_eq!(second.blocked_by(), None);
    drop(second);
    assert_eq!(third.blocked_by(), None);
    assert_eq!(schedule.blocks("2"), None, "it has gone");
}

#[test]
fn refusing_names_the_holder_and_takes_no_place() {
    let schedule = Schedule::new();
    let first = enter(&schedule, "1", &["cluster:a"]);
    let refused = schedule.enter("2", "anna", keys(&["cluster:a"]), WhenBusy::Refuse);
    let operation_id = "1".into();
    assert_eq!(refused.unwrap_err(), Refused::Busy { operation_id });
    drop(first);
    let third = schedule.enter("3", "anna", keys(&["cluster:a"]), WhenBusy::Refuse);
    assert_eq!(third.unwrap().blocked_by(), None);
}

#[test]
fn one_principal_waits_no_oftener_than_it_may_and_takes_no_place_of_another() {
    let schedule = Schedule::new();
    let wait = WhenBusy::Wait { most: 2 };
    let enter = |id: &str, who: &str, names: &[&str]| schedule.enter(id, who, keys(names), wait);
    let first = enter("1", "anna", &["group:a"]).unwrap();
    let second = enter("2", "anna", &["group:a"]).unwrap();
    let _third = enter("3", "anna", &["group:a"]).unwrap();
    let full = Refused::TooManyWaiting {
        operation_id: "1".into(),
        waiting: 2,
    };
    assert_eq!(enter("4", "anna", &["group:a"]).unwrap_err(), full);
    assert_eq!(
        schedule.check("anna", &keys(&["group:a", "group:b"]), wait),
        Err(full),
        "who is checked is refused as who starts"
    );
    let _free = enter("5", "anna", &["group:b"]).expect("what waits for nobody is not refused");
    let _other = enter("6", "ben", &["group:a"]).expect("it is somebody else's");
    let _kept = schedule
        .enter("7", "anna", keys(&["group:a"]), WhenBusy::WaitAnyhow)
        .expect("what was accepted is not refused");
    drop(first);
    assert!(second.begin());
    drop(second);
    let _eighth = enter("8", "anna", &["group:a"]).expect("the third waits no more");
}

#[test]
fn who_stands_aside_lets_others_pass_and_comes_before_those_that_have_not_begun() {
    let schedule = Schedule::new();
    let settling = enter(&schedule, "1", &["cluster:a", "host:x"]);
    let passes = enter(&schedule, "2", &["cluster:b", "host:x"]);
    let behind = enter(&schedule, "3", &["cluster:a"]);
    let last = enter(&schedule, "4", &["host:x"]);
    settling.stand_aside();
    assert_eq!(passes.blocked_by(), None);
    assert_eq!(behind.blocked_by(), Some("1".into()), "its cluster is held");
    assert!(passes.begin());
    settling.step_back();
    assert_eq!(settling.blocked_by(), Some("2".into()), "who has begun is not stopped");
    assert!(!settling.begin());
    assert_eq!(last.blocked_by(), Some("1".into()));
    drop(passes);
    assert!(settling.begin());
    assert!(!last.begin());
    drop(settling);
    assert!(last.begin() && behind.begin());
}

#[test]
fn who_waits_behind_one_that_stands_aside_keeps_no_host_either() {
    let schedule = Schedule::new();
    let settling = enter(&schedule, "1", &["cluster:a", "host:x"]);
    let behind = enter(&schedule, "2", &["cluster:a", "host:y"]);
    let passes = enter(&schedule, "3", &["cluster:b", "host:y"]);
    assert_eq!(passes.blocked_by(), Some("2".into()));
    settling.stand_aside();
    let later = enter(&schedule, "4", &["cluster:a", "host:z"]);
    let passes_too = enter(&schedule, "5", &["cluster:c", "host:z"]);
    assert!(passes.begin() && passes_too.begin());
    settling.step_back();
    assert!(settling.begin());
    drop(settling);
    assert_eq!(behind.blocked_by(), Some("3".into()));
    drop(passes);
    assert!(behind.begin());
    drop(behind);
    assert_eq!(later.blocked_by(), Some("5".into()));
}

#[test]
fn who_was_let_pass_and_has_not_begun_waits_again() {
    let schedule = Schedule::new();
    let settling = enter(&schedule, "1", &["host:x"]);
    let passes = enter(&schedule, "2", &["host:x"]);
    settling.stand_aside();
    assert_eq!(passes.blocked_by(), None);
    settling.step_back();
    assert!(!passes.begin());
    assert!(settling.begin());
}

#[test]
fn only_who_can_begin_is_woken() {
    let schedule = Schedule::new();
    let first = enter(&schedule, "1", &["cluster:a"]);
    let second = enter(&schedule, "2", &["cluster:a"]);
    let third = enter(&schedule, "3", &["cluster:a"]);
    let (next, behind) = (Arc::<Woken>::default(), Arc::<Woken>::default());
    let (next_waker, behind_waker) = (next.clone().into(), behind.clone().into());
    let (mut next_poll, mut behind_poll) = (Context::from_waker(&next_waker), Context::from_waker(&behind_waker));
    let mut last = pin!(third.turn());
    {
        let mut turn = pin!(second.turn());
        assert!(turn.as_mut().poll(&mut next_poll).is_pending());
        assert!(last.as_mut().poll(&mut behind_poll).is_pending());
        drop(first);
        assert_eq!((next.times(), behind.times()), (1, 0));
        assert!(turn.poll(&mut next_poll).is_ready());
    }
    drop(second);
    assert_eq!(behind.times(), 1);
    assert!(last.poll(&mut behind_poll).is_ready());
}

#[test]
fn who_stands_aside_wakes_who_may_pass() {
    let schedule = Schedule::new();
    let settling = enter(&schedule, "1", &["cluster:a", "host:x"]);
    let _behind = enter(&schedule, "2", &["cluster:a", "host:y"]);
    let passes = enter(&schedule, "3", &["host:x", "host:y"]);
    let held = enter(&schedule, "4", &["cluster:a"]);
    let (woken, left) = (Arc::<Woken>::default(), Arc::<Woken>::default());
    let (waker, other) = (woken.clone().into(), left.clone().into());
    let (mut poll, mut other_poll) = (Context::from_waker(&waker), Context::from_waker(&other));
    let (mut turn, mut other_turn) = (pin!(passes.turn()), pin!(held.turn()));
    assert!(turn.as_mut().poll(&mut poll).is_pending());
    assert!(other_turn.as_mut().poll(&mut other_poll).is_pending());
    settling.stand_aside();
    assert_eq!((woken.times(), left.times()), (1, 0));
    assert!(turn.poll(&mut poll).is_ready());
}

#[test]
fn nothing_is_left_of_those_who_have_gone() {
    let schedule = Schedule::new();
    for id in ["1", "2", "3"] {
        drop(enter(&schedule, id, &["cluster:a", id]));
    }
    let queue = schedule.queue();
    assert!(queue.entries.is_empty() && queue.keys.is_empty() && queue.tickets.is_empty());
}
