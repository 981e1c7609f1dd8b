//! Who may use a folder, and which account may run a service.

#![expect(unsafe_code, reason = "security descriptors are made and set by C functions")]

mod readers;

use core::ffi::c_void;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::os::windows::io::AsRawHandle as _;
use std::path::{Component, Path, Prefix};

use windows_sys::Win32::Foundation::{
    CloseHandle, ERROR_ALREADY_EXISTS, ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_OWNER, HANDLE, LocalFree, NTSTATUS,
};
use windows_sys::Win32::Security::Authentication::Identity::{
    LSA_HANDLE, LSA_OBJECT_ATTRIBUTES, LSA_UNICODE_STRING, LsaAddAccountRights, LsaClose, LsaNtStatusToWinError,
    LsaOpenPolicy, POLICY_CREATE_ACCOUNT, POLICY_LOOKUP_NAMES,
};
use windows_sys::Win32::Security::Authorization::{
    ConvertSidToStringSidW, ConvertStringSecurityDescriptorToSecurityDescriptorW, ConvertStringSidToSidW,
    GetSecurityInfo, SDDL_REVISION_1, SE_FILE_OBJECT, SetSecurityInfo,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, GetSecurityDescriptorDacl, GetSecurityDescriptorOwner, GetTokenInformation,
    LookupAccountNameW, LookupAccountSidW, OWNER_SECURITY_INFORMATION, PROTECTED_DACL_SECURITY_INFORMATION,
    SECURITY_ATTRIBUTES, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateDirectoryW, FILE_ATTRIBUTE_DIRECTORY, FILE_ATTRIBUTE_REPARSE_POINT, FILE_FLAG_BACKUP_SEMANTICS,
    FILE_FLAG_OPEN_REPARSE_POINT, FILE_READ_ATTRIBUTES, READ_CONTROL, WRITE_DAC, WRITE_OWNER,
};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, OpenProcess, OpenProcessToken, PROCESS_QUERY_LIMITED_INFORMATION,
};

pub use self::readers::readers;
use crate::wide::{text, wide};

/// LocalSystem, which every private folder is open to ("Well-known SIDs").
const SYSTEM: &str = "S-1-5-18";
/// The group of administrators.
const ADMINISTRATORS: &str = "S-1-5-32-544";
/// The service that owns what belongs to the system itself, such as the folders above those of programs.
const TRUSTED_INSTALLER: &str = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464";
const LOCAL_SERVICE: &str = "S-1-5-19";
const NETWORK_SERVICE: &str = "S-1-5-20";
/// The right that an account needs to run a service ("Account Rights Constants").
const LOGON_AS_SERVICE: &str = "SeServiceLogonRight";

/// An account by its security identifier, in the form `S-1-...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sid(String);

