//! What is to happen at a time, each thing at one time at most.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A time as the registry counts it: since the daemon has started.
pub type Time = Duration;

/// Timers by what they are for.
#[derive(Debug)]
pub struct Timers<T> {
    queue: BTreeSet<(Time, T)>,
    set: BTreeMap<T, Time>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self {
            queue: BTreeSet::new(),
            set: BTreeMap::new(),
        }
    }
}

impl<T: Copy + Ord> Timers<T> {
    /// Sets the time of a thing, in place of the one that it had.
    pub fn set(&mut self, thing: T, at: Time) {
        self.clear(thing);
        self.queue.insert((at, thing));
        self.set.insert(thing, at);
    }

    /// Takes back the time of a thing.
    pub fn clear(&mut self, thing: T) {
        if let Some(at) = self.set.remove(&thing) {
            self.queue.remove(&(at, thing));
        }
    }

    /// The time of a thing.
    pub fn get(&self, thing: T) -> Option<Time> {
        self.set.get(&thing).copied()
    }

    /// The next time of all.
    pub fn next(&self) -> Option<Time> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// Takes out a thing whose time has come, the earliest first.
    pub fn pop(&mut self, now: Time) -> Option<T> {
        let (at, thing) = self.queue.first().copied()?;
        if at > now {
            return None;
        }
        self.clear(thing);
        Some(thing)
    }

    /// Puts some off by so long.
    pub fn put_off(&mut self, by: Time, which: impl Fn(&T) -> bool) {
        for (thing, at) in self.set.iter_mut().filter(|(thing, _)| which(thing)) {
            self.queue.remove(&(*at, *thing));
            *at += by;
            self.queue.insert((*at, *thing));
        }
    }

    /// Keeps only some.
    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.queue.retain(|(_, thing)| keep(thing));
        self.set.retain(|thing, _| keep(thing));
    }

    /// True when nothing is to happen.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_come_at_their_last_time_and_once() {
        let at = Duration::from_secs;
        let mut timers = Timers::default();
        timers.set('a', at(3));
        timers.set('b', at(2));
        timers.set('c', at(1));
        timers.set('a', at(1));
        timers.clear('c');
        assert_eq!(
            (timers.next(), timers.get('a'), timers.get('c')),
            (Some(at(1)), Some(at(1)), None)
        );
        assert_eq!(timers.pop(at(0)), None);
        assert_eq!(
            [timers.pop(at(2)), timers.pop(at(2)), timers.pop(at(2))],
            [Some('a'), Some('b'), None]
        );
        assert!(timers.is_empty());
        timers.set('a', at(1));
        timers.set('b', at(1));
        timers.put_off(at(4), |thing| *thing == 'a');
        assert_eq!((timers.get('a'), timers.next()), (Some(at(5)), Some(at(1))));
        timers.put_off(at(9), |_| true);
        assert_eq!((timers.pop(at(9)), timers.next()), (None, Some(at(10))));
        timers.retain(|thing| *thing == 'b');
        assert_eq!([timers.pop(at(99)), timers.pop(at(99))], [Some('b'), None]);
    }
}
