//! The socket for administrators of the host. Pipes of Windows are in the tests of `wsfc-windows`.

use std::io::Read as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Uid;
use tempfile::TempDir;
use wsfc_client::{Error, Reason};
use wsfc_tests::records::{assert_succeeded, to_the_end};
use wsfc_tests::tokens::Issuer;
use wsfc_tests::{Builder, TestDaemon, request, world};
use wsfcd::access::policy::{Binding, VIEWER};

/// Why these are not about Windows.
const WHY: &str = "a pipe of Windows cannot be reached from here";

fn builder() -> Option<Builder> {
    TestDaemon::builder(world::machines(1)).in_process(WHY)
}

fn socket_of(builder: &Builder) -> PathBuf {
    builder.data_dir().join("api.sock")
}

/// The name of the account that this runs as, as the system's own program tells it.
fn own_name() -> String {
    let told = Command::new("id").arg("-un").output().unwrap();
    let name = String::from_utf8(told.stdout).unwrap().trim().to_owned();
    if name.is_empty() {
        rustix::process::getuid().as_raw().to_string()
    } else {
        name
    }
}

#[tokio::test]
async fn an_administrator_of_the_host_needs_nothing_more_than_the_socket() {
    let Some(builder) = builder() else { return };
    let socket = socket_of(&builder);
    let daemon = builder.start().await;
    let kind = std::fs::symlink_metadata(&socket).unwrap();
    assert!(kind.file_type().is_socket());
    assert_eq!(kind.permissions().mode() & 0o777, 0o600);
    // Who shows nothing gets nothing elsewhere.
    let mut stranger = daemon.connect_options();
    stranger.tls = None;
    stranger.request_timeout = Duration::from_millis(500);
    let stranger = wsfc_client::Client::lazy(stranger).unwrap();
    assert!(stranger.get_host_state("").await.is_err());
    let client = daemon.local_client();
    let operation = client
        .create_cluster(request::create_cluster("CL1", &["n1"]))
        .await
        .unwrap();
    assert_succeeded(&to_the_end(&operation).await);
    assert_eq!(
        operation.get().await.unwrap().principal,
        format!("local:{}", own_name())
    );
    daemon.finish().await;
    assert!(!socket.exists(), "a daemon that has ended leaves nothing to connect to");
}

#[tokio::test]
async fn a_token_at_the_socket_speaks_for_its_caller() {
    let (issuer, keys) = (Issuer::new("https://id.example"), TempDir::new().unwrap());
    let bearer = issuer.settings(keys.path());
    let Some(builder) = builder() else { return };
    let builder = builder.settings(|settings| {
        settings.access.bearer = vec![bearer];
        settings.access.bindings.push(Binding {
            subject: "user:https://id.example#eve".into(),
            role: VIEWER.into(),
            clusters: None,
        });
    });
    let socket = socket_of(&builder);
    let daemon = builder.start().await;
    let mut options = wsfc_client::ConnectOptions::new([format!("unix:{}", socket.display())]);
    let token = issuer.token("eve", &[], Duration::from_secs(600));
    options.bearer = Some(wsfc_client::BearerSource::token(token));
    let eve = wsfc_client::Client::connect(options).await.unwrap();
    eve.get_host_state("").await.unwrap();
    let refused = eve.create_cluster(request::create_cluster("CL1", &["n1"])).await;
    let error: Error = refused.err().unwrap();
    assert_eq!(error.reason().map(Reason::name), Some("PERMISSION_MISSING"), "{error}");
    daemon.finish().await;
}

/// Connects as another account, and reads until the other side says or ends something.
fn connect_as(account: u32, socket: &Path) -> std::io::Result<usize> {
    std::thread::scope(|scope| {
        // Accounts are of threads on Linux, so this one alone is somebody else, for as long as it lives.
        let other = std::thread::Builder::new().spawn_scoped(scope, || {
            let account = Uid::from_raw(account);
            rustix::thread::set_thread_res_uid(account, account, account)?;
            let mut stream = UnixStream::connect(socket)?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream.read(&mut [0; 64])
        })?;
        other.join().unwrap()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_accounts_are_refused_even_when_they_reach_the_socket() {
    let Some(builder) = builder() else { return };
    let socket = socket_of(&builder);
    let folder = builder.data_dir().parent().unwrap().to_owned();
    let daemon = builder.start().await;
    if !rustix::process::geteuid().is_root() {
        eprintln!("LEFT OUT: only root can be another account");
        daemon.finish().await;
        return;
    }
    let nobody = 65_534;
    let reached = tokio::task::spawn_blocking(move || {
        let closed = connect_as(nobody, &socket).unwrap_err();
        assert_eq!(closed.kind(), std::io::ErrorKind::PermissionDenied);
        // Somebody has opened folder and socket to everybody.
        for (path, mode) in [
            (folder.as_path(), 0o755),
            (socket.parent().unwrap(), 0o755),
            (&socket, 0o666),
        ] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        connect_as(nobody, &socket)
    });
    // The end of the connection, without a byte.
    let read = reached.await.unwrap();
    assert!(
        matches!(&read, Ok(0))
            || read
                .as_ref()
                .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
        "{read:?}"
    );
    let refused = "A connection of another account was refused";
    daemon.logs().expect(refused);
    assert!(daemon.logs().contains(refused));
    daemon.local_client().get_host_state("").await.unwrap();
    daemon.finish().await;
}

#[tokio::test]
async fn an_endpoint_that_was_named_must_be_had_and_another_need_not() {
    let Some(builder) = builder() else { return };
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "kept").unwrap();
    let named = file.display().to_string();
    let error = builder
        .settings(|settings| settings.listen.local_endpoint = Some(named))
        .try_start()
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("administrators of this host cannot connect"), "{error}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept");

    let Some(builder) = self::builder() else { return };
    std::fs::create_dir_all(builder.data_dir().join("api.sock")).unwrap();
    let daemon = builder.start().await;
    daemon.logs().expect("Administrators of this host cannot connect");
    daemon.client().get_host_state("").await.unwrap();
    daemon.finish().await;
}
