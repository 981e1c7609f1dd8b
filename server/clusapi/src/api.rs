//! The way to the C functions: a table from `clusapi.dll`, from another library, or from a simulator.
#![expect(unsafe_code, reason = "the C functions of a table are called and trusted here")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;
use crate::sys::resapi::ResolveClusterApi;
use crate::sys::types::BOOL;
use crate::sys::{FUNCTIONS, FunctionInfo, Table, TableProvider};
use crate::win32::Win32;

/// The failover cluster API. A clone is the same table.
#[derive(Clone)]
pub struct Clusapi {
    inner: Arc<Inner>,
}

struct Inner {
    table: Table,
    origin: Origin,
}

/// Where a table came from, and what its functions need to stay callable.
enum Origin {
    Raw,
    Library {
        /// Absent where the loader does not tell it.
        path: Option<PathBuf>,
        _library: libloading::Library,
    },
    Provider {
        _provider: Box<dyn TableProvider>,
    },
}

/// Takes an entry of the table, or ends with [`Error::Unsupported`].
macro_rules! entry {
    ($api:expr, $name:ident) => {
        $api.table()
            .$name
            .ok_or_else(|| $crate::error::Error::unsupported(stringify!($name)))
    };
}
pub(crate) use entry;

impl Clusapi {
    /// The running system's `clusapi.dll`, from the system folder and nowhere else.
    ///
    /// # Errors
    ///
    /// [`Error::NotWindows`] elsewhere than on Windows. [`Error::Load`] if the library is not there: it comes with the
    /// Failover Clustering feature or its administration tools (facts 1.1).
    pub fn system() -> Result<Self, Error> {
        #[cfg(windows)]
        {
            use libloading::os::windows::{LOAD_LIBRARY_SEARCH_SYSTEM32, Library};
            let name = "clusapi.dll";
            // SAFETY: The system's own library has no initialiser with demands on its caller.
            let library = unsafe { Library::load_with_flags(name, LOAD_LIBRARY_SEARCH_SYSTEM32) };
            let library = library.map_err(|source| Error::Load {
                path: name.into(),
                source,
            })?;
            let (path, library) = crate::module::file_of(library);
            Ok(Self::from_library(library.into(), path))
        }
        #[cfg(not(windows))]
        Err(Error::NotWindows)
    }

    /// Another library with the same C functions, such as the simulator built as one. Off Windows it exports
    /// `GetLastError` too.
    ///
    /// The call is safe as starting a program is: whoever names the file vouches that it is a cluster API.
    ///
    /// # Errors
    ///
    /// [`Error::RelativePath`], and [`Error::Load`] if the library cannot be loaded. Functions that it lacks are no
    /// error here, but answer [`Error::Unsupported`] when called.
    pub fn library(path: &Path) -> Result<Self, Error> {
        if !path.is_absolute() {
            return Err(Error::RelativePath { path: path.to_owned() });
        }
        let refused = |source| Error::Load {
            path: path.to_owned(),
            source,
        };
        #[cfg(windows)]
        let (loaded_from, library) = {
            use libloading::os::windows::{LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR, LOAD_LIBRARY_SEARCH_SYSTEM32, Library};
            let flags = LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32;
            // SAFETY: Whoever named the file vouches for its initialisers (see above).
            let library = unsafe { Library::load_with_flags(path, flags) }.map_err(refused)?;
            crate::module::file_of(library)
        };
        #[cfg(not(windows))]
        let (loaded_from, library) = {
            // SAFETY: Whoever named the file vouches for its initialisers (see above).
            let library = unsafe { libloading::os::unix::Library::new(path) }.map_err(refused)?;
            // An absolute path is opened as it is.
            (Some(path.to_owned()), library)
        };
        Ok(Self::from_library(library.into(), loaded_from))
    }

    fn from_library(library: libloading::Library, path: Option<PathBuf>) -> Self {
        // SAFETY: Both callers load a cluster API, and the library is kept beside the table.
        let table = unsafe { Table::from_library(&library) };
        let origin = Origin::Library {
            path,
            _library: library,
        };
        Self::new(with_last_error_of_system(table), origin)
    }

    /// The functions that a resolver finds by their names, as a resource DLL is given them where there is no
    /// `clusapi.dll`. Off Windows it finds `GetLastError` too.
    ///
    /// # Safety
    ///
    /// What is found must keep the contract of [`TableProvider`] for as long as anything made from the result lives.
    #[must_use]
    pub unsafe fn from_resolver(resolve: ResolveClusterApi) -> Self {
        let find = |name: &core::ffi::CStr| {
            // SAFETY: The name ends with a NUL.
            unsafe { resolve(name.as_ptr()) }
        };
        // SAFETY: By this function's contract the answers are the functions, and outlive the table.
        let table = unsafe { Table::from_names(find) };
        Self::new(with_last_error_of_system(table), Origin::Raw)
    }

