//! What verbs may ask for.
//!
//! Names of objects are free text: spaces, quotes, slashes and emoji are names in use. Only what C cannot be given, and what
//! is larger than any name, is refused.

use std::time::Duration;

use wsfc_proto::v1;
use wsfc_proto::v1::ObjectKind;

use super::{Findings, MAX_NODES, excerpt, existing_cluster, host, new_cluster_name};
use crate::operation::call::{Call as _, Parameters};
use crate::operation::properties::{is_secret, to_native};

/// Longest name of an object in UTF-16 units. Guess: no limit is documented, and names in use are far shorter.
const MAX_NAME: usize = 1_024;
/// Longest expression of dependencies in UTF-16 units. Guess: as long as a hundred names, the depth that there may be.
const MAX_EXPRESSION: usize = 16_384;
/// Longest path in UTF-16 units (Windows's own limit).
const MAX_PATH: usize = 32_767;
/// Most networks of a cluster. Guess: no limit is documented.
const MAX_NETWORKS: usize = 256;
/// Most commands of a batch, and bytes of one, as the contract says.
const MAX_COMMANDS: usize = 1_000;
const MAX_DATA: usize = 1 << 20;
/// Most properties of a call. Guess: no kind of object has more.
const MAX_PROPERTIES: usize = 1_000;
/// Advice for property lists is below 2 MB (facts 3.1); half of it is left for the form.
const MAX_VALUES: usize = 1 << 20;
/// Greatest period of failovers in hours (facts section 7).
const MAX_PERIOD: u32 = 1_193;
/// Longest poll interval of a resource type: what its milliseconds can hold.
const MAX_INTERVAL: Duration = Duration::from_millis(u32::MAX as u64);

