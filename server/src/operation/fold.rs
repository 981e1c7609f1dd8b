//! An operation is the fold of its records.
