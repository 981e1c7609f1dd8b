//! Which fields of each kind of object a table shows.

use std::borrow::Borrow;
use std::io::{self, Write};

use wsfc_client::fields::Field;
use wsfc_client::object;
use wsfc_client::v1::{InventoryObject, ObjectKind};

use super::{dash, rows};
use crate::names;

/// A column: its heading and the field that it shows.
type Column = (&'static str, &'static str);

/// The columns of a kind: those of every table, and those that only a wide one has.
fn columns(kind: ObjectKind) -> (&'static [Column], &'static [Column]) {
    match kind {
        ObjectKind::Cluster => (
            &[
                ("CLUSTER", "name"),
                ("LEVEL", "functional_level"),
                ("CONNECTION", "connection"),
                ("QUORUM", "has_quorum"),
            ],
            &[
                ("SERVER VERSION", "server_version"),
                ("SINCE", "connection_time"),
                ("ID", "id"),
                ("REVISION", "revision"),
            ],
        ),
        ObjectKind::Node => (
            &[
                ("NODE", "name"),
                ("STATE", "state"),
                ("DRAIN", "drain_state"),
                ("VOTE", "vote_assigned"),
                ("COUNTS", "vote_counts"),
            ],
            &[
                ("ID", "id"),
                ("STATUS", "status_information"),
                ("OS VERSION", "os_version"),
                ("REVISION", "revision"),
            ],
        ),
        ObjectKind::Group => (
            &[
                ("GROUP", "name"),
                ("STATE", "state"),
                ("OWNER", "owner_node"),
                ("TYPE", "type"),
                ("PRIORITY", "priority"),
            ],
            &[
                ("CORE", "core"),
                ("PERSISTENT", "persistent_online"),
                ("STATUS", "status_information"),
                ("ID", "id"),
                ("REVISION", "revision"),
            ],
        ),
        ObjectKind::Resource => (
            &[
                ("RESOURCE", "name"),
                ("STATE", "state"),
                ("GROUP", "group"),
                ("OWNER", "owner_node"),
                ("TYPE", "type"),
            ],
            &[
                ("CORE", "core"),
                ("LAST STATUS", "last_operation_status"),
                ("MONITOR", "separate_monitor"),
                ("PERSISTENT", "persistent_online"),
                ("ID", "id"),
                ("REVISION", "revision"),
            ],
        ),
        ObjectKind::ResourceType => (
            &[
                ("RESOURCE TYPE", "name"),
                ("DISPLAY NAME", "display_name"),
                ("DLL", "dll"),
            ],
            &[
                ("LOOKS ALIVE MS", "looks_alive_interval_ms"),
                ("IS ALIVE MS", "is_alive_interval_ms"),
                ("REVISION", "revision"),
            ],
        ),
        ObjectKind::Network => (
            &[
                ("NETWORK", "name"),
                ("STATE", "state"),
                ("ROLE", "role"),
                ("METRIC", "metric"),
                ("ADDRESS", "address"),
                ("MASK", "address_mask"),
            ],
            &[
                ("AUTO METRIC", "auto_metric"),
                ("IPV6", "ipv6_prefixes"),
                ("ID", "id"),
                ("REVISION", "revision"),
            ],
        ),
        ObjectKind::NetworkInterface => (
            &[
                ("INTERFACE", "name"),
                ("STATE", "state"),
                ("NODE", "node"),
                ("NETWORK", "network"),
                ("ADDRESS", "address"),
            ],
            &[
                ("ADAPTER", "adapter"),
                ("IPV6", "ipv6_addresses"),
                ("ID", "id"),
                ("REVISION", "revision"),
            ],
        ),
        ObjectKind::GroupSet => (
            &[
                ("GROUP SET", "name"),
                ("GROUPS", "groups"),
                ("DEPENDS ON SETS", "provider_sets"),
                ("DEPENDS ON GROUPS", "provider_groups"),
            ],
            &[
                ("STARTUP", "startup_setting"),
                ("COUNT", "startup_count"),
                ("DELAY S", "startup_delay_seconds"),
                ("AVAILABILITY", "availability_set"),
                ("REVISION", "revision"),
            ],
        ),
        ObjectKind::AffinityRule => (
            &[
                ("AFFINITY RULE", "name"),
                ("TYPE", "type"),
                ("GROUPS", "groups"),
                ("ENABLED", "enabled"),
            ],
            &[("SOFT", "soft"), ("REVISION", "revision")],
        ),
        ObjectKind::SharedVolume => (
            &[
                ("VOLUME", "name"),
                ("STATE", "state"),
                ("OWNER", "owner_node"),
                ("MAINTENANCE", "maintenance"),
            ],
            &[
                ("NODES", "nodes"),
                ("VOLUMES", "volumes"),
                ("ID", "id"),
                ("REVISION", "revision"),
            ],
        ),
        ObjectKind::Quorum => (
            &[
                ("QUORUM", "type"),
                ("WITNESS", "witness"),
                ("WITNESS STATE", "witness_state"),
                ("WITNESS COUNTS", "witness_vote"),
                ("DYNAMIC", "dynamic"),
            ],
            &[
                ("WITNESS TYPE", "witness_type"),
                ("VOTES", "votes"),
                ("NATIVE TYPE", "native_type"),
                ("REVISION", "revision"),
            ],
        ),
        ObjectKind::Unspecified => (&[], &[]),
    }
}

