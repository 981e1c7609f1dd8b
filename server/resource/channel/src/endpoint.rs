//! Where the daemon of a host listens for the resource DLL.

/// The named pipe of the daemon on Windows.
pub const PIPE: &str = r"\\.\pipe\wsfcd\resource";

/// The socket of the daemon elsewhere, where neither side is told another.
pub const SOCKET: &str = "/run/wsfcd/resource.sock";

/// The environment variable that names another endpoint to the DLL.
pub const VARIABLE: &str = "WSFCD_RESOURCE_ENDPOINT";

/// The endpoint where neither side is told another.
#[must_use]
pub const fn default() -> &'static str {
    if cfg!(windows) { PIPE } else { SOCKET }
}
