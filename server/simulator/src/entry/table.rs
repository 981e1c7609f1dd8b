//! The table of a world.

use wsfc_clusapi::sys::{FunctionInfo, Table, WindowsRelease};

use super::enumerate::{self, cluster as cluster_enum, node as node_enum};
use super::{cluster, control, group, node, notify, quorum, resource, setup, setup_more, slotted};
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
    let slot = slotted::of_slot(world.slot.number());
    fill!(&world.scenario, {
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
        ClusterOpenEnum: cluster_enum::open,
        ClusterGetEnumCount: cluster_enum::get_count,
        ClusterEnum: cluster_enum::next,
        ClusterCloseEnum: cluster_enum::close,
        ClusterOpenEnumEx: cluster_enum::open_ex,
        ClusterGetEnumCountEx: cluster_enum::get_count,
        ClusterEnumEx: cluster_enum::next_ex,
        ClusterCloseEnumEx: cluster_enum::close,
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
        ClusterNodeOpenEnum: node_enum::open,
        ClusterNodeGetEnumCount: node_enum::get_count,
        ClusterNodeEnum: node_enum::next,
        ClusterNodeCloseEnum: node_enum::close,
        ClusterNodeOpenEnumEx: node_enum::open_ex,
        ClusterNodeGetEnumCountEx: node_enum::get_count,
        ClusterNodeEnumEx: node_enum::next_ex,
        ClusterNodeCloseEnumEx: node_enum::close,
        OpenClusterGroup: group::open,
        OpenClusterGroupEx: group::open_ex,
        CloseClusterGroup: group::close,
        GetClusterGroupState: group::get_state,
        CreateClusterGroup: group::create,
        DeleteClusterGroup: group::delete,
        DestroyClusterGroup: group::destroy,
        ClusterGroupOpenEnumEx: enumerate::open_groups,
        ClusterGroupGetEnumCountEx: enumerate::count_groups,
        ClusterGroupEnumEx: enumerate::next_group,
        ClusterGroupCloseEnumEx: enumerate::close_groups,
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
