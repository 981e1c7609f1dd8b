//! What will happen by itself: steps with the simulated time at which they are due. Nothing here waits; whoever drives
//! the world's time takes the steps out.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::hosting::Watch;
use crate::incident::Incident;

/// Something that is due at a time. Steps about a state that has passed since do nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// A pending resource of the simulator's own types comes to a check point on its way.
    CheckPoint {
        cluster: String,
        resource: String,
        epoch: u64,
        number: u32,
    },
    /// A pending resource reaches its state.
    Settle {
        cluster: String,
        resource: String,
        epoch: u64,
    },
    /// A failed resource is started again after RestartDelay.
    Restart {
        cluster: String,
        resource: String,
        epoch: u64,
    },
    /// A failed resource is tried once more after RetryPeriodOnFailure.
    Retry {
        cluster: String,
        resource: String,
        epoch: u64,
    },
    /// A group that moves with its resources online arrives.
    LiveArrival { cluster: String, group: String },
    /// What waits to start looks whether it may.
    StartWaiting { cluster: String },
    /// A group has been online for the StartupDelay of its set.
    SetReady { cluster: String },
    /// A group has waited for its providers long enough.
    DependencyTimeout {
        cluster: String,
        group: String,
        since_ms: u64,
    },
    /// A drain that failed is tried again.
    DrainAgain { cluster: String, node: u32 },
    /// The window for the failback of a group opens.
    Failback { cluster: String, group: String },
    /// A node has been isolated long enough.
    EndIsolation { cluster: String, node: u32, until: u64 },
    /// A node has been in quarantine long enough.
    EndQuarantine { cluster: String, node: u32, until: u64 },
    /// An incident of the scenario.
    Incident(Incident),
    /// Something has not been heard of for too long, or is to be looked at.
    Watch(Watch),
}

impl Step {
    /// True for work that goes on, for which a world without waits jumps ahead; false for dates that come when simulated
    /// time gets there.
    fn is_work(&self) -> bool {
        matches!(
            self,
            Self::CheckPoint { .. }
                | Self::Settle { .. }
                | Self::Restart { .. }
                | Self::LiveArrival { .. }
                | Self::StartWaiting { .. }
        )
    }
}

/// When a step is due, and its number among all.
type Key = (u64, u64);
type Steps = BTreeMap<Key, Step>;

/// The steps that are due, in order; of those due at the same time, the first planned comes first.
///
/// Watches are over what takes real time, such as the call of a resource DLL. They are apart for two reasons: they go with
/// the process, so they are not saved; and where a world without waits jumps, they move along, since a jump takes no time in
/// which a DLL could work.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    work: Steps,
    dates: Steps,
    /// By their time without the jumps.
    watches: BTreeMap<Key, Watch>,
    /// How far the world has jumped.
    jumped_ms: u64,
    planned: u64,
}

/// A watch that may be ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WatchKey(Key);

impl Queue {
    /// Plans a step.
    pub(crate) fn plan(&mut self, due_ms: u64, step: Step) {
        let key = self.key(due_ms);
        if step.is_work() {
            self.work.insert(key, step);
        } else {
            self.dates.insert(key, step);
        }
    }

    fn key(&mut self, due_ms: u64) -> Key {
        self.planned += 1;
        (due_ms, self.planned)
    }

    /// Plans a watch.
    pub(crate) fn watch(&mut self, due_ms: u64, watch: Watch) -> WatchKey {
        let key = self.key(due_ms.saturating_sub(self.jumped_ms));
        self.watches.insert(key, watch);
        WatchKey(key)
    }

    /// Ends a watch.
    pub(crate) fn unwatch(&mut self, key: Option<WatchKey>) {
        if let Some(WatchKey(key)) = key {
            self.watches.remove(&key);
        }
    }

    /// The world has jumped over a time.
    pub(crate) fn jump(&mut self, ms: u64) {
        self.jumped_ms = self.jumped_ms.saturating_add(ms);
    }

