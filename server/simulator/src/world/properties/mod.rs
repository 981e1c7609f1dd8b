//! Properties (facts 3.3): what they are now, and which of them may be set.
//!
//! Each kind of object has a table of its well-known properties. What may be set lives in the settings of the object,
//! and the tables give the defaults; what is read-only is derived from the world in `live`.

mod cluster;
pub(crate) mod definition;
mod from_scenario;
mod group;
mod live;
mod network;
mod resource;
mod set;

use std::borrow::Cow;

pub(crate) use cluster::SECURITY_DESCRIPTOR;
pub(crate) use definition::{Definition, Property, Setting, Settings};
pub(crate) use from_scenario::{Kind, setting_of, settings_of};

use super::World;
use super::affinity::AffinityRule;
use super::cluster::{Cluster, Group, Resource};
use super::group_set::GroupSet;
use super::network::{ClusterNetwork, Interface};
use super::node::Node;
use super::resource_type::ResourceType;
use crate::win32::{
    ERROR_CLUSTER_NETINTERFACE_NOT_FOUND, ERROR_CLUSTER_NETWORK_NOT_FOUND, ERROR_CLUSTER_NODE_NOT_FOUND,
    ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND, ERROR_GROUP_NOT_FOUND, ERROR_RESOURCE_NOT_FOUND,
};

/// What a property list belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    Cluster,
    Node(u32),
    Group(String),
    Resource(String),
    /// By name.
    ResourceType(String),
    Network(String),
    Interface(String),
    GroupSet(String),
    /// By name.
    Rule(String),
}

/// The four lists of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Common,
    ReadOnlyCommon,
    Private,
    ReadOnlyPrivate,
}

