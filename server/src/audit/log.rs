//! The log on disk: entries get their places in the chain, and files follow one another.
//!
//! What was written and not yet made durable counts for nothing: after a failure it is cut off again, so that the end of
//! the log is known whatever the disk did.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
#[cfg(unix)]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use wsfc_audit::{ANCHOR_FILE, Anchor, AuditFile, Entry, Kind, file_name, files, seal};

use super::Options;
use super::check::{Left, look, torn_name};
use crate::settings::places;

/// The file that is locked while a daemon writes the log.
const LOCK_FILE: &str = "wsfcd-audit.lock";

/// An open file of a log.
pub(super) trait Medium: Send {
    /// Writes at the end.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Makes what was written durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the end off, durably.
    fn cut(&mut self, length: u64) -> io::Result<()>;
    /// How long the file at its place is; none when another file, or no file, is there.
    fn length_in_place(&self) -> Option<u64>;
}

/// Opens a file to append to; `new`: makes it, and fails where there is one.
pub(super) type OpenMedium = Arc<dyn Fn(&Path, bool) -> io::Result<Box<dyn Medium>> + Send + Sync>;

/// The log on disk.
pub(super) struct Log {
    options: Options,
    open: OpenMedium,
    /// Absent while a fresh file is needed.
    file: Option<Current>,
    /// The name of the file before the next fresh one.
    former: Option<String>,
    next_file: u64,
    /// The last entry that was written.
    written: Anchor,
    /// The last entry that is durable.
    durable: Anchor,
    /// What the anchor file holds.
    anchored: Option<Anchor>,
    /// A file was begun, so another one may have become too many.
    has_begun: bool,
    /// Two writers would break each other's chain.
    _lock: File,
}

struct Current {
    number: u64,
    medium: Box<dyn Medium>,
    /// How many bytes were written, and how many of them are durable.
    length: u64,
    durable: u64,
}

impl Log {
    /// Opens the log, and makes the folder if it is missing. Gives what the log says about how it was left: entries that
    /// are to be written first.
    pub(super) fn open(options: &Options, open: &OpenMedium) -> io::Result<(Self, Vec<Entry>)> {
        places::make_private(&options.dir)?;
        let lock = lock(&options.dir)?;
        let Left {
            last,
            file,
            next_file,
            former,
            torn,
            alarm,
        } = look(&options.dir)?;
        let mut log = Self {
            options: options.clone(),
            open: Arc::clone(open),
            file: None,
            former,
            next_file,
            written: last,
            durable: last,
            anchored: None,
            has_begun: true,
            _lock: lock,
        };
        let mut found = Vec::new();
        if let Some(what) = alarm {
            found.push(note(Kind::Alarm, what));
        }
        if let Some((file, whole)) = file {
            let mut medium = open(&file.path, false)?;
            if torn > 0 {
                let name = log.keep_torn(&file, whole)?;
                medium.cut(whole)?;
                let mut entry = note(
                    Kind::Torn,
                    format!("{torn} bytes of an unfinished line at the end of {}", file.name()),
                );
                entry.file = Some(name);
                found.push(entry);
            }
            if whole == 0 {
                let before = files(&options.dir)?
                    .into_iter()
                    .rev()
                    .find(|other| other.number < file.number);
                log.former = before.as_ref().map(AuditFile::name);
            }
            log.file = Some(Current {
                number: file.number,
                medium,
                length: whole,
                durable: whole,
            });
        }
        Ok((log, found))
    }

    /// The last entry that is durable.
    pub(super) fn durable(&self) -> Anchor {
        self.durable
    }

