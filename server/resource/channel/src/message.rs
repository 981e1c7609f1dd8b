//! The messages.

use std::collections::BTreeMap;

/// From the DLL to the daemon.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ToDaemon {
    /// One of these; `None` is a message of a later release, to be passed over.
    #[prost(oneof = "to_daemon::Message", tags = "1, 2, 3, 4, 5, 6")]
    pub message: Option<to_daemon::Message>,
}

/// The messages to the daemon.
pub mod to_daemon {
    /// One of them.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Message {
        /// First, and only first.
        #[prost(message, tag = "1")]
        Hello(super::Hello),
        /// A resource is open.
        #[prost(message, tag = "2")]
        Opened(super::Opened),
        /// A call is under way.
        #[prost(message, tag = "3")]
        Begun(super::Begun),
        /// The Resource Monitor was told a status.
        #[prost(message, tag = "4")]
        Told(super::Told),
        /// The cluster terminated a resource.
        #[prost(message, tag = "5")]
        Terminated(super::Terminated),
        /// A resource is closed.
        #[prost(message, tag = "6")]
        Closed(super::Closed),
    }
}

/// From the daemon to the DLL.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ToMonitor {
    /// One of these; `None` is a message of a later release, to be passed over.
    #[prost(oneof = "to_monitor::Message", tags = "1, 2, 3, 4")]
    pub message: Option<to_monitor::Message>,
}

/// The messages to the DLL.
pub mod to_monitor {
    /// One of them.
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Message {
        /// The answer to `Hello`.
        #[prost(message, tag = "1")]
        Welcome(super::Welcome),
        /// How a call goes.
        #[prost(message, tag = "2")]
        Status(super::Status),
        /// Whether a resource works.
        #[prost(message, tag = "3")]
        Health(super::Health),
        /// The daemon is there.
        #[prost(message, tag = "4")]
        Heartbeat(super::Heartbeat),
    }
}

/// Who connects.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Hello {
    /// [`VERSION`](crate::VERSION) of the DLL.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// The release of the DLL, for the log.
    #[prost(string, tag = "2")]
    pub release: String,
    /// The process that it is loaded into.
    #[prost(uint32, tag = "3")]
    pub process_id: u32,
    /// Made anew each time the DLL is loaded; instances of another one are not those of this one.
    #[prost(string, tag = "4")]
    pub monitor_id: String,
    /// Rises from connection to connection of this DLL, so that of two that are there at once the newer one is known.
    #[prost(uint64, tag = "5")]
    pub connection: u64,
}

/// The daemon takes the DLL.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Welcome {
    /// [`VERSION`](crate::VERSION) of the daemon.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// The release of the daemon, for the log.
    #[prost(string, tag = "2")]
    pub release: String,
    /// The daemon says something at least so often from now on, in milliseconds; 0 is said by one of a release that does not.
    #[prost(uint64, tag = "3")]
    pub heartbeat_ms: u64,
}

/// The daemon is there, and has nothing else to say.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Heartbeat {}

/// A resource is open in the monitor.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Opened {
    /// Names it in other messages; never used again by this DLL.
    #[prost(uint64, tag = "1")]
    pub instance: u64,
    /// The resource's name.
    #[prost(string, tag = "2")]
    pub resource: String,
    /// Its private property `Workload`.
    #[prost(string, tag = "3")]
    pub workload: String,
    /// Its private property `Parameters`.
    #[prost(btree_map = "string, string", tag = "4")]
    pub parameters: BTreeMap<String, String>,
    /// The native number of its state, as the monitor was told it last.
    #[prost(int32, tag = "5")]
    pub native_state: i32,
    /// True when this is told again: after a new connection, or since it has got another name.
    #[prost(bool, tag = "6")]
    pub again: bool,
    /// The name that it had when it was to come online last, where it has another since; else empty.
    #[prost(string, tag = "7")]
    pub online_as: String,
}

/// What the cluster asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum CallKind {
    /// Not known.
    Unspecified = 0,
    /// Come online.
    Online = 1,
    /// Go offline.
    Offline = 2,
}