/// An object of the world as it is now.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found<'world> {
    Cluster(&'world Cluster),
    Node(&'world Node),
    Group(&'world Group),
    Resource(&'world Resource),
    ResourceType(&'world ResourceType),
    Network(&'world ClusterNetwork),
    Interface(&'world ClusterNetwork, &'world Interface),
    GroupSet(&'world GroupSet),
    Rule(&'world AffinityRule),
}

impl<'world> Found<'world> {
    /// The object that an owner means, or the code that says that there is none (facts 2.1).
    pub(crate) fn of(cluster: &'world Cluster, owner: &Owner) -> Result<Self, u32> {
        Ok(match owner {
            Owner::Cluster => Self::Cluster(cluster),
            Owner::Node(id) => Self::Node(cluster.node(*id).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)?),
            Owner::Group(id) => Self::Group(cluster.group(id).ok_or(ERROR_GROUP_NOT_FOUND)?),
            Owner::Resource(id) => Self::Resource(cluster.resources.get(id).ok_or(ERROR_RESOURCE_NOT_FOUND)?),
            Owner::ResourceType(name) => Self::ResourceType(
                cluster
                    .resource_type(name)
                    .ok_or(ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND)?,
            ),
            Owner::Network(id) => Self::Network(cluster.network(id).ok_or(ERROR_CLUSTER_NETWORK_NOT_FOUND)?),
            Owner::Interface(id) => {
                let (network, interface) = cluster.interface(id).ok_or(ERROR_CLUSTER_NETINTERFACE_NOT_FOUND)?;
                Self::Interface(network, interface)
            }
            Owner::GroupSet(id) => Self::GroupSet(cluster.group_set(id)?),
            Owner::Rule(name) => Self::Rule(cluster.rule(name)?),
        })
    }

    /// The well-known properties of a class.
    pub(crate) fn definitions(self, class: Class) -> &'static [Definition] {
        match (self, class) {
            (Self::Cluster(_), Class::Common) => cluster::CLUSTER,
            (Self::Cluster(_), Class::ReadOnlyCommon) => cluster::CLUSTER_RO,
            (Self::Node(_), Class::Common) => cluster::NODE,
            (Self::Node(_), Class::ReadOnlyCommon) => cluster::NODE_RO,
            (Self::Group(_), Class::Common) => group::GROUP,
            (Self::Group(_), Class::ReadOnlyCommon) => group::GROUP_RO,
            (Self::Resource(_), Class::Common) => resource::RESOURCE,
            (Self::Resource(_), Class::ReadOnlyCommon) => resource::RESOURCE_RO,
            (Self::Resource(resource), Class::Private) => resource::private(&resource.kind),
            (Self::Resource(resource), Class::ReadOnlyPrivate) => resource::private_ro(&resource.kind),
            (Self::ResourceType(_), Class::Common) => resource::RESOURCE_TYPE,
            (Self::ResourceType(_), Class::ReadOnlyCommon) => resource::RESOURCE_TYPE_RO,
            (Self::Network(_), Class::Common) => network::NETWORK,
            (Self::Network(_), Class::ReadOnlyCommon) => network::NETWORK_RO,
            (Self::Interface(..), Class::Common) => network::INTERFACE,
            (Self::Interface(..), Class::ReadOnlyCommon) => network::INTERFACE_RO,
            (Self::GroupSet(_), Class::Common) => group::GROUP_SET,
            (Self::GroupSet(_), Class::ReadOnlyCommon) => group::GROUP_SET_RO,
            (Self::Rule(_), Class::Common) => group::RULE,
            (Self::Rule(_), Class::ReadOnlyCommon) => group::RULE_RO,
            (_, Class::Private | Class::ReadOnlyPrivate) => &[],
        }
    }

    /// Where the values of a class live; `None` where there are only derived ones.
    fn settings(self, class: Class) -> Option<&'world Settings> {
        let (common, private) = match self {
            Self::Cluster(cluster) => (&cluster.settings, &cluster.private),
            Self::Node(node) => (&node.settings, &node.private),
            Self::Group(group) => (&group.settings, &group.private),
            Self::Resource(resource) => (&resource.settings, &resource.private),
            Self::ResourceType(kind) => (&kind.settings, &kind.private),
            Self::Network(network) => (&network.settings, &network.private),
            Self::Interface(_, interface) => (&interface.settings, &interface.private),
            Self::GroupSet(set) => (&set.settings, &set.private),
            Self::Rule(rule) => (&rule.settings, &rule.private),
        };
        match class {
            Class::Common => Some(common),
            Class::Private => Some(private),
            Class::ReadOnlyCommon | Class::ReadOnlyPrivate => None,
        }
    }
}

impl World {
    /// The value of a well-known property: derived, set, or its default.
    fn value(&self, cluster: &Cluster, found: Found<'_>, class: Class, definition: &Definition) -> Setting {
        if let Some(value) = self.live(cluster, found, class, definition.name) {
            return value;
        }
        match found.settings(class) {
            Some(settings) => definition.of(settings),
            None => definition.default(),
        }
    }

    /// All properties of a class: the well-known ones by their table, then the custom ones.
    pub(crate) fn properties(&self, cluster: &Cluster, found: Found<'_>, class: Class) -> Vec<Property> {
        let known = found.definitions(class);
        let mut list: Vec<Property> = known
            .iter()
            .map(|definition| {
                (
                    Cow::Borrowed(definition.name),
                    self.value(cluster, found, class, definition),
                )
            })
            .collect();
        let own = found.settings(class).into_iter().flatten();
        list.extend(
            own.filter(|(name, _)| !known.iter().any(|definition| definition.is(name)))
                .map(|(name, value)| (Cow::Owned(name.clone()), value.clone())),
        );
        list
    }

    /// Those properties of a class that are wanted, in the order of the table. Nothing else is looked at, so that an
    /// enumeration of many objects stays cheap.
    pub(crate) fn chosen(
        &self,
        cluster: &Cluster,
        found: Found<'_>,
        class: Class,
        wanted: &[&'static Definition],
    ) -> Vec<Property> {
        wanted
            .iter()
            .map(|definition| {
                (
                    Cow::Borrowed(definition.name),
                    self.value(cluster, found, class, definition),
                )
            })
            .collect()
    }

    /// The value of one property of an object that may be set, for the rules of the world.
    #[must_use]
    pub(crate) fn property(&self, cluster: &Cluster, found: Found<'_>, class: Class, name: &str) -> Option<Setting> {
        let definition = found.definitions(class).iter().find(|definition| definition.is(name))?;
        Some(self.value(cluster, found, class, definition))
    }
}

impl Setting {
    /// The number of a DWORD.
    pub(crate) fn number(&self) -> Option<u32> {
        match self {
            Self::Dword(number) => Some(*number),
            _ => None,
        }
    }

    /// The text of a string.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Expand(text) => Some(text),
            _ => None,
        }
    }
}
