//! The files of a log.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use crate::LONGEST_LINE;

/// The file beside the log that holds its last [`Anchor`](crate::Anchor), as far as it was written.
pub const ANCHOR_FILE: &str = "wsfcd-audit.anchor";

const PREFIX: &str = "wsfcd-audit-";
const SUFFIX: &str = ".jsonl";

/// A file of a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AuditFile {
    /// Its number; files are read in this order.
    pub number: u64,
    /// Where it is.
    pub path: PathBuf,
}

impl AuditFile {
    /// Its name.
    pub fn name(&self) -> String {
        name_of(&self.path)
    }
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// The name of a file of a log.
pub fn file_name(number: u64) -> String {
    format!("{PREFIX}{number:08}{SUFFIX}")
}

/// The files of a log in a folder, in their order; other files are passed over. A path to a file is that file alone.
///
/// # Errors
///
/// The folder cannot be read, or there is nothing at the path.
pub fn files(path: &Path) -> io::Result<Vec<AuditFile>> {
    if !path.is_dir() {
        path.metadata()?;
        let number = number_of(&name_of(path)).unwrap_or(1);
        return Ok(vec![AuditFile {
            number,
            path: path.to_owned(),
        }]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        if let Some(number) = number_of(&name_of(&path)) {
            files.push(AuditFile { number, path });
        }
    }
    files.sort();
    Ok(files)
}

fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let number = digits.parse().ok()?;
    // Another spelling of the number would be another file of the same place.
    (file_name(number) == name).then_some(number)
}

/// The lines of a file, in bounded memory.
#[derive(Debug)]
pub struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    /// The bytes of the file up to the end of the last line.
    offset: u64,
}

/// A line that was read.
#[derive(Debug, PartialEq, Eq)]
pub struct ReadLine<'a> {
    /// Its bytes without its end; of one that is too long, only as many as show it.
    pub bytes: &'a [u8],
    /// Whether it has an end.
    pub is_whole: bool,
    /// Where it begins.
    pub start: u64,
}

impl Lines<BufReader<File>> {
    /// The lines of a file.
    ///
    /// # Errors
    ///
    /// The file cannot be opened.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        Ok(Self::new(BufReader::with_capacity(64 * 1024, File::open(path)?)))
    }
}

impl<R: BufRead> Lines<R> {
    /// The lines of a reader.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            line: Vec::new(),
            offset: 0,
        }
    }

    /// How many bytes were read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line, or none at the end.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<ReadLine<'_>>> {
        self.line.clear();
        let start = self.offset;
        let mut is_whole = false;
        loop {
            let read = self.reader.fill_buf()?;
            if read.is_empty() {
                break;
            }
            let end = read.iter().position(|byte| *byte == b'\n');
            let part = &read[..end.unwrap_or(read.len())];
            let room = (LONGEST_LINE + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            let taken = part.len() + usize::from(end.is_some());
            self.reader.consume(taken);
            self.offset += taken as u64;
            if end.is_some() {
                is_whole = true;
                break;
            }
        }
        Ok((self.offset > start).then_some(ReadLine {
            bytes: &self.line,
            is_whole,
            start,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_in_order_and_others_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            &file_name(10),
            &file_name(9),
            ANCHOR_FILE,
            "wsfcd-audit-1.jsonl",
            "wsfcd-audit-00000009.jsonl.torn",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let numbers: Vec<_> = files(folder.path()).unwrap().iter().map(|file| file.number).collect();
        assert_eq!(numbers, [9, 10]);
        let one = files(&folder.path().join(file_name(10))).unwrap();
        assert_eq!((one.len(), one[0].name()), (1, file_name(10)));
        assert!(files(&folder.path().join("none")).is_err());
    }

    #[test]
    fn lines_are_read_with_their_places_in_bounded_memory() {
        let long = vec![b'x'; 3 * LONGEST_LINE];
        let text = [b"ab\n\n".as_slice(), &long, b"\nend"].concat();
        let mut lines = Lines::new(BufReader::with_capacity(100, text.as_slice()));
        let mut read = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            read.push((line.bytes.len(), line.is_whole, line.start));
        }
        let after = 4 + long.len() as u64 + 1;
        assert_eq!(
            read,
            [
                (2, true, 0),
                (0, true, 3),
                (LONGEST_LINE + 1, true, 4),
                (3, false, after)
            ]
        );
    }
}
