//! Resources (facts 2.5).

pub(crate) mod dependency;
