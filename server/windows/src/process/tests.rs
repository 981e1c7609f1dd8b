use std::process::{Command, Stdio};

use super::*;

#[test]
fn the_end_of_a_process_is_seen() {
    // It waits for input.
    let mut child = Command::new("cmd").stdin(Stdio::piped()).spawn().unwrap();
    let process = Watched::open(child.id()).unwrap();
    assert!(!process.has_ended());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(process.has_ended());
}
