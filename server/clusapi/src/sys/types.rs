//! C types of the failover cluster API (facts 1.1, 1.2 and 2.6).
//!
//! They are spelled out here, not taken from `windows-sys`, for two reasons: its `CREATE_CLUSTER_CONFIG` is older than
//! the newest header, and it types one-byte C flags as Rust `bool`, which is undefined behaviour to read when a
//! foreign caller wrote anything but 0 or 1. Layouts are compared with both the facts and `windows-sys` at compile
//! time, at the end of this file.
#![expect(
    non_camel_case_types,
    non_snake_case,
    reason = "the SDK's names, so that its documentation can be searched for them"
)]

use core::ffi::c_void;

/// A C `BOOL`: zero is false, everything else is true.
pub type BOOL = i32;
/// A COM status: negative is failure.
pub type HRESULT = i32;
/// A NUL-terminated UTF-16 string that the callee only reads.
pub type PCWSTR = *const u16;
/// A UTF-16 buffer that the callee writes.
pub type PWSTR = *mut u16;
/// A kernel object.
pub type HANDLE = *mut c_void;

/// A connection to a cluster. 0 is "none".
pub type HCLUSTER = isize;
/// An open node. 0 is "none".
pub type HNODE = isize;
/// An open group. 0 is "none".
pub type HGROUP = isize;
/// An open resource. 0 is "none".
pub type HRESOURCE = isize;
/// A notification port. 0 is "none", -1 asks for a new one (facts 4.1).
pub type HCHANGE = isize;
/// An enumeration of cluster objects by name.
pub type HCLUSENUM = isize;
/// An enumeration of cluster objects with ids and names.
pub type HCLUSENUMEX = isize;
/// An enumeration of what belongs to a node, by name.
pub type HNODEENUM = isize;
/// An enumeration of what belongs to a node, with ids and names.
pub type HNODEENUMEX = isize;
/// An enumeration of groups with their state and chosen properties.
pub type HGROUPENUMEX = isize;
/// An open network. 0 is "none".
pub type HNETWORK = isize;
/// An open network interface. 0 is "none".
pub type HNETINTERFACE = isize;
/// An open group set. 0 is "none".
pub type HGROUPSET = isize;
/// An enumeration of what belongs to a group, by name.
pub type HGROUPENUM = isize;
/// An enumeration of what belongs to a resource, by name.
pub type HRESENUM = isize;
/// An enumeration of resources with their owner and chosen properties.
pub type HRESENUMEX = isize;
/// An enumeration of what belongs to a resource type, by name.
pub type HRESTYPEENUM = isize;
/// An enumeration of what belongs to a network, by name.
pub type HNETWORKENUM = isize;
/// An enumeration of network interfaces, by name.
pub type HNETINTERFACEENUM = isize;
/// An enumeration of group sets, by name.
pub type HGROUPSETENUM = isize;
/// An open key of the cluster database; a pointer in the headers. 0 is "none".
pub type HKEY = isize;
/// A batch of changes of the cluster database. 0 is "none".
pub type HREGBATCH = isize;
/// A batch of reads of the cluster database. 0 is "none".
pub type HREGREADBATCH = isize;
/// The answers of a batch of reads. 0 is "none".
pub type HREGREADBATCHREPLY = isize;
/// A self-relative security descriptor.
pub type PSECURITY_DESCRIPTOR = *mut c_void;
/// The security of a new key: only ever NULL here.
pub type SECURITY_ATTRIBUTES = c_void;

