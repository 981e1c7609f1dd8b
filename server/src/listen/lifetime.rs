//! When a connection ends by itself: of being idle, of age, and some time after it was told to.

use std::time::Duration;

use tokio::time::Instant;

use super::registry::Ending;
use crate::settings::Limits;

/// How long calls may still run on a connection that has become too old.
const GRACE: Duration = Duration::from_secs(60);
/// How long a client that has no calls may take to close a connection that it was told to leave.
const SHORT_GRACE: Duration = Duration::from_secs(1);
/// The same where somebody waits for the place.
const BRIEF_GRACE: Duration = Duration::from_millis(100);

/// What is to be done with a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing before this time.
    Wait(Instant),
    /// It has been idle for too long: tell the client to leave.
    Idle,
    /// It is too old: tell the client to leave.
    Aged,
    /// It has had its time: close it.
    Over,
}

/// The times of one connection.
#[derive(Debug)]
pub struct Lifetime {
    idle: Duration,
    old_at: Instant,
    /// When it is closed for certain, once its client was told to leave.
    over_at: Option<Instant>,
    /// The client was told to leave, and may take as long as its calls do.
    leaving: bool,
}

impl Lifetime {
    /// Of a connection that begins now. `id` spreads the ages of connections that begin together, so that their clients do not
    /// all come back at once.
    pub fn new(now: Instant, id: u64, limits: &Limits) -> Self {
        // Consecutive numbers, multiplied by the golden ratio, fall far apart (Knuth, volume 3, section 6.4).
        let spread = u32::try_from(id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48).unwrap_or_default();
        let age = limits.connection_age.mul_f64(0.9 + 0.2 * f64::from(spread) / 65_536.0);
        Self {
            idle: limits.idle,
            old_at: now + age,
            over_at: None,
            leaving: false,
        }
    }

    /// What is to be done now, if the connection has had no call for `idle`.
    pub fn look(&mut self, now: Instant, idle: Option<Duration>) -> Look {
        if let Some(over_at) = self.over_at {
            return if now >= over_at {
                Look::Over
            } else {
                Look::Wait(over_at)
            };
        }
        if self.leaving {
            // Its calls end by themselves; a client that stays without any is looked at again.
            return match idle {
                Some(idle) if idle >= SHORT_GRACE => Look::Over,
                Some(idle) => Look::Wait(now + (SHORT_GRACE - idle)),
                None => Look::Wait(now + SHORT_GRACE),
            };
        }
        if now >= self.old_at {
            self.over_at = Some(now + GRACE);
            return Look::Aged;
        }
        let idle_at = match idle {
            Some(idle) if idle >= self.idle => {
                self.over_at = Some(now + SHORT_GRACE);
                return Look::Idle;
            }
            Some(idle) => now + (self.idle - idle),
            None => now + self.idle,
        };
        Look::Wait(idle_at.min(self.old_at))
    }

    /// It was told to end.
    pub fn told(&mut self, now: Instant, ending: Ending) {
        match ending {
            Ending::Gently => self.leaving = true,
            Ending::Briefly => self.over_at = Some(now + BRIEF_GRACE),
            Ending::Now => self.over_at = Some(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            idle: Duration::from_secs(300),
            connection_age: Duration::from_secs(1_000),
            ..Limits::default()
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_told_to_leave_and_then_closed() {
        let now = Instant::now();
        let mut lifetime = Lifetime::new(now, 0, &limits());
        assert_eq!(lifetime.look(now, None), Look::Wait(now + 300 * SECOND));
        let later = now + 300 * SECOND;
        assert_eq!(
            lifetime.look(later, Some(200 * SECOND)),
            Look::Wait(later + 100 * SECOND)
        );
        assert_eq!(lifetime.look(later, Some(300 * SECOND)), Look::Idle);
        assert_eq!(
            lifetime.look(later, Some(300 * SECOND)),
            Look::Wait(later + SHORT_GRACE)
        );
        assert_eq!(lifetime.look(later + SHORT_GRACE, None), Look::Over);
    }

    #[tokio::test(start_paused = true)]
    async fn an_old_connection_gives_its_calls_some_time() {
        let now = Instant::now();
        let mut lifetime = Lifetime::new(now, 0, &limits());
        let old = now + 900 * SECOND;
        assert_eq!(lifetime.look(old - SECOND, None), Look::Wait(old));
        assert_eq!(lifetime.look(old, None), Look::Aged);
        assert_eq!(lifetime.look(old, None), Look::Wait(old + GRACE));
        assert_eq!(lifetime.look(old + GRACE, None), Look::Over);
    }

    #[tokio::test(start_paused = true)]
    async fn ages_are_spread_around_the_one_that_is_set() {
        let now = Instant::now();
        let ages: Vec<_> = (0..100)
            .map(|id| Lifetime::new(now, id, &limits()).old_at - now)
            .collect();
        let (least, most) = (ages.iter().min().unwrap(), ages.iter().max().unwrap());
        assert!(*least >= 900 * SECOND && *least < 910 * SECOND, "{least:?}");
        assert!(*most <= 1_100 * SECOND && *most > 1_090 * SECOND, "{most:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_waits_for_calls_and_for_nobody_else() {
        let now = Instant::now();
        let mut lifetime = Lifetime::new(now, 0, &limits());
        lifetime.told(now, Ending::Gently);
        assert_eq!(lifetime.look(now, None), Look::Wait(now + SHORT_GRACE));
        assert_eq!(lifetime.look(now + 400 * SECOND, None), Look::Wait(now + 401 * SECOND));
        assert_eq!(lifetime.look(now, Some(SHORT_GRACE)), Look::Over);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_cut_is_gone_at_once() {
        let now = Instant::now();
        let mut lifetime = Lifetime::new(now, 0, &limits());
        lifetime.told(now, Ending::Briefly);
        assert_eq!(lifetime.look(now, None), Look::Wait(now + BRIEF_GRACE));
        lifetime.told(now, Ending::Now);
        assert_eq!(lifetime.look(now, None), Look::Over);
    }
}
