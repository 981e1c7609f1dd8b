//! Resources whose types are implemented by resource DLLs: what the cluster service knows of their instances in Resource
//! Monitors, and what it has the monitors do (facts 5).
//!
//! Plain data as everything in the world: an [`Order`] says what a monitor is to do, and what becomes of it comes back through
//! the functions of `resource::hosted`. The monitors themselves, with their threads, are in `crate::monitor`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicIsize, Ordering};

use serde::{Deserialize, Serialize};

use super::queue::WatchKey;

/// Which resource, or which type of a cluster, an instance is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subject {
    pub(crate) cluster: String,
    /// `None` is the type itself, for its control codes.
    pub(crate) resource: Option<String>,
    /// The type, in lower case where it is compared.
    kind: String,
}

impl Subject {
    pub(crate) fn of_resource(cluster: &str, resource: &str) -> Self {
        Self {
            cluster: cluster.into(),
            resource: Some(resource.into()),
            kind: String::new(),
        }
    }

    pub(crate) fn of_type(cluster: &str, kind: &str) -> Self {
        Self {
            cluster: cluster.into(),
            resource: None,
            kind: kind.to_lowercase(),
        }
    }
}

/// An entry point of a resource DLL. Online and Offline belong to one attempt, the epoch of the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// `Startup` and `Open`.
    Open,
    Online(u64),
    Offline(u64),
    Terminate,
    LooksAlive,
    IsAlive,
    Control,
    Close,
}

/// What an instance is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) subject: Subject,
    /// The name of the resource, or of the type.
    pub(crate) name: String,
    /// The name of the type.
    pub(crate) kind: String,
    /// The file name of its DLL, in lower case.
    pub(crate) dll: String,
    /// The number of the monitor.
    pub(crate) monitor: u32,
    /// The monitor is for this resource alone.
    pub(crate) separate: bool,
    /// The instance before it, which is closed first: what ran there has ended when it begins here.
    pub(crate) after: Option<isize>,
}

/// A control code for a DLL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ControlCall {
    /// What the answer is known by.
    pub(crate) number: i64,
    pub(crate) code: u32,
    pub(crate) input: Vec<u8>,
    /// The size of the caller's buffer; `None` for NULL.
    pub(crate) room: Option<u32>,
}

/// What the monitors are to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order {
    /// A new instance; its thread begins with Open.
    Open(isize, Opening),
    /// An entry point is called, after those before.
    Call(isize, Entry),
    Control(isize, ControlCall),
    /// The instance is closed in an orderly way, and its thread ends.
    Close(isize),
    /// The monitor's process is gone: nothing is called or heard any more. Control codes under way end with the code.
    Abandon(isize, u32),
    /// Nobody waits for the event of the instance any more.
    Forget(isize),
    /// The monitor is no more; no instance is opened in it after this.
    End(u32),
}

/// Something to look at when its time comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Watch {
    /// A pending resource has not been heard of for its PendingTimeout.
    Gap {
        cluster: String,
        resource: String,
        epoch: u64,
    },
    /// A call of an entry point has not returned for the DeadlockTimeout.
    Deadlock { handle: isize, number: u64 },
    /// LooksAlive is due.
    LooksAlive { handle: isize },
    /// IsAlive is due.
    IsAlive { handle: isize },
}

/// A call of an entry point that has not returned.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) number: u64,
    pub(crate) watch: Option<WatchKey>,
    /// The epoch of the resource at the call.
    pub(crate) epoch: u64,
}

/// An Online or Offline that goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) epoch: u64,
    /// The entry point was called, so statuses belong to it.
    pub(crate) entered: bool,
}

/// A resource as a monitor has it open, or a type of which control codes are asked.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) subject: Subject,
    pub(crate) node: u32,
    pub(crate) monitor: u32,
    pub(crate) separate: bool,
    pub(crate) attempt: Option<Attempt>,
    /// It is online and looked at.
    pub(crate) online: bool,
    /// Its last work was ended by Terminate: late statuses are told so.
    pub(crate) terminated: bool,
    /// Close was ordered.
    pub(crate) closing: bool,
    /// An event stands in for LooksAlive.
    pub(crate) event: bool,
    pub(crate) call: Option<Call>,
    pub(crate) looks_alive: Option<WatchKey>,
    pub(crate) is_alive: Option<WatchKey>,
}

