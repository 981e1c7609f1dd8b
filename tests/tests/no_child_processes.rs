//! What the daemon and the resource DLL are made of starts no other program (WINDOWS.md, "They start nothing"): no shell, no child process.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is how a test fails, also in what tests share"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// What starts a program, in Rust and on Windows.
const STARTS: [&str; 5] = [
    "process::Command",
    "Command::new",
    "CreateProcess",
    "ShellExecute",
    "WinExec",
];

/// The source files below a folder, without those of tests and builds.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if matches!(name.as_str(), "tests" | "tests.rs" | "build.rs" | "target") {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

#[test]
fn nothing_of_the_server_starts_a_program() {
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server");
    let mut files = Vec::new();
    sources(&server, &mut files);
    assert!(files.len() > 200, "{} files were found", files.len());
    let starts = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        STARTS.iter().any(|start| text.contains(start))
    };
    let guilty: Vec<_> = files.iter().filter(|path| starts(path)).collect();
    assert!(guilty.is_empty(), "{guilty:?}");
}
