//! What to subscribe to in order to learn of every change (facts 4.2).

use super::Filter;
use crate::sys::constants::{
    notify_affinity_rule, notify_cluster, notify_group, notify_groupset, notify_network, notify_network_interface,
    notify_node, notify_object, notify_quorum, notify_resource, notify_resource_type, notify_shared_volume,
    notify_spaceport, notify_upgrade,
};

const fn filter(object_type: u32, flags: i64) -> Filter {
    Filter { object_type, flags }
}

/// What Failover Cluster Manager subscribes to (facts 4.2).
pub const DEFAULT_FILTERS: &[Filter] = &[
    filter(
        notify_object::CLUSTER,
        notify_cluster::EVERYTHING & !notify_cluster::UPGRADED,
    ),
    filter(
        notify_object::GROUP,
        notify_group::EVERYTHING & !notify_group::HANDLE_CLOSE,
    ),
    filter(
        notify_object::RESOURCE,
        notify_resource::EVERYTHING
            & !(notify_resource::DLL_UPGRADED | notify_resource::HANDLE_CLOSE | notify_resource::TERMINAL_STATE),
    ),
    filter(
        notify_object::NODE,
        notify_node::NETWORK_INTERFACE_ADDED | notify_node::DELETED | notify_node::COMMON_PROPERTY | notify_node::STATE,
    ),
    filter(notify_object::NETWORK, notify_network::EVERYTHING),
    filter(notify_object::NETWORK_INTERFACE, notify_network_interface::EVERYTHING),
    filter(
        notify_object::RESOURCE_TYPE,
        notify_resource_type::EVERYTHING & !notify_resource_type::DLL_UPGRADED,
    ),
    filter(notify_object::QUORUM, notify_quorum::STATE),
    filter(notify_object::SHARED_VOLUME, notify_shared_volume::EVERYTHING),
    filter(notify_object::SPACEPORT, notify_spaceport::CUSTOM_PNP),
    filter(notify_object::UPGRADE, notify_upgrade::EVERYTHING),
];

/// What newer clusters tell beside that, the oldest first; a cluster that does not know one answers 87 to all (facts
/// 4.2).
pub const NEWER_FILTERS: &[Filter] = &[
    filter(
        notify_object::GROUPSET,
        notify_groupset::EVERYTHING & !notify_groupset::HANDLE_CLOSE,
    ),
    filter(notify_object::AFFINITY_RULE, notify_affinity_rule::EVERYTHING),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_those_of_the_facts() {
        let flags: Vec<i64> = DEFAULT_FILTERS.iter().map(|filter| filter.flags).collect();
        assert_eq!(flags, [4095, 511, 255, 23, 31, 31, 47, 1, 7, 1, 7]);
        assert_eq!(NEWER_FILTERS[0].flags, 0xFF);
    }
}
