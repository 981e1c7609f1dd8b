//! The table of a world.

use wsfc_clusapi::sys::{FunctionInfo, Table, WindowsRelease};

use super::{
    access, affinity, cluster, control, enumerate, group, group_set, network, node, notify, quorum, registry, resource,
    resource_type, setup, setup_more, shared_volume, slotted,
};
use crate::last_error;
use crate::release::Release;
use crate::scenario::Scenario;
use crate::simulation::Inner;

/// The release of the machine whose programs call.
fn local_release(scenario: &Scenario) -> Option<Release> {
    let local = scenario.local_name()?;
    scenario
        .machines
        .iter()
        .find(|machine| machine.name.eq_ignore_ascii_case(local))
        .map(|machine| machine.os)
}

/// True when a release has the functions that came with another.
fn has(release: Release, since: WindowsRelease) -> bool {
    let newest = match release {
        Release::Server2012R2 => WindowsRelease::Server2012,
        Release::Server2016 => WindowsRelease::Server2016,
        Release::Server2019 => WindowsRelease::Server2019,
        Release::Server2022 => WindowsRelease::Server2022,
        Release::Server2025 => WindowsRelease::Server2025,
    };
    since <= newest
}

/// True when the table of a scenario holds a function.
fn offers(scenario: &Scenario, name: &str) -> bool {
    if scenario.functions_absent.iter().any(|absent| absent == name) {
        return false;
    }
    if !scenario.functions_by_release {
        return true;
    }
    let since = FunctionInfo::of(name).map(|function| function.since);
    match (local_release(scenario), since) {
        (Some(release), Some(since)) => has(release, since),
        _ => true,
    }
}

/// Fills the entries that a scenario offers.
macro_rules! fill {
    ($scenario:expr, { $($name:ident: $entry:expr,)+ }) => {{
        let mut table = Table::EMPTY;
        $(if offers($scenario, stringify!($name)) {
            table.$name = Some($entry);
        })+
        table
    }};
}

/// The functions of a world.
pub(crate) fn table(world: &Inner) -> Table {
    of_slot(world.slot.number(), &world.scenario)
}

