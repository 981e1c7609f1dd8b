use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use proptest::prelude::*;
use wsfc_audit::{AuditFile, Fault, Lines, Report, Verifier, files, verify};

use super::log::{Log, Medium, OpenMedium, open_on_disk};
use super::*;
use crate::events::{Event, RecordedEvents};
use crate::platform::{Clock, Platform};

/// A clock that stands still until it is moved.
struct Standing(Mutex<SystemTime>);

impl Clock for Standing {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

/// A writer whose turns are taken by hand.
struct Lab {
    folder: tempfile::TempDir,
    clock: Arc<Standing>,
    events: Arc<RecordedEvents>,
    audit: Audit,
    writer: Writer,
}

impl Lab {
    fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), |_options| {}, Arc::new(open_on_disk))
    }

    fn in_folder(folder: tempfile::TempDir, change: impl FnOnce(&mut Options), open: OpenMedium) -> Self {
        let clock = Arc::new(Standing(Mutex::new(
            SystemTime::UNIX_EPOCH + Duration::from_secs(1_000),
        )));
        let events = Arc::new(RecordedEvents::default());
        let platform = Platform {
            clock: clock.clone(),
            events: events.clone(),
            ..Platform::system()
        };
        let mut options = Options {
            dir: folder.path().join("audit"),
            max_file_bytes: 1024 * 1024,
            keep_files: None,
        };
        change(&mut options);
        let audit = Audit::new(&platform);
        let writer = Writer::new(audit.clone(), options).over(open);
        Self {
            folder,
            clock,
            events,
            audit,
            writer,
        }
    }

    /// The daemon ends suddenly, and leaves its folder. While it lives Windows lets nobody else write to its files.
    fn ends(self) -> tempfile::TempDir {
        self.folder
    }

    /// Another daemon comes.
    fn after(folder: tempfile::TempDir) -> Self {
        Self::in_folder(folder, |_options| {}, Arc::new(open_on_disk))
    }

    fn dir(&self) -> std::path::PathBuf {
        self.folder.path().join("audit")
    }

    fn pass(&self, time: Duration) {
        *self.clock.0.lock().unwrap() += time;
    }

    fn turn(&mut self) {
        let items = std::mem::take(&mut self.audit.state().items);
        self.writer.turn(items, false);
    }

    /// Asks for the go-ahead of a call, lets the writer take its turn, and gives its answer.
    async fn intent(&mut self, group: &str) -> Result<Ticket, AuditUnavailable> {
        let audit = self.audit.clone();
        let asked = asked(group);
        let waiting = tokio::spawn(async move { audit.intent(asked).await });
        tokio::task::yield_now().await;
        self.turn();
        waiting.await.unwrap()
    }

    fn entries(&self) -> Vec<Entry> {
        entries(&self.dir()).1
    }

    fn kinds(&self) -> Vec<Kind> {
        self.entries().iter().map(|entry| entry.kind).collect()
    }
}

fn asked(group: &str) -> Asked {
    Asked {
        who: Who {
            principal: "anna".into(),
            method: "certificate".into(),
            ..Who::default()
        },
        from: Origin {
            address: "10.0.0.1:50000".into(),
            medium: "tls".into(),
        },
        call: Call {
            method: "/wsfc.v1.GroupService/MoveGroup".into(),
            cluster: "CL1".into(),
            objects: vec![format!("group={group}")],
            ..Call::default()
        },
    }
}

fn done() -> Outcome {
    Outcome {
        code: "OK".into(),
        reason: String::new(),
    }
}

/// All entries of a log that stand where they belong.
fn entries(dir: &Path) -> (Report, Vec<Entry>) {
    let mut verifier = Verifier::new(&[]);
    let mut entries = Vec::new();
    for file in files(dir).unwrap() {
        let lines = Lines::of_file(&file.path).unwrap();
        verifier
            .file(&file.name(), lines, |sealed| entries.push(sealed.entry.clone()))
            .unwrap();
    }
    (verifier.finish(), entries)
}

