//! Clusters that exist from the beginning: what is in them, one by one or many alike.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Properties by name.
pub type Properties = BTreeMap<String, PropertyValue>;

/// The value of a property. What format it takes is known from the property; where it is a custom one, from the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PropertyValue {
    /// A truth value: 0 or 1.
    Flag(bool),
    /// A number.
    Number(u64),
    /// A string.
    Text(String),
    /// Strings.
    Texts(Vec<String>),
}

/// A disk that machines share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Its name, which its resource gets too.
    pub name: String,
    /// Its size. Default 100.
    #[serde(default = "Disk::default_size")]
    pub size_gb: u64,
    /// The machines that it is connected to. Default: all.
    #[serde(default)]
    pub machines: Option<Vec<String>>,
    /// It can be a cluster shared volume. Default true.
    #[serde(default = "super::yes")]
    pub shared_volumes: bool,
}

impl Disk {
    fn default_size() -> u64 {
        100
    }
}

/// A cluster that exists from the beginning, all its nodes Up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExistingCluster {
    /// Its name.
    pub name: String,
    /// Its nodes, by machine name.
    pub nodes: Vec<String>,
    /// Its functional level. Default: the highest that its nodes share.
    #[serde(default)]
    pub functional_level: Option<u32>,
    /// Its addresses. Default: none, and then it has no management point.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// Common properties that differ from their defaults.
    #[serde(default)]
    pub properties: Properties,
    /// Common properties of nodes, by machine name.
    #[serde(default)]
    pub node_properties: BTreeMap<String, Properties>,
    /// What the cluster makes of the networks of the world.
    #[serde(default)]
    pub networks: Vec<ExistingNetwork>,
    /// The witness. Default: none.
    #[serde(default)]
    pub witness: Option<Witness>,
    /// Disks in Available Storage, by name.
    #[serde(default)]
    pub disks: Vec<String>,
    /// Disks that are cluster shared volumes, by name.
    #[serde(default)]
    pub shared_volumes: Vec<String>,
    /// Resource types beside those that every cluster has.
    #[serde(default)]
    pub resource_types: Vec<ExistingType>,
    /// Groups beside the core ones; while there is any, the cluster cannot be destroyed (5937).
    #[serde(default)]
    pub groups: Vec<ExistingGroup>,
    /// Many groups alike, made after the others.
    #[serde(default)]
    pub generate: Vec<Generate>,
    /// Group sets.
    #[serde(default)]
    pub sets: Vec<ExistingSet>,
    /// Affinity rules.
    #[serde(default)]
    pub rules: Vec<ExistingRule>,
}

/// What a cluster makes of a network of the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExistingNetwork {
    /// The name of the network.
    pub network: String,
    /// The name that the cluster gives it. Default: the same.
    #[serde(default)]
    pub name: Option<String>,
    /// Common properties, such as Role: 0 none, 1 cluster only, 3 cluster and clients.
    #[serde(default)]
    pub properties: Properties,
}

/// A witness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum Witness {
    /// A disk, by name.
    Disk(String),
    /// A file share, by its path.
    Share(String),
    /// A storage account in Azure, by its name.
    Cloud(String),
}

/// A resource type of somebody's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExistingType {
    /// Its name.
    pub name: String,
    /// Its DLL.
    pub dll: String,
    /// Its characteristics (facts 5.2): 2 deleting needs all nodes, 0x40 one resource in the cluster, 0x80 one in a group.
    /// Default 0.
    #[serde(default)]
    pub characteristics: u32,
    /// The nodes that support it. Default: all.
    #[serde(default)]
    pub nodes: Option<Vec<String>>,
}

/// A group of a cluster that exists from the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExistingGroup {
    /// Its name.
    pub name: String,
    /// Its group type number (facts 2.2). Default 9999, unknown.
    #[serde(default = "ExistingGroup::default_type")]
    pub group_type: u32,
    /// Its resources are online. Without any resources listed: it has an online one, and so is Online itself; otherwise
    /// it is empty and Offline. Default true.
    #[serde(default = "super::yes")]
    pub online: bool,
    /// The node that owns it. Default: the first preferred owner, or the first node.
    #[serde(default)]
    pub owner: Option<String>,
    /// Its preferred owners, the best first.
    #[serde(default)]
    pub preferred_owners: Vec<String>,
    /// Common properties that differ from their defaults.
    #[serde(default)]
    pub properties: Properties,
    /// Its resources.
    #[serde(default)]
    pub resources: Vec<ExistingResource>,
}