impl Sid {
    /// The account that this process runs as.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub fn of_process() -> io::Result<Self> {
        // SAFETY: The call takes nothing and gives a constant, a pseudo handle that is always good.
        process_user(unsafe { GetCurrentProcess() })
    }

    /// The account that another process runs as.
    ///
    /// # Errors
    ///
    /// There is no such process, or this one may not ask about it.
    pub fn of_other_process(id: u32) -> io::Result<Self> {
        // SAFETY: The call takes numbers and gives a handle or NULL.
        let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, id) };
        if process.is_null() {
            return Err(io::Error::last_os_error());
        }
        let sid = process_user(process);
        // SAFETY: The handle was opened above and is not used afterwards.
        unsafe { CloseHandle(process) };
        sid
    }

    /// Its name with that of its domain, `DOMAIN\name`.
    ///
    /// # Errors
    ///
    /// Nobody knows the account.
    pub fn account(&self) -> io::Result<String> {
        let sid = binary(self)?;
        // The first is the name, the second the domain.
        let mut texts = [vec![0_u16; 256], vec![0_u16; 256]];
        let mut kind = 0;
        loop {
            let [name, domain] = &mut texts;
            let mut lengths = [256, 256];
            for (length, text) in lengths.iter_mut().zip([&*name, &*domain]) {
                *length = u32::try_from(text.len()).map_err(io::Error::other)?;
            }
            let [name_length, domain_length] = &mut lengths;
            // SAFETY: The identifier is whole, and both buffers have the sizes that are given.
            let found = unsafe {
                LookupAccountSidW(
                    core::ptr::null(),
                    sid.0,
                    name.as_mut_ptr(),
                    name_length,
                    domain.as_mut_ptr(),
                    domain_length,
                    &mut kind,
                )
            };
            if found != 0 {
                // Without the NUL, which the lengths do not count after a success.
                let told = |text: &[u16], length: u32| String::from_utf16_lossy(&text[..length as usize]);
                let (name, domain) = (told(name, lengths[0]), told(domain, lengths[1]));
                return Ok(if domain.is_empty() {
                    name
                } else {
                    format!(r"{domain}\{name}")
                });
            }
            let error = io::Error::last_os_error();
            let is_longer = lengths
                .iter()
                .zip(&texts)
                .any(|(length, text)| *length as usize > text.len());
            if error.raw_os_error() != Some(ERROR_INSUFFICIENT_BUFFER.cast_signed()) || !is_longer {
                return Err(error);
            }
            for (length, text) in lengths.iter().zip(&mut texts) {
                text.resize((*length as usize).max(text.len()), 0);
            }
        }
    }

    /// An account by its name as services name it: `LocalSystem`, `NT AUTHORITY\NetworkService`, `DOMAIN\user`, `.\user`.
    ///
    /// # Errors
    ///
    /// Nobody knows the account.
    pub fn of_account(name: &str) -> io::Result<Self> {
        // The names that the service control manager has for accounts of the system, which are not those of the accounts.
        for (service_name, sid) in [
            ("LocalSystem", SYSTEM),
            (r".\LocalSystem", SYSTEM),
            (r"NT AUTHORITY\LocalService", LOCAL_SERVICE),
            (r"NT AUTHORITY\NetworkService", NETWORK_SERVICE),
        ] {
            if name.eq_ignore_ascii_case(service_name) {
                return Ok(Self(sid.into()));
            }
        }
        lookup(name.strip_prefix(r".\").unwrap_or(name))
    }

    /// The form `S-1-...`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the system or its administrators, who may change everything on the host anyhow.
    pub fn is_administrative(&self) -> bool {
        [SYSTEM, ADMINISTRATORS, TRUSTED_INSTALLER].contains(&self.0.as_str())
    }

    /// Whether it is LocalSystem, LocalService or NetworkService, which may always run services.
    pub fn is_of_system(&self) -> bool {
        [SYSTEM, LOCAL_SERVICE, NETWORK_SERVICE].contains(&self.0.as_str())
    }
}

/// Creates a folder that only the system, administrators and `accounts` may use; says whether it was missing. A folder that
/// is there already is left as it is. Missing parents are made in the same way.
///
/// The folder belongs to the administrators, or to the process's account where that may not give it to them.
///
/// # Errors
///
/// The folder cannot be made, or the path is a link.
pub fn create_private_folder(path: &Path, accounts: &[Sid]) -> io::Result<bool> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty())
        && !parent.is_dir()
    {
        create_private_folder(parent, accounts)?;
    }
    let name = verbatim(path)?;
    let error = match create_folder(&name, &Descriptor::private(accounts)?) {
        // Only an administrator can give a folder to the administrators. Somebody else has what is theirs.
        Err(error) if error.raw_os_error() == Some(ERROR_INVALID_OWNER.cast_signed()) => {
            create_folder(&name, &Descriptor::private_of_maker(accounts)?)
        }
        made => made,
    };
    match error {
        Ok(()) => Ok(true),
        Err(error)
            if error.raw_os_error() == Some(ERROR_ALREADY_EXISTS.cast_signed())
                && path.symlink_metadata().is_ok_and(|there| there.is_dir()) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// `name` ends with a NUL.
fn create_folder(name: &[u16], descriptor: &Descriptor) -> io::Result<()> {
    let attributes = SECURITY_ATTRIBUTES {
        nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).map_err(io::Error::other)?,
        lpSecurityDescriptor: descriptor.0.0,
        bInheritHandle: 0,
    };
    // SAFETY: The path ends with a NUL, and the descriptor lives until the call returns.
    if unsafe { CreateDirectoryW(name.as_ptr(), &attributes) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Gives a folder to the administrators, and lets only the system, administrators and `accounts` use it and what inherits
/// from it. For a folder that is there already, and belongs to the system, its administrators or one of `owners`: whoever
/// else made it may have left something in it, or still have it open.
///
/// # Errors
///
/// The path is no folder of its own (a link to another is refused, and so is a whole drive), it belongs to somebody else,
/// or the system refused.
pub fn make_private(path: &Path, accounts: &[Sid], owners: &[Sid]) -> io::Result<()> {
    if path.parent().is_none() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a whole drive is no private folder",
        ));
    }
    let folder = open_trusted(path, WRITE_DAC | WRITE_OWNER, owners)?;
    let descriptor = Descriptor::private(accounts)?;
    let (mut owner, mut dacl) = (core::ptr::null_mut(), core::ptr::null_mut());
    let (mut present, mut defaulted) = (0, 0);
    // SAFETY: The descriptor is one that the system made, and the places take one answer each.
    if unsafe { GetSecurityDescriptorDacl(descriptor.0.0, &mut present, &mut dacl, &mut defaulted) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: As above.
    if unsafe { GetSecurityDescriptorOwner(descriptor.0.0, &mut owner, &mut defaulted) } == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The handle is open with the rights to do so; owner and list point into the descriptor, which lives until the
    // call returns.
    let status = unsafe {
        SetSecurityInfo(
            folder.as_raw_handle(),
            SE_FILE_OBJECT,
            OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION,
            owner,
            core::ptr::null_mut(),
            dacl,
            core::ptr::null(),
        )
    };
    win32(status)
}

