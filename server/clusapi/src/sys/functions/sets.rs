//! Group sets and affinity rules: facts 2.6.

/// The functions of this part behind those before it; the next part follows.
#[doc(hidden)]
#[macro_export]
macro_rules! cluster_functions_of_sets {
    ($receiver:ident { $($before:tt)* }) => {
        $crate::cluster_functions_of_registry! { $receiver { $($before)*
            /// Makes a group set. 0 on failure.
            Server2016 fn CreateClusterGroupSet(cluster: HCLUSTER, group_set_name: PCWSTR) -> HGROUPSET, in clustering;
            /// Makes a group set that spreads its groups. 0 on failure.
            Server2019 fn CreateClusterAvailabilitySet(
                cluster: HCLUSTER, group_set_name: PCWSTR, set_config: *const CLUSTER_AVAILABILITY_SET_CONFIG,
            ) -> HGROUPSET, in clustering;
            /// Opens a group set by name. 0 on failure.
            Server2016 fn OpenClusterGroupSet(cluster: HCLUSTER, group_set_name: PCWSTR) -> HGROUPSET, in clustering;
            /// Closes a group set.
            Server2016 fn CloseClusterGroupSet(group_set: HGROUPSET) -> BOOL, in clustering;
            /// Deletes a group set.
            Server2016 fn DeleteClusterGroupSet(group_set: HGROUPSET) -> u32, in clustering;
            /// Adds a group to a group set.
            Server2016 fn ClusterAddGroupToGroupSet(group_set: HGROUPSET, group: HGROUP) -> u32, in clustering;
            /// Adds a group to an availability set.
            Server2019 fn ClusterAddGroupToGroupSetWithDomains(
                group_set: HGROUPSET, group: HGROUP, fault_domain: u32, update_domain: u32,
            ) -> u32, in clustering;
            /// Takes a group out of its group set.
            Server2016 fn ClusterRemoveGroupFromGroupSet(group: HGROUP) -> u32, in clustering;
            /// Begins an enumeration of group sets. 0 on failure.
            Server2016 fn ClusterGroupSetOpenEnum(cluster: HCLUSTER) -> HGROUPSETENUM, in clustering;
            /// Number of group sets.
            Server2016 fn ClusterGroupSetGetEnumCount(enumeration: HGROUPSETENUM) -> u32, in clustering;
            /// One group set; 259 at the end.
            Server2016 fn ClusterGroupSetEnum(
                enumeration: HGROUPSETENUM, index: u32, name: PWSTR, name_units: *mut u32,
            ) -> u32, in clustering;
            /// Ends the enumeration.
            Server2016 fn ClusterGroupSetCloseEnum(enumeration: HGROUPSETENUM) -> u32, in clustering;
            /// Sends a control code to a group set.
            Server2016 fn ClusterGroupSetControl(
                group_set: HGROUPSET, host_node: HNODE, code: u32, input: *const c_void, input_bytes: u32,
                output: *mut c_void, output_bytes: u32, bytes_returned: *mut u32,
            ) -> u32, in clustering;
            /// Makes a group set depend on a group set.
            Server2016 fn AddClusterGroupSetDependency(
                dependent_group_set: HGROUPSET, provider_group_set: HGROUPSET,
            ) -> u32, in clustering;
            /// Takes that dependency away.
            Server2016 fn RemoveClusterGroupSetDependency(
                group_set: HGROUPSET, provider_group_set: HGROUPSET,
            ) -> u32, in clustering;
            /// Sets what a group set depends on, as a text.
            Server2016 fn SetClusterGroupSetDependencyExpression(
                group_set: HGROUPSET, expression: PCWSTR,
            ) -> u32, in clustering;
            /// Makes an affinity rule.
            Server2022 fn ClusterCreateAffinityRule(
                cluster: HCLUSTER, rule_name: PCWSTR, rule_type: CLUS_AFFINITY_RULE_TYPE,
            ) -> u32, in clustering;
            /// Deletes an affinity rule.
            Server2022 fn ClusterRemoveAffinityRule(cluster: HCLUSTER, rule_name: PCWSTR) -> u32, in clustering;
            /// Adds a group to an affinity rule.
            Server2022 fn ClusterAddGroupToAffinityRule(
                cluster: HCLUSTER, rule_name: PCWSTR, group: HGROUP,
            ) -> u32, in clustering;
            /// Takes a group out of an affinity rule.
            Server2022 fn ClusterRemoveGroupFromAffinityRule(
                cluster: HCLUSTER, rule_name: PCWSTR, group: HGROUP,
            ) -> u32, in clustering;
            /// Sends a control code to an affinity rule.
            Server2022 fn ClusterAffinityRuleControl(
                cluster: HCLUSTER, rule_name: PCWSTR, host_node: HNODE, code: u32, input: *const c_void,
                input_bytes: u32, output: *mut c_void, output_bytes: u32, bytes_returned: *mut u32,
            ) -> u32, in clustering;
        } }
    };
}
