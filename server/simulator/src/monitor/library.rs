//! Resource DLLs: how they are loaded, and their entry points (facts 5.1).

use core::ffi::{CStr, c_char, c_void};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::{Mutex, OnceLock, PoisonError};

use wsfc_clusapi::sys::resapi::{
    CLRES_CALLBACK_FUNCTION_TABLE, CLRES_FUNCTION_TABLE, CLRES_V1_FUNCTIONS, CLRES_V2_FUNCTIONS, CLRES_V3_FUNCTIONS,
    CLRES_V4_FUNCTIONS, CLRES_VERSION_V1_00, CLRES_VERSION_V2_00, CLRES_VERSION_V3_00, CLRES_VERSION_V4_00, RESID,
    SetClusterApi, Startup, StartupEx,
};
use wsfc_clusapi::sys::types::{BOOL, HANDLE};

use super::callbacks;
use crate::entry;
use crate::memory;
use crate::scenario::Scenario;
use crate::win32::{ERROR_INVALID_FUNCTION, ERROR_MOD_NOT_FOUND, ERROR_PROC_NOT_FOUND, ERROR_REVISION_MISMATCH};

/// Where a resource DLL comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file.
    Path(PathBuf),
    /// A function of this process.
    Startup(Provided),
}

/// A `Startup` that was given by who promises that it is one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Provided(pub(crate) Startup);

impl PartialEq for Provided {
    fn eq(&self, other: &Self) -> bool {
        ptr::fn_addr_eq(self.0, other.0)
    }
}

impl Eq for Provided {}

/// How a DLL is started: `StartupEx` where there is one, since it was made for the newer monitors.
#[derive(Clone, Copy)]
enum Start {
    Old(Startup),
    New(StartupEx),
}

/// The functions of a resource DLL, read from its table by its version.
#[derive(Clone, Copy)]
pub(super) enum Functions {
    V1(CLRES_V1_FUNCTIONS),
    V2(CLRES_V2_FUNCTIONS),
    V3(CLRES_V3_FUNCTIONS),
    V4(CLRES_V4_FUNCTIONS),
}

/// Why a DLL does not work: a code for the resource, a word for the log.
pub(super) type Failure = (u32, String);

/// The library of a file. It is never unloaded: a call that hangs, and threads that the DLL has begun, may go on for ever.
///
/// No lock is held while it is loaded, since its code runs then: another one is not held up by one that hangs.
fn loaded(path: &Path) -> Result<&'static libloading::Library, Failure> {
    static LOADED: Mutex<BTreeMap<PathBuf, &'static libloading::Library>> = Mutex::new(BTreeMap::new());
    let loaded = || LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = loaded().get(path).copied();
    if let Some(library) = known {
        return Ok(library);
    }
    let library = load(path)?;
    // Of two that load it at once the system counts both; the second one's is let go.
    Ok(*loaded()
        .entry(path.into())
        .or_insert_with(|| Box::leak(Box::new(library))))
}

/// What a file exports.
fn exports(path: &Path) -> Result<Start, Failure> {
    let library = loaded(path)?;
    // SAFETY: A library that a scenario names as a resource DLL exports this function under this name, if any.
    if let Ok(set) = unsafe { library.get::<SetClusterApi>(b"SetClusterApi\0") } {
        // SAFETY: The function takes a function of this type, which is there as long as the process.
        unsafe { set(Some(resolve)) };
    }
    // SAFETY: As above.
    if let Ok(start) = unsafe { library.get::<StartupEx>(b"StartupEx\0") } {
        return Ok(Start::New(*start));
    }
    // SAFETY: As above.
    match unsafe { library.get::<Startup>(b"Startup\0") } {
        Ok(start) => Ok(Start::Old(*start)),
        Err(error) => Err((
            ERROR_PROC_NOT_FOUND,
            format!("{} has no Startup: {error}", path.display()),
        )),
    }
}

