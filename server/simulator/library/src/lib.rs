//! The simulated failover cluster as a library with the exports of clusapi.dll: `clusapi.dll` on Windows,
//! `libclusapi.so` elsewhere, for programs that know nothing of the simulator.
//!
//! All calls of a process go to one world, which is made at the first of them from the environment:
//!
//! | variable | is |
//! | --- | --- |
//! | `WSFC_SIMULATOR_SCENARIO` | a built-in scenario, or the path of a file that ends in `.toml`; "default" unless given |
//! | `WSFC_SIMULATOR_STATE` | the file where the world is kept, so that it outlives the process; none unless given |
//! | `WSFC_SIMULATOR_RESOURCE_DLLS` | resource DLLs that are loaded, beside those of the scenario: `wsfcres.dll=/path/libwsfcres.so;...`; none unless given |
//! | `WSFC_SIMULATOR_CONTROL` | loopback address and port to connect to and be steered from; none unless given |
//!
//! Where no world can be made, the reason goes to the standard error stream once (on Windows to the debugger too), and
//! every call fails with 10, `ERROR_BAD_ENVIRONMENT`.
//!
//! The exports are fixed when the library is built, so a function that the scenario's machine lacks cannot vanish from
//! them: it fails with 120, `ERROR_CALL_NOT_IMPLEMENTED`. Off Windows the library exports `GetLastError` too.
//!
//! Once it has been called the library stays in memory until the process ends: threads of the world run its code.

mod world;

#[expect(unsafe_code, reason = "the exports are C functions")]
mod exports;
#[cfg(windows)]
#[expect(unsafe_code, reason = "the debugger is told, and the library kept, by C functions")]
mod windows;
