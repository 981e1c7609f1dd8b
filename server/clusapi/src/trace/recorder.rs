//! The recorder: what it keeps between a call's begin and its end, and the file.
#![expect(unsafe_code, reason = "promises that the recorded table keeps the C contract")]

use core::ffi::c_void;
use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Instant, SystemTime};

use super::arguments::{self, Argument, Slot};
use super::format::{Begin, Callback, End, FORMAT, Fields, Handle, Header, Line, Report, Return, Value};
use super::forward;
use super::results::{self, Convention};
use crate::api::Clusapi;
use crate::sys::types::{PCLUSTER_SETUP_PROGRESS_CALLBACK, PCLUSTER_UPGRADE_PROGRESS_CALLBACK};
use crate::sys::{Table, TableProvider};

/// The recorder of this process. C functions have no place for a context, so there is one, and it stays for good.
pub(super) static RECORDER: OnceLock<Recorder> = OnceLock::new();

thread_local! {
    /// The number of this thread; 0 until it has one.
    static THREAD: Cell<u64> = const { Cell::new(0) };
}

/// Threads that have a number.
static THREADS: AtomicU64 = AtomicU64::new(0);

/// What the first line of a trace says of its origin.
#[derive(Clone, Debug)]
pub struct About {
    /// The program that records, with its version.
    pub program: String,
    /// The operating system, as exactly as the program knows it.
    pub os: String,
    /// The host's name, if it is known.
    pub host: Option<String>,
    /// Where the cluster API was loaded from.
    pub library: String,
    /// The time.
    pub now: SystemTime,
}

/// Why recording did not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// A process has one recorder at most, and it stays for the process's life.
    #[error("this process has a recorder already")]
    Second,
    /// The first line could not be written.
    #[error("the trace cannot be written")]
    Write(#[source] io::Error),
}

/// A recording that goes on until this is dropped or [finished](Recording::finish). The recorded functions work on
/// afterwards, unrecorded.
#[derive(Debug)]
#[must_use = "dropping it ends the recording"]
pub struct Recording {
    _private: (),
}

impl Recording {
    /// Ends the recording, and says so in the trace.
    ///
    /// # Errors
    ///
    /// The first error that writing the trace met; the trace ends before it.
    pub fn finish(self) -> io::Result<()> {
        end()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Err(error) = end() {
            tracing::error!(%error, "The trace is incomplete");
        }
    }
}

fn end() -> io::Result<()> {
    let Some(recorder) = RECORDER.get() else { return Ok(()) };
    recorder.write(&Line::End(End {
        at_us: recorder.now_us(),
    }));
    match std::mem::replace(&mut *recorder.output(), Output::Ended) {
        Output::Open(mut file) => file.flush(),
        Output::Failed(error) => Err(error),
        Output::Ended => Ok(()),
    }
}

/// Puts the recorder between a cluster API and its callers: the answer behaves as `api` does, and tells `file` about each
/// call and callback. One recorder in the life of a process.
///
/// # Errors
///
/// [`RecordError`].
pub fn record(
    api: &Clusapi,
    about: About,
    mut file: impl Write + Send + 'static,
) -> Result<(Clusapi, Recording), RecordError> {
    let absent = api
        .functions()
        .iter()
        .filter(|function| !api.is_supported(function.name));
    let began = about.now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let header = Line::Trace(Header {
        format: FORMAT,
        program: about.program,
        os: about.os,
        host: about.host,
        library: about.library,
        began_unix_ms: u64::try_from(began.as_millis()).unwrap_or(u64::MAX),
        absent: absent.map(|function| function.name.to_owned()).collect(),
    });
    // Nobody's file is touched by a recorder that is refused.
    if RECORDER.get().is_some() {
        return Err(RecordError::Second);
    }
    file.write_all(&bytes_of(&header)).map_err(RecordError::Write)?;
    let recorder = Recorder {
        api: api.clone(),
        began: now(),
        calls: AtomicU64::new(0),
        handles: Mutex::default(),
        registrations: RwLock::default(),
        output: Mutex::new(Output::Open(Box::new(file))),
    };
    RECORDER.set(recorder).map_err(|_| RecordError::Second)?;
    let recorded = Recorded {
        table: forward::recorded(api.table()),
    };
    Ok((Clusapi::from_provider(recorded), Recording { _private: () }))
}

/// The recorded functions.
struct Recorded {
    table: Table,
}

