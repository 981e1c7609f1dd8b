//! A Resource Monitor that records what it is told.

use core::ffi::c_void;
use std::collections::HashMap;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use wsfc_clusapi::sys::resapi::{
    CLRES_CALLBACK_FUNCTION_TABLE, CLRES_FUNCTION_TABLE, CLRES_V2_FUNCTIONS, CLRES_VERSION_V1_00, CLRES_VERSION_V2_00,
    LogEvent, RESID, RESOURCE_STATUS, RESOURCE_STATUS_EX,
};
use wsfc_clusapi::sys::types::{HANDLE, PCWSTR};
use wsfc_clusapi::text_from_c;

use crate::cluster;
use crate::daemon::PATIENCE;

/// What the monitor answers to a status.
pub(crate) const CONTINUE: u32 = 0;
pub(crate) const TERMINATE: u32 = 1;

/// A status that the monitor was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) state: i32,
    pub(crate) check_point: u32,
    pub(crate) wait_hint: u32,
    pub(crate) code: u32,
    pub(crate) event: usize,
}

/// What the monitor knows of a resource.
#[derive(Default)]
struct Record {
    told: Vec<Told>,
    log: Vec<String>,
    answer: u32,
    /// Statuses wait here while it is set.
    held: bool,
    /// A status waits.
    waits: bool,
    closed: bool,
}

static RECORDS: LazyLock<Mutex<HashMap<isize, Record>>> = LazyLock::new(Mutex::default);
static CHANGED: Condvar = Condvar::new();
/// What Startup and StartupEx gave last is what an Open takes, so tests take turns from one to the other.
static STARTING: Mutex<()> = Mutex::new(());
static HANDLES: AtomicIsize = AtomicIsize::new(1);

fn records() -> MutexGuard<'static, HashMap<isize, Record>> {
    RECORDS.lock().unwrap_or_else(PoisonError::into_inner)
}

unsafe extern "system" fn set_resource_status_ex(handle: isize, status: *mut RESOURCE_STATUS_EX) -> u32 {
    // SAFETY: The DLL gives a status.
    let status = unsafe { status.read() };
    let told = Told {
        state: status.ResourceState,
        check_point: status.CheckPoint,
        wait_hint: status.WaitHint,
        code: status.ApplicationSpecificErrorCode,
        event: status.EventHandle.addr(),
    };
    take(handle, told)
}

unsafe extern "system" fn set_resource_status(handle: isize, status: *mut RESOURCE_STATUS) -> u32 {
    // SAFETY: The DLL gives a status.
    let status = unsafe { status.read() };
    let told = Told {
        state: status.ResourceState,
        check_point: status.CheckPoint,
        wait_hint: status.WaitHint,
        code: 0,
        event: status.EventHandle.addr(),
    };
    take(handle, told)
}

fn take(handle: isize, told: Told) -> u32 {
    let mut records = records();
    let record = records.get_mut(&handle).expect("a handle of this monitor");
    assert!(!record.closed, "a status after Close");
    record.told.push(told);
    record.waits = true;
    CHANGED.notify_all();
    let held = |records: &mut HashMap<isize, Record>| records[&handle].held;
    let mut records = CHANGED
        .wait_while(records, held)
        .unwrap_or_else(PoisonError::into_inner);
    let record = records.get_mut(&handle).expect("a handle of this monitor");
    record.waits = false;
    record.answer
}

unsafe extern "C" fn log_event(handle: isize, _: i32, format: PCWSTR) {
    // SAFETY: The text ends with a NUL.
    let line = unsafe { text_from_c(format, 4000) }.unwrap();
    let mut records = records();
    let record = records.get_mut(&handle).expect("a handle of this monitor");
    assert!(!record.closed, "a line of the log after Close");
    record.log.push(line);
    CHANGED.notify_all();
}

/// The text in UTF-16 for C.
pub(crate) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// The table of a version by StartupEx, or the code.
pub(crate) fn start(name: &str, min: u32, max: u32) -> Result<&'static CLRES_FUNCTION_TABLE, u32> {
    static API: Once = Once::new();
    // SAFETY: The functions of the fake have the contracts of the cluster API's.
    API.call_once(|| unsafe { wsfcres::SetClusterApi(Some(cluster::resolve)) });
    let log: unsafe extern "C" fn(isize, i32, PCWSTR) = log_event;
    // SAFETY: The table takes the function without its variable arguments; on the systems here both have one convention.
    let log = unsafe {
        core::mem::transmute::<unsafe extern "C" fn(isize, i32, PCWSTR), unsafe extern "system" fn(isize, i32, PCWSTR)>(
            log,
        )
    };
    // SAFETY: A table of absent functions is one.
    let mut callbacks: CLRES_CALLBACK_FUNCTION_TABLE = unsafe { core::mem::zeroed() };
    callbacks.LogEvent = Some(log);
    callbacks.SetResourceStatusEx = Some(set_resource_status_ex);
    let mut table = core::ptr::null_mut();
    // SAFETY: The name ends with a NUL, and the functions are those of a monitor.
    let code = unsafe { wsfcres::StartupEx(wide(name).as_ptr(), min, max, &raw mut callbacks, &raw mut table) };
    if code != 0 {
        return Err(code);
    }
    // SAFETY: After a success it is a table, which lives as long as the library.
    Ok(unsafe { &*table })
}

