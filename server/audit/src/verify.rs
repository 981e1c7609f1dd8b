//! Reading a log from its beginning to its end, and saying where it is not as it was written.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{self, BufRead};
use std::path::Path;

use serde::Serialize;

use crate::anchor::Anchor;
use crate::entry::Kind;
use crate::folder::{Lines, files};
use crate::line::{Digest, LineFault, Sealed, open};

/// How many findings are kept; the rest is counted. One change can show at more than one line.
const MOST_FINDINGS: usize = 1_000;

/// What is wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "fault")]
pub enum Fault {
    /// The line is not as it was written.
    Edited {
        /// What shows it.
        why: String,
    },
    /// The file ends within a line: its writer, or its disk, was stopped there.
    Torn {
        /// How many bytes the unfinished line has.
        bytes: usize,
    },
    /// Entries are not there. The line is the first after them.
    Missing {
        /// The first of them.
        from: u64,
        /// The last of them.
        to: u64,
    },
    /// The line is not in its place: entry `expected` belongs here, and is elsewhere, or was here before.
    Reordered {
        /// The sequence number that belongs here.
        expected: u64,
        /// That of the line.
        found: u64,
    },
    /// The line is there more than once, or was added.
    Repeated {
        /// The sequence number that belongs here.
        expected: u64,
        /// That of the line.
        found: u64,
    },
    /// The line was written after another entry than the one that stands before it: what is before it was replaced.
    Broken {
        /// The hash of the entry that it was written after.
        previous: Digest,
        /// That of the entry that stands there.
        found: Digest,
    },
    /// The file does not begin as files of a log do.
    Opening {
        /// What shows it.
        why: String,
    },
    /// The entry is another one than the anchor tells of.
    Anchor {
        /// The hash of the anchor.
        expected: Digest,
        /// That of the entry.
        found: Digest,
    },
    /// The log ends before an anchor: its end was cut off.
    CutOff {
        /// The sequence number of the anchor.
        anchor: u64,
        /// The last entry that is there.
        last: u64,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited { why } => write!(f, "edited: {why}"),
            Self::Torn { bytes } => write!(f, "torn: the file ends within a line, after {bytes} bytes of it"),
            Self::Missing { from, to } if from == to => write!(f, "missing: entry {from} is not there"),
            Self::Missing { from, to } => write!(f, "missing: entries {from} to {to} are not there"),
            Self::Reordered { expected, found } => {
                write!(f, "reordered: entry {found} stands where entry {expected} belongs")
            }
            Self::Repeated { expected, found } => {
                write!(f, "repeated: entry {found} stands once more before entry {expected}")
            }
            Self::Broken { previous, found } => write!(
                f,
                "replaced: it was written after an entry with hash {previous}, and the entry before it has {found}"
            ),
            Self::Opening { why } => write!(f, "opening: {why}"),
            Self::Anchor { expected, found } => {
                write!(f, "wrong anchor: the entry has hash {found}, and the anchor {expected}")
            }
            Self::CutOff { anchor, last } => {
                write!(
                    f,
                    "cut off: the log ends with entry {last}, and the anchor is of entry {anchor}"
                )
            }
        }
    }
}

/// Something that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The name of the file.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The sequence number that the line has, as far as it can be read.
    pub sequence: Option<u64>,
    /// What is wrong.
    #[serde(flatten)]
    pub fault: Fault,
}

/// What a log comes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many files were read.
    pub files: u64,
    /// How many entries are as they were written.
    pub entries: u64,
    /// The sequence number of the first one. More than 1: what was before was removed or is kept elsewhere.
    pub first: Option<u64>,
    /// The last one, which is the anchor to keep.
    pub last: Option<Anchor>,
    /// Alarms and gaps that the daemon itself has written down.
    pub alarms: u64,
    /// What is wrong, in the order of the log.
    pub findings: Vec<Finding>,
    /// How many more findings there are than are kept.
    pub more_findings: u64,
}

