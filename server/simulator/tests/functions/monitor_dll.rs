//! A resource DLL in this process whose resources do what their tests say.

use core::ffi::c_void;
use std::collections::HashMap;
use std::ptr;
use std::sync::{Arc, Condvar, LazyLock, Mutex, OnceLock};
use std::time::Duration;

use wsfc_clusapi::sys::constants::resource_state;
use wsfc_clusapi::sys::resapi::{
    CLRES_FUNCTION_TABLE, CLRES_FUNCTION_TABLE_0, CLRES_V1_FUNCTIONS, CLRES_VERSION_V1_00, LogEvent, RESID,
    RESOURCE_STATUS, SetResourceStatus,
};
use wsfc_clusapi::sys::types::{BOOL, HANDLE, PCWSTR};

use crate::call::{Target, control};
use crate::raw::{Raw, read_wide, wide};
use crate::verbs::{dwords, find_dword, instant, still};

/// How long real threads may take.
const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const DLL: &str = "scripted.dll";
pub(crate) const KIND: &str = "Scripted";
pub(crate) const CONTINUE: u32 = 0;
pub(crate) const TERMINATE: u32 = 1;
pub(crate) const PENDING: u32 = 997;

/// The callbacks that Startup was given; they are the same for all worlds of the process.
static CALLBACKS: OnceLock<(SetResourceStatus, LogEvent)> = OnceLock::new();
/// What each resource does, by its name, which is one of its test alone.
static SCRIPTS: LazyLock<Mutex<HashMap<String, Arc<Script>>>> = LazyLock::new(Mutex::default);

/// What a resource answers and what was called of it.
#[derive(Default)]
pub(crate) struct Script {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    calls: Vec<&'static str>,
    /// Its RESOURCE_HANDLEs, the newest last.
    handles: Vec<isize>,
    online: u32,
    offline: u32,
    looks_alive: bool,
    is_alive: bool,
    /// The entry point that does not return.
    hangs: Option<&'static str>,
    event: isize,
    control: Option<(u32, u32, Vec<u8>)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            calls: Vec::new(),
            handles: Vec::new(),
            online: 0,
            offline: 0,
            looks_alive: true,
            is_alive: true,
            hangs: None,
            event: 0,
            control: None,
        }
    }
}

impl Script {
    /// A new resource of this name.
    pub(crate) fn of(name: &str) -> Arc<Self> {
        let script = Arc::new(Self::default());
        SCRIPTS.lock().unwrap().insert(name.into(), Arc::clone(&script));
        script
    }

    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
        result
    }

    pub(crate) fn answers(&self, online: u32, offline: u32) {
        self.change(|state| (state.online, state.offline) = (online, offline));
    }

    pub(crate) fn health(&self, looks_alive: bool, is_alive: bool) {
        self.change(|state| (state.looks_alive, state.is_alive) = (looks_alive, is_alive));
    }

    pub(crate) fn hangs(&self, entry: Option<&'static str>) {
        self.change(|state| state.hangs = entry);
    }

    pub(crate) fn gives(&self, event: isize) {
        self.change(|state| state.event = event);
    }

    /// Answers a control code.
    pub(crate) fn knows(&self, code: u32, result: u32, data: &[u8]) {
        self.change(|state| state.control = Some((code, result, data.to_vec())));
    }

    /// What was called since the last question.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.change(|state| std::mem::take(&mut state.calls))
    }

    /// Waits until an entry point was called.
    pub(crate) fn wait_for(&self, entry: &str) {
        let state = self.state.lock().unwrap();
        let missing = |state: &mut State| !state.calls.contains(&entry);
        let (_state, timeout) = self.changed.wait_timeout_while(state, PATIENCE, missing).unwrap();
        assert!(!timeout.timed_out(), "{entry} was not called");
    }

    pub(crate) fn handle(&self) -> isize {
        *self.state.lock().unwrap().handles.last().unwrap()
    }

    /// SetResourceStatus of the newest instance.
    pub(crate) fn tell(&self, state: i32, check_point: u32) -> u32 {
        tell(self.handle(), state, check_point, 0)
    }

    pub(crate) fn come_online(&self) -> u32 {
        self.tell(resource_state::ONLINE, 0)
    }

    /// An entry point was called; comes back when it is to return.
    fn enter(&self, entry: &'static str) {
        self.change(|state| state.calls.push(entry));
        let state = self.state.lock().unwrap();
        let hangs = |state: &mut State| state.hangs == Some(entry);
        drop(self.changed.wait_while(state, hangs).unwrap());
    }
}