// SAFETY: Each entry passes its arguments on to the function of the recorded table, which keeps the contract and stays
// loaded, since the recorder of the process holds its `Clusapi` for good. What it reads for the trace it reads within the
// sizes, counts and versions of the contract; it catches panics, and leaves the last error of the recorded function.
unsafe impl TableProvider for Recorded {
    fn table(&self) -> Table {
        self.table
    }
}

/// See [`RECORDER`].
pub(super) struct Recorder {
    /// What is recorded.
    api: Clusapi,
    began: Instant,
    /// Calls so far: each gets the next number.
    calls: AtomicU64,
    handles: Mutex<Handles>,
    /// Whose callbacks are taken in between, by the argument that C got in place of theirs.
    registrations: RwLock<BTreeMap<usize, Registration>>,
    output: Mutex<Output>,
}

enum Output {
    Open(Box<dyn Write + Send>),
    /// Writing failed: what comes later would be damaged by what is missing.
    Failed(io::Error),
    Ended,
}

/// Callbacks of a call. They are kept for good, so that one that comes late still finds its way: a few words for each
/// setup call.
#[derive(Clone, Copy)]
pub(super) struct Registration {
    call: u64,
    pub(super) target: Target,
    pub(super) argument: ForeignArgument,
    returned: bool,
}

/// Whom a callback is for.
#[derive(Clone, Copy)]
pub(super) enum Target {
    Setup(PCLUSTER_SETUP_PROGRESS_CALLBACK),
    Upgrade(PCLUSTER_UPGRADE_PROGRESS_CALLBACK),
}

/// The argument that the caller gave for its callback.
#[derive(Clone, Copy)]
pub(super) struct ForeignArgument(pub(super) *mut c_void);

// SAFETY: The pointer is only handed back to the caller's callback, which by its contract may be called with it on any
// thread (facts 1.5).
unsafe impl Send for ForeignArgument {}

// SAFETY: As for `Send`; nothing is read through it here.
unsafe impl Sync for ForeignArgument {}

/// The numbers of open handles.
#[derive(Default)]
pub(super) struct Handles {
    numbers: BTreeMap<isize, u64>,
    last: u64,
}

impl Handles {
    /// A handle that was just opened.
    pub(super) fn opened(&mut self, raw: isize) -> Value {
        self.last += 1;
        self.numbers.insert(raw, self.last);
        Handle { handle: self.last }.into()
    }

    /// A handle that a call was given. 0 is none, and -1 marks a port that is wanted (facts 4.1).
    pub(super) fn value(&mut self, raw: isize) -> Value {
        match (raw, self.numbers.get(&raw)) {
            (0, _) => Value::Null,
            (-1, _) => Value::Number(-1),
            (_, Some(number)) => Handle { handle: *number }.into(),
            // It was opened elsewhere.
            (_, None) => self.opened(raw),
        }
    }

    fn forget(&mut self, raw: isize) {
        self.numbers.remove(&raw);
    }
}

/// A call between its begin and its end.
pub(super) struct Call {
    number: u64,
    began_us: u64,
    given: Fields,
    /// What C gets as the argument of its callbacks, if there are any.
    pub(super) registration: Option<usize>,
}

impl Recorder {
    /// The table of the recorded functions.
    pub(super) fn table(&self) -> &Table {
        self.api.table()
    }

    /// The last error of this thread, which the recorded functions set.
    pub(super) fn last_error(&self) -> u32 {
        self.api.last_error().0
    }

