//! How processes are told to end.

#[cfg(windows)]
pub(super) use by_taskkill::{is_there, kill, kill_rest, stop};
#[cfg(unix)]
pub(super) use to_group::{is_there, kill, kill_rest, stop};

/// Kills what is left of a process group, also when the task that watches it is dropped with its runtime.
pub(super) struct Group(pub(super) u32);

impl Drop for Group {
    fn drop(&mut self) {
        kill_rest(self.0);
    }
}

/// Signals to the group of a process, whose number is that of its first process.
#[cfg(unix)]
mod to_group {
    use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

    fn group(id: u32) -> Option<Pid> {
        i32::try_from(id).ok().and_then(Pid::from_raw)
    }

    pub(in super::super) async fn stop(id: u32) {
        // A group that is gone has ended.
        let _ = group(id).map(|group| kill_process_group(group, Signal::TERM));
    }

    pub(in super::super) async fn kill(id: u32) {
        kill_rest(id);
    }

    /// True while a process of the group runs.
    pub(in super::super) fn is_there(id: u32) -> bool {
        group(id).is_some_and(|group| test_kill_process_group(group).is_ok())
    }

    pub(in super::super) fn kill_rest(id: u32) {
        let _ = group(id).map(|group| kill_process_group(group, Signal::KILL));
    }
}

/// Windows has no signals. `taskkill` asks windows to close, and ends whole trees of processes with `/F`; a console
/// program does not hear the former, and is killed when its time is over.
#[cfg(windows)]
mod by_taskkill {
    use std::process::Stdio;
    use std::time::Duration;

    use tokio::process::Command;

    /// How long `taskkill` may take. It looks at all processes of the host, which may take long where that is in need.
    const PATIENCE: Duration = Duration::from_secs(5);

    pub(in super::super) async fn stop(id: u32) {
        taskkill(id, &["/T"]).await;
    }

    pub(in super::super) async fn kill(id: u32) {
        taskkill(id, &["/T", "/F"]).await;
    }

    async fn taskkill(id: u32, flags: &[&str]) {
        let mut command = Command::new("taskkill");
        command.args(flags).arg("/PID").arg(id.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match tokio::time::timeout(PATIENCE, command.kill_on_drop(true).status()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(error = %error, "Cannot run taskkill"),
            Err(_) => tracing::warn!(after = ?PATIENCE, "taskkill does not come to its end"),
        }
    }

    /// A tree cannot be found by a process that is gone.
    pub(in super::super) fn is_there(_: u32) -> bool {
        false
    }

    pub(in super::super) fn kill_rest(_: u32) {}
}
