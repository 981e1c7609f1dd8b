//! Connecting to a cluster and reading what it is.
#![expect(unsafe_code, reason = "C functions are called with handles and buffers of ours")]

use crate::api::{Clusapi, check_code, entry};
use crate::control::Controlled as _;
use crate::error::Error;
use crate::handle::{Cluster, Group, Node, Opened as _};
use crate::numbers::{
    CloudType, ClusterVersion, GroupState, ManagementPointRestype, ManagementPointType, NodeClusterState, NodeState,
};
use crate::sys::constants::{CLUSTER_VERSION_FLAG_MIXED_MODE, control as codes};
use crate::sys::types::CLUSTERVERSIONINFO;
use crate::wide::{self, WideString, read_text};
use crate::win32::Win32;

/// Size of `CLUSTERVERSIONINFO` as C wants to be told it (facts 1.2).
const VERSION_INFO_SIZE: u32 = 284;

/// Name and versions of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterInformation {
    /// The name.
    pub name: String,
    /// Windows version of the connected node: major, minor, build.
    pub windows: (u16, u16, u16),
    /// The highest version that all nodes support (facts 1.7).
    pub highest_version: ClusterVersion,
    /// The lowest version that all nodes support.
    pub lowest_version: ClusterVersion,
    /// Whether the nodes run several versions.
    pub mixed_versions: bool,
}

impl Clusapi {
    /// Connects to a cluster by name, host name or address; `None` is the cluster that this host belongs to.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`].
    pub fn open_cluster(&self, name: Option<&str>) -> Result<Cluster, Error> {
        let name = WideString::optional("cluster", name)?;
        let open = entry!(self, OpenCluster)?;
        // SAFETY: The name is NULL or ends with a NUL and outlives the call.
        let raw = unsafe { open(wide::pointer_or_null(name.as_ref())) };
        let raw = self.check_handle("OpenCluster", raw)?;
        // SAFETY: The call has just opened the handle for us.
        Ok(unsafe { Cluster::from_raw(self, raw) })
    }

    /// Connects with an [`access`](crate::sys::constants::access), and tells the access that was granted.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`].
    pub fn open_cluster_with(&self, name: Option<&str>, access: u32) -> Result<(Cluster, u32), Error> {
        let name = WideString::optional("cluster", name)?;
        let open = entry!(self, OpenClusterEx)?;
        let mut granted = 0;
        // SAFETY: The name is NULL or ends with a NUL, and both arguments outlive the call.
        let raw = unsafe { open(wide::pointer_or_null(name.as_ref()), access, &raw mut granted) };
        let raw = self.check_handle("OpenClusterEx", raw)?;
        // SAFETY: The call has just opened the handle for us.
        Ok((unsafe { Cluster::from_raw(self, raw) }, granted))
    }

    /// Whether a host is set up as a node; `None` is this host.
    ///
    /// # Errors
    ///
    /// [`Error::Call`] with a Win32 or RPC code, [`Error::Text`].
    pub fn node_cluster_state(&self, host: Option<&str>) -> Result<NodeClusterState, Error> {
        let host = WideString::optional("host", host)?;
        let get = entry!(self, GetNodeClusterState)?;
        let mut state = 0;
        // SAFETY: The name is NULL or ends with a NUL, and both arguments outlive the call.
        let code = unsafe { get(wide::pointer_or_null(host.as_ref()), &raw mut state) };
        check_code("GetNodeClusterState", code)?;
        Ok(NodeClusterState(state))
    }

    /// Which kind of network name fits a cluster of these hosts.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`], [`Error::TooMany`].
    pub fn fitting_management_point(&self, hosts: &[String]) -> Result<ManagementPointRestype, Error> {
        let determine = entry!(self, DetermineCNOResTypeFromNodelist)?;
        let hosts = WideList::new("hosts", hosts)?;
        let mut restype = 0;
        // SAFETY: The list has the length given, its texts end with a NUL, and all arguments outlive the call.
        let code = unsafe { determine(hosts.count, hosts.as_ptr(), &raw mut restype) };
        check_code("DetermineCNOResTypeFromNodelist", code)?;
        Ok(ManagementPointRestype(restype))
    }

    /// Where these hosts run.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`], [`Error::TooMany`].
    pub fn cloud_type(&self, hosts: &[String]) -> Result<CloudType, Error> {
        let determine = entry!(self, DetermineClusterCloudTypeFromNodelist)?;
        let hosts = WideList::new("hosts", hosts)?;
        let mut cloud = 0;
        // SAFETY: The list has the length given, its texts end with a NUL, and all arguments outlive the call.
        let code = unsafe { determine(hosts.count, hosts.as_ptr(), &raw mut cloud) };
        check_code("DetermineClusterCloudTypeFromNodelist", code)?;
        Ok(CloudType(cloud))
    }
}

/// Names for C, and the pointers to them.
pub(crate) struct WideList {
    _names: Vec<WideString>,
    pointers: Vec<*const u16>,
    pub(crate) count: u32,
}

impl WideList {
    pub(crate) fn new(field: &'static str, names: &[String]) -> Result<Self, Error> {
        let count = u32::try_from(names.len()).map_err(|_| Error::TooMany {
            field,
            count: names.len(),
        })?;
        let names = names
            .iter()
            .map(|name| WideString::new(field, name))
            .collect::<Result<Vec<_>, _>>()?;
        // A text lies in memory of its own, so its address stays when the list is moved.
        let pointers = names.iter().map(WideString::as_ptr).collect();
        Ok(Self {
            _names: names,
            pointers,
            count,
        })
    }

