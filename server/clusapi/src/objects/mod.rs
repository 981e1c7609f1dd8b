//! What can be done with the objects of a cluster, in a file for each kind (facts 2.3 to 2.6).
//!
//! An [`Accepted`](crate::Accepted) call says how it was taken, never how it ends.

mod clusters;
mod groups;
mod networks;
mod nodes;
mod quorum;
mod resources;
mod sets;
mod volumes;

pub use quorum::Quorum;
pub use resources::NewResourceType;
pub use sets::AvailabilitySet;
pub use volumes::{SharedVolume, SharedVolumePlace};

#[cfg(test)]
mod tests;
