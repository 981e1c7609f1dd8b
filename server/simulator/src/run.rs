//! Going through a script: the records, the faults, the waits and the clean-up.

use core::ffi::c_void;

use wsfc_clusapi::sys::constants::{setup_phase, setup_phase_severity as severity, setup_phase_type as kind};
use wsfc_clusapi::sys::types::{PCLUSTER_SETUP_PROGRESS_CALLBACK, PCLUSTER_UPGRADE_PROGRESS_CALLBACK};

use crate::control::Point;
use crate::fault::{Effect, Severity};
use crate::memory;
use crate::procedure::Procedure;
use crate::recording::Subject;
use crate::replay;
use crate::scenario::CallbackThread;
use crate::script::{self, Step};
use crate::simulation::Inner;
use crate::win32::{ERROR_CANCELLED, RPC_S_CALL_FAILED, code_of};
use crate::world::setup::Trouble;

/// A progress callback with its argument.
pub(crate) struct Callback<F> {
    pub(crate) function: F,
    pub(crate) argument: *const c_void,
}

// SAFETY: The argument is only handed back to the callback, which by its contract may be called on any thread, one call
// at a time (facts 1.5).
unsafe impl<F: Send> Send for Callback<F> {}

// SAFETY: As for `Send`; a shared callback hands out nothing but calls, which `on_thread` keeps one at a time.
unsafe impl<F: Sync> Sync for Callback<F> {}

impl Callback<PCLUSTER_SETUP_PROGRESS_CALLBACK> {
    /// Reports; what the callback answers, TRUE without one.
    pub(crate) fn report(
        &self,
        phase: i32,
        kind: i32,
        severity: i32,
        percent: u32,
        object: Option<&str>,
        status: u32,
    ) -> bool {
        let Some(function) = self.function else { return true };
        let object = object.map(memory::wide);
        let name = object.as_ref().map_or(std::ptr::null(), |object| object.as_ptr());
        // SAFETY: The caller of the setup function promised a callback that takes its argument; the name lives on.
        unsafe { function(self.argument.cast_mut(), phase, kind, severity, percent, name, status) != 0 }
    }
}

impl Callback<PCLUSTER_UPGRADE_PROGRESS_CALLBACK> {
    pub(crate) fn report(&self, phase: i32) -> bool {
        let Some(function) = self.function else { return true };
        // SAFETY: The caller of the upgrade function promised a callback that takes its argument.
        unsafe { function(self.argument.cast_mut(), phase) != 0 }
    }
}

/// Why a run ends early.
pub(crate) enum Stop {
    /// A phase was fatal, or the callback aborted: clean-up follows, and the call fails with the code.
    Failed(u32),
    /// The call dies or the simulation shuts down: nothing follows.
    Dead(u32),
}

/// What a setup call went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Went {
    /// Its script.
    ByScript,
    /// A recording of it.
    ByRecording,
}

/// Goes through the steps of a setup call, or plays its recording.
///
/// # Errors
///
/// The Win32 code that the call fails with.
pub(crate) fn setup(
    inner: &Inner,
    subject: &Subject<'_>,
    callback: Callback<PCLUSTER_SETUP_PROGRESS_CALLBACK>,
    steps: &[Step],
    procedure: &mut dyn Procedure,
) -> Result<Went, u32> {
    let call = subject.call;
    if let Some(recording) = inner.recording_of(subject) {
        return replay::setup(inner, call, &callback, &recording, steps, procedure).map(|()| Went::ByRecording);
    }
    let total = steps.iter().map(|step| step.weight).sum();
    let mut run = Run {
        inner,
        call,
        callback,
        total,
        done: 0,
        procedure,
    };
    for step in steps {
        let effect = run.strike(step.phase, &step.object);
        let stop = match on_thread(inner, &effect, || run.phase(step, &effect)) {
            Ok(()) => continue,
            Err(stop) => stop,
        };
        return match stop {
            Stop::Dead(code) => Err(code),
            Stop::Failed(code) => {
                let name = steps.first().map_or("", |step| step.object.as_str());
                let effect = run.strike(setup_phase::FAILURE_CLEANUP, name);
                match on_thread(inner, &effect, || run.clean_up(name, &effect)) {
                    Ok(()) | Err(Stop::Failed(_)) => Err(code),
                    Err(Stop::Dead(code)) => Err(code),
                }
            }
        };
    }
    Ok(Went::ByScript)
}

