//! Who can read a file.

use std::fs::OpenOptions;
use std::io;
use std::os::windows::fs::OpenOptionsExt as _;
use std::os::windows::io::AsRawHandle as _;
use std::path::Path;

use windows_sys::Win32::Foundation::{GENERIC_ALL, GENERIC_READ};
use windows_sys::Win32::Security::Authorization::{GetSecurityInfo, SE_FILE_OBJECT};
use windows_sys::Win32::Security::{
    ACCESS_ALLOWED_ACE, ACL, DACL_SECURITY_INFORMATION, GetAce, INHERIT_ONLY_ACE, OWNER_SECURITY_INFORMATION,
};
use windows_sys::Win32::Storage::FileSystem::{FILE_READ_DATA, READ_CONTROL, WRITE_DAC, WRITE_OWNER};
use windows_sys::Win32::System::SystemServices::{
    ACCESS_ALLOWED_ACE_TYPE, ACCESS_ALLOWED_CALLBACK_ACE_TYPE, ACCESS_DENIED_ACE_TYPE, ACCESS_DENIED_CALLBACK_ACE_TYPE,
};

use super::{Local, Sid, sid_text, win32};

/// Everybody.
const EVERYONE: &str = "S-1-1-0";
/// What lets its holder read, or take the right to.
const READING: u32 = FILE_READ_DATA | GENERIC_READ | GENERIC_ALL | WRITE_DAC | WRITE_OWNER;

/// Who can read a file by its access list, or give itself the right to; its owner first. An account that is denied again
/// further down is named all the same.
///
/// # Errors
///
/// The file cannot be opened, the system does not say, or the list holds entries of a kind that files do not have.
pub fn readers(path: &Path) -> io::Result<Vec<Sid>> {
    let file = OpenOptions::new().access_mode(READ_CONTROL).open(path)?;
    let (mut owner, mut list, mut descriptor) = (core::ptr::null_mut(), core::ptr::null_mut(), core::ptr::null_mut());
    // SAFETY: The handle is open with the right to read its descriptor, owner and list alone are asked for, and the places
    // take one pointer each.
    let status = unsafe {
        GetSecurityInfo(
            file.as_raw_handle(),
            SE_FILE_OBJECT,
            OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
            &mut owner,
            core::ptr::null_mut(),
            &mut list,
            core::ptr::null_mut(),
            &mut descriptor,
        )
    };
    win32(status)?;
    // Owner and list point into it.
    let _descriptor = Local(descriptor);
    let mut readers = vec![sid_text(owner)?];
    if list.is_null() {
        // No list at all is full access for all ("Null DACLs and Empty DACLs").
        readers.push(Sid(EVERYONE.into()));
        return Ok(readers);
    }
    // SAFETY: The call succeeded, so the list is whole and lives as long as the descriptor.
    let count = unsafe { (*list).AceCount };
    for index in 0..count {
        if let Some(reader) = reader(list, index.into())?
            && !readers.contains(&reader)
        {
            readers.push(reader);
        }
    }
    Ok(readers)
}

/// Whom an entry of a list lets read. `list` points to a whole list with more than `index` entries.
fn reader(list: *const ACL, index: u32) -> io::Result<Option<Sid>> {
    let mut entry = core::ptr::null_mut();
    // SAFETY: The list is whole, and `entry` takes one pointer.
    if unsafe { GetAce(list, index, &mut entry) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let entry = entry.cast::<ACCESS_ALLOWED_ACE>();
    // SAFETY: Every entry begins with a header ("ACE_HEADER"), and is aligned as the list is.
    let header = unsafe { (*entry).Header };
    if u32::from(header.AceFlags) & INHERIT_ONLY_ACE != 0 {
        return Ok(None);
    }
    match u32::from(header.AceType) {
        ACCESS_ALLOWED_ACE_TYPE | ACCESS_ALLOWED_CALLBACK_ACE_TYPE => {}
        ACCESS_DENIED_ACE_TYPE | ACCESS_DENIED_CALLBACK_ACE_TYPE => return Ok(None),
        other => {
            return Err(io::Error::other(format!(
                "the access list has an entry of the unknown type {other}"
            )));
        }
    }
    // SAFETY: Entries of both kinds that allow have a mask after the header.
    let mask = unsafe { (*entry).Mask };
    if mask & READING == 0 {
        return Ok(None);
    }
    // SAFETY: The identifier begins at this field, inside of the entry.
    let sid = unsafe { &raw mut (*entry).SidStart };
    sid_text(sid.cast()).map(Some)
}
