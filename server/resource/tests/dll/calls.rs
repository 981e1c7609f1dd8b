//! Calls: online, offline, and what ends them.

use std::collections::BTreeMap;
use std::time::Duration;

use wsfc_resource_channel::{CallKind, CallState, Opened, Source, to_daemon};

use crate::cluster;
use crate::daemon::Daemon;
use crate::monitor::{CONTINUE, Resource, TERMINATE, assert_rising, is_readable};
use crate::{socket, takes};

const IO_PENDING: u32 = 997;

/// Waits until the daemon has heard that a resource is open.
pub(crate) fn opened(daemon: &Daemon, workload: &str) -> Opened {
    daemon.find("opening", |message| match message {
        to_daemon::Message::Opened(opened) if opened.workload == workload => Some(opened.clone()),
        _ => None,
    })
}

/// A resource that has come online.
fn brought_online(daemon: &Daemon, name: &str, endpoint: &str) -> (Resource, u64) {
    let resource = Resource::open(name, endpoint);
    assert_eq!(resource.online(), IO_PENDING);
    let begun = daemon.begun(name, 1);
    daemon.status(&begun, CallState::Online, "works");
    resource.told_state(2);
    (resource, begun.instance)
}

#[test]
fn a_resource_comes_online_and_goes_offline_through_check_points() {
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    let resource = Resource::open("billing", path.to_str().unwrap());
    cluster::set_texts(resource.handle, "Parameters", &["SIZE=3", "MODE="]);
    cluster::set_common(resource.handle, "PendingTimeout", 90_000);
    let told_of = opened(&daemon, "billing");
    assert_eq!(
        (told_of.resource.as_str(), told_of.native_state, told_of.again),
        ("billing", 3, false)
    );

    assert_eq!(resource.online(), IO_PENDING);
    assert!(resource.is_alive(), "a resource on its way is not judged");
    let begun = daemon.begun("billing", 1);
    assert_eq!(
        (begun.kind(), begun.pending_timeout_ms, begun.check_point),
        (CallKind::Online, 90_000, 0)
    );
    let parameters = [("SIZE", "3"), ("MODE", "")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(
        begun.parameters,
        BTreeMap::from(parameters),
        "as they are now, not as at Open"
    );
    assert!(!begun.again);

    daemon.status(&begun, CallState::Pending, "starting 50 %");
    daemon.status(&begun, CallState::Pending, "nearly there");
    daemon.status(&begun, CallState::Online, "works");
    let online = resource.told_state(2);
    let told = resource.told("three", |told| told.len() == 3);
    let states: Vec<_> = told
        .iter()
        .map(|told| (told.state, told.check_point, told.event != 0))
        .collect();
    assert_eq!(states, [(129, 1, false), (129, 2, false), (2, 3, true)]);
    resource.logged("starting 50 %%");
    assert!(resource.is_alive());
    let answered = daemon.told("the first", |told| told.check_point == 1);
    assert_eq!(
        (answered.exit_state, answered.native_state, answered.source()),
        (Some(0), 129, Source::Agent)
    );
    assert_eq!(
        (answered.message.as_str(), answered.percent),
        ("starting 50 %", Some(50))
    );
    assert!(answered.time_ms > 1_600_000_000_000);
    assert!(!is_readable(online.event, Duration::ZERO));

    assert_eq!(resource.offline(), IO_PENDING);
    let begun = daemon.begun("billing", 2);
    assert_eq!(begun.kind(), CallKind::Offline);
    daemon.status(&begun, CallState::Pending, "stopping");
    daemon.status(&begun, CallState::Offline, "stopped");
    resource.told_state(3);
    assert!(!resource.is_alive());
    resource.close();
    daemon.find("closing", |message| match message {
        to_daemon::Message::Closed(closed) if closed.instance == begun.instance => Some(()),
        _ => None,
    });
}

#[test]
fn bad_health_is_answered_and_signalled() {
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    let (resource, instance) = brought_online(&daemon, "sick", path.to_str().unwrap());
    let event = resource.told_state(2).event;
    daemon.health(instance, false);
    assert!(is_readable(event, Duration::from_secs(60)));
    assert!(!resource.is_alive());
    resource.logged("lost its disk");
    daemon.health(instance, true);
    resource.logged("well again");
    assert!(!resource.is_alive(), "the event says that it has failed");
    resource.online();
    daemon.status(&daemon.begun("sick", 2), CallState::Online, "works");
    resource.told("the second", |told| {
        told.iter().filter(|told| told.state == 2).count() == 2
    });
    assert!(resource.is_alive());
    resource.terminate();
    daemon.terminated(instance, 0);
    assert!(!resource.is_alive());
    resource.close();
}

#[test]
fn a_failure_tells_its_code_or_that_of_the_monitor() {
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    let resource = Resource::open("failing", path.to_str().unwrap());
    assert_eq!(resource.online(), IO_PENDING);
    daemon.status(&daemon.begun("failing", 1), CallState::Failed, "no disk");
    let failed = resource.told_state(4);
    assert_eq!((failed.code, failed.event), (5018, 0));
    resource.terminate();
    resource.close();
}

#[test]
fn what_comes_after_the_final_status_is_not_told() {
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    let (resource, instance) = brought_online(&daemon, "late", path.to_str().unwrap());
    let begun = daemon.begun("late", 1);
    daemon.status(&begun, CallState::Pending, "late");
    let refused = daemon.told("a refusal", |told| told.message == "late");
    assert_eq!(
        (refused.exit_state, refused.call, refused.instance),
        (None, 1, instance)
    );
    // A call that there never was, and a resource that there is not.
    let mut other = begun.clone();
    other.call = 77;
    daemon.status(&other, CallState::Online, "no call");
    assert_eq!(
        daemon.told("a refusal", |told| told.message == "no call").exit_state,
        None
    );
    other.instance = 1 << 60;
    daemon.status(&other, CallState::Online, "no resource");
    daemon.status(&begun, CallState::Failed, "last");
    daemon.told("a refusal", |told| told.message == "last");
    let about_it = |message: &to_daemon::Message| matches!(message, to_daemon::Message::Told(told) if told.message == "no resource");
    assert!(!daemon.received().iter().any(about_it));
    assert_eq!(resource.told("one", |_| true).len(), 1);
    assert!(resource.is_alive());
    resource.close();
}

#[test]
fn a_resource_is_terminated_at_each_step() {
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    let resource = Resource::open("terminated", path.to_str().unwrap());
    let instance = opened(&daemon, "terminated").instance;
    // Before any call; with a call begun; with a check point told; when online; while going offline.
    resource.terminate();
    daemon.terminated(instance, 0);
    resource.online();
    resource.terminate();
    daemon.terminated(instance, 1);
    resource.online();
    let begun = daemon.begun("terminated", 2);
    daemon.status(&begun, CallState::Pending, "starting");
    resource.told_state(129);
    resource.terminate();
    daemon.terminated(instance, 2);
    daemon.status(&begun, CallState::Online, "too late");
    assert_eq!(
        daemon.told("a refusal", |told| told.message == "too late").exit_state,
        None
    );
    assert!(!resource.is_alive());
    resource.online();
    daemon.status(&daemon.begun("terminated", 3), CallState::Online, "works");
    resource.told_state(2);
    resource.offline();
    daemon.begun("terminated", 4);
    resource.terminate();
    daemon.terminated(instance, 4);
    let told = resource.told("two", |_| true);
    assert_eq!(told.iter().map(|told| told.state).collect::<Vec<_>>(), [129, 2]);
    resource.close();
}

#[test]
fn a_call_ends_when_the_monitor_answers_that_it_does() {
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    let resource = Resource::open("unwanted", path.to_str().unwrap());
    resource.answer(TERMINATE);
    resource.online();
    let begun = daemon.begun("unwanted", 1);
    daemon.status(&begun, CallState::Pending, "starting");
    assert_eq!(
        daemon.told("the answer", |told| told.message == "starting").exit_state,
        Some(1)
    );
    daemon.terminated(begun.instance, 1);
    // The final status is answered so too.
    resource.online();
    daemon.status(&daemon.begun("unwanted", 2), CallState::Online, "works");
    daemon.terminated(begun.instance, 2);
    assert!(!resource.is_alive());
    resource.answer(CONTINUE);
    resource.online();
    daemon.status(&daemon.begun("unwanted", 3), CallState::Online, "works");
    resource.told("the third", |told| told.len() == 3);
    assert!(resource.is_alive());
    resource.close();
}

#[test]
fn terminate_and_close_return_while_the_monitor_holds_a_status() {
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    let resource = Resource::open("held", path.to_str().unwrap());
    resource.hold(true);
    resource.online();
    let begun = daemon.begun("held", 1);
    daemon.status(&begun, CallState::Pending, "starting");
    resource.held();
    // The thread is in the monitor now: nothing waits for it longer than the promise.
    takes(|| resource.terminate());
    resource.online();
    assert!(resource.is_alive());
    resource.hold(false);
    daemon.terminated(begun.instance, 1);
    daemon.status(&daemon.begun("held", 2), CallState::Online, "works");
    resource.told_state(2);
    resource.close();

    // There is one thread, so the next resource is held after the first. It is closed while its status is in the
    // monitor.
    let resource = Resource::open("held and closed", path.to_str().unwrap());
    resource.hold(true);
    resource.online();
    let begun = daemon.begun("held and closed", 1);
    daemon.status(&begun, CallState::Pending, "starting");
    resource.held();
    takes(|| resource.close());
    resource.hold(false);
    daemon.find("closing", |message| match message {
        to_daemon::Message::Closed(closed) if closed.instance == begun.instance => Some(()),
        _ => None,
    });
}

#[test]
fn a_resource_without_its_workload_does_not_come_online() {
    let handle = Resource::new_handle();
    let resource = Resource::open_with("new", handle);
    assert_eq!(resource.online(), 87);
    resource.logged("the property Workload is required");
    cluster::set_private(handle, "Workload", 7);
    assert_eq!(resource.online(), 87);
    resource.logged("the property Workload has the wrong format");
    // It can be set any time before.
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    cluster::set_text(handle, "Workload", "named at last");
    cluster::set_text(handle, "Endpoint", path.to_str().unwrap());
    assert_eq!(resource.online(), IO_PENDING);
    daemon.status(&daemon.begun("named at last", 1), CallState::Online, "works");
    resource.told_state(2);
    // What is online can be stopped whatever became of its properties.
    cluster::set_text(handle, "Endpoint", "relative");
    assert_eq!(resource.offline(), IO_PENDING);
    daemon.status(&daemon.begun("named at last", 2), CallState::Offline, "stopped");
    resource.told_state(3);
    resource.close();
}

#[test]
fn a_resource_that_is_renamed_is_told_again() {
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    let resource = Resource::open("old name", path.to_str().unwrap());
    opened(&daemon, "old name");
    let name: Vec<u8> = "new name\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(resource.control(0x0150_0026, &name, 0).0, 0);
    assert_eq!(resource.control(0x0150_0026, &[], 0).0, 13);
    daemon.find("the new name", |message| match message {
        to_daemon::Message::Opened(opened) if opened.again && opened.resource == "new name" => Some(()),
        _ => None,
    });
    resource.close();
}

#[test]
fn another_daemon_learns_the_name_that_a_renamed_resource_was_brought_online_under() {
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    let (resource, _instance) = brought_online(&daemon, "first name", path.to_str().unwrap());
    let rename = |name: &str| {
        let name: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        assert_eq!(resource.control(0x0150_0026, &name, 0).0, 0);
    };
    let told = |daemon: &Daemon, name: &str, again_as: &str| {
        daemon.find("the names", |message| match message {
            to_daemon::Message::Opened(opened) if opened.resource == name && opened.online_as == again_as => Some(()),
            _ => None,
        });
    };
    rename("second name");
    told(&daemon, "second name", "first name");
    drop(daemon);
    let daemon = Daemon::start(&path);
    told(&daemon, "second name", "first name");
    // It is online under the new one from then on.
    assert_eq!(resource.offline(), IO_PENDING);
    daemon.status(&daemon.begun("first name", 2), CallState::Offline, "stopped");
    resource.told_state(3);
    resource.online();
    daemon.begun("first name", 3);
    rename("third name");
    told(&daemon, "third name", "second name");
    resource.close();
}

#[test]
fn a_resource_of_a_monitor_that_is_no_more_is_replaced() {
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    let endpoint = path.to_str().unwrap();
    let (first, instance) = brought_online(&daemon, "moved", endpoint);
    // The monitor is killed and opens the resource anew; where the resource is only open, as on other nodes, it stays.
    let second = Resource::open("moved", endpoint);
    assert!(first.is_alive());
    second.online();
    assert!(!first.is_alive());
    let gone = |message: &to_daemon::Message| matches!(message, to_daemon::Message::Closed(closed) if closed.instance == instance);
    daemon.find("the old one's end", |message| gone(message).then_some(()));
    let begun = daemon.find("the new one", |message| match message {
        to_daemon::Message::Begun(begun) if begun.instance > instance => Some(begun.clone()),
        _ => None,
    });
    daemon.status(&begun, CallState::Online, "works");
    second.told_state(2);
    first.terminate();
    first.close();
    assert!(second.is_alive());

    // The same handle opened again is the same resource at once.
    let third = Resource::open_with("moved", second.handle);
    assert!(!second.is_alive());
    third.online();
    let begun = daemon.find("the newest one", |message| match message {
        to_daemon::Message::Begun(found) if found.instance > begun.instance => Some(found.clone()),
        _ => None,
    });
    daemon.status(&begun, CallState::Online, "works");
    third.told("another", |told| told.len() == 2);
    assert!(third.is_alive());
    third.close();
}

#[test]
fn a_thousand_resources_come_online_on_one_thread() {
    let (_folder, path) = socket();
    let daemon = Daemon::start(&path);
    let endpoint = path.to_str().unwrap();
    let resources: Vec<_> = (0..1000)
        .map(|number| Resource::open(&format!("many {number}"), endpoint))
        .collect();
    for resource in &resources {
        assert_eq!(resource.online(), IO_PENDING);
    }
    for number in 0..resources.len() {
        let begun = daemon.begun(&format!("many {number}"), 1);
        daemon.status(&begun, CallState::Pending, "starting");
        daemon.status(&begun, CallState::Online, "works");
    }
    for resource in &resources {
        resource.told_state(2);
        assert_rising(&resource.told("two", |told| told.len() == 2));
        assert!(resource.is_alive());
    }
    #[cfg(target_os = "linux")]
    assert_eq!(threads_named("wsfcres"), 1);
    for resource in &resources {
        resource.close();
    }
}

/// Threads of this process by their name.
#[cfg(target_os = "linux")]
fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|found| found.trim_end() == name).count()
}