fn load(path: &Path) -> Result<libloading::Library, Failure> {
    #[cfg(windows)]
    let library = {
        use libloading::os::windows::{LOAD_WITH_ALTERED_SEARCH_PATH, Library};
        // SAFETY: Who names a resource DLL in a scenario wants its code to run.
        unsafe { Library::load_with_flags(path, LOAD_WITH_ALTERED_SEARCH_PATH) }.map(libloading::Library::from)
    };
    #[cfg(not(windows))]
    // SAFETY: Who names a resource DLL in a scenario wants its code to run.
    let library = unsafe { libloading::Library::new(path) };
    library.map_err(|error| {
        let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<std::io::Error>());
        let code = source.and_then(std::io::Error::raw_os_error).map(i32::cast_unsigned);
        // Loaders elsewhere give no code.
        let code = if cfg!(windows) { code } else { None };
        (
            code.unwrap_or(ERROR_MOD_NOT_FOUND),
            format!("{} cannot be loaded: {error}", path.display()),
        )
    })
}

/// The cluster API for resource DLLs of systems that have none: functions go to the world of their handle; those that take
/// none, to the first world of the process.
unsafe extern "system" fn resolve(name: *const c_char) -> *const c_void {
    static TABLE: OnceLock<wsfc_clusapi::sys::Table> = OnceLock::new();
    if name.is_null() {
        return ptr::null();
    }
    // SAFETY: The caller passes a NUL-terminated string.
    let name = unsafe { CStr::from_ptr(name) };
    let table = TABLE.get_or_init(|| entry::of_slot(0, &Scenario::default()));
    name.to_str().map_or(ptr::null(), |name| table.address(name))
}

/// Starts a DLL for a type: negotiates the version and reads its table.
pub(super) fn start(source: &Source, kind: &str) -> Result<Functions, Failure> {
    let start = match source {
        Source::Path(path) => exports(path)?,
        Source::Startup(Provided(startup)) => Start::Old(*startup),
    };
    callbacks::prepare();
    let name = memory::wide(kind);
    let mut table: *mut CLRES_FUNCTION_TABLE = ptr::null_mut();
    let (oldest, newest) = (CLRES_VERSION_V1_00, CLRES_VERSION_V4_00);
    let code = match start {
        Start::Old(startup) => {
            let (set_status, log) = (Some(callbacks::set_resource_status as _), Some(callbacks::log_event()));
            // SAFETY: The name is NUL-terminated, the callbacks stay, and the table goes to a local variable.
            unsafe { startup(name.as_ptr(), oldest, newest, set_status, log, &raw mut table) }
        }
        Start::New(startup) => {
            let callbacks: *mut CLRES_CALLBACK_FUNCTION_TABLE = callbacks::table();
            // SAFETY: As above; the table of callbacks stays, since DLLs keep its address.
            unsafe { startup(name.as_ptr(), oldest, newest, callbacks, &raw mut table) }
        }
    };
    if code != 0 {
        return Err((code, format!("Startup for {kind:?} has answered {code}")));
    }
    if table.is_null() {
        return Err((
            ERROR_REVISION_MISMATCH,
            format!("Startup for {kind:?} has given no table"),
        ));
    }
    // SAFETY: A DLL that has started has given the address of a table that stays. What is read of it depends on the size and
    // version that it says.
    unsafe { read(table) }.ok_or_else(|| {
        (
            ERROR_REVISION_MISMATCH,
            format!("the table for {kind:?} is of no known version"),
        )
    })
}

