//! Recording every call of the cluster API and every callback, and reading such recordings.
//!
//! [`record`] puts a recorder between a [`Clusapi`](crate::Clusapi) and its callers. What it writes is a *trace*: a file
//! of JSON objects, one a line, of which [`mod@format`] names the fields. [`Trace`] reads it again.
//!
//! The recorder is meant for real clusters, so it changes nothing for either side: calls and callbacks keep their
//! threads, arguments, results and last errors, no lock is held while either side runs, a callback that comes after its
//! call has returned is passed on as it came, and nothing unwinds into C. User names and passwords are never read, nor are
//! values of the cluster database, private properties, and the input of control codes that are not known here.
//!
//! Each line is written by the thread that it tells about, with one write and before that thread goes on: whatever ends
//! the process loses at most the line that was being written. The price is that a callback waits for one write to the
//! file (not for the disk). A queue would spare it that, and lose what it holds together with the process, which is what
//! a trace is for.

mod arguments;
pub mod format;
mod forward;
mod object;
mod read;
mod recorder;
mod results;

pub use format::{Fields, Value};
pub use object::{Object, ObjectKind};
pub use read::{Call, Trace, TraceError};
pub use recorder::{About, RecordError, Recording, record};

#[cfg(test)]
mod slot_tests;
#[cfg(test)]
mod tests;
