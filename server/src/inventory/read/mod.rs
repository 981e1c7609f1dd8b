//! Reads a cluster, or a part of it, into objects of the inventory. Blocking.
//!
//! Groups and resources come with their state and properties in one enumeration each; what there are few of is read one
//! by one. What vanishes while it is read is left out. A read fails only when the connection does: whatever else a
//! cluster refuses leaves a field at its default, with one warning for each question and code.

mod groups;
mod networks;
mod nodes;
mod quorum;
mod resources;
mod sets;
mod volumes;

use std::collections::BTreeSet;

use wsfc_clusapi::proplist::PropertyList;
use wsfc_clusapi::{Cluster, Controlled, Error};
use wsfc_proto::v1::inventory_object::Object;
use wsfc_proto::v1::{self, InventoryObject, ObjectKind};

use super::fields::set_properties;
use super::model::Model;
use super::object::{Key, key};
use super::reread::Source;
use crate::journal::{Common, caseless};
use crate::logging::chain;

/// Reads one cluster.
#[derive(Debug)]
pub struct Reader {
    cluster: Cluster,
    /// The id of the cluster, which each of its objects carries.
    id: String,
    /// What was warned of already: the question, and what it was answered.
    warned: BTreeSet<(&'static str, String)>,
}

/// The kinds in an order in which each finds what it refers to.
const ORDER: [ObjectKind; 11] = [
    ObjectKind::Cluster,
    ObjectKind::Node,
    ObjectKind::Network,
    ObjectKind::NetworkInterface,
    ObjectKind::ResourceType,
    ObjectKind::Group,
    ObjectKind::Resource,
    ObjectKind::GroupSet,
    ObjectKind::AffinityRule,
    ObjectKind::SharedVolume,
    ObjectKind::Quorum,
];

impl Reader {
    /// Reads through an open cluster.
    pub fn new(cluster: Cluster, id: String) -> Self {
        Self {
            cluster,
            id,
            warned: BTreeSet::new(),
        }
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The cluster itself. Whether changes arrive is not for the cluster to tell.
    fn state(&mut self) -> Result<InventoryObject, Error> {
        let information = self.cluster.information()?;
        let (major, minor, build) = information.windows;
        let mut object = self.wrap(Object::Cluster(v1::ClusterState {
            name: information.name,
            id: self.id.clone(),
            mixed_versions: information.mixed_versions,
            server_version: format!("{major}.{minor}.{build}"),
            // Guess: a cluster that answers has its quorum; one without stops.
            has_quorum: true,
            ..v1::ClusterState::default()
        }));
        let lists = self.properties_of_cluster()?;
        for list in lists {
            set_properties(&mut object, &list);
        }
        Ok(object)
    }

    fn properties_of_cluster(&mut self) -> Result<[PropertyList; 2], Error> {
        let (common, read_only) = (self.cluster.common_properties(), self.cluster.read_only_properties());
        Ok([
            self.optional("properties of the cluster", common)?.unwrap_or_default(),
            self.optional("read-only properties of the cluster", read_only)?
                .unwrap_or_default(),
        ])
    }

    fn wrap(&self, object: Object) -> InventoryObject {
        InventoryObject {
            cluster_id: self.id.clone(),
            object: Some(object),
        }
    }

    /// Sets the fields that common properties tell, as far as they can be had.
    fn fill(
        &mut self,
        object: &mut InventoryObject,
        what: &'static str,
        source: &impl Controlled,
    ) -> Result<(), Error> {
        let lists = [source.common_properties(), source.read_only_properties()];
        for list in lists {
            if let Some(list) = self.optional(what, list)? {
                set_properties(object, &list);
            }
        }
        Ok(())
    }

    /// What was read, or nothing where it cannot be had.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    fn optional<T>(&mut self, what: &'static str, read: Result<T, Error>) -> Result<Option<T>, Error> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) if is_lost(&error) => Err(error),
            Err(error) if is_gone(&error) => Ok(None),
            // An older Windows has not what the function is about, or tells it in another way, which is taken then.
            Err(error @ Error::Unsupported { .. }) => {
                tracing::debug!(what, %error, "A part of the inventory is not read in this way");
                Ok(None)
            }
            Err(error) => {
                let text = chain(&error);
                if self.warned.insert((what, text.clone())) {
                    tracing::warn!(what, error = text, "A part of the inventory cannot be read");
                }
                Ok(None)
            }
        }
    }
}

