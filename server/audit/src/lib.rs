//! The audit log: the form of its lines and files, and the verifier.
//!
//! A log is a folder of files `wsfcd-audit-00000001.jsonl`, numbered in the order in which they were begun. A file is
//! lines of JSON, an [`Entry`] each. Every entry has a sequence number, one more than that of the entry before it, also
//! across files, and the hash of the entry before it; so the entries are a chain.
//!
//! **What is hashed.** The last member of every line is `hash`. It is the SHA-256, in lower-case hexadecimal, of the
//! bytes of the line without that member: from the `{` up to the comma before `"hash"`, and a `}`. The end of the line is
//! no part of it. `previous` is the `hash` of the entry before, and 64 zeros in the first entry of all.
//!
//! What a chain shows is that something was edited, moved, added or taken out between two entries that are true. It has no
//! key: whoever can write the files can make the whole chain anew from any entry on, and what is cut off at the end leaves
//! no trace in what remains. Only an [`Anchor`], a sequence number and its hash that were kept elsewhere, shows both.

#![forbid(unsafe_code)]

mod anchor;
mod entry;
mod folder;
mod line;
mod verify;

pub use anchor::{Anchor, AnchorError};
pub use entry::{Call, Entry, Kind, Origin, Outcome, Who, excerpt};
pub use folder::{ANCHOR_FILE, AuditFile, Lines, ReadLine, file_name, files};
pub use line::{Digest, LineFault, NoDigest, Sealed, open, seal};
pub use verify::{Fault, Finding, Report, Verifier, verify};

/// The longest line that is read, in bytes. What is written is far below it: the texts of an entry are bounded.
pub const LONGEST_LINE: usize = 64 * 1024;