impl Report {
    /// True when nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Verifies the log in a folder, or a file of one, against anchors that were kept.
///
/// # Errors
///
/// The folder or a file cannot be read.
pub fn verify(path: &Path, anchors: &[Anchor]) -> io::Result<Report> {
    let mut verifier = Verifier::new(anchors);
    for file in files(path)? {
        verifier.file(&file.name(), Lines::of_file(&file.path)?, |_entry| {})?;
    }
    Ok(verifier.finish())
}

/// Reads one file after the other.
#[derive(Debug)]
pub struct Verifier {
    /// By rising sequence number.
    anchors: Vec<Anchor>,
    report: Report,
    /// The entry before; absent at the beginning.
    before: Option<Anchor>,
    /// How many lines since then could not be read, each of which may have been the next entry.
    unread: u64,
    /// Sequence numbers that were skipped where they belong: a gap each, by the place of its finding.
    gaps: Vec<Gap>,
    /// Sequence numbers that came after a greater one, with the place of the finding.
    late: Vec<(u64, usize)>,
    /// The last place that was read.
    place: (String, u64),
}

#[derive(Debug)]
struct Gap {
    from: u64,
    to: u64,
    finding: usize,
}

impl Verifier {
    /// For a log that has these anchors.
    pub fn new(anchors: &[Anchor]) -> Self {
        let mut anchors = anchors.to_vec();
        anchors.sort_by_key(|anchor| anchor.sequence);
        Self {
            anchors,
            report: Report::default(),
            before: None,
            unread: 0,
            gaps: Vec::new(),
            late: Vec::new(),
            place: (String::new(), 0),
        }
    }

    /// Reads the next file; `sound` gets each entry that is as it was written, in order.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn file<R: BufRead>(
        &mut self,
        name: &str,
        mut lines: Lines<R>,
        mut sound: impl FnMut(&Sealed),
    ) -> io::Result<()> {
        self.report.files += 1;
        self.place = (name.to_owned(), 0);
        while let Some(line) = lines.next_line()? {
            self.place.1 += 1;
            if !line.is_whole {
                let bytes = line.bytes.len();
                self.found(None, Fault::Torn { bytes });
                // What was torn never counted, so the entry that comes next may have its number.
                break;
            }
            match open(line.bytes) {
                Ok(sealed) => {
                    if self.entry(&sealed) {
                        sound(&sealed);
                    }
                }
                Err(fault) => self.unreadable(line.bytes, &fault),
            }
        }
        Ok(())
    }

    /// What all files come to.
    pub fn finish(mut self) -> Report {
        self.sort_out();
        if let Some(last) = self.before {
            for anchor in std::mem::take(&mut self.anchors) {
                if anchor.sequence > last.sequence {
                    self.place.1 += 1;
                    let (anchor, last) = (anchor.sequence, last.sequence);
                    self.found(None, Fault::CutOff { anchor, last });
                    break;
                }
            }
        } else if let Some(anchor) = self.anchors.first().copied() {
            let anchor = anchor.sequence;
            self.found(None, Fault::CutOff { anchor, last: 0 });
        }
        self.report.last = self.before;
        self.report
    }

    fn found(&mut self, sequence: Option<u64>, fault: Fault) -> usize {
        if self.report.findings.len() >= MOST_FINDINGS {
            self.report.more_findings += 1;
            return usize::MAX;
        }
        self.report.findings.push(Finding {
            file: self.place.0.clone(),
            line: self.place.1,
            sequence,
            fault,
        });
        self.report.findings.len() - 1
    }

    fn unreadable(&mut self, line: &[u8], fault: &LineFault) {
        let sequence = serde_json::from_slice::<serde_json::Value>(line)
            .ok()
            .and_then(|value| value.get("sequence")?.as_u64());
        let why = fault.to_string();
        self.found(sequence, Fault::Edited { why });
        self.unread += 1;
    }

