//! Keeps the library in memory for good on Unix: threads of the simulated world run its code after the last user has
//! closed it. On Windows the library does that itself, at the first call.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_CFG_TARGET_OS").is_some_and(|system| system == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
