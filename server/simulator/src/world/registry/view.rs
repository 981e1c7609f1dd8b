//! The keys that show the objects of a cluster. Guess: a selection of the values that real ones have.

use wsfc_clusapi::sys::constants::registry_type;

use super::{Path, Value};
use crate::proplist;
use crate::world::cluster::Cluster;
use crate::world::properties::{Owner, Setting, Settings};

const PARAMETERS: &str = "Parameters";
/// The keys under the root that hold objects (facts 2.6).
const KINDS: [&str; 6] = [
    "Groups",
    "NetworkInterfaces",
    "Networks",
    "Nodes",
    "Resources",
    "ResourceTypes",
];

/// The value that a property is in the registry.
fn value(name: &str, setting: &Setting) -> Value {
    let kind = match setting {
        Setting::Text(_) => registry_type::SZ,
        Setting::Expand(_) => registry_type::EXPAND_SZ,
        Setting::Texts(_) => registry_type::MULTI_SZ,
        Setting::Dword(_) | Setting::Long(_) => registry_type::DWORD,
        Setting::Large(_) | Setting::SignedLarge(_) | Setting::FileTime(_) => registry_type::QWORD,
        Setting::Binary(_) | Setting::Security(_) | Setting::Word(_) => registry_type::BINARY,
    };
    Value {
        name: name.into(),
        kind,
        data: proplist::data_of(setting),
    }
}

/// The property that a registry value is. What does not fit its type is bytes.
pub(super) fn setting(kind: u32, data: &[u8]) -> Setting {
    let number = || data.try_into().map(u32::from_le_bytes).ok().map(Setting::Dword);
    let large = || data.try_into().map(u64::from_le_bytes).ok().map(Setting::Large);
    let read = match kind {
        registry_type::SZ => Some(Setting::Text(proplist::read_text(data))),
        registry_type::EXPAND_SZ => Some(Setting::Expand(proplist::read_text(data))),
        registry_type::MULTI_SZ => Some(Setting::Texts(proplist::read_multi(data))),
        registry_type::DWORD => number(),
        registry_type::QWORD => large(),
        _ => None,
    };
    read.unwrap_or_else(|| Setting::Binary(data.to_vec()))
}

fn text(name: &str, text: &str) -> Value {
    value(name, &Setting::Text(text.into()))
}

fn all(settings: &Settings) -> impl Iterator<Item = Value> {
    settings.iter().map(|(name, setting)| value(name, setting))
}

