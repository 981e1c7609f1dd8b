//! A cluster database of a few values, and the cluster API that reads it.

use core::ffi::{CStr, c_char, c_void};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use wsfc_clusapi::sys::types::{HKEY, PCWSTR};
use wsfc_clusapi::text_from_c;

/// What a key below a resource's own is told by.
const BELOW: HKEY = 1 << 40;

type Values = HashMap<(HKEY, String), (u32, Vec<u8>)>;

static VALUES: LazyLock<Mutex<Values>> = LazyLock::new(Mutex::default);

fn units(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

fn set(key: HKEY, name: &str, kind: u32, data: Vec<u8>) {
    VALUES.lock().unwrap().insert((key, name.to_owned()), (kind, data));
}

/// Sets a common property.
pub(crate) fn set_common(key: HKEY, name: &str, number: u32) {
    set(key, name, 4, number.to_le_bytes().to_vec());
}

/// Sets a private property.
pub(crate) fn set_private(key: HKEY, name: &str, number: u32) {
    set(key + BELOW, name, 4, number.to_le_bytes().to_vec());
}

/// Sets a private property.
pub(crate) fn set_text(key: HKEY, name: &str, text: &str) {
    set(key + BELOW, name, 1, units(text));
}

/// Sets a private property.
pub(crate) fn set_texts(key: HKEY, name: &str, texts: &[&str]) {
    let mut data: Vec<u8> = texts.iter().flat_map(|text| units(text)).collect();
    data.extend([0, 0]);
    set(key + BELOW, name, 7, data);
}

unsafe extern "system" fn open_key(key: HKEY, path: PCWSTR, _: u32, opened: *mut HKEY) -> i32 {
    // SAFETY: The path ends with a NUL.
    assert_eq!(unsafe { text_from_c(path, 100) }.as_deref(), Some("Parameters"));
    // SAFETY: The caller gives a place.
    unsafe { opened.write(key + BELOW) };
    0
}

unsafe extern "system" fn query_value(key: HKEY, name: PCWSTR, kind: *mut u32, data: *mut u8, bytes: *mut u32) -> i32 {
    // SAFETY: The name ends with a NUL.
    let name = unsafe { text_from_c(name, 100) }.unwrap();
    let Some((number, value)) = VALUES.lock().unwrap().get(&(key, name)).cloned() else {
        return 2;
    };
    // SAFETY: The caller gives the size.
    let room = unsafe { bytes.replace(u32::try_from(value.len()).unwrap()) };
    if (room as usize) < value.len() {
        return 234;
    }
    // SAFETY: The caller gives a place.
    unsafe { kind.write(number) };
    // SAFETY: The value fits, as just tested.
    unsafe { core::ptr::copy_nonoverlapping(value.as_ptr(), data, value.len()) };
    0
}

extern "system" fn close_key(key: HKEY) -> i32 {
    assert!(key >= BELOW, "the DLL closes the monitor's key");
    0
}

/// Finds the functions of this cluster API.
pub(crate) unsafe extern "system" fn resolve(name: *const c_char) -> *const c_void {
    // SAFETY: The name ends with a NUL.
    match unsafe { CStr::from_ptr(name) }.to_bytes() {
        b"ClusterRegOpenKey" => open_key as *const c_void,
        b"ClusterRegQueryValue" => query_value as *const c_void,
        b"ClusterRegCloseKey" => close_key as *const c_void,
        _ => core::ptr::null(),
    }
}
