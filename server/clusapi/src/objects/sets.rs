//! Group sets and affinity rules (facts 2.6).
#![expect(unsafe_code, reason = "C functions are called with handles and texts of ours")]

use crate::api::{check_code, entry};
use crate::error::Error;
use crate::handle::{AffinityRule, Cluster, Group, GroupSet, Opened as _};
use crate::numbers::AffinityRuleType;
use crate::sys::constants::{CLUSTER_AVAILABILITY_SET_CONFIG_V1, FALSE, TRUE};
use crate::sys::types::{CLUSTER_AVAILABILITY_SET_CONFIG, HCLUSTER, HGROUP, PCWSTR};
use crate::verb::{Argument as _, Held as _, handle_of, verbs};
use crate::wide::WideString;

verbs! {
    /// Deletes the group set.
    GroupSet::delete() -> () = DeleteClusterGroupSet();
    /// Adds a group to the set. 5992 if it is in one.
    GroupSet::add_group(group: &Group) -> () = ClusterAddGroupToGroupSet(group);
    /// Adds a group to an availability set, in its domains.
    GroupSet::add_group_in_domains(group: &Group, fault_domain: u32, update_domain: u32) -> ()
        = ClusterAddGroupToGroupSetWithDomains(group, fault_domain, update_domain);
    /// Makes the set depend on another.
    GroupSet::add_dependency(provider: &GroupSet) -> () = AddClusterGroupSetDependency(provider);
    /// Takes that dependency away.
    GroupSet::remove_dependency(provider: &GroupSet) -> () = RemoveClusterGroupSetDependency(provider);
    /// Sets what the set depends on, as a text.
    GroupSet::set_dependency_expression(expression: &str) -> () = SetClusterGroupSetDependencyExpression(expression);
    /// Makes an affinity rule.
    Cluster::create_affinity_rule(name: &str, rule_type: AffinityRuleType) -> ()
        = ClusterCreateAffinityRule(name, rule_type);
    /// Deletes an affinity rule.
    Cluster::delete_affinity_rule(name: &str) -> () = ClusterRemoveAffinityRule(name);
}

/// How an availability set spreads its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvailabilitySet {
    /// Number of update domains.
    pub update_domains: u32,
    /// Number of fault domains.
    pub fault_domains: u32,
    /// Whether a node is kept in reserve.
    pub reserve_spare_node: bool,
}

impl Cluster {
    /// Makes a group set.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`]; [`Error::Unsupported`] before Windows Server 2016.
    pub fn create_group_set(&self, name: &str) -> Result<GroupSet, Error> {
        let create = entry!(self.api(), CreateClusterGroupSet)?;
        let name = WideString::new("name", name)?;
        // SAFETY: The handle is open; the name ends with a NUL and outlives the call.
        let raw = unsafe { create(self.as_raw(), name.as_ptr()) };
        let raw = self.api().check_handle("CreateClusterGroupSet", raw)?;
        Ok(GroupSet::opened(&self.connection, raw))
    }

    /// Makes a group set that spreads its groups.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::Text`]; [`Error::Unsupported`] before Windows Server 2019.
    pub fn create_availability_set(&self, name: &str, set: AvailabilitySet) -> Result<GroupSet, Error> {
        let create = entry!(self.api(), CreateClusterAvailabilitySet)?;
        let name = WideString::new("name", name)?;
        let config = CLUSTER_AVAILABILITY_SET_CONFIG {
            dwVersion: CLUSTER_AVAILABILITY_SET_CONFIG_V1,
            dwUpdateDomains: set.update_domains,
            dwFaultDomains: set.fault_domains,
            bReserveSpareNode: if set.reserve_spare_node { TRUE } else { FALSE },
        };
        // SAFETY: The handle is open; the name ends with a NUL, the struct is of the version it says, and both outlive
        // the call.
        let raw = unsafe { create(self.as_raw(), name.as_ptr(), &raw const config) };
        let raw = self.api().check_handle("CreateClusterAvailabilitySet", raw)?;
        Ok(GroupSet::opened(&self.connection, raw))
    }
}

impl AffinityRule {
    /// Adds a group to the rule.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], with 5971 for a conflict; [`Error::OtherConnection`].
    pub fn add_group(&self, group: &Group) -> Result<(), Error> {
        let add = entry!(self.connection.api, ClusterAddGroupToAffinityRule)?;
        self.change("ClusterAddGroupToAffinityRule", add, group)
    }

    /// Takes a group out of the rule.
    ///
    /// # Errors
    ///
    /// [`Error::Call`], [`Error::OtherConnection`].
    pub fn remove_group(&self, group: &Group) -> Result<(), Error> {
        let remove = entry!(self.connection.api, ClusterRemoveGroupFromAffinityRule)?;
        self.change("ClusterRemoveGroupFromAffinityRule", remove, group)
    }

    fn change(
        &self,
        name: &'static str,
        function: unsafe extern "system" fn(HCLUSTER, PCWSTR, HGROUP) -> u32,
        group: &Group,
    ) -> Result<(), Error> {
        let group = handle_of(group, "group", &self.connection)?;
        // SAFETY: The handles are open and of one connection; the name ends with a NUL and outlives the call.
        let code = unsafe { function(self.connection.raw, self.wide.as_ptr(), group) };
        check_code(name, code)
    }
}
