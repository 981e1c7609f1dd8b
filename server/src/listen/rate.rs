//! How many calls an identity may make.
//!
//! Each identity has two buckets, one for all calls and one for those that change something. A bucket is kept as one time:
//! when it will be full again (the generic cell rate algorithm; ATM Forum, "Traffic Management Specification" 4.0).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use wsfc_proto::{ERROR_DOMAIN, reasons};

use crate::settings::current::Current;
use crate::settings::{Limits, Settings};

/// How many identities are remembered. Those whose buckets are full need not be.
const IDENTITIES: usize = 4_096;

/// The rates of all identities.
#[derive(Debug)]
pub struct Rates {
    settings: Current<Settings>,
    identities: Mutex<Identities>,
}

impl Rates {
    /// Nobody has called yet; the limits are those of the settings at each call.
    pub fn new(settings: Current<Settings>) -> Self {
        Self {
            settings,
            identities: Mutex::default(),
        }
    }

    /// A call of `principal` comes.
    ///
    /// # Errors
    ///
    /// There were too many: when the next one may come. See [`limited`].
    pub fn take(&self, principal: &str, changing: bool, now: Instant) -> Result<(), Duration> {
        let settings = self.settings.get();
        let mut identities = self.identities.lock().unwrap_or_else(PoisonError::into_inner);
        identities.take(principal, changing, now, &settings.limits)
    }
}