/// SetResourceStatus.
pub(crate) fn tell(handle: isize, state: i32, check_point: u32, event: isize) -> u32 {
    let mut status = RESOURCE_STATUS {
        ResourceState: state,
        CheckPoint: check_point,
        WaitHint: 0,
        EventHandle: ptr::without_provenance_mut(event.cast_unsigned()),
    };
    // SAFETY: The status lives for the call, and its event is open or none.
    unsafe { CALLBACKS.get().unwrap().0(handle, &raw mut status) }
}

/// LogEvent.
pub(crate) fn log_event() -> LogEvent {
    CALLBACKS.get().unwrap().1
}

fn script(id: RESID) -> &'static Script {
    // SAFETY: The id is what Open has given: a script that is never freed.
    unsafe { &*id.cast::<Script>() }
}

unsafe extern "system" fn open(name: PCWSTR, _key: *mut c_void, handle: isize) -> RESID {
    // SAFETY: The monitor passes a NUL-terminated name.
    let name = unsafe { read_wide(name) };
    let Some(script) = SCRIPTS.lock().unwrap().get(&name).map(Arc::clone) else {
        return ptr::null_mut();
    };
    script.change(|state| state.handles.push(handle));
    script.enter("open");
    // Threads of monitors that are gone may still come with it, so it is never freed.
    Arc::into_raw(script).cast_mut().cast()
}

unsafe extern "system" fn close(id: RESID) {
    script(id).enter("close");
}

unsafe extern "system" fn online(id: RESID, event: *mut HANDLE) -> u32 {
    let script = script(id);
    script.enter("online");
    script.change(|state| {
        // SAFETY: The monitor passes a place for an event.
        unsafe { *event = ptr::without_provenance_mut(state.event.cast_unsigned()) };
        state.online
    })
}

unsafe extern "system" fn offline(id: RESID) -> u32 {
    script(id).enter("offline");
    script(id).change(|state| state.offline)
}

unsafe extern "system" fn terminate(id: RESID) {
    script(id).enter("terminate");
}

unsafe extern "system" fn looks_alive(id: RESID) -> BOOL {
    script(id).enter("looks alive");
    script(id).change(|state| state.looks_alive.into())
}

unsafe extern "system" fn is_alive(id: RESID) -> BOOL {
    script(id).enter("is alive");
    script(id).change(|state| state.is_alive.into())
}

/// Answers a code with data; 1 for codes that are not known.
unsafe fn answer(known: Option<(u32, u32, Vec<u8>)>, code: u32, output: *mut c_void, room: u32, back: *mut u32) -> u32 {
    let Some((_, result, data)) = known.filter(|(known, ..)| *known == code) else {
        return 1;
    };
    let size = u32::try_from(data.len()).unwrap();
    // SAFETY: The monitor passes a place for the size.
    unsafe { *back = size };
    if result != 0 {
        return result;
    }
    if size > room {
        return 234;
    }
    // SAFETY: The buffer has room for the data.
    unsafe { ptr::copy_nonoverlapping(data.as_ptr(), output.cast(), data.len()) };
    0
}

unsafe extern "system" fn resource_control(
    id: RESID,
    code: u32,
    _input: *mut c_void,
    _input_size: u32,
    output: *mut c_void,
    room: u32,
    back: *mut u32,
) -> u32 {
    let known = script(id).change(|state| state.control.clone());
    // Properties that are asked for on the way are nobody's business.
    if known.as_ref().is_some_and(|(known, ..)| *known == code) {
        script(id).enter("control");
    }
    // SAFETY: The monitor keeps the contract of ResourceControl.
    unsafe { answer(known, code, output, room, back) }
}

/// A code of types that it knows.
pub(crate) const TYPE_CODE: u32 = 0x0220_0001;

unsafe extern "system" fn type_control(
    kind: PCWSTR,
    code: u32,
    _input: *mut c_void,
    _input_size: u32,
    output: *mut c_void,
    room: u32,
    back: *mut u32,
) -> u32 {
    // SAFETY: The monitor passes a NUL-terminated name.
    let kind = unsafe { read_wide(kind) };
    let known = Some((TYPE_CODE, 0, kind.into_bytes()));
    // SAFETY: The monitor keeps the contract of ResourceTypeControl.
    unsafe { answer(known, code, output, room, back) }
}

