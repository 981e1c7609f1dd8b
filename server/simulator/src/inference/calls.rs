//! Setup calls as recordings.

use wsfc_clusapi::trace::Call;
use wsfc_clusapi::trace::format::Callback;

use super::view::{Found, View, cite};
use crate::fault::Phase;
use crate::recording::{RecordedCallback, Recording};
use crate::script;

/// A recording with what is said about it.
pub(super) struct Inferred {
    pub(super) recording: Recording,
    pub(super) notes: Vec<String>,
}

/// The recordings of all setup calls that came back, in the order in which they began.
pub(super) fn infer(view: &View<'_>, unseen: &mut Vec<String>) -> Vec<Inferred> {
    let mut inferred = Vec::new();
    for call in view.setup_calls() {
        if call.returned.is_none() {
            unseen.push(format!(
                "the end of {}: the trace ends before it, so it is not played",
                cite(call)
            ));
            continue;
        }
        match view.cluster_of(call).filter(|name| !name.is_empty()) {
            Some(cluster) => inferred.push(of_call(view, call, cluster.to_owned())),
            None => unseen.push(format!("the cluster of {}, so it is not played", cite(call))),
        }
    }
    if inferred.is_empty() {
        unseen.push("any setup call that came back, so there is nothing to play".to_owned());
    }
    inferred
}

fn of_call(view: &View<'_>, call: &Call, cluster: String) -> Inferred {
    let function = call.begin.function.as_str();
    let is_upgrade = function == "ClusterUpgradeFunctionalLevel";
    let mut notes = vec![format!(
        "{}, {} s after the recorder began, on thread {}.",
        cite(call),
        seconds(call.begin.at_us),
        call.begin.thread
    )];
    let late = call.callbacks.iter().filter(|callback| callback.late).count();
    if late > 0 {
        notes.push(format!("{late} callbacks came after it had returned and are left out."));
    }
    let returned = call.returned.as_ref();
    let cleanup = returned.and_then(|returned| returned.out.number("cleanup_status"));
    let mut recording = Recording {
        function: function.to_owned(),
        cluster,
        node: view.node_of(call).map(str::to_owned),
        check: is_upgrade && call.begin.arguments.number("perform") == Some(0),
        duration_ms: returned.map_or(0, |returned| returned.took_us / 1_000),
        result: call.error().unwrap_or(0),
        // An HRESULT is written as a signed number.
        cleanup_status: cleanup
            .and_then(|status| i32::try_from(status).ok())
            .map_or(0, i32::cast_unsigned),
        changes_world: None,
        second_thread: call
            .callbacks
            .iter()
            .any(|callback| callback.thread != call.begin.thread),
        hosts_after: view
            .after(call)
            .filter(|after| after.begin.function == "GetNodeClusterState" && after.succeeded())
            .filter_map(|after| {
                let state = after.returned.as_ref()?.out.number("state")?;
                let host = after.begin.arguments.text("node_name")?;
                Some((host.to_owned(), u32::try_from(state).ok()?))
            })
            .collect(),
        callbacks: call
            .callbacks
            .iter()
            .filter(|callback| !callback.late)
            .map(|callback| of_callback(call, callback, is_upgrade))
            .collect(),
    };
    if let Some((worked, why)) = worked_after_all(view, call)
        && worked != recording.changes_world()
    {
        recording.changes_world = Some(worked);
        notes.push(why);
    }
    Inferred { recording, notes }
}

fn of_callback(call: &Call, callback: &Callback, is_upgrade: bool) -> RecordedCallback {
    let report = callback.report.as_ref();
    let name = if is_upgrade {
        script::upgrade_phase_name(callback.phase)
    } else {
        script::setup_phase_name(callback.phase)
    };
    RecordedCallback {
        at_ms: callback.at_us.saturating_sub(call.begin.at_us) / 1_000,
        phase: name
            .filter(|name| script::phase_number(name) == Some(callback.phase))
            .map_or(Phase::Number(callback.phase), |name| Phase::Name(name.to_owned())),
        phase_type: report.map(|report| report.phase_type),
        severity: report.map_or(1, |report| report.severity),
        percent: report.map_or(0, |report| report.percent),
        object: report.and_then(|report| report.object.clone()),
        status: report.map_or(0, |report| report.status),
    }
}

/// Whether a failed call had worked all the same, as far as its thread saw afterwards.
fn worked_after_all(view: &View<'_>, call: &Call) -> Option<(bool, String)> {
    call.error()?;
    let found = view.found_after(call)?;
    match (call.begin.function.as_str(), found) {
        ("CreateCluster", Found::Cluster(_)) => {
            Some((true, "It failed, and the cluster was there afterwards.".to_owned()))
        }
        ("DestroyCluster", Found::Nothing) => {
            Some((true, "It failed, and the cluster did not answer afterwards.".to_owned()))
        }
        ("AddClusterNode" | "AddClusterNodeEx", Found::Cluster(nodes)) => {
            let node = view.node_of(call)?;
            nodes
                .iter()
                .any(|known| known.eq_ignore_ascii_case(node))
                .then(|| (true, "It failed, and the node was a member afterwards.".to_owned()))
        }
        _ => None,
    }
}

fn seconds(us: u64) -> String {
    format!("{}.{:03}", us / 1_000_000, us / 1_000 % 1_000)
}