impl Source for Reader {
    type Error = Error;

    fn whole(&mut self) -> Result<Model, Error> {
        let mut model = Model::default();
        for kind in ORDER {
            for object in self.kind(&model, kind)? {
                model.put(object);
            }
        }
        Ok(model)
    }

    fn kind(&mut self, known: &Model, kind: ObjectKind) -> Result<Vec<InventoryObject>, Error> {
        let mut objects = match kind {
            ObjectKind::Cluster => vec![self.state()?],
            ObjectKind::Node => self.nodes(known)?,
            ObjectKind::Group => self.groups()?,
            ObjectKind::Resource => self.resources(known)?,
            ObjectKind::ResourceType => self.resource_types()?,
            ObjectKind::Network => self.networks()?,
            ObjectKind::NetworkInterface => self.interfaces(known)?,
            ObjectKind::GroupSet => self.group_sets(known)?,
            ObjectKind::AffinityRule => self.affinity_rules()?,
            ObjectKind::SharedVolume => self.shared_volumes(known)?,
            ObjectKind::Quorum => self.quorum(known)?.into_iter().collect(),
            ObjectKind::Unspecified => Vec::new(),
        };
        // What has neither id nor name could never be found again.
        objects.retain(|object| {
            Common::of(object).is_some_and(|common| {
                common.kind == ObjectKind::Quorum || !(common.id.is_empty() && common.name.is_empty())
            })
        });
        Ok(objects)
    }

    fn object(
        &mut self,
        known: &Model,
        kind: ObjectKind,
        id: &str,
        name: &str,
    ) -> Result<Option<InventoryObject>, Error> {
        match kind {
            ObjectKind::Node => self.node(known, id, name),
            ObjectKind::Group => self.group(id, name),
            ObjectKind::Resource => self.resource(known, id, name),
            ObjectKind::NetworkInterface => self.interface(known, id, name),
            // The others are read by their kind.
            _ => {
                let by_id = Key::new(kind, id);
                let is_it = |object: &InventoryObject| match id {
                    "" => Common::of(object).is_some_and(|common| caseless(common.name) == caseless(name)),
                    _ => key(object).as_ref() == Some(&by_id),
                };
                Ok(self.kind(known, kind)?.into_iter().find(is_it))
            }
        }
    }

    fn members(&mut self, known: &Model, group: &str) -> Result<Vec<InventoryObject>, Error> {
        self.resources_of(known, group)
    }
}

/// Whether a call failed because the connection did (facts 4.4), and not because of what it asked.
pub fn is_lost(error: &Error) -> bool {
    error.code().is_some_and(|code| {
        matches!(
            code.0,
            6 | 1115 | 1255 | 1702 | 1717 | 1722 | 1723 | 1726 | 1727 | 1747 | 1753 | 5072 | 5073
        )
    })
}

/// Whether a call failed because its object is gone or about to go (facts 2.1).
fn is_gone(error: &Error) -> bool {
    error.code().is_some_and(|code| {
        matches!(
            code.0,
            303 | 5006 | 5007 | 5012 | 5013 | 5042 | 5045 | 5047 | 5078 | 5992
        )
    })
}

/// The id where there is one, else the name: both open an object (facts 2.1).
fn id_or_name<'a>(id: &'a str, name: &'a str) -> &'a str {
    if id.is_empty() { name } else { id }
}

/// What was told, unless it is nothing.
fn told_or(told: Option<String>, known: &str) -> String {
    told.filter(|told| !told.is_empty()).unwrap_or_else(|| known.to_owned())
}
