//! Reads that ask the cluster itself, since the inventory does not hold what they answer.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tonic::Status;
use wsfc_clusapi::proplist::{PropertyList, Value};
use wsfc_clusapi::sys::constants::registry_access;
use wsfc_clusapi::{Checkpoint, Cluster, Controlled as _, Error};
use wsfc_proto::v1;
use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{CheckpointKind, ObjectKind, PropertyClass};

use super::serve::Service;
use super::status;
use crate::inventory::property::time;
use crate::operation::properties::{open, optional, to_wire};
use crate::operation::validate::FieldViolation;
use crate::operation::{disks, security};

/// The page size of a key when none is asked for, and the largest one.
const PAGE: usize = 100;
const LARGEST_PAGE: usize = 1_000;
/// How many bytes of values a page holds before it takes no more: a client reads messages of 4 MiB.
const PAGE_BYTES: usize = 1 << 20;

/// Properties of an object, those that can be changed first.
pub async fn get_properties(
    service: &Service,
    request: v1::GetPropertiesRequest,
) -> Result<v1::GetPropertiesResponse, Status> {
    let v1::GetPropertiesRequest {
        cluster,
        kind: number,
        name,
        class,
        names,
    } = request;
    let kind = ObjectKind::try_from(number).unwrap_or_default();
    let mut faults = Vec::new();
    if kind == ObjectKind::Unspecified {
        faults.push(fault("kind", "is required"));
    }
    let whole = matches!(kind, ObjectKind::Cluster | ObjectKind::Quorum);
    if !whole && name.is_empty() {
        faults.push(fault("name", "is required"));
    }
    let Ok(class) = PropertyClass::try_from(class) else {
        return Err(status::invalid(&[fault("class", "is not known")]));
    };
    if !faults.is_empty() {
        return Err(status::invalid(&faults));
    }
    let private = class == PropertyClass::Private;
    let asked = name.clone();
    let (own, mut properties) = service
        .read_object(&cluster, kind, &name, move |cluster| {
            let object = open(cluster, kind, &asked)?;
            let object = object.controlled();
            let (changeable, read_only) = if private {
                (object.private_properties(), object.read_only_private_properties())
            } else {
                (object.common_properties(), object.read_only_properties())
            };
            let changeable = if private { optional(changeable)? } else { changeable? };
            let listed = |list: PropertyList, read_only| {
                list.properties
                    .into_iter()
                    .map(move |property| to_wire(&property, read_only))
            };
            let mut properties: Vec<_> = listed(changeable, false).collect();
            properties.extend(listed(optional(read_only)?, true));
            Ok((cluster.information()?.name, properties))
        })
        .await?;
    if !names.is_empty() {
        properties.retain(|property| names.iter().any(|name| name.eq_ignore_ascii_case(&property.name)));
    }
    Ok(v1::GetPropertiesResponse {
        properties,
        revision: service.engine.revision_of(&own, kind, &name),
    })
}

/// Whether the cluster would lose its quorum.
pub async fn check_quorum(
    service: &Service,
    request: v1::CheckQuorumRequest,
) -> Result<v1::CheckQuorumResponse, Status> {
    let v1::CheckQuorumRequest { cluster, node, evict } = request;
    let kind = if node.is_empty() {
        ObjectKind::Quorum
    } else {
        ObjectKind::Node
    };
    let asked = node.clone();
    let would_lose_quorum = service
        .read_object(&cluster, kind, &node, move |cluster| {
            if asked.is_empty() {
                return if evict {
                    cluster.would_lose_quorum_without_witness()
                } else {
                    cluster.would_lose_quorum_when_witness_down()
                };
            }
            let id = cluster.open_node(&asked)?.id()?;
            if evict {
                cluster.would_lose_quorum_without(&id)
            } else {
                cluster.would_lose_quorum_when_down(&id)
            }
        })
        .await?;
    Ok(v1::CheckQuorumResponse { would_lose_quorum })
}

/// Who may use a cluster.
pub async fn list_access(service: &Service, request: v1::ListAccessRequest) -> Result<v1::ListAccessResponse, Status> {
    let security_descriptor = service
        .read_cluster(&request.cluster, |cluster| security::of_cluster(&cluster))
        .await?;
    let entries = security::entries(&security_descriptor)
        .ok_or_else(|| status::internal("the security descriptor of the cluster cannot be read"))?;
    Ok(v1::ListAccessResponse {
        entries,
        security_descriptor,
    })
}

/// What is replicated for a resource.
pub async fn list_checkpoints(
    service: &Service,
    request: v1::ListCheckpointsRequest,
) -> Result<v1::ListCheckpointsResponse, Status> {
    let v1::ListCheckpointsRequest { cluster, resource } = request;
    if resource.is_empty() {
        return Err(status::invalid(&[fault("resource", "is required")]));
    }
    let asked = resource.clone();
    let checkpoints = service
        .read_object(&cluster, ObjectKind::Resource, &resource, move |cluster| {
            let resource = cluster.open_resource(&asked)?;
            let mut checkpoints = Vec::new();
            for (native, kind) in [
                (Checkpoint::Registry, CheckpointKind::Registry),
                (Checkpoint::Crypto, CheckpointKind::Crypto),
            ] {
                checkpoints.extend(
                    resource
                        .checkpoints(native)?
                        .into_iter()
                        .map(|key| v1::Checkpoint { kind: kind.into(), key }),
                );
            }
            Ok(checkpoints)
        })
        .await?;
    Ok(v1::ListCheckpointsResponse { checkpoints })
}

