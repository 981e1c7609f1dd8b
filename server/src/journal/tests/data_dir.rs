//! The data directory: its lock, its restart, and what happens to a store that cannot be used.

use std::fs;
use std::path::Path;

use super::super::{Append, Journal, Made, OpenError, Opened, Options, Store as _, Table, Write, lock_dir};
use super::{World, operation, platform, started, succeeded};

fn open(dir: &std::path::Path, seed: u64) -> Result<World, OpenError> {
    let (clock, platform) = platform(seed);
    let Opened {
        journal,
        writer,
        quarantined,
        ..
    } = Journal::open_dir(dir, Options::default(), platform)?;
    assert_eq!(quarantined, None);
    Ok(World { journal, writer, clock })
}

#[test]
fn a_restart_finds_everything() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("not/yet/there");
    let mut world = open(&dir, 1).unwrap();
    let id = world.begin_running(2);
    let lock = Append {
        take_locks: vec!["a".to_owned()],
        ..Append::new(world.begin(1), started())
    };
    let reply = world.journal.append(lock);
    world.answer(reply).unwrap();
    world.report(id, [1, 2]);
    world.add(id, succeeded());
    let (store_id, records, locks) = (
        world.journal.store_id(),
        world.records(id, 0, usize::MAX),
        world.journal.locks(),
    );
    let one = world.journal.operation(super::Uuid::from_u128(1)).unwrap();
    drop(world);
    let (_, platform) = platform(2);
    let Opened {
        journal, unfinished, ..
    } = Journal::open_dir(&dir, Options::default(), platform).unwrap();
    assert_eq!(unfinished, [one]);
    assert_eq!(
        (journal.store_id(), journal.locks(), journal.head()),
        (store_id, locks, 7)
    );
    drop(journal);
    let mut world = open(&dir, 3).unwrap();
    assert_eq!(world.records(id, 0, usize::MAX), records);
    let reply = world.journal.accept(operation(3));
    world.answer(reply).unwrap();
    assert_eq!(world.journal.head(), 8);
}

#[test]
fn a_store_that_the_last_daemon_died_of_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let (store, opening) = (dir.path().join("journal.redb"), dir.path().join("journal.opening"));
    let mut world = open(dir.path(), 1).unwrap();
    let id = world.begin_running(1);
    world.report(id, 0..200);
    world.add(id, succeeded());
    drop(world);
    assert!(!opening.exists());
    let whole = fs::read(&store).unwrap();
    // A sound one is taken as it is.
    fs::write(&opening, "").unwrap();
    drop(open(dir.path(), 2).unwrap());
    assert!(!opening.exists());

    // In the records, which nobody asks for at the start; some of them are left overs in free pages.
    let places = |bytes: &[u8]| -> Vec<usize> {
        let places = bytes.windows(6).enumerate().filter(|(_, part)| part == b"node-1");
        places.map(|(at, _)| at).collect()
    };
    let mut damaged = whole.clone();
    for at in places(&whole) {
        damaged[at] ^= 1;
    }
    fs::write(&store, &damaged).unwrap();
    drop(open(dir.path(), 3).unwrap());
    assert!(places(&fs::read(&store).unwrap()).is_empty(), "it is damaged still");
    fs::write(&opening, "").unwrap();
    let (_, platform) = platform(4);
    let Opened { quarantined, .. } = Journal::open_dir(dir.path(), Options::default(), platform).unwrap();
    let cause = quarantined.unwrap().cause;
    assert!(cause.contains("corrupted"), "{cause}");
    assert!(!opening.exists());
}

#[test]
fn one_daemon_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let world = open(dir.path(), 1).unwrap();
    let refused = open(dir.path(), 2).map(drop).unwrap_err();
    let pid = std::process::id();
    assert!(
        matches!(&refused, OpenError::Locked { pid: Some(found), .. } if *found == pid),
        "{refused:?}"
    );
    assert!(
        refused
            .to_string()
            .ends_with(&format!("is locked by another daemon (process {pid})"))
    );
    drop(world);
    open(dir.path(), 3).unwrap();
}