fn sound(dir: &Path) -> Vec<Entry> {
    let (report, entries) = entries(dir);
    assert!(report.is_sound(), "{report:?}");
    entries
}

fn last_file(dir: &Path) -> AuditFile {
    files(dir).unwrap().pop().unwrap()
}

#[tokio::test]
async fn the_go_ahead_comes_when_the_entry_is_on_disk_and_the_outcome_follows() {
    let mut lab = Lab::new();
    let ticket = lab.intent("SQL").await.unwrap();
    let intent = lab.entries().pop().unwrap();
    assert_eq!((intent.kind, intent.sequence), (Kind::Intent, ticket.intent()));
    assert_eq!(intent.who.unwrap().principal, "anna");
    assert_eq!(intent.call.unwrap().objects, ["group=SQL"]);
    ticket.outcome(done(), Some("an-operation".into()), Some("token 0a".into()));
    lab.turn();
    let outcome = sound(&lab.dir()).pop().unwrap();
    assert_eq!((outcome.kind, outcome.intent), (Kind::Outcome, Some(intent.sequence)));
    assert_eq!(outcome.operation_id.as_deref(), Some("an-operation"));
    assert_eq!(outcome.detail.as_deref(), Some("token 0a"));
    assert_eq!(lab.kinds()[..2], [Kind::File, Kind::Started]);
}

#[tokio::test]
async fn connections_that_were_refused_in_the_handshake_are_refusals() {
    let mut lab = Lab::new();
    let events = lab.audit.with_events(lab.events.clone());
    events.report(&Event::ClientRefused {
        count: 3,
        address: "10.0.0.9:50000".parse().unwrap(),
        error: "invalid peer certificate: Revoked".into(),
    });
    lab.turn();
    let refusal = sound(&lab.dir()).pop().unwrap();
    assert_eq!((refusal.kind, refusal.count), (Kind::Refusal, Some(3)));
    assert_eq!(refusal.from.unwrap().address, "10.0.0.9:50000");
    assert_eq!(refusal.result.unwrap().reason, "HANDSHAKE_REFUSED");
    assert_eq!(refusal.detail.unwrap(), "invalid peer certificate: Revoked");
    assert_eq!(lab.events.take().len(), 1, "the event log has it, too");
}

#[tokio::test]
async fn the_event_log_has_the_calls_that_begin_no_operation() {
    let mut lab = Lab::new();
    let begins = lab.intent("one").await.unwrap();
    begins.outcome(done(), Some("an-operation".into()), None);
    let refused = lab.intent("two").await.unwrap();
    let outcome = |code: &str, reason: &str| Outcome {
        code: code.into(),
        reason: reason.into(),
    };
    refused.outcome(outcome("PERMISSION_DENIED", "PERMISSION_MISSING"), None, None);
    let fails = lab.intent("three").await.unwrap();
    let intent = fails.intent();
    fails.outcome(outcome("INVALID_ARGUMENT", "INVALID_FIELD"), None, None);
    drop(lab.intent("four").await.unwrap());
    let events = lab.events.take();
    let calls: Vec<_> = events.iter().filter(|event| event.message().id == 604).collect();
    let [failed, left] = calls.as_slice() else {
        panic!("{events:?}");
    };
    let strings = failed.insertions();
    assert_eq!(strings[0], "anna");
    assert_eq!(
        strings[2..],
        [
            "CL1, group=three",
            "10.0.0.1:50000",
            "INVALID_ARGUMENT INVALID_FIELD",
            &intent.to_string()
        ]
    );
    assert_eq!(left.insertions()[4], "UNKNOWN NOT_FINISHED");
}

