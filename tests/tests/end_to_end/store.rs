//! The data directory: locked, unusable, damaged.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use wsfc_client::{Client, Reason, v1};
use wsfc_tests::records::{assert_succeeded, to_the_end};
use wsfc_tests::{TestDaemon, UnderTest, request, world};

/// The store in a data directory: its largest file.
fn store_file(data_dir: &Path) -> PathBuf {
    let files = fs::read_dir(data_dir).unwrap().map(|entry| entry.unwrap());
    files
        .max_by_key(|entry| entry.metadata().unwrap().len())
        .unwrap()
        .path()
}

/// What a client knows: every operation with its records.
async fn everything(client: &Client) -> Vec<(v1::Operation, Vec<v1::OperationRecord>)> {
    let listed = client
        .list_operations(v1::ListOperationsRequest::default())
        .await
        .unwrap();
    let mut all = Vec::new();
    for operation in listed.operations {
        let records = to_the_end(&client.operation(operation.operation_id.clone())).await;
        all.push((operation, records));
    }
    all
}

/// A stopped daemon with two ended operations in its store, and what a client knew of them.
async fn stopped() -> (TestDaemon, Vec<(v1::Operation, Vec<v1::OperationRecord>)>) {
    let mut daemon = TestDaemon::start(world::machines(2)).await;
    let client = daemon.client();
    to_the_end(
        &client
            .create_cluster(request::create_cluster("CL1", &["n1"]))
            .await
            .unwrap(),
    )
    .await;
    to_the_end(&client.add_node(request::add_node("CL1", "n2")).await.unwrap()).await;
    let known = everything(&client).await;
    assert_eq!(known.len(), 2);
    daemon.stop().await;
    (daemon, known)
}