/// What is hosted where. It goes with the process; a saved world begins anew what was hosted.
#[derive(Debug, Default)]
pub(crate) struct Hosting {
    /// The file names of the DLLs that are there, in lower case.
    pub(crate) dlls: BTreeSet<String>,
    pub(crate) instances: BTreeMap<isize, Instance>,
    handles: BTreeMap<Subject, isize>,
    monitors: BTreeMap<Place, u32>,
    /// How many monitors were started.
    started: u32,
    /// How many entry points were called.
    calls: u64,
    pub(crate) orders: Vec<Order>,
    /// Nodes, resources or DLLs have come or gone, so the instances are to be compared with them.
    pub(crate) stale: bool,
}

/// Where a monitor runs and for what: one for each node and type, or for a resource of its own (SeparateMonitor).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) cluster: String,
    pub(crate) node: u32,
    /// In lower case.
    pub(crate) kind: String,
    pub(crate) separate: Option<String>,
}

/// RESOURCE_HANDLEs are unique in the process, since its DLLs are called for several worlds. They look like no other handle.
static NEXT_HANDLE: AtomicIsize = AtomicIsize::new(0x5245_0000);

/// The process number of the first monitor; a guess as good as any.
const FIRST_PROCESS: u32 = 4_000;

/// The file name at the end of a path, in lower case, by either separator: types are registered as Windows has them.
pub(crate) fn file_name(path: &str) -> String {
    path.rsplit(['\\', '/']).next().unwrap_or(path).to_lowercase()
}

impl Hosting {
    /// The DLL of a type when it is there to be called.
    pub(crate) fn dll(&self, path: &str) -> Option<String> {
        if self.dlls.is_empty() {
            return None;
        }
        Some(file_name(path)).filter(|name| self.dlls.contains(name))
    }

    pub(crate) fn handle(&self, subject: &Subject) -> Option<isize> {
        self.handles.get(subject).copied()
    }

    /// The number of the monitor of a place, which is started when it does not run.
    pub(crate) fn monitor(&mut self, place: Place) -> u32 {
        let (monitors, started) = (&mut self.monitors, &mut self.started);
        *monitors.entry(place).or_insert_with(|| {
            *started += 1;
            FIRST_PROCESS + *started * 4
        })
    }

    /// Opens an instance; its handle.
    pub(crate) fn open(&mut self, node: u32, opening: Opening) -> isize {
        let handle = NEXT_HANDLE.fetch_add(4, Ordering::Relaxed);
        let instance = Instance {
            subject: opening.subject.clone(),
            node,
            monitor: opening.monitor,
            separate: opening.separate,
            attempt: None,
            online: false,
            terminated: false,
            closing: false,
            event: false,
            call: None,
            looks_alive: None,
            is_alive: None,
        };
        self.handles.insert(opening.subject.clone(), handle);
        self.instances.insert(handle, instance);
        self.orders.push(Order::Open(handle, opening));
        handle
    }

    pub(crate) fn call(&mut self, handle: isize, entry: Entry) {
        self.orders.push(Order::Call(handle, entry));
    }

    /// The number of the next call.
    pub(crate) fn next_call(&mut self) -> u64 {
        self.calls += 1;
        self.calls
    }

    /// Has an instance closed; it goes when that has been done. The watches that it had are the caller's.
    pub(crate) fn close(&mut self, handle: isize) {
        let Some(instance) = self.instances.get_mut(&handle) else {
            return;
        };
        if !std::mem::replace(&mut instance.closing, true) {
            instance.attempt = None;
            instance.online = false;
            instance.terminated = true;
            let subject = instance.subject.clone();
            self.release(&subject, handle);
            self.orders.push(Order::Close(handle));
        }
    }