    /// How many bytes of its last file are durable.
    #[cfg(test)]
    pub(super) fn durable_bytes(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| file.durable)
    }

    /// Gives entries their places and writes them. They are durable after [`sync`](Self::sync); after a failure none of
    /// what is not durable counts.
    pub(super) fn append(&mut self, entries: Vec<&mut Entry>, now: SystemTime) -> io::Result<()> {
        if let Some(file) = &self.file
            && file.medium.length_in_place() != Some(file.length)
        {
            return Err(io::Error::other(
                "the file was removed, replaced or changed by somebody else",
            ));
        }
        let mut bytes = Vec::new();
        let mut at = self.written;
        for entry in entries {
            let (line, next) = place(entry, at, now)?;
            let is_full =
                |file: &Current| file.length + (bytes.len() + line.len()) as u64 > self.options.max_file_bytes;
            if self.file.as_ref().is_none_or(|file| file.length == 0 || is_full(file)) {
                self.write(&mut bytes, at)?;
                at = self.begin_file(now)?;
                let (line, next) = place(entry, at, now)?;
                bytes.extend_from_slice(&line);
                at = next;
            } else {
                bytes.extend_from_slice(&line);
                at = next;
            }
        }
        self.write(&mut bytes, at)
    }

    fn write(&mut self, bytes: &mut Vec<u8>, last: Anchor) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let Some(file) = &mut self.file else {
            return Err(io::Error::other("there is no file to write to"));
        };
        file.medium.append(bytes)?;
        file.length += bytes.len() as u64;
        self.written = last;
        bytes.clear();
        Ok(())
    }

    /// Makes everything that was written durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(file) = &mut self.file {
            if self.durable != self.written || file.durable != file.length {
                file.medium.sync()?;
            }
            file.durable = file.length;
        }
        self.durable = self.written;
        Ok(())
    }

    /// Writes the line that every file begins with, into a file that was begun or a fresh one.
    fn begin_file(&mut self, now: SystemTime) -> io::Result<Anchor> {
        if self.file.as_ref().is_none_or(|file| file.length > 0) {
            // The file before is whole before there is one that follows it.
            self.sync()?;
            if let Some(file) = &self.file {
                self.former = Some(file_name(file.number));
            }
            let number = self.next_file;
            let medium = (self.open)(&self.options.dir.join(file_name(number)), true);
            // What is there is never overwritten, so the place of a file that was not begun is not tried again.
            self.next_file = number.saturating_add(1);
            self.file = Some(Current {
                number,
                medium: medium?,
                length: 0,
                durable: 0,
            });
            sync_folder(&self.options.dir)?;
            self.has_begun = true;
        }
        let mut entry = Entry::new(Kind::File);
        entry.file = self.former.clone();
        let (mut line, at) = place(&mut entry, self.written, now)?;
        self.write(&mut line, at)?;
        Ok(at)
    }

    /// After a failure: cuts off what is not durable. A file that is not as it was left stays as it is, and a fresh one
    /// follows; the alarm says so.
    pub(super) fn recover(&mut self) -> io::Result<Option<Entry>> {
        // A folder that is gone is made again.
        places::make_private(&self.options.dir)?;
        self.written = self.durable;
        let Some(file) = &mut self.file else { return Ok(None) };
        let is_ours = file
            .medium
            .length_in_place()
            .is_some_and(|length| length >= file.durable);
        if is_ours {
            file.medium.cut(file.durable)?;
            file.length = file.durable;
            return Ok(None);
        }
        let name = file_name(file.number);
        self.former = Some(name.clone());
        self.file = None;
        // Files may have been put there meanwhile.
        let files = files(&self.options.dir)?;
        let after = files.last().map_or(1, |file| file.number.saturating_add(1));
        self.next_file = self.next_file.max(after);
        Ok(Some(note(
            Kind::Alarm,
            format!("{name} was removed, replaced or cut off while the daemon ran"),
        )))
    }

    /// Writes the last durable entry beside the log.
    pub(super) fn anchor(&mut self) -> io::Result<()> {
        if self.anchored == Some(self.durable) {
            return Ok(());
        }
        let path = self.options.dir.join(ANCHOR_FILE);
        let new = self.options.dir.join(format!("{ANCHOR_FILE}.new"));
        let mut file = private(OpenOptions::new().create(true).truncate(true).write(true)).open(&new)?;
        file.write_all(format!("{}\n", self.durable).as_bytes())?;
        file.sync_all()?;
        drop(file);
        std::fs::rename(&new, &path)?;
        sync_folder(&self.options.dir)?;
        self.anchored = Some(self.durable);
        Ok(())
    }

    /// Whether the anchor file is behind.
    pub(super) fn is_anchored(&self) -> bool {
        self.anchored == Some(self.durable)
    }

    /// Whether a file was begun since this was asked.
    pub(super) fn has_begun(&mut self) -> bool {
        std::mem::take(&mut self.has_begun)
    }

    /// The files that are more than are to be kept, oldest first.
    pub(super) fn surplus(&self) -> io::Result<Vec<AuditFile>> {
        let Some(keep) = self.options.keep_files else {
            return Ok(Vec::new());
        };
        let mut files = files(&self.options.dir)?;
        files.truncate(files.len().saturating_sub(keep.max(1)));
        Ok(files)
    }

    fn keep_torn(&self, file: &AuditFile, whole: u64) -> io::Result<String> {
        let name = torn_name(&self.options.dir, file.number);
        let mut read = File::open(&file.path)?;
        read.seek(SeekFrom::Start(whole))?;
        let mut torn = private(OpenOptions::new().create_new(true).write(true)).open(self.options.dir.join(&name))?;
        // An unfinished line is short; what is longer was never one of a log.
        io::copy(&mut read.take(16 * 1024 * 1024), &mut torn)?;
        torn.sync_all()?;
        sync_folder(&self.options.dir)?;
        Ok(name)
    }
}