/// A setup phase ([`setup_phase`](super::constants::setup_phase)); an open enumeration.
pub type CLUSTER_SETUP_PHASE = i32;
/// The place within a setup phase ([`setup_phase_type`](super::constants::setup_phase_type)).
pub type CLUSTER_SETUP_PHASE_TYPE = i32;
/// How bad a progress record is ([`setup_phase_severity`](super::constants::setup_phase_severity)).
pub type CLUSTER_SETUP_PHASE_SEVERITY = i32;
/// A phase of a functional level upgrade ([`upgrade_phase`](super::constants::upgrade_phase)).
pub type CLUSTER_UPGRADE_PHASE = i32;
/// How a cluster is reached by name ([`management_point_type`](super::constants::management_point_type)).
pub type CLUSTER_MGMT_POINT_TYPE = i32;
/// What kind of network name that is ([`management_point_restype`](super::constants::management_point_restype)).
pub type CLUSTER_MGMT_POINT_RESTYPE = i32;
/// Where the nodes run ([`cloud_type`](super::constants::cloud_type)).
pub type CLUSTER_CLOUD_TYPE = i32;
/// The state of a node ([`node_state`](super::constants::node_state)).
pub type CLUSTER_NODE_STATE = i32;
/// The state of a group ([`group_state`](super::constants::group_state)).
pub type CLUSTER_GROUP_STATE = i32;
/// The state of a resource ([`resource_state`](super::constants::resource_state)).
pub type CLUSTER_RESOURCE_STATE = i32;
/// The state of a network ([`network_state`](super::constants::network_state)).
pub type CLUSTER_NETWORK_STATE = i32;
/// The state of a network interface ([`network_interface_state`](super::constants::network_interface_state)).
pub type CLUSTER_NETINTERFACE_STATE = i32;
/// What an affinity rule demands ([`affinity_rule_type`](super::constants::affinity_rule_type)).
pub type CLUS_AFFINITY_RULE_TYPE = i32;
/// A command of a registry batch ([`registry_command`](super::constants::registry_command)).
pub type CLUSTER_REG_COMMAND = i32;
/// What happens to drained groups on resume ([`resume_failback`](super::constants::resume_failback)).
pub type CLUSTER_NODE_RESUME_FAILBACK_TYPE = i32;

/// Told of the progress of a setup call (facts 1.5). The meaning of the result is documented nowhere.
pub type PCLUSTER_SETUP_PROGRESS_CALLBACK = Option<
    unsafe extern "system" fn(
        pvCallbackArg: *mut c_void,
        eSetupPhase: CLUSTER_SETUP_PHASE,
        ePhaseType: CLUSTER_SETUP_PHASE_TYPE,
        ePhaseSeverity: CLUSTER_SETUP_PHASE_SEVERITY,
        dwPercentComplete: u32,
        lpszObjectName: PCWSTR,
        dwStatus: u32,
    ) -> BOOL,
>;

/// Told of the progress of a functional level upgrade (facts 1.7).
pub type PCLUSTER_UPGRADE_PROGRESS_CALLBACK =
    Option<unsafe extern "system" fn(pvCallbackArg: *mut c_void, eUpgradePhase: CLUSTER_UPGRADE_PHASE) -> BOOL>;

/// One address of a cluster to create (facts 1.2).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CLUSTER_IP_ENTRY {
    /// The address as text, or the address of a network for DHCP.
    pub lpszIpAddress: PCWSTR,
    /// Length of the network prefix in bits.
    pub dwPrefixLength: u32,
}

/// What `CreateCluster` shall create, in the newest, 88-byte form (facts 1.2).
///
/// There is no size field: `dwVersion` alone says how far the callee may read. Below 0x702 it reads 49 bytes; from
/// 0x702 also `managementPointType`; from 0xA00 also `managementPointResType`; from 0xC05 also the credentials.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CREATE_CLUSTER_CONFIG {
    /// How much of this struct is valid ([`version`](super::constants::version)).
    pub dwVersion: u32,
    /// Name of the cluster.
    pub lpszClusterName: PCWSTR,
    /// Number of entries behind `ppszNodeNames`.
    pub cNodes: u32,
    /// Names of the nodes.
    pub ppszNodeNames: *const PCWSTR,
    /// Number of entries behind `pIpEntries`.
    pub cIpEntries: u32,
    /// Addresses, one for each network.
    pub pIpEntries: *mut CLUSTER_IP_ENTRY,
    /// Not 0: form a cluster without name and addresses. One byte; not typed as `bool`, see above.
    pub fEmptyCluster: u8,
    /// How the cluster is reached by name.
    pub managementPointType: CLUSTER_MGMT_POINT_TYPE,
    /// What kind of network name that is.
    pub managementPointResType: CLUSTER_MGMT_POINT_RESTYPE,
    /// User to create the computer account with.
    pub pszUserName: PCWSTR,
    /// That user's password.
    pub pszPassword: PCWSTR,
    /// That user's domain.
    pub pszDomain: PCWSTR,
}