/// Checks the parameters of a verb.
pub(super) fn check(findings: &mut Findings, call: &Parameters) {
    existing_cluster(findings, call.cluster());
    match call {
        Parameters::RenameCluster(p) => new_cluster_name(findings, "new_name", &p.new_name),
        Parameters::BackupDatabase(p) => required(findings, "path", &p.path, MAX_PATH),
        Parameters::RestoreDatabase(p) => {
            required(findings, "path", &p.path, MAX_PATH);
            let drive = p.quorum_drive_letter.as_bytes();
            if !drive.is_empty() && !matches!(drive, [letter, b':'] if letter.is_ascii_alphabetic()) {
                findings.refuse("quorum_drive_letter", "is not a letter and a colon");
            }
        }
        Parameters::PauseNode(p) => {
            host(findings, "node", &p.node);
            if !p.drain_target.is_empty() {
                host(findings, "drain_target", &p.drain_target);
                if p.drain_target.to_lowercase() == p.node.to_lowercase() {
                    findings.refuse("drain_target", "is the node that is drained");
                }
            }
            for (field, given) in [
                ("drain_target", !p.drain_target.is_empty()),
                ("remain_on_move_error", p.remain_on_move_error),
                ("avoid_placement", p.avoid_placement),
                ("retry_drain_on_failure", p.retry_drain_on_failure),
            ] {
                if given && !p.drain {
                    findings.refuse(field, "needs `drain`");
                }
            }
        }
        Parameters::ResumeNode(p) => {
            host(findings, "node", &p.node);
            known(
                findings,
                "failback",
                v1::FailbackChoice::try_from(p.failback).is_ok(),
                p.failback,
            );
        }
        Parameters::StartNode(p) => {
            host(findings, "node", &p.node);
            if p.force_quorum && p.prevent_quorum {
                findings.refuse("prevent_quorum", "speaks against `force_quorum`");
            }
            if p.force_quorum {
                findings.warnings.push(
                    "force_quorum forms the cluster without a majority: what the other side wrote is lost".into(),
                );
            }
        }
        Parameters::StopNode(v1::StopNodeParameters { node, .. })
        | Parameters::SetNodeVote(v1::SetNodeVoteParameters { node, .. }) => {
            host(findings, "node", node);
        }
        Parameters::CreateGroup(p) => {
            name(findings, "group", &p.group);
            if p.r#type < 0 {
                findings.refuse("type", format!("{} is not known", p.r#type));
            }
        }
        Parameters::OnlineGroup(p) => {
            name(findings, "group", &p.group);
            optional_host(findings, "node", &p.node);
            if p.best_possible_node && !p.node.is_empty() {
                findings.refuse("best_possible_node", "speaks against `node`");
            }
        }
        Parameters::MoveGroup(p) => {
            name(findings, "group", &p.group);
            optional_host(findings, "node", &p.node);
        }
        Parameters::MigrateVirtualMachine(p) => {
            name(findings, "group", &p.group);
            optional_host(findings, "node", &p.node);
            known(
                findings,
                "migration",
                v1::MigrationType::try_from(p.migration).is_ok(),
                p.migration,
            );
        }
        Parameters::SetPreferredOwners(p) => {
            name(findings, "group", &p.group);
            nodes(findings, &p.nodes);
        }
        Parameters::SetFailoverPolicy(p) => {
            name(findings, "group", &p.group);
            failover_policy(findings, p);
        }
        Parameters::RenameGroup(p) => {
            name(findings, "group", &p.group);
            name(findings, "new_name", &p.new_name);
        }
        Parameters::CreateResource(p) => {
            name(findings, "resource", &p.resource);
            name(findings, "group", &p.group);
            name(findings, "type", &p.r#type);
        }
        Parameters::SetPossibleOwners(p) => {
            name(findings, "resource", &p.resource);
            if p.nodes.is_empty() {
                findings.refuse("nodes", "names no node");
            }
            nodes(findings, &p.nodes);
        }
        Parameters::AddResourceDependency(v1::AddResourceDependencyParameters { resource, provider, .. })
        | Parameters::RemoveResourceDependency(v1::RemoveResourceDependencyParameters { resource, provider, .. }) => {
            name(findings, "resource", resource);
            name(findings, "provider", provider);
        }
        Parameters::SetResourceDependencies(p) => {
            name(findings, "resource", &p.resource);
            bounded(findings, "expression", &p.expression, MAX_EXPRESSION);
        }
        Parameters::MoveResource(p) => {
            name(findings, "resource", &p.resource);
            name(findings, "group", &p.group);
        }
        Parameters::RenameResource(p) => {
            name(findings, "resource", &p.resource);
            name(findings, "new_name", &p.new_name);
        }
        Parameters::AddCheckpoint(v1::AddCheckpointParameters {
            resource, kind, key, ..
        })
        | Parameters::RemoveCheckpoint(v1::RemoveCheckpointParameters {
            resource, kind, key, ..
        }) => {
            name(findings, "resource", resource);
            given(findings, "kind", v1::CheckpointKind::try_from(*kind).ok(), *kind);
            required(findings, "key", key, MAX_PATH);
        }
        Parameters::CreateResourceType(p) => {
            name(findings, "resource_type", &p.resource_type);
            bounded(findings, "display_name", &p.display_name, MAX_NAME);
            required(findings, "dll", &p.dll, MAX_PATH);
            for (field, interval) in [
                ("looks_alive_interval", &p.looks_alive_interval),
                ("is_alive_interval", &p.is_alive_interval),
            ] {
                if let Some(Err(fault)) = interval.as_ref().map(|value| super::duration(value, MAX_INTERVAL)) {
                    findings.refuse(field, fault);
                }
            }
        }
        Parameters::RenameNetwork(p) => {
            name(findings, "network", &p.network);
            name(findings, "new_name", &p.new_name);
        }
        Parameters::SetNetworkRole(p) => {
            name(findings, "network", &p.network);
            given(findings, "role", v1::NetworkRole::try_from(p.role).ok(), p.role);
        }
        Parameters::SetNetworkPriority(p) => {
            if p.networks.is_empty() || p.networks.len() > MAX_NETWORKS {
                findings.refuse("networks", format!("must name 1 to {MAX_NETWORKS} networks"));
            } else {
                list(findings, "networks", &p.networks);
            }
        }
        Parameters::SetQuorum(p) => quorum(findings, p),
        Parameters::MoveSharedVolume(p) => {
            name(findings, "resource", &p.resource);
            optional_host(findings, "node", &p.node);
        }
        Parameters::SetSharedVolumeRedirected(v1::SetSharedVolumeRedirectedParameters { resource, volume, .. })
        | Parameters::SetSharedVolumeMaintenance(v1::SetSharedVolumeMaintenanceParameters {
            resource, volume, ..
        }) => {
            name(findings, "resource", resource);
            // The C structs hold paths of 260 units with their NUL.
            bounded(findings, "volume", volume, 259);
        }
        Parameters::AddDisk(p) => {
            name(findings, "disk_id", &p.disk_id);
            bounded(findings, "resource", &p.resource, MAX_NAME);
        }
        Parameters::AddGroupToSet(p) => {
            name(findings, "group_set", &p.group_set);
            name(findings, "group", &p.group);
        }
        Parameters::AddGroupSetDependency(v1::AddGroupSetDependencyParameters {
            group_set,
            provider_set,
            ..
        })
        | Parameters::RemoveGroupSetDependency(v1::RemoveGroupSetDependencyParameters {
            group_set,
            provider_set,
            ..
        }) => {
            name(findings, "group_set", group_set);
            name(findings, "provider_set", provider_set);
        }
        Parameters::AddGroupDependency(v1::AddGroupDependencyParameters {
            group,
            provider_group,
            provider_set,
            ..
        })
        | Parameters::RemoveGroupDependency(v1::RemoveGroupDependencyParameters {
            group,
            provider_group,
            provider_set,
            ..
        }) => {
            name(findings, "group", group);
            bounded(findings, "provider_group", provider_group, MAX_NAME);
            bounded(findings, "provider_set", provider_set, MAX_NAME);
            if provider_group.is_empty() == provider_set.is_empty() {
                findings.refuse("provider_group", "or `provider_set` is required, and not both");
            }
        }
        Parameters::SetGroupSetDependencies(p) => {
            name(findings, "group_set", &p.group_set);
            bounded(findings, "expression", &p.expression, MAX_EXPRESSION);
        }
        Parameters::CreateAffinityRule(p) => {
            name(findings, "rule", &p.rule);
            given(
                findings,
                "type",
                v1::AffinityRuleType::try_from(p.r#type).ok(),
                p.r#type,
            );
        }
        Parameters::AddGroupToAffinityRule(v1::AddGroupToAffinityRuleParameters { rule, group, .. })
        | Parameters::RemoveGroupFromAffinityRule(v1::RemoveGroupFromAffinityRuleParameters { rule, group, .. }) => {
            name(findings, "rule", rule);
            name(findings, "group", group);
        }
        Parameters::GrantAccess(v1::GrantAccessParameters { account, right, .. })
        | Parameters::BlockAccess(v1::BlockAccessParameters { account, right, .. }) => {
            sid(findings, account);
            given(findings, "right", v1::AccessRight::try_from(*right).ok(), *right);
        }
        Parameters::RemoveAccess(p) => sid(findings, &p.account),
        Parameters::ApplyRegistryBatch(p) => batch(findings, p),
        Parameters::SetProperties(p) => properties(findings, p),
        // The others name their object and nothing else that could be wrong; a shutdown names none.
        Parameters::ShutdownCluster(_) => {}
        named => name(findings, target_field(named), named.target()),
    }
}

/// The field that names the object of a call that names nothing else.
fn target_field(call: &Parameters) -> &'static str {
    match call.object() {
        ObjectKind::Group => "group",
        ObjectKind::ResourceType => "resource_type",
        ObjectKind::Network => "network",
        ObjectKind::GroupSet => "group_set",
        ObjectKind::AffinityRule => "rule",
        _resources => "resource",
    }
}

/// A name of an object: free text.
fn name(findings: &mut Findings, field: &str, value: &str) {
    required(findings, field, value, MAX_NAME);
}

fn required(findings: &mut Findings, field: &str, value: &str, most: usize) {
    if value.is_empty() {
        findings.refuse(field, "is required");
    } else {
        bounded(findings, field, value, most);
    }
}

fn bounded(findings: &mut Findings, field: &str, value: &str, most: usize) {
    let units = value.encode_utf16().count();
    if units > most {
        findings.refuse(field, format!("has {units} UTF-16 units; at most {most} are allowed"));
    } else if value.contains('\0') {
        findings.refuse(field, "holds a NUL character");
    }
}

fn optional_host(findings: &mut Findings, field: &str, value: &str) {
    if !value.is_empty() {
        host(findings, field, value);
    }
}

/// Names in a list, each once.
fn list(findings: &mut Findings, field: &str, values: &[String]) {
    let mut seen = std::collections::HashSet::new();
    for (index, value) in values.iter().enumerate() {
        let field = format!("{field}[{index}]");
        name(findings, &field, value);
        if !seen.insert(value.to_lowercase()) {
            let again = format!("names {:?} again; names compare without case", excerpt(value));
            findings.refuse(&field, again);
        }
    }
}

fn nodes(findings: &mut Findings, values: &[String]) {
    if values.len() > MAX_NODES {
        findings.refuse(
            "nodes",
            format!("names {} nodes; a cluster holds at most {MAX_NODES}", values.len()),
        );
    } else {
        list(findings, "nodes", values);
    }
}

/// A number without a name is refused inward.
fn known(findings: &mut Findings, field: &str, known: bool, number: i32) {
    if !known {
        findings.refuse(field, format!("{number} is not known"));
    }
}

/// A choice that must be made.
fn given<T: Default + PartialEq>(findings: &mut Findings, field: &str, value: Option<T>, number: i32) {
    match value {
        None => findings.refuse(field, format!("{number} is not known")),
        Some(value) if value == T::default() => findings.refuse(field, "is required"),
        Some(_) => {}
    }
}

fn failover_policy(findings: &mut Findings, p: &v1::SetFailoverPolicyParameters) {
    if p.failover_period_hours.is_some_and(|hours| hours > MAX_PERIOD) {
        findings.refuse("failover_period_hours", format!("is more than {MAX_PERIOD}"));
    }
    for (field, hour) in [
        ("failback_window_start", p.failback_window_start),
        ("failback_window_end", p.failback_window_end),
    ] {
        if hour.is_some_and(|hour| hour > 23 && hour != u32::MAX) {
            findings.refuse(field, "is no hour of the day");
        }
    }
    let nothing = p.failover_threshold.is_none()
        && p.failover_period_hours.is_none()
        && p.auto_failback.is_none()
        && p.failback_window_start.is_none()
        && p.failback_window_end.is_none();
    if nothing {
        findings.refuse("failover_threshold", "or another part of the policy is required");
    }
}

fn quorum(findings: &mut Findings, p: &v1::SetQuorumParameters) {
    use v1::QuorumType as Type;
    let kind = Type::try_from(p.r#type).unwrap_or_default();
    match kind {
        Type::Unspecified => given(findings, "type", Type::try_from(p.r#type).ok(), p.r#type),
        Type::OtherWitness => findings.refuse("type", "can only be read"),
        Type::DiskWitness | Type::DiskOnly => name(findings, "witness_resource", &p.witness_resource),
        Type::FileShareWitness => {
            required(findings, "share_path", &p.share_path, MAX_NAME);
            if !p.share_path.is_empty() && !p.share_path.starts_with("\\\\") {
                findings.refuse("share_path", "is no UNC path");
            }
        }
        Type::CloudWitness => required(findings, "account_name", &p.account_name, MAX_NAME),
        Type::NodeMajority => {}
    }
    for (field, value, wanted) in [
        (
            "witness_resource",
            &p.witness_resource,
            !matches!(kind, Type::NodeMajority | Type::Unspecified | Type::OtherWitness),
        ),
        ("share_path", &p.share_path, kind == Type::FileShareWitness),
        ("account_name", &p.account_name, kind == Type::CloudWitness),
        ("endpoint", &p.endpoint, kind == Type::CloudWitness),
    ] {
        if wanted {
            bounded(findings, field, value, MAX_NAME);
        } else if !value.is_empty() {
            findings.refuse(field, "is not for this type");
        }
    }
}

/// A SID as a text: S-1, an authority, and one to fifteen numbers.
fn sid(findings: &mut Findings, value: &str) {
    let mut parts = value.split('-');
    let sound = parts.next().is_some_and(|part| part.eq_ignore_ascii_case("s"))
        && parts.next() == Some("1")
        && parts
            .next()
            .and_then(|part| part.parse::<u64>().ok())
            .is_some_and(|authority| authority < 1 << 48)
        && {
            let numbers: Vec<_> = parts.collect();
            (1..=15).contains(&numbers.len()) && numbers.iter().all(|part| part.parse::<u32>().is_ok())
        };
    if value.is_empty() {
        findings.refuse("account", "is required");
    } else if !sound {
        findings.refuse(
            "account",
            format!("{:?} is no SID such as S-1-5-32-544", excerpt(value)),
        );
    }
}

fn batch(findings: &mut Findings, p: &v1::ApplyRegistryBatchParameters) {
    bounded(findings, "key", &p.key, MAX_PATH);
    if p.commands.is_empty() || p.commands.len() > MAX_COMMANDS {
        findings.refuse("commands", format!("must be 1 to {MAX_COMMANDS}"));
        return;
    }
    for (index, command) in p.commands.iter().enumerate() {
        let field = |field: &str| format!("commands[{index}].{field}");
        let kind = v1::RegistryCommandType::try_from(command.r#type).ok();
        given(findings, &field("type"), kind, command.r#type);
        bounded(findings, &field("name"), &command.name, MAX_PATH);
        let of_key = matches!(
            kind,
            Some(
                v1::RegistryCommandType::CreateKey
                    | v1::RegistryCommandType::DeleteKey
                    | v1::RegistryCommandType::IfKeyExists
                    | v1::RegistryCommandType::IfKeyNotExists
            )
        );
        if of_key && command.name.is_empty() {
            findings.refuse(field("name"), "is required for a key");
        }
        if command.data.len() > MAX_DATA {
            findings.refuse(
                field("data"),
                format!("has {} bytes; at most {MAX_DATA} are allowed", command.data.len()),
            );
        }
    }
}

fn properties(findings: &mut Findings, p: &v1::SetPropertiesParameters) {
    given(findings, "kind", ObjectKind::try_from(p.kind).ok(), p.kind);
    if p.kind() != ObjectKind::Cluster && p.kind() != ObjectKind::Unspecified {
        name(findings, "name", &p.name);
    } else if !p.name.is_empty() {
        findings.refuse("name", "must be empty for the cluster itself");
    }
    if p.kind() == ObjectKind::Quorum {
        findings.refuse(
            "kind",
            "has no properties of its own; those of the cluster say how it is decided",
        );
    }
    known(findings, "class", v1::PropertyClass::try_from(p.class).is_ok(), p.class);
    if p.properties.is_empty() && p.update_mask.as_ref().is_none_or(|mask| mask.paths.is_empty()) {
        findings.refuse("properties", "is required");
    }
    let paths = p.update_mask.iter().flat_map(|mask| &mask.paths);
    if p.properties.len() > MAX_PROPERTIES || paths.clone().count() > MAX_PROPERTIES {
        findings.refuse("properties", format!("are more than {MAX_PROPERTIES}"));
        return;
    }
    let mut bytes = 0_usize;
    let mut seen = std::collections::HashSet::new();
    for (index, property) in p.properties.iter().enumerate() {
        let field = |field: &str| format!("properties[{index}].{field}");
        named(findings, &field("name"), &property.name);
        if !seen.insert(property.name.to_lowercase()) {
            findings.refuse(field("name"), "is named again");
        }
        bytes = bytes.saturating_add(prost::Message::encoded_len(property));
        let Some(value) = &property.value else { continue };
        let sound = to_native(value).is_some_and(|value| {
            let list = wsfc_clusapi::proplist::PropertyList {
                properties: vec![wsfc_clusapi::proplist::Property {
                    name: "p".into(),
                    values: vec![value],
                }],
            };
            list.to_bytes(wsfc_clusapi::proplist::Tail::None).is_ok()
        });
        if !sound {
            findings.refuse(field("value"), "cannot be passed to the cluster API");
        }
    }
    if bytes > MAX_VALUES {
        findings.refuse(
            "properties",
            format!("have {bytes} bytes; at most {MAX_VALUES} are allowed"),
        );
    }
    for (index, path) in paths.enumerate() {
        named(findings, &format!("update_mask.paths[{index}]"), path);
    }
}

/// The name of a property that may be set here.
fn named(findings: &mut Findings, field: &str, value: &str) {
    name(findings, field, value);
    if is_secret(value) {
        findings.refuse(field, "holds a secret, which records would hold: use SetQuorum");
    }
}

#[cfg(test)]
mod tests {
    use super::super::validate;
    use super::*;

    #[track_caller]
    fn fields(call: Parameters) -> Vec<String> {
        match validate(&call, None, "") {
            Ok(_) => Vec::new(),
            Err(violations) => violations.into_iter().map(|violation| violation.field).collect(),
        }
    }

    fn delete(group: &str) -> Parameters {
        Parameters::DeleteGroup(v1::DeleteGroupParameters {
            group: group.into(),
            ..Default::default()
        })
    }

    #[test]
    fn names_are_free_text_without_nul_and_of_bounded_length() {
        for name in [
            "SQL \"1\"",
            "a/b\\c",
            "\u{1F980} crab",
            "[x]",
            "ä",
            &"x".repeat(MAX_NAME),
        ] {
            assert_eq!(fields(delete(name)), [""; 0], "{name}");
        }
        for name in [
            "",
            "a\0b",
            &"x".repeat(MAX_NAME + 1),
            &"\u{1F980}".repeat(MAX_NAME / 2 + 1),
        ] {
            assert_eq!(fields(delete(name)), ["group.group"]);
        }
    }

    #[test]
    fn a_drain_option_needs_a_drain() {
        let pause = |drain| {
            Parameters::PauseNode(v1::PauseNodeParameters {
                node: "n1".into(),
                drain,
                drain_target: "n2".into(),
                ..Default::default()
            })
        };
        assert_eq!(fields(pause(true)), [""; 0]);
        assert_eq!(fields(pause(false)), ["node.drain_target"]);
    }

    #[test]
    fn secrets_and_nothing_at_all_are_refused_as_properties() {
        let set = |name: &str| {
            Parameters::SetProperties(v1::SetPropertiesParameters {
                kind: ObjectKind::Cluster.into(),
                properties: vec![v1::Property {
                    name: name.into(),
                    ..Default::default()
                }],
                ..Default::default()
            })
        };
        assert_eq!(fields(set("Description")), [""; 0]);
        assert_eq!(fields(set("primarykey")), ["properties.properties[0].name"]);
        let none = Parameters::SetProperties(v1::SetPropertiesParameters::default());
        assert_eq!(fields(none), ["properties.kind", "properties.properties"]);
    }

    #[test]
    fn sids_are_texts_of_numbers() {
        let grant = |account: &str| {
            Parameters::GrantAccess(v1::GrantAccessParameters {
                account: account.into(),
                right: v1::AccessRight::Read.into(),
                ..Default::default()
            })
        };
        assert_eq!(fields(grant("S-1-5-32-544")), [""; 0]);
        for wrong in ["", "S-1-5", "S-2-5-1", "BUILTIN\\Administrators", "S-1-5-99999999999"] {
            assert_eq!(fields(grant(wrong)), ["access.account"], "{wrong}");
        }
    }

    #[test]
    fn exactly_one_provider_is_named() {
        let add = |group: &str, set: &str| {
            Parameters::AddGroupDependency(v1::AddGroupDependencyParameters {
                group: "a".into(),
                provider_group: group.into(),
                provider_set: set.into(),
                ..Default::default()
            })
        };
        assert_eq!(fields(add("b", "")), [""; 0]);
        assert_eq!(fields(add("", "s")), [""; 0]);
        assert_eq!(fields(add("", "")).len(), 1);
        assert_eq!(fields(add("b", "s")).len(), 1);
    }

    #[test]
    fn a_quorum_says_what_its_type_needs_and_no_more() {
        let set = |kind: v1::QuorumType, share: &str, account: &str| {
            Parameters::SetQuorum(v1::SetQuorumParameters {
                r#type: kind.into(),
                share_path: share.into(),
                account_name: account.into(),
                ..Default::default()
            })
        };
        use v1::QuorumType as Type;
        assert_eq!(fields(set(Type::NodeMajority, "", "")), [""; 0]);
        assert_eq!(fields(set(Type::FileShareWitness, "\\\\s\\w", "")), [""; 0]);
        assert_eq!(fields(set(Type::FileShareWitness, "c:", "")), ["quorum.share_path"]);
        assert_eq!(fields(set(Type::CloudWitness, "", "")), ["quorum.account_name"]);
        assert_eq!(fields(set(Type::NodeMajority, "", "a")), ["quorum.account_name"]);
        assert_eq!(fields(set(Type::DiskWitness, "", "")), ["quorum.witness_resource"]);
    }
}