/// What lies at a path.
enum Place {
    Root,
    /// All objects of a kind.
    Kind(&'static str),
    Object(Owner),
    Parameters(Owner),
}

fn place(cluster: &Cluster, path: &[String]) -> Option<Place> {
    let [kind, rest @ ..] = path else {
        return Some(Place::Root);
    };
    let kind = KINDS.into_iter().find(|known| known.eq_ignore_ascii_case(kind))?;
    let [id, rest @ ..] = rest else {
        return Some(Place::Kind(kind));
    };
    let owner = match kind {
        "Groups" => Owner::Group(cluster.group(id)?.id.clone()),
        "Resources" => Owner::Resource(cluster.resource(id)?.1.id.clone()),
        "ResourceTypes" => Owner::ResourceType(cluster.resource_type(id)?.name.clone()),
        "Nodes" => Owner::Node(cluster.node(id.parse().ok()?)?.id),
        "Networks" => Owner::Network(cluster.network(id)?.id.clone()),
        _ => Owner::Interface(cluster.interface(id)?.1.id.clone()),
    };
    match rest {
        [] => Some(Place::Object(owner)),
        [last] if last.eq_ignore_ascii_case(PARAMETERS) => Some(Place::Parameters(owner)),
        _ => None,
    }
}

pub(super) fn has(cluster: &Cluster, path: &[String]) -> bool {
    place(cluster, path).is_some()
}

/// The object whose private properties a key shows.
pub(super) fn parameters_of(cluster: &Cluster, path: &[String]) -> Option<Owner> {
    match place(cluster, path)? {
        Place::Parameters(owner) => Some(owner),
        _ => None,
    }
}

pub(super) fn keys(cluster: &Cluster, path: &[String]) -> Option<Vec<String>> {
    Some(match place(cluster, path)? {
        Place::Root => KINDS.map(str::to_owned).into(),
        Place::Kind(kind) => match kind {
            "Groups" => cluster.groups.iter().map(|group| group.id.clone()).collect(),
            "Resources" => cluster.resources.iter().map(|resource| resource.id.clone()).collect(),
            "ResourceTypes" => cluster.resource_types.iter().map(|kind| kind.name.clone()).collect(),
            "Nodes" => cluster.nodes.iter().map(|node| node.id.to_string()).collect(),
            "Networks" => cluster.networks.iter().map(|network| network.id.clone()).collect(),
            _ => cluster
                .interfaces()
                .map(|(_, interface)| interface.id.clone())
                .collect(),
        },
        Place::Object(_) => vec![PARAMETERS.into()],
        Place::Parameters(_) => Vec::new(),
    })
}

pub(super) fn values(cluster: &Cluster, path: &[String]) -> Option<Vec<Value>> {
    Some(match place(cluster, path)? {
        Place::Root => [
            text("ClusterInstanceID", &cluster.id),
            text("ClusterName", &cluster.name),
        ]
        .into_iter()
        .chain(all(&cluster.settings))
        .collect(),
        Place::Kind(_) => Vec::new(),
        Place::Object(owner) => object(cluster, &owner)?,
        Place::Parameters(owner) => parameters(cluster, &owner).map(|settings| all(settings).collect())?,
    })
}

fn object(cluster: &Cluster, owner: &Owner) -> Option<Vec<Value>> {
    let (mut values, settings) = match owner {
        Owner::Group(id) => {
            let group = cluster.group(id)?;
            let resources = Setting::Texts(group.resources.clone());
            let kind = Setting::Dword(group.group_type);
            let own = vec![
                text("Name", &group.name),
                value("GroupType", &kind),
                value("Contains", &resources),
            ];
            (own, &group.settings)
        }
        Owner::Resource(id) => {
            let (_, resource) = cluster.resource(id)?;
            let own = vec![text("Name", &resource.name), text("Type", &resource.kind)];
            (own, &resource.settings)
        }
        Owner::ResourceType(name) => {
            let kind = cluster.resource_type(name)?;
            let own = vec![text("DllName", &kind.dll)];
            (own, &kind.settings)
        }
        Owner::Node(id) => {
            let node = cluster.node(*id)?;
            let own = vec![text("NodeName", &node.name), text("NodeInstanceID", &node.instance)];
            (own, &node.settings)
        }
        Owner::Network(id) => {
            let network = cluster.network(id)?;
            let own = vec![
                text("Name", &network.name),
                text("Address", &network.subnet.to_string()),
                text("AddressMask", &network.mask()),
            ];
            (own, &network.settings)
        }
        Owner::Interface(id) => {
            let (network, interface) = cluster.interface(id)?;
            let own = vec![
                text("Name", &interface.name),
                text("Network", &network.id),
                text("Node", &interface.node.to_string()),
            ];
            (own, &interface.settings)
        }
        Owner::Cluster | Owner::GroupSet(_) | Owner::Rule(_) => return None,
    };
    values.extend(all(settings));
    Some(values)
}

fn parameters<'cluster>(cluster: &'cluster Cluster, owner: &Owner) -> Option<&'cluster Settings> {
    Some(match owner {
        Owner::Group(id) => &cluster.group(id)?.private,
        Owner::Resource(id) => &cluster.resource(id)?.1.private,
        Owner::ResourceType(name) => &cluster.resource_type(name)?.private,
        Owner::Node(id) => &cluster.node(*id)?.private,
        Owner::Network(id) => &cluster.network(id)?.private,
        Owner::Interface(id) => &cluster.interface(id)?.1.private,
        Owner::Cluster | Owner::GroupSet(_) | Owner::Rule(_) => return None,
    })
}

/// The key of an object.
pub(crate) fn path_of(owner: &Owner) -> Path {
    let (kind, id) = match owner {
        Owner::Group(id) => ("groups", id.clone()),
        Owner::Resource(id) => ("resources", id.clone()),
        Owner::ResourceType(name) => ("resourcetypes", name.to_lowercase()),
        Owner::Node(id) => ("nodes", id.to_string()),
        Owner::Network(id) => ("networks", id.clone()),
        Owner::Interface(id) => ("networkinterfaces", id.clone()),
        Owner::Cluster | Owner::GroupSet(_) | Owner::Rule(_) => return Path::new(),
    };
    vec![kind.into(), id]
}