    /// Takes an instance away. A monitor of its own ends with the last one (guess).
    pub(crate) fn remove(&mut self, handle: isize) -> Option<Instance> {
        let instance = self.instances.remove(&handle)?;
        self.release(&instance.subject, handle);
        if instance.separate && self.instances.values().all(|other| other.monitor != instance.monitor) {
            self.end_monitor(instance.monitor);
        }
        Some(instance)
    }

    fn release(&mut self, subject: &Subject, handle: isize) {
        if self.handles.get(subject) == Some(&handle) {
            self.handles.remove(subject);
        }
    }

    /// A monitor runs no more.
    pub(crate) fn end_monitor(&mut self, monitor: u32) {
        self.end_places_where(|_, number| number == monitor);
    }

    fn end_places_where(&mut self, ends: impl Fn(&Place, u32) -> bool) {
        let (monitors, orders) = (&mut self.monitors, &mut self.orders);
        monitors.retain(|place, number| {
            let stays = !ends(place, *number);
            if !stays {
                orders.push(Order::End(*number));
            }
            stays
        });
    }

    /// The handles of the instances that a condition holds for.
    pub(crate) fn handles_where(&self, holds: impl Fn(&Instance) -> bool) -> Vec<isize> {
        let found = self.instances.iter().filter(|(_, instance)| holds(instance));
        found.map(|(handle, _)| *handle).collect()
    }

    /// The monitors of a type on a node.
    pub(crate) fn monitors_of(&self, cluster: &str, node: Option<u32>, kind: &str) -> Vec<u32> {
        let fits = |place: &Place| {
            place.cluster == cluster
                && node.is_none_or(|node| place.node == node)
                && place.kind.eq_ignore_ascii_case(kind)
        };
        let found = self.monitors.iter().filter(|(place, _)| fits(place));
        found.map(|(_, number)| *number).collect()
    }

    /// The monitors on nodes that are gone run no more.
    pub(crate) fn end_monitors_where(&mut self, gone: impl Fn(&str, u32) -> bool) {
        self.end_places_where(|place, _| gone(&place.cluster, place.node));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_may_name_its_dll_with_a_path() {
        let mut hosting = Hosting::default();
        assert_eq!(hosting.dll("wsfcres.dll"), None);
        hosting.dlls.insert("wsfcres.dll".into());
        for path in ["wsfcres.dll", r"C:\Windows\Cluster\WSFCRES.DLL", "/lib/wsfcres.dll"] {
            assert_eq!(hosting.dll(path).as_deref(), Some("wsfcres.dll"), "{path}");
        }
        assert_eq!(hosting.dll("clusres.dll"), None);
    }

    /// Opens a resource on a node, in a monitor of its own or in that of its type.
    fn open(hosting: &mut Hosting, resource: &str, separate: bool) -> isize {
        let monitor = hosting.monitor(Place {
            cluster: "cluster".into(),
            node: 1,
            kind: "kind".into(),
            separate: separate.then(|| resource.into()),
        });
        let opening = Opening {
            subject: Subject::of_resource("cluster", resource),
            name: resource.into(),
            kind: "kind".into(),
            dll: "kind.dll".into(),
            monitor,
            separate,
            after: None,
        };
        hosting.open(1, opening)
    }

    #[test]
    fn a_monitor_of_its_own_ends_with_its_last_instance() {
        let mut hosting = Hosting::default();
        let shared = open(&mut hosting, "shared", false);
        for _ in 0..3 {
            let first = open(&mut hosting, "alone", true);
            hosting.close(first);
            // It is opened again before the first has been closed.
            let second = open(&mut hosting, "alone", true);
            hosting.orders.clear();
            hosting.remove(first).unwrap();
            assert_eq!((hosting.monitors.len(), hosting.orders.len()), (2, 0));
            let monitor = hosting.remove(second).unwrap().monitor;
            assert_eq!(hosting.orders, [Order::End(monitor)]);
            assert_eq!(hosting.monitors.len(), 1);
        }
        // That of a type stays.
        hosting.remove(shared).unwrap();
        assert_eq!(hosting.monitors.len(), 1);
        hosting.end_monitors_where(|_, node| node == 1);
        assert!(hosting.monitors.is_empty());
        assert!(matches!(hosting.orders.as_slice(), [Order::End(_), Order::End(_)]));
    }
}
