//! UTF-16 text for and from C, and buffers that grow until an answer fits.
#![expect(unsafe_code, reason = "text from C is read through pointers")]

use zeroize::Zeroizing;

use crate::error::{Error, TextProblem};
use crate::sys::types::PCWSTR;
use crate::win32::Win32;

/// Longest text for C in UTF-16 units, without the NUL: a counted Windows string holds no more.
const LONGEST: usize = 32_766;

/// Times that a buffer is enlarged before the call counts as failed: what grows while it is read settles soon.
pub(crate) const ATTEMPTS: usize = 8;

/// Longest answer in bytes. Property lists stay well below 2 MB (facts 3.1).
pub(crate) const LONGEST_ANSWER: u32 = 64 << 20;

/// A NUL-terminated UTF-16 string. It is wiped when dropped, because some are passwords.
pub(crate) struct WideString(Zeroizing<Vec<u16>>);

impl WideString {
    /// Encodes the text of a field; an interior NUL or an overlong text is refused.
    pub(crate) fn new(field: &'static str, text: &str) -> Result<Self, Error> {
        if text.contains('\0') {
            return Err(Error::Text {
                field,
                problem: TextProblem::InteriorNul,
            });
        }
        let units = text.encode_utf16().count();
        if units > LONGEST {
            return Err(Error::Text {
                field,
                problem: TextProblem::TooLong { units, limit: LONGEST },
            });
        }
        // Sized in advance: a vector that grows leaves copies behind that are not wiped.
        let mut wide = Zeroizing::new(Vec::with_capacity(units + 1));
        wide.extend(text.encode_utf16());
        wide.push(0);
        Ok(Self(wide))
    }

    /// The same for a text that may be absent.
    pub(crate) fn optional(field: &'static str, text: Option<&str>) -> Result<Option<Self>, Error> {
        text.map(|text| Self::new(field, text)).transpose()
    }

    /// The string for C, valid as long as `self`.
    pub(crate) fn as_ptr(&self) -> PCWSTR {
        self.0.as_ptr()
    }
}

impl core::fmt::Debug for WideString {
    /// Without the text, which may be a password.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("WideString")
            .field("units", &self.0.len())
            .finish_non_exhaustive()
    }
}

/// The string for C, or NULL.
pub(crate) fn pointer_or_null(text: Option<&WideString>) -> PCWSTR {
    text.map_or(core::ptr::null(), WideString::as_ptr)
}

/// The text before the first NUL, or all of it. Unpaired surrogates become replacement characters.
pub(crate) fn text(units: &[u16]) -> String {
    let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    decode(&units[..end])
}

/// The text before the first NUL in UTF-16 that lies in bytes.
pub(crate) fn text_of_bytes(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|unit| u16::from_le_bytes(*unit))
        .collect();
    text(&units)
}

/// The texts of a MULTI_SZ: each ends with a NUL, the last with one more, which is tolerated when it is not there.
pub(crate) fn texts_of_bytes(bytes: &[u8]) -> Vec<String> {
    let units: Vec<u16> = bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|unit| u16::from_le_bytes(*unit))
        .collect();
    units
        .split(|unit| *unit == 0)
        .take_while(|text| !text.is_empty())
        .map(decode)
        .collect()
}

/// UTF-16 with a NUL behind, as control codes take texts.
pub(crate) fn bytes_of_text(field: &'static str, text: &str) -> Result<Vec<u8>, Error> {
    let wide = WideString::new(field, text)?;
    Ok(wide.0.iter().flat_map(|unit| unit.to_le_bytes()).collect())
}

/// A MULTI_SZ of names; no units if there are none.
pub(crate) fn names_for_c(field: &'static str, names: &[&str]) -> Result<Vec<u16>, Error> {
    let mut units = Vec::new();
    for name in names {
        let name = WideString::new(field, name)?;
        units.extend_from_slice(&name.0);
    }
    if !units.is_empty() {
        units.push(0);
    }
    Ok(units)
}