/// What a caller is told who makes too many calls.
pub fn limited(retry_after: Duration) -> Status {
    let mut details = ErrorDetails::with_error_info(reasons::RATE_LIMITED, ERROR_DOMAIN, HashMap::new());
    details.set_retry_info(Some(retry_after));
    let message = "too many calls; try again later";
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

#[derive(Debug, Clone, Copy)]
struct Buckets {
    calls_full_at: Instant,
    changes_full_at: Instant,
}

impl Buckets {
    fn full_at(&self) -> Instant {
        self.calls_full_at.max(self.changes_full_at)
    }
}

#[derive(Debug, Default)]
struct Identities(HashMap<String, Buckets>);

impl Identities {
    fn take(&mut self, principal: &str, changing: bool, now: Instant, limits: &Limits) -> Result<(), Duration> {
        let known = self.0.get(principal).copied();
        let mut buckets = known.unwrap_or(Buckets {
            calls_full_at: now,
            changes_full_at: now,
        });
        let calls = taken(buckets.calls_full_at, now, limits.calls_per_second, limits.call_burst);
        let changes = if changing {
            taken(
                buckets.changes_full_at,
                now,
                limits.changes_per_second,
                limits.change_burst,
            )
        } else {
            Ok(buckets.changes_full_at)
        };
        match (calls, changes) {
            (Ok(calls), Ok(changes)) => {
                buckets.calls_full_at = calls;
                buckets.changes_full_at = changes;
            }
            // A call that is refused costs nothing, so that whoever asks again as told gets through.
            (calls, changes) => {
                let wait = |taken: Result<Instant, Duration>| taken.err().unwrap_or_default();
                return Err(wait(calls).max(wait(changes)));
            }
        }
        match self.0.get_mut(principal) {
            Some(known) => *known = buckets,
            None => {
                self.make_room(now);
                self.0.insert(principal.to_owned(), buckets);
            }
        }
        Ok(())
    }

    /// Forgets those that have nothing to be remembered for; if there are none, the one whose buckets are full soonest.
    fn make_room(&mut self, now: Instant) {
        if self.0.len() < IDENTITIES {
            return;
        }
        self.0.retain(|_, buckets| buckets.full_at() > now);
        if self.0.len() >= IDENTITIES {
            let soonest = self.0.iter().min_by_key(|(_, buckets)| buckets.full_at());
            if let Some(name) = soonest.map(|(name, _)| name.clone()) {
                self.0.remove(&name);
            }
        }
    }
}

/// When a bucket is full again after one more was taken from it; or how long there is none to take.
fn taken(full_at: Instant, now: Instant, per_second: u32, burst: u32) -> Result<Instant, Duration> {
    if per_second == 0 {
        return Ok(now);
    }
    let interval = Duration::from_secs(1) / per_second;
    let full_at = full_at.max(now);
    let empty = interval * burst.saturating_sub(1);
    match (full_at - now).checked_sub(empty) {
        Some(wait) if !wait.is_zero() => Err(wait),
        _ => Ok(full_at + interval),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits() -> Limits {
        Limits {
            calls_per_second: 10,
            call_burst: 5,
            changes_per_second: 1,
            change_burst: 2,
            ..Limits::default()
        }
    }

    const TENTH: Duration = Duration::from_millis(100);

    #[test]
    fn a_burst_passes_and_then_one_at_a_time() {
        let (mut identities, now) = (Identities::default(), Instant::now());
        let mut take = |after: u32| identities.take("a", false, now + after * TENTH, &limits());
        for _ in 0..5 {
            assert_eq!(take(0), Ok(()));
        }
        assert_eq!(take(0), Err(TENTH));
        assert_eq!(take(0), Err(TENTH), "asking costs nothing");
        assert_eq!(take(1), Ok(()));
        assert_eq!(take(1), Err(TENTH));
        for _ in 0..5 {
            assert_eq!(take(100), Ok(()));
        }
        assert_eq!(take(100), Err(TENTH), "a long rest is no longer burst");
    }

    #[test]
    fn changes_are_calls_too_and_have_their_own_limit() {
        let (mut identities, now) = (Identities::default(), Instant::now());
        let mut take = |changing| identities.take("a", changing, now, &limits());
        assert_eq!((take(true), take(true)), (Ok(()), Ok(())));
        assert_eq!(take(true), Err(10 * TENTH));
        assert_eq!((take(false), take(false), take(false)), (Ok(()), Ok(()), Ok(())));
        assert_eq!(take(false), Err(TENTH));
        assert_eq!(take(true), Err(10 * TENTH));
    }

    #[test]
    fn identities_do_not_share() {
        let (mut identities, now) = (Identities::default(), Instant::now());
        for _ in 0..5 {
            identities.take("a", false, now, &limits()).unwrap();
        }
        assert!(identities.take("a", false, now, &limits()).is_err());
        assert_eq!(identities.take("b", false, now, &limits()), Ok(()));
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let (mut identities, now) = (Identities::default(), Instant::now());
        let limits = Limits {
            calls_per_second: 0,
            changes_per_second: 0,
            ..limits()
        };
        assert!((0..1_000).all(|_| identities.take("a", true, now, &limits).is_ok()));
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_those_who_owe_most() {
        let (mut identities, now) = (Identities::default(), Instant::now());
        for _ in 0..5 {
            identities.take("greedy", false, now, &limits()).unwrap();
        }
        for number in 0..2 * IDENTITIES {
            identities.take(&number.to_string(), false, now, &limits()).unwrap();
        }
        assert_eq!(identities.0.len(), IDENTITIES);
        assert!(identities.take("greedy", false, now, &limits()).is_err());
        let later = now + 100 * TENTH;
        identities.take("late", false, later, &limits()).unwrap();
        assert_eq!(identities.0.len(), 1, "whoever has rested is forgotten");
    }

    #[test]
    fn a_refusal_says_why_and_when_to_come_back() {
        let status = limited(TENTH);
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.get_details_error_info().unwrap().reason, reasons::RATE_LIMITED);
        assert_eq!(status.get_details_retry_info().unwrap().retry_delay, Some(TENTH));
    }

    proptest! {
        /// In any time, no more pass than the burst and what the rate gives.
        #[test]
        fn no_schedule_gets_more_than_its_share(gaps in prop::collection::vec(0_u64..300, 1..300)) {
            let (mut identities, start) = (Identities::default(), Instant::now());
            let (mut now, mut passed) = (start, 0);
            for gap in gaps {
                now += Duration::from_millis(gap);
                passed += u128::from(identities.take("a", false, now, &limits()).is_ok());
                prop_assert!(passed <= 5 + (now - start).as_millis() / 100);
            }
        }
    }
}