/// Looks whether a folder belongs to the system, its administrators or one of `owners`, and is no link to another.
///
/// # Errors
///
/// It is not so, or the system does not say.
pub fn check_folder(path: &Path, owners: &[Sid]) -> io::Result<()> {
    open_trusted(path, 0, owners).map(drop)
}

/// Opens a folder itself, never what a link points to, and looks at what was opened: a path may lead elsewhere a moment later.
fn open_trusted(path: &Path, access: u32, owners: &[Sid]) -> io::Result<File> {
    let folder = OpenOptions::new()
        .access_mode(access | READ_CONTROL | FILE_READ_ATTRIBUTES)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)?;
    let attributes = folder.metadata()?.file_attributes();
    if attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT) != FILE_ATTRIBUTE_DIRECTORY {
        return Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            format!("{} is not a folder of its own", path.display()),
        ));
    }
    let owner = owner(&folder)?;
    if owner.is_administrative() || owners.contains(&owner) {
        return Ok(folder);
    }
    // Not `PermissionDenied`: the system would have let the process use it.
    Err(io::Error::other(format!(
        "{} belongs to {}, who may have made it to put something into the daemon's way; remove it when nobody needs what is in it",
        path.display(),
        owner.as_str()
    )))
}

/// The owner of an open file: who made it, or was given it.
///
/// # Errors
///
/// The system does not say.
pub fn owner(file: &File) -> io::Result<Sid> {
    let (mut owner, mut descriptor) = (core::ptr::null_mut(), core::ptr::null_mut());
    // SAFETY: The handle is open, the owner alone is asked for, and both places take one pointer.
    let status = unsafe {
        GetSecurityInfo(
            file.as_raw_handle(),
            SE_FILE_OBJECT,
            OWNER_SECURITY_INFORMATION,
            &mut owner,
            core::ptr::null_mut(),
            core::ptr::null_mut(),
            core::ptr::null_mut(),
            &mut descriptor,
        )
    };
    win32(status)?;
    // The owner points into it.
    let _descriptor = Local(descriptor);
    sid_text(owner)
}

