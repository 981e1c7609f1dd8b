//! Simulated time.

use std::time::{Duration, Instant};

/// How simulated time moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Pace {
    /// With real time: this much real time for one unit of simulated time.
    Scaled(f64),
    /// By each wait, at once, and by hand.
    Instant,
    /// By hand only.
    Manual,
}

/// The clock of a world.
#[derive(Debug)]
pub(crate) struct Clock {
    pace: Pace,
    /// Simulated milliseconds at `since`.
    base_ms: u64,
    since: Instant,
}

/// What a waiting call does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Go on.
    Over,
    /// Sleep this long at most.
    Real(Duration),
    /// Sleep until time is moved by hand.
    ByHand,
}

impl Clock {
    pub(crate) fn new(pace: Pace, base_ms: u64) -> Self {
        Self {
            pace,
            base_ms,
            since: real_now(),
        }
    }

    /// Simulated milliseconds since the world began.
    pub(crate) fn now_ms(&self) -> u64 {
        match self.pace {
            Pace::Scaled(scale) => self.base_ms.saturating_add(simulated_ms(self.since.elapsed(), scale)),
            Pace::Instant | Pace::Manual => self.base_ms,
        }
    }

    /// Moves simulated time by hand.
    pub(crate) fn advance(&mut self, ms: u64) {
        self.base_ms = self.base_ms.saturating_add(ms);
    }

    /// True when waits are not waited for: time jumps to the next thing that goes on.
    pub(crate) fn is_instant(&self) -> bool {
        self.pace == Pace::Instant
    }

    /// The real time until a simulated one, when time goes by itself.
    pub(crate) fn real_until(&self, due_ms: u64) -> Option<Duration> {
        match self.pace {
            Pace::Scaled(scale) => Some(real(due_ms.saturating_sub(self.now_ms()), scale)),
            Pace::Instant | Pace::Manual => None,
        }
    }

    /// What to do at `now` when the wait ends at `deadline_ms`. An instant clock jumps there.
    pub(crate) fn wait_until(&mut self, deadline_ms: u64) -> Wait {
        let left = deadline_ms.saturating_sub(self.now_ms());
        match self.pace {
            _ if left == 0 => Wait::Over,
            Pace::Scaled(scale) => Wait::Real(real(left, scale)),
            Pace::Manual => Wait::ByHand,
            Pace::Instant => {
                self.base_ms = deadline_ms;
                Wait::Over
            }
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float to integer casts saturate, and a millisecond more or less does not matter"
)]
fn simulated_ms(real: Duration, scale: f64) -> u64 {
    (real.as_secs_f64() * 1_000.0 / scale) as u64
}

#[expect(clippy::cast_precision_loss, reason = "no wait is long enough to lose a millisecond")]
fn real(ms: u64, scale: f64) -> Duration {
    // A day is longer than any caller waits, and short enough for every platform's timers.
    let seconds = (ms as f64 / 1_000.0 * scale).clamp(0.000_1, 86_400.0);
    Duration::from_secs_f64(seconds)
}

/// The real time.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulator stands for the world outside the daemon"
)]
pub(crate) fn real_now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instant_time_jumps() {
        let mut clock = Clock::new(Pace::Instant, 5);
        assert_eq!(clock.wait_until(100), Wait::Over);
        assert_eq!(clock.now_ms(), 100);
    }

    #[test]
    fn manual_time_stands_still() {
        let mut clock = Clock::new(Pace::Manual, 0);
        assert_eq!(clock.wait_until(100), Wait::ByHand);
        clock.advance(100);
        assert_eq!(clock.wait_until(100), Wait::Over);
    }

    #[test]
    fn scaled_time_waits_a_part() {
        let mut clock = Clock::new(Pace::Scaled(0.5), 0);
        let Wait::Real(wait) = clock.wait_until(100_000) else {
            panic!("no wait")
        };
        assert!(wait <= Duration::from_secs(50) && wait > Duration::from_secs(40));
    }
}
