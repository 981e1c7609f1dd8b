//! Where an administrator looks for what the daemon keeps, and the daemon for its settings.
//!
//! | | Windows | elsewhere |
//! | --- | --- | --- |
//! | settings | `ProgramData\wsfcd\wsfcd.toml` | `/etc/wsfcd/wsfcd.toml` |
//! | journal | `ProgramData\wsfcd\data` | `/var/lib/wsfcd` |
//! | log files | `ProgramData\wsfcd\logs` | `/var/log/wsfcd` |

use std::path::PathBuf;

/// The settings file that is read when none is named.
pub fn settings_file() -> PathBuf {
    if cfg!(windows) {
        program_data().join("wsfcd.toml")
    } else {
        PathBuf::from("/etc/wsfcd/wsfcd.toml")
    }
}

/// Where the journal is kept.
pub fn data_dir() -> PathBuf {
    if cfg!(windows) {
        program_data().join("data")
    } else {
        PathBuf::from("/var/lib/wsfcd")
    }
}

/// Where log files are kept.
pub fn log_dir() -> PathBuf {
    if cfg!(windows) {
        program_data().join("logs")
    } else {
        PathBuf::from("/var/log/wsfcd")
    }
}

/// The daemon's folder among the data that belong to no user.
pub fn program_data() -> PathBuf {
    let root = std::env::var_os("ProgramData").map(PathBuf::from);
    root.filter(|root| root.is_absolute())
        .unwrap_or_else(|| PathBuf::from(r"C:\ProgramData"))
        .join("wsfcd")
}
