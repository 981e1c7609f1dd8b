//! Text for calls that take UTF-16 with a NUL at the end, and text that calls give back so.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::windows::ffi::{OsStrExt as _, OsStringExt as _};

/// Text for a call. Text with a NUL inside would name something else, and is refused.
pub fn wide(text: impl AsRef<OsStr>) -> io::Result<Vec<u16>> {
    let mut wide: Vec<u16> = text.as_ref().encode_wide().collect();
    if wide.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the text has a NUL inside"));
    }
    wide.push(0);
    Ok(wide)
}

/// Text that a call gave.
///
/// # Safety
///
/// `text` points to UTF-16 that ends with a NUL.
#[expect(unsafe_code, reason = "reads text behind a pointer")]
pub unsafe fn text(text: *const u16) -> OsString {
    let mut units = Vec::new();
    let mut next = text;
    loop {
        // SAFETY: `next` is in the text, at its NUL at the farthest.
        let unit = unsafe { next.read() };
        if unit == 0 {
            return OsString::from_wide(&units);
        }
        units.push(unit);
        // SAFETY: The text goes on behind a unit that is no NUL.
        next = unsafe { next.add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_there_and_back() {
        for sample in ["", "wsfcd", "Größe \u{1f980}"] {
            let wide = wide(sample).unwrap();
            assert_eq!(wide.last(), Some(&0));
            #[expect(unsafe_code, reason = "reads text behind a pointer")]
            // SAFETY: It ends with a NUL, as was just seen.
            let back = unsafe { text(wide.as_ptr()) };
            assert_eq!(back, sample);
        }
        assert_eq!(wide("a\0b").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