#[tokio::test]
async fn a_call_that_nobody_ends_has_an_outcome_too() {
    let mut lab = Lab::new();
    drop(lab.intent("SQL").await.unwrap());
    lab.turn();
    // The one before it leaves while it waits.
    let audit = lab.audit.clone();
    let waiting = tokio::spawn(async move { audit.intent(asked("SQL")).await });
    tokio::task::yield_now().await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    lab.turn();
    lab.turn();
    let left: Vec<_> = sound(&lab.dir())
        .into_iter()
        .filter_map(|entry| Some((entry.intent?, entry.result?.reason)))
        .collect();
    assert_eq!(left, [(3, "NOT_FINISHED".into()), (5, "CALLER_LEFT".into())]);
}

#[tokio::test]
async fn a_caller_that_leaves_at_the_last_is_written_down_too() {
    let mut lab = Lab::new();
    let audit = lab.audit.clone();
    let waiting = tokio::spawn(async move { audit.intent(asked("SQL")).await });
    tokio::task::yield_now().await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    let items = std::mem::take(&mut lab.audit.state().items);
    lab.writer.turn(items, true);
    let mut left = sound(&lab.dir()).into_iter().filter_map(|entry| entry.result);
    assert!(left.next_back().is_some_and(|result| result.reason == "CALLER_LEFT"));
}

#[tokio::test]
async fn an_unfinished_line_is_kept_beside_the_log_which_goes_on() {
    let mut lab = Lab::new();
    lab.intent("one").await.unwrap().outcome(done(), None, None);
    let file = last_file(&lab.dir()).path;
    let folder = lab.ends();
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.extend_from_slice(b"{\"sequence\":4,\"ti");
    std::fs::write(&file, &bytes).unwrap();
    let mut lab = Lab::after(folder);
    lab.intent("two").await.unwrap().outcome(done(), None, None);
    let entries = sound(&lab.dir());
    let torn = entries.iter().find(|entry| entry.kind == Kind::Torn).unwrap();
    let kept = std::fs::read(lab.dir().join(torn.file.as_ref().unwrap())).unwrap();
    assert_eq!(kept, b"{\"sequence\":4,\"ti");
    assert_eq!(files(&lab.dir()).unwrap().len(), 1);
    let changed = |event: &Event| matches!(event, Event::AuditChanged { .. });
    assert!(!lab.events.take().iter().any(changed), "a sudden end is no alarm");
}

#[tokio::test]
async fn a_log_that_was_edited_stays_as_it_is_and_a_fresh_file_says_so() {
    let mut lab = Lab::new();
    lab.intent("one").await.unwrap().outcome(done(), None, None);
    lab.pass(Duration::from_secs(1));
    lab.turn();
    let file = last_file(&lab.dir()).path;
    let folder = lab.ends();
    let edited = std::fs::read_to_string(&file)
        .unwrap()
        .replace("group=one", "group=two");
    std::fs::write(&file, &edited).unwrap();
    let mut lab = Lab::after(folder);
    lab.intent("two").await.unwrap().outcome(done(), None, None);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), edited);
    assert_eq!(files(&lab.dir()).unwrap().len(), 2);
    let (report, entries) = entries(&lab.dir());
    assert_eq!(report.findings.len(), 1, "{report:?}");
    assert_eq!((report.findings[0].line, report.findings[0].sequence), (3, Some(3)));
    let fresh: Vec<_> = entries
        .iter()
        .skip(3)
        .map(|entry| (entry.kind, entry.sequence))
        .collect();
    assert_eq!(fresh[..3], [(Kind::File, 5), (Kind::Alarm, 6), (Kind::Started, 7)]);
    let changed = |event: &Event| matches!(event, Event::AuditChanged { what } if what.contains("line 3"));
    assert!(lab.events.take().iter().any(changed));
}

