//! What the cluster API tells of an object, as the fields of the contract: states and properties by their native form.
//!
//! A reading of the whole cluster and a notification of one change go through the same functions, so that they cannot
//! disagree.

use wsfc_clusapi::proplist::{PropertyList, Value};
use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, DrainState, InventoryObject, NetworkRole};

/// The native number of a state that is not known (facts 2.2).
pub const UNKNOWN_STATE: i32 = -1;

/// The state of a node by its native number (facts 2.2).
pub fn node_state(native: i32) -> v1::NodeState {
    match native {
        0 => v1::NodeState::Up,
        1 => v1::NodeState::Down,
        2 => v1::NodeState::Paused,
        3 => v1::NodeState::Joining,
        _ => v1::NodeState::Unspecified,
    }
}

/// The state of a group by its native number (facts 2.2).
pub fn group_state(native: i32) -> v1::GroupState {
    match native {
        0 => v1::GroupState::Online,
        1 => v1::GroupState::Offline,
        2 => v1::GroupState::Failed,
        3 => v1::GroupState::PartialOnline,
        4 => v1::GroupState::Pending,
        _ => v1::GroupState::Unspecified,
    }
}

/// The state of a resource by its native number (facts 2.2).
pub fn resource_state(native: i32) -> v1::ResourceState {
    match native {
        0 => v1::ResourceState::Inherited,
        1 => v1::ResourceState::Initializing,
        2 => v1::ResourceState::Online,
        3 => v1::ResourceState::Offline,
        4 => v1::ResourceState::Failed,
        128 => v1::ResourceState::Pending,
        129 => v1::ResourceState::OnlinePending,
        130 => v1::ResourceState::OfflinePending,
        _ => v1::ResourceState::Unspecified,
    }
}

/// The state of a network by its native number (facts 2.2).
pub fn network_state(native: i32) -> v1::NetworkState {
    match native {
        0 => v1::NetworkState::Unavailable,
        1 => v1::NetworkState::Down,
        2 => v1::NetworkState::Partitioned,
        3 => v1::NetworkState::Up,
        _ => v1::NetworkState::Unspecified,
    }
}

/// The state of a network interface by its native number (facts 2.2).
pub fn interface_state(native: i32) -> v1::NetworkInterfaceState {
    match native {
        0 => v1::NetworkInterfaceState::Unavailable,
        1 => v1::NetworkInterfaceState::Failed,
        2 => v1::NetworkInterfaceState::Unreachable,
        3 => v1::NetworkInterfaceState::Up,
        _ => v1::NetworkInterfaceState::Unspecified,
    }
}

/// How a node reaches a shared volume, by the native number (facts 2.2).
pub fn volume_access(native: u32) -> v1::SharedVolumeAccess {
    match native {
        0 => v1::SharedVolumeAccess::Unavailable,
        1 => v1::SharedVolumeAccess::Paused,
        2 => v1::SharedVolumeAccess::Direct,
        3 => v1::SharedVolumeAccess::FileSystemRedirected,
        4 => v1::SharedVolumeAccess::BlockRedirected,
        _ => v1::SharedVolumeAccess::Unspecified,
    }
}

fn network_role(native: u32) -> NetworkRole {
    match native {
        0 => NetworkRole::None,
        1 => NetworkRole::Internal,
        2 => NetworkRole::Client,
        3 => NetworkRole::InternalAndClient,
        _ => NetworkRole::Unspecified,
    }
}

fn drain_state(native: u32) -> DrainState {
    match native {
        0 => DrainState::NotInitiated,
        1 => DrainState::InProgress,
        2 => DrainState::Completed,
        3 => DrainState::Failed,
        _ => DrainState::Unspecified,
    }
}

/// Sets the state of an object, whatever its kind; kinds without a state stay as they are.
pub fn set_state(object: &mut InventoryObject, native: i32) {
    match &mut object.object {
        Some(Object::Node(it)) => (it.native_state, it.state) = (native, node_state(native).into()),
        Some(Object::Group(it)) => (it.native_state, it.state) = (native, group_state(native).into()),
        Some(Object::Resource(it)) => (it.native_state, it.state) = (native, resource_state(native).into()),
        Some(Object::SharedVolume(it)) => (it.native_state, it.state) = (native, resource_state(native).into()),
        Some(Object::Network(it)) => (it.native_state, it.state) = (native, network_state(native).into()),
        Some(Object::NetworkInterface(it)) => (it.native_state, it.state) = (native, interface_state(native).into()),
        _ => {}
    }
}

/// Sets the fields of one kind by the names of properties, in lower case: `reader` makes of a value what the field
/// takes, or nothing.
macro_rules! fields {
    ($name:expr, $value:expr; $($property:literal => $field:expr, $reader:expr;)*) => {
        match $name {
            $($property => match $reader($value) {
                Some(read) => {
                    $field = read;
                    true
                }
                None => false,
            },)*
            // The inventory does not keep it.
            _ => true,
        }
    };
}

/// Sets the fields that properties tell. False when a property that a field comes from has no value that can be read
/// here: a property that was reset has none (facts 3.1), and then the object has to be read.
pub fn set_properties(object: &mut InventoryObject, list: &PropertyList) -> bool {
    let mut understood = true;
    for property in &list.properties {
        let name = property.name.to_lowercase();
        understood &= property
            .values
            .first()
            .is_some_and(|value| set_property(object, &name, value));
    }
    understood & set_prefixes(object, list) & tells_the_metric(object, list)
}

