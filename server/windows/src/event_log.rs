//! The event log: the registration of a source, and its events.

#![expect(unsafe_code, reason = "events are reported by C functions")]

use std::io;
use std::path::Path;

use windows_registry::LOCAL_MACHINE;
use windows_sys::Win32::Foundation::{ERROR_FILE_NOT_FOUND, HANDLE};
use windows_sys::Win32::System::EventLog::{
    DeregisterEventSource, EVENTLOG_ERROR_TYPE, EVENTLOG_INFORMATION_TYPE, EVENTLOG_WARNING_TYPE, RegisterEventSourceW,
    ReportEventW,
};

use crate::wide::wide;

/// The sources of the Application log.
const SOURCES: &str = r"SYSTEM\CurrentControlSet\Services\EventLog\Application";
/// The most UTF-16 units in the strings of one event. The log takes 31,839 in one, and 61,440 bytes of an event in all
/// ("ReportEventW").
const MOST_UNITS: usize = 30_000;

/// How bad an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It went as it should.
    Information,
    /// Somebody may want to look.
    Warning,
    /// Somebody must look.
    Error,
}

/// A source that events are reported by.
#[derive(Debug)]
pub struct EventSource(HANDLE);

// SAFETY: The handle belongs to no thread ("RegisterEventSourceW"), and the system guards the log.
unsafe impl Send for EventSource {}
// SAFETY: As above; reporting changes nothing of the handle.
unsafe impl Sync for EventSource {}

impl EventSource {
    /// Opens the source. One that nobody [installed](install) works as well; its events show without their texts.
    ///
    /// # Errors
    ///
    /// The event log does not run, or refuses the name.
    pub fn open(name: &str) -> io::Result<Self> {
        let name = wide(name)?;
        // SAFETY: NULL is this host, and the name ends with a NUL.
        let handle = unsafe { RegisterEventSourceW(core::ptr::null(), name.as_ptr()) };
        if handle.is_null() {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(handle))
    }

