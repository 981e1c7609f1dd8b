//! Who may do what: the daemon's own authority, join tokens, and what was granted while it ran.

pub mod authority;
pub mod files;
pub mod hex;
pub mod host_names;
pub mod name;
pub mod register;
pub mod tokens;
