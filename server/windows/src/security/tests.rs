//! Folders, their owners and access lists, and accounts, as far as Wine keeps them.

use super::*;

use windows_sys::Win32::Foundation::{GENERIC_WRITE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW, GetNamedSecurityInfoW,
};
use windows_sys::Win32::Security::SetFileSecurityW;
use windows_sys::Win32::Storage::FileSystem::{CREATE_NEW, CreateFileW, FILE_ATTRIBUTE_NORMAL};

fn written(path: &Path) -> String {
    let name = verbatim(path).unwrap();
    let mut descriptor = core::ptr::null_mut();
    // SAFETY: The path ends with a NUL, the parts are not asked for, and `descriptor` takes one pointer.
    let status = unsafe {
        GetNamedSecurityInfoW(
            name.as_ptr(),
            SE_FILE_OBJECT,
            OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
            core::ptr::null_mut(),
            core::ptr::null_mut(),
            core::ptr::null_mut(),
            core::ptr::null_mut(),
            &mut descriptor,
        )
    };
    win32(status).unwrap();
    let descriptor = Local(descriptor);
    let mut sddl = core::ptr::null_mut();
    // SAFETY: The descriptor is whole, and `sddl` takes one pointer; the length is not asked for.
    let made = unsafe {
        ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor.0,
            SDDL_REVISION_1,
            OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
            &mut sddl,
            core::ptr::null_mut(),
        )
    };
    assert_ne!(made, 0);
    let _freed = Local(sddl.cast());
    // SAFETY: The call succeeded and left text with a NUL.
    unsafe { text(sddl) }.into_string().unwrap()
}

#[test]
fn whoever_makes_a_file_owns_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "").unwrap();
    let owner = owner(&std::fs::File::open(&path).unwrap()).unwrap();
    assert!(
        owner == Sid::of_process().unwrap() || owner.is_administrative(),
        "{owner:?}"
    );
}

#[test]
fn a_private_folder_hands_full_control_down_to_few() {
    let user = Sid(String::from("S-1-5-21-1-2-3-1001"));
    assert_eq!(
        private_sddl(&[Sid(SYSTEM.into()), user]),
        "D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;S-1-5-21-1-2-3-1001)"
    );
}

#[test]
fn a_folder_is_made_private_and_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("parent").join("private");
    let me = [Sid::of_process().unwrap()];
    assert!(create_private_folder(&path, &me).unwrap());
    assert!(!create_private_folder(&path, &me).unwrap(), "it is there already");
    std::fs::write(path.join("inside"), "x").unwrap();
    let open = folder.path().join("open");
    std::fs::create_dir(&open).unwrap();
    make_private(&open, &me, &me).unwrap();
    check_folder(&open, &me).unwrap();
    std::fs::write(open.join("inside"), "x").unwrap();
    // Wine keeps a list as the mode of the file, and cuts no inheritance of a folder that is there.
    let list = written(&path);
    assert!(list.contains("(A;OICI;FA;;;SY)"), "{list}");
    assert!(list.contains(me[0].as_str()), "{list}");
    for everybody in [";;;WD)", ";;;BU)", ";;;AU)"] {
        assert!(!list.contains(everybody), "{list}");
    }
}

#[test]
fn a_folder_of_somebody_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("foreign");
    std::fs::create_dir(&path).unwrap();
    let me = Sid::of_process().unwrap();
    let owner = owner(&open_trusted(&path, 0, std::slice::from_ref(&me)).unwrap()).unwrap();
    if owner.is_administrative() {
        // An elevated administrator gives to the administrators whatever it makes.
        return check_folder(&path, &[]).unwrap();
    }
    for refused in [check_folder(&path, &[]), make_private(&path, &[me], &[])] {
        let error = refused.unwrap_err();
        assert!(error.to_string().contains(owner.as_str()), "{error}");
    }
}

#[test]
fn without_administrator_rights_a_folder_is_private_to_its_maker() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine");
    let me = [Sid::of_process().unwrap()];
    create_folder(&verbatim(&path).unwrap(), &Descriptor::private_of_maker(&me).unwrap()).unwrap();
    std::fs::write(path.join("inside"), "x").unwrap();
    check_folder(&path, &me).unwrap();
    let list = written(&path);
    for everybody in [";;;WD)", ";;;BU)", ";;;AU)"] {
        assert!(!list.contains(everybody), "{list}");
    }
}

