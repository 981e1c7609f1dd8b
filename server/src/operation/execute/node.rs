//! Verbs on nodes (facts 2.3). Pausing and draining is the cluster's; starting and stopping the service is that of the
//! service manager of the node's host.

use std::time::Duration;

use wsfc_clusapi::sys::constants::pause_flags;
use wsfc_clusapi::{Controlled as _, Error, Failback, NodeDrainStatus, NodeState, Win32};
use wsfc_proto::v1::{DrainState, ObjectStateChanged};
use wsfc_proto::{reasons, v1};

use super::follow::{Course, Followable, Verdict, Watch, follow, in_words};
use super::group::{flags, target};
use super::scene::{End, Run, Scene, Stop};
use super::states;
use crate::hosts::{HostError, Service};

/// How often a service that starts or stops is asked for.
const ASK: Duration = Duration::from_millis(500);

pub(super) fn pause(scene: &Scene<'_>, p: &v1::PauseNodeParameters) -> Run {
    let node = scene.cluster.open_node(&p.node)?;
    let before = states::of_node(&node, &p.node)?;
    let paused = before.native_state == Some(NodeState::PAUSED.0);
    let drained = !p.drain || before.drain_state() == DrainState::Completed || node.groups()?.is_empty();
    if paused && drained {
        return Ok(End::unchanged(format!("The node is paused: {}.", in_words(&before))).at(before));
    }
    let to = target(scene, &p.drain_target, "PauseClusterNodeEx")?;
    scene.foresee(
        "PauseClusterNodeEx",
        Win32::ERROR_CLUSTER_NODE_DRAIN_IN_PROGRESS,
        || Ok(before.drain_state() == DrainState::InProgress),
    )?;
    scene.begin()?;
    if !p.drain {
        node.pause()?;
        let state = states::of_node(&node, &p.node)?;
        return Ok(End::done(format!("The node was paused: {}.", in_words(&state))).at(state));
    }
    let flags = flags(&[
        (p.remain_on_move_error, pause_flags::REMAIN_ON_PAUSED_NODE_ON_MOVE_ERROR),
        (p.avoid_placement, pause_flags::AVOID_PLACEMENT),
        (p.retry_drain_on_failure, pause_flags::RETRY_DRAIN_ON_FAILURE),
    ]);
    let watch = Watch::on(scene, &Followable::Node(&node));
    node.drain(to.as_ref(), flags)?;
    let followed = follow(
        scene,
        watch,
        Course {
            before,
            read: &|| states::of_node(&node, &p.node),
            judge: &|seen| match (seen.drain_state(), seen.native_state.map(NodeState)) {
                (DrainState::Completed, Some(NodeState::PAUSED)) => Verdict::Reached,
                // A server that tells of no drains has paused the node, and that is all there is.
                (DrainState::Unspecified, Some(NodeState::PAUSED)) => Verdict::Reached,
                (DrainState::InProgress, _) => Verdict::OnTheWay,
                _ => Verdict::Short,
            },
            cancel: None,
        },
    )?;
    let what = format!("Draining node {:?}", p.node);
    Ok(followed.end(&what, scene, |state| {
        let stay = node.groups().unwrap_or_default();
        let stay: Vec<_> = stay.into_iter().map(|group| group.name).collect();
        let code = node
            .read_only_properties()
            .ok()
            .and_then(|properties| states::dword(&properties, "DrainErrorCode"))
            .filter(|code| *code != 0);
        let why = code.map_or_else(String::new, |code| format!(" with error {}", Win32(code)));
        Ok(End {
            status: code,
            ..End::failed(
                code.map_or_else(|| "DRAIN_FAILED".into(), native_name),
                format!(
                    "The drain did not end well{why}: {}; still there: {}.",
                    in_words(state),
                    if stay.is_empty() {
                        "nothing".into()
                    } else {
                        stay.join(", ")
                    }
                ),
            )
        })
    })?)
}

fn native_name(code: u32) -> String {
    Win32(code).name().map_or_else(|| format!("WIN32_{code}"), String::from)
}

pub(super) fn resume(scene: &Scene<'_>, p: &v1::ResumeNodeParameters) -> Run {
    let node = scene.cluster.open_node(&p.node)?;
    let before = states::of_node(&node, &p.node)?;
    if before.native_state == Some(NodeState::UP.0) && before.drain_state() != DrainState::InProgress {
        return Ok(End::unchanged(format!("The node is not paused: {}.", in_words(&before))).at(before));
    }
    // A node that is down is not paused (facts 2.3).
    scene.foresee("ResumeClusterNodeEx", Win32::ERROR_CLUSTER_NODE_NOT_PAUSED, || {
        Ok(before.native_state == Some(NodeState::DOWN.0))
    })?;
    scene.begin()?;
    let failback = match p.failback() {
        v1::FailbackChoice::Immediately => Failback::IMMEDIATELY,
        v1::FailbackChoice::ByPolicy => Failback::PER_POLICY,
        v1::FailbackChoice::None | v1::FailbackChoice::Unspecified => Failback::DO_NOT,
    };
    let watch = Watch::on(scene, &Followable::Node(&node));
    node.resume(failback)?;
    let comes_back = failback != Failback::DO_NOT;
    let followed = follow(
        scene,
        watch,
        Course {
            before,
            read: &|| states::of_node(&node, &p.node),
            judge: &|seen| match seen.native_state.map(NodeState) {
                Some(NodeState::UP) if comes_back && failing_back(&node) => Verdict::OnTheWay,
                Some(NodeState::UP) => Verdict::Reached,
                _ => Verdict::Short,
            },
            cancel: None,
        },
    )?;
    Ok(followed.end(&format!("Resuming node {:?}", p.node), scene, |state| {
        Ok(End::failed(
            "ERROR_CLUSTER_NODE_PAUSED",
            format!("The node was not resumed: {}.", in_words(state)),
        ))
    })?)
}