    /// The functions of a provider, which stays alive as long as anything made from them.
    #[must_use]
    pub fn from_provider(provider: impl TableProvider) -> Self {
        let table = provider.table();
        let origin = Origin::Provider {
            _provider: Box::new(provider),
        };
        Self::new(table, origin)
    }

    /// A table as it is.
    ///
    /// # Safety
    ///
    /// Each present entry must keep the contract of [`TableProvider`] for as long as anything made from the result
    /// lives.
    #[must_use]
    pub unsafe fn from_table(table: Table) -> Self {
        Self::new(table, Origin::Raw)
    }

    fn new(table: Table, origin: Origin) -> Self {
        Self {
            inner: Arc::new(Inner { table, origin }),
        }
    }

    /// The file that the functions were loaded from, as the loader tells it; `None` if they come from no file, or the
    /// loader does not tell.
    #[must_use]
    pub fn loaded_from(&self) -> Option<&Path> {
        match &self.inner.origin {
            Origin::Library { path, .. } => path.as_deref(),
            Origin::Raw | Origin::Provider { .. } => None,
        }
    }

    /// Whether the C function of this name can be called here.
    #[must_use]
    pub fn is_supported(&self, function: &str) -> bool {
        self.inner.table.has(function)
    }

    /// Every C function that this crate knows, available here or not.
    #[must_use]
    pub fn functions(&self) -> &'static [FunctionInfo] {
        FUNCTIONS
    }

    pub(crate) fn table(&self) -> &Table {
        &self.inner.table
    }

    /// The error of this thread's last failed call. To be read before anything else is done: on Windows even a
    /// thread-local variable may reset it.
    pub(crate) fn last_error(&self) -> Win32 {
        match self.inner.table.GetLastError {
            // SAFETY: The call has no arguments and, by the table's contract, no demands.
            Some(get_last_error) => Win32(unsafe { get_last_error() }),
            None => Win32::ERROR_SUCCESS,
        }
    }

    /// Checks a call that answers a handle: 0 is failure, and `GetLastError` says why.
    pub(crate) fn check_handle(&self, function: &'static str, handle: isize) -> Result<isize, Error> {
        if handle == 0 {
            Err(self.last_call_failed(function))
        } else {
            Ok(handle)
        }
    }

    /// Checks a call that answers a `BOOL`: FALSE is failure, and `GetLastError` says why.
    pub(crate) fn check_bool(&self, function: &'static str, answer: BOOL) -> Result<(), Error> {
        if answer == 0 {
            Err(self.last_call_failed(function))
        } else {
            Ok(())
        }
    }

    /// Checks a call that answers a state: -1 is failure, and `GetLastError` says why; without a reason it is the
    /// state "unknown".
    pub(crate) fn check_state(&self, function: &'static str, state: i32) -> Result<i32, Error> {
        if state != -1 {
            return Ok(state);
        }
        match self.last_error() {
            Win32::ERROR_SUCCESS => Ok(state),
            code => Err(Error::Call { function, code }),
        }
    }

    fn last_call_failed(&self, function: &'static str) -> Error {
        let code = self.last_error();
        Error::Call { function, code }
    }
}

/// On Windows the last error is the system's own, whoever set it.
fn with_last_error_of_system(table: Table) -> Table {
    #[cfg(windows)]
    let table = Table {
        GetLastError: Some(windows_sys::Win32::Foundation::GetLastError),
        ..table
    };
    table
}

/// Checks a call that answers a Win32 code.
pub(crate) fn check_code(function: &'static str, code: u32) -> Result<(), Error> {
    match Win32(code) {
        Win32::ERROR_SUCCESS => Ok(()),
        code => Err(Error::Call { function, code }),
    }
}

/// Checks a call on the cluster database, which answers its Win32 code as a signed number (facts 2.6).
pub(crate) fn check_status(function: &'static str, status: i32) -> Result<(), Error> {
    check_code(function, status.cast_unsigned())
}

impl core::fmt::Debug for Clusapi {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let present = FUNCTIONS
            .iter()
            .filter(|function| self.inner.table.has(function.name))
            .count();
        f.debug_struct("Clusapi")
            .field("functions", &present)
            .field("of", &FUNCTIONS.len())
            .finish()
    }
}
