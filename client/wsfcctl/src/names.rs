//! Names as they are typed.

use wsfc_client::v1::ObjectKind;

/// A name as a shell takes it: in quotes where it holds more than letters, digits, dots, hyphens and underscores.
pub(crate) fn quoted(name: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '-' | '_' | '/');
    if !name.is_empty() && name.chars().all(plain) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\\\""))
    }
}

/// Names one after the other, each as a shell takes it.
pub(crate) fn listed(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| quoted(name)).collect();
    quoted.join(", ")
}

/// The kinds and what they are called on the command line, in one and in many.
pub(crate) const KINDS: [(ObjectKind, &str, &str); 11] = [
    (ObjectKind::Cluster, "cluster", "clusters"),
    (ObjectKind::Node, "node", "nodes"),
    (ObjectKind::Group, "group", "groups"),
    (ObjectKind::Resource, "resource", "resources"),
    (ObjectKind::ResourceType, "resource-type", "resource types"),
    (ObjectKind::Network, "network", "networks"),
    (ObjectKind::NetworkInterface, "interface", "network interfaces"),
    (ObjectKind::GroupSet, "group-set", "group sets"),
    (ObjectKind::AffinityRule, "affinity-rule", "affinity rules"),
    (ObjectKind::SharedVolume, "volume", "cluster shared volumes"),
    (ObjectKind::Quorum, "quorum", "quorums"),
];

/// What one object of a kind is called.
pub(crate) fn one(kind: ObjectKind) -> &'static str {
    let found = KINDS.iter().find(|(known, _, _)| *known == kind);
    found.map_or("object", |(_, one, _)| one)
}

/// What many objects of a kind are called.
pub(crate) fn many(kind: ObjectKind) -> &'static str {
    let found = KINDS.iter().find(|(known, _, _)| *known == kind);
    found.map_or("objects", |(_, _, many)| many)
}

/// Reads a kind as it is called on the command line.
pub(crate) fn kind(text: &str) -> Result<ObjectKind, String> {
    let found = KINDS.iter().find(|(_, one, _)| text.eq_ignore_ascii_case(one));
    found.map(|(kind, _, _)| *kind).ok_or_else(|| {
        let names: Vec<_> = KINDS.iter().map(|(_, one, _)| *one).collect();
        format!("it is one of: {}", names.join(", "))
    })
}

/// An object: its kind and its name or id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) kind: ObjectKind,
    /// Empty for the cluster and the quorum, of which there is one.
    pub(crate) name: String,
}

impl Named {
    /// Reads `KIND/NAME`, or `cluster` or `quorum` alone.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (kind_text, name) = text.split_once('/').unwrap_or((text, ""));
        let kind = kind(kind_text)?;
        let alone = matches!(kind, ObjectKind::Cluster | ObjectKind::Quorum);
        if alone != name.is_empty() {
            return Err(if alone {
                format!("there is one {kind_text}; write it without a name")
            } else {
                format!("write it as {kind_text}/NAME")
            });
        }
        Ok(Self {
            kind,
            name: name.to_owned(),
        })
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.name.is_empty() {
            f.write_str(one(self.kind))
        } else {
            write!(f, "{} {}", one(self.kind), quoted(&self.name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_can_be_typed_as_it_stands() {
        assert_eq!(quoted("n1.corp"), "n1.corp");
        assert_eq!(quoted("SQL Server (A)"), "\"SQL Server (A)\"");
        assert_eq!(quoted("a\"b"), "\"a\\\"b\"");
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(listed(&["n1".to_owned(), "n 2".to_owned()]), "n1, \"n 2\"");
    }

    #[test]
    fn an_object_is_its_kind_and_its_name() {
        let named = Named::parse("resource/IP Address").unwrap();
        assert_eq!((named.kind, named.name.as_str()), (ObjectKind::Resource, "IP Address"));
        assert_eq!(named.to_string(), "resource \"IP Address\"");
        assert_eq!(Named::parse("cluster").unwrap().kind, ObjectKind::Cluster);
        assert_eq!(Named::parse("group").unwrap_err(), "write it as group/NAME");
        assert!(Named::parse("cluster/CL1").unwrap_err().starts_with("there is one"));
        assert!(
            Named::parse("vm/1")
                .unwrap_err()
                .starts_with("it is one of: cluster, node")
        );
        assert_eq!(Named::parse("Group/a/b").unwrap().name, "a/b");
    }
}