#[tokio::test]
async fn a_log_whose_end_was_cut_off_shows_at_the_anchor() {
    let mut lab = Lab::new();
    lab.intent("one").await.unwrap().outcome(done(), None, None);
    lab.pass(Duration::from_secs(10));
    lab.turn();
    let file = last_file(&lab.dir()).path;
    let folder = lab.ends();
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.lines().collect();
    std::fs::write(&file, format!("{}\n", lines[..2].join("\n"))).unwrap();
    let mut lab = Lab::after(folder);
    lab.intent("two").await.unwrap().outcome(done(), None, None);
    let report = verify(&lab.dir(), &[]).unwrap();
    assert_eq!(
        report.findings[0].fault,
        Fault::Missing { from: 3, to: 4 },
        "{report:?}"
    );
    // All of it is gone.
    lab.pass(Duration::from_secs(10));
    lab.turn();
    let anchor = lab.entries().pop().unwrap().sequence;
    let written = files(&lab.dir()).unwrap();
    let folder = lab.ends();
    for file in written {
        std::fs::remove_file(file.path).unwrap();
    }
    let mut lab = Lab::after(folder);
    lab.intent("three").await.unwrap().outcome(done(), None, None);
    assert_eq!(lab.entries()[0].sequence, anchor + 1);
    assert_eq!(lab.kinds()[..2], [Kind::File, Kind::Alarm]);
}

#[tokio::test]
async fn files_follow_one_another_and_the_oldest_go_when_they_are_too_many() {
    let folder = tempfile::tempdir().unwrap();
    let small = |options: &mut Options| {
        options.max_file_bytes = 1_500;
        options.keep_files = Some(3);
    };
    let mut lab = Lab::in_folder(folder, small, Arc::new(open_on_disk));
    for _ in 0..20 {
        lab.intent("SQL").await.unwrap().outcome(done(), None, None);
    }
    let report = verify(&lab.dir(), &[]).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.files, 3);
    let entries = lab.entries();
    let removed: Vec<_> = entries.iter().filter(|entry| entry.kind == Kind::Removed).collect();
    assert!(!removed.is_empty());
    let name = removed[0].file.clone().unwrap();
    assert!(!lab.dir().join(name).exists());
    for file in files(&lab.dir()).unwrap() {
        let length = file.path.metadata().unwrap().len();
        assert!(length < 1_500 + 400, "{length} bytes");
    }
    let former: Vec<_> = entries.iter().filter(|entry| entry.kind == Kind::File).collect();
    assert!(former.iter().all(|entry| entry.file.is_some()));
}

/// What is wrong with a disk, and what it has taken.
#[derive(Default)]
struct Disk {
    is_full: AtomicBool,
    cannot_sync: AtomicBool,
    /// How many bytes of the last file were made durable.
    synced: AtomicU64,
}

impl Disk {
    fn open(self: &Arc<Self>) -> OpenMedium {
        let state = Arc::clone(self);
        Arc::new(move |path, new| {
            let (disk, state) = (open_on_disk(path, new)?, Arc::clone(&state));
            Ok(Box::new(Faulty { disk, state }))
        })
    }
}

/// A disk that refuses when told so.
struct Faulty {
    disk: Box<dyn Medium>,
    state: Arc<Disk>,
}

impl Medium for Faulty {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.state.is_full.load(Ordering::SeqCst) {
            // As a full disk does it: a part finds room.
            self.disk.append(&bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.disk.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.state.cannot_sync.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk keeps nothing"));
        }
        self.disk.sync()?;
        let length = self.disk.length_in_place().unwrap_or_default();
        self.state.synced.store(length, Ordering::SeqCst);
        Ok(())
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.disk.cut(length)
    }

    fn length_in_place(&self) -> Option<u64> {
        self.disk.length_in_place()
    }
}

#[tokio::test]
async fn the_go_ahead_waits_until_the_entry_is_durable() {
    let disk = Arc::new(Disk::default());
    let mut lab = Lab::in_folder(tempfile::tempdir().unwrap(), |_options| {}, disk.open());
    let ticket = lab.intent("one").await.unwrap();
    let written = std::fs::read(last_file(&lab.dir()).path).unwrap();
    assert!(String::from_utf8_lossy(&written).contains("group=one"));
    assert_eq!(disk.synced.load(Ordering::SeqCst), written.len() as u64);
    disk.cannot_sync.store(true, Ordering::SeqCst);
    let refused = lab.intent("two").await.unwrap_err();
    assert!(
        matches!(&refused, AuditUnavailable::Failed { cause } if cause.contains("the disk keeps nothing")),
        "{refused:?}"
    );
    ticket.outcome(done(), None, None);
}

