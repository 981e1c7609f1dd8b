//! The texts of the running Windows for its codes.
#![cfg_attr(windows, expect(unsafe_code, reason = "the texts come from a C function"))]

/// What the system says about a Win32 code or COM status, without the full stop. Nothing elsewhere than on Windows.
///
/// Success is not asked about: nearly every progress report carries it.
pub(super) fn text(number: u32) -> Option<String> {
    #[cfg(windows)]
    if number != 0 {
        // In English, as everything else that the daemon says, or else in what the host speaks.
        return message(number, US_ENGLISH).or_else(|| message(number, HOST_LANGUAGE));
    }
    let _ = number;
    None
}

/// `MAKELANGID(LANG_ENGLISH, SUBLANG_ENGLISH_US)`.
#[cfg(windows)]
const US_ENGLISH: u32 = 0x409;
/// Neutral, then the thread's, the user's and the system's language.
#[cfg(windows)]
const HOST_LANGUAGE: u32 = 0;

/// A message of the system's table; `None` without one, and if it has a place for a word that only the failed call
/// could give.
#[cfg(windows)]
fn message(number: u32, language: u32) -> Option<String> {
    use windows_sys::Win32::System::Diagnostics::Debug::{
        FORMAT_MESSAGE_FROM_SYSTEM, FORMAT_MESSAGE_IGNORE_INSERTS, FormatMessageW,
    };

    /// `FORMAT_MESSAGE_MAX_WIDTH_MASK`: one line.
    const ONE_LINE: u32 = 0xFF;
    let flags = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | ONE_LINE;
    let (nothing, no_words) = (core::ptr::null(), core::ptr::null());
    let mut buffer = [0_u16; 1024];
    let room = u32::try_from(buffer.len()).unwrap_or(0);
    // SAFETY: The buffer has the room that is told, and the flags say that there are no words to insert.
    let units = unsafe { FormatMessageW(flags, nothing, number, language, buffer.as_mut_ptr(), room, no_words) };
    let text = String::from_utf16_lossy(buffer.get(..usize::try_from(units).ok()?)?);
    let text = text.trim_end_matches(|end: char| end == '.' || end.is_whitespace());
    (!text.is_empty() && !text.contains("%1")).then(|| text.to_owned())
}

#[cfg(all(test, windows))]
mod tests {
    use super::super::{Status, Win32, codes};
    use super::*;

    /// Codes whose own text says more than the system's, in other words.
    const OTHER_WORDS: &[u32] = &[1, 997, 1306];

    /// The beginnings of the words that carry a meaning: four letters, so that "resource" and "resources" are one.
    fn stems(text: &str) -> impl Iterator<Item = String> {
        text.split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| word.len() >= 4)
            .map(|word| word.to_ascii_lowercase().chars().take(4).collect())
    }

    // That each name has its number is checked at compile time, where the codes are listed.
    #[test]
    fn own_texts_mean_what_the_system_says() {
        let mut compared = 0;
        let mut strangers = Vec::new();
        for (code, name, own) in codes::CODES {
            let Some(system) = text(*code) else { continue };
            compared += 1;
            let words: Vec<_> = stems(&system).collect();
            if stems(own).all(|stem| !words.contains(&stem)) && !OTHER_WORDS.contains(code) {
                strangers.push(format!("{code} {name}\n  own: {own}\n  system: {system}"));
            }
        }
        assert!(strangers.is_empty(), "{}", strangers.join("\n"));
        // Wine has texts for few of them, none of a cluster's.
        assert!(compared > 30, "the system has texts for {compared} codes only");
    }

    #[test]
    fn a_code_without_a_name_here_shows_the_text_of_the_system() {
        // ERROR_PATH_NOT_FOUND is none of the codes of facts 2.7.
        let code = Win32(3);
        assert_eq!(code.name(), None);
        let shown = code.to_string();
        assert_eq!(shown, format!("3 ({})", text(3).unwrap()));
        assert!(shown.to_lowercase().contains("path"), "{shown}");
        assert!(Status::new(0x8007_0003).to_string().ends_with(&shown));
        assert_eq!(Win32(4_000_000_000).to_string(), "4000000000");
    }

    #[test]
    fn a_text_is_one_line_without_its_full_stop() {
        for code in Win32::known() {
            if let Some(text) = text(code.0) {
                assert_eq!(text.trim_end_matches(['.', ' ', '\r', '\n']), text);
                assert!(!text.contains(['\r', '\n']), "{text:?}");
            }
        }
    }
}
