use std::process::{Command, Stdio};

use super::*;

#[test]
fn the_end_of_a_process_is_seen_before_it_is_waited_for() {
    // It ends with its input.
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let process = OsProcesses.watch(child.id()).unwrap();
    assert!(!process.has_ended());
    child.kill().unwrap();
    // Nobody has waited for it, so its number is still taken.
    while !process.has_ended() {
        std::thread::yield_now();
    }
    child.wait().unwrap();
    assert!(process.has_ended(), "whoever has the number next is another");
}

#[test]
fn what_is_no_process_is_not_watched() {
    assert!(OsProcesses.watch(0).is_none());
    assert!(OsProcesses.watch(u32::MAX).is_none());
}
