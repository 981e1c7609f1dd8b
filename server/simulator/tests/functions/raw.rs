//! The C functions of a world, called as a C program would, for the tests.

use core::ffi::c_void;
use std::ptr;
use std::sync::Mutex;

use wsfc_clusapi::sys::Table;
use wsfc_clusapi::sys::constants::{management_point_type, version};
use wsfc_clusapi::sys::types::{BOOL, CLUSTER_IP_ENTRY, CLUSTERVERSIONINFO, CREATE_CLUSTER_CONFIG, PCWSTR};
use wsfc_simulator::scenario::{Machine, Network};
use wsfc_simulator::{Release, Scenario, Simulation};

/// One call of the setup callback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) phase: i32,
    pub(crate) kind: i32,
    pub(crate) severity: i32,
    pub(crate) percent: u32,
    pub(crate) object: String,
    pub(crate) status: u32,
    pub(crate) thread: std::thread::ThreadId,
}

/// What a callback writes down, and what it answers.
#[derive(Debug)]
pub(crate) struct Recorder {
    pub(crate) records: Mutex<Vec<Record>>,
    /// The answer FALSE comes at this phase.
    pub(crate) refuse: Option<i32>,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            records: Mutex::new(Vec::new()),
            refuse: None,
        }
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.records.lock().unwrap().clone()
    }

    /// The phases of the End records, in order.
    pub(crate) fn ended(&self) -> Vec<i32> {
        self.records()
            .iter()
            .filter(|record| record.kind == 3)
            .map(|record| record.phase)
            .collect()
    }

    /// Phase, severity and status of End records that are not informational.
    pub(crate) fn troubles(&self) -> Vec<(i32, i32, u32)> {
        let ended = |record: &Record| record.kind == 3 && record.severity != 1;
        self.records()
            .iter()
            .filter(|r| ended(r))
            .map(|r| (r.phase, r.severity, r.status))
            .collect()
    }

    fn argument(&self) -> *const c_void {
        ptr::from_ref(self).cast()
    }
}

/// Reads a NUL-terminated string.
pub(crate) unsafe fn read_wide(text: *const u16) -> String {
    let mut units = Vec::new();
    loop {
        // SAFETY: No NUL has been met yet.
        let unit = unsafe { text.wrapping_add(units.len()).read() };
        if unit == 0 {
            return String::from_utf16(&units).unwrap();
        }
        units.push(unit);
    }
}

pub(crate) unsafe extern "system" fn record(
    argument: *mut c_void,
    phase: i32,
    kind: i32,
    severity: i32,
    percent: u32,
    object: PCWSTR,
    status: u32,
) -> BOOL {
    // SAFETY: The argument is the recorder of the test, which outlives the call.
    let recorder = unsafe { &*argument.cast::<Recorder>() };
    // SAFETY: The name is NUL-terminated.
    let object = unsafe { read_wide(object) };
    let thread = std::thread::current().id();
    recorder.records.lock().unwrap().push(Record {
        phase,
        kind,
        severity,
        percent,
        object,
        status,
        thread,
    });
    BOOL::from(recorder.refuse != Some(phase))
}

unsafe extern "system" fn record_upgrade(argument: *mut c_void, phase: i32) -> BOOL {
    // SAFETY: The argument is the list of the test, which outlives the call.
    let phases = unsafe { &*argument.cast::<Mutex<Vec<i32>>>() };
    phases.lock().unwrap().push(phase);
    1
}

pub(crate) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// A world and its functions.
#[derive(Clone)]
pub(crate) struct Raw {
    pub(crate) simulation: Simulation,
    pub(crate) table: Table,
}

/// Ends the waits of a world when its test fails, so that the test's other threads end too.
pub(crate) struct EndOnPanic<'raw>(&'raw Raw);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.simulation.shutdown();
        }
    }
}