#[tokio::test]
async fn a_data_directory_has_one_daemon_at_a_time() {
    let mut daemon = TestDaemon::start(world::machines(1)).await;
    let data_dir = daemon.data_dir().to_owned();
    let second = || TestDaemon::builder(world::machines(1)).settings(|s| s.data_dir = data_dir.clone());
    let error = second().try_start().await.err().unwrap();
    let text = error.to_string();
    assert!(text.contains("locked by another daemon"), "{text}");
    if let Some(id) = daemon.process_id() {
        assert!(
            text.contains(&id.to_string()),
            "the error does not name the process that has it: {text}"
        );
    }
    // The first one is not harmed, and its end frees the directory.
    to_the_end(
        &daemon
            .client()
            .create_cluster(request::create_cluster("CL1", &["n1"]))
            .await
            .unwrap(),
    )
    .await;
    daemon.stop().await;
    let second = second().start().await;
    assert_eq!(everything(&second.client()).await.len(), 1);
    second.finish().await;
    daemon.finish().await;
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_one_is_named() {
    let builder = TestDaemon::builder(world::machines(1));
    let file = builder.data_dir().with_file_name("a file");
    fs::write(&file, "in the way").unwrap();
    let builder = builder.settings(|s| s.data_dir = file.join("data"));
    let error = builder.try_start().await.err().unwrap();
    let text = error.to_string();
    assert!(text.contains("the journal in"), "{text}");
    assert!(text.contains(&UnderTest::get().path(&file)), "{text}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_read_only_data_directory_is_refused_at_the_start() {
    // /proc takes no files, whoever asks; permission bits would not stop root.
    let builder = TestDaemon::builder(world::machines(1)).settings(|s| s.data_dir = "/proc/wsfcd".into());
    let error = builder.try_start().await.err().unwrap();
    let text = error.to_string();
    assert!(text.contains("the journal in"), "{text}");
    assert!(
        text.contains(&UnderTest::get().path(Path::new("/proc/wsfcd"))),
        "{text}"
    );
}

#[tokio::test]
async fn a_truncated_store_is_set_aside_and_the_daemon_starts_degraded() {
    let (mut daemon, known) = stopped().await;
    let path = store_file(daemon.data_dir());
    let length = fs::metadata(&path).unwrap().len();
    for kept in [0, 1, 511, 4_096, length / 2] {
        let dir = daemon.data_dir();
        let before = fs::read_dir(dir).unwrap().count();
        let whole = fs::read(&path).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(kept).unwrap();
        daemon.logs().expect("was damaged and set aside");
        daemon.restart().await;
        let client = daemon.client();
        assert_eq!(everything(&client).await, [], "cut to {kept} bytes");
        // Positions in the lost store are not taken for positions in the new one.
        let (operation, records) = &known[0];
        let store = "the lost store";
        let mut stream = client
            .operation(operation.operation_id.clone())
            .progress_after(records.len() as u64, store);
        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!(error.reason(), Some(&Reason::StoreReplaced));
        // The world is still there, and the daemon works.
        assert_eq!(client.get_cluster("CL1").await.unwrap().nodes.len(), 2);
        daemon.stop().await;

        // The damaged store was renamed, not deleted.
        let files: Vec<_> = fs::read_dir(daemon.data_dir())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert_eq!(files.len(), before + 1, "{files:?}");
        assert!(
            files.iter().any(|file| file.to_string_lossy().contains("damaged")),
            "{files:?}"
        );
        // The next round damages the same store again.
        fs::write(&path, whole).unwrap();
    }
    daemon.restart().await;
    assert_eq!(
        everything(&daemon.client()).await,
        known,
        "the whole store is read as before"
    );
    daemon.finish().await;
}

#[tokio::test]
async fn nothing_wrong_is_served_from_a_store_with_flipped_bits() {
    let (mut daemon, known) = stopped().await;
    daemon.logs().expect("damaged");
    daemon.logs().expect("checksum");
    // The store's library may panic over them, which the daemon catches; another process says so on standard error.
    daemon.logs().expect("/redb-");
    daemon.logs().expect("The last daemon died while it opened the journal");
    let path = store_file(daemon.data_dir());
    let mut whole = Vec::new();
    File::open(&path).unwrap().read_to_end(&mut whole).unwrap();
    // Pages that hold something, a bit in each of some of them.
    let used: Vec<_> = (0..whole.len()).step_by(509).filter(|at| whole[*at] != 0).collect();
    let step = used.len().div_ceil(24).max(1);
    let mut served_records = 0;
    for at in used.into_iter().step_by(step) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        fs::write(&path, &flipped).unwrap();
        // Over some of them the store's library panics twice at once, which ends a process. The next one looks at the whole
        // store before it uses it; within this process that is done at once.
        if UnderTest::get() == UnderTest::InProcess {
            fs::write(path.with_file_name("journal.opening"), "").unwrap();
        }
        if daemon.start_again().await.is_err() {
            daemon.restart().await;
        }
        let client = daemon.client();
        let listed = client.list_operations(v1::ListOperationsRequest::default()).await;
        // An error is honest, and so is an empty store; what is served must be what was written.
        for operation in listed.map(|listed| listed.operations).unwrap_or_default() {
            let (before, records) = known
                .iter()
                .find(|(known, _)| known.operation_id == operation.operation_id)
                .unwrap_or_else(|| panic!("bit {at}: an operation that never was: {operation:?}"));
            assert_eq!(&operation, before, "bit {at}");
            let mut stream = client.operation(operation.operation_id.clone()).progress();
            let mut served = 0;
            while let Some(Ok(progress)) = wsfc_tests::records::soon("a record", stream.next()).await {
                if let wsfc_client::Progress::Record(record) = progress {
                    assert_eq!(*record, records[served], "bit {at}");
                    served += 1;
                }
            }
            served_records += served;
        }
        daemon.stop().await;
    }
    assert!(
        served_records > 0,
        "no bit left anything to serve, so nothing was compared"
    );
    daemon.finish().await;
}

#[tokio::test]
async fn a_foreign_file_in_place_of_the_store_is_set_aside() {
    let (mut daemon, _known) = stopped().await;
    let path = store_file(daemon.data_dir());
    fs::write(&path, "this is not a store\n".repeat(10_000)).unwrap();
    daemon.logs().expect("was damaged and set aside");
    daemon.restart().await;
    let client = daemon.client();
    assert_eq!(everything(&client).await, []);
    let records = to_the_end(&client.evict_node(request::evict_node("CL1", "n2")).await.unwrap()).await;
    assert_succeeded(&records);
    daemon.finish().await;
}

#[tokio::test]
async fn old_operations_lose_their_records_and_say_so() {
    let mut daemon = TestDaemon::builder(world::cluster("CL1", 1))
        .settings(|s| s.journal.keep_operations = 2)
        .start()
        .await;
    let client = daemon.client();
    let mut ids = Vec::new();
    for _ in 0..5 {
        let operation = client.add_node(request::add_node("CL1", "n1")).await.unwrap();
        to_the_end(&operation).await;
        ids.push(operation.id().to_owned());
    }
    daemon.restart().await;
    let client = daemon.client();
    // What happens to old ones is COMPACTED with the oldest that is kept, or NOT_FOUND; never a gap.
    let mut gone = 0;
    for id in &ids {
        let error = match wsfc_tests::records::try_to_the_end(&client.operation(id.clone())).await {
            Ok(_whole) => continue,
            Err(error) => error,
        };
        assert!(
            matches!(error.reason(), Some(Reason::Compacted | Reason::OperationNotFound)),
            "{error:?}"
        );
        gone += 1;
    }
    assert_eq!(gone, 3);
    assert!(
        wsfc_tests::records::try_to_the_end(&client.operation(ids[4].clone()))
            .await
            .is_ok()
    );
    daemon.finish().await;
}
