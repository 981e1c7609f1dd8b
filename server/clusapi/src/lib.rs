//! The C boundary of wsfcd: the failover cluster API (`clusapi.dll`), or the simulator behind the same C ABI.
//!
//! - [`sys`]: raw types, constants and the table of C functions. The simulator uses this part only.

pub mod sys;