/// `Startup`. A type whose name ends with a number is refused with it.
pub(crate) unsafe extern "system" fn startup(
    kind: PCWSTR,
    oldest: u32,
    newest: u32,
    set_status: Option<SetResourceStatus>,
    log: Option<LogEvent>,
    table: *mut *mut CLRES_FUNCTION_TABLE,
) -> u32 {
    // SAFETY: The monitor passes a NUL-terminated name.
    let kind = unsafe { read_wide(kind) };
    if let Some(code) = kind.split_whitespace().last().and_then(|last| last.parse().ok()) {
        return code;
    }
    assert!(oldest <= CLRES_VERSION_V1_00 && newest >= CLRES_VERSION_V1_00);
    CALLBACKS.get_or_init(|| (set_status.unwrap(), log.unwrap()));
    let functions = CLRES_V1_FUNCTIONS {
        Open: Some(open),
        Close: Some(close),
        Online: Some(online),
        Offline: Some(offline),
        Terminate: Some(terminate),
        LooksAlive: Some(looks_alive),
        IsAlive: Some(is_alive),
        ResourceControl: Some(resource_control),
        ResourceTypeControl: Some(type_control),
        ..CLRES_V1_FUNCTIONS::default()
    };
    let functions = CLRES_FUNCTION_TABLE {
        TableSize: u32::try_from(size_of::<CLRES_FUNCTION_TABLE>()).unwrap(),
        Version: CLRES_VERSION_V1_00,
        Anonymous: CLRES_FUNCTION_TABLE_0 { V1Functions: functions },
    };
    // SAFETY: The monitor passes a place for the table, which is never freed.
    unsafe { *table = Box::leak(Box::new(functions)) };
    0
}

/// Has a resource stay failed.
pub(crate) fn stays_failed(raw: &Raw, resource: isize) {
    assert_eq!(raw.set_resource_property(resource, &dwords(&[("RestartAction", 0)])), 0);
}

/// What a verb answers that has begun something: done, where the DLL was quicker than the call, or pending.
pub(crate) fn begun(code: u32) {
    assert!(matches!(code, 0 | PENDING), "{code}");
}

/// A world of standing time with a cluster "c" of three nodes and the scripted type.
pub(crate) fn scripted() -> (Raw, isize) {
    let (raw, cluster) = still(&["n1", "n2", "n3"]);
    raw.script_type(cluster, KIND);
    (raw, cluster)
}

/// The same without waits.
pub(crate) fn scripted_instant() -> (Raw, isize) {
    let (raw, cluster) = instant(&["n1", "n2", "n3"]);
    raw.script_type(cluster, KIND);
    (raw, cluster)
}

impl Raw {
    /// Registers a type with a DLL.
    pub(crate) fn add_type(&self, cluster: isize, kind: &str, dll: &str) {
        let (name, dll) = (wide(kind), wide(dll));
        let create = self.table.CreateClusterResourceType.unwrap();
        // SAFETY: The names are NUL-terminated.
        let code = unsafe { create(cluster, name.as_ptr(), ptr::null(), dll.as_ptr(), 0, 0) };
        assert_eq!(code, 0);
    }

    /// Registers a type that the DLL here implements.
    pub(crate) fn script_type(&self, cluster: isize, kind: &str) {
        self.add_type(cluster, kind, &format!(r"C:\Windows\Cluster\{DLL}"));
        // SAFETY: The function keeps the contract of the resource API.
        unsafe { self.simulation.provide_resource_dll(DLL, startup) };
    }

    /// A scripted resource in a group of its own; its handle.
    pub(crate) fn script(&self, cluster: isize, name: &str) -> (isize, Arc<Script>) {
        let group = self.make_group(cluster, &format!("group of {name}"));
        let script = Script::of(name);
        (self.try_resource(group, name, KIND).unwrap(), script)
    }

    /// Waits until the monitors have nothing to do.
    pub(crate) fn idle(&self) {
        assert!(
            self.simulation.wait_monitors(PATIENCE),
            "a monitor does not come to rest"
        );
        self.simulation.consistency().unwrap();
    }

    /// Lets time pass, and the monitors do what is due.
    pub(crate) fn pass(&self, ms: u64) {
        self.idle();
        self.advance(ms);
        self.idle();
    }

    /// A number among the common properties of a resource.
    pub(crate) fn number(&self, resource: isize, name: &str) -> u32 {
        let lists =
            [0x0100_0055, 0x0100_0059].map(|code| control(self, Target::Resource(resource), code, &[]).unwrap());
        lists.iter().find_map(|list| find_dword(list, name)).unwrap()
    }
}
