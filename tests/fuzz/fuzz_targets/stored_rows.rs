//! What a journal finds on disk: rows whose checksums are right and whose content is anything are read, or refused as damaged;
//! they never panic the daemon, and never keep a reader for ever.
#![no_main]

use std::task::{Context, Poll, Waker};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use wsfcd::journal::{Filter, Journal, MemoryBudget, MemoryStore, Options, Store, Table, sealed};
use wsfcd::platform::Platform;

#[derive(Debug, Arbitrary)]
struct Row {
    table: u8,
    key: Key,
    content: Vec<u8>,
}

/// A key as one of the tables has it, or any.
#[derive(Debug, Arbitrary)]
enum Key {
    Small(u8),
    Id(u8),
    IdAndSmall(u8, u8),
    Fact(u8),
    Any(Vec<u8>),
}

/// The facts about a store.
const FACTS: [&[u8]; 5] = [b"format", b"store_id", b"last_revision", b"last_event", b"oldest_revision"];

impl Key {
    fn bytes(&self) -> Vec<u8> {
        let id = |number: &u8| u128::from(*number).to_be_bytes().to_vec();
        match self {
            Self::Small(number) => u64::from(*number).to_be_bytes().to_vec(),
            Self::Id(number) => id(number),
            Self::IdAndSmall(number, sequence) => [id(number), u64::from(*sequence).to_be_bytes().to_vec()].concat(),
            Self::Fact(number) => FACTS[usize::from(*number) % FACTS.len()].to_vec(),
            Self::Any(bytes) => bytes.clone(),
        }
    }
}

fuzz_target!(|rows: Vec<Row>| {
    let mut store = MemoryStore::new();
    // Nothing in memory, so that every read meets the store.
    let memory = MemoryBudget { records: 0, bytes: 0 };
    let options = || Options {
        memory,
        event_memory: memory,
        ..Options::default()
    };
    drop(Journal::open(Box::new(store.clone()), options(), Platform::system()).expect("an empty store"));
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let table = Table::ALL[usize::from(row.table) % Table::ALL.len()];
            sealed(table, row.key.bytes(), &row.content)
        })
        .collect();
    store.commit(&rows).expect("a store in memory");
    let Ok(opened) = Journal::open(Box::new(store), options(), Platform::system()) else { return };
    let journal = opened.journal;
    for number in 0..=u8::MAX {
        let id = uuid::Uuid::from_u128(number.into());
        let Ok(operation) = journal.operation(id) else { continue };
        let _ = journal.read(id, operation.last_sequence.saturating_sub(3), 10);
        let _ = journal.read(id, 0, 10);
    }
    let _ = journal.inventory().all().count();
    for filter in [Filter::default(), Filter::default().with_operations()] {
        let Ok(mut cursor) = journal.events(filter, Some(0)) else { continue };
        loop {
            let before = cursor.position();
            match cursor.poll_next(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(Ok(_))) => assert!(cursor.position() > before, "a batch that leads nowhere"),
                Poll::Ready(_) => break,
                Poll::Pending if cursor.position() == before => break,
                Poll::Pending => {}
            }
        }
    }
});
