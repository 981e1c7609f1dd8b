//! Who runs when: one changing operation for a cluster and for a host at a time, first come, first served.
//!
//! The schedule decides whose turn it is; the journal's lock table, written with the start record, is what holds across a
//! crash.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::call::is_host_key;

/// The queue of operations that run or wait to run.
#[derive(Debug, Default)]
pub struct Schedule {
    queue: Mutex<Queue>,
}

/// A place in the order of arrival.
type Ticket = u64;

#[derive(Debug, Default)]
struct Queue {
    entries: BTreeMap<Ticket, Entry>,
    /// Who holds a key or waits for it; never empty.
    keys: HashMap<String, BTreeSet<Ticket>>,
    tickets: HashMap<String, Ticket>,
    last: Ticket,
}

#[derive(Debug)]
struct Entry {
    operation_id: String,
    principal: String,
    keys: Vec<String>,
    turn: Turn,
    /// Told when nothing is in the way any more.
    free: Arc<Notify>,
}

/// Where an operation is.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// It waits, or is about to begin.
    Waits,
    /// It waits for something else than operations, and lets others have its hosts meanwhile.
    StandsAside,
    /// It has begun.
    Begun,
}

/// What becomes of a start when another operation is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenBusy {
    /// It is refused.
    Refuse,
    /// It waits, unless as many operations of its principal wait already.
    Wait {
        /// How many may wait.
        most: usize,
    },
    /// It waits: it was accepted before.
    WaitAnyhow,
}

/// Why there is no place for a start.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// It would not wait.
    Busy {
        /// The operation that is in the way.
        operation_id: String,
    },
    /// Too many wait.
    TooManyWaiting {
        /// The operation that is in the way.
        operation_id: String,
        /// How many operations of the principal wait.
        waiting: usize,
    },
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
    /// As of [`check`](Self::check); no place is taken.
    pub fn enter(
        self: &Arc<Self>,
        operation_id: &str,
        principal: &str,
        keys: Vec<String>,
        when_busy: WhenBusy,
    ) -> Result<Place, Refused> {
        let mut queue = self.queue();
        queue.check(principal, &keys, when_busy)?;
        queue.last += 1;
        let ticket = queue.last;
        for key in &keys {
            queue.keys.entry(key.clone()).or_default().insert(ticket);
        }
        queue.tickets.insert(operation_id.into(), ticket);
        let free = Arc::new(Notify::new());
        let entry = Entry {
            operation_id: operation_id.into(),
            principal: principal.into(),
            keys,
            turn: Turn::Waits,
            free: Arc::clone(&free),
        };
        queue.entries.insert(ticket, entry);
        Ok(Place {
            schedule: Arc::clone(self),
            ticket,
            free,
        })
    }

    /// Whether there is a place for an operation that would hold these keys.
    ///
    /// # Errors
    ///
    /// Another operation is in the way, and this one will not wait, or must not.
    pub fn check(&self, principal: &str, keys: &[String], when_busy: WhenBusy) -> Result<(), Refused> {
        self.queue().check(principal, keys, when_busy)
    }

    /// The operation that must end before this one may begin, while there is one.
    pub fn blocks(&self, operation_id: &str) -> Option<String> {
        let queue = self.queue();
        queue.blocking(*queue.tickets.get(operation_id)?)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // No code panics while it holds this lock, and a queue is whole at any time.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn check(&self, principal: &str, keys: &[String], when_busy: WhenBusy) -> Result<(), Refused> {
        let Some(operation_id) = self.in_the_way(Ticket::MAX, keys).and_then(|ticket| self.id_of(ticket)) else {
            return Ok(());
        };
        match when_busy {
            WhenBusy::Refuse => Err(Refused::Busy { operation_id }),
            WhenBusy::WaitAnyhow => Ok(()),
            WhenBusy::Wait { most } => {
                let waiting = self.waiting_of(principal);
                if waiting < most {
                    Ok(())
                } else {
                    Err(Refused::TooManyWaiting { operation_id, waiting })
                }
            }
        }
    }

    fn waiting_of(&self, principal: &str) -> usize {
        let waits = |(ticket, entry): &(&Ticket, &Entry)| match entry.turn {
            Turn::Begun => false,
            Turn::StandsAside => true,
            Turn::Waits => self.in_the_way(**ticket, &entry.keys).is_some(),
        };
        let own = self.entries.iter().filter(|(_, entry)| entry.principal == principal);
        own.filter(waits).count()
    }

    /// The first of those that must leave before the holder of a ticket may have its keys: they came before it and want one,
    /// or have begun with one that it stood aside for.
    fn in_the_way(&self, own: Ticket, keys: &[String]) -> Option<Ticket> {
        let first = |key: &String| {
            let mut all = self.keys.get(key)?.iter().copied();
            all.find(|other| *other != own && self.comes_first(*other, own, key))
        };
        keys.iter().filter_map(first).min()
    }

    fn comes_first(&self, other: Ticket, own: Ticket, key: &str) -> bool {
        let Some(entry) = self.entries.get(&other) else {
            return false;
        };
        entry.turn == Turn::Begun || (other < own && !self.yields(entry, key))
    }

    /// Whether an operation lets others have a key for now: a host, while it stands aside or waits for its cluster behind one
    /// that does. Who sets up one cluster could otherwise keep the hosts of others for as long as it likes.
    fn yields(&self, entry: &Entry, key: &str) -> bool {
        is_host_key(key)
            && match entry.turn {
                Turn::Begun => false,
                Turn::StandsAside => true,
                Turn::Waits => entry.keys.iter().any(|key| !is_host_key(key) && self.is_settling(key)),
            }
    }

    /// Whether the first of those that hold a key or wait for it stands aside.
    fn is_settling(&self, key: &str) -> bool {
        let first = self.keys.get(key).and_then(|tickets| tickets.first());
        let entry = first.and_then(|ticket| self.entries.get(ticket));
        entry.is_some_and(|entry| entry.turn == Turn::StandsAside)
    }

    fn blocking(&self, ticket: Ticket) -> Option<String> {
        let entry = self.entries.get(&ticket)?;
        if entry.turn == Turn::Begun {
            return None;
        }
        self.id_of(self.in_the_way(ticket, &entry.keys)?)
    }

    fn id_of(&self, ticket: Ticket) -> Option<String> {
        Some(self.entries.get(&ticket)?.operation_id.clone())
    }

    /// Those who may begin after something has changed about these keys, in the order of their coming, so that simulations can
    /// be repeated.
    fn freed(&self, keys: &[String]) -> Vec<Arc<Notify>> {
        let mut freed = BTreeMap::new();
        for key in keys {
            for ticket in self.keys.get(key).into_iter().flatten() {
                let Some(entry) = self.entries.get(ticket) else {
                    continue;
                };
                if self.yields(entry, key) {
                    continue;
                }
                if entry.turn == Turn::Waits && self.in_the_way(*ticket, &entry.keys).is_none() {
                    freed.insert(*ticket, Arc::clone(&entry.free));
                }
                // It is in the way of all that come behind it.
                break;
            }
        }
        freed.into_values().collect()
    }
}

