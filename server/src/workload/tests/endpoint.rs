//! The socket: stale, in use, or in a folder of others.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wsfc_clusapi::Clusapi;
use wsfc_resource_channel::{Hello, ToDaemon, VERSION, frame, to_daemon};

use super::super::Listener;
use super::queues::workloads;
use crate::cluster_api;
use crate::daemon::{Daemon, StartError};
use crate::listen::host::ListenError;
use crate::platform::Platform;
use crate::settings::{Settings, Unfit};

fn settings(folder: &Path, endpoint: Option<&Path>) -> Settings {
    let mut settings = Settings {
        data_dir: folder.join("data"),
        ..Settings::default()
    };
    settings.listen.address.set_port(0);
    settings.listen.threads = 1;
    settings.workloads.endpoint = endpoint.map(|path| path.to_str().unwrap().into());
    settings
}

async fn start(settings: Settings) -> Result<Daemon, StartError> {
    let world = cluster_api::simulation("default", None).unwrap();
    Daemon::start(settings, Clusapi::from_provider(world), Platform::system()).await
}

fn refused(started: Result<Daemon, StartError>) -> ListenError {
    match started {
        Err(StartError::Channel { source, .. }) => source,
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("it has started"),
    }
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_the_own_one_taken_away() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("data/resource.sock");
    std::fs::create_dir(folder.path().join("data")).unwrap();
    // Nobody listens there once the listener is dropped.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let daemon = start(settings(folder.path(), None)).await.unwrap();
    let made = std::fs::metadata(&socket).unwrap();
    assert!(made.file_type().is_socket());
    assert_eq!(made.permissions().mode() & 0o777, 0o600);
    std::os::unix::net::UnixStream::connect(&socket).unwrap();
    daemon.stop().await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let one = start(settings(&path("one"), Some(&path("socket")))).await.unwrap();
    let in_use = refused(start(settings(&path("two"), Some(&path("socket")))).await);
    assert!(matches!(in_use, ListenError::InUse), "{in_use:?}");
    std::os::unix::net::UnixStream::connect(path("socket")).unwrap();
    std::fs::write(path("file"), "text").unwrap();
    let file = refused(start(settings(&path("two"), Some(&path("file")))).await);
    assert!(matches!(file, ListenError::NoSocket), "{file:?}");
    assert_eq!(std::fs::read_to_string(path("file")).unwrap(), "text");
    std::fs::create_dir(path("open")).unwrap();
    std::fs::set_permissions(path("open"), std::fs::Permissions::from_mode(0o777)).unwrap();
    let open = refused(start(settings(&path("two"), Some(&path("open/socket")))).await);
    assert!(matches!(open, ListenError::OpenFolder), "{open:?}");
    // A socket that took the place of the own one is not the own one.
    std::fs::remove_file(path("socket")).unwrap();
    let _other = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    one.stop().await;
    assert!(path("socket").exists());
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_was_not_named_is_had_when_it_is_free() {
    let folder = TempDir::new().unwrap();
    let settings = settings(folder.path(), None);
    let socket = settings.workload_endpoint();
    let (workloads, journal) = workloads();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let taken = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    taken.set_nonblocking(true).unwrap();
    let tries = || std::iter::from_fn(|| taken.accept().ok()).count();
    let listener = Listener::of_settings(&settings, workloads.clone(), journal.clone()).await;
    let listener = listener.unwrap().unwrap();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert_ne!(tries(), 0, "it does not look whether somebody is there");
    }
    drop(taken);
    tokio::time::sleep(Duration::from_secs(31)).await;
    let mut dll = tokio::net::UnixStream::connect(&socket).await.unwrap();
    let hello = Hello {
        version: VERSION,
        monitor_id: "monitor".into(),
        ..Hello::default()
    };
    let mut bytes = Vec::new();
    let message = Some(to_daemon::Message::Hello(hello));
    frame::encode(&ToDaemon { message }, &mut bytes).unwrap();
    dll.write_all(&bytes).await.unwrap();
    assert_ne!(dll.read(&mut [0; 64]).await.unwrap(), 0);
    // Another one waits for it, and stops waiting when it is closed.
    let other = Listener::of_settings(&settings, workloads, journal)
        .await
        .unwrap()
        .unwrap();
    other.close().await;
    assert!(Path::new(&socket).exists());
    listener.close().await;
    assert!(!Path::new(&socket).exists());
}

#[tokio::test]
async fn only_an_endpoint_that_was_named_must_be_had() {
    let folder = TempDir::new().unwrap();
    // Longer than the address of a socket can be.
    let deep = folder.path().join("x".repeat(120));
    let named = refused(start(settings(&deep, Some(&deep.join("socket")))).await);
    assert!(matches!(named, ListenError::Io(_)), "{named:?}");
    start(settings(&deep, None)).await.unwrap().stop().await;
    // Nor is anything there when it is not wanted.
    let mut off = settings(folder.path(), Some(&folder.path().join("socket")));
    off.workloads.listen = false;
    let daemon = start(off).await.unwrap();
    assert!(!folder.path().join("socket").exists());
    daemon.stop().await;
    let relative = settings(folder.path(), Some(Path::new("socket")));
    assert!(matches!(
        relative.check(),
        Err(Unfit::RelativePath {
            field: "workloads.endpoint",
            ..
        })
    ));
}
