//! Crash and recovery: whatever the moment, what was seen or answered is there afterwards, byte for byte.
//!
//! Clients act on a journal over a simulated disk whose power goes at a chosen access. They follow with cursors that
//! resume where the last one was, and repeat their requests. The planted bugs show that the test notices.

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::super::sim_disk::{SimDisk, Unsynced};
use super::super::{
    AcceptError, AcceptOutcome, Append, AppendError, Appended, Batch, Filter, Journal, NewOperation, ObserveError,
    Observed, Opened, Options, ReadError, RedbStore, Reply, Step, Writer,
};
use super::events::{decode_events, event, group, poll, revision};
use super::{ProgressReport, Uuid, cancel_requested, decode, operation, platform, request, started, v1};

/// Something that a client, a callback or the engine does.
#[derive(Clone, Debug)]
enum Action {
    /// Starts an operation by a request with this id; sent again, it is the same request.
    Start(u8),
    /// Begins the call of an operation.
    Run(u8),
    /// Reports progress with this text, which nothing could guess.
    Report(u8, u64),
    Cancel(u8),
    End(u8),
    /// Observes a group with this name, which nothing could guess, or that it is gone.
    Observe(u8, u64, bool),
    /// Lets the writer take a step, and the watchers read.
    Step,
}

/// A life of the daemon, up to its crash.
#[derive(Clone, Debug)]
struct Life {
    actions: Vec<Action>,
    /// At which access to the disk the power goes; the life ends then, or after its actions.
    crash_at: u64,
    fate: Unsynced,
}

fn action() -> impl Strategy<Value = Action> {
    let who = 0..4_u8;
    prop_oneof![
        3 => who.clone().prop_map(Action::Start),
        2 => who.clone().prop_map(Action::Run),
        4 => (who.clone(), any::<u64>()).prop_map(|(who, text)| Action::Report(who, text)),
        1 => who.clone().prop_map(Action::Cancel),
        1 => who.clone().prop_map(Action::End),
        4 => (who, any::<u64>(), any::<bool>()).prop_map(|(who, name, gone)| Action::Observe(who, name, gone)),
        5 => Just(Action::Step),
    ]
}

fn life() -> impl Strategy<Value = Life> {
    let fate = prop_oneof![Just(Unsynced::Lost), Just(Unsynced::Torn), Just(Unsynced::Kept)];
    (proptest::collection::vec(action(), 0..40), 1..150_u64, fate).prop_map(|(actions, crash_at, fate)| Life {
        actions,
        crash_at,
        fate,
    })
}

fn lives() -> impl Strategy<Value = (u64, Vec<Life>)> {
    (any::<u64>(), proptest::collection::vec(life(), 1..5))
}

/// What the clients remember over all lives.
#[derive(Default)]
struct Memory {
    /// Every record that a client has seen.
    seen: BTreeMap<Uuid, Vec<v1::OperationRecord>>,
    /// Every event and record that a watcher of everything has seen, by revision.
    watched: Vec<v1::Event>,
    /// The operation that each request is known to have started.
    started: BTreeMap<u8, Uuid>,
    store_id: Option<Uuid>,
    next_id: u128,
}

/// Answers that are on their way.
#[derive(Default)]
struct Pending {
    accepts: Vec<(u8, Reply<AcceptOutcome, AcceptError>)>,
    appends: Vec<(Uuid, Reply<Appended, AppendError>)>,
    observes: Vec<Reply<Observed, ObserveError>>,
}

impl Memory {
    /// Lives one life, and says which promise was broken.
    fn live(&mut self, disk: &SimDisk, life: &Life, options: &Options) -> Result<(), String> {
        let store = RedbStore::on_backend(disk.storage(), 1 << 20).map_err(|error| format!("unopenable: {error}"))?;
        let opened = Journal::open(Box::new(store), options.clone(), platform(1).1);
        let Opened {
            journal,
            mut writer,
            unfinished,
            ..
        } = opened.map_err(|error| format!("refused: {error:?}"))?;
        if *self.store_id.get_or_insert(journal.store_id()) != journal.store_id() {
            return Err("the store has another id".to_owned());
        }
        if unfinished
            .iter()
            .any(|operation| *operation != journal.operation(id_of(operation)).unwrap())
        {
            return Err("an unfinished operation differs".to_owned());
        }
        self.check_all(&journal)?;
        disk.crash_at(life.crash_at);
        let mut pending = Pending::default();
        for action in &life.actions {
            if !self.act(action, &journal, &mut writer, &mut pending)? {
                break;
            }
        }
        disk.cut_power();
        drop(writer);
        self.learn(&mut pending)?;
        for (id, reply) in pending.appends {
            if let Ok(appended) = reply.wait() {
                // Watchers read after every step, so what was answered was seen; a record that was not is a loss.
                let seen = self.seen.get(&id).map_or(0, |seen| seen.len() as u64);
                if seen < appended.sequence {
                    return Err(format!(
                        "record {} of {id} was answered and not shown",
                        appended.sequence
                    ));
                }
            }
        }
        for reply in pending.observes {
            if let Ok(observed) = reply.wait()
                && (self.watched.len() as u64) < observed.last_revision
            {
                return Err(format!("event {} was answered and not shown", observed.last_revision));
            }
        }
        drop(journal);
        disk.restore_power(life.fate);
        Ok(())
    }

