//! Daemons that are away, slow, hung, restarted, or make no sense.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::thread::Builder;

use wsfc_resource_channel::{CallState, Source, to_daemon};

use crate::calls::opened;
use crate::cluster;
use crate::daemon::{Daemon, PATIENCE};
use crate::monitor::{Resource, assert_rising, is_readable};
use crate::{socket, takes};

#[test]
fn without_a_daemon_a_call_waits_for_the_grace_and_fails() {
    let resource = Resource::open("alone", "/nowhere/resource.sock");
    cluster::set_common(resource.handle, "PendingTimeout", 300);
    // Long beside the pauses between two words to the monitor, on a busy machine too.
    cluster::set_private(resource.handle, "DaemonGrace", 5000);
    assert_eq!(takes(|| resource.online()), 997);
    let failed = resource.told_state(4);
    assert_eq!(failed.code, 1062);
    resource.logged("waiting for the daemon");
    resource.logged("the daemon cannot be reached");
    let told = resource.told("waiting", |_| true);
    assert_rising(&told);
    assert!(told.len() > 2, "{told:?}");
    assert!(told[..told.len() - 1].iter().all(|told| told.state == 129), "{told:?}");
    takes(|| resource.terminate());
    takes(|| resource.close());
}

#[test]
fn a_hung_daemon_holds_no_entry_point_up() {
    let (_folder, path) = socket();
    let daemon = Daemon::hang(&path);
    let resource = Resource::open("hung", path.to_str().unwrap());
    cluster::set_common(resource.handle, "PendingTimeout", 300);
    cluster::set_private(resource.handle, "DaemonGrace", 6000);
    daemon.connected(1);
    assert_eq!(takes(|| resource.online()), 997);
    assert!(takes(|| resource.is_alive()));
    takes(|| resource.terminate());
    assert_eq!(takes(|| resource.offline()), 997);
    assert_eq!(resource.told_state(4).code, 1062);
    takes(|| resource.terminate());
    takes(|| resource.close());
    // It greets again when it was not answered.
    let greets = |message: &to_daemon::Message| matches!(message, to_daemon::Message::Hello(_));
    assert!(daemon.received().iter().all(greets), "{:?}", daemon.received());
}

#[test]
fn a_daemon_that_says_nothing_of_a_call_fails_it() {
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    let resource = Resource::open("silent", path.to_str().unwrap());
    // It is told after two thirds of the time that the call waits, and that it failed after twice the time. What lies
    // between is room for a busy machine.
    cluster::set_common(resource.handle, "PendingTimeout", 3000);
    resource.online();
    let begun = daemon.begun("silent", 1);
    assert_eq!(resource.told_state(4).code, 1460);
    resource.logged("waiting for the next status");
    let told = daemon.told("the failure", |told| told.native_state == 4);
    assert_eq!((told.source(), told.win32_code), (Source::Dll, 1460));
    daemon.status(&begun, CallState::Online, "too late");
    assert_eq!(
        daemon.told("a refusal", |told| told.message == "too late").exit_state,
        None
    );
    resource.terminate();
    resource.close();
}

#[test]
fn a_daemon_that_comes_late_gets_the_call() {
    let (_folder, path) = socket();
    let resource = Resource::open("patient", path.to_str().unwrap());
    // The call fails twice this time after the daemon was told of it; until then the status must have come.
    cluster::set_common(resource.handle, "PendingTimeout", 3000);
    cluster::set_private(resource.handle, "DaemonGrace", 60_000);
    resource.online();
    let waited = resource.told("waiting", |told| !told.is_empty());
    let daemon = Daemon::start(&path);
    let begun = daemon.begun("patient", 1);
    assert!(!begun.again);
    assert!(begun.check_point >= waited[0].check_point);
    // What the monitor was told meanwhile comes after the call that it belongs to.
    let told = daemon.told("what was told", |told| told.message == "waiting for the daemon");
    assert_eq!((told.source(), told.exit_state), (Source::Dll, Some(0)));
    let position = |wanted: fn(&to_daemon::Message) -> bool| daemon.received().iter().position(wanted);
    let begins = position(|message| matches!(message, to_daemon::Message::Begun(_)));
    assert!(begins < position(|message| matches!(message, to_daemon::Message::Told(_))));
    daemon.status(&begun, CallState::Online, "works");
    resource.told_state(2);
    resource.close();
}

