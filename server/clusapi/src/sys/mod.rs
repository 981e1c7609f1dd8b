//! Raw types, constants and the function table of the failover cluster API.
//!
//! Names are the SDK's, so that its documentation can be searched for them. Nothing here calls anything: the safe
//! layer does that through a [`table::Table`], which `clusapi.dll` or the simulator fills.

pub mod constants;
mod functions;
mod left_out;
#[expect(
    non_camel_case_types,
    reason = "the SDK's names, so that its documentation can be searched for them"
)]
pub mod resapi;
pub mod table;
pub mod types;

pub use left_out::LEFT_OUT;
pub use table::{FUNCTIONS, FunctionInfo, Table, TableProvider, WindowsRelease};
