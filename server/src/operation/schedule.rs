//! Who runs when: one changing operation for a cluster and for a host at a time, first come, first served.
//!
//! The schedule decides whose turn it is; the journal's lock table, written with the start record, is what holds across a
//! crash.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The queue of operations that run or wait to run.
#[derive(Debug, Default)]
pub struct Schedule {
    queue: Mutex<Queue>,
    /// Wakes those that wait, in the order in which they began to wait, so that simulations can be repeated.
    moved: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    entries: Vec<Entry>,
    /// Counts departures; a waiting operation looks again when it moves.
    departures: u64,
}

#[derive(Debug)]
struct Entry {
    operation_id: String,
    keys: Vec<String>,
}

/// The operation that is in the way of one that would not wait.
#[derive(Debug, PartialEq, Eq)]
pub struct Busy {
    /// Its id.
    pub operation_id: String,
}

impl Schedule {
    /// An empty schedule.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Takes a place behind all that share a key.
    ///
    /// # Errors
    ///
    /// With `refuse`, the operation that is in the way, and no place is taken.
    pub fn enter(self: &Arc<Self>, operation_id: &str, keys: Vec<String>, refuse: bool) -> Result<Place, Busy> {
        let mut queue = self.queue();
        if refuse && let Some(busy) = queue.holder(&keys) {
            return Err(busy);
        }
        queue.entries.push(Entry {
            operation_id: operation_id.into(),
            keys,
        });
        Ok(Place {
            schedule: Arc::clone(self),
            operation_id: operation_id.into(),
            seen: queue.departures,
        })
    }

    /// The operation that is in the way of one that would hold these keys.
    pub fn holder(&self, keys: &[String]) -> Option<Busy> {
        self.queue().holder(keys)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // No code panics while it holds this lock, and a queue is whole at any time.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn holder(&self, keys: &[String]) -> Option<Busy> {
        let entry = self.entries.iter().find(|entry| entry.shares_any(keys))?;
        Some(Busy {
            operation_id: entry.operation_id.clone(),
        })
    }
}

impl Entry {
    fn shares_any(&self, keys: &[String]) -> bool {
        self.keys.iter().any(|key| keys.contains(key))
    }
}

/// A place in the schedule; dropping it lets the next one through.
#[derive(Debug)]
pub struct Place {
    schedule: Arc<Schedule>,
    operation_id: String,
    /// The departures that it has looked at.
    seen: u64,
}

impl Place {
    /// The operation that must end before this one may begin.
    pub fn blocked_by(&self) -> Option<String> {
        let entries = &self.schedule.queue().entries;
        let own = entries
            .iter()
            .position(|entry| entry.operation_id == self.operation_id)?;
        let blocking = entries[..own]
            .iter()
            .find(|entry| entry.shares_any(&entries[own].keys))?;
        Some(blocking.operation_id.clone())
    }

    /// Waits until some operation has left the schedule since the last look.
    pub async fn departure(&mut self) {
        loop {
            // Made before the look, so that a departure between the look and the wait is not missed.
            let moved = self.schedule.moved.notified();
            let departures = self.schedule.queue().departures;
            if self.seen != departures {
                self.seen = departures;
                return;
            }
            moved.await;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        {
            let mut queue = self.schedule.queue();
            queue.entries.retain(|entry| entry.operation_id != self.operation_id);
            queue.departures += 1;
        }
        self.schedule.moved.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).into()).collect()
    }

    #[test]
    fn sharing_a_key_waits_and_others_do_not() {
        let schedule = Schedule::new();
        let first = schedule.enter("1", keys(&["cluster:a", "host:x"]), false).unwrap();
        let second = schedule.enter("2", keys(&["cluster:b", "host:x"]), false).unwrap();
        let third = schedule.enter("3", keys(&["cluster:b"]), false).unwrap();
        let fourth = schedule.enter("4", keys(&["cluster:c"]), false).unwrap();
        assert_eq!(first.blocked_by(), None);
        assert_eq!(second.blocked_by(), Some("1".into()));
        assert_eq!(third.blocked_by(), Some("2".into()), "an earlier waiter goes first");
        assert_eq!(fourth.blocked_by(), None);
        drop(first);
        assert_eq!(second.blocked_by(), None);
        drop(second);
        assert_eq!(third.blocked_by(), None);
    }

    #[test]
    fn refusing_names_the_holder_and_takes_no_place() {
        let schedule = Schedule::new();
        let first = schedule.enter("1", keys(&["cluster:a"]), false).unwrap();
        assert_eq!(
            schedule.enter("2", keys(&["cluster:a"]), true).unwrap_err(),
            Busy {
                operation_id: "1".into()
            }
        );
        drop(first);
        let third = schedule.enter("3", keys(&["cluster:a"]), true).unwrap();
        assert_eq!(third.blocked_by(), None);
    }

    #[tokio::test]
    async fn a_departure_wakes_the_next() {
        let schedule = Schedule::new();
        let first = schedule.enter("1", keys(&["cluster:a"]), false).unwrap();
        let mut second = schedule.enter("2", keys(&["cluster:a"]), false).unwrap();
        let waiting = tokio::spawn(async move {
            while second.blocked_by().is_some() {
                second.departure().await;
            }
        });
        drop(first);
        waiting.await.unwrap();
    }
}