    /// The texts for C, valid as long as `self`.
    pub(crate) fn pointers(&self) -> impl Iterator<Item = *const u16> + '_ {
        self.pointers.iter().copied()
    }

    /// The pointers; NULL if there are none.
    pub(crate) fn as_ptr(&self) -> *const *const u16 {
        if self.pointers.is_empty() {
            core::ptr::null()
        } else {
            self.pointers.as_ptr()
        }
    }
}

impl Cluster {
    /// Name and versions.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn information(&self) -> Result<ClusterInformation, Error> {
        let get = entry!(self.api(), GetClusterInformation)?;
        let mut info = CLUSTERVERSIONINFO {
            dwVersionInfoSize: VERSION_INFO_SIZE,
            MajorVersion: 0,
            MinorVersion: 0,
            BuildNumber: 0,
            szVendorId: [0; 64],
            szCSDVersion: [0; 64],
            dwClusterHighestVersion: 0,
            dwClusterLowestVersion: 0,
            dwFlags: 0,
            dwReserved: 0,
        };
        let name = read_text("GetClusterInformation", |buffer, units| {
            // SAFETY: The handle is open, the buffer has the size given, and the struct has the size it says.
            Win32(unsafe { get(self.as_raw(), buffer.as_mut_ptr(), units, &raw mut info) })
        })?;
        Ok(ClusterInformation {
            name,
            windows: (info.MajorVersion, info.MinorVersion, info.BuildNumber),
            highest_version: ClusterVersion(info.dwClusterHighestVersion),
            lowest_version: ClusterVersion(info.dwClusterLowestVersion),
            mixed_versions: info.dwFlags & CLUSTER_VERSION_FLAG_MIXED_MODE != 0,
        })
    }

    /// The functional level, such as 10 for Windows Server 2019 (facts 1.7). `None` before Windows Server 2016, where
    /// the property does not exist.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Properties`].
    pub fn functional_level(&self) -> Result<Option<u32>, Error> {
        self.number("ClusterFunctionalLevel")
    }

    /// The upgrade version below the functional level (facts 1.7), if the cluster has one.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Properties`].
    pub fn upgrade_version(&self) -> Result<Option<u32>, Error> {
        self.number("ClusterUpgradeVersion")
    }

    /// How the cluster is reached by name, if it says so.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Properties`].
    pub fn management_point_type(&self) -> Result<Option<ManagementPointType>, Error> {
        let number = self.number("AdminAccessPoint")?;
        Ok(number.map(|number| ManagementPointType(number.cast_signed())))
    }

    /// A number among the common properties. Which releases list which one as read-only is not documented for all, so
    /// both lists are looked into.
    fn number(&self, property: &str) -> Result<Option<u32>, Error> {
        match self.read_only_properties()?.dword(property) {
            Some(number) => Ok(Some(number)),
            None => Ok(self.common_properties()?.dword(property)),
        }
    }

    /// Whether all nodes support the next functional level (facts 1.7).
    ///
    /// # Errors
    ///
    /// [`Error::Call`]; code 1 from a server that does not know the question.
    pub fn is_ready_for_upgrade(&self) -> Result<bool, Error> {
        match self.control(codes::CLUSTER_IS_READY_FOR_UPGRADE, &[]) {
            Ok(_) => Ok(true),
            Err(Error::Call {
                code: Win32::ERROR_CLUSTER_UPGRADE_INCOMPATIBLE_VERSIONS,
                ..
            }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Node {
    /// The state.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn state(&self) -> Result<NodeState, Error> {
        let get = entry!(self.api(), GetClusterNodeState)?;
        // SAFETY: The handle is open.
        let state = unsafe { get(self.raw) };
        Ok(NodeState(self.api().check_state("GetClusterNodeState", state)?))
    }

    /// The id: a small decimal number (facts 2.1).
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn id(&self) -> Result<String, Error> {
        let get = entry!(self.api(), GetClusterNodeId)?;
        read_text("GetClusterNodeId", |buffer, units| {
            // SAFETY: The handle is open, and the buffer has the size given.
            Win32(unsafe { get(self.raw, buffer.as_mut_ptr(), units) })
        })
    }

    /// The highest version that the node supports.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Properties`], [`Error::MissingProperty`].
    pub fn highest_version(&self) -> Result<ClusterVersion, Error> {
        self.version("NodeHighestVersion")
    }

    /// The lowest version that the node supports.
    ///
    /// # Errors
    ///
    /// As [`Node::highest_version`].
    pub fn lowest_version(&self) -> Result<ClusterVersion, Error> {
        self.version("NodeLowestVersion")
    }

    fn version(&self, property: &'static str) -> Result<ClusterVersion, Error> {
        let number = self.read_only_properties()?.dword(property);
        number.map(ClusterVersion).ok_or(Error::MissingProperty {
            object: "node",
            property,
        })
    }
}

impl Group {
    /// The state, and the name of the node that owns the group.
    ///
    /// # Errors
    ///
    /// [`Error::Call`].
    pub fn state(&self) -> Result<(GroupState, String), Error> {
        let get = entry!(self.api(), GetClusterGroupState)?;
        let mut state = GroupState::UNKNOWN;
        let owner = read_text("GetClusterGroupState", |buffer, units| {
            // SAFETY: The handle is open, and the buffer has the size given.
            let answer = unsafe { get(self.raw, buffer.as_mut_ptr(), units) };
            match self.api().check_state("GetClusterGroupState", answer) {
                Ok(answer) => {
                    state = GroupState(answer);
                    Win32::ERROR_SUCCESS
                }
                Err(error) => error.code().unwrap_or(Win32::ERROR_GEN_FAILURE),
            }
        })?;
        Ok((state, owner))
    }
}

#[cfg(test)]
mod tests;