/// Whoever gives a network a metric takes its choice from the cluster, and the cluster tells only what was given: one of the
/// two properties alone does not say what became of the other.
fn tells_the_metric(object: &InventoryObject, list: &PropertyList) -> bool {
    let told = |name| list.get(name).is_some();
    !matches!(object.object, Some(Object::Network(_))) || told("Metric") == told("AutoMetric")
}

fn set_property(object: &mut InventoryObject, name: &str, value: &Value) -> bool {
    match &mut object.object {
        Some(Object::Cluster(it)) => fields! { name, value;
            "clusterfunctionallevel" => it.functional_level, dword;
            "clusterupgradeversion" => it.upgrade_version, dword;
            "sharedvolumesroot" => it.shared_volumes_root, text;
        },
        Some(Object::Node(it)) => fields! { name, value;
            "nodename" => it.name, text;
            "nodehighestversion" => it.highest_version, dword;
            "nodelowestversion" => it.lowest_version, dword;
            "nodedrainstatus" => it.drain_state, |value| dword(value).map(|native| drain_state(native).into());
            "statusinformation" => it.status_information, dword;
            "nodeweight" => it.vote_assigned, truth;
            "dynamicweight" => it.vote_counts, truth;
            "nodeinstanceid" => it.instance_id, text;
            "majorversion" => it.os_version, |value| part(&it.os_version, 0, value);
            "minorversion" => it.os_version, |value| part(&it.os_version, 1, value);
            "buildnumber" => it.os_version, |value| part(&it.os_version, 2, value);
        },
        Some(Object::Group(it)) => fields! { name, value;
            "name" => it.name, text;
            "grouptype" => it.r#type, |value| dword(value).map(u32::cast_signed);
            "priority" => it.priority, dword;
            "statusinformation" => it.status_information, number;
            "persistentstate" => it.persistent_online, truth;
        },
        Some(Object::Resource(it)) => fields! { name, value;
            "name" => it.name, text;
            "type" => it.r#type, text;
            "statusinformation" => it.status_information, number;
            "lastoperationstatuscode" => it.last_operation_status, number;
            "separatemonitor" => it.separate_monitor, truth;
            "persistentstate" => it.persistent_online, truth;
        },
        // Guess: the property `Name` is the one shown to people, since the type's own name is its key.
        Some(Object::ResourceType(it)) => fields! { name, value;
            "name" => it.display_name, text;
            "dllname" => it.dll, text;
            "looksalivepollinterval" => it.looks_alive_interval_ms, dword;
            "isalivepollinterval" => it.is_alive_interval_ms, dword;
        },
        Some(Object::Network(it)) => fields! { name, value;
            "name" => it.name, text;
            "role" => (it.native_role, it.role), |value| dword(value).map(|native| (native, network_role(native).into()));
            "metric" => it.metric, dword;
            "autometric" => it.auto_metric, truth;
            "address" => it.address, text;
            "addressmask" => it.address_mask, text;
        },
        // `Node` and `Network` never change, and the first may be a number; whoever reads the interface knows both.
        Some(Object::NetworkInterface(it)) => fields! { name, value;
            "name" => it.name, text;
            "adapter" => it.adapter, text;
            "address" => it.address, text;
            "ipv6addresses" => it.ipv6_addresses, texts;
        },
        Some(Object::GroupSet(it)) => fields! { name, value;
            "startupsetting" => it.startup_setting, dword;
            "startupcount" => it.startup_count, dword;
            "startupdelay" => it.startup_delay_seconds, dword;
            "isavailabilityset" => it.availability_set, truth;
        },
        Some(Object::AffinityRule(it)) => fields! { name, value;
            "ruletype" => it.r#type, |value| dword(value).map(u32::cast_signed);
            "enabled" => it.enabled, truth;
            "softantiaffinity" => it.soft, truth;
        },
        Some(Object::Quorum(it)) => fields! { name, value;
            "dynamicquorum" => it.dynamic, truth;
            "witnessdynamicweight" => it.witness_vote, truth;
        },
        Some(Object::SharedVolume(_)) | None => true,
    }
}

/// The IPv6 prefixes of a network are two lists beside each other, so one alone tells nothing.
fn set_prefixes(object: &mut InventoryObject, list: &PropertyList) -> bool {
    let Some(Object::Network(network)) = &mut object.object else {
        return true;
    };
    let of = |name| list.get(name).map(|property| property.values.first().and_then(texts));
    match (of("IPv6Addresses"), of("IPv6PrefixLengths")) {
        (None, None) => true,
        (Some(Some(addresses)), Some(Some(lengths))) => {
            let pairs = addresses.iter().zip(lengths);
            network.ipv6_prefixes = pairs.map(|(address, length)| format!("{address}/{length}")).collect();
            true
        }
        _ => false,
    }
}

/// A number of any width.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Dword(number) => Some((*number).into()),
        Value::Ularge(number) => Some(*number),
        Value::Word(number) => Some((*number).into()),
        _ => None,
    }
}

fn dword(value: &Value) -> Option<u32> {
    number(value).and_then(|number| u32::try_from(number).ok())
}

fn truth(value: &Value) -> Option<bool> {
    number(value).map(|number| number != 0)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Sz(text) | Value::ExpandSz(text) | Value::ExpandedSz(text) => Some(text.clone()),
        _ => None,
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::MultiSz(texts) => Some(texts.clone()),
        _ => None,
    }
}

/// A version with one of its three parts replaced.
fn part(version: &str, index: usize, value: &Value) -> Option<String> {
    let number = dword(value)?;
    let mut parts = [0; 3];
    for (part, text) in parts.iter_mut().zip(version.split('.')) {
        *part = text.parse().unwrap_or_default();
    }
    *parts.get_mut(index)? = number;
    let [major, minor, build] = parts;
    Some(format!("{major}.{minor}.{build}"))
}