/// The disks that could become cluster disks.
pub async fn list_available_disks(
    service: &Service,
    request: v1::ListAvailableDisksRequest,
) -> Result<v1::ListAvailableDisksResponse, Status> {
    let disks = service
        .read_cluster(&request.cluster, |cluster| disks::available(&cluster))
        .await?;
    Ok(v1::ListAvailableDisksResponse { disks })
}

/// A page of a key of the cluster database: first the keys below it, then its values.
pub async fn read_registry_key(
    service: &Service,
    request: v1::ReadRegistryKeyRequest,
) -> Result<v1::ReadRegistryKeyResponse, Status> {
    let size = match usize::try_from(request.page_size) {
        Ok(0) => PAGE,
        Ok(size) => size.min(LARGEST_PAGE),
        Err(_negative) => return Err(status::invalid(&[fault("page_size", "must not be negative")])),
    };
    if request.key.contains('\0') {
        return Err(status::invalid(&[fault("key", "holds a NUL character")]));
    }
    let place = if request.page_token.is_empty() {
        Place::Keys(0)
    } else {
        Place::of(&request.page_token, &request.key).ok_or_else(status::page_token_invalid)?
    };
    let key = request.key.clone();
    service
        .read_cluster(&request.cluster, move |cluster| page(&cluster, &key, place, size))
        .await
}

/// Where a page begins: keys are told before values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Keys(u32),
    Values(u32),
}

impl Place {
    /// A token for a page of a key.
    fn token(self, key: &str) -> String {
        let (kind, index) = match self {
            Self::Keys(index) => ('k', index),
            Self::Values(index) => ('v', index),
        };
        URL_SAFE_NO_PAD.encode(format!("{kind}{index}:{}", key.to_lowercase()))
    }

    /// The place that a token of this key stands for.
    fn of(token: &str, key: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let (place, of_key) = text.split_once(':')?;
        let (kind, index) = place.split_at_checked(1)?;
        let index = index.parse().ok()?;
        let place = match kind {
            "k" => Self::Keys(index),
            "v" => Self::Values(index),
            _ => return None,
        };
        (of_key == key.to_lowercase()).then_some(place)
    }
}

fn page(cluster: &Cluster, key: &str, place: Place, size: usize) -> Result<v1::ReadRegistryKeyResponse, Error> {
    let root = cluster.root_key(registry_access::READ)?;
    let opened = if key.is_empty() {
        root
    } else {
        root.open(key, registry_access::READ)?
    };
    let mut answer = v1::ReadRegistryKeyResponse {
        // What an older server does not tell is left out.
        last_write_time: opened.info().ok().map(|info| time(info.last_write)),
        ..Default::default()
    };
    let counted = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let mut room = size;
    let mut from_value = 0;
    match place {
        Place::Keys(from) => {
            let keys = opened.key_names(from, room)?;
            room -= keys.len().min(room);
            let next = from.saturating_add(counted(keys.len()));
            answer.keys = keys.into_iter().map(|key| key.name).collect();
            if room == 0 {
                answer.next_page_token = Place::Keys(next).token(key);
                return Ok(answer);
            }
        }
        Place::Values(from) => from_value = from,
    }
    let mut bytes = 0;
    for named in opened.values(from_value, room)? {
        // A value that is larger than a page is a page of its own.
        if bytes > 0 && bytes + named.value.data.len() > PAGE_BYTES {
            break;
        }
        bytes += named.value.data.len().max(1);
        answer.values.push(v1::RegistryValue {
            name: named.name,
            r#type: named.value.kind.0,
            data: named.value.data,
        });
    }
    let next = from_value.saturating_add(counted(answer.values.len()));
    if !opened.values(next, 1)?.is_empty() {
        answer.next_page_token = Place::Values(next).token(key);
    }
    Ok(answer)
}

/// What the inventory does not keep of a group, and its resources.
pub async fn group_details(service: &Service, cluster: &str, group: &v1::Group) -> Result<v1::GroupDetails, Status> {
    let asked = group.id.clone();
    let (preferred_owners, provider_groups, provider_sets) = service
        .read_object(cluster, ObjectKind::Group, &group.name, move |cluster| {
            let group = cluster.open_group(&asked)?;
            // An older server has no such dependencies.
            let group_names = optional(group.provider_groups())?;
            let group_names = group_names.into_iter().map(|id| group_name(cluster, id)).collect();
            let set_names = set_names(cluster, optional(group.provider_sets())?)?;
            Ok((group.preferred_owners()?, group_names, set_names))
        })
        .await?;
    let inventory = service.engine.journal().inventory();
    let mut resources = Vec::new();
    if let Some(id) = inventory.cluster_named(cluster) {
        for object in inventory.iter(id, ObjectKind::Resource) {
            if let Some(Object::Resource(resource)) = &object.object
                && resource.group_id == group.id
            {
                resources.push(resource.clone());
            }
        }
    }
    resources.sort_unstable_by_key(|resource| resource.name.to_lowercase());
    Ok(v1::GroupDetails {
        preferred_owners,
        resources,
        provider_groups,
        provider_sets,
    })
}

