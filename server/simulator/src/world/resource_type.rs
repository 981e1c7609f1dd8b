//! Resource types (facts 2.5 and 3.1).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wsfc_clusapi::sys::constants::{notify_cluster, notify_object, notify_resource_type};

use super::World;
use super::cluster::{Cluster, IP_ADDRESS, IPV6_ADDRESS};
use super::events::Event;
use super::properties::{Setting, Settings};
use crate::proplist::ValueList;
use crate::win32::{
    ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND, ERROR_DIR_NOT_EMPTY, ERROR_INVALID_PARAMETER, ERROR_OBJECT_ALREADY_EXISTS,
};

/// A resource type.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ResourceType {
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) dll: String,
    /// GET_CHARACTERISTICS of a type of somebody's own; those of the types that every cluster has are known.
    #[serde(default)]
    pub(crate) own_characteristics: u32,
    /// The nodes that support it; `None` is all of them.
    #[serde(default)]
    pub(crate) nodes: Option<BTreeSet<u32>>,
    pub(crate) settings: Settings,
    pub(crate) private: Settings,
}

/// What is known of a type that every cluster has.
struct Known {
    name: &'static str,
    dll: &'static str,
    class: Class,
    characteristics: u32,
    /// Each is one required provider.
    requires: &'static [Required],
}

/// Resource classes (facts 3.1).
#[derive(Clone, Copy)]
enum Class {
    Unknown,
    Disk,
    Network,
}

/// A provider that a resource must have.
#[derive(Clone, Copy)]
enum Required {
    /// One of this type.
    Type(&'static str),
    /// Any disk.
    Storage,
}

/// CHARACTERISTICS bits (facts 5.2).
pub(crate) const QUORUM: u32 = 1;
pub(crate) const DELETE_REQUIRES_ALL_NODES: u32 = 2;
pub(crate) const SINGLE_CLUSTER_INSTANCE: u32 = 0x40;
pub(crate) const SINGLE_GROUP_INSTANCE: u32 = 0x80;
const BROADCAST_DELETE: u32 = 0x20;
const PLACEMENT_DATA: u32 = 0x200;

const STORAGE_CLASS: u32 = 1;
const NETWORK_CLASS: u32 = 2;
const SHARED_DISK: u32 = 0x8000_0000 | 0x4000_0000;

/// The DLL of most types.
const CLUSRES: &str = "clusres.dll";
const NAME: Required = Required::Type("Network Name");
const ADDRESS: Required = Required::Type("IP Address");

const fn known(name: &'static str) -> Known {
    Known {
        name,
        dll: CLUSRES,
        class: Class::Unknown,
        characteristics: 0,
        requires: &[],
    }
}

/// The types that CreateCluster registers. Guess: the selection and the DLLs of the later ones.
const KNOWN: &[Known] = &[
    Known {
        class: Class::Network,
        ..known("IP Address")
    },
    Known {
        class: Class::Network,
        ..known("IPv6 Address")
    },
    Known {
        class: Class::Network,
        ..known("IPv6 Tunnel Address")
    },
    Known {
        class: Class::Network,
        requires: &[ADDRESS],
        characteristics: BROADCAST_DELETE,
        ..known("Network Name")
    },
    Known {
        characteristics: SINGLE_GROUP_INSTANCE,
        ..known("Distributed Network Name")
    },
    Known {
        class: Class::Disk,
        characteristics: QUORUM | DELETE_REQUIRES_ALL_NODES,
        ..known("Physical Disk")
    },
    Known {
        class: Class::Disk,
        ..known("Storage Pool")
    },
    Known {
        characteristics: QUORUM,
        dll: "clusres2.dll",
        ..known("File Share Witness")
    },
    Known {
        characteristics: QUORUM,
        dll: "clusres2.dll",
        ..known("Cloud Witness")
    },
    known("Generic Application"),
    known("Generic Service"),
    known("Generic Script"),
    Known {
        characteristics: SINGLE_GROUP_INSTANCE,
        requires: &[NAME],
        dll: "clusres2.dll",
        ..known("File Server")
    },
    Known {
        characteristics: SINGLE_GROUP_INSTANCE,
        dll: "clusres2.dll",
        ..known("Scale Out File Server")
    },
    Known {
        requires: &[Required::Storage, ADDRESS],
        dll: "clnetres.dll",
        ..known("DHCP Service")
    },
    Known {
        requires: &[Required::Storage, ADDRESS, NAME],
        dll: "clnetres.dll",
        ..known("WINS Service")
    },
    Known {
        requires: &[Required::Storage, NAME],
        dll: "mtxclu.dll",
        ..known("Distributed Transaction Coordinator")
    },
    Known {
        requires: &[Required::Storage, NAME],
        dll: "mqclus.dll",
        ..known("MSMQ")
    },
    Known {
        characteristics: PLACEMENT_DATA,
        dll: "vmclusres.dll",
        ..known("Virtual Machine")
    },
    Known {
        dll: "vmclusres.dll",
        ..known("Virtual Machine Configuration")
    },
    Known {
        characteristics: SINGLE_CLUSTER_INSTANCE,
        dll: "vmclusres.dll",
        ..known("Virtual Machine Replication Broker")
    },
    Known {
        characteristics: SINGLE_CLUSTER_INSTANCE,
        ..known("Task Scheduler")
    },
    known("Health Service"),
    known("Storage Replica"),
];

/// What is known of a type by its name.
fn known_type(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(name))
}

