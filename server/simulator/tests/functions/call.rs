//! Calls that several subjects share: control codes of every object, property lists, enumerations and events.

use std::sync::LazyLock;

use wsfc_clusapi::proplist::{Property, PropertyList, Tail, Value};
use wsfc_simulator::{Scenario, Simulation};

use crate::notify::{Event, next};
use crate::raw::{Raw, wide};

/// What a control code is sent to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'name> {
    Cluster(isize),
    Node(isize),
    Group(isize),
    Resource(isize),
    Network(isize),
    Interface(isize),
    Set(isize),
    Type(isize, &'name str),
    Rule(isize, &'name str),
}

/// The answer of a control code; what a failed call has returned beside its code is not looked at.
pub(crate) fn control(raw: &Raw, target: Target<'_>, code: u32, input: &[u8]) -> Result<Vec<u8>, u32> {
    const ROOM: u32 = 0x2_0000;
    let table = &raw.table;
    let mut output = vec![0_u8; usize::try_from(ROOM).unwrap()];
    let mut returned = 0_u32;
    let (place, size) = (input.as_ptr().cast(), u32::try_from(input.len()).unwrap());
    let (out, out_size, back) = (output.as_mut_ptr().cast(), ROOM, &raw mut returned);
    let by_handle = |function: unsafe extern "system" fn(_, _, _, _, _, _, _, _) -> u32, handle: isize| {
        // SAFETY: The buffers have the sizes that go with them.
        unsafe { function(handle, 0, code, place, size, out, out_size, back) }
    };
    let by_name = |function: unsafe extern "system" fn(_, _, _, _, _, _, _, _, _) -> u32, cluster: isize, name| {
        let name = wide(name);
        // SAFETY: The buffers have the sizes that go with them, and the name is NUL-terminated.
        unsafe { function(cluster, name.as_ptr(), 0, code, place, size, out, out_size, back) }
    };
    let result = match target {
        Target::Cluster(handle) => by_handle(table.ClusterControl.unwrap(), handle),
        Target::Node(handle) => by_handle(table.ClusterNodeControl.unwrap(), handle),
        Target::Group(handle) => by_handle(table.ClusterGroupControl.unwrap(), handle),
        Target::Resource(handle) => by_handle(table.ClusterResourceControl.unwrap(), handle),
        Target::Network(handle) => by_handle(table.ClusterNetworkControl.unwrap(), handle),
        Target::Interface(handle) => by_handle(table.ClusterNetInterfaceControl.unwrap(), handle),
        Target::Set(handle) => by_handle(table.ClusterGroupSetControl.unwrap(), handle),
        Target::Type(cluster, name) => by_name(table.ClusterResourceTypeControl.unwrap(), cluster, name),
        Target::Rule(cluster, name) => by_name(table.ClusterAffinityRuleControl.unwrap(), cluster, name),
    };
    output.truncate(usize::try_from(returned).unwrap());
    if result == 0 { Ok(output) } else { Err(result) }
}

/// The properties that a code answers.
pub(crate) fn properties(raw: &Raw, target: Target<'_>, code: u32) -> PropertyList {
    PropertyList::parse(&control(raw, target, code, &[]).unwrap()).unwrap()
}

/// A property list as bytes.
pub(crate) fn list(properties: &[(&str, Value)]) -> Vec<u8> {
    let properties = properties
        .iter()
        .map(|(name, value)| Property {
            name: (*name).into(),
            values: vec![value.clone()],
        })
        .collect();
    PropertyList { properties }.to_bytes(Tail::None).unwrap()
}

/// A string as a control code answers it.
pub(crate) fn text(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .take_while(|unit| *unit != 0)
        .collect();
    String::from_utf16(&units).unwrap()
}

/// The strings of a MULTI_SZ as a control code answers it.
pub(crate) fn texts(bytes: &[u8]) -> Vec<String> {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let strings = units.split(|unit| *unit == 0).take_while(|text| !text.is_empty());
    strings.map(|text| String::from_utf16(text).unwrap()).collect()
}

/// A string as a control code takes it.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    wide(text).iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

/// Kinds and names of an enumeration, by its function for the next one.
pub(crate) fn enumerated(next: impl Fn(u32, &mut u32, &mut [u16], &mut u32) -> u32) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    loop {
        let mut name = [0_u16; 256];
        let (mut kind, mut units) = (0, 256);
        match next(u32::try_from(found.len()).unwrap(), &mut kind, &mut name, &mut units) {
            0 => found.push((
                kind,
                String::from_utf16(&name[..usize::try_from(units).unwrap()]).unwrap(),
            )),
            259 => return found,
            code => panic!("{code}"),
        }
    }
}

/// All events that wait at a port.
pub(crate) fn events(raw: &Raw, port: isize) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        match next(raw, port, 4_096, 0) {
            Ok(event) => events.push(event),
            Err((258, _)) => return events,
            Err((code, _)) => panic!("{code}"),
        }
    }
}

/// Opens an object by its name with one of the functions that take a cluster and a name.
pub(crate) fn open(
    raw: &Raw,
    function: Option<unsafe extern "system" fn(isize, *const u16) -> isize>,
    cluster: isize,
    name: &str,
) -> Result<isize, u32> {
    let name = wide(name);
    // SAFETY: The name is NUL-terminated.
    raw.opened(unsafe { function.unwrap()(cluster, name.as_ptr()) })
}

/// Read once, since Miri takes long over TOML.
static PRODUCTION: LazyLock<Scenario> = LazyLock::new(|| Scenario::builtin("production").unwrap());

/// The world of the scenario that comes with the simulator, with times that take no time.
pub(crate) fn production() -> (Raw, isize) {
    let mut scenario = PRODUCTION.clone();
    scenario.timing.scale = 0.0;
    let raw = Raw::over(Simulation::new(scenario).unwrap());
    let cluster = raw.open(None).unwrap();
    (raw, cluster)
}
