//! Named pipes for programs of this host.

#![expect(unsafe_code, reason = "a pipe's security descriptor is given by a pointer")]

use std::io;

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;

use crate::security::{Descriptor, Sid};

/// Makes one end of a pipe that only LocalSystem, administrators and the account of this process can connect to, and nobody
/// from another host. Must be called in a runtime with I/O.
///
/// # Errors
///
/// The system refused. `PermissionDenied` with `is_first`: there is a pipe of this name already.
pub fn private_pipe(name: &str, is_first: bool) -> io::Result<NamedPipeServer> {
    let descriptor = Descriptor::private_pipe(&Sid::of_process()?)?;
    let mut attributes = SECURITY_ATTRIBUTES {
        nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).map_err(io::Error::other)?,
        lpSecurityDescriptor: descriptor.as_ptr(),
        bInheritHandle: 0,
    };
    let mut options = ServerOptions::new();
    options.first_pipe_instance(is_first).reject_remote_clients(true);
    // SAFETY: The attributes are whole, and they and their descriptor live until the call returns.
    unsafe { options.create_with_security_attributes_raw(name, (&raw mut attributes).cast()) }
}