/// The names of the types that every cluster has.
pub(crate) fn known_names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|known| known.name)
}

/// GET_CLASS_INFO: class and subclass (facts 3.1).
pub(crate) fn class_info(name: &str) -> (u32, u32) {
    match known_type(name).map_or(Class::Unknown, |known| known.class) {
        Class::Unknown => (0, 0),
        Class::Disk => (STORAGE_CLASS, SHARED_DISK),
        Class::Network => (NETWORK_CLASS, 0),
    }
}

/// GET_REQUIRED_DEPENDENCIES: a value list of classes and type names.
pub(crate) fn required_dependencies(name: &str) -> Vec<u8> {
    let requires = known_type(name).map_or(&[][..], |known| known.requires);
    let list = ValueList::default();
    requires
        .iter()
        .fold(list, |list, required| match required {
            Required::Type(name) => list.text(name),
            Required::Storage => list.class(STORAGE_CLASS, SHARED_DISK),
        })
        .end()
}

/// True when the types of a resource's providers are all that its own type requires (facts 2.5). Guess: an IPv6 address
/// is an address too.
pub(crate) fn has_required(name: &str, providers: &[&str]) -> bool {
    let is_met = |required: &Required| {
        providers.iter().any(|provider| match required {
            Required::Type("IP Address") => matches!(*provider, IP_ADDRESS | IPV6_ADDRESS),
            Required::Type(kind) => provider.eq_ignore_ascii_case(kind),
            Required::Storage => class_info(provider).0 == STORAGE_CLASS,
        })
    };
    known_type(name).is_none_or(|known| known.requires.iter().all(is_met))
}

impl ResourceType {
    /// GET_CHARACTERISTICS.
    pub(crate) fn characteristics(&self) -> u32 {
        known_type(&self.name).map_or(self.own_characteristics, |known| known.characteristics)
    }

    /// True when a node supports it.
    pub(crate) fn is_supported(&self, node: u32) -> bool {
        self.nodes.as_ref().is_none_or(|nodes| nodes.contains(&node))
    }

    /// A type that all nodes support.
    fn new(name: &str, display_name: &str, dll: &str) -> Self {
        Self {
            name: name.into(),
            display_name: display_name.into(),
            dll: dll.into(),
            own_characteristics: 0,
            nodes: None,
            settings: Settings::new(),
            private: Settings::new(),
        }
    }
}

