//! Whether other processes of this host run.

use std::fmt;

/// Knows the processes of this host.
pub trait Processes: Send + Sync {
    /// Keeps an eye on the process that has a number now. `None` where there is none, or the system does not tell.
    fn watch(&self, id: u32) -> Option<Box<dyn Process>>;
}

/// A process of this host: the one that was meant, also when its number has been given to another meanwhile.
pub trait Process: Send + fmt::Debug {
    /// Whether it is known to have ended. Returns at once.
    fn has_ended(&self) -> bool;
}

/// The processes that the operating system knows. Neither macOS nor the BSDs have a hold on a process that outlasts it, so
/// nothing is known there.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsProcesses;

impl Processes for OsProcesses {
    fn watch(&self, id: u32) -> Option<Box<dyn Process>> {
        system::watch(id)
    }
}

/// No process is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProcesses;

impl Processes for NoProcesses {
    fn watch(&self, _id: u32) -> Option<Box<dyn Process>> {
        None
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::os::fd::OwnedFd;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    use super::Process;

    pub(super) fn watch(id: u32) -> Option<Box<dyn Process>> {
        let id = Pid::from_raw(i32::try_from(id).ok()?)?;
        let process = pidfd_open(id, PidfdFlags::empty()).ok()?;
        Some(Box::new(Watched(process)))
    }

    /// A pidfd, which becomes readable when the process ends (pidfd_open(2)).
    #[derive(Debug)]
    struct Watched(OwnedFd);

    impl Process for Watched {
        fn has_ended(&self) -> bool {
            let mut asked = [PollFd::new(&self.0, PollFlags::IN)];
            poll(&mut asked, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
        }
    }
}

#[cfg(windows)]
mod system {
    use wsfc_windows::process::Watched;

    use super::Process;

    pub(super) fn watch(id: u32) -> Option<Box<dyn Process>> {
        Some(Box::new(Watched::open(id).ok()?))
    }

    impl Process for Watched {
        fn has_ended(&self) -> bool {
            Watched::has_ended(self)
        }
    }
}

#[cfg(not(any(target_os = "linux", windows)))]
mod system {
    use super::Process;

    pub(super) fn watch(_id: u32) -> Option<Box<dyn Process>> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