#[test]
fn a_restarted_daemon_is_told_everything_again() {
    let (_folder, path) = socket();
    let endpoint = path.to_str().unwrap();
    let daemon = Daemon::start(&path);
    let online = Resource::open("again online", endpoint);
    online.online();
    daemon.status(&daemon.begun("again online", 1), CallState::Online, "works");
    online.told_state(2);
    let pending = Resource::open("again pending", endpoint);
    pending.online();
    let begun = daemon.begun("again pending", 1);
    daemon.status(&begun, CallState::Pending, "starting");
    pending.told_state(129);
    let terminated = Resource::open("again terminated", endpoint);
    terminated.online();
    let ended = daemon.begun("again terminated", 1);
    drop(daemon);
    online.logged("is lost");
    terminated.terminate();

    let daemon = Daemon::start(&path);
    let again = daemon.begun("again pending", 1);
    assert!(again.again);
    assert_eq!((again.instance, again.call), (begun.instance, 1));
    assert!(again.check_point >= 1);
    daemon.terminated(ended.instance, 1);
    let mut states = Vec::new();
    for message in daemon.received() {
        if let to_daemon::Message::Opened(opened) = message {
            assert!(opened.again);
            states.push((opened.resource, opened.native_state));
        }
    }
    let states: Vec<_> = states
        .iter()
        .map(|(resource, state)| (resource.as_str(), *state))
        .collect();
    assert_eq!(
        states,
        [("again online", 2), ("again pending", 129), ("again terminated", 3)]
    );
    assert!(online.is_alive());
    daemon.status(&again, CallState::Online, "works");
    pending.told_state(2);
    let told = pending.told("all", |_| true);
    assert_rising(&told);
    for resource in [online, pending, terminated] {
        resource.close();
    }
}

#[test]
fn what_was_told_while_the_daemon_did_not_read_it_hears_once_though_the_connection_is_lost() {
    // More than the system takes of a connection, and no more than is kept.
    const MANY: usize = 600;
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    let resource = Resource::open("unheard", path.to_str().unwrap());
    resource.online();
    let begun = daemon.begun("unheard", 1);
    daemon.deafen(true);
    let message = "x".repeat(1000);
    for _ in 0..MANY {
        daemon.status(&begun, CallState::Pending, &message);
    }
    resource.told("all", |told| told.len() >= MANY);
    daemon.hang_up();
    resource.logged("is lost");
    // What the system has taken the daemon reads when the DLL has come back.
    daemon.connected(2);
    daemon.deafen(false);
    daemon.begun_times(2);
    daemon.status(&begun, CallState::Online, "works");
    let last = resource.told_state(2).check_point;
    for check_point in 1..=last {
        daemon.told("check point", |told| told.check_point == check_point);
    }
    let received = daemon.received();
    let told = received.iter();
    let told = told.filter(|message| matches!(message, to_daemon::Message::Told(_)));
    assert_eq!(u32::try_from(told.count()).unwrap(), last, "one is told twice");
    resource.close();
}

#[test]
fn a_termination_that_may_have_been_lost_with_the_daemon_is_told_again() {
    for begins in [false, true] {
        let (_folder, path) = socket();
        let daemon = Daemon::start(&path);
        let name = format!("lost {begins}");
        let resource = Resource::open(&name, path.to_str().unwrap());
        resource.online();
        let begun = daemon.begun(&name, 1);
        daemon.status(&begun, CallState::Online, "works");
        resource.told_state(2);
        resource.terminate();
        daemon.terminated(begun.instance, 0);
        drop(daemon);
        resource.logged("is lost");
        if begins {
            resource.online();
        }
        let daemon = Daemon::start(&path);
        let expected: &[&str] = if begins {
            daemon.begun(&name, 2);
            &["hello", "opened", "terminated", "begun"]
        } else {
            daemon.terminated(begun.instance, 1);
            &["hello", "opened", "terminated"]
        };
        assert_eq!(kinds(&daemon.received()), expected);
        resource.close();
    }
}