    fn next_watch(&self) -> Option<Key> {
        let ((due, number), _) = self.watches.first_key_value()?;
        Some((due.saturating_add(self.jumped_ms), *number))
    }

    /// When the next step is due.
    pub(crate) fn next_due(&self) -> Option<u64> {
        let next = [first(&self.work), first(&self.dates), self.next_watch()];
        next.into_iter().flatten().min().map(|(due, _)| due)
    }

    /// When the next step is due that is work.
    pub(crate) fn next_work(&self) -> Option<u64> {
        first(&self.work).map(|(due, _)| due)
    }

    /// Takes the first step that is due at a time, with its own time.
    pub(crate) fn take_due(&mut self, now_ms: u64) -> Option<(u64, Step)> {
        let next = [first(&self.work), first(&self.dates), self.next_watch()];
        let key = next.into_iter().flatten().min().filter(|(due, _)| *due <= now_ms)?;
        let step = if self.next_watch() == Some(key) {
            self.watches.pop_first().map(|(_, watch)| Step::Watch(watch))
        } else {
            self.work.remove(&key).or_else(|| self.dates.remove(&key))
        };
        step.map(|step| (key.0, step))
    }
}

fn first(steps: &Steps) -> Option<Key> {
    steps.first_key_value().map(|(key, _)| *key)
}

impl Serialize for Queue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all: Vec<_> = self.work.iter().chain(&self.dates).collect();
        all.sort_by_key(|(key, _)| **key);
        serializer.collect_seq(all.into_iter().map(|((due, _), step)| (due, step)))
    }
}

impl<'de> Deserialize<'de> for Queue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut queue = Self::default();
        for (due, step) in Vec::<(u64, Step)>::deserialize(deserializer)? {
            queue.plan(due, step);
        }
        Ok(queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(group: &str) -> Step {
        Step::LiveArrival {
            cluster: "c".into(),
            group: group.into(),
        }
    }

    fn date(group: &str) -> Step {
        Step::Failback {
            cluster: "c".into(),
            group: group.into(),
        }
    }

    #[test]
    fn steps_come_in_the_order_of_their_times() {
        let mut queue = Queue::default();
        queue.plan(20, work("b"));
        queue.plan(10, date("a"));
        queue.plan(20, date("c"));
        queue.plan(30, work("d"));
        let saved = serde_json::to_string(&queue).unwrap();
        let mut queue: Queue = serde_json::from_str(&saved).unwrap();
        assert_eq!((queue.next_due(), queue.next_work()), (Some(10), Some(20)));
        assert_eq!(queue.take_due(9), None);
        assert_eq!(queue.take_due(25), Some((10, date("a"))));
        assert_eq!(queue.take_due(25), Some((20, work("b"))));
        assert_eq!(queue.take_due(25), Some((20, date("c"))));
        assert_eq!(queue.take_due(25), None);
        assert_eq!(queue.next_due(), Some(30));
    }

    #[test]
    fn watches_move_along_where_the_world_jumps() {
        let watch = |handle| Watch::LooksAlive { handle };
        let mut queue = Queue::default();
        queue.watch(100, watch(1));
        let ended = queue.watch(100, watch(2));
        queue.unwatch(Some(ended));
        queue.jump(50);
        queue.watch(150, watch(3));
        queue.plan(150, date("a"));
        assert_eq!((queue.next_due(), queue.next_work()), (Some(150), None));
        assert_eq!(queue.take_due(149), None);
        assert_eq!(queue.take_due(150), Some((150, Step::Watch(watch(1)))));
        assert_eq!(queue.take_due(150), Some((150, Step::Watch(watch(3)))));
        let saved = serde_json::to_string(&queue).unwrap();
        assert_eq!(queue.take_due(150), Some((150, date("a"))));
        assert_eq!(queue.next_due(), None);
        let mut queue: Queue = serde_json::from_str(&saved).unwrap();
        assert_eq!(queue.take_due(150), Some((150, date("a"))), "watches are not saved");
        assert_eq!(queue.take_due(u64::MAX), None);
    }
}
