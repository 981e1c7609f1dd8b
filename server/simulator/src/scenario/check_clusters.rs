//! What a scenario may say of the contents of a cluster.

use std::collections::{BTreeSet, HashSet};

use super::Scenario;
use super::check::{ScenarioError, invalid};
use super::clusters::{ExistingCluster, ExistingGroup, Generate, Properties, Witness};
use crate::world::properties::{Kind, setting_of};
use crate::world::resource::dependency::Expression;
use crate::world::resource_type;

/// The most groups and resources that a scenario may have generated: enough for any real cluster, and few enough for
/// memory.
const MOST_GENERATED: u64 = 1_000_000;

/// The names that are taken, without case.
#[derive(Default)]
struct Names(HashSet<String>);

impl Names {
    fn take(&mut self, path: &str, name: &str) -> Result<(), ScenarioError> {
        if name.is_empty() || !self.0.insert(name.to_lowercase()) {
            return Err(invalid(
                format!("{path}.name"),
                format!("{name:?} is not a name of its own"),
            ));
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains(&name.to_lowercase())
    }

    /// Each name must be one of these.
    fn check(&self, path: &str, names: &[String]) -> Result<(), ScenarioError> {
        match names.iter().find(|name| !self.has(name)) {
            Some(name) => Err(invalid(path, format!("{name:?} is not there"))),
            None => Ok(()),
        }
    }
}

/// What is known while the contents of a cluster are checked.
struct Known {
    nodes: Names,
    networks: Names,
    /// Disks that no part of any cluster uses yet.
    disks: BTreeSet<String>,
    types: Names,
    groups: Names,
    resources: Names,
}

impl Known {
    fn take_disk(&mut self, path: &str, name: &str) -> Result<(), ScenarioError> {
        if self.disks.remove(&name.to_lowercase()) {
            self.resources.take(path, name)
        } else {
            Err(invalid(path, format!("{name:?} is no disk, or in use already")))
        }
    }
}

/// Checks properties against their table.
fn check_properties(path: &str, kind: Kind<'_>, properties: &Properties) -> Result<(), ScenarioError> {
    for (name, value) in properties {
        if let Err(problem) = setting_of(kind, name, value) {
            return Err(invalid(format!("{path}.{name}"), problem));
        }
    }
    Ok(())
}

impl Scenario {
    /// Checks what a cluster consists of.
    pub(super) fn check_contents(&self, path: &str, cluster: &ExistingCluster) -> Result<(), ScenarioError> {
        let mut known = Known {
            nodes: Names(cluster.nodes.iter().map(|name| name.to_lowercase()).collect()),
            networks: Names(
                self.networks
                    .iter()
                    .map(|network| network.name.to_lowercase())
                    .collect(),
            ),
            disks: self.disks.iter().map(|disk| disk.name.to_lowercase()).collect(),
            types: Names(resource_type::known_names().map(str::to_lowercase).collect()),
            groups: Names::default(),
            resources: Names::default(),
        };
        for name in [crate::script::CLUSTER_GROUP, crate::script::AVAILABLE_STORAGE] {
            known.groups.take(path, name)?;
        }
        check_properties(&format!("{path}.properties"), Kind::Cluster, &cluster.properties)?;
        for (node, properties) in &cluster.node_properties {
            let path = format!("{path}.node_properties.{node}");
            known.nodes.check(&path, std::slice::from_ref(node))?;
            check_properties(&path, Kind::Node, properties)?;
        }
        for (index, network) in cluster.networks.iter().enumerate() {
            let path = format!("{path}.networks[{index}]");
            known.networks.check(&path, std::slice::from_ref(&network.network))?;
            check_properties(&format!("{path}.properties"), Kind::Network, &network.properties)?;
        }
        for (index, kind) in cluster.resource_types.iter().enumerate() {
            let path = format!("{path}.resource_types[{index}]");
            known.types.take(&path, &kind.name)?;
            known
                .nodes
                .check(&format!("{path}.nodes"), kind.nodes.as_deref().unwrap_or_default())?;
        }
        if let Some(Witness::Disk(disk)) = &cluster.witness {
            known.take_disk(&format!("{path}.witness"), disk)?;
        }
        for (list, disks) in [("disks", &cluster.disks), ("shared_volumes", &cluster.shared_volumes)] {
            for (index, disk) in disks.iter().enumerate() {
                known.take_disk(&format!("{path}.{list}[{index}]"), disk)?;
            }
        }
        for (index, disk) in cluster.shared_volumes.iter().enumerate() {
            let mut disks = self.disks.iter().filter(|own| own.name.eq_ignore_ascii_case(disk));
            if !disks.all(|disk| disk.shared_volumes) {
                return Err(invalid(
                    format!("{path}.shared_volumes[{index}]"),
                    "cannot be a shared volume",
                ));
            }
        }
        for (index, group) in cluster.groups.iter().enumerate() {
            check_group(&format!("{path}.groups[{index}]"), group, &mut known)?;
        }
        for (index, generate) in cluster.generate.iter().enumerate() {
            check_generate(&format!("{path}.generate[{index}]"), generate, &mut known)?;
        }
        check_sets(path, cluster, &known)
    }
}

fn check_group(path: &str, group: &ExistingGroup, known: &mut Known) -> Result<(), ScenarioError> {
    known.groups.take(path, &group.name)?;
    if let Some(owner) = &group.owner {
        known
            .nodes
            .check(&format!("{path}.owner"), std::slice::from_ref(owner))?;
    }
    known
        .nodes
        .check(&format!("{path}.preferred_owners"), &group.preferred_owners)?;
    check_properties(&format!("{path}.properties"), Kind::Group, &group.properties)?;
    let mut earlier = Names::default();
    for (index, resource) in group.resources.iter().enumerate() {
        let path = format!("{path}.resources[{index}]");
        if let Some(disk) = &resource.disk
            && !known.disks.remove(&disk.to_lowercase())
        {
            return Err(invalid(format!("{path}.disk"), "is no disk, or in use already"));
        }
        known.resources.take(&path, &resource.name)?;
        known
            .types
            .check(&format!("{path}.type"), std::slice::from_ref(&resource.kind))?;
        known.nodes.check(
            &format!("{path}.possible_owners"),
            resource.possible_owners.as_deref().unwrap_or_default(),
        )?;
        if let Some(depends) = &resource.depends {
            let parsed = Expression::parse(depends, |name| earlier.has(name).then(String::new));
            if parsed.is_err() {
                return Err(invalid(
                    format!("{path}.depends"),
                    "is no expression over earlier resources of the group",
                ));
            }
        }
        check_properties(&format!("{path}.properties"), Kind::Resource, &resource.properties)?;
        check_properties(
            &format!("{path}.private"),
            Kind::Private(&resource.kind),
            &resource.private,
        )?;
        earlier.take(&path, &resource.name)?;
    }
    Ok(())
}

fn check_generate(path: &str, generate: &Generate, known: &mut Known) -> Result<(), ScenarioError> {
    if generate.groups > 1 && !generate.name.contains("{n}") {
        return Err(invalid(format!("{path}.name"), "must contain {n}"));
    }
    if u64::from(generate.groups) * u64::from(generate.resources_per_group.max(1)) > MOST_GENERATED {
        return Err(invalid(format!("{path}.groups"), "are too many"));
    }
    if generate.resource_types.is_empty() && generate.resources_per_group > 0 {
        return Err(invalid(format!("{path}.resource_types"), "must name a type"));
    }
    known
        .types
        .check(&format!("{path}.resource_types"), &generate.resource_types)?;
    check_properties(&format!("{path}.properties"), Kind::Group, &generate.properties)?;
    for number in 1..=generate.groups {
        let name = generate.name_of(number);
        known.groups.take(path, &name)?;
        for (resource, _) in generate.resources_of(&name) {
            known.resources.take(path, &resource)?;
        }
    }
    Ok(())
}

fn check_sets(path: &str, cluster: &ExistingCluster, known: &Known) -> Result<(), ScenarioError> {
    let (mut sets, mut in_sets) = (Names::default(), Names::default());
    for (index, set) in cluster.sets.iter().enumerate() {
        let path = format!("{path}.sets[{index}]");
        known.groups.check(&format!("{path}.groups"), &set.groups)?;
        for group in &set.groups {
            in_sets.take(&format!("{path}.groups"), group)?;
        }
        sets.check(&format!("{path}.depends"), &set.depends)?;
        sets.take(&path, &set.name)?;
        check_properties(&format!("{path}.properties"), Kind::GroupSet, &set.properties)?;
    }
    let mut rules = Names::default();
    for (index, rule) in cluster.rules.iter().enumerate() {
        let path = format!("{path}.rules[{index}]");
        rules.take(&path, &rule.name)?;
        known.groups.check(&format!("{path}.groups"), &rule.groups)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::scenario::Scenario;

    fn problem(cluster: &str) -> String {
        let head = "machines = [{ name = 'a' }]\ndisks = [{ name = 'd', shared_volumes = false }]\n";
        let text = format!("{head}[[clusters]]\nname = 'c'\nnodes = ['a']\n{cluster}");
        Scenario::from_toml(&text).unwrap_err().to_string()
    }

    #[test]
    #[cfg_attr(miri, ignore = "long under Miri, and without any pointer of its own")]
    fn an_error_names_its_place() {
        for (text, place) in [
            (
                "properties = { ClusterLogLevel = 9 }",
                "clusters[0].properties.ClusterLogLevel",
            ),
            ("properties = { Nonsense = 1 }", "clusters[0].properties.Nonsense"),
            ("node_properties = { b = {} }", "clusters[0].node_properties.b"),
            ("networks = [{ network = 'n' }]", "clusters[0].networks[0]"),
            ("disks = ['e']", "clusters[0].disks[0]"),
            ("disks = ['d', 'd']", "clusters[0].disks[1]"),
            ("witness = { disk = 'd' }\ndisks = ['d']", "clusters[0].disks[0]"),
            ("shared_volumes = ['d']", "clusters[0].shared_volumes[0]"),
            (
                "resource_types = [{ name = 'generic script', dll = 'x' }]",
                "clusters[0].resource_types[0]",
            ),
            (
                "resource_types = [{ name = 't', dll = 'x', nodes = ['b'] }]",
                "clusters[0].resource_types[0].nodes",
            ),
            ("groups = [{ name = 'cluster group' }]", "clusters[0].groups[0]"),
            ("groups = [{ name = 'g', owner = 'b' }]", "clusters[0].groups[0].owner"),
            (
                "groups = [{ name = 'g', preferred_owners = ['b'] }]",
                "clusters[0].groups[0].preferred_owners",
            ),
            (
                "groups = [{ name = 'g', resources = [{ name = 'r', type = 'No Type' }] }]",
                "clusters[0].groups[0].resources[0].type",
            ),
            (
                "groups = [{ name = 'g', resources = [{ name = 'r', type = 'Generic Script', depends = '[r]' }] }]",
                "clusters[0].groups[0].resources[0].depends",
            ),
            (
                "groups = [{ name = 'g', resources = [{ name = 'r', type = 'IP Address', private = { EnableDhcp = 2 } }] }]",
                "clusters[0].groups[0].resources[0].private.EnableDhcp",
            ),
            (
                "generate = [{ groups = 2, name = 'same' }]",
                "clusters[0].generate[0].name",
            ),
            (
                "generate = [{ groups = 4000000, name = '{n}', resources_per_group = 4000000 }]",
                "clusters[0].generate[0].groups",
            ),
            (
                "sets = [{ name = 's', depends = ['s'] }]",
                "clusters[0].sets[0].depends",
            ),
            (
                "rules = [{ name = 'r', type = 'same_node', groups = ['g'] }]",
                "clusters[0].rules[0].groups",
            ),
        ] {
            let problem = problem(text);
            assert!(problem.contains(place), "{text}: {problem}");
        }
    }
}
