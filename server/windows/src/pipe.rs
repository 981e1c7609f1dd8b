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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::windows::named_pipe::ClientOptions;

    use super::*;

    #[tokio::test]
    async fn this_account_can_connect_and_be_served_by_each_end() {
        let name = format!(r"\\.\pipe\wsfcd-test-{}", std::process::id());
        let mut first = private_pipe(&name, true).unwrap();
        // Wine 8 does not regard FILE_FLAG_FIRST_PIPE_INSTANCE; WINDOWS.md has it among what is to be tried.
        match private_pipe(&name, true) {
            Err(refused) => assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied),
            Ok(_) => println!("this system lets two be the first of a pipe"),
        }
        let mut second = private_pipe(&name, false).unwrap();
        for server in [&mut first, &mut second] {
            let mut client = ClientOptions::new().open(&name).unwrap();
            server.connect().await.unwrap();
            client.write_all(b"said").await.unwrap();
            let mut heard = [0; 4];
            server.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"said");
        }
    }
}
