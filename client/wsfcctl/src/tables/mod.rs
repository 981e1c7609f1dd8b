//! Tables and lists of facts for people.

mod identities;
mod inventory;
mod properties;
mod workloads;

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use wsfc_client::v1::{
    CheckUpgradeResponse, Cluster, GetHostStateResponse, ListClustersResponse, NativeStatus, Operation,
    ValidationReport,
};

pub(crate) use identities::{caller, ends_soon, identities};
pub(crate) use inventory::{fields, objects, text};
pub(crate) use properties::{access, checkpoints, described, disks, properties, registry_key, registry_type};
pub(crate) use workloads::{workload, workloads};

use crate::phrases;

/// Writes rows below their headings, without lines between them. What is in them may be anything that somebody has given a
/// name to.
pub(crate) fn rows(
    out: &mut dyn Write,
    headings: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> io::Result<()> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().copied());
    for row in rows {
        table.add_row(row.iter().map(|cell| phrases::plain(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Writes names and values below each other; empty values are left out, and further lines of a value stand below its first.
pub(crate) fn facts(out: &mut dyn Write, facts: &[(&str, String)]) -> io::Result<()> {
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        let value = phrases::plain_lines(value).replace('\n', &format!("\n{:width$}  ", ""));
        writeln!(out, "{name:<width$}  {value}")?;
    }
    Ok(())
}

/// A dash in place of nothing, so that columns stay columns.
fn dash(text: &str) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        text.to_owned()
    }
}

/// A cluster version: the level in the upper 16 bits, the upgrade version in the lower.
fn version(number: u32) -> String {
    if number == 0 {
        "-".to_owned()
    } else {
        format!("{}.{}", number >> 16, number & 0xffff)
    }
}

pub(crate) fn cluster(out: &mut dyn Write, cluster: &Cluster, wide: bool) -> io::Result<()> {
    let mixed = if cluster.mixed_versions {
        ", held back by nodes of different versions"
    } else {
        ""
    };
    facts(
        out,
        &[
            ("name", cluster.name.clone()),
            (
                "functional level",
                format!("{}{mixed}", phrases::functional_level(cluster.functional_level)),
            ),
            ("upgrade version", cluster.upgrade_version.to_string()),
            (
                "management point",
                phrases::management_point(cluster.management_point_type),
            ),
            ("server version", cluster.server_version.clone()),
            ("groups", cluster.groups.join(", ")),
        ],
    )?;
    writeln!(out)?;
    let mut headings = vec!["NODE", "STATE", "ID"];
    if wide {
        headings.extend(["NATIVE STATE", "LOWEST VERSION", "HIGHEST VERSION"]);
    }
    let nodes = cluster.nodes.iter().map(|node| {
        let mut row = vec![node.name.clone(), phrases::node_state(node.state), dash(&node.id)];
        if wide {
            row.extend([
                node.native_state.to_string(),
                version(node.lowest_version),
                version(node.highest_version),
            ]);
        }
        row
    });
    rows(out, &headings, nodes)
}

pub(crate) fn clusters(out: &mut dyn Write, answer: &ListClustersResponse, wide: bool) -> io::Result<()> {
    if answer.clusters.is_empty() && answer.unreachable.is_empty() {
        return writeln!(out, "This daemon knows no cluster.");
    }
    let mut headings = vec!["CLUSTER", "LEVEL", "NODES"];
    if wide {
        headings.extend(["MANAGEMENT POINT", "SERVER VERSION", "GROUPS"]);
    }
    let reached = answer.clusters.iter().map(|cluster| {
        let up = cluster
            .nodes
            .iter()
            .filter(|node| phrases::node_state(node.state) == "up")
            .count();
        let mut row = vec![
            cluster.name.clone(),
            cluster.functional_level.to_string(),
            format!("{up} of {} up", cluster.nodes.len()),
        ];
        if wide {
            row.extend([
                phrases::management_point(cluster.management_point_type),
                dash(&cluster.server_version),
                cluster.groups.len().to_string(),
            ]);
        }
        row
    });
    let unreachable = answer.unreachable.iter().map(|lost| {
        let why = lost
            .status
            .as_ref()
            .map_or_else(|| lost.reason.clone(), phrases::status);
        let name = if lost.cluster.is_empty() {
            "(this host's)"
        } else {
            &lost.cluster
        };
        vec![name.to_owned(), "-".to_owned(), format!("unreachable: {why}")]
    });
    rows(out, &headings, reached.chain(unreachable))
}

pub(crate) fn host_state(out: &mut dyn Write, host: &str, answer: &GetHostStateResponse) -> io::Result<()> {
    let host = if host.is_empty() { "the daemon's host" } else { host };
    writeln!(
        out,
        "{}: {} ({})",
        phrases::plain(host),
        phrases::host_state(answer.state),
        answer.native_state
    )
}

pub(crate) fn upgrade_check(out: &mut dyn Write, answer: &CheckUpgradeResponse) -> io::Result<()> {
    let verdict = if answer.upgrade_available {
        format!("can be raised to {}", phrases::functional_level(answer.target_level))
    } else if answer.blocking_nodes.is_empty() {
        "is the highest that the nodes support".to_owned()
    } else {
        "cannot be raised".to_owned()
    };
    writeln!(out, "The functional level {verdict}.")?;
    facts(
        out,
        &[
            ("current level", phrases::functional_level(answer.current_level)),
            ("blocking nodes", answer.blocking_nodes.join(", ")),
            (
                "native check",
                answer.native_check.as_ref().map(phrases::status).unwrap_or_default(),
            ),
        ],
    )
}

pub(crate) fn validation(out: &mut dyn Write, action: &str, report: &ValidationReport) -> io::Result<()> {
    let refused = refusal(report);
    match refused {
        Some(status) => {
            let status = phrases::plain(&phrases::status(status));
            writeln!(out, "Would be refused: {action}: {status}")?;
        }
        None => writeln!(out, "Would be accepted: {action}. Nothing was changed.")?,
    }
    report
        .warnings
        .iter()
        .try_for_each(|warning| writeln!(out, "warning: {}", phrases::plain(warning)))
}

/// What the native check refuses with, when it does.
pub(crate) fn refusal(report: &ValidationReport) -> Option<&NativeStatus> {
    report.native_check.as_ref().filter(|status| status.raw != 0)
}

pub(crate) fn operations(out: &mut dyn Write, operations: &[Operation], wide: bool) -> io::Result<()> {
    if operations.is_empty() {
        return writeln!(out, "There is no such operation.");
    }
    let mut headings = vec!["OPERATION", "KIND", "CLUSTER", "TARGET", "STATE", "PERCENT", "CREATED"];
    if wide {
        headings.extend(["TOOK", "RECORDS", "WARNINGS", "BY", "REQUEST ID"]);
    }
    let lines = operations.iter().map(|operation| {
        let mut row = vec![
            operation.operation_id.clone(),
            phrases::operation_kind(operation.kind),
            dash(&operation.cluster),
            dash(&operation.target),
            state(operation),
            operation.percent.to_string(),
            phrases::time(operation.create_time.as_ref()),
        ];
        if wide {
            let warnings = operation
                .outcome
                .as_ref()
                .map(|outcome| outcome.warning_count.to_string());
            row.extend([
                dash(&phrases::span(
                    operation.start_time.as_ref(),
                    operation.end_time.as_ref(),
                )),
                operation.last_sequence.to_string(),
                dash(&warnings.unwrap_or_default()),
                dash(&operation.principal),
                dash(&operation.request_id),
            ]);
        }
        row
    });
    rows(out, &headings, lines)
}

/// The state of an operation, with what a glance should not miss.
pub(crate) fn state(operation: &Operation) -> String {
    let words = phrases::operation_state(operation.state);
    match &operation.outcome {
        Some(outcome) if outcome.partial => format!("{words}, partial"),
        None if operation.cancel_requested => format!("{words}, cancelling"),
        _ => words,
    }
}

#[cfg(test)]
pub(crate) use inventory::tests as samples;

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;
    use wsfc_client::v1::{Node, OperationKind, OperationOutcome, OperationState, UnreachableCluster};

    use super::*;

    fn text(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut text = Vec::new();
        write(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn sample() -> Cluster {
        let node = |name: &str, id: &str, state| Node {
            name: name.to_owned(),
            id: id.to_owned(),
            state,
            native_state: state - 1,
            highest_version: (11 << 16) | 1,
            lowest_version: 10 << 16,
            ..Default::default()
        };
        Cluster {
            name: "CL1".to_owned(),
            functional_level: 11,
            upgrade_version: 1,
            mixed_versions: true,
            nodes: vec![
                node("n1", "1", 1),
                node("node-with-a-long-name", "", 2),
                node("n3", "3", 9),
            ],
            management_point_type: 2,
            server_version: "10.0.20348".to_owned(),
            groups: vec!["Available Storage".to_owned(), "Cluster Group".to_owned()],
        }
    }

    #[test]
    fn names_do_not_steer_the_terminal() {
        let name = "web\u{1b}]0;owned\u{7}\r\u{9b}2J\nnext\u{202e}";
        let shown = text(|out| rows(out, &["NAME"], [vec![name.to_owned()]]));
        assert_eq!(shown, "NAME\nweb\u{fffd}]0;owned\u{fffd} \u{fffd}2J next\u{fffd}\n");
        // Lines of a value stay below its first, where nothing is taken for another fact.
        let shown = text(|out| facts(out, &[("name", name.to_owned())]));
        assert_eq!(
            shown,
            "name  web\u{fffd}]0;owned\u{fffd} \u{fffd}2J\n      next\u{fffd}\n"
        );
        let report = ValidationReport {
            warnings: vec![name.to_owned()],
            ..Default::default()
        };
        let shown = text(|out| validation(out, "upgrade CL1", &report));
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }

    #[test]
    fn a_cluster() {
        insta::assert_snapshot!("cluster", text(|out| cluster(out, &sample(), false)));
        insta::assert_snapshot!("cluster_wide", text(|out| cluster(out, &sample(), true)));
    }

    #[test]
    fn clusters_and_those_out_of_reach() {
        let status = NativeStatus {
            raw: 1722,
            code: 1722,
            name: "RPC_S_SERVER_UNAVAILABLE".to_owned(),
            ..Default::default()
        };
        let answer = ListClustersResponse {
            clusters: vec![sample()],
            unreachable: vec![UnreachableCluster {
                cluster: "CL2".to_owned(),
                status: Some(status),
                reason: "RPC_S_SERVER_UNAVAILABLE".to_owned(),
            }],
        };
        insta::assert_snapshot!("clusters", text(|out| clusters(out, &answer, false)));
        insta::assert_snapshot!("clusters_wide", text(|out| clusters(out, &answer, true)));
        let none = text(|out| clusters(out, &ListClustersResponse::default(), false));
        assert_eq!(none, "This daemon knows no cluster.\n");
    }

    #[test]
    fn operations_and_what_a_glance_should_not_miss() {
        let at = |seconds: i64| {
            Some(Timestamp {
                seconds: 1_700_000_000 + seconds,
                nanos: 0,
            })
        };
        let created = Operation {
            operation_id: "0190c9a4-0000-7000-8000-000000000001".to_owned(),
            kind: OperationKind::CreateCluster.into(),
            state: OperationState::Succeeded.into(),
            cluster: "CL1".to_owned(),
            create_time: at(0),
            start_time: at(1),
            end_time: at(76),
            last_sequence: 58,
            percent: 100,
            outcome: Some(OperationOutcome {
                partial: true,
                warning_count: 2,
                ..Default::default()
            }),
            principal: "local".to_owned(),
            ..Default::default()
        };
        let adding = Operation {
            operation_id: "0190c9a4-0000-7000-8000-000000000002".to_owned(),
            kind: OperationKind::AddNode.into(),
            state: OperationState::Running.into(),
            cluster: "CL1".to_owned(),
            target: "n4".to_owned(),
            create_time: at(100),
            percent: 40,
            cancel_requested: true,
            ..Default::default()
        };
        let list = [adding, created];
        insta::assert_snapshot!("operations", text(|out| operations(out, &list, false)));
        insta::assert_snapshot!("operations_wide", text(|out| operations(out, &list, true)));
    }

    #[test]
    fn upgrade_checks() {
        let check = CheckUpgradeResponse {
            upgrade_available: false,
            current_level: 10,
            target_level: 10,
            blocking_nodes: vec!["n3".to_owned()],
            native_check: Some(NativeStatus {
                raw: 5973,
                code: 5973,
                ..Default::default()
            }),
        };
        let blocked = "The functional level cannot be raised.\ncurrent level   10 (Windows Server 2019)\nblocking nodes  n3\nnative check    5973\n";
        assert_eq!(text(|out| upgrade_check(out, &check)), blocked);
        let check = CheckUpgradeResponse {
            upgrade_available: true,
            target_level: 11,
            blocking_nodes: vec![],
            ..check
        };
        assert!(
            text(|out| upgrade_check(out, &check))
                .starts_with("The functional level can be raised to 11 (Windows Server 2022).\n")
        );
    }

    #[test]
    fn validation_reports() {
        let mut report = ValidationReport {
            warnings: vec!["the name is long".to_owned()],
            native_check: None,
        };
        let accepted = "Would be accepted: upgrade CL1. Nothing was changed.\nwarning: the name is long\n";
        assert_eq!(text(|out| validation(out, "upgrade CL1", &report)), accepted);
        report.native_check = Some(NativeStatus {
            raw: 5973,
            code: 5973,
            ..Default::default()
        });
        assert!(
            text(|out| validation(out, "upgrade CL1", &report)).starts_with("Would be refused: upgrade CL1: 5973\n")
        );
    }
}