    /// Takes an entry whose own hash is right; false when it stands in a wrong place.
    fn entry(&mut self, sealed: &Sealed) -> bool {
        let found = sealed.entry.sequence;
        let Some(before) = self.before else {
            self.begin(sealed);
            return true;
        };
        let expected = before.sequence.saturating_add(1);
        // Each line that could not be read may have been an entry.
        let latest = expected.saturating_add(self.unread);
        if found < expected {
            let fault = Fault::Reordered { expected, found };
            let finding = self.found(Some(found), fault);
            if self.late.len() < MOST_FINDINGS {
                self.late.push((found, finding));
            }
            return false;
        }
        if found > latest {
            let finding = self.found(
                Some(found),
                Fault::Missing {
                    from: latest,
                    to: found - 1,
                },
            );
            if self.gaps.len() < MOST_FINDINGS {
                self.gaps.push(Gap {
                    from: latest,
                    to: found - 1,
                    finding,
                });
            }
        } else if self.unread == 0 && sealed.entry.previous != before.hash {
            let (previous, found_hash) = (sealed.entry.previous, before.hash);
            self.found(
                Some(found),
                Fault::Broken {
                    previous,
                    found: found_hash,
                },
            );
        }
        self.opening(sealed);
        self.advance(sealed);
        true
    }

    fn begin(&mut self, sealed: &Sealed) {
        let entry = &sealed.entry;
        if self.unread == 0 {
            self.report.first = Some(entry.sequence);
        }
        if entry.sequence == 1 && entry.previous != Digest::ZERO {
            self.found(
                Some(1),
                Fault::Broken {
                    previous: entry.previous,
                    found: Digest::ZERO,
                },
            );
        }
        self.opening(sealed);
        self.advance(sealed);
    }

    /// The first line of each file says so, and no other does.
    fn opening(&mut self, sealed: &Sealed) {
        let why = match (self.place.1 == 1, sealed.entry.kind == Kind::File) {
            (true, false) => "the first line of the file is no entry of kind `file`",
            (false, true) => "an entry of kind `file` stands within the file",
            (true, true) | (false, false) => return,
        };
        self.found(Some(sealed.entry.sequence), Fault::Opening { why: why.into() });
    }

    fn advance(&mut self, sealed: &Sealed) {
        let anchor = Anchor {
            sequence: sealed.entry.sequence,
            hash: sealed.hash,
        };
        let at = |kept: &&Anchor| kept.sequence == anchor.sequence && kept.hash != anchor.hash;
        if let Some(kept) = self.anchors.iter().find(at).copied() {
            self.found(
                Some(anchor.sequence),
                Fault::Anchor {
                    expected: kept.hash,
                    found: anchor.hash,
                },
            );
        }
        self.report.entries += 1;
        self.report.alarms += u64::from(matches!(sealed.entry.kind, Kind::Alarm | Kind::Gap));
        self.before = Some(anchor);
        self.unread = 0;
    }

    /// Tells what is missing from what only stands elsewhere, which shows at the end only.
    fn sort_out(&mut self) {
        let late: BTreeSet<u64> = self.late.iter().map(|(sequence, _finding)| *sequence).collect();
        let mut owed = BTreeSet::new();
        for gap in std::mem::take(&mut self.gaps) {
            let elsewhere: BTreeSet<u64> = late.range(gap.from..=gap.to).copied().collect();
            let Some(finding) = self.report.findings.get_mut(gap.finding) else {
                continue;
            };
            let length = gap.to - gap.from + 1;
            if elsewhere.len() as u64 == length {
                finding.fault = Fault::Reordered {
                    expected: gap.from,
                    found: gap.to + 1,
                };
            } else if let Some((from, to)) = first_run(gap.from, gap.to, &elsewhere) {
                finding.fault = Fault::Missing { from, to };
            }
            owed.extend(elsewhere);
        }
        for (sequence, finding) in std::mem::take(&mut self.late) {
            // The first of that number fills its gap; others are there once more.
            if !owed.remove(&sequence)
                && let Some(Finding { fault, .. }) = self.report.findings.get_mut(finding)
                && let Fault::Reordered { expected, found } = *fault
            {
                *fault = Fault::Repeated { expected, found };
            }
        }
    }
}

/// The first run of numbers that are not among those elsewhere.
fn first_run(from: u64, to: u64, elsewhere: &BTreeSet<u64>) -> Option<(u64, u64)> {
    let mut start = from;
    for there in elsewhere {
        if *there > start {
            return Some((start, there - 1));
        }
        start = there + 1;
    }
    (start <= to).then_some((start, to))
}

#[cfg(test)]
mod tests;