impl Raw {
    pub(crate) fn end_on_panic(&self) -> EndOnPanic<'_> {
        EndOnPanic(self)
    }

    /// Five machines of 2022, n1 to n5, on the networks 10.0.0.0/24 and 10.0.1.0/24.
    pub(crate) fn new(change: impl FnOnce(&mut Scenario)) -> Self {
        Self::over(Simulation::new(Self::scenario(change)).unwrap())
    }

    /// Written in code, not read from TOML, since Miri takes long over that.
    pub(crate) fn scenario(change: impl FnOnce(&mut Scenario)) -> Scenario {
        let network = |name: &str, subnet: [u8; 4]| Network {
            name: name.into(),
            subnet: subnet.into(),
            prefix: 24,
        };
        let mut scenario = Scenario {
            networks: vec![
                network("Cluster Network 1", [10, 0, 0, 0]),
                network("Cluster Network 2", [10, 0, 1, 0]),
            ],
            machines: ["n1", "n2", "n3", "n4", "n5"]
                .map(|name| Machine::new(name, Release::Server2022))
                .into(),
            ..Scenario::default()
        };
        scenario.domain.name = "demo.example".into();
        change(&mut scenario);
        scenario
    }

    pub(crate) fn over(simulation: Simulation) -> Self {
        let table = simulation.table();
        Self { simulation, table }
    }

    pub(crate) fn last_error(&self) -> u32 {
        // SAFETY: The function takes nothing.
        unsafe { self.table.GetLastError.unwrap()() }
    }

    pub(crate) fn opened(&self, handle: isize) -> Result<isize, u32> {
        if handle == 0 {
            Err(self.last_error())
        } else {
            Ok(handle)
        }
    }

    pub(crate) fn create(&self, name: &str, nodes: &[&str], addresses: &[&str]) -> Result<isize, u32> {
        self.create_recorded(name, nodes, addresses, &Recorder::new())
    }

    pub(crate) fn create_recorded(
        &self,
        name: &str,
        nodes: &[&str],
        addresses: &[&str],
        recorder: &Recorder,
    ) -> Result<isize, u32> {
        let name = wide(name);
        let nodes: Vec<Vec<u16>> = nodes.iter().map(|node| wide(node)).collect();
        let node_pointers: Vec<PCWSTR> = nodes.iter().map(|node| node.as_ptr()).collect();
        let addresses: Vec<Vec<u16>> = addresses.iter().map(|address| wide(address)).collect();
        let mut entries: Vec<CLUSTER_IP_ENTRY> = addresses
            .iter()
            .map(|address| CLUSTER_IP_ENTRY {
                lpszIpAddress: address.as_ptr(),
                dwPrefixLength: 24,
            })
            .collect();
        let config = CREATE_CLUSTER_CONFIG {
            dwVersion: version::WINDOWS_BLUE,
            lpszClusterName: name.as_ptr(),
            cNodes: u32::try_from(nodes.len()).unwrap(),
            ppszNodeNames: node_pointers.as_ptr(),
            cIpEntries: u32::try_from(entries.len()).unwrap(),
            pIpEntries: entries.as_mut_ptr(),
            fEmptyCluster: 0,
            managementPointType: management_point_type::CNO,
            managementPointResType: 77,
            pszUserName: ptr::dangling(),
            pszPassword: ptr::dangling(),
            pszDomain: ptr::dangling(),
        };
        self.create_config(&raw const config, recorder)
    }

    pub(crate) fn create_config(
        &self,
        config: *const CREATE_CLUSTER_CONFIG,
        recorder: &Recorder,
    ) -> Result<isize, u32> {
        // SAFETY: The configuration is valid as far as its version says, and the recorder outlives the call.
        self.opened(unsafe { self.table.CreateCluster.unwrap()(config, Some(record), recorder.argument()) })
    }

    pub(crate) fn add(&self, cluster: isize, node: &str) -> Result<isize, u32> {
        self.add_recorded(cluster, node, &Recorder::new())
    }

    pub(crate) fn add_recorded(&self, cluster: isize, node: &str, recorder: &Recorder) -> Result<isize, u32> {
        let node = wide(node);
        let add = self.table.AddClusterNode.unwrap();
        // SAFETY: The name is NUL-terminated, and the recorder outlives the call.
        self.opened(unsafe { add(cluster, node.as_ptr(), Some(record), recorder.argument()) })
    }

    pub(crate) fn destroy(&self, cluster: isize, recorder: &Recorder) -> u32 {
        // SAFETY: The recorder outlives the call.
        unsafe { self.table.DestroyCluster.unwrap()(cluster, Some(record), recorder.argument(), 1) }
    }

    /// The code and the phases.
    pub(crate) fn upgrade(&self, cluster: isize, perform: bool) -> (u32, Vec<i32>) {
        let phases = Mutex::new(Vec::new());
        let upgrade = self.table.ClusterUpgradeFunctionalLevel.unwrap();
        let argument = ptr::from_ref(&phases).cast();
        // SAFETY: The list outlives the call.
        let code = unsafe { upgrade(cluster, BOOL::from(perform), Some(record_upgrade), argument) };
        (code, phases.into_inner().unwrap())
    }

    pub(crate) fn open(&self, name: Option<&str>) -> Result<isize, u32> {
        let name = name.map(wide);
        let pointer = name.as_ref().map_or(ptr::null(), |name| name.as_ptr());
        // SAFETY: The name is NULL or NUL-terminated.
        self.opened(unsafe { self.table.OpenCluster.unwrap()(pointer) })
    }

    pub(crate) fn open_node(&self, cluster: isize, name: &str) -> Result<isize, u32> {
        let name = wide(name);
        // SAFETY: The name is NUL-terminated.
        self.opened(unsafe { self.table.OpenClusterNode.unwrap()(cluster, name.as_ptr()) })
    }

    pub(crate) fn open_group(&self, cluster: isize, name: &str) -> Result<isize, u32> {
        let name = wide(name);
        // SAFETY: The name is NUL-terminated.
        self.opened(unsafe { self.table.OpenClusterGroup.unwrap()(cluster, name.as_ptr()) })
    }

    pub(crate) fn node_state(&self, node: isize) -> i32 {
        // SAFETY: The function checks its handle.
        unsafe { self.table.GetClusterNodeState.unwrap()(node) }
    }

    pub(crate) fn evict(&self, node: isize, timeout: u32) -> (u32, u32) {
        let mut cleanup = 0;
        // SAFETY: There is a place for the status.
        let code = unsafe { self.table.EvictClusterNodeEx.unwrap()(node, timeout, &raw mut cleanup) };
        (code, cleanup.cast_unsigned())
    }

    pub(crate) fn host_state(&self, name: &str) -> Result<u32, u32> {
        let name = wide(name);
        let mut state = 99;
        // SAFETY: The name is NUL-terminated, and there is a place for the state.
        let code = unsafe { self.table.GetNodeClusterState.unwrap()(name.as_ptr(), &raw mut state) };
        if code == 0 { Ok(state) } else { Err(code) }
    }

    /// Name and versions.
    pub(crate) fn information(&self, cluster: isize) -> Result<(String, CLUSTERVERSIONINFO), u32> {
        let mut name = [0_u16; 64];
        let mut units = 64;
        // SAFETY: All zeros is a struct of plain numbers.
        let mut info: CLUSTERVERSIONINFO = unsafe { std::mem::zeroed() };
        info.dwVersionInfoSize = 284;
        let information = self.table.GetClusterInformation.unwrap();
        // SAFETY: The buffer has the room that its count says, and the struct its size.
        let code = unsafe { information(cluster, name.as_mut_ptr(), &raw mut units, &raw mut info) };
        if code != 0 {
            return Err(code);
        }
        Ok((
            String::from_utf16(&name[..usize::try_from(units).unwrap()]).unwrap(),
            info,
        ))
    }

    /// Names by the old flavour of enumeration.
    pub(crate) fn names(&self, cluster: isize, kinds: u32) -> Vec<String> {
        // SAFETY: The function checks its handle.
        let enumeration = unsafe { self.table.ClusterOpenEnum.unwrap()(cluster, kinds) };
        assert_ne!(enumeration, 0, "{}", self.last_error());
        let mut names = Vec::new();
        loop {
            let mut name = [0_u16; 128];
            let (mut kind, mut units) = (0, 128);
            let next = self.table.ClusterEnum.unwrap();
            let index = u32::try_from(names.len()).unwrap();
            // SAFETY: The buffer has the room that its count says.
            match unsafe { next(enumeration, index, &raw mut kind, name.as_mut_ptr(), &raw mut units) } {
                0 => names.push(String::from_utf16(&name[..usize::try_from(units).unwrap()]).unwrap()),
                259 => break,
                code => panic!("{code}"),
            }
        }
        // SAFETY: The function checks its handle.
        assert_eq!(unsafe { self.table.ClusterCloseEnum.unwrap()(enumeration) }, 0);
        names
    }

    /// The answer of a control code of the cluster.
    pub(crate) fn control(&self, cluster: isize, code: u32, input: &[u8]) -> Result<Vec<u8>, u32> {
        let mut output = vec![0_u8; 4096];
        let mut returned = 0;
        let control = self.table.ClusterControl.unwrap();
        // SAFETY: The buffers have the sizes that go with them.
        let result = unsafe {
            control(
                cluster,
                0,
                code,
                input.as_ptr().cast(),
                u32::try_from(input.len()).unwrap(),
                output.as_mut_ptr().cast(),
                4096,
                &raw mut returned,
            )
        };
        output.truncate(usize::try_from(returned).unwrap());
        if result == 0 { Ok(output) } else { Err(result) }
    }
}