    /// Does one thing; false when the journal has failed.
    fn act(
        &mut self,
        action: &Action,
        journal: &Journal,
        writer: &mut Writer,
        pending: &mut Pending,
    ) -> Result<bool, String> {
        let append = |who: &u8, payload, pending: &mut Pending| {
            if let Some(id) = self.started.get(who) {
                pending.appends.push((*id, journal.append(Append::new(*id, payload))));
            }
        };
        match action {
            Action::Start(who) => {
                self.next_id += 1;
                let key = Some(request(&who.to_string(), *who));
                let accepted = v1::OperationAccepted {
                    request_id: who.to_string(),
                    ..Default::default()
                };
                let new = NewOperation {
                    request: key,
                    accepted,
                    ..operation(self.next_id)
                };
                pending.accepts.push((*who, journal.accept(new)));
                // The client waits for its answer before it goes on, or never gets it.
                let working = self.step(journal, writer)?;
                self.learn(pending)?;
                return Ok(working);
            }
            Action::Run(who) => append(who, started(), pending),
            Action::Cancel(who) => append(who, cancel_requested(), pending),
            Action::End(who) => append(who, super::succeeded(), pending),
            Action::Report(who, text) => {
                if let Some(id) = self.started.get(who) {
                    let report = ProgressReport::Setup {
                        phase: 200,
                        phase_type: 1,
                        severity: 1,
                        percent: 1,
                        object_name: Some(text.to_string()),
                        status: 0,
                    };
                    journal.progress(*id).push(report);
                }
            }
            Action::Observe(who, name, gone) => {
                let change = if *gone {
                    v1::ChangeType::Removed
                } else {
                    v1::ChangeType::Name
                };
                let group = group(&name.to_string(), &who.to_string(), "");
                let events = vec![event(&[change], Some(group)), event(&[v1::ChangeType::Gap], None)];
                pending.observes.push(journal.observe(events));
            }
            Action::Step => return self.step(journal, writer),
        }
        Ok(true)
    }

    fn step(&mut self, journal: &Journal, writer: &mut Writer) -> Result<bool, String> {
        let step = writer.step();
        self.watch(journal)?;
        Ok(step != Step::Stopped)
    }

    /// Takes the answers that have come.
    fn learn(&mut self, pending: &mut Pending) -> Result<(), String> {
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting = Vec::new();
        for (request, mut reply) in std::mem::take(&mut pending.accepts) {
            match std::pin::Pin::new(&mut reply).poll(&mut context) {
                Poll::Pending => waiting.push((request, reply)),
                Poll::Ready(Ok(AcceptOutcome::Started(operation) | AcceptOutcome::Replayed(operation))) => {
                    let id = id_of(&operation);
                    if *self.started.entry(request).or_insert(id) != id {
                        return Err(format!("request {request} started twice"));
                    }
                }
                Poll::Ready(Err(AcceptError::Failed(_))) => {}
                Poll::Ready(Err(error)) => return Err(format!("refused: {error}")),
            }
        }
        pending.accepts = waiting;
        Ok(())
    }