impl Cluster {
    /// The type of a name, case not regarded.
    pub(crate) fn resource_type(&self, name: &str) -> Option<&ResourceType> {
        self.resource_types
            .iter()
            .find(|kind| kind.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn resource_type_mut(&mut self, name: &str) -> Option<&mut ResourceType> {
        self.resource_types
            .iter_mut()
            .find(|kind| kind.name.eq_ignore_ascii_case(name))
    }

    /// The CHARACTERISTICS bits of a type; none for one that is not there.
    pub(crate) fn characteristics(&self, kind: &str) -> u32 {
        self.resource_type(kind).map_or(0, ResourceType::characteristics)
    }

    /// Registers the types that every cluster has.
    pub(crate) fn add_resource_types(&mut self) {
        self.resource_types = KNOWN
            .iter()
            .map(|known| ResourceType::new(known.name, known.name, known.dll))
            .collect();
    }
}

impl World {
    /// Registers a type. Guess: 5010 for a name that is taken, 87 without a name or DLL; the DLL itself is not looked
    /// for on the nodes.
    pub(crate) fn add_resource_type(
        &mut self,
        cluster_id: &str,
        name: &str,
        display_name: &str,
        dll: &str,
        (looks_alive, is_alive): (u32, u32),
    ) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        if name.is_empty() || dll.is_empty() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        if cluster.resource_type(name).is_some() {
            return Err(ERROR_OBJECT_ALREADY_EXISTS);
        }
        let intervals = [
            ("LooksAlivePollInterval", looks_alive),
            ("IsAlivePollInterval", is_alive),
        ];
        // 0 asks for the default.
        let settings = intervals.into_iter().filter(|(_, interval)| *interval != 0);
        let settings = settings.map(|(name, interval)| (name.to_owned(), Setting::Dword(interval)));
        let mut kind = ResourceType::new(name, display_name, dll);
        kind.settings.extend(settings);
        if let Some(cluster) = self.cluster_mut(cluster_id) {
            cluster.resource_types.push(kind);
        }
        let mut event = Event::of_cluster(cluster_id, notify_cluster::RESOURCE_TYPE_ADDED, name);
        name.clone_into(&mut event.object_id);
        self.events.push(event);
        Ok(())
    }

    /// Unregisters a type; 145 while resources of it exist (facts 2.5).
    pub(crate) fn remove_resource_type(&mut self, cluster_id: &str, name: &str) -> Result<(), u32> {
        let cluster = self.serving(cluster_id)?;
        let kind = cluster
            .resource_type(name)
            .ok_or(ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND)?;
        let is_used = |kind: &ResourceType| {
            let mut resources = cluster.resources.iter();
            resources.any(|resource| resource.kind.eq_ignore_ascii_case(&kind.name))
        };
        if is_used(kind) {
            return Err(ERROR_DIR_NOT_EMPTY);
        }
        let event = Event::new(
            cluster_id,
            notify_object::RESOURCE_TYPE,
            notify_resource_type::DELETED,
            &kind.name,
            &kind.name,
        );
        if let Some(cluster) = self.cluster_mut(cluster_id) {
            cluster
                .resource_types
                .retain(|kind| !kind.name.eq_ignore_ascii_case(name));
        }
        self.events.push(event);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_name_needs_an_address() {
        assert_eq!(class_info("physical disk"), (1, 0xC000_0000));
        for (providers, met) in [
            (&[][..], false),
            (&["Generic Script", "IPv6 Address"], true),
            (&["Physical Disk"], false),
        ] {
            assert_eq!(has_required("network name", providers), met);
        }
        let disk = ["Physical Disk", "Network Name"];
        assert!(has_required("MSMQ", &disk));
        assert!(!has_required("MSMQ", &disk[..1]));
        assert!(has_required("Somebody's Own", &[]));
        let mut expected = vec![3, 0, 1, 0, 22, 0, 0, 0];
        expected.extend("IP Address\0".encode_utf16().flat_map(u16::to_le_bytes));
        expected.extend([0, 0, 0, 0, 0, 0]);
        assert_eq!(required_dependencies("Network Name"), expected);
        assert_eq!(required_dependencies("Generic Script"), [0; 4]);
    }
}