/// Keeps other daemons out of the folder, whose data directory is another one.
fn lock(folder: &Path) -> io::Result<File> {
    let file = private(OpenOptions::new().create(true).truncate(false).write(true)).open(folder.join(LOCK_FILE))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(io::Error::other("another daemon writes its audit log there")),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// An entry that says something in words.
pub(super) fn note(kind: Kind, detail: String) -> Entry {
    let mut entry = Entry::new(kind);
    entry.detail = Some(detail);
    entry
}

fn place(entry: &mut Entry, before: Anchor, now: SystemTime) -> io::Result<(Vec<u8>, Anchor)> {
    entry.sequence = before.sequence.saturating_add(1);
    entry.previous = before.hash;
    entry.time = now;
    let (line, hash) = seal(entry)?;
    let sequence = entry.sequence;
    Ok((line, Anchor { sequence, hash }))
}

/// A file on disk.
struct OnDisk {
    file: File,
    #[cfg(unix)]
    path: PathBuf,
}

/// Opens a file of the log, to append to.
pub(super) fn open_on_disk(path: &Path, new: bool) -> io::Result<Box<dyn Medium>> {
    let mut options = OpenOptions::new();
    // A file that can only be appended to cannot be cut on Windows.
    options.append(cfg!(unix)).write(true).create_new(new);
    let file = private(&mut options).open(path)?;
    Ok(Box::new(OnDisk {
        file,
        #[cfg(unix)]
        path: path.to_owned(),
    }))
}

/// For this account alone; on Windows the folder says so, and others may read meanwhile, but not write, rename or remove.
#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600)
}

#[cfg(windows)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::windows::fs::OpenOptionsExt as _;
    // FILE_SHARE_READ.
    options.share_mode(1)
}

impl Medium for OnDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if cfg!(windows) {
            self.file.seek(SeekFrom::End(0))?;
        }
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.file.sync_all()
    }

    #[cfg(unix)]
    fn length_in_place(&self) -> Option<u64> {
        use std::os::unix::fs::MetadataExt as _;
        let (ours, there) = (self.file.metadata().ok()?, std::fs::symlink_metadata(&self.path).ok()?);
        ((ours.dev(), ours.ino()) == (there.dev(), there.ino())).then_some(ours.len())
    }

    /// Nobody else can write to, rename or remove a file that is open here.
    #[cfg(windows)]
    fn length_in_place(&self) -> Option<u64> {
        self.file.metadata().ok().map(|file| file.len())
    }
}

/// Makes the names in a folder durable. NTFS has no such call and needs none.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}
