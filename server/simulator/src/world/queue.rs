//! What will happen by itself: steps with the simulated time at which they are due. Nothing here waits; whoever drives
//! the world's time takes the steps out.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::incident::Incident;

/// Something that is due at a time. Steps about a state that has passed since do nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
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
}

impl Step {
    /// True for work that goes on, for which a world without waits jumps ahead; false for dates that come when simulated
    /// time gets there.
    fn is_work(&self) -> bool {
        matches!(
            self,
            Self::Settle { .. } | Self::Restart { .. } | Self::LiveArrival { .. } | Self::StartWaiting { .. }
        )
    }
}

type Steps = BTreeMap<(u64, u64), Step>;

/// The steps that are due, in order; of those due at the same time, the first planned comes first.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    work: Steps,
    dates: Steps,
    planned: u64,
}

impl Queue {
    /// Plans a step.
    pub(crate) fn plan(&mut self, due_ms: u64, step: Step) {
        self.planned += 1;
        let key = (due_ms, self.planned);
        if step.is_work() {
            self.work.insert(key, step);
        } else {
            self.dates.insert(key, step);
        }
    }

    /// When the next step is due.
    pub(crate) fn next_due(&self) -> Option<u64> {
        let first = |steps: &Steps| steps.first_key_value().map(|((due, _), _)| *due);
        match (first(&self.work), first(&self.dates)) {
            (Some(work), Some(date)) => Some(work.min(date)),
            (work, date) => work.or(date),
        }
    }

    /// When the next step is due that is work.
    pub(crate) fn next_work(&self) -> Option<u64> {
        self.work.first_key_value().map(|((due, _), _)| *due)
    }

    /// Takes the first step that is due at a time, with its own time.
    pub(crate) fn take_due(&mut self, now_ms: u64) -> Option<(u64, Step)> {
        let key = |steps: &Steps| steps.first_key_value().map(|(key, _)| *key);
        let steps = match (key(&self.work), key(&self.dates)) {
            (Some(work), Some(date)) if date < work => &mut self.dates,
            (None, Some(_)) => &mut self.dates,
            _ => &mut self.work,
        };
        let entry = steps.first_entry().filter(|entry| entry.key().0 <= now_ms)?;
        let ((due, _), step) = entry.remove_entry();
        Some((due, step))
    }
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
}