/// What `CreateClusterNameAccount` shall create (facts 1.2).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CREATE_CLUSTER_NAME_ACCOUNT {
    /// How much of this struct is valid; above 0x702.
    pub dwVersion: u32,
    /// Name of the account.
    pub lpszClusterName: PCWSTR,
    /// Reserved, 0.
    pub dwFlags: u32,
    /// User to work with in the directory.
    pub pszUserName: PCWSTR,
    /// That user's password.
    pub pszPassword: PCWSTR,
    /// That user's domain.
    pub pszDomain: PCWSTR,
    /// How the cluster shall be reached by name.
    pub managementPointType: CLUSTER_MGMT_POINT_TYPE,
    /// What kind of network name that is.
    pub managementPointResType: CLUSTER_MGMT_POINT_RESTYPE,
    /// Not 0: also give the network names of roles an account. One byte; not typed as `bool`, see above.
    pub bUpgradeVCOs: u8,
}

/// What `RepairClusterNameAccount` shall repair (facts 1.1; not in `windows-sys`).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct REPAIR_CLUSTER_NAME_ACCOUNT_CONFIG {
    /// How much of this struct is valid.
    pub dwVersion: u32,
    /// Not documented; 0.
    pub dwFlags: u32,
    /// User to work with in the directory.
    pub pszUserName: PCWSTR,
    /// That user's password.
    pub pszPassword: PCWSTR,
    /// That user's domain.
    pub pszDomain: PCWSTR,
}

/// Versions of a cluster as `GetClusterInformation` tells them (facts 1.2).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CLUSTERVERSIONINFO {
    /// Size of this struct: 284, set before the call.
    pub dwVersionInfoSize: u32,
    /// Major version of the Windows that the connected node runs.
    pub MajorVersion: u16,
    /// Its minor version.
    pub MinorVersion: u16,
    /// Its build.
    pub BuildNumber: u16,
    /// The vendor's name.
    pub szVendorId: [u16; 64],
    /// The service pack's name.
    pub szCSDVersion: [u16; 64],
    /// The highest version that all nodes support: major level above, minor in the low word (facts 1.7).
    pub dwClusterHighestVersion: u32,
    /// The lowest version that all nodes support.
    pub dwClusterLowestVersion: u32,
    /// 1: nodes of several versions.
    pub dwFlags: u32,
    /// Reserved.
    pub dwReserved: u32,
}

/// What a notification port shall tell, or has told (facts 4.2).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NOTIFY_FILTER_AND_TYPE {
    /// Kind of object ([`notify_object`](super::constants::notify_object)).
    pub dwObjectType: u32,
    /// Kinds of change of that object; in an event exactly one bit.
    pub FilterFlags: i64,
}

/// One object of an enumeration (facts 2.1). The strings lie inside the same buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CLUSTER_ENUM_ITEM {
    /// 1, set before the call.
    pub dwVersion: u32,
    /// Kind of object ([`cluster_enum`](super::constants::cluster_enum)).
    pub dwType: u32,
    /// Bytes behind `lpszId`.
    pub cbId: u32,
    /// Id of the object.
    pub lpszId: PWSTR,
    /// Bytes behind `lpszName`.
    pub cbName: u32,
    /// Name of the object.
    pub lpszName: PWSTR,
}

/// One group of an enumeration (facts 1.2). Strings and lists lie inside the same buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CLUSTER_GROUP_ENUM_ITEM {
    /// 1, set before the call.
    pub dwVersion: u32,
    /// Bytes behind `lpszId`.
    pub cbId: u32,
    /// Id of the group.
    pub lpszId: PWSTR,
    /// Bytes behind `lpszName`.
    pub cbName: u32,
    /// Name of the group.
    pub lpszName: PWSTR,
    /// State of the group.
    pub state: CLUSTER_GROUP_STATE,
    /// Bytes behind `lpszOwnerNode`.
    pub cbOwnerNode: u32,
    /// Name of the node that owns the group.
    pub lpszOwnerNode: PWSTR,
    /// Flags of the group ([`object_flags`](super::constants::object_flags)).
    pub dwFlags: u32,
    /// Bytes behind `pProperties`.
    pub cbProperties: u32,
    /// Property list of the common properties that were asked for.
    pub pProperties: *mut c_void,
    /// Bytes behind `pRoProperties`.
    pub cbRoProperties: u32,
    /// Property list of the read-only properties that were asked for.
    pub pRoProperties: *mut c_void,
}