/// A call is under way.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Begun {
    /// The resource.
    #[prost(uint64, tag = "1")]
    pub instance: u64,
    /// The call: a number that rises from call to call of an instance.
    #[prost(uint64, tag = "2")]
    pub call: u64,
    /// What is asked for.
    #[prost(enumeration = "CallKind", tag = "3")]
    pub kind: i32,
    /// How long the monitor waits from one status to the next, in milliseconds; 0 where the DLL does not know.
    #[prost(uint64, tag = "4")]
    pub pending_timeout_ms: u64,
    /// The check point that the monitor was told last; 0 before the first.
    #[prost(uint32, tag = "5")]
    pub check_point: u32,
    /// True when this is told again after a new connection.
    #[prost(bool, tag = "6")]
    pub again: bool,
    /// Parameters as they are now; they may have changed since the resource was opened.
    #[prost(btree_map = "string, string", tag = "7")]
    pub parameters: BTreeMap<String, String>,
    /// The workload as it is now.
    #[prost(string, tag = "8")]
    pub workload: String,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum CallState {
    /// Not known; passed over.
    Unspecified = 0,
    /// It goes on.
    Pending = 1,
    /// Online. Final.
    Online = 2,
    /// Offline. Final.
    Offline = 3,
    /// Failed. Final.
    Failed = 4,
}

/// Who made a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum Source {
    /// Not known.
    Unspecified = 0,
    /// The agent of the workload.
    Agent = 1,
    /// The daemon.
    Daemon = 2,
    /// The DLL.
    Dll = 3,
}

/// How a call goes. The DLL makes a check point of it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Status {
    /// The resource.
    #[prost(uint64, tag = "1")]
    pub instance: u64,
    /// The call.
    #[prost(uint64, tag = "2")]
    pub call: u64,
    /// How far it is.
    #[prost(enumeration = "CallState", tag = "3")]
    pub state: i32,
    /// How long the next status may take at most, in milliseconds; 0 where nothing was said.
    #[prost(uint64, tag = "4")]
    pub wait_hint_ms: u64,
    /// How much is done, 0 to 100.
    #[prost(uint32, optional, tag = "5")]
    pub percent: Option<u32>,
    /// What is done, or what failed.
    #[prost(string, tag = "6")]
    pub message: String,
    /// Who made it.
    #[prost(enumeration = "Source", tag = "7")]
    pub source: i32,
    /// With `Failed`: the Win32 code that says why; 0 where nothing was said.
    #[prost(uint32, tag = "8")]
    pub win32_code: u32,
}

/// Whether a resource that is online works. What the DLL heard last is what it answers the monitor.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Health {
    /// The resource.
    #[prost(uint64, tag = "1")]
    pub instance: u64,
    /// Whether it works.
    #[prost(bool, tag = "2")]
    pub healthy: bool,
    /// What is wrong.
    #[prost(string, tag = "3")]
    pub message: String,
}

/// The Resource Monitor was told a status.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Told {
    /// The resource.
    #[prost(uint64, tag = "1")]
    pub instance: u64,
    /// The call; 0 for a status without one.
    #[prost(uint64, tag = "2")]
    pub call: u64,
    /// The native number of the state (CLUSTER_RESOURCE_STATE).
    #[prost(int32, tag = "3")]
    pub native_state: i32,
    /// The check point.
    #[prost(uint32, tag = "4")]
    pub check_point: u32,
    /// The wait hint, in milliseconds; 0 where nothing was said.
    #[prost(uint64, tag = "5")]
    pub wait_hint_ms: u64,
    /// What the monitor answered (RESOURCE_EXIT_STATE); absent when it was not told, since the call had ended.
    #[prost(int32, optional, tag = "6")]
    pub exit_state: Option<i32>,
    /// As in the status that it was made of.
    #[prost(uint32, optional, tag = "7")]
    pub percent: Option<u32>,
    /// As in the status that it was made of.
    #[prost(string, tag = "8")]
    pub message: String,
    /// Who made the status.
    #[prost(enumeration = "Source", tag = "9")]
    pub source: i32,
    /// As in the status that it was made of.
    #[prost(uint32, tag = "10")]
    pub win32_code: u32,
    /// When, in milliseconds since 1970 by the host's clock.
    #[prost(uint64, tag = "11")]
    pub time_ms: u64,
}

/// The cluster terminated a resource: whatever was under way has ended, and nothing of it may run any more.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Terminated {
    /// The resource.
    #[prost(uint64, tag = "1")]
    pub instance: u64,
    /// The call that this ends, 0 when none was under way; or, where it is told again, the last call before it. A call that
    /// began later is not meant.
    #[prost(uint64, tag = "2")]
    pub call: u64,
}

/// A resource is closed: the monitor knows it no more.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Closed {
    /// The resource.
    #[prost(uint64, tag = "1")]
    pub instance: u64,
}