/// Reads a table. `None` for a version that is not known, a size that does not fit it, or functions that are missing.
///
/// # Safety
///
/// The table must begin with its size and version, and have that size.
unsafe fn read(table: *const CLRES_FUNCTION_TABLE) -> Option<Functions> {
    const HEAD: usize = core::mem::offset_of!(CLRES_FUNCTION_TABLE, Anonymous);
    // The header's macros give the size of the functions alone as the size of a table (CLRES_V1_FUNCTION_SIZE), so a table of
    // that size has its head before them.
    const HAS_V1: usize = size_of::<CLRES_V1_FUNCTIONS>();
    const HAS_V2: usize = size_of::<CLRES_V2_FUNCTIONS>();
    const HAS_V3: usize = size_of::<CLRES_V3_FUNCTIONS>();
    const HAS_V4: usize = size_of::<CLRES_V4_FUNCTIONS>();
    // SAFETY: The caller's promise: size and version come first.
    let [size, version] = unsafe { memory::read(table.cast::<[u32; 2]>()) };
    let size = usize::try_from(size).ok()?;
    let functions = table.wrapping_byte_add(HEAD);
    let functions = match version {
        // SAFETY: A table that says so has these functions behind its head, and any bits are functions or NULL by the promise.
        CLRES_VERSION_V1_00 if size >= HAS_V1 => Functions::V1(unsafe { memory::read(functions.cast()) }),
        // SAFETY: As above.
        CLRES_VERSION_V2_00 if size >= HAS_V2 => Functions::V2(unsafe { memory::read(functions.cast()) }),
        // SAFETY: As above.
        CLRES_VERSION_V3_00 if size >= HAS_V3 => Functions::V3(unsafe { memory::read(functions.cast()) }),
        // SAFETY: As above.
        CLRES_VERSION_V4_00 if size >= HAS_V4 => Functions::V4(unsafe { memory::read(functions.cast()) }),
        _ => return None,
    };
    functions.is_complete().then_some(functions)
}

/// What belongs to every version under the same name and type.
macro_rules! shared {
    ($functions:expr, $name:ident) => {
        match $functions {
            Functions::V1(functions) => functions.$name,
            Functions::V2(functions) => functions.$name,
            Functions::V3(functions) => functions.$name,
            Functions::V4(functions) => functions.$name,
        }
    };
}

/// What belongs to the newer versions under the same name and type.
macro_rules! newer {
    ($functions:expr, $name:ident, $old:pat => $answer:expr) => {
        match $functions {
            $old => $answer,
            Functions::V2(functions) => functions.$name,
            Functions::V3(functions) => functions.$name,
            Functions::V4(functions) => functions.$name,
        }
    };
}

/// The buffers of a control code.
#[derive(Debug)]
pub(super) struct ControlBuffers {
    pub(super) code: u32,
    pub(super) input: Vec<u8>,
    pub(super) output: Vec<u8>,
    /// The caller has passed NULL.
    pub(super) no_output: bool,
    pub(super) returned: u32,
    /// What EndControlCall tells the call by.
    pub(super) context: i64,
    /// The call goes on until EndControlCall.
    pub(super) asynchronous: BOOL,
}

impl ControlBuffers {
    fn input(&mut self) -> (*mut c_void, u32) {
        let pointer = if self.input.is_empty() {
            ptr::null_mut()
        } else {
            self.input.as_mut_ptr().cast()
        };
        (pointer, u32::try_from(self.input.len()).unwrap_or(u32::MAX))
    }

    fn output(&mut self) -> (*mut c_void, u32) {
        let pointer = if self.no_output {
            ptr::null_mut()
        } else {
            self.output.as_mut_ptr().cast()
        };
        (pointer, u32::try_from(self.output.len()).unwrap_or(u32::MAX))
    }
}

impl Functions {
    /// True when everything is there that every resource needs.
    fn is_complete(&self) -> bool {
        let opens = match self {
            Self::V1(functions) => {
                functions.Open.is_some() && functions.Online.is_some() && functions.Offline.is_some()
            }
            newer => {
                newer!(newer, Open, Self::V1(_) => return false).is_some()
                    && newer!(newer, Online, Self::V1(_) => return false).is_some()
                    && newer!(newer, Offline, Self::V1(_) => return false).is_some()
            }
        };
        opens
            && shared!(self, Close).is_some()
            && shared!(self, Terminate).is_some()
            && shared!(self, LooksAlive).is_some()
            && shared!(self, IsAlive).is_some()
    }