impl Default for ExistingGroup {
    fn default() -> Self {
        Self {
            name: String::new(),
            group_type: Self::default_type(),
            online: true,
            owner: None,
            preferred_owners: Vec::new(),
            properties: Properties::new(),
            resources: Vec::new(),
        }
    }
}

impl ExistingGroup {
    fn default_type() -> u32 {
        9999
    }

    /// An online group of which nothing but its name is known.
    pub(crate) fn unknown(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}

/// A resource of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExistingResource {
    /// Its name.
    pub name: String,
    /// Its type, one that the cluster has.
    #[serde(rename = "type")]
    pub kind: String,
    /// It is online. Default: as the group is.
    #[serde(default)]
    pub online: Option<bool>,
    /// What it depends on, by the names of earlier resources of the group, for example `[Address] and [Disk]`.
    #[serde(default)]
    pub depends: Option<String>,
    /// The disk that it is, by name; for the type "Physical Disk".
    #[serde(default)]
    pub disk: Option<String>,
    /// The nodes that can run it. Default: all.
    #[serde(default)]
    pub possible_owners: Option<Vec<String>>,
    /// Common properties that differ from their defaults.
    #[serde(default)]
    pub properties: Properties,
    /// Private properties.
    #[serde(default)]
    pub private: Properties,
}

/// Many groups alike. Each resource depends on the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generate {
    /// How many groups.
    pub groups: u32,
    /// Their names; `{n}` stands for the number of the group, from 1.
    pub name: String,
    /// How many resources each has. Default 1.
    #[serde(default = "Generate::one")]
    pub resources_per_group: u32,
    /// The types of the resources, in turn. Default: generic applications.
    #[serde(default = "Generate::default_types")]
    pub resource_types: Vec<String>,
    /// Their group type number. Default 107, generic application.
    #[serde(default = "Generate::default_type")]
    pub group_type: u32,
    /// They are online. Default true.
    #[serde(default = "super::yes")]
    pub online: bool,
    /// How many preferred owners each has: its owner, and the nodes after it. Owners go round the nodes. Default 0.
    #[serde(default)]
    pub preferred_owners: usize,
    /// Common properties of the groups that differ from their defaults.
    #[serde(default)]
    pub properties: Properties,
}

impl Generate {
    fn one() -> u32 {
        1
    }

    fn default_types() -> Vec<String> {
        vec!["Generic Application".into()]
    }

    fn default_type() -> u32 {
        107
    }

    /// The name of the group of a number.
    pub(crate) fn name_of(&self, number: u32) -> String {
        self.name.replace("{n}", &number.to_string())
    }

    /// Name and type of each resource of a group.
    pub(crate) fn resources_of(&self, group: &str) -> impl Iterator<Item = (String, &str)> {
        let types = self.resource_types.iter().map(String::as_str).cycle();
        (1..=self.resources_per_group)
            .zip(types)
            .map(move |(number, kind)| (format!("{group} {kind} {number}"), kind))
    }
}

/// A group set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExistingSet {
    /// Its name.
    pub name: String,
    /// Its groups, by name.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The sets that it waits for, by the names of earlier sets.
    #[serde(default)]
    pub depends: Vec<String>,
    /// Common properties that differ from their defaults.
    #[serde(default)]
    pub properties: Properties,
}

/// An affinity rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExistingRule {
    /// Its name.
    pub name: String,
    /// What it says of its groups.
    #[serde(rename = "type")]
    pub kind: RuleType,
    /// Its groups, by name.
    #[serde(default)]
    pub groups: Vec<String>,
    /// It is in force. Default true.
    #[serde(default = "super::yes")]
    pub enabled: bool,
}

/// What an affinity rule says of its groups (facts 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleType {
    /// Nothing.
    None,
    /// They run in the same fault domain.
    SameFaultDomain,
    /// They run on the same node.
    SameNode,
    /// They run in different fault domains.
    DifferentFaultDomain,
    /// They run on different nodes.
    DifferentNode,
}

impl RuleType {
    /// The native number.
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::None => 0,
            Self::SameFaultDomain => 1,
            Self::SameNode => 2,
            Self::DifferentFaultDomain => 3,
            Self::DifferentNode => 4,
        }
    }
}
