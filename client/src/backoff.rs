//! Growing, jittered pauses between attempts.

use std::time::Duration;

/// The pauses between the attempts to reach a daemon: each twice as long as the one before, up to a longest one, and
/// each cut by a random part of up to a half so that clients do not come back in step.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    initial: Duration,
    longest: Duration,
    attempt: u32,
}

impl Backoff {
    pub(crate) fn new(initial: Duration, longest: Duration) -> Self {
        Self {
            initial,
            longest,
            attempt: 0,
        }
    }

    /// Starts again with the shortest pause.
    pub(crate) fn reset(&mut self) {
        self.attempt = 0;
    }

    /// How many pauses there were since the start or the last reset.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The next pause; at least `floor`, which is what the daemon asked for.
    pub(crate) fn next(&mut self, floor: Option<Duration>) -> Duration {
        let delay = pause(self.initial, self.longest, self.attempt, fastrand::f64());
        self.attempt = self.attempt.saturating_add(1);
        delay.max(floor.unwrap_or_default())
    }
}

/// The pause before attempt `attempt` (from 0), where `random` lies in 0 to 1.
fn pause(initial: Duration, longest: Duration, attempt: u32, random: f64) -> Duration {
    let factor = 2_u32.checked_pow(attempt).unwrap_or(u32::MAX);
    let whole = initial.saturating_mul(factor).min(longest);
    whole / 2 + (whole / 2).mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INITIAL: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(10);

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses: Vec<_> = (0..8)
            .map(|attempt| pause(INITIAL, LONGEST, attempt, 1.0).as_millis())
            .collect();
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    }

    #[test]
    fn reset_begins_anew_and_the_daemon_can_ask_for_more() {
        let mut backoff = Backoff::new(INITIAL, LONGEST);
        for _ in 0..6 {
            backoff.next(None);
        }
        assert_eq!(backoff.attempt(), 6);
        backoff.reset();
        assert!(backoff.next(None) <= INITIAL);
        assert_eq!(backoff.next(Some(Duration::from_secs(60))), Duration::from_secs(60));
    }

    proptest! {
        #[test]
        fn a_pause_is_never_zero_and_never_above_the_longest(attempt in any::<u32>(), random in 0.0_f64..=1.0) {
            let pause = pause(INITIAL, LONGEST, attempt, random);
            prop_assert!(pause >= INITIAL / 2);
            prop_assert!(pause <= LONGEST);
        }
    }
}
