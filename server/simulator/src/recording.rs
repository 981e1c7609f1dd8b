//! Recorded calls: what a setup call of a real cluster reported, when, and how it ended, to be played instead of a script.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wsfc_clusapi::sys::constants::{setup_phase as phase, setup_phase_severity as severity, setup_phase_type as kind};

use crate::fault::Phase;
use crate::script::Step;
use crate::win32::{ERROR_CLUSTER_EVICT_WITHOUT_CLEANUP, ERROR_CLUSTER_UPGRADE_RESTART_REQUIRED, WAIT_TIMEOUT};

/// One call as it was recorded.
///
/// It is played for the next call of the same function on the same objects, once: its callbacks at their times, then its
/// result. What it does to the world it does at its end, by the rules of the call that was made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recording {
    /// The C function, for example "CreateCluster".
    pub function: String,
    /// The cluster's own name, case not regarded.
    pub cluster: String,
    /// The node that the call is about, case not regarded. Default: none.
    pub node: Option<String>,
    /// ClusterUpgradeFunctionalLevel without `perform`. Default false.
    pub check: bool,
    /// The time from the call to its return, in milliseconds of simulated time.
    pub duration_ms: u64,
    /// The Win32 code of the call. Default 0, success.
    pub result: u32,
    /// The HRESULT of an eviction's clean-up. Default 0.
    pub cleanup_status: u32,
    /// The call did to the world what it does when it works, though it failed, or the other way round. Default: when it
    /// succeeded. An eviction that waits for its clean-up in vain (258, 5896), and an upgrade that wants a restart (5975),
    /// have worked.
    pub changes_world: Option<bool>,
    /// The callbacks come from another thread than the call's. Default false.
    pub second_thread: bool,
    /// What GetNodeClusterState said of hosts afterwards, by name (facts 1.2). They are so when the call ends.
    pub hosts_after: BTreeMap<String, u32>,
    /// The callbacks, in their order.
    pub callbacks: Vec<RecordedCallback>,
}

/// One callback of a recorded call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedCallback {
    /// The time since the call, in milliseconds of simulated time. An earlier time than that of the callback before it
    /// means no wait.
    pub at_ms: u64,
    /// The phase, by name ("FormingCluster", "ValidatingUpgrade") or number (200).
    pub phase: Phase,
    /// The place within the phase (facts 1.5). An upgrade has none.
    #[serde(rename = "type", default)]
    pub phase_type: Option<i32>,
    /// How bad it is. Default 1, informational.
    #[serde(default = "informational")]
    pub severity: i32,
    /// Percent of the whole call. Default 0.
    #[serde(default)]
    pub percent: u32,
    /// What it is about. Default: NULL.
    #[serde(default)]
    pub object: Option<String>,
    /// 0 (the default), a Win32 code or an HRESULT.
    #[serde(default)]
    pub status: u32,
}

fn informational() -> i32 {
    severity::INFORMATIONAL
}

/// What a call is about, to find its recording by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'call> {
    pub(crate) call: &'static str,
    /// The cluster's own name.
    pub(crate) cluster: &'call str,
    pub(crate) node: Option<&'call str>,
    /// A check of an upgrade.
    pub(crate) check: bool,
}

impl<'call> Subject<'call> {
    /// A call on a cluster, or on a node of it.
    pub(crate) fn new(call: &'static str, cluster: &'call str, node: Option<&'call str>) -> Self {
        Self {
            call,
            cluster,
            node,
            check: false,
        }
    }
}

/// The function whose callbacks are phases and nothing else.
const UPGRADE: &str = "ClusterUpgradeFunctionalLevel";

/// The functions whose calls are played from recordings.
pub(crate) const PLAYED: [&str; 13] = [
    "CreateCluster",
    "AddClusterNode",
    "AddClusterNodeEx",
    "AddClusterStorageNode",
    "RemoveClusterStorageNode",
    "DestroyCluster",
    "EvictClusterNode",
    "EvictClusterNodeEx",
    "EvictClusterNodeEx2",
    "CreateClusterNameAccount",
    "RemoveClusterNameAccount",
    "RepairClusterNameAccount",
    UPGRADE,
];

