//! A resource DLL in a file, of the newest version of the resource API.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::Command;

use wsfc_clusapi::sys::constants::resource_state;
use wsfc_simulator::scenario::ResourceDll;

use crate::call::{Target, control};
use crate::monitor_dll::{PENDING, begun};
use crate::raw::Raw;
use crate::verbs::{dwords, existing};

/// Builds the DLL with the C compiler that the simulator needs too.
fn build(folder: &Path) -> PathBuf {
    let file = folder.join("libnewest.so");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/functions/dll/newest.c");
    let output = Command::new(compiler)
        .args(["-shared", "-fPIC", "-Wall", "-Wextra", "-o"])
        .arg(&file)
        .arg(source)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    file
}

/// A control code of the DLL.
const fn own(number: u32) -> u32 {
    0x0120_0000 | number << 2
}

#[test]
#[cfg_attr(miri, ignore = "Miri loads no libraries")]
fn a_file_that_was_missing_is_loaded_when_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let raw = Raw::new(|scenario| {
        scenario.timing.manual = true;
        scenario.clusters = vec![existing(&["n1", "n2"])];
        scenario.resource_dlls = vec![ResourceDll {
            name: "newest.dll".into(),
            path: folder.path().join("libnewest.so"),
        }];
    });
    let cluster = raw.open(Some("c")).unwrap();
    raw.add_type(cluster, "Newest", "newest.dll");
    let group = raw.make_group(cluster, "g");
    let one = raw.try_resource(group, "one", "Newest").unwrap();
    assert_eq!(raw.set_resource_property(one, &dwords(&[("RestartAction", 0)])), 0);
    begun(raw.online(one));
    raw.idle();
    assert_eq!(
        (raw.resource(one), raw.number(one, "LastOperationStatusCode")),
        (resource_state::FAILED, 126)
    );
    build(folder.path());
    begun(raw.online(one));
    raw.idle();
    assert_eq!(raw.resource(one), resource_state::ONLINE_PENDING);
}

#[test]
#[cfg_attr(miri, ignore = "Miri loads no libraries")]
fn the_newest_version_of_a_file_is_used_whole() {
    const KIND: &str = "Newest";
    let folder = tempfile::tempdir().unwrap();
    let path = build(folder.path());
    let raw = Raw::new(|scenario| {
        scenario.timing.manual = true;
        scenario.clusters = vec![existing(&["n1", "n2"])];
        scenario.resource_dlls = vec![ResourceDll {
            name: "newest.dll".into(),
            path,
        }];
    });
    let cluster = raw.open(Some("c")).unwrap();
    raw.add_type(cluster, KIND, r"C:\Windows\Cluster\Newest.dll");
    let group = raw.make_group(cluster, "g");
    let one = raw.try_resource(group, "one", KIND).unwrap();
    let target = Target::Resource(one);
    assert_eq!(raw.set_resource_property(one, &dwords(&[("RestartAction", 0)])), 0);
    // It finds its own key in the cluster database.
    assert_eq!(
        control(&raw, target, 0x0140_0086, &dwords(&[("Greeting", 7)])),
        Ok(vec![])
    );
    assert_eq!(control(&raw, target, own(6), &[]), Ok(vec![7, 0, 0, 0]));
    // A code that ends by EndControlCall, and one that only the cluster knows.
    assert_eq!(control(&raw, target, own(7), &[]), Ok(b"late".to_vec()));
    assert_eq!(control(&raw, target, own(99), &[]), Err(1));
    assert_eq!(control(&raw, Target::Type(cluster, KIND), 0x0220_0004, &[]), Err(1));
    // A status of the newer layout, told before Online has answered.
    begun(raw.online(one));
    raw.idle();
    assert_eq!(raw.resource(one), resource_state::ONLINE_PENDING);
    assert_eq!(control(&raw, target, own(1), &[]), Ok(vec![]));
    assert_eq!(raw.resource(one), resource_state::ONLINE);
    // Locked, unlocked, failed at once.
    assert_eq!(control(&raw, target, own(4), &[]), Ok(vec![]));
    assert_eq!(raw.offline(one), 5960);
    assert_eq!(control(&raw, target, own(5), &[]), Ok(vec![]));
    assert_eq!(control(&raw, target, own(3), &[]), Ok(vec![]));
    raw.idle();
    assert_eq!(
        (raw.resource(one), raw.number(one, "LastOperationStatusCode")),
        (resource_state::FAILED, 5038)
    );
    assert_eq!(
        control(&raw, target, own(3), &[]),
        Err(6),
        "what is not online has nothing to signal"
    );
    // The code of its own that a failure tells.
    assert_eq!(raw.online(one), PENDING);
    raw.idle();
    assert_eq!(control(&raw, target, own(2), &[]), Ok(vec![]));
    raw.idle();
    assert_eq!(
        (raw.resource(one), raw.number(one, "LastOperationStatusCode")),
        (resource_state::FAILED, 4711)
    );
}