    /// Open; NULL is a failure.
    pub(super) fn open(&self, name: &str, key: *mut c_void, handle: isize) -> RESID {
        let name = memory::wide(name);
        match self {
            Self::V1(functions) => functions.Open.map_or(ptr::null_mut(), |open| {
                // SAFETY: The function is the DLL's; the name is NUL-terminated, and the handles are the monitor's.
                unsafe { open(name.as_ptr(), key, handle) }
            }),
            newer => newer!(newer, Open, Self::V1(_) => None).map_or(ptr::null_mut(), |open| {
                // SAFETY: As above; there are no flags.
                unsafe { open(name.as_ptr(), key, handle, 0) }
            }),
        }
    }

    /// Online: its code, and the event that it has given.
    pub(super) fn online(&self, id: RESID) -> (u32, HANDLE) {
        let mut event: HANDLE = ptr::null_mut();
        let code = match self {
            Self::V1(functions) => functions.Online.map(|online| {
                // SAFETY: The DLL has given the id, which is open, and the event goes to a local variable.
                unsafe { online(id, &raw mut event) }
            }),
            newer => newer!(newer, Online, Self::V1(_) => None).map(|online| {
                // SAFETY: As above; there are no flags and no list.
                unsafe { online(id, &raw mut event, 0, ptr::null(), 0, 0) }
            }),
        };
        (code.unwrap_or(ERROR_INVALID_FUNCTION), event)
    }

    /// Offline.
    pub(super) fn offline(&self, id: RESID) -> u32 {
        let code = match self {
            Self::V1(functions) => functions.Offline.map(|offline| {
                // SAFETY: The DLL has given the id, which is open.
                unsafe { offline(id) }
            }),
            newer => newer!(newer, Offline, Self::V1(_) => None).map(|offline| {
                // SAFETY: As above; there is no destination, and there are no flags and no list.
                unsafe { offline(id, ptr::null(), 0, ptr::null(), 0, 0) }
            }),
        };
        code.unwrap_or(ERROR_INVALID_FUNCTION)
    }

    /// Terminate.
    pub(super) fn terminate(&self, id: RESID) {
        if let Some(terminate) = shared!(self, Terminate) {
            // SAFETY: The DLL has given the id, which is open.
            unsafe { terminate(id) }
        }
    }

    /// Close; the id is not used afterwards.
    pub(super) fn close(&self, id: RESID) {
        if let Some(close) = shared!(self, Close) {
            // SAFETY: The DLL has given the id, which is open until now.
            unsafe { close(id) }
        }
    }

    /// LooksAlive.
    pub(super) fn looks_alive(&self, id: RESID) -> bool {
        shared!(self, LooksAlive).is_some_and(|looks_alive| {
            // SAFETY: The DLL has given the id, which is open.
            unsafe { looks_alive(id) != 0 }
        })
    }

    /// IsAlive.
    pub(super) fn is_alive(&self, id: RESID) -> bool {
        shared!(self, IsAlive).is_some_and(|is_alive| {
            // SAFETY: The DLL has given the id, which is open.
            unsafe { is_alive(id) != 0 }
        })
    }