/// Whether groups are on their way back to a node (facts 2.2).
fn failing_back(node: &wsfc_clusapi::Node) -> bool {
    let status = node
        .read_only_properties()
        .ok()
        .and_then(|properties| states::dword(&properties, "NodeFailbackStatus"));
    status == Some(NodeDrainStatus::IN_PROGRESS.0)
}

pub(super) fn start(scene: &Scene<'_>, p: &v1::StartNodeParameters) -> Run {
    let state = asked(scene, &p.node)?;
    if state == Service::Running && !p.clear_quarantine {
        return Ok(End::unchanged("The cluster service runs."));
    }
    scene.begin()?;
    let arguments: Vec<&str> = [
        (p.clear_quarantine, "/cq"),
        (p.force_quorum, "/fq"),
        (p.prevent_quorum, "/pq"),
    ]
    .into_iter()
    .filter_map(|(given, argument)| given.then_some(argument))
    .collect();
    if state == Service::Running {
        // The service takes its arguments when it starts.
        ordered(scene, &p.node, Service::Stopped, |scene, node| {
            scene.services.stop(node)
        })?;
    }
    let begun = scene.clock.now();
    ordered(scene, &p.node, Service::Running, |scene, node| {
        scene.services.start(node, &arguments)
    })?;
    // The service runs before the node is a member again.
    let up = |state: &ObjectStateChanged| {
        matches!(
            state.native_state.map(NodeState),
            Some(NodeState::UP | NodeState::PAUSED)
        )
    };
    loop {
        let seen = scene
            .cluster
            .open_node(&p.node)
            .and_then(|node| states::of_node(&node, &p.node));
        if let Ok(state) = &seen
            && up(state)
        {
            return Ok(End::done(format!("The node was started: {}.", in_words(state))).at(state.clone()));
        }
        if scene.clock.now().duration_since(begun).unwrap_or_default() >= scene.limit.min(Duration::from_secs(120)) {
            let end = End::done("The cluster service runs; the node has not joined the cluster yet.");
            return Ok(match seen {
                Ok(state) => end.at(state),
                Err(_unreachable) => end,
            });
        }
        std::thread::park_timeout(ASK);
    }
}

pub(super) fn stop(scene: &Scene<'_>, p: &v1::StopNodeParameters) -> Run {
    if asked(scene, &p.node)? == Service::Stopped {
        return Ok(End::unchanged("The cluster service is stopped."));
    }
    if !p.force {
        let node = scene.cluster.open_node(&p.node)?;
        keeps_quorum(scene, &node.id()?, &p.node)?;
    }
    scene.begin()?;
    ordered(scene, &p.node, Service::Stopped, |scene, node| {
        scene.services.stop(node)
    })?;
    let end = End::done(format!("The cluster service of {:?} was stopped.", p.node));
    // The cluster may be gone with its last node.
    let state = scene
        .cluster
        .open_node(&p.node)
        .and_then(|node| states::of_node(&node, &p.node));
    Ok(match state {
        Ok(state) => end.at(state),
        Err(_gone) => end,
    })
}

/// Refuses what would cost the cluster its quorum, as far as the cluster says so.
pub(super) fn keeps_quorum(scene: &Scene<'_>, node_id: &str, node: &str) -> Result<(), Stop> {
    match scene.cluster.would_lose_quorum_when_down(node_id) {
        Ok(true) => Err(End::failed(
            reasons::QUORUM_AT_RISK,
            format!("The cluster says that it would lose its quorum without {node:?}; nothing was changed."),
        )
        .into()),
        Ok(false) => Ok(()),
        // An older server has no such check (facts 2.6).
        Err(error) if error.code() == Some(Win32::ERROR_INVALID_FUNCTION) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The state of a node's service, or why it cannot be asked.
fn asked(scene: &Scene<'_>, node: &str) -> Result<Service, Stop> {
    scene.services.state(node).map_err(|error| unreachable(&error, node))
}

fn unreachable(error: &HostError, node: &str) -> Stop {
    match error {
        HostError::Call { function, code } => Stop::Api(Error::Call {
            function,
            code: Win32(*code),
        }),
        HostError::NoServiceManager => End::failed(
            reasons::FUNCTION_UNAVAILABLE,
            format!(
                "The cluster service of {node:?} cannot be started or stopped from here: that goes through the service \
                 manager of Windows."
            ),
        )
        .into(),
    }
}

/// Gives an order to a node's service and waits until it is carried out.
fn ordered(
    scene: &Scene<'_>,
    node: &str,
    wished: Service,
    order: impl FnOnce(&Scene<'_>, &str) -> Result<(), HostError>,
) -> Result<(), Stop> {
    order(scene, node).map_err(|error| unreachable(&error, node))?;
    let begun = scene.clock.now();
    loop {
        let state = asked(scene, node)?;
        if state == wished {
            return Ok(());
        }
        let elapsed = scene.clock.now().duration_since(begun).unwrap_or_default();
        // A service that falls back has not come up: it would be on its way otherwise.
        let fell_back = wished == Service::Running && state == Service::Stopped && elapsed >= 10 * ASK;
        if fell_back || elapsed >= scene.limit {
            let (reason, text) = if fell_back {
                ("ERROR_SERVICE_SPECIFIC_ERROR", "it stopped again")
            } else {
                (reasons::TIMED_OUT, "not in time")
            };
            return Err(End::failed(
                reason,
                format!("The cluster service of {node:?} is {state:?}, not {wished:?}: {text}."),
            )
            .into());
        }
        std::thread::park_timeout(ASK);
    }
}
