//! Numbers of the failover cluster API, each with the SDK's name.
//!
//! Enumerations of the cluster API are open: a newer Windows may use numbers that are not listed, so they stay plain
//! integers, and `name` answers `None` for them. Numbers that `windows-sys` also has are compared with it at compile
//! time.

/// Makes a module of constants with a `name` function. `sdk NAME` is compared with `windows-sys`, `only NAME` is not
/// there.
macro_rules! constants {
    ($( $(#[$doc:meta])* pub mod $module:ident: $type:ty { $( $(#[$item_doc:meta])* $name:ident = $value:expr, $origin:ident $sdk:ident; )+ } )+) => {
        $(
            $(#[$doc])*
            pub mod $module {
                $(
                    $(#[$item_doc])*
                    #[doc = concat!("`", stringify!($sdk), "`.")]
                    pub const $name: $type = $value;
                    constants!(@check $origin $name $sdk);
                )+

                /// The SDK's name of the number.
                #[must_use]
                pub const fn name(value: $type) -> Option<&'static str> {
                    match value {
                        $($name => Some(stringify!($sdk)),)+
                        _ => None,
                    }
                }

                /// Every number listed here.
                pub const NUMBERS: &[$type] = &[$($name),+];
            }
        )+
    };
    (@check sdk $name:ident $sdk:ident) => {
        // Flags are signed on one side and unsigned on the other, so the bits are compared.
        const _: () = assert!(
            $name as i128 & 0xFFFF_FFFF == windows_sys::Win32::Networking::Clustering::$sdk as i128 & 0xFFFF_FFFF
        );
    };
    (@check only $name:ident $sdk:ident) => {};
}
mod calls;
pub mod control;
mod notify;
mod objects;
mod setup;

pub use calls::{
    access, account_access, change_group_flags, group_move_flags, group_offline_flags, group_online_flags, pause_flags,
    quorum_kind, registry_access, registry_command, registry_disposition, registry_type, resource_create_flags,
    resource_offline_flags, resource_offline_reason, resource_online_flags, resume_failback, resume_flags,
    security_information, vm_migration,
};
pub use notify::{
    notify_affinity_rule, notify_cluster, notify_group, notify_groupset, notify_network, notify_network_interface,
    notify_node, notify_object, notify_private, notify_quorum, notify_registry, notify_resource, notify_resource_type,
    notify_shared_volume, notify_spaceport, notify_upgrade,
};
pub use objects::{
    affinity_rule_type, cluster_enum, group_enum, group_set_ready, group_state, group_status, group_type, network_enum,
    network_interface_state, network_state, node_drain_status, node_enum, node_state, node_status, object_flags,
    resource_enum, resource_state, resource_status, resource_type_enum, shared_volume_fault, shared_volume_state,
};
pub use setup::{
    cloud_type, management_point_restype, management_point_type, node_cluster_state, setup_phase, setup_phase_severity,
    setup_phase_type, upgrade_phase, version,
};

/// A `BOOL` that is false.
pub const FALSE: super::types::BOOL = 0;
/// A `BOOL` that is true.
pub const TRUE: super::types::BOOL = 1;

/// Input marker that asks the notify-port calls for a new port (facts 4.1).
pub const INVALID_HANDLE_VALUE: isize = -1;
/// Wait without end.
pub const INFINITE: u32 = u32::MAX;
/// Longest cluster name of the header, a DNS label (facts 1.2); in practice 15.
pub const MAX_CLUSTERNAME_LENGTH: usize = 63;
/// Nodes of one cluster since Windows Server 2012 (facts 7).
pub const MAX_NODES: usize = 64;
/// `dwVersion` of the items of the `...EnumEx` calls (facts 2.1).
pub const CLUSTER_ENUM_ITEM_VERSION_1: u32 = 1;
/// `dwFlags` of `CLUSTERVERSIONINFO`: nodes of several versions (facts 1.2).
pub const CLUSTER_VERSION_FLAG_MIXED_MODE: u32 = 1;
/// Bit of a cluster's upgrade version that marks Azure Local (facts 1.7).
pub const HCI_UPGRADE_BIT: u32 = 0x8000;
/// `dwVersion` of `CLUSTER_CREATE_GROUP_INFO` (facts 1.2).
pub const CLUSTER_CREATE_GROUP_INFO_VERSION_1: u32 = 1;
/// `dwVersion` of `CLUSTER_AVAILABILITY_SET_CONFIG` (facts 2.6).
pub const CLUSTER_AVAILABILITY_SET_CONFIG_V1: u32 = 1;