/// One resource of an enumeration (facts 1.2). Strings and lists lie inside the same buffer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CLUSTER_RESOURCE_ENUM_ITEM {
    /// 1, set before the call.
    pub dwVersion: u32,
    /// Bytes behind `lpszId`.
    pub cbId: u32,
    /// Id of the resource.
    pub lpszId: PWSTR,
    /// Bytes behind `lpszName`.
    pub cbName: u32,
    /// Name of the resource.
    pub lpszName: PWSTR,
    /// Bytes behind `lpszOwnerGroupName`.
    pub cbOwnerGroupName: u32,
    /// Name of the group that owns the resource.
    pub lpszOwnerGroupName: PWSTR,
    /// Bytes behind `lpszOwnerGroupId`.
    pub cbOwnerGroupId: u32,
    /// Id of the group that owns the resource.
    pub lpszOwnerGroupId: PWSTR,
    /// Bytes behind `pProperties`.
    pub cbProperties: u32,
    /// Property list of the common properties that were asked for.
    pub pProperties: *mut c_void,
    /// Bytes behind `pRoProperties`.
    pub cbRoProperties: u32,
    /// Property list of the read-only properties that were asked for.
    pub pRoProperties: *mut c_void,
}

/// What group `CreateClusterGroupEx` shall make (facts 1.2).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CLUSTER_CREATE_GROUP_INFO {
    /// 1.
    pub dwVersion: u32,
    /// Kind of group ([`group_type`](super::constants::group_type)).
    pub groupType: i32,
}

/// What availability set to make (facts 2.6).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CLUSTER_AVAILABILITY_SET_CONFIG {
    /// 1.
    pub dwVersion: u32,
    /// Number of update domains.
    pub dwUpdateDomains: u32,
    /// Number of fault domains.
    pub dwFaultDomains: u32,
    /// Whether a node is kept in reserve.
    pub bReserveSpareNode: BOOL,
}

/// One answer of a batch of reads (facts 2.6). What it points to belongs to the reply.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct CLUSTER_READ_BATCH_COMMAND {
    /// What the answer is ([`registry_command`](super::constants::registry_command)).
    pub Command: CLUSTER_REG_COMMAND,
    /// Type of the value, or the error of a read that failed.
    pub dwOptions: u32,
    /// The key that was read.
    pub wzSubkeyName: PCWSTR,
    /// The value that was read.
    pub wzValueName: PCWSTR,
    /// The value's data.
    pub lpData: *const u8,
    /// Bytes behind `lpData`.
    pub cbData: u32,
}

/// A time in units of 100 ns since 1601, in two halves.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FILETIME {
    /// The lower half.
    pub dwLowDateTime: u32,
    /// The upper half.
    pub dwHighDateTime: u32,
}

/// Checks sizes and offsets: against the facts, and where the word `agrees` stands also against `windows-sys`.
macro_rules! layout {
    (@sys agrees $type:ident { $($field:ident)* }) => {
        const _: () = {
            use windows_sys::Win32::Networking::Clustering as official;
            assert!(size_of::<$type>() == size_of::<official::$type>());
            $(assert!(core::mem::offset_of!($type, $field) == core::mem::offset_of!(official::$type, $field));)*
        };
    };
    (@sys differs $type:ident { $($field:ident)* }) => {};
    ($($word:ident $type:ident: $size:literal { $($field:ident @ $offset:literal),+ $(,)? })+) => {
        $(
            #[cfg(target_pointer_width = "64")]
            const _: () = {
                assert!(size_of::<$type>() == $size);
                $(assert!(core::mem::offset_of!($type, $field) == $offset);)+
            };
            layout!(@sys $word $type { $($field)+ });
        )+
    };
}

