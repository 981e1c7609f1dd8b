//! A simulated disk for crash tests: it keeps what was synced, and loses or tears the rest when the power goes.
//!
//! The disk is the platter and outlives the daemons that write to it. A test cuts its power at a chosen write or sync,
//! or by hand; from then on every access fails, until the power is restored and a new store is opened on what is left.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::redb::StorageBackend;

/// The unit that a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// A disk. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk(Arc<Mutex<Platter>>);

/// What happens to a write that was not synced when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsynced {
    /// It is lost, like all others.
    Lost,
    /// Each of its sectors is lost or kept, at random.
    Torn,
    /// It is kept, like all others, as when only the process was killed.
    Kept,
}

/// What the lock guards.
#[derive(Debug)]
struct Platter {
    /// What a power cut leaves for certain.
    synced: Vec<u8>,
    /// What the daemon reads: the synced bytes and all writes after them.
    seen: Vec<u8>,
    /// The writes since the last sync, in order.
    unsynced: Vec<Change>,
    /// How many more writes and syncs succeed.
    accesses_left: Option<u64>,
    accesses: u64,
    /// Says which daemon an access comes from: those from before a power cut never reach the disk again.
    generation: u64,
    powered: bool,
    ignores_syncs: bool,
    random: fastrand::Rng,
}

#[derive(Debug)]
enum Change {
    Length(usize),
    Bytes { offset: usize, bytes: Vec<u8> },
}

impl SimDisk {
    /// An empty disk whose accidents follow from the seed.
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Platter {
            synced: Vec::new(),
            seen: Vec::new(),
            unsynced: Vec::new(),
            accesses_left: None,
            accesses: 0,
            generation: 0,
            powered: true,
            ignores_syncs: false,
            random: fastrand::Rng::with_seed(seed),
        })))
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The storage to open a store on. It works until the power is cut.
    pub fn storage(&self) -> SimStorage {
        SimStorage {
            disk: self.clone(),
            generation: self.platter().generation,
        }
    }

    /// Cuts the power at the `n`-th write or sync from now: that one and all accesses after it fail.
    pub fn crash_at(&self, n: u64) {
        self.platter().accesses_left = Some(n);
    }

    /// Cuts the power now.
    pub fn cut_power(&self) {
        self.platter().powered = false;
    }

    /// True when the power was cut.
    pub fn is_dark(&self) -> bool {
        !self.platter().powered
    }

    /// Restores the power, after the writes that were not synced have met their fate. Storages from before stay dead.
    pub fn restore_power(&self, fate: Unsynced) {
        let mut platter = self.platter();
        platter.lose(fate);
        platter.generation += 1;
        platter.powered = true;
        platter.accesses_left = None;
    }

    /// Lets every sync from now on lie: the control that shows whether a test notices lost writes at all.
    pub fn ignore_syncs(&self) {
        self.platter().ignores_syncs = true;
    }

    /// How many writes and syncs there were so far.
    pub fn accesses(&self) -> u64 {
        self.platter().accesses
    }

    /// Changes the synced content, as rot would. The disk must not be in use.
    pub fn damage(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut platter = self.platter();
        change(&mut platter.synced);
        platter.seen = platter.synced.clone();
        platter.unsynced.clear();
    }
}

impl Platter {
    /// Counts an access that changes something; fails when the power is gone.
    fn access(&mut self, generation: u64) -> io::Result<()> {
        if let Some(left) = &mut self.accesses_left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.powered = false;
            }
        }
        self.check(generation)?;
        self.accesses += 1;
        Ok(())
    }

    fn check(&self, generation: u64) -> io::Result<()> {
        if self.powered && generation == self.generation {
            Ok(())
        } else {
            Err(io::Error::other("the simulated disk has no power"))
        }
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.seen, &change, |_| true);
        self.unsynced.push(change);
    }

    fn sync(&mut self) {
        if self.ignores_syncs {
            return;
        }
        for change in self.unsynced.drain(..) {
            apply(&mut self.synced, &change, |_| true);
        }
    }

    fn lose(&mut self, fate: Unsynced) {
        for change in std::mem::take(&mut self.unsynced) {
            // The system writes back in any order, so any of the writes may have reached the disk.
            let random = &mut self.random;
            apply(&mut self.synced, &change, |_| match fate {
                Unsynced::Lost => false,
                Unsynced::Torn => random.bool(),
                Unsynced::Kept => true,
            });
        }
        self.seen = self.synced.clone();
    }
}

/// Applies those sectors of a change that are kept.
fn apply(content: &mut Vec<u8>, change: &Change, mut keep: impl FnMut(usize) -> bool) {
    match change {
        Change::Length(length) => {
            if keep(0) {
                content.resize(*length, 0);
            }
        }
        Change::Bytes { offset, bytes } => {
            let mut done = 0;
            while done < bytes.len() {
                let at = offset + done;
                // The part up to the end of the sector.
                let length = (SECTOR - at % SECTOR).min(bytes.len() - done);
                if keep(at / SECTOR) {
                    if content.len() < at + length {
                        content.resize(at + length, 0);
                    }
                    content[at..at + length].copy_from_slice(&bytes[done..done + length]);
                }
                done += length;
            }
        }
    }
}

/// A simulated disk as a storage of redb.
#[derive(Debug)]
pub struct SimStorage {
    disk: SimDisk,
    generation: u64,
}

fn index(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(io::Error::other)
}

impl StorageBackend for SimStorage {
    fn len(&self) -> io::Result<u64> {
        let platter = self.disk.platter();
        platter.check(self.generation)?;
        Ok(platter.seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.disk.platter();
        platter.check(self.generation)?;
        let from = index(offset)?;
        let part = from.checked_add(out.len()).and_then(|to| platter.seen.get(from..to));
        out.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut platter = self.disk.platter();
        platter.access(self.generation)?;
        platter.change(Change::Length(index(length)?));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.disk.platter();
        platter.access(self.generation)?;
        platter.sync();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.disk.platter();
        platter.access(self.generation)?;
        platter.change(Change::Bytes {
            offset: index(offset)?,
            bytes: data.to_vec(),
        });
        Ok(())
    }
}
