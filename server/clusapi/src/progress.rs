//! Progress records, and the trampolines that C calls with them.
//!
//! C gets an id as its argument, not a pointer. The id is looked up among the live calls of the process, so a callback
//! that comes late, from a foreign thread, or with a wrong argument finds nothing and is harmless (facts 1.5 documents
//! neither the thread nor the time). Nothing unwinds into C.
#![expect(unsafe_code, reason = "C calls the trampolines with pointers")]

use core::any::Any;
use core::ffi::c_void;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::numbers::{PhaseType, SetupPhase, Severity, UpgradePhase};
use crate::sys::constants::{FALSE, TRUE};
use crate::sys::types::{BOOL, PCWSTR};
use crate::wide;
use crate::win32::Status;

/// Longest object name that is copied, in UTF-16 units.
pub const LONGEST_OBJECT_NAME: usize = 1024;

/// One progress record of a setup call, with its native numbers (facts 1.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupProgress {
    /// The phase.
    pub phase: SetupPhase,
    /// The place within the phase.
    pub phase_type: PhaseType,
    /// How bad it is.
    pub severity: Severity,
    /// Percent of the whole call, at most 100. It may fall again (facts 1.5).
    pub percent: u32,
    /// The percentage as it came.
    pub percent_raw: u32,
    /// What the record is about: a node, group, address or name. Absent if C passed NULL. At most
    /// [`LONGEST_OBJECT_NAME`] units.
    pub object: Option<String>,
    /// 0, or what went wrong.
    pub status: Status,
}

/// One progress record of a functional level upgrade (facts 1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpgradeProgress {
    /// The phase.
    pub phase: UpgradePhase,
}

/// What a progress callback answers to C. What the answer does is documented nowhere (facts 1.5); every Microsoft
/// caller seen answers [`Answer::Continue`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// `TRUE`.
    #[default]
    Continue,
    /// `FALSE`.
    Abort,
}

impl Answer {
    const fn to_bool(self) -> BOOL {
        match self {
            Self::Continue => TRUE,
            Self::Abort => FALSE,
        }
    }
}

/// Who gets the records of a call.
pub(crate) enum Sink {
    /// Of a setup call.
    Setup(Box<dyn FnMut(SetupProgress) -> Answer + Send>),
    /// Of an upgrade.
    Upgrade(Box<dyn FnMut(UpgradeProgress) -> Answer + Send>),
}

/// A call in progress.
struct LiveCall {
    /// Guards the sink against calls from two threads at once, which nothing rules out. Empty once the call is over.
    sink: Mutex<Option<Sink>>,
    /// Whether a panic of the sink was logged.
    panicked: AtomicBool,
}

/// The calls in progress, by id.
static LIVE: RwLock<BTreeMap<usize, Arc<LiveCall>>> = RwLock::new(BTreeMap::new());
/// Ids are never reused. 0, which a NULL argument reads as, is never given.
static NEXT_ID: AtomicUsize = AtomicUsize::new(1);
/// Callbacks that found no live call.
static LATE: AtomicU64 = AtomicU64::new(0);

/// Number of callbacks so far that came with an argument of no live call: late, or wrong.
#[must_use]
pub fn late_callbacks() -> u64 {
    LATE.load(Ordering::Relaxed)
}

/// A call's place among the live calls. Dropping it waits for a callback that is running in the sink; afterwards
/// the sink is not called again.
pub(crate) struct Registration {
    id: usize,
    call: Arc<LiveCall>,
}

impl Registration {
    /// Registers the sink of a call that is about to begin.
    pub(crate) fn new(sink: Sink) -> Self {
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let call = Arc::new(LiveCall {
            sink: Mutex::new(Some(sink)),
            panicked: AtomicBool::new(false),
        });
        LIVE.write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, Arc::clone(&call));
        Self { id, call }
    }

    /// The argument for C. It is an id in a pointer's place and never read through.
    pub(crate) fn argument(&self) -> *const c_void {
        core::ptr::without_provenance(self.id)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // First unregister, so that no new callback finds the call; then wait for one that is running.
        LIVE.write().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        let sink = self.call.sink.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The sink is foreign code: it is dropped after the lock was let go.
        drop(sink);
    }
}

/// Finds the live call of an argument and hands its sink to `deliver`. What cannot be delivered is answered with
/// [`Answer::Continue`], as every Microsoft caller answers everything.
fn with_sink(argument: *mut c_void, deliver: impl FnOnce(&mut Sink) -> Option<Answer>) -> Answer {
    let id = argument.addr();
    let call = LIVE.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
    let delivered = call.and_then(|call| {
        let mut sink = call.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let sink = sink.as_mut()?;
        match catch_unwind(AssertUnwindSafe(|| deliver(sink))) {
            Ok(answer) => answer,
            Err(payload) => {
                discard(payload);
                if !call.panicked.swap(true, Ordering::Relaxed) {
                    tracing::error!(id, "The receiver of a progress record panicked");
                }
                Some(Answer::Continue)
            }
        }
    });
    delivered.unwrap_or_else(|| {
        let count = LATE.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::warn!(id, count, "A progress callback came for no call in progress");
        Answer::Continue
    })
}

/// Drops what a panic carried. That may panic again, here at the door to C; what goes on panicking is given up.
fn discard(mut payload: Box<dyn Any + Send>) {
    for _ in 0..8 {
        match catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            Ok(()) => return,
            Err(again) => payload = again,
        }
    }
    core::mem::forget(payload);
}

/// Runs the body of a trampoline; nothing unwinds out of it.
fn guarded(body: impl FnOnce() -> Answer) -> BOOL {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(answer) => answer.to_bool(),
        Err(payload) => {
            discard(payload);
            TRUE
        }
    }
}

/// What C calls during a setup call.
///
/// # Safety
///
/// `object` must be NULL, or readable up to its NUL or [`LONGEST_OBJECT_NAME`] units. The argument may be anything.
pub(crate) unsafe extern "system" fn setup_trampoline(
    argument: *mut c_void,
    phase: i32,
    phase_type: i32,
    severity: i32,
    percent: u32,
    object: PCWSTR,
    status: u32,
) -> BOOL {
    guarded(|| {
        with_sink(argument, |sink| {
            let Sink::Setup(receive) = sink else { return None };
            // SAFETY: By this function's contract. The copy is made before the name's lifetime, the callback, ends.
            let object = unsafe { wide::copy(object, LONGEST_OBJECT_NAME) };
            Some(receive(SetupProgress {
                phase: SetupPhase(phase),
                phase_type: PhaseType(phase_type),
                severity: Severity(severity),
                percent: percent.min(100),
                percent_raw: percent,
                object,
                status: Status::new(status),
            }))
        })
    })
}

/// What C calls during an upgrade. The argument may be anything.
pub(crate) extern "system" fn upgrade_trampoline(argument: *mut c_void, phase: i32) -> BOOL {
    guarded(|| {
        with_sink(argument, |sink| {
            let Sink::Upgrade(receive) = sink else { return None };
            Some(receive(UpgradeProgress {
                phase: UpgradePhase(phase),
            }))
        })
    })
}

#[cfg(test)]
mod tests;
