//! What only resources and resource types answer.

use std::net::IpAddr;

use wsfc_clusapi::sys::constants::control as ctl;

use super::{Call, shared};
use crate::entry::{Answer, resource};
use crate::proplist::{self, ValueList};
use crate::win32::{
    ERROR_ALREADY_EXISTS, ERROR_BAD_NETPATH, ERROR_CLUSTER_NOT_SHARED_VOLUME, ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND,
    ERROR_CORE_RESOURCE, ERROR_DIR_NOT_EMPTY, ERROR_DUP_NAME, ERROR_FILE_NOT_FOUND, ERROR_GROUP_NOT_FOUND,
    ERROR_INVALID_FUNCTION, ERROR_INVALID_PARAMETER, ERROR_QUORUM_RESOURCE, ERROR_RESOURCE_NOT_FOUND,
};
use crate::world::World;
use crate::world::cluster::{Cluster, Resource, is_network_name};
use crate::world::properties::{Class, Found, Setting};
use crate::world::registry::Value;
use crate::world::resource_type;
use crate::world::shared_volume::{Detail, PHYSICAL_DISK};

pub(super) fn own(call: &Call<'_>, id: &str) -> Answer<Option<Vec<u8>>> {
    let find = |cluster: &'_ Cluster| cluster.resources.get(id).map(|_| ()).ok_or(ERROR_RESOURCE_NOT_FOUND);
    let done = |()| Some(Vec::new());
    match call.code {
        ctl::RESOURCE_SET_MAINTENANCE_MODE => {
            resource::set_maintenance(call.world, call.cluster, id, call.input()?)?;
            Ok(Some(Vec::new()))
        }
        ctl::RESOURCE_QUERY_MAINTENANCE_MODE => {
            call.read(|_, cluster| resource::query_maintenance(cluster, id).map(Some))
        }
        ctl::RESOURCE_SET_CSV_MAINTENANCE_MODE => {
            let on = call.number()? != 0;
            call.change(|world| world.maintain_volume(call.cluster, id, on))
                .map(done)
        }
        ctl::RESOURCE_ENABLE_SHARED_VOLUME_DIRECTIO | ctl::RESOURCE_DISABLE_SHARED_VOLUME_DIRECTIO => {
            let redirected = call.code == ctl::RESOURCE_DISABLE_SHARED_VOLUME_DIRECTIO;
            call.change(|world| world.redirect_volume(call.cluster, id, redirected))
                .map(done)
        }
        ctl::RESOURCE_STORAGE_GET_SHARED_VOLUME_STATES => call.read(|world, cluster| {
            find(cluster)?;
            let volume = cluster.volume(id).ok_or(ERROR_CLUSTER_NOT_SHARED_VOLUME)?;
            Ok(Some(world.volume_states(cluster, volume)))
        }),
        ctl::RESOURCE_STORAGE_GET_SHARED_VOLUME_INFO => call.read(|world, cluster| {
            find(cluster)?;
            let volume = cluster.volume(id).ok_or(ERROR_CLUSTER_NOT_SHARED_VOLUME)?;
            Ok(Some(world.volume_info(volume)))
        }),
        ctl::RESOURCE_STORAGE_IS_SHARED_VOLUME => call.read(|_, cluster| {
            find(cluster)?;
            Ok(Some(u32::from(cluster.volume(id).is_some()).to_le_bytes().to_vec()))
        }),
        ctl::RESOURCE_STORAGE_GET_DISK_INFO => disk_info(call, id, Detail::Plain).map(Some),
        ctl::RESOURCE_STORAGE_GET_DISK_INFO_EX => disk_info(call, id, Detail::Ex).map(Some),
        ctl::RESOURCE_STORAGE_GET_DISK_INFO_EX2 => disk_info(call, id, Detail::Ex2).map(Some),
        ctl::RESOURCE_GET_NETWORK_NAME => network_name(call, id, "Name").map(Some),
        ctl::RESOURCE_GET_DNS_NAME => network_name(call, id, "DnsName").map(Some),
        ctl::RESOURCE_NETNAME_REGISTER_DNS_RECORDS
        | ctl::RESOURCE_NETNAME_REPAIR_VCO
        | ctl::RESOURCE_NETNAME_RESET_VCO => of_kind(call, id, |resource| is_network_name(&resource.kind)),
        // Guess: without DHCP there is no lease, 87.
        ctl::RESOURCE_IPADDRESS_RENEW_LEASE | ctl::RESOURCE_IPADDRESS_RELEASE_LEASE => call.read(|_, cluster| {
            let resource = cluster.resources.get(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
            match (resource.kind.as_str(), resource.private.get("EnableDhcp")) {
                ("IP Address", Some(Setting::Dword(1))) => Ok(Some(Vec::new())),
                ("IP Address", _) => Err(ERROR_INVALID_PARAMETER),
                _ => Err(ERROR_INVALID_FUNCTION),
            }
        }),
        ctl::RESOURCE_ADD_REGISTRY_CHECKPOINT => change_checkpoint(call, id, "RegSync", true),
        ctl::RESOURCE_DELETE_REGISTRY_CHECKPOINT => change_checkpoint(call, id, "RegSync", false),
        ctl::RESOURCE_GET_REGISTRY_CHECKPOINTS => checkpoints(call, id, "RegSync").map(Some),
        ctl::RESOURCE_ADD_CRYPTO_CHECKPOINT => change_checkpoint(call, id, "CryptoSync", true),
        ctl::RESOURCE_DELETE_CRYPTO_CHECKPOINT => change_checkpoint(call, id, "CryptoSync", false),
        ctl::RESOURCE_GET_CRYPTO_CHECKPOINTS => checkpoints(call, id, "CryptoSync").map(Some),
        ctl::RESOURCE_QUERY_DELETE => call.read(|_, cluster| {
            let (group, resource) = cluster.resource(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
            if cluster.quorum.witness.as_deref() == Some(&resource.id) {
                Err(ERROR_QUORUM_RESOURCE)
            } else if group.is_core() && is_network_name(&resource.kind) {
                Err(ERROR_CORE_RESOURCE)
            } else {
                Ok(Some(Vec::new()))
            }
        }),
        ctl::RESOURCE_IS_QUORUM_BLOCKED => call.read(|_, cluster| {
            let resource = cluster.resources.get(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
            let blocked = cluster.characteristics(&resource.kind) & resource_type::QUORUM == 0;
            Ok(Some(u32::from(blocked).to_le_bytes().to_vec()))
        }),
        _ => Ok(None),
    }
}

/// Nothing to do for resources that fit; 1 for others.
fn of_kind(call: &Call<'_>, id: &str, fits: impl FnOnce(&Resource) -> bool) -> Answer<Option<Vec<u8>>> {
    call.read(|_, cluster| {
        let resource = cluster.resources.get(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        if fits(resource) {
            Ok(Some(Vec::new()))
        } else {
            Err(ERROR_INVALID_FUNCTION)
        }
    })
}

fn disk_info(call: &Call<'_>, id: &str, detail: Detail) -> Answer<Vec<u8>> {
    call.read(|world, cluster| {
        let resource = cluster.resources.get(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        if resource.kind != PHYSICAL_DISK {
            return Err(ERROR_INVALID_FUNCTION);
        }
        let disk = world.disk_of(resource).ok_or(ERROR_FILE_NOT_FOUND)?;
        Ok(disk.describe(ValueList::default(), detail).end())
    })
}

/// The name by which clients find a resource: that of a network name that it is, or that stands in its group.
fn network_name(call: &Call<'_>, id: &str, property: &str) -> Answer<Vec<u8>> {
    call.read(|world, cluster| {
        let (group, resource) = cluster.resource(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        let mut names = std::iter::once(resource).chain(cluster.resources_of(group));
        let name = names
            .find(|other| is_network_name(&other.kind))
            .ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        let value = world.property(cluster, Found::Resource(name), Class::Private, property);
        let text = value.as_ref().and_then(Setting::as_text).unwrap_or_default();
        Ok(proplist::text(text))
    })
}

/// The place of the checkpoints in the cluster database.
fn checkpoint_path(id: &str, folder: &str) -> Vec<String> {
    vec!["resources".into(), id.into(), folder.to_lowercase()]
}

/// Adds or removes a checkpoint, a key that goes with the resource: 183 for one that is there, 2 for one that is not.
fn change_checkpoint(call: &Call<'_>, id: &str, folder: &str, add: bool) -> Answer<Option<Vec<u8>>> {
    const REG_SZ: u32 = 1;
    let key = call.text()?;
    if key.is_empty() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    call.change(|world| {
        let now_ms = world.now_ms;
        let cluster = world.cluster_mut(call.cluster).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        cluster.resources.get(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        let path = checkpoint_path(id, folder);
        let data = proplist::text(&key);
        let values = cluster.key_values(&path).unwrap_or_default();
        let existing = values.iter().find(|value| value.data == data);
        match (add, existing) {
            (true, Some(_)) => return Err(ERROR_ALREADY_EXISTS),
            (true, None) => {
                let free = |number: &u32| {
                    let name = format!("{number:08x}");
                    values.iter().all(|value| value.name != name)
                };
                let number = (1_u32..).find(free).unwrap_or(u32::MAX);
                cluster.make_key(&path[..2], folder, now_ms)?;
                let value = Value {
                    name: format!("{number:08x}"),
                    kind: REG_SZ,
                    data,
                };
                cluster.write_value(&path, value, now_ms)?;
            }
            (false, Some(value)) => cluster.delete_value(&path, &value.name, now_ms)?,
            (false, None) => return Err(ERROR_FILE_NOT_FOUND),
        }
        Ok(Some(Vec::new()))
    })
}

fn checkpoints(call: &Call<'_>, id: &str, folder: &str) -> Answer<Vec<u8>> {
    call.read(|_, cluster| {
        cluster.resources.get(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?;
        let values = cluster.key_values(&checkpoint_path(id, folder)).unwrap_or_default();
        let keys: Vec<String> = values.iter().map(|value| proplist::read_text(&value.data)).collect();
        Ok(proplist::multi(&keys))
    })
}

/// Whether a group could be deleted: not a core one.
pub(super) fn query_group(call: &Call<'_>, id: &str) -> Answer<Vec<u8>> {
    call.read(|_, cluster| {
        let group = cluster.group(id).ok_or(ERROR_GROUP_NOT_FOUND)?;
        if group.is_core() {
            Err(ERROR_CORE_RESOURCE)
        } else {
            Ok(Vec::new())
        }
    })
}

pub(super) fn of_type(call: &Call<'_>, name: &str) -> Answer<Option<Vec<u8>>> {
    const ARBITRATION_MS: u32 = 20_000;
    let check = |world: &World, cluster: &Cluster| -> Answer<()> {
        let kind = cluster
            .resource_type(name)
            .ok_or(ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND)?;
        let text = call.text();
        match (call.code, kind.name.as_str()) {
            (ctl::RESOURCE_TYPE_WITNESS_VALIDATE_PATH, "File Share Witness") => is_share(&text?),
            (ctl::RESOURCE_TYPE_NETNAME_VALIDATE_NETNAME, "Network Name") => is_free(world, &text?),
            // Guess: whoever names an account has its key.
            (ctl::CLOUD_WITNESS_RESOURCE_TYPE_VALIDATE_CREDENTIALS, "Cloud Witness") if !text?.is_empty() => Ok(()),
            _ => Err(ERROR_INVALID_PARAMETER),
        }
    };
    match call.code {
        ctl::RESOURCE_TYPE_STORAGE_GET_AVAILABLE_DISKS => available(call, name, Detail::Plain),
        ctl::RESOURCE_TYPE_STORAGE_GET_AVAILABLE_DISKS_EX => available(call, name, Detail::Ex),
        ctl::RESOURCE_TYPE_STORAGE_GET_AVAILABLE_DISKS_EX2_INT => available(call, name, Detail::Ex2),
        ctl::RESOURCE_TYPE_WITNESS_VALIDATE_PATH
        | ctl::RESOURCE_TYPE_NETNAME_VALIDATE_NETNAME
        | ctl::CLOUD_WITNESS_RESOURCE_TYPE_VALIDATE_CREDENTIALS => call.read(check).map(|()| Some(Vec::new())),
        ctl::RESOURCE_TYPE_GET_ARB_TIMEOUT => call.read(|_, cluster| {
            let kind = cluster
                .resource_type(name)
                .ok_or(ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND)?;
            if kind.characteristics() & resource_type::QUORUM != 0 {
                Ok(Some(ARBITRATION_MS.to_le_bytes().to_vec()))
            } else {
                Err(ERROR_INVALID_FUNCTION)
            }
        }),
        ctl::RESOURCE_TYPE_QUERY_DELETE => call.read(|_, cluster| {
            let kind = cluster
                .resource_type(name)
                .ok_or(ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND)?;
            let mut resources = cluster.resources.iter();
            if resources.any(|resource| resource.kind == kind.name) {
                Err(ERROR_DIR_NOT_EMPTY)
            } else {
                Ok(Some(Vec::new()))
            }
        }),
        ctl::RESOURCE_TYPE_GET_COMMON_RESOURCE_PROPERTY_FMTS => formats(call, name, Class::Common),
        ctl::RESOURCE_TYPE_GET_PRIVATE_RESOURCE_PROPERTY_FMTS => formats(call, name, Class::Private),
        _ => Ok(None),
    }
}

/// The formats that the properties of a new resource of a type would have.
fn formats(call: &Call<'_>, name: &str, class: Class) -> Answer<Option<Vec<u8>>> {
    call.read(|world, cluster| {
        let kind = cluster
            .resource_type(name)
            .ok_or(ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND)?;
        let resource = Resource::new(String::new(), String::new(), &kind.name);
        let list = world.properties(cluster, Found::Resource(&resource), class);
        Ok(Some(shared::formats(list)))
    })
}

fn available(call: &Call<'_>, name: &str, detail: Detail) -> Answer<Option<Vec<u8>>> {
    call.read(|world, cluster| {
        let kind = cluster
            .resource_type(name)
            .ok_or(ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND)?;
        if kind.name != PHYSICAL_DISK {
            return Err(ERROR_INVALID_FUNCTION);
        }
        let disks = world.available_disks(cluster).into_iter();
        let list = disks.fold(ValueList::default(), |list, disk| disk.describe(list, detail));
        Ok(Some(list.end()))
    })
}

/// A share is `\\server\share`; 53 for anything else (guess).
fn is_share(path: &str) -> Answer<()> {
    let mut parts = path.strip_prefix("\\\\").unwrap_or_default().split('\\');
    let named = |part: Option<&str>| part.is_some_and(|part| !part.is_empty());
    if named(parts.next()) && named(parts.next()) {
        Ok(())
    } else {
        Err(ERROR_BAD_NETPATH)
    }
}

/// 52 for a name that a machine, a cluster or an account has (guess).
fn is_free(world: &World, name: &str) -> Answer<()> {
    let is_address = name.parse::<IpAddr>().is_ok();
    if name.is_empty() || is_address {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let taken = world.machine(name).is_some()
        || world.directory.accounts.contains(&name.to_lowercase())
        || world
            .clusters
            .iter()
            .any(|cluster| cluster.name.eq_ignore_ascii_case(name));
    if taken { Err(ERROR_DUP_NAME) } else { Ok(()) }
}