    /// Reports one event: its whole 32-bit id, as the message table has it, and the strings for its text. Strings are cut
    /// where the log takes no more. A viewer takes `%1` in a string for a place to insert at; the caller sees to that.
    ///
    /// # Errors
    ///
    /// The event log did not take it.
    pub fn report(&self, severity: Severity, id: u32, strings: &[&str]) -> io::Result<()> {
        let strings = insertions(strings);
        let pointers: Vec<*const u16> = strings.iter().map(Vec::as_ptr).collect();
        let count = u16::try_from(pointers.len()).map_err(io::Error::other)?;
        let kind = match severity {
            Severity::Information => EVENTLOG_INFORMATION_TYPE,
            Severity::Warning => EVENTLOG_WARNING_TYPE,
            Severity::Error => EVENTLOG_ERROR_TYPE,
        };
        // SAFETY: The handle is open, `pointers` holds `count` texts that end with a NUL and live until the call returns,
        // and there is neither a user nor raw data.
        let taken = unsafe {
            ReportEventW(
                self.0,
                kind,
                0,
                id,
                core::ptr::null_mut(),
                count,
                0,
                pointers.as_ptr(),
                core::ptr::null(),
            )
        };
        if taken == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

impl Drop for EventSource {
    fn drop(&mut self) {
        // SAFETY: The handle is open and is not used afterwards.
        unsafe { DeregisterEventSource(self.0) };
    }
}

/// The strings as the call takes them: each ends at its NUL, and together they are no more than the log takes.
fn insertions(strings: &[&str]) -> Vec<Vec<u16>> {
    let mut room = MOST_UNITS;
    let mut taken = Vec::with_capacity(strings.len());
    for string in strings {
        let mut units = Vec::new();
        for character in string.chars().filter(|character| *character != '\0') {
            let mut encoded = [0; 2];
            let Some(left) = room.checked_sub(character.len_utf16()) else {
                break;
            };
            room = left;
            units.extend_from_slice(character.encode_utf16(&mut encoded));
        }
        units.push(0);
        taken.push(units);
    }
    taken
}

/// What the registry says of a source.
#[derive(Debug, PartialEq, Eq)]
pub struct Registration {
    /// The file with the message table.
    pub message_file: String,
    /// The kinds of events that it reports, as flags.
    pub types: u32,
}

/// Looks whether a source is missing, or has its texts from a file of this name, wherever that was.
///
/// # Errors
///
/// The source is another program's, or the registry refused.
pub fn check(source: &str, message_file: &Path) -> io::Result<()> {
    let Some(present) = registration(source)? else {
        return Ok(());
    };
    let ours = Path::new(&present.message_file).file_name().is_some_and(|name| {
        message_file
            .file_name()
            .is_some_and(|ours| name.eq_ignore_ascii_case(ours))
    });
    if ours {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::AlreadyExists,
        format!(
            "the source {source} of the event log is another program's, with texts from {}",
            present.message_file
        ),
    ))
}

/// Registers a source of the Application log, or changes its message file.
///
/// # Errors
///
/// The source is another program's, or the registry refused, normally for want of administrator rights.
pub fn install(source: &str, message_file: &Path) -> io::Result<()> {
    check(source, message_file)?;
    let key = LOCAL_MACHINE.create(format!(r"{SOURCES}\{source}")).map_err(refused)?;
    let file = message_file
        .to_str()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path is not valid Unicode"))?;
    key.set_expand_string("EventMessageFile", file).map_err(refused)?;
    let types = EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE | EVENTLOG_INFORMATION_TYPE;
    key.set_u32("TypesSupported", u32::from(types)).map_err(refused)
}

/// Removes the registration of a source; says whether there was one. Its events stay in the log, without their texts.
///
/// # Errors
///
/// The source is another program's, or the registry refused.
pub fn remove(source: &str, message_file: &Path) -> io::Result<bool> {
    if registration(source)?.is_none() {
        return Ok(false);
    }
    check(source, message_file)?;
    let sources = LOCAL_MACHINE.options().read().write().open(SOURCES).map_err(refused)?;
    sources.remove_tree(source).map_err(refused)?;
    Ok(true)
}

/// Reads the registration of a source, if there is one.
///
/// # Errors
///
/// The registry refused.
pub fn registration(source: &str) -> io::Result<Option<Registration>> {
    let key = match LOCAL_MACHINE.open(format!(r"{SOURCES}\{source}")).map_err(refused) {
        Ok(key) => key,
        Err(error) if error.raw_os_error() == Some(ERROR_FILE_NOT_FOUND.cast_signed()) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(Registration {
        message_file: key.get_string("EventMessageFile").map_err(refused)?,
        types: key.get_u32("TypesSupported").map_err(refused)?,
    }))
}

/// The Win32 code of an HRESULT that stands for one.
fn refused(error: impl Into<io::Error>) -> io::Error {
    const FACILITY_WIN32: u32 = 0x8007_0000;
    let error: io::Error = error.into();
    match error.raw_os_error().map(i32::cast_unsigned) {
        Some(code) if code & 0xFFFF_0000 == FACILITY_WIN32 => {
            io::Error::from_raw_os_error((code & 0xFFFF).cast_signed())
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(units: &[u16]) -> String {
        let (last, text) = units.split_last().unwrap();
        assert_eq!(*last, 0);
        String::from_utf16(text).unwrap()
    }

    #[test]
    fn a_string_ends_at_its_end_only() {
        let strings = insertions(&["a\0b", "", "Größe"]);
        let texts: Vec<String> = strings.iter().map(|units| text(units)).collect();
        assert_eq!(texts, ["ab", "", "Größe"]);
    }

    #[test]
    fn long_strings_are_cut_between_characters() {
        let long = "\u{1f980}".repeat(MOST_UNITS);
        let strings = insertions(&["before", &long, "after"]);
        assert_eq!(strings.len(), 3);
        let units: usize = strings.iter().map(|units| units.len() - 1).sum();
        assert!(units <= MOST_UNITS, "{units}");
        assert!(text(&strings[1]).chars().all(|character| character == '\u{1f980}'));
        assert_eq!(text(&strings[2]), "", "nothing is left for the last");
    }

    #[test]
    fn a_source_is_registered_changed_and_removed() {
        let source = format!("wsfcd-test-{}", std::process::id());
        assert_eq!(registration(&source).unwrap(), None);
        let program = Path::new(r"D:\elsewhere\WSFCD.exe");
        assert!(!remove(&source, program).unwrap());
        for file in [r"C:\Program Files\wsfcd\wsfcd.exe", r"C:\wsfcd.exe"] {
            install(&source, Path::new(file)).unwrap();
            let registered = registration(&source).unwrap().unwrap();
            assert_eq!(
                registered,
                Registration {
                    message_file: file.into(),
                    types: 7
                }
            );
        }
        let opened = EventSource::open(&source).unwrap();
        opened
            .report(Severity::Information, 0x4000_03E8, &["one", "two"])
            .unwrap();
        drop(opened);
        let other = Path::new(r"C:\Windows\System32\msimsg.dll");
        for refused in [install(&source, other), remove(&source, other).map(drop)] {
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        }
        assert!(remove(&source, program).unwrap());
        assert_eq!(registration(&source).unwrap(), None);
    }
}
