//! Reading a trace.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::format::{Begin, Callback, FORMAT, Header, Line, Return};

/// A trace as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// Where it comes from.
    pub header: Header,
    /// The calls, in the order in which they began.
    pub calls: Vec<Call>,
    /// Callbacks whose argument belongs to no call.
    pub strays: Vec<Callback>,
    /// The recording was ended in order; otherwise the process was cut off, or still runs.
    pub ended: bool,
    /// The last line was cut off, and left out here.
    pub truncated: bool,
}

/// One call of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// How it was made.
    pub begin: Begin,
    /// Its callbacks, in the order in which they came.
    pub callbacks: Vec<Callback>,
    /// How it came back; absent if it did not.
    pub returned: Option<Return>,
}

impl Call {
    /// Whether it came back with success.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.returned.as_ref().is_some_and(|returned| returned.error.is_none())
    }

    /// The Win32 code that it failed with, if it did.
    #[must_use]
    pub fn error(&self) -> Option<u32> {
        self.returned.as_ref()?.error
    }
}

/// Why a file could not be read as a trace.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The file.
    #[error("the trace {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nothing is in it, or only a part of its first line.
    #[error("the trace holds no complete line")]
    Empty,
    /// The first line is not that of a trace.
    #[error("the file is no trace: its first line is none of a trace's")]
    NoHeader,
    /// It was written in another form.
    #[error("the trace has format {found}, and format {FORMAT} is what can be read here")]
    Format {
        /// The form that it says.
        found: u32,
    },
    /// A line in the middle is no line of a trace.
    #[error("line {line} of the trace is damaged")]
    Damaged {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A line stands where it makes no sense: lines before it are missing, or come twice.
    #[error("line {line} of the trace {problem}")]
    Misplaced {
        /// Its number, from 1.
        line: usize,
        /// Why it makes no sense.
        problem: &'static str,
    },
}

impl Trace {
    /// Reads a trace from a file.
    ///
    /// # Errors
    ///
    /// [`TraceError`]. A last line that was cut off is no error: [`Trace::truncated`] tells.
    pub fn from_file(path: &Path) -> Result<Self, TraceError> {
        let bytes = std::fs::read(path).map_err(|source| TraceError::Unreadable {
            path: path.into(),
            source,
        })?;
        Self::from_bytes(&bytes)
    }

    /// Reads a trace.
    ///
    /// # Errors
    ///
    /// As [`Trace::from_file`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TraceError> {
        // Only what ends with a line break was written whole.
        let (whole, cut) = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => bytes.split_at(end + 1),
            None => (&bytes[..0], bytes),
        };
        let mut lines = whole.split_inclusive(|byte| *byte == b'\n').enumerate();
        let (_, first) = lines.next().ok_or(TraceError::Empty)?;
        let mut trace = Self {
            header: header(first)?,
            calls: Vec::new(),
            strays: Vec::new(),
            ended: false,
            truncated: !cut.is_empty(),
        };
        let mut places = BTreeMap::new();
        for (index, line) in lines {
            let number = index + 1;
            let line = serde_json::from_slice(line).map_err(|source| TraceError::Damaged { line: number, source })?;
            trace
                .take(line, &mut places)
                .map_err(|problem| TraceError::Misplaced { line: number, problem })?;
        }
        Ok(trace)
    }

    /// Takes the next line; `places` tells where in the list each call stands.
    fn take(&mut self, line: Line, places: &mut BTreeMap<u64, usize>) -> Result<(), &'static str> {
        const NO_CALL: &str = "belongs to a call that is not there";
        match line {
            Line::Trace(_) => return Err("is a second first line"),
            Line::Call(begin) => {
                if places.insert(begin.number, self.calls.len()).is_some() {
                    return Err("begins a call a second time");
                }
                self.calls.push(Call {
                    begin,
                    callbacks: Vec::new(),
                    returned: None,
                });
            }
            Line::Callback(callback) => match callback.call {
                Some(number) => {
                    let place = places.get(&number).ok_or(NO_CALL)?;
                    self.calls[*place].callbacks.push(callback);
                }
                None => self.strays.push(callback),
            },
            Line::Return(returned) => {
                let place = places.get(&returned.number).ok_or(NO_CALL)?;
                if self.calls[*place].returned.replace(returned).is_some() {
                    return Err("returns from a call a second time");
                }
            }
            Line::End(_) => self.ended = true,
        }
        Ok(())
    }
}

fn header(line: &[u8]) -> Result<Header, TraceError> {
    // The format is looked at before all else, since it says what else there may be.
    let any: serde_json::Value = serde_json::from_slice(line).map_err(|_| TraceError::NoHeader)?;
    let found = any["trace"]["format"].as_u64().ok_or(TraceError::NoHeader)?;
    if found != u64::from(FORMAT) {
        return Err(TraceError::Format {
            found: u32::try_from(found).unwrap_or(u32::MAX),
        });
    }
    match serde_json::from_value(any) {
        Ok(Line::Trace(header)) => Ok(header),
        Ok(_) => Err(TraceError::NoHeader),
        Err(source) => Err(TraceError::Damaged { line: 1, source }),
    }
}