    /// ResourceControl; 1 of a DLL that knows no control codes.
    pub(super) fn control(&self, id: RESID, buffers: &mut ControlBuffers) -> u32 {
        let ((input, input_size), (output, output_size)) = (buffers.input(), buffers.output());
        let (code, returned) = (buffers.code, &raw mut buffers.returned);
        let old = match self {
            Self::V1(functions) => functions.ResourceControl,
            Self::V2(functions) => functions.ResourceControl,
            Self::V3(_) | Self::V4(_) => None,
        };
        let new = match self {
            Self::V3(functions) => functions.BeginResourceControl,
            Self::V4(functions) => functions.BeginResourceControl,
            Self::V1(_) | Self::V2(_) => None,
        };
        if let Some(control) = old {
            // SAFETY: The DLL has given the id, which is open, and the buffers have the sizes that go with them.
            unsafe { control(id, code, input, input_size, output, output_size, returned) }
        } else if let Some(begin) = new {
            let asynchronous = &raw mut buffers.asynchronous;
            let context = buffers.context;
            // SAFETY: As above; the buffers stay until EndControlCall was heard, or for ever.
            unsafe {
                begin(
                    id,
                    code,
                    input,
                    input_size,
                    output,
                    output_size,
                    returned,
                    context,
                    asynchronous,
                )
            }
        } else {
            ERROR_INVALID_FUNCTION
        }
    }

    /// ResourceTypeControl; 1 of a DLL that knows no control codes of types.
    pub(super) fn type_control(&self, kind: &str, buffers: &mut ControlBuffers) -> u32 {
        let name = memory::wide(kind);
        let ((input, input_size), (output, output_size)) = (buffers.input(), buffers.output());
        let (code, returned) = (buffers.code, &raw mut buffers.returned);
        let old = match self {
            Self::V1(functions) => functions.ResourceTypeControl,
            Self::V2(functions) => functions.ResourceTypeControl,
            Self::V3(_) | Self::V4(_) => None,
        };
        let new = match self {
            Self::V3(functions) => functions.BeginResourceTypeControl,
            Self::V4(functions) => functions.BeginResourceTypeControl,
            Self::V1(_) | Self::V2(_) => None,
        };
        if let Some(control) = old {
            // SAFETY: The name is NUL-terminated, and the buffers have the sizes that go with them.
            unsafe { control(name.as_ptr(), code, input, input_size, output, output_size, returned) }
        } else if let Some(begin) = new {
            let asynchronous = &raw mut buffers.asynchronous;
            let (name, context) = (name.as_ptr(), buffers.context);
            // SAFETY: As above; the buffers stay until EndTypeControlCall was heard, or for ever.
            unsafe {
                begin(
                    name,
                    code,
                    input,
                    input_size,
                    output,
                    output_size,
                    returned,
                    context,
                    asynchronous,
                )
            }
        } else {
            ERROR_INVALID_FUNCTION
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_another_size_or_version_is_refused() {
        let mut table = CLRES_FUNCTION_TABLE {
            Version: CLRES_VERSION_V1_00,
            TableSize: u32::try_from(size_of::<CLRES_FUNCTION_TABLE>()).unwrap(),
            ..CLRES_FUNCTION_TABLE::default()
        };
        // SAFETY: The table has the size that it says.
        assert!(unsafe { read(&raw const table) }.is_none(), "functions are missing");
        table.Version = 0x500;
        // SAFETY: As above.
        assert!(unsafe { read(&raw const table) }.is_none(), "the version is not known");
        table.Version = CLRES_VERSION_V1_00;
        table.TableSize = 8;
        // SAFETY: As above.
        assert!(unsafe { read(&raw const table) }.is_none(), "the table is too short");
    }

    #[test]
    fn what_cannot_be_loaded_says_why() {
        let path = Source::Path("/no/such/resource.dll".into());
        let (code, why) = start(&path, "Somebody's Own").err().unwrap();
        assert_eq!(code, ERROR_MOD_NOT_FOUND, "{why}");
    }

    #[test]
    fn the_cluster_api_is_found_by_name() {
        // SAFETY: The name is NUL-terminated.
        let found = unsafe { resolve(c"ClusterRegQueryValue".as_ptr()) };
        // SAFETY: The name is NUL-terminated.
        let missing = unsafe { resolve(c"NoSuchFunction".as_ptr()) };
        assert!(!found.is_null() && missing.is_null());
    }
}
