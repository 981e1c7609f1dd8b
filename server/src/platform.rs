//! Time, threads and randomness, so that the daemon runs whole inside a deterministic simulation.
