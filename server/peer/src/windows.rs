//! The owner of a named pipe, and the account of the daemon's service.
#![expect(unsafe_code, reason = "accounts and services are told by C functions")]

use core::ffi::{CStr, c_void};
use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle as _, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{
    ERROR_SERVICE_DOES_NOT_EXIST, ERROR_SERVICE_NOT_ACTIVE, GetLastError, HANDLE, LocalFree,
};
use windows_sys::Win32::Security::Authorization::{ConvertSidToStringSidA, GetSecurityInfo, SE_KERNEL_OBJECT};
use windows_sys::Win32::Security::{
    GetTokenInformation, OWNER_SECURITY_INFORMATION, TOKEN_OWNER, TOKEN_QUERY, TokenOwner,
};
use windows_sys::Win32::System::Services::{
    CloseServiceHandle, OpenSCManagerW, OpenServiceW, QueryServiceStatusEx, SC_HANDLE, SC_MANAGER_CONNECT,
    SC_STATUS_PROCESS_INFO, SERVICE_QUERY_STATUS, SERVICE_STATUS_PROCESS,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, OpenProcess, OpenProcessToken, PROCESS_QUERY_LIMITED_INFORMATION,
};
use windows_sys::w;

use super::{Stranger, is_trusted};

/// Looks who has made a pipe. Only the first end of a pipe decides that, and who may make another is up to its maker.
///
/// The owner is looked at and not the process that serves: nobody can give a pipe to an account that is not theirs, but a
/// handle of one can be given to any process.
///
/// # Errors
///
/// It is neither the daemon nor somebody who controls the host.
pub fn check(pipe: &impl AsRawHandle) -> Result<(), Stranger> {
    let owner = owner(pipe.as_raw_handle())?;
    // SAFETY: The call takes nothing and gives a constant.
    let own = || account(unsafe { GetCurrentProcess() });
    if is_trusted(&owner, own, account_of_service)? {
        return Ok(());
    }
    Err(Stranger::Account(owner))
}

/// Memory of the system that the caller frees by `LocalFree`.
struct Local(*mut c_void);

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: A function of the system allocated it for the caller, and nothing uses it any more.
        unsafe { LocalFree(self.0) };
    }
}

/// Who owns a pipe.
fn owner(pipe: HANDLE) -> io::Result<String> {
    let (mut owner, mut descriptor) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: The handle is open, the owner alone is asked for, and both places take one pointer.
    let status = unsafe {
        GetSecurityInfo(
            pipe,
            SE_KERNEL_OBJECT,
            OWNER_SECURITY_INFORMATION,
            &raw mut owner,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut descriptor,
        )
    };
    if status != 0 {
        return Err(io::Error::from_raw_os_error(status.cast_signed()));
    }
    // The owner points into it.
    let _descriptor = Local(descriptor);
    text(owner)
}