/// A place in the schedule; dropping it lets the next one through.
#[derive(Debug)]
pub struct Place {
    schedule: Arc<Schedule>,
    ticket: Ticket,
    free: Arc<Notify>,
}

impl Place {
    /// The operation that must end before this one may begin.
    pub fn blocked_by(&self) -> Option<String> {
        self.schedule.queue().blocking(self.ticket)
    }

    /// Waits until nothing is in the way.
    pub async fn turn(&self) {
        while self.blocked_by().is_some() {
            // What was told between the look and the wait is kept for the wait.
            self.free.notified().await;
        }
    }

    /// Begins: from now on it is in the way of all others that share a key. False while something is in its own way.
    pub fn begin(&self) -> bool {
        let mut queue = self.schedule.queue();
        let is_free = queue.blocking(self.ticket).is_none();
        if is_free && let Some(entry) = queue.entries.get_mut(&self.ticket) {
            entry.turn = Turn::Begun;
        }
        is_free
    }

    /// Lets others have its hosts until [`step_back`](Self::step_back), since it waits for something else than operations. What
    /// waits behind it for its cluster lets them have theirs too.
    pub fn stand_aside(&self) {
        let freed = {
            let mut queue = self.schedule.queue();
            let Some(entry) = queue.entries.get_mut(&self.ticket) else {
                return;
            };
            entry.turn = Turn::StandsAside;
            let keys = entry.keys.clone();
            let tickets: BTreeSet<_> = keys.iter().filter_map(|key| queue.keys.get(key)).flatten().collect();
            let entries = tickets.into_iter().filter_map(|ticket| queue.entries.get(ticket));
            let mut yielded: Vec<_> = entries.flat_map(|entry| &entry.keys).cloned().collect();
            yielded.sort_unstable();
            yielded.dedup();
            queue.freed(&yielded)
        };
        wake(&freed);
    }

    /// Wants all of its keys again, before all that came after it and have not begun.
    pub fn step_back(&self) {
        if let Some(entry) = self.schedule.queue().entries.get_mut(&self.ticket) {
            entry.turn = Turn::Waits;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let freed = {
            let mut queue = self.schedule.queue();
            let Some(entry) = queue.entries.remove(&self.ticket) else {
                return;
            };
            queue.tickets.remove(&entry.operation_id);
            for key in &entry.keys {
                if let Some(tickets) = queue.keys.get_mut(key) {
                    tickets.remove(&self.ticket);
                    if tickets.is_empty() {
                        queue.keys.remove(key);
                    }
                }
            }
            queue.freed(&entry.keys)
        };
        wake(&freed);
    }
}

fn wake(freed: &[Arc<Notify>]) {
    freed.iter().for_each(|free| free.notify_one());
}

#[cfg(test)]
mod tests;