/// The functions that a scenario offers, in the copies of a slot.
pub(crate) fn of_slot(slot: usize, scenario: &Scenario) -> Table {
    let slot = slotted::of_slot(slot);
    fill!(scenario, {
        CreateCluster: slot.create_cluster,
        AddClusterNode: setup::add_node,
        AddClusterNodeEx: setup::add_node_ex,
        AddClusterStorageNode: setup_more::add_storage_node,
        RemoveClusterStorageNode: setup_more::remove_storage_node,
        DestroyCluster: setup::destroy,
        EvictClusterNode: setup::evict,
        EvictClusterNodeEx: setup::evict_ex,
        EvictClusterNodeEx2: setup::evict_ex2,
        CreateClusterNameAccount: setup_more::create_account,
        RemoveClusterNameAccount: setup_more::remove_account,
        RepairClusterNameAccount: setup_more::repair_account,
        ClusterUpgradeFunctionalLevel: setup::upgrade,
        ClusterNodeReplacement: setup_more::replace_node,
        GetNodeClusterState: slot.get_node_cluster_state,
        DetermineCNOResTypeFromNodelist: slot.cno_restype,
        DetermineCNOResTypeFromCluster: cluster::restype_of_cluster,
        DetermineClusterCloudTypeFromNodelist: slot.cloud_type,
        DetermineClusterCloudTypeFromCluster: cluster::cloud_of_cluster,
        GetNodeCloudTypeDW: slot.node_cloud_type,
        OpenCluster: slot.open_cluster,
        OpenClusterEx: slot.open_cluster_ex,
        CloseCluster: cluster::close,
        GetClusterInformation: cluster::information,
        SetClusterName: cluster::set_name,
        ClusterOpenEnum: enumerate::cluster::open_names,
        ClusterGetEnumCount: enumerate::cluster::get_count,
        ClusterEnum: enumerate::cluster::next,
        ClusterCloseEnum: enumerate::cluster::close,
        ClusterOpenEnumEx: enumerate::cluster::open_ex,
        ClusterGetEnumCountEx: enumerate::cluster::get_count,
        ClusterEnumEx: enumerate::cluster::next_ex,
        ClusterCloseEnumEx: enumerate::cluster::close,
        OpenClusterNode: node::open,
        OpenClusterNodeEx: node::open_ex,
        OpenClusterNodeById: node::open_by_id,
        CloseClusterNode: node::close,
        GetClusterNodeState: node::get_state,
        GetClusterNodeId: node::get_id,
        PauseClusterNode: node::pause,
        PauseClusterNodeEx: node::pause_ex,
        ResumeClusterNode: node::resume,
        ResumeClusterNodeEx: node::resume_ex,
        ClusterNodeOpenEnum: enumerate::node::open_names,
        ClusterNodeGetEnumCount: enumerate::node::get_count,
        ClusterNodeEnum: enumerate::node::next,
        ClusterNodeCloseEnum: enumerate::node::close,
        ClusterNodeOpenEnumEx: enumerate::node::open_ex,
        ClusterNodeGetEnumCountEx: enumerate::node::get_count,
        ClusterNodeEnumEx: enumerate::node::next_ex,
        ClusterNodeCloseEnumEx: enumerate::node::close,
        OpenClusterGroup: group::open,
        OpenClusterGroupEx: group::open_ex,
        CloseClusterGroup: group::close,
        GetClusterGroupState: group::get_state,
        CreateClusterGroup: group::create,
        DeleteClusterGroup: group::delete,
        DestroyClusterGroup: group::destroy,
        ClusterGroupOpenEnumEx: enumerate::group_items::open,
        ClusterGroupGetEnumCountEx: enumerate::group_items::get_count,
        ClusterGroupEnumEx: enumerate::group_items::next,
        ClusterGroupCloseEnumEx: enumerate::group_items::close,
        CreateClusterGroupEx: group::create_ex,
        SetClusterGroupName: group::set_name,
        SetClusterGroupNodeList: group::set_nodes,
        OnlineClusterGroup: group::online,
        OnlineClusterGroupEx: group::online_ex,
        OfflineClusterGroup: group::offline,
        OfflineClusterGroupEx: group::offline_ex,
        MoveClusterGroup: group::move_group,
        MoveClusterGroupEx: group::move_ex,
        CancelClusterGroupOperation: group::cancel,
        OpenClusterResource: resource::open,
        CloseClusterResource: resource::close,
        GetClusterResourceState: resource::get_state,
        CreateClusterResource: resource::create,
        DeleteClusterResource: resource::delete,
        SetClusterResourceName: resource::set_name,
        OnlineClusterResource: resource::online,
        OnlineClusterResourceEx: resource::online_ex,
        OfflineClusterResource: resource::offline,
        OfflineClusterResourceEx: resource::offline_ex,
        RestartClusterResource: resource::restart,
        FailClusterResource: resource::fail,
        ChangeClusterResourceGroup: resource::change_group,
        ChangeClusterResourceGroupEx: resource::change_group_ex,
        AddClusterResourceNode: resource::add_node,
        RemoveClusterResourceNode: resource::remove_node,
        AddClusterResourceDependency: resource::add_dependency,
        RemoveClusterResourceDependency: resource::remove_dependency,
        SetClusterResourceDependencyExpression: resource::set_expression,
        GetClusterResourceDependencyExpression: resource::get_expression,
        CanResourceBeDependent: resource::can_depend,
        GetClusterResourceNetworkName: resource::network_name,
        GetClusterQuorumResource: quorum::get,
        SetClusterQuorumResource: quorum::set,
        ClusterControl: control::cluster_control,
        ClusterNodeControl: control::node_control,
        ClusterGroupControl: control::group_control,
        ClusterResourceControl: control::resource_control,
        CreateClusterNotifyPortV2: slot.create_port,
        RegisterClusterNotifyV2: notify::register_object,
        RegisterClusterResourceTypeNotifyV2: notify::register_type,
        GetNotifyEventHandle: notify::event_handle,
        GetClusterNotifyV2: notify::get,
        CloseClusterNotifyPort: notify::close,
        // Networks, interfaces, resource types, sets, rules, shared volumes, access, the database and enumerations.
        OpenClusterNetwork: network::open,
        CloseClusterNetwork: network::close,
        GetClusterNetworkState: network::get_state,
        GetClusterNetworkId: network::get_id,
        SetClusterNetworkName: network::set_name,
        SetClusterNetworkPriorityOrder: network::set_order,
        ClusterNetworkOpenEnum: enumerate::network::open_names,
        ClusterNetworkGetEnumCount: enumerate::network::get_count,
        ClusterNetworkEnum: enumerate::network::next,
        ClusterNetworkCloseEnum: enumerate::network::close,
        ClusterNetworkControl: control::network_control,
        OpenClusterNetInterface: network::open_interface,
        CloseClusterNetInterface: network::close_interface,
        GetClusterNetInterface: network::interface_between,
        GetClusterNetInterfaceState: network::interface_state,
        ClusterNetInterfaceOpenEnum: enumerate::interface::open_names,
        ClusterNetInterfaceEnum: enumerate::interface::next,
        ClusterNetInterfaceCloseEnum: enumerate::interface::close,
        ClusterNetInterfaceControl: control::interface_control,
        ClusterGroupOpenEnum: enumerate::group::open_names,
        ClusterGroupGetEnumCount: enumerate::group::get_count,
        ClusterGroupEnum: enumerate::group::next,
        ClusterGroupCloseEnum: enumerate::group::close,
        ClusterResourceOpenEnum: enumerate::resource::open_names,
        ClusterResourceGetEnumCount: enumerate::resource::get_count,
        ClusterResourceEnum: enumerate::resource::next,
        ClusterResourceCloseEnum: enumerate::resource::close,
        ClusterResourceOpenEnumEx: enumerate::resource_items::open,
        ClusterResourceGetEnumCountEx: enumerate::resource_items::get_count,
        ClusterResourceEnumEx: enumerate::resource_items::next,
        ClusterResourceCloseEnumEx: enumerate::resource_items::close,
        CreateClusterResourceType: resource_type::create,
        DeleteClusterResourceType: resource_type::delete,
        ClusterResourceTypeOpenEnum: enumerate::resource_type::open_names,
        ClusterResourceTypeGetEnumCount: enumerate::resource_type::get_count,
        ClusterResourceTypeEnum: enumerate::resource_type::next,
        ClusterResourceTypeCloseEnum: enumerate::resource_type::close,
        ClusterResourceTypeControl: control::type_control,
        AddResourceToClusterSharedVolumes: shared_volume::add,
        RemoveResourceFromClusterSharedVolumes: shared_volume::remove,
        CreateClusterGroupSet: group_set::create,
        CreateClusterAvailabilitySet: group_set::create_availability,
        OpenClusterGroupSet: group_set::open,
        CloseClusterGroupSet: group_set::close,
        DeleteClusterGroupSet: group_set::delete,
        ClusterAddGroupToGroupSet: group_set::add_group,
        ClusterAddGroupToGroupSetWithDomains: group_set::add_group_with_domains,
        ClusterRemoveGroupFromGroupSet: group_set::remove_group,
        ClusterGroupSetOpenEnum: enumerate::group_set::open_names,
        ClusterGroupSetGetEnumCount: enumerate::group_set::get_count,
        ClusterGroupSetEnum: enumerate::group_set::next,
        ClusterGroupSetCloseEnum: enumerate::group_set::close,
        ClusterGroupSetControl: control::group_set_control,
        AddClusterGroupSetDependency: group_set::add_set_to_set,
        RemoveClusterGroupSetDependency: group_set::remove_set_from_set,
        SetClusterGroupSetDependencyExpression: group_set::express_set,
        AddClusterGroupDependency: group_set::add_group_to_group,
        RemoveClusterGroupDependency: group_set::remove_group_from_group,
        AddClusterGroupToGroupSetDependency: group_set::add_group_to_set,
        RemoveClusterGroupToGroupSetDependency: group_set::remove_group_from_set,
        SetGroupDependencyExpression: group_set::express_group,
        ClusterCreateAffinityRule: affinity::create,
        ClusterRemoveAffinityRule: affinity::remove,
        ClusterAddGroupToAffinityRule: affinity::add_group,
        ClusterRemoveGroupFromAffinityRule: affinity::remove_group,
        ClusterAffinityRuleControl: control::rule_control,
        ClusterSetAccountAccess: access::set_account,
        BackupClusterDatabase: access::backup,
        RestoreClusterDatabase: slot.restore_database,
        GetClusterKey: registry::cluster_key,
        GetClusterNodeKey: registry::node_key,
        GetClusterGroupKey: registry::group_key,
        GetClusterResourceKey: registry::resource_key,
        GetClusterResourceTypeKey: registry::type_key,
        GetClusterNetworkKey: registry::network_key,
        GetClusterNetInterfaceKey: registry::interface_key,
        ClusterRegOpenKey: registry::open,
        ClusterRegCreateKey: registry::create,
        ClusterRegCloseKey: registry::close,
        ClusterRegDeleteKey: registry::delete,
        ClusterRegEnumKey: registry::enum_key,
        ClusterRegEnumValue: registry::enum_value,
        ClusterRegQueryInfoKey: registry::query_info,
        ClusterRegQueryValue: registry::query_value,
        ClusterRegSetValue: registry::set_value,
        ClusterRegDeleteValue: registry::delete_value,
        ClusterRegGetKeySecurity: registry::get_security,
        ClusterRegSetKeySecurity: registry::set_security,
        ClusterRegSyncDatabase: registry::sync,
        ClusterRegCreateBatch: registry::create_batch,
        ClusterRegBatchAddCommand: registry::add_command,
        ClusterRegCloseBatch: registry::close_batch,
        ClusterRegCreateReadBatch: registry::create_read,
        ClusterRegReadBatchAddCommand: registry::add_read,
        ClusterRegCloseReadBatch: registry::close_read,
        ClusterRegReadBatchReplyNextCommand: registry::next_reply,
        ClusterRegCloseReadBatchReply: registry::close_reply,
        GetLastError: last_error::get,
    })
}

#[cfg(test)]
mod tests {
    use wsfc_clusapi::sys::FUNCTIONS;

    use super::*;
    use crate::scenario::Machine;
    use crate::simulation::Simulation;

    fn table_of(change: impl FnOnce(&mut Scenario)) -> Table {
        let mut scenario = Scenario {
            machines: vec![Machine::new("n1", Release::Server2016)],
            ..Scenario::default()
        };
        change(&mut scenario);
        Simulation::new(scenario).unwrap().table()
    }

    #[test]
    fn every_function_of_the_list_is_there() {
        let table = table_of(|_| {});
        let absent: Vec<_> = FUNCTIONS
            .iter()
            .map(|function| function.name)
            .filter(|name| !table.has(name))
            .collect();
        assert_eq!(absent, [""; 0]);
    }

    #[test]
    fn an_older_windows_lacks_functions() {
        let table = table_of(|scenario| scenario.functions_by_release = true);
        assert!(table.has("ClusterUpgradeFunctionalLevel"));
        assert!(!table.has("EvictClusterNodeEx2"));
        let table = table_of(|scenario| scenario.functions_absent = vec!["OpenCluster".into()]);
        assert!(!table.has("OpenCluster"));
        assert!(table.has("OpenClusterEx"));
    }
}