    /// Follows every known operation from where its watcher was.
    fn watch(&mut self, journal: &Journal) -> Result<(), String> {
        let from = self.watched.len() as u64;
        match journal.events(Filter::default().with_operations(), Some(from)) {
            Ok(mut cursor) => {
                while let Some(Ok(batch)) = poll(&mut cursor) {
                    for event in decode_events(&batch) {
                        if revision(&event) != self.watched.len() as u64 + 1 {
                            return Err(format!("the watch goes from {} to {event:?}", self.watched.len()));
                        }
                        self.watched.push(event);
                    }
                }
            }
            Err(error) => return Err(format!("the watch cannot be resumed after {from}: {error}")),
        }
        for number in 1..=self.next_id {
            let id = Uuid::from_u128(number);
            let seen = self.seen.get(&id).map_or(0, |seen| seen.len() as u64);
            let mut cursor = match journal.cursor(id, seen) {
                Ok(cursor) => cursor,
                // A store without power cannot be read.
                Err(ReadError::NotFound | ReadError::Failed(_)) if seen == 0 => continue,
                Err(ReadError::Failed(_)) => continue,
                Err(error) => return Err(format!("{id} cannot be resumed after {seen}: {error}")),
            };
            while let Poll::Ready(Some(Ok(batch))) = cursor.poll_next(&mut Context::from_waker(Waker::noop())) {
                self.note(id, &batch)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, id: Uuid, batch: &Batch) -> Result<(), String> {
        let seen = self.seen.entry(id).or_default();
        for record in decode(batch) {
            if record.sequence != seen.len() as u64 + 1 {
                return Err(format!("{id} goes from {} to {}", seen.len(), record.sequence));
            }
            seen.push(record);
        }
        Ok(())
    }

    /// After a crash: everything that was seen is there and is the same, and every request has one operation.
    fn check_all(&self, journal: &Journal) -> Result<(), String> {
        for (id, seen) in &self.seen {
            let mut found = Vec::new();
            let mut after = 0;
            loop {
                let batch = journal
                    .read(*id, after, 500)
                    .map_err(|error| format!("{id} after {after}: {error}"))?;
                if batch.count == 0 {
                    break;
                }
                found.extend(decode(&batch));
                after = batch.last;
            }
            if !found.starts_with(seen) {
                return Err(format!("{id} had {} records that are not those of now", seen.len()));
            }
        }
        self.check_events(journal)?;
        let operations = journal
            .operations(None, usize::MAX, |_| true)
            .map_err(|error| error.to_string())?
            .operations;
        let mut by_request = BTreeMap::new();
        for operation in operations {
            let id = id_of(&operation);
            if by_request.insert(operation.request_id.clone(), id).is_some() {
                return Err(format!("request {} started twice", operation.request_id));
            }
        }
        for (request, id) in &self.started {
            if by_request.get(&request.to_string()) != Some(id) {
                return Err(format!("the operation of request {request} is gone"));
            }
        }
        Ok(())
    }
}

impl Memory {
    /// After a crash: what was watched is there and is the same, and the inventory is what the events make.
    fn check_events(&self, journal: &Journal) -> Result<(), String> {
        let cursor = journal.events(Filter::default().with_operations(), Some(0));
        let mut cursor = cursor.map_err(|error| format!("nothing can be watched: {error}"))?;
        let mut found = Vec::new();
        while let Some(batch) = poll(&mut cursor) {
            found.extend(decode_events(&batch.map_err(|error| error.to_string())?));
        }
        if !found.starts_with(&self.watched) {
            return Err(format!(
                "{} events were watched that are not those of now",
                self.watched.len()
            ));
        }
        let mut objects = BTreeMap::new();
        for event in &found {
            let Some(v1::event::Event::Cluster(event)) = &event.event else {
                continue;
            };
            let Some(object) = &event.object else { continue };
            let key = super::super::Common::of(object).unwrap().key();
            if event.changes.contains(&v1::ChangeType::Removed.into()) {
                objects.remove(&key);
            } else {
                objects.insert(key, object.clone());
            }
        }
        let inventory = journal.inventory();
        let is_fold = inventory.len() == objects.len()
            && inventory
                .all()
                .all(|object| objects.get(object.key()).is_some_and(|known| *known == ***object));
        if is_fold {
            Ok(())
        } else {
            Err("the inventory is not what the events make".to_owned())
        }
    }
}

fn id_of(operation: &v1::Operation) -> Uuid {
    operation.operation_id.parse().unwrap()
}

fn run(seed: u64, lives: &[Life], options: &Options, syncs_lie: bool) -> Result<(), String> {
    let disk = SimDisk::new(seed);
    let mut memory = Memory::default();
    // The store is made before accidents begin.
    let calm = Life {
        actions: Vec::new(),
        crash_at: u64::MAX,
        fate: Unsynced::Lost,
    };
    memory.live(&disk, &calm, options)?;
    if syncs_lie {
        disk.ignore_syncs();
    }
    for life in lives.iter().chain([&calm]) {
        memory.live(&disk, life, options)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_was_seen_survives_any_crash((seed, lives) in lives()) {
        run(seed, &lives, &Options::default(), false).map_err(TestCaseError::fail)?;
    }
}

/// Runs histories until one turns red.
fn is_noticed(options: &Options, syncs_lie: bool) -> bool {
    let config = ProptestConfig {
        cases: 400,
        max_shrink_iters: 0,
        failure_persistence: None,
        ..Default::default()
    };
    let mut runner = TestRunner::new(config);
    runner
        .run(&lives(), |(seed, lives)| {
            run(seed, &lives, options, syncs_lie).map_err(TestCaseError::fail)
        })
        .is_err()
}

#[test]
fn a_disk_that_lies_about_syncs_is_noticed() {
    assert!(is_noticed(&Options::default(), true));
}

#[cfg(feature = "planted-bugs")]
#[test]
fn planted_bugs_are_noticed() {
    use super::super::PlantedBug;
    for bug in [
        PlantedBug::PublishBeforeDurable,
        PlantedBug::ResumeOffByOne,
        PlantedBug::RequestIdInSecondTransaction,
    ] {
        let options = Options {
            planted_bug: Some(bug),
            ..Options::default()
        };
        assert!(is_noticed(&options, false), "{bug:?} went unnoticed");
    }
}