#[tokio::test]
async fn a_full_disk_refuses_what_changes_something_until_it_has_room() {
    let disk = Arc::new(Disk::default());
    let mut lab = Lab::in_folder(tempfile::tempdir().unwrap(), |_options| {}, disk.open());
    let before = lab.intent("one").await.unwrap();
    disk.is_full.store(true, Ordering::SeqCst);
    before.outcome(done(), Some("one".into()), None);
    for _ in 0..3 {
        let refused = lab.intent("two").await.unwrap_err();
        assert!(
            matches!(&refused, AuditUnavailable::Failed { cause } if cause.contains("no storage space")),
            "{refused:?}"
        );
        lab.pass(Duration::from_millis(400));
    }
    disk.is_full.store(false, Ordering::SeqCst);
    lab.pass(Duration::from_secs(1));
    lab.turn();
    lab.intent("three").await.unwrap().outcome(done(), None, None);
    let entries = sound(&lab.dir());
    let after: Vec<_> = entries.iter().skip(3).map(|entry| entry.kind).collect();
    assert_eq!(after[..3], [Kind::Gap, Kind::Outcome, Kind::Intent]);
    let gap = &entries[3];
    assert_eq!(gap.count, Some(3), "{gap:?}");
    assert_eq!(entries[4].operation_id.as_deref(), Some("one"), "no outcome is lost");
    let events: Vec<_> = lab.events.take().iter().map(|event| event.message().id).collect();
    assert_eq!(events, [603, 600, 601, 604]);
}

#[tokio::test]
async fn a_disk_that_hangs_has_a_bounded_queue_before_it() {
    let mut lab = Lab::new();
    let left = MOST_WAITING - lab.audit.state().items.len();
    let notes = (0..left).map(|_| Item::Note(Box::new(Entry::new(Kind::Settings))));
    lab.audit.state().items.extend(notes);
    let asking = lab.audit.intent(asked("SQL"));
    let refused = tokio::time::timeout(PATIENCE / 2, asking).await.unwrap();
    assert_eq!(refused.unwrap_err(), AuditUnavailable::Slow, "at once");
    assert_eq!(lab.audit.state().items.len(), MOST_WAITING);
    lab.turn();
    lab.intent("SQL").await.unwrap().outcome(done(), None, None);
    lab.turn();
    let kinds: Vec<_> = sound(&lab.dir()).iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds[kinds.len() - 2..], [Kind::Intent, Kind::Outcome]);
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("audit"), "a file").unwrap();
    let mut lab = Lab::in_folder(folder, |_options| {}, Arc::new(open_on_disk));
    lab.intent("one").await.unwrap_err();
    lab.intent("one").await.unwrap_err();
    std::fs::remove_file(lab.dir()).unwrap();
    lab.intent("one").await.unwrap_err();
    lab.pass(Duration::from_secs(1));
    lab.intent("two").await.unwrap().outcome(done(), None, None);
    assert_eq!(sound(&lab.dir())[1].count, Some(3));
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_taken_away_while_it_is_written_is_missed() {
    let mut lab = Lab::new();
    lab.intent("one").await.unwrap().outcome(done(), None, None);
    lab.pass(Duration::from_secs(1));
    lab.turn();
    std::fs::remove_file(last_file(&lab.dir()).path).unwrap();
    lab.intent("two").await.unwrap_err();
    lab.pass(Duration::from_secs(1));
    lab.intent("three").await.unwrap().outcome(done(), None, None);
    assert_eq!(last_file(&lab.dir()).name(), wsfc_audit::file_name(2));
    assert_eq!(lab.kinds()[..3], [Kind::File, Kind::Alarm, Kind::Gap]);
    assert_eq!(lab.entries()[0].sequence, 5);
}