/// The name of a group that is told by its id; the id when nobody knows it.
fn group_name(cluster: &Cluster, id: String) -> String {
    let named = cluster.open_group(&id).and_then(|group| group.told_name());
    named.unwrap_or(id)
}

/// The names of group sets that are told by their ids.
fn set_names(cluster: &Cluster, mut ids: Vec<String>) -> Result<Vec<String>, Error> {
    if ids.is_empty() {
        return Ok(ids);
    }
    for name in cluster.group_sets()? {
        let own = cluster.open_group_set(&name).and_then(|set| set.told_id());
        let Ok(own) = own else { continue };
        for id in ids.iter_mut().filter(|id| id.eq_ignore_ascii_case(&own)) {
            id.clone_from(&name);
        }
    }
    Ok(ids)
}

/// What the inventory does not keep of a resource.
pub async fn resource_details(
    service: &Service,
    cluster: &str,
    resource: &v1::Resource,
) -> Result<v1::ResourceDetails, Status> {
    let asked = resource.id.clone();
    service
        .read_object(cluster, ObjectKind::Resource, &resource.name, move |cluster| {
            let resource = cluster.open_resource(&asked)?;
            let by_name = |mut names: Vec<String>| {
                names.sort_unstable_by_key(|name| name.to_lowercase());
                names
            };
            Ok(v1::ResourceDetails {
                dependency_expression: resource.dependency_expression()?,
                dependencies: by_name(resource.dependencies()?),
                dependents: by_name(resource.dependents()?),
                possible_owners: by_name(resource.possible_owners()?),
                // A resource need not answer these.
                characteristics: resource.characteristics().unwrap_or_default(),
                flags: resource.flags().unwrap_or_default(),
                network_name: resource.network_name().unwrap_or_default(),
            })
        })
        .await
}

/// What the inventory does not keep of a resource type.
pub async fn resource_type_details(
    service: &Service,
    cluster: &str,
    resource_type: &v1::ResourceType,
) -> Result<v1::ResourceTypeDetails, Status> {
    let asked = resource_type.name.clone();
    service
        .read_object(cluster, ObjectKind::ResourceType, &resource_type.name, move |cluster| {
            let kind = cluster.resource_type(&asked)?;
            let mut possible_owners = kind.possible_owners()?;
            possible_owners.sort_unstable_by_key(|name| name.to_lowercase());
            // A type whose DLL is missing on the node that answers tells neither.
            let class = kind.class_info().ok();
            Ok(v1::ResourceTypeDetails {
                possible_owners,
                characteristics: kind.characteristics().unwrap_or_default(),
                resource_class: class.map_or(0, |class| class.class),
                resource_subclass: class.map_or(0, |class| class.subclass),
                required_dependencies: kind
                    .required_dependencies()
                    .unwrap_or_default()
                    .iter()
                    .filter_map(required)
                    .collect(),
            })
        })
        .await
}

/// A required dependency: a type by its name, or a class by its number (facts 3.1).
fn required(value: &Value) -> Option<String> {
    const RESOURCE_CLASS: u32 = 2;
    match value {
        Value::Sz(name) => Some(name.clone()),
        Value::Unknown { syntax, bytes } if syntax >> 16 == RESOURCE_CLASS => {
            let class = bytes.first_chunk().map(|class| u32::from_le_bytes(*class))?;
            Some(format!("class {class}"))
        }
        _ => None,
    }
}

fn fault(field: &str, description: &str) -> FieldViolation {
    FieldViolation {
        field: field.into(),
        description: description.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_token_is_of_its_key() {
        for place in [Place::Keys(0), Place::Values(7), Place::Keys(u32::MAX)] {
            let token = place.token("Groups\\x:y");
            assert_eq!(Place::of(&token, "groups\\X:y"), Some(place));
            assert_eq!(Place::of(&token, "Groups"), None);
        }
        for damaged in ["", "a", "azE6", "!"] {
            assert_eq!(Place::of(damaged, "x"), None);
        }
    }

    #[test]
    fn required_dependencies_are_types_and_classes() {
        let class = Value::Unknown {
            syntax: 0x0002_0002,
            bytes: vec![1, 0, 0, 0, 0, 0, 0, 0],
        };
        assert_eq!(required(&class).as_deref(), Some("class 1"));
        assert_eq!(required(&Value::Sz("IP Address".into())).as_deref(), Some("IP Address"));
        assert_eq!(required(&Value::Dword(1)), None);
    }
}