/// Lets an account run services; the system's own accounts may always ("Log on as a service").
///
/// # Errors
///
/// The policy cannot be changed, normally for want of administrator rights.
pub fn allow_service_logon(account: &Sid) -> io::Result<()> {
    let mut policy: LSA_HANDLE = 0;
    let attributes = LSA_OBJECT_ATTRIBUTES::default();
    let access = (POLICY_CREATE_ACCOUNT | POLICY_LOOKUP_NAMES).cast_unsigned();
    // SAFETY: NULL is this host, the attributes are all zero as the call asks, and `policy` takes one handle.
    nt(unsafe { LsaOpenPolicy(core::ptr::null(), &attributes, access, &mut policy) })?;
    let added = add_right(policy, account);
    // SAFETY: The handle was opened above and is not used afterwards.
    unsafe { LsaClose(policy) };
    added
}

fn add_right(policy: LSA_HANDLE, account: &Sid) -> io::Result<()> {
    let sid = binary(account)?;
    let mut right = wide(LOGON_AS_SERVICE)?;
    let bytes = u16::try_from(size_of_val(right.as_slice())).map_err(io::Error::other)?;
    let right = LSA_UNICODE_STRING {
        // Without the NUL.
        Length: bytes - 2,
        MaximumLength: bytes,
        Buffer: right.as_mut_ptr(),
    };
    // SAFETY: The policy is open, the identifier is whole, and one right is given whose text lives until the call returns.
    nt(unsafe { LsaAddAccountRights(policy, sid.0, &right, 1) })
}

/// Memory of the system that the caller frees by `LocalFree`.
struct Local(*mut c_void);

impl Drop for Local {
    fn drop(&mut self) {
        // SAFETY: A function of the system allocated it for the caller, and nothing uses it any more.
        unsafe { LocalFree(self.0) };
    }
}

/// A security descriptor.
pub(crate) struct Descriptor(Local);

impl Descriptor {
    /// Owned by administrators, cut off from what its folder would hand down, and full control for the system,
    /// administrators and `accounts`, also over what is made inside.
    fn private(accounts: &[Sid]) -> io::Result<Self> {
        Self::parse(&format!("O:BA{}", private_sddl(accounts)))
    }

    /// The same, owned by whoever makes the folder.
    fn private_of_maker(accounts: &[Sid]) -> io::Result<Self> {
        Self::parse(&private_sddl(accounts))
    }

    /// Of a pipe: full control for the system, administrators and `account`, and nothing for others.
    pub(crate) fn private_pipe(account: &Sid) -> io::Result<Self> {
        Self::parse(&format!("D:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;{})", account.0))
    }

    /// Where it is, as long as it lives.
    pub(crate) fn as_ptr(&self) -> *mut c_void {
        self.0.0
    }

    fn parse(sddl: &str) -> io::Result<Self> {
        let sddl = wide(sddl)?;
        let mut descriptor = core::ptr::null_mut();
        // SAFETY: The text ends with a NUL, and `descriptor` takes one pointer; the size is not asked for.
        let made = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                sddl.as_ptr(),
                SDDL_REVISION_1,
                &mut descriptor,
                core::ptr::null_mut(),
            )
        };
        if made == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(Local(descriptor)))
    }
}

fn private_sddl(accounts: &[Sid]) -> String {
    let mut sddl = String::from("D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)");
    for account in accounts.iter().filter(|account| account.0 != SYSTEM) {
        sddl.push_str("(A;OICI;FA;;;");
        sddl.push_str(&account.0);
        sddl.push(')');
    }
    sddl
}

