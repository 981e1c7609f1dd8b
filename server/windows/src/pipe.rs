//! Named pipes for programs of this host.

#![expect(unsafe_code, reason = "a pipe's security descriptor is given by a pointer")]

use std::io;
use std::os::windows::io::AsRawHandle as _;

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
use windows_sys::Win32::System::Pipes::GetNamedPipeClientProcessId;

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

/// The name of the account, `DOMAIN\name`, of the process that has connected to an end.
///
/// The system tells the process, and its account is that of its primary token: a thread that impersonates somebody counts as
/// its process. Good for telling who it was; whether it may connect is decided by the access list of the pipe.
///
/// # Errors
///
/// Nobody is connected, the process is gone or of an account that this one may not ask about, or the account has no name.
pub fn client_account(end: &NamedPipeServer) -> io::Result<String> {
    let mut process = 0;
    // SAFETY: The pipe is open as long as it is borrowed, and `process` takes one number.
    if unsafe { GetNamedPipeClientProcessId(end.as_raw_handle(), &mut process) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Sid::of_other_process(process)?.account()
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
            let account = client_account(server).unwrap();
            assert_eq!(account, Sid::of_process().unwrap().account().unwrap());
            assert!(account.contains('\\'), "{account}");
            client.write_all(b"said").await.unwrap();
            let mut heard = [0; 4];
            server.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"said");
        }
    }
}
