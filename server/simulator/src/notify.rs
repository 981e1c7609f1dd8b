//! Notification ports: a queue each, and the filters that fill it (facts 4.1 and 4.2).

use std::collections::VecDeque;

use wsfc_clusapi::sys::constants::{notify_object, notify_registry};

use crate::fault::Damage;
use crate::simulation::State;
use crate::world::events::Event;

/// A notification port.
#[derive(Debug, Default)]
pub(crate) struct Port {
    filters: Vec<Filter>,
    queue: VecDeque<Queued>,
}

/// An event on its way.
#[derive(Debug)]
pub(crate) struct Queued {
    /// That of the filter.
    pub(crate) key: usize,
    pub(crate) event: Event,
    /// Whether it is damaged was decided: once, however often the caller comes with too small buffers.
    decided: bool,
}

impl Queued {
    /// Lets a fault damage the payload.
    pub(crate) fn damage(&mut self, fault: impl FnOnce() -> Option<Damage>) {
        if !std::mem::replace(&mut self.decided, true)
            && let Some(damage) = fault()
        {
            damage.apply(&mut self.event.payload);
        }
    }
}

/// What a port wants to be told.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    pub(crate) cluster: String,
    pub(crate) object_type: u32,
    pub(crate) flags: i64,
    /// The id of one object; `None` for all of the cluster.
    pub(crate) object: Option<String>,
    /// Given back with each event.
    pub(crate) key: usize,
}

impl Filter {
    fn matches(&self, event: &Event) -> bool {
        self.cluster == event.cluster
            && self.object_type == event.object_type
            && self.flags & event.flag != 0
            && self.object.as_ref().is_none_or(|object| self.covers(object, event))
    }
}

impl Filter {
    /// A key covers those below it when the subtree is wanted; the flag itself never comes (facts 4.2).
    fn covers(&self, object: &str, event: &Event) -> bool {
        if object.eq_ignore_ascii_case(&event.object_id) {
            return true;
        }
        self.object_type == notify_object::REGISTRY
            && self.flags & notify_registry::SUBTREE != 0
            && (object.is_empty()
                || event
                    .object_id
                    .strip_prefix(object)
                    .is_some_and(|rest| rest.starts_with('\\')))
    }
}

impl Port {
    pub(crate) fn add(&mut self, filter: Filter) {
        self.filters.push(filter);
    }

    /// The next event, which stays in the queue.
    pub(crate) fn front(&mut self) -> Option<&mut Queued> {
        self.queue.front_mut()
    }

    /// Takes the next event out of the queue.
    pub(crate) fn take(&mut self) {
        self.queue.pop_front();
    }

    /// Guess: an event that several filters match comes once, with the key of the first.
    fn offer(&mut self, event: &Event) {
        if let Some(filter) = self.filters.iter().find(|filter| filter.matches(event)) {
            self.queue.push_back(Queued {
                key: filter.key,
                event: event.clone(),
                decided: false,
            });
        }
    }
}

impl State {
    /// Hands what has happened to the ports. While connections are broken nothing arrives: those events are lost, as
    /// they are for a real client that reconnects (facts 4.4).
    pub(crate) fn deliver_events(&mut self) {
        self.world.refresh_derived();
        let events = std::mem::take(&mut self.world.events);
        if !self.connected {
            return;
        }
        for port in self.ports.values_mut() {
            for event in &events {
                port.offer(event);
            }
        }
    }
}