/// `process` is open for questions, or a pseudo handle.
fn process_user(process: HANDLE) -> io::Result<Sid> {
    let mut token: HANDLE = core::ptr::null_mut();
    // SAFETY: Every caller has the handle from a call that succeeded, and `token` takes one handle.
    if unsafe { OpenProcessToken(process, TOKEN_QUERY, &mut token) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let sid = token_user(token);
    // SAFETY: The handle was opened above and is not used afterwards.
    unsafe { CloseHandle(token) };
    sid
}

fn token_user(token: HANDLE) -> io::Result<Sid> {
    // A token's user is at most a pointer and 68 bytes; the words keep the structure aligned.
    let mut buffer = [0_u64; 32];
    let size = u32::try_from(size_of_val(&buffer)).map_err(io::Error::other)?;
    let mut needed = 0;
    // SAFETY: The token is open for queries, and the buffer has the size that is given.
    let told = unsafe { GetTokenInformation(token, TokenUser, buffer.as_mut_ptr().cast(), size, &mut needed) };
    if told == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The call filled in the structure at the start of the buffer, which is aligned for it.
    let user = unsafe { buffer.as_ptr().cast::<TOKEN_USER>().read() };
    sid_text(user.User.Sid)
}

fn lookup(name: &str) -> io::Result<Sid> {
    let name = wide(name)?;
    // The longest identifier has 68 bytes ("SECURITY_MAX_SID_SIZE"); the words keep it aligned.
    let mut sid = [0_u32; 17];
    let mut sid_size = u32::try_from(size_of_val(&sid)).map_err(io::Error::other)?;
    let mut domain = vec![0_u16; 256];
    let mut domain_length = 256;
    let mut kind = 0;
    loop {
        // SAFETY: The name ends with a NUL, and both buffers have the sizes that are given.
        let found = unsafe {
            LookupAccountNameW(
                core::ptr::null(),
                name.as_ptr(),
                sid.as_mut_ptr().cast(),
                &mut sid_size,
                domain.as_mut_ptr(),
                &mut domain_length,
                &mut kind,
            )
        };
        if found != 0 {
            return sid_text(sid.as_mut_ptr().cast());
        }
        let error = io::Error::last_os_error();
        let longer = domain_length as usize > domain.len();
        if error.raw_os_error() != Some(ERROR_INSUFFICIENT_BUFFER.cast_signed()) || !longer {
            return Err(error);
        }
        domain.resize(domain_length as usize, 0);
    }
}

/// `sid` points to a whole security identifier.
fn sid_text(sid: *mut c_void) -> io::Result<Sid> {
    let mut written = core::ptr::null_mut();
    // SAFETY: Every caller has the identifier from a call that succeeded, and `written` takes one pointer.
    if unsafe { ConvertSidToStringSidW(sid, &mut written) } == 0 {
        return Err(io::Error::last_os_error());
    }
    let _freed = Local(written.cast());
    // SAFETY: The call succeeded and left text with a NUL.
    let text = unsafe { text(written) };
    Ok(Sid(text.to_string_lossy().into_owned()))
}

fn binary(sid: &Sid) -> io::Result<Local> {
    let name = wide(&sid.0)?;
    let mut sid = core::ptr::null_mut();
    // SAFETY: The text ends with a NUL, and `sid` takes one pointer.
    if unsafe { ConvertStringSidToSidW(name.as_ptr(), &mut sid) } == 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Local(sid))
}

/// The absolute path in the form that has no length limit ("Maximum Path Length Limitation").
fn verbatim(path: &Path) -> io::Result<Vec<u16>> {
    let absolute = std::path::absolute(path)?;
    let mut name = OsString::new();
    if let Some(Component::Prefix(prefix)) = absolute.components().next() {
        match prefix.kind() {
            Prefix::Disk(_) => name.push(r"\\?\"),
            Prefix::UNC(server, share) => {
                name.push(r"\\?\UNC\");
                name.push(server);
                name.push(r"\");
                name.push(share);
                name.extend(
                    absolute
                        .components()
                        .skip(1)
                        .filter_map(|part| match part {
                            Component::Normal(part) => Some([OsString::from(r"\"), part.to_owned()]),
                            _ => None,
                        })
                        .flatten(),
                );
                return wide(name);
            }
            _ => {}
        }
    }
    name.push(&absolute);
    wide(name)
}

fn win32(status: u32) -> io::Result<()> {
    match status {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.cast_signed())),
    }
}

fn nt(status: NTSTATUS) -> io::Result<()> {
    if status >= 0 {
        return Ok(());
    }
    // SAFETY: The call reads a number and gives one.
    win32(unsafe { LsaNtStatusToWinError(status) })
}

#[cfg(test)]
mod tests;
