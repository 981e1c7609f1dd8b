//! What a daemon leaves on the disk.

use std::path::Path;

/// The bytes of all files below a folder. Sockets and the like have none.
///
/// # Panics
///
/// Something cannot be read.
#[expect(clippy::expect_used, reason = "how a test fails")]
pub fn bytes_below(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(bytes_below(&path));
        } else if path.is_file() {
            all.extend(std::fs::read(path).expect("a file"));
        }
    }
    all
}