#[test]
fn a_termination_and_the_call_behind_it_are_told_again_until_the_daemon_speaks_of_the_call() {
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    let resource = Resource::open("lost both", path.to_str().unwrap());
    resource.online();
    daemon.status(&daemon.begun("lost both", 1), CallState::Online, "works");
    resource.told_state(2);
    resource.terminate();
    resource.online();
    let begun = daemon.begun("lost both", 2);
    // Whether both were read before the connection was lost the DLL does not know.
    daemon.hang_up();
    daemon.begun_times(3);
    let received = daemon.received();
    let again = received
        .iter()
        .rposition(|message| matches!(message, to_daemon::Message::Hello(_)));
    let again = &received[again.unwrap()..];
    assert_eq!(kinds(again), ["hello", "opened", "terminated", "begun"]);
    let is_of_the_first =
        |message: &to_daemon::Message| matches!(message, to_daemon::Message::Terminated(it) if it.call == 1);
    assert!(again.iter().any(is_of_the_first), "{again:?}");
    daemon.status(&begun, CallState::Pending, "starting");
    resource.told_state(129);
    daemon.hang_up();
    daemon.begun_times(4);
    let received = daemon.received();
    let again = received
        .iter()
        .rposition(|message| matches!(message, to_daemon::Message::Hello(_)));
    assert_eq!(kinds(&received[again.unwrap()..]), ["hello", "opened", "begun"]);
    resource.close();
}

#[test]
fn a_termination_outlives_the_last_resource_of_a_daemon_that_is_away() {
    for is_said in [false, true] {
        let (_folder, path) = socket();
        let daemon = Daemon::start(&path);
        let name = format!("last {is_said}");
        let resource = Resource::open(&name, path.to_str().unwrap());
        resource.online();
        let begun = daemon.begun(&name, 1);
        daemon.status(&begun, CallState::Online, "works");
        resource.told_state(2);
        if is_said {
            resource.terminate();
            daemon.terminated(begun.instance, 0);
        }
        drop(daemon);
        resource.logged("is lost");
        if !is_said {
            resource.terminate();
        }
        resource.close();
        // The daemon knows nothing of the resource any more, so it is told what was terminated.
        let daemon = Daemon::start(&path);
        let closed = |message: &to_daemon::Message| matches!(message, to_daemon::Message::Closed(closed) if closed.instance == begun.instance);
        daemon.find("the end", |message| closed(message).then_some(()));
        assert_eq!(kinds(&daemon.received()), ["hello", "opened", "terminated", "closed"]);
        assert!(daemon.received().iter().all(|message| match message {
            to_daemon::Message::Opened(opened) => opened.again && opened.resource == name,
            _ => true,
        }));
    }
}

/// What messages are, but for what was told to the monitor.
fn kinds(messages: &[to_daemon::Message]) -> Vec<&'static str> {
    let kinds = messages.iter().filter_map(|message| match message {
        to_daemon::Message::Hello(_) => Some("hello"),
        to_daemon::Message::Opened(_) => Some("opened"),
        to_daemon::Message::Terminated(_) => Some("terminated"),
        to_daemon::Message::Begun(_) => Some("begun"),
        to_daemon::Message::Closed(_) => Some("closed"),
        to_daemon::Message::Told(_) => None,
    });
    kinds.collect()
}

#[test]
fn an_online_resource_outlives_a_daemon_for_the_grace_only() {
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    let resource = Resource::open("orphan", path.to_str().unwrap());
    cluster::set_private(resource.handle, "DaemonGrace", 700);
    // The grace counts from the loss then, and not from the opening.
    opened(&daemon, "orphan");
    resource.online();
    daemon.status(&daemon.begun("orphan", 1), CallState::Online, "works");
    let event = resource.told_state(2).event;
    drop(daemon);
    assert!(is_readable(event, PATIENCE));
    assert!(!resource.is_alive());
    resource.terminate();
    resource.close();
}