/// The table by the older Startup, or the code. What it gives counts for whatever is opened next.
fn start_first(min: u32, max: u32) -> Result<&'static CLRES_FUNCTION_TABLE, u32> {
    let log: LogEvent = {
        let log: unsafe extern "C" fn(isize, i32, PCWSTR) = log_event;
        // SAFETY: The DLL gives no further arguments, and on the systems here both have one convention.
        unsafe { core::mem::transmute(log) }
    };
    let mut table = core::ptr::null_mut();
    let name = wide(wsfcres::RESOURCE_TYPE);
    // SAFETY: The name ends with a NUL, and the functions are those of a monitor.
    let code = unsafe {
        wsfcres::Startup(
            name.as_ptr(),
            min,
            max,
            Some(set_resource_status),
            Some(log),
            &raw mut table,
        )
    };
    if code != 0 {
        return Err(code);
    }
    // SAFETY: After a success it is a table, which lives as long as the library.
    Ok(unsafe { &*table })
}

fn functions() -> &'static CLRES_V2_FUNCTIONS {
    let table = start(wsfcres::RESOURCE_TYPE, CLRES_VERSION_V1_00, CLRES_VERSION_V2_00).unwrap();
    assert_eq!(table.Version, CLRES_VERSION_V2_00);
    // SAFETY: The table is of version 2.
    unsafe { &table.Anonymous.V2Functions }
}

/// A resource, opened by the fake monitor.
pub(crate) struct Resource {
    functions: &'static CLRES_V2_FUNCTIONS,
    pub(crate) handle: isize,
    pub(crate) id: RESID,
}

impl Resource {
    /// Opens a resource of a workload of its name, with a grace of 20 seconds.
    pub(crate) fn open(name: &str, endpoint: &str) -> Self {
        let handle = HANDLES.fetch_add(1, Ordering::Relaxed);
        cluster::set_text(handle, "Workload", name);
        cluster::set_text(handle, "Endpoint", endpoint);
        cluster::set_private(handle, "DaemonGrace", 20_000);
        Self::open_with(name, handle)
    }

    /// A handle whose key is still empty.
    pub(crate) fn new_handle() -> isize {
        HANDLES.fetch_add(1, Ordering::Relaxed)
    }

    /// Opens a resource as the first version does, with the status of that version.
    pub(crate) fn open_first(name: &str, endpoint: &str) -> Self {
        let handle = Self::new_handle();
        cluster::set_text(handle, "Workload", name);
        cluster::set_text(handle, "Endpoint", endpoint);
        records().entry(handle).or_default();
        let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        // The cluster API comes with the other one.
        functions();
        assert_eq!(start_first(0, 0).map(|_| ()), Err(1306));
        let table = start_first(CLRES_VERSION_V1_00, CLRES_VERSION_V1_00).unwrap();
        assert_eq!(table.Version, CLRES_VERSION_V1_00);
        // SAFETY: The table is of version 1.
        let first = unsafe { &table.Anonymous.V1Functions };
        let key = core::ptr::without_provenance_mut::<c_void>(handle.cast_unsigned());
        // SAFETY: The name ends with a NUL, and key and handle are the monitor's.
        let id = unsafe { first.Open.unwrap()(wide(name).as_ptr(), key, handle) };
        assert!(!id.is_null());
        let functions = functions();
        Self { functions, handle, id }
    }

    /// Opens a resource by a handle, which is the number of its key too.
    pub(crate) fn open_with(name: &str, handle: isize) -> Self {
        records().entry(handle).or_default();
        let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let functions = functions();
        let key = core::ptr::without_provenance_mut::<c_void>(handle.cast_unsigned());
        // SAFETY: The name ends with a NUL, and key and handle are the monitor's.
        let id = unsafe { functions.Open.unwrap()(wide(name).as_ptr(), key, handle, 0) };
        assert!(!id.is_null());
        Self { functions, handle, id }
    }

    pub(crate) fn online(&self) -> u32 {
        let mut event: HANDLE = core::ptr::null_mut();
        // SAFETY: The DLL looks ids up, and takes nothing else here.
        unsafe { self.functions.Online.unwrap()(self.id, &raw mut event, 0, core::ptr::null(), 0, 0) }
    }