/// The account that what a process makes belongs to: its own, or the administrators. Wine has a group here.
fn account(process: HANDLE) -> io::Result<String> {
    let mut token: HANDLE = ptr::null_mut();
    // SAFETY: The handle is open, and `token` takes one handle.
    if unsafe { OpenProcessToken(process, TOKEN_QUERY, &raw mut token) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The handle was opened just now and is given away here.
    let token = unsafe { OwnedHandle::from_raw_handle(token) };
    // A pointer and 68 bytes at most ("SECURITY_MAX_SID_SIZE"); the words keep the structure aligned.
    let mut buffer = [0_u64; 32];
    let size = u32::try_from(size_of_val(&buffer)).map_err(io::Error::other)?;
    let mut needed = 0;
    // SAFETY: The token is open for queries, and the buffer has the size that is given.
    let told = unsafe {
        GetTokenInformation(
            token.as_raw_handle(),
            TokenOwner,
            buffer.as_mut_ptr().cast(),
            size,
            &raw mut needed,
        )
    };
    if told == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The call filled in the structure at the start of the buffer, which is aligned for it.
    let owner = unsafe { buffer.as_ptr().cast::<TOKEN_OWNER>().read() };
    text(owner.Owner)
}

/// `sid` points to a whole security identifier, or is null.
fn text(sid: *mut c_void) -> io::Result<String> {
    if sid.is_null() {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    }
    let mut written = ptr::null_mut();
    // SAFETY: Every caller has the identifier from a call that succeeded, and `written` takes one pointer.
    if unsafe { ConvertSidToStringSidA(sid, &raw mut written) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let _freed = Local(written.cast());
    // SAFETY: The call succeeded and left text with a NUL, which is copied before it is freed.
    let text = unsafe { CStr::from_ptr(written.cast()) };
    text.to_str().map(ToOwned::to_owned).map_err(io::Error::other)
}

/// A handle of the service manager.
struct Services(SC_HANDLE);

impl Drop for Services {
    fn drop(&mut self) {
        // SAFETY: The handle was opened for this and is not used afterwards.
        unsafe { CloseServiceHandle(self.0) };
    }
}

/// The account that what the service `wsfcd` makes belongs to; `None` where it does not run. No name is looked up for that,
/// which could wait for a domain controller.
fn account_of_service() -> io::Result<Option<String>> {
    // SAFETY: NULL is this host and its only database.
    let manager = unsafe { OpenSCManagerW(ptr::null(), ptr::null(), SC_MANAGER_CONNECT) };
    if manager.is_null() {
        return Err(io::Error::last_os_error());
    }
    let manager = Services(manager);
    // SAFETY: The manager is open, and the name ends with a NUL.
    let service = unsafe { OpenServiceW(manager.0, w!("wsfcd"), SERVICE_QUERY_STATUS) };
    if service.is_null() {
        // SAFETY: The call reads a number of this thread.
        return match unsafe { GetLastError() } {
            ERROR_SERVICE_DOES_NOT_EXIST => Ok(None),
            code => Err(io::Error::from_raw_os_error(code.cast_signed())),
        };
    }
    let service = Services(service);
    let Some(id) = process_of(&service)? else {
        return Ok(None);
    };
    // SAFETY: The call takes numbers alone.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, id) };
    if process.is_null() {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The handle was opened just now and is given away here.
    let process = unsafe { OwnedHandle::from_raw_handle(process) };
    // An id that is the service's still, now that a handle keeps it from being used again, is no other's.
    if process_of(&service)? != Some(id) {
        return Ok(None);
    }
    account(process.as_raw_handle()).map(Some)
}

/// The process of a service, while there is one.
fn process_of(service: &Services) -> io::Result<Option<u32>> {
    let mut status = SERVICE_STATUS_PROCESS::default();
    let size = u32::try_from(size_of_val(&status)).map_err(io::Error::other)?;
    let mut needed = 0;
    // SAFETY: The service is open for queries, and the structure has the size that is given.
    let told = unsafe {
        QueryServiceStatusEx(
            service.0,
            SC_STATUS_PROCESS_INFO,
            (&raw mut status).cast(),
            size,
            &raw mut needed,
        )
    };
    if told == 0 {
        let error = io::Error::last_os_error();
        if error.raw_os_error() == Some(ERROR_SERVICE_NOT_ACTIVE.cast_signed()) {
            return Ok(None);
        }
        return Err(error);
    }
    Ok(Some(status.dwProcessId).filter(|id| *id != 0))
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::sync::atomic::{AtomicU32, Ordering};

    use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
    use windows_sys::Win32::Security::Authorization::{
        ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
    };
    use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
    use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX};
    use windows_sys::Win32::System::Pipes::{CreateNamedPipeW, PIPE_REJECT_REMOTE_CLIENTS};

    use super::*;

    /// A pipe with an access list, as the daemon makes its own, and its name. Wine keeps an owner only of what has a list.
    fn pipe() -> (OwnedHandle, String) {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!(r"\\.\pipe\wsfc-peer-test-{}-{number}", std::process::id());
        let mut descriptor = ptr::null_mut();
        // SAFETY: The text ends with a NUL, and `descriptor` takes one pointer; the size is not asked for.
        let made = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                w!("D:P(A;;GA;;;WD)"),
                SDDL_REVISION_1,
                &raw mut descriptor,
                ptr::null_mut(),
            )
        };
        assert_ne!(made, 0);
        let _descriptor = Local(descriptor);
        let attributes = SECURITY_ATTRIBUTES {
            nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap(),
            lpSecurityDescriptor: descriptor,
            bInheritHandle: 0,
        };
        let wide: Vec<u16> = name.encode_utf16().chain([0]).collect();
        let access = PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED;
        // SAFETY: The name ends with a NUL, and the attributes and their descriptor live until the call returns.
        let pipe = unsafe {
            CreateNamedPipeW(
                wide.as_ptr(),
                access,
                PIPE_REJECT_REMOTE_CLIENTS,
                1,
                4096,
                4096,
                0,
                &raw const attributes,
            )
        };
        assert_ne!(pipe, INVALID_HANDLE_VALUE);
        // SAFETY: The handle was made just now and is given away here.
        (unsafe { OwnedHandle::from_raw_handle(pipe) }, name)
    }

    #[test]
    fn the_pipe_of_this_account_is_trusted() {
        let (_pipe, name) = pipe();
        let client = OpenOptions::new().read(true).write(true).open(&name).unwrap();
        let owner = owner(client.as_raw_handle()).unwrap();
        assert!(owner.starts_with("S-1-5-"), "{owner}");
        check(&client).unwrap();
    }

    #[test]
    fn the_service_has_an_account_if_it_runs() {
        // It hardly does where these tests run.
        let account = account_of_service().unwrap();
        assert!(
            account.as_ref().is_none_or(|account| account.starts_with("S-1-5-")),
            "{account:?}"
        );
    }
}
