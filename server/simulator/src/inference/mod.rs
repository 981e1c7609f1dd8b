//! A scenario from a trace: what was recorded on a real cluster, as a world to simulate.
//!
//! The setup calls of the trace become recordings, which are played for the same calls. The world around them is inferred
//! from what the trace shows before and between them, and the text of the scenario says of each thing what it was inferred
//! from, and what the trace does not show:
//!
//! | of | inferred from |
//! | --- | --- |
//! | machines | every host that was named: in configurations, by GetNodeClusterState, by enumerations of nodes |
//! | reachable | GetNodeClusterState: a host that only ever answered 1722 is not; one that only ever answered 53 is none |
//! | feature, membership | the first GetNodeClusterState of the host, before any setup call named it |
//! | release | NodeHighestVersion of the node, or else the build that GetClusterInformation told of a connected node |
//! | domain | the first host that was named in full |
//! | networks | the addresses that clusters were created with, and their prefixes |
//! | existing clusters | clusters that were opened before a CreateCluster made them; their first enumerations |
//! | level of new clusters | ClusterFunctionalLevel after CreateCluster, where it is below what the nodes support |
//! | absent functions | the trace's first line |
//! | hosts after a call | GetNodeClusterState on the call's own thread, after it |
//! | a failed call that worked | what OpenCluster and enumerations found on the call's own thread, after it |

mod calls;
mod clusters;
mod machines;
mod text;
mod view;

use wsfc_clusapi::trace::Trace;

use crate::scenario::{Network, Scenario, ScenarioError};
use clusters::ExistingClusters;
use machines::Machines;
use view::View;

/// What was concluded, each with its reason; the order is that of the scenario's text.
struct Inference {
    domain: Option<String>,
    local: Option<String>,
    form_at_level: Option<(u32, String)>,
    networks: Vec<(Network, String)>,
    machines: Machines,
    clusters: ExistingClusters,
    calls: Vec<calls::Inferred>,
    /// What the trace does not show.
    unseen: Vec<String>,
}

/// Makes the TOML text of a scenario from a trace. `scale` is real time per recorded time: 1 plays calls as fast as they
/// were, 0 waits for nothing.
///
/// # Errors
///
/// A scenario that contradicts itself, which is a trace that does.
pub fn scenario(trace: &Trace, scale: f64) -> Result<String, ScenarioError> {
    let view = View::new(trace);
    let mut unseen = Vec::new();
    let clusters = ExistingClusters::infer(&view, &mut unseen);
    let machines = Machines::infer(&view, &clusters, &mut unseen);
    let mut networks = clusters::networks(&view);
    networks.extend(clusters.stand_in_networks());
    let inference = Inference {
        domain: view.domain().map(str::to_owned),
        local: machines.local(trace.header.host.as_deref()),
        form_at_level: machines.level_of_new_clusters(&view),
        networks,
        calls: calls::infer(&view, &mut unseen),
        machines,
        clusters,
        unseen,
    };
    let text = text::write(trace, &inference, scale);
    // What is handed out can be simulated.
    Scenario::from_toml(&text)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