#[test]
fn a_crash_while_the_store_is_made_leaves_no_store() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("journal.redb.new"), "half of a store").unwrap();
    let world = open(dir.path(), 1).unwrap();
    assert!(!dir.path().join("journal.redb.new").exists());
    assert_eq!(world.journal.head(), 0);
}

#[test]
fn a_damaged_store_is_set_aside_and_kept_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.redb");
    for (round, content) in [&b""[..], b"this is no store", &[0; 9000]].into_iter().enumerate() {
        fs::write(&path, content).unwrap();
        let (_, platform) = platform(1);
        let Opened { quarantined, .. } = Journal::open_dir(dir.path(), Options::default(), platform).unwrap();
        let quarantine = quarantined.unwrap();
        let name = quarantine.path.file_name().unwrap().to_str().unwrap().to_owned();
        let suffix = if round == 0 {
            String::new()
        } else {
            format!("-{}", round + 1)
        };
        assert_eq!(name, format!("journal.redb.damaged-20270115T080000Z{suffix}"));
        assert_eq!(fs::read(&quarantine.path).unwrap(), content);
        assert!(!quarantine.cause.is_empty());
        open(dir.path(), 2).unwrap();
    }
}

#[test]
fn a_store_of_a_newer_daemon_is_left_alone() {
    let mut store = super::MemoryStore::new();
    drop(World::on(Box::new(store.clone()), Options::default()));
    let newer = super::super::schema::put_meta(b"format", &3_u64.to_be_bytes());
    store.commit(&[newer]).unwrap();
    let refused = Journal::open(Box::new(store.clone()), Options::default(), platform(1).1).map(drop);
    assert!(matches!(refused, Err(OpenError::Format { found: 3, known: 2 })));
    // Without its facts a store with content is damaged, not new.
    store
        .commit(&[Write {
            table: Table::Meta,
            key: b"store_id".to_vec(),
            value: None,
        }])
        .unwrap();
    let older = super::super::schema::put_meta(b"format", &1_u64.to_be_bytes());
    store.commit(&[older]).unwrap();
    let refused = Journal::open(Box::new(store), Options::default(), platform(1).1).map(drop);
    assert!(matches!(refused, Err(OpenError::Store(_))));
}

#[test]
fn a_store_that_is_missing_is_noticed_by_what_it_has_left() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    // As `wsfcd init` leaves it.
    drop(lock_dir(&dir).unwrap());
    fs::create_dir(dir.join("access")).unwrap();
    let made = || {
        let opened = Journal::open_dir(&dir, Options::default(), platform(1).1).unwrap();
        assert_eq!(opened.quarantined, None);
        opened.made
    };
    assert_eq!(made(), Some(Made { trace: None }), "there was none before");
    assert_eq!(made(), None);
    let (store, word) = (dir.join("journal.redb"), dir.join("journal.made"));
    fs::remove_file(&store).unwrap();
    let trace = |path: &Path| {
        Some(Made {
            trace: Some(path.into()),
        })
    };
    assert_eq!(made(), trace(&word));
    assert_eq!(made(), None, "it is told once");
    // A crash after a damaged store was set aside, or a folder of before there was such a word.
    let aside = dir.join("journal.redb.damaged-20270115T080000Z");
    fs::rename(&store, &aside).unwrap();
    fs::remove_file(&word).unwrap();
    assert_eq!(made(), trace(&aside));
    fs::remove_file(&word).unwrap();
    assert_eq!(made(), None);
    assert!(word.exists(), "a store that is there has its word");
}

#[test]
fn a_place_that_is_no_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(
        open(&file.join("data"), 1).map(drop),
        Err(OpenError::Io { .. })
    ));
}