/// Copies a NUL-terminated string from C, at most `limit` units of it; NULL is none.
///
/// # Safety
///
/// `string` must be NULL, or readable up to its NUL or `limit` units, whichever comes first.
pub unsafe fn copy(string: PCWSTR, limit: usize) -> Option<String> {
    if string.is_null() {
        return None;
    }
    let mut length = 0;
    while length < limit {
        // SAFETY: No NUL came before this unit and it is below the limit, so by the contract it is inside the string.
        let unit = unsafe { string.add(length) };
        // SAFETY: As above, the unit is readable. C promises no alignment.
        if unsafe { unit.read_unaligned() } == 0 {
            break;
        }
        length += 1;
    }
    if string.is_aligned() {
        // SAFETY: The loop has read exactly these units, and the pointer is aligned.
        let units = unsafe { core::slice::from_raw_parts(string, length) };
        return Some(decode(units));
    }
    let units: Vec<u16> = (0..length)
        .map(|index| {
            // SAFETY: The loop has read this unit.
            let unit = unsafe { string.add(index) };
            // SAFETY: As above; the read needs no alignment.
            unsafe { unit.read_unaligned() }
        })
        .collect();
    Some(decode(&units))
}

/// The text of the units. Names are nearly always ASCII, and this runs in every callback, so ASCII has a short way.
fn decode(units: &[u16]) -> String {
    if units.iter().fold(0, |bits, unit| bits | unit) >= 0x80 {
        return String::from_utf16_lossy(units);
    }
    let bytes = units.iter().map(|unit| unit.to_le_bytes()[0]).collect();
    // SAFETY: Every unit is below 0x80, as just tested, so every byte is an ASCII character.
    unsafe { String::from_utf8_unchecked(bytes) }
}

/// A text answer. `call` gets a buffer and its capacity in units including the NUL, and sets the length without it.
pub(crate) fn read_text(
    function: &'static str,
    mut call: impl FnMut(&mut [u16], &mut u32) -> Win32,
) -> Result<String, Error> {
    let mut capacity: u32 = 256;
    for _ in 0..ATTEMPTS {
        let mut buffer = vec![0_u16; capacity as usize];
        let mut units = capacity;
        match call(&mut buffer, &mut units) {
            Win32::ERROR_SUCCESS => return Ok(text(&buffer)),
            // The needed length leaves out the NUL (facts 2.1). Twice the last size guards against a call that says
            // nothing useful.
            Win32::ERROR_MORE_DATA => capacity = units.saturating_add(1).max(capacity * 2),
            code => return Err(Error::Call { function, code }),
        }
        if capacity > LONGEST_ANSWER / 2 {
            break;
        }
    }
    Err(Error::Call {
        function,
        code: Win32::ERROR_MORE_DATA,
    })
}

/// Bytes that are aligned like a 64-bit number, so that C may write structs there.
pub(crate) struct AlignedBuffer {
    words: Vec<u64>,
}

impl AlignedBuffer {
    /// At least this many bytes, all zero.
    pub(crate) fn zeroed(bytes: u32) -> Self {
        Self {
            words: vec![0; (bytes as usize).div_ceil(size_of::<u64>())],
        }
    }

    /// A copy of bytes that may lie anywhere.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let words = bytes.chunks(size_of::<u64>()).map(|chunk| {
            let mut word = [0; size_of::<u64>()];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_ne_bytes(word)
        });
        Self { words: words.collect() }
    }

    /// Where C may write.
    pub(crate) fn as_mut_ptr<T>(&mut self) -> *mut T {
        const { assert!(align_of::<T>() <= align_of::<u64>()) };
        self.words.as_mut_ptr().cast()
    }

    /// The first bytes, at most all.
    pub(crate) fn bytes(&self, length: usize) -> &[u8] {
        let length = length.min(self.words.len() * size_of::<u64>());
        // SAFETY: The words are initialised, bytes need no alignment, and the length is at most theirs.
        unsafe { core::slice::from_raw_parts(self.words.as_ptr().cast(), length) }
    }
}

/// A binary answer: the buffer and the number of bytes in it. `call` gets the buffer and its size in bytes, which it
/// sets to the bytes returned or needed.
pub(crate) fn read_bytes(
    function: &'static str,
    first: u32,
    mut call: impl FnMut(&mut AlignedBuffer, &mut u32) -> Win32,
) -> Result<(AlignedBuffer, u32), Error> {
    let mut capacity = first;
    for _ in 0..ATTEMPTS {
        let mut buffer = AlignedBuffer::zeroed(capacity);
        let mut bytes = capacity;
        match call(&mut buffer, &mut bytes) {
            Win32::ERROR_SUCCESS => return Ok((buffer, bytes.min(capacity))),
            // A count that did not grow would loop without progress.
            Win32::ERROR_MORE_DATA => capacity = bytes.max(capacity.saturating_mul(2)),
            code => return Err(Error::Call { function, code }),
        }
        if capacity > LONGEST_ANSWER {
            break;
        }
    }
    Err(Error::Call {
        function,
        code: Win32::ERROR_MORE_DATA,
    })
}

