//! The signals that a daemon on a console takes.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};
#[cfg(windows)]
use tokio::signal::windows::{
    CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown,
};
use wsfcd::control::Controller;

#[cfg(windows)]
use std::time::Duration;

/// How long the system lets a process live after its console was closed, its user logged off or a shutdown began
/// ("HandlerRoutine": five seconds), less what the end of the process itself may take. The handler of tokio does not
/// return from these signals, since the process would end at once.
#[cfg(windows)]
const LEFT: Duration = Duration::from_millis(4_500);

/// The signals that ask the process for something. As long as this is alive and afterwards they end nothing by
/// themselves.
#[cfg(unix)]
pub struct Signals {
    interrupt: Listener,
    terminate: Listener,
    hangup: Listener,
}

#[cfg(unix)]
impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// A signal cannot be listened for.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Passes signals on: SIGINT and SIGTERM ask for the end, SIGHUP for another look at the settings. Never ends.
    pub async fn pass_on(mut self, controller: Controller) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => controller.end(),
                _ = self.terminate.recv() => controller.end(),
                _ = self.hangup.recv() => controller.reload(),
            }
        }
    }
}

/// The signals that ask the process to end.
#[cfg(windows)]
pub struct Signals {
    c: CtrlC,
    interrupt: CtrlBreak,
    close: CtrlClose,
    logoff: CtrlLogoff,
    shutdown: CtrlShutdown,
}

#[cfg(windows)]
impl Signals {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// A signal cannot be listened for.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            c: ctrl_c()?,
            interrupt: ctrl_break()?,
            close: ctrl_close()?,
            logoff: ctrl_logoff()?,
            shutdown: ctrl_shutdown()?,
        })
    }

    /// Passes signals on: Ctrl-C and Ctrl-Break ask for the end; so do the end of the console, of the session and of the
    /// system, which leave little time. Never ends.
    pub async fn pass_on(mut self, controller: Controller) {
        loop {
            tokio::select! {
                _ = self.c.recv() => controller.end(),
                _ = self.interrupt.recv() => controller.end(),
                _ = self.close.recv() => controller.end_within(LEFT),
                _ = self.logoff.recv() => controller.end_within(LEFT),
                _ = self.shutdown.recv() => controller.end_within(LEFT),
            }
        }
    }
}