#[test]
fn what_is_no_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(create_private_folder(&file, &[]).is_err());
    assert_eq!(
        make_private(&file, &[], &[]).unwrap_err().kind(),
        io::ErrorKind::NotADirectory
    );
    assert_eq!(
        check_folder(&file, &[]).unwrap_err().kind(),
        io::ErrorKind::NotADirectory
    );
    let drive = folder.path().ancestors().last().unwrap();
    assert_eq!(
        make_private(drive, &[], &[]).unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
    let missing = folder.path().join("missing");
    assert_eq!(
        make_private(&missing, &[], &[]).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
}

#[test]
fn long_paths_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder
        .path()
        .join("x".repeat(120))
        .join("y".repeat(120))
        .join("z".repeat(120));
    assert!(create_private_folder(&path, &[Sid::of_process().unwrap()]).unwrap());
    std::fs::write(path.join("inside"), "x").unwrap();
}

#[test]
fn paths_lose_their_limit() {
    let name = |path: &str| {
        let mut name = verbatim(Path::new(path)).unwrap();
        assert_eq!(name.pop(), Some(0));
        String::from_utf16(&name).unwrap()
    };
    assert_eq!(name(r"C:\a/b\..\c"), r"\\?\C:\a\c");
    assert_eq!(name(r"\\host\share\a\b"), r"\\?\UNC\host\share\a\b");
    assert_eq!(name(r"\\?\C:\a"), r"\\?\C:\a");
}

#[test]
fn accounts_have_identifiers() {
    assert_eq!(Sid::of_account("localsystem").unwrap().as_str(), SYSTEM);
    assert_eq!(
        Sid::of_account(r"NT AUTHORITY\NetworkService").unwrap().as_str(),
        "S-1-5-20"
    );
    assert_eq!(
        Sid::of_account(r"BUILTIN\Administrators").unwrap().as_str(),
        "S-1-5-32-544"
    );
    assert!(Sid::of_account(r"NOWHERE\nobody-at-all").is_err());
}

/// Makes an empty file with an access list of its own.
fn make_file(path: &Path, sddl: &str) {
    let (name, descriptor) = (verbatim(path).unwrap(), Descriptor::parse(sddl).unwrap());
    let attributes = SECURITY_ATTRIBUTES {
        nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap(),
        lpSecurityDescriptor: descriptor.as_ptr(),
        bInheritHandle: 0,
    };
    // SAFETY: The path ends with a NUL, and the descriptor lives until the call returns.
    let file = unsafe {
        CreateFileW(
            name.as_ptr(),
            GENERIC_WRITE,
            0,
            &attributes,
            CREATE_NEW,
            FILE_ATTRIBUTE_NORMAL,
            core::ptr::null_mut(),
        )
    };
    assert_ne!(file, INVALID_HANDLE_VALUE, "{}", io::Error::last_os_error());
    // SAFETY: The handle was opened above and is not used afterwards.
    unsafe { CloseHandle(file) };
    // Again, since Wine takes the file mode creation mask of its process off the first one.
    // SAFETY: As above.
    let set = unsafe { SetFileSecurityW(name.as_ptr(), DACL_SECURITY_INFORMATION, descriptor.as_ptr()) };
    assert_ne!(set, 0, "{}", io::Error::last_os_error());
}

#[test]
fn who_reads_a_file_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let (private, open) = (folder.path().join("private"), folder.path().join("open"));
    let own = Sid::of_process().unwrap();
    make_file(&private, &format!("D:P(A;;FA;;;SY)(A;;FA;;;{})", own.as_str()));
    let few = readers(&private).unwrap();
    assert!(
        few.iter().all(|reader| *reader == own || reader.is_administrative()),
        "{few:?}"
    );
    make_file(&open, &format!("D:P(A;;FA;;;{})(A;;FR;;;WD)", own.as_str()));
    let all = readers(&open).unwrap();
    assert!(all.contains(&Sid("S-1-1-0".into())), "{all:?}");
}
