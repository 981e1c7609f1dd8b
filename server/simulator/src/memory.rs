//! Reading and writing what C callers point to. Nothing is assumed to be aligned.

/// The longest name that is read from a caller, in UTF-16 units.
const LONGEST: usize = 32_768;

/// Reads a value.
///
/// # Safety
///
/// `source` must be readable for a `T`, and every bit pattern there must be a `T`.
pub(crate) unsafe fn read<T: Copy>(source: *const T) -> T {
    // SAFETY: The caller's promise; alignment is not needed.
    unsafe { source.read_unaligned() }
}

/// Writes a value; a NULL target is left alone.
///
/// # Safety
///
/// `target` must be NULL or writable for a `T`.
pub(crate) unsafe fn write<T: Copy>(target: *mut T, value: T) {
    if !target.is_null() {
        // SAFETY: The caller's promise; alignment is not needed.
        unsafe { target.write_unaligned(value) }
    }
}

/// Copies bytes.
///
/// # Safety
///
/// `target` must be writable for as many bytes as `bytes` has, and must not overlap them.
pub(crate) unsafe fn write_bytes(target: *mut u8, bytes: &[u8]) {
    // SAFETY: The caller's promise.
    unsafe { target.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
}

/// Copies bytes out of a buffer.
///
/// # Safety
///
/// `source` must be readable for `count` bytes, or NULL with a count of 0.
pub(crate) unsafe fn read_bytes(source: *const u8, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    if count > 0 {
        // SAFETY: The caller's promise; the vector has `count` bytes and is fresh.
        unsafe { bytes.as_mut_ptr().copy_from_nonoverlapping(source, count) }
    }
    bytes
}

/// Reads a NUL-terminated UTF-16 string; `None` for NULL. What is too long is cut, and unpaired surrogates are
/// replaced: such a name fits no object and is refused where it is used.
///
/// # Safety
///
/// `source` must be NULL or point to a NUL-terminated string.
pub(crate) unsafe fn text(source: *const u16) -> Option<String> {
    if source.is_null() {
        return None;
    }
    let mut units = Vec::new();
    while units.len() < LONGEST {
        // SAFETY: No NUL has been met before this unit, so it is part of the string.
        let unit = unsafe { read(source.wrapping_add(units.len())) };
        if unit == 0 {
            break;
        }
        units.push(unit);
    }
    Some(String::from_utf16_lossy(&units))
}

/// Text as UTF-16 with its NUL.
pub(crate) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
