//! The file that says where the daemon listens.

use std::io;
use std::path::Path;
use std::time::Duration;

/// How often, and how far apart, a file that somebody reads is replaced once more.
const REPLACE_ATTEMPTS: u32 = 20;
const REPLACE_PAUSE: Duration = Duration::from_millis(100);

/// A reader sees the whole text or none. Windows refuses to replace a file that somebody reads, which is soon over.
pub(super) async fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    std::fs::write(&partial, text)?;
    let mut attempts = 1..=REPLACE_ATTEMPTS;
    loop {
        match std::fs::rename(&partial, path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && attempts.next().is_some() => {
                tokio::time::sleep(REPLACE_PAUSE).await;
            }
            replaced => return replaced,
        }
    }
}