/// A buffer for many binary answers one after the other, which keeps the size of the longest.
pub(crate) struct ReusedBuffer {
    buffer: AlignedBuffer,
    capacity: u32,
}

impl ReusedBuffer {
    pub(crate) fn new(first: u32) -> Self {
        Self {
            buffer: AlignedBuffer::zeroed(first),
            capacity: first,
        }
    }

    /// Reads one answer; `call` is as for [`read_bytes`]. What an earlier answer left in the buffer is still there.
    pub(crate) fn read(
        &mut self,
        function: &'static str,
        mut call: impl FnMut(&mut AlignedBuffer, &mut u32) -> Win32,
    ) -> Result<&mut AlignedBuffer, Error> {
        for _ in 0..ATTEMPTS {
            let mut bytes = self.capacity;
            match call(&mut self.buffer, &mut bytes) {
                Win32::ERROR_SUCCESS => return Ok(&mut self.buffer),
                // A count that did not grow would loop without progress.
                Win32::ERROR_MORE_DATA => self.capacity = bytes.max(self.capacity.saturating_mul(2)),
                code => return Err(Error::Call { function, code }),
            }
            if self.capacity > LONGEST_ANSWER {
                self.capacity = LONGEST_ANSWER;
                break;
            }
            self.buffer = AlignedBuffer::zeroed(self.capacity);
        }
        Err(Error::Call {
            function,
            code: Win32::ERROR_MORE_DATA,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_for_c_is_terminated_and_checked() {
        let wide = WideString::new("name", "Grün").unwrap();
        assert_eq!(wide.0.as_slice(), &[0x47, 0x72, 0xFC, 0x6E, 0]);
        assert_eq!(
            WideString::new("name", "a\0b").err().unwrap().to_string(),
            "name contains a NUL character"
        );
        let long = "x".repeat(LONGEST + 1);
        assert_eq!(
            WideString::new("name", &long).err().unwrap().to_string(),
            "name is too long: 32767 UTF-16 units, at most 32766"
        );
        // Wiping so long a text unit by unit takes minutes under Miri.
        if cfg!(not(miri)) {
            assert!(WideString::new("name", &long[1..]).is_ok());
        }
    }

    #[test]
    fn text_from_c_is_bounded_and_lossy() {
        let units = [0x41, 0xD800, 0x42, 0, 0x43];
        // SAFETY: The string ends with a NUL inside the array.
        assert_eq!(unsafe { copy(units.as_ptr(), 1024) }.unwrap(), "A\u{FFFD}B");
        let endless = [0x41_u16; 4];
        // SAFETY: The limit is the length of the array.
        assert_eq!(unsafe { copy(endless.as_ptr(), 4) }.unwrap(), "AAAA");
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { copy(core::ptr::null(), 4) }, None);
        let bytes = [9_u8, 0x41, 0, 0x42, 0, 0, 0];
        for start in 0..2 {
            // SAFETY: Both starts lie inside the array.
            let string = unsafe { bytes.as_ptr().add(start) };
            // SAFETY: Two units from either start lie inside the array.
            assert!(unsafe { copy(string.cast(), 2) }.is_some());
        }
    }

    #[test]
    fn a_text_answer_grows_to_the_need() {
        let long: Vec<u16> = "y".repeat(1000).encode_utf16().collect();
        let mut calls = 0;
        let answer = read_text("F", |buffer, units| {
            calls += 1;
            *units = 1000;
            if buffer.len() < 1001 {
                return Win32::ERROR_MORE_DATA;
            }
            buffer[..1000].copy_from_slice(&long);
            Win32::ERROR_SUCCESS
        });
        assert_eq!(answer.unwrap().len(), 1000);
        assert_eq!(calls, 2);
    }

    #[test]
    fn answers_that_never_fit_end_with_an_error() {
        let mut calls = 0;
        let endless = read_text("F", |_, units| {
            calls += 1;
            *units = 0;
            Win32::ERROR_MORE_DATA
        });
        assert_eq!(endless.unwrap_err().code(), Some(Win32::ERROR_MORE_DATA));
        assert!(calls <= ATTEMPTS);
        let huge = read_bytes("F", 16, |_, bytes| {
            *bytes = u32::MAX;
            Win32::ERROR_MORE_DATA
        });
        assert_eq!(huge.err().unwrap().code(), Some(Win32::ERROR_MORE_DATA));
    }
}
