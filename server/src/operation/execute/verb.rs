//! Which verb is which function.

use wsfc_clusapi::{Cluster, Error};
use wsfc_proto::v1::OperationState;

use super::scene::{End, Run, Scene, Stop};
use super::{
    access, affinity, cluster, disk, group, group_set, network, node, property, quorum, registry, resource,
    resource_type,
};
use crate::hosts::Hosts;
use crate::operation::call::{Call as _, Parameters};
use crate::platform::Clock;

/// Runs a verb.
pub(super) fn run(call: &Parameters, scene: &Scene<'_>) -> Run {
    use Parameters as P;
    match call {
        P::RenameCluster(p) => cluster::rename(scene, p),
        P::ShutdownCluster(_) => cluster::shut_down(scene),
        P::BackupDatabase(p) => cluster::back_up(scene, p),
        P::RestoreDatabase(p) => cluster::restore(scene, p),
        P::PauseNode(p) => node::pause(scene, p),
        P::ResumeNode(p) => node::resume(scene, p),
        P::StartNode(p) => node::start(scene, p),
        P::StopNode(p) => node::stop(scene, p),
        P::CreateGroup(p) => group::create(scene, p),
        P::DeleteGroup(p) => group::delete(scene, p),
        P::OnlineGroup(p) => group::online(scene, p),
        P::OfflineGroup(p) => group::offline(scene, p),
        P::MoveGroup(p) => group::move_to(scene, p),
        P::MigrateVirtualMachine(p) => group::migrate(scene, p),
        P::CancelGroupMove(p) => group::cancel_move(scene, p),
        P::SetPreferredOwners(p) => group::set_preferred_owners(scene, p),
        P::SetFailoverPolicy(p) => group::set_failover_policy(scene, p),
        P::RenameGroup(p) => group::rename(scene, p),
        P::CreateResource(p) => resource::create(scene, p),
        P::DeleteResource(p) => resource::delete(scene, p),
        P::OnlineResource(p) => resource::online(scene, p),
        P::OfflineResource(p) => resource::offline(scene, p),
        P::FailResource(p) => resource::fail(scene, p),
        P::RestartResource(p) => resource::restart(scene, p),
        P::SetResourceMaintenance(p) => resource::set_maintenance(scene, p),
        P::SetPossibleOwners(p) => resource::set_possible_owners(scene, p),
        P::AddResourceDependency(p) => resource::add_dependency(scene, p),
        P::RemoveResourceDependency(p) => resource::remove_dependency(scene, p),
        P::SetResourceDependencies(p) => resource::set_dependencies(scene, p),
        P::MoveResource(p) => resource::change_group(scene, p),
        P::RenameResource(p) => resource::rename(scene, p),
        P::SetSeparateMonitor(p) => resource::set_separate_monitor(scene, p),
        P::AddCheckpoint(p) => resource::add_checkpoint(scene, p),
        P::RemoveCheckpoint(p) => resource::remove_checkpoint(scene, p),
        P::RenewIpLease(p) => resource::renew_lease(scene, p),
        P::ReleaseIpLease(p) => resource::release_lease(scene, p),
        P::RegisterDnsRecords(p) => resource::register_dns(scene, p),
        P::CreateResourceType(p) => resource_type::create(scene, p),
        P::DeleteResourceType(p) => resource_type::delete(scene, p),
        P::RenameNetwork(p) => network::rename(scene, p),
        P::SetNetworkRole(p) => network::set_role(scene, p),
        P::SetNetworkMetric(p) => network::set_metric(scene, p),
        P::SetNetworkPriority(p) => network::set_priority(scene, p),
        P::SetQuorum(p) => quorum::set(scene, p),
        P::SetNodeVote(p) => quorum::set_vote(scene, p),
        P::AddSharedVolume(p) => disk::add_volume(scene, p),
        P::RemoveSharedVolume(p) => disk::remove_volume(scene, p),
        P::MoveSharedVolume(p) => disk::move_volume(scene, p),
        P::SetSharedVolumeRedirected(p) => disk::set_redirected(scene, p),
        P::SetSharedVolumeMaintenance(p) => disk::set_maintenance(scene, p),
        P::AddDisk(p) => disk::add(scene, p),
        P::CreateGroupSet(p) => group_set::create(scene, p),
        P::DeleteGroupSet(p) => group_set::delete(scene, p),
        P::AddGroupToSet(p) => group_set::add_group(scene, p),
        P::RemoveGroupFromSet(p) => group_set::remove_group(scene, p),
        P::AddGroupSetDependency(p) => group_set::add_dependency(scene, p),
        P::RemoveGroupSetDependency(p) => group_set::remove_dependency(scene, p),
        P::AddGroupDependency(p) => group_set::add_group_dependency(scene, p),
        P::RemoveGroupDependency(p) => group_set::remove_group_dependency(scene, p),
        P::SetGroupSetDependencies(p) => group_set::set_dependencies(scene, p),
        P::CreateAvailabilitySet(p) => group_set::create_availability_set(scene, p),
        P::CreateAffinityRule(p) => affinity::create(scene, p),
        P::DeleteAffinityRule(p) => affinity::delete(scene, p),
        P::AddGroupToAffinityRule(p) => affinity::add_group(scene, p),
        P::RemoveGroupFromAffinityRule(p) => affinity::remove_group(scene, p),
        P::GrantAccess(p) => access::grant(scene, p),
        P::BlockAccess(p) => access::block(scene, p),
        P::RemoveAccess(p) => access::remove(scene, p),
        P::ApplyRegistryBatch(p) => registry::apply(scene, p),
        P::SetProperties(p) => property::set(scene, p),
        P::CreateCluster(_)
        | P::AddNode(_)
        | P::EvictNode(_)
        | P::DestroyCluster(_)
        | P::UpgradeFunctionalLevel(_)
        | P::CreateNameAccount(_)
        | P::RemoveNameAccount(_)
        | P::RepairNameAccount(_)
        | P::AddStorageNode(_)
        | P::RemoveStorageNode(_) => Err(Stop::Api(Error::Answer {
            function: call.function(),
            problem: "no way to make it here",
        })),
    }
}

/// What a rehearsal foresees.
pub enum Foreseen {
    /// Nothing speaks against the verb.
    Nothing,
    /// It would find everything as wished.
    Unchanged,
    /// The daemon would refuse.
    Refused(Box<End>),
}

/// Runs a verb as far as it only reads.
///
/// # Errors
///
/// What the cluster API would refuse.
pub(in crate::operation) fn rehearse(
    call: &Parameters,
    cluster: &Cluster,
    name: &str,
    clock: &dyn Clock,
    services: &dyn Hosts,
) -> Result<Foreseen, Error> {
    let scene = Scene {
        cluster,
        name,
        rehearsal: true,
        sink: None,
        clock,
        services,
        limit: std::time::Duration::ZERO,
        asked: &std::sync::atomic::AtomicBool::new(false),
        secret: None,
    };
    match run(call, &scene) {
        Err(Stop::Rehearsed) => Ok(Foreseen::Nothing),
        Err(Stop::Api(error)) => Err(error),
        Err(Stop::Refused(end)) => Ok(Foreseen::Refused(end)),
        Ok(end) if end.state == OperationState::Succeeded => Ok(Foreseen::Unchanged),
        Ok(end) => Ok(Foreseen::Refused(Box::new(end))),
    }
}
