//! Tables of workloads.

use std::io::{self, Write};

use wsfc_client::v1::Workload;

use super::{dash, facts, rows};
use crate::phrases;

/// Writes workloads below each other.
pub(crate) fn workloads(out: &mut dyn Write, all: &[Workload], wide: bool) -> io::Result<()> {
    if all.is_empty() {
        return writeln!(
            out,
            "This daemon knows no workload: no agent is attached, and no resource of its host names one."
        );
    }
    let mut headings = vec!["WORKLOAD", "AGENT", "RESOURCES"];
    if wide {
        headings.push("LEASE ENDS");
    }
    let all = all.iter().map(|workload| {
        let resources = workload.resources.iter().map(|held| match &held.status {
            Some(status) => format!("{} {}", held.resource, phrases::resource_state(status.state)),
            None => held.resource.clone(),
        });
        let mut row = vec![
            workload.name.clone(),
            agent(workload),
            dash(&resources.collect::<Vec<_>>().join(", ")),
        ];
        if wide {
            row.push(dash(&phrases::time(workload.lease_end_time.as_ref())));
        }
        row
    });
    rows(out, &headings, all)
}

/// Writes what is known of a workload.
pub(crate) fn workload(out: &mut dyn Write, workload: &Workload, wide: bool) -> io::Result<()> {
    facts(
        out,
        &[
            ("workload", workload.name.clone()),
            ("agent", agent(workload)),
            ("lease ends", phrases::time(workload.lease_end_time.as_ref())),
        ],
    )?;
    if workload.resources.is_empty() {
        return writeln!(out, "No resource of this host names it.");
    }
    writeln!(out)?;
    let mut headings = vec!["RESOURCE", "STATE", "CALL", "DONE", "MESSAGE"];
    if wide {
        headings.extend(["GROUP", "NODE", "CHECK POINT", "TIME"]);
    }
    let resources = workload.resources.iter().map(|held| {
        let status = held.status.clone().unwrap_or_default();
        let state = held.status.as_ref().map(|status| phrases::resource_state(status.state));
        let percent = status.percent.map(|percent| format!("{percent}%"));
        let mut row = vec![
            held.resource.clone(),
            dash(&state.unwrap_or_default()),
            dash(&phrases::workload_call(held.call)),
            dash(&percent.unwrap_or_default()),
            dash(&phrases::plain(&status.message)),
        ];
        if wide {
            row.extend([
                dash(&status.group),
                dash(&status.node),
                status.check_point.to_string(),
                dash(&phrases::time(status.time.as_ref())),
            ]);
        }
        row
    });
    rows(out, &headings, resources)
}

/// Who holds a workload: `host/1`, `none`, or `(none any more)` beside a lease that goes on.
fn agent(workload: &Workload) -> String {
    match (workload.attached, workload.agent.as_str()) {
        (true, "") => "attached, without a name".to_owned(),
        (true, agent) => phrases::plain(agent),
        (false, "") => "none".to_owned(),
        (false, agent) => format!("{}, away", phrases::plain(agent)),
    }
}

#[cfg(test)]
mod tests {
    use wsfc_client::v1::{ResourceState, ResourceStatus, WorkloadCallKind, WorkloadResource};

    use super::*;

    fn sample() -> Workload {
        Workload {
            name: "web".to_owned(),
            agent: "host/1".to_owned(),
            attached: true,
            lease_end_time: None,
            resources: vec![
                WorkloadResource {
                    resource: "Web 1".to_owned(),
                    call: WorkloadCallKind::Online.into(),
                    status: Some(ResourceStatus {
                        resource: "Web 1".to_owned(),
                        group: "Web".to_owned(),
                        node: "n1".to_owned(),
                        state: ResourceState::OnlinePending.into(),
                        check_point: 3,
                        percent: Some(40),
                        message: "copying".to_owned(),
                        ..Default::default()
                    }),
                },
                WorkloadResource {
                    resource: "Web 2".to_owned(),
                    ..Default::default()
                },
            ],
        }
    }

    fn text(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut text = Vec::new();
        write(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_workload_shows_its_agent_and_how_far_its_resources_are() {
        let away = Workload {
            name: "db".to_owned(),
            attached: false,
            lease_end_time: Some(prost_types::Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            resources: Vec::new(),
            ..sample()
        };
        insta::assert_snapshot!("workload", text(|out| workload(out, &sample(), false)));
        insta::assert_snapshot!("workload_wide", text(|out| workload(out, &sample(), true)));
        insta::assert_snapshot!("workload_away", text(|out| workload(out, &away, false)));
        insta::assert_snapshot!("workloads", text(|out| workloads(out, &[sample(), away], true)));
        assert!(text(|out| workloads(out, &[], false)).starts_with("This daemon knows no workload"));
    }
}