impl Recording {
    /// Checks what the types cannot say.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !PLAYED.contains(&self.function.as_str()) {
            return Err(format!("function: recordings are played for {}", PLAYED.join(", ")));
        }
        if self.cluster.is_empty() {
            return Err("cluster: must be the name of the call's cluster".into());
        }
        for (position, callback) in self.callbacks.iter().enumerate() {
            if callback.phase.number().is_none() {
                return Err(format!("callbacks[{position}].phase: no phase has this name"));
            }
            if (callback.phase_type.is_none()) != (self.function == UPGRADE) {
                return Err(format!(
                    "callbacks[{position}].type: an upgrade has none, all else has one"
                ));
            }
        }
        Ok(())
    }

    /// Whether the call did what it does when it works.
    pub(crate) fn changes_world(&self) -> bool {
        self.changes_world.unwrap_or(match self.result {
            0 | ERROR_CLUSTER_UPGRADE_RESTART_REQUIRED => true,
            ERROR_CLUSTER_EVICT_WITHOUT_CLEANUP | WAIT_TIMEOUT => self.function.starts_with("EvictClusterNode"),
            _ => false,
        })
    }

    /// Whether a step was reported to leave its resource out: a warning in these phases means that it is missing (facts
    /// 1.3).
    pub(crate) fn leaves_out(&self, step: &Step) -> bool {
        matches!(
            step.phase,
            phase::CREATE_IP_ADDRESS_RESOURCES | phase::CREATE_NETWORK_NAME
        ) && self.callbacks.iter().any(|callback| {
            callback.phase_type == Some(kind::END)
                && callback.severity != severity::INFORMATIONAL
                && callback.phase.number() == Some(step.phase)
                && callback.object.as_deref() == Some(&step.object)
        })
    }
}

/// The recordings of a world that were not played yet.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Recordings(Vec<Recording>);

impl Recordings {
    pub(crate) fn new(recordings: Vec<Recording>) -> Self {
        Self(recordings)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the next one of a call; `short_name` takes the domain off a name.
    pub(crate) fn take(&mut self, subject: &Subject<'_>, short_name: impl Fn(&str) -> String) -> Option<Recording> {
        let same = |one: &str, other: &str| short_name(one).eq_ignore_ascii_case(&short_name(other));
        let position = self.0.iter().position(|recording| {
            recording.function == subject.call
                && recording.check == subject.check
                && recording.cluster.eq_ignore_ascii_case(subject.cluster)
                && match (&recording.node, subject.node) {
                    (Some(recorded), Some(node)) => same(recorded, node),
                    (recorded, node) => recorded.is_none() && node.is_none(),
                }
        })?;
        Some(self.0.remove(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(cluster: &str, node: &str, duration_ms: u64) -> Recording {
        Recording {
            function: "AddClusterNode".into(),
            cluster: cluster.into(),
            node: Some(node.into()),
            duration_ms,
            ..Recording::default()
        }
    }

    #[test]
    fn a_call_takes_the_next_recording_of_its_own() {
        let mut recordings = Recordings::new(vec![add("c", "n1", 1), add("C", "N2.a.example", 2), add("c", "n2", 3)]);
        let mut take = |call, cluster, node| {
            let short = |name: &str| name.split('.').next().unwrap_or(name).to_owned();
            recordings
                .take(&Subject::new(call, cluster, node), short)
                .map(|recording| recording.duration_ms)
        };
        assert_eq!(take("AddClusterNodeEx", "c", Some("n2")), None);
        assert_eq!(take("AddClusterNode", "d", Some("n2")), None);
        assert_eq!(take("AddClusterNode", "c", None), None);
        assert_eq!(take("AddClusterNode", "c", Some("n2")), Some(2));
        assert_eq!(take("AddClusterNode", "c", Some("n2")), Some(3));
        assert_eq!(take("AddClusterNode", "c", Some("n2")), None);
        assert_eq!(take("AddClusterNode", "c", Some("n1")), Some(1));
        assert!(recordings.is_empty());
    }

    #[test]
    fn a_recording_says_whether_it_changed_the_world() {
        let with = |function: &str, result, changes_world| {
            let recording = Recording {
                function: function.into(),
                result,
                changes_world,
                ..Recording::default()
            };
            recording.changes_world()
        };
        assert!(with("CreateCluster", 0, None));
        assert!(!with("CreateCluster", 1066, None));
        assert!(with("DestroyCluster", 5, Some(true)));
        assert!(with("EvictClusterNodeEx", 258, None));
        assert!(!with("CreateCluster", 258, None));
    }

    #[test]
    fn what_cannot_be_played_is_refused() {
        let refused = |change: fn(&mut Recording)| {
            let mut recording = add("c", "n", 0);
            change(&mut recording);
            recording.check().unwrap_err()
        };
        assert!(refused(|recording| recording.function = "OpenCluster".into()).starts_with("function"));
        assert!(refused(|recording| recording.cluster.clear()).starts_with("cluster"));
        let nowhere = refused(|recording| {
            recording.callbacks = vec![RecordedCallback {
                at_ms: 0,
                phase: Phase::Name("Nowhere".into()),
                phase_type: None,
                severity: 1,
                percent: 0,
                object: None,
                status: 0,
            }];
        });
        assert!(nowhere.starts_with("callbacks[0].phase"), "{nowhere}");
    }
}
