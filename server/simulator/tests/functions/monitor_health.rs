//! Whether what a resource DLL runs is alive: polls and events.

use wsfc_clusapi::sys::constants::resource_state;

use crate::call::{Target, control};
use crate::monitor_dll::{CONTINUE, PENDING, begun, scripted, stays_failed, tell};
use crate::verbs::dwords;

const ONLINE: i32 = resource_state::ONLINE;
const FAILED: i32 = resource_state::FAILED;

#[test]
fn health_is_asked_at_its_intervals() {
    let (raw, cluster) = scripted();
    let (one, script) = raw.script(cluster, "healthy");
    begun(raw.online(one));
    raw.idle();
    script.calls();
    for _ in 0..11 {
        raw.pass(4_999);
        assert_eq!(script.calls(), Vec::<&str>::new());
        raw.pass(1);
        assert_eq!(script.calls(), ["looks alive"]);
    }
    raw.pass(5_000);
    let mut last = script.calls();
    last.sort_unstable();
    assert_eq!(last, ["is alive", "looks alive"], "a minute is over");
    script.health(false, true);
    raw.pass(5_000);
    assert_eq!(
        (raw.resource(one), script.calls()),
        (ONLINE, vec!["looks alive", "is alive"])
    );
    script.health(false, false);
    raw.pass(5_000);
    assert_eq!(
        (raw.resource(one), script.calls()),
        (FAILED, vec!["looks alive", "is alive", "terminate"])
    );
    assert_eq!(raw.number(one, "LastOperationStatusCode"), 5038);
    // What is not online is not asked.
    stays_failed(&raw, one);
    script.answers(5, 0);
    raw.pass(500);
    script.calls();
    raw.pass(120_000);
    assert_eq!(script.calls(), Vec::<&str>::new());
}

#[test]
fn is_alive_alone_fails_a_resource_but_not_in_maintenance() {
    let (raw, cluster) = scripted();
    let (one, script) = raw.script(cluster, "only is alive");
    let intervals = [("LooksAlivePollInterval", 900_000), ("IsAlivePollInterval", 10_000)];
    assert_eq!(raw.set_resource_property(one, &dwords(&intervals)), 0);
    begun(raw.online(one));
    raw.idle();
    script.health(true, false);
    let maintenance = |on: u32| control(&raw, Target::Resource(one), 0x0140_01E6, &on.to_le_bytes());
    assert_eq!(maintenance(1), Ok(vec![]));
    raw.pass(10_000);
    assert_eq!(raw.resource(one), ONLINE);
    assert_eq!(maintenance(0), Ok(vec![]));
    raw.pass(10_000);
    assert_eq!(raw.resource(one), FAILED);
}

/// An event as DLLs give it: an event object on Windows, a pipe elsewhere.
struct Signal {
    #[cfg(unix)]
    pipe: (std::io::PipeReader, std::io::PipeWriter),
    #[cfg(windows)]
    event: windows_sys::Win32::Foundation::HANDLE,
}

impl Signal {
    #[cfg(unix)]
    fn new() -> (Self, isize) {
        use std::os::fd::AsRawFd;
        let pipe = std::io::pipe().unwrap();
        let number = isize::try_from(pipe.0.as_raw_fd()).unwrap();
        (Self { pipe }, number)
    }

    #[cfg(unix)]
    fn signal(&self) {
        std::io::Write::write_all(&mut &self.pipe.1, &[1]).unwrap();
    }

    #[cfg(windows)]
    fn new() -> (Self, isize) {
        // SAFETY: Attributes and name may be NULL.
        let event =
            unsafe { windows_sys::Win32::System::Threading::CreateEventW(std::ptr::null(), 1, 0, std::ptr::null()) };
        (Self { event }, event.addr().cast_signed())
    }

    #[cfg(windows)]
    fn signal(&self) {
        // SAFETY: The event is open.
        let set = unsafe { windows_sys::Win32::System::Threading::SetEvent(self.event) };
        assert_ne!(set, 0);
    }
}

#[test]
#[cfg_attr(miri, ignore = "Miri has no poll of pipes")]
fn an_event_stands_in_for_looks_alive() {
    for pending in [false, true] {
        let (raw, cluster) = scripted();
        let (one, script) = raw.script(
            cluster,
            if pending {
                "event of a status"
            } else {
                "event of Online"
            },
        );
        let (signal, number) = Signal::new();
        if pending {
            script.answers(PENDING, 0);
        } else {
            script.gives(number);
        }
        begun(raw.online(one));
        raw.idle();
        if pending {
            assert_eq!(tell(script.handle(), ONLINE, 0, number), CONTINUE);
        }
        assert_eq!(raw.resource(one), ONLINE);
        script.calls();
        raw.pass(50_000);
        assert_eq!(script.calls(), Vec::<&str>::new());
        script.health(true, false);
        signal.signal();
        script.wait_for("is alive");
        raw.idle();
        assert_eq!(
            (raw.resource(one), script.calls()),
            (FAILED, vec!["is alive", "terminate"])
        );
    }
}