#[tokio::test]
async fn a_thread_writes_and_says_when_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        dir: folder.path().join("audit"),
        max_file_bytes: 1024 * 1024,
        keep_files: None,
    };
    let audit = Audit::start(options.clone(), &Platform::system()).unwrap();
    let calls = (0..50).map(|index| {
        let audit = audit.clone();
        tokio::spawn(async move {
            audit
                .intent(asked(&index.to_string()))
                .await
                .unwrap()
                .outcome(done(), None, None);
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    for _ in 0..1_000 {
        audit.refused(asked("SQL"), done());
    }
    audit.stop().await;
    let entries = sound(&options.dir);
    let count = |kind| entries.iter().filter(|entry| entry.kind == kind).count();
    assert_eq!(
        (count(Kind::Intent), count(Kind::Outcome), count(Kind::Refusal)),
        (50, 50, 2)
    );
    assert_eq!(entries.last().unwrap().kind, Kind::Stopped);
    assert!(matches!(
        audit.intent(asked("late")).await,
        Err(AuditUnavailable::Closed)
    ));
    let anchor = std::fs::read_to_string(options.dir.join(wsfc_audit::ANCHOR_FILE)).unwrap();
    assert_eq!(
        anchor.parse::<Anchor>().unwrap().sequence,
        entries.last().unwrap().sequence
    );
}

/// What happens to a log.
#[derive(Clone, Debug)]
enum Step {
    Append(u8),
    Sync,
    Anchor,
    /// The daemon ends suddenly; of what is not durable this much is on disk.
    Crash(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_u8..6).prop_map(Step::Append),
        3 => Just(Step::Sync),
        1 => Just(Step::Anchor),
        2 => any::<prop::sample::Index>().prop_map(Step::Crash),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_log_that_ends_anywhere_goes_on_and_holds_what_was_durable(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { dir: folder.path().join("audit"), max_file_bytes: 1_000, keep_files: None };
        let open: OpenMedium = Arc::new(open_on_disk);
        let now = SystemTime::UNIX_EPOCH;
        let start = || -> Log {
            let (mut log, mut found) = Log::open(&options, &open).unwrap();
            assert!(found.iter().all(|entry| entry.kind == Kind::Torn), "{found:?}");
            log.append(found.iter_mut().collect(), now).unwrap();
            log.sync().unwrap();
            log
        };
        let mut log = start();
        let mut durable = log.durable();
        for step in steps {
            match step {
                Step::Append(count) => {
                    let mut entries = vec![Entry::new(Kind::Outcome); usize::from(count)];
                    log.append(entries.iter_mut().collect(), now).unwrap();
                    durable = log.durable();
                }
                Step::Sync => {
                    log.sync().unwrap();
                    durable = log.durable();
                }
                Step::Anchor if durable.sequence > 0 => log.anchor().unwrap(),
                Step::Anchor => {}
                Step::Crash(index) => {
                    let least = log.durable_bytes();
                    drop(log);
                    if let Some(file) = files(&options.dir).unwrap().pop() {
                        let length = file.path.metadata().unwrap().len();
                        let kept = least + index.index(usize::try_from(length - least).unwrap() + 1) as u64;
                        std::fs::OpenOptions::new().write(true).open(&file.path).unwrap().set_len(kept).unwrap();
                    }
                    let report = verify(&options.dir, &[]).unwrap();
                    let torn = report.findings.iter().all(|finding| matches!(finding.fault, Fault::Torn { .. }));
                    prop_assert!(torn, "{:?}", report);
                    log = start();
                }
            }
            if durable.sequence > 0 {
                let report = verify(&options.dir, &[durable]).unwrap();
                prop_assert!(report.is_sound(), "{:?}", report);
            }
        }
    }
}