    pub(super) fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Records that a call is made.
    ///
    /// # Safety
    ///
    /// As for [`arguments::inputs`].
    pub(super) unsafe fn begin(&self, function: &'static str, arguments: &[Argument]) -> Call {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let mut call = Call {
            number,
            began_us: self.now_us(),
            given: Fields::default(),
            registration: None,
        };
        contained(|| {
            call.registration = self.register(number, arguments);
            // SAFETY: The caller's promise.
            call.given = unsafe { arguments::inputs(arguments, &mut self.handles()) };
            if closes(function)
                && let Some(Slot::Handle(raw)) = arguments.first().map(|argument| argument.slot)
            {
                // Before the call: afterwards another thread may have been given the same handle anew.
                self.handles().forget(raw);
            }
            self.write(&Line::Call(Begin {
                number,
                at_us: call.began_us,
                thread: thread(),
                function: function.to_owned(),
                arguments: call.given.clone(),
            }));
        });
        call
    }

    /// Takes the callbacks of a call in between, if it has any.
    fn register(&self, call: u64, arguments: &[Argument]) -> Option<usize> {
        let target = arguments.iter().find_map(|argument| match argument.slot {
            Slot::SetupCallback(target @ Some(_)) => Some(Target::Setup(target)),
            Slot::UpgradeCallback(target @ Some(_)) => Some(Target::Upgrade(target)),
            _ => None,
        })?;
        let Some(Slot::Input(argument)) = arguments::slot_of(arguments, "argument") else {
            return None;
        };
        let id = usize::try_from(call).ok()?;
        let registration = Registration {
            call,
            target,
            argument: ForeignArgument(argument.cast_mut()),
            returned: false,
        };
        self.registrations
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id, registration);
        Some(id)
    }

    /// The callbacks that an argument stands for.
    pub(super) fn registration(&self, argument: *mut c_void) -> Option<Registration> {
        let registrations = self.registrations.read().unwrap_or_else(PoisonError::into_inner);
        registrations.get(&argument.addr()).copied()
    }

    /// Records that a callback came and was answered.
    pub(super) fn callback(
        &self,
        registration: Option<Registration>,
        came_us: u64,
        phase: i32,
        report: Option<Report>,
        answer: i32,
    ) {
        self.write(&Line::Callback(Callback {
            call: registration.map(|registration| registration.call),
            at_us: came_us,
            thread: thread(),
            phase,
            report,
            answer,
            took_us: self.now_us().saturating_sub(came_us),
            late: registration.is_some_and(|registration| registration.returned),
        }));
    }

    /// Records that a call has come back.
    ///
    /// # Safety
    ///
    /// As for [`results::outputs`].
    pub(super) unsafe fn end(
        &self,
        call: &Call,
        function: &'static str,
        arguments: &[Argument],
        convention: Convention,
        result: i64,
        last_error: u32,
    ) {
        contained(|| {
            let at_us = self.now_us();
            if let Some(id) = call.registration
                && let Some(registration) = self
                    .registrations
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_mut(&id)
            {
                registration.returned = true;
            }
            let error = convention.error(result, last_error);
            let (result, out) = {
                let mut handles = self.handles();
                let value = match (convention, isize::try_from(result)) {
                    (Convention::Handle, Ok(0)) => Value::Null,
                    // A call that adds to a port answers the port that it was given (facts 4.1).
                    (Convention::Handle, Ok(raw)) if function == "CreateClusterNotifyPortV2" => handles.value(raw),
                    (Convention::Handle, Ok(raw)) => handles.opened(raw),
                    _ => Value::Number(result),
                };
                // SAFETY: The caller's promise.
                let out = unsafe { results::outputs(function, arguments, &call.given, error, &mut handles) };
                (value, out)
            };
            self.write(&Line::Return(Return {
                number: call.number,
                at_us,
                result,
                error,
                last_error,
                out,
                took_us: at_us.saturating_sub(call.began_us),
            }));
        });
    }

    fn handles(&self) -> MutexGuard<'_, Handles> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn output(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line with one write. After the first failure nothing is written any more.
    fn write(&self, line: &Line) {
        let bytes = bytes_of(line);
        let mut output = self.output();
        let Output::Open(file) = &mut *output else { return };
        if let Err(error) = file.write_all(&bytes) {
            let text = error.to_string();
            *output = Output::Failed(error);
            drop(output);
            tracing::error!(error = text, "The trace cannot be written, and ends here");
        }
    }
}

/// Whether a function gives its first argument back.
fn closes(function: &str) -> bool {
    function.starts_with("Close") || function.contains("CloseEnum") || function.starts_with("ClusterRegClose")
}

fn bytes_of(line: &Line) -> Vec<u8> {
    // Maps have text keys, and numbers are finite: a line can always be written as JSON.
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Does what recording needs; a panic in it costs the line and nothing else.
pub(super) fn contained(work: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(work)) {
        discard(payload);
    }
}

/// Drops what a panic carried. That may panic again, so it is leaked instead: it happens once in a defect's life.
fn discard(payload: Box<dyn Any + Send>) {
    std::mem::forget(payload);
}

/// The number of this thread.
fn thread() -> u64 {
    THREAD.with(|own| {
        if own.get() == 0 {
            own.set(THREADS.fetch_add(1, Ordering::Relaxed) + 1);
        }
        own.get()
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the recorder measures the world outside the daemon, on threads that are not the daemon's"
)]
fn now() -> Instant {
    Instant::now()
}
