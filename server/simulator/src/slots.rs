//! Which world answers where a C function takes no handle.
//!
//! Functions such as `CreateCluster` say nothing of the world they mean. So there is a copy of each for every slot, and
//! a world owns one slot: its table holds the copies of that slot.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use wsfc_clusapi::sys::FunctionInfo;

use crate::simulation::Inner;
use crate::win32::ERROR_CALL_NOT_IMPLEMENTED;

/// How many worlds a process can have at once.
pub(crate) const COUNT: usize = 256;

enum Slot {
    Free,
    /// Owned by a lease; the world is not there before it has been made.
    Taken(Weak<Inner>),
}

static SLOTS: Mutex<[Slot; COUNT]> = Mutex::new([const { Slot::Free }; COUNT]);

/// A slot, given back on drop.
pub(crate) struct SlotLease(usize);

impl SlotLease {
    pub(crate) fn number(&self) -> usize {
        self.0
    }
}

impl Drop for SlotLease {
    fn drop(&mut self) {
        set(self.0, Slot::Free);
    }
}

/// Takes the first free slot.
pub(crate) fn claim() -> Option<SlotLease> {
    let mut slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
    let number = slots.iter().position(|slot| matches!(slot, Slot::Free))?;
    slots[number] = Slot::Taken(Weak::new());
    Some(SlotLease(number))
}

/// Puts a world into the slot that it has claimed.
pub(crate) fn occupy(number: usize, world: &Arc<Inner>) {
    set(number, Slot::Taken(Arc::downgrade(world)));
}

fn set(number: usize, slot: Slot) {
    let mut slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(place) = slots.get_mut(number) {
        *place = slot;
    }
}

/// The world of a slot. 120 when it is gone: then the caller has kept a table longer than its simulation.
pub(crate) fn world(number: usize) -> Result<Arc<Inner>, u32> {
    match SLOTS.lock().unwrap_or_else(PoisonError::into_inner).get(number) {
        Some(Slot::Taken(world)) => world.upgrade().ok_or(ERROR_CALL_NOT_IMPLEMENTED),
        _ => Err(ERROR_CALL_NOT_IMPLEMENTED),
    }
}

/// True for the name of a function of the table.
pub(crate) fn is_function(name: &str) -> bool {
    FunctionInfo::of(name).is_some()
}
