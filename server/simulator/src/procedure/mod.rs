//! What the setup calls do, phase by phase.

mod account;
mod add_node;
mod create;
mod destroy;
mod storage;

pub(crate) use account::{NameAccount, RepairAccount};
pub(crate) use add_node::AddNode;
pub(crate) use create::{Address, CreateCluster};
pub(crate) use destroy::Destroy;
pub(crate) use storage::AddStorageNode;

use crate::release::Release;
use crate::world::World;
use crate::world::setup::Trouble;

/// A setup call as a sequence of changes of the world.
pub(crate) trait Procedure: Send {
    /// Does what a phase does, for its object. Phases without an effect do nothing.
    fn perform(&mut self, world: &mut World, phase: i32, object: &str) -> Result<(), Trouble>;

    /// Takes back what was done, after a failure.
    fn undo(&mut self, world: &mut World);
}

/// Those of the nodes that run a release with Network ATC. Guess: 2025 and later (facts 1.5, phase 303).
pub(crate) fn atc_nodes(world: &World, nodes: &[String]) -> Vec<String> {
    nodes
        .iter()
        .filter(|node| {
            world
                .machine(node)
                .is_some_and(|machine| machine.os >= Release::Server2025)
        })
        .cloned()
        .collect()
}
