//! What verbs may ask for, and what is refused.

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