#[test]
fn a_daemon_that_hangs_with_its_connection_open_is_away() {
    let (_folder, path) = socket();
    // It promises a heartbeat each time it greets, and never keeps the promise; so it is not there for being connected.
    let daemon = Daemon::beating(&path, 3000);
    let resource = Resource::open("stalled", path.to_str().unwrap());
    cluster::set_private(resource.handle, "DaemonGrace", 700);
    opened(&daemon, "stalled");
    resource.online();
    daemon.status(&daemon.begun("stalled", 1), CallState::Online, "works");
    let event = resource.told_state(2).event;
    assert!(is_readable(event, PATIENCE));
    assert!(!resource.is_alive());
    resource.logged("the daemon has fallen silent");
    daemon.connected(2);
    resource.terminate();
    resource.close();
}

#[test]
fn somebody_else_at_the_endpoint_is_told_nothing() {
    let (folder, path) = socket();
    if !rustix::process::geteuid().is_root() {
        eprintln!("Not tried: only root can be somebody else.");
        return;
    }
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let stranger = {
        let path = path.clone();
        let somebody = rustix::process::Uid::from_raw(65_534);
        let listen = move || {
            // Of this thread and those that it makes.
            rustix::thread::set_thread_res_uid(somebody, somebody, somebody).unwrap();
            Daemon::start(&path)
        };
        Builder::new().spawn(listen).unwrap().join().unwrap()
    };
    let resource = Resource::open("wary", path.to_str().unwrap());
    resource.online();
    stranger.connected(4);
    resource.logged("it belongs to the account 65534, which is not the daemon's");
    assert_eq!(stranger.received(), []);
    drop(stranger);
    let daemon = Daemon::start(&path);
    daemon.status(&daemon.begun("wary", 1), CallState::Online, "works");
    resource.told_state(2);
    resource.logged("is reached");
    assert_eq!(resource.logged_times("which is not the daemon's"), 1);
    resource.close();
}

#[test]
fn what_cannot_be_understood_ends_the_connection_and_not_the_call() {
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    let resource = Resource::open("garbled", path.to_str().unwrap());
    resource.online();
    let begun = daemon.begun("garbled", 1);
    // Longer than any message may be; then a message that is none; then an end in the middle of one.
    for (times, bytes) in [
        (1, &[0xFF; 8][..]),
        (2, &[2, 0, 0, 0, 0xFF, 0xFF]),
        (3, &[9, 0, 0, 0, 1]),
    ] {
        daemon.begun_times(times);
        daemon.write(bytes);
        if times == 3 {
            daemon.hang_up();
        }
    }
    daemon.begun_times(4);
    daemon.status(&begun, CallState::Online, "works");
    resource.told_state(2);
    resource.logged("the daemon cannot be understood");
    resource.logged("the daemon has closed the connection");
    resource.close();
}

#[test]
fn the_thread_that_ends_with_the_last_resource_is_there_again_with_the_next() {
    const INSIDE: &str = "WSFCRES_TEST_ALONE";
    const NAME: &str = "connection::the_thread_that_ends_with_the_last_resource_is_there_again_with_the_next";
    // Other tests would keep the thread alive, so this one has a process of its own.
    if std::env::var_os(INSIDE).is_none() {
        let this = std::env::current_exe().unwrap();
        let output = Command::new(this)
            .args(["--exact", NAME])
            .env(INSIDE, "yes")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
        return;
    }
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    for number in 0..500 {
        let name = format!("again {number}");
        let resource = Resource::open(&name, path.to_str().unwrap());
        daemon.find("opening", |message| match message {
            to_daemon::Message::Opened(opened) if opened.workload == name => Some(()),
            _ => None,
        });
        resource.close();
    }
}
