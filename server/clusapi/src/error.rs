//! What can go wrong in a call.

use std::path::PathBuf;

use crate::com::ApartmentError;
use crate::proplist::{ParseError, WriteError};
use crate::sys::{FunctionInfo, WindowsRelease};
use crate::win32::Win32;

/// Why a call of the safe layer did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The C function failed.
    #[error("{function} failed with error {code}")]
    Call {
        /// The C function.
        function: &'static str,
        /// What it answered, or what `GetLastError` told. 0 if it failed without saying why.
        code: Win32,
    },
    /// The running Windows does not have the C function.
    #[error("{function} is not available here, it came with {since}")]
    Unsupported {
        /// The C function.
        function: &'static str,
        /// The release that brought it.
        since: WindowsRelease,
    },
    /// A text that C cannot be given.
    #[error("{field} {problem}")]
    Text {
        /// The field that held it.
        field: &'static str,
        /// What is wrong with it.
        problem: TextProblem,
    },
    /// More entries than C can count.
    #[error("{field} has too many entries: {count}")]
    TooMany {
        /// The field.
        field: &'static str,
        /// Number of its entries.
        count: usize,
    },
    /// The answer holds a property list that cannot be read.
    #[error("{function} answered with a malformed property list")]
    Properties {
        /// The C function.
        function: &'static str,
        /// Where it is malformed.
        #[source]
        source: ParseError,
    },
    /// The answer is not what the C function should answer.
    #[error("{function} answered with {problem}")]
    Answer {
        /// The C function.
        function: &'static str,
        /// What is wrong with the answer.
        problem: &'static str,
    },
    /// A property that the call needs is not there, or of another type.
    #[error("the {object} has no usable property {property}")]
    MissingProperty {
        /// Kind of object.
        object: &'static str,
        /// Name of the property.
        property: &'static str,
    },
    /// An object that was opened through another connection: objects of two connections must not be mixed in a call
    /// (facts 2.1).
    #[error("{field} was opened through another connection")]
    OtherConnection {
        /// The field that held it.
        field: &'static str,
    },
    /// Bytes that C cannot be given.
    #[error("the {field} is malformed: {problem}")]
    Malformed {
        /// The field that held them.
        field: &'static str,
        /// What is wrong with them.
        problem: &'static str,
    },
    /// A batch of changes of the cluster database was refused as a whole.
    #[error("the batch was refused with error {code}")]
    Batch {
        /// Why; 5986 for a condition that does not hold.
        code: Win32,
        /// Index of the command that failed, if the cluster told it.
        command: Option<usize>,
    },
    /// Properties that C cannot be given.
    #[error("the properties cannot be passed to the cluster API")]
    Unwritable(#[from] WriteError),
    /// COM could not be initialised on the thread that was to make the call, so it was not made.
    #[error("the call was not made, since COM is not to be had on its thread")]
    Apartment(#[source] ApartmentError),
    /// The cluster API exists on Windows only.
    #[error("the failover cluster API exists on Windows only")]
    NotWindows,
    /// A library must be named by its absolute path, so that no other can take its place.
    #[error("the path of a cluster API library must be absolute: {path}")]
    RelativePath {
        /// The path.
        path: PathBuf,
    },
    /// The library could not be loaded. On Windows: the Failover Clustering feature may not be installed.
    #[error("loading the cluster API from {path} failed")]
    Load {
        /// Path or name of the library.
        path: PathBuf,
        /// Why.
        #[source]
        source: libloading::Error,
    },
}

/// What is wrong with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextProblem {
    /// C would take it for the end.
    #[error("contains a NUL character")]
    InteriorNul,
    /// Longer than any C string here may be.
    #[error("is too long: {units} UTF-16 units, at most {limit}")]
    TooLong {
        /// Length in UTF-16 units.
        units: usize,
        /// The limit.
        limit: usize,
    },
}

impl Error {
    /// The Win32 code, if a C function failed.
    #[must_use]
    pub fn code(&self) -> Option<Win32> {
        match self {
            Self::Call { code, .. } | Self::Batch { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The C function, if the error is about one.
    #[must_use]
    pub fn function(&self) -> Option<&'static str> {
        match self {
            Self::Call { function, .. }
            | Self::Unsupported { function, .. }
            | Self::Properties { function, .. }
            | Self::Answer { function, .. } => Some(function),
            Self::Batch { .. } => Some("ClusterRegCloseBatch"),
            _ => None,
        }
    }

    /// The error for a function that the table does not have.
    pub(crate) fn unsupported(function: &'static str) -> Self {
        let since = FunctionInfo::of(function).map_or(WindowsRelease::Server2008, |known| known.since);
        Self::Unsupported { function, since }
    }
}
