//! What only clusters answer.

use wsfc_clusapi::sys::constants::control as ctl;

use super::Call;
use crate::entry::Answer;
use crate::proplist;
use crate::win32::{ERROR_CLUSTER_NOT_SHARED_VOLUME, ERROR_INVALID_PARAMETER};
use crate::world::World;
use crate::world::properties::{Class, Owner, Setting};
use crate::world::upgrade::Upgrade;

pub(super) fn own(call: &Call<'_>) -> Answer<Option<Vec<u8>>> {
    let done = |()| Some(Vec::new());
    match call.code {
        ctl::CLUSTER_CHECK_VOTER_EVICT | ctl::CLUSTER_CHECK_VOTER_DOWN => {
            let voter = call.text()?;
            call.read(|_, cluster| {
                let node = cluster.voter(&voter)?;
                let lost = if call.code == ctl::CLUSTER_CHECK_VOTER_EVICT {
                    !cluster.keeps_majority_without(Some(node))
                } else {
                    cluster.would_fall_without(Some(node))
                };
                Ok(Some(u32::from(lost).to_le_bytes().to_vec()))
            })
        }
        ctl::CLUSTER_CHECK_VOTER_EVICT_WITNESS | ctl::CLUSTER_CHECK_VOTER_DOWN_WITNESS => call.read(|_, cluster| {
            let lost = if call.code == ctl::CLUSTER_CHECK_VOTER_EVICT_WITNESS {
                !cluster.keeps_majority_without(None)
            } else {
                cluster.would_fall_without(None)
            };
            Ok(Some(u32::from(lost).to_le_bytes().to_vec()))
        }),
        ctl::CLUSTER_IS_READY_FOR_UPGRADE => call
            .read(|world, cluster| world.ready_for_upgrade(cluster))
            .map(|()| Some(Vec::new())),
        ctl::CLUSTER_UPGRADE_CLUSTER_VERSION => {
            let command: [u8; 4] = call.input()?.try_into().map_err(|_| ERROR_INVALID_PARAMETER)?;
            call.change(|world| upgrade(world, call.cluster, u32::from_le_bytes(command)))
                .map(Some)
        }
        ctl::CLUSTER_CLEAR_UPGRADE_IN_PROGRESS => call.change(|world| {
            if let Some(cluster) = world.cluster_mut(call.cluster) {
                cluster.upgrade_in_progress = false;
            }
            Ok(Some(Vec::new()))
        }),
        ctl::CLUSTER_SHUTDOWN => call.change(|world| {
            world.shut_cluster_down(call.cluster);
            Ok(Some(Vec::new()))
        }),
        ctl::CLUSTER_ENUM_AFFINITY_RULE_NAMES => call.read(|_, cluster| {
            let names: Vec<&str> = cluster.rules.iter().map(|rule| rule.name.as_str()).collect();
            Ok(Some(proplist::multi(&names)))
        }),
        ctl::CLUSTER_GET_SHARED_VOLUME_ID => {
            let path = call.text()?;
            call.read(|_, cluster| {
                let volume = cluster.volume_at(&path).ok_or(ERROR_CLUSTER_NOT_SHARED_VOLUME)?;
                Ok(Some(proplist::text(&volume.volume)))
            })
        }
        ctl::CLUSTER_STORAGE_RENAME_SHARED_VOLUME => {
            let (resource, name) = renamed(call)?;
            call.change(|world| world.rename_volume(call.cluster, &resource, &name))
                .map(done)
        }
        ctl::CLUSTER_GET_NODES_IN_FD => {
            let domain = call.text()?;
            call.read(|_, cluster| {
                let in_domain = cluster.nodes.iter().filter(|node| {
                    let own = node.settings.get("FaultDomainId").and_then(Setting::as_text);
                    own.is_some_and(|own| own.eq_ignore_ascii_case(&domain))
                });
                let names: Vec<&str> = in_domain.map(|node| node.name.as_str()).collect();
                Ok(Some(proplist::multi(&names)))
            })
        }
        ctl::CLUSTER_SET_CLUSTER_S2D_ENABLED => {
            let enabled = Setting::Dword(u32::from(call.number()? != 0));
            let list = proplist::write(&[("S2DEnabled", enabled)]);
            call.change(|world| world.set_properties(call.cluster, &Owner::Cluster, Class::Common, &list, false))
                .map(done)
        }
        // The database is always written, and there are no other caches.
        ctl::CLUSTER_FORCE_FLUSH_DB
        | ctl::CLUSTER_RELOAD_AUTOLOGGER_CONFIG
        | ctl::CLUSTER_CLEAR_NODE_CONNECTION_INFO => call.read(|_, _| Ok(Some(Vec::new()))),
        _ => Ok(None),
    }
}

/// The disk and the new name of a volume. Guess: the input is a CLUSTER_SHARED_VOLUME_RENAME_INPUT: the kind of the
/// name (1 volume name, 2 GUID, 3 folder), the name and the new name, 260 characters each.
fn renamed(call: &Call<'_>) -> Answer<(String, String)> {
    const NAME_BYTES: usize = 520;
    let input = call.input()?;
    let text = |place: usize| {
        let bytes = input.get(place..place + NAME_BYTES).ok_or(ERROR_INVALID_PARAMETER)?;
        Ok::<_, u32>(proplist::read_text(bytes))
    };
    let (volume, name) = (text(4)?, text(4 + NAME_BYTES)?);
    if name.is_empty() || name.contains(['\\', '/', ':']) {
        return Err(ERROR_INVALID_PARAMETER);
    }
    call.read(|_, cluster| {
        let by_name = |own: &&crate::world::shared_volume::SharedVolume| {
            own.name.eq_ignore_ascii_case(&volume) || own.volume.eq_ignore_ascii_case(&volume)
        };
        let found = cluster.volume_at(&volume);
        let found = found.or_else(|| cluster.volumes.iter().find(by_name));
        let found = found.ok_or(ERROR_CLUSTER_NOT_SHARED_VOLUME)?;
        Ok((found.resource.clone(), name.clone()))
    })
}

/// The server's side of the upgrade: 1 checks, 2 performs and answers the new level (facts 1.7).
fn upgrade(world: &mut World, cluster: &str, command: u32) -> Answer<Vec<u8>> {
    const CHECK: u32 = 1;
    const PERFORM: u32 = 2;
    let outcome = world.check_upgrade(world.serving(cluster)?)?;
    match command {
        CHECK => Ok(Vec::new()),
        PERFORM => {
            if outcome == Upgrade::Possible {
                world.begin_upgrade(cluster);
                world.finish_upgrade(cluster);
            }
            Ok(world.serving(cluster)?.functional_level.to_le_bytes().to_vec())
        }
        _ => Err(ERROR_INVALID_PARAMETER),
    }
}