layout! {
    agrees CLUSTER_IP_ENTRY: 16 { lpszIpAddress @ 0, dwPrefixLength @ 8 }
    // Newer than `windows-sys`; the fields that both have are compared below.
    differs CREATE_CLUSTER_CONFIG: 88 {
        dwVersion @ 0, lpszClusterName @ 8, cNodes @ 16, ppszNodeNames @ 24, cIpEntries @ 32, pIpEntries @ 40,
        fEmptyCluster @ 48, managementPointType @ 52, managementPointResType @ 56, pszUserName @ 64, pszPassword @ 72,
        pszDomain @ 80,
    }
    agrees CREATE_CLUSTER_NAME_ACCOUNT: 64 {
        dwVersion @ 0, lpszClusterName @ 8, dwFlags @ 16, pszUserName @ 24, pszPassword @ 32, pszDomain @ 40,
        managementPointType @ 48, managementPointResType @ 52, bUpgradeVCOs @ 56,
    }
    // Not in `windows-sys`.
    differs REPAIR_CLUSTER_NAME_ACCOUNT_CONFIG: 32 {
        dwVersion @ 0, dwFlags @ 4, pszUserName @ 8, pszPassword @ 16, pszDomain @ 24,
    }
    agrees CLUSTERVERSIONINFO: 284 {
        dwVersionInfoSize @ 0, MajorVersion @ 4, MinorVersion @ 6, BuildNumber @ 8, szVendorId @ 10,
        szCSDVersion @ 138, dwClusterHighestVersion @ 268, dwClusterLowestVersion @ 272, dwFlags @ 276,
        dwReserved @ 280,
    }
    agrees NOTIFY_FILTER_AND_TYPE: 16 { dwObjectType @ 0, FilterFlags @ 8 }
    agrees CLUSTER_ENUM_ITEM: 40 {
        dwVersion @ 0, dwType @ 4, cbId @ 8, lpszId @ 16, cbName @ 24, lpszName @ 32,
    }
    agrees CLUSTER_GROUP_ENUM_ITEM: 80 {
        dwVersion @ 0, cbId @ 4, lpszId @ 8, cbName @ 16, lpszName @ 24, state @ 32, cbOwnerNode @ 36,
        lpszOwnerNode @ 40, dwFlags @ 48, cbProperties @ 52, pProperties @ 56, cbRoProperties @ 64,
        pRoProperties @ 72,
    }
    agrees CLUSTER_RESOURCE_ENUM_ITEM: 96 {
        dwVersion @ 0, cbId @ 4, lpszId @ 8, cbName @ 16, lpszName @ 24, cbOwnerGroupName @ 32,
        lpszOwnerGroupName @ 40, cbOwnerGroupId @ 48, lpszOwnerGroupId @ 56, cbProperties @ 64, pProperties @ 72,
        cbRoProperties @ 80, pRoProperties @ 88,
    }
    agrees CLUSTER_CREATE_GROUP_INFO: 8 { dwVersion @ 0, groupType @ 4 }
    agrees CLUSTER_AVAILABILITY_SET_CONFIG: 16 {
        dwVersion @ 0, dwUpdateDomains @ 4, dwFaultDomains @ 8, bReserveSpareNode @ 12,
    }
    agrees CLUSTER_READ_BATCH_COMMAND: 40 {
        Command @ 0, dwOptions @ 4, wzSubkeyName @ 8, wzValueName @ 16, lpData @ 24, cbData @ 32,
    }
    // Compared below: it lies elsewhere in `windows-sys`.
    differs FILETIME: 8 { dwLowDateTime @ 0, dwHighDateTime @ 4 }
}

const _: () = {
    use windows_sys::Win32::Foundation::FILETIME as official;
    assert!(size_of::<FILETIME>() == size_of::<official>());
    assert!(core::mem::offset_of!(FILETIME, dwHighDateTime) == core::mem::offset_of!(official, dwHighDateTime));
};

const _: () = {
    use core::mem::offset_of;
    use windows_sys::Win32::Networking::Clustering as official;
    assert!(offset_of!(CREATE_CLUSTER_CONFIG, dwVersion) == offset_of!(official::CREATE_CLUSTER_CONFIG, dwVersion));
    assert!(offset_of!(CREATE_CLUSTER_CONFIG, pIpEntries) == offset_of!(official::CREATE_CLUSTER_CONFIG, pIpEntries));
    assert!(
        offset_of!(CREATE_CLUSTER_CONFIG, fEmptyCluster) == offset_of!(official::CREATE_CLUSTER_CONFIG, fEmptyCluster)
    );
    assert!(
        offset_of!(CREATE_CLUSTER_CONFIG, managementPointResType)
            == offset_of!(official::CREATE_CLUSTER_CONFIG, managementPointResType)
    );
    // Credentials begin where the struct of `windows-sys` ends.
    assert!(offset_of!(CREATE_CLUSTER_CONFIG, pszUserName) == size_of::<official::CREATE_CLUSTER_CONFIG>());
};