/// Does the work on this thread, or on a second one while this one waits.
pub(crate) fn on_thread(
    inner: &Inner,
    effect: &Effect,
    work: impl FnOnce() -> Result<(), Stop> + Send,
) -> Result<(), Stop> {
    if !effect.second_thread && inner.scenario.callback_thread == CallbackThread::Caller {
        return work();
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("simulated setup".into())
            .spawn_scoped(scope, work);
        // Without a thread, or with one that panicked, the call dies as it would with its RPC connection.
        thread.map_or(Err(Stop::Dead(RPC_S_CALL_FAILED)), |thread| {
            thread.join().unwrap_or(Err(Stop::Dead(RPC_S_CALL_FAILED)))
        })
    })
}

struct Run<'call> {
    inner: &'call Inner,
    call: &'static str,
    callback: Callback<PCLUSTER_SETUP_PROGRESS_CALLBACK>,
    total: u32,
    done: u32,
    procedure: &'call mut dyn Procedure,
}

impl Run<'_> {
    /// The faults of a phase; a hang holds it from the start.
    fn strike(&self, phase: i32, object: &str) -> Effect {
        strike(self.inner, self.call, phase, Some(object))
    }

    /// Guess: floor(100 * done / total) (facts 1.5).
    fn percent(&self) -> u32 {
        (u64::from(self.done) * 100)
            .checked_div(self.total.into())
            .and_then(|percent| percent.try_into().ok())
            .unwrap_or(0)
    }

    /// Reports; with `false_aborts`, an answer of FALSE ends the call.
    fn report(&self, phase: i32, kind: i32, severity: i32, object: &str, status: u32) -> Result<(), Stop> {
        let goes_on = self
            .callback
            .report(phase, kind, severity, self.percent(), Some(object), status);
        if goes_on || !self.inner.scenario.false_aborts {
            Ok(())
        } else {
            Err(Stop::Failed(ERROR_CANCELLED))
        }
    }

    fn phase(&mut self, step: &Step, effect: &Effect) -> Result<(), Stop> {
        let Step { phase, ref object, .. } = *step;
        self.report(phase, kind::START, severity::INFORMATIONAL, object, 0)?;
        let point = Point::phase(self.call, phase).of(object);
        let begin_ms = self.inner.pass(&point).map_err(Stop::Dead)?;
        if effect.dies {
            return Err(Stop::Dead(RPC_S_CALL_FAILED));
        }
        for _ in 0..effect.burst {
            // No time goes by, but a burst of any length ends with the simulation.
            self.inner.wait_until(0).map_err(Stop::Dead)?;
            self.report(phase, kind::CONTINUE, severity::INFORMATIONAL, object, 0)?;
        }
        let parts = u64::from(step.continues) + 1;
        for part in 0..parts {
            let deadline_ms = begin_ms.saturating_add(step.ms.saturating_mul(part + 1) / parts);
            self.inner.wait_until(deadline_ms).map_err(Stop::Dead)?;
            if part + 1 < parts {
                self.report(phase, kind::CONTINUE, severity::INFORMATIONAL, object, 0)?;
            }
        }
        let outcome = self.work(phase, object, effect);
        self.done += step.weight;
        let (severity, status) = match outcome {
            Ok(()) => (severity::INFORMATIONAL, 0),
            Err(Trouble::Warning(status)) => (severity::WARNING, status),
            Err(Trouble::Fatal { status, .. }) => {
                // A phase that cannot finish is not done.
                self.done -= step.weight;
                (severity::FATAL, status)
            }
        };
        let answer = self.report(phase, kind::END, severity, object, status);
        match outcome {
            Err(Trouble::Fatal { code, .. }) => Err(Stop::Failed(code)),
            _ => answer,
        }
    }

    /// What the phase does to the world, as far as a fault lets it.
    fn work(&mut self, phase: i32, object: &str, effect: &Effect) -> Result<(), Trouble> {
        match effect.end {
            Some((Severity::Fatal, status)) => {
                return Err(Trouble::Fatal {
                    status,
                    code: code_of(status),
                });
            }
            // A warning in these phases means that the resource is missing (facts 1.3).
            Some((Severity::Warning, status))
                if matches!(
                    phase,
                    setup_phase::CREATE_IP_ADDRESS_RESOURCES | setup_phase::CREATE_NETWORK_NAME
                ) =>
            {
                return Err(Trouble::Warning(status));
            }
            _ => {}
        }
        self.inner
            .change(|state| self.procedure.perform(&mut state.world, phase, object))?;
        match effect.end {
            Some((Severity::Warning, status)) => Err(Trouble::Warning(status)),
            _ => Ok(()),
        }
    }

    /// Phase 999, after a failure. Its callback cannot abort any more.
    fn clean_up(&mut self, object: &str, effect: &Effect) -> Result<(), Stop> {
        let phase = setup_phase::FAILURE_CLEANUP;
        let percent = self.percent();
        self.callback
            .report(phase, kind::START, severity::INFORMATIONAL, percent, Some(object), 0);
        self.inner
            .pass(&Point::phase(self.call, phase).of(object))
            .map_err(Stop::Dead)?;
        if effect.dies {
            return Err(Stop::Dead(RPC_S_CALL_FAILED));
        }
        self.inner.change(|state| self.procedure.undo(&mut state.world));
        let (severity, status) = match effect.end {
            Some((Severity::Warning, status)) => (severity::WARNING, status),
            Some((Severity::Fatal, status)) => (severity::FATAL, status),
            None => (severity::INFORMATIONAL, 0),
        };
        self.callback
            .report(phase, kind::END, severity, percent, Some(object), status);
        Ok(())
    }
}