/// Writes objects of a kind as a table.
pub(crate) fn objects<O: Borrow<InventoryObject>>(
    out: &mut dyn Write,
    kind: ObjectKind,
    objects: impl IntoIterator<Item = O>,
    wide: bool,
) -> io::Result<()> {
    let mut objects = objects.into_iter().peekable();
    if objects.peek().is_none() {
        return writeln!(out, "There are no such {}.", names::many(kind));
    }
    let (always, only_wide) = columns(kind);
    let more = if wide { only_wide } else { &[] };
    let shown: Vec<_> = always.iter().chain(more).collect();
    let headings: Vec<_> = shown.iter().map(|(heading, _)| *heading).collect();
    let lines = objects.map(|object| {
        let fields = fields(object.borrow());
        let cell = |(_, name): &&&Column| match text(&fields, name) {
            // What most nodes are is no news.
            "not initiated" => dash(""),
            text => dash(text),
        };
        shown.iter().map(|column| cell(&column)).collect()
    });
    rows(out, &headings, lines)
}

/// The fields of an object; none where it is of a kind that this program does not know.
pub(crate) fn fields(object: &InventoryObject) -> Vec<Field> {
    object::fields(object).unwrap_or_default()
}

/// The text of a field; empty when there is no such field.
pub(crate) fn text<'a>(fields: &'a [Field], name: &str) -> &'a str {
    let found = fields.iter().find(|field| field.name == name);
    found.map(|field| field.text.as_str()).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use wsfc_client::v1::inventory_object::Object;
    use wsfc_client::v1::{
        AffinityRule, ClusterState, Group, GroupSet, Network, NetworkInterface, Node, Quorum, Resource, ResourceType,
        SharedVolume,
    };

    use super::*;

    pub(crate) fn object(object: Object) -> InventoryObject {
        InventoryObject {
            cluster_id: "c1".to_owned(),
            object: Some(object),
        }
    }

    pub(crate) fn group(name: &str, state: i32, owner: &str) -> InventoryObject {
        object(Object::Group(Group {
            name: name.to_owned(),
            id: format!("id-{name}"),
            state,
            native_state: state - 1,
            owner_node: owner.to_owned(),
            r#type: 100,
            priority: 2000,
            ..Default::default()
        }))
    }

    fn table(kind: ObjectKind, objects: &[InventoryObject], wide: bool) -> String {
        let mut text = Vec::new();
        super::objects(&mut text, kind, objects, wide).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn groups_are_shown_with_their_owners() {
        let groups = [
            group("SQL Server", 1, "n1"),
            group("Files", 5, "n2"),
            group("Web", 0, ""),
        ];
        insta::assert_snapshot!("groups", table(ObjectKind::Group, &groups, false));
        insta::assert_snapshot!("groups_wide", table(ObjectKind::Group, &groups, true));
        assert_eq!(table(ObjectKind::Group, &[], false), "There are no such groups.\n");
    }

    #[test]
    fn every_column_shows_a_field_of_its_kind() {
        let samples = [
            object(Object::Cluster(ClusterState::default())),
            object(Object::Node(Node::default())),
            object(Object::Group(Group::default())),
            object(Object::Resource(Resource::default())),
            object(Object::ResourceType(ResourceType::default())),
            object(Object::Network(Network::default())),
            object(Object::NetworkInterface(NetworkInterface::default())),
            object(Object::GroupSet(GroupSet::default())),
            object(Object::AffinityRule(AffinityRule::default())),
            object(Object::SharedVolume(SharedVolume::default())),
            object(Object::Quorum(Quorum::default())),
        ];
        assert_eq!(samples.len(), names::KINDS.len());
        for sample in &samples {
            let kind = object::kind(sample);
            let (always, wide) = columns(kind);
            assert!(!always.is_empty(), "{kind:?}");
            let fields = fields(sample);
            for (_, name) in always.iter().chain(wide) {
                assert!(fields.iter().any(|field| field.name == *name), "{kind:?} has no {name}");
            }
        }
    }
}