    pub(crate) fn offline(&self) -> u32 {
        // SAFETY: As above.
        unsafe { self.functions.Offline.unwrap()(self.id, core::ptr::null(), 0, core::ptr::null(), 0, 0) }
    }

    pub(crate) fn terminate(&self) {
        // SAFETY: As above.
        unsafe { self.functions.Terminate.unwrap()(self.id) };
    }

    pub(crate) fn close(&self) {
        // SAFETY: As above.
        unsafe { self.functions.Close.unwrap()(self.id) };
        records().get_mut(&self.handle).unwrap().closed = true;
    }

    /// LooksAlive and IsAlive, which agree.
    pub(crate) fn is_alive(&self) -> bool {
        // SAFETY: As above.
        let looks = unsafe { self.functions.LooksAlive.unwrap()(self.id) };
        // SAFETY: As above.
        let is = unsafe { self.functions.IsAlive.unwrap()(self.id) };
        assert_eq!(looks, is);
        is != 0
    }

    /// A control code: the code and the bytes, or what is needed.
    pub(crate) fn control(&self, code: u32, input: &[u8], room: usize) -> (u32, Vec<u8>, u32) {
        let mut output = vec![0_u8; room];
        let mut returned = 0;
        let size = u32::try_from(input.len()).unwrap();
        // SAFETY: Input and output have the sizes given.
        let answer = unsafe {
            self.functions.ResourceControl.unwrap()(
                self.id,
                code,
                input.as_ptr().cast_mut().cast(),
                size,
                output.as_mut_ptr().cast(),
                u32::try_from(room).unwrap(),
                &raw mut returned,
            )
        };
        output.truncate(if answer == 0 { returned as usize } else { 0 });
        (answer, output, returned)
    }

    /// Everything that the monitor was told, once it fits.
    #[track_caller]
    pub(crate) fn told(&self, what: &str, fits: impl Fn(&[Told]) -> bool) -> Vec<Told> {
        self.wait(what, |record| fits(&record.told).then(|| record.told.clone()))
    }

    /// The last status, once it has the state.
    #[track_caller]
    pub(crate) fn told_state(&self, state: i32) -> Told {
        let told = self.told(&format!("state {state}"), |told| {
            told.last().is_some_and(|last| last.state == state)
        });
        told.last().unwrap().clone()
    }

    /// Waits for a line of the log.
    #[track_caller]
    pub(crate) fn logged(&self, part: &str) {
        self.wait(part, |record| {
            record.log.iter().any(|line| line.contains(part)).then_some(())
        });
    }

    /// How many lines of the log have a part.
    pub(crate) fn logged_times(&self, part: &str) -> usize {
        let records = records();
        let lines = records[&self.handle].log.iter();
        lines.filter(|line| line.contains(part)).count()
    }

    /// What the monitor answers from now on.
    pub(crate) fn answer(&self, answer: u32) {
        records().get_mut(&self.handle).unwrap().answer = answer;
    }

    /// Holds statuses in the monitor, or lets them go.
    pub(crate) fn hold(&self, held: bool) {
        records().get_mut(&self.handle).unwrap().held = held;
        CHANGED.notify_all();
    }

    /// Waits until a status is held in the monitor.
    #[track_caller]
    pub(crate) fn held(&self) {
        self.wait("a status in flight", |record| record.waits.then_some(()));
    }

    #[track_caller]
    fn wait<T>(&self, what: &str, fits: impl Fn(&Record) -> Option<T>) -> T {
        let missing = |records: &mut HashMap<isize, Record>| fits(&records[&self.handle]).is_none();
        let waited = CHANGED.wait_timeout_while(records(), PATIENCE, missing);
        let (records, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        let record = &records[&self.handle];
        assert!(!timeout.timed_out(), "no {what}: {:?} {:?}", record.told, record.log);
        fits(record).unwrap()
    }
}

/// Within a call check points grow.
#[track_caller]
pub(crate) fn assert_rising(told: &[Told]) {
    let pending = |told: &Told| told.state >= 128;
    for pair in told.windows(2) {
        if pending(&pair[0]) {
            assert!(pair[1].check_point > pair[0].check_point, "{told:?}");
        }
    }
}

/// Waits until a descriptor becomes readable, or for so long.
pub(crate) fn is_readable(descriptor: usize, timeout: Duration) -> bool {
    let descriptor = i32::try_from(descriptor).unwrap();
    let mut poll = mio::Poll::new().unwrap();
    let mut source = mio::unix::SourceFd(&descriptor);
    poll.registry()
        .register(&mut source, mio::Token(0), mio::Interest::READABLE)
        .unwrap();
    let mut events = mio::Events::with_capacity(1);
    poll.poll(&mut events, Some(timeout)).unwrap();
    events.iter().any(mio::event::Event::is_readable)
}
