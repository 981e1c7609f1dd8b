//! Playing recorded calls: their callbacks at their times, their change of the world, their result.
//!
//! The rest of the simulator goes on as with a script: a call can be held at the Start of a phase, a `hang`, `burst` or
//! `dies` fault acts there, and a callback that answers FALSE ends the call where `false_aborts` says so. How a phase
//! ends is what was recorded, whatever a fault wants.

use wsfc_clusapi::sys::constants::{setup_phase_severity as severity, setup_phase_type as kind};
use wsfc_clusapi::sys::types::{PCLUSTER_SETUP_PROGRESS_CALLBACK, PCLUSTER_UPGRADE_PROGRESS_CALLBACK};

use crate::control::Point;
use crate::fault::Effect;
use crate::procedure::Procedure;
use crate::recording::{RecordedCallback, Recording, Subject};
use crate::run::{Callback, Stop, on_thread, strike};
use crate::script::Step;
use crate::simulation::Inner;
use crate::win32::{ERROR_CANCELLED, RPC_S_CALL_FAILED};
use crate::world::World;

impl Inner {
    /// The recording that is to be played for a call, if there is one left.
    pub(crate) fn recording_of(&self, subject: &Subject<'_>) -> Option<Recording> {
        if self.lock().world.recordings.is_empty() {
            return None;
        }
        self.change(|state| state.world.take_recording(subject))
    }
}

/// Plays a setup call; when it worked, `procedure` does what the script's steps do.
///
/// # Errors
///
/// The Win32 code that the call failed with.
pub(crate) fn setup(
    inner: &Inner,
    call: &'static str,
    callback: &Callback<PCLUSTER_SETUP_PROGRESS_CALLBACK>,
    recording: &Recording,
    steps: &[Step],
    procedure: &mut dyn Procedure,
) -> Result<(), u32> {
    play(inner, call, recording, |recorded, phase| {
        callback.report(
            phase,
            recorded.phase_type.unwrap_or(kind::CONTINUE),
            recorded.severity,
            recorded.percent,
            recorded.object.as_deref(),
            recorded.status,
        )
    })?;
    end(inner, recording, |world| {
        for step in steps.iter().filter(|step| !recording.leaves_out(step)) {
            // The recording has worked; what the simulated rules think of it does not count.
            let _trouble = procedure.perform(world, step.phase, &step.object);
        }
    })
}

/// Plays an upgrade; when it worked, `apply` changes the world.
///
/// # Errors
///
/// The Win32 code that the call failed with.
pub(crate) fn upgrade(
    inner: &Inner,
    call: &'static str,
    callback: &Callback<PCLUSTER_UPGRADE_PROGRESS_CALLBACK>,
    recording: &Recording,
    apply: impl FnOnce(&mut World),
) -> Result<(), u32> {
    play(inner, call, recording, |_, phase| callback.report(phase))?;
    end(inner, recording, apply)
}

/// Plays a call without callbacks; when it worked, `apply` changes the world.
///
/// # Errors
///
/// The Win32 code that the call failed with.
pub(crate) fn plain(inner: &Inner, recording: &Recording, apply: impl FnOnce(&mut World)) -> Result<(), u32> {
    inner.spend(recording.duration_ms)?;
    end(inner, recording, apply)
}

/// What a recorded call leaves behind, and its result.
fn end(inner: &Inner, recording: &Recording, apply: impl FnOnce(&mut World)) -> Result<(), u32> {
    inner.change(|state| {
        if recording.changes_world() {
            apply(&mut state.world);
        }
        for (host, cluster_state) in &recording.hosts_after {
            state.world.set_cluster_state(host, *cluster_state);
        }
    });
    match recording.result {
        0 => Ok(()),
        code => Err(code),
    }
}

/// Makes the callbacks of a recording, and lets its time go by.
fn play(
    inner: &Inner,
    call: &'static str,
    recording: &Recording,
    report: impl Fn(&RecordedCallback, i32) -> bool + Sync,
) -> Result<(), u32> {
    let thread = Effect {
        second_thread: recording.second_thread,
        ..Effect::default()
    };
    let played = on_thread(inner, &thread, || {
        let mut begin_ms = inner.lock().clock.now_ms();
        for recorded in &recording.callbacks {
            inner
                .wait_until(begin_ms.saturating_add(recorded.at_ms))
                .map_err(Stop::Dead)?;
            // A scenario was checked for phases that have no number.
            let Some(phase) = recorded.phase.number() else { continue };
            let begins = recorded.phase_type.is_none_or(|phase_type| phase_type == kind::START);
            let object = recorded.object.as_deref();
            let effect = if begins {
                strike(inner, call, phase, object)
            } else {
                Effect::default()
            };
            if !report(recorded, phase) && inner.scenario.false_aborts {
                return Err(Stop::Failed(ERROR_CANCELLED));
            }
            if !begins {
                continue;
            }
            let point = Point::phase(call, phase);
            let point = match object {
                Some(object) => point.of(object),
                None => point,
            };
            // Time that a hold took moves everything after it.
            let passed_ms = inner.pass(&point).map_err(Stop::Dead)?;
            begin_ms = begin_ms.max(passed_ms.saturating_sub(recorded.at_ms));
            if effect.dies {
                return Err(Stop::Dead(RPC_S_CALL_FAILED));
            }
            let more = RecordedCallback {
                phase_type: recorded.phase_type.map(|_| kind::CONTINUE),
                severity: severity::INFORMATIONAL,
                ..recorded.clone()
            };
            for _ in 0..effect.burst {
                inner.wait_until(0).map_err(Stop::Dead)?;
                report(&more, phase);
            }
        }
        inner
            .wait_until(begin_ms.saturating_add(recording.duration_ms))
            .map_err(Stop::Dead)
    });
    played.map_err(|stop| match stop {
        Stop::Failed(code) | Stop::Dead(code) => code,
    })
}
