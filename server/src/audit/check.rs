//! What a log was left as: where it ends, and what is wrong with its end.

use std::io;
use std::path::Path;

use wsfc_audit::{ANCHOR_FILE, Anchor, AuditFile, Digest, Fault, Lines, Verifier, file_name, files};

/// How a log goes on.
#[derive(Debug)]
pub(super) struct Left {
    /// The last entry; sequence number 0 and no hash where there is none.
    pub(super) last: Anchor,
    /// The file to go on with, and how many of its bytes are whole lines. Absent: a fresh one.
    pub(super) file: Option<(AuditFile, u64)>,
    /// The number of a fresh file.
    pub(super) next_file: u64,
    /// The name of the last file, for the one that follows it.
    pub(super) former: Option<String>,
    /// The bytes of an unfinished line at the end of `file`.
    pub(super) torn: u64,
    /// What is not as it was left; then there is a fresh file.
    pub(super) alarm: Option<String>,
}

/// Looks at the end of the log in a folder: its last file with all lines, and the anchor file.
pub(super) fn look(folder: &Path) -> io::Result<Left> {
    let files = files(folder)?;
    let (anchor, mut alarm) = match read_anchor(folder)? {
        Ok(anchor) => (anchor, None),
        Err(why) => (None, Some(why)),
    };
    let next_file = files.last().map_or(1, |file| file.number.saturating_add(1));
    let former = files.last().map(AuditFile::name);
    // A file of no line is one that was about to be begun: the log ends in the one before it.
    let mut end = None;
    let mut begun: Option<(&AuditFile, Tail)> = None;
    for file in files.iter().rev() {
        let tail = read(file)?;
        if !tail.is_empty {
            end = Some((file, tail));
            break;
        }
        begun.get_or_insert((file, tail));
    }
    let mut last = Anchor {
        sequence: 0,
        hash: Digest::ZERO,
    };
    let mut goes_on = None;
    let mut torn = 0;
    if let Some((file, tail)) = end {
        last = tail.last.unwrap_or(last);
        if let Some(fault) = tail.fault {
            alarm.get_or_insert_with(|| format!("{} is not as it was written: {fault}", file.name()));
        }
        torn = tail.torn;
        goes_on = Some((file.clone(), tail.whole));
    }
    if let Some((file, tail)) = begun {
        // Before the next file is begun, the last one is whole.
        if torn > 0 {
            alarm.get_or_insert_with(|| format!("a file before {} ends within a line", file.name()));
        }
        torn = tail.torn;
        goes_on = Some((file.clone(), 0));
    }
    if let Some(anchor) = anchor {
        if anchor.sequence > last.sequence {
            alarm.get_or_insert_with(|| {
                format!(
                    "the log ends with entry {}, and entry {} was written: its end was cut off or removed",
                    last.sequence, anchor.sequence
                )
            });
            last = anchor;
        } else if anchor.sequence == last.sequence && anchor.hash != last.hash {
            alarm.get_or_insert_with(|| format!("entry {} is another one than was written", last.sequence));
        }
    }
    if alarm.is_some() {
        goes_on = None;
        torn = 0;
    }
    Ok(Left {
        last,
        file: goes_on,
        next_file,
        former,
        torn,
        alarm,
    })
}

/// The end of one file.
struct Tail {
    last: Option<Anchor>,
    /// It has no whole line.
    is_empty: bool,
    /// The bytes of its whole lines, and of what follows them.
    whole: u64,
    torn: u64,
    /// What else is wrong.
    fault: Option<String>,
}

fn read(file: &AuditFile) -> io::Result<Tail> {
    let mut verifier = Verifier::new(&[]);
    verifier.file(&file.name(), Lines::of_file(&file.path)?, |_entry| {})?;
    let report = verifier.finish();
    let mut lines = Lines::of_file(&file.path)?;
    let (mut count, mut torn) = (0_u64, None);
    while let Some(line) = lines.next_line()? {
        if line.is_whole {
            count += 1;
        } else {
            torn = Some(line.start);
        }
    }
    let length = lines.offset();
    let whole = torn.unwrap_or(length);
    let other = |finding: &&wsfc_audit::Finding| !matches!(finding.fault, Fault::Torn { .. });
    let fault = report.findings.iter().find(other);
    Ok(Tail {
        last: report.last,
        is_empty: count == 0,
        whole,
        torn: length - whole,
        fault: fault.map(|finding| format!("line {}: {}", finding.line, finding.fault)),
    })
}

/// The anchor beside the log; in words why it is none.
fn read_anchor(folder: &Path) -> io::Result<Result<Option<Anchor>, String>> {
    match std::fs::read_to_string(folder.join(ANCHOR_FILE)) {
        Ok(text) => Ok(text
            .parse()
            .map(Some)
            .map_err(|error| format!("{ANCHOR_FILE} cannot be read: {error}"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ok(None)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Err(format!("{ANCHOR_FILE} is no text"))),
        Err(error) => Err(error),
    }
}

/// The name under which an unfinished line is kept: one that is not taken.
pub(super) fn torn_name(folder: &Path, number: u64) -> String {
    let name = |count: u32| match count {
        1 => format!("{}.torn", file_name(number)),
        count => format!("{}.torn-{count}", file_name(number)),
    };
    (1_u32..)
        .map(name)
        .find(|name| !folder.join(name).exists())
        .unwrap_or_else(|| name(1))
}
