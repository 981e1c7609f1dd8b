//! How long somebody waits for a service that is on its way: as long as it comes further within the times that it asks
//! for ("Starting a Service", "Stopping a Service").

use std::time::Duration;

use crate::lifecycle::State;

/// The time that a service gets beyond the wait hint that it gave, and when it gave none.
const MARGIN: Duration = Duration::from_secs(30);
/// The state is asked for at least this often, so that whoever waits sees the end soon.
const RAREST_LOOK: Duration = Duration::from_millis(500);
/// And at most this often.
const FASTEST_LOOK: Duration = Duration::from_millis(20);

/// What one look at a service showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Its state.
    pub state: State,
    /// How far it has come in a pending state.
    pub check_point: u32,
    /// How long it may take to come further.
    pub wait_hint: Duration,
}

/// What to make of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is where it was to go.
    Reached,
    /// It is on the way; look again after this time.
    Wait(Duration),
    /// It came to rest elsewhere.
    Elsewhere,
    /// It did not come further in the time that it had asked for, or not at all in the time that was left.
    Late,
}

/// Waits for one state on the way through another.
#[derive(Debug)]
pub struct Patience {
    goal: State,
    way: State,
    longest: Duration,
    /// The last step that was seen, and when.
    last: Option<(State, u32, Duration)>,
    /// The time between looks grows from the shortest.
    next_look: Duration,
}

impl Patience {
    /// For a service that starts; `longest` in all.
    pub fn for_start(longest: Duration) -> Self {
        Self::new(State::Running, State::StartPending, longest)
    }

    /// For a service that stops; `longest` in all.
    pub fn for_stop(longest: Duration) -> Self {
        Self::new(State::Stopped, State::StopPending, longest)
    }

    fn new(goal: State, way: State, longest: Duration) -> Self {
        Self {
            goal,
            way,
            longest,
            last: None,
            next_look: FASTEST_LOOK,
        }
    }

    /// Judges a look that was taken `waited` after the wait began.
    pub fn judge(&mut self, look: Look, waited: Duration) -> Verdict {
        if look.state == self.goal {
            return Verdict::Reached;
        }
        // The system may still show the state from before the request for a moment.
        let before = look.state == State::Running && self.goal == State::Stopped;
        if look.state != self.way && !before {
            return Verdict::Elsewhere;
        }
        let step = (look.state, look.check_point);
        let since = match self.last {
            Some((state, check_point, since)) if (state, check_point) == step => since,
            _ => {
                self.last = Some((look.state, look.check_point, waited));
                waited
            }
        };
        let standing = waited.saturating_sub(since);
        if waited >= self.longest || standing > look.wait_hint.saturating_add(MARGIN) {
            return Verdict::Late;
        }
        let pause = self.next_look;
        self.next_look = (pause * 2).min(RAREST_LOOK);
        Verdict::Wait(pause.min(self.longest.saturating_sub(waited)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(state: State, check_point: u32, wait_hint: u64) -> Look {
        Look {
            state,
            check_point,
            wait_hint: Duration::from_secs(wait_hint),
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_service_that_comes_further_is_waited_for() {
        let mut patience = Patience::for_start(seconds(600));
        for step in 0..10 {
            let look = look(State::StartPending, u32::try_from(step).unwrap() + 1, 10);
            assert!(
                matches!(patience.judge(look, seconds(step * 35)), Verdict::Wait(_)),
                "step {step}"
            );
        }
        assert_eq!(
            patience.judge(look(State::Running, 0, 0), seconds(400)),
            Verdict::Reached
        );
    }

    #[test]
    fn a_service_that_stands_still_is_late() {
        let mut patience = Patience::for_stop(seconds(600));
        let standing = look(State::StopPending, 3, 10);
        assert!(matches!(patience.judge(standing, seconds(100)), Verdict::Wait(_)));
        assert!(matches!(patience.judge(standing, seconds(140)), Verdict::Wait(_)));
        assert_eq!(patience.judge(standing, seconds(141)), Verdict::Late);
    }

    #[test]
    fn the_wait_ends_in_all_events() {
        let mut patience = Patience::for_stop(seconds(60));
        assert_eq!(
            patience.judge(look(State::StopPending, 1, 3_600), Duration::from_millis(59_990)),
            Verdict::Wait(Duration::from_millis(10))
        );
        assert_eq!(
            patience.judge(look(State::StopPending, 2, 3_600), seconds(60)),
            Verdict::Late
        );
    }

    #[test]
    fn a_service_that_ends_while_it_starts_is_elsewhere() {
        let mut patience = Patience::for_start(seconds(60));
        assert!(matches!(
            patience.judge(look(State::StartPending, 1, 5), seconds(0)),
            Verdict::Wait(_)
        ));
        assert_eq!(
            patience.judge(look(State::Stopped, 0, 0), seconds(1)),
            Verdict::Elsewhere
        );
    }

    #[test]
    fn a_stop_that_has_not_begun_yet_is_waited_for() {
        let mut patience = Patience::for_stop(seconds(60));
        assert!(matches!(
            patience.judge(look(State::Running, 0, 0), seconds(0)),
            Verdict::Wait(_)
        ));
        assert_eq!(patience.judge(look(State::Stopped, 0, 0), seconds(1)), Verdict::Reached);
    }

    #[test]
    fn looks_become_rarer() {
        let mut patience = Patience::for_start(seconds(600));
        let pauses: Vec<Duration> = (0..8)
            .map(
                |second| match patience.judge(look(State::StartPending, 1, 60), seconds(second)) {
                    Verdict::Wait(pause) => pause,
                    other => panic!("{other:?}"),
                },
            )
            .collect();
        assert_eq!(pauses.first(), Some(&FASTEST_LOOK));
        assert_eq!(pauses.last(), Some(&RAREST_LOOK));
        assert!(pauses.is_sorted());
    }
}
