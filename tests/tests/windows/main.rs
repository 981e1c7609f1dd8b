//! The Windows programs, under Wine. They need the Windows build and a prefix, so each test is ignored until somebody
//! who has them asks for it:
//!
//! ```sh
//! tests/windows/build
//! tests/windows/run cargo test -p wsfc-tests --test windows -- --include-ignored
//! ```
//!
//! Every such test says `#[ignore = "needs the Windows build: tests/windows/run"]`. `wsfc_tests::wine` starts programs.
#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "how a test fails and what it shows, outside of test functions too"
)]

mod abi;
mod loading;
mod package;
mod programs;
mod service;
mod trace;
mod wine;