pub(crate) fn strike(inner: &Inner, call: &'static str, phase: i32, object: Option<&str>) -> Effect {
    inner.change(|state| {
        let effect = state.world.faults.strike(call, Some(phase), object);
        if effect.hang {
            let point = Point::phase(call, phase);
            state.holds.push(match object {
                Some(object) => point.of(object),
                None => point,
            });
        }
        effect
    })
}

/// Goes through the phases of an upgrade of the functional level; `work` does what each does to the world.
///
/// # Errors
///
/// The Win32 code that the call fails with.
pub(crate) fn upgrade(
    inner: &Inner,
    call: &'static str,
    callback: &Callback<PCLUSTER_UPGRADE_PROGRESS_CALLBACK>,
    phases: &[(i32, u64)],
    mut work: impl FnMut(i32) -> Result<(), u32> + Send,
) -> Result<(), u32> {
    for &(phase, ms) in phases {
        let effect = strike(inner, call, phase, None);
        let result = on_thread(inner, &effect, || {
            // The upgrade callback has no start and end: it comes as the phase begins.
            if !callback.report(phase) && inner.scenario.false_aborts {
                return Err(Stop::Failed(ERROR_CANCELLED));
            }
            let begin_ms = inner.pass(&Point::phase(call, phase)).map_err(Stop::Dead)?;
            if effect.dies {
                return Err(Stop::Dead(RPC_S_CALL_FAILED));
            }
            for _ in 0..effect.burst {
                inner.wait_until(0).map_err(Stop::Dead)?;
                callback.report(phase);
            }
            let ms = script::upgrade_ms(phase, ms, &inner.scenario.timing.phases);
            inner.wait_until(begin_ms.saturating_add(ms)).map_err(Stop::Dead)?;
            if let Some((Severity::Fatal, status)) = effect.end {
                return Err(Stop::Failed(code_of(status)));
            }
            work(phase).map_err(Stop::Failed)
        });
        match result {
            Ok(()) => {}
            Err(Stop::Failed(code) | Stop::Dead(code)) => return Err(code),
        }
    }
    Ok(())
}
